// SPDX-License-Identifier: GPL-2.0
/*
 * MOV to a segment register, as far as the emulator does it: its operand is on a
 * device. The selector's descriptor is read and checked as the CPU would (SDM
 * volume 2, "MOV"; APM 4.8), and marked as accessed.
 *
 * Called by the emulator through vmm_emu_ops; vcpu->mutex and vm->srcu held,
 * vCPU loaded; may sleep.
 */
#include <asm/trapnr.h>

#include <vmm/emu_ops.h>

#define SELECTOR_RPL	3
#define SELECTOR_LDT	4

#define TYPE_ACCESSED	1
#define TYPE_WRITABLE	2	/* data; of code: readable */
#define TYPE_CONFORMING	4	/* code */
#define TYPE_CODE	8

/* The byte of a descriptor that holds type, S, DPL and P. */
#define ACCESS_BYTE	5

static int selector_fault(struct emu_ctxt *c, u8 vector, u16 selector)
{
	c->exception = (struct emu_exception) {
		.vector = vector, .has_error = true, .error_code = selector & ~SELECTOR_RPL,
	};
	return -EMU_FAULT;
}

static void set_segment(struct vmm_vcpu *vcpu, enum insn_seg seg, const struct vmm_segment *s)
{
	vcpu->arch.seg[seg] = *s;
	regs_dirty(vcpu, VMM_G_SEG(seg));
}

/* Real and virtual-8086 mode: the base follows, the rest stays as it is. */
static int load_real(struct vmm_vcpu *vcpu, enum insn_seg seg, u16 selector)
{
	struct vmm_segment s = *vcpu_seg(vcpu, seg);

	s.selector = selector;
	s.base = selector << 4;
	set_segment(vcpu, seg, &s);
	return 0;
}

/* No descriptor: the segment cannot be used, but for SS below CPL 3 in 64-bit mode. */
static int load_null(struct emu_ctxt *c, enum insn_seg seg, u16 selector)
{
	struct vmm_segment s = {
		.selector = selector, .unusable = 1, .dpl = seg == INSN_SEG_SS ? c->cpl : 0,
	};

	if (seg == INSN_SEG_SS &&
	    (c->mode != EMU_MODE_64 || c->cpl == 3 || (selector & SELECTOR_RPL) != c->cpl))
		return selector_fault(c, X86_TRAP_GP, 0);
	set_segment(vcpu_of(c), seg, &s);
	return 0;
}

/* Read the descriptor: where it is, and its eight bytes. */
static int read_descriptor(struct emu_ctxt *c, u16 selector, u64 *lin, u64 *desc)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);
	u64 base;
	u32 limit;

	if (selector & SELECTOR_LDT) {
		const struct vmm_segment *ldt = vcpu_seg(vcpu, SEG_LDTR);

		if (ldt->unusable || !ldt->present)
			return selector_fault(c, X86_TRAP_GP, selector);
		base = ldt->base;
		limit = ldt->limit;
	} else {
		regs_need(vcpu, VMM_G_DT);
		base = vcpu->arch.gdt.base;
		limit = vcpu->arch.gdt.limit;
	}
	if ((selector | 7) > limit)
		return selector_fault(c, X86_TRAP_GP, selector);
	*lin = base + (selector & ~7);
	return vmm_emu_read_implicit(c, *lin, desc, sizeof(*desc));
}

static void unpack(struct vmm_segment *s, u16 selector, u64 desc)
{
	*s = (struct vmm_segment) {
		.base = (desc >> 16 & 0xffffff) | (desc >> 32 & 0xff000000),
		.limit = (desc & 0xffff) | (desc >> 32 & 0xf0000),
		.selector = selector,
		.type = desc >> 40 & 15, .s = desc >> 44 & 1, .dpl = desc >> 45 & 3,
		.present = desc >> 47 & 1, .avl = desc >> 52 & 1, .l = desc >> 53 & 1,
		.db = desc >> 54 & 1, .g = desc >> 55 & 1,
	};
	if (s->g)
		s->limit = s->limit << 12 | 0xfff;
}

static bool allowed_in_ss(const struct emu_ctxt *c, const struct vmm_segment *s)
{
	return s->s && (s->type & (TYPE_CODE | TYPE_WRITABLE)) == TYPE_WRITABLE &&
	       s->dpl == c->cpl && (s->selector & SELECTOR_RPL) == c->cpl;
}

static bool allowed_in_data(const struct emu_ctxt *c, const struct vmm_segment *s)
{
	if (!s->s || (s->type & (TYPE_CODE | TYPE_WRITABLE)) == TYPE_CODE)
		return false;
	if ((s->type & (TYPE_CODE | TYPE_CONFORMING)) == (TYPE_CODE | TYPE_CONFORMING))
		return true;
	return s->dpl >= c->cpl && s->dpl >= (s->selector & SELECTOR_RPL);
}

int vmm_load_segment(struct emu_ctxt *c, enum insn_seg seg, u16 selector)
{
	bool ss = seg == INSN_SEG_SS;
	struct vmm_segment s;
	u64 lin, desc;
	int r;

	if (c->prot != EMU_PROTECTED)
		return load_real(vcpu_of(c), seg, selector);
	if (!(selector & ~SELECTOR_RPL))
		return load_null(c, seg, selector);
	r = read_descriptor(c, selector, &lin, &desc);
	if (r)
		return r;
	unpack(&s, selector, desc);
	if (!(ss ? allowed_in_ss(c, &s) : allowed_in_data(c, &s)))
		return selector_fault(c, X86_TRAP_GP, selector);
	if (!s.present)
		return selector_fault(c, ss ? X86_TRAP_SS : X86_TRAP_NP, selector);
	if (!(s.type & TYPE_ACCESSED)) {
		r = vmm_emu_set_bits(c, lin + ACCESS_BYTE, TYPE_ACCESSED);
		if (r < 0)
			return r;
		s.type |= TYPE_ACCESSED;
	}
	set_segment(vcpu_of(c), seg, &s);
	return 0;
}
