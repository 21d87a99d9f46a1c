/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_rules_intel.h - rules of the SDM, volume 3, 27.2 and 27.3, for a vCPU that
 * is about to run 64-bit code (see entry_rules_test.c).
 */
enum {
	/* 16 bits */
	VPID = 0x0, G_ES = 0x800, G_CS = 0x802, G_SS = 0x804, G_DS = 0x806, G_FS = 0x808,
	G_GS = 0x80a, G_LDTR = 0x80c, G_TR = 0x80e,
	H_ES = 0xc00, H_CS = 0xc02, H_SS = 0xc04, H_DS = 0xc06, H_FS = 0xc08, H_GS = 0xc0a,
	H_TR = 0xc0c,
	/* 64 bits */
	IO_A = 0x2000, IO_B = 0x2002, MSR_MAP = 0x2004, EXIT_STORE = 0x2006, EXIT_LOAD = 0x2008,
	ENTRY_LOAD = 0x200a, PML = 0x200e, VAPIC = 0x2012, APIC_ACCESS = 0x2014, EPTP = 0x201a,
	G_LINK = 0x2800, G_DEBUGCTL = 0x2802, G_PAT = 0x2804, G_EFER = 0x2806,
	G_PDPTE0 = 0x280a, G_PDPTE1 = 0x280c, G_PDPTE2 = 0x280e, G_PDPTE3 = 0x2810,
	H_PAT = 0x2c00, H_EFER = 0x2c02,
	/* 32 bits */
	PIN = 0x4000, CPU = 0x4002, CR3_TARGETS = 0x400a, EXIT = 0x400c, EXIT_STORE_NR = 0x400e,
	EXIT_LOAD_NR = 0x4010, ENTRY = 0x4012, ENTRY_LOAD_NR = 0x4014, EVENT = 0x4016,
	EVENT_ERROR = 0x4018, INSN_LEN = 0x401a, TPR_THRESHOLD = 0x401c, CPU2 = 0x401e,
	G_ES_LIMIT = 0x4800, G_CS_LIMIT = 0x4802, G_LDTR_LIMIT = 0x480c, G_TR_LIMIT = 0x480e,
	G_GDTR_LIMIT = 0x4810, G_IDTR_LIMIT = 0x4812,
	G_ES_AR = 0x4814, G_CS_AR = 0x4816, G_SS_AR = 0x4818, G_DS_AR = 0x481a, G_LDTR_AR = 0x4820,
	G_TR_AR = 0x4822, G_SHADOW = 0x4824, G_ACTIVITY = 0x4826,
	/* natural width */
	G_CR0 = 0x6800, G_CR3 = 0x6802, G_CR4 = 0x6804, G_ES_BASE = 0x6806, G_CS_BASE = 0x6808,
	G_SS_BASE = 0x680a, G_FS_BASE = 0x680e, G_LDTR_BASE = 0x6812, G_TR_BASE = 0x6814,
	G_GDTR = 0x6816, G_IDTR = 0x6818, G_DR7 = 0x681a, G_RIP = 0x681e, G_RFLAGS = 0x6820,
	G_PENDING_DB = 0x6822, G_SYSENTER_ESP = 0x6824, G_SYSENTER_EIP = 0x6826,
	H_CR0 = 0x6c00, H_CR3 = 0x6c02, H_CR4 = 0x6c04, H_FS_BASE = 0x6c06, H_GS_BASE = 0x6c08,
	H_TR_BASE = 0x6c0a, H_GDTR = 0x6c0c, H_IDTR = 0x6c0e, H_SYSENTER_ESP = 0x6c10,
	H_SYSENTER_EIP = 0x6c12, H_RIP = 0x6c16,
};

#define SET(f, v)	{ f, 8, 0, v }
#define CLEAR(f, v)	{ f, 8, v, 0 }
#define PUT(f, v)	{ f, 8, ~0ULL, v }
#define NO_ADDRESS	B(62)			/* neither physical nor canonical */

/* Controls that several rules need. */
#define TPR_SHADOW	SET(CPU, B(21)), PUT(VAPIC, 0x1000)

#define VEXEC	" (SDM 27.2.1.1)"
#define VEXIT	" (SDM 27.2.1.2)"
#define VENTRY	" (SDM 27.2.1.3)"

static const struct entry_rule intel_control_rules[] = {
	RULE("PIN_BASED_VM_EXEC_CONTROL", "bits that this CPU fixes are wrong" VEXEC,
	     CLEAR(PIN, B(1))),
	RULE("CPU_BASED_VM_EXEC_CONTROL", "bits that this CPU fixes are wrong" VEXEC,
	     CLEAR(CPU, B(1))),
	RULE("SECONDARY_VM_EXEC_CONTROL", "bits that this CPU fixes are wrong" VEXEC,
	     SET(CPU2, B(29))),
	RULE("CR3_TARGET_COUNT", "more CR3 targets than the CPU has" VEXEC,
	     PUT(CR3_TARGETS, 0x1ff)),
	RULE("IO_BITMAP_A", "I/O bitmap A is not a page of physical memory" VEXEC,
	     SET(CPU, B(25)), PUT(IO_B, 0x1000), PUT(IO_A, 0x1001)),
	RULE("IO_BITMAP_B", "I/O bitmap B is not a page of physical memory" VEXEC,
	     SET(CPU, B(25)), PUT(IO_A, 0x1000), PUT(IO_B, NO_ADDRESS)),
	RULE("MSR_BITMAP", "the MSR bitmap is not a page of physical memory" VEXEC,
	     SET(MSR_MAP, 1)),
	RULE("VIRTUAL_APIC_PAGE_ADDR", "the virtual APIC is not a page of physical memory" VEXEC,
	     TPR_SHADOW, PUT(VAPIC, 0x1001)),
	RULE("TPR_THRESHOLD", "bits 31:4 are not 0" VEXEC,
	     TPR_SHADOW, CLEAR(CPU2, B(9)), PUT(TPR_THRESHOLD, 0x10)),
	RULE("PIN_BASED_VM_EXEC_CONTROL", "virtual NMIs without NMI exiting" VEXEC,
	     CLEAR(PIN, B(3))),
	RULE("CPU_BASED_VM_EXEC_CONTROL", "NMI-window exiting without virtual NMIs" VEXEC,
	     CLEAR(PIN, B(5)), SET(CPU, B(22))),
	RULE("APIC_ACCESS_ADDR", "the APIC-access page is not a page of physical memory" VEXEC,
	     CLEAR(CPU2, B(4)), SET(CPU2, B(0)), PUT(APIC_ACCESS, 0x1001)),
	RULE("SECONDARY_VM_EXEC_CONTROL", "APIC virtualization without TPR shadow" VEXEC,
	     CLEAR(CPU, B(21)), SET(CPU2, B(4))),
	RULE("SECONDARY_VM_EXEC_CONTROL",
	     "x2APIC mode and APIC accesses are both virtualized" VEXEC,
	     TPR_SHADOW, PUT(APIC_ACCESS, 0x2000), SET(CPU2, B(4) | B(0))),
	RULE("SECONDARY_VM_EXEC_CONTROL",
	     "virtual-interrupt delivery without external-interrupt exiting" VEXEC,
	     TPR_SHADOW, CLEAR(PIN, B(0)), SET(CPU2, B(9))),
	RULE_UNCHECKED("PIN_BASED_VM_EXEC_CONTROL",
	     "posted interrupts without virtual-interrupt delivery" VEXEC,
	     CLEAR(CPU2, B(9)), SET(EXIT, B(15)), SET(PIN, B(7))),
	RULE("VM_EXIT_CONTROLS", "posted interrupts without acknowledge-interrupt-on-exit" VEXEC,
	     TPR_SHADOW, SET(CPU2, B(9)), SET(PIN, B(7)), CLEAR(EXIT, B(15))),
	RULE("VIRTUAL_PROCESSOR_ID", "VPIDs are enabled and this one is 0" VEXEC, PUT(VPID, 0)),
	RULE("EPT_POINTER", "its memory type is not one that the CPU has" VEXEC,
	     { EPTP, 8, 7, 1 }),
	RULE("EPT_POINTER", "its walk length is not 4" VEXEC, { EPTP, 8, 0x38, 0x8 }),
	RULE("EPT_POINTER", "reserved or too high address bits are set" VEXEC, SET(EPTP, B(11))),
	RULE("EPT_POINTER", "reserved or too high address bits are set" VEXEC,
	     SET(EPTP, NO_ADDRESS)),
	RULE("SECONDARY_VM_EXEC_CONTROL",
	     "unrestricted guest, page-modification log or execute control without EPT" VEXEC,
	     CLEAR(CPU2, B(1))),
	RULE("PML_ADDRESS", "the page-modification log is not a page of physical memory" VEXEC,
	     SET(CPU2, B(17)), PUT(PML, 1)),
	RULE("VM_EXIT_CONTROLS", "bits that this CPU fixes are wrong" VEXIT, CLEAR(EXIT, B(0))),
	RULE("VM_EXIT_CONTROLS", "the preemption timer is saved, but not active" VEXIT,
	     CLEAR(PIN, B(6)), SET(EXIT, B(22))),
	RULE("VM_EXIT_MSR_STORE_ADDR", "the MSR-store area has no valid address" VEXIT,
	     PUT(EXIT_STORE_NR, 1), PUT(EXIT_STORE, 1)),
	RULE("VM_EXIT_MSR_LOAD_ADDR", "the MSR-load area has no valid address" VEXIT,
	     PUT(EXIT_LOAD_NR, 1), PUT(EXIT_LOAD, NO_ADDRESS)),
	RULE("VM_ENTRY_CONTROLS", "bits that this CPU fixes are wrong" VENTRY,
	     CLEAR(ENTRY, B(0))),
	RULE("VM_ENTRY_MSR_LOAD_ADDR", "the MSR-load area has no valid address" VENTRY,
	     PUT(ENTRY_LOAD_NR, 1), PUT(ENTRY_LOAD, 1)),
	{ .field = "VM_ENTRY_CONTROLS", .text = "an entry to SMM outside SMM" VENTRY,
	  .change = { SET(ENTRY, B(10)) }, .more = true, .unchecked = true },
	RULE("VM_ENTRY_INTR_INFO_FIELD", "event type 1 is reserved" VENTRY,
	     PUT(EVENT, 0x80000100)),
	RULE("VM_ENTRY_INTR_INFO_FIELD",
	     "event type 7 needs vector 0 and the monitor trap flag" VENTRY,
	     PUT(EVENT, 0x80000701)),
	RULE("VM_ENTRY_INTR_INFO_FIELD", "an NMI has a vector other than 2" VENTRY,
	     PUT(EVENT, 0x80000203)),
	RULE("VM_ENTRY_INTR_INFO_FIELD", "a hardware exception has a vector above 31" VENTRY,
	     PUT(EVENT, 0x80000320)),
	RULE_UNCHECKED("VM_ENTRY_INTR_INFO_FIELD",
	     "this event has no error code, and one is to be delivered" VENTRY,
	     PUT(EVENT, 0x80000a02)),
	RULE("VM_ENTRY_INTR_INFO_FIELD", "bits 30:12 are not 0" VENTRY, PUT(EVENT, 0x80001306)),
	RULE("VM_ENTRY_EXCEPTION_ERROR_CODE", "bits 31:16 are not 0" VENTRY,
	     PUT(EVENT, 0x80000b0d), PUT(EVENT_ERROR, 0x10000)),
	RULE("VM_ENTRY_INSTRUCTION_LEN",
	     "an instruction of this length cannot have raised the event" VENTRY,
	     PUT(EVENT, 0x80000420), PUT(INSN_LEN, 16)),
	{ }
};

#define HREG	" (SDM 27.2.2)"
#define HSEG	" (SDM 27.2.3)"
#define HSIZE	" (SDM 27.2.4)"
#define NOT_CANONICAL "the address is not canonical"

static const struct entry_rule intel_host_rules[] = {
	RULE("HOST_CR0", "bits that VMX fixes are wrong" HREG, CLEAR(H_CR0, B(5))),
	RULE("HOST_CR4", "bits that VMX fixes are wrong" HREG, CLEAR(H_CR4, B(13))),
	RULE("HOST_CR3", "the address is beyond the CPU's width" HREG, SET(H_CR3, B(52))),
	RULE("HOST_IA32_SYSENTER_ESP", NOT_CANONICAL HREG, PUT(H_SYSENTER_ESP, NO_ADDRESS)),
	RULE("HOST_IA32_SYSENTER_EIP", NOT_CANONICAL HREG, PUT(H_SYSENTER_EIP, NO_ADDRESS)),
	RULE("HOST_IA32_PAT", "it holds a reserved memory type" HREG, { H_PAT, 8, 0xff, 2 }),
	RULE("HOST_IA32_EFER",
	     "reserved bits are set, or LMA and LME are not those of a 64-bit host" HREG,
	     CLEAR(H_EFER, B(10))),
	RULE("HOST_ES_SELECTOR", "RPL or TI is not 0" HSEG, SET(H_ES, 3)),
	RULE("HOST_CS_SELECTOR", "RPL or TI is not 0" HSEG, SET(H_CS, 4)),
	RULE("HOST_SS_SELECTOR", "RPL or TI is not 0" HSEG, SET(H_SS, 3)),
	RULE("HOST_DS_SELECTOR", "RPL or TI is not 0" HSEG, SET(H_DS, 3)),
	RULE("HOST_FS_SELECTOR", "RPL or TI is not 0" HSEG, SET(H_FS, 3)),
	RULE("HOST_GS_SELECTOR", "RPL or TI is not 0" HSEG, SET(H_GS, 4)),
	RULE("HOST_TR_SELECTOR", "RPL or TI is not 0" HSEG, SET(H_TR, 4)),
	RULE("HOST_CS_SELECTOR", "it is null" HSEG, PUT(H_CS, 0)),
	RULE("HOST_TR_SELECTOR", "it is null" HSEG, PUT(H_TR, 0)),
	RULE("HOST_FS_BASE", NOT_CANONICAL HSEG, PUT(H_FS_BASE, NO_ADDRESS)),
	RULE("HOST_GS_BASE", NOT_CANONICAL HSEG, PUT(H_GS_BASE, NO_ADDRESS)),
	RULE("HOST_TR_BASE", NOT_CANONICAL HSEG, PUT(H_TR_BASE, NO_ADDRESS)),
	RULE("HOST_GDTR_BASE", NOT_CANONICAL HSEG, PUT(H_GDTR, NO_ADDRESS)),
	RULE("HOST_IDTR_BASE", NOT_CANONICAL HSEG, PUT(H_IDTR, NO_ADDRESS)),
	RULE_AND_MORE("VM_EXIT_CONTROLS", "a 64-bit host needs host address-space size" HSIZE,
	     CLEAR(EXIT, B(9))),
	RULE("HOST_CR4", "a 64-bit host needs CR4.PAE" HSIZE, CLEAR(H_CR4, B(5))),
	RULE("HOST_RIP", NOT_CANONICAL HSIZE, PUT(H_RIP, NO_ADDRESS)),
	{ }
};

#define GREG	" (SDM 27.3.1.1)"
#define GDT	" (SDM 27.3.1.3)"
#define GRIP	" (SDM 27.3.1.4)"
#define GSTATE	" (SDM 27.3.1.5)"
#define GPDPTE	" (SDM 27.3.1.6)"
#define SHADOW_STI	B(0)
#define SHADOW_MOV_SS	B(1)
#define SHADOW_SMI	B(2)
#define SHADOW_NMI	B(3)
#define SHADOW_ENCLAVE	B(4)
#define FLAG_TF		B(8)
#define FLAG_IF		B(9)
#define DB_BS		B(14)
#define HLT_STATE	1

static const struct entry_rule intel_guest_rules[] = {
	RULE("GUEST_CR0", "bits that VMX wants set are clear" GREG, CLEAR(G_CR0, B(5))),
	RULE("GUEST_CR0", "bits that VMX wants clear are set" GREG, SET(G_CR0, B(32))),
	RULE("GUEST_CR0", "CR0.PG is set and CR0.PE is clear" GREG, CLEAR(G_CR0, B(0))),
	RULE("GUEST_CR4", "bits that VMX wants set are clear" GREG, CLEAR(G_CR4, B(13))),
	RULE("GUEST_CR4", "bits that this CPU does not have are set" GREG, SET(G_CR4, B(30))),
	RULE("GUEST_CR4", "CR4.CET is set and CR0.WP is clear" GREG,
	     CLEAR(G_CR0, B(16)), SET(G_CR4, B(23))),
	RULE_UNCHECKED("GUEST_IA32_DEBUGCTL", "reserved bits are set" GREG, SET(G_DEBUGCTL, B(3))),
	RULE_UNCHECKED("GUEST_CR0", "IA-32e mode without CR0.PG" GREG, CLEAR(G_CR0, B(31))),
	RULE("GUEST_CR4", "IA-32e mode without CR4.PAE" GREG, CLEAR(G_CR4, B(5))),
	RULE("GUEST_CR4", "CR4.PCIDE is set outside IA-32e mode" GREG,
	     CLEAR(ENTRY, B(9)), CLEAR(G_EFER, B(10) | B(8)), PUT(G_RIP, 0), SET(G_CR4, B(17))),
	RULE("GUEST_CR3", "the address is beyond the CPU's width" GREG, SET(G_CR3, B(52))),
	RULE("GUEST_DR7", "bits 63:32 are not 0" GREG, SET(G_DR7, B(32))),
	RULE("GUEST_SYSENTER_ESP", NOT_CANONICAL GREG, PUT(G_SYSENTER_ESP, NO_ADDRESS)),
	RULE("GUEST_SYSENTER_EIP", NOT_CANONICAL GREG, PUT(G_SYSENTER_EIP, NO_ADDRESS)),
	RULE("GUEST_IA32_PAT", "it holds a reserved memory type" GREG, { G_PAT, 8, 0xff, 3 }),
	RULE("GUEST_IA32_EFER", "reserved bits are set" GREG, SET(G_EFER, B(1))),
	RULE_AND_MORE("GUEST_IA32_EFER", "LMA is not what the IA-32e control says" GREG,
	     CLEAR(G_EFER, B(10))),
	RULE("GUEST_IA32_EFER", "paging is on and LME differs from LMA" GREG,
	     CLEAR(G_EFER, B(8))),
	RULE("GUEST_GDTR_BASE", NOT_CANONICAL GDT, PUT(G_GDTR, NO_ADDRESS)),
	RULE("GUEST_IDTR_BASE", NOT_CANONICAL GDT, PUT(G_IDTR, NO_ADDRESS)),
	RULE("GUEST_GDTR_LIMIT", "bits 31:16 are not 0" GDT, SET(G_GDTR_LIMIT, B(16))),
	RULE("GUEST_IDTR_LIMIT", "bits 31:16 are not 0" GDT, SET(G_IDTR_LIMIT, B(31))),
	RULE("GUEST_RIP", "bits 63:32 are not 0 outside 64-bit code" GRIP,
	     CLEAR(G_CS_AR, B(13)), PUT(G_RIP, B(32))),
	RULE_UNCHECKED("GUEST_RIP", "bits 63:N (the linear width) are not identical" GRIP,
	     PUT(G_RIP, NO_ADDRESS)),
	RULE("GUEST_RFLAGS", "reserved bits are set" GRIP, SET(G_RFLAGS, B(15))),
	RULE("GUEST_RFLAGS", "bit 1 is clear" GRIP, CLEAR(G_RFLAGS, B(1))),
	RULE_AND_MORE("GUEST_RFLAGS", "VM is set in IA-32e mode or with CR0.PE clear" GRIP,
	     SET(G_RFLAGS, B(17))),
	RULE("GUEST_RFLAGS", "IF is clear and an external interrupt is injected" GRIP,
	     PUT(EVENT, 0x80000020), CLEAR(G_RFLAGS, FLAG_IF)),
	RULE("GUEST_ACTIVITY_STATE", "a state that this CPU does not have" GSTATE,
	     PUT(G_ACTIVITY, 4)),
	RULE("GUEST_ACTIVITY_STATE", "HLT state with SS.DPL not 0" GSTATE,
	     SET(G_SS_AR, 0x60), SET(G_CS_AR, 0x60),
	     SET(G_SS, 3), SET(G_CS, 3), PUT(G_ACTIVITY, HLT_STATE)),
	RULE("GUEST_ACTIVITY_STATE", "an inactive state in an interrupt shadow" GSTATE,
	     SET(G_SHADOW, SHADOW_MOV_SS), PUT(G_ACTIVITY, HLT_STATE)),
	RULE_UNCHECKED("GUEST_ACTIVITY_STATE", "the injected event does not fit this state" GSTATE,
	     PUT(EVENT, 0x80000306), PUT(G_ACTIVITY, HLT_STATE)),
	RULE("GUEST_INTERRUPTIBILITY_INFO", "reserved bits are set" GSTATE, SET(G_SHADOW, B(5))),
	RULE("GUEST_INTERRUPTIBILITY_INFO", "blocking by STI and by MOV SS at once" GSTATE,
	     SET(G_RFLAGS, FLAG_IF), SET(G_SHADOW, SHADOW_STI | SHADOW_MOV_SS)),
	RULE("GUEST_INTERRUPTIBILITY_INFO", "blocking by STI with RFLAGS.IF clear" GSTATE,
	     CLEAR(G_RFLAGS, FLAG_IF), SET(G_SHADOW, SHADOW_STI)),
	RULE("GUEST_INTERRUPTIBILITY_INFO",
	     "an external interrupt is injected in an interrupt shadow" GSTATE,
	     SET(G_RFLAGS, FLAG_IF), PUT(EVENT, 0x80000020), SET(G_SHADOW, SHADOW_MOV_SS)),
	RULE("GUEST_INTERRUPTIBILITY_INFO", "an NMI is injected in the shadow of MOV SS" GSTATE,
	     PUT(EVENT, 0x80000202), SET(G_SHADOW, SHADOW_MOV_SS)),
	RULE("GUEST_INTERRUPTIBILITY_INFO", "blocking by SMI outside SMM" GSTATE,
	     SET(G_SHADOW, SHADOW_SMI)),
	RULE_UNCHECKED("GUEST_INTERRUPTIBILITY_INFO", "an NMI is injected while NMIs are blocked" GSTATE,
	     PUT(EVENT, 0x80000202), SET(G_SHADOW, SHADOW_NMI)),
	RULE("GUEST_INTERRUPTIBILITY_INFO", "enclave interruption with blocking by MOV SS" GSTATE,
	     SET(G_SHADOW, SHADOW_ENCLAVE | SHADOW_MOV_SS)),
	RULE("GUEST_PENDING_DBG_EXCEPTIONS", "reserved bits are set" GSTATE,
	     SET(G_PENDING_DB, B(5))),
	RULE_UNCHECKED("GUEST_PENDING_DBG_EXCEPTIONS",
	     "BS is clear in a shadow or in HLT, and TF is set" GSTATE,
	     SET(G_SHADOW, SHADOW_MOV_SS), SET(G_RFLAGS, FLAG_TF), CLEAR(G_PENDING_DB, DB_BS)),
	RULE_UNCHECKED("GUEST_PENDING_DBG_EXCEPTIONS",
	     "BS is set in a shadow or in HLT, and no step is due" GSTATE,
	     SET(G_SHADOW, SHADOW_MOV_SS), CLEAR(G_RFLAGS, FLAG_TF), SET(G_PENDING_DB, DB_BS)),
	RULE("VMCS_LINK_POINTER", "it is not all ones, and there is no shadow VMCS" GSTATE,
	     PUT(G_LINK, 0x1001)),
	{ }
};

/* In PAE paging. */
static const struct entry_rule intel_pae_rules[] = {
	RULE("GUEST_PDPTR0", "reserved bits are set" GPDPTE, PUT(G_PDPTE0, 3)),
	RULE("GUEST_PDPTR1", "reserved bits are set" GPDPTE, PUT(G_PDPTE1, 0x21)),
	RULE("GUEST_PDPTR2", "reserved bits are set" GPDPTE, PUT(G_PDPTE2, 0x101)),
	RULE("GUEST_PDPTR3", "reserved bits are set" GPDPTE, PUT(G_PDPTE3, B(62) | 1)),
	{ }
};

#define GSEG	" (SDM 27.3.1.2)"
/* A usable LDT; the rights follow. */
#define LDT	PUT(G_LDTR, 0x38), PUT(G_LDTR_LIMIT, 0xff), PUT(G_LDTR_BASE, 0)
/* Virtual-8086 mode: its other two rules hold for all six registers. */
#define AR_USABLE_LDT	0x82

static const struct entry_rule intel_segment_rules[] = {
	RULE("GUEST_TR_SELECTOR", "TI is set" GSEG, SET(G_TR, 4)),
	RULE("GUEST_LDTR_SELECTOR", "TI is set" GSEG,
	     LDT, PUT(G_LDTR_AR, AR_USABLE_LDT), SET(G_LDTR, 4)),
	RULE("GUEST_TR_BASE", NOT_CANONICAL GSEG, PUT(G_TR_BASE, NO_ADDRESS)),
	RULE("GUEST_FS_BASE", NOT_CANONICAL GSEG, PUT(G_FS_BASE, NO_ADDRESS)),
	RULE("GUEST_LDTR_BASE", NOT_CANONICAL GSEG,
	     LDT, PUT(G_LDTR_AR, AR_USABLE_LDT), PUT(G_LDTR_BASE, NO_ADDRESS)),
	RULE("GUEST_CS_BASE", "bits 63:32 are not 0" GSEG, PUT(G_CS_BASE, B(32))),
	RULE("GUEST_SS_BASE", "bits 63:32 are not 0" GSEG, PUT(G_SS_BASE, B(32))),
	RULE("GUEST_ES_BASE", "bits 63:32 are not 0" GSEG, PUT(G_ES_BASE, B(63))),
	RULE("GUEST_CS_AR_BYTES", "the type is not accessed code, nor data 3 of real mode" GSEG,
	     { G_CS_AR, 8, 15, 7 }),
	RULE("GUEST_SS_AR_BYTES", "the type is neither 3 nor 7" GSEG, { G_SS_AR, 8, 15, 1 }),
	RULE("GUEST_DS_AR_BYTES", "the type is not accessed, or code that is not readable" GSEG,
	     { G_DS_AR, 8, 15, 2 }),
	RULE("GUEST_ES_AR_BYTES", "the type is not accessed, or code that is not readable" GSEG,
	     { G_ES_AR, 8, 15, 9 }),
	RULE("GUEST_CS_AR_BYTES", "S is clear: a system segment" GSEG, CLEAR(G_CS_AR, B(4))),
	RULE("GUEST_DS_AR_BYTES", "S is clear: a system segment" GSEG, CLEAR(G_DS_AR, B(4))),
	RULE("GUEST_CS_AR_BYTES", "DPL does not fit the type and SS.DPL" GSEG,
	     SET(G_CS_AR, 0x60)),
	RULE("GUEST_SS_AR_BYTES", "DPL is not RPL, or not 0 in real mode" GSEG,
	     { G_CS_AR, 8, 0x200f, 3 }, SET(G_SS_AR, 0x60)),
	RULE("GUEST_CS_AR_BYTES", "P is clear" GSEG, CLEAR(G_CS_AR, B(7))),
	RULE("GUEST_SS_AR_BYTES", "P is clear" GSEG, CLEAR(G_SS_AR, B(7))),
	RULE("GUEST_DS_AR_BYTES", "reserved bits 11:8 or 31:17 are set" GSEG, SET(G_DS_AR, B(8))),
	RULE("GUEST_CS_AR_BYTES", "L and D are both set in IA-32e mode" GSEG,
	     SET(G_CS_AR, B(14))),
	RULE("GUEST_ES_AR_BYTES", "G does not fit the limit" GSEG,
	     PUT(G_ES_LIMIT, 0xfffff000), SET(G_ES_AR, B(15))),
	RULE("GUEST_CS_AR_BYTES", "G does not fit the limit" GSEG,
	     PUT(G_CS_LIMIT, B(20)), CLEAR(G_CS_AR, B(15))),
	RULE("GUEST_TR_AR_BYTES", "the type is not a busy TSS (11, or 3 outside IA-32e mode)" GSEG,
	     { G_TR_AR, 8, 15, 9 }),
	RULE("GUEST_TR_AR_BYTES", "S is set" GSEG, SET(G_TR_AR, B(4))),
	RULE("GUEST_TR_AR_BYTES", "P is clear" GSEG, CLEAR(G_TR_AR, B(7))),
	RULE("GUEST_TR_AR_BYTES", "reserved bits 11:8 or 31:17 are set" GSEG,
	     SET(G_TR_AR, B(17))),
	RULE("GUEST_TR_AR_BYTES", "G does not fit the limit" GSEG,
	     PUT(G_TR_LIMIT, 0x67), SET(G_TR_AR, B(15))),
	RULE("GUEST_TR_AR_BYTES", "it is unusable" GSEG, SET(G_TR_AR, B(16))),
	RULE("GUEST_LDTR_AR_BYTES", "the type is not 2, an LDT" GSEG, LDT, PUT(G_LDTR_AR, 0x83)),
	RULE("GUEST_LDTR_AR_BYTES", "S is set" GSEG, LDT, PUT(G_LDTR_AR, 0x92)),
	RULE("GUEST_LDTR_AR_BYTES", "P is clear" GSEG, LDT, PUT(G_LDTR_AR, 0x02)),
	RULE("GUEST_LDTR_AR_BYTES", "reserved bits 11:8 or 31:17 are set" GSEG,
	     LDT, PUT(G_LDTR_AR, 0x182)),
	RULE("GUEST_LDTR_AR_BYTES", "G does not fit the limit" GSEG,
	     LDT, PUT(G_LDTR_LIMIT, 0xff000), PUT(G_LDTR_AR, 0x8082)),
	{ }
};
