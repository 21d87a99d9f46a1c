// SPDX-License-Identifier: GPL-2.0
/*
 * Control registers: what values a guest may load (SDM 2.5 and 4.1, APM 3.1),
 * and the exits of the instructions that load them. A value that user space
 * sets goes through state.c, which asks other questions.
 *
 * vcpu->mutex and vm->srcu held, vCPU loaded.
 */
#include <asm/trapnr.h>

#include <emulate/emulate.h>
#include <vmm/lapic.h>
#include <vmm/x86.h>

#define CR0_KNOWN	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

static bool backend_accepts(struct vmm_vcpu *vcpu, u64 cr0, u64 cr4, u64 efer)
{
	return !vmm_backend->cr_valid || vmm_call(cr_valid)(vcpu, cr0, cr4, efer);
}

/* Paging is turned on or off: LMA follows LME. 1: not in this combination. */
static int switch_paging(struct vmm_vcpu *vcpu, u64 cr0, u64 *efer)
{
	if (cr0 & X86_CR0_PG) {
		if (*efer & EFER_LME) {
			if (!(vcpu_cr4(vcpu) & X86_CR4_PAE) || vcpu_seg(vcpu, SEG_CS)->l)
				return 1;
			*efer |= EFER_LMA;
		}
		return 0;
	}
	if (vcpu_is_64bit(vcpu) || (vcpu_cr4(vcpu) & X86_CR4_PCIDE))
		return 1;
	*efer &= ~(u64)EFER_LMA;
	return 0;
}

int vmm_set_cr0(struct vmm_vcpu *vcpu, u64 cr0)
{
	u64 old = vcpu_cr0(vcpu), efer = vcpu->arch.efer;
	u64 paging = X86_CR0_PG | X86_CR0_WP;

	cr0 |= X86_CR0_ET;
	if (cr0 >> 32)
		return 1;
	cr0 &= CR0_KNOWN;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return 1;
	if ((cr0 & X86_CR0_PG) && !(cr0 & X86_CR0_PE))
		return 1;
	if (((cr0 ^ old) & X86_CR0_PG) && switch_paging(vcpu, cr0, &efer))
		return 1;
	if (!backend_accepts(vcpu, cr0, vcpu_cr4(vcpu), efer))
		return 1;
	if (pae_paging(cr0, vcpu_cr4(vcpu), efer) &&
	    ((cr0 ^ old) & (X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)) &&
	    vcpu_load_pdptrs(vcpu, vcpu_cr3(vcpu)))
		return 1;

	vcpu->arch.cr0 = cr0;
	regs_dirty(vcpu, VMM_G_CR0);
	if (efer != vcpu->arch.efer) {
		vcpu->arch.efer = efer;
		regs_dirty(vcpu, VMM_G_EFER);
	}
	if ((cr0 ^ old) & paging)
		vmm_call(flush_gva)(vcpu, 0, false);
	if ((cr0 ^ old) & (X86_CR0_PE | X86_CR0_PG))
		vmm_call(update_intercepts)(vcpu);
	return 0;
}

int vmm_set_cr3(struct vmm_vcpu *vcpu, u64 cr3)
{
	u64 cr4 = vcpu_cr4(vcpu);

	if (vcpu_long_mode(vcpu)) {
		if (cr4 & X86_CR4_PCIDE)
			cr3 &= ~BIT_ULL(63);
		if (cr3 & vcpu->arch.cpuid.gpa_reserved)
			return 1;
	} else {
		cr3 = (u32)cr3;
		if (pae_paging(vcpu_cr0(vcpu), cr4, vcpu->arch.efer) &&
		    vcpu_load_pdptrs(vcpu, cr3))
			return 1;
	}
	vcpu->arch.cr3 = cr3;
	regs_dirty(vcpu, VMM_G_CR3);
	vmm_call(flush_gva)(vcpu, 0, false);
	return 0;
}

int vmm_set_cr4(struct vmm_vcpu *vcpu, u64 cr4)
{
	const u64 pdptr_bits = X86_CR4_PGE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_SMEP;
	u64 old = vcpu_cr4(vcpu);

	if (cr4 & vcpu->arch.cpuid.cr4_reserved)
		return 1;
	if (vcpu_long_mode(vcpu)) {
		if (!(cr4 & X86_CR4_PAE) || ((cr4 ^ old) & X86_CR4_LA57))
			return 1;
	}
	if ((cr4 & ~old & X86_CR4_PCIDE) &&
	    (!vcpu_long_mode(vcpu) || (vcpu_cr3(vcpu) & X86_CR3_PCID_MASK)))
		return 1;
	if (!backend_accepts(vcpu, vcpu_cr0(vcpu), cr4, vcpu->arch.efer))
		return 1;
	if (pae_paging(vcpu_cr0(vcpu), cr4, vcpu->arch.efer) && ((cr4 ^ old) & pdptr_bits) &&
	    vcpu_load_pdptrs(vcpu, vcpu_cr3(vcpu)))
		return 1;
	vcpu->arch.cr4 = cr4;
	regs_dirty(vcpu, VMM_G_CR4);
	if (cr4 ^ old) {
		vmm_call(flush_gva)(vcpu, 0, false);
		vmm_xstate_update(vcpu);
	}
	return 0;
}

int vmm_set_cr8(struct vmm_vcpu *vcpu, u64 cr8)
{
	if (cr8 > 15)
		return 1;
	if (vcpu->arch.apic)
		vmm_apic_set_tpr(vcpu, cr8 << 4);
	vcpu->arch.cr8 = cr8;
	return 0;
}

int vmm_set_efer(struct vmm_vcpu *vcpu, u64 efer)
{
	u64 old = vcpu->arch.efer;

	if (efer & ~(vcpu->arch.cpuid.efer_allowed | EFER_LMA))
		return 1;
	if (((efer ^ old) & EFER_LME) && vcpu_paging(vcpu))
		return 1;
	efer = (efer & ~(u64)EFER_LMA) | (old & EFER_LMA);
	if (!backend_accepts(vcpu, vcpu_cr0(vcpu), vcpu_cr4(vcpu), efer))
		return 1;
	vcpu->arch.efer = efer;
	regs_dirty(vcpu, VMM_G_EFER);
	if ((efer ^ old) & EFER_NX)
		vmm_call(flush_gva)(vcpu, 0, false);
	return 0;
}

/* --- exits --- */

/* The 16-bit operand of LMSW where it is in memory. */
static int lmsw_operand(struct vmm_vcpu *vcpu, u16 *msw)
{
	struct emu_ctxt *c = vcpu->arch.emu;
	u64 value = 0;
	int r = 0;

	if (insn_has_mem(&c->insn))
		r = emu_read_operand(c, sizeof(*msw), &value);
	else
		value = vcpu_gpr(vcpu, c->insn.rm);
	*msw = value;
	return r ? vmm_emulation_error(vcpu, r) : VMM_RESUME;
}

/* What the CPU did not say about a CR access. VMM_RESUME: exit.cr is filled in. */
static int decode_cr(struct vmm_vcpu *vcpu)
{
	struct vmm_exit *exit = &vcpu->arch.exit;
	const struct emu_insn *insn = &vcpu->arch.emu->insn;
	u16 msw = 0;
	int r = vmm_decode(vcpu);

	if (r <= 0 || vcpu->arch.exception.pending)
		return r;
	exit->insn_len = insn->len;
	exit->cr.cr = insn->op == INSN_MOV_TO_CR || insn->op == INSN_MOV_FROM_CR ? insn->reg : 0;
	exit->cr.gpr = insn->rm;
	switch (insn->op) {
	case INSN_MOV_TO_CR:
		exit->cr.access = VMM_CR_WRITE;
		break;
	case INSN_MOV_FROM_CR:
		exit->cr.access = VMM_CR_READ;
		break;
	case INSN_CLTS:
		exit->cr.access = VMM_CR_CLTS;
		break;
	case INSN_LMSW:
		r = lmsw_operand(vcpu, &msw);
		if (r <= 0 || vcpu->arch.exception.pending)
			return r;
		exit->cr.access = VMM_CR_LMSW;
		exit->cr.lmsw = msw;
		break;
	default:
		return vmm_internal_error(vcpu, VMM_INTERNAL_ERROR_EMULATION);
	}
	exit->cr.decoded = true;
	return VMM_RESUME;
}

static int write_cr(struct vmm_vcpu *vcpu, unsigned int cr, u64 value)
{
	if (!vcpu_is_64bit(vcpu))
		value = (u32)value;
	switch (cr) {
	case 0:
		return vmm_set_cr0(vcpu, value);
	case 3:
		return vmm_set_cr3(vcpu, value);
	case 4:
		return vmm_set_cr4(vcpu, value);
	case 8:
		return vmm_set_cr8(vcpu, value);
	default:
		return -1;
	}
}

static int read_cr(struct vmm_vcpu *vcpu, unsigned int cr, u64 *value)
{
	switch (cr) {
	case 0:
		*value = vcpu_cr0(vcpu);
		return 0;
	case 2:
		*value = vcpu->arch.cr2;
		return 0;
	case 3:
		*value = vcpu_cr3(vcpu);
		return 0;
	case 4:
		*value = vcpu_cr4(vcpu);
		return 0;
	case 8:
		*value = vcpu->arch.cr8;
		return 0;
	default:
		return -1;
	}
}

static int do_cr_access(struct vmm_vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;
	u64 value = 0;
	int r;

	switch (exit->cr.access) {
	case VMM_CR_WRITE:
		return write_cr(vcpu, exit->cr.cr, vcpu_gpr(vcpu, exit->cr.gpr));
	case VMM_CR_READ:
		r = read_cr(vcpu, exit->cr.cr, &value);
		if (!r)
			vcpu_set_gpr(vcpu, exit->cr.gpr,
				     vcpu_is_64bit(vcpu) ? value : (u32)value);
		return r;
	case VMM_CR_CLTS:
		return vmm_set_cr0(vcpu, vcpu_cr0(vcpu) & ~(u64)X86_CR0_TS);
	default:
		/* LMSW loads PE, MP, EM, TS and cannot clear PE (SDM, LMSW). */
		value = vcpu_cr0(vcpu);
		value = (value & ~0xeull) | (exit->cr.lmsw & 0xf);
		return vmm_set_cr0(vcpu, value);
	}
}

int vmm_handle_cr(struct vmm_vcpu *vcpu)
{
	struct vmm_exit *exit = &vcpu->arch.exit;
	u64 old_cr8 = vcpu->arch.cr8;
	int r;

	if (!exit->cr.decoded) {
		r = decode_cr(vcpu);
		if (r <= 0 || !exit->cr.decoded)
			return r;
	}
	r = do_cr_access(vcpu);
	if (unlikely(r)) {
		if (r < 0)
			vmm_inject_ud(vcpu);
		else
			vmm_inject_gp(vcpu);
		return VMM_RESUME;
	}
	r = vmm_skip_insn(vcpu);
	/* User space's APIC: a lower priority may let an interrupt through. */
	if (r == VMM_RESUME && vcpu->arch.cr8 < old_cr8 && !vcpu->arch.apic) {
		vcpu->run->exit_reason = VMM_EXIT_SET_TPR;
		return VMM_TO_USER;
	}
	return r;
}
