// SPDX-License-Identifier: GPL-2.0
/*
 * pit_test.c - the kernel's i8254 timer: counting, latches, interrupts and their
 * reinjection, the speaker's port, state.
 */
#include <time.h>

#include "irq_agent.h"

#define VECTOR		0x61

static struct vcpu *start_pit(uint32_t flags)
{
	struct vmm_pit_config config = { .flags = flags };
	struct vcpu *vcpu = agent_start();

	CHECK_OK(ioctl(vcpu->vm->fd, VMM_CREATE_PIT2, &config));
	return vcpu;
}

static uint16_t pit_count(struct vcpu *vcpu, int channel)
{
	uint16_t low;

	agent_out8(vcpu, 0x43, channel << 6);
	low = agent_in8(vcpu, 0x40 + channel);
	return low | agent_in8(vcpu, 0x40 + channel) << 8;
}

static void load_pit(struct vcpu *vcpu, int channel, int mode, uint16_t count)
{
	agent_out8(vcpu, 0x43, channel << 6 | 0x30 | mode << 1);
	agent_out8(vcpu, 0x40 + channel, count);
	agent_out8(vcpu, 0x40 + channel, count >> 8);
}

KTAP_TEST(pit_counts_down)
{
	struct vcpu *vcpu = start_pit(0);
	uint16_t a, b;
	int i;

	load_pit(vcpu, 1, 2, 0xffff);
	a = pit_count(vcpu, 1);
	usleep(2000);
	b = pit_count(vcpu, 1);
	/* 2 ms are 2386 counts. */
	CHECK((uint16_t)(a - b) >= 2386);
	/* Modulo its count. */
	load_pit(vcpu, 1, 2, 100);
	for (i = 0; i < 100; i++) {
		a = pit_count(vcpu, 1);
		CHECK(a >= 1 && a <= 100);
	}
	load_pit(vcpu, 1, 3, 100);
	for (i = 0; i < 100; i++) {
		a = pit_count(vcpu, 1);
		CHECK(a >= 1 && a <= 100);
	}
}

KTAP_TEST(pit_latches)
{
	struct vcpu *vcpu = start_pit(0);
	uint16_t a;

	load_pit(vcpu, 2, 2, 0xfff0);
	agent_out8(vcpu, 0x43, 0x80);		/* latch */
	usleep(1000);
	agent_out8(vcpu, 0x43, 0x80);		/* the first one holds */
	a = agent_in8(vcpu, 0x42);
	a |= agent_in8(vcpu, 0x42) << 8;
	CHECK(a > pit_count(vcpu, 2));
	/* Read back: status of channel 2, which is its mode and access. */
	agent_out8(vcpu, 0x43, 0xe8);
	CHECK_EQ(agent_in8(vcpu, 0x42) & 0x3f, 0x34);
	/* Access to one byte only. */
	agent_out8(vcpu, 0x43, 0x94);
	agent_out8(vcpu, 0x42, 0x80);
	CHECK(agent_in8(vcpu, 0x42) <= 0x80);
	agent_out8(vcpu, 0x43, 0xe8);
	CHECK_EQ(agent_in8(vcpu, 0x42) & 0x3f, 0x14);
}

KTAP_TEST(pit_interrupts)
{
	struct vcpu *vcpu = start_pit(0);
	int i;

	ioapic_write_entry(vcpu, 0, VECTOR);
	load_pit(vcpu, 0, 2, 59659);		/* 20 Hz */
	for (i = 0; i < 5; i++)
		agent_expect_irq(vcpu, VECTOR);
	/* One shot. */
	load_pit(vcpu, 0, 0, 1000);
	while (agent_next_irq(vcpu) >= 0)
		;
	load_pit(vcpu, 0, 0, 1000);
	agent_expect_irq(vcpu, VECTOR);
	usleep(5000);
	agent_expect_none(vcpu);
}

/* Ticks that the guest was late for come when it has ended the last one. */
KTAP_TEST(pit_reinjects)
{
	struct vmm_reinject_control control = { .pit_reinject = 0 };
	struct vcpu *vcpu = start_pit(0);
	int i;

	ioapic_write_entry(vcpu, 0, VECTOR);
	agent_cli(vcpu);
	load_pit(vcpu, 0, 2, 60000);		/* 50 ms */
	usleep(420000);
	agent_sti(vcpu);
	for (i = 0; i < 8; i++)
		agent_idle(vcpu);
	load_pit(vcpu, 0, 5, 1);
	for (i = 0; i < 5; i++)
		agent_expect_irq(vcpu, VECTOR);
	while (agent_next_irq(vcpu) >= 0)
		;
	/* Not if user space does not want that. */
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_REINJECT_CONTROL, &control));
	agent_cli(vcpu);
	load_pit(vcpu, 0, 2, 60000);
	usleep(220000);
	load_pit(vcpu, 0, 5, 1);
	agent_sti(vcpu);
	agent_expect_irq(vcpu, VECTOR);
	agent_expect_none(vcpu);
}

KTAP_TEST(pit_speaker)
{
	struct vcpu *vcpu = start_pit(VMM_PIT_SPEAKER_DUMMY);
	struct vmm_pit_state2 s;
	int i;

	agent_out8(vcpu, 0x61, 0);
	CHECK_EQ(agent_in8(vcpu, 0x61) & 3, 0);
	agent_out8(vcpu, 0x61, 3);
	CHECK_EQ(agent_in8(vcpu, 0x61) & 3, 3);
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_GET_PIT2, &s));
	CHECK_EQ(s.flags, VMM_PIT_FLAGS_SPEAKER_DATA_ON);
	agent_out8(vcpu, 0x61, 1);
	/* How guests measure time: channel 2's output rises when it has counted. */
	load_pit(vcpu, 2, 0, 60000);
	CHECK_EQ(agent_in8(vcpu, 0x61) & 0x20, 0);
	for (i = 0; i < 100 && !(agent_in8(vcpu, 0x61) & 0x20); i++)
		usleep(10000);
	CHECK(i > 1 && i < 100);
}

/* Without the flag the port is user space's. */
GUEST64(read_speaker, in $0x61, %al; out %eax, $0x80; 1: jmp 1b);

KTAP_TEST(pit_without_speaker)
{
	struct vmm_pit_config config = {};
	struct vm *vm = vm_create_irqchip();
	struct vcpu *vcpu;

	CHECK_OK(ioctl(vm->fd, VMM_CREATE_PIT2, &config));
	vcpu = vcpu_create(vm, 0);
	vcpu_load(vcpu, MODE_LONG, read_speaker);
	expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.port, 0x61);
	CHECK_EQ(vcpu->run->io.direction, VMM_EXIT_IO_IN);
}

KTAP_TEST(pit_state)
{
	struct vcpu *vcpu = start_pit(0);
	struct vmm_pit_state2 s, again;
	int i;

	load_pit(vcpu, 0, 2, 5000);
	load_pit(vcpu, 1, 3, 6000);
	load_pit(vcpu, 2, 0, 7000);
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_GET_PIT2, &s));
	for (i = 0; i < 3; i++)
		CHECK_EQ(s.channels[i].count, 5000 + i * 1000);
	CHECK_EQ(s.channels[0].mode, 2);
	CHECK_EQ(s.channels[1].mode, 3);
	CHECK_EQ(s.channels[2].mode, 0);
	s.channels[0].count = 0x10000;
	s.channels[1].mode = 2;
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_PIT2, &s));
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_GET_PIT2, &again));
	s.channels[0].count_load_time = again.channels[0].count_load_time;
	CHECK_EQ(memcmp(&s, &again, sizeof(s)), 0);
	/* With the HPET in its place the PIT does not interrupt. */
	s.flags = VMM_PIT_FLAGS_HPET_LEGACY;
	s.channels[0].count = 2000;
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_PIT2, &s));
	ioapic_write_entry(vcpu, 0, VECTOR);
	usleep(20000);
	agent_expect_none(vcpu);
	s.flags = 0;
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_PIT2, &s));
	agent_expect_irq(vcpu, VECTOR);
	/* What no timer can have does no harm. */
	memset(&s, 0xff, sizeof(s));
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_PIT2, &s));
	pit_count(vcpu, 0);
	pit_count(vcpu, 1);
	pit_count(vcpu, 2);
	memset(&s, 0, sizeof(s));
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_PIT2, &s));
	pit_count(vcpu, 0);
	pit_count(vcpu, 2);
}

/* A guest cannot make the host's timer interrupt as often as it likes. */
KTAP_TEST(pit_shortest_period)
{
	struct vcpu *vcpu = start_pit(0);
	struct timespec begin, end;
	struct vmm_pit_state2 s;
	int64_t us;
	int i;

	ioapic_write_entry(vcpu, 0, VECTOR);
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_GET_PIT2, &s));
	s.channels[0].mode = 2;
	s.channels[0].count = 1;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_PIT2, &s));
	for (i = 0; i < 100; i++)
		agent_expect_irq(vcpu, VECTOR);
	clock_gettime(CLOCK_MONOTONIC, &end);
	us = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
	CHECK(us >= 100 * 200);
}
