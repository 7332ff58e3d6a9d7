/*
 * arch.h - what differs between the native and the Xen build, and nothing else does.
 *
 * Native: ring 0, PAE tables written in place, 8259, 8254, 16550. Xen: the x86-32 PAE PV ABI: the upcall mask as interrupt
 * flag, tables changed by queued mmu_update, VIRQ_TIMER, the console ring. native_*.[cS] and xen_*.[cS] implement it.
 * Every sensitive instruction stands in a small inline of guests/lib/x86.h or here. Included by kernel.h.
 */
#pragma once
#include "x86.h"

/* What entry code stores on the kernel stack, for both builds (native_entry.S, xen_entry.S; offsets in entry.h). */
struct regs {
	uint32_t edi, esi, ebp, kesp, ebx, edx, ecx, eax;
	uint32_t ds, es;
	uint32_t vector, error;
	uint32_t eip, cs, eflags, esp, ss; /* esp and ss: from user mode only */
};
#define regs_user(r) (((r)->cs & 3) == 3)

#define FLAG_TF 0x100u
#define FLAG_IF 0x200u
#define FLAG_DF 0x400u
#define FLAGS_USER 0xcd5u /* what a user may set: the arithmetic flags and DF */

#define VECTOR_DB 1
#define VECTOR_PF 14
#define VECTOR_IRQ 0x20      /* the first interrupt line; Xen: the event upcall */
#define VECTOR_SYSCALL 0x80

/* ---- the interrupt flag ---- */
typedef uint32_t irq_flags;
#ifdef HAL_XEN
#include "xen.h"
#define upcall_mask (*(volatile uint8_t *)&xen_shared.vcpu_info[0].evtchn_upcall_mask)
void irq_enable(void); /* clears the mask, and takes what is pending: one hypercall then */
static inline void irq_disable(void)
{
	truth_add(INT_FLAG, 1);
	upcall_mask = 1;
	__asm__ volatile("" : : : "memory");
}
static inline irq_flags irq_save(void)
{
	irq_flags f = upcall_mask;
	irq_disable();
	return f;
}
static inline void irq_restore(irq_flags f)
{
	if (!f)
		irq_enable();
}
static inline bool irq_enabled(void) { return !upcall_mask; }
#else
static inline void irq_enable(void) { sti(); }
static inline void irq_disable(void) { cli(); }
static inline irq_flags irq_save(void)
{
	irq_flags f = pushf();
	cli();
	return f;
}
static inline void irq_restore(irq_flags f) { popf(f); }
static inline bool irq_enabled(void) { return pushf() & FLAG_IF; }
#endif

/* ---- the machine ---- */
struct proc;
void arch_memory(void (*free_range)(uint32_t from, uint32_t to)); /* what RAM the kernel may use: physical addresses */
uint32_t arch_ram_end(void);          /* physical; everything below is mapped from KERNEL_BASE on */
void *arch_frames_table(uint32_t bytes); /* memory for frames.c, cleared: before anything is free */
bool arch_module(void **base, uint32_t *bytes); /* the module or initial RAM disk that the loader brought */
void arch_start(void);                /* after memory works: traps, timer, console input */
void arch_idle(void);                 /* interrupts are off; opens them, waits for one, and returns with them open */
void arch_irq(struct regs *r);        /* the handler of vectors from VECTOR_IRQ on, below VECTOR_SYSCALL */
uint32_t arch_fault_address(void);    /* CR2 */
_Noreturn void arch_end(uint32_t status);
void console_put(const char *s, uint32_t n);
extern const char arch_name[];

/* ---- processes ---- */
/* Saves the registers on prev's kernel stack, takes next's stack, FPU and address space; returns when prev runs again. */
void arch_switch(struct proc *prev, struct proc *next);
/* A stack that arch_switch can go to: runs process_start, which lets interrupts in and returns through r. */
uint32_t arch_stack_make(struct regs *r);
uint32_t arch_stack_thread(struct regs *r, void (*fn)(void)); /* the same, but fn runs first, in the kernel */
void arch_regs_user(struct regs *r, uint32_t eip, uint32_t esp); /* the registers with which a program starts */
uint32_t user_copy(void *to, const void *from, uint32_t n); /* how many bytes were not copied: 0 is success */
extern char user_copy_fault[], user_copy_fixup[];

/* FPU and SSE state is saved at every switch: under Xen on this VMM nothing tells of its first use. */
static inline void fpu_save(void *to) { __asm__ volatile("fxsave (%0)" : : "r"(to) : "memory"); }
static inline void fpu_restore(const void *from) { __asm__ volatile("fxrstor (%0)" : : "r"(from) : "memory"); }
void fpu_start(void); /* as a program finds it */

/* ---- page tables: PAE, three levels; entries hold physical (Xen: machine) addresses ---- */
typedef uint64_t pte_t;
#define PTE_ADDRESS 0x0000000ffffff000ull
extern pte_t pte_nx; /* the bit that forbids execution, or 0 where the CPU has none */
/* An entry for the frame at pa; flags of PTE_P, PTE_W, PTE_U (hal.h), with accessed and dirty set, or pte_nx. */
pte_t pte_make(uint32_t pa, pte_t flags);
uint32_t pte_pa(pte_t e);
#define pte_va(e) pa_to_va(pte_pa(e))
/*
 * Changes an entry of a table in use. Natively at once; under Xen it is queued until pt_commit, so that many cost one
 * hypercall, and *slot must not be looked at in between. Frames that entries named may be freed after the commit only.
 */
void pt_set(pte_t *slot, pte_t e);
void pt_commit(void);
void tlb_flush_page(uint32_t va); /* both commit first */
void tlb_flush(void);
/*
 * A frame that no program has yet is cleared, or filled like another, at the latest by the next pt_commit. Under Xen by
 * hypercall: the page need not be mapped for the kernel then.
 */
void frame_clear(void *page);
void frame_copy(void *page, const void *from);
/* A cleared table of level 1 or 2; NULL without memory. Freed ones must be cleared again, by pt_set, and committed. */
pte_t *pt_alloc(unsigned level);
void pt_free(pte_t *table, unsigned level);
/* A top level whose upper GiB is the kernel's, and its load. */
pte_t *root_alloc(void);
void root_free(pte_t *root);
void root_load(pte_t *root);
void root_changed(pte_t *root); /* an entry of it became present */
extern pte_t *kernel_root;
uint32_t pt_pool_drain(void); /* gives back tables that are kept for reuse; how many pages that freed */
