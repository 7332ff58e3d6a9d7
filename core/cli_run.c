/*
 * cli_run.c - `ringlab run`: one guest, one backend, in a jailed child.
 *
 * The child opens everything that it needs of the host's files; then the jail closes; then guest code runs. After that
 * only what is open can be written, and the process ends. The parent only waits, and restores the terminal.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli_run.h"
#include "core/console.h"
#include "core/gdb.h"
#include "core/jail.h"
#include "core/verify.h"

int run_open(struct run *r, struct guest_list *guests)
{
	guests_read(guests);
	if (!r->kernel && linux_guest_named(r->guest)) {
		if (linux_guest_resolve(r->guest, r->append, &r->files))
			return STATUS_USAGE;
		r->kernel = r->files.kernel;
		r->append = r->files.append;
		r->req.initrd = r->req.initrd ? r->req.initrd : r->files.initrd;
	}
	if (!r->kernel && grub_guest_named(r->guest)) {
		if (grub_guest_resolve(&r->own))
			return STATUS_USAGE;
	} else if (r->kernel)
		snprintf(r->own.path, sizeof(r->own.path), "%s", r->kernel);
	else if (guests_resolve(guests, r->guest, r->cfg.ops, r->cfg.interface, &r->own))
		return STATUS_USAGE;
	if (!r->cfg.disk_path && r->own.disk[0]) {
		r->cfg.disk_path = r->own.disk;
		r->cfg.disk_mode = DISK_SNAPSHOT;
	}
	r->req.path = r->own.path;
	r->req.bzimage = r->kernel != NULL;
	r->req.append = r->append ? r->append : r->own.append;
	if (r->stats_path) {
		r->stats = fopen(r->stats_path, "we");
		if (!r->stats) {
			say("cannot write %s: %s", r->stats_path, strerror(errno));
			return STATUS_USAGE;
		}
		setvbuf(r->stats, r->stats_buf, _IOFBF, sizeof(r->stats_buf)); /* no fstat in the jail */
	}
	return 0;
}

/*
 * Raw input for the guest. Ctrl-C still ends the run of a small guest: ISIG stays. A guest with a terminal driver of its
 * own gets every key as it is, and Ctrl-A X ends the run (console.c).
 */
static void tty_raw(struct run *r)
{
	struct termios t;

	if (r->cfg.console_in != STDIN_FILENO || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &r->tty))
		return;
	r->cfg.console_escape = true;
	t = r->tty;
	t.c_lflag &= ~(unsigned)(ICANON | ECHO);
	if (r->tty_guest) {
		t.c_lflag &= ~(unsigned)(ISIG | IEXTEN);
		t.c_iflag &= ~(unsigned)(IXON | ICRNL | INLCR | IGNCR | ISTRIP | BRKINT);
		say("Ctrl-A X quits, Ctrl-A H lists more");
	}
	r->tty_saved = !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static void *watch_signals(void *arg)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	for (;;)
		if (!sigwait(&set, &sig))
			vm_interrupt(arg);
	return NULL;
}

/*
 * SIGINT and its kin are blocked and go to a thread of their own: the vCPU's thread may be running guest code with a poisoned FS base,
 * where no ordinary handler can live.
 */
int run_watch(struct run *r, struct vm *vm)
{
	pthread_attr_t a;
	sigset_t all, old;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 64 << 10);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old); /* the watcher inherits: timers and faults are not its business */
	int e = pthread_create(&r->watcher, &a, watch_signals, vm);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&a);
	r->watched = !e;
	return -e;
}

/* Before the VM that it may interrupt is given back. Not in the jail, which has no call for it and ends the process instead. */
void run_unwatch(struct run *r)
{
	if (!r->watched)
		return;
	pthread_cancel(r->watcher);
	pthread_join(r->watcher, NULL);
	r->watched = false;
}

/* Waits for the debugger, while files and sockets can still be opened. 0 or a status. */
static int run_gdb(struct run *r, struct vm *vm)
{
	char why[300];
	int fd = gdb_accept(r->gdb, &vm->interrupted, why, sizeof(why));

	if (fd < 0) {
		say("%s", why);
		return fd == -EINTR ? STATUS_INTERRUPTED : STATUS_USAGE;
	}
	return gdb_attach(vm, fd) ? STATUS_HOST : 0;
}

void run_disk(struct run *r, const struct vm *vm)
{
	if (vm->disk)
		r->disk_fd[r->disks++] = vm->disk->fd;
}

int run_jail(struct run *r)
{
	int e;

#ifdef __SANITIZE_ADDRESS__
	r->no_jail = true; /* the sanitizer's own system calls at exit would be refused */
#endif
	e = r->no_jail ? jail_enter_i386_only() : jail_enter(r->cfg.ops, r->disk_fd, r->disks);
	if (e)
		say("cannot lock the process by seccomp: %s; --no-jail runs without it", strerror(-e));
	return e;
}

static void run_report(struct run *r, struct vm *vm, int status)
{
	if (vm->end != END_EXIT)
		say("%s: %s", cli_end_name(vm->end), vm->why);
	else if (vm->status != status)
		say("the guest's status %d does not fit: %d is given instead", vm->status, status);
	if (!r->stats)
		return;
	json_t *j = stats_json(vm, r->engine, status, r->guest);
	see_json(&r->see, vm, j);
	json_dumpf(j, r->stats, JSON_INDENT(1));
	fputc('\n', r->stats);
	fclose(r->stats);
	json_decref(j);
}

/* Everything between a created VM and its end. */
static int run_vm(struct run *r, struct vm *vm)
{
	struct verify *verify = NULL;
	int e, status;

	if ((e = vm_load(vm, &r->req))) {
		say("%s", vm->why[0] ? vm->why : strerror(-e));
		return STATUS_USAGE;
	}
	if ((status = see_begin(&r->see, vm)))
		return status;
	json_object_seed(1); /* unseeded, jansson would open /dev/urandom in the jail */
	if ((r->verify_vmm && (e = verify_begin(&verify))) || (e = run_watch(r, vm)))
		return STATUS_HOST;
	if (r->gdb && (status = run_gdb(r, vm)))
		return status;
	run_disk(r, vm);
	if ((e = run_jail(r)))
		return STATUS_HOST;
	vm_run(vm);
	if (verify && !verify_end(verify)) {
		say("the guest changed the VMM's memory: this is a bug of ringlab, and the result below is worth nothing");
		return STATUS_HOST;
	}
	see_end(&r->see, vm);
	r->ended.end = vm->end;
	r->ended.guest_status = vm->status;
	status = cli_status(vm);
	run_report(r, vm, status);
	see_close(&r->see);
	return status;
}

/* The child: opens, loads, locks itself, runs. */
static int run_child(struct run *r)
{
	struct guest_list guests = { 0 };
	struct vm *vm;
	int status, e;

	if ((status = run_open(r, &guests))) {
		guests_free(&guests);
		return status;
	}
	if ((e = vm_create(&vm, &r->cfg))) {
		say("cannot create a VM on backend %s: %s", r->cfg.ops->name, strerror(-e));
		status = STATUS_HOST;
	} else {
		status = run_vm(r, vm);
		/* In the jail the end of the process gives everything back; these two without an end come before it. */
		if (r->no_jail || (vm->end == END_NONE && (status == STATUS_USAGE || status == STATUS_INTERRUPTED))) {
			run_unwatch(r);
			vm_destroy(vm);
		}
	}
	guests_free(&guests);
	return status;
}

/* The child did not end by itself, or not honestly: says so, and leaves a --stats file that says so too. */
static int run_failed(struct run *r, int status, const char *why)
{
	say("%s", why);
	FILE *f = r->stats_path ? fopen(r->stats_path, "we") : NULL;
	if (f) {
		json_t *j = json_pack("{s:s,s:s,s:s?,s:s,s:s,s:b,s:s,s:s,s:i,s:[],s:[]}", "guest", r->guest, "backend", r->cfg.ops->name,
			"interface", r->cfg.interface, "engine", r->engine, "origin", "measured", "available", 1, "why", why,
			"end", status == STATUS_JAIL ? "jail" : "host-failure", "status", status, "cells", "events");
		json_dumpf(j, f, JSON_INDENT(1));
		json_decref(j);
		fclose(f);
	}
	return status;
}

static int run_killed(struct run *r, int sig)
{
	char why[200];

	if (sig == SIGSYS)
		return run_failed(r, STATUS_JAIL,
			"killed by the jail: guest code made the process attempt a system call that it may not make");
	snprintf(why, sizeof(why), "the process that ran the guest died of signal %d (%s)", sig, strsignal(sig));
	return run_failed(r, STATUS_HOST, why);
}

static int run_exited(struct run *r, int status, bool one_guest)
{
	const char *wrong = end_check(&r->end, status, one_guest);
	char why[300];

	if (!wrong)
		return status;
	snprintf(why, sizeof(why), "the process that ran the guest exited with status %d, but %s: guest code may have made it exit, and "
		"nothing of this run is to be trusted", status, wrong);
	return run_failed(r, STATUS_HOST, why);
}

/* The parent outlives whatever happens to the guest: it restores the terminal and says how the child ended. */
static int run_supervise(struct run *r, pid_t child, const sigset_t *set, bool one_guest)
{
	struct timespec patience = { .tv_sec = 3600 };
	int sig, wait_status;

	for (;;) {
		sig = sigtimedwait(set, NULL, &patience);
		if (sig < 0) { /* interrupted; or patience is over: then it does not react, and the terminal must be restored */
			if (errno == EAGAIN && patience.tv_sec < 3600)
				kill(child, SIGKILL);
			continue;
		}
		if (sig != SIGCHLD) {
			kill(child, sig == SIGQUIT ? SIGTERM : sig);
			patience.tv_sec = 3;
		} else if (waitpid(child, &wait_status, WNOHANG) == child)
			break;
	}
	if (r->tty_saved)
		tcsetattr(STDIN_FILENO, TCSANOW, &r->tty);
	return WIFEXITED(wait_status) ? run_exited(r, WEXITSTATUS(wait_status), one_guest) : run_killed(r, WTERMSIG(wait_status));
}

int run_supervised(struct run *r, int (*child_main)(struct run *r))
{
	sigset_t set;
	int e;

	if ((e = end_open(&r->end))) {
		say("cannot make a pipe: %s", strerror(-e));
		return STATUS_HOST;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* a closed reader must not stop the guest */
	tty_raw(r);
	pid_t parent = getpid(), child = fork();
	if (child < 0) {
		say("cannot fork: %s", strerror(errno));
		return STATUS_HOST;
	}
	if (child) {
		close(r->end.fd[1]);
		return run_supervise(r, child, &set, child_main == run_child);
	}
	close(r->end.fd[0]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r->ended.status = getppid() == parent ? child_main(r) : STATUS_HOST;
	end_write(&r->end, &r->ended);
	return r->ended.status;
}

int cmd_run(int argc, char **argv)
{
	struct run r = { 0 };
	int status = run_parse(&r, argc, argv);

	return status ? status : run_supervised(&r, run_child);
}
