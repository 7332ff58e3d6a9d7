/*
 * xen_grant.c - grant tables, version 1: which of its frames the guest lets domain 0 use.
 *
 * The table's frames are the hypervisor's, past the domain's own; setup_table tells their numbers and the guest maps them
 * by its page tables. A grant is a promise that the guest can take back or falsify at any time: so each use reads the entry
 * once, checks it, and holds a reference on the frame as writable memory while it lasts, which keeps a page table
 * from being written. There is no domain but the guest and the built-in domain 0, and that one grants nothing. Sources:
 * xen/grant_table.h. Called by xen_block.c and as a hypercall. Read next: xen_block.c.
 */
#include <string.h>
#include "xen_back.h"

#define GTF_PERMIT 1u
#define GTF_TYPE 3u
#define GTF_READONLY 4u
#define GTF_READING 8u
#define GTF_WRITING 16u

enum { OP_MAP, OP_UNMAP, OP_SETUP, OP_DUMP, OP_TRANSFER, OP_COPY, OP_SIZE, OP_REPLACE, OP_SET_VERSION, OP_STATUS_FRAMES, OP_GET_VERSION,
	OP_SWAP, OP_CACHE_FLUSH };
enum { ST_OK = 0, ST_ERROR = -1, ST_DOMAIN = -2, ST_REF = -3, ST_HANDLE = -4, ST_DENIED = -8, ST_PAGE = -9, ST_COPY = -10 };

#define COPY_SOURCE_REF 1u
#define COPY_DEST_REF 2u

_Static_assert(sizeof(struct grant_entry) == 8, "grant_entry_v1");

static uint8_t *frame_of(struct vcpu *v, uint32_t mfn)
{
	return mem_ptr(&v->vm->mem, GPA((uint64_t)mfn << PAGE_SHIFT), PAGE_SIZE);
}

static volatile struct grant_entry *entry_of(struct vcpu *v, uint32_t ref)
{
	struct xen *x = xen_of(v);

	return ref / 512 < x->grant_frames ? (volatile struct grant_entry *)frame_of(v, x->grant_mfn) + ref : NULL;
}

/* The toolstack's two: console and xenstore, for domain 0 (GNTTAB_RESERVED_*). */
void xen_grant_init(struct vcpu *v)
{
	struct xen *x = xen_of(v);
	struct grant_entry *e = (struct grant_entry *)frame_of(v, x->grant_mfn);

	memset(e, 0, (size_t)XEN_GRANT_FRAMES * PAGE_SIZE);
	x->grant_frames = 1;
	e[0] = (struct grant_entry){ .flags = GTF_PERMIT, .frame = x->console_mfn };
	e[1] = (struct grant_entry){ .flags = GTF_PERMIT, .frame = x->store_mfn };
}

/* The frame that entry ref lets `domid` use; the entry is read once. A status. */
static int entry_frame(struct vcpu *v, uint32_t ref, uint32_t domid, bool write, uint32_t *mfn)
{
	volatile struct grant_entry *e = entry_of(v, ref);
	uint16_t flags;

	if (!e)
		return ST_REF;
	flags = e->flags;
	*mfn = e->frame;
	if ((flags & GTF_TYPE) != GTF_PERMIT || e->domid != domid)
		return ST_REF;
	if (write && (flags & GTF_READONLY))
		return ST_DENIED;
	if (*mfn >= xen_of(v)->frames || (write && !xen_frame_hold(v, *mfn)))
		return ST_PAGE;
	return ST_OK;
}

int xen_grant_map(struct vcpu *v, uint32_t ref, bool write, struct grant_map *m)
{
	uint32_t mfn;
	int status = entry_frame(v, ref, 0, write, &mfn);

	if (status)
		return status;
	*m = (struct grant_map){ .page = frame_of(v, mfn), .ref = ref, .mfn = mfn, .write = write };
	entry_of(v, ref)->flags |= write ? GTF_READING | GTF_WRITING : GTF_READING;
	return ST_OK;
}

void xen_grant_unmap(struct vcpu *v, struct grant_map *m)
{
	if (!m->page)
		return;
	if (m->write)
		xen_frame_release(v, m->mfn);
	entry_of(v, m->ref)->flags &= (uint16_t)~(GTF_READING | GTF_WRITING);
	m->page = NULL;
}

/* ---- the hypercall: an array of structures, each with a status of its own ---- */

static bool is_self(uint32_t domid)
{
	return domid == DOMID_SELF || domid == XEN_DOMID;
}

/* map_grant_ref { u64 host_addr; u32 flags, ref; u16 dom; s16 status; u32 handle; u64 bus }: nobody grants this guest a frame. */
static int op_map(struct vcpu *v, uint8_t *arg)
{
	uint16_t dom;

	memcpy(&dom, arg + 16, 2);
	return is_self(dom) ? ST_DENIED : dom == 0 ? ST_REF : ST_DOMAIN;
}

/* setup_table { u16 dom; u32 nr_frames; s16 status; u32 frame_list } */
static int op_setup(struct vcpu *v, uint8_t *arg)
{
	struct xen *x = xen_of(v);
	uint16_t dom;
	uint32_t n, list;

	memcpy(&dom, arg, 2);
	memcpy(&n, arg + 4, 4);
	memcpy(&list, arg + 12, 4);
	if (!is_self(dom))
		return dom == 0 ? ST_DENIED : ST_DOMAIN;
	if (n > XEN_GRANT_FRAMES)
		return ST_ERROR;
	if (n > x->grant_frames)
		x->grant_frames = n;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t mfn = x->grant_mfn + i;
		if (!xen_guest_write(v, list + i * 4, &mfn, 4))
			return ST_ERROR;
	}
	return ST_OK;
}

/* query_size { u16 dom; u32 nr_frames, max_nr_frames; s16 status } */
static int op_size(struct vcpu *v, uint8_t *arg)
{
	uint32_t size[2] = { xen_of(v)->grant_frames, XEN_GRANT_FRAMES };
	uint16_t dom;

	memcpy(&dom, arg, 2);
	if (!is_self(dom))
		return dom == 0 ? ST_DENIED : ST_DOMAIN;
	memcpy(arg + 4, size, 8);
	return ST_OK;
}

/* One end of a copy: a frame of the guest's own, or a grant of the guest's to itself. Takes a reference where it is written. */
static int copy_end(struct vcpu *v, const uint8_t *end, bool by_ref, bool write, uint32_t *mfn)
{
	uint32_t which;
	uint16_t dom;

	memcpy(&which, end, 4);
	memcpy(&dom, end + 4, 2);
	if (!is_self(dom))
		return dom == 0 ? ST_REF : ST_DOMAIN;
	if (by_ref)
		return entry_frame(v, which, XEN_DOMID, write, mfn);
	*mfn = which;
	return which >= xen_of(v)->frames || (write && !xen_frame_hold(v, which)) ? ST_PAGE : ST_OK;
}

/* copy { source { u32 ref_or_mfn; u16 domid, offset }, dest { the same }; u16 len, flags; s16 status } */
static int op_copy(struct vcpu *v, uint8_t *arg)
{
	uint16_t from, to, len, flags;
	uint32_t source, dest;
	int status;

	memcpy(&from, arg + 6, 2);
	memcpy(&to, arg + 14, 2);
	memcpy(&len, arg + 16, 2);
	memcpy(&flags, arg + 18, 2);
	if (from + len > (int)PAGE_SIZE || to + len > (int)PAGE_SIZE)
		return ST_COPY;
	if ((status = copy_end(v, arg, flags & COPY_SOURCE_REF, false, &source)) ||
	    (status = copy_end(v, arg + 8, flags & COPY_DEST_REF, true, &dest)))
		return status;
	memmove(frame_of(v, dest) + to, frame_of(v, source) + from, len);
	vm_mem_written(v->vm, GPA(((uint64_t)dest << PAGE_SHIFT) + to), len);
	xen_frame_release(v, dest);
	return ST_OK;
}

static int op_unmap(struct vcpu *v, uint8_t *arg)
{
	return ST_HANDLE; /* none was ever given out */
}

static int op_transfer(struct vcpu *v, uint8_t *arg)
{
	return ST_DOMAIN; /* nobody to give a frame to */
}

static int op_dump(struct vcpu *v, uint8_t *arg)
{
	return ST_DENIED; /* for the privileged domain */
}

static const struct grant_op {
	int (*fn)(struct vcpu *v, uint8_t *arg);
	uint8_t size, status; /* of the structure, and where its status is */
} ops[] = {
	[OP_MAP] = { op_map, 32, 18 },
	[OP_UNMAP] = { op_unmap, 24, 20 },
	[OP_SETUP] = { op_setup, 16, 8 },
	[OP_DUMP] = { op_dump, 4, 2 },
	[OP_TRANSFER] = { op_transfer, 16, 12 },
	[OP_COPY] = { op_copy, 24, 20 },
	[OP_SIZE] = { op_size, 16, 12 },
	[OP_REPLACE] = { op_unmap, 24, 20 },
};

/* set_version { u32 version }: in, and out what is in force. Version 1 only. */
static int32_t set_version(struct vcpu *v, uint32_t at)
{
	uint32_t want, one = 1;

	if (!xen_guest_read(v, at, &want, 4) || !xen_guest_write(v, at, &one, 4))
		return -XEN_EFAULT;
	return want == 1 ? 0 : want == 2 ? -XEN_ENOSYS : -XEN_EINVAL;
}

/* get_version { u16 dom, pad; u32 version } */
static int32_t get_version(struct vcpu *v, uint32_t at)
{
	uint32_t arg[2], one = 1;

	if (!xen_guest_read(v, at, arg, 8))
		return -XEN_EFAULT;
	if (!is_self(arg[0] & 0xffff))
		return (arg[0] & 0xffff) ? -XEN_ESRCH : -XEN_EPERM;
	return xen_guest_write(v, at + 4, &one, 4) ? 0 : -XEN_EFAULT;
}

/* grant_table_op(cmd, array, count) */
int32_t xen_grant_table_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint8_t arg[32];

	if (a[0] == OP_SET_VERSION || a[0] == OP_GET_VERSION)
		return a[2] != 1 ? -XEN_EINVAL : a[0] == OP_SET_VERSION ? set_version(v, a[1]) : get_version(v, a[1]);
	if (a[0] >= ARRAY_LEN(ops) || !ops[a[0]].fn)
		return -XEN_ENOSYS;
	if (a[2] > XEN_MAX_BATCH)
		return -XEN_E2BIG;
	if ((a[0] == OP_SETUP || a[0] == OP_SIZE) && a[2] != 1)
		return -XEN_EINVAL;
	const struct grant_op *op = &ops[a[0]];
	for (uint32_t i = 0; i < a[2]; i++) {
		uint32_t at = a[1] + i * op->size;
		if (!xen_guest_read(v, at, arg, op->size))
			return -XEN_EFAULT;
		int16_t status = (int16_t)op->fn(v, arg);
		memcpy(arg + op->status, &status, 2);
		if (!xen_guest_write(v, at, arg, op->size))
			return -XEN_EFAULT;
	}
	return 0;
}
