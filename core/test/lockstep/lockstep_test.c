/*
 * lockstep_test.c - bt against the interpreter over every guest that ends; and that a difference is found, where it is.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "core/lockstep.h"
#include "guests.h"

extern const struct backend_ops bt_backend, interp_backend;

static void all_alike(const char *const *prefixes, const char *const *options, unsigned least)
{
	unsigned bad, n = lock_all(prefixes, options, &bad);

	cr_assert_geq(n, least, "only %u guests: are they built?", n);
	cr_expect_eq(bad, 0, "%u of %u guests", bad, n);
}

Test(lockstep, insn_guests, .timeout = 300)
{
	all_alike((const char *const[]){ "insn/", "hello", "first", NULL }, (const char *const[]){ NULL }, 50);
}

Test(lockstep, insn_guests_compared_after_each_instruction, .timeout = 300)
{
	all_alike((const char *const[]){ "insn/", NULL }, (const char *const[]){ "--every", "1", NULL }, 50);
}

Test(lockstep, nano, .timeout = 300)
{
	all_alike((const char *const[]){ "nano", NULL }, (const char *const[]){ NULL }, 1);
}

Test(lockstep, hostile_guests, .timeout = 300)
{
	all_alike((const char *const[]){ "hostile/", NULL }, (const char *const[]){ "--insns", "2M", "--every", "500", NULL }, 40);
}

/* LOCKSTEP_SEEDS seeds (default 3) in each paging mode, with strides that fall anywhere. */
Test(lockstep, storms_of_address_spaces, .timeout = 86400)
{
	static const char *const modes[] = { "two-level", "pae", "pae-nx" };
	const char *seeds = getenv("LOCKSTEP_SEEDS");
	struct lock_guest g = { .name = "space/two-level" };
	static char out[32768];
	unsigned bad = 0;

	for (int seed = 1; seed <= (seeds ? atoi(seeds) : 3); seed++) {
		for (unsigned m = 0; m < 3; m++) {
			char append[64], every[16];
			const char *options[] = { "--append", append, "--every", every, NULL };

			snprintf(append, sizeof(append), "mode=%s seed=%d n=4000", modes[m], seed);
			snprintf(every, sizeof(every), "%d", seed * 97 % 1000 + 1);
			if (!lock_run(&g, options, out, sizeof(out)))
				continue;
			bad++;
			printf("lockstep --every %s --append '%s': %s\n", every, append, out);
		}
	}
	cr_expect_eq(bad, 0);
}

Test(lockstep, led_by_the_interpreter, .timeout = 300)
{
	all_alike((const char *const[]){ "insn/page-fault", "insn/smc", "insn/mov-cr3", "insn/sti", NULL },
		(const char *const[]){ "--a", "interp", "--b", "bt", "--every", "77", NULL }, 4);
}

static struct lockstep *pair(uint64_t every)
{
	struct lockstep_config cfg = { .vm = { .mem_size = 16 << 20, .console_in = -1, .console_out = -1 },
		.ops = { &bt_backend, &interp_backend }, .every = every };
	struct load_request req = { .path = RINGLAB_GUESTS "/hello.elf" };
	struct lockstep *l;

	cr_assert_eq(lockstep_create(&l, &cfg), 0);
	cr_assert_eq(lockstep_load(l, &req), 0, "%s", lockstep_why(l));
	return l;
}

/* Whatever is changed in one of the two behind its back is found. */
Test(lockstep, finds_a_difference, .timeout = 60)
{
	for (unsigned i = 0; i < 4; i++) {
		struct lockstep *l = pair(100);
		struct vcpu *v = &lockstep_vm(l, i & 1)->vcpu;

		cr_assert_eq(lockstep_run(l, 10000), LOCKSTEP_ENOUGH);
		cr_assert_eq(lockstep_insns(l), 10000);
		if (i < 2)
			v->state.gpr[R_EDI] ^= 0x100;
		else
			lockstep_vm(l, i & 1)->mem.host[0x900000] ^= 1; /* nobody writes there: only the comparison of all sees it */
		v->vm->ops->push(v, REGS_ALL);
		cr_expect_eq(lockstep_run(l, 20000), LOCKSTEP_DIFFER);
		cr_expect_leq(lockstep_insns(l), i < 2 ? 10100 : 20000);
		lockstep_destroy(l);
	}
}

/* A second pair, with the same thing done to it, says after which instruction. */
Test(lockstep, a_difference_is_pinned_to_its_instruction, .timeout = 60)
{
	struct lockstep *l = pair(1000), *fine = pair(1000);
	char *text = NULL;
	size_t n = 0;

	lockstep_vm(l, 0)->vcpu.state.tsc_offset = 1; /* RDTSC differs from now on, and so does this field */
	cr_assert_eq(lockstep_run(l, UINT64_MAX), LOCKSTEP_DIFFER);
	lockstep_vm(fine, 0)->vcpu.state.tsc_offset = 1;
	cr_expect_eq(lockstep_refine(fine, l), LOCKSTEP_DIFFER);
	cr_expect_eq(lockstep_insns(fine), 1);
	FILE *f = open_memstream(&text, &n);
	lockstep_report(fine, f);
	fclose(f);
	cr_expect(strstr(text, "* tsc_offset"), "%s", text);
	cr_expect(strstr(text, "bytes of host code"), "no listing: %s", text);
	free(text);
	lockstep_destroy(fine);
	lockstep_destroy(l);
}
