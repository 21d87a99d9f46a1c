// SPDX-License-Identifier: GPL-2.0
/*
 * mmio_test.c - the instructions that touch memory which is not there.
 *
 * Each row of the tables is one instruction between known registers and a HLT.
 * The row says which accesses user space has to see and what the registers,
 * the flags and memory are afterwards.
 */
#include "vmm_test.h"

#define MMIO	GUEST_MMIO

#define RAX_START	0x1122334455667788ULL
#define RCX_START	0xa1a2a3a4a5a6a7a8ULL

#define CF	0x001
#define PF	0x004
#define AF	0x010
#define ZF	0x040
#define SF	0x080
#define OF	0x800
#define ARITH	(CF | PF | AF | ZF | SF | OF)

struct access {
	char how;		/* 'r', 'w', or 0 at the end */
	uint8_t len;
	int16_t offset;		/* from MMIO */
	uint64_t value;
};

#define R(len, value)	{ 'r', len, 0, value }
#define W(len, value)	{ 'w', len, 0, value }
#define RO(len, offset, value)	{ 'r', len, offset, value }
#define WO(len, offset, value)	{ 'w', len, offset, value }

struct form {
	const char *name;
	const uint8_t *code, *end;
	struct access access[6];
	uint64_t rax, rcx;	/* afterwards */
	uint64_t data;		/* first quadword of GUEST_DATA afterwards */
	uint32_t flags, flags_mask;
};

#define DATA_START	0xd1d2d3d4d5d6d7d8ULL
#define UNCHANGED	RAX_START, RCX_START, DATA_START

/*
 * Before the instruction: RAX and RCX as above, RBX and RDI point at the MMIO
 * area, RSI at GUEST_DATA, RDX is 4, all arithmetic flags are clear.
 */
static void run_form(const struct form *f)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	uint64_t *data = vm_gpa(vcpu->vm, GUEST_DATA);
	const struct access *a;
	struct vmm_regs regs;
	uint8_t *code = vm_gpa(vcpu->vm, GUEST_CODE);
	size_t len = f->end - f->code;

	vcpu_load_at(vcpu, MODE_LONG, GUEST_CODE, f->code, f->end);
	code[len] = 0xf4;	/* HLT */
	*data = DATA_START;
	vcpu_get_regs(vcpu, &regs);
	regs.rax = RAX_START;
	regs.rcx = RCX_START;
	regs.rbx = regs.rdi = regs.r12 = regs.r13 = MMIO;
	regs.rdx = 4;
	regs.rsi = GUEST_DATA;
	regs.r9 = RAX_START;
	vcpu_set_regs(vcpu, &regs);

	for (a = f->access; a->how; a++) {
		if (a->how == 'w')
			expect_mmio_write(vcpu, MMIO + a->offset, a->len, a->value);
		else
			expect_mmio_read(vcpu, MMIO + a->offset, a->len, a->value);
	}
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, GUEST_CODE + len + 1);
	CHECK_EQ(regs.rax, f->rax);
	CHECK_EQ(regs.rcx, f->rcx);
	CHECK_EQ(*data, f->data);
	CHECK_EQ(regs.rflags & f->flags_mask, f->flags);
	vcpu_destroy(vcpu);
}

static void run_forms(const struct form *forms, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		ktap_label(forms[i].name);
		run_form(&forms[i]);
	}
}

#define FORM(label, ...) { .name = #label, .code = label, .end = label##_end, __VA_ARGS__ }

/* ---- MOV to memory ---- */

GUEST64(st_al, mov %al, (%rbx));
GUEST64(st_ah, mov %ah, (%rbx));
GUEST64(st_ax, mov %ax, (%rbx));
GUEST64(st_eax, mov %eax, (%rbx));
GUEST64(st_rax, mov %rax, (%rbx));
GUEST64(st_cl_index, mov %cl, 3(%rbx, %rdx, 4));
GUEST64(st_r9b, mov %r9b, (%r12));
GUEST64(st_r9, mov %r9, 16(%r13));
GUEST64(st_sil_rex, mov %sil, (%rbx));
GUEST64(st_imm8, movb $0x5a, (%rbx));
GUEST64(st_imm16, movw $0x5a5b, (%rbx));
GUEST64(st_imm32, movl $0x5a5b5c5d, (%rbx));
GUEST64(st_imm32_sext, movq $-2, (%rbx));
GUEST64(st_moffs8, movabs %al, 0x10000010);
GUEST64(st_moffs32, movabs %eax, 0x10000010);
GUEST64(st_moffs64, movabs %rax, 0x10000010);
GUEST64(st_abs32, mov %eax, 0x10000020);
GUEST64(st_addr32, mov %eax, (%ebx));
GUEST64(st_movnti, movnti %ecx, (%rbx));
GUEST64(st_setc, stc; setc (%rbx));
GUEST64(st_setnz, setz (%rbx));

static const struct form stores[] = {
	FORM(st_al, { W(1, 0x88) }, UNCHANGED),
	FORM(st_ah, { W(1, 0x77) }, UNCHANGED),
	FORM(st_ax, { W(2, 0x7788) }, UNCHANGED),
	FORM(st_eax, { W(4, 0x55667788) }, UNCHANGED),
	FORM(st_rax, { W(8, RAX_START) }, UNCHANGED),
	FORM(st_cl_index, { WO(1, 19, 0xa8) }, UNCHANGED),
	FORM(st_r9b, { W(1, 0x88) }, UNCHANGED),
	FORM(st_r9, { WO(8, 16, RAX_START) }, UNCHANGED),
	FORM(st_sil_rex, { W(1, 0x00) }, UNCHANGED),
	FORM(st_imm8, { W(1, 0x5a) }, UNCHANGED),
	FORM(st_imm16, { W(2, 0x5a5b) }, UNCHANGED),
	FORM(st_imm32, { W(4, 0x5a5b5c5d) }, UNCHANGED),
	FORM(st_imm32_sext, { W(8, -2ULL) }, UNCHANGED),
	FORM(st_moffs8, { WO(1, 0x10, 0x88) }, UNCHANGED),
	FORM(st_moffs32, { WO(4, 0x10, 0x55667788) }, UNCHANGED),
	FORM(st_moffs64, { WO(8, 0x10, RAX_START) }, UNCHANGED),
	FORM(st_abs32, { WO(4, 0x20, 0x55667788) }, UNCHANGED),
	FORM(st_addr32, { W(4, 0x55667788) }, UNCHANGED),
	FORM(st_movnti, { W(4, 0xa5a6a7a8) }, UNCHANGED),
	FORM(st_setc, { W(1, 1) }, UNCHANGED, CF, CF),
	FORM(st_setnz, { W(1, 0) }, UNCHANGED),
};

KTAP_TEST(store_forms)
{
	run_forms(stores, ARRAY_SIZE(stores));
}

/* ---- MOV from memory ---- */

GUEST64(ld_al, mov (%rbx), %al);
GUEST64(ld_ah, mov (%rbx), %ah);
GUEST64(ld_ax, mov (%rbx), %ax);
GUEST64(ld_eax, mov (%rbx), %eax);
GUEST64(ld_rax, mov (%rbx), %rax);
GUEST64(ld_moffs8, movabs 0x10000010, %al);
GUEST64(ld_moffs64, movabs 0x10000010, %rax);
GUEST64(ld_zx_b_w, movzbw (%rbx), %ax);
GUEST64(ld_zx_b_l, movzbl (%rbx), %eax);
GUEST64(ld_zx_b_q, movzbq (%rbx), %rax);
GUEST64(ld_zx_w_l, movzwl (%rbx), %eax);
GUEST64(ld_zx_w_q, movzwq (%rbx), %rax);
GUEST64(ld_sx_b_w, movsbw (%rbx), %ax);
GUEST64(ld_sx_b_l, movsbl (%rbx), %eax);
GUEST64(ld_sx_b_q, movsbq (%rbx), %rax);
GUEST64(ld_sx_w_l, movswl (%rbx), %eax);
GUEST64(ld_sx_w_q, movswq (%rbx), %rax);
GUEST64(ld_sx_l_q, movslq (%rbx), %rax);
GUEST64(ld_cmov_taken, stc; cmovc (%rbx), %rax);
GUEST64(ld_bswap_order, mov 8(%rbx, %rdx, 2), %ecx);

static const struct form loads[] = {
	FORM(ld_al, { R(1, 0x99) }, 0x1122334455667799, RCX_START, DATA_START),
	FORM(ld_ah, { R(1, 0x99) }, 0x1122334455669988, RCX_START, DATA_START),
	FORM(ld_ax, { R(2, 0x99aa) }, 0x11223344556699aa, RCX_START, DATA_START),
	FORM(ld_eax, { R(4, 0x99aabbcc) }, 0x99aabbcc, RCX_START, DATA_START),
	FORM(ld_rax, { R(8, 0x99aabbccddeeff00) }, 0x99aabbccddeeff00, RCX_START, DATA_START),
	FORM(ld_moffs8, { RO(1, 0x10, 0x99) }, 0x1122334455667799, RCX_START, DATA_START),
	FORM(ld_moffs64, { RO(8, 0x10, 1) }, 1, RCX_START, DATA_START),
	FORM(ld_zx_b_w, { R(1, 0x99) }, 0x1122334455660099, RCX_START, DATA_START),
	FORM(ld_zx_b_l, { R(1, 0x99) }, 0x99, RCX_START, DATA_START),
	FORM(ld_zx_b_q, { R(1, 0x99) }, 0x99, RCX_START, DATA_START),
	FORM(ld_zx_w_l, { R(2, 0x9988) }, 0x9988, RCX_START, DATA_START),
	FORM(ld_zx_w_q, { R(2, 0x9988) }, 0x9988, RCX_START, DATA_START),
	FORM(ld_sx_b_w, { R(1, 0x99) }, 0x112233445566ff99, RCX_START, DATA_START),
	FORM(ld_sx_b_l, { R(1, 0x99) }, 0xffffff99, RCX_START, DATA_START),
	FORM(ld_sx_b_q, { R(1, 0x79) }, 0x79, RCX_START, DATA_START),
	FORM(ld_sx_w_l, { R(2, 0x9988) }, 0xffff9988, RCX_START, DATA_START),
	FORM(ld_sx_w_q, { R(2, 0x9988) }, 0xffffffffffff9988, RCX_START, DATA_START),
	FORM(ld_sx_l_q, { R(4, 0x80000000) }, 0xffffffff80000000, RCX_START, DATA_START),
	FORM(ld_cmov_taken, { R(8, 5) }, 5, RCX_START, DATA_START, CF, CF),
	FORM(ld_bswap_order, { RO(4, 16, 0x01020304) }, RAX_START, 0x01020304, DATA_START),
};

KTAP_TEST(load_forms)
{
	run_forms(loads, ARRAY_SIZE(loads));
}

/* ---- Arithmetic with a memory operand that is read ---- */

GUEST64(op_add, add (%rbx), %eax);
GUEST64(op_adc, stc; adc (%rbx), %rax);
GUEST64(op_sub, sub (%rbx), %al);
GUEST64(op_cmp, cmp (%rbx), %eax);
GUEST64(op_cmp_mem, cmp %eax, (%rbx));
GUEST64(op_cmp_imm8, cmpb $0x80, (%rbx));
GUEST64(op_cmp_imm_sext, cmpl $-1, (%rbx));
GUEST64(op_test, test %eax, (%rbx));
GUEST64(op_test_imm, testl $0x80000000, (%rbx));
GUEST64(op_and, and (%rbx), %rax);
GUEST64(op_or, or (%rbx), %ax);
GUEST64(op_xor, xor (%rbx), %eax);
GUEST64(op_bt, btl $3, (%rbx));

static const struct form reads[] = {
	FORM(op_add, { R(4, 0xaa99887a) }, 0x2, RCX_START, DATA_START, CF | AF, ARITH),
	FORM(op_adc, { R(8, 1) }, RAX_START + 2, RCX_START, DATA_START, 0, CF | ZF | SF | OF),
	FORM(op_sub, { R(1, 0x88) }, 0x1122334455667700, RCX_START, DATA_START, PF | ZF, ARITH),
	FORM(op_cmp, { R(4, 0x55667789) }, UNCHANGED, CF | PF | AF | SF, ARITH),
	FORM(op_cmp_mem, { R(4, 0x55667788) }, UNCHANGED, ZF | PF, ARITH),
	FORM(op_cmp_imm8, { R(1, 0x7f) }, UNCHANGED, CF | PF | SF | OF, ARITH),
	FORM(op_cmp_imm_sext, { R(4, 0xffffffff) }, UNCHANGED, ZF | PF, ARITH),
	FORM(op_test, { R(4, 0x00000008) }, UNCHANGED, 0, CF | ZF | SF | OF | PF),
	FORM(op_test_imm, { R(4, 0x80000001) }, UNCHANGED, PF | SF, CF | ZF | SF | OF | PF),
	FORM(op_and, { R(8, 0xff) }, 0x88, RCX_START, DATA_START, PF, CF | ZF | SF | OF | PF),
	FORM(op_or, { R(2, 0x8000) }, 0x112233445566f788, RCX_START, DATA_START, PF | SF,
	     CF | ZF | SF | OF | PF),
	FORM(op_xor, { R(4, 0x55667788) }, 0, RCX_START, DATA_START, PF | ZF,
	     CF | ZF | SF | OF | PF),
	FORM(op_bt, { R(4, 8) }, UNCHANGED, CF, CF),
};

KTAP_TEST(arithmetic_reads)
{
	run_forms(reads, ARRAY_SIZE(reads));
}

/* ---- Read, modify, write ---- */

GUEST64(rmw_add, add %eax, (%rbx));
GUEST64(rmw_add_imm8, addb $1, (%rbx));
GUEST64(rmw_sub_q, subq $-1, (%rbx));
GUEST64(rmw_or, orb $0x80, (%rbx));
GUEST64(rmw_and, andw $0x0ff0, (%rbx));
GUEST64(rmw_xor, xor %rax, (%rbx));
GUEST64(rmw_adc, stc; adcl $0, (%rbx));
GUEST64(rmw_sbb, stc; sbbl $0, (%rbx));
GUEST64(rmw_inc, incl (%rbx));
GUEST64(rmw_dec, decw (%rbx));
GUEST64(rmw_not, notl (%rbx));
GUEST64(rmw_neg, negl (%rbx));
GUEST64(rmw_shl, shll $4, (%rbx));
GUEST64(rmw_shr_cl, shrb %cl, (%rbx));
GUEST64(rmw_sar, sarl (%rbx));
GUEST64(rmw_rol, rolw $8, (%rbx));
GUEST64(rmw_bts, btsl $31, (%rbx));
GUEST64(rmw_btr, btrl $0, (%rbx));
GUEST64(rmw_xchg, xchg %ecx, (%rbx));
GUEST64(rmw_xadd, lock xadd %ecx, (%rbx));
GUEST64(rmw_lock_or, lock orl $1, (%rbx));
GUEST64(rmw_cmpxchg_equal, cmpxchg %ecx, (%rbx));
GUEST64(rmw_cmpxchg_differs, lock cmpxchg %ecx, (%rbx));

static const struct form rmws[] = {
	FORM(rmw_add, { R(4, 0x10), W(4, 0x55667798) }, UNCHANGED, 0, CF | ZF | SF | OF),
	FORM(rmw_add_imm8, { R(1, 0xff), W(1, 0) }, UNCHANGED, CF | PF | AF | ZF, ARITH),
	FORM(rmw_sub_q, { R(8, 0xffffffff), W(8, 0x100000000) }, UNCHANGED, CF | PF, ARITH),
	FORM(rmw_or, { R(1, 0x01), W(1, 0x81) }, UNCHANGED, PF | SF, CF | ZF | SF | OF | PF),
	FORM(rmw_and, { R(2, 0xffff), W(2, 0x0ff0) }, UNCHANGED, PF, CF | ZF | SF | OF | PF),
	FORM(rmw_xor, { R(8, RAX_START), W(8, 0) }, UNCHANGED, PF | ZF, CF | ZF | SF | OF | PF),
	FORM(rmw_adc, { R(4, 15), W(4, 16) }, UNCHANGED, AF, ARITH),
	FORM(rmw_sbb, { R(4, 0), W(4, 0xffffffff) }, UNCHANGED, CF | PF | AF | SF, ARITH),
	FORM(rmw_inc, { R(4, 0x7fffffff), W(4, 0x80000000) }, UNCHANGED, PF | AF | SF | OF, ARITH),
	FORM(rmw_dec, { R(2, 1), W(2, 0) }, UNCHANGED, PF | ZF, ARITH),
	FORM(rmw_not, { R(4, 0x0f0f0f0f), W(4, 0xf0f0f0f0) }, UNCHANGED, 0, ARITH),
	FORM(rmw_neg, { R(4, 1), W(4, 0xffffffff) }, UNCHANGED, CF | PF | AF | SF, ARITH),
	FORM(rmw_shl, { R(4, 0x1000000f), W(4, 0x000000f0) }, UNCHANGED, CF | PF, CF | PF | ZF | SF),
	/* CL is 0xa8, of which the CPU takes 5 bits: 8. */
	FORM(rmw_shr_cl, { R(1, 0xff), W(1, 0) }, UNCHANGED, CF | PF | ZF, CF | PF | ZF | SF),
	FORM(rmw_sar, { R(4, 0x80000001), W(4, 0xc0000000) }, UNCHANGED, CF | PF | SF,
	     CF | PF | ZF | SF),
	FORM(rmw_rol, { R(2, 0x1234), W(2, 0x3412) }, UNCHANGED, 0, CF),
	FORM(rmw_bts, { R(4, 1), W(4, 0x80000001) }, UNCHANGED, 0, CF),
	FORM(rmw_btr, { R(4, 1), W(4, 0) }, UNCHANGED, CF, CF),
	FORM(rmw_xchg, { R(4, 0x12), W(4, 0xa5a6a7a8) }, RAX_START, 0x12, DATA_START),
	FORM(rmw_xadd, { R(4, 1), W(4, 0xa5a6a7a9) }, RAX_START, 1, DATA_START),
	FORM(rmw_lock_or, { R(4, 2), W(4, 3) }, UNCHANGED),
	FORM(rmw_cmpxchg_equal, { R(4, 0x55667788), W(4, 0xa5a6a7a8) }, UNCHANGED, ZF, ZF),
	/* The write of what was there happens, as the architecture has it. */
	FORM(rmw_cmpxchg_differs, { R(4, 0x5), W(4, 0x5) }, 0x5, RCX_START, DATA_START, 0, ZF),
};

KTAP_TEST(read_modify_write)
{
	run_forms(rmws, ARRAY_SIZE(rmws));
}

/* ---- Strings and the stack ---- */

GUEST64(str_stosb, stosb);
GUEST64(str_stosq, stosq);
GUEST64(str_rep_stosl, mov $3, %ecx; rep stosl);
GUEST64(str_lodsb, mov %rbx, %rsi; lodsb);
GUEST64(str_lodsq, mov %rbx, %rsi; lodsq);
GUEST64(str_movsl_to, movsl);
GUEST64(str_movsq_from, mov %rbx, %rsi; mov $GUEST_DATA, %edi; movsq);
GUEST64(str_rep_movsb_to, mov $3, %ecx; rep movsb);
GUEST64(str_rep_movsl_from, mov %rbx, %rsi; mov $GUEST_DATA, %edi; mov $2, %ecx; rep movsl);
GUEST64(str_std_stosl, std; mov $2, %ecx; rep stosl; cld);
GUEST64(str_cmpsb, mov $GUEST_DATA, %esi; cmpsb);
GUEST64(str_scasl, scasl);
GUEST64(str_push_mem, push (%rbx); pop %rax);
GUEST64(str_pop_mem, push %rcx; popq (%rbx));
GUEST64(str_mem_to_mem, mov %rbx, %rsi; lea 64(%rbx), %rdi; movsl);

static const struct form strings[] = {
	FORM(str_stosb, { W(1, 0x88) }, UNCHANGED),
	FORM(str_stosq, { W(8, RAX_START) }, UNCHANGED),
	FORM(str_rep_stosl, { W(4, 0x55667788), WO(4, 4, 0x55667788), WO(4, 8, 0x55667788) },
	     RAX_START, 0, DATA_START),
	FORM(str_lodsb, { R(1, 0x99) }, 0x1122334455667799, RCX_START, DATA_START),
	FORM(str_lodsq, { R(8, 0x99) }, 0x99, RCX_START, DATA_START),
	FORM(str_movsl_to, { W(4, 0xd5d6d7d8) }, UNCHANGED),
	FORM(str_movsq_from, { R(8, 0x1234567812345678) }, RAX_START, RCX_START, 0x1234567812345678),
	FORM(str_rep_movsb_to, { W(1, 0xd8), WO(1, 1, 0xd7), WO(1, 2, 0xd6) },
	     RAX_START, 0, DATA_START),
	FORM(str_rep_movsl_from, { R(4, 0x11), RO(4, 4, 0x22) }, RAX_START, 0, 0x2200000011),
	FORM(str_std_stosl, { W(4, 0x55667788), WO(4, -4, 0x55667788) },
	     RAX_START, 0, DATA_START),
	FORM(str_cmpsb, { R(1, 0xd8) }, UNCHANGED, ZF | PF, ARITH),
	FORM(str_scasl, { R(4, 0x55667789) }, UNCHANGED, CF | PF | AF | SF, ARITH),
	FORM(str_push_mem, { R(8, 0xabcdef) }, 0xabcdef, RCX_START, DATA_START),
	FORM(str_pop_mem, { W(8, RCX_START) }, UNCHANGED),
	FORM(str_mem_to_mem, { R(4, 0x31), WO(4, 64, 0x31) }, UNCHANGED),
};

KTAP_TEST(string_instructions)
{
	run_forms(strings, ARRAY_SIZE(strings));
}

/* ---- SSE ---- */

GUEST64(sse_movups_st, movq %rax, %xmm0; movq %rcx, %xmm1; punpcklqdq %xmm1, %xmm0;
	movups %xmm0, (%rbx));
GUEST64(sse_movdqa_st, movq %rcx, %xmm2; movdqa %xmm2, (%rbx));
GUEST64(sse_movdqu_ld, movdqu (%rbx), %xmm3; movq %xmm3, %rax; psrldq $8, %xmm3;
	movq %xmm3, %rcx);
GUEST64(sse_movaps_ld, movaps (%rbx), %xmm9; movq %xmm9, %rax; psrldq $8, %xmm9;
	movq %xmm9, %rcx);
GUEST64(sse_movntdq, movq %rax, %xmm0; movntdq %xmm0, (%rbx));

/* A quadword an exit. */
static const struct form sse[] = {
	FORM(sse_movups_st, { W(8, RAX_START), WO(8, 8, RCX_START) }, UNCHANGED),
	FORM(sse_movdqa_st, { W(8, RCX_START), WO(8, 8, 0) }, UNCHANGED),
	FORM(sse_movdqu_ld, { R(8, 0x1111), RO(8, 8, 0x2222) }, 0x1111, 0x2222, DATA_START),
	FORM(sse_movaps_ld, { R(8, 0x3333), RO(8, 8, 0x4444) }, 0x3333, 0x4444, DATA_START),
	FORM(sse_movntdq, { W(8, RAX_START), WO(8, 8, 0) }, UNCHANGED),
};

/* The trap of a single step comes after each iteration, on a device as in memory. */
GUEST64(one_stos, rep stosb; hlt);

KTAP_TEST(single_step_of_a_string)
{
	static const uint64_t target[] = { GUEST_DATA, GUEST_MMIO };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(target); i++) {
		struct vcpu *vcpu = vcpu_start(MODE_LONG, one_stos);
		struct guest_fault *fault;
		struct vmm_regs regs;

		vcpu_get_regs(vcpu, &regs);
		regs.rflags |= X86_FLAGS_TF;
		regs.rdi = target[i];
		regs.rcx = 3;
		vcpu_set_regs(vcpu, &regs);
		if (target[i] == GUEST_MMIO)
			expect_exit(vcpu, VMM_EXIT_MMIO);
		fault = expect_fault(vcpu, VMM_DB_VECTOR);
		CHECK_EQ(fault->rip, GUEST_CODE);
		vcpu_get_regs(vcpu, &regs);
		CHECK_EQ(regs.rcx, 2);
		CHECK_EQ(regs.rdi, target[i] + 1);
	}
}

KTAP_TEST(sse_moves)
{
	run_forms(sse, ARRAY_SIZE(sse));
}

/* ---- Odd places ---- */

GUEST64(st_unaligned, mov %rax, 3(%rbx));
GUEST64(st_cross_page, mov %rax, 0xffd(%rbx));
GUEST64(ld_cross_page, mov 0xffc(%rbx), %rax);

static const struct form odd[] = {
	FORM(st_unaligned, { WO(8, 3, RAX_START) }, UNCHANGED),
	/* One exit a page: first 3 bytes, then 5. */
	FORM(st_cross_page, { WO(3, 0xffd, 0x667788), WO(5, 0x1000, 0x1122334455) }, UNCHANGED),
	FORM(ld_cross_page, { RO(4, 0xffc, 0xaabbccdd), RO(4, 0x1000, 0x11223344) },
	     0x11223344aabbccdd, RCX_START, DATA_START),
};

KTAP_TEST(unaligned_and_across_pages)
{
	run_forms(odd, ARRAY_SIZE(odd));
}

/* Half of the access is memory and half is not. */
KTAP_TEST(half_memory_half_mmio)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, st_cross_page);
	uint8_t *page = host_alloc(PAGE_SIZE, PAGE_SIZE);
	struct vmm_regs regs;

	*(uint8_t *)vm_gpa(vcpu->vm, GUEST_CODE + (st_cross_page_end - st_cross_page)) = 0xf4;
	vm_map(vcpu->vm, 1, 0, MMIO, PAGE_SIZE, page);
	vcpu_get_regs(vcpu, &regs);
	regs.rax = RAX_START;
	regs.rbx = MMIO;
	vcpu_set_regs(vcpu, &regs);
	expect_mmio_write(vcpu, MMIO + PAGE_SIZE, 5, 0x1122334455);
	expect_hlt(vcpu);
	CHECK_EQ(load_le(page + 0xffd, 3), 0x667788);
}

/* ---- The other modes ---- */

GUEST32(forms_32,
	mov $GUEST_MMIO, %ebx;
	mov $0xcafef00d, %eax;
	mov %al, (%ebx); mov %ax, (%ebx); mov %eax, (%ebx);
	mov %eax, 0x10000040;
	incl (%ebx);
	movzwl 2(%ebx), %ecx;
	mov $GUEST_MMIO, %edi; mov $2, %ecx; rep stosw;
	push 8(%ebx);
	pop %edx;
	hlt);

static void test_forms_32(enum guest_mode mode)
{
	struct vcpu *vcpu = vcpu_start(mode, forms_32);
	struct vmm_regs regs;

	expect_mmio_write(vcpu, MMIO, 1, 0x0d);
	expect_mmio_write(vcpu, MMIO, 2, 0xf00d);
	expect_mmio_write(vcpu, MMIO, 4, 0xcafef00d);
	expect_mmio_write(vcpu, MMIO + 0x40, 4, 0xcafef00d);
	expect_mmio_read(vcpu, MMIO, 4, 9);
	expect_mmio_write(vcpu, MMIO, 4, 10);
	expect_mmio_read(vcpu, MMIO + 2, 2, 0xbeef);
	expect_mmio_write(vcpu, MMIO, 2, 0xf00d);
	expect_mmio_write(vcpu, MMIO + 2, 2, 0xf00d);
	expect_mmio_read(vcpu, MMIO + 8, 4, 0x12345678);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rdx, 0x12345678);
	CHECK_EQ(regs.rdi, MMIO + 4);
	CHECK_EQ(regs.rcx, 0);
}

KTAP_TEST(protected_mode_forms)
{
	test_forms_32(MODE_PROTECTED);
}

KTAP_TEST(pae_mode_forms)
{
	test_forms_32(MODE_PAE);
}

/* As a BIOS writes to the VGA window. */
GUEST16(forms_16,
	mov $0xa000, %ax; mov %ax, %es;
	mov $0x1234, %ax;
	mov %al, %es:0; mov %ax, %es:0x10; mov %eax, %es:0x20;
	xor %di, %di; mov $2, %cx; rep stosw;
	mov $4, %bx; mov $2, %si;
	mov %es:(%bx, %si), %dx;
	addw $1, %es:8(%bx);
	hlt);

KTAP_TEST(real_mode_forms)
{
	struct vm *vm = vm_create_size(0xa0000);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct vmm_regs regs;

	vcpu_load(vcpu, MODE_REAL, forms_16);
	expect_mmio_write(vcpu, 0xa0000, 1, 0x34);
	expect_mmio_write(vcpu, 0xa0010, 2, 0x1234);
	expect_mmio_write(vcpu, 0xa0020, 4, 0x1234);
	expect_mmio_write(vcpu, 0xa0000, 2, 0x1234);
	expect_mmio_write(vcpu, 0xa0002, 2, 0x1234);
	expect_mmio_read(vcpu, 0xa0006, 2, 0x7777);
	expect_mmio_read(vcpu, 0xa000c, 2, 0x00ff);
	expect_mmio_write(vcpu, 0xa000c, 2, 0x0100);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rdx & 0xffff, 0x7777);
	CHECK_EQ(regs.rdi & 0xffff, 4);
}

/* ---- What the guest's own tables say comes first ---- */

GUEST64(st_then_hlt, mov %eax, (%rbx); hlt);

KTAP_TEST(guest_page_fault_comes_before_mmio)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, st_then_hlt);
	struct guest_fault *fault;
	struct vmm_regs regs;

	/* 4 MiB onwards shows the MMIO area, the first page read-only. */
	vm_map_4k(vcpu->vm, 0x400000, MMIO);
	*vm_pte_4k(vcpu->vm, 0x400000) = MMIO | 5;
	vcpu_get_regs(vcpu, &regs);
	regs.rbx = 0x400123;
	vcpu_set_regs(vcpu, &regs);
	fault = expect_fault(vcpu, VMM_PF_VECTOR);
	CHECK_EQ(fault->cr2, 0x400123);
	CHECK_EQ(fault->error, 3);	/* present, write */
	CHECK_EQ(fault->rip, GUEST_CODE);

	/* The next page may be written: MMIO, by its physical address. */
	vcpu_load(vcpu, MODE_LONG, st_then_hlt);
	vcpu_get_regs(vcpu, &regs);
	regs.rbx = 0x401123;
	regs.rax = 0x42;
	vcpu_set_regs(vcpu, &regs);
	expect_mmio_write(vcpu, MMIO + PAGE_SIZE + 0x123, 4, 0x42);
	expect_hlt(vcpu);
}

/* With immediate_exit a read is completed, and then the guest stands still. */
GUEST64(ld_then_hlt, mov (%rbx), %eax; hlt);

KTAP_TEST(immediate_exit_completes_a_read)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, ld_then_hlt);
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rbx = MMIO;
	vcpu_set_regs(vcpu, &regs);
	expect_mmio_read(vcpu, MMIO, 4, 0x1234);
	vcpu->run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINTR);
	vcpu->run->immediate_exit = 0;
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0x1234);
	CHECK_EQ(regs.rip, GUEST_CODE + (ld_then_hlt_end - ld_then_hlt) - 1);
	expect_hlt(vcpu);
}

GUEST64(st_high, movabs $0x100000000, %rbx; mov %eax, -4(%rbx); hlt);

KTAP_TEST(last_word_below_4g)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, st_high);

	expect_mmio_write(vcpu, 0xfffffffc, 4, 0);
	expect_hlt(vcpu);
}
