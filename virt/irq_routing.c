// SPDX-License-Identifier: GPL-2.0
/*
 * The GSI routing table: from a global system interrupt, as user space and eventfds
 * name it, to pins of interrupt controllers and to messages; and back, from a pin
 * whose interrupt the guest acknowledged to those who want to know.
 *
 * The table is replaced as a whole under irqs->lock and read under irqs->srcu in any
 * context. After VMM_SET_GSI_ROUTING no interrupt takes an old route any more.
 * What a route means is the architecture's business (vmm_arch_set_irq()).
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vmm/irq.h>

/* --- the table --- */

/* A GSI leads to at most one pin of each controller, or to one message. */
static bool group_valid(const struct vmm_irq_route *first, const struct vmm_irq_route *end)
{
	const struct vmm_irq_route *r;
	unsigned int chips = 0;

	if (end - first <= 1)
		return true;
	for (r = first; r < end; r++) {
		if (r->type != VMM_IRQ_ROUTING_IRQCHIP || chips & BIT(r->irqchip.irqchip))
			return false;
		chips |= BIT(r->irqchip.irqchip);
	}
	return true;
}

static int read_entry(struct vmm_vm *vm, const struct vmm_irq_routing_entry *from,
		      struct vmm_irq_route *to)
{
	u32 flags = from->type == VMM_IRQ_ROUTING_MSI ? VMM_MSI_VALID_DEVID : 0;

	if (from->gsi >= VMM_MAX_IRQ_ROUTES || from->flags & ~flags)
		return -EINVAL;
	to->gsi = from->gsi;
	to->type = from->type;
	switch (from->type) {
	case VMM_IRQ_ROUTING_IRQCHIP:
		to->irqchip = from->u.irqchip;
		if (to->irqchip.irqchip >= VMM_NR_IRQCHIPS || to->irqchip.pin >= VMM_IRQ_MAX_PINS)
			return -EINVAL;
		break;
	case VMM_IRQ_ROUTING_MSI:
		to->msi = from->u.msi;
		break;
	default:
		return -EINVAL;
	}
	return vmm_arch_check_route(vm, to);
}

/* Sort by GSI: first[] becomes the place of each GSI's first route. */
static int fill_table(struct vmm_vm *vm, struct vmm_irq_table *t,
		      const struct vmm_irq_routing_entry *entries, unsigned int nr)
{
	unsigned int i, gsi;
	int r;

	for (i = 0; i < nr; i++) {
		if (entries[i].gsi >= VMM_MAX_IRQ_ROUTES)
			return -EINVAL;
		t->first[entries[i].gsi + 1]++;
	}
	for (gsi = 0; gsi < VMM_MAX_IRQ_ROUTES; gsi++)
		t->first[gsi + 1] += t->first[gsi];
	/* Place each route at its GSI's end, from the last to the first: ends become starts. */
	for (i = nr; i--;) {
		struct vmm_irq_route *to = &t->route[--t->first[entries[i].gsi + 1]];

		r = read_entry(vm, &entries[i], to);
		if (r)
			return r;
	}
	memmove(t->first, t->first + 1, VMM_MAX_IRQ_ROUTES * sizeof(t->first[0]));
	t->first[VMM_MAX_IRQ_ROUTES] = nr;
	return 0;
}

static int finish_table(struct vmm_irq_table *t)
{
	const struct vmm_irq_route *route = t->route;
	unsigned int gsi, i;

	memset(t->pin_gsi, 0xff, sizeof(t->pin_gsi));
	for (gsi = 0; gsi < VMM_MAX_IRQ_ROUTES; gsi++) {
		if (!group_valid(route + t->first[gsi], route + t->first[gsi + 1]))
			return -EINVAL;
		for (i = t->first[gsi]; i < t->first[gsi + 1]; i++)
			if (route[i].type == VMM_IRQ_ROUTING_IRQCHIP)
				t->pin_gsi[route[i].irqchip.irqchip][route[i].irqchip.pin] = gsi;
	}
	return 0;
}

static struct vmm_irq_table *build_table(struct vmm_vm *vm,
					 const struct vmm_irq_routing_entry *entries,
					 unsigned int nr)
{
	struct vmm_irq_table *t = kvzalloc(struct_size(t, route, nr), GFP_KERNEL_ACCOUNT);
	int r;

	if (!t)
		return ERR_PTR(-ENOMEM);
	r = fill_table(vm, t, entries, nr);
	if (!r)
		r = finish_table(t);
	if (!r)
		return t;
	kvfree(t);
	return ERR_PTR(r);
}

struct vmm_irqs *vmm_irqs_alloc(struct vmm_vm *vm, const struct vmm_irq_routing_entry *routes,
				unsigned int nr)
{
	struct vmm_irqs *irqs = kzalloc(sizeof(*irqs), GFP_KERNEL_ACCOUNT);
	struct vmm_irq_table *table;
	int r = -ENOMEM;

	if (!irqs)
		return ERR_PTR(r);
	r = init_srcu_struct(&irqs->srcu);
	if (r)
		goto err_free;
	table = build_table(vm, routes, nr);
	if (IS_ERR(table)) {
		r = PTR_ERR(table);
		goto err_srcu;
	}
	mutex_init(&irqs->lock);
	mutex_init(&irqs->irqfd_mutex);
	spin_lock_init(&irqs->irqfds_lock);
	INIT_LIST_HEAD(&irqs->irqfds);
	INIT_LIST_HEAD(&irqs->resamplers);
	INIT_HLIST_HEAD(&irqs->acks);
	RCU_INIT_POINTER(irqs->table, table);
	return irqs;
err_srcu:
	cleanup_srcu_struct(&irqs->srcu);
err_free:
	kfree(irqs);
	return ERR_PTR(r);
}

void vmm_irqs_publish(struct vmm_vm *vm, struct vmm_irqs *irqs)
{
	/* Pairs with vmm_irqs(). */
	smp_store_release(&vm->irqs, irqs);
}

/* Nobody reads it: the VM's last user is gone, or it was never published. */
void vmm_irqs_free(struct vmm_irqs *irqs)
{
	if (!irqs)
		return;
	kvfree(rcu_dereference_protected(irqs->table, true));
	cleanup_srcu_struct(&irqs->srcu);
	kfree(irqs);
}

/**
 * vmm_set_gsi_routing() - VMM_SET_GSI_ROUTING: replace the whole table
 * @vm: VM
 * @arg: struct vmm_irq_routing in user space
 *
 * Context: may sleep; takes irqs->lock.
 * Return: 0; -EINVAL: no interrupt controller in the kernel, flags, too many
 * entries, or an entry that cannot be; -EFAULT; -ENOMEM.
 */
long vmm_set_gsi_routing(struct vmm_vm *vm, struct vmm_irq_routing __user *arg)
{
	struct vmm_irqs *irqs = vmm_irqs(vm);
	struct vmm_irq_routing_entry *entries;
	struct vmm_irq_table *new, *old;
	struct vmm_irq_routing head;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (!irqs || head.flags || head.nr > VMM_MAX_IRQ_ROUTES)
		return -EINVAL;
	entries = vmemdup_user(arg->entries, array_size(head.nr, sizeof(*entries)));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	new = build_table(vm, entries, head.nr);
	kvfree(entries);
	if (IS_ERR(new))
		return PTR_ERR(new);
	mutex_lock(&irqs->lock);
	old = rcu_replace_pointer(irqs->table, new, lockdep_is_held(&irqs->lock));
	synchronize_srcu_expedited(&irqs->srcu);
	mutex_unlock(&irqs->lock);
	kvfree(old);
	vmm_arch_routes_changed(vm);
	return 0;
}

/* --- delivery --- */

/* irqs->srcu held. The routes of a GSI; their number may be 0. */
static const struct vmm_irq_route *find_routes(struct vmm_irqs *irqs, u32 gsi, unsigned int *nr)
{
	const struct vmm_irq_table *t = srcu_dereference(irqs->table, &irqs->srcu);

	*nr = 0;
	if (gsi >= VMM_MAX_IRQ_ROUTES)
		return NULL;
	gsi = array_index_nospec(gsi, VMM_MAX_IRQ_ROUTES);
	*nr = t->first[gsi + 1] - t->first[gsi];
	return t->route + t->first[gsi];
}

/* Several controllers hear it: the sum of those that took it. */
static int sum(int total, int one)
{
	if (one < 0)
		return total;
	return total < 0 ? one : total + one;
}

int vmm_set_irq(struct vmm_vm *vm, enum vmm_irq_source source, u32 gsi, bool level)
{
	struct vmm_irqs *irqs = vmm_irqs(vm);
	const struct vmm_irq_route *route;
	unsigned int nr;
	int idx, r = -1;

	if (!irqs)
		return r;
	idx = srcu_read_lock(&irqs->srcu);
	for (route = find_routes(irqs, gsi, &nr); nr; nr--, route++)
		r = sum(r, vmm_arch_set_irq(vm, route, source, level));
	srcu_read_unlock(&irqs->srcu, idx);
	return r;
}

int vmm_pulse_irq(struct vmm_vm *vm, enum vmm_irq_source source, u32 gsi)
{
	struct vmm_irqs *irqs = vmm_irqs(vm);
	const struct vmm_irq_route *route;
	unsigned int nr;
	int idx, r = -1;

	if (!irqs)
		return r;
	idx = srcu_read_lock(&irqs->srcu);
	for (route = find_routes(irqs, gsi, &nr); nr; nr--, route++) {
		r = sum(r, vmm_arch_set_irq(vm, route, source, true));
		if (route->type == VMM_IRQ_ROUTING_IRQCHIP)
			vmm_arch_set_irq(vm, route, source, false);
	}
	srcu_read_unlock(&irqs->srcu, idx);
	return r;
}

/**
 * vmm_irq_line() - VMM_IRQ_LINE, VMM_IRQ_LINE_STATUS
 * @vm: VM
 * @arg: struct vmm_irq_level in user space
 * @status: write back what became of it
 *
 * Return: 0, also if the GSI leads nowhere; -ENXIO: no interrupt controller in the
 * kernel; -EFAULT.
 */
long vmm_irq_line(struct vmm_vm *vm, void __user *arg, bool status)
{
	struct vmm_irq_level line;

	if (copy_from_user(&line, arg, sizeof(line)))
		return -EFAULT;
	if (!vmm_irqs(vm))
		return -ENXIO;
	line.status = vmm_set_irq(vm, VMM_IRQ_USER, line.irq, line.level);
	if (status && copy_to_user(arg, &line, sizeof(line)))
		return -EFAULT;
	return 0;
}

long vmm_signal_msi(struct vmm_vm *vm, struct vmm_msi __user *arg)
{
	struct vmm_irq_route route = { .type = VMM_IRQ_ROUTING_MSI };
	struct vmm_msi msi;

	if (copy_from_user(&msi, arg, sizeof(msi)))
		return -EFAULT;
	if (!vmm_irqs(vm) || msi.flags)
		return -EINVAL;
	route.msi.address_lo = msi.address_lo;
	route.msi.address_hi = msi.address_hi;
	route.msi.data = msi.data;
	if (vmm_arch_check_route(vm, &route))
		return -EINVAL;
	/* To send it where nobody is was the guest's idea, and no error of the caller's. */
	return max(vmm_arch_set_irq(vm, &route, VMM_IRQ_USER, true), 0);
}

/* --- acknowledgment --- */

static int pin_to_gsi(struct vmm_irqs *irqs, unsigned int chip, unsigned int pin)
{
	return srcu_dereference(irqs->table, &irqs->srcu)->pin_gsi[chip][pin];
}

int vmm_pin_gsi(struct vmm_vm *vm, unsigned int chip, unsigned int pin)
{
	struct vmm_irqs *irqs = vmm_irqs(vm);
	int idx, gsi;

	if (!irqs)
		return -1;
	idx = srcu_read_lock(&irqs->srcu);
	gsi = pin_to_gsi(irqs, chip, pin);
	srcu_read_unlock(&irqs->srcu, idx);
	return gsi;
}

void vmm_notify_ack(struct vmm_vm *vm, unsigned int chip, unsigned int pin)
{
	struct vmm_irqs *irqs = vmm_irqs(vm);
	struct vmm_irq_ack *ack;
	int idx, gsi;

	/* Before publication nothing can have been delivered. */
	if (!irqs)
		return;
	idx = srcu_read_lock(&irqs->srcu);
	gsi = pin_to_gsi(irqs, chip, pin);
	if (gsi >= 0)
		hlist_for_each_entry_srcu(ack, &irqs->acks, link,
					  srcu_read_lock_held(&irqs->srcu))
			if (ack->gsi == gsi)
				ack->acked(ack);
	srcu_read_unlock(&irqs->srcu, idx);
}

bool vmm_has_ack(struct vmm_vm *vm, unsigned int chip, unsigned int pin)
{
	struct vmm_irqs *irqs = vmm_irqs(vm);
	struct vmm_irq_ack *ack;
	bool found = false;
	int idx, gsi;

	if (!irqs)
		return false;
	idx = srcu_read_lock(&irqs->srcu);
	gsi = pin_to_gsi(irqs, chip, pin);
	if (gsi >= 0)
		hlist_for_each_entry_srcu(ack, &irqs->acks, link,
					  srcu_read_lock_held(&irqs->srcu))
			found |= ack->gsi == gsi;
	srcu_read_unlock(&irqs->srcu, idx);
	return found;
}

void vmm_ack_add(struct vmm_vm *vm, struct vmm_irq_ack *ack)
{
	struct vmm_irqs *irqs = vm->irqs;

	mutex_lock(&irqs->lock);
	hlist_add_head_rcu(&ack->link, &irqs->acks);
	mutex_unlock(&irqs->lock);
	vmm_arch_routes_changed(vm);
}

void vmm_ack_del(struct vmm_vm *vm, struct vmm_irq_ack *ack)
{
	struct vmm_irqs *irqs = vm->irqs;

	mutex_lock(&irqs->lock);
	hlist_del_rcu(&ack->link);
	mutex_unlock(&irqs->lock);
	synchronize_srcu_expedited(&irqs->srcu);
	vmm_arch_routes_changed(vm);
}
