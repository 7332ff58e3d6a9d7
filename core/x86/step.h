/*
 * step.h - private to the interpreter: one decoded instruction, and the context in which it is executed.
 *
 * A handler (`op_fn`) works on c->s and guest memory. It raises exceptions with step_raise, which does not return (it
 * jumps back to interp.c), so a handler reads and checks everything before it changes anything; EIP is committed by
 * interp.c after it returns. Read next: interp.c (the loop), decode.c (where the handler comes from).
 */
#pragma once
#include <setjmp.h>
#include <string.h>
#include "core/segment.h"
#include "core/vm.h"
#include "core/walk.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

struct step;
typedef void op_fn(struct step *c);

#define REG_NONE 0xff
#define KIND_NONE 0xff

#define PFX_LOCK 1u
#define PFX_REP 2u   /* f3 */
#define PFX_REPNE 4u /* f2 */
#define PFX_OPSIZE 8u

/* What an instruction of the FPU and SIMD groups does with its memory and general-register operands. */
#define FP_MEM_R 1u
#define FP_MEM_W 2u
#define FP_GPR_REG 4u   /* ModRM.reg is a general register */
#define FP_GPR_RM 8u    /* ModRM.rm is one */
#define FP_GPR_W 16u    /* and it is written */
#define FP_ALIGN 32u    /* a memory operand must be aligned */
#define FP_MMX 64u      /* it uses an MMX register: a pending x87 exception comes first */
#define FP_IMM 128u     /* an immediate byte follows */

struct insn {
	op_fn *fn;
	uint64_t tag;       /* decode cache: host address << 1 | 32-bit code; 0: empty */
	uint8_t bytes[16];  /* as fetched, zero-padded after len */
	uint32_t imm, imm2; /* sign-extended */
	uint32_t disp;      /* sign-extended; absolute for moffs */
	uint16_t op;        /* opcode map << 8 | opcode */
	uint16_t msize;     /* FPU and SIMD: bytes of the memory operand */
	uint8_t len, opsz, adsz; /* opsz and adsz: 2 or 4 bytes */
	uint8_t mod, reg, rm;
	uint8_t seg, base, index, scale;
	uint8_t prefix;     /* PFX_* */
	uint8_t kind;       /* enum event_kind, or KIND_NONE */
	uint8_t fp;         /* FP_* */
	uint8_t raw_modrm;  /* offset of ModRM in bytes, 0: none */
	uint8_t late;       /* the handler itself says what kind of event it was */
	uint8_t isa;        /* enum isa, for the FPU and SIMD groups */
};
_Static_assert(sizeof(struct insn) == 64, "one cache line");

enum isa { ISA_INT, ISA_X87, ISA_MMX, ISA_SSE };

struct step {
	struct vcpu *v;
	struct cpu_state *s;
	struct interp *in;
	const struct insn *i;
	uint32_t eip, next;    /* of this instruction, and of the one after it */
	unsigned user;         /* ACCESS_USER or 0, for ordinary accesses */
	bool align;            /* #AC is enabled */
	bool trap;             /* TF was set when it began */
	bool debug;            /* breakpoints are looked for: interp_debug.c */
	uint8_t kind;          /* what it is counted as, if it completes */
	uint32_t count;        /* how many events of that kind */
	enum interp_result result;
	struct fault fault;    /* what step_raise was called with */
	struct insn scratch;   /* where instructions that cannot be cached are decoded */
	jmp_buf env;
};

#define INTERP_CACHE 4096 /* entries, direct-mapped */
struct fpu_stubs;

struct interp_cache {
	struct insn insn[INTERP_CACHE];
	struct fpu_stubs *fpu;
};

/* interp.c */
void step_init(struct step *c, struct vcpu *v);
_Noreturn void step_raise(struct step *c, uint8_t vector, bool has_error, uint32_t error);
_Noreturn void step_fault(struct step *c); /* raises c->fault */
__attribute__((format(printf, 2, 3)))
_Noreturn void step_crash(struct step *c, const char *fmt, ...);
static inline _Noreturn void step_gp(struct step *c, uint32_t error) { step_raise(c, VEC_GP, true, error); }
static inline _Noreturn void step_ud(struct step *c) { step_raise(c, VEC_UD, false, 0); }

/* interp_debug.c */
#define DR6_BD 0x2000u
#define DR6_BS 0x4000u
#define DR6_BT 0x8000u
/* Before an instruction, when something may be to look for: raises what comes first. True: debug_end is to be called after it. */
bool debug_begin(struct step *c);
uint32_t debug_end(struct step *c); /* the DR6 bits of a trap that is due now, or 0 */
void debug_status(struct cpu_state *s, uint32_t bits); /* DR6 and DR7 as a #DB with these causes leaves them */
/* The soft TLB's mark for a page: 2 where it holds a data breakpoint, else 0. */
uint32_t debug_tag(const struct interp *in, uint32_t lin);
void debug_access(struct interp *in, uint32_t lin, unsigned len, bool write);
void debug_io(struct interp *in, uint16_t port, unsigned size);
void debug_task_trap(struct interp *in); /* a task with the T bit was switched to */

/* decode.c: insn_fetch_slow does all that insn_fetch, below, does not find. */
const struct insn *insn_fetch_slow(struct step *c);
bool insn_decode(struct insn *i, const uint8_t *bytes, unsigned avail, bool code32, int *status);
#define DECODE_SHORT 1 /* more bytes are needed */
#define DECODE_LONG 2  /* longer than 15 bytes */
#define DECODE_BAD 3

/* interp_mem.c: linear memory. fault_addr: of the first byte that could not be reached. */
uint32_t virt_read(struct vcpu *v, uint32_t lin, void *buf, unsigned len, unsigned access, uint32_t *fault_addr);
uint32_t virt_write(struct vcpu *v, uint32_t lin, const void *buf, unsigned len, unsigned access, uint32_t *fault_addr);
/* Checks only: 0, or the error code. */
uint32_t virt_check(struct vcpu *v, uint32_t lin, unsigned len, unsigned access, uint32_t *fault_addr);
/* As above for supervisor structures (descriptor tables, TSS, inner stacks): 0, or -1 with the #PF in *f, CR2 set. */
int sys_read(struct vcpu *v, uint32_t lin, void *buf, unsigned len, struct fault *f);
int sys_write(struct vcpu *v, uint32_t lin, const void *buf, unsigned len, struct fault *f);
int sys_check(struct vcpu *v, uint32_t lin, unsigned len, bool write, struct fault *f);
/* The page's translation for access, from the soft TLB or a walk; NULL and *err on a fault. */
const struct interp_tlb_entry *tlb_get(struct vcpu *v, uint32_t lin, unsigned access, uint32_t *err);
void interp_tlb_flush_page(struct interp *in, uint32_t lin);
void interp_tlb_flush_local(struct interp *in); /* all but global pages */

/* interp_mem.c: operands through segments. These raise what the access raises. */
uint32_t step_linear_slow(struct step *c, unsigned seg, uint32_t off, uint32_t len, unsigned access);
uint32_t step_read_slow(struct step *c, uint32_t lin, unsigned size);
void step_write_slow(struct step *c, uint32_t lin, uint32_t value, unsigned size);
void step_read_buf(struct step *c, unsigned seg, uint32_t off, void *buf, unsigned len);
void step_write_buf(struct step *c, unsigned seg, uint32_t off, const void *buf, unsigned len);
void step_check_write(struct step *c, unsigned seg, uint32_t off, unsigned len);
_Noreturn void step_page_fault(struct step *c, uint32_t addr, uint32_t err);

static inline uint32_t size_mask(unsigned size)
{
	return size == 4 ? 0xffffffffu : size == 2 ? 0xffffu : 0xffu;
}

/* A flat, writable, expand-up segment: nothing to check. */
static inline bool segment_is_flat(const struct segment *g)
{
	return g->base == 0 && g->limit == 0xffffffffu && (g->attr & (SEG_P | SEG_S | 0xe)) == (SEG_P | SEG_S | 2);
}

static inline uint32_t step_linear(struct step *c, unsigned seg, uint32_t off, uint32_t len, unsigned access)
{
	/* The last test: an access that wraps at 4 GiB is no flat access. */
	if (likely(segment_is_flat(&c->s->seg[seg])) && likely(!c->align) && likely(off <= 0u - len))
		return off;
	return step_linear_slow(c, seg, off, len, access);
}

/* Host address of a RAM operand within one page whose access is known to be allowed, else NULL. */
static inline uint8_t *tlb_host(const struct interp *in, uint32_t lin, unsigned size, unsigned access)
{
	const struct interp_tlb_entry *e = &in->tlb[(lin >> PAGE_SHIFT) % INTERP_TLB];

	if (unlikely(e->tag != ((lin & PAGE_MASK) | 1)) || unlikely(!(e->access & (1u << access))) ||
	    unlikely((lin & (PAGE_SIZE - 1)) + size > PAGE_SIZE) || unlikely(!e->host))
		return NULL;
	return e->host + (lin & (PAGE_SIZE - 1));
}

static inline uint32_t host_get(const uint8_t *p, unsigned size)
{
	uint32_t v32;
	uint16_t v16;

	if (size == 1)
		return *p;
	if (size == 2) {
		memcpy(&v16, p, 2);
		return v16;
	}
	memcpy(&v32, p, 4);
	return v32;
}

static inline void host_put(uint8_t *p, uint32_t value, unsigned size)
{
	if (size == 1)
		*p = (uint8_t)value;
	else if (size == 2)
		memcpy(p, &value, 2);
	else
		memcpy(p, &value, 4);
}

static inline void step_written(struct step *c, const uint8_t *p, unsigned size)
{
	if (unlikely(c->in->hooks.phys_write != NULL))
		c->in->hooks.phys_write(c->in->hooks.ctx, mem_gpa(&c->v->vm->mem, p), size);
}

/* Loads 1, 2 or 4 bytes, zero-extended. */
static inline uint32_t step_load(struct step *c, unsigned seg, uint32_t off, unsigned size)
{
	uint32_t lin = step_linear(c, seg, off, size, ACCESS_R);
	const uint8_t *p = tlb_host(c->in, lin, size, ACCESS_R | c->user);

	return likely(p != NULL) ? host_get(p, size) : step_read_slow(c, lin, size);
}

static inline void step_store(struct step *c, unsigned seg, uint32_t off, uint32_t value, unsigned size)
{
	uint32_t lin = step_linear(c, seg, off, size, ACCESS_W);
	uint8_t *p = tlb_host(c->in, lin, size, ACCESS_W | c->user);

	if (likely(p != NULL)) {
		host_put(p, value, size);
		step_written(c, p, size);
	} else {
		step_write_slow(c, lin, value, size);
	}
}

/* --- fetch --- */

static inline struct insn *insn_slot(struct interp *in, const uint8_t *p)
{
	return &in->cache->insn[((uintptr_t)p ^ (uintptr_t)p >> 12) % INTERP_CACHE];
}

static inline uint64_t insn_tag(const uint8_t *p, bool code32)
{
	return (uint64_t)(uintptr_t)p << 1 | code32;
}

/* Whether memory still holds what was decoded; 16 bytes at p must be readable. */
static inline bool insn_matches(const struct insn *i, const uint8_t *p)
{
	uint64_t a, b;

	memcpy(&a, p, 8);
	memcpy(&b, i->bytes, 8);
	if (likely(i->len < 8))
		return !((a ^ b) << (64 - 8 * i->len));
	return a == b && !memcmp(p + 8, i->bytes + 8, i->len - 8u);
}

/* The decoded instruction at c->eip: from the cache when the code segment is flat and memory has not changed. */
static inline const struct insn *insn_fetch(struct step *c)
{
	const struct segment *cs = &c->s->seg[S_CS];
	const uint8_t *p;
	struct insn *i;

	if (unlikely(cs->limit != 0xffffffffu) || unlikely(c->eip >= 0xfffffff0u) || unlikely(!c->in->cache))
		return insn_fetch_slow(c);
	p = tlb_host(c->in, (uint32_t)cs->base + c->eip, 16, ACCESS_X | c->user);
	if (unlikely(!p))
		return insn_fetch_slow(c);
	i = insn_slot(c->in, p);
	if (unlikely(i->tag != insn_tag(p, cs->attr & SEG_DB)) || unlikely(!insn_matches(i, p)))
		return insn_fetch_slow(c);
	return i;
}

/* --- registers --- */

static inline uint32_t reg_get(const struct cpu_state *s, unsigned r, unsigned size)
{
	if (size == 4)
		return (uint32_t)s->gpr[r];
	if (size == 2)
		return (uint16_t)s->gpr[r];
	return r < 4 ? (uint8_t)s->gpr[r] : (uint8_t)(s->gpr[r - 4] >> 8);
}

static inline void reg_set(struct cpu_state *s, unsigned r, uint32_t value, unsigned size)
{
	if (size == 4)
		s->gpr[r] = value;
	else if (size == 2)
		s->gpr[r] = ((uint32_t)s->gpr[r] & 0xffff0000u) | (value & 0xffff);
	else if (r < 4)
		s->gpr[r] = ((uint32_t)s->gpr[r] & 0xffffff00u) | (value & 0xff);
	else
		s->gpr[r - 4] = ((uint32_t)s->gpr[r - 4] & 0xffff00ffu) | (value & 0xff) << 8;
}

/* --- operands of the current instruction --- */

/* The offset that ModRM, SIB and displacement name, within the address size. */
static inline uint32_t step_ea(const struct step *c)
{
	const struct insn *i = c->i;
	uint32_t ea = i->disp;

	if (i->base != REG_NONE)
		ea += (uint32_t)c->s->gpr[i->base];
	if (i->index != REG_NONE)
		ea += (uint32_t)c->s->gpr[i->index] << i->scale;
	return i->adsz == 4 ? ea : ea & 0xffff;
}

static inline uint32_t rm_load(struct step *c, unsigned size)
{
	if (c->i->mod == 3)
		return reg_get(c->s, c->i->rm, size);
	return step_load(c, c->i->seg, step_ea(c), size);
}

static inline void rm_store(struct step *c, uint32_t value, unsigned size)
{
	if (c->i->mod == 3)
		reg_set(c->s, c->i->rm, value, size);
	else
		step_store(c, c->i->seg, step_ea(c), value, size);
}

/* For read-modify-write: the load faults as a write would (the CPU asks for write access at once). */
struct rmw { uint8_t *p; uint32_t lin; };

static inline uint32_t rmw_load(struct step *c, struct rmw *m, unsigned size)
{
	uint32_t off;

	*m = (struct rmw){ NULL, 0 };
	if (c->i->mod == 3)
		return reg_get(c->s, c->i->rm, size);
	off = step_ea(c);
	m->lin = step_linear(c, c->i->seg, off, size, ACCESS_W);
	if (unlikely(!segment_is_flat(&c->s->seg[c->i->seg])))
		step_linear_slow(c, c->i->seg, off, size, ACCESS_R);
	m->p = tlb_host(c->in, m->lin, size, ACCESS_W | c->user);
	if (likely(m->p != NULL))
		return host_get(m->p, size);
	{
		uint32_t addr, err = virt_check(c->v, m->lin, size, ACCESS_W | c->user, &addr);

		if (err)
			step_page_fault(c, addr, err);
	}
	return step_read_slow(c, m->lin, size);
}

static inline void rmw_store(struct step *c, const struct rmw *m, uint32_t value, unsigned size)
{
	if (c->i->mod == 3) {
		reg_set(c->s, c->i->rm, value, size);
	} else if (likely(m->p != NULL)) {
		host_put(m->p, value, size);
		step_written(c, m->p, size);
	} else {
		step_write_slow(c, m->lin, value, size);
	}
}

/* The operand size of opcodes whose bit 0 says "not a byte". */
static inline unsigned size_w(const struct insn *i)
{
	return i->op & 1 ? i->opsz : 1;
}

/* --- stack --- */

static inline uint32_t stack_mask(const struct cpu_state *s)
{
	return s->seg[S_SS].attr & SEG_DB ? 0xffffffffu : 0xffffu;
}

static inline void stack_set(struct cpu_state *s, uint32_t sp)
{
	uint32_t m = stack_mask(s);

	s->gpr[R_ESP] = ((uint32_t)s->gpr[R_ESP] & ~m) | (sp & m);
}

static inline void step_push(struct step *c, uint32_t value, unsigned size)
{
	uint32_t sp = ((uint32_t)c->s->gpr[R_ESP] - size) & stack_mask(c->s);

	step_store(c, S_SS, sp, value, size);
	stack_set(c->s, sp);
}

/* Does not move ESP: the caller commits it with stack_set once nothing can fault any more. */
static inline uint32_t step_peek(struct step *c, uint32_t offset, unsigned size)
{
	return step_load(c, S_SS, ((uint32_t)c->s->gpr[R_ESP] + offset) & stack_mask(c->s), size);
}

static inline void stack_drop(struct cpu_state *s, uint32_t bytes)
{
	stack_set(s, (uint32_t)s->gpr[R_ESP] + bytes);
}

static inline void flags_set(struct cpu_state *s, uint32_t mask, uint32_t value)
{
	s->rflags = (s->rflags & ~(uint64_t)mask) | (value & mask);
}

static inline unsigned iopl(const struct cpu_state *s)
{
	return (s->rflags & FL_IOPL) >> 12;
}
