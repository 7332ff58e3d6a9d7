/*
 * code64-user.c - the same far jumps out of user mode.
 */
#include "hostile.h"

/*
 * 64-bit code, reached by a far jump to the selector that is the host's 64-bit user code segment. It asks the host to
 * write on a descriptor, to open a file, to make a process, to kill its parent; then it comes back to 32-bit code.
 * As 32-bit code the bytes are never run: the jump faults where guests have their own GDT.
 */
__asm__(".section .utext, \"ax\", @progbits; code64_entry: .code64;"
	"mov $39, %eax; syscall;"                                   /* getpid */
	"mov $1, %eax; mov $1, %edi; mov $code64_text, %esi; mov $8, %edx; syscall;"
	"mov $2, %eax; mov $code64_name, %edi; mov $0x41, %esi; mov $0x1ff, %edx; syscall;" /* open, O_CREAT */
	"mov $57, %eax; syscall;"                                   /* fork */
	"mov $41, %eax; mov $2, %edi; mov $1, %esi; xor %edx, %edx; syscall;" /* socket */
	"mov $15, %eax; syscall;"                                   /* rt_sigreturn */
	"mov $231, %eax; xor %edi, %edi; syscall;"                  /* exit_group(0) */
	"ud2; .code32; code64_text: .ascii \"escaped\\n\"; code64_name: .asciz \"escaped\"; .text");

RING3_CODE(jump, "ljmp $0x33, $code64_entry")
RING3_CODE(call, "lcall $0x33, $code64_entry")
RING3_CODE(ret, "push $0x33; push $code64_entry; lret")

int guest_main(void)
{
	attack_user("ljmp-0x33", jump, 0);
	attack_user("lcall-0x33", call, 0);
	attack_user("lret-0x33", ret, 0);
	return hostile_end();
}
