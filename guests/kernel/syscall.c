/*
 * syscall.c - the table of system calls, and those that are about memory, time and processes.
 *
 * Numbers and structures are i386 Linux's (user/abi.h); each handler gets the argument registers in order and the frame.
 * Those about files are in file.c, vfs.c and pipe.c, about signals in signal.c.
 */
#include "proc.h"

static syscall_fn *const table[] = {
#define X(name, nr) [nr] = sys_##name,
	LINUX_CALLS(X)
#undef X
};

void syscall(struct regs *r)
{
	uint32_t a[6] = { r->ebx, r->ecx, r->edx, r->esi, r->edi, r->ebp };
	syscall_fn *fn = r->eax < ARRAY_LEN(table) ? table[r->eax] : NULL;

	current->syscall_nr = r->eax;
	current->in_syscall = true;
	r->eax = (uint32_t)(fn ? fn(a, r) : -LENOSYS);
}

/* ---- processes ---- */

int32_t sys_exit(const uint32_t *a, struct regs *r)
{
	proc_exit((a[0] & 255) << 8);
}

int32_t sys_exit_group(const uint32_t *a, struct regs *r)
{
	proc_exit((a[0] & 255) << 8);
}

int32_t sys_fork(const uint32_t *a, struct regs *r)
{
	int err;
	struct proc *p = proc_fork(r, &err);
	return p ? (int32_t)p->pid : err;
}

int32_t sys_execve(const uint32_t *a, struct regs *r)
{
	int32_t err = exec_user(a[0], a[1], a[2], r);
	return err ? err : (int32_t)r->eax;
}

int32_t sys_wait4(const uint32_t *a, struct regs *r)
{
	uint32_t status, usage[18] = { 0 };
	int32_t pid;

	if (a[2] & ~(LWNOHANG | LWUNTRACED))
		return -LEINVAL;
	pid = proc_wait((int32_t)a[0], &status, a[2]);
	if (pid > 0 && a[1] && !copy_to_user(a[1], &status, 4))
		return -LEFAULT;
	if (pid > 0 && a[3] && !copy_to_user(a[3], usage, sizeof usage))
		return -LEFAULT;
	return pid;
}

int32_t sys_waitpid(const uint32_t *a, struct regs *r)
{
	const uint32_t b[4] = { a[0], a[1], a[2], 0 };
	return sys_wait4(b, r);
}

int32_t sys_getpid(const uint32_t *a, struct regs *r)
{
	return (int32_t)current->pid;
}

int32_t sys_getppid(const uint32_t *a, struct regs *r)
{
	return (int32_t)current->parent->pid;
}

int32_t sys_setpgid(const uint32_t *a, struct regs *r)
{
	struct proc *p = a[0] ? proc_find(a[0]) : current;

	if (!p || (p != current && p->parent != current))
		return -LESRCH;
	p->pgid = a[1] ? a[1] : p->pid;
	return 0;
}

int32_t sys_sched_yield(const uint32_t *a, struct regs *r)
{
	schedule();
	return 0;
}

int32_t sys_umask(const uint32_t *a, struct regs *r)
{
	uint32_t old = current->umask;
	current->umask = a[0] & 0777;
	return (int32_t)old;
}

int32_t sys_uname(const uint32_t *a, struct regs *r)
{
	struct linux_utsname *u = kzalloc(sizeof *u);
	bool ok;

	if (!u)
		return -LENOMEM;
	memcpy(u->sysname, "Ringlab", 8);
	memcpy(u->nodename, "ringlab", 8);
	memcpy(u->release, "1.0", 4);
	memcpy(u->version, arch_name, strlen(arch_name) + 1);
	memcpy(u->machine, "i686", 5);
	ok = copy_to_user(a[0], u, sizeof *u);
	kfree(u);
	return ok ? 0 : -LEFAULT;
}

int32_t sys_reboot(const uint32_t *a, struct regs *r)
{
	if (a[0] != LREBOOT_MAGIC1 || a[1] != LREBOOT_MAGIC2 || (a[2] != LREBOOT_POWER_OFF && a[2] != LREBOOT_RESTART))
		return -LEINVAL;
	kernel_end(0);
}

/* ---- memory ---- */

int32_t sys_brk(const uint32_t *a, struct regs *r)
{
	struct mm *m = current->mm;
	uint32_t from = page_up(m->brk), to = page_up(a[0]);

	if (a[0] < m->brk_start || a[0] > MMAP_BASE)
		return (int32_t)m->brk;
	if (to > from && vma_add(m, from, to, VMA_READ | VMA_WRITE))
		return (int32_t)m->brk;
	if (to < from && vma_remove(m, to, from))
		return (int32_t)m->brk;
	m->brk = a[0];
	return (int32_t)m->brk;
}

/* A shared area's pages exist from the start, so that fork shares them all. */
static int populate(struct mm *m, uint32_t start, uint32_t end)
{
	int r = 0;
	for (uint32_t va = start; va < end && !r; va += PAGE)
		r = mm_fault(m, va, PTE_W, 0);
	return r;
}

int32_t sys_mmap2(const uint32_t *a, struct regs *r)
{
	struct mm *m = current->mm;
	uint32_t at = a[0], length = page_up(a[1]), flags = a[2] & 7;
	int err;

	if (!a[1] || length < a[1] || !(a[3] & (LMAP_PRIVATE | LMAP_SHARED)))
		return a[1] > length ? -LENOMEM : -LEINVAL;
	if (!(a[3] & LMAP_ANONYMOUS))
		return -LENODEV; /* no mapped files */
	if (a[3] & LMAP_SHARED)
		flags |= VMA_SHARED;
	if (a[3] & LMAP_FIXED) {
		if ((at & PAGE_MASK) || at < PAGE || at > USER_END || length > USER_END - at)
			return -LEINVAL;
		if ((err = vma_remove(m, at, at + length)))
			return err;
	} else if (!(at = vma_gap(m, length))) {
		return -LENOMEM;
	}
	if ((err = vma_add(m, at, at + length, flags)))
		return err;
	if ((flags & VMA_SHARED) && (err = populate(m, at, at + length))) {
		vma_remove(m, at, at + length);
		return err;
	}
	return (int32_t)at;
}

static bool user_pages(uint32_t at, uint32_t length)
{
	return !(at & PAGE_MASK) && length && at < USER_END && length <= USER_END - at;
}

int32_t sys_munmap(const uint32_t *a, struct regs *r)
{
	return user_pages(a[0], a[1]) ? vma_remove(current->mm, a[0], a[0] + page_up(a[1])) : -LEINVAL;
}

int32_t sys_mprotect(const uint32_t *a, struct regs *r)
{
	if (!user_pages(a[0], a[1]) || (a[2] & ~7u))
		return -LEINVAL;
	return vma_protect(current->mm, a[0], a[0] + page_up(a[1]), a[2]);
}

/* ---- time ---- */

int32_t sys_time(const uint32_t *a, struct regs *r)
{
	uint32_t t = time_wall();
	return a[0] && !copy_to_user(a[0], &t, 4) ? -LEFAULT : (int32_t)t;
}

int32_t sys_gettimeofday(const uint32_t *a, struct regs *r)
{
	uint64_t ns = time_ns();
	struct linux_timeval t = { (int32_t)time_wall(), (int32_t)((uint32_t)div64(&ns, 1000000000) / 1000) };
	return a[0] && !copy_to_user(a[0], &t, sizeof t) ? -LEFAULT : 0;
}

int32_t sys_clock_gettime(const uint32_t *a, struct regs *r)
{
	uint64_t ns = time_ns();
	uint32_t rest = div64(&ns, 1000000000);
	struct linux_timespec t = { a[0] == 0 ? (int32_t)time_wall() : (int32_t)ns, (int32_t)rest };

	if (a[0] > 1)
		return -LEINVAL;
	return copy_to_user(a[1], &t, sizeof t) ? 0 : -LEFAULT;
}

static uint32_t ticks_of(const struct linux_timeval *t)
{
	return (uint32_t)t->sec * HZ + ((uint32_t)t->usec * HZ + 999999) / 1000000;
}

static struct linux_timeval time_of(uint32_t n)
{
	return (struct linux_timeval){ (int32_t)(n / HZ), (int32_t)(n % HZ * (1000000 / HZ)) };
}

int32_t sys_nanosleep(const uint32_t *a, struct regs *r)
{
	struct linux_timespec t;
	uint32_t until, n;

	if (!copy_from_user(&t, a[0], sizeof t))
		return -LEFAULT;
	if (t.sec < 0 || t.nsec < 0 || t.nsec >= 1000000000)
		return -LEINVAL;
	n = (uint32_t)t.sec > 10000000 ? 1000000000 : (uint32_t)t.sec * HZ + ((uint32_t)t.nsec + 9999999) / (1000000000 / HZ) + !!(t.sec || t.nsec);
	until = ticks + n;
	while ((int32_t)(until - ticks) > 0)
		if (proc_sleep_for(NULL, until - ticks)) {
			struct linux_timeval left = time_of(max((int32_t)(until - ticks), 0));
			t = (struct linux_timespec){ left.sec, left.usec * 1000 };
			return a[1] && !copy_to_user(a[1], &t, sizeof t) ? -LEFAULT : -LEINTR;
		}
	return 0;
}

int32_t sys_alarm(const uint32_t *a, struct regs *r)
{
	uint32_t at = current->alarm_at, left = at ? (at - ticks + HZ - 1) / HZ : 0;

	current->alarm_interval = 0;
	current->alarm_at = a[0] ? max(ticks + min(a[0], 10000000u) * HZ, 1u) : 0;
	return (int32_t)left;
}

/* ITIMER_REAL only. */
int32_t sys_setitimer(const uint32_t *a, struct regs *r)
{
	struct linux_itimerval new, old = { time_of(current->alarm_interval), time_of(current->alarm_at ? current->alarm_at - ticks : 0) };

	if (a[0])
		return -LEINVAL;
	if (!copy_from_user(&new, a[1], sizeof new) || (a[2] && !copy_to_user(a[2], &old, sizeof old)))
		return -LEFAULT;
	if (new.value.sec < 0 || new.value.usec < 0 || new.value.usec >= 1000000 || new.interval.sec < 0 || new.interval.usec < 0)
		return -LEINVAL;
	current->alarm_interval = ticks_of(&new.interval);
	current->alarm_at = new.value.sec || new.value.usec ? max(ticks + ticks_of(&new.value), 1u) : 0;
	return 0;
}
