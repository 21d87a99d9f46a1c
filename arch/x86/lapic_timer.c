// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's timer on a host hrtimer: one-shot, periodic, TSC deadline.
 *
 * The timer stays on the CPU where the vCPU runs, so that the host's interrupt
 * is the guest's exit and no other CPU has to be interrupted. Starting, stopping
 * and moving it is the vCPU thread's; the callback, in hard interrupt, delivers
 * LVTT's interrupt and starts the next period. Everything the callback writes is
 * written by the thread only after hrtimer_cancel().
 */
#include <linux/ktime.h>
#include <linux/math64.h>

#include <vmm/compat.h>
#include <vmm/lapic.h>
#include <vmm/x86.h>

/* A count of the timer without division: the bus clock has 1 GHz. */
#define BUS_CYCLE_NS		1
/* A guest must not make the host do nothing but serve its timer. */
#define MIN_PERIOD_NS		(200 * NSEC_PER_USEC)
/* Deadlines beyond this are as good as never. */
#define MAX_DELAY_SECONDS	(100ull * 365 * 86400)

#define TIMER_MODE_MASK		(3u << 17)

static u32 timer_mode(u32 lvtt)
{
	return lvtt & TIMER_MODE_MASK;
}

static bool is_deadline(u32 lvtt)
{
	return timer_mode(lvtt) == APIC_LVT_TIMER_TSCDEADLINE;
}

static bool is_periodic(u32 lvtt)
{
	return timer_mode(lvtt) == APIC_LVT_TIMER_PERIODIC;
}

/* Nanoseconds of one count: 2, 4, ... 128, 1 for values 0, 1, ... 6, 7 (SDM 11.5.4). */
static u32 count_ns(u32 tdcr)
{
	u32 value = (tdcr & 3) | (tdcr >> 1 & 4);

	return BUS_CYCLE_NS << ((value + 1) & 7);
}

static enum hrtimer_restart timer_fired(struct hrtimer *hrtimer)
{
	struct vmm_lapic *apic = container_of(hrtimer, struct vmm_lapic, timer.timer);
	struct vmm_apic_timer *t = &apic->timer;

	vmm_apic_local_deliver(apic, APIC_LVTT);
	if (is_periodic(apic_get(apic, APIC_LVTT))) {
		hrtimer_forward_now(hrtimer, max_t(u64, t->period_ns, MIN_PERIOD_NS));
		WRITE_ONCE(t->expires, hrtimer_get_expires(hrtimer));
		return HRTIMER_RESTART;
	}
	WRITE_ONCE(t->tsc_deadline, 0);
	WRITE_ONCE(t->running, false);
	return HRTIMER_NORESTART;
}

void vmm_apic_timer_init(struct vmm_lapic *apic)
{
	vmm_hrtimer_setup(&apic->timer.timer, timer_fired, CLOCK_MONOTONIC,
			  HRTIMER_MODE_ABS_PINNED_HARD);
}

/* When this returns the callback does not run, and will not. */
void vmm_apic_timer_stop(struct vmm_lapic *apic)
{
	if (READ_ONCE(apic->timer.running))
		hrtimer_cancel(&apic->timer.timer);
	apic->timer.running = false;
	apic->timer.tsc_deadline = 0;
}

/* Stopped. */
static void start_at(struct vmm_lapic *apic, ktime_t expires)
{
	apic->timer.expires = expires;
	apic->timer.running = true;
	hrtimer_start(&apic->timer.timer, expires, HRTIMER_MODE_ABS_PINNED_HARD);
}

static u64 initial_ns(struct vmm_lapic *apic)
{
	return (u64)apic_get(apic, APIC_TMICT) * count_ns(apic_get(apic, APIC_TDCR));
}

void vmm_apic_timer_start(struct vmm_lapic *apic)
{
	u64 ns = initial_ns(apic);

	vmm_apic_timer_stop(apic);
	if (is_deadline(apic_get(apic, APIC_LVTT)))
		return;
	apic->timer.period_ns = ns;
	if (!ns)
		return;
	if (is_periodic(apic_get(apic, APIC_LVTT)))
		ns = max_t(u64, ns, MIN_PERIOD_NS);
	start_at(apic, ktime_add_ns(ktime_get(), ns));
}

/* From or to TSC deadline: disarmed. Else the count goes on in the new mode. */
void vmm_apic_timer_mode_changed(struct vmm_lapic *apic, u32 old_lvtt)
{
	u32 lvtt = apic_get(apic, APIC_LVTT);

	if (timer_mode(old_lvtt) == timer_mode(lvtt))
		return;
	if (is_deadline(old_lvtt) || is_deadline(lvtt)) {
		vmm_apic_timer_stop(apic);
		apic_set(apic, APIC_TMICT, 0);
		apic->timer.period_ns = 0;
	}
}

u32 vmm_apic_timer_count(struct vmm_lapic *apic)
{
	struct vmm_apic_timer *t = &apic->timer;
	s64 left;

	if (!READ_ONCE(t->running) || is_deadline(apic_get(apic, APIC_LVTT)))
		return 0;
	left = ktime_to_ns(ktime_sub(READ_ONCE(t->expires), ktime_get()));
	if (left <= 0) {
		/* Expired, the callback is on its way. */
		if (!is_periodic(apic_get(apic, APIC_LVTT)) || !t->period_ns)
			return 0;
		left = t->period_ns - (-left % t->period_ns);
	}
	return min_t(u64, left / count_ns(apic_get(apic, APIC_TDCR)), apic_get(apic, APIC_TMICT));
}

/* The count that is left lasts longer or shorter from now on. */
void vmm_apic_timer_divisor_changed(struct vmm_lapic *apic, u32 old_tdcr)
{
	u32 tdcr = apic_get(apic, APIC_TDCR), count;

	if (count_ns(tdcr) == count_ns(old_tdcr) || !READ_ONCE(apic->timer.running))
		return;
	apic_set(apic, APIC_TDCR, old_tdcr);
	count = vmm_apic_timer_count(apic);
	apic_set(apic, APIC_TDCR, tdcr);
	vmm_apic_timer_restore(apic, count);
}

void vmm_apic_timer_restore(struct vmm_lapic *apic, u32 count)
{
	u32 initial = apic_get(apic, APIC_TMICT);

	vmm_apic_timer_stop(apic);
	if (is_deadline(apic_get(apic, APIC_LVTT)) || !initial)
		return;
	apic->timer.period_ns = initial_ns(apic);
	/* A one-shot timer that has expired stays expired. */
	if (!count && !is_periodic(apic_get(apic, APIC_LVTT)))
		return;
	count = count ? min(count, initial) : initial;
	start_at(apic, ktime_add_ns(ktime_get(),
				    (u64)count * count_ns(apic_get(apic, APIC_TDCR))));
}

/* --- snapshots --- */

/* Stopped: goes on as it was, @left before it fires. */
void vmm_apic_timer_resume(struct vmm_lapic *apic, const struct vmm_apic_timer *was, ktime_t left)
{
	apic->timer.period_ns = was->period_ns;
	if (was->tsc_deadline)
		vmm_apic_set_deadline(apic->vcpu, was->tsc_deadline);
	else if (was->running)
		start_at(apic, ktime_add(ktime_get(), left));
}

/* --- TSC deadline --- */

u64 vmm_apic_get_deadline(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *apic = vcpu->arch.apic;

	return apic && is_deadline(apic_get(apic, APIC_LVTT)) ?
		READ_ONCE(apic->timer.tsc_deadline) : 0;
}

/* In another mode the MSR reads 0 and a write is ignored (SDM 11.5.4.1). */
void vmm_apic_set_deadline(struct vmm_vcpu *vcpu, u64 tsc)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	u32 khz = vcpu->arch.tsc_khz;
	u64 now, delta;

	if (!apic || !is_deadline(apic_get(apic, APIC_LVTT)))
		return;
	vmm_apic_timer_stop(apic);
	if (!tsc)
		return;
	now = vmm_guest_tsc(vcpu, rdtsc());
	if (tsc <= now) {
		vmm_apic_local_deliver(apic, APIC_LVTT);
		return;
	}
	delta = min(tsc - now, khz * 1000ull * MAX_DELAY_SECONDS);
	apic->timer.tsc_deadline = tsc;
	/* Rounded up: a deadline must not come early. */
	start_at(apic, ktime_add_ns(ktime_get(),
				    mul_u64_u64_div_u64(delta, NSEC_PER_MSEC, khz) + 1));
}

void vmm_apic_timer_tsc_changed(struct vmm_vcpu *vcpu)
{
	u64 deadline = vmm_apic_get_deadline(vcpu);

	if (deadline)
		vmm_apic_set_deadline(vcpu, deadline);
}

/*
 * Until vmm_apic_timer_go_on() the callback does not run, so that count and IRR say
 * the same. False: the timer is not running.
 */
bool vmm_apic_timer_pause(struct vmm_lapic *apic)
{
	return READ_ONCE(apic->timer.running) && hrtimer_cancel(&apic->timer.timer);
}

void vmm_apic_timer_go_on(struct vmm_lapic *apic)
{
	hrtimer_start_expires(&apic->timer.timer, HRTIMER_MODE_ABS_PINNED_HARD);
}

void vmm_apic_timer_migrate(struct vmm_lapic *apic)
{
	if (vmm_apic_timer_pause(apic))
		vmm_apic_timer_go_on(apic);
}
