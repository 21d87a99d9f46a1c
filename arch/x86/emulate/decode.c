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
#include "emulate.h"
#include "table.h"

/* Where the decoder stands; end is at most 15 bytes after the first byte. */
struct cursor {
	const u8 *p;
	const u8 *end;
};

/* Internal: out of bytes. Becomes EMU_TRUNCATED or EMU_TOO_LONG in the end. */
#define SHORT_OF_BYTES 1

#define REX_B 0x1
#define REX_X 0x2
#define REX_R 0x4
#define REX_W 0x8

static inline bool have(const struct cursor *cur, unsigned int n)
{
	return cur->end - cur->p >= (long)n;
}

/* REX.R, X and B are the fourth bit of a register's number. */
static inline u8 rex_r(u8 rex)
{
	return (rex & REX_R) << 1;
}

static inline u8 rex_x(u8 rex)
{
	return (rex & REX_X) << 2;
}

static inline u8 rex_b(u8 rex)
{
	return (rex & REX_B) << 3;
}

/*
 * Little-endian reads: the compiler makes one load of each. The caller has checked that the bytes
 * are there.
 */
static inline u16 get16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static inline u32 get32(const u8 *p)
{
	return (u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
}

/* Sign-extended little-endian value of 1, 2, 4 or 8 bytes. */
static inline bool take_signed(struct cursor *cur, unsigned int size, u64 *v)
{
	const u8 *p = cur->p;

	if (!have(cur, size))
		return false;
	cur->p += size;
	switch (size) {
	case 1:
		*v = (s64)(s8)p[0];
		break;
	case 2:
		*v = (s64)(s16)get16(p);
		break;
	case 4:
		*v = (s64)(s32)get32(p);
		break;
	default:
		*v = get32(p) | (u64)get32(p + 4) << 32;
		break;
	}
	return true;
}

/* 16-bit addressing: base and index for each ModRM.rm. */
static const u8 base16[8] = {
	INSN_RBX, INSN_RBX, INSN_RBP, INSN_RBP, INSN_RSI, INSN_RDI, INSN_RBP, INSN_RBX,
};
static const u8 index16[8] = {
	INSN_RSI, INSN_RDI, INSN_RSI, INSN_RDI, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG,
};

/*
 * Take the displacement, and let BP and SP as base choose the stack segment where no prefix chooses
 * another.
 */
static inline int finish_mem(struct emu_insn *insn, struct cursor *cur, unsigned int disp)
{
	const u8 *p = cur->p;

	if ((insn->base & ~1) == INSN_RSP && !(insn->flags & INSN_SEG_PREFIX))
		insn->seg = INSN_SEG_SS;
	if (!disp)
		return 0;
	if (!have(cur, disp))
		return SHORT_OF_BYTES;
	cur->p += disp;
	if (disp == 1)
		insn->disp = (s8)p[0];
	else
		insn->disp = disp == 2 ? (s16)get16(p) : (s32)get32(p);
	return 0;
}

static int decode_mem16(struct emu_insn *insn, struct cursor *cur)
{
	unsigned int rm = insn->modrm & 7;

	if (insn->mod == 0 && rm == 6)
		return finish_mem(insn, cur, 2);
	insn->base = base16[rm];
	insn->index = index16[rm];
	return finish_mem(insn, cur, insn->mod);
}

static int decode_mem(struct emu_insn *insn, struct cursor *cur, u8 rex, enum emu_mode mode)
{
	unsigned int rm = insn->modrm & 7;
	unsigned int disp = insn->mod == 2 ? 4 : insn->mod;

	if (rm == 4) {
		u8 sib;

		if (!have(cur, 1))
			return SHORT_OF_BYTES;
		sib = *cur->p++;
		insn->flags |= INSN_SIB;
		insn->scale = sib >> 6;
		insn->index = (sib >> 3 & 7) | rex_x(rex);
		if (insn->index == INSN_RSP)
			insn->index = INSN_NO_REG;
		rm = sib & 7;
		if (insn->mod == 0 && rm == 5)
			disp = 4;
		else
			insn->base = rm | rex_b(rex);
	} else if (insn->mod == 0 && rm == 5) {
		disp = 4;
		if (mode == EMU_MODE_64)
			insn->flags |= INSN_RIP_REL;
	} else {
		insn->base = rm | rex_b(rex);
	}
	return finish_mem(insn, cur, disp);
}

/* Read the ModRM byte: mod, reg and rm. What follows it comes later, when the row is known. */
static inline bool take_modrm(struct emu_insn *insn, struct cursor *cur, u8 rex)
{
	u8 modrm;

	if (!have(cur, 1))
		return false;
	modrm = *cur->p++;
	insn->flags |= INSN_MODRM;
	insn->modrm = modrm;
	insn->mod = modrm >> 6;
	insn->reg = (modrm >> 3 & 7) | rex_r(rex);
	insn->rm = (modrm & 7) | rex_b(rex);
	return true;
}

static inline unsigned int mandatory_prefix(const struct emu_insn *insn)
{
	if (insn->rep)
		return insn->rep == 0xf3 ? PF3 : PF2;
	return insn->flags & INSN_OPSIZE ? P66 : NP;
}

/* Go from a row that stands for a group to the row in it. */
static const struct insn_row *resolve_group(const struct emu_insn *insn, const struct insn_row *row,
					    enum emu_mode mode)
{
	while (row->flags & F_BY_MASK) {
		unsigned int i;

		switch (row->flags & F_BY_MASK) {
		case F_BY_REG:
			i = insn->modrm >> 3 & 7;
			break;
		case F_BY_MOD:
			i = insn->mod == 3 ? REG : MEM;
			break;
		case F_BY_RM:
			i = insn->modrm & 7;
			break;
		case F_BY_PFX:
			i = mandatory_prefix(insn);
			break;
		default:
			i = mode == EMU_MODE_64 ? LONG : LEGACY;
			break;
		}
		row = &row->sub[i];
	}
	return row;
}

/* Operand sizes by mode, and REX.W (1) and 66 (2); address sizes by mode and 67. */
static const u8 operand_sizes[3][4] = {
	[EMU_MODE_16] = { 2, 2, 4, 4 },
	[EMU_MODE_32] = { 4, 4, 2, 2 },
	[EMU_MODE_64] = { 4, 8, 2, 8 },
};
static const u8 address_sizes[3][2] = {
	[EMU_MODE_16] = { 2, 4 }, [EMU_MODE_32] = { 4, 2 }, [EMU_MODE_64] = { 8, 4 },
};

static inline u8 operand_size(u32 row_flags, u16 flags, enum emu_mode mode)
{
	if (row_flags & (F_BYTE | F_Y | F_F64 | F_D64)) {
		if (row_flags & F_BYTE)
			return 1;
		if (row_flags & F_Y)
			return flags & INSN_REX_W ? 8 : 4;
		if (mode == EMU_MODE_64 && (row_flags & F_F64 || !(flags & INSN_OPSIZE)))
			return 8;
	}
	return operand_sizes[mode][flags / INSN_REX_W & 3];
}

static inline u8 address_size(u16 flags, enum emu_mode mode)
{
	return address_sizes[mode][flags / INSN_ADSIZE & 1];
}

/* The immediates that are more than one sign-extended number. */
static int decode_odd_imm(struct emu_insn *insn, struct cursor *cur, u32 kind)
{
	unsigned int first, second;
	u64 v;

	switch (kind) {
	case F_IMM_FAR:
		first = insn->op_bytes;
		second = 2;
		break;
	case F_IMM_WB:
		first = 2;
		second = 1;
		break;
	default:	/* F_IMM_BB */
		first = 1;
		second = 1;
		break;
	}
	if (!take_signed(cur, first, &insn->imm) || !take_signed(cur, second, &v))
		return SHORT_OF_BYTES;
	if (kind == F_IMM_FAR && first == 4)
		insn->imm = (u32)insn->imm;
	else
		insn->imm = (u16)insn->imm;
	insn->imm2 = second == 2 ? (u16)v : (u8)v;
	return 0;
}

static int decode_imm(struct emu_insn *insn, struct cursor *cur, u32 kind, enum emu_mode mode)
{
	unsigned int size;

	switch (kind) {
	case F_IMM_B:
		size = 1;
		break;
	case F_IMM_W:
		size = 2;
		break;
	case F_IMM_Z:
		size = insn->op_bytes == 8 ? 4 : insn->op_bytes;
		break;
	case F_IMM_V:
		size = insn->op_bytes;
		break;
	case F_IMM_J:
		size = mode == EMU_MODE_64 ? 4 : insn->op_bytes;
		break;
	case F_IMM_D:
		size = 4;
		break;
	case F_IMM_O:
		size = insn->ad_bytes;
		break;
	default:
		return decode_odd_imm(insn, cur, kind);
	}
	if (!take_signed(cur, size, &insn->imm))
		return SHORT_OF_BYTES;
	if (kind == F_IMM_O && size < 8)
		insn->imm &= (1ull << size * 8) - 1;
	return 0;
}

#define F_RULES (F_PFX_MASK | F_I64 | F_O64 | F_MEM | F_REG)

/*
 * The rules of the row: is this an instruction with these prefixes, in this mode, on this operand?
 */
static bool rules_kept(const struct emu_insn *insn, u32 f, enum emu_mode mode)
{
	if (f & F_PFX_MASK && !(f & F_NP << mandatory_prefix(insn)))
		return false;
	if (f & (mode == EMU_MODE_64 ? F_I64 : F_O64))
		return false;
	if (!(f & F_NOMOD) && f & (insn->mod == 3 ? F_MEM : F_REG))
		return false;
	return !(insn->flags & INSN_LOCK) || (f & F_LOCK && (f & F_NOMOD || insn_has_mem(insn)));
}

static inline bool row_allowed(const struct emu_insn *insn, u32 f, enum emu_mode mode)
{
	if (!(f & F_VALID))
		return false;
	return !(f & F_RULES || insn->flags & INSN_LOCK) || rules_kept(insn, f, mode);
}

/* CR0, CR2 to CR4 and CR8 exist; DR0 to DR7 do. */
static bool cr_dr_exists(struct emu_insn *insn)
{
	if (insn->op == INSN_MOV_FROM_DR || insn->op == INSN_MOV_TO_DR)
		return insn->reg < 8;
	if (insn->flags & INSN_LOCK)
		insn->reg |= 8;
	return 0x11d >> insn->reg & 1;
}

/*
 * Take the prefixes that begin with the byte before the cursor. What they say goes into @insn, the
 * payload of REX into @rex, and the byte that ends them into @b.
 */
static int decode_prefixes(struct emu_insn *insn, struct cursor *cur, u8 *b, u8 *rex,
			   enum emu_mode mode)
{
	do {
		/* Only the last prefix can be REX: another one after it cancels it. */
		*rex = 0;
		switch (*b) {
		case 0x40 ... 0x4f:
			if (mode != EMU_MODE_64)
				return 0;
			*rex = *b;
			break;
		case 0x66:
			insn->flags |= INSN_OPSIZE;
			break;
		case 0x67:
			insn->flags |= INSN_ADSIZE;
			break;
		case 0xf0:
			insn->flags |= INSN_LOCK;
			break;
		case 0xf2:
		case 0xf3:
			insn->rep = *b;
			break;
		case 0x64:
		case 0x65:
			insn->seg = *b & 7;
			insn->flags |= INSN_SEG_PREFIX;
			break;
		default:	/* 26, 2e, 36, 3e */
			if (mode == EMU_MODE_64)
				break;
			insn->seg = *b >> 3 & 3;
			insn->flags |= INSN_SEG_PREFIX;
			break;
		}
		if (!have(cur, 1))
			return SHORT_OF_BYTES;
		*b = *cur->p++;
	} while (insn_table_1byte[*b].flags & F_PREFIX);
	if (*rex)
		insn->flags |= INSN_REX | (*rex & REX_W ? INSN_REX_W : 0);
	return 0;
}

/* VEX, EVEX and XOP put REX, the mandatory prefix and the map into their payload. */
static void apply_vex(struct emu_insn *insn, u8 *rex, u8 inverted_rxb, u8 map, u8 w_vvvv_l_pp)
{
	static const u16 pp_flags[4] = { 0, INSN_OPSIZE, 0, 0 };
	static const u8 pp_rep[4] = { 0, 0, 0xf3, 0xf2 };

	*rex = ~inverted_rxb >> 5 & (REX_R | REX_X | REX_B);
	insn->map = map;
	insn->vvvv = ~w_vvvv_l_pp >> 3 & 15;
	insn->flags |= pp_flags[w_vvvv_l_pp & 3];
	insn->rep = pp_rep[w_vvvv_l_pp & 3];
	if (w_vvvv_l_pp & 0x80)
		insn->flags |= INSN_REX_W;
}

/* Read the payload of the VEX, EVEX or XOP prefix that begins with @escape, up to the opcode. */
static int decode_vex_prefix(struct emu_insn *insn, struct cursor *cur, u8 escape, u8 *rex)
{
	const u8 *p = cur->p;

	switch (escape) {
	case 0xc5:
		if (!have(cur, 1))
			return SHORT_OF_BYTES;
		apply_vex(insn, rex, p[0] | 0x60, INSN_MAP_0F, p[0] & 0x7f);
		insn->vl = p[0] >> 2 & 1;
		insn->flags |= INSN_VEX;
		cur->p += 1;
		return 0;
	case 0x62:
		if (!have(cur, 3))
			return SHORT_OF_BYTES;
		if (p[0] & 8 || !(p[1] & 4))
			return -EMU_UD;
		apply_vex(insn, rex, p[0], p[0] & 7, p[1]);
		insn->vl = p[2] >> 5 & 3;
		insn->flags |= INSN_EVEX;
		cur->p += 3;
		/* Maps 5 and 6 are AVX512-FP16. */
		return 0x6e >> insn->map & 1 ? 0 : -EMU_UD;
	default:
		if (!have(cur, 2))
			return SHORT_OF_BYTES;
		apply_vex(insn, rex, p[0], p[0] & 0x1f, p[1]);
		insn->vl = p[1] >> 2 & 1;
		cur->p += 2;
		if (escape == 0x8f) {
			insn->flags |= INSN_XOP;
			return insn->map >= 8 && insn->map <= 10 ? 0 : -EMU_UD;
		}
		insn->flags |= INSN_VEX;
		return insn->map >= 1 && insn->map <= 3 ? 0 : -EMU_UD;
	}
}

/*
 * The row of an instruction with VEX, EVEX or XOP. Moves that are executed have theirs in the
 * legacy tables. Everything else only has a length: which immediate there is follows from the map,
 * in map 1 from the opcode.
 */
static const struct insn_row *vex_row(const struct emu_insn *insn, enum emu_mode mode)
{
	static const struct insn_row no_imm = X(E, _, 0), imm_b = X(E, Ib, 0);
	static const struct insn_row imm_d = { .flags = F_VALID | F_MODRM | F_IMM_D };
	const struct insn_row *row;

	if (insn->flags & INSN_VEX && insn->map <= INSN_MAP_0F38 && !insn->vvvv) {
		row = insn->map == INSN_MAP_0F ? &insn_table_0f[insn->opcode] :
						 &insn_table_0f38[insn->opcode];
		row = resolve_group(insn, row, mode);
		if (row->flags & F_VEX && row_allowed(insn, row->flags, mode))
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

/* From the prefix to the ModRM byte. */
static int decode_vex(struct emu_insn *insn, struct cursor *cur, u8 *rex,
		      const struct insn_row **row, enum emu_mode mode)
{
	static const struct insn_row vzeroupper = X(_, _, 0);
	int ret;

	/* None of the prefixes that VEX contains may stand before it. */
	if (insn->flags & (INSN_LOCK | INSN_OPSIZE | INSN_REX) || insn->rep)
		return -EMU_UD;
	ret = decode_vex_prefix(insn, cur, insn->opcode, rex);
	if (ret)
		return ret;
	if (mode != EMU_MODE_64) {
		*rex = 0;
		insn->flags &= ~INSN_REX_W;
	}
	if (!have(cur, 1))
		return SHORT_OF_BYTES;
	insn->opcode = *cur->p++;
	/* VZEROUPPER and VZEROALL alone have no ModRM byte. */
	if (insn->map == INSN_MAP_0F && insn->opcode == 0x77 && insn->flags & INSN_VEX) {
		*row = &vzeroupper;
		return 0;
	}
	if (!take_modrm(insn, cur, *rex))
		return SHORT_OF_BYTES;
	*row = vex_row(insn, mode);
	return 0;
}

/* C4, C5, 62 and 8F are legacy instructions unless the next byte cannot be theirs. */
static bool is_vex(const struct cursor *cur, u8 b, enum emu_mode mode)
{
	if (b == 0x8f)
		return (*cur->p & 0x1f) >= 8;
	return mode == EMU_MODE_64 || *cur->p >= 0xc0;
}

/* Follow 0F, 0F 38 and 0F 3A to the opcode byte and its row. There is one byte more. */
static const struct insn_row *take_0f_opcode(struct emu_insn *insn, struct cursor *cur)
{
	u8 b = *cur->p++;

	if (b != 0x38 && b != 0x3a) {
		insn->map = INSN_MAP_0F;
		insn->opcode = b;
		return &insn_table_0f[b];
	}
	insn->map = b == 0x38 ? INSN_MAP_0F38 : INSN_MAP_0F3A;
	if (!have(cur, 1))
		return NULL;
	insn->opcode = *cur->p++;
	return b == 0x38 ? &insn_table_0f38[insn->opcode] : &insn_table_0f3a[insn->opcode];
}

/* From the row and the ModRM byte to the end of the instruction. */
static inline int decode_operands(struct emu_insn *insn, struct cursor *cur,
				  const struct insn_row *row, u8 rex, enum emu_mode mode)
{
	u32 f = row->flags;

	insn->row = row;
	insn->op = row->op;
	insn->op_bytes = operand_size(f, insn->flags, mode);
	if (f & F_OPREG)
		insn->reg = (insn->opcode & 7) | rex_b(rex);
	if (f & F_NOMOD) {
		if (!cr_dr_exists(insn))
			return -EMU_UD;
	} else if (f & F_MODRM && insn->mod != 3) {
		int ret = insn->ad_bytes == 2 ? decode_mem16(insn, cur) :
						decode_mem(insn, cur, rex, mode);

		if (ret)
			return ret;
	}
	if (f & F_IMM_MASK)
		return decode_imm(insn, cur, f & F_IMM_MASK, mode);
	return 0;
}

/* Everything but the length and the caller's error codes. */
static inline int decode(struct emu_insn *insn, struct cursor *cur, enum emu_mode mode)
{
	const struct insn_row *row;
	u8 b, rex = 0;
	int ret;

	if (!have(cur, 1))
		return SHORT_OF_BYTES;
	b = *cur->p++;
	row = &insn_table_1byte[b];
	if (row->flags & F_PREFIX) {
		ret = decode_prefixes(insn, cur, &b, &rex, mode);
		if (ret)
			return ret;
		row = &insn_table_1byte[b];
	}
	insn->opcode = b;
	insn->ad_bytes = address_size(insn->flags, mode);
	if (row->flags & F_ESCAPE) {
		if (!have(cur, 1))
			return SHORT_OF_BYTES;
		if (b == 0x0f) {
			row = take_0f_opcode(insn, cur);
			if (!row)
				return SHORT_OF_BYTES;
		} else if (is_vex(cur, b, mode)) {
			ret = decode_vex(insn, cur, &rex, &row, mode);
			if (ret)
				return ret;
			goto operands;
		}
	}
	if (row->flags & F_MODRM && !take_modrm(insn, cur, rex))
		return SHORT_OF_BYTES;
	if (row->flags & F_BY_MASK)
		row = resolve_group(insn, row, mode);
	if (!row_allowed(insn, row->flags, mode))
		return -EMU_UD;
operands:
	return decode_operands(insn, cur, row, rex, mode);
}

int emu_decode(struct emu_insn *insn, const u8 *bytes, unsigned int n, enum emu_mode mode)
{
	struct cursor cur = { bytes, bytes + (n < INSN_MAX_LEN ? n : INSN_MAX_LEN) };
	int ret;

	/* One by one: a few stores are cheaper than clearing the structure as a whole. */
	insn->imm = 0;
	insn->disp = 0;
	insn->imm2 = 0;
	insn->flags = 0;
	insn->map = INSN_MAP_1BYTE;
	insn->modrm = 0;
	insn->mod = 0;
	insn->reg = 0;
	insn->rm = 0;
	insn->base = INSN_NO_REG;
	insn->index = INSN_NO_REG;
	insn->scale = 0;
	insn->seg = INSN_SEG_DS;
	insn->rep = 0;
	insn->vvvv = 0;
	insn->vl = 0;
	insn->mode = mode;
	ret = decode(insn, &cur, mode);
	insn->len = ret ? 0 : cur.p - bytes;
	if (ret == SHORT_OF_BYTES)
		return n < INSN_MAX_LEN ? -EMU_TRUNCATED : -EMU_TOO_LONG;
	return ret;
}
