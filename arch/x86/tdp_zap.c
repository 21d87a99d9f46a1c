// SPDX-License-Identifier: GPL-2.0
/*
 * Second-level translations that go away or become stricter: removal (MMU
 * notifier, slot changes, end of the VM), write protection (dirty logging),
 * ageing. How they come is in tdp.c; the rules of the tree are in tdp_table.h.
 *
 * Removal of a range that covers whole tables unlinks these tables and does
 * not look at their entries, so it is fast for gigabytes. Nothing has to be
 * told to the host about dirty pages, see tdp_host.c.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "tdp_table.h"

void tdp_iter_init(struct tdp_iter *it, const struct tdp_root *root, gfn_t start, gfn_t end)
{
	it->root = root;
	it->depth = root->level;
	it->table[it->depth] = root->table;
	it->next = start;
	it->end = min(end, tdp_pages(root->level + 1));
}

/* Go to the next run; false: there is none. */
bool tdp_iter_next(struct tdp_iter *it)
{
	const struct tdp_root *root = it->root;
	u64 pte, last;

	while (it->next < it->end) {
		it->ptep = &it->table[it->depth][tdp_index(it->next, it->depth)];
		it->level = it->depth;
		pte = READ_ONCE(*it->ptep);
		if (tdp_is_table(root->fmt, pte, it->depth)) {
			it->depth--;
			it->table[it->depth] = tdp_child(pte);
			continue;
		}
		/* The rest of a level 1 table, or one entry. */
		last = it->next | (tdp_pages(max(it->level, 2)) - 1);
		if (it->level == 1) {
			it->gfn = it->next;
			it->n = min(it->end, last + 1) - it->next;
		} else {
			it->gfn = it->next & ~(tdp_pages(it->level) - 1);
			it->n = 1;
		}
		it->next = last + 1;
		/* The end of a table: go on in the one above. */
		while (it->depth < root->level && !tdp_index(it->next, it->depth))
			it->depth++;
		if (pte || it->level == 1)
			return true;
	}
	return false;
}

/* Put a table that was just unlinked, and all below it, on the list. */
static void queue_tables(const struct tdp_format *fmt, u64 *table, int level,
			 struct list_head *tables)
{
	unsigned int i;

	for (i = 0; level > 1 && i < TDP_ENTRIES; i++)
		if (tdp_is_table(fmt, table[i], level))
			queue_tables(fmt, tdp_child(table[i]), level - 1, tables);
	list_add(&virt_to_page(table)->lru, tables);
}

void tdp_free_tables(struct list_head *tables, bool may_sleep)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, tables, lru) {
		__free_page(page);
		if (may_sleep)
			cond_resched();
	}
}

/* Recursion is as deep as the tree: at most five. */
static bool zap_table(const struct tdp_format *fmt, u64 *table, int level,
		      gfn_t start, gfn_t end, struct list_head *tables)
{
	u64 span = tdp_pages(level);
	bool flush = false;
	gfn_t gfn = start & ~(span - 1);
	u64 *ptep, pte;

	for (ptep = &table[tdp_index(start, level)]; gfn < end; gfn += span, ptep++) {
		pte = *ptep;
		if (!pte)
			continue;
		if (tdp_is_table(fmt, pte, level) && (gfn < start || gfn + span > end)) {
			flush |= zap_table(fmt, tdp_child(pte), level - 1, max(gfn, start),
					   min(gfn + span, end), tables);
			continue;
		}
		/* A leaf goes as a whole, also where the range covers a part. */
		WRITE_ONCE(*ptep, 0);
		flush = true;
		if (tdp_is_table(fmt, pte, level))
			queue_tables(fmt, tdp_child(pte), level - 1, tables);
	}
	return flush;
}

bool tdp_zap_range(struct vmm_vm *vm, gfn_t start, gfn_t end, struct list_head *tables)
{
	const struct tdp_root *root = vm->arch.root;

	lockdep_assert_held_write(&vm->mmu_lock);
	end = min(end, tdp_pages(root->level + 1));
	if (start >= end)
		return false;
	return zap_table(root->fmt, root->table, root->level, start, end, tables);
}

/*
 * The flush comes before the lock is dropped: who takes it next and finds a
 * translation gone may rely on that it is gone from the TLBs too.
 */
void tdp_zap_yield(struct vmm_vm *vm, bool *flush)
{
	if (!need_resched() && !rwlock_needbreak(&vm->mmu_lock))
		return;
	if (*flush)
		vmm_flush_remote_tlbs(vm);
	*flush = false;
	cond_resched_rwlock_write(&vm->mmu_lock);
}

/* No vCPU is left, nor is the MMU notifier: nothing to lock or to flush. */
void tdp_vm_destroy(struct vmm_vm *vm)
{
	struct tdp_root *root = vm->arch.root;
	LIST_HEAD(tables);

	if (!root)
		return;
	queue_tables(root->fmt, root->table, root->level, &tables);
	tdp_free_tables(&tables, true);
	kfree(root);
	vm->arch.root = NULL;
}

/*
 * Take the write permission from a level 1 leaf. True: it had it. The CPU's dirty
 * bit and faults that add permissions may come in between, never a table: so it
 * is enough to clear the bit, whatever else the entry has become.
 */
static __always_inline bool protect(u64 *ptep, u64 write)
{
	if (!(READ_ONCE(*ptep) & write))
		return false;
	atomic64_and(~write, (atomic64_t *)ptep);
	return true;
}

/*
 * The same for a large leaf, which a fault may replace by a table meanwhile:
 * then look at the table, from @start on.
 */
static bool protect_large(struct tdp_iter *it, gfn_t start, gfn_t end)
{
	const struct tdp_format *fmt = it->root->fmt;
	u64 pte = READ_ONCE(*it->ptep);

	if (!tdp_is_table(fmt, pte, it->level)) {
		if (!(pte & fmt->write))
			return false;
		if (tdp_change(it->ptep, pte, pte & ~fmt->write))
			return true;
	}
	/* The leaf may begin before the range that was asked for. */
	tdp_iter_init(it, it->root, max(it->gfn, start), end);
	return false;
}

bool tdp_write_protect_slot(struct vmm_vm *vm, const struct vmm_memslot *slot)
{
	gfn_t gfn = slot->base, end = slot->base + slot->npages, stop;
	u64 write = vm->arch.root->fmt->write;
	struct tdp_iter it;
	bool flush = false;
	unsigned int i;

	for (; gfn < end; gfn = stop) {
		stop = min(end, (gfn | (tdp_pages(3) - 1)) + 1);
		read_lock(&vm->mmu_lock);
		tdp_iter_init(&it, vm->arch.root, gfn, stop);
		while (tdp_iter_next(&it)) {
			if (it.level > 1) {
				flush |= protect_large(&it, gfn, stop);
				continue;
			}
			for (i = 0; i < it.n; i++)
				flush |= protect(&it.ptep[i], write);
		}
		read_unlock(&vm->mmu_lock);
		cond_resched();
	}
	return flush;
}

bool tdp_write_protect_pages(struct vmm_vm *vm, gfn_t gfn, const unsigned long *mask,
			     unsigned int nbits)
{
	u64 write = vm->arch.root->fmt->write;
	unsigned long bit, stop;
	struct tdp_iter it;
	bool flush = false;

	read_lock(&vm->mmu_lock);
	tdp_iter_init(&it, vm->arch.root, gfn, gfn + nbits);
	while (tdp_iter_next(&it)) {
		if (it.level > 1) {
			flush |= protect_large(&it, gfn, gfn + nbits);
			continue;
		}
		bit = it.gfn - gfn;
		stop = bit + it.n;
		for_each_set_bit_from(bit, mask, stop)
			flush |= protect(&it.ptep[bit - (it.gfn - gfn)], write);
	}
	read_unlock(&vm->mmu_lock);
	return flush;
}

bool tdp_age_range(struct vmm_vm *vm, gfn_t start, gfn_t end, bool clear)
{
	const struct tdp_root *root = vm->arch.root;
	u64 accessed = root->fmt->accessed, pte;
	struct tdp_iter it;
	bool young = false, flush = false;
	unsigned int i;

	tdp_iter_init(&it, root, start, end);
	while (tdp_iter_next(&it)) {
		for (i = 0; i < it.n; i++) {
			pte = READ_ONCE(it.ptep[i]);
			if (!(pte & accessed) || tdp_is_table(root->fmt, pte, it.level))
				continue;
			young = true;
			if (!clear)
				return true;
			/* If the CPU does not say so, an access shows as a new fault. */
			if (tdp_change(&it.ptep[i], pte, root->ad ? pte & ~accessed : 0))
				flush |= !root->ad;
		}
	}
	if (flush)
		vmm_flush_remote_tlbs(vm);
	return young;
}

/* The table of 4 KiB or 2 MiB leaves that stands where a leaf could: its level. */
static int recoverable(struct vmm_vm *vm, const struct vmm_memslot *slot, gfn_t gfn)
{
	const struct tdp_root *root = vm->arch.root;
	struct tdp_host host;
	int level, want;
	u64 *table = root->table, pte;

	if (!tdp_host_walk(vm->mm, slot_hva(slot, gfn), &host))
		return 1;
	want = tdp_fit_level(root, slot, gfn, host.level);
	for (level = root->level; level >= want && want > 1; level--) {
		pte = table[tdp_index(gfn, level)];
		if (!tdp_is_table(root->fmt, pte, level))
			return 1;
		table = tdp_child(pte);
	}
	return want;
}

void tdp_recover_huge(struct vmm_vm *vm, const struct vmm_memslot *slot)
{
	gfn_t gfn = slot->base, end = slot->base + slot->npages, first;
	bool flush = false;
	LIST_HEAD(tables);
	int level;

	write_lock(&vm->mmu_lock);
	while (gfn < end) {
		level = recoverable(vm, slot, gfn);
		first = gfn & ~(tdp_pages(level) - 1);
		if (level > 1)
			flush |= tdp_zap_range(vm, first, first + tdp_pages(level), &tables);
		gfn = (gfn | (tdp_pages(max(level, 2)) - 1)) + 1;
		tdp_zap_yield(vm, &flush);
	}
	if (flush)
		vmm_flush_remote_tlbs(vm);
	write_unlock(&vm->mmu_lock);
	tdp_free_tables(&tables, true);
}
