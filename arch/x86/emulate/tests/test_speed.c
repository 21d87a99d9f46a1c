// SPDX-License-Identifier: GPL-2.0
/*
 * How many instructions the emulator itself executes, counted by single-stepping through it. The
 * program is built with the kernel's optimization and without sanitizers.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <ucontext.h>
#include "../emulate.h"
#include "ktap.h"
#include "machine.h"

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

static unsigned long decode_steps(const void *code, unsigned int n, enum emu_mode mode)
{
	int (*volatile decode)(struct emu_insn *, const u8 *, unsigned int, enum emu_mode) =
		emu_decode;
	u8 bytes[INSN_MAX_LEN] = { 0 };
	struct emu_insn insn;
	unsigned long base = overhead();

	memcpy(bytes, code, n);
	steps = 0;
	trap_flag(true);
	decode(&insn, bytes, INSN_MAX_LEN, mode);
	trap_flag(false);
	EXPECT_EQ(insn.len, n);
	return steps - base;
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

static const struct emu_ops fast_ops = {
	.fetch = fast_fetch, .read = fast_read, .write = fast_write, .get_seg = fast_get_seg,
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

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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

int main(void)
{
	static const struct ktap_test tests[] = {
		{ "decode_moves", decode_moves },
		{ "emulate_moves", emulate_moves },
	};

	signal(SIGTRAP, on_step);
	return ktap_run(tests, COUNT(tests));
}
