// SPDX-License-Identifier: GPL-2.0
/*
 * sync_regs_test.c - registers through the run page instead of by ioctls, and
 * two smaller parts of a vCPU's state that have no test of their own.
 */
#include "vmm_test.h"

GUEST64(add_and_stop, 1: add $1, %rbx; hlt; jmp 1b);

static struct vcpu *start(void)
{
	vmm_need_cap(VMM_CAP_SYNC_REGS, "VMM_CAP_SYNC_REGS");
	return vcpu_start(MODE_LONG, add_and_stop);
}

KTAP_TEST(run_stores_registers)
{
	struct vcpu *vcpu = start();
	struct vmm_vcpu_events events;
	struct vmm_sregs sregs;
	struct vmm_regs regs;

	CHECK_EQ(vmm_check_extension(VMM_CAP_SYNC_REGS), VMM_SYNC_X86_VALID_FIELDS);
	memset(&vcpu->run->s, 0, sizeof(vcpu->run->s));
	vcpu->run->vmm_valid_regs = VMM_SYNC_X86_VALID_FIELDS;
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	vcpu_get_sregs(vcpu, &sregs);
	vcpu_get_events(vcpu, &events);
	CHECK(!memcmp(&regs, &vcpu->run->s.regs.regs, sizeof(regs)));
	CHECK(!memcmp(&sregs, &vcpu->run->s.regs.sregs, sizeof(sregs)));
	CHECK(!memcmp(&events, &vcpu->run->s.regs.events, sizeof(events)));
}

KTAP_TEST(run_stores_only_what_is_asked_for)
{
	struct vcpu *vcpu = start();
	uint8_t *sregs = (uint8_t *)&vcpu->run->s.regs.sregs;
	unsigned int i;

	memset(&vcpu->run->s, 0xcc, sizeof(vcpu->run->s));
	vcpu->run->vmm_valid_regs = VMM_SYNC_X86_REGS;
	expect_hlt(vcpu);
	CHECK_EQ(vcpu->run->s.regs.regs.rip, vcpu_rip(vcpu));
	for (i = 0; i < sizeof(struct vmm_sregs); i++)
		CHECK_EQ(sregs[i], 0xcc);
}

KTAP_TEST(run_loads_registers)
{
	struct vcpu *vcpu = start();
	struct vmm_run *run = vcpu->run;
	struct vmm_sregs sregs;

	run->vmm_valid_regs = VMM_SYNC_X86_VALID_FIELDS;
	expect_hlt(vcpu);
	run->s.regs.regs.rbx = 0x1000;
	run->s.regs.sregs.fs.base = 0xabc000;
	/* Not marked: not loaded. */
	expect_hlt(vcpu);
	CHECK_EQ(run->s.regs.regs.rbx, 2);
	run->s.regs.regs.rbx = 0x1000;
	run->s.regs.sregs.fs.base = 0xabc000;
	run->vmm_dirty_regs = VMM_SYNC_X86_REGS | VMM_SYNC_X86_SREGS;
	expect_hlt(vcpu);
	CHECK_EQ(run->vmm_dirty_regs, 0);
	CHECK_EQ(run->s.regs.regs.rbx, 0x1001);
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.fs.base, 0xabc000);
}

KTAP_TEST(run_loads_events)
{
	struct vcpu *vcpu = start();
	struct vmm_run *run = vcpu->run;

	run->vmm_valid_regs = VMM_SYNC_X86_VALID_FIELDS;
	expect_hlt(vcpu);
	run->s.regs.events.exception.injected = 1;
	run->s.regs.events.exception.nr = 6;
	run->vmm_dirty_regs = VMM_SYNC_X86_EVENTS;
	expect_fault(vcpu, 6);
}

KTAP_TEST(sync_errors)
{
	struct vcpu *vcpu = start();
	struct vmm_run *run = vcpu->run;

	run->vmm_valid_regs = 8;
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINVAL);
	run->vmm_valid_regs = ~0ULL;
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINVAL);
	run->vmm_valid_regs = 0;
	run->vmm_dirty_regs = 1ULL << 63;
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINVAL);
	run->vmm_dirty_regs = 0;
	run->vmm_valid_regs = VMM_SYNC_X86_SREGS;
	expect_hlt(vcpu);
	/* Values are checked as the ioctls check them. */
	run->s.regs.sregs.cr4 |= 1ULL << 63;
	run->vmm_dirty_regs = VMM_SYNC_X86_SREGS;
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINVAL);
	CHECK_EQ(run->vmm_dirty_regs & ~VMM_SYNC_X86_SREGS, 0);
}

/* ---- TSC offset ---- */

static int tsc_attr(struct vcpu *vcpu, unsigned long request, uint64_t attr, void *value)
{
	struct vmm_device_attr a = {
		.group = VMM_VCPU_TSC_CTRL, .attr = attr, .addr = (uintptr_t)value,
	};

	return ioctl(vcpu->fd, request, &a);
}

KTAP_TEST(tsc_offset)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, add_and_stop);
	uint64_t was, offset, before, after;

	CHECK_OK(tsc_attr(vcpu, VMM_HAS_DEVICE_ATTR, VMM_VCPU_TSC_OFFSET, NULL));
	CHECK_OK(tsc_attr(vcpu, VMM_GET_DEVICE_ATTR, VMM_VCPU_TSC_OFFSET, &was));
	before = vcpu_msr(vcpu, MSR_IA32_TSC);
	offset = was + (1ULL << 50);
	CHECK_OK(tsc_attr(vcpu, VMM_SET_DEVICE_ATTR, VMM_VCPU_TSC_OFFSET, &offset));
	after = vcpu_msr(vcpu, MSR_IA32_TSC);
	CHECK(after - before >= 1ULL << 50);
	CHECK(after - before < (1ULL << 50) + (1ULL << 40));
	was = 0;
	CHECK_OK(tsc_attr(vcpu, VMM_GET_DEVICE_ATTR, VMM_VCPU_TSC_OFFSET, &was));
	CHECK_EQ(was, offset);
}

KTAP_TEST(tsc_offset_errors)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, add_and_stop);
	struct vmm_device_attr other = { .group = 1 };
	uint64_t value = 0;

	CHECK_ERR(tsc_attr(vcpu, VMM_HAS_DEVICE_ATTR, 1, &value), ENXIO);
	CHECK_ERR(tsc_attr(vcpu, VMM_GET_DEVICE_ATTR, 1, &value), ENXIO);
	CHECK_ERR(tsc_attr(vcpu, VMM_SET_DEVICE_ATTR, 1, &value), ENXIO);
	CHECK_ERR(ioctl(vcpu->fd, VMM_HAS_DEVICE_ATTR, &other), ENXIO);
	CHECK_ERR(tsc_attr(vcpu, VMM_GET_DEVICE_ATTR, 0, NULL), EFAULT);
	CHECK_ERR(tsc_attr(vcpu, VMM_SET_DEVICE_ATTR, 0, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_DEVICE_ATTR, NULL), EFAULT);
}

/* ---- Nested state, of a guest without guests ---- */

KTAP_TEST(nested_state_is_empty)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, add_and_stop);
	struct vmm_nested_state *s = calloc(1, 16384);

	if (!vmm_is_vmm() && !vmm_check_extension(VMM_CAP_NESTED_STATE))
		ktap_skip("KVM without nested virtualization has no such state");
	s->size = sizeof(*s) - 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_NESTED_STATE, s), E2BIG);
	CHECK_EQ(s->size, sizeof(*s));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_NESTED_STATE, s));
	CHECK_EQ(s->size, sizeof(*s));
	CHECK(!(s->flags & ~VMM_STATE_NESTED_GIF_SET));
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_NESTED_STATE, s));
	s->flags |= VMM_STATE_NESTED_GUEST_MODE;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_NESTED_STATE, s), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_NESTED_STATE, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_NESTED_STATE, NULL), EFAULT);
}

/* ---- Exits that are switched off ---- */

KTAP_TEST(disable_exits)
{
	int can = vmm_check_extension(VMM_CAP_X86_DISABLE_EXITS);
	struct vmm_enable_cap cap = { .cap = VMM_CAP_X86_DISABLE_EXITS };
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	CHECK(can & VMM_X86_DISABLE_EXITS_HLT);
	CHECK(can & VMM_X86_DISABLE_EXITS_PAUSE);
	cap.args[0] = 1 << 20;
	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	cap.args[0] = VMM_X86_DISABLE_EXITS_PAUSE;
	CHECK_OK(ioctl(vm->fd, VMM_ENABLE_CAP, &cap));
	vcpu = vcpu_create(vm, 0);
	vcpu_load(vcpu, MODE_LONG, add_and_stop);
	expect_hlt(vcpu);
	if (!vmm_is_vmm())
		return;
	/* The vCPU's controls are made: too late. */
	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
}
