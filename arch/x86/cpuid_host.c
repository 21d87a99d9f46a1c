// SPDX-License-Identifier: GPL-2.0
/*
 * What CPUID a guest may be given: VMM_GET_SUPPORTED_CPUID.
 *
 * The list starts from the host's CPUID and keeps what all three agree on: the
 * CPU has it, the host kernel uses it (so that its command line and its errata
 * work count here too), and this hypervisor can let a guest use it. Not
 * offered: performance counters, nested virtualization, MONITOR, processor
 * trace, SGX, AMX, branch records.
 *
 * Made once when a backend registers, read without a lock from then on.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include <vmm/cpufeature.h>
#include <vmm/pv.h>
#include <vmm/x86.h>

#define F(name)		BIT(X86_FEATURE_##name & 31)
#define X(name)		BIT(XF_##name & 31)

/* Indexed as the kernel's feature words. */
static const u32 allowed_features[NR_CPUID_WORDS] = {
	[CPUID_1_EDX] =
		F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) |
		F(CX8) | F(APIC) | F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) |
		F(PSE36) | F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP),
	[CPUID_1_ECX] =
		F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) |
		F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) |
		F(RDRAND),
	[CPUID_8000_0001_EDX] =
		F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) |
		F(LM) | F(3DNOWEXT) | F(3DNOW),
	[CPUID_8000_0001_ECX] =
		F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) |
		F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | F(FMA4) | F(TBM) | F(TOPOEXT),
	[CPUID_7_0_EBX] =
		F(FSGSBASE) | F(BMI1) | F(HLE) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) |
		F(BMI2) | F(ERMS) | F(INVPCID) | F(RTM) | F(ZERO_FCS_FDS) | F(AVX512F) |
		F(AVX512DQ) | F(RDSEED) | F(ADX) | F(SMAP) | F(AVX512IFMA) |
		F(CLFLUSHOPT) | F(CLWB) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |
		F(SHA_NI) | F(AVX512BW) | F(AVX512VL),
	[CPUID_7_ECX] =
		F(AVX512VBMI) | F(UMIP) | F(PKU) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) |
		F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) |
		F(LA57) | F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B),
	[CPUID_7_EDX] =
		F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(AVX512_VP2INTERSECT) |
		F(MD_CLEAR) | F(SERIALIZE) | F(TSXLDTRK) | F(AVX512_FP16) | F(SPEC_CTRL) |
		X(STIBP) | F(ARCH_CAPABILITIES) | F(SPEC_CTRL_SSBD),
	[CPUID_7_1_EAX] =
		X(SHA512) | X(SM3) | X(SM4) | F(AVX_VNNI) | F(AVX512_BF16) | X(CMPCCXADD) |
		X(FZRM) | X(FSRS) | X(FSRC) | X(AVX_IFMA),
	[CPUID_D_1_EAX] =
		F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES),
	[CPUID_8000_0008_EBX] =
		F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | X(EXT_IBPB) | X(EXT_IBRS) |
		X(EXT_STIBP) | X(EXT_STIBP_ALWAYS_ON) | X(EXT_SSBD) | X(EXT_SSB_NO) |
		X(EXT_PSFD) | F(BTC_NO) | X(EXT_IBPB_RET),
	[CPUID_8000_0021_EAX] =
		X(NO_NESTED_DATA_BP) | X(LFENCE_SERIALIZES) | X(VERW_CLEARS) |
		X(NULL_SEL_CLEARS_BASE) | X(SBPB) | X(IBPB_BRTYPE) | X(SRSO_NO),
};

/* Leaves without a word of the kernel's. */
#define CPUID_7_1_EDX_ALLOWED	(BIT(4) /* AVX_VNNI_INT8 */ | BIT(5) /* AVX_NE_CONVERT */ | \
				 BIT(10) /* AVX_VNNI_INT16 */ | BIT(14) /* PREFETCHI */)
#define CPUID_7_2_EDX_CONTROLS	GENMASK(4, 0)		/* bits of MSR SPEC_CTRL */
#define CPUID_7_2_EDX_ALLOWED	(CPUID_7_2_EDX_CONTROLS | BIT(5) /* MCDT_NO */)

/* Which of them are bits in MSR SPEC_CTRL, or say that it exists. */
static const unsigned int needs_spec_ctrl[] = {
	X86_FEATURE_SPEC_CTRL, XF_STIBP, X86_FEATURE_SPEC_CTRL_SSBD, XF_EXT_IBRS, XF_EXT_STIBP,
	XF_EXT_STIBP_ALWAYS_ON, XF_EXT_SSBD, XF_EXT_PSFD,
};

#define MAX_BASIC_LEAF		0x0d
#define MAX_EXTENDED_LEAF	0x80000021
#define MAX_CACHES		8

static u32 features[NR_CPUID_WORDS];		/* what is left of allowed_features */
static u64 host_spec_ctrl;
static struct vmm_cpuid_entry2 supported[80];
static unsigned int nr_supported;

static void drop(unsigned int feature)
{
	features[feature / 32] &= ~BIT(feature % 32);
}

bool vmm_can_offer(unsigned int x86_feature)
{
	return features[x86_feature / 32] >> (x86_feature % 32) & 1;
}

static void find_features(void)
{
	unsigned int i;

	for (i = 0; i < NR_CPUID_WORDS; i++)
		features[i] = allowed_features[i] & boot_cpu_data.x86_capability[i];

	/* MSR TSC_ADJUST, x2APIC and the hypervisor bit are made by software. */
	features[CPUID_7_0_EBX] |= F(TSC_ADJUST);
	features[CPUID_1_ECX] |= F(HYPERVISOR) | F(X2APIC);

	if (!(vmm_backend->caps & VMM_BCAP_INVPCID))
		drop(X86_FEATURE_INVPCID);
	if (!(vmm_backend->caps & VMM_BCAP_RDTSCP)) {
		drop(X86_FEATURE_RDTSCP);
		drop(X86_FEATURE_RDPID);
	}
	if (!(vmm_backend->caps & VMM_BCAP_XSAVES))
		drop(X86_FEATURE_XSAVES);
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		drop(X86_FEATURE_PKU);
	if (!boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL)) {
		for (i = 0; i < ARRAY_SIZE(needs_spec_ctrl); i++)
			drop(needs_spec_ctrl[i]);
	}
	if (!boot_cpu_has(X86_FEATURE_IBPB))
		drop(XF_EXT_IBPB);
	if (!boot_cpu_has(X86_FEATURE_OSXSAVE)) {
		drop(X86_FEATURE_XSAVE);
		features[CPUID_D_1_EAX] = 0;
	}
}

static u32 leaf_edx(u32 function, u32 index)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(function, index, &eax, &ebx, &ecx, &edx);
	return edx;
}

static bool has(const u32 *cap, unsigned int feature)
{
	return cap[feature / 32] >> (feature % 32) & 1;
}

/* The bits of MSR SPEC_CTRL that feature words and CPUID 7.2 EDX announce. */
u64 vmm_spec_ctrl_bits(const u32 *cap, u32 leaf_7_2_edx)
{
	static const struct {
		u32 announced;
		u64 bits;
	} more[] = {
		{ BIT(0), SPEC_CTRL_PSFD },
		{ BIT(1), SPEC_CTRL_IPRED_DIS },
		{ BIT(2), SPEC_CTRL_RRSBA_DIS_U | SPEC_CTRL_RRSBA_DIS_S },
		{ BIT(3), SPEC_CTRL_DDPD_U },
		{ BIT(4), SPEC_CTRL_BHI_DIS_S },
	};
	u64 bits = 0;
	unsigned int i;

	if (has(cap, X86_FEATURE_SPEC_CTRL) || has(cap, XF_EXT_IBRS))
		bits |= SPEC_CTRL_IBRS;
	if (has(cap, XF_STIBP) || has(cap, XF_EXT_STIBP))
		bits |= SPEC_CTRL_STIBP;
	if (has(cap, X86_FEATURE_SPEC_CTRL_SSBD) || has(cap, XF_EXT_SSBD))
		bits |= SPEC_CTRL_SSBD;
	if (has(cap, XF_EXT_PSFD))
		bits |= SPEC_CTRL_PSFD;
	for (i = 0; i < ARRAY_SIZE(more); i++) {
		if (leaf_7_2_edx & more[i].announced)
			bits |= more[i].bits;
	}
	return bits;
}

static u32 host_leaf_7_2_edx(void)
{
	if (cpuid_eax(0) < 7 || cpuid_eax(7) < 2)
		return 0;
	return leaf_edx(7, 2);
}

u64 vmm_host_spec_ctrl(void)
{
	return host_spec_ctrl;
}

/* --- the list --- */

/* An entry with all registers 0; NULL when the table is full, which a test would show. */
static struct vmm_cpuid_entry2 *add_blank(u32 function, u32 index, u32 flags)
{
	struct vmm_cpuid_entry2 *e;

	if (WARN_ON_ONCE(nr_supported == ARRAY_SIZE(supported)))
		return &supported[nr_supported - 1];
	e = &supported[nr_supported++];
	*e = (struct vmm_cpuid_entry2) {
		.function = function, .index = index, .flags = flags,
	};
	return e;
}

static struct vmm_cpuid_entry2 *add_host(u32 function, u32 index, u32 flags)
{
	struct vmm_cpuid_entry2 *e = add_blank(function, index, flags);

	cpuid_count(function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	return e;
}

#define SUBLEAF	VMM_CPUID_FLAG_SIGNIFCANT_INDEX

/* Sizes and types of caches; who shares them depends on the VM. */
static void add_caches(u32 function)
{
	struct vmm_cpuid_entry2 *e;
	u32 i = 0;

	do {
		e = add_host(function, i, SUBLEAF);
		e->eax &= GENMASK(13, 0);
	} while ((e->eax & 0x1f) && ++i < MAX_CACHES);
}

static void add_structured_features(void)
{
	struct vmm_cpuid_entry2 *e;
	u32 last;

	e = add_host(7, 0, SUBLEAF);
	last = min(e->eax, 2u);
	e->eax = last;
	e->ebx = features[CPUID_7_0_EBX];
	e->ecx = features[CPUID_7_ECX];
	e->edx = features[CPUID_7_EDX];
	if (last >= 1) {
		e = add_host(7, 1, SUBLEAF);
		e->eax &= features[CPUID_7_1_EAX];
		e->edx &= CPUID_7_1_EDX_ALLOWED;
		e->ebx = e->ecx = 0;
	}
	if (last >= 2) {
		e = add_host(7, 2, SUBLEAF);
		e->edx &= boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) ? CPUID_7_2_EDX_ALLOWED :
			  CPUID_7_2_EDX_ALLOWED & ~CPUID_7_2_EDX_CONTROLS;
		e->eax = e->ebx = e->ecx = 0;
	}
}

static void add_xsave(void)
{
	u64 xcr0 = vmm_supported_xcr0();
	struct vmm_cpuid_entry2 *e;
	unsigned int i;

	e = add_blank(0xd, 0, SUBLEAF);
	e->eax = xcr0;
	e->edx = xcr0 >> 32;
	e->ebx = e->ecx = vmm_xstate_size(xcr0, false);

	e = add_blank(0xd, 1, SUBLEAF);
	e->eax = features[CPUID_D_1_EAX];
	if (e->eax & (F(XSAVES) | F(XSAVEC)))
		e->ebx = vmm_xstate_size(xcr0, true);

	for (i = 2; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		e = add_host(0xd, i, SUBLEAF);
		e->ecx &= BIT(1);	/* aligned in the compacted format */
		e->edx = 0;
	}
}

static void add_basic_leaves(void)
{
	u32 last = min_t(u32, cpuid_eax(0), MAX_BASIC_LEAF);
	struct vmm_cpuid_entry2 *e;

	e = add_host(0, 0, 0);
	e->eax = last;
	e = add_host(1, 0, 0);
	e->ebx &= 0xff00;		/* CLFLUSH line size: the rest is the VM's topology */
	e->ecx = features[CPUID_1_ECX];
	e->edx = features[CPUID_1_EDX];
	if (last >= 2)
		add_host(2, 0, 0);
	if (last >= 4)
		add_caches(4);
	if (last >= 6)
		add_blank(6, 0, 0)->eax = BIT(2);	/* the APIC timer always runs */
	if (last >= 7)
		add_structured_features();
	if (last >= 0xb) {
		add_blank(0xb, 0, SUBLEAF);
		add_blank(0xb, 1, SUBLEAF)->ecx = 1;
	}
	if (last >= 0xd && vmm_can_offer(X86_FEATURE_XSAVE))
		add_xsave();
}

static void add_hypervisor_leaves(void)
{
	static const char signature[12] __nonstring = VMM_SIGNATURE;
	struct vmm_cpuid_entry2 *e = add_blank(VMM_CPUID_SIGNATURE, 0, 0);

	e->eax = VMM_CPUID_FEATURES;
	memcpy(&e->ebx, signature, 4);
	memcpy(&e->ecx, signature + 4, 4);
	memcpy(&e->edx, signature + 8, 4);
	add_blank(VMM_CPUID_FEATURES, 0, 0)->eax = vmm_pv_features();
}

/* Address widths. A four-level second-level table reaches 48 bits. */
static void add_address_sizes(void)
{
	struct vmm_cpuid_entry2 *e = add_host(0x80000008, 0, 0);
	u32 phys = e->eax & 0xff;

	e->eax = phys | (vmm_can_offer(X86_FEATURE_LA57) ? 57 : 48) << 8;
	if (phys > 48)
		e->eax |= 48 << 16;
	e->ebx = features[CPUID_8000_0008_EBX];
	e->ecx = e->edx = 0;
}

static void add_extended_leaves(void)
{
	u32 last = cpuid_eax(0x80000000);
	struct vmm_cpuid_entry2 *e;
	u32 i;

	if (last < 0x80000000 || last > 0x8000ffff)
		return;
	last = min_t(u32, last, MAX_EXTENDED_LEAF);
	add_host(0x80000000, 0, 0)->eax = last;
	if (last >= 0x80000001) {
		e = add_host(0x80000001, 0, 0);
		e->ebx = 0;
		e->ecx = features[CPUID_8000_0001_ECX];
		e->edx = features[CPUID_8000_0001_EDX];
	}
	/* name, caches, TLBs */
	for (i = 0x80000002; i <= min(last, 0x80000006u); i++)
		add_host(i, 0, 0);
	if (last >= 0x80000007 && boot_cpu_has(X86_FEATURE_CONSTANT_TSC) &&
	    boot_cpu_has(X86_FEATURE_NONSTOP_TSC))
		add_blank(0x80000007, 0, 0)->edx = BIT(8);	/* invariant TSC */
	if (last >= 0x80000008)
		add_address_sizes();
	if (last >= 0x80000019)
		add_host(0x80000019, 0, 0);	/* TLBs for 1 GiB pages */
	if (last >= 0x8000001a)
		add_host(0x8000001a, 0, 0);	/* widths of execution units */
	if (last >= 0x8000001d && vmm_can_offer(X86_FEATURE_TOPOEXT))
		add_caches(0x8000001d);
	if (last >= 0x80000021)
		add_blank(0x80000021, 0, 0)->eax = features[CPUID_8000_0021_EAX];
}

/* Context: a backend is being registered. vmm_backend is set. */
void vmm_cpuid_host_setup(void)
{
	nr_supported = 0;
	find_features();
	host_spec_ctrl = 0;
	if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		host_spec_ctrl = vmm_spec_ctrl_bits(features, host_leaf_7_2_edx());
	add_basic_leaves();
	add_hypervisor_leaves();
	add_extended_leaves();
}

/**
 * vmm_get_supported_cpuid() - VMM_GET_SUPPORTED_CPUID
 * @arg: struct vmm_cpuid2 in user space
 *
 * Return: 0, with nent the number of entries written; -E2BIG if there is room
 * for fewer than there are; -EFAULT.
 */
int vmm_get_supported_cpuid(struct vmm_cpuid2 __user *arg)
{
	u32 nent;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (nent < nr_supported)
		return -E2BIG;
	if (copy_to_user(arg->entries, supported, nr_supported * sizeof(supported[0])) ||
	    put_user(nr_supported, &arg->nent))
		return -EFAULT;
	return 0;
}
