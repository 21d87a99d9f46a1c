// SPDX-License-Identifier: GPL-2.0
/*
 * memory_stress_test.c - guest memory stays what the guest wrote, whatever the
 * host does to the pages under it.
 *
 * Two vCPUs go through the pages of a slot round and round. In each page each
 * has a word of its own: it must hold the number of the last round, and gets the
 * number of this one. Meanwhile the test forks, changes protections, splits and
 * collapses huge pages, migrates, merges and swaps out, logs dirty pages, and
 * adds, moves and deletes another slot, which the vCPUs touch as well.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "vmm_test.h"

#define NR_VCPUS	2
#define DATA_GPA	0x40000000UL
#define DATA_SIZE	(4UL << 20)
#define DATA_PAGES	(DATA_SIZE / PAGE_SIZE)
#define DATA_SLOT	1
#define CHURN_GPA	0x80000000UL
#define CHURN_SIZE	(4UL << 20)
#define CHURN_SLOT	2
/* A case ends when each vCPU has gone round so often, or after so many seconds. */
#define ROUNDS		10
#define SECONDS		10

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

/*
 * RBX the vCPU's word in the first page, R9 its place in the other slot, R10 the
 * word that ends the test. R8 counts rounds; leaves it in RAX.
 */
GUEST64(stress_code,
	xor %r8d, %r8d;
	1: inc %r8;
	mov %rbx, %rdi;
	mov $1024, %ecx;
	2: lea -1(%r8), %rax;
	cmp %rax, (%rdi);
	jne 3f;
	mov %r8, (%rdi);
	add $4096, %rdi;
	dec %ecx;
	jnz 2b;
	mov %r8, (%r9);
	mov (%r9), %rdx;
	cmpl $0, (%r10);
	je 1b;
	xor %ecx, %ecx;
	3: mov %r8, %rax;
	hlt);

struct worker {
	struct vcpu *vcpu;
	pthread_t thread;
	unsigned long mmio_exits, efaults;
	bool failed;
};

static struct {
	struct vm *vm;
	uint8_t *data, *churn;
	struct worker worker[NR_VCPUS];
} s;

/* Ends with the guest's HLT. What meets no memory, or a read-only page, is tried again. */
static void *run_vcpu(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		if (ioctl(w->vcpu->fd, VMM_RUN, 0)) {
			if (errno == EFAULT)
				w->efaults++;
			else if (errno != EINTR && errno != EAGAIN)
				break;
			continue;
		}
		if (w->vcpu->run->exit_reason == VMM_EXIT_HLT)
			return NULL;
		if (w->vcpu->run->exit_reason != VMM_EXIT_MMIO ||
		    w->vcpu->run->mmio.phys_addr - CHURN_GPA >= CHURN_SIZE)
			break;
		w->mmio_exits++;
	}
	w->failed = true;
	return NULL;
}

static void start(uint32_t flags)
{
	struct vmm_regs regs;
	int i;

	s.vm = vm_create();
	vm_init_tables(s.vm);
	s.data = host_alloc(DATA_SIZE, PAGE_2M);
	s.churn = host_alloc(CHURN_SIZE, PAGE_2M);
	vm_map(s.vm, DATA_SLOT, flags, DATA_GPA, DATA_SIZE, s.data);
	vm_map(s.vm, CHURN_SLOT, 0, CHURN_GPA, CHURN_SIZE, s.churn);
	for (i = 0; i < NR_VCPUS; i++) {
		struct worker *w = &s.worker[i];

		w->vcpu = vcpu_create(s.vm, i);
		vcpu_load(w->vcpu, MODE_LONG, stress_code);
		vcpu_get_regs(w->vcpu, &regs);
		regs.rbx = DATA_GPA + i * 8;
		regs.r9 = CHURN_GPA + i * PAGE_SIZE;
		regs.r10 = GUEST_DATA;
		vcpu_set_regs(w->vcpu, &regs);
		CHECK_EQ(pthread_create(&w->thread, NULL, run_vcpu, w), 0);
	}
}

static void stop(void)
{
	struct vmm_regs regs;
	int i;

	*(volatile uint32_t *)vm_gpa(s.vm, GUEST_DATA) = 1;
	for (i = 0; i < NR_VCPUS; i++) {
		struct worker *w = &s.worker[i];
		unsigned long page;

		CHECK_EQ(pthread_join(w->thread, NULL), 0);
		if (w->failed)
			FAIL("vCPU %d: exit %s", i, exit_name(w->vcpu->run->exit_reason));
		vcpu_get_regs(w->vcpu, &regs);
		page = (regs.rdi - DATA_GPA) / PAGE_SIZE;
		if (regs.rcx)
			FAIL("vCPU %d, round %llu: page %lu holds %llu", i, regs.rax, page,
			     *(unsigned long long *)(s.data + page * PAGE_SIZE + i * 8));
		for (page = 0; page < DATA_PAGES; page++)
			CHECK_EQ(*(uint64_t *)(s.data + page * PAGE_SIZE + i * 8), regs.rax);
		ktap_diag("vCPU %d: %llu rounds, %lu MMIO exits, %lu EFAULTs", i, regs.rax,
			  w->mmio_exits, w->efaults);
	}
}

static bool go_on(void)
{
	static time_t end;
	struct timespec now;
	bool done = true;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!end)
		end = now.tv_sec + SECONDS;
	for (i = 0; i < NR_VCPUS; i++)
		if (((volatile uint64_t *)s.data)[i] < ROUNDS)
			done = false;
	/* Let the guest get on before the next blow. */
	usleep(1000);
	return !done && now.tv_sec < end;
}

/* A piece of the data slot of at most that many pages. */
static uint8_t *piece(unsigned long max, size_t *size)
{
	unsigned long n = 1 + rand() % max, first = rand() % (DATA_PAGES - n + 1);

	*size = n * PAGE_SIZE;
	return s.data + first * PAGE_SIZE;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void do_fork(void)
{
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		/* Breaks some of the sharing from the other side. */
		size_t size, i;
		uint8_t *p = piece(64, &size);

		for (i = 0; i < size; i += PAGE_SIZE)
			p[i] ^= 0xff;
		_exit(0);
	}
	CHECK_OK(waitpid(pid, NULL, 0));
}

static void do_protect(void)
{
	size_t size;
	uint8_t *p = piece(512, &size);

	CHECK_OK(mprotect(p, size, PROT_READ));
	CHECK_OK(mprotect(p, size, PROT_READ | PROT_WRITE));
}

static void do_huge(void)
{
	uint8_t *p = s.data + rand() % (DATA_SIZE / PAGE_2M) * PAGE_2M;
	size_t size;

	madvise(p, PAGE_2M, MADV_HUGEPAGE);
	madvise(p, PAGE_2M, MADV_COLLAPSE);
	/* A protection of its own for a page splits the huge one. */
	p = piece(1, &size);
	CHECK_OK(mprotect(p, size, PROT_READ));
	CHECK_OK(mprotect(p, size, PROT_READ | PROT_WRITE));
}

static void do_pageout(void)
{
	size_t size;
	uint8_t *p = piece(1024, &size);

	madvise(p, size, MADV_PAGEOUT);
}

static void do_compact(void)
{
	write_file("/proc/sys/vm/compact_memory", "1");
	usleep(20000);
}

static void do_soft_dirty(void)
{
	write_file("/proc/self/clear_refs", "4");
}

/* Merged pages are read-only until the next write. */
static void do_ksm(void)
{
	size_t size;
	uint8_t *p = piece(1024, &size);

	madvise(p, size, MADV_MERGEABLE);
	usleep(20000);
	madvise(p, size, MADV_UNMERGEABLE);
}

static void do_slots(void)
{
	vm_map(s.vm, CHURN_SLOT, 0, CHURN_GPA, 0, NULL);
	/* Nobody uses the old memory any more: what is there now is not the guest's. */
	CHECK_OK(madvise(s.churn, CHURN_SIZE, MADV_DONTNEED));
	memset(s.churn, 0, 4 * PAGE_SIZE);
	usleep(100);
	CHECK_EQ(*(uint64_t *)s.churn, 0);
	CHECK_EQ(*(uint64_t *)(s.churn + PAGE_SIZE), 0);
	vm_map(s.vm, CHURN_SLOT, 0, CHURN_GPA + PAGE_2M, PAGE_2M, s.churn);
	usleep(100);
	vm_map(s.vm, CHURN_SLOT, 0, CHURN_GPA, PAGE_2M, s.churn);
	usleep(100);
	vm_map(s.vm, CHURN_SLOT, 0, CHURN_GPA, 0, NULL);
	vm_map(s.vm, CHURN_SLOT, 0, CHURN_GPA, CHURN_SIZE, s.churn);
	usleep(100);
}

static void under(void (*disturb)(void))
{
	start(0);
	while (go_on())
		disturb();
	stop();
}

KTAP_TEST(fork_and_copy_on_write)
{
	under(do_fork);
}

KTAP_TEST(protection_changes)
{
	under(do_protect);
}

KTAP_TEST(huge_pages_come_and_go)
{
	under(do_huge);
}

KTAP_TEST(swap_out)
{
	char line[256];
	FILE *f = fopen("/proc/swaps", "r");

	if (!f || !fgets(line, sizeof(line), f) || !fgets(line, sizeof(line), f))
		ktap_skip("the host has no swap space");
	fclose(f);
	under(do_pageout);
}

KTAP_TEST(migration)
{
	if (access("/proc/sys/vm/compact_memory", W_OK))
		ktap_skip("the host kernel has no memory compaction");
	under(do_compact);
}

KTAP_TEST(soft_dirty)
{
	if (access("/proc/self/clear_refs", W_OK))
		ktap_skip("the host kernel has no clear_refs");
	under(do_soft_dirty);
}

KTAP_TEST(same_page_merging)
{
	if (!write_file("/sys/kernel/mm/ksm/run", "1"))
		ktap_skip("the host kernel has no KSM");
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	write_file("/sys/kernel/mm/ksm/pages_to_scan", "4096");
	under(do_ksm);
	write_file("/sys/kernel/mm/ksm/run", "2");
}

KTAP_TEST(slots_change)
{
	under(do_slots);
}

/* Copies what the log says was written, as a migration does. */
static void copy_dirty(uint8_t *shadow)
{
	static uint64_t bitmap[DATA_PAGES / 64];
	struct vmm_dirty_log log = { .slot = DATA_SLOT, .dirty_bitmap = bitmap };
	unsigned long page;

	CHECK_OK(ioctl(s.vm->fd, VMM_GET_DIRTY_LOG, &log));
	for (page = 0; page < DATA_PAGES; page++)
		if (bitmap[page / 64] >> (page % 64) & 1)
			memcpy(shadow + page * PAGE_SIZE, s.data + page * PAGE_SIZE, PAGE_SIZE);
}

static void migrate(void (*disturb)(void))
{
	uint8_t *shadow = host_alloc(DATA_SIZE, PAGE_2M);
	int i;

	start(0);
	madvise(s.data, DATA_SIZE, MADV_HUGEPAGE);
	/* It ends with logging on: the last copy is by the log, too. */
	for (;;) {
		vm_map(s.vm, DATA_SLOT, VMM_MEM_LOG_DIRTY_PAGES, DATA_GPA, DATA_SIZE, s.data);
		memcpy(shadow, s.data, DATA_SIZE);
		for (i = 0; i < 10; i++) {
			copy_dirty(shadow);
			if (disturb)
				disturb();
		}
		if (!go_on())
			break;
		vm_map(s.vm, DATA_SLOT, 0, DATA_GPA, DATA_SIZE, s.data);
	}
	stop();
	copy_dirty(shadow);
	CHECK(!memcmp(shadow, s.data, DATA_SIZE));
}

KTAP_TEST(dirty_log)
{
	migrate(NULL);
}

static void do_anything(void)
{
	static void (*const all[])(void) = {
		do_fork, do_protect, do_huge, do_pageout, do_compact, do_soft_dirty,
		do_slots,
	};

	all[rand() % ARRAY_SIZE(all)]();
}

KTAP_TEST(dirty_log_under_changes)
{
	migrate(do_anything);
}

KTAP_TEST(everything_at_once)
{
	under(do_anything);
}
