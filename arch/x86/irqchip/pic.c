// SPDX-License-Identifier: GPL-2.0
/*
 * The pair of 8259A interrupt controllers of a PC: ports 0x20, 0xa0 and, for the
 * edge/level register that EISA added, 0x4d0. Intel's data sheet 231468 is the
 * reference ("ICW", "OCW" are its words).
 *
 * The slave's output is the master's line 2. The master's output goes to the local
 * APICs that accept ExtINT: they hear that it rose, look (vmm_pic_has_irq()), and
 * acknowledge when the guest takes the interrupt (vmm_pic_read_irq()).
 *
 * pic->lock guards all; it is taken in any context. Acknowledged lines are collected
 * in pic->acked, because listeners may raise a line of ours.
 */
#include <linux/bits.h>

#include <irqchip/chips.h>

#define MASTER		VMM_IRQCHIP_PIC_MASTER
#define SLAVE		VMM_IRQCHIP_PIC_SLAVE
#define CASCADE		2		/* the master's line that the slave drives */
#define SPURIOUS	7

#define ICW1		BIT(4)
#define ICW1_IC4	BIT(0)		/* an ICW4 follows */
#define ICW4_AEOI	BIT(1)
#define ICW4_SFNM	BIT(4)
#define OCW3		BIT(3)
#define OCW3_RIS	BIT(0)		/* read ISR, not IRR */
#define OCW3_RR		BIT(1)		/* RIS counts */
#define OCW3_POLL	BIT(2)
#define OCW3_SMM	BIT(5)
#define OCW3_ESMM	BIT(6)		/* SMM counts */

/* Lines whose trigger mode is not fixed to edges: not 0-2, 8 and 13. */
static const u8 elcr_mask[2] = { 0xf8, 0xde };

/* pic_state.init_state: which word of the initialization is next. */
enum { READY, WANT_ICW2, WANT_ICW3, WANT_ICW4 };

/* --- priorities --- */

/* How far from the highest priority is the best of these lines? 8: there is none. */
static unsigned int best(const struct vmm_pic_state *s, u8 lines)
{
	unsigned int p;

	for (p = 0; p < PIC_PINS; p++)
		if (lines & BIT((p + s->priority_add) & 7))
			break;
	return p;
}

/* The line that the chip wants serviced, or -1. */
static int wanted(const struct vmm_pic *pic, unsigned int chip)
{
	const struct vmm_pic_state *s = &pic->chip[chip];
	unsigned int p = best(s, s->irr & ~s->imr);
	u8 in_service = s->isr;

	if (p == PIC_PINS)
		return -1;
	if (s->special_mask)
		in_service &= ~s->imr;
	/* So that a better line of the slave's is not blocked by its own earlier one. */
	if (s->special_fully_nested_mode && chip == MASTER)
		in_service &= ~BIT(CASCADE);
	return p < best(s, in_service) ? (int)((p + s->priority_add) & 7) : -1;
}

/* After any change: what the slave says to the master, and the master to the APICs. */
static void update(struct vmm_pic *pic)
{
	struct vmm_pic_state *master = &pic->chip[MASTER];
	bool old = pic->output;

	if (wanted(pic, SLAVE) >= 0)
		master->irr |= BIT(CASCADE);
	else
		master->irr &= ~BIT(CASCADE);
	WRITE_ONCE(pic->output, wanted(pic, MASTER) >= 0);
	if (pic->output && !old)
		vmm_apic_accept_pic_changed(pic->vm);
}

/* The lock is dropped, and whoever waits for the lines in acked is told. */
static void unlock_and_notify(struct vmm_pic *pic, unsigned long flags)
	__releases(&pic->lock)
{
	unsigned long acked = pic->acked;
	unsigned int line;

	pic->acked = 0;
	spin_unlock_irqrestore(&pic->lock, flags);
	for_each_set_bit(line, &acked, 16)
		vmm_notify_ack(pic->vm, line / PIC_PINS, line % PIC_PINS);
}

/* --- lines --- */

/* -1: masked; 0: was requested already; 1. */
static int set_line(struct vmm_pic_state *s, unsigned int pin, bool level)
{
	u8 bit = BIT(pin);
	int r = 1;

	if (s->elcr & bit) {
		if (level) {
			r = !(s->irr & bit);
			s->irr |= bit;
			s->last_irr |= bit;
		} else {
			s->irr &= ~bit;
			s->last_irr &= ~bit;
		}
	} else if (level) {
		if (!(s->last_irr & bit)) {
			r = !(s->irr & bit);
			s->irr |= bit;
		} else {
			r = 0;
		}
		s->last_irr |= bit;
	} else {
		s->last_irr &= ~bit;
	}
	return s->imr & bit ? -1 : r;
}

int vmm_pic_set_irq(struct vmm_pic *pic, unsigned int chip, unsigned int pin,
		    enum vmm_irq_source source, bool level)
{
	unsigned long flags;
	int r;

	spin_lock_irqsave(&pic->lock, flags);
	if (level)
		__set_bit(source, &pic->sources[chip][pin]);
	else
		__clear_bit(source, &pic->sources[chip][pin]);
	r = set_line(&pic->chip[chip], pin, pic->sources[chip][pin]);
	update(pic);
	spin_unlock_irqrestore(&pic->lock, flags);
	return r;
}

/* --- service --- */

static void end_of_interrupt(struct vmm_pic *pic, unsigned int chip, unsigned int pin)
{
	pic->chip[chip].isr &= ~BIT(pin);
	pic->acked |= BIT(chip * PIC_PINS + pin);
}

/* INTA, or the read that polls. */
static void begin_service(struct vmm_pic *pic, unsigned int chip, unsigned int pin)
{
	struct vmm_pic_state *s = &pic->chip[chip];

	s->isr |= BIT(pin);
	if (!(s->elcr & BIT(pin)))
		s->irr &= ~BIT(pin);
	if (s->auto_eoi) {
		if (s->rotate_on_auto_eoi)
			s->priority_add = (pin + 1) & 7;
		end_of_interrupt(pic, chip, pin);
	}
}

bool vmm_pic_has_irq(struct vmm_vm *vm)
{
	struct vmm_irqchips *chips = vm->arch.irqchips;

	return chips && READ_ONCE(chips->pic.output);
}

/**
 * vmm_pic_read_irq() - the CPU acknowledges an interrupt of the PICs
 * @vm: VM that has them
 *
 * The line may have gone away since the output rose: then the vector is that of the
 * spurious interrupt. Context: none of our locks held. Return: the vector.
 */
int vmm_pic_read_irq(struct vmm_vm *vm)
{
	struct vmm_pic *pic = &vm->arch.irqchips->pic;
	unsigned long flags;
	int pin, vector;

	spin_lock_irqsave(&pic->lock, flags);
	pin = wanted(pic, MASTER);
	if (pin < 0) {
		vector = pic->chip[MASTER].irq_base + SPURIOUS;
	} else if (pin != CASCADE) {
		vector = pic->chip[MASTER].irq_base + pin;
		begin_service(pic, MASTER, pin);
	} else {
		pin = wanted(pic, SLAVE);
		vector = pic->chip[SLAVE].irq_base + (pin < 0 ? SPURIOUS : pin);
		if (pin >= 0)
			begin_service(pic, SLAVE, pin);
		begin_service(pic, MASTER, CASCADE);
	}
	update(pic);
	unlock_and_notify(pic, flags);
	return vector;
}

/* --- ports --- */

static void write_icw1(struct vmm_pic *pic, unsigned int chip, u8 val)
{
	struct vmm_pic_state *s = &pic->chip[chip];
	unsigned int pin;

	/* Whoever waits for the end of an interrupt waits in vain otherwise. */
	for (pin = 0; pin < PIC_PINS; pin++)
		if ((s->isr | (s->irr & ~s->elcr)) & BIT(pin))
			end_of_interrupt(pic, chip, pin);
	s->last_irr = 0;
	s->irr &= s->elcr;
	s->imr = 0;
	s->priority_add = 0;
	s->read_reg_select = 0;
	s->poll = 0;
	s->special_mask = 0;
	s->special_fully_nested_mode = 0;
	s->auto_eoi = 0;
	s->rotate_on_auto_eoi = 0;
	s->init4 = !!(val & ICW1_IC4);
	s->init_state = WANT_ICW2;
}

static void write_ocw2(struct vmm_pic *pic, unsigned int chip, u8 val)
{
	struct vmm_pic_state *s = &pic->chip[chip];
	bool rotate = val & BIT(7), specific = val & BIT(6), eoi = val & BIT(5);
	unsigned int pin = val & 7, p;

	if (!specific && !eoi) {
		s->rotate_on_auto_eoi = rotate;
		return;
	}
	if (!specific) {
		p = best(s, s->isr);
		if (p == PIC_PINS)
			return;
		pin = (p + s->priority_add) & 7;
	}
	if (rotate)
		s->priority_add = (pin + 1) & 7;
	if (eoi)
		end_of_interrupt(pic, chip, pin);
}

static void write_ocw3(struct vmm_pic_state *s, u8 val)
{
	if (val & OCW3_POLL)
		s->poll = 1;
	if (val & OCW3_RR)
		s->read_reg_select = val & OCW3_RIS;
	if (val & OCW3_ESMM)
		s->special_mask = !!(val & OCW3_SMM);
}

static void write_mask(struct vmm_pic *pic, unsigned int chip, u8 imr)
{
	unsigned int pin;
	u8 opened = pic->chip[chip].imr & ~imr;

	pic->chip[chip].imr = imr;
	for (pin = 0; pin < PIC_PINS; pin++)
		if (opened & BIT(pin))
			vmm_pin_unmasked(pic->vm, chip, pin);
}

static void write_data(struct vmm_pic *pic, unsigned int chip, u8 val)
{
	struct vmm_pic_state *s = &pic->chip[chip];

	switch (s->init_state) {
	case READY:
		write_mask(pic, chip, val);
		break;
	case WANT_ICW2:
		s->irq_base = val & 0xf8;
		s->init_state = WANT_ICW3;
		break;
	case WANT_ICW3:
		s->init_state = s->init4 ? WANT_ICW4 : READY;
		break;
	case WANT_ICW4:
		s->special_fully_nested_mode = !!(val & ICW4_SFNM);
		s->auto_eoi = !!(val & ICW4_AEOI);
		s->init_state = READY;
		break;
	}
}

static void write_port(struct vmm_pic *pic, unsigned int chip, bool data, u8 val)
{
	if (data)
		write_data(pic, chip, val);
	else if (val & ICW1)
		write_icw1(pic, chip, val);
	else if (val & OCW3)
		write_ocw3(&pic->chip[chip], val);
	else
		write_ocw2(pic, chip, val);
	update(pic);
}

/* A read in poll mode takes the best line, and says which. */
static u8 poll(struct vmm_pic *pic, unsigned int chip)
{
	int pin = wanted(pic, chip);

	pic->chip[chip].poll = 0;
	if (pin < 0)
		return SPURIOUS;
	begin_service(pic, chip, pin);
	update(pic);
	return BIT(7) | pin;
}

static u8 read_port(struct vmm_pic *pic, unsigned int chip, bool data)
{
	const struct vmm_pic_state *s = &pic->chip[chip];

	if (s->poll)
		return poll(pic, chip);
	if (data)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

static int pic_write(struct vmm_pic *pic, unsigned int chip, gpa_t addr, unsigned int len,
		     const u8 *val)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&pic->lock, flags);
	for (i = 0; i < len; i++)
		write_port(pic, chip, (addr + i) & 1, val[i]);
	unlock_and_notify(pic, flags);
	return 0;
}

static int pic_read(struct vmm_pic *pic, unsigned int chip, gpa_t addr, unsigned int len, u8 *val)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&pic->lock, flags);
	for (i = 0; i < len; i++)
		val[i] = read_port(pic, chip, (addr + i) & 1);
	unlock_and_notify(pic, flags);
	return 0;
}

static int master_write(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
			unsigned int len, const void *val)
{
	return pic_write(container_of(dev, struct vmm_pic, master), MASTER, addr, len, val);
}

static int master_read(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		       unsigned int len, void *val)
{
	return pic_read(container_of(dev, struct vmm_pic, master), MASTER, addr, len, val);
}

static int slave_write(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		       unsigned int len, const void *val)
{
	return pic_write(container_of(dev, struct vmm_pic, slave), SLAVE, addr, len, val);
}

static int slave_read(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		      unsigned int len, void *val)
{
	return pic_read(container_of(dev, struct vmm_pic, slave), SLAVE, addr, len, val);
}

static int elcr_write(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		      unsigned int len, const void *val)
{
	struct vmm_pic *pic = container_of(dev, struct vmm_pic, elcr);
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&pic->lock, flags);
	for (i = 0; i < len; i++) {
		unsigned int chip = (addr + i) & 1;

		pic->chip[chip].elcr = ((const u8 *)val)[i] & elcr_mask[chip];
	}
	update(pic);
	spin_unlock_irqrestore(&pic->lock, flags);
	return 0;
}

static int elcr_read(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		     unsigned int len, void *val)
{
	struct vmm_pic *pic = container_of(dev, struct vmm_pic, elcr);
	unsigned int i;

	for (i = 0; i < len; i++)
		((u8 *)val)[i] = READ_ONCE(pic->chip[(addr + i) & 1].elcr);
	return 0;
}

static const struct vmm_io_device_ops master_ops = {
	.read = master_read, .write = master_write, .release = vmm_no_release,
};

static const struct vmm_io_device_ops slave_ops = {
	.read = slave_read, .write = slave_write, .release = vmm_no_release,
};

static const struct vmm_io_device_ops elcr_ops = {
	.read = elcr_read, .write = elcr_write, .release = vmm_no_release,
};

/* --- state --- */

void vmm_pic_get_state(struct vmm_pic *pic, unsigned int chip, struct vmm_pic_state *s)
{
	unsigned long flags;

	spin_lock_irqsave(&pic->lock, flags);
	*s = pic->chip[chip];
	spin_unlock_irqrestore(&pic->lock, flags);
}

/* What no chip can hold is cut off. */
void vmm_pic_set_state(struct vmm_pic *pic, unsigned int chip, const struct vmm_pic_state *from)
{
	struct vmm_pic_state s = *from;
	unsigned long flags;

	s.priority_add &= 7;
	s.irq_base &= 0xf8;
	s.init_state &= 3;
	s.elcr_mask = elcr_mask[chip];
	s.elcr &= s.elcr_mask;
	spin_lock_irqsave(&pic->lock, flags);
	pic->chip[chip] = s;
	update(pic);
	spin_unlock_irqrestore(&pic->lock, flags);
}

void vmm_pic_mark(struct vmm_pic *pic, struct vmm_pic_snapshot *s)
{
	unsigned long flags;

	spin_lock_irqsave(&pic->lock, flags);
	memcpy(s->chip, pic->chip, sizeof(s->chip));
	memcpy(s->sources, pic->sources, sizeof(s->sources));
	spin_unlock_irqrestore(&pic->lock, flags);
}

void vmm_pic_restore(struct vmm_pic *pic, const struct vmm_pic_snapshot *s)
{
	unsigned long flags;

	spin_lock_irqsave(&pic->lock, flags);
	memcpy(pic->chip, s->chip, sizeof(s->chip));
	memcpy(pic->sources, s->sources, sizeof(s->sources));
	update(pic);
	spin_unlock_irqrestore(&pic->lock, flags);
}

void vmm_pic_init(struct vmm_pic *pic, struct vmm_vm *vm)
{
	pic->vm = vm;
	spin_lock_init(&pic->lock);
	pic->chip[MASTER].elcr_mask = elcr_mask[MASTER];
	pic->chip[SLAVE].elcr_mask = elcr_mask[SLAVE];
	pic->master.ops = &master_ops;
	pic->slave.ops = &slave_ops;
	pic->elcr.ops = &elcr_ops;
}
