// SPDX-License-Identifier: GPL-2.0
/*
 * vmm-amd.ko: loading, what the CPU must have, switching the extensions on and
 * off, and the table of operations that the core calls (include/vmm/backend.h).
 *
 * cpu_enable and cpu_disable run on the CPU in question with interrupts off;
 * the core serializes them with hotplug, suspend and reboot. Nothing here takes
 * a lock.
 */
#define pr_fmt(fmt) "vmm-amd: " fmt

#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/topology.h>
#include <asm/cpu_device_id.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include <vmm/tdp.h>

#include "amd.h"

/* MSR_VM_CR (APM 15.30.1). */
#define VM_CR_LOCK	BIT(3)
#define VM_CR_SVMDIS	BIT(4)

static unsigned int features = ~0U;
module_param(features, uint, 0444);
MODULE_PARM_DESC(features, "mask on CPUID 0x8000000a EDX: clear a bit to do without that feature (default: all ones)");

struct svm_features svm_features __ro_after_init;
DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

/* --- on and off --- */

static int svm_cpu_enable(void)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpu);
	u64 efer, vm_cr;

	if (!rdmsrl_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS)) {
		pr_err_ratelimited("CPU %d: AMD-V is disabled%s; switch it on in the firmware's setup (\"SVM mode\")\n",
				   smp_processor_id(),
				   vm_cr & VM_CR_LOCK ? " and locked by the firmware" : "");
		return -ENODEV;
	}
	if ((cpuid_edx(SVM_CPUID_FUNC) & svm_features.edx) != svm_features.edx) {
		pr_err_ratelimited("CPU %d: offers less of AMD-V than the boot CPU; load vmm-amd with features=%#x\n",
				   smp_processor_id(), cpuid_edx(SVM_CPUID_FUNC));
		return -ENODEV;
	}
	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME) {
		pr_err_ratelimited("CPU %d: AMD-V is in use by another hypervisor; stop its VMs or unload it (kvm-amd: \"modprobe -r kvm_amd\")\n",
				   smp_processor_id());
		return -EBUSY;
	}
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, __sme_set(page_to_phys(cpu->hsave)));

	/* Nothing is known of the TLB, the predictors and the ratio: begin anew. */
	cpu->asid_gen++;
	cpu->next_asid = svm_features.nr_asids;
	cpu->last_vcpu = 0;
	cpu->tsc_ratio = 0;
	return 0;
}

/* Also on the way into a crash kernel: no lock, no allocation, no assumption. */
static void svm_cpu_disable(void)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	/* Interrupts and NMIs must not stay held after the extensions are gone. */
	asm volatile("stgi" ::: "memory");
	if (svm_has(SVM_F_TSC_RATIO))
		wrmsr(MSR_AMD64_TSC_RATIO, lower_32_bits(SVM_TSC_RATIO_DEFAULT),
		      upper_32_bits(SVM_TSC_RATIO_DEFAULT));
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

static int svm_vm_init(struct vmm_vm *vm)
{
	return 0;
}

/* --- the table --- */

static struct vmm_backend svm_backend = {
	.name = "amd",
	.owner = THIS_MODULE,
	.vcpu_size = sizeof(struct svm_vcpu),
	.vm_size = sizeof(struct vmm_vm),
	.tdp = &tdp_format_npt,
	.tdp_ad = true,
	.nested_format = VMM_STATE_NESTED_FORMAT_SVM,
	.nested_flags = VMM_STATE_NESTED_GIF_SET,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.vm_init = svm_vm_init,
	.vcpu_init = svm_vcpu_init,
	.vcpu_destroy = svm_vcpu_destroy,
	.vcpu_reset = svm_vcpu_reset,
	.load = svm_load,
	.run = svm_run,
	.fetch = svm_fetch,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.msr_passthrough = svm_msr_passthrough,
	.update_intercepts = svm_update_intercepts,
	.flush_tlb = svm_flush_tlb,
	.flush_gva = svm_flush_gva,
	.exit_name = svm_exit_name,
	.explain = svm_explain,
	.dump = svm_dump,
};

/* --- loading --- */

/* QEMU's TCG says so in the hypervisor leaf; its XSETBV ignores the intercept. */
static bool __init runs_on_tcg(void)
{
	u32 eax, ebx, ecx, edx;

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return false;
	cpuid(0x40000000, &eax, &ebx, &ecx, &edx);
	return ebx == 0x54474354 && ecx == 0x43544743 && edx == 0x47435447;
}

static int __init check_cpu(void)
{
	if (!(cpuid_ecx(0x80000001) & BIT(X86_FEATURE_SVM & 31))) {
		pr_err("this CPU has no AMD-V\n");
		return -ENODEV;
	}
	if (cpuid_eax(0x80000000) < SVM_CPUID_FUNC) {
		pr_err("this CPU does not describe its AMD-V (no CPUID leaf 0x8000000a)\n");
		return -ENODEV;
	}
	svm_features.edx = cpuid_edx(SVM_CPUID_FUNC) & features;
	svm_features.nr_asids = cpuid_ebx(SVM_CPUID_FUNC);
	svm_features.clean = svm_has(SVM_F_CLEAN_BITS) ? CLEAN_ALL : 0;
	svm_features.lost_xsetbv = runs_on_tcg();
	if (!svm_has(SVM_F_NPT)) {
		pr_err("this CPU has no nested paging (NPT), which vmm needs\n");
		return -ENODEV;
	}
	if (svm_features.nr_asids < 2) {
		pr_err("this CPU has no address space identifier for a guest\n");
		return -ENODEV;
	}
	return 0;
}

static void __init fill_caps(struct vmm_backend *b)
{
	if (svm_has(SVM_F_NEXT_RIP))
		b->caps |= VMM_BCAP_NEXT_RIP;
	if (svm_has(SVM_F_DECODE_ASSIST))
		b->caps |= VMM_BCAP_DECODE_ASSIST;
	if (svm_has(SVM_F_PAUSE_FILTER))
		b->caps |= VMM_BCAP_PAUSE_EXIT;
	if (svm_features.lost_xsetbv)
		b->caps |= VMM_BCAP_XSETBV_LOST;
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		b->caps |= VMM_BCAP_XSAVES;
	if (boot_cpu_has(X86_FEATURE_INVPCID))
		b->caps |= VMM_BCAP_INVPCID;
	if (boot_cpu_has(X86_FEATURE_RDTSCP))
		b->caps |= VMM_BCAP_RDTSCP;
	if (svm_has(SVM_F_TSC_RATIO)) {
		b->caps |= VMM_BCAP_TSC_SCALING;
		b->tsc_frac_bits = 32;
		b->max_tsc_ratio = SVM_TSC_RATIO_MAX;
	}
	b->tdp_max_level = boot_cpu_has(X86_FEATURE_GBPAGES) ? 3 : 2;
}

static void free_cpus(void)
{
	int i;

	for_each_possible_cpu(i) {
		struct svm_cpu *cpu = per_cpu_ptr(&svm_cpu, i);

		if (cpu->hsave)
			__free_page(cpu->hsave);
		if (cpu->host)
			__free_page(cpu->host);
	}
}

static int __init alloc_cpus(void)
{
	int i;

	for_each_possible_cpu(i) {
		struct svm_cpu *cpu = per_cpu_ptr(&svm_cpu, i);
		int node = cpu_to_node(i);

		cpu->hsave = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
		cpu->host = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
		if (!cpu->hsave || !cpu->host) {
			free_cpus();
			return -ENOMEM;
		}
		cpu->host_pa = __sme_set(page_to_phys(cpu->host));
	}
	return 0;
}

static int __init svm_module_init(void)
{
	int r;

	r = check_cpu();
	if (r)
		return r;
	fill_caps(&svm_backend);
	r = alloc_cpus();
	if (r)
		return r;
	r = svm_maps_alloc();
	if (r)
		goto out_cpus;
	r = vmm_backend_register(&svm_backend);
	if (!r)
		return 0;
	svm_maps_free();
out_cpus:
	free_cpus();
	return r;
}
module_init(svm_module_init);

static void __exit svm_module_exit(void)
{
	vmm_backend_unregister(&svm_backend);
	svm_maps_free();
	free_cpus();
}
module_exit(svm_module_exit);

static const struct x86_cpu_id svm_cpu_ids[] = {
	X86_MATCH_FEATURE(X86_FEATURE_SVM, NULL),
	{}
};
MODULE_DEVICE_TABLE(x86cpu, svm_cpu_ids);

MODULE_DESCRIPTION("vmm: AMD-V with nested paging");
MODULE_LICENSE("GPL");
