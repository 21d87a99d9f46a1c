// SPDX-License-Identifier: GPL-2.0
/*
 * lapic_test.c - local APICs in the kernel, in the split set-up: registers by MMIO
 * and by MSR, the timer, IPIs, INIT and SIPI, HLT that waits, and the ioctls.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "vmm_test.h"

#define APIC_BASE	0xfee00000UL
#define APIC_ENABLE	(1UL << 11)
#define APIC_X2APIC	(1UL << 10)
#define APIC_BSP	(1UL << 8)

#define R_ID		0x20
#define R_LVR		0x30
#define R_TPR		0x80
#define R_PPR		0xa0
#define R_EOI		0xb0
#define R_LDR		0xd0
#define R_DFR		0xe0
#define R_SPIV		0xf0
#define R_ISR		0x100
#define R_IRR		0x200
#define R_ICR		0x300
#define R_ICR2		0x310
#define R_LVTT		0x320
#define R_LVT0		0x350
#define R_LVTERR	0x370
#define R_TMICT		0x380
#define R_TMCCT		0x390
#define R_TDCR		0x3e0

#define MSR_TSC_DEADLINE 0x6e0

/* Where guests leave what happened. */
#define COUNT		0x40000
#define SEEN		0x40008
#define READY		0x40010
#define DONE		0x40018
#define RESULTS		0x40100

static void get_lapic(struct vcpu *vcpu, struct vmm_lapic_state *s)
{
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_LAPIC, s));
}

static void set_lapic(struct vcpu *vcpu, struct vmm_lapic_state *s)
{
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_LAPIC, s));
}

static uint32_t reg(struct vmm_lapic_state *s, int offset)
{
	return load_le(s->regs + offset, 4);
}

static void set_reg(struct vmm_lapic_state *s, int offset, uint32_t value)
{
	memcpy(s->regs + offset, &value, 4);
}

static uint32_t vcpu_reg(struct vcpu *vcpu, int offset)
{
	struct vmm_lapic_state s;

	get_lapic(vcpu, &s);
	return reg(&s, offset);
}

/* Handlers: count, and end the interrupt by MMIO or by MSR. */
GUEST64(handler_xapic,
	push %rax; push %rbx;
	lock incq COUNT;
	mov $0xfee00000, %ebx; movl $0, 0xb0(%rbx);
	pop %rbx; pop %rax; iretq);

GUEST64(handler_x2apic,
	push %rax; push %rcx; push %rdx;
	lock incq COUNT;
	mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr;
	pop %rdx; pop %rcx; pop %rax; iretq);

#define HANDLER	0x30000
static void install(struct vm *vm, int vector, const uint8_t *code, const uint8_t *end)
{
	memcpy(vm_gpa(vm, HANDLER), code, end - code);
	vm_set_gate(vm, MODE_LONG, vector, HANDLER);
}
#define INSTALL(vm, vector, name) install(vm, vector, name, name##_end)

/* ---- state ---- */

KTAP_TEST(state_after_creation)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *bsp = vcpu_create(vm, 0), *ap = vcpu_create(vm, 3);
	struct vmm_mp_state mp;
	struct vmm_lapic_state s;

	CHECK_OK(ioctl(bsp->fd, VMM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, VMM_MP_STATE_RUNNABLE);
	CHECK_OK(ioctl(ap->fd, VMM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, VMM_MP_STATE_UNINITIALIZED);
	CHECK_EQ(vcpu_msr(bsp, MSR_IA32_APICBASE), APIC_BASE | APIC_ENABLE | APIC_BSP);
	CHECK_EQ(vcpu_msr(ap, MSR_IA32_APICBASE), APIC_BASE | APIC_ENABLE);
	get_lapic(ap, &s);
	CHECK_EQ(reg(&s, R_ID), 3 << 24);
	CHECK_EQ(reg(&s, R_LVR) & 0xff, 0x14);
	CHECK_EQ(reg(&s, R_SPIV), 0xff);
	CHECK_EQ(reg(&s, R_DFR), 0xffffffff);
	CHECK_EQ(reg(&s, R_LDR), 0);
	CHECK_EQ(reg(&s, R_LVTT), 0x10000);
	CHECK_EQ(reg(&s, R_LVT0), 0x10000);
	CHECK_EQ(reg(&s, R_LVTERR), 0x10000);
	CHECK_EQ(vcpu_reg(bsp, R_LVT0), 0x700);
}

KTAP_TEST(state_round_trip)
{
	struct vcpu *vcpu = vcpu_create(vm_create_split(24), 0);
	struct vmm_lapic_state s, t;
	int i;

	get_lapic(vcpu, &s);
	set_reg(&s, R_SPIV, 0x1ff);
	set_reg(&s, R_TPR, 0x20);
	set_reg(&s, R_LDR, 0x01000000);
	set_reg(&s, R_LVTT, 0x20051);
	set_reg(&s, R_LVT0, 0x00052);
	set_reg(&s, R_TDCR, 0xb);
	for (i = 0; i < 8; i++) {
		set_reg(&s, R_ISR + i * 16, i ? 1 << i : 0);
		set_reg(&s, R_IRR + i * 16, i ? 3 << i : 0);
	}
	set_lapic(vcpu, &s);
	get_lapic(vcpu, &t);
	CHECK_EQ(reg(&t, R_SPIV), 0x1ff);
	CHECK_EQ(reg(&t, R_TPR), 0x20);
	CHECK_EQ(reg(&t, R_LDR), 0x01000000);
	CHECK_EQ(reg(&t, R_LVTT), 0x20051);
	CHECK_EQ(reg(&t, R_LVT0), 0x52);
	CHECK_EQ(reg(&t, R_TDCR), 0xb);
	for (i = 1; i < 8; i++) {
		CHECK_EQ(reg(&t, R_ISR + i * 16), 1 << i);
		CHECK_EQ(reg(&t, R_IRR + i * 16), 3 << i);
	}
	CHECK_EQ(vcpu->run->exit_reason, 0);
}

KTAP_TEST(x2apic_ids)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_create(vm, 0x25);
	struct vmm_lapic_state s;

	CHECK_EQ(vcpu_set_msr(vcpu, MSR_IA32_APICBASE,
			      APIC_BASE | APIC_ENABLE | APIC_X2APIC), 1);
	get_lapic(vcpu, &s);
	/* Without 32-bit IDs asked for, the ID is where xAPIC has it. */
	CHECK_EQ(reg(&s, R_ID), 0x25 << 24);
	CHECK_EQ(reg(&s, R_LDR), 2 << 16 | 1 << 5);
	set_lapic(vcpu, &s);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_IA32_APICBASE, APIC_BASE | APIC_ENABLE), 1);
	CHECK_EQ(vcpu_reg(vcpu, R_ID), 0x25 << 24);
}

KTAP_TEST(ioctls_need_an_apic)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct vmm_mp_state mp = { VMM_MP_STATE_HALTED };
	struct vmm_lapic_state s = {};

	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_LAPIC, &s), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_LAPIC, &s), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_MP_STATE, &mp), EINVAL);
}

KTAP_TEST(user_pic_interrupt_slot)
{
	struct vcpu *vcpu = vcpu_create(vm_create_split(24), 0);
	struct vmm_interrupt irq = { 0x50 };

	CHECK_OK(ioctl(vcpu->fd, VMM_INTERRUPT, &irq));
	CHECK_ERR(ioctl(vcpu->fd, VMM_INTERRUPT, &irq), EEXIST);
	irq.irq = 256;
	CHECK_ERR(ioctl(vcpu->fd, VMM_INTERRUPT, &irq), EINVAL);
}

/* ---- registers as the guest sees them ---- */

GUEST64(xapic_registers,
	mov $0xfee00000, %ebx; mov $RESULTS, %edi;
	mov 0x20(%rbx), %eax; mov %eax, (%rdi);
	movl $0x1ff, 0xf0(%rbx); mov 0xf0(%rbx), %eax; mov %eax, 4(%rdi);
	movl $0x30, 0x80(%rbx); mov 0xa0(%rbx), %eax; mov %eax, 8(%rdi);
	mov %cr8, %rax; mov %eax, 12(%rdi);
	mov $5, %eax; mov %rax, %cr8; mov 0x80(%rbx), %eax; mov %eax, 16(%rdi);
	xor %eax, %eax; mov %rax, %cr8;
	movl $0x02000000, 0xd0(%rbx); mov 0xd0(%rbx), %eax; mov %eax, 20(%rdi);
	movl $0x0fffffff, 0xe0(%rbx); mov 0xe0(%rbx), %eax; mov %eax, 24(%rdi);
	movl $0x44, 0x350(%rbx); mov 0x350(%rbx), %eax; mov %eax, 28(%rdi);
	movl $0xff, 0xf0(%rbx); mov 0x350(%rbx), %eax; mov %eax, 32(%rdi);
	mov 0x30(%rbx), %al; movzbl %al, %eax; mov %eax, 36(%rdi);
	mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(xapic_registers_by_mmio)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, xapic_registers);
	uint32_t *r = vm_gpa(vm, RESULTS);

	expect_report(vcpu);
	CHECK_EQ(r[0], 0);
	CHECK_EQ(r[1], 0x1ff);
	CHECK_EQ(r[2], 0x30);
	CHECK_EQ(r[3], 3);
	CHECK_EQ(r[4], 0x50);
	CHECK_EQ(r[5], 0x02000000);
	CHECK_EQ(r[6], 0x0fffffff);
	CHECK_EQ(r[7], 0x44);
	CHECK_EQ(r[8], 0x10044);
	CHECK_EQ(r[9], 0x14);
}

GUEST64(x2apic_registers,
	mov $0x1b, %ecx; rdmsr; or $0x400, %eax; wrmsr;
	mov $RESULTS, %edi;
	mov $0x802, %ecx; rdmsr; mov %eax, (%rdi);
	mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr; rdmsr; mov %eax, 4(%rdi);
	mov $0x80d, %ecx; rdmsr; mov %eax, 8(%rdi);
	mov $0x830, %ecx; mov $0x4c044, %eax; mov $0x12345678, %edx; cli; wrmsr; rdmsr;
	mov %eax, 12(%rdi); mov %edx, 16(%rdi);
	mov $PORT_REPORT, %edx; out %eax, %dx;
	mov $0x80e, %ecx; rdmsr;
	hlt);

KTAP_TEST(x2apic_registers_by_msr)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, x2apic_registers);
	uint32_t *r = vm_gpa(vm, RESULTS);

	/* A fault's stub would halt for ever: it reports instead. */
	expect_report(vcpu);
	CHECK_EQ(r[0], 0);
	CHECK_EQ(r[1], 0x1ff);
	CHECK_EQ(r[2], 1);
	CHECK_EQ(r[3], 0x4c044);
	CHECK_EQ(r[4], 0x12345678);
	/* Shorthand self: it is pending. */
	CHECK_EQ(vcpu_reg(vcpu, R_IRR + 0x20) & 0x10, 0x10);
}

/* ---- the timer ---- */

GUEST64(timer_one_shot,
	mov $0xfee00000, %ebx;
	movl $0x1ff, 0xf0(%rbx); movl $0x50, 0x320(%rbx); movl $0xb, 0x3e0(%rbx);
	movl $3000000, 0x380(%rbx);
	sti; hlt; cli;
	mov COUNT, %eax; mov $PORT_REPORT, %edx; out %eax, %dx;
	mov 0x390(%rbx), %eax; out %eax, %dx);

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

KTAP_TEST(timer_one_shot_ends_hlt)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, timer_one_shot);
	int64_t ns;

	INSTALL(vm, 0x50, handler_xapic);
	ns = now_ns();
	CHECK_EQ(expect_report(vcpu), 1);
	ns = now_ns() - ns;
	if (ns < 3000000)
		FAIL("after %lld ns", (long long)ns);
	CHECK_EQ(expect_report(vcpu), 0);
}

GUEST64(timer_periodic,
	mov $0xfee00000, %ebx;
	movl $0x1ff, 0xf0(%rbx); movl $0x20050, 0x320(%rbx); movl $0xb, 0x3e0(%rbx);
	movl $1000000, 0x380(%rbx);
	1: sti; hlt; cli; cmpq $10, COUNT; jb 1b;
	movl $0, 0x380(%rbx);
	mov COUNT, %eax; mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(timer_periodic_goes_on)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, timer_periodic);
	uint32_t ticks;
	int64_t ns;

	INSTALL(vm, 0x50, handler_xapic);
	ns = now_ns();
	ticks = expect_report(vcpu);
	ns = now_ns() - ns;
	/* More than 10 where a period was over before the guest got to CLI. */
	if (ticks < 10 || ticks * 1000000LL > ns)
		FAIL("%u ticks of a millisecond in %lld ns", ticks, (long long)ns);
}

GUEST64(timer_deadline,
	mov $0xfee00000, %ebx;
	movl $0x1ff, 0xf0(%rbx); movl $0x40050, 0x320(%rbx);
	rdtsc; shl $32, %rdx; or %rdx, %rax; add $1000000, %rax; mov %rax, %r8;
	mov %rax, %rdx; shr $32, %rdx; mov $0x6e0, %ecx; wrmsr;
	sti; hlt; cli;
	rdtsc; shl $32, %rdx; or %rdx, %rax; sub %r8, %rax; mov %rax, RESULTS;
	mov $0x6e0, %ecx; rdmsr; mov %eax, RESULTS+8; mov %edx, RESULTS+12;
	mov COUNT, %eax; mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(timer_tsc_deadline)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu;
	struct vmm_cpuid2 *cpuid = vmm_supported_cpuid();
	uint32_t i;

	vmm_need_cap(VMM_CAP_TSC_DEADLINE_TIMER, "TSC_DEADLINE_TIMER");
	vcpu = vcpu_start_in(vm, 0, timer_deadline);
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= 1 << 24;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, cpuid));
	INSTALL(vm, 0x50, handler_xapic);
	CHECK_EQ(expect_report(vcpu), 1);
	CHECK_EQ(*vm_word(vm, RESULTS + 8), 0);
	if ((int64_t)*vm_word(vm, RESULTS) < 0)
		FAIL("%lld ticks early", -(long long)*vm_word(vm, RESULTS));
}

/* ---- HLT, signals, INIT and SIPI ---- */

struct runner {
	struct vcpu *vcpu;
	pthread_t thread;
	int result, error;
};

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	do {
		r->result = ioctl(r->vcpu->fd, VMM_RUN, 0);
		r->error = errno;
	} while (r->result && (r->error == EAGAIN));
	return NULL;
}

static struct runner *run_in_thread(struct vcpu *vcpu)
{
	struct runner *r = calloc(1, sizeof(*r));

	r->vcpu = vcpu;
	CHECK_EQ(pthread_create(&r->thread, NULL, run_thread, r), 0);
	return r;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void expect_eintr(struct runner *r)
{
	pthread_kill(r->thread, SIGUSR1);
	CHECK_EQ(pthread_join(r->thread, NULL), 0);
	CHECK_EQ(r->result, -1);
	CHECK_EQ(r->error, EINTR);
}

GUEST64(just_halt, movq $1, READY; hlt; movq $2, READY; hlt);

KTAP_TEST(hlt_waits_and_a_signal_ends_run)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, just_halt);
	struct sigaction sa = { .sa_handler = on_signal };
	struct vmm_mp_state mp;
	struct runner *r;

	sigaction(SIGUSR1, &sa, NULL);
	r = run_in_thread(vcpu);
	while (*vm_word(vm, READY) != 1)
		usleep(1000);
	usleep(20000);
	expect_eintr(r);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, VMM_MP_STATE_HALTED);
	CHECK_EQ(*vm_word(vm, READY), 1);
	mp.mp_state = VMM_MP_STATE_RUNNABLE;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_MP_STATE, &mp));
	r = run_in_thread(vcpu);
	while (*vm_word(vm, READY) != 2)
		usleep(1000);
	usleep(20000);
	expect_eintr(r);
}

KTAP_TEST(a_waiting_ap_takes_a_signal)
{
	struct vm *vm = vm_create_split(24);
	struct sigaction sa = { .sa_handler = on_signal };
	struct vcpu *ap;
	struct runner *r;

	sigaction(SIGUSR1, &sa, NULL);
	vcpu_create(vm, 0);
	ap = vcpu_create(vm, 1);
	r = run_in_thread(ap);
	usleep(50000);
	expect_eintr(r);
}

/* The AP's code is at page 0x10: real mode. */
GUEST16(ap_code, mov %cs, %ax; mov $0x3f0, %dx; out %ax, %dx; 1: hlt; jmp 1b);
GUEST64(send_init_sipi,
	mov $0xfee00000, %ebx; movl $0x1ff, 0xf0(%rbx);
	movl $0x01000000, 0x310(%rbx); movl $0x4500, 0x300(%rbx);
	movl $0x01000000, 0x310(%rbx); movl $0x4610, 0x300(%rbx);
	mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(init_and_sipi_start_an_ap)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *bsp = vcpu_start_in(vm, 0, send_init_sipi), *ap = vcpu_create(vm, 1);
	struct vmm_sregs sregs;
	struct vmm_mp_state mp;
	struct runner *r;

	memcpy(vm_gpa(vm, 0x10000), ap_code, ap_code_end - ap_code);
	r = run_in_thread(ap);
	usleep(20000);
	expect_report(bsp);
	CHECK_EQ(pthread_join(r->thread, NULL), 0);
	CHECK_EQ(r->result, 0);
	CHECK_EQ(ap->run->exit_reason, VMM_EXIT_IO);
	CHECK_EQ(load_le(run_io_data(ap->run), 2), 0x1000);
	vcpu_get_sregs(ap, &sregs);
	CHECK_EQ(sregs.cs.base, 0x10000);
	CHECK_EQ(sregs.cs.selector, 0x1000);
	CHECK_OK(ioctl(ap->fd, VMM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, VMM_MP_STATE_RUNNABLE);
}

/* ---- IPIs ---- */

/*
 * The receiver: x2APIC, interrupts on, waits for SEEN. An interrupt that comes between
 * its look at SEEN and its HLT wakes nothing: the sender goes on until DONE.
 */
GUEST64(receive_x2apic,
	mov $0x1b, %ecx; rdmsr; or $0x400, %eax; wrmsr;
	mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr;
	lock incq READY;
	1: sti; hlt; cmpq $0, SEEN; je 1b;
	movq $1, DONE; mov $PORT_REPORT, %edx; out %eax, %dx);

GUEST64(send_x2apic,
	mov $0x1b, %ecx; rdmsr; or $0x400, %eax; wrmsr;
	mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr;
	mov RESULTS, %r8; mov RESULTS+8, %r9;
	1: mov COUNT, %r10; mov $0x830, %ecx; mov %r8d, %eax; mov %r8, %rdx; shr $32, %rdx; wrmsr;
	2: pause; cmp %r10, COUNT; je 2b;
	dec %r9; jnz 1b;
	movq $1, SEEN;
	3: mov %r8d, %eax; mov %r8, %rdx; shr $32, %rdx; wrmsr;
	mov $10000, %ebx; 4: pause; dec %ebx; jnz 4b; cmpq $0, DONE; je 3b;
	mov $PORT_REPORT, %edx; out %eax, %dx);

GUEST64(handler_nmi, lock incq COUNT; iretq);
#define NMI_HANDLER	0x31000

static void ipis(uint64_t icr, int rounds)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *sender = vcpu_start_in(vm, 0, send_x2apic);
	struct vcpu *receiver = vcpu_start_in(vm, 1, receive_x2apic);
	struct runner *r;

	INSTALL(vm, 0x60, handler_x2apic);
	memcpy(vm_gpa(vm, NMI_HANDLER), handler_nmi, handler_nmi_end - handler_nmi);
	vm_set_gate(vm, MODE_LONG, 2, NMI_HANDLER);
	*vm_word(vm, RESULTS) = icr;
	*vm_word(vm, RESULTS + 8) = rounds;
	r = run_in_thread(receiver);
	while (!*vm_word(vm, READY))
		usleep(1000);
	expect_report(sender);
	CHECK_EQ(pthread_join(r->thread, NULL), 0);
	CHECK_EQ(r->result, 0);
	CHECK_EQ(receiver->run->exit_reason, VMM_EXIT_IO);
}

KTAP_TEST(ipi_nmi)			{ ipis(0x100000000 | 0x4400, 100); }
KTAP_TEST(ipi_physical)			{ ipis(0x100000000 | 0x4060, 500); }
KTAP_TEST(ipi_logical)			{ ipis(0x200000000 | 0x4860, 100); }
KTAP_TEST(ipi_lowest_priority)		{ ipis(0x200000000 | 0x4960, 100); }
KTAP_TEST(ipi_all_but_self)		{ ipis(0xc4060, 100); }
KTAP_TEST(ipi_broadcast_id_sender_masks) { ipis(0xffffffff00000000 | 0x4060, 20); }

GUEST64(self_ipi,
	mov $0x1b, %ecx; rdmsr; or $0x400, %eax; wrmsr;
	mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr;
	sti;
	mov $0x83f, %ecx; mov $0x60, %eax; xor %edx, %edx; wrmsr; nop;
	mov $0x830, %ecx; mov $0x44060, %eax; wrmsr; nop;
	cli; mov COUNT, %eax; mov $PORT_REPORT, %edx; out %eax, %dx);

KTAP_TEST(ipi_to_self)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, self_ipi);

	INSTALL(vm, 0x60, handler_x2apic);
	CHECK_EQ(expect_report(vcpu), 2);
}

/* TPR holds an interrupt back until CR8 goes down. */
GUEST64(tpr_masks,
	mov $0xfee00000, %ebx; movl $0x1ff, 0xf0(%rbx);
	mov $6, %eax; mov %rax, %cr8;
	sti; movl $0x44060, 0x300(%rbx); nop; nop;
	mov COUNT, %eax; mov $PORT_REPORT, %edx; out %eax, %dx;
	mov $5, %eax; mov %rax, %cr8; nop;
	mov COUNT, %eax; out %eax, %dx);

KTAP_TEST(tpr_holds_interrupts_back)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, tpr_masks);

	INSTALL(vm, 0x60, handler_xapic);
	CHECK_EQ(expect_report(vcpu), 0);
	CHECK_EQ(expect_report(vcpu), 1);
}

/* ---- a level-triggered interrupt's EOI goes to user space's I/O APIC ---- */

GUEST64(wait_level,
	mov $0xfee00000, %ebx; movl $0x1ff, 0xf0(%rbx);
	1: sti; hlt; cmpq $0, COUNT; je 1b;
	cli; mov $PORT_REPORT, %edx; mov COUNT, %eax; out %eax, %dx);

KTAP_TEST(eoi_exit_of_a_level_interrupt)
{
	struct {
		struct vmm_irq_routing head;
		struct vmm_irq_routing_entry e;
	} table = {
		.head.nr = 1,
		.e = { .gsi = 5, .type = VMM_IRQ_ROUTING_MSI,
		       .u.msi = { .address_lo = 0xfee00000, .data = 0xc070 } },
	};
	struct vmm_msi msi = { .address_lo = 0xfee00000, .data = 0xc070 };
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = vcpu_start_in(vm, 0, wait_level);
	struct vmm_lapic_state s;

	INSTALL(vm, 0x70, handler_xapic);
	CHECK_OK(ioctl(vm->fd, VMM_SET_GSI_ROUTING, &table));
	get_lapic(vcpu, &s);
	set_reg(&s, R_SPIV, 0x1ff);
	set_lapic(vcpu, &s);
	CHECK_EQ(ioctl(vm->fd, VMM_SIGNAL_MSI, &msi), 1);
	expect_exit(vcpu, VMM_EXIT_IOAPIC_EOI);
	CHECK_EQ(vcpu->run->eoi.vector, 0x70);
	CHECK_EQ(expect_report(vcpu), 1);
}
