/*
 * write-code.c - writes to code: its own text, the instruction that runs next, the instruction that writes, code made
 * of data.
 */
#include "hostile.h"

__asm__(".section .smc, \"awx\", @progbits; code_self: mov $0x90909090, %eax; mov $code_self_next, %edi; mov $4, %ecx;"
	"rep stosl; code_self_next: .skip 16, 0xf4; ret;"
	".balign 64; code_rep: mov $code_rep_at, %edi; mov $0xc3, %eax; mov $64, %ecx; code_rep_at: rep stosb; .skip 64, 0x90; ret;"
	".balign 4096; code_room: .skip 8192, 0xcc; .text");
extern uint8_t code_room[], code_self[], code_rep[];
extern char image_start[];

static void write_text(uint32_t a) { *(volatile uint8_t *)a = 0xf4; }
KERNEL_CODE(run, "call *%%eax")
#ifndef HAL_XEN
KERNEL_CODE(own_next, "movb $0xcc, 1f; jmp 1f; 1: nop; ud2")
#endif

/* RET at every offset of two pages, each called and rewritten at once; then instructions across the page boundary. */
static void churn(uint32_t rounds)
{
	for (uint32_t r = 0; r < rounds; r++)
		for (uint32_t i = 0; i < 8192; i += 61) {
			code_room[i] = 0xc3;
			__asm__ volatile("call *%0" : : "r"(code_room + i) : "memory");
			code_room[i] = 0xcc;
		}
}

static void straddle(uint32_t arg)
{
	for (uint32_t i = 4090; i < 4098; i++) {
		memset(code_room + 4080, 0x90, 32);
		code_room[i] = 0xb8;
		*(volatile uint32_t *)(code_room + i + 1) = i;
		code_room[i + 5] = 0xc3;
		uint32_t v;
		__asm__ volatile("call *%1" : "=a"(v) : "r"(code_room + 4080) : "memory");
		if (v != i)
			printf("ATTACK straddle at %u: ran stale code\n", i);
	}
}

int guest_main(void)
{
	attack("own-text", write_text, (uint32_t)image_start + 64);
	attack("overwrites-what-follows", run, (uint32_t)code_self);
	attack("overwrites-itself", run, (uint32_t)code_rep);
	attack("churn", churn, 3);
	attack("straddle", straddle, 0);
	memset(code_room, 0xff, 8192);
	attack("runs-ones", run, (uint32_t)code_room);
#ifdef HAL_XEN
	attack("writes-hypercall-page", write_text, (uint32_t)hypercall_page + 17 * 32);
	attack("writes-machine-to-phys", write_text, 0xf5800000);
#else
	__asm__ volatile("mov %%cr0, %%eax; and $0xfffeffff, %%eax; mov %%eax, %%cr0" : : : "eax", "memory");
	attack("own-text-without-wp", write_text, (uint32_t)image_start + 1); /* a byte of the Multiboot header */
	attack("own-next-instruction", own_next, 0);
#endif
	memset(code_room, 0, 8192); /* ADD [EAX], AL, 4095 times */
	memset(code_room + 8190, 0xc3, 2);
	attack("runs-zeros", run, (uint32_t)code_room);
	return hostile_end();
}
