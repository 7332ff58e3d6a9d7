/*
 * timeline.c - the sampler behind `run --timeline`: cumulative counters at intervals, differences at the end.
 *
 * Why a thread: whatever the vCPU's thread did at intervals (a timer, a look at the clock in each event) would add kicks to the
 * very counts that are of interest, or cost on hot paths. Counters are aligned words that one thread writes, so that another reads
 * each of them whole. Its signals are all blocked: faults and kicks belong to the vCPU's thread, which may be in guest code with
 * another FS base. Created by cli_see.c, started and stopped by vm_run. Read next: cli_timeline.c.
 */
#include "core/timeline.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct note {
	uint64_t ns; /* since the start */
	uint64_t count[EV_COUNT][MECH_COUNT];
};

struct timeline {
	const struct stats *stats;
	uint64_t start_ns, width_ns;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool started, stopped, joined; /* under the lock; joined: the creator's own */
	size_t notes;
	struct note note[TIMELINE_MAX]; /* bucket i lies between note i - 1 and note i */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void count_read(const struct stats *s, uint64_t count[EV_COUNT][MECH_COUNT])
{
	unsigned rows = __atomic_load_n(&s->hw_n, __ATOMIC_RELAXED);

	for (int k = 0; k < EV_COUNT; k++)
		for (int m = 0; m < MECH_COUNT; m++)
			count[k][m] = __atomic_load_n(&s->cell[k][m].count, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < rows; i++) { /* a row that is only now being made counts 0 */
		const struct stat_hw *hw = &s->hw[i];
		count[hw->kind][hw->mech] += __atomic_load_n(&hw->cell.count, __ATOMIC_RELAXED);
	}
}

/* Two buckets become one. */
static void merge_pairs(struct timeline *t)
{
	for (size_t i = 0; i < TIMELINE_MAX / 2; i++)
		t->note[i] = t->note[2 * i + 1];
	t->notes = TIMELINE_MAX / 2;
	t->width_ns *= 2;
}

/* Under the lock. */
static void note_take(struct timeline *t)
{
	if (t->notes == TIMELINE_MAX)
		merge_pairs(t);
	struct note *n = &t->note[t->notes++];
	count_read(t->stats, n->count);
	n->ns = now_ns() - t->start_ns;
}

static void *sampler(void *arg)
{
	struct timeline *t = arg;
	uint64_t due = 0;

	pthread_mutex_lock(&t->lock);
	while (!t->started && !t->stopped)
		pthread_cond_wait(&t->wake, &t->lock);
	while (!t->stopped) {
		uint64_t now = now_ns() - t->start_ns;

		due = due + t->width_ns > now ? due + t->width_ns : now + t->width_ns; /* what a busy host made late is not made up for */
		uint64_t abs = t->start_ns + due;
		struct timespec until = { (time_t)(abs / 1000000000ull), (long)(abs % 1000000000ull) };
		while (!t->stopped && pthread_cond_timedwait(&t->wake, &t->lock, &until) != ETIMEDOUT)
			;
		if (!t->stopped)
			note_take(t);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* A thread without signals, and with a small stack. */
static int sampler_create(struct timeline *t)
{
	pthread_attr_t a;
	sigset_t all, old;
	int e;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 64 << 10);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	e = pthread_create(&t->thread, &a, sampler, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&a);
	return -e;
}

int timeline_create(struct timeline **out, const struct stats *s, double width_ms)
{
	/* mmap: what is not used takes no memory */
	struct timeline *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_condattr_t a;
	int r;

	if (t == MAP_FAILED)
		return -ENOMEM;
	t->stats = s;
	t->width_ns = (uint64_t)(width_ms * 1e6);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &a);
	pthread_condattr_destroy(&a);
	if ((r = sampler_create(t))) {
		munmap(t, sizeof(*t));
		return r;
	}
	*out = t;
	return 0;
}

void timeline_start(struct timeline *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->started = true;
	t->start_ns = now_ns();
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

/*
 * A counter can go back by a little: bt counts a shadow fill when it begins, and takes it back when it was none. So that no bucket
 * has less than nothing, each note gets the least of what follows it; the last one stays as it is, and with it the sum.
 */
static void notes_settle(struct timeline *t)
{
	for (size_t i = t->notes; i-- > 1;)
		for (int k = 0; k < EV_COUNT; k++)
			for (int m = 0; m < MECH_COUNT; m++)
				if (t->note[i - 1].count[k][m] > t->note[i].count[k][m])
					t->note[i - 1].count[k][m] = t->note[i].count[k][m];
}

void timeline_stop(struct timeline *t)
{
	if (!t || t->joined)
		return;
	pthread_mutex_lock(&t->lock);
	t->stopped = true;
	if (t->started)
		note_take(t);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	t->joined = true;
	notes_settle(t);
}

void timeline_free(struct timeline *t)
{
	if (!t)
		return;
	timeline_stop(t);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	munmap(t, sizeof(*t));
}

size_t timeline_buckets(const struct timeline *t)
{
	return t ? t->notes : 0;
}

static void bucket_fill(const struct note *from, const struct note *to, struct timeline_bucket *b)
{
	b->t_s = (double)from->ns / 1e9;
	b->width_s = (double)(to->ns - from->ns) / 1e9;
	for (int k = 0; k < EV_COUNT; k++)
		for (int m = 0; m < MECH_COUNT; m++)
			b->count[k][m] = to->count[k][m] > from->count[k][m] ? to->count[k][m] - from->count[k][m] : 0;
}

void timeline_bucket(const struct timeline *t, size_t i, struct timeline_bucket *b)
{
	static const struct note start;

	bucket_fill(i ? &t->note[i - 1] : &start, &t->note[i], b);
}

bool timeline_rest(const struct timeline *t, struct timeline_bucket *b)
{
	const struct note *last;
	struct note now;
	bool any = false;

	if (!timeline_buckets(t))
		return false;
	last = &t->note[t->notes - 1];
	count_read(t->stats, now.count);
	now.ns = last->ns;
	bucket_fill(last, &now, b);
	b->t_s = 0;
	b->width_s = (double)last->ns / 1e9;
	for (int k = 0; k < EV_COUNT; k++)
		for (int m = 0; m < MECH_COUNT; m++)
			any |= b->count[k][m] != 0;
	return any;
}
