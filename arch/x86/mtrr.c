// SPDX-License-Identifier: GPL-2.0
/*
 * Memory type range registers. The guest programs them and reads them back;
 * they have no effect, since second-level paging gives guest memory the type
 * of the host memory behind it. What a CPU refuses with #GP is refused here.
 * Called from msr.c; guarded by vcpu->mutex.
 */
#include <linux/nospec.h>
#include <uapi/asm/mtrr.h>

#include <vmm/x86.h>

#define NR_VARIABLE	ARRAY_SIZE(((struct vmm_mtrr *)NULL)->base)
#define MTRR_CAP_FIXED	BIT(8)
#define MTRR_CAP_WC	BIT(10)

#define DEFTYPE_TYPE	0xffull
#define DEFTYPE_FE	BIT_ULL(10)
#define DEFTYPE_E	BIT_ULL(11)
#define MASK_VALID	BIT_ULL(11)

/* Index into fixed[], or -1. */
static int fixed_index(u32 msr)
{
	switch (msr) {
	case MSR_MTRRfix64K_00000:
		return 0;
	case MSR_MTRRfix16K_80000:
	case MSR_MTRRfix16K_A0000:
		return 1 + msr - MSR_MTRRfix16K_80000;
	case MSR_MTRRfix4K_C0000 ... MSR_MTRRfix4K_F8000:
		return 3 + msr - MSR_MTRRfix4K_C0000;
	default:
		return -1;
	}
}

static u64 *register_of(struct vmm_mtrr *m, u32 msr)
{
	u32 offset = msr - MTRRphysBase_MSR(0);
	int i;

	if (offset < 2 * NR_VARIABLE) {
		i = array_index_nospec(offset / 2, NR_VARIABLE);
		return offset & 1 ? &m->mask[i] : &m->base[i];
	}
	i = fixed_index(msr);
	if (i >= 0)
		return &m->fixed[array_index_nospec(i, ARRAY_SIZE(m->fixed))];
	return msr == MSR_MTRRdefType ? &m->deftype : NULL;
}

/* UC, WC, WT, WP, WB */
static bool valid_type(u64 type)
{
	return type < 8 && (BIT(type) & 0x73);
}

static bool valid_types(u64 value)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8) {
		if (!valid_type(value >> i & 0xff))
			return false;
	}
	return true;
}

static bool valid_value(struct vmm_vcpu *vcpu, u32 msr, u64 value)
{
	if (msr == MSR_MTRRdefType)
		return !(value & ~(DEFTYPE_TYPE | DEFTYPE_FE | DEFTYPE_E)) &&
		       valid_type(value & DEFTYPE_TYPE);
	if (fixed_index(msr) >= 0)
		return valid_types(value);
	if (value & vcpu->arch.cpuid.gpa_reserved)
		return false;
	if (msr & 1)		/* mask */
		return !(value & (MASK_VALID - 1));
	return !(value & 0xf00) && valid_type(value & 0xff);
}

/* All off and uncached, as after power-up; the variable ranges are not valid. */
void vmm_mtrr_reset(struct vmm_vcpu *vcpu)
{
	memset(&vcpu->arch.mtrr, 0, sizeof(vcpu->arch.mtrr));
}

int vmm_mtrr_get(struct vmm_vcpu *vcpu, u32 msr, u64 *value)
{
	const u64 *reg;

	if (msr == MSR_MTRRcap) {
		*value = NR_VARIABLE | MTRR_CAP_FIXED | MTRR_CAP_WC;
		return 0;
	}
	reg = register_of(&vcpu->arch.mtrr, msr);
	if (!reg)
		return -1;
	*value = *reg;
	return 0;
}

int vmm_mtrr_set(struct vmm_vcpu *vcpu, u32 msr, u64 value)
{
	u64 *reg;

	if (msr == MSR_MTRRcap)
		return 1;
	reg = register_of(&vcpu->arch.mtrr, msr);
	if (!reg)
		return -1;
	if (!valid_value(vcpu, msr, value))
		return 1;
	*reg = value;
	return 0;
}
