// SPDX-License-Identifier: GPL-2.0
/* run.c - registers and exits of a vCPU, for the test programs. */
#include <stdio.h>

#include "vmm_test.h"

/* The vCPU whose state is shown when a check fails. */
static __thread struct vcpu *last_vcpu;

void vcpu_get_regs(struct vcpu *vcpu, struct vmm_regs *regs)
{
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_REGS, regs));
}

void vcpu_set_regs(struct vcpu *vcpu, const struct vmm_regs *regs)
{
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_REGS, regs));
}

void vcpu_get_sregs(struct vcpu *vcpu, struct vmm_sregs *sregs)
{
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_SREGS, sregs));
}

void vcpu_set_sregs(struct vcpu *vcpu, const struct vmm_sregs *sregs)
{
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_SREGS, sregs));
}

void vcpu_get_events(struct vcpu *vcpu, struct vmm_vcpu_events *events)
{
	CHECK_OK(ioctl(vcpu->fd, VMM_GET_VCPU_EVENTS, events));
}

void vcpu_set_events(struct vcpu *vcpu, const struct vmm_vcpu_events *events)
{
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_VCPU_EVENTS, events));
}

void vcpu_set_rip(struct vcpu *vcpu, uint64_t rip)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rip = rip;
	vcpu_set_regs(vcpu, &regs);
}

uint64_t vcpu_rip(struct vcpu *vcpu)
{
	struct vmm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	return regs.rip;
}

/* struct vmm_msrs with room for one. */
struct one_msr {
	struct vmm_msrs head;
	struct vmm_msr_entry entry;
};

int vcpu_get_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	struct one_msr m = { .head.nmsrs = 1, .entry.index = index };
	int r = ioctl(vcpu->fd, VMM_GET_MSRS, &m);

	*value = m.entry.data;
	return r;
}

int vcpu_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct one_msr m = {
		.head.nmsrs = 1, .entry.index = index, .entry.data = value,
	};

	return ioctl(vcpu->fd, VMM_SET_MSRS, &m);
}

uint64_t vcpu_msr(struct vcpu *vcpu, uint32_t index)
{
	uint64_t value;
	int r = vcpu_get_msr(vcpu, index, &value);

	if (r != 1)
		FAIL("MSR %#x cannot be read: %d", index, r);
	return value;
}

const char *exit_name(uint32_t reason)
{
	static const char *const names[] = {
		"UNKNOWN", "EXCEPTION", "IO", "HYPERCALL", "DEBUG", "HLT", "MMIO",
		"IRQ_WINDOW_OPEN", "SHUTDOWN", "FAIL_ENTRY", "INTR", "SET_TPR",
		"TPR_ACCESS", "13", "14", "15", "NMI", "INTERNAL_ERROR", "18", "19",
		"20", "WATCHDOG", "22", "23", "SYSTEM_EVENT", "25", "IOAPIC_EOI",
		"HYPERV", "28", "X86_RDMSR", "X86_WRMSR", "DIRTY_RING_FULL",
		"AP_RESET_HOLD", "X86_BUS_LOCK", "34", "35", "36", "NOTIFY", "38",
		"MEMORY_FAULT",
	};

	return reason < ARRAY_SIZE(names) ? names[reason] : "?";
}

static void dump_exit(const struct vmm_run *run)
{
	switch (run->exit_reason) {
	case VMM_EXIT_IO:
		ktap_diag("  %s port %#x, %d bytes, %u times",
			  run->io.direction ? "OUT to" : "IN from", run->io.port,
			  run->io.size, run->io.count);
		break;
	case VMM_EXIT_MMIO:
		ktap_diag("  %s %#llx, %u bytes, data %#llx",
			  run->mmio.is_write ? "write to" : "read from",
			  (unsigned long long)run->mmio.phys_addr, run->mmio.len,
			  (unsigned long long)load_le(run->mmio.data, 8));
		break;
	case VMM_EXIT_FAIL_ENTRY:
		ktap_diag("  hardware reason %#llx %.240s",
			  (unsigned long long)run->fail_entry.hardware_entry_failure_reason,
			  run->fail_entry.explain_len ? run->fail_entry.explain : "");
		break;
	case VMM_EXIT_UNKNOWN:
		ktap_diag("  hardware reason %#llx",
			  (unsigned long long)run->hw.hardware_exit_reason);
		break;
	case VMM_EXIT_INTERNAL_ERROR:
		ktap_diag("  suberror %u, %u words: %#llx %#llx %#llx",
			  run->internal.suberror, run->internal.ndata,
			  (unsigned long long)run->internal.data[0],
			  (unsigned long long)run->internal.data[1],
			  (unsigned long long)run->internal.data[2]);
		break;
	}
}

/*
 * QEMU's TCG with several CPUs once in a while exits with the registers of the host
 * as they are after VMRUN, RIP at the instruction behind it, saved as the guest's. No
 * software can write these there, and no guest of these tests runs code up there.
 */
static void skip_if_tcg_mixed_up(const struct vmm_regs *r, const struct vmm_sregs *s)
{
	const uint64_t kernel_text = 0xffffffff80000000;
	const uint16_t kernel_cs = 0x10;

	if (r->rip >= kernel_text && s->cs.selector == kernel_cs && cpu_is_tcg())
		ktap_skip("TCG, with several CPUs, gave the host's registers as the guest's");
}

void vcpu_dump(struct vcpu *vcpu)
{
	struct guest_fault *fault;
	struct vmm_sregs s;
	struct vmm_regs r;

	ktap_diag("vCPU %d: last exit %s", vcpu->id, exit_name(vcpu->run->exit_reason));
	dump_exit(vcpu->run);
	if (ioctl(vcpu->fd, VMM_GET_REGS, &r) || ioctl(vcpu->fd, VMM_GET_SREGS, &s))
		return;
	ktap_diag("  rip %llx cs %x:%llx flags %llx cr0 %llx cr3 %llx cr4 %llx efer %llx",
		  r.rip, s.cs.selector, s.cs.base, r.rflags, s.cr0, s.cr3, s.cr4, s.efer);
	ktap_diag("  rax %llx rbx %llx rcx %llx rdx %llx rsi %llx rdi %llx rsp %llx cr2 %llx",
		  r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rsp, s.cr2);
	skip_if_tcg_mixed_up(&r, &s);
	if (!vcpu->vm->mem)
		return;
	fault = vm_gpa(vcpu->vm, GUEST_FAULT);
	if (fault->count)
		ktap_diag("  guest's last exception: %llu, error %llx, rip %llx, cr2 %llx",
			  (unsigned long long)fault->vector, (unsigned long long)fault->error,
			  (unsigned long long)fault->rip, (unsigned long long)fault->cr2);
}

static void dump_last(void)
{
	if (last_vcpu)
		vcpu_dump(last_vcpu);
}

void vcpu_run(struct vcpu *vcpu)
{
	int r;

	last_vcpu = vcpu;
	ktap_on_fail = dump_last;
	do {
		r = ioctl(vcpu->fd, VMM_RUN, 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		FAIL("VMM_RUN: %s", strerror(errno));
	CHECK_EQ(r, 0);
}

void expect_exit_(struct vcpu *vcpu, uint32_t reason, const char *file, int line)
{
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason != reason)
		ktap_fail(file, line, "exit %s, not %s",
			  exit_name(vcpu->run->exit_reason), exit_name(reason));
}

void expect_out_(struct vcpu *vcpu, uint16_t port, int size, uint64_t value,
		 const char *file, int line)
{
	struct vmm_run *run = vcpu->run;
	uint64_t got;

	expect_exit_(vcpu, VMM_EXIT_IO, file, line);
	if (run->io.direction != VMM_EXIT_IO_OUT || run->io.port != port ||
	    run->io.size != size || run->io.count != 1)
		ktap_fail(file, line, "not an OUT of %d bytes to port %#x", size, port);
	got = load_le(run_io_data(run), size);
	if (got != value)
		ktap_fail(file, line, "OUT of %#llx, not %#llx",
			  (unsigned long long)got, (unsigned long long)value);
}

uint32_t expect_report_(struct vcpu *vcpu, const char *file, int line)
{
	struct vmm_run *run = vcpu->run;

	expect_exit_(vcpu, VMM_EXIT_IO, file, line);
	if (run->io.direction != VMM_EXIT_IO_OUT || run->io.port != PORT_REPORT ||
	    run->io.size != 4 || run->io.count != 1)
		ktap_fail(file, line, "not a report");
	return load_le(run_io_data(run), 4);
}

static void expect_mmio(struct vcpu *vcpu, uint64_t gpa, int len, bool write,
			const char *file, int line)
{
	struct vmm_run *run = vcpu->run;

	expect_exit_(vcpu, VMM_EXIT_MMIO, file, line);
	if (run->mmio.phys_addr != gpa || run->mmio.len != (uint32_t)len ||
	    run->mmio.is_write != write)
		ktap_fail(file, line, "not a %s of %d bytes at %#llx",
			  write ? "write" : "read", len, (unsigned long long)gpa);
}

void expect_mmio_write_(struct vcpu *vcpu, uint64_t gpa, int len, uint64_t value,
			const char *file, int line)
{
	uint64_t got;

	expect_mmio(vcpu, gpa, len, true, file, line);
	got = load_le(vcpu->run->mmio.data, len);
	if (got != value)
		ktap_fail(file, line, "MMIO write of %#llx, not %#llx",
			  (unsigned long long)got, (unsigned long long)value);
}

void expect_mmio_read_(struct vcpu *vcpu, uint64_t gpa, int len, uint64_t value,
		       const char *file, int line)
{
	expect_mmio(vcpu, gpa, len, false, file, line);
	memcpy(vcpu->run->mmio.data, &value, len);
}

struct guest_fault *expect_fault_(struct vcpu *vcpu, int vector,
				  const char *file, int line)
{
	struct guest_fault *fault = vm_gpa(vcpu->vm, GUEST_FAULT);
	uint64_t count = fault->count;

	expect_exit_(vcpu, VMM_EXIT_HLT, file, line);
	if (fault->count != count + 1)
		ktap_fail(file, line, "no exception, not vector %d", vector);
	if (fault->vector != (uint64_t)vector)
		ktap_fail(file, line, "exception %llu, not %d",
			  (unsigned long long)fault->vector, vector);
	return fault;
}
