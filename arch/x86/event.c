// SPDX-License-Identifier: GPL-2.0
/*
 * Events into the guest: exceptions, NMIs, interrupts; what waits, what the
 * next entry injects, what an exit gives back because its delivery was cut off,
 * and the windows that say when the guest can take one.
 *
 * An event moves: queued (exception.pending, nmi_pending, interrupt.injected)
 * -> vmm_prepare_events() puts one into arch.inject -> run() hands it to the
 * CPU -> delivered, or back through vmm_requeue_vectoring() into *.injected,
 * which the next entry injects first. Guarded by vcpu->mutex.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/trace.h>
#include <vmm/x86.h>

/* --- exceptions --- */

static bool is_contributory(unsigned int vector)
{
	return vector == X86_TRAP_DE || (vector >= X86_TRAP_TS && vector <= X86_TRAP_GP);
}

/* Faults push an RFLAGS image with RF set (SDM 18.3.1.1, APM 13.1.4); #DB decides itself. */
static bool sets_rf(unsigned int vector)
{
	switch (vector) {
	case X86_TRAP_DB:
	case X86_TRAP_BP:
	case X86_TRAP_OF:
	case X86_TRAP_DF:
	case X86_TRAP_MC:
		return false;
	default:
		return true;
	}
}

static void queue_exception(struct vmm_vcpu *vcpu, u8 vector, bool has_error, u32 error,
			    bool has_payload, u64 payload)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	vmm_request(vcpu, VMM_REQ_EVENT);
	if (a->exception.pending || a->exception.injected) {
		u8 first = a->exception.vector;

		/* SDM table 6-5, APM table 8-7 */
		if (first == X86_TRAP_DF) {
			a->exception.pending = a->exception.injected = false;
			vmm_request(vcpu, VMM_REQ_TRIPLE_FAULT);
			return;
		}
		if ((is_contributory(first) && is_contributory(vector)) ||
		    (first == X86_TRAP_PF &&
		     (is_contributory(vector) || vector == X86_TRAP_PF))) {
			vector = X86_TRAP_DF;
			has_error = true;
			error = 0;
			has_payload = false;
		}
	}
	a->exception.pending = true;
	a->exception.injected = false;
	a->exception.vector = vector;
	a->exception.has_error = has_error;
	a->exception.error = error;
	a->exception.has_payload = has_payload;
	a->exception.payload = payload;
}

void vmm_queue_exception(struct vmm_vcpu *vcpu, u8 vector)
{
	queue_exception(vcpu, vector, false, 0, false, 0);
}

void vmm_queue_exception_error(struct vmm_vcpu *vcpu, u8 vector, u32 error)
{
	queue_exception(vcpu, vector, true, error, false, 0);
}

void vmm_queue_db(struct vmm_vcpu *vcpu, u64 dr6_bits)
{
	queue_exception(vcpu, X86_TRAP_DB, false, 0, true, dr6_bits);
}

void vmm_queue_fault(struct vmm_vcpu *vcpu, const struct vmm_fault *fault)
{
	queue_exception(vcpu, fault->vector, true, fault->error,
			fault->vector == X86_TRAP_PF, fault->address);
}

/* The side effect of an exception on CR2 or DR6, due when it is delivered. */
static void deliver_payload(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	u64 bits = a->exception.payload;

	if (!a->exception.has_payload)
		return;
	a->exception.has_payload = false;
	switch (a->exception.vector) {
	case X86_TRAP_PF:
		a->cr2 = bits;
		break;
	case X86_TRAP_DB:
		/* B0-B3 tell the last #DB's cause, the others accumulate; bit 16
		 * (RTM) and 11 (bus lock) are active low (SDM 18.2.3).
		 */
		a->dr6 &= ~(u64)DR_TRAP_BITS;
		a->dr6 |= DR6_RESERVED;
		a->dr6 ^= bits & DR6_RESERVED;
		a->dr6 |= bits & ~(u64)DR6_RESERVED;
		regs_dirty(vcpu, VMM_G_DR);
		break;
	}
}

/* --- interrupts and NMIs --- */

bool vmm_intr_allowed(struct vmm_vcpu *vcpu)
{
	regs_need(vcpu, VMM_G_RFLAGS | VMM_G_INTR);
	return (vcpu->arch.rflags & X86_EFLAGS_IF) && !vcpu->arch.shadow;
}

bool vmm_nmi_allowed(struct vmm_vcpu *vcpu)
{
	regs_need(vcpu, VMM_G_INTR);
	return !vcpu->arch.nmi_masked && !vcpu->arch.shadow;
}

/*
 * Split: the PIC is user space's, there is room for one interrupt of its, and the
 * APIC may have turned it away. A window for what is not accepted would open again
 * and again, and the guest would not get on.
 */
static bool takes_user_interrupts(struct vmm_vcpu *vcpu)
{
	const struct vmm_lapic *apic = vcpu->arch.apic;

	if (likely(!apic))
		return true;
	return vcpu->vm->arch.irqchip_mode == VMM_IRQCHIP_SPLIT && apic->ext_vector < 0 &&
	       vmm_apic_accepts_pic(vcpu);
}

bool vmm_ready_for_interrupt(struct vmm_vcpu *vcpu)
{
	return !vcpu->arch.interrupt.injected && !vcpu->arch.exception.pending &&
	       !vcpu->arch.exception.injected && vmm_intr_allowed(vcpu) &&
	       takes_user_interrupts(vcpu);
}

static int queue_ext_interrupt(struct vmm_vcpu *vcpu, u32 vector)
{
	if (vcpu->vm->arch.irqchip_mode == VMM_IRQCHIP_KERNEL)
		return -ENXIO;
	if (vcpu->arch.apic->ext_vector >= 0)
		return -EEXIST;
	vcpu->arch.apic->ext_vector = vector;
	vmm_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

/*
 * VMM_INTERRUPT: takes effect when the guest can take it, also where user space
 * did not wait for a window. -EINVAL: no such vector. With local APICs of ours it
 * is an interrupt of user space's PIC: -EEXIST if one is waiting; -ENXIO if the PIC
 * is ours as well.
 */
int vmm_queue_interrupt(struct vmm_vcpu *vcpu, u32 vector)
{
	if (vector > 255)
		return -EINVAL;
	if (vcpu->arch.apic)
		return queue_ext_interrupt(vcpu, vector);
	vcpu->arch.interrupt.injected = true;
	vcpu->arch.interrupt.soft = false;
	vcpu->arch.interrupt.vector = vector;
	vmm_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

/* One NMI may be in service and one latched behind it (SDM 6.7.1). */
void vmm_queue_nmi(struct vmm_vcpu *vcpu)
{
	unsigned int limit = vcpu->arch.nmi_injected ? 1 : 2;

	regs_need(vcpu, VMM_G_INTR);
	if (vcpu->arch.nmi_masked)
		limit = 1;
	vcpu->arch.nmi_pending = min(vcpu->arch.nmi_pending + 1u, limit);
	vmm_request(vcpu, VMM_REQ_EVENT);
}

/* NMIs that other vCPUs and LVT entries sent. */
void vmm_take_apic_nmis(struct vmm_vcpu *vcpu)
{
	int n = atomic_xchg(&vcpu->arch.apic->nmis, 0);

	/* One in service and one latched: more are lost. */
	for (n = min(n, 2); n > 0; n--)
		vmm_queue_nmi(vcpu);
}

/* --- before an entry --- */

static void arm(struct vmm_vcpu *vcpu, u8 type, u8 vector)
{
	vcpu->arch.inject = (struct vmm_event) { .type = type, .vector = vector };
	vcpu->arch.inject_armed = type;
}

static void arm_exception(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	if (a->exception.pending) {
		deliver_payload(vcpu);
		if (sets_rf(a->exception.vector))
			vcpu_set_rflags(vcpu, vcpu_rflags(vcpu) | X86_EFLAGS_RF);
		if (a->exception.vector == X86_TRAP_DB && (a->dr7 & VMM_DR7_GD)) {
			a->dr7 &= ~(u64)VMM_DR7_GD;
			vmm_update_dr7(vcpu);
		}
		a->exception.pending = false;
		a->exception.injected = true;
	}
	arm(vcpu, VMM_EVENT_EXCEPTION, a->exception.vector);
	/* No error code is pushed in real mode (SDM 20.1.4). */
	a->inject.has_error = a->exception.has_error && (vcpu_cr0(vcpu) & X86_CR0_PE);
	a->inject.error = a->exception.error;
}

static void arm_interrupt(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	arm(vcpu, a->interrupt.soft ? VMM_EVENT_SOFT_INTR : VMM_EVENT_INTR, a->interrupt.vector);
	a->inject.insn_len = a->interrupt.insn_len;
}

/* The APIC's or the PIC's next: acknowledged now, because now it is certain to be taken. */
static void arm_apic_interrupt(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	int vector = vmm_apic_take_interrupt(vcpu);

	if (vector < 0)
		return;
	a->interrupt.injected = true;
	a->interrupt.soft = false;
	a->interrupt.vector = vector;
	a->stat.injections++;
	arm_interrupt(vcpu);
}

void vmm_prepare_events(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	if (a->apic)
		vmm_pv_eoi_sync(vcpu);
	a->inject.type = VMM_EVENT_NONE;
	a->inject_armed = VMM_EVENT_NONE;
	if (a->exception.injected || a->exception.pending) {
		arm_exception(vcpu);
	} else if (a->nmi_injected) {
		arm(vcpu, VMM_EVENT_NMI, X86_TRAP_NMI);
	} else if (a->interrupt.injected && a->interrupt.soft) {
		arm_interrupt(vcpu);
	} else if (a->nmi_pending && vmm_nmi_allowed(vcpu)) {
		a->nmi_pending--;
		a->nmi_injected = true;
		a->stat.nmi_injections++;
		arm(vcpu, VMM_EVENT_NMI, X86_TRAP_NMI);
	} else if (a->interrupt.injected && vmm_intr_allowed(vcpu)) {
		a->stat.injections++;
		arm_interrupt(vcpu);
	} else if (a->apic && !a->interrupt.injected && vmm_intr_allowed(vcpu)) {
		arm_apic_interrupt(vcpu);
	}
	a->want_nmi_window = a->nmi_pending;
	a->want_intr_window = (a->user_wants_window && takes_user_interrupts(vcpu)) ||
		(a->interrupt.injected && a->inject_armed != VMM_EVENT_INTR &&
		 a->inject_armed != VMM_EVENT_SOFT_INTR) ||
		(a->apic && vmm_apic_has_interrupt(vcpu));
	if (a->inject_armed)
		trace_vmm_inject(vcpu);
}

void vmm_disarm_events(struct vmm_vcpu *vcpu)
{
	vcpu->arch.inject.type = VMM_EVENT_NONE;
	vcpu->arch.inject_armed = VMM_EVENT_NONE;
	vmm_request(vcpu, VMM_REQ_EVENT);
}

/* --- after an exit --- */

static void delivered(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	switch (a->inject_armed) {
	case VMM_EVENT_EXCEPTION:
		a->exception.injected = false;
		break;
	case VMM_EVENT_NMI:
		a->nmi_injected = false;
		break;
	case VMM_EVENT_INTR:
	case VMM_EVENT_SOFT_INTR:
		a->interrupt.injected = false;
		break;
	}
	a->inject_armed = VMM_EVENT_NONE;
	if (a->nmi_pending || a->interrupt.injected || a->exception.pending)
		vmm_request(vcpu, VMM_REQ_EVENT);
}

void vmm_requeue_vectoring(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	const struct vmm_event *ev = &a->exit.vectoring;

	if (a->exit.reason == VX_FAIL_ENTRY) {
		vmm_disarm_events(vcpu);
		return;
	}
	if (a->inject_armed)
		delivered(vcpu);
	switch (ev->type) {
	case VMM_EVENT_NONE:
		return;
	case VMM_EVENT_NMI:
		a->nmi_injected = true;
		/* Its delivery did not begin: NMIs are not yet masked. */
		regs_need(vcpu, VMM_G_INTR);
		a->nmi_masked = false;
		regs_dirty(vcpu, VMM_G_INTR);
		break;
	case VMM_EVENT_EXCEPTION:
	case VMM_EVENT_SOFT_EXCEPTION:
		a->exception.injected = true;
		a->exception.pending = false;
		a->exception.vector = ev->vector;
		a->exception.has_error = ev->has_error;
		a->exception.error = ev->error;
		a->exception.has_payload = false;
		break;
	default:
		a->interrupt.injected = true;
		a->interrupt.soft = ev->type == VMM_EVENT_SOFT_INTR;
		a->interrupt.vector = ev->vector;
		a->interrupt.insn_len = ev->insn_len;
	}
	vmm_request(vcpu, VMM_REQ_EVENT);
}

/* --- VMM_GET_VCPU_EVENTS, VMM_SET_VCPU_EVENTS --- */

void vmm_get_vcpu_events(struct vmm_vcpu *vcpu, struct vmm_vcpu_events *ev)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	if (a->apic)
		vmm_take_apic_nmis(vcpu);
	regs_need(vcpu, VMM_G_INTR);
	ev->flags = VMM_VCPUEVENT_VALID_NMI_PENDING | VMM_VCPUEVENT_VALID_SHADOW |
		    VMM_VCPUEVENT_VALID_SMM;
	if (vcpu->vm->arch.exception_payload) {
		ev->flags |= VMM_VCPUEVENT_VALID_PAYLOAD;
		ev->exception.injected = a->exception.injected;
		ev->exception.pending = a->exception.pending;
		ev->exception_has_payload = a->exception.has_payload;
		ev->exception_payload = a->exception.payload;
	} else {
		/* This caller cannot carry a payload: it takes effect now. */
		if (a->exception.pending)
			deliver_payload(vcpu);
		ev->exception.injected = a->exception.injected || a->exception.pending;
	}
	ev->exception.nr = a->exception.vector;
	ev->exception.has_error_code = a->exception.has_error;
	ev->exception.error_code = a->exception.error;

	ev->interrupt.injected = a->interrupt.injected && !a->interrupt.soft;
	ev->interrupt.nr = a->interrupt.vector;
	ev->interrupt.shadow = a->shadow;
	ev->nmi.injected = a->nmi_injected;
	ev->nmi.pending = a->nmi_pending;
	ev->nmi.masked = a->nmi_masked;
	if (vcpu->vm->arch.triple_fault_event) {
		ev->flags |= VMM_VCPUEVENT_VALID_TRIPLE_FAULT;
		ev->triple_fault.pending = test_bit(VMM_REQ_TRIPLE_FAULT, &vcpu->requests);
	}
}

static bool events_valid(struct vmm_vcpu *vcpu, const struct vmm_vcpu_events *ev)
{
	const u32 known = VMM_VCPUEVENT_VALID_NMI_PENDING | VMM_VCPUEVENT_VALID_SIPI_VECTOR |
			  VMM_VCPUEVENT_VALID_SHADOW | VMM_VCPUEVENT_VALID_SMM |
			  VMM_VCPUEVENT_VALID_PAYLOAD | VMM_VCPUEVENT_VALID_TRIPLE_FAULT;
	bool waiting = ev->exception.injected;

	if (ev->flags & ~known)
		return false;
	if (ev->flags & VMM_VCPUEVENT_VALID_PAYLOAD) {
		if (!vcpu->vm->arch.exception_payload)
			return false;
		waiting |= ev->exception.pending;
	}
	if (waiting && (ev->exception.nr > 31 || ev->exception.nr == X86_TRAP_NMI))
		return false;
	if ((ev->flags & VMM_VCPUEVENT_VALID_TRIPLE_FAULT) && !vcpu->vm->arch.triple_fault_event)
		return false;
	/* There is no system management mode to be in. */
	return !(ev->flags & VMM_VCPUEVENT_VALID_SMM) || !(ev->smi.smm || ev->smi.pending);
}

static void set_exception(struct vmm_vcpu *vcpu, const struct vmm_vcpu_events *ev)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	bool payload = ev->flags & VMM_VCPUEVENT_VALID_PAYLOAD;

	a->exception.pending = payload && ev->exception.pending;
	a->exception.injected = ev->exception.injected && !a->exception.pending;
	a->exception.vector = ev->exception.nr;
	a->exception.has_error = ev->exception.has_error_code;
	a->exception.error = ev->exception.error_code;
	a->exception.has_payload = a->exception.pending && ev->exception_has_payload;
	a->exception.payload = ev->exception_payload;
}

/* Return: 0, or -EINVAL with nothing changed. */
int vmm_set_vcpu_events(struct vmm_vcpu *vcpu, const struct vmm_vcpu_events *ev)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	if (!events_valid(vcpu, ev))
		return -EINVAL;
	set_exception(vcpu, ev);
	a->interrupt.injected = ev->interrupt.injected;
	a->interrupt.soft = ev->interrupt.soft;
	a->interrupt.vector = ev->interrupt.nr;
	a->interrupt.insn_len = 0;
	regs_need(vcpu, VMM_G_INTR);
	if (ev->flags & VMM_VCPUEVENT_VALID_SHADOW)
		a->shadow = ev->interrupt.shadow & (VMM_SHADOW_STI | VMM_SHADOW_MOV_SS);
	a->nmi_masked = ev->nmi.masked;
	regs_dirty(vcpu, VMM_G_INTR);
	a->nmi_injected = ev->nmi.injected;
	if (ev->flags & VMM_VCPUEVENT_VALID_NMI_PENDING)
		a->nmi_pending = min_t(u8, ev->nmi.pending, 2);
	if ((ev->flags & VMM_VCPUEVENT_VALID_SIPI_VECTOR) && a->apic)
		WRITE_ONCE(a->apic->sipi_vector, ev->sipi_vector);
	if (ev->flags & VMM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (ev->triple_fault.pending)
			vmm_request(vcpu, VMM_REQ_TRIPLE_FAULT);
		else
			clear_bit(VMM_REQ_TRIPLE_FAULT, &vcpu->requests);
	}
	vmm_request(vcpu, VMM_REQ_EVENT);
	return 0;
}
