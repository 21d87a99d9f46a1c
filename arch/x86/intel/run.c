// SPDX-License-Identifier: GPL-2.0
/*
 * One entry into the guest and its exit: what the core asked for goes into the
 * VMCS, the CPU runs the guest, exit.c says why it came back. Interrupts are off
 * throughout; the vCPU is loaded.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/percpu.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>

#include <vmm/compat.h>
#include <vmm/enter.h>

#include "intel.h"

/* Offsets that entry.S uses. */
static_assert(offsetof(struct intel_entry, host_rsp) == 0);
static_assert(offsetof(struct intel_entry, guest_spec_ctrl) == 8);
static_assert(offsetof(struct intel_entry, host_spec_ctrl) == 16);
static_assert(GPR_RAX == 0 && GPR_RCX == 1 && GPR_RDX == 2 && GPR_RBX == 3 && GPR_RSP == 4 &&
	      GPR_RBP == 5 && GPR_RSI == 6 && GPR_RDI == 7 && GPR_R8 == 8 && GPR_R15 == 15);

/* SDM 25.8.3, table 25-17 */
static u32 event_type(const struct vmm_event *event)
{
	switch (event->type) {
	case VMM_EVENT_NMI:
		return INTR_TYPE_NMI_INTR;
	case VMM_EVENT_EXCEPTION:
	case VMM_EVENT_SOFT_EXCEPTION:
		/* INT3 and INTO are the only ways to raise these two. */
		return event->vector == X86_TRAP_BP || event->vector == X86_TRAP_OF ?
		       INTR_TYPE_SOFT_EXCEPTION : INTR_TYPE_HARD_EXCEPTION;
	case VMM_EVENT_SOFT_INTR:
		return INTR_TYPE_SOFT_INTR;
	default:
		return INTR_TYPE_EXT_INTR;
	}
}

static void inject(struct intel_vcpu *v)
{
	struct vmm_event *event = &v->vcpu.arch.inject;
	u32 type = event_type(event);
	u32 info = INTR_INFO_VALID_MASK | type | event->vector;

	if (event->has_error) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, event->error);
	}
	if (type == INTR_TYPE_SOFT_INTR)
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, event->insn_len);
	else if (type == INTR_TYPE_SOFT_EXCEPTION)
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, v->soft_exception_len ?: 1);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
	event->type = VMM_EVENT_NONE;
}

/* The host's CR3 and CR4 may differ at each entry: address-space identifiers, PCE. */
static __always_inline void update_host_cr(struct intel_vcpu *v)
{
	unsigned long cr3 = __read_cr3(), cr4 = __read_cr4();

	if (unlikely(cr3 != v->host_cr3)) {
		v->host_cr3 = cr3;
		vmcs_write(HOST_CR3, cr3);
	}
	if (unlikely(cr4 != v->host_cr4)) {
		v->host_cr4 = cr4;
		vmcs_write(HOST_CR4, cr4);
	}
}

static __always_inline void update_windows(struct intel_vcpu *v)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	u32 set = 0;

	if (a->want_intr_window)
		set |= CPU_BASED_INTR_WINDOW_EXITING;
	if (a->want_nmi_window)
		set |= CPU_BASED_NMI_WINDOW_EXITING;
	intel_set_controls(v, set, CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING);
}

/* Nothing from here to the return may be instrumented: to RCU this is the guest. */
static noinstr int enter(struct intel_vcpu *v, unsigned long flags)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	int refused;

	vmm_guest_state_enter();
	if (a->cr2 != native_read_cr2())
		native_write_cr2(a->cr2);
	refused = intel_enter_guest(a->gpr, &v->entry, flags);
	a->cr2 = native_read_cr2();
	vmm_guest_state_exit();
	return refused;
}

void intel_take_back_event(struct intel_vcpu *v)
{
	v->refused_event = vmcs_read(VM_ENTRY_INTR_INFO_FIELD);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
}

static void refused_entry(struct intel_vcpu *v)
{
	struct vmm_exit *exit = &v->vcpu.arch.exit;

	exit->reason = VX_FAIL_ENTRY;
	exit->hw_reason = vmcs_read(VM_INSTRUCTION_ERROR);
	intel_take_back_event(v);
}

void intel_run(struct vmm_vcpu *vcpu)
{
	struct intel_vcpu *v = to_intel(vcpu);
	struct vmm_vcpu_arch *a = &vcpu->arch;
	unsigned long flags = intel_enter_flags | v->enter_flags | v->launched;
	int refused;

	update_host_cr(v);
	if (a->dirty == VMM_G_RIP) {
		vmcs_write(GUEST_RIP, a->rip);
		a->dirty = 0;
	} else if (a->dirty) {
		intel_flush_regs(v);
	}
	if (unlikely(a->inject.type))
		inject(v);
	if (unlikely(a->pat != v->pat)) {
		v->pat = a->pat;
		vmcs_write(GUEST_IA32_PAT, a->pat);
	}
	update_windows(v);
	if (unlikely(!v->host_saved))
		intel_save_host(v);
	if (unlikely(v->uret_stale))
		intel_load_uret(v);
	if (unlikely(v->flush_tlb))
		intel_flush_now(v);
	if (intel_l1d_wanted)
		intel_l1d_flush(v);
	if (VMM_DEBUG)
		intel_account_exit(v);
	if (vmm_spoil_on() && intel_spoil(v))
		return;

	refused = enter(v, flags);

	if (VMM_DEBUG)
		v->accesses_at_exit = this_cpu_read(intel_vmcs_accesses);
	if (unlikely(v->host_debugctl))
		update_debugctlmsr(v->host_debugctl);
	vmm_guest_ran();
	/* These the guest cannot change without an exit. */
	a->avail = VMM_G_EFER | VMM_G_DR;
	a->exit.nr_insn_bytes = 0;
	a->exit.insn_len = 0;
	a->exit.vectoring.type = VMM_EVENT_NONE;
	if (unlikely(refused)) {
		refused_entry(v);
		return;
	}
	intel_classify(v);
	if (a->exit.reason == VX_INTERRUPT)
		vmm_note_rcu_quiescent(vcpu);
}
