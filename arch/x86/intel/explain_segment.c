// SPDX-License-Identifier: GPL-2.0
/*
 * Rules on the guest's segment registers (SDM 27.3.1.2): exit reason 33 with bit
 * 31 set. A row holds for the registers in its mask.
 */
#include "explain.h"

#define CS	VMM_G_SEG(SEG_CS)
#define SS	VMM_G_SEG(SEG_SS)
#define DATA	(VMM_G_SEG(SEG_DS) | VMM_G_SEG(SEG_ES) | VMM_G_SEG(SEG_FS) | VMM_G_SEG(SEG_GS))
#define NORMAL	(CS | SS | DATA)
#define LDTR	VMM_G_SEG(SEG_LDTR)
#define TR	VMM_G_SEG(SEG_TR)

#define AR	(s->seg[seg].ar)
#define SEL	(s->seg[seg].selector)
#define LIMIT	(s->seg[seg].limit)
#define BASE	(s->seg[seg].base)
#define TYPE	(AR & VMX_AR_TYPE_MASK)
#define DPL	VMX_AR_DPL(AR)
#define USABLE	(!(AR & VMX_AR_UNUSABLE_MASK))

/* Usable, and not in virtual-8086 mode, which has one fixed shape. */
static bool in_use(const struct entry_state *s, unsigned int seg)
{
	return !s->v86 && (seg == SEG_CS || !(s->seg[seg].ar & VMX_AR_UNUSABLE_MASK));
}

/* G set: bits 11:0 of the limit are ones. G clear: bits 31:20 are zeros. */
static bool bad_granularity(const struct entry_state *s, unsigned int seg)
{
	if (AR & VMX_AR_G_MASK)
		return (LIMIT & 0xfff) != 0xfff;
	return LIMIT >> 20;
}

static bool bad_cs_type(const struct entry_state *s, unsigned int seg)
{
	switch (TYPE) {
	case 9: case 11: case 13: case 15:
		return false;
	case 3:
		return !s->unrestricted;
	default:
		return true;
	}
}

static bool bad_cs_dpl(const struct entry_state *s, unsigned int seg)
{
	unsigned int ss = VMX_AR_DPL(s->seg[SEG_SS].ar);

	switch (TYPE) {
	case 3:
		return DPL != 0;
	case 9: case 11:
		return DPL != ss;
	case 13: case 15:
		return DPL > ss;
	default:
		return false;
	}
}

static bool bad_ss_dpl(const struct entry_state *s, unsigned int seg)
{
	if (!s->unrestricted && DPL != (SEL & 3))
		return true;
	return (!(s->cr0 & X86_CR0_PE) || (s->seg[SEG_CS].ar & VMX_AR_TYPE_MASK) == 3) && DPL;
}

static bool bad_data_type(const struct entry_state *s, unsigned int seg)
{
	if (!(TYPE & VMX_AR_TYPE_ACCESSES_MASK))
		return true;
	return TYPE & VMX_AR_TYPE_CODE_MASK && !(TYPE & VMX_AR_TYPE_READABLE_MASK);
}

static bool bad_tr_type(const struct entry_state *s, unsigned int seg)
{
	return TYPE != VMX_AR_TYPE_BUSY_64_TSS && (s->ia32e || TYPE != VMX_AR_TYPE_BUSY_16_TSS);
}

/* Fields by what they say; the register is added to the field's encoding. */
#define SEGMENT_RULES(R)							\
R(tr_ti, TR, SELECTOR, "TI is set", SEL & 4)					\
R(ldtr_ti, LDTR, SELECTOR, "TI is set", USABLE && SEL & 4)			\
R(ss_rpl, SS, SELECTOR, "RPL differs from that of CS",				\
  !s->v86 && !s->unrestricted && (SEL & 3) != (s->seg[SEG_CS].selector & 3))	\
R(v86_base, NORMAL, BASE, "in virtual-8086 mode it is not 16 times the selector",	\
  s->v86 && BASE != (u64)SEL << 4)						\
R(v86_limit, NORMAL, LIMIT, "in virtual-8086 mode it is not 0xffff", s->v86 && LIMIT != 0xffff)\
R(v86_ar, NORMAL, AR_BYTES, "in virtual-8086 mode it is not 0xf3", s->v86 && AR != 0xf3)	\
R(base, TR | VMM_G_SEG(SEG_FS) | VMM_G_SEG(SEG_GS), BASE, "the address is not canonical",	\
  not_canonical(BASE))								\
R(ldtr_base, LDTR, BASE, "the address is not canonical", USABLE && not_canonical(BASE))	\
R(cs_base, CS, BASE, "bits 63:32 are not 0", BASE >> 32)			\
R(data_base, SS | VMM_G_SEG(SEG_DS) | VMM_G_SEG(SEG_ES), BASE, "bits 63:32 are not 0",	\
  USABLE && BASE >> 32)								\
R(cs_type, CS, AR_BYTES, "the type is not accessed code, nor data 3 of real mode",	\
  in_use(s, seg) && bad_cs_type(s, seg))					\
R(ss_type, SS, AR_BYTES, "the type is neither 3 nor 7", in_use(s, seg) && TYPE != 3 && TYPE != 7)\
R(data_type, DATA, AR_BYTES, "the type is not accessed, or code that is not readable",	\
  in_use(s, seg) && bad_data_type(s, seg))					\
R(s_bit, NORMAL, AR_BYTES, "S is clear: a system segment", in_use(s, seg) && !(AR & VMX_AR_S_MASK))\
R(cs_dpl, CS, AR_BYTES, "DPL does not fit the type and SS.DPL", in_use(s, seg) && bad_cs_dpl(s, seg))\
R(ss_dpl, SS, AR_BYTES, "DPL is not RPL, or not 0 in real mode", !s->v86 && bad_ss_dpl(s, seg))	\
R(data_dpl, DATA, AR_BYTES, "DPL is below RPL",					\
  in_use(s, seg) && !s->unrestricted && TYPE <= 11 && DPL < (SEL & 3))		\
R(present, NORMAL, AR_BYTES, "P is clear", in_use(s, seg) && !(AR & VMX_AR_P_MASK))	\
R(reserved, NORMAL, AR_BYTES, "reserved bits 11:8 or 31:17 are set",		\
  in_use(s, seg) && AR & VMX_AR_RESERVD_MASK)					\
R(cs_l_d, CS, AR_BYTES, "L and D are both set in IA-32e mode",			\
  in_use(s, seg) && s->ia32e && AR & VMX_AR_L_MASK && AR & VMX_AR_DB_MASK)	\
R(granularity, NORMAL, AR_BYTES, "G does not fit the limit", in_use(s, seg) && bad_granularity(s, seg))\
R(tr_type, TR, AR_BYTES, "the type is not a busy TSS (11, or 3 outside IA-32e mode)",	\
  bad_tr_type(s, seg))								\
R(tr_s, TR, AR_BYTES, "S is set", AR & VMX_AR_S_MASK)				\
R(tr_present, TR, AR_BYTES, "P is clear", !(AR & VMX_AR_P_MASK))		\
R(tr_reserved, TR, AR_BYTES, "reserved bits 11:8 or 31:17 are set", AR & VMX_AR_RESERVD_MASK)	\
R(tr_granularity, TR, AR_BYTES, "G does not fit the limit", bad_granularity(s, seg))	\
R(tr_unusable, TR, AR_BYTES, "it is unusable", !USABLE)				\
R(ldtr_type, LDTR, AR_BYTES, "the type is not 2, an LDT", USABLE && TYPE != VMX_AR_TYPE_LDT)	\
R(ldtr_s, LDTR, AR_BYTES, "S is set", USABLE && AR & VMX_AR_S_MASK)		\
R(ldtr_present, LDTR, AR_BYTES, "P is clear", USABLE && !(AR & VMX_AR_P_MASK))	\
R(ldtr_reserved, LDTR, AR_BYTES, "reserved bits 11:8 or 31:17 are set",		\
  USABLE && AR & VMX_AR_RESERVD_MASK)						\
R(ldtr_granularity, LDTR, AR_BYTES, "G does not fit the limit", USABLE && bad_granularity(s, seg))

#define SEGMENT_FUNCTION(fn, mask, fld, txt, cond)				\
	RULE_FUNCTION(fn, "", 0, txt, cond)
#define SEGMENT_ROW(fn, mask, fld, txt, cond)					\
	{ .section = "27.3.1.2", .field = GUEST_ES_##fld, .name = #fld, .text = txt,	\
	  .broken = broken_##fn, .segments = mask },

SEGMENT_RULES(SEGMENT_FUNCTION)

const struct entry_rule intel_segment_rules[] = {
	SEGMENT_RULES(SEGMENT_ROW)
	{}
};
