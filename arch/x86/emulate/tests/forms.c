// SPDX-License-Identifier: GPL-2.0
/*
 * Random instructions for the tests that compare the executor with a CPU; see forms.h.
 */
#include <string.h>
#include "../table.h"
#include "forms.h"

/* Write prefix, opcode and ModRM; the caller has left room. */
static unsigned int put_opcode(const struct form *f, u8 rex, u8 *p)
{
	unsigned int n = 0;

	if (f->vex) {
		static const u8 pp[4] = { 0, 1, 2, 3 };
		u8 which = f->prefix == 0x66 ? 1 :
			   f->prefix == 0xf3 ? 2 :
			   f->prefix == 0xf2 ? 3 :
					       0;

		p[n++] = 0xc4;
		p[n++] = (~rex & 7) << 5 | f->map;
		p[n++] = (rex & 8) << 4 | 0x78 | (rex & 0x80 ? 4 : 0) | pp[which];
		p[n++] = f->opcode;
		return n;
	}
	if (f->prefix)
		p[n++] = f->prefix;
	if (rex)
		p[n++] = rex;
	if (f->map)
		p[n++] = 0x0f;
	if (f->map == INSN_MAP_0F38)
		p[n++] = 0x38;
	if (f->map == INSN_MAP_0F3A)
		p[n++] = 0x3a;
	p[n++] = f->opcode;
	return n;
}

/*
 * What the form is, if it is an instruction that is executed: its number and whether it looks at
 * ModRM.
 */
static bool try_form(struct form *f, enum emu_mode mode, bool *modrm)
{
	u8 bytes[INSN_MAX_LEN + 1] = { 0 };
	struct emu_insn insn;
	unsigned int n = put_opcode(f, 0, bytes);

	bytes[n] = (f->mem ? 0 : 0xc0) | f->reg << 3;
	if (emu_decode(&insn, bytes, INSN_MAX_LEN, mode) || insn.op < INSN_FIRST_EXECUTED)
		return false;
	if (insn.map != f->map || insn.opcode != f->opcode || !(insn.flags & INSN_VEX) == f->vex)
		return false;
	f->op = insn.op;
	*modrm = insn.flags & INSN_MODRM;
	return true;
}

/* All forms that are executed in @mode; @forms has room for FORMS_MAX. */
unsigned int forms_list(struct form *forms, enum emu_mode mode)
{
	static const u8 prefixes[4] = { 0, 0x66, 0xf3, 0xf2 };
	unsigned int n = 0;

	for (unsigned int i = 0; i < 2 * 4 * 256 * 4 * 2 * 8; i++) {
		struct form f = {
			.reg = i & 7,
			.mem = i >> 3 & 1,
			.prefix = prefixes[i >> 4 & 3],
			.opcode = i >> 6,
			.map = i >> 14 & 3,
			.vex = i >> 16,
		};
		bool modrm;

		if (try_form(&f, mode, &modrm) && (modrm || !(i & 15)))
			forms[n++] = f;
	}
	return n;
}

/* Random ModRM, SIB and displacement behind the opcode. */
static unsigned int put_modrm(const struct form *f, struct random *rnd, u8 *p)
{
	u64 r = random_u64(rnd);
	u8 mod = f->mem ? (r & 0xff) % 3 : 3;

	p[0] = mod << 6 | f->reg << 3 | (r >> 8 & 7);
	for (unsigned int i = 1; i < 11; i++)
		p[i] = r >> (i & 7) * 8;
	/* Small displacements mostly, so that 16-bit and 32-bit addresses do not only wrap. */
	if (r >> 60 & 1)
		memset(p + 3, 0, 3);
	return 1;
}

/*
 * forms_encode - a random instruction of a form
 * @form:	the form
 * @rnd:	random generator
 * @mode:	code segment width
 * @bytes:	filled, INSN_MAX_LEN bytes; what follows the instruction is NOPs
 * @insn:	the instruction, decoded
 *
 * Return: its length, or 0 if this combination of prefixes is none.
 */
unsigned int forms_encode(const struct form *form, struct random *rnd, enum emu_mode mode,
			  u8 *bytes, struct emu_insn *insn)
{
	u64 r = random_u64(rnd);
	u8 buf[32] = { 0 };
	unsigned int n = 0;
	u8 rex = 0;

	if ((r & 7) == 0)
		buf[n++] = 0x67;
	if ((r & 0x70) == 0)
		buf[n++] = mode == EMU_MODE_64 ? 0x65 : "\x26\x36\x3e\x2e"[r >> 8 & 3];
	if (form->mem && !form->vex && (r & 0x3000) == 0)
		buf[n++] = 0xf0;
	if (form->op >= INSN_MOVS && form->op <= INSN_OUTS && r & 0x8000)
		buf[n++] = r & 0x4000 ? 0xf2 : 0xf3;
	if (mode == EMU_MODE_64 && r & 0x30000)
		rex = 0x40 | (r >> 20 & 15);
	if (form->vex)
		rex = (rex & 15) | (r >> 17 & 0x80);
	n += put_opcode(form, rex, buf + n);
	put_modrm(form, rnd, buf + n);
	memcpy(bytes, buf, INSN_MAX_LEN);
	if (emu_decode(insn, bytes, INSN_MAX_LEN, mode) || insn->op != form->op)
		return 0;
	memset(bytes + insn->len, 0x90, INSN_MAX_LEN - insn->len);
	return insn->len;
}

/* Does the instruction name memory by ModRM or by an absolute address? */
bool forms_has_address(const struct emu_insn *insn)
{
	return insn_has_mem(insn) || insn->row->src == OP_O || insn->row->dst == OP_O;
}

/* Does the instruction move a whole vector register, whatever the alignment of its operand? */
bool forms_unaligned_vector(const struct emu_insn *insn)
{
	const struct insn_row *row = insn->row;

	return (row->src == OP_WX || row->dst == OP_WX) && !(row->flags & F_ALIGN);
}

/*
 * Replace the displacement or absolute address, @size bytes that are @old now: they are the last
 * that look so.
 */
static void patch(u8 *bytes, unsigned int len, unsigned int size, u64 old, u64 new)
{
	for (int i = (int)len - (int)size; i > 0; i--) {
		if (!memcmp(bytes + i, &old, size)) {
			memcpy(bytes + i, &new, size);
			return;
		}
	}
}

/*
 * forms_aim - make the memory operand's effective address @ea, where that can be
 * @insn:	the instruction
 * @bytes:	its bytes: an address that no register is part of is changed here
 * @ea:		effective address
 * @rip:	where the instruction will be
 * @rnd:	random generator
 * @gpr:	the registers that it will have
 */
void forms_aim(const struct emu_insn *insn, u8 *bytes, u64 ea, u64 rip, struct random *rnd,
	       u64 *gpr)
{
	u64 rest = ea - (u64)(s64)insn->disp;

	if (!(insn->flags & INSN_MODRM))
		return patch(bytes, insn->len, insn->ad_bytes, insn->imm, ea);
	if (insn->index != INSN_NO_REG && insn->index != insn->base) {
		gpr[insn->index] = random_below(rnd, 1000) - 500;
		rest -= gpr[insn->index] << insn->scale;
	}
	if (insn->base != INSN_NO_REG)
		gpr[insn->base] = rest;
	else if (insn->index != INSN_NO_REG)
		gpr[insn->index] = rest >> insn->scale;
	else
		patch(bytes, insn->len, insn->ad_bytes == 2 ? 2 : 4, (u32)insn->disp,
		      insn->flags & INSN_RIP_REL ? ea - rip - insn->len : ea);
}
