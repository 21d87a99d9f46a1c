// SPDX-License-Identifier: GPL-2.0
/*
 * tutorial4.c - Documentation/tutorial.rst, step 4: a guest in 64-bit mode that
 * sleeps and is woken by a timer's interrupts.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vmm.h>

#define MEMORY	(2UL << 20)
#define PML4	0x1000			/* page tables, one page each */
#define PDPT	0x2000
#define PD	0x3000
#define IDT	0x4000
#define GDT	0x5000
#define CODE	0x10000
#define STACK	0x20000
#define VECTOR	0x20			/* the timer's */

/* [guest] Takes ten interrupts, sleeping in between, and ends the VM through port 0xf4. */
extern const uint8_t guest[], handler[], guest_end[];
asm(".pushsection .rodata\n"
    "guest:	xor %ecx, %ecx\n"
    "1:	sti; hlt; cli\n"
    "	cmp $10, %ecx; jb 1b\n"
    "	mov %ecx, %eax; out %al, $0xf4\n"
    "handler:	inc %ecx\n"
    "	iretq\n"
    "guest_end:\n.popsection");

static int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

/* [tables] The first 2 MiB, one to one; the segments; the gate of one vector. */
static void write_tables(uint8_t *memory)
{
	uint64_t handler_at = CODE + (handler - guest);
	uint16_t *gate = (uint16_t *)(memory + IDT + VECTOR * 16);
	uint64_t *gdt = (uint64_t *)(memory + GDT);

	*(uint64_t *)(memory + PML4) = PDPT | 3;	/* present, writable */
	*(uint64_t *)(memory + PDPT) = PD | 3;
	*(uint64_t *)(memory + PD) = 0x83;		/* a page of 2 MiB */
	gdt[1] = 0x00af9b000000ffff;			/* selector 8: 64-bit code */
	gdt[2] = 0x00cf93000000ffff;			/* selector 16: data */
	gate[0] = handler_at;
	gate[1] = 8;					/* code segment's selector */
	gate[2] = 0x8e00;				/* a present interrupt gate */
	gate[3] = handler_at >> 16;
}

/* [mode] What a boot loader would do step by step: paging, PAE, long mode, segments. */
static void set_long_mode(int vcpu)
{
	struct vmm_segment code = {
		.selector = 8, .limit = 0xffffffff, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct vmm_segment data = {
		.selector = 16, .limit = 0xffffffff, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct vmm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct vmm_sregs sregs;

	check(ioctl(vcpu, VMM_GET_SREGS, &sregs), "VMM_GET_SREGS");
	sregs.cr3 = PML4;
	sregs.cr4 = 1 << 5;				/* PAE */
	sregs.efer = 1 << 8 | 1 << 10;			/* LME, LMA */
	sregs.cr0 = 1U << 31 | 1;			/* PG, PE */
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt = (struct vmm_dtable){ .base = GDT, .limit = 3 * 8 - 1 };
	sregs.idt = (struct vmm_dtable){ .base = IDT, .limit = 256 * 16 - 1 };
	check(ioctl(vcpu, VMM_SET_SREGS, &sregs), "VMM_SET_SREGS");
	check(ioctl(vcpu, VMM_SET_REGS, &regs), "VMM_SET_REGS");
}

/* [cpuid] The guest sees the CPU as the host offers it. */
static void set_cpuid(int dev, int vcpu)
{
	static struct {
		struct vmm_cpuid2 head;
		struct vmm_cpuid_entry2 entry[256];
	} cpuid = { .head.nent = 256 };

	check(ioctl(dev, VMM_GET_SUPPORTED_CPUID, &cpuid), "VMM_GET_SUPPORTED_CPUID");
	check(ioctl(vcpu, VMM_SET_CPUID2, &cpuid), "VMM_SET_CPUID2");
}

/* [run] HLT is the time to wait, and then to interrupt. */
static int run_guest(int vcpu, struct vmm_run *run)
{
	struct vmm_interrupt irq = { .irq = VECTOR };

	for (;;) {
		check(ioctl(vcpu, VMM_RUN, 0), "VMM_RUN");
		switch (run->exit_reason) {
		case VMM_EXIT_HLT:
			if (!run->ready_for_interrupt_injection)
				errx(1, "the guest halted for good");
			usleep(10000);
			check(ioctl(vcpu, VMM_INTERRUPT, &irq), "VMM_INTERRUPT");
			break;
		case VMM_EXIT_IO:
			if (run->io.port == 0xf4)
				return *((uint8_t *)run + run->io.data_offset);
			break;
		case VMM_EXIT_FAIL_ENTRY:
			errx(1, "the CPU refused the guest: %s", run->fail_entry.explain);
		default:
			errx(1, "unexpected exit %u", run->exit_reason);
		}
	}
}

/* [end] */
int main(int argc, char **argv)
{
	int dev = check(open(argc > 1 ? argv[1] : "/dev/vmm", O_RDWR | O_CLOEXEC), "open");
	int vm = check(ioctl(dev, VMM_CREATE_VM, 0), "VMM_CREATE_VM");
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vmm_userspace_memory_region region = {
		.memory_size = MEMORY, .userspace_addr = (uintptr_t)memory,
	};
	int vcpu, ticks;
	size_t size;

	check(ioctl(vm, VMM_SET_USER_MEMORY_REGION, &region), "VMM_SET_USER_MEMORY_REGION");
	memcpy(memory + CODE, guest, guest_end - guest);
	write_tables(memory);
	vcpu = check(ioctl(vm, VMM_CREATE_VCPU, 0), "VMM_CREATE_VCPU");
	size = check(ioctl(dev, VMM_GET_VCPU_MMAP_SIZE, 0), "VMM_GET_VCPU_MMAP_SIZE");
	set_cpuid(dev, vcpu);
	set_long_mode(vcpu);
	ticks = run_guest(vcpu, mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0));
	printf("the guest took %d timer interrupts\n", ticks);
	return ticks == 10 ? 0 : 1;
}
