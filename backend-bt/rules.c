/*
 * rules.c - how each instruction that matters is handled, for `ringlab explain` and the tests.
 */
#include "bt_private.h"

const struct backend_rule bt_rules[] = {
	RULE("cpuid", NULL, CPUID, CALLOUT, bt_co_cpuid, "backend-bt/bt_callout.c", "insn/cpuid", "a callout answers from the CPU model"),
};
const size_t bt_rule_count = ARRAY_LEN(bt_rules);
