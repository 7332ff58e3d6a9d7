/* rig.c - see rig.h. */
#include "rig.h"
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "core/console.h"
#include "core/irq.h"

void rig_disk_make(struct disk *d, unsigned sectors, unsigned step)
{
	uint8_t sector[SECTOR_SIZE];

	*d = (struct disk){ .fd = memfd_create("disk", 0), .sectors = sectors };
	for (unsigned i = 0; i < sectors; i++) {
		memset(sector, (int)(i * step), sizeof(sector));
		memcpy(sector, &i, 4);
		cr_assert_eq(write(d->fd, sector, sizeof(sector)), sizeof(sector));
	}
}

static struct rig *rig_of_clock(const struct clock *c)
{
	return container_of(c, struct rig, vm.clock);
}

static struct rig *rig_of(const struct vm *vm)
{
	return container_of(vm, struct rig, vm);
}

uint64_t clock_now(const struct clock *c)
{
	return rig_of_clock(c)->now;
}

void clock_arm(struct clock *c, struct clock_timer *t, uint64_t deadline)
{
	if (!t->registered) {
		t->next = c->timers;
		c->timers = t;
		t->registered = true;
	}
	t->deadline = deadline;
}

uint64_t clock_next(const struct clock *c)
{
	uint64_t next = CLOCK_NEVER;

	for (struct clock_timer *t = c->timers; t; t = t->next)
		next = t->deadline < next ? t->deadline : next;
	return next;
}

void clock_run(struct clock *c)
{
	for (struct clock_timer *t = c->timers; t; t = t->next)
		if (t->deadline <= clock_now(c)) {
			t->deadline = CLOCK_NEVER;
			t->fire(t->ctx);
		}
}

void console_write(struct vm *vm, const void *buf, size_t n)
{
	struct rig *r = rig_of(vm);

	if (r->deaf)
		return;
	cr_assert_leq(r->out_n + n, sizeof(r->out));
	memcpy(r->out + r->out_n, buf, n);
	r->out_n += n;
}

void console_flush(struct vm *vm)
{
}

void console_poll(struct vm *vm) { }

void console_watch(struct vm *vm) { }

bool console_input_waits(const struct vm *vm)
{
	const struct rig *r = rig_of(vm);

	return r->ahead && r->in && *r->in;
}

size_t console_read(struct vm *vm, void *buf, size_t n)
{
	struct rig *r = rig_of(vm);
	size_t have = r->in ? strlen(r->in) : 0;

	r->in_polls++;
	n = n < have ? n : have;
	memcpy(buf, r->in, n);
	r->in += n;
	return n;
}

bool console_input_open(const struct vm *vm)
{
	return rig_of(vm)->in != NULL;
}

void vm_stop(struct vm *vm, enum vm_end end, int status, const char *fmt, ...)
{
	va_list ap;

	if (vm->end != END_NONE)
		return;
	vm->end = end;
	vm->status = status;
	va_start(ap, fmt);
	vsnprintf(vm->why, sizeof(vm->why), fmt, ap);
	va_end(ap);
}

void say(const char *fmt, ...)
{
}

void vm_mem_written(struct vm *vm, gpa_t gpa, uint64_t len)
{
	struct rig *r = rig_of(vm);

	cr_assert(mem_contains(&vm->mem, gpa, len));
	r->written += len;
}

struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->vm.vcpu.vm = &r->vm;
	r->vm.mem.size = RIG_RAM;
	r->vm.mem.host = mmap(NULL, RIG_RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert(r->vm.mem.host != MAP_FAILED);
	r->now = 1000000;
	cr_assert_eq(dev_create(&r->vm), 0);
	return r;
}

void rig_free(struct rig *r)
{
	dev_destroy(&r->vm);
	munmap(r->vm.mem.host, RIG_RAM);
	free(r);
}

void rig_until(struct rig *r, uint64_t ns)
{
	uint64_t next;

	while ((next = clock_next(&r->vm.clock)) <= ns) {
		r->now = next > r->now ? next : r->now;
		clock_run(&r->vm.clock);
	}
	r->now = ns;
}

uint8_t rig_in(struct rig *r, uint16_t port)
{
	return bus_port_in(&r->vm.bus, port, 1);
}

void rig_out(struct rig *r, uint16_t port, uint8_t v)
{
	bus_port_out(&r->vm.bus, port, 1, v);
}

void rig_pic_init(struct rig *r)
{
	static const uint8_t word[2][4] = { { 0x11, 0x20, 0x04, 0x01 }, { 0x11, 0x28, 0x02, 0x01 } };

	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < 4; k++)
			rig_out(r, (i ? 0xa0 : 0x20) + (k > 0), word[i][k]);
}

void rig_line(struct rig *r, unsigned line, bool level)
{
	irq_set(&r->vm, line, level);
}

int rig_ack(struct rig *r)
{
	return irq_pending(&r->vm) ? irq_ack(&r->vm) : -1;
}

int rig_ack_anyway(struct rig *r)
{
	return irq_ack(&r->vm);
}
