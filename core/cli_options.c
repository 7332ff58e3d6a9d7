/*
 * cli_options.c - the options of `ringlab run`, and of commands that take the same: table, help, parsing.
 *
 * Chooses and probes the backend; opens nothing. Called by cli_run.c and cli_lockstep.c. Read next: cli_run.c.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli_run.h"

enum { OPT_BACKEND = 256, OPT_INTERFACE, OPT_MEM, OPT_APPEND, OPT_MODULE, OPT_KERNEL, OPT_INITRD, OPT_TIMEOUT, OPT_STATS, OPT_INLINE,
	OPT_NO_JAIL, OPT_ISOLATION, OPT_CODE_CACHE, OPT_NO_CHAIN, OPT_NO_ADAPT, OPT_NO_RETPRED, OPT_NO_TRACES, OPT_ONE_INSN,
	OPT_IRQCHIP, OPT_VERIFY, OPT_HELP, OPT_DISK, OPT_SHMEM,
	OPT_TRACE, OPT_TRACE_SIZE, OPT_SYMBOLS, OPT_SYMBOLS_OUT, OPT_TOP, OPT_LISTING, OPT_LISTING_OUT, OPT_PHASE, OPT_GDB,
	OPT_TIMELINE, OPT_BY_SYMBOL,
	OPT_COVERAGE, OPT_HOLES, OPT_WITNESS };

#define MEM_DEFAULT (64u << 20)
#define MEM_LINUX (256u << 20)

static const struct option run_options[] = {
	{ "backend", 1, 0, OPT_BACKEND }, { "interface", 1, 0, OPT_INTERFACE }, { "mem", 1, 0, OPT_MEM },
	{ "append", 1, 0, OPT_APPEND }, { "disk", 1, 0, OPT_DISK }, { "shmem", 1, 0, OPT_SHMEM }, { "module", 1, 0, OPT_MODULE }, { "kernel", 1, 0, OPT_KERNEL },
	{ "initrd", 1, 0, OPT_INITRD }, { "timeout", 1, 0, OPT_TIMEOUT },
	{ "stats", 1, 0, OPT_STATS }, { "trace", 1, 0, OPT_TRACE },
	{ "trace-size", 1, 0, OPT_TRACE_SIZE }, { "symbols", 1, 0, OPT_SYMBOLS }, { "symbols-out", 1, 0, OPT_SYMBOLS_OUT },
	{ "top", 1, 0, OPT_TOP }, { "phase", 1, 0, OPT_PHASE }, { "timeline", 2, 0, OPT_TIMELINE }, { "by-symbol", 0, 0, OPT_BY_SYMBOL }, { "listing", 1, 0, OPT_LISTING }, { "listing-out", 1, 0, OPT_LISTING_OUT },
	{ "count-inline", 0, 0, OPT_INLINE },
	{ "no-jail", 0, 0, OPT_NO_JAIL }, { "user-isolation", 1, 0, OPT_ISOLATION }, { "code-cache", 1, 0, OPT_CODE_CACHE },
	{ "no-chain", 0, 0, OPT_NO_CHAIN }, { "no-adapt", 0, 0, OPT_NO_ADAPT }, { "no-retpred", 0, 0, OPT_NO_RETPRED },
	{ "no-traces", 0, 0, OPT_NO_TRACES }, { "one-insn-blocks", 0, 0, OPT_ONE_INSN }, { "kvm-irqchip", 0, 0, OPT_IRQCHIP },
	{ "coverage", 0, 0, OPT_COVERAGE }, { "holes", 2, 0, OPT_HOLES }, { "witness", 0, 0, OPT_WITNESS }, { "verify-vmm", 0, 0, OPT_VERIFY }, { "gdb", 1, 0, OPT_GDB }, { "help", 0, 0, OPT_HELP }, { 0 }
};

static const char run_help[] =
	"usage: ringlab run [OPTION…] GUEST\n"
	"       ringlab run [OPTION…] --kernel VMLINUZ [--initrd FILE]\n\n"
	"Runs GUEST, a name of `ringlab list` or an ELF file, or a Linux kernel. Its console is standard output; the exit status is the value it\n"
	"writes to the debug-exit port (0xf4), or 220 guest crash, 221 time-out, 222 host failure, 223 bad usage, 224 killed by\n"
	"the jail, 225 interrupted.\n\n"
	"  --backend B          vtx, bt, pv, interp (default: vtx on real VT-x or SVM, else bt)\n"
	"  --interface I        pv: xen, previrt, patch, trap (default: what the image is made for, else trap)\n"
	"  --mem M              guest memory, as 64M (default 64M; for Linux 256M)\n"
	"  --append S           the guest's command line; for linux-i386 and linux-i386-pae, words to add (default: quiet)\n"
	"  --disk FILE[,ro|,snapshot]  a raw disk image, for whatever disk the guest drives; ro: it cannot be written; snapshot: what is\n"
	"                       written is lost (default: the guest's own in `ringlab list`, as a snapshot)\n"
	"  --module FILE[,ARGS] a Multiboot module; may be repeated\n"
	"  --kernel FILE        a Linux kernel, as Debian's vmlinuz; with it no GUEST is named\n"
	"  --shmem FILE|SIZE    memory shared with the guest: BAR 2 of a PCI device, reached without exits; a power of two, as 1M\n"
	"  --initrd FILE        its initial RAM disk\n"
	"                       On a terminal Linux gets every key; Ctrl-A X quits, Ctrl-A H lists more\n"
	"  --timeout S          end the guest after S seconds (default: none)\n"
	"  --stats FILE         write every counter as JSON (docs/exits.md)\n"
	"  --trace FILE         write events in Perfetto's format (FILE.json: Chrome's); the last ones, if there are more than fit\n"
	"  --trace-size SIZE    how large that file may get (default 256M)\n"
	"  --top N              print the N dearest guest symbols: what they made the VMM do, how often, at what cost\n"
	"  --by-symbol          put all rows of that into the --stats file, and print nothing\n"
	"  --timeline[=MS]      note all counters every MS milliseconds (default 10): into the --stats file, or as a chart\n"
	"  --symbols FILE       names for that: System.map, any ELF file, or the word guest: a Linux kernel's own table, read from\n"
	"                       its memory; may be repeated. Without it an ELF guest's own\n"
	"  --symbols-out FILE   write the names as a System.map\n"
	"  --phase TEXT         note all counters at each console line that begins so; may be repeated\n"
	"  --listing A|SYMBOL   bt: print guest code beside its translation; pv: beside what stands in its place; A as\n"
	"                       0xc0101234; may be repeated\n"
	"  --listing-out FILE   where to (default: standard error)\n"
	"  --coverage           pv, --interface patch: at the end, how much of the image was proved to be code, and what was not\n"
	"  --holes[=N]          pv, --interface trap: single-step (at most N instructions) and list which sensitive instructions ran\n"
	"                       unnoticed, where, how often, and what they should have done; very slow\n"
	"  --witness            note the CPU's own registers at the first entry into the VMM of each kind, for --stats\n"
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

/* FILE, FILE,ro or FILE,snapshot: it is opened before the jail closes (vm_create). */
static int add_disk(struct run *r, char *spec)
{
	char *comma = strrchr(spec, ',');

	if (r->cfg.disk_path)
		return cli_usage("run", "one --disk only");
	if (comma && !strcmp(comma, ",ro"))
		r->cfg.disk_mode = DISK_READONLY;
	else if (comma && !strcmp(comma, ",snapshot"))
		r->cfg.disk_mode = DISK_SNAPSHOT;
	else
		comma = NULL;
	if (comma)
		*comma = 0;
	r->cfg.disk_path = spec;
	return 0;
}

static int option_size(const char *name, const char *text, uint64_t *out)
{
	return cli_parse_size(text, out) ? 0 : cli_usage("run", "--%s %s: give a size such as 64M", name, text);
}

static int add_holes(struct run *r, const char *steps)
{
	char *end = NULL;

	r->cfg.holes = steps ? strtoull(steps, &end, 10) : UINT64_MAX;
	if (steps && (!*steps || *end || !r->cfg.holes))
		return cli_usage("run", "--holes=%s: give a number of instructions, or none", steps);
	return 0;
}

/* One option; 0 or a status to exit with. */
static int run_option(struct run *r, int c)
{
	switch (c) {
	case OPT_BACKEND: r->backend = optarg; break;
	case OPT_INTERFACE: r->cfg.interface = optarg; break;
	case OPT_MEM: return option_size("mem", optarg, &r->cfg.mem_size);
	case OPT_DISK: return add_disk(r, optarg);
	case OPT_SHMEM: r->cfg.shmem = optarg; break;
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
	case OPT_BY_SYMBOL: r->see.by_symbol = true; break;
	case OPT_TIMELINE: return see_timeline(&r->see, optarg);
	case OPT_PHASE: return see_phase(&r->see, optarg);
	case OPT_LISTING: return see_listing(&r->see, optarg);
	case OPT_LISTING_OUT: r->see.listing_path = optarg; break;
	case OPT_COVERAGE: r->cfg.coverage = true; break;
	case OPT_HOLES: return add_holes(r, optarg);
	case OPT_WITNESS: r->see.witness = true; break;
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
	r->see.chart = r->see.timeline_ms > 0 && !r->stats_path;
	if (!mem_given)
		r->cfg.mem_size = r->kernel || linux_guest_named(r->guest) ? MEM_LINUX : MEM_DEFAULT;
	r->tty_guest = r->kernel || linux_guest_named(r->guest) || grub_guest_named(r->guest);
	if (!r->backend && grub_guest_named(r->guest) && cli_backend("pv"))
		r->backend = "pv"; /* the one that builds Xen domains */
	if (!r->cfg.mem_size || r->cfg.mem_size % PAGE_SIZE || r->cfg.mem_size > MEM_MAX)
		return cli_usage("run", "--mem must be a multiple of 4096, at least 4096, and at most %lluM", MEM_MAX >> 20);
	return run_backend(r);
}
