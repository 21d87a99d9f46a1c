// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupt controllers of a VM: creation, in full or split, the ioctls that concern
 * them, and what a route of virt/irq_routing.c means here: a pin of a PIC or of the
 * I/O APIC, or a message to the local APICs.
 *
 * Creation comes before the first vCPU, under vm->lock, and is for good.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>

#include <irqchip/chips.h>

static bool legacy_irqchip = true;
module_param(legacy_irqchip, bool, 0444);
MODULE_PARM_DESC(legacy_irqchip, "let VMs have PIC, I/O APIC and PIT in the kernel; off: VMMs have to use a split irqchip, or none (default: on)");

#define PIC_GSIS	16

void vmm_no_release(struct vmm_io_device *dev)
{
	/* vmm_irqchips_destroy() frees them all. */
}

/* --- routes --- */

/**
 * vmm_decode_msi() - what an MSI says (SDM 11.11)
 * @vm: whose
 * @address: where the device writes; 32-bit IDs have their upper part in the upper half
 * @data: what it writes
 * @irq: result
 */
void vmm_decode_msi(struct vmm_vm *vm, u64 address, u32 data, struct vmm_apic_irq *irq)
{
	*irq = (struct vmm_apic_irq) {
		.dest = address >> 12 & 0xff,
		.vector = data & 0xff,
		.delivery_mode = data >> 8 & 7,
		.logical = address & BIT(2),
		.redir_hint = address & BIT(3),
		.level = true,
		.trig_level = data & BIT(15),
	};
	if (READ_ONCE(vm->arch.x2apic_32bit_ids))
		irq->dest |= address >> 32 & 0xffffff00;
}

int vmm_arch_check_route(struct vmm_vm *vm, const struct vmm_irq_route *route)
{
	unsigned int pins;

	if (route->type == VMM_IRQ_ROUTING_MSI)
		/* The low eight bits of the ID are in the lower half. */
		return READ_ONCE(vm->arch.x2apic_32bit_ids) && route->msi.address_hi & 0xff ?
		       -EINVAL : 0;
	if (vm->arch.irqchip_mode != VMM_IRQCHIP_KERNEL)
		return -EINVAL;
	pins = route->irqchip.irqchip == VMM_IRQCHIP_IOAPIC ? VMM_IOAPIC_NUM_PINS : PIC_PINS;
	return route->irqchip.pin < pins ? 0 : -EINVAL;
}

int vmm_arch_set_irq(struct vmm_vm *vm, const struct vmm_irq_route *route,
		     enum vmm_irq_source source, bool level)
{
	struct vmm_irqchips *chips = vm->arch.irqchips;
	struct vmm_apic_irq irq;

	if (route->type == VMM_IRQ_ROUTING_MSI) {
		if (!level)
			return -1;
		vmm_decode_msi(vm, (u64)route->msi.address_hi << 32 | route->msi.address_lo,
			       route->msi.data, &irq);
		return vmm_apic_deliver(vm, NULL, &irq);
	}
	/* vmm_arch_check_route() bounded both, and a VM without chips has no such route. */
	if (route->irqchip.irqchip == VMM_IRQCHIP_IOAPIC)
		return vmm_ioapic_set_irq(&chips->ioapic, route->irqchip.pin, source, level);
	return vmm_pic_set_irq(&chips->pic, route->irqchip.irqchip, route->irqchip.pin,
			       source, level);
}

void vmm_arch_routes_changed(struct vmm_vm *vm)
{
	vmm_request_ioapic_scan(vm);
}

bool vmm_arch_can_resample(struct vmm_vm *vm)
{
	return vm->arch.irqchip_mode == VMM_IRQCHIP_KERNEL;
}

/* --- creation and end --- */

/* GSIs are the I/O APIC's pins; the first 16 are the PICs' lines as well. */
static unsigned int default_routes(struct vmm_irq_routing_entry *e)
{
	unsigned int gsi, nr = 0;

	for (gsi = 0; gsi < VMM_IOAPIC_NUM_PINS; gsi++) {
		e[nr].gsi = gsi;
		e[nr].type = VMM_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = VMM_IRQCHIP_IOAPIC;
		e[nr++].u.irqchip.pin = gsi;
		if (gsi >= PIC_GSIS)
			continue;
		e[nr].gsi = gsi;
		e[nr].type = VMM_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = gsi / PIC_PINS;
		e[nr++].u.irqchip.pin = gsi % PIC_PINS;
	}
	return nr;
}

static struct vmm_irqs *alloc_default_irqs(struct vmm_vm *vm)
{
	struct vmm_irq_routing_entry *e;
	struct vmm_irqs *irqs;

	e = kcalloc(VMM_IOAPIC_NUM_PINS + PIC_GSIS, sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return ERR_PTR(-ENOMEM);
	irqs = vmm_irqs_alloc(vm, e, default_routes(e));
	kfree(e);
	return irqs;
}

static int add_devices(struct vmm_vm *vm, struct vmm_irqchips *chips)
{
	const struct {
		unsigned int bus, addr, len;
		struct vmm_io_device *dev;
	} list[] = {
		{ VMM_BUS_PIO, 0x20, 2, &chips->pic.master },
		{ VMM_BUS_PIO, 0xa0, 2, &chips->pic.slave },
		{ VMM_BUS_PIO, 0x4d0, 2, &chips->pic.elcr },
		{ VMM_BUS_MMIO, IOAPIC_BASE, IOAPIC_SIZE, &chips->ioapic.dev },
	};
	unsigned int i;
	int r = 0;

	mutex_lock(&vm->slots_lock);
	for (i = 0; i < ARRAY_SIZE(list) && !r; i++)
		r = vmm_bus_add(vm, list[i].bus, list[i].addr, list[i].len, list[i].dev);
	/* The one that failed is not there. */
	for (i = r ? i - 1 : 0; i--;)
		vmm_bus_remove(vm, list[i].bus, list[i].dev);
	mutex_unlock(&vm->slots_lock);
	return r;
}

/* vm->lock held. */
static int may_create(struct vmm_vm *vm)
{
	if (vm->arch.irqchip_mode != VMM_IRQCHIP_NONE)
		return -EEXIST;
	return vm->created_vcpus ? -EINVAL : 0;
}

static int create_chips(struct vmm_vm *vm)
{
	struct vmm_irqchips *chips = kzalloc(sizeof(*chips), GFP_KERNEL_ACCOUNT);
	struct vmm_irqs *irqs;
	int r;

	if (!chips)
		return -ENOMEM;
	vmm_pic_init(&chips->pic, vm);
	vmm_ioapic_init(&chips->ioapic, vm);
	/* What routes there can be depends on it. */
	vm->arch.irqchip_mode = VMM_IRQCHIP_KERNEL;
	irqs = alloc_default_irqs(vm);
	if (IS_ERR(irqs)) {
		r = PTR_ERR(irqs);
		goto err_chips;
	}
	r = add_devices(vm, chips);
	if (r)
		goto err_irqs;
	vm->arch.irqchips = chips;
	vmm_irqs_publish(vm, irqs);
	return 0;
err_irqs:
	vmm_irqs_free(irqs);
err_chips:
	vm->arch.irqchip_mode = VMM_IRQCHIP_NONE;
	kfree(chips);
	return r;
}

/*
 * VMM_CREATE_IRQCHIP: 0; -EEXIST: the VM has interrupt controllers already; -EINVAL: it
 * has a vCPU already; -ENODEV: the administrator does not allow them; -ENOMEM.
 */
static long create_irqchip(struct vmm_vm *vm)
{
	long r;

	if (!legacy_irqchip) {
		pr_notice_ratelimited("VMM_CREATE_IRQCHIP refused because of legacy_irqchip=0: let the VMM use a split irqchip (QEMU: -machine kernel-irqchip=split) or load vm.ko with legacy_irqchip=1\n");
		return -ENODEV;
	}
	mutex_lock(&vm->lock);
	r = may_create(vm);
	if (!r)
		r = create_chips(vm);
	mutex_unlock(&vm->lock);
	return r;
}

/**
 * vmm_create_split_irqchip() - VMM_CAP_SPLIT_IRQCHIP is enabled: local APICs only
 * @vm: VM, vm->lock held
 * @reserved_routes: how many GSIs, from 0 on, are pins of user space's I/O APIC
 *
 * Return: 0; -EEXIST: it has interrupt controllers or a vCPU already; -EINVAL: too
 * many GSIs; -ENOMEM.
 */
long vmm_create_split_irqchip(struct vmm_vm *vm, u64 reserved_routes)
{
	struct vmm_irqs *irqs;

	if (reserved_routes > VMM_MAX_IRQ_ROUTES)
		return -EINVAL;
	if (may_create(vm))
		return -EEXIST;
	irqs = vmm_irqs_alloc(vm, NULL, 0);
	if (IS_ERR(irqs))
		return PTR_ERR(irqs);
	vm->arch.split_reserved_routes = reserved_routes;
	vm->arch.irqchip_mode = VMM_IRQCHIP_SPLIT;
	vmm_irqs_publish(vm, irqs);
	return 0;
}

/**
 * vmm_enable_x2apic_api() - VMM_CAP_X2APIC_API is enabled
 * @vm: VM, vm->lock held
 * @flags: VMM_X2APIC_API_*
 *
 * Return: 0; -EINVAL: an unknown flag.
 */
long vmm_enable_x2apic_api(struct vmm_vm *vm, u64 flags)
{
	if (flags & ~(VMM_X2APIC_API_USE_32BIT_IDS | VMM_X2APIC_API_DISABLE_BROADCAST_QUIRK))
		return -EINVAL;
	if (flags & VMM_X2APIC_API_USE_32BIT_IDS)
		WRITE_ONCE(vm->arch.x2apic_32bit_ids, true);
	if (flags & VMM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		WRITE_ONCE(vm->arch.x2apic_no_broadcast_quirk, true);
	return 0;
}

void vmm_arch_irq_shutdown(struct vmm_vm *vm)
{
	struct vmm_irqchips *chips = vm->arch.irqchips;

	if (chips && chips->pit)
		vmm_pit_stop(chips->pit);
}

void vmm_irqchips_destroy(struct vmm_vm *vm)
{
	if (!vm->arch.irqchips)
		return;
	kfree(vm->arch.irqchips->pit);
	kfree(vm->arch.irqchips);
}

/* --- ioctls --- */

/* The chips' state is in a VM's memory only after this. */
static struct vmm_irqchips *get_chips(struct vmm_vm *vm)
{
	return vmm_irqs(vm) ? vm->arch.irqchips : NULL;
}

static long irqchip_state(struct vmm_vm *vm, struct vmm_irqchip __user *arg, bool set)
{
	struct vmm_irqchips *chips = get_chips(vm);
	struct vmm_irqchip *state;
	long r = 0;

	state = memdup_user(arg, sizeof(*state));
	if (IS_ERR(state))
		return PTR_ERR(state);
	if (!chips)
		r = -ENXIO;
	else if (state->chip_id >= VMM_NR_IRQCHIPS)
		r = -EINVAL;
	else if (state->chip_id == VMM_IRQCHIP_IOAPIC && set)
		vmm_ioapic_set_state(&chips->ioapic, &state->chip.ioapic);
	else if (state->chip_id == VMM_IRQCHIP_IOAPIC)
		vmm_ioapic_get_state(&chips->ioapic, &state->chip.ioapic);
	else if (set)
		vmm_pic_set_state(&chips->pic, array_index_nospec(state->chip_id, 2),
				  &state->chip.pic);
	else
		vmm_pic_get_state(&chips->pic, array_index_nospec(state->chip_id, 2),
				  &state->chip.pic);
	if (!r && !set && copy_to_user(arg, state, sizeof(*state)))
		r = -EFAULT;
	kfree(state);
	return r;
}

static long create_pit(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_pit_config config;
	long r;

	if (copy_from_user(&config, arg, sizeof(config)))
		return -EFAULT;
	mutex_lock(&vm->lock);
	if (!vm->arch.irqchips)
		r = -ENOENT;
	else if (vm->arch.irqchips->pit)
		r = -EEXIST;
	else
		r = vmm_pit_create(vm, config.flags & VMM_PIT_SPEAKER_DUMMY);
	mutex_unlock(&vm->lock);
	return r;
}

static struct vmm_pit *get_pit(struct vmm_vm *vm)
{
	struct vmm_irqchips *chips = get_chips(vm);

	return chips ? smp_load_acquire(&chips->pit) : NULL;
}

static long get_pit_state(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_pit *pit = get_pit(vm);
	struct vmm_pit_state2 s;

	if (!pit)
		return -ENXIO;
	vmm_pit_get_state(pit, &s);
	return copy_to_user(arg, &s, sizeof(s)) ? -EFAULT : 0;
}

static long set_pit_state(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_pit *pit = get_pit(vm);
	struct vmm_pit_state2 s;

	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	if (!pit)
		return -ENXIO;
	vmm_pit_set_state(pit, &s);
	return 0;
}

static long reinject_control(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_pit *pit = get_pit(vm);
	struct vmm_reinject_control control;

	if (copy_from_user(&control, arg, sizeof(control)))
		return -EFAULT;
	if (!pit)
		return -ENXIO;
	vmm_pit_set_reinject(pit, control.pit_reinject);
	return 0;
}

static long set_boot_cpu_id(struct vmm_vm *vm, unsigned long id)
{
	long r = 0;

	mutex_lock(&vm->lock);
	if (vm->created_vcpus)
		r = -EBUSY;
	else if (id >= VMM_MAX_VCPU_ID)
		r = -EINVAL;
	else
		vm->arch.boot_cpu_id = id;
	mutex_unlock(&vm->lock);
	return r;
}

long vmm_irqchip_ioctl(struct vmm_vm *vm, unsigned int nr, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (nr) {
	case VMM_CREATE_IRQCHIP:
		return create_irqchip(vm);
	case VMM_GET_IRQCHIP:
	case VMM_SET_IRQCHIP:
		return irqchip_state(vm, argp, nr == VMM_SET_IRQCHIP);
	case VMM_CREATE_PIT2:
		return create_pit(vm, argp);
	case VMM_GET_PIT2:
		return get_pit_state(vm, argp);
	case VMM_SET_PIT2:
		return set_pit_state(vm, argp);
	case VMM_REINJECT_CONTROL:
		return reinject_control(vm, argp);
	case VMM_SET_BOOT_CPU_ID:
		return set_boot_cpu_id(vm, arg);
	default:
		return -ENOTTY;
	}
}

long vmm_irqchip_check_extension(long cap)
{
	switch (cap) {
	case VMM_CAP_IRQCHIP:
	case VMM_CAP_SPLIT_IRQCHIP:
	case VMM_CAP_SET_BOOT_CPU_ID:
		return 1;
	case VMM_CAP_PIT2:
	case VMM_CAP_PIT_STATE2:
	case VMM_CAP_REINJECT_CONTROL:
	case VMM_CAP_IOAPIC_POLARITY_IGNORED:
		return legacy_irqchip;
	case VMM_CAP_X2APIC_API:
		return VMM_X2APIC_API_USE_32BIT_IDS | VMM_X2APIC_API_DISABLE_BROADCAST_QUIRK;
	default:
		return 0;
	}
}
