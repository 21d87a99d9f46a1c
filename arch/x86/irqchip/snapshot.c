// SPDX-License-Identifier: GPL-2.0
/*
 * The PIC pair's, the I/O APIC's and the PIT's part of a snapshot. virt/snapshot.c
 * calls this with vm->lock, slots_lock and the mutexes of all vCPUs held.
 *
 * The PIT stands still from before the first vCPU is looked at until after the last
 * one: a tick is then either in all of PIT, I/O APIC and local APIC, or in none. What
 * the VMM's own threads and eventfds send meanwhile may be in some of them only.
 */
#include <linux/slab.h>

#include <irqchip/chips.h>

struct vmm_chips_snapshot {
	struct vmm_pic_snapshot pic;
	struct vmm_ioapic_snapshot ioapic;
	bool has_pit;
	struct vmm_pit_snapshot pit;
};

static struct vmm_pit *get_pit(struct vmm_vm *vm)
{
	return vm->arch.irqchips ? smp_load_acquire(&vm->arch.irqchips->pit) : NULL;
}

void vmm_arch_snapshot_pause(struct vmm_vm *vm)
{
	struct vmm_pit *pit = get_pit(vm);

	if (pit)
		vmm_pit_pause(pit);
}

void vmm_arch_snapshot_go_on(struct vmm_vm *vm)
{
	struct vmm_pit *pit = get_pit(vm);

	if (pit)
		vmm_pit_go_on(pit);
}

int vmm_arch_snapshot_mark_vm(struct vmm_vm *vm)
{
	struct vmm_irqchips *chips = vm->arch.irqchips;
	struct vmm_chips_snapshot *s;

	if (!chips)
		return 0;
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	vmm_pic_mark(&chips->pic, &s->pic);
	vmm_ioapic_mark(&chips->ioapic, &s->ioapic);
	s->has_pit = get_pit(vm);
	if (s->has_pit)
		vmm_pit_mark(chips->pit, &s->pit);
	chips->snapshot = s;
	return 0;
}

void vmm_arch_snapshot_restore_vm(struct vmm_vm *vm)
{
	struct vmm_irqchips *chips = vm->arch.irqchips;
	const struct vmm_chips_snapshot *s = chips ? chips->snapshot : NULL;

	if (!s)
		return;
	vmm_pic_restore(&chips->pic, &s->pic);
	vmm_ioapic_restore(&chips->ioapic, &s->ioapic);
	/* One that came later is in no marked state. */
	if (s->has_pit)
		vmm_pit_restore(chips->pit, &s->pit);
}

void vmm_arch_snapshot_free_vm(struct vmm_vm *vm)
{
	if (!vm->arch.irqchips)
		return;
	kfree(vm->arch.irqchips->snapshot);
	vm->arch.irqchips->snapshot = NULL;
}
