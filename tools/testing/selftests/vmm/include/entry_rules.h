/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_rules.h - a row of the tables of entry_rules_test.c: one rule that a VM
 * entry checks, how it is broken, and what is to be said of it.
 */
#ifndef ENTRY_RULES_H
#define ENTRY_RULES_H

#include <stdbool.h>
#include <stdint.h>

#define B(n)		(1ULL << (n))
#define MAX_CHANGES	8

struct change {
	uint32_t field, size;
	uint64_t clear, set;
};

/**
 * struct entry_rule - a broken rule
 * @change: what is changed in the control structure; the last one that is there
 *	is in the field that the sentence gives the value of
 * @field: that field's name, in "FIELD is VALUE: TEXT"; NULL: @text is the sentence
 * @text: the clause, with the manual's section
 * @more: other rules are broken with it
 * @unchecked: an emulated CPU does not check this (or, QEMU's with CR0, CR3 and CR4,
 *	overwrites the value before anyone can look): vmm is told to act as if refused
 */
struct entry_rule {
	struct change change[MAX_CHANGES];
	const char *field, *text;
	bool more, unchecked;
};

#define RULE(field_, text_, ...) \
	{ .change = { __VA_ARGS__ }, .field = field_, .text = text_ }
#define RULE_AND_MORE(field_, text_, ...) \
	{ .change = { __VA_ARGS__ }, .field = field_, .text = text_, .more = true }
#define RULE_UNCHECKED(field_, text_, ...) \
	{ .change = { __VA_ARGS__ }, .field = field_, .text = text_, .unchecked = true }

#endif
