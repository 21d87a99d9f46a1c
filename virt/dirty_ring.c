// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty rings: each vCPU has a ring, shared with user space, of the pages that
 * were written on its behalf. vmm_mark_dirty() adds; user space harvests and
 * marks what it has seen; VMM_RESET_DIRTY_RINGS takes those entries back and
 * write-protects their pages.
 *
 * The bitmap of a slot (dirty.c) says which of its pages are in a ring, so that
 * a page is in one ring, once. Order as there: a writer makes the page writable,
 * then sets the bit, then adds; a reset clears the bit, then write-protects, and
 * flushes before it returns. User space looks at pages only after that.
 *
 * When a ring has room for no more than RESERVE entries, VMM_RUN of its vCPU
 * leaves until user space has harvested. An exit adds a few entries, so only
 * ioctls that write guest memory in a row can fill the rest. What finds no room
 * then is kept in the second half of the slot's bitmap, and comes into a ring
 * with the next reset.
 *
 * Locks: the ring's lock for its indices; slots_lock makes one reset at a time. The
 * ring's is taken with interrupts off: the scheduler has a vCPU's steal time written
 * under its own lock, which any interrupt may want.
 * User space may write anything into the ring: entries are read once, by the
 * reset only, and mean no more than what any caller may do to its own VM.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/vmalloc.h>

#include <vmm/guest_memory.h>
#include <vmm/tdp.h>

/* Entries that are free when VMM_RUN stops for user space to harvest. */
#define RESERVE		64

int vmm_dirty_ring_init(struct vmm_vcpu *vcpu)
{
	struct vmm_dirty_ring *ring = &vcpu->dirty_ring;
	u32 size = vcpu->vm->dirty_ring_size;

	spin_lock_init(&ring->lock);
	if (!size)
		return 0;
	ring->entry = __vmalloc(size * sizeof(*ring->entry), GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!ring->entry)
		return -ENOMEM;
	ring->size = size;
	return 0;
}

/* User space may still map the pages: each has its own count. */
void vmm_dirty_ring_free(struct vmm_vcpu *vcpu)
{
	vfree(vcpu->dirty_ring.entry);
}

unsigned long vmm_dirty_ring_pages(const struct vmm_vcpu *vcpu)
{
	return vcpu->dirty_ring.size * sizeof(struct vmm_dirty_gfn) / PAGE_SIZE;
}

/* @pgoff is less than vmm_dirty_ring_pages(). */
struct page *vmm_dirty_ring_page(struct vmm_vcpu *vcpu, unsigned long pgoff)
{
	pgoff = array_index_nospec(pgoff, vmm_dirty_ring_pages(vcpu));
	return vmalloc_to_page((void *)vcpu->dirty_ring.entry + pgoff * PAGE_SIZE);
}

static u32 ring_used(const struct vmm_dirty_ring *ring)
{
	return READ_ONCE(ring->head) - READ_ONCE(ring->tail);
}

static bool soft_full(const struct vmm_dirty_ring *ring)
{
	return ring_used(ring) + RESERVE >= ring->size;
}

bool vmm_dirty_ring_full(struct vmm_vcpu *vcpu)
{
	if (!soft_full(&vcpu->dirty_ring))
		return false;
	vmm_request(vcpu, VMM_REQ_DIRTY_RING);
	return true;
}

/* False: no room. */
static bool push(struct vmm_vcpu *vcpu, const struct vmm_memslot *slot, u64 offset)
{
	struct vmm_dirty_ring *ring = &vcpu->dirty_ring;
	struct vmm_dirty_gfn *entry;
	unsigned long flags;
	bool room, full;

	spin_lock_irqsave(&ring->lock, flags);
	room = ring_used(ring) < ring->size;
	if (room) {
		entry = &ring->entry[ring->head & (ring->size - 1)];
		WRITE_ONCE(entry->slot, (u32)slot->space << 16 | slot->id);
		WRITE_ONCE(entry->offset, offset);
		/* User space reads the flags first. */
		smp_store_release(&entry->flags, VMM_DIRTY_GFN_F_DIRTY);
		WRITE_ONCE(ring->head, ring->head + 1);
	}
	full = soft_full(ring);
	spin_unlock_irqrestore(&ring->lock, flags);
	if (unlikely(full) && !test_bit(VMM_REQ_DIRTY_RING, &vcpu->requests)) {
		vmm_request(vcpu, VMM_REQ_DIRTY_RING);
		vmm_vcpu_kick(vcpu);
	}
	return room;
}

static unsigned long *spilled_bits(const struct vmm_memslot *slot)
{
	return slot->dirty + BITS_TO_LONGS(slot->npages);
}

/**
 * vmm_dirty_ring_add() - a page became dirty
 * @vm: VM with dirty rings
 * @vcpu: who wrote it; NULL: nobody in particular, then it goes to the first vCPU
 * @slot: its slot
 * @offset: page within the slot
 *
 * Context: vm->srcu held; any but NMIs.
 */
void vmm_dirty_ring_add(struct vmm_vm *vm, struct vmm_vcpu *vcpu,
			const struct vmm_memslot *slot, u64 offset)
{
	if (!vcpu)
		vcpu = xa_load(&vm->vcpus, 0);
	if (vcpu && push(vcpu, slot, offset))
		return;
	set_bit(offset, spilled_bits(slot));
	/* The bit before the flag. */
	smp_store_release(&vm->dirty_ring_spilled, true);
}

/* --- VMM_RESET_DIRTY_RINGS --- */

/* Pages of one word of a slot's bitmap that are about to be clean again. */
struct batch {
	struct vmm_vm *vm;
	const struct vmm_memslot *slot;
	unsigned long word, bits;
	bool flush;
};

static void finish_batch(struct batch *b)
{
	unsigned long first = b->word * BITS_PER_LONG;

	if (!b->bits)
		return;
	atomic_long_andnot(b->bits, (atomic_long_t *)&b->slot->dirty[b->word]);
	if (tdp_write_protect_pages(b->vm, b->slot->base + first, &b->bits,
				    min_t(unsigned long, BITS_PER_LONG, b->slot->npages - first)))
		b->flush = true;
	b->bits = 0;
}

/* An entry as user space left it. */
static void reset_page(struct batch *b, u32 id, u64 offset)
{
	const struct vmm_memslot *slot;

	if ((id >> 16) >= VMM_NR_SPACES || (u16)id >= VMM_MAX_MEMSLOTS)
		return;
	/* The slot may be gone, be another one by now, or no longer be logged. */
	slot = xa_load(&b->vm->slots_by_id, id);
	if (!slot || !slot->dirty || offset >= slot->npages)
		return;
	offset = array_index_nospec(offset, slot->npages);
	if (slot != b->slot || offset / BITS_PER_LONG != b->word) {
		finish_batch(b);
		b->slot = slot;
		b->word = offset / BITS_PER_LONG;
	}
	b->bits |= BIT(offset % BITS_PER_LONG);
}

static u32 reset_ring(struct vmm_dirty_ring *ring, struct batch *b)
{
	u32 n, used = ring_used(ring);

	for (n = 0; n < used; n++) {
		struct vmm_dirty_gfn *entry = &ring->entry[ring->tail & (ring->size - 1)];

		/* What user space did to the entry comes before the flag. */
		if (!(smp_load_acquire(&entry->flags) & VMM_DIRTY_GFN_F_RESET))
			break;
		reset_page(b, READ_ONCE(entry->slot), READ_ONCE(entry->offset));
		WRITE_ONCE(entry->flags, 0);
		spin_lock_irq(&ring->lock);
		WRITE_ONCE(ring->tail, ring->tail + 1);
		spin_unlock_irq(&ring->lock);
		cond_resched();
	}
	return n;
}

/* Move what found no room into rings. False: there is still none. */
static bool unspill_slot(struct vmm_vm *vm, const struct vmm_memslot *slot)
{
	unsigned long bit, *bits = spilled_bits(slot);
	struct vmm_vcpu *vcpu = NULL;
	unsigned long i = 0;

	for_each_set_bit(bit, bits, slot->npages) {
		vcpu = vcpu ?: xa_find(&vm->vcpus, &i, ULONG_MAX, XA_PRESENT);
		while (vcpu && soft_full(&vcpu->dirty_ring))
			vcpu = xa_find_after(&vm->vcpus, &i, ULONG_MAX, XA_PRESENT);
		if (!vcpu || !push(vcpu, slot, bit))
			return false;
		clear_bit(bit, bits);
		cond_resched();
	}
	return true;
}

static void unspill(struct vmm_vm *vm)
{
	struct vmm_memslot *slot;
	unsigned long id;

	if (!xchg(&vm->dirty_ring_spilled, false))
		return;
	xa_for_each(&vm->slots_by_id, id, slot)
		if (slot->dirty && !unspill_slot(vm, slot))
			WRITE_ONCE(vm->dirty_ring_spilled, true);
}

/**
 * vmm_reset_dirty_rings() - VMM_RESET_DIRTY_RINGS
 * @vm: VM
 *
 * Context: may sleep, takes slots_lock.
 * Return: how many entries were taken back; -EINVAL: the VM has no dirty rings.
 */
long vmm_reset_dirty_rings(struct vmm_vm *vm)
{
	struct batch b = { .vm = vm };
	struct vmm_vcpu *vcpu;
	unsigned long i;
	long n = 0;

	if (!READ_ONCE(vm->dirty_ring_size))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	vmm_for_each_vcpu(i, vcpu, vm)
		n += reset_ring(&vcpu->dirty_ring, &b);
	finish_batch(&b);
	if (b.flush)
		vmm_flush_remote_tlbs(vm);
	unspill(vm);
	mutex_unlock(&vm->slots_lock);
	return n;
}
