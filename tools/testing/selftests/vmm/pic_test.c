// SPDX-License-Identifier: GPL-2.0
/*
 * pic_test.c - the kernel's two 8259 PICs: registers, priorities, cascade, levels,
 * the ends of interrupts, state.
 */
#include "irq_agent.h"

#define PIC_BASE	0x30

/* Both PICs, as PCs set them up, with all lines open. */
static void init_pics(struct vcpu *vcpu, uint8_t base, uint8_t icw4)
{
	agent_out8(vcpu, 0x20, 0x11);
	agent_out8(vcpu, 0x21, base);
	agent_out8(vcpu, 0x21, 4);
	agent_out8(vcpu, 0x21, icw4);
	agent_out8(vcpu, 0xa0, 0x11);
	agent_out8(vcpu, 0xa1, base + 8);
	agent_out8(vcpu, 0xa1, 2);
	agent_out8(vcpu, 0xa1, icw4);
	agent_out8(vcpu, 0x21, 0);
	agent_out8(vcpu, 0xa1, 0);
}

/* A vCPU whose local APIC passes the PICs' interrupts on. */
static struct vcpu *start_pic(void)
{
	struct vcpu *vcpu = agent_start();

	agent_write32(vcpu, LAPIC + LAPIC_LVT0, 0x700);
	agent_set_eoi(vcpu, EOI_PIC);
	init_pics(vcpu, PIC_BASE, 1);
	return vcpu;
}

KTAP_TEST(pic_registers)
{
	struct vcpu *vcpu = agent_start();

	init_pics(vcpu, PIC_BASE, 1);
	agent_out8(vcpu, 0x21, 0xa5);
	agent_out8(vcpu, 0xa1, 0x5a);
	CHECK_EQ(agent_in8(vcpu, 0x21), 0xa5);
	CHECK_EQ(agent_in8(vcpu, 0xa1), 0x5a);
	/* Lines that are masked still request. */
	CHECK_OK(irq_line(vcpu->vm, 7, 1));
	CHECK_OK(irq_line(vcpu->vm, 9, 1));
	CHECK_EQ(agent_in8(vcpu, 0x20), 0x80);
	CHECK_EQ(agent_in8(vcpu, 0xa0), 0x02);
	agent_out8(vcpu, 0x20, 0x0b);
	CHECK_EQ(agent_in8(vcpu, 0x20), 0);	/* ISR */
	agent_out8(vcpu, 0x20, 0x0a);
	CHECK_EQ(agent_in8(vcpu, 0x20), 0x80);
	/* Trigger modes of some lines are fixed. */
	agent_out8(vcpu, 0x4d0, 0xff);
	agent_out8(vcpu, 0x4d1, 0xff);
	CHECK_EQ(agent_in8(vcpu, 0x4d0), 0xf8);
	CHECK_EQ(agent_in8(vcpu, 0x4d1), 0xde);
}

KTAP_TEST(pic_interrupt)
{
	struct vcpu *vcpu = start_pic();

	CHECK_EQ(irq_status(vcpu->vm, 4, 1) > 0, 1);
	agent_expect_irq(vcpu, PIC_BASE + 4);
	/* An edge: the line stays up, and nothing comes. */
	agent_expect_none(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 4, 0));
	agent_expect_none(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 4, 1));
	agent_expect_irq(vcpu, PIC_BASE + 4);
}

KTAP_TEST(pic_slave_interrupt)
{
	struct vcpu *vcpu = start_pic();

	CHECK_OK(irq_line(vcpu->vm, 12, 1));
	agent_expect_irq(vcpu, PIC_BASE + 12);
	agent_expect_none(vcpu);
	/* Both requests of the slave come, the better one first. */
	agent_cli(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 14, 1));
	CHECK_OK(irq_line(vcpu->vm, 8, 1));
	agent_sti(vcpu);
	agent_expect_irq(vcpu, PIC_BASE + 8);
	agent_expect_irq(vcpu, PIC_BASE + 14);
	agent_expect_none(vcpu);
}

/* Lines of the slave are better than 3 to 7 of the master. */
KTAP_TEST(pic_priorities)
{
	struct vcpu *vcpu = start_pic();

	agent_cli(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 3, 1));
	CHECK_OK(irq_line(vcpu->vm, 15, 1));
	CHECK_OK(irq_line(vcpu->vm, 1, 1));
	agent_sti(vcpu);
	agent_expect_irq(vcpu, PIC_BASE + 1);
	agent_expect_irq(vcpu, PIC_BASE + 15);
	agent_expect_irq(vcpu, PIC_BASE + 3);
	agent_expect_none(vcpu);
	/* Line 4 becomes the last one: line 5 is the best now. */
	agent_out8(vcpu, 0x20, 0xc4);
	CHECK_OK(irq_line(vcpu->vm, 1, 0));
	CHECK_OK(irq_line(vcpu->vm, 3, 0));
	agent_cli(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 3, 1));
	CHECK_OK(irq_line(vcpu->vm, 1, 1));
	CHECK_OK(irq_line(vcpu->vm, 5, 1));
	agent_sti(vcpu);
	agent_expect_irq(vcpu, PIC_BASE + 5);
	agent_expect_irq(vcpu, PIC_BASE + 1);
	agent_expect_irq(vcpu, PIC_BASE + 3);
	agent_expect_none(vcpu);
}

/* While one is in service only better ones interrupt. */
KTAP_TEST(pic_in_service)
{
	struct vcpu *vcpu = start_pic();

	agent_set_eoi(vcpu, EOI_NONE);
	CHECK_OK(irq_line(vcpu->vm, 4, 1));
	agent_expect_irq(vcpu, PIC_BASE + 4);
	agent_out8(vcpu, 0x20, 0x0b);
	CHECK_EQ(agent_in8(vcpu, 0x20), 0x10);
	CHECK_OK(irq_line(vcpu->vm, 6, 1));
	agent_expect_none(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 3, 1));
	agent_expect_irq(vcpu, PIC_BASE + 3);
	CHECK_EQ(agent_in8(vcpu, 0x20), 0x18);
	agent_out8(vcpu, 0x20, 0x20);		/* the best one's end: line 3 */
	CHECK_EQ(agent_in8(vcpu, 0x20), 0x10);
	agent_expect_none(vcpu);
	agent_out8(vcpu, 0x20, 0x64);		/* line 4's, by number */
	agent_expect_irq(vcpu, PIC_BASE + 6);
	CHECK_EQ(agent_in8(vcpu, 0x20), 0x40);
}

KTAP_TEST(pic_auto_eoi)
{
	struct vcpu *vcpu = start_pic();

	agent_set_eoi(vcpu, EOI_NONE);
	init_pics(vcpu, PIC_BASE, 3);
	agent_out8(vcpu, 0x20, 0x0b);
	CHECK_OK(irq_line(vcpu->vm, 4, 1));
	agent_expect_irq(vcpu, PIC_BASE + 4);
	CHECK_EQ(agent_in8(vcpu, 0x20), 0);
	CHECK_OK(irq_line(vcpu->vm, 6, 1));
	agent_expect_irq(vcpu, PIC_BASE + 6);
}

KTAP_TEST(pic_level)
{
	struct vcpu *vcpu = start_pic();

	agent_set_eoi(vcpu, EOI_NONE);
	agent_out8(vcpu, 0x4d0, 0x20);
	CHECK_OK(irq_line(vcpu->vm, 5, 1));
	agent_expect_irq(vcpu, PIC_BASE + 5);
	agent_expect_none(vcpu);
	/* As long as the line is up. */
	agent_out8(vcpu, 0x20, 0x20);
	agent_expect_irq(vcpu, PIC_BASE + 5);
	CHECK_OK(irq_line(vcpu->vm, 5, 0));
	agent_out8(vcpu, 0x20, 0x20);
	agent_expect_none(vcpu);
}

KTAP_TEST(pic_mask)
{
	struct vcpu *vcpu = start_pic();

	agent_out8(vcpu, 0x21, 0x10);
	CHECK_EQ(irq_status(vcpu->vm, 4, 1), -1);
	agent_expect_none(vcpu);
	/* The edge was kept. */
	agent_out8(vcpu, 0x21, 0);
	agent_expect_irq(vcpu, PIC_BASE + 4);
}

KTAP_TEST(pic_poll)
{
	struct vcpu *vcpu = agent_start();

	init_pics(vcpu, PIC_BASE, 1);
	CHECK_OK(irq_line(vcpu->vm, 6, 1));
	agent_out8(vcpu, 0x20, 0x0c);
	CHECK_EQ(agent_in8(vcpu, 0x20), 0x86);
	agent_out8(vcpu, 0x20, 0x0b);
	if (vmm_is_vmm())		/* KVM ends the interrupt at once */
		CHECK_EQ(agent_in8(vcpu, 0x20), 0x40);
}

KTAP_TEST(pic_state)
{
	struct vcpu *vcpu = agent_start();
	struct vmm_irqchip chip, again;
	uint32_t id;

	for (id = VMM_IRQCHIP_PIC_MASTER; id <= VMM_IRQCHIP_PIC_SLAVE; id++) {
		chip = get_chip(vcpu->vm, id);
		chip.chip.pic.irr = 0x12;
		chip.chip.pic.imr = 0xf5;
		chip.chip.pic.isr = 0x40;
		chip.chip.pic.priority_add = 3;
		chip.chip.pic.irq_base = 0x58;
		chip.chip.pic.read_reg_select = 1;
		chip.chip.pic.special_mask = 1;
		chip.chip.pic.auto_eoi = 1;
		chip.chip.pic.elcr = 0x18 & chip.chip.pic.elcr_mask;
		chip.chip.pic.last_irr = 0x10;
		CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_IRQCHIP, &chip));
		again = get_chip(vcpu->vm, id);
		again.chip.pic.irr &= ~4;	/* the master's from the slave */
		CHECK_EQ(memcmp(&again.chip.pic, &chip.chip.pic, sizeof(chip.chip.pic)), 0);
	}
	/* What no chip can have does no harm. */
	memset(&chip.chip, 0xff, sizeof(chip.chip));
	for (id = VMM_IRQCHIP_PIC_MASTER; id <= VMM_IRQCHIP_PIC_SLAVE; id++) {
		chip.chip_id = id;
		CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_IRQCHIP, &chip));
	}
	agent_in8(vcpu, 0x20);
	agent_out8(vcpu, 0x20, 0x20);
	agent_out8(vcpu, 0xa1, 0);
	agent_in8(vcpu, 0xa0);
}
