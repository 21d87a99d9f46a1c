// SPDX-License-Identifier: GPL-2.0
/*
 * exit_cost.c - what an exit, a system call or a fault costs: the median over
 * many, in ticks of the TSC.
 *
 * usage: exit_cost [-c] [ROUNDS]
 *	-c	compare with the project's goals, as KTAP; exit status 1 if one is missed
 *
 * Under the lab's deterministic clock a tick is an executed instruction, and
 * two runs give the same numbers. On a real CPU they are cycles.
 *
 * Costs inside the guest are taken with the guest's own RDTSC around one
 * instruction and cover the instruction and the second RDTSC. Costs of exits to
 * user space are from one system call's end to the next one's: one round trip.
 */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#include "cost.h"
#include "vmm_test.h"

#define MAX_SAMPLES	4096
#define SLOT_GPA	0x40000000UL
#define LOG_SIZE	(256UL << 20)

static int rounds = 1001;
static uint64_t samples[MAX_SAMPLES];
static int row;			/* of the result: what is being measured */

/* One line of the result. */
struct cost {
	const char *name;
	uint64_t (*measure)(void);
	/* 0: none; for the lab's default CPUs. Intel's: half of what stock KVM takes. */
	uint64_t amd_goal, intel_goal;
};

static uint64_t median(int n)
{
	return cost_median(samples, n);
}

/* ---- Exits that the kernel handles: the guest measures itself ---- */

#define GUEST_SAMPLES	GUEST_DATA

/*
 * R14 rounds; each stores the ticks of one instruction. Registers that RDTSC
 * and CPUID change are not used otherwise.
 */
#define GUEST_MEASURE(name, ...)						\
	GUEST64(name,								\
		mov $GUEST_SAMPLES, %edi;					\
		1: rdtsc; mov %eax, %esi;					\
		__VA_ARGS__;							\
		rdtsc; sub %esi, %eax; mov %eax, (%rdi);			\
		add $8, %rdi;							\
		dec %r14; jnz 1b;						\
		hlt)

GUEST_MEASURE(measure_nothing, nop);
GUEST_MEASURE(measure_cpuid, xor %eax, %eax; cpuid);
/* EFER: a read that no vendor gives to the guest without an exit. */
GUEST_MEASURE(measure_rdmsr, mov $0xc0000080, %ecx; rdmsr);

static uint64_t measure_in_guest(const uint8_t *code, const uint8_t *end)
{
	struct vcpu *vcpu = vcpu_new(MODE_LONG, code, end);
	struct vmm_regs regs;
	uint64_t *data = vm_gpa(vcpu->vm, GUEST_SAMPLES);
	int i;

	memset(data, 0, rounds * 8);
	vcpu_get_regs(vcpu, &regs);
	regs.r14 = rounds;
	vcpu_set_regs(vcpu, &regs);
	mark(row, rounds);
	expect_hlt(vcpu);
	mark(row, 0);
	for (i = 0; i < rounds; i++)
		samples[i] = data[i];
	vm_destroy(vcpu->vm);
	vcpu_destroy(vcpu);
	return median(rounds);
}

static uint64_t cost_guest_nothing(void)
{
	return measure_in_guest(measure_nothing, measure_nothing_end);
}

static uint64_t cost_cpuid(void)
{
	return measure_in_guest(measure_cpuid, measure_cpuid_end);
}

static uint64_t cost_rdmsr(void)
{
	return measure_in_guest(measure_rdmsr, measure_rdmsr_end);
}

/* ---- Exits to user space: from one return of VMM_RUN to the next ---- */

GUEST64(loop_out, mov $PORT_REPORT, %edx; 1: out %al, %dx; jmp 1b);
GUEST64(loop_in, mov $PORT_REPORT, %edx; 1: in %dx, %al; jmp 1b);
GUEST64(loop_mmio_read, mov $GUEST_MMIO, %ebx; 1: mov (%rbx), %eax; jmp 1b);
GUEST64(loop_mmio_write, mov $GUEST_MMIO, %ebx; 1: mov %eax, (%rbx); jmp 1b);
GUEST64(loop_hlt, 1: hlt; jmp 1b);

static uint64_t measure_exit(const uint8_t *code, const uint8_t *end, uint32_t reason)
{
	struct vcpu *vcpu = vcpu_new(MODE_LONG, code, end);
	int i;

	expect_exit(vcpu, reason);
	mark(row, rounds);
	for (i = 0; i < rounds; i++) {
		uint64_t start = __rdtsc();

		if (ioctl(vcpu->fd, VMM_RUN, 0))
			FAIL("VMM_RUN: %s", strerror(errno));
		samples[i] = __rdtsc() - start;
		CHECK_EQ(vcpu->run->exit_reason, reason);
	}
	mark(row, 0);
	vm_destroy(vcpu->vm);
	vcpu_destroy(vcpu);
	return median(rounds);
}
#define MEASURE_EXIT(name, reason) measure_exit(name, name##_end, reason)

static uint64_t cost_out(void)
{
	return MEASURE_EXIT(loop_out, VMM_EXIT_IO);
}

static uint64_t cost_in(void)
{
	return MEASURE_EXIT(loop_in, VMM_EXIT_IO);
}

static uint64_t cost_mmio_read(void)
{
	return MEASURE_EXIT(loop_mmio_read, VMM_EXIT_MMIO);
}

static uint64_t cost_mmio_write(void)
{
	return MEASURE_EXIT(loop_mmio_write, VMM_EXIT_MMIO);
}

static uint64_t cost_hlt(void)
{
	return MEASURE_EXIT(loop_hlt, VMM_EXIT_HLT);
}

/* ---- System calls ---- */

static struct vcpu *call_vcpu;
static struct vmm_regs call_regs;
static struct vmm_sregs call_sregs;

static uint64_t measure_ioctl(int fd, unsigned long request, void *arg)
{
	int i;

	ioctl(fd, request, arg);
	mark(row, rounds);
	for (i = 0; i < rounds; i++) {
		uint64_t start = __rdtsc();

		ioctl(fd, request, arg);
		samples[i] = __rdtsc() - start;
	}
	mark(row, 0);
	return median(rounds);
}

static void need_call_vcpu(void)
{
	if (call_vcpu)
		return;
	call_vcpu = vcpu_start(MODE_LONG, loop_hlt);
	expect_hlt(call_vcpu);
	vcpu_get_regs(call_vcpu, &call_regs);
	vcpu_get_sregs(call_vcpu, &call_sregs);
}

/* What every ioctl costs before it does anything. */
static uint64_t cost_empty_ioctl(void)
{
	int dev = vmm_open();
	uint64_t ticks = measure_ioctl(dev, VMM_GET_API_VERSION, NULL);

	close(dev);
	return ticks;
}

static uint64_t cost_immediate_exit(void)
{
	uint64_t ticks;

	need_call_vcpu();
	call_vcpu->run->immediate_exit = 1;
	ticks = measure_ioctl(call_vcpu->fd, VMM_RUN, NULL);
	call_vcpu->run->immediate_exit = 0;
	return ticks;
}

#define COST_IOCTL(name, request, arg)						\
	static uint64_t name(void)						\
	{									\
		need_call_vcpu();						\
		return measure_ioctl(call_vcpu->fd, request, arg);		\
	}

COST_IOCTL(cost_get_regs, VMM_GET_REGS, &call_regs)
COST_IOCTL(cost_set_regs, VMM_SET_REGS, &call_regs)
COST_IOCTL(cost_get_sregs, VMM_GET_SREGS, &call_sregs)
COST_IOCTL(cost_set_sregs, VMM_SET_SREGS, &call_sregs)

/* ---- Second-level faults ---- */

/*
 * RCX pages from RBX on, one access each, and the ticks that it took. %rdi is
 * where they go.
 */
GUEST64(touch_pages,
	1: rdtsc; mov %eax, %esi;
	movb $1, (%rbx);
	rdtsc; sub %esi, %eax; mov %eax, (%rdi);
	add $8, %rdi; add $0x1000, %rbx;
	dec %ecx; jnz 1b;
	hlt);

static void touch(struct vcpu *vcpu, uint64_t gpa, int pages)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rip = GUEST_CODE;
	regs.rbx = gpa;
	regs.rcx = pages;
	regs.rdi = GUEST_SAMPLES;
	vcpu_set_regs(vcpu, &regs);
	mark(row, pages);
	expect_hlt(vcpu);
	mark(row, 0);
}

static uint64_t guest_samples(struct vcpu *vcpu, int n)
{
	uint64_t *data = vm_gpa(vcpu->vm, GUEST_SAMPLES);
	int i;

	for (i = 0; i < n; i++)
		samples[i] = data[i];
	return median(n);
}

/* Small pages that the host has mapped already, so only our tables are new. */
static void *populated(size_t size)
{
	uint8_t *mem = host_alloc(size, PAGE_2M);
	size_t i;

	madvise(mem, size, MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += PAGE_SIZE)
		mem[i] = 1;
	return mem;
}

static uint64_t cost_fault(void)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, touch_pages);
	size_t size = rounds * PAGE_SIZE;
	uint64_t ticks;

	memset(vm_gpa(vcpu->vm, GUEST_SAMPLES), 0, rounds * 8);
	vm_map(vcpu->vm, 1, 0, SLOT_GPA, size, populated(size));
	touch(vcpu, SLOT_GPA, rounds);
	ticks = guest_samples(vcpu, rounds);
	vm_destroy(vcpu->vm);
	vcpu_destroy(vcpu);
	return ticks;
}

static uint64_t cost_write_protect_fault(void)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, touch_pages);
	size_t size = rounds * PAGE_SIZE;
	void *mem = populated(size);
	uint64_t ticks;

	memset(vm_gpa(vcpu->vm, GUEST_SAMPLES), 0, rounds * 8);
	vm_map(vcpu->vm, 1, 0, SLOT_GPA, size, mem);
	touch(vcpu, SLOT_GPA, rounds);
	marks_restart(row);
	vm_map(vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, size, mem);
	touch(vcpu, SLOT_GPA, rounds);
	ticks = guest_samples(vcpu, rounds);
	vm_destroy(vcpu->vm);
	vcpu_destroy(vcpu);
	return ticks;
}

/* ---- Dirty log of 256 MiB in 4 KiB pages, all of them mapped ---- */

static struct vcpu *log_vcpu;
static void *log_mem;

/* Writes one page in 100. */
GUEST64(touch_some,
	1: movb $1, (%rbx); add $(100 * 4096), %rbx; dec %ecx; jnz 1b; hlt);

static uint64_t cost_enable_log(void)
{
	struct vmm_regs regs;
	uint64_t start;

	log_vcpu = vcpu_start(MODE_LONG, touch_pages);
	log_mem = populated(LOG_SIZE);
	/* The samples of the touch itself go nowhere: a slot of their own. */
	vm_map(log_vcpu->vm, 1, 0, SLOT_GPA, LOG_SIZE, log_mem);
	vm_map(log_vcpu->vm, 2, 0, 0x800000, PAGE_2M, host_alloc(PAGE_2M, PAGE_2M));
	vcpu_get_regs(log_vcpu, &regs);
	regs.rbx = SLOT_GPA;
	regs.rcx = LOG_SIZE / PAGE_SIZE;
	regs.rdi = 0x800000;
	vcpu_set_regs(log_vcpu, &regs);
	expect_hlt(log_vcpu);
	mark(row, 1);
	start = __rdtsc();
	vm_map(log_vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, LOG_SIZE, log_mem);
	start = __rdtsc() - start;
	mark(row, 0);
	return start;
}

static uint64_t get_log(void)
{
	static uint64_t bitmap[LOG_SIZE / PAGE_SIZE / 64];
	struct vmm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	uint64_t start;

	mark(row, 1);
	start = __rdtsc();
	CHECK_OK(ioctl(log_vcpu->vm->fd, VMM_GET_DIRTY_LOG, &log));
	start = __rdtsc() - start;
	mark(row, 0);
	return start;
}

static uint64_t cost_get_log_clean(void)
{
	get_log();
	marks_restart(row);
	return get_log();
}

static uint64_t cost_get_log_dirty(void)
{
	struct vmm_regs regs;

	memcpy(vm_gpa(log_vcpu->vm, GUEST_CODE), touch_some, touch_some_end - touch_some);
	vcpu_get_regs(log_vcpu, &regs);
	regs.rip = GUEST_CODE;
	regs.rbx = SLOT_GPA;
	regs.rcx = LOG_SIZE / PAGE_SIZE / 100;
	vcpu_set_regs(log_vcpu, &regs);
	expect_hlt(log_vcpu);
	return get_log();
}

/* ---- Back to a snapshot after 16 pages were written ---- */

static uint64_t cost_snapshot(void)
{
	struct vcpu *vcpu;
	int i, n = rounds < 101 ? rounds : 101;
	void *mem;

	if (vmm_check_extension(VMM_CAP_SNAPSHOT) <= 0)
		return 0;
	vcpu = vcpu_start(MODE_LONG, touch_some);
	mem = populated(16 * 100 * PAGE_SIZE);
	vm_map(vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, SLOT_GPA,
	       16 * 100 * PAGE_SIZE, mem);
	for (i = 0; i < n; i++) {
		struct vmm_regs regs;
		uint64_t start;

		vcpu_get_regs(vcpu, &regs);
		regs.rip = GUEST_CODE;
		regs.rbx = SLOT_GPA;
		regs.rcx = 16;
		vcpu_set_regs(vcpu, &regs);
		if (!i)
			CHECK_OK(ioctl(vcpu->vm->fd, VMM_SNAPSHOT_MARK, 0));
		expect_hlt(vcpu);
		mark(row, 1);
		start = __rdtsc();
		CHECK_OK(ioctl(vcpu->vm->fd, VMM_SNAPSHOT_RESTORE, 0));
		samples[i] = __rdtsc() - start;
		mark(row, 0);
	}
	vm_destroy(vcpu->vm);
	vcpu_destroy(vcpu);
	return median(n);
}

/* ---- Life of a VM ---- */

static uint64_t create_and_close(bool with_close)
{
	int n = rounds < 15 ? rounds : 15, i;
	int dev = vmm_open();

	for (i = 0; i < n; i++) {
		uint64_t start;
		int vm, vcpu;

		mark(row, 1);
		start = __rdtsc();
		vm = CHECK_OK(ioctl(dev, VMM_CREATE_VM, 0));
		vcpu = CHECK_OK(ioctl(vm, VMM_CREATE_VCPU, 0));
		if (!with_close) {
			samples[i] = __rdtsc() - start;
			mark(row, 0);
		}
		close(vcpu);
		close(vm);
		if (with_close) {
			samples[i] = __rdtsc() - start;
			mark(row, 0);
		}
	}
	close(dev);
	return median(n);
}

static uint64_t cost_create(void)
{
	return create_and_close(false);
}

static uint64_t cost_create_and_close(void)
{
	return create_and_close(true);
}

static const struct cost costs[] = {
	{ "empty ioctl", cost_empty_ioctl, 0, 0 },
	{ "nothing, in the guest", cost_guest_nothing, 0, 0 },
	{ "CPUID, handled in the kernel", cost_cpuid, 1300, 496 },
	{ "RDMSR, handled in the kernel", cost_rdmsr, 0, 0 },
	{ "OUT to user space and back", cost_out, 1800, 1532 },
	{ "IN from user space", cost_in, 0, 0 },
	{ "MMIO read from user space", cost_mmio_read, 2800, 2872 },
	{ "MMIO write to user space", cost_mmio_write, 0, 2690 },
	{ "HLT to user space and back", cost_hlt, 2000, 1322 },
	{ "VMM_RUN with immediate_exit", cost_immediate_exit, 0, 0 },
	{ "GET_REGS", cost_get_regs, 0, 0 },
	{ "SET_REGS", cost_set_regs, 0, 0 },
	{ "GET_SREGS", cost_get_sregs, 0, 0 },
	{ "SET_SREGS", cost_set_sregs, 0, 0 },
	{ "second-level fault, page mapped in the host", cost_fault, 1750, 0 },
	{ "write-protect fault", cost_write_protect_fault, 1000, 0 },
	{ "dirty log: enable on 256 MiB", cost_enable_log, 1000000, 0 },
	{ "GET_DIRTY_LOG of 256 MiB, clean", cost_get_log_clean, 8000, 0 },
	{ "GET_DIRTY_LOG of 256 MiB, 1 % dirty", cost_get_log_dirty, 230000, 0 },
	{ "back to a snapshot, 16 pages dirty", cost_snapshot, 20000, 0 },
	{ "create VM and vCPU", cost_create, 0, 0 },
	{ "create VM and vCPU, and close them", cost_create_and_close, 1000000, 0 },
};

static bool cpu_is_intel(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	return ecx >> 5 & 1;		/* VMX */
}

int main(int argc, char **argv)
{
	bool compare = argc > 1 && !strcmp(argv[1], "-c"), intel = cpu_is_intel();
	int missed = 0;
	unsigned int i;

	if (argc > 1 + compare)
		rounds = atoi(argv[1 + compare]);
	if (rounds < 1 || rounds > MAX_SAMPLES) {
		fprintf(stderr, "usage: exit_cost [-c] [ROUNDS]\n");
		return 2;
	}
	if (compare) {
		int goals = 0;

		for (i = 0; i < ARRAY_SIZE(costs); i++)
			goals += !!(intel ? costs[i].intel_goal : costs[i].amd_goal);
		cost_plan(goals);
	} else {
		printf("%-46s %12s  (%s, median of %d)\n", "", "ticks", vmm_device(), rounds);
	}
	for (i = 0; i < ARRAY_SIZE(costs); i++) {
		uint64_t goal = intel ? costs[i].intel_goal : costs[i].amd_goal;

		row = i;
		missed += cost_line(costs[i].name, costs[i].measure(), compare, goal);
	}
	return missed ? 1 : 0;
}
