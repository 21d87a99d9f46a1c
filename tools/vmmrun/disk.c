// SPDX-License-Identifier: GPL-2.0
/*
 * disk.c - virtio disks, with the registers of virtio-mmio. Teaches how a device works
 * beside the CPUs: the guest's notification is an ioeventfd, so its vCPU does not leave
 * the guest; a thread of the disk's own serves the requests; its interrupt is an irqfd.
 * Registers and the ring are those of the virtio 1.1 specification, 2.6, 4.2 and 5.2.
 *
 * The ring is in memory that the guest may change at any time, and all in it may be
 * wrong: it is read once, into variables of ours, each address goes through
 * guest_range(), and a ring that makes no sense stops the disk until the guest resets it.
 *
 * disk_access() is called by vCPUs' threads; disk->lock keeps them out while the disk's
 * thread looks at the ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>
#include "vmmrun.h"

#define REGISTERS	0x1000
#define QUEUE_SIZE	256
#define SECTOR		512

struct disk {
	const char *path;
	int fd, kick, irq;		/* the file, and the two eventfds */
	uint64_t sectors, features;
	bool stop;			/* atomic */
	uint32_t interrupt_status;	/* atomic */
	pthread_t thread;
	pthread_mutex_t lock;		/* of all below */
	uint32_t status, features_select, driver_select;
	uint64_t driver_features;
	uint32_t queue_select, queue_size;
	uint64_t desc_addr, avail_addr, used_addr;
	bool ready;
	struct vring ring;		/* in our address space; only while ready */
	uint16_t last_avail;
	uint64_t requests, bytes, refused;
};

static struct disk disks[MAX_DISKS];

/* A request: buffers that the device reads, then buffers that it writes to. */
struct request {
	struct iovec iov[QUEUE_SIZE];
	unsigned int out, in;
	uint8_t *status;
};

static void interrupt(struct disk *disk, uint32_t why)
{
	uint64_t one = 1;

	__atomic_or_fetch(&disk->interrupt_status, why, __ATOMIC_SEQ_CST);
	if (write(disk->irq, &one, sizeof(one)) < 0)
		die(NULL, "the disk's interrupt cannot be sent");
}

/* The guest's driver is broken, or hostile: nothing more happens until it resets us. */
static void refuse(struct disk *disk, const char *why)
{
	if (disk->refused++ < 10)	/* it shall not fill our log either */
		fprintf(stderr, "vmmrun: %s: %s; the disk waits for the guest to reset it\n",
			disk->path, why);
	disk->ready = false;
	disk->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	interrupt(disk, VIRTIO_MMIO_INT_CONFIG);
}

/* Follow a chain of descriptors; NULL, or what is wrong with it. */
static const char *read_chain(struct disk *disk, unsigned int index, struct request *request)
{
	request->out = request->in = 0;
	for (;;) {
		struct iovec *iov = &request->iov[request->out + request->in];
		volatile const struct vring_desc *shared;
		struct vring_desc desc;

		if (index >= disk->queue_size)
			return "a descriptor's number is beyond the queue";
		if (request->out + request->in == disk->queue_size)
			return "a chain of descriptors has no end";
		shared = &disk->ring.desc[index];
		desc.addr = shared->addr;
		desc.len = shared->len;
		desc.flags = shared->flags;
		desc.next = shared->next;

		iov->iov_len = desc.len;
		iov->iov_base = guest_range(desc.addr, desc.len);
		if (!iov->iov_base)
			return "a descriptor's buffer is not in the guest's memory";
		if (desc.flags & VRING_DESC_F_INDIRECT)
			return "an indirect descriptor, which was not offered";
		if (desc.flags & VRING_DESC_F_WRITE)
			request->in++;
		else if (request->in)
			return "a buffer to read follows one to write";
		else
			request->out++;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return NULL;
		index = desc.next;
	}
}

/* Take bytes off the front of the buffers to read. */
static bool take(struct request *request, void *into, size_t count)
{
	for (unsigned int i = 0; i < request->out && count; i++) {
		struct iovec *iov = &request->iov[i];
		size_t part = iov->iov_len < count ? iov->iov_len : count;

		memcpy(into, iov->iov_base, part);
		into = (uint8_t *)into + part;
		iov->iov_base = (uint8_t *)iov->iov_base + part;
		iov->iov_len -= part;
		count -= part;
	}
	return !count;
}

static uint64_t length(const struct iovec *iov, unsigned int count)
{
	uint64_t sum = 0;

	while (count--)
		sum += iov++->iov_len;
	return sum;
}

/* Read or write sectors. The file must not grow: a guest has the disk that it was given. */
static uint8_t transfer(struct disk *disk, const struct iovec *iov, unsigned int count,
			uint64_t sector, bool write)
{
	uint64_t bytes = length(iov, count);
	ssize_t done;

	if (bytes % SECTOR || sector > disk->sectors || bytes / SECTOR > disk->sectors - sector)
		return VIRTIO_BLK_S_IOERR;
	done = write ? pwritev(disk->fd, iov, count, sector * SECTOR) :
		       preadv(disk->fd, iov, count, sector * SECTOR);
	disk->bytes += bytes;
	return done == (ssize_t)bytes ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static uint8_t serve(struct disk *disk, struct request *request, uint32_t *written)
{
	struct iovec *in = request->iov + request->out;
	struct virtio_blk_outhdr header;
	uint8_t status;

	if (!take(request, &header, sizeof(header)))
		return VIRTIO_BLK_S_IOERR;
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		status = transfer(disk, in, request->in, header.sector, false);
		if (status == VIRTIO_BLK_S_OK)
			*written += length(in, request->in);
		return status;
	case VIRTIO_BLK_T_OUT:
		if (disk->features & 1ull << VIRTIO_BLK_F_RO)
			return VIRTIO_BLK_S_IOERR;
		return transfer(disk, request->iov, request->out, header.sector, true);
	case VIRTIO_BLK_T_FLUSH:
		return fdatasync(disk->fd) ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

static const char *serve_one(struct disk *disk, uint16_t at)
{
	uint16_t head = __atomic_load_n(&disk->ring.avail->ring[at % disk->queue_size],
					__ATOMIC_RELAXED);
	struct vring_used_elem *elem = &disk->ring.used->ring[at % disk->queue_size];
	struct request request;
	uint32_t written = 1;		/* the status */
	struct iovec *last;
	const char *wrong = read_chain(disk, head, &request);

	if (wrong)
		return wrong;
	/* The status is the last byte of the last buffer, whatever else is in that. */
	last = &request.iov[request.out + request.in - 1];
	if (!request.in || !last->iov_len)
		return "a request has no room for its status";
	request.status = (uint8_t *)last->iov_base + --last->iov_len;
	*request.status = serve(disk, &request, &written);
	elem->id = head;
	elem->len = written;
	disk->requests++;
	return NULL;
}

/* Serve what the guest has put into the ring; it may put in more meanwhile. */
static void serve_ring(struct disk *disk)
{
	uint16_t avail, used = disk->last_avail;	/* as many as were taken were given back */
	const char *wrong = NULL;

	if (!disk->ready)
		return;
	for (;;) {
		avail = __atomic_load_n(&disk->ring.avail->idx, __ATOMIC_ACQUIRE);
		if (avail == used || __atomic_load_n(&disk->stop, __ATOMIC_RELAXED))
			break;
		if ((uint16_t)(avail - used) > disk->queue_size)
			wrong = "the ring holds more requests than it has room for";
		else
			wrong = serve_one(disk, used);
		if (wrong)
			break;
		/* The guest sees the request done when it sees this. */
		__atomic_store_n(&disk->ring.used->idx, ++used, __ATOMIC_RELEASE);
	}
	if (used != disk->last_avail) {
		disk->last_avail = used;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!(disk->ring.avail->flags & VRING_AVAIL_F_NO_INTERRUPT))
			interrupt(disk, VIRTIO_MMIO_INT_VRING);
	}
	if (wrong)
		refuse(disk, wrong);
}

static void *disk_thread(void *arg)
{
	struct disk *disk = arg;
	uint64_t kicks;

	while (!__atomic_load_n(&disk->stop, __ATOMIC_RELAXED)) {
		if (read(disk->kick, &kicks, sizeof(kicks)) < 0)
			continue;
		pthread_mutex_lock(&disk->lock);
		serve_ring(disk);
		pthread_mutex_unlock(&disk->lock);
	}
	return NULL;
}

/* The guest says that its ring is complete: find it in our memory, once. */
static void start_queue(struct disk *disk)
{
	unsigned int size = disk->queue_size;

	disk->ring.desc = guest_range(disk->desc_addr, size * sizeof(struct vring_desc));
	disk->ring.avail = guest_range(disk->avail_addr, 4 + size * sizeof(uint16_t));
	disk->ring.used = guest_range(disk->used_addr, 4 + size * sizeof(struct vring_used_elem));
	disk->last_avail = 0;
	if (!size || size > QUEUE_SIZE || (size & (size - 1)))
		refuse(disk, "the guest's queue has a wrong size");
	else if (!disk->ring.desc || !disk->ring.avail || !disk->ring.used ||
		 disk->desc_addr % 16 || disk->avail_addr % 2 || disk->used_addr % 4)
		refuse(disk, "the guest's queue is not in its memory, or not aligned");
	else
		disk->ready = true;
}

static void reset(struct disk *disk)
{
	disk->status = disk->queue_size = disk->queue_select = 0;
	disk->driver_features = disk->desc_addr = disk->avail_addr = disk->used_addr = 0;
	disk->ready = false;
	__atomic_store_n(&disk->interrupt_status, 0, __ATOMIC_SEQ_CST);
}

static void set_status(struct disk *disk, uint32_t value)
{
	uint64_t must = 1ull << VIRTIO_F_VERSION_1;

	if (!value) {
		reset(disk);
		return;
	}
	/* A driver that sees this bit gone knows that we cannot work with its choice. */
	if ((disk->driver_features & ~disk->features) || !(disk->driver_features & must))
		value &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	disk->status = value | (disk->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void set_half(uint64_t *number, bool high, uint32_t value)
{
	unsigned int shift = high ? 32 : 0;

	*number = (*number & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
}

static void write_register(struct disk *disk, uint32_t offset, uint32_t value)
{
	bool high = offset % 8;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		disk->features_select = value;
		return;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		disk->driver_select = value;
		return;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (disk->driver_select < 2)
			set_half(&disk->driver_features, disk->driver_select, value);
		return;
	case VIRTIO_MMIO_QUEUE_SEL:
		disk->queue_select = value;
		return;
	case VIRTIO_MMIO_STATUS:
		set_status(disk, value);
		return;
	}
	if (disk->queue_select)			/* there is only queue 0 */
		return;
	if (offset == VIRTIO_MMIO_QUEUE_READY && !value) {
		disk->ready = false;
		return;
	}
	if (disk->ready)			/* in use: it stays as it is */
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		disk->queue_size = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&disk->desc_addr, high, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&disk->avail_addr, high, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&disk->used_addr, high, value);
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		start_queue(disk);
		break;
	}
}

static uint32_t read_register(struct disk *disk, uint32_t offset)
{
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return 'v' | 'i' << 8 | 'r' << 16 | 't' << 24;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return VIRTIO_ID_BLOCK;
	case VIRTIO_MMIO_VENDOR_ID:
		return 'v' | 'm' << 8 | 'm' << 16 | 'r' << 24;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return disk->features_select < 2 ? disk->features >> 32 * disk->features_select : 0;
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return disk->queue_select ? 0 : QUEUE_SIZE;
	case VIRTIO_MMIO_QUEUE_READY:
		return !disk->queue_select && disk->ready;
	case VIRTIO_MMIO_STATUS:
		return disk->status;
	default:
		return 0;
	}
}

/* What the device says of itself, behind the registers; any width. */
static void read_config(struct disk *disk, uint64_t offset, uint8_t *data, unsigned int len)
{
	struct virtio_blk_config config = {
		.capacity = disk->sectors,
		.seg_max = QUEUE_SIZE - 2,	/* a chain has a header and a status too */
	};

	if (offset < sizeof(config) && len <= sizeof(config) - offset)
		memcpy(data, (uint8_t *)&config + offset, len);
}

/* A guest's access to the disks' registers, from DISKS_ADDR on; data begins as zeroes. */
void disk_access(uint64_t offset, uint8_t *data, unsigned int len, bool write)
{
	struct disk *disk = &disks[offset / REGISTERS];
	uint32_t value;

	offset %= REGISTERS;
	if (offset >= VIRTIO_MMIO_CONFIG) {
		if (!write)
			read_config(disk, offset - VIRTIO_MMIO_CONFIG, data, len);
		return;
	}
	if (len != sizeof(value) || offset % sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	/* The handler of our interrupt should not wait until a request is done. */
	if (offset == VIRTIO_MMIO_INTERRUPT_STATUS && !write) {
		value = __atomic_load_n(&disk->interrupt_status, __ATOMIC_SEQ_CST);
	} else if (offset == VIRTIO_MMIO_INTERRUPT_ACK && write) {
		__atomic_and_fetch(&disk->interrupt_status, ~value, __ATOMIC_SEQ_CST);
	} else {
		pthread_mutex_lock(&disk->lock);
		if (write)
			write_register(disk, offset, value);
		else
			value = read_register(disk, offset);
		pthread_mutex_unlock(&disk->lock);
	}
	if (!write)
		memcpy(data, &value, sizeof(value));
}

void disk_add(const char *path, bool readonly)
{
	struct disk *disk = &disks[vm.disks];
	uint64_t registers = DISKS_ADDR + vm.disks * REGISTERS;
	off_t size;

	disk->path = path;
	disk->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (disk->fd < 0)
		die("check the path, and that you may write to it; or say --disk FILE,ro",
		    "the disk %s cannot be opened", path);
	if (flock(disk->fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB))
		die("two guests that write to a disk destroy it; end the other, or copy the file",
		    "the disk %s is in use", path);
	size = lseek(disk->fd, 0, SEEK_END);
	if (size < 0)
		die("a disk is a file, or a block device", "the size of %s is unknown", path);
	errno = 0;
	if (!size || size % SECTOR)
		die("make it one with: truncate --size=%512 FILE",
		    "the size of %s is no multiple of %d", path, SECTOR);
	disk->sectors = size / SECTOR;
	disk->features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_BLK_F_SEG_MAX |
			 1ull << VIRTIO_BLK_F_FLUSH | (uint64_t)readonly << VIRTIO_BLK_F_RO;
	pthread_mutex_init(&disk->lock, NULL);
	disk->kick = check(eventfd(0, EFD_CLOEXEC), "eventfd");
	disk->irq = check(eventfd(0, EFD_CLOEXEC), "eventfd");
	vm_connect_write(disk->kick, registers + VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	vm_connect_irq(disk->irq, DISK_GSI(vm.disks));
	vm.disks++;
	errno = pthread_create(&disk->thread, NULL, disk_thread, disk);
	if (errno)
		die(NULL, "the disk's thread cannot be made");
}

/* When no vCPU runs any more: finish what was begun, and see it safe. */
void disks_stop(void)
{
	uint64_t one = 1;

	for (struct disk *disk = disks; disk < disks + vm.disks; disk++) {
		__atomic_store_n(&disk->stop, true, __ATOMIC_RELAXED);
		if (write(disk->kick, &one, sizeof(one)) < 0)
			die(NULL, "the disk's thread cannot be told to end");
		pthread_join(disk->thread, NULL);
		if (!(disk->features & 1ull << VIRTIO_BLK_F_RO) && fdatasync(disk->fd))
			die("what the guest wrote last may be lost", "%s", disk->path);
	}
}

void disks_stats(void)
{
	for (struct disk *disk = disks; disk < disks + vm.disks; disk++)
		fprintf(stderr, "vmmrun: %s: %llu requests, %llu KiB\n", disk->path,
			(unsigned long long)disk->requests, (unsigned long long)disk->bytes >> 10);
}
