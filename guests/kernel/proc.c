/*
 * proc.c - the life of processes: made by fork or as kernel threads, ended by exit, collected by wait.
 *
 * A process is one page (struct proc) and a kernel stack of two. Process 0 is the boot thread, later the idle loop; process
 * 1 is a kernel thread that starts the first program and collects orphans (main.c). Read next: sched.c, exec.c.
 */
#include "proc.h"

#define PAGES_PER_PROC 48 /* no more processes than memory for so many pages each */

_Static_assert(sizeof(struct proc) <= PAGE, "one page");

struct list procs;
static uint32_t last_pid, count, limit;

static void links_init(struct proc *p)
{
	list_init(&p->all);
	list_init(&p->run);
	list_init(&p->wait);
	list_init(&p->children);
	list_init(&p->sibling);
	waitq_init(&p->child_exit);
}

void proc_init(void)
{
	struct proc *p = current;

	list_init(&procs);
	links_init(p);
	memcpy(p->name, "idle", 5);
	limit = min(pages_free() / PAGES_PER_PROC, 400);
}

struct proc *proc_find(uint32_t pid)
{
	list_each(l, &procs) {
		struct proc *p = list_of(l, struct proc, all);
		if (p->pid == pid)
			return p;
	}
	return NULL;
}

static uint32_t pid_new(void)
{
	do {
		last_pid = last_pid >= 29999 ? 2 : last_pid + 1;
	} while (proc_find(last_pid));
	return last_pid;
}

static struct proc *proc_new(int *err)
{
	struct proc *p;

	*err = -LEAGAIN;
	if (count >= limit)
		return NULL;
	*err = -LENOMEM;
	if (!(p = arena_zalloc(ARENA_KERNEL)))
		return NULL;
	links_init(p);
	if (!(p->kstack = arena_alloc(ARENA_KERNEL, KSTACK_ORDER))) {
		arena_free(ARENA_KERNEL, p, 0);
		return NULL;
	}
	p->regs = (struct regs *)(p->kstack + KSTACK_SIZE) - 1;
	p->umask = 022;
	p->state = PROC_RUN;
	return p;
}

/* Into the table, ready to run: from here on it is seen. */
static void proc_publish(struct proc *p)
{
	irq_flags f = irq_save();
	p->pid = pid_new();
	if (!p->pgid)
		p->pgid = p->pid;
	p->parent = current;
	count++;
	list_append(&procs, &p->all);
	list_append(&current->children, &p->sibling);
	sched_ready(p);
	irq_restore(f);
}

static void proc_free(struct proc *p)
{
	arena_free(ARENA_KERNEL, p->kstack, KSTACK_ORDER);
	arena_free(ARENA_KERNEL, p, 0);
}

struct proc *proc_thread(const char *name, void (*fn)(void))
{
	int err;
	struct proc *p = proc_new(&err);

	if (!p)
		return NULL;
	memcpy(p->name, name, min(strlen(name), sizeof p->name - 1));
	p->kesp = arch_stack_thread(p->regs, fn);
	proc_publish(p);
	return p;
}

struct proc *proc_fork(struct regs *r, int *err)
{
	struct proc *p = proc_new(err);

	if (!p)
		return NULL;
	p->mm = mm_new();
	*err = p->mm ? mm_fork(p->mm, current->mm) : -LENOMEM;
	if (*err) {
		mm_destroy(p->mm);
		proc_free(p);
		return NULL;
	}
	fpu_save(current->fpu);
	memcpy(p->fpu, current->fpu, sizeof p->fpu);
	for (unsigned i = 0; i < FILES_MAX; i++)
		p->file[i] = current->file[i] ? file_get(current->file[i]) : NULL;
	p->close_on_exec = current->close_on_exec;
	p->cwd = inode_get(current->cwd);
	p->program = current->program ? inode_get(current->program) : NULL;
	if (p->program)
		p->program->busy++;
	p->umask = current->umask;
	p->pgid = current->pgid;
	memcpy(p->name, current->name, sizeof p->name);
	memcpy(p->action, current->action, sizeof p->action);
	p->blocked = current->blocked;
	*p->regs = *r;
	p->regs->eax = 0;
	p->kesp = arch_stack_make(p->regs);
	proc_publish(p);
	return p;
}

void proc_drop_program(struct proc *p)
{
	if (!p->program)
		return;
	p->program->busy--;
	inode_put(p->program);
	p->program = NULL;
}

/* Children go to process 1, which collects what has ended and what will. */
static void children_leave(struct proc *p)
{
	struct proc *init = proc_find(1);

	while (!list_empty(&p->children)) {
		struct proc *c = list_of(p->children.next, struct proc, sibling);
		list_remove(&c->sibling);
		c->parent = init;
		list_append(&init->children, &c->sibling);
	}
	wake(&init->child_exit);
}

void proc_exit(uint32_t status)
{
	struct proc *p = current;
	struct mm *mm = p->mm;
	struct cause why = { .code = status & 0x7f ? 2 : 1, .word = { p->pid, 0, status & 0x7f ? status & 0x7f : status >> 8 } };

	assert(p->pid > 1);
	fd_close_all(p, false);
	inode_put(p->cwd);
	proc_drop_program(p);
	p->mm = NULL;
	root_load(kernel_root);
	mm_destroy(mm);
	children_leave(p);
	irq_disable();
	p->alarm_at = 0;
	p->status = status;
	p->state = PROC_ZOMBIE;
	signal_send(p->parent, LSIGCHLD, &why);
	wake(&p->parent->child_exit);
	schedule();
	panic("process %u runs after its end\n", p->pid);
}

static uint32_t collect(struct proc *c, uint32_t *status)
{
	uint32_t pid = c->pid;
	irq_flags f = irq_save();

	*status = c->status;
	list_remove(&c->sibling);
	list_remove(&c->all);
	count--;
	irq_restore(f);
	proc_free(c);
	return pid;
}

static bool wait_matches(const struct proc *c, int32_t pid)
{
	return pid == -1 || (pid > 0 && c->pid == (uint32_t)pid) || (pid == 0 && c->pgid == current->pgid) ||
		(pid < -1 && c->pgid == (uint32_t)-pid);
}

int32_t proc_wait(int32_t pid, uint32_t *status, uint32_t options)
{
	for (;;) {
		bool any = false;
		int r;
		list_each(l, &current->children) {
			struct proc *c = list_of(l, struct proc, sibling);
			if (!wait_matches(c, pid))
				continue;
			if (c->state == PROC_ZOMBIE)
				return (int32_t)collect(c, status);
			any = true;
		}
		if (!any)
			return -LECHILD;
		if (options & LWNOHANG)
			return 0;
		if ((r = proc_sleep(&current->child_exit)))
			return r;
	}
}
