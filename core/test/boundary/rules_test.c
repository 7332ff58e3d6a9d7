/*
 * The rule tables tell the truth: what `ringlab explain` names exists, and no sensitive instruction is forgotten.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All output of a shell command; the caller frees. */
static char *output_of(const char *command)
{
	FILE *p = popen(command, "r");
	size_t n = 0, room = 1 << 16;
	char *text = malloc(room);

	cr_assert_not_null(p);
	for (size_t got; (got = fread(text + n, 1, room - n - 1, p)) > 0;) {
		n += got;
		if (room - n < 2)
			text = realloc(text, room *= 2);
	}
	text[n] = 0;
	cr_assert_eq(pclose(p), 0, "%s failed", command);
	return text;
}

static char *file_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text;
	long n;

	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	text = calloc(1, (size_t)n + 1);
	if (fread(text, 1, (size_t)n, f) != (size_t)n)
		text[0] = 0;
	fclose(f);
	return text;
}

static json_t *all_rules(void)
{
	char *text = output_of(RINGLAB_BINARY " explain --json --all");
	json_t *rules = json_loads(text, 0, NULL);

	free(text);
	cr_assert(json_is_array(rules), "explain --json --all prints no array");
	return rules;
}

static const char *field(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* True if text has word as a whole identifier. */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p++)
		if ((p == text || !strchr("_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", p[-1])) &&
				(!p[n] || !strchr("_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", p[n])))
			return true;
	return false;
}

Test(rules, every_handler_is_a_function_of_the_binary)
{
	json_t *rules = all_rules(), *row;
	char *symbols = output_of("nm " RINGLAB_BINARY), want[160];
	size_t i;

	json_array_foreach(rules, i, row) {
		const char *handler = field(row, "handler");

		if (!handler)
			continue;
		snprintf(want, sizeof(want), " t %s\n", handler);
		bool found = strstr(symbols, want);
		want[1] = 'T';
		cr_expect(found || strstr(symbols, want), "%s: %s: the binary has no function %s", field(row, "backend"),
			field(row, "instruction"), handler);
	}
	free(symbols);
	json_decref(rules);
}

Test(rules, every_file_exists_and_holds_its_handler)
{
	json_t *rules = all_rules(), *row;
	size_t i;

	json_array_foreach(rules, i, row) {
		const char *file = field(row, "file"), *handler = field(row, "handler");
		char path[512], *text;

		if (file && !strncmp(file, "Linux: ", 7))
			continue; /* the host's kernel does it, in its own file */
		cr_expect(!handler == !file, "%s: %s names a handler or a file without the other", field(row, "backend"),
			field(row, "instruction"));
		if (!file || !handler)
			continue;
		snprintf(path, sizeof(path), "%s/%s", RINGLAB_SOURCE, file);
		text = file_text(path);
		cr_expect_not_null(text, "%s: %s: there is no file %s", field(row, "backend"), field(row, "instruction"), file);
		cr_expect(text && has_word(text, handler), "%s: %s: %s does not mention %s", field(row, "backend"),
			field(row, "instruction"), file, handler);
		free(text);
	}
	json_decref(rules);
}

/* Is there a line "name |" in guests.cfg? */
static bool guest_listed(const char *cfg, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = cfg; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, n) && line[n + strspn(line + n, " \t")] == '|')
			return true;
	return false;
}

Test(rules, every_guest_is_in_guests_cfg)
{
	char *cfg = file_text(RINGLAB_GUESTS "/guests.cfg");
	json_t *rules = all_rules(), *row;
	size_t i;

	cr_assert_not_null(cfg, "no " RINGLAB_GUESTS "/guests.cfg");
	json_array_foreach(rules, i, row) {
		const char *guest = field(row, "guest");

		cr_expect(!guest || guest_listed(cfg, guest), "%s: %s: guests.cfg has no guest '%s'", field(row, "backend"),
			field(row, "instruction"), guest);
	}
	free(cfg);
	json_decref(rules);
}

Test(rules, every_row_says_what_happens)
{
	json_t *rules = all_rules(), *row;
	size_t i;

	json_array_foreach(rules, i, row) {
		const char *note = field(row, "note"), *mech = field(row, "mechanism");

		cr_expect(note && strlen(note) > 8, "%s: %s has no note", field(row, "backend"), field(row, "instruction"));
		cr_expect(field(row, "handler") || !strcmp(mech, "native") || !strcmp(mech, "host-kernel emulation") ||
				!strcmp(field(row, "backend"), "vtx"),
			"%s: %s is done by '%s', but no handler is named", field(row, "backend"), field(row, "instruction"), mech);
	}
	json_decref(rules);
}

/*
 * Instructions that read or change privileged state, or behave by privilege: SDM vol. 3, 5.9 and table 26-3 onwards;
 * Robin and Irvine 2000. Other spellings that a table may use follow after '|'; "mov cr" stands for "mov cr0" too.
 */
static const char *const sensitive[] = {
	"sgdt", "sidt", "sldt", "str", "smsw", "lgdt", "lidt", "lldt", "ltr", "lmsw", "clts", "lar", "lsl", "verr", "verw", "arpl",
	"mov from seg|mov from cs|mov r, sreg", "push seg|push cs|push sreg", "mov to seg|mov to ss|mov sreg, r", "pop seg|pop ss|pop sreg",
	"lds|lss|les|lfs|lgs|lds/les/lfs/lgs/lss", "far call|call far", "far jmp|jmp far", "far ret|retf|ret far",
	"pushf|pushfd", "popf|popfd", "cli", "sti", "int", "int3", "into", "iret|iretd", "sysenter", "sysexit", "hlt",
	"mov cr0|mov cr", "mov cr2|mov cr", "mov cr3|mov cr", "mov cr4|mov cr", "mov dr", "invlpg", "wbinvd", "invd", "rdmsr", "wrmsr",
	"rdpmc", "in", "out", "ins", "outs", "cpuid", "rdtsc",
};

/* Does a row's mnemonic answer one of the spellings? */
static bool spelt(const char *spellings, const char *mnemonic)
{
	size_t n = strlen(mnemonic);

	for (const char *s = spellings; s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL)
		if (!strncmp(s, mnemonic, n) && (!s[n] || s[n] == '|'))
			return true;
	return false;
}

static bool covered(const json_t *rules, const char *backend, const char *interface, const char *spellings)
{
	json_t *row;
	size_t i;

	json_array_foreach(rules, i, row) {
		const char *which = field(row, "interface");

		if (!strcmp(field(row, "backend"), backend) && (!which || !interface || !strcmp(which, interface)) &&
				spelt(spellings, field(row, "instruction")))
			return true;
	}
	return false;
}

/* Each backend that has rules; pv once for each interface that its rows name. */
Test(rules, no_sensitive_instruction_is_forgotten)
{
	json_t *rules = all_rules(), *row, *seen = json_object();
	unsigned n = 0;
	size_t i;

	json_array_foreach(rules, i, row) {
		const char *backend = field(row, "backend"), *interface = field(row, "interface");
		char who[64];

		snprintf(who, sizeof(who), "%s:%s", backend, interface ? interface : "");
		if (json_object_get(seen, who))
			continue;
		json_object_set_new(seen, who, json_true());
		n++;
		for (size_t k = 0; k < sizeof(sensitive) / sizeof(sensitive[0]); k++)
			cr_expect(covered(rules, backend, interface, sensitive[k]), "%s has no row for '%s'", who, sensitive[k]);
	}
	cr_expect_geq(n, 1, "no backend of this build has rules");
	json_decref(seen);
	json_decref(rules);
}
