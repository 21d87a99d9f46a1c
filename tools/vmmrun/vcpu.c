// SPDX-License-Identifier: GPL-2.0
/*
 * vcpu.c - the CPUs: what they can do, how they start, and the loop around VMM_RUN.
 * Teaches how a VMM is driven: a thread a vCPU; the kernel runs the guest in it and
 * returns when there is something that only we can do. With interrupt controllers in the
 * kernel that is seldom: HLT, timers and the start of the other CPUs stay there.
 *
 * The main thread makes all vCPUs, starts their threads, and sits in vm_wait().
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "vmmrun.h"

#define KICK		SIGUSR1		/* takes a vCPU's thread out of VMM_RUN */
#define ESCAPE		1		/* Ctrl-A */
#define MAX_LEAVES	256
#define MSR_MISC_ENABLE	0x1a0
#define MSR_MTRR_TYPE	0x2ff

struct vcpu {
	int fd;
	struct vmm_run *run;
	pthread_t thread;
};

static struct vcpu vcpus[MAX_CPUS];
static int ended_fd;			/* an eventfd: the guest ended */
static int ended = -1;			/* atomic: how, or -1 */

static const char *const exit_names[] = {
	[VMM_EXIT_UNKNOWN] = "UNKNOWN", [VMM_EXIT_EXCEPTION] = "EXCEPTION",
	[VMM_EXIT_IO] = "IO", [VMM_EXIT_HYPERCALL] = "HYPERCALL", [VMM_EXIT_DEBUG] = "DEBUG",
	[VMM_EXIT_HLT] = "HLT", [VMM_EXIT_MMIO] = "MMIO",
	[VMM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN", [VMM_EXIT_SHUTDOWN] = "SHUTDOWN",
	[VMM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY", [VMM_EXIT_INTR] = "INTR",
	[VMM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR", [VMM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
};

/* The guest ended: tell vm_wait(), once. Called by any thread. */
void vm_end(enum status status)
{
	int running = -1;
	uint64_t one = 1;

	if (__atomic_compare_exchange_n(&ended, &running, status, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST) &&
	    write(ended_fd, &one, sizeof(one)) < 0)
		die(NULL, "the end of the guest cannot be told");
}

/* The guest sees the CPU that the hypervisor offers, each vCPU as a package of its own. */
static void set_cpuid(struct vcpu *vcpu, unsigned int id)
{
	struct {
		struct vmm_cpuid2 head;
		struct vmm_cpuid_entry2 entries[MAX_LEAVES];
	} leaves = { .head.nent = MAX_LEAVES };
	bool deadline = ioctl(vm.dev, VMM_CHECK_EXTENSION, VMM_CAP_TSC_DEADLINE_TIMER) > 0;

	check(ioctl(vm.dev, VMM_GET_SUPPORTED_CPUID, &leaves), "VMM_GET_SUPPORTED_CPUID");
	for (unsigned int i = 0; i < leaves.head.nent; i++) {
		struct vmm_cpuid_entry2 *leaf = &leaves.head.entries[i];

		switch (leaf->function) {
		case 0x1:
			leaf->ebx = (leaf->ebx & 0xff00) | 1 << 16 | id << 24;
			leaf->ecx |= 1u << 31 | deadline << 24;		/* a hypervisor */
			leaf->edx &= ~(1u << 28);			/* one thread a package */
			break;
		case 0x4:
			leaf->eax &= 0x3fff;				/* no cache is shared */
			break;
		case 0xb:
		case 0x1f:
			leaf->eax = leaf->ebx = 0;
			leaf->ecx = leaf->index;
			leaf->edx = id;
			break;
		case 0x80000008:
			leaf->ecx &= ~0xf0ffu;				/* one core */
			break;
		case 0x8000001e:
			leaf->eax = leaf->ebx = id;
			leaf->ecx = 0;
			break;
		}
	}
	check(ioctl(vcpu->fd, VMM_SET_CPUID2, &leaves), "VMM_SET_CPUID2");
}

/* What a PC's firmware sets on each CPU: fast string instructions, all memory cached. */
static void set_msrs(struct vcpu *vcpu)
{
	struct {
		struct vmm_msrs head;
		struct vmm_msr_entry entries[2];
	} msrs = {
		.head.nmsrs = 2,
		.entries = { { .index = MSR_MISC_ENABLE, .data = 1 },
			     { .index = MSR_MTRR_TYPE, .data = 1 << 11 | 6 } },
	};

	check(ioctl(vcpu->fd, VMM_SET_MSRS, &msrs), "VMM_SET_MSRS");
}

void vcpus_create(void)
{
	int size = check(ioctl(vm.dev, VMM_GET_VCPU_MMAP_SIZE, 0), "VMM_GET_VCPU_MMAP_SIZE");
	struct vmm_sregs sregs;
	struct vmm_regs regs;

	ended_fd = check(eventfd(0, EFD_CLOEXEC), "eventfd");
	for (unsigned int id = 0; id < vm.cpus; id++) {
		struct vcpu *vcpu = &vcpus[id];

		vcpu->fd = check(ioctl(vm.fd, VMM_CREATE_VCPU, id), "VMM_CREATE_VCPU");
		vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
		if (vcpu->run == MAP_FAILED)
			die(NULL, "a vCPU's run page cannot be mapped");
		set_cpuid(vcpu, id);
		set_msrs(vcpu);
	}
	/* The others wait until the first sends them an INIT and a SIPI. */
	check(ioctl(vcpus[0].fd, VMM_GET_SREGS, &sregs), "VMM_GET_SREGS");
	linux_entry(&regs, &sregs);
	check(ioctl(vcpus[0].fd, VMM_SET_SREGS, &sregs), "VMM_SET_SREGS");
	check(ioctl(vcpus[0].fd, VMM_SET_REGS, &regs), "VMM_SET_REGS");
}

/* What nobody answers reads as ones, and writes go nowhere: as on a PC. */
static void port_access(uint16_t port, uint8_t *data, unsigned int size, bool write)
{
	if (!write)
		memset(data, 0xff, size);
	if (port >= SERIAL_PORT && port < SERIAL_PORT + 8) {
		if (size == 1)
			serial_access(port - SERIAL_PORT, data, write);
	} else if (port >= PM1_PORT && port < PM1_PORT + 6) {
		pm1_access(port - PM1_PORT, data, size, write);
	} else if (port == RESET_PORT) {
		if (!write)
			data[0] = 0;		/* ready for a command */
		else if (data[0] == RESET_VALUE)
			vm_end(STATUS_RESET);
	}
}

static void mmio_access(uint64_t gpa, uint8_t *data, unsigned int len, bool write)
{
	bool disk = gpa >= DISKS_ADDR && gpa - DISKS_ADDR < vm.disks * 0x1000;

	if (!write)
		memset(data, disk ? 0 : 0xff, len);
	if (disk)
		disk_access(gpa - DISKS_ADDR, data, len, write);
}

/* An exit that cannot go on: say all that is known of it. */
static void crash(struct vcpu *vcpu)
{
	struct vmm_run *run = vcpu->run;
	unsigned int reason = run->exit_reason;
	struct vmm_regs regs = { 0 };

	ioctl(vcpu->fd, VMM_GET_REGS, &regs);
	fprintf(stderr, "vmmrun: vCPU %d ended with exit %u (%s), RIP %#llx\n",
		(int)(vcpu - vcpus), reason,
		reason < sizeof(exit_names) / sizeof(*exit_names) && exit_names[reason] ?
		exit_names[reason] : "?", (unsigned long long)regs.rip);
	if (reason == VMM_EXIT_SHUTDOWN) {
		fprintf(stderr, "vmmrun: a triple fault: the guest crashed; "
			"its console says more with --append earlyprintk=ttyS0\n");
	} else if (reason == VMM_EXIT_FAIL_ENTRY) {
		fprintf(stderr, "vmmrun: the CPU refused the guest's state (%#llx): %.*s\n",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason,
			(int)sizeof(run->fail_entry.explain),
			run->fail_entry.explain_len ? run->fail_entry.explain : "see dmesg");
	} else if (reason == VMM_EXIT_INTERNAL_ERROR) {
		fprintf(stderr, "vmmrun: suberror %u, data", run->internal.suberror);
		for (unsigned int i = 0; i < run->internal.ndata && i < 16; i++)
			fprintf(stderr, " %#llx", (unsigned long long)run->internal.data[i]);
		fprintf(stderr, "\n");
	}
	vm_end(STATUS_CRASH);
}

static void handle_exit(struct vcpu *vcpu)
{
	struct vmm_run *run = vcpu->run;
	uint8_t *data;

	switch (run->exit_reason) {
	case VMM_EXIT_IO:		/* string instructions: several at once */
		data = (uint8_t *)run + run->io.data_offset;
		for (unsigned int i = 0; i < run->io.count; i++, data += run->io.size)
			port_access(run->io.port, data, run->io.size,
				    run->io.direction == VMM_EXIT_IO_OUT);
		break;
	case VMM_EXIT_MMIO:
		mmio_access(run->mmio.phys_addr, run->mmio.data, run->mmio.len, run->mmio.is_write);
		break;
	case VMM_EXIT_INTR:
		break;
	default:
		crash(vcpu);
	}
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;

	while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) == -1) {
		if (!ioctl(vcpu->fd, VMM_RUN, 0))
			handle_exit(vcpu);
		else if (errno != EINTR && errno != EAGAIN)
			die("dmesg may say more", "VMM_RUN failed");
	}
	return NULL;
}

static void no_action(int signal)
{
	(void)signal;
}

void vcpus_start(void)
{
	struct sigaction action = { .sa_handler = no_action };

	sigaction(KICK, &action, NULL);
	for (struct vcpu *vcpu = vcpus; vcpu < vcpus + vm.cpus; vcpu++) {
		errno = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
		if (errno)
			die("ask for fewer with --smp", "a vCPU's thread cannot be made");
	}
}

/*
 * Out of VMM_RUN, all of them. The signal ends a VMM_RUN that has begun, immediate_exit
 * one that begins after the signal.
 */
void vcpus_stop(void)
{
	for (struct vcpu *vcpu = vcpus; vcpu < vcpus + vm.cpus; vcpu++) {
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		pthread_kill(vcpu->thread, KICK);
	}
	for (struct vcpu *vcpu = vcpus; vcpu < vcpus + vm.cpus; vcpu++)
		pthread_join(vcpu->thread, NULL);
}

/* What was typed goes to the guest; Ctrl-A is ours: then x ends it, Ctrl-A sends one. */
static bool console_input(bool interactive)
{
	static bool escaped;
	uint8_t bytes[256], out[256];
	size_t count = 0, room = serial_room();
	ssize_t got = read(STDIN_FILENO, bytes,
			   interactive || room > sizeof(bytes) ? sizeof(bytes) : room);

	if (got <= 0)
		return got < 0 && errno == EINTR;
	for (ssize_t i = 0; i < got; i++) {
		if (interactive && escaped && bytes[i] == 'x')
			vm_end(STATUS_STOPPED);
		if (!interactive || escaped || bytes[i] != ESCAPE)
			out[count++] = bytes[i];
		escaped = interactive && !escaped && bytes[i] == ESCAPE;
	}
	serial_input(out, count);
	return true;
}

/*
 * Until the guest ends. A terminal is read always, for the sake of Ctrl-A; a file or
 * pipe only while the serial port has room for what is in it.
 */
enum status vm_wait(bool interactive)
{
	struct pollfd fds[3];
	bool open = true;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	fds[0] = (struct pollfd){ .fd = ended_fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .events = POLLIN, .fd = check(signalfd(-1, &signals, SFD_CLOEXEC),
								   "signalfd") };
	for (;;) {
		bool room = interactive || serial_room();

		fds[2] = (struct pollfd){ .fd = open && room ? STDIN_FILENO : -1,
					  .events = POLLIN };
		if (poll(fds, 3, room ? -1 : 20) < 0 && errno != EINTR)
			die(NULL, "poll");
		if (fds[1].revents)
			vm_end(STATUS_STOPPED);
		else if (fds[2].revents)
			open = console_input(interactive);
		if (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) != -1)
			return ended;
	}
}

void vcpus_stats(void)
{
	for (struct vcpu *vcpu = vcpus; vcpu < vcpus + vm.cpus; vcpu++) {
		char name[16];

		snprintf(name, sizeof(name), "vCPU %d", (int)(vcpu - vcpus));
		stats_show(name, vcpu->fd);
	}
}
