/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Running one instruction on the real CPU, in user space: load all registers, jump to it, save all
 * registers.
 */
#ifndef EMULATE_TESTS_NATIVE_H
#define EMULATE_TESTS_NATIVE_H

#include <linux/types.h>

/*
 * Where the instruction may access memory: RAM, then a page that is not there, then one that is
 * read-only.
 */
#define NATIVE_MEM	0x10000000ull
#define NATIVE_RAM_SIZE	0x4000ull
#define NATIVE_HOLE	(NATIVE_MEM + NATIVE_RAM_SIZE)
#define NATIVE_RO	(NATIVE_HOLE + 0x1000)
#define NATIVE_SIZE	(NATIVE_RAM_SIZE + 0x2000)

/* Where the instruction stands, and where a CALL or JMP should go. */
#define NATIVE_CODE	0x2f6b5000ull

struct native {
	u64 gpr[16];
	u64 rflags;
	u64 host_rsp;
	u64 rip;	/* of a fault; otherwise what follows the instruction */
	u64 with_vec;	/* load and save the vector registers, which takes longer */
	u8 vec[16][32];
	int vector;	/* of the exception, or -1 */
	u32 error_code;
	u64 address;
	bool running;	/* between native_enter() and native_return() */
	bool strayed;	/* the fault came after the instruction had gone elsewhere */
	unsigned int len;
	u8 bytes[15];
};

extern struct native native_state;

int native_init(void);
u64 native_return_address(void);
void native_run(const u8 *code, unsigned int n);

#endif
