// SPDX-License-Identifier: GPL-2.0
/*
 * irqchip_test.c - the kernel's interrupt controllers as a whole, the I/O APIC, the
 * routing table, messages, and the split irqchip: delivery, state, and every error.
 * The PICs and the PIT have programs of their own.
 */
#include <signal.h>
#include <sys/time.h>

#include "irq_agent.h"

/* Bits of an I/O APIC entry. */
#define LEVEL		IOAPIC_LEVEL
#define MASKED		IOAPIC_MASKED
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

static uint64_t get_entry(struct vm *vm, int pin)
{
	return get_chip(vm, VMM_IRQCHIP_IOAPIC).chip.ioapic.redirtbl[pin].bits;
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

/* --- I/O APIC --- */

KTAP_TEST(ioapic_registers)
{
	struct vcpu *vcpu = agent_start();
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
		ioapic_write_entry(vcpu, pin, TO(pin) | MASKED | LEVEL | (VECTOR + pin));
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
	ioapic_write_entry(vcpu, 3, MASKED | LEVEL | REMOTE_IRR | 1 << 12 | VECTOR);
	CHECK_EQ(get_entry(vcpu->vm, 3), MASKED | LEVEL | VECTOR);
}

KTAP_TEST(ioapic_edge)
{
	struct vcpu *vcpu = agent_start();

	ioapic_write_entry(vcpu, 20, VECTOR);
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
	struct vcpu *vcpu = agent_start();

	ioapic_write_entry(vcpu, 20, MASKED | VECTOR);
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), -1);
	CHECK_OK(irq_line(vcpu->vm, 20, 0));
	ioapic_write_entry(vcpu, 20, VECTOR);
	agent_expect_none(vcpu);
	CHECK_OK(irq_line(vcpu->vm, 20, 1));
	agent_expect_irq(vcpu, VECTOR);
}

KTAP_TEST(ioapic_level)
{
	struct vcpu *vcpu = agent_start();

	agent_set_eoi(vcpu, EOI_NONE);
	ioapic_write_entry(vcpu, 20, LEVEL | VECTOR);
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
	struct vcpu *vcpu = agent_start();

	ioapic_write_entry(vcpu, 20, MASKED | LEVEL | VECTOR);
	CHECK_EQ(irq_status(vcpu->vm, 20, 1), -1);
	agent_expect_none(vcpu);
	agent_set_eoi(vcpu, EOI_NONE);
	ioapic_write_entry(vcpu, 20, LEVEL | VECTOR);
	agent_expect_irq(vcpu, VECTOR);
	/* Masked while in service: the EOI does not send again, the unmasking does. */
	ioapic_write_entry(vcpu, 20, MASKED | LEVEL | VECTOR);
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	agent_expect_none(vcpu);
	ioapic_write_entry(vcpu, 20, LEVEL | VECTOR);
	agent_expect_irq(vcpu, VECTOR);
	CHECK_OK(irq_line(vcpu->vm, 20, 0));
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	agent_expect_none(vcpu);
}

/* How guests end an interrupt whose EOI was lost. */
KTAP_TEST(ioapic_edge_clears_remote_irr)
{
	struct vcpu *vcpu = agent_start();

	agent_set_eoi(vcpu, EOI_NONE);
	ioapic_write_entry(vcpu, 20, LEVEL | VECTOR);
	CHECK_OK(irq_line(vcpu->vm, 20, 1));
	agent_expect_irq(vcpu, VECTOR);
	ioapic_write_entry(vcpu, 20, MASKED | VECTOR);
	CHECK_EQ(get_entry(vcpu->vm, 20), MASKED | VECTOR);
	ioapic_write_entry(vcpu, 20, MASKED | LEVEL | VECTOR);
	CHECK_EQ(get_entry(vcpu->vm, 20), MASKED | LEVEL | VECTOR);
}

KTAP_TEST(ioapic_destinations)
{
	struct vm *vm = vm_create_irqchip();
	struct vcpu *zero = agent_create(vm, 0), *one = agent_create(vm, 1);

	ioapic_write_entry(zero, 20, TO(1) | VECTOR);
	CHECK_EQ(irq_status(vm, 20, 1), 1);
	agent_expect_irq(one, VECTOR);
	agent_expect_none(zero);
	/* To all. */
	ioapic_write_entry(zero, 21, TO(0xff) | OTHER_VECTOR);
	CHECK_EQ(irq_status(vm, 21, 1), 2);
	agent_expect_irq(zero, OTHER_VECTOR);
	agent_expect_irq(one, OTHER_VECTOR);
	/* By logical ID. */
	agent_write32(one, LAPIC + LAPIC_LDR, 0x2000000);
	ioapic_write_entry(zero, 22, TO(2) | LOGICAL | VECTOR);
	CHECK_EQ(irq_status(vm, 22, 1), 1);
	agent_expect_irq(one, VECTOR);
	agent_expect_none(zero);
	/* Nobody. */
	ioapic_write_entry(zero, 23, TO(9) | VECTOR);
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
	ioapic_write_entry(zero, 20, LEVEL | TO(0) | VECTOR);
	CHECK_OK(irq_line(vm, 20, 1));
	agent_expect_irq(zero, VECTOR);
	ioapic_write_entry(zero, 20, LEVEL | TO(1) | VECTOR);
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
	struct vcpu *vcpu = agent_start();
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
	struct vcpu *vcpu = agent_start();

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
	struct vcpu *vcpu = agent_start();
	int pin;

	for (pin = 0; pin < VMM_IOAPIC_NUM_PINS; pin++)
		ioapic_write_entry(vcpu, pin, VECTOR + pin);
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
	struct vcpu *vcpu = agent_start();
	struct vm *vm = vcpu->vm;

	ioapic_write_entry(vcpu, 7, VECTOR);
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
	struct vcpu *vcpu = agent_start();
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

static void nothing(int sig)
{
	(void)sig;
}

/*
 * An EOI is told before RUN ends with a signal: who saves the VM then would save an
 * I/O APIC that waits for it for ever.
 */
KTAP_TEST(split_eoi_comes_before_a_signal)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval every = { .it_interval.tv_usec = 5000, .it_value.tv_usec = 5000 };
	struct vm *vm = vm_create_split(24);
	struct vcpu *vcpu = agent_create(vm, 0);
	unsigned int signals = 0, round;
	struct vmm_lapic_state s;

	CHECK_OK(SET_ROUTES(vm, msi_route(5, 0, LEVEL | VECTOR)));
	CHECK_OK(sigaction(SIGALRM, &action, NULL));
	CHECK_OK(setitimer(ITIMER_REAL, &every, NULL));
	for (round = 0; signals < 200; round++) {
		CHECK_EQ(irq_status(vm, 5, 1), 1);
		do {
			if (!ioctl(vcpu->fd, VMM_RUN, 0))
				continue;
			CHECK_EQ(errno, EINTR);
			signals++;
			CHECK_OK(ioctl(vcpu->fd, VMM_GET_LAPIC, &s));
			if (!((s.regs[0x100 + VECTOR / 32 * 16] | s.regs[0x200 + VECTOR / 32 * 16]) >>
			      VECTOR % 32 & 1))
				FAIL("round %u: the EOI was not told", round);
		} while (vcpu->run->exit_reason != VMM_EXIT_IOAPIC_EOI);
	}
}
