/*
 * proc.h - processes: the table of them, the current one, what the system calls about them do.
 */
#pragma once
#include "fs.h"
#include "mm.h"

#define FILES_MAX 32
#define ARGS_MAX (32u << 10) /* bytes of arguments and environment, with their pointers */
#define KSTACK_ORDER 1
#define KSTACK_SIZE (PAGE << KSTACK_ORDER)

enum proc_state { PROC_RUN, PROC_SLEEP, PROC_ZOMBIE };

/* What a signal's siginfo will say: the three words after the code. */
struct cause {
	int32_t code;
	uint32_t word[3];
};

struct proc {
	uint32_t kesp;           /* while it does not run: its kernel stack pointer (entry code knows this offset) */
	uint8_t *kstack;
	struct regs *regs;       /* of the entry from user mode, at the top of the kernel stack */
	enum proc_state state;
	uint32_t pid, pgid;
	struct list all, run, wait; /* links: every process; ready to run; asleep on a queue */
	struct list children, sibling;
	struct proc *parent;
	struct waitq child_exit; /* the parent sleeps here */
	uint32_t status;         /* as wait4 tells it */
	uint32_t wake_at;        /* tick; 0: no time-out */
	bool timed_out;

	struct mm *mm;           /* kernel threads and zombies have none */

	struct file *file[FILES_MAX];
	uint32_t close_on_exec;  /* a bit for each descriptor */
	struct inode *cwd, *program;
	uint32_t umask;
	char name[16];

	uint64_t pending, blocked, saved_blocked; /* bit n - 1: signal n */
	bool restore_blocked;    /* sigsuspend: saved_blocked comes back after the handler */
	bool in_syscall;         /* a result of -LEINTR may mean that the call starts again */
	uint32_t syscall_nr;
	uint32_t fault_address;
	struct linux_sigaction action[LNSIG];
	struct cause cause[32]; /* of the pending signals 1..31 */
	uint32_t alarm_at, alarm_interval; /* ticks; 0: none */
	uint32_t ticks_user, ticks_kernel;
	uint8_t fpu[512] __attribute__((aligned(16)));
};

extern struct proc *current;
extern struct list procs; /* by proc.all */
extern bool need_resched;

/* sched.c */
void sched_init(void);
void sched_ready(struct proc *p);  /* to the end of the queue */
void schedule(void);               /* lets another process run; comes back when this one is chosen again */
void sched_tick(bool user);        /* from the timer's handler, 1/HZ s later than the last */
_Noreturn void sched_idle(void);

/* proc.c */
void proc_init(void); /* process 0, which is the boot thread and then the idle loop */
struct proc *proc_find(uint32_t pid);
struct proc *proc_thread(const char *name, void (*fn)(void)); /* a kernel thread, ready to run */
struct proc *proc_fork(struct regs *r, int *err);
_Noreturn void proc_exit(uint32_t status);
int32_t proc_wait(int32_t pid, uint32_t *status, uint32_t options);

void proc_drop_program(struct proc *p);

/* exec.c: replaces the current process's program. On 0, r holds the registers of the new one. */
int exec(const char *path, char *const *argv, char *const *envp, struct regs *r); /* kernel memory */
int32_t exec_user(uint32_t path, uint32_t argv, uint32_t envp, struct regs *r);    /* user memory */

/* file.c: descriptors */
int32_t fd_new(struct file *f, uint32_t from, bool close_on_exec); /* -LEMFILE */
struct file *fd_file(uint32_t fd);
void fd_close_all(struct proc *p, bool exec_only);

/* signal.c */
#define sig_bit(n) (1ull << ((n) - 1))
void signal_send(struct proc *p, uint32_t signo, const struct cause *why); /* why may be NULL */
void signal_force(uint32_t signo, int32_t code, uint32_t address); /* to the current process, even if blocked or ignored */
bool signal_wanted(const struct proc *p); /* something is pending that is neither blocked nor ignored */
void signal_deliver(struct regs *r);      /* before user mode goes on */
void signal_foreground(uint32_t signo);   /* the terminal's keys */
void signal_exec(struct proc *p);

/* syscall.c */
void syscall(struct regs *r);
typedef int32_t syscall_fn(const uint32_t *a, struct regs *r);
#define X(name, nr) syscall_fn sys_##name;
LINUX_CALLS(X)
#undef X

/* tty.c */
void tty_init(void);
void tty_input(const char *s, uint32_t n); /* from interrupt handlers */

/* trap.c */
void trap(struct regs *r);        /* entry code calls it for every vector */
void trap_return(struct regs *r); /* signals and preemption, before user mode goes on; interrupts are off after it */
