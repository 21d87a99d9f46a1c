// SPDX-License-Identifier: GPL-2.0
/*
 * MSRs that are user space's: VMM_X86_SET_MSR_FILTER says which a guest may not
 * access, VMM_CAP_X86_USER_SPACE_MSR that a guest's refused access is an exit
 * instead of #GP. Called by the exit handlers of msr.c, which know nothing of
 * filters while there is none.
 *
 * A filter is immutable; vm->srcu guards its readers, vm->lock its replacement.
 * MSRs that do not exit are given back to the exits where a filter denies them:
 * each vCPU does that itself, by VMM_REQ_MSR_FILTER, before it enters again.
 */
#include <linux/bitmap.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vmm/x86.h>

#define ACCESS_FLAGS	(VMM_MSR_FILTER_READ | VMM_MSR_FILTER_WRITE)
#define EXIT_REASONS	(VMM_MSR_EXIT_REASON_INVAL | VMM_MSR_EXIT_REASON_UNKNOWN |	\
			 VMM_MSR_EXIT_REASON_FILTER)

/* The registers of a local APIC in x2APIC mode are never filtered. */
#define X2APIC_MSR_FIRST	0x800
#define X2APIC_MSR_LAST		0x8ff

/**
 * struct vmm_msr_filter_set - the filter of a VM
 * @default_allow: what is in no range
 * @nr: ranges in use
 * @range: @flags: VMM_MSR_FILTER_*: the accesses it is about; a set bit allows
 */
struct vmm_msr_filter_set {
	bool default_allow;
	unsigned int nr;
	struct {
		u32 flags, base, nmsrs;
		unsigned long *bitmap;
	} range[VMM_MSR_FILTER_MAX_RANGES];
};

static void free_set(struct vmm_msr_filter_set *set)
{
	unsigned int i;

	for (i = 0; set && i < set->nr; i++)
		kfree(set->range[i].bitmap);
	kfree(set);
}

/* vmm_msr_denied(), where there is a filter. */
bool vmm_msr_denied_slow(struct vmm_vcpu *vcpu, u32 msr, bool write)
{
	u32 access = write ? VMM_MSR_FILTER_WRITE : VMM_MSR_FILTER_READ;
	const struct vmm_msr_filter_set *set;
	unsigned int i;

	set = srcu_dereference(vcpu->vm->arch.msr_filter, &vcpu->vm->srcu);
	if (!set || (msr >= X2APIC_MSR_FIRST && msr <= X2APIC_MSR_LAST))
		return false;
	for (i = 0; i < set->nr; i++) {
		u32 bit = msr - set->range[i].base;

		if (!(set->range[i].flags & access) || bit >= set->range[i].nmsrs)
			continue;
		bit = array_index_nospec(bit, set->range[i].nmsrs);
		return !test_bit(bit, set->range[i].bitmap);
	}
	return !set->default_allow;
}

static int take_range(struct vmm_msr_filter_set *set, const struct vmm_msr_filter_range *r)
{
	size_t size = BITS_TO_LONGS((u64)r->nmsrs) * sizeof(long);
	unsigned long *bitmap;

	if (!r->nmsrs)
		return 0;
	if ((r->flags & ~ACCESS_FLAGS) || !r->flags || size > VMM_MSR_FILTER_MAX_BITMAP_SIZE)
		return -EINVAL;
	bitmap = memdup_user((const void __user *)r->bitmap_addr, size);
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);
	set->range[set->nr].flags = r->flags;
	set->range[set->nr].base = r->base;
	set->range[set->nr].nmsrs = r->nmsrs;
	set->range[set->nr++].bitmap = bitmap;
	return 0;
}

static struct vmm_msr_filter_set *make_set(const struct vmm_msr_filter *filter)
{
	struct vmm_msr_filter_set *set;
	unsigned int i;
	int r = 0;

	if (filter->flags & ~VMM_MSR_FILTER_DEFAULT_DENY)
		return ERR_PTR(-EINVAL);
	set = kzalloc(sizeof(*set), GFP_KERNEL_ACCOUNT);
	if (!set)
		return ERR_PTR(-ENOMEM);
	set->default_allow = !(filter->flags & VMM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; i < VMM_MSR_FILTER_MAX_RANGES && !r; i++)
		r = take_range(set, &filter->ranges[i]);
	/* Without a range there is no filter, so nothing to deny by default. */
	if (!r && !set->nr && !set->default_allow)
		r = -EINVAL;
	if (r) {
		free_set(set);
		return ERR_PTR(r);
	}
	return set;
}

/**
 * vmm_set_msr_filter() - VMM_X86_SET_MSR_FILTER
 * @vm: VM
 * @arg: struct vmm_msr_filter in user space; without a range it ends filtering
 *
 * Context: may sleep, takes vm->lock.
 * Return: 0; -EINVAL: an unknown flag, a range for no access, a bitmap of more than
 * VMM_MSR_FILTER_MAX_BITMAP_SIZE, denial by default without a range; -EFAULT; -ENOMEM.
 */
long vmm_set_msr_filter(struct vmm_vm *vm, const void __user *arg)
{
	struct vmm_msr_filter_set *set, *old;
	struct vmm_msr_filter *filter;
	struct vmm_vcpu *vcpu;
	unsigned long i;

	filter = memdup_user(arg, sizeof(*filter));
	if (IS_ERR(filter))
		return PTR_ERR(filter);
	set = make_set(filter);
	kfree(filter);
	if (IS_ERR(set))
		return PTR_ERR(set);
	if (!set->nr) {
		free_set(set);
		set = NULL;
	}
	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->arch.msr_filter, set, lockdep_is_held(&vm->lock));
	vmm_for_each_vcpu(i, vcpu, vm) {
		vmm_request(vcpu, VMM_REQ_MSR_FILTER);
		vmm_vcpu_kick(vcpu);
	}
	mutex_unlock(&vm->lock);
	synchronize_srcu_expedited(&vm->srcu);
	free_set(old);
	return 0;
}

void vmm_msr_filter_destroy(struct vmm_vm *vm)
{
	free_set(rcu_dereference_protected(vm->arch.msr_filter, true));
}

/* VMM_CAP_X86_USER_SPACE_MSR; vm->lock held. */
int vmm_enable_user_msr(struct vmm_vm *vm, u64 mask)
{
	if (mask & ~(u64)EXIT_REASONS)
		return -EINVAL;
	WRITE_ONCE(vm->arch.user_msr_mask, mask);
	return 0;
}

/**
 * vmm_user_msr_exit() - a guest's access was refused: is it user space's?
 * @vcpu: the vCPU, at the instruction
 * @reason: VMM_MSR_EXIT_REASON_*
 * @write: WRMSR
 * @value: what it writes
 *
 * Return: true if the run page is filled in; the next VMM_RUN has the answer.
 */
bool vmm_user_msr_exit(struct vmm_vcpu *vcpu, u32 reason, bool write, u64 value)
{
	struct vmm_run *run = vcpu->run;

	if (!(READ_ONCE(vcpu->vm->arch.user_msr_mask) & reason))
		return false;
	run->exit_reason = write ? VMM_EXIT_X86_WRMSR : VMM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = reason;
	run->msr.index = vcpu->arch.gpr[GPR_RCX];
	run->msr.data = value;
	vcpu->arch.io.wait = write ? VMM_IO_WRMSR : VMM_IO_RDMSR;
	vcpu->arch.io.rip = vcpu_rip(vcpu);
	return true;
}

/* VMM_RUN was called again. */
int vmm_complete_user_msr(struct vmm_vcpu *vcpu, bool write)
{
	u64 value = READ_ONCE(vcpu->run->msr.data);

	if (READ_ONCE(vcpu->run->msr.error)) {
		vmm_inject_gp(vcpu);
		return VMM_RESUME;
	}
	if (!write) {
		vcpu->arch.gpr[GPR_RAX] = (u32)value;
		vcpu->arch.gpr[GPR_RDX] = value >> 32;
	}
	return vmm_skip_insn(vcpu);
}
