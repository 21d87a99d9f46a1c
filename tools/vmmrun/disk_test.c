// SPDX-License-Identifier: GPL-2.0
/*
 * disk_test.c - disk.c against drivers that are right, wrong and mad. Needs no VM: this
 * file stands in for vm.c, and the "guest" is the program itself, which writes rings and
 * registers. The guest's memory is an allocation of its exact size, and all is compiled
 * with AddressSanitizer: an access beyond it ends the test. `make check` runs it.
 */
#include <err.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "vmmrun.h"

#define RAM_SIZE	0x20000
#define DESC		0x1000		/* where the rings are */
#define AVAIL		0x3000
#define USED		0x4000
#define HEADER		0x5000
#define STATUS		0x5fff
#define BUFFER		0x6000
#define SIZE		16		/* of the queue */
#define SECTORS		64
#define MAD_ROUNDS	200000

struct vm vm;
static int kick = -1, irq = -1;
static struct vring_desc *desc;
static struct vring_avail *avail;
static struct vring_used *used;
static int number, failures;

void die(const char *advice, const char *what, ...)
{
	(void)advice;
	err(1, "disk.c died: %s", what);
}

int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

void *guest_range(uint64_t gpa, uint64_t len)
{
	return gpa < vm.low && len <= vm.low - gpa ? vm.ram + gpa : NULL;
}

void vm_connect_write(int eventfd, uint64_t gpa, uint32_t value)
{
	(void)gpa;
	(void)value;
	if (kick < 0)
		kick = eventfd;
}

void vm_connect_irq(int eventfd, unsigned int gsi)
{
	(void)gsi;
	if (irq < 0)
		irq = eventfd;
}

static void report(const char *name, bool good)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, name);
	failures += !good;
}

static uint32_t get(uint32_t reg)
{
	uint32_t value = 0;

	disk_access(reg, (uint8_t *)&value, sizeof(value), false);
	return value;
}

static void set(uint32_t reg, uint32_t value)
{
	disk_access(reg, (uint8_t *)&value, sizeof(value), true);
}

/* A driver's start, up to a queue that is ready. */
static void start(uint64_t desc_at, uint64_t avail_at, uint64_t used_at, uint32_t size)
{
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);	/* VIRTIO_F_VERSION_1 */
	set(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_FEATURES_OK);
	set(VIRTIO_MMIO_QUEUE_SEL, 0);
	set(VIRTIO_MMIO_QUEUE_NUM, size);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, desc_at);
	set(VIRTIO_MMIO_QUEUE_DESC_HIGH, desc_at >> 32);
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail_at);
	set(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, avail_at >> 32);
	set(VIRTIO_MMIO_QUEUE_USED_LOW, used_at);
	set(VIRTIO_MMIO_QUEUE_USED_HIGH, used_at >> 32);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	set(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A queue that is as it should be, with one request of three buffers in descriptor 0. */
static void prepare(uint32_t type, uint64_t sector, uint32_t len)
{
	struct virtio_blk_outhdr *header = (void *)(vm.ram + HEADER);
	bool in = type == VIRTIO_BLK_T_IN;

	memset(vm.ram, 0, HEADER);
	start(DESC, AVAIL, USED, SIZE);
	*header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	desc[0] = (struct vring_desc){ .addr = HEADER, .len = sizeof(*header),
				       .flags = VRING_DESC_F_NEXT, .next = 1 };
	desc[1] = (struct vring_desc){ .addr = BUFFER, .len = len, .next = 2,
				       .flags = VRING_DESC_F_NEXT | (in ? VRING_DESC_F_WRITE : 0) };
	desc[2] = (struct vring_desc){ .addr = STATUS, .len = 1, .flags = VRING_DESC_F_WRITE };
	vm.ram[STATUS] = 0xaa;
	avail->idx = 1;
}

/* Notify, wait for an interrupt; which kind, or 0 if there was none. */
static uint32_t notify(void)
{
	struct pollfd fd = { .fd = irq, .events = POLLIN };
	uint64_t count = 1;
	uint32_t why;

	if (write(kick, &count, sizeof(count)) < 0 || poll(&fd, 1, 2000) != 1 ||
	    read(irq, &count, sizeof(count)) < 0)
		return 0;
	get(VIRTIO_MMIO_STATUS);	/* which waits until the thread has done all */
	why = get(VIRTIO_MMIO_INTERRUPT_STATUS);
	set(VIRTIO_MMIO_INTERRUPT_ACK, why);
	return why;
}

/* The request is answered with this status, and so many bytes are said to be written. */
static bool answered(uint8_t status, uint32_t len)
{
	return notify() == VIRTIO_MMIO_INT_VRING && used->idx == 1 && used->ring[0].id == 0 &&
	       used->ring[0].len == len && vm.ram[STATUS] == status &&
	       !(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static bool refused(void)
{
	return notify() == VIRTIO_MMIO_INT_CONFIG && !used->idx &&
	       (get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) &&
	       !get(VIRTIO_MMIO_QUEUE_READY);
}

static void good_requests(void)
{
	bool good;

	prepare(VIRTIO_BLK_T_OUT, 3, 1024);
	memset(vm.ram + BUFFER, 0x5a, 1024);
	good = answered(VIRTIO_BLK_S_OK, 1);
	memset(vm.ram + BUFFER, 0, 1024);
	prepare(VIRTIO_BLK_T_IN, 4, 512);
	good &= answered(VIRTIO_BLK_S_OK, 513) && vm.ram[BUFFER + 511] == 0x5a &&
		!vm.ram[BUFFER + 512];
	report("what is written is read", good);
	prepare(VIRTIO_BLK_T_FLUSH, 0, 0);
	report("flush", answered(VIRTIO_BLK_S_OK, 1));
	/* The header in two parts, and the status in one buffer with the data. */
	prepare(VIRTIO_BLK_T_IN, 4, 512);
	desc[0].len = 5;
	desc[1] = (struct vring_desc){ .addr = HEADER + 5, .len = 11,
				       .flags = VRING_DESC_F_NEXT, .next = 2 };
	desc[2].addr -= 512;
	desc[2].len = 513;
	report("other borders between buffers", answered(VIRTIO_BLK_S_OK, 513));
	prepare(77, 0, 0);
	report("an unknown request", answered(VIRTIO_BLK_S_UNSUPP, 1));
}

static void bad_sectors(void)
{
	bool good;

	prepare(VIRTIO_BLK_T_IN, SECTORS - 1, 1024);
	good = answered(VIRTIO_BLK_S_IOERR, 1);
	prepare(VIRTIO_BLK_T_OUT, SECTORS, 512);
	good &= answered(VIRTIO_BLK_S_IOERR, 1);
	prepare(VIRTIO_BLK_T_OUT, ~0ull, 512);
	good &= answered(VIRTIO_BLK_S_IOERR, 1);
	prepare(VIRTIO_BLK_T_OUT, ~0ull / 512 + 1, 512);
	good &= answered(VIRTIO_BLK_S_IOERR, 1);
	report("sectors beyond the end", good);
	prepare(VIRTIO_BLK_T_OUT, 0, 511);
	report("a part of a sector", answered(VIRTIO_BLK_S_IOERR, 1));
}

static void bad_rings(void)
{
	prepare(VIRTIO_BLK_T_IN, 0, 512);
	avail->ring[0] = SIZE;
	report("a chain that begins beyond the queue", refused());
	prepare(VIRTIO_BLK_T_IN, 0, 512);
	desc[0].next = 0xffff;
	report("a chain that goes on beyond the queue", refused());
	prepare(VIRTIO_BLK_T_OUT, 0, 512);
	desc[1].next = 0;
	report("a chain without an end", refused());
	prepare(VIRTIO_BLK_T_IN, 0, 512);
	desc[1].addr = RAM_SIZE - 511;
	report("a buffer that ends outside of memory", refused());
	prepare(VIRTIO_BLK_T_IN, 0, 512);
	desc[1].addr = ~0ull - 100;
	report("a buffer at the end of the address space", refused());
	prepare(VIRTIO_BLK_T_IN, 0, 512);
	desc[1].len = 0xffffffff;
	report("a buffer of 4 GiB", refused());
	prepare(VIRTIO_BLK_T_IN, 0, 512);
	desc[0].flags |= VRING_DESC_F_INDIRECT;
	report("an indirect descriptor", refused());
	prepare(VIRTIO_BLK_T_IN, 0, 512);
	desc[2].flags = 0;
	report("a buffer to read behind one to write", refused());
	prepare(VIRTIO_BLK_T_OUT, 0, 512);
	desc[2].flags = 0;
	report("no room for the status", refused());
	prepare(VIRTIO_BLK_T_OUT, 0, 512);
	desc[2].len = 0;
	report("a status of 0 bytes", refused());
	prepare(VIRTIO_BLK_T_IN, 0, 512);
	avail->idx = SIZE + 1;
	report("more requests than there is room for", refused());
	prepare(VIRTIO_BLK_T_OUT, 0, 512);
	desc[0].len = 15;
	desc[1].len = 0;
	report("a header that is too short", answered(VIRTIO_BLK_S_IOERR, 1));
}

static bool queue_refused(uint64_t desc_at, uint64_t avail_at, uint64_t used_at, uint32_t size)
{
	uint64_t count;
	bool good;

	start(desc_at, avail_at, used_at, size);
	good = !get(VIRTIO_MMIO_QUEUE_READY) &&
	       (get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	return read(irq, &count, sizeof(count)) > 0 && good;
}

static void bad_queues(void)
{
	report("a queue of 0", queue_refused(DESC, AVAIL, USED, 0));
	report("a queue that is too long", queue_refused(DESC, AVAIL, USED, 512));
	report("a queue of 3", queue_refused(DESC, AVAIL, USED, 3));
	report("descriptors outside of memory", queue_refused(RAM_SIZE - 16, AVAIL, USED, SIZE));
	report("requests outside of memory", queue_refused(DESC, RAM_SIZE - 34, USED, SIZE));
	report("answers outside of memory", queue_refused(DESC, AVAIL, ~0xfull, SIZE));
	report("a queue that is not aligned", queue_refused(DESC + 8, AVAIL, USED, SIZE));
}

/* All registers, all widths, wherever: nothing but the sanitizers' silence is asked for. */
static void mad_registers(void)
{
	uint8_t data[8] = { 0 };

	for (uint64_t offset = 0; offset < 0x1000; offset++)
		for (unsigned int len = 1; len <= 8; len *= 2)
			disk_access(offset, data, len, false);
	for (int i = 0; i < MAD_ROUNDS; i++) {
		uint32_t reg = random() % 0x120;

		for (unsigned int j = 0; j < sizeof(data); j++)
			data[j] = random();
		if (reg != VIRTIO_MMIO_QUEUE_READY)	/* which interrupts: other tests' */
			disk_access(reg, data, 1 << random() % 4, true);
	}
	report("random accesses to registers", true);
}

/* Rings with some numbers out of place; each is answered or refused. */
static void mad_rings(void)
{
	int served = 0, refusals = 0;

	for (int i = 0; i < MAD_ROUNDS / 10; i++) {
		uint32_t why;

		prepare(random() % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, random() % SECTORS, 512);
		for (int j = random() % 4; j; j--) {
			struct vring_desc *victim = &desc[random() % 3];

			switch (random() % 4) {
			case 0:
				victim->addr = (uint64_t)random() << random() % 34;
				break;
			case 1:
				victim->addr = random() % RAM_SIZE;
				victim->len = random() % RAM_SIZE;
				break;
			case 2:
				victim->flags = random() % 8;
				break;
			case 3:
				victim->next = random() % (SIZE + 1);
				break;
			}
		}
		why = notify();
		if (!why)
			break;
		served += why == VIRTIO_MMIO_INT_VRING;
		refusals += why == VIRTIO_MMIO_INT_CONFIG;
	}
	printf("# %d served, %d refused\n", served, refusals);
	report("random rings", served + refusals == MAD_ROUNDS / 10 && served && refusals);
}

int main(void)
{
	char path[] = "/tmp/disk_test.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || ftruncate(fd, SECTORS * 512))
		err(1, "%s", path);
	vm.low = RAM_SIZE;
	vm.ram = aligned_alloc(0x1000, RAM_SIZE);
	memset(vm.ram, 0, RAM_SIZE);
	desc = (void *)(vm.ram + DESC);
	avail = (void *)(vm.ram + AVAIL);
	used = (void *)(vm.ram + USED);
	disk_add(path, false);
	printf("TAP version 13\n1..28\n");
	good_requests();
	bad_sectors();
	bad_rings();
	bad_queues();
	mad_registers();
	mad_rings();
	report("the disk's size stays", lseek(fd, 0, SEEK_END) == SECTORS * 512);
	disks_stop();
	unlink(path);
	return failures != 0;
}
