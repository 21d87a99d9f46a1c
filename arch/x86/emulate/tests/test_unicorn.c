// SPDX-License-Identifier: GPL-2.0
/*
 * The executor against Unicorn (QEMU's CPU), in 16-bit real mode and 32-bit protected mode, where
 * the real CPU cannot be asked from user space. The same random instruction on the same registers
 * and memory; registers, flags and memory must be equal. Unicorn does not say which fault it met,
 * so of faults only the fact counts; segment limits, which it does not check, have tests of their
 * own in test_execute.c.
 *
 * Usage: test_unicorn [cases [seed]]
 */
#include <stdlib.h>
#include <unicorn/unicorn.h>
#include "forms.h"
#include "ktap.h"
#include "machine.h"
#include "undefined.h"

#define ARITH 0x8d5ull
#define FLAG_DF 0x400ull

/* Where there is memory: code, out of reach of the data's segments, and data. */
#define UC_CODE_REAL	0x7000u
#define UC_CODE_FLAT	0x5a7000u
#define UC_DATA		0x10000u
#define UC_DATA_SIZE	0x8000u
#define UC_MIDDLE	0x13f00u

static u64 n_cases = 100000, seed = 1;
static struct form forms[FORMS_MAX];
static struct machine m;
static uc_engine *uc;
static u8 *ours, *theirs;
static u64 done, faults;
static u32 code;

static const int uc_gpr[8] = {
	UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
	UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI,
};
static const int uc_seg[6] = {
	UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS, UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS,
};

static u64 segment_base(u8 seg)
{
	return m.c.mode == EMU_MODE_16 ? m.seg[seg].base : 0;
}

/* Linear addresses in the middle of the data, or now and then beyond its end. */
static u32 random_linear(struct random *rnd)
{
	u64 r = random_u64(rnd);

	return (r & 63) ? UC_MIDDLE + (r >> 8 & 511) : UC_DATA + UC_DATA_SIZE - 16 + (r >> 8 & 31);
}

/* Real-mode segments that reach the data; in protected mode all is flat. */
static void set_segments(struct random *rnd)
{
	for (int i = 0; i < 6; i++) {
		u32 selector = i == INSN_SEG_CS ? 0 : 0xc00 + random_below(rnd, 0x400);

		if (m.c.mode != EMU_MODE_16)
			continue;
		m.seg[i].selector = selector;
		m.seg[i].base = selector * 16;
		if (i != INSN_SEG_CS)
			uc_reg_write(uc, uc_seg[i], &selector);
	}
}

static void prepare(struct random *rnd, const struct emu_insn *insn, u8 *bytes)
{
	u32 target = random_linear(rnd);
	u64 r = random_u64(rnd);

	set_segments(rnd);
	for (int i = 0; i < 8; i++)
		m.gpr[i] = (u32)random_operand(rnd);
	m.gpr[INSN_RSP] = random_linear(rnd) - segment_base(INSN_SEG_SS);
	if (insn->op >= INSN_MOVS && insn->op <= INSN_OUTS) {
		m.gpr[INSN_RCX] = (r & 15) | (insn->ad_bytes == 2 ? (u32)r & 0xffff0000 : 0);
		m.gpr[INSN_RSI] = random_linear(rnd) - segment_base(insn->seg);
		m.gpr[INSN_RDI] = target - segment_base(INSN_SEG_ES);
	}
	if (insn->op >= INSN_BT && insn->op <= INSN_BTC && insn_has_mem(insn))
		m.gpr[insn->reg] = (u32)((s32)(s16)r / 64);
	if (forms_has_address(insn))
		forms_aim(insn, bytes, target - segment_base(insn->seg), code, rnd, m.gpr);
	for (int i = 0; i < 8; i++)
		m.gpr[i] = (u32)m.gpr[i];
	m.c.rflags = 2 | (random_u64(rnd) & (ARITH | FLAG_DF));
	for (int i = 0; i < 64; i++) {
		u32 at = target - UC_DATA - 32 + i;

		if (at < UC_DATA_SIZE)
			ours[at] = theirs[at] = random_u64(rnd);
	}
}

static void load_unicorn(const u8 *bytes)
{
	u32 flags = m.c.rflags;

	for (int i = 0; i < 8; i++) {
		u32 v = m.gpr[i];

		uc_reg_write(uc, uc_gpr[i], &v);
	}
	uc_reg_write(uc, UC_X86_REG_EFLAGS, &flags);
	uc_mem_write(uc, code, bytes, INSN_MAX_LEN);
	uc_ctl_remove_cache(uc, code, code + INSN_MAX_LEN);
}

static void report(const char *what, const struct emu_insn *insn, const u8 *bytes,
		   const struct machine *before, int ret, uc_err err)
{
	char line[64];
	int n = 0;

	for (int i = 0; i < insn->len; i++)
		n += sprintf(line + n, "%02x ", bytes[i]);
	KTAP_FAIL("%s: %s(op %u, ret %d, Unicorn %s)", what, line, insn->op, ret, uc_strerror(err));
	if (ktap_failures > 20)
		return;
	for (int i = 0; i < 8; i++) {
		u32 v;

		uc_reg_read(uc, uc_gpr[i], &v);
		printf("#   gpr %d in %llx emulated %llx Unicorn %x\n", i, before->gpr[i], m.gpr[i],
		       v);
	}
	uc_reg_read(uc, UC_X86_REG_EFLAGS, &n);
	printf("#   flags in %llx emulated %llx Unicorn %x\n", before->c.rflags, m.c.rflags, n);
}

static void resync(void)
{
	memcpy(theirs, ours, UC_DATA_SIZE);
}

static void compare(const struct emu_insn *insn, const u8 *bytes, const struct machine *before,
		    int ret, uc_err err)
{
	u64 defined = ~undefined_flags(insn, before->gpr[INSN_RCX]) & (ARITH | FLAG_DF);
	u32 flags, eip;

	if (!ret != !err)
		return report("outcome", insn, bytes, before, ret, err);
	if (ret) {
		/* Where a fault came in between, Unicorn has done part of the instruction. */
		faults++;
		return resync();
	}
	uc_reg_read(uc, UC_X86_REG_EFLAGS, &flags);
	uc_reg_read(uc, UC_X86_REG_EIP, &eip);
	for (int i = 0; i < 8; i++) {
		u32 v;

		uc_reg_read(uc, uc_gpr[i], &v);
		if (v != (u32)m.gpr[i])
			return report("registers", insn, bytes, before, ret, err);
	}
	if ((flags ^ m.c.rflags) & defined)
		return report("flags", insn, bytes, before, ret, err);
	if (eip != (u32)m.c.rip)
		return report("instruction pointer", insn, bytes, before, ret, err);
	if (memcmp(ours, theirs, UC_DATA_SIZE)) {
		report("memory", insn, bytes, before, ret, err);
		resync();
	}
}

/*
 * Where Unicorn 2.0 is wrong, as the real CPU shows in test_native: the last of F2 and F3 counts,
 * F6 and F7 /1 are TEST, PREFETCH of a register is a NOP, LOCK NEG has the flags of NEG.
 */
static bool unicorn_is_wrong(const struct emu_insn *insn, const u8 *bytes)
{
	bool f2 = memchr(bytes, 0xf2, insn->len), f3 = memchr(bytes, 0xf3, insn->len);

	if (insn->op >= INSN_MOVS && insn->op <= INSN_OUTS && f2 && f3)
		return true;
	if (insn->op == INSN_TEST && (insn->opcode & 0xfe) == 0xf6 && (insn->reg & 7) == 1)
		return true;
	if (insn->op == INSN_NOP && insn->mod == 3)
		return true;
	return insn->op == INSN_NEG && insn->flags & INSN_LOCK;
}

static bool excluded(const struct emu_insn *insn)
{
	/*
	 * Bases of FS and GS are not set up in protected mode; CS reaches only code in real mode.
	 */
	if (m.c.mode != EMU_MODE_16 ? insn->seg >= INSN_SEG_FS : insn->seg == INSN_SEG_CS)
		return true;
	switch (insn->op) {
	case INSN_INS:
	case INSN_OUTS:
	case INSN_VEC_MOV:
	case INSN_CALL:
	case INSN_JMP:
	case INSN_FLUSH:
	case INSN_MOVBE:
		/*
		 * Ports; vector registers; targets without code; faults of CLFLUSH, and MOVBE,
		 * which it has not.
		 */
		return true;
	case INSN_MOV_SEG:
		/*
		 * A descriptor table would be needed; an interrupt shadow confuses what a single
		 * step is.
		 */
		return insn->opcode == 0x8e &&
		       (m.c.mode != EMU_MODE_16 || (insn->reg & 7) == INSN_SEG_SS);
	case INSN_BSF:
	case INSN_BSR:
		return insn->flags & INSN_REP;
	default:
		return false;
	}
}

static void one_case(const struct form *form, struct random *rnd)
{
	static struct machine before;
	struct emu_insn insn;
	u8 bytes[INSN_MAX_LEN];
	uc_err err;
	int ret;

	if (!forms_encode(form, rnd, m.c.mode, bytes, &insn) || excluded(&insn) ||
	    unicorn_is_wrong(&insn, bytes))
		return;
	m.c.rip = code;
	prepare(rnd, &insn, bytes);
	if (undefined_result(&insn, m.gpr[INSN_RCX]))
		return;
	load_unicorn(bytes);
	before = m;
	emu_decode(&m.c.insn, bytes, INSN_MAX_LEN, m.c.mode);
	do {
		ret = machine_attempt(&m);
	} while (ret == EMU_CONTINUE);
	/* A limit that Unicorn does not know of. */
	if (ret == -EMU_FAULT && m.c.exception.vector != 14)
		return;
	err = uc_emu_start(uc, code, code + insn.len, 0, 0);
	compare(&insn, bytes, &before, ret, err);
	if (m.broken)
		report("a promise of the emulator", &insn, bytes, &before, ret, err);
	m.broken = false;
	done++;
}

static void run(enum emu_mode mode, enum emu_prot prot)
{
	struct random rnd;
	unsigned int n;
	u64 i = 0;

	if (uc_open(UC_ARCH_X86, mode == EMU_MODE_16 ? UC_MODE_16 : UC_MODE_32, &uc)) {
		KTAP_FAIL("cannot open Unicorn");
		return;
	}
	code = mode == EMU_MODE_16 ? UC_CODE_REAL : UC_CODE_FLAT;
	theirs = aligned_alloc(4096, UC_DATA_SIZE);
	memset(theirs, 0, UC_DATA_SIZE);
	uc_mem_map(uc, code, 0x1000, UC_PROT_ALL);
	uc_mem_map_ptr(uc, UC_DATA, UC_DATA_SIZE, UC_PROT_ALL, theirs);
	ours = calloc(1, UC_DATA_SIZE);
	machine_init_at(&m, mode, prot, ours, UC_DATA, UC_DATA_SIZE);
	n = forms_list(forms, mode);
	random_seed(&rnd, seed);
	done = faults = 0;
	while (done < n_cases && ktap_failures < 10)
		one_case(&forms[i++ % n], &rnd);
	printf("# %u forms, %llu cases, %llu of them faults, seed %llu\n", n, done, faults, seed);
	machine_free(&m);
	uc_close(uc);
	free(theirs);
}

static void real_mode(void)
{
	run(EMU_MODE_16, EMU_REAL);
}

static void protected_mode(void)
{
	run(EMU_MODE_32, EMU_PROTECTED);
}

int main(int argc, char **argv)
{
	static const struct ktap_test tests[] = {
		{ "unicorn_real_16", real_mode },
		{ "unicorn_protected_32", protected_mode },
	};

	if (argc > 1)
		n_cases = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
