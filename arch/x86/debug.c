// SPDX-License-Identifier: GPL-2.0
/*
 * Debug registers of the guest, and debugging of the guest by user space.
 *
 * Every MOV to or from a debug register exits and #DB is intercepted, so
 * arch.db, dr6 and dr7 are always the truth and the CPU's registers matter only
 * while breakpoints are enabled (run.c loads DR0-3). User space's own
 * breakpoints (VMM_SET_GUEST_DEBUG) take the guest's place meanwhile.
 */
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include <emulate/emulate.h>
#include <vmm/x86.h>

void vmm_update_dr7(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	a->hw_dr7 = a->guest_debug & VMM_GUESTDBG_USE_HW_BP ? a->guest_dr7 : a->dr7;
	regs_dirty(vcpu, VMM_G_DR);
}

/* SDM 18.2: DR4 and DR5 are DR6 and DR7 unless CR4.DE, then #UD. -1: #UD, 1: #GP. */
static int alias(struct vmm_vcpu *vcpu, unsigned int *dr)
{
	if (*dr == 4 || *dr == 5) {
		if (vcpu_cr4(vcpu) & X86_CR4_DE)
			return -1;
		*dr += 2;
	}
	return *dr > 7 ? -1 : 0;
}

static int set_dr(struct vmm_vcpu *vcpu, unsigned int dr, u64 value)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;

	switch (dr) {
	case 6:
		if (value >> 32)
			return 1;
		a->dr6 = (value & (DR_TRAP_BITS | VMM_DR6_BD | DR_STEP | DR_SWITCH)) | DR6_RESERVED;
		regs_dirty(vcpu, VMM_G_DR);
		return 0;
	case 7:
		if (value >> 32)
			return 1;
		a->dr7 = (value & ~0xd000ull) | 0x400;
		vmm_update_dr7(vcpu);
		return 0;
	default:
		a->db[dr] = value;
		return 0;
	}
}

static u64 get_dr(struct vmm_vcpu *vcpu, unsigned int dr)
{
	return dr == 6 ? vcpu->arch.dr6 : dr == 7 ? vcpu->arch.dr7 : vcpu->arch.db[dr];
}

static int decode_dr(struct vmm_vcpu *vcpu)
{
	struct vmm_exit *exit = &vcpu->arch.exit;
	const struct emu_insn *insn = &vcpu->arch.emu->insn;
	int r = vmm_decode(vcpu);

	if (r <= 0 || vcpu->arch.exception.pending)
		return r;
	if (insn->op != INSN_MOV_TO_DR && insn->op != INSN_MOV_FROM_DR)
		return vmm_internal_error(vcpu, VMM_INTERNAL_ERROR_EMULATION);
	exit->insn_len = insn->len;
	exit->dr.write = insn->op == INSN_MOV_TO_DR;
	exit->dr.dr = insn->reg;
	exit->dr.gpr = insn->rm;
	exit->dr.decoded = true;
	return VMM_RESUME;
}

int vmm_handle_dr(struct vmm_vcpu *vcpu)
{
	struct vmm_exit *exit = &vcpu->arch.exit;
	unsigned int dr;
	u64 value;
	int r;

	if (!exit->dr.decoded) {
		r = decode_dr(vcpu);
		if (r <= 0 || !exit->dr.decoded)
			return r;
	}
	dr = exit->dr.dr;
	r = alias(vcpu, &dr);
	if (r) {
		vmm_inject_ud(vcpu);
		return VMM_RESUME;
	}
	if (vcpu_cpl(vcpu)) {
		vmm_inject_gp(vcpu);
		return VMM_RESUME;
	}
	/* General detect: an access while DR7.GD is set (SDM 18.2.4). */
	if (vcpu->arch.dr7 & VMM_DR7_GD) {
		vmm_queue_db(vcpu, VMM_DR6_BD);
		return VMM_RESUME;
	}
	if (exit->dr.write) {
		value = vcpu_gpr(vcpu, exit->dr.gpr);
		if (!vcpu_is_64bit(vcpu))
			value = (u32)value;
		if (set_dr(vcpu, dr, value)) {
			vmm_inject_gp(vcpu);
			return VMM_RESUME;
		}
	} else {
		value = get_dr(vcpu, dr);
		vcpu_set_gpr(vcpu, exit->dr.gpr, vcpu_is_64bit(vcpu) ? value : (u32)value);
	}
	return vmm_skip_insn(vcpu);
}

/* --- debugging by user space --- */

static int debug_exit(struct vmm_vcpu *vcpu, u8 vector, u64 dr6)
{
	struct vmm_run *run = vcpu->run;

	run->exit_reason = VMM_EXIT_DEBUG;
	run->debug.arch.exception = vector;
	run->debug.arch.pc = vcpu_seg(vcpu, SEG_CS)->base + vcpu_rip(vcpu);
	run->debug.arch.dr6 = dr6;
	run->debug.arch.dr7 = vcpu->arch.hw_dr7;
	return VMM_TO_USER;
}

int vmm_single_step(struct vmm_vcpu *vcpu)
{
	if (vcpu->arch.guest_debug & VMM_GUESTDBG_SINGLESTEP)
		return debug_exit(vcpu, X86_TRAP_DB, DR_STEP | DR6_RESERVED);
	vmm_queue_db(vcpu, DR_STEP);
	return VMM_RESUME;
}

int vmm_handle_debug_exception(struct vmm_vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;
	u32 dbg = vcpu->arch.guest_debug;

	if (exit->exception.vector == X86_TRAP_BP) {
		if (dbg & VMM_GUESTDBG_USE_SW_BP)
			return debug_exit(vcpu, X86_TRAP_BP, vcpu->arch.dr6);
		/* A trap: RIP behind the INT3 is what the guest must see. */
		vmm_queue_exception(vcpu, X86_TRAP_BP);
		return vmm_skip_insn(vcpu);
	}
	if (dbg & (VMM_GUESTDBG_SINGLESTEP | VMM_GUESTDBG_USE_HW_BP))
		return debug_exit(vcpu, X86_TRAP_DB, exit->exception.payload ^ DR6_RESERVED);
	vmm_queue_db(vcpu, exit->exception.payload);
	/* Of INT1, a trap as well, where the CPU tells its length. */
	return exit->insn_len ? vmm_skip_insn(vcpu) : VMM_RESUME;
}

/*
 * VMM_SET_GUEST_DEBUG. -EINVAL: unknown flags; -EBUSY: an exception is to be
 * injected while another one waits.
 */
int vmm_set_guest_debug(struct vmm_vcpu *vcpu, const struct vmm_guest_debug *dbg)
{
	const u32 known = VMM_GUESTDBG_ENABLE | VMM_GUESTDBG_SINGLESTEP |
			  VMM_GUESTDBG_USE_SW_BP | VMM_GUESTDBG_USE_HW_BP |
			  VMM_GUESTDBG_INJECT_DB | VMM_GUESTDBG_INJECT_BP;
	struct vmm_vcpu_arch *a = &vcpu->arch;

	if (dbg->control & ~known)
		return -EINVAL;
	if (dbg->control & (VMM_GUESTDBG_INJECT_DB | VMM_GUESTDBG_INJECT_BP)) {
		if (a->exception.pending || a->exception.injected)
			return -EBUSY;
		vmm_queue_exception(vcpu, dbg->control & VMM_GUESTDBG_INJECT_DB ? X86_TRAP_DB :
									    X86_TRAP_BP);
	}
	a->guest_debug = dbg->control & VMM_GUESTDBG_ENABLE ? dbg->control : 0;
	if (a->guest_debug & VMM_GUESTDBG_USE_HW_BP) {
		memcpy(a->guest_db, dbg->arch.debugreg, sizeof(a->guest_db));
		a->guest_dr7 = dbg->arch.debugreg[7];
	}
	vmm_update_dr7(vcpu);
	vmm_call(update_intercepts)(vcpu);
	return 0;
}

/* While user space steps, RFLAGS.TF is set in the guest only between these two. */
void vmm_debug_run_begin(struct vmm_vcpu *vcpu)
{
	u64 rflags = vcpu_rflags(vcpu);

	vcpu->arch.guest_tf = rflags & X86_EFLAGS_TF;
	if (vcpu->arch.guest_debug & VMM_GUESTDBG_SINGLESTEP)
		vcpu_set_rflags(vcpu, rflags | X86_EFLAGS_TF);
}

void vmm_debug_run_end(struct vmm_vcpu *vcpu)
{
	if ((vcpu->arch.guest_debug & VMM_GUESTDBG_SINGLESTEP) && !vcpu->arch.guest_tf)
		vcpu_set_rflags(vcpu, vcpu_rflags(vcpu) & ~(u64)X86_EFLAGS_TF);
}
