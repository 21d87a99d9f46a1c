// SPDX-License-Identifier: GPL-2.0
/*
 * What the CPU offers: the capability MSRs (SDM vol. 3, appendix A), adjusted to
 * the controls that vmm uses. Read at module load; each CPU is compared with
 * that when the extensions are switched on, since a vCPU may run on any of them.
 *
 * Required: extended page tables (4 levels, write-back) and unrestricted guests.
 * Without the latter a CPU cannot run a guest whose paging is off, and vmm has
 * no emulation of that. All other features are used where they exist.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/module.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include "intel.h"

struct intel_caps intel_caps;

/* Each optional feature can be turned off, to compare or to find a fault. */
static bool use_vpid = true;
module_param_named(vpid, use_vpid, bool, 0444);
MODULE_PARM_DESC(vpid, "Tag translations with a virtual-processor identifier (default: yes)");
static bool use_tsc_scaling = true;
module_param_named(tsc_scaling, use_tsc_scaling, bool, 0444);
MODULE_PARM_DESC(tsc_scaling, "Let the CPU scale the guest's TSC (default: yes)");
static bool use_ept_ad = true;
module_param_named(ept_ad, use_ept_ad, bool, 0444);
MODULE_PARM_DESC(ept_ad, "Let the CPU set accessed and dirty bits in EPT entries (default: yes)");
static bool use_ple = true;
module_param_named(ple, use_ple, bool, 0444);
MODULE_PARM_DESC(ple, "Exit when a guest spins on PAUSE (default: yes)");

struct control_name {
	u32 bit;
	const char *name;
};

#define PIN_REQUIRED	(PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS)
#define CPU_REQUIRED	(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_USE_TSC_OFFSETTING |	\
			 CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING |		\
			 CPU_BASED_RDPMC_EXITING | CPU_BASED_CR8_LOAD_EXITING |		\
			 CPU_BASED_CR8_STORE_EXITING | CPU_BASED_NMI_WINDOW_EXITING |	\
			 CPU_BASED_MOV_DR_EXITING | CPU_BASED_UNCOND_IO_EXITING |	\
			 CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_MONITOR_EXITING |	\
			 CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
#define CPU2_REQUIRED	(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST)
#define CPU2_OPTIONAL	(SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_ENABLE_RDTSCP |	\
			 SECONDARY_EXEC_ENABLE_INVPCID | INTEL_CTL2_XSAVES |		\
			 SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_PAUSE_LOOP_EXITING |\
			 SECONDARY_EXEC_TSC_SCALING | SECONDARY_EXEC_ENCLS_EXITING)
#define EXIT_REQUIRED	(VM_EXIT_SAVE_DEBUG_CONTROLS | VM_EXIT_HOST_ADDR_SPACE_SIZE |	\
			 VM_EXIT_LOAD_IA32_PAT | VM_EXIT_LOAD_IA32_EFER)
#define ENTRY_REQUIRED	(VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_IA32E_MODE |		\
			 VM_ENTRY_LOAD_IA32_PAT | VM_ENTRY_LOAD_IA32_EFER)

static const struct control_name pin_names[] = {
	{ PIN_BASED_EXT_INTR_MASK, "external-interrupt exiting" },
	{ PIN_BASED_NMI_EXITING, "NMI exiting" },
	{ PIN_BASED_VIRTUAL_NMIS, "virtual NMIs" },
	{}
};

static const struct control_name cpu_names[] = {
	{ CPU_BASED_INTR_WINDOW_EXITING, "interrupt-window exiting" },
	{ CPU_BASED_USE_TSC_OFFSETTING, "use TSC offsetting" },
	{ CPU_BASED_HLT_EXITING, "HLT exiting" },
	{ CPU_BASED_MWAIT_EXITING, "MWAIT exiting" },
	{ CPU_BASED_RDPMC_EXITING, "RDPMC exiting" },
	{ CPU_BASED_CR8_LOAD_EXITING, "CR8-load exiting" },
	{ CPU_BASED_CR8_STORE_EXITING, "CR8-store exiting" },
	{ CPU_BASED_NMI_WINDOW_EXITING, "NMI-window exiting" },
	{ CPU_BASED_MOV_DR_EXITING, "MOV-DR exiting" },
	{ CPU_BASED_UNCOND_IO_EXITING, "unconditional I/O exiting" },
	{ CPU_BASED_USE_MSR_BITMAPS, "use MSR bitmaps" },
	{ CPU_BASED_MONITOR_EXITING, "MONITOR exiting" },
	{ CPU_BASED_ACTIVATE_SECONDARY_CONTROLS, "secondary controls" },
	{}
};

static const struct control_name cpu2_names[] = {
	{ SECONDARY_EXEC_ENABLE_EPT, "extended page tables (EPT)" },
	{ SECONDARY_EXEC_UNRESTRICTED_GUEST, "unrestricted guest" },
	{}
};

static const struct control_name exit_names[] = {
	{ VM_EXIT_SAVE_DEBUG_CONTROLS, "save debug controls" },
	{ VM_EXIT_HOST_ADDR_SPACE_SIZE, "64-bit host" },
	{ VM_EXIT_LOAD_IA32_PAT, "load IA32_PAT" },
	{ VM_EXIT_LOAD_IA32_EFER, "load IA32_EFER" },
	{}
};

static const struct control_name entry_names[] = {
	{ VM_ENTRY_LOAD_DEBUG_CONTROLS, "load debug controls" },
	{ VM_ENTRY_IA32E_MODE, "IA-32e mode guest" },
	{ VM_ENTRY_LOAD_IA32_PAT, "load IA32_PAT" },
	{ VM_ENTRY_LOAD_IA32_EFER, "load IA32_EFER" },
	{}
};

/*
 * One group of controls: what is required, what is wanted, what the CPU insists
 * on. Returns how many required ones are missing, each with a line in the log.
 */
static int adjust(const char *group, u32 msr, u32 required, u32 optional,
		  const struct control_name *names, u32 *low, u32 *high, u32 *value)
{
	u64 cap = 0;
	int missing = 0;

	rdmsrl_safe(msr, &cap);
	*low = cap;
	*high = cap >> 32;
	*value = *low | required | (optional & *high);
	for (; names->name; names++) {
		if (!(required & ~*high & names->bit))
			continue;
		pr_err("this CPU lacks \"%s\" (%s VM controls, MSR %#x)\n",
		       names->name, group, msr);
		missing++;
	}
	return missing;
}

static int read_controls(struct intel_caps *c)
{
	/* The TRUE MSRs say which default-1 bits may be 0 (SDM A.3.1). */
	bool true_msrs = c->basic & BIT_ULL(55);
	u32 optional = CPU2_OPTIONAL;
	int missing;

	if (!use_vpid)
		optional &= ~SECONDARY_EXEC_ENABLE_VPID;
	if (!use_tsc_scaling)
		optional &= ~SECONDARY_EXEC_TSC_SCALING;
	if (!use_ple)
		optional &= ~SECONDARY_EXEC_PAUSE_LOOP_EXITING;

	missing = adjust("pin-based", true_msrs ? MSR_IA32_VMX_TRUE_PINBASED_CTLS :
			 MSR_IA32_VMX_PINBASED_CTLS, PIN_REQUIRED, 0, pin_names,
			 &c->allowed_pin.low, &c->allowed_pin.high, &c->pin);
	missing += adjust("processor-based", true_msrs ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS :
			  MSR_IA32_VMX_PROCBASED_CTLS, CPU_REQUIRED, 0, cpu_names,
			  &c->allowed_cpu.low, &c->allowed_cpu.high, &c->cpu);
	missing += adjust("secondary", MSR_IA32_VMX_PROCBASED_CTLS2, CPU2_REQUIRED, optional,
			  cpu2_names, &c->allowed_cpu2.low, &c->allowed_cpu2.high, &c->cpu2);
	missing += adjust("exit", true_msrs ? MSR_IA32_VMX_TRUE_EXIT_CTLS :
			  MSR_IA32_VMX_EXIT_CTLS, EXIT_REQUIRED, 0, exit_names,
			  &c->allowed_exit.low, &c->allowed_exit.high, &c->exit);
	missing += adjust("entry", true_msrs ? MSR_IA32_VMX_TRUE_ENTRY_CTLS :
			  MSR_IA32_VMX_ENTRY_CTLS, ENTRY_REQUIRED, 0, entry_names,
			  &c->allowed_entry.low, &c->allowed_entry.high, &c->entry);
	return missing ? -ENODEV : 0;
}

static int read_ept(struct intel_caps *c)
{
	u64 cap = 0;

	rdmsrl_safe(MSR_IA32_VMX_EPT_VPID_CAP, &cap);
	c->ept = cap;
	c->vpid = cap >> 32;
	if (!(c->ept & VMX_EPT_PAGE_WALK_4_BIT) || !(c->ept & VMX_EPTP_WB_BIT)) {
		pr_err("this CPU's EPT has no %s\n", c->ept & VMX_EPT_PAGE_WALK_4_BIT ?
		       "write-back paging structures" : "4-level tables");
		return -ENODEV;
	}
	if (!(c->ept & VMX_EPT_INVEPT_BIT) ||
	    !(c->ept & (VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT))) {
		pr_err("this CPU's EPT has no INVEPT\n");
		return -ENODEV;
	}
	if (!use_ept_ad)
		c->ept &= ~(u32)VMX_EPT_AD_BIT;
	/* A tag that cannot be dropped is worse than none. */
	if (!(c->vpid & VMX_VPID_INVVPID_BIT) ||
	    !(c->vpid & (VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT | VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)))
		c->cpu2 &= ~SECONDARY_EXEC_ENABLE_VPID;
	return 0;
}

static int read_caps(struct intel_caps *c)
{
	int r;

	memset(c, 0, sizeof(*c));
	if (!(cpuid_ecx(1) & BIT(5))) {
		pr_err("this CPU has no VT-x (CPUID.1:ECX.VMX is clear)\n");
		return -ENODEV;
	}
	rdmsrl(MSR_IA32_VMX_BASIC, c->basic);
	rdmsrl(MSR_IA32_VMX_MISC, c->misc);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, c->cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, c->cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, c->cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, c->cr4_fixed1);
	if (vmx_basic_vmcs_size(c->basic) > PAGE_SIZE) {
		pr_err("this CPU's VMCS does not fit into a page\n");
		return -ENODEV;
	}
	r = read_controls(c);
	return r ? r : read_ept(c);
}

int intel_caps_setup(void)
{
	return read_caps(&intel_caps);
}

/* Mixed CPUs: a VMCS made for one must be valid on all. */
int intel_caps_check_cpu(void)
{
	struct intel_caps here;
	int r = read_caps(&here);

	if (r)
		return r;
	if (memcmp(&here, &intel_caps, sizeof(here))) {
		pr_err("CPU %d differs from the first one in its VMX capabilities\n",
		       smp_processor_id());
		return -ENODEV;
	}
	return 0;
}
