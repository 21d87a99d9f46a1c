// SPDX-License-Identifier: GPL-2.0
/*
 * Architectural state in bulk: REGS, SREGS, SREGS2, DEBUGREGS and MP_STATE for
 * user space, and what RESET and INIT make of all of it.
 *
 * User space sets state as a whole, so the rules are those of a consistent
 * state, not those of the instructions that change it (cr.c). Callers hold
 * vcpu->mutex and have the vCPU loaded; srcu is held.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/debugreg.h>

#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/x86.h>

#define CR0_BITS	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET |	\
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD |	\
			 X86_CR0_PG)

#define RFLAGS_BITS	(X86_EFLAGS_CF | X86_EFLAGS_FIXED | X86_EFLAGS_PF | X86_EFLAGS_AF |	\
			 X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_IF |	\
			 X86_EFLAGS_DF | X86_EFLAGS_OF | X86_EFLAGS_IOPL | X86_EFLAGS_NT |	\
			 X86_EFLAGS_RF | X86_EFLAGS_VM | X86_EFLAGS_AC | X86_EFLAGS_VIF |	\
			 X86_EFLAGS_VIP | X86_EFLAGS_ID)

#define DR7_FIXED	BIT(10)

/* --- REGS --- */

static void read_regs(struct vmm_vcpu *vcpu, struct vmm_regs *regs)
{
	const u64 *gpr = vcpu->arch.gpr;

	regs_need(vcpu, VMM_G_RIP | VMM_G_RSP | VMM_G_RFLAGS);
	*regs = (struct vmm_regs) {
		.rax = gpr[GPR_RAX], .rbx = gpr[GPR_RBX], .rcx = gpr[GPR_RCX],
		.rdx = gpr[GPR_RDX], .rsi = gpr[GPR_RSI], .rdi = gpr[GPR_RDI],
		.rsp = gpr[GPR_RSP], .rbp = gpr[GPR_RBP],
		.r8 = gpr[GPR_R8], .r9 = gpr[GPR_R9], .r10 = gpr[GPR_R10],
		.r11 = gpr[GPR_R11], .r12 = gpr[GPR_R12], .r13 = gpr[GPR_R13],
		.r14 = gpr[GPR_R14], .r15 = gpr[GPR_R15],
		.rip = vcpu->arch.rip, .rflags = vcpu->arch.rflags,
	};
}

static long get_regs(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_regs regs;

	read_regs(vcpu, &regs);
	return copy_to_user(arg, &regs, sizeof(regs)) ? -EFAULT : 0;
}

/* An exception that has not been delivered belonged to the old registers. */
static void write_regs(struct vmm_vcpu *vcpu, const struct vmm_regs *regs)
{
	u64 *gpr = vcpu->arch.gpr;

	gpr[GPR_RAX] = regs->rax;
	gpr[GPR_RBX] = regs->rbx;
	gpr[GPR_RCX] = regs->rcx;
	gpr[GPR_RDX] = regs->rdx;
	gpr[GPR_RSI] = regs->rsi;
	gpr[GPR_RDI] = regs->rdi;
	gpr[GPR_RSP] = regs->rsp;
	gpr[GPR_RBP] = regs->rbp;
	gpr[GPR_R8] = regs->r8;
	gpr[GPR_R9] = regs->r9;
	gpr[GPR_R10] = regs->r10;
	gpr[GPR_R11] = regs->r11;
	gpr[GPR_R12] = regs->r12;
	gpr[GPR_R13] = regs->r13;
	gpr[GPR_R14] = regs->r14;
	gpr[GPR_R15] = regs->r15;
	vcpu->arch.rip = regs->rip;
	vcpu->arch.rflags = (regs->rflags & RFLAGS_BITS) | X86_EFLAGS_FIXED;
	regs_dirty(vcpu, VMM_G_RIP | VMM_G_RSP | VMM_G_RFLAGS);
	vcpu->arch.exception.pending = false;
	vmm_request(vcpu, VMM_REQ_EVENT);
}

static long set_regs(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_regs regs;

	if (copy_from_user(&regs, arg, sizeof(regs)))
		return -EFAULT;
	write_regs(vcpu, &regs);
	return 0;
}

/* --- SREGS and SREGS2: alike up to the APIC base --- */

static_assert(offsetof(struct vmm_sregs, apic_base) == offsetof(struct vmm_sregs2, apic_base));

#define SREGS_COMMON	offsetofend(struct vmm_sregs, apic_base)

static bool pae_paging(const struct vmm_sregs2 *s)
{
	return (s->cr0 & X86_CR0_PG) && (s->cr4 & X86_CR4_PAE) && !(s->efer & EFER_LMA);
}

static void get_common(struct vmm_vcpu *vcpu, struct vmm_sregs2 *s)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	regs_need(vcpu, VMM_G_SEGS | VMM_G_DT | VMM_G_CR0 | VMM_G_CR3 | VMM_G_CR4 | VMM_G_EFER);
	s->cs = a->seg[SEG_CS];
	s->ds = a->seg[SEG_DS];
	s->es = a->seg[SEG_ES];
	s->fs = a->seg[SEG_FS];
	s->gs = a->seg[SEG_GS];
	s->ss = a->seg[SEG_SS];
	s->tr = a->seg[SEG_TR];
	s->ldt = a->seg[SEG_LDTR];
	s->gdt = (struct vmm_dtable) { .base = a->gdt.base, .limit = a->gdt.limit };
	s->idt = (struct vmm_dtable) { .base = a->idt.base, .limit = a->idt.limit };
	s->cr0 = a->cr0;
	s->cr2 = a->cr2;
	s->cr3 = a->cr3;
	s->cr4 = a->cr4;
	s->cr8 = a->cr8;
	s->efer = a->efer;
	s->apic_base = a->apic_base;
}

static bool efer_valid(u64 efer)
{
	u64 allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;

	if (vmm_can_offer(X86_FEATURE_FXSR_OPT))
		allowed |= EFER_FFXSR;
	return !(efer & ~allowed);
}

/* Long mode is on exactly when it is enabled and paging is on, with PAE. */
static bool mode_valid(struct vmm_vcpu *vcpu, const struct vmm_sregs2 *s)
{
	if ((s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG)) {
		if (!(s->cr4 & X86_CR4_PAE) || !(s->efer & EFER_LMA))
			return false;
		return !(s->cr3 & vcpu->arch.cpuid.gpa_reserved);
	}
	return !(s->efer & EFER_LMA) && !s->cs.l && !(s->cr4 & X86_CR4_PCIDE);
}

static bool sregs_valid(struct vmm_vcpu *vcpu, const struct vmm_sregs2 *s)
{
	if (s->cr0 >> 32 || ((s->cr0 & X86_CR0_PG) && !(s->cr0 & X86_CR0_PE)) ||
	    ((s->cr0 & X86_CR0_NW) && !(s->cr0 & X86_CR0_CD)))
		return false;
	if ((s->cr4 & vcpu->arch.cpuid.cr4_reserved) || s->cr8 > 15)
		return false;
	return efer_valid(s->efer) && mode_valid(vcpu, s);
}

static void set_segments(struct vmm_vcpu *vcpu, const struct vmm_sregs2 *s)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	a->seg[SEG_CS] = s->cs;
	a->seg[SEG_DS] = s->ds;
	a->seg[SEG_ES] = s->es;
	a->seg[SEG_FS] = s->fs;
	a->seg[SEG_GS] = s->gs;
	a->seg[SEG_SS] = s->ss;
	a->seg[SEG_TR] = s->tr;
	a->seg[SEG_LDTR] = s->ldt;
	a->gdt.base = s->gdt.base;
	a->gdt.limit = s->gdt.limit;
	a->idt.base = s->idt.base;
	a->idt.limit = s->idt.limit;
	regs_dirty(vcpu, VMM_G_SEGS | VMM_G_DT);
}

/*
 * Everything but PDPTEs and the interrupt. 0; -EINVAL, and nothing has changed.
 */
static int set_common(struct vmm_vcpu *vcpu, const struct vmm_sregs2 *s)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	u64 cr0 = (s->cr0 & CR0_BITS) | X86_CR0_ET;
	bool new_paging;

	if (!sregs_valid(vcpu, s) ||
	    (s->apic_base != a->apic_base &&
	     vmm_set_msr(vcpu, MSR_IA32_APICBASE, s->apic_base, true)))
		return -EINVAL;

	regs_need(vcpu, VMM_G_CR0 | VMM_G_CR3 | VMM_G_CR4);
	new_paging = a->cr0 != cr0 || a->cr3 != s->cr3 || a->cr4 != s->cr4 || a->efer != s->efer;
	set_segments(vcpu, s);
	a->cr0 = cr0;
	a->cr2 = s->cr2;
	a->cr3 = s->cr3;
	a->cr4 = s->cr4;
	if (a->apic)
		vmm_apic_set_tpr(vcpu, s->cr8 << 4 | (apic_get(a->apic, APIC_TASKPRI) & 0xf));
	a->cr8 = s->cr8;
	a->efer = s->efer;
	regs_dirty(vcpu, VMM_G_CR0 | VMM_G_CR3 | VMM_G_CR4 | VMM_G_EFER);
	if (new_paging)
		vmm_call(flush_gva)(vcpu, 0, false);
	vmm_xstate_update(vcpu);
	vmm_call(update_intercepts)(vcpu);
	vmm_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

static void read_sregs(struct vmm_vcpu *vcpu, struct vmm_sregs *sregs)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	struct vmm_sregs2 s = {};

	get_common(vcpu, &s);
	memcpy(sregs, &s, SREGS_COMMON);
	memset(sregs->interrupt_bitmap, 0, sizeof(sregs->interrupt_bitmap));
	if (a->interrupt.injected && !a->interrupt.soft)
		sregs->interrupt_bitmap[a->interrupt.vector / 64] |=
			BIT_ULL(a->interrupt.vector % 64);
}

static long get_sregs(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_sregs sregs;

	read_sregs(vcpu, &sregs);
	return copy_to_user(arg, &sregs, sizeof(sregs)) ? -EFAULT : 0;
}

/* The lowest interrupt of the bitmap, if any, counts as accepted by the CPU. */
static void accept_interrupt(struct vmm_vcpu *vcpu, const u64 *bitmap)
{
	unsigned int i;

	for (i = 0; i < VMM_NR_INTERRUPTS / 64; i++) {
		if (!bitmap[i])
			continue;
		vcpu->arch.interrupt.injected = true;
		vcpu->arch.interrupt.soft = false;
		vcpu->arch.interrupt.vector = i * 64 + __ffs64(bitmap[i]);
		return;
	}
}

/*
 * PDPTEs of PAE paging are read from guest memory; where that is not possible
 * the guest finds out at its first access.
 *
 * -EINVAL if the state is not one that a CPU can be in (EFER, CR0, CR4 and CS.L
 * contradict each other), or has a bit that is reserved or not in the guest's CPUID.
 */
static int write_sregs(struct vmm_vcpu *vcpu, const struct vmm_sregs *sregs)
{
	struct vmm_sregs2 s = {};
	int r;

	memcpy(&s, sregs, SREGS_COMMON);
	r = set_common(vcpu, &s);
	if (r)
		return r;
	if (pae_paging(&s))
		vcpu_load_pdptrs(vcpu, s.cr3);
	accept_interrupt(vcpu, sregs->interrupt_bitmap);
	return 0;
}

static long set_sregs(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_sregs sregs;

	if (copy_from_user(&sregs, arg, sizeof(sregs)))
		return -EFAULT;
	return write_sregs(vcpu, &sregs);
}

static long get_sregs2(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_sregs2 s = {};

	get_common(vcpu, &s);
	if (pae_paging(&s)) {
		/* A CPU that does not keep them reads them from memory at each use. */
		if (!(vmm_backend->caps & VMM_BCAP_PDPTRS))
			vcpu_load_pdptrs(vcpu, s.cr3);
		memcpy(s.pdptrs, vcpu->arch.pdptr, sizeof(s.pdptrs));
		s.flags = VMM_SREGS2_FLAGS_PDPTRS_VALID;
	}
	return copy_to_user(arg, &s, sizeof(s)) ? -EFAULT : 0;
}

/* -EINVAL also for an unknown flag, and for PDPTEs without PAE paging. */
static long set_sregs2(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_sregs2 s;
	bool pdptes;
	int r;

	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	pdptes = s.flags & VMM_SREGS2_FLAGS_PDPTRS_VALID;
	if ((s.flags & ~(u64)VMM_SREGS2_FLAGS_PDPTRS_VALID) || (pdptes && !pae_paging(&s)))
		return -EINVAL;
	r = set_common(vcpu, &s);
	if (r)
		return r;
	if (pdptes) {
		memcpy(vcpu->arch.pdptr, s.pdptrs, sizeof(s.pdptrs));
		regs_dirty(vcpu, VMM_G_CR3);
	} else if (pae_paging(&s)) {
		vcpu_load_pdptrs(vcpu, s.cr3);
	}
	return 0;
}

/* --- DEBUGREGS --- */

static long get_debugregs(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_debugregs d = {
		.dr6 = vcpu->arch.dr6,
		.dr7 = vcpu->arch.dr7,
	};

	memcpy(d.db, vcpu->arch.db, sizeof(d.db));
	return copy_to_user(arg, &d, sizeof(d)) ? -EFAULT : 0;
}

/* -EINVAL: a flag, or an upper half of DR6 or DR7. */
static long set_debugregs(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_debugregs d;

	if (copy_from_user(&d, arg, sizeof(d)))
		return -EFAULT;
	if (d.flags || d.dr6 >> 32 || d.dr7 >> 32)
		return -EINVAL;
	memcpy(vcpu->arch.db, d.db, sizeof(d.db));
	vcpu->arch.dr6 = d.dr6;
	vcpu->arch.dr7 = d.dr7;
	regs_dirty(vcpu, VMM_G_DR);
	vmm_update_dr7(vcpu);
	return 0;
}

/* --- MP_STATE --- */

static long get_mp_state(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_mp_state state = { .mp_state = vmm_get_mp_state(vcpu) };

	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long set_mp_state(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_mp_state state;

	if (copy_from_user(&state, arg, sizeof(state)))
		return -EFAULT;
	return vmm_set_mp_state(vcpu, state.mp_state);
}

/* --- NESTED_STATE: guests have no guests, but snapshots ask without asking first --- */

#define NESTED_HEADER	offsetof(struct vmm_nested_state, data)

static void empty_nested_state(struct vmm_nested_state *s)
{
	memset(s, 0, NESTED_HEADER);
	s->flags = vmm_backend->nested_flags;
	s->format = vmm_backend->nested_format;
	s->size = NESTED_HEADER;
	/* Two addresses, of what is not there. */
	if (s->format == VMM_STATE_NESTED_FORMAT_VMX)
		memset(s->hdr.pad, 0xff, 2 * sizeof(u64));
}

static long get_nested_state(struct vmm_nested_state __user *arg)
{
	struct vmm_nested_state s;
	u32 room;

	if (get_user(room, &arg->size))
		return -EFAULT;
	empty_nested_state(&s);
	if (room < NESTED_HEADER)
		return put_user(s.size, &arg->size) ? -EFAULT : -E2BIG;
	return copy_to_user(arg, &s, NESTED_HEADER) ? -EFAULT : 0;
}

/* -EINVAL: any other state than the one that GET gives. */
static long set_nested_state(const void __user *arg)
{
	struct vmm_nested_state s, empty;

	if (copy_from_user(&s, arg, NESTED_HEADER))
		return -EFAULT;
	empty_nested_state(&empty);
	return memcmp(&s, &empty, NESTED_HEADER) ? -EINVAL : 0;
}

/**
 * vmm_state_ioctl() - VMM_{GET,SET}_{REGS,SREGS,SREGS2,DEBUGREGS,MP_STATE,NESTED_STATE}
 * @vcpu: the vCPU, loaded
 * @nr: which of them
 * @arg: its struct in user space
 *
 * Return: 0; -EFAULT; -EINVAL as said at the functions above; -E2BIG:
 * VMM_GET_NESTED_STATE finds too little room, and says how much it needs.
 */
long vmm_state_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg)
{
	switch (nr) {
	case VMM_GET_REGS:
		return get_regs(vcpu, arg);
	case VMM_SET_REGS:
		return set_regs(vcpu, arg);
	case VMM_GET_SREGS:
		return get_sregs(vcpu, arg);
	case VMM_SET_SREGS:
		return set_sregs(vcpu, arg);
	case VMM_GET_SREGS2:
		return get_sregs2(vcpu, arg);
	case VMM_SET_SREGS2:
		return set_sregs2(vcpu, arg);
	case VMM_GET_DEBUGREGS:
		return get_debugregs(vcpu, arg);
	case VMM_SET_DEBUGREGS:
		return set_debugregs(vcpu, arg);
	case VMM_GET_MP_STATE:
		return get_mp_state(vcpu, arg);
	case VMM_SET_MP_STATE:
		return set_mp_state(vcpu, arg);
	case VMM_GET_NESTED_STATE:
		return get_nested_state(arg);
	case VMM_SET_NESTED_STATE:
		return set_nested_state(arg);
	default:
		return -ENOTTY;
	}
}

/* --- registers through the run page --- */

/* User space may change the page at any time: copy it, once, then look at the copy. */
#define FETCH(to, from)								\
	do {									\
		memcpy(to, from, sizeof(*(to)));				\
		barrier_data(to);						\
	} while (0)

static int load_sregs(struct vmm_vcpu *vcpu)
{
	struct vmm_sregs sregs;

	FETCH(&sregs, &vcpu->run->s.regs.sregs);
	return write_sregs(vcpu, &sregs);
}

static int load_events(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_events events;

	FETCH(&events, &vcpu->run->s.regs.events);
	return vmm_set_vcpu_events(vcpu, &events);
}

int vmm_sync_regs_load(struct vmm_vcpu *vcpu)
{
	struct vmm_run *run = vcpu->run;
	u64 dirty = READ_ONCE(run->vmm_dirty_regs);
	struct vmm_regs regs;

	if ((dirty | READ_ONCE(run->vmm_valid_regs)) & ~(u64)VMM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty & VMM_SYNC_X86_REGS) {
		FETCH(&regs, &run->s.regs.regs);
		write_regs(vcpu, &regs);
	}
	if (dirty & VMM_SYNC_X86_SREGS && load_sregs(vcpu))
		return -EINVAL;
	if (dirty & VMM_SYNC_X86_EVENTS && load_events(vcpu))
		return -EINVAL;
	WRITE_ONCE(run->vmm_dirty_regs, 0);
	return 0;
}

void vmm_sync_regs_store(struct vmm_vcpu *vcpu)
{
	struct vmm_sync_regs *s = &vcpu->run->s.regs;
	u64 valid = READ_ONCE(vcpu->run->vmm_valid_regs);

	if (valid & VMM_SYNC_X86_REGS)
		read_regs(vcpu, &s->regs);
	if (valid & VMM_SYNC_X86_SREGS)
		read_sregs(vcpu, &s->sregs);
	if (valid & VMM_SYNC_X86_EVENTS) {
		struct vmm_vcpu_events events = {};

		vmm_get_vcpu_events(vcpu, &events);
		s->events = events;
	}
}

/* --- RESET and INIT (SDM 9.1.1, APM 14.1.3) --- */

static void reset_segments(struct vmm_vcpu_arch *a)
{
	static const struct vmm_segment data = {
		.limit = 0xffff, .type = 3, .present = 1, .s = 1,
	};
	int i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		a->seg[i] = data;
	a->seg[SEG_CS].base = 0xffff0000;
	a->seg[SEG_CS].selector = 0xf000;
	a->seg[SEG_CS].type = 11;
	a->seg[SEG_LDTR] = (struct vmm_segment) { .limit = 0xffff, .type = 2, .present = 1 };
	a->seg[SEG_TR] = (struct vmm_segment) { .limit = 0xffff, .type = 11, .present = 1 };
	a->gdt = (struct vmm_desc_table) { .limit = 0xffff };
	a->idt = (struct vmm_desc_table) { .limit = 0xffff };
}

static void reset_registers(struct vmm_vcpu *vcpu, bool init)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	const struct vmm_cpuid_entry2 *version = vmm_find_cpuid(vcpu, 1, 0);
	u64 caching = X86_CR0_CD | X86_CR0_NW;

	if (init)
		caching &= vcpu_cr0(vcpu);
	memset(a->gpr, 0, sizeof(a->gpr));
	a->gpr[GPR_RDX] = version ? version->eax : 0x600;
	a->rip = 0xfff0;
	a->rflags = X86_EFLAGS_FIXED;
	a->cr0 = X86_CR0_ET | caching;
	a->cr2 = a->cr3 = a->cr4 = a->cr8 = a->efer = 0;
	memset(a->pdptr, 0, sizeof(a->pdptr));
	reset_segments(a);
	a->shadow = 0;
	a->nmi_masked = false;
	memset(a->db, 0, sizeof(a->db));
	a->dr6 = DR6_RESERVED;
	a->dr7 = DR7_FIXED;
	a->pending_db = 0;
	regs_dirty(vcpu, VMM_G_ALL);
}

/* What was on its way into the guest is gone. */
static void reset_events(struct vmm_vcpu_arch *a)
{
	memset(&a->exception, 0, sizeof(a->exception));
	memset(&a->interrupt, 0, sizeof(a->interrupt));
	memset(&a->inject, 0, sizeof(a->inject));
	memset(&a->io, 0, sizeof(a->io));
	a->nmi_injected = false;
	a->nmi_pending = 0;
}

/**
 * vmm_vcpu_reset() - power-up, or INIT
 * @vcpu: the vCPU
 * @init: INIT, which keeps the FPU, XCR0, MTRRs, the TSC and most other MSRs
 *
 * Context: vCPU loaded, may sleep.
 */
void vmm_vcpu_reset(struct vmm_vcpu *vcpu, bool init)
{
	reset_registers(vcpu, init);
	reset_events(&vcpu->arch);
	if (!init) {
		vmm_msr_reset(vcpu);
		vmm_fpu_reset(vcpu);
	}
	vmm_pv_reset(vcpu);
	if (vcpu->arch.apic)
		vmm_apic_reset(vcpu, init);
	vmm_xstate_update(vcpu);
	vmm_update_dr7(vcpu);
	vmm_call(vcpu_reset)(vcpu, init);
	vmm_call(update_intercepts)(vcpu);
	vmm_request(vcpu, VMM_REQ_EVENT);
}
