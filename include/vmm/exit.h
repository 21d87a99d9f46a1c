/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The normalized exit record: what a backend says about one exit, whichever
 * CPU it came from. Filled by backend->run(), read by the handlers in
 * arch/x86/exit.c. Owned by the vCPU's thread.
 */
#ifndef _VMM_EXIT_H
#define _VMM_EXIT_H

#include <linux/types.h>

/* Reasons; the table of handlers in arch/x86/exit.c has a row for each. */
#define VMM_EXIT_REASONS(X)							\
	X(NONE)		/* never a result of run() */				\
	X(INTERRUPT)	/* external interrupt, delivered to the host */		\
	X(NMI)		/* host NMI or machine check, delivered to the host */	\
	X(EXCEPTION)	/* intercepted guest exception: exit.exception */	\
	X(CPUID)								\
	X(HLT)									\
	X(PAUSE)								\
	X(RDMSR)								\
	X(WRMSR)								\
	X(IO)		/* exit.io */						\
	X(TDP_FAULT)	/* second-level fault: exit.fault */			\
	X(CR)		/* control register access: exit.cr */			\
	X(DR)		/* debug register access: exit.dr */			\
	X(INTR_WINDOW)	/* the guest can take an interrupt now */		\
	X(NMI_WINDOW)	/* the guest can take an NMI now */			\
	X(TRIPLE_FAULT)								\
	X(INIT)									\
	X(SMI)									\
	X(HYPERCALL)								\
	X(XSETBV)								\
	X(WBINVD)								\
	X(INVD)									\
	X(INVLPG)	/* exit.fault.gva where known */			\
	X(RDPMC)								\
	X(RDTSC)								\
	X(RDTSCP)								\
	X(MONITOR)								\
	X(MWAIT)								\
	X(TASK_SWITCH)	/* exit.task */						\
	X(VIRT_INSN)	/* an instruction of the virtualization extensions */	\
	X(DT_ACCESS)	/* descriptor table access */				\
	X(DIRTY_FULL)	/* hardware dirty log is full, already drained */	\
	X(PREEMPT_TIMER)							\
	X(RESUME)	/* the backend handled it (e.g. NMI window bookkeeping) */\
	X(FAIL_ENTRY)	/* entry refused: hw_reason, explained in the log */	\
	X(UNKNOWN)	/* hw_reason */

enum vmm_exit_reason {
#define X(n) VX_##n,
	VMM_EXIT_REASONS(X)
#undef X
	VX_COUNT
};

/* An event on its way into the guest. */
enum vmm_event_type {
	VMM_EVENT_NONE,
	VMM_EVENT_INTR,			/* external interrupt */
	VMM_EVENT_NMI,
	VMM_EVENT_EXCEPTION,		/* hardware exception */
	VMM_EVENT_SOFT_INTR,		/* INT n */
	VMM_EVENT_SOFT_EXCEPTION,	/* INT3, INTO */
};

struct vmm_event {
	u8 type;		/* enum vmm_event_type */
	u8 vector;
	bool has_error;
	u8 insn_len;		/* of the INT n, INT3, INTO; 0 unknown */
	u32 error;
};

#define VMM_ACCESS_READ		(1 << 0)
#define VMM_ACCESS_WRITE	(1 << 1)
#define VMM_ACCESS_EXEC		(1 << 2)
#define VMM_ACCESS_USER		(1 << 3)	/* guest linear accesses only */
#define VMM_ACCESS_IMPLICIT	(1 << 4)	/* by the CPU itself: descriptor tables, TSS */

enum vmm_cr_access { VMM_CR_WRITE, VMM_CR_READ, VMM_CR_CLTS, VMM_CR_LMSW };

struct vmm_exit {
	u16 reason;			/* enum vmm_exit_reason */
	u8 insn_len;			/* 0: unknown, the core decodes */
	u8 nr_insn_bytes;		/* 0: unknown, the core fetches */
	u8 insn_bytes[15];
	u64 hw_reason;			/* the CPU's own code: traces, logs, FAIL_ENTRY */
	u64 info[2];			/* the CPU's own qualification: traces only */
	struct vmm_event vectoring;	/* event whose delivery this exit cut off */
	union {
		struct {
			u64 gpa;
			u64 gva;	/* valid if gva_valid */
			u8 access;	/* VMM_ACCESS_* of the access */
			bool present;	/* a translation existed, but denied */
			bool gva_valid;
			bool walk;	/* hit while walking the guest's page tables */
		} fault;
		struct {
			u16 port;
			u8 size;	/* 1, 2, 4 */
			bool in;
			bool string;
			bool rep;
		} io;
		struct {
			bool decoded;	/* false: the core decodes cr, gpr, access */
			u8 access;	/* enum vmm_cr_access */
			u8 cr;
			u8 gpr;
			u16 lmsw;	/* source operand of LMSW */
		} cr;
		struct {
			bool decoded;
			bool write;
			u8 dr;
			u8 gpr;
		} dr;
		struct {
			u8 vector;
			bool has_error;
			u32 error;
			u64 payload;	/* #PF: address; #DB: DR6 bits */
		} exception;
		struct {
			u16 selector;
			u8 source;	/* 0 CALL, 1 IRET, 2 JMP, 3 task gate */
			bool has_error;
			u32 error;
		} task;
	};
};

const char *vmm_exit_reason_name(unsigned int reason);

#endif
