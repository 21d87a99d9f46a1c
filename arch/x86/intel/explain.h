/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rules that a VM entry checks (SDM vol. 3, chapter 27, edition 080), as
 * tables: explain_control.c, explain_host.c, explain_guest.c and
 * explain_segment.c hold a table each, explain.c runs them over a copy of the VMCS.
 */
#ifndef _INTEL_EXPLAIN_H
#define _INTEL_EXPLAIN_H

#include <linux/types.h>
#include <asm/processor.h>

#include "intel.h"

/* The fields that the rules look at. */
struct entry_state {
	u32 pin, cpu, cpu2, exit, entry;
	u32 intr_info, intr_error, insn_len;
	u64 cr0, cr3, cr4, efer, dr7, debugctl, pat;
	u64 rip, rflags, pending_db, link;
	u64 sysenter_esp, sysenter_eip;
	u64 gdtr_base, idtr_base;
	u32 gdtr_limit, idtr_limit;
	u32 interruptibility, activity;
	u64 pdpte[4];
	struct entry_segment {
		u16 selector;
		u32 limit, ar;
		u64 base;
	} seg[NR_SEGS];
	bool ia32e, v86, unrestricted;	/* derived */
};

/**
 * struct entry_rule - one check
 * @section: of the SDM
 * @field: its encoding in the VMCS, for the value
 * @name: its name
 * @text: what is wrong, as a clause after the field's value
 * @broken: is it? (the copy, and for segment rules the register)
 * @segments: VMM_G_SEG() bits that the rule is for; 0: not a segment rule
 */
struct entry_rule {
	const char *section;
	u32 field;
	const char *name;
	const char *text;
	bool (*broken)(const struct entry_state *s, unsigned int seg);
	u32 segments;
};

/*
 * A file's table is a list R(function, section, field, text, condition), expanded
 * into the functions and into the rows. The condition sees s and seg.
 */
#define RULE_FUNCTION(fn, sect, fld, txt, cond)					\
static bool broken_##fn(const struct entry_state *s, unsigned int seg)		\
{										\
	return cond;								\
}
#define RULE_ROW(fn, sect, fld, txt, cond)					\
	{ .section = sect, .field = fld, .name = #fld, .text = txt, .broken = broken_##fn },

extern const struct entry_rule intel_control_rules[];
extern const struct entry_rule intel_host_rules[];
extern const struct entry_rule intel_guest_rules[];
extern const struct entry_rule intel_segment_rules[];

static inline bool not_canonical(u64 address)
{
	return !__is_canonical_address(address, boot_cpu_data.x86_virt_bits);
}

/* Not a physical address of this CPU, or not aligned to mask + 1 bytes. */
static inline bool bad_physical(u64 address, u64 mask)
{
	return (address & mask) || (address >> boot_cpu_data.x86_phys_bits);
}

/* Controls: bits that must be 1 and are 0, or that must be 0 and are 1. */
static inline bool bad_controls(u32 value, u32 low, u32 high)
{
	return (low & ~value) || (value & ~high);
}

static inline bool bad_pat(u64 pat)
{
	unsigned int i;

	for (i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || (pat & 0xfe) == 2)
			return true;
	return false;
}

/* EFER of this vendor: SCE, LME, LMA, NX. */
#define EFER_DEFINED	(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX)

#endif
