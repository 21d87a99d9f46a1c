/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmm_test.h - what the test programs share: a VM in one call, guest code in
 * each of the CPU's modes, a run loop that knows what to expect.
 *
 * A helper that fails ends the test case, so callers check nothing.
 *
 * Guest memory that vm_create() makes is slot 0, GUEST_MEM_SIZE bytes at guest
 * physical address 0:
 *
 *	0x00000	real-mode vectors		0x05000	struct guest_fault
 *	0x01000	GDT				0x06000	page tables (13 pages)
 *	0x02000	IDT				0x20000	code
 *	0x03000	TSS				0x40000	data, for the test
 *	0x04000	fault stubs			0x80000	top of the first stack
 *
 * In the modes with paging the first 4 GiB are mapped one to one by 2 MiB
 * pages, for user mode too.
 */
#ifndef VMM_TEST_H
#define VMM_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vmm.h>

#include "ktap.h"

#define PAGE_SIZE	4096UL
#define PAGE_2M		(2UL << 20)
#define PAGE_1G		(1UL << 30)

#define GUEST_MEM_SIZE	(4UL << 20)
#define GUEST_GDT	0x01000
#define GUEST_IDT	0x02000
#define GUEST_TSS	0x03000
#define GUEST_STUBS	0x04000
#define GUEST_FAULT	0x05000
#define GUEST_PML4	0x06000
#define GUEST_PDPT	0x07000
#define GUEST_PAE_PDPT	0x08000
#define GUEST_PD	0x09000		/* four of them */
#define GUEST_PT	0x0d000		/* one, for vm_map_4k() */
#define GUEST_CODE	0x20000
#define GUEST_DATA	0x40000
#define GUEST_STACK	0x80000
#define GUEST_STACK_SIZE 0x2000		/* vCPU n's stack is n of these lower */

/* No slot of vm_create() is here: an access is MMIO. */
#define GUEST_MMIO	0x10000000UL

/* A port that no device of the kernel has: guests report values through it. */
#define PORT_REPORT	0x3f0

/* Selectors of the GDT. */
#define SEL_CODE64	0x08
#define SEL_CODE32	0x10
#define SEL_DATA	0x18
#define SEL_USER_CODE64	0x23
#define SEL_USER_DATA	0x2b
#define SEL_TSS		0x30

#define X86_CR0_PE	(1UL << 0)
#define X86_CR0_MP	(1UL << 1)
#define X86_CR0_TS	(1UL << 3)
#define X86_CR0_ET	(1UL << 4)
#define X86_CR0_NE	(1UL << 5)
#define X86_CR0_WP	(1UL << 16)
#define X86_CR0_NW	(1UL << 29)
#define X86_CR0_CD	(1UL << 30)
#define X86_CR0_PG	(1UL << 31)
#define X86_CR4_DE	(1UL << 3)
#define X86_CR4_PAE	(1UL << 5)
#define X86_CR4_OSFXSR	(1UL << 9)
#define X86_CR4_OSXSAVE	(1UL << 18)
#define X86_EFER_SCE	(1UL << 0)
#define X86_EFER_LME	(1UL << 8)
#define X86_EFER_LMA	(1UL << 10)
#define X86_EFER_NX	(1UL << 11)
#define X86_FLAGS_FIXED	(1UL << 1)
#define X86_FLAGS_TF	(1UL << 8)
#define X86_FLAGS_IF	(1UL << 9)
#define X86_FLAGS_RF	(1UL << 16)

#define MSR_IA32_TSC		0x10
#define MSR_IA32_APICBASE	0x1b
#define MSR_IA32_MISC_ENABLE	0x1a0
#define MSR_IA32_CR_PAT		0x277
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_KERNEL_GS_BASE	0xc0000102

enum guest_mode { MODE_REAL, MODE_PROTECTED, MODE_PAE, MODE_LONG };

struct vm {
	int fd;
	uint8_t *mem;		/* what backs slot 0 */
	size_t mem_size;
};

struct vcpu {
	struct vm *vm;
	int id;
	int fd;
	struct vmm_run *run;
	size_t run_size;
};

/* Where the fault stubs leave what they saw; in guest memory. */
struct guest_fault {
	uint64_t vector;
	uint64_t error;		/* 0 if the vector has none */
	uint64_t rip, cs, rflags, rsp;
	uint64_t cr2;
	uint64_t rax;
	uint64_t count;
};

/* ---- Guest code ---- */

#define GUEST_STRING_(...)	#__VA_ARGS__
#define GUEST_STRING(...)	GUEST_STRING_(__VA_ARGS__)

/*
 * Defines a piece of guest code in assembler, statements separated by ";".
 * It is copied into the guest, so it has to be position independent.
 */
#define GUEST_CODE_(bits, name, ...)						\
	extern const uint8_t name[], name##_end[];				\
	asm(".pushsection .rodata.guest, \"a\"\n.balign 16\n"			\
	    ".code" #bits "\n" #name ":\n"					\
	    GUEST_STRING(__VA_ARGS__)						\
	    "\n" #name "_end:\n.code64\n.popsection\n")

#define GUEST16(name, ...)	GUEST_CODE_(16, name, __VA_ARGS__)
#define GUEST32(name, ...)	GUEST_CODE_(32, name, __VA_ARGS__)
#define GUEST64(name, ...)	GUEST_CODE_(64, name, __VA_ARGS__)

/* ---- Marks for the lab ---- */

/*
 * A NOP that one of the lab's emulators knows (bochs-count.cc): from here on it
 * counts the instructions that are dear, for this many events of what is measured;
 * 0 events: to here.
 */
static inline void mark(uint64_t what, uint64_t events)
{
	asm volatile("nopl 0x6d6d7600(%%rax)" : : "a"(what), "c"(events) : "memory");
}

/* What was counted of it so far does not count. */
#define MARKS_RESTART	(~0ULL)
static inline void marks_restart(uint64_t what)
{
	mark(what, MARKS_RESTART);
	mark(what, 0);
}

/* ---- lib/vm.c: the device, VMs, memory, vCPUs ---- */

/* Opens the device: $VMM_DEV, or /dev/vmm, or /dev/kvm. */
int vmm_open(void);
const char *vmm_device(void);

/* Is this vmm (and not KVM)? For the few things in which we differ. */
bool vmm_is_vmm(void);

/*
 * Is the CPU that runs this emulated by QEMU's TCG? Some tests know what that
 * CPU does otherwise than real ones.
 */
bool cpu_is_tcg(void);

/* VMM_CHECK_EXTENSION on the device. */
int vmm_check_extension(long cap);
/* Skips the case unless the device has it. */
void vmm_need_cap(long cap, const char *name);

struct vm *vm_create(void);
struct vm *vm_create_size(size_t mem_size);
/* With local APICs in the kernel; @routes GSIs are pins of user space's I/O APIC. */
struct vm *vm_create_split(unsigned int routes);
void vm_destroy(struct vm *vm);

/* VMM_SET_USER_MEMORY_REGION as the system call is; returns its result. */
int vm_set_region(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
		  uint64_t size, const void *hva);
/* The same, and it has to work. */
void vm_map(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
	    uint64_t size, const void *hva);
/* Anonymous memory, mapped with the alignment; the case's exit frees it. */
void *host_alloc(size_t size, size_t align);

static inline void *vm_gpa(struct vm *vm, uint64_t gpa)
{
	return vm->mem + gpa;
}

/* A word that guest and test share. */
static inline volatile uint64_t *vm_word(struct vm *vm, uint64_t gpa)
{
	return vm_gpa(vm, gpa);
}

/* A vCPU whose CPUID is all that VMM_GET_SUPPORTED_CPUID offers. */
struct vcpu *vcpu_create(struct vm *vm, int id);
void vcpu_destroy(struct vcpu *vcpu);
struct vmm_cpuid2 *vmm_supported_cpuid(void);
const struct vmm_cpuid_entry2 *cpuid_find(const struct vmm_cpuid2 *cpuid,
					  uint32_t function, uint32_t index);

/* ---- lib/mode.c: the CPU's modes ---- */

/* Writes descriptor tables, page tables and fault stubs into guest memory. */
void vm_init_tables(struct vm *vm);
/* Puts the vCPU in the mode; its other registers are as after a reset. */
void vcpu_set_mode(struct vcpu *vcpu, enum guest_mode mode);
/*
 * Maps 2 MiB at @va, which has to be a multiple of that, by 4 KiB pages from
 * @pa on. One such area a VM.
 */
void vm_map_4k(struct vm *vm, uint64_t va, uint64_t pa);
uint64_t *vm_pte_4k(struct vm *vm, uint64_t va);

/* Mode, code at GUEST_CODE (or @gpa) and RIP there. */
void vcpu_load_at(struct vcpu *vcpu, enum guest_mode mode, uint64_t gpa,
		  const uint8_t *code, const uint8_t *end);
#define vcpu_load(vcpu, mode, name) \
	vcpu_load_at(vcpu, mode, GUEST_CODE, name, name##_end)

/* A VM with one vCPU that is about to run the code. */
struct vcpu *vcpu_new(enum guest_mode mode, const uint8_t *code, const uint8_t *end);
#define vcpu_start(mode, name)	vcpu_new(mode, name, name##_end)

/*
 * A vCPU of a VM that may have several: in long mode, its code @id pages behind
 * GUEST_CODE, and runnable, whether or not others would have to start it.
 */
struct vcpu *vcpu_start_at(struct vm *vm, int id, const uint8_t *code, const uint8_t *end);
#define vcpu_start_in(vm, id, name)	vcpu_start_at(vm, id, name, name##_end)

/* Replaces the gate of a vector; @cs_mode as for vcpu_set_mode(). */
void vm_set_gate(struct vm *vm, enum guest_mode mode, int vector, uint64_t handler);

/* ---- lib/run.c: registers and exits ---- */

void vcpu_get_regs(struct vcpu *vcpu, struct vmm_regs *regs);
void vcpu_set_regs(struct vcpu *vcpu, const struct vmm_regs *regs);
void vcpu_get_sregs(struct vcpu *vcpu, struct vmm_sregs *sregs);
void vcpu_set_sregs(struct vcpu *vcpu, const struct vmm_sregs *sregs);
void vcpu_get_events(struct vcpu *vcpu, struct vmm_vcpu_events *events);
void vcpu_set_events(struct vcpu *vcpu, const struct vmm_vcpu_events *events);
void vcpu_set_rip(struct vcpu *vcpu, uint64_t rip);
uint64_t vcpu_rip(struct vcpu *vcpu);

/* One MSR; the int is what the ioctl returned: 1, 0 (refused) or -1. */
int vcpu_get_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value);
int vcpu_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value);
uint64_t vcpu_msr(struct vcpu *vcpu, uint32_t index);

const char *exit_name(uint32_t reason);
void vcpu_dump(struct vcpu *vcpu);

/* Runs to the next exit; EINTR goes round again. */
void vcpu_run(struct vcpu *vcpu);
/* Runs, and the exit has to be this one. */
void expect_exit_(struct vcpu *vcpu, uint32_t reason, const char *file, int line);
#define expect_exit(vcpu, reason) expect_exit_(vcpu, reason, __FILE__, __LINE__)
#define expect_hlt(vcpu)	expect_exit(vcpu, VMM_EXIT_HLT)
/* An OUT of @size bytes with this value. */
void expect_out_(struct vcpu *vcpu, uint16_t port, int size, uint64_t value,
		 const char *file, int line);
#define expect_out(vcpu, port, size, value) \
	expect_out_(vcpu, port, size, value, __FILE__, __LINE__)
/* The guest reports a 32-bit value; gives it. */
uint32_t expect_report_(struct vcpu *vcpu, const char *file, int line);
#define expect_report(vcpu)	expect_report_(vcpu, __FILE__, __LINE__)
void expect_mmio_write_(struct vcpu *vcpu, uint64_t gpa, int len, uint64_t value,
			const char *file, int line);
#define expect_mmio_write(vcpu, gpa, len, value) \
	expect_mmio_write_(vcpu, gpa, len, value, __FILE__, __LINE__)
/* An MMIO read, which gets the value at the next run. */
void expect_mmio_read_(struct vcpu *vcpu, uint64_t gpa, int len, uint64_t value,
		       const char *file, int line);
#define expect_mmio_read(vcpu, gpa, len, value) \
	expect_mmio_read_(vcpu, gpa, len, value, __FILE__, __LINE__)
/*
 * The guest takes an exception (protected, PAE and long mode). The stub stops
 * at a HLT; another run returns from the exception.
 */
struct guest_fault *expect_fault_(struct vcpu *vcpu, int vector,
				  const char *file, int line);
#define expect_fault(vcpu, vector) expect_fault_(vcpu, vector, __FILE__, __LINE__)

static inline void *run_io_data(struct vmm_run *run)
{
	return (uint8_t *)run + run->io.data_offset;
}

static inline uint64_t load_le(const void *p, int size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

#endif /* VMM_TEST_H */
