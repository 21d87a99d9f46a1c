// SPDX-License-Identifier: GPL-2.0
/*
 * Events on their way into the guest: injection, windows, and what an exit in
 * the middle of a delivery leaves over. Called by run() with interrupts off.
 *
 * Software events. The CPU re-executes an INT n, INT3 or INTO whose delivery an
 * exit cut off, because RIP still points to it. So such an event is not
 * reported for injection again, and an INT n that the core wants injected (user
 * space put it back after a migration) is not injected either: RIP is at it. An
 * INT3 or INTO that user space intercepted and hands back cannot be executed
 * again, for it would be intercepted again: it is injected, with the return
 * address in the next-RIP field, or, where the CPU has none, with RIP moved past
 * the instruction and moved back if the delivery is cut off.
 *
 * NMI masking. Without virtual NMIs the CPU does not know that the guest handles
 * an NMI. The IRET that ends the masking is intercepted, which happens before
 * it executes; it has completed when a later exit finds RIP elsewhere. If an NMI
 * waits for that, the guest steps over the IRET with TF set; exceptions are
 * all intercepted meanwhile, so that the TF is never seen in a stack frame.
 */
#include <linux/smp.h>
#include <trace/events/ipi.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "amd.h"

/* Exceptions that push an error code. */
#define ERROR_CODE_VECTORS						\
	(BIT(X86_TRAP_DF) | BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) |	\
	 BIT(X86_TRAP_SS) | BIT(X86_TRAP_GP) | BIT(X86_TRAP_PF) |	\
	 BIT(X86_TRAP_AC) | BIT(21))

static bool is_soft_vector(u8 vector)
{
	return vector == X86_TRAP_BP || vector == X86_TRAP_OF;
}

/* The return address of INT3 or INTO: len bytes behind RIP. */
static void set_return_rip(struct svm_vcpu *svm, u8 len)
{
	struct vmcb *vmcb = svm->vmcb;

	svm->soft_len = len;
	vmcb->control.next_rip = vmcb->save.rip + len;
	if (!svm_has(SVM_F_NEXT_RIP))
		vmcb->save.rip += len;
}

/* Hand arch.inject to the CPU. The registers are in the block already. */
void svm_inject(struct svm_vcpu *svm)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	struct vmcb_control_area *c = &svm->vmcb->control;
	struct vmm_event *ev = &arch->inject;
	u32 inj = SVM_EVTINJ_VALID | ev->vector;

	switch (ev->type) {
	case VMM_EVENT_INTR:
		inj |= SVM_EVTINJ_TYPE_INTR;
		break;
	case VMM_EVENT_NMI:
		inj |= SVM_EVTINJ_TYPE_NMI;
		arch->nmi_masked = true;
		svm->iret_started = false;
		svm_intercept(svm, INTERCEPT_IRET, true);
		break;
	case VMM_EVENT_SOFT_EXCEPTION:
	case VMM_EVENT_EXCEPTION:
		/* A vector 3 or 4 that the core raised: RIP is the return address. */
		set_return_rip(svm, ev->type == VMM_EVENT_EXCEPTION ? 0 : ev->insn_len ?: 1);
		inj |= SVM_EVTINJ_TYPE_EXEPT;
		if (ev->has_error)
			inj |= SVM_EVTINJ_VALID_ERR;
		break;
	default:
		inj = 0;
		break;
	}
	c->event_inj = inj;
	svm->injected = inj;
	c->event_inj_err = ev->error;
	ev->type = VMM_EVENT_NONE;
}

/* --- windows --- */

static void set_intr_window(struct svm_vcpu *svm, bool on)
{
	/* A virtual interrupt that beats any TPR exits where it would be taken. */
	const u32 bits = V_IRQ_MASK | V_INTR_PRIO_MASK | V_IGN_TPR_MASK;

	svm->window = on;
	svm->int_ctl = on ? svm->int_ctl | bits : svm->int_ctl & ~bits;
	svm_intercept(svm, INTERCEPT_VINTR, on);
}

static void begin_step(struct svm_vcpu *svm)
{
	struct vmcb_save_area *save = &svm->vmcb->save;

	svm->stepping = true;
	svm->step_tf = save->rflags & X86_EFLAGS_TF;
	save->rflags |= X86_EFLAGS_TF;
	svm_update_exceptions(svm);
}

/* Before svm_inject(): arch.want_* differ from what is armed, or an NMI waits. */
void svm_arm_windows(struct svm_vcpu *svm)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;

	if (svm->window != arch->want_intr_window)
		set_intr_window(svm, arch->want_intr_window);
	if (!arch->want_nmi_window)
		return;
	if (svm->iret_started && !arch->inject.type)
		begin_step(svm);
	else if (arch->nmi_masked)
		return;
	else if (arch->shadow && !arch->inject.type && (arch->rflags & X86_EFLAGS_IF))
		/* The shadow of STI: it ends where an interrupt could be taken. An
		 * interrupt of the host's must not end the entry before that, or
		 * the guest never gets on.
		 */
		set_intr_window(svm, true);
	else
		/* It waits for another event's delivery: leave as soon as that is over. */
		smp_send_reschedule(smp_processor_id());
}

/* --- after an exit --- */

/* The guest is about to execute IRET in an NMI handler. */
void svm_iret_intercepted(struct svm_vcpu *svm)
{
	svm_intercept(svm, INTERCEPT_IRET, false);
	if (svm->vcpu.arch.nmi_masked) {
		svm->iret_started = true;
		svm->step_rip = svm->vmcb->save.rip;
	}
}

static void reflect_exception(struct svm_vcpu *svm, u8 vector)
{
	struct vmcb_control_area *c = &svm->vmcb->control;
	struct vmm_exit *exit = &svm->vcpu.arch.exit;

	exit->vectoring = (struct vmm_event) {
		.type = VMM_EVENT_EXCEPTION,
		.vector = vector,
		.has_error = ERROR_CODE_VECTORS & BIT(vector),
		.error = c->exit_info_1,
	};
	if (vector == X86_TRAP_PF)
		svm->vcpu.arch.cr2 = c->exit_info_2;
	exit->reason = VX_RESUME;
}

/* True if the exit was the step's own and needs no more classification. */
static bool end_stepping(struct svm_vcpu *svm, u64 code, bool moved)
{
	struct vmcb_save_area *save = &svm->vmcb->save;
	u8 vector = code - SVM_EXIT_EXCP_BASE;

	svm->stepping = false;
	svm_update_exceptions(svm);
	/* A completed IRET has loaded the guest's own TF. */
	if (!moved && !svm->step_tf)
		save->rflags &= ~(u64)X86_EFLAGS_TF;
	if (code < SVM_EXIT_EXCP_BASE || code > SVM_EXIT_LAST_EXCP)
		return false;
	if (vector == X86_TRAP_DB && !svm->step_tf && save->dr6 == (DR6_INIT | BIT(14))) {
		save->dr6 = DR6_INIT;
		svm_touch(svm, CLEAN_DR);
		svm->vcpu.arch.exit.reason = VX_NMI_WINDOW;
		return true;
	}
	if (ALWAYS_VECTORS & BIT(vector))
		return false;
	if (vector == X86_TRAP_BP &&
	    (svm->vcpu.arch.guest_debug & VMM_GUESTDBG_USE_SW_BP))
		return false;
	reflect_exception(svm, vector);
	return true;
}

/* After an exit while an IRET had started; the block is not copied yet. */
bool svm_end_step(struct svm_vcpu *svm, u64 code)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	bool stepped = svm->stepping;
	bool moved = svm->vmcb->save.rip != svm->step_rip ||
		     (stepped && code == SVM_EXIT_EXCP_BASE + X86_TRAP_DB);
	bool done = false;

	if (stepped)
		done = end_stepping(svm, code, moved);
	if (moved) {
		svm->iret_started = false;
		arch->nmi_masked = false;
		if (arch->want_nmi_window)
			vmm_request(&svm->vcpu, VMM_REQ_EVENT);
	} else if (done) {
		/* The IRET itself faulted: wait for the handler's. */
		svm->iret_started = false;
		svm_intercept(svm, INTERCEPT_IRET, true);
	}
	return done;
}

/* Was this exception the one that the entry injected? Else RIP is at its cause. */
static bool was_injected(const struct svm_vcpu *svm, u8 vector)
{
	return svm->injected == (SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_EXEPT | vector);
}

/* The exit cut off a delivery: EXITINTINFO is valid. Before RIP is copied. */
void svm_exit_vectoring(struct svm_vcpu *svm)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	struct vmcb *vmcb = svm->vmcb;
	u32 info = vmcb->control.exit_int_info;
	struct vmm_event *ev = &arch->exit.vectoring;

	ev->vector = info & SVM_EXITINTINFO_VEC_MASK;
	ev->has_error = info & SVM_EXITINTINFO_VALID_ERR;
	ev->error = vmcb->control.exit_int_info_err;
	ev->insn_len = 0;
	switch (info & SVM_EXITINTINFO_TYPE_MASK) {
	case SVM_EXITINTINFO_TYPE_INTR:
		ev->type = VMM_EVENT_INTR;
		break;
	case SVM_EXITINTINFO_TYPE_NMI:
		ev->type = VMM_EVENT_NMI;
		arch->nmi_masked = false;	/* until it is delivered */
		svm_intercept(svm, INTERCEPT_IRET, false);
		break;
	case SVM_EXITINTINFO_TYPE_EXEPT:
		if (!is_soft_vector(ev->vector)) {
			ev->type = VMM_EVENT_EXCEPTION;
		} else if (was_injected(svm, ev->vector)) {
			ev->type = svm->soft_len ? VMM_EVENT_SOFT_EXCEPTION :
						   VMM_EVENT_EXCEPTION;
			ev->insn_len = svm->soft_len;
			if (!svm_has(SVM_F_NEXT_RIP))
				vmcb->save.rip -= svm->soft_len;
		}
		break;
	default:				/* INT n: executes again */
		break;
	}
}
