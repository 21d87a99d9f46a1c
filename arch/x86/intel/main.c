// SPDX-License-Identifier: GPL-2.0
/*
 * vmm-intel.ko: the backend for VT-x with EPT and unrestricted guests. This file
 * is the table that the core calls through, and the module's setup.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/module.h>
#include <asm/cpu_device_id.h>

#include "intel.h"

/* A VM has no state of its own here: its translations are the core's. */
static int intel_vm_init(struct vmm_vm *vm)
{
	return 0;
}

static struct vmm_backend intel_backend = {
	.name = "intel",
	.owner = THIS_MODULE,
	.vcpu_size = sizeof(struct intel_vcpu),
	.vm_size = sizeof(struct vmm_vm),
	.tdp = &tdp_format_ept,
	.tsc_frac_bits = 48,
	.nested_format = VMM_STATE_NESTED_FORMAT_VMX,

	.cpu_enable = intel_cpu_enable,
	.cpu_disable = intel_cpu_disable,
	.vm_init = intel_vm_init,
	.vcpu_init = intel_vcpu_init,
	.vcpu_destroy = intel_vcpu_destroy,
	.vcpu_reset = intel_vcpu_reset,
	.load = intel_load,
	.put = intel_put,
	.run = intel_run,
	.fetch = intel_fetch,
	.get_msr = intel_get_msr,
	.set_msr = intel_set_msr,
	.msr_passthrough = intel_msr_passthrough,
	.update_intercepts = intel_update_intercepts,
	.cr_valid = intel_cr_valid,
	.flush_tlb = intel_flush_tlb,
	.flush_gva = intel_flush_gva,
	.exit_name = intel_exit_name,
	.explain = intel_explain,
	.dump = intel_dump,
};

/* What the core is told of this CPU. */
static void fill_backend(struct vmm_backend *b)
{
	u32 cpu2 = intel_caps.cpu2;

	b->caps = VMM_BCAP_NEXT_RIP | VMM_BCAP_DECODE_ASSIST | VMM_BCAP_PDPTRS;
	if (cpu2 & SECONDARY_EXEC_TSC_SCALING) {
		b->caps |= VMM_BCAP_TSC_SCALING;
		b->max_tsc_ratio = ~0ull;
	}
	if (cpu2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING)
		b->caps |= VMM_BCAP_PAUSE_EXIT;
	if (cpu2 & INTEL_CTL2_XSAVES)
		b->caps |= VMM_BCAP_XSAVES;
	if (cpu2 & SECONDARY_EXEC_ENABLE_INVPCID)
		b->caps |= VMM_BCAP_INVPCID;
	if (cpu2 & SECONDARY_EXEC_ENABLE_RDTSCP)
		b->caps |= VMM_BCAP_RDTSCP;
	b->tdp_max_level = intel_caps.ept & VMX_EPT_1GB_PAGE_BIT ? 3 :
			   intel_caps.ept & VMX_EPT_2MB_PAGE_BIT ? 2 : 1;
	b->tdp_ad = intel_caps.ept & VMX_EPT_AD_BIT;
}

static int __init intel_init(void)
{
	int r;

	r = intel_caps_setup();
	if (r)
		return r;
	r = intel_enable_setup();
	if (r)
		return r;
	r = intel_mitigations_setup();
	if (r)
		goto no_mitigations;
	intel_loaded_setup();
	r = intel_msr_setup();
	if (r)
		goto no_backend;
	fill_backend(&intel_backend);
	r = vmm_backend_register(&intel_backend);
	if (r)
		goto no_backend;
	return 0;

no_backend:
	intel_mitigations_teardown();
no_mitigations:
	intel_enable_teardown();
	return r;
}

static void __exit intel_exit(void)
{
	vmm_backend_unregister(&intel_backend);
	intel_mitigations_teardown();
	intel_enable_teardown();
}

/* Loads the module on CPUs with VT-x. */
static const struct x86_cpu_id intel_cpu_ids[] = {
	X86_MATCH_FEATURE(X86_FEATURE_VMX, NULL),
	{}
};
MODULE_DEVICE_TABLE(x86cpu, intel_cpu_ids);

module_init(intel_init);
module_exit(intel_exit);
MODULE_DESCRIPTION("vmm: VT-x backend");
MODULE_LICENSE("GPL");
