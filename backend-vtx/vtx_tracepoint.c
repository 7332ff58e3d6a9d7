/*
 * vtx_tracepoint.c - the kernel counts this thread's VM exits by reason: a histogram trigger at kvm:kvm_exit.
 *
 * (Linux: Documentation/trace/histogram.rst.) Three triggers, all filtered on our thread: totals by exit reason, and on
 * VMX the qualification of control-register accesses and the vector of exceptions (on SVM: whether an MSR was written); where
 * KVM has its own interrupt controllers, the direction of I/O too. They cost a hash update per exit, are set
 * when the run starts and removed when it is read. Where tracefs may not be written there is a sentence instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vtx.h"

#define HIST_FILE_MAX (256u << 10)

static const char *const tracefs[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

/* What is asked: the key, and the reason it is asked for (-1: all of them). VMX and SVM number their reasons differently. */
#define QUESTIONS 4
static const struct { const char *key; int reason; } vmx_question[QUESTIONS] = {
	{ "exit_reason", -1 }, { "info1", 28 }, { "intr_info", 0 }, { "info1", 30 },
}, svm_question[QUESTIONS] = {
	{ "exit_reason", -1 }, { "info1", 0x7c }, { 0 }, { "info1", 0x7b },
};

void vtx_tracepoint_open(struct vtx_tracepoint *t, enum vtx_engine engine, bool split_io)
{
	char path[96];

	*t = (struct vtx_tracepoint){ .trigger = -1, .hist = -1, .tid = (int)syscall(SYS_gettid), .vmx = engine == ENGINE_INTEL,
		.split_io = split_io };
	if (engine != ENGINE_INTEL && engine != ENGINE_AMD)
		return; /* its reasons would mean nothing */
	for (size_t i = 0; i < ARRAY_LEN(tracefs) && t->trigger < 0; i++) {
		snprintf(path, sizeof(path), "%s/events/kvm/kvm_exit/trigger", tracefs[i]);
		t->trigger = open(path, O_WRONLY | O_CLOEXEC);
		snprintf(path, sizeof(path), "%s/events/kvm/kvm_exit/hist", tracefs[i]);
		t->hist = t->trigger < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	}
}

/* NULL: not asked. */
static const char *question_key(const struct vtx_tracepoint *t, size_t q)
{
	if (q == QUESTIONS - 1 && !t->split_io)
		return NULL;
	return t->vmx ? vmx_question[q].key : svm_question[q].key;
}

static int question_reason(const struct vtx_tracepoint *t, size_t q)
{
	return t->vmx ? vmx_question[q].reason : svm_question[q].reason;
}

/* Sets one trigger, as tracefs takes it; "!" before it removes it. */
static bool trigger_write(const struct vtx_tracepoint *t, size_t q, const char *prefix)
{
	char text[128], only[40] = "";
	int n;

	if (!question_key(t, q))
		return true;
	if (question_reason(t, q) >= 0)
		snprintf(only, sizeof(only), "exit_reason==%d&&", question_reason(t, q));
	n = snprintf(text, sizeof(text), "%shist:keys=%s:size=256 if %scommon_pid==%d", prefix, question_key(t, q), only, t->tid);
	return write(t->trigger, text, (size_t)n) == n;
}

void vtx_tracepoint_start(struct vtx_tracepoint *t)
{
	if (t->trigger < 0 || t->hist < 0 || t->on)
		return;
	t->on = trigger_write(t, 0, "");
	for (size_t q = 1; t->on && q < QUESTIONS; q++)
		trigger_write(t, q, ""); /* without it, exits of that reason are simply not told apart */
}

static void tracepoint_stop(struct vtx_tracepoint *t)
{
	for (size_t q = 0; t->on && q < QUESTIONS; q++)
		trigger_write(t, q, "!");
	t->on = false;
}

void vtx_tracepoint_close(struct vtx_tracepoint *t)
{
	tracepoint_stop(t);
	if (t->trigger >= 0)
		close(t->trigger);
	if (t->hist >= 0)
		close(t->hist);
}

/* One section of the hist file: from its "# trigger info:" line to the next. Ours has our filter in it. */
static void parse_section(struct vtx_hist *h, char *section, const struct vtx_tracepoint *t, size_t q)
{
	char row[40], *save;

	snprintf(row, sizeof(row), "{ %s:", question_key(t, q));
	for (char *line = strtok_r(section, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *count = strstr(line, "hitcount:"), *dropped = strstr(line, "Dropped:");
		if (dropped)
			h->dropped += strtoull(dropped + 8, NULL, 10);
		if (strncmp(line, row, strlen(row)) || !count || h->n == ARRAY_LEN(h->row))
			continue;
		uint64_t key = strtoull(line + strlen(row), NULL, 0);
		h->row[h->n++] = (struct vtx_hist_row){
			.reason = q ? (uint32_t)question_reason(t, q) : (uint32_t)key, .has_detail = q > 0, .detail = q ? key : 0,
			.count = strtoull(count + 9, NULL, 10),
		};
	}
}

/* Which question a section answers: the first line repeats trigger and filter, in the kernel's words. -1: not ours. */
static int section_question(const char *section, const struct vtx_tracepoint *t)
{
	size_t len = strcspn(section, "\n");
	char head[300], key[40], pid[40], only[40];

	snprintf(head, sizeof(head), "%.*s", (int)len, section);
	snprintf(pid, sizeof(pid), "common_pid==%d ", t->tid);
	if (!strstr(head, pid))
		return -1;
	for (size_t q = 0; q < QUESTIONS; q++) {
		snprintf(key, sizeof(key), "keys=%s:", question_key(t, q) ? question_key(t, q) : "none");
		snprintf(only, sizeof(only), "exit_reason==%d&&", question_reason(t, q));
		if (strstr(head, key) && (question_reason(t, q) < 0 || strstr(head, only)))
			return (int)q;
	}
	return -1;
}

static void parse(struct vtx_hist *h, char *text, const struct vtx_tracepoint *t)
{
	static const char mark[] = "# trigger info:";
	char *at = strstr(text, mark);

	while (at) {
		char *next = strstr(at + 1, mark);
		int q = section_question(at, t);
		if (next)
			next[-1] = 0;
		if (q >= 0)
			parse_section(h, at, t, (size_t)q);
		at = next;
	}
}

bool vtx_tracepoint_read(struct vtx_tracepoint *t, struct vtx_hist *h)
{
	char *text = t->on ? malloc(HIST_FILE_MAX) : NULL;
	size_t len = 0;
	ssize_t n = 1;

	memset(h, 0, sizeof(*h));
	while (text && n > 0 && len < HIST_FILE_MAX - 1) {
		n = read(t->hist, text + len, HIST_FILE_MAX - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	tracepoint_stop(t);
	if (!text)
		return false;
	text[len] = 0;
	parse(h, text, t);
	free(text);
	return h->n > 0;
}
