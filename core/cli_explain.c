/*
 * cli_explain.c - `ringlab explain INSTRUCTION`: how each backend handles it, from the backends' own rule tables.
 *
 * --json with no instruction prints every row of every backend; the tests hold the tables against the binary with it.
 */
#include <getopt.h>
#include <string.h>
#include <strings.h>
#include "cli.h"

/* "mov cr" matches "mov cr0" being asked for, and "MOV CR" too: the row's mnemonic is a prefix of the question or equal. */
static bool rule_matches(const struct backend_rule *r, const char *ask)
{
	size_t n = strlen(r->mnemonic);

	if (!strcasecmp(r->mnemonic, ask))
		return true;
	return !strncasecmp(r->mnemonic, ask, n) && ask[n] >= '0' && ask[n] <= '9';
}

static json_t *rule_json(const struct backend_ops *b, const struct backend_rule *r)
{
	return json_pack("{s:s,s:s?,s:s,s:s,s:s,s:s?,s:s?,s:s?,s:s?}", "backend", b->name, "interface", r->interface,
		"instruction", r->mnemonic, "kind", event_kind_name[r->kind], "mechanism", event_mech_name[r->mech],
		"handler", r->handler, "file", r->file, "guest", r->guest, "note", r->note);
}

static void rule_print(const struct backend_ops *b, const struct backend_rule *r)
{
	char who[32];

	snprintf(who, sizeof(who), "%s%s%s", b->name, r->interface ? ":" : "", r->interface ? r->interface : "");
	printf("%-10s %-22s %s\n", who, event_mech_name[r->mech], r->note ? r->note : "");
	if (r->handler)
		printf("%-10s   handled by %s() in %s\n", "", r->handler, r->file);
	printf("%-10s   counted as %s%s%s\n", "", event_kind_name[r->kind], r->guest ? ", tested by guest " : "",
		r->guest ? r->guest : "");
}

static int explain(const char *ask, bool json)
{
	json_t *all = json_array();
	unsigned n = 0;

	for (const struct backend_ops *const *b = cli_backends; *b; b++)
		for (size_t i = 0; i < (*b)->rule_count; i++) {
			const struct backend_rule *r = &(*b)->rules[i];
			if (ask && !rule_matches(r, ask))
				continue;
			n++;
			if (json)
				json_array_append_new(all, rule_json(*b, r));
			else
				rule_print(*b, r);
		}
	if (json) {
		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
	}
	json_decref(all);
	if (!n && ask) {
		say("no backend has a rule for '%s': it is not sensitive and runs as any other instruction, or it is misspelt; "
			"`ringlab explain --all` prints every rule", ask);
		return STATUS_USAGE;
	}
	return 0;
}

int cmd_explain(int argc, char **argv)
{
	static const struct option options[] = { { "json", 0, 0, 'j' }, { "all", 0, 0, 'a' }, { "help", 0, 0, 'h' }, { 0 } };
	bool json = false, all = false;
	char ask[64] = "";
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (c) {
		case 'j': json = true; break;
		case 'a': all = true; break;
		case 'h':
			printf("usage: ringlab explain [--json] INSTRUCTION | --all\n\nPrints, for each backend, how it handles the instruction: "
				"mechanism, function and file,\nand the guest that tests it. Examples: cpuid, popf, \"mov cr\", \"pop ss\".\n");
			return 0;
		default: return STATUS_USAGE;
		}
	for (int i = optind; i < argc; i++) {
		if (strlen(ask) + strlen(argv[i]) + 2 > sizeof(ask))
			return cli_usage("explain", "that is too long for an instruction");
		strcat(strcat(ask, i > optind ? " " : ""), argv[i]);
	}
	if (!*ask && !all)
		return cli_usage("explain", "name an instruction");
	return explain(all ? NULL : ask, json);
}
