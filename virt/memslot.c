// SPDX-License-Identifier: GPL-2.0
/*
 * Memory slots: which guest physical pages exist, and which memory of the
 * VM's process backs each. VMM_SET_USER_MEMORY_REGION changes them here; the
 * fault path, the emulator and the dirty log look them up.
 *
 * Readers hold vm->srcu and see one immutable array, sorted by gfn. A change
 * (under slots_lock) copies the array with the one slot added, replaced or
 * left out, publishes the copy, and then does what an MMU notifier would do to
 * the pages it took away: bump the sequence count, so that a fault which still
 * holds the old array cannot install its result, and remove the translations.
 *
 * An obsolete array is not freed at once but put on a short list, so that
 * neither adding thousands of slots nor closing a VM waits for a grace period
 * each time. Deleting or moving a slot does wait: when it returns, nobody uses
 * the old host addresses any more, and the caller may unmap them.
 */
#include <linux/interval_tree.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vmm/guest_memory.h>
#include <vmm/tdp.h>

/* Pages of a slot: as many as a signed 32-bit index can name. */
#define SLOT_MAX_PAGES		((1UL << 31) - 1)
/* Obsolete arrays that may wait for a grace period together. */
#define MAX_SLOT_GARBAGE	16

#define SLOT_FLAGS		(VMM_MEM_LOG_DIRTY_PAGES | VMM_MEM_READONLY)

static struct vmm_memslots *current_slots(struct vmm_vm *vm, unsigned int space)
{
	return rcu_dereference_protected(vm->slots[space],
					 lockdep_is_held(&vm->slots_lock));
}

static struct vmm_memslots *alloc_slots(unsigned int nr, u64 gen)
{
	struct vmm_memslots *slots;

	slots = kvmalloc(struct_size(slots, slot, nr), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;
	slots->gen = gen;
	slots->nr = nr;
	slots->old_slot = NULL;
	slots->old_dirty = NULL;
	return slots;
}

static void free_slots(struct vmm_memslots *slots)
{
	kvfree(slots->old_dirty);
	kfree(slots->old_slot);
	kvfree(slots);
}

/* Nobody reads retired arrays any more: a grace period is over, or the VM is. */
static void free_garbage(struct vmm_vm *vm)
{
	struct vmm_memslots *slots, *next;

	list_for_each_entry_safe(slots, next, &vm->slot_garbage, retired)
		free_slots(slots);
	INIT_LIST_HEAD(&vm->slot_garbage);
	vm->nr_slot_garbage = 0;
}

/**
 * vmm_slots_init() - a VM without memory
 * @vm: VM that is being created
 *
 * Return: 0, or -ENOMEM.
 */
int vmm_slots_init(struct vmm_vm *vm)
{
	struct vmm_memslots *slots;
	unsigned int i;

	INIT_LIST_HEAD(&vm->slot_garbage);
	xa_init_flags(&vm->slots_by_id, XA_FLAGS_ACCOUNT);
	vm->hva_tree = RB_ROOT_CACHED;
	for (i = 0; i < VMM_NR_SPACES; i++) {
		slots = alloc_slots(0, 1);
		if (!slots)
			goto err;
		RCU_INIT_POINTER(vm->slots[i], slots);
	}
	return 0;
err:
	while (i--)
		kvfree(rcu_dereference_protected(vm->slots[i], true));
	return -ENOMEM;
}

/* The VM's last user is gone; so are its translations. */
void vmm_slots_destroy(struct vmm_vm *vm)
{
	struct vmm_memslots *slots;
	unsigned int i, j;

	for (i = 0; i < VMM_NR_SPACES; i++) {
		slots = rcu_dereference_protected(vm->slots[i], true);
		for (j = 0; j < slots->nr; j++) {
			kvfree(slots->slot[j]->dirty);
			kfree(slots->slot[j]);
		}
		kvfree(slots);
	}
	free_garbage(vm);
	xa_destroy(&vm->slots_by_id);
}

/* Index of the first slot that ends above gfn: where gfn is, or would be. */
static unsigned int slot_index(const struct vmm_memslots *slots, gfn_t gfn)
{
	unsigned int lo = 0, hi = slots->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		const struct vmm_memslot *slot = slots->slot[mid];

		if (slot->base + slot->npages <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct vmm_memslot *find_slot(const struct vmm_memslots *slots, gfn_t gfn)
{
	unsigned int i = slot_index(slots, gfn);

	if (i == slots->nr || slots->slot[i]->base > gfn)
		return NULL;
	return slots->slot[i];
}

/**
 * vmm_find_slot() - the slot that holds a guest frame
 * @vm: VM
 * @gfn: guest frame
 *
 * Context: vm->srcu held; the slot may be used until it is released.
 * Return: the slot, or NULL.
 */
struct vmm_memslot *vmm_find_slot(struct vmm_vm *vm, gfn_t gfn)
{
	return find_slot(vmm_slots(vm), gfn);
}

/* vcpu_find_slot() missed its cache. */
struct vmm_memslot *vcpu_find_slot_slow(struct vmm_vcpu *vcpu, gfn_t gfn)
{
	const struct vmm_memslots *slots = vmm_slots(vcpu->vm);
	struct vmm_memslot *slot = find_slot(slots, gfn);

	if (slot) {
		vcpu->slot_cache.gen = slots->gen;
		vcpu->slot_cache.slot = slot;
	}
	return slot;
}

/* A change of one slot: old is replaced by new; one of them may be NULL. */
struct slot_change {
	struct vmm_memslot *old, *new;
	struct vmm_memslots *slots;		/* the successor, to be published */
};

/* What is wrong with the request by itself, whatever slots there are. */
static bool region_valid(struct vmm_vm *vm, const struct vmm_userspace_memory_region *mem)
{
	if (mem->flags & ~SLOT_FLAGS)
		return false;
	if ((mem->slot >> 16) >= VMM_NR_SPACES || (u16)mem->slot >= VMM_MAX_MEMSLOTS)
		return false;
	if (!PAGE_ALIGNED(mem->guest_phys_addr) || !PAGE_ALIGNED(mem->memory_size) ||
	    !PAGE_ALIGNED(mem->userspace_addr))
		return false;
	if (mem->guest_phys_addr + mem->memory_size < mem->guest_phys_addr)
		return false;
	if (mem->memory_size >> PAGE_SHIFT > SLOT_MAX_PAGES)
		return false;
	/* From here on the kernel relies on it and uses the unchecked accessors. */
	if (mem->userspace_addr != untagged_addr(mem->userspace_addr) ||
	    !access_ok((void __user *)mem->userspace_addr, mem->memory_size))
		return false;
	if (!mem->memory_size)
		return true;
	return (mem->guest_phys_addr + mem->memory_size - 1) >> PAGE_SHIFT <= tdp_max_gfn(vm);
}

static bool overlaps_other(const struct vmm_memslots *slots, const struct vmm_memslot *self,
			   gfn_t base, unsigned long npages)
{
	unsigned int i;

	for (i = slot_index(slots, base); i < slots->nr; i++) {
		if (slots->slot[i]->base >= base + npages)
			return false;
		if (slots->slot[i] != self)
			return true;
	}
	return false;
}

static struct vmm_memslot *alloc_slot(const struct vmm_userspace_memory_region *mem)
{
	struct vmm_memslot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->base = gpa_to_gfn(mem->guest_phys_addr);
	slot->npages = mem->memory_size >> PAGE_SHIFT;
	slot->hva = mem->userspace_addr;
	slot->flags = mem->flags;
	slot->id = (u16)mem->slot;
	slot->space = mem->slot >> 16;
	slot->hva_node.start = slot->hva;
	slot->hva_node.last = slot->hva + (slot->npages << PAGE_SHIFT) - 1;
	return slot;
}

/* Build the successor array: old left out, new put in at its place. */
static int prepare_change(struct vmm_vm *vm, unsigned int space, struct slot_change *c)
{
	const struct vmm_memslots *cur = current_slots(vm, space);
	unsigned int skip = c->old ? slot_index(cur, c->old->base) : cur->nr;
	unsigned int at, nr = cur->nr - !!c->old;
	struct vmm_memslots *next;

	next = alloc_slots(nr + !!c->new, cur->gen + 1);
	if (!next)
		return -ENOMEM;
	memcpy(next->slot, cur->slot, skip * sizeof(cur->slot[0]));
	if (c->old)
		memcpy(next->slot + skip, cur->slot + skip + 1,
		       (nr - skip) * sizeof(cur->slot[0]));
	next->nr = nr;
	if (c->new) {
		at = slot_index(next, c->new->base);
		memmove(next->slot + at + 1, next->slot + at,
			(nr - at) * sizeof(cur->slot[0]));
		next->slot[at] = c->new;
		next->nr++;
	}
	c->slots = next;
	return 0;
}

/*
 * Publish the successor. The new slot's host addresses are registered first:
 * from the moment that faults can see it, the MMU notifier must find it.
 */
static struct vmm_memslots *publish(struct vmm_vm *vm, unsigned int space, struct slot_change *c)
{
	struct vmm_memslots *cur = current_slots(vm, space);

	if (c->new) {
		write_lock(&vm->mmu_lock);
		interval_tree_insert(&c->new->hva_node, &vm->hva_tree);
		write_unlock(&vm->mmu_lock);
	}
	rcu_assign_pointer(vm->slots[space], c->slots);
	return cur;
}

/*
 * The old slot is no longer published: stop faults in flight from installing
 * what they found in it, and with zap remove what was installed before. It
 * leaves the host address tree last, so that until then the MMU notifier
 * reaches the pages that are still mapped.
 */
static void withdraw(struct vmm_vm *vm, struct vmm_memslot *old, bool zap)
{
	gfn_t gfn = old->base, end = old->base + old->npages, stop;
	LIST_HEAD(tables);
	bool flush = false;

	write_lock(&vm->mmu_lock);
	vm->inval.seq++;
	for (; zap && gfn < end; gfn = stop) {
		stop = min(end, gfn + TDP_ZAP_STEP);
		flush |= tdp_zap_range(vm, gfn, stop, &tables);
		if (stop < end)
			tdp_zap_yield(vm, &flush);
	}
	interval_tree_remove(&old->hva_node, &vm->hva_tree);
	if (flush)
		vmm_flush_remote_tlbs(vm);
	write_unlock(&vm->mmu_lock);
	tdp_free_tables(&tables, true);
}

/* Free the previous array and what the change made obsolete; now or later. */
static void retire(struct vmm_vm *vm, struct vmm_memslots *prev, bool wait)
{
	list_add(&prev->retired, &vm->slot_garbage);
	if (!wait && ++vm->nr_slot_garbage < MAX_SLOT_GARBAGE)
		return;
	synchronize_srcu_expedited(&vm->srcu);
	free_garbage(vm);
}

static int slot_add(struct vmm_vm *vm, const struct vmm_userspace_memory_region *mem)
{
	unsigned int space = mem->slot >> 16;
	struct slot_change c = { };
	int r = -ENOMEM;

	c.new = alloc_slot(mem);
	if (!c.new)
		return -ENOMEM;
	if (c.new->flags & VMM_MEM_LOG_DIRTY_PAGES) {
		c.new->dirty = vmm_alloc_dirty_bitmap(vm, c.new->npages);
		if (!c.new->dirty)
			goto err;
	}
	r = prepare_change(vm, space, &c);
	if (r)
		goto err;
	r = xa_err(xa_store(&vm->slots_by_id, mem->slot, c.new, GFP_KERNEL_ACCOUNT));
	if (r)
		goto err_slots;
	vm->slot_pages += c.new->npages;
	retire(vm, publish(vm, space, &c), false);
	return 0;
err_slots:
	kvfree(c.slots);
err:
	kvfree(c.new->dirty);
	kfree(c.new);
	return r;
}

static int slot_delete(struct vmm_vm *vm, unsigned int space, struct vmm_memslot *old)
{
	struct slot_change c = { .old = old };
	struct vmm_memslots *prev;
	int r = prepare_change(vm, space, &c);

	if (r)
		return r;
	xa_erase(&vm->slots_by_id, (u32)space << 16 | old->id);
	vm->slot_pages -= old->npages;
	prev = publish(vm, space, &c);
	withdraw(vm, old, true);
	prev->old_slot = old;
	prev->old_dirty = old->dirty;
	retire(vm, prev, true);
	return 0;
}

/*
 * The same memory at another place or with other flags. Dirty bits survive
 * both; logging that starts begins with a clean bitmap and write protection, or,
 * if user space wants it so, with all pages dirty.
 */
static int slot_replace(struct vmm_vm *vm, const struct vmm_userspace_memory_region *mem,
			struct vmm_memslot *old)
{
	unsigned int space = mem->slot >> 16;
	struct slot_change c = { .old = old };
	bool log, was_log = old->flags & VMM_MEM_LOG_DIRTY_PAGES;
	struct vmm_memslots *prev;
	bool moved;
	int r = -ENOMEM;

	c.new = alloc_slot(mem);
	if (!c.new)
		return -ENOMEM;
	moved = c.new->base != old->base;
	log = c.new->flags & VMM_MEM_LOG_DIRTY_PAGES;
	if (log) {
		c.new->dirty = old->dirty ?: vmm_alloc_dirty_bitmap(vm, c.new->npages);
		if (!c.new->dirty)
			goto err;
	}
	r = prepare_change(vm, space, &c);
	if (r)
		goto err;
	/* Replaces an existing entry: needs no memory. */
	xa_store(&vm->slots_by_id, mem->slot, c.new, GFP_KERNEL_ACCOUNT);

	prev = publish(vm, space, &c);
	withdraw(vm, old, moved);
	if (log && !was_log && !moved && !vmm_dirty_initially_set(vm) &&
	    tdp_write_protect_slot(vm, c.new))
		vmm_flush_remote_tlbs(vm);
	if (!log && was_log && !moved)
		tdp_recover_huge(vm, c.new);
	prev->old_slot = old;
	if (!log)
		prev->old_dirty = old->dirty;
	/* Who still has the old slot writes to it without a trace: wait for them. */
	retire(vm, prev, moved || (log && !was_log));
	return 0;
err:
	if (c.new->dirty != old->dirty)
		kvfree(c.new->dirty);
	kfree(c.new);
	return r;
}

static int set_region(struct vmm_vm *vm, const struct vmm_userspace_memory_region *mem)
{
	unsigned int space = mem->slot >> 16;
	gfn_t base = gpa_to_gfn(mem->guest_phys_addr);
	unsigned long npages = mem->memory_size >> PAGE_SHIFT;
	struct vmm_memslot *old = xa_load(&vm->slots_by_id, mem->slot);

	if (!npages)
		return old ? slot_delete(vm, space, old) : -EINVAL;
	if (old) {
		/* Neither size, nor backing, nor being read-only can change in place. */
		if (mem->userspace_addr != old->hva || npages != old->npages ||
		    (mem->flags ^ old->flags) & VMM_MEM_READONLY)
			return -EINVAL;
		if (base == old->base && mem->flags == old->flags)
			return 0;
	} else if (vm->slot_pages + npages < npages) {
		return -EINVAL;
	}
	if ((!old || base != old->base) &&
	    overlaps_other(current_slots(vm, space), old, base, npages))
		return -EEXIST;
	return old ? slot_replace(vm, mem, old) : slot_add(vm, mem);
}

/**
 * vmm_set_memory_region() - VMM_SET_USER_MEMORY_REGION
 * @vm: VM
 * @mem: already copied from user space
 *
 * Context: may sleep; takes slots_lock.
 * Return: 0; -EINVAL: flags, slot number, alignment, a range that wraps or is
 * beyond the guest physical or the process's address space, deletion of a slot
 * that does not exist, or change of size, backing or read-only flag;
 * -EEXIST: overlap with another slot; -ENOMEM.
 */
int vmm_set_memory_region(struct vmm_vm *vm, const struct vmm_userspace_memory_region *mem)
{
	int r;

	if (!region_valid(vm, mem))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	r = set_region(vm, mem);
	mutex_unlock(&vm->slots_lock);
	return r;
}
