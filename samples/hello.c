// SPDX-License-Identifier: GPL-2.0
/*
 * hello.c - the shortest VMM: a VM with one page of memory and one vCPU in real
 * mode, which says hello through a port and halts.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vmm.h>

#define PORT 0xe9

/* mov $text, %si; next: lodsb; test %al, %al; jz stop; out %al, $0xe9; jmp next; stop: hlt */
static const uint8_t code[] = {
	0xbe, 0x0d, 0x10, 0xac, 0x84, 0xc0, 0x74, 0x04, 0xe6, PORT, 0xeb, 0xf7, 0xf4,
	'H', 'e', 'l', 'l', 'o', ' ', 'f', 'r', 'o', 'm', ' ', 'a', ' ', 'g', 'u', 'e', 's', 't',
	'!', '\n', 0,
};

static int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

int main(int argc, char **argv)
{
	int dev = check(open(argc > 1 ? argv[1] : "/dev/vmm", O_RDWR | O_CLOEXEC), "open");
	int vm = check(ioctl(dev, VMM_CREATE_VM, 0), "VMM_CREATE_VM");
	void *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vmm_userspace_memory_region region = {
		.guest_phys_addr = 0x1000, .memory_size = 4096, .userspace_addr = (uintptr_t)mem,
	};

	memcpy(mem, code, sizeof(code));
	check(ioctl(vm, VMM_SET_USER_MEMORY_REGION, &region), "VMM_SET_USER_MEMORY_REGION");

	int vcpu = check(ioctl(vm, VMM_CREATE_VCPU, 0), "VMM_CREATE_VCPU");
	size_t size = check(ioctl(dev, VMM_GET_VCPU_MMAP_SIZE, 0), "VMM_GET_VCPU_MMAP_SIZE");
	struct vmm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	struct vmm_regs regs = { .rip = 0x1000, .rflags = 2 };
	struct vmm_sregs sregs;

	/* A CPU starts at the top of 4 GiB; our page is elsewhere. */
	check(ioctl(vcpu, VMM_GET_SREGS, &sregs), "VMM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	check(ioctl(vcpu, VMM_SET_SREGS, &sregs), "VMM_SET_SREGS");
	check(ioctl(vcpu, VMM_SET_REGS, &regs), "VMM_SET_REGS");

	for (;;) {
		check(ioctl(vcpu, VMM_RUN, 0), "VMM_RUN");
		if (run->exit_reason == VMM_EXIT_HLT)
			return 0;
		if (run->exit_reason != VMM_EXIT_IO || run->io.port != PORT)
			errx(1, "unexpected exit %u", run->exit_reason);
		putchar(*((char *)run + run->io.data_offset));
	}
}
