/*
 * What afterburn makes of assembly text: which instructions become sites of which kind, what is left alone, and what the check finds.
 *
 * Each test writes a source file, compiles it by `afterburn gcc`, links it, and reads `afterburn --list` and `--check`.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/ringlab-afterburn-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(afterburn, .init = setup, .fini = teardown, .timeout = 60);

/* Runs a command with %1$s = dir; its exit status, both streams in out. */
static int run(char *out, size_t n, const char *command)
{
	char cmd[2048];
	size_t got = 0, r;

	snprintf(cmd, sizeof(cmd), "cd %s && { %s; } 2>&1", dir, command);
	FILE *p = popen(cmd, "r");
	cr_assert_not_null(p);
	while (got < n - 1 && (r = fread(out + got, 1, n - 1 - got, p)) > 0)
		got += r;
	out[got] = 0;
	int status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void source(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

#define CC AFTERBURN " gcc -m32 -march=i686 -O2 -ffreestanding -fno-pic -fcf-protection=none -fno-asynchronous-unwind-tables -c "
#define LINK "ld -m elf_i386 --no-warn-rwx-segments -Ttext 0x100000 -e 0x100000 "

/* Assembles body in .text, links it, and lists the sites into out. */
static void list(char *out, size_t n, const char *body, const char *options)
{
	char text[4096], cmd[1024];

	snprintf(text, sizeof(text), "\t.text\n\t.globl f\nf:\n%s\n\tret\n\t.section .note.GNU-stack,\"\",@progbits\n", body);
	source("a.s", text);
	snprintf(cmd, sizeof(cmd), CC "a.s -o a.o %s && " LINK "a.o -o a.elf && " AFTERBURN " --list a.elf", options);
	run(out, n, cmd); /* the caller looks at what it says */
}

static unsigned occurrences(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void check_is_clean(const char *body)
{
	char out[4096];

	cr_expect_eq(run(out, sizeof(out), AFTERBURN " --check a.elf"), 0, "%s:\n%s", body, out);
}

Test(afterburn, knows_every_sensitive_instruction)
{
	static const struct { const char *text, *kind; } cases[] = {
		{ "cli", "cli" }, { "sti", "sti" }, { "pushf", "pushf" }, { "pushfl", "pushf" }, { "pushfw", "pushf" }, { "popf", "popf" }, { "popfl", "popf" },
		{ "iret", "iret" }, { "iretl", "iret" }, { "hlt", "hlt" }, { "int $0x80", "int" }, { "sysexit", "sysexit" },
		{ "lgdt f", "lgdt" }, { "lgdtl 4(%eax,%ecx,2)", "lgdt" }, { "lidt (%esp)", "lidt" }, { "lldt %ax", "lldt" }, { "ltr %cx", "ltr" },
		{ "sgdt f", "sgdt" }, { "sidtl f", "sidt" }, { "sldt %eax", "sldt" }, { "str (%ebx)", "str" }, { "smsw %ax", "smsw" }, { "lmsw %ax", "lmsw" },
		{ "clts", "clts" }, { "invlpg (%eax)", "invlpg" }, { "mov %cr0,%eax", "mov from cr" }, { "movl %ecx, %cr3", "mov to cr" },
		{ "mov %dr7,%eax", "mov dr" }, { "mov %eax,%db0", "mov dr" }, { "wbinvd", "wbinvd" }, { "invd", "wbinvd" }, { "rdmsr", "rdmsr" },
		{ "wrmsr", "wrmsr" }, { "rdpmc", "rdpmc" }, { "inb $0x60,%al", "in" }, { "in %dx,%eax", "in" }, { "inw (%dx),%ax", "in" },
		{ "outb %al,$0x80", "out" }, { "outl %eax,%dx", "out" }, { "insb", "ins" }, { "rep insl", "ins" }, { "rep; insw", "ins" },
		{ "outsb", "outs" }, { "rep; outsl", "outs" }, { "mov %ds,%eax", "mov from seg" }, { "movw %cs,(%eax)", "mov from seg" },
		{ "push %cs", "push seg" }, { "pushl %fs", "push seg" }, { "mov %eax,%ds", "mov to seg" }, { "movw %ax,%ss", "mov to seg" },
		{ "movw (%eax),%es", "mov to seg" }, { "pop %ds", "pop seg" }, { "popl %gs", "pop seg" }, { "pop %ss", "pop seg" },
		{ "lds (%eax),%ecx", "lds" }, { "lss f,%esp", "lds" }, { "lfsl (%eax),%eax", "lds" },
		{ "ljmp $0x10,$f", "far jmp" }, { "ljmp *(%eax)", "far jmp" }, { "lcall $0x10,$f", "far call" }, { "lcall *f", "far call" },
		{ "lret", "far ret" }, { "lret $4", "far ret" }, { "lar %cx,%eax", "lar" }, { "lsl (%eax),%ecx", "lsl" }, { "verr %ax", "verr" },
		{ "verw f", "verw" }, { "cpuid", "cpuid" },
	};
	char out[8192], want[64];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		list(out, sizeof(out), cases[i].text, "");
		snprintf(want, sizeof(want), ": %s", cases[i].kind);
		cr_expect(strstr(out, want) && strstr(out, "\n1 sites\n"), "`%s` should be one site of kind %s:\n%s", cases[i].text, cases[i].kind, out);
		check_is_clean(cases[i].text);
	}
}

Test(afterburn, leaves_alone_what_is_not_sensitive)
{
	char out[4096];

	list(out, sizeof(out), "movl %ds:(%eax),%ecx\n mov %eax,%ebx # cli; sti\n /* hlt; \n in */ nop\n int3\n into\n bound %eax,(%ecx)\n arpl %ax,%cx\n"
		"sti_label: jmp cli\n cli: nop; pushal; popal; push %eax; ret $4\n jmp *%eax; call *4(%ecx)\n .ascii \"cli; sti # \\\" hlt\"\n rdtsc\n"
		" .section .rodata\n .ascii \"hlt\"\n .text\n .code16\n cli\n sti\n .code32\n", "-Wa,--afterburn-quiet");
	cr_expect(strstr(out, "\n0 sites\n") || !strcmp(out, "0 sites\n") || strstr(out, "no section"), "%s", out);
}

Test(afterburn, several_statements_labels_macros_and_repetitions)
{
	char out[8192];

	list(out, sizeof(out), "1: two: cli; 3: sti;nop ; hlt\n jmp 1b\n .macro TWICE r\n mov %cr0,\\r\n mov \\r,%cr0\n .endm\n TWICE %eax\n TWICE %edx\n"
		".rept 3\n pushf\n popf\n .endr\n .irp s, ds, es\n push %\\s\n .endr\n", "");
	cr_expect_eq(occurrences(out, ": cli"), 1, "%s", out);
	cr_expect_eq(occurrences(out, ": sti"), 1, "%s", out);
	cr_expect_eq(occurrences(out, ": hlt"), 1, "%s", out);
	cr_expect_eq(occurrences(out, ": mov from cr"), 2, "%s", out);
	cr_expect_eq(occurrences(out, ": mov to cr"), 2, "%s", out);
	cr_expect_eq(occurrences(out, ": pushf"), 3, "%s", out);
	cr_expect_eq(occurrences(out, ": popf"), 3, "%s", out);
}

Test(afterburn, the_operand_that_a_macro_makes_is_found_by_the_check)
{
	char out[4096];

	/* The text cannot tell that `push %\s` pushes a segment register; what was assembled can. */
	list(out, sizeof(out), ".irp s, ds, es\n push %\\s\n .endr\n .byte 0xfa\n", "");
	cr_expect_eq(run(out, sizeof(out), AFTERBURN " --check a.elf"), 1, "%s", out);
	cr_expect_eq(occurrences(out, "not annotated"), 3, "%s", out);
	cr_expect(strstr(out, "cli"), "%s", out);
}

Test(afterburn, intel_syntax)
{
	char out[4096];

	list(out, sizeof(out), ".intel_syntax noprefix\n mov eax, cr0\n mov cr3, eax\n mov ax, ds\n mov ss, ax\n push fs\n in al, dx\n out 0x80, al\n int 0x80\n"
		"lgdt [eax]\n mov eax, [ebx]\n retf\n .att_syntax prefix\n", "");
	cr_expect(strstr(out, ": mov from cr") && strstr(out, ": mov to cr") && strstr(out, ": mov from seg") && strstr(out, ": mov to seg"), "%s", out);
	cr_expect(strstr(out, "\n10 sites\n"), "%s", out);
	check_is_clean("intel");
}

Test(afterburn, room_and_place_of_the_nops)
{
	char out[4096];

	list(out, sizeof(out), "cli\n sti\n hlt\n int $0x80\n mov %eax,%ss\n mov %eax,%ds\n", "");
	cr_expect(strstr(out, " 8 bytes, instruction of 1 at +0: cli"), "%s", out);
	cr_expect(strstr(out, "22 bytes, instruction of 1 at +21: sti"), "STI is followed by the instruction that it shields:\n%s", out);
	cr_expect(strstr(out, " 7 bytes, instruction of 1 at +0: hlt"), "%s", out);
	cr_expect(strstr(out, " 9 bytes, instruction of 2 at +7: int"), "INT is followed by its return address:\n%s", out);
	cr_expect(strstr(out, " 9 bytes, instruction of 2 at +7: mov to seg"), "so is a load of SS:\n%s", out);
	cr_expect(strstr(out, " 7 bytes, instruction of 2 at +0: mov to seg"), "%s", out);
}

Test(afterburn, when_flags_are_dead)
{
	char out[4096];

	list(out, sizeof(out), "sti\n add %eax,%eax\n cli\n", "");
	cr_expect(strstr(out, "sti, flags dead"), "%s", out);
	list(out, sizeof(out), "sti\n mov %eax,%ecx\n jz 1f\n 1: nop\n", "");
	cr_expect(strstr(out, "sti\n"), "JZ reads them:\n%s", out);
	list(out, sizeof(out), "sti\n ret\n", "");
	cr_expect(strstr(out, "sti\n"), "a person's RET may return them:\n%s", out);
	list(out, sizeof(out), "sti\n 1: add %eax,%eax\n", "");
	cr_expect(strstr(out, "sti\n"), "a label ends what is known:\n%s", out);
}

Test(afterburn, c_code_with_functions_and_markers_of_page_table_writes)
{
	char out[4096];

	source("a.c", "typedef unsigned u; u n;\n"
		"__attribute__((noinline)) void set_pte(volatile u *p, u v) { n += v; *p = v; }\n"
		"void other(volatile u *p, u v) { *p = v; }\n"
		"void marked(volatile u *p, u v) { __asm__ volatile(\"# afterburn: pte\" ::: \"memory\"); *p = v;\n"
		"__asm__ volatile(\"# afterburn: end\" ::: \"memory\"); p[1] = v; }\n"
		"int irq_on(void) { __asm__ volatile(\"sti\" ::: \"memory\"); return 0; }\n"
		"__attribute__((section(\".utext\"))) void user(void) { __asm__ volatile(\"int $0x80\"); }\n"
		"void f(void) { set_pte(&n, 1); }\n");
	cr_expect_eq(run(out, sizeof(out), CC "a.c -o a.o -Wa,--afterburn-pte=set_pte -Wa,--afterburn-skip=.utext && " LINK "a.o -o a.elf && "
		AFTERBURN " --list a.elf"), 0, "%s", out);
	cr_expect_eq(occurrences(out, ": page-table write"), 2, "%s", out);
	cr_expect_eq(occurrences(out, ": sti, flags dead"), 1, "the compiler holds no flags over a return:\n%s", out);
	cr_expect_eq(occurrences(out, ": int"), 0, "%s", out);
	cr_expect(strstr(out, "\n3 sites\n"), "%s", out);
	cr_expect_eq(run(out, sizeof(out), AFTERBURN " --check a.elf --afterburn-skip=.utext"), 0, "%s", out);
	cr_expect_eq(run(out, sizeof(out), AFTERBURN " --check a.elf"), 1, "%s", out);
}

Test(afterburn, check_finds_a_missing_and_a_false_annotation)
{
	char out[4096];

	list(out, sizeof(out), "cli\n hlt\n", "");
	check_is_clean("cli, hlt");
	cr_expect_eq(run(out, sizeof(out), "objcopy --remove-section .ringlab.afterburn a.elf b.elf && " AFTERBURN " --check b.elf"), 1, "%s", out);
	cr_expect_eq(occurrences(out, "not annotated"), 2, "%s", out);
	/* The first record's address, one too high. */
	cr_expect_eq(run(out, sizeof(out), "objcopy -O binary -j .ringlab.afterburn --set-section-flags .ringlab.afterburn=alloc a.elf r.bin && "
		"printf '\\001' | dd of=r.bin bs=1 conv=notrunc status=none && objcopy --update-section .ringlab.afterburn=r.bin a.elf b.elf && "
		AFTERBURN " --check b.elf"), 1, "%s", out);
	cr_expect(strstr(out, "a site") && strstr(out, "not annotated"), "%s", out);
}

Test(afterburn, an_object_that_is_not_annotated_fails_a_strict_build)
{
	char out[4096];

	source("a.s", "\t.text\nf:\t.byte 0xf4\n");
	cr_expect_eq(run(out, sizeof(out), CC "a.s -o a.o"), 0, "%s", out);
	cr_expect(strstr(out, "not annotated"), "a warning at least: %s", out);
	cr_expect_neq(run(out, sizeof(out), CC "a.s -o a.o -Wa,--afterburn-strict"), 0, "%s", out);
}

Test(afterburn, messages_keep_their_line_numbers)
{
	char out[4096];

	source("a.s", "\t.text\n\tcli\n\tsti; hlt\n\tnonsense\n");
	cr_expect_neq(run(out, sizeof(out), CC "a.s -o a.o"), 0, "%s", out);
	cr_expect(strstr(out, ":4:"), "%s", out);
}

Test(afterburn, sixty_four_bit_code_passes_untouched)
{
	char out[4096];

	source("a.s", "\t.text\n\t.globl _start\n_start:\tcli\n\thlt\n");
	cr_expect_eq(run(out, sizeof(out), AFTERBURN " gcc -c a.s -o a.o && objdump -h a.o"), 0, "%s", out);
	cr_expect_null(strstr(out, "ringlab"), "%s", out);
}
