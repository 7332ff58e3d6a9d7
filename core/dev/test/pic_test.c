/* The 8259A pair, as its data sheet has it. */
#include <criterion/criterion.h>
#include "rig.h"

static struct rig *r;

static void setup(void)
{
	r = rig_new();
	rig_pic_init(r);
}

static void teardown(void)
{
	rig_free(r);
}

TestSuite(pic, .init = setup, .fini = teardown);

static void pulse(unsigned line)
{
	rig_line(r, line, false);
	rig_line(r, line, true);
}

Test(pic, nothing_is_pending_after_initialisation)
{
	cr_assert_eq(rig_ack(r), -1);
	cr_assert_eq(rig_in(r, 0x21), 0);
}

Test(pic, an_edge_gives_one_interrupt)
{
	pulse(4);
	cr_assert_eq(rig_in(r, 0x20), 0x10, "IRR");
	cr_assert_eq(rig_ack(r), 0x24);
	cr_assert_eq(rig_in(r, 0x20), 0, "an acknowledged edge leaves IRR");
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), -1, "the line is still high, but there was no new edge");
	pulse(4);
	cr_assert_eq(rig_ack(r), 0x24);
}

Test(pic, lower_numbers_go_first_and_block_higher_ones)
{
	pulse(5);
	pulse(3);
	cr_assert_eq(rig_ack(r), 0x23);
	cr_assert_eq(rig_ack(r), -1, "5 waits for the EOI of 3");
	pulse(1);
	cr_assert_eq(rig_ack(r), 0x21, "1 interrupts the service of 3");
	rig_out(r, 0x20, 0x0b); /* read ISR */
	cr_assert_eq(rig_in(r, 0x20), 0x0a);
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_in(r, 0x20), 0x08, "a non-specific EOI ends the highest");
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), 0x25);
}

Test(pic, specific_eoi_ends_what_it_names)
{
	pulse(3);
	rig_ack(r);
	pulse(1);
	rig_ack(r);
	rig_out(r, 0x20, 0x63);
	rig_out(r, 0x20, 0x0b);
	cr_assert_eq(rig_in(r, 0x20), 0x02);
}

Test(pic, masks_hold_back_but_do_not_forget)
{
	rig_out(r, 0x21, 0x10);
	pulse(4);
	cr_assert_eq(rig_ack(r), -1);
	r->vm.vcpu.attention = 0;
	rig_out(r, 0x21, 0x00);
	cr_assert(r->vm.vcpu.attention, "unmasking a waiting request tells the vCPU");
	cr_assert_eq(rig_ack(r), 0x24);
}

Test(pic, the_slave_comes_through_input_two)
{
	pulse(12);
	cr_assert_eq(rig_in(r, 0x20), 0x04);
	cr_assert_eq(rig_in(r, 0xa0), 0x10);
	pulse(3);
	cr_assert_eq(rig_ack(r), 0x2c, "8 to 15 rank where 2 does");
	cr_assert_eq(rig_ack(r), -1, "3 waits");
	rig_out(r, 0xa0, 0x20);
	cr_assert_eq(rig_ack(r), -1, "the master still serves 2");
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), 0x23);
}

Test(pic, two_slave_requests_are_both_served)
{
	pulse(9);
	pulse(14);
	cr_assert_eq(rig_ack(r), 0x29);
	cr_assert_eq(rig_ack(r), -1);
	rig_out(r, 0xa0, 0x20);
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), 0x2e);
	rig_out(r, 0xa0, 0x20);
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), -1);
}

Test(pic, a_better_slave_request_needs_special_fully_nested_mode)
{
	pulse(14);
	rig_ack(r);
	pulse(8);
	cr_assert_eq(rig_ack(r), -1, "input 2 is in service at the master");
	rig_pic_init(r);
	rig_out(r, 0x20, 0x11);
	rig_out(r, 0x21, 0x20);
	rig_out(r, 0x21, 0x04);
	rig_out(r, 0x21, 0x11); /* SFNM */
	pulse(14);
	cr_assert_eq(rig_ack(r), 0x2e);
	pulse(8);
	cr_assert_eq(rig_ack(r), 0x28);
}

Test(pic, a_request_that_goes_away_is_spurious)
{
	pulse(4);
	rig_line(r, 4, false);
	cr_assert_eq(rig_ack(r), -1);
	cr_assert_eq(rig_ack_anyway(r), 0x27);
	rig_out(r, 0x20, 0x0b);
	cr_assert_eq(rig_in(r, 0x20), 0, "a spurious interrupt is not in service");
}

Test(pic, a_slave_request_that_goes_away_takes_the_masters_with_it)
{
	pulse(10);
	rig_out(r, 0xa1, 0xff);
	cr_assert_eq(rig_ack(r), -1, "masked at the slave");
	rig_out(r, 0xa1, 0x00);
	rig_line(r, 10, false);
	cr_assert_eq(rig_ack(r), -1);
	cr_assert_eq(rig_ack_anyway(r), 0x27);
	rig_out(r, 0x20, 0x0c);
	cr_assert_eq(rig_in(r, 0x20), 0, "nor does a poll find it");
}

Test(pic, a_slave_with_nothing_to_say_leaves_the_master_occupied)
{
	/* Polling the master takes input 2 into service; then the slave's own request is withdrawn. */
	pulse(10);
	rig_out(r, 0x20, 0x0c);
	cr_assert_eq(rig_in(r, 0x20), 0x82);
	rig_line(r, 10, false);
	rig_out(r, 0xa0, 0x0c);
	cr_assert_eq(rig_in(r, 0xa0), 0);
	rig_out(r, 0x20, 0x0b);
	cr_assert_eq(rig_in(r, 0x20), 0x04);
}

Test(pic, level_triggered_inputs_ask_again)
{
	rig_out(r, 0x4d1, 0x08); /* 11 */
	cr_assert_eq(rig_in(r, 0x4d1), 0x08);
	rig_line(r, 11, true);
	cr_assert_eq(rig_ack(r), 0x2b);
	rig_out(r, 0xa0, 0x20);
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), 0x2b, "the line is still high");
	rig_line(r, 11, false);
	rig_out(r, 0xa0, 0x20);
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), -1);
}

Test(pic, the_timer_keyboard_cascade_and_clock_stay_edge_triggered)
{
	bus_port_out(&r->vm.bus, 0x4d0, 2, 0xffff);
	cr_assert_eq(bus_port_in(&r->vm.bus, 0x4d0, 2), 0xdef8u);
}

Test(pic, automatic_eoi)
{
	rig_out(r, 0x20, 0x11);
	rig_out(r, 0x21, 0x20);
	rig_out(r, 0x21, 0x04);
	rig_out(r, 0x21, 0x03);
	pulse(3);
	cr_assert_eq(rig_ack(r), 0x23);
	pulse(5);
	cr_assert_eq(rig_ack(r), 0x25, "nothing is left in service");
}

Test(pic, rotation)
{
	pulse(3);
	rig_ack(r);
	rig_out(r, 0x20, 0xa0); /* rotate on non-specific EOI: 3 becomes the lowest */
	pulse(3);
	pulse(4);
	pulse(2); /* ignored: the cascade is no ISA line */
	pulse(1);
	cr_assert_eq(rig_ack(r), 0x24);
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), 0x21);
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), 0x23);
	rig_out(r, 0x20, 0x20);
	rig_out(r, 0x20, 0xc0); /* set priority: 0 is the lowest */
	pulse(0);
	pulse(7);
	cr_assert_eq(rig_ack(r), 0x27);
}

Test(pic, special_mask_mode_lets_lower_ones_through)
{
	pulse(1);
	rig_ack(r);
	pulse(5);
	cr_assert_eq(rig_ack(r), -1);
	rig_out(r, 0x21, 0x02);
	cr_assert_eq(rig_ack(r), -1, "a mask alone does not unblock");
	rig_out(r, 0x20, 0x68);
	cr_assert_eq(rig_ack(r), 0x25);
	rig_out(r, 0x20, 0x20);
	rig_out(r, 0x20, 0x0b);
	cr_assert_eq(rig_in(r, 0x20), 0x02, "a non-specific EOI passes over the masked one");
}

Test(pic, poll_takes_the_place_of_an_acknowledge)
{
	rig_out(r, 0x20, 0x0c);
	cr_assert_eq(rig_in(r, 0x20), 0);
	pulse(6);
	rig_out(r, 0x20, 0x0c);
	cr_assert_eq(rig_in(r, 0x20), 0x86);
	cr_assert_eq(rig_ack(r), -1);
	rig_out(r, 0x20, 0x0b);
	cr_assert_eq(rig_in(r, 0x20), 0x40);
	pulse(13);
	rig_out(r, 0x20, 0x0c);
	cr_assert_eq(rig_in(r, 0x20), 0x82);
	rig_out(r, 0xa0, 0x0c);
	cr_assert_eq(rig_in(r, 0xa0), 0x85);
}

Test(pic, icw1_clears_masks_edges_and_service)
{
	rig_out(r, 0x21, 0xff);
	pulse(3);
	pulse(0);
	rig_pic_init(r);
	cr_assert_eq(rig_in(r, 0x21), 0);
	cr_assert_eq(rig_ack(r), -1, "an edge before ICW1 does not count");
}

Test(pic, without_initialisation_all_is_masked)
{
	struct rig *fresh = rig_new();

	rig_line(fresh, 4, true);
	cr_assert_eq(rig_ack(fresh), -1);
	rig_free(fresh);
}

Test(pic, a_slave_in_automatic_eoi_mode_serves_all_it_has)
{
	rig_out(r, 0xa0, 0x11);
	rig_out(r, 0xa1, 0x28);
	rig_out(r, 0xa1, 0x02);
	rig_out(r, 0xa1, 0x03);
	pulse(9);
	pulse(12);
	cr_assert_eq(rig_ack(r), 0x29);
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), 0x2c, "its INT fell during INTA, so the master saw a second edge");
	rig_out(r, 0x20, 0x20);
	cr_assert_eq(rig_ack(r), -1);
}

Test(pic, rotation_in_automatic_eoi_mode)
{
	rig_out(r, 0x20, 0x11);
	rig_out(r, 0x21, 0x20);
	rig_out(r, 0x21, 0x04);
	rig_out(r, 0x21, 0x03);
	rig_out(r, 0x20, 0x80);
	pulse(3);
	cr_assert_eq(rig_ack(r), 0x23);
	pulse(3);
	pulse(4);
	cr_assert_eq(rig_ack(r), 0x24, "3 has just been served, and is the lowest");
	cr_assert_eq(rig_ack(r), 0x23);
}
