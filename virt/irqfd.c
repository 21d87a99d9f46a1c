// SPDX-License-Identifier: GPL-2.0
/*
 * irqfd: an eventfd whose signal raises a GSI, without a thread that waits for it.
 * How a device in another thread, process or kernel driver interrupts the guest.
 *
 * We are a waiter on the eventfd's queue. Its wake-up comes with that queue's lock
 * held and interrupts off, possibly from a hard interrupt; vmm_set_irq() can be
 * called from there, so the interrupt is on its way when the signal returns.
 *
 * With a resample eventfd the GSI is a level-triggered line that several irqfds
 * share: a signal raises it, the guest's EOI lowers it and signals the resample
 * eventfds, and a device that still wants service signals again.
 *
 * Life: vmm_irqfd() adds one to irqs->irqfds. It leaves the list by DEASSIGN, when
 * the eventfd's last descriptor is closed (EPOLLHUP, in the same atomic context), or
 * with the VM; who takes it off the list queues its shutdown on irqfd_wq.
 * irqfd_mutex lets an irqfd be complete before it can be taken away.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <vmm/compat.h>
#include <vmm/irq.h>

/* The irqfds that share a level-triggered GSI. */
struct resampler {
	struct vmm_vm *vm;
	struct list_head link;			/* E: irqs->resamplers */
	struct list_head irqfds;		/* E, srcu */
	struct vmm_irq_ack ack;
};

struct irqfd {
	struct vmm_vm *vm;
	struct eventfd_ctx *ctx;
	u32 gsi;
	struct list_head link;			/* F: irqs->irqfds; empty: being shut down */
	wait_queue_entry_t wait;
	poll_table pt;
	struct work_struct shutdown;

	struct eventfd_ctx *resample_ctx;	/* NULL: edges */
	struct resampler *resampler;
	struct list_head resampler_link;	/* E, srcu */
};

static struct workqueue_struct *irqfd_wq;

/* --- resampling --- */

/* The guest's EOI; irqs->srcu held. */
static void resample(struct vmm_irq_ack *ack)
{
	struct resampler *rs = container_of(ack, struct resampler, ack);
	struct irqfd *irqfd;

	vmm_set_irq(rs->vm, VMM_IRQ_RESAMPLE, ack->gsi, false);
	list_for_each_entry_srcu(irqfd, &rs->irqfds, resampler_link,
				 srcu_read_lock_held(&rs->vm->irqs->srcu))
		vmm_eventfd_signal(irqfd->resample_ctx);
}

static struct resampler *find_resampler(struct vmm_irqs *irqs, u32 gsi)
{
	struct resampler *rs;

	list_for_each_entry(rs, &irqs->resamplers, link)
		if (rs->ack.gsi == gsi)
			return rs;
	return NULL;
}

/* irqfd_mutex held. */
static int resampler_join(struct irqfd *irqfd)
{
	struct vmm_irqs *irqs = irqfd->vm->irqs;
	struct resampler *rs = find_resampler(irqs, irqfd->gsi);

	if (!rs) {
		rs = kzalloc(sizeof(*rs), GFP_KERNEL_ACCOUNT);
		if (!rs)
			return -ENOMEM;
		rs->vm = irqfd->vm;
		rs->ack.gsi = irqfd->gsi;
		rs->ack.acked = resample;
		INIT_LIST_HEAD(&rs->irqfds);
		list_add(&rs->link, &irqs->resamplers);
		vmm_ack_add(irqfd->vm, &rs->ack);
	}
	irqfd->resampler = rs;
	list_add_rcu(&irqfd->resampler_link, &rs->irqfds);
	return 0;
}

static void resampler_leave(struct irqfd *irqfd)
{
	struct resampler *rs = irqfd->resampler;
	struct vmm_irqs *irqs = irqfd->vm->irqs;

	mutex_lock(&irqs->irqfd_mutex);
	list_del_rcu(&irqfd->resampler_link);
	synchronize_srcu_expedited(&irqs->srcu);
	if (list_empty(&rs->irqfds)) {
		list_del(&rs->link);
		vmm_ack_del(irqfd->vm, &rs->ack);
		/* Nobody else will: there is no EOI to wait for any more. */
		vmm_set_irq(irqfd->vm, VMM_IRQ_RESAMPLE, irqfd->gsi, false);
		kfree(rs);
	}
	mutex_unlock(&irqs->irqfd_mutex);
}

/* --- end --- */

static void irqfd_free(struct irqfd *irqfd)
{
	if (irqfd->resample_ctx)
		eventfd_ctx_put(irqfd->resample_ctx);
	eventfd_ctx_put(irqfd->ctx);
	kfree(irqfd);
}

static void shutdown_work(struct work_struct *work)
{
	struct irqfd *irqfd = container_of(work, struct irqfd, shutdown);
	u64 count;

	/* The assignment that made it may still be at it. */
	mutex_lock(&irqfd->vm->irqs->irqfd_mutex);
	mutex_unlock(&irqfd->vm->irqs->irqfd_mutex);
	/* From here on it is not signalled any more. */
	eventfd_ctx_remove_wait_queue(irqfd->ctx, &irqfd->wait, &count);
	if (irqfd->resampler)
		resampler_leave(irqfd);
	irqfd_free(irqfd);
}

/* irqfds_lock held: once only. */
static void deactivate(struct irqfd *irqfd)
{
	if (list_empty(&irqfd->link))
		return;
	list_del_init(&irqfd->link);
	queue_work(irqfd_wq, &irqfd->shutdown);
}

/* --- the signal --- */

static void raise_irq(struct irqfd *irqfd)
{
	if (irqfd->resampler)
		vmm_set_irq(irqfd->vm, VMM_IRQ_RESAMPLE, irqfd->gsi, true);
	else
		vmm_pulse_irq(irqfd->vm, VMM_IRQ_USER, irqfd->gsi);
}

/* The eventfd's queue is locked, interrupts are off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	int taken = 0;
	u64 count;

	if (events & EPOLLIN) {
		/* The count is ours: the next signal must be one too. */
		eventfd_ctx_do_read(irqfd->ctx, &count);
		raise_irq(irqfd);
		taken = 1;
	}
	if (events & EPOLLHUP) {
		struct vmm_irqs *irqs = irqfd->vm->irqs;
		unsigned long flags;

		spin_lock_irqsave(&irqs->irqfds_lock, flags);
		deactivate(irqfd);
		spin_unlock_irqrestore(&irqs->irqfds_lock, flags);
	}
	return taken;
}

static void irqfd_queue_proc(struct file *file, wait_queue_head_t *wqh, poll_table *pt)
{
	struct irqfd *irqfd = container_of(pt, struct irqfd, pt);

	add_wait_queue_priority(wqh, &irqfd->wait);
}

/* --- VMM_IRQFD --- */

/* irqfd_mutex held: none is added meanwhile. */
static bool ctx_in_use(struct vmm_irqs *irqs, const struct eventfd_ctx *ctx)
{
	struct irqfd *irqfd;
	bool found = false;

	spin_lock_irq(&irqs->irqfds_lock);
	list_for_each_entry(irqfd, &irqs->irqfds, link)
		found |= irqfd->ctx == ctx;
	spin_unlock_irq(&irqs->irqfds_lock);
	return found;
}

/* irqfd_mutex held; the file keeps EPOLLHUP away. */
static int activate(struct irqfd *irqfd, struct file *file)
{
	struct vmm_irqs *irqs = irqfd->vm->irqs;
	int r;

	if (ctx_in_use(irqs, irqfd->ctx))
		return -EBUSY;
	if (irqfd->resample_ctx) {
		r = resampler_join(irqfd);
		if (r)
			return r;
	}
	spin_lock_irq(&irqs->irqfds_lock);
	list_add_tail(&irqfd->link, &irqs->irqfds);
	spin_unlock_irq(&irqs->irqfds_lock);

	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->pt, irqfd_queue_proc);
	/* It may have been signalled before we listened. */
	if (vfs_poll(file, &irqfd->pt) & EPOLLIN)
		raise_irq(irqfd);
	return 0;
}

/* The irqfd with references to its eventfds. */
static struct irqfd *irqfd_alloc(struct vmm_vm *vm, const struct vmm_irqfd *args,
				 struct file *file)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	struct eventfd_ctx *ctx;

	if (!irqfd)
		return ERR_PTR(-ENOMEM);
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;
	INIT_LIST_HEAD(&irqfd->link);
	INIT_WORK(&irqfd->shutdown, shutdown_work);
	ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(ctx))
		goto err;
	irqfd->ctx = ctx;
	if (args->flags & VMM_IRQFD_FLAG_RESAMPLE) {
		ctx = eventfd_ctx_fdget(args->resamplefd);
		if (IS_ERR(ctx)) {
			eventfd_ctx_put(irqfd->ctx);
			goto err;
		}
		irqfd->resample_ctx = ctx;
	}
	return irqfd;
err:
	kfree(irqfd);
	return ERR_CAST(ctx);
}

static int assign(struct vmm_vm *vm, const struct vmm_irqfd *args)
{
	struct vmm_irqs *irqs = vm->irqs;
	struct file *file = fget(args->fd);
	struct irqfd *irqfd;
	int r;

	if (!file)
		return -EBADF;
	irqfd = irqfd_alloc(vm, args, file);
	if (IS_ERR(irqfd)) {
		r = PTR_ERR(irqfd);
		goto out;
	}
	mutex_lock(&irqs->irqfd_mutex);
	r = activate(irqfd, file);
	mutex_unlock(&irqs->irqfd_mutex);
	if (r)
		irqfd_free(irqfd);
out:
	fput(file);
	return r;
}

/* Nothing is raised by it any more when this returns. */
static int deassign(struct vmm_vm *vm, const struct vmm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(args->fd);
	struct vmm_irqs *irqs = vm->irqs;
	struct irqfd *irqfd, *next;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	spin_lock_irq(&irqs->irqfds_lock);
	list_for_each_entry_safe(irqfd, next, &irqs->irqfds, link)
		if (irqfd->ctx == ctx && irqfd->gsi == args->gsi)
			deactivate(irqfd);
	spin_unlock_irq(&irqs->irqfds_lock);
	eventfd_ctx_put(ctx);
	flush_workqueue(irqfd_wq);
	return 0;
}

/**
 * vmm_irqfd() - VMM_IRQFD: add one, or remove it (DEASSIGN)
 * @vm: VM
 * @arg: struct vmm_irqfd in user space
 *
 * Context: may sleep.
 * Return: 0, also if there was nothing to remove; -EINVAL: flags, GSI, no interrupt
 * controller in the kernel (with RESAMPLE: no I/O APIC), or no eventfd; -EBADF: no such
 * fd; -EBUSY: this VM listens to the eventfd already; -EFAULT; -ENOMEM.
 */
long vmm_irqfd(struct vmm_vm *vm, struct vmm_irqfd __user *arg)
{
	struct vmm_irqfd args;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (args.flags & ~(VMM_IRQFD_FLAG_DEASSIGN | VMM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (!vmm_irqs(vm) || args.gsi >= VMM_MAX_IRQ_ROUTES)
		return -EINVAL;
	if (args.flags & VMM_IRQFD_FLAG_DEASSIGN)
		return deassign(vm, &args);
	if ((args.flags & VMM_IRQFD_FLAG_RESAMPLE) && !vmm_arch_can_resample(vm))
		return -EINVAL;
	return assign(vm, &args);
}

void vmm_irqfd_shutdown(struct vmm_vm *vm)
{
	struct vmm_irqs *irqs = vm->irqs;
	struct irqfd *irqfd, *next;

	if (!irqs)
		return;
	spin_lock_irq(&irqs->irqfds_lock);
	list_for_each_entry_safe(irqfd, next, &irqs->irqfds, link)
		deactivate(irqfd);
	spin_unlock_irq(&irqs->irqfds_lock);
	/* Those that an EPOLLHUP took off the list before are queued as well. */
	flush_workqueue(irqfd_wq);
}

int vmm_irqfd_init(void)
{
	irqfd_wq = alloc_workqueue("vmm-irqfd", WQ_UNBOUND, 0);
	return irqfd_wq ? 0 : -ENOMEM;
}

void vmm_irqfd_exit(void)
{
	destroy_workqueue(irqfd_wq);
}
