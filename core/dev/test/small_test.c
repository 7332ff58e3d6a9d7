/* The devices of one register: debug-exit, the latches, the ways to reset. */
#include <criterion/criterion.h>
#include <string.h>
#include "rig.h"

static struct rig *r;

static void setup(void)
{
	r = rig_new();
}

static void teardown(void)
{
	rig_free(r);
}

TestSuite(small, .init = setup, .fini = teardown);

Test(small, debug_exit_of_each_size_and_port)
{
	static const uint32_t want[] = { 0x78, 0x5678, 0, 0x12345678 };

	for (unsigned size = 1; size <= 4; size *= 2)
		for (unsigned port = 0xf4; port + size <= 0xf8; port++) {
			r->vm.end = END_NONE;
			bus_port_out(&r->vm.bus, port, size, 0x12345678);
			cr_assert_eq(r->vm.end, END_EXIT);
			cr_assert_eq((uint32_t)r->vm.status, want[size - 1]);
		}
	cr_assert_eq(bus_port_in(&r->vm.bus, 0xf4, 4), 0);
}

Test(small, the_first_status_wins)
{
	bus_port_out(&r->vm.bus, 0xf4, 4, 3);
	bus_port_out(&r->vm.bus, 0xf4, 4, 0);
	cr_assert_eq(r->vm.status, 3);
}

Test(small, port_80_remembers)
{
	rig_out(r, 0x80, 0xaa);
	cr_assert_eq(rig_in(r, 0x80), 0xaa);
	bus_port_out(&r->vm.bus, 0x80, 4, 0x04030201);
	cr_assert_eq(rig_in(r, 0x82), 3);
	cr_assert_eq(bus_port_in(&r->vm.bus, 0x80, 4), 0x04030201u);
}

Test(small, resets_end_the_guest_with_a_sentence)
{
	static const struct { uint16_t port; uint8_t v; const char *name; } row[] = {
		{ 0x64, 0xfe, "0x64" }, { 0x92, 0x03, "0x92" }, { 0xcf9, 0x06, "0xcf9" } };

	for (unsigned i = 0; i < 3; i++) {
		struct rig *m = rig_new();

		rig_out(m, row[i].port, row[i].v);
		cr_assert_eq(m->vm.end, END_CRASH);
		cr_assert(strstr(m->vm.why, row[i].name));
		rig_free(m);
	}
}

Test(small, what_is_no_reset_goes_on)
{
	rig_out(r, 0x64, 0xad);
	rig_out(r, 0x64, 0xff);
	rig_out(r, 0x92, 0x02);
	cr_assert_eq(rig_in(r, 0x92), 0x02);
	rig_out(r, 0xcf9, 0x02);
	cr_assert_eq(rig_in(r, 0xcf9), 0x02);
	cr_assert_eq(r->vm.end, END_NONE);
	cr_assert_eq(rig_in(r, 0x64), 0xff);
}

Test(small, machines_come_and_go)
{
	for (unsigned i = 0; i < 100; i++)
		rig_free(rig_new());
}
