/*
 * code64-read.c - looks at the host's registers out of the host's 64-bit code segment, and follows what it finds
 * there.
 */
#include "hostile.h"

/*
 * Stores RSP and R8 to R15 and comes back to 32-bit code. `deref=rsp`, `r15` or `fs` reads behind that pointer too (which
 * may fault, and so end the guest), and `write` writes there: what only protection keys can stop; it is no default.
 */
__asm__(".data; .balign 8; code64_found: .skip 96; code64_back: .long 0, 0; code64_deref: .long 0; code64_write: .long 0;"
	".text; code64_entry: .code64; mov $code64_found, %edi;"
	"mov %rsp, (%rdi); mov %r8, 8(%rdi); mov %r9, 16(%rdi); mov %r10, 24(%rdi); mov %r11, 32(%rdi); mov %r12, 40(%rdi);"
	"mov %r13, 48(%rdi); mov %r14, 56(%rdi); mov %r15, 64(%rdi);"
	"mov code64_deref - code64_found(%rdi), %ecx; test %ecx, %ecx; jz 9f;"
	"mov %rsp, %rbx; cmp $1, %ecx; je 1f; mov %r15, %rbx; cmp $2, %ecx; je 1f; mov %fs:0, %rbx; 1:"
	"mov (%rbx), %rax; mov %rax, 72(%rdi); cmpl $0, code64_write - code64_found(%rdi); je 9f; movq $0x41414141, (%rbx);"
	"9: ljmp *code64_back - code64_found(%rdi); .code32; .text");
extern uint32_t code64_found[24], code64_back[2], code64_deref, code64_write;

static void jump(uint32_t arg)
{
	uint32_t cs;
	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	code64_back[1] = cs & 0xffff;
	__asm__ volatile("push %%ebp; mov %%esp, %%ebp; movl $1f, code64_back; ljmp $0x33, $code64_entry; 1: mov %%ebp, %%esp; pop %%ebp"
		: : : "eax", "ebx", "ecx", "edx", "esi", "edi", "memory", "cc");
}

int guest_main(void)
{
	char deref[8] = "";
	hal_word("deref", deref, sizeof deref);
	code64_deref = !strcmp(deref, "rsp") ? 1 : !strcmp(deref, "r15") ? 2 : !strcmp(deref, "fs") ? 3 : 0;
	code64_write = hal_flag("write");
	if (!attack("ljmp-0x33-and-look", jump, 0))
		for (unsigned i = 0; i < 10; i++)
			printf("found 0x%08x%08x\n", code64_found[2 * i + 1], code64_found[2 * i]);
	return hostile_end();
}
