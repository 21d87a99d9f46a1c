// SPDX-License-Identifier: GPL-2.0
/*
 * Buses: which listeners in the kernel hear guest port and memory accesses.
 * Emulation (arch/x86/io.c) asks here before it bothers user space.
 *
 * A bus is an immutable array sorted by address, replaced as a whole under
 * slots_lock and read under vm->srcu. An empty bus is a NULL pointer, so that
 * a VM without listeners pays one test an exit.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include <vmm/io_bus.h>
#include <vmm/vm.h>

/* One listener; len 0: accesses of any length at exactly this address. */
struct bus_range {
	gpa_t addr;
	unsigned int len;
	struct vmm_io_device *dev;	/* &deaf in place of one that went: read once */
};

struct vmm_io_bus {
	unsigned int nr;
	unsigned int max_len;		/* of the longest range, at least 1 */
	struct bus_range range[];
};

static struct vmm_io_bus *bus_locked(struct vmm_vm *vm, unsigned int bus)
{
	return rcu_dereference_protected(vm->bus[bus], lockdep_is_held(&vm->slots_lock));
}

int vmm_bus_init(struct vmm_vm *vm)
{
	INIT_LIST_HEAD(&vm->ioeventfds);
	return 0;
}

/* The VM's last user is gone. */
void vmm_bus_destroy(struct vmm_vm *vm)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(vm->bus); i++) {
		struct vmm_io_bus *bus = rcu_dereference_protected(vm->bus[i], true);

		for (j = 0; bus && j < bus->nr; j++)
			bus->range[j].dev->ops->release(bus->range[j].dev);
		kvfree(bus);
	}
}

/* Index of the first range that begins at or above addr. */
static unsigned int lower_bound(const struct vmm_io_bus *bus, gpa_t addr)
{
	unsigned int lo = 0, hi = bus->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (bus->range[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool reaches(const struct bus_range *r, gpa_t addr, unsigned int len)
{
	if (!r->len || !len)
		return addr == r->addr;
	return addr - r->addr < r->len && len <= r->len - (addr - r->addr);
}

/* Ranges may overlap: start where the longest could begin that reaches addr. */
static unsigned int first_candidate(const struct vmm_io_bus *bus, gpa_t addr)
{
	return lower_bound(bus, addr < bus->max_len ? 0 : addr - bus->max_len + 1);
}

int __vmm_bus_read(struct vmm_vcpu *vcpu, unsigned int nr, gpa_t addr,
		   unsigned int len, void *val)
{
	struct vmm_io_bus *bus = srcu_dereference(vcpu->vm->bus[nr], &vcpu->vm->srcu);
	const struct bus_range *r;
	struct vmm_io_device *dev;
	unsigned int i;

	if (!bus)
		return -EOPNOTSUPP;
	for (i = first_candidate(bus, addr); i < bus->nr; i++) {
		r = &bus->range[i];
		if (r->addr > addr)
			break;
		dev = READ_ONCE(r->dev);
		if (reaches(r, addr, len) && dev->ops->read &&
		    !dev->ops->read(vcpu, dev, addr, len, val))
			return 0;
	}
	return -EOPNOTSUPP;
}

int __vmm_bus_write(struct vmm_vcpu *vcpu, unsigned int nr, gpa_t addr,
		    unsigned int len, const void *val)
{
	struct vmm_io_bus *bus = srcu_dereference(vcpu->vm->bus[nr], &vcpu->vm->srcu);
	const struct bus_range *r;
	struct vmm_io_device *dev;
	unsigned int i;

	if (!bus)
		return -EOPNOTSUPP;
	for (i = first_candidate(bus, addr); i < bus->nr; i++) {
		r = &bus->range[i];
		if (r->addr > addr)
			break;
		dev = READ_ONCE(r->dev);
		if (reaches(r, addr, len) && dev->ops->write &&
		    !dev->ops->write(vcpu, dev, addr, len, val))
			return 0;
	}
	return -EOPNOTSUPP;
}

bool __vmm_bus_listens(struct vmm_vcpu *vcpu, unsigned int nr, gpa_t addr, unsigned int len)
{
	struct vmm_io_bus *bus = srcu_dereference(vcpu->vm->bus[nr], &vcpu->vm->srcu);
	unsigned int i;

	for (i = bus ? first_candidate(bus, addr) : 0; bus && i < bus->nr; i++) {
		if (bus->range[i].addr > addr)
			break;
		if (reaches(&bus->range[i], addr, len))
			return true;
	}
	return false;
}

static struct vmm_io_bus *alloc_bus(unsigned int nr)
{
	struct vmm_io_bus *bus = kvmalloc(struct_size(bus, range, nr), GFP_KERNEL_ACCOUNT);

	if (bus) {
		bus->nr = nr;
		bus->max_len = 1;
	}
	return bus;
}

/* Publish, wait until nobody reads the old one, free it. */
static void replace_bus(struct vmm_vm *vm, unsigned int nr, struct vmm_io_bus *new)
{
	struct vmm_io_bus *old = bus_locked(vm, nr);

	rcu_assign_pointer(vm->bus[nr], new);
	if (!old)
		return;
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(old);
}

/**
 * vmm_bus_add() - let a listener hear [addr, addr + len)
 * @vm: VM
 * @nr: VMM_BUS_*
 * @addr: first address
 * @len: bytes; 0: accesses of any length at @addr
 * @dev: the listener
 *
 * Context: slots_lock held, may sleep. Return: 0, -ENOMEM.
 */
int vmm_bus_add(struct vmm_vm *vm, unsigned int nr, gpa_t addr, unsigned int len,
		struct vmm_io_device *dev)
{
	struct vmm_io_bus *old = bus_locked(vm, nr), *new;
	unsigned int at;

	new = alloc_bus(old ? old->nr + 1 : 1);
	if (!new)
		return -ENOMEM;
	at = old ? lower_bound(old, addr) : 0;
	if (old) {
		memcpy(new->range, old->range, at * sizeof(old->range[0]));
		memcpy(new->range + at + 1, old->range + at,
		       (old->nr - at) * sizeof(old->range[0]));
		new->max_len = old->max_len;
	}
	new->range[at] = (struct bus_range){ .addr = addr, .len = len, .dev = dev };
	new->max_len = max(new->max_len, len);
	replace_bus(vm, nr, new);
	return 0;
}

/* Stands where a listener was that there was no memory to remove. */
static void deaf_release(struct vmm_io_device *dev)
{
}

static const struct vmm_io_device_ops deaf_ops = { .release = deaf_release };
static struct vmm_io_device deaf = { .ops = &deaf_ops };

static void deafen(struct vmm_vm *vm, struct vmm_io_bus *bus, const struct vmm_io_device *dev)
{
	unsigned int i;

	for (i = 0; i < bus->nr; i++)
		if (bus->range[i].dev == dev)
			WRITE_ONCE(bus->range[i].dev, &deaf);
	synchronize_srcu_expedited(&vm->srcu);
}

/**
 * vmm_bus_remove() - the listener hears nothing any more when this returns
 * @vm: VM
 * @nr: VMM_BUS_*
 * @dev: the listener, which vmm_bus_add() was given
 *
 * Context: slots_lock held, may sleep.
 */
void vmm_bus_remove(struct vmm_vm *vm, unsigned int nr, struct vmm_io_device *dev)
{
	struct vmm_io_bus *old = bus_locked(vm, nr), *new = NULL;
	unsigned int i, n = 0;

	if (old->nr > 1) {
		new = alloc_bus(old->nr - 1);
		if (!new) {
			deafen(vm, old, dev);
			return;
		}
		for (i = 0; i < old->nr; i++) {
			if (old->range[i].dev == dev)
				continue;
			new->max_len = max(new->max_len, old->range[i].len);
			new->range[n++] = old->range[i];
		}
	}
	replace_bus(vm, nr, new);
}
