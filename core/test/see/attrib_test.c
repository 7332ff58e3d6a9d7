/* Which addresses cause events: own costs of nested events, sums by symbol, bounded memory. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "core/attrib.h"
#include "core/sort.h"

static const struct attrib_row *row_of(const struct attrib_row *r, long n, const char *name, int kind)
{
	for (long i = 0; i < n; i++)
		if (!strcmp(r[i].name, name) && r[i].kind == kind)
			return &r[i];
	return NULL;
}

Test(attrib, an_event_costs_what_is_its_own)
{
	static struct cpu_state state;
	struct symbols s = { 0 };
	struct attrib_sum sum;
	struct attrib_row *r;
	struct attrib *a;
	long n;

	cr_assert_eq(attrib_create(&a, &state), 0);
	attrib_add(a, EV_SHADOW_FILL, MECH_TRAP, GVA(0x1000), 120, 130);
	attrib_add(a, EV_TRANSLATION, MECH_CALLOUT, GVA(0x1000), 110, 150); /* holds the fill */
	attrib_add(a, EV_TRANSLATION, MECH_CALLOUT, GVA(0x1000), 160, 170);
	attrib_add(a, EV_CHAIN_MISS, MECH_CALLOUT, GVA(0x1000), 100, 200);  /* holds both translations */
	attrib_add(a, EV_CHAIN_MISS, MECH_CALLOUT, GVA(0x1000), 210, 215);
	n = attrib_rows(a, &s, &r, &sum);
	cr_assert_eq(n, 3);
	cr_expect_eq(row_of(r, n, "0x1000", EV_SHADOW_FILL)->cycles, 10);
	cr_expect_eq(row_of(r, n, "0x1000", EV_TRANSLATION)->cycles, 30 + 10);
	cr_expect_eq(row_of(r, n, "0x1000", EV_CHAIN_MISS)->cycles, 100 - 50 + 5);
	cr_expect_eq(row_of(r, n, "0x1000", EV_CHAIN_MISS)->count, 2);
	cr_expect_eq(sum.cycles, 105);
	cr_expect_eq(sum.events, 5);
	cr_expect_eq(r[0].kind, EV_CHAIN_MISS, "the dearest comes first");
	free(r);
	attrib_free(a);
}

Test(attrib, names_of_places)
{
	static struct cpu_state state;
	struct symbols s = { 0 };
	struct attrib_sum sum;
	struct attrib_row *r;
	struct attrib *a;
	long n;

	cr_assert_eq(attrib_create(&a, &state), 0);
	symbols_add(&s, 0xc1000000, 0x100, "start_kernel", 12, true);
	attrib_add(a, EV_CPUID, MECH_CALLOUT, GVA(0x100000), 1, 2);
	state.cr0 = CR0_PG;
	attrib_add(a, EV_CPUID, MECH_CALLOUT, GVA(0x8048000), 3, 4);
	attrib_add(a, EV_CPUID, MECH_CALLOUT, GVA(0xc1000010), 5, 6);
	attrib_add(a, EV_CPUID, MECH_CALLOUT, GVA(0xc1000020), 7, 8);
	attrib_add(a, EV_CPUID, MECH_CALLOUT, GVA(0xf8000000), 9, 10);
	n = attrib_rows(a, &s, &r, &sum);
	cr_expect_eq(n, 4);
	cr_expect_not_null(row_of(r, n, "[boot]", EV_CPUID));
	cr_expect_not_null(row_of(r, n, "[user]", EV_CPUID));
	cr_expect_not_null(row_of(r, n, "[no symbol]", EV_CPUID));
	cr_expect_eq(row_of(r, n, "start_kernel", EV_CPUID)->count, 2);
	free(r);
	attrib_free(a);
	symbols_free(&s);
}

Test(attrib, memory_is_bounded)
{
	static struct cpu_state state;
	struct symbols s = { 0 };
	struct attrib_sum sum;
	struct attrib_row *r;
	struct attrib *a;

	cr_assert_eq(attrib_create(&a, &state), 0);
	for (uint32_t i = 0; i < 200000; i++)
		attrib_add(a, EV_CPUID, MECH_CALLOUT, GVA(i * 16), 2 * i, 2 * i + 1);
	attrib_add(a, EV_CPUID, MECH_CALLOUT, GVA(16), 1000000, 1000001); /* known: still counted */
	cr_assert_gt(attrib_rows(a, &s, &r, &sum), 0);
	cr_expect_gt(sum.dropped, 0);
	cr_expect_eq(sum.events + sum.dropped, 200001);
	cr_expect_eq(row_of(r, 1, r[0].name, EV_CPUID)->count, 1 + !strcmp(r[0].name, "0x10"));
	free(r);
	attrib_free(a);
}

static int by_int(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

Test(sort, puts_in_order)
{
	int v[1000];

	for (int n = 0; n < 1000; n += 1 + n / 7) {
		long sum = 0;

		srand((unsigned)n);
		for (int i = 0; i < n; i++)
			sum += v[i] = rand() % 500;
		sort_array(v, (size_t)n, sizeof(v[0]), by_int);
		for (int i = 0; i < n; i++) {
			sum -= v[i];
			cr_assert(!i || v[i - 1] <= v[i], "%d of %d", i, n);
		}
		cr_assert_eq(sum, 0);
	}
}
