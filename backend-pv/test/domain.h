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
/* The same with a module or a command line, and a disk; the disk stays the caller's. */
struct domain *domain_new_with(const struct load_request *req, uint64_t mem, struct disk *disk);
/* And with memory that the host shares with it (run --shmem). */
struct domain *domain_new_shared(const struct load_request *req, uint64_t mem, struct disk *disk, const char *shmem);
void domain_free(struct domain *d);
