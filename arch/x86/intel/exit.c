// SPDX-License-Identifier: GPL-2.0
/*
 * Why the guest exited, in the core's terms. A table says for each reason of the
 * CPU (SDM appendix C) what the core calls it and which fields are worth reading:
 * each VMREAD costs, so an exit reads what its handler needs and no more.
 *
 * Runs right after the exit with interrupts off. NMIs and machine checks go to
 * the host here. External interrupts do not: without "acknowledge interrupt on
 * exit" they stay pending in the local APIC, and are taken when the core turns
 * interrupts on. That costs nothing and needs no knowledge of the host's IDT.
 */
#define pr_fmt(fmt) "vmm-intel: " fmt

#include <asm/mce.h>
#include <asm/trapnr.h>

#include <vmm/compat.h>

#include "intel.h"

/* What to read besides the reason. */
#define LEN	(1 << 0)	/* the instruction's length is valid */
#define QUAL	(1 << 1)	/* the exit qualification, decoded below */
#define VEC	(1 << 2)	/* may happen while an event is delivered: SDM 28.2.4 */
#define FULL	(1 << 3)	/* handled in ways that bring much into the cache */

struct reason {
	u8 vx;			/* 0, VX_NONE: this reason is not known */
	u8 flags;
};

static const struct reason reasons[] = {
	[EXIT_REASON_EXCEPTION_NMI]	= { VX_EXCEPTION, VEC | FULL },
	[EXIT_REASON_EXTERNAL_INTERRUPT] = { VX_INTERRUPT },
	[EXIT_REASON_TRIPLE_FAULT]	= { VX_TRIPLE_FAULT },
	[EXIT_REASON_INIT_SIGNAL]	= { VX_INIT },
	[6]				= { VX_SMI },
	[EXIT_REASON_INTERRUPT_WINDOW]	= { VX_INTR_WINDOW },
	[EXIT_REASON_NMI_WINDOW]	= { VX_NMI_WINDOW },
	[EXIT_REASON_TASK_SWITCH]	= { VX_TASK_SWITCH, LEN | QUAL | VEC | FULL },
	[EXIT_REASON_CPUID]		= { VX_CPUID, LEN },
	[11]				= { VX_VIRT_INSN, LEN },	/* GETSEC */
	[EXIT_REASON_HLT]		= { VX_HLT, LEN },
	[EXIT_REASON_INVD]		= { VX_INVD, LEN },
	[EXIT_REASON_INVLPG]		= { VX_INVLPG, LEN | QUAL },
	[EXIT_REASON_RDPMC]		= { VX_RDPMC, LEN },
	[EXIT_REASON_RDTSC]		= { VX_RDTSC, LEN },
	[EXIT_REASON_VMCALL]		= { VX_HYPERCALL, LEN | FULL },
	[EXIT_REASON_VMCLEAR]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMLAUNCH]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMPTRLD]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMPTRST]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMREAD]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMRESUME]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMWRITE]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMOFF]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMON]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_CR_ACCESS]		= { VX_CR, LEN | QUAL | FULL },
	[EXIT_REASON_DR_ACCESS]		= { VX_DR, LEN | QUAL },
	[EXIT_REASON_IO_INSTRUCTION]	= { VX_IO, LEN | QUAL | FULL },
	[EXIT_REASON_MSR_READ]		= { VX_RDMSR, LEN },
	[EXIT_REASON_MSR_WRITE]		= { VX_WRMSR, LEN | FULL },
	[EXIT_REASON_MWAIT_INSTRUCTION]	= { VX_MWAIT, LEN },
	[EXIT_REASON_MONITOR_INSTRUCTION] = { VX_MONITOR, LEN },
	[EXIT_REASON_PAUSE_INSTRUCTION]	= { VX_PAUSE, LEN },
	[EXIT_REASON_GDTR_IDTR]		= { VX_DT_ACCESS, LEN },
	[EXIT_REASON_LDTR_TR]		= { VX_DT_ACCESS, LEN },
	[EXIT_REASON_EPT_VIOLATION]	= { VX_TDP_FAULT, QUAL | VEC | FULL },
	[EXIT_REASON_EPT_MISCONFIG]	= { VX_UNKNOWN, QUAL | VEC | FULL },
	[EXIT_REASON_INVEPT]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_RDTSCP]		= { VX_RDTSCP, LEN },
	[EXIT_REASON_PREEMPTION_TIMER]	= { VX_PREEMPT_TIMER },
	[EXIT_REASON_INVVPID]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_WBINVD]		= { VX_WBINVD, LEN },
	[EXIT_REASON_XSETBV]		= { VX_XSETBV, LEN },
	[EXIT_REASON_INVPCID]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_VMFUNC]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_ENCLS]		= { VX_VIRT_INSN, LEN },
	[EXIT_REASON_PML_FULL]		= { VX_DIRTY_FULL, VEC },
};

static const char *const names[] = {
	[EXIT_REASON_EXCEPTION_NMI]	= "exception or NMI",
	[EXIT_REASON_EXTERNAL_INTERRUPT] = "external interrupt",
	[EXIT_REASON_TRIPLE_FAULT]	= "triple fault",
	[EXIT_REASON_INIT_SIGNAL]	= "INIT",
	[EXIT_REASON_SIPI_SIGNAL]	= "SIPI",
	[5]				= "I/O SMI",
	[6]				= "other SMI",
	[EXIT_REASON_INTERRUPT_WINDOW]	= "interrupt window",
	[EXIT_REASON_NMI_WINDOW]	= "NMI window",
	[EXIT_REASON_TASK_SWITCH]	= "task switch",
	[EXIT_REASON_CPUID]		= "CPUID",
	[11]				= "GETSEC",
	[EXIT_REASON_HLT]		= "HLT",
	[EXIT_REASON_INVD]		= "INVD",
	[EXIT_REASON_INVLPG]		= "INVLPG",
	[EXIT_REASON_RDPMC]		= "RDPMC",
	[EXIT_REASON_RDTSC]		= "RDTSC",
	[17]				= "RSM",
	[EXIT_REASON_VMCALL]		= "VMCALL",
	[EXIT_REASON_VMCLEAR]		= "VMCLEAR",
	[EXIT_REASON_VMLAUNCH]		= "VMLAUNCH",
	[EXIT_REASON_VMPTRLD]		= "VMPTRLD",
	[EXIT_REASON_VMPTRST]		= "VMPTRST",
	[EXIT_REASON_VMREAD]		= "VMREAD",
	[EXIT_REASON_VMRESUME]		= "VMRESUME",
	[EXIT_REASON_VMWRITE]		= "VMWRITE",
	[EXIT_REASON_VMOFF]		= "VMXOFF",
	[EXIT_REASON_VMON]		= "VMXON",
	[EXIT_REASON_CR_ACCESS]		= "control-register access",
	[EXIT_REASON_DR_ACCESS]		= "MOV DR",
	[EXIT_REASON_IO_INSTRUCTION]	= "I/O instruction",
	[EXIT_REASON_MSR_READ]		= "RDMSR",
	[EXIT_REASON_MSR_WRITE]		= "WRMSR",
	[EXIT_REASON_INVALID_STATE]	= "entry failed: invalid guest state",
	[EXIT_REASON_MSR_LOAD_FAIL]	= "entry failed: MSR loading",
	[EXIT_REASON_MWAIT_INSTRUCTION]	= "MWAIT",
	[EXIT_REASON_MONITOR_TRAP_FLAG]	= "monitor trap flag",
	[EXIT_REASON_MONITOR_INSTRUCTION] = "MONITOR",
	[EXIT_REASON_PAUSE_INSTRUCTION]	= "PAUSE",
	[EXIT_REASON_MCE_DURING_VMENTRY] = "entry failed: machine check",
	[EXIT_REASON_TPR_BELOW_THRESHOLD] = "TPR below threshold",
	[EXIT_REASON_APIC_ACCESS]	= "APIC access",
	[EXIT_REASON_EOI_INDUCED]	= "virtualized EOI",
	[EXIT_REASON_GDTR_IDTR]		= "access to GDTR or IDTR",
	[EXIT_REASON_LDTR_TR]		= "access to LDTR or TR",
	[EXIT_REASON_EPT_VIOLATION]	= "EPT violation",
	[EXIT_REASON_EPT_MISCONFIG]	= "EPT misconfiguration",
	[EXIT_REASON_INVEPT]		= "INVEPT",
	[EXIT_REASON_RDTSCP]		= "RDTSCP",
	[EXIT_REASON_PREEMPTION_TIMER]	= "preemption timer",
	[EXIT_REASON_INVVPID]		= "INVVPID",
	[EXIT_REASON_WBINVD]		= "WBINVD or WBNOINVD",
	[EXIT_REASON_XSETBV]		= "XSETBV",
	[EXIT_REASON_APIC_WRITE]	= "APIC write",
	[EXIT_REASON_RDRAND]		= "RDRAND",
	[EXIT_REASON_INVPCID]		= "INVPCID",
	[EXIT_REASON_VMFUNC]		= "VMFUNC",
	[EXIT_REASON_ENCLS]		= "ENCLS",
	[EXIT_REASON_RDSEED]		= "RDSEED",
	[EXIT_REASON_PML_FULL]		= "page-modification log full",
	[EXIT_REASON_XSAVES]		= "XSAVES",
	[EXIT_REASON_XRSTORS]		= "XRSTORS",
	[66]				= "SPP-related event",
	[EXIT_REASON_UMWAIT]		= "UMWAIT",
	[EXIT_REASON_TPAUSE]		= "TPAUSE",
	[69]				= "LOADIWKEY",
	[EXIT_REASON_BUS_LOCK]		= "bus lock",
	[EXIT_REASON_NOTIFY]		= "notify",
};

const char *intel_exit_name(u64 reason)
{
	u16 basic = reason;

	return basic < ARRAY_SIZE(names) ? names[basic] : NULL;
}

static u8 vectoring_type(u32 info)
{
	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_EXT_INTR:
		return VMM_EVENT_INTR;
	case INTR_TYPE_NMI_INTR:
		return VMM_EVENT_NMI;
	case INTR_TYPE_SOFT_INTR:
		return VMM_EVENT_SOFT_INTR;
	case INTR_TYPE_SOFT_EXCEPTION:
	case INTR_TYPE_PRIV_SW_EXCEPTION:
		return VMM_EVENT_SOFT_EXCEPTION;
	default:
		return VMM_EVENT_EXCEPTION;
	}
}

static void set_nmi_blocking(bool blocked)
{
	u32 info = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);

	if (blocked)
		info |= GUEST_INTR_STATE_NMI;
	else
		info &= ~GUEST_INTR_STATE_NMI;
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, info);
}

/* The exit cut the delivery of an event off: say which, so that it comes again. */
static void read_vectoring(struct intel_vcpu *v, u32 info)
{
	struct vmm_event *event = &v->vcpu.arch.exit.vectoring;

	event->type = vectoring_type(info);
	event->vector = info & VECTORING_INFO_VECTOR_MASK;
	event->has_error = info & VECTORING_INFO_DELIVER_CODE_MASK;
	event->error = event->has_error ? vmcs_read(IDT_VECTORING_ERROR_CODE) : 0;
	event->insn_len = 0;
	if (event->type == VMM_EVENT_SOFT_INTR || event->type == VMM_EVENT_SOFT_EXCEPTION)
		event->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	if (event->type == VMM_EVENT_SOFT_EXCEPTION)
		v->soft_exception_len = event->insn_len;
	/* It blocked NMIs already, which forbids to inject it again (SDM 27.3.1.5). */
	if (event->type == VMM_EVENT_NMI)
		set_nmi_blocking(false);
}

static void read_access(struct intel_vcpu *v, u64 qual, bool delivering)
{
	struct vmm_exit *exit = &v->vcpu.arch.exit;

	exit->fault.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	exit->fault.gva_valid = false;
	exit->fault.access = qual & (VMM_ACCESS_READ | VMM_ACCESS_WRITE | VMM_ACCESS_EXEC);
	exit->fault.present = qual & EPT_VIOLATION_RWX_MASK;
	exit->fault.walk = (qual & (EPT_VIOLATION_GVA_IS_VALID | EPT_VIOLATION_GVA_TRANSLATED)) ==
			   EPT_VIOLATION_GVA_IS_VALID;
	/* The access belongs to an IRET that has unblocked NMIs and will run again. */
	if (unlikely(qual & INTR_INFO_UNBLOCK_NMI) && !delivering)
		set_nmi_blocking(true);
}
static_assert(EPT_VIOLATION_ACC_READ == VMM_ACCESS_READ);
static_assert(EPT_VIOLATION_ACC_WRITE == VMM_ACCESS_WRITE);
static_assert(EPT_VIOLATION_ACC_INSTR == VMM_ACCESS_EXEC);

/* SDM table 28-3 */
static void read_cr_access(struct vmm_exit *exit, u64 qual)
{
	static const u8 kinds[] = { VMM_CR_WRITE, VMM_CR_READ, VMM_CR_CLTS, VMM_CR_LMSW };

	exit->cr.decoded = true;
	exit->cr.cr = qual & 15;
	exit->cr.access = kinds[qual >> 4 & 3];
	exit->cr.gpr = qual >> 8 & 15;
	exit->cr.lmsw = qual >> 16;
}

static void read_task_switch(struct vmm_exit *exit, u64 qual)
{
	exit->task.selector = qual;
	exit->task.source = qual >> 30 & 3;
	exit->task.has_error = exit->vectoring.type && exit->vectoring.has_error;
	exit->task.error = exit->vectoring.error;
}

static void read_qualification(struct intel_vcpu *v, u16 basic, u32 vectoring)
{
	struct vmm_exit *exit = &v->vcpu.arch.exit;
	u64 qual = vmcs_read(EXIT_QUALIFICATION);

	exit->info[0] = qual;
	if (basic == EXIT_REASON_IO_INSTRUCTION) {	/* SDM table 28-5 */
		exit->io.size = (qual & 7) + 1;
		exit->io.in = qual & BIT(3);
		exit->io.string = qual & BIT(4);
		exit->io.rep = qual & BIT(5);
		exit->io.port = qual >> 16;
	} else if (basic == EXIT_REASON_EPT_VIOLATION) {
		read_access(v, qual, vectoring & VECTORING_INFO_VALID_MASK);
	} else if (basic == EXIT_REASON_CR_ACCESS) {
		read_cr_access(exit, qual);
	} else if (basic == EXIT_REASON_DR_ACCESS) {	/* SDM table 28-4 */
		exit->dr.decoded = true;
		exit->dr.dr = qual & DEBUG_REG_ACCESS_NUM;
		exit->dr.write = !(qual & TYPE_MOV_FROM_DR);
		exit->dr.gpr = DEBUG_REG_ACCESS_REG(qual);
	} else if (basic == EXIT_REASON_INVLPG) {
		exit->fault.gva = qual;
		exit->fault.gva_valid = true;
	} else if (basic == EXIT_REASON_TASK_SWITCH) {
		read_task_switch(exit, qual);
	} else if (basic == EXIT_REASON_EPT_MISCONFIG) {
		exit->info[0] = vmcs_read(GUEST_PHYSICAL_ADDRESS);
		pr_err_ratelimited("EPT misconfiguration at guest physical address %#llx\n",
				   exit->info[0]);
	}
}

/* As if the CPU had been interrupted in user mode: the guest is not kernel code. */
static void pass_machine_check(void)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	vmm_do_machine_check(&regs);
}

static void read_exception(struct intel_vcpu *v, u32 vectoring)
{
	struct vmm_exit *exit = &v->vcpu.arch.exit;
	u32 info = vmcs_read(VM_EXIT_INTR_INFO);
	u32 type = info & INTR_INFO_INTR_TYPE_MASK;
	u8 vector = info & INTR_INFO_VECTOR_MASK;

	if (type == INTR_TYPE_NMI_INTR) {
		exit->reason = VX_NMI;
		intel_call_nmi();
		return;
	}
	if (vector == X86_TRAP_MC && type == INTR_TYPE_HARD_EXCEPTION) {
		exit->reason = VX_NMI;
		pass_machine_check();
		return;
	}
	exit->exception.vector = vector;
	exit->exception.has_error = info & INTR_INFO_DELIVER_CODE_MASK;
	exit->exception.error = exit->exception.has_error ?
				vmcs_read(VM_EXIT_INTR_ERROR_CODE) : 0;
	exit->exception.payload = 0;
	if (vector == X86_TRAP_DB || vector == X86_TRAP_PF)
		exit->exception.payload = vmcs_read(EXIT_QUALIFICATION);
	if (type == INTR_TYPE_SOFT_EXCEPTION || type == INTR_TYPE_PRIV_SW_EXCEPTION)
		exit->insn_len = v->soft_exception_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	/* The fault of an IRET that has unblocked NMIs: it runs again (SDM 28.2.3). */
	if (unlikely(info & INTR_INFO_UNBLOCK_NMI) && vector != X86_TRAP_DF &&
	    !(vectoring & VECTORING_INFO_VALID_MASK))
		set_nmi_blocking(true);
}

static noinline void failed_entry(struct intel_vcpu *v, u32 reason)
{
	struct vmm_exit *exit = &v->vcpu.arch.exit;

	if ((u16)reason == EXIT_REASON_MCE_DURING_VMENTRY) {
		exit->reason = VX_NMI;
		pass_machine_check();
		return;
	}
	exit->reason = VX_FAIL_ENTRY;
	exit->info[0] = vmcs_read(EXIT_QUALIFICATION);
	intel_take_back_event(v);
}

/* More than the reason and the instruction's length. */
static noinline void read_details(struct intel_vcpu *v, u16 basic, u8 flags)
{
	u32 vectoring = 0;

	v->flush_l1d |= !!(flags & FULL);
	if (flags & VEC) {
		vectoring = vmcs_read(IDT_VECTORING_INFO_FIELD);
		if (unlikely(vectoring & VECTORING_INFO_VALID_MASK))
			read_vectoring(v, vectoring);
	}
	if (basic == EXIT_REASON_EXCEPTION_NMI)
		read_exception(v, vectoring);
	else if (flags & QUAL)
		read_qualification(v, basic, vectoring);
}

void intel_classify(struct intel_vcpu *v)
{
	struct vmm_exit *exit = &v->vcpu.arch.exit;
	u32 reason = vmcs_read(VM_EXIT_REASON);
	const struct reason *r;
	u16 basic = reason;

	exit->hw_reason = reason;
	if (unlikely(reason & VMX_EXIT_REASONS_FAILED_VMENTRY)) {
		failed_entry(v, reason);	/* and the VMCS is not launched by it */
		return;
	}
	v->launched = true;
	if (unlikely(basic >= ARRAY_SIZE(reasons) || !reasons[basic].vx)) {
		exit->reason = VX_UNKNOWN;
		return;
	}
	r = &reasons[basic];
	exit->reason = r->vx;
	if (r->flags & LEN)
		exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	if (r->flags & ~LEN)
		read_details(v, basic, r->flags);
}
