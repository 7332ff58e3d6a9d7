/*
 * The backend on whatever engine is behind /dev/kvm: registers there and back, exits, the kick, and lives that leave
 * nothing behind.
 *
 * The guests are a few bytes of flat 32-bit code without paging or IRET, which every engine runs, kvm_pvm too. What needs
 * real VMX semantics is in nested_test.py. Without /dev/kvm each test is skipped and says so.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "core/dev.h"
#include "vtx.h"

extern const struct backend_ops vtx_backend;

#define CODE 0x1000u

static struct vm *vm_new(void)
{
	struct vm_config cfg = { .ops = &vtx_backend, .mem_size = 1 << 20, .console_in = -1, .console_out = -1 };
	char engine[64];
	const char *why = vtx_backend.probe(engine, sizeof(engine));
	struct vm *vm;

	if (why)
		cr_skip_test("[SKIP] backend vtx cannot run here: %s", why);
	int r = vm_create(&vm, &cfg);
	cr_assert_eq(r, 0, "vm_create: %s", strerror(-r));
	return vm;
}

/* A VM with this code at CODE, about to run it. */
static struct vm *vm_with(const void *code, size_t n)
{
	struct vm *vm = vm_new();

	memcpy(vm->mem.host + CODE, code, n);
	cpu_enter_flat32(&vm->vcpu.state, CODE);
	vm->cfg.timeout_ns = 5000000000ull;
	return vm;
}
#define VM_WITH(...) vm_with((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* mov edx, 0xf4; mov eax, status; out dx, eax */
#define EXIT_WITH(status) 0xba, 0xf4, 0, 0, 0, 0xb8, status, 0, 0, 0, 0xef

static uint64_t count(const struct vm *vm, enum event_kind k)
{
	return stat_total(&vm->vcpu.stats, k);
}

Test(vtx, runs_to_the_debug_exit_and_stands_after_the_out, .timeout = 20)
{
	struct vm *vm = VM_WITH(0xbb, 0x78, 0x56, 0x34, 0x12, EXIT_WITH(7));

	cr_assert_eq(vm_run(vm), 0);
	cr_expect_eq(vm->end, END_EXIT, "%s", vm->why);
	cr_expect_eq(vm->status, 7);
	cr_expect_eq(vm->vcpu.state.gpr[R_EBX], 0x12345678);
	cr_expect_eq(vm->vcpu.state.rip, CODE + 5 + 11, "the instruction of the last exit is finished");
	cr_expect_eq(count(vm, EV_PORT_OUT), 1);
	vm_destroy(vm);
}

Test(vtx, counts_port_io_by_element, .timeout = 20)
{
	/* mov edi, 0x2000; mov ecx, 5; mov edx, 0x99; cld; rep insb */
	struct vm *vm = VM_WITH(0xbf, 0, 0x20, 0, 0, 0xb9, 5, 0, 0, 0, 0xba, 0x99, 0, 0, 0, 0xfc, 0xf3, 0x6c, EXIT_WITH(1));

	cr_assert_eq(vm_run(vm), 0);
	cr_expect_eq(vm->status, 1);
	cr_expect_eq(count(vm, EV_PORT_IN), 5);
	cr_expect_eq(vm->bus.unknown, 5, "nobody is at port 0x99");
	cr_expect_arr_eq(vm->mem.host + 0x2000, "\xff\xff\xff\xff\xff\0", 6);
	vm_destroy(vm);
}

Test(vtx, reads_mmio_that_nobody_claims_as_ones, .timeout = 20)
{
	/* mov ebx, [0xd0000000]; mov [0xd0000000], ebx */
	struct vm *vm = VM_WITH(0x8b, 0x1d, 0, 0, 0, 0xd0, 0x89, 0x1d, 0, 0, 0, 0xd0, EXIT_WITH(2));

	cr_assert_eq(vm_run(vm), 0);
	cr_expect_eq(vm->status, 2);
	cr_expect_eq(vm->vcpu.state.gpr[R_EBX], 0xffffffff);
	cr_expect_eq(count(vm, EV_MMIO), 2);
	vm_destroy(vm);
}

Test(vtx, halt_without_interrupts_is_a_crash_with_a_sentence, .timeout = 20)
{
	struct vm *vm = VM_WITH(0xfa, 0xf4);

	cr_assert_eq(vm_run(vm), 0);
	cr_expect_eq(vm->end, END_CRASH);
	cr_expect(strstr(vm->why, "halted"), "%s", vm->why);
	cr_expect_eq(count(vm, EV_HLT), 1);
	vm_destroy(vm);
}

Test(vtx, triple_fault_is_a_crash, .timeout = 20)
{
	struct vm *vm = VM_WITH(0x0f, 0x0b); /* ud2, and an IDT of limit 0 */

	cr_assert_eq(vm_run(vm), 0);
	cr_expect_eq(vm->end, END_CRASH);
	cr_expect(strstr(vm->why, "triple fault"), "%s", vm->why);
	vm_destroy(vm);
}

Test(vtx, time_out_ends_a_loop, .timeout = 20)
{
	struct vm *vm = VM_WITH(0xeb, 0xfe);

	vm->cfg.timeout_ns = 100000000;
	cr_assert_eq(vm_run(vm), 0);
	cr_expect_eq(vm->end, END_TIMEOUT);
	cr_expect_geq(count(vm, EV_KICK), 1);
	vm_destroy(vm);
}

Test(vtx, registers_survive_a_push_and_a_pull, .timeout = 20)
{
	struct vm *vm = VM_WITH(0x90);
	struct vcpu *v = &vm->vcpu;
	struct cpu_state want;

	cr_assert_eq(vtx_backend.start(v), 0);
	cr_assert_eq(vtx_backend.pull(v, REGS_ALL), 0);
	for (int i = 0; i <= R_EDI; i++)
		v->state.gpr[i] = 0x11111111u * (unsigned)(i + 1);
	v->state.rflags = FL_FIXED | FL_CF | FL_ZF | FL_DF;
	v->state.cr2 = 0xdeadb000;
	v->state.dr[0] = 0x4000;
	v->state.sysenter_cs = 8;
	v->state.sysenter_esp = 0x8000;
	v->state.sysenter_eip = 0x9000;
	v->state.gdtr = (struct dtable){ 0x5000, 0x27 };
	v->state.idtr = (struct dtable){ 0x6000, 0x7ff };
	v->state.seg[S_FS].base = 0x3000;
	v->state.fx[32] = 0xaa;   /* ST0 */
	v->state.fx[160] = 0xbb;  /* XMM0 */
	v->state.int_shadow = INT_SHADOW_STI;
	want = v->state;
	cr_assert_eq(vtx_backend.push(v, REGS_ALL), 0);
	memset(&v->state, 0x5a, sizeof(v->state));
	cr_assert_eq(vtx_backend.pull(v, REGS_ALL), 0);
	cr_expect_arr_eq(v->state.gpr, want.gpr, sizeof(uint64_t) * 8);
	cr_expect_eq(v->state.rflags, want.rflags);
	cr_expect_eq(v->state.cr2, want.cr2);
	cr_expect_eq(v->state.dr[0], want.dr[0]);
	cr_expect_eq(v->state.sysenter_esp, want.sysenter_esp);
	cr_expect_eq(v->state.sysenter_eip, want.sysenter_eip);
	cr_expect_eq(v->state.gdtr.limit, want.gdtr.limit);
	cr_expect_eq(v->state.idtr.base, want.idtr.base);
	cr_expect_eq(v->state.int_shadow, want.int_shadow);
	cr_expect_arr_eq(v->state.fx + 32, want.fx + 32, 10);
	cr_expect_arr_eq(v->state.fx + 160, want.fx + 160, 16);
	for (int i = 0; i <= S_GS; i++) {
		cr_expect_eq(v->state.seg[i].base, want.seg[i].base, "segment %d", i);
		cr_expect_eq(v->state.seg[i].limit, want.seg[i].limit, "segment %d", i);
	}
	vm_destroy(vm);
}

static unsigned entries(const char *dir)
{
	unsigned n = 0;
	DIR *d = opendir(dir);

	cr_assert(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static unsigned mappings(void)
{
	unsigned n = 0;
	FILE *f = fopen("/proc/self/maps", "re");

	cr_assert(f);
	for (int c; (c = getc(f)) != EOF;)
		n += c == '\n';
	fclose(f);
	return n;
}

Test(vtx, lives_leave_nothing_behind, .timeout = 120)
{
	unsigned fds, maps;

	vm_destroy(vm_new());
	fds = entries("/proc/self/fd");
	maps = mappings();
	for (int i = 0; i < 100; i++)
		vm_destroy(vm_new());
	cr_expect_eq(entries("/proc/self/fd"), fds);
	cr_expect_leq(mappings(), maps + 2, "the allocator may have grown");
}

Test(vtx, every_event_that_reaches_us_has_a_reason)
{
	static const enum event_kind kinds[] = { EV_PORT_IN, EV_PORT_OUT, EV_MMIO, EV_HLT, EV_IRQ_WINDOW, EV_MSR_READ, EV_MSR_WRITE };
	static const enum vtx_engine engines[] = { ENGINE_INTEL, ENGINE_AMD, ENGINE_PVM };

	for (size_t e = 0; e < ARRAY_LEN(engines); e++)
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
			for (int shadow = 0; shadow < 2; shadow++)
				cr_expect(vtx_reason_of(engines[e], shadow, kinds[k]), "%s: %s", vtx_engine_name(engines[e]),
					event_kind_name[kinds[k]]);
	cr_expect_str_eq(vtx_reason_find(ENGINE_INTEL, 30)->name, "I/O instruction");
	cr_expect_eq(vtx_reason_find(ENGINE_INTEL, 9999), NULL);
}
