/*
 * listing.c - Capstone prints the tested bytes: a second opinion beside Zydis, which generator and engines share.
 */
#include <capstone/capstone.h>
#include "itest.h"

void listing_print(FILE *f, const uint8_t *code, unsigned len, uint32_t eip)
{
	csh h;
	unsigned at = 0;

	if (cs_open(CS_ARCH_X86, CS_MODE_32, &h) != CS_ERR_OK) {
		fprintf(f, "  (Capstone does not start)\n");
		return;
	}
	while (at < len) {
		cs_insn *in;
		size_t n = cs_disasm(h, code + at, len - at, eip + at, 1, &in);
		unsigned size = n ? in->size : 1;

		fprintf(f, "  %08x ", eip + at);
		for (unsigned i = 0; i < size; i++)
			fprintf(f, " %02x", code[at + i]);
		fprintf(f, "%*s %s %s\n", (int)(3 * (12 - (size > 12 ? 12 : size))), "", n ? in->mnemonic : "(bad)", n ? in->op_str : "");
		if (n)
			cs_free(in, n);
		at += size;
	}
	cs_close(&h);
}
