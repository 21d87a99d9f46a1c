/* SPDX-License-Identifier: GPL-2.0 */
/*
 * irq_agent.h - a guest that does what the test says, an access at a time, and
 * reports each interrupt that it takes. So a test of an interrupt controller is
 * straight-line C: a write to a register, a line that rises, which vectors came.
 *
 * The agent's local APIC is enabled by software and masks the PICs, interrupts are
 * on, and each vector from 32 on has a handler.
 */
#ifndef IRQ_AGENT_H
#define IRQ_AGENT_H

#include "vmm_test.h"

#define LAPIC		0xfee00000UL
#define LAPIC_ID	0x20
#define LAPIC_EOI	0xb0
#define LAPIC_LDR	0xd0
#define LAPIC_SPIV	0xf0
#define LAPIC_LVT0	0x350

#define IOAPIC		0xfec00000UL
#define IOAPIC_WINDOW	(IOAPIC + 0x10)

/* Bits of an I/O APIC entry. */
#define IOAPIC_LEVEL	(1UL << 15)
#define IOAPIC_MASKED	(1UL << 16)

/* What a handler does after its report. */
enum agent_eoi { EOI_NONE, EOI_LAPIC, EOI_PIC };

/* A VM with PIC and I/O APIC in the kernel. */
struct vm *vm_create_irqchip(void);
/* A vCPU of such a VM, ready for the functions below. */
struct vcpu *agent_create(struct vm *vm, int id);
/* Both: with PIC and I/O APIC, vCPU 0. */
struct vcpu *agent_start(void);
void agent_set_eoi(struct vcpu *vcpu, enum agent_eoi eoi);

/* The guest does this; interrupts that come meanwhile are remembered. */
void agent_out8(struct vcpu *vcpu, uint16_t port, uint8_t value);
uint8_t agent_in8(struct vcpu *vcpu, uint16_t port);
void agent_write32(struct vcpu *vcpu, uint64_t gpa, uint32_t value);
uint32_t agent_read32(struct vcpu *vcpu, uint64_t gpa);
void agent_cli(struct vcpu *vcpu);
void agent_sti(struct vcpu *vcpu);
/* The guest does nothing, once round. */
void agent_idle(struct vcpu *vcpu);

/* The guest writes an I/O APIC entry, as guests do. */
void ioapic_write_entry(struct vcpu *vcpu, int pin, uint64_t bits);

/* VMM_IRQ_LINE as the system call is; VMM_IRQ_LINE_STATUS, which has to work. */
int irq_line(struct vm *vm, uint32_t gsi, uint32_t level);
int irq_status(struct vm *vm, uint32_t gsi, uint32_t level);
struct vmm_irqchip get_chip(struct vm *vm, uint32_t id);

/* The next vector that was taken, in order; waits up to two seconds for one. */
int agent_next_irq(struct vcpu *vcpu);
/* No interrupt comes (and none is left over). */
void agent_expect_none_(struct vcpu *vcpu, const char *file, int line);
#define agent_expect_none(vcpu)	agent_expect_none_(vcpu, __FILE__, __LINE__)
#define agent_expect_irq(vcpu, vector)	CHECK_EQ(agent_next_irq(vcpu), vector)

#endif /* IRQ_AGENT_H */
