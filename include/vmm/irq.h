/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupts from outside the vCPUs: the GSI routing table (virt/irq_routing.c),
 * eventfds that raise a GSI (virt/irqfd.c), and what hears of the guest's EOI.
 *
 * A VM has all this only with an interrupt controller in the kernel: vm->irqs is
 * NULL before. The table is an immutable object, replaced under irqs->lock and read
 * under irqs->srcu, in any context: who reads it never sleeps, so a change of
 * routes does not wait for slow guest memory (that is why it is not vm->srcu).
 *
 * Lock letters of this file: Q irqs->lock, E irqs->irqfd_mutex, F irqs->irqfds_lock;
 * others see vm.h. Order: vm->lock, irqs->irqfd_mutex, irqs->lock; within them the
 * spinlocks: an eventfd's wait queue, then irqs->irqfds_lock or an interrupt
 * controller's, then what vmm_apic_deliver() takes.
 */
#ifndef _VMM_IRQ_H
#define _VMM_IRQ_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

#include <vmm/vm.h>

/* Who holds a level-triggered line up: it is down when nobody does. */
enum vmm_irq_source { VMM_IRQ_USER, VMM_IRQ_RESAMPLE, VMM_IRQ_PIT };

/**
 * struct vmm_irq_route - where one interrupt goes; user space's entry, checked
 * @gsi: the GSI that takes it
 * @type: VMM_IRQ_ROUTING_IRQCHIP or VMM_IRQ_ROUTING_MSI
 * @irqchip: a pin of a controller
 * @msi: a message
 */
struct vmm_irq_route {
	u32 gsi;
	u32 type;
	union {
		struct vmm_irq_routing_irqchip irqchip;
		struct vmm_irq_routing_msi msi;
	};
};

/* Pins of one controller, at most. */
#define VMM_IRQ_MAX_PINS	24

/**
 * struct vmm_irq_table - all routes of a VM; immutable once published
 * @pin_gsi: the GSI that leads to this pin of this controller (the last one, if
 *	     there are several), or -1
 * @first: the routes of GSI g are route[first[g]] .. route[first[g + 1] - 1]
 * @route: all routes, sorted by GSI
 */
struct vmm_irq_table {
	s16 pin_gsi[VMM_NR_IRQCHIPS][VMM_IRQ_MAX_PINS];
	u16 first[VMM_MAX_IRQ_ROUTES + 1];
	struct vmm_irq_route route[];
};

/* The guest acknowledged an interrupt. srcu held; may not sleep; no locks held. */
struct vmm_irq_ack {
	struct hlist_node link;			/* Q, srcu */
	u32 gsi;
	void (*acked)(struct vmm_irq_ack *ack);
};

struct vmm_irqs {
	struct mutex lock;
	struct srcu_struct srcu;
	struct vmm_irq_table __rcu *table;	/* Q, srcu */
	struct hlist_head acks;			/* Q, srcu */
	struct mutex irqfd_mutex;		/* one irqfd comes or goes at a time */
	spinlock_t irqfds_lock;
	struct list_head irqfds;		/* F */
	struct list_head resamplers;		/* E */
};

/* vm->irqs: set once, under vm->lock, before the first vCPU. NULL: none. */
static inline struct vmm_irqs *vmm_irqs(struct vmm_vm *vm)
{
	return smp_load_acquire(&vm->irqs);	/* pairs with vmm_irqs_publish() */
}

/* --- irq_routing.c --- */
/* vm->lock held, may sleep; the routes are @nr entries in user space's format.
 * alloc: the object, or an ERR_PTR. publish: from now on interrupts are delivered. */
struct vmm_irqs *vmm_irqs_alloc(struct vmm_vm *vm, const struct vmm_irq_routing_entry *routes,
				unsigned int nr);
void vmm_irqs_publish(struct vmm_vm *vm, struct vmm_irqs *irqs);
void vmm_irqs_free(struct vmm_irqs *irqs);

/**
 * vmm_set_irq() - an interrupt line changes
 * @vm: VM
 * @source: who; matters to level-triggered pins
 * @gsi: any number
 * @level: MSIs are sent at 1 only
 *
 * Context: any, also hard interrupt.
 * Return: >0: delivered to so many vCPUs; 0: coalesced with one that is pending;
 * -1: masked, or it leads nowhere.
 */
int vmm_set_irq(struct vmm_vm *vm, enum vmm_irq_source source, u32 gsi, bool level);
/* Up and down again, for a source that knows edges only. The same otherwise. */
int vmm_pulse_irq(struct vmm_vm *vm, enum vmm_irq_source source, u32 gsi);
/* The guest's EOI reached this pin. vmm_has_ack(): is there anyone to tell? Any context;
 * vmm_notify_ack() with no lock of an interrupt controller held. */
void vmm_notify_ack(struct vmm_vm *vm, unsigned int chip, unsigned int pin);
bool vmm_has_ack(struct vmm_vm *vm, unsigned int chip, unsigned int pin);
/* The GSI that leads to this pin, or -1. Any context. */
int vmm_pin_gsi(struct vmm_vm *vm, unsigned int chip, unsigned int pin);
/* May sleep; irqs->lock not held. After del the callback does not run any more. */
void vmm_ack_add(struct vmm_vm *vm, struct vmm_irq_ack *ack);
void vmm_ack_del(struct vmm_vm *vm, struct vmm_irq_ack *ack);

long vmm_set_gsi_routing(struct vmm_vm *vm, struct vmm_irq_routing __user *arg);
long vmm_irq_line(struct vmm_vm *vm, void __user *arg, bool status);
/* Returns to how many vCPUs it went. */
long vmm_signal_msi(struct vmm_vm *vm, struct vmm_msi __user *arg);

/* --- irqfd.c --- */
long vmm_irqfd(struct vmm_vm *vm, struct vmm_irqfd __user *arg);
/* No irqfd raises an interrupt of this VM any more. Before vCPUs are freed; may sleep. */
void vmm_irqfd_shutdown(struct vmm_vm *vm);
int vmm_irqfd_init(void);			/* module init and exit */
void vmm_irqfd_exit(void);

/* --- the architecture's half: arch/x86/irqchip/irqchip.c --- */
/* Is this a route that the VM's controllers can have? 0, -EINVAL. */
int vmm_arch_check_route(struct vmm_vm *vm, const struct vmm_irq_route *route);
/* As vmm_set_irq(), for one route. Any context. */
int vmm_arch_set_irq(struct vmm_vm *vm, const struct vmm_irq_route *route,
		     enum vmm_irq_source source, bool level);
/* The routes or what hears of EOIs changed: which EOIs are intercepted may too. */
void vmm_arch_routes_changed(struct vmm_vm *vm);
/* Does the kernel see the EOIs of this VM's lines? */
bool vmm_arch_can_resample(struct vmm_vm *vm);
/* Before vCPUs are freed: devices of the kernel raise no interrupts any more. */
void vmm_arch_irq_shutdown(struct vmm_vm *vm);

#endif
