/*
 * vm.c - a virtual machine's life: create, load, run, end.
 *
 * vm_run is the run loop that all backends share: fire timers, inject what is pending, let the backend run until one
 * exit, act on it (exit.c). Read next: exit.c, then a backend's *_run.
 */
#include "core/vm.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "core/console.h"
#include "core/dev.h"
#include "core/gdb.h"
#include "core/irq.h"
#include "core/phase.h"
#include "core/timeline.h"

void say(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "ringlab: %s\n", line);
}

/* SIG_KICK on the vCPU's thread; the vCPU travels in the signal's value, so no global is needed. */
static void kick_handler(int sig, siginfo_t *info, void *ucontext)
{
	struct vcpu *v = info->si_value.sival_ptr;
	int saved = errno;

	if (v) {
		v->attention = 1;
		v->vm->ops->kick(v, ucontext);
	}
	errno = saved;
}

static int kick_install(struct vm *vm)
{
	struct sigaction sa = { .sa_sigaction = kick_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	sigemptyset(&sa.sa_mask);
	return sigaction(SIG_KICK, &sa, &vm->old_kick) ? -errno : 0;
}

static void timeout_fire(void *ctx)
{
	struct vm *vm = ctx;

	vm_stop(vm, END_TIMEOUT, 0, "the guest ran longer than its time-out of %.3g s; give it more with --timeout",
		(double)vm->cfg.timeout_ns / 1e9);
}

int vm_create(struct vm **out, const struct vm_config *cfg)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm)
		return -ENOMEM;
	vm->cfg = *cfg;
	vm->ops = cfg->ops;
	vm->vcpu.vm = vm;
	vm->vcpu.stats.count_inline = cfg->count_inline;
	vm->timeout = (struct clock_timer){ .fire = timeout_fire, .ctx = vm };
	interp_init(&vm->vcpu.interp, MECH_CALLOUT);
	cpu_reset(&vm->vcpu.state);
	if ((r = mem_init(&vm->mem, cfg->mem_size)))
		goto no_mem;
	if ((r = clock_init(&vm->clock)))
		goto no_clock;
	if (cfg->count_insns) {
		vm->vcpu.insns.on = true;
		vm->clock.insns = &vm->vcpu.insns;
	}
	if (cfg->shmem && (r = mem_share(&vm->mem, cfg->shmem)))
		goto no_disk;
	if (cfg->disk_path && (r = disk_open(&vm->disk, cfg->disk_path, cfg->disk_mode)))
		goto no_disk;
	if ((r = console_create(vm)))
		goto no_console;
	if ((r = dev_create(vm)))
		goto no_dev;
	if ((r = kick_install(vm)))
		goto no_kick;
	if ((r = vm->ops->vm_init(vm)))
		goto no_vm;
	if ((r = vm->ops->vcpu_init(&vm->vcpu)))
		goto no_vcpu;
	*out = vm;
	return 0;
no_vcpu:
	vm->ops->vm_fini(vm);
no_vm:
	sigaction(SIG_KICK, &vm->old_kick, NULL);
no_kick:
	dev_destroy(vm);
no_dev:
	console_destroy(vm);
no_console:
	disk_close(vm->disk);
no_disk:
	clock_fini(&vm->clock);
no_clock:
	mem_fini(&vm->mem);
no_mem:
	interp_fini(&vm->vcpu.interp);
	free(vm);
	return r;
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	clock_fini(&vm->clock); /* no more kicks */
	vm->ops->vcpu_fini(&vm->vcpu);
	vm->ops->vm_fini(vm);
	sigaction(SIG_KICK, &vm->old_kick, NULL);
	dev_destroy(vm);
	console_destroy(vm);
	disk_close(vm->disk);
	phases_free(vm->phases);
	timeline_free(vm->timeline);
	mem_fini(&vm->mem);
	gdb_destroy(vm);
	loader_free(&vm->image);
	stats_fini(&vm->vcpu.stats);
	interp_fini(&vm->vcpu.interp);
	free(vm);
}

/* A backend builds Xen domains when "xen" is among its interfaces, and the user did not choose another. */
static bool builds_xen(const struct vm *vm)
{
	if (!vm->ops->interfaces || (vm->cfg.interface && strcmp(vm->cfg.interface, "xen")))
		return false;
	for (const char *const *i = vm->ops->interfaces; *i; i++)
		if (!strcmp(*i, "xen"))
			return true;
	return false;
}

int vm_load(struct vm *vm, const struct load_request *req)
{
	struct load_request r = *req;

	r.xen_ok = builds_xen(vm);
	vm->append = req->append;
	int err = loader_load(&r, &vm->mem, &vm->image, &vm->vcpu.state, vm->why, sizeof(vm->why));

	vm->bus.probing = vm->image.kind == IMAGE_LINUX;
	return err;
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
	vm->vcpu.attention = 1;
}

void vm_interrupt(struct vm *vm)
{
	vm->interrupted = 1;
	vm->vcpu.attention = 1;
	if (vm->running)
		pthread_sigqueue(vm->thread, SIG_KICK, (union sigval){ .sival_ptr = &vm->vcpu });
}

void vm_mem_written(struct vm *vm, gpa_t gpa, uint64_t len)
{
	if (vm->ops->mem_written)
		vm->ops->mem_written(vm, gpa, len);
}

/* Timers, console input, and the user's wish to stop: all that can happen outside the guest. */
static void vm_poll(struct vm *vm)
{
	vm->vcpu.attention = 0;
	clock_run(&vm->clock);
	uart_poll_input(vm);
	if (vm->interrupted)
		vm_stop(vm, END_INTERRUPTED, 0, "interrupted");
}

/* Injects a pending interrupt if the guest takes it now, or asks to be told when it will. */
static int vm_inject(struct vm *vm)
{
	struct vcpu *v = &vm->vcpu;

	v->irq_window = 0;
	if (!irq_pending(vm) || (gdb_stepping(vm) && !v->state.halted))
		return 0;
	if (!vm->ops->ready(v)) {
		v->irq_window = 1;
		return 0;
	}
	return vm->ops->inject(v, (uint8_t)irq_ack(vm));
}

/* Sleeps until an interrupt is pending, or says that none can come. The guest has executed HLT. */
static void vm_halt(struct vm *vm)
{
	struct vcpu *v = &vm->vcpu;

	console_flush(vm);
	if (!vm->ops->ready(v)) {
		vm->ops->pull(v, REGS_GPR | REGS_SYS);
		vm_stop(vm, END_CRASH, 0, "the guest halted with interrupts off at eip %#llx: nothing can wake it",
			(unsigned long long)(v->state.seg[S_CS].base + v->state.rip));
		return;
	}
	for (;;) {
		vm_poll(vm);
		if (vm->end != END_NONE || irq_pending(vm) || gdb_wants(vm))
			return;
		uint64_t next = clock_next(&vm->clock), now = clock_now(&vm->clock);
		/* Input that the UART would not take must not keep this loop awake; Xen's console is asked by hypercall. */
		bool input = vm->image.kind == IMAGE_XEN ? console_input_open(vm) : uart_input_wakes(vm);
		if (next == CLOCK_NEVER && !input) {
			vm_stop(vm, END_CRASH, 0, "the guest halted, and no timer and no input can wake it");
			return;
		}
		struct pollfd p = { .fd = input ? vm->cfg.console_in : -1, .events = POLLIN };
		uint64_t wait = next == CLOCK_NEVER ? 3600000000000ull : next > now ? next - now : 0;
		struct timespec ts = { (time_t)(wait / 1000000000ull), (long)(wait % 1000000000ull) };
		ppoll(&p, 1, &ts, NULL);
	}
}

/* The debugger's turn. True when the guest is to run: a halted one stays halted, and a step of it waits for what wakes it. */
static bool vm_debugged(struct vm *vm)
{
	gdb_turn(vm);
	if (vm->end == END_NONE && vm->vcpu.state.halted) {
		vm_halt(vm);
		return vm->end == END_NONE && irq_pending(vm) && !gdb_wants(vm);
	}
	return true;
}

static int vm_loop(struct vm *vm)
{
	struct vcpu *v = &vm->vcpu;
	int r;

	for (;;) {
		struct exit e = { 0 };

		vm_poll(vm);
		if (vm->end == END_NONE && vm->gdb && !vm_debugged(vm))
			continue;
		if (vm->end != END_NONE)
			return 0;
		if ((r = vm_inject(vm)) || (r = vm->ops->run(v, &e)))
			return r;
		if (e.reason == EXIT_DEBUG || (e.reason == EXIT_HLT && gdb_stepping(vm)))
			gdb_stopped(vm, &e);
		else if (e.reason == EXIT_HLT)
			vm_halt(vm);
		else
			exit_handle(v, &e);
		if (vm->end != END_NONE)
			return 0;
	}
}

int vm_run(struct vm *vm)
{
	int r;

	vm->thread = pthread_self();
	vm->running = 1;
	if ((r = clock_bind_thread(&vm->clock, &vm->vcpu)))
		return r;
	if (vm->cfg.timeout_ns)
		clock_arm(&vm->clock, &vm->timeout, clock_now(&vm->clock) + vm->cfg.timeout_ns);
	if (vm->cfg.console_escape && vm->image.kind == IMAGE_LINUX)
		console_watch(vm);
	uint64_t t0 = __rdtsc(), ns = clock_now(&vm->clock);
	timeline_start(vm->timeline);
	r = vm->ops->start(&vm->vcpu);
	if (!r && vm->end == END_NONE)
		r = vm_loop(vm);
	vm->running = 0;
	timeline_stop(vm->timeline);
	vm->run_cycles = __rdtsc() - t0;
	vm->run_ns = clock_now(&vm->clock) - ns;
	if (r)
		vm_stop(vm, END_HOST, -r, "the host failed backend %s: %s", vm->ops->name, strerror(-r));
	uart_flush(vm);
	console_flush(vm);
	vm->ops->pull(&vm->vcpu, REGS_ALL);
	gdb_ended(vm);
	if (vm->ops->collect)
		vm->ops->collect(&vm->vcpu);
	return r;
}
