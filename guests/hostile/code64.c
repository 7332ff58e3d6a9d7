/*
 * code64.c - the attack of code64.h out of the guest's kernel.
 */
#define CODE64_SECTION ".text"
#define CODE64_BRANCH KERNEL_CODE
#define CODE64_ATTACK attack
#include "code64.h"
