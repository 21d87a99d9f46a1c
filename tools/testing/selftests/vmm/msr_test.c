// SPDX-License-Identifier: GPL-2.0
/*
 * msr_test.c - MSRs from both sides: what a guest reads and writes, and what a
 * VMM saves, restores and, as QEMU does, sets without asking.
 */
#include "vmm_test.h"

#define MSR_MTRR_CAP		0xfe
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_MCG_CAP		0x179
#define MSR_MCG_STATUS		0x17a
#define MSR_MCG_CTL		0x17b
#define MSR_MTRR_PHYSBASE(n)	(0x200 + 2 * (n))
#define MSR_MTRR_PHYSMASK(n)	(0x201 + 2 * (n))
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MSR_PLATFORM_INFO	0xce
#define MSR_POWER_CTL		0x1fc
#define MSR_MC_CTL(n)		(0x400 + 4 * (n))
#define MSR_MC_STATUS(n)	(0x401 + 4 * (n))
#define MSR_CSTAR		0xc0000083
#define MSR_SFMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_TSC_AUX		0xc0000103

static struct vmm_msr_list *msr_list(unsigned long request)
{
	struct vmm_msr_list *list = calloc(1, sizeof(*list) + 1000 * sizeof(__u32));
	int dev = vmm_open();

	CHECK(list);
	list->nmsrs = 1000;
	CHECK_OK(ioctl(dev, request, list));
	close(dev);
	return list;
}

static bool listed(const struct vmm_msr_list *list, uint32_t index)
{
	unsigned int i;

	for (i = 0; i < list->nmsrs; i++)
		if (list->indices[i] == index)
			return true;
	return false;
}

static struct vcpu *new_vcpu(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	return vcpu;
}

/* ---- The list ---- */

KTAP_TEST(index_list_protocol)
{
	struct vmm_msr_list *list = msr_list(VMM_GET_MSR_INDEX_LIST);
	struct vmm_msr_list empty = { .nmsrs = 0 };
	uint32_t n = list->nmsrs;
	int dev = vmm_open();

	CHECK(n > 10 && n < 1000);
	CHECK_ERR(ioctl(dev, VMM_GET_MSR_INDEX_LIST, &empty), E2BIG);
	CHECK_EQ(empty.nmsrs, n);
	list->nmsrs = n - 1;
	CHECK_ERR(ioctl(dev, VMM_GET_MSR_INDEX_LIST, list), E2BIG);
	CHECK_EQ(list->nmsrs, n);
	CHECK_OK(ioctl(dev, VMM_GET_MSR_INDEX_LIST, list));
	CHECK_ERR(ioctl(dev, VMM_GET_MSR_INDEX_LIST, NULL), EFAULT);
}

KTAP_TEST(index_list_has_the_usual)
{
	static const uint32_t usual[] = {
		MSR_IA32_TSC, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
		MSR_IA32_CR_PAT, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
		MSR_KERNEL_GS_BASE, MSR_VMM_SYSTEM_TIME, MSR_VMM_WALL_CLOCK,
		MSR_VMM_SYSTEM_TIME_NEW, MSR_VMM_WALL_CLOCK_NEW, MSR_IA32_MISC_ENABLE,
		MSR_MCG_STATUS, MSR_MCG_CTL,
	};
	struct vmm_msr_list *list = msr_list(VMM_GET_MSR_INDEX_LIST);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(usual); i++)
		if (!listed(list, usual[i]))
			FAIL("MSR %#x is not listed", usual[i]);
}

/* QEMU reads all that is listed and writes it back, and accepts no refusal. */
KTAP_TEST(every_listed_msr_can_be_read_and_written_back)
{
	struct vmm_msr_list *list = msr_list(VMM_GET_MSR_INDEX_LIST);
	struct vcpu *vcpu = new_vcpu();
	unsigned int i, bad = 0;

	for (i = 0; i < list->nmsrs; i++) {
		uint64_t value;

		if (vcpu_get_msr(vcpu, list->indices[i], &value) != 1) {
			ktap_diag("MSR %#x cannot be read", list->indices[i]);
			bad++;
		} else if (vcpu_set_msr(vcpu, list->indices[i], value) != 1) {
			ktap_diag("MSR %#x cannot be written back", list->indices[i]);
			bad++;
		}
	}
	/*
	 * KVM lists MSRs that need a local APIC of its own; that is why QEMU does
	 * not start on it with -cpu host and no irqchip.
	 */
	CHECK(!bad || !vmm_is_vmm());
}

KTAP_TEST(feature_msrs)
{
	struct vmm_msr_list *list = msr_list(VMM_GET_MSR_FEATURE_INDEX_LIST);
	struct {
		struct vmm_msrs head;
		struct vmm_msr_entry entry;
	} m = { .head.nmsrs = 1 };
	int dev = vmm_open();
	unsigned int i;

	for (i = 0; i < list->nmsrs; i++) {
		m.entry.index = list->indices[i];
		CHECK_EQ(CHECK_OK(ioctl(dev, VMM_GET_MSRS, &m)), 1);
	}
	/* The device knows features only. (Newer KVMs say 0 to anything.) */
	m.entry.index = MSR_STAR;
	m.entry.data = 0;
	CHECK(ioctl(dev, VMM_GET_MSRS, &m) != 1 || (!vmm_is_vmm() && !m.entry.data));
}

/* ---- VMM_GET_MSRS and VMM_SET_MSRS ---- */

KTAP_TEST(several_at_once)
{
	struct vcpu *vcpu = new_vcpu();
	struct {
		struct vmm_msrs head;
		struct vmm_msr_entry e[4];
	} m = {
		.head.nmsrs = 4,
		.e = { { .index = MSR_STAR, .data = 0x1111 },
		       { .index = MSR_LSTAR, .data = 0x2222 },
		       { .index = 0xdeadbeef, .data = 0 },
		       { .index = MSR_CSTAR, .data = 0x3333 } },
	};

	/* It stops at the one that does not exist and says where that was. */
	CHECK_EQ(ioctl(vcpu->fd, VMM_SET_MSRS, &m), 2);
	CHECK_EQ(vcpu_msr(vcpu, MSR_STAR), 0x1111);
	CHECK_EQ(vcpu_msr(vcpu, MSR_LSTAR), 0x2222);
	CHECK(vcpu_msr(vcpu, MSR_CSTAR) != 0x3333);
	m.e[0].data = m.e[1].data = m.e[3].data = 0;
	CHECK_EQ(ioctl(vcpu->fd, VMM_GET_MSRS, &m), 2);
	CHECK_EQ(m.e[0].data, 0x1111);
	CHECK_EQ(m.e[1].data, 0x2222);
	m.head.nmsrs = 0;
	CHECK_EQ(ioctl(vcpu->fd, VMM_GET_MSRS, &m), 0);
}

KTAP_TEST(msr_list_errors)
{
	struct vcpu *vcpu = new_vcpu();
	struct vmm_msrs *m;

	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_MSRS, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_MSRS, NULL), EFAULT);
	m = calloc(1, sizeof(*m) + 256 * sizeof(m->entries[0]));
	m->nmsrs = 256;		/* one is refused: room for 255 */
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_MSRS, m), E2BIG);
	m->nmsrs = 0xffffffff;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_MSRS, m), E2BIG);
	/* Entries in memory that is not mapped. */
	m = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(munmap((uint8_t *)m + PAGE_SIZE, PAGE_SIZE));
	m = (void *)((uint8_t *)m + PAGE_SIZE - sizeof(*m));
	m->nmsrs = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_MSRS, m), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_MSRS, m), EFAULT);
}

/* All that QEMU 7.2 writes at a reset, whatever is offered. */
KTAP_TEST(what_qemu_writes)
{
	struct vcpu *vcpu = new_vcpu();
	unsigned int i;

#define WRITE(msr, value) CHECK_EQ(vcpu_set_msr(vcpu, msr, value), 1)
	WRITE(MSR_SYSENTER_CS, 0);
	WRITE(MSR_SYSENTER_ESP, 0);
	WRITE(MSR_SYSENTER_EIP, 0);
	WRITE(MSR_IA32_CR_PAT, 0x0007040600070406);
	WRITE(MSR_STAR, 0);
	WRITE(MSR_CSTAR, 0);
	WRITE(MSR_KERNEL_GS_BASE, 0);
	WRITE(MSR_SFMASK, 0);
	WRITE(MSR_LSTAR, 0);
	WRITE(MSR_IA32_TSC, 0);
	WRITE(MSR_VMM_SYSTEM_TIME, 0);
	WRITE(MSR_VMM_WALL_CLOCK, 0);
	WRITE(MSR_IA32_MISC_ENABLE, 1);
	WRITE(MSR_MTRR_DEF_TYPE, 0);
	WRITE(0x250, 0);
	WRITE(0x258, 0);
	WRITE(0x259, 0);
	for (i = 0x268; i <= 0x26f; i++)
		WRITE(i, 0);
	for (i = 0; i < 8; i++) {
		WRITE(MSR_MTRR_PHYSBASE(i), 0);
		WRITE(MSR_MTRR_PHYSMASK(i), 0);
	}
	WRITE(MSR_MCG_STATUS, 0);
	WRITE(MSR_MCG_CTL, 0);
	for (i = 0; i < 40; i++)
		WRITE(MSR_MC_CTL(0) + i, 0);
#undef WRITE
}

/* Firecracker and Cloud Hypervisor, for a 64-bit boot. */
KTAP_TEST(what_other_clients_write)
{
	struct vcpu *vcpu = new_vcpu();

	CHECK_EQ(vcpu_set_msr(vcpu, MSR_IA32_MISC_ENABLE, 1), 1);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_MTRR_DEF_TYPE, 1 << 11 | 6), 1);
	CHECK_EQ(vcpu_msr(vcpu, MSR_MTRR_DEF_TYPE), 1 << 11 | 6);
}

KTAP_TEST(values_read_back)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} pairs[] = {
		/* The SYSENTER MSRs have 32 bits on one vendor's CPUs. */
		{ MSR_SYSENTER_CS, 0x10 }, { MSR_SYSENTER_ESP, 0x88001000 },
		{ MSR_SYSENTER_EIP, 0x81000000 }, { MSR_STAR, 0x0023001000000000 },
		{ MSR_LSTAR, 0xffffffff81000040 }, { MSR_CSTAR, 0x1234567 },
		{ MSR_SFMASK, 0x47700 }, { MSR_KERNEL_GS_BASE, 0xffff888012345000 },
		{ MSR_FS_BASE, 0x7f0012340000 }, { MSR_GS_BASE, 0xffff8880abcde000 },
		{ MSR_IA32_CR_PAT, 0x0407050600070106 }, { 0x250, 0x0606060606060606 },
		{ MSR_MTRR_PHYSBASE(7), 0xc0000006 }, { MSR_MTRR_PHYSMASK(7), 0xfc0000800 },
		{ MSR_EFER, X86_EFER_SCE | X86_EFER_NX },
	};
	struct vcpu *vcpu = new_vcpu();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (vcpu_set_msr(vcpu, pairs[i].msr, pairs[i].value) != 1)
			FAIL("MSR %#x refuses %#llx", pairs[i].msr,
			     (unsigned long long)pairs[i].value);
		CHECK_EQ(vcpu_msr(vcpu, pairs[i].msr), pairs[i].value);
	}
}

KTAP_TEST(bad_values_are_refused)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} bad[] = {
		{ MSR_IA32_CR_PAT, 2 },			/* no such memory type */
		{ MSR_IA32_CR_PAT, 8 },
		{ MSR_MTRR_DEF_TYPE, 2 },
		{ MSR_EFER, 1ULL << 1 },
		{ MSR_EFER, 1ULL << 63 },
		{ MSR_LSTAR, 1ULL << 63 },		/* not canonical */
		{ MSR_KERNEL_GS_BASE, 0x8000000000000000 },
		{ MSR_IA32_APICBASE, 1ULL << 62 },
		{ 0xdeadbeef, 0 },
	};
	struct vcpu *vcpu = new_vcpu();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (vcpu_set_msr(vcpu, bad[i].msr, bad[i].value) != 0)
			FAIL("MSR %#x takes %#llx", bad[i].msr,
			     (unsigned long long)bad[i].value);
}

/* EFER, FS and GS base are the same in VMM_GET_SREGS. */
KTAP_TEST(msrs_that_are_special_registers)
{
	struct vcpu *vcpu = new_vcpu();
	struct vmm_sregs sregs;

	vcpu_set_mode(vcpu, MODE_LONG);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_FS_BASE, 0x12345000), 1);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_GS_BASE, 0x54321000), 1);
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.fs.base, 0x12345000);
	CHECK_EQ(sregs.gs.base, 0x54321000);
	CHECK_EQ(vcpu_msr(vcpu, MSR_EFER), X86_EFER_LME | X86_EFER_LMA);
	CHECK_EQ(vcpu_msr(vcpu, MSR_IA32_APICBASE), sregs.apic_base);
}

/* ---- The guest's side ---- */

GUEST64(rdmsr_loop, rdmsr; hlt);
GUEST64(wrmsr_loop, wrmsr; hlt);

static void set_msr_args(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rip = GUEST_CODE;
	regs.rsp = GUEST_STACK;
	regs.rcx = msr;
	regs.rax = value & 0xffffffff;
	regs.rdx = value >> 32;
	vcpu_set_regs(vcpu, &regs);
}

KTAP_TEST(guest_reads_what_the_vmm_wrote)
{
	static const uint32_t msrs[] = {
		MSR_SYSENTER_EIP, MSR_STAR, MSR_LSTAR, MSR_KERNEL_GS_BASE,
		MSR_FS_BASE, MSR_SYSENTER_ESP,
	};
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rdmsr_loop);
	struct vmm_regs regs;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		uint64_t value = 0x12345000 + i;

		CHECK_EQ(vcpu_set_msr(vcpu, msrs[i], value), 1);
		set_msr_args(vcpu, msrs[i], 0);
		expect_hlt(vcpu);
		vcpu_get_regs(vcpu, &regs);
		CHECK_EQ(regs.rax | regs.rdx << 32, value);
	}
}

KTAP_TEST(vmm_reads_what_the_guest_wrote)
{
	static const uint32_t msrs[] = {
		MSR_SYSENTER_EIP, MSR_STAR, MSR_LSTAR, MSR_KERNEL_GS_BASE,
		MSR_FS_BASE, MSR_CSTAR, MSR_SFMASK,
	};
	struct vcpu *vcpu = vcpu_start(MODE_LONG, wrmsr_loop);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		uint64_t value = 0x3456000 + i;

		set_msr_args(vcpu, msrs[i], value);
		expect_hlt(vcpu);
		CHECK_EQ(vcpu_msr(vcpu, msrs[i]), value);
	}
}

KTAP_TEST(guest_gets_gp)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} bad[] = {
		{ 0xdeadbeef, 0 }, { MSR_IA32_CR_PAT, 2 }, { MSR_EFER, 1ULL << 1 },
		{ MSR_MTRR_CAP, 0 },
	};
	struct vcpu *vcpu = vcpu_start(MODE_LONG, wrmsr_loop);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set_msr_args(vcpu, bad[i].msr, bad[i].value);
		CHECK_EQ(expect_fault(vcpu, VMM_GP_VECTOR)->rip, GUEST_CODE);
	}
}

/* SYSCALL uses LSTAR and SFMASK. */
GUEST64(syscall_code, mov $SEL_DATA, %eax; sti; syscall);
GUEST64(syscall_target, hlt);

KTAP_TEST(guest_syscall)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, syscall_code);
	struct vmm_sregs sregs;
	struct vmm_regs regs;

	memcpy(vm_gpa(vcpu->vm, GUEST_CODE + 0x400), syscall_target, 1);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_EFER, X86_EFER_LME | X86_EFER_LMA | X86_EFER_SCE), 1);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_STAR, (uint64_t)SEL_CODE64 << 32), 1);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_LSTAR, GUEST_CODE + 0x400), 1);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_SFMASK, X86_FLAGS_IF), 1);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_EQ(regs.rip, GUEST_CODE + 0x401);
	CHECK_EQ(regs.rcx, GUEST_CODE + (syscall_code_end - syscall_code));
	CHECK(regs.r11 & X86_FLAGS_IF);
	CHECK(!(regs.rflags & X86_FLAGS_IF));
	CHECK_EQ(sregs.cs.selector, SEL_CODE64);
	CHECK_EQ(sregs.ss.selector, SEL_CODE64 + 8);
}

/* A guest's MSRs are not the host's: TSC_AUX, which the host's vDSO reads. */
GUEST64(aux, mov $0xc0000103, %ecx; mov $0x5a5a, %eax; xor %edx, %edx; wrmsr;
	hlt; rdtscp; hlt);

KTAP_TEST(tsc_aux_is_the_guests_own)
{
	const struct vmm_cpuid_entry2 *e = cpuid_find(vmm_supported_cpuid(), 0x80000001, 0);
	struct vcpu *vcpu = vcpu_start(MODE_LONG, aux);
	struct vmm_regs regs;
	uint32_t before, after;

	if (!e || !(e->edx & 1 << 27))
		ktap_skip("the CPU has no RDTSCP");
	__builtin_ia32_rdtscp(&before);
	expect_hlt(vcpu);
	__builtin_ia32_rdtscp(&after);
	CHECK(after != 0x5a5a);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx, 0x5a5a);
	CHECK_EQ(vcpu_msr(vcpu, MSR_TSC_AUX), 0x5a5a);
}

/* ---- Machine checks ---- */

KTAP_TEST(mce_set_up)
{
	struct vcpu *vcpu = new_vcpu();
	int dev = vmm_open();
	int banks = vmm_check_extension(VMM_CAP_MCE);
	uint64_t cap = 0;

	if (!banks) {
		CHECK(ioctl(dev, VMM_X86_GET_MCE_CAP_SUPPORTED, &cap) == -1);
		return;
	}
	CHECK_OK(ioctl(dev, VMM_X86_GET_MCE_CAP_SUPPORTED, &cap));
	CHECK_ERR(ioctl(dev, VMM_X86_GET_MCE_CAP_SUPPORTED, NULL), EFAULT);
	cap = (cap & ~0xffULL) | 10;
	CHECK_OK(ioctl(vcpu->fd, VMM_X86_SETUP_MCE, &cap));
	/* Bits 9 and up say what the CPU can do; not every vendor's can. */
	CHECK_EQ(vcpu_msr(vcpu, MSR_MCG_CAP) & 0x1ff, cap & 0x1ff);
	CHECK_EQ(vcpu_msr(vcpu, MSR_MCG_CAP) & ~cap, 0);
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_MC_CTL(9), ~0ULL), 1);
	cap = 0;				/* no bank */
	CHECK_ERR(ioctl(vcpu->fd, VMM_X86_SETUP_MCE, &cap), EINVAL);
	cap = banks + 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_X86_SETUP_MCE, &cap), EINVAL);
	cap = 1ULL << 60 | 10;
	CHECK_ERR(ioctl(vcpu->fd, VMM_X86_SETUP_MCE, &cap), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_X86_SETUP_MCE, NULL), EFAULT);
}

GUEST64(read_platform_info, mov $0xce, %ecx; rdmsr; hlt);

/* What user space says of the platform, the guest reads; or not, if user space wants that. */
KTAP_TEST(platform_info)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, read_platform_info);
	struct vmm_enable_cap cap = { .cap = VMM_CAP_MSR_PLATFORM_INFO };
	uint64_t value = vcpu_msr(vcpu, MSR_PLATFORM_INFO) | 0xff00;
	struct vmm_regs regs;

	vmm_need_cap(VMM_CAP_MSR_PLATFORM_INFO, "MSR_PLATFORM_INFO");
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_PLATFORM_INFO, value), 1);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, (uint32_t)value);
	CHECK_OK(ioctl(vcpu->vm->fd, VMM_ENABLE_CAP, &cap));
	vcpu_set_rip(vcpu, GUEST_CODE);
	expect_fault(vcpu, VMM_GP_VECTOR);
	CHECK_EQ(vcpu_msr(vcpu, MSR_PLATFORM_INFO), value);
}

GUEST64(set_power_ctl, mov $0x1fc, %ecx; rdmsr; or $2, %eax; wrmsr; hlt);

/* Has no effect, and is kept: drivers set bits in it. */
KTAP_TEST(power_ctl)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, set_power_ctl);

	CHECK(listed(msr_list(VMM_GET_MSR_INDEX_LIST), MSR_POWER_CTL));
	CHECK_EQ(vcpu_set_msr(vcpu, MSR_POWER_CTL, 0x4005d), 1);
	expect_hlt(vcpu);
	CHECK_EQ(vcpu_msr(vcpu, MSR_POWER_CTL), 0x4005f);
}
