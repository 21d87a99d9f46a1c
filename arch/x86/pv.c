// SPDX-License-Identifier: GPL-2.0
/*
 * Paravirtual features that are a word of shared memory: PV EOI, steal time with
 * the "preempted" flag and the TLB flush that goes with it, poll control.
 *
 * The guest names an address in an MSR. What is written there is written on the
 * vCPU's own thread, through the slots as they are at that moment; an address
 * without memory is simply not written. vcpu->mutex, srcu.
 */
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/uaccess.h>

#include <uapi/linux/vmm_para.h>
#include <vmm/guest_memory.h>
#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/x86.h>

#define STEAL_FIELD(f)	offsetof(struct vmm_steal_time, f)

/* Bits that make no sense without a local APIC of ours. */
u32 vmm_pv_apic_features(void)
{
	return BIT(VMM_FEATURE_PV_EOI) | BIT(VMM_FEATURE_PV_UNHALT) | BIT(VMM_FEATURE_PV_SEND_IPI) |
	       BIT(VMM_FEATURE_POLL_CONTROL) | BIT(VMM_FEATURE_PV_SCHED_YIELD);
}

u32 vmm_pv_features(void)
{
	u32 bits = BIT(VMM_FEATURE_CLOCKSOURCE) | BIT(VMM_FEATURE_NOP_IO_DELAY) |
		   BIT(VMM_FEATURE_CLOCKSOURCE2) | BIT(VMM_FEATURE_CLOCKSOURCE_STABLE_BIT) |
		   vmm_pv_apic_features();

	/* The host's scheduler has to keep the account. */
	if (sched_info_on())
		bits |= BIT(VMM_FEATURE_STEAL_TIME) | BIT(VMM_FEATURE_PV_TLB_FLUSH);
	return bits;
}

/* --- end of interrupt --- */

static gpa_t eoi_gpa(const struct vmm_vcpu *vcpu)
{
	return vcpu->arch.pv.eoi_msr & ~(u64)VMM_MSR_ENABLED;
}

static int write_eoi_flag(struct vmm_vcpu *vcpu, u8 value)
{
	return vcpu_write_guest(vcpu, eoi_gpa(vcpu), &value, sizeof(value));
}

void vmm_pv_eoi_arm(struct vmm_vcpu *vcpu, u8 vector)
{
	const struct vmm_lapic *apic = vcpu->arch.apic;

	if (!(vcpu->arch.pv.eoi_msr & VMM_MSR_ENABLED) || test_bit(vector, apic->eoi_exit))
		return;
	/* The bit can end one interrupt only, and lets none that waits in. */
	if (bitmap_weight(apic->isr, VMM_NR_VECTORS) != 1 ||
	    !bitmap_empty(apic->irr, VMM_NR_VECTORS))
		return;
	vcpu->arch.pv.eoi_armed = !write_eoi_flag(vcpu, VMM_PV_EOI_ENABLED);
}

void __vmm_pv_eoi_sync(struct vmm_vcpu *vcpu)
{
	u8 flag;

	vcpu->arch.pv.eoi_armed = false;
	if (vcpu_read_guest(vcpu, eoi_gpa(vcpu), &flag, sizeof(flag)))
		return;
	/*
	 * It was the only one in service. Whatever came since then has requested
	 * VMM_REQ_EVENT, and its handler is here before it looks at ISR.
	 */
	if (!(flag & VMM_PV_EOI_MASK))
		bitmap_zero(vcpu->arch.apic->isr, VMM_NR_VECTORS);
	else
		write_eoi_flag(vcpu, VMM_PV_EOI_DISABLED);
}

static int set_eoi(struct vmm_vcpu *vcpu, u64 value)
{
	if (!vcpu->arch.apic)
		return value & VMM_MSR_ENABLED ? 1 : 0;
	if ((value & ~(u64)VMM_MSR_ENABLED) & 3)
		return 1;
	vmm_pv_eoi_sync(vcpu);
	vcpu->arch.pv.eoi_msr = value;
	return 0;
}

/* --- steal time --- */

static gpa_t steal_gpa(const struct vmm_vcpu *vcpu)
{
	return vcpu->arch.pv.steal_msr & VMM_STEAL_VALID_BITS;
}

/* The vCPU runs again: what others asked of it meanwhile is done now. */
static void clear_preempted(struct vmm_vcpu *vcpu)
{
	gpa_t gpa = steal_gpa(vcpu) + STEAL_FIELD(preempted);
	u8 old, none = 0;
	int r;

	if (vcpu_read_guest(vcpu, gpa, &old, sizeof(old)))
		return;
	do {
		if (!old)
			return;
		r = vcpu_cmpxchg_guest(vcpu, gpa, &old, &none, sizeof(none));
	} while (r > 0);
	if (!r && (old & VMM_VCPU_FLUSH_TLB))
		vmm_call(flush_gva)(vcpu, 0, false);
}

void vmm_pv_update_steal_time(struct vmm_vcpu *vcpu)
{
	gpa_t gpa = steal_gpa(vcpu);
	u64 delay, steal;
	u32 version;

	if (!(vcpu->arch.pv.steal_msr & VMM_MSR_ENABLED))
		return;
	clear_preempted(vcpu);
	delay = current->sched_info.run_delay - vcpu->arch.pv.run_delay;
	vcpu->arch.pv.run_delay += delay;
	if (!delay)
		return;
	if (vcpu_read_guest(vcpu, gpa + STEAL_FIELD(version), &version, sizeof(version)) ||
	    vcpu_read_guest(vcpu, gpa + STEAL_FIELD(steal), &steal, sizeof(steal)))
		return;
	/* Odd while the rest changes. */
	version = (version + 1) | 1;
	vcpu_write_guest(vcpu, gpa + STEAL_FIELD(version), &version, sizeof(version));
	smp_wmb();
	steal += delay;
	vcpu_write_guest(vcpu, gpa + STEAL_FIELD(steal), &steal, sizeof(steal));
	smp_wmb();
	version++;
	vcpu_write_guest(vcpu, gpa + STEAL_FIELD(version), &version, sizeof(version));
}

/*
 * The next entry has to account for the time until then. From the scheduler, too: a
 * page that is not there stays away, and no flag is set.
 */
void vmm_pv_unloaded(struct vmm_vcpu *vcpu)
{
	gpa_t gpa = steal_gpa(vcpu) + STEAL_FIELD(preempted);
	struct vmm_memslot *slot;
	u8 __user *p;
	int idx;

	vmm_request(vcpu, VMM_REQ_STEAL_TIME);
	if (current->mm != vcpu->vm->mm)
		return;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	slot = vmm_find_slot(vcpu->vm, gpa_to_gfn(gpa));
	if (slot && !(slot->flags & VMM_MEM_READONLY)) {
		p = (u8 __user *)(slot_hva(slot, gpa_to_gfn(gpa)) + offset_in_page(gpa));
		pagefault_disable();
		if (!__put_user((u8)VMM_VCPU_PREEMPTED, p))
			vmm_mark_dirty(vcpu->vm, vcpu, slot, gpa_to_gfn(gpa));
		pagefault_enable();
	}
	srcu_read_unlock(&vcpu->vm->srcu, idx);
}

static int set_steal_time(struct vmm_vcpu *vcpu, u64 value)
{
	if ((value & VMM_STEAL_RESERVED_MASK) || (value && !sched_info_on()))
		return 1;
	vcpu->arch.pv.steal_msr = value;
	if (value & VMM_MSR_ENABLED) {
		vcpu->arch.pv.run_delay = current->sched_info.run_delay;
		vmm_request(vcpu, VMM_REQ_STEAL_TIME);
	}
	return 0;
}

/* --- MSRs --- */

/* The others are not offered: a guest gets #GP whatever it may use. */
static bool may_use_msr(struct vmm_vcpu *vcpu, u32 msr)
{
	switch (msr) {
	case MSR_VMM_STEAL_TIME:
		return vmm_guest_may_use(vcpu, VMM_FEATURE_STEAL_TIME);
	case MSR_VMM_PV_EOI_EN:
		return vmm_guest_may_use(vcpu, VMM_FEATURE_PV_EOI);
	case MSR_VMM_POLL_CONTROL:
		return vmm_guest_may_use(vcpu, VMM_FEATURE_POLL_CONTROL);
	default:
		return true;
	}
}

int vmm_pv_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	if (!host && !may_use_msr(vcpu, msr))
		return 1;
	switch (msr) {
	case MSR_VMM_STEAL_TIME:
		*value = vcpu->arch.pv.steal_msr;
		return 0;
	case MSR_VMM_PV_EOI_EN:
		*value = vcpu->arch.pv.eoi_msr;
		return 0;
	case MSR_VMM_POLL_CONTROL:
		*value = vcpu->arch.pv.poll_control;
		return 0;
	default:
		*value = 0;
		return !host;
	}
}

/*
 * Of features that are not offered user space may write the value that means "off",
 * whether or not it looked at the features.
 */
int vmm_pv_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	if (!host && !may_use_msr(vcpu, msr))
		return 1;
	switch (msr) {
	case MSR_VMM_STEAL_TIME:
		return set_steal_time(vcpu, value);
	case MSR_VMM_PV_EOI_EN:
		return set_eoi(vcpu, value);
	case MSR_VMM_POLL_CONTROL:
		if (value & ~1ull)
			return 1;
		vcpu->arch.pv.poll_control = value;
		return 0;
	default:
		return !host || value;
	}
}

/* Power-up and INIT. */
void vmm_pv_reset(struct vmm_vcpu *vcpu)
{
	memset(&vcpu->arch.pv, 0, sizeof(vcpu->arch.pv));
	vcpu->arch.pv.poll_control = 1;
}
