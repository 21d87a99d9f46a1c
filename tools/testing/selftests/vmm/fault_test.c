// SPDX-License-Identifier: GPL-2.0
/*
 * fault_test.c - a guest's memory is its VMM's memory, and stays that while the
 * host maps, unmaps, protects, copies, merges, swaps and moves it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "vmm_test.h"

#define GPA	0x40000000UL
#define SIZE	(8 * PAGE_2M)
#define PAGES	(SIZE / PAGE_SIZE)

/*
 * The guest's hand: with RCX = 0 it reads the quadword at RBX into RAX,
 * otherwise it writes RAX there.
 */
GUEST64(hand,
	test %rcx, %rcx; jnz 1f;
	mov (%rbx), %rax; hlt;
	1: mov %rax, (%rbx); hlt);

static void set_hand(struct vcpu *vcpu, uint64_t gpa, bool write, uint64_t value)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rip = GUEST_CODE;
	regs.rbx = gpa;
	regs.rcx = write;
	regs.rax = value;
	vcpu_set_regs(vcpu, &regs);
}

static uint64_t guest_read(struct vcpu *vcpu, uint64_t gpa)
{
	struct vmm_regs regs;

	set_hand(vcpu, gpa, false, 0xbadbadbad);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	return regs.rax;
}

static void guest_write(struct vcpu *vcpu, uint64_t gpa, uint64_t value)
{
	set_hand(vcpu, gpa, true, value);
	expect_hlt(vcpu);
}

/* Fills every page with its number, from the guest. */
GUEST64(write_all,
	xor %eax, %eax;
	1: mov %rax, (%rbx); add $0x1000, %rbx; inc %rax; cmp %rcx, %rax; jne 1b;
	hlt);

static void guest_write_all(struct vcpu *vcpu, uint64_t gpa, int pages)
{
	struct vmm_regs regs;

	memcpy(vm_gpa(vcpu->vm, GUEST_CODE + 0x400), write_all, write_all_end - write_all);
	vcpu_get_regs(vcpu, &regs);
	regs.rip = GUEST_CODE + 0x400;
	regs.rbx = gpa;
	regs.rcx = pages;
	vcpu_set_regs(vcpu, &regs);
	expect_hlt(vcpu);
}

static struct vcpu *start(void *mem, size_t size, uint32_t flags)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, hand);

	vm_map(vcpu->vm, 1, flags, GPA, size, mem);
	return vcpu;
}

static uint64_t *page_of(void *mem, int page)
{
	return (uint64_t *)((uint8_t *)mem + page * PAGE_SIZE);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		ktap_diag("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static long read_number(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return atol(text);
}

/* ---- First touch ---- */

KTAP_TEST(first_touch_by_the_guest)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);
	unsigned int i;

	CHECK_OK(madvise(mem, SIZE, MADV_NOHUGEPAGE));
	CHECK_EQ(guest_read(vcpu, GPA), 0);
	guest_write_all(vcpu, GPA, PAGES);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(*page_of(mem, i), i);
}

KTAP_TEST(first_touch_by_the_host)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);

	*page_of(mem, 5) = 0x1234;
	CHECK_EQ(guest_read(vcpu, GPA + 5 * PAGE_SIZE), 0x1234);
	*page_of(mem, 5) = 0x5678;
	CHECK_EQ(guest_read(vcpu, GPA + 5 * PAGE_SIZE), 0x5678);
}

/* The guest reads the zero page; when the host writes, that is another page. */
KTAP_TEST(zero_page_is_replaced)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);

	CHECK_OK(madvise(mem, SIZE, MADV_NOHUGEPAGE));
	CHECK_EQ(guest_read(vcpu, GPA), 0);
	*page_of(mem, 0) = 42;
	CHECK_EQ(guest_read(vcpu, GPA), 42);
	CHECK_EQ(guest_read(vcpu, GPA + PAGE_SIZE), 0);
	guest_write(vcpu, GPA + PAGE_SIZE, 43);
	CHECK_EQ(*page_of(mem, 1), 43);
}

/* ---- Large pages ---- */

/* Where the memory has a large page now: kB of it in this process. */
static long huge_kb(void *mem)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	char line[256];
	bool here = false;
	long kb = -1;

	CHECK(f);
	while (kb < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (uintptr_t)mem && (uintptr_t)mem < end;
		if (here)
			sscanf(line, "AnonHugePages: %ld", &kb);
	}
	fclose(f);
	return kb;
}

KTAP_TEST(transparent_huge_pages)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);
	unsigned int i;

	if (madvise(mem, SIZE, MADV_HUGEPAGE))
		ktap_skip("the kernel has no transparent huge pages");
	guest_write_all(vcpu, GPA, PAGES);
	ktap_diag("%ld kB in huge pages", huge_kb(mem));
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(*page_of(mem, i), i);
	/* One small page goes: the rest of the large one is as it was. */
	CHECK_OK(madvise(page_of(mem, 512 + 7), PAGE_SIZE, MADV_DONTNEED));
	CHECK_EQ(guest_read(vcpu, GPA + (512 + 7) * PAGE_SIZE), 0);
	CHECK_EQ(guest_read(vcpu, GPA + (512 + 6) * PAGE_SIZE), 512 + 6);
	CHECK_EQ(guest_read(vcpu, GPA + (512 + 8) * PAGE_SIZE), 512 + 8);
	guest_write_all(vcpu, GPA, PAGES);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(*page_of(mem, i), i);
}

/* Guest and host addresses that differ in the low 21 bits: small pages only. */
KTAP_TEST(huge_page_with_another_offset)
{
	uint8_t *mem = host_alloc(SIZE + PAGE_2M, PAGE_2M);
	struct vcpu *vcpu = vcpu_start(MODE_LONG, hand);
	unsigned int i;

	CHECK_OK(madvise(mem, SIZE + PAGE_2M, MADV_HUGEPAGE));
	vm_map(vcpu->vm, 1, 0, GPA, SIZE, mem + 3 * PAGE_SIZE);
	guest_write_all(vcpu, GPA, PAGES);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(*page_of(mem, i + 3), i);
	CHECK_EQ(*page_of(mem, 2), 0);
	CHECK_EQ(*page_of(mem, PAGES + 3), 0);
}

/* A slot that begins or ends within a large page of the host. */
KTAP_TEST(slot_within_a_huge_page)
{
	uint8_t *mem = host_alloc(2 * PAGE_2M, PAGE_2M);
	struct vcpu *vcpu = vcpu_start(MODE_LONG, hand);
	uint64_t *page = page_of(mem, 0);

	CHECK_OK(madvise(mem, 2 * PAGE_2M, MADV_HUGEPAGE));
	*page = 1;
	vm_map(vcpu->vm, 1, 0, GPA + PAGE_SIZE, PAGE_SIZE, mem + PAGE_SIZE);
	guest_write(vcpu, GPA + PAGE_SIZE, 0x77);
	CHECK_EQ(*page_of(mem, 1), 0x77);
	/* Its neighbours are not the guest's. */
	set_hand(vcpu, GPA, false, 0);
	expect_mmio_read(vcpu, GPA, 8, 5);
	expect_hlt(vcpu);
	set_hand(vcpu, GPA + 2 * PAGE_SIZE, true, 9);
	expect_mmio_write(vcpu, GPA + 2 * PAGE_SIZE, 8, 9);
	expect_hlt(vcpu);
	CHECK_EQ(*page_of(mem, 2), 0);
}

static void test_hugetlb(size_t page_size, int flag, const char *nr_path)
{
	struct vcpu *vcpu;
	uint8_t *mem;
	long had = read_number(nr_path);

	if (had < 0)
		ktap_skip("the CPU has no pages of %zu MiB", page_size >> 20);
	write_file(nr_path, "2");
	mem = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | flag, -1, 0);
	if (mem == MAP_FAILED)
		ktap_skip("no free page of %zu MiB", page_size >> 20);
	vcpu = start(mem, page_size, 0);
	guest_write_all(vcpu, GPA, 512);
	CHECK_EQ(*page_of(mem, 511), 511);
	guest_write(vcpu, GPA + page_size - 8, 0x99);
	CHECK_EQ(*(uint64_t *)(mem + page_size - 8), 0x99);
	/* It goes as a whole. */
	CHECK_OK(madvise(mem, page_size, MADV_DONTNEED));
	CHECK_EQ(guest_read(vcpu, GPA + 511 * PAGE_SIZE), 0);
	CHECK_EQ(guest_read(vcpu, GPA + page_size - 8), 0);
	CHECK_OK(munmap(mem, page_size));
	write_file(nr_path, "0");
}

KTAP_TEST(hugetlb_2m)
{
	test_hugetlb(PAGE_2M, 21 << MAP_HUGE_SHIFT,
		     "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
}

KTAP_TEST(hugetlb_1g)
{
	test_hugetlb(PAGE_1G, 30 << MAP_HUGE_SHIFT,
		     "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages");
}

/* ---- The host changes its mind ---- */

KTAP_TEST(madvise_dontneed)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);

	CHECK_OK(madvise(mem, SIZE, MADV_NOHUGEPAGE));
	guest_write_all(vcpu, GPA, PAGES);
	CHECK_OK(madvise(page_of(mem, 100), 50 * PAGE_SIZE, MADV_DONTNEED));
	CHECK_EQ(guest_read(vcpu, GPA + 99 * PAGE_SIZE), 99);
	CHECK_EQ(guest_read(vcpu, GPA + 100 * PAGE_SIZE), 0);
	CHECK_EQ(guest_read(vcpu, GPA + 149 * PAGE_SIZE), 0);
	CHECK_EQ(guest_read(vcpu, GPA + 150 * PAGE_SIZE), 150);
}

KTAP_TEST(munmap_and_map_again)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);

	guest_write(vcpu, GPA, 1);
	CHECK_OK(munmap(mem, SIZE));
	set_hand(vcpu, GPA, false, 0);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
	CHECK(mmap(mem, SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	*page_of(mem, 0) = 2;
	expect_hlt(vcpu);
	CHECK_EQ(guest_read(vcpu, GPA), 2);
}

KTAP_TEST(mprotect_read_only)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);

	guest_write(vcpu, GPA, 1);
	CHECK_OK(mprotect(mem, SIZE, PROT_READ));
	CHECK_EQ(guest_read(vcpu, GPA), 1);
	set_hand(vcpu, GPA, true, 2);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
	CHECK_EQ(*page_of(mem, 0), 1);
	CHECK_OK(mprotect(mem, SIZE, PROT_READ | PROT_WRITE));
	expect_hlt(vcpu);
	CHECK_EQ(*page_of(mem, 0), 2);
	CHECK_OK(mprotect(mem, SIZE, PROT_NONE));
	set_hand(vcpu, GPA, false, 0);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
}

/* From a device into memory that the process may not write just now. */
GUEST64(copy_from_device, mov $GUEST_MMIO, %esi; mov $GPA, %edi; movsl; hlt);

KTAP_TEST(emulated_access_to_protected_memory)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = vcpu_start(MODE_LONG, copy_from_device);

	vm_map(vcpu->vm, 1, 0, GPA, SIZE, mem);
	CHECK_OK(mprotect(mem, SIZE, PROT_READ));
	expect_mmio_read(vcpu, GUEST_MMIO, 4, 0x1234);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
	CHECK_EQ(*page_of(mem, 0), 0);
	CHECK_OK(mprotect(mem, SIZE, PROT_READ | PROT_WRITE));
	/* The instruction begins anew. */
	expect_mmio_read(vcpu, GUEST_MMIO, 4, 0x5678);
	expect_hlt(vcpu);
	CHECK_EQ(*page_of(mem, 0), 0x5678);
}

KTAP_TEST(mremap_moves_memory_away)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	uint8_t *to = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);

	guest_write(vcpu, GPA, 0x11);
	CHECK(mremap(mem, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_EQ(*page_of(to, 0), 0x11);
	CHECK(mmap(mem, SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	guest_write(vcpu, GPA, 0x22);
	CHECK_EQ(*page_of(to, 0), 0x11);
	CHECK_EQ(*page_of(mem, 0), 0x22);
}

/* ---- fork ---- */

/* Child and guest part: each writes its own copy from then on. */
KTAP_TEST(fork_copies_on_write)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);
	int to_child[2], status;
	char c;
	pid_t pid;

	guest_write_all(vcpu, GPA, PAGES);
	CHECK_OK(pipe(to_child));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		/* After the guest has written. */
		if (read(to_child[0], &c, 1) != 1)
			_exit(2);
		_exit(*page_of(mem, 3) == 3 && *page_of(mem, 600) == 600 ? 0 : 1);
	}
	guest_write(vcpu, GPA + 3 * PAGE_SIZE, 0xaaaa);
	guest_write(vcpu, GPA + 600 * PAGE_SIZE, 0xbbbb);
	CHECK_EQ(*page_of(mem, 3), 0xaaaa);
	CHECK_EQ(guest_read(vcpu, GPA + 4 * PAGE_SIZE), 4);
	CHECK_EQ(write(to_child[1], "x", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
	/* The child is gone; the guest's page is still the parent's. */
	guest_write(vcpu, GPA + 5 * PAGE_SIZE, 0xcccc);
	CHECK_EQ(*page_of(mem, 5), 0xcccc);
}

/* A VM belongs to the address space that made it. */
KTAP_TEST(child_may_not_use_the_vm)
{
	struct vcpu *vcpu = start(host_alloc(SIZE, PAGE_2M), SIZE, 0);
	struct vmm_regs regs;
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EIO);
		CHECK_ERR(ioctl(vcpu->fd, VMM_GET_REGS, &regs), EIO);
		CHECK_ERR(ioctl(vcpu->vm->fd, VMM_CREATE_VCPU, 1), EIO);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	CHECK_EQ(guest_read(vcpu, GPA), 0);
}

/* ---- Files ---- */

KTAP_TEST(shared_file)
{
	int fd = memfd_create("ram", 0);
	struct vcpu *vcpu;
	uint64_t value;
	uint8_t *mem;

	CHECK_OK(ftruncate(fd, SIZE));
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	vcpu = start(mem, SIZE, 0);
	guest_write(vcpu, GPA + PAGE_SIZE, 0x1111);
	CHECK_EQ(pread(fd, &value, 8, PAGE_SIZE), 8);
	CHECK_EQ(value, 0x1111);
	value = 0x2222;
	CHECK_EQ(pwrite(fd, &value, 8, 2 * PAGE_SIZE), 8);
	CHECK_EQ(guest_read(vcpu, GPA + 2 * PAGE_SIZE), 0x2222);
	/* A hole in the file is a page of zeros for the guest, too. */
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE_SIZE, PAGE_SIZE));
	CHECK_EQ(guest_read(vcpu, GPA + PAGE_SIZE), 0);
	CHECK_EQ(guest_read(vcpu, GPA + 2 * PAGE_SIZE), 0x2222);
	/* Beyond the file's end there is nothing. */
	CHECK_OK(ftruncate(fd, PAGE_SIZE));
	set_hand(vcpu, GPA + 2 * PAGE_SIZE, false, 0);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
}

KTAP_TEST(private_file)
{
	int fd = memfd_create("rom", 0);
	uint64_t value = 0x3333;
	struct vcpu *vcpu;
	uint8_t *mem;

	CHECK_OK(ftruncate(fd, SIZE));
	CHECK_EQ(pwrite(fd, &value, 8, 0), 8);
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	vcpu = start(mem, SIZE, 0);
	CHECK_EQ(guest_read(vcpu, GPA), 0x3333);
	guest_write(vcpu, GPA, 0x4444);
	CHECK_EQ(*page_of(mem, 0), 0x4444);
	CHECK_EQ(pread(fd, &value, 8, 0), 8);
	CHECK_EQ(value, 0x3333);
}

/* Memory that the host may only read serves a read-only slot. */
KTAP_TEST(read_only_slot_of_read_only_memory)
{
	int fd = memfd_create("flash", 0);
	uint64_t value = 0x5555;
	struct vcpu *vcpu;
	uint8_t *mem;

	CHECK_OK(ftruncate(fd, SIZE));
	CHECK_EQ(pwrite(fd, &value, 8, 0), 8);
	mem = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	vcpu = start(mem, SIZE, VMM_MEM_READONLY);
	CHECK_EQ(guest_read(vcpu, GPA), 0x5555);
	set_hand(vcpu, GPA, true, 1);
	expect_mmio_write(vcpu, GPA, 8, 1);
	expect_hlt(vcpu);
	CHECK_EQ(guest_read(vcpu, GPA), 0x5555);
}

/* ---- Swap ---- */

static bool have_swap(void)
{
	char text[512] = "";
	FILE *f = fopen("/proc/swaps", "r");
	int lines = 0;

	CHECK(f);
	while (fgets(text, sizeof(text), f))
		lines++;
	fclose(f);
	return lines > 1;
}

/* Memory of this process that is in swap space, in kB. */
static long swapped_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kb = -1;

	CHECK(f);
	while (kb < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "VmSwap: %ld", &kb);
	fclose(f);
	return kb;
}

KTAP_TEST(pageout)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);
	unsigned int i;

	if (!have_swap())
		ktap_skip("no swap space");
	CHECK_OK(madvise(mem, SIZE, MADV_NOHUGEPAGE));
	guest_write_all(vcpu, GPA, PAGES);
	/* The first try takes the pages from the guest, which may mark them used. */
	for (i = 0; i < 10 && swapped_kb() <= (long)SIZE / 2 / 1024; i++)
		CHECK_OK(madvise(mem, SIZE, MADV_PAGEOUT));
	ktap_diag("%ld kB swapped out after %u tries", swapped_kb(), i);
	CHECK(swapped_kb() > (long)SIZE / 2 / 1024);
	for (i = 0; i < PAGES; i += 17)
		CHECK_EQ(guest_read(vcpu, GPA + i * PAGE_SIZE), i);
	guest_write_all(vcpu, GPA, PAGES);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(*page_of(mem, i), i);
}

#define CGROUP "/tmp/cgroup"

/* The guest's memory is three times what its cgroup may use. */
KTAP_TEST(swap_by_cgroup_pressure)
{
	size_t size = 24UL << 20;
	uint8_t *mem = host_alloc(size, PAGE_2M);
	struct vcpu *vcpu = start(mem, size, 0);
	char pid[16];
	unsigned int i, round;

	if (!have_swap())
		ktap_skip("no swap space");
	CHECK_OK(madvise(mem, size, MADV_NOHUGEPAGE));
	mkdir(CGROUP, 0755);
	CHECK_OK(mount("cgroup2", CGROUP, "cgroup2", 0, NULL));
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	mkdir(CGROUP "/vmm", 0755);
	write_file(CGROUP "/vmm/memory.high", "8388608");
	write_file(CGROUP "/vmm/memory.max", "12582912");
	snprintf(pid, sizeof(pid), "%d", getpid());
	write_file(CGROUP "/vmm/cgroup.procs", pid);
	for (round = 0; round < 2; round++)
		guest_write_all(vcpu, GPA, size / PAGE_SIZE);
	ktap_diag("%ld kB swapped out", read_number(CGROUP "/vmm/memory.swap.current") / 1024);
	CHECK(read_number(CGROUP "/vmm/memory.swap.current") > 4 << 20);
	for (i = 0; i < size / PAGE_SIZE; i += 7)
		CHECK_EQ(guest_read(vcpu, GPA + i * PAGE_SIZE), i);
	write_file(CGROUP "/cgroup.procs", pid);
	umount2(CGROUP, MNT_DETACH);
}

/* ---- KSM ---- */

#define KSM "/sys/kernel/mm/ksm/"

KTAP_TEST(same_page_merging)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);
	unsigned int i, n = 64;

	if (access(KSM "run", W_OK) || madvise(mem, SIZE, MADV_NOHUGEPAGE))
		ktap_skip("the kernel has no KSM");
	for (i = 0; i < n; i++)
		memset(page_of(mem, i), 0x5a, PAGE_SIZE);
	for (i = 0; i < n; i++)
		guest_write(vcpu, GPA + i * PAGE_SIZE, 0x77);	/* all the same */
	CHECK_OK(madvise(mem, n * PAGE_SIZE, MADV_MERGEABLE));
	write_file(KSM "pages_to_scan", "1000");
	write_file(KSM "sleep_millisecs", "10");
	write_file(KSM "run", "1");
	for (i = 0; i < 500 && read_number(KSM "pages_sharing") < (long)n / 2; i++)
		usleep(20000);
	ktap_diag("%ld pages merged", read_number(KSM "pages_sharing"));
	CHECK(read_number(KSM "pages_sharing") >= (long)n / 2);
	for (i = 0; i < n; i++)
		CHECK_EQ(guest_read(vcpu, GPA + i * PAGE_SIZE), 0x77);
	/* A write parts that page from the others. */
	guest_write(vcpu, GPA + 10 * PAGE_SIZE, 0x99);
	CHECK_EQ(*page_of(mem, 10), 0x99);
	for (i = 0; i < n; i++)
		CHECK_EQ(guest_read(vcpu, GPA + i * PAGE_SIZE), i == 10 ? 0x99 : 0x77);
	write_file(KSM "run", "2");
}

/* ---- userfaultfd, as in a post-copy migration ---- */

static int uffd;
static uint8_t *uffd_mem;

static void *serve_faults(void *arg)
{
	static uint64_t page[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));
	struct uffd_msg msg;
	long n = 0;

	(void)arg;
	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		uint64_t addr = msg.arg.pagefault.address & -PAGE_SIZE;
		struct uffdio_copy copy = {
			.dst = addr, .src = (uintptr_t)page, .len = PAGE_SIZE,
		};

		page[0] = 0x1000 + (addr - (uintptr_t)uffd_mem) / PAGE_SIZE;
		if (ioctl(uffd, UFFDIO_COPY, &copy))
			break;
		if (++n == 16)
			break;
	}
	return (void *)n;
}

KTAP_TEST(missing_pages_by_userfaultfd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct vcpu *vcpu;
	pthread_t thread;
	void *served;
	int i;

	uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		ktap_skip("the kernel has no userfaultfd");
	CHECK_OK(ioctl(uffd, UFFDIO_API, &api));
	uffd_mem = host_alloc(SIZE, PAGE_2M);
	CHECK_OK(madvise(uffd_mem, SIZE, MADV_NOHUGEPAGE));
	reg.range.start = (uintptr_t)uffd_mem;
	reg.range.len = SIZE;
	CHECK_OK(ioctl(uffd, UFFDIO_REGISTER, &reg));
	vcpu = start(uffd_mem, SIZE, 0);
	CHECK_EQ(pthread_create(&thread, NULL, serve_faults, NULL), 0);
	for (i = 0; i < 16; i++) {
		int page = i * 37 % 2000;

		CHECK_EQ(guest_read(vcpu, GPA + page * PAGE_SIZE), 0x1000 + page);
	}
	CHECK_EQ(pthread_join(thread, &served), 0);
	CHECK_EQ((long)served, 16);
}

/* ---- Much of everything ---- */

static volatile bool stop_changes;

static void *change_host_memory(void *arg)
{
	uint8_t *mem = arg;
	unsigned int i;

	for (i = 0; !stop_changes; i++) {
		uint8_t *p = mem + PAGE_2M + i % 1000 * PAGE_SIZE;

		switch (i % 3) {
		case 0:
			madvise(p, PAGE_SIZE, MADV_DONTNEED);
			break;
		case 1:
			mprotect(p, PAGE_SIZE, PROT_READ);
			mprotect(p, PAGE_SIZE, PROT_READ | PROT_WRITE);
			break;
		default:
			madvise(mem + PAGE_2M, PAGE_2M,
				i % 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		}
	}
	return NULL;
}

/* What lies beside the pages that change all the time does not change. */
KTAP_TEST(changes_all_the_time)
{
	uint8_t *mem = host_alloc(SIZE, PAGE_2M);
	struct vcpu *vcpu = start(mem, SIZE, 0);
	pthread_t thread;
	int i, j;

	for (i = 0; i < 512; i++)
		*page_of(mem, i) = i;
	CHECK_EQ(pthread_create(&thread, NULL, change_host_memory, mem), 0);
	for (j = 0; j < 20; j++) {
		struct vmm_regs regs;
		int r;

		/* A page that is read-only just now: EFAULT, and once more. */
		memcpy(vm_gpa(vcpu->vm, GUEST_CODE + 0x400), write_all,
		       write_all_end - write_all);
		vcpu_get_regs(vcpu, &regs);
		regs.rip = GUEST_CODE + 0x400;
		regs.rbx = GPA + PAGE_2M;
		regs.rcx = 1024;
		vcpu_set_regs(vcpu, &regs);
		do {
			r = ioctl(vcpu->fd, VMM_RUN, 0);
		} while (r && (errno == EFAULT || errno == EINTR));
		CHECK_EQ(r, 0);
		CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_HLT);
		for (i = 0; i < 512; i += 31)
			CHECK_EQ(guest_read(vcpu, GPA + i * PAGE_SIZE), i);
	}
	stop_changes = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}
