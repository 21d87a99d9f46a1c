// SPDX-License-Identifier: GPL-2.0
/*
 * What the host maps at an address of the VM's process: the input of a
 * second-level fault (arch/x86/tdp.c).
 *
 * The fast way reads the host's page table without a lock and takes no page
 * reference. That is sound because the result is used only if the MMU notifier
 * saw no change since before the walk (struct vmm_invalidate): the host tells
 * us before it takes the page away. Interrupts are off meanwhile, which keeps
 * the tables that we walk from being freed, as for get_user_pages_fast().
 *
 * The guest may write only what the host knows to be dirty, by its entry or, after
 * tdp_host_fault(), by the page: then nothing has to be reported when the
 * translation goes.
 */
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>

#include <asm/pkru.h>

#include <vmm/compat.h>

#include "tdp_table.h"

/*
 * Memory without a struct page in the VMA's sense (device memory, mostly) says
 * in its flags how to cache it; where it says "write-back", believe it only of RAM.
 */
static u8 odd_memtype(u64 flags, u64 pfn)
{
	if (flags & _PAGE_PCD)
		return TDP_UC;
	if (flags & _PAGE_PWT)
		return TDP_WC;
	return is_zero_pfn(pfn) || page_is_ram(pfn) ? TDP_WB : TDP_UC;
}

/* Protection keys bind the VMM's own threads, so also the guest's accesses. */
static bool pkey_allows(struct tdp_host *host, u16 pkey)
{
	u32 pkru = read_pkru();

	host->writable &= __pkru_allows_write(pkru, pkey);
	return __pkru_allows_read(pkru, pkey);
}

/* A leaf of the host's tables: can we use it as it is? */
static __always_inline bool use_leaf(struct tdp_host *host, u64 entry, u64 pfn, int level)
{
	const u64 need = _PAGE_PRESENT | _PAGE_USER;

	if ((entry & need) != need)
		return false;
	host->pfn = pfn;
	host->level = level;
	host->memtype = TDP_WB;
	host->writable = entry & _PAGE_RW;
	host->dirty = entry & (_PAGE_DIRTY | _PAGE_SPECIAL);
	if (unlikely(entry & (_PAGE_PWT | _PAGE_PCD | _PAGE_SPECIAL)))
		host->memtype = odd_memtype(entry, pfn);
	return likely(!pte_flags_pkey(entry)) || pkey_allows(host, pte_flags_pkey(entry));
}

static __always_inline bool walk(struct mm_struct *mm, hva_t hva, struct tdp_host *host)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;
	pte_t pte;

	if (!pgd_present(pgd))
		return false;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		return false;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (!pud_present(pud))
		return false;
	if (pud_leaf(pud))
		return use_leaf(host, pud_val(pud),
				pud_pfn(pud) + ((hva & ~PUD_MASK) >> PAGE_SHIFT), 3);
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!pmd_present(pmd))
		return false;
	if (pmd_leaf(pmd))
		return use_leaf(host, pmd_val(pmd),
				pmd_pfn(pmd) + ((hva & ~PMD_MASK) >> PAGE_SHIFT), 2);
	pte = READ_ONCE(*pte_offset_kernel(&pmd, hva));
	return use_leaf(host, pte_val(pte), pte_pfn(pte), 1);
}

/**
 * tdp_host_walk() - look at the host's page table
 * @mm: address space of the VM's process
 * @hva: any address in the page
 * @host: result, without a page reference
 *
 * Context: interrupts on. Return: false if the page is not mapped in a way that
 * can be used as it is; tdp_host_fault() knows more.
 */
bool tdp_host_walk(struct mm_struct *mm, hva_t hva, struct tdp_host *host)
{
	bool found;

	local_irq_disable();
	found = walk(mm, hva, host);
	local_irq_enable();
	return found;
}

/* get_user_pages() does not know device memory: let its driver map the page. */
static int fault_device_page(struct mm_struct *mm, hva_t hva, bool write)
{
	struct vm_area_struct *vma;
	bool unlocked = false;
	int r = -EFAULT;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, hva);
	if (vma && vma->vm_flags & (VM_IO | VM_PFNMAP))
		r = fixup_user_fault(mm, hva, write ? FAULT_FLAG_WRITE : 0, &unlocked);
	mmap_read_unlock(mm);
	return r;
}

/**
 * tdp_host_fault() - make the host map a page as the guest needs it
 * @vm: VM
 * @hva: any address in the page
 * @write: for writing; marks the page dirty
 * @page: the page, with a reference; or NULL, for device memory
 *
 * Where it is, tdp_host_walk() tells. Context: current->mm is the VM's; sleeps.
 * Return: 0; -EFAULT: nothing there, or not for writing; -EINTR: a signal came;
 * -ENOMEM; -EHWPOISON: the page is broken, SIGBUS is on its way.
 */
int tdp_host_fault(struct vmm_vm *vm, hva_t hva, bool write, struct page **page)
{
	long n;

	*page = NULL;
	n = get_user_pages_unlocked(hva & PAGE_MASK, 1, page,
				    VMM_FOLL_FLAGS | (write ? FOLL_WRITE : 0));
	switch (n) {
	case 1:
		return 0;
	case -EHWPOISON:
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)hva, PAGE_SHIFT, current);
		return -EHWPOISON;
	case -EFAULT:
		return fault_device_page(vm->mm, hva, write);
	case -EAGAIN:
	case -ERESTARTSYS:
	case 0:
		return -EINTR;
	default:
		return n;
	}
}
