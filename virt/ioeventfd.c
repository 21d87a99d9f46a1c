// SPDX-License-Identifier: GPL-2.0
/*
 * ioeventfd: a guest write to a port or an address signals an eventfd, and the
 * guest goes on without an exit to user space. How virtio queues are kicked.
 *
 * Each is a listener on a bus (io_bus.c) and an entry of vm->ioeventfds;
 * slots_lock guards the list. A listener signals while the bus is read under
 * vm->srcu, so after vmm_bus_remove() it may be freed.
 */
#include <linux/eventfd.h>
#include <linux/list.h>
#include <linux/slab.h>

#include <vmm/compat.h>
#include <vmm/io_bus.h>
#include <vmm/vm.h>

#define IOEVENTFD_FLAGS	(VMM_IOEVENTFD_FLAG_DATAMATCH | VMM_IOEVENTFD_FLAG_PIO | \
			 VMM_IOEVENTFD_FLAG_DEASSIGN)

struct ioeventfd {
	struct vmm_io_device dev;
	struct list_head link;		/* S: vm->ioeventfds */
	struct eventfd_ctx *ctx;
	gpa_t addr;
	u64 datamatch;
	u32 len;			/* 0: any */
	u8 bus;
	bool match;			/* only writes of datamatch */
};

static bool matches(const struct ioeventfd *e, gpa_t addr, unsigned int len, const void *val)
{
	__le64 v = 0;

	if (addr != e->addr)
		return false;
	if (!e->len)
		return true;
	if (len != e->len)
		return false;
	if (!e->match)
		return true;
	memcpy(&v, val, len);
	return le64_to_cpu(v) == e->datamatch;
}

static int ioeventfd_write(struct vmm_vcpu *vcpu, struct vmm_io_device *dev, gpa_t addr,
			   unsigned int len, const void *val)
{
	struct ioeventfd *e = container_of(dev, struct ioeventfd, dev);

	if (!matches(e, addr, len, val))
		return -EOPNOTSUPP;
	vmm_eventfd_signal(e->ctx);
	return 0;
}

static void ioeventfd_release(struct vmm_io_device *dev)
{
	struct ioeventfd *e = container_of(dev, struct ioeventfd, dev);

	eventfd_ctx_put(e->ctx);
	kfree(e);
}

static const struct vmm_io_device_ops ioeventfd_ops = {
	.write = ioeventfd_write,
	.release = ioeventfd_release,
};

/* Would one write signal both? Then it would be unclear which. */
static bool collides(struct vmm_vm *vm, const struct ioeventfd *new)
{
	struct ioeventfd *e;

	list_for_each_entry(e, &vm->ioeventfds, link)
		if (e->bus == new->bus && e->addr == new->addr &&
		    (!e->len || !new->len ||
		     (e->len == new->len &&
		      (!e->match || !new->match || e->datamatch == new->datamatch))))
			return true;
	return false;
}

static int assign(struct vmm_vm *vm, const struct vmm_ioeventfd *args, unsigned int bus,
		  struct eventfd_ctx *ctx)
{
	struct ioeventfd *e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	int r = -EEXIST;

	if (!e)
		return -ENOMEM;
	e->dev.ops = &ioeventfd_ops;
	e->ctx = ctx;
	e->addr = args->addr;
	e->len = args->len;
	e->bus = bus;
	e->match = args->flags & VMM_IOEVENTFD_FLAG_DATAMATCH;
	e->datamatch = e->match ? args->datamatch : 0;

	mutex_lock(&vm->slots_lock);
	if (!collides(vm, e))
		r = vmm_bus_add(vm, bus, e->addr, e->len, &e->dev);
	if (!r)
		list_add_tail(&e->link, &vm->ioeventfds);
	mutex_unlock(&vm->slots_lock);
	if (r)
		kfree(e);
	return r;
}

static bool is_same(const struct ioeventfd *e, const struct vmm_ioeventfd *args,
		    unsigned int bus, const struct eventfd_ctx *ctx)
{
	bool match = args->flags & VMM_IOEVENTFD_FLAG_DATAMATCH;

	return e->bus == bus && e->ctx == ctx && e->addr == args->addr &&
	       e->len == args->len && e->match == match &&
	       (!match || e->datamatch == args->datamatch);
}

static int deassign(struct vmm_vm *vm, const struct vmm_ioeventfd *args, unsigned int bus,
		    struct eventfd_ctx *ctx)
{
	struct ioeventfd *e;
	int r = -ENOENT;

	mutex_lock(&vm->slots_lock);
	list_for_each_entry(e, &vm->ioeventfds, link) {
		if (!is_same(e, args, bus, ctx))
			continue;
		vmm_bus_remove(vm, bus, &e->dev);
		list_del(&e->link);
		ioeventfd_release(&e->dev);
		r = 0;
		break;
	}
	mutex_unlock(&vm->slots_lock);
	return r;
}

static bool args_valid(const struct vmm_ioeventfd *args)
{
	if (args->flags & ~IOEVENTFD_FLAGS)
		return false;
	if (args->len > 8 || (args->len && !is_power_of_2(args->len)))
		return false;
	if (args->addr + args->len < args->addr)
		return false;
	/* A write of any length has no value to compare. */
	return args->len || !(args->flags & VMM_IOEVENTFD_FLAG_DATAMATCH);
}

/**
 * vmm_ioeventfd() - VMM_IOEVENTFD: add one, or remove it (DEASSIGN)
 * @vm: VM
 * @args: already copied from user space
 *
 * Context: may sleep; takes slots_lock.
 * Return: 0; -EINVAL: flags, length, a range that wraps, or @fd is not an
 * eventfd; -EBADF: no such fd; -EEXIST: a write would signal two; -ENOENT:
 * nothing like it to remove; -ENOMEM.
 */
int vmm_ioeventfd(struct vmm_vm *vm, const struct vmm_ioeventfd *args)
{
	unsigned int bus = args->flags & VMM_IOEVENTFD_FLAG_PIO ? VMM_BUS_PIO : VMM_BUS_MMIO;
	bool remove = args->flags & VMM_IOEVENTFD_FLAG_DEASSIGN;
	struct eventfd_ctx *ctx;
	int r;

	if (!args_valid(args))
		return -EINVAL;
	ctx = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	r = remove ? deassign(vm, args, bus, ctx) : assign(vm, args, bus, ctx);
	/* A successful assign keeps the reference. */
	if (remove || r)
		eventfd_ctx_put(ctx);
	return r;
}
