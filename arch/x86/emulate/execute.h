/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the execute files share: operands, memory through segments, flags. Private to the emulator.
 *
 * The order in every instruction is: compute addresses, read, compute, write memory, and only then
 * change registers and flags. See "Restarting" in emulate.h.
 */
#ifndef ARCH_X86_EMULATE_EXECUTE_H
#define ARCH_X86_EMULATE_EXECUTE_H

#include <linux/types.h>
#include "emulate.h"
#include "table.h"

#define FLAG_CF 0x00000001ull
#define FLAG_PF 0x00000004ull
#define FLAG_AF 0x00000010ull
#define FLAG_ZF 0x00000040ull
#define FLAG_SF 0x00000080ull
#define FLAG_TF 0x00000100ull
#define FLAG_DF 0x00000400ull
#define FLAG_OF 0x00000800ull
#define FLAG_IOPL_SHIFT 12
#define FLAG_RF 0x00010000ull
#define FLAG_AC 0x00040000ull

/* The flags that arithmetic changes. */
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/*
 * After so many lost races for a locked operand the guest goes round again, and the host gets to
 * breathe.
 */
#define LOCKED_TRIES 16

#define PAGE_BYTES 4096

#define VECTOR_UD 6
#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_AC 17

/**
 * struct operand - a general register, memory or a constant
 * @lin:	linear address, if memory
 * @val:	value, if constant
 * @kind:	enum operand_kind, with the memory forms of OP_E* and OP_O made OP_O
 * @reg:	register number
 * @size:	in bytes
 */
struct operand {
	u64 lin;
	u64 val;
	u8 kind;
	u8 reg;
	u8 size;
};

/* All ones in the low @size bytes; @size is 1, 2, 4 or 8. */
static inline u64 size_mask(unsigned int size)
{
	return ~0ull >> (64 - size * 8);
}

static inline u64 sign_extend(u64 v, unsigned int size)
{
	unsigned int shift = 64 - size * 8;

	return (u64)((s64)(v << shift) >> shift);
}

/*
 * decode.c: as emu_decode(); @buf has INSN_BUFFER bytes, and the one behind @n (at most
 * INSN_MAX_LEN) is overwritten.
 */
int emu_decode_buffer(struct emu_insn *insn, u8 *buf, unsigned int n, enum emu_mode mode);

/* memory.c */
int emu_fault(struct emu_ctxt *c, u8 vector);
bool emu_canonical(const struct emu_ctxt *c, u64 addr);
u64 emu_ea(const struct emu_ctxt *c);
int emu_linear(struct emu_ctxt *c, enum insn_seg seg, u64 ea, unsigned int size,
	       unsigned int access, u64 *lin);
int emu_read(struct emu_ctxt *c, enum insn_seg seg, u64 ea, unsigned int size, u64 *val);
int emu_write(struct emu_ctxt *c, enum insn_seg seg, u64 ea, unsigned int size, u64 val);

/* operand.c */
u64 emu_get_reg(const struct emu_ctxt *c, u8 reg, unsigned int size);
void emu_set_reg(struct emu_ctxt *c, u8 reg, unsigned int size, u64 val);
int emu_operand(struct emu_ctxt *c, u8 kind, unsigned int access, struct operand *o);
int emu_operand_read(struct emu_ctxt *c, const struct operand *o, unsigned int access, u64 *val);
int emu_operand_write(struct emu_ctxt *c, const struct operand *o, u64 val);
int emu_operand_replace(struct emu_ctxt *c, const struct operand *o, u64 old, u64 val, bool locked,
			bool *done);
bool emu_condition(const struct emu_ctxt *c);

/*
 * One function for each class of instructions, called by emulate(). They return what emulate()
 * does.
 */
int emu_mov(struct emu_ctxt *c);
int emu_alu(struct emu_ctxt *c);
int emu_shift(struct emu_ctxt *c);
int emu_bit_test(struct emu_ctxt *c);
int emu_bit_scan(struct emu_ctxt *c);
int emu_exchange(struct emu_ctxt *c);
int emu_cmpxchg_wide(struct emu_ctxt *c);
int emu_string(struct emu_ctxt *c);
int emu_stack(struct emu_ctxt *c);
int emu_vec_mov(struct emu_ctxt *c);

/* alu.c: the flags of a comparison, which others need too. */
u64 emu_flags_sub(u64 flags, u64 a, u64 b, unsigned int size);

#endif
