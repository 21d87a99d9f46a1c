// SPDX-License-Identifier: GPL-2.0
/*
 * The stack and near transfers: PUSH, POP, CALL and JMP through memory or a register. Called by
 * emulate().
 */
#include "execute.h"

/* The stack pointer is as wide as the stack segment says. */
static unsigned int stack_width(struct emu_ctxt *c)
{
	struct emu_segment ss;

	if (c->mode == EMU_MODE_64)
		return 8;
	c->ops->get_seg(c, INSN_SEG_SS, &ss);
	return ss.attr & EMU_SEG_DB ? 4 : 2;
}

/* A 16-bit or 32-bit stack pointer leaves the rest of the register. */
static void set_sp(struct emu_ctxt *c, u64 sp, unsigned int width)
{
	u64 mask = size_mask(width);

	c->gpr[INSN_RSP] = (c->gpr[INSN_RSP] & ~mask) | (sp & mask);
}

static int push(struct emu_ctxt *c, u64 val, unsigned int size)
{
	unsigned int width = stack_width(c);
	u64 sp = (c->gpr[INSN_RSP] - size) & size_mask(width);
	int ret = emu_write(c, INSN_SEG_SS, sp, size, val);

	if (ret < 0)
		return ret;
	set_sp(c, sp, width);
	return 0;
}

static int emu_push(struct emu_ctxt *c)
{
	struct operand o;
	u64 v;
	int ret = emu_operand(c, c->insn.row->dst, EMU_READ, &o);

	if (!ret)
		ret = emu_operand_read(c, &o, EMU_READ, &v);
	return ret ? ret : push(c, v, o.size);
}

static int emu_pop(struct emu_ctxt *c)
{
	unsigned int width = stack_width(c);
	unsigned int size = c->insn.op_bytes;
	struct operand o;
	u64 sp = c->gpr[INSN_RSP];
	u64 v;
	int ret;

	ret = emu_read(c, INSN_SEG_SS, sp & size_mask(width), size, &v);
	if (ret)
		return ret;
	/*
	 * An address that is made of the stack pointer uses its new value: set it for the
	 * computation.
	 */
	set_sp(c, sp + size, width);
	ret = emu_operand(c, c->insn.row->dst, EMU_WRITE, &o);
	if (!ret)
		ret = emu_operand_write(c, &o, v);
	if (ret < 0)
		c->gpr[INSN_RSP] = sp;
	return ret < 0 ? ret : 0;
}

/* Near transfer to @target: it must be canonical, or within the limit of CS. */
static int check_target(struct emu_ctxt *c, u64 target)
{
	struct emu_segment cs;

	if (c->mode == EMU_MODE_64)
		return emu_canonical(c, target) ? 0 : emu_fault(c, VECTOR_GP);
	c->ops->get_seg(c, INSN_SEG_CS, &cs);
	return target <= cs.limit ? 0 : emu_fault(c, VECTOR_GP);
}

static int emu_call_jmp(struct emu_ctxt *c)
{
	struct operand o;
	u64 target;
	int ret;

	ret = emu_operand(c, OP_E, EMU_READ, &o);
	if (!ret)
		ret = emu_operand_read(c, &o, EMU_READ, &target);
	if (!ret)
		ret = check_target(c, target);
	if (!ret && c->insn.op == INSN_CALL)
		ret = push(c, c->rip + c->insn.len, o.size);
	if (ret)
		return ret;
	c->rip = target;
	return 0;
}

int emu_stack(struct emu_ctxt *c)
{
	switch (c->insn.op) {
	case INSN_PUSH:
		return emu_push(c);
	case INSN_POP:
		return emu_pop(c);
	default:
		return emu_call_jmp(c);
	}
}
