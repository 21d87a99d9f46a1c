// SPDX-License-Identifier: GPL-2.0
/*
 * trace_test.c - each tracepoint in events/vmm/ is reached, and says what the
 * guest did.
 */
#include <fcntl.h>

#include "vmm_test.h"

#define TRACING "/sys/kernel/tracing/"
#define EVENTS	TRACING "events/vmm/"

static char trace[1 << 20];

static void put(const char *path, const char *text)
{
	int fd = CHECK_OK(open(path, O_WRONLY | O_TRUNC));

	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void read_trace(void)
{
	int fd = CHECK_OK(open(TRACING "trace", O_RDONLY));
	size_t have = 0;
	ssize_t n;

	while ((n = CHECK_OK(read(fd, trace + have, sizeof(trace) - 1 - have))) > 0)
		have += n;
	trace[have] = 0;
	close(fd);
}

static void expect_line(const char *line)
{
	if (!strstr(trace, line))
		FAIL("no \"%s\" in:\n%s", line, trace);
}

GUEST64(traced,
	xor %eax, %eax; xor %ecx, %ecx; cpuid;
	mov $MSR_EFER, %ecx; rdmsr; wrmsr;
	mov $PORT_REPORT, %edx; mov $0x77, %eax; out %al, %dx;
	mov $GUEST_MMIO, %ebx; mov %eax, (%rbx); mov (%rbx), %eax;
	mov $0xdead, %ecx; rdmsr);
/* Device memory as a factor is not emulated. */
GUEST64(not_emulated, mov $GUEST_MMIO, %ebx; mull (%rbx); hlt);

KTAP_TEST(tracepoints)
{
	struct vcpu *vcpu, *other;

	if (!vmm_is_vmm())
		ktap_skip("the events of another hypervisor");
	if (access(EVENTS "enable", W_OK))
		ktap_skip("no %s: a kernel without CONFIG_EVENT_TRACING", EVENTS);
	vcpu = vcpu_start(MODE_LONG, traced);
	other = vcpu_start(MODE_LONG, not_emulated);
	put(TRACING "trace", "");
	put(EVENTS "enable", "1");
	expect_out(vcpu, PORT_REPORT, 1, 0x77);
	expect_exit(vcpu, VMM_EXIT_MMIO);
	expect_exit(vcpu, VMM_EXIT_MMIO);
	CHECK_EQ(expect_fault(vcpu, VMM_GP_VECTOR)->error, 0);
	expect_exit(other, VMM_EXIT_INTERNAL_ERROR);
	put(EVENTS "enable", "0");
	read_trace();
	expect_line("vmm_entry: vcpu 0");
	expect_line("vmm_exit: vcpu 0");
	expect_line("vmm_cpuid: vcpu 0 leaf 0x0.0x0: 0x");
	expect_line("vmm_msr: vcpu 0 rdmsr 0xc0000080 value 0x500");
	expect_line("vmm_msr: vcpu 0 wrmsr 0xc0000080 value 0x500");
	expect_line("vmm_msr: vcpu 0 rdmsr 0xdead value 0x0 #GP");
	expect_line("vmm_inject: vcpu 0 exception vector 13 error 0x0");
	expect_line("vmm_pio: vcpu 0 out port 0x3f0 size 1 count 1 value 0x77");
	expect_line("vmm_fault: vcpu 0");
	expect_line("vmm_mmio: vcpu 0 write gpa 0x10000000 len 4 value 0x77");
	expect_line("vmm_mmio: vcpu 0 read gpa 0x10000000 len 4");
	expect_line("vmm_emulation_failed: vcpu 0 rip");
	expect_line("bytes f7 23");
}
