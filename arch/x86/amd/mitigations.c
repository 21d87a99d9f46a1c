// SPDX-License-Identifier: GPL-2.0
/*
 * What is done against speculation leaks. The host's kernel decides what is
 * mitigated (its command line, its knowledge of the CPU) and patches the code
 * that does it: in entry.S the buffers before an entry, the return stack, SPEC_CTRL
 * and the return predictor after an exit; in vcpu.c the barrier between two
 * vCPUs on a CPU. Registers are cleared after every exit. Here it is told: the
 * parameter "mitigations", the same lines as the other vendor's where they apply.
 */
#include <linux/module.h>
#include <linux/sysfs.h>
#include <asm/cpufeature.h>

#include <vmm/compat.h>

#include "amd.h"

static const char *spec_ctrl(void)
{
	if (!boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		return "the CPU has none";
	return svm_has(SVM_F_SPEC_CTRL) ? "virtualized by the CPU" : "switched";
}

static const char *untrain_ret(void)
{
	if (boot_cpu_has(X86_FEATURE_ENTRY_IBPB) || boot_cpu_has(X86_FEATURE_IBPB_ON_VMEXIT))
		return "IBPB on each exit";
	if (boot_cpu_has(X86_FEATURE_UNRET) || boot_cpu_has(X86_FEATURE_SRSO_ALIAS))
		return "each exit";
	return "not needed";
}

static int show_mitigations(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "verw: %s\nrsb-fill: %s\nuntrain-ret: %s\n"
			  "spec-ctrl: %s\nibpb-on-switch: %s\n",
			  vmm_host_clears_cpu_buffers_vm() ? "each entry" : "not needed",
			  boot_cpu_has(X86_FEATURE_RSB_VMEXIT) ? "all entries" :
			  boot_cpu_has(X86_FEATURE_RSB_VMEXIT_LITE) ? "one entry" : "not needed",
			  untrain_ret(), spec_ctrl(),
			  vmm_host_uses_ibpb() ? "yes" : "not needed");
}

static const struct kernel_param_ops mitigations_ops = { .get = show_mitigations };
module_param_cb(mitigations, &mitigations_ops, NULL, 0444);
MODULE_PARM_DESC(mitigations, "what is done against speculation leaks (read only)");
