// SPDX-License-Identifier: GPL-2.0
/*
 * The one-byte opcode map, with the groups that extend it by ModRM. Read table.h for the notation.
 * decode.c is the only reader. Rows of X() have a length and no name: nothing exits on them and
 * nobody emulates them.
 */
#include "table.h"

/* The six forms that ADD, OR, ADC, SBB, AND, SUB, XOR and CMP have in common. */
#define ALU(code, op, lock)					\
	[(code) + 0] = R(op, Eb,  Gb, lock),			\
	[(code) + 1] = R(op, Ev,  Gv, lock),			\
	[(code) + 2] = R(op, Gb,  Eb, 0),			\
	[(code) + 3] = R(op, Gv,  Ev, 0),			\
	[(code) + 4] = R(op, AL,  Ib, 0),			\
	[(code) + 5] = R(op, rAX, Iz, 0)

/* 80 to 83: ALU operation with an immediate. */
#define GROUP1(name, d, s, f)					\
static const struct insn_row name[8] = {			\
	R(ADD, d, s, (f) | F_LOCK), R(OR,  d, s, (f) | F_LOCK),	\
	R(ADC, d, s, (f) | F_LOCK), R(SBB, d, s, (f) | F_LOCK),	\
	R(AND, d, s, (f) | F_LOCK), R(SUB, d, s, (f) | F_LOCK),	\
	R(XOR, d, s, (f) | F_LOCK), R(CMP, d, s, (f)),		\
}
GROUP1(group1_80, Eb, Ib, 0);
GROUP1(group1_81, Ev, Iz, 0);
GROUP1(group1_82, Eb, Ib, F_I64);
GROUP1(group1_83, Ev, Ib, 0);

/* 8F: POP; XOP with another ModRM.reg is told apart in decode.c. */
static const struct insn_row group1a_8f[8] = {
	[0] = R(POP, Ev, _, F_D64),
};

/* C0, C1, D0 to D3: shifts and rotates. /6 is SHL under another number. */
#define GROUP2(name, d, s)					\
static const struct insn_row name[8] = {			\
	R(ROL, d, s, 0), R(ROR, d, s, 0), R(RCL, d, s, 0), R(RCR, d, s, 0), \
	R(SHL, d, s, 0), R(SHR, d, s, 0), R(SHL, d, s, 0), R(SAR, d, s, 0), \
}
GROUP2(group2_c0, Eb, Ib);
GROUP2(group2_c1, Ev, Ib);
GROUP2(group2_d0, Eb, 1);
GROUP2(group2_d1, Ev, 1);
GROUP2(group2_d2, Eb, CL);
GROUP2(group2_d3, Ev, CL);

/* F6, F7. MUL, IMUL, DIV and IDIV of a device register do not occur. */
static const struct insn_row group3_f6[8] = {
	R(TEST, Eb, Ib, 0), R(TEST, Eb, Ib, 0), R(NOT, Eb, _, F_LOCK), R(NEG, Eb, _, F_LOCK),
	X(Eb, _, 0), X(Eb, _, 0), X(Eb, _, 0), X(Eb, _, 0),
};
static const struct insn_row group3_f7[8] = {
	R(TEST, Ev, Iz, 0), R(TEST, Ev, Iz, 0), R(NOT, Ev, _, F_LOCK), R(NEG, Ev, _, F_LOCK),
	X(Ev, _, 0), X(Ev, _, 0), X(Ev, _, 0), X(Ev, _, 0),
};

static const struct insn_row group4_fe[8] = {
	R(INC, Eb, _, F_LOCK), R(DEC, Eb, _, F_LOCK),
};
static const struct insn_row group5_ff[8] = {
	R(INC, Ev, _, F_LOCK), R(DEC, Ev, _, F_LOCK),
	R(CALL, Ev, _, F_F64), R(CALL_FAR, M, _, 0), R(JMP, Ev, _, F_F64), R(JMP_FAR, M, _, 0),
	R(PUSH, Ev, _, F_D64),
};

/* C6, C7: MOV, and the two TSX instructions that are coded as registers of /7. */
static const struct insn_row group11_c6_reg7[8] = { X(Eb, Ib, 0) };
static const struct insn_row group11_c6_7[2] = { [REG] = GRP(RM, group11_c6_reg7) };
static const struct insn_row group11_c6[8] = {
	[0] = R(MOV, Eb, Ib, 0), [7] = GRP(MOD, group11_c6_7),
};
static const struct insn_row group11_c7_reg7[8] = { X(Ev, Iz, 0) };
static const struct insn_row group11_c7_7[2] = { [REG] = GRP(RM, group11_c7_reg7) };
static const struct insn_row group11_c7[8] = {
	[0] = R(MOV, Ev, Iz, 0), [7] = GRP(MOD, group11_c7_7),
};

/* 8C, 8E: there are six segment registers, and CS cannot be loaded. */
static const struct insn_row mov_8c[8] = {
	R(MOV_SEG, Ev, Sw, 0), R(MOV_SEG, Ev, Sw, 0), R(MOV_SEG, Ev, Sw, 0),
	R(MOV_SEG, Ev, Sw, 0), R(MOV_SEG, Ev, Sw, 0), R(MOV_SEG, Ev, Sw, 0),
};
static const struct insn_row mov_8e[8] = {
	[0] = R(MOV_SEG, Sw, E16, 0), [2] = R(MOV_SEG, Sw, E16, 0), [3] = R(MOV_SEG, Sw, E16, 0),
	[4] = R(MOV_SEG, Sw, E16, 0), [5] = R(MOV_SEG, Sw, E16, 0),
};

/* Opcodes that are two different things in 64-bit mode and outside it. */
static const struct insn_row arpl_movsxd[2] = {
	[LEGACY] = X(E, _, 0), [LONG] = R(MOVSX, Gv, E32, 0),
};
static const struct insn_row nop_pause[4] = {
	[NP] = R(XCHG, Zv, rAX, 0), [P66] = R(XCHG, Zv, rAX, 0),
	[PF3] = R(PAUSE, _, _, 0), [PF2] = R(XCHG, Zv, rAX, 0),
};

const struct insn_row insn_table_1byte[256] = {
	ALU(0x00, ADD, F_LOCK),
	[0x06] = X(_, _, F_I64),			/* PUSH ES */
	[0x07] = X(_, _, F_I64),			/* POP ES */
	ALU(0x08, OR, F_LOCK),
	[0x0e] = X(_, _, F_I64),			/* PUSH CS */
	[0x0f] = ESCAPE,				/* the two-byte map */

	ALU(0x10, ADC, F_LOCK),
	[0x16] = X(_, _, F_I64),			/* PUSH SS */
	[0x17] = X(_, _, F_I64),			/* POP SS */
	ALU(0x18, SBB, F_LOCK),
	[0x1e] = X(_, _, F_I64),			/* PUSH DS */
	[0x1f] = X(_, _, F_I64),			/* POP DS */

	ALU(0x20, AND, F_LOCK),
	[0x27] = X(_, _, F_I64),			/* DAA */
	ALU(0x28, SUB, F_LOCK),
	[0x2f] = X(_, _, F_I64),			/* DAS */

	ALU(0x30, XOR, F_LOCK),
	[0x37] = X(_, _, F_I64),			/* AAA */
	ALU(0x38, CMP, 0),
	[0x3f] = X(_, _, F_I64),			/* AAS */

	/* In 64-bit mode these are the REX prefixes, see below. */
	ROWS8(0x40, R(INC, Zv, _, 0)),
	ROWS8(0x48, R(DEC, Zv, _, 0)),

	ROWS8(0x50, R(PUSH, Zv, _, F_D64)),
	ROWS8(0x58, R(POP, Zv, _, F_D64)),

	[0x60] = X(_, _, F_I64),			/* PUSHA */
	[0x61] = X(_, _, F_I64),			/* POPA */
	[0x62] = X(M, _, F_I64 | F_ESCAPE),		/* BOUND; with a register EVEX */
	[0x63] = GRP(MODE, arpl_movsxd),
	[0x68] = R(PUSH, Iz, _, F_D64),
	[0x69] = X(Ev, Iz, 0),				/* IMUL */
	[0x6a] = R(PUSH, Ib, _, F_D64),
	[0x6b] = X(Ev, Ib, 0),				/* IMUL */
	[0x6c] = R(INS, _, _, F_BYTE),
	[0x6d] = R(INS, _, _, 0),
	[0x6e] = R(OUTS, _, _, F_BYTE),
	[0x6f] = R(OUTS, _, _, 0),

	/* Jcc */
	ROWS8(0x70, X(Jb, _, F_F64)),
	ROWS8(0x78, X(Jb, _, F_F64)),

	[0x80] = GRP(REG, group1_80),
	[0x81] = GRP(REG, group1_81),
	[0x82] = GRP(REG, group1_82),
	[0x83] = GRP(REG, group1_83),
	[0x84] = R(TEST, Eb, Gb, 0),
	[0x85] = R(TEST, Ev, Gv, 0),
	[0x86] = R(XCHG, Eb, Gb, F_LOCK),
	[0x87] = R(XCHG, Ev, Gv, F_LOCK),
	[0x88] = R(MOV, Eb, Gb, 0),
	[0x89] = R(MOV, Ev, Gv, 0),
	[0x8a] = R(MOV, Gb, Eb, 0),
	[0x8b] = R(MOV, Gv, Ev, 0),
	[0x8c] = GRP(REG, mov_8c),
	[0x8d] = X(M, _, 0),				/* LEA */
	[0x8e] = GRP(REG, mov_8e),
	/* or XOP */
	[0x8f] = { .flags = F_VALID | F_MODRM | F_BY_REG | F_ESCAPE, .sub = group1a_8f },

	[0x90] = GRP(PFX0, nop_pause),
	ROWS7(0x91, R(XCHG, Zv, rAX, 0)),
	[0x98] = X(_, _, 0),				/* CBW, CWDE, CDQE */
	[0x99] = X(_, _, 0),				/* CWD, CDQ, CQO */
	[0x9a] = X(Ap, _, F_I64),			/* CALL far */
	[0x9b] = X(_, _, 0),				/* FWAIT */
	[0x9c] = R(PUSHF, _, _, F_D64),
	[0x9d] = R(POPF, _, _, F_D64),
	[0x9e] = X(_, _, 0),				/* SAHF */
	[0x9f] = X(_, _, 0),				/* LAHF */

	[0xa0] = R(MOV, AL,  Ob, 0),
	[0xa1] = R(MOV, rAX, Ov, 0),
	[0xa2] = R(MOV, Ob,  AL, 0),
	[0xa3] = R(MOV, Ov,  rAX, 0),
	[0xa4] = R(MOVS, _, _, F_BYTE),
	[0xa5] = R(MOVS, _, _, 0),
	[0xa6] = R(CMPS, _, _, F_BYTE),
	[0xa7] = R(CMPS, _, _, 0),
	[0xa8] = R(TEST, AL,  Ib, 0),
	[0xa9] = R(TEST, rAX, Iz, 0),
	[0xaa] = R(STOS, _, _, F_BYTE),
	[0xab] = R(STOS, _, _, 0),
	[0xac] = R(LODS, _, _, F_BYTE),
	[0xad] = R(LODS, _, _, 0),
	[0xae] = R(SCAS, _, _, F_BYTE),
	[0xaf] = R(SCAS, _, _, 0),

	ROWS8(0xb0, R(MOV, Zb, Ib, 0)),
	ROWS8(0xb8, R(MOV, Zv, Iv, 0)),

	[0xc0] = GRP(REG, group2_c0),
	[0xc1] = GRP(REG, group2_c1),
	[0xc2] = X(Iw, _, F_F64),			/* RET */
	[0xc3] = X(_, _, F_F64),			/* RET */
	[0xc4] = R(LOAD_FAR, M, _, F_I64 | F_ESCAPE),	/* LES; with a register VEX */
	[0xc5] = R(LOAD_FAR, M, _, F_I64 | F_ESCAPE),	/* LDS; with a register VEX */
	[0xc6] = GRP(REG, group11_c6),
	[0xc7] = GRP(REG, group11_c7),
	[0xc8] = { .op = INSN_OTHER, .flags = F_VALID | F_IMM_WB | F_D64 },	/* ENTER */
	[0xc9] = X(_, _, F_D64),			/* LEAVE */
	[0xca] = X(Iw, _, 0),				/* RET far */
	[0xcb] = X(_, _, 0),				/* RET far */
	[0xcc] = R(INT3, _, _, 0),
	[0xcd] = R(INT, Ib, _, 0),
	[0xce] = R(INTO, _, _, F_I64),
	[0xcf] = R(IRET, _, _, 0),

	[0xd0] = GRP(REG, group2_d0),
	[0xd1] = GRP(REG, group2_d1),
	[0xd2] = GRP(REG, group2_d2),
	[0xd3] = GRP(REG, group2_d3),
	[0xd4] = X(Ib, _, F_I64),			/* AAM */
	[0xd5] = X(Ib, _, F_I64),			/* AAD */
	[0xd6] = X(_, _, F_I64),			/* SALC */
	[0xd7] = X(_, _, 0),				/* XLAT */
	ROWS8(0xd8, X(E, _, 0)),			/* x87 */

	[0xe0] = X(Jb, _, F_F64),			/* LOOPNE */
	[0xe1] = X(Jb, _, F_F64),			/* LOOPE */
	[0xe2] = X(Jb, _, F_F64),			/* LOOP */
	[0xe3] = X(Jb, _, F_F64),			/* JCXZ */
	[0xe4] = R(IN, AL, Ib, 0),
	[0xe5] = R(IN, rAX, Ib, 0),
	[0xe6] = R(OUT, Ib, AL, 0),
	[0xe7] = R(OUT, Ib, rAX, 0),
	[0xe8] = X(Jz, _, F_F64),			/* CALL */
	[0xe9] = X(Jz, _, F_F64),			/* JMP */
	[0xea] = X(Ap, _, F_I64),			/* JMP far */
	[0xeb] = X(Jb, _, F_F64),			/* JMP */
	[0xec] = R(IN, AL, _, 0),
	[0xed] = R(IN, rAX, _, 0),
	[0xee] = R(OUT, _, AL, 0),
	[0xef] = R(OUT, _, rAX, 0),

	[0xf1] = R(INT1, _, _, 0),
	[0xf4] = R(HLT, _, _, 0),
	[0xf5] = X(_, _, 0),				/* CMC */
	[0xf6] = GRP(REG, group3_f6),
	[0xf7] = GRP(REG, group3_f7),
	[0xf8] = X(_, _, 0),				/* CLC */
	[0xf9] = X(_, _, 0),				/* STC */
	[0xfa] = X(_, _, 0),				/* CLI */
	[0xfb] = X(_, _, 0),				/* STI */
	[0xfc] = X(_, _, 0),				/* CLD */
	[0xfd] = X(_, _, 0),				/* STD */
	[0xfe] = GRP(REG, group4_fe),
	[0xff] = GRP(REG, group5_ff),
};

/* A prefix takes back another one of its kind, and any REX: that counts before the opcode only. */
#define PREFIX(others, bits)	{ .keep = ~(P_REX | (others)), .set = P_ANY | (bits) }
#define SEG_PREFIX(seg)		PREFIX(P_SEG, INSN_SEG_PREFIX | (u32)(seg) << P_SEG_SHIFT)

#define PREFIXES_OF_ALL_MODES				\
	[0x64] = SEG_PREFIX(INSN_SEG_FS),		\
	[0x65] = SEG_PREFIX(INSN_SEG_GS),		\
	[0x66] = PREFIX(0, INSN_OPSIZE),		\
	[0x67] = PREFIX(0, INSN_ADSIZE),		\
	[0xf0] = PREFIX(0, INSN_LOCK),			\
	[0xf2] = PREFIX(INSN_REP, INSN_REPNE),		\
	[0xf3] = PREFIX(INSN_REPNE, INSN_REP)

/* REX with W; with R, X and B as the place among eight says. */
#define REX2(code, w)	[code] = PREFIX(0, w), [(code) + 1] = PREFIX(0, (w) | P_REX_B)
#define REX4(code, w)	REX2(code, w), REX2((code) + 2, (w) | P_REX_X)
#define REX8(code, w)	REX4(code, w), REX4((code) + 4, (w) | P_REX_R)

const struct insn_prefix insn_prefixes[2][256] = {
	[LEGACY] = {
		[0x26] = SEG_PREFIX(INSN_SEG_ES),
		[0x2e] = SEG_PREFIX(INSN_SEG_CS),
		[0x36] = SEG_PREFIX(INSN_SEG_SS),
		[0x3e] = SEG_PREFIX(INSN_SEG_DS),
		PREFIXES_OF_ALL_MODES,
	},
	[LONG] = {
		/* These four segments have no base: the override means nothing. */
		[0x26] = PREFIX(0, 0),
		[0x2e] = PREFIX(0, 0),
		[0x36] = PREFIX(0, 0),
		[0x3e] = PREFIX(0, 0),
		REX8(0x40, INSN_REX),
		REX8(0x48, INSN_REX | INSN_REX_W),
		PREFIXES_OF_ALL_MODES,
	},
};
