/*
 * demo_vt_x.c - what VT-x needs and does: the CPU's offer, a VMCS as KVM filled it, and exits by reason, with EPT and without.
 *
 * The VMCS is a recorded one (scripts/record-lectures): KVM's dump in the nested machine. Read next: demo_shadow_paging.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "demo.h"
#include "stage.h"

static void lines_show(struct stage *s, const char *caption, const json_t *lines, const char *const *want)
{
	char text[4000] = "";
	size_t at = 0, i;
	json_t *v;

	json_array_foreach(lines, i, v) {
		const char *line = json_string_value(v);
		bool shown = false;

		for (size_t k = 0; line && want[k]; k++)
			shown |= !strncmp(line, want[k], strlen(want[k]));
		if (shown && at < sizeof(text) - 100)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%.90s\n", line);
	}
	demo_lines(s, caption, text);
}

static void vmcs_show(struct stage *s)
{
	static const char *const offer[] = { "CPUID", "MSR 0x3a", "MSR 0x480", "MSR 0x481", "MSR 0x482", "MSR 0x48b", "MSR 0x48c", NULL };
	static const char *const fields[] = { "CR0:", "CR4:", "CR3 =", "RSP =", "CS: ", "SS: ", "TR: ", "RIP =", "CR0=", "CPUBased", "PinBased",
		"ExceptionBitmap", "EPT pointer", "Virtual processor", NULL };
	char path[1200];
	json_t *all;

	snprintf(path, sizeof(path), "%s/vmcs.json", s->setup->recorded);
	all = guest_json(path);
	if (!all) {
		demo_say(s, "No recorded VMCS here (docs/lectures/recorded/vmcs.json); scripts/record-lectures makes one.");
		return;
	}
	const json_t *how = json_object_get(all, "recorded"), *ept = json_object_get(all, "ept"), *shadow = json_object_get(all, "shadow");
	const char *machine = json_string_value(json_object_get(how, "machine")), *date = json_string_value(json_object_get(how, "date"));

	demo_step(s, "What the CPU offers");
	demo_say(s, "CPUID.1:ECX bit 5 says VMX. MSR 3Ah must allow it (bits 0 and 2). MSR 480h has the revision that the first word of the VMXON region and of "
		"each VMCS must hold; 481h and up say which controls may be 0 (low half) and which 1. Recorded: %s, %.10s.", machine ? machine : "?",
		date ? date : "?");
	lines_show(s, "the CPU of the nested machine, recorded", json_object_get(ept, "said"), offer);
	demo_step(s, "A VMCS, with EPT");
	demo_say(s, "A guest in protected mode with paging, its own CR3 2000h. KVM prints a VMCS only when entry fails, so one bit of TR was "
		"broken after the guest had run well; all else is as KVM left it.");
	lines_show(s, "guest, host and controls, recorded", json_object_get(ept, "dump"), fields);
	demo_step(s, "The same guest, with shadow paging");
	lines_show(s, "guest, host and controls, recorded", json_object_get(shadow, "dump"), fields);
	demo_say(s, "CR3 is no longer the guest's but the shadow's. The exception bitmap has bit 14 now: page faults exit. CPUBased has the bits for "
		"loads and stores of CR3 (15, 16) and INVLPG (9) now. And there is no EPT pointer.");
	json_decref(all);
}

/*
 * The count of one row of the column's events. With EPT also as the count of its kind, which tests look up in the column; both runs have
 * one name, so the other's stands under a key of its own.
 */
static long long count_fact(struct stage *s, const json_t *column, const json_t *event, bool ept)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	char key[120];

	if (ept)
		demo_fact_count(s, column, kind, NULL);
	snprintf(key, sizeof(key), "derived.vtx.%s.%s.%lld", ept ? "ept" : "shadow", kind,
		(long long)json_integer_value(json_object_get(json_object_get(event, "hw_reason"), "number")));
	return demo_fact(s, key, json_integer_value(json_object_get(event, "count")));
}

static void reasons_show(struct stage *s, const char *options, const char *what)
{
	static const char *const heads[] = { "exit reason", "", "kind", "count", "handled by", NULL };
	const json_t *c = demo_run(s, &(struct demo_guest){ "nano", "vtx", NULL, "det n=100", options, 0 });
	struct demo_table *t;
	json_t *e;
	size_t i;

	if (!demo_ran(s, c))
		return;
	demo_say(s, "%s: %s", demo_name(c), what);
	t = demo_table(s, heads);
	json_array_foreach(json_object_get(c, "events"), i, e) {
		const json_t *r = json_object_get(e, "hw_reason");

		if (!json_is_object(r) || !json_integer_value(json_object_get(e, "count")))
			continue;
		demo_cell(t, "%lld", (long long)json_integer_value(json_object_get(r, "number")));
		demo_cell(t, "%s", json_string_value(json_object_get(r, "name")));
		demo_cell(t, "%s", json_string_value(json_object_get(e, "kind")));
		demo_cell(t, "%lld", count_fact(s, c, e, !options));
		demo_cell(t, "%s", json_string_value(json_object_get(e, "handled_by")));
	}
	demo_table_end(t);
}

static int show(struct stage *s)
{
	vmcs_show(s);
	demo_step(s, "Why the guest was left, with EPT and without");
	demo_say(s, "The same guest, nano with 100 operations of each cell; one of them is this load of CR3.");
	if (demo_code(s, "nano.elf", "page_root_reload", 4))
		return 222;
	reasons_show(s, NULL, "with EPT");
	reasons_show(s, "--ept 0", "with shadow paging");
	demo_say(s, "Flags, system calls, segments and faults are in neither table: the guest has rings of its own. What shadow paging adds is all about memory: "
		"CR3, INVLPG, page faults.");
	demo_point(s, "VT-x gives the guest its rings back and lets the VMM choose, bit by bit, what it wants to be told; the rest is the guest's.",
		"R. Uhlig et al., Intel Virtualization Technology, IEEE Computer 38(5), 2005; Intel SDM vol. 3, chapters 24 to 28 and appendix A");
	return 0;
}

const struct demo demo_vt_x = { "vt-x", "what VT-x needs and does: a VMCS, exit reasons, EPT on and off", show };
