// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the decoder: names, registers, sizes and segments of single instructions; what is
 * refused; the limits of length. Lengths as such are compared with another decoder in test_zydis.c.
 */
#include "../emulate.h"
#include "ktap.h"

#define R16 EMU_MODE_16
#define R32 EMU_MODE_32
#define R64 EMU_MODE_64

static struct emu_insn insn;

/* Decode the bytes of a string literal. */
#define DECODE(bytes, mode) emu_decode(&insn, (const u8 *)(bytes), sizeof(bytes) - 1, mode)

#define EXPECT_INSN(bytes, mode, what) do {				\
	EXPECT_EQ(DECODE(bytes, mode), 0);				\
	EXPECT_EQ(insn.op, INSN_##what);				\
	EXPECT_EQ(insn.len, sizeof(bytes) - 1);				\
} while (0)

static void names(void)
{
	EXPECT_INSN("\x0f\xa2", R64, CPUID);
	EXPECT_INSN("\xf4", R16, HLT);
	EXPECT_INSN("\xf3\x90", R64, PAUSE);
	EXPECT_INSN("\x0f\x32", R64, RDMSR);
	EXPECT_INSN("\x0f\x30", R64, WRMSR);
	EXPECT_INSN("\x0f\x31", R32, RDTSC);
	EXPECT_INSN("\x0f\x01\xf9", R64, RDTSCP);
	EXPECT_INSN("\x0f\x33", R64, RDPMC);
	EXPECT_INSN("\x0f\x01\xfd", R64, RDPRU);
	EXPECT_INSN("\x0f\x01\xc1", R64, VMCALL);
	EXPECT_INSN("\x0f\x01\xd9", R64, VMMCALL);
	EXPECT_INSN("\x0f\x01\xd8", R64, VMRUN);
	EXPECT_INSN("\x0f\x01\xda", R64, VMLOAD);
	EXPECT_INSN("\x0f\x01\xdb", R64, VMSAVE);
	EXPECT_INSN("\x0f\x01\xdc", R64, STGI);
	EXPECT_INSN("\x0f\x01\xdd", R64, CLGI);
	EXPECT_INSN("\x0f\x01\xde", R64, SKINIT);
	EXPECT_INSN("\x0f\x01\xdf", R64, INVLPGA);
	EXPECT_INSN("\x0f\x01\xd1", R64, XSETBV);
	EXPECT_INSN("\x0f\x01\xd0", R64, XGETBV);
	EXPECT_INSN("\x0f\x01\x38", R64, INVLPG);
	EXPECT_INSN("\x66\x0f\x38\x82\x08", R64, INVPCID);
	EXPECT_INSN("\x0f\x08", R64, INVD);
	EXPECT_INSN("\xf3\x0f\x09", R64, WBINVD);
	EXPECT_INSN("\x0f\x01\xc8", R64, MONITOR);
	EXPECT_INSN("\x0f\x01\xc9", R64, MWAIT);
	EXPECT_INSN("\x0f\xaa", R64, RSM);
	EXPECT_INSN("\x0f\x06", R16, CLTS);
	EXPECT_INSN("\x0f\x01\xf8", R64, SWAPGS);
	EXPECT_INSN("\x0f\x01\x10", R64, LGDT);
	EXPECT_INSN("\x2e\x0f\x01\x1e\x00\x10", R16, LIDT);
	EXPECT_INSN("\x0f\x00\xd8", R32, LTR);
	EXPECT_INSN("\xcc", R64, INT3);
	EXPECT_INSN("\xcd\x80", R32, INT);
	EXPECT_EQ(insn.imm & 0xff, 0x80);
	EXPECT_INSN("\xf1", R64, INT1);
	EXPECT_INSN("\x48\xcf", R64, IRET);
	EXPECT_INSN("\xe4\x71", R16, IN);
	EXPECT_INSN("\xef", R64, OUT);
	EXPECT_INSN("\xf3\x6c", R64, INS);
	EXPECT_INSN("\x66\x0f\xc7\x33", R64, VMX);		/* vmclear */
	EXPECT_INSN("\xff\x28", R32, JMP_FAR);
}

static void control_registers(void)
{
	EXPECT_INSN("\x0f\x20\xc0", R64, MOV_FROM_CR);		/* mov %cr0,%rax */
	EXPECT_EQ(insn.reg, 0);
	EXPECT_EQ(insn.rm, INSN_RAX);
	EXPECT_EQ(insn.op_bytes, 8);
	EXPECT_INSN("\x44\x0f\x22\xc3", R64, MOV_TO_CR);	/* mov %rbx,%cr8 */
	EXPECT_EQ(insn.reg, 8);
	EXPECT_EQ(insn.rm, INSN_RBX);
	EXPECT_INSN("\x41\x0f\x22\xdf", R64, MOV_TO_CR);	/* mov %r15,%cr3 */
	EXPECT_EQ(insn.reg, 3);
	EXPECT_EQ(insn.rm, INSN_R15);
	EXPECT_INSN("\xf0\x0f\x20\xc1", R32, MOV_FROM_CR);	/* lock mov %cr0,%ecx is CR8 */
	EXPECT_EQ(insn.reg, 8);
	EXPECT_EQ(insn.op_bytes, 4);
	/* ModRM.mod is ignored: no SIB byte and no displacement. */
	EXPECT_INSN("\x0f\x22\x24", R32, MOV_TO_CR);
	EXPECT_EQ(insn.reg, 4);
	EXPECT_EQ(insn.rm, INSN_RSP);
	EXPECT_INSN("\x0f\x23\xf8", R64, MOV_TO_DR);
	EXPECT_EQ(insn.reg, 7);
	EXPECT_INSN("\x0f\x21\xf8", R16, MOV_FROM_DR);
	EXPECT_EQ(DECODE("\x0f\x20\xc8", R64), -EMU_UD);	/* CR1 */
	EXPECT_EQ(DECODE("\x44\x0f\x22\xc8", R64), -EMU_UD);	/* CR9 */
	EXPECT_EQ(DECODE("\xf0\x0f\x22\xd8", R64), -EMU_UD);	/* LOCK with CR3 */
	EXPECT_EQ(DECODE("\x44\x0f\x23\xc0", R64), -EMU_UD);	/* DR8 */
	EXPECT_INSN("\x0f\x01\xf0", R16, LMSW);
	EXPECT_EQ(insn.rm, INSN_RAX);
	EXPECT_INSN("\x0f\x01\xe1", R16, SMSW);
	EXPECT(!insn_has_mem(&insn));
}

static void sizes(void)
{
	EXPECT_INSN("\x89\x07", R64, MOV);
	EXPECT_EQ(insn.op_bytes, 4);
	EXPECT_EQ(insn.ad_bytes, 8);
	EXPECT_INSN("\x66\x89\x07", R64, MOV);
	EXPECT_EQ(insn.op_bytes, 2);
	EXPECT_INSN("\x66\x48\x89\x07", R64, MOV);
	EXPECT_EQ(insn.op_bytes, 8);
	EXPECT_INSN("\x88\x07", R64, MOV);
	EXPECT_EQ(insn.op_bytes, 1);
	EXPECT_INSN("\x67\x89\x07", R64, MOV);
	EXPECT_EQ(insn.ad_bytes, 4);
	EXPECT_INSN("\x89\x07", R16, MOV);
	EXPECT_EQ(insn.op_bytes, 2);
	EXPECT_EQ(insn.ad_bytes, 2);
	EXPECT_INSN("\x66\x67\x89\x07", R16, MOV);
	EXPECT_EQ(insn.op_bytes, 4);
	EXPECT_EQ(insn.ad_bytes, 4);
	EXPECT_INSN("\xff\x30", R64, PUSH);
	EXPECT_EQ(insn.op_bytes, 8);
	EXPECT_INSN("\x66\xff\x30", R64, PUSH);
	EXPECT_EQ(insn.op_bytes, 2);
	EXPECT_INSN("\x66\xff\x20", R64, JMP);
	EXPECT_EQ(insn.op_bytes, 8);
	EXPECT_INSN("\x66\xff\x20", R32, JMP);
	EXPECT_EQ(insn.op_bytes, 2);
	EXPECT_INSN("\xc5\xfe\x6f\x07", R64, VEC_MOV);		/* vmovdqu (%rdi),%ymm0 */
	EXPECT_EQ(insn.vl, 1);
	EXPECT_INSN("\x0f\xc3\x07", R16, MOVNTI);
	EXPECT_EQ(insn.op_bytes, 4);
	/* A REX prefix that another prefix follows does not count. */
	EXPECT_INSN("\x48\x66\x89\x07", R64, MOV);
	EXPECT_EQ(insn.op_bytes, 2);
	EXPECT(!(insn.flags & INSN_REX));
}

static void memory_operands(void)
{
	EXPECT_INSN("\x8b\x44\x9d\xf0", R64, MOV);		/* mov -16(%rbp,%rbx,4),%eax */
	EXPECT_EQ(insn.base, INSN_RBP);
	EXPECT_EQ(insn.index, INSN_RBX);
	EXPECT_EQ(insn.scale, 2);
	EXPECT_EQ((u32)insn.disp, (u32)-16);
	EXPECT_EQ(insn.seg, INSN_SEG_SS);
	EXPECT_INSN("\x43\x8b\x04\x20", R64, MOV); /* mov (%r8,%r12),%eax: R12 can be an index */
	EXPECT_EQ(insn.base, INSN_R8);
	EXPECT_EQ(insn.index, INSN_R12);
	EXPECT_EQ(insn.seg, INSN_SEG_DS);
	EXPECT_INSN("\x8b\x04\x24", R64, MOV);			/* mov (%rsp),%eax: RSP cannot */
	EXPECT_EQ(insn.base, INSN_RSP);
	EXPECT_EQ(insn.index, INSN_NO_REG);
	EXPECT_EQ(insn.seg, INSN_SEG_SS);
	EXPECT_INSN("\x41\x8b\x45\x00", R64, MOV);	/* mov 0(%r13),%eax: not the stack */
	EXPECT_EQ(insn.seg, INSN_SEG_DS);
	EXPECT_INSN("\x8b\x05\x00\x00\x00\x80", R64, MOV);
	EXPECT(insn.flags & INSN_RIP_REL);
	EXPECT_INSN("\x8b\x05\x00\x00\x00\x80", R32, MOV);
	EXPECT(!(insn.flags & INSN_RIP_REL));
	EXPECT_EQ(insn.base, INSN_NO_REG);
	EXPECT_INSN("\x8b\x04\x25\x00\x00\x00\x80", R64, MOV);	/* mov 0xffffffff80000000,%eax */
	EXPECT_EQ(insn.base, INSN_NO_REG);
	EXPECT_EQ((u64)(s64)insn.disp, 0xffffffff80000000);
	EXPECT_INSN("\x8a\x02", R16, MOV);			/* mov (%bp,%si),%al */
	EXPECT_EQ(insn.base, INSN_RBP);
	EXPECT_EQ(insn.index, INSN_RSI);
	EXPECT_EQ(insn.seg, INSN_SEG_SS);
	EXPECT_INSN("\x3e\x8a\x02", R16, MOV);
	EXPECT_EQ(insn.seg, INSN_SEG_DS);
	EXPECT_INSN("\x8a\x0e\x34\x12", R16, MOV);
	EXPECT_EQ(insn.base, INSN_NO_REG);
	EXPECT_EQ(insn.disp, 0x1234);
	EXPECT_INSN("\x65\x26\x8a\x00", R64, MOV); /* ES does not count in 64-bit mode, GS does */
	EXPECT_EQ(insn.seg, INSN_SEG_GS);
	EXPECT_INSN("\x64\xa2\x00\xff", R16, MOV);
	EXPECT_EQ(insn.imm, 0xff00);
	EXPECT_EQ(insn.seg, INSN_SEG_FS);
}

static void immediates(void)
{
	EXPECT_INSN("\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11", R64, MOV);
	EXPECT_EQ(insn.imm, 0x1122334455667788);
	EXPECT_INSN("\x48\xc7\xc0\xff\xff\xff\xff", R64, MOV);
	EXPECT_EQ(insn.imm, ~0ull);
	EXPECT_INSN("\x66\xc7\x00\x34\x12", R64, MOV);
	EXPECT_EQ(insn.imm, 0x1234);
	EXPECT_INSN("\x83\xc0\x80", R64, ADD);
	EXPECT_EQ(insn.imm, ~0x7full);
	EXPECT_INSN("\xea\x78\x56\x34\x92\x10\xf0", R32, OTHER); /* jmp far 0xf010:0x92345678 */
	EXPECT_EQ(insn.imm, 0x92345678);
	EXPECT_EQ(insn.imm2, 0xf010);
	EXPECT_INSN("\x9a\x78\x96\x10\xf0", R16, OTHER);
	EXPECT_EQ(insn.imm, 0x9678);
	EXPECT_EQ(insn.imm2, 0xf010);
	EXPECT_INSN("\xc8\x34\x92\x81", R64, OTHER);		/* enter */
	EXPECT_EQ(insn.imm, 0x9234);
	EXPECT_EQ(insn.imm2, 0x81);
	EXPECT_INSN("\x66\x0f\x78\xc1\x12\x34", R64, OTHER);	/* extrq */
	EXPECT_EQ(insn.imm2, 0x34);
	EXPECT_INSN("\x66\xe8\x00\x00\x00\x00", R64, OTHER); /* 66 does not shorten a near branch */
	EXPECT_INSN("\x66\xe8\x00\x00", R32, OTHER);
}

static void refused(void)
{
	static const struct { const char *bytes; unsigned int n; enum emu_mode mode; } bad[] = {
		{ "\x0f\x04", 2, R64 }, { "\x0f\x0a", 2, R64 }, { "\x0f\x24\xc0", 3, R64 },
		{ "\x06", 1, R64 }, { "\x27", 1, R64 }, { "\x60", 1, R64 },
		{ "\x9a\0\0\0\0\0\0", 7, R64 },
		{ "\xce", 1, R64 }, { "\x82\xc0\x01", 3, R64 }, { "\xd4\x0a", 2, R64 },
		{ "\xf0\x89\x07", 3, R64 },		/* LOCK MOV */
		{ "\xf0\x01\xc0", 3, R64 },		/* LOCK ADD to a register */
		{ "\xf0\x39\x07", 3, R64 },		/* LOCK CMP */
		{ "\xf0\x90", 2, R64 },			/* LOCK NOP */
		{ "\x8d\xc0", 2, R64 },			/* LEA of a register */
		{ "\xff\xf8", 2, R64 }, { "\xff\xd8", 2, R64 }, { "\xfe\xd0", 2, R64 },
		{ "\x8f\xe0", 2, R32 },
		{ "\xc6\xc8\x00", 3, R64 }, { "\xc7\xf9\0\0\0\0", 6, R64 },
		{ "\x8e\xc8", 2, R64 },			/* MOV to CS */
		{ "\x8c\xf0", 2, R64 },			/* MOV from segment register 6 */
		{ "\x0f\xba\xc0\x01", 4, R64 }, { "\x0f\xc7\xc8", 3, R64 },
		{ "\x0f\x01\xf8", 3, R32 },
		{ "\x66\xc5\xf8\x77", 4, R64 }, { "\xf0\xc5\xf8\x77", 4, R64 },
		{ "\x48\xc5\xf8\x77", 4, R64 },
		{ "\xc4\xe4\x78\x10\x00", 5, R64 },	/* VEX map 4 */
		{ "\x62\xf4\x7c\x08\x10\x00", 6, R64 },	/* EVEX map 4 */
		{ "\x62\xf9\x7c\x08\x10\x00", 6, R64 },	/* EVEX with a reserved bit */
		{ "\x62\xf1\x78\x08\x10\x00", 6, R64 },	/* EVEX with a fixed bit cleared */
		{ "\x8f\xeb\x78\x10\x00", 5, R64 },	/* XOP map 11 */
		{ "\x0f\x38\xff\xc0", 4, R64 }, { "\x0f\x3a\xff\xc0\x00", 5, R64 },
		{ "\x0f\xb8\xc0", 3, R64 },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int ret = emu_decode(&insn, (const u8 *)bad[i].bytes, bad[i].n, bad[i].mode);

		if (ret != -EMU_UD)
			KTAP_FAIL("case %u: %d", i, ret);
	}
	/* The same bytes elsewhere. */
	EXPECT_INSN("\x06", R32, OTHER);
	EXPECT_INSN("\xf0\x01\x07", R64, ADD);
	EXPECT_INSN("\xc5\x00", R32, LOAD_FAR);
	EXPECT_INSN("\x62\x00", R32, OTHER);
	EXPECT_INSN("\x8f\x00", R64, POP);
	EXPECT_INSN("\x8f\xe8\x78\xa2\xc0\x10", R64, OTHER);	/* XOP map 8: vpcmov */
	EXPECT_INSN("\x8f\xea\x78\x10\xc0\1\2\3\4", R64, OTHER);	/* XOP map 10: bextr */
	EXPECT_INSN("\x62\xf1\x7c\x48\x10\x00", R64, OTHER);	/* vmovups (%rax),%zmm0 */
	EXPECT_EQ(insn.vl, 2);
}

static void length_limit(void)
{
	u8 bytes[32];

	/* 14 prefixes and HLT are an instruction, 15 are not. */
	memset(bytes, 0x66, sizeof(bytes));
	bytes[14] = 0xf4;
	EXPECT_EQ(emu_decode(&insn, bytes, 32, R64), 0);
	EXPECT_EQ(insn.len, 15);
	EXPECT_EQ(emu_decode(&insn, bytes, 14, R64), -EMU_TRUNCATED);
	bytes[14] = 0x66;
	bytes[15] = 0xf4;
	EXPECT_EQ(emu_decode(&insn, bytes, 32, R64), -EMU_TOO_LONG);
	EXPECT_EQ(emu_decode(&insn, bytes, 15, R64), -EMU_TOO_LONG);
	EXPECT_EQ(emu_decode(&insn, bytes, 14, R64), -EMU_TRUNCATED);
	EXPECT_EQ(emu_decode(&insn, bytes, 0, R64), -EMU_TRUNCATED);
	/* The end may come anywhere in the immediate. */
	memcpy(bytes + 11, "\x81\x00\x78\x56\x34\x12", 6);
	EXPECT_EQ(emu_decode(&insn, bytes, 32, R32), 0);
	EXPECT_EQ(insn.len, 15);
	memcpy(bytes + 12, "\x81\x00\x78\x56\x34\x12", 6);
	EXPECT_EQ(emu_decode(&insn, bytes, 32, R32), -EMU_TOO_LONG);
}

/* The shortcut and the decoder must agree, for everything that the shortcut accepts. */
static void quick_length(void)
{
	for (unsigned int i = 0; i < 1 << 24; i++) {
		u8 bytes[3] = { i >> 16, i >> 8, i };

		/* Most first bytes are not for the shortcut: one second byte each will do. */
		if (bytes[0] != 0x0f && (i & 0xffff))
			continue;
		for (unsigned int n = 1; n <= 3; n++) {
			unsigned int len = insn_quick_len(bytes, n);

			if (!len)
				continue;
			for (int mode = R16; mode <= R64; mode++) {
				int ret = emu_decode(&insn, bytes, n, mode);

				if (ret == -EMU_UD && bytes[1] == 0x01)
					continue; /* there is no such instruction to be skipped */
				if (ret || insn.len != len)
					KTAP_FAIL("%02x %02x %02x: %u, not %d", bytes[0], bytes[1],
						  bytes[2], len, ret);
			}
		}
	}
	EXPECT_EQ(insn_quick_len((const u8 *)"\x0f\xa2", 2), 2);
	EXPECT_EQ(insn_quick_len((const u8 *)"\xf4", 1), 1);
	EXPECT_EQ(insn_quick_len((const u8 *)"\x0f\x01\xd9", 3), 3);
	EXPECT_EQ(insn_quick_len((const u8 *)"\x0f", 1), 0);
	EXPECT_EQ(insn_quick_len((const u8 *)"\x0f\x01", 2), 0);
	EXPECT_EQ(insn_quick_len((const u8 *)"\x66\x0f\xa2", 3), 0);
}

int main(void)
{
	static const struct ktap_test tests[] = {
		{ "names", names },
		{ "control_registers", control_registers },
		{ "sizes", sizes },
		{ "memory_operands", memory_operands },
		{ "immediates", immediates },
		{ "refused", refused },
		{ "length_limit", length_limit },
		{ "quick_length", quick_length },
	};

	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
