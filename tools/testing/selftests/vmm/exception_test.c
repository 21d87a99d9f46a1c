// SPDX-License-Identifier: GPL-2.0
/*
 * exception_test.c - exceptions that the guest causes itself, those that its
 * VMM gives it, and debug exceptions.
 */
#include "vmm_test.h"

#define PF_P	1
#define PF_W	2
#define PF_U	4
#define PF_RSVD	8
#define PF_I	16

GUEST64(ud, ud2; hlt);
GUEST64(div0, xor %edx, %edx; xor %ecx, %ecx; div %ecx; hlt);
GUEST64(bp, int3; hlt);
GUEST64(soft_int, int $0x1e; hlt);
GUEST64(gp, mov $0x8000000000000000, %rax; mov (%rax), %eax; hlt);
GUEST64(gp_selector, mov $0x58, %eax; mov %eax, %ds; hlt);
GUEST64(bad_msr, mov $0xdeadbeef, %ecx; rdmsr; hlt);
GUEST64(bad_cr4, mov $0x80000000, %eax; mov %rax, %cr4; hlt);
GUEST64(bad_cr0, mov $0x80000000, %eax; mov %rax, %cr0; hlt);
GUEST64(nm, mov %cr0, %rax; or $8, %rax; mov %rax, %cr0; fninit; hlt);

static const struct {
	const char *name;
	const uint8_t *code, *end;
	int vector;
	int error;
	int rip;	/* offset in the code */
} own[] = {
#define OWN(label, vector, error, rip) { #label, label, label##_end, vector, error, rip }
	OWN(ud, VMM_UD_VECTOR, 0, 0),
	OWN(div0, VMM_DE_VECTOR, 0, 4),
	OWN(bp, VMM_BP_VECTOR, 0, 1),		/* a trap */
	OWN(soft_int, 0x1e, 0, 2),
	OWN(gp, VMM_GP_VECTOR, 0, 10),
	OWN(gp_selector, VMM_GP_VECTOR, 0x58, 5),
	OWN(bad_msr, VMM_GP_VECTOR, 0, 5),
	OWN(bad_cr4, VMM_GP_VECTOR, 0, 5),
	OWN(bad_cr0, VMM_GP_VECTOR, 0, 5),
	OWN(nm, VMM_NM_VECTOR, 0, 10),
};

KTAP_TEST(exceptions_of_the_guest)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(own); i++) {
		struct vcpu *vcpu = vcpu_new(MODE_LONG, own[i].code, own[i].end);
		struct guest_fault *fault;

		ktap_label(own[i].name);
		fault = expect_fault(vcpu, own[i].vector);
		CHECK_EQ(fault->error, own[i].error);
		CHECK_EQ(fault->rip, GUEST_CODE + own[i].rip);
		CHECK_EQ(fault->cs, SEL_CODE64);
	}
}

GUEST32(ud_32, ud2; hlt);
GUEST32(pf_32, mov $0x400000, %ebx; movb $1, (%ebx); hlt);

GUEST64(int1, .byte 0xf1; hlt);

/* Also a trap, and the only #DB that an instruction asks for. */
KTAP_TEST(int1_of_the_guest)
{
	struct vcpu *vcpu;

	if (cpu_is_tcg())
		ktap_skip("QEMU's TCG takes INT1 for its own debugger's");
	vcpu = vcpu_start(MODE_LONG, int1);
	CHECK_EQ(expect_fault(vcpu, VMM_DB_VECTOR)->rip, GUEST_CODE + 1);
}

KTAP_TEST(exceptions_in_32_bit_modes)
{
	struct vcpu *vcpu = vcpu_start(MODE_PROTECTED, ud_32);
	struct guest_fault *fault = expect_fault(vcpu, VMM_UD_VECTOR);

	CHECK_EQ(fault->rip, GUEST_CODE);
	vcpu = vcpu_start(MODE_PAE, pf_32);
	((uint64_t *)vm_gpa(vcpu->vm, GUEST_PD))[2] = 0;
	fault = expect_fault(vcpu, VMM_PF_VECTOR);
	CHECK_EQ(fault->error, PF_W);
	CHECK_EQ(fault->cr2, 0x400000);
	CHECK_EQ(fault->rip, GUEST_CODE + 5);
}

GUEST64(pf_read, mov (%rbx), %eax; hlt);
GUEST64(pf_write, mov %eax, (%rbx); hlt);
GUEST64(pf_exec, jmp *%rbx);

static struct guest_fault *page_fault(const uint8_t *code, const uint8_t *end,
				      uint64_t pte, uint64_t efer)
{
	struct vcpu *vcpu = vcpu_new(MODE_LONG, code, end);
	struct guest_fault *fault;
	struct vmm_sregs sregs;
	struct vmm_regs regs;

	vcpu_get_sregs(vcpu, &sregs);
	sregs.efer |= efer;
	vcpu_set_sregs(vcpu, &sregs);
	vm_map_4k(vcpu->vm, 0x400000, GUEST_DATA);
	*vm_pte_4k(vcpu->vm, 0x405000) = pte;
	vcpu_get_regs(vcpu, &regs);
	regs.rbx = 0x405678;
	vcpu_set_regs(vcpu, &regs);
	fault = expect_fault(vcpu, VMM_PF_VECTOR);
	CHECK_EQ(fault->cr2, 0x405678);
	return fault;
}
#define PAGE_FAULT(code, pte, efer) page_fault(code, code##_end, pte, efer)

KTAP_TEST(page_fault_error_codes)
{
	CHECK_EQ(PAGE_FAULT(pf_read, 0, 0)->error, 0);
	CHECK_EQ(PAGE_FAULT(pf_write, 0, 0)->error, PF_W);
	CHECK_EQ(PAGE_FAULT(pf_write, GUEST_DATA | 1, 0)->error, PF_P | PF_W);
	/* Bit 51 is beyond any address. TCG forgets that the page is present. */
	CHECK_EQ(PAGE_FAULT(pf_read, GUEST_DATA | 1 | 1UL << 51, 0)->error,
		 cpu_is_tcg() ? PF_RSVD : PF_P | PF_RSVD);
	CHECK_EQ(PAGE_FAULT(pf_exec, GUEST_DATA | 7 | 1UL << 63, X86_EFER_NX)->error,
		 PF_P | PF_I);
	CHECK_EQ(PAGE_FAULT(pf_exec, 0, X86_EFER_NX)->error, PF_I);
}

/* ---- Exceptions from user space ---- */

GUEST64(nops, nop; nop; hlt);

KTAP_TEST(injected_exception_with_error_code)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, nops);
	struct vmm_vcpu_events events;
	struct guest_fault *fault;

	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.exception.injected, 0);
	events.exception.injected = 1;
	events.exception.nr = VMM_GP_VECTOR;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x1234;
	vcpu_set_events(vcpu, &events);
	fault = expect_fault(vcpu, VMM_GP_VECTOR);
	CHECK_EQ(fault->error, 0x1234);
	CHECK_EQ(fault->rip, GUEST_CODE);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.exception.injected, 0);
	/* The IRET takes the guest back. */
	expect_hlt(vcpu);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + (nops_end - nops));
}

KTAP_TEST(injected_exception_without_error_code)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, nops);
	struct vmm_vcpu_events events;

	vcpu_get_events(vcpu, &events);
	events.exception.injected = 1;
	events.exception.nr = VMM_UD_VECTOR;
	vcpu_set_events(vcpu, &events);
	CHECK_EQ(expect_fault(vcpu, VMM_UD_VECTOR)->rip, GUEST_CODE);
}

KTAP_TEST(only_exceptions_may_be_injected)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, nops);
	struct vmm_vcpu_events events;

	vcpu_get_events(vcpu, &events);
	events.exception.injected = 1;
	events.exception.nr = 2;	/* NMI is no exception */
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_VCPU_EVENTS, &events), EINVAL);
	events.exception.nr = 32;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_VCPU_EVENTS, &events), EINVAL);
}

/* What was set and not yet run reads back. */
KTAP_TEST(injected_exception_reads_back)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, nops);
	struct vmm_vcpu_events events, got;

	vcpu_get_events(vcpu, &events);
	events.exception.injected = 1;
	events.exception.nr = VMM_SS_VECTOR;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x18;
	vcpu_set_events(vcpu, &events);
	vcpu_get_events(vcpu, &got);
	CHECK_EQ(got.exception.injected, 1);
	CHECK_EQ(got.exception.nr, VMM_SS_VECTOR);
	CHECK_EQ(got.exception.error_code, 0x18);
}

/*
 * The delivery needs a page that the second-level tables do not have yet: the
 * exception is intercepted on its way and has to arrive all the same.
 */
KTAP_TEST(delivery_survives_a_second_level_fault)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, nops);
	struct vmm_vcpu_events events;
	struct guest_fault *fault;
	struct vmm_regs regs;

	/* A stack that no one has touched. */
	vm_map(vcpu->vm, 1, 0, 0x800000, PAGE_2M, host_alloc(PAGE_2M, PAGE_2M));
	vcpu_get_regs(vcpu, &regs);
	regs.rsp = 0x900000;
	vcpu_set_regs(vcpu, &regs);
	vcpu_get_events(vcpu, &events);
	events.exception.injected = 1;
	events.exception.nr = VMM_GP_VECTOR;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x77;
	vcpu_set_events(vcpu, &events);
	fault = expect_fault(vcpu, VMM_GP_VECTOR);
	CHECK_EQ(fault->error, 0x77);
	CHECK_EQ(fault->rsp, 0x900000);
	expect_hlt(vcpu);
}

GUEST64(int_on_new_stack, mov $0x900000, %esp; int3; mov $5, %ebx; hlt);

KTAP_TEST(software_interrupt_survives_a_second_level_fault)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, int_on_new_stack);
	struct guest_fault *fault;
	struct vmm_regs regs;

	vm_map(vcpu->vm, 1, 0, 0x800000, PAGE_2M, host_alloc(PAGE_2M, PAGE_2M));
	fault = expect_fault(vcpu, VMM_BP_VECTOR);
	CHECK_EQ(fault->rip, GUEST_CODE + 6);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rbx, 5);
	CHECK_EQ(regs.rsp, 0x900000);
}

/*
 * Delivery into a stack that is MMIO cannot work; it must end, not loop. KVM
 * says DELIVERY_EV on one vendor's CPUs and EMULATION on the other's.
 */
KTAP_TEST(delivery_into_mmio_ends)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, ud);
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rsp = GUEST_MMIO + 0x1000;
	vcpu_set_regs(vcpu, &regs);
	expect_exit(vcpu, VMM_EXIT_INTERNAL_ERROR);
	CHECK(vcpu->run->internal.suberror == VMM_INTERNAL_ERROR_DELIVERY_EV ||
	      vcpu->run->internal.suberror == VMM_INTERNAL_ERROR_EMULATION);
}

/* ---- Debug exceptions, which are the guest's own ---- */

GUEST64(single_step,
	pushf; orq $0x100, (%rsp); popf;
	nop;
	nop;
	hlt);

KTAP_TEST(single_step_traps)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, single_step);
	struct guest_fault *fault = expect_fault(vcpu, VMM_DB_VECTOR);

	/* After the instruction that follows POPF. */
	CHECK_EQ(fault->rip, GUEST_CODE + (single_step_end - single_step) - 2);
	CHECK(fault->rflags & X86_FLAGS_TF);
}

GUEST64(breakpoint,
	mov $GUEST_DATA, %eax; mov %rax, %dr0;
	mov $0xd0001, %eax; mov %rax, %dr7;	/* write, 4 bytes, local 0 */
	movl $1, GUEST_DATA;
	nop;
	hlt);

KTAP_TEST(data_breakpoint)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, breakpoint);
	struct guest_fault *fault;
	struct vmm_debugregs dr;

	/* There it works only as long as the guest's writes are not intercepted. */
	if (cpu_is_tcg() && vmm_is_vmm())
		ktap_skip("TCG's VMRUN does not arm the breakpoints of the DR7 that it loads");
	fault = expect_fault(vcpu, VMM_DB_VECTOR);
	CHECK_EQ(fault->rip, GUEST_CODE + (breakpoint_end - breakpoint) - 2);
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_DEBUGREGS, &dr));
	CHECK_EQ(dr.db[0], GUEST_DATA);
	CHECK_EQ(dr.dr6 & 0xf, 1);
	CHECK_EQ(dr.dr7, 0xd0001 | 0x400);
}

/* The instruction that the kernel emulates counts as a step as well. */
GUEST64(step_over_cpuid,
	pushf; orq $0x100, (%rsp); popf;
	cpuid;
	nop;
	hlt);

KTAP_TEST(single_step_over_an_exit)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, step_over_cpuid);
	struct guest_fault *fault = expect_fault(vcpu, VMM_DB_VECTOR);

	CHECK_EQ(fault->rip, GUEST_CODE + (step_over_cpuid_end - step_over_cpuid) - 2);
}
