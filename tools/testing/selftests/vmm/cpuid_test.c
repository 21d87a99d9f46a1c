// SPDX-License-Identifier: GPL-2.0
/*
 * cpuid_test.c - the list of what a guest may have is honest, and the guest
 * reads what its VMM set.
 */
#include "vmm_test.h"

GUEST64(do_cpuid, cpuid; hlt);

static void guest_cpuid(struct vcpu *vcpu, uint32_t function, uint32_t index,
			struct vmm_regs *regs)
{
	vcpu_get_regs(vcpu, regs);
	regs->rip = GUEST_CODE;
	regs->rax = function;
	regs->rcx = index;
	regs->rbx = regs->rdx = -1ULL;
	vcpu_set_regs(vcpu, regs);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, regs);
}

/* Leaves that the kernel changes as the guest's state does. */
static bool leaf_changes(uint32_t function)
{
	return function == 1 || function == 7 || function == 0xd ||
	       function == 0xb || function == 0x1f || function == 0x15 ||
	       function == 0x16;
}

KTAP_TEST(supported_list_protocol)
{
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	struct vmm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + (all->nent + 1) *
					     sizeof(cpuid->entries[0]));
	int dev = vmm_open();

	CHECK(all->nent >= 10 && all->nent < 256);
	/* No room and too little room. */
	cpuid->nent = 0;
	CHECK_ERR(ioctl(dev, VMM_GET_SUPPORTED_CPUID, cpuid), E2BIG);
	cpuid->nent = 1;
	CHECK_ERR(ioctl(dev, VMM_GET_SUPPORTED_CPUID, cpuid), E2BIG);
	cpuid->nent = all->nent - 1;
	CHECK_ERR(ioctl(dev, VMM_GET_SUPPORTED_CPUID, cpuid), E2BIG);
	/* Just enough, and then it says how many there are. */
	cpuid->nent = all->nent;
	CHECK_OK(ioctl(dev, VMM_GET_SUPPORTED_CPUID, cpuid));
	CHECK_EQ(cpuid->nent, all->nent);
	CHECK(!memcmp(cpuid->entries, all->entries, all->nent * sizeof(all->entries[0])));
	/* QEMU doubles its buffer as long as it comes back full. */
	cpuid->nent = all->nent + 1;
	CHECK_OK(ioctl(dev, VMM_GET_SUPPORTED_CPUID, cpuid));
	CHECK_EQ(cpuid->nent, all->nent);
}

KTAP_TEST(supported_list_is_well_formed)
{
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	unsigned int i, j;

	for (i = 0; i < all->nent; i++) {
		struct vmm_cpuid_entry2 *e = &all->entries[i];

		CHECK_EQ(e->padding[0] | e->padding[1] | e->padding[2], 0);
		CHECK_EQ(e->flags & ~VMM_CPUID_FLAG_SIGNIFCANT_INDEX, 0);
		for (j = 0; j < i; j++)
			CHECK(all->entries[j].function != e->function ||
			      all->entries[j].index != e->index);
	}
}

KTAP_TEST(basic_features_are_there)
{
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	const struct vmm_cpuid_entry2 *l1 = cpuid_find(all, 1, 0);
	const struct vmm_cpuid_entry2 *ext = cpuid_find(all, 0x80000001, 0);
	/* fpu pse tsc msr pae cx8 sep pge cmov pat mmx fxsr sse sse2 */
	const uint32_t edx = 0x0781ab79 & ~(1 << 7 | 1 << 12 | 1 << 9);

	CHECK(l1 && ext && cpuid_find(all, 0, 0) && cpuid_find(all, 0x80000000, 0));
	CHECK_EQ(l1->edx & edx, edx);
	CHECK(l1->ecx & 1 << 13);	/* cx16 */
	CHECK(ext->edx & 1 << 29);	/* lm */
	CHECK(ext->edx & 1 << 20);	/* nx */
}

/* What a guest cannot have, or what no one has written, is not offered. */
KTAP_TEST(what_is_not_offered)
{
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	const struct vmm_cpuid_entry2 *l1 = cpuid_find(all, 1, 0);
	const struct vmm_cpuid_entry2 *ext = cpuid_find(all, 0x80000001, 0);

	CHECK(l1 && ext);
	CHECK(!(l1->ecx & 1 << 7));	/* est */
	CHECK(!(l1->ecx & 1 << 8));	/* tm2 */
	CHECK(!(l1->edx & 1 << 22));	/* acpi: thermal control */
	CHECK(!(l1->edx & 1 << 29));	/* tm */
	CHECK(!(ext->ecx & 1 << 10));	/* ibs */
	CHECK(!(ext->ecx & 1 << 12));	/* skinit */
}

/* The highest leaf in each range bounds the leaves that are listed. */
KTAP_TEST(highest_leaves)
{
	static const uint32_t ranges[] = { 0, 0x80000000, 0x40000000 };
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	unsigned int i, r;

	for (r = 0; r < ARRAY_SIZE(ranges); r++) {
		const struct vmm_cpuid_entry2 *first = cpuid_find(all, ranges[r], 0);

		if (!first)
			continue;
		CHECK(first->eax >= ranges[r]);
		for (i = 0; i < all->nent; i++)
			if (all->entries[i].function >> 28 == ranges[r] >> 28)
				CHECK(all->entries[i].function <= first->eax);
	}
}

KTAP_TEST(paravirtual_leaves)
{
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	const struct vmm_cpuid_entry2 *sig = cpuid_find(all, VMM_CPUID_SIGNATURE, 0);
	const struct vmm_cpuid_entry2 *feat = cpuid_find(all, VMM_CPUID_FEATURES, 0);
	char text[13] = { 0 };

	CHECK(sig && feat);
	memcpy(text, &sig->ebx, 4);
	memcpy(text + 4, &sig->ecx, 4);
	memcpy(text + 8, &sig->edx, 4);
	CHECK(!strcmp(text, VMM_SIGNATURE));
	CHECK_EQ(sig->eax, VMM_CPUID_FEATURES);
	CHECK(feat->eax & 1 << VMM_FEATURE_CLOCKSOURCE2);
	CHECK(feat->eax & 1 << VMM_FEATURE_CLOCKSOURCE);
}

/* Features that work only with a local APIC in the kernel, which these VMs do not have. */
static uint32_t needs_apic(uint32_t function)
{
	return function != VMM_CPUID_FEATURES || !vmm_is_vmm() ? 0 :
	       1u << VMM_FEATURE_PV_EOI | 1u << VMM_FEATURE_PV_UNHALT |
	       1u << VMM_FEATURE_PV_SEND_IPI | 1u << VMM_FEATURE_POLL_CONTROL |
	       1u << VMM_FEATURE_PV_SCHED_YIELD;
}

/* Each leaf, as the list has it, comes out of the guest's CPUID, but for such features. */
KTAP_TEST(guest_sees_the_list)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, do_cpuid);
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	struct vmm_regs regs;
	unsigned int i;

	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, all));
	for (i = 0; i < all->nent; i++) {
		const struct vmm_cpuid_entry2 *e = &all->entries[i];

		if (leaf_changes(e->function))
			continue;
		guest_cpuid(vcpu, e->function, e->index, &regs);
		CHECK_EQ(regs.rax, e->eax & ~needs_apic(e->function));
		CHECK_EQ(regs.rbx, e->ebx);
		CHECK_EQ(regs.rcx, e->ecx);
		CHECK_EQ(regs.rdx, e->edx);
	}
}

static struct vmm_cpuid2 *make_cpuid(int nent)
{
	struct vmm_cpuid2 *c = calloc(1, sizeof(*c) + nent * sizeof(c->entries[0]));

	CHECK(c);
	c->nent = nent;
	return c;
}

/* What the VMM makes up is what the guest reads. */
KTAP_TEST(guest_sees_made_up_leaves)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, do_cpuid);
	struct vmm_cpuid2 *c = make_cpuid(4);
	struct vmm_regs regs;

	c->entries[0] = (struct vmm_cpuid_entry2) {
		.function = 0, .eax = 4, .ebx = 0x11, .ecx = 0x22, .edx = 0x33,
	};
	c->entries[1] = (struct vmm_cpuid_entry2) {
		.function = 4, .index = 0, .flags = VMM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = 0x40, .ebx = 0x41,
	};
	c->entries[2] = (struct vmm_cpuid_entry2) {
		.function = 4, .index = 1, .flags = VMM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = 0x50, .ebx = 0x51,
	};
	c->entries[3] = (struct vmm_cpuid_entry2) {
		.function = 0x40000000, .eax = 0x40000000, .ebx = 0x544f4f46,
	};
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, c));
	/* Without the flag the index does not matter. */
	guest_cpuid(vcpu, 0, 99, &regs);
	CHECK_EQ(regs.rax, 4);
	CHECK_EQ(regs.rbx, 0x11);
	CHECK_EQ(regs.rcx, 0x22);
	CHECK_EQ(regs.rdx, 0x33);
	guest_cpuid(vcpu, 4, 0, &regs);
	CHECK_EQ(regs.rax, 0x40);
	guest_cpuid(vcpu, 4, 1, &regs);
	CHECK_EQ(regs.rax, 0x50);
	CHECK_EQ(regs.rbx, 0x51);
	guest_cpuid(vcpu, 4, 2, &regs);
	CHECK_EQ(regs.rax | regs.rbx | regs.rcx | regs.rdx, 0);
	guest_cpuid(vcpu, 0x40000000, 0, &regs);
	CHECK_EQ(regs.rbx, 0x544f4f46);
	/* A leaf in range that was not set is all zero. */
	guest_cpuid(vcpu, 2, 0, &regs);
	CHECK_EQ(regs.rax | regs.rbx | regs.rcx | regs.rdx, 0);
}

/* As Intel's CPUs: beyond the highest basic leaf one reads that leaf. */
KTAP_TEST(out_of_range_leaf)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, do_cpuid);
	struct vmm_cpuid2 *c = make_cpuid(2);
	struct vmm_regs regs;

	c->entries[0] = (struct vmm_cpuid_entry2) {
		.function = 0, .eax = 1,
		/* GenuineIntel */
		.ebx = 0x756e6547, .edx = 0x49656e69, .ecx = 0x6c65746e,
	};
	c->entries[1] = (struct vmm_cpuid_entry2) {
		.function = 1, .eax = 0x123, .edx = 0x20,
	};
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, c));
	guest_cpuid(vcpu, 0x50, 0, &regs);
	CHECK_EQ(regs.rax, 0x123);
	/* AuthenticAMD: zero. */
	c->entries[0].ebx = 0x68747541;
	c->entries[0].edx = 0x69746e65;
	c->entries[0].ecx = 0x444d4163;
	vcpu = vcpu_start(MODE_LONG, do_cpuid);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, c));
	guest_cpuid(vcpu, 0x50, 0, &regs);
	CHECK_EQ(regs.rax | regs.rbx | regs.rcx | regs.rdx, 0);
}

/* OSXSAVE in leaf 1 follows CR4. */
GUEST64(osxsave_bit,
	mov $1, %eax; cpuid; mov %ecx, %esi;
	mov %cr4, %rax; or $0x40000, %rax; mov %rax, %cr4;
	mov $1, %eax; cpuid; mov %ecx, %edi;
	hlt);

KTAP_TEST(osxsave_follows_cr4)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, osxsave_bit);
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	struct vmm_regs regs;

	if (!(cpuid_find(all, 1, 0)->ecx & 1 << 26))
		ktap_skip("the CPU has no XSAVE");
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi & 1 << 27, 0);
	CHECK_EQ(regs.rdi & 1 << 27, 1 << 27);
}

/* Leaf 0xd's size follows XCR0, whoever sets it. */
GUEST64(xsave_size, mov $0xd, %eax; xor %ecx, %ecx; cpuid; mov %ebx, %esi; hlt);
GUEST64(xsetbv_size,
	xor %ecx, %ecx; xor %edx, %edx; mov $7, %eax; xsetbv;
	mov $0xd, %eax; xor %ecx, %ecx; cpuid; mov %ebx, %esi; hlt);

/* Legacy area and header, then the upper halves of 16 YMM registers. */
#define XSAVE_SIZE_X87	(512 + 64)
#define XSAVE_SIZE_AVX	(512 + 64 + 256)

static struct vcpu *start_with_avx(const uint8_t *code, const uint8_t *end)
{
	const struct vmm_cpuid_entry2 *e = cpuid_find(vmm_supported_cpuid(), 0xd, 0);
	struct vcpu *vcpu = vcpu_new(MODE_LONG, code, end);
	struct vmm_sregs sregs;

	if (!e || (e->eax & 7) != 7)
		ktap_skip("the CPU has no AVX");
	vcpu_get_sregs(vcpu, &sregs);
	sregs.cr4 |= X86_CR4_OSXSAVE;
	vcpu_set_sregs(vcpu, &sregs);
	return vcpu;
}

KTAP_TEST(xsave_size_follows_set_xcrs)
{
	struct vcpu *vcpu = start_with_avx(xsave_size, xsave_size_end);
	struct vmm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 7 };
	struct vmm_regs regs;

	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi, XSAVE_SIZE_X87);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs));
	vcpu_set_rip(vcpu, GUEST_CODE);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi, XSAVE_SIZE_AVX);
}

KTAP_TEST(xsave_size_follows_xsetbv)
{
	struct vcpu *vcpu = start_with_avx(xsetbv_size, xsetbv_size_end);
	struct vmm_regs regs;

	if (cpu_is_tcg())
		ktap_skip("TCG's CPU does not intercept XSETBV");
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi, XSAVE_SIZE_AVX);
}

/*
 * A CPUID that offers AVX without SSE leaves no XCR0 with AVX: neither the guest
 * nor user space gets one, and the host never loads it.
 */
GUEST64(xsetbv_cpuid,
	xor %ecx, %ecx; xor %edx, %edx; mov $7, %eax; xsetbv;
	mov $20, %esi;
	1: xor %eax, %eax; cpuid; dec %esi; jnz 1b;
	hlt);

KTAP_TEST(xcr0_of_an_impossible_cpuid)
{
	struct vcpu *vcpu = start_with_avx(xsetbv_cpuid, xsetbv_cpuid_end);
	struct vmm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 5 };
	struct vmm_cpuid2 *all = vmm_supported_cpuid();
	unsigned int i;

	for (i = 0; i < all->nent; i++)
		if (all->entries[i].function == 0xd && !all->entries[i].index)
			all->entries[i].eax = 5;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, all));
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs), EINVAL);
	/* An XSETBV that exits raises #GP; TCG's does not exit, and goes on. */
	if (cpu_is_tcg())
		expect_hlt(vcpu);
	else
		expect_fault(vcpu, 13);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_XCRS, &xcrs));
	CHECK_EQ(xcrs.xcrs[0].value, 1);
}

KTAP_TEST(get_cpuid2_gives_what_was_set)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct vmm_cpuid2 *c = make_cpuid(2), *got = make_cpuid(4);

	c->entries[0] = (struct vmm_cpuid_entry2) { .function = 0, .eax = 1, .ebx = 7 };
	c->entries[1] = (struct vmm_cpuid_entry2) { .function = 1, .eax = 0x999 };
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, c));
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_CPUID2, got));
	/* KVM of Linux 6.1 forgets to say how many it wrote. */
	CHECK_EQ(got->nent, vmm_is_vmm() ? 2 : got->nent);
	CHECK_EQ(got->entries[0].ebx, 7);
	CHECK_EQ(got->entries[1].eax, 0x999);
	got->nent = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_CPUID2, got), E2BIG);
}

KTAP_TEST(set_cpuid2_errors)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct vmm_cpuid2 *c = make_cpuid(300);

	/* More than any list is long. */
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_CPUID2, c), E2BIG);
	c->nent = 0;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, c));
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_CPUID2, (void *)8), EFAULT);
	/* The entries run into unmapped memory. */
	c = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(munmap((uint8_t *)c + PAGE_SIZE, PAGE_SIZE));
	c = (void *)((uint8_t *)c + PAGE_SIZE - sizeof(*c));
	c->nent = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_CPUID2, c), EFAULT);
}

/* The guest's features are fixed once it has run; the same list is no change. */
KTAP_TEST(cpuid_after_the_first_run)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, do_cpuid);
	struct vmm_cpuid2 *all = vmm_supported_cpuid();

	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, all));
	expect_hlt(vcpu);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, all));
	all->entries[0].ebx ^= 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_CPUID2, all), EINVAL);
	all->entries[0].ebx ^= 1;
	all->nent--;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_CPUID2, all), EINVAL);
}
