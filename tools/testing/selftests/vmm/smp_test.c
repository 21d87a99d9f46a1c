// SPDX-License-Identifier: GPL-2.0
/*
 * smp_test.c - several vCPUs of one VM at once, with the interrupt controllers
 * left to user space: every vCPU may run from the start.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "vmm_test.h"

#define NR_VCPUS 4
#define INCREMENTS 20000

/* Shared words in GUEST_DATA, a cache line each. */
#define COUNTER		GUEST_DATA
#define ARRIVED		(GUEST_DATA + 0x40)
#define PER_VCPU	(GUEST_DATA + 0x1000)

struct runner {
	struct vcpu *vcpu;
	pthread_t thread;
	uint32_t exit_reason;
	int result;
};

static void *run(void *arg)
{
	struct runner *r = arg;

	do {
		r->result = ioctl(r->vcpu->fd, VMM_RUN, 0);
	} while (r->result && errno == EINTR);
	r->exit_reason = r->vcpu->run->exit_reason;
	return NULL;
}

static void start_all(struct runner *r, int n)
{
	int i;

	for (i = 0; i < n; i++)
		CHECK_EQ(pthread_create(&r[i].thread, NULL, run, &r[i]), 0);
}

static void join_all(struct runner *r, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		CHECK_EQ(pthread_join(r[i].thread, NULL), 0);
		CHECK_EQ(r[i].result, 0);
		if (r[i].exit_reason != VMM_EXIT_HLT) {
			vcpu_dump(r[i].vcpu);
			FAIL("vCPU %d: exit %s", i, exit_name(r[i].exit_reason));
		}
	}
}

/* All with the same code; RDI is the vCPU's number. */
static struct runner *make_vcpus(int n, const uint8_t *code, const uint8_t *end)
{
	struct runner *r = calloc(n, sizeof(*r));
	struct vm *vm = vm_create();
	int i;

	for (i = 0; i < n; i++) {
		struct vmm_regs regs;

		r[i].vcpu = vcpu_create(vm, i);
		vcpu_load_at(r[i].vcpu, MODE_LONG, GUEST_CODE, code, end);
		vcpu_get_regs(r[i].vcpu, &regs);
		regs.rdi = i;
		vcpu_set_regs(r[i].vcpu, &regs);
	}
	return r;
}
#define MAKE(n, name) make_vcpus(n, name, name##_end)

/* Without a local APIC of ours no vCPU waits for INIT and SIPI. */
KTAP_TEST(every_vcpu_starts_runnable)
{
	struct vm *vm = vm_create_size(0);
	int i;

	for (i = 0; i < NR_VCPUS; i++) {
		struct vmm_mp_state mp;
		struct vcpu *vcpu = vcpu_create(vm, i);

		CHECK_OK(ioctl(vcpu->fd, VMM_GET_MP_STATE, &mp));
		CHECK_EQ(mp.mp_state, VMM_MP_STATE_RUNNABLE);
	}
}

GUEST64(increment,
	mov $INCREMENTS, %ecx;
	1: lock incq COUNTER; dec %ecx; jnz 1b;
	hlt);

KTAP_TEST(atomic_increments)
{
	struct runner *r = MAKE(NR_VCPUS, increment);

	start_all(r, NR_VCPUS);
	join_all(r, NR_VCPUS);
	CHECK_EQ(*(uint64_t *)vm_gpa(r->vcpu->vm, COUNTER), NR_VCPUS * INCREMENTS);
}

/* No vCPU leaves before the last one is there: they really run side by side. */
GUEST64(barrier,
	lock incq ARRIVED;
	1: pause; cmpq $NR_VCPUS, ARRIVED; jne 1b;
	hlt);

KTAP_TEST(vcpus_run_side_by_side)
{
	struct runner *r = MAKE(NR_VCPUS, barrier);

	start_all(r, NR_VCPUS);
	join_all(r, NR_VCPUS);
	CHECK_EQ(*(uint64_t *)vm_gpa(r->vcpu->vm, ARRIVED), NR_VCPUS);
}

/* Each vCPU writes each page of memory that no one has touched before. */
#define FAULT_GPA	0x40000000UL
#define FAULT_PAGES	1024
GUEST64(fault_all,
	mov $FAULT_GPA, %ebx; mov $FAULT_PAGES, %ecx;
	1: lock incq (%rbx, %rdi, 8); add $0x1000, %rbx; dec %ecx; jnz 1b;
	hlt);

KTAP_TEST(faults_in_parallel)
{
	struct runner *r = MAKE(NR_VCPUS, fault_all);
	uint8_t *mem = host_alloc(FAULT_PAGES * PAGE_SIZE, PAGE_2M);
	int i, j;

	CHECK_OK(madvise(mem, FAULT_PAGES * PAGE_SIZE, MADV_NOHUGEPAGE));
	vm_map(r->vcpu->vm, 1, 0, FAULT_GPA, FAULT_PAGES * PAGE_SIZE, mem);
	start_all(r, NR_VCPUS);
	join_all(r, NR_VCPUS);
	for (i = 0; i < FAULT_PAGES; i++)
		for (j = 0; j < NR_VCPUS; j++)
			CHECK_EQ(*(uint64_t *)(mem + i * PAGE_SIZE + j * 8), 1);
}

/* Passes over all pages; the vCPU's counter says how many are done. */
GUEST64(fault_for_long,
	mov $10, %edx;
	2: mov $FAULT_GPA, %ebx; mov $FAULT_PAGES, %ecx;
	1: movb $1, (%rbx, %rdi); add $0x1000, %rbx; dec %ecx; jnz 1b;
	dec %edx; jnz 2b;
	lock incq ARRIVED;
	hlt);
GUEST64(fault_until_told,
	2: mov $FAULT_GPA, %ebx; mov $FAULT_PAGES, %ecx;
	1: movb $1, (%rbx, %rdi); add $0x1000, %rbx; dec %ecx; jnz 1b;
	incq PER_VCPU(, %rdi, 8);
	cmpq $0, ARRIVED; je 2b;
	hlt);

/*
 * The same while the host takes pages away all the time. Both sides have to get
 * on: so many pieces are taken away, and each vCPU passes over all pages twice
 * while they are.
 */
#define TAKEN_AWAY	300

static bool all_passed(volatile uint64_t *passes, uint64_t n)
{
	int i;

	for (i = 0; i < NR_VCPUS; i++)
		if (passes[i] < n)
			return false;
	return true;
}

KTAP_TEST(faults_against_madvise)
{
	struct runner *r = MAKE(NR_VCPUS, fault_until_told);
	volatile uint64_t *told = vm_gpa(r->vcpu->vm, ARRIVED);
	volatile uint64_t *passes = vm_gpa(r->vcpu->vm, PER_VCPU);
	uint8_t *mem = host_alloc(FAULT_PAGES * PAGE_SIZE, PAGE_2M);
	int i;

	vm_map(r->vcpu->vm, 1, 0, FAULT_GPA, FAULT_PAGES * PAGE_SIZE, mem);
	start_all(r, NR_VCPUS);
	for (i = 0; i < TAKEN_AWAY || !all_passed(passes, 2); i++)
		CHECK_OK(madvise(mem + i % 16 * 64 * PAGE_SIZE, 64 * PAGE_SIZE, MADV_DONTNEED));
	*told = 1;
	join_all(r, NR_VCPUS);
	ktap_diag("%d times taken away", i);
}

/* TLBs: after the host has taken a page back no vCPU may write to it still. */
#define WATCH_GPA	0x50000000UL
GUEST64(keep_writing,
	mov $WATCH_GPA, %ebx;
	1: incq (%rbx, %rdi, 8);
	cmpq $0, ARRIVED; je 1b;
	hlt);

KTAP_TEST(no_vcpu_writes_to_a_page_taken_back)
{
	struct runner *r = MAKE(NR_VCPUS, keep_writing);
	volatile uint64_t *stop = vm_gpa(r->vcpu->vm, ARRIVED);
	volatile uint64_t *mem = host_alloc(PAGE_SIZE, PAGE_SIZE);
	volatile uint64_t *alias;
	int i, j, memfd = memfd_create("page", 0);

	CHECK(memfd >= 0);
	CHECK_OK(ftruncate(memfd, 2 * PAGE_SIZE));
	/* The slot's page comes from a file; a second mapping looks at it. */
	CHECK(mmap((void *)mem, PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, memfd, 0) != MAP_FAILED);
	alias = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	CHECK(alias != MAP_FAILED);
	vm_map(r->vcpu->vm, 1, 0, WATCH_GPA, PAGE_SIZE, (void *)mem);
	start_all(r, NR_VCPUS);
	for (i = 0; i < 20; i++) {
		int from = i % 2, to = 1 - from;
		uint64_t seen[NR_VCPUS];

		usleep(5000);
		CHECK(mmap((void *)mem, PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, memfd, to * PAGE_SIZE) != MAP_FAILED);
		for (j = 0; j < NR_VCPUS; j++)
			seen[j] = alias[from * PAGE_SIZE / 8 + j];
		usleep(5000);
		for (j = 0; j < NR_VCPUS; j++)
			CHECK_EQ(alias[from * PAGE_SIZE / 8 + j], seen[j]);
	}
	*stop = 1;
	join_all(r, NR_VCPUS);
	CHECK(alias[0] && alias[PAGE_SIZE / 8]);
}

/* A slot comes and goes while the others' vCPUs run elsewhere. */
KTAP_TEST(slot_changes_under_running_vcpus)
{
	struct runner *r = MAKE(NR_VCPUS, fault_for_long);
	volatile uint64_t *arrived = vm_gpa(r->vcpu->vm, ARRIVED);
	uint8_t *mem = host_alloc(FAULT_PAGES * PAGE_SIZE, PAGE_2M);
	uint8_t *other = host_alloc(PAGE_2M, PAGE_2M);
	int i = 0;

	vm_map(r->vcpu->vm, 1, 0, FAULT_GPA, FAULT_PAGES * PAGE_SIZE, mem);
	start_all(r, NR_VCPUS);
	while (*arrived < NR_VCPUS) {
		vm_map(r->vcpu->vm, 2 + i % 3, 0, 0x60000000 + i % 7 * PAGE_2M, PAGE_2M, other);
		vm_map(r->vcpu->vm, 2 + i++ % 3, 0, 0, 0, NULL);
	}
	join_all(r, NR_VCPUS);
	ktap_diag("%d slots added and deleted", i);
	for (i = 0; i < FAULT_PAGES; i++)
		CHECK_EQ(load_le(mem + i * PAGE_SIZE, 4), 0x01010101);
}

/* Port I/O of several vCPUs: each thread gets its own. */
#define OUTS 200
GUEST64(many_outs,
	mov $PORT_REPORT, %edx; mov $OUTS, %ecx;
	1: mov %edi, %eax; shl $16, %eax; or %ecx, %eax; out %eax, %dx; dec %ecx; jnz 1b;
	hlt);

static void *run_outs(void *arg)
{
	struct runner *r = arg;
	struct vmm_run *run = r->vcpu->run;
	uint32_t i;

	for (i = OUTS; i; i--) {
		uint32_t want = (uint32_t)r->vcpu->id << 16 | i;

		r->result = ioctl(r->vcpu->fd, VMM_RUN, 0);
		if (!r->result && run->exit_reason == VMM_EXIT_IO &&
		    *(uint32_t *)run_io_data(run) == want)
			continue;
		ktap_diag("vCPU %d, OUT %u: RUN gave %d (%s), exit %s, data %#x", r->vcpu->id,
			  OUTS - i, r->result, r->result ? strerror(errno) : "-",
			  exit_name(run->exit_reason), *(uint32_t *)run_io_data(run));
		vcpu_dump(r->vcpu);
		return r;
	}
	return NULL;
}

KTAP_TEST(port_io_of_each_vcpu)
{
	struct runner *r = MAKE(NR_VCPUS, many_outs);
	int i;

	for (i = 0; i < NR_VCPUS; i++)
		CHECK_EQ(pthread_create(&r[i].thread, NULL, run_outs, &r[i]), 0);
	for (i = 0; i < NR_VCPUS; i++) {
		void *bad;

		CHECK_EQ(pthread_join(r[i].thread, &bad), 0);
		CHECK(!bad);
	}
}

/* ---- vCPU numbers ---- */

KTAP_TEST(vcpu_ids)
{
	struct vm *vm = vm_create_size(0);
	int max_id = CHECK_OK(ioctl(vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_MAX_VCPU_ID));

	CHECK_OK(ioctl(vm->fd, VMM_CREATE_VCPU, 3));
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_VCPU, 3), EEXIST);
	CHECK_OK(ioctl(vm->fd, VMM_CREATE_VCPU, 0));
	CHECK_OK(ioctl(vm->fd, VMM_CREATE_VCPU, max_id - 1));
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_VCPU, max_id), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_VCPU, -1), EINVAL);
}

/* User space may say beforehand how large they get. */
KTAP_TEST(vcpu_id_limit)
{
	struct vm *vm = vm_create_size(0);
	struct vmm_enable_cap cap = { .cap = VMM_CAP_MAX_VCPU_ID };
	int max_id = CHECK_OK(ioctl(vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_MAX_VCPU_ID));

	cap.args[0] = max_id + 1;
	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	cap.args[0] = 5;
	CHECK_OK(ioctl(vm->fd, VMM_ENABLE_CAP, &cap));
	cap.args[0] = 6;
	CHECK_ERR(ioctl(vm->fd, VMM_ENABLE_CAP, &cap), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_VCPU, 5), EINVAL);
	CHECK_OK(ioctl(vm->fd, VMM_CREATE_VCPU, 4));
	/* What the host can do has not changed. */
	CHECK_EQ(ioctl(vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_MAX_VCPU_ID), max_id);
}

/* A number stays taken as long as the VM lives. */
KTAP_TEST(vcpu_id_after_close)
{
	struct vm *vm = vm_create_size(0);
	struct vcpu *vcpu = vcpu_create(vm, 5);

	vcpu_destroy(vcpu);
	CHECK_ERR(ioctl(vm->fd, VMM_CREATE_VCPU, 5), EEXIST);
}

KTAP_TEST(as_many_vcpus_as_promised)
{
	struct vm *vm = vm_create_size(0);
	int max = CHECK_OK(ioctl(vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_MAX_VCPUS));
	int i, n = max < 64 ? max : 64;

	for (i = 0; i < n; i++)
		CHECK_OK(ioctl(vm->fd, VMM_CREATE_VCPU, i));
}
