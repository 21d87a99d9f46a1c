// SPDX-License-Identifier: GPL-2.0
/*
 * The executor against the real CPU, in 64-bit mode: the same random instruction on the same
 * registers and memory, once emulated, once run natively. Registers, flags, memory, and exceptions
 * with their error codes and addresses must be equal. Flags that the manuals leave undefined are
 * not compared.
 *
 * Usage: test_native [cases [seed]]
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <asm/prctl.h>
#include "forms.h"
#include "ktap.h"
#include "machine.h"
#include "native.h"
#include "undefined.h"
#include "vendor.h"

#define ARITH 0x8d5ull
#define FLAG_DF 0x400ull
#define FLAG_AC 0x40000ull

static struct form forms[FORMS_MAX];
static unsigned int n_forms;
static u64 n_cases = 1000000, seed = 1;
static struct machine m;
static u8 shadow[NATIVE_SIZE];
static u64 gs_base = NATIVE_MEM + 0x800;
static u64 faults, done;
static bool intel;

/* Above this, Linux reports every page as present, so as not to tell where its own are. */
#define USER_END 0x7ffffffff000ull

/* The memory that cannot be read natively stays out of the comparison. */
static bool memory_equal(void)
{
	return !memcmp(shadow, (void *)NATIVE_MEM, NATIVE_RAM_SIZE) &&
		!memcmp(shadow + NATIVE_RAM_SIZE + 4096, (void *)NATIVE_RO, 4096);
}

/* After a difference that is expected or has been reported: go on from what the CPU has left. */
static void take_over_memory(void)
{
	memcpy(shadow, (void *)NATIVE_MEM, NATIVE_RAM_SIZE);
	memcpy(shadow + NATIVE_RAM_SIZE + 4096, (void *)NATIVE_RO, 4096);
}

/*
 * Where an operand goes: the middle of RAM across a page, the edge of the hole, the read-only page,
 * nowhere.
 */
static u64 random_target(struct random *rnd)
{
	u64 r = random_u64(rnd);

	switch (r & 31) {
	case 0:
		return NATIVE_HOLE - 64 + (r >> 8 & 127);
	case 1:
		return NATIVE_RO + (r >> 8 & 255);
	case 2:
		return 0x00007fffffffffc0 + (r >> 8 & 127);
	case 3:
		return random_u64(rnd) | 1ull << 47;	/* the kernel's, or not canonical */
	case 4 ... 15:
		return NATIVE_MEM + 0x1000 + (r >> 8 & 0xff0);
	default:
		return NATIVE_MEM + 0x1f80 + (r >> 8 & 255);
	}
}

/* Give the registers of the operand such values that it lies at @target. */
static void aim(const struct emu_insn *insn, u8 *bytes, u64 target, struct random *rnd)
{
	if (insn->flags & INSN_SEG_PREFIX && insn->seg == INSN_SEG_GS)
		target -= gs_base;
	forms_aim(insn, bytes, target, NATIVE_CODE, rnd, m.gpr);
}

/* Registers, flags and memory for one case; @bytes may get a new address. */
static void prepare(struct random *rnd, const struct emu_insn *insn, u8 *bytes)
{
	u64 r = random_u64(rnd);
	u64 target = random_target(rnd);

	for (int i = 0; i < 16; i++)
		m.gpr[i] = random_operand(rnd);
	m.gpr[INSN_RSP] = random_target(rnd);
	if (insn->op >= INSN_MOVS && insn->op <= INSN_OUTS) {
		m.gpr[INSN_RCX] = (r & 15) | (insn->ad_bytes == 8 ? 0 : r & ~0xffffffffull);
		m.gpr[INSN_RSI] = random_target(rnd);
		m.gpr[INSN_RDI] = target;
		if (insn->seg == INSN_SEG_GS)
			m.gpr[INSN_RSI] -= gs_base;
	}
	/* A bit number reaches far: keep it near. */
	if (insn->op >= INSN_BT && insn->op <= INSN_BTC && insn_has_mem(insn))
		m.gpr[insn->reg] = r >> 63 ? (s64)(s16)r / 64 : (s64)(s32)r >> 12;
	if (forms_has_address(insn))
		aim(insn, bytes, target, rnd);
	m.c.rflags = 0x202 | (random_u64(rnd) & (ARITH | FLAG_DF)) | ((r >> 16 & 15) ? 0 : FLAG_AC);
	if (!intel && amd_checks_alignment(insn))
		m.c.rflags &= ~FLAG_AC;
	for (int i = 0; i < 64; i++) {
		u64 at = target - NATIVE_MEM - 32 + i;
		u8 v = random_u64(rnd);

		if (at < NATIVE_RAM_SIZE)
			shadow[at] = ((u8 *)NATIVE_MEM)[at] = v;
	}
	for (int i = 0; i < 16 && insn->op == INSN_VEC_MOV; i++)
		for (int j = 0; j < 32; j++)
			m.vec[i][j] = random_u64(rnd);
}

/* A near transfer must arrive where the test can take over: put that address into its operand. */
static void aim_transfer(const struct emu_insn *insn, u8 *bytes, struct random *rnd)
{
	u64 to = native_return_address();
	u64 at;

	if (insn->mod == 3) {
		m.gpr[insn->rm] = to;
		return;
	}
	at = NATIVE_MEM + 0x1000 + random_below(rnd, 0x1000);
	aim(insn, bytes, at, rnd);
	if (at - NATIVE_MEM < NATIVE_RAM_SIZE - 8) {
		memcpy(shadow + (at - NATIVE_MEM), &to, 8);
		memcpy((void *)at, &to, 8);
	}
}

static void report(const char *what, const struct emu_insn *insn, const u8 *bytes,
		   const struct machine *before, int ret)
{
	char line[64];
	int n = 0;

	for (int i = 0; i < insn->len; i++)
		n += sprintf(line + n, "%02x ", bytes[i]);
	KTAP_FAIL("%s: %s(op %u, ret %d)", what, line, insn->op, ret);
	if (ktap_failures > 20)
		return;
	printf("#   rflags in %llx emulated %llx native %llx\n", before->c.rflags, m.c.rflags,
	       native_state.rflags);
	printf("#   exception emulated %d %x %llx native %d %x %llx at %llx\n",
	       ret ? m.c.exception.vector : -1, m.c.exception.error_code, m.c.exception.address,
	       native_state.vector, native_state.error_code, native_state.address,
	       native_state.rip);
	for (int i = 0; i < 16; i++)
		if (m.gpr[i] != native_state.gpr[i] || i == insn->rm || i == insn->reg)
			printf("#   gpr %d in %llx emulated %llx native %llx\n", i, before->gpr[i],
			       m.gpr[i], native_state.gpr[i]);
}

/*
 * Two checks fail at once, and the manuals do not say which exception comes first: alignment or the
 * address as such.
 */
static bool either_exception(const struct emu_insn *insn, int ret)
{
	u8 ours = m.c.exception.vector;

	if (ret != -EMU_FAULT || (ours != 12 && ours != 13))
		return false;
	/* The target of a CALL is no address, and the stack is no memory. */
	if (insn->op == INSN_CALL && (native_state.vector == 14 || native_state.vector == 12))
		return true;
	return native_state.vector == 17 ||
	       ((insn->op == INSN_VEC_MOV || insn->op == INSN_CMPXCHG8B) &&
		native_state.vector == 13);
}

/*
 * A repeated instruction that faults, or finds a count of 0, may have cut its registers to a 32-bit
 * address size already: Intel's CPUs do.
 */
static void cut_string_registers(const struct emu_insn *insn, u64 *gpr)
{
	if (insn->op < INSN_MOVS || insn->op > INSN_OUTS || insn->ad_bytes == 8)
		return;
	gpr[INSN_RCX] = (u32)gpr[INSN_RCX];
	gpr[INSN_RSI] = (u32)gpr[INSN_RSI];
	gpr[INSN_RDI] = (u32)gpr[INSN_RDI];
}

static void compare(const struct emu_insn *insn, const u8 *bytes, const struct machine *before,
		    int ret)
{
	u64 defined = ~undefined_flags(insn, before->gpr[INSN_RCX]);
	u64 next = NATIVE_CODE + insn->len;

	if (ret && !intel && amd_keeps_flags(insn))
		defined &= ~ARITH;
	/* REP: the kernel and the CPU let RF through in what is saved; it is nobody's result. */
	native_state.rflags &= ~0x10000ull;
	if (insn->op == INSN_CALL || insn->op == INSN_JMP)
		next = native_return_address();
	if (ret ? ret != -EMU_FAULT : m.c.rip != next)
		return report("return value or RIP", insn, bytes, before, ret);
	if (native_state.strayed)
		return report("the CPU went elsewhere", insn, bytes, before, ret);
	if (either_exception(insn, ret))
		return;
	if ((ret ? m.c.exception.vector : -1) != native_state.vector)
		return report("exception", insn, bytes, before, ret);
	if (ret) {
		faults++;
		if (m.c.exception.vector == 14 && m.c.exception.address >= USER_END)
			m.c.exception.error_code |= 1;
		if (m.c.exception.has_error && m.c.exception.error_code != native_state.error_code)
			return report("error code", insn, bytes, before, ret);
		if (m.c.exception.vector == 14 && m.c.exception.address != native_state.address)
			return report("fault address", insn, bytes, before, ret);
	}
	if (ret || !(u32)before->gpr[INSN_RCX]) {
		cut_string_registers(insn, m.gpr);
		cut_string_registers(insn, native_state.gpr);
	}
	if (memcmp(m.gpr, native_state.gpr, sizeof(m.gpr)))
		return report("registers", insn, bytes, before, ret);
	if ((m.c.rflags ^ native_state.rflags) & defined)
		return report("flags", insn, bytes, before, ret);
	if (insn->op == INSN_VEC_MOV && memcmp(m.vec, native_state.vec, sizeof(m.vec)))
		return report("vector registers", insn, bytes, before, ret);
	if (!memory_equal()) {
		/*
		 * CALL to where no code can be: the return address may be on the stack, above which
		 * RSP still is.
		 */
		if (!ret || insn->op != INSN_CALL)
			report("memory", insn, bytes, before, ret);
	}
	if (m.broken)
		report("a promise of the emulator", insn, bytes, before, ret);
	m.broken = false;
}

/*
 * What cannot run here: segment loads would change the test's own segments, a CALL through RSP
 * pushes onto the test's code; and what is not emulated: register moves of vectors, TZCNT and
 * LZCNT.
 */
static bool excluded(const struct emu_insn *insn)
{
	if (insn->op == INSN_MOV_SEG)
		return insn->opcode == 0x8e;
	if (insn->op == INSN_CALL)
		return insn->mod == 3 && insn->rm == INSN_RSP;
	if (insn->op == INSN_VEC_MOV)
		return insn->mod == 3 ||
		       (insn->flags & INSN_VEX && insn->vl && undefined_vex_length(insn));
	return (insn->op == INSN_BSF || insn->op == INSN_BSR) && insn->flags & INSN_REP;
}

static void one_case(const struct form *form, struct random *rnd)
{
	struct emu_insn insn;
	static struct machine before;
	u8 bytes[INSN_MAX_LEN];
	int ret;

	if (!forms_encode(form, rnd, EMU_MODE_64, bytes, &insn) || excluded(&insn) ||
	    (!intel && amd_differs(&insn)))
		return;
	m.c.rip = NATIVE_CODE;
	prepare(rnd, &insn, bytes);
	if (insn.op == INSN_CALL || insn.op == INSN_JMP)
		aim_transfer(&insn, bytes, rnd);
	if (undefined_result(&insn, m.gpr[INSN_RCX]))
		return;
	memcpy(native_state.gpr, m.gpr, sizeof(m.gpr));
	native_state.rflags = m.c.rflags;
	native_state.with_vec = insn.op == INSN_VEC_MOV;
	if (native_state.with_vec)
		memcpy(native_state.vec, m.vec, sizeof(m.vec));
	before = m;
	emu_decode(&m.c.insn, bytes, INSN_MAX_LEN, EMU_MODE_64);
	do {
		ret = machine_attempt(&m);
	} while (ret == EMU_CONTINUE);
	/* A transfer whose operand could not be aimed would run away. */
	if ((insn.op == INSN_CALL || insn.op == INSN_JMP) && !ret &&
	    m.c.rip != native_return_address()) {
		take_over_memory();
		return;
	}
	native_run(bytes, insn.len);
	compare(&insn, bytes, &before, ret);
	if (!memory_equal())
		take_over_memory();
	done++;
}

static void cases(void)
{
	struct random rnd;
	u64 i = 0;

	if (native_init())
		KTAP_SKIP("the addresses that the test uses are taken");
	if (!__builtin_cpu_supports("avx2"))
		KTAP_SKIP("AVX");
	syscall(SYS_arch_prctl, ARCH_SET_GS, gs_base);
	intel = __builtin_cpu_is("intel");
	n_forms = forms_list(forms, EMU_MODE_64);
	random_seed(&rnd, seed);
	machine_init_at(&m, EMU_MODE_64, EMU_PROTECTED, shadow, NATIVE_MEM, NATIVE_SIZE);
	m.hole = NATIVE_HOLE;
	m.ro = NATIVE_RO;
	m.c.cpl = 3;
	m.c.align_check = true;
	m.pio_denied = true;
	m.seg[INSN_SEG_GS].base = gs_base;
	asm("mov %%ds, %0" : "=r"(m.seg[INSN_SEG_DS].selector));
	asm("mov %%es, %0" : "=r"(m.seg[INSN_SEG_ES].selector));
	asm("mov %%ss, %0" : "=r"(m.seg[INSN_SEG_SS].selector));
	asm("mov %%cs, %0" : "=r"(m.seg[INSN_SEG_CS].selector));
	asm("mov %%fs, %0" : "=r"(m.seg[INSN_SEG_FS].selector));
	asm("mov %%gs, %0" : "=r"(m.seg[INSN_SEG_GS].selector));
	while (done < n_cases && ktap_failures < 20)
		one_case(&forms[i++ % n_forms], &rnd);
	printf("# %u forms, %llu cases, %llu of them faults, seed %llu, %s\n", n_forms, done, faults,
	       seed, intel ? "Intel" : "not Intel: without what vendor.h names");
}

int main(int argc, char **argv)
{
	static const struct ktap_test tests[] = { { "native_comparison", cases } };

	if (argc > 1)
		n_cases = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	return ktap_run(tests, 1);
}
