/*
 * fpsum.c - floating-point checksums: x87 and SSE2, every operation whose result IEEE 754 or the manual fixes.
 *
 * The same binary runs here and in the guest, and prints the same lines there, or the guest's FPU state is not its own
 * (lost at a context switch, saved with wrong control words, emulated with wrong rounding). Transcendental x87
 * instructions are left to a line of their own: their last bits are the CPU's business, but this is the same CPU.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <emmintrin.h>

static uint64_t sum = 0xcbf29ce484222325ull;

static void add_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n--)
		sum = (sum ^ *b++) * 0x100000001b3ull;
}

static void line(const char *name)
{
	printf("%-10s %016llx\n", name, (unsigned long long)sum);
	sum = 0xcbf29ce484222325ull;
}

static double next(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return ((double)*x - 2147483648.0) / 65536.0;
}

#define ROUNDS 200000

/* Each precision and rounding mode of the control word. */
static void x87_arithmetic(uint16_t control)
{
	uint32_t seed = 1;
	uint16_t status;

	__asm__ volatile("fninit; fldcw %0" : : "m"(control));
	for (int i = 0; i < ROUNDS / 8; i++) {
		double a = next(&seed), b = next(&seed);
		struct { uint8_t b[10]; } __attribute__((packed)) r;

		__asm__ volatile("fldl %2; fldl %3; fadd %%st(1), %%st; fmul %%st(1), %%st; fldl %3; fdivrp; fsubrp; fabs; fsqrt;"
			"fstpt %0; fnstsw %1" : "=m"(r), "=m"(status) : "m"(a), "m"(b));
		add_bytes(&r, 10);
		add_bytes(&status, 2);
	}
	__asm__ volatile("fninit");
}

static void x87_integers(void)
{
	uint32_t seed = 7;

	for (int i = 0; i < ROUNDS / 8; i++) {
		double a = next(&seed) * 1e5, r;
		int64_t q;
		int32_t d;
		uint8_t bcd[10];

		__asm__ volatile("fldl %4; fld %%st; fistpl %1; fld %%st; fbstp %2; fld %%st; fistpll %0; frndint; fstpl %3"
			: "=m"(q), "=m"(d), "=m"(bcd), "=m"(r) : "m"(a));
		add_bytes(&q, 8);
		add_bytes(&d, 4);
		add_bytes(bcd, 10);
		add_bytes(&r, 8);
	}
}

static void x87_transcendental(void)
{
	uint32_t seed = 3;

	for (int i = 0; i < ROUNDS / 16; i++) {
		double a = fabs(next(&seed)) / 100000, r[4];

		__asm__ volatile("fldl %4; fsin; fstpl %0; fldl %4; fcos; fstpl %1; fldl %4; fld1; fpatan; fstpl %2; fldl %4; f2xm1; fstpl %3"
			: "=m"(r[0]), "=m"(r[1]), "=m"(r[2]), "=m"(r[3]) : "m"(a));
		add_bytes(r, sizeof(r));
	}
}

static void sse_arithmetic(unsigned mxcsr)
{
	uint32_t seed = 5;
	unsigned old = _mm_getcsr();

	_mm_setcsr(mxcsr);
	for (int i = 0; i < ROUNDS / 4; i++) {
		__m128d a = _mm_set_pd(next(&seed), next(&seed)), b = _mm_set_pd(next(&seed), next(&seed));
		__m128d r = _mm_div_pd(_mm_mul_pd(_mm_add_pd(a, b), a), _mm_sub_pd(b, a));
		__m128 f = _mm_sqrt_ps(_mm_cvtpd_ps(_mm_mul_pd(r, r)));
		__m128i n = _mm_madd_epi16(_mm_cvtps_epi32(f), _mm_cvttpd_epi32(r));

		add_bytes(&r, 16);
		add_bytes(&f, 16);
		add_bytes(&n, 16);
	}
	mxcsr = _mm_getcsr();
	add_bytes(&mxcsr, 4);
	_mm_setcsr(old);
}

static void matrix(void)
{
	static double a[48][48], b[48][48], c[48][48];
	uint32_t seed = 9;

	for (int i = 0; i < 48 * 48; i++) {
		a[i / 48][i % 48] = next(&seed);
		b[i / 48][i % 48] = next(&seed);
	}
	for (int i = 0; i < 48; i++)
		for (int j = 0; j < 48; j++)
			for (int k = 0; k < 48; k++)
				c[i][j] += a[i][k] * b[k][j];
	add_bytes(c, sizeof(c));
}

int main(void)
{
	static const uint16_t control[] = { 0x37f, 0x27f, 0x07f, 0x77f, 0xb7f, 0xf7f };
	static const unsigned mxcsr[] = { 0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9f80 };
	char name[16];

	line("start");
	for (unsigned i = 0; i < sizeof(control) / sizeof(control[0]); i++) {
		x87_arithmetic(control[i]);
		snprintf(name, sizeof(name), "x87-%03x", control[i]);
		line(name);
	}
	x87_integers();
	line("x87-int");
	x87_transcendental();
	line("x87-trans");
	for (unsigned i = 0; i < sizeof(mxcsr) / sizeof(mxcsr[0]); i++) {
		sse_arithmetic(mxcsr[i]);
		snprintf(name, sizeof(name), "sse-%04x", mxcsr[i]);
		line(name);
	}
	matrix();
	line("matrix");
	return 0;
}
