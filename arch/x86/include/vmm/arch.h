/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The x86 half of a VM and of a vCPU: what both vendors share. Everything in
 * struct vmm_vcpu_arch is guarded by vcpu->mutex unless a field says otherwise.
 */
#ifndef _VMM_ARCH_H
#define _VMM_ARCH_H

#include <linux/mutex.h>
#include <linux/seqlock.h>
#include <linux/types.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>

#include <uapi/linux/vmm.h>
#include <vmm/exit.h>
#include <vmm/memory.h>

/* General registers in the order of their encoding. */
enum { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
       GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
       NR_GPRS };

/* Segment registers in the order of their encoding, then the system ones. */
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, NR_SEGS };

/*
 * Register groups: units of lazy reading (arch.avail) and writing (arch.dirty).
 * A group in neither bitmap has its truth in the control structure. GPRs other
 * than RSP are always in arch.gpr.
 */
#define VMM_G_SEG(s)	(1u << (s))		/* 0..7: seg[s] */
#define VMM_G_SEGS	0xffu
#define VMM_G_RIP	(1u << 8)
#define VMM_G_RSP	(1u << 9)
#define VMM_G_RFLAGS	(1u << 10)
#define VMM_G_CR0	(1u << 11)
#define VMM_G_CR3	(1u << 12)		/* and pdptr[] where the CPU keeps them */
#define VMM_G_CR4	(1u << 13)
#define VMM_G_EFER	(1u << 14)		/* guests change it only through an exit */
#define VMM_G_DT	(1u << 15)		/* gdt, idt */
#define VMM_G_INTR	(1u << 16)		/* shadow, nmi_masked */
#define VMM_G_DR	(1u << 17)		/* written only: hw_dr7, dr6 (db[] is loaded by the core) */
#define VMM_G_PENDING_DB (1u << 18)		/* pending_db */
#define VMM_G_REGS	((1u << 19) - 1)
/* Read only: mode, unless CS or SS is dirty. */
#define VMM_G_MODE	(1u << 19)
/* Written only: settings of the control structure. */
#define VMM_G_TSC	(1u << 20)		/* tsc_offset, tsc_ratio */
#define VMM_G_ROOT	(1u << 21)		/* tdp_root */
#define VMM_G_ALL	(VMM_G_REGS | VMM_G_TSC | VMM_G_ROOT)

struct vmm_desc_table {
	u64 base;
	u16 limit;
};

#define VMM_MAX_IRQ_ROUTES	4096
#define VMM_MAX_CPUID	256
struct vmm_cpuid {
	unsigned int nr;
	struct vmm_cpuid_entry2 *entry;	/* sorted by function, index */
	/* Derived at SET_CPUID2, read on hot paths. */
	u8 maxphyaddr;
	u64 gpa_reserved;		/* bits that no guest physical address has */
	u64 cr4_reserved;
	u64 efer_allowed;		/* to the guest's own WRMSR */
	u64 xcr0_allowed;
	u64 xss_allowed;
	u64 spec_ctrl_allowed;
	bool rdtscp, invpcid;		/* rdtscp: or RDPID */
	u32 cap[NR_CPUID_WORDS];	/* in the layout of X86_FEATURE_* */
	bool pv_enforced;
	u32 pv_features;		/* leaf 0x40000001 EAX; all bits, unless enforced */
	/* Basic and extended leaves: 1 + the leaf's first entry, 0: none. */
#define VMM_CPUID_DIRECT	0x28
	u16 direct[2][VMM_CPUID_DIRECT];
	bool repeats_last;		/* a leaf out of range reads as the last basic one */
};

#define VMM_NR_MCE_BANKS 32
struct vmm_mce {
	u64 cap, status, ctl;
	u64 bank[VMM_NR_MCE_BANKS * 4];
};

struct vmm_mtrr {
	u64 deftype;
	u64 fixed[11];
	u64 base[8], mask[8];
};

/* An MMIO or port access that waits for user space, and the answers so far. */
#define VMM_IO_LOG	320		/* a string I/O batch and a 64-byte access */
#define VMM_IO_FRAGS	2		/* an access touches at most two pages */
enum vmm_io_wait { VMM_IO_NONE, VMM_IO_PIO_IN, VMM_IO_PIO_OUT, VMM_IO_MMIO_READ, VMM_IO_MMIO_WRITE,
		   VMM_IO_RDMSR, VMM_IO_WRMSR };
struct vmm_io_pending {
	u8 wait;			/* enum vmm_io_wait: what user space was asked */
	bool emulating;			/* restart the instruction when answered */
	bool plain_load;		/* the answer goes into a register, that is all */
	u8 in_size;			/* simple IN: bytes for RAX, 0 none */
	unsigned long rip;		/* an answer is dropped if RIP is another by then */
	unsigned int len;		/* bytes that user space answers */

	/* MMIO writes that the completed instruction made: 8 bytes an exit. */
	struct { gpa_t gpa; u8 len; } frag[VMM_IO_FRAGS];
	u8 nr_frags, frag_pos;		/* frag_pos: bytes of frag[0] done */
	u8 data[64];
	u8 data_len;

	/* Answers of this instruction's accesses so far, in order. */
	unsigned int log_len, log_pos;
	u8 log[VMM_IO_LOG];
};

/**
 * struct vmm_code_walk - an earlier walk of the guest's page tables for an instruction
 * @slots_gen: the generation of memory slots, 0: none is remembered
 * @page: the linear page number that it was a walk for
 * @cr3: the guest's registers, as they were
 * @cr4: the same
 * @efer: the same
 * @access: VMM_ACCESS_*
 * @nr: how many entries it read
 * @entry: where they are and what they were
 * @hva: the result, with no offset in the page
 */
struct vmm_code_walk {
	u64 slots_gen;
	u64 page;
	u64 cr3, cr4, efer;
	u32 access;
	u32 nr;
	struct { u64 __user *ptr; u64 value; } entry[5];
	hva_t hva;
};
#define VMM_CODE_WALKS		4	/* a power of two */

struct vmm_vcpu_arch {
	/* Up to cpuid a snapshot is a copy of the bytes (snapshot.c): no pointers here. */

	/* --- registers; see VMM_G_* --- */
	u64 gpr[NR_GPRS];
	unsigned long rip;
	unsigned long rflags;
	u32 avail;
	u32 dirty;
	u64 cr0, cr2, cr3, cr4, cr8, efer;	/* cr2, cr8: always current outside run() */
	u64 pdptr[4];
	struct {				/* VMM_G_MODE; else it is in seg[] */
		u8 cpl;
		bool cs_l, cs_db;
	} mode;
	struct vmm_segment seg[NR_SEGS];
	struct vmm_desc_table gdt, idt;
	u8 shadow;				/* VMM_SHADOW_* */
	bool nmi_masked;
	u64 db[4], dr6, dr7;			/* the guest's, always current */
	u64 hw_dr7;				/* VMM_G_DR: what the CPU gets: dr7 or guest_dr7 */
	u64 pending_db;
#define VMM_SHADOW_MOV_SS	VMM_X86_SHADOW_INT_MOV_SS
#define VMM_SHADOW_STI		VMM_X86_SHADOW_INT_STI

	/* --- this exit and the next entry --- */
	struct vmm_exit exit;
	struct vmm_event inject;		/* taken by run() */
	bool want_intr_window;
	bool want_nmi_window;
	u8 inject_armed;			/* enum vmm_event_type that this entry injects */

	/* --- events waiting --- */
	struct {
		bool pending;			/* not yet handed to an entry */
		bool injected;			/* handed over, delivery was cut off */
		bool has_error;
		u8 vector;
		u32 error;
		bool has_payload;
		u64 payload;
	} exception;
	struct {
		bool injected;			/* waiting for the guest to take it */
		bool soft;
		u8 vector;
		u8 insn_len;
	} interrupt;
	bool nmi_injected;
	u8 nmi_pending;				/* at most 2 */
	bool user_wants_window;			/* run->request_interrupt_window, fetched */

	/* --- state that the core keeps --- */
	u32 mp_state;
	u64 apic_base;
	u64 pat;
	u64 xcr0, xss;
	u64 misc_enable;
	u64 tsc_aux;
	u64 spec_ctrl;
	u64 msr_misc_features;
	u64 debugctl;
	u64 arch_capabilities;
	u64 ucode_rev;
	u64 hwcr;				/* MSR c001_0015 */
	u64 platform_info;
	u64 power_ctl;
	struct vmm_mtrr mtrr;
	struct vmm_mce mce;
	struct vmm_cpuid cpuid;
	bool ran;				/* RUN was called: CPUID is frozen */

	/* --- time; see clock.c --- */
	u64 tsc_offset, tsc_ratio;		/* what the CPU gets: VMM_G_TSC */
	u64 tsc_adjust;
	u64 tsc_shift;				/* host correction contained in tsc_offset */
	u64 tsc_sync_offset;			/* tsc_offset without it; others read it */
	u64 last_host_tsc;			/* at the last unload, where TSCs differ */
	u32 tsc_khz;
	u64 pvclock_msr;			/* KVM_SYSTEM_TIME_NEW as written */
	bool pvclock_paused;			/* tell the guest it was stopped */
	u32 pvclock_version;

	/* --- FPU; see fpu.c --- */
	struct fpu_guest fpu;
	u32 pkru, host_pkru;
	u8 xstate_switch;			/* VMM_XSWITCH_*: what differs from the host */
	bool fpu_loaded;			/* RUN: the task's FPU is the guest's */

	/* --- debugging by user space --- */
	u32 guest_debug;			/* VMM_GUESTDBG_* */
	u64 guest_db[4], guest_dr7;		/* its breakpoints */
	bool guest_tf;				/* RFLAGS.TF as the guest has it, while stepped */

	hpa_t tdp_root;				/* VMM_G_ROOT */
	struct vmm_lapic *apic;			/* I: NULL if APICs are user space's */
	struct {				/* see pv.c */
		u64 eoi_msr;
		bool eoi_armed;			/* the guest may end its interrupt in memory */
		bool unhalted;			/* A: the next HLT ends at once */
		u64 steal_msr;
		u64 run_delay;			/* of the thread, as told to the guest */
		u64 poll_control;
	} pv;
	unsigned int halt_poll_ns;		/* see halt.c */
	struct vmm_io_pending io;
	struct emu_ctxt *emu;			/* allocated at first use */
	struct vmm_code_walk code_walk[VMM_CODE_WALKS];	/* by page, see walk.c */
	struct vmm_vcpu_snapshot *snapshot;	/* see snapshot.c */
	struct tdp_vcpu_cache *tdp_cache;	/* pages for tables, see tdp.c */
	u64 mmio_gen;				/* slot generation in which ... */
	gfn_t mmio_gfn;				/* ... this gfn had no slot; see tdp.c */

	struct {
		u64 exit[VX_COUNT];		/* by reason */
		u64 mmio_exits, io_exits, halt_exits, signal_exits,
		    injections, nmi_injections, emulations, request_irq_exits;
		/* While exit_timing is on, see stats.c. */
		u64 exit_ns[VX_COUNT];
		u64 exit_at;
		u16 timed_reason;		/* VX_NONE: exit_at means nothing */
	} stat;					/* others read it without a lock */
};

/* Who has the interrupt controllers. */
enum {
	VMM_IRQCHIP_NONE,		/* user space, all of them */
	VMM_IRQCHIP_SPLIT,		/* local APICs here, PIC and I/O APIC in user space */
	VMM_IRQCHIP_KERNEL,
};

struct tdp_root;
struct vmm_apic_map;
struct vmm_irqchips;
struct vmm_msr_filter_set;

struct vmm_vm_arch {
	struct tdp_root *root;		/* I: one tree for all vCPUs */
	u8 irqchip_mode;		/* V; no vCPU exists when it is set: VMM_IRQCHIP_* */
	struct mutex apic_map_lock;	/* innermost mutex: makes apic_map */
	struct vmm_apic_map __rcu *apic_map;	/* apic_map_lock, RCU; NULL: look at all vCPUs */
	u64 tss_addr, identity_map_addr;	/* V: stored; no use with unrestricted guests */
	u64 disabled_quirks;		/* V */
	u32 exit_disable;		/* V: VMM_X86_DISABLE_EXITS_*; I once there is a vCPU */
	bool exception_payload;		/* V */
	bool triple_fault_event;	/* V */
	bool no_platform_info;		/* V, read without: the guest's RDMSR is #GP */
	unsigned int max_vcpu_id;	/* V: vCPU ids are below it; 0: user space sets no limit */
	u32 user_msr_mask;		/* V: VMM_MSR_EXIT_REASON_*; read locklessly */
	struct vmm_msr_filter_set __rcu *msr_filter;	/* V, srcu */
	bool x2apic_32bit_ids;		/* V: VMM_X2APIC_API_*, read without */
	bool x2apic_no_broadcast_quirk;	/* V: the same */
	u32 boot_cpu_id;		/* V, immutable once vCPUs exist */
	u32 split_reserved_routes;	/* V, as irqchip_mode: GSIs of user space's I/O APIC */
	struct vmm_irqchips *irqchips;	/* V, once, before vCPUs exist; NULL: none */

	/* TSC and the paravirtual clock, see clock.c */
	raw_spinlock_t clock_lock;
	bool clock_stable;		/* clock_lock; read locklessly as a hint */
	u64 clock_base_tsc;		/* clock_lock: host TSC, corrected, at which ... */
	u64 clock_base_ns;		/* clock_lock: ... the guests' clock was this */
	u32 clock_khz;			/* I: host TSC */
	s64 clock_offset;		/* clock_lock: else: guest clock - host boottime, ns */
	u64 wall_clock_msr;		/* A */
	u32 default_tsc_khz;		/* A: of vCPUs to come */
	bool tsc_written;		/* clock_lock: the next two are valid */
	u64 last_tsc_offset;		/* clock_lock: of the last write that set a time */
	u64 last_tsc_ratio;		/* clock_lock */
};

/* Compare and exchange 16 aligned bytes; old is updated if they differ. */
static inline bool vmm_try_cmpxchg16(void *p, u64 old[2], const u64 new[2])
{
	bool done;

	asm volatile("lock cmpxchg16b %[mem]"
		     : "=@ccz" (done), [mem] "+m" (*(u64 (*)[2])p),
		       "+a" (old[0]), "+d" (old[1])
		     : "b" (new[0]), "c" (new[1]) : "memory");
	return done;
}

#endif
