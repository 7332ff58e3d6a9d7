/*
 * xen-forged-level.c - user mode loads the selectors that stand in for the kernel's, and then asks for what only a kernel may.
 */
#include "hostile.h"

/* SS and CS of kernel mode, as MOV shows them: LDT selectors that user mode can name too. */
static USER_DATA uint32_t kernel_ss, kernel_cs;

RING3_CODE(hypercall_by_int, "mov %%eax, %%ss; mov $17, %%eax; xor %%ebx, %%ebx; int $0x82")
RING3_CODE(hypercall_after_exit, "mov %%eax, %%ss; ud2")
RING3_CODE(port, "mov %%eax, %%ss; mov $0x41, %%al; mov $0xe9, %%dx; out %%al, %%dx; mov $0x600d, %%eax")
RING3_CODE(data, "mov %%eax, %%ds; mov %%eax, %%es; mov $17, %%eax; xor %%ebx, %%ebx; int $0x82")

static USER_CODE void far_to_kernel_code(uint32_t arg)
{
	/* A far return to the kernel's code selector, at the next instruction: then a hypercall. */
	__asm__ volatile("push %0; call 1f; 1: pop %%ecx; add $(2f - 1b), %%ecx; push %%ecx; lret; 2: mov $17, %%eax; xor %%ebx, %%ebx; int $0x82"
		: "+a"(arg) : : "ebx", "ecx", "memory", "cc");
	user_exit(arg);
}

static void check(const char *what, bool faulted)
{
	if (!faulted)
		hostile_escaped(what);
}

int guest_main(void)
{
	__asm__ volatile("mov %%ss, %0; mov %%cs, %1" : "=r"(kernel_ss), "=r"(kernel_cs));
	check("a hypercall from user mode by INT", attack_user("ss-then-int82", hypercall_by_int, kernel_ss));
	check("a hypercall from user mode with the kernel's data", attack_user("ds-then-int82", data, kernel_ss));
	check("port I/O from user mode", attack_user("ss-then-out", port, kernel_ss));
	check("UD2 did not fault", attack_user("ss-then-ud2", hypercall_after_exit, kernel_ss));
	if (!attack_fault.user)
		hostile_escaped("a fault in user mode was taken for the kernel's");
	check("a hypercall from user mode on the kernel's code segment", attack_user("cs-then-int82", far_to_kernel_code, kernel_cs));
	if (!attack_fault.user)
		hostile_escaped("a fault in user mode, on the kernel's code segment, was taken for the kernel's");
	for (uint32_t s = 4; s < 0x1008; s += 8) { /* every LDT selector */
		if (!attack_user_quiet(hypercall_by_int, s | 3))
			hostile_escaped("a hypercall from user mode by some LDT selector");
	}
	return hostile_end();
}
