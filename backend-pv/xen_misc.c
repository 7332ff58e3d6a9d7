/*
 * xen_misc.c - the hypercalls that need no file of their own: version, memory, console, descriptors, assists.
 *
 * Each handler's comment has the arguments as the public header declares them. Called through xen_hypercall.c's table.
 */
#include "xen.h"
#include <string.h>
#include "core/console.h"

/* xen_version(cmd, arg): xen/version.h. XENVER_version is done in xen_fast.c too. */
int32_t xen_version(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	char text[1024] = "";
	uint32_t n = 0, features[2];

	switch (a[0]) {
	case 0: /* XENVER_version */
		return (int32_t)XEN_VERSION;
	case 1: /* XENVER_extraversion */
		memcpy(text, ".0-ringlab", 11);
		n = 16;
		break;
	case 3: /* XENVER_capabilities */
		memcpy(text, "xen-3.0-x86_32p ", 17);
		n = 1024;
		break;
	case 5: { /* XENVER_platform_parameters: the start of the hypervisor's area */
		uint32_t start = XEN_M2P;
		return xen_guest_write(v, a[1], &start, 4) ? 0 : -XEN_EFAULT;
	}
	case 6: /* XENVER_get_features { submap_idx, submap } */
		if (!xen_guest_read(v, a[1], features, 8))
			return -XEN_EFAULT;
		if (features[0])
			return -XEN_EINVAL;
		features[1] = 0; /* no writable page tables, no auto-translation */
		return xen_guest_write(v, a[1] + 4, &features[1], 4) ? 0 : -XEN_EFAULT;
	case 7: /* XENVER_pagesize */
		return PAGE_SIZE;
	case 8: /* XENVER_guest_handle */
		n = 16;
		break;
	}
	if (!n)
		return -XEN_ENOSYS;
	return xen_guest_write(v, a[1], text, n) ? 0 : -XEN_EFAULT;
}

/* memory_op(cmd, arg): xen/memory.h. The reservation is fixed: what the domain has is all there is. */
int32_t xen_memory_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t map[2];

	switch (a[0] & 63) {
	case 0: /* XENMEM_increase_reservation: none granted */
	case 6: /* XENMEM_populate_physmap */
		return 0;
	case 2: /* XENMEM_maximum_ram_page */
		return (int32_t)x->frames;
	case 3: /* XENMEM_current_reservation */
	case 4: /* XENMEM_maximum_reservation */
		return (int32_t)x->frames;
	case 9: { /* XENMEM_memory_map { nr_entries, buffer }: e820 entries of 20 bytes */
		struct { uint64_t addr, size; uint32_t type; } __attribute__((packed)) e = { 0, (uint64_t)x->frames << PAGE_SHIFT, 1 };
		uint32_t one = 1;
		if (!xen_guest_read(v, a[1], map, 8))
			return -XEN_EFAULT;
		if (!map[0])
			return -XEN_EINVAL;
		return xen_guest_write(v, map[1], &e, sizeof(e)) && xen_guest_write(v, a[1], &one, 4) ? 0 : -XEN_EFAULT;
	}
	case 12: { /* XENMEM_machphys_mapping { v_start, v_end, max_mfn } */
		uint32_t m[3] = { XEN_M2P, XEN_TRAMPOLINE, x->frames - 1 };
		return xen_guest_write(v, a[1], m, sizeof(m)) ? 0 : -XEN_EFAULT;
	}
	}
	return -XEN_ENOSYS;
}

/* console_io(cmd, count, buffer): write (0) and read (1). */
int32_t xen_console_io(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	char buf[256];
	uint32_t done = 0;

	if (a[0] == 0) {
		while (done < a[1] && done < XEN_MAX_BATCH) {
			uint32_t some = a[1] - done < sizeof(buf) ? a[1] - done : (uint32_t)sizeof(buf);
			if (!xen_guest_read(v, a[2] + done, buf, some))
				return -XEN_EFAULT;
			console_write(v->vm, buf, some);
			done += some;
		}
		return 0;
	}
	if (a[0] == 1) {
		done = (uint32_t)console_read(v->vm, buf, a[1] < sizeof(buf) ? a[1] : sizeof(buf));
		return xen_guest_write(v, a[2], buf, done) ? (int32_t)done : -XEN_EFAULT;
	}
	return -XEN_ENOSYS;
}

/* vm_assist(cmd, type): enable (0), disable (1). Recorded; only 4gb_segments (0) means nothing to do here. */
int32_t xen_vm_assist(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	if (a[1] > 3 || a[0] > 1)
		return -XEN_EINVAL;
	if (a[1] == 2 && a[0] == 0)
		return -XEN_EINVAL; /* writable page tables: updates are by hypercall alone */
	if (a[0] == 0)
		x->assist |= 1u << a[1];
	else
		x->assist &= ~(1u << a[1]);
	return 0;
}

/*
 * fpu_taskswitch(set): CR0.TS. It is kept, and MOV from CR0 shows it, but no #NM follows: at ring 3 nothing can make the
 * host's CPU raise one. A guest that saves FPU state lazily must save it eagerly here; docs/pv-abi.md says so.
 */
int32_t xen_fpu_taskswitch(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	xen_count(v, EV_CR_WRITE);
	v->state.cr0 = a[0] ? v->state.cr0 | CR0_TS : v->state.cr0 & ~(uint64_t)CR0_TS;
	return 0;
}

/* physdev_op(cmd, arg): xen/physdev.h. PHYSDEVOP_set_iopl and set_iobitmap are accepted: ports are emulated anyway. */
int32_t xen_physdev_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	return a[0] == 6 || a[0] == 7 ? 0 : -XEN_ENOSYS;
}
