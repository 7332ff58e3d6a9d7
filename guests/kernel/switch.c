/*
 * switch.c - the part of switching processes that both builds share: first stacks, first registers, the FPU.
 *
 * arch_switch itself is in native.c and xen.c, for what the CPU must be told differs. Read next: entry.S.
 */
#include "proc.h"

void process_start(void);
void thread_start(void);
void thread_enter(void);
void process_return(struct regs *r);

struct switch_frame { uint32_t ebp, edi, esi, ebx, eip; }; /* what stack_switch pops */

static uint32_t frame_make(struct regs *r, void (*eip)(void), uint32_t ebx)
{
	struct switch_frame *f = (struct switch_frame *)r - 1;
	*f = (struct switch_frame){ .ebx = ebx, .eip = (uint32_t)eip };
	return (uint32_t)f;
}

uint32_t arch_stack_make(struct regs *r)
{
	return frame_make(r, process_start, 0);
}

uint32_t arch_stack_thread(struct regs *r, void (*fn)(void))
{
	return frame_make(r, thread_start, (uint32_t)fn);
}

/* schedule() switched with interrupts off; a thread begins with them on. */
void thread_enter(void)
{
	irq_enable();
}

void process_return(struct regs *r)
{
	current->regs = r;
	trap_return(r);
	truth_add(USER_RETURN, 1);
#ifdef HAL_XEN
	truth_add(HYPERCALL, 1);
#endif
}

/* As FNINIT and a cleared MXCSR's default leave it, and every register zero. */
void fpu_start(void)
{
	struct proc *p = current;

	memset(p->fpu, 0, sizeof p->fpu);
	*(uint16_t *)&p->fpu[0] = 0x37f;
	*(uint32_t *)&p->fpu[24] = 0x1f80;
	fpu_restore(p->fpu);
}
