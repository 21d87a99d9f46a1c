// SPDX-License-Identifier: GPL-2.0
/*
 * spin_test.c - a vCPU that spins on PAUSE gives its CPU to the one that it waits for.
 *
 * Two vCPUs on one CPU hand a number back and forth. If one of them spun until its time
 * slice ends, each handover would take milliseconds.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "vmm_test.h"

#define HANDOVERS	300

/* At least a millisecond a slice; a handover by an exit takes some microseconds. */
#define LIMIT_MS	150

/* EBX: which numbers are mine, 0 even, 1 odd. */
GUEST64(hand_over,
	mov $GUEST_DATA, %rdi;
	1: mov (%rdi), %eax;
	cmp $HANDOVERS, %eax; jae 3f;
	mov %eax, %ecx; and $1, %ecx; cmp %ecx, %ebx; je 2f;
	pause; jmp 1b;
	2: inc %eax; mov %eax, (%rdi); jmp 1b;
	3: hlt);

static void *run(void *vcpu)
{
	expect_hlt(vcpu);
	return NULL;
}

/* Vendors' names for the same feature. */
static void need_pause_exits(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	static char line[4096];
	bool has = false;

	CHECK(f);
	while (!has && fgets(line, sizeof(line), f))
		has = strstr(line, " ple ") || strstr(line, " ple\n") || strstr(line, " pausefilter");
	fclose(f);
	if (!has)
		ktap_skip("the CPU has no exits of pause loops");
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

KTAP_TEST(handovers_on_one_cpu)
{
	struct vcpu *vcpu[2];
	struct vmm_regs regs;
	pthread_t thread[2];
	uint64_t start, took;
	struct vm *vm;
	cpu_set_t cpus;
	int i;

	need_pause_exits();
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CHECK_OK(sched_setaffinity(0, sizeof(cpus), &cpus));
	vm = vm_create();
	for (i = 0; i < 2; i++) {
		vcpu[i] = vcpu_create(vm, i);
		vcpu_load(vcpu[i], MODE_LONG, hand_over);
		vcpu_get_regs(vcpu[i], &regs);
		regs.rbx = i;
		vcpu_set_regs(vcpu[i], &regs);
	}
	start = now_ms();
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, run, vcpu[i]), 0);
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	took = now_ms() - start;
	ktap_diag("%d handovers in %llu ms", HANDOVERS, (unsigned long long)took);
	CHECK_EQ(*(uint32_t *)vm_gpa(vm, GUEST_DATA), HANDOVERS);
	CHECK(took < LIMIT_MS);
}
