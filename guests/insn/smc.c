/*
 * smc.c - self-modified code: an immediate, the next instruction, and code on a page that is also written by REP
 * MOVS.
 */
#include "insn.h"

__asm__(".section .smc, \"awx\", @progbits; smc_leaf: mov $0x11111111, %eax; ret; .balign 16;"
	"smc_next: movb $0x42, 1f + 1; jmp 1f; 1: mov $0, %al; movzbl %al, %eax; ret; .balign 16; smc_room: .skip 64, 0xcc;"
	".balign 4096; .text");
extern uint8_t smc_leaf[], smc_room[];
extern uint32_t smc_next(void);

static uint32_t call(void *code)
{
	uint32_t v;
	__asm__ volatile("call *%1" : "=a"(v) : "r"(code) : "ecx", "edx", "memory", "cc");
	return v;
}

int guest_main(void)
{
	static const uint8_t returns_7[] = { 0xb8, 7, 0, 0, 0, 0xc3 }, returns_9[] = { 0xb8, 9, 0, 0, 0, 0xc3 };
	expect("before", call(smc_leaf), 0x11111111);
	*(volatile uint32_t *)(smc_leaf + 1) = 0x22222222;
	expect("immediate", call(smc_leaf), 0x22222222);
	for (uint32_t i = 0; i < 100; i++) {
		*(volatile uint32_t *)(smc_leaf + 1) = i;
		if (call(smc_leaf) != i)
			expect("in-a-loop", i, 100);
	}
	expect("own-next-instruction", smc_next(), 0x42);
	memcpy(smc_room, returns_7, sizeof returns_7);
	expect("copied", call(smc_room), 7);
	memcpy(smc_room, returns_9, sizeof returns_9);
	expect("copied-over", call(smc_room), 9);
	return insn_end();
}
