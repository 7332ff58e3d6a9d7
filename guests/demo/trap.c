/*
 * trap.c - privileged instructions, each by itself, with its cost; one of them with the register before and after; and POPF.
 *
 * The guest of `ringlab demo trap-and-emulate`: what Popek and Goldberg's monitor is made for. n times CLI and STI, IN, MOV to and from
 * control registers, INVLPG; then POPF, which is no less sensitive and does not trap. `once` does one MOV from CR3 and nothing else.
 * Builds: PREVIRT
 */
#include "median.h"
#include "native.h"

#define FLAG_IF 0x200u

/* The one that is shown in slow motion: EAX holds something else before. */
__asm__(".text; .globl one_trap; .type one_trap, @function;"
	"one_trap: movl $0xdeadbeef, %eax; movl %cr3, %eax; ret; .size one_trap, . - one_trap");

static uint32_t one(void)
{
	uint32_t v;

	truth_add(CR_READ, 1);
	__asm__ volatile("call one_trap" : "=a"(v) : : "memory");
	return v;
}

static char page[PAGE] __attribute__((aligned(4096)));

#define DO(name, statement) \
	static __attribute__((noipa)) void do_##name(void) \
	{ \
		statement; \
	}
DO(nothing, __asm__ volatile("nop"))
DO(cli, cli())
DO(in, inb(0x21))
DO(read_cr0, read_cr0())
DO(write_cr0, write_cr0(0x80010033))
DO(write_cr3, write_cr3((uint32_t)page_dir))
DO(invlpg, invlpg(page))
DO(pushf, pushf())
DO(popf, popf(2))

static void timed(const char *name, void (*fn)(void), uint32_t n)
{
	static uint32_t s[256];
	uint32_t k = 0;

	for (uint32_t i = 0; i < n && k < ARRAY_LEN(s); i++) {
		truth_add(RDTSC, 2);
		uint32_t t0 = raw_tsc32();
		fn();
		s[k++] = raw_tsc32() - t0;
	}
	printf("%s-cycles %u\n", name, median(s, k));
}

static volatile uint32_t came;

static void arrived(struct trap_frame *f)
{
	(void)f;
	came = 1;
}

/* Interrupts are open; POPF closes them; one is raised. It must not come. */
static void popf_fails(void)
{
	sti();
	popf(2);
	irq_raise(arrived);
	for (volatile uint32_t i = 0; i < 10000 && !came; i++)
		;
	printf("popf-closed %u\n", !came);
	cli();
	pic_mask(0xffff);
}

int guest_main(void)
{
	uint32_t n = hal_number("n", 100);

	printf("cr3-before 0xdeadbeef\ncr3-after 0x%08x\ncr3-right 0x%08x\n", one(), (uint32_t)page_dir);
	if (hal_flag("once"))
		return 0;
	timed("nothing", do_nothing, n);
	timed("cli", do_cli, n);
	timed("in", do_in, n);
	timed("mov-from-cr0", do_read_cr0, n);
	timed("mov-to-cr0", do_write_cr0, n);
	timed("mov-to-cr3", do_write_cr3, n);
	timed("invlpg", do_invlpg, n);
	timed("pushf", do_pushf, n);
	timed("popf", do_popf, n);
	popf_fails();
	return 0;
}
