/*
 * xen-hypercalls.c - every hypercall number with garbage pointers, counts and commands.
 */
#include "hostile.h"

static uint32_t block[64];

/* To end, to stop or to unmap itself is the guest's right, and no attack. */
static bool legitimate(uint32_t nr, uint32_t a)
{
	if (nr == __HYPERVISOR_update_va_mapping || nr == __HYPERVISOR_update_va_mapping_otherdomain)
		return a - XEN_VIRT_BASE < 64u << 20;
	return (nr == __HYPERVISOR_sched_op || nr == __HYPERVISOR_sched_op_compat) && a <= 5;
}

static void call(uint32_t arg)
{
	const uint32_t *p = (const uint32_t *)arg;
	hypercall(p[0], p[1], p[2], p[3], p[4], p[5]);
}

static uint32_t garbage(uint32_t i)
{
	static const uint32_t values[] = { 0, 1, 2, 3, 5, 7, 16, 0x7ff0, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xc0000000,
		0xf5800000, 0xf6800000, 0xfffff000, 0xfffffff8, 0xffffffff };
	if (i < ARRAY_LEN(values))
		return values[i];
	return i % 3 == 0 ? (uint32_t)block + attack_random() % 64 * 4 : i % 3 == 1 ? attack_random() : attack_random() % 64;
}

int guest_main(void)
{
	for (uint32_t nr = 0; nr < 64; nr++) {
		uint32_t faults = 0, n = 0;
		if (nr == __HYPERVISOR_iret)
			continue; /* xen-iret */
		for (uint32_t i = 0; i < 200; i++) {
			for (unsigned j = 0; j < ARRAY_LEN(block); j++)
				block[j] = garbage(attack_random() % 40);
			uint32_t args[6] = { nr, garbage(i % 40), garbage(attack_random() % 40), garbage(attack_random() % 40),
				garbage(attack_random() % 40), garbage(attack_random() % 40) };
			if (legitimate(nr, args[1]))
				continue;
			n++;
			faults += attack_quiet(call, (uint32_t)args);
		}
		printf("hypercall %u: %u tries, %u faults\n", nr, n, faults);
	}
	return hostile_end();
}
