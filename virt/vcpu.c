// SPDX-License-Identifier: GPL-2.0
/*
 * vCPUs: creation, the vCPU fd and its ioctls, binding to a CPU, and the two
 * ways to reach one that runs: a kick and a TLB flush.
 *
 * A vCPU fd's ioctls exclude each other by vcpu->mutex. Between vcpu_load() and
 * vcpu_put() the task may sleep and migrate: the preempt notifier unbinds and
 * rebinds. vcpu->mode with vcpu->requests and vm->tlb_gen is the handshake with
 * other threads: who changes one of the latter looks at mode afterwards, the
 * vCPU sets mode and looks at them afterwards; so one of the two sees the other.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/anon_inodes.h>
#include <linux/cpumask.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include <trace/events/ipi.h>	/* smp_send_reschedule() traces on some kernels */

#include <vmm/backend.h>
#include <vmm/coalesced.h>
#include <vmm/stats.h>
#include <vmm/vm.h>

/* --- binding to a CPU --- */

static void sched_in(struct preempt_notifier *pn, int cpu)
{
	struct vmm_vcpu *vcpu = container_of(pn, struct vmm_vcpu, notifier);

	WRITE_ONCE(vcpu->preempted, NULL);
	vmm_arch_vcpu_load(vcpu, cpu);
}

static void sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct vmm_vcpu *vcpu = container_of(pn, struct vmm_vcpu, notifier);

	/* Not of its own will: it would go on if there were a CPU. */
	if (task_is_running(current))
		WRITE_ONCE(vcpu->preempted, current);
	vmm_arch_vcpu_put(vcpu);
}

static struct preempt_ops preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

void vcpu_load(struct vmm_vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->notifier);
	vmm_arch_vcpu_load(vcpu, cpu);
	put_cpu();
}

void vcpu_put(struct vmm_vcpu *vcpu)
{
	preempt_disable();
	vmm_arch_vcpu_put(vcpu);
	preempt_notifier_unregister(&vcpu->notifier);
	preempt_enable();
}

/* --- reaching a vCPU --- */

void vmm_vcpu_kick(struct vmm_vcpu *vcpu)
{
	int me = get_cpu(), cpu = READ_ONCE(vcpu->cpu);

	/* Our store (the request) before the load of mode. */
	smp_mb();
	if (cpu != me && (unsigned int)cpu < nr_cpu_ids && cpu_online(cpu) &&
	    cmpxchg(&vcpu->mode, VMM_IN_GUEST, VMM_EXITING_GUEST) == VMM_IN_GUEST)
		smp_send_reschedule(cpu);
	put_cpu();
}
EXPORT_SYMBOL_GPL(vmm_vcpu_kick);

void vmm_vcpu_notify(struct vmm_vcpu *vcpu)
{
	/* What was sent before the look at who waits. */
	smp_mb();
	if (!rcuwait_active(&vcpu->wait) || !rcuwait_wake_up(&vcpu->wait))
		vmm_vcpu_kick(vcpu);
}

static DEFINE_PER_CPU(cpumask_var_t, kick_mask);

static void left_guest(void *unused)
{
	/* The interrupt itself made the CPU leave the guest. */
}

void vmm_flush_remote_tlbs(struct vmm_vm *vm)
{
	struct vmm_vcpu *vcpu;
	struct cpumask *mask;
	bool any = false;
	unsigned long i;
	int me;

	/* Full barrier: the entries and the generation before the look at mode. */
	atomic64_inc_return(&vm->tlb_gen);
	me = get_cpu();
	mask = this_cpu_cpumask_var_ptr(kick_mask);
	vmm_for_each_vcpu(i, vcpu, vm) {
		int cpu = READ_ONCE(vcpu->cpu);

		if (READ_ONCE(vcpu->mode) == VMM_OUTSIDE_GUEST || cpu < 0 || cpu == me)
			continue;
		if (!any)
			cpumask_clear(mask);
		__cpumask_set_cpu(cpu, mask);
		any = true;
	}
	if (any)
		smp_call_function_many(mask, left_guest, NULL, true);
	put_cpu();
}

int vmm_kick_masks_alloc(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (!zalloc_cpumask_var_node(&per_cpu(kick_mask, cpu), GFP_KERNEL,
					     cpu_to_node(cpu))) {
			vmm_kick_masks_free();
			return -ENOMEM;
		}
	}
	return 0;
}

void vmm_kick_masks_free(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_cpumask_var(per_cpu(kick_mask, cpu));
}

/* --- the fd --- */

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct vmm_vcpu *vcpu = vmf->vma->vm_file->private_data;
	unsigned long ring_page = vmf->pgoff - VMM_DIRTY_LOG_PAGE_OFFSET;

	if (vmf->pgoff == VMM_COALESCED_MMIO_PAGE_OFFSET)
		vmf->page = vmm_coalesced_page(vcpu->vm);
	else if (vmf->pgoff < VMM_RUN_PAGES)
		vmf->page = virt_to_page((void *)vcpu->run + vmf->pgoff * PAGE_SIZE);
	else if (ring_page < vmm_dirty_ring_pages(vcpu))
		vmf->page = vmm_dirty_ring_page(vcpu, ring_page);
	else
		return VM_FAULT_SIGBUS;
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

/* The ring must be seen by both sides, and nobody has a reason to execute it. */
static bool maps_ring(const struct vmm_vcpu *vcpu, struct vm_area_struct *vma)
{
	unsigned long first = VMM_DIRTY_LOG_PAGE_OFFSET;

	return vma->vm_pgoff < first + vmm_dirty_ring_pages(vcpu) &&
	       vma->vm_pgoff + vma_pages(vma) > first && vmm_dirty_ring_pages(vcpu);
}

static int vcpu_mmap(struct file *filp, struct vm_area_struct *vma)
{
	if (maps_ring(filp->private_data, vma) &&
	    (vma->vm_flags & VM_EXEC || !(vma->vm_flags & VM_SHARED)))
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *filp)
{
	struct vmm_vcpu *vcpu = filp->private_data;

	vmm_vm_put(vcpu->vm);
	return 0;
}

static long set_signal_mask(struct vmm_vcpu *vcpu, struct vmm_signal_mask __user *arg)
{
	u32 len;

	if (!arg) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (get_user(len, &arg->len))
		return -EFAULT;
	if (len != sizeof(vcpu->sigset))
		return -EINVAL;
	if (copy_from_user(&vcpu->sigset, arg->sigset, sizeof(vcpu->sigset)))
		return -EFAULT;
	sigdelsetmask(&vcpu->sigset, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset_active = true;
	return 0;
}

/* Not inline: nobody else needs the stack for the mask. */
static noinline int run_with_sigset(struct vmm_vcpu *vcpu)
{
	sigset_t saved;
	int r;

	sigprocmask(SIG_SETMASK, &vcpu->sigset, &saved);
	/* sigtimedwait() and friends use real_blocked alike: signals that the
	 * caller blocks still count as wanted by it.
	 */
	current->real_blocked = saved;
	r = vmm_arch_vcpu_run(vcpu);
	sigprocmask(SIG_SETMASK, &saved, NULL);
	sigemptyset(&current->real_blocked);
	return r;
}

static int vcpu_run(struct vmm_vcpu *vcpu)
{
	return unlikely(vcpu->sigset_active) ? run_with_sigset(vcpu) : vmm_arch_vcpu_run(vcpu);
}

static noinline long other_vcpu_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, unsigned long arg)
{
	switch (nr) {
	case VMM_SET_SIGNAL_MASK:
		return set_signal_mask(vcpu, (void __user *)arg);
	case VMM_GET_STATS_FD:
		return vmm_vcpu_stats_fd(vcpu);
	default:
		return vmm_arch_vcpu_ioctl(vcpu, nr, arg);
	}
}

static long vcpu_ioctl(struct file *filp, unsigned int nr, unsigned long arg)
{
	struct vmm_vcpu *vcpu = filp->private_data;
	long r;

	if (vcpu->vm->mm != current->mm || READ_ONCE(vcpu->vm->dead))
		return -EIO;
	if (unlikely(_IOC_TYPE(nr) != VMMIO))
		return -EINVAL;
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	if (likely(nr == VMM_RUN))
		r = unlikely(arg) ? -EINVAL : vcpu_run(vcpu);
	else
		r = other_vcpu_ioctl(vcpu, nr, arg);
	mutex_unlock(&vcpu->mutex);
	return r;
}

struct file_operations vmm_vcpu_fops = {
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

/* --- creation and end --- */

static struct vmm_vcpu *vcpu_alloc(struct vmm_vm *vm, unsigned int id)
{
	struct vmm_vcpu *vcpu;

	vcpu = kzalloc(vm->backend->vcpu_size, GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return NULL;
	vcpu->run = alloc_pages_exact(VMM_RUN_PAGES * PAGE_SIZE, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->run)
		goto err;
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->cpu = -1;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	preempt_notifier_init(&vcpu->notifier, &preempt_ops);
	if (!vmm_dirty_ring_init(vcpu))
		return vcpu;
	free_pages_exact(vcpu->run, VMM_RUN_PAGES * PAGE_SIZE);
err:
	kfree(vcpu);
	return NULL;
}

static void vcpu_free(struct vmm_vcpu *vcpu)
{
	/* User space may still map them: each page has its own count. */
	free_pages_exact(vcpu->run, VMM_RUN_PAGES * PAGE_SIZE);
	vmm_dirty_ring_free(vcpu);
	kfree(vcpu);
}

/* The VM is going away, or the vCPU was never visible. */
void vmm_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	vmm_arch_vcpu_destroy(vcpu);
	vcpu_free(vcpu);
}

static bool id_in_use(struct vmm_vm *vm, unsigned int id)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	vmm_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return true;
	return false;
}

/* vm->lock held. Lock-free readers see the vCPU when nothing can fail any more. */
static int vcpu_publish(struct vmm_vm *vm, struct vmm_vcpu *vcpu)
{
	struct file *file;
	char name[24];
	int fd, r;

	if (id_in_use(vm, vcpu->id))
		return -EEXIST;
	vcpu->idx = atomic_read(&vm->online_vcpus);
	r = xa_reserve(&vm->vcpus, vcpu->idx, GFP_KERNEL_ACCOUNT);
	if (r)
		return r;
	fd = get_unused_fd_flags(O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		r = fd;
		goto err_slot;
	}
	snprintf(name, sizeof(name), "vmm-vcpu:%u", vcpu->id);
	file = anon_inode_getfile(name, &vmm_vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		r = PTR_ERR(file);
		goto err_slot;
	}
	vmm_vm_get(vm);
	xa_store(&vm->vcpus, vcpu->idx, vcpu, 0);
	atomic_inc(&vm->online_vcpus);
	vm->created_vcpus++;
	vmm_arch_vcpu_published(vcpu);
	fd_install(fd, file);
	return fd;
err_slot:
	xa_release(&vm->vcpus, vcpu->idx);
	return r;
}

/**
 * vmm_vcpu_create() - VMM_CREATE_VCPU
 * @vm: the VM
 * @id: user space's number for it
 *
 * Return: fd; -EINVAL (id or count too large), -EEXIST, -ENOMEM, -EMFILE.
 */
int vmm_vcpu_create(struct vmm_vm *vm, unsigned long id)
{
	struct vmm_vcpu *vcpu;
	int r;

	if (id >= VMM_MAX_VCPU_ID)
		return -EINVAL;
	mutex_lock(&vm->lock);
	r = -EINVAL;
	if (vm->created_vcpus >= VMM_MAX_VCPUS)
		goto out;
	r = vmm_arch_vcpu_precreate(vm, id);
	if (r)
		goto out;
	r = -ENOMEM;
	vcpu = vcpu_alloc(vm, id);
	if (!vcpu)
		goto out;
	r = vmm_arch_vcpu_init(vcpu);
	if (r) {
		vcpu_free(vcpu);
		goto out;
	}
	r = vcpu_publish(vm, vcpu);
	if (r < 0)
		vmm_vcpu_destroy(vcpu);
out:
	mutex_unlock(&vm->lock);
	return r;
}
