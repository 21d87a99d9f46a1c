// SPDX-License-Identifier: GPL-2.0
/*
 * mode.c - puts a vCPU into real, protected, PAE or long mode, with descriptor
 * tables, page tables and a stub for each exception.
 */
#include "vmm_test.h"

#define PTE_P	(1UL << 0)
#define PTE_W	(1UL << 1)
#define PTE_U	(1UL << 2)
#define PTE_PS	(1UL << 7)

/* A PDPTE of PAE paging has no W and U bits. */
#define PAE_PDPTE	PTE_P

static const uint64_t gdt[] = {
	0,
	0x00af9b000000ffff,	/* SEL_CODE64 */
	0x00cf9b000000ffff,	/* SEL_CODE32 */
	0x00cf93000000ffff,	/* SEL_DATA */
	0x00affb000000ffff,	/* SEL_USER_CODE64 */
	0x00cff3000000ffff,	/* SEL_USER_DATA */
	0x00008b0000000067 | (uint64_t)GUEST_TSS << 16,	/* SEL_TSS */
	0,			/* its upper half in long mode */
};

#define FAULT_FIELD(f)	(GUEST_FAULT + offsetof(struct guest_fault, f))
/* The same as numbers, which the assembler needs. */
#define F_VECTOR	0x5000
#define F_ERROR		0x5008
#define F_RIP		0x5010
#define F_CS		0x5018
#define F_RFLAGS	0x5020
#define F_RSP		0x5028
#define F_CR2		0x5030
#define F_RAX		0x5038
#define F_COUNT		0x5040
_Static_assert(FAULT_FIELD(count) == F_COUNT, "struct guest_fault");

/*
 * Each vector's stub pushes an error code of 0 where the CPU pushes none, then
 * the vector, and jumps here. All registers are kept; the HLT is where the test
 * looks, and it may change the frame before it runs on.
 */
GUEST64(fault_common_64,
	mov %rax, F_RAX;
	pop %rax; mov %rax, F_VECTOR;
	pop %rax; mov %rax, F_ERROR;
	mov (%rsp), %rax; mov %rax, F_RIP;
	mov 8(%rsp), %rax; mov %rax, F_CS;
	mov 16(%rsp), %rax; mov %rax, F_RFLAGS;
	mov 24(%rsp), %rax; mov %rax, F_RSP;
	mov %cr2, %rax; mov %rax, F_CR2;
	incq F_COUNT;
	mov F_RAX, %rax;
	hlt;
	iretq);

/* Without a change of privilege the CPU pushes no stack pointer. */
GUEST32(fault_common_32,
	mov %eax, F_RAX;
	pop %eax; mov %eax, F_VECTOR;
	pop %eax; mov %eax, F_ERROR;
	mov (%esp), %eax; mov %eax, F_RIP;
	mov 4(%esp), %eax; mov %eax, F_CS;
	mov 8(%esp), %eax; mov %eax, F_RFLAGS;
	mov %cr2, %eax; mov %eax, F_CR2;
	incl F_COUNT;
	mov F_RAX, %eax;
	hlt;
	iretl);

#define NR_STUBS	32
#define STUB_SIZE	16
#define STUBS_COMMON	(GUEST_STUBS + NR_STUBS * STUB_SIZE)

static bool has_error_code(int vector)
{
	const uint32_t with_code = 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 |
				   1 << 13 | 1 << 14 | 1 << 17 | 1 << 21;

	return with_code >> vector & 1;
}

static void write_stubs(struct vm *vm, const uint8_t *common, const uint8_t *end)
{
	int vector;

	for (vector = 0; vector < NR_STUBS; vector++) {
		uint64_t gpa = GUEST_STUBS + vector * STUB_SIZE;
		uint8_t *p = vm_gpa(vm, gpa), *start = p;
		int32_t rel;

		if (!has_error_code(vector)) {
			*p++ = 0x6a;	/* push $0 */
			*p++ = 0;
		}
		*p++ = 0x6a;		/* push $vector */
		*p++ = vector;
		*p++ = 0xe9;		/* jmp */
		rel = STUBS_COMMON - (gpa + (p - start) + 4);
		memcpy(p, &rel, 4);
	}
	memcpy(vm_gpa(vm, STUBS_COMMON), common, end - common);
}

void vm_set_gate(struct vm *vm, enum guest_mode mode, int vector, uint64_t handler)
{
	uint64_t low = (handler & 0xffff) | (handler >> 16 & 0xffff) << 48 |
		       0x8e00ULL << 32;

	if (mode == MODE_REAL) {
		/* CS 0, so the handler is in the first 64 KiB. */
		*(uint32_t *)vm_gpa(vm, vector * 4) = handler;
	} else if (mode == MODE_LONG) {
		uint64_t *gate = vm_gpa(vm, GUEST_IDT + vector * 16);

		gate[0] = low | SEL_CODE64 << 16;
		gate[1] = handler >> 32;
	} else {
		uint64_t *gate = vm_gpa(vm, GUEST_IDT + vector * 8);

		*gate = low | SEL_CODE32 << 16;
	}
}

void vm_init_tables(struct vm *vm)
{
	uint64_t *pml4 = vm_gpa(vm, GUEST_PML4);
	uint64_t *pdpt = vm_gpa(vm, GUEST_PDPT);
	uint64_t *pae_pdpt = vm_gpa(vm, GUEST_PAE_PDPT);
	uint64_t *pd = vm_gpa(vm, GUEST_PD);
	uint64_t rsp0 = GUEST_STACK + 0x4000;
	int i;

	memcpy(vm_gpa(vm, GUEST_GDT), gdt, sizeof(gdt));
	memcpy(vm_gpa(vm, GUEST_TSS + 4), &rsp0, sizeof(rsp0));

	pml4[0] = GUEST_PDPT | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < 4; i++) {
		pdpt[i] = (GUEST_PD + i * PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
		pae_pdpt[i] = (GUEST_PD + i * PAGE_SIZE) | PAE_PDPTE;
	}
	for (i = 0; i < 4 * 512; i++)
		pd[i] = i * PAGE_2M | PTE_P | PTE_W | PTE_U | PTE_PS;
}

void vm_map_4k(struct vm *vm, uint64_t va, uint64_t pa)
{
	uint64_t *pt = vm_gpa(vm, GUEST_PT);
	uint64_t *pd = vm_gpa(vm, GUEST_PD);
	int i;

	CHECK_EQ(va % PAGE_2M, 0);
	for (i = 0; i < 512; i++)
		pt[i] = (pa + i * PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
	pd[va / PAGE_2M] = GUEST_PT | PTE_P | PTE_W | PTE_U;
}

uint64_t *vm_pte_4k(struct vm *vm, uint64_t va)
{
	return (uint64_t *)vm_gpa(vm, GUEST_PT) + va / PAGE_SIZE % 512;
}

static void set_flat(struct vmm_segment *s, uint16_t selector, uint8_t type)
{
	*s = (struct vmm_segment) {
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

static void set_real_segments(struct vmm_sregs *sregs)
{
	struct vmm_segment data = {
		.limit = 0xffff, .type = 3, .present = 1, .s = 1,
	};

	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->cs = data;
	sregs->cs.type = 0xb;
	sregs->cs.selector = GUEST_CODE >> 4;
	sregs->cs.base = GUEST_CODE;
	sregs->idt.base = 0;
	sregs->idt.limit = 0x3ff;
	sregs->cr0 = X86_CR0_ET;
	sregs->cr4 = 0;
	sregs->efer = 0;
}

static void set_protected_segments(struct vm *vm, struct vmm_sregs *sregs,
				   enum guest_mode mode)
{
	int vector;

	set_flat(&sregs->ds, SEL_DATA, 3);
	sregs->es = sregs->fs = sregs->gs = sregs->ss = sregs->ds;
	if (mode == MODE_LONG) {
		set_flat(&sregs->cs, SEL_CODE64, 0xb);
		sregs->cs.db = 0;
		sregs->cs.l = 1;
		write_stubs(vm, fault_common_64, fault_common_64_end);
	} else {
		set_flat(&sregs->cs, SEL_CODE32, 0xb);
		write_stubs(vm, fault_common_32, fault_common_32_end);
	}
	for (vector = 0; vector < NR_STUBS; vector++)
		vm_set_gate(vm, mode, vector, GUEST_STUBS + vector * STUB_SIZE);
	sregs->tr = (struct vmm_segment) {
		.base = GUEST_TSS, .limit = 0x67, .selector = SEL_TSS,
		.type = 0xb, .present = 1,
	};
	sregs->gdt.base = GUEST_GDT;
	sregs->gdt.limit = sizeof(gdt) - 1;
	sregs->idt.base = GUEST_IDT;
	sregs->idt.limit = 0xfff;
	sregs->cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP;
	sregs->cr4 = X86_CR4_OSFXSR;
	sregs->efer = 0;
	if (mode == MODE_PROTECTED)
		return;
	sregs->cr0 |= X86_CR0_PG;
	sregs->cr4 |= X86_CR4_PAE;
	sregs->cr3 = mode == MODE_PAE ? GUEST_PAE_PDPT : GUEST_PML4;
	if (mode == MODE_LONG)
		sregs->efer = X86_EFER_LME | X86_EFER_LMA;
}

void vcpu_set_mode(struct vcpu *vcpu, enum guest_mode mode)
{
	struct vmm_sregs sregs;
	struct vmm_regs regs = {
		.rflags = X86_FLAGS_FIXED,
		.rsp = GUEST_STACK - vcpu->id * GUEST_STACK_SIZE,
		.rip = mode == MODE_REAL ? 0 : GUEST_CODE,
	};

	vcpu_get_sregs(vcpu, &sregs);
	if (mode == MODE_REAL) {
		set_real_segments(&sregs);
		regs.rsp = 0xfff0;
	} else {
		set_protected_segments(vcpu->vm, &sregs, mode);
	}
	vcpu_set_sregs(vcpu, &sregs);
	vcpu_set_regs(vcpu, &regs);
}

void vcpu_load_at(struct vcpu *vcpu, enum guest_mode mode, uint64_t gpa,
		  const uint8_t *code, const uint8_t *end)
{
	memcpy(vm_gpa(vcpu->vm, gpa), code, end - code);
	vcpu_set_mode(vcpu, mode);
	if (mode != MODE_REAL)
		vcpu_set_rip(vcpu, gpa);
}

struct vcpu *vcpu_new(enum guest_mode mode, const uint8_t *code, const uint8_t *end)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_load_at(vcpu, mode, GUEST_CODE, code, end);
	return vcpu;
}

struct vcpu *vcpu_start_at(struct vm *vm, int id, const uint8_t *code, const uint8_t *end)
{
	struct vmm_mp_state mp = { VMM_MP_STATE_RUNNABLE };
	struct vcpu *vcpu = vcpu_create(vm, id);

	vcpu_load_at(vcpu, MODE_LONG, GUEST_CODE + id * PAGE_SIZE, code, end);
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_MP_STATE, &mp));
	return vcpu;
}
