/*
 * demo.c - the list of demonstrations, and how one is shown.
 *
 * Every name is in the list from the start; each becomes real with its file, demo_NAME.c. Called by core/cli_demo.c. Read next:
 * demo_rings.c, then stage.c.
 */
#include <errno.h>
#include <string.h>
#include "core/vm.h"
#include "stage.h"

/* In the order in which they build on each other. Weak: a demonstration whose file is not there is NULL here, and is passed over. */
#define DEMOS(X) \
	X(rings) \
	X(ring_aliasing) \
	X(ring_compression) \
	X(address_space_compression) \
	X(nonfaulting_state) \
	X(guest_syscalls) \
	X(interrupt_virtualization) \
	X(hidden_state) \
	X(trap_and_emulate) \
	X(binary_rewriting) \
	X(binary_translation) \
	X(paravirtualization) \
	X(pre_virtualization) \
	X(vt_x) \
	X(shadow_paging) \
	X(devices) \
	X(64_bit)

#define DECLARE(name) extern const struct demo demo_##name __attribute__((weak));
DEMOS(DECLARE)
#define ROW(name) &demo_##name,
static const struct demo *const demos[] = { DEMOS(ROW) };
#define DEMO_COUNT (sizeof(demos) / sizeof(demos[0]))

const struct demo *demo_at(unsigned i)
{
	for (size_t at = 0; at < DEMO_COUNT; at++)
		if (demos[at] && !i--)
			return demos[at];
	return NULL;
}

/* The titles' column begins behind the longest name, and titles stay in it. */
int demo_list(void)
{
	const struct demo *d;
	size_t width = 0;

	for (unsigned i = 0; (d = demo_at(i)); i++)
		width = strlen(d->name) > width ? strlen(d->name) : width;
	for (unsigned i = 0; (d = demo_at(i)); i++) {
		const char *name = d->name, *rest = d->title;

		while (*rest) {
			const char *next;
			size_t n = stage_wrap(rest, STAGE_WIDTH - width - 2, &next);

			printf("%-*s  %.*s\n", (int)width, name, (int)n, rest);
			name = "";
			rest = next;
		}
	}
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	say("cannot write to standard output");
	return -EIO;
}

int demo_show(const char *name, const struct demo_setup *setup)
{
	struct stage s = { .setup = setup };
	int status;

	for (unsigned i = 0; (s.demo = demo_at(i)) && strcmp(s.demo->name, name); i++)
		;
	if (!s.demo) {
		say("there is no demonstration '%s'; there are:", name);
		for (unsigned i = 0; (s.demo = demo_at(i)); i++)
			say("  %s", s.demo->name);
		return -ENOENT;
	}
	if (stage_begin(&s)) {
		say("out of memory");
		return 222;
	}
	status = s.demo->show(&s);
	return stage_end(&s, !status) ? 222 : status;
}
