// SPDX-License-Identifier: GPL-2.0
/*
 * String instructions: MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS, alone and repeated. Called by
 * emulate().
 *
 * One iteration is one unit of progress: its registers are committed before the next begins, so an
 * interrupt or a fault between two finds the state that the architecture promises. INS and OUTS
 * move several items at once where memory is RAM and the direction is up; that is the same as so
 * many iterations.
 */
#include "execute.h"

/* What one iteration changes besides memory. */
struct step {
	u64 flags;
	u64 acc;	/* for LODS */
	u32 items;
	bool si, di;	/* which of the index registers move */
};

/* Index and count registers are as wide as the address. */
static u64 get_index(const struct emu_ctxt *c, u8 reg)
{
	return c->gpr[reg] & size_mask(c->insn.ad_bytes);
}

static void advance(struct emu_ctxt *c, u8 reg, s64 by)
{
	emu_set_reg(c, reg, c->insn.ad_bytes, c->gpr[reg] + (u64)by);
}

static bool is_repeated(const struct emu_ctxt *c)
{
	return c->insn.flags & (INSN_REP | INSN_REPNE);
}

static int read_source(struct emu_ctxt *c, u64 *val)
{
	return emu_read(c, c->insn.seg, get_index(c, INSN_RSI), c->insn.op_bytes, val);
}

static int read_dest(struct emu_ctxt *c, u64 *val)
{
	return emu_read(c, INSN_SEG_ES, get_index(c, INSN_RDI), c->insn.op_bytes, val);
}

static int write_dest(struct emu_ctxt *c, u64 val)
{
	return emu_write(c, INSN_SEG_ES, get_index(c, INSN_RDI), c->insn.op_bytes, val);
}

/*
 * How many items INS or OUTS moves at once, with the memory checked; 1 wherever that is not simple.
 */
static int io_items(struct emu_ctxt *c, enum insn_seg seg, u64 ea, unsigned int access, u32 *items,
		    u64 *lin)
{
	unsigned int size = c->insn.op_bytes;
	u64 n = 1, room;
	int ret;

	ret = emu_linear(c, seg, ea, size, access, lin);
	if (ret)
		return ret;
	room = PAGE_BYTES - (*lin & (PAGE_BYTES - 1));
	if (is_repeated(c) && !(c->rflags & (FLAG_DF | FLAG_TF)) && room >= 2 * size) {
		n = get_index(c, INSN_RCX);
		if (n > c->max_items)
			n = c->max_items ? c->max_items : 1;
		if (n > EMU_PIO_BYTES / size)
			n = EMU_PIO_BYTES / size;
		if (n > room / size)
			n = room / size;
		if (n > 1 && (ea + n * size - 1 > size_mask(c->insn.ad_bytes) ||
			      emu_linear(c, seg, ea, n * size, access, lin)))
			n = 1;
	}
	*items = n;
	if (room < size)
		return 0;	/* across a page: read() or write() will say */
	ret = c->ops->probe(c, *lin, n * size, access);
	if (ret == EMU_STOP)
		*items = 1;
	return ret < 0 ? ret : 0;
}

static int io_permitted(struct emu_ctxt *c)
{
	if (c->insn.op < INSN_INS || c->prot == EMU_REAL)
		return 0;
	if (c->prot == EMU_PROTECTED && c->cpl <= (c->rflags >> FLAG_IOPL_SHIFT & 3))
		return 0;
	return c->ops->io_allowed(c, c->gpr[INSN_RDX], c->insn.op_bytes);
}

static int step_io(struct emu_ctxt *c, struct step *s)
{
	u8 buf[EMU_PIO_BYTES];
	u16 port = c->gpr[INSN_RDX];
	unsigned int size = c->insn.op_bytes;
	u64 lin;
	int ret;

	if (c->insn.op == INSN_INS) {
		s->di = true;
		ret = io_items(c, INSN_SEG_ES, get_index(c, INSN_RDI), EMU_WRITE, &s->items, &lin);
		if (!ret)
			ret = c->ops->pio_in(c, port, size, s->items, buf);
		if (!ret)
			ret = c->ops->write(c, lin, buf, s->items * size, EMU_WRITE);
	} else {
		s->si = true;
		ret = io_items(c, c->insn.seg, get_index(c, INSN_RSI), EMU_READ, &s->items, &lin);
		if (!ret)
			ret = c->ops->read(c, lin, buf, s->items * size, EMU_READ);
		if (!ret)
			ret = c->ops->pio_out(c, port, size, s->items, buf);
	}
	return ret;
}

/* Do one iteration up to, but without, the change of registers. */
static int step_string(struct emu_ctxt *c, struct step *s)
{
	unsigned int size = c->insn.op_bytes;
	u64 a, b;
	int ret;

	switch (c->insn.op) {
	case INSN_MOVS:
		s->si = s->di = true;
		ret = read_source(c, &a);
		return ret ? ret : write_dest(c, a);
	case INSN_STOS:
		s->di = true;
		return write_dest(c, c->gpr[INSN_RAX]);
	case INSN_LODS:
		s->si = true;
		return read_source(c, &s->acc);
	case INSN_CMPS:
		s->si = s->di = true;
		/* When both would fault, the CPU reports the destination. */
		ret = read_dest(c, &b);
		if (!ret)
			ret = read_source(c, &a);
		if (!ret)
			s->flags = emu_flags_sub(c->rflags, a, b, size);
		return ret;
	case INSN_SCAS:
		s->di = true;
		ret = read_dest(c, &b);
		if (!ret)
			s->flags =
				emu_flags_sub(c->rflags, emu_get_reg(c, INSN_RAX, size), b, size);
		return ret;
	default:
		return step_io(c, s);
	}
}

static void commit_step(struct emu_ctxt *c, const struct step *s)
{
	s64 by = (s64)s->items * c->insn.op_bytes;

	if (c->rflags & FLAG_DF)
		by = -by;
	if (c->insn.op == INSN_LODS)
		emu_set_reg(c, INSN_RAX, c->insn.op_bytes, s->acc);
	if (s->si)
		advance(c, INSN_RSI, by);
	if (s->di)
		advance(c, INSN_RDI, by);
	if (is_repeated(c))
		advance(c, INSN_RCX, -(s64)s->items);
	c->rflags = s->flags;
	c->iterations += s->items;
}

/* Does the repetition end here? CMPS and SCAS also look at ZF, with the sense in the prefix. */
static bool is_last(const struct emu_ctxt *c)
{
	if (!is_repeated(c) || !get_index(c, INSN_RCX))
		return true;
	if (c->insn.op != INSN_CMPS && c->insn.op != INSN_SCAS)
		return false;
	return !(c->rflags & FLAG_ZF) == !!(c->insn.flags & INSN_REP);
}

int emu_string(struct emu_ctxt *c)
{
	u64 flags = c->rflags;
	/* The right to use the port is checked even when the count is 0. */
	int ret = io_permitted(c);

	if (ret || (is_repeated(c) && !get_index(c, INSN_RCX)))
		return ret;
	for (;;) {
		struct step s = { .flags = c->rflags, .items = 1 };

		ret = step_string(c, &s);
		if (ret < 0) {
			/* A fault takes back what earlier comparisons did to the flags. */
			c->rflags = flags;
			return ret;
		}
		commit_step(c, &s);
		if (is_last(c))
			return 0;
		if (ret == EMU_STOP || c->rflags & FLAG_TF || c->iterations >= c->max_iterations)
			return EMU_CONTINUE;
	}
}
