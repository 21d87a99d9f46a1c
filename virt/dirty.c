// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty bitmap: which pages of a slot were written since user space last
 * asked. The fault path (arch/x86/tdp.c) and the kernel's own writes
 * (guest_memory.c) set bits; VMM_GET_DIRTY_LOG hands the bitmap out, clears it
 * and write-protects just the pages that were dirty, so its cost grows with
 * what was written.
 *
 * Order: a writer makes the page writable, then sets the bit; the log takes the
 * bit, then write-protects the page. So a page that is writable without a bit
 * exists only between the two steps of a fault that has not returned yet, and
 * is reported the next time. Bits change atomically; slots_lock makes one log
 * at a time.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include <vmm/guest_memory.h>
#include <vmm/tdp.h>

/* Words taken from the bitmap at a time where some are not zero. */
#define BATCH_WORDS	64
/* Words that the loops over clean parts of a bitmap look at together. */
#define STRIDE		8

unsigned long *vmm_alloc_dirty_bitmap(unsigned long npages)
{
	return kvcalloc(BITS_TO_LONGS(npages), sizeof(unsigned long), GFP_KERNEL_ACCOUNT);
}

/**
 * vmm_mark_dirty() - a page of a slot was written
 * @vm: VM
 * @slot: slot
 * @gfn: guest frame in it
 *
 * Context: vm->srcu held; any context. Does nothing if the slot is not logged.
 */
void vmm_mark_dirty(struct vmm_vm *vm, const struct vmm_memslot *slot, gfn_t gfn)
{
	unsigned long bit = gfn - slot->base;

	if (slot->dirty && !test_bit(bit, slot->dirty))
		set_bit(bit, slot->dirty);
}

/* How many strides from p on are clean? At most n words. */
static unsigned long clean_words(const unsigned long *p, unsigned long n)
{
	unsigned long i;

	for (i = 0; i + STRIDE <= n; i += STRIDE)
		if (READ_ONCE(p[i]) | READ_ONCE(p[i + 1]) | READ_ONCE(p[i + 2]) |
		    READ_ONCE(p[i + 3]) | READ_ONCE(p[i + 4]) | READ_ONCE(p[i + 5]) |
		    READ_ONCE(p[i + 6]) | READ_ONCE(p[i + 7]))
			break;
	return i;
}

/* n is a multiple of STRIDE. */
static int put_zeroes(unsigned long __user *to, unsigned long n)
{
	unsigned long __user *end = to + n;

	if (!user_write_access_begin(to, n * sizeof(*to)))
		return -EFAULT;
	for (; to != end; to += STRIDE) {
		unsafe_put_user(0, to, efault);
		unsafe_put_user(0, to + 1, efault);
		unsafe_put_user(0, to + 2, efault);
		unsafe_put_user(0, to + 3, efault);
		unsafe_put_user(0, to + 4, efault);
		unsafe_put_user(0, to + 5, efault);
		unsafe_put_user(0, to + 6, efault);
		unsafe_put_user(0, to + 7, efault);
	}
	user_write_access_end();
	return 0;
efault:
	user_write_access_end();
	return -EFAULT;
}

/*
 * Take up to BATCH_WORDS words from the bitmap at word @at and hand them out.
 * If user space cannot be written, the bits go back: nothing is lost.
 */
static int take_words(struct vmm_vm *vm, const struct vmm_memslot *slot, unsigned long at,
		      unsigned long n, unsigned long __user *to, bool *flush)
{
	unsigned long first = at * BITS_PER_LONG, buf[BATCH_WORDS], i;

	for (i = 0; i < n; i++) {
		unsigned long *word = &slot->dirty[at + i];

		buf[i] = READ_ONCE(*word) ? xchg(word, 0) : 0;
	}
	if (tdp_write_protect_pages(vm, slot->base + first, buf,
				    min(n * BITS_PER_LONG, slot->npages - first)))
		*flush = true;
	if (!copy_to_user(to, buf, n * sizeof(*to)))
		return 0;
	for (i = 0; i < n; i++)
		if (buf[i])
			atomic_long_or(buf[i], (atomic_long_t *)&slot->dirty[at + i]);
	return -EFAULT;
}

static int log_slot(struct vmm_vm *vm, const struct vmm_memslot *slot, unsigned long __user *to)
{
	unsigned long words = BITS_TO_LONGS(slot->npages), at = 0, n;
	bool flush = false;
	int r = 0;

	while (at < words && !r) {
		n = clean_words(slot->dirty + at, words - at);
		if (n) {
			r = put_zeroes(to + at, n);
		} else {
			n = min_t(unsigned long, BATCH_WORDS, words - at);
			r = take_words(vm, slot, at, n, to + at, &flush);
		}
		at += n;
		cond_resched();
	}
	if (flush)
		vmm_flush_remote_tlbs(vm);
	return r;
}

/**
 * vmm_get_dirty_log() - VMM_GET_DIRTY_LOG
 * @vm: VM
 * @log: already copied from user space
 *
 * Return: 0; -EINVAL: slot number out of range; -ENOENT: there is no such slot,
 * or its writes are not logged; -EFAULT: the buffer is not writable (bits of the
 * part that was not handed out stay set).
 */
int vmm_get_dirty_log(struct vmm_vm *vm, const struct vmm_dirty_log *log)
{
	const struct vmm_memslot *slot;
	int r = -ENOENT;

	if ((log->slot >> 16) >= VMM_NR_SPACES || (u16)log->slot >= VMM_MAX_MEMSLOTS)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	slot = xa_load(&vm->slots_by_id, log->slot);
	if (slot && slot->dirty)
		r = log_slot(vm, slot, u64_to_user_ptr(log->dirty_bitmap_addr));
	mutex_unlock(&vm->slots_lock);
	return r;
}
