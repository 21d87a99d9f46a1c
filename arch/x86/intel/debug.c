// SPDX-License-Identifier: GPL-2.0
/*
 * Accesses to the VMCS: what the CPU refused; what a test wants broken; and in
 * debug builds (make VMM_DEBUG=1) how many an exit costs, from it to the next entry.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/printk.h>

#include "intel.h"

DEFINE_PER_CPU(u64, intel_vmcs_accesses);

void intel_vmcs_refused(const char *what, unsigned long field)
{
	pr_err_ratelimited("%s %#lx was refused, error %lu\n", what, field,
			   field == VM_INSTRUCTION_ERROR ? 0 : vmcs_read(VM_INSTRUCTION_ERROR));
}

bool intel_spoil(struct intel_vcpu *v)
{
	struct vmm_exit *exit = &v->vcpu.arch.exit;
	struct vmm_spoil s;
	unsigned int i;

	if (!vmm_spoil_take(&s))
		return false;
	for (i = 0; i < s.nr; i++)
		vmcs_write(s.change[i].field,
			   (vmcs_read(s.change[i].field) & ~s.change[i].clear) | s.change[i].set);
	if (!s.refuse)
		return false;
	exit->reason = VX_FAIL_ENTRY;
	exit->hw_reason = s.reason;
	exit->info[0] = 0;
	exit->vectoring.type = VMM_EVENT_NONE;
	intel_take_back_event(v);
	return true;
}

/* By core reason: the last exit's accesses, and the fewest seen. */
static struct exit_cost {
	u32 last, least;
} exit_costs[VX_COUNT];

/* About to enter: the previous exit is over. */
void intel_account_exit(struct intel_vcpu *v)
{
	u64 count = this_cpu_read(intel_vmcs_accesses) - v->accesses_at_exit;
	struct exit_cost *cost = &exit_costs[v->vcpu.arch.exit.reason];

	if (!v->accesses_at_exit || v->vcpu.arch.exit.reason >= VX_COUNT)
		return;
	v->accesses_at_exit = 0;
	cost->last = count;
	if (!cost->least || count < cost->least)
		cost->least = count;
}

static int show_exit_costs(char *buf, const struct kernel_param *kp)
{
	unsigned int i;
	int len = 0;

	if (!VMM_DEBUG)
		return sysfs_emit(buf, "not counted: build with VMM_DEBUG=1\n");
	for (i = 0; i < VX_COUNT; i++)
		if (exit_costs[i].least)
			len += sysfs_emit_at(buf, len, "%s %u %u\n", vmm_exit_reason_name(i),
					     exit_costs[i].last, exit_costs[i].least);
	return len;
}

static const struct kernel_param_ops exit_cost_ops = { .get = show_exit_costs };
module_param_cb(exit_cost, &exit_cost_ops, NULL, 0444);
MODULE_PARM_DESC(exit_cost, "VMREADs and VMWRITEs per exit: reason, last, fewest (debug builds)");
