// SPDX-License-Identifier: GPL-2.0
/*
 * Register groups between struct vmm_vcpu_arch and the control block.
 *
 * svm_write_groups() carries what the core changed into the block before an
 * entry; svm_fetch() reads what a handler asks for. RIP, RSP, RFLAGS, CR0, CR3 and
 * the interrupt shadow are copied by run() after each exit; CR4 and EFER are always
 * current, because a guest cannot change them without an exit. The vCPU is
 * loaded and its mutex held.
 *
 * The guest sees the CR0.CD and CR0.NW that it wrote, but runs without them: they
 * would slow the host's memory down. It runs with CR4.MCE as the host has
 * it, because a machine check without it is a shutdown.
 */
#include <linux/bits.h>
#include <linux/mem_encrypt.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>

#include "amd.h"

static struct vmcb_seg *block_seg(struct vmcb *vmcb, unsigned int s)
{
	switch (s) {
	case SEG_ES:	return &vmcb->save.es;
	case SEG_CS:	return &vmcb->save.cs;
	case SEG_SS:	return &vmcb->save.ss;
	case SEG_DS:	return &vmcb->save.ds;
	case SEG_FS:	return &vmcb->save.fs;
	case SEG_GS:	return &vmcb->save.gs;
	case SEG_LDTR:	return &vmcb->save.ldtr;
	default:	return &vmcb->save.tr;
	}
}

/* --- out --- */

/* Attributes: type, S, DPL, P, AVL, L, D/B, G in 12 bits (APM 15.5.1). */
static void write_seg(struct svm_vcpu *svm, unsigned int s)
{
	const struct vmm_segment *from = &svm->vcpu.arch.seg[s];
	struct vmcb_seg *to = block_seg(svm->vmcb, s);

	to->selector = from->selector;
	to->limit = from->limit;
	to->base = from->base;
	to->attrib = (from->type & SVM_SELECTOR_TYPE_MASK) |
		     !!from->s << SVM_SELECTOR_S_SHIFT |
		     (from->dpl & 3) << SVM_SELECTOR_DPL_SHIFT |
		     (from->present && !from->unusable) << SVM_SELECTOR_P_SHIFT |
		     !!from->avl << SVM_SELECTOR_AVL_SHIFT |
		     !!from->l << SVM_SELECTOR_L_SHIFT |
		     !!from->db << SVM_SELECTOR_DB_SHIFT |
		     !!from->g << SVM_SELECTOR_G_SHIFT;
	if (s == SEG_SS)
		svm->vmcb->save.cpl = from->dpl & 3;
}

static void write_segs(struct svm_vcpu *svm, u32 dirty)
{
	unsigned int s;

	for (s = 0; s < NR_SEGS; s++)
		if (dirty & VMM_G_SEG(s))
			write_seg(svm, s);
	svm_touch(svm, CLEAN_SEG);
}

static void write_crs(struct svm_vcpu *svm, u32 dirty)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	struct vmcb_save_area *save = &svm->vmcb->save;

	if (dirty & VMM_G_CR0)
		save->cr0 = arch->cr0 & ~(u64)SVM_CR0_SHADOWED;
	if (dirty & VMM_G_CR3)
		save->cr3 = arch->cr3;
	if (dirty & VMM_G_CR4)
		save->cr4 = arch->cr4 | (cr4_read_shadow() & X86_CR4_MCE);
	if (dirty & VMM_G_EFER)
		save->efer = arch->efer | EFER_SVME;
	if (dirty & (VMM_G_CR0 | VMM_G_CR4))
		svm_update_cr_intercepts(svm);
	svm_touch(svm, CLEAN_CR);
}

static void write_tables(struct svm_vcpu *svm)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	struct vmcb_save_area *save = &svm->vmcb->save;

	save->gdtr.base = arch->gdt.base;
	save->gdtr.limit = arch->gdt.limit;
	save->idtr.base = arch->idt.base;
	save->idtr.limit = arch->idt.limit;
	svm_touch(svm, CLEAN_DT);
}

static void write_settings(struct svm_vcpu *svm, u32 dirty)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	struct vmcb *vmcb = svm->vmcb;

	if (dirty & VMM_G_TSC) {
		vmcb->control.tsc_offset = arch->tsc_offset;
		if (svm_has(SVM_F_TSC_RATIO))
			svm_set_tsc_ratio(svm);
		svm_touch(svm, CLEAN_INTERCEPTS);
	}
	if (dirty & VMM_G_ROOT) {
		vmcb->control.nested_cr3 = __sme_set(arch->tdp_root);
		svm_touch(svm, CLEAN_NPT);
	}
}

/* Before an entry, interrupts off. RIP, RSP and RFLAGS are run()'s. */
void svm_write_groups(struct svm_vcpu *svm, u32 dirty)
{
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;
	struct vmcb *vmcb = svm->vmcb;

	if (dirty & VMM_G_SEGS)
		write_segs(svm, dirty);
	if (dirty & (VMM_G_CR0 | VMM_G_CR3 | VMM_G_CR4 | VMM_G_EFER))
		write_crs(svm, dirty);
	if (dirty & VMM_G_DT)
		write_tables(svm);
	if (dirty & VMM_G_INTR) {
		vmcb->control.int_state = arch->shadow ? SVM_INTERRUPT_SHADOW_MASK : 0;
		if (!arch->nmi_masked)
			svm->iret_started = false;
		svm_intercept(svm, INTERCEPT_IRET, arch->nmi_masked && !svm->iret_started);
	}
	if (dirty & VMM_G_DR) {
		/* DR6 stays clean: a #DB exit then names exactly what it adds. */
		vmcb->save.dr7 = arch->hw_dr7;
		vmcb->save.dr6 = DR6_INIT;
		svm_touch(svm, CLEAN_DR);
	}
	if (dirty & (VMM_G_TSC | VMM_G_ROOT))
		write_settings(svm, dirty);
}

/* --- in --- */

static void read_seg(struct svm_vcpu *svm, unsigned int s)
{
	const struct vmcb_seg *from = block_seg(svm->vmcb, s);
	struct vmm_segment *to = &svm->vcpu.arch.seg[s];
	u16 attrib = from->attrib;

	to->selector = from->selector;
	to->limit = from->limit;
	to->base = from->base;
	to->type = attrib & SVM_SELECTOR_TYPE_MASK;
	to->s = attrib >> SVM_SELECTOR_S_SHIFT & 1;
	to->dpl = attrib >> SVM_SELECTOR_DPL_SHIFT & 3;
	to->present = attrib >> SVM_SELECTOR_P_SHIFT & 1;
	to->avl = attrib >> SVM_SELECTOR_AVL_SHIFT & 1;
	to->l = attrib >> SVM_SELECTOR_L_SHIFT & 1;
	to->db = attrib >> SVM_SELECTOR_DB_SHIFT & 1;
	to->g = attrib >> SVM_SELECTOR_G_SHIFT & 1;
	/* A null selector is a segment that is not present. */
	to->unusable = !to->present;

	if (s == SEG_SS) {
		/* A null SS keeps stale attributes; the CPL is in its own field. */
		to->dpl = svm->vmcb->save.cpl;
		if (to->unusable)
			to->db = 0;
	} else if (s == SEG_TR) {
		to->type |= 2;			/* the loaded TSS is busy */
	}
}

/* Loaded, or interrupts off. */
void svm_fetch(struct vmm_vcpu *vcpu, u32 groups)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmm_vcpu_arch *arch = &vcpu->arch;
	struct vmcb_save_area *save = &svm->vmcb->save;
	unsigned int s;

	for (s = 0; s < NR_SEGS; s++)
		if (groups & VMM_G_SEG(s))
			read_seg(svm, s);
	if (groups & VMM_G_DT) {
		arch->gdt.base = save->gdtr.base;
		arch->gdt.limit = save->gdtr.limit;
		arch->idt.base = save->idtr.base;
		arch->idt.limit = save->idtr.limit;
	}
	if (groups & VMM_G_PENDING_DB)
		arch->pending_db = 0;		/* the CPU delivers it before it exits */
	if (groups & VMM_G_MODE)
		svm_read_mode(svm);
	arch->avail |= groups;
}
