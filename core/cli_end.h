/*
 * cli_end.h - the end record, between `ringlab run`'s jailed child and its parent. Included by core/cli_*.c only.
 */
#pragma once
#include "cli.h"

struct end_record {
	uint64_t nonce;        /* drawn before the fork */
	uint32_t size;
	enum vm_end end;       /* END_NONE: no guest was run to an end */
	int32_t guest_status;  /* END_EXIT: the value written to the debug-exit port */
	int32_t status;        /* the exit status that follows */
};

struct end_pipe {
	int fd[2];
	uint64_t nonce;
};

int end_open(struct end_pipe *p); /* 0 or -errno */
/* The child's last word; p->fd[1] is open. */
void end_write(const struct end_pipe *p, const struct end_record *what);
/*
 * After the child has exited with this status: NULL when its record fits, or what is wrong, to follow "but". one_guest: the
 * command's status is its only guest's.
 */
const char *end_check(const struct end_pipe *p, int status, bool one_guest);
