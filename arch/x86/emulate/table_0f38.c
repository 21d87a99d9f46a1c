// SPDX-License-Identifier: GPL-2.0
/*
 * The three-byte opcode maps, 0F 38 xx and 0F 3A xx. Every instruction in them has a ModRM byte;
 * those of 0F 3A have a byte of immediate as well. Read table.h for the notation. decode.c is the
 * only reader; it also looks up VEX map 2 here.
 */
#include "table.h"

#define MMX	(F_NP | F_66)

/* MOVBE is coded beside CRC32, which has F2. */
static const struct insn_row movbe_f0[4] = {
	[NP] = R(MOVBE, Gv, M, 0), [P66] = R(MOVBE, Gv, M, 0), [PF2] = X(E, _, 0),
};
static const struct insn_row movbe_f1[4] = {
	[NP] = R(MOVBE, M, Gv, 0), [P66] = R(MOVBE, M, Gv, 0), [PF2] = X(E, _, 0),
};

/* Key Locker: memory forms, and one register form. */
static const struct insn_row aes_wide[8] = {
	X(M, _, F_F3), X(M, _, F_F3), X(M, _, F_F3), X(M, _, F_F3),
};
static const struct insn_row aes_dc[4] = {
	[P66] = X(E, _, 0), [PF3] = X(E, _, 0),		/* AESENC; AESENC128KL, LOADIWKEY */
};
static const struct insn_row aes_dd[4] = {
	[P66] = X(E, _, 0), [PF3] = X(M, _, 0),
};

static const struct insn_row adx_f6[4] = {
	[NP] = X(M, _, 0), [P66] = X(E, _, 0), [PF3] = X(E, _, 0),	/* WRSS, ADCX, ADOX */
};

const struct insn_row insn_table_0f38[256] = {
	ROWS8(0x00, X(E, _, MMX)),
	ROWS4(0x08, X(E, _, MMX)),
	[0x10] = X(E, _, F_66),
	[0x14] = X(E, _, F_66),
	[0x15] = X(E, _, F_66),
	[0x17] = X(E, _, F_66),
	[0x1c] = X(E, _, MMX),
	[0x1d] = X(E, _, MMX),
	[0x1e] = X(E, _, MMX),
	ROWS4(0x20, X(E, _, F_66)),
	ROWS2(0x24, X(E, _, F_66)),
	ROWS2(0x28, X(E, _, F_66)),
	[0x2a] = R(VEC_MOV, V, Wx, F_66 | F_MEM | F_ALIGN | F_VEX),	/* MOVNTDQA */
	[0x2b] = X(E, _, F_66),
	ROWS4(0x30, X(E, _, F_66)),
	ROWS2(0x34, X(E, _, F_66)),
	[0x37] = X(E, _, F_66),
	ROWS8(0x38, X(E, _, F_66)),
	ROWS2(0x40, X(E, _, F_66)),

	[0x80] = R(VMX, M, _, F_66),			/* INVEPT */
	[0x81] = R(VMX, M, _, F_66),			/* INVVPID */
	[0x82] = R(INVPCID, M, _, F_66),

	ROWS4(0xc8, X(E, _, F_NP)),			/* SHA */
	ROWS2(0xcc, X(E, _, F_NP)),
	[0xcf] = X(E, _, F_66),
	[0xd8] = GRP(REG, aes_wide),
	[0xdb] = X(E, _, F_66),
	[0xdc] = GRP(PFX, aes_dc),
	[0xdd] = GRP(PFX, aes_dd),
	[0xde] = GRP(PFX, aes_dd),
	[0xdf] = GRP(PFX, aes_dd),

	[0xf0] = GRP(PFX, movbe_f0),
	[0xf1] = GRP(PFX, movbe_f1),
	[0xf5] = X(M, _, F_66),				/* WRUSS */
	[0xf6] = GRP(PFX, adx_f6),
	[0xf8] = X(M, _, F_66 | F_F3 | F_F2),		/* MOVDIR64B, ENQCMDS, ENQCMD */
	[0xf9] = X(M, _, F_NP),				/* MOVDIRI */
	[0xfa] = X(R, _, F_F3),				/* ENCODEKEY128 */
	[0xfb] = X(R, _, F_F3),				/* ENCODEKEY256 */
};

/* HRESET has a single ModRM byte: C0. */
static const struct insn_row hreset_rm[8] = { X(R, Ib, F_F3) };
static const struct insn_row hreset_f0[8] = { GRP(RM, hreset_rm) };

const struct insn_row insn_table_0f3a[256] = {
	ROWS4(0x08, X(E, Ib, F_66)),
	ROWS2(0x0c, X(E, Ib, F_66)),
	[0x0e] = X(E, Ib, F_66),
	[0x0f] = X(E, Ib, MMX),
	ROWS4(0x14, X(E, Ib, F_66)),
	ROWS2(0x20, X(E, Ib, F_66)),
	[0x22] = X(E, Ib, F_66),
	ROWS2(0x40, X(E, Ib, F_66)),
	[0x42] = X(E, Ib, F_66),
	[0x44] = X(E, Ib, F_66),
	ROWS4(0x60, X(E, Ib, F_66)),
	[0xcc] = X(E, Ib, F_NP),
	ROWS2(0xce, X(E, Ib, F_66)),
	[0xdf] = X(E, Ib, F_66),
	[0xf0] = GRP(REG, hreset_f0),
};
