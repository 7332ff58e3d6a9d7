/* A bzImage lands where the 32-bit boot protocol says, and every malformed field gets a sentence. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "core/loader.h"
#include "image_load.h"

#define RAM (16ull << 20)

static struct mem m;
static struct image img;
static struct cpu_state s;
static struct bytes b;
static char why[256];

static void setup(void)
{
	cr_assert_eq(mem_init(&m, RAM), 0);
	image_bzimage(&b);
}

static void teardown(void)
{
	loader_free(&img);
	mem_fini(&m);
}

TestSuite(bzimage, .init = setup, .fini = teardown);

static int load(struct load_request req)
{
	req.bzimage = true;
	return image_load(&b, req, &m, &img, &s, why, sizeof(why));
}

static uint64_t field(uint64_t at, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, m.host + at, size);
	return v;
}

static void put(unsigned at, uint64_t v, unsigned size)
{
	memcpy(b.b + at, &v, size);
}

static void refused(const char *words)
{
	cr_assert_eq(load((struct load_request){ 0 }), -EINVAL, "accepted, where \"%s\" was expected", words);
	cr_assert(strstr(why, words), "\"%s\" lacks \"%s\"", why, words);
	cr_assert_null(img.file);
	image_bzimage(&b);
}

Test(bzimage, entry_state)
{
	cr_assert_eq(load((struct load_request){ .append = "console=ttyS0" }), 0, "%s", why);
	uint64_t p = s.gpr[R_ESI];

	cr_assert_eq(img.kind, IMAGE_LINUX);
	cr_assert_eq(s.rip, 0x100000);
	cr_assert(s.seg[S_CS].sel == 0x10 && s.seg[S_DS].sel == 0x18 && s.seg[S_ES].sel == 0x18 && s.seg[S_SS].sel == 0x18);
	cr_assert(s.seg[S_CS].base == 0 && s.seg[S_CS].limit == 0xffffffff && s.seg[S_DS].limit == 0xffffffff);
	cr_assert(s.gpr[R_EBX] == 0 && s.gpr[R_EBP] == 0 && s.gpr[R_EDI] == 0 && !(s.rflags & FL_IF));
	cr_assert_eq(s.cr0 & (CR0_PE | CR0_PG), CR0_PE);
	cr_assert_eq(field(s.gdtr.base + 0x10, 8), 0x00cf9b000000ffff);
	cr_assert_eq(field(s.gdtr.base + 0x18, 8), 0x00cf93000000ffff);
	cr_assert(!memcmp(m.host + 0x100000, b.b + BZ_SETUP, BZ_PART));
	cr_assert(!memcmp(m.host + p + 0x202, "HdrS", 4) && field(p + 0x260, 4) == BZ_INIT_SIZE);
	cr_assert(field(p + 0x210, 1) == 0xff && (field(p + 0x211, 1) & 1) && field(p + 0x214, 4) == 0x100000);
	cr_assert_str_eq((char *)m.host + field(p + 0x228, 4), "console=ttyS0");
	cr_assert(field(p + 0x218, 4) == 0 && field(p + 0x21c, 4) == 0);
	cr_assert_eq(field(p + 0x1e8, 1), 3);
	cr_assert(field(p + 0x2d0 + 40, 8) == 0x100000 && field(p + 0x2d0 + 48, 8) == RAM - 0x100000 && field(p + 0x2d0 + 56, 4) == 1);
	cr_assert(p % PAGE_SIZE == 0 && p < 0x9fc00);
}

Test(bzimage, initrd)
{
	static struct bytes disk = { .n = 5000 };
	char path[64];
	memset(disk.b, 0x5a, disk.n);
	int fd = image_open(&disk, path, sizeof(path));
	uint64_t at;

	cr_assert_eq(load((struct load_request){ .initrd = path }), 0, "%s", why);
	at = field(s.gpr[R_ESI] + 0x218, 4);
	cr_assert_eq(at, RAM - 2 * PAGE_SIZE);
	cr_assert_eq(field(s.gpr[R_ESI] + 0x21c, 4), 5000);
	cr_assert(!memcmp(m.host + at, disk.b, disk.n));
	loader_free(&img);
	put(0x22c, 0x3fffff, 4); /* initrd_addr_max */
	cr_assert_eq(load((struct load_request){ .initrd = path }), 0, "%s", why);
	cr_assert_eq(field(s.gpr[R_ESI] + 0x218, 4), 0x400000 - 2 * PAGE_SIZE);
	loader_free(&img);
	put(0x22c, BZ_PREF + BZ_INIT_SIZE, 4);
	cr_assert_eq(load((struct load_request){ .initrd = path }), -EINVAL);
	cr_assert(strstr(why, "make it smaller"), "%s", why);
	image_bzimage(&b);
	cr_assert_eq(ftruncate(fd, RAM), 0);
	cr_assert_eq(load((struct load_request){ .initrd = path }), -EINVAL);
	cr_assert(strstr(why, "use --mem 18M"), "%s", why);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(load((struct load_request){ .initrd = path }), -EINVAL);
	cr_assert(strstr(why, "is empty"), "%s", why);
	image_close(fd);
	cr_assert_eq(load((struct load_request){ .initrd = "/no/such" }), -ENOENT);
}

Test(bzimage, command_line_limit)
{
	static char line[BZ_CMDLINE + 2];

	memset(line, 'a', BZ_CMDLINE);
	cr_assert_eq(load((struct load_request){ .append = line }), 0, "%s", why);
	loader_free(&img);
	line[BZ_CMDLINE] = 'a';
	cr_assert_eq(load((struct load_request){ .append = line }), -EINVAL);
	cr_assert(strstr(why, "this kernel takes 2047"), "%s", why);
}

Test(bzimage, malformed)
{
	put(0x202, 0, 4), refused("no \"HdrS\"");
	put(0x1fe, 0x1234, 2), refused("boot flag");
	put(0x206, 0x204, 2), refused("boot protocol is 2.04");
	put(0x211, 0, 1), refused("zImage");
	put(0x1f1, 0xff, 1), refused("real-mode sectors");
	put(0x1f1, 0, 1), b.n = 0xa00, refused("it is cut short"); /* 0 means 4 */
	put(0x1f4, 0x10000, 4), refused("protected-mode part");
	put(0x1f4, 0, 4), refused("protected-mode part");
	put(0x1f4, 0xffffffff, 4), refused("protected-mode part");
	put(0x201, 0x10, 1), refused("setup header ends");
	put(0x201, 0xff, 1), refused("setup header ends");
	put(0x230, 0x30000, 4), refused("power of two");
	put(0x230, 0, 4), refused("power of two");
	put(0x258, 0xffffffffff, 8), refused("wants to run at");
	put(0x258, 0, 8), put(0x234, 0, 1), refused("wants to run at");
	put(0x260, 0x2000000, 4), refused("use --mem 34M");
	put(0x260, 0xffffffff, 4), refused("link it lower");
	b.n = BZ_SETUP + BZ_PART - 0x100, refused("cut short");
	b.n = BZ_SETUP, refused("cut short");
	b.n = 0x208, refused("cut short");
	b.b[0] = 0x1f, b.b[1] = 0x8b, refused("compressed by gzip");
	memcpy(b.b, "\177ELF", 4), refused("ELF file");
}

Test(bzimage, what_it_does_not_take)
{
	char path[64];
	int fd;

	cr_assert_eq(load((struct load_request){ .modules = 1, .module = { { "/dev/null", NULL } } }), -EINVAL);
	cr_assert(strstr(why, "--initrd"), "%s", why);
	image_elf32(&b, &(struct recipe){ .multiboot = true });
	fd = image_open(&b, path, sizeof(path));
	cr_assert_eq(loader_load(&(struct load_request){ .path = path, .initrd = path }, &m, &img, &s, why, sizeof(why)), -EINVAL);
	cr_assert(strstr(why, "leave out --initrd"), "%s", why);
	image_close(fd);
}
