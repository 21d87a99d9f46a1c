// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's FPU: its state in memory, XCR0, IA32_XSS and PKRU around entries,
 * and the ioctls VMM_{GET,SET}_{FPU,XSAVE,XCRS}.
 *
 * The host kernel owns the registers. VMM_RUN hands it the guest's fpstate in
 * exchange for the task's own (vmm_fpu_load_guest()) and back at its end, so
 * within VMM_RUN the kernel saves and restores guest state when it switches
 * tasks or uses the FPU itself; outside VMM_RUN the state is in memory, where
 * the ioctls find it. What the kernel does not switch is done here, with
 * interrupts off around each entry, and only where guest and host differ.
 *
 * Components that need the task's permission (AMX) are not offered, so the
 * fpstate never grows. Guarded by vcpu->mutex.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/asm.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/xstate.h>
#include <asm/pkru.h>

#include <vmm/compat.h>
#include <vmm/x86.h>

#define XCR0_AVX512	(XFEATURE_MASK_OPMASK | XFEATURE_MASK_ZMM_Hi256 | XFEATURE_MASK_Hi16_ZMM)
#define XCR0_OFFERED	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XCR0_AVX512 | XFEATURE_MASK_PKRU)

/* Set once, when a backend registers. */
static u64 host_xcr0, host_xss, supported_xcr0;
static struct {
	u32 size, offset;
	bool aligned;		/* to 64 bytes in the compacted format */
} components[64];

#define LEGACY_AND_HEADER	(512 + 64)

/* The kernel uses XSAVES, and does nothing about the registers besides. */
static bool swap_is_simple;

void vmm_fpu_setup(void)
{
	u32 eax, ebx, ecx, edx;
	unsigned int i;

	host_xcr0 = XFEATURE_MASK_FPSSE;
	if (boot_cpu_has(X86_FEATURE_OSXSAVE)) {
		host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
		for (i = 2; i < 63; i++) {
			cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
			components[i].size = eax;
			components[i].offset = ebx;
			components[i].aligned = ecx & BIT(1);
		}
	}
	swap_is_simple = boot_cpu_has(X86_FEATURE_XSAVES) && !boot_cpu_has_bug(X86_BUG_FXSAVE_LEAK);
	host_xss = 0;
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, host_xss);
	supported_xcr0 = host_xcr0 & XCR0_OFFERED;
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		supported_xcr0 &= ~(u64)XFEATURE_MASK_PKRU;
}

u64 vmm_supported_xcr0(void)
{
	return supported_xcr0;
}

u32 vmm_xstate_size(u64 mask, bool compacted)
{
	u32 size = LEGACY_AND_HEADER;
	unsigned int i;

	for (i = 2; i < 63; i++) {
		if (!(mask & BIT_ULL(i)))
			continue;
		if (!compacted) {
			size = max(size, components[i].offset + components[i].size);
			continue;
		}
		if (components[i].aligned)
			size = ALIGN(size, 64);
		size += components[i].size;
	}
	return size;
}

/* VMM_CAP_XSAVE2: bytes that VMM_GET_XSAVE2 writes and VMM_SET_XSAVE reads. */
long vmm_xsave_size(struct vmm_vm *vm)
{
	return max_t(long, sizeof(struct vmm_xsave), vmm_xstate_size(supported_xcr0, false));
}

/* --- allocation --- */

int vmm_fpu_init(struct vmm_vcpu *vcpu)
{
	return fpu_alloc_guest_fpstate(&vcpu->arch.fpu) ? 0 : -ENOMEM;
}

void vmm_fpu_free(struct vmm_vcpu *vcpu)
{
	fpu_free_guest_fpstate(&vcpu->arch.fpu);
}

/* Power-up. INIT leaves all of this as it is. The fpstate is new, so initialized. */
void vmm_fpu_reset(struct vmm_vcpu *vcpu)
{
	vcpu->arch.xcr0 = XFEATURE_MASK_FP;
	vcpu->arch.xss = 0;
	vcpu->arch.pkru = 0;
	vmm_xstate_update(vcpu);
}

/* --- around VMM_RUN and around each entry --- */

/* To the kernel's format, and for the components that the task is to have. */
static __always_inline void save_registers(struct fpu *fpu, struct fpstate *state)
{
	struct xregs_state *x = &state->regs.xsave;

	asm volatile("xsaves64 %0" : "=m" (*x) : "m" (*x), "a" ((u32)state->xfeatures),
		     "d" (state->xfeatures >> 32) : "memory");
	/* The kernel tells user space who slows a CPU down. */
	if (unlikely(x->header.xfeatures & XFEATURE_MASK_AVX512))
		fpu->avx512_timestamp = jiffies;
}

/* Of all components: those that the task does not have become initial. */
static __always_inline void load_registers(const struct fpstate *state)
{
	asm volatile("1: xrstors64 %0\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_FPU_RESTORE)
		     : : "m" (state->regs.xsave), "a" ((u32)XFEATURE_MASK_FPSTATE),
		       "d" ((u32)((u64)XFEATURE_MASK_FPSTATE >> 32)) : "memory");
}

/*
 * What fpu_swap_kvm_fpstate() does, where it comes down to this: the registers are
 * the task's and stay so, as the kernel sees it, only fpu->fpstate says which of
 * its two states is in them. Interrupts are off, because one may use the FPU.
 */
static __always_inline void swap_state(struct vmm_vcpu *vcpu, bool enter)
{
	struct fpstate *guest = vcpu->arch.fpu.fpstate;
	struct fpu *fpu = vmm_task_fpu();
	struct fpstate *from = fpu->fpstate, *to = enter ? guest : fpu->__task_fpstate;

	if (unlikely(!swap_is_simple || test_thread_flag(TIF_NEED_FPU_LOAD) ||
		     from->xfd != to->xfd)) {
		local_irq_enable();
		fpu_swap_kvm_fpstate(&vcpu->arch.fpu, enter);
		local_irq_disable();
		return;
	}
	save_registers(fpu, from);
	fpu->__task_fpstate = enter ? from : NULL;
	fpu->fpstate = to;
	guest->in_use = enter;
	load_registers(to);
}

void vmm_fpu_load_guest(struct vmm_vcpu *vcpu)
{
	local_irq_disable();
	swap_state(vcpu, true);
	vcpu->arch.fpu_loaded = true;
	vmm_msr_load_guest(vcpu);
	local_irq_enable();
}

void vmm_fpu_put_guest(struct vmm_vcpu *vcpu)
{
	local_irq_disable();
	vcpu->arch.fpu_loaded = false;
	swap_state(vcpu, false);
	local_irq_enable();
}

/*
 * Without CR4.OSXSAVE a guest can neither read XCR0 nor use what it enables;
 * without CR4.PKE and without the XSAVE component it cannot reach PKRU.
 */
void vmm_xstate_update(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	u64 cr4 = vcpu_cr4(vcpu);
	bool osxsave = cr4 & X86_CR4_OSXSAVE;
	u8 what = 0;

	if (osxsave && boot_cpu_has(X86_FEATURE_OSXSAVE)) {
		if (a->xcr0 != host_xcr0)
			what |= VMM_XSWITCH_XCR0;
		if (a->xss != host_xss && (vmm_backend->caps & VMM_BCAP_XSAVES))
			what |= VMM_XSWITCH_XSS;
		if (vmm_backend->caps & VMM_BCAP_XSETBV_LOST)
			what |= VMM_XSWITCH_LOST;
	}
	if (boot_cpu_has(X86_FEATURE_OSPKE) &&
	    ((cr4 & X86_CR4_PKE) || (osxsave && (a->xcr0 & XFEATURE_MASK_PKRU))))
		what |= VMM_XSWITCH_PKRU;
	a->xstate_switch = what;
}

/* Interrupts off, about to enter. */
void vmm_xstate_switch_to_guest(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	if (a->xstate_switch & VMM_XSWITCH_XCR0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, a->xcr0);
	if (a->xstate_switch & VMM_XSWITCH_XSS)
		wrmsrl(MSR_IA32_XSS, a->xss);
	if (a->xstate_switch & VMM_XSWITCH_PKRU) {
		a->host_pkru = rdpkru();
		if (a->pkru != a->host_pkru)
			wrpkru(a->pkru);
	}
}

/* Combinations that XSETBV accepts (SDM 13.3, APM 11.5.2), of the offered bits. */
static bool xcr0_valid(u64 xcr0)
{
	if (!(xcr0 & XFEATURE_MASK_FP))
		return false;
	if ((xcr0 & XFEATURE_MASK_YMM) && !(xcr0 & XFEATURE_MASK_SSE))
		return false;
	if (xcr0 & XCR0_AVX512)
		return (xcr0 & XCR0_AVX512) == XCR0_AVX512 && (xcr0 & XFEATURE_MASK_YMM);
	return true;
}

/*
 * The guest executed XSETBV and no exit told of it. The CPU has checked the
 * value against itself; what the guest's CPUID does not show is taken away. If
 * no value of XCR0 is left then, because user space made up that CPUID, the old
 * one stays: the next entry loads it, and the CPU must not refuse it there.
 */
static void take_over_xcr0(struct vmm_vcpu *vcpu, u64 xcr0)
{
	xcr0 &= vcpu->arch.cpuid.xcr0_allowed | XFEATURE_MASK_FP;
	if (!xcr0_valid(xcr0))
		return;
	vcpu->arch.xcr0 = xcr0;
	vmm_xstate_update(vcpu);
}

/* Interrupts off, after an exit. */
void vmm_xstate_switch_to_host(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	u8 what = a->xstate_switch;

	if (what & VMM_XSWITCH_PKRU) {
		a->pkru = rdpkru();
		if (a->pkru != a->host_pkru)
			wrpkru(a->host_pkru);
	}
	if (what & VMM_XSWITCH_XSS)
		wrmsrl(MSR_IA32_XSS, host_xss);
	if (what & VMM_XSWITCH_LOST) {
		u64 real = xgetbv(XCR_XFEATURE_ENABLED_MASK);

		if (real != host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
		if (real != a->xcr0)
			take_over_xcr0(vcpu, real);
	} else if (what & VMM_XSWITCH_XCR0) {
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	}
}

/* --- XCR0 --- */

/* 0, or 1: a value that raises #GP. */
int vmm_set_xcr0(struct vmm_vcpu *vcpu, u64 xcr0)
{
	if (!xcr0_valid(xcr0) ||
	    (xcr0 & ~(vcpu->arch.cpuid.xcr0_allowed | XFEATURE_MASK_FP)))
		return 1;
	vcpu->arch.xcr0 = xcr0;
	vmm_xstate_update(vcpu);
	return 0;
}

int vmm_handle_xsetbv(struct vmm_vcpu *vcpu)
{
	u64 *gpr = vcpu->arch.gpr;
	u64 value = (u32)gpr[GPR_RAX] | gpr[GPR_RDX] << 32;

	if (!(vcpu_cr4(vcpu) & X86_CR4_OSXSAVE)) {
		vmm_inject_ud(vcpu);
		return VMM_RESUME;
	}
	if (vcpu_cpl(vcpu) || (u32)gpr[GPR_RCX] != XCR_XFEATURE_ENABLED_MASK ||
	    vmm_set_xcr0(vcpu, value)) {
		vmm_inject_gp(vcpu);
		return VMM_RESUME;
	}
	return vmm_skip_insn(vcpu);
}

static long get_xcrs(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_xcrs xcrs = {};

	if (boot_cpu_has(X86_FEATURE_OSXSAVE)) {
		xcrs.nr_xcrs = 1;
		xcrs.xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
		xcrs.xcrs[0].value = vcpu->arch.xcr0;
	}
	return copy_to_user(arg, &xcrs, sizeof(xcrs)) ? -EFAULT : 0;
}

static long set_xcrs(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_xcrs xcrs;
	unsigned int i;

	if (copy_from_user(&xcrs, arg, sizeof(xcrs)))
		return -EFAULT;
	if (!boot_cpu_has(X86_FEATURE_OSXSAVE) || xcrs.flags || xcrs.nr_xcrs > VMM_MAX_XCRS)
		return -EINVAL;
	for (i = 0; i < xcrs.nr_xcrs; i++) {
		if (xcrs.xcrs[i].xcr == XCR_XFEATURE_ENABLED_MASK)
			return vmm_set_xcr0(vcpu, xcrs.xcrs[i].value) ? -EINVAL : 0;
	}
	return 0;
}

/* --- the state in memory; not while VMM_RUN has it --- */

static u32 uabi_size(struct vmm_vcpu *vcpu)
{
	return max_t(u32, sizeof(struct vmm_xsave), vcpu->arch.fpu.uabi_size);
}

/* In the standard format. Components that the guest cannot have are left out. */
static void *state_to_uabi(struct vmm_vcpu *vcpu, u32 size)
{
	void *buf = kvzalloc(size, GFP_KERNEL_ACCOUNT);

	if (buf)
		fpu_copy_guest_fpstate_to_uabi(&vcpu->arch.fpu, buf, size,
					       vcpu->arch.cpuid.xcr0_allowed | XFEATURE_MASK_FPSSE,
					       vcpu->arch.pkru);
	return buf;
}

static int uabi_to_state(struct vmm_vcpu *vcpu, const void *buf)
{
	return fpu_copy_uabi_to_guest_fpstate(&vcpu->arch.fpu, buf, supported_xcr0,
					      &vcpu->arch.pkru);
}

static long get_xsave(struct vmm_vcpu *vcpu, void __user *arg, u32 size)
{
	void *buf = state_to_uabi(vcpu, size);
	long r;

	if (!buf)
		return -ENOMEM;
	r = copy_to_user(arg, buf, size) ? -EFAULT : 0;
	kvfree(buf);
	return r;
}

static long set_xsave(struct vmm_vcpu *vcpu, void __user *arg)
{
	void *buf = vmemdup_user(arg, uabi_size(vcpu));
	long r;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	r = uabi_to_state(vcpu, buf);
	kvfree(buf);
	return r;
}

/*
 * The registers of FXSAVE, by way of the standard format: in the kernel's own
 * buffer a component in its initial state need not have been written.
 */
static long get_fpu(struct vmm_vcpu *vcpu, void __user *arg)
{
	union fpregs_state *state = state_to_uabi(vcpu, uabi_size(vcpu));
	struct fxregs_state *fx;
	struct vmm_fpu *fpu;
	long r = -ENOMEM;

	fpu = kzalloc(sizeof(*fpu), GFP_KERNEL_ACCOUNT);
	if (!state || !fpu)
		goto out;
	fx = &state->fxsave;
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->mxcsr = fx->mxcsr;
	r = copy_to_user(arg, fpu, sizeof(*fpu)) ? -EFAULT : 0;
out:
	kfree(fpu);
	kvfree(state);
	return r;
}

static long set_fpu(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_fpu *fpu = memdup_user(arg, sizeof(*fpu));
	union fpregs_state *state;
	struct fxregs_state *fx;
	long r;

	if (IS_ERR(fpu))
		return PTR_ERR(fpu);
	state = state_to_uabi(vcpu, uabi_size(vcpu));
	if (!state) {
		kfree(fpu);
		return -ENOMEM;
	}
	fx = &state->fxsave;
	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->mxcsr = fpu->mxcsr;
	state->xsave.header.xfeatures |= XFEATURE_MASK_FPSSE;
	r = uabi_to_state(vcpu, state);
	kvfree(state);
	kfree(fpu);
	return r;
}

/**
 * vmm_fpu_ioctl() - VMM_{GET,SET}_{FPU,XSAVE,XCRS}, VMM_GET_XSAVE2
 * @vcpu: the vCPU, not in VMM_RUN
 * @nr: which of them
 * @arg: its struct in user space
 *
 * Return: 0; -EFAULT, -ENOMEM; -EINVAL for reserved MXCSR bits, XSAVE components
 * or header bits that this host does not have, an invalid XCR0, a flag, too
 * many XCRs, or VMM_GET_XSAVE where 4096 bytes are not enough.
 */
long vmm_fpu_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg)
{
	switch (nr) {
	case VMM_GET_FPU:
		return get_fpu(vcpu, arg);
	case VMM_SET_FPU:
		return set_fpu(vcpu, arg);
	case VMM_GET_XSAVE:
		if (uabi_size(vcpu) > sizeof(struct vmm_xsave))
			return -EINVAL;
		return get_xsave(vcpu, arg, sizeof(struct vmm_xsave));
	case VMM_GET_XSAVE2:
		return get_xsave(vcpu, arg, uabi_size(vcpu));
	case VMM_SET_XSAVE:
		return set_xsave(vcpu, arg);
	case VMM_GET_XCRS:
		return get_xcrs(vcpu, arg);
	case VMM_SET_XCRS:
		return set_xcrs(vcpu, arg);
	default:
		return -ENOTTY;
	}
}

/* --- vector registers, for the emulator --- */

#define FOR_16(X, a)								\
	X(0, a) X(1, a) X(2, a) X(3, a) X(4, a) X(5, a) X(6, a) X(7, a)		\
	X(8, a) X(9, a) X(10, a) X(11, a) X(12, a) X(13, a) X(14, a) X(15, a)
#define FOR_16_TO_31(X, a)							\
	X(16, a) X(17, a) X(18, a) X(19, a) X(20, a) X(21, a) X(22, a) X(23, a)	\
	X(24, a) X(25, a) X(26, a) X(27, a) X(28, a) X(29, a) X(30, a) X(31, a)

struct vec { u8 b[64]; };

#define STORE(n, r)	case n: asm volatile("vmovups %%" #r #n ", %0" : "=m" (*v)); break;
#define LOAD(n, r)	case n: asm volatile("vmovups %0, %%" #r #n : : "m" (*v)); break;
#define STORE_SSE(n, r)	case n: asm volatile("movups %%" #r #n ", %0" : "=m" (*v)); break;
#define LOAD_SSE(n, r)	case n: asm volatile("movups %0, %%" #r #n : : "m" (*v)); break;

static void store_xmm(unsigned int reg, struct vec *v)
{
	switch (reg) { FOR_16(STORE_SSE, xmm) }
}

static void store_ymm(unsigned int reg, struct vec *v)
{
	switch (reg) { FOR_16(STORE, ymm) }
}

static void store_zmm(unsigned int reg, struct vec *v)
{
	switch (reg) { FOR_16(STORE, zmm) FOR_16_TO_31(STORE, zmm) }
}

static void load_xmm(unsigned int reg, const struct vec *v)
{
	switch (reg) { FOR_16(LOAD_SSE, xmm) }
}

static void load_ymm(unsigned int reg, const struct vec *v)
{
	switch (reg) { FOR_16(LOAD, ymm) }
}

static void load_zmm(unsigned int reg, const struct vec *v)
{
	switch (reg) { FOR_16(LOAD, zmm) FOR_16_TO_31(LOAD, zmm) }
}

/* How wide the CPU's vector registers are now: under the host's XCR0. */
static unsigned int vector_width(void)
{
	if ((host_xcr0 & XCR0_AVX512) == XCR0_AVX512 && boot_cpu_has(X86_FEATURE_AVX512F))
		return 64;
	if ((host_xcr0 & XFEATURE_MASK_YMM) && boot_cpu_has(X86_FEATURE_AVX))
		return 32;
	return 16;
}

static bool vec_exists(unsigned int reg, unsigned int size, unsigned int width)
{
	return size <= width && reg < (width == 64 ? 32 : 16);
}

/* The registers hold the guest's values until fpregs_unlock(). */
static void lock_guest_registers(void)
{
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

static void read_register(unsigned int reg, struct vec *v, unsigned int width)
{
	if (width == 64)
		store_zmm(reg, v);
	else if (width == 32)
		store_ymm(reg, v);
	else
		store_xmm(reg, v);
}

int vmm_fpu_read_vec(struct vmm_vcpu *vcpu, unsigned int reg, void *buf, unsigned int size)
{
	unsigned int width = vector_width();
	struct vec v;

	if (!vec_exists(reg, size, width))
		return 1;
	lock_guest_registers();
	read_register(reg, &v, width);
	fpregs_unlock();
	memcpy(buf, &v, size);
	return 0;
}

int vmm_fpu_write_vec(struct vmm_vcpu *vcpu, unsigned int reg, const void *buf,
		      unsigned int size, bool zero_upper)
{
	unsigned int width = vector_width();
	struct vec v;

	if (!vec_exists(reg, size, width))
		return 1;
	lock_guest_registers();
	if (zero_upper)
		memset(&v, 0, sizeof(v));
	else
		read_register(reg, &v, width);
	memcpy(&v, buf, size);
	if (width == 64)
		load_zmm(reg, &v);
	else if (width == 32)
		load_ymm(reg, &v);
	else
		load_xmm(reg, &v);
	fpregs_unlock();
	return 0;
}
