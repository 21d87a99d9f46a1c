/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CPUID bits and MSRs that the kernel's headers name after a vendor, or do not
 * name in each kernel that we build for. X86_FEATURE_*'s encoding.
 */
#ifndef _VMM_CPUFEATURE_H
#define _VMM_CPUFEATURE_H

#include <asm/cpufeature.h>
#include <asm/msr-index.h>

/* CPUID 0x80000008 EBX */
#define XF_EXT_IBPB		(CPUID_8000_0008_EBX * 32 + 12)
#define XF_EXT_IBRS		(CPUID_8000_0008_EBX * 32 + 14)
#define XF_EXT_STIBP		(CPUID_8000_0008_EBX * 32 + 15)
#define XF_EXT_STIBP_ALWAYS_ON	(CPUID_8000_0008_EBX * 32 + 17)
#define XF_EXT_SSBD		(CPUID_8000_0008_EBX * 32 + 24)
#define XF_EXT_SSB_NO		(CPUID_8000_0008_EBX * 32 + 26)
#define XF_EXT_PSFD		(CPUID_8000_0008_EBX * 32 + 28)
#define XF_EXT_IBPB_RET		(CPUID_8000_0008_EBX * 32 + 30)

/* CPUID 7.0 EDX */
#define XF_STIBP		(CPUID_7_EDX * 32 + 27)

/* CPUID 7.1 EAX */
#define XF_SHA512		(CPUID_7_1_EAX * 32 + 0)
#define XF_SM3			(CPUID_7_1_EAX * 32 + 1)
#define XF_SM4			(CPUID_7_1_EAX * 32 + 2)
#define XF_CMPCCXADD		(CPUID_7_1_EAX * 32 + 7)
#define XF_FZRM			(CPUID_7_1_EAX * 32 + 10)
#define XF_FSRS			(CPUID_7_1_EAX * 32 + 11)
#define XF_FSRC			(CPUID_7_1_EAX * 32 + 12)
#define XF_AVX_IFMA		(CPUID_7_1_EAX * 32 + 23)

/* CPUID 0x80000021 EAX */
#define XF_NO_NESTED_DATA_BP	(CPUID_8000_0021_EAX * 32 + 0)
#define XF_LFENCE_SERIALIZES	(CPUID_8000_0021_EAX * 32 + 2)
#define XF_VERW_CLEARS		(CPUID_8000_0021_EAX * 32 + 5)
#define XF_NULL_SEL_CLEARS_BASE	(CPUID_8000_0021_EAX * 32 + 6)
#define XF_SBPB			(CPUID_8000_0021_EAX * 32 + 27)
#define XF_IBPB_BRTYPE		(CPUID_8000_0021_EAX * 32 + 28)
#define XF_SRSO_NO		(CPUID_8000_0021_EAX * 32 + 29)

/* MSR SPEC_CTRL, beyond IBRS, STIBP, SSBD, RRSBA_DIS_S, BHI_DIS_S */
#define SPEC_CTRL_IPRED_DIS	(BIT(3) | BIT(4))
#define SPEC_CTRL_RRSBA_DIS_U	BIT(5)
#define SPEC_CTRL_PSFD		BIT(7)
#define SPEC_CTRL_DDPD_U	BIT(8)

#define MSR_SYSCFG		0xc0010010
#define MSR_HWCR		0xc0010015
#define HWCR_MC_STATUS_WR_EN	BIT_ULL(18)
#define HWCR_TSC_FREQ_SEL	BIT_ULL(24)
#define MSR_TOP_MEM		0xc001001a
#define MSR_CLK_CTL		0xc001001b
#define MSR_TOP_MEM2		0xc001001d
#define MSR_NB_CFG		0xc001001f
#define MSR_PATCH_LOADER	0xc0010020
#define MSR_INT_PENDING		0xc0010055
#define MSR_MMIO_CONF_BASE	0xc0010058
#define MSR_TSEG_ADDR		0xc0010112
#define MSR_TSEG_MASK		0xc0010113
#define MSR_OSVW_LENGTH		0xc0010140
#define MSR_OSVW_STATUS		0xc0010141
#define MSR_LS_CFG		0xc0011020
#define MSR_IC_CFG		0xc0011021
#define MSR_DC_CFG		0xc0011022
#define MSR_DE_CFG		0xc0011029
#define DE_CFG_LFENCE_SERIALIZES BIT_ULL(1)
#define MSR_BU_CFG2		0xc001102a

#endif
