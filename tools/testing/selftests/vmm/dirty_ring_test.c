// SPDX-License-Identifier: GPL-2.0
/*
 * dirty_ring_test.c - the dirty rings: every page that the guest writes comes
 * into a ring, a full ring stops its vCPU, and nothing that user space writes
 * into a ring does harm.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "vmm_test.h"

#define GPA		0x40000000UL
#define PAGES		1536UL
#define SIZE		(PAGES * PAGE_SIZE)
#define RING		256U		/* entries */
#define RING_BYTES	(RING * sizeof(struct vmm_dirty_gfn))

/* Writes a word into RCX pages from RBX on. */
GUEST64(write_pages,
	1: movq $1, (%rbx); add $0x1000, %rbx; dec %ecx; jnz 1b;
	hlt);

struct ring {
	struct vcpu *vcpu;
	struct vmm_dirty_gfn *entry;
	uint32_t next;
};

static struct {
	struct vm *vm;
	uint8_t *mem;
	struct ring ring[2];
	uint8_t dirty[PAGES];		/* harvested so often */
} s;

static int enable_ring(struct vm *vm, uint64_t bytes)
{
	struct vmm_enable_cap cap = { .cap = VMM_CAP_DIRTY_LOG_RING, .args = { bytes } };

	return ioctl(vm->fd, VMM_ENABLE_CAP, &cap);
}

static void map_ring(struct ring *r, int id)
{
	r->vcpu = vcpu_create(s.vm, id);
	r->entry = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r->vcpu->fd,
			VMM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE);
	CHECK(r->entry != MAP_FAILED);
}

static void start(int vcpus, bool huge)
{
	vmm_need_cap(VMM_CAP_DIRTY_LOG_RING, "VMM_CAP_DIRTY_LOG_RING");
	s.vm = vm_create();
	CHECK_OK(enable_ring(s.vm, RING_BYTES));
	while (vcpus--)
		map_ring(&s.ring[vcpus], vcpus);
	s.mem = host_alloc(SIZE, PAGE_2M);
	CHECK_OK(madvise(s.mem, SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
	vm_map(s.vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, s.mem);
}

static void prepare(struct vcpu *vcpu, unsigned int first, unsigned int n)
{
	struct vmm_regs regs;

	vcpu_load(vcpu, MODE_LONG, write_pages);
	vcpu_get_regs(vcpu, &regs);
	regs.rbx = GPA + first * PAGE_SIZE;
	regs.rcx = n;
	vcpu_set_regs(vcpu, &regs);
}

static void write_to(struct vcpu *vcpu, unsigned int first, unsigned int n)
{
	prepare(vcpu, first, n);
	expect_hlt(vcpu);
}

/* Take what is in a ring; with reset, allow the kernel to take it back. */
static unsigned int harvest(struct ring *r)
{
	unsigned int n = 0;

	for (;; n++, r->next++) {
		struct vmm_dirty_gfn *e = &r->entry[r->next % RING];

		if (!(__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) & VMM_DIRTY_GFN_F_DIRTY))
			break;
		CHECK_EQ(e->flags, VMM_DIRTY_GFN_F_DIRTY);
		CHECK_EQ(e->slot, 1);
		CHECK(e->offset < PAGES);
		s.dirty[e->offset]++;
		__atomic_store_n(&e->flags, VMM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	}
	return n;
}

static long reset(void)
{
	return CHECK_OK(ioctl(s.vm->fd, VMM_RESET_DIRTY_RINGS, 0));
}

KTAP_TEST(written_pages_come_into_the_ring)
{
	struct ring *r = &s.ring[0];
	unsigned int i;

	start(1, false);
	CHECK_EQ(harvest(r), 0);
	write_to(r->vcpu, 5, 7);
	/* In the order of the writes, each page once. */
	for (i = 0; i < 7; i++) {
		CHECK_EQ(r->entry[i].offset, 5 + i);
		CHECK_EQ(r->entry[i].flags, VMM_DIRTY_GFN_F_DIRTY);
	}
	CHECK_EQ(r->entry[7].flags, 0);
	write_to(r->vcpu, 5, 7);
	CHECK_EQ(harvest(r), 7);
	/* Not logged again before the reset, but after it. */
	write_to(r->vcpu, 5, 7);
	CHECK_EQ(harvest(r), 0);
	CHECK_EQ(reset(), 7);
	CHECK_EQ(reset(), 0);
	CHECK_EQ(r->entry[0].flags, 0);
	write_to(r->vcpu, 6, 1);
	CHECK_EQ(harvest(r), 1);
	CHECK_EQ(s.dirty[6], 2);
	CHECK_EQ(reset(), 1);
}

KTAP_TEST(large_pages_are_logged_by_small_ones)
{
	struct ring *r = &s.ring[0];

	start(1, true);
	/* Mapped as a whole before logging begins. */
	vm_map(s.vm, 1, 0, GPA, SIZE, s.mem);
	write_to(r->vcpu, 0, 3);
	CHECK_EQ(harvest(r), 0);
	vm_map(s.vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, s.mem);
	write_to(r->vcpu, 511, 2);
	CHECK_EQ(harvest(r), 2);
	CHECK_EQ(s.dirty[511], 1);
	CHECK_EQ(s.dirty[512], 1);
	CHECK_EQ(reset(), 2);
}

KTAP_TEST(full_ring_stops_the_vcpu)
{
	struct ring *r = &s.ring[0];
	unsigned int total = 0, full = 0, i;

	start(1, false);
	prepare(r->vcpu, 0, 1000);
	for (;;) {
		vcpu_run(r->vcpu);
		if (r->vcpu->run->exit_reason == VMM_EXIT_HLT)
			break;
		CHECK_EQ(r->vcpu->run->exit_reason, VMM_EXIT_DIRTY_RING_FULL);
		/* As long as nothing is taken back, it goes no further. */
		vcpu_run(r->vcpu);
		CHECK_EQ(r->vcpu->run->exit_reason, VMM_EXIT_DIRTY_RING_FULL);
		i = harvest(r);
		CHECK(i && i < RING);
		vcpu_run(r->vcpu);
		CHECK_EQ(r->vcpu->run->exit_reason, VMM_EXIT_DIRTY_RING_FULL);
		CHECK_EQ(reset(), i);
		total += i;
		full++;
	}
	total += harvest(r);
	CHECK(full > 2);
	/* The page that filled the ring was not yet written when the vCPU stopped. */
	CHECK(total >= 1000 && total <= 1000 + full);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(!!s.dirty[i], i < 1000);
}

KTAP_TEST(reset_stops_at_the_first_unharvested_entry)
{
	struct ring *r = &s.ring[0];

	start(1, false);
	write_to(r->vcpu, 0, 4);
	r->entry[0].flags = VMM_DIRTY_GFN_F_RESET;
	r->entry[2].flags = VMM_DIRTY_GFN_F_RESET;
	CHECK_EQ(reset(), 1);
	r->entry[1].flags = VMM_DIRTY_GFN_F_RESET | VMM_DIRTY_GFN_F_DIRTY;
	CHECK_EQ(reset(), 2);
	/* Behind the last entry nothing is taken back, whatever stands there. */
	r->entry[4].flags = VMM_DIRTY_GFN_F_RESET;
	r->entry[3].flags = VMM_DIRTY_GFN_F_RESET;
	if (vmm_is_vmm())
		CHECK_EQ(reset(), 1);
}

/* The kernel's own write for the guest: MMIO data that goes into memory. */
GUEST64(movs_there, mov $GUEST_MMIO, %esi; mov $0x40009000, %edi; movsl; hlt);

KTAP_TEST(emulated_write_comes_into_the_ring)
{
	struct ring *r = &s.ring[0];

	start(1, false);
	vcpu_load(r->vcpu, MODE_LONG, movs_there);
	expect_mmio_read(r->vcpu, GUEST_MMIO, 4, 0x77);
	expect_hlt(r->vcpu);
	CHECK_EQ(harvest(r), 1);
	CHECK_EQ(s.dirty[9], 1);
}

/* The clock page is written by the kernel when the vCPU runs next. */
KTAP_TEST(clock_page_comes_into_the_ring)
{
	struct ring *r = &s.ring[0];

	start(1, false);
	CHECK_EQ(vcpu_set_msr(r->vcpu, 0x4b564d01, (GPA + 20 * PAGE_SIZE) | 1), 1);
	write_to(r->vcpu, 3, 1);
	CHECK(harvest(r) >= 2);
	CHECK(s.dirty[20] >= 1);
	CHECK_EQ(s.dirty[3], 1);
}

KTAP_TEST(what_finds_no_room_comes_later)
{
	struct ring *r = &s.ring[0];
	unsigned int i;

	if (!vmm_is_vmm())
		ktap_skip("KVM loses writes of the kernel without a running vCPU");
	start(1, false);
	/* Each of these writes a page, and VMM_RUN is not called in between. */
	for (i = 0; i < 600; i++)
		CHECK_EQ(vcpu_set_msr(r->vcpu, 0x4b564d00, GPA + i * PAGE_SIZE), 1);
	CHECK_EQ(harvest(r), RING);
	for (i = 0; i < 10; i++) {
		reset();
		harvest(r);
	}
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(s.dirty[i], i < 600);
}

KTAP_TEST(forged_entries_do_no_harm)
{
	struct ring *r = &s.ring[0];
	static const struct vmm_dirty_gfn forged[] = {
		{ 2, 1, PAGES }, { 2, 1, ~0ULL }, { 2, 1, 1ULL << 52 }, { 2, 7, 0 },
		{ 2, 0xffff, 0 }, { 2, 0xffff0001, 0 }, { ~0U, 0, 3 }, { 2, ~0U, ~0ULL },
	};
	unsigned int i;

	if (!vmm_is_vmm())
		ktap_skip("what KVM does with these is not documented");
	start(1, false);
	write_to(r->vcpu, 0, ARRAY_SIZE(forged));
	memcpy(r->entry, forged, sizeof(forged));
	CHECK_EQ(reset(), ARRAY_SIZE(forged));
	memset(r->entry, 0xff, RING_BYTES);
	CHECK_EQ(reset(), 0);
	r->next = ARRAY_SIZE(forged);
	for (i = 0; i < RING; i++)
		r->entry[i].flags = 0;
	write_to(r->vcpu, 100, 10);
	CHECK_EQ(harvest(r), 10);
	CHECK_EQ(reset(), 10);
}

KTAP_TEST(entries_of_a_deleted_slot)
{
	struct ring *r = &s.ring[0];

	start(1, false);
	write_to(r->vcpu, 0, 3);
	vm_map(s.vm, 1, 0, GPA, 0, NULL);
	CHECK_EQ(harvest(r), 3);
	CHECK_EQ(reset(), 3);
	vm_map(s.vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, s.mem);
	write_to(r->vcpu, 0, 3);
	CHECK_EQ(harvest(r), 3);
}

KTAP_TEST(ring_errors)
{
	uint64_t bitmap[PAGES / 64];
	struct vmm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	struct vmm_clear_dirty_log clear = {
		.slot = 1, .num_pages = 64, .dirty_bitmap = bitmap,
	};
	int max = vmm_check_extension(VMM_CAP_DIRTY_LOG_RING);
	struct vm *vm = vm_create();

	vmm_need_cap(VMM_CAP_DIRTY_LOG_RING, "VMM_CAP_DIRTY_LOG_RING");
	CHECK_ERR(ioctl(vm->fd, VMM_RESET_DIRTY_RINGS, 0), EINVAL);
	CHECK_ERR(enable_ring(vm, 0), EINVAL);
	CHECK_ERR(enable_ring(vm, PAGE_SIZE + 16), EINVAL);
	CHECK_ERR(enable_ring(vm, 16), EINVAL);
	CHECK_ERR(enable_ring(vm, 2UL * max), E2BIG);
	CHECK_OK(enable_ring(vm, max));
	CHECK_ERR(enable_ring(vm, max), EINVAL);

	start(1, false);
	CHECK_ERR(enable_ring(s.vm, RING_BYTES), EINVAL);
	CHECK_ERR(ioctl(s.vm->fd, VMM_GET_DIRTY_LOG, &log), ENXIO);
	CHECK_ERR(ioctl(s.vm->fd, VMM_CLEAR_DIRTY_LOG, &clear), ENXIO);

	/* Too late when there is a vCPU. */
	vm = vm_create();
	vcpu_create(vm, 0);
	CHECK_ERR(enable_ring(vm, RING_BYTES), EINVAL);
}

KTAP_TEST(ring_mapping)
{
	int fd;

	start(1, false);
	fd = s.ring[0].vcpu->fd;
	CHECK_ERR((long)mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			     VMM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE), EINVAL);
	CHECK_ERR((long)mmap(NULL, RING_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd,
			     VMM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE), EINVAL);
	/* A private mapping of the run page has nothing to do with it. */
	CHECK(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
}

/* ---- An oracle: copies what the rings say, as a migration does ---- */

GUEST64(write_at_random,
	1: imul $1103515245, %r12d, %r12d; add $12345, %r12d;
	mov %r12d, %eax; shr $16, %eax; and $511, %eax; shl $12, %eax;
	add %rbx, %rax; incq (%rax, %r13);
	cmpq $0, GUEST_DATA; je 1b;
	hlt);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *copy;
static unsigned long copied;

/* The rings of all vCPUs, then the pages. */
static void collect(void)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	memset(s.dirty, 0, sizeof(s.dirty));
	harvest(&s.ring[0]);
	harvest(&s.ring[1]);
	reset();
	for (i = 0; i < PAGES; i++) {
		if (!s.dirty[i])
			continue;
		memcpy(copy + i * PAGE_SIZE, s.mem + i * PAGE_SIZE, PAGE_SIZE);
		copied++;
	}
	pthread_mutex_unlock(&lock);
}

static void *run_and_collect(void *arg)
{
	struct vcpu *vcpu = arg;

	for (;;) {
		if (ioctl(vcpu->fd, VMM_RUN, 0)) {
			if (errno != EINTR)
				return NULL;
		} else if (vcpu->run->exit_reason == VMM_EXIT_DIRTY_RING_FULL) {
			collect();
		} else {
			return NULL;
		}
	}
}

KTAP_TEST(oracle_of_two_writers)
{
	struct vmm_regs regs;
	pthread_t thread[2];
	int i;

	start(2, true);
	copy = calloc(1, SIZE);
	for (i = 0; i < 2; i++) {
		vcpu_load(s.ring[i].vcpu, MODE_LONG, write_at_random);
		vcpu_get_regs(s.ring[i].vcpu, &regs);
		regs.rbx = GPA;
		regs.r12 = i + 1;
		regs.r13 = i * 8;
		vcpu_set_regs(s.ring[i].vcpu, &regs);
	}
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, run_and_collect, s.ring[i].vcpu), 0);
	/* Until there is something to judge by. */
	for (i = 0; i < 60 || (copied < 2 * 512 && i < 5000); i++) {
		usleep(2000);
		collect();
	}
	*(volatile uint64_t *)vm_gpa(s.vm, GUEST_DATA) = 1;
	for (i = 0; i < 2; i++) {
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
		CHECK_EQ(s.ring[i].vcpu->run->exit_reason, VMM_EXIT_HLT);
	}
	collect();
	ktap_diag("%lu pages copied", copied);
	CHECK(copied >= 2 * 512);
	for (i = 0; i < 512; i++)
		if (memcmp(copy + i * PAGE_SIZE, s.mem + i * PAGE_SIZE, 16))
			FAIL("page %d was written and is in no ring", i);
}
