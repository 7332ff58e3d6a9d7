/*
 * xen_emul.c - the few privileged instructions that a Xen guest kernel may still execute, one by one.
 *
 * Xen's ABI lets a guest kernel use port I/O, CLTS, MOV to and from control registers, CPUID, RDMSR and the like, and load
 * its segment registers; they fault at ring 3 and are done here. Everything else, and all of it from user mode, is the
 * guest's own #GP. Called by xen_traps.c. No paging access here may exceed the guest kernel's rights.
 */
#include "xen_insn.h"
#include <string.h>
#include "core/cpuid.h"
#include "core/walk.h"

static bool insn_fetch(struct vcpu *v, struct insn *i)
{
	i->t0 = __rdtsc();
	i->at = (uint32_t)v->state.rip;
	uint32_t la = (uint32_t)v->state.seg[S_CS].base + i->at, n = sizeof(i->b), first = PAGE_SIZE - (la & (PAGE_SIZE - 1));

	memset(i->b, 0, sizeof(i->b));
	if (n > first && !xen_guest_read(v, la, i->b, n))
		n = first;
	if (!xen_guest_read(v, la, i->b, n))
		return false;
	i->len = 0;
	i->seg = 0;
	i->opsize16 = i->rep = false;
	for (; i->len < 4; i->len++) { /* prefixes */
		uint8_t p = i->b[i->len];
		if (p == 0x66)
			i->opsize16 = true;
		else if (p == 0xf2 || p == 0xf3)
			i->rep = true;
		else if (p == 0x26 || p == 0x2e || p == 0x36 || p == 0x3e)
			i->seg = (uint8_t)(1 + (p == 0x26 ? S_ES : p == 0x2e ? S_CS : p == 0x36 ? S_SS : S_DS));
		else if (p == 0x64 || p == 0x65)
			i->seg = (uint8_t)(1 + (p == 0x64 ? S_FS : S_GS));
		else
			break;
	}
	return true;
}

static enum step port_io(struct vcpu *v, struct insn *i, uint8_t op)
{
	struct cpu_state *s = &v->state;
	unsigned size = op & 1 ? (i->opsize16 ? 2 : 4) : 1;
	uint16_t port = op & 8 ? (uint16_t)s->gpr[R_EDX] : i->b[i->len++];
	uint64_t mask = size == 4 ? 0xffffffffull : (1ull << 8 * size) - 1;
	enum event_kind k = op & 2 ? EV_PORT_OUT : EV_PORT_IN;
	uint64_t t0 = __rdtsc();

	if (op & 2)
		bus_port_out(&v->vm->bus, port, size, (uint32_t)(s->gpr[R_EAX] & mask));
	else
		s->gpr[R_EAX] = (s->gpr[R_EAX] & ~mask) | (bus_port_in(&v->vm->bus, port, size) & mask);
	if (stat_begin(&v->stats, k, MECH_TRAP))
		stat_sample(&v->stats, k, MECH_TRAP, GVA(i->at), t0, __rdtsc());
	stat_count_at(&v->stats, EV_INTERPRET, MECH_TRAP, GVA(i->at));
	s->rip = i->at + i->len;
	return STEP_GO;
}

#define STRING_MAX 4096u /* elements at a time: then the guest may be interrupted, and the instruction goes on */

/* The host's view of guest memory at va, by the guest's tables with the kernel's rights; NULL: none, or not all in one page. */
static uint8_t *string_memory(struct vcpu *v, uint32_t va, unsigned size, bool write)
{
	struct walk w;

	if (va >= XEN_M2P || (va & (PAGE_SIZE - 1)) + size > PAGE_SIZE || walk_page(&v->state, &v->vm->mem, GVA(va), write ? ACCESS_W : ACCESS_R, true, &w))
		return NULL;
	return mem_ptr(&v->vm->mem, w.gpa, size);
}

/* One element at linear `at`, or as many upwards, at most n, as device and page allow; 0: the guest has no such memory. */
static uint32_t string_some(struct vcpu *v, uint32_t at, unsigned size, bool write, uint32_t n)
{
	uint32_t room = (PAGE_SIZE - (at & (PAGE_SIZE - 1))) / size, value = 0, some;
	uint16_t port = (uint16_t)v->state.gpr[R_EDX];
	uint8_t *p = string_memory(v, at, size, !write);

	if (!p)
		return 0;
	some = n > 1 ? bus_port_string(&v->vm->bus, port, size, write, p, n < room ? n : room) : 0;
	if (some)
		return some;
	if (write) {
		memcpy(&value, p, size);
		bus_port_out(&v->vm->bus, port, size, value);
	} else {
		value = bus_port_in(&v->vm->bus, port, size);
		memcpy(p, &value, size);
	}
	return 1;
}

/*
 * INS and OUTS, with REP: one trap for the whole string. The guest gets a #GP where its memory is missing, and where an element
 * lies across two pages: Xen's own emulator does better, but no kernel moves a disk's words so.
 */
static enum step port_string(struct vcpu *v, struct exit *e, struct insn *i, uint8_t op, uint32_t error)
{
	struct cpu_state *s = &v->state;
	bool write = op & 2, down = s->rflags & FL_DF;
	unsigned size = op & 1 ? (i->opsize16 ? 2 : 4) : 1, index = write ? R_ESI : R_EDI;
	uint32_t n = i->rep ? (uint32_t)s->gpr[R_ECX] : 1, base = (uint32_t)s->seg[write ? S_DS : S_ES].base, done = 0, some = 1;
	enum event_kind k = write ? EV_PORT_OUT : EV_PORT_IN;

	while (done < n && done < STRING_MAX && some) {
		some = string_some(v, base + (uint32_t)s->gpr[index], size, write, down ? 1 : n - done);
		s->gpr[index] = (uint32_t)(s->gpr[index] + (down ? 0u - some * size : some * size));
		done += some;
	}
	if (i->rep)
		s->gpr[R_ECX] = (uint32_t)(s->gpr[R_ECX] - done);
	v->stats.cell[k][MECH_TRAP].count += done;
	v->stats.string_elements += done ? done - 1 : 0;
	stat_count_at(&v->stats, EV_INTERPRET, MECH_TRAP, GVA(i->at));
	if (!some)
		return xen_bounce(v, e, VEC_GP, true, error);
	if (done == n)
		s->rip = i->at + i->len;
	return STEP_GO;
}

/* MOV to and from CR0, CR2, CR3, CR4. CR3 holds machine addresses on both sides, as mfn equals pfn. */
static enum step mov_cr(struct vcpu *v, struct exit *e, struct insn *i, bool write)
{
	struct cpu_state *s = &v->state;
	struct xen *x = xen_of(v);
	uint8_t m = i->b[i->len++];
	uint64_t *r = &s->gpr[m & 7];

	switch ((m >> 3 & 7) | (write ? 8 : 0)) {
	case 0: *r = (uint32_t)s->cr0; break;
	case 2: *r = x->info->arch.cr2; break;
	case 3: *r = x->root << PAGE_SHIFT; break;
	case 4: *r = (uint32_t)s->cr4; break;
	case 8: s->cr0 = (s->cr0 & ~(uint64_t)CR0_TS) | (*r & CR0_TS); break; /* Xen: only TS may change */
	case 10: x->info->arch.cr2 = (uint32_t)*r; break;
	case 11:
		return xen_new_base(v, (uint32_t)*r >> PAGE_SHIFT) ? xen_bounce(v, e, VEC_GP, true, 0) : done(v, i, EV_CR3_WRITE);
	case 12: break; /* CR4 is the hypervisor's */
	default: return xen_bounce(v, e, VEC_GP, true, 0);
	}
	return done(v, i, write ? EV_CR_WRITE : EV_CR_READ);
}

static enum step do_cpuid(struct vcpu *v, struct insn *i)
{
	uint64_t *g = v->state.gpr;
	struct cpuid_regs r = cpuid_model((uint32_t)g[R_EAX], (uint32_t)g[R_ECX], false);

	g[R_EAX] = r.eax;
	g[R_EBX] = r.ebx;
	g[R_ECX] = r.ecx;
	g[R_EDX] = r.edx;
	xen_console_spin(v);
	return done(v, i, EV_CPUID);
}

static enum step do_msr(struct vcpu *v, struct exit *e, struct insn *i, bool write)
{
	uint64_t *g = v->state.gpr, value = (uint32_t)g[R_EAX] | g[R_EDX] << 32;
	bool ok = write ? msr_write(v, (uint32_t)g[R_ECX], value) : msr_read(v, (uint32_t)g[R_ECX], &value);

	if (!ok)
		return xen_bounce(v, e, VEC_GP, true, 0);
	if (!write) {
		g[R_EAX] = (uint32_t)value;
		g[R_EDX] = value >> 32;
	}
	return done(v, i, write ? EV_MSR_WRITE : EV_MSR_READ);
}

static enum step two_byte(struct vcpu *v, struct exit *e, struct insn *i, uint32_t error)
{
	switch (i->b[i->len++]) {
	case 0x06:
		v->state.cr0 &= ~(uint64_t)CR0_TS;
		return done(v, i, EV_CR_WRITE);
	case 0x08:
	case 0x09:
		return done(v, i, EV_CACHE_CTL);
	case 0x20:
	case 0x22:
		return mov_cr(v, e, i, i->b[i->len - 1] == 0x22);
	case 0x30:
	case 0x32:
		return do_msr(v, e, i, i->b[i->len - 1] == 0x30);
	case 0xa2:
		return do_cpuid(v, i);
	}
	return xen_bounce(v, e, VEC_GP, true, error);
}

static enum step one_byte(struct vcpu *v, struct exit *e, struct insn *i, uint32_t error)
{
	uint8_t op = i->b[i->len++];
	struct vcpu_info_x86_32 *info = xen_of(v)->info;

	switch (op) {
	case 0xfa:
	case 0xfb:
		info->evtchn_upcall_mask = op == 0xfa;
		return done(v, i, EV_INT_FLAG);
	case 0xf4:
		info->evtchn_upcall_mask = 0;
		xen_of(v)->blocked = true;
		return done(v, i, EV_HLT);
	case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xec: case 0xed: case 0xee: case 0xef:
		return port_io(v, i, op);
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:
		return port_string(v, e, i, op, error);
	case 0x0f:
		return two_byte(v, e, i, error);
	}
	return xen_bounce(v, e, VEC_GP, true, error);
}

enum step xen_privileged(struct vcpu *v, struct exit *e, uint32_t error)
{
	struct insn i;
	enum step r;

	if (!insn_fetch(v, &i))
		return xen_bounce(v, e, VEC_GP, true, error);
	if (xen_selector_load(v, e, &i, error, &r))
		return r;
	if (CPL(&v->state) == 3) /* user mode may load selectors, and nothing else */
		return xen_bounce(v, e, VEC_GP, true, error);
	return one_byte(v, e, &i, error);
}

/* `ud2a; .ascii "xen"; cpuid`: the ABI's forced emulation of CPUID (xen/arch-x86/xen.h). All other #UD are the guest's. */
enum step xen_undefined(struct vcpu *v, struct exit *e)
{
	static const uint8_t prefix[7] = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 };
	struct insn i;

	if (!insn_fetch(v, &i) || memcmp(i.b, prefix, sizeof(prefix)))
		return xen_bounce(v, e, VEC_UD, false, 0);
	i.len = sizeof(prefix);
	return do_cpuid(v, &i);
}
