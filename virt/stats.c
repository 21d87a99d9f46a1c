// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics of VMs and vCPUs for user space: the fds of VMM_GET_STATS_FD, in the
 * binary format of struct vmm_stats_header, and a file a VM in debugfs,
 * vmm/<pid>-<number>, which needs no cooperation of the VMM and is what vmmstat
 * reads. What is counted in a vCPU is arch/x86/stats.c's.
 *
 * Locks: none of a VM's. A statistics fd holds its VM, whose vCPUs live as long; a
 * reader of the debugfs file is waited for when the VM goes, and vm->srcu keeps it
 * from seeing a vCPU whose creation is being undone.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vmm/stats.h>
#include <vmm/vm.h>

/* --- a VM's own --- */

#define COUNTER		(VMM_STATS_TYPE_CUMULATIVE | VMM_STATS_UNIT_NONE | VMM_STATS_BASE_POW10)
#define LEVEL		(VMM_STATS_TYPE_INSTANT | VMM_STATS_UNIT_NONE | VMM_STATS_BASE_POW10)
#define LEVEL_BYTES	(VMM_STATS_TYPE_INSTANT | VMM_STATS_UNIT_BYTES | VMM_STATS_BASE_POW2)

#define VM_STATS(X)								\
	X(vcpus, LEVEL, atomic_read(&vm->online_vcpus))				\
	X(memory, LEVEL_BYTES, (u64)READ_ONCE(vm->slot_pages) << PAGE_SHIFT)	\
	X(remote_tlb_flush, COUNTER, atomic64_read(&vm->tlb_gen) - 1)

static const struct vmm_stat vm_stats[] = {
#define X(n, f, value) { .name = #n, .flags = f },
	VM_STATS(X)
#undef X
};

static void vm_stat_values(struct vmm_vm *vm, u64 *values)
{
#define X(n, f, value) *values++ = value;
	VM_STATS(X)
#undef X
}

/* --- of either, chosen by vcpu being NULL or not --- */

static unsigned int nr_stats(struct vmm_vcpu *vcpu)
{
	return vcpu ? vmm_arch_nr_vcpu_stats() : ARRAY_SIZE(vm_stats);
}

static void describe(struct vmm_vcpu *vcpu, unsigned int i, struct vmm_stat *stat)
{
	if (vcpu)
		vmm_arch_vcpu_stat(i, stat);
	else
		*stat = vm_stats[i];
}

static void get_values(struct vmm_vm *vm, struct vmm_vcpu *vcpu, u64 *values)
{
	if (vcpu)
		vmm_arch_vcpu_stat_values(vcpu, values);
	else
		vm_stat_values(vm, values);
}

/* --- VMM_GET_STATS_FD --- */

/* What is behind an fd: an image of the file, of which only the values change. */
struct stats_file {
	struct vmm_vm *vm;		/* I */
	struct vmm_vcpu *vcpu;		/* I: NULL: the VM's */
	struct mutex lock;		/* values, while they are copied */
	size_t size;			/* I */
	u64 *values;			/* in image */
	u64 image[];
};

#define DESC_SIZE	(sizeof(struct vmm_stats_desc) + VMM_STATS_NAME)

static ssize_t stats_read(struct file *filp, char __user *buf, size_t size, loff_t *pos)
{
	struct stats_file *file = filp->private_data;
	ssize_t r;

	if (mutex_lock_killable(&file->lock))
		return -EINTR;
	get_values(file->vm, file->vcpu, file->values);
	r = simple_read_from_buffer(buf, size, pos, file->image, file->size);
	mutex_unlock(&file->lock);
	return r;
}

static int stats_release(struct inode *inode, struct file *filp)
{
	struct stats_file *file = filp->private_data;

	vmm_vm_put(file->vm);
	kvfree(file);
	return 0;
}

struct file_operations vmm_stats_fops = {
	.release = stats_release,
	.read = stats_read,
	.llseek = noop_llseek,
};

/* Header, name, descriptions; the values' place is behind them. */
static void fill_image(struct stats_file *file, unsigned int nr)
{
	struct vmm_stats_header *header = (void *)file->image;
	char *id = (char *)(header + 1);
	void *at = id + VMM_STATS_NAME;
	unsigned int i;

	*header = (struct vmm_stats_header) {
		.name_size = VMM_STATS_NAME,
		.num_desc = nr,
		.id_offset = sizeof(*header),
		.desc_offset = sizeof(*header) + VMM_STATS_NAME,
		.data_offset = sizeof(*header) + VMM_STATS_NAME + nr * DESC_SIZE,
	};
	/* KVM's prefix: part of the format. */
	if (file->vcpu)
		snprintf(id, VMM_STATS_NAME, "kvm-%d/vcpu-%u", file->vm->pid, file->vcpu->id);
	else
		snprintf(id, VMM_STATS_NAME, "kvm-%d", file->vm->pid);
	for (i = 0; i < nr; i++, at += DESC_SIZE) {
		struct vmm_stats_desc *desc = at;
		struct vmm_stat stat = {};

		describe(file->vcpu, i, &stat);
		desc->flags = stat.flags;
		desc->exponent = stat.exponent;
		desc->size = 1;
		desc->offset = i * sizeof(u64);
		memcpy(desc->name, stat.name, VMM_STATS_NAME);
	}
	file->values = at;
}

static long stats_fd(struct vmm_vm *vm, struct vmm_vcpu *vcpu)
{
	unsigned int nr = nr_stats(vcpu);
	struct stats_file *file;
	struct file *filp;
	size_t size;
	int fd;

	BUILD_BUG_ON(sizeof(struct vmm_stats_header) % 8 || DESC_SIZE % 8 || VMM_STATS_NAME % 8);
	size = sizeof(struct vmm_stats_header) + VMM_STATS_NAME + nr * (DESC_SIZE + sizeof(u64));
	file = kvzalloc(struct_size(file, image, size / sizeof(u64)), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	file->vm = vm;
	file->vcpu = vcpu;
	file->size = size;
	fill_image(file, nr);

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto err_free;
	filp = anon_inode_getfile(vcpu ? "vmm-vcpu-stats" : "vmm-vm-stats", &vmm_stats_fops,
				  file, O_RDONLY);
	if (IS_ERR(filp)) {
		put_unused_fd(fd);
		fd = PTR_ERR(filp);
		goto err_free;
	}
	/* Readers go to the values again and again. */
	filp->f_mode |= FMODE_PREAD;
	vmm_vm_get(vm);
	fd_install(fd, filp);
	return fd;
err_free:
	kvfree(file);
	return fd;
}

long vmm_vm_stats_fd(struct vmm_vm *vm)
{
	return stats_fd(vm, NULL);
}

long vmm_vcpu_stats_fd(struct vmm_vcpu *vcpu)
{
	return stats_fd(vcpu->vm, vcpu);
}

/* --- debugfs: a line a value, "vm NAME VALUE" or "vcpuID NAME VALUE" --- */

static struct dentry *debugfs_dir;
static atomic_t vm_number;

/* Position 0 is the VM, n its vCPU n - 1. */
static void *seq_vm_start(struct seq_file *seq, loff_t *pos)
	__acquires(vm->srcu)
{
	struct vmm_vm *vm = seq->file->f_inode->i_private;

	*(int *)seq->private = srcu_read_lock(&vm->srcu);
	if (!*pos)
		return SEQ_START_TOKEN;
	return xa_load(&vm->vcpus, *pos - 1);
}

static void *seq_vm_next(struct seq_file *seq, void *item, loff_t *pos)
{
	struct vmm_vm *vm = seq->file->f_inode->i_private;

	return xa_load(&vm->vcpus, ++*pos - 1);
}

static void seq_vm_stop(struct seq_file *seq, void *item)
	__releases(vm->srcu)
{
	struct vmm_vm *vm = seq->file->f_inode->i_private;

	srcu_read_unlock(&vm->srcu, *(int *)seq->private);
}

static int seq_vm_show(struct seq_file *seq, void *item)
{
	struct vmm_vcpu *vcpu = item == SEQ_START_TOKEN ? NULL : item;
	unsigned int i, nr = nr_stats(vcpu);
	char who[16] = "vm";
	u64 *values;

	values = kmalloc_array(nr, sizeof(*values), GFP_KERNEL);
	if (!values)
		return -ENOMEM;
	get_values(seq->file->f_inode->i_private, vcpu, values);
	if (vcpu)
		snprintf(who, sizeof(who), "vcpu%u", vcpu->id);
	for (i = 0; i < nr; i++) {
		struct vmm_stat stat = {};

		describe(vcpu, i, &stat);
		seq_printf(seq, "%s %s %llu\n", who, stat.name, values[i]);
	}
	kfree(values);
	return 0;
}

static const struct seq_operations seq_vm_ops = {
	.start = seq_vm_start,
	.next = seq_vm_next,
	.stop = seq_vm_stop,
	.show = seq_vm_show,
};

static int debugfs_vm_open(struct inode *inode, struct file *filp)
{
	return seq_open_private(filp, &seq_vm_ops, sizeof(int));	/* vm->srcu's index */
}

static const struct file_operations debugfs_vm_fops = {
	.owner = THIS_MODULE,
	.open = debugfs_vm_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

void vmm_stats_vm_add(struct vmm_vm *vm)
{
	char name[32];

	snprintf(name, sizeof(name), "%d-%u", vm->pid, (u32)atomic_inc_return(&vm_number));
	/* Without debugfs there is no file, and nothing else is missing. */
	vm->debugfs = debugfs_create_file(name, 0444, debugfs_dir, vm, &debugfs_vm_fops);
}

void vmm_stats_vm_remove(struct vmm_vm *vm)
{
	debugfs_remove(vm->debugfs);
}

void vmm_stats_init(void)
{
	debugfs_dir = debugfs_create_dir("vmm", NULL);
}

void vmm_stats_exit(void)
{
	vmm_arch_stats_exit();
	debugfs_remove(debugfs_dir);
}
