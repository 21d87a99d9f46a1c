// SPDX-License-Identifier: GPL-2.0
/*
 * Dropping cached translations. The CPU tags guest-physical ones with the EPT
 * root and combined ones with root, VPID and PCID (SDM 29.4). INVEPT of a root
 * drops both kinds for all VPIDs; INVVPID drops one vCPU's combined ones.
 *
 * A vCPU that comes to another CPU flushes there first (load.c), so it is
 * enough to flush where it is loaded.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/bitmap.h>
#include <linux/spinlock.h>

#include "intel.h"

/* VPID 0 is the host's. */
static DECLARE_BITMAP(vpids, VMX_NR_VPIDS);	/* vpid_lock */
static DEFINE_SPINLOCK(vpid_lock);

/* Without one, 0, each entry and exit flushes by itself: slower, not wrong. */
void intel_vpid_alloc(struct intel_vcpu *v)
{
	unsigned long vpid;

	if (!intel_has_vpid())
		return;
	spin_lock(&vpid_lock);
	vpid = find_next_zero_bit(vpids, VMX_NR_VPIDS, 1);
	if (vpid < VMX_NR_VPIDS) {
		__set_bit(vpid, vpids);
		v->vpid = vpid;
	}
	spin_unlock(&vpid_lock);
}

void intel_vpid_free(struct intel_vcpu *v)
{
	if (!v->vpid)
		return;
	spin_lock(&vpid_lock);
	__clear_bit(v->vpid, vpids);
	spin_unlock(&vpid_lock);
}

void intel_flush_tlb(struct vmm_vcpu *vcpu)
{
	to_intel(vcpu)->flush_tlb = true;
}

/* Interrupts off, loaded, the EPT pointer is written. */
void intel_flush_now(struct intel_vcpu *v)
{
	v->flush_tlb = false;
	if (intel_caps.ept & VMX_EPT_EXTENT_CONTEXT_BIT)
		ept_invalidate(VMX_EPT_EXTENT_CONTEXT, v->eptp);
	else
		ept_invalidate(VMX_EPT_EXTENT_GLOBAL, 0);
}

void intel_flush_gva(struct vmm_vcpu *vcpu, u64 gva, bool single)
{
	struct intel_vcpu *v = to_intel(vcpu);

	if (!v->vpid || v->flush_tlb)
		return;			/* the next entry flushes all */
	if (single && intel_caps.vpid & VMX_VPID_EXTENT_INDIVIDUAL_ADDR_BIT) {
		/* The CPU refuses addresses that no INVLPG could name: none is cached. */
		if (__is_canonical_address(gva, 48))
			vpid_invalidate(VMX_VPID_EXTENT_INDIVIDUAL_ADDR, v->vpid, gva);
		else if (__is_canonical_address(gva, 57))
			v->flush_tlb = true;
	} else if (intel_caps.vpid & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT) {
		vpid_invalidate(VMX_VPID_EXTENT_SINGLE_CONTEXT, v->vpid, 0);
	} else {
		vpid_invalidate(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
	}
}
