/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Second-level page tables (EPT, NPT): one tree per VM, format-agnostic.
 * arch/x86/tdp.c (tree, faults), tdp_zap.c or the like (removal, write
 * protection, ageing), tdp_format.c (the bits of each format).
 */
#ifndef _VMM_TDP_H
#define _VMM_TDP_H

#include <vmm/vm.h>

extern const struct tdp_format tdp_format_npt, tdp_format_ept;

/* May sleep. 0, -ENOMEM. vm->backend is set. */
int tdp_vm_init(struct vmm_vm *vm);
void tdp_vm_destroy(struct vmm_vm *vm);
int tdp_vcpu_init(struct vmm_vcpu *vcpu);
void tdp_vcpu_destroy(struct vmm_vcpu *vcpu);
/* Physical address of the root, with the host's memory encryption bit, without
 * control bits (the backend adds its own). */
hpa_t tdp_root_pa(struct vmm_vm *vm);
/* The last guest frame that the tables can translate. */
gfn_t tdp_max_gfn(struct vmm_vm *vm);

enum tdp_result {
	TDP_RESUME = 1,		/* mapped, or somebody else did, or try again */
	TDP_EMULATE = 2,	/* no slot, or a write to a read-only slot: emulate */
};
/*
 * A guest access faulted. srcu held, vCPU loaded, may sleep. access: VMM_ACCESS_*.
 * TDP_*, or -EFAULT (host mapping absent or forbids it: user space is told),
 * -ENOMEM, -EINTR (signal while waiting for the page).
 */
int tdp_fault(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int access, bool present);

/* Remove all translations of [start, end). mmu_lock held for writing. True if the
 * caller must flush before it drops the lock. Unlinked tables are added to a
 * list, for tdp_free_tables() after the flush, without the lock. */
bool tdp_zap_range(struct vmm_vm *vm, gfn_t start, gfn_t end, struct list_head *tables);
void tdp_free_tables(struct list_head *tables, bool may_sleep);
/* How much to remove, in frames, before looking whether somebody waits. */
#define TDP_ZAP_STEP	(1ul << 18)
/* Let others have the lock if they want it; flushes before, if *flush. May sleep. */
void tdp_zap_yield(struct vmm_vm *vm, bool *flush);
/* Write-protect a slot's translations (dirty logging starts), or just the pages
 * from gfn on whose bits are set. Takes mmu_lock for reading. True if a flush is
 * due. */
bool tdp_write_protect_slot(struct vmm_vm *vm, const struct vmm_memslot *slot);
bool tdp_write_protect_pages(struct vmm_vm *vm, gfn_t gfn, const unsigned long *mask,
			     unsigned int nbits);
/* Logging ended: let huge pages come back. Takes mmu_lock, may sleep. */
void tdp_recover_huge(struct vmm_vm *vm, const struct vmm_memslot *slot);
/* Accessed since the last call / now (MMU notifier). mmu_lock held for reading. */
bool tdp_age_range(struct vmm_vm *vm, gfn_t start, gfn_t end, bool clear);

#endif
