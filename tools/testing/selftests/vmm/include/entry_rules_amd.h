/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_rules_amd.h - rules of the APM, volume 2, for a vCPU that is about to run
 * 64-bit code (see entry_rules_test.c). Offsets are those of its appendix B.
 */
enum {
	INTERCEPTS_3 = 0x0c, INTERCEPTS_4 = 0x10, IOPM = 0x40, MSRPM = 0x48, ASID = 0x58,
	INT_CTL = 0x60, EVENTINJ = 0xa8, NESTED_CR3 = 0xb0,
	CS_ATTRIB = 0x412, EFER = 0x4d0, CR4 = 0x548, CR3 = 0x550, CR0 = 0x558, DR7 = 0x560,
	DR6 = 0x568, GUEST_PAT = 0x668,
};

#define AMD_SET(f, size, v)	{ f, size, 0, v }
#define AMD_CLEAR(f, size, v)	{ f, size, v, 0 }
#define AMD_PUT(f, size, v)	{ f, size, ~0ULL, v }

#define CHECKS	" (APM 15.5.1)"
#define NPT	" (APM 15.25.4)"
#define VNMI	" (APM 15.21.10)"
#define EVENTS	" (APM 15.20)"

static const struct entry_rule amd_rules[] = {
	RULE(NULL, "EFER.SVME is clear (EFER=0x500)" CHECKS, AMD_PUT(EFER, 8, 0x500)),
	RULE(NULL, "EFER has reserved bits set (EFER=0x11500, reserved 0x10000)" CHECKS,
	     AMD_PUT(EFER, 8, 0x11500)),
	RULE(NULL,
	     "EFER.LME and CR0.PG are set, but CR4.PAE is clear (EFER=0x1500 CR4=0x200)" CHECKS,
	     AMD_PUT(CR4, 8, 0x200)),
	RULE(NULL,
	     "EFER.LME and CR0.PG are set, but CR0.PE is clear (EFER=0x1500 CR0=0x80010032)" CHECKS,
	     AMD_PUT(CR0, 8, 0x80010032)),
	RULE(NULL, "CS.L and CS.D are both set in long mode (CS attributes=0x",
	     AMD_SET(CS_ATTRIB, 2, 0x600)),
	RULE_UNCHECKED(NULL, "CR0.NW is set while CR0.CD is clear (CR0=0xa0010033)" CHECKS,
	     AMD_PUT(CR0, 8, 0xa0010033)),
	RULE_UNCHECKED(NULL, "CR0[63:32] are not zero (CR0=0x180010033)" CHECKS,
	     AMD_PUT(CR0, 8, B(32) | 0x80010033)),
	RULE_UNCHECKED(NULL,
	     "CR3 has reserved bits set (CR3=0x1000000000006000, reserved 0x1000000000000000)"
	     CHECKS,
	     AMD_PUT(CR3, 8, B(60) | 0x6000)),
	RULE_UNCHECKED(NULL, "CR4 has reserved bits set (CR4=0x80000220, reserved 0x80000000)"
	     CHECKS,
	     AMD_PUT(CR4, 8, B(31) | 0x220)),
	RULE_UNCHECKED(NULL, "CR4.CET is set, but CR0.WP is clear (CR4=0x800220 CR0=0x80000033)"
	     CHECKS,
	     AMD_PUT(CR0, 8, 0x80000033), AMD_PUT(CR4, 8, B(23) | 0x220)),
	RULE(NULL, "DR6[63:32] are not zero (DR6=0x100000000)" CHECKS,
	     AMD_PUT(DR6, 8, B(32))),
	RULE(NULL, "DR7[63:32] are not zero (DR7=0x200000000)" CHECKS,
	     AMD_PUT(DR7, 8, B(33))),
	RULE_UNCHECKED(NULL, "G_PAT entry 0 has no valid memory type (G_PAT=0x7040600070403)" NPT,
	     AMD_PUT(GUEST_PAT, 8, 0x7040600070403)),
	RULE(NULL, "the VMRUN intercept is clear" CHECKS, AMD_CLEAR(INTERCEPTS_4, 4, 1)),
	RULE(NULL, "the ASID is 0, which is the host's" CHECKS, AMD_PUT(ASID, 4, 0)),
	RULE_UNCHECKED(NULL, "the ASID 65536 is not below ", AMD_PUT(ASID, 4, 0x10000)),
	RULE(NULL,
	     "the I/O permission map ends beyond the physical address space (IOPM=0xffffffffff000)"
	     CHECKS,
	     AMD_PUT(IOPM, 8, 0xffffffffff000)),
	RULE(NULL,
	     "the MSR permission map ends beyond the physical address space (MSRPM=0xffffffffff000)"
	     CHECKS,
	     AMD_PUT(MSRPM, 8, 0xffffffffff000)),
	RULE_UNCHECKED(NULL,
	     "nested CR3 lies beyond the physical address space (nCR3=0x1000000000000000)" NPT,
	     AMD_PUT(NESTED_CR3, 8, B(60))),
	{ .text = "virtual NMIs are enabled without the NMI intercept" VNMI,
	  .change = { AMD_CLEAR(INTERCEPTS_3, 4, 2), AMD_SET(INT_CTL, 4, B(26)) },
	  .more = true, .unchecked = true },
	RULE_UNCHECKED(NULL, "EVENTINJ has the reserved type 1 (EVENTINJ=0x80000100)" EVENTS,
	     AMD_PUT(EVENTINJ, 4, 0x80000100)),
	RULE(NULL, "EVENTINJ injects exception 2, which is none (EVENTINJ=0x80000302)" EVENTS,
	     AMD_PUT(EVENTINJ, 4, 0x80000302)),
	RULE(NULL, "EVENTINJ injects exception 32, which is none (EVENTINJ=0x80000320)" EVENTS,
	     AMD_PUT(EVENTINJ, 4, 0x80000320)),
	RULE_UNCHECKED(NULL,
	     "EVENTINJ injects exception 4, which 64-bit code cannot raise (EVENTINJ=0x80000304)"
	     EVENTS,
	     AMD_PUT(EVENTINJ, 4, 0x80000304)),
	{ }
};
