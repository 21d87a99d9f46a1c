/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading and writing guest registers through the lazy cache. vCPU loaded,
 * vcpu->mutex held. Nothing else may touch arch.avail and arch.dirty but the
 * backend's run() and fetch().
 */
#ifndef _VMM_REGS_H
#define _VMM_REGS_H

#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <vmm/backend.h>
#include <vmm/vm.h>

/* Make the groups readable in vcpu->arch. */
static __always_inline void regs_need(struct vmm_vcpu *vcpu, u32 groups)
{
	u32 missing = groups & ~(vcpu->arch.avail | vcpu->arch.dirty);

	if (missing)
		vmm_call(fetch)(vcpu, missing);
}

/* The groups are about to be written in vcpu->arch (wholly, or after regs_need()). */
static __always_inline void regs_dirty(struct vmm_vcpu *vcpu, u32 groups)
{
	vcpu->arch.avail |= groups;
	vcpu->arch.dirty |= groups;
}

#define VMM_REG_ACCESSORS(name, field, group)					\
static __always_inline unsigned long vcpu_##name(struct vmm_vcpu *vcpu)	\
{										\
	regs_need(vcpu, group);							\
	return vcpu->arch.field;						\
}										\
static __always_inline void vcpu_set_##name(struct vmm_vcpu *vcpu, unsigned long v)\
{										\
	vcpu->arch.field = v;							\
	regs_dirty(vcpu, group);						\
}

VMM_REG_ACCESSORS(rip, rip, VMM_G_RIP)
VMM_REG_ACCESSORS(rsp, gpr[GPR_RSP], VMM_G_RSP)
VMM_REG_ACCESSORS(rflags, rflags, VMM_G_RFLAGS)

static __always_inline u64 vcpu_cr0(struct vmm_vcpu *vcpu)
{
	regs_need(vcpu, VMM_G_CR0);
	return vcpu->arch.cr0;
}

static __always_inline u64 vcpu_cr3(struct vmm_vcpu *vcpu)
{
	regs_need(vcpu, VMM_G_CR3);
	return vcpu->arch.cr3;
}

static __always_inline u64 vcpu_cr4(struct vmm_vcpu *vcpu)
{
	regs_need(vcpu, VMM_G_CR4);
	return vcpu->arch.cr4;
}

static __always_inline const struct vmm_segment *vcpu_seg(struct vmm_vcpu *vcpu, int s)
{
	regs_need(vcpu, VMM_G_SEG(s));
	return &vcpu->arch.seg[s];
}

static __always_inline unsigned long vcpu_gpr(struct vmm_vcpu *vcpu, unsigned int n)
{
	if (n == GPR_RSP)
		regs_need(vcpu, VMM_G_RSP);
	return vcpu->arch.gpr[n];
}

static __always_inline void vcpu_set_gpr(struct vmm_vcpu *vcpu, unsigned int n, unsigned long v)
{
	vcpu->arch.gpr[n] = v;
	if (n == GPR_RSP)
		regs_dirty(vcpu, VMM_G_RSP);
}

/* EFER is always current in arch: guests cannot change it without an exit. */
static __always_inline bool vcpu_long_mode(struct vmm_vcpu *vcpu)
{
	return vcpu->arch.efer & EFER_LMA;
}

/* Make arch.mode readable; false if a segment changed since the exit: it is in seg[] then. */
static __always_inline bool vcpu_mode_known(struct vmm_vcpu *vcpu)
{
	if (unlikely(vcpu->arch.dirty & (VMM_G_SEG(SEG_CS) | VMM_G_SEG(SEG_SS))))
		return false;
	regs_need(vcpu, VMM_G_MODE);
	return true;
}

/* 64-bit code segment: instructions decode with REX, RIP has 64 bits. */
static __always_inline bool vcpu_is_64bit(struct vmm_vcpu *vcpu)
{
	if (!vcpu_long_mode(vcpu))
		return false;
	return vcpu_mode_known(vcpu) ? vcpu->arch.mode.cs_l : vcpu_seg(vcpu, SEG_CS)->l;
}

static __always_inline bool vcpu_cs_db(struct vmm_vcpu *vcpu)
{
	return vcpu_mode_known(vcpu) ? vcpu->arch.mode.cs_db : vcpu_seg(vcpu, SEG_CS)->db;
}

static __always_inline unsigned int vcpu_cpl(struct vmm_vcpu *vcpu)
{
	/* SS.DPL is the CPL, also where CS is conforming (APM 4.9, SDM 24.4.1). */
	return vcpu_mode_known(vcpu) ? vcpu->arch.mode.cpl : vcpu_seg(vcpu, SEG_SS)->dpl;
}

#endif
