/*
 * bytecode.c - a small interpreter whose every operation is an indirect call: the dispatch that translators fear.
 *
 * The path through the program does not depend on data, so that a CPU predicts it well and dispatch itself is what
 * is measured, not mispredictions that cost every engine the same.
 */
#include "compute.h"

#define STEPS 300000u
#define CODE  32u /* operations: a hot loop */

struct machine {
	uint32_t reg[8];
	uint32_t pc;
	const uint8_t *code;
};

typedef void operation(struct machine *m, uint32_t a, uint32_t b);

static void op_add(struct machine *m, uint32_t a, uint32_t b) { m->reg[a] += m->reg[b]; }
static void op_sub(struct machine *m, uint32_t a, uint32_t b) { m->reg[a] -= m->reg[b] + 1; }
static void op_xor(struct machine *m, uint32_t a, uint32_t b) { m->reg[a] ^= m->reg[b] + 3; }
static void op_mul(struct machine *m, uint32_t a, uint32_t b) { m->reg[a] = m->reg[a] * m->reg[b] + 7; }
static void op_rol(struct machine *m, uint32_t a, uint32_t b) { m->reg[a] = m->reg[b] << 7 | m->reg[b] >> 25; }
static void op_inc(struct machine *m, uint32_t a, uint32_t b) { m->reg[a] += b + 1; }
static void op_jump(struct machine *m, uint32_t a, uint32_t b) { m->pc += a + b; }
static void op_swap(struct machine *m, uint32_t a, uint32_t b)
{
	uint32_t t = m->reg[a];

	m->reg[a] = m->reg[b];
	m->reg[b] = t;
}

static operation *const operations[8] = { op_add, op_sub, op_xor, op_mul, op_rol, op_inc, op_jump, op_swap };

void bytecode_setup(void)
{
	uint32_t seed = 7;

	for (uint32_t i = 0; i < CODE * 2; i++)
		compute_arena[i] = (uint8_t)compute_random(&seed);
}

uint32_t bytecode_run(void)
{
	struct machine m = { .reg = { 1, 2, 3, 4, 5, 6, 7, 8 }, .code = compute_arena };
	uint32_t sum = 0;

	for (uint32_t i = 0; i < STEPS; i++) {
		uint32_t at = (m.pc++ % CODE) * 2;
		uint8_t op = m.code[at], arg = m.code[at + 1];

		operations[op & 7](&m, arg & 7, (arg >> 3) & 7);
	}
	for (int i = 0; i < 8; i++)
		sum = sum * 31 + m.reg[i];
	return sum;
}
