/*
 * mov-to-ss.c - MOV to SS checks type and privilege, and takes effect.
 */
#define LOAD_SS "mov %%eax, %%ss"
#include "load-ss.h"
