// SPDX-License-Identifier: GPL-2.0
/*
 * exit_accesses_test.c - how often an exit reads and writes the control structure,
 * on the CPUs on which that takes an instruction of its own (VMREAD, VMWRITE).
 *
 * Debug builds of vmm-intel.ko (make VMM_DEBUG=1) count, and show by reason what
 * the last exit and the cheapest one cost.
 */
#include <stdio.h>

#include "vmm_test.h"

#define COUNTERS	"/sys/module/vmm_intel/parameters/exit_cost"

GUEST64(loop_cpuid, mov $1000, %r14d; 1: xor %eax, %eax; cpuid; dec %r14d; jnz 1b; hlt);
GUEST64(loop_rdmsr, mov $1000, %r14d; mov $0xc0000080, %ecx; 1: rdmsr; dec %r14d; jnz 1b; hlt);
GUEST64(one_out, mov $PORT_REPORT, %edx; out %al, %dx; out %al, %dx; out %al, %dx; hlt);

/* The counters of a reason; skips where nothing is counted. */
static void accesses(const char *reason, unsigned int *last, unsigned int *least)
{
	char line[128], name[32];
	FILE *f = fopen(COUNTERS, "r");
	bool found = false;

	if (!f)
		ktap_skip("the CPU's control structure is plain memory, not VT-x's");
	while (!found && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "not counted", 11))
			ktap_skip("vmm-intel.ko was built without VMM_DEBUG=1");
		found = sscanf(line, "%31s %u %u", name, last, least) == 3 && !strcmp(name, reason);
	}
	fclose(f);
	if (!found)
		FAIL("%s has no counter of %s", COUNTERS, reason);
	ktap_diag("%s: %u, at least %u", reason, *last, *least);
}

KTAP_TEST(cpuid)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, loop_cpuid);
	unsigned int last, least;

	expect_hlt(vcpu);
	accesses("CPUID", &last, &least);
	/* None at all would mean that nothing counts. */
	CHECK(least >= 2);
	CHECK(last <= 6);
}

KTAP_TEST(rdmsr)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, loop_rdmsr);
	unsigned int last, least;

	expect_hlt(vcpu);
	accesses("RDMSR", &last, &least);
	CHECK(least >= 2);
	CHECK(last <= 6);
}

/* One that user space handles reads more: what the run page shows of the state. */
KTAP_TEST(out)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, one_out);
	unsigned int last, least;

	expect_exit(vcpu, VMM_EXIT_IO);
	expect_exit(vcpu, VMM_EXIT_IO);
	expect_exit(vcpu, VMM_EXIT_IO);
	expect_hlt(vcpu);
	accesses("IO", &last, &least);
	CHECK(last <= 12);
}
