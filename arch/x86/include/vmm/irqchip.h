/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The devices of arch/x86/irqchip/ that bring interrupts to local APICs: the pair
 * of 8259 PICs, the I/O APIC, the i8254 timer, and the split set-up, in which user
 * space has these and the kernel has the local APICs only.
 *
 * A VM has them when user space created them (VMM_CREATE_IRQCHIP), and their ports
 * and addresses are on its buses only then. vm->arch.irqchips is NULL otherwise.
 */
#ifndef _VMM_IRQCHIP_H
#define _VMM_IRQCHIP_H

#include <linux/types.h>
#include <uapi/linux/vmm.h>

struct vmm_vm;
struct vmm_vcpu;
struct vmm_irqchips;
struct vmm_apic_irq;

/* --- pic.c: the PICs' output, for local APICs that accept ExtINT. Any context --- */
bool vmm_pic_has_irq(struct vmm_vm *vm);
/* Interrupt acknowledge: the vector, 0 to 255. The vCPU will take it. */
int vmm_pic_read_irq(struct vmm_vm *vm);

/* --- ioapic.c --- */
/*
 * VMM_REQ_SCAN_IOAPIC: the vectors whose EOI the I/O APIC has to hear from this
 * vCPU, as a bitmap of 256 bits. Split: those of level-triggered MSI routes.
 */
void vmm_ioapic_scan_vcpu(struct vmm_vcpu *vcpu, unsigned long *vectors);
/*
 * The vCPU's EOI for a vector in that bitmap, whatever its TMR bit says (listeners of
 * edge-triggered pins want it too). Not with interrupts off; takes spinlocks only.
 */
void vmm_ioapic_eoi(struct vmm_vcpu *vcpu, u8 vector);

/* --- irqchip.c --- */
/* Decode an MSI; which bits of the destination count depends on VMM_CAP_X2APIC_API. */
void vmm_decode_msi(struct vmm_vm *vm, u64 address, u32 data, struct vmm_apic_irq *irq);
/* VMM_ENABLE_CAP; vm->lock held. */
long vmm_create_split_irqchip(struct vmm_vm *vm, u64 reserved_routes);
long vmm_enable_x2apic_api(struct vmm_vm *vm, u64 flags);
/* The last users of the VM are gone. */
void vmm_irqchips_destroy(struct vmm_vm *vm);
/* VM ioctls: CREATE_IRQCHIP, GET/SET_IRQCHIP, CREATE_PIT2, GET/SET_PIT2, REINJECT_CONTROL, SET_BOOT_CPU_ID. */
long vmm_irqchip_ioctl(struct vmm_vm *vm, unsigned int nr, unsigned long arg);
/* VMM_CHECK_EXTENSION for interrupt capabilities; 0 for all others. */
long vmm_irqchip_check_extension(long cap);

#endif
