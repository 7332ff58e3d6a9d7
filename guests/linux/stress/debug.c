/*
 * debug.c - hardware breakpoints in a traced process: where each comes, how often, and what DR6 says.
 *
 * The kernel programs DR0-7 for PTRACE_POKEUSER and reports each #DB as a SIGTRAP; what is expected here is what real CPUs
 * do, natively too. (Not here: an instruction breakpoint just after MOV SS, which some CPUs skip and some take.) Called by
 * main.c.
 */
#include "stress.h"
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC 0u
#define WRITE 1u
#define ACCESS 3u
#define LEN(n) (((n) - 1u) << 2)

static uint32_t word[64] __attribute__((aligned(64)));
static uint16_t stack_selector;

/* Each snippet ends at its _end label; _at is where its breakpoint is expected. */
__asm__(".text\n"
	"exec_code: nop\nexec_at: nop\n nop\nexec_end: ret\n"
	"write_code: movl word+4, %eax\n movl %eax, word\n movl %eax, word+8\n movl $1, word+4\nwrite_at: nop\n movb $1, word+3\nwrite_end: ret\n"
	"read_code: movl word, %eax\n movl word+4, %eax\nread_at: nop\nread_end: ret\n"
	"part_code: movb $1, word+4\n movb $1, word+5\npart_at: nop\n movb $1, word+6\npart_end: ret\n"
	"push_code: mov %esp, %ecx\n mov $word+64, %esp\n push $5\npush_at: mov %ecx, %esp\npush_end: ret\n"
	"rmw_code: lock incl word+4\nrmw_at: nop\nrmw_end: ret\n"
	"movs_code: mov $word, %esi\n mov $word+4, %edi\n movsl\nmovs_at: nop\nmovs_end: ret\n"
	"ss_code: mov stack_selector, %ss\n nop\nss_at: nop\nss_end: ret\n");

#define SNIPPET(n) extern char n##_code[], n##_at[], n##_end[]
SNIPPET(exec); SNIPPET(write); SNIPPET(read); SNIPPET(part); SNIPPET(push); SNIPPET(rmw); SNIPPET(movs); SNIPPET(ss);

static const struct {
	const char *name;
	char *code, *at;
	void *address; /* NULL: at */
	unsigned kind, times;
} rows[] = {
	{ "an instruction", exec_code, exec_at, NULL, EXEC | LEN(1), 1 },
	{ "a write", write_code, write_at, &word[1], WRITE | LEN(4), 1 },
	{ "a read", read_code, read_at, &word[1], ACCESS | LEN(4), 1 },
	{ "one byte", part_code, part_at, (char *)word + 5, WRITE | LEN(1), 1 },
	{ "a push", push_code, push_at, &word[15], WRITE | LEN(4), 1 },
	{ "read and write", rmw_code, rmw_at, &word[1], ACCESS | LEN(4), 1 },
	{ "a string instruction", movs_code, movs_at, &word[1], WRITE | LEN(4), 1 },
	{ "MOV SS, held back", ss_code, ss_at, &stack_selector, ACCESS | LEN(2), 1 },
};

static long user_get(pid_t child, size_t offset) { return ptrace(PTRACE_PEEKUSER, child, offset, 0); }
static bool user_set(pid_t child, size_t offset, long v) { return !ptrace(PTRACE_POKEUSER, child, offset, v); }
#define DR(n) (offsetof(struct user, u_debugreg) + (n) * sizeof(int))

static pid_t traced_child(char *code)
{
	pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		((void (*)(void))code)();
		_exit(7);
	}
	check(WIFSTOPPED(wait_for(child)), "the traced child does not stop");
	return child;
}

static void breakpoint_row(unsigned i, unsigned n)
{
	pid_t child = traced_child(rows[i].code);
	unsigned times = 0;
	int status;

	check(user_set(child, DR(n), (long)(rows[i].address ? rows[i].address : rows[i].at)), "debug register %u cannot be set", n);
	check(user_set(child, DR(7), (long)(1u << 2 * n | rows[i].kind << (16 + 4 * n))), "DR7 cannot be set");
	for (;;) {
		ptrace(PTRACE_CONT, child, 0, 0);
		status = wait_for(child);
		if (!WIFSTOPPED(status))
			break;
		long eip = user_get(child, offsetof(struct user, regs.eip)), dr6 = user_get(child, DR(6));
		check(WSTOPSIG(status) == SIGTRAP, "%s: stopped by signal %d", rows[i].name, WSTOPSIG(status));
		check(eip == (long)rows[i].at, "%s: stopped %ld bytes from where it should", rows[i].name, eip - (long)rows[i].at);
		check((dr6 & 0xf) == 1 << n, "%s: DR6 is %#lx", rows[i].name, dr6);
		user_set(child, DR(6), 0);
		times++;
	}
	check(status == 7 << 8, "%s: the child ended with status %#x", rows[i].name, status);
	check(times == rows[i].times, "%s: stopped %u times", rows[i].name, times);
}

/* REP STOSB over a watched byte: CPUs that write fast may be late by some iterations, but it is one stop. */
__asm__(".text\nrep_code: mov $word, %edi\n mov $64, %ecx\n rep stosb\nrep_end: ret\n");
extern char rep_code[], rep_end[];

static void repeated(void)
{
	pid_t child = traced_child(rep_code);
	unsigned times = 0;
	int status;

	check(user_set(child, DR(2), (long)&word[4]) && user_set(child, DR(7), (long)(1u << 4 | (WRITE | LEN(1)) << 24)), "no DR2");
	for (;; times++) {
		ptrace(PTRACE_CONT, child, 0, 0);
		status = wait_for(child);
		if (!WIFSTOPPED(status))
			break;
		long ecx = user_get(child, offsetof(struct user, regs.ecx)), eip = user_get(child, offsetof(struct user, regs.eip));
		check(ecx <= 64 - 17 && eip <= (long)rep_end && eip >= (long)rep_end - 2, "REP STOSB stopped with ECX %ld", ecx);
	}
	check(status == 7 << 8 && times == 1, "REP STOSB stopped %u times, status %#x", times, status);
}

void case_debug_registers(void)
{
	__asm__ volatile("mov %%ss, %0" : "=m"(stack_selector));
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned n = 0; n < 4; n++)
			breakpoint_row(i, n);
	repeated();
}
