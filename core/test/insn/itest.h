/*
 * itest.h - differential instruction tests: what a test is, what a result is, and who can run one.
 *
 * A test is a few bytes of 32-bit code with the registers, flags, FPU image, selectors and memory they start from. The
 * native executor (native.c) runs it on the host's CPU in compatibility mode; an engine executor (engine.c) runs it in a
 * VM of one backend. Both give a struct iresult, and compare.c says where they differ. Tests come from gen.c (random),
 * enumerate.c (every opcode) and cases.c (named regressions); worker.c runs them in batches in forked children.
 * Read next: layout.h for the memory that both sides see.
 */
#pragma once
#include <stdio.h>
#include "core/backend.h"
#include "layout.h"

#define IT_INSNS 8
#define IT_CODE_MAX 128
#define IT_PATCHES 6
#define IT_PATCH_LEN 32
#define IT_IGNORES 3

/* Initial memory that differs from the image of image_seed; dropped, byte by byte, where it is not mapped. */
struct it_patch {
	uint32_t at;
	uint8_t len;
	uint8_t byte[IT_PATCH_LEN];
};

/* Result memory that is not compared: the instruction stores there what the architecture leaves open. */
struct it_ignore {
	uint32_t at, len;
};

/*
 * The machine around a test, for tests that compare two engines: paging mode, CR0.WP, and page-table entries that are not as
 * layout.h says. All zero is what the native side has.
 */
enum it_paging { IT_TWO_LEVEL, IT_PAE, IT_PAE_NX, IT_PAGINGS };
#define IT_PAGES 7u /* whose entries can be odd: the image's pages in its order, and the first page of code */
#define IT_ODD 3u   /* so many of them at most */
struct it_machine {
	uint8_t paging;
	bool no_wp;
	uint8_t odds;
	struct it_odd { uint8_t page, clear, set, nx; } odd[IT_ODD]; /* bits of the entry's low byte */
};

struct itest {
	uint32_t gpr[8], eip, eflags;
	uint16_t sel[6];     /* by enum sreg: ES CS SS DS FS GS */
	uint8_t cpl;         /* 3, or 0 for comparing one engine with another */
	uint8_t len;         /* bytes of code */
	uint8_t insns;       /* instructions in it, as generated; off[insns] == len */
	uint8_t off[IT_INSNS + 1];
	uint32_t undef[IT_INSNS + 1]; /* EFLAGS that are undefined just before instruction i */
	uint8_t patches, ignores;
	bool host_dependent; /* reads what only the host or only the model has: not run natively */
	bool pushes_segment; /* a 32-bit PUSH of a segment register is among them */
	bool calls_data;     /* an indirect call is among them: its target may be data, which runs and returns */
	bool system;         /* for engines only: machine says what is around it */
	struct it_machine machine;
	bool expect_ud;      /* the CPU model lacks the first instruction, whatever the host has */
	uint32_t image_seed; /* 0: all zero */
	struct it_patch patch[IT_PATCHES];
	struct it_ignore ignore[IT_IGNORES];
	uint8_t code[IT_CODE_MAX];
	_Alignas(16) uint8_t fx[512];
};

enum it_kind {
	IT_NONE,
	IT_VECTOR,   /* ended by an exception or software interrupt: the usual end is INT3 */
	IT_HALT,     /* the test itself executed HLT, in ring 0 */
	IT_SHUTDOWN, /* triple fault */
	IT_CRASH,    /* the engine gave up: why says what it said */
	IT_DIED,     /* the process that ran it died: why says of what */
	IT_SKIP,     /* the host cannot answer for this test: why says so */
};

struct iresult {
	uint8_t kind, vector;
	bool has_error;
	uint32_t error, cr2;
	uint32_t gpr[8], eip, eflags;
	uint16_t sel[6];
	uint64_t mem_hash;   /* of the writable memory, ignored ranges zeroed */
	uint32_t pte[IT_PAGES]; /* with itest.system: the entries' low halves at the end */
	char why[96];
	uint8_t fx[288];     /* the FXSAVE image up to XMM7 */
};

#define IT_BATCH IT_SLOTS

/* What both executors read; written by the parent between batches. */
struct it_batch {
	uint32_t n;
	uint32_t code_from, code_to; /* which bytes of code changed since the last batch */
	uint8_t code[IT_CODE_SIZE];  /* the code region */
	struct itest test[IT_BATCH];
};

/* What one executor writes. */
struct it_out {
	_Atomic uint32_t done;
	struct iresult result[IT_BATCH];
	uint8_t image[IT_IMAGE_SIZE]; /* memory after the last test of the batch */
};

/* One way to run tests. open is called in the child that runs them; why is at least 128 bytes. */
struct it_exec {
	const char *name;
	void *(*open)(const struct it_exec *x, char *why);
	void (*begin)(void *self, const struct it_batch *b);
	void (*run)(void *self, const struct itest *t, struct iresult *r);
	void (*image)(void *self, uint8_t copy[IT_IMAGE_SIZE]); /* memory as it is now */
	const struct backend_ops *ops; /* engines */
	const char *program; /* runs it in a program of its own: oracle.c */
	unsigned repeat; /* engines: run each test so often, and give the last result; 0 is once */
};

extern const struct it_exec native_exec; /* only in the oracle program */
struct it_exec engine_exec(const struct backend_ops *ops);

/* A forked child that runs batches; worker.c. */
struct it_worker;
struct it_worker *worker_start(const struct it_exec *x, const struct it_batch *b, int batch_fd, char *why);
/* The child's side: runs batches until the pipe closes. */
_Noreturn void worker_child(const struct it_exec *x, const struct it_batch *b, struct it_out *out, int in, int back);
/* Memory that other processes can map by its descriptor; NULL on failure. */
void *shared_create(size_t size, int *fd);
void worker_submit(struct it_worker *w);
void worker_wait(struct it_worker *w);
const struct it_out *worker_out(const struct it_worker *w);
void worker_stop(struct it_worker *w);

/* Differences: bits of the value compare() returns. */
enum it_diff {
	DIFF_KIND = 1, DIFF_VECTOR = 2, DIFF_ERROR = 4, DIFF_CR2 = 8, DIFF_EIP = 16, DIFF_GPR = 32, DIFF_FLAGS = 64,
	DIFF_SEL = 128, DIFF_FX = 256, DIFF_MEM = 512, DIFF_PTE = 1024,
};
/* Why the two may differ here, by the manual; NULL when they may not. A test of which this is true is not compared. */
const char *compare_open(const struct itest *t, const struct iresult *a, const struct iresult *b, unsigned diff);
/* 0 when they agree; a is the oracle. */
unsigned compare(const struct itest *t, const struct iresult *a, const struct iresult *b);
/* The index of the instruction at eip, insns when it is the end, -1 when it is none. */
int itest_index(const struct itest *t, uint32_t eip);
/* What a CPU of our model must give for an instruction that it lacks. */
void expect_ud(const struct itest *t, struct iresult *r);

/* What a test's instructions are: classify.c. */
enum it_class {
	CLASS_NATIVE,  /* the host is the oracle */
	CLASS_MISSING, /* the CPU model lacks it: #UD, whatever the host does */
	CLASS_HOST,    /* the host would answer for itself (CPUID, RDTSC, SGDT ...): never run natively */
};
enum it_class classify(const uint8_t *code, unsigned len, const char **why);

/* Deterministic random numbers. */
struct it_rng { uint64_t s; };
uint64_t rng_next(struct it_rng *r);
static inline uint32_t rng_below(struct it_rng *r, uint32_t n)
{
	return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}
static inline bool rng_chance(struct it_rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
}

/* Which parts of the architecture the random tests use. */
#define GEN_SEGS    1u  /* loads and uses of segments that are not flat */
#define GEN_FPU     2u
#define GEN_RING0   4u  /* CPL 0: for comparing engines */
#define GEN_SMC     8u  /* now and then code in a writable page, which writes into itself */
#define GEN_SYSTEM 16u  /* engines only: other paging modes, odd pages, 16-bit segments, alignment checks, page-table changes */
#define GEN_ALL     (GEN_SEGS | GEN_FPU | GEN_SMC)
void gen_state(struct it_rng *r, struct itest *t, unsigned features);
void gen_random(struct it_rng *r, struct itest *t, unsigned slot, unsigned features);
void system_machine(struct it_rng *r, struct it_machine *m); /* gen_system.c */
/* Recomputes off[], undef[] and ignore[] from code; false when it does not decode. */
bool itest_analyse(struct itest *t);

/* Every opcode: the number of tests, and the i-th; false when the i-th does not exist. */
unsigned enumerate_count(void);
bool enumerate_test(unsigned i, struct itest *t, unsigned slot);

/* Runs tests on both sides and reports; runner.c. */
struct it_runner;
struct it_report {
	uint64_t tests, insns, compared, skipped, missing, failed;
	uint64_t by_vector[256];
};
struct it_runner *runner_open(const struct it_exec *oracle, const struct it_exec *engine, char *why);
struct itest *runner_slot(struct it_runner *r);     /* a zeroed test to fill; its index is the slot */
unsigned runner_fill(const struct it_runner *r);    /* how many are filled */
void runner_flush(struct it_runner *r);             /* runs what is filled */
const struct it_report *runner_report(const struct it_runner *r);
void runner_close(struct it_runner *r);
/* Runs one test alone on both sides: the difference, and the results where asked. */
unsigned runner_one(struct it_runner *r, const struct itest *t, struct iresult *a, struct iresult *b);

/* Cuts a failing test down while it still fails the same way; shrink.c. */
void shrink(struct it_runner *r, struct itest *t);
/* Prints a difference: bytes, states; and as a C initialiser for cases.c. report.c, listing.c. */
void report_difference(FILE *f, const struct itest *t, const struct iresult *a, const struct iresult *b,
	const char *a_name, const char *b_name, unsigned diff);
void report_case(FILE *f, const struct itest *t);
void listing_print(FILE *f, const uint8_t *code, unsigned len, uint32_t eip);

/* A named regression. Zero means the default: eip a plain slot, esp mid-stack, flags and selectors as a process has. */
struct it_case {
	const char *name, *note;
	const char *code; /* hexadecimal */
	uint32_t gpr[8], eip, eflags;
	uint16_t fs, gs, ds, es, ss; /* 0: null for FS and GS, flat for the others */
	bool ring0;       /* CPL 0: engines only */
	uint32_t image_seed;
	bool system;
	struct it_machine machine;
	const char *fx;   /* "offset:hex ..." over the default image, decimal offsets */
	const char *mem;  /* "address:hex ..." hexadecimal addresses */
};
extern const struct it_case it_cases[];
extern const unsigned it_case_count;
void case_test(const struct it_case *c, struct itest *t);
