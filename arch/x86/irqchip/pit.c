// SPDX-License-Identifier: GPL-2.0
/*
 * The i8254 interval timer of a PC (Intel data sheet 231164): three counters of
 * 1.193182 MHz behind ports 0x40 to 0x43, and the gate and speaker bits of port 0x61.
 *
 * Nothing counts here: a counter's value is computed from the time when it was loaded.
 * Only counter 0 has a timer, which pulses GSI 0. A tick that the guest was too slow
 * for waits until it has acknowledged the last one (reinjection), so that guests which
 * count ticks keep time; VMM_REINJECT_CONTROL turns that off.
 *
 * pit->lock serializes ports and ioctls; the timer's callback does not take it, so it
 * can be cancelled under it. inject_lock guards what callback and EOI share.
 */
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include <irqchip/chips.h>
#include <vmm/compat.h>

#define PIT_HZ		1193182
#define PIT_PORT	0x40
#define PIT_PORTS	4
#define SPEAKER_PORT	0x61
#define CONTROL		3		/* the port of the control word */
#define MAX_COUNT	0x10000		/* what 0 means */
/* A guest may not interrupt the host more often than this. */
#define MIN_PERIOD_NS	200000
#define MAX_PENDING	(1 << 20)

/* channel.rw_mode, read_state, write_state, count_latched */
enum { RW_NONE, RW_LSB, RW_MSB, RW_WORD, RW_WORD_MSB };

/* Control word, and read-back command */
#define ACCESS(word)	((word) >> 4 & 3)
#define MODE(word)	((word) >> 1 & 7)
#define READ_BACK	3		/* in place of a channel */
#define NO_COUNT	BIT(5)
#define NO_STATUS	BIT(4)

#define STATUS_OUT	BIT(7)

/* Port 0x61 */
#define SPEAKER_GATE	BIT(0)
#define SPEAKER_DATA	BIT(1)
#define SPEAKER_REFRESH	BIT(4)
#define SPEAKER_OUT	BIT(5)

/* --- counting --- */

static u64 ticks_since_load(const struct vmm_pit_channel_state *c)
{
	s64 ns = ktime_get_ns() - c->count_load_time;

	return ns > 0 ? mul_u64_u32_div(ns, PIT_HZ, NSEC_PER_SEC) : 0;
}

static bool is_periodic(const struct vmm_pit_channel_state *c)
{
	return c->mode == 2 || c->mode == 3;
}

static u16 current_count(const struct vmm_pit_channel_state *c)
{
	u64 ticks = ticks_since_load(c);

	switch (c->mode) {
	case 2:
		return c->count - ticks % c->count;
	case 3:
		return c->count - 2 * ticks % c->count;
	default:
		return c->count - ticks;
	}
}

static bool output(const struct vmm_pit_channel_state *c)
{
	u64 ticks = ticks_since_load(c);

	switch (c->mode) {
	case 0:
	case 1:
		return ticks >= c->count;
	case 2:
		return ticks % c->count != c->count - 1;
	case 3:
		return ticks % c->count < (c->count + 1) / 2;
	default:
		return ticks != c->count;
	}
}

/* --- ticks of channel 0 --- */

static bool may_inject(struct vmm_pit *pit)
{
	unsigned long flags;
	bool may;

	spin_lock_irqsave(&pit->inject_lock, flags);
	may = pit->acked && pit->pending;
	if (may) {
		pit->acked = false;
		pit->pending--;
	}
	spin_unlock_irqrestore(&pit->inject_lock, flags);
	return may;
}

static void forget_ticks(struct vmm_pit *pit)
{
	unsigned long flags;

	spin_lock_irqsave(&pit->inject_lock, flags);
	pit->acked = true;
	pit->pending = 0;
	spin_unlock_irqrestore(&pit->inject_lock, flags);
}

void vmm_pit_unmasked(struct vmm_pit *pit)
{
	forget_ticks(pit);
}

static void inject_pending(struct vmm_pit *pit)
{
	/* Masked everywhere: nobody will acknowledge. */
	if (may_inject(pit) && vmm_pulse_irq(pit->vm, VMM_IRQ_PIT, pit->ack.gsi) < 0)
		forget_ticks(pit);
}

/* The guest's EOI; no lock of a controller is held. */
static void tick_acked(struct vmm_irq_ack *ack)
{
	struct vmm_pit *pit = container_of(ack, struct vmm_pit, ack);
	unsigned long flags;

	spin_lock_irqsave(&pit->inject_lock, flags);
	pit->acked = true;
	spin_unlock_irqrestore(&pit->inject_lock, flags);
	inject_pending(pit);
}

static void tick(struct vmm_pit *pit, u64 nr)
{
	unsigned long flags;
	bool reinject;

	spin_lock_irqsave(&pit->inject_lock, flags);
	reinject = pit->reinject;
	if (reinject)
		pit->pending = min_t(u64, pit->pending + nr, MAX_PENDING);
	spin_unlock_irqrestore(&pit->inject_lock, flags);
	if (reinject)
		inject_pending(pit);
	else
		vmm_pulse_irq(pit->vm, VMM_IRQ_PIT, pit->ack.gsi);
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct vmm_pit *pit = container_of(timer, struct vmm_pit, timer);
	u64 nr = 1;

	if (pit->period_ns)
		nr = hrtimer_forward_now(timer, pit->period_ns);
	tick(pit, nr);
	return pit->period_ns ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

static void stop_timer(struct vmm_pit *pit)
{
	hrtimer_cancel(&pit->timer);
	pit->paused = false;
	forget_ticks(pit);
}

/* Channel 0 was loaded. Its gate is always high, so what waits for an edge never counts. */
static void start_timer(struct vmm_pit *pit)
{
	const struct vmm_pit_channel_state *c = &pit->channel[0];
	u64 ns = mul_u64_u32_div(c->count, NSEC_PER_SEC, PIT_HZ);

	stop_timer(pit);
	if (pit->flags & VMM_PIT_FLAGS_HPET_LEGACY || c->mode == 1 || c->mode == 5)
		return;
	pit->period_ns = is_periodic(c) ? max_t(u64, ns, MIN_PERIOD_NS) : 0;
	hrtimer_start(&pit->timer, ns_to_ktime(c->count_load_time + max(ns, pit->period_ns)),
		      HRTIMER_MODE_ABS);
}

/* --- ports --- */

static void load(struct vmm_pit *pit, unsigned int nr, u16 count)
{
	struct vmm_pit_channel_state *c = &pit->channel[nr];

	c->count = count ?: MAX_COUNT;
	c->count_load_time = ktime_get_ns();
	if (!nr)
		start_timer(pit);
}

static void latch_count(struct vmm_pit_channel_state *c)
{
	if (c->count_latched)
		return;
	c->latched_count = current_count(c);
	c->count_latched = c->rw_mode;
}

static void latch_status(struct vmm_pit_channel_state *c)
{
	if (c->status_latched)
		return;
	c->status = (output(c) ? STATUS_OUT : 0) | c->rw_mode << 4 | c->mode << 1 | c->bcd;
	c->status_latched = 1;
}

static void write_control(struct vmm_pit *pit, u8 word)
{
	unsigned int nr = word >> 6;
	struct vmm_pit_channel_state *c;

	if (nr == READ_BACK) {
		for (nr = 0; nr < 3; nr++) {
			if (!(word & BIT(nr + 1)))
				continue;
			if (!(word & NO_COUNT))
				latch_count(&pit->channel[nr]);
			if (!(word & NO_STATUS))
				latch_status(&pit->channel[nr]);
		}
		return;
	}
	c = &pit->channel[nr];
	if (!ACCESS(word)) {
		latch_count(c);
		return;
	}
	c->rw_mode = c->read_state = c->write_state = ACCESS(word);
	c->mode = MODE(word) > 5 ? MODE(word) & 3 : MODE(word);
	c->bcd = word & 1;
	c->count_latched = 0;
	/* It counts again when it is loaded. */
	if (!nr)
		stop_timer(pit);
}

static void write_channel(struct vmm_pit *pit, unsigned int nr, u8 val)
{
	struct vmm_pit_channel_state *c = &pit->channel[nr];

	switch (c->write_state) {
	case RW_LSB:
		load(pit, nr, val);
		break;
	case RW_MSB:
		load(pit, nr, val << 8);
		break;
	case RW_WORD:
		c->write_latch = val;
		c->write_state = RW_WORD_MSB;
		break;
	case RW_WORD_MSB:
		load(pit, nr, c->write_latch | val << 8);
		c->write_state = RW_WORD;
		break;
	}
}

/* One byte of a count, and what the next read gets. */
static u8 byte_of(u16 count, u8 *state, u8 after_msb)
{
	switch (*state) {
	case RW_MSB:
	case RW_WORD_MSB:
		*state = after_msb;
		return count >> 8;
	case RW_WORD:
		*state = RW_WORD_MSB;
		return count;
	default:
		if (after_msb == RW_NONE)
			*state = RW_NONE;
		return count;
	}
}

static u8 read_channel(struct vmm_pit_channel_state *c)
{
	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return byte_of(c->latched_count, &c->count_latched, RW_NONE);
	return byte_of(current_count(c), &c->read_state, c->rw_mode);
}

static int pit_write(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		     unsigned int len, const void *val)
{
	struct vmm_pit *pit = container_of(dev, struct vmm_pit, ports);
	unsigned int port = addr & 3, i;

	mutex_lock(&pit->lock);
	for (i = 0; i < len; i++, port++) {
		u8 byte = ((const u8 *)val)[i];

		if (port == CONTROL)
			write_control(pit, byte);
		else
			write_channel(pit, array_index_nospec(port, 3), byte);
	}
	mutex_unlock(&pit->lock);
	return 0;
}

static int pit_read(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		    unsigned int len, void *val)
{
	struct vmm_pit *pit = container_of(dev, struct vmm_pit, ports);
	unsigned int port = addr & 3, i;

	mutex_lock(&pit->lock);
	for (i = 0; i < len; i++, port++) {
		u8 byte = 0;

		/* The control word cannot be read. */
		if (port != CONTROL)
			byte = read_channel(&pit->channel[array_index_nospec(port, 3)]);
		((u8 *)val)[i] = byte;
	}
	mutex_unlock(&pit->lock);
	return 0;
}

/* Channel 2 begins anew when its gate rises, in the modes that the gate triggers. */
static void set_gate(struct vmm_pit_channel_state *c, bool gate)
{
	if (gate && !c->gate && c->mode != 0 && c->mode != 4)
		c->count_load_time = ktime_get_ns();
	c->gate = gate;
}

static int speaker_write(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
			 unsigned int len, const void *val)
{
	struct vmm_pit *pit = container_of(dev, struct vmm_pit, speaker);
	u8 byte = *(const u8 *)val;

	mutex_lock(&pit->lock);
	set_gate(&pit->channel[2], byte & SPEAKER_GATE);
	if (byte & SPEAKER_DATA)
		pit->flags |= VMM_PIT_FLAGS_SPEAKER_DATA_ON;
	else
		pit->flags &= ~VMM_PIT_FLAGS_SPEAKER_DATA_ON;
	mutex_unlock(&pit->lock);
	return 0;
}

static int speaker_read(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
			unsigned int len, void *val)
{
	struct vmm_pit *pit = container_of(dev, struct vmm_pit, speaker);
	u8 byte = 0;

	mutex_lock(&pit->lock);
	if (pit->channel[2].gate)
		byte |= SPEAKER_GATE;
	if (pit->flags & VMM_PIT_FLAGS_SPEAKER_DATA_ON)
		byte |= SPEAKER_DATA;
	if (output(&pit->channel[2]))
		byte |= SPEAKER_OUT;
	mutex_unlock(&pit->lock);
	/* A refresh of memory begins every 15 us: the bit toggles. */
	if (ktime_get_ns() >> 14 & 1)
		byte |= SPEAKER_REFRESH;
	*(u8 *)val = byte;
	return 0;
}

static const struct vmm_io_device_ops pit_ops = {
	.read = pit_read, .write = pit_write, .release = vmm_no_release,
};

static const struct vmm_io_device_ops speaker_ops = {
	.read = speaker_read, .write = speaker_write, .release = vmm_no_release,
};

/* --- state --- */

void vmm_pit_get_state(struct vmm_pit *pit, struct vmm_pit_state2 *s)
{
	memset(s, 0, sizeof(*s));
	mutex_lock(&pit->lock);
	memcpy(s->channels, pit->channel, sizeof(s->channels));
	s->flags = pit->flags;
	mutex_unlock(&pit->lock);
}

/* What no counter can hold is cut off. Counter 0 begins anew. */
void vmm_pit_set_state(struct vmm_pit *pit, const struct vmm_pit_state2 *s)
{
	unsigned int i;

	mutex_lock(&pit->lock);
	memcpy(pit->channel, s->channels, sizeof(pit->channel));
	for (i = 0; i < 3; i++) {
		struct vmm_pit_channel_state *c = &pit->channel[i];

		if (!c->count || c->count > MAX_COUNT)
			c->count = MAX_COUNT;
		if (c->mode > 5)
			c->mode &= 3;
		c->rw_mode &= 3;
		c->bcd &= 1;
		c->gate = !!c->gate;
	}
	pit->flags = s->flags & (VMM_PIT_FLAGS_HPET_LEGACY | VMM_PIT_FLAGS_SPEAKER_DATA_ON);
	pit->channel[0].count_load_time = ktime_get_ns();
	start_timer(pit);
	mutex_unlock(&pit->lock);
}

/* --- snapshots --- */

void vmm_pit_pause(struct vmm_pit *pit)
{
	mutex_lock(&pit->lock);
	pit->paused = hrtimer_cancel(&pit->timer);
	mutex_unlock(&pit->lock);
}

void vmm_pit_go_on(struct vmm_pit *pit)
{
	mutex_lock(&pit->lock);
	if (pit->paused)
		hrtimer_start_expires(&pit->timer, HRTIMER_MODE_ABS);
	pit->paused = false;
	mutex_unlock(&pit->lock);
}

void vmm_pit_mark(struct vmm_pit *pit, struct vmm_pit_snapshot *s)
{
	unsigned long flags;
	unsigned int i;
	s64 now;

	mutex_lock(&pit->lock);
	now = ktime_get_ns();
	memcpy(s->channel, pit->channel, sizeof(s->channel));
	for (i = 0; i < 3; i++)
		s->channel[i].count_load_time = now - s->channel[i].count_load_time;
	s->flags = pit->flags;
	s->period_ns = pit->period_ns;
	s->running = pit->paused;
	s->left = ktime_to_ns(hrtimer_get_expires(&pit->timer)) - now;
	spin_lock_irqsave(&pit->inject_lock, flags);
	s->acked = pit->acked;
	s->pending = pit->pending;
	spin_unlock_irqrestore(&pit->inject_lock, flags);
	mutex_unlock(&pit->lock);
}

void vmm_pit_restore(struct vmm_pit *pit, const struct vmm_pit_snapshot *s)
{
	unsigned long flags;
	unsigned int i;
	s64 now;

	mutex_lock(&pit->lock);
	/* Somebody may have set the state since the pause. */
	hrtimer_cancel(&pit->timer);
	now = ktime_get_ns();
	memcpy(pit->channel, s->channel, sizeof(s->channel));
	for (i = 0; i < 3; i++)
		pit->channel[i].count_load_time = now - s->channel[i].count_load_time;
	pit->flags = s->flags;
	pit->period_ns = s->period_ns;
	pit->paused = s->running;
	if (s->running)
		hrtimer_set_expires(&pit->timer, ns_to_ktime(now + s->left));
	spin_lock_irqsave(&pit->inject_lock, flags);
	pit->acked = s->acked;
	pit->pending = s->pending;
	spin_unlock_irqrestore(&pit->inject_lock, flags);
	mutex_unlock(&pit->lock);
}

void vmm_pit_set_reinject(struct vmm_pit *pit, bool on)
{
	unsigned long flags;

	spin_lock_irqsave(&pit->inject_lock, flags);
	pit->reinject = on;
	pit->acked = true;
	pit->pending = 0;
	spin_unlock_irqrestore(&pit->inject_lock, flags);
}

void vmm_pit_stop(struct vmm_pit *pit)
{
	hrtimer_cancel(&pit->timer);
}

static struct vmm_pit *pit_alloc(struct vmm_vm *vm)
{
	struct vmm_pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!pit)
		return NULL;
	pit->vm = vm;
	mutex_init(&pit->lock);
	spin_lock_init(&pit->inject_lock);
	vmm_hrtimer_setup(&pit->timer, timer_fired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	pit->reinject = true;
	pit->acked = true;
	pit->ack.gsi = 0;
	pit->ack.acked = tick_acked;
	pit->ports.ops = &pit_ops;
	pit->speaker.ops = &speaker_ops;
	for (i = 0; i < 3; i++) {
		pit->channel[i].mode = 3;
		pit->channel[i].gate = i != 2;
		pit->channel[i].count = MAX_COUNT;
		pit->channel[i].count_load_time = ktime_get_ns();
	}
	return pit;
}

int vmm_pit_create(struct vmm_vm *vm, bool speaker)
{
	struct vmm_pit *pit = pit_alloc(vm);
	int r;

	if (!pit)
		return -ENOMEM;
	mutex_lock(&vm->slots_lock);
	r = vmm_bus_add(vm, VMM_BUS_PIO, PIT_PORT, PIT_PORTS, &pit->ports);
	if (!r && speaker) {
		r = vmm_bus_add(vm, VMM_BUS_PIO, SPEAKER_PORT, 1, &pit->speaker);
		if (r)
			vmm_bus_remove(vm, VMM_BUS_PIO, &pit->ports);
	}
	mutex_unlock(&vm->slots_lock);
	if (r) {
		stop_timer(pit);
		kfree(pit);
		return r;
	}
	vmm_ack_add(vm, &pit->ack);
	/* Pairs with the acquire of those who look for it. */
	smp_store_release(&vm->arch.irqchips->pit, pit);
	return 0;
}
