/*
 * compute.c - runs the kernels, times each repetition with RDTSC, and prints one line for each.
 *
 * Shared by the native program (native.c) and the guests (guest.c), which only differ in how a string gets out.
 * Repetition 0 is the cold one: page faults, translation, caches. Readers take the others for the steady state.
 */
#include "compute.h"

uint8_t compute_arena[COMPUTE_ARENA] __attribute__((aligned(4 << 20)));

static const struct compute_kernel kernels[] = {
	{ "intloop", NULL, intloop_run, false },
	{ "stream", stream_setup, stream_run, false },
	{ "sieve", NULL, sieve_run, false },
	{ "sha256", sha256_setup, sha256_run, false },
	{ "quicksort", NULL, quicksort_run, false },
	{ "fib", NULL, fib_run, false },
	{ "chase", chase_setup, chase_run, false },
	{ "hash", NULL, hash_run, false },
	{ "matmul", matmul_setup, matmul_run, false },
	{ "btree", NULL, btree_run, false },
	{ "bytecode", bytecode_setup, bytecode_run, false },
	{ "x87", x87_setup, x87_run, true },
	{ "sse", sse_setup, sse_run, true },
	{ "repmovs", repmovs_setup, repmovs_run, true },
};

/* A line under construction; what does not fit is dropped. */
struct line {
	char text[160];
	unsigned len;
};

static void line_add(struct line *l, const char *s)
{
	while (*s && l->len < sizeof(l->text) - 1)
		l->text[l->len++] = *s++;
	l->text[l->len] = 0;
}

static void line_add_decimal(struct line *l, uint64_t v)
{
	char digits[21];
	unsigned i = sizeof(digits) - 1;
	uint32_t hi = (uint32_t)(v >> 32), lo = (uint32_t)v;

	digits[i] = 0;
	do { /* long division by hand: freestanding guests have no 64-bit divide */
		uint64_t part = ((uint64_t)(hi % 10) << 32) | lo;
		uint32_t rest;

		hi /= 10;
		__asm__("divl %4" : "=a"(lo), "=d"(rest) : "0"((uint32_t)part), "1"((uint32_t)(part >> 32)), "rm"(10u));
		digits[--i] = (char)('0' + rest);
	} while (hi | lo);
	line_add(l, digits + i);
}

static void line_add_hex(struct line *l, uint32_t v)
{
	char digits[9];

	for (int i = 7; i >= 0; i--, v >>= 4)
		digits[i] = "0123456789abcdef"[v & 15];
	digits[8] = 0;
	line_add(l, digits);
}

/* The value of word "key=" in args, or NULL. */
static const char *arg_find(const char *args, const char *key)
{
	for (const char *p = args; *p; p++) {
		const char *a = p, *k = key;

		if (p != args && p[-1] != ' ')
			continue;
		while (*k && *a == *k)
			a++, k++;
		if (!*k && *a == '=')
			return a + 1;
	}
	return NULL;
}

static unsigned arg_number(const char *args, const char *key, unsigned otherwise)
{
	const char *p = arg_find(args, key);
	unsigned v = 0;

	if (!p || *p < '0' || *p > '9')
		return otherwise;
	while (*p >= '0' && *p <= '9')
		v = v * 10 + (unsigned)(*p++ - '0');
	return v;
}

/* Whether the comma-separated list names the kernel; no list names all. */
static bool list_names(const char *list, const char *name)
{
	if (!list)
		return true;
	while (*list && *list != ' ') {
		const char *n = name;

		while (*n && *list == *n)
			list++, n++;
		if (!*n && (!*list || *list == ',' || *list == ' '))
			return true;
		while (*list && *list != ',' && *list != ' ')
			list++;
		if (*list == ',')
			list++;
	}
	return false;
}

/* Complete all that came before, so that the clock reads neither early nor late (SDM vol. 2B, RDTSC). */
static inline uint64_t tsc_now(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lock addl $0, (%%esp)\n\trdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return ((uint64_t)hi << 32) | lo;
}

static int kernel_time(const struct compute_kernel *k, unsigned reps, void (*put)(const char *s))
{
	uint32_t first = 0;
	int bad = 0;

	if (k->setup)
		k->setup();
	for (unsigned i = 0; i < reps; i++) {
		struct line l = { .len = 0 };
		uint64_t t0 = tsc_now();
		uint32_t sum = k->run();
		uint64_t t1 = tsc_now();

		if (!i)
			first = sum;
		bad |= sum != first;
		line_add(&l, "COMPUTE ");
		line_add(&l, k->name);
		line_add(&l, " rep=");
		line_add_decimal(&l, i);
		line_add(&l, " cycles=");
		line_add_decimal(&l, t1 - t0);
		line_add(&l, " sum=");
		line_add_hex(&l, sum);
		line_add(&l, "\n");
		put(l.text);
	}
	return bad;
}

int compute_main(const char *build, const char *args, void (*put)(const char *s))
{
	unsigned reps = arg_number(args, "reps", 5);
	unsigned extras = arg_number(args, "extras", 1);
	const char *only = arg_find(args, "only");
	struct line l = { .len = 0 };
	int bad = 0;

	line_add(&l, "COMPUTE-BEGIN build=");
	line_add(&l, build);
	line_add(&l, " reps=");
	line_add_decimal(&l, reps);
	line_add(&l, "\n");
	put(l.text);
	for (unsigned i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
		if (list_names(only, kernels[i].name) && (extras || !kernels[i].extra))
			bad |= kernel_time(&kernels[i], reps, put);
	put(bad ? "COMPUTE-END status=1\n" : "COMPUTE-END status=0\n");
	return bad;
}
