// SPDX-License-Identifier: GPL-2.0
/*
 * irqfd_test.c - eventfds that interrupt the guest: edges and messages, levels that
 * are sampled again at the guest's EOI, their end by all ways, from other processes,
 * and while the routes change.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "irq_agent.h"

#define LEVEL		IOAPIC_LEVEL
#define MASKED		IOAPIC_MASKED

#define GSI		20
#define VECTOR		0x61
#define OTHER_VECTOR	0x72

#define DEASSIGN	VMM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	VMM_IRQFD_FLAG_RESAMPLE

static int irqfd(struct vm *vm, int fd, uint32_t gsi, uint32_t flags, int resamplefd)
{
	struct vmm_irqfd args = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resamplefd,
	};

	return ioctl(vm->fd, VMM_IRQFD, &args);
}

static int new_eventfd(void)
{
	return CHECK_OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	CHECK_EQ(write(fd, &one, 8), 8);
}

/* How often it was signalled since the last call. */
static uint64_t signals(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, 8) != 8)
		CHECK_EQ(errno, EAGAIN);
	return n;
}

static int set_msi_route(struct vm *vm, uint32_t gsi, uint32_t data)
{
	struct {
		struct vmm_irq_routing head;
		struct vmm_irq_routing_entry e;
	} r = {
		.head.nr = 1,
		.e = {
			.gsi = gsi, .type = VMM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = LAPIC, .data = data },
		},
	};

	return ioctl(vm->fd, VMM_SET_GSI_ROUTING, &r);
}

static struct vcpu *start(uint64_t entry)
{
	struct vcpu *vcpu = agent_create(vm_create_irqchip(), 0);

	ioapic_write_entry(vcpu, GSI, entry);
	return vcpu;
}

KTAP_TEST(edge)
{
	struct vcpu *vcpu = start(VECTOR);
	int fd = new_eventfd(), i;

	CHECK_OK(irqfd(vcpu->vm, fd, GSI, 0, 0));
	for (i = 0; i < 3; i++) {
		signal_fd(fd);
		agent_expect_irq(vcpu, VECTOR);
		agent_expect_none(vcpu);
	}
	/* Nothing is left for a reader. */
	CHECK_EQ(signals(fd), 0);
}

KTAP_TEST(message)
{
	struct vcpu *vcpu = start(MASKED);
	int fd = new_eventfd();

	CHECK_OK(set_msi_route(vcpu->vm, 100, VECTOR));
	CHECK_OK(irqfd(vcpu->vm, fd, 100, 0, 0));
	signal_fd(fd);
	agent_expect_irq(vcpu, VECTOR);
	/* It takes the route that the GSI has now. */
	CHECK_OK(set_msi_route(vcpu->vm, 100, OTHER_VECTOR));
	signal_fd(fd);
	agent_expect_irq(vcpu, OTHER_VECTOR);
	CHECK_OK(set_msi_route(vcpu->vm, 101, OTHER_VECTOR));
	signal_fd(fd);
	agent_expect_none(vcpu);
}

/* A signal that came before counts. */
KTAP_TEST(signalled_before)
{
	struct vcpu *vcpu = start(VECTOR);
	int fd = new_eventfd();

	signal_fd(fd);
	CHECK_OK(irqfd(vcpu->vm, fd, GSI, 0, 0));
	agent_expect_irq(vcpu, VECTOR);
	agent_expect_none(vcpu);
}

KTAP_TEST(several)
{
	struct vcpu *vcpu = start(VECTOR);
	int fd[24], i;

	for (i = 0; i < 24; i++) {
		fd[i] = new_eventfd();
		ioapic_write_entry(vcpu, i, VECTOR + i);
		CHECK_OK(irqfd(vcpu->vm, fd[i], i, 0, 0));
	}
	for (i = 0; i < 24; i++) {
		signal_fd(fd[i]);
		agent_expect_irq(vcpu, VECTOR + i);
	}
	/* Two for one GSI. */
	i = new_eventfd();
	CHECK_OK(irqfd(vcpu->vm, i, GSI, 0, 0));
	signal_fd(i);
	agent_expect_irq(vcpu, VECTOR + GSI);
}

KTAP_TEST(deassign)
{
	struct vcpu *vcpu = start(VECTOR);
	int fd = new_eventfd(), other = new_eventfd();

	CHECK_OK(irqfd(vcpu->vm, fd, GSI, 0, 0));
	/* Another GSI, another eventfd: it stays. */
	CHECK_OK(irqfd(vcpu->vm, fd, GSI + 1, DEASSIGN, 0));
	CHECK_OK(irqfd(vcpu->vm, other, GSI, DEASSIGN, 0));
	signal_fd(fd);
	agent_expect_irq(vcpu, VECTOR);
	CHECK_OK(irqfd(vcpu->vm, fd, GSI, DEASSIGN, 0));
	signal_fd(fd);
	agent_expect_none(vcpu);
	CHECK_EQ(signals(fd), 1);
	CHECK_OK(irqfd(vcpu->vm, fd, GSI, DEASSIGN, 0));
	CHECK_OK(irqfd(vcpu->vm, fd, GSI, 0, 0));
	signal_fd(fd);
	agent_expect_irq(vcpu, VECTOR);
}

/* The irqfd goes with the eventfd's last descriptor, not with the first. */
KTAP_TEST(closed_eventfd)
{
	struct vcpu *vcpu = start(VECTOR);
	int fd = new_eventfd(), copy = dup(fd), i;

	CHECK_OK(irqfd(vcpu->vm, fd, GSI, 0, 0));
	close(fd);
	signal_fd(copy);
	agent_expect_irq(vcpu, VECTOR);
	close(copy);
	for (i = 0; i < 100; i++) {
		fd = new_eventfd();
		CHECK_OK(irqfd(vcpu->vm, fd, GSI, i & 1 ? RESAMPLE : 0, new_eventfd()));
		close(fd);
	}
	agent_expect_none(vcpu);
}

KTAP_TEST(errors)
{
	struct vm *vm = vm_create(), *split = vm_create_split(24);
	int fd = new_eventfd(), other = new_eventfd();

	CHECK_ERR(irqfd(vm, fd, GSI, 0, 0), EINVAL);	/* whom would it interrupt? */
	CHECK_ERR(irqfd(split, fd, GSI, RESAMPLE, other), EINVAL);
	CHECK_OK(irqfd(split, fd, GSI, 0, 0));
	vm = vm_create_irqchip();
	CHECK_ERR(irqfd(vm, fd, GSI, 4, 0), EINVAL);
	CHECK_ERR(irqfd(vm, -1, GSI, 0, 0), EBADF);
	CHECK_ERR(irqfd(vm, vm->fd, GSI, 0, 0), EINVAL);
	CHECK_ERR(irqfd(vm, fd, GSI, RESAMPLE, -1), EBADF);
	CHECK_ERR(irqfd(vm, fd, GSI, RESAMPLE, vm->fd), EINVAL);
	CHECK_ERR(irqfd(vm, -1, GSI, DEASSIGN, 0), EBADF);
	CHECK_ERR(irqfd(vm, vm->fd, GSI, DEASSIGN, 0), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_IRQFD, NULL), EFAULT);
	CHECK_OK(irqfd(vm, fd, GSI, 0, 0));
	CHECK_ERR(irqfd(vm, fd, GSI, 0, 0), EBUSY);
	CHECK_ERR(irqfd(vm, fd, GSI + 1, 0, 0), EBUSY);
	if (vmm_is_vmm())	/* KVM takes GSIs that cannot be */
		CHECK_ERR(irqfd(vm, other, 4096, 0, 0), EINVAL);
}

/* --- levels --- */

KTAP_TEST(resample)
{
	struct vcpu *vcpu = start(LEVEL | VECTOR);
	int fd = new_eventfd(), re = new_eventfd();

	agent_set_eoi(vcpu, EOI_NONE);
	CHECK_OK(irqfd(vcpu->vm, fd, GSI, RESAMPLE, re));
	signal_fd(fd);
	agent_expect_irq(vcpu, VECTOR);
	CHECK_EQ(signals(re), 0);
	agent_expect_none(vcpu);
	/* The EOI lowers the line and says so. */
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	CHECK_EQ(signals(re), 1);
	agent_expect_none(vcpu);
	/* The device wants more. */
	signal_fd(fd);
	agent_expect_irq(vcpu, VECTOR);
	signal_fd(fd);
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	CHECK_EQ(signals(re), 1);
	agent_expect_none(vcpu);
}

/* All devices on the line are asked. */
KTAP_TEST(shared_line)
{
	struct vmm_irq_level line = { .irq = GSI, .level = 1 };
	struct vcpu *vcpu = start(LEVEL | VECTOR);
	int fd[2], re[2], i;

	agent_set_eoi(vcpu, EOI_NONE);
	for (i = 0; i < 2; i++) {
		fd[i] = new_eventfd();
		re[i] = new_eventfd();
		CHECK_OK(irqfd(vcpu->vm, fd[i], GSI, RESAMPLE, re[i]));
	}
	signal_fd(fd[0]);
	agent_expect_irq(vcpu, VECTOR);
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	CHECK_EQ(signals(re[0]), 1);
	CHECK_EQ(signals(re[1]), 1);
	agent_expect_none(vcpu);
	/* User space holds the line as well: the EOI does not lower it. */
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_IRQ_LINE, &line));
	agent_expect_irq(vcpu, VECTOR);
	signal_fd(fd[1]);
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	agent_expect_irq(vcpu, VECTOR);
	line.level = 0;
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_IRQ_LINE, &line));
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	agent_expect_none(vcpu);
	CHECK_EQ(signals(re[0]), 2);
	/* One of them goes; the other stays. */
	CHECK_OK(irqfd(vcpu->vm, fd[0], GSI, DEASSIGN, 0));
	signal_fd(fd[1]);
	agent_expect_irq(vcpu, VECTOR);
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	CHECK_EQ(signals(re[0]), 0);
	CHECK_EQ(signals(re[1]), 3);
}

/* The last one that goes takes its level along. */
KTAP_TEST(resample_deassigned_while_up)
{
	struct vcpu *vcpu = start(LEVEL | MASKED | VECTOR);
	int fd = new_eventfd(), re = new_eventfd();

	CHECK_OK(irqfd(vcpu->vm, fd, GSI, RESAMPLE, re));
	signal_fd(fd);
	CHECK_OK(irqfd(vcpu->vm, fd, GSI, DEASSIGN, 0));
	ioapic_write_entry(vcpu, GSI, LEVEL | VECTOR);
	agent_expect_none(vcpu);
}

/*
 * A guest that handles the interrupt in a thread masks the pin, ends the interrupt, and
 * unmasks when the device is content. The level that came in between is old news.
 */
KTAP_TEST(resample_at_unmask)
{
	struct vcpu *vcpu = start(LEVEL | VECTOR);
	int fd = new_eventfd(), re = new_eventfd();

	agent_set_eoi(vcpu, EOI_NONE);
	CHECK_OK(irqfd(vcpu->vm, fd, GSI, RESAMPLE, re));
	signal_fd(fd);
	agent_expect_irq(vcpu, VECTOR);
	ioapic_write_entry(vcpu, GSI, LEVEL | MASKED | VECTOR);
	agent_write32(vcpu, LAPIC + LAPIC_EOI, 0);
	CHECK_EQ(signals(re), 1);
	signal_fd(fd);			/* not yet content */
	agent_expect_none(vcpu);
	if (!vmm_is_vmm())
		return;			/* older KVMs do not ask */
	ioapic_write_entry(vcpu, GSI, LEVEL | VECTOR);
	CHECK_EQ(signals(re), 1);
	agent_expect_none(vcpu);
	signal_fd(fd);
	agent_expect_irq(vcpu, VECTOR);
}

/* The PIC's EOI counts too. */
KTAP_TEST(resample_by_pic)
{
	struct vcpu *vcpu = start(MASKED);
	int fd = new_eventfd(), re = new_eventfd();

	agent_write32(vcpu, LAPIC + LAPIC_LVT0, 0x700);
	agent_set_eoi(vcpu, EOI_NONE);
	agent_out8(vcpu, 0x20, 0x11);
	agent_out8(vcpu, 0x21, 0x30);
	agent_out8(vcpu, 0x21, 4);
	agent_out8(vcpu, 0x21, 1);
	agent_out8(vcpu, 0x4d0, 0x20);
	ioapic_write_entry(vcpu, 5, MASKED);
	CHECK_OK(irqfd(vcpu->vm, fd, 5, RESAMPLE, re));
	signal_fd(fd);
	agent_expect_irq(vcpu, 0x35);
	CHECK_EQ(signals(re), 0);
	agent_out8(vcpu, 0x20, 0x20);
	CHECK_EQ(signals(re), 1);
	agent_expect_none(vcpu);
}

/* --- all at once --- */

/* Another process that has the eventfd may signal; it need not know the VM. */
KTAP_TEST(from_another_process)
{
	struct vcpu *vcpu = start(VECTOR);
	int fd = new_eventfd(), status;
	pid_t pid;

	CHECK_OK(irqfd(vcpu->vm, fd, GSI, 0, 0));
	pid = CHECK_OK(fork());
	if (!pid) {
		uint64_t one = 1;

		_exit(write(fd, &one, 8) != 8);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	agent_expect_irq(vcpu, VECTOR);
}

static struct {
	struct vm *vm;
	int fd, re;
	bool stop;
} shared;

static bool stopping(void)
{
	return __atomic_load_n(&shared.stop, __ATOMIC_RELAXED);
}

static void *keep_signalling(void *arg)
{
	uint64_t one = 1;

	(void)arg;
	while (!stopping())
		if (write(shared.fd, &one, 8) != 8)
			break;
	return NULL;
}

static void *keep_routing(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; !stopping(); i++)
		if (set_msi_route(shared.vm, 100, i & 1 ? VECTOR : OTHER_VECTOR))
			return (void *)1;
	return NULL;
}

static void *keep_assigning(void *arg)
{
	(void)arg;
	while (!stopping()) {
		if (irqfd(shared.vm, shared.fd, GSI, RESAMPLE, shared.re) ||
		    irqfd(shared.vm, shared.fd, GSI, DEASSIGN, 0))
			return (void *)1;
	}
	return NULL;
}

static void start_thread(pthread_t *t, void *(*fn)(void *))
{
	CHECK_EQ(pthread_create(t, NULL, fn, NULL), 0);
}

static void join_thread(pthread_t t)
{
	void *result;

	CHECK_EQ(pthread_join(t, &result), 0);
	CHECK(!result);
}

/* Whatever route a signal meets, it is one of the two. */
KTAP_TEST(routes_change_under_fire)
{
	struct vcpu *vcpu = start(MASKED);
	pthread_t routes, fire;
	int i, vector;

	shared.vm = vcpu->vm;
	shared.fd = new_eventfd();
	CHECK_OK(set_msi_route(vcpu->vm, 100, VECTOR));
	CHECK_OK(irqfd(vcpu->vm, shared.fd, 100, 0, 0));
	start_thread(&routes, keep_routing);
	start_thread(&fire, keep_signalling);
	for (i = 0; i < 300; i++) {
		vector = agent_next_irq(vcpu);
		CHECK(vector == VECTOR || vector == OTHER_VECTOR);
	}
	shared.stop = true;
	join_thread(routes);
	join_thread(fire);
}

KTAP_TEST(assigned_and_deassigned_under_fire)
{
	struct vcpu *vcpu = start(LEVEL | VECTOR);
	pthread_t assign, fire;
	int i;

	shared.vm = vcpu->vm;
	shared.fd = CHECK_OK(eventfd(0, 0));
	shared.re = new_eventfd();
	start_thread(&assign, keep_assigning);
	start_thread(&fire, keep_signalling);
	for (i = 0; i < 100; i++)
		CHECK_EQ(agent_next_irq(vcpu), VECTOR);
	shared.stop = true;
	join_thread(assign);
	join_thread(fire);
}

/* The VM ends while an eventfd is being signalled. */
KTAP_TEST(vm_ends_under_fire)
{
	pthread_t fire;
	int i;

	if (!vmm_is_vmm())
		ktap_skip("KVM 6.1 does not come to an end with it on two emulated CPUs");
	shared.fd = CHECK_OK(eventfd(0, 0));
	start_thread(&fire, keep_signalling);
	for (i = 0; i < 30; i++) {
		struct vm *vm = vm_create_irqchip();

		CHECK_OK(irqfd(vm, shared.fd, GSI, i & 1 ? RESAMPLE : 0, new_eventfd()));
		usleep(1000);
		CHECK_OK(close(vm->fd));
		munmap(vm->mem, vm->mem_size);
	}
	shared.stop = true;
	join_thread(fire);
}
