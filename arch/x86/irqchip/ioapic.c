// SPDX-License-Identifier: GPL-2.0
/*
 * The I/O APIC, as Intel's 82093AA (data sheet 290566): 24 pins, version 0x11, two
 * registers at 0xfec00000 through which all others are reached.
 *
 * A pin's entry says which message the pin sends to the local APICs. A level-triggered
 * pin sends one, sets remote IRR, and sends no other until a local APIC's EOI for that
 * vector came back; if the line is still up then, it sends again.
 *
 * ioapic->lock guards all and is taken in any context; vmm_apic_deliver() is called
 * under it, listeners to EOIs are told without it.
 */
#include <linux/bits.h>
#include <linux/nospec.h>

#include <irqchip/chips.h>

#define PINS		VMM_IOAPIC_NUM_PINS
#define REG_SELECT	0x00
#define REG_WINDOW	0x10

/* Registers behind the window. */
#define REG_ID		0
#define REG_VERSION	1
#define REG_ARBITRATION	2
#define REG_ENTRIES	0x10
#define VERSION		(0x11 | (PINS - 1) << 16)

#define ENTRY_READ_ONLY	(BIT(12) | BIT(14))	/* delivery status, remote IRR */

static bool is_level(const union vmm_ioapic_entry *e)
{
	return e->fields.trig_mode;
}

static void decode_entry(const union vmm_ioapic_entry *e, struct vmm_apic_irq *irq)
{
	*irq = (struct vmm_apic_irq) {
		.dest = e->fields.dest_id,
		.vector = e->fields.vector,
		.delivery_mode = e->fields.delivery_mode,
		.logical = e->fields.dest_mode,
		.level = true,
		.trig_level = is_level(e),
	};
}

/* --- pins --- */

/* The pin's request goes out if it can. As vmm_set_irq(). */
static int service(struct vmm_ioapic *ioapic, unsigned int pin)
{
	union vmm_ioapic_entry *e = &ioapic->entry[pin];
	struct vmm_apic_irq irq;
	int r;

	if (e->fields.mask)
		return -1;
	if (is_level(e) && e->fields.remote_irr)
		return 0;
	decode_entry(e, &irq);
	r = vmm_apic_deliver(ioapic->vm, NULL, &irq);
	if (!is_level(e))
		ioapic->irr &= ~BIT(pin);
	else if (r >= 0)
		e->fields.remote_irr = 1;
	return r;
}

int vmm_ioapic_set_irq(struct vmm_ioapic *ioapic, unsigned int pin,
		       enum vmm_irq_source source, bool level)
{
	bool was_up, edge;
	unsigned long flags;
	int r = 1;

	spin_lock_irqsave(&ioapic->lock, flags);
	was_up = ioapic->sources[pin];
	if (level)
		__set_bit(source, &ioapic->sources[pin]);
	else
		__clear_bit(source, &ioapic->sources[pin]);
	edge = !is_level(&ioapic->entry[pin]);
	if (!ioapic->sources[pin]) {
		ioapic->irr &= ~BIT(pin);
	} else if (edge && was_up) {
		r = 0;
	} else {
		ioapic->irr |= BIT(pin);
		r = service(ioapic, pin);
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
	return r;
}

/* A level-triggered pin whose line is up and that may send. */
static bool can_send(const struct vmm_ioapic *ioapic, unsigned int pin)
{
	const union vmm_ioapic_entry *e = &ioapic->entry[pin];

	return is_level(e) && !e->fields.mask && !e->fields.remote_irr && ioapic->irr & BIT(pin);
}

/* Listeners first: they may lower the line. No lock held. */
static void ask_again(struct vmm_ioapic *ioapic, unsigned long pins)
{
	unsigned long flags;
	unsigned int pin;

	for_each_set_bit(pin, &pins, PINS)
		vmm_notify_ack(ioapic->vm, VMM_IRQCHIP_IOAPIC, pin);
	spin_lock_irqsave(&ioapic->lock, flags);
	for_each_set_bit(pin, &pins, PINS)
		if (can_send(ioapic, pin))
			service(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

/* The EOI says a vector, not a pin: it is for all pins with this vector. */
void vmm_ioapic_eoi(struct vmm_vcpu *vcpu, u8 vector)
{
	struct vmm_ioapic *ioapic = &vcpu->vm->arch.irqchips->ioapic;
	unsigned long flags, pins = 0;
	unsigned int pin;

	spin_lock_irqsave(&ioapic->lock, flags);
	for (pin = 0; pin < PINS; pin++) {
		union vmm_ioapic_entry *e = &ioapic->entry[pin];

		if (e->fields.vector != vector)
			continue;
		pins |= BIT(pin);
		if (is_level(e))
			e->fields.remote_irr = 0;
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
	ask_again(ioapic, pins);
}

/* --- which EOIs matter --- */

static bool eoi_due(struct vmm_vcpu *vcpu, const struct vmm_apic_irq *irq)
{
	const struct vmm_lapic *apic = vcpu->arch.apic;

	/* Sent here before the entry changed: its EOI is still to come. */
	return vmm_apic_matches(vcpu, irq) || test_bit(irq->vector, apic->irr) ||
	       test_bit(irq->vector, apic->isr);
}

static void scan_entries(struct vmm_vcpu *vcpu, struct vmm_ioapic *ioapic, unsigned long *vectors)
{
	struct vmm_apic_irq irq;
	unsigned int pin;

	for (pin = 0; pin < PINS; pin++) {
		union vmm_ioapic_entry e = { .bits = READ_ONCE(ioapic->entry[pin].bits) };

		/* Masked ones too: the EOI of what was sent may be due. */
		if (!is_level(&e) && !vmm_has_ack(vcpu->vm, VMM_IRQCHIP_IOAPIC, pin))
			continue;
		decode_entry(&e, &irq);
		if (eoi_due(vcpu, &irq))
			__set_bit(irq.vector, vectors);
	}
}

/* Split: user space's I/O APIC sends what the first GSIs' routes say. */
static void scan_routes(struct vmm_vcpu *vcpu, unsigned long *vectors)
{
	struct vmm_vm *vm = vcpu->vm;
	struct vmm_irqs *irqs = vmm_irqs(vm);
	const struct vmm_irq_table *table;
	const struct vmm_irq_route *route;
	struct vmm_apic_irq irq;
	unsigned int i;
	int idx;

	idx = srcu_read_lock(&irqs->srcu);
	table = srcu_dereference(irqs->table, &irqs->srcu);
	for (i = 0; i < table->first[vm->arch.split_reserved_routes]; i++) {
		route = &table->route[i];
		vmm_decode_msi(vm, (u64)route->msi.address_hi << 32 | route->msi.address_lo,
			       route->msi.data, &irq);
		if (irq.trig_level && eoi_due(vcpu, &irq))
			__set_bit(irq.vector, vectors);
	}
	srcu_read_unlock(&irqs->srcu, idx);
}

void vmm_ioapic_scan_vcpu(struct vmm_vcpu *vcpu, unsigned long *vectors)
{
	struct vmm_irqchips *chips = vcpu->vm->arch.irqchips;

	bitmap_zero(vectors, VMM_NR_VECTORS);
	if (chips)
		scan_entries(vcpu, &chips->ioapic, vectors);
	else
		scan_routes(vcpu, vectors);
}

/* --- registers --- */

/*
 * Half of an entry. Returns true if listeners have to be asked before the pin may
 * send: while it was masked the guest may have seen to the device without an EOI
 * that they heard of, and only they know whether the line is still up.
 */
static bool write_entry(struct vmm_ioapic *ioapic, unsigned int pin, unsigned int half, u32 val)
{
	union vmm_ioapic_entry *e = &ioapic->entry[pin], old = *e, new = *e;

	if (!half)
		val = (val & ~(u32)ENTRY_READ_ONLY) | (old.half[0] & ENTRY_READ_ONLY);
	new.half[half] = val;
	new.fields.reserve = 0;
	memset(new.fields.reserved, 0, sizeof(new.fields.reserved));
	/* Guests know no other way to end a lost interrupt. */
	if (!is_level(&new))
		new.fields.remote_irr = 0;
	WRITE_ONCE(e->bits, new.bits);

	old.fields.mask = new.fields.mask;
	old.fields.remote_irr = new.fields.remote_irr;
	if (old.bits != new.bits)
		vmm_request_ioapic_scan(ioapic->vm);
	return can_send(ioapic, pin);
}

static u32 read_window(const struct vmm_ioapic *ioapic)
{
	unsigned int at = ioapic->select - REG_ENTRIES, pin;

	switch (ioapic->select) {
	case REG_ID:
	case REG_ARBITRATION:
		return ioapic->id << 24;
	case REG_VERSION:
		return VERSION;
	}
	if (ioapic->select < REG_ENTRIES || at / 2 >= PINS)
		return ~0u;
	pin = array_index_nospec(at / 2, PINS);
	return ioapic->entry[pin].half[at & 1];
}

/* The pin that may have something to send now, as a bitmap. */
static unsigned long write_window(struct vmm_ioapic *ioapic, u32 val)
{
	unsigned int at = ioapic->select - REG_ENTRIES, pin;
	bool was_masked;

	if (ioapic->select == REG_ID) {
		ioapic->id = val >> 24 & 0xf;
		return 0;
	}
	if (ioapic->select < REG_ENTRIES || at / 2 >= PINS)
		return 0;
	pin = array_index_nospec(at / 2, PINS);
	was_masked = ioapic->entry[pin].fields.mask;
	if (write_entry(ioapic, pin, at & 1, val)) {
		if (was_masked)
			return BIT(pin);
		service(ioapic, pin);
	}
	if (was_masked && !ioapic->entry[pin].fields.mask)
		vmm_pin_unmasked(ioapic->vm, VMM_IRQCHIP_IOAPIC, pin);
	return 0;
}

static int ioapic_write(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
			unsigned int len, const void *val)
{
	struct vmm_ioapic *ioapic = container_of(dev, struct vmm_ioapic, dev);
	unsigned long flags, pins = 0;
	u32 data = 0;

	if (addr - READ_ONCE(ioapic->base_address) >= IOAPIC_SIZE)
		return -EOPNOTSUPP;
	memcpy(&data, val, min_t(unsigned int, len, sizeof(data)));
	spin_lock_irqsave(&ioapic->lock, flags);
	switch (addr - ioapic->base_address) {
	case REG_SELECT:
		ioapic->select = data & 0xff;
		break;
	case REG_WINDOW:
		pins = write_window(ioapic, data);
		break;
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
	if (pins)
		ask_again(ioapic, pins);
	return 0;
}

static int ioapic_read(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		       unsigned int len, void *val)
{
	struct vmm_ioapic *ioapic = container_of(dev, struct vmm_ioapic, dev);
	unsigned long flags;
	u64 data = 0;

	if (addr - READ_ONCE(ioapic->base_address) >= IOAPIC_SIZE)
		return -EOPNOTSUPP;
	spin_lock_irqsave(&ioapic->lock, flags);
	switch (addr - ioapic->base_address) {
	case REG_SELECT:
		data = ioapic->select;
		break;
	case REG_WINDOW:
		data = read_window(ioapic);
		break;
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
	memcpy(val, &data, len);
	return 0;
}

static const struct vmm_io_device_ops ioapic_ops = {
	.read = ioapic_read, .write = ioapic_write, .release = vmm_no_release,
};

/* --- state --- */

void vmm_ioapic_get_state(struct vmm_ioapic *ioapic, struct vmm_ioapic_state *s)
{
	unsigned long flags;
	unsigned int pin;

	memset(s, 0, sizeof(*s));
	spin_lock_irqsave(&ioapic->lock, flags);
	s->base_address = ioapic->base_address;
	s->ioregsel = ioapic->select;
	s->id = ioapic->id;
	s->irr = ioapic->irr;
	for (pin = 0; pin < PINS; pin++)
		s->redirtbl[pin].bits = ioapic->entry[pin].bits;
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

void vmm_ioapic_set_state(struct vmm_ioapic *ioapic, const struct vmm_ioapic_state *s)
{
	unsigned long flags;
	unsigned int pin;

	spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->base_address = s->base_address;
	ioapic->select = s->ioregsel & 0xff;
	ioapic->id = s->id & 0xf;
	ioapic->irr = s->irr & GENMASK(PINS - 1, 0);
	for (pin = 0; pin < PINS; pin++) {
		ioapic->entry[pin].bits = s->redirtbl[pin].bits;
		if (!is_level(&ioapic->entry[pin]))
			ioapic->entry[pin].fields.remote_irr = 0;
	}
	vmm_request_ioapic_scan(ioapic->vm);
	/* What was on its way when the state was saved. */
	for (pin = 0; pin < PINS; pin++)
		if (ioapic->irr & BIT(pin))
			service(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

void vmm_ioapic_mark(struct vmm_ioapic *ioapic, struct vmm_ioapic_snapshot *s)
{
	unsigned long flags;

	spin_lock_irqsave(&ioapic->lock, flags);
	s->base_address = ioapic->base_address;
	s->select = ioapic->select;
	s->id = ioapic->id;
	s->irr = ioapic->irr;
	memcpy(s->entry, ioapic->entry, sizeof(s->entry));
	memcpy(s->sources, ioapic->sources, sizeof(s->sources));
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

/* Nothing is sent: what had been sent by then is in the local APICs again. */
void vmm_ioapic_restore(struct vmm_ioapic *ioapic, const struct vmm_ioapic_snapshot *s)
{
	unsigned long flags;
	unsigned int pin;

	spin_lock_irqsave(&ioapic->lock, flags);
	WRITE_ONCE(ioapic->base_address, s->base_address);
	ioapic->select = s->select;
	ioapic->id = s->id;
	ioapic->irr = s->irr;
	for (pin = 0; pin < PINS; pin++)
		WRITE_ONCE(ioapic->entry[pin].bits, s->entry[pin].bits);
	memcpy(ioapic->sources, s->sources, sizeof(s->sources));
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

void vmm_ioapic_init(struct vmm_ioapic *ioapic, struct vmm_vm *vm)
{
	unsigned int pin;

	ioapic->vm = vm;
	spin_lock_init(&ioapic->lock);
	ioapic->base_address = IOAPIC_BASE;
	for (pin = 0; pin < PINS; pin++)
		ioapic->entry[pin].fields.mask = 1;
	ioapic->dev.ops = &ioapic_ops;
}
