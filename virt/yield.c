// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU that spins gives its time to one that was preempted: perhaps that one
 * holds the lock. More vCPUs than CPUs crawl without this.
 *
 * vcpu->preempted is the thread that lost its CPU while it had something to do with
 * the vCPU; it clears that itself when it goes on. A hint: a wrong choice costs time
 * only.
 */
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include <vmm/vm.h>

/* How many candidates to try: yield_to() may refuse, and each try takes time. */
#define MAX_TRIES	3

/* Let this vCPU's thread run in place of ours. >0: it does. */
static int yield_to_thread(struct vmm_vcpu *vcpu)
{
	struct task_struct *task;
	int r;

	rcu_read_lock();
	/* It cannot have exited without running, which clears the pointer. */
	task = READ_ONCE(vcpu->preempted);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return 0;
	r = yield_to(task, true);
	put_task_struct(task);
	return r;
}

/**
 * vmm_yield_to() - the guest says whom it waits for
 * @self: the vCPU that waits, on its thread
 * @target: the other
 */
void vmm_yield_to(struct vmm_vcpu *self, struct vmm_vcpu *target)
{
	if (target != self && READ_ONCE(target->preempted))
		yield_to_thread(target);
}

/**
 * vmm_yield() - the guest spins, for whom is not known
 * @self: the vCPU, on its thread
 *
 * The others are tried in turn, going on where the last such call of the VM ended.
 */
void vmm_yield(struct vmm_vcpu *self)
{
	struct vmm_vm *vm = self->vm;
	unsigned int nr = atomic_read(&vm->online_vcpus), tries = MAX_TRIES, i;
	unsigned int start = READ_ONCE(vm->last_yield);

	for (i = 1; i <= nr && tries; i++) {
		struct vmm_vcpu *vcpu = xa_load(&vm->vcpus, (start + i) % nr);

		if (!vcpu || vcpu == self || !READ_ONCE(vcpu->preempted))
			continue;
		tries--;
		if (yield_to_thread(vcpu) > 0) {
			WRITE_ONCE(vm->last_yield, vcpu->idx);
			return;
		}
	}
}
