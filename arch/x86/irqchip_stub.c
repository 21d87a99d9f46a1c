// SPDX-License-Identifier: GPL-2.0
#include <vmm/irqchip.h>
bool vmm_pic_has_irq(struct vmm_vm *vm) { return false; }
int vmm_pic_read_irq(struct vmm_vm *vm) { return -1; }
void vmm_ioapic_eoi(struct vmm_vcpu *vcpu, u8 vector) {}
void vmm_ioapic_scan_vcpu(struct vmm_vcpu *vcpu, unsigned long *vectors) {}
