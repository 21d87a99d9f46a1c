// SPDX-License-Identifier: GPL-2.0
/*
 * debug_test.c - a debugger in user space: single steps and breakpoints that
 * the guest does not notice, and a look at its memory through its own tables.
 */
#include "vmm_test.h"

GUEST64(steps,
	mov $1, %eax;			/* 5 bytes */
	mov $2, %ebx;
	cpuid;
	nop;
	int3;
	hlt);

static const int step_rip[] = { 5, 10, 12, 13 };

static void set_debug(struct vcpu *vcpu, uint32_t control)
{
	struct vmm_guest_debug dbg = { .control = control };

	CHECK_OK(ioctl(vcpu->fd, VMM_SET_GUEST_DEBUG, &dbg));
}

KTAP_TEST(single_step)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, steps);
	struct vmm_regs regs;
	unsigned int i;

	vmm_need_cap(VMM_CAP_SET_GUEST_DEBUG, "VMM_CAP_SET_GUEST_DEBUG");
	set_debug(vcpu, VMM_GUESTDBG_ENABLE | VMM_GUESTDBG_SINGLESTEP);
	/* CPUID is emulated; it is a step like the others. */
	for (i = 0; i < ARRAY_SIZE(step_rip); i++) {
		expect_exit(vcpu, VMM_EXIT_DEBUG);
		CHECK_EQ(vcpu->run->debug.arch.exception, VMM_DB_VECTOR);
		CHECK_EQ(vcpu->run->debug.arch.pc, GUEST_CODE + step_rip[i]);
		CHECK(vcpu->run->debug.arch.dr6 & 1 << 14);
		CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + step_rip[i]);
	}
	/* The guest's own TF is not set. */
	vcpu_get_regs(vcpu, &regs);
	CHECK(!(regs.rflags & X86_FLAGS_TF));
	/* Without the debugger it goes on, to its own INT3. */
	set_debug(vcpu, 0);
	expect_fault(vcpu, VMM_BP_VECTOR);
}

KTAP_TEST(software_breakpoint)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, steps);

	vmm_need_cap(VMM_CAP_SET_GUEST_DEBUG, "VMM_CAP_SET_GUEST_DEBUG");
	if (cpu_is_tcg())
		ktap_skip("TCG's CPU does not intercept the exception of INT3");
	set_debug(vcpu, VMM_GUESTDBG_ENABLE | VMM_GUESTDBG_USE_SW_BP);
	expect_exit(vcpu, VMM_EXIT_DEBUG);
	CHECK_EQ(vcpu->run->debug.arch.exception, VMM_BP_VECTOR);
	/* At the INT3, not behind it. */
	CHECK_EQ(vcpu->run->debug.arch.pc, GUEST_CODE + 13);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 13);
	vcpu_set_rip(vcpu, GUEST_CODE + 14);
	expect_hlt(vcpu);
}

KTAP_TEST(guest_keeps_its_breakpoint_without_the_debugger)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, steps);

	vmm_need_cap(VMM_CAP_SET_GUEST_DEBUG, "VMM_CAP_SET_GUEST_DEBUG");
	set_debug(vcpu, VMM_GUESTDBG_ENABLE);
	CHECK_EQ(expect_fault(vcpu, VMM_BP_VECTOR)->rip, GUEST_CODE + 14);
	expect_hlt(vcpu);
}

KTAP_TEST(injected_by_the_debugger)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, steps);

	vmm_need_cap(VMM_CAP_SET_GUEST_DEBUG, "VMM_CAP_SET_GUEST_DEBUG");
	set_debug(vcpu, VMM_GUESTDBG_ENABLE | VMM_GUESTDBG_INJECT_DB);
	CHECK_EQ(expect_fault(vcpu, VMM_DB_VECTOR)->rip, GUEST_CODE);
}

KTAP_TEST(debug_errors)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, steps);

	vmm_need_cap(VMM_CAP_SET_GUEST_DEBUG, "VMM_CAP_SET_GUEST_DEBUG");
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_GUEST_DEBUG, NULL), EFAULT);
}

/* ---- VMM_TRANSLATE ---- */

static int translate(struct vcpu *vcpu, uint64_t va, uint64_t *pa)
{
	struct vmm_translation tr = { .linear_address = va };

	CHECK_OK(ioctl(vcpu->fd, VMM_TRANSLATE, &tr));
	*pa = tr.physical_address;
	return tr.valid;
}

KTAP_TEST(translate_in_long_mode)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, steps);
	uint64_t pa;

	CHECK_EQ(translate(vcpu, 0x12345, &pa), 1);
	CHECK_EQ(pa, 0x12345);
	vm_map_4k(vcpu->vm, 0x400000, GUEST_DATA);
	*vm_pte_4k(vcpu->vm, 0x402000) = 0;
	CHECK_EQ(translate(vcpu, 0x401678, &pa), 1);
	CHECK_EQ(pa, GUEST_DATA + PAGE_SIZE + 0x678);
	CHECK_EQ(translate(vcpu, 0x402000, &pa), 0);
	/* Beyond the 4 GiB of the tables. */
	CHECK_EQ(translate(vcpu, 1UL << 40, &pa), 0);
	CHECK_ERR(ioctl(vcpu->fd, VMM_TRANSLATE, NULL), EFAULT);
}

KTAP_TEST(translate_without_paging)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	uint64_t pa;

	vcpu_set_mode(vcpu, MODE_PROTECTED);
	CHECK_EQ(translate(vcpu, 0xfedcba98, &pa), 1);
	CHECK_EQ(pa, 0xfedcba98);
	vcpu_set_mode(vcpu, MODE_PAE);
	CHECK_EQ(translate(vcpu, 0x80000123, &pa), 1);
	CHECK_EQ(pa, 0x80000123);
}
