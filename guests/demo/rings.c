/*
 * rings.c - which ring a kernel finds itself in, which its user program, and a little privileged work.
 *
 * The guest of `ringlab demo rings`. Prints "NAME VALUE" lines; the work is n times what only a kernel may do: close and open
 * interrupts, load CR3, and ask a port. cost-work is in TSC cycles, as the guest measures one time.
 * Builds: XEN PREVIRT
 */
#include "x86.h"

/* The requested privilege level of a selector: in CS, the ring. */
#define RPL(selector) ((selector) & 3)

static __attribute__((noinline)) uint32_t read_cs(void)
{
	uint32_t cs;

	truth_add(SEG_READ, 1);
	__asm__ volatile("pushl %%cs; popl %0" : "=r"(cs));
	return cs & 0xffff;
}

static USER_CODE void user_cs(uint32_t arg)
{
	__asm__ volatile("pushl %%cs; popl %%eax; movzwl %%ax, %0" : "=r"(arg) : : "eax");
	user_exit(arg);
}

#ifdef HAL_XEN
static __attribute__((noinline)) void kernel_work(void)
{
	irq_off();
	page_root_reload();
	inb(0x21);
	irq_on();
}
#else
static __attribute__((noinline)) void kernel_work(void)
{
	truth_add(INT_FLAG, 2);
	truth_add(CR_READ, 1);
	truth_add(CR3_WRITE, 1);
	truth_add(PORT_IN, 1);
	__asm__ volatile(".globl privileged\n.type privileged, @function\nprivileged:\n"
		"cli; mov %%cr3, %%eax; mov %%eax, %%cr3; inb $0x21, %%al; sti\n"
		".size privileged, . - privileged" : : : "eax", "memory");
}
#endif

int guest_main(void)
{
	uint32_t n = hal_number("n", 100), cs = read_cs(), user;

	truth_add(SEG_READ, 1);
	user = user_run(user_cs, 0);
	printf("kernel-cs 0x%x\nkernel-ring %u\n", cs, RPL(cs));
	printf("user-cs 0x%x\nuser-ring %u\n", user, RPL(user));
	uint32_t t0 = hal_tsc32();
	for (uint32_t i = 0; i < n; i++)
		kernel_work();
	uint32_t t1 = hal_tsc32();
	irq_off();
	printf("cost-work %7u\n", n ? (t1 - t0) / n : 0);
	return 0;
}
