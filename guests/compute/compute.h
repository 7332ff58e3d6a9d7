/*
 * compute.h - the compute kernels: what a guest that only computes costs on each engine.
 *
 * Each kernel is one file, plain C, compiled once for i686 without SSE (but for sse.c); the very same object files are linked into the
 * guest images and into the native program that they are held against. Read next: compute.c (the table and the timing).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * setup prepares data before the repetitions, unmeasured, and may be NULL. run does one repetition (about 4 million
 * cycles of a current CPU) and returns a checksum, the same every time. An extra is reported but left out of means.
 */
struct compute_kernel {
	const char *name;
	void (*setup)(void);
	uint32_t (*run)(void);
	bool extra;
};

/* One arena for all kernels: aligned so that a host may back it with huge pages, and small enough for any guest. */
#define COMPUTE_ARENA (16u << 20)
extern uint8_t compute_arena[COMPUTE_ARENA];

/* A fixed pseudo-random sequence (Marsaglia's xorshift32), so that all builds compute on the same data. */
static inline uint32_t compute_random(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

uint32_t intloop_run(void);
void stream_setup(void);
uint32_t stream_run(void);
uint32_t sieve_run(void);
void sha256_setup(void);
uint32_t sha256_run(void);
uint32_t quicksort_run(void);
uint32_t fib_run(void);
void chase_setup(void);
uint32_t chase_run(void);
uint32_t hash_run(void);
void matmul_setup(void);
uint32_t matmul_run(void);
uint32_t btree_run(void);
void bytecode_setup(void);
uint32_t bytecode_run(void);
void x87_setup(void);
uint32_t x87_run(void);
void sse_setup(void);
uint32_t sse_run(void);
void repmovs_setup(void);
uint32_t repmovs_run(void);

/*
 * Runs the kernels that args asks for and prints through put. args is a list of words: "reps=N" (default 5),
 * "only=NAME[,NAME...]", "extras=0"; others are ignored. build names the program in the first line. Prints, for each
 * repetition, "COMPUTE name rep=I cycles=C sum=S". Returns 0, or 1 when a checksum changed between repetitions.
 */
int compute_main(const char *build, const char *args, void (*put)(const char *s));
