// SPDX-License-Identifier: GPL-2.0
/*
 * What happens at each exit: one handler a reason, both vendors alike.
 *
 * A handler returns VMM_RESUME to enter the guest again, VMM_TO_USER with
 * run->exit_reason filled in, or an errno for VMM_RUN. vcpu->mutex and vm->srcu
 * are held, the vCPU is loaded, preemption and interrupts are on: handlers may
 * sleep.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/export.h>
#include <linux/ratelimit.h>
#include <asm/trapnr.h>

#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/trace.h>
#include <vmm/x86.h>

const char *vmm_exit_reason_name(unsigned int reason)
{
	static const char * const names[] = {
#define X(n) [VX_##n] = #n,
		VMM_EXIT_REASONS(X)
#undef X
	};

	return reason < ARRAY_SIZE(names) ? names[reason] : "?";
}
EXPORT_SYMBOL_GPL(vmm_exit_reason_name);

int vmm_internal_error(struct vmm_vcpu *vcpu, u32 suberror)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;

	vcpu->run->exit_reason = VMM_EXIT_INTERNAL_ERROR;
	vcpu->run->internal.suberror = suberror;
	vcpu->run->internal.ndata = 4;
	vcpu->run->internal.data[0] = exit->hw_reason;
	vcpu->run->internal.data[1] = exit->info[0];
	vcpu->run->internal.data[2] = exit->info[1];
	vcpu->run->internal.data[3] = vcpu->cpu;
	return VMM_TO_USER;
}

static int handle_nothing(struct vmm_vcpu *vcpu)
{
	return VMM_RESUME;
}

static int handle_exception(struct vmm_vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;

	switch (exit->exception.vector) {
	case X86_TRAP_DB:
	case X86_TRAP_BP:
		return vmm_handle_debug_exception(vcpu);
	case X86_TRAP_UD:
		if (vmm_at_hypercall(vcpu))
			return vmm_handle_hypercall(vcpu);
		vmm_inject_ud(vcpu);
		return VMM_RESUME;
	case X86_TRAP_PF: {
		struct vmm_fault f = { X86_TRAP_PF, exit->exception.error,
				       exit->exception.payload };

		vmm_queue_fault(vcpu, &f);
		return VMM_RESUME;
	}
	default:
		/* Intercepted only to bound its repetition (#AC), or for nothing. */
		if (exit->exception.has_error)
			vmm_queue_exception_error(vcpu, exit->exception.vector,
						  exit->exception.error);
		else
			vmm_queue_exception(vcpu, exit->exception.vector);
		return VMM_RESUME;
	}
}

static int handle_hlt(struct vmm_vcpu *vcpu)
{
	int r = vmm_skip_insn(vcpu);

	if (r <= 0)
		return r;
	vcpu->arch.stat.halt_exits++;
	if (vcpu->arch.apic)
		return vmm_halt(vcpu);
	/* The APIC is user space's: so is the wait. */
	vcpu->run->exit_reason = VMM_EXIT_HLT;
	return VMM_TO_USER;
}

/* The CPU counted many in a row: the guest spins. */
static int handle_pause(struct vmm_vcpu *vcpu)
{
	vmm_yield(vcpu);
	return vmm_skip_insn(vcpu);
}

static int handle_window(struct vmm_vcpu *vcpu)
{
	vcpu->arch.want_intr_window = false;
	vcpu->arch.want_nmi_window = false;
	vmm_request(vcpu, VMM_REQ_EVENT);
	return VMM_RESUME;
}

static int handle_triple_fault(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	/* What could not be delivered is lost: user space starts anew from here. */
	a->exception.pending = a->exception.injected = false;
	a->interrupt.injected = a->nmi_injected = false;
	vcpu->run->exit_reason = VMM_EXIT_SHUTDOWN;
	return VMM_TO_USER;
}

static int handle_tdp_fault(struct vmm_vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;
	int r;

	trace_vmm_fault(vcpu);
	r = tdp_fault(vcpu, exit->fault.gpa, exit->fault.access, exit->fault.present);
	if (likely(r == TDP_RESUME))
		return VMM_RESUME;
	if (r < 0)
		return r;
	/* No instruction to emulate: an event's delivery met a device. */
	if (exit->vectoring.type)
		return vmm_internal_error(vcpu, VMM_INTERNAL_ERROR_DELIVERY_EV);
	return vmm_plain_mmio(vcpu, &r) ? r : vmm_emulate(vcpu);
}

static int handle_invlpg(struct vmm_vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;

	vmm_call(flush_gva)(vcpu, exit->fault.gva, exit->fault.gva_valid);
	return vmm_skip_insn(vcpu);
}

/* RDPMC without a PMU; RDTSC and RDTSCP do not exit unless CR4.TSD forbids them. */
static int handle_gp(struct vmm_vcpu *vcpu)
{
	vmm_inject_gp(vcpu);
	return VMM_RESUME;
}

static int handle_ud(struct vmm_vcpu *vcpu)
{
	vmm_inject_ud(vcpu);
	return VMM_RESUME;
}

static int handle_rdtsc(struct vmm_vcpu *vcpu)
{
	u64 tsc = vmm_guest_tsc(vcpu, rdtsc());

	vcpu->arch.gpr[GPR_RAX] = (u32)tsc;
	vcpu->arch.gpr[GPR_RDX] = tsc >> 32;
	if (vcpu->arch.exit.reason == VX_RDTSCP)
		vcpu->arch.gpr[GPR_RCX] = (u32)vcpu->arch.tsc_aux;
	return vmm_skip_insn(vcpu);
}

/* MONITOR and MWAIT are not offered; guests that use them all the same may go on. */
static int handle_mwait(struct vmm_vcpu *vcpu)
{
	if ((vcpu->vm->arch.disabled_quirks & VMM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) &&
	    !vmm_guest_has_mwait(vcpu))
		return handle_ud(vcpu);
	return vmm_skip_insn(vcpu);
}

static int handle_task_switch(struct vmm_vcpu *vcpu)
{
	pr_warn_ratelimited("pid %d: hardware task switch to selector %#x is not supported on this CPU; the VM stops with an internal error\n",
			    current->pid, vcpu->arch.exit.task.selector);
	return vmm_internal_error(vcpu, VMM_INTERNAL_ERROR_EMULATION);
}

/* The CPU refused the state: say why in the log, the trace and the run page. */
static int handle_fail_entry(struct vmm_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 5);
	struct vmm_run *run = vcpu->run;
	char why[sizeof(run->fail_entry.explain)] = "";

	vmm_call_cond(explain)(vcpu, why, sizeof(why));
	trace_vmm_fail_entry(vcpu, why);
	if (__ratelimit(&limit)) {
		pr_err("pid %d: the CPU refused to enter the guest (%#llx): %s\n",
		       current->pid, vcpu->arch.exit.hw_reason, why);
		vmm_call_cond(dump)(vcpu);
	}
	run->exit_reason = VMM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = vcpu->arch.exit.hw_reason;
	run->fail_entry.cpu = vcpu->cpu;
	run->fail_entry.explain_len = strlen(why);
	memcpy(run->fail_entry.explain, why, sizeof(why));
	return VMM_TO_USER;
}

static int handle_unknown(struct vmm_vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;

	pr_err_ratelimited("pid %d: exit %#llx (info %#llx, %#llx) at rip %#lx is not one that was asked for\n",
			   current->pid, exit->hw_reason, exit->info[0], exit->info[1],
			   vcpu_rip(vcpu));
	return vmm_internal_error(vcpu, VMM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}

static int (* const handlers[VX_COUNT])(struct vmm_vcpu *vcpu) = {
	[VX_NONE]		= handle_unknown,
	[VX_INTERRUPT]		= handle_nothing,
	[VX_NMI]		= handle_nothing,
	[VX_EXCEPTION]		= handle_exception,
	[VX_CPUID]		= vmm_handle_cpuid,
	[VX_HLT]		= handle_hlt,
	[VX_PAUSE]		= handle_pause,
	[VX_RDMSR]		= vmm_handle_rdmsr,
	[VX_WRMSR]		= vmm_handle_wrmsr,
	[VX_IO]			= vmm_handle_io,
	[VX_TDP_FAULT]		= handle_tdp_fault,
	[VX_CR]			= vmm_handle_cr,
	[VX_DR]			= vmm_handle_dr,
	[VX_INTR_WINDOW]	= handle_window,
	[VX_NMI_WINDOW]		= handle_window,
	[VX_TRIPLE_FAULT]	= handle_triple_fault,
	[VX_INIT]		= handle_nothing,
	[VX_SMI]		= handle_nothing,
	[VX_HYPERCALL]		= vmm_handle_hypercall,
	[VX_XSETBV]		= vmm_handle_xsetbv,
	/* Caches are coherent with devices: there is nothing to write back for. */
	[VX_WBINVD]		= vmm_skip_insn,
	[VX_INVD]		= vmm_skip_insn,
	[VX_INVLPG]		= handle_invlpg,
	[VX_RDPMC]		= handle_gp,
	[VX_RDTSC]		= handle_rdtsc,
	[VX_RDTSCP]		= handle_rdtsc,
	[VX_MONITOR]		= handle_mwait,
	[VX_MWAIT]		= handle_mwait,
	[VX_TASK_SWITCH]	= handle_task_switch,
	[VX_VIRT_INSN]		= handle_ud,
	[VX_DT_ACCESS]		= handle_unknown,
	[VX_DIRTY_FULL]		= handle_nothing,
	[VX_PREEMPT_TIMER]	= handle_nothing,
	[VX_RESUME]		= handle_nothing,
	[VX_FAIL_ENTRY]		= handle_fail_entry,
	[VX_UNKNOWN]		= handle_unknown,
};

int vmm_handle_exit(struct vmm_vcpu *vcpu)
{
	/* Of the backend's tables, not of the guest's choice: always in bounds. */
	unsigned int reason = vcpu->arch.exit.reason;

	vcpu->arch.stat.exit[reason]++;
	/* Direct calls for what most exits are: an indirect one costs a retpoline. */
	switch (reason) {
	case VX_TDP_FAULT:
		return handle_tdp_fault(vcpu);
	case VX_IO:
		return vmm_handle_io(vcpu);
	case VX_CPUID:
		return vmm_handle_cpuid(vcpu);
	case VX_RDMSR:
		return vmm_handle_rdmsr(vcpu);
	case VX_WRMSR:
		return vmm_handle_wrmsr(vcpu);
	case VX_HLT:
		return handle_hlt(vcpu);
	}
	return handlers[reason](vcpu);
}
