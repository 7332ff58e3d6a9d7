/*
 * rewrite.c - a few sensitive instructions in one short function, n times: what rewriting and pre-virtualization change.
 *
 * For the demonstrations binary-rewriting and pre-virtualization. Prints what PUSHF showed after CLI and after STI, and what the
 * port returned; under classic trap-and-emulate the former is wrong. Command line: n=1000.
 * Builds: PREVIRT
 */
#include "hal.h"
#include "native.h"

struct seen {
	uint32_t closed, open, port;
};

/* One round: close interrupts, look, read a port, open, look. */
static __attribute__((noinline, used)) void demo_round(struct seen *s)
{
	uint32_t port;

	__asm__ volatile("cli\n\tpushf\n\tpop %0" : "=r"(s->closed) : : "memory");
	__asm__ volatile("inb $0x61, %b0" : "=a"(port));
	__asm__ volatile("sti\n\tpushf\n\tpop %0" : "=r"(s->open) : : "memory");
	s->port = port & 0xff;
}

int guest_main(void)
{
	uint32_t n = hal_number("n", 1000), t0, closed_lies = 0, open_lies = 0;
	struct seen s = { 0 };

	t0 = raw_tsc32();
	for (uint32_t i = 0; i < n; i++) {
		demo_round(&s);
		closed_lies += (s.closed >> 9) & 1;
		open_lies += !((s.open >> 9) & 1);
	}
	t0 = raw_tsc32() - t0;
	__asm__ volatile("cli");
	truth_add(INT_FLAG, 2 * n + 1);
	truth_add(FLAGS_IMAGE, 2 * n);
	truth_add(PORT_IN, n);
	truth_add(RDTSC, 2);
	printf("rounds %u\ncycles-a-round %u\nif-after-cli %u\nif-after-sti %u\nwrong-answers %u\n", n, t0 / (n ? n : 1), (s.closed >> 9) & 1,
		(s.open >> 9) & 1, closed_lies + open_lies);
	return 0;
}
