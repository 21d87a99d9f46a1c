// SPDX-License-Identifier: GPL-2.0
/*
 * The instruction decoder: bytes in, struct emu_insn out. What an opcode is stands in table_*.c;
 * here are the rules around the opcode: prefixes, ModRM and SIB, operand and address sizes,
 * immediates, and what VEX, EVEX and XOP change.
 *
 * Two rules where the manuals leave room: near branches ignore an operand-size prefix in 64-bit
 * mode, and an unused combination of vector encodings has a length but no name. The executor
 * refuses the latter.
 */
#include "execute.h"
#include "table.h"

/*
 * Where the decoder stands. It can read beyond the last byte, so it looks only once whether it has:
 * when it is done.
 */
struct cursor {
	const u8 *p;
	u32 prefixes;	/* P_*; the low half becomes insn->flags */
	unsigned int modrm;	/* as insn->modrm: a local copy stays in a register */
};

/* What the width of the code segment decides. */
struct mode_rules {
	const struct insn_prefix *prefixes;
	u32 refused;		/* row flags that mean no instruction; F_VALID: if missing */
	u32 rip_rel;		/* disp32 alone is relative to RIP */
	u8 group;		/* index into a group by mode */
	u8 ad_bytes[2];		/* by 67 */
	u8 op_bytes[4];		/* by REX.W (1) and 66 (2) */
};
static const struct mode_rules rules_16 = {
	.prefixes = insn_prefixes[LEGACY], .refused = F_VALID | F_O64, .group = LEGACY,
	.ad_bytes = { 2, 4 }, .op_bytes = { 2, 2, 4, 4 },
};
static const struct mode_rules rules_32 = {
	.prefixes = insn_prefixes[LEGACY], .refused = F_VALID | F_O64, .group = LEGACY,
	.ad_bytes = { 4, 2 }, .op_bytes = { 4, 4, 2, 2 },
};
static const struct mode_rules rules_64 = {
	.prefixes = insn_prefixes[LONG], .refused = F_VALID | F_I64, .group = LONG,
	.rip_rel = INSN_RIP_REL, .ad_bytes = { 8, 4 }, .op_bytes = { 4, 8, 2, 8 },
};
static const struct mode_rules *const mode_rules[3] = {
	[EMU_MODE_16] = &rules_16, [EMU_MODE_32] = &rules_32, [EMU_MODE_64] = &rules_64,
};

/* REX.R, X and B are the fourth bit of a register's number. */
static inline u8 rex_r(const struct cursor *cur)
{
	return cur->prefixes >> (P_REX_R_SHIFT - 3) & 8;
}

static inline u8 rex_x(const struct cursor *cur)
{
	return cur->prefixes >> (P_REX_X_SHIFT - 3) & 8;
}

static inline u8 rex_b(const struct cursor *cur)
{
	return cur->prefixes >> (P_REX_B_SHIFT - 3) & 8;
}

/* Little-endian, as is every machine that runs this: the compiler makes one load of each. */
static inline u16 get16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static inline u32 get32(const u8 *p)
{
	return (u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
}

/* Take a sign-extended little-endian value of 1 to 8 bytes: one load, whatever the size. */
static inline s64 take_signed(struct cursor *cur, unsigned int size)
{
	unsigned int shift = 64 - size * 8;
	u64 v;

	__builtin_memcpy(&v, cur->p, sizeof(v));
	cur->p += size;
	return (s64)(v << shift) >> shift;
}

/* 16-bit addressing: base and index for each ModRM.rm. */
static const u8 base16[8] = {
	INSN_RBX, INSN_RBX, INSN_RBP, INSN_RBP, INSN_RSI, INSN_RDI, INSN_RBP, INSN_RBX,
};
static const u8 index16[8] = {
	INSN_RSI, INSN_RDI, INSN_RSI, INSN_RDI, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG,
};

/* Take what follows a ModRM byte that names memory: SIB and displacement. */
static inline void take_mem(struct emu_insn *insn, struct cursor *cur,
			    const struct mode_rules *rules)
{
	unsigned int rm = cur->modrm & 7, disp = cur->modrm >> 6;
	u8 base = INSN_NO_REG;

	if (insn->ad_bytes == 2) {
		if (rm == 6 && !disp) {
			disp = 2;
		} else {
			base = base16[rm];
			insn->index = index16[rm];
		}
	} else {
		u32 rip_rel = rules->rip_rel;

		if (rm == 4) {
			u8 sib = *cur->p++;
			u8 index = (sib >> 3 & 7) | rex_x(cur);

			cur->prefixes |= INSN_SIB;
			insn->scale = sib >> 6;
			insn->index = index == INSN_RSP ? INSN_NO_REG : index;
			rm = sib & 7;
			rip_rel = 0;
		}
		if (rm == 5 && !disp) {
			disp = 4;
			cur->prefixes |= rip_rel;
		} else {
			disp += disp & 2;	/* 2 stands for four bytes */
			base = rm | rex_b(cur);
		}
	}
	insn->base = base;
	/* BP and SP as base choose the stack segment where no prefix chooses another. */
	if ((base & ~1) == INSN_RSP && !(cur->prefixes & INSN_SEG_PREFIX))
		insn->seg = INSN_SEG_SS;
	if (!disp)
		return;
	if (disp == 1)
		insn->disp = (s8)*cur->p;
	else
		insn->disp = disp == 4 ? (s32)get32(cur->p) : (s16)get16(cur->p);
	cur->p += disp;
}

/* Take the ModRM byte: mod and reg. What rm means comes later, when the row is known. */
static inline void take_modrm(struct emu_insn *insn, struct cursor *cur)
{
	unsigned int modrm = *cur->p++;

	cur->modrm = modrm;
	cur->prefixes |= INSN_MODRM;
	insn->modrm = modrm;
	insn->mod = modrm >> 6;
	insn->reg = (modrm >> 3 & 7) | rex_r(cur);
}

/* The index into a group by mandatory prefix: F2 and F3 go before 66. */
static inline unsigned int mandatory_prefix(u32 prefixes)
{
	static const u8 by_prefix[8] = { NP, P66, PF3, PF3, PF2, PF2, PF2, PF2 };

	return by_prefix[prefixes / INSN_OPSIZE & 7];
}

static inline const struct insn_row *in_group(const struct insn_row *row, u32 by,
					      unsigned int modrm, u32 prefixes,
					      const struct mode_rules *rules)
{
	if (by == F_BY_REG)
		return &row->sub[modrm >> 3 & 7];
	if (by == F_BY_PFX)
		return &row->sub[mandatory_prefix(prefixes)];
	if (by == F_BY_MODE)
		return &row->sub[rules->group];
	if (by == F_BY_MOD)
		return &row->sub[modrm >= 0xc0 ? REG : MEM];
	return &row->sub[modrm & 7];	/* F_BY_RM */
}

/* A group in a group: rare, and so out of the way. */
static noinline const struct insn_row *in_groups(const struct insn_row *row, unsigned int modrm,
						 u32 prefixes, const struct mode_rules *rules)
{
	while (row->flags & F_BY_MASK)
		row = in_group(row, row->flags & F_BY_MASK, modrm, prefixes, rules);
	return row;
}

/* Go from a row that stands for a group to the row in it. */
static inline const struct insn_row *resolve_group(const struct cursor *cur,
						   const struct insn_row *row, u32 flags,
						   const struct mode_rules *rules)
{
	row = in_group(row, flags & F_BY_MASK, cur->modrm, cur->prefixes, rules);
	if (row->flags & F_BY_MASK)
		row = in_groups(row, cur->modrm, cur->prefixes, rules);
	return row;
}

static inline u8 operand_size(u32 row_flags, u32 prefixes, const struct mode_rules *rules)
{
	if (row_flags & (F_BYTE | F_Y | F_F64 | F_D64)) {
		if (row_flags & F_BYTE)
			return 1;
		if (row_flags & F_Y)
			return prefixes & INSN_REX_W ? 8 : 4;
		if (rules->group == LONG && (row_flags & F_F64 || !(prefixes & INSN_OPSIZE)))
			return 8;
	}
	return rules->op_bytes[prefixes / INSN_REX_W & 3];
}

/* Bytes of an immediate by its kind and the operand size; 0 is for take_odd_imm(). */
#define IMM_SIZES(kind, n1, n2, n4, n8)						\
	[(kind) >> IMM_INDEX | 1] = n1, [(kind) >> IMM_INDEX | 2] = n2,		\
	[(kind) >> IMM_INDEX | 4] = n4, [(kind) >> IMM_INDEX | 8] = n8
#define IMM_INDEX (F_IMM_SHIFT - 4)
static const u8 imm_sizes[256] = {
	IMM_SIZES(F_IMM_B, 1, 1, 1, 1),
	IMM_SIZES(F_IMM_W, 2, 2, 2, 2),
	IMM_SIZES(F_IMM_Z, 1, 2, 4, 4),
	IMM_SIZES(F_IMM_V, 1, 2, 4, 8),
	IMM_SIZES(F_IMM_D, 4, 4, 4, 4),
};

/*
 * The immediates that are more than one sign-extended number of the operand's size. The cursor
 * comes and goes by value, so that the caller can keep its own in registers.
 */
static noinline const u8 *take_odd_imm(struct emu_insn *insn, const u8 *p, u32 kind)
{
	struct cursor cur = { .p = p };

	switch (kind) {
	case F_IMM_O:
		insn->imm = take_signed(&cur, insn->ad_bytes) & size_mask(insn->ad_bytes);
		break;
	case F_IMM_FAR:
		insn->imm = take_signed(&cur, insn->op_bytes) & size_mask(insn->op_bytes);
		insn->imm2 = take_signed(&cur, 2);
		break;
	case F_IMM_WB:
		insn->imm = (u16)take_signed(&cur, 2);
		insn->imm2 = (u8)take_signed(&cur, 1);
		break;
	default:	/* F_IMM_BB */
		insn->imm = (u8)take_signed(&cur, 1);
		insn->imm2 = (u8)take_signed(&cur, 1);
		break;
	}
	return cur.p;
}

static inline void take_imm(struct emu_insn *insn, struct cursor *cur, u32 kind)
{
	unsigned int size = imm_sizes[kind >> IMM_INDEX | insn->op_bytes];

	if (size)
		insn->imm = take_signed(cur, size);
	else
		cur->p = take_odd_imm(insn, cur->p, kind);
}

#define F_RULES (F_PFX_MASK | F_I64 | F_O64 | F_MEM | F_REG)

/*
 * The rules of the row: is this an instruction with these prefixes, in this mode, on this operand?
 */
static inline bool row_allowed(const struct cursor *cur, u32 f, const struct mode_rules *rules)
{
	bool is_reg = cur->modrm >= 0xc0;

	if ((f & (F_VALID | F_RULES)) == F_VALID && !(cur->prefixes & INSN_LOCK))
		return true;
	/* F_VALID is the one flag that must be there, so it is turned round. */
	if ((f ^ F_VALID) & (rules->refused | (is_reg ? F_MEM : F_REG)))
		return false;
	if (f & F_PFX_MASK && !(f & F_NP << mandatory_prefix(cur->prefixes)))
		return false;
	return !(cur->prefixes & INSN_LOCK) || (f & F_LOCK && (f & F_NOMOD || !is_reg));
}

/* CR0, CR2 to CR4 and CR8 exist; DR0 to DR7 do. */
static bool cr_dr_exists(struct emu_insn *insn, u32 prefixes)
{
	if (insn->op == INSN_MOV_FROM_DR || insn->op == INSN_MOV_TO_DR)
		return insn->reg < 8;
	if (prefixes & INSN_LOCK)
		insn->reg |= 8;
	return 0x11d >> insn->reg & 1;
}

/* Take the prefixes and the byte that ends them, which is returned. */
static inline unsigned long take_prefixes(struct emu_insn *insn, struct cursor *cur,
					  const struct mode_rules *rules)
{
	const struct insn_prefix *const table = rules->prefixes;
	u32 prefixes = P_NONE;
	const u8 *p = cur->p;
	u8 b;

	while (table[*p].set) {
		prefixes &= table[*p].keep;
		prefixes |= table[*p].set;
		p++;
	}
	b = *p;
	cur->p = p + 1;
	cur->prefixes = prefixes;
	insn->opcode = b;
	insn->seg = prefixes >> P_SEG_SHIFT;
	insn->ad_bytes = rules->ad_bytes[prefixes / INSN_ADSIZE & 1];
	return b;
}

/* VEX, EVEX and XOP put REX, the mandatory prefix and the map into their payload. */
static void apply_vex(struct emu_insn *insn, struct cursor *cur, u8 inverted_rxb, u8 map,
		      u8 w_vvvv_l_pp)
{
	static const u32 pp_prefixes[4] = { 0, INSN_OPSIZE, INSN_REP, INSN_REPNE };

	cur->prefixes |= (~inverted_rxb & 0x80 ? P_REX_R : 0) |
			 (~inverted_rxb & 0x40 ? P_REX_X : 0) |
			 (~inverted_rxb & 0x20 ? P_REX_B : 0) |
			 (w_vvvv_l_pp & 0x80 ? INSN_REX_W : 0) | pp_prefixes[w_vvvv_l_pp & 3];
	insn->map = map;
	insn->vvvv = ~w_vvvv_l_pp >> 3 & 15;
}

/* Read the payload of the VEX, EVEX or XOP prefix that begins with @escape, up to the opcode. */
static bool take_vex_prefix(struct emu_insn *insn, struct cursor *cur, u8 escape)
{
	const u8 *p = cur->p;

	switch (escape) {
	case 0xc5:
		apply_vex(insn, cur, p[0] | 0x60, INSN_MAP_0F, p[0] & 0x7f);
		insn->vl = p[0] >> 2 & 1;
		cur->prefixes |= INSN_VEX;
		cur->p += 1;
		return true;
	case 0x62:
		cur->p += 3;
		if (p[0] & 8 || !(p[1] & 4))
			return false;
		apply_vex(insn, cur, p[0], p[0] & 7, p[1]);
		insn->vl = p[2] >> 5 & 3;
		cur->prefixes |= INSN_EVEX;
		/* Maps 5 and 6 are AVX512-FP16. */
		return 0x6e >> insn->map & 1;
	default:
		apply_vex(insn, cur, p[0], p[0] & 0x1f, p[1]);
		insn->vl = p[1] >> 2 & 1;
		cur->p += 2;
		if (escape == 0x8f) {
			cur->prefixes |= INSN_XOP;
			return insn->map >= 8 && insn->map <= 10;
		}
		cur->prefixes |= INSN_VEX;
		return insn->map >= 1 && insn->map <= 3;
	}
}

/*
 * The row of an instruction with VEX, EVEX or XOP. Moves that are executed have theirs in the
 * legacy tables. Everything else only has a length: which immediate there is follows from the map,
 * in map 1 from the opcode.
 */
static const struct insn_row *vex_row(const struct emu_insn *insn, const struct cursor *cur,
				      const struct mode_rules *rules)
{
	static const struct insn_row no_imm = X(E, _, 0), imm_b = X(E, Ib, 0);
	static const struct insn_row imm_d = { .flags = F_VALID | F_MODRM | F_IMM_D };
	const struct insn_row *row;

	if (cur->prefixes & INSN_VEX && insn->map <= INSN_MAP_0F38 && !insn->vvvv) {
		row = insn->map == INSN_MAP_0F ? &insn_table_0f[insn->opcode] :
						 &insn_table_0f38[insn->opcode];
		row = in_groups(row, cur->modrm, cur->prefixes, rules);
		if (row->flags & F_VEX && row_allowed(cur, row->flags, rules))
			return row;
	}
	switch (insn->map) {
	case INSN_MAP_0F:
		/* Shuffles and shifts by an immediate; comparison; PINSRW, PEXTRW, SHUFPS. */
		if ((insn->opcode & 0xfc) == 0x70 || insn->opcode == 0xc2 ||
		    (insn->opcode >= 0xc4 && insn->opcode <= 0xc6))
			return &imm_b;
		return &no_imm;
	case INSN_MAP_0F3A:
	case 8:
		return &imm_b;
	case 10:
		return &imm_d;
	default:
		return &no_imm;
	}
}

/* As much of a cursor as fits into the registers of a function's result. */
struct vex_result {
	const u8 *p;
	u32 prefixes;
};

/* From the prefix to the ModRM byte and the row, which is NULL if there is none. */
static noinline struct vex_result decode_vex(struct emu_insn *insn, const u8 *p, u32 prefixes,
					     const struct mode_rules *rules)
{
	static const struct insn_row vzeroupper = X(_, _, 0);
	struct cursor cur = { .p = p, .prefixes = prefixes };

	insn->row = NULL;
	/* None of the prefixes that VEX contains may stand before it. */
	if (!(prefixes & (INSN_LOCK | INSN_OPSIZE | INSN_REP | INSN_REPNE | P_REX)) &&
	    take_vex_prefix(insn, &cur, insn->opcode)) {
		if (rules->group == LEGACY)
			cur.prefixes &= ~P_REX;
		insn->opcode = *cur.p++;
		/* VZEROUPPER and VZEROALL alone have no ModRM byte. */
		if (insn->map == INSN_MAP_0F && insn->opcode == 0x77 && cur.prefixes & INSN_VEX) {
			insn->row = &vzeroupper;
		} else {
			take_modrm(insn, &cur);
			insn->row = vex_row(insn, &cur, rules);
		}
	}
	return (struct vex_result){ cur.p, cur.prefixes };
}

/* C4, C5, 62 and 8F are legacy instructions unless the next byte cannot be theirs. */
static inline bool is_vex(const struct cursor *cur, unsigned int b, const struct mode_rules *rules)
{
	if (b == 0x8f)
		return (*cur->p & 0x1f) >= 8;
	return rules->group == LONG || *cur->p >= 0xc0;
}

/* Follow 0F, 0F 38 and 0F 3A to the opcode byte and its row. */
static inline const struct insn_row *take_0f_opcode(struct emu_insn *insn, struct cursor *cur)
{
	u8 b = *cur->p++;

	if ((b & ~2) != 0x38) {
		insn->map = INSN_MAP_0F;
		insn->opcode = b;
		return &insn_table_0f[b];
	}
	insn->opcode = *cur->p++;
	if (b == 0x38) {
		insn->map = INSN_MAP_0F38;
		return &insn_table_0f38[insn->opcode];
	}
	insn->map = INSN_MAP_0F3A;
	return &insn_table_0f3a[insn->opcode];
}

/* From the row and the ModRM byte to the end of the instruction. */
static inline int decode_operands(struct emu_insn *insn, struct cursor *cur,
				  const struct insn_row *row, const struct mode_rules *rules)
{
	u32 f = row->flags;

	insn->row = row;
	insn->op = row->op;
	insn->op_bytes = operand_size(f, cur->prefixes, rules);
	if (f & F_MODRM) {
		if (cur->modrm < 0xc0 && !(f & F_NOMOD)) {
			take_mem(insn, cur, rules);
		} else {
			insn->rm = (cur->modrm & 7) | rex_b(cur);
			if (f & F_NOMOD && !cr_dr_exists(insn, cur->prefixes))
				return -EMU_UD;
		}
	} else if (f & F_OPREG) {
		insn->reg = (insn->opcode & 7) | rex_b(cur);
	}
	if (f & F_IMM_MASK)
		take_imm(insn, cur, f & F_IMM_MASK);
	return 0;
}

/* Everything but the end: 0 or -EMU_UD. */
static inline int decode(struct emu_insn *insn, struct cursor *cur,
			 const struct mode_rules *rules)
{
	unsigned long b = take_prefixes(insn, cur, rules);
	const struct insn_row *row = &insn_table_1byte[b];
	u32 f = row->flags;

	if (f & F_ESCAPE) {
		if (b == 0x0f) {
			row = take_0f_opcode(insn, cur);
			f = row->flags;
		} else if (is_vex(cur, b, rules)) {
			struct vex_result vex = decode_vex(insn, cur->p, cur->prefixes, rules);

			cur->p = vex.p;
			cur->prefixes = vex.prefixes;
			cur->modrm = insn->modrm;
			row = insn->row;
			if (!row)
				return -EMU_UD;
			goto operands;
		}
	}
	if (f & F_MODRM)
		take_modrm(insn, cur);
	if (f & F_BY_MASK)
		row = resolve_group(cur, row, f, rules);
	if (!row_allowed(cur, row->flags, rules))
		return -EMU_UD;
operands:
	return decode_operands(insn, cur, row, rules);
}

int emu_decode_buffer(struct emu_insn *insn, u8 *buf, unsigned int n, enum emu_mode mode)
{
	u8 *end = buf + (n < INSN_MAX_LEN ? n : INSN_MAX_LEN);
	struct cursor cur = { buf, 0, 0 };
	int ret;

	/* No prefix: the search for their end needs no limit. */
	*end = 0;
	/* All at once, whether it is overwritten or not: the compiler makes few stores of it. */
	insn->imm = 0;
	insn->disp = 0;
	insn->imm2 = 0;
	insn->flags = 0;
	insn->len = insn->op = insn->opcode = insn->map = 0;
	insn->modrm = insn->mod = insn->reg = insn->rm = 0;
	insn->base = insn->index = INSN_NO_REG;
	insn->seg = insn->scale = insn->ad_bytes = insn->op_bytes = 0;
	insn->vvvv = insn->vl = 0;
	insn->mode = mode;
	ret = decode(insn, &cur, mode_rules[mode]);
	insn->flags = cur.prefixes;
	insn->len = cur.p - buf;
	if (cur.p <= end && !ret)
		return 0;
	insn->len = 0;
	if (cur.p <= end)
		return ret;
	/* What was taken from behind the end means nothing, whatever it looked like. */
	return n < INSN_MAX_LEN ? -EMU_TRUNCATED : -EMU_TOO_LONG;
}

int emu_decode(struct emu_insn *insn, const u8 *bytes, unsigned int n, enum emu_mode mode)
{
	u8 buf[INSN_BUFFER] = { 0 };

	if (n >= INSN_MAX_LEN)
		__builtin_memcpy(buf, bytes, INSN_MAX_LEN);
	else
		for (unsigned int i = 0; i < n; i++)
			buf[i] = bytes[i];
	return emu_decode_buffer(insn, buf, n, mode);
}
