/*
 * phase.c - notes the counters when the guest prints certain lines. Called by console.c for each character and by
 * cli_see.c and cli_stats.c at the end. Read next: docs/exits.md, "phases".
 */
#include "core/phase.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct phases {
	const char *const *text;
	unsigned texts, notes, len;
	uint64_t t0, dropped;
	char line[PHASE_LINE];
	struct phase_note note[PHASES_MAX];
	struct hist before[EV_COUNT][MECH_COUNT]; /* at the last note, so that a phase has a median of its own */
};

int phases_create(struct phases **out, const char *const *text, unsigned n)
{
	/* mmap: what is not used takes no memory */
	struct phases *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	p->text = text;
	p->texts = n;
	p->t0 = __rdtsc();
	*out = p;
	return 0;
}

void phases_free(struct phases *p)
{
	if (p)
		munmap(p, sizeof(*p));
}

/* The median of what has come to *now since *before, which becomes a copy of it. */
static uint32_t median_since(struct hist *before, const struct hist *now)
{
	struct hist d = { .n = now->n - before->n };
	uint64_t v;

	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		d.bucket[i] = now->bucket[i] - before->bucket[i];
	v = hist_quantile(&d, 0.5);
	*before = *now;
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void phase_take(struct phases *p, const struct stats *s)
{
	if (p->notes == PHASES_MAX) {
		p->dropped++;
		return;
	}
	struct phase_note *n = &p->note[p->notes++];
	memcpy(n->line, p->line, sizeof(n->line));
	n->cycles = __rdtsc() - p->t0;
	n->string_elements = s->string_elements;
	for (int k = 0; k < EV_COUNT; k++)
		for (int m = 0; m < MECH_COUNT; m++) {
			const struct stat_cell *c = &s->cell[k][m];

			n->count[k][m] = c->count;
			n->median[k][m] = c->hist && c->hist->n > p->before[k][m].n ? median_since(&p->before[k][m], c->hist) : 0;
		}
	for (unsigned i = 0; i < s->hw_n; i++) /* vtx counts by hardware reason; what KVM did alone is known at the end only */
		n->count[s->hw[i].kind][s->hw[i].mech] += s->hw[i].cell.count;
}

/* Linux puts a time stamp in brackets before its messages, "[    0.000000] ": not part of what was said. */
static const char *line_text(const char *line)
{
	const char *p = line;

	if (*p != '[')
		return line;
	p += 1 + strspn(p + 1, " .0123456789");
	return p[0] == ']' && p[1] == ' ' ? p + 2 : line;
}

void phases_console(struct phases *p, const struct stats *s, char c)
{
	if (c == '\r')
		return;
	if (c != '\n') {
		if (p->len < PHASE_LINE - 1)
			p->line[p->len++] = c >= ' ' && c < 0x7f ? c : '?';
		return;
	}
	p->line[p->len] = 0;
	p->len = 0;
	for (unsigned i = 0; i < p->texts; i++)
		if (!strncmp(line_text(p->line), p->text[i], strlen(p->text[i]))) {
			phase_take(p, s);
			return;
		}
}

const struct phase_note *phases_note(const struct phases *p, unsigned i)
{
	return p && i < p->notes ? &p->note[i] : NULL;
}

uint64_t phases_dropped(const struct phases *p)
{
	return p ? p->dropped : 0;
}
