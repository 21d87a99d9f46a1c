/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Statistics: what virt/stats.c shows of a VM and its vCPUs, through the fds of
 * VMM_GET_STATS_FD and in debugfs. Values are plain counters that their owners
 * increment; readers take no lock and see each value as it is at that moment.
 */
#ifndef _VMM_STATS_H
#define _VMM_STATS_H

#include <linux/types.h>

struct vmm_vm;
struct vmm_vcpu;

#define VMM_STATS_NAME	48		/* bytes of a name, with the NUL */

/**
 * struct vmm_stat - one statistic, described
 * @flags: VMM_STATS_TYPE_* | VMM_STATS_UNIT_* | VMM_STATS_BASE_*
 * @exponent: of the base
 * @name: NUL-terminated
 */
struct vmm_stat {
	u32 flags;
	s16 exponent;
	char name[VMM_STATS_NAME];
};

/* --- virt/stats.c --- */
long vmm_vm_stats_fd(struct vmm_vm *vm);	/* VMM_GET_STATS_FD: fd or -ENOMEM, -EMFILE */
long vmm_vcpu_stats_fd(struct vmm_vcpu *vcpu);
void vmm_stats_init(void);			/* module init and exit */
void vmm_stats_exit(void);
/* The VM's file in debugfs; it is complete, and goes before anything else of it. */
void vmm_stats_vm_add(struct vmm_vm *vm);
void vmm_stats_vm_remove(struct vmm_vm *vm);

/* --- arch/x86/stats.c: those of a vCPU --- */
unsigned int vmm_arch_nr_vcpu_stats(void);
void vmm_arch_vcpu_stat(unsigned int i, struct vmm_stat *stat);
/* All values, in the order of their numbers. Any thread. */
void vmm_arch_vcpu_stat_values(struct vmm_vcpu *vcpu, u64 *values);
void vmm_arch_stats_exit(void);		/* the module goes: no probe runs any more */

#endif
