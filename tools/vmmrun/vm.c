// SPDX-License-Identifier: GPL-2.0
/*
 * vm.c - the machine without its CPUs: memory, interrupt controllers, and the wires
 * between eventfds and the guest. Teaches what a VM is to the kernel: a handful of
 * ioctls on one file descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vmmrun.h"

struct vm vm;

/* End vmmrun: what happened, why (errno, unless it is 0), and what to do about it. */
void die(const char *advice, const char *what, ...)
{
	int error = errno;
	va_list args;

	fprintf(stderr, "vmmrun: ");
	va_start(args, what);
	vfprintf(stderr, what, args);
	va_end(args);
	if (error)
		fprintf(stderr, ": %s", strerror(error));
	fprintf(stderr, "\n");
	if (advice)
		fprintf(stderr, "vmmrun: %s\n", advice);
	exit(STATUS_CANNOT);
}

/* For calls that fail only when the host is short of something, or when we are wrong. */
int check(int result, const char *what)
{
	if (result < 0)
		die("dmesg may say more; the errors of each ioctl are in Documentation/api.rst",
		    "%s failed", what);
	return result;
}

void vm_open(const char *device)
{
	int version;

	vm.dev = open(device, O_RDWR | O_CLOEXEC);
	if (vm.dev < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		die("load the hypervisor: modprobe vmm-amd, or vmm-intel; or say --device /dev/kvm",
		    "%s cannot be opened", device);
	if (vm.dev < 0 && (errno == EACCES || errno == EPERM))
		die("become a member of its group: adduser USER kvm, and log in again",
		    "%s cannot be opened", device);
	if (vm.dev < 0)
		die(NULL, "%s cannot be opened", device);
	version = ioctl(vm.dev, VMM_GET_API_VERSION, 0);
	if (version >= 0)
		errno = 0;
	if (version != VMM_API_VERSION)
		die("is it vmm's device, or KVM's?",
		    "%s does not speak version %d of the interface", device, VMM_API_VERSION);
}

static void add_slot(unsigned int slot, uint64_t gpa, uint64_t size, uint8_t *host)
{
	struct vmm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	check(ioctl(vm.fd, VMM_SET_USER_MEMORY_REGION, &region), "VMM_SET_USER_MEMORY_REGION");
}

static void need_capability(int cap, const char *what)
{
	errno = 0;
	if (ioctl(vm.dev, VMM_CHECK_EXTENSION, cap) <= 0)
		die("with vmm, see its parameter legacy_irqchip in vmm(4)",
		    "the hypervisor offers no %s", what);
}

void vm_create(uint64_t memory)
{
	struct vmm_pit_config pit = { .flags = VMM_PIT_SPEAKER_DUMMY };

	need_capability(VMM_CAP_IRQCHIP, "interrupt controllers");
	need_capability(VMM_CAP_PIT2, "timer");
	need_capability(VMM_CAP_IRQFD, "irqfds");
	need_capability(VMM_CAP_IOEVENTFD, "ioeventfds");
	vm.fd = ioctl(vm.dev, VMM_CREATE_VM, 0);
	if (vm.fd < 0 && errno == EBUSY)
		die("another hypervisor holds the CPU's extensions; end its VMs, or unload it",
		    "the VM cannot be made");
	check(vm.fd, "VMM_CREATE_VM");

	/*
	 * The guest's memory is ours: pages come into being when one of us touches them.
	 * The hole below 4 GiB is where devices are.
	 */
	vm.ram = mmap(NULL, memory, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm.ram == MAP_FAILED)
		die("give the guest less with --mem", "there is no memory for the guest");
	madvise(vm.ram, memory, MADV_HUGEPAGE);
	vm.low = memory < LOW_RAM_END ? memory : LOW_RAM_END;
	vm.high = memory - vm.low;
	add_slot(0, 0, vm.low, vm.ram);
	if (vm.high)
		add_slot(1, HIGH_RAM, vm.high, vm.ram + vm.low);

	/* Three pages that KVM needs on Intel's first CPUs with VT-x; out of everybody's way. */
	check(ioctl(vm.fd, VMM_SET_TSS_ADDR, 0xfffbd000), "VMM_SET_TSS_ADDR");
	check(ioctl(vm.fd, VMM_CREATE_IRQCHIP, 0), "VMM_CREATE_IRQCHIP");
	check(ioctl(vm.fd, VMM_CREATE_PIT2, &pit), "VMM_CREATE_PIT2");
}

/* Where the guest's memory is in ours; NULL unless all of the range is RAM. */
void *guest_range(uint64_t gpa, uint64_t len)
{
	if (gpa < vm.low && len <= vm.low - gpa)
		return vm.ram + gpa;
	if (gpa >= HIGH_RAM && gpa - HIGH_RAM < vm.high && len <= vm.high - (gpa - HIGH_RAM))
		return vm.ram + vm.low + (gpa - HIGH_RAM);
	return NULL;
}

/* Raise or lower an input of the interrupt controllers. */
void vm_set_irq(unsigned int gsi, bool level)
{
	struct vmm_irq_level line = { .irq = gsi, .level = level };

	check(ioctl(vm.fd, VMM_IRQ_LINE, &line), "VMM_IRQ_LINE");
}

/* From now on the kernel makes an interrupt of each signal of the eventfd. */
void vm_connect_irq(int eventfd, unsigned int gsi)
{
	struct vmm_irqfd irqfd = { .fd = eventfd, .gsi = gsi };

	check(ioctl(vm.fd, VMM_IRQFD, &irqfd), "VMM_IRQFD");
}

/* From now on a write of this value there is a signal of the eventfd, and no exit. */
void vm_connect_write(int eventfd, uint64_t gpa, uint32_t value)
{
	struct vmm_ioeventfd ioeventfd = {
		.addr = gpa, .len = sizeof(value), .fd = eventfd, .datamatch = value,
		.flags = VMM_IOEVENTFD_FLAG_DATAMATCH,
	};

	check(ioctl(vm.fd, VMM_IOEVENTFD, &ioeventfd), "VMM_IOEVENTFD");
}
