// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot.c - a toy fuzzer: the guest compares an input with a secret, and stops at
 * the first letter that is wrong. Each try starts from one marked state, to which
 * VMM_SNAPSHOT_RESTORE returns; how far a try came shows in how often the guest
 * reported. Prints the secret, and how many tries a second there were.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <linux/vmm.h>

#define MEM_SIZE	0x4000
#define CODE		0x1000
#define INPUT		0x2000		/* the guest overwrites what it has compared */
#define SECRET		0x3000
#define LENGTH		8
#define PORT		0xe9

/*
 * mov $INPUT, %si; mov $SECRET, %di; mov $LENGTH, %cx
 * next: lodsb; movb $0, -1(%si); scasb; jne stop; out %al, $PORT; loop next
 * stop: hlt
 */
static const uint8_t code[] = {
	0xbe, 0x00, 0x20, 0xbf, 0x00, 0x30, 0xb9, LENGTH, 0x00,
	0xac, 0xc6, 0x44, 0xff, 0x00, 0xae, 0x75, 0x04, 0xe6, PORT, 0xe2, 0xf4,
	0xf4,
};

static int vm, vcpu;
static struct vmm_run *run;
static uint8_t *mem;

static int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void make_guest(const char *device)
{
	int dev = check(open(device, O_RDWR | O_CLOEXEC), device);
	/* What is logged is restored. */
	struct vmm_userspace_memory_region region = {
		.flags = VMM_MEM_LOG_DIRTY_PAGES, .memory_size = MEM_SIZE,
	};
	struct vmm_regs regs = { .rip = CODE, .rflags = 2 };
	struct vmm_sregs sregs;

	if (ioctl(dev, VMM_CHECK_EXTENSION, VMM_CAP_SNAPSHOT) <= 0)
		errx(1, "%s has no VMM_CAP_SNAPSHOT", device);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)mem;
	memcpy(mem + CODE, code, sizeof(code));
	memcpy(mem + SECRET, "hunter42", LENGTH);
	vm = check(ioctl(dev, VMM_CREATE_VM, 0), "VMM_CREATE_VM");
	check(ioctl(vm, VMM_SET_USER_MEMORY_REGION, &region), "VMM_SET_USER_MEMORY_REGION");
	vcpu = check(ioctl(vm, VMM_CREATE_VCPU, 0), "VMM_CREATE_VCPU");
	run = mmap(NULL, check(ioctl(dev, VMM_GET_VCPU_MMAP_SIZE, 0), "VMM_GET_VCPU_MMAP_SIZE"),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	check(ioctl(vcpu, VMM_GET_SREGS, &sregs), "VMM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	check(ioctl(vcpu, VMM_SET_SREGS, &sregs), "VMM_SET_SREGS");
	check(ioctl(vcpu, VMM_SET_REGS, &regs), "VMM_SET_REGS");
	check(ioctl(vm, VMM_SNAPSHOT_MARK, 0), "VMM_SNAPSHOT_MARK");
}

/* One run from the marked state: how many letters are right. */
static int attempt(const uint8_t *input)
{
	int right = 0;

	check(ioctl(vm, VMM_SNAPSHOT_RESTORE, 0), "VMM_SNAPSHOT_RESTORE");
	memcpy(mem + INPUT, input, LENGTH);
	for (;; right++) {
		check(ioctl(vcpu, VMM_RUN, 0), "VMM_RUN");
		if (run->exit_reason == VMM_EXIT_HLT)
			return right;
		if (run->exit_reason != VMM_EXIT_IO || run->io.port != PORT)
			errx(1, "exit reason %u", run->exit_reason);
	}
}

int main(int argc, char **argv)
{
	struct timespec start, end;
	uint8_t input[LENGTH] = { 0 };
	int at, tries = 0;
	double seconds;

	make_guest(argc > 1 ? argv[1] : "/dev/vmm");
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (at = 0; at < LENGTH; tries++) {
		int right = attempt(input);

		if (right > at)
			at = right;
		else
			input[at]++;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
	printf("%.*s after %d tries, %.0f a second\n", LENGTH, input, tries, tries / seconds);
	return 0;
}
