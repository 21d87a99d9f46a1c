// SPDX-License-Identifier: GPL-2.0
/*
 * Entries that are broken on purpose, so that a test can see each of the rules
 * explained that no ioctl lets user space break. There is nothing of it unless vm.ko
 * is loaded with spoil=1, which taints the kernel: an entry pays a NOP. With it
 * there is the file "vmm-spoil" in debugfs (root's, and shut under lockdown). What
 * is written to it, all numbers hexadecimal, one a line, replaces what was there:
 *
 *	FIELD SIZE CLEAR SET	clear, then set these bits in the control structure
 *	refuse REASON		do not enter, act as if the CPU had refused with REASON
 *
 * and is done once, at the next entry of a vCPU of the process that wrote it. That
 * vCPU is good for nothing afterwards. "refuse" is for rules that an emulated CPU
 * does not check.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include <vmm/spoil.h>

#define MAX_TEXT	1024

static bool spoil;
module_param_unsafe(spoil, bool, 0444);
MODULE_PARM_DESC(spoil, "let a test break entries through debugfs (default: no)");

DEFINE_STATIC_KEY_FALSE(vmm_spoil_key);
EXPORT_SYMBOL_GPL(vmm_spoil_key);

static DEFINE_RAW_SPINLOCK(lock);	/* taken with interrupts off */
static struct vmm_spoil waiting;	/* lock */
static pid_t waits_for;			/* lock, read without as a hint: 0 nobody */
static struct dentry *file;

/**
 * vmm_spoil_take() - what the entry that is about to happen should break
 * @s: filled in
 *
 * Context: interrupts off. Return: is there anything?
 */
bool vmm_spoil_take(struct vmm_spoil *s)
{
	bool mine;

	if (likely(READ_ONCE(waits_for) != current->tgid))
		return false;
	raw_spin_lock(&lock);
	mine = waits_for == current->tgid;
	if (mine) {
		*s = waiting;
		WRITE_ONCE(waits_for, 0);
	}
	raw_spin_unlock(&lock);
	return mine;
}
EXPORT_SYMBOL_GPL(vmm_spoil_take);

static int parse_line(struct vmm_spoil *s, const char *line)
{
	typeof(s->change[0]) *c;

	if (sscanf(line, "refuse %llx", &s->reason) == 1) {
		s->refuse = true;
		return 0;
	}
	if (s->nr == VMM_SPOIL_MAX)
		return -EINVAL;
	c = &s->change[s->nr++];
	if (sscanf(line, "%x %x %llx %llx", &c->field, &c->size, &c->clear, &c->set) != 4)
		return -EINVAL;
	return 0;
}

static ssize_t spoil_write(struct file *f, const char __user *buf, size_t count, loff_t *pos)
{
	struct vmm_spoil s = {};
	char *text, *rest, *line;
	int r = 0;

	if (count > MAX_TEXT)
		return -EINVAL;
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	rest = text;
	while (!r && (line = strsep(&rest, "\n")))
		if (*line)
			r = parse_line(&s, line);
	kfree(text);
	if (r)
		return r;
	raw_spin_lock_irq(&lock);
	waiting = s;
	WRITE_ONCE(waits_for, current->tgid);
	raw_spin_unlock_irq(&lock);
	return count;
}

static const struct file_operations spoil_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = spoil_write,
	.llseek = noop_llseek,
};

/* Module init. Without debugfs there is no file, which the test says. */
void vmm_spoil_init(void)
{
	if (!spoil)
		return;
	static_branch_enable(&vmm_spoil_key);
	file = debugfs_create_file("vmm-spoil", 0200, NULL, NULL, &spoil_fops);
}

void vmm_spoil_exit(void)
{
	debugfs_remove(file);
}
