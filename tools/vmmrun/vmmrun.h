/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmmrun.h - what the files of vmmrun share: the guest's address space, and each
 * file's functions. A process runs one VM, so there is one struct vm.
 */
#ifndef VMMRUN_H
#define VMMRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/vmm.h>

/* Guest physical addresses. RAM is at 0 to LOW_RAM_END at most, the rest from HIGH_RAM on. */
#define GDT_ADDR	0x500
#define BOOT_PARAMS_ADDR 0x10000
#define CMDLINE_ADDR	0x20000
#define EBDA_ADDR	0x9fc00		/* from here to KERNEL_ADDR is the firmware's */
#define ACPI_ADDR	0xe0000
#define KERNEL_ADDR	0x100000
#define LOW_RAM_END	0xc0000000u
#define DISKS_ADDR	0xd0000000u	/* registers, a page a disk */
#define IOAPIC_ADDR	0xfec00000u
#define LAPIC_ADDR	0xfee00000u
#define HIGH_RAM	0x100000000ull

/* Ports */
#define RESET_PORT	0x64		/* the keyboard controller's, which wires to RESET */
#define RESET_VALUE	0xfe
#define SERIAL_PORT	0x3f8
#define PM1_PORT	0x600		/* ACPI's power management */

/* Global system interrupts: 0 to 23 are the I/O APIC's pins */
#define SERIAL_GSI	4
#define SCI_GSI		9
#define DISK_GSI(n)	(16 + (n))

#define MAX_CPUS	254		/* as many as have a local APIC ID of 8 bits */
#define MAX_DISKS	8		/* up to the I/O APIC's last pin */

/* vmmrun's exit status: why the guest ended */
enum status {
	STATUS_POWER_OFF = 0,
	STATUS_CANNOT = 1,		/* vmmrun cannot do what it was asked to */
	STATUS_USAGE = 2,
	STATUS_RESET = 3,		/* reboot, or a panic with panic=N */
	STATUS_CRASH = 4,		/* triple fault, or an exit that nobody can handle */
	STATUS_STOPPED = 5,		/* from outside: Ctrl-A x, or a signal */
};

struct vm {
	int dev, fd;			/* /dev/vmm, the VM */
	unsigned int cpus, disks;
	uint8_t *ram;			/* all of it, low and high in one mapping */
	uint64_t low, high;		/* bytes below 4 GiB, and above */
};

extern struct vm vm;

/* vm.c */
void __attribute__((noreturn, format(printf, 2, 3)))
die(const char *advice, const char *what, ...);
int check(int result, const char *what);
void vm_open(const char *device);
void vm_create(uint64_t memory);
void *guest_range(uint64_t gpa, uint64_t len);
void vm_set_irq(unsigned int gsi, bool level);
void vm_connect_irq(int eventfd, unsigned int gsi);
void vm_connect_write(int eventfd, uint64_t gpa, uint32_t value);

/* linux.c */
void linux_load(const char *kernel, const char *initrd, const char *cmdline);
void linux_entry(struct vmm_regs *regs, struct vmm_sregs *sregs);

/* acpi.c */
uint64_t acpi_write_tables(void);
void pm1_access(unsigned int reg, uint8_t *data, unsigned int size, bool write);

/* vcpu.c */
void vcpus_create(void);
void vcpus_start(void);
void vcpus_stop(void);
void vcpus_stats(void);
void vm_end(enum status status);
enum status vm_wait(bool interactive);

/* serial.c */
void serial_init(void);
void serial_access(unsigned int reg, uint8_t *data, bool write);
size_t serial_room(void);
void serial_input(const uint8_t *bytes, size_t count);
void terminal_raw(void);

/* disk.c */
void disk_add(const char *path, bool readonly);
void disk_access(uint64_t offset, uint8_t *data, unsigned int len, bool write);
void disks_stop(void);
void disks_stats(void);

/* stats.c */
void stats_show(const char *who, int fd);

/* fuzz.c */
int fuzz_demo(void);

#endif
