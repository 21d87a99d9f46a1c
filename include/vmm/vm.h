/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM and its vCPUs as the architecture-neutral core sees them.
 *
 * Lock legend, used by all headers:
 *	I  set at creation, then immutable
 *	V  vm->lock (mutex): vCPU creation, VM-wide settings
 *	S  vm->slots_lock (mutex): memory slots; readers use vm->srcu
 *	M  vm->mmu_lock (rwlock): second-level tables, see tdp.h
 *	R  vcpu->mutex: the vCPU; held through every vCPU ioctl, RUN included
 *	A  atomic, or lock-free with the barriers named at the field
 * Order: vm->lock, vcpu->mutex, slots_lock, srcu, mmu_lock.
 */
#ifndef _VMM_VM_H
#define _VMM_VM_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/refcount.h>
#include <linux/signal_types.h>
#include <linux/srcu.h>
#include <linux/xarray.h>

#include <uapi/linux/vmm.h>
#include <vmm/memory.h>
#include <vmm/arch.h>

#define VMM_MAX_VCPUS		1024
#define VMM_MAX_VCPU_ID		4096
/* Address spaces of a VM: 0 is normal memory. */
#define VMM_NR_SPACES		1

/* Pages of the vCPU mapping: the run structure, PIO data, the coalesced ring. */
#define VMM_VCPU_PAGES		3
#define VMM_PIO_PAGE		1
#define VMM_RUN_PAGES		2	/* those of the vCPU's own: the ring is the VM's */

struct vmm_io_bus;
struct vmm_irqs;
struct vmm_coalesced;

struct vmm_vm {
	struct mm_struct *mm;			/* I: the creator's */
	pid_t pid;				/* I: the creator's, for people */
	struct dentry *debugfs;			/* I: see stats.c */
	struct mutex lock;			/* outermost */
	struct mutex slots_lock;
	struct srcu_struct srcu;		/* readers of slots, io buses */
	rwlock_t mmu_lock;

	struct vmm_memslots __rcu *slots[VMM_NR_SPACES];	/* S, srcu */
	struct xarray slots_by_id;		/* S: (space << 16 | id) -> slot */
	unsigned long slot_pages;		/* S: sum over all slots */
	struct list_head slot_garbage;		/* S: retired arrays, see memslot.c */
	unsigned int nr_slot_garbage;		/* S */
	struct rb_root_cached hva_tree;		/* M: slots by host address */
	struct vmm_invalidate inval;		/* M, see memory.h */
	struct vmm_notifier *notifier;		/* I: see invalidate.c */
	u32 dirty_log_flags;			/* S: VMM_DIRTY_LOG_* */
	u32 dirty_ring_size;			/* V: entries; I once there is a vCPU */
	struct vmm_snapshot __rcu *snapshot;	/* S, srcu; see snapshot.c */
	bool dirty_ring_spilled;		/* A: pages wait for room, see dirty_ring.c */

	struct xarray vcpus;			/* V; index -> vCPU; readers lock-free */
	unsigned int created_vcpus;		/* V: incl. those being created */
	atomic_t online_vcpus;			/* A: vCPUs in the array */

	struct vmm_io_bus __rcu *bus[2];	/* S, srcu: PIO and MMIO listeners */
	struct list_head ioeventfds;		/* S */
	struct vmm_coalesced *coalesced;	/* I: see coalesced.c */
	struct vmm_irqs *irqs;			/* V, once; A: see irq.h */

	unsigned int last_yield;		/* A: see yield.c */
	atomic64_t tlb_gen;			/* A: see vmm_flush_remote_tlbs() */
	refcount_t users;			/* A: VM fd, vCPU fds */
	bool dead;				/* A: vmm_vm_kill() */
	const struct vmm_backend *backend;	/* I */

	struct vmm_vm_arch arch;
};

/* vcpu->mode: who may have to be interrupted for a request to be seen. */
enum { VMM_OUTSIDE_GUEST, VMM_IN_GUEST, VMM_EXITING_GUEST };

/* vcpu->requests: work that the vCPU does before its next entry. */
enum {
	VMM_REQ_EVENT,		/* look at events and windows again */
	VMM_REQ_CLOCK_UPDATE,	/* write the paravirtual clock page */
	VMM_REQ_TRIPLE_FAULT,
	VMM_REQ_VM_DEAD,
	VMM_REQ_DIRTY_RING,	/* the dirty ring is getting full */
	VMM_REQ_MSR_FILTER,	/* which MSRs exit has changed */
	VMM_REQ_ARCH,		/* first bit for arch/x86 */
};

struct vmm_vcpu {
	struct vmm_vm *vm;			/* I */
	unsigned int id;			/* I: as user space numbers it */
	unsigned int idx;			/* I: 0.. in order of creation */
	int cpu;				/* A: CPU it is loaded on, -1 none */
	int mode;				/* A: pairs with requests, tlb_gen */
	unsigned long requests;			/* A: bitmap of VMM_REQ_* */
	u64 tlb_gen;				/* R: vm->tlb_gen seen at entry */
	unsigned long rcu_noted;		/* R: jiffies; see vmm_note_rcu_quiescent() */
	struct mutex mutex;
	struct vmm_run *run;			/* I: VMM_RUN_PAGES shared with user space: fetch once */
	struct rcuwait wait;			/* A: RUN has nothing to do and sleeps */
	struct preempt_notifier notifier;	/* R */
	struct task_struct *preempted;		/* A, RCU: lost its CPU while it ran; see yield.c */
	sigset_t sigset;			/* R */
	bool sigset_active;			/* R */
	int srcu_idx;				/* R: while RUN reads under vm->srcu */
	struct vmm_memslot_cache slot_cache;	/* R */
	struct vmm_dirty_ring dirty_ring;	/* see memory.h */

	struct vmm_vcpu_arch arch;		/* R unless it says otherwise */
};

/* --- virt/vm.c --- */
int vmm_vm_create(unsigned long type);		/* returns an fd */
long vmm_check_extension(struct vmm_vm *vm, long cap);	/* vm may be NULL */
void vmm_vm_get(struct vmm_vm *vm);
void vmm_vm_put(struct vmm_vm *vm);
/**
 * vmm_vm_kill() - end one VM whose state can no longer be trusted
 * @vm: the VM
 * @why: what happened; logged once with the VM's pid
 *
 * Every RUN and ioctl on it answers -EIO from now on. Any context.
 */
void vmm_vm_kill(struct vmm_vm *vm, const char *why);
#define VMM_BUG_ON(cond, vm) ({						\
	bool __bug = unlikely(cond);					\
	if (__bug)							\
		vmm_vm_kill(vm, __FILE__ ": " #cond);			\
	__bug; })

/* --- virt/vcpu.c --- */
int vmm_vcpu_create(struct vmm_vm *vm, unsigned long id);	/* returns an fd */
void vmm_vcpu_destroy(struct vmm_vcpu *vcpu);
int vmm_kick_masks_alloc(void);			/* module init */
void vmm_kick_masks_free(void);
/* Bind to this CPU until vcpu_put(); caller holds vcpu->mutex. */
void vcpu_load(struct vmm_vcpu *vcpu);
void vcpu_put(struct vmm_vcpu *vcpu);
/* Make a vCPU look at its requests: IPI if it is in the guest. Any context. */
void vmm_vcpu_kick(struct vmm_vcpu *vcpu);
/* The same, and end its wait if it waits for something to do. Any context. */
void vmm_vcpu_notify(struct vmm_vcpu *vcpu);
static inline void vmm_request(struct vmm_vcpu *vcpu, unsigned int req)
{
	/* Pairs with the barrier between mode = IN_GUEST and the test of requests. */
	smp_wmb();
	set_bit(req, &vcpu->requests);
}

static inline bool vmm_check_request(struct vmm_vcpu *vcpu, unsigned int req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	smp_mb__after_atomic();
	return true;
}

/**
 * vmm_flush_remote_tlbs() - after second-level entries were made stricter
 * @vm: the VM
 *
 * Bumps vm->tlb_gen and, with wait, interrupts every vCPU that is in the
 * guest at this moment and returns when all have left it; each flushes before
 * it enters again. vCPUs outside the guest cost nothing. Context: mmu_lock may
 * be held; interrupts on.
 */
void vmm_flush_remote_tlbs(struct vmm_vm *vm);

/* --- virt/yield.c --- */
void vmm_yield_to(struct vmm_vcpu *self, struct vmm_vcpu *target);
void vmm_yield(struct vmm_vcpu *self);

/* Up to the last, not to the array's end: that is 60 empty places away. */
#define vmm_for_each_vcpu(i, vcpu, vm)						\
	xa_for_each_range(&(vm)->vcpus, i, vcpu, 0,				\
			  (unsigned long)atomic_read(&(vm)->online_vcpus) - 1)

/* --- hardware enabling, virt/main.c --- */
int vmm_hw_get(void);		/* first VM: extensions on, on all CPUs; may sleep */
void vmm_hw_put(void);
/* Their .owner is the vendor module: an open fd pins it. */
extern struct file_operations vmm_vm_fops, vmm_vcpu_fops, vmm_stats_fops;

/* --- the architecture's half: arch/x86/ --- */
int vmm_arch_init(void);
void vmm_arch_exit(void);
int vmm_arch_backend_register(struct vmm_backend *b);	/* after the op check */
void vmm_arch_backend_unregister(void);
void vmm_arch_cpu_off(void);	/* before cpu_disable: on that CPU, interrupts off */
long vmm_arch_check_extension(struct vmm_vm *vm, long cap);	/* vm may be NULL */
long vmm_arch_dev_ioctl(unsigned int nr, unsigned long arg);
int vmm_arch_vm_init(struct vmm_vm *vm, unsigned long type);
void vmm_arch_vm_destroy(struct vmm_vm *vm);
long vmm_arch_vm_ioctl(struct vmm_vm *vm, unsigned int nr, unsigned long arg);
int vmm_arch_vcpu_precreate(struct vmm_vm *vm, unsigned int id);
int vmm_arch_vcpu_init(struct vmm_vcpu *vcpu);		/* not yet visible */
void vmm_arch_vcpu_published(struct vmm_vcpu *vcpu);	/* vm->lock held */
void vmm_arch_vcpu_destroy(struct vmm_vcpu *vcpu);
long vmm_arch_vcpu_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, unsigned long arg);
void vmm_arch_vcpu_load(struct vmm_vcpu *vcpu, int cpu);	/* preemption off */
void vmm_arch_vcpu_put(struct vmm_vcpu *vcpu);
int vmm_arch_vcpu_run(struct vmm_vcpu *vcpu);		/* arch/x86/run.c */
/* The vCPU's part of a snapshot, virt/snapshot.c; vcpu->mutex held, not loaded. */
int vmm_arch_snapshot_mark(struct vmm_vcpu *vcpu);	/* 0, -ENOMEM */
void vmm_arch_snapshot_restore(struct vmm_vcpu *vcpu);
void vmm_arch_snapshot_free(struct vmm_vcpu *vcpu);
/* The VM's: between pause and go_on its timers stand still. Mark frees no older one. */
void vmm_arch_snapshot_pause(struct vmm_vm *vm);
void vmm_arch_snapshot_go_on(struct vmm_vm *vm);
int vmm_arch_snapshot_mark_vm(struct vmm_vm *vm);	/* 0, -ENOMEM */
void vmm_arch_snapshot_restore_vm(struct vmm_vm *vm);
void vmm_arch_snapshot_free_vm(struct vmm_vm *vm);

#endif
