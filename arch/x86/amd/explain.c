// SPDX-License-Identifier: GPL-2.0
/*
 * Why the CPU refused to enter a guest. VMRUN checks the control block and
 * answers VMEXIT_INVALID, a single number, for whatever it did not like. Here
 * the checks of the APM, volume 2, section 15.5.1 ("Canonicalization and
 * Consistency Checks"), 15.20 (event injection), 15.25 (nested paging) and
 * 15.21 (virtual interrupts) are run in software, and each broken one is said in
 * words with the field and its value. Called for the log, the trace and the
 * fail-entry exit, by the vCPU's thread after the failed entry.
 */
#define pr_fmt(fmt) "vmm-amd: " fmt

#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/mem_encrypt.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "amd.h"

#define EFER_KNOWN	(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX | EFER_SVME | \
			 EFER_LMSLE | EFER_FFXSR | BIT_ULL(15) | BIT_ULL(17) |	\
			 BIT_ULL(18) | BIT_ULL(20) | EFER_AUTOIBRS)

#define CR4_KNOWN	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE |	\
			 X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |	\
			 X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT |	\
			 X86_CR4_UMIP | X86_CR4_LA57 | X86_CR4_FSGSBASE |	\
			 X86_CR4_PCIDE | X86_CR4_OSXSAVE | X86_CR4_SMEP |	\
			 X86_CR4_SMAP | X86_CR4_PKE | X86_CR4_CET)

#define CR4_CET_BIT	BIT_ULL(23)

/* The sentences so far. */
struct explanation {
	char *buf;
	size_t size;
	size_t len;
};

static void __printf(3, 4) say(struct explanation *e, const char *section, const char *fmt, ...)
{
	va_list args;

	if (e->len)
		e->len += scnprintf(e->buf + e->len, e->size - e->len, "; ");
	va_start(args, fmt);
	e->len += vscnprintf(e->buf + e->len, e->size - e->len, fmt, args);
	va_end(args);
	if (section)
		e->len += scnprintf(e->buf + e->len, e->size - e->len, " (APM %s)", section);
}

#define CHECKS	"15.5.1"	/* Canonicalization and Consistency Checks */
#define EVENTS	"15.20"		/* Event Injection */
#define VNMI	"15.21.10"	/* NMI Virtualization */
#define NPT	"15.25.4"	/* Nested Paging and VMRUN/#VMEXIT */

/* Addresses that the CPU does not have: beyond its physical width. */
static u64 phys_reserved(void)
{
	return ~0ULL << boot_cpu_data.x86_phys_bits;
}

static void check_efer(struct explanation *e, const struct vmcb_save_area *s)
{
	bool paging = s->cr0 & X86_CR0_PG;

	if (!(s->efer & EFER_SVME))
		say(e, CHECKS, "EFER.SVME is clear (EFER=%#llx)", s->efer);
	if (s->efer & ~EFER_KNOWN)
		say(e, CHECKS, "EFER has reserved bits set (EFER=%#llx, reserved %#llx)",
		    s->efer, s->efer & ~EFER_KNOWN);
	if ((s->efer & EFER_LME) && paging && !(s->cr4 & X86_CR4_PAE))
		say(e, CHECKS, "EFER.LME and CR0.PG are set, but CR4.PAE is clear (EFER=%#llx CR4=%#llx)",
		    s->efer, s->cr4);
	if ((s->efer & EFER_LME) && paging && !(s->cr0 & X86_CR0_PE))
		say(e, CHECKS, "EFER.LME and CR0.PG are set, but CR0.PE is clear (EFER=%#llx CR0=%#llx)",
		    s->efer, s->cr0);
	if ((s->efer & EFER_LME) && paging && (s->cr4 & X86_CR4_PAE) &&
	    (s->cs.attrib & SVM_SELECTOR_L_MASK) && (s->cs.attrib & SVM_SELECTOR_DB_MASK))
		say(e, CHECKS, "CS.L and CS.D are both set in long mode (CS attributes=%#x)",
		    s->cs.attrib);
	if ((s->efer & (EFER_LME | EFER_LMA)) && !boot_cpu_has(X86_FEATURE_LM))
		say(e, CHECKS, "EFER.LME or LMA is set on a CPU without long mode (EFER=%#llx)",
		    s->efer);
}

static void check_cr(struct explanation *e, const struct vmcb_save_area *s)
{
	u64 cr3_reserved = phys_reserved();

	if ((s->cr0 & X86_CR0_NW) && !(s->cr0 & X86_CR0_CD))
		say(e, CHECKS, "CR0.NW is set while CR0.CD is clear (CR0=%#llx)", s->cr0);
	if (s->cr0 >> 32)
		say(e, CHECKS, "CR0[63:32] are not zero (CR0=%#llx)", s->cr0);
	if ((s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG) && (s->cr3 & cr3_reserved))
		say(e, CHECKS, "CR3 has reserved bits set (CR3=%#llx, reserved %#llx)",
		    s->cr3, s->cr3 & cr3_reserved);
	if (s->cr4 & ~(u64)CR4_KNOWN)
		say(e, CHECKS, "CR4 has reserved bits set (CR4=%#llx, reserved %#llx)",
		    s->cr4, s->cr4 & ~(u64)CR4_KNOWN);
	if ((s->cr4 & CR4_CET_BIT) && !(s->cr0 & X86_CR0_WP))
		say(e, CHECKS, "CR4.CET is set, but CR0.WP is clear (CR4=%#llx CR0=%#llx)",
		    s->cr4, s->cr0);
	if (s->dr6 >> 32)
		say(e, CHECKS, "DR6[63:32] are not zero (DR6=%#llx)", s->dr6);
	if (s->dr7 >> 32)
		say(e, CHECKS, "DR7[63:32] are not zero (DR7=%#llx)", s->dr7);
}

static void check_pat(struct explanation *e, const struct vmcb_save_area *s)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		u8 type = s->g_pat >> (i * 8);

		/* 2 and 3 are no memory types, nor is anything above 7. */
		if (type > 7 || type == 2 || type == 3)
			say(e, NPT, "G_PAT entry %u has no valid memory type (G_PAT=%#llx)",
			    i, s->g_pat);
	}
}

/* Not TLB_CONTROL, which run() has cleared by now. */
static void check_control(struct explanation *e, const struct vmcb *vmcb)
{
	const struct vmcb_control_area *c = &vmcb->control;
	u64 reserved = phys_reserved();

	if (!svm_intercepts(vmcb, INTERCEPT_VMRUN))
		say(e, CHECKS, "the VMRUN intercept is clear");
	if (!c->asid)
		say(e, CHECKS, "the ASID is 0, which is the host's");
	else if (c->asid >= svm_features.nr_asids)
		say(e, CHECKS, "the ASID %u is not below %u, the number that the CPU has",
		    c->asid, svm_features.nr_asids);
	if (__sme_clr((c->iopm_base_pa & PAGE_MASK) + 3 * PAGE_SIZE - 1) & reserved)
		say(e, CHECKS, "the I/O permission map ends beyond the physical address space (IOPM=%#llx)",
		    c->iopm_base_pa);
	if (__sme_clr((c->msrpm_base_pa & PAGE_MASK) + 2 * PAGE_SIZE - 1) & reserved)
		say(e, CHECKS, "the MSR permission map ends beyond the physical address space (MSRPM=%#llx)",
		    c->msrpm_base_pa);
	if ((c->nested_ctl & SVM_NESTED_CTL_NP_ENABLE) && (__sme_clr(c->nested_cr3) & reserved))
		say(e, NPT, "nested CR3 lies beyond the physical address space (nCR3=%#llx)",
		    c->nested_cr3);
	if ((c->int_ctl & INT_CTL_NMI_ENABLE) && !svm_intercepts(vmcb, INTERCEPT_NMI))
		say(e, VNMI, "virtual NMIs are enabled without the NMI intercept");
	if ((c->int_ctl & INT_CTL_NMI_ENABLE) && !svm_has(SVM_F_VNMI))
		say(e, VNMI, "virtual NMIs are enabled on a CPU without them");
}

/* The event of the refused entry: run() clears the field, its copy remains. */
static void check_event(struct explanation *e, const struct svm_vcpu *svm)
{
	u32 inj = svm->injected;
	unsigned int type = (inj & SVM_EVTINJ_TYPE_MASK) >> SVM_EVTINJ_TYPE_SHIFT;
	u8 vector = inj & SVM_EVTINJ_VEC_MASK;

	if (!(inj & SVM_EVTINJ_VALID))
		return;
	if (type == 1 || type > 4)
		say(e, EVENTS, "EVENTINJ has the reserved type %u (EVENTINJ=%#x)", type, inj);
	if (type == 3 && (vector > 31 || vector == X86_TRAP_NMI))
		say(e, EVENTS, "EVENTINJ injects exception %u, which is none (EVENTINJ=%#x)",
		    vector, inj);
	if (type == 3 && (svm->vmcb->save.cs.attrib & SVM_SELECTOR_L_MASK) &&
	    (svm->vmcb->save.efer & EFER_LMA) &&
	    (vector == X86_TRAP_OF || vector == X86_TRAP_BR))
		say(e, EVENTS, "EVENTINJ injects exception %u, which 64-bit code cannot raise (EVENTINJ=%#x)",
		    vector, inj);
}

/**
 * svm_explain() - say which rules the control block breaks
 * @vcpu: loaded, after VX_FAIL_ENTRY and before the next entry
 * @buf: filled with sentences separated by "; "; never empty if size > 1
 * @size: of @buf
 *
 * Context: any.
 */
void svm_explain(struct vmm_vcpu *vcpu, char *buf, size_t size)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct explanation e = { .buf = buf, .size = size };

	if (!size)
		return;
	buf[0] = 0;
	if (svm->vmcb->control.exit_code == SVM_EXIT_SW) {
		say(&e, NULL, "AMD-V was switched off on this CPU: the host is going down");
		return;
	}
	check_efer(&e, &svm->vmcb->save);
	check_cr(&e, &svm->vmcb->save);
	check_pat(&e, &svm->vmcb->save);
	check_control(&e, svm->vmcb);
	check_event(&e, svm);
	if (!e.len)
		say(&e, NULL, "no rule of APM volume 2, 15.5.1 that is known here is broken; the control block is in the log");
}

bool svm_spoil(struct svm_vcpu *svm)
{
	struct vmm_spoil s;
	unsigned int i;

	if (!vmm_spoil_take(&s))
		return false;
	for (i = 0; i < s.nr; i++) {
		u32 at = s.change[i].field, size = s.change[i].size;
		u64 value = 0;

		if (size > sizeof(value) || at > sizeof(*svm->vmcb) - sizeof(value))
			continue;
		memcpy(&value, (void *)svm->vmcb + at, size);
		value = (value & ~s.change[i].clear) | s.change[i].set;
		memcpy((void *)svm->vmcb + at, &value, size);
	}
	svm->vmcb->control.clean = 0;
	svm->injected = svm->vmcb->control.event_inj;
	if (s.refuse)
		svm->vmcb->control.exit_code = SVM_EXIT_ERR;
	return s.refuse;
}

/* --- the block, for the log --- */

static void dump_seg(const char *name, const struct vmcb_seg *seg)
{
	pr_err("%-4s sel %04x attr %03x limit %08x base %016llx\n",
	       name, seg->selector, seg->attrib, seg->limit, seg->base);
}

static void dump_control(const struct vmcb_control_area *c)
{
	pr_err("intercepts %08x %08x %08x %08x %08x %08x\n",
	       c->intercepts[0], c->intercepts[1], c->intercepts[2],
	       c->intercepts[3], c->intercepts[4], c->intercepts[5]);
	pr_err("IOPM %llx MSRPM %llx TSC offset %llx ASID %u TLB %u\n",
	       c->iopm_base_pa, c->msrpm_base_pa, c->tsc_offset, c->asid, c->tlb_ctl);
	pr_err("INT_CTL %08x vector %x state %x\n",
	       c->int_ctl, c->int_vector, c->int_state);
	pr_err("exit %x:%08x info %llx %llx interrupted %08x error %x next RIP %llx\n",
	       c->exit_code_hi, c->exit_code, c->exit_info_1, c->exit_info_2,
	       c->exit_int_info, c->exit_int_info_err, c->next_rip);
	pr_err("nested %llx nCR3 %llx virt_ext %llx clean %x\n",
	       c->nested_ctl, c->nested_cr3, c->virt_ext, c->clean);
}

void svm_dump(struct vmm_vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm(vcpu);
	const struct vmcb_save_area *s = &svm->vmcb->save;

	pr_err("vCPU %u on CPU %d, control block at %llx, last EVENTINJ %x:\n",
	       vcpu->id, vcpu->cpu, svm->vmcb_pa, svm->injected);
	dump_control(&svm->vmcb->control);
	pr_err("RIP %llx RSP %llx RAX %llx RFLAGS %llx CPL %u\n",
	       s->rip, s->rsp, s->rax, s->rflags, s->cpl);
	pr_err("CR0 %llx CR2 %llx CR3 %llx CR4 %llx EFER %llx DR6 %llx DR7 %llx PAT %llx\n",
	       s->cr0, s->cr2, s->cr3, s->cr4, s->efer, s->dr6, s->dr7, s->g_pat);
	dump_seg("CS", &s->cs);
	dump_seg("SS", &s->ss);
	dump_seg("DS", &s->ds);
	dump_seg("ES", &s->es);
	dump_seg("FS", &s->fs);
	dump_seg("GS", &s->gs);
	dump_seg("LDTR", &s->ldtr);
	dump_seg("TR", &s->tr);
	dump_seg("GDTR", &s->gdtr);
	dump_seg("IDTR", &s->idtr);
}
