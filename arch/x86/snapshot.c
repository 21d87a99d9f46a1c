// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's part of a snapshot: everything that the guest can change, copied as it
 * is, not by way of the ioctls' structs, so that a restore costs little. The rest
 * is in virt/snapshot.c, which calls this with vcpu->mutex and slots_lock held.
 *
 * Time is not part of it: the TSC and the clock go on. Nor is what user space set:
 * CPUID, debugging, the TSC's frequency.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include <emulate/emulate.h>
#include <vmm/irqchip.h>
#include <vmm/lapic.h>
#include <vmm/x86.h>

/* Kept by the backend, so not in vcpu->arch. */
static const u32 kept_msrs[] = {
	MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/* The fields from @first to @last, as bytes; both ends are aligned to 8. */
#define ARCH(member)		offsetof(struct vmm_vcpu_arch, member)
#define RUN_STATE		ARCH(gpr), ARCH(mp_state)
#define MSR_STATE		ARCH(mp_state), ARCH(cpuid)

/**
 * struct vmm_vcpu_snapshot - a vCPU as it was
 * @arch: of it, RUN_STATE, MSR_STATE, io and a few single fields
 * @msr: kept_msrs
 * @emu: of the emulator, the instruction that waits for a device's answer
 * @triple_fault: VMM_REQ_TRIPLE_FAULT was waiting
 * @fpu_size: bytes
 * @fpu: as the host keeps it
 */
struct vmm_vcpu_snapshot {
	struct vmm_vcpu_arch arch;
	u64 msr[ARRAY_SIZE(kept_msrs)];
	struct emu_ctxt emu;
	bool triple_fault;
	u32 fpu_size;
	u64 fpu[] __aligned(64);
};

/* By words: where memcpy() would count as bytes, this is what makes it cheap. */
static void copy_words(void *to, const void *from, size_t bytes)
{
	size_t n = DIV_ROUND_UP(bytes, 8);

	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (n) : : "memory");
}

static void copy_fields(struct vmm_vcpu_arch *to, const struct vmm_vcpu_arch *from,
			size_t first, size_t end)
{
	BUILD_BUG_ON(ARCH(gpr) % 8 || ARCH(mp_state) % 8 || ARCH(cpuid) % 8);
	copy_words((void *)to + first, (const void *)from + first, end - first);
}

void vmm_arch_snapshot_free(struct vmm_vcpu *vcpu)
{
	kvfree(vcpu->arch.snapshot);
	vcpu->arch.snapshot = NULL;
	if (vcpu->arch.apic)
		vmm_apic_snapshot_free(vcpu);
}

/* 0, -ENOMEM */
int vmm_arch_snapshot_mark(struct vmm_vcpu *vcpu)
{
	struct fpstate *fpstate = vcpu->arch.fpu.fpstate;
	struct vmm_vcpu_snapshot *s;
	unsigned int i;
	int r = 0;

	vmm_arch_snapshot_free(vcpu);
	s = kvzalloc(struct_size(s, fpu, DIV_ROUND_UP(fpstate->size, 8)), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	vcpu_load(vcpu);
	if (vcpu->arch.apic)
		r = vmm_apic_snapshot_mark(vcpu);
	regs_need(vcpu, VMM_G_REGS);
	for (i = 0; i < ARRAY_SIZE(kept_msrs); i++)
		vmm_call(get_msr)(vcpu, kept_msrs[i], &s->msr[i]);
	if (vmm_call(get_msr)(vcpu, MSR_IA32_SPEC_CTRL, &vcpu->arch.spec_ctrl))
		vcpu->arch.spec_ctrl = 0;
	vcpu_put(vcpu);
	s->arch = vcpu->arch;
	s->emu = *vcpu->arch.emu;
	s->triple_fault = test_bit(VMM_REQ_TRIPLE_FAULT, &vcpu->requests);
	s->fpu_size = fpstate->size;
	copy_words(s->fpu, &fpstate->regs, s->fpu_size);
	vcpu->arch.snapshot = s;
	return r;
}

static void restore_fields(struct vmm_vcpu_arch *a, const struct vmm_vcpu_arch *saved)
{
	u64 run_delay = a->pv.run_delay;
	u32 dirty = a->dirty;

	copy_fields(a, saved, RUN_STATE);
	copy_fields(a, saved, MSR_STATE);
	copy_words(&a->io, &saved->io, sizeof(a->io));
	a->pkru = saved->pkru;
	a->pvclock_msr = saved->pvclock_msr;
	a->pv = saved->pv;
	a->pv.run_delay = run_delay;
	/* Settings of the control structure that have not reached it yet still have to. */
	a->dirty = dirty;
}

void vmm_arch_snapshot_restore(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_snapshot *s = vcpu->arch.snapshot;
	struct vmm_vcpu_arch *a = &vcpu->arch;
	u64 apic_base = a->apic_base;
	unsigned int i;

	vcpu_load(vcpu);
	restore_fields(a, &s->arch);
	/* Else the next instruction is decoded anyway. */
	if (a->io.wait)
		*a->emu = s->emu;
	regs_dirty(vcpu, VMM_G_REGS);
	for (i = 0; i < ARRAY_SIZE(kept_msrs); i++)
		vmm_call(set_msr)(vcpu, kept_msrs[i], s->msr[i]);
	vmm_call(set_msr)(vcpu, MSR_IA32_SPEC_CTRL, a->spec_ctrl);
	vmm_call(set_msr)(vcpu, MSR_IA32_CR_PAT, a->pat);
	vmm_call(set_msr)(vcpu, MSR_IA32_DEBUGCTLMSR, a->debugctl);
	copy_words(&a->fpu.fpstate->regs, s->fpu, s->fpu_size);
	vmm_xstate_update(vcpu);
	vmm_update_dr7(vcpu);
	vmm_call(update_intercepts)(vcpu);
	vmm_call(flush_gva)(vcpu, 0, false);
	if (a->apic)
		vmm_apic_snapshot_restore(vcpu, apic_base);
	vcpu_put(vcpu);
	vcpu->run->cr8 = a->cr8;
	vmm_request(vcpu, VMM_REQ_EVENT);
	if (a->pvclock_msr & VMM_MSR_ENABLED)
		vmm_request(vcpu, VMM_REQ_CLOCK_UPDATE);
	if (unlikely(s->triple_fault != test_bit(VMM_REQ_TRIPLE_FAULT, &vcpu->requests)))
		change_bit(VMM_REQ_TRIPLE_FAULT, &vcpu->requests);
}
