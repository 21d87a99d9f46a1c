// SPDX-License-Identifier: GPL-2.0
/*
 * lifetime_test.c - descriptors closed in any order, many VMs, many times, and
 * what the mapping of a vCPU allows.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "vmm_test.h"

GUEST64(halt, 1: hlt; jmp 1b);

/* A vCPU holds its VM; memory that it runs in is the process's own anyway. */
KTAP_TEST(vcpu_outlives_the_vm_fd)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);

	CHECK_OK(close(vcpu->vm->fd));
	expect_hlt(vcpu);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 1);
}

/* The mapping of the run page outlives everything. */
KTAP_TEST(run_page_outlives_the_vcpu_fd)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);

	expect_hlt(vcpu);
	CHECK_OK(close(vcpu->fd));
	CHECK_OK(close(vcpu->vm->fd));
	CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_HLT);
	vcpu->run->exit_reason = 99;
	CHECK_EQ(vcpu->run->exit_reason, 99);
	CHECK_OK(munmap(vcpu->run, vcpu->run_size));
}

KTAP_TEST(create_and_close_100_vms)
{
	int i;

	for (i = 0; i < 100; i++) {
		struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
		struct vm *vm = vcpu->vm;

		if (i % 10 == 0)
			expect_hlt(vcpu);
		CHECK_OK(munmap(vm->mem, vm->mem_size));
		if (i % 2) {
			vcpu_destroy(vcpu);
			vm_destroy(vm);
		} else {
			vm_destroy(vm);
			vcpu_destroy(vcpu);
		}
	}
}

KTAP_TEST(many_vms_at_once)
{
	struct vcpu *vcpu[40];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vcpu); i++)
		vcpu[i] = vcpu_start(MODE_LONG, halt);
	for (i = 0; i < ARRAY_SIZE(vcpu); i++)
		expect_hlt(vcpu[i]);
}

/* Guests of different VMs take turns on one CPU and do not see each other. */
GUEST64(counter, xor %ecx, %ecx; 1: inc %ecx; mov %ecx, GUEST_DATA; hlt; jmp 1b);

KTAP_TEST(vms_take_turns)
{
	struct vcpu *vcpu[24];
	unsigned int i, round;

	/* More than the address space identifiers of a small CPU. */
	for (i = 0; i < ARRAY_SIZE(vcpu); i++)
		vcpu[i] = vcpu_start(MODE_LONG, counter);
	for (round = 1; round <= 20; round++)
		for (i = 0; i < ARRAY_SIZE(vcpu); i++) {
			expect_hlt(vcpu[i]);
			CHECK_EQ(*(uint32_t *)vm_gpa(vcpu[i]->vm, GUEST_DATA), round);
		}
}

/* A process that dies with its VMs leaves nothing behind. */
KTAP_TEST(killed_process)
{
	int i, status;

	for (i = 0; i < 10; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);

			expect_hlt(vcpu);
			for (;;)
				ioctl(vcpu->fd, VMM_RUN, 0);
		}
		usleep(30000);
		CHECK_OK(kill(pid, SIGKILL));
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
	}
}

/* Out of file descriptors: the VM or vCPU that has no number does not exist. */
KTAP_TEST(no_file_descriptor_left)
{
	struct rlimit limit = { 20, 20 };
	struct vm *vm = vm_create();
	int dev = vmm_open(), id = 0, r;

	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	while (ioctl(vm->fd, VMM_CREATE_VCPU, id) >= 0)
		id++;
	CHECK_EQ(errno, EMFILE);
	CHECK_ERR(ioctl(dev, VMM_CREATE_VM, 0), EMFILE);
	/* The number that was refused is still free. */
	limit.rlim_cur = limit.rlim_max;
	CHECK_OK(close(dev));
	r = ioctl(vm->fd, VMM_CREATE_VCPU, id);
	CHECK(r >= 0);
}

/* ---- The mapping ---- */

KTAP_TEST(mapping_is_limited)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	size_t size = vcpu->run_size;
	volatile uint8_t *p;
	int status;
	pid_t pid;

	/* Twice is fine, and it is the same page. */
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	CHECK(p != MAP_FAILED);
	((struct vmm_run *)p)->immediate_exit = 1;
	CHECK_EQ(vcpu->run->immediate_exit, 1);
	/* Beyond the end there is nothing to touch. */
	p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, size);
	if (p == MAP_FAILED)
		return;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		*p = 1;
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGBUS);
}

/* Each vCPU has a page of its own. */
KTAP_TEST(mappings_are_apart)
{
	struct vm *vm = vm_create();
	struct vcpu *a = vcpu_create(vm, 0), *b = vcpu_create(vm, 1);

	a->run->immediate_exit = 1;
	CHECK_EQ(b->run->immediate_exit, 0);
}

/* Hostile contents of the run page: the kernel looks at what is [in] only. */
KTAP_TEST(run_page_full_of_garbage)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	uint64_t valid_sync;
	int i;

	valid_sync = vmm_check_extension(VMM_CAP_SYNC_REGS);
	for (i = 0; i < 256; i++) {
		memset(vcpu->run, i, sizeof(*vcpu->run));
		vcpu->run->immediate_exit = 0;
		vcpu->run->request_interrupt_window = 0;
		vcpu->run->cr8 = 0;
		/* These two are refused, with EINVAL, if they ask for the unknown. */
		vcpu->run->vmm_valid_regs &= valid_sync;
		vcpu->run->vmm_dirty_regs = 0;
		vcpu_set_rip(vcpu, GUEST_CODE);
		expect_hlt(vcpu);
	}
}

/* Between an exit and its completion user space may write anything there. */
GUEST64(in_hlt, mov $PORT_REPORT, %edx; in %dx, %eax; hlt);

KTAP_TEST(exit_record_changed_before_completion)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, in_hlt);
	struct vmm_run *run = vcpu->run;
	struct vmm_regs regs;
	int i;

	for (i = 0; i < 64; i++) {
		vcpu_set_rip(vcpu, GUEST_CODE);
		expect_exit(vcpu, VMM_EXIT_IO);
		*(uint32_t *)run_io_data(run) = 0x12345678;
		/* Size, count and place are the kernel's; these are copies. */
		run->io.size = 255;
		run->io.count = 0xffffffff;
		run->io.data_offset = ~0ULL << i;
		run->io.direction = i;
		run->exit_reason = i;
		expect_hlt(vcpu);
		vcpu_get_regs(vcpu, &regs);
		CHECK_EQ(regs.rax, 0x12345678);
	}
}
