// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: which pages of a slot were written since user space last
 * asked. The fault path (arch/x86/tdp.c) and the kernel's own writes
 * (guest_memory.c) set bits; VMM_GET_DIRTY_LOG hands the bitmap out, clears it
 * and write-protects just the pages that were dirty, so its cost grows with
 * what was written. With VMM_CAP_MANUAL_DIRTY_LOG_PROTECT2 it only hands out, and
 * VMM_CLEAR_DIRTY_LOG does the rest for the pages that user space names. With
 * dirty rings (dirty_ring.c) the bitmap says which pages are in one of them.
 *
 * Order: a writer makes the page writable, then sets the bit; the log takes the
 * bit, then write-protects the page. So a page that is writable without a bit
 * exists only between the two steps of a fault that has not returned yet, and
 * is reported the next time. Bits change atomically; slots_lock makes one log
 * at a time.
 */
#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include <vmm/guest_memory.h>
#include <vmm/tdp.h>

/* Words taken from the bitmap at a time where some are not zero. */
#define BATCH_WORDS	64
/* Words that the loops over clean parts of a bitmap look at together. */
#define STRIDE		8

#define LOG_FLAGS	(VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | VMM_DIRTY_LOG_INITIALLY_SET)

bool vmm_dirty_initially_set(const struct vmm_vm *vm)
{
	return vm->dirty_log_flags & VMM_DIRTY_LOG_INITIALLY_SET && !vm->dirty_ring_size;
}

/*
 * With rings there is a second half: pages that found no room in a ring.
 * Context: slots_lock held.
 */
unsigned long *vmm_alloc_dirty_bitmap(struct vmm_vm *vm, unsigned long npages)
{
	unsigned long words = BITS_TO_LONGS(npages);
	unsigned long *bitmap;

	bitmap = kvcalloc(READ_ONCE(vm->dirty_ring_size) ? words * 2 : words, sizeof(*bitmap),
			  GFP_KERNEL_ACCOUNT);
	if (bitmap && vmm_dirty_initially_set(vm))
		bitmap_set(bitmap, 0, npages);
	return bitmap;
}

/* The slot is logged; see vmm_mark_dirty(). */
void __vmm_mark_dirty(struct vmm_vm *vm, struct vmm_vcpu *vcpu,
		      const struct vmm_memslot *slot, gfn_t gfn)
{
	unsigned long bit = gfn - slot->base;

	/* Our write to the page comes before the look at the bit: who clears it sees the write. */
	smp_mb();
	if (test_bit(bit, slot->dirty) || test_and_set_bit(bit, slot->dirty))
		return;
	if (vm->dirty_ring_size)
		vmm_dirty_ring_add(vm, vcpu, slot, bit);
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

/* Write-protect pages whose bits were taken, @n words from word @at on. */
static void protect_pages(struct vmm_vm *vm, const struct vmm_memslot *slot, unsigned long at,
			  unsigned long n, const unsigned long *bits, bool *flush)
{
	unsigned long first = at * BITS_PER_LONG;

	if (tdp_write_protect_pages(vm, slot->base + first, bits,
				    min(n * BITS_PER_LONG, slot->npages - first)))
		*flush = true;
}

/*
 * Hand out up to BATCH_WORDS words of the bitmap from word @at on. They are taken
 * from it, unless user space clears them by itself. If user space cannot be
 * written, the bits go back: nothing is lost.
 */
static int log_words(struct vmm_vm *vm, const struct vmm_memslot *slot, unsigned long at,
		     unsigned long n, unsigned long __user *to, bool *flush)
{
	bool keep = vm->dirty_log_flags & VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	unsigned long buf[BATCH_WORDS], i;

	for (i = 0; i < n; i++) {
		unsigned long *word = &slot->dirty[at + i];

		buf[i] = READ_ONCE(*word);
		if (buf[i] && !keep)
			buf[i] = xchg(word, 0);
	}
	if (!keep)
		protect_pages(vm, slot, at, n, buf, flush);
	if (!copy_to_user(to, buf, n * sizeof(*to)))
		return 0;
	for (i = 0; i < n && !keep; i++)
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
			r = log_words(vm, slot, at, n, to + at, &flush);
		}
		at += n;
		cond_resched();
	}
	if (flush)
		vmm_flush_remote_tlbs(vm);
	return r;
}

/* slots_lock held. The slot of an ioctl's argument, which must be logged by bitmap. */
static const struct vmm_memslot *logged_slot(struct vmm_vm *vm, u32 id)
{
	const struct vmm_memslot *slot;

	if (READ_ONCE(vm->dirty_ring_size))
		return ERR_PTR(-ENXIO);
	if ((id >> 16) >= VMM_NR_SPACES || (u16)id >= VMM_MAX_MEMSLOTS)
		return ERR_PTR(-EINVAL);
	slot = xa_load(&vm->slots_by_id, id);
	return slot && slot->dirty ? slot : ERR_PTR(-ENOENT);
}

/**
 * vmm_get_dirty_log() - VMM_GET_DIRTY_LOG
 * @vm: VM
 * @log: already copied from user space
 *
 * Context: may sleep, takes slots_lock.
 * Return: 0; -ENXIO: the VM has dirty rings; -EINVAL: slot number out of range;
 * -ENOENT: there is no such slot, or its writes are not logged; -EFAULT: the
 * buffer is not writable (bits of the part that was not handed out stay set).
 */
int vmm_get_dirty_log(struct vmm_vm *vm, const struct vmm_dirty_log *log)
{
	const struct vmm_memslot *slot;
	int r;

	mutex_lock(&vm->slots_lock);
	slot = logged_slot(vm, log->slot);
	if (IS_ERR(slot))
		r = PTR_ERR(slot);
	else
		r = log_slot(vm, slot, u64_to_user_ptr(log->dirty_bitmap_addr));
	mutex_unlock(&vm->slots_lock);
	return r;
}

/* Clear what user space's bitmap says, which is for the pages from @first on. */
static int clear_slot(struct vmm_vm *vm, const struct vmm_memslot *slot, unsigned long first,
		      unsigned long npages, const unsigned long __user *from)
{
	unsigned long at = first / BITS_PER_LONG, words = BITS_TO_LONGS(npages);
	unsigned long buf[BATCH_WORDS], i, n;
	bool flush = false;
	int r = 0;

	for (; words; at += n, from += n, words -= n) {
		n = min_t(unsigned long, BATCH_WORDS, words);
		if (copy_from_user(buf, from, n * sizeof(*from))) {
			r = -EFAULT;
			break;
		}
		for (i = 0; i < n; i++) {
			unsigned long *word = &slot->dirty[at + i];

			/* A page that is not dirty is write-protected already. */
			buf[i] &= READ_ONCE(*word);
			if (buf[i])
				buf[i] &= atomic_long_fetch_andnot(buf[i], (atomic_long_t *)word);
		}
		protect_pages(vm, slot, at, n, buf, &flush);
		cond_resched();
	}
	if (flush)
		vmm_flush_remote_tlbs(vm);
	return r;
}

/**
 * vmm_clear_dirty_log() - VMM_CLEAR_DIRTY_LOG
 * @vm: VM
 * @log: already copied from user space
 *
 * Context: may sleep, takes slots_lock.
 * Return: as vmm_get_dirty_log(), and -EINVAL for a range that is not in the slot,
 * or does not begin and end at a multiple of 64 pages or with the slot; -EFAULT:
 * the buffer is not readable (what was read of it has been cleared).
 */
int vmm_clear_dirty_log(struct vmm_vm *vm, const struct vmm_clear_dirty_log *log)
{
	u64 first = log->first_page, n = log->num_pages;
	const struct vmm_memslot *slot;
	int r;

	mutex_lock(&vm->slots_lock);
	slot = logged_slot(vm, log->slot);
	if (IS_ERR(slot))
		r = PTR_ERR(slot);
	else if (first % BITS_PER_LONG || first > slot->npages || n > slot->npages - first ||
		 (n % BITS_PER_LONG && n < slot->npages - first))
		r = -EINVAL;
	else
		r = clear_slot(vm, slot, first, n, u64_to_user_ptr(log->dirty_bitmap_addr));
	mutex_unlock(&vm->slots_lock);
	return r;
}

/* --- VMM_ENABLE_CAP --- */

/* Initially set makes sense only where user space clears by itself. */
static int set_log_flags(struct vmm_vm *vm, u64 flags)
{
	if ((flags & ~(u64)LOG_FLAGS) || flags == VMM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	vm->dirty_log_flags = flags;
	mutex_unlock(&vm->slots_lock);
	return 0;
}

/* Once, before there is a vCPU or a logged slot. vm->lock: no vCPU comes meanwhile. */
static int set_ring_size(struct vmm_vm *vm, u64 bytes)
{
	u64 entries = bytes / sizeof(struct vmm_dirty_gfn);
	struct vmm_memslot *slot;
	unsigned long id;
	int r = 0;

	if (!bytes || !is_power_of_2(bytes) || bytes < PAGE_SIZE)
		return -EINVAL;
	if (entries > VMM_DIRTY_RING_MAX_ENTRIES)
		return -E2BIG;
	mutex_lock(&vm->slots_lock);
	if (vm->dirty_ring_size || vm->created_vcpus)
		r = -EINVAL;
	xa_for_each(&vm->slots_by_id, id, slot)
		if (slot->dirty)
			r = -EINVAL;
	if (!r)
		WRITE_ONCE(vm->dirty_ring_size, entries);
	mutex_unlock(&vm->slots_lock);
	return r;
}

int vmm_dirty_enable_cap(struct vmm_vm *vm, const struct vmm_enable_cap *cap)
{
	switch (cap->cap) {
	case VMM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return set_log_flags(vm, cap->args[0]);
	case VMM_CAP_DIRTY_LOG_RING:
	case VMM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return set_ring_size(vm, cap->args[0]);
	default:
		return -EINVAL;
	}
}
