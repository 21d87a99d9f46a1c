// SPDX-License-Identifier: GPL-2.0
/*
 * Rules on the host-state area: a broken one is VM-instruction error 8. What the
 * host runs with passes them, so a line from here is a bug in load.c or setup.c.
 */
#include "explain.h"

static bool bad_fixed(u64 value, u64 fixed0, u64 fixed1)
{
	return (fixed0 & ~value) || (value & ~fixed1);
}

static bool bad_selector(u32 field)
{
	return vmcs_read(field) & 7;
}

static bool bad_host_efer(const struct entry_state *s)
{
	u64 efer = vmcs_read(HOST_IA32_EFER), mode = EFER_LMA | EFER_LME;

	if (efer & ~(u64)EFER_DEFINED)
		return true;
	return (efer & mode) != (s->exit & VM_EXIT_HOST_ADDR_SPACE_SIZE ? mode : 0);
}

#define HREG	"27.2.2"
#define HSEG	"27.2.3"
#define HSIZE	"27.2.4"

#define HOST_RULES(R)								\
R(cr0, HREG, HOST_CR0, "bits that VMX fixes are wrong",				\
  bad_fixed(vmcs_read(HOST_CR0), intel_caps.cr0_fixed0, intel_caps.cr0_fixed1))	\
R(cr4, HREG, HOST_CR4, "bits that VMX fixes are wrong",				\
  bad_fixed(vmcs_read(HOST_CR4), intel_caps.cr4_fixed0, intel_caps.cr4_fixed1))	\
R(cr3, HREG, HOST_CR3, "the address is beyond the CPU's width",			\
  (vmcs_read(HOST_CR3) & ~BIT_ULL(63)) >> boot_cpu_data.x86_phys_bits)		\
R(sysenter_esp, HREG, HOST_IA32_SYSENTER_ESP, "the address is not canonical",	\
  not_canonical(vmcs_read(HOST_IA32_SYSENTER_ESP)))				\
R(sysenter_eip, HREG, HOST_IA32_SYSENTER_EIP, "the address is not canonical",	\
  not_canonical(vmcs_read(HOST_IA32_SYSENTER_EIP)))				\
R(pat, HREG, HOST_IA32_PAT, "it holds a reserved memory type",			\
  s->exit & VM_EXIT_LOAD_IA32_PAT && bad_pat(vmcs_read(HOST_IA32_PAT)))		\
R(efer, HREG, HOST_IA32_EFER, "reserved bits are set, or LMA and LME are not those of a 64-bit host",\
  s->exit & VM_EXIT_LOAD_IA32_EFER && bad_host_efer(s))				\
R(es, HSEG, HOST_ES_SELECTOR, "RPL or TI is not 0", bad_selector(HOST_ES_SELECTOR))\
R(cs, HSEG, HOST_CS_SELECTOR, "RPL or TI is not 0", bad_selector(HOST_CS_SELECTOR))\
R(ss, HSEG, HOST_SS_SELECTOR, "RPL or TI is not 0", bad_selector(HOST_SS_SELECTOR))\
R(ds, HSEG, HOST_DS_SELECTOR, "RPL or TI is not 0", bad_selector(HOST_DS_SELECTOR))\
R(fs, HSEG, HOST_FS_SELECTOR, "RPL or TI is not 0", bad_selector(HOST_FS_SELECTOR))\
R(gs, HSEG, HOST_GS_SELECTOR, "RPL or TI is not 0", bad_selector(HOST_GS_SELECTOR))\
R(tr, HSEG, HOST_TR_SELECTOR, "RPL or TI is not 0", bad_selector(HOST_TR_SELECTOR))\
R(cs0, HSEG, HOST_CS_SELECTOR, "it is null", !vmcs_read(HOST_CS_SELECTOR))	\
R(tr0, HSEG, HOST_TR_SELECTOR, "it is null", !vmcs_read(HOST_TR_SELECTOR))	\
R(fs_base, HSEG, HOST_FS_BASE, "the address is not canonical", not_canonical(vmcs_read(HOST_FS_BASE)))\
R(gs_base, HSEG, HOST_GS_BASE, "the address is not canonical", not_canonical(vmcs_read(HOST_GS_BASE)))\
R(tr_base, HSEG, HOST_TR_BASE, "the address is not canonical", not_canonical(vmcs_read(HOST_TR_BASE)))\
R(gdtr, HSEG, HOST_GDTR_BASE, "the address is not canonical", not_canonical(vmcs_read(HOST_GDTR_BASE)))\
R(idtr, HSEG, HOST_IDTR_BASE, "the address is not canonical", not_canonical(vmcs_read(HOST_IDTR_BASE)))\
R(size, HSIZE, VM_EXIT_CONTROLS, "a 64-bit host needs host address-space size",	\
  !(s->exit & VM_EXIT_HOST_ADDR_SPACE_SIZE))					\
R(pae, HSIZE, HOST_CR4, "a 64-bit host needs CR4.PAE", !(vmcs_read(HOST_CR4) & X86_CR4_PAE))\
R(rip, HSIZE, HOST_RIP, "the address is not canonical", not_canonical(vmcs_read(HOST_RIP)))

HOST_RULES(RULE_FUNCTION)

const struct entry_rule intel_host_rules[] = {
	HOST_RULES(RULE_ROW)
	{}
};
