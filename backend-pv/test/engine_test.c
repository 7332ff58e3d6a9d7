/*
 * Direct execution as a user sees it: guests end as they should, sensitive unprivileged instructions go wrong exactly where
 * the literature says, an image below vm.mmap_min_addr runs, and the archive holds no translator.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "command.h"

/* Runs a shell command; its exit status, output of both streams in out. */
static int run(char *out, size_t n, const char *fmt, const char *a, const char *b)
{
	char command[1024];

	snprintf(command, sizeof(command), fmt, a, b);
	return command_run(out, n, command);
}

#define RUN RINGLAB_BINARY " run --backend pv --timeout 60 --interface %s %s 2>&1 </dev/null"

/* What guests/xen says of the ABI; the host's selectors show through where docs/pv-abi.md says so, and nowhere else. */
Test(pv, the_xen_abi_as_its_guests_see_it, .timeout = 120)
{
	static const char *const guests[] = { "xen/m2p", "--append seed=1 xen/storm", "--append seed=2 xen/storm", "--append seed=3 xen/storm",
		"xen/selectors" };
	char out[16384];

	if (!pv_available())
		return;
	for (unsigned i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
		cr_expect_eq(run(out, sizeof(out), RUN, "xen", guests[i]), 0, "%s:\n%s", guests[i], out);
		cr_expect_null(strstr(out, "WRONG"), "%s:\n%s", guests[i], out);
	}
	cr_expect_not_null(strstr(out, "HOLE 0x33: an offset beyond the guest's limit reads through the host's flat segment"), "%s", out);
	cr_expect_not_null(strstr(out, "LEAK FLAT_KERNEL_DS reads as its twin"), "%s", out);
}

Test(pv, hello_and_nano_on_both_interfaces, .timeout = 120)
{
	static const char *const guests[] = { "hello", "--append n=50 nano", "--append 'n=50 det' nano",
		"--user-isolation limits --append n=50 nano" };
	char out[16384];

	if (!pv_available())
		return;
	for (unsigned i = 0; i < 4; i++) {
		cr_expect_eq(run(out, sizeof(out), RUN, "xen", guests[i]), 0, "xen, %s:\n%s", guests[i], out);
		cr_expect_eq(run(out, sizeof(out), RUN, "trap", guests[i]), 0, "trap, %s:\n%s", guests[i], out);
	}
}

/*
 * Sensitive instructions under trap: wrong where they look at state that ring 3 shares with the host, right where they fault.
 * Robin and Irvine 2000, table 1 and section 3: SGDT SIDT SLDT STR SMSW PUSHF POPF LAR LSL VERR VERW POP PUSH CALL JMP INT RET
 * MOV. A guest is wrong here when it prints WRONG or ends otherwise than with 0.
 */
static const struct hole {
	const char *guest;
	bool wrong;
	const char *why;
} holes[] = {
	{ "sgdt", true, "host's table register, or UMIP's dummy" },
	{ "sidt", true, "host's table register, or UMIP's dummy" },
	{ "sldt", true, "host's LDT selector, or UMIP's dummy" },
	{ "str", true, "host's task register, or UMIP's dummy" },
	{ "smsw", true, "host's CR0, or UMIP's dummy" },
	{ "pushf", true, "IF and IOPL are the host's" },
	{ "popf", true, "IF and IOPL do not change, and nothing faults" },
	{ "lar", true, "asks the host's GDT" },
	{ "lsl", true, "asks the host's GDT" },
	{ "verr", true, "asks the host's GDT" },
	{ "verw", true, "asks the host's GDT" },
	{ "mov-from-cs", true, "shows the LDT selector that stands in" },
	{ "push-cs", true, "shows the LDT selector that stands in" },
	{ "mov-to-ss", true, "faults and is done, but reading SS back shows the stand-in" },
	{ "pop-ss", true, "faults and is done, but reading SS back shows the stand-in" },
	{ "int", true, "arrives, but its handler reads CS and the flags" },
	{ "far-ret", true, "arrives, but its target reads CS" },
	{ "far-jmp", true, "arrives, but its target reads CS" },
	{ "iret", true, "returns, but what it did to IF and IOPL does not show" },
	{ "cli", true, "faults and is done, but PUSHF does not show it" },
	{ "sti", true, "faults and is done, but PUSHF does not show it" },
	{ "far-call", false, NULL },
	{ "mov-to-ds", false, NULL },
	{ "int3", false, NULL },
	{ "into", false, NULL },
	{ "bound", false, NULL },
	{ "hlt", false, NULL },
	{ "lldt", false, NULL },
	{ "mov-cr", false, NULL },
	{ "mov-dr", false, NULL },
	{ "invlpg", false, NULL },
	{ "lmsw", false, NULL },
	{ "wbinvd", false, NULL },
	{ "rdmsr", false, NULL },
	{ "wrmsr", false, NULL },
	{ "in", false, NULL },
	{ "out", false, NULL },
	{ "ins", false, NULL },
	{ "outs", false, NULL },
	{ "page-fault", false, NULL },
	{ "trap-flag", false, NULL },
	{ "smc", false, NULL },
};

Test(pv, trap_goes_wrong_where_the_literature_says, .timeout = 120)
{
	char out[16384], name[64];

	if (!pv_available())
		return;
	for (unsigned i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
		snprintf(name, sizeof(name), "insn/%s", holes[i].guest);
		int status = run(out, sizeof(out), RUN, "trap", name);
		bool wrong = status != 0 || strstr(out, "WRONG");
		cr_expect_eq(wrong, holes[i].wrong, "%s is %s under trap (status %d), and should be %s%s%s", name, wrong ? "wrong" : "right", status,
			holes[i].wrong ? "wrong: " : "right", holes[i].wrong ? holes[i].why : "", "");
		if (holes[i].wrong)
			printf("hole: %-12s %s\n", holes[i].guest, holes[i].why);
	}
}

/* An ELF of one page at address 0: OUT of 7 to the debug-exit port, and before it a load from its own page. */
static void write_low_image(const char *path)
{
	static const uint8_t code[] = { 0xa1, 0x20, 0, 0, 0, /* mov 0x20,%eax */ 0x66, 0xba, 0xf4, 0, /* mov $0xf4,%dx */ 0xef, /* out */ 0xeb, 0xfe };
	uint8_t image[4096 + 64] = { 0 };
	Elf32_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC, .e_machine = EM_386,
		.e_version = EV_CURRENT, .e_entry = 0, .e_phoff = sizeof(h), .e_ehsize = sizeof(h), .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1 };
	Elf32_Phdr p = { .p_type = PT_LOAD, .p_offset = 4096, .p_filesz = 64, .p_memsz = 4096, .p_flags = 7 };
	FILE *f = fopen(path, "w");

	memcpy(image, &h, sizeof(h));
	memcpy(image + sizeof(h), &p, sizeof(p));
	memcpy(image + 4096, code, sizeof(code));
	image[4096 + 0x20] = 7;
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(image, 1, sizeof(image), f), sizeof(image));
	fclose(f);
}

Test(pv, an_image_below_mmap_min_addr_is_shifted, .timeout = 60)
{
	char path[] = "/tmp/ringlab-low-XXXXXX", out[4096];

	if (!pv_available())
		return;
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	close(fd);
	write_low_image(path);
	cr_expect_eq(run(out, sizeof(out), RUN, "trap", path), 7, "%s", out);
	cr_expect(strstr(out, "segment bases are shifted"), "nothing says so: %s", out);
	unlink(path);
}

Test(pv, the_archive_holds_no_translator)
{
	char out[1 << 16];

	cr_assert_eq(run(out, sizeof(out), "nm %s | grep -Ei 'ZydisEncoder|code_?cache|[ _]bt_' | grep -v '^$'%s", PV_ARCHIVE, ""), 1,
		"backend-pv refers to an encoder or a code cache:\n%s", out);
	cr_assert_eq(run(out, sizeof(out), "nm %s | grep -q pv_signal_entry%s", PV_ARCHIVE, ""), 0, "nm shows nothing at all");
}

/* docs/isolation.md: through the host's selectors user mode reaches the kernel under `limits`, and not under `unmap`. */
Test(pv, limits_is_defeated_and_unmap_is_not, .timeout = 60)
{
	static const char *const interfaces[] = { "trap", "xen" };
	char out[16384];

	if (!pv_available())
		return;
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(run(out, sizeof(out), RUN, interfaces[i], "--user-isolation limits hostile/user-reaches-kernel"), 1, "%s", out);
		cr_expect_not_null(strstr(out, "user mode wrote kernel memory"), "%s", out);
		cr_expect_eq(run(out, sizeof(out), RUN, interfaces[i], "--user-isolation unmap hostile/user-reaches-kernel"), 220, "%s", out);
		cr_expect_null(strstr(out, "succeeded"), "%s", out);
	}
}
