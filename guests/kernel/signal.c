/*
 * signal.c - signals: sending, what a process does with them, the frame on its stack, and the way back.
 *
 * Sent from system calls, faults, the terminal and the timer (interrupt handlers too); delivered by trap_return before user
 * mode goes on. The frame is Linux's rt_sigframe of i386, which is all that our programs use (SA_SIGINFO and SA_RESTORER).
 * A system call that a signal ended with EINTR starts again where the handler has SA_RESTART.
 */
#include "proc.h"

#define UNBLOCKABLE (sig_bit(LSIGKILL) | sig_bit(LSIGSTOP))
#define IGNORED_BY_DEFAULT (sig_bit(LSIGCHLD) | sig_bit(LSIGCONT) | sig_bit(23) /* URG */ | sig_bit(28) /* WINCH */ | \
	sig_bit(LSIGSTOP) | sig_bit(LSIGTSTP) | sig_bit(LSIGTTIN) | sig_bit(LSIGTTOU)) /* nobody stops here: no job control */

static bool ignored(const struct proc *p, uint32_t signo)
{
	uint32_t handler = p->action[signo - 1].handler;
	return handler == LSIG_IGN || (handler == LSIG_DFL && (IGNORED_BY_DEFAULT & sig_bit(signo)));
}

bool signal_wanted(const struct proc *p)
{
	return p->pending & ~p->blocked;
}

void signal_send(struct proc *p, uint32_t signo, const struct cause *why)
{
	irq_flags f = irq_save();

	if (p->pid > 1 && p->state != PROC_ZOMBIE && !(ignored(p, signo) && !(p->blocked & sig_bit(signo)))) {
		if (signo < ARRAY_LEN(p->cause) && !(p->pending & sig_bit(signo)))
			p->cause[signo] = why ? *why : (struct cause){ .code = 0x80 }; /* SI_KERNEL */
		p->pending |= sig_bit(signo);
		if (p->state == PROC_SLEEP && signal_wanted(p)) {
			list_remove(&p->wait);
			sched_ready(p);
		}
	}
	irq_restore(f);
}

void signal_force(uint32_t signo, int32_t code, uint32_t address)
{
	struct proc *p = current;

	if (p->blocked & sig_bit(signo) || ignored(p, signo)) {
		p->action[signo - 1] = (struct linux_sigaction){ 0 };
		p->blocked &= ~sig_bit(signo);
	}
	p->fault_address = address;
	signal_send(p, signo, &(struct cause){ .code = code, .word = { address } });
}

void signal_foreground(uint32_t signo)
{
	list_each(l, &procs)
		signal_send(list_of(l, struct proc, all), signo, NULL);
}

/* Handlers are gone with the old program; what is ignored stays so. */
void signal_exec(struct proc *p)
{
	for (unsigned i = 0; i < LNSIG; i++)
		if (p->action[i].handler != LSIG_IGN)
			p->action[i] = (struct linux_sigaction){ 0 };
}

static uint64_t mask_of(const uint32_t *m)
{
	return ((uint64_t)m[1] << 32 | m[0]) & ~UNBLOCKABLE;
}

/* ---- delivery ---- */

/* The FPU's state as a signal frame has it: FSAVE's form, which we leave empty, then FXSAVE's. */
struct fpu_frame {
	uint8_t fsave[108];
	uint16_t status, magic; /* 0: the other form is there */
	uint8_t fxsave[512];
};

static void context_fill(struct linux_ucontext *c, const struct regs *r, uint64_t mask, uint32_t fpu)
{
	*c = (struct linux_ucontext){
		.stack_flags = 2, /* SS_DISABLE */
		.regs = { .es = r->es & 0xffff, .ds = r->ds & 0xffff, .edi = r->edi, .esi = r->esi, .ebp = r->ebp, .esp = r->esp,
			.ebx = r->ebx, .edx = r->edx, .ecx = r->ecx, .eax = r->eax, .trapno = r->vector, .err = r->error, .eip = r->eip,
			.cs = r->cs & 0xffff, .eflags = r->eflags, .esp_at_signal = r->esp, .ss = r->ss & 0xffff,
			.fpstate = fpu, .oldmask = (uint32_t)mask, .cr2 = current->fault_address },
		.mask = { (uint32_t)mask, (uint32_t)(mask >> 32) },
	};
}

/* Makes r enter the handler; false if the user's stack cannot take the frame. */
static bool frame_push(struct regs *r, uint32_t signo, const struct linux_sigaction *a, uint64_t mask)
{
	uint32_t fpu_at = (r->esp - sizeof(struct fpu_frame)) & ~63u, at = ((fpu_at - sizeof(struct linux_rt_frame)) & ~15u) - 4;
	struct linux_rt_frame *f = kzalloc(sizeof *f);
	struct fpu_frame *fpu = kzalloc(sizeof *fpu);
	bool ok = false;

	if (!f || !fpu)
		goto out;
	fpu_save(current->fpu);
	memcpy(fpu->fxsave, current->fpu, sizeof fpu->fxsave);
	f->restorer = a->restorer;
	f->signo = signo;
	f->info_address = at + offsetof(struct linux_rt_frame, info);
	f->context_address = at + offsetof(struct linux_rt_frame, context);
	f->info.signo = (int32_t)signo;
	if (signo < ARRAY_LEN(current->cause)) {
		f->info.code = current->cause[signo].code;
		memcpy(f->info.pad, current->cause[signo].word, sizeof current->cause[signo].word);
	}
	context_fill(&f->context, r, mask, fpu_at);
	ok = (a->flags & LSA_RESTORER) && at < r->esp && copy_to_user(at, f, sizeof *f) && copy_to_user(fpu_at, fpu, sizeof *fpu);
	if (!ok)
		goto out;
	fpu_start();
	r->esp = at;
	r->eip = a->handler;
	r->eax = signo;
	r->edx = at + offsetof(struct linux_rt_frame, info);
	r->ecx = at + offsetof(struct linux_rt_frame, context);
	r->eflags &= ~(FLAG_DF | FLAG_TF);
out:
	kfree(f);
	kfree(fpu);
	return ok;
}

/* A system call that came back with EINTR: once more, if the signal's action allows. */
static void call_restart(struct regs *r, const struct linux_sigaction *a)
{
	if (!current->in_syscall || r->eax != (uint32_t)-LEINTR)
		return;
	switch (current->syscall_nr) {
	case LNR_pause: case LNR_nanosleep: case LNR_rt_sigsuspend:
		return;
	}
	if (a && !(a->flags & LSA_RESTART))
		return;
	r->eax = current->syscall_nr;
	r->eip -= 2; /* INT 0x80 */
}

static _Noreturn void die(uint32_t signo)
{
	static const char *const name[] = { [LSIGILL] = "SIGILL", [LSIGTRAP] = "SIGTRAP", [LSIGBUS] = "SIGBUS", [LSIGFPE] = "SIGFPE",
		[LSIGSEGV] = "SIGSEGV" };

	if (kernel_verbose && signo < ARRAY_LEN(name) && name[signo])
		printk("kernel: %s (process %u): %s at 0x%08x, address 0x%08x\n", current->name, current->pid, name[signo],
			current->regs->eip, current->fault_address);
	proc_exit(signo);
}

static void deliver_one(struct regs *r, uint32_t signo)
{
	struct proc *p = current;
	struct linux_sigaction a = p->action[signo - 1];
	uint64_t back = p->restore_blocked ? p->saved_blocked : p->blocked;

	if (a.handler == LSIG_IGN || a.handler == LSIG_DFL) {
		if (!ignored(p, signo))
			die(signo);
		return;
	}
	call_restart(r, &a);
	p->in_syscall = false;
	if (!frame_push(r, signo, &a, back))
		die(LSIGSEGV);
	p->restore_blocked = false;
	if (a.flags & LSA_RESETHAND)
		p->action[signo - 1] = (struct linux_sigaction){ 0 };
	p->blocked |= mask_of(a.mask);
	if (!(a.flags & LSA_NODEFER))
		p->blocked |= sig_bit(signo);
	p->blocked &= ~UNBLOCKABLE;
}

void signal_deliver(struct regs *r)
{
	struct proc *p = current;
	uint64_t want;

	while ((want = p->pending & ~p->blocked)) {
		uint32_t signo = (uint32_t)want ? (uint32_t)__builtin_ctz((uint32_t)want) + 1 : (uint32_t)__builtin_ctz((uint32_t)(want >> 32)) + 33;
		irq_flags f = irq_save();
		p->pending &= ~sig_bit(signo);
		irq_restore(f);
		deliver_one(r, signo);
	}
	call_restart(r, NULL); /* woken by a signal that was ignored after all */
	p->in_syscall = false;
	if (p->restore_blocked) {
		p->restore_blocked = false;
		p->blocked = p->saved_blocked;
	}
}

/* ---- system calls ---- */

/* Reserved bits of MXCSR would be a fault of the kernel's. */
static bool fpu_back(uint32_t at)
{
	uint8_t *fpu = current->fpu;

	if (!copy_from_user(fpu, at + offsetof(struct fpu_frame, fxsave), sizeof current->fpu))
		return false;
	*(uint32_t *)&fpu[24] &= 0xffbf;
	fpu_restore(fpu);
	return true;
}

int32_t sys_rt_sigreturn(const uint32_t *a, struct regs *r)
{
	struct linux_ucontext c;

	if (!copy_from_user(&c, r->esp - 4 + offsetof(struct linux_rt_frame, context), sizeof c) ||
			(c.regs.fpstate && !fpu_back(c.regs.fpstate)))
		die(LSIGSEGV);
	/* Segments, IF and IOPL stay ours: the frame is the user's to write. */
	r->edi = c.regs.edi;
	r->esi = c.regs.esi;
	r->ebp = c.regs.ebp;
	r->ebx = c.regs.ebx;
	r->edx = c.regs.edx;
	r->ecx = c.regs.ecx;
	r->eip = c.regs.eip;
	r->eflags = (r->eflags & ~(FLAGS_USER | FLAG_TF)) | (c.regs.eflags & (FLAGS_USER | FLAG_TF));
	current->blocked = mask_of(c.mask);
	r->esp = c.regs.esp;
	current->in_syscall = false;
	return (int32_t)c.regs.eax;
}

int32_t sys_rt_sigaction(const uint32_t *a, struct regs *r)
{
	struct linux_sigaction new, old;

	if (a[3] != 8 || !a[0] || a[0] > LNSIG)
		return -LEINVAL;
	old = current->action[a[0] - 1];
	if (a[1]) {
		if (sig_bit(a[0]) & UNBLOCKABLE)
			return -LEINVAL;
		if (!copy_from_user(&new, a[1], sizeof new))
			return -LEFAULT;
		current->action[a[0] - 1] = new;
		if (ignored(current, a[0]))
			current->pending &= ~sig_bit(a[0]);
	}
	return a[2] && !copy_to_user(a[2], &old, sizeof old) ? -LEFAULT : 0;
}

int32_t sys_rt_sigprocmask(const uint32_t *a, struct regs *r)
{
	uint64_t old = current->blocked, set;
	uint32_t words[2];

	if (a[3] != 8)
		return -LEINVAL;
	if (a[1]) {
		if (!copy_from_user(words, a[1], 8))
			return -LEFAULT;
		set = mask_of(words);
		switch (a[0]) {
		case LSIG_BLOCK: current->blocked |= set; break;
		case LSIG_UNBLOCK: current->blocked &= ~set; break;
		case LSIG_SETMASK: current->blocked = set; break;
		default: return -LEINVAL;
		}
	}
	return a[2] && !copy_to_user(a[2], &old, 8) ? -LEFAULT : 0;
}

int32_t sys_rt_sigpending(const uint32_t *a, struct regs *r)
{
	uint64_t set = current->pending & current->blocked;
	return copy_to_user(a[0], &set, 8) ? 0 : -LEFAULT;
}

int32_t sys_rt_sigsuspend(const uint32_t *a, struct regs *r)
{
	uint32_t words[2];

	if (a[1] != 8)
		return -LEINVAL;
	if (!copy_from_user(words, a[0], 8))
		return -LEFAULT;
	current->saved_blocked = current->blocked;
	current->restore_blocked = true;
	current->blocked = mask_of(words);
	return sys_pause(a, r);
}

int32_t sys_pause(const uint32_t *a, struct regs *r)
{
	WAITQ(nobody);
	while (!proc_sleep(&nobody))
		;
	return -LEINTR;
}

/* kill(pid, 0) only asks. */
int32_t sys_kill(const uint32_t *a, struct regs *r)
{
	struct cause why = { .code = 0, .word = { current->pid, 0 } };
	int32_t pid = (int32_t)a[0], found = 0;

	if (a[1] > LNSIG)
		return -LEINVAL;
	list_each(l, &procs) {
		struct proc *p = list_of(l, struct proc, all);
		bool match = pid > 0 ? p->pid == a[0] : pid == -1 ? p != current : p->pgid == (pid ? (uint32_t)-pid : current->pgid);
		if (!match || p->pid < 2)
			continue;
		found++;
		if (a[1])
			signal_send(p, a[1], &why);
	}
	return found ? 0 : -LESRCH;
}
