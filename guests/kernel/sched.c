/*
 * sched.c - who runs: a queue of ready processes, sleep and wakeup, time-outs, the timer's tick.
 *
 * Round robin, one tick each. The queue and the states of processes are changed with interrupts off, for handlers wake
 * sleepers. A process in user mode is preempted on its way back from the tick (trap_return); one in the kernel is not.
 */
#include "proc.h"

static struct proc boot; /* process 0: the boot thread, later the idle loop */
struct proc *current = &boot;
bool need_resched;
volatile uint32_t ticks;

static struct list ready;
static struct proc *idle;

void sched_init(void)
{
	list_init(&ready);
	idle = current;
}

static void make_ready(struct proc *p)
{
	p->state = PROC_RUN;
	if (p != idle && list_empty(&p->run) && p != current)
		list_append(&ready, &p->run);
	need_resched = true;
}

void sched_ready(struct proc *p)
{
	irq_flags f = irq_save();
	make_ready(p);
	irq_restore(f);
}

void schedule(void)
{
	irq_flags f = irq_save();
	struct proc *prev = current, *next = idle;

	need_resched = false;
	if (prev->state == PROC_RUN && prev != idle)
		list_append(&ready, &prev->run);
	if (!list_empty(&ready)) {
		next = list_of(ready.next, struct proc, run);
		list_remove(&next->run);
	}
	if (next != prev) {
		current = next;
		arch_switch(prev, next);
	}
	irq_restore(f);
}

static int sleep_with(struct waitq *q, uint32_t until)
{
	irq_flags f = irq_save();
	struct proc *p = current;

	if (!signal_wanted(p)) {
		p->state = PROC_SLEEP;
		p->wake_at = until;
		p->timed_out = false;
		if (q)
			list_append(&q->procs, &p->wait);
		schedule();
		list_remove(&p->wait);
		p->wake_at = 0;
		irq_restore(f);
		return p->timed_out || !signal_wanted(p) ? 0 : -LEINTR;
	}
	irq_restore(f);
	return -LEINTR;
}

int proc_sleep(struct waitq *q)
{
	return sleep_with(q, 0);
}

int proc_sleep_for(struct waitq *q, uint32_t n)
{
	uint32_t until = ticks + n;
	return sleep_with(q, until ? until : 1);
}

void wake(struct waitq *q)
{
	irq_flags f = irq_save();
	while (!list_empty(&q->procs)) {
		struct proc *p = list_of(q->procs.next, struct proc, wait);
		list_remove(&p->wait);
		make_ready(p);
	}
	irq_restore(f);
}

static void wake_late(struct proc *p)
{
	if (p->alarm_at && (int32_t)(ticks - p->alarm_at) >= 0) {
		p->alarm_at = p->alarm_interval ? ticks + p->alarm_interval : 0;
		signal_send(p, LSIGALRM, NULL);
	}
	if (p->state == PROC_SLEEP && p->wake_at && (int32_t)(ticks - p->wake_at) >= 0) {
		p->timed_out = true;
		list_remove(&p->wait);
		make_ready(p);
	}
}

void sched_tick(bool user)
{
	ticks++;
	if (user)
		current->ticks_user++;
	else
		current->ticks_kernel++;
	list_each(l, &procs)
		wake_late(list_of(l, struct proc, all));
	if (!list_empty(&ready))
		need_resched = true;
}

void sched_idle(void)
{
	for (;;) {
		irq_disable();
		if (list_empty(&ready))
			arch_idle();
		else
			schedule();
	}
}
