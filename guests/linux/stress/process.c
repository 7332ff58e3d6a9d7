/*
 * process.c - processes, threads, pipes and signals: context switches of every kind.
 */
#include "stress.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* 40 children at once, each with a stack and heap of its own, and a chain of 12 generations. */
void case_fork(void)
{
	pid_t pid[40];

	for (int i = 0; i < 40; i++) {
		pid[i] = fork();
		check(pid[i] >= 0, "fork %d failed", i);
		if (!pid[i]) {
			volatile char *p = malloc(20000);
			memset((char *)p, i, 20000);
			usleep(1000);
			_exit(p[i * 400] == i ? i : 255);
		}
	}
	for (int i = 0; i < 40; i++)
		check(wait_for(pid[i]) == i << 8, "child %d ended wrongly", i);
	for (int depth = 0; depth < 12; depth++) {
		pid_t child = fork();
		if (child) {
			int status = wait_for(child);
			if (depth)
				_exit(WEXITSTATUS(status) + 1);
			check(WEXITSTATUS(status) == 11, "the chain of forks is %d long", WEXITSTATUS(status));
			return;
		}
	}
	_exit(0);
}

void case_exec(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();
		if (!child) {
			execl("/proc/self/exe", "stress", "--exec-me", NULL);
			_exit(1);
		}
		check(wait_for(child) == 42 << 8, "exec %d ended wrongly", i);
	}
}

/* A megabyte through a chain of three processes, in odd sizes. */
void case_pipe(void)
{
	int in[2], out[2];
	static unsigned char buf[3001];
	unsigned long sent = 0, got = 0;
	uint32_t sum_sent = 0, sum_got = 0;

	check(!pipe(in) && !pipe(out), "pipe");
	pid_t writer = fork();
	if (!writer) {
		close(out[0]);
		for (int i = 0; i < 350; i++)
			for (size_t k = 0, w; k < sizeof(buf); k += w) {
				memset(buf, i * 7, sizeof(buf));
				w = (size_t)write(in[1], buf + k, sizeof(buf) - k);
			}
		_exit(0);
	}
	pid_t middle = fork();
	if (!middle) {
		ssize_t n;
		close(in[1]);
		close(out[0]);
		while ((n = read(in[0], buf, 777)) > 0)
			for (ssize_t i = 0, w; i < n; i += w) {
				for (ssize_t k = 0; !i && k < n; k++)
					buf[k] ^= 0x5a;
				w = write(out[1], buf + i, (size_t)(n - i));
			}
		_exit(0);
	}
	close(in[0]), close(in[1]), close(out[1]);
	for (int i = 0; i < 350; i++)
		for (unsigned k = 0; k < sizeof(buf); k++, sent++)
			sum_sent = sum_sent * 31 + ((unsigned char)(i * 7) ^ 0x5a);
	for (ssize_t n; (n = read(out[0], buf, 1234)) > 0; got += (unsigned long)n)
		for (ssize_t k = 0; k < n; k++)
			sum_got = sum_got * 31 + buf[k];
	check(sent == got && sum_sent == sum_got, "%lu bytes came as %lu, or changed", sent, got);
	check(!wait_for(writer) && !wait_for(middle), "a process of the chain failed");
}

static volatile sig_atomic_t usr1, order;

static void on_usr1(int sig)
{
	usr1++;
}

static void on_nested(int sig)
{
	order = order * 10 + sig - SIGRTMIN + 1;
	if (sig == SIGRTMIN)
		raise(SIGRTMIN + 1);
	order = order * 10 + sig - SIGRTMIN + 1;
}

/* Signals between processes, to oneself, nested, blocked; an interval timer against a computing loop. */
void case_signals(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	sigset_t set, old;

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < 1000; i++)
		raise(SIGUSR1);
	check(usr1 == 1000, "of 1000 signals %d came", (int)usr1);
	sa.sa_handler = on_nested;
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGRTMIN + 1, &sa, NULL);
	raise(SIGRTMIN);
	check(order == 1221, "nested signals came as %d", (int)order);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	check(usr1 == 1000, "a blocked signal came");
	sigprocmask(SIG_SETMASK, &old, NULL);
	check(usr1 == 1001, "an unblocked signal did not come");
	usr1 = 0;
	ualarm(5000, 5000);
	volatile double x = 1;
	uint64_t sum = 0;
	while (usr1 < 20) {
		x = x * 1.0000001 + 1e-9;
		sum += 3;
	}
	ualarm(0, 0);
	check(x > 1 && sum % 3 == 0, "registers changed under a timer's signals");
}

static char alt[32768];
static volatile char *handler_sp;

static void on_overflow(int sig, siginfo_t *info, void *ctx)
{
	char here;

	handler_sp = &here;
	_exit(handler_sp >= alt && handler_sp < alt + sizeof(alt) && info->si_addr ? 33 : 1);
}

static int overflow(int depth)
{
	volatile char frame[4096];

	frame[depth & 4095] = (char)depth;
	return depth == 1 << 30 ? 0 : overflow(depth + 1) + frame[0];
}

/* A stack that overflows, whose handler runs elsewhere. */
void case_sigaltstack(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	struct sigaction sa = { .sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	pid_t child = fork();

	if (!child) {
		sigaltstack(&ss, NULL);
		sigaction(SIGSEGV, &sa, NULL);
		_exit(overflow(0) & 1);
	}
	check(wait_for(child) == 33 << 8, "the handler did not run on its own stack");
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int counter, barriers;
static pthread_barrier_t barrier;
static __thread int local = 5;

static void *thread_main(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
		__atomic_add_fetch(&barriers, 1, __ATOMIC_SEQ_CST);
		if (i % 500 == 0)
			pthread_barrier_wait(&barrier);
		local += i & 1;
	}
	return (void *)(intptr_t)local;
}

void case_threads(void)
{
	pthread_t t[8];
	void *r;

	pthread_barrier_init(&barrier, NULL, 8);
	for (int i = 0; i < 8; i++)
		check(!pthread_create(&t[i], NULL, thread_main, NULL), "thread %d", i);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &r);
		check((intptr_t)r == 1005, "a thread's own variable is %d", (int)(intptr_t)r);
	}
	check(counter == 16000 && barriers == 16000 && local == 5, "counters: %d %d %d", counter, barriers, local);
}

/* Each process its own TLS segment, across switches: the parent and 4 children read it all the time. */
void case_tls(void)
{
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		if (!(pid[i] = fork())) {
			local = i + 100;
			for (int k = 0; k < 300; k++) {
				usleep(0);
				if (local != i + 100)
					_exit(1);
			}
			_exit(0);
		}
	for (int i = 0; i < 4; i++)
		check(!wait_for(pid[i]), "child %d read another's variable", i);
	check(local == 5, "the parent's variable changed");
}
