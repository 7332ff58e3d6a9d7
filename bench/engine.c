/*
 * engine.c - the engines that a benchmark can put side by side, and the command line that runs a guest on each.
 *
 * Peers run the very same image. An engine that cannot run here says so in a sentence, which the table prints.
 */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

const struct engine engines[] = {
	{ "native", "the same object files in a 32-bit Linux program", false, false },
	{ "bt", "binary translation of the Multiboot image", false, false },
	{ "pv-trap", "direct execution of the Multiboot image, trap interface", false, false },
	{ "pv-patch", "direct execution of the Multiboot image, rewritten at load time", false, false },
	{ "pv-previrt", "direct execution of the pre-virtualized image, patched at load time", false, false },
	{ "pv-xen", "direct execution of the Xen image, hypercalls", false, false },
	{ "interp", "the reference interpreter", true, false },
	{ "vtx", "VT-x through /dev/kvm", false, false },
	{ "qemu-tcg", "qemu-system-i386, TCG, the same Multiboot image", true, false },
	{ "bochs", "Bochs, an interpreter of a whole PC, the same Multiboot image; timed from outside", true, true },
};
const size_t engine_count = sizeof(engines) / sizeof(engines[0]);

const struct engine *engine_find(const char *name)
{
	for (size_t i = 0; i < engine_count; i++)
		if (!strcmp(engines[i].name, name))
			return &engines[i];
	return NULL;
}

bool list_has(const char *list, const char *name)
{
	size_t n = strlen(name);

	if (!list)
		return true;
	for (const char *p = list; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");

		if (len == n && !strncmp(p, name, n))
			return true;
		p += len;
	}
	return false;
}

/* Appends a copy of a word to the command. */
const char *command_add(struct command_builder *b, const char *fmt, ...)
{
	char *at = b->c->store + b->used;
	size_t room = sizeof(b->c->store) - b->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || b->args + 1 >= ENGINE_ARGS)
		return at;
	b->c->argv[b->args++] = at;
	b->c->argv[b->args] = NULL;
	b->used += (size_t)n + 1;
	return at;
}

/* Each word of a blank-separated list becomes one argument. */
void command_add_words(struct command_builder *b, const char *words)
{
	while (*words) {
		size_t n = strcspn(words, " ");

		if (n)
			command_add(b, "%.*s", (int)n, words);
		words += n + (words[n] == ' ');
	}
}

static const char *missing(const char *path)
{
	return access(path, R_OK) ? "there is no image of the guest for it" : NULL;
}

static const char *command_native(struct command_builder *b, const struct engine_paths *p, const char *guest, const char *words)
{
	const char *program = command_add(b, "%s/%s-native", p->guests, guest);

	command_add_words(b, words);
	return missing(program);
}

static const char *command_qemu(struct command_builder *b, const struct engine_paths *p, const char *guest, const char *words)
{
	const char *kernel;

	if (access("/usr/bin/qemu-system-i386", X_OK))
		return "qemu-system-i386 is not installed (package qemu-system-x86)";
	command_add(b, "qemu-system-i386");
	command_add_words(b, "-accel tcg -display none -nodefaults -no-reboot -m 64 -serial stdio"
		" -device isa-debug-exit,iobase=0xf4,iosize=4 -cpu pentium3 -kernel");
	kernel = command_add(b, "%s/%s.elf", p->guests, guest);
	command_add(b, "-append");
	command_add(b, "%s", words);
	return missing(kernel);
}

static const char *command_bochs(struct command_builder *b, const struct engine_paths *p, const char *guest, const char *words)
{
	const char *kernel;

	if (access("/usr/bin/bochs", X_OK))
		return "bochs is not installed (packages bochs, bochs-term, bochsbios, vgabios, isolinux, syslinux-common, xorriso)";
	command_add(b, RINGLAB_SOURCE "/scripts/bochs-guest");
	kernel = command_add(b, "%s/%s.elf", p->guests, guest);
	command_add(b, "%s", words);
	return missing(kernel);
}

static const char *command_ringlab(struct command_builder *b, const struct engine *e, const struct engine_paths *p, const char *guest,
	const char *words)
{
	bool pv = !strncmp(e->name, "pv-", 3);
	const char *build = !strcmp(e->name, "pv-xen") ? "-xen" : !strcmp(e->name, "pv-previrt") ? "-previrt" : "";

	command_add(b, "%s", p->ringlab);
	command_add(b, "run");
	command_add(b, "--backend");
	command_add(b, "%s", pv ? "pv" : e->name);
	if (pv) {
		command_add(b, "--interface");
		command_add(b, "%s", e->name + 3);
	}
	command_add(b, "--append");
	command_add(b, "%s", words);
	return missing(command_add(b, "%s/%s%s.elf", p->guests, guest, build));
}

const char *engine_command(const struct engine *e, const struct engine_paths *p, const char *guest, const char *words,
	struct engine_command *out)
{
	struct command_builder b = { .c = out };

	if (!strcmp(e->name, "native"))
		return command_native(&b, p, guest, words);
	if (!strcmp(e->name, "qemu-tcg"))
		return command_qemu(&b, p, guest, words);
	if (!strcmp(e->name, "bochs"))
		return command_bochs(&b, p, guest, words);
	return command_ringlab(&b, e, p, guest, words);
}
