/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's own page tables, walked in software: arch/x86/walk.c. Used where
 * the core must know what a linear address means: instruction fetch, emulation,
 * TRANSLATE. All paging modes: none, 32-bit, PAE, 4- and 5-level.
 */
#ifndef _VMM_WALK_H
#define _VMM_WALK_H

#include <vmm/vm.h>

/* Why a walk failed: the #PF (or #GP) that the guest would get. */
struct vmm_fault {
	u8 vector;
	u32 error;
	u64 address;
};

/**
 * vcpu_translate() - guest linear to guest physical address
 * @vcpu: whose page tables and mode count
 * @gva: the linear address
 * @access: VMM_ACCESS_*, with USER for accesses at CPL 3, or with IMPLICIT; 0: a
 *	    debugger asks, nothing but the translation's presence is checked
 * @set_ad: set accessed and dirty bits as the CPU does (real accesses)
 * @gpa: result
 * @fault: filled in when it returns 1; after -EFAULT its address is the table's,
 *	   guest physical
 *
 * Context: srcu held, vCPU loaded, may sleep. Checks present, write, user, NX,
 * SMEP, SMAP (RFLAGS.AC), protection keys, reserved bits.
 * Return: 0, 1 (fault), or -EFAULT if a page table is not in memory.
 */
int vcpu_translate(struct vmm_vcpu *vcpu, u64 gva, unsigned int access,
		   bool set_ad, gpa_t *gpa, struct vmm_fault *fault);

/**
 * vcpu_code_ptr() - where the VM's process has the code at a linear address
 * @vcpu: whose page tables and mode count
 * @gva: the linear address
 * @access: VMM_ACCESS_EXEC, with USER at CPL 3
 * @ptr: result, good up to the end of the page
 * @fault: filled in when it returns 1
 *
 * As vcpu_translate(), but it remembers the last few walks: if the entries that one
 * found are still what is in memory, it would end where it ended then.
 * Context: srcu held, vCPU loaded, may sleep.
 * Return: 0, 1 (fault), or -EFAULT if a page table cannot be read or the page is in no
 * slot; @fault->address is where that is.
 */
int vcpu_code_ptr(struct vmm_vcpu *vcpu, u64 gva, unsigned int access,
		  const void __user **ptr, struct vmm_fault *fault);

/* Something that walks depend on, and that is not among what is compared, changed. */
static inline void vcpu_forget_code(struct vmm_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < VMM_CODE_WALKS; i++)
		vcpu->arch.code_walk[i].slots_gen = 0;
}

/* Reload pdptr[] from CR3 for PAE paging. 0, or -EINVAL if reserved bits are set
 * (the caller injects #GP), -EFAULT. */
int vcpu_load_pdptrs(struct vmm_vcpu *vcpu, u64 cr3);

#endif
