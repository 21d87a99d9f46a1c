// SPDX-License-Identifier: GPL-2.0
/*
 * irq_cost.c - what an interrupt costs with local APICs in the kernel: the median
 * over many, in ticks of the TSC (under the lab's deterministic clock: executed
 * instructions, those of the guest's handler included).
 *
 * usage: irq_cost [-c] [ROUNDS]
 *	-c	compare with half of what stock KVM takes on the lab's default AMD CPU,
 *		as KTAP; exit status 1 if a goal is missed
 *
 * Costs between two threads are of a round trip, and contain the scheduler's part.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <x86intrin.h>

#include "cost.h"
#include "vmm_test.h"

#define MAX_SAMPLES	4096
#define COUNT		0x40000
#define READY		0x40010
#define STOP		0x40018
#define SAMPLES		0x48000
#define HANDLER		0x30000
#define PORT_DONE	0x3e0

static int rounds = 1001;
static uint64_t samples[MAX_SAMPLES];
static int row;			/* of the result: what is being measured */

static uint64_t median(int n)
{
	return cost_median(samples, n);
}

GUEST64(handler,
	push %rax; push %rcx; push %rdx;
	lock incq COUNT;
	mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr;
	pop %rdx; pop %rcx; pop %rax; iretq);

static struct vm *vm_with_handler(void)
{
	struct vm *vm = vm_create_split(24);

	memcpy(vm_gpa(vm, HANDLER), handler, handler_end - handler);
	vm_set_gate(vm, MODE_LONG, 0x60, HANDLER);
	return vm;
}

static struct vcpu *start(struct vm *vm, int id, const uint8_t *code, const uint8_t *end)
{
	struct vcpu *vcpu = vcpu_start_at(vm, id, code, end);
	struct vmm_cpuid2 *cpuid = vmm_supported_cpuid();
	struct vmm_regs regs;
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= 1 << 24;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, cpuid));
	vcpu_get_regs(vcpu, &regs);
	regs.r14 = rounds;
	vcpu_set_regs(vcpu, &regs);
	return vcpu;
}
#define START(vm, id, name) start(vm, id, name, name##_end)

static void *run_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	long r;

	do {
		r = ioctl(vcpu->fd, VMM_RUN, 0);
	} while (r && (errno == EAGAIN || errno == EINTR));
	return (void *)r;
}

/* The vCPU takes all samples in one run. */
static void measure(struct vcpu *vcpu)
{
	mark(row, rounds);
	expect_report(vcpu);
	mark(row, 0);
}

static uint64_t guest_samples(struct vm *vm)
{
	uint64_t *data = vm_gpa(vm, SAMPLES);
	int i;

	for (i = 0; i < rounds; i++)
		samples[i] = data[i];
	return median(rounds);
}

/* x2APIC on; samples to (RDI), R14 of them. */
#define GUEST_BEGIN								\
	mov $0x1b, %ecx; rdmsr; or $0x400, %eax; wrmsr;				\
	mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr;		\
	mov $SAMPLES, %edi; sti
#define GUEST_SAMPLE(...)							\
	1: rdtsc; mov %eax, %esi; __VA_ARGS__;					\
	rdtsc; sub %esi, %eax; mov %eax, (%rdi); add $8, %rdi; dec %r14; jnz 1b
#define GUEST_END	mov $PORT_REPORT, %edx; out %eax, %dx

/* Sent, taken, served, ended. */
GUEST64(self_ipi, GUEST_BEGIN;
	GUEST_SAMPLE(mov $0x83f, %ecx; mov $0x60, %eax; xor %edx, %edx; wrmsr; nop);
	GUEST_END);
static uint64_t cost_self_ipi(void)
{
	struct vm *vm = vm_with_handler();

	measure(START(vm, 0, self_ipi));
	return guest_samples(vm);
}

/* The timer is set to a time that has passed. */
GUEST64(deadline_passed, GUEST_BEGIN;
	mov $0x832, %ecx; mov $0x40060, %eax; xor %edx, %edx; wrmsr;
	GUEST_SAMPLE(mov $0x6e0, %ecx; mov $1, %eax; xor %edx, %edx; wrmsr; nop);
	GUEST_END);
static uint64_t cost_deadline_passed(void)
{
	struct vm *vm = vm_with_handler();

	measure(START(vm, 0, deadline_passed));
	return guest_samples(vm);
}

/* The time from the deadline to the end of the handler, of a guest that spins. */
GUEST64(deadline, GUEST_BEGIN;
	mov $0x832, %ecx; mov $0x40060, %eax; xor %edx, %edx; wrmsr;
	1: mov COUNT, %r8;
	rdtsc; shl $32, %rdx; or %rdx, %rax; add $100000, %rax; mov %rax, %rsi;
	mov %rax, %rdx; shr $32, %rdx; mov $0x6e0, %ecx; wrmsr;
	2: pause; cmp %r8, COUNT; je 2b;
	rdtsc; sub %esi, %eax; mov %eax, (%rdi); add $8, %rdi; dec %r14; jnz 1b;
	GUEST_END);
static uint64_t cost_deadline(void)
{
	struct vm *vm = vm_with_handler();

	measure(START(vm, 0, deadline));
	return guest_samples(vm);
}

/* Two vCPUs that wake each other: there and back. */
GUEST64(ping, GUEST_BEGIN; cli;
	1: pause; cmpq $0, READY; je 1b;
	GUEST_SAMPLE(mov $0x830, %ecx; mov $0x4060, %eax; mov $1, %edx; wrmsr; sti; hlt; cli);
	movq $1, STOP; mov $0x830, %ecx; mov $0x4060, %eax; mov $1, %edx; wrmsr;
	GUEST_END);
GUEST64(pong, GUEST_BEGIN; cli; incq READY;
	1: sti; hlt; cli;
	mov $0x830, %ecx; mov $0x4060, %eax; xor %edx, %edx; wrmsr;
	cmpq $0, STOP; je 1b;
	GUEST_END);
static uint64_t cost_ipi(void)
{
	struct vm *vm = vm_with_handler();
	struct vcpu *first = START(vm, 0, ping), *second = START(vm, 1, pong);
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run_thread, second), 0);
	measure(first);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	return guest_samples(vm);
}

/* An irqfd's signal to the guest's handler, and by an ioeventfd back. */
GUEST64(answer, GUEST_BEGIN; cli;
	1: sti; hlt; cli;
	mov $PORT_DONE, %edx; out %al, %dx;
	cmpq $0, STOP; je 1b;
	GUEST_END);
static uint64_t cost_irqfd(void)
{
	struct {
		struct vmm_irq_routing head;
		struct vmm_irq_routing_entry e;
	} table = {
		.head.nr = 1,
		.e = { .gsi = 30, .type = VMM_IRQ_ROUTING_MSI,
		       .u.msi = { .address_lo = 0xfee00000, .data = 0x60 } },
	};
	struct vm *vm = vm_with_handler();
	struct vcpu *vcpu = START(vm, 0, answer);
	struct vmm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 30 };
	struct vmm_ioeventfd done = {
		.addr = PORT_DONE, .len = 1, .fd = eventfd(0, 0),
		.flags = VMM_IOEVENTFD_FLAG_PIO,
	};
	uint64_t one = 1, seen;
	pthread_t thread;
	int i;

	CHECK_OK(ioctl(vm->fd, VMM_SET_GSI_ROUTING, &table));
	CHECK_OK(ioctl(vm->fd, VMM_IRQFD, &irqfd));
	CHECK_OK(ioctl(vm->fd, VMM_IOEVENTFD, &done));
	CHECK_EQ(pthread_create(&thread, NULL, run_thread, vcpu), 0);
	usleep(50000);
	mark(row, rounds);
	for (i = 0; i < rounds; i++) {
		uint64_t begin = __rdtsc();

		CHECK_EQ(write(irqfd.fd, &one, 8), 8);
		CHECK_EQ(read(done.fd, &seen, 8), 8);
		samples[i] = __rdtsc() - begin;
	}
	mark(row, 0);
	*(volatile uint64_t *)vm_gpa(vm, STOP) = 1;
	CHECK_EQ(write(irqfd.fd, &one, 8), 8);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	return median(rounds);
}

static const struct {
	const char *name;
	uint64_t (*measure)(void);
	uint64_t goal;			/* 0: none */
} costs[] = {
	{ "IPI to itself: sent, taken, ended", cost_self_ipi, 0 },
	{ "timer, deadline in the past", cost_deadline_passed, 0 },
	{ "timer, from the deadline to the handler's end", cost_deadline, 1890 },
	{ "IPI to a halted vCPU and back", cost_ipi, 0 },
	{ "irqfd to a halted vCPU, ioeventfd back", cost_irqfd, 9396 },
};

int main(int argc, char **argv)
{
	bool compare = argc > 1 && !strcmp(argv[1], "-c");
	unsigned int i;
	int missed = 0;

	if (argc > 1 + compare)
		rounds = atoi(argv[1 + compare]);
	if (rounds < 1 || rounds > MAX_SAMPLES) {
		fprintf(stderr, "usage: irq_cost [-c] [ROUNDS]\n");
		return 2;
	}
	if (compare) {
		int goals = 0;

		for (i = 0; i < ARRAY_SIZE(costs); i++)
			goals += !!costs[i].goal;
		cost_plan(goals);
	}
	for (i = 0; i < ARRAY_SIZE(costs); i++) {
		row = i;
		missed += cost_line(costs[i].name, costs[i].measure(), compare, costs[i].goal);
	}
	return missed ? 1 : 0;
}
