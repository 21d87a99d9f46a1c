// SPDX-License-Identifier: GPL-2.0
/*
 * fault_cost.c - what a second-level fault costs while 1 to 8 vCPUs take them at the
 * same time: the mean, in ticks of the TSC, as the guest sees it.
 *
 * usage: fault_cost
 *
 * Each vCPU touches pages of its own, which the host has mapped already, on a CPU of
 * its own; counts of vCPUs that there are no CPUs for are left out. With nothing that
 * vCPUs wait for, the cost does not grow with their number.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "vmm_test.h"

#define MAX_VCPUS	8
#define SLOT_GPA	0x40000000UL
#define GO		0x70000
#define SAMPLES(id)	(GUEST_DATA + (id) * PAGE_SIZE)

/* From RBX on RCX pages, R8 bytes from one to the next; ticks to (RDI). */
GUEST64(touch,
	lock incq GO + 8;
	1: pause; cmpq $0, GO; je 1b;
	2: rdtsc; mov %eax, %esi;
	movb $1, (%rbx);
	rdtsc; sub %esi, %eax; mov %rax, (%rdi);
	add $8, %rdi; add %r8, %rbx; dec %ecx; jnz 2b;
	hlt);

static void *run_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(vcpu->id, &cpu);
	CHECK_OK(sched_setaffinity(0, sizeof(cpu), &cpu));
	expect_hlt(vcpu);
	return NULL;
}

static void *populated(size_t size, bool huge)
{
	uint8_t *mem = host_alloc(size, PAGE_2M);
	size_t i;

	madvise(mem, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += PAGE_SIZE)
		mem[i] = 1;
	return mem;
}

static double cost(int vcpus, bool huge)
{
	size_t step = huge ? PAGE_2M : PAGE_SIZE, size;
	int pages = huge ? 16 : 512, i, j;
	struct vcpu *vcpu[MAX_VCPUS];
	pthread_t thread[MAX_VCPUS];
	struct vm *vm = vm_create();
	volatile uint64_t *go = vm_gpa(vm, GO);
	uint64_t sum = 0;
	void *mem;

	size = step * pages * vcpus;
	mem = populated(size, huge);
	vm_map(vm, 1, 0, SLOT_GPA, size, mem);
	/* Before the first fault counts, all pages of samples have had theirs. */
	go[0] = go[1] = 0;
	for (i = 0; i < vcpus; i++) {
		struct vmm_regs regs;

		memset(vm_gpa(vm, SAMPLES(i)), 0, PAGE_SIZE);
		vcpu[i] = vcpu_create(vm, i);
		vcpu_load_at(vcpu[i], MODE_LONG, GUEST_CODE, touch, touch_end);
		vcpu_get_regs(vcpu[i], &regs);
		regs.rbx = SLOT_GPA + step * pages * i;
		regs.rcx = pages;
		regs.r8 = step;
		regs.rdi = SAMPLES(i);
		vcpu_set_regs(vcpu[i], &regs);
		CHECK_EQ(pthread_create(&thread[i], NULL, run_thread, vcpu[i]), 0);
	}
	while (go[1] < (uint64_t)vcpus)
		sched_yield();
	go[0] = 1;
	for (i = 0; i < vcpus; i++) {
		uint64_t *ticks = vm_gpa(vm, SAMPLES(i));

		CHECK_EQ(pthread_join(thread[i], NULL), 0);
		/* The first one makes tables of the upper levels, for all that follow. */
		for (j = 1; j < pages; j++)
			sum += ticks[j];
	}
	vm_destroy(vm);
	for (i = 0; i < vcpus; i++)
		vcpu_destroy(vcpu[i]);
	munmap(mem, size);
	return (double)sum / (pages - 1) / vcpus;
}

int main(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), vcpus, huge;

	for (huge = 0; huge <= 1; huge++)
		for (vcpus = 1; vcpus <= MAX_VCPUS && vcpus <= cpus; vcpus *= 2) {
			printf("%s fault, vCPUs at it: %-20d %12.0f\n", huge ? "2 MiB" : "4 KiB", vcpus,
			       cost(vcpus, huge));
			fflush(stdout);
		}
	return 0;
}
