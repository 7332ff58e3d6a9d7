/*
 * Guest memory: its hash leaves holes and pages of zeros out, and still sees every byte.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "core/mem.h"

Test(mem, hash_sees_bytes_and_not_how_pages_came_to_be_zero)
{
	char empty[65], one[65], again[65];
	struct mem m;

	cr_assert_eq(mem_init(&m, 64 << 20), 0);
	mem_sha256(&m, empty);
	m.host[123456] = 1;
	mem_sha256(&m, one);
	cr_expect_str_neq(empty, one);
	memset(m.host + (30 << 20), 0, 1 << 20); /* touched, but zero */
	mem_sha256(&m, again);
	cr_expect_str_eq(one, again);
	m.host[m.size - 1] = 1;
	mem_sha256(&m, again);
	cr_expect_str_neq(one, again);
	m.host[m.size - 1] = 0;
	m.host[123456] = 0;
	m.host[123456 + PAGE_SIZE] = 1; /* the same bytes, a page further on */
	mem_sha256(&m, again);
	cr_expect_str_neq(one, again);
	mem_fini(&m);
}
