/*
 * nano.c - the nano-benchmark: runs each cell, prints its line, fills its row of the ground truth.
 *
 * Command line: n=1000 (repetitions), only=NAME, det. `det` leaves out the cells that take interrupts, prints no cycles,
 * and clears what holds time stamps, so that the final registers and the whole of memory are equal on every correct
 * engine. A line is `NANO name n=N first=C steady=C`, steady being the median, with ` HOLE` where the guest could see that
 * the technique gave a wrong answer; a cell that cannot run here prints `NANO name skipped: why`.
 */
#include "nano.h"

struct nano nano USER_DATA;

static const struct cell *const groups[] = {
	cells_user, cells_cpu, cells_memory, cells_irq,
#ifdef HAL_XEN
	cells_xen,
#endif
};

static void sort(uint32_t *a, uint32_t n)
{
	for (uint32_t gap = n / 2; gap; gap /= 2)
		for (uint32_t i = gap; i < n; i++)
			for (uint32_t j = i; j >= gap && a[j - gap] > a[j]; j -= gap) {
				uint32_t t = a[j];
				a[j] = a[j - gap];
				a[j - gap] = t;
			}
}

/* The median, or the only value there is. */
static uint32_t steady(void)
{
	if (!nano.samples)
		return nano.first;
	sort(nano.sample, nano.samples);
	return nano.sample[nano.samples / 2];
}

static void calibrate(void)
{
	uint32_t least = ~0u;
	for (int i = 0; i < 32; i++) {
		truth_add(RDTSC, 2);
		uint32_t t0 = fenced_tsc(), t1 = fenced_tsc();
		if (t1 - t0 < least)
			least = t1 - t0;
	}
	nano.overhead = least;
}

static void record(const char *name)
{
	uint32_t median = steady();
	struct truth_cell *c = &ringlab_truth.cell[ringlab_truth.cells++];
	size_t len = strlen(name);
	memcpy(c->name, name, len < sizeof c->name ? len : sizeof c->name - 1);
	c->n = nano.done;
	c->flags = nano.hole ? TRUTH_HOLE : 0;
	const char *mark = nano.hole ? " HOLE" : "";
	if (nano.det) {
		printf("NANO %s n=%u%s\n", name, nano.done, mark);
		return;
	}
	c->first = nano.first;
	c->steady = median;
	printf("NANO %s n=%u first=%u steady=%u%s\n", name, nano.done, nano.first, median, mark);
}

static void cell_run(const struct cell *c, uint32_t n)
{
	nano.n = c->divide > 1 ? (n + c->divide - 1u) / c->divide : n;
	nano.done = nano.first = nano.samples = 0;
	nano.hole = false;
	const char *why = c->async && nano.det ? "takes interrupts, and this is the deterministic mode" : c->run();
	if (why)
		printf("NANO %s skipped: %s\n", c->name, why);
	else
		record(c->name);
}

int guest_main(void)
{
	char only[24];
	bool some = hal_word("only", only, sizeof only);
	uint32_t n = hal_number("n", 1000), found = 0;
	nano.det = hal_flag("det");
	printf("NANO begin hal=%s n=%u%s\n", hal_name, n, nano.det ? " det" : "");
	calibrate();
	for (unsigned g = 0; g < ARRAY_LEN(groups); g++)
		for (const struct cell *c = groups[g]; c->name; c++)
			if (!some || !strcmp(c->name, only)) {
				cell_run(c, n);
				found++;
			}
	printf("NANO end cells=%u\n", ringlab_truth.cells);
	if (nano.det)
		memset(&nano, 0, sizeof nano);
	return found ? 0 : 2;
}
