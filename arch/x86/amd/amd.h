/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of vmm-amd.ko share. The control block's layout and constants
 * are the kernel's own <asm/svm.h>; the manual is AMD's APM volume 2, chapter 15.
 */
#ifndef _VMM_AMD_H
#define _VMM_AMD_H

#include <linux/percpu.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/svm.h>
#include <asm/trapnr.h>

#include <vmm/backend.h>
#include <vmm/regs.h>
#include <vmm/spoil.h>

/* CPUID 0x8000000a EDX: what the extensions offer (APM 15.33). */
#define SVM_F_NPT		BIT(0)
#define SVM_F_LBRV		BIT(1)
#define SVM_F_NEXT_RIP		BIT(3)
#define SVM_F_TSC_RATIO		BIT(4)
#define SVM_F_CLEAN_BITS	BIT(5)
#define SVM_F_FLUSH_ASID	BIT(6)
#define SVM_F_DECODE_ASSIST	BIT(7)
#define SVM_F_PAUSE_FILTER	BIT(10)
#define SVM_F_PAUSE_THRESHOLD	BIT(12)
#define SVM_F_SPEC_CTRL		BIT(20)
#define SVM_F_VNMI		BIT(25)

/* VMCB clean bits (APM 15.15.3): a clear bit makes the CPU read those fields. */
#define CLEAN_INTERCEPTS	BIT(0)	/* also the TSC offset, pause filter */
#define CLEAN_MAPS		BIT(1)	/* I/O and MSR permission maps' addresses */
#define CLEAN_ASID		BIT(2)
#define CLEAN_INT_CTL		BIT(3)
#define CLEAN_NPT		BIT(4)	/* nested CR3, guest PAT */
#define CLEAN_CR		BIT(5)	/* CR0, CR3, CR4, EFER */
#define CLEAN_DR		BIT(6)
#define CLEAN_DT		BIT(7)
#define CLEAN_SEG		BIT(8)	/* ES, CS, SS, DS, CPL */
#define CLEAN_CR2		BIT(9)
#define CLEAN_LBR		BIT(10)
#define CLEAN_ALL		(BIT(11) - 1)

/* The interrupt control word's virtual NMI bits (APM 15.21.10). */
#define INT_CTL_NMI_BLOCKED	BIT(12)
#define INT_CTL_NMI_ENABLE	BIT(26)

/* The guest's own value is not the CPU's: see regs.c. */
#define SVM_CR0_SHADOWED	(X86_CR0_CD | X86_CR0_NW)

#define DR6_INIT		0xffff0ff0UL

/*
 * Exceptions that always exit. A guest can make the CPU raise #AC and #DB without
 * end while it delivers them, so that it would never take the host's interrupts
 * (CVE-2015-5307, CVE-2015-8104). A machine check is the host's. #UD may be the
 * other vendor's hypercall instruction.
 */
#define ALWAYS_VECTORS	(BIT(X86_TRAP_DB) | BIT(X86_TRAP_UD) | \
			 BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC))

/**
 * struct svm_features - what the CPUs offer; set once at module load
 * @edx: SVM_F_* of the boot CPU; every CPU must offer the same or more
 * @nr_asids: address space identifiers, 0 (the host's) included
 * @clean: CLEAN_ALL, or 0 where the CPU has no clean bits
 * @lost_xsetbv: an emulator that does not intercept XSETBV
 */
struct svm_features {
	u32 edx;
	u32 nr_asids;
	u32 clean;
	bool lost_xsetbv;
};

extern struct svm_features svm_features;

static __always_inline bool svm_has(u32 feature)
{
	return svm_features.edx & feature;
}

/**
 * struct svm_cpu - one CPU's part; touched by that CPU only, preemption off
 * @hsave: where VMRUN saves the host's state
 * @host: where VMSAVE keeps what VMRUN does not (FS, GS, TR, LDTR, SYSCALL MSRs)
 * @host_pa: its address
 * @asid_gen: generation of identifiers; an older one is void
 * @next_asid: the next to give out
 * @last_vcpu: svm_vcpu.uid of the last vCPU that ran: whose predictions are here
 * @tsc_ratio: what MSR_AMD64_TSC_RATIO holds
 */
struct svm_cpu {
	struct page *hsave;
	struct page *host;
	hpa_t host_pa;
	u64 asid_gen;
	u32 next_asid;
	u64 last_vcpu;
	u64 tsc_ratio;
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/*
 * struct svm_vcpu - a vCPU with its control block
 * @cpu: of the CPU that it is loaded on
 * @asid_gen: generation of the ASID in the control block; 0 none
 * @int_ctl: the interrupt control word without V_TPR
 * @window: an interrupt window is armed
 * @iret_started: the guest, in an NMI handler, is about to execute an IRET ...
 * @step_rip: ... at this address; also where a step began
 * @stepping: stepping over one instruction to find the end of an NMI's masking
 * @step_tf: the guest's own TF at that instruction
 * @soft_len: bytes from RIP to the return address of an injected INT3 or INTO
 * @injected: EVENTINJ of the last entry, 0 none: the CPU clears its field
 * @msr_map: the MSR permission map; shared until it differs from the default
 */
struct svm_vcpu {
	struct vmm_vcpu vcpu;		/* first: the core allocates the whole */
	struct vmcb *vmcb;
	hpa_t vmcb_pa;
	struct svm_cpu *cpu;
	u64 uid;
	u64 asid_gen;
	u32 int_ctl;
	bool window;
	bool iret_started;
	bool stepping;
	bool step_tf;
	u8 soft_len;
	u32 injected;
	unsigned long step_rip;
	unsigned long *msr_map;
};

static __always_inline struct svm_vcpu *to_svm(struct vmm_vcpu *vcpu)
{
	return container_of(vcpu, struct svm_vcpu, vcpu);
}

static __always_inline void svm_touch(struct svm_vcpu *svm, u32 clean)
{
	svm->vmcb->control.clean &= ~clean;
}

static __always_inline bool svm_intercepts(const struct vmcb *vmcb, unsigned int bit)
{
	return vmcb->control.intercepts[bit / 32] & BIT(bit % 32);
}

/* @bit: INTERCEPT_* of <asm/svm.h> */
static inline void svm_intercept(struct svm_vcpu *svm, unsigned int bit, bool on)
{
	u32 *word = &svm->vmcb->control.intercepts[bit / 32];
	u32 new = on ? *word | BIT(bit % 32) : *word & ~BIT(bit % 32);

	if (*word != new) {
		*word = new;
		svm_touch(svm, CLEAN_INTERCEPTS);
	}
}

/*
 * Save what VMRUN does not of the host. Does nothing if the extensions are off,
 * which they are only on the way into a reboot.
 */
static __always_inline void svm_save_host(struct svm_cpu *cpu)
{
	asm volatile("1: vmsave %0\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : : "a" (cpu->host_pa) : "memory");
}

/* vcpu.c */
void svm_set_tsc_ratio(struct svm_vcpu *svm);	/* only if there is SVM_F_TSC_RATIO */
int svm_vcpu_init(struct vmm_vcpu *vcpu);
void svm_vcpu_destroy(struct vmm_vcpu *vcpu);
void svm_vcpu_reset(struct vmm_vcpu *vcpu, bool init);
void svm_load(struct vmm_vcpu *vcpu, int cpu);

/* regs.c */
void svm_write_groups(struct svm_vcpu *svm, u32 dirty);
void svm_fetch(struct vmm_vcpu *vcpu, u32 groups);
static __always_inline void svm_read_mode(struct svm_vcpu *svm)
{
	const struct vmcb_save_area *save = &svm->vmcb->save;
	struct vmm_vcpu_arch *arch = &svm->vcpu.arch;

	arch->mode.cpl = save->cpl;
	arch->mode.cs_l = save->cs.attrib & SVM_SELECTOR_L_MASK;
	arch->mode.cs_db = save->cs.attrib & SVM_SELECTOR_DB_MASK;
}

/* intercept.c */
void svm_init_intercepts(struct svm_vcpu *svm);
void svm_update_intercepts(struct vmm_vcpu *vcpu);
void svm_update_exceptions(struct svm_vcpu *svm);
void svm_update_cr_intercepts(struct svm_vcpu *svm);

/* asid.c */
void svm_new_asid(struct svm_vcpu *svm);
void svm_flush_tlb(struct vmm_vcpu *vcpu);
void svm_flush_gva(struct vmm_vcpu *vcpu, u64 gva, bool single);

/* msr.c */
int svm_maps_alloc(void);
void svm_maps_free(void);
hpa_t svm_io_map_pa(void);
void svm_msr_map_init(struct svm_vcpu *svm);
void svm_msr_map_free(struct svm_vcpu *svm);
void svm_msr_passthrough(struct vmm_vcpu *vcpu, u32 msr, bool read, bool write);
int svm_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value);
int svm_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value);

/* inject.c */
void svm_inject(struct svm_vcpu *svm);
void svm_arm_windows(struct svm_vcpu *svm);
void svm_exit_vectoring(struct svm_vcpu *svm);
bool svm_end_step(struct svm_vcpu *svm, u64 code);
void svm_iret_intercepted(struct svm_vcpu *svm);

/* run.c, entry.S */
void svm_run(struct vmm_vcpu *vcpu);
/*
 * Enter the guest and come back. GIF and the host's interrupts are handled
 * inside. Does nothing if the extensions are off on this CPU (emergency reboot).
 */
void svm_enter(hpa_t vmcb_pa, u64 *gpr, hpa_t host_pa, u32 spec_ctrl, u32 host_spec_ctrl);

/* exit.c */
void svm_classify(struct svm_vcpu *svm);

/* exit_name.c */
const char *svm_exit_name(u64 code);

/* explain.c */
/* A test's wish; true: it stands for the CPU's refusal. */
bool svm_spoil(struct svm_vcpu *svm);
void svm_explain(struct vmm_vcpu *vcpu, char *buf, size_t size);
void svm_dump(struct vmm_vcpu *vcpu);

#endif
