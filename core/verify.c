/*
 * verify.c - hashes what must not change while guest code runs. Used by the CLI for hostile guests.
 */
#include "core/verify.h"
#include <errno.h>
#include <link.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "core/types.h"

#define CANARIES 64
#define CANARY_SIZE 8192

struct verify {
	uint8_t before[SHA256_DIGEST_LENGTH];
	uint8_t *heap[CANARIES]; /* small blocks, between the VMM's own */
	uint8_t *high;           /* CANARIES pages of a mapping of their own */
};

/* One loaded object: every segment that is readable and not writable. The vDSO has no stable pages: left out. */
static int hash_object(struct dl_phdr_info *o, size_t size, void *ctx)
{
	if (!o->dlpi_addr || strstr(o->dlpi_name, "vdso"))
		return 0;
	for (int i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &o->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && (p->p_flags & PF_R) && !(p->p_flags & PF_W))
			SHA256Update(ctx, (const uint8_t *)(o->dlpi_addr + p->p_vaddr), p->p_filesz);
	}
	return 0;
}

static void verify_hash(const struct verify *v, uint8_t digest[SHA256_DIGEST_LENGTH])
{
	SHA2_CTX h;

	SHA256Init(&h);
	dl_iterate_phdr(hash_object, &h);
	for (int i = 0; i < CANARIES; i++)
		SHA256Update(&h, v->heap[i], 64);
	SHA256Update(&h, v->high, CANARIES * CANARY_SIZE);
	SHA256Final(digest, &h);
}

static void verify_free(struct verify *v)
{
	for (int i = 0; i < CANARIES; i++)
		free(v->heap[i]);
	if (v->high)
		munmap(v->high, CANARIES * CANARY_SIZE);
	free(v);
}

int verify_begin(struct verify **out)
{
	struct verify *v = calloc(1, sizeof(*v));
	bool ok = v != NULL;

	for (int i = 0; ok && i < CANARIES; i++) {
		ok = (v->heap[i] = malloc(64)) != NULL;
		if (ok)
			memset(v->heap[i], 0xa0 + i % 16, 64);
	}
	if (ok) {
		v->high = mmap(NULL, CANARIES * CANARY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ok = v->high != MAP_FAILED;
		if (!ok)
			v->high = NULL;
	}
	if (!ok) {
		if (v)
			verify_free(v);
		return -ENOMEM;
	}
	memset(v->high, 0x5a, CANARIES * CANARY_SIZE);
	verify_hash(v, v->before);
	*out = v;
	return 0;
}

bool verify_end(struct verify *v)
{
	uint8_t after[SHA256_DIGEST_LENGTH];

	verify_hash(v, after);
	bool same = !memcmp(v->before, after, sizeof(after));
	verify_free(v);
	return same;
}
