// SPDX-License-Identifier: GPL-2.0
/*
 * What makes a guest exit. svm_init_intercepts() sets what always does;
 * svm_update_intercepts() what depends on the guest's CPUID, on debugging by
 * user space and on the exits that user space switched off. Bits for
 * instructions that a CPU does not have are ignored by it (APM 15.9).
 *
 * Called with the vCPU loaded and its mutex held.
 */
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>
#include <asm/trapnr.h>

#include "amd.h"

/* Entries into the PAUSE filter before an exit, and the cycles that reset it. */
#define PAUSE_COUNT	3000
#define PAUSE_THRESHOLD	128

static const u8 always[] = {
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI, INTERCEPT_INIT,
	INTERCEPT_SELECTIVE_CR0, INTERCEPT_CR4_WRITE, INTERCEPT_CR8_WRITE,
	INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_INVD, INTERCEPT_INVLPGA,
	INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT,
	INTERCEPT_SHUTDOWN, INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD,
	INTERCEPT_VMSAVE, INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT,
	INTERCEPT_WBINVD, INTERCEPT_XSETBV, INTERCEPT_RDPRU,
	INTERCEPT_INVLPGB, INTERCEPT_INVLPGB_ILLEGAL, INTERCEPT_MCOMMIT,
	INTERCEPT_TLBSYNC,
};

void svm_init_intercepts(struct svm_vcpu *svm)
{
	struct vmcb_control_area *c = &svm->vmcb->control;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(c->intercepts); i++)
		c->intercepts[i] = 0;
	/* Debug registers are the core's: the CPU holds the guest's only in part. */
	c->intercepts[INTERCEPT_DR] = ~0U;
	for (i = 0; i < ARRAY_SIZE(always); i++)
		c->intercepts[always[i] / 32] |= BIT(always[i] % 32);
	if (svm_has(SVM_F_PAUSE_FILTER)) {
		c->pause_filter_count = PAUSE_COUNT;
		if (svm_has(SVM_F_PAUSE_THRESHOLD))
			c->pause_filter_thresh = PAUSE_THRESHOLD;
	}
	svm_touch(svm, CLEAN_INTERCEPTS);
}

void svm_update_exceptions(struct svm_vcpu *svm)
{
	u32 *exceptions = &svm->vmcb->control.intercepts[INTERCEPT_EXCEPTION];
	u32 bits = ALWAYS_VECTORS;

	if (svm->vcpu.arch.guest_debug & VMM_GUESTDBG_USE_SW_BP)
		bits |= BIT(X86_TRAP_BP);
	if (svm->stepping)
		bits = ~0U;
	if (*exceptions != bits) {
		*exceptions = bits;
		svm_touch(svm, CLEAN_INTERCEPTS);
	}
}

/*
 * Where the guest's CR0 or CR4 is not what the CPU holds, reads exit; and so do
 * all writes to CR0, because the selective intercept compares with the CPU's.
 */
void svm_update_cr_intercepts(struct svm_vcpu *svm)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	bool cr0_differs = arch->cr0 & SVM_CR0_SHADOWED;

	svm_intercept(svm, INTERCEPT_CR0_READ, cr0_differs);
	svm_intercept(svm, INTERCEPT_CR0_WRITE, cr0_differs);
	svm_intercept(svm, INTERCEPT_CR4_READ,
		      (cr4_read_shadow() & ~arch->cr4) & X86_CR4_MCE);
}

void svm_update_intercepts(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 disabled = vcpu->vm->arch.exit_disable;
	bool mwait = !(disabled & VMM_X86_DISABLE_EXITS_MWAIT);

	svm_update_exceptions(svm);
	svm_intercept(svm, INTERCEPT_HLT, !(disabled & VMM_X86_DISABLE_EXITS_HLT));
	svm_intercept(svm, INTERCEPT_MONITOR, mwait);
	svm_intercept(svm, INTERCEPT_MWAIT, mwait);
	/* Without the filter each PAUSE would exit: a spinning guest crawls. */
	svm_intercept(svm, INTERCEPT_PAUSE, svm_has(SVM_F_PAUSE_FILTER) &&
		      !(disabled & VMM_X86_DISABLE_EXITS_PAUSE));
	/* Instructions that the guest must not have, though the CPU does. */
	svm_intercept(svm, INTERCEPT_RDTSCP, !vcpu->arch.cpuid.rdtscp);
	svm_intercept(svm, INTERCEPT_INVPCID, !vcpu->arch.cpuid.invpcid);
}
