/*
 * cases.c - named regressions: every difference that was found once, cut down, with the state it needs.
 *
 * report.c prints a new one in this form. test_cases.c runs each on the oracle and the engine.
 */
#include <stdlib.h>
#include <string.h>
#include <Zydis/Zydis.h>
#include "gen.h"

const struct it_case it_cases[] = {
	{ .name = "push-esp", .note = "PUSH ESP stores the old value", .code = "54" },
	{ .name = "pop-esp", .note = "POP ESP: the increment is lost", .code = "5c", .mem = "30000800:44332211" },
	{ .name = "pop-mem-esp", .note = "POP [ESP]: the address uses the incremented ESP (SDM vol. 2, POP)", .code = "8f0424",
	  .mem = "30000800:44332211" },
	{ .name = "rep-movs-fault", .note = "a fault in the middle leaves ECX, ESI, EDI at the element", .code = "f3a5",
	  .gpr = { 0, 16, 0, 0, 0, 0, 0x20000100, 0x20001ff4 }, .image_seed = 7 },
	{ .name = "rep-cmps-fault", .note = "flags of a faulting REPE CMPS are those before it", .code = "f3a6",
	  .gpr = { 0, 16, 0, 0, 0, 0, 0x20002ff4, 0x20000000 }, .eflags = FL_ARITH },
	{ .name = "xchg-ro", .note = "a read-modify-write of a read-only page is a write fault", .code = "8703",
	  .gpr = { 1, 0, 0, 0x20002000 } },
	{ .name = "cmpxchg-ro", .note = "CMPXCHG writes even when it does not match", .code = "0fb10b", .gpr = { 1, 2, 0, 0x20002000 } },
	{ .name = "bt-mem-negative", .note = "BT with a register reaches below its operand", .code = "0fa30b",
	  .gpr = { 0, 0xffffff00, 0, 0x20000100 }, .image_seed = 5 },
	{ .name = "enter-nested", .note = "ENTER with nesting reads the old frames", .code = "c8100003",
	  .gpr = { 0, 0, 0, 0, 0, 0x30000900 }, .image_seed = 9 },
	{ .name = "fetch-fault", .note = "an instruction that runs off the last code page", .code = "b8000000", .eip = 0x1001fffd },
	{ .name = "cross-page-store", .note = "a store across into a read-only page changes nothing", .code = "8903",
	  .gpr = { 0x11223344, 0, 0, 0x20001ffe } },
	{ .name = "call-stack-fault", .note = "CALL whose push faults leaves ESP and EIP", .code = "e800000000",
	  .gpr = { 0, 0, 0, 0, 0x30000002 } },
	{ .name = "int-80", .note = "INT 80h stays inside", .code = "cd80", .gpr = { 20 } },
	{ .name = "das", .note = "decimal adjust: flags in, flags out", .code = "2f", .gpr = { 0x9a }, .eflags = FL_CF | FL_AF },
	{ .name = "smc-loop", .note = "a loop that rewrites the immediate of its own first instruction", .code = "0501000000c6050141002007e2f2",
	  .gpr = { 0, 3 }, .eip = 0x20004100 },
	{ .name = "smc-next", .note = "the very next instruction is rewritten", .code = "c6050841002042b811223344", .eip = 0x20004100 },
	{ .name = "store-through-cs", .note = "a store with a CS override is #GP", .code = "2e8803", .gpr = { 0, 0, 0, 0x20000000 } },
	{ .name = "store-high-byte-cs", .note = "the same from AH, which bt stores in another way", .code = "2e8823",
	  .gpr = { 0, 0, 0, 0x20000000 } },
	{ .name = "jmp-m16", .note = "an indirect branch with a 16-bit operand truncates EIP", .code = "66ff23", .gpr = { 0, 0, 0, 0x20000000 },
	  .image_seed = 3 },
	{ .name = "jecxz-16", .note = "JECXZ with a 16-bit operand truncates EIP", .code = "66e300" },
	{ .name = "moffs16", .note = "a 16-bit absolute offset is zero-extended", .code = "67a052a8" },
	{ .name = "moffs16-high-byte", .note = "the same in ModRM form", .code = "6788265290" },
	{ .name = "fcomi-pending", .note = "FCOMI checks for a pending exception", .code = "dcb6cdd5ffffdbf2",
	  .gpr = { 0, 0, 0, 0, 0, 0, 0x20002e91 }, .image_seed = 0x7308c049, .fx = "0:7d05" },
	{ .name = "fist-unmasked", .note = "a store that meets an unmasked invalid operand stores nothing", .code = "df9103000020",
	  .image_seed = 11, .fx = "0:7e03" },
	{ .name = "underflow-exact", .note = "an exact tiny result traps when underflow is unmasked", .code = "0f5ca8011700a0",
	  .gpr = { 0x7fffffff }, .image_seed = 0xe399cde3, .fx = "24:8017" },
	{ .name = "fxsave-edge", .note = "FXSAVE touches all its 512 bytes", .code = "0fae03", .gpr = { 0, 0, 0, 0x20004e30 } },
	{ .name = "fwait", .note = "FWAIT has no operand", .code = "9b" },
	{ .name = "sse-misaligned", .note = "#GP(0) for a misaligned operand", .code = "0f5803", .gpr = { 0, 0, 0, 0x20000004 } },
	{ .name = "arpl-ro", .note = "ARPL that changes nothing does not write", .code = "6303", .gpr = { 0, 0, 0, 0x20002000 } },
};
const unsigned it_case_count = ARRAY_LEN(it_cases);

static unsigned hex_bytes(const char *s, uint8_t *out, unsigned max, const char **end)
{
	unsigned n = 0;

	for (; n < max; n++, s += 2) {
		char two[3] = { s[0], s[0] ? s[1] : 0, 0 };

		if (!two[0] || two[0] == ' ')
			break;
		out[n] = (uint8_t)strtoul(two, NULL, 16);
	}
	*end = s;
	return n;
}

static void case_patches(const struct it_case *c, struct itest *t)
{
	const char *s = c->mem;

	while (s && *s && t->patches < IT_PATCHES) {
		struct it_patch *p = &t->patch[t->patches++];

		p->at = (uint32_t)strtoul(s, (char **)&s, 16);
		p->len = (uint8_t)hex_bytes(s + 1, p->byte, IT_PATCH_LEN, &s);
		while (*s == ' ')
			s++;
	}
	for (s = c->fx; s && *s;) {
		unsigned long o = strtoul(s, (char **)&s, 10);

		if (o < 512)
			hex_bytes(s + 1, t->fx + o, 512 - (unsigned)o, &s);
		while (*s == ' ')
			s++;
	}
}

static void case_boundaries(struct itest *t)
{
	ZydisDecoder d;
	ZydisDecodedInstruction in;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	while (t->off[t->insns] < t->len && t->insns < IT_INSNS) {
		uint8_t at = t->off[t->insns];
		bool ok = ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, t->code + at, t->len - at, &in));

		t->off[++t->insns] = ok ? (uint8_t)(at + in.length) : t->len;
	}
}

void case_test(const struct it_case *c, struct itest *t)
{
	const char *end, *why;

	memset(t, 0, sizeof(*t));
	t->len = (uint8_t)hex_bytes(c->code, t->code, IT_CODE_MAX, &end);
	memcpy(t->gpr, c->gpr, sizeof(t->gpr));
	if (!t->gpr[R_ESP])
		t->gpr[R_ESP] = IT_STACK + 0x800;
	t->eip = c->eip ? c->eip : IT_CODE + IT_SLOT;
	t->eflags = c->eflags | FL_FIXED | FL_IF;
	t->cpl = c->ring0 ? 0 : 3;
	t->sel[S_CS] = t->cpl ? SEL_CODE : SEL_CODE0;
	t->sel[S_SS] = t->sel[S_DS] = t->sel[S_ES] = t->cpl ? SEL_DATA : SEL_DATA0;
	t->sel[S_DS] = c->ds ? c->ds : t->sel[S_DS];
	t->sel[S_ES] = c->es ? c->es : t->sel[S_ES];
	t->sel[S_SS] = c->ss ? c->ss : t->sel[S_SS];
	t->sel[S_FS] = c->fs;
	t->sel[S_GS] = c->gs;
	t->image_seed = c->image_seed;
	t->system = c->system;
	t->machine = c->machine;
	fx_default(t->fx);
	case_patches(c, t);
	case_boundaries(t);
	itest_analyse(t);
	if (classify(t->code, t->len, &why) == CLASS_MISSING)
		t->expect_ud = t->host_dependent = true;
}
