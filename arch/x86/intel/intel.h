/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of vmm-intel.ko share: the vCPU's control structure and its
 * cached fields, what the CPU can do, and who implements which operation.
 * Guarded by vcpu->mutex, and current only while the vCPU is loaded, unless a
 * field says otherwise.
 */
#ifndef _INTEL_H
#define _INTEL_H

#include <vmm/spoil.h>
#include <vmm/x86.h>

#include "vmcs.h"

/* Names that differ between kernels' headers, or are in none. */
#define INTEL_CTL2_XSAVES	VMCS_CONTROL_BIT(XSAVES)
#define INTEL_REVISION_MASK	0x7fffffffu

/*
 * struct intel_caps - what this CPU's capability MSRs allow, adjusted: the
 *		       controls as used by vmm (must-be-one bits included)
 * @low, @high: bits that must be, and that may be, one, per group of controls
 */
struct intel_caps {
	u64 basic;
	u64 misc;
	u32 ept, vpid;			/* halves of MSR_IA32_VMX_EPT_VPID_CAP */
	u32 pin, cpu, cpu2, exit, entry;
	struct {
		u32 low, high;
	} allowed_pin, allowed_cpu, allowed_cpu2, allowed_exit, allowed_entry;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};
extern struct intel_caps intel_caps;

/* What entry.S reads and writes; the offsets are fixed there. */
struct intel_entry {
	u64 host_rsp;			/* as in the VMCS */
	u64 guest_spec_ctrl;
	u64 host_spec_ctrl;
};

/* Flags of intel_enter_guest(). */
#define INTEL_ENTER_RESUME	0	/* bit number: launched before */
#define INTEL_ENTER_VERW	1	/* clear CPU buffers */
#define INTEL_ENTER_SAVE_SPEC	2	/* the guest writes SPEC_CTRL without an exit */

/* MSRs that nothing in the kernel reads while the vCPU's thread is there. */
enum { INTEL_URET_STAR, INTEL_URET_LSTAR, INTEL_URET_FMASK, INTEL_NR_URET };

struct intel_vcpu {
	struct vmm_vcpu vcpu;		/* must be first */

	/* The VMCS. */
	void *vmcs;			/* I */
	phys_addr_t vmcs_pa;		/* I */
	int vmcs_cpu;			/* CPU whose cache may hold it, -1 none; see load.c */
	struct list_head loaded_link;	/* in that CPU's list; interrupts off there */
	bool set_up;			/* controls and constants are written */
	bool launched;
	unsigned long *msr_bitmap;	/* I: the page; bits are the vCPU's */
	u16 vpid;			/* I: 0 none */

	/* What the VMCS holds, so that it is written only when it changes. */
	u32 ctl_cpu, ctl_cpu2, ctl_entry;
	u32 exceptions;			/* bitmap */
	u64 cr0_shadow, cr4_shadow;
	u64 cr4_guest_owned;
	u64 eptp;
	u64 host_cr3, host_cr4, host_fs_base;
	u64 debugctl;
	u64 pat;
	struct intel_entry entry;
	u8 soft_exception_len;		/* of the last INT3 or INTO that exited */
	u32 refused_event;		/* what the refused entry was to inject */
	unsigned int enter_flags;	/* this vCPU's INTEL_ENTER_* */

	/* Pending work of the next entry. */
	bool flush_tlb;
	bool flush_l1d;
	bool uret_stale;		/* uret[] is not (all) in the CPU */

	/* Guest MSRs outside the VMCS. */
	u64 kernel_gs_base;		/* in the CPU while host_saved */
	u64 uret[INTEL_NR_URET];
	u64 cstar;			/* no CPU of this vendor uses it: a store */

	/* The host's, while the guest's are in the CPU. */
	bool host_saved;
	u64 host_kernel_gs_base;
	u64 host_debugctl;
	u16 host_fs, host_gs, host_ds, host_es, host_ldt;
	u16 host_selectors;		/* any of these: 0, no register needs to be loaded */

	u64 accesses_at_exit;		/* debug builds: see debug.c */
};

static __always_inline struct intel_vcpu *to_intel(struct vmm_vcpu *vcpu)
{
	return (struct intel_vcpu *)vcpu;
}

static __always_inline bool intel_has_vpid(void)
{
	return intel_caps.cpu2 & SECONDARY_EXEC_ENABLE_VPID;
}

static __always_inline void intel_set_controls(struct intel_vcpu *v, u32 set, u32 clear)
{
	u32 value = (v->ctl_cpu & ~clear) | set;

	if (value != v->ctl_cpu) {
		v->ctl_cpu = value;
		vmcs_write(CPU_BASED_VM_EXEC_CONTROL, value);
	}
}

/* --- caps.c --- */
int intel_caps_setup(void);		/* module init; -ENODEV after a log line */
int intel_caps_check_cpu(void);		/* this CPU; interrupts off */

/* --- enable.c --- */
int intel_enable_setup(void);		/* module init; -ENOMEM */
void intel_enable_teardown(void);
int intel_cpu_enable(void);
void intel_cpu_disable(void);

/* --- load.c --- */
void intel_loaded_setup(void);
void intel_load(struct vmm_vcpu *vcpu, int cpu);
void intel_put(struct vmm_vcpu *vcpu);
void intel_unload_vmcs(struct intel_vcpu *v);	/* wherever it is; may send an IPI */
void intel_clear_loaded(void);		/* all of this CPU; interrupts off, NMI ok */
/* The first entry after a load: put the guest's MSRs into the CPU. Interrupts off. */
void intel_save_host(struct intel_vcpu *v);
void intel_load_uret(struct intel_vcpu *v);

/* --- setup.c --- */
int intel_vcpu_init(struct vmm_vcpu *vcpu);
void intel_vcpu_destroy(struct vmm_vcpu *vcpu);
void intel_vcpu_reset(struct vmm_vcpu *vcpu, bool init);
void intel_setup_vmcs(struct intel_vcpu *v);
void intel_update_intercepts(struct vmm_vcpu *vcpu);

/* --- regs.c --- */
void intel_fetch(struct vmm_vcpu *vcpu, u32 groups);
void intel_flush_regs(struct intel_vcpu *v);
static __always_inline void intel_need(struct intel_vcpu *v, u32 groups)
{
	u32 missing = groups & ~(v->vcpu.arch.avail | v->vcpu.arch.dirty);

	if (missing)
		intel_fetch(&v->vcpu, missing);
}
bool intel_cr_valid(struct vmm_vcpu *vcpu, u64 cr0, u64 cr4, u64 efer);

/* --- msr.c --- */
int intel_msr_setup(void);
int intel_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value);
int intel_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value);
void intel_msr_passthrough(struct vmm_vcpu *vcpu, u32 msr, bool read, bool write);
int intel_uret_slot(unsigned int i);

/* --- run.c --- */
void intel_run(struct vmm_vcpu *vcpu);

/* An entry failed: the event that it was to inject is the core's again. */
void intel_take_back_event(struct intel_vcpu *v);

/* --- exit.c --- */
void intel_classify(struct intel_vcpu *v);
const char *intel_exit_name(u64 reason);

/* --- tlb.c --- */
void intel_vpid_alloc(struct intel_vcpu *v);
void intel_vpid_free(struct intel_vcpu *v);
void intel_flush_tlb(struct vmm_vcpu *vcpu);
void intel_flush_gva(struct vmm_vcpu *vcpu, u64 gva, bool single);
void intel_flush_now(struct intel_vcpu *v);

/* --- mitigations.c --- */
int intel_mitigations_setup(void);
void intel_mitigations_teardown(void);
void intel_l1d_flush(struct intel_vcpu *v);
void intel_switch_barrier(void);
extern unsigned int intel_enter_flags;	/* I: the constant part */
extern bool intel_l1d_wanted;		/* I */

/* --- explain.c --- */
void intel_explain(struct vmm_vcpu *vcpu, char *buf, size_t size);
void intel_dump(struct vmm_vcpu *vcpu);

/* --- debug.c --- */
/* A test's wish; true: it stands for the CPU's refusal, and the exit is filled in. */
bool intel_spoil(struct intel_vcpu *v);
void intel_account_exit(struct intel_vcpu *v);

/* --- entry.S --- */
/* Returns 0 after an exit, 1 if the CPU refused the instruction. */
int intel_enter_guest(u64 *gprs, struct intel_entry *entry, unsigned long flags);
void intel_exit_label(void);
void intel_call_nmi(void);

#endif
