/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the manuals leave undefined, so that a comparison with a CPU leaves it out.
 */
#ifndef EMULATE_TESTS_UNDEFINED_H
#define EMULATE_TESTS_UNDEFINED_H

#include "../emulate.h"

#define UF_CF 0x001ull
#define UF_PF 0x004ull
#define UF_AF 0x010ull
#define UF_ZF 0x040ull
#define UF_SF 0x080ull
#define UF_OF 0x800ull

/* The count of a shift, cut as the CPU does. */
static inline unsigned int shift_count(const struct emu_insn *insn, u64 rcx)
{
	unsigned int mask = insn->op_bytes == 8 ? 63 : 31;
	u8 op = insn->opcode;

	if (insn->map == INSN_MAP_1BYTE && (op == 0xd0 || op == 0xd1))
		return 1;
	if (insn->map == INSN_MAP_1BYTE ? op == 0xc0 || op == 0xc1 : op == 0xa4 || op == 0xac)
		return insn->imm & mask;
	return rcx & mask;
}

static inline u64 undefined_flags(const struct emu_insn *insn, u64 rcx)
{
	unsigned int bits = insn->op_bytes * 8;
	unsigned int n;

	switch (insn->op) {
	case INSN_AND:
	case INSN_OR:
	case INSN_XOR:
	case INSN_TEST:
		return UF_AF;
	case INSN_ROL ... INSN_SHRD:
		n = shift_count(insn, rcx);
		if (!n)
			return 0;
		if (insn->op <= INSN_RCR)
			return n == 1 ? 0 : UF_OF;
		return UF_AF | (n == 1 ? 0 : UF_OF) |
		       (n >= bits && insn->op != INSN_SAR ? UF_CF : 0);
	case INSN_BT ... INSN_BTC:
		return UF_OF | UF_SF | UF_AF | UF_PF;
	case INSN_BSF:
	case INSN_BSR:
		return UF_CF | UF_OF | UF_SF | UF_AF | UF_PF;
	default:
		return 0;
	}
}

/* SHLD and SHRD by more than the operand's width have no result at all. */
static inline bool undefined_result(const struct emu_insn *insn, u64 rcx)
{
	return (insn->op == INSN_SHLD || insn->op == INSN_SHRD) &&
	       shift_count(insn, rcx) > insn->op_bytes * 8u;
}

/* VEX.L must be 0 in these moves: MOVD, MOVQ, and those of half a register. */
static inline bool undefined_vex_length(const struct emu_insn *insn)
{
	u8 op = insn->opcode;

	return insn->map == INSN_MAP_0F && (op == 0x6e || op == 0x7e || op == 0xd6 || op == 0x12 ||
					    op == 0x13 || op == 0x16 || op == 0x17);
}

#endif
