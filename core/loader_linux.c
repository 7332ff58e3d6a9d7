/*
 * loader_linux.c - a Linux bzImage by the 32-bit boot protocol: what `ringlab run --kernel` loads.
 *
 * Source: Documentation/arch/x86/boot.rst and zero-page.rst of the kernel's source; offsets below are of the file's first
 * sectors and, the same, of boot_params. A bzImage is some real-mode sectors, which we replace by filling boot_params
 * ourselves, and behind them the protected-mode part, which goes to 1 MiB and is entered there: it unpacks the kernel
 * to its preferred address and needs init_size bytes there. The initial RAM disk goes as high as the kernel lets it.
 * i386 and amd64 kernels are entered alike; what the CPU lacks, the kernel itself says. Called by loader.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "loader_parts.h"

typedef unsigned long long ull;

#define SECTOR 512u
#define HEADER_END 0x268u /* past the fields of protocol 2.10 */
#define PROTOCOL_MIN 0x20a /* 2.10 (Linux 2.6.31): the first to say how much memory the kernel needs to unpack itself */
#define PROTECTED_AT 0x100000u

/* The setup header (boot.rst, "Details of Header Fields"). */
enum { SETUP_SECTS = 0x1f1, SETUP_BEGIN = 0x1f1, SYSSIZE = 0x1f4, BOOT_FLAG = 0x1fe, SETUP_END = 0x201, MAGIC = 0x202,
	VERSION = 0x206, TYPE_OF_LOADER = 0x210, LOADFLAGS = 0x211, CODE32_START = 0x214, RAMDISK_IMAGE = 0x218,
	RAMDISK_SIZE = 0x21c, CMD_LINE_PTR = 0x228, INITRD_ADDR_MAX = 0x22c, KERNEL_ALIGNMENT = 0x230, RELOCATABLE = 0x234,
	CMDLINE_SIZE = 0x238, PREF_ADDRESS = 0x258, INIT_SIZE = 0x260 };
enum { LOADED_HIGH = 1 };
/* The rest of boot_params (zero-page.rst). */
enum { E820_ENTRIES = 0x1e8, E820_TABLE = 0x2d0, E820_SIZE = 20, E820_RAM = 1, E820_RESERVED = 2 };

/* The entry state's selectors: __BOOT_CS and __BOOT_DS. */
#define BOOT_CS 0x10
#define BOOT_DS 0x18

/* One page of tables: boot_params has a page of its own, the GDT and the command line follow. */
enum { GDT_AT = PAGE_SIZE, GDT_SIZE = 32, CMDLINE_AT = PAGE_SIZE + GDT_SIZE };

static uint32_t get32(const uint8_t *p, unsigned at)
{
	uint32_t v;

	memcpy(&v, p + at, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p, unsigned at)
{
	return get32(p, at) | (uint64_t)get32(p, at + 4) << 32;
}

static void put32(uint8_t *p, unsigned at, uint64_t v)
{
	uint32_t w = (uint32_t)v;

	memcpy(p + at, &w, sizeof(w));
}

static void put64(uint8_t *p, unsigned at, uint64_t v)
{
	memcpy(p + at, &v, sizeof(v));
}

bool linux_is_bzimage(const uint8_t *file, size_t size)
{
	return size >= MAGIC + 4 && !memcmp(file + MAGIC, "HdrS", 4);
}

/* What the checked header says. */
struct bzimage {
	uint32_t setup;    /* bytes of real-mode sectors, which the protected-mode part follows */
	uint32_t part;     /* bytes of the protected-mode part */
	uint64_t run_at;   /* where the kernel unpacks itself, and */
	uint64_t run_size; /* the memory it needs there */
	uint32_t cmdline_max, initrd_max;
	unsigned header_end;
};

static int check_magic(struct loading *l)
{
	const uint8_t *f = l->img->file;
	size_t n = l->img->file_size;

	if (n >= 2 && f[0] == 0x1f && f[1] == 0x8b)
		return load_refuse(l, "this is compressed by gzip, not a bzImage: give the file that Debian installs as /boot/vmlinuz-*");
	if (n >= SELFMAG && !memcmp(f, ELFMAG, SELFMAG))
		return load_refuse(l, "this is an ELF file, not a bzImage: for a kernel give its vmlinuz; for another guest leave out "
			"--kernel");
	if (n < HEADER_END)
		return load_refuse(l, "a bzImage's header needs %u bytes, and the file has %zu: it is cut short or no kernel", HEADER_END, n);
	if (!linux_is_bzimage(f, n))
		return load_refuse(l, "this is no Linux bzImage: there is no \"HdrS\" at offset %#x", MAGIC);
	if (f[BOOT_FLAG] != 0x55 || f[BOOT_FLAG + 1] != 0xaa)
		return load_refuse(l, "the boot flag at offset %#x is %#x, not 0xaa55: the kernel is damaged", BOOT_FLAG,
			f[BOOT_FLAG] | f[BOOT_FLAG + 1] << 8);
	return 0;
}

/* boot.rst: setup_sects of 0 means 4; the boot sector itself comes on top. syssize counts 16 bytes. */
static int check_sizes(struct loading *l, struct bzimage *b)
{
	const uint8_t *f = l->img->file;
	uint64_t sects = f[SETUP_SECTS] ? f[SETUP_SECTS] : 4, part = (uint64_t)get32(f, SYSSIZE) * 16;
	size_t n = l->img->file_size;

	b->setup = (uint32_t)((sects + 1) * SECTOR);
	b->header_end = MAGIC + f[SETUP_END];
	if (b->header_end < HEADER_END || b->header_end > E820_TABLE || b->header_end > b->setup)
		return load_refuse(l, "the setup header ends at %#x by the byte at offset %#x, and must end between %#x and %#x: the "
			"kernel is damaged", b->header_end, SETUP_END, HEADER_END, b->setup < E820_TABLE ? b->setup : E820_TABLE);
	if (b->setup >= n)
		return load_refuse(l, "%llu real-mode sectors (offset %#x) reach to %#x, and the file ends at %#zx: it is cut short",
			(ull)sects, SETUP_SECTS, b->setup, n);
	/* Signed kernels have a signature behind; the last 16 bytes may be incomplete. */
	if (!part || part > ((n - b->setup + 15) & ~15ull))
		return load_refuse(l, "the protected-mode part has %#llx bytes by the header (offset %#x), and the file %#zx behind "
			"its real-mode sectors: it is cut short or damaged", (ull)part, SYSSIZE, n - b->setup);
	b->part = (uint32_t)(part < n - b->setup ? part : n - b->setup);
	return 0;
}

/* Where the kernel will run, which is also where nothing else may be. */
static int check_memory(struct loading *l, struct bzimage *b)
{
	const uint8_t *f = l->img->file;
	uint64_t align = get32(f, KERNEL_ALIGNMENT), pref = get64(f, PREF_ADDRESS), at = pref, end;

	if (f[RELOCATABLE]) {
		if (!align || (align & (align - 1)))
			return load_refuse(l, "the kernel's alignment at offset %#x is %#llx, and must be a power of two: the kernel is damaged",
				KERNEL_ALIGNMENT, (ull)align);
		at = (PROTECTED_AT + align - 1) & ~(align - 1);
		at = at > pref ? at : pref;
	}
	b->run_at = at;
	b->run_size = get32(f, INIT_SIZE);
	if (at < PROTECTED_AT || at > MEM_MAX)
		return load_refuse(l, "the kernel wants to run at %#llx (offset %#x), and memory for it is between %#x and %#llx: it is "
			"damaged, or for another machine", (ull)at, PREF_ADDRESS, PROTECTED_AT, MEM_MAX);
	end = at + b->run_size;
	if (end < PROTECTED_AT + (uint64_t)b->part)
		end = PROTECTED_AT + (uint64_t)b->part;
	if (end > l->m->size)
		return load_refuse_ram(l, "the kernel", end);
	l->end = end;
	return 0;
}

static int check_header(struct loading *l, struct bzimage *b)
{
	const uint8_t *f = l->img->file;
	unsigned version;
	int err = check_magic(l);

	if (err)
		return err;
	version = f[VERSION] | f[VERSION + 1] << 8;
	if (version < PROTOCOL_MIN)
		return load_refuse(l, "its boot protocol is %u.%02u, and 2.10 (Linux 2.6.31) is the oldest that is loaded here", version >> 8,
			version & 0xff);
	if (!(f[LOADFLAGS] & LOADED_HIGH))
		return load_refuse(l, "this is a zImage (loadflags %#x at offset %#x), which loads below 1 MiB: give a bzImage", f[LOADFLAGS],
			LOADFLAGS);
	if ((err = check_sizes(l, b)) || (err = check_memory(l, b)))
		return err;
	b->cmdline_max = get32(f, CMDLINE_SIZE);
	b->initrd_max = get32(f, INITRD_ADDR_MAX);
	return 0;
}

/* Page-aligned, as high as RAM and the kernel allow: where the kernel unpacks itself nothing else may lie. */
static int place_initrd(struct loading *l, const struct bzimage *b, uint64_t *at, uint64_t *size)
{
	uint64_t top = l->m->size, above = (l->end + PAGE_SIZE - 1) & PAGE_MASK;
	int fd, err;

	*at = *size = 0;
	if (!l->req->initrd)
		return 0;
	if (top > (uint64_t)b->initrd_max + 1)
		top = (uint64_t)b->initrd_max + 1;
	fd = load_open(l, l->req->initrd, size);
	if (fd < 0)
		return fd;
	if (!*size)
		err = load_refuse(l, "the initial RAM disk %s is empty", l->req->initrd);
	else if (above + *size > (uint64_t)b->initrd_max + 1)
		err = load_refuse(l, "the initial RAM disk %s (%llu KiB) does not fit between the kernel's end, %#llx, and the highest "
			"address that the kernel allows, %#x: make it smaller", l->req->initrd, (ull)*size >> 10, (ull)above, b->initrd_max);
	else if (above + *size > l->m->size)
		err = load_refuse_ram(l, "the kernel with its initial RAM disk", above + *size);
	else {
		*at = (top - *size) & PAGE_MASK;
		err = load_read(l, fd, mem_ptr(l->m, GPA(*at), *size), *size, l->req->initrd);
		l->end = *at + *size;
	}
	close(fd);
	return err;
}

static void add_e820(uint8_t *params, uint64_t base, uint64_t size, uint32_t type)
{
	uint8_t *e = params + E820_TABLE + E820_SIZE * params[E820_ENTRIES]++;

	put64(e, 0, base);
	put64(e, 8, size);
	put32(e, 16, type);
}

/* RAM as a PC's firmware would report it. */
static void fill_e820(uint8_t *params, uint64_t ram)
{
	add_e820(params, 0, LOW_RAM_END, E820_RAM);
	add_e820(params, LOW_RAM_END, HIGH_RAM - LOW_RAM_END, E820_RESERVED);
	add_e820(params, HIGH_RAM, ram - HIGH_RAM, E820_RAM);
}

/* boot_params, GDT and command line, in low memory. */
static int place_params(struct loading *l, const struct bzimage *b, uint64_t initrd, uint64_t initrd_size, gpa_t *at)
{
	const char *cmdline = l->req->append ? l->req->append : "";
	size_t len = strlen(cmdline);
	uint8_t *p;
	int err;

	if (len > b->cmdline_max)
		return load_refuse(l, "the command line has %zu characters, and this kernel takes %u: shorten --append", len, b->cmdline_max);
	err = load_room(l, CMDLINE_AT + len + 1, "boot_params with the command line", at);
	if (err)
		return err;
	p = l->m->host + at->a; /* load_room has checked */
	memcpy(p + SETUP_BEGIN, l->img->file + SETUP_BEGIN, b->header_end - SETUP_BEGIN);
	p[TYPE_OF_LOADER] = 0xff; /* none that has a number */
	p[LOADFLAGS] |= LOADED_HIGH;
	put32(p, CODE32_START, PROTECTED_AT);
	put32(p, RAMDISK_IMAGE, initrd);
	put32(p, RAMDISK_SIZE, initrd_size);
	put32(p, CMD_LINE_PTR, at->a + CMDLINE_AT);
	fill_e820(p, l->m->size);
	put64(p, GDT_AT + BOOT_CS, 0x00cf9b000000ffff);
	put64(p, GDT_AT + BOOT_DS, 0x00cf93000000ffff);
	memcpy(p + CMDLINE_AT, cmdline, len + 1);
	return 0;
}

/* boot.rst, "32-bit Boot Protocol": flat segments, paging and interrupts off, ESI at boot_params; EBP, EDI, EBX zero. */
static void enter_kernel(struct cpu_state *s, uint64_t params)
{
	cpu_enter_flat32(s, PROTECTED_AT);
	for (int i = 0; i <= S_GS; i++)
		s->seg[i] = segment_flat32(BOOT_DS, 3, 0);
	s->seg[S_CS] = segment_flat32(BOOT_CS, 0xb, 0);
	s->gdtr = (struct dtable){ .base = params + GDT_AT, .limit = GDT_SIZE - 1 };
	s->gpr[R_ESI] = params;
}

int linux_load(struct loading *l)
{
	struct bzimage b = { 0 };
	uint64_t initrd = 0, initrd_size = 0;
	gpa_t params;
	int err;

	if (l->req->modules)
		return load_refuse(l, "modules are for Multiboot guests: give a Linux kernel its initial RAM disk by --initrd");
	if ((err = check_header(l, &b)) || (err = place_initrd(l, &b, &initrd, &initrd_size)) ||
			(err = place_params(l, &b, initrd, initrd_size, &params)))
		return err;
	memcpy(l->m->host + PROTECTED_AT, l->img->file + b.setup, b.part);
	l->img->kind = IMAGE_LINUX;
	l->img->entry = PROTECTED_AT;
	enter_kernel(l->state, params.a);
	return 0;
}
