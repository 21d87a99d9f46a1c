// SPDX-License-Identifier: GPL-2.0
/*
 * state_move_test.c - a vCPU with random state, moved to a new VM after every exit,
 * of every kind: its state is the same there, and the guest, which makes one number
 * of all that it sees, comes to the same number as one that was never moved.
 */
#include <signal.h>
#include <sys/time.h>

#include "vmm_test.h"

#define ROUNDS		4
#define MSR_NOBODYS	0x7777
#define MAX_MSRS	512

/* R14: rounds left. RBX takes in whatever comes; XMM1 too. */
GUEST64(guest,
	mov $GUEST_MMIO, %r15; sti;
	1: mov $PORT_REPORT, %edx;
	imul $0x5851f42d, %rbx, %rax; out %eax, %dx; out %ax, %dx; out %al, %dx;
	in %dx, %eax; xor %rax, %rbx; in %dx, %ax; xor %rax, %rbx; in %dx, %al; add %rax, %rbx;
	mov %rbx, (%r15); mov 8(%r15), %rcx; xor %rcx, %rbx; rol $7, %rbx;
	mov %bx, 2(%r15); movzbl 5(%r15), %ecx; add %rcx, %rbx;
	xchg %rbx, 16(%r15); xor %rcx, %rbx; addl $5, 24(%r15); pushfq; pop %rcx; add %rcx, %rbx;
	movups %xmm1, 32(%r15); movups 48(%r15), %xmm2; paddq %xmm2, %xmm1;
	movq %rbx, %xmm2; paddq %xmm2, %xmm1;
	mov $GUEST_DATA, %edi; mov $20, %ecx; rep insb;
	mov $GUEST_DATA, %esi; mov $9, %ecx; rep outsw;
	add GUEST_DATA, %rbx;
	hlt;
	int3;
	mov %rbx, %cr2; mov %cr2, %rcx; rol $9, %rcx; add %rcx, %rbx;
	mov %rbx, %dr1; mov %dr1, %rcx; xor %rcx, %rbx; mov %dr2, %rcx; add %rcx, %rbx;
	mov %rbx, %rcx; and $15, %ecx; mov %rcx, %cr8; mov %cr8, %rcx; add %rcx, %rbx;
	mov $MSR_KERNEL_GS_BASE, %ecx; mov %ebx, %eax; xor %edx, %edx; wrmsr; rdmsr;
	add %rax, %rbx;
	mov $MSR_NOBODYS, %ecx; mov %ebx, %edx; wrmsr; rdmsr; rol $11, %rbx; add %rax, %rbx;
	xor %eax, %eax; mov %rbx, %r8; cpuid; add %rcx, %r8; mov %r8, %rbx;
	mov $3000, %ecx; 2: lea 1(%rbx, %rbx, 2), %rbx; ror $3, %rbx; loop 2b;
	dec %r14; jnz 1b;
	movq %xmm1, %rax; add %rax, %rbx; mov $PORT_REPORT + 1, %edx; out %eax, %dx; hlt);

struct msr_buf {
	struct vmm_msrs head;
	struct vmm_msr_entry e[MAX_MSRS];
};

struct state {
	struct vmm_regs regs;
	struct vmm_sregs sregs;
	struct vmm_xsave xsave;
	struct vmm_xcrs xcrs;
	struct vmm_debugregs debugregs;
	struct vmm_vcpu_events events;
	struct vmm_mp_state mp_state;
	struct msr_buf msrs;
};

static uint64_t random_state;

static uint64_t random64(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state ^ random_state >> 29;
}

/* --- all of a vCPU --- */

static void list_msrs(struct msr_buf *b)
{
	struct {
		struct vmm_msr_list head;
		uint32_t index[MAX_MSRS];
	} list = { .head.nmsrs = MAX_MSRS };
	int dev = vmm_open();
	uint32_t i;

	CHECK_OK(ioctl(dev, VMM_GET_MSR_INDEX_LIST, &list));
	close(dev);
	b->head.nmsrs = list.head.nmsrs;
	for (i = 0; i < list.head.nmsrs; i++)
		b->e[i].index = list.head.indices[i];
}

static void get_state(struct vcpu *vcpu, struct state *s)
{
	memset(s, 0, sizeof(*s));
	list_msrs(&s->msrs);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_MP_STATE, &s->mp_state));
	vcpu_get_events(vcpu, &s->events);
	vcpu_get_regs(vcpu, &s->regs);
	vcpu_get_sregs(vcpu, &s->sregs);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, &s->xsave));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XCRS, &s->xcrs));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_DEBUGREGS, &s->debugregs));
	CHECK_EQ(CHECK_OK(ioctl(vcpu->fd, VMM_GET_MSRS, &s->msrs)), s->msrs.head.nmsrs);
}

static void set_state(struct vcpu *vcpu, struct state *s)
{
	int done;

	CHECK_OK(ioctl(vcpu->fd, VMM_SET_MP_STATE, &s->mp_state));
	vcpu_set_sregs(vcpu, &s->sregs);
	vcpu_set_regs(vcpu, &s->regs);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XCRS, &s->xcrs));
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XSAVE, &s->xsave));
	done = CHECK_OK(ioctl(vcpu->fd, VMM_SET_MSRS, &s->msrs));
	if (done != (int)s->msrs.head.nmsrs)
		FAIL("MSR %#x cannot be set to %#llx", s->msrs.e[done].index,
		     (unsigned long long)s->msrs.e[done].data);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_DEBUGREGS, &s->debugregs));
	vcpu_set_events(vcpu, &s->events);
}

static bool is_time(uint32_t msr)
{
	return msr == MSR_IA32_TSC || msr == 0xe7 || msr == 0xe8 || msr == 0x6e0;
}

static void compare(const struct state *a, const struct state *b)
{
	uint32_t i;

	CHECK_EQ(memcmp(&a->regs, &b->regs, sizeof(a->regs)), 0);
	CHECK_EQ(memcmp(&a->sregs, &b->sregs, sizeof(a->sregs)), 0);
	CHECK_EQ(memcmp(&a->xsave, &b->xsave, sizeof(a->xsave)), 0);
	CHECK_EQ(memcmp(&a->xcrs, &b->xcrs, sizeof(a->xcrs)), 0);
	CHECK_EQ(memcmp(&a->debugregs, &b->debugregs, sizeof(a->debugregs)), 0);
	CHECK_EQ(memcmp(&a->events, &b->events, sizeof(a->events)), 0);
	CHECK_EQ(memcmp(&a->mp_state, &b->mp_state, sizeof(a->mp_state)), 0);
	for (i = 0; i < a->msrs.head.nmsrs; i++)
		if (!is_time(a->msrs.e[i].index) && a->msrs.e[i].data != b->msrs.e[i].data)
			FAIL("MSR %#x is %#llx, not %#llx", a->msrs.e[i].index,
			     (unsigned long long)b->msrs.e[i].data,
			     (unsigned long long)a->msrs.e[i].data);
}

/* --- from VM to VM --- */

static struct vm *new_vm(void)
{
	struct vmm_enable_cap cap = {
		.cap = VMM_CAP_X86_USER_SPACE_MSR, .args = { VMM_MSR_EXIT_REASON_UNKNOWN },
	};
	struct vm *vm = vm_create();

	CHECK_OK(ioctl(vm->fd, VMM_ENABLE_CAP, &cap));
	return vm;
}

static void block_alarm(bool block)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	CHECK_OK(sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL));
}

static struct vcpu *move(struct vcpu *old)
{
	static struct state before, after;
	struct vcpu *vcpu;
	struct vm *vm;

	/* RUN is what a signal may end. */
	block_alarm(true);
	vm = new_vm();
	vcpu = vcpu_create(vm, 0);
	get_state(old, &before);
	/* The memory comes along. */
	vm_map(vm, 0, 0, 0, 0, NULL);
	CHECK_OK(munmap(vm->mem, vm->mem_size));
	vm->mem = old->vm->mem;
	vm_map(vm, 0, 0, 0, vm->mem_size, vm->mem);
	set_state(vcpu, &before);
	/* Without a local APIC of the kernel RUN takes it from here. */
	vcpu->run->cr8 = before.sregs.cr8;
	get_state(vcpu, &after);
	compare(&before, &after);
	CHECK_OK(close(old->vm->fd));
	free(old->vm);
	vcpu_destroy(old);
	block_alarm(false);
	return vcpu;
}

/* Each bit that the guest does not live by. */
static void randomize(struct vcpu *vcpu)
{
	struct vmm_debugregs d = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	struct vmm_xsave xsave;
	struct vmm_sregs sregs;
	struct vmm_regs regs;
	uint64_t *reg;
	int i;

	vcpu_get_regs(vcpu, &regs);
	for (reg = (uint64_t *)&regs.rax; reg <= (uint64_t *)&regs.r15; reg++)
		if (reg != (uint64_t *)&regs.rsp)
			*reg = random64();
	regs.r14 = ROUNDS;
	regs.rflags = X86_FLAGS_FIXED | (random64() & 0x8d5 & ~X86_FLAGS_TF);
	vcpu_set_regs(vcpu, &regs);
	vcpu_get_sregs(vcpu, &sregs);
	sregs.cr4 |= X86_CR4_OSFXSR;
	sregs.cr2 = random64();
	sregs.fs.base = random64() >> 18;
	sregs.gs.base = random64() >> 18;
	vcpu_set_sregs(vcpu, &sregs);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, &xsave));
	for (i = 0; i < 16 * 4; i++)		/* XMM0-15 */
		xsave.region[40 + i] = random64();
	xsave.region[128] |= 3;	/* in XSTATE_BV */
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XSAVE, &xsave));
	for (i = 0; i < 4; i++)
		d.db[i] = random64();
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_DEBUGREGS, &d));
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_LSTAR, random64() >> 18), 1);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_STAR, random64()), 1);
}

/* --- one run --- */

static uint64_t sum;

static void take(uint64_t value)
{
	sum = (sum ^ value) * 0x100000001b3ULL;
}

/* The device's side of an exit, which is the same in every run. */
static void serve(struct vmm_run *run)
{
	uint32_t i;

	take(run->exit_reason);
	switch (run->exit_reason) {
	case VMM_EXIT_IO:
		take(run->io.port);
		for (i = 0; i < (uint32_t)run->io.size * run->io.count; i++) {
			uint8_t *p = (uint8_t *)run_io_data(run) + i;

			if (run->io.direction == VMM_EXIT_IO_OUT)
				take(*p);
			else
				*p = random64();
		}
		break;
	case VMM_EXIT_MMIO:
		take(run->mmio.phys_addr);
		take(run->mmio.len);
		for (i = 0; i < run->mmio.len; i++) {
			if (run->mmio.is_write)
				take(run->mmio.data[i]);
			else
				run->mmio.data[i] = random64();
		}
		break;
	case VMM_EXIT_X86_RDMSR:
		run->msr.data = random64();
		run->msr.error = 0;
		break;
	case VMM_EXIT_X86_WRMSR:
		take(run->msr.data);
		run->msr.error = 0;
		break;
	case VMM_EXIT_HLT:
	case VMM_EXIT_IRQ_WINDOW_OPEN:
		break;
	default:
		FAIL("exit %s", exit_name(run->exit_reason));
	}
}

/* 0, or -1: EINTR, so that no access is half done. */
static int run_once(struct vcpu *vcpu)
{
	if (!ioctl(vcpu->fd, VMM_RUN, 0))
		return 0;
	CHECK_EQ(errno, EINTR);
	return -1;
}

static bool over(const struct vmm_run *run)
{
	return run->exit_reason == VMM_EXIT_IO && run->io.port == PORT_REPORT + 1;
}

static uint64_t play(uint64_t seed, bool moving, unsigned int *kinds)
{
	struct vcpu *vcpu;
	unsigned int n = 0;

	block_alarm(true);
	vcpu = vcpu_create(new_vm(), 0);
	block_alarm(false);
	random_state = seed;
	sum = 0;
	vcpu_load(vcpu, MODE_LONG, guest);
	randomize(vcpu);
	for (;;) {
		int r = run_once(vcpu);

		if (!r) {
			if (vcpu->run->exit_reason != VMM_EXIT_IRQ_WINDOW_OPEN)
				serve(vcpu->run);
			*kinds |= 1U << vcpu->run->exit_reason;
			if (over(vcpu->run))
				break;
		}
		if (!moving)
			continue;
		if (r) {
			vcpu = move(vcpu);
			*kinds |= 1U << VMM_EXIT_INTR;
			/* Next time with a window, every third time. */
			vcpu->run->request_interrupt_window = ++n % 3 == 0;
			vcpu->run->immediate_exit = 0;
		} else {
			/* What was asked for has to be done first. */
			vcpu->run->immediate_exit = 1;
		}
	}
	block_alarm(true);
	CHECK_OK(munmap(vcpu->vm->mem, vcpu->vm->mem_size));
	vm_destroy(vcpu->vm);
	vcpu_destroy(vcpu);
	return sum;
}

static void nothing(int sig)
{
	(void)sig;
}

KTAP_TEST(moved_after_every_exit)
{
	const unsigned int all = 1U << VMM_EXIT_IO | 1U << VMM_EXIT_MMIO | 1U << VMM_EXIT_HLT |
				 1U << VMM_EXIT_X86_RDMSR | 1U << VMM_EXIT_X86_WRMSR;
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval every = { .it_interval.tv_usec = 20000, .it_value.tv_usec = 20000 };
	unsigned int kinds, moved;
	uint64_t seed, expected;

	vmm_need_cap(VMM_CAP_X86_USER_SPACE_MSR, "VMM_CAP_X86_USER_SPACE_MSR");
	CHECK_OK(sigaction(SIGALRM, &action, NULL));
	for (seed = 1; seed <= 4; seed++) {
		kinds = moved = 0;
		expected = play(seed, false, &kinds);
		CHECK_EQ(kinds & all, all);
		/* A signal may end RUN anywhere. */
		CHECK_OK(setitimer(ITIMER_REAL, &every, NULL));
		CHECK_EQ(play(seed, true, &moved), expected);
		CHECK_OK(setitimer(ITIMER_REAL, &(struct itimerval){}, NULL));
		CHECK_EQ(moved & all, all);
		CHECK(moved & 1U << VMM_EXIT_INTR);
		CHECK(moved & 1U << VMM_EXIT_IRQ_WINDOW_OPEN);
	}
}
