// SPDX-License-Identifier: GPL-2.0
/*
 * Rules on the guest-state area but the segment registers: exit reason 33 with
 * bit 31 set.
 */
#include "explain.h"

#include <asm/debugreg.h>

static bool injects(const struct entry_state *s, u32 type)
{
	return s->intr_info & INTR_INFO_VALID_MASK &&
	       (s->intr_info & INTR_INFO_INTR_TYPE_MASK) == type;
}

static u64 fixed_cr0(const struct entry_state *s)
{
	u64 fixed = intel_caps.cr0_fixed0;

	return s->unrestricted ? fixed & ~(u64)(X86_CR0_PE | X86_CR0_PG) : fixed;
}

/* DEBUGCTL: LBR, BTF, BLD, RTM and the trace bits 6-12, 14, 15; the rest is reserved. */
#define DEBUGCTL_DEFINED	0xdfc7ull

/* RFLAGS: reserved bits 3, 5, 15, 22 and up must be 0, bit 1 must be 1. */
#define RFLAGS_ZERO	(~0x3f7fd7ull)

static bool blocked(const struct entry_state *s, u32 by)
{
	return s->interruptibility & by;
}

static bool steps(const struct entry_state *s)
{
	return s->rflags & X86_EFLAGS_TF && !(s->debugctl & DEBUGCTLMSR_BTF);
}

static bool must_agree_on_step(const struct entry_state *s)
{
	return blocked(s, GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS) ||
	       s->activity == GUEST_ACTIVITY_HLT;
}

static bool activity_known(const struct entry_state *s)
{
	return s->activity == GUEST_ACTIVITY_ACTIVE ||
	       (s->activity <= GUEST_ACTIVITY_WAIT_SIPI && intel_caps.misc & BIT(5 + s->activity));
}

/* Which events an inactive CPU takes (27.3.1.5). */
static bool wrong_event_for_activity(const struct entry_state *s)
{
	u8 vector = s->intr_info & INTR_INFO_VECTOR_MASK;

	if (!(s->intr_info & INTR_INFO_VALID_MASK))
		return false;
	switch (s->activity) {
	case GUEST_ACTIVITY_ACTIVE:
		return false;
	case GUEST_ACTIVITY_HLT:
		return !injects(s, INTR_TYPE_EXT_INTR) && !injects(s, INTR_TYPE_NMI_INTR) &&
		       !(injects(s, INTR_TYPE_HARD_EXCEPTION) && (vector == 1 || vector == 18)) &&
		       !injects(s, INTR_TYPE_OTHER_EVENT);
	case GUEST_ACTIVITY_SHUTDOWN:
		return !injects(s, INTR_TYPE_NMI_INTR) &&
		       !(injects(s, INTR_TYPE_HARD_EXCEPTION) && vector == 18);
	default:
		return true;
	}
}

static bool code64(const struct entry_state *s)
{
	return s->ia32e && s->seg[SEG_CS].ar & VMX_AR_L_MASK;
}

static bool pae(const struct entry_state *s)
{
	return s->cr0 & X86_CR0_PG && s->cr4 & X86_CR4_PAE && !s->ia32e;
}

/* A present PDPTE: bits 2:1, 8:5 and those above the CPU's width are reserved. */
static bool bad_pdpte(const struct entry_state *s, unsigned int i)
{
	return pae(s) && s->pdpte[i] & 1 &&
	       (s->pdpte[i] & 0x1e6 || s->pdpte[i] >> boot_cpu_data.x86_phys_bits);
}

#define GREG	"27.3.1.1"
#define GDT	"27.3.1.3"
#define GRIP	"27.3.1.4"
#define GSTATE	"27.3.1.5"
#define GPDPTE	"27.3.1.6"

#define REGISTER_RULES(R)							\
R(cr0_one, GREG, GUEST_CR0, "bits that VMX wants set are clear", fixed_cr0(s) & ~s->cr0)\
R(cr0_zero, GREG, GUEST_CR0, "bits that VMX wants clear are set", s->cr0 & ~intel_caps.cr0_fixed1)\
R(cr0_pg, GREG, GUEST_CR0, "CR0.PG is set and CR0.PE is clear",			\
  s->cr0 & X86_CR0_PG && !(s->cr0 & X86_CR0_PE))				\
R(cr4_one, GREG, GUEST_CR4, "bits that VMX wants set are clear", intel_caps.cr4_fixed0 & ~s->cr4)\
R(cr4_zero, GREG, GUEST_CR4, "bits that this CPU does not have are set", s->cr4 & ~intel_caps.cr4_fixed1)\
R(cr4_cet, GREG, GUEST_CR4, "CR4.CET is set and CR0.WP is clear",		\
  s->cr4 & BIT_ULL(23) && !(s->cr0 & X86_CR0_WP))				\
R(debugctl, GREG, GUEST_IA32_DEBUGCTL, "reserved bits are set",			\
  s->entry & VM_ENTRY_LOAD_DEBUG_CONTROLS && s->debugctl & ~DEBUGCTL_DEFINED)	\
R(ia32e_pg, GREG, GUEST_CR0, "IA-32e mode without CR0.PG", s->ia32e && !(s->cr0 & X86_CR0_PG))\
R(ia32e_pae, GREG, GUEST_CR4, "IA-32e mode without CR4.PAE", s->ia32e && !(s->cr4 & X86_CR4_PAE))\
R(pcide, GREG, GUEST_CR4, "CR4.PCIDE is set outside IA-32e mode", !s->ia32e && s->cr4 & X86_CR4_PCIDE)\
R(cr3, GREG, GUEST_CR3, "the address is beyond the CPU's width",		\
  (s->cr3 & ~GENMASK_ULL(63, 61)) >> boot_cpu_data.x86_phys_bits)		\
R(dr7, GREG, GUEST_DR7, "bits 63:32 are not 0",					\
  s->entry & VM_ENTRY_LOAD_DEBUG_CONTROLS && s->dr7 >> 32)			\
R(sysenter_esp, GREG, GUEST_SYSENTER_ESP, "the address is not canonical", not_canonical(s->sysenter_esp))\
R(sysenter_eip, GREG, GUEST_SYSENTER_EIP, "the address is not canonical", not_canonical(s->sysenter_eip))\
R(pat, GREG, GUEST_IA32_PAT, "it holds a reserved memory type",			\
  s->entry & VM_ENTRY_LOAD_IA32_PAT && bad_pat(s->pat))				\
R(efer, GREG, GUEST_IA32_EFER, "reserved bits are set",				\
  s->entry & VM_ENTRY_LOAD_IA32_EFER && s->efer & ~(u64)EFER_DEFINED)		\
R(efer_lma, GREG, GUEST_IA32_EFER, "LMA is not what the IA-32e control says",	\
  s->entry & VM_ENTRY_LOAD_IA32_EFER && !!(s->efer & EFER_LMA) != s->ia32e)	\
R(efer_lme, GREG, GUEST_IA32_EFER, "paging is on and LME differs from LMA",	\
  s->entry & VM_ENTRY_LOAD_IA32_EFER && s->cr0 & X86_CR0_PG &&			\
  !(s->efer & EFER_LME) != !(s->efer & EFER_LMA))				\
R(gdtr_base, GDT, GUEST_GDTR_BASE, "the address is not canonical", not_canonical(s->gdtr_base))\
R(idtr_base, GDT, GUEST_IDTR_BASE, "the address is not canonical", not_canonical(s->idtr_base))\
R(gdtr_limit, GDT, GUEST_GDTR_LIMIT, "bits 31:16 are not 0", s->gdtr_limit >> 16)	\
R(idtr_limit, GDT, GUEST_IDTR_LIMIT, "bits 31:16 are not 0", s->idtr_limit >> 16)	\
R(rip_high, GRIP, GUEST_RIP, "bits 63:32 are not 0 outside 64-bit code", !code64(s) && s->rip >> 32)\
R(rip_canonical, GRIP, GUEST_RIP, "bits 63:N (the linear width) are not identical",	\
  code64(s) && not_canonical(s->rip))						\
R(rflags_zero, GRIP, GUEST_RFLAGS, "reserved bits are set", s->rflags & RFLAGS_ZERO)	\
R(rflags_one, GRIP, GUEST_RFLAGS, "bit 1 is clear", !(s->rflags & X86_EFLAGS_FIXED))	\
R(rflags_vm, GRIP, GUEST_RFLAGS, "VM is set in IA-32e mode or with CR0.PE clear",	\
  s->rflags & X86_EFLAGS_VM && (s->ia32e || !(s->cr0 & X86_CR0_PE)))		\
R(rflags_if, GRIP, GUEST_RFLAGS, "IF is clear and an external interrupt is injected",	\
  injects(s, INTR_TYPE_EXT_INTR) && !(s->rflags & X86_EFLAGS_IF))

#define STATE_RULES(R)								\
R(activity, GSTATE, GUEST_ACTIVITY_STATE, "a state that this CPU does not have", !activity_known(s))\
R(activity_dpl, GSTATE, GUEST_ACTIVITY_STATE, "HLT state with SS.DPL not 0",	\
  s->activity == GUEST_ACTIVITY_HLT && VMX_AR_DPL(s->seg[SEG_SS].ar))		\
R(activity_shadow, GSTATE, GUEST_ACTIVITY_STATE, "an inactive state in an interrupt shadow",\
  s->activity && blocked(s, GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS))	\
R(activity_event, GSTATE, GUEST_ACTIVITY_STATE, "the injected event does not fit this state",\
  wrong_event_for_activity(s))							\
R(int_reserved, GSTATE, GUEST_INTERRUPTIBILITY_INFO, "reserved bits are set",	\
  s->interruptibility >> 5)							\
R(int_both, GSTATE, GUEST_INTERRUPTIBILITY_INFO, "blocking by STI and by MOV SS at once",\
  blocked(s, GUEST_INTR_STATE_STI) && blocked(s, GUEST_INTR_STATE_MOV_SS))	\
R(int_sti_if, GSTATE, GUEST_INTERRUPTIBILITY_INFO, "blocking by STI with RFLAGS.IF clear",\
  blocked(s, GUEST_INTR_STATE_STI) && !(s->rflags & X86_EFLAGS_IF))		\
R(int_ext, GSTATE, GUEST_INTERRUPTIBILITY_INFO, "an external interrupt is injected in an interrupt shadow",\
  injects(s, INTR_TYPE_EXT_INTR) &&						\
  blocked(s, GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS))			\
R(int_nmi, GSTATE, GUEST_INTERRUPTIBILITY_INFO, "an NMI is injected in the shadow of MOV SS",\
  injects(s, INTR_TYPE_NMI_INTR) && blocked(s, GUEST_INTR_STATE_MOV_SS))	\
R(int_smi, GSTATE, GUEST_INTERRUPTIBILITY_INFO, "blocking by SMI outside SMM",	\
  blocked(s, GUEST_INTR_STATE_SMI))						\
R(int_vnmi, GSTATE, GUEST_INTERRUPTIBILITY_INFO, "an NMI is injected while NMIs are blocked",\
  injects(s, INTR_TYPE_NMI_INTR) && s->pin & PIN_BASED_VIRTUAL_NMIS &&		\
  blocked(s, GUEST_INTR_STATE_NMI))						\
R(int_enclave, GSTATE, GUEST_INTERRUPTIBILITY_INFO, "enclave interruption with blocking by MOV SS",\
  blocked(s, GUEST_INTR_STATE_ENCLAVE_INTR) && blocked(s, GUEST_INTR_STATE_MOV_SS))\
R(db_reserved, GSTATE, GUEST_PENDING_DBG_EXCEPTIONS, "reserved bits are set",	\
  s->pending_db & ~0x1580full)							\
R(db_step, GSTATE, GUEST_PENDING_DBG_EXCEPTIONS, "BS is clear in a shadow or in HLT, and TF is set",\
  must_agree_on_step(s) && steps(s) && !(s->pending_db & DR_STEP))		\
R(db_no_step, GSTATE, GUEST_PENDING_DBG_EXCEPTIONS, "BS is set in a shadow or in HLT, and no step is due",\
  must_agree_on_step(s) && !steps(s) && s->pending_db & DR_STEP)		\
R(link, GSTATE, VMCS_LINK_POINTER, "it is not all ones, and there is no shadow VMCS",	\
  s->link != ~0ull && !(s->cpu2 & SECONDARY_EXEC_SHADOW_VMCS))			\
R(pdpte0, GPDPTE, GUEST_PDPTR0, "reserved bits are set", bad_pdpte(s, 0))	\
R(pdpte1, GPDPTE, GUEST_PDPTR1, "reserved bits are set", bad_pdpte(s, 1))	\
R(pdpte2, GPDPTE, GUEST_PDPTR2, "reserved bits are set", bad_pdpte(s, 2))	\
R(pdpte3, GPDPTE, GUEST_PDPTR3, "reserved bits are set", bad_pdpte(s, 3))

REGISTER_RULES(RULE_FUNCTION)
STATE_RULES(RULE_FUNCTION)

const struct entry_rule intel_guest_rules[] = {
	REGISTER_RULES(RULE_ROW)
	STATE_RULES(RULE_ROW)
	{}
};
