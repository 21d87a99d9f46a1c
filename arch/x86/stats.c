// SPDX-License-Identifier: GPL-2.0
/*
 * What is counted in a vCPU, and the time that exits take.
 *
 * Each exit increments one counter of its reason (exit.c); everything else here is
 * for readers. Time is taken only while the parameter exit_timing is on: then two
 * probes sit on the tracepoints vmm_exit and vmm_entry, which cost nothing without.
 * An exit's time is from there to the next entry: the handler, and what user space,
 * the scheduler and the host's interrupts did in between.
 *
 * Locks: the counters are the vCPU's thread's; readers take none.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/timekeeping.h>

#include <vmm/stats.h>
#include <vmm/trace.h>
#include <vmm/vm.h>

#define COUNTER	(VMM_STATS_TYPE_CUMULATIVE | VMM_STATS_UNIT_NONE | VMM_STATS_BASE_POW10)
#define SECONDS	(VMM_STATS_TYPE_CUMULATIVE | VMM_STATS_UNIT_SECONDS | VMM_STATS_BASE_POW10)

static u64 all_exits(const struct vmm_vcpu *vcpu)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < VX_COUNT; i++)
		sum += READ_ONCE(vcpu->arch.stat.exit[i]);
	return sum;
}

/* Under the names that readers of KVM's statistics know. */
#define VCPU_STATS(X)							\
	X(exits, all_exits(vcpu))					\
	X(io_exits, vcpu->arch.stat.io_exits)				\
	X(mmio_exits, vcpu->arch.stat.mmio_exits)			\
	X(halt_exits, vcpu->arch.stat.halt_exits)			\
	X(signal_exits, vcpu->arch.stat.signal_exits)			\
	X(request_irq_exits, vcpu->arch.stat.request_irq_exits)		\
	X(irq_exits, vcpu->arch.stat.exit[VX_INTERRUPT])		\
	X(irq_injections, vcpu->arch.stat.injections)			\
	X(nmi_injections, vcpu->arch.stat.nmi_injections)		\
	X(insn_emulation, vcpu->arch.stat.emulations)

static const char * const names[] = {
#define X(n, value) #n,
	VCPU_STATS(X)
#undef X
};

/* After these: exit_REASON for each reason but NONE, then exit_time_REASON. */
#define NR_NAMES	ARRAY_SIZE(names)
#define NR_REASONS	(VX_COUNT - 1)

unsigned int vmm_arch_nr_vcpu_stats(void)
{
	return NR_NAMES + 2 * NR_REASONS;
}

void vmm_arch_vcpu_stat(unsigned int i, struct vmm_stat *stat)
{
	stat->flags = COUNTER;
	if (i < NR_NAMES) {
		strscpy(stat->name, names[i], sizeof(stat->name));
		return;
	}
	i -= NR_NAMES;
	if (i < NR_REASONS) {
		snprintf(stat->name, sizeof(stat->name), "exit_%s", vmm_exit_reason_name(1 + i));
		return;
	}
	stat->flags = SECONDS;
	stat->exponent = -9;
	snprintf(stat->name, sizeof(stat->name), "exit_time_%s",
		 vmm_exit_reason_name(1 + i - NR_REASONS));
}

void vmm_arch_vcpu_stat_values(struct vmm_vcpu *vcpu, u64 *values)
{
	unsigned int i;

#define X(n, value) *values++ = (value);
	VCPU_STATS(X)
#undef X
	for (i = 1; i < VX_COUNT; i++)
		*values++ = READ_ONCE(vcpu->arch.stat.exit[i]);
	for (i = 1; i < VX_COUNT; i++)
		*values++ = READ_ONCE(vcpu->arch.stat.exit_ns[i]);
}

/* --- time --- */

static u64 timing_since;		/* A: the probes' exits are not older */

static void probe_exit(void *unused, struct vmm_vcpu *vcpu)
{
	vcpu->arch.stat.timed_reason = vcpu->arch.exit.reason;
	vcpu->arch.stat.exit_at = ktime_get_mono_fast_ns();
}

static void probe_entry(void *unused, struct vmm_vcpu *vcpu)
{
	unsigned int reason = vcpu->arch.stat.timed_reason;
	u64 exit_at = vcpu->arch.stat.exit_at;

	/* No exit since the last entry, or it was before somebody looked again. */
	if (!reason || reason >= VX_COUNT || exit_at < READ_ONCE(timing_since))
		return;
	vcpu->arch.stat.exit_ns[reason] += ktime_get_mono_fast_ns() - exit_at;
	vcpu->arch.stat.timed_reason = VX_NONE;
}

/* Both: the parameters' lock. */
static bool exit_timing;
static bool no_more_timing;		/* the module goes; its parameters go last */

static int timing_on(void)
{
	int r;

	WRITE_ONCE(timing_since, ktime_get_mono_fast_ns());
	r = register_trace_vmm_entry(probe_entry, NULL);
	if (r)
		return r;
	r = register_trace_vmm_exit(probe_exit, NULL);
	if (r)
		unregister_trace_vmm_entry(probe_entry, NULL);
	return r;
}

static void timing_off(void)
{
	unregister_trace_vmm_exit(probe_exit, NULL);
	unregister_trace_vmm_entry(probe_entry, NULL);
	tracepoint_synchronize_unregister();
}

static int set_exit_timing(const char *value, const struct kernel_param *kp)
{
	bool on;
	int r = kstrtobool(value, &on);

	if (r || on == exit_timing)
		return r;
	if (no_more_timing)
		return -ENODEV;
	if (on)
		r = timing_on();
	else
		timing_off();
	if (!r)
		exit_timing = on;
	return r;
}

static const struct kernel_param_ops exit_timing_ops = {
	.set = set_exit_timing,
	.get = param_get_bool,
};

module_param_cb(exit_timing, &exit_timing_ops, &exit_timing, 0644);
MODULE_PARM_DESC(exit_timing, "Take the time of each exit, by reason, for statistics (default: off)");

void vmm_arch_stats_exit(void)
{
	kernel_param_lock(THIS_MODULE);
	if (exit_timing)
		timing_off();
	exit_timing = false;
	no_more_timing = true;
	kernel_param_unlock(THIS_MODULE);
}
