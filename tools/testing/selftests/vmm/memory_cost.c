// SPDX-License-Identifier: GPL-2.0
/*
 * memory_cost.c - how many bytes of the kernel's memory a VM takes, and a vCPU, and
 * the second-level tables of 256 MiB that are mapped by small pages.
 *
 * usage: memory_cost
 *
 * What the kernel has free before and after, over many of them. Nothing else must
 * run meanwhile.
 */
#include <fcntl.h>
#include <stdio.h>

#include "vmm_test.h"

#define COUNT		64
#define SLOT_GPA	0x40000000UL
#define SIZE		(256UL << 20)

GUEST64(touch, 1: movb $1, (%rbx); add $0x1000, %rbx; dec %ecx; jnz 1b; hlt);

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ktap_diag("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* The sum of the numbers that follow a word at the beginning of a line. */
static long sum_of(const char *path, const char *word)
{
	long sum = 0, n;
	char line[256];
	FILE *f = fopen(path, "r");

	if (!f)
		FAIL("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		char *text = line + strspn(line, " ");

		if (!strncmp(text, word, strlen(word)) && sscanf(text + strlen(word), "%ld", &n) == 1)
			sum += n;
	}
	fclose(f);
	return sum;
}

/* What CPUs have put aside for themselves is free, too. */
static long free_bytes(void)
{
	usleep(300000);		/* what waits for RCU is freed by then */
	put("/proc/sys/vm/drop_caches", "3");
	usleep(100000);
	put("/proc/sys/vm/stat_refresh", "1");
	return sum_of("/proc/meminfo", "MemFree:") * 1024 +
	       sum_of("/proc/zoneinfo", "count:") * (long)PAGE_SIZE;
}

static void result(const char *name, long bytes)
{
	printf("%-46s %12ld\n", name, bytes);
	fflush(stdout);
}

int main(void)
{
	int dev = vmm_open(), vm[COUNT], vcpu[COUNT], i;
	long before, with_vms, with_vcpus;
	struct vmm_regs regs;
	struct vcpu *guest;
	uint8_t *mem;
	size_t at;

	/* The first one takes what all of them share. */
	vm[0] = CHECK_OK(ioctl(dev, VMM_CREATE_VM, 0));
	vcpu[0] = CHECK_OK(ioctl(vm[0], VMM_CREATE_VCPU, 0));
	before = free_bytes();
	for (i = 1; i < COUNT; i++)
		vm[i] = CHECK_OK(ioctl(dev, VMM_CREATE_VM, 0));
	with_vms = free_bytes();
	for (i = 1; i < COUNT; i++)
		vcpu[i] = CHECK_OK(ioctl(vm[i], VMM_CREATE_VCPU, 0));
	with_vcpus = free_bytes();
	result("a VM", (before - with_vms) / (COUNT - 1));
	result("a vCPU", (with_vms - with_vcpus) / (COUNT - 1));
	for (i = 0; i < COUNT; i++) {
		close(vcpu[i]);
		close(vm[i]);
	}
	guest = vcpu_start(MODE_LONG, touch);
	mem = host_alloc(SIZE, PAGE_2M);
	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	for (at = 0; at < SIZE; at += PAGE_SIZE)
		mem[at] = 1;
	vm_map(guest->vm, 1, 0, SLOT_GPA, SIZE, mem);
	before = free_bytes();
	vcpu_get_regs(guest, &regs);
	regs.rbx = SLOT_GPA;
	regs.rcx = SIZE / PAGE_SIZE;
	vcpu_set_regs(guest, &regs);
	expect_hlt(guest);
	result("tables of 256 MiB in 4 KiB pages", before - free_bytes());
	return 0;
}
