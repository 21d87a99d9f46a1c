// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the executor: what cannot be compared with a real CPU, or is clearer when written
 * down. Device accesses and restarts, segments, faults, string instructions, the stack.
 */
#include "ktap.h"
#include "machine.h"

static struct machine m;

/* Run the bytes of a string literal. */
#define RUN(bytes) machine_run(&m, bytes, sizeof(bytes) - 1)

static void start64(void)
{
	machine_init(&m, EMU_MODE_64, EMU_PROTECTED);
}

static void start32(void)
{
	machine_init(&m, EMU_MODE_32, EMU_PROTECTED);
}

static void start16(void)
{
	machine_init(&m, EMU_MODE_16, EMU_REAL);
}

static void end(void)
{
	EXPECT(!m.broken);
	machine_free(&m);
}

static void expect_fault(int ret, u8 vector, bool has_error)
{
	EXPECT_EQ(ret, -EMU_FAULT);
	EXPECT_EQ(m.c.exception.vector, vector);
	EXPECT_EQ(m.c.exception.has_error, has_error);
}

static void mov_forms(void)
{
	start64();
	m.gpr[INSN_RAX] = 0x1122334455667788;
	m.gpr[INSN_RDI] = DEV_BASE;
	EXPECT_EQ(RUN("\x88\x07"), 0);				/* mov %al,(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 8), 0x88);
	EXPECT_EQ(m.c.rip, CODE_RIP + 2);
	EXPECT_EQ(RUN("\x88\x67\x01"), 0);			/* mov %ah,1(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 8), 0x7788);
	EXPECT_EQ(RUN("\x66\x89\x47\x02"), 0);			/* mov %ax,2(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 8), 0x77887788);
	EXPECT_EQ(RUN("\x48\x89\x47\x08"), 0);			/* mov %rax,8(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE + 8, 8), 0x1122334455667788);
	EXPECT_EQ(RUN("\x8b\x4f\x08"), 0);			/* mov 8(%rdi),%ecx */
	EXPECT_EQ(m.gpr[INSN_RCX], 0x55667788);
	EXPECT_EQ(RUN("\x8a\x6f\x09"), 0);			/* mov 9(%rdi),%ch */
	EXPECT_EQ(m.gpr[INSN_RCX], 0x55667788);
	EXPECT_EQ(RUN("\x40\x8a\x6f\x0f"), 0);			/* mov 15(%rdi),%bpl */
	EXPECT_EQ(m.gpr[INSN_RBP], 0x11);
	EXPECT_EQ(RUN("\xc7\x07\xfe\xff\xff\xff"), 0);		/* movl $-2,(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 8), 0xfffffffe);
	EXPECT_EQ(RUN("\x48\xc7\x07\xfe\xff\xff\xff"), 0);	/* movq $-2,(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 8), ~1ull);
	EXPECT_EQ(RUN("\xa1\x00\x00\x0a\x00\x00\x00\x00\x00"), 0);	/* movabs 0xa0000,%eax */
	EXPECT_EQ(m.gpr[INSN_RAX], 0xfffffffe);
	m.gpr[INSN_RAX] = 5;
	EXPECT_EQ(RUN("\x67\xa2\x03\x00\x0a\x00"), 0);		/* addr32 mov %al,0xa0003 */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 4), 0x05fffffe);
	m.c.rip = DEV_BASE - 0x100;
	EXPECT_EQ(RUN("\x8b\x05\xfa\x00\x00\x00"), 0);		/* mov 0xfa(%rip),%eax */
	EXPECT_EQ(m.gpr[INSN_RAX], 0x05fffffe);
	end();
}

static void restart_reads(void)
{
	start64();
	m.dev_defer = true;
	m.gpr[INSN_RDI] = DEV_BASE;
	m.gpr[INSN_RSI] = DEV_BASE + 8;
	machine_store(&m, DEV_BASE, 8, 0x1234);
	machine_store(&m, DEV_BASE + 8, 8, 0x1234);

	machine_code(&m, "\x0f\xb7\x0f", 3);			/* movzwl (%rdi),%ecx */
	EXPECT_EQ(machine_step(&m), -EMU_IO);
	EXPECT_EQ(machine_step(&m), 0);
	EXPECT_EQ(m.gpr[INSN_RCX], 0x1234);

	/* Two device reads in one instruction need two rounds. */
	machine_code(&m, "\xa6", 1);				/* cmpsb */
	EXPECT_EQ(machine_step(&m), -EMU_IO);
	EXPECT_EQ(machine_step(&m), -EMU_IO);
	EXPECT_EQ(machine_step(&m), 0);
	EXPECT_EQ(m.gpr[INSN_RDI], DEV_BASE + 1);
	EXPECT(m.c.rflags & 0x40);

	/* A locked read-modify-write of a device, and a plain one. */
	EXPECT_EQ(RUN("\xf0\x83\x0f\x01"), 0);			/* lock orl $1,(%rdi) */
	EXPECT_EQ(RUN("\x87\x0e"), 0);				/* xchg %ecx,(%rsi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE + 9, 4), 0x1234);
	end();
}

/* Every failing callback leaves everything as it was; machine_step() looks at that. */
static void restart_everything(void)
{
	static const struct { const char *code; unsigned int n; } insns[] = {
		{ "\x8a\x07", 2 }, { "\x03\x0f", 2 }, { "\x01\x0f", 2 }, { "\xff\x07", 2 },
		{ "\xf7\x1f", 2 },
		{ "\xf6\x07\x01", 3 }, { "\x0f\xc1\x0f", 3 }, { "\x87\x0f", 2 },
		{ "\x0f\xb1\x0f", 3 },
		{ "\x0f\xc7\x0f", 3 }, { "\xd1\x27", 2 }, { "\x0f\xa4\x0f\x03", 4 },
		{ "\x0f\xba\x2f\x03", 4 },
		{ "\x0f\xbc\x0f", 3 }, { "\xff\x37", 2 }, { "\xff\x17", 2 }, { "\xff\x27", 2 },
		{ "\xa4", 1 },
		{ "\xf3\xa5", 2 }, { "\xac", 1 }, { "\xf3\xae", 2 }, { "\xf2\xa6", 2 },
		{ "\x6e", 1 },
		{ "\x0f\x44\x0f", 3 }, { "\x0f\x38\xf0\x0f", 4 }, { "\xf3\x0f\x6f\x0f", 4 },
		{ "\x0f\x12\x0f", 3 },
		{ "\xc5\xfe\x6f\x0f", 4 }, { "\x8e\x07", 2 }, { "\x48\x63\x0f", 3 },
		{ "\xf0\x0f\xab\x0f", 4 },
	};

	for (unsigned int i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
		start64();
		m.dev_defer = true;
		m.gpr[INSN_RDI] = DEV_BASE + 16;
		m.gpr[INSN_RSI] = DEV_BASE + 64;
		m.gpr[INSN_RCX] = 3;
		m.gpr[INSN_RSP] = 0x8000;
		machine_code(&m, insns[i].code, insns[i].n);
		if (machine_step(&m) != -EMU_IO)
			KTAP_FAIL("case %u does not ask for the read", i);
		if (machine_run(&m, insns[i].code, insns[i].n))
			KTAP_FAIL("case %u does not complete", i);
		end();

		/* The same where nothing is there. */
		start64();
		m.gpr[INSN_RDI] = m.gpr[INSN_RSI] = HOLE_BASE + 16;
		m.gpr[INSN_RCX] = 3;
		m.gpr[INSN_RSP] = 0x8000;
		if (machine_run(&m, insns[i].code, insns[i].n) != -EMU_FAULT ||
		    m.c.exception.vector != 14)
			KTAP_FAIL("case %u does not fault", i);
		end();
	}
}

/* A page fault says whether the instruction would have written. */
static void page_fault_errors(void)
{
	start64();
	m.gpr[INSN_RDI] = RO_BASE + 8;
	EXPECT_EQ(RUN("\x8b\x07"), 0);				/* mov (%rdi),%eax */
	EXPECT_EQ(RUN("\x85\x07"), 0);				/* test %eax,(%rdi) */
	EXPECT_EQ(RUN("\x0f\xa3\x07"), 0);			/* bt %eax,(%rdi) */
	expect_fault(RUN("\x01\x07"), 14, true);		/* add %eax,(%rdi) */
	EXPECT_EQ(m.c.exception.error_code, 3);
	EXPECT_EQ(m.c.exception.address, RO_BASE + 8);
	expect_fault(RUN("\xf0\x01\x07"), 14, true);
	EXPECT_EQ(m.c.exception.error_code, 3);
	expect_fault(RUN("\x0f\xab\x07"), 14, true);		/* bts */
	EXPECT_EQ(m.c.exception.error_code, 3);
	/* CMPXCHG writes even when the comparison fails. */
	m.gpr[INSN_RAX] = 1;
	expect_fault(RUN("\x0f\xb1\x0f"), 14, true);
	EXPECT_EQ(m.c.exception.error_code, 3);
	m.c.cpl = 3;
	m.gpr[INSN_RDI] = HOLE_BASE - 2;
	expect_fault(RUN("\x8b\x07"), 14, true);
	EXPECT_EQ(m.c.exception.error_code, 4);
	EXPECT_EQ(m.c.exception.address, HOLE_BASE);
	end();
}

static void across_pages(void)
{
	start64();
	m.dev_defer = true;
	m.gpr[INSN_RDI] = DEV_BASE - 3;
	machine_store(&m, DEV_BASE - 3, 8, 0x8877665544332211);
	EXPECT_EQ(RUN("\x48\x8b\x07"), 0);			/* half RAM, half device */
	EXPECT_EQ(m.gpr[INSN_RAX], 0x8877665544332211);
	EXPECT_EQ(RUN("\x48\xf7\x17"), 0);			/* notq (%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE - 3, 8), ~0x8877665544332211);
	EXPECT_EQ(m.dev_writes, 1);
	m.gpr[INSN_RDI] = DEV_BASE + 0xffd;
	EXPECT_EQ(RUN("\xf0\x48\x0f\xba\x2f\x3f"), 0);		/* lock btsq $63,(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE + 0xffd, 8), 1ull << 63);
	end();
}

static void locked_races(void)
{
	start64();
	m.gpr[INSN_RDI] = 0x8000;
	m.races = 3;
	EXPECT_EQ(RUN("\xf0\xff\x07"), 0);			/* lock incl (%rdi) */
	EXPECT_EQ(machine_load(&m, 0x8000, 4), 4);
	m.races = 3;
	EXPECT_EQ(RUN("\xf0\x0f\xba\x2f\x08"), 0);		/* lock btsl $8,(%rdi) */
	EXPECT_EQ(machine_load(&m, 0x8000, 4), 0x107);
	m.races = 3;
	m.gpr[INSN_RCX] = 10;
	EXPECT_EQ(RUN("\xf0\x0f\xc1\x0f"), 0);			/* lock xadd %ecx,(%rdi) */
	EXPECT_EQ(m.gpr[INSN_RCX], 0x10a);
	EXPECT_EQ(machine_load(&m, 0x8000, 4), 0x114);
	/* The accumulator was right at first, but another vCPU has changed the memory. */
	m.races = 1;
	m.gpr[INSN_RAX] = 0x114;
	EXPECT_EQ(RUN("\xf0\x0f\xb1\x0f"), 0);			/* lock cmpxchg %ecx,(%rdi) */
	EXPECT(!(m.c.rflags & 0x40));
	EXPECT_EQ(m.gpr[INSN_RAX], 0x115);
	m.races = 1;
	m.gpr[INSN_RAX] = 0x115;
	m.gpr[INSN_RDX] = 0;
	EXPECT_EQ(RUN("\xf0\x0f\xc7\x0f"), 0);			/* lock cmpxchg8b (%rdi) */
	EXPECT(!(m.c.rflags & 0x40));
	EXPECT_EQ(m.gpr[INSN_RAX], 0x116);
	m.gpr[INSN_RBX] = 0x1234;
	m.gpr[INSN_RCX] = 0x5678;
	EXPECT_EQ(RUN("\xf0\x0f\xc7\x0f"), 0);
	EXPECT(m.c.rflags & 0x40);
	EXPECT_EQ(machine_load(&m, 0x8000, 8), 0x567800001234);
	end();
}

/* A race that is lost again and again is given back to the caller, with nothing changed. */
static void locked_livelock(void)
{
	static const struct { const char *code; unsigned int n; } insns[] = {
		{ "\xf0\x01\x0f", 3 }, { "\xf0\x0f\xab\x0f", 4 }, { "\x87\x0f", 2 },
		{ "\xf0\x0f\xc7\x0f", 4 },
	};

	for (unsigned int i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
		start64();
		m.gpr[INSN_RDI] = 0x8000;
		m.gpr[INSN_RCX] = 2;
		m.races = 1000;
		machine_code(&m, insns[i].code, insns[i].n);
		EXPECT_EQ(machine_step(&m), EMU_CONTINUE);
		EXPECT_EQ(m.c.rip, CODE_RIP);
		EXPECT_EQ(m.gpr[INSN_RCX], 2);
		m.races = 0;
		EXPECT_EQ(machine_step(&m), 0);
		end();
	}
}

static void wide_compare_exchange(void)
{
	start64();
	m.gpr[INSN_RDI] = 0x8008;
	expect_fault(RUN("\xf0\x48\x0f\xc7\x0f"), 13, true);	/* lock cmpxchg16b: not aligned */
	m.gpr[INSN_RDI] = DEV_BASE;
	m.dev_defer = true;
	machine_store(&m, DEV_BASE, 8, 1);
	machine_store(&m, DEV_BASE + 8, 8, 2);
	m.gpr[INSN_RAX] = 1;
	EXPECT_EQ(RUN("\xf0\x48\x0f\xc7\x0f"), 0);
	EXPECT(!(m.c.rflags & 0x40));
	EXPECT_EQ(m.gpr[INSN_RDX], 2);
	m.gpr[INSN_RBX] = 3;
	m.gpr[INSN_RCX] = 4;
	EXPECT_EQ(RUN("\x48\x0f\xc7\x0f"), 0);
	EXPECT_EQ(machine_load(&m, DEV_BASE, 8), 3);
	EXPECT_EQ(machine_load(&m, DEV_BASE + 8, 8), 4);
	m.gpr[INSN_RDI] = RO_BASE;
	expect_fault(RUN("\x48\x0f\xc7\x0f"), 14, true);
	end();
}

static void real_mode_segments(void)
{
	start16();
	m.seg[INSN_SEG_DS].base = 0xa0000;
	m.seg[INSN_SEG_ES].base = 0x20000;
	m.gpr[INSN_RBX] = 0x10;
	m.gpr[INSN_RSI] = 0xfff8;
	m.gpr[INSN_RAX] = 0x5a;
	EXPECT_EQ(RUN("\x88\x00"), 0);	/* mov %al,(%bx,%si): wraps in 16 bits */
	EXPECT_EQ(machine_load(&m, 0xa0008, 1), 0x5a);
	EXPECT_EQ(RUN("\x26\x88\x00"), 0);
	EXPECT_EQ(machine_load(&m, 0x20008, 1), 0x5a);
	m.gpr[INSN_RBX] = 0xffff;
	EXPECT_EQ(RUN("\x88\x07"), 0);
	expect_fault(RUN("\x89\x07"), 13, false);	/* a word at ffff is beyond the limit */
	m.gpr[INSN_RBP] = 0xffff;
	expect_fault(RUN("\x89\x46\x00"), 12, false);		/* through SS */
	/* A 32-bit address works up to the limit, and beyond it in what is called unreal mode. */
	m.gpr[INSN_RBX] = 0x10000;
	expect_fault(RUN("\x67\x88\x03"), 13, false);
	m.seg[INSN_SEG_DS].limit = 0xffffffff;
	EXPECT_EQ(RUN("\x67\x88\x03"), 0);
	EXPECT_EQ(machine_load(&m, 0xb0000, 1), 0x5a);
	/* The linear address is 32 bits wide: A20 is the machine's business. */
	m.seg[INSN_SEG_DS].base = 0xffff0;
	m.gpr[INSN_RBX] = 0x20;
	EXPECT_EQ(RUN("\x88\x07"), 0);
	EXPECT_EQ(machine_load(&m, 0x100010, 1), 0x5a);
	end();
}

static void protected_mode_segments(void)
{
	struct emu_segment *ds;

	start32();
	ds = &m.seg[INSN_SEG_DS];
	m.gpr[INSN_RDI] = 0x8000;
	ds->limit = 0x8003;
	EXPECT_EQ(RUN("\x89\x07"), 0);
	ds->limit = 0x8002;
	expect_fault(RUN("\x89\x07"), 13, true);
	EXPECT_EQ(m.c.exception.error_code, 0);
	/* Expand down: the limit is the last byte that is out of bounds. */
	ds->attr |= EMU_SEG_E;
	expect_fault(RUN("\x89\x07"), 13, true);
	ds->limit = 0x7fff;
	EXPECT_EQ(RUN("\x89\x07"), 0);
	ds->attr &= ~EMU_SEG_DB;
	m.gpr[INSN_RDI] = 0xfffd;
	expect_fault(RUN("\x89\x07"), 13, true);	/* 16-bit expand down ends at ffff */
	m.gpr[INSN_RDI] = 0xfffc;
	EXPECT_EQ(RUN("\x89\x07"), 0);
	ds->attr = EMU_SEG_P | EMU_SEG_S | EMU_SEG_DB;		/* read-only data */
	ds->limit = 0xffffffff;
	EXPECT_EQ(RUN("\x8b\x07"), 0);
	expect_fault(RUN("\x89\x07"), 13, true);
	expect_fault(RUN("\x01\x07"), 13, true);
	/* CS can be read if it is readable, and never written. */
	EXPECT_EQ(RUN("\x2e\x8b\x07"), 0);
	expect_fault(RUN("\x2e\x89\x07"), 13, true);
	m.seg[INSN_SEG_CS].attr &= ~EMU_SEG_W;
	expect_fault(RUN("\x2e\x8b\x07"), 13, true);
	ds->unusable = true;
	expect_fault(RUN("\x8b\x07"), 13, true);
	m.seg[INSN_SEG_SS].limit = 0xff;
	m.gpr[INSN_RBP] = 0x100;
	expect_fault(RUN("\x8b\x45\x00"), 12, true);
	m.gpr[INSN_RSP] = 0x200;
	expect_fault(RUN("\xff\x75\x00"), 12, true);
	/* The top of the address space with a base wraps. */
	ds->unusable = false;
	ds->base = 0x8000;
	m.gpr[INSN_RDI] = 0xfffff000;
	machine_store(&m, 0x7000, 4, 0x01020304);
	EXPECT_EQ(RUN("\x8b\x07"), 0);
	end();
}

static void canonical_addresses(void)
{
	start64();
	m.gpr[INSN_RDI] = 0x7ffffffffffd;
	expect_fault(RUN("\x8b\x07"), 13, true);		/* the last byte is not canonical */
	m.gpr[INSN_RDI] = 0x7ffffffffffc;
	expect_fault(RUN("\x8b\x07"), 14, true);	/* canonical, but nothing is there */
	m.gpr[INSN_RDI] = 0x800000000000;
	expect_fault(RUN("\x8b\x07"), 13, true);
	m.c.va_bits = 57;
	expect_fault(RUN("\x8b\x07"), 14, true);
	m.c.va_bits = 48;
	m.gpr[INSN_RDI] = 0xffff7fffffffffff;
	expect_fault(RUN("\x8a\x07"), 13, true);
	m.gpr[INSN_RBP] = 0x800000000000;
	expect_fault(RUN("\x8a\x45\x00"), 12, true);
	m.gpr[INSN_RSP] = 0x800000000000;
	expect_fault(RUN("\x8a\x04\x24"), 12, true);
	m.gpr[INSN_R13] = 0x800000000000;
	expect_fault(RUN("\x41\x8a\x45\x00"), 13, true);
	/* The base of FS counts, that of DS does not. */
	m.seg[INSN_SEG_FS].base = 0x100;
	m.seg[INSN_SEG_DS].base = 0x200;
	m.gpr[INSN_RDI] = 0x8000;
	machine_store(&m, 0x8000, 1, 1);
	machine_store(&m, 0x8100, 1, 2);
	EXPECT_EQ(RUN("\x64\x8a\x0f"), 0);
	EXPECT_EQ(m.gpr[INSN_RCX], 2);
	EXPECT_EQ(RUN("\x3e\x8a\x0f"), 0);
	EXPECT_EQ(m.gpr[INSN_RCX], 1);
	/* RIP-relative with 67 is cut to 32 bits. */
	machine_store(&m, m.c.rip + 7 + 0x1000, 1, 7);
	EXPECT_EQ(RUN("\x67\x8a\x0d\x00\x10\x00\x00"), 0);
	EXPECT_EQ(m.gpr[INSN_RCX], 7);
	end();
}

static void alignment_checks(void)
{
	start64();
	m.gpr[INSN_RDI] = 0x8001;
	m.c.align_check = true;
	m.c.rflags |= 0x40000;
	EXPECT_EQ(RUN("\x8b\x07"), 0);				/* not at CPL 0 */
	m.c.cpl = 3;
	expect_fault(RUN("\x8b\x07"), 17, true);
	EXPECT_EQ(m.c.exception.error_code, 0);
	EXPECT_EQ(RUN("\x8a\x07"), 0);
	m.c.rflags &= ~0x40000ull;
	EXPECT_EQ(RUN("\x8b\x07"), 0);
	end();
}

static void string_basics(void)
{
	start64();
	machine_store(&m, 0x8000, 8, 0x8877665544332211);
	m.gpr[INSN_RSI] = 0x8000;
	m.gpr[INSN_RDI] = DEV_BASE;
	m.gpr[INSN_RCX] = 8;
	EXPECT_EQ(RUN("\xf3\xa4"), 0);				/* rep movsb */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 8), 0x8877665544332211);
	EXPECT_EQ(m.c.iterations, 8);
	EXPECT_EQ(m.dev_writes, 8);
	EXPECT_EQ(m.gpr[INSN_RSI], 0x8008);
	EXPECT_EQ(m.gpr[INSN_RCX], 0);
	/* Downwards. */
	m.c.rflags |= 0x400;
	m.gpr[INSN_RAX] = 0xabcd;
	m.gpr[INSN_RDI] = 0x9002;
	m.gpr[INSN_RCX] = 2;
	EXPECT_EQ(RUN("\x66\xf3\xab"), 0);			/* rep stosw */
	EXPECT_EQ(machine_load(&m, 0x9000, 4), 0xabcdabcd);
	EXPECT_EQ(m.gpr[INSN_RDI], 0x8ffe);
	m.c.rflags &= ~0x400ull;
	/* Nothing to do: nothing is touched. */
	m.gpr[INSN_RDI] = HOLE_BASE;
	EXPECT_EQ(RUN("\xf3\xab"), 0);
	EXPECT_EQ(m.gpr[INSN_RDI], HOLE_BASE);
	/* REPNE SCAS stops at the byte it looks for, REPE CMPS at the first difference. */
	m.gpr[INSN_RDI] = 0x8000;
	m.gpr[INSN_RCX] = 100;
	m.gpr[INSN_RAX] = 0x44;
	EXPECT_EQ(RUN("\xf2\xae"), 0);
	EXPECT_EQ(m.gpr[INSN_RDI], 0x8004);
	EXPECT_EQ(m.gpr[INSN_RCX], 96);
	EXPECT(m.c.rflags & 0x40);
	machine_store(&m, DEV_BASE + 5, 1, 0);
	m.gpr[INSN_RSI] = 0x8000;
	m.gpr[INSN_RDI] = DEV_BASE;
	EXPECT_EQ(RUN("\xf3\xa6"), 0);
	EXPECT_EQ(m.gpr[INSN_RSI], 0x8006);
	EXPECT(!(m.c.rflags & 0x40));
	/* 32-bit addresses in 64-bit mode: the registers are cut and extended. */
	m.gpr[INSN_RSI] = 0xfffffffe00008000;
	EXPECT_EQ(RUN("\x67\xac"), 0);
	EXPECT_EQ(m.gpr[INSN_RSI], 0x8001);
	EXPECT_EQ(m.gpr[INSN_RAX] & 0xff, 0x11);
	end();
}

static void string_16_bit(void)
{
	start16();
	m.seg[INSN_SEG_ES].base = 0xa0000;
	m.seg[INSN_SEG_CS].base = 0x1000;
	m.seg[INSN_SEG_DS].base = 0x30000;
	machine_store(&m, 0x1000, 2, 0x4321);
	m.gpr[INSN_RSI] = 0x12340000;
	m.gpr[INSN_RDI] = 0x5678fffe;
	m.gpr[INSN_RCX] = 0xffff0002;
	EXPECT_EQ(RUN("\xf3\x2e\xa5"), 0);	/* rep movsw %cs:(%si),%es:(%di), wrapping */
	EXPECT_EQ(machine_load(&m, 0xafffe, 2), 0x4321);
	EXPECT_EQ(m.gpr[INSN_RDI], 0x56780002);
	EXPECT_EQ(m.gpr[INSN_RSI], 0x12340004);
	EXPECT_EQ(m.gpr[INSN_RCX], 0xffff0000);
	/* A word across the segment's end faults after what came before it. */
	m.gpr[INSN_RDI] = 0xfffd;
	m.gpr[INSN_RCX] = 2;
	expect_fault(RUN("\xf3\xab"), 13, false);
	EXPECT_EQ(m.c.iterations, 1);
	EXPECT_EQ(m.gpr[INSN_RCX], 1);
	EXPECT_EQ(m.gpr[INSN_RDI], 0xffff);
	EXPECT_EQ(m.c.rip, CODE_RIP + 3);
	end();
}

static void string_progress(void)
{
	start64();
	/* A limit on iterations. */
	m.c.max_iterations = 3;
	m.gpr[INSN_RDI] = 0x8000;
	m.gpr[INSN_RCX] = 7;
	machine_code(&m, "\xf3\xaa", 2);
	EXPECT_EQ(machine_step(&m), EMU_CONTINUE);
	EXPECT_EQ(m.gpr[INSN_RCX], 4);
	EXPECT_EQ(m.c.rip, CODE_RIP);
	EXPECT_EQ(machine_step(&m), EMU_CONTINUE);
	EXPECT_EQ(machine_step(&m), 0);
	EXPECT_EQ(m.c.rip, CODE_RIP + 2);
	/* Single-stepping. */
	m.c.max_iterations = 100;
	m.c.rflags |= 0x100;
	m.gpr[INSN_RCX] = 2;
	machine_code(&m, "\xf3\xaa", 2);
	EXPECT_EQ(machine_step(&m), EMU_CONTINUE);
	EXPECT_EQ(machine_step(&m), 0);
	m.c.rflags &= ~0x100ull;
	/* The queue of device writes is full. */
	m.dev_full = true;
	m.gpr[INSN_RDI] = DEV_BASE;
	m.gpr[INSN_RCX] = 2;
	machine_code(&m, "\xf3\xaa", 2);
	EXPECT_EQ(machine_step(&m), EMU_CONTINUE);
	EXPECT_EQ(machine_step(&m), 0);
	EXPECT_EQ(m.dev_writes, 2);
	/* A full queue does not hold up an instruction that is over. */
	EXPECT_EQ(RUN("\x88\x07"), 0);
	EXPECT_EQ(RUN("\x00\x07"), 0);
	EXPECT_EQ(RUN("\x8f\x07"), 0);
	EXPECT_EQ(RUN("\x0f\xba\x37\x00"), 0);
	m.dev_full = false;
	/* Each iteration's device read is asked for anew. */
	m.dev_defer = true;
	m.gpr[INSN_RSI] = DEV_BASE;
	m.gpr[INSN_RDI] = 0x9000;
	m.gpr[INSN_RCX] = 2;
	machine_code(&m, "\xf3\xa5", 2);
	EXPECT_EQ(machine_step(&m), -EMU_IO);
	EXPECT_EQ(m.c.iterations, 0);
	EXPECT_EQ(machine_step(&m), -EMU_IO);
	EXPECT_EQ(m.c.iterations, 1);
	EXPECT_EQ(m.gpr[INSN_RCX], 1);
	EXPECT_EQ(machine_step(&m), 0);
	/* A fault takes the flags of earlier comparisons back. */
	m.dev_defer = false;
	m.gpr[INSN_RDI] = m.gpr[INSN_RSI] = HOLE_BASE - 2;
	m.gpr[INSN_RCX] = 9;
	m.c.rflags = 0x2 | 0x1 | 0x800;
	expect_fault(RUN("\xf3\xa6"), 14, true);
	EXPECT_EQ(m.c.iterations, 2);
	EXPECT_EQ(m.c.rflags, 0x803);
	end();
}

static void port_input(void)
{
	start64();
	for (int i = 0; i < EMU_PIO_BYTES; i++)
		m.pio_data[i] = i + 1;
	m.gpr[INSN_RDX] = 0xffff01f0;
	m.gpr[INSN_RDI] = 0x8000;
	m.gpr[INSN_RCX] = 16;
	m.pio_defer = true;
	machine_code(&m, "\xf3\x6d", 2);			/* rep insl */
	EXPECT_EQ(machine_step(&m), -EMU_IO);
	EXPECT_EQ(machine_step(&m), 0);
	EXPECT_EQ(m.pio_port, 0x1f0);
	EXPECT_EQ(m.pio_count, 16);
	EXPECT_EQ(m.pio_calls, 1);
	EXPECT_EQ(m.gpr[INSN_RDI], 0x8040);
	EXPECT_EQ(machine_load(&m, 0x803c, 4), 0x403f3e3d);
	m.pio_defer = false;
	/* No more than fit into the page. */
	m.gpr[INSN_RDI] = 0x8ffc;
	m.gpr[INSN_RCX] = 4;
	m.pio_calls = 0;
	EXPECT_EQ(RUN("\xf3\x66\x6d"), 0);
	EXPECT_EQ(m.pio_calls, 2);
	/* One at a time into a device, downwards, and across a page. */
	m.gpr[INSN_RDI] = DEV_BASE;
	m.gpr[INSN_RCX] = 3;
	m.pio_calls = 0;
	EXPECT_EQ(RUN("\xf3\x6c"), 0);
	EXPECT_EQ(m.pio_calls, 3);
	m.c.rflags |= 0x400;
	m.gpr[INSN_RDI] = 0x8010;
	m.gpr[INSN_RCX] = 3;
	m.pio_calls = 0;
	EXPECT_EQ(RUN("\xf3\x6c"), 0);
	EXPECT_EQ(m.pio_calls, 3);
	EXPECT_EQ(m.gpr[INSN_RDI], 0x800d);
	m.c.rflags &= ~0x400ull;
	m.gpr[INSN_RDI] = 0x8fff;
	EXPECT_EQ(RUN("\x6d"), 0);
	/* Memory is checked before the port is read. */
	m.gpr[INSN_RDI] = HOLE_BASE;
	m.gpr[INSN_RCX] = 1;
	m.pio_calls = 0;
	expect_fault(RUN("\xf3\x6c"), 14, true);
	EXPECT_EQ(m.pio_calls, 0);
	/* A segment that ends earlier than the whole transfer. */
	end();
	start32();
	m.gpr[INSN_RDX] = 0x1f0;
	m.gpr[INSN_RDI] = 0x8000;
	m.gpr[INSN_RCX] = 4;
	m.seg[INSN_SEG_ES].limit = 0x8005;
	expect_fault(RUN("\xf3\x66\x6d"), 13, true);
	EXPECT_EQ(m.gpr[INSN_RCX], 1);
	EXPECT_EQ(m.pio_calls, 3);
	end();
}

static void port_output(void)
{
	start64();
	machine_store(&m, 0x8000, 8, 0x1122334455667788);
	m.gpr[INSN_RDX] = 0x3f8;
	m.gpr[INSN_RSI] = 0x8000;
	m.gpr[INSN_RCX] = 8;
	EXPECT_EQ(RUN("\xf3\x6e"), 0);
	EXPECT_EQ(m.pio_count, 8);
	EXPECT_EQ(m.pio_size, 1);
	EXPECT(!memcmp(m.pio_data, m.mem + 0x8000, 8));
	EXPECT_EQ(m.gpr[INSN_RSI], 0x8008);
	/* The caller bounds the count, and how much of it is done in a call. */
	m.c.max_items = 2;
	m.c.max_iterations = 3;
	m.pio_calls = 0;
	m.gpr[INSN_RCX] = 8;
	machine_code(&m, "\xf3\x6e", 2);
	EXPECT_EQ(machine_step(&m), EMU_CONTINUE);
	EXPECT_EQ(m.pio_calls, 2);
	EXPECT_EQ(m.gpr[INSN_RCX], 4);
	m.c.max_iterations = 0;
	EXPECT_EQ(machine_step(&m), EMU_CONTINUE);
	EXPECT_EQ(m.pio_count, 2);
	EXPECT_EQ(m.gpr[INSN_RCX], 2);
	m.c.max_items = 0;
	EXPECT_EQ(machine_step(&m), EMU_CONTINUE);
	EXPECT_EQ(m.pio_count, 1);
	m.pio_defer = true;
	EXPECT_EQ(machine_step(&m), 0);
	/* CPL and IOPL, then the permission bitmap; also with a count of 0. */
	m.c.cpl = 3;
	m.pio_denied = true;
	m.gpr[INSN_RCX] = 0;
	expect_fault(RUN("\xf3\x6e"), 13, true);
	m.c.rflags |= 0x3000;
	EXPECT_EQ(RUN("\xf3\x6e"), 0);
	m.c.rflags &= ~0x3000ull;
	m.pio_denied = false;
	EXPECT_EQ(RUN("\x6e"), 0);
	end();
	/* In virtual-8086 mode IOPL does not help. */
	machine_init(&m, EMU_MODE_16, EMU_VM86);
	m.c.rflags |= 0x3000;
	m.pio_denied = true;
	expect_fault(RUN("\x6e"), 13, true);
	end();
	start16();
	m.pio_denied = true;
	EXPECT_EQ(RUN("\x6e"), 0);
	end();
}

static void stack_operations(void)
{
	start64();
	m.gpr[INSN_RSP] = 0x9000;
	m.gpr[INSN_RDI] = DEV_BASE;
	machine_store(&m, DEV_BASE, 8, 0x8877665544332211);
	EXPECT_EQ(RUN("\xff\x37"), 0);				/* pushq (%rdi) */
	EXPECT_EQ(machine_load(&m, 0x8ff8, 8), 0x8877665544332211);
	EXPECT_EQ(RUN("\x66\xff\x37"), 0);			/* pushw (%rdi) */
	EXPECT_EQ(m.gpr[INSN_RSP], 0x8ff6);
	EXPECT_EQ(RUN("\x66\x8f\x47\x10"), 0);			/* popw 16(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE + 16, 8), 0x2211);
	/* PUSH uses the old stack pointer for its address, POP the new one. */
	machine_store(&m, 0x8ff8, 8, 0x1111);
	machine_store(&m, 0x9000, 8, 0x2222);
	EXPECT_EQ(RUN("\x8f\x44\x24\x08"), 0);			/* popq 8(%rsp) */
	EXPECT_EQ(machine_load(&m, 0x9008, 8), 0x1111);
	EXPECT_EQ(m.gpr[INSN_RSP], 0x9000);
	EXPECT_EQ(RUN("\xff\x34\x24"), 0);			/* pushq (%rsp) */
	EXPECT_EQ(machine_load(&m, 0x8ff8, 8), 0x2222);
	EXPECT_EQ(RUN("\x54"), 0);				/* push %rsp */
	EXPECT_EQ(machine_load(&m, 0x8ff0, 8), 0x8ff8);
	EXPECT_EQ(RUN("\x5c"), 0);				/* pop %rsp */
	EXPECT_EQ(m.gpr[INSN_RSP], 0x8ff8);
	EXPECT_EQ(RUN("\x6a\xff"), 0);
	EXPECT_EQ(machine_load(&m, 0x8ff0, 8), ~0ull);
	EXPECT_EQ(RUN("\x68\x00\x00\x00\x80"), 0);
	EXPECT_EQ(machine_load(&m, 0x8fe8, 8), 0xffffffff80000000);
	/* A stack in a device, and one that cannot be written. */
	m.gpr[INSN_RSP] = DEV_BASE + 0x100;
	EXPECT_EQ(RUN("\x57"), 0);
	EXPECT_EQ(machine_load(&m, DEV_BASE + 0xf8, 8), DEV_BASE);
	m.gpr[INSN_RSP] = RO_BASE + 0x100;
	expect_fault(RUN("\x57"), 14, true);
	EXPECT_EQ(RUN("\x5f"), 0);
	m.gpr[INSN_RDI] = RO_BASE;
	expect_fault(RUN("\x8f\x07"), 14, true);
	EXPECT_EQ(m.gpr[INSN_RSP], RO_BASE + 0x108);
	end();
	/* The width of the stack pointer is that of the stack segment. */
	start16();
	m.gpr[INSN_RSP] = 0x12340000;
	EXPECT_EQ(RUN("\x68\x34\x12"), 0);
	EXPECT_EQ(m.gpr[INSN_RSP], 0x1234fffe);
	EXPECT_EQ(machine_load(&m, 0xfffe, 2), 0x1234);
	EXPECT_EQ(RUN("\x58"), 0);
	EXPECT_EQ(m.gpr[INSN_RSP], 0x12340000);
	end();
}

static void near_transfers(void)
{
	start64();
	m.gpr[INSN_RDI] = DEV_BASE;
	m.gpr[INSN_RSP] = 0x9000;
	machine_store(&m, DEV_BASE, 8, 0x7800);
	m.dev_defer = true;
	EXPECT_EQ(RUN("\xff\x17"), 0);				/* call *(%rdi) */
	EXPECT_EQ(m.c.rip, 0x7800);
	EXPECT_EQ(machine_load(&m, 0x8ff8, 8), CODE_RIP + 2);
	EXPECT_EQ(RUN("\xff\x27"), 0);				/* jmp *(%rdi) to itself */
	EXPECT_EQ(m.c.rip, 0x7800);
	machine_store(&m, DEV_BASE, 8, 0x800000000000);
	expect_fault(RUN("\xff\x27"), 13, true);
	expect_fault(RUN("\xff\x17"), 13, true);
	EXPECT_EQ(m.gpr[INSN_RSP], 0x8ff8);
	end();
	start32();
	m.gpr[INSN_RDI] = DEV_BASE;
	machine_store(&m, DEV_BASE, 4, 0x12347800);
	m.seg[INSN_SEG_CS].limit = 0xffffff;
	expect_fault(RUN("\xff\x27"), 13, true);
	EXPECT_EQ(RUN("\x66\xff\x27"), 0);			/* 16-bit target */
	EXPECT_EQ(m.c.rip, 0x7800);
	end();
}

static void segment_registers(void)
{
	start16();
	m.seg[INSN_SEG_DS].base = 0xa0000;
	m.seg[INSN_SEG_ES].selector = 0x1234;
	m.gpr[INSN_RBX] = 0;
	machine_store(&m, 0xa0000, 4, 0xffffffff);
	EXPECT_EQ(RUN("\x66\x8c\x07"), 0);	/* mov %es,(%bx): two bytes even with 66 */
	EXPECT_EQ(machine_load(&m, 0xa0000, 4), 0xffff1234);
	m.gpr[INSN_RAX] = 0xffffffff;
	EXPECT_EQ(RUN("\x66\x8c\xc0"), 0);
	EXPECT_EQ(m.gpr[INSN_RAX], 0x1234);
	EXPECT_EQ(RUN("\x8e\x27"), 0);				/* mov (%bx),%fs */
	EXPECT_EQ(m.seg[INSN_SEG_FS].base, 0x12340);
	EXPECT_EQ(m.c.shadow, 0);
	EXPECT_EQ(RUN("\x8e\x17"), 0);				/* mov (%bx),%ss */
	EXPECT_EQ(m.c.shadow, EMU_SHADOW_MOV_SS);
	EXPECT_EQ(RUN("\x88\x07"), 0);
	EXPECT_EQ(m.c.shadow, 0);
	end();
	/* A caller need not offer to load segments. */
	start64();
	struct emu_ops ops = *m.c.ops;

	ops.load_seg = NULL;
	m.c.ops = &ops;
	m.gpr[INSN_RDI] = DEV_BASE;
	EXPECT_EQ(RUN("\x8e\x27"), -EMU_UNHANDLED);
	end();
}

static void vector_moves(void)
{
	start64();
	for (int i = 0; i < 32; i++)
		m.mem[DEV_BASE + i] = i + 1;
	memset(m.vec, 0xee, sizeof(m.vec));
	m.dev_defer = true;
	m.gpr[INSN_RDI] = DEV_BASE;
	EXPECT_EQ(RUN("\xf3\x0f\x6f\x0f"), 0);			/* movdqu (%rdi),%xmm1 */
	EXPECT(!memcmp(m.vec[1], m.mem + DEV_BASE, 16));
	EXPECT_EQ(m.vec[1][16], 0xee);
	EXPECT_EQ(RUN("\xc5\xfe\x6f\x17"), 0);			/* vmovdqu (%rdi),%ymm2 */
	EXPECT(!memcmp(m.vec[2], m.mem + DEV_BASE, 32));
	EXPECT_EQ(RUN("\xc5\xfa\x6f\x17"), 0);	/* vmovdqu (%rdi),%xmm2 clears the rest */
	EXPECT_EQ(m.vec[2][16], 0);
	EXPECT_EQ(RUN("\xf3\x0f\x10\x1f"), 0);			/* movss (%rdi),%xmm3 */
	EXPECT_EQ(m.vec[3][3], 4);
	EXPECT_EQ(m.vec[3][4], 0);
	EXPECT_EQ(m.vec[3][15], 0);
	EXPECT_EQ(m.vec[3][16], 0xee);
	EXPECT_EQ(RUN("\x0f\x16\x27"), 0);			/* movhps (%rdi),%xmm4 */
	EXPECT_EQ(m.vec[4][7], 0xee);
	EXPECT_EQ(m.vec[4][8], 1);
	EXPECT_EQ(RUN("\x0f\x12\x67\x08"), 0);			/* movlps 8(%rdi),%xmm4 */
	EXPECT_EQ(m.vec[4][0], 9);
	EXPECT_EQ(m.vec[4][8], 1);
	EXPECT_EQ(RUN("\x0f\x17\x67\x40"), 0);			/* movhps %xmm4,64(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE + 64, 8), 0x0807060504030201);
	EXPECT_EQ(RUN("\x66\x48\x0f\x7e\x4f\x40"), 0);		/* movq %xmm1,64(%rdi) */
	EXPECT_EQ(RUN("\x66\x0f\xe7\x4f\x50"), 0);		/* movntdq %xmm1,80(%rdi) */
	EXPECT(!memcmp(m.vec[1], m.mem + DEV_BASE + 80, 16));
	m.gpr[INSN_RDI]++;
	EXPECT_EQ(RUN("\x0f\x10\x0f"), 0);			/* movups */
	expect_fault(RUN("\x0f\x28\x0f"), 13, true);		/* movaps: not aligned */
	expect_fault(RUN("\xc5\xfd\x7f\x0f"), 13, true);	/* vmovdqa %ymm1,(%rdi) */
	/* Not ours: registers only, a length that does not exist, AVX-512. */
	EXPECT_EQ(RUN("\x0f\x28\xc1"), -EMU_UNHANDLED);
	EXPECT_EQ(RUN("\xc5\xfd\x6e\x0f"), -EMU_UNHANDLED);
	EXPECT_EQ(RUN("\x62\xf1\x7c\x48\x10\x07"), -EMU_UNHANDLED);
	end();
}

static void odd_instructions(void)
{
	start64();
	m.gpr[INSN_RDI] = DEV_BASE;
	m.gpr[INSN_RAX] = 0x1122334455667788;
	m.c.rflags |= 0x10000;
	EXPECT_EQ(RUN("\x48\x0f\x38\xf1\x07"), 0);		/* movbe %rax,(%rdi) */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 8), 0x8877665544332211);
	EXPECT(!(m.c.rflags & 0x10000));			/* RF is for one instruction */
	EXPECT_EQ(RUN("\x0f\xc3\x07"), 0);			/* movnti */
	EXPECT_EQ(machine_load(&m, DEV_BASE, 4), 0x55667788);
	EXPECT_EQ(RUN("\x90"), 0);
	EXPECT_EQ(m.gpr[INSN_RAX], 0x1122334455667788);
	EXPECT_EQ(RUN("\x87\xc0"), 0);				/* xchg %eax,%eax is none */
	EXPECT_EQ(m.gpr[INSN_RAX], 0x55667788);
	EXPECT_EQ(RUN("\x0f\xae\x3f"), 0);			/* clflush */
	EXPECT_EQ(RUN("\x0f\x18\x07"), 0);			/* prefetch */
	m.gpr[INSN_RDI] = HOLE_BASE;
	EXPECT_EQ(RUN("\x0f\x18\x07"), 0);
	expect_fault(RUN("\x0f\xae\x3f"), 14, true);
	/* CMOV reads its memory and clears the upper half although the condition is false. */
	expect_fault(RUN("\x0f\x44\x07"), 14, true);
	m.gpr[INSN_RDI] = ~0ull;
	EXPECT_EQ(RUN("\x0f\x44\xf8"), 0);
	EXPECT_EQ(m.gpr[INSN_RDI], 0xffffffff);
	/*
	 * What exits are made of is not executed here, nor is LZCNT, nor a shift that is undefined.
	 */
	EXPECT_EQ(RUN("\x0f\xa2"), -EMU_UNHANDLED);
	EXPECT_EQ(m.c.n_bytes, 2);
	EXPECT_EQ(m.c.bytes[1], 0xa2);
	EXPECT_EQ(RUN("\xff\x2f"), -EMU_UNHANDLED);
	EXPECT_EQ(RUN("\x66\xf3\x0f\xbd\xc8"), -EMU_UNHANDLED);
	EXPECT_EQ(RUN("\x66\x0f\xa4\xc1\x1f"), 0);
	end();
}

static void fetching(void)
{
	u64 value;

	start64();
	/* One page if that is enough, two if not. */
	m.c.rip = 0x8ffe;
	EXPECT_EQ(RUN("\x88\xc4"), 0);
	EXPECT_EQ(m.fetches, 1);
	m.c.rip = 0x8ffe;
	EXPECT_EQ(RUN("\x48\x88\xc4"), 0);
	EXPECT_EQ(m.fetches, 3);
	m.c.rip = HOLE_BASE - 1;
	m.mem[HOLE_BASE - 1] = 0x90;
	EXPECT_EQ(machine_step(&m), 0);
	expect_fault(machine_step(&m), 14, true);
	EXPECT_EQ(m.c.exception.address, HOLE_BASE);
	m.c.rip = HOLE_BASE - 1;
	m.mem[HOLE_BASE - 1] = 0x88;
	expect_fault(machine_step(&m), 14, true);
	m.c.rip = 0x800000000000;
	expect_fault(machine_step(&m), 13, true);
	m.c.rip = CODE_RIP;
	expect_fault(RUN("\x0f\x04"), 6, false);
	expect_fault(RUN("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"), 13, true);
	/* The operand of an instruction that the caller executes. */
	m.gpr[INSN_RDI] = 0x8000;
	machine_store(&m, 0x8000, 4, 0x12345678);
	machine_code(&m, "\x0f\x01\x37", 3);			/* lmsw (%rdi) */
	EXPECT_EQ(emu_fetch(&m.c), 0);
	EXPECT_EQ(emu_read_operand(&m.c, 2, &value), 0);
	EXPECT_EQ(value, 0x5678);
	end();
	start32();
	m.seg[INSN_SEG_CS].limit = CODE_RIP + 1;
	EXPECT_EQ(RUN("\x88\xc4"), 0);
	expect_fault(machine_step(&m), 13, true);		/* beyond the limit */
	m.c.rip = CODE_RIP;
	expect_fault(RUN("\xc6\xc0\x01"), 13, true);		/* across it */
	end();
	start16();
	m.seg[INSN_SEG_CS].base = 0x10000;
	m.c.rip = 0xffff;
	EXPECT_EQ(RUN("\x90"), 0);
	EXPECT_EQ(m.c.rip, 0x10000);
	expect_fault(machine_step(&m), 13, false);
	end();
}

/* What was decoded last is not decoded again: only while bytes and mode are the same. */
static void remembered_instruction(void)
{
	static const u8 more[18] = { 0x66, 0x89, 0x47, 0x02 };

	start64();
	m.gpr[INSN_RSP] = 0x9000;
	m.gpr[INSN_RDI] = 0x8000;
	m.gpr[INSN_RAX] = 0x1111;
	EXPECT_EQ(RUN("\x66\x89\x07"), 0);			/* mov %ax,(%rdi) */
	EXPECT_EQ(RUN("\x66\x89\x07"), 0);
	EXPECT_EQ(m.c.insn.len, 3);
	EXPECT_EQ(RUN("\x66\x89\x47\x02"), 0);		/* the last byte counts */
	EXPECT_EQ(RUN("\x66\x89\x47\x06"), 0);
	EXPECT_EQ(machine_load(&m, 0x8000, 8), 0x1111000011111111);
	EXPECT_EQ(RUN("\x48\xb8\1\2\3\4\5\6\7\x08"), 0); /* movabs, longer than eight bytes */
	EXPECT_EQ(RUN("\x48\xb8\1\2\3\4\5\6\7\x09"), 0);
	EXPECT_EQ(m.gpr[INSN_RAX], 0x0907060504030201);
	EXPECT_EQ(RUN("\x50"), 0);
	EXPECT_EQ(m.c.insn.op_bytes, 8);
	m.c.mode = EMU_MODE_32;
	EXPECT_EQ(RUN("\x50"), 0);
	EXPECT_EQ(m.c.insn.op_bytes, 4);
	/* A part of it is not enough. */
	m.c.mode = EMU_MODE_64;
	EXPECT_EQ(emu_take_bytes(&m.c, (const u8 *)"\x66\x89\x47\x02", 4), 0);
	EXPECT_EQ(emu_take_bytes(&m.c, (const u8 *)"\x66\x89\x47\x02", 3), -EMU_TRUNCATED);
	EXPECT_EQ(m.c.n_bytes, 3);
	EXPECT_EQ(emu_take_bytes(&m.c, (const u8 *)"\x66\x89\x47\x02", 4), 0);
	EXPECT_EQ(m.c.n_bytes, 4);
	EXPECT_EQ(emu_take_bytes(&m.c, more, sizeof(more)), 0);
	EXPECT_EQ(emu_take_bytes(&m.c, (const u8 *)"\x0f\x04", 2), -EMU_UD);
	EXPECT_EQ(m.c.insn.len, 0);
	end();
}

/* Loads that the caller answers itself: the same result as emulate() has. */
static void plain_loads(void)
{
	static const struct { const char *code; unsigned int n, size; } loads[] = {
		{ "\x8a\x27", 2, 1 }, { "\x8b\x07", 2, 4 }, { "\x66\x8b\x07", 3, 2 },
		{ "\x48\x8b\x07", 3, 8 },
		{ "\x0f\xb6\x07", 3, 1 }, { "\x0f\xbf\x07", 3, 2 }, { "\x66\x0f\xbe\x07", 4, 1 },
		{ "\x48\x63\x07", 3, 0 }, { "\x89\x07", 2, 0 }, { "\x8b\xc7", 2, 0 },
		{ "\xa1\0\0\0\0\0\0\0\0", 9, 0 },
		{ "\x0f\x38\xf0\x07", 4, 0 }, { "\x03\x07", 2, 0 }, { "\xc7\x07\0\0\0\0", 6, 0 },
	};

	for (unsigned int i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		u64 value = 0x8182838485868788, rax;

		start64();
		m.gpr[INSN_RAX] = 0x1122334455667788;
		m.gpr[INSN_RDI] = 0x8ffe;
		machine_store(&m, 0x8ffe, 8, value);
		machine_code(&m, loads[i].code, loads[i].n);
		EXPECT_EQ(emu_fetch(&m.c), 0);
		EXPECT_EQ(emu_plain_load(&m.c.insn), loads[i].size);
		if (loads[i].size) {
			EXPECT_EQ(emu_operand_offset(&m.c), 0xffe);
			emu_finish_load(&m.c, value & (~0ull >> (64 - 8 * loads[i].size)));
			rax = m.gpr[INSN_RAX];
			EXPECT_EQ(m.c.rip, CODE_RIP + loads[i].n);
			m.c.rip = CODE_RIP;
			m.gpr[INSN_RAX] = 0x1122334455667788;
			EXPECT_EQ(machine_step(&m), 0);
			EXPECT_EQ(m.gpr[INSN_RAX], rax);
		}
		end();
	}
	start16();
	m.seg[INSN_SEG_DS].base = 0x123450;
	m.gpr[INSN_RBX] = 0xbb0;
	machine_code(&m, "\x8b\x07", 2);
	EXPECT_EQ(emu_fetch(&m.c), 0);
	EXPECT_EQ(emu_operand_offset(&m.c), 0);
	emu_finish_load(&m.c, 0x1234);
	EXPECT_EQ(m.gpr[INSN_RAX], 0x1234);
	end();
}

/* Stores that the caller makes itself: what emulate() would store. */
static void plain_stores(void)
{
	static const struct { const char *code; unsigned int n, size; } stores[] = {
		{ "\x88\x27", 2, 1 }, { "\x40\x88\x27", 3, 1 }, { "\x89\x07", 2, 4 },
		{ "\x66\x89\x07", 3, 2 }, { "\x48\x89\x27", 3, 8 },
		{ "\xc6\x07\x9a", 3, 1 }, { "\x66\xc7\x07\x78\x9a", 5, 2 },
		{ "\xc7\x07\x78\x56\x34\x92", 6, 4 }, { "\x48\xc7\x07\x78\x56\x34\x92", 7, 8 },
		{ "\x8b\x07", 2, 0 }, { "\x89\xc7", 2, 0 }, { "\x8c\x1f", 2, 0 }, { "\x01\x07", 2, 0 },
		{ "\xa3\0\0\0\0\0\0\0\0", 9, 0 }, { "\x0f\x38\xf1\x07", 4, 0 },
	};

	for (unsigned int i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		u64 value = 0;

		start64();
		m.gpr[INSN_RAX] = 0x1122334455667788;
		m.gpr[INSN_RSP] = 0x99aabbccddeeff00;
		m.gpr[INSN_RDI] = 0x8000;
		machine_code(&m, stores[i].code, stores[i].n);
		EXPECT_EQ(emu_fetch(&m.c), 0);
		EXPECT_EQ(emu_plain_store(&m.c, &value), stores[i].size);
		if (stores[i].size) {
			machine_store(&m, 0x8000, 8, 0);
			EXPECT_EQ(machine_step(&m), 0);
			EXPECT_EQ(machine_load(&m, 0x8000, 8), value);
		}
		end();
	}
}

static const struct ktap_test tests[] = {
	{ "mov_forms", mov_forms },
	{ "restart_reads", restart_reads },
	{ "restart_everything", restart_everything },
	{ "page_fault_errors", page_fault_errors },
	{ "across_pages", across_pages },
	{ "locked_races", locked_races },
	{ "locked_livelock", locked_livelock },
	{ "wide_compare_exchange", wide_compare_exchange },
	{ "real_mode_segments", real_mode_segments },
	{ "protected_mode_segments", protected_mode_segments },
	{ "canonical_addresses", canonical_addresses },
	{ "alignment_checks", alignment_checks },
	{ "string_basics", string_basics },
	{ "string_16_bit", string_16_bit },
	{ "string_progress", string_progress },
	{ "port_input", port_input },
	{ "port_output", port_output },
	{ "stack_operations", stack_operations },
	{ "near_transfers", near_transfers },
	{ "segment_registers", segment_registers },
	{ "vector_moves", vector_moves },
	{ "odd_instructions", odd_instructions },
	{ "fetching", fetching },
	{ "remembered_instruction", remembered_instruction },
	{ "plain_loads", plain_loads },
	{ "plain_stores", plain_stores },
};

int main(void)
{
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
