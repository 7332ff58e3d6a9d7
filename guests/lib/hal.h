/*
 * hal.h - what a guest may ask of the machine, the same for the native and the Xen build.
 *
 * A guest defines guest_main; the library boots, calls it in kernel mode with interrupts off and paging on, and ends the
 * VM with the value it returns. Native guests are Multiboot kernels at 1 MiB; Xen guests follow the x86-32 PAE PV ABI
 * (macro HAL_XEN is defined). Every function and inline here that executes a sensitive operation counts it in
 * ringlab_truth first (abi/truth.h): guests use these, or count by hand with truth_add.
 *
 * What is counted: an instruction that completes counts under its own kind; one that faults counts only as the
 * EXCEPTION or PAGE_FAULT that it raised; INT n, INT3 and INTO count as SYSCALL_ENTRY when they arrive at their handler.
 * Under Xen each hypercall counts as HYPERCALL and, where it does what an instruction does natively (iret, a page-table
 * write, a CR3 load, a flush), also under that kind, once for each entry of a batch; changing evtchn_upcall_mask counts
 * as INT_FLAG, an upcall as IRQ_DELIVERED.
 *
 * Read next: x86.h (instructions), boot.S and native.c, or xen_boot.S and xen.c.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/truth.h"

#define PAGE 4096u
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Code and data that ring 3 may use; all else of the image is for the kernel only. No calls out of it, no strings. */
#define USER_CODE __attribute__((section(".utext"), noinline, used))
#define USER_DATA __attribute__((section(".udata")))

/* ---- the guest, its command line, its end ---- */
int guest_main(void);
const char *hal_cmdline(void);
bool hal_flag(const char *name);                          /* the word `name` is there */
uint32_t hal_number(const char *name, uint32_t otherwise); /* `name=123` or `name=0x7b` */
bool hal_word(const char *name, char *out, size_t n);     /* `name=word` */
_Noreturn void hal_exit(uint32_t status); /* clears stacks and registers, then ends the VM with this status */
_Noreturn void hal_crash(void);           /* a triple fault; under Xen a shutdown for the reason "crash" */
extern const char hal_name[];             /* "native" or "xen" */

/* RAM as the boot information tells it. */
struct hal_memory {
	uint32_t kib;     /* all of it that is usable, from 0 (Xen: nr_pages) */
	uint32_t regions; /* entries of the memory map (Xen: 1) */
};
extern struct hal_memory hal_memory;

/* ---- ground truth ---- */
extern struct truth ringlab_truth;
/* One instruction, so that an interrupt handler that counts the same kind loses nothing. */
#define truth_add(kind, n) \
	__asm__ volatile("addl %1, %0" : "+m"(ringlab_truth.count[EV_##kind]) : "ri"((uint32_t)(n)) : "cc")

/* ---- console ---- */
void hal_putc(char c);
void hal_puts(const char *s); /* no newline added */
/* %s %c %d %u %x %08x %p %%, with width and zero fill; 32-bit arguments only. */
__attribute__((format(__printf__, 1, 2)))
void hal_printf(const char *fmt, ...);
void hal_vprintf(const char *fmt, va_list ap);
#define printf hal_printf

/* ---- memory functions: string.c; the compiler calls them too ---- */
void *memcpy(void *d, const void *s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* ---- time stamps ---- */
static inline uint64_t hal_rdtsc(void)
{
	uint32_t lo, hi;
	truth_add(RDTSC, 1);
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}
/* The low half: enough for intervals below a second. */
static inline uint32_t hal_tsc32(void)
{
	uint32_t lo;
	truth_add(RDTSC, 1);
	__asm__ volatile("rdtsc" : "=a"(lo) : : "edx");
	return lo;
}
/* The same without counting: for timed regions, whose caller counts two in advance. Serves user code too. */
static inline __attribute__((always_inline)) uint32_t raw_tsc32(void)
{
	uint32_t lo;
	__asm__ volatile("rdtsc" : "=a"(lo) : : "edx", "memory");
	return lo;
}

/* ---- traps ---- */
struct trap_frame { /* as the entry code stores it; esp and ss only when the trap came from user mode */
	uint32_t edi, esi, ebp, kesp, ebx, edx, ecx, eax;
	uint32_t vector, error;
	uint32_t eip, cs, eflags, esp, ss;
};
#define FRAME_USER(f) (((f)->cs & 3) == 3)

/* True: handled, return to the frame as it stands. Called for any vector; counting has been done. */
typedef bool trap_handler(struct trap_frame *f);
void trap_set(unsigned vector, trap_handler *fn);
const char *trap_name(uint32_t vector); /* "#GP" */
uint32_t trap_cr2(void); /* the address of the last page fault */

/*
 * For guests that poison their own state: from now on traps load DS and ES anew, and an exception that nobody takes ends
 * the guest by hal_crash, not by a status.
 */
void trap_expect_poison(void);
extern uint8_t trap_distrust;

struct fault {
	uint32_t vector, error, eip, cs, eflags, cr2;
	bool user;
};
/*
 * Runs fn(arg); 0 if it returned. An exception that no handler took abandons it, fills *f and gives vector + 1.
 * Interrupts are off afterwards.
 */
int trap_try(struct fault *f, void (*fn)(void *arg), void *arg);

/* ---- user mode ---- */
/*
 * Runs fn(arg) at ring 3 on the user stack, interrupts on, until it calls user_exit; gives that value. fn must be
 * USER_CODE. Interrupts are off afterwards.
 */
uint32_t user_run(void (*fn)(uint32_t arg), uint32_t arg);
uint32_t user_run_flags(void (*fn)(uint32_t arg), uint32_t arg, uint32_t eflags); /* the same with these EFLAGS */
#define SYSCALL_VECTOR 0x80
enum { SYSCALL_NULL, SYSCALL_EXIT };
/* From USER_CODE only. The kernel's handler counts SYSCALL_ENTRY and USER_RETURN. */
static inline __attribute__((always_inline)) void user_exit(uint32_t value)
{
	__asm__ volatile("int $0x80" : : "a"(SYSCALL_EXIT), "b"(value) : "memory");
	__builtin_unreachable();
}

/* ---- interrupts ---- */
void irq_on(void);  /* STI; Xen: clears the mask, takes what is pending */
void irq_off(void); /* CLI */
/* A periodic timer; fn runs in the handler. Native: 8254 channel 0, IRQ 0. Xen: VIRQ_TIMER, set again on each event. */
void timer_start(uint32_t hz, void (*fn)(void));
void timer_stop(void);
bool timer_handle(struct trap_frame *f); /* the library's handler of the timer's vector, 0x20, for guests that wrap it */

/* ---- page tables ---- */
#define PTE_P 1u
#define PTE_W 2u
#define PTE_U 4u
#define PTE_A 0x20u
#define PTE_D 0x40u
#define PTE_PS 0x80u
#define PTE_KERNEL (PTE_P | PTE_W | PTE_A | PTE_D) /* A and D set, so that no engine need write them */
/*
 * Changes the entry of va, which must lie in the image or (native) in the mapped low RAM, to frame pa | flags. Counts
 * PT_WRITE, natively only if the entry changes; with flush also TLB_FLUSH, by INVLPG natively. flags 0: not present.
 */
void page_set(void *va, uint32_t pa, uint32_t flags, bool flush);
void page_root_reload(void); /* MOV to CR3 with the value it has; Xen: MMUEXT_NEW_BASEPTR */
uint32_t page_pa(const void *va); /* the physical (Xen: machine) address of image data */
uint32_t page_entry(const void *va); /* the low half of the present entry */

/* ---- shared innards, for the library and for guests that need more ---- */
struct context { uint32_t ebx, esi, edi, ebp, esp, eip; };
int context_save(struct context *c) __attribute__((returns_twice)); /* 0 at first, then what context_jump says */
_Noreturn void context_jump(const struct context *c, int value);
void trap_forget(void); /* drops recovery points, which hold old register values */
void trap_dispatch(struct trap_frame *f);
_Noreturn void hal_start(uint32_t magic, uint32_t info);
extern struct context user_context;
extern uint32_t user_result;
