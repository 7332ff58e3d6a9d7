/*
 * The scanner of --user-isolation keys: WRPKRU, XRSTOR and XRSTORS at every offset, whatever stands around them, and nothing else.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "pv_scan.h"

static bool bad(uint8_t b1, uint8_t b2)
{
	if (b1 == 0x01)
		return b2 == 0xef;
	return b2 < 0xc0 && ((b1 == 0xae && (b2 & 0x38) == 0x28) || (b1 == 0xc7 && (b2 & 0x38) == 0x18));
}

Test(scan, every_third_byte_and_every_modrm)
{
	for (unsigned b1 = 0; b1 < 256; b1++)
		for (unsigned b2 = 0; b2 < 256; b2++) {
			uint8_t page[16];
			memset(page, 0x90, sizeof(page));
			page[7] = 0x0f;
			page[8] = (uint8_t)b1;
			page[9] = (uint8_t)b2;
			cr_assert_eq(pv_scan_bytes(page, page + sizeof(page)), bad((uint8_t)b1, (uint8_t)b2) ? page + 7 : NULL, "0f %02x %02x", b1, b2);
		}
}

Test(scan, every_offset_of_a_page)
{
	static const uint8_t codes[][3] = { { 0x0f, 0x01, 0xef }, { 0x0f, 0xae, 0x2b }, { 0x0f, 0xae, 0xad }, { 0x0f, 0xc7, 0x1c } };
	uint8_t *page = malloc(4096);

	for (unsigned c = 0; c < 4; c++)
		for (unsigned at = 0; at <= 4096 - 3; at++) {
			memset(page, 0x0f, 4096); /* the first byte of an opcode, again and again */
			memcpy(page + at, codes[c], 3);
			cr_assert_eq(pv_scan_bytes(page, page + 4096), page + at, "code %u at %u", c, at);
		}
	memset(page, 0x0f, 4096);
	page[4095] = 0x01; /* cut off by the end: the neighbour's first byte decides, and pv_scan.c looks at the seam */
	cr_assert_null(pv_scan_bytes(page, page + 4096));
	free(page);
}

Test(scan, agrees_with_a_plain_search_on_noise)
{
	uint8_t *b = malloc(1 << 20);
	uint32_t x = 2463534242u;
	uint8_t *p = b, *end = b + (1 << 20);
	unsigned found = 0, want = 0;

	for (uint8_t *q = b; q < end; q++) {
		x ^= x << 13; x ^= x >> 17; x ^= x << 5;
		*q = (x & 0x700) ? (uint8_t)x : (uint8_t)(x & 1 ? 0x0f : 0xae);
	}
	for (uint8_t *q = b; q + 3 <= end; q++)
		want += q[0] == 0x0f && bad(q[1], q[2]);
	while ((p = pv_scan_bytes(p, end))) {
		found++;
		p++;
	}
	cr_assert_gt(want, 100);
	cr_assert_eq(found, want);
	free(b);
}
