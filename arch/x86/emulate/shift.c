// SPDX-License-Identifier: GPL-2.0
/*
 * Shifts, rotates and single bits: ROL to SAR, SHLD, SHRD, BT, BTS, BTR, BTC, BSF, BSR. Called by
 * emulate().
 *
 * The flags that the manuals leave undefined (OF when a count is not 1, AF always) keep to what is
 * simplest.
 */
#include "execute.h"

static inline u64 bit(u64 v, unsigned int n)
{
	return v >> n & 1;
}

static u64 flags_szp(u64 flags, u64 res, unsigned int size)
{
	/* A comparison with 0 sets SF, ZF and PF from the value, and clears CF, OF and AF. */
	return emu_flags_sub(flags, res, 0, size);
}

static u64 with_cf_of(u64 flags, u64 cf, u64 of)
{
	flags &= ~(FLAG_CF | FLAG_OF);
	return flags | (cf ? FLAG_CF : 0) | (of ? FLAG_OF : 0);
}

/*
 * Rotate left through nothing (ROL, ROR) or through CF (RCL, RCR); a right rotation is a left one
 * the long way.
 */
static u64 rotate(u8 op, u64 a, unsigned int count, unsigned int bits, u64 *flags)
{
	bool through = op == INSN_RCL || op == INSN_RCR;
	bool right = op == INSN_ROR || op == INSN_RCR;
	unsigned int len = bits + through;
	u64 mask = size_mask(bits / 8);
	u64 cf = *flags & FLAG_CF ? 1 : 0;
	u64 res;

	count %= len;
	if (through && !count)
		return a;
	while (count--) {
		if (right) {
			u64 in = through ? cf : a & 1;

			cf = a & 1;
			a = a >> 1 | in << (bits - 1);
		} else {
			u64 in = through ? cf : bit(a, bits - 1);

			cf = bit(a, bits - 1);
			a = (a << 1 | in) & mask;
		}
	}
	res = a;
	if (!through)
		cf = right ? bit(res, bits - 1) : res & 1;
	*flags = with_cf_of(*flags, cf,
			    right ? bit(res, bits - 1) ^ bit(res, bits - 2) :
				    bit(res, bits - 1) ^ cf);
	return res;
}

/* @count is 1 to 63: above the width, everything is shifted out. */
static u64 shift(u8 op, u64 a, unsigned int count, unsigned int bits, u64 *flags)
{
	unsigned int size = bits / 8;
	u64 res, cf, of;

	switch (op) {
	case INSN_SHL:
		res = a << count;
		cf = count <= bits ? bit(a, bits - count) : 0;
		of = bit(res, bits - 1) ^ cf;
		break;
	case INSN_SHR:
		res = a >> count;
		cf = bit(a, count - 1);
		of = bit(a, bits - 1);
		break;
	default:	/* INSN_SAR */
		a = sign_extend(a, size);
		res = (u64)((s64)a >> count);
		cf = (u64)((s64)a >> (count - 1)) & 1;
		of = 0;
		break;
	}
	*flags = with_cf_of(flags_szp(*flags, res & size_mask(size), size), cf, of);
	return res;
}

/*
 * SHLD and SHRD shift bits of @src in. A count above the width (16-bit operands only) is undefined.
 */
static u64 shift_double(u8 op, u64 a, u64 src, unsigned int count, unsigned int bits, u64 *flags)
{
	unsigned int size = bits / 8;
	u64 res, cf;

	if (count > bits)
		return a;
	if (op == INSN_SHLD) {
		res = count == bits ? src : a << count | src >> (bits - count);
		cf = bit(a, bits - count);
	} else {
		res = count == bits ? src : a >> count | src << (bits - count);
		cf = bit(a, count - 1);
	}
	res &= size_mask(size);
	*flags = with_cf_of(flags_szp(*flags, res, size), cf, bit(res ^ a, bits - 1));
	return res;
}

static u64 shift_compute(const struct emu_ctxt *c, u64 a, unsigned int count, unsigned int size,
			 u64 *flags)
{
	unsigned int bits = size * 8;
	u8 op = c->insn.op;

	if (!count)
		return a;
	if (op == INSN_SHLD || op == INSN_SHRD)
		return shift_double(op, a, emu_get_reg(c, c->insn.reg, size), count, bits, flags);
	if (op >= INSN_SHL)
		return shift(op, a, count, bits, flags);
	return rotate(op, a, count, bits, flags);
}

int emu_shift(struct emu_ctxt *c)
{
	const struct insn_row *row = c->insn.row;
	struct operand dst, src;
	u64 a, res, flags = c->rflags;
	int ret;

	ret = emu_operand(c, row->dst, EMU_READ | EMU_WRITE, &dst);
	if (!ret)
		ret = emu_operand(c, row->src, EMU_READ, &src);
	if (!ret)
		ret = emu_operand_read(c, &dst, EMU_READ | EMU_WRITE, &a);
	if (ret)
		return ret;
	res = shift_compute(c, a, src.val & (dst.size == 8 ? 63 : 31), dst.size, &flags);
	ret = emu_operand_write(c, &dst, res);
	if (ret < 0)
		return ret;
	c->rflags = flags;
	return 0;
}

/*
 * BT and its relatives. A bit number in a register is signed and reaches beyond the operand in
 * memory: the operand moves by whole units of its size. An immediate does not reach beyond.
 */
static int bit_operand(struct emu_ctxt *c, unsigned int access, struct operand *dst,
		       unsigned int *n)
{
	const struct emu_insn *insn = &c->insn;
	unsigned int size = insn->op_bytes;
	unsigned int bits = size * 8;
	u64 ea, num;

	num = insn->row->src == OP_I ? insn->imm & (bits - 1) :
				       sign_extend(c->gpr[insn->reg], size);
	*n = num & (bits - 1);
	if (insn->mod == 3)
		return emu_operand(c, OP_E, access, dst);
	ea = emu_ea(c) + (u64)((s64)num >> 3 & ~(s64)(size - 1));
	dst->kind = OP_O;
	dst->size = size;
	return emu_linear(c, insn->seg, ea & size_mask(insn->ad_bytes), size, access, &dst->lin);
}

int emu_bit_test(struct emu_ctxt *c)
{
	u8 op = c->insn.op;
	unsigned int access = op == INSN_BT ? EMU_READ : EMU_READ | EMU_WRITE;
	int tries = LOCKED_TRIES;
	struct operand dst;
	unsigned int n;
	int ret;

	ret = bit_operand(c, access, &dst, &n);
	if (ret)
		return ret;
	while (tries--) {
		u64 a, res;
		bool done = true;

		ret = emu_operand_read(c, &dst, access, &a);
		if (ret)
			return ret;
		res = op == INSN_BTS ? a | 1ull << n :
		      op == INSN_BTR ? a & ~(1ull << n) :
				       a ^ 1ull << n;
		if (op != INSN_BT)
			ret = emu_operand_replace(c, &dst, a, res, c->insn.flags & INSN_LOCK,
						  &done);
		if (ret < 0)
			return ret;
		if (done) {
			c->rflags = bit(a, n) ? c->rflags | FLAG_CF : c->rflags & ~FLAG_CF;
			return 0;
		}
	}
	return EMU_CONTINUE;
}

/*
 * BSF and BSR. Of 0 they set ZF and leave the destination alone, as all CPUs do and AMD documents.
 */
int emu_bit_scan(struct emu_ctxt *c)
{
	struct operand src;
	u64 v;
	int ret;

	/* With F3 it is TZCNT or LZCNT on a CPU that has them. */
	if (c->insn.flags & INSN_REP)
		return -EMU_UNHANDLED;
	ret = emu_operand(c, OP_E, EMU_READ, &src);
	if (!ret)
		ret = emu_operand_read(c, &src, EMU_READ, &v);
	if (ret)
		return ret;
	c->rflags = flags_szp(c->rflags, v, src.size);
	if (v) {
		v = c->insn.op == INSN_BSF ? __builtin_ctzll(v) : 63 - __builtin_clzll(v);
		emu_set_reg(c, c->insn.reg, src.size, v);
	}
	return 0;
}
