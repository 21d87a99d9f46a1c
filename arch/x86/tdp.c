// SPDX-License-Identifier: GPL-2.0
/*
 * Second-level faults: how a guest page gets its translation.
 *
 * tdp_fault() is called by the exit handler when a guest access found no
 * translation, or one that denies it. It looks up the slot, asks the host what
 * is mapped there (tdp_host.c), and puts a leaf of the same size into the VM's
 * tree, unless the host changed its mind meanwhile. Removal, write protection
 * and ageing are in tdp_zap.c; the rules of the tree are in tdp_table.h.
 *
 * Locks: mmu_lock for reading, so faults of different vCPUs run in parallel;
 * tables come from a per-vCPU cache that is filled before the lock is taken.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include <vmm/backend.h>

#include "tdp_table.h"

static int nx_huge_pages = -1;
module_param(nx_huge_pages, int, 0444);
MODULE_PARM_DESC(nx_huge_pages,
		 "Execute guest code from 4 KiB pages only: 1 yes, 0 no, -1 (default) where the CPU needs it against the iTLB multihit erratum");

static u64 *alloc_table(void)
{
	return (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

int tdp_vm_init(struct vmm_vm *vm)
{
	const struct vmm_backend *b = vm->backend;
	struct tdp_root *root = kzalloc(sizeof(*root), GFP_KERNEL_ACCOUNT);

	if (!root)
		return -ENOMEM;
	root->table = alloc_table();
	if (!root->table) {
		kfree(root);
		return -ENOMEM;
	}
	root->fmt = b->tdp;
	root->level = root->fmt->host_levels && pgtable_l5_enabled() ? 5 : 4;
	root->max_level = b->tdp_max_level;
	root->ad = b->tdp_ad;
	root->nx_huge = nx_huge_pages < 0 ? boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) : nx_huge_pages;
	vm->arch.root = root;
	return 0;
}

int tdp_vcpu_init(struct vmm_vcpu *vcpu)
{
	vcpu->arch.tdp_cache = kzalloc(sizeof(*vcpu->arch.tdp_cache), GFP_KERNEL_ACCOUNT);
	vcpu->arch.mmio_gen = 0;
	return vcpu->arch.tdp_cache ? 0 : -ENOMEM;
}

void tdp_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	struct tdp_vcpu_cache *cache = vcpu->arch.tdp_cache;

	while (cache && cache->nr)
		free_page((unsigned long)cache->table[--cache->nr]);
	kfree(cache);
	vcpu->arch.tdp_cache = NULL;
}

/* With the memory encryption bit, where the host has that. */
hpa_t tdp_root_pa(struct vmm_vm *vm)
{
	return __sme_pa(vm->arch.root->table);
}

gfn_t tdp_max_gfn(struct vmm_vm *vm)
{
	unsigned int bits = PAGE_SHIFT + TDP_LEVEL_BITS * vm->arch.root->level;

	bits = min_t(unsigned int, bits, boot_cpu_data.x86_phys_bits);
	return (1ull << (bits - PAGE_SHIFT)) - 1;
}

/* At most a table for each level below the top one. */
static int fill_cache(struct tdp_vcpu_cache *cache, unsigned int need)
{
	while (cache->nr < need) {
		u64 *table = alloc_table();

		if (!table)
			return -ENOMEM;
		cache->table[cache->nr++] = table;
	}
	return 0;
}

/* mmu_lock held: has what a fault learned since seq become doubtful? */
static __always_inline bool stale(const struct vmm_vm *vm, unsigned long seq, hva_t hva, int level)
{
	const struct vmm_invalidate *inval = &vm->inval;
	hva_t start;

	if (unlikely(inval->seq != seq))
		return true;
	if (likely(!inval->running))
		return false;
	/* All of what the leaf would map has to be quiet. */
	start = hva & ~((tdp_pages(level) << PAGE_SHIFT) - 1);
	return start < inval->end && start + (tdp_pages(level) << PAGE_SHIFT) > inval->start;
}

static __always_inline bool allows(const struct tdp_format *fmt, u64 pte, unsigned int access)
{
	if (access & VMM_ACCESS_WRITE && !(pte & fmt->write))
		return false;
	return !(access & VMM_ACCESS_EXEC) || tdp_executable(fmt, pte);
}

/* What the fault is about, and what was found out. */
struct fault {
	struct vmm_vcpu *vcpu;
	const struct vmm_memslot *slot;
	gfn_t gfn;
	hva_t hva;
	unsigned int access;
	unsigned long seq;
	struct tdp_host host;
	bool flush;			/* a translation became stricter */
};

/**
 * tdp_fit_level() - the largest leaf that fits
 * @root: tree
 * @slot: slot
 * @gfn: guest frame in it
 * @level: of the host's leaf
 *
 * No larger than the host's, inside the slot, and with guest and host addresses
 * equally aligned.
 */
int tdp_fit_level(const struct tdp_root *root, const struct vmm_memslot *slot,
		  gfn_t gfn, int level)
{
	for (level = min_t(int, level, root->max_level); level > 1; level--) {
		u64 mask = tdp_pages(level) - 1;
		gfn_t first = gfn & ~mask;

		if (!((slot->base ^ (slot->hva >> PAGE_SHIFT)) & mask) &&
		    first >= slot->base && first + mask < slot->base + slot->npages)
			break;
	}
	return level;
}

static __always_inline int leaf_level(const struct fault *f, const struct tdp_root *root)
{
	if (likely(f->host.level == 1))
		return 1;
	/* What is logged or, with the erratum, executed, goes 4 KiB at a time. */
	if ((f->access & VMM_ACCESS_WRITE && f->slot->dirty) ||
	    (f->access & VMM_ACCESS_EXEC && root->nx_huge))
		return 1;
	return tdp_fit_level(root, f->slot, f->gfn, f->host.level);
}

static __always_inline u64 make_leaf(const struct fault *f, const struct tdp_root *root, int level)
{
	const struct tdp_format *fmt = root->fmt;
	u64 pte = fmt->leaf | fmt->memtype[f->host.memtype] | fmt->accessed;
	u64 pfn = f->host.pfn & ~(tdp_pages(level) - 1);

	pte |= pfn << PAGE_SHIFT;
	if (likely(f->host.memtype == TDP_WB))
		pte = __sme_set(pte);
	if (level > 1)
		pte |= fmt->large;
	pte |= level > 1 && root->nx_huge ? fmt->noexec : fmt->exec;
	if (f->host.writable) {
		pte |= TDP_MAY_WRITE;
		if (!f->slot->dirty || f->access & VMM_ACCESS_WRITE)
			pte |= fmt->write | fmt->dirty;
	}
	return pte;
}

/*
 * A large leaf is in the way of a smaller one: put a table with the same
 * mapping in its place. mmu_lock held for reading.
 */
static bool split_leaf(struct fault *f, const struct tdp_root *root, u64 *ptep, u64 pte, int level)
{
	struct tdp_vcpu_cache *cache = f->vcpu->arch.tdp_cache;
	u64 *table = cache->table[cache->nr - 1];
	u64 step = tdp_pages(level - 1) << PAGE_SHIFT;
	u64 child = pte, i;

	if (level - 1 == 1)
		child &= ~root->fmt->large;
	for (i = 0; i < TDP_ENTRIES; i++)
		table[i] = child + i * step;
	if (!tdp_change(ptep, pte, __sme_set(__pa(table)) | root->fmt->table)) {
		memset(table, 0, PAGE_SIZE);
		return false;
	}
	cache->nr--;
	f->flush = true;
	return true;
}

static __always_inline bool add_table(struct fault *f, const struct tdp_root *root, u64 *ptep)
{
	struct tdp_vcpu_cache *cache = f->vcpu->arch.tdp_cache;

	if (!tdp_change(ptep, 0, __sme_set(__pa(cache->table[cache->nr - 1])) | root->fmt->table))
		return false;
	cache->nr--;
	return true;
}

/*
 * Put the leaf into the tree. mmu_lock held for reading. Return: true if the
 * access is possible now; false if somebody else changed the tree: try again.
 */
static bool install(struct fault *f, const struct tdp_root *root, int target)
{
	const struct tdp_format *fmt = root->fmt;
	int level = root->level;
	u64 *table = root->table;
	u64 *ptep, pte, new;

	for (;; level--) {
		ptep = &table[tdp_index(f->gfn, level)];
		pte = READ_ONCE(*ptep);
		/* Finer mappings exist below: keep them and add to them. */
		if (level == target && tdp_is_table(fmt, pte, level))
			target--;
		if (level == target)
			break;
		if (!pte) {
			if (!add_table(f, root, ptep))
				return false;
		} else if (!tdp_is_table(fmt, pte, level)) {
			if (allows(fmt, pte, f->access))
				return true;
			if (!split_leaf(f, root, ptep, pte, level))
				return false;
		}
		table = tdp_child(READ_ONCE(*ptep));
	}
	if (pte && allows(fmt, pte, f->access))
		return true;
	new = make_leaf(f, root, level);
	/* Never seen: the host would have told before it exchanged the page. */
	if (pte && (pte ^ new) & GENMASK_ULL(51, 12))
		f->flush = true;
	else
		/* Whoever writes without a fault goes on to: TLBs are not flushed. */
		new |= pte & (fmt->write | fmt->dirty);
	return tdp_change(ptep, pte, new);
}

/*
 * The access was denied by an entry that exists. If that is only because the
 * first write to the page is to be seen, there is nothing to look up.
 * Return: true if the access is possible now.
 */
static bool fix_write(struct fault *f)
{
	struct vmm_vm *vm = f->vcpu->vm;
	const struct tdp_root *root = vm->arch.root;
	const struct tdp_format *fmt = root->fmt;
	u64 *table = root->table;
	bool fixed = false;
	int level;
	u64 *ptep, pte;

	read_lock(&vm->mmu_lock);
	if (vm->inval.seq != f->seq)
		goto out;
	for (level = root->level;; level--) {
		ptep = &table[tdp_index(f->gfn, level)];
		pte = READ_ONCE(*ptep);
		if (!tdp_is_table(fmt, pte, level))
			break;
		table = tdp_child(pte);
	}
	if (level == 1 && pte & TDP_MAY_WRITE)
		fixed = pte & fmt->write || tdp_change(ptep, pte, pte | fmt->write | fmt->dirty);
out:
	read_unlock(&vm->mmu_lock);
	if (fixed)
		vmm_mark_dirty(vm, f->vcpu, f->slot, f->gfn);
	return fixed;
}

/* The host's page is known: map it. TDP_RESUME, or -ENOMEM. */
static int map(struct fault *f)
{
	struct vmm_vm *vm = f->vcpu->vm;
	const struct tdp_root *root = vm->arch.root;
	int level = leaf_level(f, root);
	bool done = false;

	if (unlikely(f->vcpu->arch.tdp_cache->nr < root->level - 1) &&
	    fill_cache(f->vcpu->arch.tdp_cache, root->level - 1))
		return -ENOMEM;

	read_lock(&vm->mmu_lock);
	if (!stale(vm, f->seq, f->hva, level))
		done = install(f, root, level);
	read_unlock(&vm->mmu_lock);
	if (unlikely(f->flush))
		vmm_flush_remote_tlbs(vm);
	if (done && f->access & VMM_ACCESS_WRITE)
		vmm_mark_dirty(vm, f->vcpu, f->slot, f->gfn);
	return TDP_RESUME;
}

/*
 * No slot: remember it, because the guest will touch the device again. Return:
 * a slot that was added since the lookup, or NULL.
 */
static struct vmm_memslot *no_slot(struct vmm_vcpu *vcpu, gfn_t gfn)
{
	struct vmm_memslot *slot;

	vcpu->arch.mmio_gfn = gfn;
	vcpu->arch.mmio_gen = vmm_slots(vcpu->vm)->gen;
	slot = vcpu_find_slot(vcpu, gfn);
	if (slot)
		vcpu->arch.mmio_gen = 0;
	return slot;
}

/*
 * Find the slot. The sequence comes first: what is looked up from here on must
 * still be true when the leaf is installed. TDP_RESUME: go on.
 */
static __always_inline int look_up(struct fault *f)
{
	struct vmm_vcpu *vcpu = f->vcpu;

	f->seq = READ_ONCE(vcpu->vm->inval.seq);
	/* Whoever changes slot or page table counts seq up under mmu_lock, afterwards. */
	smp_rmb();
	f->slot = vcpu_find_slot(vcpu, f->gfn);
	if (unlikely(!f->slot)) {
		f->slot = no_slot(vcpu, f->gfn);
		if (!f->slot)
			return TDP_EMULATE;
	}
	if (unlikely(f->access & VMM_ACCESS_WRITE && f->slot->flags & VMM_MEM_READONLY))
		return TDP_EMULATE;
	f->hva = slot_hva(f->slot, f->gfn);
	return TDP_RESUME;
}

/*
 * Does the host map the page so that the guest can have all that host and slot
 * allow? page: held by us and known to be dirty, or NULL.
 */
static __always_inline bool host_ready(struct fault *f, struct page *page)
{
	struct tdp_host *host = &f->host;

	if (!tdp_host_walk(f->vcpu->vm->mm, f->hva, host))
		return false;
	if (unlikely(f->slot->flags & VMM_MEM_READONLY))
		host->writable = false;
	if (unlikely(page) && page_to_pfn(page) == host->pfn)
		host->dirty = true;
	/* Writable but clean: it would only fault again at the first write. */
	return host->writable ? host->dirty : !(f->access & VMM_ACCESS_WRITE);
}

/* The host does not have the page ready: fault it in, then start again. */
static noinline int fault_in(struct fault *f)
{
	bool wanted = f->access & VMM_ACCESS_WRITE, write = wanted;
	struct page *page;
	int r;

	/* The host's entry allows more than this access needs. */
	if (f->host.writable)
		write = true;
	r = tdp_host_fault(f->vcpu->vm, f->hva, write, &page);
	if (r == -EHWPOISON || (r == -EFAULT && write != wanted))
		return TDP_RESUME;
	if (r)
		return r;
	r = look_up(f);
	/* If it is gone again already, the guest's next attempt will tell. */
	if (r == TDP_RESUME && host_ready(f, write ? page : NULL))
		r = map(f);
	if (page)
		put_page(page);
	return r;
}

/**
 * tdp_fault() - a guest access found no translation, or one that denies it
 * @vcpu: vCPU
 * @gpa: guest physical address
 * @access: VMM_ACCESS_*
 * @present: a translation existed
 *
 * Context: srcu held, vCPU loaded, may sleep.
 * Return: TDP_RESUME: the access may work now; TDP_EMULATE: no slot, or a write
 * to a read-only one; -EFAULT: the host has nothing there, or forbids it;
 * -EINTR: a signal came while waiting for the page; -ENOMEM.
 */
int tdp_fault(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int access, bool present)
{
	struct fault f = { .vcpu = vcpu, .gfn = gpa_to_gfn(gpa), .access = access };
	struct vmm_vm *vm = vcpu->vm;
	bool write = access & VMM_ACCESS_WRITE;
	int r;

	if (f.gfn == vcpu->arch.mmio_gfn && vmm_slots(vm)->gen == vcpu->arch.mmio_gen)
		return TDP_EMULATE;
	r = look_up(&f);
	if (likely(r == TDP_RESUME)) {
		r = write ? vmm_snapshot_save(vm, f.slot, f.gfn) : 0;
		if (unlikely(r))
			return r;
		if (present && write && fix_write(&f))
			return TDP_RESUME;
		if (host_ready(&f, NULL))
			return map(&f);
		return fault_in(&f);
	}
	return r;
}
