/*
 * interp_string.c - MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, with REP.
 *
 * A repeated instruction commits ESI, EDI and ECX after each element, so that a fault or an interrupt leaves it
 * restartable: on attention EIP simply stays at it. MOVS and STOS move whole runs where the page mapping is known.
 * Read next: interp_mem.c.
 */
#include "alu.h"
#include "ops.h"

static unsigned string_size(const struct step *c)
{
	return size_w(c->i);
}

static uint32_t string_delta(const struct step *c, unsigned size)
{
	return c->s->rflags & FL_DF ? 0u - size : size;
}

static uint32_t index_get(const struct step *c, unsigned r)
{
	return reg_get(c->s, r, c->i->adsz);
}

static void index_add(struct step *c, unsigned r, uint32_t delta)
{
	reg_set(c->s, r, index_get(c, r) + delta, c->i->adsz);
}

static bool repeated(const struct step *c)
{
	return c->i->prefix & (PFX_REP | PFX_REPNE);
}

/* REP with a count of zero: nothing happens at all. */
static bool nothing_to_do(const struct step *c)
{
	return repeated(c) && index_get(c, R_ECX) == 0;
}

/*
 * After n elements: true to go on with the next. When the instruction must be left before its end, EIP is made to stay.
 */
static bool next_element(struct step *c, uint32_t n, bool condition_holds)
{
	if (!repeated(c))
		return false;
	index_add(c, R_ECX, 0u - n);
	if (index_get(c, R_ECX) == 0 || !condition_holds)
		return false;
	if (c->v->attention || c->trap || unlikely(c->in->debug.fire) || unlikely(c->in->debug.watch)) {
		c->next = c->eip;
		if (c->in->debug.fire) /* SDM vol. 3, 17.3.1.1; TF's own trap does not, on the CPUs that were asked */
			c->s->rflags |= FL_RF;
		return false;
	}
	return true;
}

/* How many of at most max elements lie in the page of lin, upwards. */
static uint32_t run_length(uint32_t lin, unsigned size, uint32_t max)
{
	uint32_t n = (PAGE_SIZE - (lin & (PAGE_SIZE - 1))) / size;

	return n < max ? n : max;
}

/* Runs are only for flat segments, upward, 32-bit addresses, without single-stepping. */
static bool can_run(const struct step *c, unsigned seg)
{
	return repeated(c) && !c->trap && !c->align && c->i->adsz == 4 && !(c->s->rflags & FL_DF) &&
		segment_is_flat(&c->s->seg[seg]);
}

/* Copies a run, if both pages are RAM whose mapping is known; returns how many elements. */
static uint32_t movs_run(struct step *c, unsigned size)
{
	uint32_t n = (uint32_t)c->s->gpr[R_ECX], src = (uint32_t)c->s->gpr[R_ESI], dst = (uint32_t)c->s->gpr[R_EDI];
	const uint8_t *from;
	uint8_t *to;

	if (!can_run(c, S_ES) || !segment_is_flat(&c->s->seg[c->i->seg]))
		return 0;
	n = run_length(src, size, run_length(dst, size, n));
	if (!n)
		return 0;
	from = tlb_host(c->in, src, size, ACCESS_R | c->user);
	to = tlb_host(c->in, dst, size, ACCESS_W | c->user);
	if (!from || !to)
		return 0;
	if (to > from && to < from + n * size) { /* overlap: byte order matters, so by elements */
		for (uint32_t k = 0; k < n; k++)
			host_put(to + k * size, host_get(from + k * size, size), size);
	} else {
		memmove(to, from, n * size);
	}
	step_written(c, to, n * size);
	return n;
}

void op_movs(struct step *c)
{
	unsigned size = string_size(c);
	uint32_t delta = string_delta(c, size), n;

	if (nothing_to_do(c))
		return;
	do {
		n = movs_run(c, size);
		if (!n) {
			uint32_t v = step_load(c, c->i->seg, index_get(c, R_ESI), size);

			step_store(c, S_ES, index_get(c, R_EDI), v, size);
			n = 1;
		}
		index_add(c, R_ESI, n * delta);
		index_add(c, R_EDI, n * delta);
	} while (next_element(c, n, true));
}

static uint32_t stos_run(struct step *c, unsigned size)
{
	uint32_t n = (uint32_t)c->s->gpr[R_ECX], dst = (uint32_t)c->s->gpr[R_EDI], v = (uint32_t)c->s->gpr[R_EAX];
	uint8_t *to;

	if (!can_run(c, S_ES))
		return 0;
	n = run_length(dst, size, n);
	to = n ? tlb_host(c->in, dst, size, ACCESS_W | c->user) : NULL;
	if (!to)
		return 0;
	for (uint32_t k = 0; k < n; k++)
		host_put(to + k * size, v, size);
	step_written(c, to, n * size);
	return n;
}

void op_stos(struct step *c)
{
	unsigned size = string_size(c);
	uint32_t delta = string_delta(c, size), n;

	if (nothing_to_do(c))
		return;
	do {
		n = stos_run(c, size);
		if (!n) {
			step_store(c, S_ES, index_get(c, R_EDI), (uint32_t)c->s->gpr[R_EAX], size);
			n = 1;
		}
		index_add(c, R_EDI, n * delta);
	} while (next_element(c, n, true));
}

void op_lods(struct step *c)
{
	unsigned size = string_size(c);
	uint32_t delta = string_delta(c, size);

	if (nothing_to_do(c))
		return;
	do {
		reg_set(c->s, R_EAX, step_load(c, c->i->seg, index_get(c, R_ESI), size), size);
		index_add(c, R_ESI, delta);
	} while (next_element(c, 1, true));
}

/* REPE goes on while ZF is set, REPNE while it is clear. */
static bool compare_holds(const struct step *c)
{
	return !(c->i->prefix & PFX_REPNE) == !!(c->s->rflags & FL_ZF);
}

void op_cmps(struct step *c)
{
	unsigned size = string_size(c);
	uint32_t delta = string_delta(c, size);

	if (nothing_to_do(c))
		return;
	do {
		/* ES:EDI first: the SDM leaves open which operand faults first, CPUs do it so. */
		uint32_t b = step_load(c, S_ES, index_get(c, R_EDI), size);
		uint32_t a = step_load(c, c->i->seg, index_get(c, R_ESI), size);

		alu_sub(a, b, size, &c->s->rflags);
		index_add(c, R_ESI, delta);
		index_add(c, R_EDI, delta);
	} while (next_element(c, 1, compare_holds(c)));
}

void op_scas(struct step *c)
{
	unsigned size = string_size(c);
	uint32_t delta = string_delta(c, size);

	if (nothing_to_do(c))
		return;
	do {
		uint32_t b = step_load(c, S_ES, index_get(c, R_EDI), size);

		alu_sub((uint32_t)c->s->gpr[R_EAX], b, size, &c->s->rflags);
		index_add(c, R_EDI, delta);
	} while (next_element(c, 1, compare_holds(c)));
}

/* Part of a repeated INS or OUTS in one go, if its memory is RAM whose mapping is known; how many elements. */
static uint32_t port_run(struct step *c, uint16_t port, unsigned size, bool write)
{
	unsigned seg = write ? c->i->seg : S_ES;
	uint32_t lin = (uint32_t)c->s->gpr[write ? R_ESI : R_EDI], n;
	uint8_t *p;

	if (!can_run(c, seg))
		return 0;
	n = run_length(lin, size, (uint32_t)c->s->gpr[R_ECX]);
	p = n ? tlb_host(c->in, lin, size, (write ? ACCESS_R : ACCESS_W) | c->user) : NULL;
	n = p ? port_string(c, port, size, write, p, n) : 0;
	if (n && !write)
		step_written(c, p, n * size);
	return n;
}

/* Port I/O has no 64-bit forms; the "d" form is 4 bytes whatever the operand size above 16 bits. */
void op_ins(struct step *c)
{
	unsigned size = string_size(c);
	uint32_t delta = string_delta(c, size), n;
	uint16_t port = (uint16_t)c->s->gpr[R_EDX];

	port_check(c, port, size);
	if (nothing_to_do(c))
		return;
	for (bool more = false;; more = true) {
		n = port_run(c, port, size, false);
		if (!n) {
			/* The destination is checked first: a port read cannot be taken back. */
			step_check_write(c, S_ES, index_get(c, R_EDI), size);
			step_store(c, S_ES, index_get(c, R_EDI), port_in(c, port, size), size);
			n = 1;
		}
		c->v->stats.string_elements += n - !more;
		index_add(c, R_EDI, n * delta);
		if (!next_element(c, n, true))
			return;
	}
}

void op_outs(struct step *c)
{
	unsigned size = string_size(c);
	uint32_t delta = string_delta(c, size), n;
	uint16_t port = (uint16_t)c->s->gpr[R_EDX];

	port_check(c, port, size);
	if (nothing_to_do(c))
		return;
	for (bool more = false;; more = true) {
		n = port_run(c, port, size, true);
		if (!n) {
			port_out(c, port, size, step_load(c, c->i->seg, index_get(c, R_ESI), size));
			n = 1;
		}
		c->v->stats.string_elements += n - !more;
		index_add(c, R_ESI, n * delta);
		if (!next_element(c, n, true))
			return;
	}
}
