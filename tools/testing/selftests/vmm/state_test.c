// SPDX-License-Identifier: GPL-2.0
/*
 * state_test.c - every part of a vCPU's state goes in and comes out the same,
 * reaches the guest, and is refused when it makes no sense.
 */
#include "vmm_test.h"

static void fill(void *p, size_t size, uint8_t seed)
{
	uint8_t *b = p;
	size_t i;

	for (i = 0; i < size; i++)
		b[i] = seed + i * 13;
}

static struct vcpu *new_vcpu(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_set_mode(vcpu, MODE_LONG);
	return vcpu;
}

/* ---- After creation: the state after a reset ---- */

KTAP_TEST(reset_state)
{
	struct vcpu *vcpu = vcpu_create(vm_create_size(0), 0);
	struct vmm_mp_state mp;
	struct vmm_sregs s;
	struct vmm_regs r;

	vcpu_get_regs(vcpu, &r);
	vcpu_get_sregs(vcpu, &s);
	CHECK_EQ(r.rip, 0xfff0);
	CHECK_EQ(r.rflags, 2);
	CHECK_EQ(r.rax | r.rbx | r.rcx | r.rsi | r.rdi | r.rsp | r.rbp, 0);
	CHECK_EQ(r.rdx, 0x600);
	CHECK_EQ(s.cs.selector, 0xf000);
	CHECK_EQ(s.cs.base, 0xffff0000);
	CHECK_EQ(s.cs.limit, 0xffff);
	CHECK_EQ(s.ds.limit, 0xffff);
	CHECK_EQ(s.cr0, 0x60000010);
	CHECK_EQ(s.cr3 | s.cr4 | s.efer, 0);
	CHECK_EQ(s.idt.limit, 0xffff);
	CHECK_EQ(s.gdt.limit, 0xffff);
	/* The boot processor, enabled, at the usual place. */
	CHECK_EQ(s.apic_base, 0xfee00900);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, VMM_MP_STATE_RUNNABLE);
}

KTAP_TEST(second_vcpu_is_no_boot_processor)
{
	struct vm *vm = vm_create_size(0);
	struct vmm_sregs s;
	struct vcpu *vcpu;

	vcpu_create(vm, 0);
	vcpu = vcpu_create(vm, 1);
	vcpu_get_sregs(vcpu, &s);
	CHECK_EQ(s.apic_base, 0xfee00800);
}

/* ---- General registers ---- */

GUEST64(rotate,		/* each register takes its neighbour's value */
	xchg %rax, %rbx; xchg %rbx, %rcx; xchg %rcx, %rdx; xchg %rdx, %rsi;
	xchg %rsi, %rdi; xchg %rdi, %rbp; xchg %rbp, %r8; xchg %r8, %r9;
	xchg %r9, %r10; xchg %r10, %r11; xchg %r11, %r12; xchg %r12, %r13;
	xchg %r13, %r14; xchg %r14, %r15;
	hlt);

KTAP_TEST(regs_round_trip)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rotate);
	struct vmm_regs in, out;

	vcpu_get_regs(vcpu, &in);
	fill(&in, offsetof(struct vmm_regs, rip), 1);
	in.rflags = X86_FLAGS_FIXED | 1 | 0x40 | 0x800;
	vcpu_set_regs(vcpu, &in);
	vcpu_get_regs(vcpu, &out);
	CHECK(!memcmp(&in, &out, sizeof(in)));

	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &out);
	CHECK_EQ(out.rax, in.rbx);
	CHECK_EQ(out.rbx, in.rcx);
	CHECK_EQ(out.rcx, in.rdx);
	CHECK_EQ(out.rdx, in.rsi);
	CHECK_EQ(out.rsi, in.rdi);
	CHECK_EQ(out.rdi, in.rbp);
	CHECK_EQ(out.rbp, in.r8);
	CHECK_EQ(out.r8, in.r9);
	CHECK_EQ(out.r14, in.r15);
	CHECK_EQ(out.r15, in.rax);
	CHECK_EQ(out.rsp, in.rsp);
	CHECK_EQ(out.rflags, in.rflags);
}

KTAP_TEST(rflags_bit_1_is_always_set)
{
	struct vcpu *vcpu = new_vcpu();
	struct vmm_regs r;

	vcpu_get_regs(vcpu, &r);
	r.rflags = 0;
	vcpu_set_regs(vcpu, &r);
	vcpu_get_regs(vcpu, &r);
	CHECK_EQ(r.rflags, X86_FLAGS_FIXED);
}

/* ---- Special registers ---- */

KTAP_TEST(sregs_round_trip)
{
	struct vcpu *vcpu = new_vcpu();
	struct vmm_sregs in, out;

	vcpu_get_sregs(vcpu, &in);
	in.fs.base = 0x123456789000;
	in.gs.base = 0xffff888000000000;
	in.fs.selector = 0x33;
	in.gdt.base = 0xfffffe0000001000;
	in.gdt.limit = 0x7f;
	in.idt.base = 0xfffffe0000000000;
	in.idt.limit = 0xfff;
	in.ldt = (struct vmm_segment) {
		.base = 0x5000, .limit = 0x17, .selector = 0x48, .type = 2, .present = 1,
	};
	in.cr2 = 0xdeadbeefcafe;
	in.cr3 = 0x7000;
	in.cr8 = 7;
	in.efer |= X86_EFER_SCE | X86_EFER_NX;
	vcpu_set_sregs(vcpu, &in);
	vcpu_get_sregs(vcpu, &out);
#define SAME(f) CHECK_EQ(out.f, in.f)
	SAME(fs.base); SAME(gs.base); SAME(fs.selector); SAME(gdt.base);
	SAME(gdt.limit); SAME(idt.base); SAME(idt.limit); SAME(ldt.base);
	SAME(ldt.limit); SAME(ldt.selector); SAME(ldt.type); SAME(cr0); SAME(cr2);
	SAME(cr3); SAME(cr4); SAME(cr8); SAME(efer); SAME(apic_base);
	SAME(cs.base); SAME(cs.limit); SAME(cs.selector); SAME(cs.type); SAME(cs.l);
	SAME(cs.db); SAME(cs.present); SAME(cs.dpl); SAME(cs.s); SAME(cs.g);
	SAME(ss.selector); SAME(ss.type); SAME(ss.dpl); SAME(tr.base); SAME(tr.limit);
	SAME(tr.type); SAME(tr.selector); SAME(ds.unusable);
#undef SAME
}

/* A null selector is unusable, and that is kept apart from its other fields. */
KTAP_TEST(unusable_segment)
{
	struct vcpu *vcpu = new_vcpu();
	struct vmm_sregs in, out;

	vcpu_get_sregs(vcpu, &in);
	in.es = (struct vmm_segment) { .unusable = 1 };
	in.ldt = (struct vmm_segment) { .unusable = 1 };
	vcpu_set_sregs(vcpu, &in);
	vcpu_get_sregs(vcpu, &out);
	CHECK_EQ(out.es.unusable, 1);
	CHECK_EQ(out.es.present, 0);
	CHECK_EQ(out.ldt.unusable, 1);
	CHECK_EQ(out.ds.unusable, 0);
}

KTAP_TEST(sregs_that_make_no_sense)
{
	struct vcpu *vcpu = new_vcpu();
	struct vmm_sregs good, s;

	vcpu_get_sregs(vcpu, &good);
#define REFUSED(change)								\
	do {									\
		s = good;							\
		change;								\
		CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SREGS, &s), EINVAL);		\
	} while (0)
	REFUSED(s.cr4 |= 1UL << 31);			/* reserved */
	REFUSED(s.cr4 &= ~X86_CR4_PAE);			/* long mode without PAE */
	REFUSED(s.efer &= ~X86_EFER_LMA);		/* paging + LME, not LMA */
	if (vmm_is_vmm())	/* KVM finds out when the CPU refuses it */
		REFUSED(s.efer |= 1UL << 1);		/* reserved */
	REFUSED(s.cr3 |= 1UL << 60);			/* beyond any address */
	REFUSED(s.cs.l = 1; s.cs.db = 1; s.efer &= ~(X86_EFER_LMA | X86_EFER_LME));
	REFUSED(s.apic_base |= 1UL << 60);
#undef REFUSED
	/* Nothing of it stuck. */
	vcpu_get_sregs(vcpu, &s);
	CHECK_EQ(s.cr4, good.cr4);
	CHECK_EQ(s.efer, good.efer);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_SREGS, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_SREGS, NULL), EFAULT);
}

/* CR2 reaches the guest and comes back. */
GUEST64(swap_cr2, mov %cr2, %rax; mov $0x1234, %ebx; mov %rbx, %cr2; hlt);

KTAP_TEST(cr2_reaches_the_guest)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, swap_cr2);
	struct vmm_sregs s;
	struct vmm_regs r;

	vcpu_get_sregs(vcpu, &s);
	s.cr2 = 0xabcdef;
	vcpu_set_sregs(vcpu, &s);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &r);
	vcpu_get_sregs(vcpu, &s);
	CHECK_EQ(r.rax, 0xabcdef);
	CHECK_EQ(s.cr2, 0x1234);
}

/* ---- FPU and XSAVE ---- */

GUEST64(touch_fpu, mov $1, %eax; movq %rax, %xmm15; fld1; hlt);
GUEST64(use_fpu,
	movq %xmm3, %rax;
	mov $0x7777, %ebx; movq %rbx, %xmm4;
	fldpi;
	hlt);

static void test_fpu(struct vcpu *vcpu)
{
	struct vmm_fpu in, out;
	struct vmm_regs r;

	CHECK_OK(ioctl(vcpu->fd, VMM_GET_FPU, &in));
	CHECK_EQ(in.fcw, 0x37f);
	memset(in.fpr, 0, sizeof(in.fpr));
	fill(in.xmm, sizeof(in.xmm), 9);
	in.fcw = 0x27f;
	in.fsw = 0x3800;	/* top of stack 7 */
	in.ftwx = 0x80;
	memcpy(in.fpr[0], "\0\0\0\0\0\0\0\x80\xff\x3f", 10);	/* 1.0 */
	in.last_opcode = 0x123;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_FPU, &in));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_FPU, &out));
	CHECK(!memcmp(in.xmm, out.xmm, sizeof(in.xmm)));
	CHECK(!memcmp(in.fpr[0], out.fpr[0], 10));
	CHECK_EQ(out.fcw, 0x27f);
	CHECK_EQ(out.fsw, 0x3800);
	CHECK_EQ(out.ftwx, 0x80);

	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &r);
	CHECK_EQ(r.rax, load_le(in.xmm[3], 8));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_FPU, &out));
	CHECK_EQ(load_le(out.xmm[4], 8), 0x7777);
	CHECK_EQ(load_le(out.xmm[4] + 8, 8), 0);
	CHECK(!memcmp(in.xmm[5], out.xmm[5], 16));
	/* FLDPI pushed: the top moved down, 1.0 is second now. */
	CHECK_EQ(out.fsw >> 11 & 7, 6);
	CHECK(!memcmp(in.fpr[0], out.fpr[1], 10));
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_FPU, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_FPU, NULL), EFAULT);
}

KTAP_TEST(fpu_round_trip)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, touch_fpu);

	/* So that the state is in use. */
	expect_hlt(vcpu);
	vcpu_load(vcpu, MODE_LONG, use_fpu);
	test_fpu(vcpu);
}

KTAP_TEST(fpu_before_the_first_run)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, use_fpu);

	if (!vmm_is_vmm())
		ktap_skip("KVM of Linux 6.1 leaves XSTATE_BV at 0, so it loses the registers");
	test_fpu(vcpu);
}

/* The host's registers are its own, whatever the guest does to them. */
GUEST64(clobber_xmm, pcmpeqd %xmm7, %xmm7; fldz; hlt);

KTAP_TEST(host_fpu_survives)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, clobber_xmm);
	uint64_t value = 0x123456789abcdef0, got;
	int i;

	for (i = 0; i < 20; i++) {
		vcpu_set_rip(vcpu, GUEST_CODE);
		asm volatile("movq %0, %%xmm7" : : "r" (value) : "xmm7");
		/* The system call by hand: a C library may use XMM registers. */
		{
			long ret = 16;	/* ioctl */
			register long a1 asm("rdi") = vcpu->fd;
			register long a2 asm("rsi") = VMM_RUN;
			register long a3 asm("rdx") = 0;

			asm volatile("syscall" : "+a" (ret)
				     : "r" (a1), "r" (a2), "r" (a3)
				     : "rcx", "r11", "memory");
			CHECK_EQ(ret, 0);
		}
		asm volatile("movq %%xmm7, %0" : "=r" (got));
		CHECK_EQ(got, value);
		CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_HLT);
	}
}

/* Places in the XSAVE area, in words. VMM_GET_FPU does not carry MXCSR. */
#define MXCSR		(24 / 4)
#define XMM		(160 / 4)
#define XSTATE_BV	(512 / 4)

KTAP_TEST(xsave_round_trip)
{
	static struct vmm_xsave in, out;
	struct vcpu *vcpu = new_vcpu();
	struct vmm_fpu fpu;

	vmm_need_cap(VMM_CAP_XSAVE, "VMM_CAP_XSAVE");
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, &in));
	CHECK_EQ(in.region[MXCSR], 0x1f80);
	in.region[MXCSR] = 0x1fa0;
	fill(&in.region[XMM], 256, 3);
	in.region[XSTATE_BV] |= 3;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XSAVE, &in));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, &out));
	CHECK(!memcmp(&in.region[XMM], &out.region[XMM], 256));
	CHECK_EQ(out.region[MXCSR], 0x1fa0);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_FPU, &fpu));
	CHECK(!memcmp(fpu.xmm, &in.region[XMM], 256));
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_XSAVE, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_XSAVE, NULL), EFAULT);
}

KTAP_TEST(xsave_with_unknown_components)
{
	static struct vmm_xsave x;
	struct vcpu *vcpu = new_vcpu();

	vmm_need_cap(VMM_CAP_XSAVE, "VMM_CAP_XSAVE");
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, &x));
	x.region[XSTATE_BV + 1] = 1U << 30;	/* component 62 */
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_XSAVE, &x), EINVAL);
}

/* AVX state: the upper half of YMM, at byte 576 of the standard format. */
GUEST64(use_ymm,
	xor %ecx, %ecx; mov $7, %eax; xor %edx, %edx; xsetbv;
	vextracti128 $1, %ymm2, %xmm0; movq %xmm0, %rbx;
	mov $0x4242, %eax; movq %rax, %xmm1; vinserti128 $1, %xmm1, %ymm5, %ymm5;
	hlt);

KTAP_TEST(xsave_carries_ymm)
{
	const struct vmm_cpuid_entry2 *e = cpuid_find(vmm_supported_cpuid(), 0xd, 0);
	const struct vmm_cpuid_entry2 *l7 = cpuid_find(vmm_supported_cpuid(), 7, 0);
	struct vmm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 7 };
	struct vcpu *vcpu = vcpu_start(MODE_LONG, use_ymm);
	static struct vmm_xsave x;
	struct vmm_sregs s;
	struct vmm_regs r;
	uint64_t value = 0x5566778899aabbcc;

	if (!e || (e->eax & 7) != 7 || !l7 || !(l7->ebx & 1 << 5))
		ktap_skip("the CPU has no AVX2");
	vcpu_get_sregs(vcpu, &s);
	s.cr4 |= X86_CR4_OSXSAVE;
	vcpu_set_sregs(vcpu, &s);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, &x));
	x.region[XSTATE_BV] |= 7;
	memcpy((uint8_t *)x.region + 576 + 2 * 16, &value, 8);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XSAVE, &x));
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &r);
	CHECK_EQ(r.rbx, value);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XSAVE, &x));
	CHECK_EQ(load_le((uint8_t *)x.region + 576 + 5 * 16, 8), 0x4242);
}

KTAP_TEST(xcrs_round_trip)
{
	struct vcpu *vcpu = new_vcpu();
	struct vmm_xcrs xcrs;

	vmm_need_cap(VMM_CAP_XCRS, "VMM_CAP_XCRS");
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XCRS, &xcrs));
	CHECK_EQ(xcrs.nr_xcrs, 1);
	CHECK_EQ(xcrs.flags, 0);
	CHECK_EQ(xcrs.xcrs[0].xcr, 0);
	CHECK_EQ(xcrs.xcrs[0].value, 1);
	xcrs.xcrs[0].value = 3;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XCRS, &xcrs));
	CHECK_EQ(xcrs.xcrs[0].value, 3);
	xcrs.xcrs[0].value = 2;			/* without x87 */
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = 5;			/* AVX without SSE */
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = 1ULL << 62 | 3;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = 3;
	xcrs.flags = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs), EINVAL);
	xcrs.flags = 0;
	xcrs.nr_xcrs = VMM_MAX_XCRS + 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs), EINVAL);
}

/* ---- Debug registers ---- */

GUEST64(read_drs, mov %dr0, %rax; mov %dr3, %rbx; mov %dr6, %rcx; mov %dr7, %rdx;
	mov $0x5000, %esi; mov %rsi, %dr1; hlt);

KTAP_TEST(debugregs_round_trip)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, read_drs);
	struct vmm_debugregs in, out;
	struct vmm_regs r;

	CHECK_OK(ioctl(vcpu->fd, VMM_GET_DEBUGREGS, &in));
	CHECK_EQ(in.dr6, 0xffff0ff0);
	CHECK_EQ(in.dr7, 0x400);
	in.db[0] = 0x1111000;
	in.db[3] = 0x3333000;
	in.dr6 = 0xffff0ff2;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_DEBUGREGS, &in));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_DEBUGREGS, &out));
	CHECK_EQ(out.db[0], 0x1111000);
	CHECK_EQ(out.db[3], 0x3333000);
	CHECK_EQ(out.dr6, 0xffff0ff2);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &r);
	CHECK_EQ(r.rax, 0x1111000);
	CHECK_EQ(r.rbx, 0x3333000);
	CHECK_EQ(r.rcx, 0xffff0ff2);
	CHECK_EQ(r.rdx, 0x400);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_DEBUGREGS, &out));
	CHECK_EQ(out.db[1], 0x5000);
}

KTAP_TEST(debugregs_that_make_no_sense)
{
	struct vcpu *vcpu = new_vcpu();
	struct vmm_debugregs d;

	CHECK_OK(ioctl(vcpu->fd, VMM_GET_DEBUGREGS, &d));
	d.flags = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_DEBUGREGS, &d), EINVAL);
	d.flags = 0;
	d.dr6 |= 1ULL << 32;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_DEBUGREGS, &d), EINVAL);
	d.dr6 = 0xffff0ff0;
	d.dr7 |= 1ULL << 32;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_DEBUGREGS, &d), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_DEBUGREGS, NULL), EFAULT);
}

/* ---- MP state ---- */

GUEST64(one_hlt, hlt; mov $1, %eax; hlt);

KTAP_TEST(mp_state_round_trip)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, one_hlt);
	struct vmm_mp_state mp = { VMM_MP_STATE_RUNNABLE };

	CHECK_OK(ioctl(vcpu->fd, VMM_SET_MP_STATE, &mp));
	expect_hlt(vcpu);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_MP_STATE, &mp));
	/* A HLT that left to user space is not a wait in the kernel. */
	CHECK_EQ(mp.mp_state, VMM_MP_STATE_RUNNABLE);
	expect_hlt(vcpu);
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_MP_STATE, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_MP_STATE, NULL), EFAULT);
}

/* Without a local APIC of ours there is no INIT, no SIPI and no waiting. */
KTAP_TEST(mp_state_needs_a_local_apic)
{
	static const uint32_t states[] = {
		VMM_MP_STATE_UNINITIALIZED, VMM_MP_STATE_INIT_RECEIVED,
		VMM_MP_STATE_SIPI_RECEIVED, 0xff,
	};
	struct vcpu *vcpu = new_vcpu();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		struct vmm_mp_state mp = { states[i] };

		CHECK_ERR(ioctl(vcpu->fd, VMM_SET_MP_STATE, &mp), EINVAL);
	}
}

/* ---- The whole of it: a copy of a vCPU in a new VM goes on ---- */

GUEST64(count_up,
	mov $0x100, %ebx; mov $0xabc, %ecx; movq %rcx, %xmm8;
	1: inc %rbx; mov %ebx, GUEST_DATA; hlt; jmp 1b);

KTAP_TEST(state_moves_to_another_vm)
{
	struct vcpu *a = vcpu_start(MODE_LONG, count_up), *b;
	struct vmm_vcpu_events events;
	static struct vmm_xsave xsave;
	struct vmm_sregs sregs;
	struct vmm_regs regs;
	struct vm *vm;
	int i;

	for (i = 0; i < 3; i++)
		expect_hlt(a);
	vm = vm_create();
	memcpy(vm->mem, a->vm->mem, vm->mem_size);
	b = vcpu_create(vm, 0);
	vcpu_get_regs(a, &regs);
	vcpu_get_sregs(a, &sregs);
	vcpu_get_events(a, &events);
	CHECK_OK(ioctl(a->fd, VMM_GET_XSAVE, &xsave));
	vcpu_destroy(a);
	vcpu_set_sregs(b, &sregs);
	vcpu_set_regs(b, &regs);
	vcpu_set_events(b, &events);
	CHECK_OK(ioctl(b->fd, VMM_SET_XSAVE, &xsave));
	expect_hlt(b);
	vcpu_get_regs(b, &regs);
	CHECK_EQ(regs.rbx, 0x104);
	CHECK_EQ(*(uint32_t *)vm_gpa(vm, GUEST_DATA), 0x104);
	CHECK_OK(ioctl(b->fd, VMM_GET_XSAVE, &xsave));
	/* XMM8 */
	CHECK_EQ(load_le((uint8_t *)xsave.region + 160 + 8 * 16, 8), 0xabc);
}
