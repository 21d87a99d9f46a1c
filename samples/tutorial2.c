// SPDX-License-Identifier: GPL-2.0
/* tutorial2.c - Documentation/tutorial.rst, step 2: memory, a CPU, and three instructions. */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vmm.h>

#define MEMORY	0x10000			/* the guest's, from address 0 */
#define CODE	0x1000

/* [guest] What the guest executes, in real mode. */
extern const uint8_t guest[], guest_end[];
asm(".pushsection .rodata\n.code16\n"
    "guest:	mov $2, %al\n"
    "	add $3, %al\n"
    "	out %al, $0xf1\n"
    "	hlt\n"
    "guest_end:\n.code64\n.popsection");

/* [check] */
static int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

/* [memory] */
static uint8_t *add_memory(int vm)
{
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vmm_userspace_memory_region region = {
		.slot = 0, .guest_phys_addr = 0,
		.memory_size = MEMORY, .userspace_addr = (uintptr_t)memory,
	};

	check(ioctl(vm, VMM_SET_USER_MEMORY_REGION, &region), "VMM_SET_USER_MEMORY_REGION");
	return memory;
}

/* [registers] Execution begins at CODE, in segment 0. */
static void set_registers(int vcpu)
{
	struct vmm_regs regs = { .rip = CODE, .rflags = 2 };
	struct vmm_sregs sregs;

	check(ioctl(vcpu, VMM_GET_SREGS, &sregs), "VMM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	check(ioctl(vcpu, VMM_SET_SREGS, &sregs), "VMM_SET_SREGS");
	check(ioctl(vcpu, VMM_SET_REGS, &regs), "VMM_SET_REGS");
}

/* [main] */
int main(int argc, char **argv)
{
	int dev = check(open(argc > 1 ? argv[1] : "/dev/vmm", O_RDWR | O_CLOEXEC), "open");
	int vm = check(ioctl(dev, VMM_CREATE_VM, 0), "VMM_CREATE_VM");
	uint8_t *memory = add_memory(vm), answer = 0;
	int vcpu = check(ioctl(vm, VMM_CREATE_VCPU, 0), "VMM_CREATE_VCPU");
	size_t size = check(ioctl(dev, VMM_GET_VCPU_MMAP_SIZE, 0), "VMM_GET_VCPU_MMAP_SIZE");
	struct vmm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	memcpy(memory + CODE, guest, guest_end - guest);
	set_registers(vcpu);
	for (;;) {
		check(ioctl(vcpu, VMM_RUN, 0), "VMM_RUN");
		if (run->exit_reason == VMM_EXIT_HLT)
			break;
		if (run->exit_reason != VMM_EXIT_IO || run->io.port != 0xf1)
			errx(1, "unexpected exit %u", run->exit_reason);
		answer = *((uint8_t *)run + run->io.data_offset);
		printf("the guest says: 2 + 3 = %u\n", answer);
	}
	return answer == 5 ? 0 : 1;
}
