// SPDX-License-Identifier: GPL-2.0
/*
 * caps_test.c - what a client asks before anything else: the API's version, the
 * size of a vCPU's mapping, and the capabilities it cannot do without.
 */
#include <fcntl.h>

#include "vmm_test.h"

static int check(int fd, long cap)
{
	return CHECK_OK(ioctl(fd, VMM_CHECK_EXTENSION, cap));
}

KTAP_TEST(api_version_is_12)
{
	int dev = vmm_open();

	CHECK_EQ(CHECK_OK(ioctl(dev, VMM_GET_API_VERSION, 0)), VMM_API_VERSION);
	CHECK_EQ(VMM_API_VERSION, 12);
	/* It takes no argument, so that it can grow one. */
	CHECK_ERR(ioctl(dev, VMM_GET_API_VERSION, 1), EINVAL);
}

KTAP_TEST(device_may_be_opened_read_only)
{
	int dev = open(vmm_device(), O_RDONLY);

	CHECK(dev >= 0);
	CHECK_EQ(CHECK_OK(ioctl(dev, VMM_GET_API_VERSION, 0)), 12);
	CHECK_OK(ioctl(dev, VMM_CREATE_VM, 0));
}

KTAP_TEST(mmap_size_holds_run_and_io_pages)
{
	int dev = vmm_open();
	long size = CHECK_OK(ioctl(dev, VMM_GET_VCPU_MMAP_SIZE, 0));

	CHECK_EQ(size % PAGE_SIZE, 0);
	/* struct vmm_run in page 0, the data of port I/O in page 1. */
	CHECK(size >= (VMM_PIO_PAGE_OFFSET + 1) * (long)PAGE_SIZE);
	if (check(dev, VMM_CAP_COALESCED_MMIO))
		CHECK(size >= (VMM_COALESCED_MMIO_PAGE_OFFSET + 1) * (long)PAGE_SIZE);
	CHECK_ERR(ioctl(dev, VMM_GET_VCPU_MMAP_SIZE, 1), EINVAL);
}

/* What QEMU without an in-kernel interrupt controller needs or uses. */
KTAP_TEST(basic_capabilities)
{
	static const struct {
		long cap;
		const char *name;
	} needed[] = {
#define CAP(c) { VMM_CAP_##c, #c }
		CAP(USER_MEMORY), CAP(DESTROY_MEMORY_REGION_WORKS),
		CAP(JOIN_MEMORY_REGIONS_WORKS), CAP(SET_TSS_ADDR),
		CAP(SET_IDENTITY_MAP_ADDR), CAP(EXT_CPUID), CAP(MP_STATE),
		CAP(IRQ_ROUTING), CAP(SYNC_MMU), CAP(USER_NMI), CAP(HLT),
		CAP(READONLY_MEM), CAP(IMMEDIATE_EXIT), CAP(VCPU_EVENTS),
		CAP(DEBUGREGS), CAP(XSAVE), CAP(XCRS), CAP(IOEVENTFD),
		CAP(GET_TSC_KHZ), CAP(ADJUST_CLOCK), CAP(ENABLE_CAP),
		CAP(ENABLE_CAP_VM), CAP(CHECK_EXTENSION_VM),
		CAP(INTERNAL_ERROR_DATA), CAP(IOEVENTFD_ANY_LENGTH),
		CAP(X86_ROBUST_SINGLESTEP), CAP(KVMCLOCK_CTRL),
#undef CAP
	};
	int dev = vmm_open(), missing = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (check(dev, needed[i].cap) > 0)
			continue;
		ktap_diag("no VMM_CAP_%s", needed[i].name);
		missing++;
	}
	CHECK_EQ(missing, 0);
}

KTAP_TEST(capabilities_with_a_number)
{
	int dev = vmm_open();

	CHECK(check(dev, VMM_CAP_NR_MEMSLOTS) >= 32764);
	CHECK(check(dev, VMM_CAP_NR_VCPUS) >= 1);
	CHECK(check(dev, VMM_CAP_MAX_VCPUS) >= check(dev, VMM_CAP_NR_VCPUS));
	CHECK(check(dev, VMM_CAP_MAX_VCPU_ID) >= check(dev, VMM_CAP_MAX_VCPUS));
	/* crosvm compares these two with ==. */
	CHECK_EQ(check(dev, VMM_CAP_IMMEDIATE_EXIT), 1);
	CHECK_EQ(check(dev, VMM_CAP_USER_MEMORY), 1);
	/* QEMU takes GSIs up to this. */
	CHECK(check(dev, VMM_CAP_IRQ_ROUTING) >= 24);
}

KTAP_TEST(unknown_capability_is_0)
{
	int dev = vmm_open();
	struct vm *vm = vm_create();

	CHECK_EQ(check(dev, 0x7fffffff), 0);
	CHECK_EQ(check(dev, -1), 0);
	CHECK_EQ(check(dev, VMM_CAP_IOMMU), 0);
	CHECK_EQ(check(vm->fd, 0x7fffffff), 0);
}

/* Capabilities that a VM answers are the same as those of the device. */
KTAP_TEST(vm_answers_as_the_device_does)
{
	static const long caps[] = {
		VMM_CAP_USER_MEMORY, VMM_CAP_SYNC_MMU, VMM_CAP_NR_MEMSLOTS,
		VMM_CAP_MAX_VCPUS, VMM_CAP_IRQ_ROUTING, VMM_CAP_READONLY_MEM,
		VMM_CAP_XSAVE, VMM_CAP_IMMEDIATE_EXIT, VMM_CAP_TSC_CONTROL,
	};
	struct vm *vm = vm_create();
	int dev = vmm_open();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++)
		CHECK_EQ(check(vm->fd, caps[i]), check(dev, caps[i]));
}

/* A client that knows vmm can tell it from KVM. */
KTAP_TEST(vmm_names_itself)
{
	int dev = vmm_open();

	if (strcmp(vmm_device(), "/dev/vmm"))
		ktap_skip("the device is %s", vmm_device());
	CHECK_EQ(check(dev, VMM_CAP_VMM), VMM_VMM_REVISION);
}

KTAP_TEST(unknown_ioctls_are_refused)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	int dev = vmm_open(), i;

	for (i = 0; i < 2; i++) {
		/* A number that nobody has, and one of another kind of fd. */
		CHECK(ioctl(dev, _IO(VMMIO, 0xff), 0) == -1);
		CHECK(errno == ENOTTY || errno == EINVAL);
		CHECK(ioctl(dev, VMM_RUN, 0) == -1);
		CHECK(errno == ENOTTY || errno == EINVAL);
		CHECK(ioctl(vcpu->vm->fd, VMM_RUN, 0) == -1);
		CHECK(errno == ENOTTY || errno == EINVAL);
		CHECK(ioctl(vcpu->vm->fd, _IO(VMMIO, 0xff), 0) == -1);
		CHECK(errno == ENOTTY || errno == EINVAL);
		CHECK(ioctl(vcpu->fd, VMM_CREATE_VCPU, 0) == -1);
		CHECK(errno == ENOTTY || errno == EINVAL);
		/* The type is not ours at all. */
		CHECK_ERR(ioctl(vcpu->fd, _IO(0x12, 0x80), 0), EINVAL);
	}
}

KTAP_TEST(vm_type_0_only)
{
	int dev = vmm_open();

	CHECK_ERR(ioctl(dev, VMM_CREATE_VM, 1), EINVAL);
	CHECK_ERR(ioctl(dev, VMM_CREATE_VM, ~0UL), EINVAL);
	CHECK_OK(ioctl(dev, VMM_CREATE_VM, 0));
}

/* The fds do not leak into a program that the VMM executes. */
KTAP_TEST(descriptors_close_on_exec)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	CHECK_EQ(fcntl(vcpu->vm->fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(vcpu->fd, F_GETFD), FD_CLOEXEC);
}
