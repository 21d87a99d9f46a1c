/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inline half of guest memory access: what the fault path and the walk of
 * the guest's page tables do several times an exit. The rest, and the rules,
 * are in <vmm/memory.h>. All of it needs vm->srcu held for reading.
 */
#ifndef _VMM_GUEST_MEMORY_H
#define _VMM_GUEST_MEMORY_H

#include <linux/mm.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include <vmm/vm.h>

static __always_inline struct vmm_memslots *vmm_slots(struct vmm_vm *vm)
{
	return srcu_dereference_check(vm->slots[0], &vm->srcu,
				      lockdep_is_held(&vm->slots_lock));
}

struct vmm_memslot *vcpu_find_slot_slow(struct vmm_vcpu *vcpu, gfn_t gfn);

/* The slot of a guest frame, or NULL; the vCPU's last hit is tried first. */
static __always_inline struct vmm_memslot *vcpu_find_slot(struct vmm_vcpu *vcpu, gfn_t gfn)
{
	struct vmm_memslot *slot = vcpu->slot_cache.slot;

	/* A slot of another generation may be gone: compare before following it. */
	if (likely(vcpu->slot_cache.gen == vmm_slots(vcpu->vm)->gen) &&
	    likely(gfn - slot->base < slot->npages))
		return slot;
	return vcpu_find_slot_slow(vcpu, gfn);
}

/*
 * A page is about to be written, or made writable: a snapshot may want its contents.
 * srcu and a vCPU's mutex held, may sleep. 0, -ENOMEM, -EFAULT.
 */
static __always_inline int vmm_snapshot_save(struct vmm_vm *vm, const struct vmm_memslot *slot,
					     gfn_t gfn)
{
	if (likely(!slot->dirty) || !rcu_access_pointer(vm->snapshot))
		return 0;
	return vmm_snapshot_save_slow(vm, slot, gfn);
}

/* Where the VM's process has a guest address; NULL if there is no slot. */
static __always_inline void __user *vcpu_guest_ptr(struct vmm_vcpu *vcpu, gpa_t gpa)
{
	struct vmm_memslot *slot = vcpu_find_slot(vcpu, gpa_to_gfn(gpa));

	if (!slot)
		return NULL;
	return (void __user *)(slot_hva(slot, gpa_to_gfn(gpa)) + offset_in_page(gpa));
}

/* Slots passed access_ok() when they were added: no check here and below. */

/* Copy bytes of one page, in as few accesses as the size allows. 0, -EFAULT. */
static __always_inline int vmm_read_user(void *buf, const void __user *p, size_t len)
{
	switch (len) {
	case 1:
		return __get_user(*(u8 *)buf, (const u8 __user *)p);
	case 2:
		return __get_user(*(u16 *)buf, (const u16 __user *)p);
	case 4:
		return __get_user(*(u32 *)buf, (const u32 __user *)p);
	case 8:
		return __get_user(*(u64 *)buf, (const u64 __user *)p);
	case 9 ... 16:
		/* Instruction bytes: two words that may overlap. */
		if (__get_user(*(u64 *)buf, (const u64 __user *)p))
			return -EFAULT;
		return __get_user(*(u64 *)(buf + len - 8), (const u64 __user *)(p + len - 8));
	default:
		return __copy_from_user(buf, p, len) ? -EFAULT : 0;
	}
}

static __always_inline int vcpu_read_guest_u64(struct vmm_vcpu *vcpu, gpa_t gpa, u64 *val)
{
	u64 __user *p = vcpu_guest_ptr(vcpu, gpa);

	return p ? __get_user(*val, p) : -EFAULT;
}

static __always_inline int vcpu_read_guest_u32(struct vmm_vcpu *vcpu, gpa_t gpa, u32 *val)
{
	u32 __user *p = vcpu_guest_ptr(vcpu, gpa);

	return p ? __get_user(*val, p) : -EFAULT;
}

#endif
