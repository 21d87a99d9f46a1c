// SPDX-License-Identifier: GPL-2.0
/*
 * Coalesced I/O: guest writes to ranges where nothing depends on their moment (a
 * graphics window, a register that selects another) are queued in a ring that the
 * VMM drains at its next exit or when it likes, instead of an exit for each.
 *
 * One ring a VM, a page that every vCPU's mapping shows; vcpu_fault() in vcpu.c
 * maps it. User space moves ring->first and may write anything else there too, so
 * the kernel keeps its own index. Zones are listeners on the buses (io_bus.c);
 * slots_lock guards their list, ring_lock the ring.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vmm/coalesced.h>
#include <vmm/io_bus.h>
#include <vmm/vm.h>

#define RING_ENTRIES							\
	((PAGE_SIZE - sizeof(struct vmm_coalesced_mmio_ring)) /		\
	 sizeof(struct vmm_coalesced_mmio))

struct vmm_coalesced {
	struct vmm_coalesced_mmio_ring *ring;	/* I: a page; content A, shared with user space */
	spinlock_t ring_lock;
	u32 last;				/* ring_lock: where the next write goes */
	struct list_head zones;			/* S */
};

struct range_zone {
	struct vmm_io_device dev;
	struct list_head link;			/* S */
	struct vmm_coalesced *coalesced;
	gpa_t addr;
	u32 size;
	u32 pio;				/* 0 or 1 */
};

/* -EOPNOTSUPP, an exit to user space, where the ring is full: it drains it then. */
static int zone_write(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		      unsigned int len, const void *val)
{
	struct range_zone *zone = container_of(dev, struct range_zone, dev);
	struct vmm_coalesced *c = zone->coalesced;
	struct vmm_coalesced_mmio *entry;
	int r = -EOPNOTSUPP;
	u32 first, next;

	if (!len || len > sizeof(entry->data))
		return r;
	spin_lock(&c->ring_lock);
	next = (c->last + 1) % RING_ENTRIES;
	/* Pairs with user space's reading of an entry before it moves first. */
	first = smp_load_acquire(&c->ring->first);
	/* An index that is none is taken for full: the VMM hears of it. */
	if (first < RING_ENTRIES && next != first) {
		entry = &c->ring->coalesced_mmio[c->last];
		entry->phys_addr = addr;
		entry->len = len;
		memcpy(entry->data, val, len);
		entry->pio = zone->pio;
		/* The entry before the index that shows it. */
		smp_store_release(&c->ring->last, next);
		c->last = next;
		r = 0;
	}
	spin_unlock(&c->ring_lock);
	return r;
}

static void zone_release(struct vmm_io_device *dev)
{
	kfree(container_of(dev, struct range_zone, dev));
}

static const struct vmm_io_device_ops zone_ops = {
	.write = zone_write,
	.release = zone_release,
};

static unsigned int zone_bus(u32 pio)
{
	return pio ? VMM_BUS_PIO : VMM_BUS_MMIO;
}

static int zone_add(struct vmm_vm *vm, const struct vmm_coalesced_mmio_zone *args)
{
	struct range_zone *zone = kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT);
	int r;

	if (!zone)
		return -ENOMEM;
	zone->dev.ops = &zone_ops;
	zone->coalesced = vm->coalesced;
	zone->addr = args->addr;
	zone->size = args->size;
	zone->pio = args->pio;

	mutex_lock(&vm->slots_lock);
	r = vmm_bus_add(vm, zone_bus(zone->pio), zone->addr, zone->size, &zone->dev);
	if (!r)
		list_add_tail(&zone->link, &vm->coalesced->zones);
	mutex_unlock(&vm->slots_lock);
	if (r)
		kfree(zone);
	return r;
}

static bool zone_covers(const struct range_zone *zone, const struct vmm_coalesced_mmio_zone *args)
{
	u64 at = args->addr - zone->addr;

	return zone->pio == args->pio && args->addr >= zone->addr &&
	       at <= zone->size && args->size <= zone->size - at;
}

/* Every zone that covers the range goes; there may be none. */
static void zones_remove(struct vmm_vm *vm, const struct vmm_coalesced_mmio_zone *args)
{
	struct range_zone *zone, *next;

	mutex_lock(&vm->slots_lock);
	list_for_each_entry_safe(zone, next, &vm->coalesced->zones, link) {
		if (!zone_covers(zone, args))
			continue;
		vmm_bus_remove(vm, zone_bus(zone->pio), &zone->dev);
		list_del(&zone->link);
		zone_release(&zone->dev);
	}
	mutex_unlock(&vm->slots_lock);
}

/**
 * vmm_coalesced_zone() - VMM_REGISTER_COALESCED_MMIO, VMM_UNREGISTER_COALESCED_MMIO
 * @vm: VM
 * @arg: struct vmm_coalesced_mmio_zone in user space
 * @add: register
 *
 * Context: may sleep; takes slots_lock.
 * Return: 0, also if there was nothing to unregister; -EINVAL: @pio is neither 0 nor 1,
 * an empty range or one that wraps; -EFAULT; -ENOMEM.
 */
long vmm_coalesced_zone(struct vmm_vm *vm, struct vmm_coalesced_mmio_zone __user *arg, bool add)
{
	struct vmm_coalesced_mmio_zone args;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (args.pio > 1 || !args.size || args.addr + args.size - 1 < args.addr)
		return -EINVAL;
	if (add)
		return zone_add(vm, &args);
	zones_remove(vm, &args);
	return 0;
}

struct page *vmm_coalesced_page(struct vmm_vm *vm)
{
	return virt_to_page(vm->coalesced->ring);
}

int vmm_coalesced_init(struct vmm_vm *vm)
{
	struct vmm_coalesced *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c)
		return -ENOMEM;
	c->ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!c->ring) {
		kfree(c);
		return -ENOMEM;
	}
	spin_lock_init(&c->ring_lock);
	INIT_LIST_HEAD(&c->zones);
	vm->coalesced = c;
	return 0;
}

/* The zones went with the buses. User space may still map the page: it has its count. */
void vmm_coalesced_destroy(struct vmm_vm *vm)
{
	free_page((unsigned long)vm->coalesced->ring);
	kfree(vm->coalesced);
}
