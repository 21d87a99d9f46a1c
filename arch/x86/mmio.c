// SPDX-License-Identifier: GPL-2.0
/*
 * Device accesses by plain loads and stores of 64-bit code, which is what drivers
 * use: the exit has told where the access goes and that it is allowed, so all that
 * is left to find out is the register. The emulator decodes the instruction, and is
 * not asked to do more. Everything else is vmm_emulate()'s.
 *
 * Called from exit.c and io.c; vcpu->mutex and vm->srcu held, vCPU loaded.
 */
#include <linux/mm.h>

#include <emulate/emulate.h>
#include <vmm/emu_ops.h>
#include <vmm/guest_memory.h>
#include <vmm/x86.h>

/* The instruction at RIP into @c; false: the general way finds out what it is. */
static bool decode(struct vmm_vcpu *vcpu, struct emu_ctxt *c)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;
	const void __user *ptr;
	struct vmm_fault fault;
	unsigned int access;
	u64 raw[2];

	c->gpr = vcpu->arch.gpr;
	c->rip = vcpu_rip(vcpu);
	c->mode = EMU_MODE_64;
	if (exit->nr_insn_bytes)
		return !emu_take_bytes(c, exit->insn_bytes, exit->nr_insn_bytes);
	access = VMM_ACCESS_EXEC | user_access(vcpu_cpl(vcpu));
	return offset_in_page(c->rip) <= PAGE_SIZE - sizeof(raw) &&
	       !vcpu_code_ptr(vcpu, c->rip, access, &ptr, &fault) &&
	       !vmm_read_user(raw, ptr, sizeof(raw)) &&
	       !emu_take_raw(c, raw, sizeof(raw));
}

/*
 * Is the whole operand where the exit says? It may go on in the next page; and at
 * a page's first byte it may have begun in the page before.
 */
static bool in_one_page(struct vmm_vcpu *vcpu, struct emu_ctxt *c, unsigned int size)
{
	unsigned int offset = offset_in_page(vcpu->arch.exit.fault.gpa);

	if (offset + size > PAGE_SIZE)
		return false;
	if (offset || size == 1)
		return true;
	if (c->insn.seg >= INSN_SEG_FS)
		return false;
	regs_need(vcpu, VMM_G_RSP);
	return !emu_operand_offset(c);
}

static int load(struct vmm_vcpu *vcpu, unsigned int size)
{
	u64 value = 0;

	vcpu->arch.io.log_len = vcpu->arch.io.log_pos = 0;
	if (!vmm_mmio_read(vcpu, vcpu->arch.exit.fault.gpa, &value, size))
		return vmm_finish_load(vcpu, value);
	vcpu->arch.io.plain_load = true;
	return vmm_io_exit(vcpu);
}

/*
 * The answer to such a load. Nothing but the registers that it names has been
 * looked at since the exit, so only they are brought up to date.
 */
int vmm_finish_load(struct vmm_vcpu *vcpu, u64 value)
{
	struct emu_ctxt *c = vcpu->arch.emu;

	vcpu->arch.io.log_len = 0;
	/* Or AH, which has the same number. */
	if (unlikely(c->insn.reg == GPR_RSP)) {
		regs_need(vcpu, VMM_G_RSP);
		regs_dirty(vcpu, VMM_G_RSP);
	}
	c->gpr = vcpu->arch.gpr;
	c->rip = vcpu_rip(vcpu);
	emu_finish_load(c, value);
	vcpu_set_rip(vcpu, c->rip);
	return vmm_retire_insn(vcpu);
}

static int store(struct vmm_vcpu *vcpu, struct emu_ctxt *c, unsigned int size, u64 value)
{
	int retired, stored;

	vcpu_set_rip(vcpu, c->rip + c->insn.len);
	/* A debug exit for it comes after the store's own. */
	retired = vmm_retire_insn(vcpu);
	stored = vmm_mmio_store(vcpu, vcpu->arch.exit.fault.gpa, size, value);
	return stored == VMM_RESUME ? retired : stored;
}

/**
 * vmm_plain_mmio() - a second-level fault that may be a device access
 * @vcpu: the vCPU
 * @result: as a handler returns it
 *
 * Return: true: done. False: nothing has changed, vmm_emulate() is to do it.
 */
bool vmm_plain_mmio(struct vmm_vcpu *vcpu, int *result)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;
	struct emu_ctxt *c = vcpu->arch.emu;
	unsigned int size;
	u64 value;

	if (exit->fault.walk || !vcpu_is_64bit(vcpu) || !vcpu_is_device(vcpu, exit->fault.gpa) ||
	    !decode(vcpu, c))
		return false;
	if (exit->fault.access == VMM_ACCESS_READ) {
		size = emu_plain_load(&c->insn);
		if (!size || !in_one_page(vcpu, c, size))
			return false;
		*result = load(vcpu, size);
	} else if (exit->fault.access & VMM_ACCESS_WRITE) {
		if (unlikely(c->insn.reg == GPR_RSP))
			regs_need(vcpu, VMM_G_RSP);
		size = emu_plain_store(c, &value);
		if (!size || !in_one_page(vcpu, c, size))
			return false;
		*result = store(vcpu, c, size, value);
	} else {
		return false;
	}
	vcpu->arch.stat.emulations++;
	return true;
}
