/*
 * invlpg.c - INVLPG makes a changed page-table entry take effect; in user mode it faults.
 */
#include "insn.h"

char page[PAGE] __attribute__((aligned(4096))), other[PAGE] __attribute__((aligned(4096)));
uint32_t user_word USER_DATA;

RING3_CODE(user_invlpg, "invlpg user_word")

int guest_main(void)
{
	volatile uint32_t *p = (volatile uint32_t *)page, *q = (volatile uint32_t *)other;
	p[0] = 1;
	q[0] = 2;
	expect("own-frame", *p, 1);
	page_set(page, page_pa(other), PTE_KERNEL, true);
	expect("other-frame", *p, 2);
	p[0] = 3;
	expect("written-through", *q, 3);
	page_set(page, page_pa(page), PTE_KERNEL, true);
	expect("own-frame-again", *p, 1);
	expect_user_fault("user", user_invlpg, 0, GP, 0);
	return insn_end();
}
