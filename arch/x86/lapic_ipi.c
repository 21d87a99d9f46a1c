// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to local APICs: who is addressed, and what it does to them. Senders
 * are vCPUs (ICR, paravirtual IPIs), the I/O APIC, MSIs, irqfds, timers; in any
 * context, hard interrupts included.
 *
 * A map from physical and logical IDs to APICs makes the common destinations a
 * lookup. It is an immutable object under RCU, made anew under apic_map_lock when
 * an ID or a mode changes. Where the IDs fit no map (two APICs with one logical
 * ID, several modes at once), or there is no memory for one, all APICs are asked
 * in turn, which is slow and says the same.
 *
 * A receiver's registers belong to its own thread. Senders only set bits in IRR,
 * TMR and events, then request the vCPU's attention.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include <vmm/lapic.h>
#include <vmm/x86.h>

#define XAPIC_BROADCAST		0xffu
#define X2APIC_BROADCAST	0xffffffffu

/* How the logical IDs of all APICs are to be read; NONE: nobody has one. */
enum logical_mode { LOGICAL_NONE, LOGICAL_FLAT, LOGICAL_CLUSTER, LOGICAL_X2APIC };

#define XAPIC_CLUSTERS		15	/* number 15 is a broadcast */
#define XAPIC_CLUSTER_SIZE	4
#define X2APIC_CLUSTER_SIZE	16

struct vmm_apic_map {
	struct rcu_head rcu;
	enum logical_mode mode;
	u32 nr_phys;
	struct vmm_lapic *logical[XAPIC_CLUSTERS * XAPIC_CLUSTER_SIZE];
	struct vmm_lapic *phys[];	/* by vCPU number, which is the x2APIC ID */
};

/* --- what arrives --- */

static int accept_fixed(struct vmm_lapic *apic, u8 vector, bool level)
{
	/* The first 16 are no interrupt vectors (SDM 11.5.2). */
	if (!READ_ONCE(apic->enabled) || vector < 16)
		return 0;
	if (test_bit(vector, apic->tmr) != level)
		assign_bit(vector, apic->tmr, level);
	/* Whoever set it before has told, or is about to tell, the vCPU. */
	if (test_and_set_bit(vector, apic->irr))
		return 0;
	vmm_request(apic->vcpu, VMM_REQ_EVENT);
	vmm_vcpu_notify(apic->vcpu);
	return 1;
}

static int accept_nmi(struct vmm_lapic *apic)
{
	atomic_inc(&apic->nmis);
	vmm_request(apic->vcpu, VMM_REQ_NMI);
	vmm_vcpu_notify(apic->vcpu);
	return 1;
}

static int accept_event(struct vmm_lapic *apic, unsigned int event)
{
	set_bit(event, &apic->events);
	vmm_request(apic->vcpu, VMM_REQ_APIC);
	vmm_vcpu_notify(apic->vcpu);
	return 1;
}

static int accept(struct vmm_lapic *apic, const struct vmm_apic_irq *irq)
{
	switch (irq->delivery_mode) {
	case VMM_DM_FIXED:
	case VMM_DM_LOWEST:
		return accept_fixed(apic, irq->vector, irq->trig_level);
	case VMM_DM_NMI:
		return accept_nmi(apic);
	case VMM_DM_INIT:
		/* The deassertion only synchronized arbitration IDs, long ago. */
		if (irq->trig_level && !irq->level)
			return 0;
		/* A SIPI from before means nothing after an INIT. */
		clear_bit(VMM_APIC_SIPI, &apic->events);
		return accept_event(apic, VMM_APIC_INIT);
	case VMM_DM_STARTUP:
		WRITE_ONCE(apic->sipi_vector, irq->vector);
		smp_wmb();	/* the vector before the event; set_bit() is no barrier */
		return accept_event(apic, VMM_APIC_SIPI);
	default:
		/* ExtINT comes by wire; there is no system management mode. */
		return 0;
	}
}

bool vmm_apic_local_deliver(struct vmm_lapic *apic, unsigned int lvt)
{
	u32 reg = apic_get(apic, lvt);

	if ((reg & APIC_LVT_MASKED) || !vmm_apic_hw_enabled(apic->vcpu))
		return false;
	/* The timer's and the error's entries have no delivery mode: always fixed. */
	if (lvt == APIC_LVTT || lvt == APIC_LVTERR)
		reg &= ~APIC_MODE_MASK;
	switch (GET_APIC_DELIVERY_MODE(reg)) {
	case APIC_MODE_FIXED:
		return accept_fixed(apic, reg & APIC_VECTOR_MASK, reg & APIC_LVT_LEVEL_TRIGGER) > 0;
	case APIC_MODE_NMI:
		return accept_nmi(apic) > 0;
	default:
		return false;
	}
}

/* --- who is addressed --- */

static bool match_physical(const struct vmm_lapic *apic, u32 dest)
{
	u32 id = apic->vcpu->id;

	if (READ_ONCE(apic->x2apic))
		return dest == id;
	/* An ID beyond 8 bits cannot be said in xAPIC mode; its owner can be woken all the same. */
	return dest == apic_get(apic, APIC_ID) >> 24 || (id > 0xff && dest == id);
}

static bool match_logical(const struct vmm_lapic *apic, u32 dest)
{
	u32 ldr = apic_get(apic, APIC_LDR);

	if (READ_ONCE(apic->x2apic))
		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	ldr >>= 24;
	if (dest > 0xff)
		return false;
	if (apic_get(apic, APIC_DFR) == APIC_DFR_FLAT)
		return dest & ldr;
	return (dest >> 4 == ldr >> 4 || dest >> 4 == 0xf) && (dest & ldr & 0xf);
}

static bool match(struct vmm_lapic *apic, const struct vmm_vcpu *src,
		  const struct vmm_apic_irq *irq)
{
	const struct vmm_vm_arch *va = &apic->vcpu->vm->arch;
	u32 dest = irq->dest;

	if (!vmm_apic_hw_enabled(apic->vcpu))
		return false;
	if (irq->shorthand)
		return irq->shorthand == APIC_DEST_ALLINC >> 18 || apic->vcpu != src;
	/* 8-bit messages say 0xff and mean all; an x2APIC may also have that ID. */
	if (dest == XAPIC_BROADCAST &&
	    (!READ_ONCE(apic->x2apic) || (!src && !va->x2apic_no_broadcast_quirk)))
		return true;
	if (dest == X2APIC_BROADCAST)
		return true;
	return irq->logical ? match_logical(apic, dest) : match_physical(apic, dest);
}

bool vmm_apic_matches(struct vmm_vcpu *vcpu, const struct vmm_apic_irq *irq)
{
	return match(vcpu->arch.apic, NULL, irq);
}

/* A range of APICs (NULL: hole), and which of them. */
struct targets {
	struct vmm_lapic *const *apic;
	unsigned long mask;
};

static void physical_targets(const struct vmm_apic_map *map, u32 id, unsigned long mask,
			     struct targets *t)
{
	t->mask = 0;
	if (id >= map->nr_phys)
		return;
	id = array_index_nospec(id, map->nr_phys);
	t->apic = &map->phys[id];
	t->mask = map->nr_phys - id < BITS_PER_LONG ? mask & (BIT(map->nr_phys - id) - 1) : mask;
}

static bool logical_targets(const struct vmm_apic_map *map, u32 dest, struct targets *t)
{
	u32 cluster;

	t->mask = 0;
	switch (map->mode) {
	case LOGICAL_X2APIC:
		physical_targets(map, dest >> 16 << 4, dest & 0xffff, t);
		return true;
	case LOGICAL_FLAT:
		t->apic = map->logical;
		if (dest <= 0xff)
			t->mask = dest;
		return true;
	case LOGICAL_CLUSTER:
		if (dest > 0xff)
			return true;
		cluster = dest >> 4;
		if (cluster >= XAPIC_CLUSTERS)
			return false;
		cluster = array_index_nospec(cluster, XAPIC_CLUSTERS);
		t->apic = &map->logical[cluster * XAPIC_CLUSTER_SIZE];
		t->mask = dest & 0xf;
		return true;
	default:
		return true;
	}
}

/* False: not by the map. */
static bool find_targets(const struct vmm_apic_map *map, const struct vmm_apic_irq *irq,
			 struct targets *t)
{
	if (!map || irq->shorthand || irq->dest == XAPIC_BROADCAST ||
	    irq->dest == X2APIC_BROADCAST)
		return false;
	if (irq->logical)
		return logical_targets(map, irq->dest, t);
	physical_targets(map, irq->dest, 1, t);
	return true;
}

/* --- delivery --- */

/* One of several takes it. Which one follows from the vector: interrupts spread. */
static bool to_one(const struct vmm_apic_irq *irq)
{
	return irq->delivery_mode == VMM_DM_LOWEST || irq->redir_hint;
}

static int deliver_targets(const struct targets *t, const struct vmm_apic_irq *irq)
{
	bool one = to_one(irq) && t->mask & (t->mask - 1);
	unsigned int i, n = 0;
	int r = -1;

	if (one) {
		for_each_set_bit(i, &t->mask, BITS_PER_LONG)
			n += t->apic[i] && READ_ONCE(t->apic[i]->enabled);
		if (!n)
			return -1;
		n = irq->vector % n;
	}
	for_each_set_bit(i, &t->mask, BITS_PER_LONG) {
		struct vmm_lapic *apic = t->apic[i];

		if (!apic || (one && (!READ_ONCE(apic->enabled) || n--)))
			continue;
		r = max(r, 0) + accept(apic, irq);
		if (one)
			break;
	}
	return r;
}

/* The map does not help: ask each APIC. */
static int deliver_by_search(struct vmm_vm *vm, struct vmm_vcpu *src,
			     const struct vmm_apic_irq *irq)
{
	bool one = to_one(irq);
	struct vmm_vcpu *vcpu;
	unsigned int n = 0;
	unsigned long i;
	int r = -1;

	if (one) {
		vmm_for_each_vcpu(i, vcpu, vm)
			n += READ_ONCE(vcpu->arch.apic->enabled) &&
			     match(vcpu->arch.apic, src, irq);
		if (!n)
			return -1;
		n = irq->vector % n;
	}
	vmm_for_each_vcpu(i, vcpu, vm) {
		struct vmm_lapic *apic = vcpu->arch.apic;

		if (!match(apic, src, irq) || (one && (!READ_ONCE(apic->enabled) || n--)))
			continue;
		r = max(r, 0) + accept(apic, irq);
		if (one)
			break;
	}
	return r;
}

int vmm_apic_deliver(struct vmm_vm *vm, struct vmm_vcpu *src, const struct vmm_apic_irq *irq)
{
	struct targets t;
	int r;

	if (irq->shorthand == APIC_DEST_SELF >> 18)
		return accept(src->arch.apic, irq);
	rcu_read_lock();
	if (likely(find_targets(rcu_dereference(vm->arch.apic_map), irq, &t)))
		r = deliver_targets(&t, irq);
	else
		r = deliver_by_search(vm, src, irq);
	rcu_read_unlock();
	return r;
}

/* The APIC with this ID, or NULL. RCU read side. */
static struct vmm_lapic *find_apic(struct vmm_vm *vm, u32 id)
{
	const struct vmm_apic_map *map = rcu_dereference(vm->arch.apic_map);
	struct vmm_vcpu *vcpu;
	struct targets t;
	unsigned long i;

	if (likely(map)) {
		physical_targets(map, id, 1, &t);
		return t.mask ? t.apic[0] : NULL;
	}
	vmm_for_each_vcpu(i, vcpu, vm)
		if (vmm_apic_hw_enabled(vcpu) && match_physical(vcpu->arch.apic, id))
			return vcpu->arch.apic;
	return NULL;
}

int vmm_apic_send_to(struct vmm_vm *vm, u32 id, const struct vmm_apic_irq *irq)
{
	struct vmm_lapic *apic;
	int r;

	rcu_read_lock();
	apic = find_apic(vm, id);
	r = apic ? accept(apic, irq) : 0;
	rcu_read_unlock();
	return r;
}

struct vmm_vcpu *vmm_apic_owner(struct vmm_vm *vm, u32 id)
{
	struct vmm_lapic *apic;

	rcu_read_lock();
	apic = find_apic(vm, id);
	rcu_read_unlock();
	return apic ? apic->vcpu : NULL;
}

void vmm_apic_unhalt(struct vmm_vm *vm, u32 id)
{
	struct vmm_vcpu *vcpu = vmm_apic_owner(vm, id);

	if (!vcpu)
		return;
	WRITE_ONCE(vcpu->arch.pv.unhalted, true);
	vmm_vcpu_notify(vcpu);
}

/* --- the map --- */

/* False: these logical IDs fit no map. */
static bool add_logical(struct vmm_apic_map *map, struct vmm_lapic *apic)
{
	u32 ldr = apic_get(apic, APIC_LDR) >> 24, base = 0;
	enum logical_mode mode = LOGICAL_CLUSTER;

	if (apic->x2apic) {
		mode = LOGICAL_X2APIC;
	} else {
		if (!ldr)
			return true;
		if (apic_get(apic, APIC_DFR) == APIC_DFR_FLAT) {
			mode = LOGICAL_FLAT;
		} else {
			base = (ldr >> 4) * XAPIC_CLUSTER_SIZE;
			ldr &= 0xf;
		}
	}
	if (map->mode != LOGICAL_NONE && map->mode != mode)
		return false;
	map->mode = mode;
	if (mode == LOGICAL_X2APIC)
		return true;
	if (!ldr || (ldr & (ldr - 1)) || base >= ARRAY_SIZE(map->logical))
		return false;
	base += __ffs(ldr);
	if (map->logical[base])
		return false;
	map->logical[base] = apic;
	return true;
}

static bool add_apic(struct vmm_apic_map *map, struct vmm_lapic *apic)
{
	u32 id = apic->vcpu->id;

	if (!vmm_apic_hw_enabled(apic->vcpu))
		return true;
	if (!apic->x2apic && apic_get(apic, APIC_ID) >> 24 != (id & 0xff))
		return false;
	/* It came after the map was measured; its creation makes a new one. */
	if (id >= map->nr_phys)
		return true;
	map->phys[id] = apic;
	return add_logical(map, apic);
}

static struct vmm_apic_map *make_map(struct vmm_vm *vm)
{
	struct vmm_apic_map *map;
	struct vmm_vcpu *vcpu;
	unsigned long i;
	u32 nr = 0;

	vmm_for_each_vcpu(i, vcpu, vm)
		nr = max(nr, vcpu->id + 1);
	map = kvzalloc(struct_size(map, phys, nr), GFP_KERNEL_ACCOUNT);
	if (!map)
		return NULL;
	map->nr_phys = nr;
	vmm_for_each_vcpu(i, vcpu, vm) {
		if (!add_apic(map, vcpu->arch.apic)) {
			kvfree(map);
			return NULL;
		}
	}
	return map;
}

void vmm_apic_map_update(struct vmm_vm *vm)
{
	struct vmm_apic_map *old;

	mutex_lock(&vm->arch.apic_map_lock);
	old = rcu_replace_pointer(vm->arch.apic_map, make_map(vm),
				  lockdep_is_held(&vm->arch.apic_map_lock));
	mutex_unlock(&vm->arch.apic_map_lock);
	if (old)
		kvfree_rcu(old, rcu);
	vmm_request_ioapic_scan(vm);
}

/* The VM is going away: nobody sends any more. */
void vmm_apic_map_free(struct vmm_vm *vm)
{
	kvfree(rcu_dereference_protected(vm->arch.apic_map, true));
}

/* --- requests to all --- */

void vmm_request_ioapic_scan(struct vmm_vm *vm)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	vmm_for_each_vcpu(i, vcpu, vm) {
		if (!vcpu->arch.apic)
			continue;
		vmm_request(vcpu, VMM_REQ_SCAN_IOAPIC);
		vmm_vcpu_kick(vcpu);
	}
}

void vmm_apic_accept_pic_changed(struct vmm_vm *vm)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	vmm_for_each_vcpu(i, vcpu, vm) {
		if (!vmm_apic_accepts_pic(vcpu))
			continue;
		vmm_request(vcpu, VMM_REQ_EVENT);
		vmm_vcpu_notify(vcpu);
	}
}
