// SPDX-License-Identifier: GPL-2.0
/*
 * Machine checks of the guest: the banks, their MSRs, and injection by
 * VMM_X86_SET_MCE. User space makes them up, or passes on an error that the
 * host found in guest memory. Guarded by vcpu->mutex.
 */
#include <linux/nospec.h>
#include <asm/mce.h>

#include <vmm/cpufeature.h>
#include <vmm/x86.h>

#define MCE_SUPPORTED	(MCG_CTL_P | MCG_SER_P)
/* Bits of X86_SETUP_MCE's argument that hold counts. */
#define MCE_COUNTS	(MCG_BANKCNT_MASK | MCG_EXT_CNT_MASK)

/* MSRs of a bank */
enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC, BANK_MSRS };

u64 vmm_mce_supported(void)
{
	return MCE_SUPPORTED;
}

/* All banks report all errors. */
static void enable_all(struct vmm_mce *m)
{
	unsigned int i;

	m->ctl = m->cap & MCG_CTL_P ? ~0ull : 0;
	for (i = 0; i < VMM_NR_MCE_BANKS; i++)
		m->bank[i * BANK_MSRS + BANK_CTL] = ~0ull;
}

/* Until X86_SETUP_MCE says otherwise all banks exist. */
void vmm_mce_reset(struct vmm_vcpu *vcpu)
{
	struct vmm_mce *m = &vcpu->arch.mce;

	m->cap = VMM_NR_MCE_BANKS | MCE_SUPPORTED;
	m->status = 0;
	enable_all(m);
}

/* VMM_X86_SETUP_MCE: 0; -EINVAL for no or too many banks, or an unsupported bit. */
int vmm_mce_setup(struct vmm_vcpu *vcpu, u64 cap)
{
	unsigned int banks = cap & MCG_BANKCNT_MASK;

	if (!banks || banks > VMM_NR_MCE_BANKS || (cap & ~(MCE_SUPPORTED | MCE_COUNTS)))
		return -EINVAL;
	vcpu->arch.mce.cap = cap;
	enable_all(&vcpu->arch.mce);
	return 0;
}

/* The MSR of a bank that exists, or NULL. */
static u64 *bank_register(struct vmm_mce *m, u32 msr)
{
	u32 offset = msr - MSR_IA32_MC0_CTL;
	u32 end = (m->cap & MCG_BANKCNT_MASK) * BANK_MSRS;

	return offset < end ? &m->bank[array_index_nospec(offset, ARRAY_SIZE(m->bank))] : NULL;
}

static bool is_bank_msr(u32 msr)
{
	return msr - MSR_IA32_MC0_CTL < VMM_NR_MCE_BANKS * BANK_MSRS;
}

int vmm_mce_get(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	struct vmm_mce *m = &vcpu->arch.mce;
	const u64 *reg;

	switch (msr) {
	case MSR_IA32_P5_MC_ADDR:
	case MSR_IA32_P5_MC_TYPE:
		*value = 0;
		return 0;
	case MSR_IA32_MCG_CAP:
		*value = m->cap;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*value = m->status;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(m->cap & MCG_CTL_P) && !host)
			return 1;
		*value = m->ctl;
		return 0;
	}
	if (!is_bank_msr(msr))
		return -1;
	reg = bank_register(m, msr);
	if (!reg)
		return 1;
	*value = *reg;
	return 0;
}

static int set_bank(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	u64 *reg = bank_register(&vcpu->arch.mce, msr);

	if (!reg)
		return 1;
	switch ((msr - MSR_IA32_MC0_CTL) % BANK_MSRS) {
	case BANK_CTL:
		/* All or nothing; Linux turns off bit 0 of bank 0 and bit 10 of bank 4. */
		if (value && (value | BIT_ULL(10) | BIT_ULL(0)) != ~0ull)
			return 1;
		break;
	case BANK_STATUS:
		/* Software may only clear it, unless it may write it for tests. */
		if (!host && value && !(vcpu->arch.hwcr & HWCR_MC_STATUS_WR_EN))
			return 1;
		break;
	}
	*reg = value;
	return 0;
}

int vmm_mce_set(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	struct vmm_mce *m = &vcpu->arch.mce;

	switch (msr) {
	case MSR_IA32_P5_MC_ADDR:
	case MSR_IA32_P5_MC_TYPE:
		return 0;
	case MSR_IA32_MCG_CAP:
		return 1;
	case MSR_IA32_MCG_STATUS:
		m->status = value;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(m->cap & MCG_CTL_P) && !host)
			return 1;
		if (value && value != ~0ull)
			return 1;
		m->ctl = value;
		return 0;
	}
	return is_bank_msr(msr) ? set_bank(vcpu, msr, value, host) : -1;
}

/*
 * VMM_X86_SET_MCE: record an error, and raise #MC if it is an uncorrected one.
 * 0 (also where the guest has turned reporting off); -EINVAL: no such bank, or
 * the status is not valid.
 */
int vmm_mce_inject(struct vmm_vcpu *vcpu, const struct vmm_x86_mce *mce)
{
	struct vmm_mce *m = &vcpu->arch.mce;
	unsigned int banks = m->cap & MCG_BANKCNT_MASK;
	bool uncorrected = mce->status & MCI_STATUS_UC;
	u64 *bank;

	if (mce->bank >= banks || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = &m->bank[array_index_nospec(mce->bank, VMM_NR_MCE_BANKS) * BANK_MSRS];

	if (uncorrected && (m->cap & MCG_CTL_P) && m->ctl != ~0ull)
		return 0;
	if (uncorrected && bank[BANK_CTL] != ~0ull)
		return 0;

	if (uncorrected && ((m->status & MCG_STATUS_MCIP) || !(vcpu_cr4(vcpu) & X86_CR4_MCE))) {
		vmm_request(vcpu, VMM_REQ_TRIPLE_FAULT);
		return 0;
	}
	if (!uncorrected && (bank[BANK_STATUS] & MCI_STATUS_VAL) &&
	    (bank[BANK_STATUS] & MCI_STATUS_UC)) {
		/* It does not replace a worse one. */
		bank[BANK_STATUS] |= MCI_STATUS_OVER;
		return 0;
	}
	bank[BANK_ADDR] = mce->addr;
	bank[BANK_MISC] = mce->misc;
	bank[BANK_STATUS] = mce->status |
			    (bank[BANK_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0);
	if (uncorrected) {
		m->status = mce->mcg_status;
		vmm_queue_exception(vcpu, X86_TRAP_MC);
	}
	return 0;
}
