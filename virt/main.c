// SPDX-License-Identifier: GPL-2.0
/*
 * The module: /dev/vmm, the vendor module's registration, and the switching of
 * the CPUs' virtualization extensions.
 *
 * vm.ko alone offers nothing; the device node appears when a vendor module
 * registers. Extensions go on with the first VM and off with the last, on every
 * CPU, and follow CPU hotplug, suspend and reboot.
 *
 * Locks: backend_lock guards the registration; hw_lock the count of VMs, inside
 * cpus_read_lock(), so a CPU that comes up sees a stable count.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <asm/reboot.h>

#include <vmm/backend.h>
#include <vmm/compat.h>
#include <vmm/irq.h>
#include <vmm/stats.h>
#include <vmm/vm.h>

static bool kvm_node;
module_param(kvm_node, bool, 0444);
MODULE_PARM_DESC(kvm_node, "also register /dev/kvm (10:232), for programs that open nothing else; needs stock KVM to be absent (default: off)");

struct vmm_backend *vmm_backend;
EXPORT_SYMBOL_GPL(vmm_backend);
static DEFINE_MUTEX(backend_lock);

#define VMM_OP_DEFINE(ret, name, args) DEFINE_STATIC_CALL_NULL(vmm_op_##name, vmm_op_##name##_t);
VMM_BACKEND_OPS(VMM_OP_DEFINE, VMM_OP_DEFINE)

/* --- extensions on and off --- */

static DEFINE_MUTEX(hw_lock);
static unsigned int hw_users;			/* hw_lock, cpus_read_lock */
static DEFINE_PER_CPU(bool, hw_on);		/* this CPU, interrupts off */
static atomic_t hw_error;			/* first error of an enabling round */
static int hotplug_state = -1;			/* backend_lock */
static bool hotplug_early;			/* backend_lock: VMM_CPUHP_STATE is ours */

static int hw_enable_cpu(void)
{
	int r;

	if (__this_cpu_read(hw_on))
		return 0;
	r = vmm_call(cpu_enable)();
	if (!r)
		__this_cpu_write(hw_on, true);
	return r;
}

static void hw_disable_cpu(void *unused)
{
	if (!__this_cpu_read(hw_on))
		return;
	vmm_arch_cpu_off();
	vmm_call(cpu_disable)();
	__this_cpu_write(hw_on, false);
}

static void hw_enable_ipi(void *unused)
{
	int r = hw_enable_cpu();

	if (r)
		atomic_cmpxchg(&hw_error, 0, r);
}

/**
 * vmm_hw_get() - one more VM: turn the extensions on if it is the first
 *
 * Context: may sleep. Return: 0, or what the backend said (-EBUSY: another
 * hypervisor holds them); then they are off everywhere.
 */
int vmm_hw_get(void)
{
	int r = 0;

	cpus_read_lock();
	mutex_lock(&hw_lock);
	if (!hw_users) {
		atomic_set(&hw_error, 0);
		on_each_cpu(hw_enable_ipi, NULL, 1);
		r = atomic_read(&hw_error);
		if (r)
			on_each_cpu(hw_disable_cpu, NULL, 1);
	}
	if (!r)
		hw_users++;
	mutex_unlock(&hw_lock);
	cpus_read_unlock();
	return r;
}

void vmm_hw_put(void)
{
	cpus_read_lock();
	mutex_lock(&hw_lock);
	if (!--hw_users)
		on_each_cpu(hw_disable_cpu, NULL, 1);
	mutex_unlock(&hw_lock);
	cpus_read_unlock();
}

/* Runs on the CPU in question; hotplug excludes vmm_hw_get() and _put(). */
static int hw_cpu_up(unsigned int cpu)
{
	unsigned long flags;
	int r = 0;

	local_irq_save(flags);
	if (hw_users)
		r = hw_enable_cpu();
	local_irq_restore(flags);
	if (r)
		pr_err("CPU %u cannot run guests (error %d): it stays offline while VMs exist\n", cpu, r);
	return r;
}

static int hw_cpu_down(unsigned int cpu)
{
	unsigned long flags;

	if (!hotplug_early && hw_users) {
		pr_warn_ratelimited("CPU %u stays online: VMs exist, and loaded KVM modules occupy the hotplug step that would allow it; unload them\n",
				    cpu);
		return -EBUSY;
	}
	local_irq_save(flags);
	hw_disable_cpu(NULL);
	local_irq_restore(flags);
	return 0;
}

/* The last CPU, interrupts off. */
static int hw_suspend(VMM_SYSCORE_ARGS)
{
	hw_disable_cpu(NULL);
	return 0;
}

static void hw_resume(VMM_SYSCORE_ARGS)
{
	if (hw_users && hw_enable_cpu())
		pr_err("virtualization extensions did not come back after suspend\n");
}

VMM_DEFINE_SYSCORE(hw_syscore, hw_suspend, hw_resume);

static int hw_reboot(struct notifier_block *nb, unsigned long val, void *v)
{
	on_each_cpu(hw_disable_cpu, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block hw_reboot_nb = { .notifier_call = hw_reboot };

/* Crash and emergency reboot: every CPU on its own, nothing may be locked. */
static void hw_emergency(void)
{
	if (__this_cpu_read(hw_on))
		vmm_call(cpu_disable)();
}

static int hw_hooks_register(void)
{
	int r;

	r = cpuhp_setup_state_nocalls(VMM_CPUHP_STATE, "vmm:cpu", hw_cpu_up, hw_cpu_down);
	hotplug_early = r >= 0;
	hotplug_state = VMM_CPUHP_STATE;
	if (!hotplug_early) {
		r = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "vmm:cpu",
					      hw_cpu_up, hw_cpu_down);
		if (r < 0)
			return r;
		hotplug_state = r;
	}
	vmm_register_syscore(&hw_syscore);
	register_reboot_notifier(&hw_reboot_nb);
	/* There is one callback; loaded KVM modules have it and serve us too. */
	if (hotplug_early)
		cpu_emergency_register_virt_callback(hw_emergency);
	return 0;
}

static void hw_hooks_unregister(void)
{
	if (hotplug_early)
		cpu_emergency_unregister_virt_callback(hw_emergency);
	unregister_reboot_notifier(&hw_reboot_nb);
	vmm_unregister_syscore(&hw_syscore);
	cpuhp_remove_state_nocalls(hotplug_state);
}

/* --- /dev/vmm --- */

static long dev_ioctl(struct file *filp, unsigned int nr, unsigned long arg)
{
	switch (nr) {
	case VMM_GET_API_VERSION:
		return arg ? -EINVAL : VMM_API_VERSION;
	case VMM_CREATE_VM:
		return vmm_vm_create(arg);
	case VMM_CHECK_EXTENSION:
		return vmm_check_extension(NULL, arg);
	case VMM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : VMM_VCPU_PAGES * PAGE_SIZE;
	default:
		return vmm_arch_dev_ioctl(nr, arg);
	}
}

static struct file_operations dev_fops = {
	.unlocked_ioctl = dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice dev_vmm = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmm",
	.mode = 0660,
	.fops = &dev_fops,
};

static struct miscdevice dev_kvm = {
	.minor = 232,				/* what static nodes and jails expect */
	.name = "kvm",
	.mode = 0660,
	.fops = &dev_fops,
};

static int dev_register(void)
{
	int r = misc_register(&dev_vmm);

	if (r || !kvm_node)
		return r;
	r = misc_register(&dev_kvm);
	if (r) {
		pr_err("kvm_node=1, but minor 232 is taken: unload kvm-amd or kvm-intel first\n");
		misc_deregister(&dev_vmm);
	}
	return r;
}

static void dev_deregister(void)
{
	if (kvm_node)
		misc_deregister(&dev_kvm);
	misc_deregister(&dev_vmm);
}

/* --- registration --- */

static const char *missing_op(const struct vmm_backend *b)
{
#define VMM_OP_CHECK(ret, name, args) if (!b->name) return #name;
#define VMM_OP_SKIP(ret, name, args)
	VMM_BACKEND_OPS(VMM_OP_CHECK, VMM_OP_SKIP)
	return NULL;
}

static void update_static_calls(const struct vmm_backend *b)
{
#define VMM_OP_UPDATE(ret, name, args) static_call_update(vmm_op_##name, b->name);
	VMM_BACKEND_OPS(VMM_OP_UPDATE, VMM_OP_UPDATE)
}

int vmm_backend_register(struct vmm_backend *b)
{
	const char *op = missing_op(b);
	int r;

	if (op) {
		pr_err("backend %s lacks operation %s\n", b->name, op);
		return -EINVAL;
	}
	mutex_lock(&backend_lock);
	r = -EEXIST;
	if (vmm_backend)
		goto out;
	update_static_calls(b);
	vmm_backend = b;
	dev_fops.owner = vmm_vm_fops.owner = vmm_vcpu_fops.owner = b->owner;
	vmm_stats_fops.owner = b->owner;
	r = vmm_arch_backend_register(b);
	if (r)
		goto out_clear;
	r = hw_hooks_register();
	if (r)
		goto out_arch;
	r = dev_register();
	if (!r)
		goto out;
	hw_hooks_unregister();
out_arch:
	vmm_arch_backend_unregister();
out_clear:
	vmm_backend = NULL;
out:
	mutex_unlock(&backend_lock);
	return r;
}
EXPORT_SYMBOL_GPL(vmm_backend_register);

void vmm_backend_unregister(struct vmm_backend *b)
{
	mutex_lock(&backend_lock);
	if (vmm_backend == b) {
		dev_deregister();
		hw_hooks_unregister();
		vmm_arch_backend_unregister();
		vmm_backend = NULL;
	}
	mutex_unlock(&backend_lock);
}
EXPORT_SYMBOL_GPL(vmm_backend_unregister);

static int __init vmm_init(void)
{
	int r = vmm_kick_masks_alloc();

	if (r)
		goto err_stats;
	r = vmm_irqfd_init();
	if (r)
		goto err_masks;
	r = vmm_arch_init();
	if (r)
		goto err_irqfd;
	/*
	 * Stays on for good: switching the key patches the scheduler's hottest
	 * code, which is a lot to ask of all CPUs for an empty list less.
	 */
	preempt_notifier_inc();
	vmm_stats_init();
	return 0;
err_irqfd:
	vmm_irqfd_exit();
err_masks:
	vmm_kick_masks_free();
err_stats:
	/* A parameter on modprobe's line may have set it going. */
	vmm_arch_stats_exit();
	return r;
}
module_init(vmm_init);

static void __exit vmm_exit(void)
{
	vmm_stats_exit();
	vmm_notifier_sync();
	vmm_arch_exit();
	vmm_irqfd_exit();
	vmm_kick_masks_free();
}
module_exit(vmm_exit);

MODULE_DESCRIPTION("vmm: a hypervisor core with KVM's interface");
MODULE_LICENSE("GPL");
