/*
 * xen_build.h - what the Xen build's two files have in common.
 */
#pragma once
#include "kernel.h"

#define MACHINE_PFN(mfn) (((const uint32_t *)0xf5800000)[mfn])
uint64_t xen_machine(const void *va); /* the machine address of kernel memory */
void xen_map_all(uint32_t *next, uint32_t ram_end);
void xen_switch(uint32_t stack, pte_t *root);
