// SPDX-License-Identifier: GPL-2.0
/*
 * coalesced_test.c - guest writes that go into the ring and not to the VMM: ports
 * and addresses, a full ring, a ring that user space scribbled over, zones that go.
 */
#include "vmm_test.h"

#define PORT	0x570
#define ADDR	GUEST_MMIO
#define ENTRIES	((PAGE_SIZE - sizeof(struct vmm_coalesced_mmio_ring)) / \
		 sizeof(struct vmm_coalesced_mmio))

static int zone(struct vm *vm, unsigned long nr, uint64_t addr, uint32_t size, uint32_t pio)
{
	struct vmm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	return ioctl(vm->fd, nr, &z);
}
#define ADD	VMM_REGISTER_COALESCED_MMIO
#define REMOVE	VMM_UNREGISTER_COALESCED_MMIO

static struct vmm_coalesced_mmio_ring *ring_of(struct vcpu *vcpu)
{
	int page = vmm_check_extension(VMM_CAP_COALESCED_MMIO);

	CHECK_EQ(page, VMM_COALESCED_MMIO_PAGE_OFFSET);
	return (void *)((uint8_t *)vcpu->run + page * PAGE_SIZE);
}

static void expect_entry(struct vmm_coalesced_mmio_ring *ring, unsigned int i, uint64_t addr,
			 uint32_t len, uint64_t value, uint32_t pio)
{
	struct vmm_coalesced_mmio *e = &ring->coalesced_mmio[i];

	CHECK_EQ(e->phys_addr, addr);
	CHECK_EQ(e->len, len);
	CHECK_EQ(load_le(e->data, len), value);
	CHECK_EQ(e->pio, pio);
}

GUEST64(writes,
	mov $GUEST_MMIO, %ebx; mov $0x1122334455667788, %rax;
	mov %al, (%rbx); mov %ax, 4(%rbx); mov %eax, 8(%rbx); mov %rax, 16(%rbx);
	mov $PORT, %edx; out %al, %dx; out %eax, %dx;
	hlt);

KTAP_TEST(memory_writes_go_into_the_ring)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, writes);
	struct vmm_coalesced_mmio_ring *ring = ring_of(vcpu);

	CHECK_OK(zone(vcpu->vm, ADD, ADDR, 24, 0));
	expect_out(vcpu, PORT, 1, 0x88);
	CHECK_EQ(ring->first, 0);
	CHECK_EQ(ring->last, 4);
	expect_entry(ring, 0, ADDR, 1, 0x88, 0);
	expect_entry(ring, 1, ADDR + 4, 2, 0x7788, 0);
	expect_entry(ring, 2, ADDR + 8, 4, 0x55667788, 0);
	expect_entry(ring, 3, ADDR + 16, 8, 0x1122334455667788, 0);
	expect_out(vcpu, PORT, 4, 0x55667788);
	expect_hlt(vcpu);
}

KTAP_TEST(port_writes_go_into_the_ring)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, writes);
	struct vmm_coalesced_mmio_ring *ring = ring_of(vcpu);

	vmm_need_cap(VMM_CAP_COALESCED_PIO, "COALESCED_PIO");
	CHECK_OK(zone(vcpu->vm, ADD, ADDR, 24, 0));
	CHECK_OK(zone(vcpu->vm, ADD, PORT, 4, 1));
	expect_hlt(vcpu);
	CHECK_EQ(ring->last, 6);
	expect_entry(ring, 4, PORT, 1, 0x88, 1);
	expect_entry(ring, 5, PORT, 4, 0x55667788, 1);
}

/* An access that is partly outside of the zone is not the zone's. */
KTAP_TEST(zone_limits)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, writes);
	struct vmm_coalesced_mmio_ring *ring = ring_of(vcpu);

	CHECK_OK(zone(vcpu->vm, ADD, ADDR + 1, 18, 0));
	expect_mmio_write(vcpu, ADDR, 1, 0x88);
	expect_mmio_write(vcpu, ADDR + 16, 8, 0x1122334455667788);
	CHECK_EQ(ring->last, 2);
	expect_entry(ring, 0, ADDR + 4, 2, 0x7788, 0);
	expect_entry(ring, 1, ADDR + 8, 4, 0x55667788, 0);
}

GUEST64(many,
	mov $GUEST_MMIO, %ebx; xor %eax, %eax;
	1: mov %eax, (%rbx); inc %eax; jmp 1b);

KTAP_TEST(full_ring)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, many);
	struct vmm_coalesced_mmio_ring *ring = ring_of(vcpu);
	unsigned int i;

	CHECK_OK(zone(vcpu->vm, ADD, ADDR, 4, 0));
	/* One place stays empty, or full and empty would look alike. */
	expect_exit(vcpu, VMM_EXIT_MMIO);
	CHECK_EQ(ring->last, load_le(vcpu->run->mmio.data, 4));
	for (i = 0; i < ring->last; i++)
		expect_entry(ring, i, ADDR, 4, i, 0);
	if (!vmm_is_vmm())
		return;		/* KVM's ring is full when half of it is */
	CHECK_EQ(ring->last, ENTRIES - 1);
	/* Two places: one more write, which wraps, and the next. */
	ring->first = 2;
	expect_mmio_write(vcpu, ADDR, 4, ENTRIES + 2);
	expect_entry(ring, ENTRIES - 1, ADDR, 4, ENTRIES, 0);
	expect_entry(ring, 0, ADDR, 4, ENTRIES + 1, 0);
	CHECK_EQ(ring->last, 1);
}

/* The kernel writes nowhere but into the ring. */
KTAP_TEST(scribbled_indices)
{
	static const uint32_t values[] = { ENTRIES, ENTRIES + 1, 0x7fffffff, 0xffffffff, 0x1000 };
	struct vcpu *vcpu = vcpu_start(MODE_LONG, many);
	struct vmm_coalesced_mmio_ring *ring = ring_of(vcpu);
	unsigned int i;

	CHECK_OK(zone(vcpu->vm, ADD, ADDR, 4, 0));
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		ring->last = values[i];
		ring->first = values[i];
		expect_exit(vcpu, VMM_EXIT_MMIO);
		/* KVM would overwrite the ring for ever. */
		if (!vmm_is_vmm())
			continue;
		ring->last = 0;
		ring->first = values[i];
		expect_exit(vcpu, VMM_EXIT_MMIO);
	}
}

KTAP_TEST(one_ring_for_all_vcpus)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, writes);
	struct vcpu *other = vcpu_create(vcpu->vm, 1);

	CHECK_OK(zone(vcpu->vm, ADD, ADDR, 24, 0));
	expect_out(vcpu, PORT, 1, 0x88);
	CHECK_EQ(ring_of(other)->last, 4);
	expect_entry(ring_of(other), 0, ADDR, 1, 0x88, 0);
}

KTAP_TEST(unregister)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, writes);
	struct vm *vm = vcpu->vm;

	CHECK_OK(zone(vm, ADD, ADDR, 24, 0));
	/* Not this zone, or not all of it inside: it stays. */
	CHECK_OK(zone(vm, REMOVE, ADDR, 24, 1));
	CHECK_OK(zone(vm, REMOVE, ADDR, 25, 0));
	CHECK_OK(zone(vm, REMOVE, ADDR - 1, 4, 0));
	CHECK_OK(zone(vm, REMOVE, ADDR + 24, 1, 0));
	expect_out(vcpu, PORT, 1, 0x88);
	vcpu_load(vcpu, MODE_LONG, writes);
	CHECK_OK(zone(vm, REMOVE, ADDR + 4, 4, 0));
	expect_mmio_write(vcpu, ADDR, 1, 0x88);
	/* There is nothing left to remove. */
	CHECK_OK(zone(vm, REMOVE, ADDR, 24, 0));
}

KTAP_TEST(errors)
{
	struct vm *vm = vm_create_size(0);

	CHECK_ERR(zone(vm, ADD, ADDR, 4, 2), EINVAL);
	CHECK_ERR(zone(vm, REMOVE, ADDR, 4, 2), EINVAL);
	CHECK_ERR(ioctl(vm->fd, ADD, NULL), EFAULT);
	CHECK_ERR(ioctl(vm->fd, REMOVE, NULL), EFAULT);
	if (!vmm_is_vmm())
		return;		/* KVM takes a zone that no access can be in */
	CHECK_ERR(zone(vm, ADD, ADDR, 0, 0), EINVAL);
	CHECK_ERR(zone(vm, ADD, -4ULL, 8, 0), EINVAL);
}
