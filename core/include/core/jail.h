/*
 * jail.h - the process locks itself, by seccomp, to what the run loop needs, before guest code runs.
 *
 * Called by the CLI, never by library code. i386 system calls are refused with SIGSYS always, jail or no jail, because
 * no guest instruction may become a host system call.
 */
#pragma once
#include <stdbool.h>

struct backend_ops;

/* Full jail; disks: the descriptors of the n disk images, on which alone the calls of disk.c are allowed. 0 or -errno. */
int jail_enter(const struct backend_ops *ops, const int *disks, unsigned n);
/* Only the i386 filter: what --no-jail keeps. 0 or -errno. */
int jail_enter_i386_only(void);
