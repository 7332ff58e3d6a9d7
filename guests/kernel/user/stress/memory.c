/*
 * memory.c - copy on write, mmap, brk, page faults by the thousand, and a pager in user space.
 */
#include "stress.h"

#define PAGES 16

static uint8_t *map(size_t pages)
{
	void *p = mmap(NULL, pages * PAGE, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED);
	return p;
}

/* ---- copy on write ---- */

static uint8_t *area;

static int grandchild(uint32_t seed)
{
	check(is_filled(area, PAGES * PAGE, seed));
	fill(area, PAGES * PAGE, seed + 2);
	check(is_filled(area, PAGES * PAGE, seed + 2));
	return 3;
}

static int child(uint32_t seed)
{
	check(is_filled(area, PAGES * PAGE, seed));
	for (int i = 0; i < PAGES; i += 2) /* every second page becomes its own */
		fill(area + i * PAGE, PAGE, seed + 100 + i);
	for (int i = 0; i < PAGES; i++)
		check(is_filled(area + i * PAGE, PAGE, i % 2 ? seed + i * 1024 : seed + 100 + i));
	fill(area, PAGES * PAGE, seed + 1);
	expect_exit(spawn(grandchild, seed + 1), 3);
	check(is_filled(area, PAGES * PAGE, seed + 1));
	return 4;
}

void case_cow(void)
{
	area = map(PAGES);
	for (uint32_t i = 0; i < 4 * s.scale; i++) {
		uint32_t seed = random_next(&s.seed);
		pid_t a, b;

		fill(area, PAGES * PAGE, seed);
		a = spawn(child, seed);
		b = spawn(child, seed);
		if (i % 2)
			fill(area, PAGES * PAGE, seed + 50); /* while they are at it */
		expect_exit(a, 4);
		expect_exit(b, 4);
		check(is_filled(area, PAGES * PAGE, seed + (i % 2 ? 50 : 0)));
		mix(*(uint32_t *)(area + 3 * PAGE));
	}
	check(!munmap(area, PAGES * PAGE));
}

/* The kernel's own writes to memory that is shared for copying. */
static int reader(uint32_t fd)
{
	check(read_all(fd, area + 100, 2 * PAGE));
	check(is_filled(area + 100, 2 * PAGE, 9));
	check(is_filled(area, 100, 5));
	return 0;
}

void case_cow_kernel(void)
{
	static uint32_t data[2 * PAGE / 4];
	struct linux_stat64 st;
	int ends[2];
	pid_t pid;

	area = map(4);
	fill(area, 4 * PAGE, 5);
	check(!pipe(ends));
	pid = spawn(reader, ends[0]);
	fill(data, sizeof(data), 9);
	check(write_all(ends[1], data, sizeof(data)) == sizeof(data));
	expect_exit(pid, 0);
	check(is_filled(area, 4 * PAGE, 5));
	check(!fstat(ends[0], &st) && (st.mode & LS_IFMT) == LS_IFIFO);
	close(ends[0]);
	close(ends[1]);
	mix(*(uint32_t *)(area + PAGE));
	check(!munmap(area, 4 * PAGE));
}

/* ---- mmap, munmap, mprotect ---- */

static uint8_t *target;

static int touch(uint32_t off)
{
	return *(volatile uint8_t *)(target + off) & 0x7f;
}

static int poke(uint32_t off)
{
	*(volatile uint8_t *)(target + off) = 1;
	return 5;
}

void case_mmap(void)
{
	uint8_t *p = map(8), *q;
	bool zero = true;

	for (uint32_t i = 0; i < 8 * PAGE; i++)
		zero &= !p[i];
	check(zero);
	fill(p, 8 * PAGE, 1);
	check(!munmap(p + 3 * PAGE, 2 * PAGE)); /* a hole in the middle */
	check(is_filled(p, 3 * PAGE, 1) && is_filled(p + 5 * PAGE, 3 * PAGE, 1 + 5 * 1024));
	target = p;
	p[2 * PAGE] = 1;
	expect_exit(spawn(touch, 2 * PAGE), 1);
	expect_signal(spawn(touch, 3 * PAGE), LSIGSEGV);
	expect_signal(spawn(poke, 4 * PAGE + 4095), LSIGSEGV);
	expect_exit(spawn(poke, 5 * PAGE), 5);
	q = mmap(p + 3 * PAGE, PAGE, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS | LMAP_FIXED, -1, 0);
	check(q == p + 3 * PAGE);
	check(!*q);
	q = mmap(p, PAGE, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS | LMAP_FIXED, -1, 0); /* over what is there */
	check(q == p && !p[0] && !p[4095]);
	check(!mprotect(p + PAGE, PAGE, LPROT_READ));
	expect_signal(spawn(poke, PAGE), LSIGSEGV);
	check(is_filled(p + PAGE, PAGE, 1 + 1024));
	check(!mprotect(p + PAGE, PAGE, LPROT_READ | LPROT_WRITE));
	expect_exit(spawn(poke, PAGE), 5);
	check(is_filled(p + PAGE, PAGE, 1 + 1024));
	check_error((int)mmap(NULL, 0, LPROT_READ, LMAP_PRIVATE | LMAP_ANONYMOUS, -1, 0), EINVAL);
	check_error((int)mmap(p + 1, PAGE, LPROT_READ, LMAP_PRIVATE | LMAP_ANONYMOUS | LMAP_FIXED, -1, 0), EINVAL);
	check_error(munmap(p + 1, PAGE), EINVAL);
	check_error(mprotect(p + 1, PAGE, LPROT_READ), EINVAL);
	check_error(mprotect(p + 4 * PAGE, PAGE, LPROT_READ), ENOMEM);
	check(!munmap(p, 8 * PAGE));
	check(!munmap(p, 8 * PAGE)); /* nothing is there: no error */
	expect_signal(spawn(touch, 0), LSIGSEGV);
	mix(zero);
}

void case_brk(void)
{
	uint8_t *base = sbrk(0);
	uint32_t n = 64 * PAGE;

	for (uint32_t round = 0; round < 3 * s.scale; round++) {
		bool zero = true;

		base = sbrk(n);
		check(base != (void *)-1);
		for (uint32_t i = 0; i < n; i += 512)
			zero &= !base[i];
		check(zero);
		fill(base + (4 - (uint32_t)base % 4), n - 4, round);
		check(is_filled(base + (4 - (uint32_t)base % 4), n - 4, round));
		if (round % 2)
			check((uint8_t *)sbrk(-(intptr_t)n / 2) == base + n && (uint8_t *)sbrk(-(intptr_t)n / 2) == base + n / 2);
		else
			check((uint8_t *)sbrk(-(intptr_t)n) == base + n);
		/* The page in which the old end lies is kept: it must be clean for the next round. */
		memset(base, 0, -(uint32_t)base % PAGE);
		mix(zero);
	}
	target = base + PAGE;
	check_error(brk((void *)0xfffff000), ENOMEM);
	expect_signal(spawn(touch, 8 * PAGE), LSIGSEGV);
}

/* ---- faults ---- */

static int storm(uint32_t seed)
{
	enum { N = 128 };
	uint8_t *p = map(N), order[N];

	for (int i = 0; i < N; i++)
		order[i] = i;
	for (int i = N - 1; i > 0; i--) {
		uint32_t k = random_next(&seed) % (i + 1);
		uint8_t t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
	for (int i = 0; i < N; i++)
		*(uint32_t *)(p + order[i] * PAGE + i * 8) = order[i] + seed;
	for (int i = 0; i < N; i++)
		check(*(uint32_t *)(p + order[i] * PAGE + i * 8) == order[i] + seed);
	check(!munmap(p, N * PAGE));
	return 0;
}

void case_fault_storm(void)
{
	pid_t pid[3];

	for (uint32_t i = 0; i < 2 * s.scale; i++) {
		for (int k = 0; k < 3; k++) /* side by side */
			pid[k] = spawn(storm, i * 3 + k + 1);
		check(!storm(i + 77));
		for (int k = 0; k < 3; k++)
			expect_exit(pid[k], 0);
	}
	mix(s.wrong);
}

/* A handler brings each page in when it is first used: the address that it is told must be right, and the access repeated. */
static volatile uint32_t paged;

static void pager(int sig, struct linux_siginfo *info, struct linux_ucontext *context)
{
	uint8_t *page = (uint8_t *)(info->addr & ~(PAGE - 1));

	if (page < target || page >= target + 64 * PAGE || mprotect(page, PAGE, LPROT_READ | LPROT_WRITE))
		_exit(97);
	paged++;
	*(uint32_t *)page = (page - target) / PAGE * 3;
}

void case_user_pager(void)
{
	uint32_t sum = 0;

	target = mmap(NULL, 64 * PAGE, 0, LMAP_PRIVATE | LMAP_ANONYMOUS, -1, 0);
	check(target != MAP_FAILED);
	paged = 0;
	check(!signal_set(LSIGSEGV, pager, 0, 0));
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t k = i * 37 % 64;

		sum += *(volatile uint32_t *)(target + k * PAGE);
		target[k * PAGE + 4000] = k;
	}
	for (uint32_t i = 0; i < 64; i++)
		check(target[i * PAGE + 4000] == i);
	check(paged == 64);
	check(sum == 3 * 64 * 63 / 2);
	check(!signal_default(LSIGSEGV));
	check(!munmap(target, 64 * PAGE));
	mix(sum);
}
