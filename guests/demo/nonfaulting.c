/*
 * nonfaulting.c - the sensitive instructions of x86 that do not fault at ring 3, each once, and what it told or did.
 *
 * The guest of `ringlab demo nonfaulting-state`. For each it prints "NAME VALUE" and "NAME-right VALUE": what it saw, and what it must see,
 * for it loaded the tables, flags and selectors itself. The names are those of Robin and Irvine's list. Loads and far branches name selector
 * 0x23: the guest's table has nothing there, so that they must fault; a Linux process has its own flat code segment there. The Xen build
 * owns no tables, and says what is right only where the ABI does.
 * Builds: XEN PREVIRT
 */
#include "x86.h"
#ifdef HAL_XEN
#include "xen.h"
#else
#include "native.h"
#endif

#define FLAG_IF 0x200u
#define FLAG_IOPL 0x3000u
#define HOST_CODE 0x23 /* the host's 32-bit code segment, RPL 3 */
#define HOST_DATA 0x2b

#ifdef HAL_XEN
#define OWN_CODE FLAT_KERNEL_CS
#define OWN_DATA FLAT_KERNEL_DS
#else
#define OWN_CODE SEL_KCODE
#define OWN_DATA SEL_UDATA
#endif

static void saw(const char *name, uint32_t value)
{
	printf("%s 0x%x\n", name, value);
}

static void right(const char *name, uint32_t value)
{
	printf("%s-right 0x%x\n", name, value);
}

/* ---- registers that a process should not see ---- */

static __attribute__((noipa)) uint32_t look_sgdt(void)
{
	return sgdt().base;
}

static __attribute__((noipa)) uint32_t look_sidt(void)
{
	return sidt().base;
}

/* The NOP: single-stepping (--holes) runs what follows an instruction that the host kernel emulates, before it can look. */
#define LOOK(name, code, kind) \
	static __attribute__((noipa)) uint32_t look_##name(void) \
	{ \
		uint32_t v = 0; \
		truth_add(kind, 1); \
		__asm__ volatile(code "; nop" : "+a"(v) : : "memory"); \
		return v & 0xffff; \
	}
LOOK(sldt, "sldt %%ax", DT_STORE)
LOOK(str, "str %%ax", DT_STORE)
LOOK(smsw, "smsw %%ax", DT_STORE)
LOOK(push, "pushl %%cs; popl %%eax", SEG_READ)
LOOK(mov, "movl %%cs, %%eax", SEG_READ)

static __attribute__((noipa)) uint32_t look_pushf(void)
{
	return pushf();
}

static __attribute__((noipa)) void do_popf(uint32_t flags)
{
	popf(flags);
}

/* ---- what the descriptors say: 0 when the CPU says that the selector names none ---- */

#define ASK(name, code) \
	static __attribute__((noipa)) uint32_t ask_##name(uint32_t selector) \
	{ \
		uint32_t v = 0; \
		truth_add(SEG_QUERY, 1); \
		__asm__ volatile(code : "+d"(v) : "a"(selector) : "cc"); \
		return v; \
	}
ASK(lar, "lar %%eax, %%edx; andl $0xf0ff00, %%edx")
ASK(lsl, "lsl %%eax, %%edx")
ASK(verr, "verr %%ax; setz %%dl")
ASK(verw, "verw %%ax; setz %%dl")

/* ---- loads and far branches to a selector of the host's: 1 when it was taken, 0 when it faulted, as it must ---- */

static void load_pop(void *arg)
{
	__asm__ volatile("pushl %0; popl %%fs" : : "r"(arg) : "memory");
}

static void load_mov(void *arg)
{
	__asm__ volatile("movl %0, %%gs" : : "r"(arg) : "memory");
}

static void branch_jmp(void *arg)
{
	__asm__ volatile("ljmp %0, $1f; 1:" : : "i"(HOST_CODE) : "memory");
}

static void branch_call(void *arg)
{
	__asm__ volatile("lcall %0, $1f; 1: addl $8, %%esp" : : "i"(HOST_CODE) : "memory");
}

static void branch_ret(void *arg)
{
	__asm__ volatile("pushl %0; pushl $1f; lret; 1:" : : "i"(HOST_CODE) : "memory");
}

static uint32_t taken(void (*fn)(void *arg), uint32_t selector)
{
	struct fault f;
	bool fault = trap_try(&f, fn, (void *)selector);
	__asm__ volatile("ljmp %0, $1f; 1:" : : "i"(OWN_CODE)); /* back to our own, whatever came of it */
	truth_add(FAR_BRANCH, 1);
	__asm__ volatile("movl %0, %%fs; movl %0, %%gs" : : "r"(0));
	truth_add(SEG_LOAD, 2);
	return !fault;
}

/* INT n: the CS that the handler finds in its frame. 0x80 is the vector that Linux opens to every process. */
static volatile uint32_t frame_cs;

static bool see_frame(struct trap_frame *f)
{
	frame_cs = f->cs & 0xffff;
	return true;
}

static __attribute__((noipa)) uint32_t do_int(void)
{
	uint32_t any = ~0u; /* no call of the library's */
	trap_set(SYSCALL_VECTOR, see_frame);
	__asm__ volatile("int $0x80" : "+a"(any) : : "memory");
	trap_set(SYSCALL_VECTOR, NULL);
	return frame_cs;
}

#ifdef HAL_XEN
static volatile uint8_t *mask(void)
{
	return &xen_shared.vcpu_info[0].evtchn_upcall_mask;
}

static void tables(void)
{
	saw("sgdt", look_sgdt());
	saw("sidt", look_sidt());
	saw("sldt", look_sldt());
	saw("smsw", look_smsw());
	saw("str", look_str());
}

/* The interface's interrupt flag is a byte; POPF and PUSHF know nothing of it. */
static void flags(void)
{
	*mask() = 1;
	saw("pushf", look_pushf() & (FLAG_IF | FLAG_IOPL));
	right("pushf", 0);
	*mask() = 0;
	do_popf(2);
	saw("popf", !*mask());
	right("popf", 0);
	*mask() = 1;
}
#else
static volatile uint32_t came;

static void arrived(struct trap_frame *f)
{
	(void)f;
	came = 1;
}

static void tables(void)
{
	gdt_set(SEL_LDT, gdt_entry((uint32_t)&gdt[SEL_SPARE / 8], 15, 0x82, 0));
	truth_add(DT_LOAD, 1);
	__asm__ volatile("lldt %w0" : : "r"(SEL_LDT));
	saw("sgdt", look_sgdt());
	right("sgdt", (uint32_t)gdt);
	saw("sidt", look_sidt());
	right("sidt", (uint32_t)idt);
	saw("sldt", look_sldt());
	right("sldt", SEL_LDT);
	uint32_t cr0 = read_cr0();
	write_cr0(cr0 | 8); /* TS: as a kernel that shares the FPU lazily does */
	saw("smsw", look_smsw());
	right("smsw", (cr0 | 8) & 0xffff);
	write_cr0(cr0);
	saw("str", look_str());
	right("str", SEL_TSS);
}

/* POPF is told to close interrupts; then one is raised. Does it come? */
static void flags(void)
{
	cli();
	saw("pushf", look_pushf() & (FLAG_IF | FLAG_IOPL));
	right("pushf", 0);
	sti();
	do_popf(2);
	irq_raise(arrived);
	for (volatile uint32_t i = 0; i < 10000 && !came; i++)
		;
	cli();
	pic_mask(0xffff);
	saw("popf", came);
	right("popf", 0);
}
#endif

static void queries(void)
{
	saw("lar", ask_lar(OWN_CODE));
	saw("lsl", ask_lsl(OWN_DATA));
	saw("verr", ask_verr(OWN_DATA));
	saw("verw", ask_verw(OWN_DATA));
#ifdef HAL_XEN
	right("lar", 0xc0bb00); /* DPL 1 */
	right("verr", 1);
	right("verw", 1);
#else
	right("lar", 0xc09b00);
	right("lsl", 0xffffffff);
	right("verr", 1);
	right("verw", 1);
#endif
}

static void selectors(void)
{
	static const struct {
		const char *name;
		void (*fn)(void *arg);
		uint32_t selector;
	} tries[] = { { "pop", load_pop, HOST_DATA }, { "mov-to", load_mov, HOST_DATA }, { "call", branch_call, 0 }, { "jmp", branch_jmp, 0 },
		{ "ret", branch_ret, 0 } };
	for (unsigned i = 0; i < ARRAY_LEN(tries); i++) {
		saw(tries[i].name, taken(tries[i].fn, tries[i].selector));
		right(tries[i].name, 0);
	}
	saw("push", look_push());
	right("push", OWN_CODE);
	saw("mov", look_mov());
	right("mov", OWN_CODE);
	saw("int", do_int());
	right("int", OWN_CODE);
}

int guest_main(void)
{
	tables();
	flags();
	queries();
	selectors();
	return 0;
}
