/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of arch/x86/ call of each other, a section per file. All take
 * a loaded vCPU with vcpu->mutex held unless it says otherwise.
 */
#ifndef _VMM_X86_H
#define _VMM_X86_H

#include <asm/trapnr.h>

#include <linux/thread_info.h>
#include <asm/fpu/api.h>

#include <vmm/regs.h>
#include <vmm/tdp.h>
#include <vmm/walk.h>

#define VMM_DR7_GD	BIT(13)		/* general detect enable */
#define VMM_DR6_BD	BIT(13)		/* general detect happened */

/* Results of exit handlers and of the run loop's steps. <0: errno. */
#define VMM_TO_USER	0	/* run->exit_reason is filled in */
#define VMM_RESUME	1	/* go round */

/* --- exit.c: the table of handlers --- */
int vmm_handle_exit(struct vmm_vcpu *vcpu);
int vmm_internal_error(struct vmm_vcpu *vcpu, u32 suberror);

/* --- event.c: injection and windows --- */
/* Queue an exception for the next entry; merges into #DF or a triple fault. */
void vmm_queue_exception(struct vmm_vcpu *vcpu, u8 vector);
void vmm_queue_exception_error(struct vmm_vcpu *vcpu, u8 vector, u32 error);
void vmm_queue_fault(struct vmm_vcpu *vcpu, const struct vmm_fault *fault);
/* #DB with DR6 bits (payload). */
void vmm_queue_db(struct vmm_vcpu *vcpu, u64 dr6_bits);
#define vmm_inject_gp(vcpu)	vmm_queue_exception_error(vcpu, X86_TRAP_GP, 0)
#define vmm_inject_ud(vcpu)	vmm_queue_exception(vcpu, X86_TRAP_UD)
/* Take back what the last entry could not deliver (arch.exit.vectoring). */
void vmm_requeue_vectoring(struct vmm_vcpu *vcpu);
/* Fill arch.inject and arch.want_*. Before each entry with VMM_REQ_EVENT. */
void vmm_prepare_events(struct vmm_vcpu *vcpu);
/* The prepared entry did not take place. */
void vmm_disarm_events(struct vmm_vcpu *vcpu);
int vmm_queue_interrupt(struct vmm_vcpu *vcpu, u32 vector);	/* VMM_INTERRUPT */
void vmm_queue_nmi(struct vmm_vcpu *vcpu);
void vmm_take_apic_nmis(struct vmm_vcpu *vcpu);		/* VMM_REQ_NMI */
bool vmm_ready_for_interrupt(struct vmm_vcpu *vcpu);	/* user space may inject one */
bool vmm_intr_allowed(struct vmm_vcpu *vcpu);
bool vmm_nmi_allowed(struct vmm_vcpu *vcpu);
void vmm_get_vcpu_events(struct vmm_vcpu *vcpu, struct vmm_vcpu_events *ev);
int vmm_set_vcpu_events(struct vmm_vcpu *vcpu, const struct vmm_vcpu_events *ev);

/* --- insn.c: instruction lengths, skipping, emulation --- */
/* Advance over the exiting instruction; VMM_RESUME, VMM_TO_USER or an errno. Ends
 * the interrupt shadow, single-steps (#DB) when RFLAGS.TF is set. */
int vmm_skip_insn(struct vmm_vcpu *vcpu);
/* Emulate the instruction at RIP (MMIO, string I/O, anything undecoded). */
int vmm_emulate(struct vmm_vcpu *vcpu);
/* Decode the instruction at RIP into vcpu->arch.emu->insn: 1, or as above. */
int vmm_decode(struct vmm_vcpu *vcpu);
/* Is the instruction that raised #UD the other vendor's hypercall? */
bool vmm_at_hypercall(struct vmm_vcpu *vcpu);

/* What follows an instruction that RIP has been moved behind: as vmm_skip_insn(). */
int vmm_retire_insn(struct vmm_vcpu *vcpu);
/* Act on what an emulator function returned instead of 0. */
int vmm_emulation_error(struct vmm_vcpu *vcpu, int r);

/* --- mmio.c: loads from and stores to devices without the emulator --- */
bool vmm_plain_mmio(struct vmm_vcpu *vcpu, int *result);
/* The answer to a load that user space was asked. */
int vmm_finish_load(struct vmm_vcpu *vcpu, u64 value);

/* --- trace.c --- */
void vmm_trace_fail_entry(struct vmm_vcpu *vcpu, const char *why);

/* --- io.c: PIO and MMIO to listeners in the kernel and to user space --- */
int vmm_handle_io(struct vmm_vcpu *vcpu);
/* RUN was called again after an IO or MMIO exit. */
int vmm_complete_io(struct vmm_vcpu *vcpu);
/* For the emulator's callbacks: 0, EMU_STOP, -EMU_IO, -EMU_UNHANDLED. */
int vmm_mmio_read(struct vmm_vcpu *vcpu, gpa_t gpa, void *buf, unsigned int len);
int vmm_mmio_write(struct vmm_vcpu *vcpu, gpa_t gpa, const void *buf, unsigned int len);
int vmm_pio_in(struct vmm_vcpu *vcpu, u16 port, unsigned int size, unsigned int count,
	       void *buf);
int vmm_pio_out(struct vmm_vcpu *vcpu, u16 port, unsigned int size, unsigned int count,
		const void *buf);
/* A store of at most 8 bytes by an instruction that is complete: VMM_RESUME, VMM_TO_USER. */
int vmm_mmio_store(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int len, u64 value);
bool vmm_io_queued(struct vmm_vcpu *vcpu);
int vmm_io_exit(struct vmm_vcpu *vcpu);		/* VMM_TO_USER */
/* Forget all that is queued and all answers: the instruction did not complete. */
void vmm_io_drop(struct vmm_vcpu *vcpu);
void vmm_set_in_value(struct vmm_vcpu *vcpu, unsigned int size, u64 value);

/* --- cr.c: control register rules (SDM 2.5, APM 3.1); 0, or 1: the caller injects #GP --- */
int vmm_set_cr0(struct vmm_vcpu *vcpu, u64 cr0);
int vmm_set_cr3(struct vmm_vcpu *vcpu, u64 cr3);
int vmm_set_cr4(struct vmm_vcpu *vcpu, u64 cr4);
int vmm_set_cr8(struct vmm_vcpu *vcpu, u64 cr8);
int vmm_set_efer(struct vmm_vcpu *vcpu, u64 efer);
int vmm_handle_cr(struct vmm_vcpu *vcpu);

/* --- debug.c: debug registers, and debugging by user space --- */
int vmm_handle_dr(struct vmm_vcpu *vcpu);
int vmm_handle_debug_exception(struct vmm_vcpu *vcpu);	/* #DB or #BP exited */
int vmm_set_guest_debug(struct vmm_vcpu *vcpu, const struct vmm_guest_debug *dbg);
void vmm_debug_run_begin(struct vmm_vcpu *vcpu);
void vmm_debug_run_end(struct vmm_vcpu *vcpu);
/* After an instruction was skipped or emulated with RFLAGS.TF set. */
int vmm_single_step(struct vmm_vcpu *vcpu);
/* After guest_debug or the guest's DR7 changed. */
void vmm_update_dr7(struct vmm_vcpu *vcpu);

/* --- state.c: GET/SET of REGS, SREGS, SREGS2, DEBUGREGS, MP_STATE; reset --- */
void vmm_vcpu_reset(struct vmm_vcpu *vcpu, bool init);
long vmm_state_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg);
/* Registers through the run page: as VMM_RUN begins (0 or -EINVAL), and ends. */
int vmm_sync_regs_load(struct vmm_vcpu *vcpu);
void vmm_sync_regs_store(struct vmm_vcpu *vcpu);

/* --- cpuid.c --- */
int vmm_cpuid_setup(void);		/* from the host CPU and the backend */
int vmm_get_supported_cpuid(struct vmm_cpuid2 __user *arg);
bool vmm_can_offer(unsigned int x86_feature);	/* X86_FEATURE_*: a guest may have it */
u64 vmm_host_spec_ctrl(void);		/* bits of MSR SPEC_CTRL that this CPU has */
u64 vmm_spec_ctrl_bits(const u32 *cap, u32 leaf_7_2_edx);
void vmm_cpuid_host_setup(void);
int vmm_set_cpuid(struct vmm_vcpu *vcpu, struct vmm_cpuid2 __user *arg);
int vmm_get_cpuid(struct vmm_vcpu *vcpu, struct vmm_cpuid2 __user *arg);
void vmm_cpuid_default(struct vmm_vcpu *vcpu);	/* before SET_CPUID2: none */
void vmm_cpuid_free(struct vmm_vcpu *vcpu);
/* VMM_CAP_ENFORCE_PV_FEATURE_CPUID: the guest may use what its CPUID shows, or (off) all. */
void vmm_enforce_pv_features(struct vmm_vcpu *vcpu, bool on);
struct vmm_cpuid_entry2 *vmm_find_cpuid(struct vmm_vcpu *vcpu, u32 function, u32 index);
/* X86_FEATURE_*: does the guest's CPUID show it? */
static __always_inline bool vmm_guest_has(struct vmm_vcpu *vcpu, unsigned int x86_feature)
{
	return vcpu->arch.cpuid.cap[x86_feature / 32] >> (x86_feature % 32) & 1;
}
/* VMM_FEATURE_*: may the guest use it? */
static inline bool vmm_guest_may_use(struct vmm_vcpu *vcpu, unsigned int pv_feature)
{
	return vcpu->arch.cpuid.pv_features >> pv_feature & 1;
}
bool vmm_guest_has_mwait(struct vmm_vcpu *vcpu);
int vmm_handle_cpuid(struct vmm_vcpu *vcpu);

/* --- msr.c --- */
int vmm_msr_setup(void);
void vmm_msr_vcpu_init(struct vmm_vcpu *vcpu);	/* which MSRs do not exit */
void vmm_msr_cpuid_changed(struct vmm_vcpu *vcpu);
void vmm_msr_reset(struct vmm_vcpu *vcpu);	/* power-up values */
/* TSC_AUX: as RUN begins, and at each load within it. Preemption off. */
void vmm_msr_load_guest(struct vmm_vcpu *vcpu);
void vmm_msr_filter_changed(struct vmm_vcpu *vcpu);	/* VMM_REQ_MSR_FILTER */
/* host: from user space (more is allowed). 0; 1: no such MSR for this guest, or a bad
 * value; VMM_MSR_UNKNOWN: no such MSR at all. */
#define VMM_MSR_UNKNOWN		2
int vmm_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host);
int vmm_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host);
long vmm_msrs_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg);
int vmm_get_msr_index_list(struct vmm_msr_list __user *arg);
int vmm_get_msr_feature_list(struct vmm_msr_list __user *arg);
int vmm_get_feature_msrs(struct vmm_msrs __user *arg);	/* GET_MSRS on /dev/vmm */
int vmm_handle_rdmsr(struct vmm_vcpu *vcpu);
int vmm_handle_wrmsr(struct vmm_vcpu *vcpu);

/* --- msr_filter.c: MSRs that are user space's --- */
long vmm_set_msr_filter(struct vmm_vm *vm, const void __user *arg);
void vmm_msr_filter_destroy(struct vmm_vm *vm);
int vmm_enable_user_msr(struct vmm_vm *vm, u64 mask);
bool vmm_msr_denied_slow(struct vmm_vcpu *vcpu, u32 msr, bool write);
/* Does the VM's filter deny the guest this access? srcu held. */
static __always_inline bool vmm_msr_denied(struct vmm_vcpu *vcpu, u32 msr, bool write)
{
	return unlikely(rcu_access_pointer(vcpu->vm->arch.msr_filter)) &&
	       vmm_msr_denied_slow(vcpu, msr, write);
}
bool vmm_user_msr_exit(struct vmm_vcpu *vcpu, u32 reason, bool write, u64 value);
int vmm_complete_user_msr(struct vmm_vcpu *vcpu, bool write);

/* --- mtrr.c, mce.c: -1 if the MSR is not theirs, else as vmm_get_msr() --- */
int vmm_mtrr_get(struct vmm_vcpu *vcpu, u32 msr, u64 *value);
int vmm_mtrr_set(struct vmm_vcpu *vcpu, u32 msr, u64 value);
int vmm_mce_get(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host);
int vmm_mce_set(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host);
int vmm_mce_setup(struct vmm_vcpu *vcpu, u64 cap);	/* X86_SETUP_MCE */
int vmm_mce_inject(struct vmm_vcpu *vcpu, const struct vmm_x86_mce *mce);
u64 vmm_mce_supported(void);

void vmm_mtrr_reset(struct vmm_vcpu *vcpu);
void vmm_mce_reset(struct vmm_vcpu *vcpu);

/* --- uret.c: MSRs that only user space needs, restored on return to it --- */
int vmm_uret_register(u32 msr);		/* at setup: slot, or -ENODEV */
void vmm_uret_set(unsigned int slot, u64 value);	/* preemption off */
void vmm_uret_cpu_off(void);		/* this CPU goes down: restore now */

/* --- fpu.c: guest FPU, XCR0, XSS, PKRU --- */
int vmm_fpu_init(struct vmm_vcpu *vcpu);
void vmm_fpu_free(struct vmm_vcpu *vcpu);
void vmm_fpu_reset(struct vmm_vcpu *vcpu);
void vmm_fpu_setup(void);
/*
 * What must be switched around entries: recomputed after a change of CR4 (OSXSAVE,
 * PKE), XCR0 or XSS. A guest's change of these CR4 bits must exit.
 */
#define VMM_XSWITCH_XCR0	1	/* the guest's XCR0 is not the host's */
#define VMM_XSWITCH_XSS		2
#define VMM_XSWITCH_PKRU	4	/* the guest can change PKRU */
#define VMM_XSWITCH_LOST	8	/* XSETBV does not exit: look at XCR0 after exits */
void vmm_xstate_update(struct vmm_vcpu *vcpu);
/* In bytes: offset and size in the standard format, or the whole area of these components. */
u32 vmm_xstate_size(u64 components, bool compacted);
/* A vector register's low size (16, 32, 64) bytes, during RUN. 0, or 1: no such register. */
int vmm_fpu_read_vec(struct vmm_vcpu *vcpu, unsigned int reg, void *buf, unsigned int size);
int vmm_fpu_write_vec(struct vmm_vcpu *vcpu, unsigned int reg, const void *buf,
		      unsigned int size, bool zero_upper);
void vmm_fpu_load_guest(struct vmm_vcpu *vcpu);		/* RUN begins */
void vmm_fpu_put_guest(struct vmm_vcpu *vcpu);		/* RUN ends */
void vmm_xstate_switch_to_guest(struct vmm_vcpu *vcpu);
void vmm_xstate_switch_to_host(struct vmm_vcpu *vcpu);

/* Before an entry, interrupts off: what belongs to the registers, which are the guest's. */
static __always_inline void vmm_xstate_load_guest(struct vmm_vcpu *vcpu)
{
	if (unlikely(vcpu->arch.xstate_switch))
		vmm_xstate_switch_to_guest(vcpu);
}

/* After it, interrupts off. */
static __always_inline void vmm_xstate_load_host(struct vmm_vcpu *vcpu)
{
	if (unlikely(vcpu->arch.xstate_switch))
		vmm_xstate_switch_to_host(vcpu);
}

long vmm_fpu_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg);
u64 vmm_supported_xcr0(void);
long vmm_xsave_size(struct vmm_vm *vm);	/* VMM_CAP_XSAVE2; vm may be NULL */
int vmm_set_xcr0(struct vmm_vcpu *vcpu, u64 xcr0);	/* 0, or 1: #GP */
int vmm_handle_xsetbv(struct vmm_vcpu *vcpu);

/* --- clock.c: TSC offset and frequency, the paravirtual clock --- */
int vmm_clock_setup(void);
void vmm_clock_exit(void);
void vmm_clock_vm_init(struct vmm_vm *vm);
void vmm_clock_vcpu_init(struct vmm_vcpu *vcpu);
extern u64 vmm_tsc_shift;				/* grows when the host's TSC started anew */
void vmm_clock_load(struct vmm_vcpu *vcpu, int cpu);	/* on another CPU, or after a shift */
void vmm_clock_put(struct vmm_vcpu *vcpu);
void vmm_clock_update(struct vmm_vcpu *vcpu);		/* VMM_REQ_CLOCK_UPDATE; may sleep */
u64 vmm_guest_tsc(struct vmm_vcpu *vcpu, u64 host_tsc);
void vmm_write_tsc(struct vmm_vcpu *vcpu, u64 value, bool host);
int vmm_clock_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host);	/* -1: not its */
int vmm_clock_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host);
long vmm_clock_vm_ioctl(struct vmm_vm *vm, unsigned int nr, void __user *arg);
long vmm_tsc_attr_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, const void __user *arg);
long vmm_clock_vcpu_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, unsigned long arg);

/* Frequently asked of the mode. */
static inline bool vcpu_paging(struct vmm_vcpu *vcpu)
{
	return vcpu_cr0(vcpu) & X86_CR0_PG;
}

#endif
