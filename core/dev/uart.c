/*
 * uart.c - a 16550A serial port as COM1 (0x3f8, IRQ 4): the guest's console.
 *
 * Source: National Semiconductor PC16550D datasheet; section numbers below are its. The line is infinitely fast one
 * way: a byte written is sent at once (console.c buffers it), so THRE and TEMT are always set. Bytes received wait at
 * the descriptor until the FIFO has room, so nothing overruns. As on a PC, OUT2 gates the interrupt line.
 * Guests poll LSR in a loop and backends count cycles on it: that read is first in uart_io, and touches one byte.
 */
#include <errno.h>
#include <stdlib.h>
#include "core/console.h"
#include "core/irq.h"
#include "core/vm.h"
#include "dev/machine.h"

#define UART_IRQ 4
#define FIFO 16
#define POLL_NS 100000 /* one character takes 87 us at 115,200 baud */

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };
enum { IER_RX = 1, IER_THRE = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_NONE = 1, IIR_MODEM = 0, IIR_THRE = 2, IIR_RX = 4, IIR_LINE = 6, IIR_TIMEOUT = 12 };
enum { LSR_DR = 1, LSR_OE = 2, LSR_ERRORS = 0x1e, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
enum { MCR_OUT2 = 8, MCR_LOOP = 0x10 };
enum { LCR_DLAB = 0x80 };

struct uart {
	struct vm *vm;
	uint8_t lsr, ier, lcr, mcr, msr, scr, fcr;
	uint16_t divisor;
	bool thre_pending; /* the THRE interrupt has a cause that no read of IIR has taken yet */
	bool rx_timeout;   /* bytes below the trigger level have waited for four character times */
	bool line;         /* what IRQ 4 was last told */
	uint8_t rx[FIFO];
	uint8_t rx_head, rx_n;
	uint8_t idle_reads;   /* of LSR, with nothing to receive */
	bool touched;         /* by the guest: until then, input is for another console */
	uint64_t next_poll;   /* ns: the run loop's calls before then do not look at the descriptor */
	struct clock_timer timer;
};

static unsigned rx_capacity(const struct uart *u)
{
	return u->fcr & 1 ? FIFO : 1;
}

static unsigned rx_trigger(const struct uart *u)
{
	static const uint8_t level[4] = { 1, 4, 8, 14 };

	return u->fcr & 1 ? level[u->fcr >> 6] : 1;
}

/* 8.6: the cause of highest priority, as IIR's low bits. */
static uint8_t uart_cause(const struct uart *u)
{
	if ((u->ier & IER_LINE) && (u->lsr & LSR_ERRORS))
		return IIR_LINE;
	if ((u->ier & IER_RX) && u->rx_n >= rx_trigger(u))
		return IIR_RX;
	if ((u->ier & IER_RX) && u->rx_timeout)
		return IIR_TIMEOUT;
	if ((u->ier & IER_THRE) && u->thre_pending)
		return IIR_THRE;
	if ((u->ier & IER_MODEM) && (u->msr & 0x0f))
		return IIR_MODEM;
	return IIR_NONE;
}

static void uart_update(struct uart *u)
{
	bool level = uart_cause(u) != IIR_NONE && (u->mcr & MCR_OUT2);

	if (level == u->line)
		return;
	u->line = level;
	irq_set(u->vm, UART_IRQ, level);
}

/* 8.4: a character time-out interrupt comes after four character times without a byte in or out. */
static void rx_restart_timeout(struct uart *u)
{
	bool wanted = (u->fcr & 1) && (u->ier & IER_RX) && u->rx_n && u->rx_n < rx_trigger(u);
	unsigned bits = 1 + 5 + (u->lcr & 3) + 1 + (u->lcr >> 2 & 1) + (u->lcr >> 3 & 1);
	uint64_t character_ns = 1000000000ull * bits * (u->divisor ? u->divisor : 1) / 115200;

	u->rx_timeout = false;
	if (wanted || u->timer.registered)
		clock_arm(&u->vm->clock, &u->timer, wanted ? clock_now(&u->vm->clock) + 4 * character_ns : CLOCK_NEVER);
}

static void rx_timeout_fire(void *ctx)
{
	struct uart *u = ctx;

	u->rx_timeout = u->rx_n > 0;
	uart_update(u);
}

static void rx_put(struct uart *u, uint8_t v)
{
	if (u->rx_n == rx_capacity(u)) {
		u->lsr |= LSR_OE; /* possible in loopback only */
		if (!(u->fcr & 1))
			u->rx[u->rx_head] = v;
	} else {
		u->rx[(u->rx_head + u->rx_n++) % FIFO] = v;
	}
	u->lsr |= LSR_DR;
	rx_restart_timeout(u);
}

static uint8_t rx_get(struct uart *u)
{
	uint8_t v = u->rx[u->rx_head];

	if (!u->rx_n)
		return 0;
	u->rx_head = (u->rx_head + 1) % FIFO;
	if (!--u->rx_n)
		u->lsr &= ~LSR_DR;
	rx_restart_timeout(u);
	uart_update(u);
	return v;
}

static void rx_clear(struct uart *u)
{
	u->rx_n = 0;
	u->lsr &= ~LSR_DR;
	rx_restart_timeout(u);
}

static void uart_transmit(struct uart *u, uint8_t v)
{
	if (u->mcr & MCR_LOOP)
		rx_put(u, v);
	else
		console_write(u->vm, &v, 1);
	/* The register was full for no time at all; the cause falls and rises, which the PIC must see as an edge. */
	u->thre_pending = false;
	if ((u->ier & IER_THRE) || (u->mcr & MCR_LOOP))
		uart_update(u);
	u->thre_pending = true;
	if (u->ier & IER_THRE)
		uart_update(u);
}

/* 8.8: in loopback the four outputs feed the four inputs; otherwise a peer is always there and ready. */
static void modem_update(struct uart *u)
{
	uint8_t m = u->mcr, now = 0xb0 /* DCD, DSR, CTS */, old = u->msr & 0xf0, changed;

	if (m & MCR_LOOP)
		now = (m & 2) << 3 | (m & 1) << 5 | (m & 4) << 4 | (m & 8) << 4;
	changed = (now ^ old) >> 4;
	if ((changed & 4) && !(old & 0x40))
		changed &= ~4; /* TERI: only the trailing edge of RI counts */
	u->msr = now | (u->msr & 0x0f) | changed;
}

static void fcr_write(struct uart *u, uint8_t v)
{
	if (((v ^ u->fcr) & 1) || ((v & 1) && (v & 2)))
		rx_clear(u);
	u->fcr = v & 1 ? v & 0xc9 : 0;
	rx_restart_timeout(u);
}

static void uart_write(struct uart *u, unsigned reg, uint8_t v)
{
	uint8_t old;

	switch (reg) {
	case RBR_THR:
		if (u->lcr & LCR_DLAB)
			u->divisor = (u->divisor & 0xff00) | v;
		else
			uart_transmit(u, v);
		return;
	case IER:
		if (u->lcr & LCR_DLAB) {
			u->divisor = (u->divisor & 0xff) | v << 8;
			return;
		}
		old = u->ier;
		u->ier = v & 0x0f;
		if (v & ~old & IER_THRE)
			u->thre_pending = true; /* enabling it while THR is empty is a cause */
		rx_restart_timeout(u);
		break;
	case IIR_FCR:
		fcr_write(u, v);
		break;
	case LCR:
		u->lcr = v;
		return;
	case MCR:
		u->mcr = v & 0x1f;
		modem_update(u);
		break;
	case SCR:
		u->scr = v;
		return;
	default: /* LSR and MSR are written by factory tests only */
		return;
	}
	uart_update(u);
}

static uint8_t uart_read(struct uart *u, unsigned reg)
{
	uint8_t v;

	switch (reg) {
	case RBR_THR:
		return u->lcr & LCR_DLAB ? u->divisor & 0xff : rx_get(u);
	case IER:
		return u->lcr & LCR_DLAB ? u->divisor >> 8 : u->ier;
	case IIR_FCR:
		v = uart_cause(u);
		if (v == IIR_THRE) {
			u->thre_pending = false;
			uart_update(u);
		}
		return v | (u->fcr & 1 ? 0xc0 : 0);
	case LCR:
		return u->lcr;
	case MCR:
		return u->mcr;
	case LSR:
		v = u->lsr;
		u->lsr &= ~LSR_ERRORS;
		uart_update(u);
		return v;
	case MSR:
		v = u->msr;
		u->msr &= 0xf0;
		uart_update(u);
		return v;
	default:
		return u->scr;
	}
}

/* Takes what the input has and the FIFO has room for. */
static void uart_take_input(struct uart *u)
{
	uint8_t buf[FIFO];
	size_t n, room = rx_capacity(u) > u->rx_n ? rx_capacity(u) - u->rx_n : 0;

	if (!room || (u->mcr & MCR_LOOP) || !console_input_open(u->vm))
		return;
	n = console_read(u->vm, buf, room);
	for (size_t i = 0; i < n; i++)
		rx_put(u, buf[i]);
	if (n)
		uart_update(u);
}

/* Input is the virtio console's where that has buffers and the guest does not wait for our interrupt. */
static bool virtio_listens(const struct uart *u)
{
	return !(u->ier & IER_RX) && virtio_console_listens(u->vm);
}

/* A guest that polls LSR may never leave its backend: look at the input every 256 reads that found none. */
static uint8_t uart_poll_lsr(struct uart *u)
{
	if (!(u->lsr & LSR_DR) && ++u->idle_reads == 0 && !virtio_listens(u))
		uart_take_input(u);
	u->touched = true;
	return u->lsr;
}

static void uart_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct uart *u = dev;

	if (size != 1)
		dev_split(uart_io, dev, addr, size, write, data);
	else if (!write && addr == LSR && !(u->lsr & LSR_ERRORS))
		*data = uart_poll_lsr(u);
	else if (addr > 7)
		return;
	else if (u->touched = true, write)
		uart_write(u, addr, *data);
	else
		*data = uart_read(u, addr);
}

/* Called at every exit to the run loop, which for hardware is every I/O: a system call each time would show. */
void uart_poll_input(struct vm *vm)
{
	struct uart *u = vm->dev->uart;
	uint64_t now = 0;

	if (!console_input_open(vm) || ((now = clock_now(&vm->clock)) < u->next_poll && !console_input_waits(vm)))
		return;
	u->next_poll = now + POLL_NS;
	console_poll(vm); /* also when the guest has no room: Ctrl-A X must be seen */
	if (virtio_listens(u))
		virtio_console_take(vm);
	else if (u->touched)
		uart_take_input(u);
}

bool uart_input_wakes(const struct vm *vm)
{
	const struct uart *u = vm->dev->uart;

	if (!console_input_open(vm))
		return false;
	return virtio_listens(u) || ((u->ier & IER_RX) && (u->mcr & MCR_OUT2) && u->rx_n < rx_capacity(u));
}

void uart_flush(struct vm *vm)
{
	console_flush(vm);
}

int uart_create(struct vm *vm)
{
	struct uart *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	vm->dev->uart = u;
	*u = (struct uart){ .vm = vm, .lsr = LSR_THRE | LSR_TEMT, .msr = 0xb0, .divisor = 1 };
	u->timer = (struct clock_timer){ .deadline = CLOCK_NEVER, .fire = rx_timeout_fire, .ctx = u };
	err = bus_add_port(&vm->bus, "uart", 0x3f8, 8, uart_io, u);
	if (err)
		uart_destroy(vm);
	return err;
}

void uart_destroy(struct vm *vm)
{
	free(vm->dev->uart);
	vm->dev->uart = NULL;
}
