/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Second-level page tables from the inside: shared by arch/x86/tdp*.c only.
 * The interface of the others is <vmm/tdp.h>.
 *
 * A table is a page of 512 entries of 8 bytes. An entry is zero (nothing
 * there), points to a table of the level below, or is a leaf. Leaves are at
 * level 1 (4 KiB), 2 (2 MiB) and 3 (1 GiB). Everything that differs between
 * EPT and NPT is a mask in struct tdp_format.
 *
 * Rules of change:
 *   - mmu_lock held for reading: an entry changes by compare-exchange only, and
 *     no entry that points to a table changes; so faults do not wait for each
 *     other, and a table that a reader has reached stays.
 *   - mmu_lock held for writing: tables are unlinked. They are freed after a
 *     TLB flush, because CPUs cache pointers to them.
 *   - The CPU sets accessed and dirty bits in leaves at any time.
 */
#ifndef _VMM_TDP_TABLE_H
#define _VMM_TDP_TABLE_H

#include <linux/bits.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>

#include <vmm/guest_memory.h>
#include <vmm/tdp.h>

#define TDP_ENTRIES	512
#define TDP_LEVEL_BITS	9
#define TDP_MAX_LEVEL	5

/* What kind of memory a host page is. */
enum tdp_memtype { TDP_WB, TDP_WC, TDP_UC, TDP_NR_MEMTYPES };

/**
 * struct tdp_format - the bits of one kind of second-level page table
 * @table: all bits, but for the address, of an entry that points to a table
 * @leaf: bits that every leaf has: present or readable, for user accesses
 * @write: leaf may be written
 * @exec: set in a leaf that may be executed
 * @noexec: set in one that may not
 * @large: leaf at level 2 or 3
 * @accessed: set by the CPU where it does that (backend's tdp_ad)
 * @dirty: the same
 * @memtype: cacheability of a leaf, by enum tdp_memtype
 * @host_levels: the CPU walks as many levels as the host's own tables have
 */
struct tdp_format {
	u64 table;
	u64 leaf;
	u64 write;
	u64 exec;
	u64 noexec;
	u64 large;
	u64 accessed;
	u64 dirty;
	u64 memtype[TDP_NR_MEMTYPES];
	bool host_levels;
};

/* Software bit of a leaf, ignored by both CPUs: host and slot allow writes, so
 * if write is off, that is only to see the first write. */
#define TDP_MAY_WRITE	BIT_ULL(52)

/**
 * struct tdp_root - the tree of a VM
 * @table: top table
 * @level: of the top table, 4 or 5
 * @max_level: largest leaf that the CPU can do
 * @nx_huge: executable leaves are 4 KiB only (iTLB multihit erratum)
 * @ad: the CPU sets accessed bits
 * @fmt: format
 */
struct tdp_root {
	u64 *table;
	u8 level;
	u8 max_level;
	bool nx_huge;
	bool ad;
	const struct tdp_format *fmt;
};

/**
 * struct tdp_vcpu_cache - empty tables, allocated before mmu_lock is taken
 * @nr: how many
 * @table: the tables
 */
struct tdp_vcpu_cache {
	unsigned int nr;
	u64 *table[TDP_MAX_LEVEL - 1];
};

/**
 * struct tdp_host - what the host maps at an address
 * @pfn: of the 4 KiB page in question
 * @level: size of the host's leaf
 * @writable: the host's entry allows writes ...
 * @dirty: ... and the host knows already that the page may change
 * @memtype: enum tdp_memtype
 */
struct tdp_host {
	u64 pfn;
	u8 level;
	bool writable;
	bool dirty;
	u8 memtype;
};

/* tdp.c */
int tdp_fit_level(const struct tdp_root *root, const struct vmm_memslot *slot,
		  gfn_t gfn, int level);

/* tdp_host.c */
bool tdp_host_walk(struct mm_struct *mm, hva_t hva, struct tdp_host *host);
int tdp_host_fault(struct vmm_vm *vm, hva_t hva, bool write, struct page **page);

static inline u64 tdp_pages(int level)
{
	return 1ull << (TDP_LEVEL_BITS * (level - 1));
}

static inline unsigned int tdp_index(gfn_t gfn, int level)
{
	return (gfn >> (TDP_LEVEL_BITS * (level - 1))) & (TDP_ENTRIES - 1);
}

static inline u64 tdp_address(u64 pte)
{
	return __sme_clr(pte) & GENMASK_ULL(51, 12);
}

static inline u64 *tdp_child(u64 pte)
{
	return __va(tdp_address(pte));
}

static inline bool tdp_is_table(const struct tdp_format *fmt, u64 pte, int level)
{
	return pte && level > 1 && !(pte & fmt->large);
}

static inline bool tdp_executable(const struct tdp_format *fmt, u64 pte)
{
	return (pte & (fmt->exec | fmt->noexec)) == fmt->exec;
}

/* Compare-exchange; false: somebody else, or the CPU, was faster. */
static inline bool tdp_change(u64 *ptep, u64 old, u64 new)
{
	return try_cmpxchg64(ptep, &old, new);
}

/**
 * struct tdp_iter - a walk over the leaves of a range, from low to high, in runs
 * @ptep: first entry of the run
 * @n: entries: at level 1 up to the end of the table or of the range, where some
 *     may be empty; above it 1, a leaf
 * @gfn: first frame that @ptep maps
 * @level: level
 *
 * mmu_lock held (either way) from tdp_iter_init() to the last use. Entries may
 * change under their reader, but a level 1 entry never becomes a table.
 */
struct tdp_iter {
	u64 *ptep;
	unsigned int n;
	int level;
	gfn_t gfn;

	/* private: where the walk is */
	gfn_t next, end;
	int depth;
	const struct tdp_root *root;
	u64 *table[TDP_MAX_LEVEL + 1];
};

void tdp_iter_init(struct tdp_iter *it, const struct tdp_root *root, gfn_t start, gfn_t end);
bool tdp_iter_next(struct tdp_iter *it);

#endif
