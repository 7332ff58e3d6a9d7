/*
 * flags.c - the interrupt flag in a long loop: CLI, STI, PUSHF, POPF, with every register and flag checked after each.
 *
 * Patched code does these with registers of the guest's put away for a moment; signals of the host come at any time. Command line: n=100000
 * rounds, timer (interrupts too). Prints OK, or what was wrong.
 */
#include "insn.h"

struct seen { uint32_t a, c, flags, sp; };

#define A0 0x11111111u
#define C0 0x22222222u
#define FLAG_ALL (FLAG_CF | FLAG_ZF | FLAG_OF | FLAG_DF | FLAG_IF)

/* Runs code with known EAX, ECX and flags (set by POPF from `image`), and looks at what is left of them. */
#define LOOK(name, code) \
	static __attribute__((noinline)) struct seen name(uint32_t image) \
	{ \
		struct seen s; \
		uint32_t before; \
		__asm__ volatile("mov %%esp, %4; push %5; popf; mov %6, %%eax; mov %7, %%ecx; " code "; pushf; pop %2; cld; sub %%esp, %4" \
			: "=&a"(s.a), "=&c"(s.c), "=&b"(s.flags), "=m"(s.sp), "=&d"(before) : "S"(image), "i"(A0), "i"(C0) : "memory", "cc"); \
		s.sp = before; \
		return s; \
	}
LOOK(look_nothing, "nop")
LOOK(look_cli, "cli")
LOOK(look_sti, "sti; nop")
LOOK(look_push, "pushf; add $4, %%esp; pushf; lea 4(%%esp), %%esp")
LOOK(look_pop, "pushf; popf")

static unsigned bad;

static void check(const char *what, struct seen s, uint32_t want, uint32_t mask)
{
	if (s.a == A0 && s.c == C0 && !s.sp && (s.flags & mask) == (want & mask))
		return;
	if (bad++ < 4)
		printf("WRONG %s eax=0x%08x ecx=0x%08x esp+%u eflags=0x%x, architecturally 0x%x\n", what, s.a, s.c, s.sp, s.flags & mask, want & mask);
}

static volatile uint32_t ticks;
static void tick(void) { ticks++; }

int guest_main(void)
{
	uint32_t n = hal_number("n", 100000);
	bool timer = hal_flag("timer");

	if (timer)
		timer_start(1000, tick);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t image = 2 | (i & 1 ? FLAG_CF : 0) | (i & 2 ? FLAG_ZF : 0) | (i & 4 ? FLAG_OF : 0) | (i & 8 ? FLAG_DF : 0) | (i & 16 ? FLAG_IF : 0);
		check("popf", look_nothing(image), image, FLAG_ALL);
		check("cli", look_cli(image), image & ~FLAG_IF, FLAG_ALL);
		check("sti", look_sti(image), image | FLAG_IF, FLAG_ALL);
		check("pushf", look_push(image), image, FLAG_IF | FLAG_DF); /* ADD has changed the others */
		check("pushf-popf", look_pop(image), image, FLAG_ALL);
		cli();
	}
	if (timer) {
		timer_stop();
		expect("ticked", ticks > 0, 1);
	}
	if (bad)
		return 1;
	return insn_end();
}
