// SPDX-License-Identifier: GPL-2.0
/*
 * The bodies of the tracepoints, and the way for a backend into the one that
 * tells why an entry was refused.
 */
#include <linux/module.h>

#define CREATE_TRACE_POINTS
#include <vmm/trace.h>

/* A backend says why the CPU refused an entry: one line a broken rule. */
void vmm_trace_fail_entry(struct vmm_vcpu *vcpu, const char *why)
{
	trace_vmm_fail_entry(vcpu, why);
}
EXPORT_SYMBOL_GPL(vmm_trace_fail_entry);
