// SPDX-License-Identifier: GPL-2.0
/*
 * One entry into the guest: the hot path. The core's run loop calls svm_run()
 * with interrupts off and the vCPU loaded; see include/vmm/backend.h for what
 * it must do. No MSR is accessed here and no table is walked: what an exit costs
 * in this file is moving RIP, RSP, RAX, RFLAGS, CR0, CR2, CR3, CR8 and the shadow.
 */
#include <linux/bits.h>
#include <asm/nospec-branch.h>

#include <vmm/compat.h>
#include <vmm/enter.h>

#include "amd.h"

/* What is in vcpu->arch after every exit. */
#define GROUPS_COPIED	(VMM_G_RIP | VMM_G_RSP | VMM_G_RFLAGS | VMM_G_CR0 | \
			 VMM_G_CR3 | VMM_G_CR4 | VMM_G_EFER | VMM_G_INTR |	\
			 VMM_G_DR | VMM_G_MODE)
/* What svm_run() writes itself, unconditionally. */
#define GROUPS_ALWAYS	(VMM_G_RIP | VMM_G_RSP | VMM_G_RFLAGS)

/* If the extensions are off, the guest is not entered and the exit code stays. */
static noinstr void enter(struct svm_vcpu *svm)
{
	u32 host_spec_ctrl = raw_cpu_read(x86_spec_ctrl_current);

	vmm_guest_state_enter();
	svm_enter(svm->vmcb_pa, svm->vcpu.arch.gpr, svm->cpu->host_pa,
		  svm_has(SVM_F_SPEC_CTRL) ? host_spec_ctrl : svm->vcpu.arch.spec_ctrl,
		  host_spec_ctrl);
	vmm_guest_state_exit();
}

static __always_inline void write_block(struct svm_vcpu *svm)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	struct vmcb *vmcb = svm->vmcb;
	u32 dirty = arch->dirty, int_ctl;

	vmcb->save.rip = arch->rip;
	vmcb->save.rsp = arch->gpr[GPR_RSP];
	vmcb->save.rax = arch->gpr[GPR_RAX];
	vmcb->save.rflags = arch->rflags;
	if (vmcb->save.cr2 != arch->cr2) {
		vmcb->save.cr2 = arch->cr2;
		svm_touch(svm, CLEAN_CR2);
	}
	if (unlikely(vmcb->save.g_pat != arch->pat)) {
		vmcb->save.g_pat = arch->pat;
		svm_touch(svm, CLEAN_NPT);
	}
	if (dirty & ~GROUPS_ALWAYS)
		svm_write_groups(svm, dirty);
	arch->dirty = 0;

	if (unlikely(arch->want_intr_window != svm->window || arch->want_nmi_window))
		svm_arm_windows(svm);
	int_ctl = svm->int_ctl | (arch->cr8 & V_TPR_MASK);
	if (svm_has(SVM_F_VNMI) && arch->nmi_masked)
		int_ctl |= INT_CTL_NMI_BLOCKED;
	if (vmcb->control.int_ctl != int_ctl) {
		vmcb->control.int_ctl = int_ctl;
		svm_touch(svm, CLEAN_INT_CTL);
	}
	svm->injected = 0;
	if (arch->inject.type)
		svm_inject(svm);
}

static __always_inline void read_block(struct svm_vcpu *svm)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	const struct vmcb *vmcb = svm->vmcb;

	arch->rip = vmcb->save.rip;
	arch->gpr[GPR_RSP] = vmcb->save.rsp;
	arch->gpr[GPR_RAX] = vmcb->save.rax;
	arch->rflags = vmcb->save.rflags;
	/* TS and MP change without an exit; what is shadowed does not. */
	arch->cr0 = (arch->cr0 & SVM_CR0_SHADOWED) | vmcb->save.cr0;
	arch->cr3 = vmcb->save.cr3;
	arch->cr8 = vmcb->control.int_ctl & V_TPR_MASK;
	arch->shadow = vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK;
	svm_read_mode(svm);
	if (svm_has(SVM_F_VNMI))
		arch->nmi_masked = vmcb->control.int_ctl & INT_CTL_NMI_BLOCKED;
	arch->avail = GROUPS_COPIED;
}

void svm_run(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmm_vcpu_arch *arch = &vcpu->arch;
	struct vmcb *vmcb = svm->vmcb;

	write_block(svm);
	if (unlikely(svm->asid_gen != svm->cpu->asid_gen))
		svm_new_asid(svm);
	/* Another thread may change the process's LDT at any time. */
	if (unlikely(vmm_current_has_ldt()))
		svm_save_host(svm->cpu);

	vmcb->control.exit_code = SVM_EXIT_SW;
	if (!vmm_spoil_on() || !svm_spoil(svm))
		enter(svm);

	vmm_guest_ran();
	vmcb->control.clean = svm_features.clean;
	vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	vmcb->control.event_inj = 0;
	arch->cr2 = vmcb->save.cr2;
	svm_classify(svm);
	read_block(svm);
}
