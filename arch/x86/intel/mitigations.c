// SPDX-License-Identifier: GPL-2.0
/*
 * Speculation leaks across entries and exits. The host kernel decides what is
 * mitigated (its command line, its knowledge of the CPU); here it is decided how
 * that applies to guests. What is active reads as the parameter "mitigations".
 *
 * In entry.S: the return stack and the branch history after an exit, SPEC_CTRL
 * on both ways, VERW before an entry. Here: flushing L1D before an entry, the
 * barrier between two vCPUs on a CPU.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>

#include <vmm/compat.h>

#include "intel.h"

unsigned int intel_enter_flags;
bool intel_l1d_wanted;
static bool l1d_always;			/* I */
static void *l1d_pages;			/* I: where there is no MSR for it */

/* Larger than any L1D, and than what its replacement policy may spare. */
#define L1D_ORDER	4
#define L1D_BYTES	(PAGE_SIZE << L1D_ORDER)
#define CACHE_LINE	64

static const char *l1d_text = "not needed";

static int setup_l1d(void)
{
	u64 caps = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF))
		return 0;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl_safe(MSR_IA32_ARCH_CAPABILITIES, &caps);
	if (caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH)
		return 0;
	switch (l1tf_mitigation) {
	case L1TF_MITIGATION_OFF:
		l1d_text = "off (l1tf=off)";
		return 0;
	case L1TF_MITIGATION_FULL:
	case L1TF_MITIGATION_FULL_FORCE:
		l1d_always = true;
		break;
	default:
		break;
	}
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		l1d_pages = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, L1D_ORDER);
		if (!l1d_pages)
			return -ENOMEM;
	}
	intel_l1d_wanted = true;
	l1d_text = l1d_always ? "each entry" : "entries after other code ran";
	return 0;
}

int intel_mitigations_setup(void)
{
	if (vmm_host_clears_cpu_buffers())
		intel_enter_flags |= BIT(INTEL_ENTER_VERW);
	return setup_l1d();
}

void intel_mitigations_teardown(void)
{
	free_pages((unsigned long)l1d_pages, L1D_ORDER);
}

/* Displace everything: pages first, so that no walk brings a line in between. */
static noinstr void fill_l1d(void)
{
	const u8 *p = l1d_pages;
	unsigned long i;

	for (i = 0; i < L1D_BYTES; i += PAGE_SIZE)
		asm volatile("movzbl %0, %%eax" : : "m" (p[i]) : "eax");
	asm volatile("cpuid" : : "a" (0) : "ebx", "ecx", "edx", "memory");
	for (i = 0; i < L1D_BYTES; i += CACHE_LINE)
		asm volatile("movzbl %0, %%eax" : : "m" (p[i]) : "eax");
	asm volatile("lfence" : : : "memory");
}

/*
 * Interrupts off, about to enter. Unless the host wants it each time, entries
 * right after an exit that only our own short path handled are left out: what
 * they brought into the cache is the guest's own data.
 */
void intel_l1d_flush(struct intel_vcpu *v)
{
	if (!l1d_always) {
		bool flush = vmm_take_l1d_touched() | v->flush_l1d;

		v->flush_l1d = false;
		if (!flush)
			return;
	}
	if (l1d_pages)
		fill_l1d();
	else
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
}

/* A CPU goes over to another vCPU: the one must not train the other's branches. */
void intel_switch_barrier(void)
{
	indirect_branch_prediction_barrier();
}

static int show_mitigations(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "l1d-flush: %s\nverw: %s\nrsb-fill: %s\nbhb-clear: %s\n"
			  "spec-ctrl: %s\nibpb-on-switch: %s\n", l1d_text,
			  intel_enter_flags & BIT(INTEL_ENTER_VERW) ? "each entry" : "not needed",
			  boot_cpu_has(X86_FEATURE_RSB_VMEXIT) ? "all entries" :
			  boot_cpu_has(X86_FEATURE_RSB_VMEXIT_LITE) ? "one entry" : "not needed",
			  vmm_host_clears_bhb() ? "each exit" : "not needed",
			  !boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) ? "the CPU has none" :
			  boot_cpu_has(X86_FEATURE_KERNEL_IBRS) ? "switched, IBRS set on each exit" :
			  "switched",
			  vmm_host_uses_ibpb() ? "yes" : "not needed");
}

static const struct kernel_param_ops mitigations_ops = { .get = show_mitigations };
module_param_cb(mitigations, &mitigations_ops, NULL, 0444);
MODULE_PARM_DESC(mitigations, "What is done against speculation leaks (read only)");
