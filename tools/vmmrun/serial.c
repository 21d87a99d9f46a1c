// SPDX-License-Identifier: GPL-2.0
/*
 * serial.c - a 16550A serial port between the guest and our terminal. Teaches what a
 * device is: a few registers, and a line that interrupts. Called by vCPUs' threads with
 * the guest's accesses, and by the main thread with what was typed; one lock for all.
 */
#include <errno.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include "vmmrun.h"

#define TYPED		4096		/* a power of two */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t ier, lcr, mcr, scratch, divisor[2] = { 1, 0 };
static bool fifo;			/* switched on: what tells a 16550A from a 16450 */
static bool sent;			/* "may send" was not told yet */
static bool raised;
static uint8_t typed[TYPED];
static size_t head, tail;		/* put at head, taken at tail; they only grow */
static struct termios saved;

/* A port that nobody listens to loses nothing: what was typed is held back until then. */
static bool readable(void)
{
	return head != tail && (ier & UART_IER_RDI);
}

/* What the interrupt is about, the most urgent first. */
static uint8_t cause(void)
{
	if (readable())
		return UART_IIR_RDI;
	if (sent && (ier & UART_IER_THRI))
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void update_irq(void)
{
	bool level = cause() != UART_IIR_NO_INT;

	if (level != raised)
		vm_set_irq(SERIAL_GSI, level);
	raised = level;
}

static void send(uint8_t byte)
{
	if (!(mcr & UART_MCR_LOOP))
		while (write(STDOUT_FILENO, &byte, 1) < 0 && errno == EINTR)
			;
	sent = true;	/* at once: our terminal is faster than any line */
}

static void write_register(unsigned int reg, uint8_t value)
{
	if (reg < 2 && (lcr & UART_LCR_DLAB)) {
		divisor[reg] = value;
		return;
	}
	switch (reg) {
	case UART_TX:
		send(value);
		break;
	case UART_IER:
		sent |= (value & ~ier & UART_IER_THRI) != 0;
		ier = value & 0xf;
		break;
	case UART_FCR:
		fifo = value & UART_FCR_ENABLE_FIFO;
		break;
	case UART_LCR:
		lcr = value;
		break;
	case UART_MCR:
		mcr = value & 0x1f;
		break;
	case UART_SCR:
		scratch = value;
		break;
	}
}

static uint8_t read_register(unsigned int reg)
{
	uint8_t value;

	if (reg < 2 && (lcr & UART_LCR_DLAB))
		return divisor[reg];
	switch (reg) {
	case UART_RX:
		return readable() ? typed[tail++ % TYPED] : 0;
	case UART_IER:
		return ier;
	case UART_IIR:
		value = cause();
		if (value == UART_IIR_THRI)
			sent = false;
		return value | (fifo ? 0xc0 : 0);
	case UART_LCR:
		return lcr;
	case UART_MCR:
		return mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE | (readable() ? UART_LSR_DR : 0);
	case UART_MSR:
		/* Looped back, the outputs are the inputs; else a modem that is always there. */
		if (mcr & UART_MCR_LOOP)
			return (mcr & UART_MCR_RTS) << 3 | (mcr & UART_MCR_DTR) << 5 |
			       (mcr & (UART_MCR_OUT1 | UART_MCR_OUT2)) << 4;
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	default:
		return scratch;
	}
}

void serial_access(unsigned int reg, uint8_t *data, bool write)
{
	pthread_mutex_lock(&lock);
	if (write)
		write_register(reg, *data);
	else
		*data = read_register(reg);
	update_irq();
	pthread_mutex_unlock(&lock);
}

size_t serial_room(void)
{
	size_t room;

	pthread_mutex_lock(&lock);
	room = TYPED - (head - tail);
	pthread_mutex_unlock(&lock);
	return room;
}

/* What finds no room is lost, as on a line without flow control. */
void serial_input(const uint8_t *bytes, size_t count)
{
	pthread_mutex_lock(&lock);
	while (count-- && head - tail < TYPED)
		typed[head++ % TYPED] = *bytes++;
	update_irq();
	pthread_mutex_unlock(&lock);
}

static void terminal_restore(void)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
}

/* Each key goes to the guest as it is pressed, Ctrl-C too. */
void terminal_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved))
		return;
	raw = saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST;		/* for our own messages */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	atexit(terminal_restore);
}
