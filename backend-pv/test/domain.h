/* A Xen domain built from a guest of this tree, with no direct execution: hypercalls are called as functions. */
#pragma once
#include "xen.h"

struct domain {
	struct vm vm;
	struct pv pv;
	struct pv_cpu *cpu;
};

/* mem: bytes of RAM. Asserts on failure. */
struct domain *domain_new(const char *image, uint64_t mem);
void domain_free(struct domain *d);
