/*
 * stress.h - what the cases of the stress test share.
 *
 * A case checks as it goes, and mixes what it saw into a sum. Nothing that depends on time, addresses, process numbers or
 * the order in which processes run may be part of the sum: all engines, and Linux natively, must print the same.
 */
#pragma once
#include "../lib/user.h"

struct stress {
	uint32_t scale;    /* 1 unless told */
	uint32_t seed;     /* for random_next: the same at the start of each case */
	uint32_t checks, wrong;
	uint32_t sum;
	const char *name;  /* of the case */
	const char *self;  /* this program, for exec */
};
extern struct stress s;

void check_that(bool ok, const char *what, const char *file, int line);
#define check(x) check_that(x, #x, __FILE__, __LINE__)
#define check_error(x, err) check_that((errno = 0, (x) == -1 && errno == (err)), #x " gives " #err, __FILE__, __LINE__)
void mix(uint32_t v);

/* Runs fn(arg) in a child, whose status is fn's, or 99 if one of its checks failed. */
pid_t spawn(int (*fn)(uint32_t arg), uint32_t arg);
int wait_status(pid_t pid); /* the raw status */
void expect_exit(pid_t pid, int status);
void expect_signal(pid_t pid, int sig);
bool read_all(int fd, void *buf, size_t n); /* all of it, or false */
void fill(void *p, size_t n, uint32_t seed); /* a pattern */
bool is_filled(const void *p, size_t n, uint32_t seed);
uint32_t busy(uint32_t seed, uint32_t rounds); /* work that keeps values in registers; the same result every time */
/* Where a case may make files: a directory of this process's own, and current; left and removed by scratch_end. */
void scratch_begin(void);
void scratch_end(void);

/* The same program in other roles, for exec: `stress --NAME ...`. */
int role_arguments(int argc, char **argv);
int role_descriptors(int argc, char **argv);

/* ---- cases ---- */
void case_fork_tree(void);
void case_wait(void);
void case_orphan(void);
void case_exec(void);
void case_many(void);
void case_sleep(void);
void case_cow(void);
void case_cow_kernel(void);
void case_mmap(void);
void case_brk(void);
void case_fault_storm(void);
void case_user_pager(void);
void case_pipe(void);
void case_pipe_chain(void);
void case_pipe_ring(void);
void case_descriptors(void);
void case_signal(void);
void case_signal_mask(void);
void case_signal_wait(void);
void case_signal_child(void);
void case_preempt(void);
void case_fpu(void);
void case_fpu_signal(void);
void case_crash(void);
void case_bad_calls(void);
void case_bad_pointers(void);
void case_file(void);
void case_file_sparse(void);
void case_file_shared(void);
void case_names(void);
void case_directories(void);
void case_file_exec(void);
