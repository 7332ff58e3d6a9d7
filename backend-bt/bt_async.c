/*
 * bt_async.c - kicks: leaving translated code at a guest instruction boundary, with no polls in it.
 *
 * Core's SIG_KICK handler calls async_kick with the interrupted context. At the first host instruction of a guest
 * instruction the state is exact, and the thread is sent out. Inside one that may be done again from its start
 * (IM_RESTART: nothing has changed yet, or the same change twice is one change) it is sent out at its start. Otherwise
 * the trap flag walks the few host instructions to the next boundary. In a resume sequence (bt_entry.S, bt_light.S) the
 * thread starts that sequence again, which sees v->attention; anywhere else C code will see it.
 */
#include "bt_private.h"
#include <ucontext.h>

static bool in_cache(const struct bt *b, uint64_t rip)
{
	return rip >= (uint64_t)(uintptr_t)b->code && rip < (uint64_t)(uintptr_t)b->code + b->code_size;
}

/* The start of the resume sequence that rip is in, or NULL. */
static const char *resume_start(uint64_t rip)
{
	if (rip >= (uint64_t)(uintptr_t)bt_resume_start && rip < (uint64_t)(uintptr_t)bt_resume_end)
		return bt_resume_start;
	if (rip >= (uint64_t)(uintptr_t)bt_light_start && rip < (uint64_t)(uintptr_t)bt_light_end)
		return bt_light_start;
	return NULL;
}

/* True when the thread was sent out. */
static bool leave_here(struct bt *b, ucontext_t *uc)
{
	uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	struct block *k = block_of_host(b, rip);
	const struct imap *im;
	bool start;

	if (!k || rip - (uint64_t)(uintptr_t)b->code - k->host >= k->body)
		return false;
	im = block_insn(b, k, rip);
	start = rip == (uint64_t)(uintptr_t)(b->code + k->host + im->host);
	if (!start && !(im->guest & IM_RESTART))
		return false;
	if (im->guest & IM_SHADOW)
		b->v->state.int_shadow = INT_SHADOW_STI;
	b->fault = (struct bt_fault){ .kick = true };
	fault_capture(b, uc, k, im);
	return true;
}

/* After one host instruction under the trap flag, or at the kick itself. */
void async_step(struct bt *b, ucontext_t *uc)
{
	uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	const char *again = resume_start(rip);

	b->stepping = false;
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)FL_TF;
	if (again) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)again;
		uc->uc_mcontext.gregs[REG_RSP] = (greg_t)b->hot->host_rsp;
		return;
	}
	if (!in_cache(b, rip) || leave_here(b, uc))
		return;
	b->stepping = true;
	uc->uc_mcontext.gregs[REG_EFL] |= FL_TF;
}

void async_kick(struct vcpu *v, void *ucontext)
{
	struct bt *b = bt_of(v);

	if (b && ucontext)
		async_step(b, ucontext);
}
