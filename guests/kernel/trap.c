/*
 * trap.c - what happens after an exception, an interrupt or a system call, in both builds.
 *
 * Entry code stores struct regs and calls trap; before user mode goes on, trap_return delivers signals and lets other
 * processes run. Exceptions of user mode become signals. One of the kernel is its own bug, but for a page fault in
 * user_copy, which is the user's. Events are counted as guests/lib/hal.h says.
 */
#include "proc.h"

struct truth ringlab_truth = {
	.magic = TRUTH_MAGIC,
	.kinds = TRUTH_KINDS,
	.known = ((1ull << EV_COUNT) - 1) & ~(1ull << EV_IRQ_WINDOW | 1ull << EV_SHADOW_FILL | 1ull << EV_TRANSLATION |
		1ull << EV_CHAIN_MISS | 1ull << EV_INDIRECT_MISS | 1ull << EV_SMC | 1ull << EV_INTERPRET |
		1ull << EV_HOST_FAULT | 1ull << EV_KICK | 1ull << EV_OTHER),
};

static void count_entry(uint32_t v)
{
	if (v == VECTOR_SYSCALL || v == 3 || v == 4)
		truth_add(SYSCALL_ENTRY, 1);
	else if (v == VECTOR_PF)
		truth_add(PAGE_FAULT, 1);
	else if (v >= VECTOR_IRQ)
		truth_add(IRQ_DELIVERED, 1);
	else
		truth_add(EXCEPTION, 1);
}

static void count_return(bool user)
{
	if (user)
		truth_add(USER_RETURN, 1);
	else
		truth_add(IRET, 1);
#ifdef HAL_XEN
	truth_add(HYPERCALL, 1);
#endif
}

static void unexpected(const struct regs *r, uint32_t address)
{
	panic("kernel: exception %u (error 0x%x) at 0x%08x, address 0x%08x, process %u (%s)\n", r->vector, r->error, r->eip, address,
		current->pid, current->name);
}

/* Which signal an exception of user mode is, and its si_code. */
static void exception(struct regs *r)
{
	static const struct { uint8_t signo, code; } as[20] = {
		[0] = { LSIGFPE, 1 /* FPE_INTDIV */ }, [1] = { LSIGTRAP, 2 /* TRAP_TRACE */ }, [3] = { LSIGTRAP, 0x80 },
		[4] = { LSIGSEGV, 0x80 }, [5] = { LSIGSEGV, 0x80 }, [6] = { LSIGILL, 2 /* ILL_ILLOPN */ }, [16] = { LSIGFPE, 3 },
		[17] = { LSIGBUS, 1 }, [19] = { LSIGFPE, 3 },
	};
	uint32_t v = r->vector;
	bool known = v < ARRAY_LEN(as) && as[v].signo;

	if (!regs_user(r))
		unexpected(r, 0);
	if (v == VECTOR_DB)
		r->eflags &= ~FLAG_TF;
	signal_force(known ? as[v].signo : LSIGSEGV, known ? as[v].code : 0x80, v == 0 || v == 6 || v == 16 || v == 19 ? r->eip : 0);
}

static void page_fault(struct regs *r, uint32_t va)
{
	uint32_t access = r->error & (PTE_W | PTE_FETCH);
	int err = current->mm ? mm_fault(current->mm, va, access, regs_user(r) ? r->esp : current->regs->esp) : -LEFAULT;

	if (!err)
		return;
	if (regs_user(r)) {
		if (err == -LENOMEM) {
			printk("kernel: out of memory: %s is killed\n", current->name);
			signal_send(current, LSIGKILL, NULL);
			return;
		}
		signal_force(LSIGSEGV, va < USER_END && vma_find(current->mm, va) && vma_find(current->mm, va)->start <= va ? 2 : 1, va);
		return;
	}
	if (r->eip != (uint32_t)user_copy_fault)
		unexpected(r, va);
	r->eip = (uint32_t)user_copy_fixup;
}

void trap(struct regs *r)
{
	bool user = regs_user(r);
	uint32_t v = r->vector;

	count_entry(v);
	if (user)
		current->regs = r;
	if (v == VECTOR_SYSCALL) {
		syscall(r);
	} else if (v >= VECTOR_IRQ) {
		arch_irq(r);
	} else if (v == VECTOR_PF) {
		uint32_t va = arch_fault_address();
		if (user || (r->eflags & FLAG_IF))
			irq_enable();
		page_fault(r, va);
	} else {
		if (user)
			irq_enable();
		exception(r);
	}
	if (user)
		trap_return(r);
	else
		irq_disable();
	count_return(user);
}

void trap_return(struct regs *r)
{
	for (;;) {
		irq_disable();
		if (need_resched) {
			irq_enable();
			schedule();
		} else if (signal_wanted(current) || current->restore_blocked) {
			irq_enable();
			signal_deliver(r);
		} else {
			current->in_syscall = false;
			return;
		}
	}
}
