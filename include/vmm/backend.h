/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contract between the core and a vendor module: the whole interface.
 *
 * A backend knows the CPU's control structure; the core knows everything else.
 * The vendor classifies, the core handles: run() enters the guest once and
 * fills vcpu->arch.exit, nothing more. What the core wants of the next entry
 * it writes into vcpu->arch and marks in vcpu->arch.dirty; the backend carries
 * it into the control structure in run(), once, just before the entry.
 *
 * The list below is expanded three times: into struct vmm_backend, into the
 * static calls that the core uses, and into the check at registration.
 */
#ifndef _VMM_BACKEND_H
#define _VMM_BACKEND_H

#include <linux/static_call.h>
#include <linux/types.h>

struct module;
struct vmm_vm;
struct vmm_vcpu;
struct tdp_format;

/*
 * OP(required, return type, name, (arguments))
 *
 * Contexts: "loaded" = vcpu_load() was called, the vCPU belongs to this CPU
 * (preemption may be on: the preempt notifier reloads it elsewhere).
 */
#define VMM_BACKEND_OPS(REQ, OPT)						\
	/* Turn the extensions on or off on this CPU. IPI context, interrupts	\
	 * off. enable: 0, -EBUSY if another hypervisor holds them, -EIO,	\
	 * -ENODEV (firmware lock) after a log line that names the fix. */	\
	REQ(int, cpu_enable, (void))						\
	REQ(void, cpu_disable, (void))						\
	/* VM: may sleep; 0 or -ENOMEM. destroy undoes a successful init. */	\
	REQ(int, vm_init, (struct vmm_vm *vm))					\
	OPT(void, vm_destroy, (struct vmm_vm *vm))				\
	/* vCPU: may sleep; 0 or -ENOMEM. Not loaded. */			\
	REQ(int, vcpu_init, (struct vmm_vcpu *vcpu))				\
	REQ(void, vcpu_destroy, (struct vmm_vcpu *vcpu))			\
	/* Set control-structure state that the core has no field for to its	\
	 * reset value. Loaded, may sleep. The core has set all registers to	\
	 * their INIT or power-up values and marked all groups dirty. */	\
	REQ(void, vcpu_reset, (struct vmm_vcpu *vcpu, bool init))		\
	/* Bind to / unbind from this CPU. Preemption off; vcpu->cpu is still	\
	 * the previous CPU (-1: none) in load. No user-space memory access. */	\
	REQ(void, load, (struct vmm_vcpu *vcpu, int cpu))			\
	OPT(void, put, (struct vmm_vcpu *vcpu))				\
	/* Enter the guest once. Interrupts off, loaded, FPU and XCR0 are the	\
	 * guest's. Must: write dirty groups (clear arch.dirty); inject		\
	 * arch.inject if valid (clear it); arrange the windows that		\
	 * arch.want_* ask for; enter; save; clear the GPRs from CPU registers;	\
	 * put back the host state; set arch.avail to what is cached; fill	\
	 * arch.exit (reason VX_*) incl. arch.exit.vectoring; pass NMI and	\
	 * machine checks to the host. External interrupts reach the host at	\
	 * the latest when the core enables interrupts. Never fails: a refused	\
	 * entry is VX_FAIL_ENTRY, explained in the log. noinstr. */		\
	REQ(void, run, (struct vmm_vcpu *vcpu))					\
	/* Read register groups (VMM_G_* bits, not dirty, not available) from	\
	 * the control structure into vcpu->arch and set their avail bits.	\
	 * Loaded, or interrupts off. */					\
	REQ(void, fetch, (struct vmm_vcpu *vcpu, u32 groups))			\
	/* MSRs that the control structure (or a save area) keeps for the	\
	 * guest: FS/GS base, SYSENTER, STAR..., DEBUGCTL, SPEC_CTRL. Loaded.	\
	 * 0, or 1 if the backend does not keep this MSR (core answers then). */\
	REQ(int, get_msr, (struct vmm_vcpu *vcpu, u32 msr, u64 *value))		\
	REQ(int, set_msr, (struct vmm_vcpu *vcpu, u32 msr, u64 value))		\
	/* Let the guest read/write an MSR without an exit, or not. */		\
	REQ(void, msr_passthrough, (struct vmm_vcpu *vcpu, u32 msr,		\
				    bool read, bool write))			\
	/* Recompute which exceptions, instructions and CR/DR accesses exit	\
	 * from arch (cpuid, guest_debug, want_*). Loaded. */			\
	REQ(void, update_intercepts, (struct vmm_vcpu *vcpu))			\
	/* Is this CR4/EFER value one the CPU can hold in a guest? Called after	\
	 * the core's own checks. */						\
	OPT(bool, cr_valid, (struct vmm_vcpu *vcpu, u64 cr0, u64 cr4, u64 efer))\
	/* Drop this vCPU's guest-physical and combined translations before the	\
	 * next entry. Interrupts off, loaded, about to run(). */		\
	REQ(void, flush_tlb, (struct vmm_vcpu *vcpu))				\
	/* The guest's INVLPG/MOV CR emulated by the core: drop linear		\
	 * translations (all if !single) before the next entry. Loaded. */	\
	REQ(void, flush_gva, (struct vmm_vcpu *vcpu, u64 gva, bool single))	\
	/* Name of a hardware exit code for traces and logs, or NULL. */	\
	REQ(const char *, exit_name, (u64 hw_reason))				\
	/* After VX_FAIL_ENTRY: say in words which rules of the manual the state	\
	 * breaks, NUL-terminated, cut at size. Loaded. */			\
	OPT(void, explain, (struct vmm_vcpu *vcpu, char *buf, size_t size))	\
	/* Print the control structure (rate-limited by the caller). Loaded. */	\
	OPT(void, dump, (struct vmm_vcpu *vcpu))

/* What a CPU can do beyond the baseline: bits of vmm_backend.caps. */
enum vmm_backend_cap {
	VMM_BCAP_NEXT_RIP	= 1 << 0,	/* exits carry the instruction length */
	VMM_BCAP_DECODE_ASSIST	= 1 << 1,	/* CR/DR/INVLPG exits name registers, #NPF bytes */
	VMM_BCAP_TSC_SCALING	= 1 << 2,
	VMM_BCAP_PAUSE_EXIT	= 1 << 3,
	VMM_BCAP_TPR_SHADOW	= 1 << 4,	/* CR8 does not exit; value comes back after each exit */
	VMM_BCAP_XSETBV_LOST	= 1 << 5,	/* XSETBV may not exit (seen in emulators) */
	VMM_BCAP_XSAVES		= 1 << 6,
	VMM_BCAP_INVPCID	= 1 << 7,
	VMM_BCAP_RDTSCP		= 1 << 8,
	VMM_BCAP_PDPTRS		= 1 << 9,	/* PAE: the CPU loads pdptr[] with CR3 and keeps them */
};

/**
 * struct vmm_backend - what a vendor module registers
 * @name: "amd" or "intel", for logs and /sys
 * @owner: pinned by every VM
 * @vcpu_size: bytes of the backend's vCPU structure, whose first member is a
 *	       struct vmm_vcpu; the core allocates it, zeroed
 * @vm_size: the same for struct vmm_vm
 * @caps: enum vmm_backend_cap
 * @tdp: the format of second-level page tables (&tdp_format_npt, &tdp_format_ept)
 * @tdp_max_level: 2 = 2 MiB leaves, 3 = 1 GiB leaves
 * @tdp_ad: the CPU sets accessed and dirty bits in second-level tables
 * @nested_format: of VMM_GET_NESTED_STATE, for a guest that has no guests
 * @nested_flags: in that state
 * @tsc_frac_bits: TSC scaling's fixed-point format: bits below the point
 * @max_tsc_ratio: the largest ratio in that format
 */
struct vmm_backend {
	const char *name;
	struct module *owner;
	size_t vcpu_size;
	size_t vm_size;
	u32 caps;
	const struct tdp_format *tdp;
	u8 tdp_max_level;
	bool tdp_ad;
	u8 tsc_frac_bits;
	u16 nested_format;
	u16 nested_flags;
	u64 max_tsc_ratio;
	/* private: the operations, described in VMM_BACKEND_OPS */
#define VMM_OP_FIELD(ret, name, args) ret (*name) args;
	VMM_BACKEND_OPS(VMM_OP_FIELD, VMM_OP_FIELD)
#undef VMM_OP_FIELD
};

/**
 * vmm_backend_register() - make the core use a backend
 * @b: static storage, unchanged until vmm_backend_unregister()
 *
 * Context: module init. Return: 0; -EEXIST if there is one already; -EINVAL
 * if a required operation is missing (and says which).
 */
int vmm_backend_register(struct vmm_backend *b);
/* Context: module exit; no VM exists (each pins @owner). */
void vmm_backend_unregister(struct vmm_backend *b);

/* The registered backend; NULL when there is none. Stable while a VM exists. */
extern struct vmm_backend *vmm_backend;

#define VMM_OP_DECLARE(ret, name, args)						\
	typedef ret vmm_op_##name##_t args;					\
	DECLARE_STATIC_CALL(vmm_op_##name, vmm_op_##name##_t);
VMM_BACKEND_OPS(VMM_OP_DECLARE, VMM_OP_DECLARE)
#undef VMM_OP_DECLARE

/* vmm_call(load)(vcpu, cpu): the registered backend's operation. */
#define vmm_call(name)		static_call(vmm_op_##name)
/* The same for an optional void operation: does nothing where absent. */
#define vmm_call_cond(name)	static_call_cond(vmm_op_##name)

#endif
