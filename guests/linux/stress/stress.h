/*
 * stress.h - what the files of `stress` share. Read next: main.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the case's process as failed, with a line that says why, unless ok. */
__attribute__((format(printf, 2, 3)))
void check(bool ok, const char *fmt, ...);
/* Waits for a child; its wait status. */
int wait_for(int pid);
/* What /proc/meminfo says of a line, in KiB. */
unsigned long meminfo_kib(const char *line);

/* process.c */
void case_fork(void);
void case_exec(void);
void case_pipe(void);
void case_signals(void);
void case_sigaltstack(void);
void case_threads(void);
void case_tls(void);
/* memory.c */
void case_mmap(void);
void case_mprotect(void);
void case_mremap(void);
void case_cow(void);
void case_segv(void);
void case_code(void);
void case_pressure(void);
/* cpu.c */
void case_syscalls(void);
void case_exceptions(void);
void case_trap_flag(void);
void case_ptrace(void);
void case_debug_registers(void);
void case_breakpoint(void);
void case_ldt(void);
void case_code16(void);
void case_fpu(void);
