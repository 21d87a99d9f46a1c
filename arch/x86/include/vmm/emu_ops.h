/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the files that run the emulator: insn.c, emu_ops.c (its callbacks) and
 * segment.c (loads of segment registers).
 */
#ifndef VMM_EMU_OPS_H
#define VMM_EMU_OPS_H

#include <emulate/emulate.h>
#include <vmm/guest_memory.h>
#include <vmm/x86.h>

extern const struct emu_ops vmm_emu_ops;

static inline struct vmm_vcpu *vcpu_of(struct emu_ctxt *c)
{
	return c->opaque;
}

static inline unsigned int user_access(unsigned int cpl)
{
	return cpl == 3 ? VMM_ACCESS_USER : 0;
}

/* A device, as far as the last fault's lookup knows. */
static inline bool vcpu_is_device(struct vmm_vcpu *vcpu, gpa_t gpa)
{
	return gpa_to_gfn(gpa) == vcpu->arch.mmio_gfn &&
	       vcpu->arch.mmio_gen == vmm_slots(vcpu->vm)->gen;
}

/* emu_ops.c: what the CPU does by itself, with a supervisor's rights; as the callbacks. */
int vmm_emu_read_implicit(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size);
/* Set bits in a byte, atomically where it is RAM. */
int vmm_emu_set_bits(struct emu_ctxt *c, u64 lin, u8 bits);

/* segment.c: the callback load_seg. */
int vmm_load_segment(struct emu_ctxt *c, enum insn_seg seg, u16 selector);

#endif
