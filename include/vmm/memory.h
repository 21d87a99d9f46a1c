/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest physical memory: slots, the host's view of them, access from the
 * kernel. Implemented in virt/memslot.c (slots), virt/guest_memory.c (access),
 * virt/invalidate.c (MMU notifier), virt/dirty.c (dirty bitmap),
 * virt/dirty_ring.c (dirty rings).
 */
#ifndef _VMM_MEMORY_H
#define _VMM_MEMORY_H

#include <linux/interval_tree.h>
#include <linux/mm_types.h>
#include <linux/nospec.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct vmm_vm;
struct vmm_vcpu;
struct vmm_userspace_memory_region;

typedef u64 gpa_t;
typedef u64 gfn_t;
typedef unsigned long hva_t;
typedef u64 hpa_t;

#define GPA_INVALID	(~(gpa_t)0)
#define gpa_to_gfn(gpa)	((gfn_t)((gpa) >> PAGE_SHIFT))
#define gfn_to_gpa(gfn)	((gpa_t)(gfn) << PAGE_SHIFT)

#define VMM_MAX_MEMSLOTS	32764

/**
 * struct vmm_memslot - one range of guest physical memory; never changes once
 *			published: a change publishes a new one
 * @base: its first guest frame
 * @npages: how many
 * @hva: what backs them, in vm->mm
 * @flags: VMM_MEM_*
 * @id: user space's number for it
 * @space: the address space it is in
 * @dirty: bitmap, or NULL; bits A; shared by successors
 * @hva_node: M: in vm->hva_tree
 */
struct vmm_memslot {
	gfn_t base;
	unsigned long npages;
	hva_t hva;
	u32 flags;
	u16 id;
	u16 space;
	unsigned long *dirty;
	struct interval_tree_node hva_node;
};

/**
 * struct vmm_memslots - the slots of one address space, one generation
 * @gen: differs for each generation of a VM; 0 is never used
 * @nr: of slots
 * @retired: S: in vm->slot_garbage, when a successor is published
 * @old_slot: S: what the change to the successor made obsolete
 * @old_dirty: S: the same, a bitmap
 * @slot: sorted by base, disjoint
 */
struct vmm_memslots {
	u64 gen;
	unsigned int nr;
	struct list_head retired;
	struct vmm_memslot *old_slot;
	unsigned long *old_dirty;
	struct vmm_memslot *slot[];
};

/* A vCPU's last hit. */
struct vmm_memslot_cache {
	u64 gen;
	struct vmm_memslot *slot;
};

/*
 * Which translations may be installed: a fault takes seq before it looks up
 * slot and host page, and installs under mmu_lock only if seq is still the same
 * (no invalidation of a slot's memory ended, no slot changed) and no invalidation of that host
 * address is running. Host addresses, not gfns: so an invalidation counts even
 * if a slot with these addresses appears between its start and its end.
 */
struct vmm_invalidate {
	unsigned long seq;		/* M for writing */
	unsigned int running;		/* M */
	hva_t start, end;		/* M: union of the running ranges */
};

struct vmm_notifier;

/* --- slots; readers hold vm->srcu --- */
int vmm_slots_init(struct vmm_vm *vm);
void vmm_slots_destroy(struct vmm_vm *vm);
/* VMM_SET_USER_MEMORY_REGION; errors as documented in api.rst. May sleep. */
int vmm_set_memory_region(struct vmm_vm *vm,
			  const struct vmm_userspace_memory_region *mem);
struct vmm_memslot *vmm_find_slot(struct vmm_vm *vm, gfn_t gfn);

/* gfn lies in the slot; neither does a mispredicted branch lead out of it. */
static inline hva_t slot_hva(const struct vmm_memslot *slot, gfn_t gfn)
{
	return slot->hva +
	       (array_index_nospec(gfn - slot->base, slot->npages) << PAGE_SHIFT);
}

/* --- access; srcu held; may fault and sleep; 0 or -EFAULT (no slot, read-only,
 *     host mapping absent). Marks written pages dirty. Crosses pages and slots. --- */
int vmm_read_guest(struct vmm_vm *vm, gpa_t gpa, void *buf, size_t len);
int vmm_write_guest(struct vmm_vm *vm, gpa_t gpa, const void *buf, size_t len);
/* Hot path, within one page, through the vCPU's slot cache. */
int vcpu_read_guest(struct vmm_vcpu *vcpu, gpa_t gpa, void *buf, size_t len);
int vcpu_write_guest(struct vmm_vcpu *vcpu, gpa_t gpa, const void *buf, size_t len);
/* Atomic for other vCPUs: size 1, 2, 4, 8, or 16 (aligned). Returns 0 exchanged, 1 not
 * (old is updated), -EFAULT. */
int vcpu_cmpxchg_guest(struct vmm_vcpu *vcpu, gpa_t gpa, void *old,
		       const void *new, unsigned int size);
/* In one slot, one behind the other. */
bool vcpu_adjacent(struct vmm_vcpu *vcpu, gpa_t first, gpa_t second);
/* Make sure, as far as possible, that a write within one page will succeed. */
int vcpu_prepare_write(struct vmm_vcpu *vcpu, gpa_t gpa, size_t len);

/* --- dirty tracking --- */
void __vmm_mark_dirty(struct vmm_vm *vm, struct vmm_vcpu *vcpu,
		      const struct vmm_memslot *slot, gfn_t gfn);
/* A page was written, or made writable. srcu held; vcpu: who did it, or NULL. */
static __always_inline void vmm_mark_dirty(struct vmm_vm *vm, struct vmm_vcpu *vcpu,
					   const struct vmm_memslot *slot, gfn_t gfn)
{
	if (unlikely(slot->dirty))
		__vmm_mark_dirty(vm, vcpu, slot, gfn);
}

struct vmm_dirty_log;
struct vmm_clear_dirty_log;
struct vmm_enable_cap;
int vmm_get_dirty_log(struct vmm_vm *vm, const struct vmm_dirty_log *log);
int vmm_clear_dirty_log(struct vmm_vm *vm, const struct vmm_clear_dirty_log *log);
unsigned long *vmm_alloc_dirty_bitmap(struct vmm_vm *vm, unsigned long npages);	/* kvfree() */
/* vm->lock held. -EINVAL: not a capability of dirty tracking, or as in api.rst. */
int vmm_dirty_enable_cap(struct vmm_vm *vm, const struct vmm_enable_cap *cap);
/* Does logging begin with all pages dirty, and none write-protected? */
bool vmm_dirty_initially_set(const struct vmm_vm *vm);

/* --- dirty rings, virt/dirty_ring.c --- */
#define VMM_DIRTY_RING_MAX_ENTRIES	65536

/**
 * struct vmm_dirty_ring - pages that were written on a vCPU's behalf
 * @entry: shared with user space, which may write anything at any time
 * @size: entries, a power of two; 0: no ring
 * @head: where the next entry goes; counts on, as @tail does
 * @tail: the oldest one that VMM_RESET_DIRTY_RINGS has not taken back
 * @lock: @head and @tail
 */
struct vmm_dirty_ring {
	struct vmm_dirty_gfn *entry;	/* I */
	u32 size;			/* I */
	u32 head, tail;			/* lock */
	spinlock_t lock;
};

int vmm_dirty_ring_init(struct vmm_vcpu *vcpu);		/* 0, -ENOMEM */
void vmm_dirty_ring_free(struct vmm_vcpu *vcpu);
struct page *vmm_dirty_ring_page(struct vmm_vcpu *vcpu, unsigned long pgoff);
unsigned long vmm_dirty_ring_pages(const struct vmm_vcpu *vcpu);
/* VMM_REQ_DIRTY_RING: has user space to harvest first? Then the request stays. */
bool vmm_dirty_ring_full(struct vmm_vcpu *vcpu);
/* The slot's bit for the page was clear until now. */
void vmm_dirty_ring_add(struct vmm_vm *vm, struct vmm_vcpu *vcpu,
			const struct vmm_memslot *slot, u64 offset);
long vmm_reset_dirty_rings(struct vmm_vm *vm);

/* --- snapshots, virt/snapshot.c --- */
long vmm_snapshot_ioctl(struct vmm_vm *vm, unsigned int nr);
void vmm_snapshot_destroy(struct vmm_vm *vm);
int vmm_snapshot_save_slow(struct vmm_vm *vm, const struct vmm_memslot *slot, gfn_t gfn);

/* --- MMU notifier: vm->mm to second-level tables --- */
/* May sleep; 0, -ENOMEM, -EINTR. After tdp_vm_init() and vmm_slots_init(). */
int vmm_notifier_register(struct vmm_vm *vm);
/* Before tdp_vm_destroy(). Waits for callbacks that run now, not for a grace period. */
void vmm_notifier_unregister(struct vmm_vm *vm);
/* Module exit, after the last VM: waits until no callback can reach the module. */
void vmm_notifier_sync(void);

#endif
