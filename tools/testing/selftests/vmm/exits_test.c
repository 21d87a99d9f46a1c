// SPDX-License-Identifier: GPL-2.0
/*
 * exits_test.c - HLT, triple faults, entries that cannot succeed, instructions
 * that a guest must not reach, and what the run page says at each exit.
 */
#include "vmm_test.h"

GUEST64(two_halts, hlt; mov $2, %eax; hlt);

KTAP_TEST(hlt_goes_on_at_the_next_run)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, two_halts);
	struct vmm_regs regs;

	expect_hlt(vcpu);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 1);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 2);
}

/* A guest without a descriptor table cannot even report #UD. */
GUEST64(no_idt, ud2; hlt);

KTAP_TEST(triple_fault_is_shutdown)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, no_idt);
	struct vmm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	sregs.idt.limit = 0;
	vcpu_set_sregs(vcpu, &sregs);
	expect_exit(vcpu, VMM_EXIT_SHUTDOWN);
}

KTAP_TEST(vcpu_works_after_a_shutdown)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, no_idt);
	struct vmm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	sregs.idt.limit = 0;
	vcpu_set_sregs(vcpu, &sregs);
	expect_exit(vcpu, VMM_EXIT_SHUTDOWN);
	vcpu_load(vcpu, MODE_LONG, two_halts);
	expect_hlt(vcpu);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 1);
}

/* A fault while an exception is delivered is #DF; with a good stack it is seen. */
GUEST64(double_fault, ud2; hlt);

KTAP_TEST(double_fault_reaches_its_handler)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, double_fault);
	uint64_t *gate = vm_gpa(vcpu->vm, GUEST_IDT + VMM_UD_VECTOR * 16);
	uint64_t error;

	gate[0] &= ~(1ULL << 47);	/* not present: #NP on delivery of #UD */
	/* Bit 0, EXT: one vendor counts an earlier exception as external, the other not. */
	error = expect_fault(vcpu, VMM_NP_VECTOR)->error & ~1ULL;
	/* TCG has the vector one bit too far left in long mode. */
	CHECK(error == (VMM_UD_VECTOR << 3 | 2) ||
	      (cpu_is_tcg() && error == (VMM_UD_VECTOR << 4 | 2)));

	vcpu_load(vcpu, MODE_LONG, double_fault);
	gate[0] &= ~(1ULL << 47);
	gate = vm_gpa(vcpu->vm, GUEST_IDT + VMM_NP_VECTOR * 16);
	gate[0] &= ~(1ULL << 47);	/* and neither is #NP's: two faults */
	CHECK_EQ(expect_fault(vcpu, VMM_DF_VECTOR)->error, 0);
}

/* A state that the CPU refuses to enter; vmm says what is wrong with it. */
KTAP_TEST(refused_entry_is_explained)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, two_halts);
	struct vmm_run *run = vcpu->run;
	struct vmm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	sregs.cs.db = 1;	/* 64-bit code with a default operand size */
	vcpu_set_sregs(vcpu, &sregs);
	expect_exit(vcpu, VMM_EXIT_FAIL_ENTRY);
	if (vmm_check_extension(VMM_CAP_FAIL_ENTRY_EXPLAIN)) {
		ktap_diag("%s", run->fail_entry.explain);
		CHECK(run->fail_entry.explain_len > 0);
		CHECK_EQ(strnlen(run->fail_entry.explain, sizeof(run->fail_entry.explain)),
			 run->fail_entry.explain_len);
		CHECK(strstr(run->fail_entry.explain, "CS"));
	}
	/* It can be mended. */
	vcpu_load(vcpu, MODE_LONG, two_halts);
	expect_hlt(vcpu);
}

/* The run page describes the guest's interrupt state at each exit. */
GUEST64(with_if, sti; nop; hlt; cli; hlt);

KTAP_TEST(run_page_shows_interrupt_state)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, with_if);
	struct vmm_run *run = vcpu->run;

	expect_hlt(vcpu);
	CHECK_EQ(run->if_flag, 1);
	CHECK_EQ(run->ready_for_interrupt_injection, 1);
	CHECK_EQ(run->cr8, 0);
	expect_hlt(vcpu);
	CHECK_EQ(run->if_flag, 0);
	CHECK_EQ(run->ready_for_interrupt_injection, 0);
	CHECK_EQ(run->flags, 0);
}

/* CR8 goes in and out through the run page when the APIC is user space's. */
GUEST64(cr8_plus_1, mov %cr8, %rax; inc %rax; mov %rax, %cr8; hlt);

KTAP_TEST(cr8_through_the_run_page)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, cr8_plus_1);
	struct vmm_sregs sregs;
	struct vmm_regs regs;

	vcpu->run->cr8 = 5;
	vcpu_run(vcpu);
	/* A lower CR8 would be an exit of its own; a higher one is not. */
	CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_HLT);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 6);
	CHECK_EQ(vcpu->run->cr8, 6);
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.cr8, 6);
}

GUEST64(cr8_lower, mov $9, %eax; mov %rax, %cr8; mov $3, %eax; mov %rax, %cr8; hlt);

KTAP_TEST(lower_cr8_is_an_exit)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, cr8_lower);

	expect_exit(vcpu, VMM_EXIT_SET_TPR);
	CHECK_EQ(vcpu->run->cr8, 3);
	expect_hlt(vcpu);
	CHECK_EQ(vcpu->run->cr8, 3);
}

/* apic_base in the run page is that of the special registers. */
KTAP_TEST(apic_base_in_the_run_page)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, two_halts);
	struct vmm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	expect_hlt(vcpu);
	CHECK_EQ(vcpu->run->apic_base, sregs.apic_base);
}

/* An instruction that neither the CPU nor the emulator runs on MMIO. */
GUEST64(mmio_unknown, mov $GUEST_MMIO, %ebx; fnsave (%rbx); hlt);

KTAP_TEST(mmio_that_cannot_be_emulated)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, mmio_unknown);

	expect_exit(vcpu, VMM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(vcpu->run->internal.suberror, VMM_INTERNAL_ERROR_EMULATION);
	/* The guest is where it was, for a client that knows better. */
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 5);
}

/* A guest does not get at its host's virtualization: #UD, since CPUID has none. */
GUEST64(vmrun, xor %eax, %eax; vmrun; hlt);
GUEST64(vmxon, vmxon GUEST_DATA; hlt);

KTAP_TEST(virtualization_instructions_are_undefined)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, vmrun);
	struct vmm_sregs sregs;

	expect_fault(vcpu, VMM_UD_VECTOR);
	vcpu_load(vcpu, MODE_LONG, vmxon);
	vcpu_get_sregs(vcpu, &sregs);
	vcpu_set_sregs(vcpu, &sregs);
	expect_fault(vcpu, VMM_UD_VECTOR);
}

/*
 * Guests know either vendor's instruction for a hypercall. An unknown number is
 * -VMM_ENOSYS; user mode may not ask at all.
 */
GUEST64(hypercall, mov $0x7777, %eax; vmmcall; mov %rax, %rbx;
	mov $0x7777, %eax; vmcall; hlt);

KTAP_TEST(unknown_hypercall)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, hypercall);
	struct vmm_regs regs;

	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rbx, (uint64_t)-VMM_ENOSYS);
	CHECK_EQ(regs.rax, (uint64_t)-VMM_ENOSYS);
}

/* Instructions that are intercepted for the host's sake run, and do no harm. */
GUEST64(harmless, wbinvd; invd; pause; mov $GUEST_DATA, %eax; invlpg (%rax);
	xor %ecx, %ecx; monitor; clts; hlt);

KTAP_TEST(cache_and_tlb_instructions)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, harmless);
	struct guest_fault *fault = vm_gpa(vcpu->vm, GUEST_FAULT);

	expect_hlt(vcpu);
	CHECK_EQ(fault->count, 0);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + (harmless_end - harmless));
}

/* Flushing the TLB by CR3 and CR4 makes a changed page table entry count. */
GUEST64(remap,
	mov $0x400000, %ebx; mov (%rbx), %eax;
	hlt;
	mov %cr3, %rcx; mov %rcx, %cr3; mov (%rbx), %eax;
	hlt);

KTAP_TEST(cr3_write_flushes)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, remap);
	struct vmm_regs regs;

	vm_map_4k(vcpu->vm, 0x400000, GUEST_DATA);
	*(uint32_t *)vm_gpa(vcpu->vm, GUEST_DATA) = 1;
	*(uint32_t *)vm_gpa(vcpu->vm, GUEST_DATA + PAGE_SIZE) = 2;
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 1);
	*vm_pte_4k(vcpu->vm, 0x400000) += PAGE_SIZE;
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 2);
}
