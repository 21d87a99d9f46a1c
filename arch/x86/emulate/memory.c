// SPDX-License-Identifier: GPL-2.0
/*
 * From an operand's registers to a linear address: effective address, segment base and limit,
 * canonical and alignment checks; and the instruction fetch, which goes the same way through CS.
 * What lies behind a linear address (page tables, RAM, devices) is the business of the callbacks.
 */
#include "execute.h"

/* Raise an exception of the emulator's own: its error code is 0 where it has one. */
int emu_fault(struct emu_ctxt *c, u8 vector)
{
	c->exception = (struct emu_exception){
		.vector = vector,
		.has_error = vector != VECTOR_UD && c->prot != EMU_REAL,
	};
	return -EMU_FAULT;
}

bool emu_canonical(const struct emu_ctxt *c, u64 addr)
{
	unsigned int shift = 64 - c->va_bits;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

/* Effective address of the ModRM memory operand. */
u64 emu_ea(const struct emu_ctxt *c)
{
	const struct emu_insn *insn = &c->insn;
	u64 ea = (s64)insn->disp;

	if (insn->base != INSN_NO_REG)
		ea += c->gpr[insn->base];
	if (insn->index != INSN_NO_REG)
		ea += c->gpr[insn->index] << insn->scale;
	if (insn->flags & INSN_RIP_REL)
		ea += c->rip + insn->len;
	return ea & size_mask(insn->ad_bytes);
}

static inline int segment_fault(struct emu_ctxt *c, enum insn_seg seg)
{
	return emu_fault(c, seg == INSN_SEG_SS ? VECTOR_SS : VECTOR_GP);
}

/* Segment checks of everything but 64-bit mode. */
static int linear_legacy(struct emu_ctxt *c, enum insn_seg seg, u64 ea, unsigned int size,
			 unsigned int access, u64 *lin)
{
	struct emu_segment s;
	u64 last = ea + size - 1;

	c->ops->get_seg(c, seg, &s);
	if (c->prot == EMU_PROTECTED) {
		if (s.unusable)
			return segment_fault(c, seg);
		/* Code is never writable, and not always readable. */
		if (access & EMU_WRITE ? (s.attr & (EMU_SEG_X | EMU_SEG_W)) != EMU_SEG_W :
		    (s.attr & (EMU_SEG_X | EMU_SEG_W)) == EMU_SEG_X)
			return segment_fault(c, seg);
	}
	if ((s.attr & (EMU_SEG_X | EMU_SEG_E)) == EMU_SEG_E) {
		/* Expand down: the limit is what must not be touched. */
		if (ea <= s.limit || last > (s.attr & EMU_SEG_DB ? 0xffffffff : 0xffff))
			return segment_fault(c, seg);
	} else if (last > s.limit) {
		return segment_fault(c, seg);
	}
	*lin = (u32)(s.base + ea);
	return 0;
}

/**
 * emu_linear - linear address of an access through a segment, with all checks but those of paging
 * @c:		the emulation
 * @seg:	segment register
 * @ea:		effective address, already cut to the address size
 * @size:	of the access in bytes
 * @access:	EMU_READ, EMU_WRITE
 * @lin:	result
 *
 * Return: 0 or -EMU_FAULT with #GP, #SS or #AC.
 */
int emu_linear(struct emu_ctxt *c, enum insn_seg seg, u64 ea, unsigned int size,
	       unsigned int access, u64 *lin)
{
	if (c->mode == EMU_MODE_64) {
		if (seg >= INSN_SEG_FS) {
			struct emu_segment s;

			c->ops->get_seg(c, seg, &s);
			ea += s.base;
		}
		if (!emu_canonical(c, ea) || !emu_canonical(c, ea + size - 1))
			return segment_fault(c, seg);
		*lin = ea;
	} else {
		int ret = linear_legacy(c, seg, ea, size, access, lin);

		if (ret)
			return ret;
	}
	if (c->align_check && c->cpl == 3 && c->rflags & FLAG_AC && size <= 8 && *lin & (size - 1))
		return emu_fault(c, VECTOR_AC);
	return 0;
}

/* Read a value of 1, 2, 4 or 8 bytes. */
int emu_read(struct emu_ctxt *c, enum insn_seg seg, u64 ea, unsigned int size, u64 *val)
{
	u64 lin;
	int ret = emu_linear(c, seg, ea, size, EMU_READ, &lin);

	if (ret)
		return ret;
	*val = 0;
	return c->ops->read(c, lin, val, size, EMU_READ);
}

int emu_write(struct emu_ctxt *c, enum insn_seg seg, u64 ea, unsigned int size, u64 val)
{
	u64 lin;
	int ret = emu_linear(c, seg, ea, size, EMU_WRITE, &lin);

	if (ret)
		return ret;
	return c->ops->write(c, lin, &val, size, EMU_WRITE);
}

/* How many bytes can be fetched at RIP, and where they are. */
static int fetch_window(struct emu_ctxt *c, u64 *lin, unsigned int *n)
{
	struct emu_segment cs;

	*n = INSN_MAX_LEN;
	if (c->mode == EMU_MODE_64) {
		*lin = c->rip;
		return emu_canonical(c, c->rip) ? 0 : emu_fault(c, VECTOR_GP);
	}
	c->ops->get_seg(c, INSN_SEG_CS, &cs);
	if (c->rip > cs.limit)
		return emu_fault(c, VECTOR_GP);
	if (cs.limit - c->rip < INSN_MAX_LEN - 1)
		*n = cs.limit - c->rip + 1;
	*lin = (u32)(cs.base + c->rip);
	return 0;
}

/* Is the instruction in @c what begins @raw, which has @n bytes? */
static inline bool is_same(const struct emu_ctxt *c, const u64 *raw, unsigned int n)
{
	unsigned int bits = c->insn.len * 8;

	if (!bits || c->insn.len > n || c->insn.mode != c->mode)
		return false;
	if (bits < 64)
		return !((c->raw[0] ^ raw[0]) << (64 - bits));
	/* The length is 15 at most, so that something is left to be shifted out. */
	return c->raw[0] == raw[0] && !((c->raw[1] ^ raw[1]) & ((1ull << (bits - 64)) - 1));
}

/* Decode @n bytes in @raw, if they are not what was decoded last. */
int emu_take_raw(struct emu_ctxt *c, const u64 *raw, unsigned int n)
{
	int ret;

	if (is_same(c, raw, n)) {
		c->n_bytes = c->insn.len;
		return 0;
	}
	c->raw[0] = raw[0];
	c->raw[1] = raw[1];
	ret = emu_decode_buffer(&c->insn, c->bytes, n, c->mode);
	c->n_bytes = ret ? n : c->insn.len;
	return ret;
}

int emu_take_bytes(struct emu_ctxt *c, const u8 *bytes, unsigned int n)
{
	union {
		u8 bytes[16];
		u64 raw[2];
	} in = { .raw = { 0, 0 } };

	if (n > sizeof(in.bytes))
		n = sizeof(in.bytes);
	for (unsigned int i = 0; i < n; i++)
		in.bytes[i] = bytes[i];
	return emu_take_raw(c, in.raw, n);
}

int emu_fetch(struct emu_ctxt *c)
{
	union {
		u8 bytes[16];
		u64 raw[2];
	} in = { .raw = { 0, 0 } };
	unsigned int window, n;
	u64 lin;
	int ret = fetch_window(c, &lin, &window);

	c->n_bytes = 0;
	if (ret)
		return ret;
	n = PAGE_BYTES - (lin & (PAGE_BYTES - 1));
	if (n > window)
		n = window;
	ret = c->ops->fetch(c, lin, in.bytes, n);
	if (ret)
		return ret;
	ret = emu_take_raw(c, in.raw, n);
	if (ret == -EMU_TRUNCATED && n < window) {
		lin += n;
		if (c->mode != EMU_MODE_64)
			lin = (u32)lin;
		ret = c->ops->fetch(c, lin, in.bytes + n, window - n);
		if (ret)
			return ret;
		ret = emu_take_raw(c, in.raw, window);
	}
	switch (ret) {
	case 0:
		return 0;
	case -EMU_UD:
		return emu_fault(c, VECTOR_UD);
	default:	/* too long, or beyond the segment's limit */
		return emu_fault(c, VECTOR_GP);
	}
}

int emu_read_operand(struct emu_ctxt *c, unsigned int size, u64 *val)
{
	return emu_read(c, c->insn.seg, emu_ea(c), size, val);
}
