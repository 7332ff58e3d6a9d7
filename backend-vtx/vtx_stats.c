/*
 * vtx_stats.c - the accounting of exits: those that reach us, counted one by one, and those that KVM handles alone.
 *
 * What never leaves the kernel is learnt at the end of a run from two sources: KVM's binary statistics (totals, always
 * there), and a histogram of exit reasons that the kernel keeps for us at the kvm:kvm_exit tracepoint (where tracefs may be
 * written). A reason's total less what reached us is what KVM handled alone. All files are opened before the jail closes.
 * Read next: vtx_tracepoint.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/attrib.h"
#include "core/trace.h"
#include "vtx.h"

static gva_t trace_eip(struct vcpu *v)
{
	struct kvm_regs r;

	if (!v->stats.every || vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_REGS, &r))
		return GVA(0);
	return GVA(r.rip);
}

void vtx_count(struct vcpu *v, enum event_kind k, uint64_t n)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	const struct vtx_reason *r = vtx_reason_of(c->engine, c->shadow, k);
	uint64_t now = __rdtsc();

	if (!r) {
		v->stats.cell[k][MECH_VMEXIT].count += n;
		return;
	}
	stat_hw(&v->stats, k, r->number, r->name, BY_VMM, n, 0);
	c->exits_seen[k]++;
	c->timed.kind = k;
	c->timed.reason = r;
	c->timed.t0 = c->time ? now : 0;
	c->timed.eip = trace_eip(v);
	if (v->stats.attrib && (!c->timed.t0 || k == EV_HLT)) /* without a cost: nobody times it, or it is the guest's sleep */
		attrib_add(v->stats.attrib, k, MECH_VMEXIT, c->timed.eip, now, now);
}

void vtx_count_end(struct vcpu *v)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	uint64_t t0 = c->timed.t0, now;

	if (!t0)
		return;
	c->timed.t0 = 0;
	now = __rdtsc();
	stat_hw(&v->stats, c->timed.kind, c->timed.reason->number, c->timed.reason->name, BY_VMM, 0, now - t0);
	if (v->stats.trace)
		trace_event(v->stats.trace, c->timed.kind, MECH_VMEXIT, c->timed.eip, t0, now);
	if (v->stats.attrib)
		attrib_add(v->stats.attrib, c->timed.kind, MECH_VMEXIT, c->timed.eip, t0, now);
}

/* Reads the names and places of one statistics file (Linux: Documentation/virt/kvm/api.rst, 4.133). */
static int statfile_open(struct vtx_statfile *f, int kvm_fd)
{
	struct kvm_stats_header h;
	uint8_t *desc = NULL;
	size_t step;

	*f = (struct vtx_statfile){ .fd = vtx_ioctl(kvm_fd, KVM_GET_STATS_FD, NULL) };
	if (f->fd < 0)
		return 0; /* a KVM before 5.14: no figures */
	if (pread(f->fd, &h, sizeof(h), 0) != sizeof(h) || h.num_desc > 4096 || h.name_size > 1024)
		goto none;
	step = sizeof(struct kvm_stats_desc) + h.name_size;
	desc = malloc(step * h.num_desc);
	f->desc = calloc(h.num_desc, sizeof(*f->desc));
	if (!desc || !f->desc || pread(f->fd, desc, step * h.num_desc, h.desc_offset) != (ssize_t)(step * h.num_desc))
		goto none;
	f->data_offset = h.data_offset;
	for (uint32_t i = 0; i < h.num_desc; i++) {
		struct kvm_stats_desc d;
		memcpy(&d, desc + i * step, sizeof(d));
		if (d.size != 1)
			continue; /* KVM's own histograms of waiting times */
		struct vtx_statdesc *to = &f->desc[f->n++];
		to->offset = d.offset;
		snprintf(to->name, sizeof(to->name), "%.*s", (int)h.name_size, (char *)desc + i * step + sizeof(d));
	}
	free(desc);
	return 0;
none:
	free(desc);
	free(f->desc);
	close(f->fd);
	*f = (struct vtx_statfile){ .fd = -1 };
	return 0;
}

static void statfile_close(struct vtx_statfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->desc);
}

/* Adds every figure to the notes, as "kvm.NAME", and returns the one called `want` (0 when it is not there). */
static uint64_t statfile_collect(const struct vtx_statfile *f, struct stats *s, const char *want)
{
	uint64_t value, found = 0;
	char name[64];

	for (unsigned i = 0; f->fd >= 0 && i < f->n; i++) {
		if (pread(f->fd, &value, sizeof(value), (off_t)f->data_offset + f->desc[i].offset) != sizeof(value))
			continue;
		snprintf(name, sizeof(name), "kvm.%s", f->desc[i].name);
		stat_note(s, name, value);
		if (!strcmp(f->desc[i].name, want))
			found = value;
	}
	return found;
}

int vtx_stats_open(struct vcpu *v)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	int r = statfile_open(&c->vm_stats, vtx_vm(v->vm)->vm);

	if (!r)
		r = statfile_open(&c->vcpu_stats, c->fd);
	vtx_tracepoint_open(&c->tp, c->engine, vtx_vm(v->vm)->irqchip);
	return r;
}

void vtx_stats_close(struct vcpu *v)
{
	struct vtx_vcpu *c = vtx_vcpu(v);

	vtx_tracepoint_close(&c->tp);
	statfile_close(&c->vcpu_stats);
	statfile_close(&c->vm_stats);
}

void vtx_stats_start(struct vcpu *v)
{
	vtx_tracepoint_start(&vtx_vcpu(v)->tp);
}

/* How many exits of a reason reached us: those of every kind of event that has this reason. */
static uint64_t reached_us(const struct vtx_vcpu *c, uint32_t reason)
{
	uint64_t n = 0;

	for (int k = 0; k < EV_COUNT; k++) {
		const struct vtx_reason *r = vtx_reason_of(c->engine, c->shadow, k);
		if (r && r->number == reason)
			n += c->exits_seen[k];
	}
	return n;
}

static void kvm_alone(struct vcpu *v, enum event_kind k, uint32_t reason, uint64_t n)
{
	const struct vtx_reason *r = vtx_reason_find(vtx_vcpu(v)->engine, reason);
	char number[32];

	snprintf(number, sizeof(number), "reason %u", reason);
	if (n)
		stat_hw(&v->stats, k, reason, r ? r->name : number, BY_KVM, n, 0);
}

/*
 * The qualification of a control-register access (SDM vol. 3, table 28-3): bits 3:0 the register, 5:4 the access, which is
 * 0 MOV to CR, 1 MOV from CR, 2 CLTS, 3 LMSW.
 */
static enum event_kind cr_kind(uint64_t qualification)
{
	if ((qualification >> 4 & 3) == 1)
		return EV_CR_READ;
	return (qualification & 15) == 3 && (qualification >> 4 & 3) == 0 ? EV_CR3_WRITE : EV_CR_WRITE;
}

/* Whether one of the further questions of vtx_tracepoint.c told the exits of this reason apart. */
static bool is_split(const struct vtx_hist *h, uint32_t reason)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->row[i].reason == reason && h->row[i].has_detail)
			return true;
	return false;
}

static void collect_cr(struct vcpu *v, const struct vtx_hist *h, uint32_t reason)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->row[i].reason == reason && h->row[i].has_detail)
			kvm_alone(v, cr_kind(h->row[i].detail), reason, h->row[i].count);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/*
 * With shadow paging KVM takes every #PF: those of the guest's own making it reflects, MMIO comes to us, the others fill its
 * tables. A read-modify-write of MMIO is one fault and two events, so the fills are a lower bound where guests do that.
 */
static void collect_exceptions(struct vcpu *v, const struct vtx_hist *h, uint32_t reason, uint64_t guest_faults)
{
	uint64_t faults = 0;

	for (unsigned i = 0; i < h->n; i++) {
		const struct vtx_hist_row *row = &h->row[i];
		if (row->reason != reason || !row->has_detail)
			continue;
		if ((row->detail & 0xff) == VEC_PF)
			faults += row->count;
		else
			kvm_alone(v, EV_EXCEPTION, reason, row->count);
	}
	uint64_t reflected = guest_faults < faults ? guest_faults : faults;
	kvm_alone(v, EV_PAGE_FAULT, reason, reflected);
	kvm_alone(v, EV_SHADOW_FILL, reason, less(faults - reflected, reached_us(vtx_vcpu(v), reason)));
}

/* SVM has one code for both, and says in EXITINFO1 which: those that did not reach us are KVM's. */
static void collect_msr(struct vcpu *v, const struct vtx_hist *h, uint32_t reason)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct vtx_hist_row *row = &h->row[i];
		enum event_kind k = row->detail ? EV_MSR_WRITE : EV_MSR_READ;
		uint64_t ours = vtx_vcpu(v)->exits_seen[k];
		if (row->reason == reason && row->has_detail)
			kvm_alone(v, k, reason, less(row->count, ours));
	}
}

/*
 * Ports that KVM serves alone. The direction is bit 3 of the qualification on VMX (SDM vol. 3, table 28-5), bit 0 of
 * EXITINFO1 on SVM: set for IN.
 */
static void collect_io(struct vcpu *v, const struct vtx_hist *h, uint32_t reason)
{
	const struct vtx_vcpu *c = vtx_vcpu(v);
	uint64_t in = 0, out = 0, bit = c->engine == ENGINE_INTEL ? 8 : 1;

	for (unsigned i = 0; i < h->n; i++)
		if (h->row[i].reason == reason && h->row[i].has_detail)
			*(h->row[i].detail & bit ? &in : &out) += h->row[i].count;
	kvm_alone(v, EV_PORT_IN, reason, less(in, c->exits_seen[EV_PORT_IN]));
	kvm_alone(v, EV_PORT_OUT, reason, less(out, c->exits_seen[EV_PORT_OUT]));
}

static void collect_split(struct vcpu *v, const struct vtx_hist *h, uint32_t reason, uint64_t guest_faults)
{
	if (reason == 0)
		collect_exceptions(v, h, reason, guest_faults);
	else if (reason == 28)
		collect_cr(v, h, reason);
	else if (reason == 30 || reason == 0x7b)
		collect_io(v, h, reason);
	else
		collect_msr(v, h, reason);
}

static uint64_t hist_total(const struct vtx_hist *h, uint32_t reason)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->row[i].reason == reason && !h->row[i].has_detail)
			return h->row[i].count;
	return 0;
}

/*
 * MMIO that reaches us is counted at one reason, and hardware has two for it: of the EPT violations, those are MMIO that
 * our count has beyond the misconfigurations.
 */
static uint64_t alone(const struct vtx_vcpu *c, const struct vtx_hist *h, uint32_t reason, uint64_t total)
{
	uint64_t ours = reached_us(c, reason);

	if (c->engine == ENGINE_INTEL && reason == 48) {
		uint64_t mmio = reached_us(c, 49), misconfigured = hist_total(h, 49);
		ours = less(mmio, misconfigured);
	}
	return less(total, ours);
}

static void collect_hist(struct vcpu *v, const struct vtx_hist *h, uint64_t guest_faults)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	uint64_t all = 0;
	char name[48];

	for (unsigned i = 0; i < h->n; i++) {
		const struct vtx_hist_row *row = &h->row[i];
		const struct vtx_reason *r = vtx_reason_find(c->engine, row->reason);
		if (row->has_detail)
			continue;
		all += row->count;
		snprintf(name, sizeof(name), "exit_reason.%u", row->reason);
		stat_note(&v->stats, name, row->count);
		if (is_split(h, row->reason))
			collect_split(v, h, row->reason, guest_faults);
		else
			kvm_alone(v, r ? r->kind : EV_OTHER, row->reason, alone(c, h, row->reason, row->count));
	}
	stat_note(&v->stats, "exit_reason.total", all);
	stat_note(&v->stats, "exit_reason.dropped", h->dropped);
}

void vtx_stats_collect(struct vcpu *v)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	struct vtx_hist h;

	vtx_count_end(v);
	stat_note(&v->stats, "kvm_irqchip", vtx_vm(v->vm)->irqchip);
	statfile_collect(&c->vm_stats, &v->stats, "");
	uint64_t guest_faults = statfile_collect(&c->vcpu_stats, &v->stats, "pf_guest");
	if (vtx_tracepoint_read(&c->tp, &h))
		collect_hist(v, &h, guest_faults);
}
