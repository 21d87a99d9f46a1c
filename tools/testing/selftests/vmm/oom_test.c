// SPDX-License-Identifier: GPL-2.0
/*
 * oom_test.c - the host has no memory for what is asked: each allocation that an
 * operation makes fails once, the first, the second and so on, until one run of
 * the operation needs no more than there were. It must answer ENOMEM or do
 * without, and must leave all as it was; that nothing is lost on the way a
 * kernel with kmemleak tells at the end.
 *
 * Needs the kernel's fault injection (fail-nth), which a debug kernel has.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "vmm_test.h"

#define UNUSED		__attribute__((unused))

#define GPA		0x40000000UL
#define SIZE		(4UL << 20)
/* More allocations than any operation makes. */
#define MAX_NTH		2000

static int nth_fd = -1;

static void setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		ktap_skip("the host kernel has no fault injection (%s)", path);
	close(fd);
}

/* Also those allocations fail that may wait for memory: nearly all of ours. */
static void prepare(void)
{
	setting("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	setting("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	setting("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	/* Each failure would be told with a stack. */
	setting("/sys/kernel/debug/failslab/verbose", "0");
	setting("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		ktap_skip("the host kernel has no fault injection (fail-nth)");
}

static void arm(int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", nth);

	if (pwrite(nth_fd, text, n, 0) != n)
		FAIL("fail-nth: %s", strerror(errno));
}

/* No failure any more from here. Was there one? */
static bool disarm(void)
{
	char text[16] = "";

	if (pread(nth_fd, text, sizeof(text) - 1, 0) <= 0)
		FAIL("fail-nth: %s", strerror(errno));
	arm(0);
	return !atoi(text);
}

/*
 * With the first allocation failing, the second, and so on. @op returns what an
 * ioctl does; @undo takes back what it did.
 */
static void exhaust(long (*op)(void *), void (*undo)(void *, long), void *arg)
{
	int nth, failed = 0;

	for (nth = 1; nth < MAX_NTH; nth++) {
		bool injected;
		long r;
		int e;

		arm(nth);
		r = op(arg);
		e = errno;
		injected = disarm();
		if (r < 0 && (!injected || (e != ENOMEM && e != EFAULT)))
			FAIL("allocation %d%s: %s", nth, injected ? "" : ", which did not fail",
			     strerror(e));
		if (r >= 0 && undo)
			undo(arg, r);
		failed += r < 0;
		if (!injected)
			break;
	}
	CHECK(nth < MAX_NTH);
	ktap_diag("%d allocations, %d failures reported", nth - 1, failed);
}

static void close_fd(void *arg UNUSED, long fd)
{
	close(fd);
}

static long create_vm(void *arg)
{
	return ioctl(*(int *)arg, VMM_CREATE_VM, 0);
}

KTAP_TEST(create_vm_without_memory)
{
	int dev = vmm_open();

	prepare();
	exhaust(create_vm, close_fd, &dev);
}

/* An id is taken once it worked, and not before: a failed attempt leaves nothing. */
static long create_vcpu(void *arg)
{
	static int id;
	long r = ioctl(*(int *)arg, VMM_CREATE_VCPU, id);

	id += r >= 0;
	return r;
}

KTAP_TEST(create_vcpu_without_memory)
{
	struct vm *vm = vm_create_size(0);

	prepare();
	exhaust(create_vcpu, close_fd, &vm->fd);
}

struct slot_op {
	struct vm *vm;
	uint8_t *mem;
	uint32_t flags;
	uint64_t gpa, size;
};

static long set_slot(void *arg)
{
	struct slot_op *s = arg;

	return vm_set_region(s->vm, 1, s->flags, s->gpa, s->size, s->mem);
}

static void delete_slot(void *arg, long r UNUSED)
{
	struct slot_op *s = arg;

	vm_map(s->vm, 1, 0, GPA, 0, NULL);
}

static void back_to_plain(void *arg, long r UNUSED)
{
	struct slot_op *s = arg;

	vm_map(s->vm, 1, 0, GPA, SIZE, s->mem);
}

KTAP_TEST(slots_without_memory)
{
	struct slot_op s = { .vm = vm_create(), .mem = host_alloc(SIZE, PAGE_2M) };

	prepare();
	ktap_label("add");
	s.gpa = GPA;
	s.size = SIZE;
	exhaust(set_slot, delete_slot, &s);
	ktap_label("add, logged");
	s.flags = VMM_MEM_LOG_DIRTY_PAGES;
	exhaust(set_slot, delete_slot, &s);
	vm_map(s.vm, 1, 0, GPA, SIZE, s.mem);
	ktap_label("log");
	exhaust(set_slot, back_to_plain, &s);
	ktap_label("move");
	s.flags = 0;
	s.gpa = GPA + SIZE;
	exhaust(set_slot, back_to_plain, &s);
	ktap_label("delete");
	s.size = 0;
	exhaust(set_slot, back_to_plain, &s);
}

/* Pages far apart, each of which needs a table of its own; then a device. */
#define PAGES		8
#define RUN_SIZE	(PAGES * PAGE_2M)
GUEST64(touch_all,
	mov $GPA, %ebx; mov $PAGES, %ecx;
	1: incq (%rbx); add $0x200000, %rbx; dec %ecx; jnz 1b;
	mov $GUEST_MMIO, %ebx; mov (%rbx), %eax; mov %eax, (%rbx);
	hlt);

static uint8_t *run_mem;

static long run_to_halt(void *arg)
{
	struct vcpu *vcpu = arg;
	long r;

	do {
		r = ioctl(vcpu->fd, VMM_RUN, 0);
	} while ((r < 0 && errno == EINTR) || (!r && vcpu->run->exit_reason == VMM_EXIT_MMIO));
	if (!r && vcpu->run->exit_reason != VMM_EXIT_HLT) {
		arm(0);
		vcpu_dump(vcpu);
		FAIL("exit %s", exit_name(vcpu->run->exit_reason));
	}
	return r;
}

/* Memory and translations go away, so that the next round needs new ones. */
static void forget_all(void *arg, long r UNUSED)
{
	int i;

	for (i = 0; i < PAGES; i++)
		CHECK_EQ(*(uint64_t *)(run_mem + i * PAGE_2M), 1);
	CHECK_OK(madvise(run_mem, RUN_SIZE, MADV_DONTNEED));
	vcpu_set_rip(arg, GUEST_CODE);
}

KTAP_TEST(run_without_memory)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, touch_all);

	run_mem = host_alloc(RUN_SIZE, PAGE_2M);
	CHECK_OK(madvise(run_mem, RUN_SIZE, MADV_NOHUGEPAGE));
	vm_map(vcpu->vm, 1, 0, GPA, RUN_SIZE, run_mem);
	prepare();
	exhaust(run_to_halt, forget_all, vcpu);
}

struct ioctl_op {
	int fd;
	unsigned long nr;
	void *arg;
};

static long do_ioctl(void *arg)
{
	struct ioctl_op *op = arg;

	return ioctl(op->fd, op->nr, op->arg);
}

static void remove_ioeventfd(void *arg, long r UNUSED)
{
	struct ioctl_op *op = arg;
	struct vmm_ioeventfd e = *(struct vmm_ioeventfd *)op->arg;

	e.flags |= VMM_IOEVENTFD_FLAG_DEASSIGN;
	CHECK_OK(ioctl(op->fd, VMM_IOEVENTFD, &e));
}

static void add_ioeventfd(void *arg, long r UNUSED)
{
	struct ioctl_op *op = arg;
	struct vmm_ioeventfd e = *(struct vmm_ioeventfd *)op->arg;

	e.flags &= ~VMM_IOEVENTFD_FLAG_DEASSIGN;
	CHECK_OK(ioctl(op->fd, VMM_IOEVENTFD, &e));
}

KTAP_TEST(ioeventfd_without_memory)
{
	struct vm *vm = vm_create_size(0);
	struct vmm_ioeventfd other = { .addr = 0x100, .len = 4, .fd = eventfd(0, 0) };
	struct vmm_ioeventfd e = { .addr = 0x200, .len = 4, .fd = eventfd(0, 0) };
	struct ioctl_op op = { vm->fd, VMM_IOEVENTFD, &e };

	CHECK_OK(ioctl(vm->fd, VMM_IOEVENTFD, &other));
	prepare();
	exhaust(do_ioctl, remove_ioeventfd, &op);
	CHECK_OK(ioctl(vm->fd, VMM_IOEVENTFD, &e));
	e.flags = VMM_IOEVENTFD_FLAG_DEASSIGN;
	exhaust(do_ioctl, add_ioeventfd, &op);
}

KTAP_TEST(vcpu_state_without_memory)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	static struct vmm_xsave xsave;
	static struct vmm_fpu fpu;
	struct {
		struct vmm_msrs head;
		struct vmm_msr_entry entry[2];
	} msrs = { .head.nmsrs = 2, .entry = { { .index = MSR_EFER }, { .index = MSR_STAR } } };
	const struct ioctl_op ops[] = {
		{ vcpu->fd, VMM_SET_CPUID2, vmm_supported_cpuid() },
		{ vcpu->fd, VMM_GET_XSAVE, &xsave },
		{ vcpu->fd, VMM_SET_XSAVE, &xsave },
		{ vcpu->fd, VMM_GET_FPU, &fpu },
		{ vcpu->fd, VMM_SET_FPU, &fpu },
		{ vcpu->fd, VMM_GET_MSRS, &msrs },
		{ vcpu->fd, VMM_SET_MSRS, &msrs },
		{ vmm_open(), VMM_GET_SUPPORTED_CPUID, vmm_supported_cpuid() },
	};
	unsigned int i;

	prepare();
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		struct ioctl_op op = ops[i];

		exhaust(do_ioctl, NULL, &op);
	}
}
