// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions of the guest: decoding them where the CPU does not say what they
 * are, stepping over them, emulating them. The emulator's callbacks are in
 * emu_ops.c.
 *
 * A device access that user space must complete stops an emulation
 * (-EMU_IO); vmm_complete_io() calls vmm_emulate() again, which restarts the
 * instruction and finds the answers so far in arch.io.log. Called from exit.c
 * and io.c; vcpu->mutex and vm->srcu held, vCPU loaded.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <asm/trapnr.h>

#include <emulate/emulate.h>
#include <vmm/emu_ops.h>
#include <vmm/guest_memory.h>
#include <vmm/io_bus.h>
#include <vmm/trace.h>
#include <vmm/x86.h>

/* --- decoding --- */

static enum emu_mode code_mode(struct vmm_vcpu *vcpu)
{
	if (vcpu_is_64bit(vcpu))
		return EMU_MODE_64;
	return vcpu_cs_db(vcpu) ? EMU_MODE_32 : EMU_MODE_16;
}

/* Take the vCPU's registers into the emulator's context. */
static struct emu_ctxt *setup(struct vmm_vcpu *vcpu)
{
	struct emu_ctxt *c = vcpu->arch.emu;
	u64 cr0 = vcpu_cr0(vcpu);

	regs_need(vcpu, VMM_G_RIP | VMM_G_RSP | VMM_G_RFLAGS | VMM_G_CR4);
	c->ops = &vmm_emu_ops;
	c->opaque = vcpu;
	c->gpr = vcpu->arch.gpr;
	c->rip = vcpu->arch.rip;
	c->rflags = vcpu->arch.rflags;
	c->mode = code_mode(vcpu);
	if (!(cr0 & X86_CR0_PE))
		c->prot = EMU_REAL;
	else
		c->prot = c->rflags & X86_EFLAGS_VM ? EMU_VM86 : EMU_PROTECTED;
	c->cpl = c->prot == EMU_REAL ? 0 : vcpu_cpl(vcpu);
	c->va_bits = vcpu->arch.cr4 & X86_CR4_LA57 ? 57 : 48;
	c->align_check = cr0 & X86_CR0_AM;
	c->max_iterations = 0;
	c->max_items = 0;
	return c;
}

static int emulation_failed(struct vmm_vcpu *vcpu)
{
	struct vmm_run *run = vcpu->run;
	struct emu_ctxt *c = vcpu->arch.emu;

	run->exit_reason = VMM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = VMM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags = VMM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = c->n_bytes;
	memset(run->emulation_failure.insn_bytes, 0x90,
	       sizeof(run->emulation_failure.insn_bytes));
	memcpy(run->emulation_failure.insn_bytes, c->bytes, c->n_bytes);
	trace_vmm_emulation_failed(vcpu, c->rip, c->bytes, c->n_bytes);
	pr_debug_ratelimited("pid %d: no emulation of %*ph at rip %#llx\n",
			     current->pid, c->n_bytes, c->bytes, c->rip);
	return VMM_TO_USER;
}

int vmm_emulation_error(struct vmm_vcpu *vcpu, int r)
{
	const struct emu_exception *e = &vcpu->arch.emu->exception;

	if (r != -EMU_FAULT) {
		/* Guest memory that takes a wait is not waited for then: again later. */
		if (signal_pending(current))
			return VMM_RESUME;
		return r == -EMU_NO_MEMORY ? -EFAULT : emulation_failed(vcpu);
	}
	if (e->vector == X86_TRAP_PF) {
		struct vmm_fault f = { X86_TRAP_PF, e->error_code, e->address };

		vmm_queue_fault(vcpu, &f);
	} else if (e->has_error) {
		vmm_queue_exception_error(vcpu, e->vector, e->error_code);
	} else {
		vmm_queue_exception(vcpu, e->vector);
	}
	return VMM_RESUME;
}

/* Fetch and decode; 0, or the emulator's error. */
static int decode(struct vmm_vcpu *vcpu, struct emu_ctxt *c)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;

	if (exit->nr_insn_bytes && !emu_take_bytes(c, exit->insn_bytes, exit->nr_insn_bytes))
		return 0;
	return emu_fetch(c);
}

int vmm_decode(struct vmm_vcpu *vcpu)
{
	int r = decode(vcpu, setup(vcpu));

	return likely(!r) ? VMM_RESUME : vmm_emulation_error(vcpu, r);
}

/* --- stepping over an instruction --- */

/* The first bytes at RIP; false if they are not in one page of memory. */
static __always_inline bool peek(struct vmm_vcpu *vcpu, u32 *head)
{
	u64 lin = vcpu_rip(vcpu);
	const void __user *ptr;
	struct vmm_fault fault;

	if (!vcpu_is_64bit(vcpu))
		lin = (u32)(vcpu_seg(vcpu, SEG_CS)->base + lin);
	return offset_in_page(lin) <= PAGE_SIZE - sizeof(*head) &&
	       !vcpu_code_ptr(vcpu, lin, VMM_ACCESS_EXEC | user_access(vcpu_cpl(vcpu)),
			      &ptr, &fault) &&
	       !vmm_read_user(head, ptr, sizeof(*head));
}

/* VMCALL or VMMCALL: a CPU knows one of them, guests may use either. */
bool vmm_at_hypercall(struct vmm_vcpu *vcpu)
{
	u32 head;

	if (!peek(vcpu, &head))
		return false;
	head &= 0xffffff;
	return head == 0xc1010f || head == 0xd9010f;
}

/*
 * The length of the exiting instruction, which is known to be one that
 * insn_quick_len() covers or that decodes: 0 with *result set if the fetch
 * faults after all (another vCPU changed the page tables meanwhile).
 */
static unsigned int insn_len(struct vmm_vcpu *vcpu, int *result)
{
	unsigned int len;
	u32 head;

	if (likely(vcpu->arch.exit.insn_len))
		return vcpu->arch.exit.insn_len;
	if (likely(peek(vcpu, &head))) {
		len = insn_quick_len((u8 *)&head, sizeof(head));
		if (likely(len))
			return len;
	}
	*result = vmm_decode(vcpu);
	return *result == VMM_RESUME && !vcpu->arch.exception.pending ?
		vcpu->arch.emu->insn.len : 0;
}

/* After an instruction that did not run natively: shadow, RF, single step. */
static int retire(struct vmm_vcpu *vcpu, u8 shadow, bool stepped)
{
	regs_need(vcpu, VMM_G_INTR);
	if (unlikely(vcpu->arch.shadow != shadow)) {
		vcpu->arch.shadow = shadow;
		regs_dirty(vcpu, VMM_G_INTR);
		vmm_request(vcpu, VMM_REQ_EVENT);
	}
	if (unlikely(vcpu->arch.rflags & X86_EFLAGS_RF))
		vcpu_set_rflags(vcpu, vcpu->arch.rflags & ~X86_EFLAGS_RF);
	return unlikely(stepped) ? vmm_single_step(vcpu) : VMM_RESUME;
}

/* The same where, as nearly always, there is nothing of that; RFLAGS and INTR are there. */
static __always_inline int retire_usual(struct vmm_vcpu *vcpu)
{
	const struct vmm_vcpu_arch *a = &vcpu->arch;

	if (likely(!a->shadow && !(a->rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF))))
		return VMM_RESUME;
	return retire(vcpu, 0, a->rflags & X86_EFLAGS_TF);
}

int vmm_retire_insn(struct vmm_vcpu *vcpu)
{
	regs_need(vcpu, VMM_G_RFLAGS | VMM_G_INTR);
	return retire_usual(vcpu);
}

int vmm_skip_insn(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	unsigned int len = a->exit.insn_len;
	int r = VMM_RESUME;
	u64 rip;

	if (!len) {
		len = insn_len(vcpu, &r);
		if (unlikely(!len))
			return r;
	}
	regs_need(vcpu, VMM_G_RIP | VMM_G_RFLAGS | VMM_G_INTR);
	rip = a->rip + len;
	/* RIP has 32 bits outside 64-bit mode: it matters where it overflows. */
	if (unlikely((rip ^ a->rip) >> 32) && !vcpu_is_64bit(vcpu))
		rip = (u32)rip;
	vcpu_set_rip(vcpu, rip);
	return retire_usual(vcpu);
}

/* --- emulation --- */

static void commit(struct vmm_vcpu *vcpu, struct emu_ctxt *c)
{
	regs_dirty(vcpu, VMM_G_RSP);
	if (vcpu->arch.rip != c->rip)
		vcpu_set_rip(vcpu, c->rip);
	if (vcpu->arch.rflags != c->rflags)
		vcpu_set_rflags(vcpu, c->rflags);
	/* Answers belong to one instruction, or one iteration of it. */
	vcpu->arch.io.log_len = 0;
}

/*
 * How many items of INS or OUTS go to user space in one exit. Listeners hear
 * each item on its own. An answer is for the items that were asked for, however
 * many the guest's RCX, which user space may have changed, says now.
 */
static unsigned int items_at_once(struct vmm_vcpu *vcpu, struct emu_ctxt *c, bool again)
{
	u16 port = c->gpr[GPR_RDX];

	if (c->insn.op != INSN_INS && c->insn.op != INSN_OUTS)
		return 0;
	if (again)
		return vcpu->arch.io.log_len / c->insn.op_bytes;
	if (vmm_bus_listens(vcpu, VMM_BUS_PIO, port, c->insn.op_bytes))
		return 1;
	return EMU_PIO_BYTES;
}

/*
 * How many items are left of the answer to an INS that asked for many: the memory
 * that they go to has become a device meanwhile, or the guest is stepped, and one
 * was taken. The port will not give the others again.
 */
static unsigned int answers_left(const struct emu_ctxt *c, const struct vmm_io_pending *io)
{
	return c->insn.op == INSN_INS ? (io->log_len - io->log_pos) / c->insn.op_bytes : 0;
}

/* Go on with them when the device has got what was queued for it. */
static void keep_answers(struct vmm_io_pending *io)
{
	io->log_len -= io->log_pos;
	memmove(io->log, io->log + io->log_pos, io->log_len);
	io->emulating = true;
}

int vmm_emulate(struct vmm_vcpu *vcpu)
{
	struct vmm_io_pending *io = &vcpu->arch.io;
	bool again = io->emulating;
	struct emu_ctxt *c = setup(vcpu);
	bool stepped = c->rflags & X86_EFLAGS_TF;
	int r;

	io->emulating = false;
	io->log_pos = 0;
	if (!again) {
		io->log_len = 0;
		r = decode(vcpu, c);
		if (r)
			return vmm_emulation_error(vcpu, r);
	}
	vcpu->arch.stat.emulations++;
	c->max_items = items_at_once(vcpu, c, again);
	for (;;) {
		r = emulate(c);
		if (r != EMU_CONTINUE || likely(!answers_left(c, io)) || io->nr_frags)
			break;
		c->max_items = answers_left(c, io);
	}
	switch (r) {
	case EMU_OK:
		commit(vcpu, c);
		r = retire(vcpu, c->shadow & EMU_SHADOW_MOV_SS ? VMM_SHADOW_MOV_SS : 0, stepped);
		break;
	case EMU_CONTINUE:
		if (unlikely(answers_left(c, io))) {
			/* A write is queued: it goes out first. */
			keep_answers(io);
			r = VMM_RESUME;
			break;
		}
		commit(vcpu, c);
		/* The trap of a single step comes after each iteration. */
		r = unlikely(stepped) ? vmm_single_step(vcpu) : VMM_RESUME;
		break;
	case -EMU_IO:
		/* Iterations that are complete stay; the answer is for the next one. */
		regs_dirty(vcpu, VMM_G_RSP);
		io->emulating = true;
		return vmm_io_exit(vcpu);
	default:
		regs_dirty(vcpu, VMM_G_RSP);
		/* All or nothing: what was queued for a device does not go out. */
		vmm_io_drop(vcpu);
		return vmm_emulation_error(vcpu, r);
	}
	/* A queued device write goes out now; a debug exit for it comes later. */
	return vmm_io_queued(vcpu) ? vmm_io_exit(vcpu) : r;
}
