/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rest of the kernel must know when a CPU leaves for a guest: lockdep
 * and the tracer see interrupts go on, RCU and time accounting a CPU that is no
 * longer in the kernel (where context tracking is on, on nohz_full CPUs). The
 * two calls stand immediately around the backend's assembly, in noinstr code,
 * with interrupts off.
 */
#ifndef _VMM_ENTER_H
#define _VMM_ENTER_H

#include <linux/context_tracking.h>
#include <linux/ftrace.h>
#include <linux/instrumentation.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include <vmm/compat.h>
#include <vmm/vm.h>

static __always_inline void vmm_guest_state_enter(void)
{
	instrumentation_begin();
	trace_hardirqs_on_prepare();
	lockdep_hardirqs_on_prepare();
	instrumentation_end();
	context_tracking_guest_enter();
	lockdep_hardirqs_on(CALLER_ADDR0);
}

static __always_inline void vmm_guest_state_exit(void)
{
	lockdep_hardirqs_off(CALLER_ADDR0);
	context_tracking_guest_exit();
	instrumentation_begin();
	trace_hardirqs_off_finish();
	instrumentation_end();
}

/*
 * Without context tracking a thread that loops between guest and kernel looks
 * to RCU like a long stretch of kernel code. An entry is a quiescent state; it
 * is enough to say so once a tick, after the exit that an interrupt caused.
 * Interrupts off, no RCU reader.
 */
static __always_inline void vmm_note_rcu_quiescent(struct vmm_vcpu *vcpu)
{
	unsigned long now = READ_ONCE(jiffies);

	if (vcpu->rcu_noted != now && !context_tracking_enabled_this_cpu()) {
		vcpu->rcu_noted = now;
		vmm_rcu_note_guest();
	}
}

#endif
