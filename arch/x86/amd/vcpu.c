// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's control block: creation, reset, and binding to a CPU.
 *
 * init and destroy may sleep. load runs with preemption off, from the
 * vCPU's ioctls and from the preempt notifier; what load saves of the host is
 * the running task's, so it is good until put.
 */
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>

#include "amd.h"

static atomic64_t next_uid = ATOMIC64_INIT(0);

int svm_vcpu_init(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (!page)
		return -ENOMEM;
	svm->vmcb = page_address(page);
	svm->vmcb_pa = __sme_set(page_to_phys(page));
	svm->uid = atomic64_inc_return(&next_uid);
	svm_msr_map_init(svm);
	return 0;
}

void svm_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_msr_map_free(svm);
	free_page((unsigned long)svm->vmcb);
}

void svm_vcpu_reset(struct vmm_vcpu *vcpu, bool init)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	struct vmcb_control_area *c = &vmcb->control;

	c->clean = 0;
	c->event_inj = 0;
	c->exit_int_info = 0;
	c->iopm_base_pa = svm_io_map_pa();
	c->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
	svm->asid_gen = 0;

	/* Interrupts that reach the CPU are the host's, whatever the guest's IF. */
	svm->int_ctl = V_INTR_MASKING_MASK;
	if (svm_has(SVM_F_VNMI))
		svm->int_ctl |= INT_CTL_NMI_ENABLE;
	svm->window = false;
	svm->iret_started = false;
	svm->stepping = false;
	svm->soft_len = 0;

	vmcb->save.dr6 = DR6_INIT;
	vmcb->save.g_pat = vcpu->arch.pat;
	if (!init) {
		vmcb->save.star = 0;
		vmcb->save.lstar = 0;
		vmcb->save.cstar = 0;
		vmcb->save.sfmask = 0;
		vmcb->save.kernel_gs_base = 0;
		vmcb->save.sysenter_cs = 0;
		vmcb->save.sysenter_esp = 0;
		vmcb->save.sysenter_eip = 0;
		vmcb->save.dbgctl = 0;
		vmcb->save.spec_ctrl = 0;
	}
	svm_init_intercepts(svm);
	svm_update_intercepts(vcpu);
}

void svm_set_tsc_ratio(struct svm_vcpu *svm)
{
	u64 ratio = svm->vcpu.arch.tsc_ratio;

	/* The ratio acts in guests only: nobody else has to put it back. */
	if (ratio && svm->cpu->tsc_ratio != ratio) {
		wrmsrl(MSR_AMD64_TSC_RATIO, ratio);
		svm->cpu->tsc_ratio = ratio;
	}
}

void svm_load(struct vmm_vcpu *vcpu, int cpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_cpu *pcpu = per_cpu_ptr(&svm_cpu, cpu);

	if (unlikely(vcpu->cpu != cpu || svm->cpu != pcpu)) {
		/* What another CPU cached of this vCPU is of no use here. */
		svm->cpu = pcpu;
		svm->asid_gen = 0;
		svm->vmcb->control.clean = 0;
	}
	if (unlikely(pcpu->last_vcpu != svm->uid)) {
		/* Another guest must not steer this one's predictions. */
		pcpu->last_vcpu = svm->uid;
		indirect_branch_prediction_barrier();
	}
	if (svm_has(SVM_F_TSC_RATIO))
		svm_set_tsc_ratio(svm);
	svm_save_host(pcpu);
}
