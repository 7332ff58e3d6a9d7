/*
 * pv_step.c - --user-isolation keys: guest code in a page that pv_scan.c refuses runs one instruction at a time.
 *
 * Such a page may be the guest's fault or an accident: the three bytes of XRSTOR turn up in about one of 80 random pages. So
 * it works, and is slow: the page is made executable for one instruction, with the trap flag set, after a look at what
 * that instruction is. WRPKRU, XRSTOR and XRSTORS are undefined, as they are by the CPU that guests are told they have. So
 * are loads of SS, which would put the trap off by one instruction. Each is counted as interpreted. What the guest sees of it: PUSHF
 * shows TF set. Called by pv_run.c. SDM vol. 3, 17.3.1.4 (single-step).
 */
#include "pv_scan.h"
#include <string.h>
#include "core/walk.h"
#include "xen.h"

static bool is_prefix(uint8_t b)
{
	return b == 0x66 || b == 0x67 || b == 0xf0 || b == 0xf2 || b == 0xf3 || b == 0x2e || b == 0x36 || b == 0x3e || b == 0x26 ||
		b == 0x64 || b == 0x65;
}

/* Bytes at a linear address, as far as they are mapped. */
static unsigned fetch(struct vcpu *v, uint32_t la, uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct walk w;
		const uint8_t *p;
		if (walk_page(&v->state, &v->vm->mem, GVA(la + i), ACCESS_X | (CPL(&v->state) == 3 ? ACCESS_USER : 0), false, &w) ||
		    !(p = mem_ptr(&v->vm->mem, w.gpa, 1)))
			return i;
		b[i] = *p;
	}
	return n;
}

static unsigned opcode_at(const uint8_t *b, unsigned n)
{
	unsigned i = 0;

	while (i < n && is_prefix(b[i]))
		i++;
	return i;
}

/* INT 0x80, SYSCALL, SYSENTER leave guest code by themselves, and with TF set the host would report the trap instead of the call. */
static bool leaves(const uint8_t *b, unsigned n)
{
	unsigned i = opcode_at(b, n);

	return i + 1 < n && ((b[i] == 0xcd && b[i + 1] == 0x80) || (b[i] == 0x0f && (b[i + 1] == 0x05 || b[i + 1] == 0x34)));
}

/* May this instruction run natively, for one step? */
static bool harmless(const uint8_t *b, unsigned n)
{
	unsigned i = opcode_at(b, n);

	if (i + 2 < n && b[i] == 0x0f && pv_scan_bytes((uint8_t *)(uintptr_t)b + i, (uint8_t *)(uintptr_t)b + i + 3))
		return false;
	return !(i < n && (b[i] == 0x17 || (b[i] == 0x8e && i + 1 < n && (b[i + 1] >> 3 & 7) == S_SS)));
}

static enum step undefined(struct vcpu *v, struct exit *e)
{
	if (((struct pv *)v->vm->priv)->xen)
		return xen_bounce(v, e, VEC_UD, false, 0);
	if (interp_deliver(v, VEC_UD, DELIVER_EXC, false, 0) == INTERP_DONE)
		return STEP_GO;
	exit_crash(e, GVA(v->state.rip), "WRPKRU, XRSTOR or a load of SS in a page that holds such bytes, and no handler for an undefined instruction");
	return STEP_EXIT;
}

static void step_over(struct pv *pv)
{
	uint32_t page = pv->scan->step - 1;

	if (pv->shadow.page[page] & SP_EXEC)
		pv_shadow_drop(pv, page, 1);
	pv->scan->step = 0;
}

/* Before guest code goes on, where a page is executable for one instruction: is that still what runs next? */
enum step pv_step_check(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;
	uint32_t la = (uint32_t)(v->state.seg[S_CS].base + v->state.rip), page = pv->scan->step - 1;
	uint8_t b[15];
	unsigned n;

	if (la >> PAGE_SHIFT != page && (la + 14) >> PAGE_SHIFT != page) {
		step_over(pv);
		return STEP_GO;
	}
	n = fetch(v, la, b, sizeof(b));
	if (!harmless(b, n)) {
		step_over(pv);
		return undefined(v, e);
	}
	pv->scan->guest_tf = v->state.rflags & FL_TF;
	pv->scan->tf = !leaves(b, n);
	pv->scan->own_tf = pv->scan->tf && b[0] != 0x9d && b[0] != 0xcf; /* POPF, IRET: what they leave is the guest's */
	stat_count_at(&v->stats, EV_INTERPRET, MECH_TRAP, GVA(la));
	return STEP_GO;
}

/* After guest code ran: the trap flag was ours. True: nothing else happened. */
bool pv_step_done(struct vcpu *v, enum pv_exit why)
{
	struct pv *pv = v->vm->priv;
	bool tf = pv->scan->guest_tf;

	if (why == PVX_ABORT || why == PVX_BADENTRY)
		return false;
	if (pv->scan->own_tf)
		v->state.rflags = (v->state.rflags & ~(uint64_t)FL_TF) | (tf ? FL_TF : 0);
	return why == PVX_FAULT && pv->cpu->sig == SIGTRAP && pv->cpu->trapno == VEC_DB && !tf;
}
