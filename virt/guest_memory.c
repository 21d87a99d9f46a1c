// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own access to guest memory: instruction fetch, page-table walks,
 * emulated loads and stores, the paravirtual clock page.
 *
 * Guest memory is memory of the VM's process, and all callers run in that
 * process (ioctls check it), so access is an ordinary user-space access: it
 * faults pages in, honours the host's protections, and may sleep. Callers hold
 * vm->srcu, so that a slot which is being deleted keeps its memory for so long.
 * Slots passed access_ok() when they were added, so the unchecked accessors do.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include <vmm/compat.h>
#include <vmm/guest_memory.h>

static __always_inline int write_user(void __user *p, const void *buf, size_t len)
{
	switch (len) {
	case 1:
		return __put_user(*(const u8 *)buf, (u8 __user *)p);
	case 2:
		return __put_user(*(const u16 *)buf, (u16 __user *)p);
	case 4:
		return __put_user(*(const u32 *)buf, (u32 __user *)p);
	case 8:
		return __put_user(*(const u64 *)buf, (u64 __user *)p);
	default:
		return __copy_to_user(p, buf, len) ? -EFAULT : 0;
	}
}

/**
 * vcpu_read_guest() - read within one guest page
 * @vcpu: vCPU
 * @gpa: where
 * @buf: result
 * @len: bytes
 *
 * An aligned read of 1, 2, 4 or 8 bytes is one access.
 * Context: srcu held, may sleep. Return: 0, -EFAULT.
 */
int vcpu_read_guest(struct vmm_vcpu *vcpu, gpa_t gpa, void *buf, size_t len)
{
	const void __user *p = vcpu_guest_ptr(vcpu, gpa);

	return p ? vmm_read_user(buf, p, len) : -EFAULT;
}

/**
 * vcpu_write_guest() - write within one guest page and mark it dirty
 * @vcpu: vCPU
 * @gpa: where
 * @buf: what
 * @len: bytes
 *
 * Context: srcu held, may sleep. Return: 0, -EFAULT (also a read-only slot).
 */
int vcpu_write_guest(struct vmm_vcpu *vcpu, gpa_t gpa, const void *buf, size_t len)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct vmm_memslot *slot = vcpu_find_slot(vcpu, gfn);

	if (!slot || slot->flags & VMM_MEM_READONLY ||
	    vmm_snapshot_save(vcpu->vm, slot, gfn))
		return -EFAULT;
	if (write_user((void __user *)(slot_hva(slot, gfn) + offset_in_page(gpa)), buf, len))
		return -EFAULT;
	vmm_mark_dirty(vcpu->vm, vcpu, slot, gfn);
	return 0;
}

/* 16 bytes have no user-space accessor: exchange through the kernel's mapping. */
static int cmpxchg16_user(void __user *p, void *old, const void *new)
{
	unsigned long hva = (unsigned long)p;
	struct page *page;
	void *kaddr;
	bool done;

	if (get_user_pages_fast(hva & PAGE_MASK, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	kaddr = kmap_local_page(page);
	done = vmm_try_cmpxchg16(kaddr + offset_in_page(hva), old, new);
	kunmap_local(kaddr);
	set_page_dirty_lock(page);
	put_page(page);
	return !done;
}

/* The kernel's macro has a label inside: one function each. 0, 1 not exchanged, -EFAULT. */
#define CMPXCHG_USER(type)						\
static int cmpxchg_user_##type(type __user *p, type *old, type new)	\
{									\
	return __try_cmpxchg_user(p, old, new, efault);			\
}
CMPXCHG_USER(u8)
CMPXCHG_USER(u16)
CMPXCHG_USER(u32)
CMPXCHG_USER(u64)

/**
 * vcpu_cmpxchg_guest() - compare and exchange, atomic for all vCPUs
 * @vcpu: vCPU
 * @gpa: where; a multiple of @size if that is 16. Up to 8 bytes may lie anywhere, also in
 *	two pages if vcpu_adjacent(): it is the caller who knows that this CPU can lock them
 * @old: expected; updated to what was found if it differs
 * @new: what to store
 * @size: 1, 2, 4, 8, 16
 *
 * Context: srcu held, may sleep.
 * Return: 0 exchanged, 1 not, -EFAULT (also a read-only slot).
 */
int vcpu_cmpxchg_guest(struct vmm_vcpu *vcpu, gpa_t gpa, void *old,
		       const void *new, unsigned int size)
{
	gfn_t gfn = gpa_to_gfn(gpa), last = gpa_to_gfn(gpa + size - 1);
	struct vmm_memslot *slot = vcpu_find_slot(vcpu, gfn);
	void __user *p;
	int r;

	if (!slot || slot->flags & VMM_MEM_READONLY || last - slot->base >= slot->npages ||
	    (size == 16 && !IS_ALIGNED(gpa, size)) || vmm_snapshot_save(vcpu->vm, slot, gfn) ||
	    (last != gfn && vmm_snapshot_save(vcpu->vm, slot, last)))
		return -EFAULT;
	p = (void __user *)(slot_hva(slot, gfn) + offset_in_page(gpa));
	switch (size) {
	case 1:
		r = cmpxchg_user_u8(p, old, *(const u8 *)new);
		break;
	case 2:
		r = cmpxchg_user_u16(p, old, *(const u16 *)new);
		break;
	case 4:
		r = cmpxchg_user_u32(p, old, *(const u32 *)new);
		break;
	case 8:
		r = cmpxchg_user_u64(p, old, *(const u64 *)new);
		break;
	case 16:
		r = cmpxchg16_user(p, old, new);
		break;
	default:
		return -EFAULT;
	}
	if (!r) {
		vmm_mark_dirty(vcpu->vm, vcpu, slot, gfn);
		if (last != gfn)
			vmm_mark_dirty(vcpu->vm, vcpu, slot, last);
	}
	return r;
}

/**
 * vcpu_adjacent() - are two guest pages that follow each other one piece for the host as well?
 * @vcpu: vCPU
 * @first: address in the first page
 * @second: address in the other
 *
 * Context: srcu held. Return: true if both lie in one slot, one behind the other.
 */
bool vcpu_adjacent(struct vmm_vcpu *vcpu, gpa_t first, gpa_t second)
{
	struct vmm_memslot *slot = vcpu_find_slot(vcpu, gpa_to_gfn(first));

	return slot && gpa_to_gfn(second) == gpa_to_gfn(first) + 1 &&
	       gpa_to_gfn(second) - slot->base < slot->npages;
}

/**
 * vcpu_prepare_write() - make a write within one guest page succeed, as far as that can be known
 * @vcpu: vCPU
 * @gpa: where
 * @len: bytes
 *
 * Brings the page in and breaks its sharing; it may go again before the write.
 * Context: srcu held, may sleep. Return: 0, -EFAULT (also a read-only slot).
 */
int vcpu_prepare_write(struct vmm_vcpu *vcpu, gpa_t gpa, size_t len)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct vmm_memslot *slot = vcpu_find_slot(vcpu, gfn);

	if (!slot || slot->flags & VMM_MEM_READONLY || vmm_snapshot_save(vcpu->vm, slot, gfn))
		return -EFAULT;
	return fault_in_safe_writeable((char __user *)slot_hva(slot, gfn) + offset_in_page(gpa),
				       len) ? -EFAULT : 0;
}

/**
 * vmm_read_guest() - read any range, across pages and slots
 * @vm: VM
 * @gpa: where
 * @buf: result
 * @len: bytes
 *
 * Context: srcu held, may sleep. Return: 0, -EFAULT.
 */
int vmm_read_guest(struct vmm_vm *vm, gpa_t gpa, void *buf, size_t len)
{
	while (len) {
		size_t n = min_t(size_t, len, PAGE_SIZE - offset_in_page(gpa));
		gfn_t gfn = gpa_to_gfn(gpa);
		struct vmm_memslot *slot = vmm_find_slot(vm, gfn);

		if (!slot || vmm_read_user(buf, (void __user *)(slot_hva(slot, gfn) +
							     offset_in_page(gpa)), n))
			return -EFAULT;
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}

/**
 * vmm_write_guest() - write any range, across pages and slots; marks it dirty
 * @vm: VM
 * @gpa: where
 * @buf: what
 * @len: bytes
 *
 * Context: srcu held, may sleep. Return: 0, -EFAULT; part may be written then.
 */
int vmm_write_guest(struct vmm_vm *vm, gpa_t gpa, const void *buf, size_t len)
{
	while (len) {
		size_t n = min_t(size_t, len, PAGE_SIZE - offset_in_page(gpa));
		gfn_t gfn = gpa_to_gfn(gpa);
		struct vmm_memslot *slot = vmm_find_slot(vm, gfn);

		if (!slot || slot->flags & VMM_MEM_READONLY ||
		    vmm_snapshot_save(vm, slot, gfn))
			return -EFAULT;
		if (write_user((void __user *)(slot_hva(slot, gfn) + offset_in_page(gpa)),
			       buf, n))
			return -EFAULT;
		vmm_mark_dirty(vm, NULL, slot, gfn);
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}
