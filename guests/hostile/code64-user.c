/*
 * code64-user.c - the attack of code64.h out of user mode.
 */
#define CODE64_SECTION ".section .utext, \"ax\", @progbits"
#define CODE64_BRANCH RING3_CODE
#define CODE64_ATTACK attack_user
#include "code64.h"
