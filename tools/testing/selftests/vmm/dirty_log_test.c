// SPDX-License-Identifier: GPL-2.0
/*
 * dirty_log_test.c - the dirty bitmap: exactly the pages that the guest wrote,
 * whoever did the writing on its behalf, once each.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "vmm_test.h"

#define GPA	0x40000000UL
#define PAGES	1536UL		/* 6 MiB: three large pages */
#define SIZE	(PAGES * PAGE_SIZE)
#define WORDS	(PAGES / 64)

/* Writes a word into each page whose number is in the list at RSI; RCX pages. */
GUEST64(write_pages,
	1: lodsl; shl $12, %rax; movq $1, (%rbx, %rax); dec %ecx; jnz 1b;
	hlt);
GUEST64(read_pages,
	1: lodsl; shl $12, %rax; mov (%rbx, %rax), %rdx; dec %ecx; jnz 1b;
	hlt);

struct logged {
	struct vcpu *vcpu;
	uint8_t *mem;
	uint64_t bitmap[WORDS];
};

static void run_pages(struct vcpu *vcpu, const uint8_t *code, const uint8_t *end,
		      const uint32_t *pages, int n)
{
	struct vmm_regs regs;

	memcpy(vm_gpa(vcpu->vm, GUEST_CODE), code, end - code);
	memcpy(vm_gpa(vcpu->vm, GUEST_DATA), pages, n * sizeof(*pages));
	vcpu_get_regs(vcpu, &regs);
	regs.rip = GUEST_CODE;
	regs.rsi = GUEST_DATA;
	regs.rbx = GPA;
	regs.rcx = n;
	vcpu_set_regs(vcpu, &regs);
	expect_hlt(vcpu);
}
#define WRITE_PAGES(vcpu, ...)							\
	do {									\
		uint32_t p_[] = { __VA_ARGS__ };				\
										\
		run_pages(vcpu, write_pages, write_pages_end, p_, ARRAY_SIZE(p_)); \
	} while (0)
#define READ_PAGES(vcpu, ...)							\
	do {									\
		uint32_t p_[] = { __VA_ARGS__ };				\
										\
		run_pages(vcpu, read_pages, read_pages_end, p_, ARRAY_SIZE(p_));	\
	} while (0)

static int get_log(struct vm *vm, uint32_t slot, void *bitmap)
{
	struct vmm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return ioctl(vm->fd, VMM_GET_DIRTY_LOG, &log);
}

/* The log has exactly these pages. */
static void expect_dirty_(struct logged *l, const uint32_t *pages, int n,
			  const char *file, int line)
{
	uint64_t expected[WORDS] = { 0 };
	unsigned int i;

	for (i = 0; i < (unsigned int)n; i++)
		expected[pages[i] / 64] |= 1ULL << pages[i] % 64;
	memset(l->bitmap, 0xee, sizeof(l->bitmap));
	CHECK_OK(get_log(l->vcpu->vm, 1, l->bitmap));
	for (i = 0; i < PAGES; i++) {
		int is = l->bitmap[i / 64] >> i % 64 & 1;
		int should = expected[i / 64] >> i % 64 & 1;

		if (is != should)
			ktap_fail(file, line, "page %u is %s", i, is ? "dirty" : "clean");
	}
}
#define EXPECT_DIRTY(l, ...)							\
	do {									\
		uint32_t p_[] = { __VA_ARGS__ };				\
										\
		expect_dirty_(l, p_, ARRAY_SIZE(p_), __FILE__, __LINE__);	\
	} while (0)
#define EXPECT_CLEAN(l) expect_dirty_(l, NULL, 0, __FILE__, __LINE__)

static struct logged *start(uint32_t flags, bool huge)
{
	struct logged *l = calloc(1, sizeof(*l));

	l->vcpu = vcpu_start(MODE_LONG, write_pages);
	l->mem = host_alloc(SIZE, PAGE_2M);
	CHECK_OK(madvise(l->mem, SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
	vm_map(l->vcpu->vm, 1, flags, GPA, SIZE, l->mem);
	return l;
}

KTAP_TEST(log_shows_what_was_written)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);

	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 0, 1, 63, 64, 700, PAGES - 1);
	EXPECT_DIRTY(l, 0, 1, 63, 64, 700, PAGES - 1);
	/* Getting the log clears it, and a page may be dirty again. */
	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 1, 65);
	EXPECT_DIRTY(l, 1, 65);
	EXPECT_CLEAN(l);
}

KTAP_TEST(reads_are_not_logged)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);

	READ_PAGES(l->vcpu, 0, 5, 9);
	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 5);
	READ_PAGES(l->vcpu, 0, 5, 9);
	EXPECT_DIRTY(l, 5);
	READ_PAGES(l->vcpu, 5);
	EXPECT_CLEAN(l);
}

/*
 * The VMM knows what it writes itself. (If the guest then reads the page, KVM
 * gives it a writable mapping and calls the page dirty.)
 */
KTAP_TEST(writes_of_the_host_are_not_logged)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);

	WRITE_PAGES(l->vcpu, 3, 4);
	EXPECT_DIRTY(l, 3, 4);
	l->mem[3 * PAGE_SIZE] = 1;
	l->mem[5 * PAGE_SIZE] = 1;
	EXPECT_CLEAN(l);
}

KTAP_TEST(log_of_huge_pages)
{
	struct logged *l = start(0, true);

	/* Large pages first; the log is by small page all the same. */
	WRITE_PAGES(l->vcpu, 0, 512, 1024);
	vm_map(l->vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, l->mem);
	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 3, 515, 1500);
	EXPECT_DIRTY(l, 3, 515, 1500);
	WRITE_PAGES(l->vcpu, 4);
	EXPECT_DIRTY(l, 4);
	/* Off, the guest may have its large pages back; on again. */
	vm_map(l->vcpu->vm, 1, 0, GPA, SIZE, l->mem);
	WRITE_PAGES(l->vcpu, 5, 600);
	vm_map(l->vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, l->mem);
	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 6);
	EXPECT_DIRTY(l, 6);
}

KTAP_TEST(log_begins_when_it_is_enabled)
{
	struct logged *l = start(0, false);

	WRITE_PAGES(l->vcpu, 1, 2, 3);
	CHECK_ERR(get_log(l->vcpu->vm, 1, l->bitmap), ENOENT);
	vm_map(l->vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, l->mem);
	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 2);
	EXPECT_DIRTY(l, 2);
	vm_map(l->vcpu->vm, 1, 0, GPA, SIZE, l->mem);
	CHECK_ERR(get_log(l->vcpu->vm, 1, l->bitmap), ENOENT);
}

/* ---- Writes that the kernel does for the guest ---- */

/* INS writes a port's data into memory. */
GUEST64(ins_there, mov $0x40007000, %edi; mov $0x1f0, %edx; insl; hlt);
/* From MMIO into memory by one instruction. */
GUEST64(movs_there, mov $GUEST_MMIO, %esi; mov $0x40009000, %edi; movsl; hlt);

KTAP_TEST(string_input_is_logged)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);

	READ_PAGES(l->vcpu, 7);
	vcpu_load(l->vcpu, MODE_LONG, ins_there);
	expect_exit(l->vcpu, VMM_EXIT_IO);
	*(uint32_t *)run_io_data(l->vcpu->run) = 0x1234;
	expect_hlt(l->vcpu);
	CHECK_EQ(load_le(l->mem + 7 * PAGE_SIZE, 4), 0x1234);
	EXPECT_DIRTY(l, 7);
}

KTAP_TEST(emulated_write_is_logged)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);

	vcpu_load(l->vcpu, MODE_LONG, movs_there);
	expect_mmio_read(l->vcpu, GUEST_MMIO, 4, 0x77);
	expect_hlt(l->vcpu);
	CHECK_EQ(load_le(l->mem + 9 * PAGE_SIZE, 4), 0x77);
	EXPECT_DIRTY(l, 9);
}

/* The CPU's own page walk sets accessed and dirty bits: that is a write, too. */
GUEST64(write_via_table, mov $0x400000, %ebx; movb $1, (%rbx); hlt);

KTAP_TEST(page_walk_is_logged)
{
	struct logged *l = start(0, false);
	uint64_t *pd = vm_gpa(l->vcpu->vm, GUEST_PD);
	uint64_t *pt = (uint64_t *)(l->mem + 20 * PAGE_SIZE);

	/* The page table for 4 MiB onwards is page 20 of the logged slot. */
	pt[0] = GUEST_DATA | 7;
	pd[2] = (GPA + 20 * PAGE_SIZE) | 7;
	vm_map(l->vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, l->mem);
	vcpu_load(l->vcpu, MODE_LONG, write_via_table);
	((uint64_t *)vm_gpa(l->vcpu->vm, GUEST_PD))[2] = (GPA + 20 * PAGE_SIZE) | 7;
	expect_hlt(l->vcpu);
	CHECK_EQ(pt[0] & 0x60, 0x60);
	EXPECT_DIRTY(l, 20);
}

/* ---- Together with the rest ---- */

KTAP_TEST(log_of_a_read_only_slot_is_empty)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES | VMM_MEM_READONLY, false);

	READ_PAGES(l->vcpu, 1);
	EXPECT_CLEAN(l);
}

KTAP_TEST(page_that_was_taken_back_is_logged_again)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);

	WRITE_PAGES(l->vcpu, 30, 31);
	EXPECT_DIRTY(l, 30, 31);
	CHECK_OK(madvise(l->mem + 30 * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED));
	WRITE_PAGES(l->vcpu, 30);
	EXPECT_DIRTY(l, 30);
}

KTAP_TEST(log_of_a_slot_that_is_no_multiple_of_64)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, write_pages);
	uint64_t bitmap[3] = { ~0ULL, ~0ULL, 0x5a5a5a5a5a5a5a5a };

	vm_map(vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, 70 * PAGE_SIZE,
	       host_alloc(70 * PAGE_SIZE, PAGE_SIZE));
	WRITE_PAGES(vcpu, 0, 69);
	CHECK_OK(get_log(vcpu->vm, 1, bitmap));
	CHECK_EQ(bitmap[0], 1);
	CHECK_EQ(bitmap[1], 1ULL << 5);
	/* Whole words, and not one more. */
	CHECK_EQ(bitmap[2], 0x5a5a5a5a5a5a5a5a);
}

KTAP_TEST(slots_have_their_own_logs)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);
	uint64_t bitmap[WORDS];

	vm_map(l->vcpu->vm, 2, VMM_MEM_LOG_DIRTY_PAGES, GPA + SIZE, SIZE,
	       host_alloc(SIZE, PAGE_2M));
	WRITE_PAGES(l->vcpu, 4, PAGES + 8);
	EXPECT_DIRTY(l, 4);
	CHECK_OK(get_log(l->vcpu->vm, 2, bitmap));
	CHECK_EQ(bitmap[0], 1 << 8);
}

KTAP_TEST(log_of_a_new_slot_is_empty)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);

	WRITE_PAGES(l->vcpu, 4);
	vm_map(l->vcpu->vm, 1, 0, 0, 0, NULL);
	vm_map(l->vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, l->mem);
	EXPECT_CLEAN(l);
}

KTAP_TEST(log_errors)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);
	struct vm *vm = l->vcpu->vm;

	CHECK_ERR(get_log(vm, 7, l->bitmap), ENOENT);		/* no such slot */
	CHECK_ERR(get_log(vm, 0, l->bitmap), ENOENT);		/* not logged */
	CHECK_ERR(get_log(vm, 0xffff, l->bitmap), EINVAL);	/* no slot number */
	CHECK_ERR(get_log(vm, 0xffff0001, l->bitmap), EINVAL);	/* nor a space */
	CHECK_ERR(get_log(vm, 1, NULL), EFAULT);
	CHECK_ERR(get_log(vm, 1, (void *)8), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_GET_DIRTY_LOG, NULL), EFAULT);
	/* The guest is none the wiser. */
	WRITE_PAGES(l->vcpu, 3);
	CHECK_OK(get_log(vm, 1, l->bitmap));
	CHECK(l->bitmap[0] & 1 << 3);
}

/* ---- No write is ever lost ---- */

#define ROUNDS 60

/*
 * Adds one to the first word of each page, for ever; the page that it is at
 * must be in the log that is got after the write.
 */
GUEST64(increment_all,
	2: mov $GPA, %ebx; mov $256, %ecx;
	1: incq (%rbx); add $0x1000, %rbx; dec %ecx; jnz 1b;
	cmpq $0, GUEST_DATA; je 2b;
	hlt);

static void *run(void *arg)
{
	struct vcpu *vcpu = arg;

	while (ioctl(vcpu->fd, VMM_RUN, 0) && errno == EINTR)
		;
	return NULL;
}

/*
 * As a migration does it: get the log, then copy the pages in it. In the end,
 * with the guest stopped, the copy is the same as the memory.
 */
KTAP_TEST(copy_by_the_log_is_complete)
{
	struct logged *l = start(VMM_MEM_LOG_DIRTY_PAGES, false);
	uint64_t *copy = calloc(1, 256 * PAGE_SIZE);
	volatile uint64_t *stop;
	unsigned int round, i, copied = 0;
	pthread_t thread;

	vcpu_load(l->vcpu, MODE_LONG, increment_all);
	stop = vm_gpa(l->vcpu->vm, GUEST_DATA);
	CHECK_EQ(pthread_create(&thread, NULL, run, l->vcpu), 0);
	for (round = 0; round <= ROUNDS; round++) {
		if (round == ROUNDS) {
			*stop = 1;
			CHECK_EQ(pthread_join(thread, NULL), 0);
			CHECK_EQ(l->vcpu->run->exit_reason, VMM_EXIT_HLT);
		} else {
			usleep(2000);
		}
		CHECK_OK(get_log(l->vcpu->vm, 1, l->bitmap));
		for (i = 0; i < 256; i++) {
			if (!(l->bitmap[i / 64] >> i % 64 & 1))
				continue;
			memcpy((uint8_t *)copy + i * PAGE_SIZE, l->mem + i * PAGE_SIZE,
			       PAGE_SIZE);
			copied++;
		}
	}
	ktap_diag("%u pages copied", copied);
	CHECK(copied >= 256);
	CHECK(!memcmp(copy, l->mem, 256 * PAGE_SIZE));
}

/* ---- User space clears by itself ---- */

static int enable_manual(struct vm *vm, uint64_t flags)
{
	struct vmm_enable_cap cap = {
		.cap = VMM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { flags },
	};

	return ioctl(vm->fd, VMM_ENABLE_CAP, &cap);
}

static int clear_log(struct vm *vm, uint64_t first, uint32_t n, const void *bitmap)
{
	struct vmm_clear_dirty_log log = {
		.slot = 1, .first_page = first, .num_pages = n, .dirty_bitmap = (void *)bitmap,
	};

	return ioctl(vm->fd, VMM_CLEAR_DIRTY_LOG, &log);
}

static struct logged *start_manual(uint64_t flags, bool huge)
{
	struct logged *l;

	vmm_need_cap(VMM_CAP_MANUAL_DIRTY_LOG_PROTECT2, "VMM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	l = start(0, huge);
	CHECK_OK(enable_manual(l->vcpu->vm, flags));
	return l;
}

static void start_log(struct logged *l)
{
	vm_map(l->vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, l->mem);
}

KTAP_TEST(manual_log_stays_until_it_is_cleared)
{
	struct logged *l = start_manual(VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, false);
	uint64_t mask[WORDS] = { 0 };

	start_log(l);
	WRITE_PAGES(l->vcpu, 0, 65, 66, 700);
	EXPECT_DIRTY(l, 0, 65, 66, 700);
	EXPECT_DIRTY(l, 0, 65, 66, 700);
	/* Of the second word one of the two; a clean page does not matter. */
	mask[0] = 1 << 1 | 1 << 2 | 1ULL << 63;
	CHECK_OK(clear_log(l->vcpu->vm, 64, 64, mask));
	EXPECT_DIRTY(l, 0, 700);
}

KTAP_TEST(cleared_pages_are_logged_again)
{
	struct logged *l = start_manual(VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, true);
	uint64_t mask[WORDS];

	WRITE_PAGES(l->vcpu, 0, 512, 1024);
	start_log(l);
	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 3, 515, 516);
	EXPECT_DIRTY(l, 3, 515, 516);
	memset(mask, 0xff, sizeof(mask));
	CHECK_OK(clear_log(l->vcpu->vm, 512, 512, mask));
	EXPECT_DIRTY(l, 3);
	WRITE_PAGES(l->vcpu, 3, 516, 600);
	EXPECT_DIRTY(l, 3, 516, 600);
	CHECK_OK(clear_log(l->vcpu->vm, 0, PAGES, mask));
	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 3);
	EXPECT_DIRTY(l, 3);
}

KTAP_TEST(initially_all_pages_are_dirty)
{
	struct logged *l = start_manual(VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
					VMM_DIRTY_LOG_INITIALLY_SET, true);
	uint64_t mask[WORDS];
	unsigned int i;

	WRITE_PAGES(l->vcpu, 0, 512);
	start_log(l);
	CHECK_OK(get_log(l->vcpu->vm, 1, l->bitmap));
	for (i = 0; i < WORDS; i++)
		CHECK_EQ(l->bitmap[i], ~0ULL);
	/* A part of a large page is cleared: writes to it are seen. */
	memset(mask, 0xff, sizeof(mask));
	CHECK_OK(clear_log(l->vcpu->vm, 64, 128, mask));
	WRITE_PAGES(l->vcpu, 100, 300);
	CHECK_OK(get_log(l->vcpu->vm, 1, l->bitmap));
	CHECK_EQ(l->bitmap[0], ~0ULL);
	CHECK_EQ(l->bitmap[1], 1ULL << (100 - 64));
	CHECK_EQ(l->bitmap[2], 0);
	CHECK_EQ(l->bitmap[3], ~0ULL);
	CHECK_OK(clear_log(l->vcpu->vm, 0, PAGES, mask));
	EXPECT_CLEAN(l);
	WRITE_PAGES(l->vcpu, 0, 100, 511, 512, 1535);
	EXPECT_DIRTY(l, 0, 100, 511, 512, 1535);
}

KTAP_TEST(manual_log_errors)
{
	struct logged *l = start_manual(VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, false);
	struct vm *vm = l->vcpu->vm;
	uint64_t mask[WORDS] = { 0 };

	CHECK_ERR(enable_manual(vm, VMM_DIRTY_LOG_INITIALLY_SET), EINVAL);
	CHECK_ERR(enable_manual(vm, 4), EINVAL);
	CHECK_ERR(clear_log(vm, 0, 64, mask), ENOENT);		/* not logged */
	start_log(l);
	CHECK_ERR(clear_log(vm, 1, 64, mask), EINVAL);
	CHECK_ERR(clear_log(vm, 0, 63, mask), EINVAL);
	CHECK_ERR(clear_log(vm, 0, PAGES + 64, mask), EINVAL);
	CHECK_ERR(clear_log(vm, PAGES + 64, 64, mask), EINVAL);
	CHECK_ERR(clear_log(vm, -64, 128, mask), EINVAL);
	CHECK_ERR(clear_log(vm, 0, 64, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_CLEAR_DIRTY_LOG, NULL), EFAULT);
	CHECK_OK(clear_log(vm, PAGES, 0, mask));
	CHECK_OK(enable_manual(vm, 0));
}

/* ---- An oracle: many writers, each page says how often it was written ---- */

#define WRITERS		2
#define ORACLE_PAGES	512

/*
 * Pages in an order of its own: RBX first page, R12 the LCG's state. Counts up
 * the word at R13 in each page that it comes to.
 */
GUEST64(write_at_random,
	1: imul $1103515245, %r12d, %r12d; add $12345, %r12d;
	mov %r12d, %eax; shr $16, %eax; and $511, %eax; shl $12, %eax;
	add %rbx, %rax; incq (%rax, %r13);
	cmpq $0, GUEST_DATA; je 1b;
	hlt);

struct oracle {
	struct logged *l;
	struct vcpu *vcpu[WRITERS];
	pthread_t thread[WRITERS];
	uint8_t *copy;
	unsigned long copied;
};

static void oracle_start(struct oracle *o, struct logged *l)
{
	struct vmm_regs regs;
	int i;

	o->l = l;
	o->copy = calloc(1, ORACLE_PAGES * PAGE_SIZE);
	for (i = 0; i < WRITERS; i++) {
		o->vcpu[i] = i ? vcpu_create(l->vcpu->vm, i) : l->vcpu;
		vcpu_load(o->vcpu[i], MODE_LONG, write_at_random);
		vcpu_get_regs(o->vcpu[i], &regs);
		regs.rbx = GPA;
		regs.r12 = i + 1;
		regs.r13 = i * 8;
		vcpu_set_regs(o->vcpu[i], &regs);
	}
	/* Only now: vcpu_load() writes the tables that they share. */
	for (i = 0; i < WRITERS; i++)
		CHECK_EQ(pthread_create(&o->thread[i], NULL, run, o->vcpu[i]), 0);
}

static void oracle_stop(struct oracle *o)
{
	int i;

	*(volatile uint64_t *)vm_gpa(o->l->vcpu->vm, GUEST_DATA) = 1;
	for (i = 0; i < WRITERS; i++) {
		CHECK_EQ(pthread_join(o->thread[i], NULL), 0);
		CHECK_EQ(o->vcpu[i]->run->exit_reason, VMM_EXIT_HLT);
	}
}

/* As a migration: what the log names is cleared, then copied. */
static void oracle_round(struct oracle *o, bool manual)
{
	struct logged *l = o->l;
	unsigned int i;

	CHECK_OK(get_log(l->vcpu->vm, 1, l->bitmap));
	/* In pieces, with some left for the next time. */
	for (i = 0; manual && i < ORACLE_PAGES; i += 64) {
		if (rand() % 4 == 0)
			l->bitmap[i / 64] = 0;
		else
			CHECK_OK(clear_log(l->vcpu->vm, i, 64, &l->bitmap[i / 64]));
	}
	for (i = 0; i < ORACLE_PAGES; i++) {
		if (!(l->bitmap[i / 64] >> i % 64 & 1))
			continue;
		memcpy(o->copy + i * PAGE_SIZE, l->mem + i * PAGE_SIZE, PAGE_SIZE);
		o->copied++;
	}
}

static void oracle(struct logged *l, bool manual, bool switch_slots)
{
	struct oracle o = { 0 };
	uint64_t mask[WORDS];
	int round;

	start_log(l);
	oracle_start(&o, l);
	/* Until there is something to judge by. */
	for (round = 0; round < ROUNDS || (o.copied < 2 * ORACLE_PAGES && round < 5000); round++) {
		oracle_round(&o, manual);
		if (switch_slots && round % 8 == 7) {
			/* Ends, and begins again, under the writers; so does the copy. */
			vm_map(l->vcpu->vm, 1, 0, GPA, SIZE, l->mem);
			start_log(l);
			memcpy(o.copy, l->mem, ORACLE_PAGES * PAGE_SIZE);
		}
		usleep(1000);
	}
	oracle_stop(&o);
	memset(mask, 0xff, sizeof(mask));
	CHECK_OK(get_log(l->vcpu->vm, 1, l->bitmap));
	for (round = 0; round < ORACLE_PAGES; round++)
		if (l->bitmap[round / 64] >> round % 64 & 1)
			memcpy(o.copy + round * PAGE_SIZE, l->mem + round * PAGE_SIZE, PAGE_SIZE);
	ktap_diag("%lu pages copied", o.copied);
	CHECK(o.copied >= 2 * ORACLE_PAGES);
	for (round = 0; round < ORACLE_PAGES; round++)
		if (memcmp(o.copy + round * PAGE_SIZE, l->mem + round * PAGE_SIZE, 8 * WRITERS))
			FAIL("page %d was written and not logged", round);
}

KTAP_TEST(oracle_of_two_writers)
{
	oracle(start(0, false), false, false);
}

KTAP_TEST(oracle_of_two_writers_large_pages)
{
	oracle(start(0, true), false, true);
}

KTAP_TEST(oracle_of_two_writers_manual)
{
	oracle(start_manual(VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, true), true, false);
}

KTAP_TEST(oracle_of_two_writers_initially_set)
{
	oracle(start_manual(VMM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | VMM_DIRTY_LOG_INITIALLY_SET,
			    true), true, true);
}
