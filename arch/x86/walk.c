// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's own page tables, walked in software: linear to guest physical.
 *
 * Called for instruction fetch and emulation, where the access must end as it
 * would on the CPU (permissions, accessed and dirty bits, the error code), and
 * for VMM_TRANSLATE. Guests change their tables and use INVLPG without
 * an exit, so every walk reads guest memory. The last few for instructions are
 * remembered, to read the same entries again and see that they are unchanged.
 *
 * The vCPU is loaded and vcpu->mutex held; vm->srcu is held; reading a table may
 * fault it in and sleep. Rules: SDM 3A chapter 4, APM 2 chapter 5.
 */
#include <linux/hash.h>
#include <linux/log2.h>
#include <asm/trap_pf.h>
#include <asm/trapnr.h>

#include <vmm/guest_memory.h>
#include <vmm/x86.h>

#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)
#define PTE_ADDR	GENMASK_ULL(51, 12)
#define PTE_PKEY(pte)	(((pte) >> 59) & 15)

#define MAX_LEVELS	5

/* Where a walk is: filled in level by level. */
struct walk {
	struct vmm_vcpu *vcpu;
	u64 gva;
	unsigned int access;		/* VMM_ACCESS_* */
	unsigned int error;		/* X86_PF_* so far */
	u64 rsvd;			/* bits that no entry may have */
	u64 allowed;			/* W and U: the AND of all levels */
	u64 nx;				/* NX: the OR of all levels */
	int level, top;			/* of the entry last read; of the first */
	u64 pte[MAX_LEVELS + 1];	/* as read, by level */
	gpa_t pte_gpa[MAX_LEVELS + 1];
	gpa_t gpa;			/* result; after -EFAULT the table that cannot be read */
};

static bool efer_nx(const struct vmm_vcpu *vcpu)
{
	return vcpu->arch.efer & EFER_NX;
}

static int page_fault(struct walk *w, struct vmm_fault *fault, unsigned int error)
{
	struct vmm_vcpu *vcpu = w->vcpu;

	if (w->access & VMM_ACCESS_WRITE)
		error |= X86_PF_WRITE;
	if (w->access & VMM_ACCESS_USER)
		error |= X86_PF_USER;
	if (w->access & VMM_ACCESS_EXEC &&
	    (vcpu_cr4(vcpu) & X86_CR4_SMEP ||
	     (vcpu_cr4(vcpu) & X86_CR4_PAE && efer_nx(vcpu))))
		error |= X86_PF_INSTR;
	fault->vector = X86_TRAP_PF;
	fault->error = error;
	fault->address = w->gva;
	return 1;
}

/* May a supervisor access touch a user page? (SMAP; fetches have SMEP) */
static bool smap_allows(struct walk *w)
{
	struct vmm_vcpu *vcpu = w->vcpu;

	if (!(vcpu_cr4(vcpu) & X86_CR4_SMAP))
		return true;
	/* Accesses that the CPU makes by itself, as to a descriptor table. */
	if (w->access & VMM_ACCESS_IMPLICIT)
		return false;
	return vcpu_rflags(vcpu) & X86_EFLAGS_AC;
}

/* Protection keys: data accesses to user pages. */
static bool pkey_allows(struct walk *w, u64 pte)
{
	struct vmm_vcpu *vcpu = w->vcpu;
	u32 bits;

	if (!(vcpu_cr4(vcpu) & X86_CR4_PKE) || !vcpu_long_mode(vcpu) ||
	    w->access & VMM_ACCESS_EXEC)
		return true;
	bits = vcpu->arch.pkru >> (PTE_PKEY(pte) * 2);
	if (bits & 1)
		return false;
	if (!(bits & 2) || !(w->access & VMM_ACCESS_WRITE))
		return true;
	return !(w->access & VMM_ACCESS_USER) && !(vcpu_cr0(vcpu) & X86_CR0_WP);
}

/* The translation exists. 0, or the X86_PF_* bits of why it cannot be used. */
static unsigned int check_access(struct walk *w)
{
	struct vmm_vcpu *vcpu = w->vcpu;
	bool user = w->access & VMM_ACCESS_USER;
	unsigned int error = X86_PF_PROT;

	if (!w->access)
		return 0;
	if (w->access & VMM_ACCESS_EXEC) {
		if (w->nx)
			return X86_PF_PROT;
		if (user ? !(w->allowed & PTE_U) :
			   w->allowed & PTE_U && vcpu_cr4(vcpu) & X86_CR4_SMEP)
			return X86_PF_PROT;
		return 0;
	}
	/* The error code names the key also if something else denies the access. */
	if (w->allowed & PTE_U && !pkey_allows(w, w->pte[w->level]))
		error |= X86_PF_PK;
	if (user ? !(w->allowed & PTE_U) : w->allowed & PTE_U && !smap_allows(w))
		return error;
	if (w->access & VMM_ACCESS_WRITE && !(w->allowed & PTE_W) &&
	    (user || vcpu_cr0(vcpu) & X86_CR0_WP))
		return error;
	return error & X86_PF_PK ? error : 0;
}

/* Replace an entry that must not have changed. 0, 1 it changed, -EFAULT. */
static int change_pte(struct walk *w, int level, u64 set, unsigned int size)
{
	u64 old = w->pte[level], new = old | set;
	int r;

	/* Both are little-endian: the low half is where a 4-byte entry is. */
	r = vcpu_cmpxchg_guest(w->vcpu, w->pte_gpa[level], &old, &new, size);
	/* Tables in read-only memory: the CPU's write is lost there too. */
	return r == -EFAULT ? 0 : r;
}

/* What the CPU does on a successful access. 0, or 1: a table changed meanwhile. */
static int set_accessed_dirty(struct walk *w, unsigned int size)
{
	int level;

	for (level = w->top; level >= w->level; level--) {
		u64 set = PTE_A;

		if (level == w->level && w->access & VMM_ACCESS_WRITE)
			set |= PTE_D;
		if ((w->pte[level] & set) != set && change_pte(w, level, set, size))
			return 1;
	}
	return 0;
}

/* One entry of 8 bytes. 0 go on, X86_PF_* bits, -EFAULT. */
static __always_inline int read_entry(struct walk *w, gpa_t table, int level)
{
	gpa_t gpa = table + ((w->gva >> (12 + 9 * (level - 1))) & 511) * 8;
	u64 pte;

	if (vcpu_read_guest_u64(w->vcpu, gpa, &pte)) {
		w->gpa = gpa;
		return -EFAULT;
	}
	w->level = level;
	w->pte[level] = pte;
	w->pte_gpa[level] = gpa;
	if (unlikely(!(pte & PTE_P)))
		return -ENOENT;
	if (unlikely(pte & w->rsvd))
		return X86_PF_PROT | X86_PF_RSVD;
	w->allowed &= pte;
	w->nx |= pte & PTE_NX;
	return 0;
}

/* 8-byte entries from @level down: PAE, 4-level and 5-level paging. */
static int walk_long(struct walk *w, gpa_t table, int level)
{
	u64 pte, offset;
	int r;

	for (;; level--) {
		r = read_entry(w, table, level);
		if (unlikely(r))
			return r;
		pte = w->pte[level];
		if (level == 1)
			break;
		if (pte & PTE_PS) {
			if (level > 3)
				return X86_PF_PROT | X86_PF_RSVD;
			break;
		}
		table = pte & PTE_ADDR;
	}
	offset = (1ull << (12 + 9 * (level - 1))) - 1;
	/* Bit 12 of a large page is its PAT bit; those above must be zero. */
	if (level > 1 && pte & offset & GENMASK_ULL(29, 13))
		return X86_PF_PROT | X86_PF_RSVD;
	w->gpa = (pte & PTE_ADDR & ~offset) | (w->gva & offset);
	return 0;
}

/* The four pointers of PAE paging: held by the CPU, or read on every use. */
static int walk_pae(struct walk *w)
{
	struct vmm_vcpu *vcpu = w->vcpu;
	unsigned int i = (w->gva >> 30) & 3;
	u64 pdpte;

	w->gpa = (vcpu_cr3(vcpu) & GENMASK_ULL(31, 5)) + i * 8;
	if (vcpu->vm->backend->caps & VMM_BCAP_PDPTRS)
		pdpte = vcpu->arch.pdptr[i];
	else if (vcpu_read_guest_u64(vcpu, w->gpa, &pdpte))
		return -EFAULT;
	if (!(pdpte & PTE_P))
		return -ENOENT;
	w->top = 2;
	return walk_long(w, pdpte & PTE_ADDR, 2);
}

/* 4-byte entries, two levels. */
static int walk_32bit(struct walk *w)
{
	struct vmm_vcpu *vcpu = w->vcpu;
	gpa_t table = vcpu_cr3(vcpu) & GENMASK_ULL(31, 12);
	int level;
	u32 pte;

	w->top = 2;
	for (level = 2;; level--) {
		gpa_t gpa = table + ((w->gva >> (level == 2 ? 22 : 12)) & 1023) * 4;

		w->gpa = gpa;
		if (vcpu_read_guest_u32(vcpu, gpa, &pte))
			return -EFAULT;
		w->level = level;
		w->pte[level] = pte;
		w->pte_gpa[level] = gpa;
		if (!(pte & PTE_P))
			return -ENOENT;
		w->allowed &= pte;
		if (level == 1) {
			w->gpa = (pte & GENMASK(31, 12)) | offset_in_page(w->gva);
			return 0;
		}
		if (pte & PTE_PS && vcpu_cr4(vcpu) & X86_CR4_PSE)
			break;
		table = pte & GENMASK(31, 12);
	}
	/* PSE-36: bits 13..20 are address bits 32..39, bit 21 is reserved. */
	w->gpa = (pte & GENMASK(31, 22)) | (u64)(pte & GENMASK(20, 13)) << 19;
	if (pte & BIT(21) || w->gpa & vcpu->arch.cpuid.gpa_reserved)
		return X86_PF_PROT | X86_PF_RSVD;
	w->gpa |= w->gva & GENMASK(21, 0);
	return 0;
}

/* Noncanonical addresses do not reach the page tables. */
static bool canonical(u64 gva, int levels)
{
	unsigned int shift = 64 - (12 + 9 * levels);

	return (u64)((s64)(gva << shift) >> shift) == gva;
}

static int walk_tables(struct walk *w)
{
	struct vmm_vcpu *vcpu = w->vcpu;

	w->allowed = PTE_W | PTE_U;
	w->nx = 0;
	w->rsvd = vcpu->arch.cpuid.gpa_reserved & PTE_ADDR;
	if (!efer_nx(vcpu))
		w->rsvd |= PTE_NX;
	if (vcpu_long_mode(vcpu))
		return walk_long(w, vcpu_cr3(vcpu) & PTE_ADDR, w->top);
	if (vcpu_cr4(vcpu) & X86_CR4_PAE) {
		w->rsvd |= GENMASK_ULL(62, 52);
		return walk_pae(w);
	}
	return walk_32bit(w);
}

static noinline int translate_slow(struct vmm_vcpu *vcpu, u64 gva, unsigned int access,
				   bool set_ad, gpa_t *gpa, struct vmm_fault *fault)
{
	struct walk w;
	unsigned int size;
	int r;

	w.vcpu = vcpu;
	w.gva = gva;
	w.access = access;
	if (vcpu_long_mode(vcpu)) {
		w.top = vcpu_cr4(vcpu) & X86_CR4_LA57 ? 5 : 4;
		if (!canonical(gva, w.top)) {
			*fault = (struct vmm_fault){ .vector = X86_TRAP_GP };
			return 1;
		}
	}
	do {
		r = walk_tables(&w);
		if (r == -EFAULT) {
			fault->address = w.gpa;
			return r;
		}
		if (r == -ENOENT)
			return page_fault(&w, fault, 0);
		if (!r)
			r = check_access(&w);
		if (r)
			return page_fault(&w, fault, r);
		size = vcpu_cr4(vcpu) & X86_CR4_PAE ? 8 : 4;
	} while (set_ad && set_accessed_dirty(&w, size));
	*gpa = w.gpa;
	return 0;
}

/*
 * The usual case of long mode in a few instructions a level: all tables in the
 * slot used last, nothing to refuse, accessed and dirty bits set already. Bits
 * are collected on the way and judged at the end; an entry that is not present
 * leads to a table that is nonsense, but still in this slot. The entries go into
 * record, if it is not NULL.
 * Return: true: *gpa is the answer; false: translate_slow() finds out.
 */
static __always_inline bool translate_fast(struct vmm_vcpu *vcpu, u64 gva, unsigned int access,
					   gpa_t *gpa, struct vmm_code_walk *record)
{
	const struct vmm_memslot *slot = vcpu->slot_cache.slot;	/* if its gen is right */
	const struct vmm_vcpu_arch *arch = &vcpu->arch;
	u64 need = PTE_P | PTE_A, all = ~0ull, any = 0, refuse, pte, table, size, offset;
	unsigned int shift = arch->cr4 & X86_CR4_LA57 ? 48 : 39, n = 0;
	hva_t hva;

	if (vcpu->slot_cache.gen != vmm_slots(vcpu->vm)->gen || !access ||
	    !canonical(gva, shift == 48 ? 5 : 4))
		return false;
	size = (u64)slot->npages << PAGE_SHIFT;
	hva = slot->hva;
	table = arch->cr3 & PTE_ADDR;

	__uaccess_begin_nospec();
	for (;; shift -= 9) {
		table -= gfn_to_gpa(slot->base);
		if (table >= size)
			goto miss;
		table = array_index_nospec(table, size) + ((gva >> shift) & 511) * 8;
		unsafe_get_user(pte, (u64 __user *)(hva + table), miss);
		if (record) {
			record->entry[n].ptr = (u64 __user *)(hva + table);
			record->entry[n++].value = pte;
		}
		all &= pte;
		any |= pte;
		if (shift == PAGE_SHIFT || pte & PTE_PS)
			break;
		table = pte & PTE_ADDR;
	}
	__uaccess_end();

	offset = (1ull << shift) - 1;
	refuse = (arch->cpuid.gpa_reserved & PTE_ADDR) | (efer_nx(vcpu) ? 0 : PTE_NX);
	if (access & VMM_ACCESS_EXEC)
		refuse |= PTE_NX;
	if (access & VMM_ACCESS_WRITE) {
		need |= PTE_W;
		if (!(pte & PTE_D))
			return false;
	}
	if (access & VMM_ACCESS_USER)
		need |= PTE_U;
	if ((all & need) != need || any & refuse || shift > 30 ||
	    pte & offset & GENMASK_ULL(29, 13))
		return false;
	/* User pages have more rules: SMEP, SMAP, protection keys. */
	if (all & PTE_U &&
	    arch->cr4 & (access & VMM_ACCESS_USER ? X86_CR4_PKE :
			 X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE))
		return false;
	*gpa = (pte & PTE_ADDR & ~offset) | (gva & offset);
	if (record)
		record->nr = n;
	return true;
miss:
	__uaccess_end();
	return false;
}

int vcpu_translate(struct vmm_vcpu *vcpu, u64 gva, unsigned int access,
		   bool set_ad, gpa_t *gpa, struct vmm_fault *fault)
{
	regs_need(vcpu, VMM_G_CR0 | VMM_G_CR3 | VMM_G_CR4);
	if (!(vcpu->arch.cr0 & X86_CR0_PG)) {
		*gpa = gva;
		return 0;
	}
	if (likely(vcpu_long_mode(vcpu)) && likely(translate_fast(vcpu, gva, access, gpa, NULL)))
		return 0;
	return translate_slow(vcpu, gva, access, set_ad, gpa, fault);
}

static __always_inline struct vmm_code_walk *code_walk(struct vmm_vcpu *vcpu, u64 gva)
{
	return &vcpu->arch.code_walk[hash_64(gva >> PAGE_SHIFT, ilog2(VMM_CODE_WALKS))];
}

/* Would the remembered walk be made in the same way, and does it read the same entries? */
static __always_inline bool walk_holds(struct vmm_vcpu *vcpu, const struct vmm_code_walk *w,
				       u64 gva, unsigned int access)
{
	const struct vmm_vcpu_arch *arch = &vcpu->arch;
	unsigned int i;
	u64 pte;

	if (w->slots_gen != vmm_slots(vcpu->vm)->gen || w->page != gva >> PAGE_SHIFT ||
	    w->access != access || w->cr3 != arch->cr3 || w->cr4 != arch->cr4 ||
	    w->efer != arch->efer || !(arch->cr0 & X86_CR0_PG))
		return false;
	__uaccess_begin_nospec();
	for (i = 0; i < w->nr; i++) {
		unsafe_get_user(pte, w->entry[i].ptr, changed);
		if (unlikely(pte != w->entry[i].value))
			goto changed;
	}
	__uaccess_end();
	return true;
changed:
	__uaccess_end();
	return false;
}

/* Make a walk, and remember it if it is one of the usual ones. */
static noinline int find_code(struct vmm_vcpu *vcpu, struct vmm_code_walk *w, u64 gva,
			      unsigned int access, const void __user **ptr,
			      struct vmm_fault *fault)
{
	const struct vmm_vcpu_arch *arch = &vcpu->arch;
	bool usual = false;
	gpa_t gpa;
	int r;

	w->slots_gen = 0;
	if (arch->cr0 & X86_CR0_PG && vcpu_long_mode(vcpu))
		usual = translate_fast(vcpu, gva, access, &gpa, w);
	if (!usual) {
		r = vcpu_translate(vcpu, gva, access, true, &gpa, fault);
		if (r)
			return r;
	}
	*ptr = vcpu_guest_ptr(vcpu, gpa);
	if (!*ptr) {
		fault->address = gpa;
		return -EFAULT;
	}
	if (usual) {
		w->page = gva >> PAGE_SHIFT;
		w->access = access;
		w->cr3 = arch->cr3;
		w->cr4 = arch->cr4;
		w->efer = arch->efer;
		w->hva = (hva_t)*ptr & PAGE_MASK;
		w->slots_gen = vmm_slots(vcpu->vm)->gen;
	}
	return 0;
}

int vcpu_code_ptr(struct vmm_vcpu *vcpu, u64 gva, unsigned int access,
		  const void __user **ptr, struct vmm_fault *fault)
{
	struct vmm_code_walk *w = code_walk(vcpu, gva);

	regs_need(vcpu, VMM_G_CR0 | VMM_G_CR3 | VMM_G_CR4);
	if (unlikely(!walk_holds(vcpu, w, gva, access)))
		return find_code(vcpu, w, gva, access, ptr, fault);
	*ptr = (const void __user *)(w->hva + offset_in_page(gva));
	return 0;
}

int vcpu_load_pdptrs(struct vmm_vcpu *vcpu, u64 cr3)
{
	u64 rsvd = vcpu->arch.cpuid.gpa_reserved | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);
	u64 pdptr[ARRAY_SIZE(vcpu->arch.pdptr)];
	unsigned int i;

	/* The four never cross a page. */
	if (vcpu_read_guest(vcpu, cr3 & GENMASK_ULL(31, 5), pdptr, sizeof(pdptr)))
		return -EFAULT;
	for (i = 0; i < ARRAY_SIZE(pdptr); i++)
		if (pdptr[i] & PTE_P && pdptr[i] & rsvd)
			return -EINVAL;
	/* Whoever loads them need not change CR3, with which they go to the CPU. */
	regs_need(vcpu, VMM_G_CR3);
	memcpy(vcpu->arch.pdptr, pdptr, sizeof(pdptr));
	regs_dirty(vcpu, VMM_G_CR3);
	return 0;
}
