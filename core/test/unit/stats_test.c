/* The accounting's own arithmetic: histograms, sampling, rows by hardware reason. */
#include <criterion/criterion.h>
#include "core/stats.h"

Test(stats, small_values_are_exact)
{
	struct hist h = { 0 };

	for (uint64_t v = 1; v <= 15; v++)
		hist_add(&h, v);
	cr_assert_eq(h.min, 1);
	cr_assert_eq(h.max, 15);
	cr_assert_eq(hist_quantile(&h, 0.5), 8);
	cr_assert_eq(hist_quantile(&h, 1.0), 15);
}

Test(stats, quantiles_are_within_a_sixteenth)
{
	struct hist h = { 0 };

	for (uint64_t v = 1000; v < 2000; v++)
		hist_add(&h, v);
	uint64_t median = hist_quantile(&h, 0.5), p99 = hist_quantile(&h, 0.99);
	cr_assert(median <= 1500 && median >= 1500 - 1500 / 16, "median %llu", (unsigned long long)median);
	cr_assert(p99 <= 1990 && p99 >= 1990 - 1990 / 16, "p99 %llu", (unsigned long long)p99);
}

Test(stats, huge_values_stay_in_the_last_bucket)
{
	struct hist h = { 0 };

	hist_add(&h, UINT64_MAX);
	cr_assert_eq(h.max, UINT64_MAX);
	cr_assert_gt(hist_quantile(&h, 0.5), 1ull << 32);
}

Test(stats, every_event_is_counted_and_some_are_timed)
{
	static struct stats s;

	for (int i = 0; i < 1000; i++) {
		uint64_t t = stat_begin(&s, EV_CPUID, MECH_CALLOUT);
		stat_end(&s, EV_CPUID, MECH_CALLOUT, GVA(0), t);
	}
	cr_assert_eq(s.cell[EV_CPUID][MECH_CALLOUT].count, 1000);
	/* the first STAT_ALWAYS, then one in STAT_EVERY up to 1000 */
	cr_assert_eq(s.cell[EV_CPUID][MECH_CALLOUT].hist->n, STAT_ALWAYS + (999 / STAT_EVERY));
	stats_fini(&s);
}

Test(stats, hardware_rows_are_kept_apart_by_reason_and_handler)
{
	static struct stats s;

	stat_hw(&s, EV_PORT_OUT, 30, "I/O instruction", BY_VMM, 3, 500);
	stat_hw(&s, EV_PORT_OUT, 30, "I/O instruction", BY_VMM, 2, 0);
	stat_hw(&s, EV_PORT_OUT, 30, "I/O instruction", BY_KVM, 1, 0);
	stat_hw(&s, EV_CPUID, 10, "CPUID", BY_KVM, 7, 0);
	cr_assert_eq(s.hw_n, 3);
	cr_assert_eq(s.hw[0].cell.count, 5);
	cr_assert_eq(s.hw[0].cell.hist->n, 1);
	cr_assert_eq(stat_total(&s, EV_PORT_OUT), 6);
	cr_assert_eq(stat_total(&s, EV_CPUID), 7);
	stats_fini(&s);
}

Test(stats, names_lead_back_to_kinds)
{
	for (int k = 0; k < EV_COUNT; k++)
		cr_assert_eq(event_kind_find(event_kind_name[k]), k);
	cr_assert_eq(event_kind_find("no such kind"), -1);
}
