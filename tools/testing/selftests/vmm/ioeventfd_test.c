// SPDX-License-Identifier: GPL-2.0
/*
 * ioeventfd_test.c - guest writes that signal an eventfd and do not reach the
 * VMM: by port and by address, by length, and by value.
 */
#include <sys/eventfd.h>

#include "vmm_test.h"

#define PORT	0x570
#define ADDR	GUEST_MMIO

#define PIO	VMM_IOEVENTFD_FLAG_PIO
#define MATCH	VMM_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN VMM_IOEVENTFD_FLAG_DEASSIGN

static int ioeventfd(struct vm *vm, uint64_t addr, uint32_t len, int fd,
		     uint32_t flags, uint64_t datamatch)
{
	struct vmm_ioeventfd io = {
		.addr = addr, .len = len, .fd = fd, .flags = flags,
		.datamatch = datamatch,
	};

	return ioctl(vm->fd, VMM_IOEVENTFD, &io);
}

static int new_eventfd(void)
{
	return CHECK_OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

/* How often it was signalled since the last call. */
static uint64_t signals(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, 8) != 8)
		CHECK_EQ(errno, EAGAIN);
	return n;
}

GUEST64(outs,
	mov $PORT, %edx;
	mov $1, %eax; out %al, %dx; out %ax, %dx; out %eax, %dx;
	mov $2, %eax; out %ax, %dx;
	hlt);

KTAP_TEST(port_of_one_width)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, outs);
	int fd = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, fd, PIO, 0));
	/* Bytes and doublewords are no business of it. */
	expect_out(vcpu, PORT, 1, 1);
	CHECK_EQ(signals(fd), 0);
	expect_out(vcpu, PORT, 4, 1);
	CHECK_EQ(signals(fd), 1);
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 1);
}

KTAP_TEST(port_with_datamatch)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, outs);
	int one = new_eventfd(), two = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, one, PIO | MATCH, 1));
	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, two, PIO | MATCH, 2));
	expect_out(vcpu, PORT, 1, 1);
	expect_out(vcpu, PORT, 4, 1);
	CHECK_EQ(signals(one), 1);
	CHECK_EQ(signals(two), 0);
	expect_hlt(vcpu);
	CHECK_EQ(signals(one), 0);
	CHECK_EQ(signals(two), 1);
}

KTAP_TEST(port_value_that_does_not_match)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, outs);
	int fd = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, fd, PIO | MATCH, 2));
	expect_out(vcpu, PORT, 1, 1);
	expect_out(vcpu, PORT, 2, 1);
	expect_out(vcpu, PORT, 4, 1);
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 1);
}

KTAP_TEST(port_of_any_width)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, outs);
	int fd = new_eventfd();

	vmm_need_cap(VMM_CAP_IOEVENTFD_ANY_LENGTH, "VMM_CAP_IOEVENTFD_ANY_LENGTH");
	CHECK_OK(ioeventfd(vcpu->vm, PORT, 0, fd, PIO, 0));
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 4);
}

/* A read of the same port goes to user space. */
GUEST64(in_and_out, mov $PORT, %edx; in %dx, %eax; out %eax, %dx; hlt);

KTAP_TEST(reads_are_not_affected)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, in_and_out);
	int fd = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, PORT, 4, fd, PIO, 0));
	expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.direction, VMM_EXIT_IO_IN);
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 1);
}

GUEST64(rep_outs,
	mov $PORT, %edx; mov $GUEST_DATA, %esi; mov $10, %ecx; rep outsw; hlt);

KTAP_TEST(string_output)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rep_outs);
	int fd = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, fd, PIO, 0));
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 10);
}

/* Each item of a string is compared, also those behind one that did not match. */
KTAP_TEST(string_output_with_datamatch)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rep_outs);
	uint16_t *data = vm_gpa(vcpu->vm, GUEST_DATA);
	int fd = new_eventfd(), i;

	for (i = 0; i < 10; i++)
		data[i] = i % 3;
	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, fd, PIO | MATCH, 1));
	for (i = 0; i < 10; i++)
		if (i % 3 != 1)
			expect_out(vcpu, PORT, 2, i % 3);
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 3);
}

/* ---- Memory-mapped ---- */

GUEST64(stores,
	mov $ADDR, %ebx; mov $7, %eax;
	mov %al, (%rbx); mov %ax, (%rbx); mov %eax, (%rbx); mov %rax, (%rbx);
	mov %eax, 4(%rbx);
	hlt);

KTAP_TEST(mmio_of_one_width)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, stores);
	int fd = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, ADDR, 4, fd, 0, 0));
	expect_mmio_write(vcpu, ADDR, 1, 7);
	expect_mmio_write(vcpu, ADDR, 2, 7);
	CHECK_EQ(signals(fd), 0);
	expect_mmio_write(vcpu, ADDR, 8, 7);
	CHECK_EQ(signals(fd), 1);
	/* The neighbour is another address. */
	expect_mmio_write(vcpu, ADDR + 4, 4, 7);
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 0);
}

KTAP_TEST(mmio_of_any_width)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, stores);
	int fd = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, ADDR, 0, fd, 0, 0));
	expect_mmio_write(vcpu, ADDR + 4, 4, 7);
	CHECK_EQ(signals(fd), 4);
	expect_hlt(vcpu);
}

KTAP_TEST(mmio_with_datamatch)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, stores);
	int fd = new_eventfd(), other = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, ADDR, 8, fd, MATCH, 7));
	CHECK_OK(ioeventfd(vcpu->vm, ADDR, 4, other, MATCH, 8));
	expect_mmio_write(vcpu, ADDR, 1, 7);
	expect_mmio_write(vcpu, ADDR, 2, 7);
	expect_mmio_write(vcpu, ADDR, 4, 7);
	expect_mmio_write(vcpu, ADDR + 4, 4, 7);
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 1);
	CHECK_EQ(signals(other), 0);
}

/* ---- Life ---- */

KTAP_TEST(deassign)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rep_outs);
	int fd = new_eventfd(), other = new_eventfd();

	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, fd, PIO, 0));
	/* It has to be the same in everything. */
	CHECK_ERR(ioeventfd(vcpu->vm, PORT, 2, other, PIO | DEASSIGN, 0), ENOENT);
	CHECK_ERR(ioeventfd(vcpu->vm, PORT + 1, 2, fd, PIO | DEASSIGN, 0), ENOENT);
	CHECK_ERR(ioeventfd(vcpu->vm, PORT, 4, fd, PIO | DEASSIGN, 0), ENOENT);
	CHECK_ERR(ioeventfd(vcpu->vm, PORT, 2, fd, PIO | DEASSIGN | MATCH, 0), ENOENT);
	CHECK_ERR(ioeventfd(vcpu->vm, PORT, 2, fd, DEASSIGN, 0), ENOENT);
	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, fd, PIO | DEASSIGN, 0));
	CHECK_ERR(ioeventfd(vcpu->vm, PORT, 2, fd, PIO | DEASSIGN, 0), ENOENT);
	expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(signals(fd), 0);
}

/* The VM holds the eventfd; closing the descriptor takes nothing away. */
KTAP_TEST(closed_eventfd)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rep_outs);
	int fd = new_eventfd(), copy = dup(fd);

	CHECK_OK(ioeventfd(vcpu->vm, PORT, 2, fd, PIO, 0));
	close(fd);
	expect_hlt(vcpu);
	CHECK_EQ(signals(copy), 10);
}

KTAP_TEST(many)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, outs);
	int fd = new_eventfd(), i;

	/* As many as a VMM with all its virtqueues has. */
	for (i = 0; i < 900; i++)
		CHECK_OK(ioeventfd(vcpu->vm, ADDR + i * 4, 4, fd, 0, 0));
	CHECK_OK(ioeventfd(vcpu->vm, PORT, 0, fd, PIO, 0));
	expect_hlt(vcpu);
	CHECK_EQ(signals(fd), 4);
	for (i = 0; i < 900; i++)
		CHECK_OK(ioeventfd(vcpu->vm, ADDR + i * 4, 4, fd, DEASSIGN, 0));
}

KTAP_TEST(conflicts)
{
	struct vm *vm = vm_create();
	int fd = new_eventfd(), other = new_eventfd();

	CHECK_OK(ioeventfd(vm, PORT, 2, fd, PIO, 0));
	/* The same place, with no value to tell the two apart. */
	CHECK_ERR(ioeventfd(vm, PORT, 2, other, PIO, 0), EEXIST);
	CHECK_ERR(ioeventfd(vm, PORT, 2, other, PIO | MATCH, 1), EEXIST);
	/* Memory is another space. */
	CHECK_OK(ioeventfd(vm, PORT, 2, other, 0, 0));
	CHECK_OK(ioeventfd(vm, ADDR, 2, fd, MATCH, 1));
	CHECK_OK(ioeventfd(vm, ADDR, 2, other, MATCH, 2));
	CHECK_ERR(ioeventfd(vm, ADDR, 2, other, MATCH, 1), EEXIST);
}

KTAP_TEST(ioeventfd_errors)
{
	struct vm *vm = vm_create();
	int fd = new_eventfd(), len;

	for (len = 1; len <= 16; len++)
		if (len != 1 && len != 2 && len != 4 && len != 8)
			CHECK_ERR(ioeventfd(vm, ADDR, len, fd, 0, 0), EINVAL);
	CHECK_ERR(ioeventfd(vm, ADDR, 4, fd, 1 << 5, 0), EINVAL);
	CHECK_ERR(ioeventfd(vm, ADDR, 4, fd, 1U << 31, 0), EINVAL);
	CHECK_ERR(ioeventfd(vm, -2ULL, 4, fd, 0, 0), EINVAL);		/* wraps */
	CHECK_ERR(ioeventfd(vm, ADDR, 0, fd, MATCH, 0), EINVAL);	/* match what? */
	CHECK_ERR(ioeventfd(vm, ADDR, 4, -1, 0, 0), EBADF);
	CHECK_ERR(ioeventfd(vm, ADDR, 4, vm->fd, 0, 0), EINVAL);	/* no eventfd */
	CHECK_ERR(ioctl(vm->fd, VMM_IOEVENTFD, NULL), EFAULT);
}
