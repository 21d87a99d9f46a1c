// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot_irq_test.c - a snapshot of a VM with interrupt controllers in the kernel:
 * what waits, what is in service, which lines are up, and timers with the time that
 * was left, come back as they were marked.
 */
#include <time.h>

#include "irq_agent.h"

#define VECTOR		0x61
#define LOW_VECTOR	0x31
#define LAPIC_TPR	0x80
#define LAPIC_ICR	0x300
#define LAPIC_LVTT	0x320
#define LAPIC_TMICT	0x380
#define LAPIC_TMCCT	0x390
#define LAPIC_TDCR	0x3e0
#define ICR_SELF	0x40000
#define LVTT_PERIODIC	0x20000
#define LVTT_DEADLINE	0x40000
#define REMOTE_IRR	(1UL << 14)
#define MSR_TSC_DEADLINE 0x6e0
#define MS		1000000U	/* counts of the APIC's timer */

static struct vcpu *vcpu;

static int snap(unsigned long request)
{
	return ioctl(vcpu->vm->fd, request, 0);
}

static void log_memory(struct vm *vm)
{
	vm_map(vm, 0, VMM_MEM_LOG_DIRTY_PAGES, 0, vm->mem_size, vm->mem);
}

static void start(void)
{
	vmm_need_cap(VMM_CAP_SNAPSHOT, "VMM_CAP_SNAPSHOT");
	vcpu = agent_start();
	log_memory(vcpu->vm);
}

static void write_apic(unsigned int reg, uint32_t value)
{
	agent_write32(vcpu, LAPIC + reg, value);
}

static struct vmm_lapic_state get_lapic(void)
{
	struct vmm_lapic_state s;

	CHECK_OK(ioctl(vcpu->fd, VMM_GET_LAPIC, &s));
	return s;
}

static uint32_t apic_reg(unsigned int reg)
{
	struct vmm_lapic_state s = get_lapic();

	return load_le(s.regs + reg, 4);
}

static bool in_irr(uint8_t vector)
{
	return apic_reg(0x200 + vector / 32 * 16) >> vector % 32 & 1;
}

static uint64_t get_entry(int pin)
{
	return get_chip(vcpu->vm, VMM_IRQCHIP_IOAPIC).chip.ioapic.redirtbl[pin].bits;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Those that are on their way as well. */
static void drain(void)
{
	while (agent_next_irq(vcpu) >= 0)
		;
}

/* --- the local APIC --- */

KTAP_TEST(waiting_interrupt_comes_back)
{
	struct vmm_lapic_state before, after;
	int round;

	start();
	agent_cli(vcpu);
	write_apic(LAPIC_ICR, ICR_SELF | VECTOR);
	write_apic(LAPIC_TPR, 0x10);
	before = get_lapic();
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		agent_sti(vcpu);
		agent_expect_irq(vcpu, VECTOR);
		agent_expect_none(vcpu);
		write_apic(LAPIC_TPR, 0xf0);
		write_apic(LAPIC_LDR, 0x5000000);
		write_apic(LAPIC_LVT0, 0x700);
		write_apic(LAPIC_SPIV, 0xff);
		after = get_lapic();
		CHECK(memcmp(&before, &after, sizeof(before)));
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		after = get_lapic();
		CHECK_EQ(memcmp(&before, &after, sizeof(before)), 0);
	}
}

/* What is in service holds back what is not more important. */
KTAP_TEST(interrupt_in_service_comes_back)
{
	int round;

	start();
	agent_set_eoi(vcpu, EOI_NONE);
	write_apic(LAPIC_ICR, ICR_SELF | VECTOR);
	agent_expect_irq(vcpu, VECTOR);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		write_apic(LAPIC_ICR, ICR_SELF | LOW_VECTOR);
		agent_expect_none(vcpu);
		write_apic(LAPIC_EOI, 0);
		agent_expect_irq(vcpu, LOW_VECTOR);
		write_apic(LAPIC_EOI, 0);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		agent_expect_none(vcpu);
	}
}

/* Who is found under which ID. */
KTAP_TEST(ids_come_back)
{
	struct vmm_msi msi = { .address_lo = LAPIC | 2 << 12 | 4, .data = VECTOR };
	int round;

	start();
	write_apic(LAPIC_LDR, 0x2000000);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		CHECK_EQ(ioctl(vcpu->vm->fd, VMM_SIGNAL_MSI, &msi), 1);
		agent_expect_irq(vcpu, VECTOR);
		if (round == 1)		/* off, and so without a logical ID */
			CHECK_EQ(vcpu_set_msr(vcpu, MSR_IA32_APICBASE, LAPIC | 0x100), 1);
		else
			write_apic(LAPIC_LDR, 0x4000000);
		CHECK_EQ(ioctl(vcpu->vm->fd, VMM_SIGNAL_MSI, &msi), 0);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	}
	agent_expect_none(vcpu);
}

/* --- its timer --- */

KTAP_TEST(one_shot_timer_comes_back)
{
	uint64_t left, began;
	int round;

	start();
	write_apic(LAPIC_LVTT, VECTOR);
	write_apic(LAPIC_TDCR, 0xb);
	write_apic(LAPIC_TMICT, 300 * MS);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	left = apic_reg(LAPIC_TMCCT);
	CHECK(left && left < 300 * MS);
	for (round = 0; round < 3; round++) {
		began = now_ns();
		agent_expect_irq(vcpu, VECTOR);
		if (round && now_ns() - began < left)
			FAIL("%llu ns were left, and it took %llu", (unsigned long long)left,
			     (unsigned long long)(now_ns() - began));
		CHECK_EQ(apic_reg(LAPIC_TMCCT), 0);
		agent_expect_none(vcpu);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	}
}

/* Its interrupt waits already: it does not come twice. */
KTAP_TEST(expired_timer_stays_expired)
{
	int round;

	start();
	agent_cli(vcpu);
	write_apic(LAPIC_LVTT, VECTOR);
	write_apic(LAPIC_TMICT, 1);
	while (!in_irr(VECTOR))
		usleep(1000);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		agent_sti(vcpu);
		agent_expect_irq(vcpu, VECTOR);
		agent_expect_none(vcpu);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	}
}

KTAP_TEST(periodic_timer_comes_back)
{
	int round, i;

	start();
	write_apic(LAPIC_LVTT, LVTT_PERIODIC | VECTOR);
	write_apic(LAPIC_TMICT, 10 * MS);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 3; i++)
			agent_expect_irq(vcpu, VECTOR);
		write_apic(LAPIC_TMICT, 0);
		drain();
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	}
	agent_expect_irq(vcpu, VECTOR);
	/* And one that did not run is stopped. */
	write_apic(LAPIC_TMICT, 0);
	drain();
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	write_apic(LAPIC_TMICT, 10 * MS);
	agent_expect_irq(vcpu, VECTOR);
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	usleep(50000);
	CHECK(!in_irr(VECTOR));
}

/* Time goes on: a deadline that has passed fires. */
KTAP_TEST(tsc_deadline_comes_back)
{
	struct vmm_cpuid2 *cpuid = vmm_supported_cpuid();
	struct vmm_lapic_state s;
	uint64_t far;
	uint32_t i;

	vmm_need_cap(VMM_CAP_SNAPSHOT, "VMM_CAP_SNAPSHOT");
	vmm_need_cap(VMM_CAP_TSC_DEADLINE_TIMER, "TSC_DEADLINE_TIMER");
	vcpu = vcpu_create(vm_create_irqchip(), 0);
	log_memory(vcpu->vm);
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= 1 << 24;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, cpuid));
	s = get_lapic();
	memcpy(s.regs + LAPIC_SPIV, &(uint32_t){ 0x1ff }, 4);
	memcpy(s.regs + LAPIC_LVTT, &(uint32_t){ LVTT_DEADLINE | VECTOR }, 4);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_LAPIC, &s));

	far = vcpu_msr(vcpu, MSR_IA32_TSC) + (1ULL << 50);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_TSC_DEADLINE, far), 1);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_TSC_DEADLINE, 1), 1);
	CHECK(in_irr(VECTOR));
	CHECK_EQ(vcpu_msr(vcpu, MSR_TSC_DEADLINE), 0);
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	CHECK(!in_irr(VECTOR));
	CHECK_EQ(vcpu_msr(vcpu, MSR_TSC_DEADLINE), far);

	CHECK_EQ(vcpu_set_msr(vcpu, MSR_TSC_DEADLINE,
			      vcpu_msr(vcpu, MSR_IA32_TSC) + (1ULL << 29)), 1);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	CHECK(!in_irr(VECTOR));
	while (!in_irr(VECTOR))
		usleep(1000);
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	CHECK(in_irr(VECTOR));
}

/* --- I/O APIC, PICs --- */

KTAP_TEST(level_line_comes_back)
{
	struct vmm_irqchip before, after;
	int round;

	start();
	agent_set_eoi(vcpu, EOI_NONE);
	ioapic_write_entry(vcpu, 20, IOAPIC_LEVEL | VECTOR);
	CHECK_OK(irq_line(vcpu->vm, 20, 1));
	agent_expect_irq(vcpu, VECTOR);
	before = get_chip(vcpu->vm, VMM_IRQCHIP_IOAPIC);
	CHECK_EQ(get_entry(20), IOAPIC_LEVEL | REMOTE_IRR | VECTOR);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		/* Up still. */
		write_apic(LAPIC_EOI, 0);
		agent_expect_irq(vcpu, VECTOR);
		CHECK_OK(irq_line(vcpu->vm, 20, 0));
		write_apic(LAPIC_EOI, 0);
		agent_expect_none(vcpu);
		CHECK_EQ(get_entry(20), IOAPIC_LEVEL | VECTOR);
		ioapic_write_entry(vcpu, 20, IOAPIC_MASKED);
		ioapic_write_entry(vcpu, 21, LOW_VECTOR);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		after = get_chip(vcpu->vm, VMM_IRQCHIP_IOAPIC);
		CHECK_EQ(memcmp(&before, &after, sizeof(before)), 0);
	}
}

KTAP_TEST(pics_come_back)
{
	struct vmm_irqchip before[2], after;
	int round, id;

	start();
	agent_set_eoi(vcpu, EOI_PIC);
	write_apic(LAPIC_LVT0, 0x700);
	for (id = 0; id < 2; id++) {
		int port = id ? 0xa0 : 0x20;

		agent_out8(vcpu, port, 0x11);
		agent_out8(vcpu, port + 1, id ? 0x70 : 0x68);
		agent_out8(vcpu, port + 1, id ? 2 : 4);
		agent_out8(vcpu, port + 1, 1);
		agent_out8(vcpu, port + 1, 0);
	}
	agent_cli(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 4, 1));
	CHECK_OK(irq_line(vcpu->vm, 12, 1));
	for (id = 0; id < 2; id++)
		before[id] = get_chip(vcpu->vm, id);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		agent_sti(vcpu);
		/* The slave's lines are better than the master's third. */
		agent_expect_irq(vcpu, 0x74);
		agent_expect_irq(vcpu, 0x6c);
		agent_expect_none(vcpu);
		agent_out8(vcpu, 0x21, 0xff);
		agent_out8(vcpu, 0xa1, 0xff);
		CHECK_OK(irq_line(vcpu->vm, 4, 0));
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		for (id = 0; id < 2; id++) {
			after = get_chip(vcpu->vm, id);
			CHECK_EQ(memcmp(&before[id], &after, sizeof(after)), 0);
		}
	}
}

/* --- PIT --- */

static void start_pit(uint16_t count)
{
	struct vmm_pit_config config = {};

	start();
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_CREATE_PIT2, &config));
	ioapic_write_entry(vcpu, 0, VECTOR);
	agent_out8(vcpu, 0x43, 0x34);
	agent_out8(vcpu, 0x40, count);
	agent_out8(vcpu, 0x40, count >> 8);
}

static struct vmm_pit_state2 get_pit(void)
{
	struct vmm_pit_state2 s;

	CHECK_OK(ioctl(vcpu->vm->fd, VMM_GET_PIT2, &s));
	return s;
}

KTAP_TEST(pit_comes_back)
{
	struct vmm_pit_state2 before, after;
	int round, i;

	start_pit(11932);	/* 10 ms */
	before = get_pit();
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 3; i++)
			agent_expect_irq(vcpu, VECTOR);
		agent_out8(vcpu, 0x43, 0x30);	/* counts no more */
		agent_out8(vcpu, 0x43, 0xb6);
		agent_out8(vcpu, 0x42, 0x12);
		drain();
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		after = get_pit();
		for (i = 0; i < 3; i++)
			after.channels[i].count_load_time = before.channels[i].count_load_time;
		CHECK_EQ(memcmp(&before, &after, sizeof(before)), 0);
	}
	agent_expect_irq(vcpu, VECTOR);
}

/* A tick in service holds the next one back until it is acknowledged, here as there. */
KTAP_TEST(unacknowledged_tick_comes_back)
{
	int round;

	start_pit(11932);
	agent_set_eoi(vcpu, EOI_NONE);
	agent_expect_irq(vcpu, VECTOR);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		usleep(30000);
		agent_expect_none(vcpu);
		write_apic(LAPIC_EOI, 0);
		agent_expect_irq(vcpu, VECTOR);
		write_apic(LAPIC_EOI, 0);
		agent_expect_irq(vcpu, VECTOR);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	}
}

/* --- vCPUs --- */

static void expect_mp_state(struct vcpu *other, uint32_t state)
{
	struct vmm_mp_state mp;

	CHECK_OK(ioctl(other->fd, VMM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, state);
}

KTAP_TEST(mp_state_comes_back)
{
	static const uint32_t states[] = {
		VMM_MP_STATE_RUNNABLE, VMM_MP_STATE_UNINITIALIZED,
		VMM_MP_STATE_INIT_RECEIVED, VMM_MP_STATE_HALTED,
	};
	struct vcpu *other;
	unsigned int i;

	start();
	other = agent_create(vcpu->vm, 1);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		struct vmm_mp_state mp = { .mp_state = states[i] };

		CHECK_OK(ioctl(other->fd, VMM_SET_MP_STATE, &mp));
		CHECK_OK(snap(VMM_SNAPSHOT_MARK));
		mp.mp_state = states[(i + 1) % ARRAY_SIZE(states)];
		CHECK_OK(ioctl(other->fd, VMM_SET_MP_STATE, &mp));
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		expect_mp_state(other, states[i]);
		/* An interrupt ends HLT only. */
		write_apic(0x310, 1 << 24);
		write_apic(LAPIC_ICR, 0x4000 | VECTOR);
		if (states[i] == VMM_MP_STATE_HALTED)
			agent_expect_irq(other, VECTOR);
	}
}

/* One that waits for delivery when its guest is put back does not happen. */
KTAP_TEST(triple_fault_after_the_mark)
{
	struct vmm_enable_cap cap = { .cap = VMM_CAP_X86_TRIPLE_FAULT_EVENT, .args = { 1 } };
	struct vmm_vcpu_events events;

	start();
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_ENABLE_CAP, &cap));
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	vcpu_get_events(vcpu, &events);
	events.flags |= VMM_VCPUEVENT_VALID_TRIPLE_FAULT;
	events.triple_fault.pending = 1;
	vcpu_set_events(vcpu, &events);
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.triple_fault.pending, 0);
	agent_idle(vcpu);
}

/* --- split --- */

KTAP_TEST(user_pic_interrupt_comes_back)
{
	struct vmm_interrupt irq = { .irq = VECTOR };
	struct vm *vm;
	int round;

	vmm_need_cap(VMM_CAP_SNAPSHOT, "VMM_CAP_SNAPSHOT");
	vm = vm_create_split(24);
	vcpu = agent_create(vm, 0);
	log_memory(vm);
	agent_cli(vcpu);
	CHECK_OK(ioctl(vcpu->fd, VMM_INTERRUPT, &irq));
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		agent_sti(vcpu);
		agent_expect_irq(vcpu, VECTOR);
		agent_expect_none(vcpu);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		CHECK_ERR(ioctl(vcpu->fd, VMM_INTERRUPT, &irq), EEXIST);
	}
}
