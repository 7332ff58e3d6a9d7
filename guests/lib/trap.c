/*
 * trap.c - what happens after an exception, an interrupt or a software interrupt, for both builds.
 *
 * The entry code (boot.S, xen_boot.S) stores a struct trap_frame and calls trap_dispatch, which counts the event, asks
 * the handler that the guest set, and falls back on trap_try's recovery point. What nobody wants ends the guest.
 */
#include "hal.h"

#define STATUS_UNEXPECTED 99 /* exit status after an exception that nobody asked for */

static trap_handler *handlers[256];
static struct {
	struct context context;
	struct fault *fault;
} recovery;
uint8_t trap_distrust; /* the entry code reads it, through CS: DS may be anything by then */
struct context user_context;
uint32_t user_result;

struct truth ringlab_truth USER_DATA = {
	.magic = TRUTH_MAGIC,
	.kinds = TRUTH_KINDS,
	.known = ((1ull << EV_COUNT) - 1) & ~(1ull << EV_IRQ_WINDOW | 1ull << EV_SHADOW_FILL | 1ull << EV_TRANSLATION |
		1ull << EV_CHAIN_MISS | 1ull << EV_INDIRECT_MISS | 1ull << EV_SMC | 1ull << EV_INTERPRET |
		1ull << EV_HOST_FAULT | 1ull << EV_KICK | 1ull << EV_OTHER),
};

void trap_set(unsigned vector, trap_handler *fn)
{
	handlers[vector & 255] = fn;
}

static void count_entry(const struct trap_frame *f)
{
	uint32_t v = f->vector;
	if (v == 14)
		truth_add(PAGE_FAULT, 1);
	else if (v == 3 || v == 4 || v >= 0x40)
		truth_add(SYSCALL_ENTRY, 1);
	else if (v >= 0x20)
		truth_add(IRQ_DELIVERED, 1);
	else
		truth_add(EXCEPTION, 1);
}

static void count_return(const struct trap_frame *f)
{
	if (FRAME_USER(f))
		truth_add(USER_RETURN, 1);
	else
		truth_add(IRET, 1);
#ifdef HAL_XEN
	truth_add(HYPERCALL, 1); /* the entry code returns by the iret hypercall */
#endif
}

static void recover(const struct trap_frame *f)
{
	struct fault *out = recovery.fault;
	recovery.fault = NULL;
	*out = (struct fault){
		.vector = f->vector, .error = f->error, .eip = f->eip, .cs = f->cs & 0xffff, .eflags = f->eflags,
		.cr2 = f->vector == 14 ? trap_cr2() : 0, .user = FRAME_USER(f),
	};
	context_jump(&recovery.context, 1);
}

void trap_dispatch(struct trap_frame *f)
{
	count_entry(f);
	trap_handler *fn = handlers[f->vector & 255];
	if (fn && fn(f)) {
		count_return(f);
		return;
	}
	if (f->vector == SYSCALL_VECTOR && f->eax == SYSCALL_EXIT && FRAME_USER(f)) {
		user_result = f->ebx;
		context_jump(&user_context, 1);
	}
	if (recovery.fault)
		recover(f);
	printf("UNEXPECTED vector=%u error=0x%x eip=0x%08x cs=0x%x eflags=0x%x cr2=0x%08x\n", f->vector, f->error, f->eip,
		f->cs & 0xffff, f->eflags, f->vector == 14 ? trap_cr2() : 0);
	if (trap_distrust)
		hal_crash();
	hal_exit(STATUS_UNEXPECTED);
}

void trap_expect_poison(void)
{
	trap_distrust = 1;
}

const char *trap_name(uint32_t vector)
{
	static const char *const names[20] = { "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9", "#TS", "#NP",
		"#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM" };
	return vector < ARRAY_LEN(names) ? names[vector] : "#?";
}

int trap_try(struct fault *f, void (*fn)(void *arg), void *arg)
{
	if (context_save(&recovery.context))
		return (int)f->vector + 1;
	recovery.fault = f;
	fn(arg);
	recovery.fault = NULL;
	return 0;
}

void trap_forget(void)
{
	memset(&recovery, 0, sizeof recovery);
	memset(&user_context, 0, sizeof user_context);
	user_result = 0;
}

_Static_assert(offsetof(struct truth, count) == 24, "truth_offsets.h");
