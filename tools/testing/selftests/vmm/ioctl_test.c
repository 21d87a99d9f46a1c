// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl_test.c - arguments that are out of range, unaligned, NULL or not
 * mapped, to every ioctl, and the errno that each has to give. What belongs to
 * one topic in depth stands in that topic's program.
 */
#include <signal.h>
#include <sys/time.h>

#include "vmm_test.h"

struct call {
	const char *name;
	unsigned long request;
	bool list;		/* begins with a count, which may be all that is read */
};
#define CALL(r) { #r, r, false }
#define LIST(r) { #r, r, true }

/* A page with nothing behind it; an argument may end in it. */
static uint8_t *hole;

static void make_hole(void)
{
	hole = mmap(NULL, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(hole != MAP_FAILED);
	CHECK_OK(munmap(hole + 8 * PAGE_SIZE, 8 * PAGE_SIZE));
	hole += 8 * PAGE_SIZE;
}

/* Each of these takes a pointer to a struct of the size in its number. */
static void expect_efault(int fd, const struct call *calls, int n)
{
	int i;

	make_hole();
	for (i = 0; i < n; i++) {
		unsigned long r = calls[i].request;

		ktap_label(calls[i].name);
		CHECK_ERR(ioctl(fd, r, NULL), EFAULT);
		CHECK_ERR(ioctl(fd, r, 8), EFAULT);
		CHECK_ERR(ioctl(fd, r, hole), EFAULT);
		/* All but the last byte is there. */
		if (!calls[i].list)
			CHECK_ERR(ioctl(fd, r, hole - _IOC_SIZE(r) + 1), EFAULT);
		/* An address of the kernel's. */
		CHECK_ERR(ioctl(fd, r, 0xffffffff81000000UL), EFAULT);
	}
	ktap_label(NULL);
}

KTAP_TEST(device_pointers)
{
	static const struct call calls[] = {
		LIST(VMM_GET_MSR_INDEX_LIST), LIST(VMM_GET_SUPPORTED_CPUID),
	};

	expect_efault(vmm_open(), calls, ARRAY_SIZE(calls));
}

KTAP_TEST(vm_pointers)
{
	static const struct call calls[] = {
		CALL(VMM_SET_USER_MEMORY_REGION), CALL(VMM_SET_IDENTITY_MAP_ADDR),
		CALL(VMM_GET_DIRTY_LOG), CALL(VMM_IOEVENTFD), CALL(VMM_SET_CLOCK),
		CALL(VMM_GET_CLOCK), CALL(VMM_ENABLE_CAP),
	};

	expect_efault(vm_create()->fd, calls, ARRAY_SIZE(calls));
}

KTAP_TEST(vcpu_pointers)
{
	static const struct call calls[] = {
		CALL(VMM_GET_REGS), CALL(VMM_SET_REGS), CALL(VMM_GET_SREGS),
		CALL(VMM_SET_SREGS), CALL(VMM_GET_FPU), CALL(VMM_SET_FPU),
		LIST(VMM_GET_MSRS), LIST(VMM_SET_MSRS), LIST(VMM_SET_CPUID2),
		CALL(VMM_INTERRUPT), CALL(VMM_GET_MP_STATE), CALL(VMM_SET_MP_STATE),
		CALL(VMM_GET_VCPU_EVENTS), CALL(VMM_SET_VCPU_EVENTS),
		CALL(VMM_GET_DEBUGREGS), CALL(VMM_SET_DEBUGREGS),
		CALL(VMM_GET_XSAVE), CALL(VMM_SET_XSAVE), CALL(VMM_GET_XCRS),
		CALL(VMM_SET_XCRS), CALL(VMM_ENABLE_CAP), CALL(VMM_X86_SETUP_MCE),
	};

	expect_efault(vcpu_create(vm_create(), 0)->fd, calls, ARRAY_SIZE(calls));
}

/* ---- Single values ---- */

KTAP_TEST(tss_and_identity_map_address)
{
	struct vm *vm = vm_create_size(0);
	uint64_t addr;

	/* Three pages below 4 GiB. */
	CHECK_OK(ioctl(vm->fd, VMM_SET_TSS_ADDR, 0xfffbd000UL));
	CHECK_ERR(ioctl(vm->fd, VMM_SET_TSS_ADDR, 0xfffffffffUL), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_TSS_ADDR, 0xffffe000UL), EINVAL);
	CHECK_EQ(ioctl(vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_MMU_SHADOW_CACHE_CONTROL), 1);
	CHECK_OK(ioctl(vm->fd, VMM_SET_NR_MMU_PAGES, 64UL));
	CHECK_ERR(ioctl(vm->fd, VMM_SET_NR_MMU_PAGES, 63UL), EINVAL);
	addr = 0xfffbc000;
	CHECK_OK(ioctl(vm->fd, VMM_SET_IDENTITY_MAP_ADDR, &addr));
	addr = 0;	/* the default again */
	CHECK_OK(ioctl(vm->fd, VMM_SET_IDENTITY_MAP_ADDR, &addr));
}

KTAP_TEST(identity_map_before_the_first_vcpu)
{
	struct vm *vm = vm_create_size(0);
	uint64_t addr = 0xfffbc000;

	vcpu_create(vm, 0);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_IDENTITY_MAP_ADDR, &addr), EINVAL);
}

KTAP_TEST(enable_cap)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct vmm_enable_cap cap = { .cap = 0xffff };

	CHECK_ERR(ioctl(vcpu->vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	/* A capability that needs no enabling. */
	cap.cap = VMM_CAP_USER_MEMORY;
	CHECK_ERR(ioctl(vcpu->vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	/* No flag is defined for any. */
	cap.cap = VMM_CAP_EXCEPTION_PAYLOAD;
	cap.flags = 1;
	CHECK_ERR(ioctl(vcpu->vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_ENABLE_CAP, &cap), EINVAL);
}

KTAP_TEST(nmi_takes_no_argument)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	CHECK_OK(ioctl(vcpu->fd, VMM_NMI, 0));
}

KTAP_TEST(create_vcpu_number)
{
	struct vm *vm = vm_create();

	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_VCPU, 0x7fffffffUL), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_VCPU, 0xffffffffUL), EINVAL);
}

/* ioctls of interrupt controllers that this VM does not have. */
KTAP_TEST(no_interrupt_controller)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	static struct vmm_lapic_state lapic;
	struct vmm_irq_level level = { .irq = 1, .level = 1 };
	struct vmm_vapic_addr va = { 0 };

	CHECK(ioctl(vcpu->fd, VMM_GET_LAPIC, &lapic) == -1);
	CHECK(errno == EINVAL || errno == ENOTTY);
	CHECK(ioctl(vcpu->fd, VMM_SET_LAPIC, &lapic) == -1);
	CHECK(errno == EINVAL || errno == ENOTTY);
	CHECK(ioctl(vcpu->vm->fd, VMM_IRQ_LINE, &level) == -1);
	CHECK(errno == ENXIO || errno == ENOTTY);
	CHECK(ioctl(vcpu->fd, VMM_SET_VAPIC_ADDR, &va) == -1);
	CHECK(errno == EINVAL || errno == ENOTTY);
}

/* ---- Garbage ---- */

/*
 * Every number of the type, on each kind of descriptor, with arguments that
 * mean nothing: an errno or a harmless success, and the kernel lives on.
 */
static void try_all_numbers(int fd)
{
	static uint8_t garbage[64 * PAGE_SIZE];
	static const unsigned int dirs[] = {
		_IOC_NONE, _IOC_READ, _IOC_WRITE, _IOC_READ | _IOC_WRITE,
	};
	static const unsigned int sizes[] = { 0, 4, 8, 16, 32, 64, 312, 4096, 16383 };
	unsigned int nr, d, s;

	memset(garbage, 0xa5, sizeof(garbage));
	for (nr = 0; nr < 256; nr++) {
		if (nr == _IOC_NR(VMM_RUN))
			continue;
		for (d = 0; d < ARRAY_SIZE(dirs); d++)
			for (s = 0; s < ARRAY_SIZE(sizes); s++) {
				unsigned long r = _IOC(dirs[d], VMMIO, nr, sizes[s]);
				int ret = ioctl(fd, r, garbage);

				/* What came back may be a descriptor. */
				if (ret > 2 && ret < 1024)
					close(ret);
			}
	}
}

KTAP_TEST(garbage_for_every_number)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	int dev = vmm_open();

	/* Closing a stray result must not close these. */
	CHECK_OK(dup2(dev, 1021));
	CHECK_OK(dup2(vcpu->vm->fd, 1022));
	CHECK_OK(dup2(vcpu->fd, 1023));
	try_all_numbers(1021);
	try_all_numbers(1022);
	try_all_numbers(1023);
}

GUEST64(halt, 1: hlt; jmp 1b);

static void on_alarm(int sig)
{
	(void)sig;
}

/* Random registers: VMM_RUN ends in some way, and another VM is well after it. */
KTAP_TEST(random_state)
{
	struct itimerval soon = { .it_value.tv_usec = 50000 };
	struct sigaction sa = { .sa_handler = on_alarm };
	uint32_t seed = 12345;
	int round;

	CHECK_OK(sigaction(SIGALRM, &sa, NULL));
	for (round = 0; round < 60; round++) {
		struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
		struct vmm_sregs sregs;
		struct vmm_regs regs;
		uint8_t *p = (uint8_t *)&sregs;
		unsigned int i, n;

		vcpu_get_sregs(vcpu, &sregs);
		n = 1 + round % 8;
		for (i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			p[seed / 65536 % sizeof(sregs)] ^= 1 << (seed >> 8) % 8;
		}
		vcpu_get_regs(vcpu, &regs);
		regs.rflags ^= seed & 0x3f7fd7;
		ioctl(vcpu->fd, VMM_SET_SREGS, &sregs);
		ioctl(vcpu->fd, VMM_SET_REGS, &regs);
		vcpu->run->immediate_exit = 0;
		/* The guest may be in an endless loop by then. */
		CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
		for (i = 0; i < 20; i++)
			if (ioctl(vcpu->fd, VMM_RUN, 0) ||
			    vcpu->run->exit_reason != VMM_EXIT_HLT)
				break;
		CHECK_OK(setitimer(ITIMER_REAL, &(struct itimerval) { 0 }, NULL));
		vm_destroy(vcpu->vm);
		vcpu_destroy(vcpu);
	}
	expect_hlt(vcpu_start(MODE_LONG, halt));
}
