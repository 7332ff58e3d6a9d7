/*
 * cli_end.c - the end record: how the guest ended, told by the jailed child to its parent through a pipe.
 *
 * An exit status alone proves nothing: code that broke out of the guest may call exit_group(0), which no jail can forbid. So
 * the child says by a record what its status means, and the parent believes a status only with a record that fits it. Code
 * that has taken over the whole child could still forge one; this is to tell an exit by accident, or by a simple attack,
 * from an end. The pipe is opened before the fork, and holds one record. Called by cli_run.c.
 */
#include "cli_end.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int end_open(struct end_pipe *p)
{
	if (getrandom(&p->nonce, sizeof(p->nonce), 0) != sizeof(p->nonce))
		return -errno;
	return pipe2(p->fd, O_CLOEXEC | O_NONBLOCK) ? -errno : 0;
}

void end_write(const struct end_pipe *p, const struct end_record *what)
{
	struct end_record r = *what;
	ssize_t n;

	r.nonce = p->nonce;
	r.size = sizeof(r);
	do /* a pipe takes so few bytes whole */
		n = write(p->fd[1], &r, sizeof(r));
	while (n < 0 && errno == EINTR);
}

/* Whether a child with this exit status can have had this end. */
static bool fits(const struct end_record *r, bool one_guest)
{
	if (r->status == STATUS_HOST)
		return true; /* something failed after the guest's end, too */
	if (r->end == END_NONE)
		return !one_guest || r->status > STATUS_GUEST_MAX;
	return r->end <= END_INTERRUPTED && r->status == cli_status_of(r->end, r->guest_status);
}

const char *end_check(const struct end_pipe *p, int status, bool one_guest)
{
	struct end_record r[2];
	ssize_t n = read(p->fd[0], r, sizeof(r));

	if (n <= 0)
		return "it did not say how the guest ended";
	if (n != sizeof(r[0]) || r->size != sizeof(r[0]) || r->nonce != p->nonce)
		return "what it said of the guest's end is no end record";
	if (r->status != status || !fits(r, one_guest))
		return "its status is not the one of the end that it told";
	return NULL;
}
