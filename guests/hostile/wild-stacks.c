/*
 * wild-stacks.c - stack pointers where there is no stack, with every instruction that pushes or pops.
 */
#include "hostile.h"

RING3_CODE(user_push, "mov %%eax, %%esp; push %%ecx")
RING3_CODE(user_pop, "mov %%eax, %%esp; pop %%ecx")
RING3_CODE(user_call, "mov %%eax, %%esp; call 1f; 1:")
RING3_CODE(user_pusha, "mov %%eax, %%esp; pusha")
RING3_CODE(user_popa, "mov %%eax, %%esp; popa")
RING3_CODE(user_enter_31, "mov %%eax, %%esp; enter $0xfff0, $31")
RING3_CODE(user_leave, "mov %%eax, %%ebp; leave")
RING3_CODE(user_ret, "mov %%eax, %%esp; ret $0xfff0")
RING3_CODE(user_iret, "mov %%eax, %%esp; iret")
RING3_CODE(user_lret, "mov %%eax, %%esp; lret")
RING3_CODE(user_int, "mov %%eax, %%esp; int3")
RING3_CODE(user_popf, "mov %%eax, %%esp; popf")

int guest_main(void)
{
	static const struct {
		const char *name;
		void (*fn)(uint32_t);
	} way[] = { { "push", user_push }, { "pop", user_pop }, { "call", user_call }, { "pusha", user_pusha }, { "popa", user_popa },
		{ "enter", user_enter_31 }, { "leave", user_leave }, { "ret", user_ret }, { "iret", user_iret }, { "lret", user_lret },
		{ "int3", user_int }, { "popf", user_popf } };
	static const uint32_t at[] = { 0, 4, 0x20, 0x7fffffff, 0x80000004, 0xf5800004, 0xf6800004, 0xfffffff0, 0xfffffffe, 0xffffffff };
	for (unsigned w = 0; w < ARRAY_LEN(way); w++) {
		uint32_t faults = 0;
		for (unsigned i = 0; i < ARRAY_LEN(at); i++)
			faults += attack_user_quiet(way[w].fn, at[i]);
		attack_tally(way[w].name, faults, ARRAY_LEN(at));
	}
	return hostile_end();
}
