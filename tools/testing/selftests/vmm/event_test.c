// SPDX-License-Identifier: GPL-2.0
/*
 * event_test.c - interrupts and NMIs from user space: when the guest takes
 * them, when it cannot, and how its VMM learns that it can again.
 */
#include "vmm_test.h"

#define VECTOR	0x55
#define HANDLER	(GUEST_CODE + 0x800)

/* Handlers count in RBX (interrupt) and RBP (NMI). */
GUEST64(irq_handler, inc %rbx; iretq);
GUEST64(nmi_handler, inc %rbp; iretq);
/* Stops inside, where the NMI is still blocked. */
GUEST64(nmi_handler_hlt, inc %rbp; hlt; iretq);

#define NMI_HANDLER	(GUEST_CODE + 0x900)

static struct vcpu *start(const uint8_t *code, const uint8_t *end)
{
	struct vcpu *vcpu = vcpu_new(MODE_LONG, code, end);

	memcpy(vm_gpa(vcpu->vm, HANDLER), irq_handler, irq_handler_end - irq_handler);
	memcpy(vm_gpa(vcpu->vm, NMI_HANDLER), nmi_handler, nmi_handler_end - nmi_handler);
	vm_set_gate(vcpu->vm, MODE_LONG, VECTOR, HANDLER);
	vm_set_gate(vcpu->vm, MODE_LONG, VECTOR + 1, HANDLER);
	vm_set_gate(vcpu->vm, MODE_LONG, 2, NMI_HANDLER);
	return vcpu;
}
#define START(name) start(name, name##_end)

static int interrupt(struct vcpu *vcpu, uint32_t vector)
{
	struct vmm_interrupt irq = { .irq = vector };

	return ioctl(vcpu->fd, VMM_INTERRUPT, &irq);
}

static uint64_t rbx(struct vcpu *vcpu)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	return regs.rbx;
}

static uint64_t rbp(struct vcpu *vcpu)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	return regs.rbp;
}

/* ---- Interrupts ---- */

GUEST64(sti_hlt, sti; nop; hlt; hlt; hlt);

KTAP_TEST(interrupt_is_taken)
{
	struct vcpu *vcpu = START(sti_hlt);
	struct vmm_sregs sregs;

	expect_hlt(vcpu);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, 1);
	CHECK_OK(interrupt(vcpu, VECTOR));
	/* Accepted, not delivered yet. */
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.interrupt_bitmap[VECTOR / 64], 1ULL << VECTOR % 64);
	expect_hlt(vcpu);
	CHECK_EQ(rbx(vcpu), 1);
	vcpu_get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.interrupt_bitmap[VECTOR / 64], 0);
	/* Back behind the first HLT and on to the second. */
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 4);
}

KTAP_TEST(interrupt_vector_range)
{
	struct vcpu *vcpu = START(sti_hlt);

	CHECK_ERR(interrupt(vcpu, 256), EINVAL);
	CHECK_ERR(interrupt(vcpu, -1), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_INTERRUPT, NULL), EFAULT);
}

/*
 * Only one may wait. A second one is a client's mistake, refused or taken in
 * the first one's place (as KVM does): one interrupt arrives, not two.
 */
KTAP_TEST(interrupt_while_one_waits)
{
	struct vcpu *vcpu = START(sti_hlt);
	int r;

	expect_hlt(vcpu);
	CHECK_OK(interrupt(vcpu, VECTOR));
	r = interrupt(vcpu, VECTOR + 1);
	CHECK(!r || errno == EEXIST);
	expect_hlt(vcpu);
	CHECK_EQ(rbx(vcpu), 1);
	CHECK_OK(interrupt(vcpu, VECTOR + 1));
	expect_hlt(vcpu);
	CHECK_EQ(rbx(vcpu), 2);
}

/* The same through VMM_SET_SREGS and VMM_SET_VCPU_EVENTS. */
KTAP_TEST(interrupt_by_state)
{
	struct vcpu *vcpu = START(sti_hlt);
	struct vmm_vcpu_events events;
	struct vmm_sregs sregs;

	expect_hlt(vcpu);
	vcpu_get_sregs(vcpu, &sregs);
	sregs.interrupt_bitmap[VECTOR / 64] = 1ULL << VECTOR % 64;
	vcpu_set_sregs(vcpu, &sregs);
	expect_hlt(vcpu);
	CHECK_EQ(rbx(vcpu), 1);

	vcpu_get_events(vcpu, &events);
	events.interrupt.injected = 1;
	events.interrupt.nr = VECTOR;
	events.interrupt.soft = 0;
	vcpu_set_events(vcpu, &events);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.interrupt.injected, 1);
	CHECK_EQ(events.interrupt.nr, VECTOR);
	expect_hlt(vcpu);
	CHECK_EQ(rbx(vcpu), 2);
}

/* ---- Windows ---- */

/* IF comes on after the report. */
GUEST64(open_window,
	cli; xor %eax, %eax; mov $PORT_REPORT, %edx; out %eax, %dx;
	nop;
	sti;
	nop;	/* the interrupt shadow of STI */
	nop;
	hlt;
	hlt);
#define AFTER_SHADOW	(GUEST_CODE + 1 + 2 + 5 + 1 + 1 + 1 + 1)

KTAP_TEST(interrupt_window)
{
	struct vcpu *vcpu = START(open_window);

	CHECK_EQ(expect_report(vcpu), 0);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, 0);
	vcpu->run->request_interrupt_window = 1;
	expect_exit(vcpu, VMM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, 1);
	CHECK_EQ(vcpu->run->if_flag, 1);
	/* Not before the instruction after STI. */
	CHECK_EQ(vcpu_rip(vcpu), AFTER_SHADOW);
	vcpu->run->request_interrupt_window = 0;
	CHECK_OK(interrupt(vcpu, VECTOR));
	expect_hlt(vcpu);
	CHECK_EQ(rbx(vcpu), 1);
}

/* If the guest can take an interrupt already, the window is open at once. */
KTAP_TEST(window_that_is_open_already)
{
	struct vcpu *vcpu = START(sti_hlt);

	expect_hlt(vcpu);
	vcpu->run->request_interrupt_window = 1;
	expect_exit(vcpu, VMM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 3);
	expect_exit(vcpu, VMM_EXIT_IRQ_WINDOW_OPEN);
	vcpu->run->request_interrupt_window = 0;
	expect_hlt(vcpu);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 4);
}

/* Without a request there is no exit. */
KTAP_TEST(no_window_without_request)
{
	struct vcpu *vcpu = START(open_window);

	expect_report(vcpu);
	expect_hlt(vcpu);
}

/* A guest that never opens the window reaches its HLT with IF clear. */
GUEST64(never_open, cli; nop; hlt);

KTAP_TEST(window_that_stays_closed)
{
	struct vcpu *vcpu = START(never_open);

	vcpu->run->request_interrupt_window = 1;
	expect_hlt(vcpu);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, 0);
}

/* The delivery of an interrupt survives a fault in the second-level tables. */
GUEST64(sti_new_stack, mov $0x900000, %esp; sti; nop; hlt; hlt);

KTAP_TEST(interrupt_survives_a_second_level_fault)
{
	struct vcpu *vcpu = START(sti_new_stack);

	vm_map(vcpu->vm, 1, 0, 0x800000, PAGE_2M, host_alloc(PAGE_2M, PAGE_2M));
	expect_hlt(vcpu);
	CHECK_OK(interrupt(vcpu, VECTOR));
	expect_hlt(vcpu);
	CHECK_EQ(rbx(vcpu), 1);
}

/* ---- Interrupt shadow ---- */

GUEST64(shadow_mov_ss, sti; nop; mov %ss, %eax; mov %eax, %ss; cpuid; nop; hlt);

KTAP_TEST(shadow_is_part_of_the_events)
{
	struct vcpu *vcpu = START(sti_hlt);
	struct vmm_vcpu_events events;
	struct vmm_regs regs;

	/* Without IF there is no shadow of STI that a CPU would enter with. */
	vcpu_get_regs(vcpu, &regs);
	regs.rflags |= X86_FLAGS_IF;
	vcpu_set_regs(vcpu, &regs);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.interrupt.shadow, 0);
	events.flags = VMM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = VMM_X86_SHADOW_INT_STI;
	vcpu_set_events(vcpu, &events);
	vcpu_get_events(vcpu, &events);
	CHECK(events.flags & VMM_VCPUEVENT_VALID_SHADOW);
	/* A CPU that knows one kind of shadow only says both. */
	CHECK(events.interrupt.shadow & VMM_X86_SHADOW_INT_STI);
	expect_hlt(vcpu);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.interrupt.shadow, 0);
}

/* An instruction that is emulated in the shadow ends it. */
KTAP_TEST(shadow_ends_with_an_emulated_instruction)
{
	struct vcpu *vcpu = START(shadow_mov_ss);
	struct vmm_vcpu_events events;

	expect_hlt(vcpu);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.interrupt.shadow, 0);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, 1);
}

/* ---- NMI ---- */

GUEST64(halts, hlt; hlt; hlt; hlt);

KTAP_TEST(nmi_is_taken_with_if_clear)
{
	struct vcpu *vcpu = START(halts);

	expect_hlt(vcpu);
	CHECK_OK(ioctl(vcpu->fd, VMM_NMI, 0));
	expect_hlt(vcpu);
	CHECK_EQ(rbp(vcpu), 1);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 2);
}

/* Two NMIs at once: the second waits for the first one's IRET. */
KTAP_TEST(two_nmis)
{
	struct vcpu *vcpu = START(halts);

	expect_hlt(vcpu);
	CHECK_OK(ioctl(vcpu->fd, VMM_NMI, 0));
	CHECK_OK(ioctl(vcpu->fd, VMM_NMI, 0));
	expect_hlt(vcpu);
	CHECK_EQ(rbp(vcpu), 2);
}

KTAP_TEST(nmi_blocks_nmi_until_iret)
{
	struct vcpu *vcpu = START(halts);
	struct vmm_vcpu_events events;

	memcpy(vm_gpa(vcpu->vm, NMI_HANDLER), nmi_handler_hlt,
	       nmi_handler_hlt_end - nmi_handler_hlt);
	expect_hlt(vcpu);
	CHECK_OK(ioctl(vcpu->fd, VMM_NMI, 0));
	expect_hlt(vcpu);			/* in the handler */
	CHECK_EQ(rbp(vcpu), 1);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.nmi.masked, 1);
	CHECK_EQ(events.nmi.pending, 0);
	CHECK_OK(ioctl(vcpu->fd, VMM_NMI, 0));
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.nmi.pending, 1);
	expect_hlt(vcpu);			/* IRET, then the second one's HLT */
	CHECK_EQ(rbp(vcpu), 2);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.nmi.masked, 1);
	CHECK_EQ(events.nmi.pending, 0);
	expect_hlt(vcpu);
	CHECK_EQ(rbp(vcpu), 2);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.nmi.masked, 0);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + 2);
}

/* State set by user space, as after a migration. */
KTAP_TEST(nmi_by_state)
{
	struct vcpu *vcpu = START(halts);
	struct vmm_vcpu_events events;

	expect_hlt(vcpu);
	vcpu_get_events(vcpu, &events);
	events.flags = VMM_VCPUEVENT_VALID_NMI_PENDING;
	events.nmi.pending = 1;
	events.nmi.masked = 1;
	vcpu_set_events(vcpu, &events);
	expect_hlt(vcpu);
	CHECK_EQ(rbp(vcpu), 0);
	vcpu_get_events(vcpu, &events);
	CHECK_EQ(events.nmi.masked, 1);
	CHECK_EQ(events.nmi.pending, 1);
	events.nmi.masked = 0;
	vcpu_set_events(vcpu, &events);
	expect_hlt(vcpu);
	CHECK_EQ(rbp(vcpu), 1);
}

/* NMI and interrupt together: the NMI first, whose handler has IF clear. */
KTAP_TEST(nmi_and_interrupt)
{
	struct vcpu *vcpu = START(sti_hlt);

	expect_hlt(vcpu);
	CHECK_OK(interrupt(vcpu, VECTOR));
	CHECK_OK(ioctl(vcpu->fd, VMM_NMI, 0));
	expect_hlt(vcpu);
	CHECK_EQ(rbp(vcpu), 1);
	CHECK_EQ(rbx(vcpu), 1);
}

/* ---- Bad states ---- */

KTAP_TEST(event_flags)
{
	struct vcpu *vcpu = START(halts);
	struct vmm_vcpu_events events;

	vcpu_get_events(vcpu, &events);
	events.flags = 1U << 31;
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_VCPU_EVENTS, &events), EINVAL);
	CHECK_ERR(ioctl(vcpu->fd, VMM_SET_VCPU_EVENTS, NULL), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_GET_VCPU_EVENTS, NULL), EFAULT);
}

/* Real mode has its own vector table. */
GUEST16(real_sti, sti; nop; hlt; hlt);
GUEST16(real_irq, mov $0x77, %cl; iret);

KTAP_TEST(interrupt_in_real_mode)
{
	struct vcpu *vcpu = vcpu_start(MODE_REAL, real_sti);
	struct vmm_regs regs;

	memcpy(vm_gpa(vcpu->vm, 0x600), real_irq, real_irq_end - real_irq);
	vm_set_gate(vcpu->vm, MODE_REAL, VECTOR, 0x600);
	expect_hlt(vcpu);
	CHECK_OK(interrupt(vcpu, VECTOR));
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx & 0xff, 0x77);
	CHECK_EQ(regs.rip, real_sti_end - real_sti);
}
