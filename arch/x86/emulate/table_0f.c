// SPDX-License-Identifier: GPL-2.0
/*
 * The two-byte opcode map (0F xx), with the groups that extend it by ModRM or by mandatory prefix.
 * Read table.h for the notation. decode.c is the only reader; it also looks up the moves of VEX map
 * 1 here.
 */
#include "table.h"

/* Mandatory prefixes as they usually come together. */
#define PS	F_NP
#define PD	F_66
#define SS	F_F3
#define SD	F_F2
#define ALL4	(F_NP | F_66 | F_F3 | F_F2)
#define MMX	(F_NP | F_66)			/* MMX register, or XMM with 66 */

static const struct insn_row group6_00[8] = {
	R(SLDT, Ev, _, 0), R(STR, Ev, _, 0), R(LLDT, E16, _, 0), R(LTR, E16, _, 0),
	X(E16, _, 0), X(E16, _, 0),		/* VERR, VERW */
};

/* 0F 01: one table for each ModRM.reg whose register form is split by ModRM.rm. */
static const struct insn_row group7_0_reg[8] = {
	X(E, _, F_NP),				/* ENCLV */
	R(VMCALL, E, _, F_NP), R(VMX, E, _, F_NP), R(VMX, E, _, F_NP), R(VMX, E, _, F_NP),
	X(E, _, F_NP),				/* PCONFIG */
	X(E, _, F_NP),				/* WRMSRNS */
};
static const struct insn_row encls_seamcall[4] = { [NP] = X(E, _, 0), [P66] = X(E, _, F_O64) };
static const struct insn_row group7_1_reg[8] = {
	R(MONITOR, E, _, F_NP), R(MWAIT, E, _, F_NP),
	X(E, _, F_NP), X(E, _, F_NP),		/* CLAC, STAC */
	X(E, _, F_66),				/* TDCALL */
	X(E, _, F_66 | F_O64), X(E, _, F_66 | F_O64),	/* SEAMRET, SEAMOPS */
	GRP(PFX, encls_seamcall),
};
static const struct insn_row group7_2_reg[8] = {
	R(XGETBV, E, _, F_NP), R(XSETBV, E, _, F_NP), [4] = R(VMX, E, _, F_NP),	/* VMFUNC */
	X(E, _, F_NP), X(E, _, F_NP),		/* XEND, XTEST */
	X(E, _, F_NP),				/* ENCLU */
};
static const struct insn_row group7_3_reg[8] = {
	R(VMRUN, E, _, 0), R(VMMCALL, E, _, 0), R(VMLOAD, E, _, 0), R(VMSAVE, E, _, 0),
	R(STGI, E, _, 0), R(CLGI, E, _, 0), R(SKINIT, E, _, 0), R(INVLPGA, E, _, 0),
};
static const struct insn_row pkru_ui[4] = {
	[NP] = X(E, _, 0), [PF3] = X(E, _, F_O64),	/* RDPKRU, CLUI; WRPKRU, STUI */
};
static const struct insn_row group7_5_reg[8] = {
	X(E, _, F_NP | F_F3 | F_F2),		/* SERIALIZE, SETSSBSY, XSUSLDTRK */
	X(E, _, F_F2),				/* XRESLDTRK */
	X(E, _, F_F3),				/* SAVEPREVSSP */
	[4] = X(E, _, F_F3 | F_O64),		/* UIRET */
	X(E, _, F_F3 | F_O64),			/* TESTUI */
	[6] = GRP(PFX, pkru_ui), GRP(PFX, pkru_ui),
};
/* INVLPGB and TLBSYNC share their codes with what manages SEV-SNP's table. */
static const struct insn_row invlpgb[4] = {
	[NP] = R(INVLPGB, E, _, 0),
	[PF3] = X(E, _, F_O64), [PF2] = X(E, _, F_O64),	/* RMPADJUST, RMPUPDATE */
};
static const struct insn_row tlbsync[4] = {
	[NP] = R(TLBSYNC, E, _, 0),
	[PF3] = X(E, _, F_O64), [PF2] = X(E, _, 0),	/* PSMASH, PVALIDATE */
};
static const struct insn_row group7_7_reg[8] = {
	R(SWAPGS, E, _, F_O64), R(RDTSCP, E, _, 0),
	R(MONITORX, E, _, F_NP | F_F3),		/* F3: MCOMMIT */
	R(MWAITX, E, _, 0),
	X(E, _, 0),				/* CLZERO */
	R(RDPRU, E, _, 0),
	GRP(PFX, invlpgb),
	GRP(PFX, tlbsync),
};
static const struct insn_row group7_0[2] = {
	[MEM] = R(SGDT, E, _, 0), [REG] = GRP(RM, group7_0_reg),
};
static const struct insn_row group7_1[2] = {
	[MEM] = R(SIDT, E, _, 0), [REG] = GRP(RM, group7_1_reg),
};
static const struct insn_row group7_2[2] = {
	[MEM] = R(LGDT, E, _, 0), [REG] = GRP(RM, group7_2_reg),
};
static const struct insn_row group7_3[2] = {
	[MEM] = R(LIDT, E, _, 0), [REG] = GRP(RM, group7_3_reg),
};
static const struct insn_row group7_5[2] = {
	[MEM] = X(E, _, F_F3), [REG] = GRP(RM, group7_5_reg),
};
static const struct insn_row group7_7[2] = {
	[MEM] = R(INVLPG, E, _, 0), [REG] = GRP(RM, group7_7_reg),
};
static const struct insn_row group7_01[8] = {
	GRP(MOD, group7_0), GRP(MOD, group7_1), GRP(MOD, group7_2), GRP(MOD, group7_3),
	R(SMSW, Ev, _, 0),
	GRP(MOD, group7_5),			/* RSTORSSP */
	R(LMSW, E16, _, 0),
	GRP(MOD, group7_7),
};

/* SSE moves */
static const struct insn_row mov_10[4] = {
	[NP]  = R(VEC_MOV, V, Wx, F_VEX), [P66] = R(VEC_MOV, V, Wx, F_VEX),	/* MOVUPS, MOVUPD */
	[PF3] = R(VEC_MOV, V, W4, F_VEX), [PF2] = R(VEC_MOV, V, W8, F_VEX),	/* MOVSS, MOVSD */
};
static const struct insn_row mov_11[4] = {
	[NP]  = R(VEC_MOV, Wx, V, F_VEX), [P66] = R(VEC_MOV, Wx, V, F_VEX),
	[PF3] = R(VEC_MOV, W4, V, F_VEX), [PF2] = R(VEC_MOV, W8, V, F_VEX),
};
static const struct insn_row mov_12_np[2] = { [MEM] = R(VEC_MOV, V, Lo8, 0), [REG] = X(E, _, 0) };
static const struct insn_row mov_12[4] = {
	[NP]  = GRP(MOD, mov_12_np),		/* MOVLPS, MOVHLPS */
	[P66] = R(VEC_MOV, V, Lo8, 0),		/* MOVLPD */
	[PF3] = X(E, _, 0), [PF2] = X(E, _, 0),	/* MOVSLDUP, MOVDDUP */
};
static const struct insn_row mov_16_np[2] = { [MEM] = R(VEC_MOV, V, Hi8, 0), [REG] = X(E, _, 0) };
static const struct insn_row mov_16[4] = {
	[NP]  = GRP(MOD, mov_16_np),		/* MOVHPS, MOVLHPS */
	[P66] = R(VEC_MOV, V, Hi8, 0),		/* MOVHPD */
	[PF3] = X(E, _, 0),			/* MOVSHDUP */
};
static const struct insn_row mov_2b[4] = {
	[NP]  = R(VEC_MOV, Wx, V, F_MEM | F_ALIGN | F_VEX),	/* MOVNTPS */
	[P66] = R(VEC_MOV, Wx, V, F_MEM | F_ALIGN | F_VEX),	/* MOVNTPD */
	[PF3] = X(M, _, 0), [PF2] = X(M, _, 0),	/* MOVNTSS, MOVNTSD (SSE4a) */
};
static const struct insn_row mov_6e[4] = {
	[NP]  = X(E, _, 0),			/* MMX */
	[P66] = R(VEC_MOV, V, Ey, F_VEX),	/* MOVD, MOVQ */
};
static const struct insn_row mov_7e[4] = {
	[NP]  = X(E, _, 0),			/* MMX */
	[P66] = R(VEC_MOV, Ey, V, F_VEX),	/* MOVD, MOVQ */
	[PF3] = R(VEC_MOV, V, W8, F_VEX),	/* MOVQ */
};
static const struct insn_row mov_6f[4] = {
	[NP]  = X(E, _, 0),			/* MMX */
	[P66] = R(VEC_MOV, V, Wx, F_ALIGN | F_VEX),	/* MOVDQA */
	[PF3] = R(VEC_MOV, V, Wx, F_VEX),	/* MOVDQU */
};
static const struct insn_row mov_7f[4] = {
	[NP]  = X(E, _, 0),			/* MMX */
	[P66] = R(VEC_MOV, Wx, V, F_ALIGN | F_VEX),
	[PF3] = R(VEC_MOV, Wx, V, F_VEX),
};
static const struct insn_row mov_d6[4] = {
	[P66] = R(VEC_MOV, W8, V, F_VEX),	/* MOVQ */
	[PF3] = X(R, _, 0), [PF2] = X(R, _, 0),	/* MOVQ2DQ, MOVDQ2Q */
};
static const struct insn_row mov_e7[4] = {
	[NP]  = X(M, _, 0),			/* MOVNTQ */
	[P66] = R(VEC_MOV, Wx, V, F_MEM | F_ALIGN | F_VEX),	/* MOVNTDQ */
};

/* 0F 71 to 73: shifts of a vector register by an immediate. */
static const struct insn_row group12_71[8] = {
	[2] = X(R, Ib, MMX), [4] = X(R, Ib, MMX), [6] = X(R, Ib, MMX),
};
static const struct insn_row group14_73[8] = {
	[2] = X(R, Ib, MMX), [3] = X(R, Ib, F_66), [6] = X(R, Ib, MMX), [7] = X(R, Ib, F_66),
};

/* 0F 78, 79: VMREAD and VMWRITE, or SSE4a. */
static const struct insn_row extrq[8] = { [0] = { .flags = F_VALID | F_MODRM | F_REG | F_IMM_BB } };
static const struct insn_row vmread[4] = {
	[NP]  = R(VMX, Ey, _, F_F64), [P66] = GRP(REG, extrq),
	[PF2] = { .flags = F_VALID | F_MODRM | F_REG | F_IMM_BB },	/* INSERTQ */
};
static const struct insn_row vmwrite[4] = {
	[NP]  = R(VMX, Ey, _, F_F64), [P66] = X(R, _, 0), [PF2] = X(R, _, 0),
};

/* 0F AE: state save and restore, fences, FS and GS base. */
static const struct insn_row group15_mem[8] = {
	/* FXSAVE FXRSTOR LDMXCSR STMXCSR */
	X(E, _, F_NP), X(E, _, F_NP), X(E, _, F_NP), X(E, _, F_NP),
	X(E, _, F_NP | F_F3),			/* XSAVE, PTWRITE */
	X(E, _, F_NP),				/* XRSTOR */
	X(E, _, F_NP | F_66 | F_F3),		/* XSAVEOPT, CLWB, CLRSSBSY */
	R(FLUSH, E8, _, F_NP | F_66),		/* CLFLUSH, CLFLUSHOPT */
};
static const struct insn_row group15_reg[8] = {
	X(E, _, F_F3 | F_O64), X(E, _, F_F3 | F_O64),	/* RDFSBASE, RDGSBASE */
	X(E, _, F_F3 | F_O64), X(E, _, F_F3 | F_O64),	/* WRFSBASE, WRGSBASE */
	X(E, _, F_F3),				/* PTWRITE */
	X(E, _, F_NP | F_F3),			/* LFENCE, INCSSP */
	X(E, _, ALL4),				/* MFENCE, TPAUSE, UMONITOR, UMWAIT */
	X(E, _, F_NP),				/* SFENCE */
};
static const struct insn_row group15_ae[2] = {
	[MEM] = GRP(REG, group15_mem), [REG] = GRP(REG, group15_reg),
};

static const struct insn_row group8_ba[8] = {
	[4] = R(BT, Ev, Ib, 0), R(BTS, Ev, Ib, F_LOCK),
	R(BTR, Ev, Ib, F_LOCK), R(BTC, Ev, Ib, F_LOCK),
};

static const struct insn_row group9_mem[8] = {
	[1] = R(CMPXCHG8B, E, _, F_LOCK),
	[3] = X(E, _, F_NP), X(E, _, F_NP), X(E, _, F_NP),	/* XRSTORS, XSAVEC, XSAVES */
	R(VMX, E, _, F_NP | F_66 | F_F3),	/* VMPTRLD, VMCLEAR, VMXON */
	R(VMX, E, _, F_NP),			/* VMPTRST */
};
static const struct insn_row rdrand[4] = {
	[NP] = X(E, _, 0), [P66] = X(E, _, 0), [PF3] = X(E, _, F_O64),		/* SENDUIPI */
};
static const struct insn_row group9_reg[8] = {
	[6] = GRP(PFX, rdrand), X(E, _, F_NP | F_66 | F_F3),	/* RDSEED, RDPID */
};
static const struct insn_row group9_c7[2] = {
	[MEM] = GRP(REG, group9_mem), [REG] = GRP(REG, group9_reg),
};

const struct insn_row insn_table_0f[256] = {
	[0x00] = GRP(REG, group6_00),
	[0x01] = GRP(REG, group7_01),
	[0x02] = X(E, _, 0),				/* LAR */
	[0x03] = X(E, _, 0),				/* LSL */
	[0x05] = X(_, _, 0),				/* SYSCALL */
	[0x06] = R(CLTS, _, _, 0),
	[0x07] = X(_, _, 0),				/* SYSRET */
	[0x08] = R(INVD, _, _, 0),
	[0x09] = R(WBINVD, _, _, 0),			/* F3: WBNOINVD */
	[0x0b] = X(_, _, 0),				/* UD2 */
	[0x0d] = R(NOP, E, _, 0),			/* PREFETCHW */
	[0x0e] = X(_, _, 0),				/* FEMMS */
	[0x0f] = X(E, Ib, 0),				/* 3DNow!: the opcode is in the immediate */

	[0x10] = GRP(PFX, mov_10),
	[0x11] = GRP(PFX, mov_11),
	[0x12] = GRP(PFX, mov_12),
	[0x13] = R(VEC_MOV, Lo8, V, F_NP | F_66 | F_VEX),
	[0x14] = X(E, _, PS | PD),
	[0x15] = X(E, _, PS | PD),
	[0x16] = GRP(PFX, mov_16),
	[0x17] = R(VEC_MOV, Hi8, V, F_NP | F_66 | F_VEX),
	[0x18] = R(NOP, E, _, 0),			/* PREFETCHh */
	[0x19] = R(NOP, E, _, 0),
	[0x1a] = R(NOP, E, _, 0),
	[0x1b] = R(NOP, E, _, 0),
	[0x1c] = R(NOP, E, _, 0),			/* CLDEMOTE */
	[0x1d] = R(NOP, E, _, 0),
	[0x1e] = R(NOP, E, _, 0),			/* ENDBR, RDSSP */
	[0x1f] = R(NOP, E, _, 0),

	[0x20] = R(MOV_FROM_CR, E, _, F_NOMOD | F_F64 | F_LOCK), /* LOCK: AMD's way to name CR8 */
	[0x21] = R(MOV_FROM_DR, E, _, F_NOMOD | F_F64),
	[0x22] = R(MOV_TO_CR, E, _, F_NOMOD | F_F64 | F_LOCK),
	[0x23] = R(MOV_TO_DR, E, _, F_NOMOD | F_F64),
	[0x28] = R(VEC_MOV, V, Wx, F_NP | F_66 | F_ALIGN | F_VEX),	/* MOVAPS, MOVAPD */
	[0x29] = R(VEC_MOV, Wx, V, F_NP | F_66 | F_ALIGN | F_VEX),
	[0x2a] = X(E, _, ALL4),
	[0x2b] = GRP(PFX, mov_2b),
	[0x2c] = X(E, _, ALL4),
	[0x2d] = X(E, _, ALL4),
	[0x2e] = X(E, _, PS | PD),
	[0x2f] = X(E, _, PS | PD),

	[0x30] = R(WRMSR, _, _, 0),
	[0x31] = R(RDTSC, _, _, 0),
	[0x32] = R(RDMSR, _, _, 0),
	[0x33] = R(RDPMC, _, _, 0),
	[0x34] = X(_, _, 0),				/* SYSENTER */
	[0x35] = X(_, _, 0),				/* SYSEXIT */
	[0x37] = X(_, _, F_NP),				/* GETSEC */

	ROWS8(0x40, R(CMOV, Gv, Ev, 0)),
	ROWS8(0x48, R(CMOV, Gv, Ev, 0)),

	[0x50] = X(R, _, PS | PD),
	[0x51] = X(E, _, ALL4),
	[0x52] = X(E, _, PS | SS),
	[0x53] = X(E, _, PS | SS),
	ROWS4(0x54, X(E, _, PS | PD)),
	[0x58] = X(E, _, ALL4),
	[0x59] = X(E, _, ALL4),
	[0x5a] = X(E, _, ALL4),
	[0x5b] = X(E, _, PS | PD | SS),
	ROWS4(0x5c, X(E, _, ALL4)),

	ROWS8(0x60, X(E, _, MMX)),
	ROWS4(0x68, X(E, _, MMX)),
	[0x6c] = X(E, _, F_66),
	[0x6d] = X(E, _, F_66),
	[0x6e] = GRP(PFX, mov_6e),
	[0x6f] = GRP(PFX, mov_6f),
	[0x70] = X(E, Ib, ALL4),
	[0x71] = GRP(REG, group12_71),
	[0x72] = GRP(REG, group12_71),
	[0x73] = GRP(REG, group14_73),
	[0x74] = X(E, _, MMX),
	[0x75] = X(E, _, MMX),
	[0x76] = X(E, _, MMX),
	[0x77] = X(_, _, F_NP),				/* EMMS */
	[0x78] = GRP(PFX, vmread),
	[0x79] = GRP(PFX, vmwrite),
	[0x7c] = X(E, _, F_66 | F_F2),
	[0x7d] = X(E, _, F_66 | F_F2),
	[0x7e] = GRP(PFX, mov_7e),
	[0x7f] = GRP(PFX, mov_7f),

	/* Jcc */
	ROWS8(0x80, X(Jz, _, F_F64)),
	ROWS8(0x88, X(Jz, _, F_F64)),

	ROWS8(0x90, R(SETCC, Eb, _, 0)),
	ROWS8(0x98, R(SETCC, Eb, _, 0)),

	[0xa0] = X(_, _, F_D64),			/* PUSH FS */
	[0xa1] = X(_, _, F_D64),			/* POP FS */
	[0xa2] = R(CPUID, _, _, 0),
	[0xa3] = R(BT, Ev, Gv, 0),
	[0xa4] = R(SHLD, Ev, Ib, 0),
	[0xa5] = R(SHLD, Ev, CL, 0),
	[0xa8] = X(_, _, F_D64),			/* PUSH GS */
	[0xa9] = X(_, _, F_D64),			/* POP GS */
	[0xaa] = R(RSM, _, _, 0),
	[0xab] = R(BTS, Ev, Gv, F_LOCK),
	[0xac] = R(SHRD, Ev, Ib, 0),
	[0xad] = R(SHRD, Ev, CL, 0),
	[0xae] = GRP(MOD, group15_ae),
	[0xaf] = X(E, _, 0),				/* IMUL */

	[0xb0] = R(CMPXCHG, Eb, Gb, F_LOCK),
	[0xb1] = R(CMPXCHG, Ev, Gv, F_LOCK),
	[0xb2] = R(LOAD_FAR, M, _, 0),			/* LSS */
	[0xb3] = R(BTR, Ev, Gv, F_LOCK),
	[0xb4] = R(LOAD_FAR, M, _, 0),			/* LFS */
	[0xb5] = R(LOAD_FAR, M, _, 0),			/* LGS */
	[0xb6] = R(MOVZX, Gv, E8, 0),
	[0xb7] = R(MOVZX, Gv, E16, 0),
	[0xb8] = X(E, _, F_F3),				/* POPCNT */
	[0xb9] = X(E, _, 0),				/* UD1 */
	[0xba] = GRP(REG, group8_ba),
	[0xbb] = R(BTC, Ev, Gv, F_LOCK),
	[0xbc] = R(BSF, Gv, Ev, 0),			/* F3: TZCNT */
	[0xbd] = R(BSR, Gv, Ev, 0),			/* F3: LZCNT */
	[0xbe] = R(MOVSX, Gv, E8, 0),
	[0xbf] = R(MOVSX, Gv, E16, 0),

	[0xc0] = R(XADD, Eb, Gb, F_LOCK),
	[0xc1] = R(XADD, Ev, Gv, F_LOCK),
	[0xc2] = X(E, Ib, ALL4),
	[0xc3] = R(MOVNTI, My, Gy, F_NP),
	[0xc4] = X(E, Ib, MMX),
	[0xc5] = X(R, Ib, MMX),
	[0xc6] = X(E, Ib, PS | PD),
	[0xc7] = GRP(MOD, group9_c7),
	ROWS8(0xc8, X(Zv, _, 0)),			/* BSWAP */

	[0xd0] = X(E, _, F_66 | F_F2),
	[0xd1] = X(E, _, MMX),
	ROWS4(0xd2, X(E, _, MMX)),
	[0xd6] = GRP(PFX, mov_d6),
	[0xd7] = X(R, _, MMX),
	ROWS8(0xd8, X(E, _, MMX)),

	ROWS4(0xe0, X(E, _, MMX)),
	[0xe4] = X(E, _, MMX),
	[0xe5] = X(E, _, MMX),
	[0xe6] = X(E, _, PD | SS | SD),
	[0xe7] = GRP(PFX, mov_e7),
	ROWS8(0xe8, X(E, _, MMX)),

	[0xf0] = R(VEC_MOV, V, Wx, F_F2 | F_MEM | F_VEX),	/* LDDQU */
	[0xf1] = X(E, _, MMX),
	ROWS4(0xf2, X(E, _, MMX)),
	[0xf6] = X(E, _, MMX),
	[0xf7] = X(R, _, MMX),				/* MASKMOVQ */
	ROWS7(0xf8, X(E, _, MMX)),
	[0xff] = X(E, _, 0),				/* UD0 */
};
