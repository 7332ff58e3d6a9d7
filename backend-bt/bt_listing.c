/*
 * bt_listing.c - guest instructions and what they were translated to, disassembled by Capstone, which shares no code with
 * the decoder that translated them.
 *
 * Called by tests on a difference and by the CLI's listing option.
 */
#include "bt_test.h"
#include <capstone/capstone.h>
#include "bt_private.h"

static void print_code(FILE *out, csh cs, const char *margin, const uint8_t *bytes, size_t n, uint64_t address)
{
	cs_insn *insn;
	size_t count = cs_disasm(cs, bytes, n, address, 0, &insn);

	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%s%8llx  ", margin, (unsigned long long)insn[i].address);
		for (unsigned k = 0; k < 12; k++)
			fprintf(out, k < insn[i].size ? "%02x" : "  ", insn[i].bytes[k]);
		fprintf(out, "  %s %s\n", insn[i].mnemonic, insn[i].op_str);
	}
	if (!count)
		fprintf(out, "%s%8llx  (not decodable)\n", margin, (unsigned long long)address);
	else
		cs_free(insn, count);
}

void bt_listing(struct vcpu *v, FILE *out, uint32_t eip)
{
	struct bt *b = bt_of(v);
	uint32_t off = b->view ? b->view->table[eip] : 0;
	const struct block *k = off ? block_of_host(b, (uint64_t)(uintptr_t)(b->code + off)) : NULL;
	csh guest, host;

	if (!k) {
		fprintf(out, "no translation of %#x\n", eip);
		return;
	}
	if (cs_open(CS_ARCH_X86, CS_MODE_32, &guest) || cs_open(CS_ARCH_X86, CS_MODE_64, &host))
		return;
	cs_option(guest, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	cs_option(host, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	for (uint32_t i = 0; i < k->insns; i++) {
		const struct imap *m = &b->imap[k->imap + i];
		uint32_t g = k->start + imap_guest(m), end = i + 1 < k->insns ? k->start + imap_guest(m + 1) : k->start + k->len;
		uint32_t h = i + 1 < k->insns ? (m + 1)->host : k->body;
		uint8_t bytes[16] = { 0 };

		interp_read_virt(v, GVA(g), bytes, end - g < 16 ? end - g : 16, ACCESS_R);
		print_code(out, guest, "", bytes, end - g, g);
		uint32_t from = m->host + (v->insns.on ? BT_COUNT_BYTES : 0);
		print_code(out, host, "        ", b->code + k->host + from, h - from, k->host + from);
	}
	cs_close(&guest);
	cs_close(&host);
}
