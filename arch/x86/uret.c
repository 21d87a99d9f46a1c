// SPDX-License-Identifier: GPL-2.0
/*
 * User-return MSRs: MSRs whose value only user space, or the way into the
 * kernel from it, notices (TSC_AUX, the SYSCALL MSRs). They may hold a guest's
 * value as long as this CPU stays in the kernel, so they are not switched at
 * each exit: written when a vCPU needs another value than the CPU has, and put
 * back by a notifier when the CPU is about to return to user space.
 *
 * Slots are registered by backends and by msr.c, per-CPU values change with
 * interrupts off only.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/export.h>
#include <linux/irqflags.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>
#include <asm/msr.h>

#include <vmm/x86.h>

#define MAX_SLOTS	8

static DEFINE_MUTEX(slots_lock);		/* registration */
static u32 slot_msr[MAX_SLOTS];
static unsigned int nr_slots;

struct uret_cpu {
	struct user_return_notifier notifier;
	bool registered;
	u8 known;			/* bitmap: host[] and now[] were read */
	u8 changed;			/* bitmap: now[] differs from host[] */
	u64 host[MAX_SLOTS];
	u64 now[MAX_SLOTS];		/* what the MSR holds */
};

static DEFINE_PER_CPU(struct uret_cpu, uret_cpu);

/* Interrupts off. */
static void restore_host(struct uret_cpu *c)
{
	unsigned int i;

	for (i = 0; c->changed; i++) {
		if (!(c->changed & BIT(i)))
			continue;
		wrmsrl(slot_msr[i], c->host[i]);
		c->now[i] = c->host[i];
		c->changed &= ~BIT(i);
	}
	if (c->registered) {
		user_return_notifier_unregister(&c->notifier);
		c->registered = false;
	}
}

static void on_user_return(struct user_return_notifier *n)
{
	unsigned long flags;

	local_irq_save(flags);
	restore_host(container_of(n, struct uret_cpu, notifier));
	local_irq_restore(flags);
}

/**
 * vmm_uret_register() - have an MSR kept by this file
 * @msr: which
 *
 * Context: module init, may sleep. An MSR that is registered twice keeps its slot.
 * Return: the slot; -ENODEV if this CPU does not have the MSR; -ENOSPC.
 */
int vmm_uret_register(u32 msr)
{
	unsigned int i;
	u64 value;
	int r;

	mutex_lock(&slots_lock);
	for (i = 0; i < nr_slots; i++) {
		if (slot_msr[i] == msr) {
			r = i;
			goto out;
		}
	}
	r = -ENODEV;
	if (rdmsrl_safe(msr, &value) || wrmsrl_safe(msr, value))
		goto out;
	r = -ENOSPC;
	if (nr_slots < MAX_SLOTS) {
		slot_msr[nr_slots] = msr;
		r = nr_slots++;
	}
out:
	mutex_unlock(&slots_lock);
	return r;
}
EXPORT_SYMBOL_GPL(vmm_uret_register);

static void set_value(struct uret_cpu *c, unsigned int slot, u64 value)
{
	u8 bit = BIT(slot);

	if (!(c->known & bit)) {
		rdmsrl(slot_msr[slot], c->host[slot]);
		c->now[slot] = c->host[slot];
		c->known |= bit;
	}
	if (c->now[slot] == value)
		return;
	/* The values were checked when the guest wrote them: no CPU refuses them. */
	if (wrmsrl_safe(slot_msr[slot], value))
		return;
	c->now[slot] = value;
	if (value == c->host[slot]) {
		c->changed &= ~bit;
	} else {
		c->changed |= bit;
		if (!c->registered) {
			c->notifier.on_user_return = on_user_return;
			user_return_notifier_register(&c->notifier);
			c->registered = true;
		}
	}
}

static noinline void set_here(unsigned int slot, u64 value)
{
	unsigned long flags;

	local_irq_save(flags);
	set_value(this_cpu_ptr(&uret_cpu), slot, value);
	local_irq_restore(flags);
}

/**
 * vmm_uret_set() - make this CPU's MSR hold a value until the return to user space
 * @slot: of vmm_uret_register()
 * @value: a value that the CPU does not refuse
 *
 * Context: preemption off. An MSR that already has the value is not written.
 */
void vmm_uret_set(unsigned int slot, u64 value)
{
	if (unlikely(__this_cpu_read(uret_cpu.now[slot]) != value ||
		     !(__this_cpu_read(uret_cpu.known) & BIT(slot))))
		set_here(slot, value);
}
EXPORT_SYMBOL_GPL(vmm_uret_set);

/* This CPU goes down, or the last VM ends. Interrupts off, or on this CPU's hotplug thread. */
void vmm_uret_cpu_off(void)
{
	struct uret_cpu *c;
	unsigned long flags;

	local_irq_save(flags);
	c = this_cpu_ptr(&uret_cpu);
	restore_host(c);
	c->known = 0;		/* read again: the host may give it other values by then */
	local_irq_restore(flags);
}
