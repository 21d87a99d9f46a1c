// SPDX-License-Identifier: GPL-2.0
/*
 * SSE and AVX loads and stores: the moves that drivers and memcpy() use on devices. Called by
 * emulate().
 *
 * Whether the guest may use the vector unit at all (CR0.TS, CR4.OSFXSR, XCR0) the CPU has checked:
 * it looks at that before it touches memory, and only the access to memory brings an instruction
 * here.
 */
#include "execute.h"

static unsigned int vector_size(const struct emu_insn *insn, u8 kind)
{
	switch (kind) {
	case OP_W4:
		return 4;
	case OP_W8:
	case OP_LO8:
	case OP_HI8:
		return 8;
	case OP_EY:
		return insn->op_bytes;
	default:	/* OP_WX */
		return insn->vl ? 32 : 16;
	}
}

int emu_vec_mov(struct emu_ctxt *c)
{
	const struct emu_insn *insn = &c->insn;
	const struct insn_row *row = insn->row;
	bool load = row->dst == OP_V;
	u8 kind = load ? row->src : row->dst;
	unsigned int size = vector_size(insn, kind);
	unsigned int half = kind == OP_HI8 ? 1 : 0;
	u64 v[4] = { 0, 0, 0, 0 };
	u64 lin;
	int ret;

	/*
	 * Between registers, or with a vector length that the instruction does not have: not ours.
	 */
	if (insn->mod == 3 || (insn->vl && kind != OP_WX && kind != OP_W4 && kind != OP_W8))
		return -EMU_UNHANDLED;
	ret = emu_linear(c, insn->seg, emu_ea(c), size, load ? EMU_READ : EMU_WRITE, &lin);
	if (ret)
		return ret;
	if (row->flags & F_ALIGN && lin & (size - 1))
		return emu_fault(c, VECTOR_GP);
	if (!load) {
		ret = c->ops->get_vec(c, insn->reg, v, size < 16 ? 16 : size);
		return ret ? ret : c->ops->write(c, lin, v + half, size, EMU_WRITE);
	}
	/*
	 * MOVLPS and MOVHPS leave the other half, every other load clears the rest of the XMM
	 * register.
	 */
	if (kind == OP_LO8 || kind == OP_HI8)
		ret = c->ops->get_vec(c, insn->reg, v, 16);
	if (!ret)
		ret = c->ops->read(c, lin, v + half, size, EMU_READ);
	if (!ret)
		ret = c->ops->set_vec(c, insn->reg, v, size < 16 ? 16 : size,
				      insn->flags & INSN_VEX);
	return ret;
}
