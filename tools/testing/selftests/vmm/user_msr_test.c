// SPDX-License-Identifier: GPL-2.0
/*
 * user_msr_test.c - MSRs that are user space's: accesses that are refused become
 * exits, and a filter decides what is refused.
 */
#include "vmm_test.h"

#define MSR_NOBODYS	0x7777
#define MSR_SFMASK	0xc0000084

GUEST64(read_msr, rdmsr; hlt);
GUEST64(write_msr, wrmsr; hlt);
GUEST64(read_then_loop, 1: rdmsr; hlt; jmp 1b);

/* What RDMSR and WRMSR take. */
static void set_msr_regs(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rcx = msr;
	regs.rax = (uint32_t)value;
	regs.rdx = value >> 32;
	vcpu_set_regs(vcpu, &regs);
}

static struct vcpu *start(const uint8_t *code, const uint8_t *end, uint32_t msr, uint64_t value)
{
	struct vcpu *vcpu = vcpu_new(MODE_LONG, code, end);

	set_msr_regs(vcpu, msr, value);
	return vcpu;
}
#define START(code, msr, value) start(code, code##_end, msr, value)

static int enable_exits(struct vcpu *vcpu, uint64_t mask)
{
	struct vmm_enable_cap cap = { .cap = VMM_CAP_X86_USER_SPACE_MSR, .args = { mask } };

	return ioctl(vcpu->vm->fd, VMM_ENABLE_CAP, &cap);
}

static int set_filter(struct vcpu *vcpu, const struct vmm_msr_filter *filter)
{
	return ioctl(vcpu->vm->fd, VMM_X86_SET_MSR_FILTER, filter);
}

/* One range of eight MSRs from @base on; @allow: their bits. */
static void filter_range(struct vcpu *vcpu, uint32_t flags, uint32_t access, uint32_t base,
			 uint64_t allow)
{
	struct vmm_msr_filter filter = {
		.flags = flags,
		.ranges[3] = {
			.flags = access, .nmsrs = 8, .base = base, .bitmap = (uint8_t *)&allow,
		},
	};

	CHECK_OK(set_filter(vcpu, &filter));
}

#define UNKNOWN		(VMM_MSR_EXIT_REASON_UNKNOWN | VMM_MSR_EXIT_REASON_INVAL)

/* @reason: one of these. */
static void expect_msr_exit(struct vcpu *vcpu, uint32_t exit, uint32_t reason, uint32_t msr)
{
	expect_exit(vcpu, exit);
	CHECK(vcpu->run->msr.reason & reason);
	CHECK_EQ(vcpu->run->msr.index, msr);
	CHECK_EQ(vcpu->run->msr.error, 0);
}

KTAP_TEST(unknown_msr_is_read_by_user_space)
{
	struct vcpu *vcpu = START(read_msr, MSR_NOBODYS, 0);
	struct vmm_regs regs;

	vmm_need_cap(VMM_CAP_X86_USER_SPACE_MSR, "VMM_CAP_X86_USER_SPACE_MSR");
	CHECK_OK(enable_exits(vcpu, UNKNOWN));
	expect_msr_exit(vcpu, VMM_EXIT_X86_RDMSR, UNKNOWN, MSR_NOBODYS);
	if (vmm_is_vmm())
		CHECK_EQ(vcpu->run->msr.reason, VMM_MSR_EXIT_REASON_UNKNOWN);
	vcpu->run->msr.data = 0x123456789abcdef0;
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0x9abcdef0);
	CHECK_EQ(regs.rdx, 0x12345678);
}

KTAP_TEST(unknown_msr_is_written_by_user_space)
{
	struct vcpu *vcpu = START(write_msr, MSR_NOBODYS, 0x1122334455667788);

	CHECK_OK(enable_exits(vcpu, UNKNOWN));
	expect_msr_exit(vcpu, VMM_EXIT_X86_WRMSR, UNKNOWN, MSR_NOBODYS);
	CHECK_EQ(vcpu->run->msr.data, 0x1122334455667788);
	expect_hlt(vcpu);
}

KTAP_TEST(user_space_refuses)
{
	struct vcpu *vcpu = START(read_msr, MSR_NOBODYS, 0);

	CHECK_OK(enable_exits(vcpu, UNKNOWN));
	expect_exit(vcpu, VMM_EXIT_X86_RDMSR);
	vcpu->run->msr.error = 1;
	CHECK_EQ(expect_fault(vcpu, 13)->rip, GUEST_CODE);
}

KTAP_TEST(invalid_value_is_an_exit)
{
	/* A bit that no CPU has. */
	struct vcpu *vcpu = START(write_msr, MSR_EFER, 1ULL << 40);

	CHECK_OK(enable_exits(vcpu, VMM_MSR_EXIT_REASON_INVAL));
	expect_msr_exit(vcpu, VMM_EXIT_X86_WRMSR, VMM_MSR_EXIT_REASON_INVAL, MSR_EFER);
	CHECK_EQ(vcpu->run->msr.data, 1ULL << 40);
	expect_hlt(vcpu);
	CHECK(!(vcpu_msr(vcpu, MSR_EFER) >> 40));
}

KTAP_TEST(without_the_capability_it_is_a_fault)
{
	struct vcpu *vcpu = START(read_msr, MSR_NOBODYS, 0);

	CHECK_OK(enable_exits(vcpu, VMM_MSR_EXIT_REASON_FILTER));
	expect_fault(vcpu, 13);
}

/* LSTAR does not exit as a rule: the filter has to change that. */
KTAP_TEST(filter_denies)
{
	struct vcpu *vcpu = START(read_msr, MSR_LSTAR, 0);

	vmm_need_cap(VMM_CAP_X86_MSR_FILTER, "VMM_CAP_X86_MSR_FILTER");
	filter_range(vcpu, VMM_MSR_FILTER_DEFAULT_ALLOW, VMM_MSR_FILTER_READ, 0xc0000080,
		     0xff & ~(1 << 2));
	expect_fault(vcpu, 13);
}

KTAP_TEST(filter_denies_writes_only)
{
	struct vcpu *vcpu = START(read_msr, MSR_LSTAR, 0);

	CHECK_EQ(vcpu_set_msr(vcpu, MSR_LSTAR, 0x1234), 1);
	filter_range(vcpu, VMM_MSR_FILTER_DEFAULT_ALLOW, VMM_MSR_FILTER_WRITE, 0xc0000080,
		     0xff & ~(1 << 2));
	CHECK_OK(enable_exits(vcpu, VMM_MSR_EXIT_REASON_FILTER));
	expect_hlt(vcpu);
	vcpu_load(vcpu, MODE_LONG, write_msr);
	set_msr_regs(vcpu, MSR_LSTAR, 0x5678);
	expect_msr_exit(vcpu, VMM_EXIT_X86_WRMSR, VMM_MSR_EXIT_REASON_FILTER, MSR_LSTAR);
	CHECK_EQ(vcpu->run->msr.data, 0x5678);
	expect_hlt(vcpu);
	/* It is user space's: nothing has changed. */
	CHECK_EQ(vcpu_msr(vcpu, MSR_LSTAR), 0x1234);
}

KTAP_TEST(filter_denies_by_default)
{
	struct vmm_msr_filter none = { .flags = VMM_MSR_FILTER_DEFAULT_ALLOW };
	struct vcpu *vcpu = START(read_then_loop, MSR_SFMASK, 0);

	CHECK_OK(enable_exits(vcpu, VMM_MSR_EXIT_REASON_FILTER));
	filter_range(vcpu, VMM_MSR_FILTER_DEFAULT_DENY,
		     VMM_MSR_FILTER_READ | VMM_MSR_FILTER_WRITE, 0x10, 0xff);
	expect_msr_exit(vcpu, VMM_EXIT_X86_RDMSR, VMM_MSR_EXIT_REASON_FILTER, MSR_SFMASK);
	vcpu->run->msr.data = 1;
	expect_hlt(vcpu);
	/* The host may. */
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_SFMASK, 2), 1);
	/* A filter without a range is none. */
	CHECK_OK(set_filter(vcpu, &none));
	expect_hlt(vcpu);
}

KTAP_TEST(filter_is_there_before_the_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu only_vm = { .vm = vm }, *vcpu;

	CHECK_OK(enable_exits(&only_vm, VMM_MSR_EXIT_REASON_FILTER));
	filter_range(&only_vm, VMM_MSR_FILTER_DEFAULT_ALLOW, VMM_MSR_FILTER_READ, MSR_LSTAR, 0);
	vcpu = vcpu_create(vm, 0);
	vcpu_load(vcpu, MODE_LONG, read_msr);
	set_msr_regs(vcpu, MSR_LSTAR, 0);
	expect_msr_exit(vcpu, VMM_EXIT_X86_RDMSR, VMM_MSR_EXIT_REASON_FILTER, MSR_LSTAR);
	expect_hlt(vcpu);
}

KTAP_TEST(user_msr_errors)
{
	struct vcpu *vcpu = START(read_msr, MSR_NOBODYS, 0);
	struct vmm_msr_filter f = { .flags = VMM_MSR_FILTER_DEFAULT_DENY };
	uint64_t bitmap = 0;

	CHECK_ERR(enable_exits(vcpu, 8), EINVAL);
	CHECK_ERR(set_filter(vcpu, NULL), EFAULT);
	CHECK_ERR(set_filter(vcpu, &f), EINVAL);	/* denies all */
	f.flags = 2;
	CHECK_ERR(set_filter(vcpu, &f), EINVAL);
	f.flags = 0;
	f.ranges[15] = (struct vmm_msr_filter_range) {
		.flags = 0, .nmsrs = 1, .bitmap = (uint8_t *)&bitmap,
	};
	CHECK_ERR(set_filter(vcpu, &f), EINVAL);
	f.ranges[15].flags = 4;
	CHECK_ERR(set_filter(vcpu, &f), EINVAL);
	f.ranges[15].flags = VMM_MSR_FILTER_READ;
	f.ranges[15].nmsrs = 0x600 * 8 + 1;
	CHECK_ERR(set_filter(vcpu, &f), EINVAL);
	f.ranges[15].nmsrs = ~0U;
	CHECK_ERR(set_filter(vcpu, &f), EINVAL);
	f.ranges[15].nmsrs = 1;
	f.ranges[15].bitmap = NULL;
	CHECK_ERR(set_filter(vcpu, &f), EFAULT);
}
