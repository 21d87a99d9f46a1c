// SPDX-License-Identifier: GPL-2.0
/*
 * emulate(): the dispatch over what the executor knows, and the instructions that only move data.
 * The caller has the vCPU to itself; no lock is taken here.
 */
#include "execute.h"

static u64 swap_bytes(u64 v, unsigned int size)
{
	switch (size) {
	case 2:
		return __builtin_bswap16(v);
	case 4:
		return __builtin_bswap32(v);
	default:
		return __builtin_bswap64(v);
	}
}

/* MOV, MOVZX, MOVSX, MOVNTI, MOVBE, CMOV, SETcc: one operand becomes a function of the other. */
int emu_mov(struct emu_ctxt *c)
{
	const struct insn_row *row = c->insn.row;
	struct operand dst, src;
	u64 v;
	int ret;

	if (c->insn.op == INSN_SETCC) {
		v = emu_condition(c);
	} else {
		ret = emu_operand(c, row->src, EMU_READ, &src);
		if (!ret)
			ret = emu_operand_read(c, &src, EMU_READ, &v);
		if (ret)
			return ret;
	}
	ret = emu_operand(c, row->dst, EMU_WRITE, &dst);
	if (ret)
		return ret;
	switch (c->insn.op) {
	case INSN_MOVSX:
		v = sign_extend(v, src.size);
		break;
	case INSN_MOVBE:
		v = swap_bytes(v, dst.size);
		break;
	case INSN_CMOV:
		/*
		 * Memory is read and a 32-bit destination is extended even when the condition is
		 * false.
		 */
		if (!emu_condition(c))
			v = emu_get_reg(c, dst.reg, dst.size);
		break;
	default:
		break;
	}
	return emu_operand_write(c, &dst, v);
}

/* MOV from and to a segment register. */
static int emu_mov_seg(struct emu_ctxt *c)
{
	struct operand o;
	u64 v;
	int ret;

	if (c->insn.row->dst == OP_S) {
		if (!c->ops->load_seg)
			return -EMU_UNHANDLED;
		ret = emu_operand(c, OP_E16, EMU_READ, &o);
		if (!ret)
			ret = emu_operand_read(c, &o, EMU_READ, &v);
		if (!ret)
			ret = c->ops->load_seg(c, c->insn.reg & 7, v);
		if (!ret && (c->insn.reg & 7) == INSN_SEG_SS)
			c->shadow = EMU_SHADOW_MOV_SS;
		return ret;
	}
	/*
	 * Memory gets the 16 bits of the selector whatever the operand size, a register is
	 * extended.
	 */
	ret = emu_operand(c, insn_has_mem(&c->insn) ? OP_E16 : OP_E, EMU_WRITE, &o);
	if (!ret) {
		struct emu_segment s;

		c->ops->get_seg(c, c->insn.reg & 7, &s);
		ret = emu_operand_write(c, &o, s.selector);
	}
	return ret;
}

/*
 * CLFLUSH has the checks and faults of a load of one byte; there is no cache to flush behind a
 * device.
 */
static int emu_flush(struct emu_ctxt *c)
{
	struct operand o;
	int ret = emu_operand(c, c->insn.row->dst, EMU_READ, &o);

	if (!ret)
		ret = c->ops->probe(c, o.lin, 1, EMU_READ);
	return ret;
}

/* What is left of the operations once the moves have been sorted out. */
static int dispatch(struct emu_ctxt *c)
{
	switch (c->insn.op) {
	case INSN_MOV_SEG:
		return emu_mov_seg(c);
	case INSN_ADD ... INSN_NEG:
		return emu_alu(c);
	case INSN_ROL ... INSN_SHRD:
		return emu_shift(c);
	case INSN_BT ... INSN_BTC:
		return emu_bit_test(c);
	case INSN_BSF:
	case INSN_BSR:
		return emu_bit_scan(c);
	case INSN_XCHG:
	case INSN_XADD:
	case INSN_CMPXCHG:
		return emu_exchange(c);
	case INSN_CMPXCHG8B:
		return emu_cmpxchg_wide(c);
	case INSN_MOVS ... INSN_OUTS:
		return emu_string(c);
	case INSN_PUSH ... INSN_JMP:
		return emu_stack(c);
	case INSN_VEC_MOV:
		return emu_vec_mov(c);
	case INSN_NOP:
		return 0;
	case INSN_FLUSH:
		return emu_flush(c);
	default:
		return -EMU_UNHANDLED;
	}
}

int emulate(struct emu_ctxt *c)
{
	u64 next = c->rip + c->insn.len;
	int ret;

	c->shadow = 0;
	c->iterations = 0;
	if (c->insn.op >= INSN_MOV && c->insn.op <= INSN_LAST_MOVE)
		ret = emu_mov(c);
	else
		ret = dispatch(c);
	if (ret < 0 || ret == EMU_CONTINUE)
		return ret;
	/* CALL and JMP have set a new one themselves. */
	if (c->insn.op != INSN_CALL && c->insn.op != INSN_JMP)
		c->rip = c->mode == EMU_MODE_64 ? next : (u32)next;
	c->rflags &= ~FLAG_RF;
	return 0;
}
