/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * vmm.h - the user ABI of /dev/vmm, and the one header a VMM includes.
 *
 * The wire format is KVM's: every ioctl number, constant, struct size and
 * field offset below that has a counterpart in <linux/kvm.h> is equal to it
 * (tools/testing/selftests/vmm/abi_test.c proves that when it is compiled).
 * The names are KVM's with kvm -> vmm and KVM -> VMM, so KVM_CREATE_VM is
 * VMM_CREATE_VM and struct kvm_run is struct vmm_run. Both headers may be
 * included in one source file. Documentation/api.rst describes each ioctl
 * with its errors; here stands what a field holds.
 *
 * Three kinds of file descriptor take ioctls:
 *
 *	/dev/vmm	what the host offers; VMM_CREATE_VM makes a VM
 *	VM		memory, interrupt controllers, vCPU creation
 *	vCPU		registers, events and VMM_RUN; mmap() at offset 0 gives
 *			struct vmm_run
 *
 * Direction marks: [in] user space writes and the kernel reads, [out] the
 * other way, [in/out] both. The kernel reads an [in] field of a shared page
 * once, into a local, since user space may change it at any time.
 *
 * A user pointer inside a struct is a union of the pointer, for user space,
 * and of an integer called <name>_addr, which is what the kernel modules use.
 *
 * What vmm adds to KVM's interface has numbers of its own (see the end of the
 * file): ioctls 0xf0 to 0xff of type VMMIO; capabilities and exit reasons from
 * VMM_PRIVATE_BASE up.
 */
#ifndef _UAPI_LINUX_VMM_H
#define _UAPI_LINUX_VMM_H

#include <linux/types.h>
#include <linux/ioctl.h>

#include "vmm_para.h"

#define VMM_API_VERSION			12
#define VMMIO				0xAE

/* Exception vectors of the architecture. */
#define VMM_DE_VECTOR			0
#define VMM_DB_VECTOR			1
#define VMM_BP_VECTOR			3
#define VMM_OF_VECTOR			4
#define VMM_BR_VECTOR			5
#define VMM_UD_VECTOR			6
#define VMM_NM_VECTOR			7
#define VMM_DF_VECTOR			8
#define VMM_TS_VECTOR			10
#define VMM_NP_VECTOR			11
#define VMM_SS_VECTOR			12
#define VMM_GP_VECTOR			13
#define VMM_PF_VECTOR			14
#define VMM_MF_VECTOR			16
#define VMM_AC_VECTOR			17
#define VMM_MC_VECTOR			18
#define VMM_XM_VECTOR			19
#define VMM_VE_VECTOR			20

#define VMM_NR_INTERRUPTS		256

/* ------------------------------------------------------------------------ */
/* Guest memory                                                             */

/**
 * struct vmm_userspace_memory_region - argument of VMM_SET_USER_MEMORY_REGION
 * @slot: [in] bits 0-15 slot number, bits 16-31 address space
 * @flags: [in] VMM_MEM_*
 * @guest_phys_addr: [in] where the guest sees it; page aligned
 * @memory_size: [in] bytes, page aligned; 0 deletes the slot
 * @userspace_addr: [in] the memory of the calling process that backs it
 */
struct vmm_userspace_memory_region {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
};

#define VMM_MEM_LOG_DIRTY_PAGES		(1UL << 0)
#define VMM_MEM_READONLY		(1UL << 1)	/* a guest write is an MMIO exit */

/**
 * struct vmm_dirty_log - argument of VMM_GET_DIRTY_LOG
 * @slot: [in] as in struct vmm_userspace_memory_region
 * @padding1: ignored
 * @dirty_bitmap: [in] receives a bit a page, rounded up to whole 64-bit words
 * @dirty_bitmap_addr: the same, as the kernel reads it
 */
struct vmm_dirty_log {
	__u32 slot;
	__u32 padding1;
	union {
		void *dirty_bitmap;
		__u64 dirty_bitmap_addr;
	};
};

/**
 * struct vmm_clear_dirty_log - argument of VMM_CLEAR_DIRTY_LOG
 * @slot: [in] as above
 * @num_pages: [in] multiple of 64, unless the range ends with the slot
 * @first_page: [in] page within the slot, multiple of 64
 * @dirty_bitmap: [in] a set bit clears and write-protects that page again
 * @dirty_bitmap_addr: the same, as the kernel reads it
 */
struct vmm_clear_dirty_log {
	__u32 slot;
	__u32 num_pages;
	__u64 first_page;
	union {
		void *dirty_bitmap;
		__u64 dirty_bitmap_addr;
	};
};

/* args[0] of VMM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
#define VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE	(1 << 0)
#define VMM_DIRTY_LOG_INITIALLY_SET		(1 << 1)

/**
 * struct vmm_dirty_gfn - an entry of the dirty ring of a vCPU
 * @flags: [in/out] VMM_DIRTY_GFN_F_*: the kernel sets DIRTY; user space answers
 *	with RESET when it has harvested the entry, in ring order, and
 *	VMM_RESET_DIRTY_RINGS takes it back
 * @slot: [out] bits 0-15 slot number, bits 16-31 address space
 * @offset: [out] page within the slot
 *
 * The ring is mapped at page VMM_DIRTY_LOG_PAGE_OFFSET of the vCPU.
 */
struct vmm_dirty_gfn {
	__u32 flags;
	__u32 slot;
	__u64 offset;
};

#define VMM_DIRTY_GFN_F_DIRTY		(1UL << 0)
#define VMM_DIRTY_GFN_F_RESET		(1UL << 1)
#define VMM_DIRTY_GFN_F_MASK		0x3

/* ------------------------------------------------------------------------ */
/* Register state of a vCPU                                                 */

/** struct vmm_regs - general registers: VMM_GET_REGS, VMM_SET_REGS */
struct vmm_regs {
	__u64 rax, rbx, rcx, rdx;
	__u64 rsi, rdi, rsp, rbp;
	__u64 r8,  r9,  r10, r11;
	__u64 r12, r13, r14, r15;
	__u64 rip, rflags;
};

/**
 * struct vmm_segment - a segment register with its hidden part
 * @base: linear address
 * @limit: in bytes, granularity already applied
 * @selector: the visible part
 * @type: descriptor type, 4 bits
 * @present: P
 * @dpl: DPL
 * @db: D/B
 * @s: S, 1 for code and data
 * @l: L, 64-bit code
 * @g: G
 * @avl: AVL
 * @unusable: a null selector was loaded
 * @padding: ignored
 */
struct vmm_segment {
	__u64 base;
	__u32 limit;
	__u16 selector;
	__u8 type;
	__u8 present, dpl, db, s, l, g, avl;
	__u8 unusable;
	__u8 padding;
};

/** struct vmm_dtable - GDTR or IDTR */
struct vmm_dtable {
	__u64 base;
	__u16 limit;
	__u16 padding[3];
};

/*
 * struct vmm_sregs - special registers: VMM_GET_SREGS, VMM_SET_SREGS
 * @interrupt_bitmap: at most one bit: an external interrupt that was accepted
 *	but not delivered yet
 */
struct vmm_sregs {
	struct vmm_segment cs, ds, es, fs, gs, ss;
	struct vmm_segment tr, ldt;
	struct vmm_dtable gdt, idt;
	__u64 cr0, cr2, cr3, cr4, cr8;
	__u64 efer;
	__u64 apic_base;
	__u64 interrupt_bitmap[(VMM_NR_INTERRUPTS + 63) / 64];
};

/*
 * struct vmm_sregs2 - as struct vmm_sregs, with the PDPTEs of PAE paging and
 *	without the interrupt, which VMM_SET_VCPU_EVENTS carries
 * @flags: VMM_SREGS2_FLAGS_PDPTRS_VALID
 * @pdptrs: used when the flag is set; otherwise they are read from guest memory
 */
struct vmm_sregs2 {
	struct vmm_segment cs, ds, es, fs, gs, ss;
	struct vmm_segment tr, ldt;
	struct vmm_dtable gdt, idt;
	__u64 cr0, cr2, cr3, cr4, cr8;
	__u64 efer;
	__u64 apic_base;
	__u64 flags;
	__u64 pdptrs[4];
};

#define VMM_SREGS2_FLAGS_PDPTRS_VALID	1

/** struct vmm_fpu - x87 and SSE state in FXSAVE's terms (abridged tag word) */
struct vmm_fpu {
	__u8 fpr[8][16];
	__u16 fcw;
	__u16 fsw;
	__u8 ftwx;
	__u8 pad1;
	__u16 last_opcode;
	__u64 last_ip;
	__u64 last_dp;
	__u8 xmm[16][16];
	__u32 mxcsr;
	__u32 pad2;
};

/**
 * struct vmm_xsave - the XSAVE area, in the standard (not compacted) format
 * @region: the first 4096 bytes, all that VMM_GET_XSAVE gives
 * @extra: what follows when VMM_CAP_XSAVE2, asked of the VM, is over 4096
 */
struct vmm_xsave {
	__u32 region[1024];
	__u32 extra[];
};

#define VMM_MAX_XCRS			16

struct vmm_xcr {
	__u32 xcr;
	__u32 reserved;
	__u64 value;
};

/*
 * struct vmm_xcrs - extended control registers: VMM_GET_XCRS, VMM_SET_XCRS
 * @nr_xcrs: entries in use; only XCR0 exists
 * @flags: 0
 */
struct vmm_xcrs {
	__u32 nr_xcrs;
	__u32 flags;
	struct vmm_xcr xcrs[VMM_MAX_XCRS];
	__u64 padding[16];
};

/** struct vmm_debugregs - DR0-3, DR6, DR7; @flags is 0 */
struct vmm_debugregs {
	__u64 db[4];
	__u64 dr6;
	__u64 dr7;
	__u64 flags;
	__u64 reserved[9];
};

/** struct vmm_mp_state - VMM_GET_MP_STATE, VMM_SET_MP_STATE: VMM_MP_STATE_* */
struct vmm_mp_state {
	__u32 mp_state;
};

#define VMM_MP_STATE_RUNNABLE		0
#define VMM_MP_STATE_UNINITIALIZED	1	/* waits for INIT */
#define VMM_MP_STATE_INIT_RECEIVED	2	/* waits for SIPI */
#define VMM_MP_STATE_HALTED		3
#define VMM_MP_STATE_SIPI_RECEIVED	4	/* write only */
#define VMM_MP_STATE_AP_RESET_HOLD	9

/**
 * struct vmm_vcpu_events - what is pending, injected or blocked
 * @exception: @injected: in delivery; @pending: not yet committed, seen only
 *	with VMM_CAP_EXCEPTION_PAYLOAD enabled
 * @interrupt: @soft: an INT n; @shadow: VMM_X86_SHADOW_INT_*
 * @nmi: @masked: no NMI until the next IRET
 * @sipi_vector: ignored unless its flag is set; always 0 on reading
 * @flags: VMM_VCPUEVENT_VALID_*: which optional parts are meant
 * @smi: system management mode
 * @triple_fault: needs VMM_CAP_X86_TRIPLE_FAULT_EVENT
 * @reserved: 0
 * @exception_has_payload: @exception_payload is meant
 * @exception_payload: CR2 of a #PF, DR6 of a #DB
 */
struct vmm_vcpu_events {
	struct {
		__u8 injected;
		__u8 nr;
		__u8 has_error_code;
		__u8 pending;
		__u32 error_code;
	} exception;
	struct {
		__u8 injected;
		__u8 nr;
		__u8 soft;
		__u8 shadow;
	} interrupt;
	struct {
		__u8 injected;
		__u8 pending;
		__u8 masked;
		__u8 pad;
	} nmi;
	__u32 sipi_vector;
	__u32 flags;
	struct {
		__u8 smm;
		__u8 pending;
		__u8 smm_inside_nmi;
		__u8 latched_init;
	} smi;
	struct {
		__u8 pending;
	} triple_fault;
	__u8 reserved[26];
	__u8 exception_has_payload;
	__u64 exception_payload;
};

#define VMM_VCPUEVENT_VALID_NMI_PENDING		0x00000001
#define VMM_VCPUEVENT_VALID_SIPI_VECTOR		0x00000002
#define VMM_VCPUEVENT_VALID_SHADOW		0x00000004
#define VMM_VCPUEVENT_VALID_SMM			0x00000008
#define VMM_VCPUEVENT_VALID_PAYLOAD		0x00000010
#define VMM_VCPUEVENT_VALID_TRIPLE_FAULT	0x00000020

#define VMM_X86_SHADOW_INT_MOV_SS		0x01
#define VMM_X86_SHADOW_INT_STI			0x02

/* ------------------------------------------------------------------------ */
/* VMM_RUN and the run page                                                 */

#define VMM_EXIT_UNKNOWN		0	/* vmm_run.hw */
#define VMM_EXIT_EXCEPTION		1	/* not used on x86 */
#define VMM_EXIT_IO			2	/* vmm_run.io */
#define VMM_EXIT_HYPERCALL		3	/* vmm_run.hypercall */
#define VMM_EXIT_DEBUG			4	/* vmm_run.debug */
#define VMM_EXIT_HLT			5	/* only without a local APIC of ours */
#define VMM_EXIT_MMIO			6	/* vmm_run.mmio */
#define VMM_EXIT_IRQ_WINDOW_OPEN	7	/* as request_interrupt_window asked */
#define VMM_EXIT_SHUTDOWN		8	/* triple fault */
#define VMM_EXIT_FAIL_ENTRY		9	/* vmm_run.fail_entry */
#define VMM_EXIT_INTR			10	/* a signal; VMM_RUN returned EINTR */
#define VMM_EXIT_SET_TPR		11	/* the guest lowered CR8 */
#define VMM_EXIT_TPR_ACCESS		12	/* vmm_run.tpr_access */
#define VMM_EXIT_NMI			16
#define VMM_EXIT_INTERNAL_ERROR		17	/* vmm_run.internal, emulation_failure */
#define VMM_EXIT_WATCHDOG		21
#define VMM_EXIT_SYSTEM_EVENT		24	/* vmm_run.system_event */
#define VMM_EXIT_IOAPIC_EOI		26	/* vmm_run.eoi */
#define VMM_EXIT_HYPERV			27	/* vmm_run.hyperv */
#define VMM_EXIT_X86_RDMSR		29	/* vmm_run.msr */
#define VMM_EXIT_X86_WRMSR		30	/* vmm_run.msr */
#define VMM_EXIT_DIRTY_RING_FULL	31
#define VMM_EXIT_AP_RESET_HOLD		32
#define VMM_EXIT_X86_BUS_LOCK		33
#define VMM_EXIT_NOTIFY			37	/* vmm_run.notify */
#define VMM_EXIT_MEMORY_FAULT		39	/* vmm_run.memory_fault */

/* vmm_run.io.direction */
#define VMM_EXIT_IO_IN			0
#define VMM_EXIT_IO_OUT			1

/* vmm_run.internal.suberror */
#define VMM_INTERNAL_ERROR_EMULATION			1
#define VMM_INTERNAL_ERROR_SIMUL_EX			2
#define VMM_INTERNAL_ERROR_DELIVERY_EV			3
#define VMM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON	4

/* vmm_run.emulation_failure.flags */
#define VMM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES	(1ULL << 0)

/* vmm_run.system_event.type */
#define VMM_SYSTEM_EVENT_SHUTDOWN	1
#define VMM_SYSTEM_EVENT_RESET		2
#define VMM_SYSTEM_EVENT_CRASH		3
#define VMM_SYSTEM_EVENT_WAKEUP		4
#define VMM_SYSTEM_EVENT_SUSPEND	5

/* vmm_run.msr.reason, and args[0] of VMM_CAP_X86_USER_SPACE_MSR */
#define VMM_MSR_EXIT_REASON_INVAL	(1 << 0)	/* the access would raise #GP */
#define VMM_MSR_EXIT_REASON_UNKNOWN	(1 << 1)	/* no such MSR */
#define VMM_MSR_EXIT_REASON_FILTER	(1 << 2)	/* VMM_X86_SET_MSR_FILTER denies it */

/* vmm_run.notify.flags */
#define VMM_NOTIFY_CONTEXT_INVALID	(1 << 0)

/* vmm_run.flags */
#define VMM_RUN_X86_SMM			(1 << 0)
#define VMM_RUN_X86_BUS_LOCK		(1 << 1)

/* vmm_run.vmm_valid_regs, vmm_run.vmm_dirty_regs */
#define VMM_SYNC_X86_REGS		(1UL << 0)
#define VMM_SYNC_X86_SREGS		(1UL << 1)
#define VMM_SYNC_X86_EVENTS		(1UL << 2)
#define VMM_SYNC_X86_VALID_FIELDS \
	(VMM_SYNC_X86_REGS | VMM_SYNC_X86_SREGS | VMM_SYNC_X86_EVENTS)

#define VMM_SYNC_REGS_SIZE_BYTES	2048

/** struct vmm_debug_exit_arch - vmm_run.debug: #DB, #BP or single step */
struct vmm_debug_exit_arch {
	__u32 exception;
	__u32 pad;
	__u64 pc;
	__u64 dr6;
	__u64 dr7;
};

#define VMM_EXIT_HYPERV_SYNIC		1
#define VMM_EXIT_HYPERV_HCALL		2
#define VMM_EXIT_HYPERV_SYNDBG		3

/** struct vmm_hyperv_exit - vmm_run.hyperv; @type is VMM_EXIT_HYPERV_* */
struct vmm_hyperv_exit {
	__u32 type;
	__u32 pad1;
	union {
		struct {
			__u32 msr;
			__u32 pad2;
			__u64 control;
			__u64 evt_page;
			__u64 msg_page;
		} synic;
		struct {
			__u64 input;
			__u64 result;
			__u64 params[2];
		} hcall;
		struct {
			__u32 msr;
			__u32 pad2;
			__u64 control;
			__u64 status;
			__u64 send_page;
			__u64 recv_page;
			__u64 pending_page;
		} syndbg;
	} u;
};

/** struct vmm_sync_regs - registers that VMM_RUN may copy, see vmm_valid_regs */
struct vmm_sync_regs {
	struct vmm_regs regs;
	struct vmm_sregs sregs;
	struct vmm_vcpu_events events;
};

/**
 * struct vmm_run - the page that a vCPU shares with its VMM
 * @request_interrupt_window: [in] exit as soon as the guest can take an
 *	interrupt (not with an interrupt controller of ours)
 * @immediate_exit: [in] VMM_RUN returns EINTR without entering the guest; the exit
 *	in this page stays
 * @padding1: ignored
 * @exit_reason: [out] VMM_EXIT_*
 * @ready_for_interrupt_injection: [out] VMM_INTERRUPT would be taken now
 * @if_flag: [out] RFLAGS.IF
 * @flags: [out] VMM_RUN_X86_*
 * @cr8: [in/out] task priority; [in] only without a local APIC of ours
 * @apic_base: [in/out] IA32_APIC_BASE; [in] only without a local APIC of ours
 * @hw: VMM_EXIT_UNKNOWN: the CPU's own exit code
 * @fail_entry: VMM_EXIT_FAIL_ENTRY: the CPU's own code, on which CPU, and, with
 *	VMM_CAP_FAIL_ENTRY_EXPLAIN, the broken rule in words, NUL-terminated
 * @ex: not used
 * @io: VMM_EXIT_IO: @count accesses of @size bytes each, data (in for OUT, out
 *	for IN, read at the next VMM_RUN) at @data_offset from the page's start
 * @debug: VMM_EXIT_DEBUG
 * @mmio: VMM_EXIT_MMIO: an access of @len bytes; for a read user space fills
 *	@data, and the next VMM_RUN completes the instruction
 * @hypercall: VMM_EXIT_HYPERCALL: @ret is [in]; @flags bit 0, or @longmode, says
 *	that the guest is in 64-bit mode
 * @tpr_access: VMM_EXIT_TPR_ACCESS
 * @internal: VMM_EXIT_INTERNAL_ERROR: @ndata words in @data
 * @emulation_failure: the same for VMM_INTERNAL_ERROR_EMULATION
 * @system_event: VMM_EXIT_SYSTEM_EVENT
 * @eoi: VMM_EXIT_IOAPIC_EOI
 * @hyperv: VMM_EXIT_HYPERV
 * @msr: VMM_EXIT_X86_RDMSR and VMM_EXIT_X86_WRMSR: @error is [in], not 0 raises
 *	#GP; @data is [in] for RDMSR, [out] for WRMSR
 * @notify: VMM_EXIT_NOTIFY
 * @memory_fault: VMM_EXIT_MEMORY_FAULT
 * @padding: fixes the size of the union
 * @vmm_valid_regs: [in] VMM_SYNC_X86_*: what VMM_RUN stores into @s on return
 * @vmm_dirty_regs: [in/out] what VMM_RUN loads from @s first; then 0
 * @s: the registers
 *
 * Page VMM_PIO_PAGE_OFFSET of the mapping holds the data of port I/O, page
 * VMM_COALESCED_MMIO_PAGE_OFFSET a struct vmm_coalesced_mmio_ring. A user of
 * the mapping takes offsets from @io, never page numbers.
 */
struct vmm_run {
	__u8 request_interrupt_window;
	__u8 immediate_exit;
	__u8 padding1[6];
	__u32 exit_reason;
	__u8 ready_for_interrupt_injection;
	__u8 if_flag;
	__u16 flags;
	__u64 cr8;
	__u64 apic_base;
	union {
		struct {
			__u64 hardware_exit_reason;
		} hw;
		struct {
			__u64 hardware_entry_failure_reason;
			__u32 cpu;
			__u32 explain_len;
			char explain[240];
		} fail_entry;
		struct {
			__u32 exception;
			__u32 error_code;
		} ex;
		struct {
			__u8 direction;
			__u8 size;
			__u16 port;
			__u32 count;
			__u64 data_offset;
		} io;
		struct {
			struct vmm_debug_exit_arch arch;
		} debug;
		struct {
			__u64 phys_addr;
			__u8 data[8];
			__u32 len;
			__u8 is_write;
		} mmio;
		struct {
			__u64 nr;
			__u64 args[6];
			__u64 ret;
			union {
				__u32 longmode;
				__u64 flags;
			};
		} hypercall;
		struct {
			__u64 rip;
			__u32 is_write;
			__u32 pad;
		} tpr_access;
		struct {
			__u32 suberror;
			__u32 ndata;
			__u64 data[16];
		} internal;
		struct {
			__u32 suberror;
			__u32 ndata;
			__u64 flags;
			__u8 insn_size;
			__u8 insn_bytes[15];
		} emulation_failure;
		struct {
			__u32 type;
			__u32 ndata;
			__u64 data[16];
		} system_event;
		struct {
			__u8 vector;
		} eoi;
		struct vmm_hyperv_exit hyperv;
		struct {
			__u8 error;
			__u8 pad[7];
			__u32 reason;
			__u32 index;
			__u64 data;
		} msr;
		struct {
			__u32 flags;
		} notify;
		struct {
			__u64 flags;
			__u64 gpa;
			__u64 size;
		} memory_fault;
		char padding[256];
	};
	__u64 vmm_valid_regs;
	__u64 vmm_dirty_regs;
	union {
		struct vmm_sync_regs regs;
		char padding[VMM_SYNC_REGS_SIZE_BYTES];
	} s;
};

/* Pages of the vCPU mapping. */
#define VMM_PIO_PAGE_OFFSET		1
#define VMM_COALESCED_MMIO_PAGE_OFFSET	2
#define VMM_DIRTY_LOG_PAGE_OFFSET	64

/**
 * struct vmm_signal_mask - VMM_SET_SIGNAL_MASK: blocked signals during VMM_RUN
 * @len: [in] 8, the size of the kernel's signal set
 * @sigset: [in] the set
 */
struct vmm_signal_mask {
	__u32 len;
	__u8 sigset[];
};

/* ------------------------------------------------------------------------ */
/* CPUID and MSRs                                                           */

/*
 * struct vmm_cpuid_entry2 - one leaf, or one subleaf
 * @flags: VMM_CPUID_FLAG_SIGNIFCANT_INDEX: @index counts (sic: KVM's spelling)
 */
struct vmm_cpuid_entry2 {
	__u32 function;
	__u32 index;
	__u32 flags;
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
	__u32 padding[3];
};

#define VMM_CPUID_FLAG_SIGNIFCANT_INDEX	(1 << 0)
#define VMM_CPUID_FLAG_STATEFUL_FUNC	(1 << 1)	/* obsolete */
#define VMM_CPUID_FLAG_STATE_READ_NEXT	(1 << 2)	/* obsolete */

/*
 * struct vmm_cpuid2 - a list of leaves
 * @nent: [in/out] room in @entries; on return how many were written. E2BIG when
 *	the room is too small
 */
struct vmm_cpuid2 {
	__u32 nent;
	__u32 padding;
	struct vmm_cpuid_entry2 entries[];
};

struct vmm_msr_entry {
	__u32 index;
	__u32 reserved;
	__u64 data;
};

/*
 * struct vmm_msrs - VMM_GET_MSRS, VMM_SET_MSRS: they return how many entries
 *	were done; the entry after those is the one that was refused
 */
struct vmm_msrs {
	__u32 nmsrs;
	__u32 pad;
	struct vmm_msr_entry entries[];
};

/*
 * struct vmm_msr_list - which MSRs exist
 * @nmsrs: [in/out] room, then the number there is; E2BIG when the room is less
 */
struct vmm_msr_list {
	__u32 nmsrs;
	__u32 indices[];
};

#define VMM_MSR_FILTER_MAX_BITMAP_SIZE	0x600
#define VMM_MSR_FILTER_MAX_RANGES	16
#define VMM_MSR_FILTER_READ		(1 << 0)
#define VMM_MSR_FILTER_WRITE		(1 << 1)
#define VMM_MSR_FILTER_DEFAULT_ALLOW	(0 << 0)
#define VMM_MSR_FILTER_DEFAULT_DENY	(1 << 0)

/** struct vmm_msr_filter_range - a set bit allows what @flags names */
struct vmm_msr_filter_range {
	__u32 flags;
	__u32 nmsrs;
	__u32 base;
	union {
		__u8 *bitmap;
		unsigned long bitmap_addr;
	};
};

/** struct vmm_msr_filter - VMM_X86_SET_MSR_FILTER */
struct vmm_msr_filter {
	__u32 flags;
	struct vmm_msr_filter_range ranges[VMM_MSR_FILTER_MAX_RANGES];
};

/** struct vmm_x86_mce - VMM_X86_SET_MCE: a machine check to inject */
struct vmm_x86_mce {
	__u64 status;
	__u64 addr;
	__u64 misc;
	__u64 mcg_status;
	__u8 bank;
	__u8 pad1[7];
	__u64 pad2[3];
};

/** struct vmm_pmu_event_filter - VMM_SET_PMU_EVENT_FILTER */
struct vmm_pmu_event_filter {
	__u32 action;
	__u32 nevents;
	__u32 fixed_counter_bitmap;
	__u32 flags;
	__u32 pad[4];
	__u64 events[];
};

#define VMM_PMU_EVENT_ALLOW		0
#define VMM_PMU_EVENT_DENY		1

/* ------------------------------------------------------------------------ */
/* Interrupts                                                               */

/** struct vmm_interrupt - VMM_INTERRUPT: @irq is a vector, 0 to 255 */
struct vmm_interrupt {
	__u32 irq;
};

/**
 * struct vmm_irq_level - VMM_IRQ_LINE, VMM_IRQ_LINE_STATUS
 * @irq: [in] global system interrupt
 * @status: [out] of VMM_IRQ_LINE_STATUS: <0 masked, 0 coalesced, >0 delivered
 * @level: [in] 1 asserts, 0 deasserts
 */
struct vmm_irq_level {
	union {
		__u32 irq;
		__s32 status;
	};
	__u32 level;
};

#define VMM_APIC_REG_SIZE		0x400

/** struct vmm_lapic_state - the register page of a local APIC, as MMIO shows it */
struct vmm_lapic_state {
	char regs[VMM_APIC_REG_SIZE];
};

/* args[0] of VMM_CAP_X2APIC_API */
#define VMM_X2APIC_API_USE_32BIT_IDS		(1ULL << 0)
#define VMM_X2APIC_API_DISABLE_BROADCAST_QUIRK	(1ULL << 1)

/** struct vmm_pic_state - one of the two 8259s */
struct vmm_pic_state {
	__u8 last_irr;
	__u8 irr;
	__u8 imr;
	__u8 isr;
	__u8 priority_add;
	__u8 irq_base;
	__u8 read_reg_select;
	__u8 poll;
	__u8 special_mask;
	__u8 init_state;
	__u8 auto_eoi;
	__u8 rotate_on_auto_eoi;
	__u8 special_fully_nested_mode;
	__u8 init4;
	__u8 elcr;
	__u8 elcr_mask;
};

#define VMM_IOAPIC_NUM_PINS		24

/** struct vmm_ioapic_state - the I/O APIC; @redirtbl as the guest programs it */
struct vmm_ioapic_state {
	__u64 base_address;
	__u32 ioregsel;
	__u32 id;
	__u32 irr;
	__u32 pad;
	union {
		__u64 bits;
		struct {
			__u8 vector;
			__u8 delivery_mode:3;
			__u8 dest_mode:1;
			__u8 delivery_status:1;
			__u8 polarity:1;
			__u8 remote_irr:1;
			__u8 trig_mode:1;
			__u8 mask:1;
			__u8 reserve:7;
			__u8 reserved[4];
			__u8 dest_id;
		} fields;
	} redirtbl[VMM_IOAPIC_NUM_PINS];
};

#define VMM_IRQCHIP_PIC_MASTER		0
#define VMM_IRQCHIP_PIC_SLAVE		1
#define VMM_IRQCHIP_IOAPIC		2
#define VMM_NR_IRQCHIPS			3

/** struct vmm_irqchip - VMM_GET_IRQCHIP, VMM_SET_IRQCHIP; @chip_id: VMM_IRQCHIP_* */
struct vmm_irqchip {
	__u32 chip_id;
	__u32 pad;
	union {
		char dummy[512];
		struct vmm_pic_state pic;
		struct vmm_ioapic_state ioapic;
	} chip;
};

/** struct vmm_irq_routing_irqchip - a pin of one of our interrupt controllers */
struct vmm_irq_routing_irqchip {
	__u32 irqchip;
	__u32 pin;
};

/** struct vmm_irq_routing_msi - a message; @devid with VMM_MSI_VALID_DEVID */
struct vmm_irq_routing_msi {
	__u32 address_lo;
	__u32 address_hi;
	__u32 data;
	union {
		__u32 pad;
		__u32 devid;
	};
};

struct vmm_irq_routing_hv_sint {
	__u32 vcpu;
	__u32 sint;
};

#define VMM_IRQ_ROUTING_IRQCHIP		1
#define VMM_IRQ_ROUTING_MSI		2
#define VMM_IRQ_ROUTING_HV_SINT		4

struct vmm_irq_routing_entry {
	__u32 gsi;
	__u32 type;
	__u32 flags;
	__u32 pad;
	union {
		struct vmm_irq_routing_irqchip irqchip;
		struct vmm_irq_routing_msi msi;
		struct vmm_irq_routing_hv_sint hv_sint;
		__u32 pad[8];
	} u;
};

/** struct vmm_irq_routing - VMM_SET_GSI_ROUTING: replaces the whole table */
struct vmm_irq_routing {
	__u32 nr;
	__u32 flags;
	struct vmm_irq_routing_entry entries[];
};

#define VMM_MSI_VALID_DEVID		(1U << 0)

/** struct vmm_msi - VMM_SIGNAL_MSI */
struct vmm_msi {
	__u32 address_lo;
	__u32 address_hi;
	__u32 data;
	__u32 flags;
	__u32 devid;
	__u8 pad[12];
};

#define VMM_IRQFD_FLAG_DEASSIGN		(1 << 0)
#define VMM_IRQFD_FLAG_RESAMPLE		(1 << 1)

/*
 * struct vmm_irqfd - VMM_IRQFD: an eventfd that raises @gsi
 * @resamplefd: with VMM_IRQFD_FLAG_RESAMPLE: signalled at the guest's EOI
 */
struct vmm_irqfd {
	__u32 fd;
	__u32 gsi;
	__u32 flags;
	__u32 resamplefd;
	__u8 pad[16];
};

#define VMM_PIT_SPEAKER_DUMMY		1

/** struct vmm_pit_config - VMM_CREATE_PIT2; SPEAKER_DUMMY: port 0x61 too */
struct vmm_pit_config {
	__u32 flags;
	__u32 pad[15];
};

/** struct vmm_pit_channel_state - one counter; @count_load_time in nanoseconds */
struct vmm_pit_channel_state {
	__u32 count;
	__u16 latched_count;
	__u8 count_latched;
	__u8 status_latched;
	__u8 status;
	__u8 read_state;
	__u8 write_state;
	__u8 write_latch;
	__u8 rw_mode;
	__u8 mode;
	__u8 bcd;
	__u8 gate;
	__s64 count_load_time;
};

#define VMM_PIT_FLAGS_HPET_LEGACY	0x00000001
#define VMM_PIT_FLAGS_SPEAKER_DATA_ON	0x00000002

/** struct vmm_pit_state2 - VMM_GET_PIT2, VMM_SET_PIT2 */
struct vmm_pit_state2 {
	struct vmm_pit_channel_state channels[3];
	__u32 flags;
	__u32 reserved[9];
};

/** struct vmm_reinject_control - VMM_REINJECT_CONTROL: make up for lost ticks? */
struct vmm_reinject_control {
	__u8 pit_reinject;
	__u8 reserved[31];
};

/** struct vmm_tpr_access_ctl - VMM_TPR_ACCESS_REPORTING */
struct vmm_tpr_access_ctl {
	__u32 enabled;
	__u32 flags;
	__u32 reserved[8];
};

/** struct vmm_vapic_addr - VMM_SET_VAPIC_ADDR: where the guest's TPR shadow is */
struct vmm_vapic_addr {
	__u64 vapic_addr;
};

/* ------------------------------------------------------------------------ */
/* I/O that does not reach VMM_RUN's caller                                 */

#define VMM_IOEVENTFD_FLAG_DATAMATCH	(1 << 0)
#define VMM_IOEVENTFD_FLAG_PIO		(1 << 1)
#define VMM_IOEVENTFD_FLAG_DEASSIGN	(1 << 2)

/*
 * struct vmm_ioeventfd - VMM_IOEVENTFD: a guest write signals an eventfd
 * @datamatch: the value to match, with VMM_IOEVENTFD_FLAG_DATAMATCH
 * @addr: port or guest physical address
 * @len: 1, 2, 4 or 8; 0 matches any length
 * @fd: the eventfd
 * @flags: VMM_IOEVENTFD_FLAG_*
 */
struct vmm_ioeventfd {
	__u64 datamatch;
	__u64 addr;
	__u32 len;
	__s32 fd;
	__u32 flags;
	__u8 pad[36];
};

/** struct vmm_coalesced_mmio_zone - VMM_(UN)REGISTER_COALESCED_MMIO */
struct vmm_coalesced_mmio_zone {
	__u64 addr;
	__u32 size;
	union {
		__u32 pad;
		__u32 pio;
	};
};

/** struct vmm_coalesced_mmio - a guest write that was queued */
struct vmm_coalesced_mmio {
	__u64 phys_addr;
	__u32 len;
	union {
		__u32 pad;
		__u32 pio;
	};
	__u8 data[8];
};

/** struct vmm_coalesced_mmio_ring - @first is user space's, @last the kernel's */
struct vmm_coalesced_mmio_ring {
	__u32 first, last;
	struct vmm_coalesced_mmio coalesced_mmio[];
};

/* ------------------------------------------------------------------------ */
/* Time                                                                     */

#define VMM_CLOCK_TSC_STABLE		2
#define VMM_CLOCK_REALTIME		(1 << 2)
#define VMM_CLOCK_HOST_TSC		(1 << 3)

/*
 * struct vmm_clock_data - VMM_GET_CLOCK, VMM_SET_CLOCK: the VM's kvmclock
 * @clock: nanoseconds
 * @flags: VMM_CLOCK_*: what else is valid; to VMM_SET_CLOCK only REALTIME
 * @realtime: the host's CLOCK_REALTIME at the same moment
 * @host_tsc: the host's TSC at the same moment
 */
struct vmm_clock_data {
	__u64 clock;
	__u32 flags;
	__u32 pad0;
	__u64 realtime;
	__u64 host_tsc;
	__u32 pad[4];
};

/* ------------------------------------------------------------------------ */
/* Debugging                                                                */

#define VMM_GUESTDBG_ENABLE		0x00000001
#define VMM_GUESTDBG_SINGLESTEP		0x00000002
#define VMM_GUESTDBG_USE_SW_BP		0x00010000
#define VMM_GUESTDBG_USE_HW_BP		0x00020000
#define VMM_GUESTDBG_INJECT_DB		0x00040000
#define VMM_GUESTDBG_INJECT_BP		0x00080000
#define VMM_GUESTDBG_BLOCKIRQ		0x00100000

struct vmm_guest_debug_arch {
	__u64 debugreg[8];
};

/** struct vmm_guest_debug - VMM_SET_GUEST_DEBUG; @control: VMM_GUESTDBG_* */
struct vmm_guest_debug {
	__u32 control;
	__u32 pad;
	struct vmm_guest_debug_arch arch;
};

/** struct vmm_translation - VMM_TRANSLATE: a walk of the guest's page tables */
struct vmm_translation {
	__u64 linear_address;
	__u64 physical_address;
	__u8 valid;
	__u8 writeable;
	__u8 usermode;
	__u8 pad[5];
};

/* ------------------------------------------------------------------------ */
/* Nested virtualization: the state of a guest hypervisor                    */

#define VMM_STATE_NESTED_FORMAT_VMX		0
#define VMM_STATE_NESTED_FORMAT_SVM		1

#define VMM_STATE_NESTED_GUEST_MODE		0x00000001
#define VMM_STATE_NESTED_RUN_PENDING		0x00000002
#define VMM_STATE_NESTED_EVMCS			0x00000004
#define VMM_STATE_NESTED_MTF_PENDING		0x00000008
#define VMM_STATE_NESTED_GIF_SET		0x00000100

#define VMM_STATE_NESTED_SMM_GUEST_MODE		0x00000001
#define VMM_STATE_NESTED_SMM_VMXON		0x00000002

#define VMM_STATE_NESTED_VMX_VMCS_SIZE		0x1000
#define VMM_STATE_NESTED_SVM_VMCB_SIZE		0x1000

#define VMM_STATE_VMX_PREEMPTION_TIMER_DEADLINE	0x00000001

struct vmm_vmx_nested_state_data {
	__u8 vmcs12[VMM_STATE_NESTED_VMX_VMCS_SIZE];
	__u8 shadow_vmcs12[VMM_STATE_NESTED_VMX_VMCS_SIZE];
};

struct vmm_vmx_nested_state_hdr {
	__u64 vmxon_pa;
	__u64 vmcs12_pa;
	struct {
		__u16 flags;
	} smm;
	__u16 pad;
	__u32 flags;
	__u64 preemption_timer_deadline;
};

struct vmm_svm_nested_state_data {
	__u8 vmcb12[VMM_STATE_NESTED_SVM_VMCB_SIZE];
};

struct vmm_svm_nested_state_hdr {
	__u64 vmcb_pa;
};

/**
 * struct vmm_nested_state - VMM_GET_NESTED_STATE, VMM_SET_NESTED_STATE
 * @flags: VMM_STATE_NESTED_*
 * @format: VMM_STATE_NESTED_FORMAT_*
 * @size: [in/out] of the whole, header and data; E2BIG when the room is less
 * @hdr: 120 bytes, by format
 * @data: the control structures, by format
 */
struct vmm_nested_state {
	__u16 flags;
	__u16 format;
	__u32 size;
	union {
		struct vmm_vmx_nested_state_hdr vmx;
		struct vmm_svm_nested_state_hdr svm;
		__u8 pad[120];
	} hdr;
	union {
		struct vmm_vmx_nested_state_data vmx[0];
		struct vmm_svm_nested_state_data svm[0];
	} data;
};

/* ------------------------------------------------------------------------ */
/* Devices, attributes, capabilities to enable, Hyper-V                     */

/** struct vmm_enable_cap - VMM_ENABLE_CAP: @flags 0, @args as @cap says */
struct vmm_enable_cap {
	__u32 cap;
	__u32 flags;
	__u64 args[4];
	__u8 pad[64];
};

#define VMM_CREATE_DEVICE_TEST		1	/* only ask whether it would work */
#define VMM_DEV_TYPE_VFIO		4

/** struct vmm_create_device - VMM_CREATE_DEVICE: @fd is [out] */
struct vmm_create_device {
	__u32 type;
	__u32 fd;
	__u32 flags;
};

/** struct vmm_device_attr - VMM_{SET,GET,HAS}_DEVICE_ATTR; @addr: user memory */
struct vmm_device_attr {
	__u32 flags;
	__u32 group;
	__u64 attr;
	__u64 addr;
};

#define VMM_DEV_VFIO_GROUP		1
#define VMM_DEV_VFIO_GROUP_ADD		1
#define VMM_DEV_VFIO_GROUP_DEL		2
#define VMM_DEV_VFIO_FILE		1	/* the same under its newer name */
#define VMM_DEV_VFIO_FILE_ADD		1
#define VMM_DEV_VFIO_FILE_DEL		2

/* /dev/vmm, group 0: a __u64 with the XSAVE components that a guest may have */
#define VMM_X86_XCOMP_GUEST_SUPP	0

/* vCPU: a __u64 that the CPU adds to the host's TSC */
#define VMM_VCPU_TSC_CTRL		0
#define VMM_VCPU_TSC_OFFSET		0

/* args[0] of VMM_CAP_X86_DISABLE_EXITS */
#define VMM_X86_DISABLE_EXITS_MWAIT	(1 << 0)
#define VMM_X86_DISABLE_EXITS_HLT	(1 << 1)
#define VMM_X86_DISABLE_EXITS_PAUSE	(1 << 2)
#define VMM_X86_DISABLE_EXITS_CSTATE	(1 << 3)
#define VMM_X86_DISABLE_VALID_EXITS \
	(VMM_X86_DISABLE_EXITS_MWAIT | VMM_X86_DISABLE_EXITS_HLT | \
	 VMM_X86_DISABLE_EXITS_PAUSE | VMM_X86_DISABLE_EXITS_CSTATE)

/* args[0] of VMM_CAP_DISABLE_QUIRKS2 */
#define VMM_X86_QUIRK_LINT0_REENABLED		(1 << 0)
#define VMM_X86_QUIRK_CD_NW_CLEARED		(1 << 1)
#define VMM_X86_QUIRK_LAPIC_MMIO_HOLE		(1 << 2)
#define VMM_X86_QUIRK_OUT_7E_INC_RIP		(1 << 3)
#define VMM_X86_QUIRK_MISC_ENABLE_NO_MWAIT	(1 << 4)
#define VMM_X86_QUIRK_FIX_HYPERCALL_INSN	(1 << 5)
#define VMM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS	(1 << 6)

/* args[0] of the capability of the same name */
#define VMM_BUS_LOCK_DETECTION_OFF	(1 << 0)
#define VMM_BUS_LOCK_DETECTION_EXIT	(1 << 1)
#define VMM_X86_NOTIFY_VMEXIT_ENABLED	(1ULL << 0)
#define VMM_X86_NOTIFY_VMEXIT_USER	(1ULL << 1)
#define VMM_PMU_CAP_DISABLE		(1 << 0)

#define VMM_HYPERV_CONN_ID_MASK		0x00ffffff
#define VMM_HYPERV_EVENTFD_DEASSIGN	(1 << 0)

/** struct vmm_hyperv_eventfd - VMM_HYPERV_EVENTFD: HvSignalEvent to an eventfd */
struct vmm_hyperv_eventfd {
	__u32 conn_id;
	__s32 fd;
	__u32 flags;
	__u32 padding[3];
};

/* ------------------------------------------------------------------------ */
/* Statistics: what read() on the fd of VMM_GET_STATS_FD gives              */

/**
 * struct vmm_stats_header - at offset 0
 * @flags: 0
 * @name_size: bytes of each name, with the NUL
 * @num_desc: how many statistics
 * @id_offset: where the VM's or vCPU's name is
 * @desc_offset: where the array of descriptors is
 * @data_offset: where the values are
 */
struct vmm_stats_header {
	__u32 flags;
	__u32 name_size;
	__u32 num_desc;
	__u32 id_offset;
	__u32 desc_offset;
	__u32 data_offset;
};

/*
 * struct vmm_stats_desc - one statistic; followed by its name
 * @flags: VMM_STATS_TYPE_* | VMM_STATS_UNIT_* | VMM_STATS_BASE_*
 * @exponent: of the base
 * @size: how many __u64
 * @offset: from vmm_stats_header.data_offset
 * @bucket_size: of a linear histogram
 */
struct vmm_stats_desc {
	__u32 flags;
	__s16 exponent;
	__u16 size;
	__u32 offset;
	__u32 bucket_size;
	char name[];
};

#define VMM_STATS_TYPE_SHIFT		0
#define VMM_STATS_TYPE_MASK		(0xF << VMM_STATS_TYPE_SHIFT)
#define VMM_STATS_TYPE_CUMULATIVE	(0x0 << VMM_STATS_TYPE_SHIFT)
#define VMM_STATS_TYPE_INSTANT		(0x1 << VMM_STATS_TYPE_SHIFT)
#define VMM_STATS_TYPE_PEAK		(0x2 << VMM_STATS_TYPE_SHIFT)
#define VMM_STATS_TYPE_LINEAR_HIST	(0x3 << VMM_STATS_TYPE_SHIFT)
#define VMM_STATS_TYPE_LOG_HIST		(0x4 << VMM_STATS_TYPE_SHIFT)
#define VMM_STATS_TYPE_MAX		VMM_STATS_TYPE_LOG_HIST

#define VMM_STATS_UNIT_SHIFT		4
#define VMM_STATS_UNIT_MASK		(0xF << VMM_STATS_UNIT_SHIFT)
#define VMM_STATS_UNIT_NONE		(0x0 << VMM_STATS_UNIT_SHIFT)
#define VMM_STATS_UNIT_BYTES		(0x1 << VMM_STATS_UNIT_SHIFT)
#define VMM_STATS_UNIT_SECONDS		(0x2 << VMM_STATS_UNIT_SHIFT)
#define VMM_STATS_UNIT_CYCLES		(0x3 << VMM_STATS_UNIT_SHIFT)
#define VMM_STATS_UNIT_BOOLEAN		(0x4 << VMM_STATS_UNIT_SHIFT)
#define VMM_STATS_UNIT_MAX		VMM_STATS_UNIT_BOOLEAN

#define VMM_STATS_BASE_SHIFT		8
#define VMM_STATS_BASE_MASK		(0xF << VMM_STATS_BASE_SHIFT)
#define VMM_STATS_BASE_POW10		(0x0 << VMM_STATS_BASE_SHIFT)
#define VMM_STATS_BASE_POW2		(0x1 << VMM_STATS_BASE_SHIFT)
#define VMM_STATS_BASE_MAX		VMM_STATS_BASE_POW2

/* ------------------------------------------------------------------------ */
/* Capabilities: VMM_CHECK_EXTENSION returns 0, or 1 or what the note says    */

#define VMM_CAP_IRQCHIP				0
#define VMM_CAP_HLT				1
#define VMM_CAP_MMU_SHADOW_CACHE_CONTROL	2
#define VMM_CAP_USER_MEMORY			3
#define VMM_CAP_SET_TSS_ADDR			4
#define VMM_CAP_VAPIC				6
#define VMM_CAP_EXT_CPUID			7
#define VMM_CAP_CLOCKSOURCE			8
#define VMM_CAP_NR_VCPUS			9	/* recommended vCPUs a VM */
#define VMM_CAP_NR_MEMSLOTS			10	/* most slots a VM */
#define VMM_CAP_PIT				11
#define VMM_CAP_NOP_IO_DELAY			12
#define VMM_CAP_PV_MMU				13
#define VMM_CAP_MP_STATE			14
#define VMM_CAP_COALESCED_MMIO			15	/* page of the ring */
#define VMM_CAP_SYNC_MMU			16	/* guest follows mmap changes */
#define VMM_CAP_IOMMU				18
#define VMM_CAP_DESTROY_MEMORY_REGION_WORKS	21
#define VMM_CAP_USER_NMI			22
#define VMM_CAP_SET_GUEST_DEBUG			23
#define VMM_CAP_REINJECT_CONTROL		24
#define VMM_CAP_IRQ_ROUTING			25	/* number of GSIs */
#define VMM_CAP_IRQ_INJECT_STATUS		26
#define VMM_CAP_JOIN_MEMORY_REGIONS_WORKS	30
#define VMM_CAP_MCE				31	/* number of banks */
#define VMM_CAP_IRQFD				32
#define VMM_CAP_PIT2				33
#define VMM_CAP_SET_BOOT_CPU_ID			34
#define VMM_CAP_PIT_STATE2			35
#define VMM_CAP_IOEVENTFD			36
#define VMM_CAP_SET_IDENTITY_MAP_ADDR		37
#define VMM_CAP_ADJUST_CLOCK			39	/* flags of VMM_GET_CLOCK */
#define VMM_CAP_INTERNAL_ERROR_DATA		40
#define VMM_CAP_VCPU_EVENTS			41
#define VMM_CAP_HYPERV				44
#define VMM_CAP_HYPERV_VAPIC			45
#define VMM_CAP_HYPERV_SPIN			46
#define VMM_CAP_PCI_SEGMENT			47
#define VMM_CAP_INTR_SHADOW			49
#define VMM_CAP_DEBUGREGS			50
#define VMM_CAP_X86_ROBUST_SINGLESTEP		51
#define VMM_CAP_ENABLE_CAP			54
#define VMM_CAP_XSAVE				55
#define VMM_CAP_XCRS				56
#define VMM_CAP_ASYNC_PF			59
#define VMM_CAP_TSC_CONTROL			60
#define VMM_CAP_GET_TSC_KHZ			61
#define VMM_CAP_MAX_VCPUS			66	/* most vCPUs a VM */
#define VMM_CAP_ONE_REG				70
#define VMM_CAP_TSC_DEADLINE_TIMER		72
#define VMM_CAP_SYNC_REGS			74	/* VMM_SYNC_X86_* */
#define VMM_CAP_KVMCLOCK_CTRL			76
#define VMM_CAP_SIGNAL_MSI			77
#define VMM_CAP_READONLY_MEM			81
#define VMM_CAP_IRQFD_RESAMPLE			82
#define VMM_CAP_DEVICE_CTRL			89
#define VMM_CAP_EXT_EMUL_CPUID			95
#define VMM_CAP_HYPERV_TIME			96
#define VMM_CAP_IOAPIC_POLARITY_IGNORED		97
#define VMM_CAP_ENABLE_CAP_VM			98
#define VMM_CAP_IOEVENTFD_NO_LENGTH		100
#define VMM_CAP_VM_ATTRIBUTES			101
#define VMM_CAP_CHECK_EXTENSION_VM		105
#define VMM_CAP_DISABLE_QUIRKS			116
#define VMM_CAP_X86_SMM				117
#define VMM_CAP_MULTI_ADDRESS_SPACE		118	/* number of address spaces */
#define VMM_CAP_GUEST_DEBUG_HW_BPS		119
#define VMM_CAP_GUEST_DEBUG_HW_WPS		120
#define VMM_CAP_SPLIT_IRQCHIP			121
#define VMM_CAP_IOEVENTFD_ANY_LENGTH		122
#define VMM_CAP_HYPERV_SYNIC			123
#define VMM_CAP_VCPU_ATTRIBUTES			127
#define VMM_CAP_MAX_VCPU_ID			128	/* highest vCPU id + 1 */
#define VMM_CAP_X2APIC_API			129	/* VMM_X2APIC_API_* */
#define VMM_CAP_MSI_DEVID			131
#define VMM_CAP_IMMEDIATE_EXIT			136
#define VMM_CAP_X86_DISABLE_EXITS		143	/* VMM_X86_DISABLE_EXITS_* */
#define VMM_CAP_HYPERV_SYNIC2			148
#define VMM_CAP_HYPERV_VP_INDEX			149
#define VMM_CAP_GET_MSR_FEATURES		153
#define VMM_CAP_HYPERV_EVENTFD			154
#define VMM_CAP_HYPERV_TLBFLUSH			155
#define VMM_CAP_NESTED_STATE			157	/* bytes of the largest state */
#define VMM_CAP_MSR_PLATFORM_INFO		159
#define VMM_CAP_HYPERV_SEND_IPI			161
#define VMM_CAP_COALESCED_PIO			162
#define VMM_CAP_HYPERV_ENLIGHTENED_VMCS		163
#define VMM_CAP_EXCEPTION_PAYLOAD		164
#define VMM_CAP_MANUAL_DIRTY_LOG_PROTECT	166	/* obsolete */
#define VMM_CAP_HYPERV_CPUID			167
#define VMM_CAP_MANUAL_DIRTY_LOG_PROTECT2	168	/* flags */
#define VMM_CAP_PMU_EVENT_FILTER		173
#define VMM_CAP_HYPERV_DIRECT_TLBFLUSH		175
#define VMM_CAP_HALT_POLL			182
#define VMM_CAP_ASYNC_PF_INT			183
#define VMM_CAP_LAST_CPU			184
#define VMM_CAP_SMALLER_MAXPHYADDR		185
#define VMM_CAP_STEAL_TIME			187
#define VMM_CAP_X86_USER_SPACE_MSR		188
#define VMM_CAP_X86_MSR_FILTER			189
#define VMM_CAP_ENFORCE_PV_FEATURE_CPUID	190
#define VMM_CAP_SYS_HYPERV_CPUID		191
#define VMM_CAP_DIRTY_LOG_RING			192	/* most bytes of a ring */
#define VMM_CAP_X86_BUS_LOCK_EXIT		193	/* VMM_BUS_LOCK_DETECTION_* */
#define VMM_CAP_SET_GUEST_DEBUG2		195	/* VMM_GUESTDBG_* */
#define VMM_CAP_SGX_ATTRIBUTE			196
#define VMM_CAP_PTP_KVM				198
#define VMM_CAP_HYPERV_ENFORCE_CPUID		199
#define VMM_CAP_SREGS2				200
#define VMM_CAP_EXIT_HYPERCALL			201
#define VMM_CAP_BINARY_STATS_FD			203
#define VMM_CAP_EXIT_ON_EMULATION_FAILURE	204
#define VMM_CAP_VM_GPA_BITS			207
#define VMM_CAP_XSAVE2				208	/* bytes of struct vmm_xsave */
#define VMM_CAP_SYS_ATTRIBUTES			209
#define VMM_CAP_PMU_CAPABILITY			212
#define VMM_CAP_DISABLE_QUIRKS2			213	/* VMM_X86_QUIRK_* */
#define VMM_CAP_VM_TSC_CONTROL			214
#define VMM_CAP_SYSTEM_EVENT_DATA		215
#define VMM_CAP_X86_TRIPLE_FAULT_EVENT		218
#define VMM_CAP_X86_NOTIFY_VMEXIT		219	/* VMM_X86_NOTIFY_VMEXIT_* */
#define VMM_CAP_VM_DISABLE_NX_HUGE_PAGES	220
#define VMM_CAP_DIRTY_LOG_RING_ACQ_REL		223	/* most bytes of a ring */
#define VMM_CAP_DIRTY_LOG_RING_WITH_BITMAP	225
#define VMM_CAP_PMU_EVENT_MASKED_EVENTS		226
#define VMM_CAP_MEMORY_FAULT_INFO		232
#define VMM_CAP_VM_TYPES			235
#define VMM_CAP_PRE_FAULT_MEMORY		236
#define VMM_CAP_X86_APIC_BUS_CYCLES_NS		237
#define VMM_CAP_X86_GUEST_MODE			238

/* ------------------------------------------------------------------------ */
/* ioctls on /dev/vmm                                                       */

#define VMM_GET_API_VERSION		_IO(VMMIO, 0x00)
#define VMM_CREATE_VM			_IO(VMMIO, 0x01)	/* a VM fd; type 0 */
#define VMM_GET_MSR_INDEX_LIST		_IOWR(VMMIO, 0x02, struct vmm_msr_list)
#define VMM_CHECK_EXTENSION		_IO(VMMIO, 0x03)	/* VM fd too */
#define VMM_GET_VCPU_MMAP_SIZE		_IO(VMMIO, 0x04)
#define VMM_GET_SUPPORTED_CPUID		_IOWR(VMMIO, 0x05, struct vmm_cpuid2)
#define VMM_GET_EMULATED_CPUID		_IOWR(VMMIO, 0x09, struct vmm_cpuid2)
#define VMM_GET_MSR_FEATURE_INDEX_LIST	_IOWR(VMMIO, 0x0a, struct vmm_msr_list)
#define VMM_X86_GET_MCE_CAP_SUPPORTED	_IOR(VMMIO, 0x9d, __u64)
#define VMM_GET_SUPPORTED_HV_CPUID	_IOWR(VMMIO, 0xc1, struct vmm_cpuid2)

/* ioctls on a VM */

#define VMM_CREATE_VCPU			_IO(VMMIO, 0x41)	/* a vCPU fd */
#define VMM_GET_DIRTY_LOG		_IOW(VMMIO, 0x42, struct vmm_dirty_log)
#define VMM_SET_NR_MMU_PAGES		_IO(VMMIO, 0x44)
#define VMM_GET_NR_MMU_PAGES		_IO(VMMIO, 0x45)
#define VMM_SET_USER_MEMORY_REGION	_IOW(VMMIO, 0x46, struct vmm_userspace_memory_region)
#define VMM_SET_TSS_ADDR		_IO(VMMIO, 0x47)
#define VMM_SET_IDENTITY_MAP_ADDR	_IOW(VMMIO, 0x48, __u64)
#define VMM_CREATE_IRQCHIP		_IO(VMMIO, 0x60)
#define VMM_IRQ_LINE			_IOW(VMMIO, 0x61, struct vmm_irq_level)
#define VMM_GET_IRQCHIP			_IOWR(VMMIO, 0x62, struct vmm_irqchip)
#define VMM_SET_IRQCHIP			_IOR(VMMIO, 0x63, struct vmm_irqchip)
#define VMM_IRQ_LINE_STATUS		_IOWR(VMMIO, 0x67, struct vmm_irq_level)
#define VMM_REGISTER_COALESCED_MMIO	_IOW(VMMIO, 0x67, struct vmm_coalesced_mmio_zone)
#define VMM_UNREGISTER_COALESCED_MMIO	_IOW(VMMIO, 0x68, struct vmm_coalesced_mmio_zone)
#define VMM_SET_GSI_ROUTING		_IOW(VMMIO, 0x6a, struct vmm_irq_routing)
#define VMM_REINJECT_CONTROL		_IO(VMMIO, 0x71)
#define VMM_IRQFD			_IOW(VMMIO, 0x76, struct vmm_irqfd)
#define VMM_CREATE_PIT2			_IOW(VMMIO, 0x77, struct vmm_pit_config)
#define VMM_SET_BOOT_CPU_ID		_IO(VMMIO, 0x78)
#define VMM_IOEVENTFD			_IOW(VMMIO, 0x79, struct vmm_ioeventfd)
#define VMM_SET_CLOCK			_IOW(VMMIO, 0x7b, struct vmm_clock_data)
#define VMM_GET_CLOCK			_IOR(VMMIO, 0x7c, struct vmm_clock_data)
#define VMM_GET_PIT2			_IOR(VMMIO, 0x9f, struct vmm_pit_state2)
#define VMM_SET_PIT2			_IOW(VMMIO, 0xa0, struct vmm_pit_state2)
#define VMM_SIGNAL_MSI			_IOW(VMMIO, 0xa5, struct vmm_msi)
#define VMM_SET_PMU_EVENT_FILTER	_IOW(VMMIO, 0xb2, struct vmm_pmu_event_filter)
#define VMM_HYPERV_EVENTFD		_IOW(VMMIO, 0xbd, struct vmm_hyperv_eventfd)
#define VMM_CLEAR_DIRTY_LOG		_IOWR(VMMIO, 0xc0, struct vmm_clear_dirty_log)
#define VMM_X86_SET_MSR_FILTER		_IOW(VMMIO, 0xc6, struct vmm_msr_filter)
#define VMM_RESET_DIRTY_RINGS		_IO(VMMIO, 0xc7)
#define VMM_CREATE_DEVICE		_IOWR(VMMIO, 0xe0, struct vmm_create_device)

/* ioctls on a vCPU */

#define VMM_RUN				_IO(VMMIO, 0x80)
#define VMM_GET_REGS			_IOR(VMMIO, 0x81, struct vmm_regs)
#define VMM_SET_REGS			_IOW(VMMIO, 0x82, struct vmm_regs)
#define VMM_GET_SREGS			_IOR(VMMIO, 0x83, struct vmm_sregs)
#define VMM_SET_SREGS			_IOW(VMMIO, 0x84, struct vmm_sregs)
#define VMM_TRANSLATE			_IOWR(VMMIO, 0x85, struct vmm_translation)
#define VMM_INTERRUPT			_IOW(VMMIO, 0x86, struct vmm_interrupt)
#define VMM_GET_MSRS			_IOWR(VMMIO, 0x88, struct vmm_msrs)	/* /dev/vmm too */
#define VMM_SET_MSRS			_IOW(VMMIO, 0x89, struct vmm_msrs)
#define VMM_SET_SIGNAL_MASK		_IOW(VMMIO, 0x8b, struct vmm_signal_mask)
#define VMM_GET_FPU			_IOR(VMMIO, 0x8c, struct vmm_fpu)
#define VMM_SET_FPU			_IOW(VMMIO, 0x8d, struct vmm_fpu)
#define VMM_GET_LAPIC			_IOR(VMMIO, 0x8e, struct vmm_lapic_state)
#define VMM_SET_LAPIC			_IOW(VMMIO, 0x8f, struct vmm_lapic_state)
#define VMM_SET_CPUID2			_IOW(VMMIO, 0x90, struct vmm_cpuid2)
#define VMM_GET_CPUID2			_IOWR(VMMIO, 0x91, struct vmm_cpuid2)
#define VMM_TPR_ACCESS_REPORTING	_IOWR(VMMIO, 0x92, struct vmm_tpr_access_ctl)
#define VMM_SET_VAPIC_ADDR		_IOW(VMMIO, 0x93, struct vmm_vapic_addr)
#define VMM_GET_MP_STATE		_IOR(VMMIO, 0x98, struct vmm_mp_state)
#define VMM_SET_MP_STATE		_IOW(VMMIO, 0x99, struct vmm_mp_state)
#define VMM_NMI				_IO(VMMIO, 0x9a)
#define VMM_SET_GUEST_DEBUG		_IOW(VMMIO, 0x9b, struct vmm_guest_debug)
#define VMM_X86_SETUP_MCE		_IOW(VMMIO, 0x9c, __u64)
#define VMM_X86_SET_MCE			_IOW(VMMIO, 0x9e, struct vmm_x86_mce)
#define VMM_GET_VCPU_EVENTS		_IOR(VMMIO, 0x9f, struct vmm_vcpu_events)
#define VMM_SET_VCPU_EVENTS		_IOW(VMMIO, 0xa0, struct vmm_vcpu_events)
#define VMM_GET_DEBUGREGS		_IOR(VMMIO, 0xa1, struct vmm_debugregs)
#define VMM_SET_DEBUGREGS		_IOW(VMMIO, 0xa2, struct vmm_debugregs)
#define VMM_SET_TSC_KHZ			_IO(VMMIO, 0xa2)	/* VM too */
#define VMM_GET_TSC_KHZ			_IO(VMMIO, 0xa3)	/* VM too */
#define VMM_ENABLE_CAP			_IOW(VMMIO, 0xa3, struct vmm_enable_cap)	/* VM too */
#define VMM_GET_XSAVE			_IOR(VMMIO, 0xa4, struct vmm_xsave)
#define VMM_SET_XSAVE			_IOW(VMMIO, 0xa5, struct vmm_xsave)
#define VMM_GET_XCRS			_IOR(VMMIO, 0xa6, struct vmm_xcrs)
#define VMM_SET_XCRS			_IOW(VMMIO, 0xa7, struct vmm_xcrs)
#define VMM_KVMCLOCK_CTRL		_IO(VMMIO, 0xad)
#define VMM_SMI				_IO(VMMIO, 0xb7)
#define VMM_GET_NESTED_STATE		_IOWR(VMMIO, 0xbe, struct vmm_nested_state)
#define VMM_SET_NESTED_STATE		_IOW(VMMIO, 0xbf, struct vmm_nested_state)
#define VMM_GET_SREGS2			_IOR(VMMIO, 0xcc, struct vmm_sregs2)
#define VMM_SET_SREGS2			_IOW(VMMIO, 0xcd, struct vmm_sregs2)
#define VMM_GET_STATS_FD		_IO(VMMIO, 0xce)	/* VM too */
#define VMM_GET_XSAVE2			_IOR(VMMIO, 0xcf, struct vmm_xsave)

/* ioctls on the fd of VMM_CREATE_DEVICE; on /dev/vmm and on a vCPU too */

#define VMM_SET_DEVICE_ATTR		_IOW(VMMIO, 0xe1, struct vmm_device_attr)
#define VMM_GET_DEVICE_ATTR		_IOW(VMMIO, 0xe2, struct vmm_device_attr)
#define VMM_HAS_DEVICE_ATTR		_IOW(VMMIO, 0xe3, struct vmm_device_attr)

/* ------------------------------------------------------------------------ */
/* What vmm adds to KVM's interface                                         */

#define VMM_PRIVATE_BASE		0x564d0000	/* "VM" */
#define VMM_PRIVATE_IOCTL_BASE		0xf0

/*
 * Tells vmm from KVM, which answers 0: the revision of the additions. It
 * grows when something is added here and never shrinks.
 */
#define VMM_CAP_VMM			(VMM_PRIVATE_BASE + 0)
#define VMM_VMM_REVISION		2

/* vmm_run.fail_entry.explain names the rule that the refused entry broke. */
#define VMM_CAP_FAIL_ENTRY_EXPLAIN	(VMM_PRIVATE_BASE + 1)

/*
 * Marks the state of a VM, and returns to it at a cost that grows with what was
 * written since. ioctls on the VM.
 */
#define VMM_CAP_SNAPSHOT		(VMM_PRIVATE_BASE + 2)
#define VMM_SNAPSHOT_MARK		_IO(VMMIO, VMM_PRIVATE_IOCTL_BASE + 0)
#define VMM_SNAPSHOT_RESTORE		_IO(VMMIO, VMM_PRIVATE_IOCTL_BASE + 1)
#define VMM_SNAPSHOT_DROP		_IO(VMMIO, VMM_PRIVATE_IOCTL_BASE + 2)

#endif /* _UAPI_LINUX_VMM_H */
