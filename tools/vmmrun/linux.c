// SPDX-License-Identifier: GPL-2.0
/*
 * linux.c - puts a Linux kernel into the guest's memory and says in which state a CPU
 * starts it. Teaches what a boot loader does: this is the 32-bit boot protocol of the
 * kernel's Documentation/x86/boot.rst, with nothing left out.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vmmrun.h"

#define SECTOR		512
#define HEADER_MAGIC	0x53726448	/* "HdrS" */
#define OLDEST_PROTOCOL	0x20a		/* 2.6.31: the header has init_size */
#define PAGE_SIZE	4096

/* The header is in the image where it is in struct boot_params. */
#define HEADER_AT	offsetof(struct boot_params, hdr)

static uint64_t kernel_end;		/* of what it covers once it has unpacked itself */

static int open_image(const char *path, uint64_t *size)
{
	struct stat stat;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &stat))
		die("check the path, and that you may read the file", "%s cannot be read", path);
	*size = stat.st_size;
	return fd;
}

static void read_at(int fd, const char *path, uint64_t offset, void *into, uint64_t count)
{
	while (count) {
		ssize_t got = pread(fd, into, count, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (!got)
			errno = 0;
		if (got <= 0)
			die("is the file complete?", "%s cannot be read", path);
		into = (uint8_t *)into + got;
		offset += got;
		count -= got;
	}
}

/* The first sectors are code for BIOSes and the header; what follows is the kernel. */
static void load_kernel(const char *path, struct setup_header *hdr)
{
	static const char advice[] = "give a bzImage, as in /boot/vmlinuz-*; not a vmlinux";
	uint64_t size, setup;
	int fd = open_image(path, &size);

	errno = 0;
	if (size < HEADER_AT + sizeof(*hdr))
		die(advice, "%s is too short for a Linux kernel", path);
	read_at(fd, path, HEADER_AT, hdr, sizeof(*hdr));
	errno = 0;
	if (hdr->boot_flag != 0xaa55 || hdr->header != HEADER_MAGIC)
		die(advice, "%s is no Linux kernel", path);
	if (hdr->version < OLDEST_PROTOCOL || !(hdr->loadflags & LOADED_HIGH))
		die("take a bzImage of Linux 2.6.31 or newer",
		    "%s speaks boot protocol %#x", path, hdr->version);
	setup = ((hdr->setup_sects ?: 4) + 1) * SECTOR;
	if (size <= setup)
		die("is the file complete?", "%s ends before its kernel begins", path);
	/* It unpacks itself to where it wants to be, which takes init_size bytes from there. */
	kernel_end = KERNEL_ADDR + (size - setup);
	if (hdr->pref_address < HIGH_RAM && hdr->pref_address + hdr->init_size > kernel_end)
		kernel_end = hdr->pref_address + hdr->init_size;
	if (hdr->pref_address >= HIGH_RAM || kernel_end > vm.low)
		die("give the guest more with --mem", "%s does not fit into %llu MiB", path,
		    (unsigned long long)vm.low >> 20);
	read_at(fd, path, setup, vm.ram + KERNEL_ADDR, size - setup);
	close(fd);
}

/* As high as the kernel can reach, which keeps it out of the way of what is unpacked. */
static void load_initrd(const char *path, struct setup_header *hdr)
{
	uint64_t size, at, end = vm.low;
	int fd = open_image(path, &size);

	if (end > hdr->initrd_addr_max)
		end = hdr->initrd_addr_max;
	errno = 0;
	if (end < kernel_end || size > end - kernel_end)
		die("give the guest more with --mem", "%s does not fit in behind the kernel", path);
	at = (end - size) & ~(PAGE_SIZE - 1ull);
	read_at(fd, path, 0, vm.ram + at, size);
	hdr->ramdisk_image = at;
	hdr->ramdisk_size = size;
	close(fd);
}

static void add_e820(struct boot_params *params, uint64_t from, uint64_t to, uint32_t type)
{
	params->e820_table[params->e820_entries++] =
		(struct boot_e820_entry){ .addr = from, .size = to - from, .type = type };
}

void linux_load(const char *kernel, const char *initrd, const char *cmdline)
{
	struct boot_params *params = guest_range(BOOT_PARAMS_ADDR, sizeof(*params));
	static const uint64_t gdt[] = { 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };

	load_kernel(kernel, &params->hdr);
	if (initrd)
		load_initrd(initrd, &params->hdr);

	errno = 0;
	if (strlen(cmdline) > params->hdr.cmdline_size)
		die("shorten --append", "the kernel takes a command line of at most %u bytes",
		    params->hdr.cmdline_size);
	strcpy((char *)vm.ram + CMDLINE_ADDR, cmdline);
	params->hdr.cmd_line_ptr = CMDLINE_ADDR;
	params->hdr.type_of_loader = 0xff;	/* one that has no number */
	params->hdr.vid_mode = 0xffff;		/* text, as it is */
	params->acpi_rsdp_addr = acpi_write_tables();

	add_e820(params, 0, EBDA_ADDR, 1);	/* 1: RAM, 2: reserved */
	add_e820(params, EBDA_ADDR, KERNEL_ADDR, 2);
	add_e820(params, KERNEL_ADDR, vm.low, 1);
	if (vm.high)
		add_e820(params, HIGH_RAM, HIGH_RAM + vm.high, 1);

	memcpy(vm.ram + GDT_ADDR, gdt, sizeof(gdt));
}

/* Protected mode with flat segments, no paging, interrupts off; RSI has the parameters. */
void linux_entry(struct vmm_regs *regs, struct vmm_sregs *sregs)
{
	struct vmm_segment code = {
		.selector = 0x10, .limit = 0xffffffff, .type = 0xb, .present = 1,
		.s = 1, .db = 1, .g = 1,
	};
	struct vmm_segment data = code;

	data.selector = 0x18;
	data.type = 3;
	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->gdt.base = GDT_ADDR;
	sregs->gdt.limit = 4 * 8 - 1;
	sregs->cr0 = 0x11;			/* PE, ET: caches on */
	*regs = (struct vmm_regs){ .rip = KERNEL_ADDR, .rsi = BOOT_PARAMS_ADDR, .rflags = 2 };
}
