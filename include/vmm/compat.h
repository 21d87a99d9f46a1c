/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one place that knows that host kernels differ. Everything else is
 * written against what is named here.
 */
#ifndef _VMM_COMPAT_H
#define _VMM_COMPAT_H

#ifdef __ASSEMBLER__

#include <linux/version.h>
#include <asm/cpufeatures.h>

/*
 * FILL_RETURN_BUFFER without a loop: a third of the instructions, at each exit. Fill
 * the whole buffer, or one entry of it, as the host's kernel has chosen; both begin
 * alike, because objtool wants the same stack at the same place. Kernels that count
 * the depth of calls begin anew.
 */
#ifndef CREDIT_CALL_DEPTH
#define CREDIT_CALL_DEPTH
#endif
#define VMM_FILL_ALL_RETURNS				\
	__FILL_ONE_RETURN				\
	.rept RSB_CLEAR_LOOPS - 1;			\
	__FILL_RETURN_SLOT;				\
	.endr;						\
	add $(8 * (RSB_CLEAR_LOOPS - 1)), %rsp;		\
	CREDIT_CALL_DEPTH

.macro VMM_FILL_RETURN_BUFFER
	ALTERNATIVE_2 "jmp .Lreturns_filled\@", \
		__stringify(VMM_FILL_ALL_RETURNS), X86_FEATURE_RSB_VMEXIT, \
		__stringify(__FILL_ONE_RETURN), X86_FEATURE_RSB_VMEXIT_LITE
.Lreturns_filled\@:
.endm

/* Clear what the CPU may leak from, before a guest runs (TSA): sets ZF only. */
#ifdef VM_CLEAR_CPU_BUFFERS
#define VMM_CLEAR_CPU_BUFFERS	VM_CLEAR_CPU_BUFFERS
#else
#define VMM_CLEAR_CPU_BUFFERS
#endif

/* After an exit, before the first RET: what the host's kernel does at its own
 * entry, and IBPB where it asks for one at exits. Uses RAX, RCX, RDX. */
#ifdef UNTRAIN_RET_VM
#define VMM_UNTRAIN_RET		UNTRAIN_RET_VM
#else
#define VMM_UNTRAIN_RET		\
	UNTRAIN_RET;		\
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif

/* The kernel's entry for an NMI that made a guest exit: on the current stack. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define VMM_NMI_ENTRY		asm_exc_nmi_kvm_vmx
#else
#define VMM_NMI_ENTRY		asm_exc_nmi_noist
#endif

/* After an exit; kernels older than the feature know no such mitigation. */
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
#define VMM_CLEAR_BRANCH_HISTORY	CLEAR_BRANCH_HISTORY_VMEXIT
#elif defined(X86_FEATURE_CLEAR_BHB_LOOP)
#define VMM_CLEAR_BRANCH_HISTORY	CLEAR_BRANCH_HISTORY
#else
#define VMM_CLEAR_BRANCH_HISTORY
#endif

#else /* __ASSEMBLER__ */

#include <linux/cpuhotplug.h>
#include <linux/kconfig.h>
#include <linux/syscore_ops.h>
#include <linux/version.h>
#include <asm/cpufeature.h>
#include <asm/hardirq.h>
#include <asm/nospec-branch.h>

#if !IS_ENABLED(CONFIG_KVM)
/* Guest FPU, preempt and user-return notifiers are built with CONFIG_KVM only. */
#error "vmm needs a host kernel configured with CONFIG_KVM=m or =y (KVM itself need not be loaded)"
#endif

/*
 * The hotplug step at which user tasks have left a CPU that goes down, and have
 * not reached one that comes up: the right one to switch extensions in. Loaded
 * stock KVM occupies it; virt/main.c then uses a dynamic one.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define VMM_CPUHP_STATE		CPUHP_AP_KVM_ONLINE
#else
#define VMM_CPUHP_STATE		CPUHP_AP_KVM_STARTING
#endif

/* Suspend and resume of the last CPU. VMM_HAVE_STRUCT_SYSCORE: see Kbuild. */
#ifdef VMM_HAVE_STRUCT_SYSCORE
#define VMM_SYSCORE_ARGS	void *data
#define VMM_DEFINE_SYSCORE(name, s, r)						\
	static const struct syscore_ops name##_ops = { .suspend = s, .resume = r };\
	static struct syscore name = { .ops = &name##_ops }
#define vmm_register_syscore(p)		register_syscore(p)
#define vmm_unregister_syscore(p)	unregister_syscore(p)
#else
#define VMM_SYSCORE_ARGS	void
#define VMM_DEFINE_SYSCORE(name, s, r)						\
	static struct syscore_ops name = { .suspend = s, .resume = r }
#define vmm_register_syscore(p)		register_syscore_ops(p)
#define vmm_unregister_syscore(p)	unregister_syscore_ops(p)
#endif

/* eventfd_signal() lost its second argument, a count that is always 1. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define vmm_eventfd_signal(ctx)	eventfd_signal(ctx)
#else
#define vmm_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#endif

/* hrtimer_init() and the assignment of the callback became one. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define vmm_hrtimer_setup(timer, fn, clock, mode)	hrtimer_setup(timer, fn, clock, mode)
#else
#define vmm_hrtimer_setup(timer, fn, clock, mode)	do {	\
	hrtimer_init(timer, clock, mode);			\
	(timer)->function = fn;					\
} while (0)
#endif

/* A signal may end the wait for a page; NUMA hinting faults must be resolved. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define VMM_FOLL_FLAGS	(FOLL_HWPOISON | FOLL_INTERRUPTIBLE | FOLL_HONOR_NUMA_FAULT)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define VMM_FOLL_FLAGS	(FOLL_HWPOISON | FOLL_INTERRUPTIBLE)
#else
#define VMM_FOLL_FLAGS	FOLL_HWPOISON
#endif

/* The CPU left a guest: a quiescent state for RCU. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define vmm_rcu_note_guest()	rcu_virt_note_context_switch()
#else
#define vmm_rcu_note_guest()	rcu_virt_note_context_switch(smp_processor_id())
#endif

/* Does this process have a local descriptor table? Its threads share it. */
#ifdef CONFIG_MODIFY_LDT_SYSCALL
#define vmm_current_has_ldt()	(current->mm && READ_ONCE(current->mm->context.ldt))
#else
#define vmm_current_has_ldt()	false
#endif

/* A machine check that hit a guest: the host's handler, as from user mode. */
#ifdef CONFIG_X86_MCE
#define vmm_do_machine_check(regs)	do_machine_check(regs)
#else
#define vmm_do_machine_check(regs)	((void)(regs))
#endif

/* The FPU state of the current task. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define vmm_task_fpu()	x86_task_fpu(current)
#else
#define vmm_task_fpu()	(&current->thread.fpu)
#endif

/* __assign_str() lost its second argument in 6.10. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define VMM_ASSIGN_STR(dst, src)	__assign_str(dst)
#else
#define VMM_ASSIGN_STR(dst, src)	__assign_str(dst, src)
#endif

/*
 * Did an interrupt bring host data into the L1 cache since this was asked last? The
 * kernel keeps book where it has an Intel backend of its own; else: it may have.
 */
static __always_inline bool vmm_take_l1d_touched(void)
{
#if IS_ENABLED(CONFIG_KVM_INTEL)
	bool touched = kvm_get_cpu_l1tf_flush_l1d();

	kvm_clear_cpu_l1tf_flush_l1d();
	return touched;
#else
	return true;
#endif
}

/* CPUs that leak what MMIO left behind, and nothing else that VERW clears. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define VMM_MMIO_LEAKS		cpu_buf_vm_clear
#else
#define VMM_MMIO_LEAKS		mmio_stale_data_clear
#endif

/* What the host kernel chose to do about speculation leaks, as features name it. */
static inline bool vmm_host_clears_cpu_buffers(void)
{
	/* The host asks for it only where a guest reaches a device; any may be given one. */
	if (static_branch_unlikely(&VMM_MMIO_LEAKS))
		return true;
#ifdef X86_FEATURE_CLEAR_CPU_BUF_VM
	if (boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF_VM))
		return true;
#endif
#ifdef X86_FEATURE_CLEAR_CPU_BUF
	return boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF);
#else
	return boot_cpu_has_bug(X86_BUG_MDS);
#endif
}

/* The same, asked for on entries to guests only (TSA). */
static inline bool vmm_host_clears_cpu_buffers_vm(void)
{
#ifdef X86_FEATURE_CLEAR_CPU_BUF_VM
	return boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF_VM);
#else
	return false;
#endif
}

static inline bool vmm_host_clears_bhb(void)
{
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
	return boot_cpu_has(X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT);
#elif defined(X86_FEATURE_CLEAR_BHB_LOOP)
	return boot_cpu_has(X86_FEATURE_CLEAR_BHB_LOOP);
#else
	return false;
#endif
}

static inline bool vmm_host_uses_ibpb(void)
{
#ifdef X86_FEATURE_USE_IBPB
	return boot_cpu_has(X86_FEATURE_USE_IBPB);
#else
	return boot_cpu_has(X86_FEATURE_IBPB);
#endif
}

/* A guest ran on this CPU: the kernel may owe user space a barrier (VMSCAPE). */
static __always_inline void vmm_guest_ran(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

#endif /* __ASSEMBLER__ */
#endif
