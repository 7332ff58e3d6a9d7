/*
 * xen_build.c - builds a domain: image, tables, start_info, shared_info, hypercall page, as xen/xen.h says a domain starts.
 *
 * Pseudo-physical layout, each on whole pages: the image at virtual address less virt_base; frame list; start_info;
 * xenstore ring; console ring; page tables (L3, L2, L1s); boot stack. All of it is mapped from virt_base up to the
 * next 4 MiB boundary that leaves 512 KiB. The last frame of RAM is the hypervisor's: shared_info. Sources: xen/xen.h
 * ("Start-of-day memory layout"), xen/elfnote.h. Called once by pv.c; read next: xen_mmu.c.
 */
#include "pv_space.h"
#include "xen_back.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PTE_PRESENT 0x1u
#define PTE_RW 0x2u
#define PTE_USER 0x4u
#define PTE_AD 0x60u

struct layout {
	uint32_t base;                       /* virt_base */
	uint32_t module, p2m, info, store, console, tables, l1s, table_frames, stack, end; /* pfns */
	uint32_t v_end;                      /* pages mapped from base */
};

static void *frame_ptr(struct vcpu *v, uint32_t mfn)
{
	return mem_ptr(&v->vm->mem, GPA((uint64_t)mfn << PAGE_SHIFT), PAGE_SIZE);
}

/* Copies the PT_LOAD segments. *end: the first frame after them. */
static int image_place(struct vcpu *v, uint32_t base, uint32_t *end)
{
	const struct image *img = &v->vm->image;
	uint64_t last = 0;

	for (unsigned i = 0; i < img->segs; i++) {
		const struct image_segment *s = &img->seg[i];
		uint64_t at = s->paddr - img->xen.paddr_offset; /* xen/elfnote.h, PADDR_OFFSET */
		uint8_t *to;
		if (!s->memsz)
			continue;
		to = s->paddr < img->xen.paddr_offset ? NULL : mem_ptr(&v->vm->mem, GPA(at), s->memsz);
		if (!to || s->filesz > s->memsz || s->offset > img->file_size || s->filesz > img->file_size - s->offset) {
			vm_stop(v->vm, END_CRASH, 0, "segment %u (%#llx, %#llx bytes) does not fit into %llu MiB above virt_base %#x; try more --mem",
				i, (unsigned long long)s->paddr, (unsigned long long)s->memsz, (unsigned long long)v->vm->mem.size >> 20, base);
			return -EINVAL;
		}
		memcpy(to, img->file + s->offset, s->filesz);
		if (at + s->memsz > last)
			last = at + s->memsz;
	}
	*end = (uint32_t)((last + PAGE_SIZE - 1) >> PAGE_SHIFT);
	return 0;
}

/* Everything after the image; the number of L1 tables depends on the end, and the end on it. */
static int layout_make(struct vcpu *v, struct layout *l, uint32_t frames)
{
	uint32_t p2m_frames = (uint32_t)(((uint64_t)frames * 4 + PAGE_SIZE - 1) >> PAGE_SHIFT);
	uint64_t module_frames = (v->vm->image.module_size + PAGE_SIZE - 1) >> PAGE_SHIFT;

	if (module_frames >= frames - l->module) {
		vm_stop(v->vm, END_CRASH, 0, "the module has %llu pages, and %u are left of the domain; try more --mem",
			(unsigned long long)module_frames, frames - l->module);
		return -ENOMEM;
	}
	l->p2m = l->module + (uint32_t)module_frames;
	l->info = l->p2m + p2m_frames;
	l->store = l->info + 1;
	l->console = l->store + 1;
	l->tables = l->console + 1;
	for (l->l1s = 1;; l->l1s++) {
		uint32_t first = l->base >> 21, pages;
		l->table_frames = 0;
		l->stack = l->tables + 1 + 4 + l->l1s; /* at most 4 L2s; tables_build says how many */
		l->end = l->stack + 1;
		pages = (l->end + 128 + 1023) & ~1023u; /* 512 KiB of room, to a 4 MiB boundary */
		l->v_end = pages;
		uint64_t last = ((uint64_t)l->base + ((uint64_t)pages << PAGE_SHIFT) - 1) >> 21;
		if (last - first + 1 <= l->l1s)
			break;
		if ((l->base + ((uint64_t)pages << PAGE_SHIFT)) > XEN_M2P || l->l1s > 2048)
			break;
	}
	if (l->end >= frames || (uint64_t)l->base + ((uint64_t)l->v_end << PAGE_SHIFT) > XEN_M2P) {
		vm_stop(v->vm, END_CRASH, 0, "the domain needs %u pages and has %u; try more --mem", l->end, frames);
		return -ENOMEM;
	}
	if (l->v_end > frames)
		l->v_end = frames;
	return 0;
}

/* L3, L2s and L1s for base .. base + v_end pages; table frames themselves are mapped read-only. */
static uint32_t tables_build(struct vcpu *v, struct layout *l)
{
	uint32_t next = l->tables, *l2_of = (uint32_t[4]){ 0 };
	uint64_t *l3 = frame_ptr(v, next++);

	memset(l3, 0, PAGE_SIZE);
	for (uint32_t g = l->base >> 30; g <= (uint32_t)(((uint64_t)l->base + ((uint64_t)l->v_end << PAGE_SHIFT) - 1) >> 30); g++) {
		l2_of[g] = next++;
		memset(frame_ptr(v, l2_of[g]), 0, PAGE_SIZE);
		l3[g] = (uint64_t)l2_of[g] << PAGE_SHIFT | PTE_PRESENT;
	}
	if (!l2_of[3]) { /* the ABI: the last GiB has its table, however little of it there is */
		l2_of[3] = next++;
		memset(frame_ptr(v, l2_of[3]), 0, PAGE_SIZE);
		l3[3] = (uint64_t)l2_of[3] << PAGE_SHIFT | PTE_PRESENT;
	}
	uint32_t l1 = 0, seen = UINT32_MAX, last = l->tables + 1 + 4 + l->l1s;
	for (uint32_t i = 0; i < l->v_end; i++) {
		uint32_t va = l->base + (i << PAGE_SHIFT);
		if (va >> 21 != seen) {
			seen = va >> 21;
			l1 = next++;
			memset(frame_ptr(v, l1), 0, PAGE_SIZE);
			((uint64_t *)frame_ptr(v, l2_of[va >> 30]))[seen & 511] = (uint64_t)l1 << PAGE_SHIFT | PTE_PRESENT | PTE_RW | PTE_USER | PTE_AD;
		}
		bool table = i >= l->tables && i < last;
		((uint64_t *)frame_ptr(v, l1))[va >> 12 & 511] = (uint64_t)i << PAGE_SHIFT | PTE_PRESENT | PTE_AD | (table ? 0 : PTE_RW);
	}
	return next - l->tables;
}

static void start_info_fill(struct vcpu *v, struct xen *x, const struct layout *l)
{
	struct start_info_x86_32 *si = frame_ptr(v, l->info);
	uint32_t *p2m = mem_ptr(&v->vm->mem, GPA((uint64_t)l->p2m << PAGE_SHIFT), (uint64_t)x->frames * 4);

	memset(si, 0, PAGE_SIZE);
	snprintf(si->magic, sizeof(si->magic), "xen-3.0-x86_32p");
	si->nr_pages = x->frames;
	si->shared_info = x->shared_mfn << PAGE_SHIFT;
	si->store_mfn = x->store_mfn = l->store;
	si->store_evtchn = x->store_port = 1;
	si->console.domU.mfn = x->console_mfn = l->console;
	si->console.domU.evtchn = x->console_port = 2;
	si->pt_base = l->base + (l->tables << PAGE_SHIFT);
	si->nr_pt_frames = l->table_frames;
	si->mfn_list = l->base + (l->p2m << PAGE_SHIFT);
	if (v->vm->image.module) {
		si->mod_start = l->base + (l->module << PAGE_SHIFT);
		si->mod_len = (uint32_t)v->vm->image.module_size;
		memcpy(mem_ptr(&v->vm->mem, GPA((uint64_t)l->module << PAGE_SHIFT), si->mod_len), v->vm->image.module, si->mod_len);
	}
	if (v->vm->append)
		snprintf((char *)si->cmd_line, sizeof(si->cmd_line), "%s", v->vm->append);
	for (uint32_t i = 0; i < x->frames; i++)
		p2m[i] = i;
	memset(frame_ptr(v, l->store), 0, PAGE_SIZE);
	memset(frame_ptr(v, l->console), 0, PAGE_SIZE);
	x->port[x->store_port] = (struct port){ .state = PORT_INTERDOMAIN, .back = BACK_STORE };
	x->port[x->console_port] = (struct port){ .state = PORT_INTERDOMAIN, .back = BACK_CONSOLE };
}

/* All upcalls masked; the wall clock's time at system time 0. */
static void shared_info_fill(struct vcpu *v, struct xen *x)
{
	struct timespec now;
	uint64_t up = clock_now(&v->vm->clock), start;

	memset(x->shared, 0, PAGE_SIZE);
	for (unsigned i = 0; i < ARRAY_LEN(x->shared->vcpu_info); i++)
		x->shared->vcpu_info[i].evtchn_upcall_mask = 1;
	clock_gettime(CLOCK_REALTIME, &now);
	start = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec - up;
	x->shared->wc_version = 2; /* even: nobody is writing */
	x->shared->wc_sec = (uint32_t)(start / 1000000000ull);
	x->shared->wc_nsec = (uint32_t)(start % 1000000000ull);
}

/*
 * `mov $nr,%eax; ljmp $0x33,$trampoline; ret`, 32 bytes each. iret does not return and comes first through
 * `push %eax`: that is its ABI (xen/arch-x86/xen-x86_32.h).
 */
static int hypercall_page_fill(struct vcpu *v, struct xen *x, const struct layout *l)
{
	const struct xen_notes *n = &v->vm->image.xen;
	uint32_t tramp = (uint32_t)((struct pv *)v->vm->priv)->top;
	uint8_t *page;

	if (!n->have_hypercall_page)
		return 0;
	if (n->hypercall_page < l->base || n->hypercall_page & (PAGE_SIZE - 1) ||
	    !(page = mem_ptr(&v->vm->mem, GPA(n->hypercall_page - l->base), PAGE_SIZE))) {
		vm_stop(v->vm, END_CRASH, 0, "the HYPERCALL_PAGE note names %#llx, which is not a page of the image", (unsigned long long)n->hypercall_page);
		return -EINVAL;
	}
	memset(page, 0xcc, PAGE_SIZE);
	for (uint32_t nr = 0; nr < PAGE_SIZE / 32; nr++) {
		uint8_t *p = page + nr * 32;
		if (nr == 23)
			*p++ = 0x50;
		*p++ = 0xb8;
		memcpy(p, &nr, 4);
		p[4] = 0xea;
		memcpy(p + 5, &tramp, 4);
		p[9] = 0x33;
		p[10] = 0;
		p[11] = 0xc3;
	}
	x->hypercall_page = (uint32_t)n->hypercall_page;
	return 0;
}

/* The trampoline: the one page of VMM code that 32-bit code can name. `movabs $cpu,%r15; movabs $pv_hc_begin,%r14; jmp *%r14`. */
static int trampoline_map(struct pv *pv)
{
	uint8_t code[64] = { 0x49, 0xbf, [10] = 0x49, 0xbe, [20] = 0x41, 0xff, 0xe6, 0xcc };
	uint64_t cpu = (uint64_t)(uintptr_t)pv->cpu, to = (uint64_t)(uintptr_t)pv_hc_begin;
	void *p = mmap((void *)pv->top, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	memcpy(code + 2, &cpu, 8);
	memcpy(code + 12, &to, 8);
	memset(p, 0xcc, PAGE_SIZE);
	if (pv->gate)
		pv_keys_trampoline(pv, code);
	memcpy(p, code, sizeof(code));
	return mprotect(p, PAGE_SIZE, PROT_READ | PROT_EXEC) ? -errno : 0;
}

/* The machine-to-physical table, read-only where the ABI puts it; we write through a view of our own. */
static int m2p_map(struct pv *pv, struct xen *x)
{
	void *low;

	x->m2p_size = ((uint64_t)x->frames * 4 + PAGE_SIZE - 1) & PAGE_MASK;
	x->m2p = mmap(NULL, x->m2p_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (x->m2p == MAP_FAILED) {
		x->m2p = NULL;
		return -errno;
	}
	low = mremap(x->m2p, 0, x->m2p_size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)((uint64_t)XEN_M2P + pv->shift));
	if (low == MAP_FAILED || mprotect(low, x->m2p_size, PROT_READ))
		return -errno;
	if (pv->iso == ISO_KEYS && syscall(SYS_pkey_mprotect, low, x->m2p_size, PROT_READ, pv->pkey))
		return -errno;
	for (uint32_t i = 0; i < x->frames; i++)
		x->m2p[i] = i;
	return 0;
}

/* Domain start state: xen/xen.h and xen/arch-x86/xen-x86_32.h. */
static void vcpu_enter(struct vcpu *v, const struct layout *l)
{
	struct cpu_state *s = &v->state;

	for (int i = 0; i < GPR_COUNT; i++)
		s->gpr[i] = 0;
	s->rip = (uint32_t)v->vm->image.xen.entry;
	s->gpr[R_ESI] = l->base + (l->info << PAGE_SHIFT);
	s->gpr[R_ESP] = l->base + ((l->stack + 1) << PAGE_SHIFT);
	s->rflags = FL_IF | FL_FIXED;
	s->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP;
	s->cr3 = (uint64_t)l->tables << PAGE_SHIFT;
	s->cr4 = CR4_PAE | CR4_PSE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	s->efer = EFER_NX;
	xen_segment(v, KERNEL_CS, &s->seg[S_CS]);
	xen_segment(v, KERNEL_DS, &s->seg[S_SS]);
	s->seg[S_DS] = s->seg[S_ES] = s->seg[S_FS] = s->seg[S_GS] = s->seg[S_SS];
}

static int domain_build(struct vcpu *v, struct xen *x)
{
	struct pv *pv = v->vm->priv;
	struct layout l = { .base = (uint32_t)v->vm->image.xen.virt_base };
	int r;

	if ((r = image_place(v, l.base, &l.module)) || (r = layout_make(v, &l, x->frames)))
		return r;
	if (l.base < pv->bottom)
		pv->shift = (uint32_t)((pv->bottom + 0xffff) & ~0xffffull);
	pv->top = (uint64_t)XEN_TRAMPOLINE + pv->shift;
	if (pv->iso == ISO_LIMITS && l.base)
		pv->user_top = (uint64_t)l.base + pv->shift;
	l.table_frames = tables_build(v, &l);
	start_info_fill(v, x, &l);
	shared_info_fill(v, x);
	if ((r = hypercall_page_fill(v, x, &l)))
		return r;
	vcpu_enter(v, &l);
	x->root = l.tables;
	/* The builder's own tables pass the same validation as the guest's later ones. */
	if (!xen_frame_get(v, x->root, FT_L3))
		return -EINVAL;
	x->frame[x->root].pinned = 1; /* the ABI: the initial L3 is pinned, and in use as the root */
	/* Rings that we write to: held, so that the guest cannot make page tables of them. */
	return xen_frame_get(v, x->root, FT_L3) && xen_frame_hold(v, x->store_mfn) && xen_frame_hold(v, x->console_mfn) ? 0 : -EINVAL;
}

/* Domain 0's side of what start_info names. */
static int backs_start(struct vcpu *v)
{
	xen_grant_init(v);
	if (xen_store_init(v))
		return -ENOMEM;
	xen_block_init(v);
	return 0;
}

/* Builds the domain without the parts of the host that direct execution needs: what the fuzzer under ASan uses. */
int xen_create(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	struct xen *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	pv->xen = x;
	if (v->vm->mem.size < (2 + XEN_GRANT_FRAMES) * PAGE_SIZE || !v->vm->image.xen.pae) {
		vm_stop(v->vm, END_CRASH, 0, v->vm->image.xen.pae ? "too little memory for a domain" :
			"the image's PAE_MODE note does not say yes: only the PAE ABI is built");
		return 0;
	}
	x->frames = (uint32_t)(v->vm->mem.size >> PAGE_SHIFT) - 1 - XEN_GRANT_FRAMES;
	x->shared_mfn = x->frames;
	x->grant_mfn = x->shared_mfn + 1;
	x->shared = frame_ptr(v, x->shared_mfn);
	x->info = (struct vcpu_info_x86_32 *)&x->shared->vcpu_info[0];
	x->frames_all = (uint32_t)((v->vm->mem.shared ? MEM_SHARED_BASE + v->vm->mem.shared_size : v->vm->mem.size) >> PAGE_SHIFT);
	x->frame = calloc(x->frames_all, sizeof(*x->frame));
	if (!x->frame || pv_space_init(pv, x->frames_all))
		return -ENOMEM;
	for (uint32_t i = 0; i < x->frames; i++)
		x->frame[i].refs = x->frame[i].own = 1;
	for (uint32_t i = x->shared_mfn; i < x->grant_mfn + XEN_GRANT_FRAMES; i++) /* as Xen's pages shared with a guest */
		xen_frame_share(x, i, true);
	for (uint32_t i = MEM_SHARED_BASE >> PAGE_SHIFT; i < x->frames_all; i++) /* as the frames of a device that Xen lets a domain map */
		xen_frame_share(x, i, true);
	x->kernel_ss = KERNEL_DS;
	x->last_mech = MECH_TRAP;
	x->back = calloc(1, sizeof(*x->back));
	if (!x->back)
		return -ENOMEM;
	int r = domain_build(v, x);
	if (r && v->vm->end != END_NONE)
		return 0; /* the sentence is told */
	return r ? r : backs_start(v);
}

int xen_start(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	int r = xen_create(v);

	if (r || v->vm->end != END_NONE)
		return r;
	if (pv->shift)
		say("pv: the image starts below vm.mmap_min_addr: segment bases are shifted by %#x", pv->shift);
	if ((r = m2p_map(pv, pv->xen)) || (r = trampoline_map(pv)))
		return r;
	xen_time_update(v);
	return 0;
}

void xen_fini(struct pv *pv)
{
	struct xen *x = pv->xen;

	if (!x)
		return;
	if (x->m2p)
		munmap(x->m2p, x->m2p_size);
	pv_space_fini(pv);
	if (x->back)
		xen_store_fini(x);
	free(x->back);
	free(x->frame);
	free(x);
	pv->xen = NULL;
}
