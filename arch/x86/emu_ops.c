// SPDX-License-Identifier: GPL-2.0
/*
 * The emulator's callbacks: memory, segment registers, ports and vector
 * registers of the vCPU whose instruction is emulated. Loads of segment
 * registers are in segment.c.
 *
 * A device access that user space must complete stops an emulation (-EMU_IO);
 * see insn.c, which is where emulations begin. vcpu->mutex and vm->srcu held,
 * vCPU loaded; may sleep.
 */
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/trapnr.h>

#include <emulate/emulate.h>
#include <vmm/emu_ops.h>
#include <vmm/guest_memory.h>
#include <vmm/io_bus.h>
#include <vmm/x86.h>

/* So often is a part of a word exchanged that others change beside it. */
#define PART_TRIES 16

/* --- memory --- */

static int fault_to_emu(struct emu_ctxt *c, const struct vmm_fault *f)
{
	c->exception.vector = f->vector;
	c->exception.has_error = true;
	c->exception.error_code = f->error;
	c->exception.address = f->address;
	return -EMU_FAULT;
}

/*
 * Is there a slot? Then an access that failed did so because the process may not
 * make it, or the host has no page to give: no device must see it.
 */
static bool is_memory(struct vmm_vcpu *vcpu, gpa_t gpa, bool write)
{
	const struct vmm_memslot *slot = vcpu_find_slot(vcpu, gpa_to_gfn(gpa));

	return slot && !(write && slot->flags & VMM_MEM_READONLY);
}

static int translate(struct emu_ctxt *c, u64 lin, unsigned int access, gpa_t *gpa)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);
	struct vmm_fault f;
	int r = vcpu_translate(vcpu, lin, access, true, gpa, &f);

	if (likely(!r))
		return 0;
	if (r > 0)
		return fault_to_emu(c, &f);
	/* A page table cannot be read: f.address is where it is. */
	return is_memory(vcpu, f.address, false) ? -EMU_NO_MEMORY : -EMU_UNHANDLED;
}

static unsigned int access_of(struct emu_ctxt *c, unsigned int access)
{
	unsigned int a = access & EMU_WRITE ? VMM_ACCESS_WRITE : VMM_ACCESS_READ;

	return a | (access & EMU_IMPLICIT ? VMM_ACCESS_IMPLICIT : user_access(c->cpl));
}

/*
 * The guest physical address of a data access, where the exit has told it: a
 * second-level fault of an instruction with one memory operand was for this
 * access. The CPU has checked all that a walk would check. False: walk.
 */
static bool exit_told(struct emu_ctxt *c, u64 lin, unsigned int size, unsigned int access,
		      gpa_t *gpa)
{
	const struct vmm_exit *exit = &vcpu_of(c)->arch.exit;
	unsigned int op = c->insn.op;

	if (exit->reason != VX_TDP_FAULT || exit->fault.walk ||
	    !(op < INSN_MOVS || op == INSN_VEC_MOV) || (access & EMU_IMPLICIT))
		return false;
	if (!(exit->fault.access & (access & EMU_WRITE ? VMM_ACCESS_WRITE : VMM_ACCESS_READ)) ||
	    offset_in_page(lin) != offset_in_page(exit->fault.gpa) ||
	    offset_in_page(lin) + size > PAGE_SIZE)
		return false;
	*gpa = exit->fault.gpa;
	return true;
}

static unsigned int in_page(u64 lin, unsigned int size)
{
	return min_t(unsigned int, size, PAGE_SIZE - offset_in_page(lin));
}

/* Linear addresses have 32 bits outside 64-bit mode; what long mode reads of itself has 64. */
static u64 wrap(struct emu_ctxt *c, u64 lin, unsigned int access)
{
	if (c->mode == EMU_MODE_64 || ((access & EMU_IMPLICIT) && vcpu_long_mode(vcpu_of(c))))
		return lin;
	return (u32)lin;
}

static int emu_cb_fetch(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);
	const void __user *ptr;
	struct vmm_fault f;
	int r = vcpu_code_ptr(vcpu, lin, VMM_ACCESS_EXEC | user_access(c->cpl), &ptr, &f);

	if (likely(!r))
		return vmm_read_user(buf, ptr, size) ? -EMU_NO_MEMORY : 0;
	if (r > 0)
		return fault_to_emu(c, &f);
	/* As in translate(); or the page itself is in no slot. */
	return is_memory(vcpu, f.address, false) ? -EMU_NO_MEMORY : -EMU_UNHANDLED;
}

static int read_gpa(struct emu_ctxt *c, gpa_t gpa, void *buf, unsigned int size)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);

	if (!vcpu_is_device(vcpu, gpa)) {
		if (!vcpu_read_guest(vcpu, gpa, buf, size))
			return 0;
		if (is_memory(vcpu, gpa, false))
			return -EMU_NO_MEMORY;
	}
	return vmm_mmio_read(vcpu, gpa, buf, size);
}

static int write_gpa(struct emu_ctxt *c, gpa_t gpa, const void *buf, unsigned int size)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);

	if (!vcpu_is_device(vcpu, gpa)) {
		if (!vcpu_write_guest(vcpu, gpa, buf, size))
			return 0;
		if (is_memory(vcpu, gpa, true))
			return -EMU_NO_MEMORY;
	}
	return vmm_mmio_write(vcpu, gpa, buf, size);
}

static int emu_cb_read(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size,
		       unsigned int access)
{
	gpa_t told;

	if (likely(exit_told(c, lin, size, access, &told)))
		return read_gpa(c, told, buf, size);
	while (size) {
		unsigned int n = in_page(lin, size);
		gpa_t gpa;
		int r = translate(c, lin, access_of(c, access), &gpa);

		if (!r)
			r = read_gpa(c, gpa, buf, n);
		if (r)
			return r;
		lin = wrap(c, lin + n, access);
		buf += n;
		size -= n;
	}
	return 0;
}

/* The one or two pages of an access; gpa[1] only if there are two. */
static int translate_both(struct emu_ctxt *c, u64 lin, unsigned int size, unsigned int access,
			  gpa_t gpa[2])
{
	unsigned int n = in_page(lin, size);
	int r = translate(c, lin, access_of(c, access), &gpa[0]);

	if (!r && n < size)
		r = translate(c, wrap(c, lin + n, access), access_of(c, access), &gpa[1]);
	return r;
}

/* Make it unlikely that a write to RAM fails after another part has been written. */
static int prepare_write(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int size)
{
	if (!is_memory(vcpu, gpa, true))
		return 0;
	return vcpu_prepare_write(vcpu, gpa, size) ? -EMU_NO_MEMORY : 0;
}

/* Two pages: both must be there before anything is written. */
static int write_split(struct emu_ctxt *c, const gpa_t gpa[2], const void *buf, unsigned int n,
		       unsigned int size)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);
	int r = prepare_write(vcpu, gpa[0], n);

	if (!r)
		r = prepare_write(vcpu, gpa[1], size - n);
	if (!r)
		r = write_gpa(c, gpa[0], buf, n);
	return r < 0 ? r : write_gpa(c, gpa[1], buf + n, size - n);
}

static int emu_cb_write(struct emu_ctxt *c, u64 lin, const void *buf, unsigned int size,
			unsigned int access)
{
	unsigned int n = in_page(lin, size);
	gpa_t gpa[2];
	int r;

	if (!exit_told(c, lin, size, access, &gpa[0])) {
		r = translate_both(c, lin, size, access, gpa);
		if (r)
			return r;
	}
	r = n < size ? write_split(c, gpa, buf, n, size) : write_gpa(c, gpa[0], buf, size);
	return r < 0 ? r : vcpu_of(c)->arch.io.nr_frags ? EMU_STOP : 0;
}

/* INS and OUTS ask before they move items: several at once only where memory is RAM. */
static int emu_cb_probe(struct emu_ctxt *c, u64 lin, unsigned int size, unsigned int access)
{
	const struct vmm_memslot *slot;
	gpa_t gpa;
	int r = translate(c, lin, access_of(c, access), &gpa);

	if (r)
		return r;
	slot = vcpu_find_slot(vcpu_of(c), gpa_to_gfn(gpa));
	if (!slot || ((access & EMU_WRITE) && (slot->flags & VMM_MEM_READONLY)))
		return EMU_STOP;
	return 0;
}

/*
 * May the kernel lock these bytes? A CPU that is told to detect locks across
 * cache lines takes them for a bug of the kernel.
 */
static bool can_lock(gpa_t gpa, unsigned int size)
{
	return gpa / L1_CACHE_BYTES == (gpa + size - 1) / L1_CACHE_BYTES ||
	       !boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT);
}

/*
 * Exchange @size bytes of RAM that @gpa begins, in its page or, where guest and
 * host have the next page next to it, beyond.
 */
static int lock_ram(struct vmm_vcpu *vcpu, gpa_t gpa, void *old, const void *new,
		    unsigned int size, bool *done)
{
	int r;

	if (!can_lock(gpa, size))
		return -EMU_UNHANDLED;
	r = vcpu_cmpxchg_guest(vcpu, gpa, old, new, size);
	*done = r != 1;
	return r < 0 ? -EMU_NO_MEMORY : 0;
}

/*
 * Exchange the part of an operand that is RAM, while the rest is a device: less
 * than eight bytes at the end of a page or at its beginning, so they lie in one
 * word. What others do to the rest of that word is kept.
 */
static int lock_part(struct vmm_vcpu *vcpu, gpa_t gpa, const void *old, const void *new,
		     unsigned int size, bool *done)
{
	unsigned int at = gpa & 7, tries = PART_TRIES;
	gpa_t word = gpa & ~7ull;
	u64 now, next;
	int r;

	*done = true;
	if (size >= 8)	/* CMPXCHG16B is aligned: it does not come here */
		return -EMU_UNHANDLED;
	if (vcpu_read_guest(vcpu, word, &now, sizeof(now)))
		return -EMU_NO_MEMORY;
	do {
		if (memcmp((u8 *)&now + at, old, size))
			break;
		next = now;
		memcpy((u8 *)&next + at, new, size);
		r = vcpu_cmpxchg_guest(vcpu, word, &now, &next, sizeof(next));
		if (r <= 0)
			return r ? -EMU_NO_MEMORY : 0;
	} while (--tries);
	*done = false;
	return 0;
}

/* A locked operand in two pages. */
static int lock_split(struct emu_ctxt *c, const gpa_t gpa[2], void *old, const void *new,
		      unsigned int n, unsigned int size, bool *done)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);
	bool ram0 = is_memory(vcpu, gpa[0], true), ram1 = is_memory(vcpu, gpa[1], true);
	int r;

	/* Two pieces of RAM cannot be exchanged at once unless they are one for the host. */
	if (ram0 && ram1)
		return vcpu_adjacent(vcpu, gpa[0], gpa[1]) ?
			lock_ram(vcpu, gpa[0], old, new, size, done) : -EMU_UNHANDLED;
	if (ram0) {
		r = lock_part(vcpu, gpa[0], old, new, n, done);
		return r || !*done ? r : write_gpa(c, gpa[1], new + n, size - n);
	}
	if (ram1) {
		r = lock_part(vcpu, gpa[1], old + n, new + n, size - n, done);
		return r || !*done ? r : write_gpa(c, gpa[0], new, n);
	}
	r = write_gpa(c, gpa[0], new, n);
	return r < 0 ? r : write_gpa(c, gpa[1], new + n, size - n);
}

static int emu_cb_cmpxchg(struct emu_ctxt *c, u64 lin, void *old, const void *new,
			  unsigned int size, bool *done)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);
	unsigned int n = in_page(lin, size);
	gpa_t gpa[2];
	int r = translate_both(c, lin, size, EMU_READ | EMU_WRITE, gpa);

	*done = true;
	if (r)
		return r;
	if (n < size)
		r = lock_split(c, gpa, old, new, n, size, done);
	else if (is_memory(vcpu, gpa[0], true))
		r = lock_ram(vcpu, gpa[0], old, new, size, done);
	else
		r = vmm_mmio_write(vcpu, gpa[0], new, size);
	/* The operand is read again; what a device has said of its half still holds. */
	if (!*done)
		vcpu->arch.io.log_pos = 0;
	return r;
}

int vmm_emu_read_implicit(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size)
{
	return emu_cb_read(c, wrap(c, lin, EMU_IMPLICIT), buf, size, EMU_READ | EMU_IMPLICIT);
}

int vmm_emu_set_bits(struct emu_ctxt *c, u64 lin, u8 bits)
{
	unsigned int access = EMU_READ | EMU_WRITE | EMU_IMPLICIT, tries = PART_TRIES;
	struct vmm_vcpu *vcpu = vcpu_of(c);
	bool done = true;
	gpa_t gpa;
	u8 old, new;
	int r;

	lin = wrap(c, lin, access);
	do {
		r = emu_cb_read(c, lin, &old, 1, access);
		if (!r)
			r = translate(c, lin, access_of(c, access), &gpa);
		if (r || (old & bits) == bits)
			return r;
		new = old | bits;
		if (!is_memory(vcpu, gpa, true))
			return write_gpa(c, gpa, &new, 1);
		r = lock_ram(vcpu, gpa, &old, &new, 1, &done);
	} while (!r && !done && --tries);
	return r;
}

/* --- register callbacks --- */

static void emu_cb_get_seg(struct emu_ctxt *c, enum insn_seg seg, struct emu_segment *s)
{
	const struct vmm_segment *v = vcpu_seg(vcpu_of(c), (int)seg);

	s->base = v->base;
	s->limit = v->limit;
	s->selector = v->selector;
	s->unusable = v->unusable;
	s->attr = v->type | (v->s ? EMU_SEG_S : 0) | v->dpl << EMU_SEG_DPL_SHIFT |
		  (v->present ? EMU_SEG_P : 0) | (v->l ? EMU_SEG_L : 0) |
		  (v->db ? EMU_SEG_DB : 0) | (v->g ? EMU_SEG_G : 0);
}

/* TSS I/O permission bitmap (SDM 19.5.2, APM 12.2.4): two bytes are always read. */
static int emu_cb_io_allowed(struct emu_ctxt *c, u16 port, unsigned int size)
{
	struct vmm_vcpu *vcpu = vcpu_of(c);
	const struct vmm_segment *tr = vcpu_seg(vcpu, SEG_TR);
	u16 map, bits;
	int r;

	if (tr->unusable || !(tr->type & 8) || tr->limit < 103)
		goto gp;
	r = vmm_emu_read_implicit(c, tr->base + 102, &map, sizeof(map));
	if (r)
		return r;
	if (map + port / 8 + 1 > tr->limit)
		goto gp;
	r = vmm_emu_read_implicit(c, tr->base + map + port / 8, &bits, sizeof(bits));
	if (r)
		return r;
	if (!((bits >> (port & 7)) & ((1u << size) - 1)))
		return 0;
gp:
	c->exception = (struct emu_exception) { .vector = X86_TRAP_GP, .has_error = true };
	return -EMU_FAULT;
}

static int emu_cb_pio_in(struct emu_ctxt *c, u16 port, unsigned int size, unsigned int count,
			 void *buf)
{
	return vmm_pio_in(vcpu_of(c), port, size, count, buf);
}

static int emu_cb_pio_out(struct emu_ctxt *c, u16 port, unsigned int size, unsigned int count,
			  const void *buf)
{
	return vmm_pio_out(vcpu_of(c), port, size, count, buf);
}

static int emu_cb_get_vec(struct emu_ctxt *c, unsigned int reg, void *buf, unsigned int size)
{
	return vmm_fpu_read_vec(vcpu_of(c), reg, buf, size) ? -EMU_UNHANDLED : 0;
}

static int emu_cb_set_vec(struct emu_ctxt *c, unsigned int reg, const void *buf,
			  unsigned int size, bool zero_upper)
{
	return vmm_fpu_write_vec(vcpu_of(c), reg, buf, size, zero_upper) ? -EMU_UNHANDLED : 0;
}

const struct emu_ops vmm_emu_ops = {
	.fetch = emu_cb_fetch,
	.read = emu_cb_read,
	.write = emu_cb_write,
	.probe = emu_cb_probe,
	.cmpxchg = emu_cb_cmpxchg,
	.get_seg = emu_cb_get_seg,
	.load_seg = vmm_load_segment,
	.io_allowed = emu_cb_io_allowed,
	.pio_in = emu_cb_pio_in,
	.pio_out = emu_cb_pio_out,
	.get_vec = emu_cb_get_vec,
	.set_vec = emu_cb_set_vec,
};
