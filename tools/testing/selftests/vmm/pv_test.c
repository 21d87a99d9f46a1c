// SPDX-License-Identifier: GPL-2.0
/*
 * pv_test.c - what a paravirtualized guest has with a local APIC in the kernel: PV
 * EOI, steal time, PV IPIs, unhalt, poll control, and the CPUID bits that say so.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>

#include "vmm_test.h"

#define SHARED		0x41000		/* what the MSRs point to */
#define COUNT		0x40000
#define EOIS		0x40008
#define READY		0x40010
#define DONE		0x40018
#define HANDLER		0x30000

static void *run_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	long r;

	do {
		r = ioctl(vcpu->fd, VMM_RUN, 0);
	} while (r && (errno == EAGAIN || errno == EINTR));
	return (void *)r;
}

/* ---- PV EOI ---- */

/* Ends the interrupt in memory where it may, else by the APIC. */
GUEST64(handler_pv_eoi,
	push %rax; push %rcx; push %rdx;
	lock incq COUNT;
	btrw $0, SHARED; jc 1f;
	lock incq EOIS;
	mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr;
	1: pop %rdx; pop %rcx; pop %rax; iretq);

GUEST64(self_ipis,
	mov $0x1b, %ecx; rdmsr; or $0x400, %eax; wrmsr;
	mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr;
	mov $0x4b564d04, %ecx; mov $SHARED+1, %eax; wrmsr;
	sti; mov $100, %edi; mov $0x83f, %ecx; mov $0x60, %eax;
	1: wrmsr; nop; dec %edi; jnz 1b;
	cli; mov COUNT, %eax; mov $PORT_REPORT, %edx; out %eax, %dx;
	mov $0x813, %ecx; rdmsr;
	mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(pv_eoi)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, self_ipis);

	memcpy(vm_gpa(vm, HANDLER), handler_pv_eoi, handler_pv_eoi_end - handler_pv_eoi);
	vm_set_gate(vm, MODE_LONG, 0x60, HANDLER);
	CHECK_EQ(expect_report(vcpu), 100);
	/* Nearly all of them without an exit, and ISR agrees that it is over. */
	if (*vm_word(vm, EOIS) > 10)
		FAIL("%llu EOIs by the APIC", (unsigned long long)*vm_word(vm, EOIS));
	CHECK_EQ(expect_report(vcpu), 0);
}

KTAP_TEST(pv_eoi_msr)
{
	struct vcpu *vcpu = vcpu_create(vm_create_split(24), 0);

	CHECK_EQ(vcpu_set_msr(vcpu, 0x4b564d04, SHARED | 1), 1);
	CHECK_EQ(vcpu_msr(vcpu, 0x4b564d04), SHARED | 1);
	CHECK_EQ(vcpu_set_msr(vcpu, 0x4b564d04, (SHARED + 2) | 1), 0);
	CHECK_EQ(vcpu_set_msr(vcpu, 0x4b564d04, 0), 1);
}

/* ---- steal time ---- */

GUEST64(spin_until_done, lock incq READY; 1: pause; cmpq $0, DONE; je 1b;
	mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(steal_time)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, spin_until_done);
	volatile struct vmm_steal_time *st = vm_gpa(vm, SHARED);
	pthread_t thread;
	cpu_set_t one;
	void *r;
	int i;

	if (vcpu_set_msr(vcpu, 0x4b564d03, SHARED | 1) != 1)
		ktap_skip("the host's scheduler keeps no account (SCHED_INFO)");
	CHECK_EQ(vcpu_set_msr(vcpu, 0x4b564d03, SHARED | 1 | 2), 0);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
	CHECK_EQ(pthread_create(&thread, NULL, run_thread, vcpu), 0);
	while (!*vm_word(vm, READY))
		usleep(1000);
	/* This thread takes the CPU away from the guest for some time. */
	for (i = 0; i < 2000 && !st->steal; i++) {
		volatile int j;

		for (j = 0; j < 2000000; j++)
			;
		usleep(1000);
	}
	CHECK(st->steal);
	*vm_word(vm, DONE) = 1;
	CHECK_EQ(pthread_join(thread, &r), 0);
	CHECK(!r);
	CHECK_EQ(st->version & 1, 0);
	CHECK_EQ(st->flags, 0);
}

/* An address without the bit that enables it is none: nothing is written there. */
KTAP_TEST(steal_time_disabled)
{
	struct vcpu *vcpu = vcpu_create(vm_create_split(24), 0);
	volatile struct vmm_steal_time *st = vm_gpa(vcpu->vm, SHARED);
	struct vmm_regs regs;

	if (vcpu_set_msr(vcpu, 0x4b564d03, SHARED) != 1)
		ktap_skip("the host's scheduler keeps no account (SCHED_INFO)");
	CHECK_EQ(vcpu_msr(vcpu, 0x4b564d03), SHARED);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(st->preempted, 0);
}

/* ---- hypercalls ---- */

GUEST64(handler_count,
	push %rax; push %rcx; push %rdx;
	lock incq COUNT;
	mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr;
	pop %rdx; pop %rcx; pop %rax; iretq);

GUEST64(halt_loop,
	mov $0x1b, %ecx; rdmsr; or $0x400, %eax; wrmsr;
	mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr;
	lock incq READY;
	1: sti; hlt; cmpq $0, DONE; je 1b;
	mov $PORT_REPORT, %edx; out %eax, %dx);

/* IPIs to the APIC IDs 1 and 2 (bits 0 and 1 from 1 on), until all have arrived. */
GUEST64(send_pv_ipi,
	mov $10, %eax; mov $3, %ebx; xor %ecx, %ecx; mov $1, %edx; mov $0x60, %esi; vmmcall;
	mov %rax, %r8;
	1: pause; cmpq $2, COUNT; jb 1b;
	movq $1, DONE;
	mov $10, %eax; mov $3, %ebx; xor %ecx, %ecx; mov $1, %edx; mov $0x60, %esi; vmmcall;
	mov %r8d, %eax; mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(pv_ipi)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *sender = vcpu_start_in(vm, 0, send_pv_ipi), *to[2];
	pthread_t thread[2];
	void *r;
	int i;

	memcpy(vm_gpa(vm, HANDLER), handler_count, handler_count_end - handler_count);
	vm_set_gate(vm, MODE_LONG, 0x60, HANDLER);
	for (i = 0; i < 2; i++) {
		to[i] = vcpu_start_in(vm, i + 1, halt_loop);
		CHECK_EQ(pthread_create(&thread[i], NULL, run_thread, to[i]), 0);
	}
	while (*vm_word(vm, READY) < 2)
		usleep(1000);
	CHECK_EQ(expect_report(sender), 2);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(pthread_join(thread[i], &r), 0);
		CHECK(!r);
	}
}

GUEST64(halt_cli,
	lock incq READY; cli; hlt;
	mov $0x77, %eax; mov $PORT_REPORT, %edx; out %eax, %dx);
GUEST64(kick, mov $5, %eax; xor %ebx, %ebx; mov $1, %ecx; vmmcall;
	mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(unhalt_ends_hlt_without_an_interrupt)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *kicker = vcpu_start_in(vm, 0, kick), *halted = vcpu_start_in(vm, 1, halt_cli);
	pthread_t thread;
	void *r;

	CHECK_EQ(pthread_create(&thread, NULL, run_thread, halted), 0);
	while (!*vm_word(vm, READY))
		usleep(1000);
	usleep(20000);
	CHECK_EQ(expect_report(kicker), 0);
	CHECK_EQ(pthread_join(thread, &r), 0);
	CHECK(!r);
	CHECK_EQ(load_le(run_io_data(halted->run), 4), 0x77);
}

GUEST64(unknown_hypercall, mov $77, %eax; vmmcall; mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(unknown_hypercalls_say_so)
{
	struct vm *vm = vm_create_split(24);

	CHECK_EQ(expect_report(vcpu_start_in(vm, 0, unknown_hypercall)), (uint32_t)-VMM_ENOSYS);
}

KTAP_TEST(poll_control_msr)
{
	struct vcpu *vcpu = vcpu_create(vm_create_split(24), 0);

	CHECK_EQ(vcpu_msr(vcpu, 0x4b564d05), 1);
	CHECK_EQ(vcpu_set_msr(vcpu, 0x4b564d05, 0), 1);
	CHECK_EQ(vcpu_msr(vcpu, 0x4b564d05), 0);
	CHECK_EQ(vcpu_set_msr(vcpu, 0x4b564d05, 2), 0);
}

/* ---- CPUID ---- */

KTAP_TEST(features_are_announced)
{
	struct vmm_cpuid2 *cpuid = vmm_supported_cpuid();
	const struct vmm_cpuid_entry2 *e = cpuid_find(cpuid, 0x40000001, 0);

	CHECK(e);
	CHECK(e->eax & 1 << 6);			/* PV EOI */
	CHECK(e->eax & 1 << 7);			/* unhalt */
	CHECK(e->eax & 1 << 11);		/* IPIs */
	CHECK(cpuid_find(cpuid, 1, 0)->ecx & 1 << 21);	/* x2APIC */
}

/* ---- only what CPUID shows ---- */

GUEST64(read_msr, rdmsr; mov $PORT_REPORT, %edx; out %eax, %dx);
GUEST64(write_msr, wrmsr; mov $PORT_REPORT, %edx; out %eax, %dx);
GUEST64(hypercall, vmmcall; mov $PORT_REPORT, %edx; out %eax, %dx);
#define REFUSED		0x6b9
GUEST64(handler_refused, mov $REFUSED, %eax; mov $PORT_REPORT, %edx; out %eax, %dx);

static void enforce(struct vcpu *vcpu, uint64_t on)
{
	struct vmm_enable_cap cap = {
		.cap = VMM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { on },
	};

	CHECK_OK(ioctl(vcpu->fd, VMM_ENABLE_CAP, &cap));
}

/* All that can be offered but for these features. */
static void hide(struct vcpu *vcpu, uint32_t features)
{
	struct vmm_cpuid2 *cpuid = vmm_supported_cpuid();
	struct vmm_cpuid_entry2 *e = (void *)cpuid_find(cpuid, 0x40000001, 0);

	CHECK(e);
	e->eax &= ~features;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, cpuid));
	free(cpuid);
}

static struct vcpu *start_enforced(struct vm *vm, const uint8_t *code, const uint8_t *end,
				   uint32_t hidden)
{
	struct vcpu *vcpu;

	vmm_need_cap(VMM_CAP_ENFORCE_PV_FEATURE_CPUID, "ENFORCE_PV_FEATURE_CPUID");
	vcpu = vcpu_start_at(vm, 0, code, end);
	memcpy(vm_gpa(vm, HANDLER), handler_refused, handler_refused_end - handler_refused);
	vm_set_gate(vm, MODE_LONG, VMM_GP_VECTOR, HANDLER);
	enforce(vcpu, 1);
	hide(vcpu, hidden);
	return vcpu;
}

static void set_regs(struct vcpu *vcpu, uint64_t rax, uint64_t rcx, uint64_t rdx)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rax = rax;
	regs.rbx = 0;
	regs.rcx = rcx;
	regs.rdx = rdx;
	regs.rip = GUEST_CODE;
	vcpu_set_regs(vcpu, &regs);
}

static const struct {
	uint32_t msr, feature;
} msrs[] = {
	{ 0x11, VMM_FEATURE_CLOCKSOURCE },
	{ 0x12, VMM_FEATURE_CLOCKSOURCE },
	{ 0x4b564d00, VMM_FEATURE_CLOCKSOURCE2 },
	{ 0x4b564d01, VMM_FEATURE_CLOCKSOURCE2 },
	{ 0x4b564d03, VMM_FEATURE_STEAL_TIME },
	{ 0x4b564d04, VMM_FEATURE_PV_EOI },
	{ 0x4b564d05, VMM_FEATURE_POLL_CONTROL },
};

/* A guest that may (or not) read and write this one. */
static void try_msr(uint32_t msr, uint32_t hidden, bool may)
{
	struct vm *vm;
	struct vcpu *vcpu;
	int write;

	for (write = 0; write < 2; write++) {
		vm = vm_create_split(24);
		vcpu = write ? start_enforced(vm, write_msr, write_msr_end, hidden) :
			       start_enforced(vm, read_msr, read_msr_end, hidden);
		set_regs(vcpu, 0, msr, 0);
		CHECK_EQ(expect_report(vcpu) != REFUSED, may);
		/* To user space it is there. */
		CHECK_EQ(vcpu_set_msr(vcpu, msr, 0), 1);
		CHECK_EQ(vcpu_msr(vcpu, msr), 0);
		vcpu_destroy(vcpu);
		vm_destroy(vm);
	}
}

KTAP_TEST(hidden_msrs_are_not_there)
{
	uint32_t all = cpuid_find(vmm_supported_cpuid(), 0x40000001, 0)->eax;
	unsigned int i;

	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		if (!(all & 1u << msrs[i].feature))
			continue;
		try_msr(msrs[i].msr, 1u << msrs[i].feature, false);
		try_msr(msrs[i].msr, all & ~(1u << msrs[i].feature), true);
	}
}

KTAP_TEST(hidden_hypercalls_are_not_there)
{
	static const struct {
		uint32_t nr, feature;
	} calls[] = {
		{ VMM_HC_KICK_CPU, VMM_FEATURE_PV_UNHALT },
		{ VMM_HC_SEND_IPI, VMM_FEATURE_PV_SEND_IPI },
		{ VMM_HC_SCHED_YIELD, VMM_FEATURE_PV_SCHED_YIELD },
	};
	struct vcpu *vcpu;
	uint32_t hidden;
	struct vm *vm;
	unsigned int i;
	int shown;

	for (i = 0; i < 3; i++) {
		for (shown = 0; shown < 2; shown++) {
			hidden = 1u << calls[i].feature;
			vm = vm_create_split(24);
			vcpu = start_enforced(vm, hypercall, hypercall_end,
					      shown ? ~hidden : hidden);
			set_regs(vcpu, calls[i].nr, 0, 0);
			CHECK_EQ(expect_report(vcpu), shown ? 0 : (uint32_t)-VMM_ENOSYS);
			vcpu_destroy(vcpu);
			vm_destroy(vm);
		}
	}
}

/* As it was before, and as it is again: a guest may use what it knows of. */
KTAP_TEST(nothing_is_hidden_unless_enforced)
{
	struct vcpu *vcpu = start_enforced(vm_create_split(24), read_msr, read_msr_end, ~0u);

	enforce(vcpu, 0);
	set_regs(vcpu, 0, 0x4b564d05, 0);
	CHECK_EQ(expect_report(vcpu), 1);
	enforce(vcpu, 1);
	set_regs(vcpu, 0, 0x4b564d05, 0);
	CHECK_EQ(expect_report(vcpu), REFUSED);
}

KTAP_TEST(enforce_bad_arguments)
{
	struct vcpu *vcpu = vcpu_create(vm_create_split(24), 0);
	struct vmm_enable_cap cap = { .cap = VMM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };

	vmm_need_cap(VMM_CAP_ENFORCE_PV_FEATURE_CPUID, "ENFORCE_PV_FEATURE_CPUID");
	cap.flags = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	cap.flags = 0;
	CHECK_ERR(ioctl(vcpu->vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
}

/* Where user space has the APICs, a guest is not told of what needs ours. */
KTAP_TEST(no_apic_no_features)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct {
		struct vmm_cpuid2 head;
		struct vmm_cpuid_entry2 e[256];
	} *c = calloc(1, sizeof(*c));

	if (!vmm_is_vmm())
		ktap_skip("KVM leaves it to user space");
	c->head.nent = 256;
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_CPUID2, c));
	CHECK_EQ(cpuid_find(&c->head, 0x40000001, 0)->eax & (1 << 6 | 1 << 7 | 1 << 11), 0);
	CHECK_EQ(vcpu_set_msr(vcpu, 0x4b564d04, SHARED | 1), 0);
	CHECK_EQ(vcpu_set_msr(vcpu, 0x4b564d04, 0), 1);
}
