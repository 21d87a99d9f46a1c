// SPDX-License-Identifier: GPL-2.0
/*
 * The machine that the emulator's tests run instructions on; see machine.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "machine.h"

#define PF_PRESENT 1
#define PF_WRITE 2
#define PF_USER 4

static struct machine *machine_of(struct emu_ctxt *c)
{
	return c->opaque;
}

static int page_fault(struct emu_ctxt *c, u64 lin, unsigned int access, bool present)
{
	c->exception = (struct emu_exception){
		.address = lin,
		.vector = 14,
		.has_error = true,
		.error_code = (present ? PF_PRESENT : 0) | (access & EMU_WRITE ? PF_WRITE : 0) |
			      (c->cpl == 3 ? PF_USER : 0),
	};
	return -EMU_FAULT;
}

/* The "page tables": holes, and pages that cannot be written. */
static int check(struct emu_ctxt *c, u64 lin, unsigned int size, unsigned int access)
{
	const struct machine *m = machine_of(c);
	u64 first = lin & ~4095ull, last = (lin + size - 1) & ~4095ull;

	for (u64 page = first; page - first <= last - first; page += 4096) {
		u64 at = page == first ? lin : page;

		if (page - m->mem_base >= m->mem_size || (m->hole && page == m->hole))
			return page_fault(c, at, access, false);
		if (m->ro && page == m->ro && access & EMU_WRITE)
			return page_fault(c, at, access, true);
	}
	return 0;
}

static bool is_dev(const struct machine *m, u64 lin, unsigned int size)
{
	return m->dev && lin < m->dev + 4096 && lin + size > m->dev;
}

static int m_fetch(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size)
{
	struct machine *m = machine_of(c);
	int ret = check(c, lin, size, EMU_READ);

	if (ret)
		return ret;
	if ((lin & 4095) + size > 4096)
		m->broken = true;
	m->fetches++;
	memcpy(buf, m->mem + (lin - m->mem_base), size);
	return 0;
}

static int m_read(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size, unsigned int access)
{
	struct machine *m = machine_of(c);
	int ret = check(c, lin, size, access);

	if (ret)
		return ret;
	if (m->writes > c->iterations)
		m->broken = true;
	if (is_dev(m, lin, size)) {
		if (m->dev_defer && (c->iterations || m->dev_seen >= m->dev_pending)) {
			m->dev_pending = c->iterations ? 1 : m->dev_seen + 1;
			return -EMU_IO;
		}
		m->dev_seen++;
		m->dev_reads++;
	}
	memcpy(buf, m->mem + (lin - m->mem_base), size);
	return 0;
}

static int m_write(struct emu_ctxt *c, u64 lin, const void *buf, unsigned int size,
		   unsigned int access)
{
	struct machine *m = machine_of(c);
	int ret = check(c, lin, size, access | EMU_WRITE);

	if (ret)
		return ret;
	if (!(access & EMU_WRITE))
		m->broken = true;
	m->writes++;
	memcpy(m->mem + (lin - m->mem_base), buf, size);
	if (is_dev(m, lin, size)) {
		m->dev_writes++;
		return m->dev_full ? EMU_STOP : 0;
	}
	return 0;
}

static int m_probe(struct emu_ctxt *c, u64 lin, unsigned int size, unsigned int access)
{
	struct machine *m = machine_of(c);
	int ret = check(c, lin, size, access);

	if ((lin & 4095) + size > 4096)
		m->broken = true;
	if (ret)
		return ret;
	return is_dev(m, lin, size) ? EMU_STOP : 0;
}

static int m_cmpxchg(struct emu_ctxt *c, u64 lin, void *old, const void *new, unsigned int size,
		     bool *done)
{
	struct machine *m = machine_of(c);
	int ret = check(c, lin, size, EMU_READ | EMU_WRITE);

	if (ret)
		return ret;
	if (m->races) {
		m->races--;
		m->mem[lin - m->mem_base]++;
	}
	*done = !memcmp(m->mem + (lin - m->mem_base), old, size);
	if (!*done) {
		memcpy(old, m->mem + (lin - m->mem_base), size);
		return 0;
	}
	return m_write(c, lin, new, size, EMU_WRITE);
}

static void m_get_seg(struct emu_ctxt *c, enum insn_seg seg, struct emu_segment *s)
{
	*s = machine_of(c)->seg[seg];
}

static int m_load_seg(struct emu_ctxt *c, enum insn_seg seg, u16 selector)
{
	struct emu_segment *s = &machine_of(c)->seg[seg];

	s->selector = selector;
	if (c->prot != EMU_PROTECTED)
		s->base = selector * 16ull;
	return 0;
}

static int m_io_allowed(struct emu_ctxt *c, u16 port, unsigned int size)
{
	struct machine *m = machine_of(c);

	(void)port;
	(void)size;
	if (!m->pio_denied)
		return 0;
	c->exception = (struct emu_exception){ .vector = 13, .has_error = true };
	return -EMU_FAULT;
}

static int m_pio_in(struct emu_ctxt *c, u16 port, unsigned int size, unsigned int count, void *buf)
{
	struct machine *m = machine_of(c);

	if (size * count > EMU_PIO_BYTES)
		m->broken = true;
	m->pio_port = port;
	m->pio_size = size;
	m->pio_count = count;
	if (m->pio_defer && !m->pio_ready) {
		m->pio_ready = true;
		return -EMU_IO;
	}
	m->pio_ready = false;
	m->pio_calls++;
	memcpy(buf, m->pio_data, size * count);
	return 0;
}

static int m_pio_out(struct emu_ctxt *c, u16 port, unsigned int size, unsigned int count,
		     const void *buf)
{
	struct machine *m = machine_of(c);

	if (size * count > EMU_PIO_BYTES)
		m->broken = true;
	m->pio_port = port;
	m->pio_size = size;
	m->pio_count = count;
	m->pio_calls++;
	memcpy(m->pio_data, buf, size * count);
	return m->pio_defer ? EMU_STOP : 0;
}

static int m_get_vec(struct emu_ctxt *c, unsigned int reg, void *buf, unsigned int size)
{
	memcpy(buf, machine_of(c)->vec[reg], size);
	return 0;
}

static int m_set_vec(struct emu_ctxt *c, unsigned int reg, const void *buf, unsigned int size,
		     bool zero_upper)
{
	u8 *v = machine_of(c)->vec[reg];

	if (zero_upper)
		memset(v, 0, 32);
	memcpy(v, buf, size);
	return 0;
}

static const struct emu_ops machine_ops = {
	.fetch = m_fetch, .read = m_read, .write = m_write, .probe = m_probe, .cmpxchg = m_cmpxchg,
	.get_seg = m_get_seg, .load_seg = m_load_seg, .io_allowed = m_io_allowed,
	.pio_in = m_pio_in, .pio_out = m_pio_out, .get_vec = m_get_vec, .set_vec = m_set_vec,
};

/* A machine with all of its memory RAM, and that at @mem. */
void machine_init_at(struct machine *m, enum emu_mode mode, enum emu_prot prot, u8 *mem, u64 base,
		     u64 size)
{
	memset(m, 0, sizeof(*m));
	m->mem = mem;
	m->mem_base = base;
	m->mem_size = size;
	m->c = (struct emu_ctxt){
		.ops = &machine_ops, .opaque = m, .gpr = m->gpr, .rip = CODE_RIP, .rflags = 2,
		.mode = mode, .prot = prot, .cpl = prot == EMU_VM86 ? 3 : 0, .va_bits = 48,
		.max_iterations = 1000, .max_items = 1000,
	};
	for (int i = 0; i < 6; i++) {
		m->seg[i].limit = prot == EMU_PROTECTED ? 0xffffffff : 0xffff;
		m->seg[i].attr = EMU_SEG_P | EMU_SEG_S | EMU_SEG_W | 1;
		if (mode == EMU_MODE_32)
			m->seg[i].attr |= EMU_SEG_DB | EMU_SEG_G;
	}
	if (prot == EMU_PROTECTED)
		m->seg[INSN_SEG_CS].attr |= EMU_SEG_X;
}

/* The usual machine, see machine.h. */
void machine_init(struct machine *m, enum emu_mode mode, enum emu_prot prot)
{
	machine_init_at(m, mode, prot, calloc(1, MEM_SIZE), 0, MEM_SIZE);
	m->dev = DEV_BASE;
	m->hole = HOLE_BASE;
	m->ro = RO_BASE;
}

void machine_free(struct machine *m)
{
	free(m->mem);
}

/* Put an instruction where RIP points. */
void machine_code(struct machine *m, const void *code, unsigned int n)
{
	u64 base = m->c.mode == EMU_MODE_64 ? 0 : m->seg[INSN_SEG_CS].base;
	u64 at = base + m->c.rip - m->mem_base;

	memset(m->mem + at, 0x90, INSN_MAX_LEN);
	memcpy(m->mem + at, code, n);
}

/* Emulate the decoded instruction once; what fails must not have changed anything. */
int machine_attempt(struct machine *m)
{
	u64 gpr[16], rip = m->c.rip, flags = m->c.rflags;
	int ret;

	memcpy(gpr, m->gpr, sizeof(gpr));
	m->writes = 0;
	m->dev_seen = 0;
	ret = emulate(&m->c);
	if (ret && m->c.rip != rip)
		m->broken = true;
	if (ret < 0 && !m->c.iterations &&
	    (memcmp(gpr, m->gpr, sizeof(gpr)) || flags != m->c.rflags || m->writes))
		m->broken = true;
	if (ret != -EMU_IO)
		m->dev_pending = 0;
	return ret;
}

/* Fetch and emulate once. */
int machine_step(struct machine *m)
{
	int ret = emu_fetch(&m->c);

	return ret ? ret : machine_attempt(m);
}

/* Run one instruction to its end, doing user space's part when it is asked for. */
int machine_run(struct machine *m, const void *code, unsigned int n)
{
	int ret;

	machine_code(m, code, n);
	do {
		ret = machine_step(m);
	} while (ret == EMU_CONTINUE || ret == -EMU_IO);
	return ret;
}

u64 machine_load(const struct machine *m, u64 lin, unsigned int size)
{
	u64 v = 0;

	memcpy(&v, m->mem + (lin - m->mem_base), size);
	return v;
}

void machine_store(struct machine *m, u64 lin, unsigned int size, u64 v)
{
	memcpy(m->mem + (lin - m->mem_base), &v, size);
}
