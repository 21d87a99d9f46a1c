// SPDX-License-Identifier: GPL-2.0
/*
 * Guest registers between vcpu->arch and the VMCS, by group: fetched when a
 * handler asks, written once before the entry when marked dirty. The core calls
 * intel_fetch() through regs_need(), run.c calls intel_flush_regs().
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/percpu.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>

#include "intel.h"

/* The VMCS's four fields of a segment register lie two apart per register, in
 * this order: ES CS SS DS FS GS LDTR TR, the order of enum SEG_*.
 */
#define FIELD_SELECTOR(s)	(GUEST_ES_SELECTOR + 2 * (s))
#define FIELD_LIMIT(s)		(GUEST_ES_LIMIT + 2 * (s))
#define FIELD_AR(s)		(GUEST_ES_AR_BYTES + 2 * (s))
#define FIELD_BASE(s)		(GUEST_ES_BASE + 2 * (s))
static_assert(FIELD_SELECTOR(SEG_TR) == GUEST_TR_SELECTOR);
static_assert(FIELD_LIMIT(SEG_TR) == GUEST_TR_LIMIT);
static_assert(FIELD_AR(SEG_TR) == GUEST_TR_AR_BYTES);
static_assert(FIELD_BASE(SEG_TR) == GUEST_TR_BASE);

static u32 pack_rights(const struct vmm_segment *seg)
{
	u32 ar;

	if (seg->unusable || !seg->present)
		return VMX_AR_UNUSABLE_MASK | (seg->dpl & 3) << VMX_AR_DPL_SHIFT;
	ar = (seg->type & 15) | (seg->s & 1) << 4 | (seg->dpl & 3) << VMX_AR_DPL_SHIFT |
	     VMX_AR_P_MASK | (seg->avl & 1) << 12 | (seg->l & 1) << 13 |
	     (seg->db & 1) << 14 | (seg->g & 1) << 15;
	/* Loading a descriptor sets its accessed bit, so a loaded one has it; user
	 * space may have left it out, and the CPU insists (SDM 27.3.1.2).
	 */
	if (seg->s)
		ar |= VMX_AR_TYPE_ACCESSES_MASK;
	return ar;
}

static void unpack_rights(struct vmm_segment *seg, u32 ar)
{
	seg->unusable = !!(ar & VMX_AR_UNUSABLE_MASK);
	seg->type = ar & 15;
	seg->s = ar >> 4 & 1;
	seg->dpl = VMX_AR_DPL(ar);
	seg->present = !seg->unusable;
	seg->avl = ar >> 12 & 1;
	seg->l = ar >> 13 & 1;
	seg->db = ar >> 14 & 1;
	seg->g = ar >> 15 & 1;
}

static void fetch_segment(struct vmm_segment *seg, unsigned int s)
{
	seg->selector = vmcs_read(FIELD_SELECTOR(s));
	seg->base = vmcs_read(FIELD_BASE(s));
	seg->limit = vmcs_read(FIELD_LIMIT(s));
	unpack_rights(seg, vmcs_read(FIELD_AR(s)));
}

static void flush_segment(const struct vmm_segment *seg, unsigned int s)
{
	vmcs_write(FIELD_SELECTOR(s), seg->selector);
	vmcs_write(FIELD_BASE(s), seg->base);
	vmcs_write(FIELD_LIMIT(s), seg->limit);
	vmcs_write(FIELD_AR(s), pack_rights(seg));
}

/* Mode bits are never the guest's to change without an exit: the shadows hold them. */
static bool pae_paging(struct intel_vcpu *v)
{
	return v->cr0_shadow & X86_CR0_PG && v->cr4_shadow & X86_CR4_PAE &&
	       !(v->vcpu.arch.efer & EFER_LMA);
}

static void fetch_cr(struct intel_vcpu *v, u32 groups)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	unsigned int i;

	if (groups & VMM_G_CR0) {
		u64 owned = X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_WP | X86_CR0_AM;

		a->cr0 = (v->cr0_shadow & ~owned) | (vmcs_read(GUEST_CR0) & owned);
	}
	if (groups & VMM_G_CR4)
		a->cr4 = (v->cr4_shadow & ~v->cr4_guest_owned) |
			 (vmcs_read(GUEST_CR4) & v->cr4_guest_owned);
	if (groups & VMM_G_CR3) {
		a->cr3 = vmcs_read(GUEST_CR3);
		if (pae_paging(v))
			for (i = 0; i < 4; i++)
				a->pdptr[i] = vmcs_read(GUEST_PDPTR0 + 2 * i);
	}
}

/* Two fields instead of the eight of CS and SS. */
static void fetch_mode(struct vmm_vcpu_arch *a)
{
	u32 cs = vmcs_read(GUEST_CS_AR_BYTES);

	a->mode.cs_l = cs & VMX_AR_L_MASK;
	a->mode.cs_db = cs & VMX_AR_DB_MASK;
	a->mode.cpl = VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES));
}

static noinline void fetch_rare(struct intel_vcpu *v, u32 groups)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	u32 segs;

	if (groups & VMM_G_MODE)
		fetch_mode(a);
	for (segs = groups & VMM_G_SEGS; segs; segs &= segs - 1)
		fetch_segment(&a->seg[__ffs(segs)], __ffs(segs));
	if (groups & (VMM_G_CR0 | VMM_G_CR3 | VMM_G_CR4))
		fetch_cr(v, groups);
	if (groups & VMM_G_DT) {
		a->gdt.base = vmcs_read(GUEST_GDTR_BASE);
		a->gdt.limit = vmcs_read(GUEST_GDTR_LIMIT);
		a->idt.base = vmcs_read(GUEST_IDTR_BASE);
		a->idt.limit = vmcs_read(GUEST_IDTR_LIMIT);
	}
	if (groups & VMM_G_PENDING_DB)
		a->pending_db = vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS);
}

static __always_inline void fetch_interruptibility(struct vmm_vcpu_arch *a)
{
	u32 info = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);

	a->shadow = 0;
	if (unlikely(info & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)))
		a->shadow = info & GUEST_INTR_STATE_STI ? VMM_SHADOW_STI : VMM_SHADOW_MOV_SS;
	a->nmi_masked = info & GUEST_INTR_STATE_NMI;
}

/* What it takes to step over an instruction, which most exits are about. */
#define GROUPS_OF_SKIP	(VMM_G_RIP | VMM_G_RFLAGS | VMM_G_INTR)

static noinline void fetch_others(struct vmm_vcpu *vcpu, u32 groups)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	if (groups & VMM_G_RIP)
		a->rip = vmcs_read(GUEST_RIP);
	if (groups & VMM_G_RSP)
		a->gpr[GPR_RSP] = vmcs_read(GUEST_RSP);
	if (groups & VMM_G_RFLAGS)
		a->rflags = vmcs_read(GUEST_RFLAGS);
	if (groups & VMM_G_INTR)
		fetch_interruptibility(a);
	if (groups & ~(GROUPS_OF_SKIP | VMM_G_RSP))
		fetch_rare(to_intel(vcpu), groups);
	a->avail |= groups;
}

void intel_fetch(struct vmm_vcpu *vcpu, u32 groups)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	if (groups != GROUPS_OF_SKIP) {
		fetch_others(vcpu, groups);
		return;
	}
	a->rip = vmcs_read(GUEST_RIP);
	a->rflags = vmcs_read(GUEST_RFLAGS);
	fetch_interruptibility(a);
	a->avail |= GROUPS_OF_SKIP;
}

static void flush_cr0(struct intel_vcpu *v)
{
	u64 cr0 = v->vcpu.arch.cr0;
	/* Unrestricted guests are free of two of the fixed bits (SDM A.7). */
	u64 fixed = intel_caps.cr0_fixed0 & ~(u64)(X86_CR0_PE | X86_CR0_PG);

	v->cr0_shadow = cr0;
	vmcs_write(CR0_READ_SHADOW, cr0);
	/* CD and NW stay off in the CPU: memory types are the EPT's matter. */
	vmcs_write(GUEST_CR0, (cr0 & ~(u64)(X86_CR0_CD | X86_CR0_NW)) | fixed);
}

static void flush_cr4(struct intel_vcpu *v)
{
	u64 cr4 = v->vcpu.arch.cr4;

	v->cr4_shadow = cr4;
	vmcs_write(CR4_READ_SHADOW, cr4);
	/* A machine check with CR4.MCE clear would shut the CPU down. */
	vmcs_write(GUEST_CR4, cr4 | intel_caps.cr4_fixed0 | (v->host_cr4 & X86_CR4_MCE));
}

static void flush_efer(struct intel_vcpu *v)
{
	u64 efer = v->vcpu.arch.efer;
	u32 ctl = v->ctl_entry & ~VM_ENTRY_IA32E_MODE;

	if (efer & EFER_LMA)
		ctl |= VM_ENTRY_IA32E_MODE;
	if (ctl != v->ctl_entry) {
		v->ctl_entry = ctl;
		vmcs_write(VM_ENTRY_CONTROLS, ctl);
	}
	vmcs_write(GUEST_IA32_EFER, efer);
	v->uret_stale = true;
}

static void flush_cr3(struct intel_vcpu *v)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	unsigned int i;

	vmcs_write(GUEST_CR3, a->cr3);
	if (pae_paging(v))
		for (i = 0; i < 4; i++)
			vmcs_write(GUEST_PDPTR0 + 2 * i, a->pdptr[i]);
}

static void flush_dt(struct intel_vcpu *v)
{
	const struct vmm_vcpu_arch *a = &v->vcpu.arch;

	vmcs_write(GUEST_GDTR_BASE, a->gdt.base);
	vmcs_write(GUEST_GDTR_LIMIT, a->gdt.limit);
	vmcs_write(GUEST_IDTR_BASE, a->idt.base);
	vmcs_write(GUEST_IDTR_LIMIT, a->idt.limit);
}

static void flush_interruptibility(struct intel_vcpu *v)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	u32 info = a->nmi_masked ? GUEST_INTR_STATE_NMI : 0;

	/* At most one kind of shadow at a time (SDM 27.3.1.5). */
	if (a->shadow & VMM_SHADOW_MOV_SS)
		info |= GUEST_INTR_STATE_MOV_SS;
	else if (a->shadow & VMM_SHADOW_STI)
		info |= GUEST_INTR_STATE_STI;
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, info);
}

/*
 * The CPU refuses two combinations that no program can bring about, but a register
 * written from outside can (SDM 27.3.1.5). A shadow of STI with IF clear: it would
 * hold back nothing, so it is dropped. A single-step trap that is due at the end of
 * a shadow is held back, and must be recorded: BS equals TF unless BTF is set.
 */
static void fix_shadow(struct intel_vcpu *v)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	u64 bs = 0;

	intel_need(v, VMM_G_INTR | VMM_G_RFLAGS);
	if (a->shadow == VMM_SHADOW_STI && !(a->rflags & X86_EFLAGS_IF)) {
		a->shadow = 0;
		flush_interruptibility(v);
	}
	if (!a->shadow)
		return;
	intel_need(v, VMM_G_PENDING_DB);
	if (a->rflags & X86_EFLAGS_TF && !(vmcs_read(GUEST_IA32_DEBUGCTL) & DEBUGCTLMSR_BTF))
		bs = DR_STEP;
	if ((a->pending_db & DR_STEP) != bs) {
		a->pending_db ^= DR_STEP;
		vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, a->pending_db);
	}
}

static void flush_settings(struct intel_vcpu *v, u32 dirty)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;

	if (dirty & VMM_G_DR)
		vmcs_write(GUEST_DR7, a->hw_dr7);
	if (dirty & VMM_G_PENDING_DB)
		vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, a->pending_db);
	if (dirty & VMM_G_TSC) {
		vmcs_write(TSC_OFFSET, a->tsc_offset);
		if (v->ctl_cpu2 & SECONDARY_EXEC_TSC_SCALING)
			vmcs_write(TSC_MULTIPLIER, a->tsc_ratio ?: BIT_ULL(48));
	}
	if (dirty & VMM_G_ROOT) {
		v->eptp = a->tdp_root | VMX_EPTP_MT_WB | VMX_EPTP_PWL_4;
		if (intel_caps.ept & VMX_EPT_AD_BIT)
			v->eptp |= VMX_EPTP_AD_ENABLE_BIT;
		vmcs_write(EPT_POINTER, v->eptp);
		v->flush_tlb = true;
	}
}

static noinline void flush_rare(struct intel_vcpu *v, u32 dirty)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	u32 segs;

	for (segs = dirty & VMM_G_SEGS; segs; segs &= segs - 1)
		flush_segment(&a->seg[__ffs(segs)], __ffs(segs));
	if (dirty & VMM_G_CR0)
		flush_cr0(v);
	if (dirty & VMM_G_CR4)
		flush_cr4(v);
	if (dirty & VMM_G_EFER)
		flush_efer(v);
	if (dirty & VMM_G_CR3)		/* after what decides the paging mode */
		flush_cr3(v);
	if (dirty & VMM_G_DT)
		flush_dt(v);
	flush_settings(v, dirty);
}

/* Interrupts off, before the entry; run.c does the most usual case, RIP alone, itself. */
void intel_flush_regs(struct intel_vcpu *v)
{
	struct vmm_vcpu_arch *a = &v->vcpu.arch;
	u32 dirty = a->dirty;

	if (dirty & VMM_G_RIP)
		vmcs_write(GUEST_RIP, a->rip);
	if (dirty & VMM_G_RSP)
		vmcs_write(GUEST_RSP, a->gpr[GPR_RSP]);
	if (dirty & ~(VMM_G_RIP | VMM_G_RSP)) {
		if (dirty & VMM_G_RFLAGS)
			vmcs_write(GUEST_RFLAGS, a->rflags | X86_EFLAGS_FIXED);
		if (dirty & VMM_G_INTR)
			flush_interruptibility(v);
		if (dirty & ~(VMM_G_RIP | VMM_G_RSP | VMM_G_RFLAGS | VMM_G_INTR))
			flush_rare(v, dirty);
		if (dirty & (VMM_G_RFLAGS | VMM_G_INTR | VMM_G_PENDING_DB))
			fix_shadow(v);
	}
	a->dirty = 0;
}

/* VMX insists on some bits of the real registers; the guest sees the shadows. */
bool intel_cr_valid(struct vmm_vcpu *vcpu, u64 cr0, u64 cr4, u64 efer)
{
	u64 real = cr4 | intel_caps.cr4_fixed0;

	return !(real & ~intel_caps.cr4_fixed1);
}
