/* Routing: who is asked, with which offset, and what an unclaimed access reads. */
#include <criterion/criterion.h>
#include <errno.h>
#include "core/bus.h"

struct probe {
	uint64_t addr, data;
	unsigned size, calls;
	bool write;
};

static void probe_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct probe *p = dev;

	p->addr = addr;
	p->size = size;
	p->write = write;
	p->calls++;
	if (write)
		p->data = *data;
	else
		*data = 0x1122334455667788ull;
}

Test(bus, port_access_reaches_its_device_with_an_offset)
{
	static struct bus b;
	struct probe p = { 0 };

	cr_assert_eq(bus_add_port(&b, "probe", 0x60, 4, probe_io, &p), 0);
	cr_assert_eq(bus_port_in(&b, 0x62, 2), 0x7788u);
	cr_assert(p.addr == 2 && p.size == 2 && !p.write);
	bus_port_out(&b, 0x63, 1, 0xabcd);
	cr_assert(p.addr == 3 && p.write && p.data == 0xcd);
}

Test(bus, an_access_that_only_begins_in_a_region_is_not_its_own)
{
	static struct bus b;
	struct probe p = { 0 };

	bus_add_port(&b, "probe", 0x60, 4, probe_io, &p);
	cr_assert_eq(bus_port_in(&b, 0x62, 4), 0xffffffffu);
	cr_assert_eq(p.calls, 0);
	cr_assert_eq(b.unknown, 1);
}

Test(bus, unknown_addresses_read_ones_and_are_logged_once_each)
{
	static struct bus b;

	for (int i = 0; i < 10; i++)
		cr_assert_eq(bus_port_in(&b, 0x1234, 1), 0xffu);
	cr_assert_eq(bus_mmio_read(&b, GPA(0xfee00000), 8), UINT64_MAX);
	bus_mmio_write(&b, GPA(0xfee00000), 4, 1);
	cr_assert_eq(b.unknown, 12);
	cr_assert_eq(b.unknown_n, 2);
}

Test(bus, overlaps_and_wraps_are_refused)
{
	static struct bus b;

	cr_assert_eq(bus_add_port(&b, "a", 0x100, 8, probe_io, NULL), 0);
	cr_assert_eq(bus_add_port(&b, "b", 0x107, 1, probe_io, NULL), -EEXIST);
	cr_assert_eq(bus_add_port(&b, "c", 0xffff, 2, probe_io, NULL), -EINVAL);
	cr_assert_eq(bus_add_mmio(&b, "d", GPA(UINT64_MAX), 2, probe_io, NULL), -EINVAL);
	cr_assert_eq(bus_add_port(&b, "e", 0xffff, 1, probe_io, NULL), 0);
}
