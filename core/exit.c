/*
 * exit.c - the one switch over exits: what core does with each before the guest goes on.
 *
 * Events are counted by the backends, which know the mechanism and the cost; here is only what they mean for the
 * machine. `bt`, `pv` and the interpreter call the bus from their callouts and seldom come here with I/O.
 */
#include "core/exit.h"
#include <stdarg.h>
#include <string.h>
#include "core/vm.h"

void exit_crash(struct exit *e, gva_t eip, const char *fmt, ...)
{
	va_list ap;

	e->reason = EXIT_CRASH;
	e->crash.eip = eip;
	va_start(ap, fmt);
	vsnprintf(e->crash.why, sizeof(e->crash.why), fmt, ap);
	va_end(ap);
}

static void do_port(struct vm *vm, struct exit *e)
{
	uint8_t *p = e->port.data;

	for (uint32_t i = 0, n; i < e->port.count && vm->end == END_NONE; i += n, p += n * e->port.size) {
		uint32_t v = 0;

		n = e->port.count > 1 ? bus_port_string(&vm->bus, e->port.port, e->port.size, e->port.write, p, e->port.count - i) : 0;
		if (n)
			continue;
		n = 1;
		if (e->port.write) {
			memcpy(&v, p, e->port.size);
			bus_port_out(&vm->bus, e->port.port, e->port.size, v);
		} else {
			v = bus_port_in(&vm->bus, e->port.port, e->port.size);
			memcpy(p, &v, e->port.size);
		}
	}
}

static void do_mmio(struct vm *vm, struct exit *e)
{
	uint64_t v = 0;

	if (e->mmio.write) {
		memcpy(&v, e->mmio.data, e->mmio.size);
		bus_mmio_write(&vm->bus, e->mmio.gpa, e->mmio.size, v);
	} else {
		v = bus_mmio_read(&vm->bus, e->mmio.gpa, e->mmio.size);
		memcpy(e->mmio.data, &v, e->mmio.size);
	}
}

static void do_shutdown(struct vcpu *v)
{
	struct cpu_state *s = &v->state;

	v->vm->ops->pull(v, REGS_GPR | REGS_SYS);
	vm_stop(v->vm, END_CRASH, 0, "triple fault at %#x:%#llx (cr0 %#llx, cr2 %#llx, cr3 %#llx, idt limit %#x)",
		s->seg[S_CS].sel, (unsigned long long)s->rip, (unsigned long long)s->cr0, (unsigned long long)s->cr2,
		(unsigned long long)s->cr3, s->idtr.limit);
}

int exit_handle(struct vcpu *v, struct exit *e)
{
	switch (e->reason) {
	case EXIT_PORT:
		do_port(v->vm, e);
		break;
	case EXIT_MMIO:
		do_mmio(v->vm, e);
		break;
	case EXIT_SHUTDOWN:
		do_shutdown(v);
		break;
	case EXIT_CRASH:
		vm_stop(v->vm, END_CRASH, 0, "at eip %#llx: %s", (unsigned long long)e->crash.eip.a, e->crash.why);
		break;
	case EXIT_KICK:
	case EXIT_IRQ_WINDOW:
	case EXIT_HLT:
	case EXIT_STOPPED:
	case EXIT_DEBUG:
		break;
	}
	return v->vm->end != END_NONE;
}
