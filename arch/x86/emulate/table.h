/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rows of the opcode tables, and how they are written.
 *
 * A table line reads like the manuals' opcode maps: [opcode] = R(MNEMONIC, destination, source,
 * flags). The operand letters have the manuals' meaning: E is ModRM.rm, G is ModRM.reg, I an
 * immediate, J a branch displacement, O an absolute address, S a segment register, V and W vector
 * registers, Z a register in the opcode's low bits; b, w, d, v, z, y are the sizes. An operand says
 * by itself whether there is a ModRM byte and which immediate follows, so a row cannot have the one
 * without the other.
 *
 * decode.c reads the flags, the execute files read op, dst and src.
 */
#ifndef ARCH_X86_EMULATE_TABLE_H
#define ARCH_X86_EMULATE_TABLE_H

#include <linux/types.h>
#include "emulate.h"

/* Row flags. A row without F_VALID is no instruction. */
#define F_VALID		0x00000001
#define F_MODRM		0x00000002
#define F_BYTE		0x00000004	/* operand size is 1 */
#define F_D64		0x00000008	/* operand size is 8 in 64-bit mode, with 66 it is 2 */
#define F_F64		0x00000010	/* operand size is 8 in 64-bit mode, always */
#define F_I64		0x00000020	/* no instruction in 64-bit mode */
#define F_O64		0x00000040	/* instruction in 64-bit mode only */
#define F_LOCK		0x00000080	/* LOCK is allowed with a memory operand */
#define F_MEM		0x00000100	/* the operand must be memory */
#define F_REG		0x00000200	/* the operand must be a register */
#define F_NOMOD		0x00000400	/* ModRM.mod is ignored, rm is a register */
#define F_OPREG		0x00001000	/* the opcode's low three bits are a register */
#define F_ALIGN		0x00002000	/* vector operand in memory must be aligned to its size */
#define F_VEX		0x00004000	/* the VEX form does the same, without a use for vvvv */
#define F_Y		0x00008000	/* operand size is 4, or 8 with REX.W */

/* Mandatory prefixes with which the row is an instruction; a row without any takes all. */
#define F_NP		0x00010000
#define F_66		0x00020000
#define F_F3		0x00040000
#define F_F2		0x00080000
#define F_PFX_MASK	0x000f0000
#define F_PFX_SHIFT	16

/* Which immediate follows. */
#define F_IMM_B		0x00100000	/* one byte, sign-extended */
#define F_IMM_W		0x00200000	/* two bytes */
#define F_IMM_Z		0x00300000	/* operand size, at most four bytes, sign-extended */
#define F_IMM_V		0x00400000	/* operand size */
#define F_IMM_FAR	0x00600000	/* offset of the operand size and selector */
#define F_IMM_WB	0x00700000	/* ENTER: two bytes and one */
#define F_IMM_BB	0x00800000	/* SSE4a: one byte and one */
#define F_IMM_O		0x00900000	/* absolute address, of the address size */
#define F_IMM_D		0x00a00000	/* four bytes, sign-extended */
#define F_IMM_MASK	0x00f00000
#define F_IMM_SHIFT	20

#define F_ESCAPE	0x08000000	/* leads to another map, or is what the row says */

/* The row is in a sub-table, chosen by ... */
#define F_BY_REG	0x01000000	/* ModRM.reg: 8 rows */
#define F_BY_MOD	0x02000000	/* 2 rows: [MEM], [REG] */
#define F_BY_RM		0x03000000	/* ModRM.rm: 8 rows */
#define F_BY_PFX	0x04000000	/* mandatory prefix: 4 rows: [NP], [P66], [PF3], [PF2] */
#define F_BY_PFX0	F_BY_PFX	/* the same without a ModRM byte */
#define F_BY_MODE	0x05000000	/* 2 rows: [LEGACY], [LONG] */
#define F_BY_MASK	0x07000000

/*
 * What prefixes leave behind, collected in one word: the low half is insn->flags. Above it are the
 * register bits of REX, and the segment of the last override.
 */
#define P_REX_B_SHIFT	16
#define P_REX_X_SHIFT	17
#define P_REX_R_SHIFT	18
#define P_REX_B		(1u << P_REX_B_SHIFT)
#define P_REX_X		(1u << P_REX_X_SHIFT)
#define P_REX_R		(1u << P_REX_R_SHIFT)
#define P_REX		(P_REX_B | P_REX_X | P_REX_R | INSN_REX | INSN_REX_W)
#define P_ANY		0x00080000u	/* a prefix, perhaps one that means nothing */
#define P_SEG_SHIFT	29
#define P_SEG		(7u << P_SEG_SHIFT)
#define P_NONE		((u32)INSN_SEG_DS << P_SEG_SHIFT)

enum { MEM, REG };
enum { NP, P66, PF3, PF2 };
enum { LEGACY, LONG };

/*
 * Operands, for the executor: how many bits an operand has is insn->op_bytes where it is not in the
 * name.
 */
enum operand_kind {
	OP_NONE,
	OP_E,		/* ModRM.rm: register or memory */
	OP_E8,
	OP_E16,
	OP_E32,
	OP_EY,		/* as OP_E, opposite a vector register */
	OP_G,		/* ModRM.reg, or the register in the opcode */
	OP_ACC,		/* AL, AX, EAX, RAX */
	OP_I,		/* immediate */
	OP_O,		/* memory at an absolute address */
	OP_S,		/* segment register */
	OP_CL,
	OP_ONE,
	OP_V,		/* vector register in ModRM.reg */
	OP_W4,		/* vector register in ModRM.rm, or memory of four, eight, ... bytes */
	OP_W8,
	OP_WX,		/* of the vector length */
	OP_LO8,		/* low or high half of an XMM register to or from memory of eight bytes */
	OP_HI8,
	OP_KINDS,
};

/*
 * struct insn_row - what an opcode is
 */
struct insn_row {
	u32 flags;	/* F_* */
	u8 op;		/* enum insn_op */
	u8 dst;		/* enum operand_kind */
	u8 src;
	const struct insn_row *sub;	/* with F_BY_* */
};

/*
 * struct insn_prefix - what a prefix does to the P_* of those before it
 */
struct insn_prefix {
	u32 keep;	/* these stay */
	u32 set;	/* 0: no prefix */
};

/* What each operand means to the executor (K_) and to the decoder (D_). */
#define K__	OP_NONE
#define D__	0
#define K_M	OP_E
#define D_M	(F_MODRM | F_MEM)
#define K_E	OP_NONE		/* ModRM of an instruction that is not executed */
#define D_E	F_MODRM
#define K_R	OP_NONE
#define D_R	(F_MODRM | F_REG)
#define K_Eb	OP_E
#define D_Eb	(F_MODRM | F_BYTE)
#define K_Ev	OP_E
#define D_Ev	F_MODRM
#define K_E8	OP_E8
#define D_E8	F_MODRM
#define K_E16	OP_E16
#define D_E16	F_MODRM
#define K_E32	OP_E32
#define D_E32	F_MODRM
#define K_Ey	OP_EY
#define D_Ey	(F_MODRM | F_Y)
#define K_My	OP_E
#define D_My	(F_MODRM | F_MEM | F_Y)
#define K_Gy	OP_G
#define D_Gy	(F_MODRM | F_Y)
#define K_Gb	OP_G
#define D_Gb	(F_MODRM | F_BYTE)
#define K_Gv	OP_G
#define D_Gv	F_MODRM
#define K_Zb	OP_G
#define D_Zb	(F_OPREG | F_BYTE)
#define K_Zv	OP_G
#define D_Zv	F_OPREG
#define K_AL	OP_ACC
#define D_AL	F_BYTE
#define K_rAX	OP_ACC
#define D_rAX	0
#define K_CL	OP_CL
#define D_CL	0
#define K_1	OP_ONE
#define D_1	0
#define K_Ib	OP_I
#define D_Ib	F_IMM_B
#define K_Iw	OP_I
#define D_Iw	F_IMM_W
#define K_Iz	OP_I
#define D_Iz	F_IMM_Z
#define K_Iv	OP_I
#define D_Iv	F_IMM_V
#define K_Jb	OP_I
#define D_Jb	F_IMM_B
#define K_Jz	OP_I
#define D_Jz	F_IMM_Z		/* four bytes in 64-bit mode: these rows have F_F64 */
#define K_Ap	OP_I
#define D_Ap	F_IMM_FAR
#define K_Ob	OP_O
#define D_Ob	(F_IMM_O | F_BYTE)
#define K_Ov	OP_O
#define D_Ov	F_IMM_O
#define K_Sw	OP_S
#define D_Sw	F_MODRM
#define K_V	OP_V
#define D_V	F_MODRM
#define K_W4	OP_W4
#define D_W4	F_MODRM
#define K_W8	OP_W8
#define D_W8	F_MODRM
#define K_Wx	OP_WX
#define D_Wx	F_MODRM
#define K_Lo8	OP_LO8
#define D_Lo8	(F_MODRM | F_MEM)
#define K_Hi8	OP_HI8
#define D_Hi8	(F_MODRM | F_MEM)

/*
 * A row; one that only has a length (X); one that leads to a sub-table (GRP); an escape byte.
 */
#define R(o, d, s, f)	{ .op = INSN_##o, .dst = K_##d, .src = K_##s, \
			  .flags = F_VALID | D_##d | D_##s | (f) }
#define X(d, s, f)	R(OTHER, d, s, f)
#define GRP(by, table)	{ .flags = F_VALID | F_BY_##by | GRP_##by, .sub = (table) }
#define ESCAPE		{ .flags = F_VALID | F_ESCAPE }

#define GRP_REG		F_MODRM
#define GRP_MOD		F_MODRM
#define GRP_RM		F_MODRM
#define GRP_PFX		F_MODRM
#define GRP_MODE	F_MODRM
#define GRP_PFX0	0

/* The same row for neighbouring opcodes. */
#define ROWS2(code, ...)	[code] = __VA_ARGS__, [(code) + 1] = __VA_ARGS__
#define ROWS4(code, ...)	ROWS2(code, __VA_ARGS__), ROWS2((code) + 2, __VA_ARGS__)
#define ROWS7(code, ...)	ROWS4(code, __VA_ARGS__), ROWS2((code) + 4, __VA_ARGS__), \
				[(code) + 6] = __VA_ARGS__
#define ROWS8(code, ...)	ROWS4(code, __VA_ARGS__), ROWS4((code) + 4, __VA_ARGS__)

extern const struct insn_prefix insn_prefixes[2][256];	/* by LEGACY and LONG */
extern const struct insn_row insn_table_1byte[256];
extern const struct insn_row insn_table_0f[256];
extern const struct insn_row insn_table_0f38[256];
extern const struct insn_row insn_table_0f3a[256];

#endif
