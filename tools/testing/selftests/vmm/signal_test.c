// SPDX-License-Identifier: GPL-2.0
/*
 * signal_test.c - how a VMM gets a vCPU's thread out of the guest: signals, the
 * signal mask of VMM_RUN, and immediate_exit.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "vmm_test.h"

GUEST64(spin, 1: incq GUEST_DATA; jmp 1b);
GUEST64(spin_no_memory, 1: jmp 1b);
GUEST64(halt, 1: hlt; jmp 1b);

static volatile int handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void catch(int sig)
{
	struct sigaction sa = { .sa_handler = on_signal };

	CHECK_OK(sigaction(sig, &sa, NULL));
}

/* A timer that kicks this thread in some milliseconds. */
static void kick_in(int ms)
{
	struct itimerval t = { .it_value.tv_usec = ms * 1000 };

	CHECK_OK(setitimer(ITIMER_REAL, &t, NULL));
}

KTAP_TEST(signal_ends_a_spinning_guest)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, spin);
	volatile uint64_t *count = vm_gpa(vcpu->vm, GUEST_DATA);
	uint64_t before;
	int i;

	catch(SIGALRM);
	for (i = 1; i <= 5; i++) {
		before = *count;
		kick_in(20);
		CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINTR);
		CHECK_EQ(handled, i);
		CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_INTR);
		CHECK(*count > before);
	}
	/* The guest is between two instructions, its state whole. */
	CHECK(vcpu_rip(vcpu) >= GUEST_CODE &&
	      vcpu_rip(vcpu) < GUEST_CODE + (uint64_t)(spin_end - spin));
}

/* Interrupts off makes no difference: they are the guest's, not the host's. */
KTAP_TEST(guest_that_never_exits_by_itself)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, spin_no_memory);

	catch(SIGALRM);
	kick_in(20);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINTR);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE);
}

/* A signal that is pending already: VMM_RUN does not enter the guest. */
KTAP_TEST(pending_signal)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	sigset_t set, old;
	struct {
		struct vmm_signal_mask head;
		uint8_t set[8];
	} mask = { .head.len = 8 };

	catch(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_OK(sigprocmask(SIG_BLOCK, &set, &old));
	CHECK_OK(raise(SIGUSR1));
	/* Blocked, VMM_RUN does not see it. */
	expect_hlt(vcpu);
	/* Unblocked for VMM_RUN only, as gVisor and old QEMUs have it. */
	memset(mask.set, 0, 8);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_SIGNAL_MASK, &mask));
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINTR);
	CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_INTR);
	/* The handler does not run: the thread's own mask is back. */
	CHECK_EQ(handled, 0);
	CHECK_OK(sigpending(&set));
	CHECK(sigismember(&set, SIGUSR1));
	/* Taking it away ends that. */
	CHECK_OK(sigprocmask(SIG_SETMASK, &old, NULL));
	CHECK_EQ(handled, 1);
	expect_hlt(vcpu);
}

KTAP_TEST(signal_mask_blocks)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct {
		struct vmm_signal_mask head;
		uint8_t set[8];
	} mask = { .head.len = 8 };

	catch(SIGUSR1);
	/* All but SIGALRM is blocked within VMM_RUN; then there is no mask. */
	memset(mask.set, 0xff, 8);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_SIGNAL_MASK, &mask));
	expect_hlt(vcpu);
	CHECK_OK(raise(SIGUSR1));
	CHECK_EQ(handled, 1);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_SIGNAL_MASK, NULL));
	expect_hlt(vcpu);
}

KTAP_TEST(signal_mask_errors)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);
	struct {
		struct vmm_signal_mask head;
		uint8_t set[128];
	} mask = { .head.len = 0 };

	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SIGNAL_MASK, &mask), EINVAL);
	mask.head.len = 4;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SIGNAL_MASK, &mask), EINVAL);
	mask.head.len = 128;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SIGNAL_MASK, &mask), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SIGNAL_MASK, (void *)8), EFAULT);
}

KTAP_TEST(immediate_exit)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, spin);
	volatile uint64_t *count = vm_gpa(vcpu->vm, GUEST_DATA);

	vcpu->run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINTR);
	CHECK_EQ(*count, 0);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE);
	/* It stays as it was set. */
	CHECK_EQ(vcpu->run->immediate_exit, 1);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINTR);
	vcpu->run->immediate_exit = 0;
	catch(SIGALRM);
	kick_in(10);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINTR);
	CHECK(*count > 0);
}

static struct vcpu *shared_vcpu;

static void on_kick(int sig)
{
	(void)sig;
	shared_vcpu->run->immediate_exit = 1;
}

/* The way of all of today's VMMs: a handler that sets immediate_exit. */
KTAP_TEST(handler_sets_immediate_exit)
{
	struct sigaction sa = { .sa_handler = on_kick };
	int i;

	shared_vcpu = vcpu_start(MODE_LONG, halt);
	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	/* Between two runs there is no window in which the kick is lost. */
	for (i = 0; i < 3; i++) {
		CHECK_OK(raise(SIGUSR1));
		CHECK_ERR(ioctl(shared_vcpu->fd, VMM_RUN, 0), EINTR);
		shared_vcpu->run->immediate_exit = 0;
		expect_hlt(shared_vcpu);
	}
}

static void *run_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	long r;

	do {
		r = ioctl(vcpu->fd, VMM_RUN, 0);
	} while (!r);
	return (void *)(long)errno;
}

/* Another thread's kick, as pthread_kill() sends it. */
KTAP_TEST(kick_from_another_thread)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, spin);
	volatile uint64_t *count = vm_gpa(vcpu->vm, GUEST_DATA);
	pthread_t thread;
	void *result;
	int i;

	catch(SIGUSR1);
	for (i = 0; i < 10; i++) {
		uint64_t before = *count;

		CHECK_EQ(pthread_create(&thread, NULL, run_thread, vcpu), 0);
		while (*count == before)
			usleep(1000);
		CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
		CHECK_EQ(pthread_join(thread, &result), 0);
		CHECK_EQ((long)result, EINTR);
		CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_INTR);
	}
}

GUEST64(count_in_rcx, 1: inc %rcx; mov %rcx, GUEST_DATA; jmp 1b);

/* The guest's count is before the call not above RCX, and after it not far below. */
static void *get_regs_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	volatile uint64_t *count = vm_gpa(vcpu->vm, GUEST_DATA);
	uint64_t before = *count;
	struct vmm_regs regs;

	if (ioctl(vcpu->fd, VMM_GET_REGS, &regs))
		return "VMM_GET_REGS failed";
	if (regs.rip < GUEST_CODE || regs.rip >= GUEST_CODE + 32)
		return "RIP is not in the loop";
	return regs.rcx < before || regs.rcx > *count + 1 ? "RCX is another moment's" : NULL;
}

/*
 * Another thread's ioctl on a vCPU that runs waits for the end of VMM_RUN, and does
 * its work while the guest stands still.
 */
KTAP_TEST(other_ioctls_wait_for_the_run)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, count_in_rcx);
	volatile uint64_t *count = vm_gpa(vcpu->vm, GUEST_DATA);
	pthread_t runner, reader;
	void *result;
	int i;

	catch(SIGUSR1);
	for (i = 0; i < 10; i++) {
		uint64_t before = *count;

		CHECK_EQ(pthread_create(&runner, NULL, run_thread, vcpu), 0);
		while (*count == before)
			usleep(1000);
		CHECK_EQ(pthread_create(&reader, NULL, get_regs_thread, vcpu), 0);
		usleep(5000);
		CHECK_EQ(pthread_tryjoin_np(reader, &result), EBUSY);
		CHECK_EQ(pthread_kill(runner, SIGUSR1), 0);
		CHECK_EQ(pthread_join(runner, &result), 0);
		CHECK_EQ((long)result, EINTR);
		CHECK_EQ(pthread_join(reader, &result), 0);
		if (result)
			FAIL("%s", (char *)result);
	}
}

/* The process may end while a vCPU runs. */
KTAP_TEST(exit_while_running)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, spin);
	volatile uint64_t *count = vm_gpa(vcpu->vm, GUEST_DATA);
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run_thread, vcpu), 0);
	while (!*count)
		usleep(1000);
	_exit(KTAP_EXIT_PASS);
}

/* VMM_RUN takes no argument. */
KTAP_TEST(run_with_an_argument)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, halt);

	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 1), EINVAL);
	expect_hlt(vcpu);
}
