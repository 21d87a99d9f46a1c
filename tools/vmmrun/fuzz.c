// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz.c - --fuzz-demo: a fuzzer in which each try starts from the same state of a
 * whole machine. Teaches VMM_SNAPSHOT_MARK and VMM_SNAPSHOT_RESTORE, which bring a VM
 * back in some microseconds: whatever the function under test destroys, the next try
 * begins anew. That it crashes is an exception in the guest, where nothing of ours is.
 *
 * Inputs that reach a point of the function that none reached before are kept, and
 * changed further: so the fuzzer finds its way through conditions one by one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include "vmmrun.h"

/* Guest physical addresses; the stack is lowest, so that running off it is a fault. */
#define STACK_END	0x1000
#define GDT		0x1000
#define IDT		0x2000
#define STOPS		0x3000
#define CODE		0x4000
#define INPUT		0x5000
#define MEM_SIZE	0x6000

/* A second slot, for what shall not be restored: only its first page is mapped. */
#define SEEN		0x200000
#define PML4		0x201000
#define PDPT		0x202000
#define PD		0x203000
#define PT		0x204000
#define KEPT_SIZE	0x5000

/* The guest sees its memory from here on, and nothing below: NULL is a fault. */
#define VIRTUAL(address) (0x200000ull + (address))

#define PRESENT		1
#define WRITABLE	2
#define LARGE		0x80

#define VECTORS		32
#define PAGE_FAULT	14
#define LENGTH		16		/* of an input */
#define POINTS		8		/* of the function */
#define MAX_TRIES	10000000

extern const uint8_t __start_fuzz_code[], __stop_fuzz_code[];

static int vcpu;
static struct vmm_run *run;
static uint8_t *mem, *seen;

static void add_slot(unsigned int slot, uint64_t gpa, uint64_t size, void *host, uint32_t flags)
{
	struct vmm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	check(ioctl(vm.fd, VMM_SET_USER_MEMORY_REGION, &region), "VMM_SET_USER_MEMORY_REGION");
}

static void *map(size_t size)
{
	void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mapping == MAP_FAILED)
		die(NULL, "there is no memory for the guest");
	return mapping;
}

static uint64_t *table(uint64_t gpa)
{
	return (uint64_t *)(seen + gpa - SEEN);
}

/* Page tables, segments, and exceptions that stop the guest: vector N at the Nth HLT. */
static void write_tables(void)
{
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };

	*table(PML4) = PDPT | WRITABLE | PRESENT;
	*table(PDPT) = PD | WRITABLE | PRESENT;
	table(PD)[1] = 0 | LARGE | WRITABLE | PRESENT;
	table(PD)[2] = PT | WRITABLE | PRESENT;
	*table(PT) = SEEN | WRITABLE | PRESENT;
	memcpy(mem + GDT, gdt, sizeof(gdt));
	for (unsigned int i = 0; i < VECTORS; i++) {
		uint64_t stop = VIRTUAL(STOPS + i), *gate = (uint64_t *)(mem + IDT) + 2 * i;

		gate[0] = (stop & 0xffff) | 8 << 16 | 0x8eull << 40 | (stop >> 16 & 0xffff) << 48;
		gate[1] = stop >> 32;
	}
	memset(mem + STOPS, 0xf4, VECTORS + 1);
}

/* 64-bit mode, about to call fuzz_target(), which returns to the last HLT. */
static void set_registers(void)
{
	struct vmm_segment code = {
		.selector = 8, .limit = 0xffffffff, .type = 0xb, .present = 1,
		.s = 1, .l = 1, .g = 1,
	};
	struct vmm_segment data = code;
	struct vmm_sregs sregs;
	struct vmm_regs regs = {
		.rip = VIRTUAL(CODE), .rsp = VIRTUAL(STACK_END - 8), .rflags = 2,
		.rdi = VIRTUAL(INPUT), .rsi = LENGTH, .rdx = VIRTUAL(SEEN),
	};

	data.selector = 16;
	data.type = 3;
	data.l = 0;
	data.db = 1;
	check(ioctl(vcpu, VMM_GET_SREGS, &sregs), "VMM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = data;
	sregs.gdt = (struct vmm_dtable){ .base = VIRTUAL(GDT), .limit = 3 * 8 - 1 };
	sregs.idt = (struct vmm_dtable){ .base = VIRTUAL(IDT), .limit = VECTORS * 16 - 1 };
	sregs.cr0 = 0x80000031;		/* PG, NE, ET, PE */
	sregs.cr3 = PML4;
	sregs.cr4 = 1 << 5;		/* PAE */
	sregs.efer = 1 << 10 | 1 << 8;	/* LMA, LME */
	*(uint64_t *)(mem + regs.rsp - VIRTUAL(0)) = VIRTUAL(STOPS + VECTORS);
	check(ioctl(vcpu, VMM_SET_SREGS, &sregs), "VMM_SET_SREGS");
	check(ioctl(vcpu, VMM_SET_REGS, &regs), "VMM_SET_REGS");
}

static void make_guest(void)
{
	int size;

	errno = 0;
	if (ioctl(vm.dev, VMM_CHECK_EXTENSION, VMM_CAP_SNAPSHOT) <= 0)
		die("KVM has none: load vmm's modules, and use /dev/vmm",
		    "the hypervisor has no snapshots");
	vm.fd = check(ioctl(vm.dev, VMM_CREATE_VM, 0), "VMM_CREATE_VM");
	mem = map(MEM_SIZE);
	seen = map(KEPT_SIZE);
	/*
	 * What is logged is restored. What the function reached shall stay, for us to see;
	 * and page tables the CPU writes to, so restoring them would cost each time.
	 */
	add_slot(0, 0, MEM_SIZE, mem, VMM_MEM_LOG_DIRTY_PAGES);
	add_slot(1, SEEN, KEPT_SIZE, seen, 0);
	write_tables();
	memcpy(mem + CODE, __start_fuzz_code, __stop_fuzz_code - __start_fuzz_code);

	vcpu = check(ioctl(vm.fd, VMM_CREATE_VCPU, 0), "VMM_CREATE_VCPU");
	size = check(ioctl(vm.dev, VMM_GET_VCPU_MMAP_SIZE, 0), "VMM_GET_VCPU_MMAP_SIZE");
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		die(NULL, "the vCPU's run page cannot be mapped");
	set_registers();
	run->vmm_valid_regs = VMM_SYNC_X86_REGS;	/* each exit shows RIP */
	check(ioctl(vm.fd, VMM_SNAPSHOT_MARK, 0), "VMM_SNAPSHOT_MARK");
}

/* One try. Returns the exception that ended it; VECTORS if the function returned. */
static unsigned int attempt(const uint8_t *input)
{
	check(ioctl(vm.fd, VMM_SNAPSHOT_RESTORE, 0), "VMM_SNAPSHOT_RESTORE");
	memcpy(mem + INPUT, input, LENGTH);
	memset(seen, 0, POINTS);
	check(ioctl(vcpu, VMM_RUN, 0), "VMM_RUN");
	errno = 0;
	if (run->exit_reason != VMM_EXIT_HLT)
		die("see Documentation/exits.rst", "the guest ended with exit %u",
		    run->exit_reason);
	return run->s.regs.regs.rip - VIRTUAL(STOPS) - 1;
}

static uint32_t next_random(void)
{
	static uint32_t state = 1;	/* always the same: a demonstration */

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void mutate(uint8_t *input)
{
	unsigned int times = 1 + next_random() % 3;

	/* Small numbers are sizes more often than others. */
	while (times--) {
		uint8_t *byte = &input[next_random() % LENGTH];

		*byte = next_random() % 4 ? next_random() : next_random() % 16;
	}
}

static void report(unsigned int vector, const uint8_t *input)
{
	struct vmm_sregs sregs;

	check(ioctl(vcpu, VMM_GET_SREGS, &sregs), "VMM_GET_SREGS");
	printf("crash: exception %u", vector);
	if (vector == PAGE_FAULT)
		printf(", a page fault at %#llx", (unsigned long long)sregs.cr2);
	printf(", with the input");
	for (unsigned int i = 0; i < LENGTH; i++)
		printf(" %02x", input[i]);
	printf("\n");
}

int fuzz_demo(void)
{
	uint8_t kept[POINTS + 1][LENGTH] = { 0 }, reached[POINTS] = { 0 }, input[LENGTH];
	unsigned int vector = VECTORS, count = 1;
	struct timespec start, end;
	unsigned long tries = 0;
	double seconds;

	make_guest();
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (vector == VECTORS && tries++ < MAX_TRIES) {
		bool new = false;

		/* The newest has the most to find behind it. */
		memcpy(input, kept[next_random() % 2 ? count - 1 : next_random() % count], LENGTH);
		mutate(input);
		vector = attempt(input);
		for (unsigned int i = 0; i < POINTS; i++) {
			new |= seen[i] && !reached[i];
			reached[i] |= seen[i];
		}
		if (new && vector == VECTORS) {
			memcpy(kept[count++], input, LENGTH);
			printf("try %lu reaches something new\n", tries);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
	if (vector < VECTORS)
		report(vector, input);
	printf("%lu tries in %.1f s: %.0f a second\n", tries, seconds, tries / seconds);
	return vector < VECTORS ? 0 : STATUS_CANNOT;
}
