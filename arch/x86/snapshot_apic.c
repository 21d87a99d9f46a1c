// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's part of a vCPU's snapshot: its registers, what waits in it, and
 * its timer with the time that was left. arch/x86/snapshot.c calls this, with
 * vcpu->mutex held and the vCPU loaded, so nothing but messages from other threads
 * and the timer's callback can touch the APIC.
 *
 * A TSC deadline is a time, which goes on: it stays, and fires when it has passed.
 */
#include <linux/ktime.h>
#include <linux/slab.h>

#include <vmm/guest_memory.h>
#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/x86.h>

/**
 * struct vmm_apic_snapshot - a local APIC as it was
 * @apic: all of it but @apic.timer.timer
 * @left: until the timer fires, if it runs
 */
struct vmm_apic_snapshot {
	struct vmm_lapic apic;
	ktime_t left;
};

void vmm_apic_snapshot_free(struct vmm_vcpu *vcpu)
{
	kfree(vcpu->arch.apic->snapshot);
	vcpu->arch.apic->snapshot = NULL;
}

/**
 * vmm_apic_snapshot_mark() - remember the APIC
 * @vcpu: the vCPU, loaded; its own state is remembered afterwards
 *
 * Return: 0, -ENOMEM.
 */
int vmm_apic_snapshot_mark(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	struct vmm_apic_snapshot *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	bool running;
	int idx;

	if (!s)
		return -ENOMEM;
	/* What is on its way arrives first. */
	vmm_take_apic_nmis(vcpu);
	idx = srcu_read_lock(&vcpu->vm->srcu);
	vmm_pv_eoi_sync(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	running = vmm_apic_timer_pause(apic);
	s->apic = *apic;
	s->apic.timer.running = running;
	if (running) {
		s->left = ktime_sub(apic->timer.expires, ktime_get());
		vmm_apic_timer_go_on(apic);
	}
	vmm_apic_snapshot_free(vcpu);
	apic->snapshot = s;
	return 0;
}

static void restore_bitmap(unsigned long *to, const unsigned long *from)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(VMM_NR_VECTORS); i++)
		WRITE_ONCE(to[i], from[i]);
}

/* Is the APIC found under other IDs than those that senders know? */
static bool ids_differ(const struct vmm_lapic *a, const struct vmm_lapic *b)
{
	return a->x2apic != b->x2apic || apic_get(a, APIC_ID) != apic_get(b, APIC_ID) ||
	       apic_get(a, APIC_LDR) != apic_get(b, APIC_LDR) ||
	       apic_get(a, APIC_DFR) != apic_get(b, APIC_DFR);
}

static void restore_registers(struct vmm_lapic *apic, const struct vmm_lapic *from)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(apic->reg); i++)
		WRITE_ONCE(apic->reg[i], from->reg[i]);
	restore_bitmap(apic->irr, from->irr);
	restore_bitmap(apic->tmr, from->tmr);
	restore_bitmap(apic->isr, from->isr);
	WRITE_ONCE(apic->enabled, from->enabled);
	WRITE_ONCE(apic->x2apic, from->x2apic);
	WRITE_ONCE(apic->events, from->events);
	WRITE_ONCE(apic->sipi_vector, from->sipi_vector);
	atomic_set(&apic->nmis, 0);
	apic->esr_next = from->esr_next;
	apic->ext_vector = from->ext_vector;
}

static void request_what_waits(struct vmm_vcpu *vcpu)
{
	if (vcpu->arch.apic->events)
		vmm_request(vcpu, VMM_REQ_APIC);
	if (vcpu->arch.mp_state != VMM_MP_STATE_RUNNABLE)
		vmm_request(vcpu, VMM_REQ_WAIT);
	vmm_request(vcpu, VMM_REQ_SCAN_IOAPIC);
	/* RUN does not end before user space has heard of it. */
	clear_bit(VMM_REQ_IOAPIC_EOI_EXIT, &vcpu->requests);
}

/**
 * vmm_apic_snapshot_restore() - the APIC as it was marked
 * @vcpu: the vCPU, loaded; all else of it has been restored
 * @old_base: MSR_IA32_APICBASE before that
 */
void vmm_apic_snapshot_restore(struct vmm_vcpu *vcpu, u64 old_base)
{
	struct vmm_lapic *apic = vcpu->arch.apic;
	const struct vmm_apic_snapshot *s = apic->snapshot;
	bool other_ids = old_base != vcpu->arch.apic_base || ids_differ(apic, &s->apic);

	vmm_apic_timer_stop(apic);
	restore_registers(apic, &s->apic);
	vmm_apic_timer_resume(apic, &s->apic.timer, s->left);
	request_what_waits(vcpu);
	if (other_ids)
		vmm_apic_map_update(vcpu->vm);
}
