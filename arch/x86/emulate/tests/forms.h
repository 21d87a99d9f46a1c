/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random instructions that the emulator executes, over every opcode and operand size that it knows.
 * The list comes out of the decoder's own tables, so a new row is tested without being listed here.
 */
#ifndef EMULATE_TESTS_FORMS_H
#define EMULATE_TESTS_FORMS_H

#include "../emulate.h"
#include "random.h"

/* An opcode with what chooses a row besides it. */
struct form {
	u8 map;		/* enum insn_map, 0 to 3 */
	u8 opcode;
	u8 reg;		/* ModRM.reg */
	u8 prefix;	/* 0, 0x66, 0xf3, 0xf2 */
	bool mem;	/* ModRM names memory */
	bool vex;
	u8 op;		/* enum insn_op */
};

#define FORMS_MAX 16384

unsigned int forms_list(struct form *forms, enum emu_mode mode);
unsigned int forms_encode(const struct form *form, struct random *rnd, enum emu_mode mode,
			  u8 *bytes, struct emu_insn *insn);
bool forms_has_address(const struct emu_insn *insn);
bool forms_unaligned_vector(const struct emu_insn *insn);
void forms_aim(const struct emu_insn *insn, u8 *bytes, u64 ea, u64 rip, struct random *rnd,
	       u64 *gpr);

#endif
