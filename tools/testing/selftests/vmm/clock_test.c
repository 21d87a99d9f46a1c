// SPDX-License-Identifier: GPL-2.0
/*
 * clock_test.c - a guest's time: the TSC with its offset and frequency, and
 * kvmclock, the page through which the host tells the guest how to read it.
 */
#include <time.h>

#include "vmm_test.h"

#define NSEC	1000000000ULL

/* What the guest finds at the address in MSR_VMM_SYSTEM_TIME_NEW. */
struct pvclock {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
} __attribute__((packed));
_Static_assert(sizeof(struct pvclock) == 32, "struct pvclock");

#define PVCLOCK_TSC_STABLE	1
#define PVCLOCK_GUEST_STOPPED	2

struct pvclock_wall {
	uint32_t version, sec, nsec;
} __attribute__((packed));

/* What a guest computes from the page at a TSC value. */
static uint64_t pvclock_at(const struct pvclock *p, uint64_t tsc)
{
	uint64_t delta = tsc - p->tsc_timestamp;

	delta = p->tsc_shift < 0 ? delta >> -p->tsc_shift : delta << p->tsc_shift;
	return p->system_time + (uint64_t)((unsigned __int128)delta *
					   p->tsc_to_system_mul >> 32);
}

GUEST64(read_tsc, rdtsc; shl $32, %rdx; or %rdx, %rax; hlt);

static struct vcpu *start(void)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, read_tsc);

	return vcpu;
}

static uint64_t guest_tsc(struct vcpu *vcpu)
{
	struct vmm_regs regs;

	vcpu_set_rip(vcpu, GUEST_CODE);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	return regs.rax;
}

static uint64_t get_clock(struct vm *vm, struct vmm_clock_data *data)
{
	memset(data, 0xee, sizeof(*data));
	CHECK_OK(ioctl(vm->fd, VMM_GET_CLOCK, data));
	return data->clock;
}

/* ---- TSC ---- */

KTAP_TEST(tsc_runs)
{
	struct vcpu *vcpu = start();
	uint64_t a = guest_tsc(vcpu), b;

	b = guest_tsc(vcpu);
	CHECK(b > a);
}

KTAP_TEST(tsc_can_be_set)
{
	struct vcpu *vcpu = start();
	uint64_t base = 1ULL << 40, t, msr;

	CHECK_EQ(vcpu_set_msr(vcpu, MSR_IA32_TSC, base), 1);
	t = guest_tsc(vcpu);
	/* Some milliseconds at most, were it a CPU of 5 GHz. */
	CHECK(t >= base && t < base + 5 * NSEC * 60);
	msr = vcpu_msr(vcpu, MSR_IA32_TSC);
	CHECK(msr > t && msr < t + 5 * NSEC * 60);
	/* Once more. (To 0, as all VMMs set it at first, means "as the others".) */
	base = 1ULL << 50;
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_IA32_TSC, base), 1);
	t = guest_tsc(vcpu);
	CHECK(t >= base && t < base + 5 * NSEC * 60);
}

/* The guest's own write moves its TSC, not the host's. */
GUEST64(write_tsc,
	mov $0x10, %ecx; xor %eax, %eax; mov $0x100, %edx; wrmsr;
	rdtsc; shl $32, %rdx; or %rdx, %rax; hlt);

KTAP_TEST(guest_sets_its_tsc)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, write_tsc);
	uint64_t before, after;
	struct vmm_regs regs;

	before = __builtin_ia32_rdtsc();
	expect_hlt(vcpu);
	after = __builtin_ia32_rdtsc();
	vcpu_get_regs(vcpu, &regs);
	CHECK(regs.rax >= 1ULL << 40 && regs.rax < (1ULL << 40) + (after - before));
	CHECK(after > before && after - before < 1ULL << 38);
}

KTAP_TEST(tsc_frequency)
{
	struct vcpu *vcpu = start();
	struct timespec ts, ts2;
	uint64_t t, t2, ns, khz, measured;
	long vm_khz;

	khz = CHECK_OK(ioctl(vcpu->fd, VMM_GET_TSC_KHZ, 0));
	CHECK(khz > 1000);
	vm_khz = ioctl(vcpu->vm->fd, VMM_GET_TSC_KHZ, 0);
	CHECK(vm_khz == -1 || vm_khz == (long)khz);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	t = guest_tsc(vcpu);
	usleep(300000);
	clock_gettime(CLOCK_MONOTONIC, &ts2);
	t2 = guest_tsc(vcpu);
	ns = (ts2.tv_sec - ts.tv_sec) * NSEC + ts2.tv_nsec - ts.tv_nsec;
	measured = (t2 - t) * 1000000 / ns;
	ktap_diag("%lu kHz, measured %lu", khz, measured);
	/* The two clocks are not read at the same moment: 10 %. */
	CHECK(measured > khz * 9 / 10 && measured < khz * 11 / 10);
}

KTAP_TEST(set_tsc_frequency)
{
	struct vcpu *vcpu = start();
	long khz = CHECK_OK(ioctl(vcpu->fd, VMM_GET_TSC_KHZ, 0));

	/* Its own frequency is always fine, 0 means that, too. */
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_TSC_KHZ, khz));
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_TSC_KHZ, 0));
	CHECK_EQ(CHECK_OK(ioctl(vcpu->fd, VMM_GET_TSC_KHZ, 0)), khz);
	if (vmm_check_extension(VMM_CAP_TSC_CONTROL)) {
		CHECK_OK(ioctl(vcpu->fd, VMM_SET_TSC_KHZ, khz / 2));
		CHECK_EQ(CHECK_OK(ioctl(vcpu->fd, VMM_GET_TSC_KHZ, 0)), khz / 2);
		/* No CPU can do that. */
		CHECK_ERR(ioctl(vcpu->fd, VMM_SET_TSC_KHZ, 0xffffffffUL), EINVAL);
	}
}

/* Given to the VM, it is that of the vCPUs that come after. */
KTAP_TEST(set_a_vms_tsc_frequency)
{
	struct vcpu *vcpu = start();
	long khz = CHECK_OK(ioctl(vcpu->fd, VMM_GET_TSC_KHZ, 0));

	CHECK_EQ(vmm_check_extension(VMM_CAP_VM_TSC_CONTROL),
		 vmm_check_extension(VMM_CAP_TSC_CONTROL));
	if (!vmm_check_extension(VMM_CAP_VM_TSC_CONTROL))
		ktap_skip("the CPU does not scale its TSC");
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_TSC_KHZ, khz / 2));
	CHECK_EQ(ioctl(vcpu->vm->fd, VMM_GET_TSC_KHZ, 0), khz / 2);
	CHECK_EQ(ioctl(vcpu->fd, VMM_GET_TSC_KHZ, 0), khz);
	vcpu = vcpu_create(vcpu->vm, 1);
	CHECK_EQ(ioctl(vcpu->fd, VMM_GET_TSC_KHZ, 0), khz / 2);
}

/* ---- kvmclock ---- */

#define PAGE_GPA	GUEST_DATA

static const struct pvclock *enable_clock(struct vcpu *vcpu, uint32_t msr)
{
	CHECK_EQ(vcpu_set_msr(vcpu, msr, PAGE_GPA | VMM_MSR_ENABLED), 1);
	CHECK_EQ(vcpu_msr(vcpu, msr), PAGE_GPA | VMM_MSR_ENABLED);
	/* It is written before the guest runs. */
	guest_tsc(vcpu);
	return vm_gpa(vcpu->vm, PAGE_GPA);
}

static void test_clock_page(uint32_t msr)
{
	struct vcpu *vcpu = start();
	const struct pvclock *page = enable_clock(vcpu, msr);
	struct vmm_clock_data data;
	uint64_t guest, host;

	CHECK_EQ(page->version & 1, 0);
	CHECK(page->version > 0);
	CHECK(page->tsc_to_system_mul > 0);
	/* What the guest computes lies between two looks of the host. */
	host = get_clock(vcpu->vm, &data);
	guest = pvclock_at(page, guest_tsc(vcpu));
	CHECK(guest + NSEC / 100 >= host);
	host = get_clock(vcpu->vm, &data);
	CHECK(guest <= host + NSEC / 100);
}

KTAP_TEST(clock_page)
{
	test_clock_page(MSR_VMM_SYSTEM_TIME_NEW);
}

KTAP_TEST(clock_page_by_the_old_msr)
{
	test_clock_page(MSR_VMM_SYSTEM_TIME);
}

/* The guest's clock goes as fast as the host's. */
KTAP_TEST(clock_rate)
{
	struct vcpu *vcpu = start();
	const struct pvclock *page = enable_clock(vcpu, MSR_VMM_SYSTEM_TIME_NEW);
	struct timespec ts, ts2;
	uint64_t a, b, host;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	a = pvclock_at(page, guest_tsc(vcpu));
	usleep(300000);
	clock_gettime(CLOCK_MONOTONIC, &ts2);
	b = pvclock_at(page, guest_tsc(vcpu));
	host = (ts2.tv_sec - ts.tv_sec) * NSEC + ts2.tv_nsec - ts.tv_nsec;
	CHECK(b - a > host * 9 / 10 && b - a < host * 11 / 10);
}

KTAP_TEST(clock_msr_off)
{
	struct vcpu *vcpu = start();
	struct pvclock *page = vm_gpa(vcpu->vm, PAGE_GPA);

	enable_clock(vcpu, MSR_VMM_SYSTEM_TIME_NEW);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_VMM_SYSTEM_TIME_NEW, 0), 1);
	memset(page, 0x5a, sizeof(*page));
	guest_tsc(vcpu);
	CHECK_EQ(page->version, 0x5a5a5a5a);
}

/* A page that is not there must not hurt anyone. */
KTAP_TEST(clock_page_without_memory)
{
	struct vcpu *vcpu = start();

	CHECK_EQ(vcpu_set_msr(vcpu, MSR_VMM_SYSTEM_TIME_NEW, GUEST_MMIO | 1), 1);
	guest_tsc(vcpu);
	guest_tsc(vcpu);
}

/* Wall clock at boot plus system time is the time of day. */
KTAP_TEST(wall_clock)
{
	struct vcpu *vcpu = start();
	const struct pvclock_wall *wall = vm_gpa(vcpu->vm, PAGE_GPA + 0x100);
	struct vmm_clock_data data;
	uint64_t clock, sum;

	CHECK_EQ(vcpu_set_msr(vcpu, MSR_VMM_WALL_CLOCK_NEW, PAGE_GPA + 0x100), 1);
	guest_tsc(vcpu);
	CHECK_EQ(wall->version & 1, 0);
	clock = get_clock(vcpu->vm, &data);
	sum = wall->sec * NSEC + wall->nsec + clock;
	CHECK(sum / NSEC + 2 >= (uint64_t)time(NULL) && sum / NSEC <= (uint64_t)time(NULL) + 2);
}

/* ---- VMM_GET_CLOCK, VMM_SET_CLOCK, VMM_KVMCLOCK_CTRL ---- */

KTAP_TEST(clock_counts_from_the_vms_birth)
{
	struct vm *vm = vm_create();
	struct vmm_clock_data data;
	uint64_t a = get_clock(vm, &data), b;

	CHECK(a < 60 * NSEC);
	CHECK_EQ(data.flags & ~(VMM_CLOCK_TSC_STABLE | VMM_CLOCK_REALTIME |
				VMM_CLOCK_HOST_TSC), 0);
	usleep(10000);
	b = get_clock(vm, &data);
	CHECK(b - a >= 9000000 && b - a < 10 * NSEC);
}

KTAP_TEST(clock_can_be_set)
{
	struct vcpu *vcpu = start();
	const struct pvclock *page = enable_clock(vcpu, MSR_VMM_SYSTEM_TIME_NEW);
	struct vmm_clock_data set = { .clock = 5000 * NSEC }, data;
	uint64_t now;

	CHECK_OK(ioctl(vcpu->vm->fd, VMM_SET_CLOCK, &set));
	now = get_clock(vcpu->vm, &data);
	CHECK(now >= 5000 * NSEC && now < 5060 * NSEC);
	/* The guest's page follows at its next entry. */
	now = pvclock_at(page, guest_tsc(vcpu));
	CHECK(now >= 5000 * NSEC && now < 5060 * NSEC);
}

KTAP_TEST(clock_set_with_realtime)
{
	struct vm *vm = vm_create();
	struct vmm_clock_data data, set = { .clock = 100 * NSEC };
	struct timespec ts;

	if (!(vmm_check_extension(VMM_CAP_ADJUST_CLOCK) & VMM_CLOCK_REALTIME))
		ktap_skip("no VMM_CLOCK_REALTIME");
	clock_gettime(CLOCK_REALTIME, &ts);
	/* The clock was 100 s when it was 30 s earlier than now. */
	set.realtime = ts.tv_sec * NSEC + ts.tv_nsec - 30 * NSEC;
	set.flags = VMM_CLOCK_REALTIME;
	CHECK_OK(ioctl(vm->fd, VMM_SET_CLOCK, &set));
	get_clock(vm, &data);
	CHECK(data.clock >= 130 * NSEC && data.clock < 190 * NSEC);
}

KTAP_TEST(clock_errors)
{
	struct vm *vm = vm_create();
	struct vmm_clock_data set = { .flags = 1U << 31 };

	CHECK_ERR(ioctl(vm->fd, VMM_SET_CLOCK, &set), EINVAL);
	CHECK_ERR(ioctl(vm->fd, VMM_SET_CLOCK, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, VMM_GET_CLOCK, NULL), EFAULT);
}

/* "The guest was stopped": once the guest has a clock page. */
KTAP_TEST(kvmclock_ctrl)
{
	struct vcpu *vcpu = start();
	const struct pvclock *page;

	/* Cloud Hypervisor takes no other errno here. */
	CHECK_ERR(ioctl(vcpu->fd, VMM_KVMCLOCK_CTRL, 0), EINVAL);
	page = enable_clock(vcpu, MSR_VMM_SYSTEM_TIME_NEW);
	CHECK_EQ(page->flags & PVCLOCK_GUEST_STOPPED, 0);
	CHECK_OK(ioctl(vcpu->fd, VMM_KVMCLOCK_CTRL, 0));
	guest_tsc(vcpu);
	CHECK_EQ(page->flags & PVCLOCK_GUEST_STOPPED, PVCLOCK_GUEST_STOPPED);
}
