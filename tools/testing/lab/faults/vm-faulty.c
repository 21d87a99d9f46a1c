// SPDX-License-Identifier: GPL-2.0
/*
 * A module that is broken in the ways that the lab has to notice.
 *
 * `test-lab` loads it in place of vmm's modules, with kinds= naming what to
 * do wrong while it is loaded, and fails unless the lab reports it. The kinds
 * are done in the order of the table: lockdep says nothing any more after its
 * own report of a lock cycle, or after KASAN's first.
 */
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *kinds = "";
module_param(kinds, charp, 0444);
MODULE_PARM_DESC(kinds, "What to do wrong: warn,rcu,cycle,freed,sleep,leak");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spinlock);
static int __rcu *pointer;

static void do_warn(void)
{
	WARN(1, "a warning, on purpose\n");
}

/* Reads an RCU pointer outside a read-side critical section. */
static void do_rcu(void)
{
	pr_info("rcu pointer: %d\n", !!rcu_dereference(pointer));
}

/* Takes two mutexes in both orders: no deadlock here, but there could be. */
static void do_cycle(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void do_freed(void)
{
	char *bytes = kzalloc(64, GFP_KERNEL);

	if (!bytes)
		return;
	OPTIMIZER_HIDE_VAR(bytes);
	kfree(bytes);
	pr_info("freed byte: %d\n", READ_ONCE(bytes[3]));
}

static void do_sleep(void)
{
	spin_lock(&spinlock);
	mutex_lock(&first);
	mutex_unlock(&first);
	spin_unlock(&spinlock);
}

static void do_leak(void)
{
	int n;

	/* Several: a stale copy of one's address may lie on the stack. */
	for (n = 0; n < 8; n++) {
		void *lost = kmalloc(128, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(lost);
	}
}

static const struct {
	const char *name;
	void (*function)(void);
} faults[] = {
	{ "warn", do_warn },
	{ "rcu", do_rcu },
	{ "cycle", do_cycle },
	{ "freed", do_freed },
	{ "sleep", do_sleep },
	{ "leak", do_leak },
};

static int __init faulty_init(void)
{
	size_t n;

	for (n = 0; n < ARRAY_SIZE(faults); n++)
		if (strstr(kinds, faults[n].name))
			faults[n].function();
	return 0;
}
module_init(faulty_init);

static void __exit faulty_exit(void)
{
}
module_exit(faulty_exit);

MODULE_DESCRIPTION("Faults for vmm's lab to find");
MODULE_LICENSE("GPL");
