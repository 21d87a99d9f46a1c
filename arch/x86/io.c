// SPDX-License-Identifier: GPL-2.0
/*
 * Port and memory-mapped I/O: to listeners in the kernel, else to user space.
 *
 * Simple IN and OUT are handled from the exit record alone. Everything else
 * comes from the emulator: a read that user space must answer suspends the
 * instruction, a write is queued in arch.io and goes out when the instruction
 * is complete, eight bytes an exit. The run page and the PIO page are shared
 * with user space: written once, read once.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/string.h>

#include <emulate/emulate.h>
#include <vmm/io_bus.h>
#include <vmm/lapic.h>
#include <vmm/trace.h>
#include <vmm/x86.h>

/* The pages of the run mapping are contiguous in the kernel. */
static void *pio_page(struct vmm_vcpu *vcpu)
{
	return (void *)vcpu->run + VMM_PIO_PAGE * PAGE_SIZE;
}

/* --- exits --- */

static int pio_exit(struct vmm_vcpu *vcpu, bool in, u16 port, unsigned int size,
		    unsigned int count)
{
	struct vmm_run *run = vcpu->run;
	struct vmm_io_pending *io = &vcpu->arch.io;

	run->exit_reason = VMM_EXIT_IO;
	run->io.direction = in ? VMM_EXIT_IO_IN : VMM_EXIT_IO_OUT;
	run->io.size = size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = VMM_PIO_PAGE * PAGE_SIZE;
	io->wait = in ? VMM_IO_PIO_IN : VMM_IO_PIO_OUT;
	io->len = size * count;
	vcpu->arch.stat.io_exits++;
	return VMM_TO_USER;
}

static int mmio_exit(struct vmm_vcpu *vcpu, bool write, gpa_t gpa, const void *data,
		     unsigned int len)
{
	struct vmm_run *run = vcpu->run;
	struct vmm_io_pending *io = &vcpu->arch.io;

	run->exit_reason = VMM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = write;
	if (write)
		memcpy(run->mmio.data, data, len);
	io->wait = write ? VMM_IO_MMIO_WRITE : VMM_IO_MMIO_READ;
	io->len = len;
	vcpu->arch.stat.mmio_exits++;
	return VMM_TO_USER;
}

/* The next eight bytes of the queued write. */
static int next_fragment(struct vmm_vcpu *vcpu)
{
	struct vmm_io_pending *io = &vcpu->arch.io;
	unsigned int n = min_t(unsigned int, io->frag[0].len - io->frag_pos, 8);
	unsigned int at = io->data_len - io->frag[0].len + io->frag_pos;

	if (io->nr_frags == 2)
		at -= io->frag[1].len;
	return mmio_exit(vcpu, true, io->frag[0].gpa + io->frag_pos, io->data + at, n);
}

bool vmm_io_queued(struct vmm_vcpu *vcpu)
{
	return vcpu->arch.io.nr_frags || vcpu->arch.io.wait;
}

/*
 * Leave for user space with what the emulator's callbacks asked: a read has
 * filled in the run page already, a write is queued.
 */
int vmm_io_exit(struct vmm_vcpu *vcpu)
{
	vcpu->arch.io.rip = vcpu_rip(vcpu);
	if (!vcpu->arch.io.wait)
		return next_fragment(vcpu);
	return VMM_TO_USER;
}

/* --- the emulator's device accesses: 0, EMU_STOP or -EMU_IO --- */

/* The answer that user space gave on an earlier attempt, if there is one. */
static bool answered(struct vmm_vcpu *vcpu, void *buf, unsigned int len)
{
	struct vmm_io_pending *io = &vcpu->arch.io;

	if (io->log_pos + len > io->log_len)
		return false;
	memcpy(buf, io->log + io->log_pos, len);
	io->log_pos += len;
	return true;
}

/* The vCPU's own APIC is before all others. 0: answered in the kernel. */
static int device_read(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *buf)
{
	if (vcpu->arch.apic && !vmm_apic_mmio_read(vcpu, gpa, len, buf))
		return 0;
	return vmm_bus_read(vcpu, VMM_BUS_MMIO, gpa, len, buf);
}

static int device_write(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *buf)
{
	if (vcpu->arch.apic && !vmm_apic_mmio_write(vcpu, gpa, len, buf))
		return 0;
	return vmm_bus_write(vcpu, VMM_BUS_MMIO, gpa, len, buf);
}

int vmm_mmio_read(struct vmm_vcpu *vcpu, gpa_t gpa, void *buf, unsigned int len)
{
	while (len) {
		unsigned int n = min(len, 8u);

		if (!answered(vcpu, buf, n)) {
			if (device_read(vcpu, gpa, n, buf)) {
				trace_vmm_mmio(vcpu, false, gpa, n, 0);
				mmio_exit(vcpu, false, gpa, NULL, n);
				return -EMU_IO;
			}
			/* A restart must not read the device twice. */
			if (vcpu->arch.io.log_len + n > VMM_IO_LOG)
				return -EMU_UNHANDLED;
			memcpy(vcpu->arch.io.log + vcpu->arch.io.log_len, buf, n);
			vcpu->arch.io.log_len += n;
			vcpu->arch.io.log_pos += n;
		}
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int vmm_mmio_write(struct vmm_vcpu *vcpu, gpa_t gpa, const void *buf, unsigned int len)
{
	struct vmm_io_pending *io = &vcpu->arch.io;
	u64 value = 0;

	memcpy(&value, buf, min(len, 8u));
	trace_vmm_mmio(vcpu, true, gpa, len, value);
	if (len <= 8 && !device_write(vcpu, gpa, len, buf))
		return 0;
	if (io->nr_frags == VMM_IO_FRAGS || io->data_len + len > sizeof(io->data))
		return -EMU_UNHANDLED;
	memcpy(io->data + io->data_len, buf, len);
	io->data_len += len;
	io->frag[io->nr_frags].gpa = gpa;
	io->frag[io->nr_frags++].len = len;
	return EMU_STOP;
}

int vmm_mmio_store(struct vmm_vcpu *vcpu, gpa_t gpa, unsigned int len, u64 value)
{
	struct vmm_run *run = vcpu->run;

	trace_vmm_mmio(vcpu, true, gpa, len, value);
	if (!device_write(vcpu, gpa, len, &value))
		return VMM_RESUME;
	run->exit_reason = VMM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = true;
	memcpy(run->mmio.data, &value, sizeof(value));
	vcpu->arch.stat.mmio_exits++;
	return VMM_TO_USER;
}

/* INS: a batch of items; listeners answer one at a time. */
int vmm_pio_in(struct vmm_vcpu *vcpu, u16 port, unsigned int size, unsigned int count, void *buf)
{
	unsigned int i;

	if (answered(vcpu, buf, size * count))
		return 0;
	for (i = 0; i < count; i++)
		if (vmm_bus_read(vcpu, VMM_BUS_PIO, port, size, buf + i * size))
			break;
	if (i == count)
		return 0;
	if (i)
		return -EMU_UNHANDLED;	/* a listener that went away in mid-batch */
	trace_vmm_pio(vcpu, true, port, size, count, 0);
	pio_exit(vcpu, true, port, size, count);
	return -EMU_IO;
}

/* OUTS: the batch is user space's at once. */
int vmm_pio_out(struct vmm_vcpu *vcpu, u16 port, unsigned int size, unsigned int count,
		const void *buf)
{
	unsigned int i = 0;

	while (i < count && !vmm_bus_write(vcpu, VMM_BUS_PIO, port, size, buf + i * size))
		i++;
	if (i == count)
		return 0;
	trace_vmm_pio(vcpu, false, port, size, count - i, 0);
	memcpy(pio_page(vcpu), buf + i * size, (count - i) * size);
	pio_exit(vcpu, false, port, size, count - i);
	return EMU_STOP;
}

/* --- IN and OUT from the exit record --- */

static int handle_in(struct vmm_vcpu *vcpu, u16 port, unsigned int size)
{
	u64 value = 0;
	int r = vmm_skip_insn(vcpu);

	if (!vmm_bus_read(vcpu, VMM_BUS_PIO, port, size, &value)) {
		vmm_set_in_value(vcpu, size, value);
		return r;
	}
	trace_vmm_pio(vcpu, true, port, size, 1, 0);
	vcpu->arch.io.in_size = size;
	vcpu->arch.io.rip = vcpu_rip(vcpu);
	return pio_exit(vcpu, true, port, size, 1);
}

/* Nothing is left to do when user space has seen it. */
static int handle_out(struct vmm_vcpu *vcpu, u16 port, unsigned int size)
{
	u64 value = vcpu->arch.gpr[GPR_RAX] & GENMASK_ULL(size * 8 - 1, 0);
	int r = vmm_skip_insn(vcpu);

	trace_vmm_pio(vcpu, false, port, size, 1, value);
	if (!vmm_bus_write(vcpu, VMM_BUS_PIO, port, size, &value))
		return r;
	*(u64 *)pio_page(vcpu) = value;
	pio_exit(vcpu, false, port, size, 1);
	vcpu->arch.io.wait = VMM_IO_NONE;
	return VMM_TO_USER;
}

int vmm_handle_io(struct vmm_vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->arch.exit;

	if (unlikely(exit->io.string))
		return vmm_emulate(vcpu);
	return exit->io.in ? handle_in(vcpu, exit->io.port, exit->io.size) :
			     handle_out(vcpu, exit->io.port, exit->io.size);
}

/* IN writes AL, AX, or all of RAX by way of EAX. */
void vmm_set_in_value(struct vmm_vcpu *vcpu, unsigned int size, u64 value)
{
	u64 *rax = &vcpu->arch.gpr[GPR_RAX];

	if (size == 4)
		*rax = (u32)value;
	else
		memcpy(rax, &value, size);
}

/* --- RUN was called again --- */

static int complete_read(struct vmm_vcpu *vcpu, const void *answer)
{
	struct vmm_io_pending *io = &vcpu->arch.io;
	u64 value = 0;

	if (io->in_size) {
		memcpy(&value, answer, io->in_size);
		vmm_set_in_value(vcpu, io->in_size, value);
		io->in_size = 0;
		return VMM_RESUME;
	}
	if (io->plain_load) {
		io->plain_load = false;
		memcpy(&value, answer, io->len);
		return vmm_finish_load(vcpu, value);
	}
	if (io->log_len + io->len > sizeof(io->log))
		return vmm_internal_error(vcpu, VMM_INTERNAL_ERROR_EMULATION);
	memcpy(io->log + io->log_len, answer, io->len);
	io->log_len += io->len;
	return vmm_emulate(vcpu);
}

static int complete_write(struct vmm_vcpu *vcpu)
{
	struct vmm_io_pending *io = &vcpu->arch.io;

	io->frag_pos += io->len;
	if (io->frag_pos == io->frag[0].len) {
		io->frag_pos = 0;
		io->frag[0] = io->frag[1];
		if (!--io->nr_frags) {
			io->data_len = 0;
			return io->emulating ? vmm_emulate(vcpu) : VMM_RESUME;
		}
	}
	return next_fragment(vcpu);
}

void vmm_io_drop(struct vmm_vcpu *vcpu)
{
	struct vmm_io_pending *io = &vcpu->arch.io;

	io->nr_frags = io->frag_pos = io->data_len = 0;
	io->log_len = 0;
	io->in_size = 0;
	io->emulating = io->plain_load = false;
}

int vmm_complete_io(struct vmm_vcpu *vcpu)
{
	struct vmm_io_pending *io = &vcpu->arch.io;
	u8 wait = io->wait;

	io->wait = VMM_IO_NONE;
	/* User space reset the vCPU or moved it elsewhere: no answer is due. */
	if (unlikely(vcpu_rip(vcpu) != io->rip)) {
		vmm_io_drop(vcpu);
		return VMM_RESUME;
	}
	switch (wait) {
	case VMM_IO_PIO_IN:
		return complete_read(vcpu, pio_page(vcpu));
	case VMM_IO_MMIO_READ:
		return complete_read(vcpu, vcpu->run->mmio.data);
	case VMM_IO_MMIO_WRITE:
		return complete_write(vcpu);
	case VMM_IO_RDMSR:
	case VMM_IO_WRMSR:
		return vmm_complete_user_msr(vcpu, wait == VMM_IO_WRMSR);
	default:
		return VMM_RESUME;
	}
}
