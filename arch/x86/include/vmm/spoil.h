/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test breaks an entry on purpose: see arch/x86/spoil.c. A backend asks right
 * before the entry, when everything is written.
 */
#ifndef _VMM_SPOIL_H
#define _VMM_SPOIL_H

#include <linux/jump_label.h>
#include <linux/types.h>

#define VMM_SPOIL_MAX	8

/**
 * struct vmm_spoil - what is to be wrong at an entry
 * @nr: changes
 * @refuse: do not enter, report @reason as if the CPU had refused
 * @reason: the CPU's code
 * @change: @field of the control structure (the vendor's way to name it), @size
 *	bytes: clear bits, then set bits
 */
struct vmm_spoil {
	unsigned int nr;
	bool refuse;
	u64 reason;
	struct {
		u32 field, size;
		u64 clear, set;
	} change[VMM_SPOIL_MAX];
};

DECLARE_STATIC_KEY_FALSE(vmm_spoil_key);

/* The module was loaded for such tests. */
static __always_inline bool vmm_spoil_on(void)
{
	return static_branch_unlikely(&vmm_spoil_key);
}

bool vmm_spoil_take(struct vmm_spoil *s);
void vmm_spoil_init(void);
void vmm_spoil_exit(void);

#endif
