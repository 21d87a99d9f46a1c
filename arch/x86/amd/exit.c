// SPDX-License-Identifier: GPL-2.0
/*
 * From the CPU's exit code to the normalized record struct vmm_exit: the vendor
 * classifies, the core handles. Called by run() right after the exit, with
 * interrupts off, before the registers are copied from the control block. What
 * must happen before interrupts go on again (machine checks) happens here.
 *
 * Where the CPU saves no next RIP, the instruction's length is left to the core,
 * but for port I/O, which always comes with it. Without decode assists neither
 * registers nor instruction bytes are known; EXITINFO1 is not looked at then.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <asm/mce.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/trapnr.h>

#include <vmm/compat.h>
#include <vmm/enter.h>

#include "amd.h"

/* EXITINFO1 of port I/O (APM 15.10.2). */
#define IO_IN		BIT(0)
#define IO_STRING	BIT(2)
#define IO_REP		BIT(3)

/* EXITINFO1 of a nested page fault (APM 15.25.6). */
#define NPF_PRESENT	BIT(0)
#define NPF_WRITE	BIT(1)
#define NPF_EXEC	BIT(4)
#define NPF_WALK	BIT_ULL(33)

/* EXITINFO1 of a CR access with decode assists: set for MOV (APM 15.8.1). */
#define CR_IS_MOV	BIT_ULL(63)

static const u8 reasons[] = {
	[SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR0 + 15] = VX_CR,
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR0 + 15] = VX_DR,
	[SVM_EXIT_EXCP_BASE ... SVM_EXIT_LAST_EXCP] = VX_EXCEPTION,
	[SVM_EXIT_INTR] = VX_INTERRUPT,
	[SVM_EXIT_NMI] = VX_NMI,
	[SVM_EXIT_SMI] = VX_SMI,
	[SVM_EXIT_INIT] = VX_INIT,
	[SVM_EXIT_VINTR] = VX_INTR_WINDOW,
	[SVM_EXIT_CR0_SEL_WRITE] = VX_CR,
	[SVM_EXIT_IDTR_READ ... SVM_EXIT_TR_WRITE] = VX_DT_ACCESS,
	[SVM_EXIT_RDTSC] = VX_RDTSC,
	[SVM_EXIT_RDPMC] = VX_RDPMC,
	[SVM_EXIT_CPUID] = VX_CPUID,
	[SVM_EXIT_IRET] = VX_RESUME,
	[SVM_EXIT_INVD] = VX_INVD,
	[SVM_EXIT_PAUSE] = VX_PAUSE,
	[SVM_EXIT_HLT] = VX_HLT,
	[SVM_EXIT_INVLPG] = VX_INVLPG,
	[SVM_EXIT_INVLPGA] = VX_VIRT_INSN,
	[SVM_EXIT_IOIO] = VX_IO,
	[SVM_EXIT_MSR] = VX_RDMSR,
	[SVM_EXIT_TASK_SWITCH] = VX_TASK_SWITCH,
	[SVM_EXIT_SHUTDOWN] = VX_TRIPLE_FAULT,
	[SVM_EXIT_VMRUN] = VX_VIRT_INSN,
	[SVM_EXIT_VMMCALL] = VX_HYPERCALL,
	[SVM_EXIT_VMLOAD ... SVM_EXIT_SKINIT] = VX_VIRT_INSN,
	[SVM_EXIT_RDTSCP] = VX_RDTSCP,
	[SVM_EXIT_WBINVD] = VX_WBINVD,
	[SVM_EXIT_MONITOR] = VX_MONITOR,
	[SVM_EXIT_MWAIT] = VX_MWAIT,
	[SVM_EXIT_MWAIT_COND] = VX_MWAIT,
	[SVM_EXIT_XSETBV] = VX_XSETBV,
	/* Exist on the CPU, not in the guest's CPUID: #UD, as those above. */
	[SVM_EXIT_RDPRU] = VX_VIRT_INSN,
	[0x0a0 ... 0x0a4] = VX_VIRT_INSN,
};

/* Reasons with more to say than their name, and none. */
#define DETAILED	(BIT_ULL(VX_NONE) | BIT_ULL(VX_CR) | BIT_ULL(VX_DR) |	 \
			 BIT_ULL(VX_EXCEPTION) | BIT_ULL(VX_INTERRUPT) |	 \
			 BIT_ULL(VX_RESUME) | BIT_ULL(VX_RDMSR) | BIT_ULL(VX_IO) | \
			 BIT_ULL(VX_TASK_SWITCH))

static u8 length_to(const struct vmcb *vmcb, u64 next_rip)
{
	u64 len = next_rip - vmcb->save.rip;

	/* Real-mode RIPs wrap: a length that makes no sense is no length. */
	return len <= 15 ? len : 0;
}

static void cr_exit(struct vmm_exit *exit, u32 code, u64 info)
{
	exit->cr.decoded = svm_has(SVM_F_DECODE_ASSIST) && (info & CR_IS_MOV);
	exit->cr.cr = code == SVM_EXIT_CR0_SEL_WRITE ? 0 : code & 15;
	exit->cr.access = code < SVM_EXIT_WRITE_CR0 ? VMM_CR_READ : VMM_CR_WRITE;
	exit->cr.gpr = info & SVM_EXITINFO_REG_MASK;
}

static void dr_exit(struct vmm_exit *exit, u32 code, u64 info)
{
	exit->dr.decoded = svm_has(SVM_F_DECODE_ASSIST);
	exit->dr.write = code >= SVM_EXIT_WRITE_DR0;
	exit->dr.dr = code & 15;
	exit->dr.gpr = info & SVM_EXITINFO_REG_MASK;
}

static void machine_check(struct vmm_exit *exit)
{
	/* From user mode: what cannot be repaired kills this task, not the host. */
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	vmm_do_machine_check(&regs);
	exit->reason = VX_NMI;
}

static void excp_exit(struct svm_vcpu *svm, u32 code, u64 info)
{
	struct vmm_exit *exit = &svm->vcpu.arch.exit;
	struct vmcb_save_area *save = &svm->vmcb->save;
	u8 vector = code - SVM_EXIT_EXCP_BASE;

	if (vector == X86_TRAP_MC) {
		machine_check(exit);
		return;
	}
	exit->insn_len = 0;
	exit->exception.vector = vector;
	exit->exception.has_error = vector == X86_TRAP_AC;
	exit->exception.error = vector == X86_TRAP_AC ? info : 0;
	exit->exception.payload = 0;
	if (vector == X86_TRAP_DB) {
		/* Bit 11 is active low as well, where the CPU has it (bus lock). */
		exit->exception.payload = (save->dr6 ^ DR6_INIT) & ~(u64)BIT(11);
		save->dr6 = DR6_INIT;
		svm_touch(svm, CLEAN_DR);
	}
}

static void io_exit(struct vmm_exit *exit, const struct vmcb *vmcb, u64 info)
{
	exit->io.port = info >> 16;
	exit->io.size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
	exit->io.in = info & IO_IN;
	exit->io.string = info & IO_STRING;
	exit->io.rep = info & IO_REP;
	exit->insn_len = length_to(vmcb, vmcb->control.exit_info_2);
}

static void task_switch_exit(struct vmm_exit *exit, const struct vmcb *vmcb, u64 info)
{
	u64 info2 = vmcb->control.exit_info_2;

	exit->task.selector = info;
	exit->task.error = info2;
	exit->task.has_error = info2 & BIT_ULL(SVM_EXITINFOSHIFT_TS_HAS_ERROR_CODE);
	if (info2 & BIT_ULL(SVM_EXITINFOSHIFT_TS_REASON_IRET))
		exit->task.source = 1;
	else if (info2 & BIT_ULL(SVM_EXITINFOSHIFT_TS_REASON_JMP))
		exit->task.source = 2;
	else if (vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID)
		exit->task.source = 3;
	else
		exit->task.source = 0;
}

static void nested_fault(struct vmm_exit *exit, const struct vmcb *vmcb, u64 info)
{
	exit->reason = VX_TDP_FAULT;
	exit->fault.gpa = vmcb->control.exit_info_2;
	exit->fault.gva_valid = false;
	exit->fault.present = info & NPF_PRESENT;
	exit->fault.walk = info & NPF_WALK;
	if (info & NPF_EXEC)
		exit->fault.access = VMM_ACCESS_EXEC;
	else if (info & NPF_WRITE)
		exit->fault.access = VMM_ACCESS_WRITE;
	else
		exit->fault.access = VMM_ACCESS_READ;

	exit->insn_len = 0;
	if (svm_has(SVM_F_DECODE_ASSIST) && !(info & NPF_EXEC)) {
		exit->nr_insn_bytes = min_t(u8, vmcb->control.insn_len, 15);
		memcpy(exit->insn_bytes, vmcb->control.insn_bytes, 15);
	}
}

static noinline void detail(struct svm_vcpu *svm, u32 code, u64 info)
{
	struct vmm_exit *exit = &svm->vcpu.arch.exit;

	switch (exit->reason) {
	case VX_CR:
		cr_exit(exit, code, info);
		break;
	case VX_DR:
		dr_exit(exit, code, info);
		break;
	case VX_EXCEPTION:
		excp_exit(svm, code, info);
		break;
	case VX_TASK_SWITCH:
		task_switch_exit(exit, svm->vmcb, info);
		break;
	case VX_RESUME:
		svm_iret_intercepted(svm);
		break;
	default:
		exit->reason = VX_UNKNOWN;
		break;
	}
}

/* Codes beyond the table. */
static noinline void classify_high(struct svm_vcpu *svm, u32 code, u64 info)
{
	struct vmm_exit *exit = &svm->vcpu.arch.exit;

	if (likely(code == SVM_EXIT_NPF))
		nested_fault(exit, svm->vmcb, info);
	else if (code == (u32)SVM_EXIT_ERR || code == SVM_EXIT_SW)
		exit->reason = VX_FAIL_ENTRY;
	else
		exit->reason = VX_UNKNOWN;
}

/* A delivery was cut off, or an NMI's end is awaited. True: fully classified. */
static noinline bool interrupted(struct svm_vcpu *svm, u32 code)
{
	/* After a shutdown nothing of it is worth trying again. */
	if ((svm->vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID) &&
	    code != SVM_EXIT_SHUTDOWN && code != (u32)SVM_EXIT_ERR)
		svm_exit_vectoring(svm);
	return svm->iret_started && svm_end_step(svm, code);
}

/* Fill arch.exit. Interrupts off; the block's registers may still be corrected. */
void svm_classify(struct svm_vcpu *svm)
{
	const struct vmcb *vmcb = svm->vmcb;
	struct vmm_exit *exit = &svm->vcpu.arch.exit;
	u32 code = vmcb->control.exit_code;
	u64 info = vmcb->control.exit_info_1;
	u8 reason;

	exit->hw_reason = code;
	exit->info[0] = info;
	exit->info[1] = vmcb->control.exit_info_2;
	exit->insn_len = 0;
	exit->nr_insn_bytes = 0;
	exit->vectoring.type = VMM_EVENT_NONE;
	if (unlikely((vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID) ||
		     svm->iret_started) && interrupted(svm, code))
		return;
	if (code >= ARRAY_SIZE(reasons)) {
		classify_high(svm, code, info);
		return;
	}

	reason = reasons[code];
	exit->reason = reason;
	if (svm_has(SVM_F_NEXT_RIP) && vmcb->control.next_rip)
		exit->insn_len = length_to(vmcb, vmcb->control.next_rip);
	if (!(DETAILED & BIT_ULL(reason)))
		return;
	if (reason == VX_IO)
		io_exit(exit, vmcb, info);
	else if (reason == VX_RDMSR)
		exit->reason = info & 1 ? VX_WRMSR : VX_RDMSR;
	else if (reason == VX_INTERRUPT)
		vmm_note_rcu_quiescent(&svm->vcpu);
	else
		detail(svm, code, info);
}
