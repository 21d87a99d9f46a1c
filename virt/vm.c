// SPDX-License-Identifier: GPL-2.0
/*
 * VMs: creation, the VM fd and its ioctls, the end.
 *
 * A VM lives as long as its fd or one of its vCPUs' fds. It belongs to the
 * process whose mm it maps: ioctls from any other mm answer -EIO, since their
 * addresses would mean something else.
 *
 * Locks: see the legend in <vmm/vm.h>; this file takes vm->lock and slots_lock.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vmm/backend.h>
#include <vmm/coalesced.h>
#include <vmm/io_bus.h>
#include <vmm/irq.h>
#include <vmm/stats.h>
#include <vmm/vm.h>

void vmm_vm_kill(struct vmm_vm *vm, const char *why)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	if (xchg(&vm->dead, true))
		return;
	pr_err("VM of pid %d ended: %s. Its state is lost; the host is not affected. Please report this.\n",
	       current->tgid, why);
	vmm_for_each_vcpu(i, vcpu, vm) {
		vmm_request(vcpu, VMM_REQ_VM_DEAD);
		vmm_vcpu_kick(vcpu);
	}
}
EXPORT_SYMBOL_GPL(vmm_vm_kill);

static void vm_destroy(struct vmm_vm *vm)
{
	struct vmm_vcpu *vcpu;
	struct mm_struct *mm = vm->mm;
	unsigned long i;

	vmm_irqfd_shutdown(vm);
	vmm_arch_irq_shutdown(vm);
	vmm_stats_vm_remove(vm);
	vmm_notifier_unregister(vm);
	vmm_snapshot_destroy(vm);
	vmm_for_each_vcpu(i, vcpu, vm)
		vmm_vcpu_destroy(vcpu);
	xa_destroy(&vm->vcpus);
	vmm_bus_destroy(vm);
	vmm_coalesced_destroy(vm);
	vmm_arch_vm_destroy(vm);
	vmm_irqs_free(vm->irqs);
	vmm_slots_destroy(vm);
	cleanup_srcu_struct(&vm->srcu);
	kfree(vm);
	mmdrop(mm);
	vmm_hw_put();
}

void vmm_vm_get(struct vmm_vm *vm)
{
	refcount_inc(&vm->users);
}

void vmm_vm_put(struct vmm_vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		vm_destroy(vm);
}

static int vm_init(struct vmm_vm *vm, unsigned long type)
{
	int r;

	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	rwlock_init(&vm->mmu_lock);
	xa_init_flags(&vm->vcpus, XA_FLAGS_ACCOUNT);
	refcount_set(&vm->users, 1);
	atomic64_set(&vm->tlb_gen, 1);
	vm->backend = vmm_backend;
	vm->mm = current->mm;
	vm->pid = current->tgid;
	mmgrab(vm->mm);

	r = init_srcu_struct(&vm->srcu);
	if (r)
		goto err_mm;
	r = vmm_slots_init(vm);
	if (r)
		goto err_srcu;
	r = vmm_bus_init(vm);
	if (r)
		goto err_slots;
	r = vmm_coalesced_init(vm);
	if (r)
		goto err_bus;
	r = vmm_arch_vm_init(vm, type);
	if (r)
		goto err_coalesced;
	r = vmm_notifier_register(vm);
	if (!r) {
		vmm_stats_vm_add(vm);
		return 0;
	}
	vmm_arch_vm_destroy(vm);
err_coalesced:
	vmm_coalesced_destroy(vm);
err_bus:
	vmm_bus_destroy(vm);
err_slots:
	vmm_slots_destroy(vm);
err_srcu:
	cleanup_srcu_struct(&vm->srcu);
err_mm:
	mmdrop(vm->mm);
	return r;
}

/**
 * vmm_vm_create() - VMM_CREATE_VM
 * @type: machine type, 0
 *
 * Context: open fd of /dev/vmm, which pins the backend. May sleep.
 * Return: fd; -EINVAL (type), -ENOMEM, -EMFILE, -EBUSY (another hypervisor
 * holds the extensions).
 */
int vmm_vm_create(unsigned long type)
{
	struct vmm_vm *vm;
	int r;

	if (type)
		return -EINVAL;
	vm = kzalloc(vmm_backend->vm_size, GFP_KERNEL_ACCOUNT);
	if (!vm)
		return -ENOMEM;
	r = vmm_hw_get();
	if (r)
		goto err_free;
	r = vm_init(vm, type);
	if (r)
		goto err_hw;
	r = anon_inode_getfd("vmm-vm", &vmm_vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (r < 0)
		vmm_vm_put(vm);
	return r;
err_hw:
	vmm_hw_put();
err_free:
	kfree(vm);
	return r;
}

static int vm_release(struct inode *inode, struct file *filp)
{
	vmm_vm_put(filp->private_data);
	return 0;
}

/**
 * vmm_check_extension() - VMM_CHECK_EXTENSION, on /dev/vmm or on a VM
 * @vm: the VM, or NULL for /dev/vmm
 * @cap: VMM_CAP_*
 *
 * Return: 0 for what is not offered.
 */
long vmm_check_extension(struct vmm_vm *vm, long cap)
{
	switch (cap) {
	case VMM_CAP_USER_MEMORY:
	case VMM_CAP_DESTROY_MEMORY_REGION_WORKS:
	case VMM_CAP_JOIN_MEMORY_REGIONS_WORKS:
	case VMM_CAP_READONLY_MEM:
	case VMM_CAP_SYNC_MMU:
	case VMM_CAP_IOEVENTFD:
	case VMM_CAP_IOEVENTFD_ANY_LENGTH:
	case VMM_CAP_IOEVENTFD_NO_LENGTH:
	case VMM_CAP_IRQFD:
	case VMM_CAP_IRQFD_RESAMPLE:
	case VMM_CAP_SIGNAL_MSI:
	case VMM_CAP_IRQ_INJECT_STATUS:
	case VMM_CAP_COALESCED_PIO:
	case VMM_CAP_IMMEDIATE_EXIT:
	case VMM_CAP_CHECK_EXTENSION_VM:
	case VMM_CAP_ENABLE_CAP:
	case VMM_CAP_ENABLE_CAP_VM:
	case VMM_CAP_FAIL_ENTRY_EXPLAIN:
	case VMM_CAP_BINARY_STATS_FD:
	case VMM_CAP_SNAPSHOT:
		return 1;
	case VMM_CAP_VMM:
		return VMM_VMM_REVISION;
	case VMM_CAP_COALESCED_MMIO:
		return VMM_COALESCED_MMIO_PAGE_OFFSET;
	case VMM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | VMM_DIRTY_LOG_INITIALLY_SET;
	case VMM_CAP_DIRTY_LOG_RING:
	case VMM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return VMM_DIRTY_RING_MAX_ENTRIES * sizeof(struct vmm_dirty_gfn);
	case VMM_CAP_NR_MEMSLOTS:
		return VMM_MAX_MEMSLOTS;
	case VMM_CAP_NR_VCPUS:
		return min_t(unsigned int, num_online_cpus(), VMM_MAX_VCPUS);
	case VMM_CAP_MAX_VCPUS:
		return VMM_MAX_VCPUS;
	case VMM_CAP_MAX_VCPU_ID:
		return VMM_MAX_VCPU_ID;
	default:
		return vmm_arch_check_extension(vm, cap);
	}
}

static long set_memory_region(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_userspace_memory_region mem;

	if (copy_from_user(&mem, arg, sizeof(mem)))
		return -EFAULT;
	return vmm_set_memory_region(vm, &mem);
}

static long get_dirty_log(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_dirty_log log;

	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	return vmm_get_dirty_log(vm, &log);
}

static long clear_dirty_log(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_clear_dirty_log log;

	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	return vmm_clear_dirty_log(vm, &log);
}

static long ioeventfd(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_ioeventfd args;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	return vmm_ioeventfd(vm, &args);
}

static long vm_ioctl(struct file *filp, unsigned int nr, unsigned long arg)
{
	struct vmm_vm *vm = filp->private_data;
	void __user *argp = (void __user *)arg;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	switch (nr) {
	case VMM_CREATE_VCPU:
		return vmm_vcpu_create(vm, arg);
	case VMM_CHECK_EXTENSION:
		return vmm_check_extension(vm, arg);
	case VMM_SET_USER_MEMORY_REGION:
		return set_memory_region(vm, argp);
	case VMM_GET_DIRTY_LOG:
		return get_dirty_log(vm, argp);
	case VMM_CLEAR_DIRTY_LOG:
		return clear_dirty_log(vm, argp);
	case VMM_RESET_DIRTY_RINGS:
		return vmm_reset_dirty_rings(vm);
	case VMM_SNAPSHOT_MARK:
	case VMM_SNAPSHOT_RESTORE:
	case VMM_SNAPSHOT_DROP:
		return vmm_snapshot_ioctl(vm, nr);
	case VMM_IOEVENTFD:
		return ioeventfd(vm, argp);
	case VMM_REGISTER_COALESCED_MMIO:
	case VMM_UNREGISTER_COALESCED_MMIO:
		return vmm_coalesced_zone(vm, argp, nr == VMM_REGISTER_COALESCED_MMIO);
	case VMM_SET_GSI_ROUTING:
		return vmm_set_gsi_routing(vm, argp);
	case VMM_IRQ_LINE:
	case VMM_IRQ_LINE_STATUS:
		return vmm_irq_line(vm, argp, nr == VMM_IRQ_LINE_STATUS);
	case VMM_SIGNAL_MSI:
		return vmm_signal_msi(vm, argp);
	case VMM_IRQFD:
		return vmm_irqfd(vm, argp);
	case VMM_GET_STATS_FD:
		return vmm_vm_stats_fd(vm);
	default:
		return vmm_arch_vm_ioctl(vm, nr, arg);
	}
}

struct file_operations vmm_vm_fops = {
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.llseek = noop_llseek,
};
