// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU that has nothing to do, when its local APIC is ours: HLT, and the states
 * before the first SIPI. It polls for a while, then its thread sleeps until
 * somebody sends it something or the caller gets a signal.
 *
 * mp_state other than RUNNABLE and VMM_REQ_WAIT go together: whoever sets the
 * state sets the request, and vmm_wait() does so again if it returns early. So
 * a vCPU that runs pays nothing for this. Senders set their bits, then a
 * request, then call vmm_vcpu_notify(); the waiter announces itself in
 * vcpu->wait, then looks at the bits.
 *
 * Polling is worth it if the wait turns out short: a wake-up through the
 * scheduler costs more than that. How long to poll is learnt from the waits.
 */
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/rcuwait.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/x86.h>

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "Longest time to poll before a halted vCPU sleeps, in ns; 0: never");

#define POLL_START_NS	10000

/* --- INIT and SIPI --- */

/* Real mode, at the page that the vector names (SDM 9.4.3). */
static void start_at(struct vmm_vcpu *vcpu, u8 vector)
{
	struct vmm_segment cs = *vcpu_seg(vcpu, SEG_CS);

	cs.selector = vector << 8;
	cs.base = vector << 12;
	vcpu->arch.seg[SEG_CS] = cs;
	regs_dirty(vcpu, VMM_G_SEG(SEG_CS));
	vcpu_set_rip(vcpu, 0);
}

static void set_mp_state(struct vmm_vcpu *vcpu, u32 state)
{
	vcpu->arch.mp_state = state;
	if (state != VMM_MP_STATE_RUNNABLE)
		vmm_request(vcpu, VMM_REQ_WAIT);
}

void vmm_apic_accept_events(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *apic = vcpu->arch.apic;

	if (test_and_clear_bit(VMM_APIC_INIT, &apic->events)) {
		vmm_vcpu_reset(vcpu, true);
		set_mp_state(vcpu, vmm_is_boot_cpu(vcpu) ? VMM_MP_STATE_RUNNABLE :
							   VMM_MP_STATE_INIT_RECEIVED);
	}
	/* Its vector was written before the bit was set. */
	if (test_and_clear_bit(VMM_APIC_SIPI, &apic->events) &&
	    vcpu->arch.mp_state == VMM_MP_STATE_INIT_RECEIVED) {
		start_at(vcpu, READ_ONCE(apic->sipi_vector));
		set_mp_state(vcpu, VMM_MP_STATE_RUNNABLE);
	}
}

/* --- waiting --- */

/* What ends HLT, but interrupts only where they are enabled. */
static bool halt_ends(struct vmm_vcpu *vcpu, bool interrupts)
{
	const struct vmm_vcpu_arch *a = &vcpu->arch;

	return READ_ONCE(a->pv.unhalted) || a->nmi_pending || a->nmi_injected ||
	       a->interrupt.injected || a->exception.pending || a->exception.injected ||
	       (interrupts && vmm_apic_has_interrupt(vcpu));
}

/* Anything to do, be it only before the wait goes on? */
static bool has_work(struct vmm_vcpu *vcpu, bool interrupts)
{
	if (READ_ONCE(vcpu->requests) & ~BIT(VMM_REQ_EVENT))
		return true;
	return vcpu->arch.mp_state == VMM_MP_STATE_HALTED && halt_ends(vcpu, interrupts);
}

static bool poll(struct vmm_vcpu *vcpu, bool interrupts, ktime_t begin)
{
	ktime_t stop = ktime_add_ns(begin, min(vcpu->arch.halt_poll_ns, READ_ONCE(halt_poll_ns)));

	do {
		if (has_work(vcpu, interrupts))
			return true;
		cpu_relax();
	} while (single_task_running() && !need_resched() && !signal_pending(current) &&
		 ktime_before(ktime_get(), stop));
	return false;
}

/* Longer where a longer poll would have spared the sleep, off where none would. */
static void adapt_poll(struct vmm_vcpu *vcpu, u64 waited_ns)
{
	unsigned int limit = READ_ONCE(halt_poll_ns), *ns = &vcpu->arch.halt_poll_ns;

	if (waited_ns <= *ns)
		return;
	if (waited_ns > limit)
		*ns = 0;
	else
		*ns = min(*ns ? *ns * 2 : POLL_START_NS, limit);
}

static void sleep_until_woken(struct vmm_vcpu *vcpu, bool interrupts)
	__must_hold(&vcpu->vm->srcu)
{
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (has_work(vcpu, interrupts) || signal_pending(current))
			break;
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
}

static void wait(struct vmm_vcpu *vcpu, bool interrupts)
{
	bool halted = vcpu->arch.mp_state == VMM_MP_STATE_HALTED;
	ktime_t begin;

	if (has_work(vcpu, interrupts))
		return;
	begin = ktime_get();
	if (halted && vcpu->arch.halt_poll_ns && (vcpu->arch.pv.poll_control & 1) &&
	    poll(vcpu, interrupts, begin))
		return;
	sleep_until_woken(vcpu, interrupts);
	if (halted)
		adapt_poll(vcpu, ktime_to_ns(ktime_sub(ktime_get(), begin)));
}

/**
 * vmm_wait() - VMM_REQ_WAIT: the vCPU may not enter the guest now
 * @vcpu: the vCPU, with an APIC
 *
 * Context: srcu held, may sleep. Return: VMM_RESUME: RUNNABLE, or a request is to be
 * handled first and VMM_REQ_WAIT is set again; -EINTR: a signal; -EAGAIN: something
 * reached a vCPU that was not initialized: user space shall come again.
 */
int vmm_wait(struct vmm_vcpu *vcpu)
{
	u32 state = vcpu->arch.mp_state;
	bool interrupts;

	if (state == VMM_MP_STATE_RUNNABLE)
		return VMM_RESUME;
	interrupts = state == VMM_MP_STATE_HALTED && vmm_intr_allowed(vcpu);
	vmm_pv_eoi_sync(vcpu);
	wait(vcpu, interrupts);
	if (state == VMM_MP_STATE_HALTED && halt_ends(vcpu, interrupts)) {
		WRITE_ONCE(vcpu->arch.pv.unhalted, false);
		vcpu->arch.mp_state = VMM_MP_STATE_RUNNABLE;
		vmm_request(vcpu, VMM_REQ_EVENT);
		return VMM_RESUME;
	}
	if (vmm_check_request(vcpu, VMM_REQ_APIC)) {
		vmm_apic_accept_events(vcpu);
		if (state == VMM_MP_STATE_UNINITIALIZED && vcpu->arch.mp_state != state) {
			set_mp_state(vcpu, vcpu->arch.mp_state);
			return -EAGAIN;
		}
	}
	set_mp_state(vcpu, vcpu->arch.mp_state);
	return signal_pending(current) ? -EINTR : VMM_RESUME;
}

/* HLT exited; the instruction is done. */
int vmm_halt(struct vmm_vcpu *vcpu)
{
	set_mp_state(vcpu, VMM_MP_STATE_HALTED);
	return VMM_RESUME;
}

/* --- VMM_GET_MP_STATE, VMM_SET_MP_STATE --- */

u32 vmm_get_mp_state(struct vmm_vcpu *vcpu)
{
	if (vcpu->arch.apic && vmm_check_request(vcpu, VMM_REQ_APIC))
		vmm_apic_accept_events(vcpu);
	if (vcpu->arch.mp_state == VMM_MP_STATE_HALTED && READ_ONCE(vcpu->arch.pv.unhalted))
		return VMM_MP_STATE_RUNNABLE;
	return vcpu->arch.mp_state;
}

/* 0; -EINVAL: no such state, or, without a local APIC of ours, not RUNNABLE. */
int vmm_set_mp_state(struct vmm_vcpu *vcpu, u32 state)
{
	if (state != VMM_MP_STATE_RUNNABLE && !vcpu->arch.apic)
		return -EINVAL;
	switch (state) {
	case VMM_MP_STATE_RUNNABLE:
	case VMM_MP_STATE_UNINITIALIZED:
	case VMM_MP_STATE_INIT_RECEIVED:
	case VMM_MP_STATE_HALTED:
		break;
	case VMM_MP_STATE_SIPI_RECEIVED:
		state = VMM_MP_STATE_INIT_RECEIVED;
		set_bit(VMM_APIC_SIPI, &vcpu->arch.apic->events);
		vmm_request(vcpu, VMM_REQ_APIC);
		break;
	default:
		return -EINVAL;
	}
	set_mp_state(vcpu, state);
	vmm_request(vcpu, VMM_REQ_EVENT);
	return 0;
}
