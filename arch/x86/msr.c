// SPDX-License-Identifier: GPL-2.0
/*
 * MSRs: what RDMSR and WRMSR do where they exit, and VMM_{GET,SET}_MSRS.
 *
 * An MSR belongs to one of: the backend's control structure (asked through
 * get_msr, set_msr), this file, clock.c, mtrr.c, mce.c, or to nobody: then the
 * guest gets #GP and user space a short count. User space restores vCPUs, so
 * it may write more than the guest, and before SET_CPUID2 too. Guarded by
 * vcpu->mutex; the lists are made once, when a backend registers.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/moduleparam.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/mce.h>
#include <asm/msr.h>

#include <vmm/cpufeature.h>
#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/trace.h>
#include <vmm/x86.h>

/* Entries of one VMM_GET_MSRS or VMM_SET_MSRS, at most one less. */
#define MAX_IO_MSRS	256

static bool log_unknown_msrs;
module_param(log_unknown_msrs, bool, 0644);
MODULE_PARM_DESC(log_unknown_msrs, "Log guests' accesses to MSRs that do not exist");

/* Set once, when a backend registers. */
static int tsc_aux_slot = -1;
static u64 host_arch_capabilities, host_ucode_rev, host_de_cfg;

#define ARCH_CAPABILITIES_OFFERED						\
	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA |			\
	 ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO |	\
	 ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO |	\
	 ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR |		\
	 ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO | \
	 ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR | ARCH_CAP_ITS_NO)

/* No performance counters: these MISC_ENABLE bits are as they are. */
#define MISC_ENABLE_NO_COUNTERS							\
	(MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL)

/* --- MSRs that always read the same; writes are ignored --- */

static bool fixed_msr(u32 msr, u64 *value)
{
	switch (msr) {
	case MSR_IA32_PLATFORM_ID:
	case MSR_IA32_EBL_CR_POWERON:
	case MSR_SMI_COUNT:
	case MSR_IA32_PERF_STATUS:
	case MSR_IA32_PERF_CTL:
	case MSR_IA32_LASTBRANCHFROMIP ... MSR_IA32_LASTINTTOIP:
	case MSR_SYSCFG:
	case MSR_TOP_MEM:
	case MSR_CLK_CTL:
	case MSR_TOP_MEM2:
	case MSR_NB_CFG:
	case MSR_INT_PENDING:
	case MSR_MMIO_CONF_BASE:
	case MSR_TSEG_ADDR:
	case MSR_TSEG_MASK:
	case MSR_OSVW_LENGTH:
	case MSR_OSVW_STATUS:
	case MSR_LS_CFG ... MSR_DC_CFG:
	case MSR_BU_CFG2:
		*value = 0;
		return true;
	case MSR_EBC_FREQUENCY_ID:
		*value = BIT_ULL(24);
		return true;
	case MSR_FSB_FREQ:
		*value = 3;			/* 166 MHz */
		return true;
	case MSR_IA32_FEAT_CTL:
		*value = FEAT_CTL_LOCKED;	/* and nothing enabled */
		return true;
	case MSR_DE_CFG:
		*value = host_de_cfg;
		return true;
	default:
		return false;
	}
}

/* --- single MSRs --- */

/* No exit from now on, as far as the VM's filter allows. srcu held. */
static void passthrough(struct vmm_vcpu *vcpu, u32 msr, bool read, bool write)
{
	vmm_call(msr_passthrough)(vcpu, msr, read && !vmm_msr_denied(vcpu, msr, false),
				  write && !vmm_msr_denied(vcpu, msr, true));
}

static bool msr_canonical(struct vmm_vcpu *vcpu, u64 address)
{
	unsigned int bits = vmm_guest_has(vcpu, X86_FEATURE_LA57) &&
			    vmm_can_offer(X86_FEATURE_LA57) ? 57 : 48;

	return (u64)((s64)(address << (64 - bits)) >> (64 - bits)) == address;
}

/* UC, WC, WT, WP, WB, UC- in each byte */
static bool pat_valid(u64 pat)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8) {
		if ((pat >> i & 0xff) > 7 || !(BIT(pat >> i & 7) & 0xf3))
			return false;
	}
	return true;
}

static int set_pat(struct vmm_vcpu *vcpu, u64 value)
{
	if (!pat_valid(value))
		return 1;
	vcpu->arch.pat = value;
	vmm_call(set_msr)(vcpu, MSR_IA32_CR_PAT, value);
	return 0;
}

/* User space restores EFER without the rules of a change; LMA follows CR0.PG alone. */
static int set_efer(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	u64 allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;

	if (!host)
		return vmm_set_efer(vcpu, value);
	if (vmm_can_offer(X86_FEATURE_FXSR_OPT))
		allowed |= EFER_FFXSR;
	if (value & ~allowed)
		return 1;
	vcpu->arch.efer = (value & ~(u64)EFER_LMA) | (vcpu->arch.efer & EFER_LMA);
	regs_dirty(vcpu, VMM_G_EFER);
	return 0;
}

/* If the APIC is user space's, it finds the value in the run page. */
static int set_apic_base(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	u64 reserved = vcpu->arch.cpuid.gpa_reserved | 0x2ff, old;

	if (!vmm_guest_has(vcpu, X86_FEATURE_X2APIC))
		reserved |= X2APIC_ENABLE;
	if ((value & reserved) ||
	    ((value & X2APIC_ENABLE) && !(value & MSR_IA32_APICBASE_ENABLE)))
		return 1;
	/* From x2APIC the only way is off, and from off it is xAPIC (SDM 11.12.5). */
	if (!host && (((vcpu->arch.apic_base & X2APIC_ENABLE) &&
		       (value & X2APIC_ENABLE) != X2APIC_ENABLE &&
		       (value & MSR_IA32_APICBASE_ENABLE)) ||
		      (!(vcpu->arch.apic_base & MSR_IA32_APICBASE_ENABLE) &&
		       (value & X2APIC_ENABLE))))
		return 1;
	old = vcpu->arch.apic_base;
	WRITE_ONCE(vcpu->arch.apic_base, value);
	if (vcpu->arch.apic)
		vmm_apic_base_changed(vcpu, old);
	return 0;
}

static int set_misc_enable(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	if (!host)
		value = (value & ~(u64)MSR_IA32_MISC_ENABLE_EMON) |
			(vcpu->arch.misc_enable & MISC_ENABLE_NO_COUNTERS);
	vcpu->arch.misc_enable = value;
	return 0;
}

static int set_misc_features(struct vmm_vcpu *vcpu, u64 value)
{
	if ((value & ~(u64)MSR_MISC_FEATURES_ENABLES_CPUID_FAULT) ||
	    (value && !(vcpu->arch.platform_info & MSR_PLATFORM_INFO_CPUID_FAULT)))
		return 1;
	vcpu->arch.msr_misc_features = value;
	return 0;
}

static int set_platform_info(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	if (!host ||
	    (!(value & MSR_PLATFORM_INFO_CPUID_FAULT) && vcpu->arch.msr_misc_features))
		return 1;
	vcpu->arch.platform_info = value;
	return 0;
}

static int set_tsc_aux(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	if ((!host && !vcpu->arch.cpuid.rdtscp) || value >> 32)
		return 1;
	vcpu->arch.tsc_aux = value;
	if (vcpu->arch.fpu_loaded) {
		preempt_disable();
		vmm_msr_load_guest(vcpu);
		preempt_enable();
	}
	return 0;
}

static int set_xss(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	if (!host && !vmm_guest_has(vcpu, X86_FEATURE_XSAVES))
		return 1;
	if (value & ~vcpu->arch.cpuid.xss_allowed)
		return 1;
	vcpu->arch.xss = value;
	vmm_xstate_update(vcpu);
	return 0;
}

static int get_spec_ctrl(struct vmm_vcpu *vcpu, u64 *value, bool host)
{
	if (!host && !vcpu->arch.cpuid.spec_ctrl_allowed)
		return 1;
	if (vmm_call(get_msr)(vcpu, MSR_IA32_SPEC_CTRL, value))
		*value = vcpu->arch.spec_ctrl;
	return 0;
}

static int set_spec_ctrl(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	u64 allowed = host ? vmm_host_spec_ctrl() : vcpu->arch.cpuid.spec_ctrl_allowed;

	/* The CPU will be given this value: it must not refuse it. */
	if ((value & ~allowed) || (!host && !allowed))
		return 1;
	vcpu->arch.spec_ctrl = value;
	vmm_call(set_msr)(vcpu, MSR_IA32_SPEC_CTRL, value);
	/*
	 * A guest that uses it does so at each system call: no exits from now on.
	 * Others are spared the RDMSR after each exit that this may cost.
	 */
	if (!host && value && allowed == vmm_host_spec_ctrl())
		passthrough(vcpu, MSR_IA32_SPEC_CTRL, true, true);
	return 0;
}

static bool guest_has_ibpb(struct vmm_vcpu *vcpu)
{
	return boot_cpu_has(X86_FEATURE_IBPB) &&
	       (vmm_guest_has(vcpu, X86_FEATURE_SPEC_CTRL) || vmm_guest_has(vcpu, XF_EXT_IBPB));
}

static int set_pred_cmd(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	u64 allowed = 0;

	if (guest_has_ibpb(vcpu))
		allowed |= PRED_CMD_IBPB;
	if (vmm_guest_has(vcpu, XF_SBPB) && vmm_can_offer(XF_SBPB))
		allowed |= BIT(7);
	if ((!host && !allowed) || (value & ~allowed))
		return 1;
	if (value)
		wrmsrl_safe(MSR_IA32_PRED_CMD, value);
	return 0;
}

/* Branch records are not offered; the bit that asks for them has no effect. */
static int set_debugctl(struct vmm_vcpu *vcpu, u64 value)
{
	if (value & ~(u64)(DEBUGCTLMSR_BTF | DEBUGCTLMSR_LBR))
		return 1;
	vcpu->arch.debugctl = value & DEBUGCTLMSR_BTF;
	vmm_call(set_msr)(vcpu, MSR_IA32_DEBUGCTLMSR, vcpu->arch.debugctl);
	return 0;
}

/* --- all of them --- */

/* -1: not in this file. */
static int get_own_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	switch (msr) {
	case MSR_IA32_APICBASE:
		*value = a->apic_base;
		return 0;
	case MSR_IA32_CR_PAT:
		*value = a->pat;
		return 0;
	case MSR_EFER:
		*value = a->efer;
		return 0;
	case MSR_IA32_MISC_ENABLE:
		*value = a->misc_enable;
		return 0;
	case MSR_TSC_AUX:
		*value = a->tsc_aux;
		return !host && !a->cpuid.rdtscp;
	case MSR_IA32_SPEC_CTRL:
		return get_spec_ctrl(vcpu, value, host);
	case MSR_IA32_PRED_CMD:
		*value = 0;
		return !host;
	case MSR_IA32_XSS:
		*value = a->xss;
		return !host && !vmm_guest_has(vcpu, X86_FEATURE_XSAVES);
	case MSR_IA32_ARCH_CAPABILITIES:
		*value = a->arch_capabilities;
		return !host && !vmm_guest_has(vcpu, X86_FEATURE_ARCH_CAPABILITIES);
	case MSR_PLATFORM_INFO:
		*value = a->platform_info;
		return !host && READ_ONCE(vcpu->vm->arch.no_platform_info);
	case MSR_IA32_POWER_CTL:
		*value = a->power_ctl;
		return 0;
	case MSR_MISC_FEATURES_ENABLES:
		*value = a->msr_misc_features;
		return 0;
	case MSR_IA32_UCODE_REV:
		*value = a->ucode_rev;
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		*value = a->debugctl;
		return 0;
	case MSR_HWCR:
		*value = a->hwcr;
		return 0;
	case MSR_IA32_TSC_DEADLINE:
		*value = vmm_apic_get_deadline(vcpu);
		return 0;
	case APIC_BASE_MSR ... APIC_BASE_MSR + 0xff:
		return vmm_apic_get_msr(vcpu, msr, value);
	case MSR_VMM_ASYNC_PF_EN ... MSR_VMM_MIGRATION_CONTROL:
		return vmm_pv_get_msr(vcpu, msr, value, host);
	default:
		return -1;
	}
}

static int set_own_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	switch (msr) {
	case MSR_IA32_APICBASE:
		return set_apic_base(vcpu, value, host);
	case MSR_IA32_CR_PAT:
		return set_pat(vcpu, value);
	case MSR_EFER:
		return set_efer(vcpu, value, host);
	case MSR_IA32_MISC_ENABLE:
		return set_misc_enable(vcpu, value, host);
	case MSR_TSC_AUX:
		return set_tsc_aux(vcpu, value, host);
	case MSR_IA32_SPEC_CTRL:
		return set_spec_ctrl(vcpu, value, host);
	case MSR_IA32_PRED_CMD:
		return set_pred_cmd(vcpu, value, host);
	case MSR_IA32_XSS:
		return set_xss(vcpu, value, host);
	case MSR_IA32_ARCH_CAPABILITIES:
		if (!host || (value & ~host_arch_capabilities))
			return 1;
		a->arch_capabilities = value;
		return 0;
	case MSR_PLATFORM_INFO:
		return set_platform_info(vcpu, value, host);
	case MSR_IA32_POWER_CTL:
		a->power_ctl = value;	/* wishes that a guest's CPU cannot grant */
		return 0;
	case MSR_MISC_FEATURES_ENABLES:
		return set_misc_features(vcpu, value);
	case MSR_IA32_UCODE_REV:
		if (host)
			a->ucode_rev = value;
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		return set_debugctl(vcpu, value);
	case MSR_IA32_UCODE_WRITE:
	case MSR_PATCH_LOADER:
		return 0;		/* an update that changes nothing */
	case MSR_HWCR:
		if (!host && (value & ~(HWCR_MC_STATUS_WR_EN | HWCR_TSC_FREQ_SEL | 0x148)))
			return 1;
		a->hwcr = value & (HWCR_MC_STATUS_WR_EN | HWCR_TSC_FREQ_SEL);
		return 0;
	case MSR_IA32_TSC_DEADLINE:
		vmm_apic_set_deadline(vcpu, value);
		return 0;
	case APIC_BASE_MSR ... APIC_BASE_MSR + 0xff:
		return vmm_apic_set_msr(vcpu, msr, value);
	case MSR_VMM_ASYNC_PF_EN ... MSR_VMM_MIGRATION_CONTROL:
		return vmm_pv_set_msr(vcpu, msr, value, host);
	default:
		return -1;
	}
}

/* Can the CPU hold this value in an MSR that the backend keeps? */
static bool kept_value_valid(struct vmm_vcpu *vcpu, u32 msr, u64 value)
{
	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return msr_canonical(vcpu, value);
	case MSR_SYSCALL_MASK:
		return !(value >> 32);
	default:
		return true;
	}
}

/**
 * vmm_get_msr() - read an MSR
 * @vcpu: whose
 * @msr: which
 * @value: result
 * @host: for user space, which sees MSRs that the guest's CPUID does not show
 *
 * Context: vCPU loaded, srcu held. Return: 0; 1 if there is no such MSR for this guest;
 * VMM_MSR_UNKNOWN if there is none for any.
 */
int vmm_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	int r = get_own_msr(vcpu, msr, value, host);

	if (r >= 0)
		return r;
	if (!vmm_call(get_msr)(vcpu, msr, value))
		return 0;
	r = vmm_clock_get_msr(vcpu, msr, value, host);
	if (r < 0)
		r = vmm_mtrr_get(vcpu, msr, value);
	if (r < 0)
		r = vmm_mce_get(vcpu, msr, value, host);
	if (r >= 0)
		return r;
	return fixed_msr(msr, value) ? 0 : VMM_MSR_UNKNOWN;
}

/**
 * vmm_set_msr() - write an MSR
 * @vcpu: whose
 * @msr: which
 * @value: what to write
 * @host: for user space, which restores what the guest only reads
 *
 * Context: vCPU loaded, srcu held, may sleep (clock pages are written). Return: 0;
 * 1 if there is no such MSR for this guest, or it cannot have this value;
 * VMM_MSR_UNKNOWN if there is none for any.
 */
int vmm_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	int r = set_own_msr(vcpu, msr, value, host);
	u64 fixed;

	if (r >= 0)
		return r;
	if (!kept_value_valid(vcpu, msr, value))
		return 1;
	if (!vmm_call(set_msr)(vcpu, msr, value))
		return 0;
	r = vmm_clock_set_msr(vcpu, msr, value, host);
	if (r < 0)
		r = vmm_mtrr_set(vcpu, msr, value);
	if (r < 0)
		r = vmm_mce_set(vcpu, msr, value, host);
	if (r >= 0)
		return r;
	return fixed_msr(msr, &fixed) ? 0 : VMM_MSR_UNKNOWN;
}

/* --- exits --- */

/* User space's, or #GP. r: what vmm_get_msr() or vmm_set_msr() said; 0: the filter denied. */
static noinline int refused_msr(struct vmm_vcpu *vcpu, int r, bool write, u64 value)
{
	u32 msr = vcpu->arch.gpr[GPR_RCX];
	u32 reason = !r ? VMM_MSR_EXIT_REASON_FILTER : r == VMM_MSR_UNKNOWN ?
		     VMM_MSR_EXIT_REASON_UNKNOWN : VMM_MSR_EXIT_REASON_INVAL;

	if (vmm_user_msr_exit(vcpu, reason, write, value))
		return VMM_TO_USER;
	trace_vmm_msr(vcpu, write, msr, value, true);
	if (log_unknown_msrs)
		pr_info_ratelimited("vCPU %u: %s of MSR %#x (%#llx) raises #GP\n",
				    vcpu->id, write ? "write" : "read", msr, value);
	vmm_inject_gp(vcpu);
	return VMM_RESUME;
}

int vmm_handle_rdmsr(struct vmm_vcpu *vcpu)
{
	u64 *gpr = vcpu->arch.gpr, value = 0;
	u32 msr = gpr[GPR_RCX];
	int r;

	if (vmm_msr_denied(vcpu, msr, false))
		return refused_msr(vcpu, 0, false, 0);
	r = vmm_get_msr(vcpu, msr, &value, false);
	if (unlikely(r))
		return refused_msr(vcpu, r, false, 0);
	trace_vmm_msr(vcpu, false, msr, value, false);
	gpr[GPR_RAX] = (u32)value;
	gpr[GPR_RDX] = value >> 32;
	return vmm_skip_insn(vcpu);
}

int vmm_handle_wrmsr(struct vmm_vcpu *vcpu)
{
	u64 *gpr = vcpu->arch.gpr;
	u64 value = (u32)gpr[GPR_RAX] | gpr[GPR_RDX] << 32;
	u32 msr = gpr[GPR_RCX];
	int r;

	if (vmm_msr_denied(vcpu, msr, true))
		return refused_msr(vcpu, 0, true, value);
	/* What guests write most: the end of an interrupt, IPIs. */
	if (msr >> 8 == APIC_BASE_MSR >> 8)
		r = vmm_apic_set_msr(vcpu, msr, value);
	else
		r = vmm_set_msr(vcpu, msr, value, false);
	if (unlikely(r))
		return refused_msr(vcpu, r, true, value);
	trace_vmm_msr(vcpu, true, msr, value, false);
	return vmm_skip_insn(vcpu);
}

/* --- what does not exit, what the CPU holds --- */

/* Their values are switched with the guest by the backend, or by uret.c. */
static const u32 never_exit[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR,
	MSR_SYSCALL_MASK, MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

void vmm_msr_vcpu_init(struct vmm_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(never_exit); i++)
		vmm_call(msr_passthrough)(vcpu, never_exit[i], true, true);
	vmm_msr_cpuid_changed(vcpu);
}

void vmm_msr_cpuid_changed(struct vmm_vcpu *vcpu)
{
	vmm_call(msr_passthrough)(vcpu, MSR_IA32_PRED_CMD, false, guest_has_ibpb(vcpu));
	/* Before the guest runs, what the filter denies is taken back. */
	if (rcu_access_pointer(vcpu->vm->arch.msr_filter))
		vmm_request(vcpu, VMM_REQ_MSR_FILTER);
}

void vmm_msr_filter_changed(struct vmm_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(never_exit); i++)
		passthrough(vcpu, never_exit[i], true, true);
	passthrough(vcpu, MSR_IA32_PRED_CMD, false, guest_has_ibpb(vcpu));
	/* Until the guest writes it again. */
	passthrough(vcpu, MSR_IA32_SPEC_CTRL, false, false);
}

void vmm_msr_load_guest(struct vmm_vcpu *vcpu)
{
	if (vcpu->arch.cpuid.rdtscp && tsc_aux_slot >= 0)
		vmm_uret_set(tsc_aux_slot, vcpu->arch.tsc_aux);
}

/* Power-up. INIT changes none of these. */
void vmm_msr_reset(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	a->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
	if (vmm_is_boot_cpu(vcpu))
		a->apic_base |= MSR_IA32_APICBASE_BSP;
	set_pat(vcpu, 0x0007040600070406ull);
	a->misc_enable = MSR_IA32_MISC_ENABLE_FAST_STRING | MISC_ENABLE_NO_COUNTERS;
	a->tsc_aux = 0;
	a->msr_misc_features = 0;
	a->platform_info = MSR_PLATFORM_INFO_CPUID_FAULT;
	a->power_ctl = 0;
	a->arch_capabilities = host_arch_capabilities;
	a->ucode_rev = host_ucode_rev;
	a->hwcr = HWCR_TSC_FREQ_SEL;
	a->spec_ctrl = 0;
	a->debugctl = 0;
	vmm_mtrr_reset(vcpu);
	vmm_mce_reset(vcpu);
}

/* --- lists --- */

/* What a VMM should save and restore with a vCPU. */
static const u32 state_msrs[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_KERNEL_GS_BASE,
	MSR_IA32_TSC, MSR_IA32_TSC_ADJUST, MSR_IA32_CR_PAT, MSR_IA32_MISC_ENABLE,
	MSR_PLATFORM_INFO, MSR_MISC_FEATURES_ENABLES, MSR_IA32_UCODE_REV, MSR_HWCR,
	MSR_IA32_POWER_CTL,
	MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL,
	MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000,
	MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_C8000, MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000,
	MSR_MTRRfix4K_E0000, MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000, MSR_MTRRfix4K_F8000,
	0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207,	/* variable MTRRs */
	0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f,
	MSR_MTRRdefType,
	MSR_VMM_WALL_CLOCK, MSR_VMM_SYSTEM_TIME,
	MSR_VMM_WALL_CLOCK_NEW, MSR_VMM_SYSTEM_TIME_NEW,
	MSR_VMM_STEAL_TIME, MSR_VMM_PV_EOI_EN, MSR_VMM_POLL_CONTROL, MSR_IA32_TSC_DEADLINE,
	/* the last ones may be missing */
	MSR_TSC_AUX, MSR_IA32_SPEC_CTRL, MSR_IA32_ARCH_CAPABILITIES,
};

static u32 index_list[ARRAY_SIZE(state_msrs)];
static unsigned int nr_index;

/* What the host offers; readable on /dev/vmm. */
static u32 feature_list[3];
static unsigned int nr_features;

static bool msr_offered(u32 msr)
{
	switch (msr) {
	case MSR_TSC_AUX:
		return vmm_can_offer(X86_FEATURE_RDTSCP) || vmm_can_offer(X86_FEATURE_RDPID);
	case MSR_IA32_SPEC_CTRL:
		return vmm_host_spec_ctrl();
	case MSR_IA32_ARCH_CAPABILITIES:
		return vmm_can_offer(X86_FEATURE_ARCH_CAPABILITIES);
	default:
		return true;
	}
}

static void read_host_values(void)
{
	u64 value;

	host_arch_capabilities = 0;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES) &&
	    !rdmsrl_safe(MSR_IA32_ARCH_CAPABILITIES, &value))
		host_arch_capabilities = value & ARCH_CAPABILITIES_OFFERED;
	if (rdmsrl_safe(MSR_IA32_UCODE_REV, &host_ucode_rev))
		host_ucode_rev = 0;
	host_de_cfg = 0;
	if (!rdmsrl_safe(MSR_DE_CFG, &value))
		host_de_cfg = value & DE_CFG_LFENCE_SERIALIZES;
}

int vmm_msr_setup(void)
{
	unsigned int i;

	read_host_values();
	tsc_aux_slot = -1;
	if (vmm_can_offer(X86_FEATURE_RDTSCP) || vmm_can_offer(X86_FEATURE_RDPID))
		tsc_aux_slot = vmm_uret_register(MSR_TSC_AUX);

	nr_index = 0;
	for (i = 0; i < ARRAY_SIZE(state_msrs); i++) {
		if (msr_offered(state_msrs[i]))
			index_list[nr_index++] = state_msrs[i];
	}
	nr_features = 0;
	feature_list[nr_features++] = MSR_IA32_UCODE_REV;
	feature_list[nr_features++] = MSR_DE_CFG;
	if (vmm_can_offer(X86_FEATURE_ARCH_CAPABILITIES))
		feature_list[nr_features++] = MSR_IA32_ARCH_CAPABILITIES;
	return 0;
}

/* The number is written even if it is more than there is room for. */
static int copy_list(struct vmm_msr_list __user *arg, const u32 *list, u32 nr)
{
	u32 room;

	if (get_user(room, &arg->nmsrs) || put_user(nr, &arg->nmsrs))
		return -EFAULT;
	if (room < nr)
		return -E2BIG;
	return copy_to_user(arg->indices, list, nr * sizeof(*list)) ? -EFAULT : 0;
}

/* VMM_GET_MSR_INDEX_LIST: 0, -E2BIG, -EFAULT */
int vmm_get_msr_index_list(struct vmm_msr_list __user *arg)
{
	return copy_list(arg, index_list, nr_index);
}

/* VMM_GET_MSR_FEATURE_INDEX_LIST: the same */
int vmm_get_msr_feature_list(struct vmm_msr_list __user *arg)
{
	return copy_list(arg, feature_list, nr_features);
}

/* --- VMM_GET_MSRS, VMM_SET_MSRS --- */

static int get_feature(u32 msr, u64 *value)
{
	unsigned int i;

	for (i = 0; i < nr_features && feature_list[i] != msr; i++)
		;
	if (i == nr_features)
		return 1;
	switch (msr) {
	case MSR_IA32_UCODE_REV:
		*value = host_ucode_rev;
		return 0;
	case MSR_DE_CFG:
		*value = host_de_cfg;
		return 0;
	default:
		*value = host_arch_capabilities;
		return 0;
	}
}

enum msr_access { READ_FEATURES, READ_MSRS, WRITE_MSRS };

static int access_one(struct vmm_vcpu *vcpu, struct vmm_msr_entry *e, enum msr_access access)
{
	switch (access) {
	case READ_FEATURES:
		return get_feature(e->index, &e->data);
	case READ_MSRS:
		return vmm_get_msr(vcpu, e->index, &e->data, true);
	default:
		return vmm_set_msr(vcpu, e->index, e->data, true);
	}
}

/* How many were done before the first that failed. */
static long access_msrs(struct vmm_vcpu *vcpu, struct vmm_msrs __user *arg, enum msr_access access)
{
	struct vmm_msr_entry *e;
	u32 nr, i;

	if (get_user(nr, &arg->nmsrs))
		return -EFAULT;
	if (nr >= MAX_IO_MSRS)
		return -E2BIG;
	if (!nr)
		return 0;
	e = memdup_user(arg->entries, nr * sizeof(*e));
	if (IS_ERR(e))
		return PTR_ERR(e);
	for (i = 0; i < nr; i++) {
		if (access_one(vcpu, &e[i], access))
			break;
	}
	if (access != WRITE_MSRS && copy_to_user(arg->entries, e, nr * sizeof(*e))) {
		kfree(e);
		return -EFAULT;
	}
	kfree(e);
	return i;
}

/**
 * vmm_msrs_ioctl() - VMM_GET_MSRS, VMM_SET_MSRS on a vCPU
 * @vcpu: the vCPU, loaded
 * @nr: which of the two
 * @arg: struct vmm_msrs in user space
 *
 * Return: how many entries were done, less than asked for if the next one was
 * refused; -E2BIG for 256 or more; -EFAULT, -ENOMEM.
 */
long vmm_msrs_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg)
{
	return access_msrs(vcpu, arg, nr == VMM_SET_MSRS ? WRITE_MSRS : READ_MSRS);
}

/* VMM_GET_MSRS on /dev/vmm: the same for the MSRs of the feature list. */
int vmm_get_feature_msrs(struct vmm_msrs __user *arg)
{
	return access_msrs(NULL, arg, READ_FEATURES);
}
