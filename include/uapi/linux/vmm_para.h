/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * vmm_para.h - what a paravirtualized guest sees of its hypervisor: CPUID
 * leaves, MSRs, hypercalls and the structs that it shares with the host.
 *
 * vmm.h includes this; a guest kernel could include it alone. Guests know this
 * interface as KVM's, therefore also the signature is KVM's: a Linux guest
 * looks for it.
 */
#ifndef _UAPI_LINUX_VMM_PARA_H
#define _UAPI_LINUX_VMM_PARA_H

#include <linux/types.h>

/* EAX: highest hypervisor leaf; EBX, ECX, EDX: the signature. */
#define VMM_CPUID_SIGNATURE		0x40000000
#define VMM_SIGNATURE			"KVMKVMKVM\0\0\0"

/* EAX: bits VMM_FEATURE_*; EDX: bits VMM_HINTS_*. */
#define VMM_CPUID_FEATURES		0x40000001
#define VMM_FEATURE_CLOCKSOURCE		0
#define VMM_FEATURE_NOP_IO_DELAY	1
#define VMM_FEATURE_MMU_OP		2
#define VMM_FEATURE_CLOCKSOURCE2	3	/* the MSRs 0x4b564d00 and 01 */
#define VMM_FEATURE_ASYNC_PF		4
#define VMM_FEATURE_STEAL_TIME		5
#define VMM_FEATURE_PV_EOI		6
#define VMM_FEATURE_PV_UNHALT		7
#define VMM_FEATURE_PV_TLB_FLUSH	9
#define VMM_FEATURE_ASYNC_PF_VMEXIT	10
#define VMM_FEATURE_PV_SEND_IPI		11
#define VMM_FEATURE_POLL_CONTROL	12
#define VMM_FEATURE_PV_SCHED_YIELD	13
#define VMM_FEATURE_ASYNC_PF_INT	14
#define VMM_FEATURE_MSI_EXT_DEST_ID	15
#define VMM_FEATURE_HC_MAP_GPA_RANGE	16
#define VMM_FEATURE_MIGRATION_CONTROL	17
#define VMM_FEATURE_CLOCKSOURCE_STABLE_BIT	24	/* flags of pvclock count */

#define VMM_HINTS_REALTIME		0	/* vCPUs have CPUs of their own */

/* MSRs: two old ones, then the range 0x4b564d00 to 0x4b564dff. */
#define MSR_VMM_WALL_CLOCK		0x11
#define MSR_VMM_SYSTEM_TIME		0x12
#define MSR_VMM_WALL_CLOCK_NEW		0x4b564d00
#define MSR_VMM_SYSTEM_TIME_NEW		0x4b564d01
#define MSR_VMM_ASYNC_PF_EN		0x4b564d02
#define MSR_VMM_STEAL_TIME		0x4b564d03
#define MSR_VMM_PV_EOI_EN		0x4b564d04
#define MSR_VMM_POLL_CONTROL		0x4b564d05
#define MSR_VMM_ASYNC_PF_INT		0x4b564d06
#define MSR_VMM_ASYNC_PF_ACK		0x4b564d07
#define MSR_VMM_MIGRATION_CONTROL	0x4b564d08

#define VMM_MSR_ENABLED			1	/* bit 0: the address in the rest counts */

/*
 * struct vmm_steal_time - at the address in MSR_VMM_STEAL_TIME
 * @steal: nanoseconds that the vCPU wanted to run and did not
 * @version: odd while the host writes
 * @flags: 0
 * @preempted: VMM_VCPU_*
 */
struct vmm_steal_time {
	__u64 steal;
	__u32 version;
	__u32 flags;
	__u8 preempted;
	__u8 u8_pad[3];
	__u32 pad[11];
};

#define VMM_VCPU_PREEMPTED		(1 << 0)
#define VMM_VCPU_FLUSH_TLB		(1 << 1)

#define VMM_STEAL_ALIGNMENT_BITS	5
#define VMM_STEAL_VALID_BITS		((-1ULL << (VMM_STEAL_ALIGNMENT_BITS + 1)))
#define VMM_STEAL_RESERVED_MASK		(((1 << VMM_STEAL_ALIGNMENT_BITS) - 1) << 1)

#define VMM_CLOCK_PAIRING_WALLCLOCK	0

/** struct vmm_clock_pairing - what VMM_HC_CLOCK_PAIRING writes */
struct vmm_clock_pairing {
	__s64 sec;
	__s64 nsec;
	__u64 tsc;
	__u32 flags;
	__u32 pad[9];
};

#define VMM_ASYNC_PF_ENABLED			(1 << 0)
#define VMM_ASYNC_PF_SEND_ALWAYS		(1 << 1)
#define VMM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT	(1 << 2)
#define VMM_ASYNC_PF_DELIVERY_AS_INT		(1 << 3)
#define VMM_ASYNC_PF_VEC_MASK			0xffUL	/* of MSR_VMM_ASYNC_PF_INT */

#define VMM_PV_REASON_PAGE_NOT_PRESENT	1
#define VMM_PV_REASON_PAGE_READY	2

/*
 * struct vmm_vcpu_pv_apf_data - at the address in MSR_VMM_ASYNC_PF_EN
 * @flags: reason of the #PF that the host sent
 * @token: which page is ready
 * @enabled: the guest's own
 */
struct vmm_vcpu_pv_apf_data {
	__u32 flags;
	__u32 token;
	__u8 pad[56];
	__u32 enabled;
};

#define VMM_PV_EOI_BIT			0
#define VMM_PV_EOI_MASK			(0x1 << VMM_PV_EOI_BIT)
#define VMM_PV_EOI_ENABLED		VMM_PV_EOI_MASK
#define VMM_PV_EOI_DISABLED		0x0

#define VMM_MIGRATION_READY		(1 << 0)	/* MSR_VMM_MIGRATION_CONTROL */

/* Hypercalls: number in RAX, arguments in RBX, RCX, RDX, RSI; result in RAX. */
#define VMM_HC_VAPIC_POLL_IRQ		1
#define VMM_HC_MMU_OP			2
#define VMM_HC_FEATURES			3
#define VMM_HC_KICK_CPU			5
#define VMM_HC_CLOCK_PAIRING		9
#define VMM_HC_SEND_IPI			10
#define VMM_HC_SCHED_YIELD		11
#define VMM_HC_MAP_GPA_RANGE		12

/* Results, negated. */
#define VMM_ENOSYS			1000
#define VMM_EFAULT			14
#define VMM_EINVAL			22
#define VMM_E2BIG			7
#define VMM_EPERM			1
#define VMM_EOPNOTSUPP			95

#define VMM_MAP_GPA_RANGE_PAGE_SZ_4K	0
#define VMM_MAP_GPA_RANGE_PAGE_SZ_2M	(1 << 0)
#define VMM_MAP_GPA_RANGE_PAGE_SZ_1G	(1 << 1)
#define VMM_MAP_GPA_RANGE_ENC_STAT(n)	((n) << 4)
#define VMM_MAP_GPA_RANGE_ENCRYPTED	VMM_MAP_GPA_RANGE_ENC_STAT(1)
#define VMM_MAP_GPA_RANGE_DECRYPTED	VMM_MAP_GPA_RANGE_ENC_STAT(0)

#endif /* _UAPI_LINUX_VMM_PARA_H */
