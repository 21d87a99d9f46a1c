// SPDX-License-Identifier: GPL-2.0
/*
 * Why the CPU refused to enter the guest, in words. The CPU answers with one
 * number for dozens of rules; here the rules are run in software over the VMCS, and
 * each broken one is said with its field, the value and the section of the manual.
 * Called by the core for the log, the trace and the fail-entry exit, with the vCPU
 * loaded. The rules themselves are in explain_*.c.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <linux/kernel.h>
#include <linux/printk.h>

#include "explain.h"

/* VM-instruction errors (SDM 31.4). */
static const char *const instruction_errors[] = {
	[1] = "VMCALL executed in VMX root operation",
	[2] = "VMCLEAR with invalid physical address",
	[3] = "VMCLEAR with VMXON pointer",
	[4] = "VMLAUNCH with non-clear VMCS",
	[5] = "VMRESUME with non-launched VMCS",
	[6] = "VMRESUME after VMXOFF",
	[7] = "VM entry with invalid control fields",
	[8] = "VM entry with invalid host-state fields",
	[9] = "VMPTRLD with invalid physical address",
	[10] = "VMPTRLD with VMXON pointer",
	[11] = "VMPTRLD with incorrect VMCS revision identifier",
	[12] = "VMREAD or VMWRITE from or to unsupported VMCS component",
	[13] = "VMWRITE to read-only VMCS component",
	[15] = "VMXON executed in VMX root operation",
	[16] = "VM entry with invalid executive-VMCS pointer",
	[17] = "VM entry with non-launched executive VMCS",
	[18] = "VM entry with executive-VMCS pointer not VMXON pointer",
	[19] = "VMCALL with non-clear VMCS",
	[20] = "VMCALL with invalid VM-exit control fields",
	[22] = "VMCALL with incorrect MSEG revision identifier",
	[23] = "VMXOFF under dual-monitor treatment of SMIs and SMM",
	[24] = "VMCALL with invalid SMM-monitor features",
	[25] = "VM entry with invalid VM-execution control fields in executive VMCS",
	[26] = "VM entry with events blocked by MOV SS",
	[28] = "invalid operand to INVEPT or INVVPID",
};

static const char *const segment_names[NR_SEGS] = {
	"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR",
};

/* The sentences so far. */
struct explanation {
	char *buf;
	size_t size, len;
};

static void __printf(2, 3) say(struct explanation *e, const char *fmt, ...)
{
	va_list args;

	if (e->len)
		e->len += scnprintf(e->buf + e->len, e->size - e->len, "; ");
	va_start(args, fmt);
	e->len += vscnprintf(e->buf + e->len, e->size - e->len, fmt, args);
	va_end(args);
}

static void copy_registers(struct entry_state *s)
{
	unsigned int i;

	s->cr0 = vmcs_read(GUEST_CR0);
	s->cr3 = vmcs_read(GUEST_CR3);
	s->cr4 = vmcs_read(GUEST_CR4);
	s->efer = vmcs_read(GUEST_IA32_EFER);
	s->dr7 = vmcs_read(GUEST_DR7);
	s->debugctl = vmcs_read(GUEST_IA32_DEBUGCTL);
	s->pat = vmcs_read(GUEST_IA32_PAT);
	s->rip = vmcs_read(GUEST_RIP);
	s->rflags = vmcs_read(GUEST_RFLAGS);
	s->pending_db = vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS);
	s->link = vmcs_read(VMCS_LINK_POINTER);
	s->sysenter_esp = vmcs_read(GUEST_SYSENTER_ESP);
	s->sysenter_eip = vmcs_read(GUEST_SYSENTER_EIP);
	s->gdtr_base = vmcs_read(GUEST_GDTR_BASE);
	s->idtr_base = vmcs_read(GUEST_IDTR_BASE);
	s->gdtr_limit = vmcs_read(GUEST_GDTR_LIMIT);
	s->idtr_limit = vmcs_read(GUEST_IDTR_LIMIT);
	s->interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
	s->activity = vmcs_read(GUEST_ACTIVITY_STATE);
	for (i = 0; i < 4; i++)
		s->pdpte[i] = vmcs_read(GUEST_PDPTR0 + 2 * i);
	for (i = 0; i < NR_SEGS; i++) {
		s->seg[i].selector = vmcs_read(GUEST_ES_SELECTOR + 2 * i);
		s->seg[i].limit = vmcs_read(GUEST_ES_LIMIT + 2 * i);
		s->seg[i].ar = vmcs_read(GUEST_ES_AR_BYTES + 2 * i);
		s->seg[i].base = vmcs_read(GUEST_ES_BASE + 2 * i);
	}
}

static void copy_state(struct intel_vcpu *v, struct entry_state *s)
{
	s->pin = vmcs_read(PIN_BASED_VM_EXEC_CONTROL);
	s->cpu = vmcs_read(CPU_BASED_VM_EXEC_CONTROL);
	s->cpu2 = vmcs_read(SECONDARY_VM_EXEC_CONTROL);
	s->exit = vmcs_read(VM_EXIT_CONTROLS);
	s->entry = vmcs_read(VM_ENTRY_CONTROLS);
	/* The field itself was cleared, so that the event is not injected twice. */
	s->intr_info = v->refused_event;
	s->intr_error = vmcs_read(VM_ENTRY_EXCEPTION_ERROR_CODE);
	s->insn_len = vmcs_read(VM_ENTRY_INSTRUCTION_LEN);
	copy_registers(s);
	s->ia32e = s->entry & VM_ENTRY_IA32E_MODE;
	s->v86 = s->rflags & X86_EFLAGS_VM;
	s->unrestricted = s->cpu2 & SECONDARY_EXEC_UNRESTRICTED_GUEST;
}

static u64 field_value(const struct entry_state *s, u32 field)
{
	return field == VM_ENTRY_INTR_INFO_FIELD ? s->intr_info : vmcs_read(field);
}

static void check_segments(struct explanation *e, const struct entry_state *s,
			   const struct entry_rule *rule)
{
	unsigned int seg;

	for (seg = 0; seg < NR_SEGS; seg++)
		if (rule->segments & VMM_G_SEG(seg) && rule->broken(s, seg))
			say(e, "GUEST_%s_%s is %#llx: %s (SDM %s)", segment_names[seg], rule->name,
			    field_value(s, rule->field + 2 * seg), rule->text, rule->section);
}

static void check(struct explanation *e, const struct entry_state *s,
		  const struct entry_rule *rule)
{
	for (; rule->broken; rule++) {
		if (rule->segments)
			check_segments(e, s, rule);
		else if (rule->broken(s, 0))
			say(e, "%s is %#llx: %s (SDM %s)", rule->name,
			    field_value(s, rule->field), rule->text, rule->section);
	}
}

/* Reason 33's qualification singles some causes out (SDM 27.8). */
static void say_qualification(struct explanation *e, u64 qual)
{
	if (qual == ENTRY_FAIL_NMI)
		say(e, "an NMI is injected into a guest that blocks events by MOV SS");
	else if (qual == ENTRY_FAIL_VMCS_LINK_PTR)
		say(e, "the VMCS link pointer is invalid");
}

void intel_explain(struct vmm_vcpu *vcpu, char *buf, size_t size)
{
	struct explanation e = { .buf = buf, .size = size };
	struct vmm_exit *exit = &vcpu->arch.exit;
	struct entry_state s;
	size_t before;

	copy_state(to_intel(vcpu), &s);
	if (!(exit->hw_reason & VMX_EXIT_REASONS_FAILED_VMENTRY)) {
		if (exit->hw_reason < ARRAY_SIZE(instruction_errors) &&
		    instruction_errors[exit->hw_reason])
			say(&e, "%s", instruction_errors[exit->hw_reason]);
		else
			say(&e, "VMX is off on this CPU: the host is going down");
		before = e.len;
		check(&e, &s, intel_control_rules);
		check(&e, &s, intel_host_rules);
	} else if ((u16)exit->hw_reason == EXIT_REASON_MSR_LOAD_FAIL) {
		say(&e, "entry %llu of the MSR-load area cannot be loaded (SDM 27.4)",
		    exit->info[0]);
		return;
	} else {
		before = e.len;
		/* What decides the mode comes first: segments follow from it. */
		check(&e, &s, intel_guest_rules);
		check(&e, &s, intel_segment_rules);
		if (e.len == before)
			say_qualification(&e, exit->info[0]);
	}
	if (e.len == before && exit->hw_reason != VMXERR_ENTRY_EVENTS_BLOCKED_BY_MOV_SS)
		say(&e, "no rule of SDM chapter 27 that is known here is broken; the VMCS is in the log");
}

static void dump_controls(struct intel_vcpu *v)
{
	pr_err("controls: pin %08lx cpu %08lx secondary %08lx exit %08lx entry %08lx exceptions %08lx\n",
	       vmcs_read(PIN_BASED_VM_EXEC_CONTROL), vmcs_read(CPU_BASED_VM_EXEC_CONTROL),
	       vmcs_read(SECONDARY_VM_EXEC_CONTROL), vmcs_read(VM_EXIT_CONTROLS),
	       vmcs_read(VM_ENTRY_CONTROLS), vmcs_read(EXCEPTION_BITMAP));
	pr_err("EPTP %lx VPID %lx TSC offset %lx link %lx\n", vmcs_read(EPT_POINTER),
	       v->vpid ? vmcs_read(VIRTUAL_PROCESSOR_ID) : 0, vmcs_read(TSC_OFFSET),
	       vmcs_read(VMCS_LINK_POINTER));
	pr_err("event %08x error %lx length %lx; exit reason %lx qualification %lx vectoring %lx\n",
	       v->refused_event, vmcs_read(VM_ENTRY_EXCEPTION_ERROR_CODE),
	       vmcs_read(VM_ENTRY_INSTRUCTION_LEN), vmcs_read(VM_EXIT_REASON),
	       vmcs_read(EXIT_QUALIFICATION), vmcs_read(IDT_VECTORING_INFO_FIELD));
}

static void dump_host(void)
{
	pr_err("host: CR0 %lx CR3 %lx CR4 %lx RSP %lx RIP %lx EFER %lx PAT %lx\n",
	       vmcs_read(HOST_CR0), vmcs_read(HOST_CR3), vmcs_read(HOST_CR4),
	       vmcs_read(HOST_RSP), vmcs_read(HOST_RIP), vmcs_read(HOST_IA32_EFER),
	       vmcs_read(HOST_IA32_PAT));
}

void intel_dump(struct vmm_vcpu *vcpu)
{
	struct intel_vcpu *v = to_intel(vcpu);
	struct entry_state s;
	unsigned int i;

	copy_state(v, &s);
	pr_err("vCPU %u on CPU %d, VMCS at %pa:\n", vcpu->id, vcpu->cpu, &v->vmcs_pa);
	dump_controls(v);
	dump_host();
	pr_err("RIP %llx RSP %lx RFLAGS %llx interruptibility %x activity %x pending #DB %llx\n",
	       s.rip, vmcs_read(GUEST_RSP), s.rflags, s.interruptibility, s.activity, s.pending_db);
	pr_err("CR0 %llx (%lx) CR3 %llx CR4 %llx (%lx) EFER %llx PAT %llx DR7 %llx DEBUGCTL %llx\n",
	       s.cr0, vmcs_read(CR0_READ_SHADOW), s.cr3, s.cr4, vmcs_read(CR4_READ_SHADOW),
	       s.efer, s.pat, s.dr7, s.debugctl);
	for (i = 0; i < NR_SEGS; i++)
		pr_err("%-4s sel %04x rights %05x limit %08x base %016llx\n", segment_names[i],
		       s.seg[i].selector, s.seg[i].ar, s.seg[i].limit, s.seg[i].base);
	pr_err("GDTR limit %08x base %016llx IDTR limit %08x base %016llx\n",
	       s.gdtr_limit, s.gdtr_base, s.idtr_limit, s.idtr_base);
}
