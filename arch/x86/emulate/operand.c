// SPDX-License-Identifier: GPL-2.0
/*
 * Operands of general instructions: where a row's dst and src are, reading them, writing them, and
 * replacing memory atomically. Used by every execute file.
 */
#include "execute.h"

/* AH, CH, DH and BH are the registers 4 to 7 of a byte instruction without REX. */
static inline bool is_high_byte(const struct emu_ctxt *c, u8 reg, unsigned int size)
{
	return size == 1 && reg >= 4 && reg < 8 && !(c->insn.flags & INSN_REX);
}

u64 emu_get_reg(const struct emu_ctxt *c, u8 reg, unsigned int size)
{
	if (is_high_byte(c, reg, size))
		return c->gpr[reg & 3] >> 8 & 0xff;
	return c->gpr[reg] & size_mask(size);
}

/* A write of four bytes clears the upper half, a smaller one leaves the rest of the register. */
void emu_set_reg(struct emu_ctxt *c, u8 reg, unsigned int size, u64 val)
{
	u64 *r = &c->gpr[reg];

	switch (size) {
	case 1:
		if (is_high_byte(c, reg, size)) {
			r = &c->gpr[reg & 3];
			*r = (*r & ~0xff00ull) | (val & 0xff) << 8;
		} else {
			*r = (*r & ~0xffull) | (val & 0xff);
		}
		break;
	case 2:
		*r = (*r & ~0xffffull) | (val & 0xffff);
		break;
	case 4:
		*r = (u32)val;
		break;
	default:
		*r = val;
		break;
	}
}

static inline u8 operand_size(const struct emu_insn *insn, u8 kind)
{
	/* Of those that do not have the instruction's operand size. */
	static const u8 sizes[OP_KINDS] = { [OP_E8] = 1, [OP_E16] = 2, [OP_S] = 2, [OP_E32] = 4 };

	/* MOVSXD: with 66 it reads no more than it writes. */
	if (kind == OP_E32 && insn->op_bytes == 2)
		return 2;
	return sizes[kind] ? sizes[kind] : insn->op_bytes;
}

/**
 * emu_operand - find an operand
 * @c:		the emulation
 * @kind:	from the row
 * @access:	what will be done with it: EMU_READ, EMU_WRITE or both
 * @o:		filled
 *
 * Return: 0, or -EMU_FAULT when it is memory that the segment does not allow to be accessed.
 */
int emu_operand(struct emu_ctxt *c, u8 kind, unsigned int access, struct operand *o)
{
	const struct emu_insn *insn = &c->insn;

	o->kind = kind;
	o->size = operand_size(insn, kind);
	switch (kind) {
	case OP_E:
	case OP_E8:
	case OP_E16:
	case OP_E32:
		if (insn->mod == 3) {
			o->kind = OP_E;
			o->reg = insn->rm;
			return 0;
		}
		o->kind = OP_O;
		return emu_linear(c, insn->seg, emu_ea(c), o->size, access, &o->lin);
	case OP_O:
		return emu_linear(c, insn->seg, insn->imm, o->size, access, &o->lin);
	case OP_G:
		o->reg = insn->reg;
		return 0;
	case OP_ACC:
		o->reg = INSN_RAX;
		return 0;
	case OP_CL:
		o->val = c->gpr[INSN_RCX] & 0xff;
		return 0;
	case OP_ONE:
		o->val = 1;
		return 0;
	default:	/* OP_I */
		o->val = insn->imm & size_mask(o->size);
		return 0;
	}
}

/* Read an operand. @access has EMU_WRITE when it will be written as well. */
int emu_operand_read(struct emu_ctxt *c, const struct operand *o, unsigned int access, u64 *val)
{
	switch (o->kind) {
	case OP_O:
		*val = 0;
		return c->ops->read(c, o->lin, val, o->size, access);
	case OP_E:
	case OP_G:
	case OP_ACC:
		*val = emu_get_reg(c, o->reg, o->size);
		return 0;
	default:
		*val = o->val;
		return 0;
	}
}

/* Write an operand. To a register this cannot fail. */
int emu_operand_write(struct emu_ctxt *c, const struct operand *o, u64 val)
{
	if (o->kind == OP_O)
		return c->ops->write(c, o->lin, &val, o->size, EMU_WRITE);
	emu_set_reg(c, o->reg, o->size, val);
	return 0;
}

/**
 * emu_operand_replace - write an operand that was read, atomically if asked to
 * @c:		the emulation
 * @o:		the operand
 * @old:	what was read
 * @val:	what to write
 * @locked:	the instruction is locked
 * @done:	false when the memory has changed meanwhile: read it again and start over
 *
 * Return: what the callback returned.
 */
int emu_operand_replace(struct emu_ctxt *c, const struct operand *o, u64 old, u64 val, bool locked,
			bool *done)
{
	*done = true;
	if (locked && o->kind == OP_O)
		return c->ops->cmpxchg(c, o->lin, &old, &val, o->size, done);
	return emu_operand_write(c, o, val);
}

/* The condition in the low four bits of the opcode, as Jcc, SETcc and CMOVcc have it. */
bool emu_condition(const struct emu_ctxt *c)
{
	u64 f = c->rflags;
	bool sf_ne_of = !(f & FLAG_SF) != !(f & FLAG_OF);
	bool v;

	switch (c->insn.opcode >> 1 & 7) {
	case 0:
		v = f & FLAG_OF;
		break;
	case 1:
		v = f & FLAG_CF;
		break;
	case 2:
		v = f & FLAG_ZF;
		break;
	case 3:
		v = f & (FLAG_CF | FLAG_ZF);
		break;
	case 4:
		v = f & FLAG_SF;
		break;
	case 5:
		v = f & FLAG_PF;
		break;
	case 6:
		v = sf_ne_of;
		break;
	default:
		v = f & FLAG_ZF || sf_ne_of;
		break;
	}
	return v != (c->insn.opcode & 1);
}

/* --- plain loads and stores, for a caller that answers them without emulate() --- */

unsigned int emu_plain_load(const struct emu_insn *insn)
{
	if (!insn_has_mem(insn))
		return 0;
	if (insn->map == INSN_MAP_1BYTE && insn->op == INSN_MOV &&
	    (insn->opcode == 0x8a || insn->opcode == 0x8b))
		return insn->op_bytes;
	if (insn->map == INSN_MAP_0F && (insn->op == INSN_MOVZX || insn->op == INSN_MOVSX) &&
	    (insn->opcode & 0xf6) == 0xb6)
		return insn->opcode & 1 ? 2 : 1;
	return 0;
}

unsigned int emu_operand_offset(struct emu_ctxt *c)
{
	u64 lin = emu_ea(c);

	if (c->mode != EMU_MODE_64 || c->insn.seg >= INSN_SEG_FS) {
		struct emu_segment s;

		c->ops->get_seg(c, c->insn.seg, &s);
		lin += s.base;
	}
	return lin & (PAGE_BYTES - 1);
}

void emu_finish_load(struct emu_ctxt *c, u64 val)
{
	u64 next = c->rip + c->insn.len;

	if (c->insn.op == INSN_MOVSX)
		val = sign_extend(val, emu_plain_load(&c->insn));
	emu_set_reg(c, c->insn.reg, c->insn.op_bytes, val);
	c->rip = c->mode == EMU_MODE_64 ? next : (u32)next;
}

unsigned int emu_plain_store(const struct emu_ctxt *c, u64 *val)
{
	const struct emu_insn *insn = &c->insn;

	if (!insn_has_mem(insn) || insn->map != INSN_MAP_1BYTE || insn->op != INSN_MOV)
		return 0;
	if (insn->opcode == 0x88 || insn->opcode == 0x89)
		*val = emu_get_reg(c, insn->reg, insn->op_bytes);
	else if (insn->opcode == 0xc6 || insn->opcode == 0xc7)
		*val = insn->imm & size_mask(insn->op_bytes);
	else
		return 0;
	return insn->op_bytes;
}
