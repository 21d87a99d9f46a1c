// SPDX-License-Identifier: GPL-2.0
/*
 * The run loop: VMM_RUN from the ioctl to the guest and back.
 *
 *	vmm_arch_vcpu_run()	load the guest FPU, finish the last I/O, loop, report
 *	  run_loop()		until something is for user space
 *	    enter()		requests, events, interrupts off, backend->run()
 *	    vmm_handle_exit()	exit.c: the handler of the exit's reason
 *
 * Locks: vcpu->mutex is held throughout. vm->srcu is held for reading where
 * requests and exits are handled and where I/O is completed, so handlers may use
 * memory slots and I/O buses freely and may sleep.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/entry-kvm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vtime.h>
#include <asm/debugreg.h>
#include <asm/fpu/api.h>
#include <asm/hw_breakpoint.h>

#include <vmm/irqchip.h>
#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/trace.h>
#include <vmm/x86.h>

/*
 * What makes a vCPU leave the loop or yield. Not TIF_NOTIFY_RESUME, whose work waits
 * for the next return to user mode: to go there and have the kernel restart the system
 * call loses a signal that comes in between, whose handler runs before the restart.
 */
#define LOOP_WORK	(_TIF_NEED_RESCHED | _TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL)

/*
 * An EOI that user space's I/O APIC waits for is told before RUN ends for another
 * reason: user space may stop the VM there, and what it saves knows no such EOI.
 */
static bool report_eoi(struct vmm_vcpu *vcpu)
{
	if (likely(!vmm_check_request(vcpu, VMM_REQ_IOAPIC_EOI_EXIT)))
		return false;
	vcpu->run->exit_reason = VMM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = vcpu->arch.apic->ioapic_eoi;
	return true;
}

/* The local APIC's; none of them is ever set in a VM without. */
static noinline int handle_apic_requests(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *apic = vcpu->arch.apic;

	if (vmm_check_request(vcpu, VMM_REQ_NMI))
		vmm_take_apic_nmis(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_APIC))
		vmm_apic_accept_events(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_SCAN_IOAPIC)) {
		vmm_pv_eoi_sync(vcpu);
		vmm_ioapic_scan_vcpu(vcpu, apic->eoi_exit);
	}
	if (report_eoi(vcpu))
		return VMM_TO_USER;
	if (vmm_check_request(vcpu, VMM_REQ_WAIT))
		return vmm_wait(vcpu);
	return VMM_RESUME;
}

static noinline int handle_arch_requests(struct vmm_vcpu *vcpu)
{
	if (vmm_check_request(vcpu, VMM_REQ_STEAL_TIME))
		vmm_pv_update_steal_time(vcpu);
	return vcpu->arch.apic ? handle_apic_requests(vcpu) : VMM_RESUME;
}

static int handle_requests(struct vmm_vcpu *vcpu)
{
	if (vmm_check_request(vcpu, VMM_REQ_VM_DEAD))
		return -EIO;
	if (vmm_check_request(vcpu, VMM_REQ_DIRTY_RING) && vmm_dirty_ring_full(vcpu)) {
		if (!report_eoi(vcpu))
			vcpu->run->exit_reason = VMM_EXIT_DIRTY_RING_FULL;
		return VMM_TO_USER;
	}
	if (vmm_check_request(vcpu, VMM_REQ_MSR_FILTER))
		vmm_msr_filter_changed(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_CLOCK_UPDATE))
		vmm_clock_update(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_TRIPLE_FAULT)) {
		vcpu->run->exit_reason = VMM_EXIT_SHUTDOWN;
		return VMM_TO_USER;
	}
	if (READ_ONCE(vcpu->requests) >> VMM_REQ_ARCH) {
		int r = handle_arch_requests(vcpu);

		/* One that waits takes no events; it comes here again. */
		if (r <= 0 || test_bit(VMM_REQ_WAIT, &vcpu->requests))
			return r;
	}
	if (vmm_check_request(vcpu, VMM_REQ_EVENT))
		vmm_prepare_events(vcpu);
	return VMM_RESUME;
}

/* Guest breakpoints: DR0-3 are the CPU's only while some are enabled. */
static void load_breakpoints(struct vmm_vcpu *vcpu)
{
	const u64 *db = vcpu->arch.guest_debug & VMM_GUESTDBG_USE_HW_BP ?
			vcpu->arch.guest_db : vcpu->arch.db;

	set_debugreg(0, 7);
	set_debugreg(db[0], 0);
	set_debugreg(db[1], 1);
	set_debugreg(db[2], 2);
	set_debugreg(db[3], 3);
}

static __always_inline bool must_not_enter(struct vmm_vcpu *vcpu, unsigned long flags)
{
	return READ_ONCE(vcpu->requests) || READ_ONCE(vcpu->mode) != VMM_IN_GUEST ||
	       (flags & LOOP_WORK);
}

/*
 * One entry and exit. Returns VMM_RESUME with arch.exit filled in, reason
 * VX_NONE if the guest was not entered; VMM_TO_USER or an errno from requests.
 */
static __always_inline int enter(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;
	unsigned long flags;
	u64 gen;
	int r;

	if (READ_ONCE(vcpu->requests)) {
		vcpu->srcu_idx = srcu_read_lock(&vm->srcu);
		r = handle_requests(vcpu);
		srcu_read_unlock(&vm->srcu, vcpu->srcu_idx);
		if (r <= 0)
			return r;
	}

	preempt_disable();
	local_irq_disable();
	WRITE_ONCE(vcpu->mode, VMM_IN_GUEST);
	/* mode before requests and tlb_gen: see virt/vcpu.c */
	smp_mb();
	flags = read_thread_flags();
	if (unlikely(must_not_enter(vcpu, flags))) {
		vcpu->arch.exit.reason = VX_NONE;
		if (vcpu->arch.inject_armed)
			vmm_disarm_events(vcpu);
		goto out;
	}
	/* The kernel used the FPU, or another task did: the guest's state is in memory. */
	if (unlikely(flags & _TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	gen = atomic64_read(&vm->tlb_gen);
	if (unlikely(gen != vcpu->tlb_gen)) {
		vcpu->tlb_gen = gen;
		vmm_call(flush_tlb)(vcpu);
	}
	if (unlikely(vcpu->arch.hw_dr7 & 0xff))
		load_breakpoints(vcpu);
	vmm_xstate_load_guest(vcpu);
	trace_vmm_entry(vcpu);
	vtime_account_guest_enter();

	vmm_call(run)(vcpu);

	vmm_xstate_load_host(vcpu);
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
out:
	WRITE_ONCE(vcpu->mode, VMM_OUTSIDE_GUEST);
	smp_wmb();
	/* A pending interrupt is taken here, and accounted to the guest. */
	local_irq_enable();
	local_irq_disable();
	if (likely(vcpu->arch.exit.reason != VX_NONE))
		vtime_account_guest_exit();
	local_irq_enable();
	preempt_enable();
	return VMM_RESUME;
}

static __always_inline int handle_exit(struct vmm_vcpu *vcpu)
{
	int r;

	trace_vmm_exit(vcpu);
	if (unlikely(vcpu->arch.inject_armed || vcpu->arch.exit.vectoring.type))
		vmm_requeue_vectoring(vcpu);
	/* It was the host's, and is over. */
	if (vcpu->arch.exit.reason == VX_INTERRUPT) {
		vcpu->arch.stat.exit[VX_INTERRUPT]++;
		return VMM_RESUME;
	}
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
	r = vmm_handle_exit(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	return r;
}

static int run_loop(struct vmm_vcpu *vcpu)
{
	int r;

	for (;;) {
		r = enter(vcpu);
		if (r <= 0)
			return r;
		if (likely(vcpu->arch.exit.reason != VX_NONE)) {
			r = handle_exit(vcpu);
			if (r <= 0)
				return r;
		}
		if (unlikely(vcpu->arch.user_wants_window) && vmm_ready_for_interrupt(vcpu)) {
			if (report_eoi(vcpu))
				return VMM_TO_USER;
			vcpu->run->exit_reason = VMM_EXIT_IRQ_WINDOW_OPEN;
			vcpu->arch.stat.request_irq_exits++;
			return VMM_TO_USER;
		}
		if (unlikely(read_thread_flags() & LOOP_WORK)) {
			if (signal_pending(current))
				return report_eoi(vcpu) ? VMM_TO_USER : -EINTR;
			cond_resched();
		}
	}
}

/* What user space may read in the run page after every exit. */
static void fill_run(struct vmm_vcpu *vcpu)
{
	struct vmm_run *run = vcpu->run;
	bool enabled = vcpu_rflags(vcpu) & X86_EFLAGS_IF;

	run->if_flag = enabled;
	run->cr8 = vcpu->arch.cr8;
	run->apic_base = vcpu->arch.apic_base;
	/* Where the PIC is ours too, nobody asks. */
	run->ready_for_interrupt_injection =
		(enabled && vmm_ready_for_interrupt(vcpu)) ||
		vcpu->vm->arch.irqchip_mode == VMM_IRQCHIP_KERNEL;
}

/* Registers by way of the run page; events among them may have to do with memory. */
static noinline int load_sync_regs(struct vmm_vcpu *vcpu)
{
	int r;

	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
	r = vmm_sync_regs_load(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	return r;
}

static noinline void store_sync_regs(struct vmm_vcpu *vcpu)
{
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
	vmm_sync_regs_store(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
}

/* Everything between the guest's FPU state going in and coming out. */
static int run_loaded(struct vmm_vcpu *vcpu)
{
	struct vmm_run *run = vcpu->run;
	bool window;
	u64 cr8;
	int r;

	if (unlikely(READ_ONCE(run->vmm_valid_regs) | READ_ONCE(run->vmm_dirty_regs)) &&
	    load_sync_regs(vcpu))
		return -EINVAL;
	cr8 = READ_ONCE(run->cr8);
	/* The TPR of an APIC of ours is not user space's. */
	if (unlikely(cr8 != vcpu->arch.cr8) && !vcpu->arch.apic && vmm_set_cr8(vcpu, cr8))
		return -EINVAL;
	if (vcpu->arch.io.wait) {
		vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
		r = vmm_complete_io(vcpu);
		srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
		if (r <= 0)
			return r;
	}
	/* exit_reason stays: a VMM may complete an exit so before it looks at it. */
	if (READ_ONCE(run->immediate_exit))
		return -EINTR;
	window = READ_ONCE(run->request_interrupt_window);
	if (window || vcpu->arch.user_wants_window)
		vmm_request(vcpu, VMM_REQ_EVENT);
	vcpu->arch.user_wants_window = window;
	vcpu->arch.ran = true;
	r = run_loop(vcpu);
	if (unlikely(r == -EINTR || r == -EAGAIN)) {
		run->exit_reason = VMM_EXIT_INTR;
		if (r == -EINTR)
			vcpu->arch.stat.signal_exits++;
	}
	return r;
}

/**
 * vmm_arch_vcpu_run() - VMM_RUN
 * @vcpu: the vCPU
 *
 * Context: vcpu->mutex held; sleeps. Return: 0 with run->exit_reason filled in;
 * -EINTR (a signal, exit_reason is INTR; or immediate_exit, it is as it was), -EAGAIN
 * (an INIT or SIPI reached a vCPU that was not initialized; INTR), -EFAULT (the host
 * mapping forbids an access of the guest), -ENOMEM, -EIO (the VM is dead), -EINVAL
 * (run page fields).
 */
int vmm_arch_vcpu_run(struct vmm_vcpu *vcpu)
{
	int r;

	vcpu_load(vcpu);
	vmm_fpu_load_guest(vcpu);
	vcpu->run->flags = 0;
	if (unlikely(vcpu->arch.guest_debug))
		vmm_debug_run_begin(vcpu);

	r = run_loaded(vcpu);
	if (unlikely(vcpu->arch.guest_debug))
		vmm_debug_run_end(vcpu);
	fill_run(vcpu);
	if (unlikely(READ_ONCE(vcpu->run->vmm_valid_regs)))
		store_sync_regs(vcpu);

	vmm_fpu_put_guest(vcpu);
	vcpu_put(vcpu);
	return r;
}
