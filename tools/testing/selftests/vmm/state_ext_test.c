// SPDX-License-Identifier: GPL-2.0
/*
 * state_ext_test.c - state that came with later capabilities: SREGS2, XSAVE2,
 * pending exceptions with their payload, triple faults, injected machine checks
 * and quirks. What the device does not offer is skipped.
 */
#include "vmm_test.h"

#define MSR_MCG_STATUS		0x17a
#define MSR_MC_STATUS(n)	(0x401 + 4 * (n))
#define MSR_MC_ADDR(n)		(0x402 + 4 * (n))

GUEST64(halt, 1: hlt; jmp 1b);
GUEST32(halt_32, 1: hlt; jmp 1b);

static int enable_cap(struct vm *vm, uint32_t cap, uint64_t arg)
{
	struct vmm_enable_cap e = { .cap = cap, .args[0] = arg };

	return ioctl(vm->fd, VMM_ENABLE_CAP, &e);
}

/* ---- SREGS2 ---- */

KTAP_TEST(sregs2_is_sregs)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct vmm_sregs2 s2;
	struct vmm_sregs s;

	vmm_need_cap(VMM_CAP_SREGS2, "VMM_CAP_SREGS2");
	vcpu_get_sregs(vcpu, &s);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_SREGS2, &s2));
	CHECK(!memcmp(&s, &s2, offsetof(struct vmm_sregs, interrupt_bitmap)));
	CHECK_EQ(s2.flags, 0);
	s2.cr2 = 0x1234;
	s2.fs.base = 0x5678000;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_SREGS2, &s2));
	vcpu_get_sregs(vcpu, &s);
	CHECK_EQ(s.cr2, 0x1234);
	CHECK_EQ(s.fs.base, 0x5678000);
}

/* PDPTEs are the CPU's own in PAE paging: those set here, not those in memory. */
KTAP_TEST(sregs2_pdptrs)
{
	struct vcpu *vcpu = vcpu_start(MODE_PAE, halt_32);
	uint64_t *in_memory = vm_gpa(vcpu->vm, GUEST_PAE_PDPT);
	struct vmm_sregs2 s;
	int i;

	vmm_need_cap(VMM_CAP_SREGS2, "VMM_CAP_SREGS2");
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_SREGS2, &s));
	CHECK_EQ(s.flags, VMM_SREGS2_FLAGS_PDPTRS_VALID);
	for (i = 0; i < 4; i++)
		CHECK_EQ(s.pdptrs[i], in_memory[i]);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_SREGS2, &s));
	expect_hlt(vcpu);
}

KTAP_TEST(sregs2_errors)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct vmm_sregs2 s;

	vmm_need_cap(VMM_CAP_SREGS2, "VMM_CAP_SREGS2");
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_SREGS2, &s));
	s.flags = 2;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SREGS2, &s), EINVAL);
	s.flags = VMM_SREGS2_FLAGS_PDPTRS_VALID;	/* this is no PAE paging */
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SREGS2, &s), EINVAL);
	s.flags = 0;
	s.cr4 &= ~X86_CR4_PAE;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SREGS2, &s), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_SREGS2, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SREGS2, NULL), EFAULT);
}

/* ---- XSAVE2 ---- */

KTAP_TEST(xsave2)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct vmm_xsave *a, *b;
	int size;

	vmm_need_cap(VMM_CAP_XSAVE2, "VMM_CAP_XSAVE2");
	size = CHECK_OK(ioctl(vcpu->vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_XSAVE2));
	CHECK(size >= 4096);
	a = calloc(1, size);
	b = calloc(1, sizeof(*b));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE2, a));
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XSAVE, a));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE2, a));
	if (size == 4096) {
		CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, b));
		CHECK(!memcmp(a, b, 4096));
	} else {
		CHECK_ERR(ioctl(vcpu->fd, VMM_GET_XSAVE, b), EINVAL);
	}
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_XSAVE2, NULL), EFAULT);
}

/* ---- Pending exceptions ---- */

KTAP_TEST(pending_page_fault_with_payload)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct vmm_vcpu_events events;
	struct guest_fault *fault;
	struct vmm_sregs sregs;

	vmm_need_cap(VMM_CAP_EXCEPTION_PAYLOAD, "VMM_CAP_EXCEPTION_PAYLOAD");
	vcpu_get_events(vcpu, &events);
	CHECK(!(events.flags & VMM_VCPUEVENT_VALID_PAYLOAD));
	events.flags = VMM_VCPUEVENT_VALID_PAYLOAD;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_VCPU_EVENTS, &events), EINVAL);

	CHECK_OK(enable_cap(vcpu->vm, VMM_CAP_EXCEPTION_PAYLOAD, 1));
	vcpu_get_events(vcpu, &events);
	CHECK(events.flags & VMM_VCPUEVENT_VALID_PAYLOAD);
	events.flags = VMM_VCPUEVENT_VALID_PAYLOAD;
	events.exception.pending = 1;
	events.exception.injected = 0;
	events.exception.nr = VMM_PF_VECTOR;
	events.exception.has_error_code = 1;
	events.exception.error_code = 2;
	events.exception_has_payload = 1;
	events.exception_payload = 0xabc000;
	vcpu_set_events(vcpu, &events);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.exception.pending, 1);
	CHECK_EQ(events.exception.injected, 0);
	CHECK_EQ(events.exception_has_payload, 1);
	CHECK_EQ(events.exception_payload, 0xabc000);
	/* CR2 changes with the delivery, not before. */
	vcpu_get_sregs(vcpu, &sregs);
	CHECK(sregs.cr2 != 0xabc000);
	fault = expect_fault(vcpu, VMM_PF_VECTOR);
	CHECK_EQ(fault->cr2, 0xabc000);
	CHECK_EQ(fault->error, 2);
}

/* An exception is one or the other: pending counts. */
KTAP_TEST(pending_and_injected)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct vmm_vcpu_events events;

	vmm_need_cap(VMM_CAP_EXCEPTION_PAYLOAD, "VMM_CAP_EXCEPTION_PAYLOAD");
	CHECK_OK(enable_cap(vcpu->vm, VMM_CAP_EXCEPTION_PAYLOAD, 1));
	vcpu_get_events(vcpu, &events);
	events.flags = VMM_VCPUEVENT_VALID_PAYLOAD;
	events.exception.pending = events.exception.injected = 1;
	events.exception.nr = VMM_UD_VECTOR;
	vcpu_set_events(vcpu, &events);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.exception.pending, 1);
	CHECK_EQ(events.exception.injected, 0);
	CHECK_EQ(expect_fault(vcpu, VMM_UD_VECTOR)->rip, GUEST_CODE);
}

/* ---- Triple fault ---- */

KTAP_TEST(pending_triple_fault)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct vmm_vcpu_events events;

	vmm_need_cap(VMM_CAP_X86_TRIPLE_FAULT_EVENT, "VMM_CAP_X86_TRIPLE_FAULT_EVENT");
	vcpu_get_events(vcpu, &events);
	CHECK(!(events.flags & VMM_VCPUEVENT_VALID_TRIPLE_FAULT));
	CHECK_OK(enable_cap(vcpu->vm, VMM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
	vcpu_get_events(vcpu, &events);
	CHECK(events.flags & VMM_VCPUEVENT_VALID_TRIPLE_FAULT);
	CHECK_EQ(events.triple_fault.pending, 0);
	events.flags = VMM_VCPUEVENT_VALID_TRIPLE_FAULT;
	events.triple_fault.pending = 1;
	vcpu_set_events(vcpu, &events);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.triple_fault.pending, 1);
	expect_exit(vcpu, VMM_EXIT_SHUTDOWN);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.triple_fault.pending, 0);
}

/* ---- Machine checks ---- */

#define MCI_VALID	(1ULL << 63)
#define MCI_UC		(1ULL << 61)
#define MCI_EN		(1ULL << 60)
#define MCI_ADDRV	(1ULL << 58)
#define MCG_MCIP	4
#define X86_CR4_MCE	(1UL << 6)

static struct vcpu *start_with_mce(void)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct vmm_sregs sregs;
	uint64_t cap = 4, one_control = 1ULL << 8;

	vmm_need_cap(VMM_CAP_MCE, "VMM_CAP_MCE");
	cap |= one_control;
	CHECK_OK(ioctl(vcpu->fd, VMM_X86_SETUP_MCE, &cap));
	vcpu_get_sregs(vcpu, &sregs);
	sregs.cr4 |= X86_CR4_MCE;
	vcpu_set_sregs(vcpu, &sregs);
	return vcpu;
}

KTAP_TEST(uncorrected_machine_check)
{
	struct vcpu *vcpu = start_with_mce();
	struct vmm_x86_mce mce = {
		.status = MCI_VALID | MCI_UC | MCI_EN | MCI_ADDRV | 0x80,
		.addr = 0x123000, .mcg_status = MCG_MCIP, .bank = 2,
	};

	CHECK_OK(ioctl(vcpu->fd, VMM_X86_SET_MCE, &mce));
	expect_fault(vcpu, VMM_MC_VECTOR);
	CHECK_EQ(vcpu_msr(vcpu, MSR_MC_STATUS(2)), mce.status);
	CHECK_EQ(vcpu_msr(vcpu, MSR_MC_ADDR(2)), 0x123000);
	CHECK(vcpu_msr(vcpu, MSR_MCG_STATUS) & MCG_MCIP);
	/* One more while the first is in progress shuts the machine down. */
	CHECK_OK(ioctl(vcpu->fd, VMM_X86_SET_MCE, &mce));
	expect_exit(vcpu, VMM_EXIT_SHUTDOWN);
}

KTAP_TEST(corrected_machine_check)
{
	struct vcpu *vcpu = start_with_mce();
	struct vmm_x86_mce mce = { .status = MCI_VALID | 0x80, .bank = 1 };

	/* Into the bank, and no exception. */
	CHECK_OK(ioctl(vcpu->fd, VMM_X86_SET_MCE, &mce));
	expect_hlt(vcpu);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 1);
	CHECK_EQ(vcpu_msr(vcpu, MSR_MC_STATUS(1)), mce.status);
}

KTAP_TEST(machine_check_errors)
{
	struct vcpu *vcpu = start_with_mce();
	struct vmm_x86_mce mce = { .status = MCI_VALID, .bank = 4 };

	CHECK_ERR(ioctl(vcpu->fd, VMM_X86_SET_MCE, &mce), EINVAL);	/* no such bank */
	mce.bank = 255;
	CHECK_ERR(ioctl(vcpu->fd, VMM_X86_SET_MCE, &mce), EINVAL);
	mce.bank = 0;
	mce.status = 0;
	CHECK_ERR(ioctl(vcpu->fd, VMM_X86_SET_MCE, &mce), EINVAL);	/* not valid */
	CHECK_ERR(ioctl(vcpu->fd, VMM_X86_SET_MCE, NULL), EFAULT);
}

/* ---- Quirks ---- */

KTAP_TEST(disable_quirks)
{
	struct vm *vm = vm_create();
	int valid = CHECK_OK(ioctl(vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_DISABLE_QUIRKS2));

	if (!valid)
		ktap_skip("no VMM_CAP_DISABLE_QUIRKS2");
	CHECK_OK(enable_cap(vm, VMM_CAP_DISABLE_QUIRKS2, valid));
	CHECK_OK(enable_cap(vm, VMM_CAP_DISABLE_QUIRKS2, 0));
	CHECK_ERR(enable_cap(vm, VMM_CAP_DISABLE_QUIRKS2, 1ULL << 40), EINVAL);
	CHECK_ERR(enable_cap(vm, VMM_CAP_DISABLE_QUIRKS2, (uint64_t)valid | 1ULL << 31), EINVAL);
}
