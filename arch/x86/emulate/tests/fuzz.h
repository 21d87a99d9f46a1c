/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzers' entry point, for those who run it without a fuzzer.
 */
#ifndef EMULATE_TESTS_FUZZ_H
#define EMULATE_TESTS_FUZZ_H

#include <linux/types.h>

/* What an input begins with; the instruction follows. Corpus files are written in this form. */
struct fuzz_input {
	/* Bits 0 and 1: width; 2 and 3: protection; 4: CPL 3; 5: alignment checks; 6: LA57. */
	u8 mode;
	/*
	 * From bit 0: deferred reads, full queue, deferred port, denied port, races, code at a
	 * page's end, small limits.
	 */
	u8 machine;
	u8 rip;		/* how far before the end of the page the code is */
	u8 iterations;
	u8 flags[3];
	u8 seg_attr[6];
	u8 gpr[16];	/* one byte each: see fuzz.c */
} __attribute__((packed));

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif
