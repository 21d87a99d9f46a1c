// SPDX-License-Identifier: GPL-2.0
/*
 * vmmrun - boots a Linux kernel in a virtual machine on /dev/vmm. Small on purpose: it is
 * the example that Documentation/vmmrun.rst walks through, a file a topic:
 *
 *	vm.c		the VM: memory, interrupt controllers, eventfds
 *	linux.c		the kernel in memory, and how it is entered
 *	acpi.c		the tables that describe the machine; power-off
 *	vcpu.c		the CPUs, the loop around VMM_RUN, the end
 *	serial.c	a serial port, the terminal
 *	disk.c		virtio disks
 *	stats.c		the kernel's counters
 *	fuzz.c		--fuzz-demo: another use of a VM, without Linux
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "vmmrun.h"

#define MIN_MEMORY	(32ull << 20)
#define MAX_MEMORY	(1ull << 40)

/* There is no PCI bus to look for, and no keyboard. */
#define CMDLINE		"console=ttyS0 pci=off"

static struct {
	const char *device, *kernel, *initrd, *append;
	char *disks[MAX_DISKS];
	unsigned int disk_count, cpus;
	uint64_t memory;
	bool stats, fuzz;
} options = { .device = "/dev/vmm", .append = "", .cpus = 1, .memory = 512ull << 20 };

static const struct option long_options[] = {
	{ "append", required_argument, NULL, 'a' },
	{ "device", required_argument, NULL, 'D' },
	{ "disk", required_argument, NULL, 'd' },
	{ "fuzz-demo", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "initrd", required_argument, NULL, 'i' },
	{ "kernel", required_argument, NULL, 'k' },
	{ "mem", required_argument, NULL, 'm' },
	{ "smp", required_argument, NULL, 's' },
	{ "stats", no_argument, NULL, 'S' },
	{ 0 },
};

static void __attribute__((noreturn)) usage(FILE *to, enum status status)
{
	fprintf(to,
		"usage: vmmrun --kernel BZIMAGE [OPTION]...\n"
		"  --initrd FILE     its initial RAM file system\n"
		"  --append ARGS     more kernel arguments, after \"" CMDLINE "\"\n"
		"  --mem SIZE        memory in MiB, or with G at the end in GiB (512)\n"
		"  --smp N           CPUs (1)\n"
		"  --disk FILE[,ro]  a disk: vda, vdb and so on; ro: the guest may only read\n"
		"  --device PATH     the hypervisor (/dev/vmm)\n"
		"  --stats           show at the end what the guest exited for\n"
		"  --fuzz-demo       no Linux: find a bug in a small guest with snapshots\n"
		"Ctrl-A x ends the guest. More is in vmmrun(1).\n");
	exit(status);
}

static void __attribute__((noreturn)) wrong(const char *option, const char *value)
{
	fprintf(stderr, "vmmrun: '%s' is not what %s takes; see vmmrun --help\n", value, option);
	exit(STATUS_USAGE);
}

static uint64_t number(const char *option, const char *text, uint64_t unit, uint64_t min,
		       uint64_t max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (unit > 1 && (*end == 'G' || *end == 'M') && !end[1])
		unit = *end++ == 'G' ? 1 << 30 : 1 << 20;
	if (errno || end == text || *end || *text == '-' || value > max / unit ||
	    value * unit < min)
		wrong(option, text);
	return value * unit;
}

static void parse(int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'a':
			options.append = optarg;
			break;
		case 'D':
			options.device = optarg;
			break;
		case 'd':
			if (options.disk_count == MAX_DISKS)
				wrong("--disk, at most 8 times,", optarg);
			options.disks[options.disk_count++] = optarg;
			break;
		case 'f':
			options.fuzz = true;
			break;
		case 'h':
			usage(stdout, 0);
		case 'i':
			options.initrd = optarg;
			break;
		case 'k':
			options.kernel = optarg;
			break;
		case 'm':
			options.memory = number("--mem", optarg, 1 << 20, MIN_MEMORY, MAX_MEMORY);
			break;
		case 's':
			options.cpus = number("--smp", optarg, 1, 1, MAX_CPUS);
			break;
		case 'S':
			options.stats = true;
			break;
		default:
			usage(stderr, STATUS_USAGE);
		}
	}
	if (optind < argc || !options.kernel == !options.fuzz)
		usage(stderr, STATUS_USAGE);
}

static void add_disk(char *argument)
{
	char *comma = strrchr(argument, ',');
	bool readonly = comma && !strcmp(comma, ",ro");

	if (readonly)
		*comma = '\0';
	disk_add(argument, readonly);
}

static enum status boot(void)
{
	bool interactive = isatty(STDIN_FILENO);
	enum status status;
	sigset_t signals;
	char *cmdline;
	int max;

	max = ioctl(vm.dev, VMM_CHECK_EXTENSION, VMM_CAP_MAX_VCPUS);
	errno = 0;
	if (max > 0 && options.cpus > (unsigned int)max)
		die("ask for fewer with --smp", "the hypervisor gives a VM at most %d vCPUs", max);
	vm.cpus = options.cpus;

	/* For vm_wait(), which reads them from a file; the threads inherit that. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	vm_create(options.memory);
	for (unsigned int i = 0; i < options.disk_count; i++)
		add_disk(options.disks[i]);
	if (asprintf(&cmdline, "%s %s", CMDLINE, options.append) < 0)
		die(NULL, "the command line");
	linux_load(options.kernel, options.initrd, cmdline);
	free(cmdline);
	vcpus_create();
	if (interactive)
		terminal_raw();
	vcpus_start();
	status = vm_wait(interactive);
	vcpus_stop();
	disks_stop();
	return status;
}

int main(int argc, char **argv)
{
	enum status status;

	parse(argc, argv);
	vm_open(options.device);
	if (options.fuzz)
		return fuzz_demo();
	status = boot();
	if (status == STATUS_RESET)
		fprintf(stderr, "vmmrun: the guest reset the machine; that ends it here\n");
	if (options.stats) {
		stats_show("VM", vm.fd);
		vcpus_stats();
		disks_stats();
	}
	return status;
}
