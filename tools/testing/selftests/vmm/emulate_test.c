// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_test.c - every instruction that the emulator executes, on MMIO, in
 * every mode of the CPU.
 *
 * Two VMs run the same random instruction on the same registers. In one, the
 * operand is RAM and the CPU executes the instruction; in the other there is
 * no memory, the emulator executes it, and this program plays the device that
 * holds the bytes. Registers, flags and memory have to be equal afterwards.
 *
 * Which instructions there are comes from the emulator's own opcode tables.
 */
#include <stdio.h>

#include "vmm_test.h"

#include "../../../../arch/x86/emulate/tests/forms.h"
#include "../../../../arch/x86/emulate/tests/undefined.h"
#include "../../../../arch/x86/emulate/tests/vendor.h"

/* Guest physical: RAM up to here, then what is a device in one of the VMs. */
#define TARGET		0xa0000UL
#define TARGET_SIZE	0x4000UL
#define WINDOW		(TARGET - 0x1000)	/* RAM before it, compared too */

/* Base of the data segments where offsets have only 16 bits. */
#define DATA_BASE	0x98000UL

/* Of GUEST_CODE: the instruction, and where CALL and JMP lead to. */
#define JUMP_TARGET	0x40

/* In real mode all exceptions lead to this HLT; from virtual-8086 mode here. */
#define REAL_HANDLER	0x4f00
#define VM86_HANDLERS	0x4c00

#define FLAG_DF		0x400UL
#define FLAG_VM		0x20000UL
#define FLAGS_ARITH	0x8d5UL

#define XSAVE_XMM	160
#define XSAVE_BV	512
#define XSAVE_YMM	576

enum kind { REAL, PROTECTED_16, VM86, PROTECTED_32, PAE_32, COMPAT_32, LONG_64 };

struct twin {
	enum kind kind;
	enum emu_mode mode;
	uint64_t data_base;
	struct vcpu *ram, *dev;
	uint8_t *target[2];		/* what is at TARGET, of each */
	struct random rnd;
};

static struct form forms[FORMS_MAX];
static uint64_t io_hash;

static bool is_16bit(enum kind kind)
{
	return kind <= VM86;
}

/* ---- Setting up ---- */

static void set_data_segments(struct vmm_sregs *sregs, uint64_t base, int dpl)
{
	struct vmm_segment s = {
		.base = base, .limit = 0xffff, .selector = base >> 4,
		.type = 3, .present = 1, .s = 1, .dpl = dpl,
	};

	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = s;
}

/* Out of virtual-8086 mode the CPU comes without DS, which the stubs need. */
static void set_vm86_handlers(struct vm *vm)
{
	static const uint8_t code[] = {
		0x50,				/* push %eax */
		0xb8, SEL_DATA, 0, 0, 0,	/* mov $SEL_DATA, %eax */
		0x8e, 0xd8,			/* mov %eax, %ds */
		0x58,				/* pop %eax */
		0xe9,				/* jmp */
	};
	int vector;

	for (vector = 0; vector < 32; vector++) {
		uint32_t at = VM86_HANDLERS + vector * 16;
		int32_t rel = GUEST_STUBS + vector * 16 - (at + sizeof(code) + 4);

		memcpy(vm_gpa(vm, at), code, sizeof(code));
		memcpy(vm_gpa(vm, at + sizeof(code)), &rel, 4);
		vm_set_gate(vm, MODE_PROTECTED, vector, at);
	}
}

static void set_kind(struct vcpu *vcpu, enum kind kind)
{
	static const enum guest_mode modes[] = {
		[REAL] = MODE_REAL, [PROTECTED_16] = MODE_PROTECTED,
		[VM86] = MODE_PROTECTED, [PROTECTED_32] = MODE_PROTECTED,
		[PAE_32] = MODE_PAE, [COMPAT_32] = MODE_LONG, [LONG_64] = MODE_LONG,
	};
	struct vmm_sregs sregs;

	vcpu_set_mode(vcpu, modes[kind]);
	vcpu_get_sregs(vcpu, &sregs);
	if (is_16bit(kind)) {
		set_data_segments(&sregs, DATA_BASE, kind == VM86 ? 3 : 0);
		sregs.cs.base = GUEST_CODE;
		sregs.cs.limit = 0xffff;
		sregs.cs.g = sregs.cs.db = 0;
	}
	if (kind == VM86) {
		sregs.cs = sregs.ds;
		sregs.cs.base = GUEST_CODE;
		sregs.cs.selector = GUEST_CODE >> 4;
		set_vm86_handlers(vcpu->vm);
		/* QEMU dies of a TSS that is busy when it takes a stack from it. */
		if (cpu_is_tcg())
			sregs.tr.type = 9;
	}
	if (kind == COMPAT_32) {
		sregs.cs.l = 0;
		sregs.cs.db = 1;
		sregs.cs.selector = SEL_CODE32;
	}
	sregs.cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
	vcpu_set_sregs(vcpu, &sregs);
}

static struct vcpu *create_vcpu(enum kind kind)
{
	struct vmm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 3 };
	struct vcpu *vcpu = vcpu_create(vm_create_size(TARGET), 0);
	struct vm *vm = vcpu->vm;
	uint32_t handler = REAL_HANDLER;
	uint16_t ss0 = SEL_DATA;
	int i;

	set_kind(vcpu, kind);
	if (__builtin_cpu_supports("avx"))
		xcrs.xcrs[0].value = 7;
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_XCRS, &xcrs));
	for (i = 0; i < 256 && kind == REAL; i++)
		memcpy(vm_gpa(vm, i * 4), &handler, 4);
	*(uint8_t *)vm_gpa(vm, REAL_HANDLER) = 0xf4;
	memcpy(vm_gpa(vm, GUEST_TSS + 8), &ss0, 2);
	memset(vm_gpa(vm, GUEST_CODE), 0xf4, 0x100);
	return vcpu;
}

static void create_twin(struct twin *t, enum kind kind)
{
	t->kind = kind;
	t->mode = kind == LONG_64 ? EMU_MODE_64 : is_16bit(kind) ? EMU_MODE_16 : EMU_MODE_32;
	t->data_base = is_16bit(kind) ? DATA_BASE : 0;
	t->ram = create_vcpu(kind);
	t->dev = create_vcpu(kind);
	t->target[0] = host_alloc(TARGET_SIZE, PAGE_SIZE);
	t->target[1] = host_alloc(TARGET_SIZE, PAGE_SIZE);
	vm_map(t->ram->vm, 1, 0, TARGET, TARGET_SIZE, t->target[0]);
	random_seed(&t->rnd, kind + 1);
}

/* ---- One case ---- */

/* Around the border of RAM and device, so that some operands are both. */
static uint64_t random_target(struct twin *t)
{
	return TARGET - 6 + random_below(&t->rnd, 128);
}

static bool is_transfer(const struct emu_insn *insn)
{
	return insn->op == INSN_CALL || insn->op == INSN_JMP;
}

/*
 * Where the operand goes. What would fault by its alignment, with a stack
 * pointer that was aimed at the device, could not even deliver that.
 */
static uint64_t operand_target(struct twin *t, const struct emu_insn *insn)
{
	if (insn->op == INSN_VEC_MOV || insn->op == INSN_CMPXCHG8B)
		return TARGET + (random_below(&t->rnd, 4) << 5);
	return is_transfer(insn) ? TARGET + random_below(&t->rnd, 128) : random_target(t);
}

static bool is_string(const struct emu_insn *insn)
{
	return insn->op >= INSN_MOVS && insn->op <= INSN_OUTS;
}

static bool is_stack(const struct emu_insn *insn)
{
	return insn->op == INSN_PUSH || insn->op == INSN_POP || insn->op == INSN_CALL;
}

/*
 * Forms that are left out, whatever random bytes complete them: what does not
 * reach memory, transfers that cannot be aimed, loads of segments (which have a
 * test of their own), TZCNT and LZCNT. And what QEMU's CPU does wrong, as real
 * ones show: that F6 and F7 /1 are TEST, and MOVBE's operand size in 16-bit
 * code, it does not know.
 */
static bool form_excluded(const struct emu_insn *insn)
{
	if (!forms_has_address(insn) && !is_string(insn) && !is_stack(insn))
		return true;
	if (insn->mod == 3 && (is_transfer(insn) || insn->op == INSN_VEC_MOV))
		return true;
	if (insn->op == INSN_MOV_SEG && insn->opcode == 0x8e)
		return true;
	if ((insn->op == INSN_BSF || insn->op == INSN_BSR) && insn->flags & INSN_REP)
		return true;
	/* A transfer must arrive: nothing has only 16 bits. */
	if (is_transfer(insn) && insn->mode == EMU_MODE_32 && insn->op_bytes == 2)
		return true;
	if (!cpu_is_tcg())
		return false;
	if (insn->op == INSN_TEST && (insn->opcode & 0xfe) == 0xf6 && (insn->reg & 7) == 1)
		return true;
	return insn->op == INSN_MOVBE && insn->mode == EMU_MODE_16;
}

/*
 * Draws that another one replaces: code as data, a transfer whose operand is not
 * known, vector lengths that do not exist. What AMD's CPUs understand otherwise
 * than Intel's. And what QEMU's CPU does wrong: flags of LOCK NEG, F2 and F3
 * together; that VMOVSS and VMOVSD ignore VEX.L, and MOVBE's operand size with
 * REX.W after 66, it does not know.
 */
static bool draw_excluded(const struct emu_insn *insn, const uint8_t *bytes)
{
	if (insn->seg == INSN_SEG_CS)
		return true;
	if (is_transfer(insn) && (insn->index != INSN_NO_REG ||
				  (insn->mode != EMU_MODE_16 &&
				   (insn->op_bytes == 2 || insn->ad_bytes == 2))))
		return true;
	/* Undefined in real mode, and the stack to say so would be the device. */
	if (insn->flags & INSN_VEX && insn->mode == EMU_MODE_16 && insn->base == INSN_RSP)
		return true;
	if (insn->op == INSN_VEC_MOV && insn->vl && undefined_vex_length(insn))
		return true;
	if (insn->mode == EMU_MODE_64 && !__builtin_cpu_is("intel") && amd_differs(insn))
		return true;
	if (!cpu_is_tcg())
		return false;
	if (insn->op == INSN_NEG && insn->flags & INSN_LOCK)
		return true;
	if (insn->op == INSN_VEC_MOV && insn->vl && insn->flags & (INSN_REP | INSN_REPNE) &&
	    (insn->opcode & 0xfe) == 0x10)
		return true;
	if (insn->op == INSN_MOVBE && !(~insn->flags & (INSN_OPSIZE | INSN_REX_W)))
		return true;
	return is_string(insn) && memchr(bytes, 0xf2, insn->len) && memchr(bytes, 0xf3, insn->len);
}

/* Registers in the CPU's order, as the emulator counts them. */
static void put_regs(struct vcpu *vcpu, const u64 *gpr, uint64_t rflags, uint64_t rip)
{
	struct vmm_regs regs = {
		.rax = gpr[0], .rcx = gpr[1], .rdx = gpr[2], .rbx = gpr[3],
		.rsp = gpr[4], .rbp = gpr[5], .rsi = gpr[6], .rdi = gpr[7],
		.r8 = gpr[8], .r9 = gpr[9], .r10 = gpr[10], .r11 = gpr[11],
		.r12 = gpr[12], .r13 = gpr[13], .r14 = gpr[14], .r15 = gpr[15],
		.rflags = rflags, .rip = rip,
	};

	vcpu_set_regs(vcpu, &regs);
}

static void put_vectors(struct twin *t)
{
	static struct vmm_xsave xsave;
	uint8_t *area = (uint8_t *)xsave.region;
	uint64_t features = 3 | (__builtin_cpu_supports("avx") ? 4 : 0);
	int i;

	CHECK_OK(ioctl(t->ram->fd, VMM_GET_XSAVE, &xsave));
	for (i = 0; i < 256; i++) {
		area[XSAVE_XMM + i] = random_u64(&t->rnd);
		area[XSAVE_YMM + i] = random_u64(&t->rnd);
	}
	memcpy(area + XSAVE_BV, &features, 8);
	CHECK_OK(ioctl(t->ram->fd, VMM_SET_XSAVE, &xsave));
	CHECK_OK(ioctl(t->dev->fd, VMM_SET_XSAVE, &xsave));
}

/* Registers, memory and code of both VMs. */
static void prepare(struct twin *t, const struct emu_insn *insn, uint8_t *bytes, u64 *gpr,
		    uint64_t *rflags)
{
	uint64_t target = operand_target(t, insn);
	uint64_t rip = is_16bit(t->kind) ? 0 : GUEST_CODE;
	uint64_t hlt = rip + JUMP_TARGET, r = random_u64(&t->rnd);
	struct vcpu *const vcpus[2] = { t->ram, t->dev };
	int i;

	for (i = 0; i < 16; i++)
		gpr[i] = random_operand(&t->rnd);
	gpr[INSN_RSP] = is_stack(insn) && r & 1 ? random_target(t) : TARGET - 0x800;
	gpr[INSN_RSP] -= t->data_base;
	if (is_string(insn)) {
		gpr[INSN_RCX] = 1 + (r >> 8) % 12;
		gpr[INSN_RSI] = random_target(t) - t->data_base;
		gpr[INSN_RDI] = target - t->data_base;
	}
	if (insn->op >= INSN_BT && insn->op <= INSN_BTC)
		gpr[insn->reg] = (int64_t)(int16_t)r / 256;
	if (forms_has_address(insn))
		forms_aim(insn, bytes, target - t->data_base, rip, &t->rnd, gpr);
	if (t->mode != EMU_MODE_64)
		for (i = 0; i < 16; i++)
			gpr[i] = i < 8 ? (uint32_t)gpr[i] : 0;
	*rflags = X86_FLAGS_FIXED | (random_u64(&t->rnd) & (FLAGS_ARITH | FLAG_DF)) |
		  (t->kind == VM86 ? FLAG_VM : 0);

	for (i = 0; i < 0x200; i++)
		t->target[0][i] = t->target[1][i] = random_u64(&t->rnd);
	for (i = 0; i < 2 && is_transfer(insn); i++)
		memcpy(t->target[i] + (target - TARGET), &hlt, 8);
	for (i = 0; i < 2; i++) {
		uint8_t *code = vm_gpa(vcpus[i]->vm, GUEST_CODE);

		memcpy(code, bytes, insn->len);
		memset(code + insn->len, 0xf4, INSN_MAX_LEN + 1 - insn->len);
		memset(vm_gpa(vcpus[i]->vm, WINDOW), 0x77, TARGET - WINDOW);
		put_regs(vcpus[i], gpr, *rflags, rip);
	}
	if (insn->op == INSN_VEC_MOV)
		put_vectors(t);
}

/* An MMIO exit: the bytes of the device, or for a stray address none. */
static void serve_mmio(struct vmm_run *run, uint8_t *device)
{
	uint64_t at = run->mmio.phys_addr - TARGET;
	uint8_t *bytes = at + run->mmio.len <= TARGET_SIZE ? device + at : NULL;

	if (run->mmio.is_write && bytes)
		memcpy(bytes, run->mmio.data, run->mmio.len);
	else if (bytes)
		memcpy(run->mmio.data, bytes, run->mmio.len);
	else
		memset(run->mmio.data, 0x99, 8);
}

/* What is written to ports goes into a sum, what is read follows from it. */
static void serve_io(struct vmm_run *run)
{
	uint8_t *data = run_io_data(run);
	unsigned int i, n = run->io.size * run->io.count;

	for (i = 0; i < n; i++) {
		if (run->io.direction == VMM_EXIT_IO_OUT)
			io_hash = io_hash * 31 + data[i];
		else
			data[i] = io_hash = io_hash * 31 + 7;
	}
}

static void run_to_hlt(struct vcpu *vcpu, uint8_t *device)
{
	io_hash = 1;
	for (;;) {
		vcpu_run(vcpu);
		switch (vcpu->run->exit_reason) {
		case VMM_EXIT_MMIO:
			serve_mmio(vcpu->run, device);
			break;
		case VMM_EXIT_IO:
			serve_io(vcpu->run);
			break;
		case VMM_EXIT_HLT:
			return;
		default:
			FAIL("exit %s", exit_name(vcpu->run->exit_reason));
		}
	}
}

/* ---- Comparing ---- */

static void show_regs(const char *who, const struct vmm_regs *r)
{
	ktap_diag("%s: rax %llx rcx %llx rdx %llx rbx %llx rsp %llx rbp %llx rsi %llx rdi %llx",
		  who, r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi);
	ktap_diag("  rip %llx rflags %llx", r->rip, r->rflags);
}

static bool vectors_equal(struct twin *t)
{
	static struct vmm_xsave a, b;

	CHECK_OK(ioctl(t->ram->fd, VMM_GET_XSAVE, &a));
	CHECK_OK(ioctl(t->dev->fd, VMM_GET_XSAVE, &b));
	return !memcmp((uint8_t *)a.region + XSAVE_XMM, (uint8_t *)b.region + XSAVE_XMM, 256) &&
	       !memcmp((uint8_t *)a.region + XSAVE_YMM, (uint8_t *)b.region + XSAVE_YMM, 256);
}

/*
 * Memory that is equal, but for RF in what faults pushed: QEMU's CPU pushes it clear,
 * the manuals want it set, as it is where an emulated instruction faults.
 */
static bool same_memory(const void *a, const void *b, size_t size)
{
	const uint32_t *x = a, *y = b, rf = cpu_is_tcg() ? 1 << 16 : 0;

	for (; size; size -= 4, x++, y++)
		if ((*x ^ *y) & ~rf)
			return false;
	return true;
}

static const char *difference(struct twin *t, const struct emu_insn *insn, uint64_t defined,
			      struct vmm_regs *ram, struct vmm_regs *dev)
{
	struct guest_fault *fault = vm_gpa(t->ram->vm, GUEST_FAULT);
	struct guest_fault *dev_fault = vm_gpa(t->dev->vm, GUEST_FAULT);

	ram->rflags &= defined;
	dev->rflags &= defined;
	fault->rflags &= defined;
	dev_fault->rflags &= defined;
	if (memcmp(ram, dev, sizeof(*ram)))
		return "registers";
	if (!same_memory(fault, dev_fault, sizeof(*fault)))
		return "exception";
	if (memcmp(t->target[0], t->target[1], TARGET_SIZE))
		return "device";
	if (!same_memory(vm_gpa(t->ram->vm, WINDOW), vm_gpa(t->dev->vm, WINDOW), TARGET - WINDOW))
		return "RAM";
	if (insn->op == INSN_VEC_MOV && !vectors_equal(t))
		return "vector registers";
	return NULL;
}

/* Run an instruction in both VMs and compare what they have become. */
static void compare_twin(struct twin *t, const struct emu_insn *insn, const uint8_t *bytes,
			 uint64_t defined)
{
	struct vmm_regs ram, dev;
	static char text[64];
	const char *what;
	uint64_t hash;
	int i, n = 0;

	for (i = 0; i < insn->len; i++)
		n += sprintf(text + n, "%02x ", bytes[i]);
	ktap_label(text);
	run_to_hlt(t->ram, NULL);
	hash = io_hash;
	run_to_hlt(t->dev, t->target[1]);
	vcpu_get_regs(t->ram, &ram);
	vcpu_get_regs(t->dev, &dev);
	what = difference(t, insn, defined, &ram, &dev);
	if (!what && hash != io_hash)
		what = "port data";
	if (what) {
		show_regs("executed", &ram);
		show_regs("emulated", &dev);
		FAIL("%s differ", what);
	}
	/* A fault has changed CS and the stack's segment. */
	if (dev.rip < GUEST_CODE || dev.rip >= GUEST_CODE + 0x100) {
		set_kind(t->ram, t->kind);
		set_kind(t->dev, t->kind);
	}
}

enum result { FORM_EXCLUDED, DRAW_EXCLUDED, RAN };

static enum result one_case(struct twin *t, const struct form *form)
{
	u64 gpr[16];
	uint64_t rflags;
	uint8_t bytes[INSN_MAX_LEN];
	struct emu_insn insn;

	if (!forms_encode(form, &t->rnd, t->mode, bytes, &insn))
		return DRAW_EXCLUDED;
	if (form_excluded(&insn))
		return FORM_EXCLUDED;
	if (draw_excluded(&insn, bytes))
		return DRAW_EXCLUDED;
	prepare(t, &insn, bytes, gpr, &rflags);
	if (undefined_result(&insn, gpr[INSN_RCX]))
		return DRAW_EXCLUDED;
	compare_twin(t, &insn, bytes, ~undefined_flags(&insn, gpr[INSN_RCX]));
	return RAN;
}

/* F2 and F3 mean something to string and vector instructions only. */
static bool prefix_is_idle(const struct form *form)
{
	if (form->prefix != 0xf2 && form->prefix != 0xf3)
		return false;
	return form->op != INSN_VEC_MOV && (form->op < INSN_MOVS || form->op > INSN_OUTS);
}

/*
 * With several CPUs it steps over an atomic access apart from the others, and
 * forgets the direction flag if that access makes the guest exit.
 */
static void need_one_cpu(void)
{
	if (cpu_is_tcg() && sysconf(_SC_NPROCESSORS_CONF) > 1)
		ktap_skip("TCG loses RFLAGS.DF at the exits of LOCKed instructions when it has several CPUs");
}

/* Each form runs: random bytes that make no case are drawn again. */
static void run_kind(enum kind kind)
{
	struct twin t = { 0 };
	unsigned int n, i, draws, cases = 0, excluded = 0;
	bool ran[256] = { false };

	need_one_cpu();
	create_twin(&t, kind);
	n = forms_list(forms, t.mode);
	for (i = 0; i < n; i++) {
		const struct form *form = &forms[i];
		enum result result = DRAW_EXCLUDED;

		if (prefix_is_idle(form))
			continue;
		for (draws = 0; draws < 500 && result == DRAW_EXCLUDED; draws++)
			result = one_case(&t, form);
		if (result == DRAW_EXCLUDED)
			FAIL("no case of map %u opcode %02x /%u prefix %02x%s%s in %u draws",
			     form->map, form->opcode, form->reg, form->prefix,
			     form->mem ? " memory" : "", form->vex ? " VEX" : "", draws);
		cases += result == RAN;
		excluded += result == FORM_EXCLUDED;
		ran[form->op] |= result == RAN;
	}
	for (i = 0; i < n; i++)
		if (!ran[forms[i].op] && !(forms[i].op == INSN_MOVBE && cpu_is_tcg()))
			FAIL("no case of instruction %u (opcode %02x)", forms[i].op,
			     forms[i].opcode);
	ktap_diag("%u forms ran, %u have no operand on a device or are not compared", cases,
		  excluded);
	CHECK(cases > 1500);
}

/* ---- MOV to a segment register ---- */

/* Behind the entries that all tests have: types 0 to 15 of memory, and a few more. */
#define FIRST_DESCRIPTOR	16
#define DESCRIPTORS		24
#define GDT_LIMIT		((FIRST_DESCRIPTOR + DESCRIPTORS) * 8 - 1)

static uint64_t descriptor(unsigned int i)
{
	uint64_t flat = 0x00cf90000000ffff;	/* present, S, DPL 0, type 0 */

	if (i < 16)
		return flat | (uint64_t)i << 40;
	switch (i) {
	case 16:	/* DPL 3 */
		return flat | 2ULL << 40 | 3ULL << 45;
	case 17:	/* conforming code, DPL 3 */
		return flat | 0xeULL << 40 | 3ULL << 45;
	case 18:	/* not present */
		return (flat | 2ULL << 40) & ~(1ULL << 47);
	case 19:	/* a system segment */
		return (flat | 2ULL << 40) & ~(1ULL << 44);
	case 20:	/* another base, a limit in bytes, AVL */
		return 0x12101234567889abULL | 0x93ULL << 40;
	case 21:	/* 16 bits, expand down, accessed */
		return 0x000097000000ffffULL;
	case 22:	/* readable code of DPL 1 */
		return flat | 0xaULL << 40 | 1ULL << 45;
	default:
		return 0;
	}
}

static void set_descriptors(struct vcpu *vcpu)
{
	uint64_t *gdt = vm_gpa(vcpu->vm, GUEST_GDT);
	struct vmm_sregs sregs;
	unsigned int i;

	for (i = 0; i < DESCRIPTORS; i++)
		gdt[FIRST_DESCRIPTOR + i] = descriptor(i);
	vcpu_get_sregs(vcpu, &sregs);
	sregs.gdt.limit = GDT_LIMIT;
	vcpu_set_sregs(vcpu, &sregs);
}

static void show_segment(const char *who, const struct vmm_segment *s)
{
	ktap_diag("%s: %#x base %#llx limit %#x type %u s %u dpl %u p %u db %u l %u g %u avl %u %s",
		  who, s->selector, s->base, s->limit, s->type, s->s, s->dpl, s->present, s->db,
		  s->l, s->g, s->avl, s->unusable ? "unusable" : "");
}

static void check_segment(const char *name, const struct vmm_segment *a,
			  const struct vmm_segment *b)
{
	/* Of a segment that cannot be used only that, and the selector, means anything. */
	if (a->selector != b->selector || a->unusable != b->unusable ||
	    (!a->unusable && memcmp(a, b, offsetof(struct vmm_segment, padding)))) {
		show_segment("executed", a);
		show_segment("emulated", b);
		FAIL("%s differs", name);
	}
}

static void one_load(struct twin *t, unsigned int seg, uint16_t selector)
{
	uint8_t bytes[INSN_MAX_LEN] = { 0x8e, (t->mode == EMU_MODE_16 ? 7 : 3) | seg << 3 };
	struct vcpu *const vcpus[2] = { t->ram, t->dev };
	struct vmm_sregs sregs[2];
	uint64_t rip = is_16bit(t->kind) ? 0 : GUEST_CODE;
	u64 gpr[16] = { [INSN_RBX] = TARGET - t->data_base,
			[INSN_RSP] = TARGET - 0x800 - t->data_base };
	struct emu_insn insn;
	int i;

	CHECK_EQ(emu_decode(&insn, bytes, sizeof(bytes), t->mode), 0);
	for (i = 0; i < 2; i++) {
		set_kind(vcpus[i], t->kind);
		set_descriptors(vcpus[i]);
		memcpy(vm_gpa(vcpus[i]->vm, GUEST_CODE), bytes, insn.len);
		memset(vm_gpa(vcpus[i]->vm, GUEST_CODE + insn.len), 0xf4, 16);
		memcpy(t->target[i], &selector, 2);
		put_regs(vcpus[i], gpr, X86_FLAGS_FIXED | (t->kind == VM86 ? FLAG_VM : 0), rip);
	}
	compare_twin(t, &insn, bytes, ~0ULL);
	for (i = 0; i < 2; i++)
		vcpu_get_sregs(vcpus[i], &sregs[i]);
	check_segment("ES", &sregs[0].es, &sregs[1].es);
	check_segment("SS", &sregs[0].ss, &sregs[1].ss);
	check_segment("DS", &sregs[0].ds, &sregs[1].ds);
	check_segment("FS", &sregs[0].fs, &sregs[1].fs);
	check_segment("GS", &sregs[0].gs, &sregs[1].gs);
	if (memcmp(vm_gpa(t->ram->vm, GUEST_GDT), vm_gpa(t->dev->vm, GUEST_GDT), PAGE_SIZE))
		FAIL("the descriptor tables differ");
	/* Virtual-8086 mode ends with a fault, which leaves all selectors on its stack. */
	if (!same_memory(vm_gpa(t->ram->vm, GUEST_STACK + 0x3000),
			 vm_gpa(t->dev->vm, GUEST_STACK + 0x3000), PAGE_SIZE))
		FAIL("the stacks differ");
}

static void load_segments(enum kind kind)
{
	static const uint8_t segs[] = {
		INSN_SEG_ES, INSN_SEG_SS, INSN_SEG_DS, INSN_SEG_FS, INSN_SEG_GS,
	};
	struct twin t = { 0 };
	unsigned int i, s, rpl;

	create_twin(&t, kind);
	for (s = 0; s < ARRAY_SIZE(segs); s++) {
		for (i = 0; i <= DESCRIPTORS; i++)
			for (rpl = 0; rpl < 4; rpl += 3)
				one_load(&t, segs[s], (FIRST_DESCRIPTOR + i) << 3 | rpl);
		/* Null selectors, and one of a table that there is not. */
		one_load(&t, segs[s], 0);
		/* QEMU's CPU does not look at the RPL of a null selector for SS. */
		if (!(cpu_is_tcg() && kind == LONG_64 && segs[s] == INSN_SEG_SS))
			one_load(&t, segs[s], 3);
		one_load(&t, segs[s], 0x84);
	}
}

KTAP_TEST(segment_loads_real_mode)
{
	load_segments(REAL);
}

KTAP_TEST(segment_loads_protected_mode_16)
{
	load_segments(PROTECTED_16);
}

KTAP_TEST(segment_loads_virtual_8086_mode)
{
	load_segments(VM86);
}

KTAP_TEST(segment_loads_protected_mode_32)
{
	load_segments(PROTECTED_32);
}

KTAP_TEST(segment_loads_compatibility_mode_32)
{
	load_segments(COMPAT_32);
}

KTAP_TEST(segment_loads_long_mode)
{
	load_segments(LONG_64);
}

/* ---- Every form in every mode ---- */

KTAP_TEST(real_mode)
{
	run_kind(REAL);
}

KTAP_TEST(protected_mode_16)
{
	run_kind(PROTECTED_16);
}

KTAP_TEST(virtual_8086_mode)
{
	run_kind(VM86);
}

KTAP_TEST(protected_mode_32)
{
	run_kind(PROTECTED_32);
}

KTAP_TEST(pae_32)
{
	run_kind(PAE_32);
}

KTAP_TEST(compatibility_mode_32)
{
	run_kind(COMPAT_32);
}

KTAP_TEST(long_mode)
{
	run_kind(LONG_64);
}
