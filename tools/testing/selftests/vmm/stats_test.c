// SPDX-License-Identifier: GPL-2.0
/*
 * stats_test.c - VMM_GET_STATS_FD: the file's format, and that the counters count;
 * and what only vmm has: exits by reason, their time, a file a VM in debugfs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "vmm_test.h"

#define DEBUGFS		"/sys/kernel/debug/vmm"
#define TIMING		"/sys/module/vm/parameters/exit_timing"
#define MAX_STATS	512

/* A statistics fd, its header and descriptions read as a client reads them. */
struct stats {
	int fd;
	struct vmm_stats_header header;
	size_t desc_size;
	char *descs;
};

static struct vmm_stats_desc *stats_desc(struct stats *s, unsigned int i)
{
	return (void *)(s->descs + i * s->desc_size);
}

static void read_at(int fd, void *buf, size_t size, off_t offset)
{
	CHECK_EQ(CHECK_OK(pread(fd, buf, size, offset)), size);
}

static struct stats *stats_open(int of)
{
	struct stats *s = calloc(1, sizeof(*s));
	size_t size;

	s->fd = CHECK_OK(ioctl(of, VMM_GET_STATS_FD, NULL));
	/* QEMU reads the header so, everything else with pread(). */
	CHECK_EQ(CHECK_OK(read(s->fd, &s->header, sizeof(s->header))), sizeof(s->header));
	CHECK(s->header.num_desc > 0 && s->header.num_desc <= MAX_STATS);
	CHECK(s->header.name_size >= 8 && s->header.name_size <= 256);
	s->desc_size = sizeof(struct vmm_stats_desc) + s->header.name_size;
	size = s->header.num_desc * s->desc_size;
	s->descs = malloc(size);
	read_at(s->fd, s->descs, size, s->header.desc_offset);
	return s;
}

/* The value of a name; the case fails if there is none. */
static uint64_t stats_value(struct stats *s, const char *name)
{
	unsigned int i;
	uint64_t value;

	for (i = 0; i < s->header.num_desc; i++) {
		struct vmm_stats_desc *desc = stats_desc(s, i);

		if (strcmp(desc->name, name))
			continue;
		read_at(s->fd, &value, sizeof(value), s->header.data_offset + desc->offset);
		return value;
	}
	FAIL("there is no statistic %s", name);
}

static void check_desc(struct stats *s, unsigned int i)
{
	struct vmm_stats_desc *desc = stats_desc(s, i);
	unsigned int j;

	CHECK(memchr(desc->name, 0, s->header.name_size));
	ktap_label(desc->name);
	CHECK(desc->name[0]);
	CHECK((desc->flags & VMM_STATS_TYPE_MASK) <= VMM_STATS_TYPE_MAX);
	CHECK((desc->flags & VMM_STATS_UNIT_MASK) <= VMM_STATS_UNIT_MAX);
	CHECK((desc->flags & VMM_STATS_BASE_MASK) <= VMM_STATS_BASE_MAX);
	CHECK(desc->size >= 1);
	for (j = 0; j < i; j++)
		CHECK(strcmp(desc->name, stats_desc(s, j)->name));
}

static void check_format(struct stats *s, const char *id_part)
{
	size_t end = 0, size;
	char id[256] = "", *data;
	unsigned int i;

	CHECK_EQ(s->header.flags, 0);
	read_at(s->fd, id, s->header.name_size, s->header.id_offset);
	CHECK(memchr(id, 0, s->header.name_size));
	if (strncmp(id, "kvm-", 4) || !strstr(id, id_part))
		FAIL("the id is '%s', not kvm-... with '%s'", id, id_part);
	for (i = 0; i < s->header.num_desc; i++) {
		check_desc(s, i);
		size = stats_desc(s, i)->offset + stats_desc(s, i)->size * 8;
		end = size > end ? size : end;
	}
	ktap_label(NULL);
	/* The values are all there, and nothing behind them. */
	data = malloc(end + 1);
	CHECK_EQ(CHECK_OK(pread(s->fd, data, end + 1, s->header.data_offset)), end);
	CHECK_EQ(CHECK_OK(pread(s->fd, data, 1, s->header.data_offset + end)), 0);
}

GUEST64(outs, mov $PORT_REPORT, %edx; 1: xor %eax, %eax; cpuid; mov $PORT_REPORT, %edx;
	out %eax, %dx; jmp 1b);

KTAP_TEST(format_of_a_vms_file)
{
	struct vm *vm;

	vmm_need_cap(VMM_CAP_BINARY_STATS_FD, "BINARY_STATS_FD");
	vm = vm_create();
	check_format(stats_open(vm->fd), "");
}

KTAP_TEST(format_of_a_vcpus_file)
{
	struct vm *vm;

	vmm_need_cap(VMM_CAP_BINARY_STATS_FD, "BINARY_STATS_FD");
	vm = vm_create();
	check_format(stats_open(vcpu_create(vm, 7)->fd), "vcpu-7");
}

KTAP_TEST(exits_are_counted)
{
	struct vcpu *vcpu;
	struct stats *s;
	uint64_t exits, io;
	int i;

	vmm_need_cap(VMM_CAP_BINARY_STATS_FD, "BINARY_STATS_FD");
	vcpu = vcpu_start(MODE_LONG, outs);
	s = stats_open(vcpu->fd);
	expect_exit(vcpu, VMM_EXIT_IO);
	exits = stats_value(s, "exits");
	io = stats_value(s, "io_exits");
	for (i = 0; i < 100; i++)
		expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(stats_value(s, "io_exits"), io + 100);
	CHECK(stats_value(s, "exits") >= exits + 200);
}

/* The file is what its VM's was, even when nothing else of the VM is open. */
KTAP_TEST(fd_holds_the_vm)
{
	struct vcpu *vcpu;
	struct stats *s;
	uint64_t io;

	vmm_need_cap(VMM_CAP_BINARY_STATS_FD, "BINARY_STATS_FD");
	vcpu = vcpu_start(MODE_LONG, outs);
	expect_exit(vcpu, VMM_EXIT_IO);
	s = stats_open(vcpu->fd);
	io = stats_value(s, "io_exits");
	CHECK_OK(munmap(vcpu->run, vcpu->run_size));
	CHECK_OK(close(vcpu->fd));
	CHECK_OK(close(vcpu->vm->fd));
	CHECK_EQ(stats_value(s, "io_exits"), io);
}

KTAP_TEST(fd_is_for_reading)
{
	void *nothing = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vm *vm;
	char byte = 0;
	int fd;

	vmm_need_cap(VMM_CAP_BINARY_STATS_FD, "BINARY_STATS_FD");
	vm = vm_create();
	fd = CHECK_OK(ioctl(vm->fd, VMM_GET_STATS_FD, NULL));
	CHECK_EQ(CHECK_OK(fcntl(fd, F_GETFD)) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_ERR(write(fd, &byte, 1), EBADF);
	CHECK_ERR(pread(fd, nothing, 8, 0), EFAULT);
	CHECK_EQ(CHECK_OK(pread(fd, &byte, 1, 1L << 40)), 0);
	CHECK_ERR(pread(fd, &byte, 1, -1), EINVAL);
}

KTAP_TEST(no_fd_left)
{
	struct vm *vm;

	vmm_need_cap(VMM_CAP_BINARY_STATS_FD, "BINARY_STATS_FD");
	vm = vm_create();
	while (dup(vm->fd) >= 0)
		;
	CHECK_ERR(ioctl(vm->fd, VMM_GET_STATS_FD, NULL), EMFILE);
}

/* --- what only vmm has --- */

static void need_vmm(void)
{
	if (!vmm_is_vmm())
		ktap_skip("%s is not vmm", vmm_device());
}

KTAP_TEST(exits_by_reason)
{
	struct vcpu *vcpu;
	struct stats *s;
	uint64_t sum = 0, cpuid;
	unsigned int i;

	need_vmm();
	vcpu = vcpu_start(MODE_LONG, outs);
	s = stats_open(vcpu->fd);
	expect_exit(vcpu, VMM_EXIT_IO);
	cpuid = stats_value(s, "exit_CPUID");
	CHECK_EQ(stats_value(s, "exit_IO"), 1);
	for (i = 0; i < 50; i++)
		expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(stats_value(s, "exit_IO"), 51);
	CHECK_EQ(stats_value(s, "exit_CPUID"), cpuid + 50);
	CHECK(stats_value(s, "exit_TDP_FAULT") > 0);
	for (i = 0; i < s->header.num_desc; i++) {
		const char *name = stats_desc(s, i)->name;

		if (!strncmp(name, "exit_", 5) && strncmp(name, "exit_time_", 10))
			sum += stats_value(s, name);
	}
	CHECK_EQ(stats_value(s, "exits"), sum);
}

static void set_timing(const char *value)
{
	int fd = CHECK_OK(open(TIMING, O_WRONLY));

	CHECK_EQ(CHECK_OK(write(fd, value, 1)), 1);
	close(fd);
}

/* On, off and on again, with a vCPU between entry and exit each time. */
KTAP_TEST(time_of_exits)
{
	struct vcpu *vcpu;
	struct stats *s;
	uint64_t time;
	int i, round;

	need_vmm();
	vcpu = vcpu_start(MODE_LONG, outs);
	s = stats_open(vcpu->fd);
	for (i = 0; i < 5; i++)
		expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(stats_value(s, "exit_time_IO"), 0);
	for (round = 0; round < 2; round++) {
		time = stats_value(s, "exit_time_IO");
		set_timing("1");
		for (i = 0; i < 5; i++)
			expect_exit(vcpu, VMM_EXIT_IO);
		usleep(20000);
		expect_exit(vcpu, VMM_EXIT_IO);
		set_timing("0");
		/* User space's time counts: the guest waits for it. */
		CHECK(stats_value(s, "exit_time_IO") > time + 10000000);
		time = stats_value(s, "exit_time_IO");
		usleep(20000);
		for (i = 0; i < 5; i++)
			expect_exit(vcpu, VMM_EXIT_IO);
		CHECK_EQ(stats_value(s, "exit_time_IO"), time);
	}
	CHECK(stats_value(s, "exit_time_CPUID") > 0);
}

/* Files of this process's VMs; opens the last one. */
static int debugfs_files(FILE **last)
{
	char prefix[16], path[300];
	struct dirent *entry;
	int n = 0;
	DIR *dir = opendir(DEBUGFS);

	if (!dir)
		FAIL("%s: %s", DEBUGFS, strerror(errno));
	snprintf(prefix, sizeof(prefix), "%d-", getpid());
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)))
			continue;
		n++;
		snprintf(path, sizeof(path), DEBUGFS "/%s", entry->d_name);
		if (last) {
			*last = fopen(path, "r");
			CHECK(*last);
		}
	}
	closedir(dir);
	return n;
}

static uint64_t debugfs_value(FILE *file, const char *who, const char *name)
{
	char line[200], w[50], n[100];
	unsigned long long value;

	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		CHECK_EQ(sscanf(line, "%49s %99s %llu", w, n, &value), 3);
		if (!strcmp(w, who) && !strcmp(n, name))
			return value;
	}
	FAIL("no line %s %s", who, name);
}

KTAP_TEST(debugfs_file)
{
	struct vcpu *vcpu;
	char line[200];
	FILE *file = NULL;

	need_vmm();
	CHECK_EQ(debugfs_files(NULL), 0);
	vcpu = vcpu_start(MODE_LONG, outs);
	vcpu_create(vcpu->vm, 900);
	expect_exit(vcpu, VMM_EXIT_IO);
	CHECK_EQ(debugfs_files(&file), 1);
	CHECK_EQ(debugfs_value(file, "vm", "vcpus"), 2);
	CHECK_EQ(debugfs_value(file, "vm", "memory"), GUEST_MEM_SIZE);
	CHECK_EQ(debugfs_value(file, "vcpu0", "exit_IO"), 1);
	CHECK_EQ(debugfs_value(file, "vcpu900", "exit_IO"), 0);
	CHECK_EQ(stats_value(stats_open(vcpu->vm->fd), "vcpus"), 2);
	/* The file goes with its VM, also under a reader. */
	_exit(fgets(line, sizeof(line), file) ? KTAP_EXIT_PASS : KTAP_EXIT_FAIL);
}

KTAP_TEST(debugfs_file_of_a_vm_that_is_gone)
{
	struct stats *s;
	struct vm *vm;
	FILE *file = NULL;
	char line[200];

	need_vmm();
	vm = vm_create();
	CHECK_EQ(debugfs_files(&file), 1);
	s = stats_open(vm->fd);
	CHECK_OK(close(vm->fd));
	CHECK_EQ(debugfs_files(NULL), 1);
	CHECK_OK(close(s->fd));
	CHECK_EQ(debugfs_files(NULL), 0);
	CHECK(!fgets(line, sizeof(line), file));
}
