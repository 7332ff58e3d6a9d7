/*
 * cli_run.c - `ringlab run`: one guest, one backend, in a jailed child.
 *
 * The child opens everything that it needs of the host's files; then the jail closes; then guest code runs. After that
 * only what is open can be written, and the process ends. The parent only waits, and restores the terminal.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli_run.h"
#include "core/console.h"
#include "core/gdb.h"
#include "core/jail.h"
#include "core/verify.h"

enum { OPT_BACKEND = 256, OPT_INTERFACE, OPT_MEM, OPT_APPEND, OPT_MODULE, OPT_KERNEL, OPT_INITRD, OPT_TIMEOUT, OPT_STATS, OPT_INLINE,
	OPT_NO_JAIL, OPT_ISOLATION, OPT_CODE_CACHE, OPT_NO_CHAIN, OPT_NO_ADAPT, OPT_NO_RETPRED, OPT_NO_TRACES, OPT_ONE_INSN,
	OPT_IRQCHIP, OPT_VERIFY, OPT_HELP,
	OPT_TRACE, OPT_TRACE_SIZE, OPT_SYMBOLS, OPT_SYMBOLS_OUT, OPT_TOP, OPT_LISTING, OPT_LISTING_OUT, OPT_PHASE, OPT_GDB };

#define MEM_DEFAULT (64u << 20)
#define MEM_LINUX (256u << 20)

static const struct option run_options[] = {
	{ "backend", 1, 0, OPT_BACKEND }, { "interface", 1, 0, OPT_INTERFACE }, { "mem", 1, 0, OPT_MEM },
	{ "append", 1, 0, OPT_APPEND }, { "module", 1, 0, OPT_MODULE }, { "kernel", 1, 0, OPT_KERNEL },
	{ "initrd", 1, 0, OPT_INITRD }, { "timeout", 1, 0, OPT_TIMEOUT },
	{ "stats", 1, 0, OPT_STATS }, { "trace", 1, 0, OPT_TRACE },
	{ "trace-size", 1, 0, OPT_TRACE_SIZE }, { "symbols", 1, 0, OPT_SYMBOLS }, { "symbols-out", 1, 0, OPT_SYMBOLS_OUT },
	{ "top", 1, 0, OPT_TOP }, { "phase", 1, 0, OPT_PHASE }, { "listing", 1, 0, OPT_LISTING }, { "listing-out", 1, 0, OPT_LISTING_OUT },
	{ "count-inline", 0, 0, OPT_INLINE },
	{ "no-jail", 0, 0, OPT_NO_JAIL }, { "user-isolation", 1, 0, OPT_ISOLATION }, { "code-cache", 1, 0, OPT_CODE_CACHE },
	{ "no-chain", 0, 0, OPT_NO_CHAIN }, { "no-adapt", 0, 0, OPT_NO_ADAPT }, { "no-retpred", 0, 0, OPT_NO_RETPRED },
	{ "no-traces", 0, 0, OPT_NO_TRACES }, { "one-insn-blocks", 0, 0, OPT_ONE_INSN }, { "kvm-irqchip", 0, 0, OPT_IRQCHIP },
	{ "verify-vmm", 0, 0, OPT_VERIFY }, { "gdb", 1, 0, OPT_GDB }, { "help", 0, 0, OPT_HELP }, { 0 }
};

static const char run_help[] =
	"usage: ringlab run [OPTION…] GUEST\n"
	"       ringlab run [OPTION…] --kernel VMLINUZ [--initrd FILE]\n\n"
	"Runs GUEST, a name of `ringlab list` or an ELF file, or a Linux kernel. Its console is standard output; the exit status is the value it\n"
	"writes to the debug-exit port (0xf4), or 220 guest crash, 221 time-out, 222 host failure, 223 bad usage, 224 killed by\n"
	"the jail, 225 interrupted.\n\n"
	"  --backend B          vtx, bt, pv, interp (default: vtx on real VT-x or SVM, else bt)\n"
	"  --interface I        pv: xen, trap (default: xen where the image carries Xen notes)\n"
	"  --mem M              guest memory, as 64M (default 64M; for Linux 256M)\n"
	"  --append S           the guest's command line; for linux-i386 and linux-i386-pae, words to add (default: quiet)\n"
	"  --module FILE[,ARGS] a Multiboot module; may be repeated\n"
	"  --kernel FILE        a Linux kernel, as Debian's vmlinuz; with it no GUEST is named\n"
	"  --initrd FILE        its initial RAM disk\n"
	"                       On a terminal Linux gets every key; Ctrl-A X quits, Ctrl-A H lists more\n"
	"  --timeout S          end the guest after S seconds (default: none)\n"
	"  --stats FILE         write every counter as JSON (docs/exits.md)\n"
	"  --trace FILE         write events for Perfetto; the last ones, if there are more than fit\n"
	"  --trace-size SIZE    how large that file may get (default 256M)\n"
	"  --top N              print the N dearest guest symbols: what they made the VMM do, how often, at what cost\n"
	"  --symbols FILE       names for that: System.map, any ELF file, or the word guest: a Linux kernel's own table, read from\n"
	"                       its memory; may be repeated. Without it an ELF guest's own\n"
	"  --symbols-out FILE   write the names as a System.map\n"
	"  --phase TEXT         note all counters at each console line that begins so; may be repeated\n"
	"  --listing A|SYMBOL   bt: print guest code beside its translation; A as 0xc0101234; may be repeated\n"
	"  --listing-out FILE   where to (default: standard error)\n"
	"  --count-inline       also count what never leaves translated code\n"
	"  --no-jail            do not lock the process by seccomp: a guest that breaks out could then use files and network\n"
	"  --user-isolation K   pv: keys, unmap, limits (default: the best this host has)\n"
	"  --code-cache SIZE    bt: bytes of translated code kept\n"
	"  --no-chain --no-adapt --no-retpred --no-traces --one-insn-blocks    bt: switch a mechanism off\n"
	"  --kvm-irqchip        vtx: KVM's in-kernel interrupt controllers instead of ours\n"
	"  --verify-vmm         check by hash that the guest changed no byte of the VMM's code, constants and canaries\n"
	"  --gdb :PORT|PATH     wait for gdb at a port of 127.0.0.1 or a Unix socket before the first instruction (docs/gdb.md)\n";

static int add_module(struct run *r, char *spec)
{
	if (r->req.modules == LOAD_MODULES)
		return cli_usage("run", "more than %d modules", LOAD_MODULES);
	char *comma = strchr(spec, ',');
	if (comma)
		*comma++ = 0;
	r->req.module[r->req.modules++] = (struct load_module){ spec, comma ? comma : "" };
	return 0;
}

static int option_size(const char *name, const char *text, uint64_t *out)
{
	return cli_parse_size(text, out) ? 0 : cli_usage("run", "--%s %s: give a size such as 64M", name, text);
}

/* One option; 0 or a status to exit with. */
static int run_option(struct run *r, int c)
{
	switch (c) {
	case OPT_BACKEND: r->backend = optarg; break;
	case OPT_INTERFACE: r->cfg.interface = optarg; break;
	case OPT_MEM: return option_size("mem", optarg, &r->cfg.mem_size);
	case OPT_APPEND: r->append = optarg; break;
	case OPT_MODULE: return add_module(r, optarg);
	case OPT_KERNEL: r->kernel = optarg; break;
	case OPT_INITRD: r->req.initrd = optarg; break;
	case OPT_TIMEOUT:
		return cli_parse_seconds(optarg, &r->cfg.timeout_ns) ? 0 : cli_usage("run", "--timeout %s: give seconds", optarg);
	case OPT_STATS: r->stats_path = optarg; break;
	case OPT_TRACE: r->see.trace_path = optarg; break;
	case OPT_TRACE_SIZE: return option_size("trace-size", optarg, &r->see.trace_size);
	case OPT_SYMBOLS: return see_symbols(&r->see, optarg);
	case OPT_SYMBOLS_OUT: r->see.symbols_path = optarg; break;
	case OPT_TOP: return see_top(&r->see, optarg);
	case OPT_PHASE: return see_phase(&r->see, optarg);
	case OPT_LISTING: return see_listing(&r->see, optarg);
	case OPT_LISTING_OUT: r->see.listing_path = optarg; break;
	case OPT_INLINE: r->cfg.count_inline = true; break;
	case OPT_NO_JAIL: r->no_jail = true; break;
	case OPT_ISOLATION: r->cfg.user_isolation = optarg; break;
	case OPT_CODE_CACHE: return option_size("code-cache", optarg, &r->cfg.bt.code_cache);
	case OPT_NO_CHAIN: r->cfg.bt.no_chain = true; break;
	case OPT_NO_RETPRED: r->cfg.bt.no_retpred = true; break;
	case OPT_NO_ADAPT: r->cfg.bt.no_adapt = true; break;
	case OPT_NO_TRACES: r->cfg.bt.no_traces = true; break;
	case OPT_ONE_INSN: r->cfg.bt.one_insn_blocks = true; break;
	case OPT_VERIFY: r->verify_vmm = true; break;
	case OPT_GDB: r->gdb = optarg; break;
	case OPT_IRQCHIP: r->cfg.user_kvm_irqchip = true; break;
	default: return STATUS_USAGE;
	}
	return 0;
}

static bool known_interface(const struct backend_ops *ops, const char *name)
{
	for (const char *const *i = ops->interfaces; i && *i; i++)
		if (!strcmp(*i, name))
			return true;
	return false;
}

/* Picks the backend and asks whether it can run here. */
static int run_backend(struct run *r)
{
	const char *why;

	if (!r->backend) {
		const struct backend_ops *vtx = cli_backend("vtx");
		bool hw = vtx && !vtx->probe(r->engine, sizeof(r->engine)) &&
			(!strcmp(r->engine, "kvm_intel") || !strcmp(r->engine, "kvm_amd"));
		r->backend = hw ? "vtx" : cli_backend("bt") ? "bt" : "interp";
	}
	r->cfg.ops = cli_backend(r->backend);
	if (!r->cfg.ops)
		return cli_usage("run", "there is no backend '%s'", r->backend);
	if (r->cfg.interface && !known_interface(r->cfg.ops, r->cfg.interface))
		return cli_usage("run", "backend %s has no interface '%s'", r->backend, r->cfg.interface);
	why = r->cfg.ops->probe(r->engine, sizeof(r->engine));
	if (why) {
		say("backend %s cannot run here: %s", r->backend, why);
		return STATUS_HOST;
	}
	return 0;
}

int run_parse(struct run *r, int argc, char **argv)
{
	bool mem_given = false;
	int c, status;

	r->cfg.console_in = STDIN_FILENO;
	r->cfg.console_out = STDOUT_FILENO;
	while ((c = getopt_long(argc, argv, "", run_options, NULL)) >= 0) {
		if (c == OPT_HELP) {
			fputs(run_help, stdout);
			exit(0);
		}
		if ((status = run_option(r, c)))
			return status;
		mem_given |= c == OPT_MEM;
	}
	if (r->kernel && argc > optind)
		return cli_usage("run", "--kernel names the guest already: leave out '%s'", argv[optind]);
	if (!r->kernel && argc - optind != 1)
		return cli_usage("run", argc == optind ? "name a guest" : "one guest only");
	r->guest = r->kernel ? r->kernel : argv[optind];
	r->tty_guest = r->kernel || linux_guest_named(r->guest);
	if (!mem_given)
		r->cfg.mem_size = r->tty_guest ? MEM_LINUX : MEM_DEFAULT;
	if (!r->cfg.mem_size || r->cfg.mem_size % PAGE_SIZE || r->cfg.mem_size > MEM_MAX)
		return cli_usage("run", "--mem must be a multiple of 4096, at least 4096, and at most %lluM", MEM_MAX >> 20);
	return run_backend(r);
}

int run_open(struct run *r, struct guest_list *guests)
{
	const char *append = NULL;

	guests_read(guests);
	if (!r->kernel && linux_guest_named(r->guest)) {
		if (linux_guest_resolve(r->guest, r->append, &r->files))
			return STATUS_USAGE;
		r->kernel = r->files.kernel;
		r->append = r->files.append;
		r->req.initrd = r->req.initrd ? r->req.initrd : r->files.initrd;
	}
	if (r->kernel)
		snprintf(r->path, sizeof(r->path), "%s", r->kernel);
	else if (guests_resolve(guests, r->guest, r->cfg.ops, r->cfg.interface, r->path, sizeof(r->path), &append))
		return STATUS_USAGE;
	r->req.path = r->path;
	r->req.bzimage = r->kernel != NULL;
	r->req.append = r->append ? r->append : append;
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

int run_jail(struct run *r)
{
	int e;

#ifdef __SANITIZE_ADDRESS__
	r->no_jail = true; /* the sanitizer's own system calls at exit would be refused */
#endif
	e = r->no_jail ? jail_enter_i386_only() : jail_enter(r->cfg.ops);
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
