/*
 * main.c - start and end: memory, process 0, the root file system, the first program; and what remains when it has ended.
 *
 * Entry code calls kernel_main on the boot stack, with paging on and interrupts off. Words of the command line:
 *	init=/bin/sh          the first program; its exit status is the VM's. run=PROGRAM,ARG,... is the same with arguments
 *	disk=ata|virtio|xen|ram   where the root file system is (default: the module if there is one, else the first found)
 *	ro                    mounts it read-only
 *	verbose               tells about memory, disks and programs that crash
 * Read next: trap.c and syscall.c, or proc.c.
 */
#include <stdarg.h>
#include "frames.h"
#include "proc.h"

bool kernel_verbose;
static uint32_t pages_at_start;
static char first_text[256];
static char *first_argv[16];

void kernel_main(void);

/* ---- the end ---- */

void panic(const char *fmt, ...)
{
	va_list ap;

	irq_disable();
	va_start(ap, fmt);
	hal_vprintf(fmt, ap);
	va_end(ap);
	arch_end(99);
}

void kernel_end(uint32_t status)
{
	uint32_t lost;

	fs_sync();
	if (current->pid == 1) { /* nobody else is left */
		fs_drop_caches();
		pt_pool_drain();
		lost = pages_at_start - pages_free();
		if (lost)
			printk("kernel: %d pages of %u are lost\n", (int32_t)lost, pages_at_start);
		else if (kernel_verbose)
			printk("kernel: all %u pages are back\n", pages_at_start);
	}
	irq_disable();
	arch_end(status);
}

/* ---- the disk ---- */

static struct disk *module_disk(void)
{
	void *base;
	uint32_t bytes;
	return arch_module(&base, &bytes) ? ram_disk(base, bytes) : NULL;
}

/* Drivers that this build may lack. */
struct disk *ata_disk(void) __attribute__((weak));
struct disk *virtio_disk(void) __attribute__((weak));
struct disk *xen_disk(void) __attribute__((weak));

static struct disk *disk_find(void)
{
	const struct {
		const char *name;
		struct disk *(*find)(void);
	} kinds[] = { { "ram", module_disk }, { "xen", xen_disk }, { "virtio", virtio_disk }, { "ata", ata_disk } };
	char word[16];
	bool named = hal_word("disk", word, sizeof word);

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		struct disk *d = kinds[i].find && (!named || !strcmp(word, kinds[i].name)) ? kinds[i].find() : NULL;
		if (d)
			return d;
	}
	panic("kernel: there is no disk%s%s: give one as a module, or by --disk\n", named ? " of kind " : "", named ? word : "");
}

static void root_mount(void)
{
	struct disk *d = disk_find();
	int r = ext2_mount(d, hal_flag("ro"), &root_dir);

	if (r)
		panic("kernel: the %s disk (%u sectors) has no ext2 file system that can be mounted (error %d)\n", d->name, d->sectors, -r);
	if (kernel_verbose)
		printk("kernel: root is a %s disk of %u KiB\n", d->name, d->sectors / 2);
}

/* ---- the first programs ---- */

static void first_args(void)
{
	char *s = first_text;

	if (!hal_word("run", first_text, sizeof first_text) && !hal_word("init", first_text, sizeof first_text))
		memcpy(first_text, "/bin/sh", 8);
	for (unsigned n = 0; n + 1 < ARRAY_LEN(first_argv); n++) {
		first_argv[n] = s;
		while (*s && *s != ',')
			s++;
		if (!*s)
			break;
		*s++ = 0;
	}
}

/* In a process of its own: becomes the program. */
static void first_program(void)
{
	static char *env[] = { (char *)"PATH=/bin", (char *)"HOME=/", (char *)"TERM=dumb", NULL };
	int err;

	current->cwd = inode_get(root_dir);
	for (unsigned i = 0; i < 3; i++)
		fd_new(file_new(&tty_file_ops, LO_RDWR, NULL), 0, false);
	err = exec(first_argv[0], first_argv, env, current->regs);
	if (!err)
		return;
	printk("kernel: %s cannot be run (error %d)\n", first_argv[0], -err);
	proc_exit(127 << 8);
}

/* Whoever is left when the first program has ended. */
static void others_end(void)
{
	uint32_t status;

	signal_foreground(LSIGKILL);
	while (proc_wait(-1, &status, 0) > 0)
		;
}

/* Process 1: collects what ends; the first program's end is the kernel's. */
static void init(void)
{
	struct proc *p;
	uint32_t status, first;
	int32_t pid;

	first_args();
	root_mount();
	fs_drop_caches();
	pt_pool_drain();
	pages_at_start = pages_free();
	if (!(p = proc_thread("first", first_program)))
		panic("kernel: there is no memory for a first process\n");
	first = p->pid;
	do
		pid = proc_wait(-1, &status, 0);
	while (pid != (int32_t)first);
	others_end();
	kernel_end(status & 0x7f ? 128 + (status & 0x7f) : status >> 8);
}

void kernel_main(void)
{
	uint32_t n = arch_ram_end() / PAGE;

	kernel_verbose = hal_flag("verbose");
	arena_init();
	frames_init(arch_frames_table(frames_table_size(n)), n);
	proc_init();
	sched_init();
	tty_init();
	arch_start();
	commit_init();
	if (kernel_verbose)
		printk("kernel: %s build, %u KiB of RAM, %u pages free\n", arch_name, n * (PAGE / 1024), pages_free());
	if (!proc_thread("init", init))
		panic("kernel: there is no memory for process 1\n");
	sched_idle();
}
