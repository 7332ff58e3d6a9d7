/*
 * native.c - the oracle: runs a test on the host's own CPU, in compatibility mode, in the low 4 GiB of this process.
 *
 * oracle.c is its program, and no sanitizer is in it, because tested code may do what it likes to the process: it runs in ring 3 with
 * flat segments and can name any low address, where only the test's pages are mapped. A seccomp filter turns every
 * i386 system call into SIGSYS. What the kernel saves when the code faults is the result. Read next: native_entry.S.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "itest.h"

#define ALTSTACK_SIZE 65536u
#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

struct native_ctx {
	uint64_t rsp, fsbase;
	uint32_t use_wrfsbase;
	uint16_t sel[6];
	uint16_t out_sel[6];
	uint32_t pad;
	uint32_t gpr[8];
	uint32_t eip, eflags;
	uint32_t pad2[2];
	_Alignas(16) uint8_t fx[512];
	struct iresult *r;
};
_Static_assert(offsetof(struct native_ctx, sel) == 20 && offsetof(struct native_ctx, out_sel) == 32 &&
	offsetof(struct native_ctx, gpr) == 48 && offsetof(struct native_ctx, eip) == 80 &&
	offsetof(struct native_ctx, fx) == 96, "native_entry.S");

struct native {
	struct native_ctx ctx;
	struct it_image image;
	bool seen;      /* the code region has been copied in whole once */
	uint8_t *alias; /* image pages, then code pages: the view outside the low 4 GiB */
};

void native_enter(struct native_ctx *ctx);
void native_signal(int sig, siginfo_t *info, void *uc);
void native_caught(struct native_ctx *ctx, int sig, siginfo_t *info, ucontext_t *uc);

static void skip(struct iresult *r, const char *why)
{
	r->kind = IT_SKIP;
	snprintf(r->why, sizeof(r->why), "%s", why);
}

/* Exceptions that push an error code: SDM vol. 3, table 6-1. */
static bool vector_has_error(unsigned v)
{
	return v == VEC_DF || (v >= VEC_TS && v <= VEC_PF) || v == VEC_AC;
}

/* What ended the test: Linux leaves the vector in trapno, but for SIGSYS, where it is that of an older fault. */
static void caught_event(struct iresult *r, int sig, const greg_t *g)
{
	unsigned trap = (unsigned)g[REG_TRAPNO];

	r->kind = IT_VECTOR;
	if (sig == SIGSYS) {
		r->vector = 0x80;
		if ((uint64_t)g[REG_RIP] >> 32)
			skip(r, "a system call through the vDSO");
		return;
	}
	r->vector = (uint8_t)trap;
	r->has_error = vector_has_error(trap);
	r->error = r->has_error ? (uint32_t)g[REG_ERR] : 0;
	r->cr2 = trap == VEC_PF ? (uint32_t)g[REG_CR2] : 0;
	if (trap == VEC_AC)
		skip(r, "alignment check");
	else if (trap == VEC_PF && (uint64_t)g[REG_CR2] >> 32)
		skip(r, "an access across 4 GiB");
}

void native_caught(struct native_ctx *ctx, int sig, siginfo_t *info, ucontext_t *uc)
{
	static const uint8_t order[8] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI };
	const greg_t *g = uc->uc_mcontext.gregs;
	struct iresult *r = ctx->r;

	for (unsigned i = 0; i < 8; i++)
		r->gpr[i] = (uint32_t)g[order[i]];
	r->eip = (uint32_t)g[REG_RIP];
	r->eflags = (uint32_t)g[REG_EFL];
	memcpy(r->sel, ctx->out_sel, sizeof(r->sel));
	r->sel[S_CS] = (uint16_t)g[REG_CSGSFS];
	r->sel[S_SS] = (uint16_t)((uint64_t)g[REG_CSGSFS] >> 48);
	memcpy(r->fx, uc->uc_mcontext.fpregs, sizeof(r->fx));
	caught_event(r, sig, g);
	if (r->sel[S_CS] == 0x33)
		skip(r, "entered 64-bit mode");
}

static int refuse_i386(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog p = { .len = ARRAY_LEN(f), .filter = f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
		return -errno;
	return 0;
}

static int install_ldt(void)
{
	for (unsigned i = 0; i < LDT_SEGS; i++) {
		const struct it_segdef *d = &it_ldt[i];
		struct user_desc u = {
			.entry_number = i, .base_addr = d->base, .limit = d->limit, .seg_32bit = d->big, .contents = d->type >> 2 & 3,
			.read_exec_only = !(d->type & 2), .limit_in_pages = d->pages, .seg_not_present = !d->present,
		};

		if ((int)syscall(SYS_modify_ldt, 0x11, &u, sizeof(u))) /* the kernel returns 32 bits: errno is not set */
			return -EINVAL;
	}
	return 0;
}

static int map_low(struct native *n, int fd)
{
	const int fl = MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE;

	for (unsigned i = 0; i < IT_REGIONS; i++) {
		const struct it_region *g = &it_regions[i];
		int prot = PROT_READ | PROT_EXEC | (g->writable ? PROT_WRITE : 0);

		if (mmap((void *)(uintptr_t)g->linear, g->pages * PAGE_SIZE, prot, fl, fd, g->image_page * PAGE_SIZE) == MAP_FAILED)
			return -errno;
	}
	if (mmap((void *)(uintptr_t)IT_CODE, IT_CODE_SIZE, PROT_READ | PROT_EXEC, fl, fd, IT_IMAGE_SIZE) == MAP_FAILED)
		return -errno;
	n->alias = mmap(NULL, IT_IMAGE_SIZE + IT_CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	return n->alias == MAP_FAILED ? -errno : 0;
}

static int catch_signals(struct native *n)
{
	static const int sigs[] = { SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGSYS };
	struct sigaction sa = { .sa_sigaction = native_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	uint8_t *area = mmap(NULL, 2 * ALTSTACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t ss = { .ss_size = ALTSTACK_SIZE };

	if (area == MAP_FAILED)
		return -errno;
	ss.ss_sp = (void *)(((uintptr_t)area + ALTSTACK_SIZE - 1) & ~(uintptr_t)(ALTSTACK_SIZE - 1));
	*(struct native_ctx **)ss.ss_sp = &n->ctx;
	if (sigaltstack(&ss, NULL))
		return -errno;
	for (unsigned i = 0; i < ARRAY_LEN(sigs); i++) {
		if (sigaction(sigs[i], &sa, NULL))
			return -errno;
	}
	return 0;
}

static int native_setup(struct native *n)
{
	int fd = memfd_create("itest", MFD_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = ftruncate(fd, IT_IMAGE_SIZE + IT_CODE_SIZE) ? -errno : map_low(n, fd);
	close(fd);
	if (!rc)
		rc = install_ldt();
	if (!rc)
		rc = catch_signals(n);
	if (!rc)
		rc = refuse_i386();
	n->ctx.use_wrfsbase = !!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE);
	if (!rc && syscall(SYS_arch_prctl, ARCH_GET_FS, &n->ctx.fsbase))
		rc = -errno;
	return rc;
}

static void *native_open(const struct it_exec *x, char *why)
{
	struct native *n = aligned_alloc(64, (sizeof(*n) + 63) & ~63ul);
	int rc;

	memset(n, 0, sizeof(*n));
	rc = native_setup(n);
	if (!rc)
		return n;
	snprintf(why, 128, "native oracle: %s", strerror(-rc));
	free(n);
	return NULL;
}

static void native_begin(void *self, const struct it_batch *b)
{
	struct native *n = self;
	uint32_t from = n->seen ? b->code_from : 0, to = n->seen ? b->code_to : IT_CODE_SIZE;

	memcpy(n->alias + IT_IMAGE_SIZE + from, b->code + from, to - from);
	n->seen = true;
}

static void native_run(void *self, const struct itest *t, struct iresult *r)
{
	struct native *n = self;

	memset(r, 0, sizeof(*r));
	if (t->host_dependent || t->cpl != 3) {
		skip(r, "the host would answer for itself");
		return;
	}
	image_seed(&n->image, t->image_seed);
	memcpy(n->alias, n->image.byte, IT_IMAGE_SIZE);
	image_patch(n->alias, t);
	memcpy(n->ctx.sel, t->sel, sizeof(t->sel));
	memcpy(n->ctx.gpr, t->gpr, sizeof(t->gpr));
	n->ctx.eip = t->eip;
	n->ctx.eflags = t->eflags | FL_IF | FL_FIXED;
	memcpy(n->ctx.fx, t->fx, sizeof(t->fx));
	n->ctx.r = r;
	native_enter(&n->ctx);
	r->mem_hash = image_hash(n->alias, t);
}

static void native_image(void *self, uint8_t copy[IT_IMAGE_SIZE])
{
	memcpy(copy, ((struct native *)self)->alias, IT_IMAGE_SIZE);
}

const struct it_exec native_exec = {
	.name = "native", .open = native_open, .begin = native_begin, .run = native_run, .image = native_image,
};
