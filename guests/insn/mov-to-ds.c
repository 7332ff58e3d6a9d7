/*
 * mov-to-ds.c - MOV to DS, ES, FS and GS checks type and privilege; base and limit take effect.
 */
#include "insn.h"

KERNEL_CODE(load, "mov %%eax, %%gs")
KERNEL_CODE(read_gs, "mov %%gs:(%%eax), %%eax")
KERNEL_CODE(write_gs, "mov %%eax, %%gs:0")
KERNEL_VALUE(gs_word, "mov %%gs:(%%eax), %%eax")
RING3_CODE(user_load, "mov %%eax, %%gs")
RING3_CODE(user_read_gs, "mov %%gs:(%%eax), %%eax")

static uint32_t words[4] USER_DATA = { 0x11, 0x22, 0x33, 0x44 };

/* QEMU's translator checks neither limits nor rights on access. */
static void expect_limit(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t vector, uint32_t error)
{
	if (insn_our_machine())
		expect_fault(key, fn, arg, vector, error);
}

static void load_fine(const char *key, uint32_t selector)
{
	truth_add(SEG_LOAD, 1);
	expect_fine(key, load, selector);
}

int guest_main(void)
{
	gdt_set(SEL_SPARE, gdt_entry((uint32_t)words, sizeof words - 1, 0xf3, 4));
	gdt_set(SEL_SPARE + 8, gdt_entry(0, 0xfffff, 0x73, 0xc));  /* not present */
	gdt_set(SEL_SPARE + 16, gdt_entry(0, 0xfffff, 0xf9, 0xc)); /* execute-only code */
	gdt_set(SEL_SPARE + 24, gdt_entry((uint32_t)words, 15, 0xf1, 4)); /* read-only */
	gdt_set(SEL_SPARE + 32, gdt_entry((uint32_t)words, 3, 0xf7, 4));  /* expand-down: 4 and up */
	load_fine("small-segment", SEL_SPARE);
	expect_value("word", gs_word, 8, 0x33);
	expect_limit("over-the-limit", read_gs, 13, GP, 0);
	expect_fine("at-the-limit", read_gs, 12);
	load_fine("read-only-segment", SEL_SPARE + 24);
	expect_value("read-only-word", gs_word, 4, 0x22);
	expect_limit("write-to-read-only", write_gs, 1, GP, 0);
	load_fine("expand-down", SEL_SPARE + 32);
	expect_value("expand-down-word", gs_word, 4, 0x22);
	expect_limit("below-expand-down", read_gs, 0, GP, 0);
	load_fine("null", 3);
	expect_limit("through-null", read_gs, 0, GP, 0);
	expect_fault("not-present", load, SEL_SPARE + 8, NP, SEL_SPARE + 8);
	expect_fault("execute-only", load, SEL_SPARE + 16, GP, SEL_SPARE + 16);
	expect_fault("tss", load, SEL_TSS, GP, SEL_TSS);
	expect_user_fault("user-kernel-data", user_load, SEL_KDATA, GP, SEL_KDATA);
	truth_add(SEG_LOAD, 1);
	expect_user("user-own", user_load, SEL_SPARE | 3, SEL_SPARE | 3);
	expect_user("user-word", user_read_gs, 12, 0x44);
	load_fine("again-null", 0);
	return insn_end();
}
