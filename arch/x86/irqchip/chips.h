/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of arch/x86/irqchip/ share. Each device has a spinlock of its own,
 * taken in any context; nothing sleeps under it, and vmm_notify_ack() is called
 * without it.
 *
 * Letters: P pic.lock, O ioapic.lock, T pit->lock (a mutex), J pit->inject_lock.
 */
#ifndef _VMM_CHIPS_H
#define _VMM_CHIPS_H

#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include <vmm/io_bus.h>
#include <vmm/irq.h>
#include <vmm/irqchip.h>
#include <vmm/lapic.h>

#define PIC_PINS	8
#define IOAPIC_BASE	0xfec00000
#define IOAPIC_SIZE	0x100

struct vmm_pic {
	struct vmm_vm *vm;			/* I */
	spinlock_t lock;
	struct vmm_pic_state chip[2];		/* P: master, slave */
	unsigned long sources[2][PIC_PINS];	/* P: who holds each line up */
	u16 acked;				/* P: lines to tell listeners of, after unlocking */
	bool output;				/* P for writing */
	struct vmm_io_device master, slave, elcr;
};

struct vmm_ioapic {
	struct vmm_vm *vm;			/* I */
	spinlock_t lock;
	u64 base_address;			/* O */
	u32 select;				/* O */
	u32 id;					/* O */
	/* O: level-triggered pins: the line is up; others: an edge not delivered yet. */
	u32 irr;
	union vmm_ioapic_entry {
		u64 bits;
		u32 half[2];
		typeof(((struct vmm_ioapic_state *)0)->redirtbl[0].fields) fields;
	} entry[VMM_IOAPIC_NUM_PINS];		/* O */
	unsigned long sources[VMM_IOAPIC_NUM_PINS];	/* O */
	struct vmm_io_device dev;
};

struct vmm_pit {
	struct vmm_vm *vm;			/* I */
	struct mutex lock;
	struct vmm_pit_channel_state channel[3];	/* T */
	u32 flags;				/* T: VMM_PIT_FLAGS_* */
	struct hrtimer timer;			/* T: started and stopped */
	u64 period_ns;				/* T, while the timer is stopped; 0: one shot */
	spinlock_t inject_lock;
	bool reinject;				/* J: ticks wait for the guest */
	bool acked;				/* J: the last one was acknowledged */
	u32 pending;				/* J: ticks that wait */
	bool paused;				/* T: the timer runs, but stands still */
	struct vmm_irq_ack ack;
	struct vmm_io_device ports, speaker;
};

struct vmm_irqchips {
	struct vmm_pic pic;
	struct vmm_ioapic ioapic;
	struct vmm_pit *pit;			/* V, once; read with acquire */
	struct vmm_chips_snapshot *snapshot;	/* slots_lock: see snapshot.c */
};

/* What a snapshot keeps of each; fields as above. */
struct vmm_pic_snapshot {
	struct vmm_pic_state chip[2];
	unsigned long sources[2][PIC_PINS];
};

struct vmm_ioapic_snapshot {
	u64 base_address;
	u32 select, id, irr;
	union vmm_ioapic_entry entry[VMM_IOAPIC_NUM_PINS];
	unsigned long sources[VMM_IOAPIC_NUM_PINS];
};

struct vmm_pit_snapshot {
	struct vmm_pit_channel_state channel[3];	/* load times: how long ago */
	u32 flags;
	u64 period_ns;
	s64 left;				/* ns until the timer fires, ... */
	bool running;				/* ... if it does */
	bool acked;
	u32 pending;
};

/* --- pic.c, ioapic.c: any context --- */
void vmm_pic_init(struct vmm_pic *pic, struct vmm_vm *vm);
int vmm_pic_set_irq(struct vmm_pic *pic, unsigned int chip, unsigned int pin,
		    enum vmm_irq_source source, bool level);
void vmm_pic_get_state(struct vmm_pic *pic, unsigned int chip, struct vmm_pic_state *s);
void vmm_pic_set_state(struct vmm_pic *pic, unsigned int chip, const struct vmm_pic_state *s);

void vmm_pic_mark(struct vmm_pic *pic, struct vmm_pic_snapshot *s);
void vmm_pic_restore(struct vmm_pic *pic, const struct vmm_pic_snapshot *s);

void vmm_ioapic_init(struct vmm_ioapic *ioapic, struct vmm_vm *vm);
int vmm_ioapic_set_irq(struct vmm_ioapic *ioapic, unsigned int pin,
		       enum vmm_irq_source source, bool level);
void vmm_ioapic_get_state(struct vmm_ioapic *ioapic, struct vmm_ioapic_state *s);
void vmm_ioapic_set_state(struct vmm_ioapic *ioapic, const struct vmm_ioapic_state *s);
void vmm_ioapic_mark(struct vmm_ioapic *ioapic, struct vmm_ioapic_snapshot *s);
void vmm_ioapic_restore(struct vmm_ioapic *ioapic, const struct vmm_ioapic_snapshot *s);

/* --- pit.c --- */
/* vm->lock held, may sleep: 0, -ENOMEM. */
int vmm_pit_create(struct vmm_vm *vm, bool speaker);
void vmm_pit_stop(struct vmm_pit *pit);
void vmm_pit_get_state(struct vmm_pit *pit, struct vmm_pit_state2 *s);
void vmm_pit_set_state(struct vmm_pit *pit, const struct vmm_pit_state2 *s);
void vmm_pit_set_reinject(struct vmm_pit *pit, bool on);
/* Between pause and go_on no tick comes, unless somebody sets the state; the others are for
 * then. May sleep.
 */
void vmm_pit_pause(struct vmm_pit *pit);
void vmm_pit_go_on(struct vmm_pit *pit);
void vmm_pit_mark(struct vmm_pit *pit, struct vmm_pit_snapshot *s);
void vmm_pit_restore(struct vmm_pit *pit, const struct vmm_pit_snapshot *s);
/* The guest unmasked the pin that the timer leads to: ticks until now are lost. */
void vmm_pit_unmasked(struct vmm_pit *pit);

/* A pin was unmasked; a controller's lock is held. */
static inline void vmm_pin_unmasked(struct vmm_vm *vm, unsigned int chip, unsigned int pin)
{
	struct vmm_pit *pit = smp_load_acquire(&vm->arch.irqchips->pit);

	if (pit && vmm_pin_gsi(vm, chip, pin) == (int)pit->ack.gsi)
		vmm_pit_unmasked(pit);
}

/* Devices that live and die with the VM. */
void vmm_no_release(struct vmm_io_device *dev);

#endif
