/*
 * pop-ss.c - POP SS checks type and privilege, and takes effect.
 */
#define LOAD_SS "push %%eax; pop %%ss"
#include "load-ss.h"
