// SPDX-License-Identifier: GPL-2.0
/*
 * memslot_test.c - VMM_SET_USER_MEMORY_REGION: what it takes, what it refuses,
 * and that the guest sees exactly what the slots say.
 */
#include "vmm_test.h"

#define GPA	0x40000000UL
#define SIZE	(16 * PAGE_SIZE)

static struct vm *empty_vm(void)
{
	return vm_create_size(0);
}

KTAP_TEST(add_and_delete)
{
	struct vm *vm = empty_vm();
	void *mem = host_alloc(SIZE, PAGE_SIZE);

	vm_map(vm, 1, 0, GPA, SIZE, mem);
	vm_map(vm, 1, 0, GPA, 0, mem);
	vm_map(vm, 1, 0, GPA, SIZE, mem);
	/* What is deleted needs no address. */
	vm_map(vm, 1, 0, 0, 0, NULL);
}

KTAP_TEST(deleting_what_is_not_there_is_refused)
{
	struct vm *vm = empty_vm();

	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, 0, NULL), EINVAL);
}

KTAP_TEST(alignment)
{
	struct vm *vm = empty_vm();
	uint8_t *mem = host_alloc(SIZE, PAGE_SIZE);

	CHECK_ERR(vm_set_region(vm, 1, 0, GPA + 1, SIZE, mem), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA + 2048, SIZE, mem), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, SIZE - 1, mem), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, 1, mem), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, SIZE, mem + 1), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, SIZE, mem + 0x800), EINVAL);
	vm_map(vm, 1, 0, GPA, SIZE, mem);
}

KTAP_TEST(slot_number)
{
	struct vm *vm = empty_vm();
	uint32_t n = CHECK_OK(ioctl(vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_NR_MEMSLOTS));
	uint32_t spaces = CHECK_OK(ioctl(vm->fd, VMM_CHECK_EXTENSION,
					 VMM_CAP_MULTI_ADDRESS_SPACE));
	void *mem = host_alloc(SIZE, PAGE_SIZE);

	vm_map(vm, n - 1, 0, GPA, SIZE, mem);
	vm_map(vm, n - 1, 0, GPA, 0, mem);
	CHECK_ERR(vm_set_region(vm, 0xffff, 0, GPA, SIZE, mem), EINVAL);
	/* The upper half is the address space. */
	spaces = spaces ? spaces : 1;
	CHECK_ERR(vm_set_region(vm, spaces << 16, 0, GPA, SIZE, mem), EINVAL);
	CHECK_ERR(vm_set_region(vm, 0xffff0000, 0, GPA, SIZE, mem), EINVAL);
}

KTAP_TEST(flags)
{
	struct vm *vm = empty_vm();
	void *mem = host_alloc(SIZE, PAGE_SIZE);
	int bit;

	for (bit = 2; bit < 32; bit++)
		CHECK_ERR(vm_set_region(vm, 1, 1U << bit, GPA, SIZE, mem), EINVAL);
	vm_map(vm, 1, VMM_MEM_LOG_DIRTY_PAGES | VMM_MEM_READONLY, GPA, SIZE, mem);
}

KTAP_TEST(user_address)
{
	struct vm *vm = empty_vm();
	void *mem = host_alloc(SIZE, PAGE_SIZE);

	/* Not in user space at all. */
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, SIZE, (void *)0xffff800000000000), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, SIZE, (void *)-PAGE_SIZE), EINVAL);
	/* It ends beyond user space. */
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, 1UL << 47, mem), EINVAL);
	/* Nothing is mapped there yet: that shows at the guest's access only. */
	vm_map(vm, 1, 0, GPA, SIZE, (void *)0x10000);
}

KTAP_TEST(address_wraps)
{
	struct vm *vm = empty_vm();
	void *mem = host_alloc(SIZE, PAGE_SIZE);

	CHECK_ERR(vm_set_region(vm, 1, 0, -PAGE_SIZE, SIZE, mem), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, -SIZE, SIZE, mem), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA, -PAGE_SIZE, mem), EINVAL);
	/* More pages than 31 bits count. */
	CHECK_ERR(vm_set_region(vm, 1, 0, 0, (1UL << 31) * PAGE_SIZE, mem), EINVAL);
}

KTAP_TEST(overlap)
{
	struct vm *vm = empty_vm();
	uint8_t *mem = host_alloc(4 * SIZE, PAGE_SIZE);

	vm_map(vm, 1, 0, GPA, SIZE, mem);
	CHECK_ERR(vm_set_region(vm, 2, 0, GPA, SIZE, mem), EEXIST);
	CHECK_ERR(vm_set_region(vm, 2, 0, GPA, PAGE_SIZE, mem), EEXIST);
	CHECK_ERR(vm_set_region(vm, 2, 0, GPA + SIZE - PAGE_SIZE, SIZE, mem), EEXIST);
	CHECK_ERR(vm_set_region(vm, 2, 0, GPA - PAGE_SIZE, SIZE, mem), EEXIST);
	CHECK_ERR(vm_set_region(vm, 2, 0, GPA - SIZE, 4 * SIZE, mem), EEXIST);
	/* Neighbours are none. The host memory may be shared. */
	vm_map(vm, 2, 0, GPA + SIZE, SIZE, mem);
	vm_map(vm, 3, 0, GPA - SIZE, SIZE, mem);
	/* A slot may not move over another, but over itself. */
	CHECK_ERR(vm_set_region(vm, 2, 0, GPA + PAGE_SIZE, SIZE, mem), EEXIST);
	vm_map(vm, 2, 0, GPA + SIZE + PAGE_SIZE, SIZE, mem);
}

KTAP_TEST(change_of_an_existing_slot)
{
	struct vm *vm = empty_vm();
	uint8_t *mem = host_alloc(4 * SIZE, PAGE_SIZE);

	vm_map(vm, 1, 0, GPA, SIZE, mem);
	vm_map(vm, 1, 0, GPA, SIZE, mem);			/* nothing */
	vm_map(vm, 1, VMM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);	/* flags */
	vm_map(vm, 1, 0, GPA, SIZE, mem);
	vm_map(vm, 1, 0, GPA + 2 * SIZE, SIZE, mem);		/* move */
	/* Size, host address and read-only cannot change: delete it first. */
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA + 2 * SIZE, 2 * SIZE, mem), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, 0, GPA + 2 * SIZE, SIZE, mem + SIZE), EINVAL);
	CHECK_ERR(vm_set_region(vm, 1, VMM_MEM_READONLY, GPA + 2 * SIZE, SIZE, mem), EINVAL);
	/* None of the refused changes had an effect. */
	vm_map(vm, 2, 0, GPA + 3 * SIZE, SIZE, mem);
	vm_map(vm, 3, 0, GPA, SIZE, mem);
}

KTAP_TEST(all_slots_at_once)
{
	struct vm *vm = empty_vm();
	uint32_t n = CHECK_OK(ioctl(vm->fd, VMM_CHECK_EXTENSION, VMM_CAP_NR_MEMSLOTS));
	uint32_t i, some = n < 512 ? n : 512;
	uint8_t *mem = host_alloc(PAGE_SIZE, PAGE_SIZE);

	/* From both ends of the numbers, in no order of address. */
	for (i = 0; i < some; i++)
		vm_map(vm, i % 2 ? n - 1 - i : i, 0,
		       (uint64_t)(i * 37 % some) * 2 * PAGE_SIZE, PAGE_SIZE, mem);
	CHECK_ERR(vm_set_region(vm, n - 1, 0, 0, PAGE_SIZE, mem), EEXIST);
	for (i = 0; i < some; i++)
		vm_map(vm, i % 2 ? n - 1 - i : i, 0, 0, 0, NULL);
}

/* Copies a word from one place of the guest's to another, and stops. */
GUEST64(copy_word,
	mov (%rsi), %eax;
	mov %eax, (%rdi);
	hlt);

static void set_copy(struct vcpu *vcpu, uint64_t from, uint64_t to)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rip = GUEST_CODE;
	regs.rsi = from;
	regs.rdi = to;
	vcpu_set_regs(vcpu, &regs);
}

/* Two slots of the same host memory: what is written in one is in the other. */
KTAP_TEST(two_slots_may_share_host_memory)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, copy_word);
	uint32_t *mem = host_alloc(SIZE, PAGE_SIZE);

	vm_map(vcpu->vm, 1, 0, GPA, SIZE, mem);
	vm_map(vcpu->vm, 2, 0, GPA + 2 * SIZE, SIZE, mem);
	*(uint32_t *)vm_gpa(vcpu->vm, GUEST_DATA) = 0xfeed;
	set_copy(vcpu, GUEST_DATA, GPA + 8);
	expect_hlt(vcpu);
	CHECK_EQ(mem[2], 0xfeed);
	mem[2] = 0xbeef;
	set_copy(vcpu, GPA + 2 * SIZE + 8, GUEST_DATA + 4);
	expect_hlt(vcpu);
	CHECK_EQ(*(uint32_t *)vm_gpa(vcpu->vm, GUEST_DATA + 4), 0xbeef);
}

/* After the delete the same access is MMIO; after the add it is memory again. */
KTAP_TEST(guest_follows_add_and_delete)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, copy_word);
	uint32_t *mem = host_alloc(SIZE, PAGE_SIZE), *mem2 = host_alloc(SIZE, PAGE_SIZE);
	uint32_t *data = vm_gpa(vcpu->vm, GUEST_DATA);

	mem[1] = 0x1111;
	mem2[1] = 0x2222;
	vm_map(vcpu->vm, 1, 0, GPA, SIZE, mem);
	set_copy(vcpu, GPA + 4, GUEST_DATA);
	expect_hlt(vcpu);
	CHECK_EQ(*data, 0x1111);

	vm_map(vcpu->vm, 1, 0, GPA, 0, NULL);
	set_copy(vcpu, GPA + 4, GUEST_DATA);
	expect_mmio_read(vcpu, GPA + 4, 4, 0x3333);
	expect_hlt(vcpu);
	CHECK_EQ(*data, 0x3333);

	vm_map(vcpu->vm, 1, 0, GPA, SIZE, mem2);
	set_copy(vcpu, GPA + 4, GUEST_DATA);
	expect_hlt(vcpu);
	CHECK_EQ(*data, 0x2222);
}

/* A moved slot is gone where it was. */
KTAP_TEST(guest_follows_a_move)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, copy_word);
	uint32_t *mem = host_alloc(SIZE, PAGE_SIZE);
	uint32_t *data = vm_gpa(vcpu->vm, GUEST_DATA);

	mem[0] = 0xabcd;
	vm_map(vcpu->vm, 1, 0, GPA, SIZE, mem);
	set_copy(vcpu, GPA, GUEST_DATA);
	expect_hlt(vcpu);
	vm_map(vcpu->vm, 1, 0, GPA + 4 * SIZE, SIZE, mem);
	*data = 0;
	set_copy(vcpu, GPA + 4 * SIZE, GUEST_DATA);
	expect_hlt(vcpu);
	CHECK_EQ(*data, 0xabcd);
	set_copy(vcpu, GPA, GUEST_DATA);
	expect_mmio_read(vcpu, GPA, 4, 0);
	expect_hlt(vcpu);
}

/* Reads of a read-only slot are memory, writes leave to user space. */
KTAP_TEST(read_only_slot)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, copy_word);
	uint32_t *mem = host_alloc(SIZE, PAGE_SIZE);
	uint32_t *data = vm_gpa(vcpu->vm, GUEST_DATA);

	mem[3] = 0x600d;
	vm_map(vcpu->vm, 1, VMM_MEM_READONLY, GPA, SIZE, mem);
	set_copy(vcpu, GPA + 12, GUEST_DATA);
	expect_hlt(vcpu);
	CHECK_EQ(*data, 0x600d);
	*data = 0xbad;
	set_copy(vcpu, GUEST_DATA, GPA + 12);
	expect_mmio_write(vcpu, GPA + 12, 4, 0xbad);
	expect_hlt(vcpu);
	CHECK_EQ(mem[3], 0x600d);
	/* What the host writes there the guest sees. */
	mem[3] = 0xf00d;
	set_copy(vcpu, GPA + 12, GUEST_DATA);
	expect_hlt(vcpu);
	CHECK_EQ(*data, 0xf00d);
}

/* An access where the host has no memory ends VMM_RUN, not the machine. */
KTAP_TEST(slot_without_host_memory_is_efault)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, copy_word);
	void *hole = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(hole != MAP_FAILED);
	vm_map(vcpu->vm, 1, 0, GPA, SIZE, hole);
	set_copy(vcpu, GPA, GUEST_DATA);
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EFAULT);
	/* It can be mended, and the guest goes on. */
	CHECK_OK(mprotect(hole, SIZE, PROT_READ | PROT_WRITE));
	*(uint32_t *)hole = 0x77;
	expect_hlt(vcpu);
	CHECK_EQ(*(uint32_t *)vm_gpa(vcpu->vm, GUEST_DATA), 0x77);
}

/* Code of the guest is in the slot that is taken away. */
KTAP_TEST(code_without_memory_is_an_internal_error)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, copy_word);

	vm_map(vcpu->vm, 1, 0, GPA, SIZE, host_alloc(SIZE, PAGE_SIZE));
	vcpu_set_rip(vcpu, GPA + 4 * SIZE);
	expect_exit(vcpu, VMM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(vcpu->run->internal.suberror, VMM_INTERNAL_ERROR_EMULATION);
}
