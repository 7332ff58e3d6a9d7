/*
 * push-cs.c - PUSH of CS and the other segment registers shows the selectors that the guest loaded.
 */
#include "insn.h"

RING3_CODE(user_cs, "pushl %%cs; popl %%eax; movzwl %%ax, %%eax")
RING3_CODE(user_ss, "pushl %%ss; popl %%eax; movzwl %%ax, %%eax")

int guest_main(void)
{
	uint32_t cs, ss, ds, es, fs, gs;
	truth_add(SEG_READ, 6);
	__asm__ volatile("pushl %%cs; popl %0; pushl %%ss; popl %1; pushl %%ds; popl %2" : "=r"(cs), "=r"(ss), "=r"(ds));
	__asm__ volatile("pushl %%es; popl %0; pushl %%fs; popl %1; pushl %%gs; popl %2" : "=r"(es), "=r"(fs), "=r"(gs));
	expect("cs", cs & 0xffff, SEL_KCODE);
	expect("ss", ss & 0xffff, SEL_KDATA);
	expect("ds", ds & 0xffff, SEL_UDATA);
	expect("es", es & 0xffff, SEL_UDATA);
	expect("fs", fs & 0xffff, 0);
	expect("gs", gs & 0xffff, 0);
	truth_add(SEG_READ, 2);
	expect_user("user-cs", user_cs, 0, SEL_UCODE);
	expect_user("user-ss", user_ss, 0, SEL_UDATA);
	return insn_end();
}
