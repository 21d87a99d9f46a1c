/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a paravirtualized guest and its hypervisor tell each other through
 * memory: end of interrupt, steal time, the wish to poll (arch/x86/pv.c), and by
 * hypercalls (arch/x86/hypercall.c). All on the vCPU's thread.
 */
#ifndef _VMM_PV_H
#define _VMM_PV_H

#include <vmm/vm.h>

/* MSRs 0x4b564d02 and up: 0; 1: #GP. */
int vmm_pv_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host);
int vmm_pv_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host);
/* CPUID 0x40000001 EAX: bits that need a local APIC of ours, and all that can be offered. */
u32 vmm_pv_features(void);
u32 vmm_pv_apic_features(void);
void vmm_pv_reset(struct vmm_vcpu *vcpu);

/*
 * The interrupt @vector is about to be injected and nothing else waits: the guest may
 * end it by clearing a bit in its memory.
 */
void vmm_pv_eoi_arm(struct vmm_vcpu *vcpu, u8 vector);
void __vmm_pv_eoi_sync(struct vmm_vcpu *vcpu);
/* Before anyone looks at ISR: has the guest done so? From now on it has to use the APIC. */
static inline void vmm_pv_eoi_sync(struct vmm_vcpu *vcpu)
{
	if (unlikely(vcpu->arch.pv.eoi_armed))
		__vmm_pv_eoi_sync(vcpu);
}

/* VMM_REQ_STEAL_TIME: the vCPU was loaded. srcu held, may sleep. */
void vmm_pv_update_steal_time(struct vmm_vcpu *vcpu);
/* The vCPU leaves its CPU. Any context, no page faults. */
void vmm_pv_unloaded(struct vmm_vcpu *vcpu);

/* --- hypercall.c --- */
int vmm_handle_hypercall(struct vmm_vcpu *vcpu);

#endif
