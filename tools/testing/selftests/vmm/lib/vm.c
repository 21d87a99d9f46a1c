// SPDX-License-Identifier: GPL-2.0
/* vm.c - the device, VMs, their memory and vCPUs, for the test programs. */
#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>

#include "vmm_test.h"

#define MAX_CPUID_ENTRIES 256

static const char *device_path;

const char *vmm_device(void)
{
	if (!device_path)
		device_path = getenv("VMM_DEV");
	if (!device_path)
		device_path = !access("/dev/vmm", F_OK) ? "/dev/vmm" : "/dev/kvm";
	return device_path;
}

int vmm_open(void)
{
	int fd = open(vmm_device(), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		FAIL("%s: %s", vmm_device(), strerror(errno));
	return fd;
}

int vmm_check_extension(long cap)
{
	int fd = vmm_open();
	int r = CHECK_OK(ioctl(fd, VMM_CHECK_EXTENSION, cap));

	close(fd);
	return r;
}

void vmm_need_cap(long cap, const char *name)
{
	if (!vmm_check_extension(cap))
		ktap_skip("%s has no %s", vmm_device(), name);
}

bool vmm_is_vmm(void)
{
	return vmm_check_extension(VMM_CAP_VMM) > 0;
}

bool cpu_is_tcg(void)
{
	uint32_t eax, name[3];

	__cpuid(0x40000000, eax, name[0], name[1], name[2]);
	return !memcmp(name, "TCGTCGTCGTCG", sizeof(name));
}

void *host_alloc(size_t size, size_t align)
{
	uint8_t *p = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		FAIL("mmap of %zu bytes: %s", size, strerror(errno));
	return (void *)(((uintptr_t)p + align - 1) & ~(align - 1));
}

int vm_set_region(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
		  uint64_t size, const void *hva)
{
	struct vmm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->fd, VMM_SET_USER_MEMORY_REGION, &region);
}

void vm_map(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
	    uint64_t size, const void *hva)
{
	if (vm_set_region(vm, slot, flags, gpa, size, hva))
		FAIL("slot %u, %#llx bytes at %#llx: %s", slot,
		     (unsigned long long)size, (unsigned long long)gpa,
		     strerror(errno));
}

struct vm *vm_create_size(size_t mem_size)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int dev = vmm_open();

	CHECK(vm);
	vm->fd = CHECK_OK(ioctl(dev, VMM_CREATE_VM, 0));
	close(dev);
	/* What a CPU without unrestricted guest needs on KVM. */
	CHECK_OK(ioctl(vm->fd, VMM_SET_TSS_ADDR, 0xfffbd000UL));
	vm->mem_size = mem_size;
	if (mem_size) {
		vm->mem = host_alloc(mem_size, PAGE_2M);
		vm_map(vm, 0, 0, 0, mem_size, vm->mem);
		vm_init_tables(vm);
	}
	return vm;
}

struct vm *vm_create(void)
{
	return vm_create_size(GUEST_MEM_SIZE);
}

struct vm *vm_create_split(unsigned int routes)
{
	struct vmm_enable_cap cap = { .cap = VMM_CAP_SPLIT_IRQCHIP, .args = { routes } };
	struct vm *vm;

	vmm_need_cap(VMM_CAP_SPLIT_IRQCHIP, "SPLIT_IRQCHIP");
	vm = vm_create();
	CHECK_OK(ioctl(vm->fd, VMM_ENABLE_CAP, &cap));
	return vm;
}

void vm_destroy(struct vm *vm)
{
	CHECK_OK(close(vm->fd));
	free(vm);
}

struct vmm_cpuid2 *vmm_supported_cpuid(void)
{
	struct vmm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID_ENTRIES *
					     sizeof(cpuid->entries[0]));
	int dev = vmm_open();

	CHECK(cpuid);
	cpuid->nent = MAX_CPUID_ENTRIES;
	CHECK_OK(ioctl(dev, VMM_GET_SUPPORTED_CPUID, cpuid));
	close(dev);
	return cpuid;
}

const struct vmm_cpuid_entry2 *cpuid_find(const struct vmm_cpuid2 *cpuid,
					  uint32_t function, uint32_t index)
{
	const struct vmm_cpuid_entry2 *e;

	for (e = cpuid->entries; e < cpuid->entries + cpuid->nent; e++) {
		if (e->function != function)
			continue;
		if (!(e->flags & VMM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index)
			return e;
	}
	return NULL;
}

/* Without a CPUID that has long mode, newer KVMs refuse long mode. */
static void set_supported_cpuid(struct vcpu *vcpu)
{
	struct vmm_cpuid2 *cpuid = vmm_supported_cpuid();

	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, cpuid));
	free(cpuid);
}

struct vcpu *vcpu_create(struct vm *vm, int id)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int dev = vmm_open();

	CHECK(vcpu);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = CHECK_OK(ioctl(vm->fd, VMM_CREATE_VCPU, id));
	vcpu->run_size = CHECK_OK(ioctl(dev, VMM_GET_VCPU_MMAP_SIZE, 0));
	close(dev);
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		FAIL("mmap of a vCPU: %s", strerror(errno));
	set_supported_cpuid(vcpu);
	return vcpu;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	CHECK_OK(munmap(vcpu->run, vcpu->run_size));
	CHECK_OK(close(vcpu->fd));
	ktap_on_fail = NULL;	/* there is nothing left to show */
	free(vcpu);
}
