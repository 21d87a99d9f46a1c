// SPDX-License-Identifier: GPL-2.0
/*
 * modes_test.c - guest code runs in real, protected, PAE and long mode, and can
 * go from one to the next by itself.
 */
#include "vmm_test.h"

/* What the same source computes depends on the operand size of the mode. */
GUEST16(add_16, mov $0xffff, %ax; add $2, %ax; hlt);
GUEST32(add_32, mov $0xffffffff, %eax; add $3, %eax; hlt);
GUEST64(add_64, mov $-1, %rax; add $4, %rax; hlt);

static uint64_t rax_after_hlt(struct vcpu *vcpu)
{
	struct vmm_regs regs;

	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	return regs.rax;
}

KTAP_TEST(real_mode)
{
	struct vcpu *vcpu = vcpu_start(MODE_REAL, add_16);

	CHECK_EQ(rax_after_hlt(vcpu), 1);
	CHECK_EQ(vcpu_rip(vcpu), add_16_end - add_16);
}

KTAP_TEST(protected_mode)
{
	struct vcpu *vcpu = vcpu_start(MODE_PROTECTED, add_32);

	CHECK_EQ(rax_after_hlt(vcpu), 2);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + (add_32_end - add_32));
}

KTAP_TEST(pae_mode)
{
	struct vcpu *vcpu = vcpu_start(MODE_PAE, add_32);

	CHECK_EQ(rax_after_hlt(vcpu), 2);
}

KTAP_TEST(long_mode)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, add_64);

	CHECK_EQ(rax_after_hlt(vcpu), 3);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + (add_64_end - add_64));
}

/* In real mode addresses are segment * 16 + offset, in 64 KiB. */
GUEST16(real_segments,
	mov $0x4000, %ax; mov %ax, %ds;
	mov $0x1234, %bx; mov %bx, 0x10;
	mov $0x4001, %ax; mov %ax, %es;
	mov %es:0, %cx;
	hlt);

KTAP_TEST(real_mode_segments)
{
	struct vcpu *vcpu = vcpu_start(MODE_REAL, real_segments);
	struct vmm_sregs sregs;
	struct vmm_regs regs;

	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx & 0xffff, 0x1234);
	CHECK_EQ(*(uint16_t *)vm_gpa(vcpu->vm, 0x40010), 0x1234);
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.ds.selector, 0x4000);
	CHECK_EQ(sregs.ds.base, 0x40000);
	CHECK_EQ(sregs.es.base, 0x40010);
	CHECK_EQ(sregs.cr0 & X86_CR0_PE, 0);
}

/* A software interrupt through the real-mode vector table, and back. */
GUEST16(real_int,
	int $0x20;
	mov $0x55, %cl;
	hlt);
GUEST16(real_handler,
	mov $0xaa, %ch;
	iret);

KTAP_TEST(real_mode_interrupt)
{
	struct vcpu *vcpu = vcpu_start(MODE_REAL, real_int);
	struct vmm_regs regs;

	vm_set_gate(vcpu->vm, MODE_REAL, 0x20, 0x600);
	memcpy(vm_gpa(vcpu->vm, 0x600), real_handler, real_handler_end - real_handler);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx & 0xffff, 0xaa55);
	CHECK_EQ(regs.rsp, 0xfff0);
}

/*
 * The way of a boot loader: real mode, protected mode, PAE paging, long mode,
 * all by the guest's own hand. The far jumps take their target from the code's
 * place, GUEST_CODE.
 */
#define BOOT32	(GUEST_CODE + 0x100)
#define BOOT64	(GUEST_CODE + 0x200)
GUEST16(boot_16,
	cli;
	/* DS is 0: the table's address does not fit in 16 bits, CS reaches it. */
	lgdtl %cs:0x300;
	mov %cr0, %eax; or $1, %al; mov %eax, %cr0;
	ljmpl $SEL_CODE32, $BOOT32);
GUEST32(boot_32,
	mov $SEL_DATA, %eax; mov %eax, %ds; mov %eax, %ss; mov %eax, %es;
	mov $0x3f0, %edx; mov $32, %eax; out %eax, %dx;
	mov %cr4, %eax; or $0x20, %eax; mov %eax, %cr4;
	mov $GUEST_PML4, %eax; mov %eax, %cr3;
	mov $0xc0000080, %ecx; rdmsr; or $0x100, %eax; wrmsr;
	mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0;
	ljmp $SEL_CODE64, $BOOT64);
GUEST64(boot_64,
	mov $0x1122334455667788, %rbx;
	mov $0x3f0, %edx; mov $64, %eax; out %eax, %dx;
	mov $0xc0000080, %ecx; rdmsr;
	hlt);

KTAP_TEST(guest_switches_real_to_long)
{
	struct vcpu *vcpu = vcpu_start(MODE_REAL, boot_16);
	struct vmm_sregs sregs;
	struct vmm_regs regs;
	struct __attribute__((packed)) {
		uint16_t limit;
		uint32_t base;
	} gdtr = { 0x3f, GUEST_GDT };

	memcpy(vm_gpa(vcpu->vm, BOOT32), boot_32, boot_32_end - boot_32);
	memcpy(vm_gpa(vcpu->vm, BOOT64), boot_64, boot_64_end - boot_64);
	memcpy(vm_gpa(vcpu->vm, GUEST_CODE + 0x300), &gdtr, sizeof(gdtr));
	expect_out(vcpu, PORT_REPORT, 4, 32);
	expect_out(vcpu, PORT_REPORT, 4, 64);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_EQ(regs.rbx, 0x1122334455667788);
	CHECK_EQ(regs.rax & 0xffffffff, X86_EFER_LME | X86_EFER_LMA);
	CHECK_EQ(sregs.efer, X86_EFER_LME | X86_EFER_LMA);
	CHECK_EQ(sregs.cs.l, 1);
	CHECK_EQ(sregs.cs.selector, SEL_CODE64);
	CHECK_EQ(sregs.gdt.base, GUEST_GDT);
	CHECK_EQ(sregs.gdt.limit, 0x3f);
	CHECK_EQ(sregs.cr3, GUEST_PML4);
}

/* PAE paging by the guest's own hand, and its four pointers loaded by way of CR4 later. */
GUEST32(pae_on,
	mov %cr4, %eax; or $0x20, %eax; mov %eax, %cr4;
	mov $GUEST_PAE_PDPT, %eax; mov %eax, %cr3;
	mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0;
	mov $PORT_REPORT, %edx; mov $32, %eax; out %eax, %dx;
	mov %cr4, %eax; xor $0x10, %eax; mov %eax, %cr4;
	mov 0x40000000 + GUEST_DATA, %eax; out %eax, %dx;
	hlt);

KTAP_TEST(guest_turns_pae_on)
{
	struct vcpu *vcpu = vcpu_start(MODE_PROTECTED, pae_on);
	uint64_t *pdpt = vm_gpa(vcpu->vm, GUEST_PAE_PDPT);

	*(uint32_t *)vm_gpa(vcpu->vm, GUEST_DATA) = 0x12345678;
	pdpt[1] = 0;
	CHECK_EQ(expect_report(vcpu), 32);
	if (cpu_is_tcg())
		ktap_skip("TCG marks PAE pointers as accessed: reserved bits when they are loaded again");
	pdpt[1] = pdpt[0];
	CHECK_EQ(expect_report(vcpu), 0x12345678);
	expect_hlt(vcpu);
}

/* To user mode by IRET, and back by an exception. */
GUEST64(to_user,
	pushq $SEL_USER_DATA;
	pushq $(GUEST_DATA + 0x1000);
	pushq $2;
	pushq $SEL_USER_CODE64;
	pushq $(GUEST_CODE + 0x100);
	iretq);
GUEST64(in_user,
	mov %cs, %eax;
	mov $7, %ebx;
	hlt);			/* #GP at privilege level 3 */

KTAP_TEST(user_mode_and_back)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, to_user);
	struct guest_fault *fault;
	struct vmm_regs regs;

	memcpy(vm_gpa(vcpu->vm, GUEST_CODE + 0x100), in_user, in_user_end - in_user);
	fault = expect_fault(vcpu, VMM_GP_VECTOR);
	CHECK_EQ(fault->error, 0);
	CHECK_EQ(fault->cs, SEL_USER_CODE64);
	CHECK_EQ(fault->rsp, GUEST_DATA + 0x1000);
	CHECK_EQ(fault->rip, GUEST_CODE + 0x100 + (in_user_end - in_user) - 1);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, SEL_USER_CODE64);
	CHECK_EQ(regs.rbx, 7);
}

/* Each mode's CR0, CR4 and EFER read back as they were set. */
KTAP_TEST(control_registers_read_back)
{
	static const enum guest_mode modes[] = {
		MODE_REAL, MODE_PROTECTED, MODE_PAE, MODE_LONG,
	};
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		struct vmm_sregs s;

		vcpu_set_mode(vcpu, modes[i]);
		vcpu_get_sregs(vcpu, &s);
		CHECK_EQ(!!(s.cr0 & X86_CR0_PE), modes[i] != MODE_REAL);
		CHECK_EQ(!!(s.cr0 & X86_CR0_PG), modes[i] >= MODE_PAE);
		CHECK_EQ(!!(s.cr4 & X86_CR4_PAE), modes[i] >= MODE_PAE);
		CHECK_EQ(s.efer, modes[i] == MODE_LONG ?
				 (X86_EFER_LME | X86_EFER_LMA) : 0);
	}
}

/*
 * Some small VMMs never set a CPUID. Their guests run in long mode all the same
 * (KVM has allowed that up to Linux 6.11).
 */
KTAP_TEST(long_mode_without_cpuid)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct vmm_cpuid2 none = { .nent = 0 };
	struct vmm_sregs sregs;

	vcpu_load(vcpu, MODE_LONG, add_64);
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_CPUID2, &none));
	if (ioctl(vcpu->fd, VMM_SET_SREGS, &sregs) && !vmm_is_vmm())
		ktap_skip("this KVM wants a CPUID that has long mode");
	vcpu_set_sregs(vcpu, &sregs);
	CHECK_EQ(rax_after_hlt(vcpu), 3);
}
