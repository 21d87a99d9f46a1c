// SPDX-License-Identifier: GPL-2.0
/*
 * Rules on the control fields: a broken one is VM-instruction error 7.
 */
#include "explain.h"

static bool intr_valid(const struct entry_state *s)
{
	return s->intr_info & INTR_INFO_VALID_MASK;
}

static u32 intr_type(const struct entry_state *s)
{
	return s->intr_info & INTR_INFO_INTR_TYPE_MASK;
}

static u8 intr_vector(const struct entry_state *s)
{
	return s->intr_info & INTR_INFO_VECTOR_MASK;
}

/*
 * May, and must, an error code be delivered? #DF #TS #NP #SS #GP #PF #AC have one,
 * but newer CPUs leave that to software (bit 56 of VMX_BASIC; SDM 27.2.1.3).
 */
#define BASIC_ANY_ERROR_CODE	BIT_ULL(56)

static bool may_push_error(const struct entry_state *s)
{
	const u32 with_error = BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17);

	if (intr_type(s) != INTR_TYPE_HARD_EXCEPTION || intr_vector(s) > 31)
		return false;
	if (s->unrestricted && !(s->cr0 & X86_CR0_PE))
		return false;
	return intel_caps.basic & BASIC_ANY_ERROR_CODE || with_error & BIT(intr_vector(s));
}

static bool must_push_error(const struct entry_state *s)
{
	return !(intel_caps.basic & BASIC_ANY_ERROR_CODE) && may_push_error(s);
}

static bool has_length(const struct entry_state *s)
{
	return intr_valid(s) && (intr_type(s) == INTR_TYPE_SOFT_INTR ||
				 intr_type(s) == INTR_TYPE_SOFT_EXCEPTION ||
				 intr_type(s) == INTR_TYPE_PRIV_SW_EXCEPTION);
}

static bool cpu2(const struct entry_state *s, u32 bit)
{
	return s->cpu & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS && s->cpu2 & bit;
}

static bool bad_address(u32 count_field, u32 address_field)
{
	return vmcs_read(count_field) && bad_physical(vmcs_read(address_field), 15);
}

static bool bad_eptp_reserved(void)
{
	u64 eptp = vmcs_read(EPT_POINTER);

	return (eptp & GENMASK_ULL(11, 8)) || eptp >> boot_cpu_data.x86_phys_bits;
}

static bool bad_eptp_type(void)
{
	u64 type = vmcs_read(EPT_POINTER) & VMX_EPTP_MT_MASK;

	return type != VMX_EPTP_MT_WB &&
	       !(type == VMX_EPTP_MT_UC && intel_caps.ept & VMX_EPTP_UC_BIT);
}

#define VEXEC	"27.2.1.1"
#define VEXIT	"27.2.1.2"
#define VENTRY	"27.2.1.3"

#define CONTROL_RULES(R)							\
R(pin, VEXEC, PIN_BASED_VM_EXEC_CONTROL, "bits that this CPU fixes are wrong",	\
  bad_controls(s->pin, intel_caps.allowed_pin.low, intel_caps.allowed_pin.high))\
R(cpu, VEXEC, CPU_BASED_VM_EXEC_CONTROL, "bits that this CPU fixes are wrong",	\
  bad_controls(s->cpu, intel_caps.allowed_cpu.low, intel_caps.allowed_cpu.high))\
R(cpu2, VEXEC, SECONDARY_VM_EXEC_CONTROL, "bits that this CPU fixes are wrong",	\
  s->cpu & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS &&				\
  bad_controls(s->cpu2, intel_caps.allowed_cpu2.low, intel_caps.allowed_cpu2.high))\
R(cr3_targets, VEXEC, CR3_TARGET_COUNT, "more CR3 targets than the CPU has",	\
  vmcs_read(CR3_TARGET_COUNT) > vmx_misc_cr3_count(intel_caps.misc))		\
R(io_a, VEXEC, IO_BITMAP_A, "I/O bitmap A is not a page of physical memory",	\
  s->cpu & CPU_BASED_USE_IO_BITMAPS && bad_physical(vmcs_read(IO_BITMAP_A), 0xfff))\
R(io_b, VEXEC, IO_BITMAP_B, "I/O bitmap B is not a page of physical memory",	\
  s->cpu & CPU_BASED_USE_IO_BITMAPS && bad_physical(vmcs_read(IO_BITMAP_B), 0xfff))\
R(msr_bitmap, VEXEC, MSR_BITMAP, "the MSR bitmap is not a page of physical memory",\
  s->cpu & CPU_BASED_USE_MSR_BITMAPS && bad_physical(vmcs_read(MSR_BITMAP), 0xfff))\
R(vapic, VEXEC, VIRTUAL_APIC_PAGE_ADDR, "the virtual APIC is not a page of physical memory",\
  s->cpu & CPU_BASED_TPR_SHADOW && bad_physical(vmcs_read(VIRTUAL_APIC_PAGE_ADDR), 0xfff))\
R(tpr_threshold, VEXEC, TPR_THRESHOLD, "bits 31:4 are not 0",			\
  s->cpu & CPU_BASED_TPR_SHADOW && !cpu2(s, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) &&\
  vmcs_read(TPR_THRESHOLD) & ~15ul)						\
R(vnmi, VEXEC, PIN_BASED_VM_EXEC_CONTROL, "virtual NMIs without NMI exiting",	\
  s->pin & PIN_BASED_VIRTUAL_NMIS && !(s->pin & PIN_BASED_NMI_EXITING))		\
R(nmi_window, VEXEC, CPU_BASED_VM_EXEC_CONTROL, "NMI-window exiting without virtual NMIs",\
  s->cpu & CPU_BASED_NMI_WINDOW_EXITING && !(s->pin & PIN_BASED_VIRTUAL_NMIS))	\
R(apic_access, VEXEC, APIC_ACCESS_ADDR, "the APIC-access page is not a page of physical memory",\
  cpu2(s, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES) &&				\
  bad_physical(vmcs_read(APIC_ACCESS_ADDR), 0xfff))				\
R(no_tpr_shadow, VEXEC, SECONDARY_VM_EXEC_CONTROL, "APIC virtualization without TPR shadow",\
  !(s->cpu & CPU_BASED_TPR_SHADOW) &&						\
  cpu2(s, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | SECONDARY_EXEC_APIC_REGISTER_VIRT |\
       SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY))					\
R(two_apics, VEXEC, SECONDARY_VM_EXEC_CONTROL, "x2APIC mode and APIC accesses are both virtualized",\
  cpu2(s, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE) &&				\
  cpu2(s, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES))				\
R(vid, VEXEC, SECONDARY_VM_EXEC_CONTROL, "virtual-interrupt delivery without external-interrupt exiting",\
  cpu2(s, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) && !(s->pin & PIN_BASED_EXT_INTR_MASK))\
R(posted, VEXEC, PIN_BASED_VM_EXEC_CONTROL, "posted interrupts without virtual-interrupt delivery",\
  s->pin & PIN_BASED_POSTED_INTR && !cpu2(s, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY))\
R(posted_ack, VEXEC, VM_EXIT_CONTROLS, "posted interrupts without acknowledge-interrupt-on-exit",\
  s->pin & PIN_BASED_POSTED_INTR && !(s->exit & VM_EXIT_ACK_INTR_ON_EXIT))	\
R(vpid, VEXEC, VIRTUAL_PROCESSOR_ID, "VPIDs are enabled and this one is 0",	\
  cpu2(s, SECONDARY_EXEC_ENABLE_VPID) && !vmcs_read(VIRTUAL_PROCESSOR_ID))	\
R(eptp_type, VEXEC, EPT_POINTER, "its memory type is not one that the CPU has",	\
  cpu2(s, SECONDARY_EXEC_ENABLE_EPT) && bad_eptp_type())			\
R(eptp_walk, VEXEC, EPT_POINTER, "its walk length is not 4",			\
  cpu2(s, SECONDARY_EXEC_ENABLE_EPT) &&						\
  (vmcs_read(EPT_POINTER) & VMX_EPTP_PWL_MASK) != VMX_EPTP_PWL_4)		\
R(eptp_ad, VEXEC, EPT_POINTER, "accessed and dirty bits on a CPU without them",	\
  cpu2(s, SECONDARY_EXEC_ENABLE_EPT) && !(intel_caps.ept & VMX_EPT_AD_BIT) &&	\
  vmcs_read(EPT_POINTER) & VMX_EPTP_AD_ENABLE_BIT)				\
R(eptp_reserved, VEXEC, EPT_POINTER, "reserved or too high address bits are set",\
  cpu2(s, SECONDARY_EXEC_ENABLE_EPT) && bad_eptp_reserved())			\
R(no_ept, VEXEC, SECONDARY_VM_EXEC_CONTROL, "unrestricted guest, page-modification log or execute control without EPT",\
  cpu2(s, SECONDARY_EXEC_UNRESTRICTED_GUEST | SECONDARY_EXEC_ENABLE_PML |	\
       SECONDARY_EXEC_MODE_BASED_EPT_EXEC) && !cpu2(s, SECONDARY_EXEC_ENABLE_EPT))\
R(pml, VEXEC, PML_ADDRESS, "the page-modification log is not a page of physical memory",\
  cpu2(s, SECONDARY_EXEC_ENABLE_PML) && bad_physical(vmcs_read(PML_ADDRESS), 0xfff))\
R(exit, VEXIT, VM_EXIT_CONTROLS, "bits that this CPU fixes are wrong",		\
  bad_controls(s->exit, intel_caps.allowed_exit.low, intel_caps.allowed_exit.high))\
R(save_timer, VEXIT, VM_EXIT_CONTROLS, "the preemption timer is saved, but not active",\
  s->exit & VM_EXIT_SAVE_VMX_PREEMPTION_TIMER &&				\
  !(s->pin & PIN_BASED_VMX_PREEMPTION_TIMER))					\
R(exit_store, VEXIT, VM_EXIT_MSR_STORE_ADDR, "the MSR-store area has no valid address",\
  bad_address(VM_EXIT_MSR_STORE_COUNT, VM_EXIT_MSR_STORE_ADDR))			\
R(exit_load, VEXIT, VM_EXIT_MSR_LOAD_ADDR, "the MSR-load area has no valid address",\
  bad_address(VM_EXIT_MSR_LOAD_COUNT, VM_EXIT_MSR_LOAD_ADDR))			\
R(entry, VENTRY, VM_ENTRY_CONTROLS, "bits that this CPU fixes are wrong",	\
  bad_controls(s->entry, intel_caps.allowed_entry.low, intel_caps.allowed_entry.high))\
R(entry_load, VENTRY, VM_ENTRY_MSR_LOAD_ADDR, "the MSR-load area has no valid address",\
  bad_address(VM_ENTRY_MSR_LOAD_COUNT, VM_ENTRY_MSR_LOAD_ADDR))			\
R(smm, VENTRY, VM_ENTRY_CONTROLS, "an entry to SMM outside SMM",		\
  s->entry & (VM_ENTRY_SMM | VM_ENTRY_DEACT_DUAL_MONITOR))			\
R(intr_reserved_type, VENTRY, VM_ENTRY_INTR_INFO_FIELD, "event type 1 is reserved",\
  intr_valid(s) && intr_type(s) == INTR_TYPE_RESERVED)				\
R(intr_other, VENTRY, VM_ENTRY_INTR_INFO_FIELD, "event type 7 needs vector 0 and the monitor trap flag",\
  intr_valid(s) && intr_type(s) == INTR_TYPE_OTHER_EVENT &&			\
  (intr_vector(s) || !(intel_caps.allowed_cpu.high & CPU_BASED_MONITOR_TRAP_FLAG)))\
R(intr_nmi, VENTRY, VM_ENTRY_INTR_INFO_FIELD, "an NMI has a vector other than 2",\
  intr_valid(s) && intr_type(s) == INTR_TYPE_NMI_INTR && intr_vector(s) != 2)	\
R(intr_exception, VENTRY, VM_ENTRY_INTR_INFO_FIELD, "a hardware exception has a vector above 31",\
  intr_valid(s) && intr_type(s) == INTR_TYPE_HARD_EXCEPTION && intr_vector(s) > 31)\
R(intr_no_code, VENTRY, VM_ENTRY_INTR_INFO_FIELD, "this exception pushes an error code, and none is to be delivered",\
  intr_valid(s) && !(s->intr_info & INTR_INFO_DELIVER_CODE_MASK) && must_push_error(s))\
R(intr_code, VENTRY, VM_ENTRY_INTR_INFO_FIELD, "this event has no error code, and one is to be delivered",\
  intr_valid(s) && s->intr_info & INTR_INFO_DELIVER_CODE_MASK && !may_push_error(s))\
R(intr_reserved, VENTRY, VM_ENTRY_INTR_INFO_FIELD, "bits 30:12 are not 0",	\
  intr_valid(s) && s->intr_info & INTR_INFO_RESVD_BITS_MASK)			\
R(intr_error, VENTRY, VM_ENTRY_EXCEPTION_ERROR_CODE, "bits 31:16 are not 0",	\
  intr_valid(s) && s->intr_info & INTR_INFO_DELIVER_CODE_MASK && s->intr_error >> 16)\
R(insn_length, VENTRY, VM_ENTRY_INSTRUCTION_LEN, "an instruction of this length cannot have raised the event",\
  has_length(s) && (s->insn_len > 15 ||						\
		    (!s->insn_len && !(intel_caps.misc & VMX_MISC_ZERO_LEN_INS))))

CONTROL_RULES(RULE_FUNCTION)

const struct entry_rule intel_control_rules[] = {
	CONTROL_RULES(RULE_ROW)
	{}
};
