/*
 * loader.c - reads a guest image, finds out what it is, and puts it where it belongs.
 *
 * Called by vm_load. The file is hostile until proven otherwise: each size and offset in it is checked against the
 * file and against guest RAM before it is used, and each refusal is a sentence. Guest RAM is taken to be fresh, that
 * is, zero: .bss costs nothing here. Read next: loader_elf.c, then loader_multiboot.c, loader_linux.c or
 * loader_xen.c.
 */
#include "core/loader.h"
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "loader_parts.h"

int load_refuse(struct loading *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(l->why, l->why_n, "%s: ", l->name);
	if (n < 0 || (size_t)n >= l->why_n)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(l->why + n, l->why_n - n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int load_refuse_ram(struct loading *l, const char *what, uint64_t end)
{
	uint64_t need = (end >> 20) + ((end & 0xfffff) != 0);
	bool small = l->m->size < 1 << 20;

	if (end > MEM_MAX)
		return load_refuse(l, "%s wants memory up to %#llx, and no guest has more than %llu MiB: link it lower", what,
			(unsigned long long)end, MEM_MAX >> 20);
	return load_refuse(l, "%s wants memory up to %#llx, but the guest has %llu %s: use --mem %lluM or more", what,
		(unsigned long long)end, (unsigned long long)(small ? l->m->size >> 10 : l->m->size >> 20),
		small ? "KiB" : "MiB", (unsigned long long)need);
}

int load_open(struct loading *l, const char *path, uint64_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0) {
		err = -errno;
		snprintf(l->why, l->why_n, "cannot open %s: %s%s", path, strerror(-err),
			err == -ENOENT ? " (`ringlab list` names the guests that are built)" : "");
		return err;
	}
	err = fstat(fd, &st) ? -errno : -EINVAL;
	if (err != -EINVAL)
		snprintf(l->why, l->why_n, "cannot look at %s: %s", path, strerror(-err));
	else if (!S_ISREG(st.st_mode))
		snprintf(l->why, l->why_n, "%s is %s: name a file", path, S_ISDIR(st.st_mode) ? "a directory" : "no regular file");
	else if ((uint64_t)st.st_size > LOADER_FILE_MAX)
		snprintf(l->why, l->why_n, "%s is larger than %llu MiB: it cannot be a guest image or a module", path,
			LOADER_FILE_MAX >> 20);
	else
		err = 0;
	if (err) {
		close(fd);
		return err;
	}
	*size = st.st_size;
	return fd;
}

int load_read(struct loading *l, int fd, void *buf, uint64_t size, const char *path)
{
	uint8_t *p = buf;

	while (size) {
		ssize_t got = read(fd, p, size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			int err = got ? -errno : -EIO;

			snprintf(l->why, l->why_n, "cannot read %s: %s", path,
				got ? strerror(-err) : "it became shorter while it was being read");
			return err;
		}
		p += got;
		size -= got;
	}
	return 0;
}

static bool touches_segment(const struct image *img, uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < img->segs; i++)
		if (start < img->seg[i].paddr + img->seg[i].memsz && img->seg[i].paddr < start + size)
			return true;
	return false;
}

int load_room_high(struct loading *l, uint64_t size, const char *what, gpa_t *at)
{
	uint64_t start = (l->end + PAGE_SIZE - 1) & PAGE_MASK;

	/* The PC's hole between 640 KiB and 1 MiB is no place for anything. */
	if (start < HIGH_RAM && start + size > (LOW_RAM_END & PAGE_MASK))
		start = HIGH_RAM;
	if (!mem_contains(l->m, GPA(start), size))
		return load_refuse_ram(l, what, start + size);
	*at = GPA(start);
	l->end = start + size;
	return 0;
}

int load_room(struct loading *l, uint64_t size, const char *what, gpa_t *at)
{
	uint64_t start = size < l->low_top ? (l->low_top - size) & PAGE_MASK : 0;

	if (start < PAGE_SIZE || touches_segment(l->img, start, size))
		return load_room_high(l, size, what, at);
	*at = GPA(start);
	l->low_top = start;
	return 0;
}

const char *loader_sha256(struct image *img)
{
	SHA2_CTX h;
	uint8_t d[SHA256_DIGEST_LENGTH];

	if (img->sha256[0])
		return img->sha256;
	SHA256Init(&h);
	SHA256Update(&h, img->file, img->file_size);
	SHA256Final(d, &h);
	for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(img->sha256 + 2 * i, 3, "%02x", d[i]);
	return img->sha256;
}

static int read_image(struct loading *l)
{
	uint64_t size;
	int fd = load_open(l, l->req->path, &size), err;

	if (fd < 0)
		return fd;
	if (!size) {
		close(fd);
		return load_refuse(l, "the file is empty");
	}
	l->img->file = malloc(size);
	l->img->file_size = size;
	if (!l->img->file) {
		snprintf(l->why, l->why_n, "no memory to read %s (%llu bytes)", l->req->path, (unsigned long long)size);
		err = -ENOMEM;
	} else {
		err = load_read(l, fd, l->img->file, size, l->req->path);
	}
	close(fd);
	return err;
}

/* What a file that is neither ELF nor Multiboot might be, for the sentence. */
static int refuse_unknown(struct loading *l)
{
	const uint8_t *f = l->img->file;
	size_t n = l->img->file_size;

	if (n >= 2 && f[0] == 0x1f && f[1] == 0x8b)
		return load_refuse(l, "this is compressed by gzip: unpack it first");
	return load_refuse(l, "this is not an ELF file, and its first 8 KiB hold no Multiboot header: build it with gcc -m32 "
		"-static, or try `ringlab list`");
}

static int place_plain(struct loading *l, Elf *elf)
{
	struct image *img = l->img;
	uint64_t entry;
	gpa_t info;
	int err = elf_place(l);

	if (!err)
		err = elf_entry(l, &entry);
	if (err)
		return err;
	if (img->kind == IMAGE_ELF32) {
		cpu_enter_flat32(l->state, (uint32_t)entry);
		return 0;
	}
	if ((err = multiboot_info(l, elf, &info)) || (err = long_mode_enter(l, entry)))
		return err;
	/* Not promised by anyone, but handy: the information of Multiboot, where Multiboot has it. */
	l->state->gpr[R_EAX] = MULTIBOOT_BOOT_MAGIC;
	l->state->gpr[R_EBX] = info.a;
	return 0;
}

/* A Xen guest's module stays in memory of ours: where it goes in the domain is the builder's affair. */
static int xen_module(struct loading *l)
{
	const struct load_module *mod = &l->req->module[0];
	uint64_t size;
	int fd, err;

	if (l->req->modules > 1)
		return load_refuse(l, "a Xen guest takes one module, its initial RAM disk: give --module once");
	if (mod->args && *mod->args)
		return load_refuse(l, "a Xen guest's module has no arguments: leave out ',%s'", mod->args);
	if ((fd = load_open(l, mod->path, &size)) < 0)
		return fd;
	l->img->module = malloc(size ? size : 1);
	err = l->img->module ? load_read(l, fd, l->img->module, size, mod->path) : -ENOMEM;
	l->img->module_size = size;
	close(fd);
	return err;
}

static int place_elf(struct loading *l, Elf *elf, int64_t header)
{
	struct image *img = l->img;
	int err = elf_describe(l, elf);

	if (err)
		return err;
	xen_notes_read(l, elf);
	if (img->xen.present && img->kind == IMAGE_ELF32 && l->req->xen_ok) {
		img->kind = IMAGE_XEN;
		return l->req->modules ? xen_module(l) : 0;
	}
	if (header >= 0)
		return multiboot_load(l, elf, header);
	if (img->xen.present && img->kind == IMAGE_ELF64)
		return load_refuse(l, "this is a 64-bit guest for Xen's paravirtual interface: only 32-bit ones run here");
	if (img->xen.present)
		return load_refuse(l, "this is a guest for Xen's paravirtual interface: run it with --backend pv --interface xen");
	if (l->req->modules && img->kind == IMAGE_ELF32)
		return load_refuse(l, "modules are for Multiboot guests, and this ELF file has no Multiboot header: leave out --module");
	return place_plain(l, elf);
}

static int place_image(struct loading *l)
{
	struct image *img = l->img;
	int64_t header = multiboot_find(img->file, img->file_size);
	Elf *elf;
	int err;

	if (l->req->bzimage || linux_is_bzimage(img->file, img->file_size))
		return linux_load(l);
	if (l->req->initrd)
		return load_refuse(l, "an initial RAM disk is for a Linux bzImage, and this is none: leave out --initrd");
	if (img->file_size < SELFMAG || memcmp(img->file, ELFMAG, SELFMAG))
		return header < 0 ? refuse_unknown(l) : multiboot_load(l, NULL, header);
	elf_version(EV_CURRENT);
	elf = elf_memory((char *)img->file, img->file_size);
	if (!elf)
		return load_refuse(l, "the ELF header is damaged or cut short (libelf: %s)", elf_errmsg(-1));
	err = place_elf(l, elf, header);
	elf_end(elf);
	return err;
}

int loader_load(const struct load_request *req, struct mem *m, struct image *img, struct cpu_state *s, char *why, size_t n)
{
	const char *slash = strrchr(req->path, '/');
	struct loading l = { .req = req, .name = slash ? slash + 1 : req->path, .m = m, .img = img, .state = s, .why = why,
		.why_n = n };
	int err;

	*img = (struct image){ .kind = IMAGE_NONE };
	if (n)
		why[0] = 0;
	l.low_top = (m->size < LOW_RAM_END ? m->size : LOW_RAM_END) & PAGE_MASK;
	err = req->modules > LOAD_MODULES ? load_refuse(&l, "more than %d modules", LOAD_MODULES) : read_image(&l);
	if (!err)
		err = place_image(&l);
	img->load_end = l.end;
	if (err)
		loader_free(img);
	return err;
}

void loader_free(struct image *img)
{
	free(img->file);
	free(img->module);
	*img = (struct image){ .kind = IMAGE_NONE };
}
