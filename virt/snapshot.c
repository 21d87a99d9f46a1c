// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots: VMM_SNAPSHOT_MARK remembers a VM as it is, VMM_SNAPSHOT_RESTORE
 * brings it back, as often as wanted, at a cost that grows with what was written
 * in between. For fuzzers, and for many short runs from one prepared state.
 *
 * Memory is what the slots with a dirty log have. Marking write-protects them,
 * and copies nothing. Whoever is about to make such a page writable, or to write
 * it for the guest, calls vmm_snapshot_save() before: the first time since the
 * mark the page's contents are kept, the first time since the last restore the
 * page goes on the list of those to bring back. The VMM's own writes to guest
 * memory are not seen here.
 *
 * vCPUs are arch/x86/snapshot.c's, devices of the kernel arch/x86/irqchip/snapshot.c's.
 * Mark and restore hold vm->lock, the mutexes of all vCPUs, so none runs, and
 * slots_lock. Savers hold a vCPU's mutex and vm->srcu; they compete for a page, and
 * the first one in the array wins: until then nobody could write the page, so all of
 * them have seen the same contents.
 */
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vmm/guest_memory.h>
#include <vmm/tdp.h>

/**
 * struct saved_page - a page as it was when the snapshot was marked
 * @gfn: which
 * @hva: where the VM's process has it
 * @data: the contents
 * @touched: it is on the list of pages to bring back
 * @node: in that list
 */
struct saved_page {
	gfn_t gfn;
	hva_t hva;
	void *data;
	unsigned long touched;
	struct llist_node node;
};

/**
 * struct vmm_snapshot - a mark
 * @gen: of the slots; when they change, the snapshot is of no use any more
 * @nr_vcpus: when it was marked
 * @pages: gfn -> struct saved_page
 * @touched: since the last restore
 */
struct vmm_snapshot {
	u64 gen;
	unsigned int nr_vcpus;
	struct xarray pages;
	struct llist_head touched;
};

static void free_page_copy(struct saved_page *p)
{
	free_page((unsigned long)p->data);
	kfree(p);
}

static void free_snapshot(struct vmm_vm *vm, struct vmm_snapshot *snap)
{
	struct saved_page *p;
	struct vmm_vcpu *vcpu;
	unsigned long i;

	if (!snap)
		return;
	xa_for_each(&snap->pages, i, p)
		free_page_copy(p);
	xa_destroy(&snap->pages);
	kfree(snap);
	vmm_for_each_vcpu(i, vcpu, vm)
		vmm_arch_snapshot_free(vcpu);
	vmm_arch_snapshot_free_vm(vm);
}

/* --- before a page is written --- */

/* -EFAULT: the host has nothing there. */
static struct saved_page *save_page(struct vmm_snapshot *snap, const struct vmm_memslot *slot,
				    gfn_t gfn)
{
	struct saved_page *p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT), *other;
	int r = -ENOMEM;

	if (!p)
		return ERR_PTR(r);
	p->gfn = gfn;
	p->hva = slot_hva(slot, gfn);
	p->data = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!p->data)
		goto err;
	r = -EFAULT;
	if (__copy_from_user(p->data, (void __user *)p->hva, PAGE_SIZE))
		goto err;
	other = xa_cmpxchg(&snap->pages, gfn, NULL, p, GFP_KERNEL_ACCOUNT);
	if (!other)
		return p;
	free_page_copy(p);
	return xa_is_err(other) ? ERR_PTR(xa_err(other)) : other;
err:
	free_page_copy(p);
	return ERR_PTR(r);
}

/* vmm_snapshot_save(), where there is a snapshot. */
int vmm_snapshot_save_slow(struct vmm_vm *vm, const struct vmm_memslot *slot, gfn_t gfn)
{
	struct vmm_snapshot *snap = srcu_dereference(vm->snapshot, &vm->srcu);
	struct saved_page *p;

	if (!snap || snap->gen != vmm_slots(vm)->gen)
		return 0;
	p = xa_load(&snap->pages, gfn);
	if (!p)
		p = save_page(snap, slot, gfn);
	if (IS_ERR(p))
		return PTR_ERR(p);
	if (!test_and_set_bit(0, &p->touched))
		llist_add(&p->node, &snap->touched);
	return 0;
}

/* --- all vCPUs stand still --- */

/* vm->lock held. Up to, and without, the one that runs. */
static void unlock_vcpus(struct vmm_vm *vm, const struct vmm_vcpu *end)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	vmm_for_each_vcpu(i, vcpu, vm) {
		if (vcpu == end)
			break;
		mutex_unlock(&vcpu->mutex);
	}
}

static int lock_vcpus(struct vmm_vm *vm)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	vmm_for_each_vcpu(i, vcpu, vm) {
		if (mutex_trylock(&vcpu->mutex))
			continue;
		unlock_vcpus(vm, vcpu);
		return -EBUSY;
	}
	return 0;
}

/* --- mark --- */

/* All logged slots: without write permission from now on. */
static int protect_slots(struct vmm_vm *vm)
{
	struct vmm_memslot *slot;
	unsigned long id;
	int r = -EINVAL;

	xa_for_each(&vm->slots_by_id, id, slot) {
		if (!slot->dirty)
			continue;
		tdp_write_protect_slot(vm, slot);
		r = 0;
	}
	vmm_flush_remote_tlbs(vm);
	return r;
}

/* vCPUs and devices of the kernel. */
static int mark_machine(struct vmm_vm *vm)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;
	int r = 0;

	vmm_arch_snapshot_pause(vm);
	vmm_for_each_vcpu(i, vcpu, vm) {
		r = vmm_arch_snapshot_mark(vcpu);
		if (r)
			break;
	}
	if (!r)
		r = vmm_arch_snapshot_mark_vm(vm);
	vmm_arch_snapshot_go_on(vm);
	return r;
}

/* slots_lock and all vCPUs' mutexes held. */
static int mark(struct vmm_vm *vm)
{
	struct vmm_snapshot *old, *snap = kzalloc(sizeof(*snap), GFP_KERNEL_ACCOUNT);
	int r;

	if (!snap)
		return -ENOMEM;
	xa_init_flags(&snap->pages, XA_FLAGS_ACCOUNT);
	init_llist_head(&snap->touched);
	snap->gen = vmm_slots(vm)->gen;
	snap->nr_vcpus = vm->created_vcpus;

	old = rcu_replace_pointer(vm->snapshot, NULL, lockdep_is_held(&vm->slots_lock));
	synchronize_srcu_expedited(&vm->srcu);
	free_snapshot(vm, old);
	r = mark_machine(vm);
	if (!r)
		r = protect_slots(vm);
	if (r) {
		free_snapshot(vm, snap);
		return r;
	}
	rcu_assign_pointer(vm->snapshot, snap);
	return 0;
}

/* --- restore --- */

/* The one instruction that is quick with a whole page on every CPU. */
static int put_page_contents(void __user *to, const void *from)
{
	unsigned long words = PAGE_SIZE / sizeof(u64);

	if (!user_access_begin(to, PAGE_SIZE))
		return -EFAULT;
	asm volatile("1: rep movsq\n"
		     "2:\n"
		     _ASM_EXTABLE_UA(1b, 2b)
		     : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	user_access_end();
	return words ? -EFAULT : 0;
}

/* Bring back what was touched. What cannot be written stays on the list. */
static int restore_pages(struct vmm_vm *vm, struct vmm_snapshot *snap)
{
	const unsigned long one = 1;
	struct llist_node *node, *next;
	struct vmm_memslot *slot = NULL;
	int r = 0;

	for (node = llist_del_all(&snap->touched); node; node = next) {
		struct saved_page *p = llist_entry(node, struct saved_page, node);

		next = node->next;
		if (r || put_page_contents((void __user *)p->hva, p->data)) {
			llist_add(node, &snap->touched);
			r = -EFAULT;
			continue;
		}
		p->touched = 0;
		if (!slot || p->gfn - slot->base >= slot->npages)
			slot = vmm_find_slot(vm, p->gfn);
		/* The log may have been read since the guest wrote. */
		vmm_mark_dirty(vm, NULL, slot, p->gfn);
		tdp_write_protect_pages(vm, p->gfn, &one, 1);
		cond_resched();
	}
	return r;
}

static int restore(struct vmm_vm *vm)
{
	struct vmm_snapshot *snap = rcu_dereference_protected(vm->snapshot,
							      lockdep_is_held(&vm->slots_lock));
	struct vmm_vcpu *vcpu;
	unsigned long i;
	int r;

	if (!snap)
		return -ENOENT;
	if (snap->gen != vmm_slots(vm)->gen || snap->nr_vcpus != vm->created_vcpus)
		return -ESTALE;
	r = restore_pages(vm, snap);
	/* Write permissions went, and page tables of the guest may be among the pages. */
	vmm_flush_remote_tlbs(vm);
	if (r)
		return r;
	vmm_arch_snapshot_pause(vm);
	vmm_for_each_vcpu(i, vcpu, vm)
		vmm_arch_snapshot_restore(vcpu);
	vmm_arch_snapshot_restore_vm(vm);
	vmm_arch_snapshot_go_on(vm);
	return 0;
}

static int drop(struct vmm_vm *vm)
{
	struct vmm_snapshot *snap;

	snap = rcu_replace_pointer(vm->snapshot, NULL, lockdep_is_held(&vm->slots_lock));
	if (!snap)
		return -ENOENT;
	synchronize_srcu_expedited(&vm->srcu);
	free_snapshot(vm, snap);
	return 0;
}

/**
 * vmm_snapshot_ioctl() - VMM_SNAPSHOT_MARK, _RESTORE, _DROP
 * @vm: VM
 * @nr: which of them
 *
 * Context: may sleep.
 * Return: 0; -EBUSY: a vCPU runs, or another ioctl has it; -EINVAL: mark: no slot has
 * a dirty log; -ENOENT: there is no snapshot; -ESTALE: restore: slots or vCPUs are
 * not those of the mark; -EFAULT: restore: a page cannot be written, the vCPUs are as
 * they were; -ENOMEM.
 */
long vmm_snapshot_ioctl(struct vmm_vm *vm, unsigned int nr)
{
	int r;

	mutex_lock(&vm->lock);
	r = lock_vcpus(vm);
	if (!r) {
		mutex_lock(&vm->slots_lock);
		r = nr == VMM_SNAPSHOT_MARK ? mark(vm) :
		    nr == VMM_SNAPSHOT_RESTORE ? restore(vm) : drop(vm);
		mutex_unlock(&vm->slots_lock);
		unlock_vcpus(vm, NULL);
	}
	mutex_unlock(&vm->lock);
	return r;
}

/* The VM goes away; its vCPUs still exist. */
void vmm_snapshot_destroy(struct vmm_vm *vm)
{
	free_snapshot(vm, rcu_dereference_protected(vm->snapshot, true));
}
