// SPDX-License-Identifier: GPL-2.0
/*
 * Hypercalls: VMCALL or VMMCALL with a number in RAX, arguments in RBX, RCX, RDX
 * and RSI, the result in RAX. Only from CPL 0. vCPU thread, srcu held.
 */
#include <linux/export.h>

#include <uapi/linux/vmm_para.h>
#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/x86.h>

/*
 * One interrupt to many: a bitmap of two words, whose bit 0 is the APIC ID @first.
 * Returns on how many it is new.
 */
static long send_ipi(struct vmm_vcpu *vcpu, const unsigned long bitmap[2], unsigned int bits,
		     u32 first, u32 icr)
{
	struct vmm_apic_irq irq = {
		.vector = icr & APIC_VECTOR_MASK,
		.delivery_mode = (icr & APIC_MODE_MASK) >> 8,
		.level = true,
	};
	unsigned int i, bit;
	long sent = 0;

	if (irq.delivery_mode != VMM_DM_FIXED && irq.delivery_mode != VMM_DM_NMI)
		return -VMM_EINVAL;
	for (i = 0; i < 2; i++) {
		for_each_set_bit(bit, &bitmap[i], bits)
			sent += vmm_apic_send_to(vcpu->vm, first + i * bits + bit, &irq);
	}
	return sent;
}

/* VAPIC_POLL_IRQ has no feature bit. */
static bool may_call(struct vmm_vcpu *vcpu, u64 nr)
{
	switch (nr) {
	case VMM_HC_KICK_CPU:
		return vmm_guest_may_use(vcpu, VMM_FEATURE_PV_UNHALT);
	case VMM_HC_SEND_IPI:
		return vmm_guest_may_use(vcpu, VMM_FEATURE_PV_SEND_IPI);
	case VMM_HC_SCHED_YIELD:
		return vmm_guest_may_use(vcpu, VMM_FEATURE_PV_SCHED_YIELD);
	default:
		return true;
	}
}

static long hypercall(struct vmm_vcpu *vcpu, u64 nr, const u64 arg[4], bool long_mode)
{
	unsigned long bitmap[2] = { arg[0], arg[1] };
	struct vmm_vcpu *target;

	if (!vcpu->arch.apic || !may_call(vcpu, nr))
		return -VMM_ENOSYS;
	switch (nr) {
	case VMM_HC_VAPIC_POLL_IRQ:
		/* The exit itself has looked. */
		return 0;
	case VMM_HC_KICK_CPU:
		vmm_apic_unhalt(vcpu->vm, arg[1]);
		return 0;
	case VMM_HC_SEND_IPI:
		return send_ipi(vcpu, bitmap, long_mode ? 64 : 32, arg[2], arg[3]);
	case VMM_HC_SCHED_YIELD:
		target = vmm_apic_owner(vcpu->vm, arg[0]);
		if (target)
			vmm_yield_to(vcpu, target);
		return 0;
	default:
		return -VMM_ENOSYS;
	}
}

/**
 * vmm_handle_hypercall() - the guest executed VMCALL or VMMCALL
 * @vcpu: the vCPU
 *
 * Return: VMM_RESUME, VMM_TO_USER or an errno.
 */
int vmm_handle_hypercall(struct vmm_vcpu *vcpu)
{
	u64 *gpr = vcpu->arch.gpr, nr = gpr[GPR_RAX];
	u64 arg[4] = { gpr[GPR_RBX], gpr[GPR_RCX], gpr[GPR_RDX], gpr[GPR_RSI] };
	bool long_mode = vcpu_is_64bit(vcpu);
	unsigned int i;
	long result;

	if (!long_mode) {
		nr = (u32)nr;
		for (i = 0; i < ARRAY_SIZE(arg); i++)
			arg[i] = (u32)arg[i];
	}
	result = vcpu_cpl(vcpu) ? -VMM_EPERM : hypercall(vcpu, nr, arg, long_mode);
	gpr[GPR_RAX] = long_mode ? (u64)result : (u32)result;
	return vmm_skip_insn(vcpu);
}
