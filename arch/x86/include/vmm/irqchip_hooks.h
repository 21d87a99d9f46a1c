/* SPDX-License-Identifier: GPL-2.0 */
/* Stand-ins until the I/O APIC and the PICs are merged. */
#ifndef _VMM_IRQCHIP_HOOKS_H
#define _VMM_IRQCHIP_HOOKS_H

#include <linux/types.h>

struct vmm_vm;
struct vmm_vcpu;

static inline bool vmm_pic_has_irq(struct vmm_vm *vm) { return false; }
static inline int vmm_pic_read_irq(struct vmm_vm *vm) { return -1; }
static inline void vmm_ioapic_eoi(struct vmm_vcpu *vcpu, u8 vector) {}
static inline void vmm_ioapic_scan_vcpu(struct vmm_vcpu *vcpu, unsigned long *vectors) {}

#endif
