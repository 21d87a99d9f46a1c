// SPDX-License-Identifier: GPL-2.0
/* tutorial3.c - Documentation/tutorial.rst, step 3: devices, by port and by memory address. */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vmm.h>

#define MEMORY	0x10000
#define CODE	0x1000
#define SERIAL	0x3f8			/* data; SERIAL + 5: status */
#define TIME	0xa0000			/* no memory there: a read gives the time */

/* Reads the year from the device at TIME, says a line over the serial port, halts. */
extern const uint8_t guest[], guest_end[];
asm(".pushsection .rodata\n.code16\n"
    "guest:	mov $0xa000, %ax; mov %ax, %ds; mov (0), %bx\n"
    "	mov %cs, %ax; mov %ax, %ds; call 1f\n"
    "1:	pop %si; add $(text - 1b), %si\n"
    "next:	mov $0x3fd, %dx\n"
    "wait:	in %dx, %al; test $0x20, %al; jz wait\n"
    "	lodsb; test %al, %al; jz done\n"
    "	mov $0x3f8, %dx; out %al, %dx; jmp next\n"
    "done:	hlt\n"
    "text:	.asciz \"a guest speaks\\n\"\n"
    "guest_end:\n.code64\n.popsection");

static char said[64];
static bool time_was_asked;

static int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

/* [port] An access to a port: data is where the value is, or where it has to go. */
static void port_io(struct vmm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	if (run->io.direction == VMM_EXIT_IO_OUT && run->io.port == SERIAL) {
		putchar(*data);
		if (strlen(said) < sizeof(said) - 1)
			said[strlen(said)] = *data;
	} else if (run->io.direction == VMM_EXIT_IO_IN) {
		/* 0x20: ready to send. Ports without a device read as all ones. */
		memset(data, run->io.port == SERIAL + 5 ? 0x20 : 0xff,
		       run->io.size * run->io.count);
	}
}

/* [mmio] An access to an address without memory. */
static void memory_io(struct vmm_run *run)
{
	uint16_t year = 2026;

	if (run->mmio.is_write)
		return;
	memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	if (run->mmio.phys_addr == TIME) {
		memcpy(run->mmio.data, &year, sizeof(year));
		time_was_asked = true;
	}
}

/* [run] */
static void run_guest(int vcpu, struct vmm_run *run)
{
	for (;;) {
		check(ioctl(vcpu, VMM_RUN, 0), "VMM_RUN");
		switch (run->exit_reason) {
		case VMM_EXIT_IO:
			port_io(run);
			break;
		case VMM_EXIT_MMIO:
			memory_io(run);
			break;
		case VMM_EXIT_HLT:
			return;
		case VMM_EXIT_FAIL_ENTRY:
			errx(1, "the CPU refused the guest: %s", run->fail_entry.explain);
		default:
			errx(1, "unexpected exit %u", run->exit_reason);
		}
	}
}

/* [end] */
int main(int argc, char **argv)
{
	int dev = check(open(argc > 1 ? argv[1] : "/dev/vmm", O_RDWR | O_CLOEXEC), "open");
	int vm = check(ioctl(dev, VMM_CREATE_VM, 0), "VMM_CREATE_VM");
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vmm_userspace_memory_region region = {
		.memory_size = MEMORY, .userspace_addr = (uintptr_t)memory,
	};
	struct vmm_regs regs = { .rip = CODE, .rsp = MEMORY - 16, .rflags = 2 };
	struct vmm_sregs sregs;
	int vcpu;
	size_t size;

	check(ioctl(vm, VMM_SET_USER_MEMORY_REGION, &region), "VMM_SET_USER_MEMORY_REGION");
	memcpy(memory + CODE, guest, guest_end - guest);
	vcpu = check(ioctl(vm, VMM_CREATE_VCPU, 0), "VMM_CREATE_VCPU");
	size = check(ioctl(dev, VMM_GET_VCPU_MMAP_SIZE, 0), "VMM_GET_VCPU_MMAP_SIZE");
	check(ioctl(vcpu, VMM_GET_SREGS, &sregs), "VMM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	check(ioctl(vcpu, VMM_SET_SREGS, &sregs), "VMM_SET_SREGS");
	check(ioctl(vcpu, VMM_SET_REGS, &regs), "VMM_SET_REGS");
	run_guest(vcpu, mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0));

	check(ioctl(vcpu, VMM_GET_REGS, &regs), "VMM_GET_REGS");
	printf("it is %llu there\n", regs.rbx & 0xffff);
	return time_was_asked && (regs.rbx & 0xffff) == 2026 && !strcmp(said, "a guest speaks\n") ? 0 : 1;
}
