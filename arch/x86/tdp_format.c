// SPDX-License-Identifier: GPL-2.0
/*
 * The bits of the two formats of second-level page tables. A backend names the
 * one that its CPU walks; arch/x86/tdp*.c does the rest with these masks.
 */
#include <linux/module.h>

#include "tdp_table.h"

/* Nested page tables have the format of long-mode page tables (APM 2, 15.25). */
#define NPT_PRESENT	BIT_ULL(0)
#define NPT_WRITE	BIT_ULL(1)
#define NPT_USER	BIT_ULL(2)	/* the CPU walks as a user access (15.25.5) */
#define NPT_PWT		BIT_ULL(3)	/* with PCD an index into the host's PAT: */
#define NPT_PCD		BIT_ULL(4)	/* 0 WB, 1 WC, 2 UC- as Linux sets it up */
#define NPT_ACCESSED	BIT_ULL(5)
#define NPT_DIRTY	BIT_ULL(6)
#define NPT_LARGE	BIT_ULL(7)
#define NPT_NX		BIT_ULL(63)

const struct tdp_format tdp_format_npt = {
	.table		= NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED,
	.leaf		= NPT_PRESENT | NPT_USER,
	.write		= NPT_WRITE,
	.noexec		= NPT_NX,
	.large		= NPT_LARGE,
	.accessed	= NPT_ACCESSED,
	.dirty		= NPT_DIRTY,
	.memtype	= { [TDP_WC] = NPT_PWT, [TDP_UC] = NPT_PCD },
	.host_levels	= true,
};
EXPORT_SYMBOL_GPL(tdp_format_npt);

/* Extended page tables (SDM 3C, 29.3). */
#define EPT_READ	BIT_ULL(0)
#define EPT_WRITE	BIT_ULL(1)
#define EPT_EXEC	BIT_ULL(2)
#define EPT_MT(type)	((u64)(type) << 3)
#define EPT_IGNORE_PAT	BIT_ULL(6)
#define EPT_LARGE	BIT_ULL(7)
#define EPT_ACCESSED	BIT_ULL(8)
#define EPT_DIRTY	BIT_ULL(9)

/*
 * RAM is write-back whatever the guest's PAT says: no device that the host does
 * not know of can see it, so a guest gains nothing from uncached RAM but loses
 * coherence with the VMM's cached mapping. The host's device memory keeps the
 * host's type, combined with the guest's.
 */
const struct tdp_format tdp_format_ept = {
	.table		= EPT_READ | EPT_WRITE | EPT_EXEC | EPT_ACCESSED,
	.leaf		= EPT_READ,
	.write		= EPT_WRITE,
	.exec		= EPT_EXEC,
	.large		= EPT_LARGE,
	.accessed	= EPT_ACCESSED,
	.dirty		= EPT_DIRTY,
	.memtype	= {
		[TDP_WB] = EPT_MT(6) | EPT_IGNORE_PAT,
		[TDP_WC] = EPT_MT(1),
		[TDP_UC] = EPT_MT(0),
	},
};
EXPORT_SYMBOL_GPL(tdp_format_ept);
