// SPDX-License-Identifier: GPL-2.0
/*
 * The host's view: an MMU notifier on the VM's process, which makes second-level
 * translations follow its page tables. Swap, migration, KSM, NUMA balancing,
 * ballooning, fork and munmap all end up here.
 *
 * Between invalidate_range_start() and _end() no translation of the range may
 * exist nor be installed; struct vmm_invalidate says so to the fault path. No
 * page is ever pinned for the guest: what keeps a mapped page alive is that the
 * host tells us here, and waits, before it takes the page away.
 *
 * Callbacks come from any context of the memory manager, also with page-table
 * locks held: they take mmu_lock and nothing else. A VM must be able to go away
 * without waiting for the notifier's grace period, so the notifier is a small
 * object of its own, which outlives the VM; callbacks hold the VM by a count.
 */
#include <linux/completion.h>
#include <linux/mmu_notifier.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <vmm/tdp.h>
#include <vmm/vm.h>

#define INVALIDATE_STEP		(TDP_ZAP_STEP << PAGE_SHIFT)

/**
 * struct vmm_notifier - a VM's subscription to its mm
 * @mn: what the memory manager knows
 * @vm: VM, while @users is not zero
 * @users: callbacks that run now, and one for the VM while it exists
 * @idle: @users reached zero
 */
struct vmm_notifier {
	struct mmu_notifier mn;
	struct vmm_vm *vm;
	refcount_t users;
	struct completion idle;
};

static struct vmm_vm *get_vm(struct mmu_notifier *mn)
{
	struct vmm_notifier *n = container_of(mn, struct vmm_notifier, mn);

	return refcount_inc_not_zero(&n->users) ? n->vm : NULL;
}

static void put_vm(struct mmu_notifier *mn)
{
	struct vmm_notifier *n = container_of(mn, struct vmm_notifier, mn);

	if (refcount_dec_and_test(&n->users))
		complete(&n->idle);
}

/* The guest frames of a slot that [start, last] backs. */
static void slot_range(const struct interval_tree_node *node, hva_t start, hva_t last,
		       gfn_t *first, gfn_t *end)
{
	const struct vmm_memslot *slot = container_of(node, struct vmm_memslot, hva_node);
	hva_t lo = max(start, slot->hva);
	hva_t hi = min(last, node->last);

	*first = slot->base + ((lo - slot->hva) >> PAGE_SHIFT);
	*end = slot->base + ((hi - slot->hva) >> PAGE_SHIFT) + 1;
}

/* Remove the translations of at most a step; *pos advances behind it. */
static bool zap_step(struct vmm_vm *vm, hva_t *pos, hva_t end, struct list_head *tables)
{
	struct interval_tree_node *node;
	bool flush = false;
	gfn_t first, stop;
	hva_t last;

	node = interval_tree_iter_first(&vm->hva_tree, *pos, end - 1);
	if (!node) {
		*pos = end;
		return false;
	}
	*pos = max(*pos, node->start);
	last = end - *pos > INVALIDATE_STEP ? *pos + INVALIDATE_STEP - 1 : end - 1;
	for (; node; node = interval_tree_iter_next(node, *pos, last)) {
		slot_range(node, *pos, last, &first, &stop);
		flush |= tdp_zap_range(vm, first, stop, tables);
	}
	*pos = last + 1;
	return flush;
}

/* mmu_lock held for writing; with may_sleep it may be dropped in between. */
static void zap_hva_range(struct vmm_vm *vm, hva_t start, hva_t end, bool may_sleep,
			  struct list_head *tables)
{
	bool flush = false;
	hva_t pos = start;

	while (pos < end) {
		flush |= zap_step(vm, &pos, end, tables);
		if (pos < end && may_sleep)
			tdp_zap_yield(vm, &flush);
	}
	if (flush)
		vmm_flush_remote_tlbs(vm);
}

static int invalidate_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vmm_vm *vm = get_vm(mn);
	bool may_sleep = mmu_notifier_range_blockable(range);
	struct vmm_invalidate *inval;
	LIST_HEAD(tables);

	if (!vm)
		return 0;
	inval = &vm->inval;
	write_lock(&vm->mmu_lock);
	if (inval->running++) {
		inval->start = min(inval->start, range->start);
		inval->end = max(inval->end, range->end);
	} else {
		inval->start = range->start;
		inval->end = range->end;
	}
	zap_hva_range(vm, range->start, range->end, may_sleep, &tables);
	write_unlock(&vm->mmu_lock);
	tdp_free_tables(&tables, may_sleep);
	put_vm(mn);
	return 0;
}

static void invalidate_range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vmm_vm *vm = get_vm(mn);

	if (!vm)
		return;
	write_lock(&vm->mmu_lock);
	/*
	 * The process uses other memory too, and the guest's faults need not
	 * begin anew for that. A slot that is not in the tree yet is looked up
	 * by faults that begin after this only.
	 */
	if (interval_tree_iter_first(&vm->hva_tree, range->start, range->end - 1))
		vm->inval.seq++;
	VMM_BUG_ON(!vm->inval.running, vm);
	vm->inval.running--;
	write_unlock(&vm->mmu_lock);
	put_vm(mn);
}

/* Was any of the range accessed through the VM? clear: forget that it was. */
static int age(struct mmu_notifier *mn, hva_t start, hva_t end, bool clear)
{
	struct vmm_vm *vm = get_vm(mn);
	struct interval_tree_node *node;
	bool young = false;
	gfn_t first, stop;

	if (!vm)
		return 0;
	read_lock(&vm->mmu_lock);
	for (node = interval_tree_iter_first(&vm->hva_tree, start, end - 1); node;
	     node = interval_tree_iter_next(node, start, end - 1)) {
		slot_range(node, start, end - 1, &first, &stop);
		young |= tdp_age_range(vm, first, stop, clear);
	}
	read_unlock(&vm->mmu_lock);
	put_vm(mn);
	return young;
}

static int clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
		       unsigned long start, unsigned long end)
{
	return age(mn, start, end, true);
}

static int test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	return age(mn, address, address + 1, false);
}

/* The process's address space ends, and with it all of the guest's memory. */
static void release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vmm_vm *vm = get_vm(mn);
	LIST_HEAD(tables);

	if (!vm)
		return;
	write_lock(&vm->mmu_lock);
	vm->inval.seq++;
	zap_hva_range(vm, 0, TASK_SIZE_MAX, true, &tables);
	write_unlock(&vm->mmu_lock);
	tdp_free_tables(&tables, true);
	put_vm(mn);
}

static void free_notifier(struct mmu_notifier *mn)
{
	kfree(container_of(mn, struct vmm_notifier, mn));
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start	= invalidate_range_start,
	.invalidate_range_end	= invalidate_range_end,
	/* As the host does on x86: a stale accessed bit in a TLB costs accuracy only. */
	.clear_flush_young	= clear_young,
	.clear_young		= clear_young,
	.test_young		= test_young,
	.release		= release,
	.free_notifier		= free_notifier,
};

/**
 * vmm_notifier_register() - begin to follow vm->mm, which is the caller's
 * @vm: VM that is being created
 *
 * Context: may sleep, takes mmap_lock. Return: 0, -ENOMEM, -EINTR.
 */
int vmm_notifier_register(struct vmm_vm *vm)
{
	struct vmm_notifier *n = kzalloc(sizeof(*n), GFP_KERNEL_ACCOUNT);
	int r;

	if (!n)
		return -ENOMEM;
	n->vm = vm;
	n->mn.ops = &notifier_ops;
	refcount_set(&n->users, 1);
	init_completion(&n->idle);
	r = mmu_notifier_register(&n->mn, vm->mm);
	if (r) {
		kfree(n);
		return r;
	}
	vm->notifier = n;
	return 0;
}

/**
 * vmm_notifier_unregister() - the VM goes away
 * @vm: VM without users
 *
 * Waits for callbacks that run at this moment; later ones find no VM. The
 * object itself is freed after the notifier's grace period.
 */
void vmm_notifier_unregister(struct vmm_vm *vm)
{
	struct vmm_notifier *n = vm->notifier;

	vm->notifier = NULL;
	if (!refcount_dec_and_test(&n->users))
		wait_for_completion(&n->idle);
	mmu_notifier_put(&n->mn);
}

/* Module exit: wait until every free_notifier() has run. */
void vmm_notifier_sync(void)
{
	mmu_notifier_synchronize();
}
