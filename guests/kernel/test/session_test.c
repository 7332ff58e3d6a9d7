/*
 * session_test.c - guests/kernel's programs on one engine (ENGINE): what they print must be what Linux prints natively.
 *
 * session.expected and stress.expected hold that text; engine "native" checks that Linux itself still prints it. After each
 * run the disk must be clean for e2fsck, and hold what the session left. The engines are those of `ringlab run`, and QEMU.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char engine[] = ENGINE;

static bool is(const char *name) { return !strcmp(engine, name); }
static bool qemu(void) { return !strncmp(engine, "qemu", 4); }

static char *load(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);
	size_t n = 0;

	cr_assert_not_null(f, "%s cannot be opened", path);
	for (size_t k; (k = fread(text + n, 1, (1 << 20) - 1 - n, f)) > 0;)
		n += k;
	fclose(f);
	for (char *from = text, *to = text;; from++) /* a terminal's line ends */
		if (*from != '\r' && !(*to++ = *from))
			break;
	return text;
}

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...)
{
	char command[4096];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* This engine as the options of ringlab; NULL: not one of ringlab's. */
static const char *options(void)
{
	static const struct { const char *engine, *options; } all[] = {
		{ "bt", "--backend bt" }, { "interp", "--backend interp" }, { "pv-xen", "--backend pv --interface xen" },
		{ "pv-previrt", "--backend pv --interface previrt" }, { "pv-patch", "--backend pv --interface patch" },
		{ "pv-trap", "--backend pv --interface trap" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (is(all[i].engine))
			return all[i].options;
	return NULL;
}

/* Why this engine cannot run the kernel here, in this build; NULL if it can. */
static const char *unable(void)
{
	bool slow = false, asan = false;

#ifdef RINGLAB_HOSTILE
	slow = true;
#endif
#ifdef __SANITIZE_ADDRESS__
	slow = asan = true;
#endif
	if (is("native"))
		return run("%s/true 2>/dev/null", PROGRAMS_BIN) ? "this host does not run i386 programs" : NULL;
	if (qemu())
		return run("command -v qemu-system-i386 >/dev/null") ? "qemu-system-i386 is not installed (Debian: qemu-system-x86)" : NULL;
	if (asan && !strncmp(engine, "pv", 2))
		return "pv's direct execution and AddressSanitizer want the same addresses";
	if (slow && !getenv("RINGLAB_KERNEL_ALL"))
		return "too slow in this preset; RINGLAB_KERNEL_ALL=1 runs it all the same";
	if (is("pv-previrt") && access(RINGLAB_GUESTS "/kernel-previrt.elf", R_OK))
		return "there is no pre-virtualized build of the kernel";
	if (run("%s run %s hello >/dev/null 2>&1 </dev/null", RINGLAB_BINARY, is("pv-previrt") ? "--backend pv" : options()))
		return "the engine is not available here (ringlab doctor says why)";
	return NULL;
}

/* The image that ringlab is to run. */
static const char *image(void)
{
	if (is("pv-previrt"))
		return RINGLAB_GUESTS "/kernel-previrt.elf";
	return is("pv-trap") || is("pv-patch") ? RINGLAB_GUESTS "/kernel.elf" : "kernel";
}

/*
 * Runs the program (words separated by commas) with this disk, and what the command `input` prints as its console's input;
 * what it prints goes to the file.
 */
static int on_engine(const char *program, const char *disk, const char *input, const char *out)
{
	int status;

	if (!qemu())
		return run("%s | timeout 100 %s run %s --disk %s --append run=%s %s >%s 2>&1", input, RINGLAB_BINARY, options(), disk, program, image(), out);
	status = run("%s | timeout 100 qemu-system-i386 -accel tcg -cpu max -m 64 -kernel %s/kernel.elf -append run=%s -display none -monitor none "
		"-serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 -drive file=%s,format=raw,if=%s >%s 2>&1", input, RINGLAB_GUESTS,
		program, disk, is("qemu-virtio") ? "virtio" : "ide", out);
	return status >> 1; /* isa-debug-exit gives (value << 1) | 1 */
}

/* The disk's files, on the host: the session's programs look for them behind $ROOT. */
static void copy_root(const char *root)
{
	cr_assert_eq(run("rm -rf %s && mkdir -p %s/home", root, root), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(run("%s -R 'rdump /%s %s' %s 2>/dev/null", DEBUGFS, i ? "data" : "etc", root, KERNEL_DISK), 0, "debugfs copies nothing");
}

/* The same program on the host's Linux. */
static int natively(const char *program, const char *root, const char *out)
{
	const char *argument = strchr(program, ',');
	int n = argument ? (int)(argument - program) : (int)strlen(program);

	copy_root(root);
	return run("cd /tmp && env -i PATH=%s ROOT=%s %s/%.*s %s%s >%s 2>&1 </dev/null", PROGRAMS_BIN, root, PROGRAMS_BIN, n - (int)strlen("/bin/"),
		program + strlen("/bin/"), argument ? root : "", argument ? argument + 1 : "", out);
}

/* The first line in which they differ, on stderr. */
static void show_difference(const char *want, const char *got)
{
	int line = 1;

	while (*want && *want == *got) {
		line += *want == '\n';
		want++;
		got++;
	}
	while (line > 1 && want[-1] != '\n')
		want--, got--;
	fprintf(stderr, "%s: line %d is\n%.*s\ninstead of\n%.*s\n", engine, line, (int)strcspn(got, "\n"), got, (int)strcspn(want, "\n"), want);
}

static void check(const char *name, const char *program, int want_status)
{
	char disk[512], out[512], path[512], root[512];
	char *want, *got;
	int status;

	if (unable())
		cr_skip_test("%s: %s", engine, unable());
	snprintf(disk, sizeof(disk), WORK_DIR "/%s-%s.img", engine, name);
	snprintf(out, sizeof(out), WORK_DIR "/%s-%s.out", engine, name);
	snprintf(path, sizeof(path), TEST_DIR "/%s.expected", name);
	cr_assert_eq(run("cp %s %s", KERNEL_DISK, disk), 0);
	snprintf(root, sizeof(root), WORK_DIR "/%s-%s.root", engine, name);
	status = is("native") ? natively(program, root, out) : on_engine(program, disk, ":", out);
	want = load(path);
	got = load(out);
	if (strcmp(want, got))
		show_difference(want, got);
	cr_expect(!strcmp(want, got), "%s prints something else on %s: see %s", program, engine, out);
	cr_expect_eq(status, want_status, "%s: status %d instead of %d", program, status, want_status);
	cr_expect_eq(run("%s -fn %s >%s.fsck 2>&1", E2FSCK, disk, out), 0, "e2fsck finds fault: see %s.fsck", out);
	free(want);
	free(got);
}

Test(kernel_session, stress)
{
	check("stress", "/bin/stress", 0);
}

Test(kernel_session, shell)
{
	char line[64] = "";
	FILE *p;

	check("session", "/bin/sh,/etc/session", 5);
	if (is("native"))
		return;
	p = popen(DEBUGFS " -R 'cat /home/left' " WORK_DIR "/" ENGINE "-session.img 2>/dev/null", "r");
	cr_assert(p && fgets(line, sizeof(line), p));
	pclose(p);
	cr_expect_str_eq(line, "hello from a session\n", "what the session wrote is not on the disk");
}

/* Keys on the console: lines, a wrong key taken back. */
Test(kernel_session, console)
{
	const char *out = WORK_DIR "/" ENGINE "-console.out", *disk = WORK_DIR "/" ENGINE "-console.img";
	char *got;
	int status;

	if (is("native"))
		cr_skip_test("%s: its terminal is Linux's", engine);
	if (unable())
		cr_skip_test("%s: %s", engine, unable());
	cr_assert_eq(run("cp %s %s", KERNEL_DISK, disk), 0);
	status = on_engine("/bin/sh", disk, "(sleep 1; printf 'echo a$((b\\necjo\\b\\bho typed $? | cat\\nexit 9\\n'; sleep 1)", out);
	got = load(out);
	cr_expect_eq(status, 9, "status %d: %s", status, got);
	cr_expect(strstr(got, "typed 0\n"), "%s", got);
	free(got);
}
