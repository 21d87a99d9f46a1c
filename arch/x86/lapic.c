// SPDX-License-Identifier: GPL-2.0
/*
 * The registers of a local APIC: as memory at the APIC base (xAPIC), as MSRs
 * (x2APIC), and as a page for VMM_GET_LAPIC and VMM_SET_LAPIC; which interrupt is
 * next, and the end of one. SDM volume 3, chapter 11.
 *
 * All of it runs on the vCPU's thread with vcpu->mutex held. Other threads set
 * bits in IRR and TMR (lapic_ipi.c) and read single registers.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vmm/irqchip.h>
#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/x86.h>

#define APIC_VERSION_14		0x14
#define APIC_NR_LVTS		6

#define APIC_SELF_IPI_REG	0x3f0
#define APIC_LVT_INTR_BITS	(APIC_LVT_MASKED | APIC_VECTOR_MASK)
#define APIC_LINT_BITS		(APIC_LVT_INTR_BITS | APIC_MODE_MASK | APIC_LVT_LEVEL_TRIGGER | \
				 APIC_INPUT_POLARITY)
#define APIC_ICR2_XAPIC_BITS	0xff000000u
#define APIC_LDR_XAPIC_BITS	0xff000000u
#define APIC_DFR_FIXED		0x0fffffffu
#define APIC_TDCR_BITS		0xbu
#define APIC_TIMER_PERIODIC	BIT(17)
#define APIC_ESR_ILLEGAL_REG	BIT(7)

static const u16 lvts[APIC_NR_LVTS] = {
	APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR,
};

static bool split_mode(struct vmm_vcpu *vcpu)
{
	return vcpu->vm->arch.irqchip_mode == VMM_IRQCHIP_SPLIT;
}

/* --- which interrupt is next --- */

/* The highest vector of a bitmap, or -1. Asked several times an interrupt: no loop. */
static __always_inline int highest(const unsigned long *map)
{
	unsigned long word;

	static_assert(BITS_TO_LONGS(VMM_NR_VECTORS) == 4);
	word = READ_ONCE(map[3]);
	if (word)
		return 3 * BITS_PER_LONG + __fls(word);
	word = READ_ONCE(map[2]);
	if (word)
		return 2 * BITS_PER_LONG + __fls(word);
	word = READ_ONCE(map[1]);
	if (word)
		return BITS_PER_LONG + __fls(word);
	word = READ_ONCE(map[0]);
	return word ? __fls(word) : -1;
}

static u32 processor_priority(const struct vmm_lapic *apic)
{
	u32 tpr = apic_get(apic, APIC_TASKPRI);
	int served = highest(apic->isr);

	if (served < 0 || tpr >> 4 >= served >> 4)
		return tpr;
	return served & 0xf0;
}

/**
 * vmm_apic_pending() - the APIC's interrupt that the CPU would get next
 * @vcpu: the vCPU, with an APIC
 *
 * Return: the vector; -1 if there is none, or its priority does not suffice.
 */
int vmm_apic_pending(struct vmm_vcpu *vcpu)
{
	const struct vmm_lapic *apic = vcpu->arch.apic;
	int vector = highest(apic->irr);

	if (vector < 0 || !vmm_apic_hw_enabled(vcpu) ||
	    vector >> 4 <= processor_priority(apic) >> 4)
		return -1;
	return vector;
}

/* Any thread may ask. */
bool vmm_apic_accepts_pic(struct vmm_vcpu *vcpu)
{
	u32 lvt0;

	/* Without an APIC the pin LINT0 is INTR. */
	if (!vmm_apic_hw_enabled(vcpu))
		return true;
	lvt0 = apic_get(vcpu->arch.apic, APIC_LVT0);
	return !(lvt0 & APIC_LVT_MASKED) && GET_APIC_DELIVERY_MODE(lvt0) == APIC_MODE_EXTINT;
}

static bool has_ext_interrupt(struct vmm_vcpu *vcpu)
{
	if (split_mode(vcpu))
		return vcpu->arch.apic->ext_vector >= 0;
	return vmm_pic_has_irq(vcpu->vm) && vmm_apic_accepts_pic(vcpu);
}

bool vmm_apic_has_interrupt(struct vmm_vcpu *vcpu)
{
	return vmm_apic_pending(vcpu) >= 0 || has_ext_interrupt(vcpu);
}

int vmm_apic_take_interrupt(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	int vector;

	if (unlikely(has_ext_interrupt(vcpu))) {
		if (!split_mode(vcpu))
			return vmm_pic_read_irq(vcpu->vm);
		vector = apic->ext_vector;
		apic->ext_vector = -1;
		return vector;
	}
	vector = vmm_apic_pending(vcpu);
	if (vector < 0)
		return -1;
	clear_bit(vector, apic->irr);
	__set_bit(vector, apic->isr);
	vmm_pv_eoi_arm(vcpu, vector);
	return vector;
}

/* --- end of interrupt --- */

/**
 * vmm_apic_eoi() - the guest has served the interrupt of the highest priority
 * @vcpu: the vCPU
 *
 * Level-triggered interrupts are told to the I/O APIC: ours, or user space's by
 * an exit before the next entry, unless the guest does so itself.
 */
void vmm_apic_eoi(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	int vector = highest(apic->isr);

	if (vector < 0)
		return;
	__clear_bit(vector, apic->isr);
	if (unlikely(test_bit(vector, apic->eoi_exit)) &&
	    !(apic_get(apic, APIC_SPIV) & APIC_SPIV_DIRECTED_EOI)) {
		if (split_mode(vcpu)) {
			apic->ioapic_eoi = vector;
			vmm_request(vcpu, VMM_REQ_IOAPIC_EOI_EXIT);
		} else {
			vmm_ioapic_eoi(vcpu, vector);
		}
	}
	if (highest(apic->irr) >= 0)
		vmm_request(vcpu, VMM_REQ_EVENT);
}

/* --- registers --- */

/* By MOV to CR8 or by register: CR8 is the upper half. */
void vmm_apic_set_tpr(struct vmm_vcpu *vcpu, u8 tpr)
{
	apic_set(vcpu->arch.apic, APIC_TASKPRI, tpr);
	vcpu->arch.cr8 = tpr >> 4;
	vmm_request(vcpu, VMM_REQ_EVENT);
}

static void set_version(struct vmm_vcpu *vcpu)
{
	u32 version = APIC_VERSION_14 | (APIC_NR_LVTS - 1) << 16;

	/* Only user space's I/O APIC has an EOI register to go with it. */
	if (split_mode(vcpu) && vmm_guest_has(vcpu, X86_FEATURE_X2APIC))
		version |= APIC_LVR_DIRECTED_EOI;
	apic_set(vcpu->arch.apic, APIC_LVR, version);
}

static u32 x2apic_ldr(u32 id)
{
	return id >> 4 << 16 | BIT(id & 0xf);
}

/* IDs that follow from the mode. */
static void set_ids(struct vmm_lapic *apic)
{
	u32 id = apic->vcpu->id;

	apic_set(apic, APIC_ID, apic->x2apic ? id : id << 24);
	apic_set(apic, APIC_LDR, apic->x2apic ? x2apic_ldr(id) : 0);
}

static void update_enabled(struct vmm_lapic *apic)
{
	WRITE_ONCE(apic->enabled, vmm_apic_hw_enabled(apic->vcpu) &&
				  (apic_get(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED));
}

static void mask_all(struct vmm_lapic *apic)
{
	unsigned int i;

	for (i = 0; i < APIC_NR_LVTS; i++)
		apic_set(apic, lvts[i], apic_get(apic, lvts[i]) | APIC_LVT_MASKED);
}

static void set_spiv(struct vmm_lapic *apic, u32 value)
{
	u32 allowed = APIC_VECTOR_MASK | APIC_SPIV_APIC_ENABLED;

	if (apic_get(apic, APIC_LVR) & APIC_LVR_DIRECTED_EOI)
		allowed |= APIC_SPIV_DIRECTED_EOI;
	apic_set(apic, APIC_SPIV, value & allowed);
	update_enabled(apic);
}

/* The bits that an LVT register has. */
static u32 lvt_bits(struct vmm_lapic *apic, unsigned int offset)
{
	switch (offset) {
	case APIC_LVTT:
		return APIC_LVT_INTR_BITS | APIC_TIMER_PERIODIC |
		       (vmm_guest_has(apic->vcpu, X86_FEATURE_TSC_DEADLINE_TIMER) ?
			APIC_LVT_TIMER_TSCDEADLINE : 0);
	case APIC_LVT0:
	case APIC_LVT1:
		return APIC_LINT_BITS;
	case APIC_LVTERR:
		return APIC_LVT_INTR_BITS;
	default:
		return APIC_LVT_INTR_BITS | APIC_MODE_MASK;
	}
}

static void write_lvt(struct vmm_lapic *apic, unsigned int offset, u32 value)
{
	u32 old = apic_get(apic, offset);

	value &= lvt_bits(apic, offset);
	if (!(apic_get(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED))
		value |= APIC_LVT_MASKED;
	apic_set(apic, offset, value);
	if (offset == APIC_LVTT)
		vmm_apic_timer_mode_changed(apic, old);
	else if (offset == APIC_LVT0)
		vmm_request(apic->vcpu, VMM_REQ_EVENT);	/* the PIC's wire */
}

static void send_ipi(struct vmm_lapic *apic, u32 icr, u32 dest)
{
	struct vmm_apic_irq irq = {
		.dest = dest,
		.vector = icr & APIC_VECTOR_MASK,
		.delivery_mode = (icr & APIC_MODE_MASK) >> 8,
		.shorthand = icr >> 18 & 3,
		.logical = icr & APIC_DEST_LOGICAL,
		.level = icr & APIC_INT_ASSERT,
		.trig_level = icr & APIC_INT_LEVELTRIG,
	};

	vmm_apic_deliver(apic->vcpu->vm, apic->vcpu, &irq);
}

static void write_icr(struct vmm_lapic *apic, u32 low, u32 high)
{
	low &= ~APIC_ICR_BUSY;
	apic_set(apic, APIC_ICR, low);
	apic_set(apic, APIC_ICR2, high);
	send_ipi(apic, low, apic->x2apic ? high : high >> 24);
}

/* Registers that only xAPIC mode can write. */
static bool write_xapic(struct vmm_lapic *apic, unsigned int offset, u32 value)
{
	switch (offset) {
	case APIC_ID:
		apic_set(apic, offset, value & 0xff000000u);
		break;
	case APIC_LDR:
		apic_set(apic, offset, value & APIC_LDR_XAPIC_BITS);
		break;
	case APIC_DFR:
		apic_set(apic, offset, value | APIC_DFR_FIXED);
		break;
	case APIC_ICR2:
		apic_set(apic, offset, value & APIC_ICR2_XAPIC_BITS);
		return true;
	default:
		return false;
	}
	vmm_apic_map_update(apic->vcpu->vm);
	return true;
}

/* False: there is no such register, or it cannot be written. */
static bool write_register(struct vmm_lapic *apic, unsigned int offset, u32 value)
{
	u32 old;

	switch (offset) {
	case APIC_TASKPRI:
		vmm_apic_set_tpr(apic->vcpu, value);
		return true;
	case APIC_EOI:
		vmm_pv_eoi_sync(apic->vcpu);
		vmm_apic_eoi(apic->vcpu);
		return true;
	case APIC_SPIV:
		set_spiv(apic, value);
		if (!(value & APIC_SPIV_APIC_ENABLED))
			mask_all(apic);
		return true;
	case APIC_ESR:
		/* A write latches what happened since the last one. */
		apic_set(apic, APIC_ESR, apic->esr_next);
		apic->esr_next = 0;
		return true;
	case APIC_ICR:
		write_icr(apic, value, apic_get(apic, APIC_ICR2));
		return true;
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
		write_lvt(apic, offset, value);
		return true;
	case APIC_TMICT:
		/* In TSC-deadline mode the register has no effect. */
		if ((apic_get(apic, APIC_LVTT) & (3u << 17)) == APIC_LVT_TIMER_TSCDEADLINE)
			return true;
		apic_set(apic, offset, value);
		vmm_apic_timer_start(apic);
		return true;
	case APIC_TDCR:
		old = apic_get(apic, offset);
		apic_set(apic, offset, value & APIC_TDCR_BITS);
		vmm_apic_timer_divisor_changed(apic, old);
		return true;
	default:
		return !apic->x2apic && write_xapic(apic, offset, value);
	}
}

/* A 32-bit piece of a bitmap of vectors. */
static u32 bitmap_word(const unsigned long *map, unsigned int n)
{
	n = array_index_nospec(n, VMM_NR_VECTORS / 32);
	return READ_ONCE(map[n / 2]) >> (n % 2 * 32);
}

/* False: there is no such register, or it cannot be read. */
static bool read_register(struct vmm_lapic *apic, unsigned int offset, u32 *value)
{
	switch (offset) {
	case APIC_ID:
	case APIC_LVR:
	case APIC_TASKPRI:
	case APIC_LDR:
	case APIC_SPIV:
	case APIC_ESR:
	case APIC_ICR:
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
	case APIC_TMICT:
	case APIC_TDCR:
		*value = apic_get(apic, offset);
		return true;
	case APIC_PROCPRI:
		vmm_pv_eoi_sync(apic->vcpu);
		*value = processor_priority(apic);
		return true;
	case APIC_ISR ... APIC_ISR + 0x70:
		vmm_pv_eoi_sync(apic->vcpu);
		*value = bitmap_word(apic->isr, (offset - APIC_ISR) >> 4);
		return true;
	case APIC_TMR ... APIC_TMR + 0x70:
		*value = bitmap_word(apic->tmr, (offset - APIC_TMR) >> 4);
		return true;
	case APIC_IRR ... APIC_IRR + 0x70:
		*value = bitmap_word(apic->irr, (offset - APIC_IRR) >> 4);
		return true;
	case APIC_TMCCT:
		*value = vmm_apic_timer_count(apic);
		return true;
	case APIC_DFR:
	case APIC_ICR2:
		*value = apic_get(apic, offset);
		return !apic->x2apic;
	case APIC_ARBPRI:
		*value = 0;
		return !apic->x2apic;
	default:
		return false;
	}
}

/* --- xAPIC: the page at the APIC base --- */

static bool in_apic_page(struct vmm_vcpu *vcpu, gpa_t gpa)
{
	u64 base = vcpu->arch.apic_base;

	return (base & MSR_IA32_APICBASE_ENABLE) && !(base & X2APIC_ENABLE) &&
	       gpa_to_gfn(gpa) == gpa_to_gfn(base);
}

/* What is no register reads 0 and shows in ESR. Only the low 4 of 16 bytes count. */
int vmm_apic_mmio_read(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *val)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	unsigned int offset = offset_in_page(gpa), low = offset & 0xf;
	u32 value = 0;

	if (!in_apic_page(vcpu, gpa))
		return -EOPNOTSUPP;
	memset(val, 0, len);
	if (!read_register(apic, offset & ~0xfu, &value)) {
		value = 0;
		apic->esr_next |= APIC_ESR_ILLEGAL_REG;
	}
	if (low < sizeof(value))
		memcpy(val, (char *)&value + low, min_t(unsigned int, len, sizeof(value) - low));
	return 0;
}

/* Aligned accesses of 4 bytes; what others do is undefined, here: nothing. */
int vmm_apic_mmio_write(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *val)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	u32 value;

	if (!in_apic_page(vcpu, gpa))
		return -EOPNOTSUPP;
	if (len != sizeof(value) || (gpa & 0xf))
		return 0;
	memcpy(&value, val, sizeof(value));
	if (!write_register(apic, offset_in_page(gpa), value))
		apic->esr_next |= APIC_ESR_ILLEGAL_REG;
	return 0;
}

/* --- x2APIC: MSRs --- */

int vmm_apic_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	u32 low;

	if (!apic || !apic->x2apic || !read_register(apic, (msr & 0xff) << 4, &low))
		return 1;
	*value = low;
	if (msr == APIC_BASE_MSR + (APIC_ICR >> 4))
		*value |= (u64)apic_get(apic, APIC_ICR2) << 32;
	return 0;
}

int vmm_apic_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	unsigned int offset = (msr & 0xff) << 4;

	if (!apic || !apic->x2apic)
		return 1;
	if (likely(offset == APIC_ICR)) {
		write_icr(apic, value, value >> 32);
		return 0;
	}
	if (likely(offset == APIC_EOI && !value)) {
		vmm_pv_eoi_sync(vcpu);
		vmm_apic_eoi(vcpu);
		return 0;
	}
	if (value >> 32)
		return 1;
	switch (offset) {
	case APIC_SELF_IPI_REG:
		if (value > APIC_VECTOR_MASK)
			return 1;
		send_ipi(apic, value | APIC_DEST_SELF, 0);
		return 0;
	case APIC_EOI:
	case APIC_ESR:
		if (value)
			return 1;
		break;
	case APIC_TASKPRI:
		if (value > 0xff)
			return 1;
		break;
	}
	return write_register(apic, offset, value) ? 0 : 1;
}

/* --- mode, reset --- */

/**
 * vmm_apic_base_changed() - MSR_IA32_APICBASE has a new value
 * @vcpu: the vCPU, with an APIC
 * @old: the value before
 */
void vmm_apic_base_changed(struct vmm_vcpu *vcpu, u64 old)
{
	const u64 mode = X2APIC_ENABLE | MSR_IA32_APICBASE_ENABLE;
	struct vmm_lapic *apic = vcpu->arch.apic;
	u64 base = vcpu->arch.apic_base;

	if (!((base ^ old) & mode))
		return;
	/* An APIC that was off comes back as after power-up (SDM 11.4.3). */
	if (!(base & MSR_IA32_APICBASE_ENABLE)) {
		vmm_apic_timer_stop(apic);
		vmm_apic_reset(vcpu, true);
		return;
	}
	WRITE_ONCE(apic->x2apic, base & X2APIC_ENABLE);
	if ((base ^ old) & X2APIC_ENABLE)
		set_ids(apic);
	update_enabled(apic);
	vmm_apic_map_update(vcpu->vm);
	vmm_request(vcpu, VMM_REQ_EVENT);
}

void vmm_apic_cpuid_changed(struct vmm_vcpu *vcpu)
{
	if (vcpu->arch.apic)
		set_version(vcpu);
}

/**
 * vmm_apic_reset() - power-up or INIT; arch.apic_base has its value already
 * @vcpu: the vCPU, with an APIC
 * @init: INIT: the ID that software gave stays
 */
void vmm_apic_reset(struct vmm_vcpu *vcpu, bool init)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	bool keep_id = init && !apic->x2apic;
	u32 id = apic_get(apic, APIC_ID);
	unsigned int i;

	vmm_apic_timer_stop(apic);
	WRITE_ONCE(apic->enabled, false);
	for (i = 0; i < ARRAY_SIZE(apic->reg); i++)
		WRITE_ONCE(apic->reg[i], 0);
	bitmap_zero(apic->irr, VMM_NR_VECTORS);
	bitmap_zero(apic->isr, VMM_NR_VECTORS);
	bitmap_zero(apic->tmr, VMM_NR_VECTORS);
	WRITE_ONCE(apic->x2apic, vcpu->arch.apic_base & X2APIC_ENABLE);
	set_ids(apic);
	if (keep_id && !apic->x2apic)
		apic_set(apic, APIC_ID, id);
	set_version(vcpu);
	apic_set(apic, APIC_DFR, APIC_DFR_FLAT);
	apic_set(apic, APIC_SPIV, 0xff);
	mask_all(apic);
	/* Firmware that knows nothing of APICs finds the PIC connected. */
	if (vmm_is_boot_cpu(vcpu) &&
	    !(vcpu->vm->arch.disabled_quirks & VMM_X86_QUIRK_LINT0_REENABLED))
		apic_set(apic, APIC_LVT0, APIC_DM_EXTINT);
	apic->esr_next = 0;
	apic->ext_vector = -1;
	/* An I/O APIC still waits for an EOI that is to be reported to it. */
	if (!init)
		apic->ioapic_eoi = -1;
	vcpu->arch.pv.eoi_armed = false;
	vmm_apic_set_tpr(vcpu, 0);
	vmm_apic_map_update(vcpu->vm);
}

int vmm_apic_create(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);

	if (!apic)
		return -ENOMEM;
	apic->vcpu = vcpu;
	vmm_apic_timer_init(apic);
	vcpu->arch.apic = apic;
	return 0;
}

/* Nobody sends any more. */
void vmm_apic_destroy(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *apic = vcpu->arch.apic;

	if (!apic)
		return;
	hrtimer_cancel(&apic->timer.timer);
	kfree(apic);
}

/* --- VMM_GET_LAPIC, VMM_SET_LAPIC, VMM_SET_VAPIC_ADDR --- */

static u32 *page_reg(struct vmm_lapic_state *s, unsigned int offset)
{
	return (u32 *)(s->regs + offset);
}

static void get_bitmap(struct vmm_lapic_state *s, unsigned int offset, const unsigned long *map)
{
	unsigned int i;

	for (i = 0; i < VMM_NR_VECTORS / 32; i++)
		*page_reg(s, offset + i * 16) = bitmap_word(map, i);
}

static void set_bitmap(struct vmm_lapic_state *s, unsigned int offset, unsigned long *map)
{
	unsigned int i;

	for (i = 0; i < VMM_NR_VECTORS / 32; i += 2)
		WRITE_ONCE(map[i / 2], *page_reg(s, offset + i * 16) |
			   (u64)*page_reg(s, offset + i * 16 + 16) << 32);
}

static long get_lapic(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	struct vmm_lapic_state *s;
	unsigned int i;
	bool running;
	long r;

	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	vmm_pv_eoi_sync(vcpu);
	running = vmm_apic_timer_pause(apic);
	for (i = 0; i < ARRAY_SIZE(apic->reg); i++)
		*page_reg(s, i * 16) = apic->reg[i];
	get_bitmap(s, APIC_ISR, apic->isr);
	get_bitmap(s, APIC_TMR, apic->tmr);
	get_bitmap(s, APIC_IRR, apic->irr);
	*page_reg(s, APIC_PROCPRI) = processor_priority(apic);
	*page_reg(s, APIC_TMCCT) = vmm_apic_timer_count(apic);
	if (running) {
		/* 0 would say that its interrupt is in IRR, or was. */
		if (!*page_reg(s, APIC_TMCCT) && !vmm_apic_get_deadline(vcpu))
			*page_reg(s, APIC_TMCCT) = 1;
		vmm_apic_timer_go_on(apic);
	}
	/* User space that did not ask for 32-bit IDs finds the ID where xAPIC has it. */
	if (apic->x2apic && !vcpu->vm->arch.x2apic_32bit_ids)
		*page_reg(s, APIC_ID) = vcpu->id << 24;
	r = copy_to_user(arg, s, sizeof(*s)) ? -EFAULT : 0;
	kfree(s);
	return r;
}

/* An x2APIC's ID is the vCPU's number. */
static bool id_valid(struct vmm_vcpu *vcpu, u32 id)
{
	if (!vcpu->arch.apic->x2apic)
		return true;
	return vcpu->vm->arch.x2apic_32bit_ids ? id == vcpu->id : id >> 24 == (vcpu->id & 0xff);
}

static void load_registers(struct vmm_vcpu *vcpu, struct vmm_lapic_state *s)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	u64 deadline = vmm_apic_get_deadline(vcpu);
	unsigned int i;

	vmm_apic_timer_stop(apic);
	for (i = 0; i < ARRAY_SIZE(apic->reg); i++)
		WRITE_ONCE(apic->reg[i], *page_reg(s, i * 16));
	set_bitmap(s, APIC_ISR, apic->isr);
	set_bitmap(s, APIC_TMR, apic->tmr);
	set_bitmap(s, APIC_IRR, apic->irr);
	set_version(vcpu);
	if (apic->x2apic) {
		apic_set(apic, APIC_ID, vcpu->id);
		apic_set(apic, APIC_LDR, x2apic_ldr(vcpu->id));
	}
	apic_set(apic, APIC_ICR, apic_get(apic, APIC_ICR) & ~APIC_ICR_BUSY);
	/* LVT0 may be open while the APIC is off, as after power-up. */
	for (i = 0; i < APIC_NR_LVTS; i++)
		apic_set(apic, lvts[i], apic_get(apic, lvts[i]) & lvt_bits(apic, lvts[i]));
	set_spiv(apic, apic_get(apic, APIC_SPIV));
	apic_set(apic, APIC_TDCR, apic_get(apic, APIC_TDCR) & APIC_TDCR_BITS);
	vmm_apic_set_tpr(vcpu, apic_get(apic, APIC_TASKPRI));
	vmm_apic_timer_restore(apic, *page_reg(s, APIC_TMCCT));
	/* The deadline is no register of the page: it stays. */
	if (deadline)
		vmm_apic_set_deadline(vcpu, deadline);
}

/* -EINVAL: an x2APIC with an ID that is not the vCPU's. */
static long set_lapic(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_lapic_state *s = memdup_user(arg, sizeof(*s));

	if (IS_ERR(s))
		return PTR_ERR(s);
	if (!id_valid(vcpu, *page_reg(s, APIC_ID))) {
		kfree(s);
		return -EINVAL;
	}
	vmm_pv_eoi_sync(vcpu);
	load_registers(vcpu, s);
	kfree(s);
	vmm_apic_map_update(vcpu->vm);
	return 0;
}

/* There is no shadow of the TPR to keep: its accesses are the CPU's, or MMIO. */
static long set_vapic_addr(void __user *arg)
{
	struct vmm_vapic_addr va;

	return copy_from_user(&va, arg, sizeof(va)) ? -EFAULT : 0;
}

/**
 * vmm_apic_ioctl() - VMM_GET_LAPIC, VMM_SET_LAPIC, VMM_SET_VAPIC_ADDR
 * @vcpu: the vCPU, loaded
 * @nr: which of them
 * @arg: its struct in user space
 *
 * Return: 0; -EINVAL if the vCPU has no APIC in the kernel, or as said at the
 * functions above; -EFAULT, -ENOMEM.
 */
long vmm_apic_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg)
{
	if (!vcpu->arch.apic)
		return -EINVAL;
	switch (nr) {
	case VMM_GET_LAPIC:
		return get_lapic(vcpu, arg);
	case VMM_SET_LAPIC:
		return set_lapic(vcpu, arg);
	default:
		return set_vapic_addr(arg);
	}
}
