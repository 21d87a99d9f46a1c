// SPDX-License-Identifier: GPL-2.0
/*
 * Counts, in the emulated host, the instructions that are dear on a real CPU. Built
 * into a Bochs of its own (bochs.py), as its "instrumentation"; used by `bench`.
 *
 * The program that measures brackets what it measures with marks, NOPs whose
 * displacement is MARK: RCX is how many events lie between a mark and the next
 * one, RAX what they are; RCX = 0 ends it. At the end a line goes to the file
 * that $VMM_LAB_COUNTS names: RAX, RCX, and for each kind of instruction that ran
 * on that CPU its name and how often. What a guest runs is not counted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bochs.h"
#include "cpu/cpu.h"
#include "cpu/decoder/ia_opcodes.h"

static const Bit32u MARK = 0x6d6d7600;
static const unsigned MAX_CPUS = 16;

#define KINDS(X)								\
	X(VMREAD) X(VMWRITE) X(VMPTRLD) X(VMCLEAR) X(INVEPT) X(INVVPID)		\
	X(VMLOAD) X(VMSAVE) X(CLGI) X(STGI) X(INVLPGA)				\
	X(ENTRY) X(RDMSR) X(WRMSR) X(XSAVE) X(XRSTOR) X(XSETBV)			\
	X(CR_READ) X(CR_WRITE) X(DR) X(INVLPG) X(INVPCID) X(TABLES) X(FSGSBASE) X(CPUID)

enum kind {
#define X(name) name,
	KINDS(X)
#undef X
	NR_KINDS, NONE = NR_KINDS
};

static const char *const names[] = {
#define X(name) #name,
	KINDS(X)
#undef X
};

struct counter {
	bool on;
	Bit64u what, events, count[NR_KINDS];
};
static counter counters[MAX_CPUS];

static kind kind_of(unsigned opcode)
{
	switch (opcode) {
	case BX_IA_VMREAD_EqGq: case BX_IA_VMREAD_EdGd: return VMREAD;
	case BX_IA_VMWRITE_GqEq: case BX_IA_VMWRITE_GdEd: return VMWRITE;
	case BX_IA_VMPTRLD_Mq: return VMPTRLD;
	case BX_IA_VMCLEAR_Mq: return VMCLEAR;
	case BX_IA_INVEPT: return INVEPT;
	case BX_IA_INVVPID: return INVVPID;
	case BX_IA_VMLOAD: return VMLOAD;
	case BX_IA_VMSAVE: return VMSAVE;
	case BX_IA_CLGI: return CLGI;
	case BX_IA_STGI: return STGI;
	case BX_IA_INVLPGA: return INVLPGA;
	case BX_IA_VMRUN: case BX_IA_VMLAUNCH: case BX_IA_VMRESUME: return ENTRY;
	case BX_IA_RDMSR: return RDMSR;
	case BX_IA_WRMSR: return WRMSR;
	case BX_IA_XSAVE: case BX_IA_XSAVEC: case BX_IA_XSAVEOPT: case BX_IA_XSAVES:
	case BX_IA_FXSAVE: return XSAVE;
	case BX_IA_XRSTOR: case BX_IA_XRSTORS: case BX_IA_FXRSTOR: return XRSTOR;
	case BX_IA_XSETBV: return XSETBV;
	case BX_IA_MOV_RqCR0: case BX_IA_MOV_RqCR2: case BX_IA_MOV_RqCR3: case BX_IA_MOV_RqCR4:
		return CR_READ;
	case BX_IA_MOV_CR0Rq: case BX_IA_MOV_CR2Rq: case BX_IA_MOV_CR3Rq: case BX_IA_MOV_CR4Rq:
	case BX_IA_CLTS:
		return CR_WRITE;
	case BX_IA_MOV_RqDq: case BX_IA_MOV_DqRq: return DR;
	case BX_IA_INVLPG: return INVLPG;
	case BX_IA_INVPCID: return INVPCID;
	case BX_IA_LGDT_Op64_Ms: case BX_IA_LIDT_Op64_Ms: case BX_IA_LLDT_Ew: case BX_IA_LTR_Ew:
		return TABLES;
	case BX_IA_RDFSBASE_Eq: case BX_IA_RDGSBASE_Eq:
	case BX_IA_WRFSBASE_Eq: case BX_IA_WRGSBASE_Eq: return FSGSBASE;
	case BX_IA_CPUID: return CPUID;
	default: return NONE;
	}
}

static void print(const counter &c)
{
	const char *path = getenv("VMM_LAB_COUNTS");
	FILE *f = path ? fopen(path, "a") : NULL;

	if (!f)
		return;
	fprintf(f, "%llu %llu", (unsigned long long)c.what, (unsigned long long)c.events);
	for (unsigned i = 0; i < NR_KINDS; i++)
		if (c.count[i])
			fprintf(f, " %s %llu", names[i], (unsigned long long)c.count[i]);
	fprintf(f, "\n");
	fclose(f);
}

void vmm_count(unsigned cpu, bxInstruction_c *i)
{
	const unsigned opcode = i->getIaOpcode();
	counter &c = counters[cpu % MAX_CPUS];

	if (opcode == BX_IA_NOP) {
		if (i->modC0() || (Bit32u)i->displ32s() != MARK)
			return;
		if (c.on)
			print(c);
		c = counter();
		c.what = BX_CPU(cpu)->gen_reg[BX_64BIT_REG_RAX].rrx;
		c.events = BX_CPU(cpu)->gen_reg[BX_64BIT_REG_RCX].rrx;
		c.on = c.events != 0;
	} else if (c.on && !BX_CPU(cpu)->in_vmx_guest && !BX_CPU(cpu)->in_svm_guest) {
		kind k = kind_of(opcode);

		if (k != NONE)
			c.count[k]++;
	}
}
