// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_memory_test.c - how the emulator reaches memory: locks, accesses that
 * are half RAM and half device, addresses that wrap, memory that goes away while
 * user space answers, and the exit of what it does not emulate.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "vmm_test.h"

#define MMIO	GUEST_MMIO
#define PORT	0x3f8

/* A guest with RBX at the device, RAX a value, and code that the case chooses. */
static struct vcpu *start(const uint8_t *code, const uint8_t *end, uint64_t rbx)
{
	struct vcpu *vcpu = vcpu_new(MODE_LONG, code, end);
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rax = 0x1122334455667788;
	regs.rbx = rbx;
	regs.rdx = PORT;
	vcpu_set_regs(vcpu, &regs);
	return vcpu;
}
#define START(name, rbx) start(name, name##_end, rbx)

/* ---- The exit of an instruction that is not emulated ---- */

GUEST64(mul_plain, mull (%rbx); hlt);
GUEST64(mul_long, mulq %gs:0x12345678(%rbx, %rcx, 4); hlt);
GUEST64(x87_load, fildl 0x10(%rbx); hlt);

static void check_failure(struct vcpu *vcpu, const uint8_t *code, unsigned int len)
{
	struct vmm_run *run = vcpu->run;
	unsigned int i;

	expect_exit(vcpu, VMM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(run->emulation_failure.suberror, VMM_INTERNAL_ERROR_EMULATION);
	CHECK(run->emulation_failure.ndata >= 3);
	CHECK(run->emulation_failure.flags & VMM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	CHECK(run->emulation_failure.insn_size >= len);
	CHECK(run->emulation_failure.insn_size <= sizeof(run->emulation_failure.insn_bytes));
	for (i = 0; i < len; i++)
		CHECK_EQ(run->emulation_failure.insn_bytes[i], code[i]);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE);
}

KTAP_TEST(failure_carries_the_bytes)
{
	check_failure(START(mul_plain, MMIO), mul_plain, 2);
	check_failure(START(mul_long, MMIO - 0x12345678), mul_long, 9);
	check_failure(START(x87_load, MMIO), x87_load, 3);
}

/* ---- Half a write ---- */

GUEST64(st_cross, mov %rax, (%rbx); hlt);

/*
 * One half goes to a device, the other to RAM that the process may not write:
 * nothing happens, until it may.
 */
static void half_write(uint64_t device, uint64_t ram, uint64_t at)
{
	uint8_t *mem = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vcpu *vcpu = START(st_cross, at);
	unsigned int first = PAGE_SIZE - at % PAGE_SIZE;
	uint64_t rax = 0x1122334455667788, low = rax & ((1ULL << first * 8) - 1);

	CHECK(mem != MAP_FAILED);
	vm_map(vcpu->vm, 1, 0, ram, PAGE_SIZE, mem);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
	CHECK_OK(mprotect(mem, PAGE_SIZE, PROT_READ | PROT_WRITE));
	if (device < ram)
		expect_mmio_write(vcpu, at, first, low);
	else
		expect_mmio_write(vcpu, device, 8 - first, rax >> first * 8);
	expect_hlt(vcpu);
	CHECK_EQ(load_le(device < ram ? mem : mem + PAGE_SIZE - first,
			 device < ram ? 8 - first : first),
		 device < ram ? rax >> first * 8 : low);
}

KTAP_TEST(no_half_of_a_write)
{
	half_write(MMIO, MMIO + PAGE_SIZE, MMIO + PAGE_SIZE - 3);
	half_write(MMIO + PAGE_SIZE, MMIO, MMIO + PAGE_SIZE - 3);
}

/* ---- 4 GiB ---- */

GUEST32(wrap_store, mov %eax, 0xffe; hlt);
GUEST32(wrap_load, mov 0xffe, %ebx; hlt);

static struct vcpu *start_wrap(const uint8_t *code, const uint8_t *end)
{
	struct vcpu *vcpu = vcpu_new(MODE_PROTECTED, code, end);
	struct vmm_sregs sregs;
	struct vmm_regs regs;

	vcpu_get_sregs(vcpu, &sregs);
	sregs.ds.base = 0xfffff000;
	vcpu_set_sregs(vcpu, &sregs);
	vcpu_get_regs(vcpu, &regs);
	regs.rax = 0x44332211;
	vcpu_set_regs(vcpu, &regs);
	*(uint32_t *)vm_gpa(vcpu->vm, 0) = 0xaabbccdd;
	return vcpu;
}

/* Behind the last byte of a linear address space of 32 bits comes the first. */
KTAP_TEST(linear_addresses_wrap)
{
	struct vcpu *vcpu = start_wrap(wrap_store, wrap_store_end);
	struct vmm_regs regs;

	expect_mmio_write(vcpu, 0xfffffffe, 2, 0x2211);
	expect_hlt(vcpu);
	CHECK_EQ(*(uint32_t *)vm_gpa(vcpu->vm, 0), 0xaabb4433);

	vcpu = start_wrap(wrap_load, wrap_load_end);
	expect_mmio_read(vcpu, 0xfffffffe, 2, 0x7766);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rbx, 0xccdd7766);
}

/* ---- Locks ---- */

GUEST64(lock_inc, lock incl (%rbx); hlt);

struct rival {
	pthread_t thread;
	void *at;
	bool narrow, stop;
	uint32_t count;
};

/* Adds to the same bytes as the guest, by instructions that lock as well. */
static void *rival_main(void *arg)
{
	struct rival *r = arg;
	int i;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		/* The other must win now and then, however long its read and exchange take. */
		for (i = r->count * 61 % 5000; i; i--)
			asm volatile("pause");
		if (r->narrow)
			asm volatile("lock incw (%0)" :: "r"(r->at) : "memory", "cc");
		else
			asm volatile("lock incl (%0)" :: "r"(r->at) : "memory", "cc");
		r->count++;
	}
	return NULL;
}

/* Such a CPU faults the kernel if it locks bytes of two cache lines. */
static bool detects_split_locks(void)
{
	char line[8192];
	bool found = false;
	FILE *f = fopen("/proc/cpuinfo", "r");

	CHECK(f != NULL);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, " split_lock_detect") != NULL;
	fclose(f);
	return found;
}

static void restart(struct vcpu *vcpu)
{
	vcpu_set_rip(vcpu, GUEST_CODE);
}

/*
 * A LOCKed instruction on RAM is the CPU's business, unless the RAM appears
 * while user space is asked for what was a device: then it is the emulator's.
 */
static void lock_at(unsigned int offset)
{
	uint8_t *mem = host_alloc(2 * PAGE_SIZE, PAGE_SIZE);
	struct vcpu *vcpu = START(lock_inc, MMIO + offset);
	struct rival rival = { .at = mem + offset };
	unsigned int i, rounds = 300;

	CHECK_EQ(pthread_create(&rival.thread, NULL, rival_main, &rival), 0);
	for (i = 0; i < rounds; i++) {
		restart(vcpu);
		expect_exit(vcpu, VMM_EXIT_MMIO);
		CHECK(!vcpu->run->mmio.is_write);
		memset(vcpu->run->mmio.data, 0x55, 8);	/* not what is in the RAM */
		vm_map(vcpu->vm, 1, 0, MMIO, 2 * PAGE_SIZE, mem);
		expect_hlt(vcpu);
		vm_map(vcpu->vm, 1, 0, MMIO, 0, mem);
	}
	rival.stop = true;
	pthread_join(rival.thread, NULL);
	CHECK_EQ(load_le(mem + offset, 4), (uint32_t)(rounds + rival.count));
}

KTAP_TEST(misaligned_locks_are_atomic)
{
	lock_at(0x100);
	lock_at(0x101);		/* within eight bytes */
	lock_at(0x106);		/* within a cache line */
}

KTAP_TEST(split_locks_are_atomic)
{
	if (detects_split_locks())
		ktap_skip("split_lock_detect: the CPU does not let the kernel lock two cache lines");
	lock_at(0x13e);
	lock_at(PAGE_SIZE - 2);
}

/* Two pages that are not neighbours in the process cannot be locked at once. */
KTAP_TEST(lock_in_two_slots_is_a_failure)
{
	uint8_t *mem = host_alloc(4 * PAGE_SIZE, PAGE_SIZE);
	struct vcpu *vcpu = START(lock_inc, MMIO + PAGE_SIZE - 2);

	expect_exit(vcpu, VMM_EXIT_MMIO);
	vm_map(vcpu->vm, 1, 0, MMIO, PAGE_SIZE, mem);
	vm_map(vcpu->vm, 2, 0, MMIO + PAGE_SIZE, PAGE_SIZE, mem + 2 * PAGE_SIZE);
	check_failure(vcpu, lock_inc, 3);
	CHECK_EQ(load_le(mem + PAGE_SIZE - 2, 2), 0);
}

/* Of an operand that is half RAM and half device the RAM is exchanged atomically. */
static void lock_half(unsigned int ram_page)
{
	uint8_t *mem = host_alloc(PAGE_SIZE, PAGE_SIZE);
	struct vcpu *vcpu = START(lock_inc, MMIO + PAGE_SIZE - 2);
	struct rival rival = { .at = ram_page ? mem : mem + PAGE_SIZE - 2, .narrow = true };
	unsigned int i, rounds = 300;
	uint16_t device = ram_page ? 0xffff : 0;

	vm_map(vcpu->vm, 1, 0, MMIO + ram_page * PAGE_SIZE, PAGE_SIZE, mem);
	CHECK_EQ(pthread_create(&rival.thread, NULL, rival_main, &rival), 0);
	for (i = 0; i < rounds; i++) {
		restart(vcpu);
		for (;;) {
			vcpu_run(vcpu);
			if (vcpu->run->exit_reason == VMM_EXIT_HLT)
				break;
			CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_MMIO);
			CHECK_EQ(vcpu->run->mmio.len, 2);
			if (!vcpu->run->mmio.is_write)
				memcpy(vcpu->run->mmio.data, &device, 2);
		}
	}
	rival.stop = true;
	pthread_join(rival.thread, NULL);
	/* In the upper half only the carry arrives, which there always is. */
	CHECK_EQ(load_le(rival.at, 2), (uint16_t)(rounds + rival.count));
}

KTAP_TEST(lock_of_ram_and_device)
{
	lock_half(0);
	lock_half(1);
}

/* ---- Memory that goes away ---- */

GUEST64(rep_insl, rep insl; hlt);
GUEST64(rep_insb, rep insb; hlt);
GUEST64(rep_outsb, rep outsb; hlt);
GUEST64(movs, movsl; hlt);

static void set_string(struct vcpu *vcpu, uint64_t rsi, uint64_t rdi, uint64_t rcx)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rsi = rsi;
	regs.rdi = rdi;
	regs.rcx = rcx;
	vcpu_set_regs(vcpu, &regs);
}

/* What a port has delivered is not lost when its memory becomes a device. */
KTAP_TEST(ins_into_memory_that_goes_away)
{
	struct vcpu *vcpu = START(rep_insl, 0);
	uint8_t *mem = host_alloc(PAGE_SIZE, PAGE_SIZE);
	uint32_t *data, i;

	vm_map(vcpu->vm, 1, 0, MMIO, PAGE_SIZE, mem);
	set_string(vcpu, 0, MMIO, 64);
	expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.count, 64);
	data = run_io_data(vcpu->run);
	for (i = 0; i < 64; i++)
		data[i] = 0x1000 + i;
	vm_map(vcpu->vm, 1, 0, MMIO, 0, mem);
	for (i = 0; i < 64; i++)
		expect_mmio_write(vcpu, MMIO + i * 4, 4, 0x1000 + i);
	expect_hlt(vcpu);
}

KTAP_TEST(long_strings_between_ports_and_devices)
{
	struct vcpu *vcpu = START(rep_insb, 0);
	unsigned int i;

	set_string(vcpu, 0, MMIO, 300);
	for (i = 0; i < 300; i++) {
		expect_exit(vcpu, VMM_EXIT_IO);
		CHECK_EQ(vcpu->run->io.count, 1);
		*(uint8_t *)run_io_data(vcpu->run) = i;
		expect_mmio_write(vcpu, MMIO + i, 1, i & 0xff);
	}
	expect_hlt(vcpu);

	vcpu = START(rep_outsb, 0);
	set_string(vcpu, MMIO, 0, 300);
	for (i = 0; i < 300; i++) {
		expect_mmio_read(vcpu, MMIO + i, 1, i & 0xff);
		expect_out(vcpu, PORT, 1, i & 0xff);
	}
	expect_hlt(vcpu);
}

/* The guest's page tables become inaccessible while a device is asked. */
KTAP_TEST(page_tables_without_memory_are_efault)
{
	struct vcpu *vcpu = START(movs, 0);
	void *tables = vm_gpa(vcpu->vm, GUEST_PML4);

	set_string(vcpu, MMIO, GUEST_DATA, 0);
	expect_exit(vcpu, VMM_EXIT_MMIO);
	memcpy(vcpu->run->mmio.data, "\x11\x22\x33\x44", 4);
	CHECK_OK(mprotect(tables, PAGE_SIZE, PROT_NONE));
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
	/* It can be mended; the instruction begins anew. */
	CHECK_OK(mprotect(tables, PAGE_SIZE, PROT_READ | PROT_WRITE));
	expect_mmio_read(vcpu, MMIO, 4, 0x88776655);
	expect_hlt(vcpu);
	CHECK_EQ(*(uint32_t *)vm_gpa(vcpu->vm, GUEST_DATA), 0x88776655);
}
