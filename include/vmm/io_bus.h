/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners in the kernel on guest port and memory ranges (ioeventfds now,
 * devices later): virt/io_bus.c. A bus is an immutable sorted array, replaced
 * under slots_lock and read under vm->srcu.
 */
#ifndef _VMM_IO_BUS_H
#define _VMM_IO_BUS_H

#include <linux/types.h>
#include <vmm/vm.h>

enum { VMM_BUS_PIO, VMM_BUS_MMIO };

struct vmm_io_device;
struct vmm_io_device_ops {
	/* 0 handled, -EOPNOTSUPP not this one: go on. srcu held, may sleep. */
	int (*read)(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		    unsigned int len, void *val);
	int (*write)(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
		     unsigned int len, const void *val);
	void (*release)(struct vmm_io_device *dev);	/* VM destroyed */
};

struct vmm_io_device {
	const struct vmm_io_device_ops *ops;
};

int __vmm_bus_read(struct vmm_vcpu *vcpu, unsigned int bus, gpa_t addr,
		   unsigned int len, void *val);
int __vmm_bus_write(struct vmm_vcpu *vcpu, unsigned int bus, gpa_t addr,
		    unsigned int len, const void *val);
bool __vmm_bus_listens(struct vmm_vcpu *vcpu, unsigned int bus, gpa_t addr, unsigned int len);

/*
 * 0 handled by a listener; -EOPNOTSUPP: nobody (user space's turn). srcu held.
 * A write of length 0 reaches only listeners to which length and value do not
 * matter: for an exit whose instruction was not decoded.
 */
static inline int vmm_bus_read(struct vmm_vcpu *vcpu, unsigned int bus, gpa_t addr,
			       unsigned int len, void *val)
{
	if (likely(!rcu_access_pointer(vcpu->vm->bus[bus])))
		return -EOPNOTSUPP;
	return __vmm_bus_read(vcpu, bus, addr, len, val);
}

static inline int vmm_bus_write(struct vmm_vcpu *vcpu, unsigned int bus, gpa_t addr,
				unsigned int len, const void *val)
{
	if (likely(!rcu_access_pointer(vcpu->vm->bus[bus])))
		return -EOPNOTSUPP;
	return __vmm_bus_write(vcpu, bus, addr, len, val);
}

/* Is there a listener to such accesses, whatever they write? srcu held. */
static inline bool vmm_bus_listens(struct vmm_vcpu *vcpu, unsigned int bus, gpa_t addr,
				   unsigned int len)
{
	return rcu_access_pointer(vcpu->vm->bus[bus]) && __vmm_bus_listens(vcpu, bus, addr, len);
}

/* slots_lock held. Both wait for a grace period, unless the bus was empty. add: 0, -ENOMEM. */
int vmm_bus_add(struct vmm_vm *vm, unsigned int bus, gpa_t addr, unsigned int len,
		struct vmm_io_device *dev);
void vmm_bus_remove(struct vmm_vm *vm, unsigned int bus, struct vmm_io_device *dev);
int vmm_bus_init(struct vmm_vm *vm);
void vmm_bus_destroy(struct vmm_vm *vm);

struct vmm_ioeventfd;
int vmm_ioeventfd(struct vmm_vm *vm, const struct vmm_ioeventfd *args);

#endif
