// SPDX-License-Identifier: GPL-2.0
/*
 * Time in the guest: its TSC, and the paravirtual clock that reads it.
 *
 * The CPU shows a guest  TSC = host TSC * ratio + offset.  vCPUs of a VM whose
 * TSCs are set to nearly the same value get the same offset, so that they agree
 * to the tick: user space cannot write them all at one moment.
 *
 * The paravirtual clock is a page per vCPU that says: at guest TSC t it was n
 * nanoseconds, and a tick is so long. Where the host's TSC is steady (constant
 * rate, the same on all CPUs) one pair of t and n serves all vCPUs of a VM for
 * ever: the clock is a function of the TSC, cannot go back, and its pages are
 * written once. Where it is not, each vCPU's page is written again whenever the
 * vCPU is loaded, with the host's boottime.
 *
 * A host that slept may find its TSC started anew. vmm_tsc_shift then grows by what
 * is missing, and all arithmetic is in corrected time: host TSC + vmm_tsc_shift.
 *
 * Locks: vm->arch.clock_lock for what the vCPUs share; the rest by vcpu->mutex.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/math64.h>
#include <linux/ktime.h>
#include <linux/uaccess.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>

#include <vmm/compat.h>
#include <vmm/lapic.h>
#include <vmm/x86.h>

/* A requested frequency this close to the host's is the host's. */
#define KHZ_TOLERANCE_PPM	250
/* VMM_GET_TSC_KHZ returns it, and an ioctl returns an int. */
#define MAX_KHZ			S32_MAX

/* Changes at resume only, when no other CPU runs. */
u64 vmm_tsc_shift __read_mostly;

/* The CPU promises a constant rate, or the host trusts it to have one. Set once. */
static bool tsc_constant __read_mostly;

static bool tsc_steady(void)
{
	return tsc_constant && !check_tsc_unstable();
}

static u64 corrected_tsc(void)
{
	return rdtsc() + READ_ONCE(vmm_tsc_shift);
}

/* --- suspend --- */

static u64 suspend_tsc, suspend_ns;

static int clock_suspend(VMM_SYSCORE_ARGS)
{
	suspend_tsc = rdtsc();
	suspend_ns = ktime_get_boottime_ns();
	return 0;
}

static void clock_resume(VMM_SYSCORE_ARGS)
{
	u64 now = rdtsc(), slept = ktime_get_boottime_ns() - suspend_ns;

	/* It kept counting. */
	if (now >= suspend_tsc)
		return;
	WRITE_ONCE(vmm_tsc_shift, vmm_tsc_shift + suspend_tsc - now +
		   mul_u64_u64_div_u64(slept, tsc_khz, NSEC_PER_MSEC));
}

VMM_DEFINE_SYSCORE(clock_syscore, clock_suspend, clock_resume);

/* Is the TSC what the host itself tells the time by? */
static bool host_clock_is_tsc(void)
{
	struct system_time_snapshot snapshot;
	unsigned long flags;
	u64 before, after;

	local_irq_save(flags);
	before = rdtsc_ordered();
	ktime_get_snapshot(&snapshot);
	after = rdtsc_ordered();
	local_irq_restore(flags);
	return snapshot.cycles >= before && snapshot.cycles <= after;
}

/* 0; -ENODEV if the host does not know the TSC's frequency. */
int vmm_clock_setup(void)
{
	if (!tsc_khz) {
		pr_err("the host kernel has not calibrated the TSC\n");
		return -ENODEV;
	}
	tsc_constant = boot_cpu_has(X86_FEATURE_CONSTANT_TSC) || host_clock_is_tsc();
	vmm_register_syscore(&clock_syscore);
	return 0;
}

void vmm_clock_exit(void)
{
	vmm_unregister_syscore(&clock_syscore);
}

/* --- the TSC --- */

static u64 scale_tsc(u64 tsc, u64 ratio)
{
	unsigned int frac = vmm_backend->tsc_frac_bits;

	return ratio == 1ull << frac ? tsc : mul_u64_u64_shr(tsc, ratio, frac);
}

/* What the guest's TSC is at this moment of the host's; vCPU loaded. */
u64 vmm_guest_tsc(struct vmm_vcpu *vcpu, u64 host_tsc)
{
	return scale_tsc(host_tsc, vcpu->arch.tsc_ratio) + vcpu->arch.tsc_offset;
}

/* The same for corrected host time. */
static u64 guest_tsc_at(struct vmm_vcpu *vcpu, u64 tsc)
{
	return scale_tsc(tsc, vcpu->arch.tsc_ratio) + vcpu->arch.tsc_sync_offset;
}

static void request_update_all(struct vmm_vm *vm)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	vmm_for_each_vcpu(i, vcpu, vm) {
		vmm_request(vcpu, VMM_REQ_CLOCK_UPDATE);
		vmm_vcpu_kick(vcpu);
	}
}

static void set_offset(struct vmm_vcpu *vcpu, u64 offset)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	a->tsc_shift = READ_ONCE(vmm_tsc_shift);
	WRITE_ONCE(a->tsc_sync_offset, offset);
	a->tsc_offset = offset + scale_tsc(a->tsc_shift, a->tsc_ratio);
	regs_dirty(vcpu, VMM_G_TSC);
	if (a->apic)
		vmm_apic_timer_tsc_changed(vcpu);
	/* The pages tell the relation of TSC and time, and whether all TSCs agree. */
	request_update_all(vcpu->vm);
}

/*
 * User space sets a TSC. 0 (as at the creation of a vCPU) or a value less than
 * a second away from what the VM's TSC would be now means: as the others.
 */
static void set_tsc(struct vmm_vcpu *vcpu, u64 value)
{
	struct vmm_vm_arch *va = &vcpu->vm->arch;
	u64 second = vcpu->arch.tsc_khz * 1000ull;
	u64 now, offset, expected;
	unsigned long flags;

	raw_spin_lock_irqsave(&va->clock_lock, flags);
	now = scale_tsc(corrected_tsc(), vcpu->arch.tsc_ratio);
	expected = now + va->last_tsc_offset;
	offset = va->last_tsc_offset;
	if (!va->tsc_written || va->last_tsc_ratio != vcpu->arch.tsc_ratio ||
	    (value && value - expected + second > 2 * second)) {
		offset = value - now;
		va->tsc_written = true;
		va->last_tsc_offset = offset;
		va->last_tsc_ratio = vcpu->arch.tsc_ratio;
	}
	raw_spin_unlock_irqrestore(&va->clock_lock, flags);
	set_offset(vcpu, offset);
}

/**
 * vmm_write_tsc() - MSR IA32_TSC is written
 * @vcpu: the vCPU, loaded
 * @value: the new TSC
 * @host: by user space, which restores a vCPU; else by the guest, which moves its
 *	  TSC against the others', as TSC_ADJUST shows
 */
void vmm_write_tsc(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	u64 delta;

	if (host) {
		set_tsc(vcpu, value);
		return;
	}
	delta = value - vmm_guest_tsc(vcpu, rdtsc());
	vcpu->arch.tsc_adjust += delta;
	set_offset(vcpu, vcpu->arch.tsc_sync_offset + delta);
}

static void write_tsc_adjust(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	if (!host)
		set_offset(vcpu, vcpu->arch.tsc_sync_offset + value - vcpu->arch.tsc_adjust);
	vcpu->arch.tsc_adjust = value;
}

/* vCPUs that are given the same offset agree, and those to come join them. */
static void set_tsc_offset(struct vmm_vcpu *vcpu, u64 offset)
{
	struct vmm_vm_arch *va = &vcpu->vm->arch;
	unsigned long flags;

	offset -= scale_tsc(READ_ONCE(vmm_tsc_shift), vcpu->arch.tsc_ratio);
	raw_spin_lock_irqsave(&va->clock_lock, flags);
	va->tsc_written = true;
	va->last_tsc_offset = offset;
	va->last_tsc_ratio = vcpu->arch.tsc_ratio;
	raw_spin_unlock_irqrestore(&va->clock_lock, flags);
	set_offset(vcpu, offset);
}

/**
 * vmm_tsc_attr_ioctl() - VMM_{HAS,GET,SET}_DEVICE_ATTR on a vCPU
 * @vcpu: the vCPU, loaded
 * @nr: which of them
 * @arg: struct vmm_device_attr in user space
 *
 * The only attribute is the TSC offset: what the CPU adds to the host's (scaled) TSC.
 * Return: 0; -ENXIO: no such attribute; -EFAULT.
 */
long vmm_tsc_attr_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, const void __user *arg)
{
	struct vmm_device_attr attr;
	u64 __user *value;
	u64 offset;

	if (copy_from_user(&attr, arg, sizeof(attr)))
		return -EFAULT;
	if (attr.flags || attr.group != VMM_VCPU_TSC_CTRL || attr.attr != VMM_VCPU_TSC_OFFSET)
		return -ENXIO;
	value = u64_to_user_ptr(attr.addr);
	switch (nr) {
	case VMM_HAS_DEVICE_ATTR:
		return 0;
	case VMM_GET_DEVICE_ATTR:
		return put_user(vcpu->arch.tsc_offset, value);
	default:
		if (get_user(offset, value))
			return -EFAULT;
		set_tsc_offset(vcpu, offset);
		return 0;
	}
}

/* The ratio for a frequency: 0, or -EINVAL where the CPU cannot scale (so far). */
static int find_ratio(struct vmm_vm *vm, u32 khz, u64 *ratio)
{
	u32 host = vm->arch.clock_khz;
	u64 one = 1ull << vmm_backend->tsc_frac_bits;
	u64 tolerance = mul_u64_u32_div(host, KHZ_TOLERANCE_PPM, 1000000);

	*ratio = one;
	if (abs((s64)khz - host) <= tolerance)
		return 0;
	/* Beyond any CPU, whatever a slow host could scale to. */
	if (!(vmm_backend->caps & VMM_BCAP_TSC_SCALING) || khz > S32_MAX)
		return -EINVAL;
	*ratio = mul_u64_u32_div(one, khz, host);
	return *ratio && *ratio < vmm_backend->max_tsc_ratio ? 0 : -EINVAL;
}

static long set_vcpu_khz(struct vmm_vcpu *vcpu, unsigned long arg)
{
	u32 khz = arg ? arg : vcpu->vm->arch.clock_khz;
	u64 ratio, value;

	if (arg > MAX_KHZ || find_ratio(vcpu->vm, khz, &ratio))
		return -EINVAL;
	value = guest_tsc_at(vcpu, corrected_tsc());
	vcpu->arch.tsc_khz = khz;
	vcpu->arch.tsc_ratio = ratio;
	set_tsc(vcpu, value);
	return 0;
}

/* --- the clock --- */

/* ns = (ticks * 2^shift * mul) / 2^32, mul as precise as it gets */
static void tick_length(u32 khz, u32 *mul, s8 *shift)
{
	u64 ns = NSEC_PER_MSEC, ticks = khz;

	*shift = 0;
	while (ns >= ticks) {
		ticks *= 2;
		(*shift)++;
	}
	while (ns * 2 < ticks) {
		ns *= 2;
		(*shift)--;
	}
	*mul = div64_u64(ns << 32, ticks);
}

/* clock_lock held; at corrected host time @tsc. */
static u64 steady_clock(const struct vmm_vm_arch *va, u64 tsc)
{
	u32 mul;
	s8 shift;

	tick_length(va->clock_khz, &mul, &shift);
	return va->clock_base_ns + pvclock_scale_delta(tsc - va->clock_base_tsc, mul, shift);
}

/* clock_lock held, interrupts off. */
static u64 clock_now(const struct vmm_vm_arch *va)
{
	return va->clock_stable ? steady_clock(va, corrected_tsc()) :
				  ktime_get_boottime_ns() + va->clock_offset;
}

static u64 read_clock(struct vmm_vm *vm)
{
	unsigned long flags;
	u64 ns;

	raw_spin_lock_irqsave(&vm->arch.clock_lock, flags);
	ns = clock_now(&vm->arch);
	raw_spin_unlock_irqrestore(&vm->arch.clock_lock, flags);
	return ns;
}

/* clock_lock held, interrupts off: from now on the clock goes on from @ns. */
static void set_clock_now(struct vmm_vm_arch *va, u64 ns)
{
	va->clock_stable = tsc_steady();
	va->clock_base_tsc = corrected_tsc();
	va->clock_base_ns = ns;
	va->clock_offset = ns - ktime_get_boottime_ns();
}

/* The host's TSC turned out to be none to rely on. */
static void leave_steady_clock(struct vmm_vm *vm)
{
	struct vmm_vm_arch *va = &vm->arch;
	unsigned long flags;
	bool was;

	raw_spin_lock_irqsave(&va->clock_lock, flags);
	was = va->clock_stable;
	if (was)
		set_clock_now(va, clock_now(va));
	raw_spin_unlock_irqrestore(&va->clock_lock, flags);
	if (was)
		request_update_all(vm);
}

/* A guest may use any vCPU's page on all of them only if their TSCs are one. */
static bool vcpus_agree(struct vmm_vcpu *self)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	vmm_for_each_vcpu(i, vcpu, self->vm) {
		if (READ_ONCE(vcpu->arch.tsc_sync_offset) != self->arch.tsc_sync_offset ||
		    READ_ONCE(vcpu->arch.tsc_ratio) != self->arch.tsc_ratio)
			return false;
	}
	return true;
}

static void fill_time_info(struct vmm_vcpu *vcpu, struct pvclock_vcpu_time_info *ti)
{
	struct vmm_vm_arch *va = &vcpu->vm->arch;
	bool agree = vcpus_agree(vcpu);
	unsigned long flags;
	u64 tsc;

	raw_spin_lock_irqsave(&va->clock_lock, flags);
	if (va->clock_stable) {
		tsc = va->clock_base_tsc;
		ti->system_time = va->clock_base_ns;
		if (agree)
			ti->flags |= PVCLOCK_TSC_STABLE_BIT;
	} else {
		tsc = corrected_tsc();
		ti->system_time = clock_now(va);
	}
	raw_spin_unlock_irqrestore(&va->clock_lock, flags);
	ti->tsc_timestamp = guest_tsc_at(vcpu, tsc);
	tick_length(vcpu->arch.tsc_ratio == 1ull << vmm_backend->tsc_frac_bits ?
		    va->clock_khz : vcpu->arch.tsc_khz, &ti->tsc_to_system_mul, &ti->tsc_shift);
}

/* The version is odd while the rest is being written. */
static void write_time_info(struct vmm_vcpu *vcpu, gpa_t gpa, struct pvclock_vcpu_time_info *ti)
{
	struct vmm_vm *vm = vcpu->vm;
	u32 *version = &vcpu->arch.pvclock_version;

	ti->version = *version = (*version + 1) | 1;
	if (vmm_write_guest(vm, gpa, &ti->version, sizeof(ti->version)))
		return;
	smp_wmb();
	if (vmm_write_guest(vm, gpa, ti, sizeof(*ti)))
		return;
	smp_wmb();
	ti->version = ++*version;
	vmm_write_guest(vm, gpa, &ti->version, sizeof(ti->version));
}

/**
 * vmm_clock_update() - write this vCPU's clock page, if it has one
 * @vcpu: the vCPU
 *
 * Context: srcu held, loaded, may sleep. A page that is not there is not written.
 */
void vmm_clock_update(struct vmm_vcpu *vcpu)
{
	gpa_t gpa = vcpu->arch.pvclock_msr & ~(u64)VMM_MSR_ENABLED;
	struct pvclock_vcpu_time_info ti;

	if (!(vcpu->arch.pvclock_msr & VMM_MSR_ENABLED) ||
	    vmm_read_guest(vcpu->vm, gpa, &ti, sizeof(ti)))
		return;
	/* The guest clears "stopped" when it has seen it. */
	ti = (struct pvclock_vcpu_time_info) { .flags = ti.flags & PVCLOCK_GUEST_STOPPED };
	if (vcpu->arch.pvclock_paused) {
		ti.flags |= PVCLOCK_GUEST_STOPPED;
		vcpu->arch.pvclock_paused = false;
	}
	fill_time_info(vcpu, &ti);
	write_time_info(vcpu, gpa, &ti);
}

/* What time it was when the clock was 0. srcu held. */
static void write_wall_clock(struct vmm_vm *vm, gpa_t gpa)
{
	struct pvclock_wall_clock wc = {};
	u32 version, nsec;
	u64 ns;

	if (!gpa || vmm_read_guest(vm, gpa, &version, sizeof(version)))
		return;
	version = (version + 1) | 1;
	if (vmm_write_guest(vm, gpa, &version, sizeof(version)))
		return;
	ns = ktime_get_real_ns() - read_clock(vm);
	wc.sec = div_u64_rem(ns, NSEC_PER_SEC, &nsec);
	wc.nsec = nsec;
	wc.version = version;
	smp_wmb();
	if (vmm_write_guest(vm, gpa, &wc, sizeof(wc)))
		return;
	smp_wmb();
	version++;
	vmm_write_guest(vm, gpa, &version, sizeof(version));
}

/* --- creation, and each time a vCPU comes to a CPU --- */

void vmm_clock_vm_init(struct vmm_vm *vm)
{
	unsigned long flags;

	raw_spin_lock_init(&vm->arch.clock_lock);
	vm->arch.clock_khz = tsc_khz;
	vm->arch.default_tsc_khz = tsc_khz;
	raw_spin_lock_irqsave(&vm->arch.clock_lock, flags);
	set_clock_now(&vm->arch, 0);
	raw_spin_unlock_irqrestore(&vm->arch.clock_lock, flags);
}

void vmm_clock_vcpu_init(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	a->tsc_khz = READ_ONCE(vcpu->vm->arch.default_tsc_khz);
	/* The frequency was checked when it was made the default. */
	if (find_ratio(vcpu->vm, a->tsc_khz, &a->tsc_ratio))
		a->tsc_khz = vcpu->vm->arch.clock_khz;
	set_tsc(vcpu, 0);
}

static void adjust_to_host(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	u64 shift = READ_ONCE(vmm_tsc_shift), now;

	if (shift != a->tsc_shift) {
		a->tsc_offset = a->tsc_sync_offset + scale_tsc(shift, a->tsc_ratio);
		a->tsc_shift = shift;
		regs_dirty(vcpu, VMM_G_TSC);
	}
	if (tsc_steady())
		return;
	if (READ_ONCE(vcpu->vm->arch.clock_stable))
		leave_steady_clock(vcpu->vm);
	/* Never let the guest see its TSC go back. */
	now = rdtsc();
	if (now < a->last_host_tsc) {
		u64 delta = scale_tsc(a->last_host_tsc - now, a->tsc_ratio);

		a->tsc_offset += delta;
		WRITE_ONCE(a->tsc_sync_offset, a->tsc_sync_offset + delta);
		regs_dirty(vcpu, VMM_G_TSC);
	}
	vmm_request(vcpu, VMM_REQ_CLOCK_UPDATE);
}

/* Preemption off. On another CPU, or when arch.tsc_shift is not the host's. */
void vmm_clock_load(struct vmm_vcpu *vcpu, int cpu)
{
	adjust_to_host(vcpu);
}

void vmm_clock_put(struct vmm_vcpu *vcpu)
{
	if (likely(tsc_steady()))
		return;
	vcpu->arch.last_host_tsc = rdtsc();
	/* No such shift: the next load looks again, on this CPU too. */
	vcpu->arch.tsc_shift = ~0ull;
}

/* --- MSRs --- */

/* The clock has two pairs of MSRs, each with a feature bit. */
static bool may_use_clock(struct vmm_vcpu *vcpu, u32 msr)
{
	bool old = msr == MSR_VMM_WALL_CLOCK || msr == MSR_VMM_SYSTEM_TIME;

	return vmm_guest_may_use(vcpu, old ? VMM_FEATURE_CLOCKSOURCE : VMM_FEATURE_CLOCKSOURCE2);
}

int vmm_clock_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	switch (msr) {
	case MSR_IA32_TSC:
		*value = vmm_guest_tsc(vcpu, rdtsc());
		return 0;
	case MSR_IA32_TSC_ADJUST:
		if (!host && !vmm_guest_has(vcpu, X86_FEATURE_TSC_ADJUST))
			return 1;
		*value = vcpu->arch.tsc_adjust;
		return 0;
	case MSR_VMM_WALL_CLOCK:
	case MSR_VMM_WALL_CLOCK_NEW:
		if (!host && !may_use_clock(vcpu, msr))
			return 1;
		*value = READ_ONCE(vcpu->vm->arch.wall_clock_msr);
		return 0;
	case MSR_VMM_SYSTEM_TIME:
	case MSR_VMM_SYSTEM_TIME_NEW:
		if (!host && !may_use_clock(vcpu, msr))
			return 1;
		*value = vcpu->arch.pvclock_msr;
		return 0;
	}
	return -1;
}

int vmm_clock_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	switch (msr) {
	case MSR_IA32_TSC:
		vmm_write_tsc(vcpu, value, host);
		return 0;
	case MSR_IA32_TSC_ADJUST:
		if (!host && !vmm_guest_has(vcpu, X86_FEATURE_TSC_ADJUST))
			return 1;
		write_tsc_adjust(vcpu, value, host);
		return 0;
	case MSR_VMM_WALL_CLOCK:
	case MSR_VMM_WALL_CLOCK_NEW:
		if (!host && !may_use_clock(vcpu, msr))
			return 1;
		WRITE_ONCE(vcpu->vm->arch.wall_clock_msr, value);
		write_wall_clock(vcpu->vm, value);
		return 0;
	case MSR_VMM_SYSTEM_TIME:
	case MSR_VMM_SYSTEM_TIME_NEW:
		if (!host && !may_use_clock(vcpu, msr))
			return 1;
		vcpu->arch.pvclock_msr = value;
		vmm_request(vcpu, VMM_REQ_CLOCK_UPDATE);
		return 0;
	}
	return -1;
}

/* --- ioctls --- */

static long get_clock(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_vm_arch *va = &vm->arch;
	struct vmm_clock_data data = {};
	unsigned long flags;

	raw_spin_lock_irqsave(&va->clock_lock, flags);
	if (va->clock_stable) {
		data.host_tsc = rdtsc();
		data.realtime = ktime_get_real_ns();
		data.clock = steady_clock(va, data.host_tsc + READ_ONCE(vmm_tsc_shift));
		data.flags = VMM_CLOCK_TSC_STABLE | VMM_CLOCK_REALTIME | VMM_CLOCK_HOST_TSC;
	} else {
		data.clock = clock_now(va);
	}
	raw_spin_unlock_irqrestore(&va->clock_lock, flags);
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}

/* What GET_CLOCK flags is accepted; only REALTIME has an effect. */
static long set_clock(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_vm_arch *va = &vm->arch;
	struct vmm_clock_data data;
	unsigned long flags;
	u64 now;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	if (data.flags & ~(VMM_CLOCK_TSC_STABLE | VMM_CLOCK_REALTIME | VMM_CLOCK_HOST_TSC))
		return -EINVAL;
	raw_spin_lock_irqsave(&va->clock_lock, flags);
	if (data.flags & VMM_CLOCK_REALTIME) {
		/* The clock went on since it was read, be it on another host. */
		now = ktime_get_real_ns();
		if (now > data.realtime)
			data.clock += now - data.realtime;
	}
	set_clock_now(va, data.clock);
	raw_spin_unlock_irqrestore(&va->clock_lock, flags);
	request_update_all(vm);
	return 0;
}

static long set_vm_khz(struct vmm_vm *vm, unsigned long arg)
{
	u32 khz = arg ? arg : vm->arch.clock_khz;
	u64 ratio;

	if (arg > MAX_KHZ || find_ratio(vm, khz, &ratio))
		return -EINVAL;
	WRITE_ONCE(vm->arch.default_tsc_khz, khz);
	return 0;
}

/**
 * vmm_clock_vm_ioctl() - VMM_GET_CLOCK, VMM_SET_CLOCK, VMM_GET_TSC_KHZ, VMM_SET_TSC_KHZ
 * @vm: the VM
 * @nr: which of them
 * @arg: struct vmm_clock_data in user space, or the frequency itself
 *
 * Return: 0 or the frequency; -EFAULT; -EINVAL for an unknown flag or a frequency
 * that the CPU cannot give.
 */
long vmm_clock_vm_ioctl(struct vmm_vm *vm, unsigned int nr, void __user *arg)
{
	switch (nr) {
	case VMM_GET_CLOCK:
		return get_clock(vm, arg);
	case VMM_SET_CLOCK:
		return set_clock(vm, arg);
	case VMM_GET_TSC_KHZ:
		return READ_ONCE(vm->arch.default_tsc_khz);
	case VMM_SET_TSC_KHZ:
		return set_vm_khz(vm, (unsigned long)arg);
	default:
		return -ENOTTY;
	}
}

/**
 * vmm_clock_vcpu_ioctl() - VMM_GET_TSC_KHZ, VMM_SET_TSC_KHZ, VMM_KVMCLOCK_CTRL
 * @vcpu: the vCPU, loaded
 * @nr: which of them
 * @arg: the frequency
 *
 * Return: 0 or the frequency; -EIO for VMM_GET_TSC_KHZ if the host's TSC is
 * unstable; -EINVAL for a frequency that the CPU cannot give, and for
 * VMM_KVMCLOCK_CTRL if the guest has not enabled its clock.
 */
long vmm_clock_vcpu_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, unsigned long arg)
{
	switch (nr) {
	case VMM_GET_TSC_KHZ:
		return check_tsc_unstable() ? -EIO : vcpu->arch.tsc_khz;
	case VMM_SET_TSC_KHZ:
		return set_vcpu_khz(vcpu, arg);
	case VMM_KVMCLOCK_CTRL:
		if (!(vcpu->arch.pvclock_msr & VMM_MSR_ENABLED))
			return -EINVAL;
		vcpu->arch.pvclock_paused = true;
		vmm_request(vcpu, VMM_REQ_CLOCK_UPDATE);
		return 0;
	default:
		return -ENOTTY;
	}
}
