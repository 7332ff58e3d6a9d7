/*
 * fpu_stub.c - one guest FPU or SIMD instruction, executed by the host's own unit on the guest's FXSAVE image.
 *
 * A stub is the instruction itself, its memory operand redirected to (%rdi) and its general register to EAX, and a RET.
 * Stubs are made on first use in a small table. fpu_stub_call loads the guest's image, calls the stub, and saves the
 * image again; the host's control words are as they were afterwards. Called by interp_fpu.c only.
 */
#include "fpu_stub.h"
#include <stdlib.h>
#include <sys/mman.h>

#define STUB_SIZE 16
#define STUB_COUNT 4096

struct fpu_stubs {
	uint8_t *code;
};

struct fpu_stubs *fpu_stubs_create(void)
{
	struct fpu_stubs *t = calloc(1, sizeof(*t));
	void *p;

	if (!t)
		return NULL;
	/* Writable and executable at one address: a jump is then all that modified code needs (SDM vol. 3, 11.6). */
	p = mmap(NULL, STUB_SIZE * STUB_COUNT, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		free(t);
		return NULL;
	}
	t->code = p;
	return t;
}

void fpu_stubs_destroy(struct fpu_stubs *t)
{
	if (t)
		munmap(t->code, STUB_SIZE * STUB_COUNT);
	free(t);
}

const void *fpu_stub_get(struct fpu_stubs *t, const uint8_t *insn, unsigned len)
{
	uint8_t want[STUB_SIZE] = { 0 };
	uint64_t h;
	uint8_t *slot;

	if (len)
		memcpy(want, insn, len);
	want[len] = 0xc3; /* ret */
	memcpy(&h, want, 8);
	h *= 0x9e3779b97f4a7c15ull;
	slot = t->code + (h >> 52) % STUB_COUNT * STUB_SIZE;
	if (memcmp(slot, want, STUB_SIZE))
		memcpy(slot, want, STUB_SIZE);
	return slot;
}

/*
 * fpu_stub_call(struct fpu_call *c). The offsets are asserted below. FNINIT before the host's control word is loaded:
 * a pending guest exception must not strike the VMM.
 */
__asm__(
	".text\n"
	".p2align 4\n"
	".globl fpu_stub_call\n"
	".hidden fpu_stub_call\n"
	".type fpu_stub_call, @function\n"
	"fpu_stub_call:\n"
	"	push %rbx\n"
	"	sub $16, %rsp\n"
	"	mov %rdi, %rbx\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	mov 0(%rbx), %rax\n"
	"	fxrstor (%rax)\n"
	"	pushq 32(%rbx)\n"
	"	mov 16(%rbx), %rdi\n"
	"	mov 24(%rbx), %rax\n"
	"	popfq\n"
	"	call *8(%rbx)\n"
	"	pushfq\n"
	"	popq 32(%rbx)\n"
	"	mov %rax, 24(%rbx)\n"
	"	mov 0(%rbx), %rax\n"
	"	fxsave (%rax)\n"
	"	fninit\n"
	"	fldcw 4(%rsp)\n"
	"	ldmxcsr (%rsp)\n"
	"	cld\n"
	"	add $16, %rsp\n"
	"	pop %rbx\n"
	"	ret\n"
	".size fpu_stub_call, . - fpu_stub_call\n");

_Static_assert(offsetof(struct fpu_call, code) == 8 && offsetof(struct fpu_call, mem) == 16 &&
	offsetof(struct fpu_call, rax) == 24 && offsetof(struct fpu_call, flags) == 32, "fpu_stub_call's offsets");
