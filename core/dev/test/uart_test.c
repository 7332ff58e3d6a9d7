/* The 16550A: registers, FIFO levels, interrupt priorities, loopback; PC16550D data sheet. */
#include <criterion/criterion.h>
#include <string.h>
#include "rig.h"

#define COM1 0x3f8
enum { DATA = COM1, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static struct rig *r;

static void setup(void)
{
	r = rig_new();
	rig_pic_init(r);
	rig_out(r, MCR, 0x0b); /* DTR, RTS, OUT2 */
	rig_out(r, LCR, 0x03); /* 8n1 */
}

static void teardown(void)
{
	rig_free(r);
}

TestSuite(uart, .init = setup, .fini = teardown);

static void feed(const char *text)
{
	r->in = text;
	r->now += 100000;
	uart_poll_input(&r->vm);
}

static bool irq4(void)
{
	bool got = rig_ack(r) == 0x24;

	if (got)
		rig_out(r, 0x20, 0x20);
	return got;
}

Test(uart, output_goes_out_in_order)
{
	for (const char *p = "hello\r\n"; *p; p++) {
		cr_assert_eq(rig_in(r, LSR), 0x60);
		rig_out(r, DATA, *p);
	}
	cr_assert_eq(r->out_n, 7);
	cr_assert(!memcmp(r->out, "hello\r\n", 7));
}

Test(uart, divisor_latch_hides_data_and_ier)
{
	rig_out(r, IER, 0x05);
	rig_out(r, LCR, 0x83);
	rig_out(r, DATA, 0x0c);
	rig_out(r, IER, 0x34);
	cr_assert_eq(rig_in(r, DATA), 0x0c);
	cr_assert_eq(rig_in(r, IER), 0x34);
	rig_out(r, LCR, 0x03);
	cr_assert_eq(rig_in(r, IER), 0x05);
	cr_assert_eq(r->out_n, 0);
}

Test(uart, scratch_and_unused_bits)
{
	rig_out(r, SCR, 0xa5);
	cr_assert_eq(rig_in(r, SCR), 0xa5);
	rig_out(r, IER, 0xff);
	cr_assert_eq(rig_in(r, IER), 0x0f);
	rig_out(r, MCR, 0xff);
	cr_assert_eq(rig_in(r, MCR), 0x1f);
}

Test(uart, without_a_fifo_one_byte_waits)
{
	feed("ab");
	cr_assert_eq(rig_in(r, LSR), 0x61);
	cr_assert_eq(strlen(r->in), 1, "the second byte stays where it is");
	cr_assert_eq(rig_in(r, DATA), 'a');
	cr_assert_eq(rig_in(r, LSR), 0x60);
	uart_poll_input(&r->vm);
	cr_assert_eq(rig_in(r, LSR), 0x60, "the descriptor was looked at just now");
	r->now += 100000;
	uart_poll_input(&r->vm);
	cr_assert_eq(rig_in(r, DATA), 'b');
}

Test(uart, the_fifo_holds_sixteen)
{
	rig_out(r, IIR, 0x01);
	cr_assert_eq(rig_in(r, IIR), 0xc1);
	feed("0123456789abcdefgh");
	cr_assert_eq(strlen(r->in), 2);
	for (const char *p = "0123456789abcdef"; *p; p++) {
		cr_assert(rig_in(r, LSR) & 1);
		cr_assert_eq(rig_in(r, DATA), *p);
	}
	cr_assert_eq(rig_in(r, LSR), 0x60);
	rig_out(r, IIR, 0x00);
	cr_assert_eq(rig_in(r, IIR), 0x01);
}

Test(uart, fifo_reset_drops_what_waits)
{
	rig_out(r, IIR, 0x01);
	feed("abc");
	rig_out(r, IIR, 0x03);
	cr_assert_eq(rig_in(r, LSR), 0x60);
}

Test(uart, receive_interrupt_at_each_trigger_level)
{
	static const struct { uint8_t fcr; unsigned level; } row[] = { { 0x01, 1 }, { 0x41, 4 }, { 0x81, 8 }, { 0xc1, 14 } };
	const char *text = "0123456789abcdef";

	rig_out(r, IER, 0x01);
	for (unsigned i = 0; i < 4; i++) {
		rig_out(r, IIR, row[i].fcr | 2);
		for (unsigned n = 1; n < row[i].level; n++) {
			feed((char[]){ text[n], 0 });
			cr_assert_eq(rig_in(r, IIR), 0xc1, "level %u, %u bytes", row[i].level, n);
		}
		feed("z");
		cr_assert_eq(rig_in(r, IIR), 0xc4);
		cr_assert(irq4());
		rig_in(r, DATA);
		cr_assert_eq(rig_in(r, IIR) & 0x0f, 1, "below the level the cause is gone");
	}
}

Test(uart, a_time_out_announces_bytes_below_the_level)
{
	rig_out(r, IER, 0x01);
	rig_out(r, IIR, 0xc1);
	feed("ab");
	cr_assert(!irq4());
	rig_until(r, r->now + 5 * 86806);
	cr_assert_eq(rig_in(r, IIR), 0xcc);
	cr_assert(irq4());
	cr_assert_eq(rig_in(r, DATA), 'a');
	cr_assert_eq(rig_in(r, IIR), 0xc1, "a read restarts it");
	rig_until(r, r->now + 5 * 86806);
	cr_assert_eq(rig_in(r, IIR), 0xcc);
	cr_assert_eq(rig_in(r, DATA), 'b');
	rig_until(r, r->now + 5 * 86806);
	cr_assert_eq(rig_in(r, IIR), 0xc1);
}

Test(uart, transmitter_empty_interrupt)
{
	rig_out(r, IER, 0x02);
	cr_assert(irq4(), "enabling it with an empty register is a cause");
	cr_assert_eq(rig_in(r, IIR), 0x02);
	cr_assert_eq(rig_in(r, IIR), 0x01, "reading IIR takes it away");
	rig_out(r, DATA, 'x');
	cr_assert(irq4(), "a new edge");
	rig_out(r, DATA, 'y');
	cr_assert(irq4(), "and another, with no read of IIR between");
	cr_assert_eq(rig_in(r, IIR), 0x02);
}

Test(uart, causes_are_ranked)
{
	rig_out(r, IIR, 0x01);
	rig_out(r, IER, 0x0f);
	/* Overrun in loopback, with data and changed modem lines: all four causes at once. */
	rig_out(r, MCR, 0x18);
	for (unsigned i = 0; i < 17; i++)
		rig_out(r, DATA, i);
	cr_assert_eq(rig_in(r, IIR), 0xc6);
	cr_assert_eq(rig_in(r, LSR), 0x63);
	cr_assert_eq(rig_in(r, IIR), 0xc4);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq(rig_in(r, DATA), i);
	cr_assert_eq(rig_in(r, IIR), 0xc2);
	cr_assert_eq(rig_in(r, IIR), 0xc0);
	rig_in(r, MSR);
	cr_assert_eq(rig_in(r, IIR), 0xc1);
}

Test(uart, loopback_turns_outputs_into_inputs)
{
	rig_in(r, MSR);
	rig_out(r, MCR, 0x1a); /* as Linux probes: RTS and OUT2 */
	cr_assert_eq(rig_in(r, MSR) & 0xf0, 0x90);
	rig_out(r, MCR, 0x15);
	cr_assert_eq(rig_in(r, MSR) & 0xf0, 0x60);
	rig_out(r, MCR, 0x10);
	cr_assert_eq(rig_in(r, MSR), 0x06, "DSR fell, and so did RI: TERI");
	rig_out(r, MCR, 0x0b);
	cr_assert_eq(rig_in(r, MSR), 0xbb);
	cr_assert_eq(rig_in(r, MSR), 0xb0, "deltas are read once");
	cr_assert_eq(r->out_n, 0);
}

Test(uart, out2_gates_the_line)
{
	rig_out(r, MCR, 0x03);
	rig_out(r, IER, 0x02);
	cr_assert(!irq4());
	rig_out(r, MCR, 0x0b);
	cr_assert(irq4());
}

Test(uart, a_served_cause_leaves_no_stale_interrupt)
{
	rig_out(r, IER, 0x01);
	feed("a");
	rig_in(r, DATA);
	cr_assert(!irq4());
}

Test(uart, polling_guests_get_input_though_nobody_polls_for_them)
{
	unsigned n = 0;

	r->in = "q";
	while (!(rig_in(r, LSR) & 1) && n < 1000)
		n++;
	cr_assert_lt(n, 1000);
	cr_assert_eq(rig_in(r, DATA), 'q');
	cr_assert_leq(r->in_polls, 4);
}

Test(uart, input_wakes_only_a_guest_that_listens)
{
	r->in = "";
	cr_assert(!uart_input_wakes(&r->vm));
	rig_out(r, IER, 0x01);
	cr_assert(uart_input_wakes(&r->vm));
	feed("ab");
	cr_assert(!uart_input_wakes(&r->vm), "no room");
	r->in = NULL;
	rig_in(r, DATA);
	cr_assert(!uart_input_wakes(&r->vm));
}

Test(uart, wide_accesses_touch_consecutive_registers)
{
	bus_port_out(&r->vm.bus, SCR - 1, 2, 0x5a00);
	cr_assert_eq(rig_in(r, SCR), 0x5a);
	bus_port_out(&r->vm.bus, LCR, 2, 0x0b83);
	cr_assert_eq(rig_in(r, LCR), 0x83);
	cr_assert_eq(bus_port_in(&r->vm.bus, LCR, 2), 0x0b83u);
}
