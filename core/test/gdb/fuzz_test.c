/*
 * Whatever a peer sends, the stub neither crashes nor hangs: random bytes, mutated packets, lengths without measure.
 *
 * RINGLAB_GDB_FUZZ=N sends N packets instead of the default. Under the dev preset the sanitizers watch.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "remote.h"

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33);
}

/* None of them lets the guest run or ends it: that is for the test to say. */
static const char *const seeds[] = { "qSupported:swbreak+", "?", "g", "G00", "p8", "p18", "P0=12345678", "P10=2b", "Pb=ff", "P25=ffffffff",
	"m100000,40", "mffffffff,ffffffff", "m0,ffffffffffffffff", "M100000,4:00112233", "M0,ffffffff:00", "X100000,4:abcd", "X0,ffffffffffffffff:",
	"Z0,100000,1", "z0,100000,1", "Z2,100000,4", "Z4,0,ffffffff", "Z9,1,1", "qXfer:features:read:target.xml:0,fff",
	"qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff", "qXfer:features:read:annex:0,1", "qRcmd,696e666f", "qRcmd,77616c6b2030",
	"qRcmd,7", "qRcmd,zz", "Hg0", "T1", "qfThreadInfo", "vCont?", "vCont;", "vCont;x", "vMustReplyEmpty", "qThreadExtraInfo,1", "" };

static void mutate(char *p, size_t n, uint64_t *seed)
{
	size_t len = strlen(p);

	for (unsigned i = next(seed) % 4; i && len > 1; i--)
		switch (next(seed) % 3) {
		case 0: p[1 + next(seed) % (len - 1)] = (char)(1 + next(seed) % 255); break;
		case 1: p[len = 1 + next(seed) % (len - 1)] = 0; break;
		case 2:
			if (len + 8 < n)
				memset(p + len, "0f,:"[next(seed) % 4], 7), p[len += 7] = 0;
			break;
		}
}

/* Until it answers a question of ours: both sides' buffers are small when packets are. */
static void sync_up(struct remote *r)
{
	remote_send(r, "qC");
	do
		cr_assert(remote_receive(r, 10), "it no longer answers; the last answer was %.40s", r->reply);
	while (strcmp(r->reply, "QC1"));
}

Test(gdb_fuzz, packets, .timeout = 300)
{
	const char *want = getenv("RINGLAB_GDB_FUZZ");
	uint64_t seed = 20261121, count = want ? strtoull(want, NULL, 0) : 4000;
	static char huge[40000];
	struct remote r;

	cr_assert(remote_start(&r, "interp", "hello", NULL));
	cr_assert(remote_connect(&r));
	for (uint64_t i = 0; i < count; i++) {
		char p[400];
		snprintf(p, sizeof(p), "%s", seeds[next(&seed) % (sizeof(seeds) / sizeof(seeds[0]))]);
		mutate(p, sizeof(p), &seed);
		if (strchr("cCsSkDv", p[0]) && p[0])
			p[0] = 'x';
		remote_send(&r, p);
		if (i % 64 == 0) {
			char junk[64];
			for (size_t k = 0; k < sizeof(junk); k++)
				junk[k] = (char)next(&seed);
			for (char *c = junk; (c = memchr(c, '$', (size_t)(junk + sizeof(junk) - c))); )
				*c = 'x';
			remote_write(&r, junk, sizeof(junk));
		}
		if (i % 32 == 0)
			sync_up(&r);
	}
	memset(huge, 'f', sizeof(huge) - 1);
	memcpy(huge, "M0,fffff:", 9);
	remote_write(&r, "$", 1);
	remote_write(&r, huge, sizeof(huge) - 1);
	remote_write(&r, "#00", 3);
	sync_up(&r);
	remote_write(&r, "$g#zz", 5);
	sync_up(&r);
	int status = remote_end(&r, 10);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 225, "wait status %#x", status);
}

/* A packet that never ends, a peer that reads nothing, a connection that is cut within a packet. */
Test(gdb_fuzz, unfinished, .timeout = 60)
{
	static char x[1 << 16];
	struct remote r;

	memset(x, 'a', sizeof(x));
	cr_assert(remote_start(&r, "interp", "hello", NULL));
	cr_assert(remote_connect(&r));
	remote_write(&r, "$", 1);
	for (int i = 0; i < 64; i++)
		remote_write(&r, x, sizeof(x));
	int status = remote_end(&r, 10);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 225, "wait status %#x", status);

	cr_assert(remote_start(&r, "interp", "hello", NULL));
	cr_assert(remote_connect(&r));
	remote_write(&r, "$m0,2000#", 9);
	kill(r.pid, SIGINT);
	status = remote_wait(&r, 10);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 225, "wait status %#x", status);
}
