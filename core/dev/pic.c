/*
 * pic.c - the pair of 8259A interrupt controllers of a PC, with the ELCR of later chip sets.
 *
 * Sources: Intel 8259A datasheet (order number 231468), and the 82371AB datasheet for ports 0x4d0 and 0x4d1. Devices
 * reach it through irq_set (core/irq.c), which calls pic_set_line; the run loop takes a vector by pic_ack.
 *
 * As on the chip, a request that goes away before it is acknowledged is gone, in edge mode too; an INTA cycle that
 * then finds nothing yields IR7 of the chip asked, without an in-service bit: the spurious interrupt.
 * Left out: MCS-80 mode (ICW4.uPM = 0 behaves as 8086 mode) and ICW1.LTIM, which the ELCR replaces.
 */
#include <errno.h>
#include <stdlib.h>
#include "core/vm.h"
#include "dev/machine.h"

struct pic_chip {
	struct pic *pic;
	uint8_t line;      /* input levels, one bit each */
	uint8_t irr, isr, imr;
	uint8_t elcr;      /* set: level-triggered */
	uint8_t elcr_able; /* the bits of elcr that can be set */
	uint8_t base;      /* ICW2: vector of IR0 */
	uint8_t lowest;    /* the input that has the lowest priority now */
	uint8_t icw;       /* the next initialisation word to come at A0=1: 2, 3, 4; 0 when ready */
	bool icw3, icw4;   /* those words will come */
	bool auto_eoi, rotate_aeoi, fully_nested; /* ICW4.AEOI, OCW2 rotate in AEOI mode, ICW4.SFNM */
	bool special_mask, read_isr, poll;        /* OCW3 */
};

enum { MASTER, SLAVE };
#define CASCADE 2 /* the master's input that the slave's output drives */

struct pic {
	struct vm *vm;
	struct pic_chip chip[2];
};

/* The bit of highest priority in set, or -1. */
static int chip_first(const struct pic_chip *c, uint8_t set)
{
	unsigned top = (c->lowest + 1) & 7;
	uint8_t turned = set >> top | set << (8 - top);

	return set ? (int)((__builtin_ctz(turned) + top) & 7) : -1;
}

static unsigned chip_rank(const struct pic_chip *c, int irq)
{
	return (irq - c->lowest - 1) & 7;
}

/* The input that INT is raised for, or -1: unmasked, and of higher priority than all that are in service. */
static int chip_request(const struct pic_chip *c)
{
	uint8_t blocking = c->isr;
	int want = chip_first(c, c->irr & ~c->imr), busy;

	if (want < 0)
		return -1;
	if (c->special_mask)
		blocking &= ~c->imr;
	if (c->fully_nested && c == &c->pic->chip[MASTER])
		blocking &= ~(1u << CASCADE);
	busy = chip_first(c, blocking);
	return busy < 0 || chip_rank(c, want) < chip_rank(c, busy) ? want : -1;
}

static void chip_set_line(struct pic_chip *c, unsigned n, bool level)
{
	uint8_t bit = 1u << n;

	if (!level)
		c->irr &= ~bit;
	else if ((c->elcr & bit) || !(c->line & bit))
		c->irr |= bit;
	c->line = level ? c->line | bit : c->line & ~bit;
}

/* The slave's INT is the master's IR2. */
static void pic_cascade(struct pic *p)
{
	chip_set_line(&p->chip[MASTER], CASCADE, chip_request(&p->chip[SLAVE]) >= 0);
}

void pic_set_line(struct pic *p, unsigned line, bool level)
{
	if (line == CASCADE || line > 15)
		return;
	chip_set_line(&p->chip[line >> 3], line & 7, level);
	if (line >= 8)
		pic_cascade(p);
}

bool pic_output(const struct pic *p)
{
	return chip_request(&p->chip[MASTER]) >= 0;
}

/* One chip's part of an INTA cycle: the input it answers with. *real is false for a spurious one. */
static unsigned chip_ack(struct pic_chip *c, bool *real)
{
	int n = chip_request(c);

	*real = n >= 0;
	if (n < 0)
		return 7;
	if (!(c->elcr & 1u << n))
		c->irr &= ~(1u << n);
	if (!c->auto_eoi)
		c->isr |= 1u << n;
	else if (c->rotate_aeoi)
		c->lowest = n;
	return n;
}

int pic_ack(struct pic *p)
{
	struct pic_chip *master = &p->chip[MASTER], *slave = &p->chip[SLAVE];
	bool real;
	unsigned n = chip_ack(master, &real);

	if (!real || n != CASCADE)
		return master->base + n;
	n = chip_ack(slave, &real);
	/* INT of a chip drops during INTA: what is still pending there is a new edge for the master. */
	chip_set_line(master, CASCADE, false);
	pic_cascade(p);
	return slave->base + n;
}

static void chip_icw1(struct pic_chip *c, uint8_t v)
{
	c->irr = c->line & c->elcr;
	c->isr = c->imr = 0;
	c->lowest = 7;
	c->auto_eoi = c->rotate_aeoi = c->fully_nested = false;
	c->special_mask = c->read_isr = c->poll = false;
	c->icw = 2;
	c->icw3 = !(v & 0x02); /* SNGL */
	c->icw4 = v & 0x01;
}

static void chip_icw_next(struct pic_chip *c, uint8_t v)
{
	switch (c->icw) {
	case 2:
		c->base = v & 0xf8;
		c->icw = c->icw3 ? 3 : c->icw4 ? 4 : 0;
		break;
	case 3: /* the wiring of the cascade is fixed in a PC */
		c->icw = c->icw4 ? 4 : 0;
		break;
	default:
		c->auto_eoi = v & 0x02;
		c->fully_nested = v & 0x10;
		c->icw = 0;
	}
}

/* OCW2: bits 7..5 are R, SL, EOI. */
static void chip_ocw2(struct pic_chip *c, uint8_t v)
{
	unsigned op = v >> 5;
	int n = v & 7;

	if (op == 1 || op == 5) /* non-specific: what is in service at the highest priority, masked ones apart in SMM */
		n = chip_first(c, c->special_mask ? c->isr & ~c->imr : c->isr);
	if (op == 0 || op == 4) {
		c->rotate_aeoi = op == 4;
		return;
	}
	if (n < 0)
		return;
	if (op & 1)
		c->isr &= ~(1u << n);
	if (op >= 5)
		c->lowest = n;
}

static void chip_ocw3(struct pic_chip *c, uint8_t v)
{
	if (v & 0x40)
		c->special_mask = v & 0x20;
	if (v & 0x04)
		c->poll = true;
	else if (v & 0x02)
		c->read_isr = v & 0x01;
}

static uint8_t chip_read(struct pic_chip *c, bool a0)
{
	bool real;
	unsigned n;

	if (c->poll) { /* the read takes the place of the INTA cycle */
		c->poll = false;
		n = chip_ack(c, &real);
		if (c == &c->pic->chip[SLAVE])
			pic_cascade(c->pic);
		return real ? 0x80 | n : 0;
	}
	return a0 ? c->imr : c->read_isr ? c->isr : c->irr;
}

static void chip_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct pic_chip *c = dev;
	uint8_t v = *data;

	if (size > 1) {
		dev_split(chip_io, dev, addr, size, write, data);
		return;
	}
	if (addr > 1)
		return;
	if (!write) {
		*data = chip_read(c, addr);
		return;
	}
	if (addr && c->icw)
		chip_icw_next(c, v);
	else if (addr)
		c->imr = v;
	else if (v & 0x10)
		chip_icw1(c, v);
	else if (v & 0x08)
		chip_ocw3(c, v);
	else
		chip_ocw2(c, v);
	pic_cascade(c->pic);
	/* An EOI or an unmasking may let a waiting request through, with no line having moved. */
	if (pic_output(c->pic))
		c->pic->vm->vcpu.attention = 1;
}

static void elcr_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct pic *p = dev;
	struct pic_chip *c;

	if (size > 1) {
		dev_split(elcr_io, dev, addr, size, write, data);
		return;
	}
	if (addr > 1)
		return;
	c = &p->chip[addr];
	if (!write) {
		*data = c->elcr;
		return;
	}
	c->elcr = *data & c->elcr_able;
	c->irr |= c->line & c->elcr;
	pic_cascade(p);
	if (pic_output(p))
		p->vm->vcpu.attention = 1;
}

int pic_create(struct vm *vm)
{
	struct pic *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	vm->dev->pic = p;
	p->vm = vm;
	/* As firmware leaves them: everything masked. 0, 1, 2, 8 and 13 are edge-triggered by wiring. */
	for (unsigned i = 0; i < 2; i++)
		p->chip[i] = (struct pic_chip){ .pic = p, .imr = 0xff, .lowest = 7, .base = i ? 0x70 : 0x08,
			.elcr_able = i ? 0xde : 0xf8 };
	err = bus_add_port(&vm->bus, "pic", 0x20, 2, chip_io, &p->chip[MASTER]);
	if (!err)
		err = bus_add_port(&vm->bus, "pic", 0xa0, 2, chip_io, &p->chip[SLAVE]);
	if (!err)
		err = bus_add_port(&vm->bus, "elcr", 0x4d0, 2, elcr_io, p);
	if (err)
		pic_destroy(vm);
	return err;
}

void pic_destroy(struct vm *vm)
{
	free(vm->dev->pic);
	vm->dev->pic = NULL;
}
