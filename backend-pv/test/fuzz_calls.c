/*
 * fuzz_calls.c - every hypercall as a row: so many commands, arguments by letters, and what a pointer points to.
 *
 * A new hypercall needs a row here, and a test says so. Each letter makes up one 32-bit value; one in sixteen is anything.
 *   c command   p pointer to a buffer   n a small count   d domain   f frame   v address   s selector   o event port
 *   e, h        low and high half of a page-table entry   a, h  machine address of an entry   g grant reference
 *   w anything  0 zero   1 one
 * The buffer is filled by repeating its own letters; `p` there points to a second buffer of w.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "fuzz.h"

const struct fuzz_call fuzz_calls[] = {
	{ 0, 1, 0, "p", "wsv" },                        /* set_trap_table */
	{ 1, 12, 0, "pnpd", "aheh" },                   /* mmu_update */
	{ 2, 3, 0, "pn", "f" },                         /* set_gdt */
	{ 3, 1, 0, "sv", "" },                          /* stack_switch */
	{ 4, 1, 0, "svsv", "" },                        /* set_callbacks */
	{ 5, 1, 0, "n", "" },                           /* fpu_taskswitch */
	{ 6, 1, 6, "cw", "" },                          /* sched_op_compat */
	{ 7, 1, 0, "p", "w" },                          /* platform_op */
	{ 8, 1, 8, "cv", "" },                          /* set_debugreg */
	{ 9, 1, 8, "c", "" },                           /* get_debugreg */
	{ 10, 3, 0, "ahww", "" },                       /* update_descriptor */
	{ 12, 3, 30, "cp", "pnn0d" },                   /* memory_op */
	{ 13, 4, 0, "pn", "" },                         /* multicall: filled by hand */
	{ 14, 12, 0, "vehn", "" },                      /* update_va_mapping */
	{ 15, 1, 0, "wn", "" },                         /* set_timer_op */
	{ 16, 2, 14, "p", "codo" },                     /* event_channel_op_compat */
	{ 19, 1, 30, "p", "cnn" },                      /* physdev_op_compat */
	{ 25, 1, 4, "cw", "" },                         /* set_segment_base */
	{ 17, 1, 12, "cp", "nw" },                      /* xen_version */
	{ 18, 1, 3, "cnp", "w" },                       /* console_io */
	{ 20, 6, 14, "cpn", "ggdwvf" },                 /* grant_table_op */
	{ 21, 1, 3, "cn", "" },                         /* vm_assist */
	{ 22, 2, 0, "vehnd", "" },                      /* update_va_mapping_otherdomain */
	{ 23, 1, 0, "", "" },                           /* iret */
	{ 24, 2, 16, "c0p", "wvwn" },                   /* vcpu_op */
	{ 26, 10, 21, "pnpd", "cfv" },                  /* mmuext_op */
	{ 28, 1, 3, "cp", "w" },                        /* nmi_op */
	{ 29, 2, 3, "cp", "n" },                        /* sched_op, without poll: it sleeps */
	{ 30, 1, 3, "cp", "wsv" },                      /* callback_op */
	{ 32, 6, 14, "cp", "odo" },                     /* event_channel_op */
	{ 33, 1, 30, "cp", "nn" },                      /* physdev_op */
	{ 36, 1, 0, "p", "w" },                         /* domctl */
	{ 48, 1, 4, "cp", "w" },                        /* arch_0 */
};
const unsigned fuzz_calls_n = ARRAY_LEN(fuzz_calls);

static uint32_t entry_low(struct fuzz *f)
{
	static const uint16_t flags[] = { 0x63, 0x61, 0x67, 0x65, 0x3, 0x1, 0x23, 0x21, 0, 0xe3, 0x163, 0x1 };

	return fuzz_frame(f) << PAGE_SHIFT | flags[fuzz_rnd(f, ARRAY_LEN(flags))];
}

static uint32_t selector(struct fuzz *f)
{
	static const uint16_t some[] = { KERNEL_CS, KERNEL_DS, USER_CS32, USER_DS32, 8, 0x10, 0x17, 0x23, 0x33, 0x7b, 0 };

	return some[fuzz_rnd(f, ARRAY_LEN(some))];
}

static uint32_t domain(struct fuzz *f)
{
	static const uint32_t some[] = { 1, 0, 0x7ff1, 0x7ff2, DOMID_SELF | 1u << 16, DOMID_SELF | (DOMID_SELF + 1) << 16 };

	return fuzz_rnd(f, 8) ? DOMID_SELF : some[fuzz_rnd(f, ARRAY_LEN(some))];
}

static uint32_t pointer(struct fuzz *f)
{
	return f->args + (fuzz_rnd(f, 4) ? fuzz_rnd(f, 64) * 4 : fuzz_rnd(f, FUZZ_ARGS * PAGE_SIZE));
}

static uint32_t value(struct fuzz *f, char letter, unsigned commands)
{
	if (!fuzz_rnd(f, 16))
		return fuzz_rnd(f, 2) ? fuzz_rnd(f, 0) : fuzz_rnd(f, 32) - 8;
	switch (letter) {
	case 'c': return fuzz_rnd(f, commands);
	case 'p': return pointer(f);
	case 'n': return fuzz_rnd(f, 24);
	case 'd': return domain(f);
	case 'f': return fuzz_frame(f);
	case 'v': return fuzz_va(f);
	case 's': return selector(f);
	case 'o': return fuzz_rnd(f, 12);
	case 'e': return entry_low(f);
	case 'h': return fuzz_rnd(f, 24) ? 0 : fuzz_rnd(f, 2) ? 0x80000000u : fuzz_rnd(f, 0);
	case 'a': return fuzz_frame(f) << PAGE_SHIFT | fuzz_rnd(f, 512) * 8 | (fuzz_rnd(f, 8) ? 0 : fuzz_rnd(f, 4));
	case 'g': return fuzz_rnd(f, 40);
	case '0': return 0;
	case '1': return 1;
	default: return fuzz_rnd(f, 0);
	}
}

static const struct fuzz_call *any_row(struct fuzz *f)
{
	uint32_t total = 0, r;

	for (unsigned i = 0; i < fuzz_calls_n; i++)
		total += fuzz_calls[i].weight;
	r = fuzz_rnd(f, total);
	for (unsigned i = 0;; i++) {
		if (r < fuzz_calls[i].weight)
			return &fuzz_calls[i];
		r -= fuzz_calls[i].weight;
	}
}

static void arguments(struct fuzz *f, const struct fuzz_call *row, uint32_t a[6])
{
	for (unsigned i = 0; i < 6; i++)
		a[i] = row->args[0] && i < strlen(row->args) ? value(f, row->args[i], row->commands) : 0;
}

/* Fills the buffer at va: by the row's letters, as often as they fit into 24 elements. */
static void buffer_fill(struct fuzz *f, const struct fuzz_call *row, uint32_t va)
{
	uint32_t words[24 * 6];
	size_t n = strlen(row->buffer);

	if (!n)
		return;
	for (unsigned i = 0; i < 24 * n; i++)
		words[i] = value(f, row->buffer[i % n], row->commands);
	xen_guest_write(f->v, va, words, (uint32_t)(24 * n * 4));
}

/* Entries of a multicall, each by the row of some hypercall. */
static void multicall_fill(struct fuzz *f, uint32_t va)
{
	for (unsigned i = 0; i < 8; i++) {
		const struct fuzz_call *row = any_row(f);
		uint32_t call[8] = { row->nr };
		arguments(f, row, call + 2);
		xen_guest_write(f->v, va + i * 32, call, sizeof(call));
	}
}

/* As a function, or as the trampoline would: the light path first, and the other where that will not do. */
static int32_t enter(struct fuzz *f, uint32_t nr, const uint32_t *a)
{
	struct cpu_state *s = &f->v->state;
	struct pv_cpu *c = f->d->cpu;
	struct exit e;

	if (fuzz_rnd(f, 2))
		return xen_call(f->v, nr, a);
	s->gpr[R_EAX] = nr;
	s->gpr[R_EBX] = a[0];
	s->gpr[R_ECX] = a[1];
	s->gpr[R_EDX] = a[2];
	s->gpr[R_ESI] = a[3];
	s->gpr[R_EDI] = a[4];
	if (pv_hypercall_fast(c) == PVX_HYPERCALL)
		xen_hypercall_slow(f->v, &e, MECH_HYPERCALL);
	pv_flush_samples(c);
	return (int32_t)s->gpr[R_EAX];
}

static void call_row(struct fuzz *f, const struct fuzz_call *row)
{
	uint32_t a[6];

	arguments(f, row, a);
	for (unsigned i = 0; row->args[i]; i++)
		if (row->args[i] == 'p') {
			if (row->nr == 13)
				multicall_fill(f, a[i]);
			else
				buffer_fill(f, row, a[i]);
			break;
		}
	if (row->nr == 29 && a[0] == 3)
		return;
	int32_t r = enter(f, row->nr, a);
	fuzz_log(f, "%u(%#x %#x %#x %#x) = %d", row->nr, a[0], a[1], a[2], a[3], r);
}

void fuzz_call_random(struct fuzz *f)
{
	call_row(f, any_row(f));
}

void fuzz_call_nr(struct fuzz *f, uint32_t nr)
{
	for (unsigned i = 0; i < fuzz_calls_n; i++)
		if (fuzz_calls[i].nr == nr)
			call_row(f, &fuzz_calls[i]);
}
