// SPDX-License-Identifier: GPL-2.0
/*
 * Address space identifiers: which translations of the CPU's TLB are whose.
 *
 * Each CPU gives out identifiers in order; when they are used up it starts a
 * new generation with a flush of all of them. A vCPU whose identifier is of an
 * older generation, or of another CPU, takes a new one at its next entry: a
 * fresh identifier has no translations. So a flush is a flush of the identifier
 * where the CPU can do that, and otherwise a new identifier. Called by the
 * vCPU's thread, loaded; the per-CPU part with preemption off.
 */
#include "amd.h"

/* Interrupts off, about to enter: the identifier is void. */
void svm_new_asid(struct svm_vcpu *svm)
{
	struct vmcb_control_area *c = &svm->vmcb->control;
	struct svm_cpu *cpu = svm->cpu;

	c->tlb_ctl = TLB_CONTROL_DO_NOTHING;
	if (cpu->next_asid >= svm_features.nr_asids) {
		cpu->asid_gen++;
		cpu->next_asid = 1;		/* 0 is the host's */
		c->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	c->asid = cpu->next_asid++;
	svm->asid_gen = cpu->asid_gen;
	svm_touch(svm, CLEAN_ASID);
}

void svm_flush_tlb(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm_has(SVM_F_FLUSH_ASID))
		svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	else
		svm->asid_gen = 0;
}

/*
 * Guests execute INVLPG and MOV CR without an exit, so this is rare, and
 * dropping everything is right for a single address too.
 */
void svm_flush_gva(struct vmm_vcpu *vcpu, u64 gva, bool single)
{
	svm_flush_tlb(vcpu);
}
