/*
 * selectors.c - the guest sees Xen's selectors, its own GDT and LDT work, and where the host's show through all the same.
 *
 * FLAT_* and the guest's own selectors fault on the host and become LDT twins. Four selectors are the host's as well and
 * load without a fault: 0x23, 0x2b, 0x33, 0x7b. What they reach first is the host's segment; the monitor replaces it at the next
 * exit, and a fault that came of it is retried. HOLE lines show both sides of that; LEAK lines what MOV and PUSH read.
 */
#include "check.h"

#define DATA(base, limit, dpl) (0x0040920000000000ull | (uint64_t)(dpl) << 45 | ((uint64_t)(uint32_t)(base) & 0xffffff) << 16 | \
	((uint64_t)(uint32_t)(base) >> 24) << 56 | ((limit) & 0xffff) | ((uint64_t)(limit) >> 16) << 48)
#define FLAT_DATA(dpl) (0x00cf92000000ffffull | (uint64_t)(dpl) << 45)
#define FLAT_CODE(dpl) (0x00cf9a000000ffffull | (uint64_t)(dpl) << 45)

#define D_PRESENT (1ull << 47)

struct check check;
static uint64_t gdt[512] __attribute__((aligned(4096)));
static uint64_t ldt[512] __attribute__((aligned(4096)));
static uint32_t tls[16] __attribute__((aligned(4096))) = { 0x715, 0x12345678 };

static uint32_t read_gs(uint32_t offset)
{
	uint32_t r;
	__asm__ volatile("mov %%gs:(%1), %0" : "=r"(r) : "r"(offset) : "memory");
	return r;
}

static void load_gs(uint32_t sel)
{
	__asm__ volatile("mov %0, %%gs" : : "r"(sel) : "memory");
}

static void load_gs_fault(void *arg)
{
	load_gs((uint32_t)arg);
}

static void load_ss_fault(void *arg)
{
	__asm__ volatile("mov %0, %%ss" : : "r"(arg) : "memory");
}

static void read_only(void *va)
{
	page_set(va, page_pa(va), PTE_KERNEL & ~PTE_W, true);
}

static int32_t set_gdt(uint32_t entries)
{
	unsigned long frame = page_pa(gdt) >> 12;
	return hypercall(__HYPERVISOR_set_gdt, (uint32_t)&frame, entries, 0, 0, 0);
}

static int32_t update(uint64_t *where, uint64_t d)
{
	uint32_t at = page_pa((void *)((uint32_t)where & ~4095u)) + ((uint32_t)where & 4095);
	return hypercall(__HYPERVISOR_update_descriptor, at, 0, (uint32_t)d, (uint32_t)(d >> 32), 0);
}

static void flat_selectors(void)
{
	uint32_t ds, es, ss, cs, pushed;

	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(FLAT_KERNEL_DS));
	__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%ss, %2; mov %%cs, %3" : "=r"(ds), "=r"(es), "=r"(ss), "=r"(cs));
	__asm__ volatile("push %%ds; pop %0" : "=r"(pushed));
	printf("LEAK FLAT_KERNEL_DS reads as %s, FLAT_KERNEL_CS as %s, and PUSH stores the same: %u\n", ds == FLAT_KERNEL_DS ? "itself" : "its twin",
		cs == FLAT_KERNEL_CS ? "itself" : "its twin", pushed == ds);
	expect("one-twin-for-ds-es-ss", ds == es && ds == ss, 1);
	expect("twin-is-local", ds & 4, 4);
	__asm__ volatile("push %0; pop %%es; push %1; popl %%es" : : "r"(FLAT_RING1_DS), "r"(ds)); /* as a kernel restores what it saved */
	__asm__ volatile("ljmp %0, $1f; 1:" : : "i"(FLAT_KERNEL_CS));
	expect("far-jump-to-FLAT_KERNEL_CS", tls[1], 0x12345678);
	load_gs(FLAT_RING3_DS);
	expect("FLAT_RING3_DS", read_gs((uint32_t)&tls[1]), 0x12345678);
	expect_fault("a-selector-that-is-nobody's", load_gs_fault, (void *)0x1238, 13, 0x1238);
}

static void own_gdt(void)
{
	gdt[1] = FLAT_CODE(0);
	gdt[2] = FLAT_DATA(0);
	gdt[8] = DATA(tls, 63, 3); /* 0x43: Linux's last TLS selector */
	expect("set_gdt-writable", (uint32_t)set_gdt(16), (uint32_t)-22);
	gdt[3] = 0x0000890000000067ull; /* a TSS: not for guests */
	read_only(gdt);
	expect("set_gdt-with-a-TSS", (uint32_t)set_gdt(16), (uint32_t)-22);
	page_set(gdt, page_pa(gdt), PTE_KERNEL, true);
	gdt[3] = 0;
	read_only(gdt);
	expect("set_gdt", (uint32_t)set_gdt(16), 0);
	expect("DPL-0-became-1", (uint32_t)(gdt[1] >> 45 & 3), 1);
	load_gs(0x10);
	expect("own-0x10", read_gs((uint32_t)&tls[1]), 0x12345678);
	__asm__ volatile("ljmp $0x08, $1f; 1:");
	expect("far-jump-to-own-0x08", tls[1], 0x12345678);
	__asm__ volatile("ljmp %0, $1f; 1:" : : "i"(FLAT_KERNEL_CS));
	load_gs(0x43);
	expect("own-TLS-0x43", read_gs(0), 0x715);
	expect("update_descriptor", (uint32_t)update(&gdt[8], DATA(&tls[1], 59, 3)), 0);
	load_gs(0x43);
	expect("own-TLS-0x43-changed", read_gs(0), 0x12345678);
	expect("update_descriptor-TSS", (uint32_t)update(&gdt[9], 0x0000890000000067ull), (uint32_t)-22);
	expect_fault("own-selector-without-descriptor", load_gs_fault, (void *)0x53, 13, 0x50);
	expect("update_descriptor-not-present", (uint32_t)update(&gdt[10], DATA(tls, 63, 3) & ~D_PRESENT), 0);
	expect_fault("own-selector-not-present", load_gs_fault, (void *)0x53, 11, 0x50);
	expect("update_descriptor-not-present-stack", (uint32_t)update(&gdt[11], DATA(tls, 63, 1) & ~D_PRESENT), 0);
	expect_fault("own-stack-not-present", load_ss_fault, (void *)0x59, 12, 0x58);
	expect_fault("own-stack-not-present-and-not-for-it", load_ss_fault, (void *)0x53, 13, 0x50);
}

static void own_ldt(void)
{
	struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (unsigned long)ldt, .arg2.nr_ents = 8 };

	ldt[2] = DATA(tls, 63, 3);
	expect("set_ldt", (uint32_t)hypercall(__HYPERVISOR_mmuext_op, (uint32_t)&op, 1, 0, DOMID_SELF, 0), 0);
	expect_fault("LDT-still-writable", load_gs_fault, (void *)0x17, 13, 0x14);
	read_only(ldt);
	load_gs(0x17);
	expect("own-LDT-0x17", read_gs(4), 0x12345678);
	expect("update_descriptor-LDT", (uint32_t)update(&ldt[2], DATA(&tls[1], 59, 3)), 0);
	load_gs(0x17);
	expect("own-LDT-0x17-changed", read_gs(0), 0x12345678);
}

/* The four that the host has too. Offsets near 0 reach page 0 by the host's flat segment, where nothing is mapped. */
static void collisions(void)
{
	static const uint16_t both[] = { 0x23, 0x2b, 0x33, 0x7b };

	for (unsigned i = 0; i < ARRAY_LEN(both); i++) {
		expect("update_descriptor", (uint32_t)update(&gdt[both[i] >> 3], DATA(tls, 63, 3)), 0);
		load_gs(both[i]);
		uint32_t offset = (uint32_t)&tls[1], seen = 0;
		/* Beyond the guest's limit: on hardware a #GP, here the host's flat segment. */
		if (both[i] != 0x7b) {
			__asm__ volatile("mov %1, %%gs; mov %%gs:(%2), %0" : "=r"(seen) : "r"((uint32_t)both[i]), "r"(offset) : "memory");
			printf("HOLE 0x%x: an offset beyond the guest's limit %s\n", both[i], seen == 0x12345678 ? "reads through the host's flat segment" : "faults");
		}
		__asm__ volatile("mov %1, %%gs; mov %%gs:4, %0" : "=r"(seen) : "r"((uint32_t)both[i]) : "memory");
		expect("repaired-at-the-fault", seen, 0x12345678);
	}
	load_gs(0);
}

/* User mode: its own selectors, and the frame that a trap from there shows. */
static USER_CODE void user_selectors(uint32_t arg)
{
	uint32_t r;
	__asm__ volatile("mov %1, %%ds; mov %1, %%es; mov %2, %%fs; mov %%fs:0, %0" : "=r"(r) : "r"(FLAT_RING3_DS), "r"(arg) : "memory");
	user_exit(r);
}

static USER_DATA uint32_t user_tls[4] = { 0x5e1f };
static uint32_t frame_cs, frame_ss;

static bool see_frame(struct trap_frame *f)
{
	if (!FRAME_USER(f) || f->eax != 77)
		return false;
	frame_cs = f->cs & 0xffff;
	frame_ss = f->ss & 0xffff;
	return true;
}

static USER_CODE void user_traps(uint32_t arg)
{
	__asm__ volatile("int $0x80" : : "a"(77) : "memory");
	user_exit(arg);
}

int guest_main(void)
{
	flat_selectors();
	own_gdt();
	own_ldt();
	collisions();
	expect("update_descriptor", (uint32_t)update(&gdt[10], DATA(user_tls, 15, 3)), 0);
	expect("user-own-selector", user_run(user_selectors, 0x53), 0x5e1f);
	trap_set(SYSCALL_VECTOR, see_frame);
	user_run(user_traps, 0);
	trap_set(SYSCALL_VECTOR, NULL);
	expect("frame-cs", frame_cs, FLAT_RING3_CS);
	expect("frame-ss", frame_ss, FLAT_RING3_SS);
	return check_end();
}
