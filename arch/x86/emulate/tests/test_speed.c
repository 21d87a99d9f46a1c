// SPDX-License-Identifier: GPL-2.0
/*
 * How many instructions the emulator itself executes, counted by single-stepping through it. The
 * program is built with the kernel's optimization and without sanitizers.
 *
 * Usage: test_speed [stride]: of the forms of MOV every so many-th is counted (1: all)
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>
#include "ktap.h"
#include "machine.h"
#undef F_LOCK	/* of fcntl.h, by way of signal.h; the tables have one of their own */
#include "../execute.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static volatile unsigned long steps;

static void on_step(int sig)
{
	(void)sig;
	steps++;
}

static void trap_flag(bool on)
{
	if (on)
		asm volatile("pushf; orl $0x100, (%%rsp); popf" ::: "cc", "memory");
	else
		asm volatile("pushf; andl $~0x100, (%%rsp); popf" ::: "cc", "memory");
}

static int nothing(void)
{
	return 0;
}

/* What the stepping around the measured call costs. */
static unsigned long overhead(void)
{
	int (*volatile f)(void) = nothing;

	steps = 0;
	trap_flag(true);
	f();
	trap_flag(false);
	return steps;
}

typedef int (*volatile decoder)(struct emu_insn *, u8 *, unsigned int, enum emu_mode);

static int decode_nothing(struct emu_insn *insn, u8 *buf, unsigned int n, enum emu_mode mode)
{
	(void)insn, (void)buf, (void)n, (void)mode;
	return 0;
}

static unsigned long decode_with(decoder decode, const void *code, unsigned int n,
				 enum emu_mode mode, struct emu_insn *insn)
{
	u8 bytes[INSN_BUFFER] = { 0 };

	memcpy(bytes, code, n);
	steps = 0;
	trap_flag(true);
	decode(insn, bytes, INSN_MAX_LEN, mode);
	trap_flag(false);
	return steps;
}

/* Of emu_decode_buffer(), which emu_fetch() calls; emu_decode() copies the bytes first. */
static unsigned long decode_steps(const void *code, unsigned int n, enum emu_mode mode)
{
	struct emu_insn insn;
	unsigned long base = decode_with(decode_nothing, code, n, mode, &insn);
	unsigned long counted = decode_with(emu_decode_buffer, code, n, mode, &insn);

	EXPECT_EQ(insn.len, n);
	return counted - base;
}

static struct machine m;
static u8 device[8];

/* Callbacks that cost next to nothing, so that what is counted is the emulator. */
static int fast_fetch(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size)
{
	(void)lin;
	__builtin_memcpy(buf, c->opaque, size < INSN_MAX_LEN ? size : INSN_MAX_LEN);
	return 0;
}

static int fast_read(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size, unsigned int access)
{
	(void)c, (void)lin, (void)size, (void)access;
	__builtin_memcpy(buf, device, 4);
	return 0;
}

static int fast_write(struct emu_ctxt *c, u64 lin, const void *buf, unsigned int size,
		      unsigned int access)
{
	(void)c, (void)lin, (void)size, (void)access;
	__builtin_memcpy(device, buf, 4);
	return 0;
}

static void fast_get_seg(struct emu_ctxt *c, enum insn_seg seg, struct emu_segment *s)
{
	(void)c;
	*s = m.seg[seg];
}

static int fast_load_seg(struct emu_ctxt *c, enum insn_seg seg, u16 selector)
{
	(void)c, (void)seg, (void)selector;
	return 0;
}

static const struct emu_ops fast_ops = {
	.fetch = fast_fetch, .read = fast_read, .write = fast_write, .get_seg = fast_get_seg,
	.load_seg = fast_load_seg,
};

static int fetch_and_emulate(struct emu_ctxt *c)
{
	int ret = emu_fetch(c);

	return ret ? ret : emulate(c);
}

/* With @again, of the second time that the same instruction is emulated. */
static unsigned long emulate_steps(const void *code, unsigned int n, enum emu_mode mode, bool again)
{
	int (*volatile run)(struct emu_ctxt *) = fetch_and_emulate;
	u8 bytes[INSN_MAX_LEN] = { 0 };
	unsigned long base = overhead(), counted;

	machine_init(&m, mode, EMU_PROTECTED);
	memcpy(bytes, code, n);
	m.c.ops = &fast_ops;
	m.c.opaque = bytes;
	m.gpr[INSN_RCX] = 1;
	if (again) {
		run(&m.c);
		m.gpr[INSN_RCX] = 1;
		m.c.rip = CODE_RIP;
	}
	steps = 0;
	trap_flag(true);
	run(&m.c);
	trap_flag(false);
	counted = steps - base;
	EXPECT_EQ(m.c.rip, CODE_RIP + n);
	machine_free(&m);
	return counted;
}

struct sample {
	const char *name;
	const char *code;
	unsigned int n;
	enum emu_mode mode;
};

#define S(name, code, mode) { name, code, sizeof(code) - 1, EMU_MODE_##mode }

static const struct sample moves[] = {
	S("mov %al,(%rdi)", "\x88\x07", 64),
	S("mov %eax,0x10(%rdi)", "\x89\x47\x10", 64),
	S("mov 0x10(%r12,%r13,4),%r14", "\x4f\x8b\x74\xac\x10", 64),
	S("movl $1,0x12345678(%rip)", "\xc7\x05\x78\x56\x34\x12\x01\x00\x00\x00", 64),
	S("movzwl (%rsi),%eax", "\x0f\xb7\x06", 64),
	S("mov %ax,%es:(%bx,%si) in 16 bits", "\x26\x89\x00", 16),
	S("mov %eax,(%edi) in 32 bits", "\x89\x07", 32),
	S("rep movsl", "\xf3\xa5", 64),
};

static const struct sample exits[] = {
	S("cpuid", "\x0f\xa2", 64),
	S("rdmsr", "\x0f\x32", 64),
	S("hlt", "\xf4", 64),
	S("vmmcall", "\x0f\x01\xd9", 64),
	S("mov %rax,%cr3", "\x0f\x22\xd8", 64),
};

static unsigned int quick_len(const u8 *bytes, unsigned int n)
{
	return insn_quick_len(bytes, n);
}

static unsigned long quick_steps(const struct sample *s)
{
	unsigned int (*volatile quick)(const u8 *, unsigned int) = quick_len;
	unsigned long base = overhead();

	steps = 0;
	trap_flag(true);
	quick((const u8 *)s->code, s->n);
	trap_flag(false);
	return steps - base;
}

/* --- every form of MOV between a register or an immediate and memory --- */

enum { MODE_16 = 1, MODE_32 = 2, MODE_64 = 4, ALL_MODES = 7 };

/* An opcode; what follows the address. */
struct mov {
	const char *name;
	u8 opcode[3], n;
	u8 modes;
	enum { NO_IMM, IMM_8, IMM_Z, MOFFS } tail;
};

static const struct mov movs[] = {
	{ "mov r8,m", { 0x88 }, 1, ALL_MODES, NO_IMM },
	{ "mov r,m", { 0x89 }, 1, ALL_MODES, NO_IMM },
	{ "mov m,r8", { 0x8a }, 1, ALL_MODES, NO_IMM },
	{ "mov m,r", { 0x8b }, 1, ALL_MODES, NO_IMM },
	{ "mov sreg,m", { 0x8c }, 1, ALL_MODES, NO_IMM },
	{ "mov m,sreg", { 0x8e }, 1, ALL_MODES, NO_IMM },
	{ "mov moffs,al", { 0xa0 }, 1, ALL_MODES, MOFFS },
	{ "mov moffs,rax", { 0xa1 }, 1, ALL_MODES, MOFFS },
	{ "mov al,moffs", { 0xa2 }, 1, ALL_MODES, MOFFS },
	{ "mov rax,moffs", { 0xa3 }, 1, ALL_MODES, MOFFS },
	{ "mov imm,m8", { 0xc6 }, 1, ALL_MODES, IMM_8 },
	{ "mov imm,m", { 0xc7 }, 1, ALL_MODES, IMM_Z },
	{ "movslq", { 0x63 }, 1, MODE_64, NO_IMM },
	{ "movzb", { 0x0f, 0xb6 }, 2, ALL_MODES, NO_IMM },
	{ "movzw", { 0x0f, 0xb7 }, 2, ALL_MODES, NO_IMM },
	{ "movsb", { 0x0f, 0xbe }, 2, ALL_MODES, NO_IMM },
	{ "movsw", { 0x0f, 0xbf }, 2, ALL_MODES, NO_IMM },
	{ "movnti", { 0x0f, 0xc3 }, 2, ALL_MODES, NO_IMM },
	{ "movbe m,r", { 0x0f, 0x38, 0xf0 }, 3, ALL_MODES, NO_IMM },
	{ "movbe r,m", { 0x0f, 0x38, 0xf1 }, 3, ALL_MODES, NO_IMM },
};

/* ModRM bytes without a register, SIB bytes where a ModRM byte wants one. */
static const u8 modrms[] = {
	0x00, 0x04, 0x05, 0x06, 0x07, 0x40, 0x44, 0x45, 0x46, 0x80, 0x84, 0x85, 0x86, 0x87,
};
static const u8 sibs[] = { 0x08, 0x24, 0x25, 0xcd, 0xec, 0xe5 };

static const u8 rexes[] = { 0, 0x40, 0x47, 0x48, 0x4f };

struct worst {
	unsigned long n;
	u8 code[INSN_MAX_LEN];
	unsigned int len;
	enum emu_mode mode;
};

static struct worst worst_decode, worst_all;
static unsigned int seen_forms, counted_forms, forms_to_skip;
/* Of so many forms of an opcode one is counted: single-stepping takes its time. */
static unsigned int stride = 301;

static void note(struct worst *w, unsigned long n, const u8 *code, unsigned int len,
		 enum emu_mode mode)
{
	if (n <= w->n)
		return;
	*w = (struct worst){ .n = n, .len = len, .mode = mode };
	memcpy(w->code, code, len);
}

static void tell(const char *what, const char *name, const struct worst *w, unsigned long limit)
{
	static const char *const modes[] = { "16", "32", "64" };

	printf("# %s %-14s at most %lu instructions, in %s bits:", what, name, w->n,
	       modes[w->mode]);
	for (unsigned int i = 0; i < w->len; i++)
		printf(" %02x", w->code[i]);
	printf("\n");
	EXPECT(w->n && w->n <= limit);
}

/* The decoder itself says how long the instruction is; what is not one is left out. */
static void count_form(const u8 *code, enum emu_mode mode)
{
	struct emu_insn insn;

	if (emu_decode(&insn, code, INSN_MAX_LEN, mode))
		return;
	seen_forms++;
	if (forms_to_skip--)
		return;
	forms_to_skip = stride - 1;
	EXPECT(insn.op >= INSN_MOV && insn.op <= INSN_MOV_SEG);
	note(&worst_decode, decode_steps(code, insn.len, mode), code, insn.len, mode);
	note(&worst_all, emulate_steps(code, insn.len, mode, false), code, insn.len, mode);
	counted_forms++;
}

/* One opcode with all addresses, behind the @n bytes of prefixes in @code. */
static void count_addresses(const struct mov *mov, u8 *code, unsigned int n, enum emu_mode mode)
{
	memcpy(code + n, mov->opcode, mov->n);
	n += mov->n;
	for (unsigned int i = 0; i < COUNT(modrms); i++) {
		bool sib = (modrms[i] & 7) == 4;

		for (unsigned int j = 0; j < (sib ? COUNT(sibs) : 1); j++) {
			/* What follows is displacement and immediate: not zero. */
			memset(code + n, 0x11, INSN_MAX_LEN + 8 - n);
			if (mov->tail != MOFFS) {
				code[n] = modrms[i] | (mov->tail == NO_IMM ? 0x18 : 0);
				code[n + 1] = sibs[j];
			}
			count_form(code, mode);
			if (mov->tail == MOFFS)
				return;
		}
	}
}

static void count_prefixes(const struct mov *mov, enum emu_mode mode)
{
	/* Segment, operand size, address size, and one that has no meaning here. */
	static const u8 prefixes[] = { 0x65, 0x66, 0x67, 0xf3 };
	u8 code[INSN_MAX_LEN + 8];

	for (unsigned int set = 0; set < 1u << COUNT(prefixes); set++) {
		for (unsigned int r = 0; r < (mode == EMU_MODE_64 ? COUNT(rexes) : 1); r++) {
			unsigned int n = 0;

			for (unsigned int i = 0; i < COUNT(prefixes); i++)
				if (set >> i & 1)
					code[n++] = prefixes[i];
			if (rexes[r])
				code[n++] = rexes[r];
			count_addresses(mov, code, n, mode);
		}
	}
}

static void all_movs(void)
{
	for (unsigned int i = 0; i < COUNT(movs); i++) {
		worst_decode.n = worst_all.n = forms_to_skip = 0;
		for (enum emu_mode mode = EMU_MODE_16; mode <= EMU_MODE_64; mode++)
			if (movs[i].modes >> mode & 1)
				count_prefixes(&movs[i], mode);
		tell("decode", movs[i].name, &worst_decode, 250);
		tell("fetch and emulate", movs[i].name, &worst_all, 700);
	}
	printf("# %u of %u forms\n", counted_forms, seen_forms);
	EXPECT(seen_forms > 20000);
}

/* --- samples, to be read --- */

static void decode_moves(void)
{
	for (unsigned int i = 0; i < COUNT(moves); i++) {
		unsigned long n = decode_steps(moves[i].code, moves[i].n, moves[i].mode);

		printf("# decode %-36s %4lu instructions\n", moves[i].name, n);
		EXPECT(n <= 250);
	}
	for (unsigned int i = 0; i < COUNT(exits); i++) {
		unsigned long n = decode_steps(exits[i].code, exits[i].n, exits[i].mode);

		printf("# decode %-36s %4lu instructions\n", exits[i].name, n);
		EXPECT(n <= 250);
		printf("# quick_len %-33s %4lu instructions\n", exits[i].name,
		       quick_steps(&exits[i]));
		EXPECT(quick_steps(&exits[i]) <= 25);
	}
}

static void emulate_moves(void)
{
	for (unsigned int i = 0; i < COUNT(moves); i++) {
		unsigned long n = emulate_steps(moves[i].code, moves[i].n, moves[i].mode, false);
		unsigned long again = emulate_steps(moves[i].code, moves[i].n, moves[i].mode, true);

		printf("# fetch and emulate %-36s %4lu instructions, again %4lu\n", moves[i].name,
		       n, again);
		EXPECT(n <= 700);
		EXPECT(again + 50 < n);
	}
}

int main(int argc, char **argv)
{
	static const struct ktap_test tests[] = {
		{ "all_movs", all_movs },
		{ "decode_moves", decode_moves },
		{ "emulate_moves", emulate_moves },
	};

	if (argc > 1)
		stride = strtoul(argv[1], NULL, 0);
	signal(SIGTRAP, on_step);
	return ktap_run(tests, COUNT(tests));
}
