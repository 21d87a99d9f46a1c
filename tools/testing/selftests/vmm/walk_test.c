// SPDX-License-Identifier: GPL-2.0
/*
 * walk_test.c - the kernel's walk of the guest's page tables agrees with the CPU's.
 *
 * Each access is made twice, to two pages with the same page-table entry: by a
 * plain MOV, which the CPU executes, and by a MOVSB whose other operand is MMIO,
 * which the kernel emulates. Outcome, error code, CR2, and the accessed and dirty
 * bits have to be the same.
 */
#include <stdio.h>

#include "vmm_test.h"

#define PTE_P		(1ULL << 0)
#define PTE_W		(1ULL << 1)
#define PTE_U		(1ULL << 2)
#define PTE_A		(1ULL << 5)
#define PTE_D		(1ULL << 6)
#define PTE_PS		(1ULL << 7)
#define PTE_RSVD	(1ULL << 51)
#define PTE_PKEY1	(1ULL << 59)
#define PTE_NX		(1ULL << 63)
#define PTE_FLAGS	(PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_NX | PTE_RSVD | PTE_PKEY1)

#define PF_P		(1ULL << 0)
#define PF_RSVD		(1ULL << 3)

#define X86_CR4_PSE	(1UL << 4)
#define X86_CR4_SMAP	(1UL << 21)
#define X86_CR4_PKE	(1UL << 22)
#define X86_FLAGS_IOPL	(3UL << 12)
#define X86_FLAGS_AC	(1UL << 18)

#define AREA_VA		0x40000000UL
#define AREA_PA		0x200000UL
#define OFFSET		0x123
#define NO_PKRU		0xffffffffU

/* Tables of 32-bit paging, which the library has none for. */
#define PSE_PD		GUEST_DATA
#define PSE_PT		(GUEST_DATA + PAGE_SIZE)

/* R8 goes to PKRU, unless it is all ones. RSI, RDI: operands. */
#define CODE(name, ...)								\
	GUEST64(name##_64,							\
		mov %r8d, %eax; cmp $-1, %eax; je 1f;				\
		xor %ecx, %ecx; xor %edx, %edx; wrpkru; 1:			\
		__VA_ARGS__; mov $PORT_REPORT, %edx; out %al, %dx);		\
	GUEST32(name##_32, __VA_ARGS__; mov $PORT_REPORT, %edx; out %al, %dx)
CODE(read_plain, movb (%esi), %al);
CODE(write_plain, movb %al, (%edi));
CODE(emulated, movsb);

struct config {
	const char *name;
	enum guest_mode mode;
	bool pse;		/* 32-bit paging: MODE_PROTECTED with paging on */
	bool user;
	uint64_t cr0_off, cr4, efer, rflags;
	uint32_t pkru;
};

struct outcome {
	bool fault;
	uint64_t vector, error, cr2, flags;
};

static struct vcpu *vcpu;
static struct vmm_sregs sregs;
static int next_page;

static uint64_t get_pte(const struct config *c, int page)
{
	if (c->pse)
		return ((uint32_t *)vm_gpa(vcpu->vm, PSE_PT))[page];
	return *vm_pte_4k(vcpu->vm, AREA_VA + page * PAGE_SIZE);
}

static void set_pte(const struct config *c, int page, uint64_t flags)
{
	uint64_t pte = (AREA_PA + page * PAGE_SIZE) | flags;

	if (c->pse)
		((uint32_t *)vm_gpa(vcpu->vm, PSE_PT))[page] = pte;
	else
		*vm_pte_4k(vcpu->vm, AREA_VA + page * PAGE_SIZE) = pte;
}

static void make_pse_tables(void)
{
	uint32_t *pd = vm_gpa(vcpu->vm, PSE_PD);
	int i;

	for (i = 0; i < 1024; i++)
		pd[i] = (uint32_t)i << 22 | PTE_P | PTE_W | PTE_U | PTE_PS;
	pd[AREA_VA >> 22] = PSE_PT | PTE_P | PTE_W | PTE_U;
	sregs.cr3 = PSE_PD;
	sregs.cr4 |= X86_CR4_PSE;
	sregs.cr0 |= 1UL << 31;
}

static void setup(const struct config *c)
{
	uint64_t *pd;
	int i;

	vcpu = vcpu_create(vm_create(), 0);
	vcpu_set_mode(vcpu, c->mode);
	vm_map_4k(vcpu->vm, AREA_VA, AREA_PA);
	/* All else is the supervisor's, for SMAP. */
	pd = vm_gpa(vcpu->vm, GUEST_PD);
	for (i = 0; !c->user && i < 4 * 512; i++)
		if (i != AREA_VA / PAGE_2M)
			pd[i] &= ~PTE_U;
	vcpu_get_sregs(vcpu, &sregs);
	if (c->pse)
		make_pse_tables();
	sregs.cr0 &= ~c->cr0_off;
	sregs.cr4 |= c->cr4;
	sregs.efer |= c->efer;
	if (c->user) {
		sregs.cs.selector = SEL_USER_CODE64;
		sregs.ss.selector = SEL_USER_DATA;
		sregs.cs.dpl = sregs.ss.dpl = 3;
	}
	next_page = 0;
}

/* Runs to the report or the fault; MMIO in between is answered. */
static bool run_to_end(void)
{
	for (;;) {
		vcpu_run(vcpu);
		switch (vcpu->run->exit_reason) {
		case VMM_EXIT_MMIO:
			memset(vcpu->run->mmio.data, 0x5a, 8);
			continue;
		case VMM_EXIT_IO:
			return true;
		case VMM_EXIT_HLT:
			return false;
		default:
			vcpu_dump(vcpu);
			FAIL("exit %s", exit_name(vcpu->run->exit_reason));
		}
	}
}

static struct outcome try_access(const struct config *c, const uint8_t *code, const uint8_t *end,
				 uint64_t flags, bool write)
{
	struct guest_fault *fault = vm_gpa(vcpu->vm, GUEST_FAULT);
	int page = next_page++;
	uint64_t va = AREA_VA + page * PAGE_SIZE + OFFSET;
	struct vmm_regs regs = {
		.rip = GUEST_CODE,
		.rsp = GUEST_STACK,
		.rflags = X86_FLAGS_FIXED | X86_FLAGS_IOPL | c->rflags,
		.rsi = write ? GUEST_MMIO : va,
		.rdi = write ? va : GUEST_MMIO,
		.r8 = c->pkru,
	};
	struct outcome o = { 0 };

	set_pte(c, page, flags);
	memcpy(vm_gpa(vcpu->vm, GUEST_CODE), code, end - code);
	vcpu_set_sregs(vcpu, &sregs);
	vcpu_set_regs(vcpu, &regs);
	o.fault = !run_to_end();
	if (o.fault) {
		o.vector = fault->vector;
		o.error = fault->error;
		o.cr2 = fault->cr2 - va;
		/* "RSVD can be set only if P is also set" (SDM 3A, 4.7): TCG forgets it. */
		if (cpu_is_tcg() && o.error & PF_RSVD)
			o.error |= PF_P;
	}
	o.flags = get_pte(c, page) & PTE_FLAGS;
	return o;
}

static void compare(const struct config *c, uint64_t flags, bool write)
{
	bool wide = c->mode == MODE_LONG;
	struct outcome cpu, us;

#define TRY(name) (wide ? try_access(c, name##_64, name##_64_end, flags, write) : \
			  try_access(c, name##_32, name##_32_end, flags, write))
	cpu = write ? TRY(write_plain) : TRY(read_plain);
	us = TRY(emulated);
	if (cpu.fault != us.fault || cpu.vector != us.vector || cpu.error != us.error ||
	    cpu.cr2 != us.cr2 || cpu.flags != us.flags)
		FAIL("%s: %s, entry %#llx: the CPU: fault %d vector %llu error %#llx cr2 %+lld entry %#llx; emulated: %d %llu %#llx %+lld %#llx",
		     c->name, write ? "write" : "read", (unsigned long long)flags,
		     cpu.fault, (unsigned long long)cpu.vector, (unsigned long long)cpu.error,
		     (long long)cpu.cr2, (unsigned long long)cpu.flags,
		     us.fault, (unsigned long long)us.vector, (unsigned long long)us.error,
		     (long long)us.cr2, (unsigned long long)us.flags);
}

static void compare_all(const struct config *c)
{
	static const uint64_t base[] = {
		0, PTE_P, PTE_P | PTE_W, PTE_P | PTE_U, PTE_P | PTE_W | PTE_U,
	};
	static const uint64_t more[] = {
		0, PTE_A, PTE_A | PTE_D, PTE_NX, PTE_RSVD, PTE_PKEY1, PTE_PKEY1 | PTE_A | PTE_D,
	};
	unsigned int i, j;

	ktap_label(c->name);
	setup(c);
	for (i = 0; i < ARRAY_SIZE(base); i++) {
		for (j = 0; j < ARRAY_SIZE(more); j++) {
			if (c->pse && more[j] >> 32)
				continue;
			compare(c, base[i] | more[j], false);
			/* CPUs differ in whether they set D where W is clear. */
			if (c->cr0_off & X86_CR0_WP && !(base[i] & PTE_W) && !(more[j] & PTE_D))
				continue;
			compare(c, base[i] | more[j], true);
		}
	}
	vm_destroy(vcpu->vm);
	vcpu_destroy(vcpu);
}

#define RUN(...) do {								\
		static const struct config configs[] = { __VA_ARGS__ };		\
		unsigned int i_;						\
										\
		for (i_ = 0; i_ < ARRAY_SIZE(configs); i_++)			\
			compare_all(&configs[i_]);				\
	} while (0)

static void need_cpuid7(char reg, int bit, const char *name)
{
	const struct vmm_cpuid_entry2 *e = cpuid_find(vmm_supported_cpuid(), 7, 0);

	if (!e || !((reg == 'b' ? e->ebx : e->ecx) >> bit & 1))
		ktap_skip("the CPU has no %s", name);
}

KTAP_TEST(long_mode)
{
	RUN({ "supervisor", .mode = MODE_LONG, .pkru = NO_PKRU },
	    { "supervisor, WP off", .mode = MODE_LONG, .cr0_off = X86_CR0_WP, .pkru = NO_PKRU },
	    { "supervisor, NX on", .mode = MODE_LONG, .efer = X86_EFER_NX, .pkru = NO_PKRU },
	    { "user", .mode = MODE_LONG, .user = true, .pkru = NO_PKRU },
	    { "user, WP off, NX on", .mode = MODE_LONG, .user = true, .cr0_off = X86_CR0_WP,
	      .efer = X86_EFER_NX, .pkru = NO_PKRU });
}

KTAP_TEST(supervisor_mode_access_prevention)
{
	need_cpuid7('b', 20, "SMAP");
	RUN({ "supervisor", .mode = MODE_LONG, .cr4 = X86_CR4_SMAP, .pkru = NO_PKRU },
	    { "supervisor, AC", .mode = MODE_LONG, .cr4 = X86_CR4_SMAP, .rflags = X86_FLAGS_AC,
	      .pkru = NO_PKRU },
	    { "supervisor, WP off", .mode = MODE_LONG, .cr4 = X86_CR4_SMAP,
	      .cr0_off = X86_CR0_WP, .pkru = NO_PKRU });
}

/* Bochs looks at who accesses instead of whose page it is. */
static void need_real_keys(void)
{
	static const struct config c = {
		"supervisor, no access", .mode = MODE_LONG, .cr4 = X86_CR4_PKE, .pkru = 4,
	};
	struct outcome o;

	setup(&c);
	o = try_access(&c, read_plain_64, read_plain_64_end, PTE_P | PTE_U | PTE_PKEY1, false);
	if (!o.fault)
		ktap_skip("the CPU's protection keys do not bind the supervisor");
}

KTAP_TEST(protection_keys)
{
	need_cpuid7('c', 3, "protection keys");
	need_real_keys();
	RUN({ "user, all allowed", .mode = MODE_LONG, .user = true, .cr4 = X86_CR4_PKE },
	    { "user, no access", .mode = MODE_LONG, .user = true, .cr4 = X86_CR4_PKE, .pkru = 4 },
	    { "user, no write", .mode = MODE_LONG, .user = true, .cr4 = X86_CR4_PKE, .pkru = 8 },
	    { "supervisor, no access", .mode = MODE_LONG, .cr4 = X86_CR4_PKE, .pkru = 4 },
	    { "supervisor, no write", .mode = MODE_LONG, .cr4 = X86_CR4_PKE, .pkru = 8 },
	    { "supervisor, no write, WP off", .mode = MODE_LONG, .cr4 = X86_CR4_PKE,
	      .cr0_off = X86_CR0_WP, .pkru = 8 });
}

KTAP_TEST(pae)
{
	RUN({ "supervisor", .mode = MODE_PAE },
	    { "supervisor, WP off", .mode = MODE_PAE, .cr0_off = X86_CR0_WP },
	    { "supervisor, NX on", .mode = MODE_PAE, .efer = X86_EFER_NX });
}

KTAP_TEST(two_levels)
{
	RUN({ "supervisor", .mode = MODE_PROTECTED, .pse = true },
	    { "supervisor, WP off", .mode = MODE_PROTECTED, .pse = true, .cr0_off = X86_CR0_WP });
}
