// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzz target: one instruction on one machine, both from the input. It stops on anything that
 * the emulator promises never to do: touch memory outside its structures (the sanitizers see that),
 * return what it may not return, change state before it fails, read after it wrote, go on forever,
 * or decode differently when bytes follow or are cut off.
 */
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "machine.h"

/* A small address space, so that a byte is enough to hit anything in it. */
#define FUZZ_MEM	0x10000u
#define FUZZ_DEV	0x9000u
#define FUZZ_HOLE	0xb000u
#define FUZZ_RO		0xd000u

static struct machine m;
static u8 memory[FUZZ_MEM];

static void require(bool cond)
{
	if (!cond)
		abort();
}

/* Most values point near something: the device's edges, the hole, the end of a segment. */
static u64 register_value(u8 v)
{
	static const u64 near[8] = {
		0, FUZZ_DEV, FUZZ_DEV + 0x1000, FUZZ_HOLE, FUZZ_RO, 0x8000, 0xffff, 0x800000000000,
	};

	if (v < 16)
		return v;
	if (v >= 0xf0)
		return (u64)(s64)(s8)v;
	return near[v >> 4 & 7] + (v & 15) - 8;
}

/* The input over and over. */
static void fill_memory(const u8 *data, size_t size)
{
	size_t n = size < FUZZ_MEM ? size : FUZZ_MEM;

	memcpy(memory, data, n);
	while (n < FUZZ_MEM) {
		size_t more = n < FUZZ_MEM - n ? n : FUZZ_MEM - n;

		memcpy(memory + n, memory, more);
		n += more;
	}
}

static void set_up(const struct fuzz_input *in)
{
	memset(&m, 0, sizeof(m));
	machine_init_at(&m, in->mode % 3, (in->mode >> 2) % 3, memory, 0, FUZZ_MEM);
	m.dev = FUZZ_DEV;
	m.hole = FUZZ_HOLE;
	m.ro = FUZZ_RO;
	m.c.cpl = m.c.prot == EMU_REAL ? 0 : m.c.prot == EMU_VM86 || in->mode & 0x10 ? 3 : 0;
	m.c.align_check = in->mode & 0x20;
	m.c.va_bits = in->mode & 0x40 ? 57 : 48;
	m.c.max_iterations = in->iterations;
	m.c.max_items = in->iterations;
	m.c.rflags = 2 | (in->flags[0] | in->flags[1] << 8 | in->flags[2] << 16);
	m.dev_defer = in->machine & 1;
	m.dev_full = in->machine & 2;
	m.pio_defer = in->machine & 4;
	m.pio_denied = in->machine & 8;
	m.races = in->machine & 0x10 ? in->iterations : 0;
	m.c.rip = in->machine & 0x20 ? 0x8000 - in->rip % 16 : 0x7000;
	for (int i = 0; i < 6; i++) {
		m.seg[i].attr = in->seg_attr[i] | (in->seg_attr[i] & 0x20 ? EMU_SEG_DB : 0);
		m.seg[i].unusable = m.c.prot == EMU_PROTECTED && in->seg_attr[i] & 0x40;
		if (in->machine & 0x40)
			m.seg[i].limit = i == INSN_SEG_CS ? m.c.rip + in->rip : 0x9008;
		if (i >= INSN_SEG_FS)
			m.seg[i].base = 0x1000;
	}
	for (int i = 0; i < 16; i++)
		m.gpr[i] = register_value(in->gpr[i]);
}

/*
 * The same bytes with others behind them, and cut off, must be the same instruction or be called
 * cut off.
 */
static void check_decode(const u8 *code, unsigned int n)
{
	struct emu_insn insn, again;
	int ret = emu_decode(&insn, code, n, m.c.mode);
	u8 longer[INSN_MAX_LEN + 8];

	require(ret == 0 || ret == -EMU_TRUNCATED || ret == -EMU_UD || ret == -EMU_TOO_LONG);
	require(ret != -EMU_TRUNCATED || n < INSN_MAX_LEN);
	if (ret)
		return;
	require(insn.len > 0 && insn.len <= n && insn.len <= INSN_MAX_LEN && insn.row);
	memset(longer, 0xf0, sizeof(longer));
	memcpy(longer, code, insn.len);
	require(!emu_decode(&again, longer, sizeof(longer), m.c.mode) && again.len == insn.len);
	require(emu_decode(&again, code, insn.len - 1, m.c.mode) == -EMU_TRUNCATED);
	require(insn.op_bytes == 1 || insn.op_bytes == 2 || insn.op_bytes == 4 ||
		insn.op_bytes == 8);
	require(insn.ad_bytes == 2 || insn.ad_bytes == 4 || insn.ad_bytes == 8);
	require(insn.reg < 16 && insn.rm < 16 && insn.seg <= INSN_SEG_GS);
}

static void check_result(int ret, u64 rip)
{
	bool jumps = m.c.insn.op == INSN_CALL || m.c.insn.op == INSN_JMP;

	require(!m.broken);
	switch (ret) {
	case EMU_OK:
		require(jumps || m.c.rip == rip + m.c.insn.len);
		break;
	case EMU_CONTINUE:
	case -EMU_IO:
	case -EMU_UNHANDLED:
		require(m.c.rip == rip);
		break;
	case -EMU_FAULT:
		require(m.c.rip == rip && m.c.exception.vector < 32);
		require(m.c.prot != EMU_REAL || !m.c.exception.has_error ||
			m.c.exception.vector == 14 || m.pio_denied);
		break;
	default:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in;
	unsigned int n;
	u64 rip;

	if (size <= sizeof(in))
		return 0;
	memcpy(&in, data, sizeof(in));
	n = size - sizeof(in) < INSN_MAX_LEN ? size - sizeof(in) : INSN_MAX_LEN;
	fill_memory(data, size);
	set_up(&in);
	check_decode(data + sizeof(in), n);
	machine_code(&m, data + sizeof(in), n);
	rip = m.c.rip;
	/* A few rounds, as a caller makes them. */
	for (int round = 0; round < 8; round++) {
		int ret = machine_step(&m);

		check_result(ret, rip);
		if (ret != EMU_CONTINUE && ret != -EMU_IO)
			break;
		/* A repeated instruction may have changed its own bytes. */
	}
	return 0;
}
