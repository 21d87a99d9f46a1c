// SPDX-License-Identifier: GPL-2.0
/*
 * busy_guest.c - for vmmstat_test.sh: a guest that executes CPUID until somebody
 * ends it.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vmm.h>

/* again: cpuid; jmp again */
static const uint8_t code[] = { 0x0f, 0xa2, 0xeb, 0xfc };

int main(void)
{
	int dev = open("/dev/vmm", O_RDWR | O_CLOEXEC);
	int vm = ioctl(dev, VMM_CREATE_VM, 0);
	int vcpu = ioctl(vm, VMM_CREATE_VCPU, 0);
	void *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vmm_userspace_memory_region region = {
		.memory_size = 4096, .userspace_addr = (uintptr_t)mem,
	};
	struct vmm_regs regs = { .rflags = 2 };
	struct vmm_sregs sregs;

	memcpy(mem, code, sizeof(code));
	if (ioctl(vm, VMM_SET_USER_MEMORY_REGION, &region) || ioctl(vcpu, VMM_GET_SREGS, &sregs))
		err(1, "making a guest");
	sregs.cs.base = sregs.cs.selector = 0;
	if (ioctl(vcpu, VMM_SET_SREGS, &sregs) || ioctl(vcpu, VMM_SET_REGS, &regs) ||
	    ioctl(vcpu, VMM_RUN, 0))
		err(1, "running it");
	errx(1, "the guest ended");
}
