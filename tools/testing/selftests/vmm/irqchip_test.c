// SPDX-License-Identifier: GPL-2.0
/*
 * irqchip_test.c - PICs, I/O APIC and PIT of the kernel's, the routing table before
 * them, and the split irqchip: registers, delivery, state, and every error.
 */
#include "irq_agent.h"

#define IOAPIC		0xfec00000UL
#define IOAPIC_WINDOW	(IOAPIC + 0x10)

/* Bits of an I/O APIC entry. */
#define LEVEL		(1UL << 15)
#define MASKED		(1UL << 16)
#define REMOTE_IRR	(1UL << 14)
#define LOGICAL		(1UL << 11)
#define TO(id)		((uint64_t)(id) << 56)

#define VECTOR		0x61
#define OTHER_VECTOR	0x72

/* --- what the tests share --- */

/* KVM does not tell an interrupt that was pending already from a new one. */
static int coalesced(void)
{
	return vmm_is_vmm() ? 0 : 1;
}

static int irq_line(struct vm *vm, uint32_t gsi, uint32_t level)
{
	struct vmm_irq_level l = { .irq = gsi, .level = level };

	return ioctl(vm->fd, VMM_IRQ_LINE, &l);
}

static int irq_status(struct vm *vm, uint32_t gsi, uint32_t level)
{
	struct vmm_irq_level l = { .irq = gsi, .level = level };

	CHECK_OK(ioctl(vm->fd, VMM_IRQ_LINE_STATUS, &l));
	return l.status;
}

static struct vmm_irqchip get_chip(struct vm *vm, uint32_t id)
{
	struct vmm_irqchip chip = { .chip_id = id };

	CHECK_OK(ioctl(vm->fd, VMM_GET_IRQCHIP, &chip));
	return chip;
}

static uint64_t get_entry(struct vm *vm, int pin)
{
	return get_chip(vm, VMM_IRQCHIP_IOAPIC).chip.ioapic.redirtbl[pin].bits;
}

/* As the guest would write it. */
static void write_entry(struct vcpu *vcpu, int pin, uint64_t bits)
{
	agent_write32(vcpu, IOAPIC, 0x11 + pin * 2);
	agent_write32(vcpu, IOAPIC_WINDOW, bits >> 32);
	agent_write32(vcpu, IOAPIC, 0x10 + pin * 2);
	agent_write32(vcpu, IOAPIC_WINDOW, bits);
}

static struct vmm_irq_routing_entry pin_route(uint32_t gsi, uint32_t chip, uint32_t pin)
{
	return (struct vmm_irq_routing_entry) {
		.gsi = gsi, .type = VMM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static struct vmm_irq_routing_entry msi_route(uint32_t gsi, uint32_t dest, uint32_t data)
{
	return (struct vmm_irq_routing_entry) {
		.gsi = gsi, .type = VMM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = LAPIC | dest << 12, .data = data },
	};
}

static int set_routes(struct vm *vm, const struct vmm_irq_routing_entry *e, uint32_t nr)
{
	struct vmm_irq_routing *r = calloc(1, sizeof(*r) + nr * sizeof(*e));
	int ret, saved;

	CHECK(r);
	r->nr = nr;
	memcpy(r->entries, e, nr * sizeof(*e));
	ret = ioctl(vm->fd, VMM_SET_GSI_ROUTING, r);
	saved = errno;
	free(r);
	errno = saved;
	return ret;
}
#define SET_ROUTES(vm, ...)							\
	({									\
		const struct vmm_irq_routing_entry e_[] = { __VA_ARGS__ };	\
		set_routes(vm, e_, ARRAY_SIZE(e_));				\
	})

static int signal_msi(struct vm *vm, uint32_t lo, uint32_t hi, uint32_t data)
{
	struct vmm_msi msi = { .address_lo = lo, .address_hi = hi, .data = data };

	return ioctl(vm->fd, VMM_SIGNAL_MSI, &msi);
}

static struct vcpu *start(void)
{
	return agent_create(vm_create_irqchip(), 0);
}

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

#define PIC_BASE	0x30

/* A vCPU whose local APIC passes the PICs' interrupts on. */
static struct vcpu *start_pic(void)
{
	struct vcpu *vcpu = start();

	agent_write32(vcpu, LAPIC + LAPIC_LVT0, 0x700);
	agent_set_eoi(vcpu, EOI_PIC);
	init_pics(vcpu, PIC_BASE, 1);
	return vcpu;
}

/* --- creation --- */

KTAP_TEST(capabilities)
{
	CHECK_EQ(vmm_check_extension(VMM_CAP_IRQCHIP), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_SPLIT_IRQCHIP), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_IRQ_ROUTING), 4096);
	CHECK_EQ(vmm_check_extension(VMM_CAP_IRQ_INJECT_STATUS), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_SIGNAL_MSI), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_IRQFD), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_IRQFD_RESAMPLE), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_PIT2), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_PIT_STATE2), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_REINJECT_CONTROL), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_SET_BOOT_CPU_ID), 1);
	CHECK_EQ(vmm_check_extension(VMM_CAP_X2APIC_API), 3);
}

KTAP_TEST(creation_errors)
{
	struct vmm_enable_cap split = { .cap = VMM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct vm *vm = vm_create_irqchip();

	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_IRQCHIP, 0), EEXIST);
	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &split), EEXIST);
	vm = vm_create_split(24);
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_IRQCHIP, 0), EEXIST);
	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &split), EEXIST);
	vm = vm_create();
	vcpu_create(vm, 0);
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_IRQCHIP, 0), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &split), EEXIST);
	vm = vm_create();
	split.args[0] = 4097;
	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &split), EINVAL);
}

/* What needs an interrupt controller says so. */
KTAP_TEST(without_irqchip)
{
	struct vmm_irqchip chip = {};
	struct vmm_pit_config config = {};
	struct vmm_pit_state2 pit = {};
	struct vmm_reinject_control reinject = {};
	struct vm *vm = vm_create();

	CHECK_ERR(irq_line(vm, 4, 1), ENXIO);
	CHECK_ERR(set_routes(vm, NULL, 0), EINVAL);
	CHECK_ERR(signal_msi(vm, LAPIC, 0, VECTOR), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_GET_IRQCHIP, &chip), ENXIO);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_IRQCHIP, &chip), ENXIO);
	CHECK_ERR(ioctl(vm->fd, VMM_GET_PIT2, &pit), ENXIO);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_PIT2, &pit), ENXIO);
	CHECK_ERR(ioctl(vm->fd, VMM_REINJECT_CONTROL, &reinject), ENXIO);
	if (vmm_is_vmm())	/* old KVMs let a PIT be that interrupts nobody */
		CHECK_ERR(ioctl(vm->fd, VMM_CREATE_PIT2, &config), ENOENT);
}

KTAP_TEST(bad_arguments)
{
	struct vmm_irqchip chip = { .chip_id = 3 };
	struct vmm_pit_config config = {};
	struct vmm_msi msi = { .address_lo = LAPIC, .data = VECTOR, .flags = 2 };
	struct vm *vm = vm_create_irqchip();

	CHECK_ERR(ioctl(vm->fd, VMM_GET_IRQCHIP, &chip), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_IRQCHIP, &chip), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_SIGNAL_MSI, &msi), EINVAL);
	CHECK_OK(ioctl(vm->fd, VMM_CREATE_PIT2, &config));
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_PIT2, &config), EEXIST);
	CHECK_ERR(ioctl(vm->fd, VMM_GET_IRQCHIP, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_IRQCHIP, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_GET_PIT2, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_PIT2, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_PIT2, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_REINJECT_CONTROL, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_IRQ_LINE, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_IRQ_LINE_STATUS, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_SIGNAL_MSI, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_GSI_ROUTING, NULL), EFAULT);
}

KTAP_TEST(boot_cpu_id)
{
	struct vm *vm = vm_create_irqchip();
	struct vcpu *vcpu;

	CHECK_OK(ioctl(vm->fd, VMM_SET_BOOT_CPU_ID, 1));
	vcpu = vcpu_create(vm, 0);
	CHECK_EQ(vcpu_msr(vcpu, MSR_IA32_APICBASE) >> 8 & 1, 0);
	CHECK_EQ(vcpu_msr(vcpu_create(vm, 1), MSR_IA32_APICBASE) >> 8 & 1, 1);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_BOOT_CPU_ID, 0), EBUSY);
}

KTAP_TEST(x2apic_api)
{
	struct vmm_enable_cap cap = { .cap = VMM_CAP_X2APIC_API, .args = { 4 } };
	struct vm *vm = vm_create_irqchip();

	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	/* The upper half of a message's address is ignored, until it has the ID's upper part. */
	CHECK_OK(SET_ROUTES(vm, { .gsi = 5, .type = VMM_IRQ_ROUTING_MSI,
				  .u.msi = { .address_lo = LAPIC, .address_hi = 1 } }));
	cap.args[0] = 3;
	CHECK_OK(ioctl(vm->fd, VMM_ENABLE_CAP, &cap));
	CHECK_ERR(SET_ROUTES(vm, { .gsi = 5, .type = VMM_IRQ_ROUTING_MSI,
				   .u.msi = { .address_lo = LAPIC, .address_hi = 1 } }), EINVAL);
	CHECK_ERR(signal_msi(vm, LAPIC, 1, VECTOR), EINVAL);
	CHECK_OK(SET_ROUTES(vm, { .gsi = 5, .type = VMM_IRQ_ROUTING_MSI,
				  .u.msi = { .address_lo = LAPIC, .address_hi = 0x100 } }));
}

/* --- 8259 --- */

KTAP_TEST(pic_registers)
{
	struct vcpu *vcpu = start();

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
	struct vcpu *vcpu = start();

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
	struct vcpu *vcpu = start();
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

/* --- I/O APIC --- */

KTAP_TEST(ioapic_registers)
{
	struct vcpu *vcpu = start();
	int pin;

	agent_write32(vcpu, IOAPIC, 1);
	CHECK_EQ(agent_read32(vcpu, IOAPIC), 1);
	CHECK_EQ(agent_read32(vcpu, IOAPIC_WINDOW), 0x170011);
	agent_write32(vcpu, IOAPIC_WINDOW, 0xffffffff);
	CHECK_EQ(agent_read32(vcpu, IOAPIC_WINDOW), 0x170011);
	agent_write32(vcpu, IOAPIC, 0);
	agent_write32(vcpu, IOAPIC_WINDOW, 0x5000000);
	CHECK_EQ(agent_read32(vcpu, IOAPIC_WINDOW), 0x5000000);
	for (pin = 0; pin < VMM_IOAPIC_NUM_PINS; pin++) {
		CHECK_EQ(get_entry(vcpu->vm, pin), MASKED);
		write_entry(vcpu, pin, TO(pin) | MASKED | LEVEL | (VECTOR + pin));
		CHECK_EQ(agent_read32(vcpu, IOAPIC_WINDOW), MASKED | LEVEL | (VECTOR + pin));
		CHECK_EQ(get_entry(vcpu->vm, pin), TO(pin) | MASKED | LEVEL | (VECTOR + pin));
	}
	/* Beyond the last entry there is nothing, and it can be written. */
	agent_write32(vcpu, IOAPIC, 0x40);
	agent_write32(vcpu, IOAPIC_WINDOW, 0);
	agent_write32(vcpu, IOAPIC, 0xff);
	agent_write32(vcpu, IOAPIC_WINDOW, 0);
	agent_read32(vcpu, IOAPIC_WINDOW);
	/* Read-only bits. */
	write_entry(vcpu, 3, MASKED | LEVEL | REMOTE_IRR | 1 << 12 | VECTOR);
	CHECK_EQ(get_entry(vcpu->vm, 3), MASKED | LEVEL | VECTOR);
}

KTAP_TEST(ioapic_edge)
{
	struct vcpu *vcpu = start();

	write_entry(vcpu, 20, VECTOR);
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), 1);
	agent_expect_irq(vcpu, VECTOR);
	agent_expect_none(vcpu);
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), 0);
	CHECK_OK(irq_line(vcpu->vm, 20, 0));
	agent_expect_none(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 20, 1));
	agent_expect_irq(vcpu, VECTOR);
	/* Edges before the first was taken are one interrupt. */
	agent_cli(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 20, 0));
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), 1);
	CHECK_OK(irq_line(vcpu->vm, 20, 0));
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), coalesced());
	agent_sti(vcpu);
	agent_expect_irq(vcpu, VECTOR);
	agent_expect_none(vcpu);
}

/* An edge on a masked pin is lost. */
KTAP_TEST(ioapic_masked_edge)
{
	struct vcpu *vcpu = start();

	write_entry(vcpu, 20, MASKED | VECTOR);
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), -1);
	CHECK_OK(irq_line(vcpu->vm, 20, 0));
	write_entry(vcpu, 20, VECTOR);
	agent_expect_none(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 20, 1));
	agent_expect_irq(vcpu, VECTOR);
}

KTAP_TEST(ioapic_level)
{
	struct vcpu *vcpu = start();

	agent_set_eoi(vcpu, EOI_NONE);
	write_entry(vcpu, 20, LEVEL | VECTOR);
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), 1);
	CHECK_EQ(get_entry(vcpu->vm, 20), LEVEL | REMOTE_IRR | VECTOR);
	agent_expect_irq(vcpu, VECTOR);
	agent_expect_none(vcpu);
	/* The line is still up at the EOI: again. */
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	agent_expect_irq(vcpu, VECTOR);
	CHECK_EQ(get_entry(vcpu->vm, 20), LEVEL | REMOTE_IRR | VECTOR);
	CHECK_OK(irq_line(vcpu->vm, 20, 0));
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	agent_expect_none(vcpu);
	CHECK_EQ(get_entry(vcpu->vm, 20), LEVEL | VECTOR);
	CHECK_OK(irq_line(vcpu->vm, 20, 1));
	agent_expect_irq(vcpu, VECTOR);
}

/* A level waits for its pin to be unmasked. */
KTAP_TEST(ioapic_masked_level)
{
	struct vcpu *vcpu = start();

	write_entry(vcpu, 20, MASKED | LEVEL | VECTOR);
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), -1);
	agent_expect_none(vcpu);
	agent_set_eoi(vcpu, EOI_NONE);
	write_entry(vcpu, 20, LEVEL | VECTOR);
	agent_expect_irq(vcpu, VECTOR);
	/* Masked while in service: the EOI does not send again, the unmasking does. */
	write_entry(vcpu, 20, MASKED | LEVEL | VECTOR);
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	agent_expect_none(vcpu);
	write_entry(vcpu, 20, LEVEL | VECTOR);
	agent_expect_irq(vcpu, VECTOR);
	CHECK_OK(irq_line(vcpu->vm, 20, 0));
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	agent_expect_none(vcpu);
}

/* How guests end an interrupt whose EOI was lost. */
KTAP_TEST(ioapic_edge_clears_remote_irr)
{
	struct vcpu *vcpu = start();

	agent_set_eoi(vcpu, EOI_NONE);
	write_entry(vcpu, 20, LEVEL | VECTOR);
	CHECK_OK(irq_line(vcpu->vm, 20, 1));
	agent_expect_irq(vcpu, VECTOR);
	write_entry(vcpu, 20, MASKED | VECTOR);
	CHECK_EQ(get_entry(vcpu->vm, 20), MASKED | VECTOR);
	write_entry(vcpu, 20, MASKED | LEVEL | VECTOR);
	CHECK_EQ(get_entry(vcpu->vm, 20), MASKED | LEVEL | VECTOR);
}

KTAP_TEST(ioapic_destinations)
{
	struct vm *vm = vm_create_irqchip();
	struct vcpu *zero = agent_create(vm, 0), *one = agent_create(vm, 1);

	write_entry(zero, 20, TO(1) | VECTOR);
	CHECK_EQ(irq_status(vm, 20, 1), 1);
	agent_expect_irq(one, VECTOR);
	agent_expect_none(zero);
	/* To all. */
	write_entry(zero, 21, TO(0xff) | OTHER_VECTOR);
	CHECK_EQ(irq_status(vm, 21, 1), 2);
	agent_expect_irq(zero, OTHER_VECTOR);
	agent_expect_irq(one, OTHER_VECTOR);
	/* By logical ID. */
	agent_write32(one, LAPIC + LAPIC_LDR, 0x2000000);
	write_entry(zero, 22, TO(2) | LOGICAL | VECTOR);
	CHECK_EQ(irq_status(vm, 22, 1), 1);
	agent_expect_irq(one, VECTOR);
	agent_expect_none(zero);
	/* Nobody. */
	write_entry(zero, 23, TO(9) | VECTOR);
	CHECK(irq_status(vm, 23, 1) <= 0);
	agent_expect_none(zero);
	agent_expect_none(one);
}

/* The EOI of where the interrupt went counts, also after the entry has changed. */
KTAP_TEST(ioapic_destination_moves_in_service)
{
	struct vm *vm = vm_create_irqchip();
	struct vcpu *zero = agent_create(vm, 0), *one = agent_create(vm, 1);

	agent_set_eoi(zero, EOI_NONE);
	write_entry(zero, 20, LEVEL | TO(0) | VECTOR);
	CHECK_OK(irq_line(vm, 20, 1));
	agent_expect_irq(zero, VECTOR);
	write_entry(zero, 20, LEVEL | TO(1) | VECTOR);
	agent_idle(zero);
	agent_idle(one);
	CHECK_OK(irq_line(vm, 20, 0));
	agent_write32(zero, LAPIC + LAPIC_EOI, 0);
	CHECK_EQ(get_entry(vm, 20), LEVEL | TO(1) | VECTOR);
	CHECK_OK(irq_line(vm, 20, 1));
	agent_expect_irq(one, VECTOR);
}

KTAP_TEST(ioapic_state)
{
	struct vcpu *vcpu = start();
	struct vmm_irqchip chip = get_chip(vcpu->vm, VMM_IRQCHIP_IOAPIC), again;
	struct vmm_ioapic_state *s = &chip.chip.ioapic;

	CHECK_EQ(s->base_address, IOAPIC);
	s->ioregsel = 0x12;
	s->id = 7;
	s->redirtbl[3].bits = TO(1) | LEVEL | VECTOR;
	s->redirtbl[4].bits = MASKED | OTHER_VECTOR;
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_IRQCHIP, &chip));
	again = get_chip(vcpu->vm, VMM_IRQCHIP_IOAPIC);
	CHECK_EQ(memcmp(&again.chip.ioapic, s, sizeof(*s)), 0);
	/* A request that was on its way when the state was saved. */
	s->redirtbl[5].bits = VECTOR;
	s->redirtbl[6].bits = LEVEL | OTHER_VECTOR;
	s->irr = 1 << 5 | 1 << 6;
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_IRQCHIP, &chip));
	CHECK_EQ(get_entry(vcpu->vm, 6), LEVEL | REMOTE_IRR | OTHER_VECTOR);
	agent_expect_irq(vcpu, OTHER_VECTOR);
	CHECK_OK(irq_line(vcpu->vm, 6, 0));
	agent_expect_irq(vcpu, VECTOR);
	memset(&chip.chip, 0xff, sizeof(chip.chip));
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_IRQCHIP, &chip));
	agent_idle(vcpu);
}

/* --- messages and routes --- */

KTAP_TEST(msi)
{
	struct vcpu *vcpu = start();

	CHECK_EQ(CHECK_OK(signal_msi(vcpu->vm, LAPIC, 0, VECTOR)), 1);
	agent_expect_irq(vcpu, VECTOR);
	agent_cli(vcpu);
	CHECK_EQ(CHECK_OK(signal_msi(vcpu->vm, LAPIC, 0, VECTOR)), 1);
	CHECK_EQ(CHECK_OK(signal_msi(vcpu->vm, LAPIC, 0, VECTOR)), coalesced());
	agent_sti(vcpu);
	agent_expect_irq(vcpu, VECTOR);
	agent_expect_none(vcpu);
	/* Where a guest's device sends it is not the VMM's fault. */
	CHECK_EQ(signal_msi(vcpu->vm, LAPIC | 9 << 12, 0, VECTOR), 0);
}

KTAP_TEST(default_routes)
{
	struct vcpu *vcpu = start_pic();
	int pin;

	for (pin = 0; pin < VMM_IOAPIC_NUM_PINS; pin++)
		write_entry(vcpu, pin, VECTOR + pin);
	agent_out8(vcpu, 0x21, 0xff);
	agent_set_eoi(vcpu, EOI_LAPIC);
	for (pin = 0; pin < VMM_IOAPIC_NUM_PINS; pin++) {
		CHECK_OK(irq_line(vcpu->vm, pin, 1));
		agent_expect_irq(vcpu, VECTOR + pin);
	}
	agent_expect_none(vcpu);
	/* And 16 of them to the PICs. */
	CHECK_EQ(get_chip(vcpu->vm, VMM_IRQCHIP_PIC_SLAVE).chip.pic.irr, 0xff);
	CHECK_EQ(get_chip(vcpu->vm, VMM_IRQCHIP_PIC_MASTER).chip.pic.irr | 4, 0xff);
	CHECK_EQ(irq_status(vcpu->vm, 24, 1), -1);
	CHECK_EQ(irq_status(vcpu->vm, 4095, 1), -1);
	CHECK_EQ(irq_status(vcpu->vm, 4096, 1), -1);
	CHECK_EQ(irq_status(vcpu->vm, 0xffffffff, 1), -1);
}

KTAP_TEST(routes)
{
	struct vcpu *vcpu = start();
	struct vm *vm = vcpu->vm;

	write_entry(vcpu, 7, VECTOR);
	CHECK_OK(SET_ROUTES(vm, msi_route(4095, 0, OTHER_VECTOR),
			    pin_route(100, VMM_IRQCHIP_IOAPIC, 7),
			    pin_route(100, VMM_IRQCHIP_PIC_MASTER, 3),
			    msi_route(0, 0, OTHER_VECTOR + 1)));
	CHECK_EQ(irq_status(vm, 4095, 1), 1);
	agent_expect_irq(vcpu, OTHER_VECTOR);
	/* Messages have no line that could stay up. */
	CHECK_EQ(irq_status(vm, 4095, 1), 1);
	agent_expect_irq(vcpu, OTHER_VECTOR);
	CHECK_OK(irq_line(vm, 4095, 0));
	agent_expect_none(vcpu);
	CHECK_OK(irq_line(vm, 0, 1));
	agent_expect_irq(vcpu, OTHER_VECTOR + 1);
	CHECK_OK(irq_line(vm, 100, 1));
	agent_expect_irq(vcpu, VECTOR);
	CHECK_EQ(get_chip(vm, VMM_IRQCHIP_PIC_MASTER).chip.pic.irr, 8);
	/* The old table is gone as a whole. */
	CHECK_EQ(irq_status(vm, 7, 1), -1);
	CHECK_OK(set_routes(vm, NULL, 0));
	CHECK_EQ(irq_status(vm, 4095, 1), -1);
	CHECK_EQ(irq_status(vm, 0, 1), -1);
	agent_expect_none(vcpu);
}

KTAP_TEST(all_routes)
{
	struct vmm_irq_routing_entry *e = calloc(4097, sizeof(*e));
	struct vcpu *vcpu = start();
	int i;

	CHECK(e);
	/* In any order. */
	for (i = 0; i < 4096; i++)
		e[i] = msi_route(i * 1365 % 4096, 0, 32 + i * 1365 % 4096 % 200);
	CHECK_OK(set_routes(vcpu->vm, e, 4096));
	for (i = 0; i < 4096; i += 455) {
		CHECK_OK(irq_line(vcpu->vm, i, 1));
		agent_expect_irq(vcpu, 32 + i % 200);
	}
	CHECK_ERR(set_routes(vcpu->vm, e, 4097), EINVAL);
}

KTAP_TEST(bad_routes)
{
	struct vmm_irq_routing flags = { .flags = 1 };
	struct vmm_irq_routing_entry e;
	struct vm *vm = vm_create_irqchip();

	CHECK_ERR(ioctl(vm->fd, VMM_SET_GSI_ROUTING, &flags), EINVAL);
	CHECK_ERR(SET_ROUTES(vm, msi_route(4096, 0, VECTOR)), EINVAL);
	CHECK_ERR(SET_ROUTES(vm, pin_route(5, 3, 0)), EINVAL);
	CHECK_ERR(SET_ROUTES(vm, pin_route(5, 0xffffffff, 0)), EINVAL);
	CHECK_ERR(SET_ROUTES(vm, pin_route(5, VMM_IRQCHIP_IOAPIC, 24)), EINVAL);
	CHECK_ERR(SET_ROUTES(vm, pin_route(5, VMM_IRQCHIP_PIC_MASTER, 8)), EINVAL);
	CHECK_ERR(SET_ROUTES(vm, pin_route(5, VMM_IRQCHIP_PIC_SLAVE, 8)), EINVAL);
	/* One pin of each controller, or one message. */
	CHECK_ERR(SET_ROUTES(vm, pin_route(5, VMM_IRQCHIP_IOAPIC, 5),
			     pin_route(5, VMM_IRQCHIP_IOAPIC, 6)), EINVAL);
	CHECK_ERR(SET_ROUTES(vm, msi_route(5, 0, VECTOR), msi_route(5, 0, VECTOR)), EINVAL);
	CHECK_ERR(SET_ROUTES(vm, msi_route(5, 0, VECTOR),
			     pin_route(5, VMM_IRQCHIP_IOAPIC, 6)), EINVAL);
	e = pin_route(5, VMM_IRQCHIP_IOAPIC, 5);
	e.flags = 1;
	CHECK_ERR(set_routes(vm, &e, 1), EINVAL);
	e = msi_route(5, 0, VECTOR);
	e.flags = 2;
	CHECK_ERR(set_routes(vm, &e, 1), EINVAL);
	e.flags = 0;
	e.type = 77;
	CHECK_ERR(set_routes(vm, &e, 1), EINVAL);
	/* A table that was refused changed nothing. */
	CHECK_EQ(irq_status(vm, 5, 1) > 0, 1);
}

/* --- i8254 --- */

static struct vcpu *start_pit(uint32_t flags)
{
	struct vmm_pit_config config = { .flags = flags };
	struct vcpu *vcpu = start();

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

	write_entry(vcpu, 0, VECTOR);
	load_pit(vcpu, 0, 2, 11932);		/* 100 Hz */
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

	write_entry(vcpu, 0, VECTOR);
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
	write_entry(vcpu, 0, VECTOR);
	s.flags = VMM_PIT_FLAGS_HPET_LEGACY;
	s.channels[0].count = 2000;
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_PIT2, &s));
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
	int i, n = 0;

	write_entry(vcpu, 0, VECTOR);
	load_pit(vcpu, 0, 2, 1);
	for (i = 0; i < 20; i++)
		if (agent_next_irq(vcpu) == VECTOR)
			n++;
	CHECK_EQ(n, 20);
	load_pit(vcpu, 0, 5, 1);
}

/* --- split --- */

KTAP_TEST(split_routes)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = agent_create(vm, 0);
	struct vmm_irqchip chip = {};
	struct vmm_pit_config config = {};

	/* There are no pins to lead to. */
	CHECK_ERR(SET_ROUTES(vm, pin_route(5, VMM_IRQCHIP_IOAPIC, 5)), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_GET_IRQCHIP, &chip), ENXIO);
	if (vmm_is_vmm())
		CHECK_ERR(ioctl(vm->fd, VMM_CREATE_PIT2, &config), ENOENT);
	CHECK_EQ(irq_status(vm, 5, 1), -1);
	CHECK_OK(SET_ROUTES(vm, msi_route(5, 0, VECTOR)));
	CHECK_EQ(irq_status(vm, 5, 1), 1);
	agent_expect_irq(vcpu, VECTOR);
	agent_expect_none(vcpu);
}

/* User space's I/O APIC hears of the EOIs of level-triggered interrupts. */
KTAP_TEST(split_eoi)
{
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = agent_create(vm, 0);

	CHECK_OK(SET_ROUTES(vm, msi_route(5, 0, LEVEL | VECTOR), msi_route(6, 0, OTHER_VECTOR),
			    msi_route(24, 0, LEVEL | 0x83)));
	CHECK_EQ(irq_status(vm, 5, 1), 1);
	expect_report(vcpu);
	expect_exit(vcpu, VMM_EXIT_IOAPIC_EOI);
	CHECK_EQ(vcpu->run->eoi.vector, VECTOR);
	agent_expect_none(vcpu);
	/* Not of edges, and not beyond the pins that it has. */
	CHECK_EQ(irq_status(vm, 6, 1), 1);
	agent_expect_irq(vcpu, OTHER_VECTOR);
	CHECK_EQ(irq_status(vm, 24, 1), 1);
	agent_expect_irq(vcpu, 0x83);
	agent_expect_none(vcpu);
}
