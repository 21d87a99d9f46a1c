// SPDX-License-Identifier: GPL-2.0
/*
 * acpi.c - the tables by which the guest finds its CPUs, interrupt controller and disks
 * and learns how to turn the machine off, and the registers behind that. Teaches how
 * little firmware a guest needs: six tables, below 1 KiB. Field by field they are in the
 * ACPI specification; the tables are written before the guest starts, the registers
 * called by vCPUs' threads.
 */
#include <string.h>
#include "vmmrun.h"

#define PACKED __attribute__((packed))

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} PACKED;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} PACKED;

struct address {
	uint8_t space, bits, offset, access;
	uint64_t address;
} PACKED;

struct fadt {					/* revision 3 */
	struct header header;
	uint32_t facs, dsdt;
	uint8_t model, profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t smi_values[4];
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	uint32_t pm2_control, pm_timer, gpe[2];
	uint8_t pm1_event_length, pm1_control_length, lengths[6];
	uint16_t c2_latency, c3_latency, flush[2];
	uint8_t duty[2], day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct address reset_register;
	uint8_t reset_value, reserved2[3];
	uint64_t x_facs, x_dsdt;
	struct address x_blocks[8];
} PACKED;

#define BOOT_NO_VGA	(1 << 2)
#define BOOT_NO_RTC	(1 << 5)
#define FADT_WBINVD	(1 << 0)
#define FADT_C1		(1 << 2)
#define FADT_NO_POWER_BUTTON (1 << 4)
#define FADT_NO_SLEEP_BUTTON (1 << 5)
#define FADT_NO_RTC_WAKE (1 << 6)
#define FADT_RESET	(1 << 10)

struct facs {
	char signature[4];
	uint32_t length;
	uint8_t rest[56];
} PACKED;

struct madt {
	struct header header;
	uint32_t lapic, flags;
	struct {
		uint8_t type, length, id, reserved;
		uint32_t address, gsi_base;
	} PACKED ioapic;
	struct {
		uint8_t type, length, cpu, apic_id;
		uint32_t flags;
	} PACKED cpus[];
} PACKED;

_Static_assert(sizeof(struct fadt) == 244 && sizeof(struct rsdp) == 36, "ACPI's layouts");

/* Name (_S5, Package () { 5, 0, 0, 0 }): the sleep type that means "off" */
#define SLEEP_TYPE_OFF	5
static const uint8_t dsdt_off[] = {
	0x08, '_', 'S', '5', '_', 0x12, 7, 4, 0x0a, SLEEP_TYPE_OFF, 0x00, 0x00, 0x00,
};

/*
 * A virtio disk, which announces itself to Linux's virtio-mmio driver:
 *
 *	Device (\_SB.VD00) {
 *		Name (_HID, "LNRO0005")
 *		Name (_UID, 0)
 *		Name (_CRS, ResourceTemplate () {
 *			Memory32Fixed (ReadWrite, 0xd0000000, 0x1000)
 *			Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 16 }
 *		})
 *	}
 */
struct dsdt_disk {
	uint8_t device[14], hid[15], uid[6], uid_value, crs[9], memory[4];
	uint32_t address, size;
	uint8_t interrupt[5];
	uint32_t gsi;
	uint8_t end[2];
} PACKED;

static const struct dsdt_disk dsdt_disk = {
	/* 0x42 bytes follow the opcode: the length in two bytes, of 4 and 8 bits */
	.device = { 0x5b, 0x82, 0x40 | 0x2, 0x4,
		    '\\', 0x2e, '_', 'S', 'B', '_', 'V', 'D', '0', '0' },
	.hid = { 0x08, '_', 'H', 'I', 'D', 0x0d, 'L', 'N', 'R', 'O', '0', '0', '0', '5', 0 },
	.uid = { 0x08, '_', 'U', 'I', 'D', 0x0a },	/* and the number itself */
	/* a buffer of 23 bytes, 26 with its length */
	.crs = { 0x08, '_', 'C', 'R', 'S', 0x11, 26, 0x0a, 23 },
	.memory = { 0x86, 9, 0, 1 },
	.size = 0x1000,
	.interrupt = { 0x89, 6, 0, 0x03, 1 },
	.end = { 0x79, 0 },
};

static uint8_t *next;		/* where the next table goes */

static uint64_t address_of(const void *table)
{
	return (const uint8_t *)table - vm.ram;
}

/* Tables begin at multiples of 64, as one of them has to. */
static void *add(size_t size)
{
	void *table = next;

	next += (size + 63) & ~63ull;
	return table;
}

/* What makes the sum of all bytes 0. */
static uint8_t checksum(const void *table, size_t size)
{
	const uint8_t *bytes = table;
	uint8_t sum = 0;

	while (size--)
		sum += *bytes++;
	return -sum;
}

static void *begin(const char *signature, uint8_t revision, size_t size)
{
	struct header *header = add(size);

	memcpy(header->signature, signature, 4);
	header->length = size;
	header->revision = revision;
	memcpy(header->oem_id, "VMMRUN", 6);
	memcpy(header->oem_table_id, "VMMRUN  ", 8);
	memcpy(header->creator_id, "VMMR", 4);
	return header;
}

static uint64_t end(void *table)
{
	struct header *header = table;

	header->checksum = checksum(header, header->length);
	return address_of(table);
}

/* Differentiated System Description Table: devices that cannot be discovered. */
static uint64_t write_dsdt(void)
{
	size_t size = sizeof(dsdt_off) + vm.disks * sizeof(dsdt_disk);
	struct header *dsdt = begin("DSDT", 2, sizeof(*dsdt) + size);
	uint8_t *code = (uint8_t *)(dsdt + 1);

	memcpy(code, dsdt_off, sizeof(dsdt_off));
	code += sizeof(dsdt_off);
	for (unsigned int i = 0; i < vm.disks; i++, code += sizeof(dsdt_disk)) {
		struct dsdt_disk disk = dsdt_disk;

		disk.device[13] += i;
		disk.uid_value = i;
		disk.address = DISKS_ADDR + i * disk.size;
		disk.gsi = DISK_GSI(i);
		memcpy(code, &disk, sizeof(disk));
	}
	return end(dsdt);
}

/* Fixed ACPI Description Table: how to turn off and reset, and what a PC has but we lack. */
static uint64_t write_fadt(void)
{
	struct facs *facs = add(sizeof(*facs));
	uint64_t dsdt = write_dsdt();
	struct fadt *fadt = begin("FACP", 3, sizeof(*fadt));

	memcpy(facs->signature, "FACS", 4);
	facs->length = sizeof(*facs);
	fadt->facs = address_of(facs);
	fadt->dsdt = fadt->x_dsdt = dsdt;
	fadt->sci_int = SCI_GSI;
	fadt->pm1a_event = PM1_PORT;
	fadt->pm1_event_length = 4;
	fadt->pm1a_control = PM1_PORT + 4;
	fadt->pm1_control_length = 2;
	fadt->c2_latency = fadt->c3_latency = 0xffff;	/* there are none */
	fadt->boot_flags = BOOT_NO_VGA | BOOT_NO_RTC;
	fadt->flags = FADT_WBINVD | FADT_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON |
		      FADT_NO_RTC_WAKE | FADT_RESET;
	fadt->reset_register = (struct address){ .space = 1, .bits = 8, .access = 1,
						 .address = RESET_PORT };
	fadt->reset_value = RESET_VALUE;
	return end(fadt);
}

/* Multiple APIC Description Table: CPUs and interrupt controllers. */
static uint64_t write_madt(void)
{
	struct madt *madt = begin("APIC", 3, sizeof(*madt) + vm.cpus * sizeof(madt->cpus[0]));

	madt->lapic = LAPIC_ADDR;
	madt->flags = 1;			/* there are 8259s too */
	madt->ioapic.type = 1;
	madt->ioapic.length = sizeof(madt->ioapic);
	madt->ioapic.address = IOAPIC_ADDR;
	for (unsigned int i = 0; i < vm.cpus; i++) {
		madt->cpus[i].length = sizeof(madt->cpus[i]);
		madt->cpus[i].cpu = madt->cpus[i].apic_id = i;
		madt->cpus[i].flags = 1;	/* it works */
	}
	return end(madt);
}

/* Returns where the guest begins to read. */
uint64_t acpi_write_tables(void)
{
	struct { struct header header; uint64_t tables[2]; } PACKED *xsdt;
	struct rsdp *rsdp;

	next = vm.ram + ACPI_ADDR;
	rsdp = add(sizeof(*rsdp));
	xsdt = begin("XSDT", 1, sizeof(*xsdt));
	xsdt->tables[0] = write_fadt();
	xsdt->tables[1] = write_madt();
	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem_id, "VMMRUN", 6);
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = end(xsdt);
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
	return address_of(rsdp);
}

/*
 * The registers of PM1: status, enable, control. No event ever happens, so the first is
 * 0 and the second is only remembered. The last turns the machine off.
 */
void pm1_access(unsigned int reg, uint8_t *data, unsigned int size, bool write)
{
	static uint16_t enable;
	uint16_t value = 0;

	if (size != sizeof(value) || reg % sizeof(value))
		return;
	if (!write) {
		if (reg == 2)
			value = __atomic_load_n(&enable, __ATOMIC_RELAXED);
		else if (reg == 4)
			value = 1;			/* SCI_EN: ACPI is on */
		memcpy(data, &value, sizeof(value));
		return;
	}
	memcpy(&value, data, sizeof(value));
	if (reg == 2)
		__atomic_store_n(&enable, value, __ATOMIC_RELAXED);
	else if (reg == 4 && (value >> 13 & 1) && (value >> 10 & 7) == SLEEP_TYPE_OFF)
		vm_end(STATUS_POWER_OFF);
}
