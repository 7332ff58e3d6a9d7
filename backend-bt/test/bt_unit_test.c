/*
 * bt_unit_test.c - the translator from outside: small pieces of guest code, run to an address, held against the interpreter.
 *
 * Instructions one by one are core/test/insn's; here is what needs several of them: wrap-around, an ESP that tries to
 * creep out of its window, self-modified code, kicks at every possible moment, and a code cache that is far too small.
 */
#include "bt_test.h"
#include "bt_private.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <string.h>
#include <time.h>

extern const struct backend_ops bt_backend;

#define CODE 0x1000u

static struct vm *machine(const void *code, size_t n, struct bt_tuning tuning)
{
	struct vm_config cfg = { .ops = &bt_backend, .mem_size = 4 << 20, .console_in = -1, .console_out = -1, .bt = tuning };
	struct vm *vm;

	cr_assert_eq(vm_create(&vm, &cfg), 0);
	memcpy(vm->mem.host + CODE, code, n);
	cpu_enter_flat32(&vm->vcpu.state, CODE);
	vm->vcpu.state.gpr[R_ESP] = 0x8000;
	cr_assert_eq(vm->ops->start(&vm->vcpu), 0);
	return vm;
}

/* Runs from where the guest is until stop; fails when something else happens. */
static void run_to(struct vm *vm, uint32_t stop)
{
	struct exit e;

	bt_stop_at(&vm->vcpu, stop);
	cr_assert_eq(vm->ops->push(&vm->vcpu, REGS_ALL), 0);
	do {
		vm->vcpu.attention = 0;
		cr_assert_eq(vm->ops->run(&vm->vcpu, &e), 0);
		cr_assert_eq(e.reason, EXIT_KICK, "exit %d at %#lx", e.reason, (unsigned long)vm->vcpu.state.rip);
	} while (!bt_stopped(&vm->vcpu));
	cr_assert_eq(vm->vcpu.state.rip, stop);
}

static uint64_t traps(const struct vm *vm)
{
	uint64_t n = 0;

	for (unsigned k = 0; k < EV_COUNT; k++)
		n += vm->vcpu.stats.cell[k][MECH_TRAP].count;
	return n;
}

Test(bt, addresses_wrap_at_4_gib)
{
	/* mov eax,[ebx+0x10]; mov [ecx-0x20],eax; mov edx,[ebx*4+ecx+0x10]; mov esi,[ebx*4+0x3050]; mov edi,[ecx*8-0x2000] */
	static const uint8_t code[] = { 0x8b, 0x43, 0x10, 0x89, 0x41, 0xe0, 0x8b, 0x54, 0x99, 0x10, 0x8b, 0x34, 0x9d, 0x50, 0x30, 0, 0,
		0x8b, 0x3c, 0xcd, 0, 0xe0, 0xff, 0xff };
	struct vm *vm = machine(code, sizeof(code), (struct bt_tuning){ 0 });
	struct cpu_state *s = &vm->vcpu.state;

	s->gpr[R_EBX] = 0xfffffff8u; /* + 0x10 is 8 */
	s->gpr[R_ECX] = 0x3020;
	*(uint32_t *)(vm->mem.host + 8) = 0xcafe;
	*(uint32_t *)(vm->mem.host + 0x3010) = 0xbeef; /* 0xfffffff8 * 4 + 0x3020 + 0x10 */
	*(uint32_t *)(vm->mem.host + 0x3030) = 0xf00d; /* 0xfffffff8 * 4 + 0x3050 */
	*(uint32_t *)(vm->mem.host + 0x16100) = 0xd00f; /* 0x3020 * 8 + 0xffffe000 */
	run_to(vm, CODE + sizeof(code));
	cr_expect_eq(s->gpr[R_ESI], 0xf00d);
	cr_expect_eq(s->gpr[R_EDI], 0xd00f);
	cr_expect_eq(s->gpr[R_EAX], 0xcafe);
	cr_expect_eq(*(uint32_t *)(vm->mem.host + 0x3000), 0xcafe);
	cr_expect_eq(s->gpr[R_EDX], 0xbeef);
	cr_expect_gt(vm->vcpu.stats.cell[EV_HOST_FAULT][MECH_TRAP].count, 0);
	vm_destroy(vm);
}

/* A probe faulted; blocks of one instruction have none, but truncate ESP. */
static void noticed(const struct vm *vm)
{
#ifndef RINGLAB_HOSTILE
	cr_expect_gt(vm->vcpu.stats.cell[EV_HOST_FAULT][MECH_TRAP].count, 0, "it left its window unnoticed");
#else
	(void)vm;
#endif
}

Test(bt, esp_cannot_creep_out_of_its_window)
{
	/* 1: sub esp,0x10000; dec ecx; jnz 1b: 200,000 times, 12 GiB, touching no memory */
	static const uint8_t code[] = { 0x81, 0xec, 0, 0, 1, 0, 0x49, 0x75, 0xf7 };
	struct vm *vm = machine(code, sizeof(code), (struct bt_tuning){ 0 });
	struct cpu_state *s = &vm->vcpu.state;

	s->gpr[R_ECX] = 200000;
	run_to(vm, CODE + sizeof(code));
	cr_expect_eq(s->gpr[R_ESP], (uint32_t)(0x8000 - 200000u * 0x10000u));
	noticed(vm);
	cr_expect_eq(s->gpr[R_ECX], 0);
	vm_destroy(vm);
}

/* 1: sub esp,0x10000; prefetcht0 [esp]; nop [esp]; lea eax,[esp]; dec ecx; jz 3f; jmp 1b; 3: nothing of it touches the stack. */
static const uint8_t creep_code[] = {
	0x81, 0xec, 0, 0, 1, 0, 0x0f, 0x18, 0x0c, 0x24, 0x0f, 0x1f, 4, 0x24, 0x8d, 4, 0x24, 0x49, 0x74, 2,
	0xeb, 0xea };

Test(bt, hints_do_not_count_as_touching_the_stack)
{
	struct vm *vm = machine(creep_code, sizeof(creep_code), (struct bt_tuning){ 0 });
	struct cpu_state *s = &vm->vcpu.state;

	s->gpr[R_ECX] = 200000;
	run_to(vm, CODE + sizeof(creep_code));
	cr_expect_eq(s->gpr[R_ESP], (uint32_t)(0x8000 - 200000u * 0x10000u));
	noticed(vm);
	cr_expect_eq(s->gpr[R_EAX], s->gpr[R_ESP]);
	vm_destroy(vm);
}

/*
 * Returns of all kinds, 300 times: to the caller; into the middle of an instruction; to an address that the callee put there; to
 * a caller whose next instruction the callee has rewritten. Then a recursion 50,000 deep.
 *
 *    mov ecx,300; 1: call f; inc ebx; push m; ret; db 0xb8; m: inc edx; nop; nop; nop; call g; ud2;
 *    n: call h; site: mov esi,0; add edi,esi; dec ecx; jnz 1b; mov ecx,50000; call rec; stop: nop
 *    f: mov eax,[esp]; ret; g: mov dword [esp],n; ret; h: mov [site+1],ecx; ret
 *    rec: dec ecx; jz 2f; call rec; 2: inc ebp; ret
 */
static const uint8_t return_code[] = {
	0xb9, 0x2c, 1, 0, 0, 0xe8, 0x2d, 0, 0, 0, 0x43, 0x68, 0x12, 0x10, 0, 0, 0xc3, 0xb8, 0x42, 0x90,
	0x90, 0x90, 0xe8, 0x20, 0, 0, 0, 0x0f, 0x0b, 0xe8, 0x21, 0, 0, 0, 0xbe, 0, 0, 0, 0, 1,
	0xf7, 0x49, 0x75, 0xd9, 0xb9, 0x50, 0xc3, 0, 0, 0xe8, 0x14, 0, 0, 0, 0x90, 0x8b, 4, 0x24, 0xc3, 0xc7,
	4, 0x24, 0x1d, 0x10, 0, 0, 0xc3, 0x89, 0x0d, 0x23, 0x10, 0, 0, 0xc3, 0x49, 0x74, 5, 0xe8, 0xf8, 0xff,
	0xff, 0xff, 0x45, 0xc3 };
#define RETURN_STOP (CODE + 0x36)

Test(bt, returns_go_where_the_stack_says)
{
	static const struct bt_tuning with[] = { { 0 }, { .no_retpred = true }, { .no_chain = true }, { .one_insn_blocks = true },
		{ .code_cache = 1 }, { .code_cache = 1, .one_insn_blocks = true } };

	for (unsigned i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		struct vm *vm = machine(return_code, sizeof(return_code), with[i]);
		struct cpu_state *s = &vm->vcpu.state;

		s->gpr[R_ESP] = 0x300000;
		s->gpr[R_EDX] = 0;
		run_to(vm, RETURN_STOP);
		cr_expect_eq(s->gpr[R_EBX], 300);
		cr_expect_eq(s->gpr[R_EDX], 300);
		cr_expect_eq(s->gpr[R_EAX], CODE + 10);
		cr_expect_eq(s->gpr[R_EDI], 300 * 301 / 2);
		cr_expect_eq(s->gpr[R_EBP], 50000);
		cr_expect_eq(s->gpr[R_ESP], 0x300000);
		vm_destroy(vm);
	}
}

Test(bt, high_byte_registers_survive_a_fault)
{
	/* mov bh,[esi] from a page not mapped yet; mov [edi],ch */
	static const uint8_t code[] = { 0x8a, 0x3e, 0x88, 0x2f };
	struct vm *vm = machine(code, sizeof(code), (struct bt_tuning){ 0 });
	struct cpu_state *s = &vm->vcpu.state;

	s->gpr[R_EBX] = 0x11223344;
	s->gpr[R_ECX] = 0x55667788;
	s->gpr[R_ESI] = 0x200000;
	s->gpr[R_EDI] = 0x3ff000;
	vm->mem.host[0x200000] = 0xaa;
	run_to(vm, CODE + sizeof(code));
	cr_expect_eq(s->gpr[R_EBX], 0x1122aa44);
	cr_expect_eq(s->gpr[R_ECX], 0x55667788);
	cr_expect_eq(vm->mem.host[0x3ff000], 0x77);
	vm_destroy(vm);
}

/* 1: mov [f+1],ecx (an immediate in f); call f; add ebx,eax; dec ecx; jnz 1b; stop: f: mov eax,imm; ret */
static const uint8_t smc_code[] = { 0x89, 0x0d, 0x12, 0x10, 0, 0, 0xe8, 6, 0, 0, 0, 0x01, 0xc3, 0x49, 0x75, 0xf0, 0x90,
	0xb8, 0, 0, 0, 0, 0xc3 };

Test(bt, self_modified_code_is_exact_and_takes_no_trap_in_the_steady_state)
{
	struct vm *vm = machine(smc_code, sizeof(smc_code), (struct bt_tuning){ 0 });
	struct cpu_state *s = &vm->vcpu.state;
	uint64_t before;

	s->gpr[R_ECX] = 100;
	run_to(vm, CODE + 16);
	cr_expect_eq(s->gpr[R_EBX], 5050);
	before = traps(vm);
	s->rip = CODE;
	s->gpr[R_EBX] = 0;
	s->gpr[R_ECX] = 1000;
	vm->ops->push(&vm->vcpu, REGS_GPR);
	struct exit e;
	bt_stop_at(&vm->vcpu, CODE + 16);
	cr_assert_eq(vm->ops->run(&vm->vcpu, &e), 0);
	cr_expect_eq(s->gpr[R_EBX], 500500);
	cr_expect_leq(traps(vm) - before, 2, "%lu traps", (unsigned long)(traps(vm) - before));
	vm_destroy(vm);
}

Test(bt, smallest_code_cache_and_one_instruction_blocks)
{
	struct bt_tuning t = { .code_cache = 1, .one_insn_blocks = true };
	struct vm *vm = machine(smc_code, sizeof(smc_code), t);

	vm->vcpu.state.gpr[R_ECX] = 3000;
	run_to(vm, CODE + 16);
	cr_expect_eq(vm->vcpu.state.gpr[R_EBX], 3000u * 3001u / 2);
	vm_destroy(vm);
}

Test(bt, each_mechanism_can_be_switched_off)
{
	for (unsigned i = 0; i < 4; i++) {
		struct bt_tuning t = { .no_chain = i == 0, .no_adapt = i == 1, .no_traces = i == 2, .no_retpred = i == 3 };
		struct vm *vm = machine(smc_code, sizeof(smc_code), t);

		vm->vcpu.state.gpr[R_ECX] = 200;
		run_to(vm, CODE + 16);
		cr_expect_eq(vm->vcpu.state.gpr[R_EBX], 20100);
		vm_destroy(vm);
	}
}

/*
 * 1: inc eax; push eax; pop ebx; lea ecx,[eax*2]; mov [0x2000],ah; mov dh,[0x2000]; call f; sub esp,8; add esp,8; pushf;
 *    popf; nop; jmp 1b; f: push ebp; mov ebp,esp; leave; ret
 */
static const uint8_t kick_code[] = { 0x40, 0x50, 0x5b, 0x8d, 0x0c, 0x45, 0, 0, 0, 0, 0x88, 0x25, 0, 0x20, 0, 0, 0x8a, 0x35, 0, 0x20,
	0, 0, 0xe8, 0x0d, 0, 0, 0, 0x83, 0xec, 8, 0x83, 0xc4, 8, 0x9c, 0x9d, 0x90, 0xeb, 0xda, 0x90, 0x90,
	0x55, 0x89, 0xe5, 0xc9, 0xc3 };

/* Whatever instruction a kick hits, the state is that of a boundary: the interpreter finishes the round, and it adds up. */
Test(bt, kicks_leave_at_instruction_boundaries)
{
	struct vm *vm = machine(kick_code, sizeof(kick_code), (struct bt_tuning){ 0 });
	struct vcpu *v = &vm->vcpu;
	struct cpu_state *s = &v->state;
	struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIG_KICK, .sigev_value.sival_ptr = v };
	struct itimerspec every = { { 0, 50000 }, { 0, 50000 } };
	unsigned seen[sizeof(kick_code)] = { 0 }, places = 0;
	timer_t timer;

	s->gpr[R_EBP] = 0x1234;
	s->gpr[R_EDX] = 0;
	cr_assert_eq(timer_create(CLOCK_MONOTONIC, &se, &timer), 0);
	timer_settime(timer, 0, &every, NULL);
	for (unsigned i = 0; i < 3000; i++) {
		struct exit e;

		v->attention = 0;
		cr_assert_eq(vm->ops->run(v, &e), 0);
		cr_assert_eq(e.reason, EXIT_KICK);
		cr_assert_lt(s->rip - CODE, sizeof(kick_code));
		uint32_t from = (uint32_t)s->rip;
		if (!seen[s->rip - CODE]++)
			places++;
		for (unsigned n = 0; s->rip != CODE; n++) {
			cr_assert_lt(n, 64, "lost at %#lx", (unsigned long)s->rip);
			cr_assert_eq(interp_step(v), INTERP_DONE);
		}
		cr_assert_eq(s->gpr[R_EBX], s->gpr[R_EAX]);
		cr_assert_eq((uint32_t)s->gpr[R_ECX], (uint32_t)s->gpr[R_EAX] * 2);
		cr_assert_eq(s->gpr[R_EDX] >> 8 & 0xff, s->gpr[R_EAX] >> 8 & 0xff, "kick %u at %#x: eax %#lx edx %#lx mem %#x", i, from,
			(unsigned long)s->gpr[R_EAX], (unsigned long)s->gpr[R_EDX], vm->mem.host[0x2000]);
		cr_assert_eq(s->gpr[R_ESP], 0x8000);
		cr_assert_eq(s->gpr[R_EBP], 0x1234);
	}
	timer_delete(timer);
	cr_expect_gt(places, 3, "kicks hit %u instructions only", places);
	vm_destroy(vm);
}

/* Signals must not be delivered on the guest's stack: a machine runs after one made later has died, and on another thread. */
static void *run_elsewhere(void *vm)
{
	run_to(vm, RETURN_STOP);
	return NULL;
}

Test(bt, faults_are_taken_on_the_alternate_stack_of_whoever_runs)
{
	struct vm *a = machine(return_code, sizeof(return_code), (struct bt_tuning){ 0 });
	struct vm *b = machine(return_code, sizeof(return_code), (struct bt_tuning){ 0 });
	uint8_t *below = a->mem.host + 0x300000 - 60 * PAGE_SIZE; /* of what the guest uses of its stack */
	pthread_t t;

	a->vcpu.state.gpr[R_ESP] = b->vcpu.state.gpr[R_ESP] = 0x300000;
	a->vcpu.state.gpr[R_EDX] = 0;
	memset(below, 0x5a, PAGE_SIZE);
	run_to(b, RETURN_STOP);
	vm_destroy(b);
	cr_assert_eq(pthread_create(&t, NULL, run_elsewhere, a), 0);
	pthread_join(t, NULL);
	cr_expect_eq(a->vcpu.state.gpr[R_EDX], 300);
	for (unsigned k = 0; k < PAGE_SIZE; k++)
		cr_assert_eq(below[k], 0x5a, "written to below the stack, at %u", k);
	vm_destroy(a);
}

Test(bt, listing_shows_both_sides)
{
	struct vm *vm = machine(smc_code, sizeof(smc_code), (struct bt_tuning){ 0 });
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	vm->vcpu.state.gpr[R_ECX] = 1;
	run_to(vm, CODE + 16);
	bt_listing(&vm->vcpu, f, CODE + 6);
	fclose(f);
	cr_expect(strstr(text, "calll") || strstr(text, "call"), "%s", text);
	cr_expect(strstr(text, "(%rsp)"), "%s", text);
	free(text);
	vm_destroy(vm);
}

/* mov eax,[esi]; add [edi],eax; mov [edi+4],ah; cmp dword [esi],5; setz bl; lock xadd [edi],ecx; movzx edx,word [esi+2] */
static const uint8_t soft_code[] = { 0x8b, 0x06, 0x01, 0x07, 0x88, 0x67, 0x04, 0x83, 0x3e, 0x05, 0x0f, 0x94, 0xc3, 0xf0, 0x0f, 0xc1, 0x0f,
	0x0f, 0xb7, 0x56, 0x02 };
static const uint8_t soft_at[] = { 0, 2, 4, 7, 13, 17 };

typedef uint32_t word_anywhere __attribute__((aligned(1)));

static struct vm *soft_machine(uint32_t esi, uint32_t edi)
{
	struct vm *vm = machine(soft_code, sizeof(soft_code), (struct bt_tuning){ 0 });
	struct cpu_state *s = &vm->vcpu.state;

	s->gpr[R_ESI] = esi;
	s->gpr[R_EDI] = edi;
	s->gpr[R_ECX] = 7;
	for (unsigned i = 0; i < sizeof(soft_at); i++)
		site_mark(bt_of(&vm->vcpu), CODE + soft_at[i], SITE_SOFT);
	return vm;
}

/* Within a page, and across two. */
Test(bt, soft_sites_do_what_the_instruction_says)
{
	for (uint32_t off = 0; off < 8192; off += 4093) {
		uint32_t esi = 0x200000 + off, edi = 0x3ff000 - off;
		struct vm *vm = soft_machine(esi, edi);
		struct cpu_state *s = &vm->vcpu.state;
		struct bt *b = bt_of(&vm->vcpu);

		*(word_anywhere *)(vm->mem.host + esi) = 0x01020305;
		*(word_anywhere *)(vm->mem.host + edi) = 1;
		run_to(vm, CODE + sizeof(soft_code));
		cr_expect_eq(s->gpr[R_EAX], 0x01020305);
		cr_expect_eq(*(word_anywhere *)(vm->mem.host + edi), 0x0102030du);
		cr_expect_eq(vm->mem.host[edi + 4], 3);
		cr_expect_eq(s->gpr[R_EBX] & 0xff, 0);
		cr_expect_eq(s->gpr[R_ECX], 0x01020306);
		cr_expect_eq(s->gpr[R_EDX], 0x0102);
		cr_expect_eq(traps(vm), 0, "%lu traps", (unsigned long)traps(vm));
		if (b->ram_region && !off)
			cr_expect_eq(b->stat[BS_SOFT_FILLS], 2);
		if (off == 4093) /* the operand at esi crosses a page: no entry may serve it */
			cr_expect_gt(vm->vcpu.stats.cell[EV_INTERPRET][MECH_CALLOUT].count, 1);
		vm_destroy(vm);
	}
}

/* Whatever stands in an entry, the access stays in the window of guest RAM or its guards: the bound is in the code. */
Test(bt, soft_tlb_entries_cannot_lead_out_of_guest_ram)
{
	struct vm *vm = soft_machine(0x200000, 0x201000);
	struct bt *b = bt_of(&vm->vcpu);
	struct cpu_state *s = &vm->vcpu.state;
	struct soft_entry *e = (struct soft_entry *)(b->code + SOFT_OFFSET);
	uint8_t *outside = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t bad[] = { 0, 0x7ffff000, 0x80000000u, 0xfffff000u, (uint32_t)(uintptr_t)outside, (uint32_t)(uintptr_t)b->hot, 12345 };

	if (!b->ram_region)
		cr_skip_test("the host has no BMI2: soft sites are the interpreter's");
	run_to(vm, CODE + sizeof(soft_code));
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		for (unsigned k = 0; k < 4 * SOFT_ENTRIES; k++)
			e[k] = (struct soft_entry){ 0u - (0x200u + (k % SOFT_ENTRIES)), bad[i] };
		s->rip = CODE;
		s->gpr[R_ESI] = 0x200000;
		s->gpr[R_EDI] = 0x201000;
		b->soft_used = true;
		run_to(vm, CODE + sizeof(soft_code));
	}
	for (unsigned i = 0; i < 1 << 20; i++)
		cr_assert_eq(outside[i], 0);
	munmap(outside, 1 << 20);
	vm_destroy(vm);
}
