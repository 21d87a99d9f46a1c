// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot_test.c - a marked state comes back exactly: memory that the guest, or
 * the kernel for it, wrote, and all of a vCPU's state.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>

#include "vmm_test.h"

#define GPA		0x40000000UL
#define PAGES		1024UL
#define SIZE		(PAGES * PAGE_SIZE)

/* Adds RDX to a word in each of RCX pages from RBX on, RSI pages apart; then changes state. */
GUEST64(change,
	1: add %rdx, 8(%rbx); add %rsi, %rbx; dec %ecx; jnz 1b;
	hlt;
	movups 0x40000, %xmm3;
	mov $0xc0000102, %ecx; mov $0x1234, %eax; xor %edx, %edx; wrmsr;
	mov $0xc0000082, %ecx; mov $0x5678, %eax; wrmsr;
	mov %rsp, %cr2; mov $7, %eax; mov %rax, %dr0; mov %rax, %cr8;
	mov $GUEST_MMIO, %esi; mov $0x40009000, %edi; movsl;
	hlt; jmp 1b);

static struct vcpu *vcpu;
static uint8_t *mem;

static int snap(unsigned long request)
{
	return ioctl(vcpu->vm->fd, request, 0);
}

static void start(bool huge)
{
	unsigned long i;

	vmm_need_cap(VMM_CAP_SNAPSHOT, "VMM_CAP_SNAPSHOT");
	vcpu = vcpu_start(MODE_LONG, change);
	mem = host_alloc(SIZE, PAGE_2M);
	CHECK_OK(madvise(mem, SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
	/* Not all pages have been touched. */
	for (i = 0; i < PAGES; i += 2)
		*(uint64_t *)(mem + i * PAGE_SIZE) = i;
	vm_map(vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	vm_map(vcpu->vm, 0, VMM_MEM_LOG_DIRTY_PAGES, 0, vcpu->vm->mem_size, vcpu->vm->mem);
}

static void set_up(unsigned int first, unsigned int n, uint64_t add)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rip = GUEST_CODE;
	regs.rbx = GPA + first * PAGE_SIZE;
	regs.rcx = n;
	regs.rdx = add;
	regs.rsi = PAGE_SIZE;
	vcpu_set_regs(vcpu, &regs);
}

static uint64_t word(unsigned int page)
{
	return *(volatile uint64_t *)(mem + page * PAGE_SIZE + 8);
}

KTAP_TEST(memory_comes_back)
{
	unsigned int i, round;
	uint8_t *copy = malloc(SIZE);

	start(false);
	set_up(3, 500, 1);
	memcpy(copy, mem, SIZE);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 5; round++) {
		expect_hlt(vcpu);
		for (i = 3; i < 503; i++)
			CHECK_EQ(word(i), 1);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		CHECK(!memcmp(copy, mem, SIZE));
	}
	CHECK_OK(snap(VMM_SNAPSHOT_DROP));
	expect_hlt(vcpu);
	CHECK_EQ(word(3), 1);
}

KTAP_TEST(memory_of_large_pages_comes_back)
{
	uint8_t *copy = malloc(SIZE);

	start(true);
	/* Mapped as large pages, and written, before logging begins. */
	vm_map(vcpu->vm, 1, 0, GPA, SIZE, mem);
	set_up(0, 600, 1);
	expect_hlt(vcpu);
	vm_map(vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	set_up(100, 500, 5);
	memcpy(copy, mem, SIZE);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	expect_hlt(vcpu);
	CHECK_EQ(word(100), 6);
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	CHECK(!memcmp(copy, mem, SIZE));
}

struct state {
	struct vmm_regs regs;
	struct vmm_sregs sregs;
	struct vmm_xsave xsave;
	struct vmm_xcrs xcrs;
	struct vmm_debugregs debugregs;
	struct vmm_vcpu_events events;
	struct vmm_mp_state mp_state;
	uint64_t msr[4];
};

static void get_state(struct state *s)
{
	memset(s, 0, sizeof(*s));
	vcpu_get_regs(vcpu, &s->regs);
	vcpu_get_sregs(vcpu, &s->sregs);
	vcpu_get_events(vcpu, &s->events);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, &s->xsave));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XCRS, &s->xcrs));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_DEBUGREGS, &s->debugregs));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_MP_STATE, &s->mp_state));
	s->msr[0] = vcpu_msr(vcpu, MSR_KERNEL_GS_BASE);
	s->msr[1] = vcpu_msr(vcpu, MSR_LSTAR);
	s->msr[2] = vcpu_msr(vcpu, MSR_STAR);
	s->msr[3] = vcpu_msr(vcpu, MSR_IA32_CR_PAT);
}

KTAP_TEST(state_comes_back)
{
	struct state before, after;
	int round;

	start(false);
	/* Room for the SSE instruction. */
	vcpu_get_sregs(vcpu, &before.sregs);
	before.sregs.cr4 |= X86_CR4_OSFXSR;
	vcpu_set_sregs(vcpu, &before.sregs);
	memset(vm_gpa(vcpu->vm, GUEST_DATA), 0x5a, 16);
	set_up(0, 1, 1);
	expect_hlt(vcpu);
	get_state(&before);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	for (round = 0; round < 3; round++) {
		expect_mmio_read(vcpu, GUEST_MMIO, 4, 0x77 + round);
		/* In the middle of an instruction, or after it. */
		if (round != 1) {
			expect_hlt(vcpu);
			CHECK_EQ(load_le(mem + 9 * PAGE_SIZE, 4), 0x77 + round);
			get_state(&after);
			CHECK(memcmp(&after.regs, &before.regs, sizeof(before.regs)));
			CHECK_EQ(after.msr[1], 0x5678);
			CHECK_EQ(after.sregs.cr8, 7);
			CHECK_EQ(after.debugregs.db[0], 7);
			CHECK(memcmp(&after.xsave, &before.xsave, sizeof(before.xsave)));
		}
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		get_state(&after);
		CHECK(!memcmp(&before.regs, &after.regs, sizeof(before.regs)));
		CHECK(!memcmp(&before.sregs, &after.sregs, sizeof(before.sregs)));
		CHECK(!memcmp(&before.xsave, &after.xsave, sizeof(before.xsave)));
		CHECK(!memcmp(&before, &after, sizeof(before)));
		CHECK_EQ(load_le(mem + 9 * PAGE_SIZE, 4), 0);
	}
}

KTAP_TEST(several_vcpus)
{
	struct vcpu *other;
	struct vmm_regs regs, now;

	start(false);
	other = vcpu_create(vcpu->vm, 1);
	vcpu_load(other, MODE_LONG, change);
	vcpu_get_regs(other, &regs);
	regs.rbx = GPA + 700 * PAGE_SIZE;
	regs.rcx = regs.rdx = 1;
	vcpu_set_regs(other, &regs);
	set_up(0, 10, 1);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	expect_hlt(vcpu);
	expect_hlt(other);
	CHECK_EQ(word(700), 1);
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	CHECK_EQ(word(700), 0);
	CHECK_EQ(word(9), 0);
	vcpu_get_regs(other, &now);
	CHECK_EQ(now.rip, GUEST_CODE);
	CHECK_EQ(now.rbx, regs.rbx);
	expect_hlt(other);
	CHECK_EQ(word(700), 1);
}

/* The log tells of what a restore wrote, and a log in between changes nothing. */
KTAP_TEST(dirty_log_in_between)
{
	uint64_t bitmap[PAGES / 64];
	struct vmm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	start(false);
	set_up(0, 3, 1);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	expect_hlt(vcpu);
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_GET_DIRTY_LOG, &log));
	CHECK_EQ(bitmap[0], 7);
	set_up(0, 2, 1);
	expect_hlt(vcpu);
	CHECK_EQ(word(1), 2);
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	CHECK_EQ(word(1), 0);
	CHECK_EQ(word(2), 0);
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_GET_DIRTY_LOG, &log));
	CHECK_EQ(bitmap[0], 7);
}

KTAP_TEST(mark_again)
{
	start(false);
	set_up(0, 3, 1);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	expect_hlt(vcpu);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	set_up(0, 3, 1);
	expect_hlt(vcpu);
	CHECK_EQ(word(0), 2);
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	CHECK_EQ(word(0), 1);
}

GUEST64(read_devices,
	mov GUEST_MMIO, %eax; movzwl GUEST_MMIO + 0x100, %ebx; hlt;
	xor %eax, %eax; add GUEST_MMIO, %eax; movzbl GUEST_MMIO + 0x100, %ecx; hlt);

static void answer(uint64_t value)
{
	memcpy(vcpu->run->mmio.data, &value, sizeof(value));
}

/*
 * Marked while a device's answer is awaited: what waits for it comes back, also if
 * another instruction has waited for one since then.
 */
KTAP_TEST(waiting_for_a_device)
{
	struct vmm_regs regs;
	int round;

	start(false);
	vcpu_load(vcpu, MODE_LONG, read_devices);
	for (round = 0; round < 2; round++) {
		expect_exit(vcpu, VMM_EXIT_MMIO);
		CHECK_OK(snap(VMM_SNAPSHOT_MARK));
		answer(0x11111111);
		expect_exit(vcpu, VMM_EXIT_MMIO);
		CHECK_EQ(vcpu->run->mmio.phys_addr, GUEST_MMIO + 0x100);
		CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
		answer(0x12345678);
		expect_mmio_read(vcpu, GUEST_MMIO + 0x100, round ? 1 : 2, 0x5a);
		expect_hlt(vcpu);
		vcpu_get_regs(vcpu, &regs);
		CHECK_EQ(regs.rax, 0x12345678);
		CHECK_EQ(round ? regs.rcx : regs.rbx, 0x5a);
	}
}

GUEST64(spin, 1: pause; jmp 1b);

static void *run_until_kicked(void *unused)
{
	(void)unused;
	ioctl(vcpu->fd, VMM_RUN, 0);
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

KTAP_TEST(snapshot_errors)
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t thread;
	int i, r;

	start(false);
	CHECK_ERR(snap(VMM_SNAPSHOT_RESTORE), ENOENT);
	CHECK_ERR(snap(VMM_SNAPSHOT_DROP), ENOENT);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	vcpu_create(vcpu->vm, 1);
	CHECK_ERR(snap(VMM_SNAPSHOT_RESTORE), ESTALE);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	vm_map(vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA + SIZE, SIZE, mem);
	CHECK_ERR(snap(VMM_SNAPSHOT_RESTORE), ESTALE);
	CHECK_OK(snap(VMM_SNAPSHOT_DROP));
	vm_map(vcpu->vm, 1, 0, GPA + SIZE, SIZE, mem);
	vm_map(vcpu->vm, 0, 0, 0, vcpu->vm->mem_size, vcpu->vm->mem);
	CHECK_ERR(snap(VMM_SNAPSHOT_MARK), EINVAL);
	/* A page that cannot be written back. */
	vm_map(vcpu->vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	set_up(0, 3, 1);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
	expect_hlt(vcpu);
	CHECK_OK(mprotect(mem, PAGE_SIZE, PROT_READ));
	CHECK_ERR(snap(VMM_SNAPSHOT_RESTORE), EFAULT);
	CHECK_OK(mprotect(mem, PAGE_SIZE, PROT_READ | PROT_WRITE));
	CHECK_OK(snap(VMM_SNAPSHOT_RESTORE));
	CHECK_EQ(word(0), 0);
	CHECK_EQ(word(2), 0);
	/* A vCPU that runs. */
	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	vcpu_load(vcpu, MODE_LONG, spin);
	CHECK_EQ(pthread_create(&thread, NULL, run_until_kicked, NULL), 0);
	for (i = 0; i < 2000; i++) {
		r = snap(VMM_SNAPSHOT_MARK);
		if (r)
			break;
		usleep(1000);
	}
	CHECK_EQ(r, -1);
	CHECK_EQ(errno, EBUSY);
	CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_OK(snap(VMM_SNAPSHOT_MARK));
}
