// SPDX-License-Identifier: GPL-2.0
/* pio_test.c - port I/O: each width and form, strings with and without REP. */
#include "vmm_test.h"

#define PORT 0x3f8

/* Gives the guest's IN its data; the next run completes it. */
static void answer_in_(struct vcpu *vcpu, int size, uint32_t count, const void *data,
		       const char *file, int line)
{
	struct vmm_run *run = vcpu->run;

	expect_exit_(vcpu, VMM_EXIT_IO, file, line);
	if (run->io.direction != VMM_EXIT_IO_IN || run->io.port != PORT ||
	    run->io.size != size || run->io.count != count)
		ktap_fail(file, line, "not an IN of %u * %d bytes", count, size);
	memcpy(run_io_data(run), data, size * count);
}
#define answer_in(vcpu, size, count, data) \
	answer_in_(vcpu, size, count, data, __FILE__, __LINE__)

/* Checks one exit of an OUTS; returns how many items it carried. */
static uint32_t take_outs(struct vcpu *vcpu, int size, const uint8_t *expected)
{
	struct vmm_run *run = vcpu->run;

	expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(run->io.direction, VMM_EXIT_IO_OUT);
	CHECK_EQ(run->io.port, PORT);
	CHECK_EQ(run->io.size, size);
	CHECK(run->io.count >= 1);
	CHECK(!memcmp(run_io_data(run), expected, size * run->io.count));
	return run->io.count;
}

GUEST64(out_dx,
	mov $PORT, %edx;
	mov $0x11223344, %eax;
	out %al, %dx;
	out %ax, %dx;
	out %eax, %dx;
	hlt);

KTAP_TEST(out_to_dx)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, out_dx);

	expect_out(vcpu, PORT, 1, 0x44);
	expect_out(vcpu, PORT, 2, 0x3344);
	expect_out(vcpu, PORT, 4, 0x11223344);
	expect_hlt(vcpu);
	CHECK_EQ(vcpu_rip(vcpu), GUEST_CODE + (out_dx_end - out_dx));
}

GUEST64(out_imm,
	mov $0x55667788, %eax;
	out %al, $0xe0;
	out %ax, $0xe0;
	out %eax, $0xe0;
	hlt);

KTAP_TEST(out_to_immediate)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, out_imm);

	expect_out(vcpu, 0xe0, 1, 0x88);
	expect_out(vcpu, 0xe0, 2, 0x7788);
	expect_out(vcpu, 0xe0, 4, 0x55667788);
	expect_hlt(vcpu);
}

/* IN writes as much of RAX as any other instruction of that width does. */
GUEST64(in_dx,
	mov $PORT, %edx;
	mov $-1, %rax;
	in %dx, %al; mov %rax, %r8;
	mov $-1, %rax;
	in %dx, %ax; mov %rax, %r9;
	mov $-1, %rax;
	in %dx, %eax; mov %rax, %r10;
	hlt);

KTAP_TEST(in_from_dx)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, in_dx);
	struct vmm_regs regs;

	answer_in(vcpu, 1, 1, "\x12");
	answer_in(vcpu, 2, 1, "\x34\x12");
	answer_in(vcpu, 4, 1, "\x78\x56\x34\x92");
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.r8, 0xffffffffffffff12);
	CHECK_EQ(regs.r9, 0xffffffffffff1234);
	CHECK_EQ(regs.r10, 0x92345678);
}

GUEST64(in_imm,
	xor %eax, %eax;
	in $0xe0, %al; mov %eax, %r8d;
	in $0xe0, %ax; mov %eax, %r9d;
	in $0xe0, %eax; mov %eax, %r10d;
	hlt);

KTAP_TEST(in_from_immediate)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, in_imm);
	struct vmm_regs regs;
	int size;

	for (size = 1; size <= 4; size *= 2) {
		uint32_t value = 0x0a0b0c0d;

		expect_exit(vcpu, VMM_EXIT_IO);
		CHECK_EQ(vcpu->run->io.port, 0xe0);
		CHECK_EQ(vcpu->run->io.direction, VMM_EXIT_IO_IN);
		CHECK_EQ(vcpu->run->io.size, size);
		memcpy(run_io_data(vcpu->run), &value, size);
	}
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.r8, 0x0d);
	CHECK_EQ(regs.r9, 0x0c0d);
	CHECK_EQ(regs.r10, 0x0a0b0c0d);
}

/*
 * RIP at the exit is the client's business only after the instruction is done:
 * an OUT is, whenever user space looks.
 */
KTAP_TEST(registers_at_an_exit)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, out_dx);
	struct vmm_regs regs;

	expect_out(vcpu, PORT, 1, 0x44);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0x11223344);
	CHECK_EQ(regs.rdx, PORT);
}

/* With immediate_exit the pending instruction is completed and no more. */
KTAP_TEST(immediate_exit_completes_the_instruction)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, in_dx);
	struct vmm_regs regs;

	answer_in(vcpu, 1, 1, "\x42");
	vcpu->run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu->fd, VMM_RUN, 0), EINTR);
	/* The exit is still there to be looked at. */
	CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.port, PORT);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0xffffffffffffff42);
	/* mov $PORT, %edx is 5 bytes, mov $-1, %rax 7, IN 1. */
	CHECK_EQ(regs.rip, GUEST_CODE + 5 + 7 + 1);
	vcpu->run->immediate_exit = 0;
	answer_in(vcpu, 2, 1, "\x34\x12");
}

GUEST64(outs,
	mov $PORT, %edx;
	mov $GUEST_DATA, %esi;
	outsb;
	outsw;
	outsl;
	hlt);

KTAP_TEST(outs_once)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, outs);
	struct vmm_regs regs;

	memcpy(vm_gpa(vcpu->vm, GUEST_DATA), "ABCDEFGH", 8);
	expect_out(vcpu, PORT, 1, 'A');
	expect_out(vcpu, PORT, 2, 'C' << 8 | 'B');
	expect_out(vcpu, PORT, 4, 0x47464544);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi, GUEST_DATA + 7);
}

GUEST64(ins,
	mov $PORT, %edx;
	mov $GUEST_DATA, %edi;
	insb;
	insw;
	insl;
	hlt);

KTAP_TEST(ins_once)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, ins);
	struct vmm_regs regs;

	answer_in(vcpu, 1, 1, "a");
	answer_in(vcpu, 2, 1, "bc");
	answer_in(vcpu, 4, 1, "defg");
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rdi, GUEST_DATA + 7);
	CHECK(!memcmp(vm_gpa(vcpu->vm, GUEST_DATA), "abcdefg\0", 8));
}

/* RCX items at once: in as many exits as the kernel likes, in this order. */
GUEST64(rep_outs_b, mov $PORT, %edx; mov $GUEST_DATA, %esi; mov $5000, %ecx;
	rep outsb; hlt);
GUEST64(rep_outs_w, mov $PORT, %edx; mov $GUEST_DATA, %esi; mov $5000, %ecx;
	rep outsw; hlt);
GUEST64(rep_outs_l, mov $PORT, %edx; mov $GUEST_DATA, %esi; mov $5000, %ecx;
	rep outsl; hlt);

static void test_rep_outs(struct vcpu *vcpu, int size)
{
	uint8_t *data = vm_gpa(vcpu->vm, GUEST_DATA);
	struct vmm_regs regs;
	uint32_t done, i;

	for (i = 0; i < 5000U * size; i++)
		data[i] = i * 7 + (i >> 8);
	for (done = 0; done < 5000;)
		done += take_outs(vcpu, size, data + done * size);
	CHECK_EQ(done, 5000);
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx, 0);
	CHECK_EQ(regs.rsi, GUEST_DATA + 5000U * size);
}

KTAP_TEST(rep_outsb)
{
	test_rep_outs(vcpu_start(MODE_LONG, rep_outs_b), 1);
}

KTAP_TEST(rep_outsw)
{
	test_rep_outs(vcpu_start(MODE_LONG, rep_outs_w), 2);
}

KTAP_TEST(rep_outsl)
{
	test_rep_outs(vcpu_start(MODE_LONG, rep_outs_l), 4);
}

GUEST64(rep_ins_b, mov $PORT, %edx; mov $GUEST_DATA, %edi; mov $5000, %ecx;
	rep insb; hlt);
GUEST64(rep_ins_w, mov $PORT, %edx; mov $GUEST_DATA, %edi; mov $5000, %ecx;
	rep insw; hlt);
GUEST64(rep_ins_l, mov $PORT, %edx; mov $GUEST_DATA, %edi; mov $5000, %ecx;
	rep insl; hlt);

static void test_rep_ins(struct vcpu *vcpu, int size)
{
	struct vmm_run *run = vcpu->run;
	struct vmm_regs regs;
	uint8_t sent[5000 * 4];
	uint32_t done = 0, i;

	for (i = 0; i < sizeof(sent); i++)
		sent[i] = i * 11 + (i >> 8) + 1;
	while (done < 5000) {
		expect_exit(vcpu, VMM_EXIT_IO);
		CHECK_EQ(run->io.direction, VMM_EXIT_IO_IN);
		CHECK_EQ(run->io.size, size);
		CHECK(run->io.count >= 1 && run->io.count <= 5000 - done);
		memcpy(run_io_data(run), sent + done * size, run->io.count * size);
		done += run->io.count;
	}
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx, 0);
	CHECK_EQ(regs.rdi, GUEST_DATA + 5000U * size);
	CHECK(!memcmp(vm_gpa(vcpu->vm, GUEST_DATA), sent, 5000 * size));
	CHECK_EQ(*(uint8_t *)vm_gpa(vcpu->vm, GUEST_DATA + 5000 * size), 0);
}

KTAP_TEST(rep_insb)
{
	test_rep_ins(vcpu_start(MODE_LONG, rep_ins_b), 1);
}

KTAP_TEST(rep_insw)
{
	test_rep_ins(vcpu_start(MODE_LONG, rep_ins_w), 2);
}

KTAP_TEST(rep_insl)
{
	test_rep_ins(vcpu_start(MODE_LONG, rep_ins_l), 4);
}

static bool run_to_io(struct vcpu *vcpu)
{
	vcpu_run(vcpu);
	return vcpu->run->exit_reason == VMM_EXIT_IO;
}

/* A page of bytes is no page of exits; the boundary of a page costs one more. */
static int count_exits(struct vcpu *vcpu)
{
	int exits;

	for (exits = 0; run_to_io(vcpu); exits++)
		memset(run_io_data(vcpu->run), 0x5a, vcpu->run->io.count * vcpu->run->io.size);
	CHECK_EQ(vcpu->run->exit_reason, VMM_EXIT_HLT);
	return exits;
}

GUEST64(rep_outs_page, mov $PORT, %edx; mov $GUEST_DATA, %esi; mov $4096, %ecx;
	rep outsb; hlt);
GUEST64(rep_ins_page, mov $PORT, %edx; mov $GUEST_DATA, %edi; mov $4096, %ecx;
	rep insb; hlt);
GUEST64(rep_ins_sector, mov $PORT, %edx; mov $(GUEST_DATA + 4096 - 256), %edi; mov $256, %ecx;
	rep insw; hlt);

KTAP_TEST(strings_are_batched)
{
	uint8_t *data;
	struct vcpu *vcpu;
	int i;

	CHECK(count_exits(vcpu_start(MODE_LONG, rep_outs_page)) <= 16);
	vcpu = vcpu_start(MODE_LONG, rep_ins_page);
	data = vm_gpa(vcpu->vm, GUEST_DATA);
	CHECK(count_exits(vcpu) <= 16);
	for (i = 0; i < 4096; i++)
		CHECK_EQ(data[i], 0x5a);
	CHECK_EQ(data[4096], 0);
	CHECK(count_exits(vcpu_start(MODE_LONG, rep_ins_sector)) <= 2);
}

/*
 * User space changes the count while it answers. That is its own affair, but
 * the guest gets neither more than RCX says nor what nobody has answered.
 */
static void test_changed_count(uint64_t rcx, int offset)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rep_ins_page);
	struct vmm_run *run = vcpu->run;
	uint8_t *data = vm_gpa(vcpu->vm, GUEST_DATA);
	struct vmm_regs regs;
	unsigned int i;

	expect_exit(vcpu, VMM_EXIT_IO);
	CHECK(run->io.count > 1);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx, 4096);
	regs.rcx = rcx;
	regs.rdi += offset;
	vcpu_set_regs(vcpu, &regs);
	memset(run_io_data(run), 0x11, run->io.count);
	while (run_to_io(vcpu)) {
		vcpu_get_regs(vcpu, &regs);
		CHECK(run->io.count <= regs.rcx);
		memset(run_io_data(run), 0x22, run->io.count);
	}
	CHECK_EQ(run->exit_reason, VMM_EXIT_HLT);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx, 0);
	CHECK_EQ(regs.rdi, GUEST_DATA + offset + rcx);
	for (i = 0; i < rcx; i++)
		if (data[offset + i] != 0x11 && data[offset + i] != 0x22)
			FAIL("byte %u is %#x", i, data[offset + i]);
	CHECK_EQ(data[offset + rcx], 0);
}

KTAP_TEST(count_changed_during_ins)
{
	test_changed_count(0, 0);
	test_changed_count(1, 0);
	test_changed_count(100, 0);
	test_changed_count(4096, 4096 - 3);	/* less in this page than was asked for */
	test_changed_count(8192, 0);
	test_changed_count(8191, 1);
}

/* A count of 0 does nothing at all. */
GUEST64(rep_zero,
	mov $PORT, %edx; mov $GUEST_DATA, %esi; mov $GUEST_DATA, %edi; xor %ecx, %ecx;
	rep outsb; rep insb; rep outsl; rep insl;
	hlt);

KTAP_TEST(rep_with_count_0)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rep_zero);
	struct vmm_regs regs;

	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi, GUEST_DATA);
	CHECK_EQ(regs.rdi, GUEST_DATA);
}

/* With DF set the string runs down. */
GUEST64(rep_down,
	mov $PORT, %edx; mov $(GUEST_DATA + 12), %esi; mov $4, %ecx;
	std; rep outsl; cld;
	mov $(GUEST_DATA + 0x106), %edi; mov $4, %ecx;
	std; rep insw; cld;
	hlt);

KTAP_TEST(rep_down_with_df)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rep_down);
	uint32_t *data = vm_gpa(vcpu->vm, GUEST_DATA);
	uint16_t *in = vm_gpa(vcpu->vm, GUEST_DATA + 0x100);
	uint32_t reversed[4] = { 0x44, 0x33, 0x22, 0x11 };
	uint16_t sent[4] = { 0xa1, 0xa2, 0xa3, 0xa4 };
	struct vmm_run *run = vcpu->run;
	struct vmm_regs regs;
	uint32_t done;

	data[0] = 0x11; data[1] = 0x22; data[2] = 0x33; data[3] = 0x44;
	for (done = 0; done < 4;)
		done += take_outs(vcpu, 4, (uint8_t *)(reversed + done));
	for (done = 0; done < 4; done += run->io.count) {
		expect_exit(vcpu, VMM_EXIT_IO);
		CHECK_EQ(run->io.direction, VMM_EXIT_IO_IN);
		memcpy(run_io_data(run), sent + done, run->io.count * 2);
	}
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi, GUEST_DATA - 4);
	CHECK_EQ(regs.rdi, GUEST_DATA + 0x100 - 2);
	CHECK_EQ(in[3], 0xa1);
	CHECK_EQ(in[0], 0xa4);
}

/* A string that begins with a fault: RCX and RSI tell how far it came. */
GUEST64(rep_fault,
	mov $PORT, %edx; mov $(0x600000 - 8), %esi; mov $16, %ecx;
	rep outsb;
	hlt);

KTAP_TEST(rep_outs_stops_at_a_page_fault)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, rep_fault);
	struct guest_fault *fault;
	struct vmm_regs regs;
	uint32_t done;
	uint8_t expected[8] = "8 bytes!";

	/* 4 MiB shows the data page by page; what follows it is not present. */
	vm_map_4k(vcpu->vm, 0x400000, GUEST_DATA);
	*vm_pte_4k(vcpu->vm, 0x400000) = 0;
	((uint64_t *)vm_gpa(vcpu->vm, GUEST_PD))[3] = 0;
	*vm_pte_4k(vcpu->vm, 0x600000 - PAGE_SIZE) = GUEST_DATA | 7;
	memcpy(vm_gpa(vcpu->vm, GUEST_DATA + PAGE_SIZE - 8), expected, 8);
	for (done = 0; done < 8;)
		done += take_outs(vcpu, 1, expected + done);
	fault = expect_fault(vcpu, VMM_PF_VECTOR);
	CHECK_EQ(fault->cr2, 0x600000);
	CHECK_EQ(fault->error, 0);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rcx, 8);
	CHECK_EQ(regs.rsi, 0x600000);
}

/* Real mode: 16-bit addresses, which wrap at the segment's end or not at all. */
GUEST16(rep_real,
	mov $0x4000, %ax; mov %ax, %ds; mov %ax, %es;
	mov $PORT, %dx; xor %si, %si; mov $0x20, %di; mov $6, %cx;
	rep outsb;
	mov $3, %cx;
	rep insw;
	hlt);

KTAP_TEST(strings_in_real_mode)
{
	struct vcpu *vcpu = vcpu_start(MODE_REAL, rep_real);
	uint16_t sent[3] = { 0x1234, 0x5678, 0x9abc };
	struct vmm_run *run = vcpu->run;
	struct vmm_regs regs;
	uint32_t done;

	memcpy(vm_gpa(vcpu->vm, 0x40000), "string", 6);
	for (done = 0; done < 6;)
		done += take_outs(vcpu, 1, (const uint8_t *)"string" + done);
	for (done = 0; done < 3; done += run->io.count) {
		expect_exit(vcpu, VMM_EXIT_IO);
		CHECK_EQ(run->io.direction, VMM_EXIT_IO_IN);
		CHECK_EQ(run->io.size, 2);
		memcpy(run_io_data(run), sent + done, run->io.count * 2);
	}
	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi & 0xffff, 6);
	CHECK_EQ(regs.rdi & 0xffff, 0x26);
	CHECK(!memcmp(vm_gpa(vcpu->vm, 0x40020), sent, 6));
}

/*
 * User mode may use a port if the TSS's bitmap says so; else #GP. The guest
 * loads the task register itself: TCG takes no bitmap from a TSS that is marked
 * busy, which is how VMM_SET_SREGS has to set it.
 */
GUEST64(to_user_io,
	mov $SEL_TSS, %eax; ltr %ax;
	pushq $SEL_USER_DATA; pushq $(GUEST_DATA + 0x1000);
	pushq $2; pushq $SEL_USER_CODE64; pushq $(GUEST_CODE + 0x100);
	iretq);
GUEST64(user_io,
	mov $PORT, %edx; mov $1, %eax; out %al, %dx; hlt);

#define TSS_IO_BASE	0x68
#define TSS_LIMIT	(TSS_IO_BASE + 0x80)	/* ports up to 0x3ff */

static struct vcpu *start_user_io(uint16_t tss_limit)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, to_user_io);
	uint64_t *gdt = vm_gpa(vcpu->vm, GUEST_GDT);

	memcpy(vm_gpa(vcpu->vm, GUEST_CODE + 0x100), user_io, user_io_end - user_io);
	/* An available 64-bit TSS. */
	gdt[SEL_TSS / 8] = 0x0000890000000000 | (uint64_t)GUEST_TSS << 16 | tss_limit;
	*(uint16_t *)vm_gpa(vcpu->vm, GUEST_TSS + 0x66) = TSS_IO_BASE;
	*(uint8_t *)vm_gpa(vcpu->vm, GUEST_TSS + TSS_LIMIT) = 0xff;
	return vcpu;
}

KTAP_TEST(port_without_permission)
{
	struct vcpu *vcpu = start_user_io(TSS_IO_BASE - 1);

	CHECK_EQ(expect_fault(vcpu, VMM_GP_VECTOR)->error, 0);
}

KTAP_TEST(port_that_the_bitmap_denies)
{
	struct vcpu *vcpu = start_user_io(TSS_LIMIT);

	*(uint8_t *)vm_gpa(vcpu->vm, GUEST_TSS + TSS_IO_BASE + PORT / 8) = 1 << PORT % 8;
	CHECK_EQ(expect_fault(vcpu, VMM_GP_VECTOR)->error, 0);
}

KTAP_TEST(port_that_the_bitmap_allows)
{
	struct vcpu *vcpu = start_user_io(TSS_LIMIT);

	expect_out(vcpu, PORT, 1, 1);
	expect_fault(vcpu, VMM_GP_VECTOR);	/* the HLT */
}

/* Writes to two ports one after the other arrive in order, one exit each. */
GUEST64(many_outs,
	mov $1000, %ecx; mov $PORT, %edx;
	1: mov %ecx, %eax; out %eax, %dx; loop 1b;
	hlt);

KTAP_TEST(a_thousand_outs)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, many_outs);
	int i;

	for (i = 1000; i > 0; i--)
		expect_out(vcpu, PORT, 4, i);
	expect_hlt(vcpu);
}
