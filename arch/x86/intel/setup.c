// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's VMCS from allocation to the first entry: controls, constants, the
 * part of the host state that no CPU and no thread changes. What the guest may
 * do without an exit is decided here (intel_update_intercepts).
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/gfp.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/traps.h>

#include "intel.h"

/* Pause-loop exiting, in TSC ticks: PAUSEs closer than GAP are one loop; a loop
 * longer than WINDOW exits. The SDM's suggestion for the gap, and about the
 * time of two context switches for the window.
 */
#define PLE_GAP_TICKS		128
#define PLE_WINDOW_TICKS	4096

/* CR0: what the guest may change without an exit, since nothing depends on it. */
#define CR0_GUEST_OWNED	(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_WP | X86_CR0_AM)

int intel_vcpu_init(struct vmm_vcpu *vcpu)
{
	struct intel_vcpu *v = to_intel(vcpu);

	v->vmcs_cpu = -1;
	v->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!v->vmcs)
		return -ENOMEM;
	v->msr_bitmap = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!v->msr_bitmap) {
		free_page((unsigned long)v->vmcs);
		return -ENOMEM;
	}
	memset(v->msr_bitmap, 0xff, PAGE_SIZE);
	v->vmcs_pa = virt_to_phys(v->vmcs);
	*(u32 *)v->vmcs = intel_caps.basic & INTEL_REVISION_MASK;
	intel_vpid_alloc(v);
	return 0;
}

void intel_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	struct intel_vcpu *v = to_intel(vcpu);

	intel_unload_vmcs(v);
	intel_vpid_free(v);
	free_page((unsigned long)v->msr_bitmap);
	free_page((unsigned long)v->vmcs);
}

static void write_host_constants(struct intel_vcpu *v)
{
	struct desc_ptr idt;
	u64 value;

	vmcs_write(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmcs_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	/* User space's selectors come back in load.c; RPL 3 is not allowed here. */
	vmcs_write(HOST_DS_SELECTOR, 0);
	vmcs_write(HOST_ES_SELECTOR, 0);
	vmcs_write(HOST_FS_SELECTOR, 0);
	vmcs_write(HOST_GS_SELECTOR, 0);
	vmcs_write(HOST_FS_BASE, 0);
	v->host_fs_base = 0;
	store_idt(&idt);
	vmcs_write(HOST_IDTR_BASE, idt.address);
	vmcs_write(HOST_RIP, (unsigned long)intel_exit_label);
	rdmsrl(MSR_IA32_SYSENTER_CS, value);
	vmcs_write(HOST_IA32_SYSENTER_CS, value);
	rdmsrl(MSR_IA32_SYSENTER_EIP, value);
	vmcs_write(HOST_IA32_SYSENTER_EIP, value);
	rdmsrl(MSR_IA32_CR_PAT, value);
	vmcs_write(HOST_IA32_PAT, value);
	rdmsrl(MSR_EFER, value);
	vmcs_write(HOST_IA32_EFER, value);
}

/* The secondary controls that the guest's CPUID decides about are off for now. */
static u32 initial_cpu2(struct intel_vcpu *v)
{
	u32 ctl = intel_caps.cpu2;

	if (!v->vpid)
		ctl &= ~SECONDARY_EXEC_ENABLE_VPID;
	return ctl & ~(SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
		       INTEL_CTL2_XSAVES);
}

static void write_controls(struct intel_vcpu *v)
{
	v->ctl_cpu = intel_caps.cpu & ~(CPU_BASED_INTR_WINDOW_EXITING |
					CPU_BASED_NMI_WINDOW_EXITING);
	v->ctl_cpu2 = initial_cpu2(v);
	v->ctl_entry = intel_caps.entry & ~VM_ENTRY_IA32E_MODE;
	vmcs_write(PIN_BASED_VM_EXEC_CONTROL, intel_caps.pin);
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, v->ctl_cpu);
	vmcs_write(SECONDARY_VM_EXEC_CONTROL, v->ctl_cpu2);
	vmcs_write(VM_EXIT_CONTROLS, intel_caps.exit);
	vmcs_write(VM_ENTRY_CONTROLS, v->ctl_entry);
	vmcs_write(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	/* Page faults are the guest's: bit 14 of the bitmap is clear, and so are these. */
	vmcs_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write(CR3_TARGET_COUNT, 0);
	vmcs_write(MSR_BITMAP, virt_to_phys(v->msr_bitmap));
	vmcs_write(VMCS_LINK_POINTER, ~0ul);
	if (v->vpid)
		vmcs_write(VIRTUAL_PROCESSOR_ID, v->vpid);
	if (v->ctl_cpu2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vmcs_write(PLE_GAP, PLE_GAP_TICKS);
		vmcs_write(PLE_WINDOW, PLE_WINDOW_TICKS);
	}
	if (v->ctl_cpu2 & SECONDARY_EXEC_TSC_SCALING)
		vmcs_write(TSC_MULTIPLIER, v->vcpu.arch.tsc_ratio ?: BIT_ULL(48));
	if (v->ctl_cpu2 & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write(ENCLS_EXITING_BITMAP, ~0ul);
	if (intel_caps.cpu2 & INTEL_CTL2_XSAVES)
		vmcs_write(XSS_EXIT_BITMAP, 0);
}

static void write_guest_constants(struct intel_vcpu *v)
{
	vmcs_write(CR0_GUEST_HOST_MASK, ~CR0_GUEST_OWNED);
	vmcs_write(CR4_GUEST_HOST_MASK, ~v->cr4_guest_owned);
	vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write(GUEST_IA32_DEBUGCTL, 0);
	vmcs_write(GUEST_SYSENTER_CS, 0);
	vmcs_write(GUEST_SYSENTER_ESP, 0);
	vmcs_write(GUEST_SYSENTER_EIP, 0);
	vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, 0);
}

/* Once per vCPU, from its first load; every field that vmm uses gets a value. */
void intel_setup_vmcs(struct intel_vcpu *v)
{
	write_controls(v);
	write_host_constants(v);
	write_guest_constants(v);
	v->set_up = true;
	v->exceptions = 0;
	intel_update_intercepts(&v->vcpu);
}

void intel_vcpu_reset(struct vmm_vcpu *vcpu, bool init)
{
	struct intel_vcpu *v = to_intel(vcpu);

	/* INIT leaves MSRs alone (SDM table 10-1). */
	if (!init) {
		v->debugctl = 0;
		v->entry.guest_spec_ctrl = 0;
		memset(v->uret, 0, sizeof(v->uret));
		v->cstar = 0;
		intel_set_msr(vcpu, MSR_KERNEL_GS_BASE, 0);
		vmcs_write(GUEST_SYSENTER_CS, 0);
		vmcs_write(GUEST_SYSENTER_ESP, 0);
		vmcs_write(GUEST_SYSENTER_EIP, 0);
	}
	vmcs_write(GUEST_IA32_DEBUGCTL, v->debugctl);
	vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	v->flush_tlb = true;
	intel_update_intercepts(vcpu);
}

/* CR4 bits that neither translation in software nor another feature's exits need. */
static u64 cr4_guest_owned(struct vmm_vcpu *vcpu)
{
	u64 owned = X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PGE | X86_CR4_PCE |
		    X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_FSGSBASE;

	return owned & ~vcpu->arch.cpuid.cr4_reserved;
}

static u32 exceptions(struct vmm_vcpu *vcpu)
{
	/* A guest can make the CPU raise #AC and #DB without end while it delivers
	 * them (CVE-2015-5307, CVE-2015-8104). A machine check is the host's. #UD may
	 * be the other vendor's hypercall instruction.
	 */
	u32 bits = BIT(X86_TRAP_DB) | BIT(X86_TRAP_UD) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC);

	if (vcpu->arch.guest_debug & VMM_GUESTDBG_USE_SW_BP)
		bits |= BIT(X86_TRAP_BP);
	return bits;
}

static void update_cr4_owner(struct intel_vcpu *v)
{
	u64 owned = cr4_guest_owned(&v->vcpu);

	if (owned == v->cr4_guest_owned)
		return;
	/* Take the value out by the old mask before it is read by the new one. */
	intel_need(v, VMM_G_CR4);
	regs_dirty(&v->vcpu, VMM_G_CR4);
	v->cr4_guest_owned = owned;
	vmcs_write(CR4_GUEST_HOST_MASK, ~owned);
}

void intel_update_intercepts(struct vmm_vcpu *vcpu)
{
	struct intel_vcpu *v = to_intel(vcpu);
	u32 disabled = vcpu->vm->arch.exit_disable;
	u32 cpu = 0, cpu2 = v->ctl_cpu2, bits = exceptions(vcpu);

	if (bits != v->exceptions) {
		v->exceptions = bits;
		vmcs_write(EXCEPTION_BITMAP, bits);
	}
	if (!(disabled & VMM_X86_DISABLE_EXITS_HLT))
		cpu |= CPU_BASED_HLT_EXITING;
	if (!(disabled & VMM_X86_DISABLE_EXITS_MWAIT))
		cpu |= CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING;
	intel_set_controls(v, cpu, CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING |
			   CPU_BASED_MONITOR_EXITING);

	cpu2 &= ~(SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
		  INTEL_CTL2_XSAVES | SECONDARY_EXEC_PAUSE_LOOP_EXITING);
	if (vcpu->arch.cpuid.rdtscp)
		cpu2 |= SECONDARY_EXEC_ENABLE_RDTSCP;
	if (vcpu->arch.cpuid.invpcid)
		cpu2 |= SECONDARY_EXEC_ENABLE_INVPCID;
	if (vmm_guest_has(vcpu, X86_FEATURE_XSAVES))
		cpu2 |= INTEL_CTL2_XSAVES;
	if (!(disabled & VMM_X86_DISABLE_EXITS_PAUSE))
		cpu2 |= SECONDARY_EXEC_PAUSE_LOOP_EXITING;
	cpu2 &= intel_caps.cpu2;
	if (cpu2 != v->ctl_cpu2) {
		v->ctl_cpu2 = cpu2;
		vmcs_write(SECONDARY_VM_EXEC_CONTROL, cpu2);
	}
	update_cr4_owner(v);
}
