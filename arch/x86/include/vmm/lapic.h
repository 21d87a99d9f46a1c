/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local APIC of a vCPU, its timer, what reaches it from other vCPUs, from
 * the I/O APIC and by message, and the waiting of a vCPU that has nothing to
 * do: arch/x86/lapic.c, lapic_timer.c, lapic_ipi.c, halt.c.
 *
 * The registers belong to the vCPU's thread (vcpu->mutex). What others change is
 * marked A: bitmaps that they set bits in, with a request and a notification
 * afterwards. A VM whose APICs are user space's has none of this.
 */
#ifndef _VMM_LAPIC_H
#define _VMM_LAPIC_H

#include <linux/bitmap.h>
#include <linux/hrtimer.h>
#include <linux/types.h>
#include <asm/apicdef.h>

#include <vmm/vm.h>

/* vcpu->requests, after those of the core. */
enum {
	VMM_REQ_NMI = VMM_REQ_ARCH,	/* apic->nmis */
	VMM_REQ_APIC,			/* INIT or SIPI: apic->events */
	VMM_REQ_WAIT,			/* mp_state is not RUNNABLE */
	VMM_REQ_SCAN_IOAPIC,		/* apic->eoi_exit is out of date */
	VMM_REQ_IOAPIC_EOI_EXIT,	/* split: tell user space of an EOI */
	VMM_REQ_STEAL_TIME,		/* pv.c */
};

#define VMM_NR_VECTORS		256
#define VMM_APIC_SIZE		0x400	/* bytes of registers, as VMM_GET_LAPIC shows them */

/* vmm_apic.events: bits that other vCPUs set. */
enum { VMM_APIC_INIT, VMM_APIC_SIPI };

/**
 * struct vmm_apic_irq - a message to local APICs, whoever sends it
 * @dest: destination, of 8 bits (xAPIC, I/O APIC, MSI) or 32 (x2APIC)
 * @vector: of fixed and lowest-priority interrupts, and of SIPI
 * @delivery_mode: APIC_DM_* >> 8, in 3 bits
 * @shorthand: APIC_DEST_SELF and so on, >> 18; not 0 only with a source
 * @logical: destination mode
 * @level: asserted (INIT: not the deassertion)
 * @trig_level: level-triggered
 * @redir_hint: MSI: to any one of the destinations
 */
struct vmm_apic_irq {
	u32 dest;
	u8 vector;
	u8 delivery_mode;
	u8 shorthand;
	bool logical;
	bool level;
	bool trig_level;
	bool redir_hint;
};

enum {
	VMM_DM_FIXED	= APIC_DM_FIXED >> 8,
	VMM_DM_LOWEST	= APIC_DM_LOWEST >> 8,
	VMM_DM_SMI	= APIC_DM_SMI >> 8,
	VMM_DM_NMI	= APIC_DM_NMI >> 8,
	VMM_DM_INIT	= APIC_DM_INIT >> 8,
	VMM_DM_STARTUP	= APIC_DM_STARTUP >> 8,
	VMM_DM_EXTINT	= APIC_DM_EXTINT >> 8,
};

/* The timer; R unless marked. */
struct vmm_apic_timer {
	struct hrtimer timer;
	u64 period_ns;			/* periodic: at least the minimum; A: the callback reads it */
	ktime_t expires;		/* A: when the count reaches 0 */
	u64 tsc_deadline;		/* A: the callback clears it */
	bool running;			/* A: the callback clears it */
};

struct vmm_lapic {
	struct vmm_vcpu *vcpu;			/* I */
	u32 reg[VMM_APIC_SIZE / 16];		/* R, others read; IRR, ISR, TMR are below */
	DECLARE_BITMAP(irr, VMM_NR_VECTORS);	/* A */
	DECLARE_BITMAP(tmr, VMM_NR_VECTORS);	/* A */
	DECLARE_BITMAP(isr, VMM_NR_VECTORS);	/* R */
	/* Vectors whose EOI somebody waits for: made by vmm_ioapic_scan_vcpu(). */
	DECLARE_BITMAP(eoi_exit, VMM_NR_VECTORS);	/* R */
	unsigned long events;			/* A: VMM_APIC_* */
	u8 sipi_vector;				/* A: before VMM_APIC_SIPI is set */
	atomic_t nmis;				/* A: sent by others, not yet queued */
	bool enabled;				/* R, others read: software and hardware */
	bool x2apic;				/* R, others read */
	u32 esr_next;				/* R: errors until ESR is written */
	int ext_vector;				/* R: split: from user space's PIC; -1 none */
	int ioapic_eoi;				/* R: split: vector to report, -1 none */
	struct vmm_apic_timer timer;
	struct vmm_apic_snapshot *snapshot;	/* R: see snapshot_apic.c */
};

/* --- lapic.c --- */
int vmm_apic_create(struct vmm_vcpu *vcpu);	/* 0, -ENOMEM */
void vmm_apic_destroy(struct vmm_vcpu *vcpu);
void vmm_apic_reset(struct vmm_vcpu *vcpu, bool init);
/* MSR_IA32_APICBASE or CPUID changed; @old is the base before. */
void vmm_apic_base_changed(struct vmm_vcpu *vcpu, u64 old);
void vmm_apic_cpuid_changed(struct vmm_vcpu *vcpu);
/* MMIO: 0, -EOPNOTSUPP if the address is not the APIC's. */
int vmm_apic_mmio_read(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *val);
int vmm_apic_mmio_write(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *val);
/* MSRs 0x800 to 0x8ff: 0, or 1: #GP. */
int vmm_apic_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value);
int vmm_apic_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value);
void vmm_apic_set_tpr(struct vmm_vcpu *vcpu, u8 tpr);
void vmm_apic_eoi(struct vmm_vcpu *vcpu);
/* Is there an interrupt that the CPU would take if it could? -1: none. */
int vmm_apic_pending(struct vmm_vcpu *vcpu);
bool vmm_apic_has_interrupt(struct vmm_vcpu *vcpu);	/* of the APIC or of a PIC */
/* The CPU takes it: the vector, which is in service from now on; -1: none. */
int vmm_apic_take_interrupt(struct vmm_vcpu *vcpu);
bool vmm_apic_accepts_pic(struct vmm_vcpu *vcpu);
long vmm_apic_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg);

/* --- lapic_ipi.c --- */
/**
 * vmm_apic_deliver() - send a message to local APICs
 * @vm: the VM
 * @src: the sender if it is a vCPU, else NULL
 * @irq: the message
 *
 * Context: any, hard interrupts included.
 * Return: as VMM_IRQ_LINE_STATUS has it: on how many vCPUs it is new; 0 if it
 * was pending already (coalesced) or they do not take it; -1 if nobody is addressed.
 */
int vmm_apic_deliver(struct vmm_vm *vm, struct vmm_vcpu *src, const struct vmm_apic_irq *irq);
/* The same to one APIC ID, whatever irq->dest says. */
int vmm_apic_send_to(struct vmm_vm *vm, u32 id, const struct vmm_apic_irq *irq);
/* The vCPU with this APIC ID, or NULL. It stays as long as the VM does. */
struct vmm_vcpu *vmm_apic_owner(struct vmm_vm *vm, u32 id);
/* Paravirtual unhalt: the next or the present HLT of this APIC ID's vCPU ends. */
void vmm_apic_unhalt(struct vmm_vm *vm, u32 id);
/* Does the message address this vCPU? For the I/O APIC's broadcast of EOIs. */
bool vmm_apic_matches(struct vmm_vcpu *vcpu, const struct vmm_apic_irq *irq);
/* An ID, a logical ID or a mode changed, or a vCPU was added. May sleep. */
void vmm_apic_map_update(struct vmm_vm *vm);
void vmm_apic_map_free(struct vmm_vm *vm);
/* A local source fires: the LVT register says how. Any context. True: delivered. */
bool vmm_apic_local_deliver(struct vmm_lapic *apic, unsigned int lvt);
/* All vCPUs look at the I/O APIC's entries or MSI routes again. Any context. */
void vmm_request_ioapic_scan(struct vmm_vm *vm);
/* The output of the PIC pair rose: whoever accepts it looks again. Any context. */
void vmm_apic_accept_pic_changed(struct vmm_vm *vm);

/* --- lapic_timer.c --- */
void vmm_apic_timer_init(struct vmm_lapic *apic);
void vmm_apic_timer_stop(struct vmm_lapic *apic);
/* Initial count written. */
void vmm_apic_timer_start(struct vmm_lapic *apic);
/* Mode (LVTT) or divide configuration changed; registers hold the new values. */
void vmm_apic_timer_mode_changed(struct vmm_lapic *apic, u32 old_lvtt);
void vmm_apic_timer_divisor_changed(struct vmm_lapic *apic, u32 old_tdcr);
u32 vmm_apic_timer_count(struct vmm_lapic *apic);
/* SET_LAPIC: go on with this current count. */
void vmm_apic_timer_restore(struct vmm_lapic *apic, u32 count);
u64 vmm_apic_get_deadline(struct vmm_vcpu *vcpu);
void vmm_apic_set_deadline(struct vmm_vcpu *vcpu, u64 tsc);
void vmm_apic_timer_tsc_changed(struct vmm_vcpu *vcpu);
/* In between the callback does not run. False: there is nothing to go on with. */
bool vmm_apic_timer_pause(struct vmm_lapic *apic);
void vmm_apic_timer_go_on(struct vmm_lapic *apic);
void vmm_apic_timer_resume(struct vmm_lapic *apic, const struct vmm_apic_timer *was, ktime_t left);
/* The vCPU is loaded on another CPU: its timer follows. Preemption off. */
void vmm_apic_timer_migrate(struct vmm_lapic *apic);

/* --- snapshot_apic.c --- */
int vmm_apic_snapshot_mark(struct vmm_vcpu *vcpu);	/* 0, -ENOMEM */
void vmm_apic_snapshot_restore(struct vmm_vcpu *vcpu, u64 old_base);
void vmm_apic_snapshot_free(struct vmm_vcpu *vcpu);

/* --- halt.c --- */
/* HLT: VMM_RESUME; the vCPU waits before its next entry. */
int vmm_halt(struct vmm_vcpu *vcpu);
/* VMM_REQ_WAIT: VMM_RESUME, -EINTR, or -EAGAIN after UNINITIALIZED. */
int vmm_wait(struct vmm_vcpu *vcpu);
/* VMM_REQ_APIC: INIT and SIPI that others sent. */
void vmm_apic_accept_events(struct vmm_vcpu *vcpu);
u32 vmm_get_mp_state(struct vmm_vcpu *vcpu);
int vmm_set_mp_state(struct vmm_vcpu *vcpu, u32 state);	/* 0, -EINVAL */

static inline u32 apic_get(const struct vmm_lapic *apic, unsigned int offset)
{
	return READ_ONCE(apic->reg[offset >> 4]);
}

static inline void apic_set(struct vmm_lapic *apic, unsigned int offset, u32 value)
{
	WRITE_ONCE(apic->reg[offset >> 4], value);
}

static inline bool vmm_is_boot_cpu(const struct vmm_vcpu *vcpu)
{
	return vcpu->id == vcpu->vm->arch.boot_cpu_id;
}

static inline bool vmm_apic_hw_enabled(const struct vmm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->arch.apic_base) & MSR_IA32_APICBASE_ENABLE;
}

#endif
