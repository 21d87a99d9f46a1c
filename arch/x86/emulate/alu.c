// SPDX-License-Identifier: GPL-2.0
/*
 * Arithmetic and logic: the eight ALU operations, TEST, INC, DEC, NOT, NEG, and the exchanges that
 * compare or add (XCHG, XADD, CMPXCHG, CMPXCHG8B and 16B). Called by emulate().
 *
 * Each reads its destination, computes, and replaces it. With LOCK the replacement is a
 * compare-exchange on the guest's memory; if another vCPU was faster, the whole is computed again
 * from what it left there.
 */
#include "execute.h"

static inline u64 flags_result(u64 res, unsigned int size)
{
	u64 top = 1ull << (size * 8 - 1);
	u64 f = 0;

	res &= size_mask(size);
	/* Bit n of the constant: is the number of ones in n even? */
	if (0x9669 >> ((res ^ res >> 4) & 15) & 1)
		f |= FLAG_PF;
	if (!res)
		f |= FLAG_ZF;
	if (res & top)
		f |= FLAG_SF;
	return f;
}

/*
 * The flags that follow from the carries out of each bit; @signs has its top bit set on overflow.
 */
static inline u64 flags_carry(u64 carries, u64 signs, unsigned int size)
{
	unsigned int top = size * 8 - 1;
	u64 f = 0;

	if (carries >> top & 1)
		f |= FLAG_CF;
	if (carries & 8)
		f |= FLAG_AF;
	if (signs >> top & 1)
		f |= FLAG_OF;
	return f;
}

static u64 alu_add(u64 a, u64 b, u64 carry, unsigned int size, u64 *f)
{
	u64 res = a + b + carry;

	*f = flags_result(res, size) |
	     flags_carry((a & b) | ((a | b) & ~res), (a ^ res) & (b ^ res), size);
	return res;
}

static u64 alu_sub(u64 a, u64 b, u64 borrow, unsigned int size, u64 *f)
{
	u64 res = a - b - borrow;

	*f = flags_result(res, size) |
	     flags_carry((~a & b) | ((~a | b) & res), (a ^ b) & (a ^ res), size);
	return res;
}

static u64 alu_logic(u64 res, unsigned int size, u64 *f)
{
	*f = flags_result(res, size);
	return res;
}

/* RFLAGS after comparing @a with @b. */
u64 emu_flags_sub(u64 flags, u64 a, u64 b, unsigned int size)
{
	u64 f;

	alu_sub(a, b, 0, size, &f);
	return (flags & ~FLAGS_ARITH) | f;
}

static inline bool writes_result(u8 op)
{
	return op != INSN_CMP && op != INSN_TEST;
}

/* The operation itself: @a is the destination. */
static u64 alu_compute(u8 op, u64 a, u64 b, unsigned int size, u64 *flags)
{
	u64 carry = *flags & FLAG_CF ? 1 : 0;
	u64 keep = ~FLAGS_ARITH;
	u64 f, res;

	switch (op) {
	case INSN_ADD:
		res = alu_add(a, b, 0, size, &f);
		break;
	case INSN_ADC:
		res = alu_add(a, b, carry, size, &f);
		break;
	case INSN_SUB:
	case INSN_CMP:
		res = alu_sub(a, b, 0, size, &f);
		break;
	case INSN_SBB:
		res = alu_sub(a, b, carry, size, &f);
		break;
	case INSN_OR:
		res = alu_logic(a | b, size, &f);
		break;
	case INSN_AND:
	case INSN_TEST:
		res = alu_logic(a & b, size, &f);
		break;
	case INSN_XOR:
		res = alu_logic(a ^ b, size, &f);
		break;
	case INSN_INC:
		res = alu_add(a, 1, 0, size, &f);
		f &= ~FLAG_CF;
		keep |= FLAG_CF;
		break;
	case INSN_DEC:
		res = alu_sub(a, 1, 0, size, &f);
		f &= ~FLAG_CF;
		keep |= FLAG_CF;
		break;
	case INSN_NEG:
		res = alu_sub(0, a, 0, size, &f);
		break;
	default:	/* INSN_NOT */
		return ~a;
	}
	*flags = (*flags & keep) | f;
	return res;
}

int emu_alu(struct emu_ctxt *c)
{
	const struct insn_row *row = c->insn.row;
	u8 op = c->insn.op;
	unsigned int access = writes_result(op) ? EMU_READ | EMU_WRITE : EMU_READ;
	struct operand dst, src;
	int tries = LOCKED_TRIES;
	u64 a, b = 0;
	int ret;

	ret = emu_operand(c, row->dst, access, &dst);
	if (ret)
		return ret;
	if (row->src != OP_NONE) {
		ret = emu_operand(c, row->src, EMU_READ, &src);
		if (!ret)
			ret = emu_operand_read(c, &src, EMU_READ, &b);
		if (ret)
			return ret;
	}
	while (tries--) {
		u64 flags = c->rflags;
		bool done = true;
		u64 res;

		ret = emu_operand_read(c, &dst, access, &a);
		if (ret)
			return ret;
		res = alu_compute(op, a, b, dst.size, &flags);
		if (writes_result(op))
			ret = emu_operand_replace(c, &dst, a, res, c->insn.flags & INSN_LOCK,
						  &done);
		if (ret < 0)
			return ret;
		if (done) {
			c->rflags = flags;
			return 0;
		}
	}
	return EMU_CONTINUE;
}

/*
 * What XCHG, XADD and CMPXCHG store into the destination that holds @old, and the flags after it.
 */
static u64 exchange_compute(const struct emu_ctxt *c, u64 old, u64 src, unsigned int size,
			    u64 *flags)
{
	u64 acc;

	switch (c->insn.op) {
	case INSN_XADD:
		return alu_compute(INSN_ADD, old, src, size, flags);
	case INSN_CMPXCHG:
		acc = emu_get_reg(c, INSN_RAX, size);
		*flags = emu_flags_sub(*flags, acc, old, size);
		return acc == old ? src : old;
	default:	/* INSN_XCHG */
		return src;
	}
}

/* The registers that change once the destination has been replaced. */
static void exchange_commit(struct emu_ctxt *c, const struct operand *dst,
			    const struct operand *src, u64 old, u64 val)
{
	if (c->insn.op == INSN_CMPXCHG) {
		/* A 32-bit accumulator is not even extended when the comparison succeeds. */
		if (!(c->rflags & FLAG_ZF))
			emu_set_reg(c, INSN_RAX, dst->size, old);
		return;
	}
	emu_set_reg(c, src->reg, src->size, old);
	/* XADD of a register with itself leaves the sum. */
	if (dst->kind != OP_O)
		emu_set_reg(c, dst->reg, dst->size, val);
}

int emu_exchange(struct emu_ctxt *c)
{
	const struct insn_row *row = c->insn.row;
	/* XCHG with memory is locked without saying so. */
	bool locked = c->insn.op == INSN_XCHG || c->insn.flags & INSN_LOCK;
	struct operand dst, src;
	int tries = LOCKED_TRIES;
	u64 old, b;
	int ret;

	/* 90 is NOP: it does not clear the upper half of RAX. */
	if (c->insn.opcode == 0x90 && c->insn.map == INSN_MAP_1BYTE && c->insn.reg == INSN_RAX)
		return 0;
	ret = emu_operand(c, row->dst, EMU_READ | EMU_WRITE, &dst);
	if (!ret)
		ret = emu_operand(c, row->src, EMU_READ | EMU_WRITE, &src);
	if (ret)
		return ret;
	b = emu_get_reg(c, src.reg, src.size);
	while (tries--) {
		u64 flags = c->rflags;
		bool done;
		u64 val;

		ret = emu_operand_read(c, &dst, EMU_READ | EMU_WRITE, &old);
		if (ret)
			return ret;
		val = exchange_compute(c, old, b, dst.size, &flags);
		/*
		 * CMPXCHG writes memory back when it finds another value, but not a register:
		 * nothing is extended.
		 */
		if (c->insn.op == INSN_CMPXCHG && !(flags & FLAG_ZF) && dst.kind != OP_O)
			done = true;
		else
			ret = emu_operand_replace(c, &dst, old, val, locked, &done);
		if (ret < 0)
			return ret;
		if (done) {
			c->rflags = flags;
			exchange_commit(c, &dst, &src, old, val);
			return 0;
		}
	}
	return EMU_CONTINUE;
}

/* CMPXCHG8B and CMPXCHG16B: RDX:RAX with memory, RCX:RBX is what is stored. */
int emu_cmpxchg_wide(struct emu_ctxt *c)
{
	unsigned int half = c->insn.op_bytes == 8 ? 8 : 4;
	u64 old[2] = { 0, 0 }, new[2], acc[2];
	int tries = LOCKED_TRIES;
	u64 lin;
	int ret;

	ret = emu_linear(c, c->insn.seg, emu_ea(c), 2 * half, EMU_READ | EMU_WRITE, &lin);
	if (ret)
		return ret;
	if (half == 8 && lin & 15)
		return emu_fault(c, VECTOR_GP);
	acc[0] = half == 8 ? c->gpr[INSN_RAX] : (u32)c->gpr[INSN_RAX] | c->gpr[INSN_RDX] << 32;
	acc[1] = half == 8 ? c->gpr[INSN_RDX] : 0;
	while (tries--) {
		bool done = true;
		bool equal;

		ret = c->ops->read(c, lin, old, 2 * half, EMU_READ | EMU_WRITE);
		if (ret)
			return ret;
		equal = old[0] == acc[0] && old[1] == acc[1];
		new[0] = old[0];
		new[1] = old[1];
		if (equal) {
			new[0] = half == 8 ? c->gpr[INSN_RBX] :
					     (u32)c->gpr[INSN_RBX] | c->gpr[INSN_RCX] << 32;
			new[1] = half == 8 ? c->gpr[INSN_RCX] : 0;
		}
		if (c->insn.flags & INSN_LOCK)
			ret = c->ops->cmpxchg(c, lin, old, new, 2 * half, &done);
		else
			ret = c->ops->write(c, lin, new, 2 * half, EMU_WRITE);
		if (ret < 0)
			return ret;
		if (!done)
			continue;
		c->rflags = equal ? c->rflags | FLAG_ZF : c->rflags & ~FLAG_ZF;
		if (!equal) {
			c->gpr[INSN_RAX] = half == 8 ? old[0] : (u32)old[0];
			c->gpr[INSN_RDX] = half == 8 ? old[1] : old[0] >> 32;
		}
		return 0;
	}
	return EMU_CONTINUE;
}
