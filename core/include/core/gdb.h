/*
 * gdb.h - the stub that stock gdb attaches to: `ringlab run --gdb :PORT` or `--gdb PATH`, then `target remote`.
 *
 * The CLI listens and accepts one connection before the jail closes; from then on the stub needs only read, write and
 * ppoll on that descriptor, which the jail allows anyway. The run loop (vm.c) calls the rest. docs/gdb.md is the user's side.
 */
#pragma once
#include "core/types.h"

struct vm;
struct exit;

/*
 * Listens at spec (":PORT" on 127.0.0.1, or the path of a Unix socket, with or without "unix:"), says so on stderr, waits
 * until one debugger connects, and listens no more. The connection's descriptor, or -errno with a sentence in why[n].
 * -EINTR: *stop became nonzero.
 */
int gdb_accept(const char *spec, const volatile int *stop, char *why, size_t n);

/* The VM is debugged over fd, which it owns from now on: the guest waits before its first instruction. 0 or -errno. */
int gdb_attach(struct vm *vm, int fd);
void gdb_destroy(struct vm *vm);

/* For the run loop. With a debugger attached: talks to it for as long as it holds the guest; then the guest is to run. */
void gdb_turn(struct vm *vm);
/* The debugger wants the guest stopped now. */
bool gdb_wants(const struct vm *vm);
/* The guest is about to execute one instruction only: no interrupt is to be delivered. */
bool gdb_stepping(const struct vm *vm);
/* run left with EXIT_DEBUG, or with HLT while stepping: the debugger is told at the next gdb_turn. */
void gdb_stopped(struct vm *vm, const struct exit *e);
/* The VM has ended: after a crash the debugger may look at what is left; then it is told of the end. */
void gdb_ended(struct vm *vm);
