// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - the kernel's counters of a VM or vCPU. Teaches VMM_GET_STATS_FD: a file that
 * describes itself, so that whoever reads it needs to know no counter by name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "vmmrun.h"

/* Whether all of a part of the file was read. */
static bool part(int fd, uint64_t offset, void *into, size_t size)
{
	return pread(fd, into, size, offset) == (ssize_t)size;
}

/* Print what is not 0 and has one value; who is a VM's or vCPU's descriptor. */
void stats_show(const char *who, int fd)
{
	struct vmm_stats_header header;
	struct vmm_stats_desc *desc;
	int stats = ioctl(fd, VMM_GET_STATS_FD, 0);
	uint64_t value;
	size_t size;

	if (stats < 0 || !part(stats, 0, &header, sizeof(header)))
		die("start without --stats", "the hypervisor has no statistics to show");
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	if (!desc)
		die(NULL, "statistics");
	for (unsigned int i = 0; i < header.num_desc; i++) {
		if (!part(stats, header.desc_offset + i * size, desc, size) ||
		    !part(stats, header.data_offset + desc->offset, &value, sizeof(value)))
			die(NULL, "a statistic cannot be read");
		if (desc->size == 1 && value)
			fprintf(stderr, "vmmrun: %-8s %-32.*s %20llu\n", who, (int)header.name_size,
				desc->name, (unsigned long long)value);
	}
	free(desc);
	close(stats);
}
