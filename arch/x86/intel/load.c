// SPDX-License-Identifier: GPL-2.0
/*
 * Binding a vCPU to a CPU: its VMCS, and the MSRs and segment registers that the
 * CPU does not switch itself.
 *
 * A CPU keeps the VMCSs it worked with in caches of its own, so a VMCS must be
 * VMCLEARed where it was last used before another CPU may load it (SDM 25.11.1).
 * Each CPU lists those it may hold; the list belongs to that CPU and is touched
 * with its interrupts off, by an IPI from elsewhere.
 *
 * The host's and the guest's KERNEL_GS_BASE and syscall MSRs are exchanged once
 * per load, at the first entry, not at each entry and exit.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/sched.h>
#include <linux/smp.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

#include "intel.h"

static DEFINE_PER_CPU(struct list_head, loaded_list);	/* that CPU, interrupts off */
static DEFINE_PER_CPU(struct intel_vcpu *, current_vcpu);	/* whose VMCS is current */
static DEFINE_PER_CPU(struct desc_ptr, host_gdt);	/* as it is to be in user mode */

void intel_loaded_setup(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_LIST_HEAD(&per_cpu(loaded_list, cpu));
}

/* On the CPU that holds it, interrupts off. */
static void clear_here(void *arg)
{
	struct intel_vcpu *v = arg;

	if (v->vmcs_cpu != smp_processor_id())
		return;			/* hotplug was faster */
	vmcs_clear(v->vmcs_pa);
	if (this_cpu_read(current_vcpu) == v)
		this_cpu_write(current_vcpu, NULL);
	list_del(&v->loaded_link);
	v->launched = false;
	/* Pairs with the test in intel_load(): the CPU is let go of last. */
	smp_store_release(&v->vmcs_cpu, -1);
}

void intel_unload_vmcs(struct intel_vcpu *v)
{
	int cpu = READ_ONCE(v->vmcs_cpu);

	/* An offline CPU has cleared its list on the way down. */
	if (cpu >= 0)
		smp_call_function_single(cpu, clear_here, v, 1);
}

void intel_clear_loaded(void)
{
	struct intel_vcpu *v, *next;

	list_for_each_entry_safe(v, next, this_cpu_ptr(&loaded_list), loaded_link)
		clear_here(v);
}

/* Host state that is a CPU's own. */
static void write_host_cpu_state(int cpu)
{
	struct desc_ptr *gdt = this_cpu_ptr(&host_gdt);
	unsigned long value;

	native_store_gdt(gdt);
	gdt->size = GDT_SIZE - 1;
	vmcs_write(HOST_GDTR_BASE, gdt->address);
	vmcs_write(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	rdmsrl(MSR_GS_BASE, value);
	vmcs_write(HOST_GS_BASE, value);
	rdmsrl(MSR_IA32_SYSENTER_ESP, value);
	vmcs_write(HOST_IA32_SYSENTER_ESP, value);
}

/* Another VMCS is current here, or this one was last used on another CPU. */
static noinline void make_current(struct intel_vcpu *v, int cpu)
{
	int last = smp_load_acquire(&v->vmcs_cpu);

	if (last != cpu) {
		intel_unload_vmcs(v);
		/* A fresh page is no VMCS before this, nor is its launch state known. */
		if (!v->set_up)
			vmcs_clear(v->vmcs_pa);
		local_irq_disable();
		v->vmcs_cpu = cpu;
		list_add(&v->loaded_link, this_cpu_ptr(&loaded_list));
		local_irq_enable();
		/* Translations may be left here from when it last ran on this CPU. */
		v->flush_tlb = true;
	}
	local_irq_disable();
	vmcs_make_current(v->vmcs_pa);
	this_cpu_write(current_vcpu, v);
	local_irq_enable();
	if (last != cpu) {
		if (!v->set_up)
			intel_setup_vmcs(v);
		write_host_cpu_state(cpu);
		v->entry.host_rsp = 0;
	}
	intel_switch_barrier();
}

void intel_load(struct vmm_vcpu *vcpu, int cpu)
{
	if (unlikely(this_cpu_read(current_vcpu) != to_intel(vcpu)))
		make_current(to_intel(vcpu), cpu);
}

/* Without the detours of wrmsrl(): this is done twice each time user space runs. */
static __always_inline void write_msr(u32 msr, u64 value)
{
	__wrmsr(msr, (u32)value, value >> 32);
}

/* Interrupts off, about to enter. */
void intel_save_host(struct intel_vcpu *v)
{
	unsigned long fs_base;

	savesegment(fs, v->host_fs);
	savesegment(gs, v->host_gs);
	savesegment(ds, v->host_ds);
	savesegment(es, v->host_es);
	store_ldt(v->host_ldt);
	v->host_selectors = v->host_fs | v->host_gs | v->host_ds | v->host_es | v->host_ldt;
	fs_base = x86_fsbase_read_cpu();
	if (fs_base != v->host_fs_base) {
		v->host_fs_base = fs_base;
		vmcs_write(HOST_FS_BASE, fs_base);
	}
	v->host_kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	write_msr(MSR_KERNEL_GS_BASE, v->kernel_gs_base);
	v->host_debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		v->entry.host_spec_ctrl = raw_cpu_read(x86_spec_ctrl_current);
	v->uret_stale |= !!(v->vcpu.arch.efer & EFER_SCE);
	v->flush_l1d = true;
	v->host_saved = true;
}

/* SYSCALL reads them, and it is an invalid opcode while EFER.SCE is clear. */
void intel_load_uret(struct intel_vcpu *v)
{
	unsigned int i;

	v->uret_stale = false;
	if (!(v->vcpu.arch.efer & EFER_SCE))
		return;
	for (i = 0; i < INTEL_NR_URET; i++)
		if (intel_uret_slot(i) >= 0)
			vmm_uret_set(intel_uret_slot(i), v->uret[i]);
}

/* An exit leaves null selectors; put back those that user space had loaded. */
static void restore_selectors(struct intel_vcpu *v)
{
	if (v->host_ldt)
		asm volatile("lldt %0" : : "m" (v->host_ldt));
	if (v->host_ds | v->host_es) {
		loadsegment(ds, v->host_ds);
		loadsegment(es, v->host_es);
	}
	if (v->host_fs) {
		loadsegment(fs, v->host_fs);
		wrmsrl(MSR_FS_BASE, v->host_fs_base);
	}
	if (v->host_gs)
		load_gs_index(v->host_gs);
}

/*
 * An exit widens GDTR's limit beyond the table and narrows TR's to hide the I/O
 * bitmap (SDM 28.5.2, 28.5.3). User mode must not see the one and may need the
 * other.
 */
static __always_inline void restore_limits(void)
{
	load_gdt(this_cpu_ptr(&host_gdt));
	if (unlikely(test_thread_flag(TIF_IO_BITMAP)))
		invalidate_tss_limit();
	else
		this_cpu_write(__tss_limit_invalid, true);
}

void intel_put(struct vmm_vcpu *vcpu)
{
	struct intel_vcpu *v = to_intel(vcpu);

	if (!v->host_saved)
		return;
	v->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	if (unlikely(v->host_selectors))
		restore_selectors(v);
	write_msr(MSR_KERNEL_GS_BASE, v->host_kernel_gs_base);
	restore_limits();
	v->host_saved = false;
}
