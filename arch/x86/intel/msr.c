// SPDX-License-Identifier: GPL-2.0
/*
 * MSRs that the VMCS, or this backend, keeps for the guest, and the bitmap of
 * those that it reaches without an exit. Called by the core with the vCPU loaded.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/bitops.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include "intel.h"

/* The bitmap's four quarters: read low, read high, write low, write high (SDM 25.6.9). */
#define BITMAP_WRITE	(2048 * 8)
#define BITMAP_HIGH	(1024 * 8)
#define MSR_HIGH_BASE	0xc0000000u
#define MSR_RANGE	0x2000u

static const u32 uret_msrs[INTEL_NR_URET] = {
	[INTEL_URET_STAR] = MSR_STAR,
	[INTEL_URET_LSTAR] = MSR_LSTAR,
	[INTEL_URET_FMASK] = MSR_SYSCALL_MASK,
};
static int uret_slots[INTEL_NR_URET];		/* I; negative: the CPU has none */

int intel_msr_setup(void)
{
	unsigned int i;

	for (i = 0; i < INTEL_NR_URET; i++)
		uret_slots[i] = vmm_uret_register(uret_msrs[i]);
	return 0;
}

int intel_uret_slot(unsigned int i)
{
	return uret_slots[i];
}

static int uret_index(u32 msr)
{
	unsigned int i;

	for (i = 0; i < INTEL_NR_URET; i++)
		if (uret_msrs[i] == msr)
			return i;
	return -1;
}

/* -1: no bitmap covers it, it always exits. */
static int bitmap_position(u32 msr)
{
	if (msr < MSR_RANGE)
		return msr;
	if (msr - MSR_HIGH_BASE < MSR_RANGE)
		return BITMAP_HIGH + (msr - MSR_HIGH_BASE);
	return -1;
}

void intel_msr_passthrough(struct vmm_vcpu *vcpu, u32 msr, bool read, bool write)
{
	struct intel_vcpu *v = to_intel(vcpu);
	int pos = bitmap_position(msr);

	/* The values of these must be known at all times, so that put need not read
	 * them; CSTAR is the host's even while the guest runs.
	 */
	if (pos < 0 || uret_index(msr) >= 0 || msr == MSR_CSTAR)
		return;
	__assign_bit(pos, v->msr_bitmap, !read);
	__assign_bit(pos + BITMAP_WRITE, v->msr_bitmap, !write);
	if (msr == MSR_IA32_SPEC_CTRL)
		v->enter_flags = write ? BIT(INTEL_ENTER_SAVE_SPEC) : 0;
}

static int segment_base(u32 msr)
{
	return msr == MSR_FS_BASE ? SEG_FS : SEG_GS;
}

/*
 * KERNEL_GS_BASE is in the CPU between the first entry and the next put. With
 * preemption on the vCPU may be put between the test and the access.
 */
static u64 access_kernel_gs_base(struct intel_vcpu *v, const u64 *new)
{
	u64 value;

	preempt_disable();
	if (new) {
		v->kernel_gs_base = *new;
		if (v->host_saved)
			wrmsrl(MSR_KERNEL_GS_BASE, *new);
	} else if (v->host_saved) {
		rdmsrl(MSR_KERNEL_GS_BASE, v->kernel_gs_base);
	}
	value = v->kernel_gs_base;
	preempt_enable();
	return value;
}

int intel_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value)
{
	struct intel_vcpu *v = to_intel(vcpu);
	int seg;

	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
		seg = segment_base(msr);
		intel_need(v, VMM_G_SEG(seg));
		*value = vcpu->arch.seg[seg].base;
		return 0;
	case MSR_KERNEL_GS_BASE:
		*value = access_kernel_gs_base(v, NULL);
		return 0;
	case MSR_IA32_SYSENTER_CS:
		*value = vmcs_read(GUEST_SYSENTER_CS);
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		*value = vmcs_read(GUEST_SYSENTER_ESP);
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		*value = vmcs_read(GUEST_SYSENTER_EIP);
		return 0;
	case MSR_IA32_CR_PAT:
		*value = vcpu->arch.pat;
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		*value = v->debugctl;
		return 0;
	case MSR_IA32_SPEC_CTRL:
		*value = v->entry.guest_spec_ctrl;
		return 0;
	case MSR_CSTAR:
		*value = v->cstar;
		return 0;
	}
	seg = uret_index(msr);
	if (seg < 0)
		return 1;
	*value = v->uret[seg];
	return 0;
}

static int set_uret(struct intel_vcpu *v, u32 msr, u64 value)
{
	int i = uret_index(msr);

	if (i < 0)
		return 1;
	v->uret[i] = value;
	v->uret_stale = true;		/* the next entry loads it */
	return 0;
}

int intel_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value)
{
	struct intel_vcpu *v = to_intel(vcpu);
	int seg;

	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
		seg = segment_base(msr);
		intel_need(v, VMM_G_SEG(seg));
		vcpu->arch.seg[seg].base = value;
		regs_dirty(vcpu, VMM_G_SEG(seg));
		return 0;
	case MSR_KERNEL_GS_BASE:
		access_kernel_gs_base(v, &value);
		return 0;
	case MSR_IA32_SYSENTER_CS:
		vmcs_write(GUEST_SYSENTER_CS, (u32)value);
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		vmcs_write(GUEST_SYSENTER_ESP, value);
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		vmcs_write(GUEST_SYSENTER_EIP, value);
		return 0;
	case MSR_IA32_CR_PAT:
		vcpu->arch.pat = value;		/* run.c writes it */
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		v->debugctl = value;
		vmcs_write(GUEST_IA32_DEBUGCTL, value);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		v->entry.guest_spec_ctrl = value;
		return 0;
	case MSR_CSTAR:
		v->cstar = value;
		return 0;
	default:
		return set_uret(v, msr, value);
	}
}
