/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where Intel's and AMD's CPUs do not do the same in 64-bit mode. The emulator does as Intel's do:
 * there the comparison leaves nothing out, elsewhere it leaves out what is said here.
 */
#ifndef EMULATE_TESTS_VENDOR_H
#define EMULATE_TESTS_VENDOR_H

#include "forms.h"

/*
 * Instructions that AMD's CPUs understand otherwise:
 *
 * - A near branch with 66 and without REX.W: Intel's ignore the prefix (SDM volume 2, "CALL" and
 *   "JMP"; appendix A, superscript f64). AMD's take a 16-bit operand, push two bytes and cut RIP to
 *   16 bits (APM volume 3, "CALL (Near)", "JMP (Near)"; volume 1, "Near Branches in 64-Bit Mode").
 * - MOVSXD with 66 and without REX.W reads 16 bits of memory on Intel's CPUs (SDM volume 2,
 *   "MOVSX/MOVSXD"), 32 bits on AMD's (APM volume 3, "MOVSXD"), which is seen when they reach into
 *   another page or are not aligned.
 * - 0F 0D with a register: a NOP (SDM volume 2, appendix A, table A-3), or #UD (APM volume 3,
 *   "PREFETCH, PREFETCHW": the operand is memory).
 */
static inline bool amd_differs(const struct emu_insn *insn)
{
	bool opsize = insn->flags & INSN_OPSIZE && !(insn->flags & INSN_REX_W);

	switch (insn->op) {
	case INSN_CALL:
	case INSN_JMP:
		return opsize;
	case INSN_MOVSX:
		return opsize && insn->map == INSN_MAP_1BYTE && insn_has_mem(insn);
	case INSN_NOP:
		return insn->map == INSN_MAP_0F && insn->opcode == 0x0d && insn->mod == 3;
	default:
		return false;
	}
}

/*
 * Moves of whole vector registers that need no alignment: an alignment check "may or may not" be
 * made (SDM volume 3, "Interrupt 17"). Intel's CPUs do not, AMD's do (APM volume 3, "MOVUPS",
 * "MOVDQU").
 */
static inline bool amd_checks_alignment(const struct emu_insn *insn)
{
	return insn->op == INSN_VEC_MOV && forms_unaligned_vector(insn);
}

/*
 * A repeated comparison that faults: the flags are what they were before (SDM volume 2, "REP"), or
 * what the last complete comparison has left. Both are right, for it goes on from there.
 */
static inline bool amd_keeps_flags(const struct emu_insn *insn)
{
	return insn->flags & (INSN_REP | INSN_REPNE) &&
	       (insn->op == INSN_CMPS || insn->op == INSN_SCAS);
}

#endif
