// SPDX-License-Identifier: GPL-2.0
/*
 * VMX operation of each CPU: VMXON with the first VM, VMXOFF after the last one,
 * at hotplug, suspend, reboot and crash. Called by virt/main.c on the CPU
 * concerned, with interrupts off.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/gfp.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>

#include "intel.h"

static DEFINE_PER_CPU(void *, vmxon_page);	/* I */
static DEFINE_PER_CPU(bool, vmx_on);		/* that CPU, interrupts off */

/* Firmware decides in MSR_IA32_FEAT_CTL, and locks its decision. */
static int check_feature_control(void)
{
	u64 ctl = 0, need = FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;

	rdmsrl_safe(MSR_IA32_FEAT_CTL, &ctl);
	if ((ctl & need) == need || (ctl & FEAT_CTL_VMX_ENABLED_INSIDE_SMX &&
				     __read_cr4() & X86_CR4_SMXE))
		return 0;
	pr_err_ratelimited("VT-x is %s (IA32_FEATURE_CONTROL is %#llx): enable it in the firmware setup\n",
			   ctl & FEAT_CTL_LOCKED ? "locked off by the firmware" :
			   "not enabled by the firmware", ctl);
	return -ENODEV;
}

int intel_cpu_enable(void)
{
	void *page = this_cpu_read(vmxon_page);
	int r;

	if (this_cpu_read(vmx_on))
		return 0;
	if (__read_cr4() & X86_CR4_VMXE) {
		pr_err_ratelimited("CPU %d: VT-x is held by another hypervisor: stop its VMs, or unload it (rmmod kvm-intel)\n",
				   smp_processor_id());
		return -EBUSY;
	}
	r = check_feature_control();
	if (!r)
		r = intel_caps_check_cpu();
	if (r)
		return r;

	/* Processor trace must not run across VMXON on CPUs that forbid it. */
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	r = cpu_vmxon_page(virt_to_phys(page));
	if (r) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		pr_err_ratelimited("CPU %d: VMXON failed\n", smp_processor_id());
		return r;
	}
	this_cpu_write(vmx_on, true);
	/* What an earlier owner left is tagged with EPTPs and VPIDs that we will use. */
	if (intel_caps.ept & VMX_EPT_EXTENT_GLOBAL_BIT)
		ept_invalidate(VMX_EPT_EXTENT_GLOBAL, 0);
	if (intel_caps.vpid & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)
		vpid_invalidate(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
	return 0;
}

/*
 * Also in an emergency, from NMI: VMX operation blocks INIT, and a VMCS that is
 * still in the CPU's cache may be written back into the next kernel's memory.
 */
void intel_cpu_disable(void)
{
	if (!this_cpu_read(vmx_on))
		return;
	intel_clear_loaded();
	this_cpu_write(vmx_on, false);
	cpu_leave_vmx();
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

int intel_enable_setup(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		void *page = (void *)get_zeroed_page(GFP_KERNEL);

		if (!page) {
			intel_enable_teardown();
			return -ENOMEM;
		}
		*(u32 *)page = intel_caps.basic & INTEL_REVISION_MASK;
		per_cpu(vmxon_page, cpu) = page;
	}
	return 0;
}

void intel_enable_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmxon_page, cpu));
		per_cpu(vmxon_page, cpu) = NULL;
	}
}
