/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The instructions that reach a VMCS, and those that drop translations. Each
 * works on the VMCS that is current on this CPU: the vCPU must be loaded.
 *
 * An instruction that the CPU refuses is a bug of ours and is reported once per
 * call site's field. One that raises #UD, because an emergency reboot took VMX
 * away from under us, is skipped and reads as zero: the machine is going down.
 */
#ifndef _INTEL_VMCS_H
#define _INTEL_VMCS_H

#include <linux/percpu.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/vmx.h>

/* Debug builds count accesses per CPU; see exit_cost in debug.c. */
#ifndef VMM_DEBUG
#define VMM_DEBUG 0
#endif
DECLARE_PER_CPU(u64, intel_vmcs_accesses);

void intel_vmcs_refused(const char *what, unsigned long field);

static __always_inline void vmcs_count_access(void)
{
	if (VMM_DEBUG)
		this_cpu_inc(intel_vmcs_accesses);
}

static __always_inline unsigned long vmcs_read(unsigned long field)
{
	unsigned long value;
	bool failed;

	vmcs_count_access();
	asm volatile("1: vmread %[field], %[value]\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_ZERO_REG, %[value])
		     : [value] "=r" (value), "=@ccbe" (failed)
		     : [field] "r" (field));
	if (unlikely(failed)) {
		intel_vmcs_refused("VMREAD", field);
		return 0;
	}
	return value;
}

static __always_inline void vmcs_write(unsigned long field, unsigned long value)
{
	bool failed;

	vmcs_count_access();
	asm volatile("1: vmwrite %[value], %[field]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed)
		     : [field] "r" (field), [value] "r" (value) : "memory");
	if (unlikely(failed))
		intel_vmcs_refused("VMWRITE", field);
}

static inline void vmcs_clear(phys_addr_t pa)
{
	bool failed;

	asm volatile("1: vmclear %[pa]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed) : [pa] "m" (pa) : "memory");
	if (unlikely(failed))
		intel_vmcs_refused("VMCLEAR", pa);
}

static inline void vmcs_make_current(phys_addr_t pa)
{
	bool failed;

	asm volatile("1: vmptrld %[pa]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed) : [pa] "m" (pa) : "memory");
	if (unlikely(failed))
		intel_vmcs_refused("VMPTRLD", pa);
}

/* 0, or -EIO if the CPU refused (it is in VMX operation, or lacks the revision). */
static inline int cpu_vmxon_page(phys_addr_t pa)
{
	bool failed = true;
	int fault = 0;

	asm volatile("1: vmxon %[pa]\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_ONE_REG, %[fault])
		     : "=@ccbe" (failed), [fault] "+r" (fault)
		     : [pa] "m" (pa) : "memory");
	return fault || failed ? -EIO : 0;
}

static inline void cpu_leave_vmx(void)
{
	asm volatile("1: vmxoff\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : : : "cc", "memory");
}

static inline void ept_invalidate(unsigned long type, u64 eptp)
{
	struct {
		u64 eptp, reserved;
	} operand = { eptp, 0 };
	bool failed;

	asm volatile("1: invept %[operand], %[type]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed)
		     : [operand] "m" (operand), [type] "r" (type) : "memory");
	if (unlikely(failed))
		intel_vmcs_refused("INVEPT", type);
}

static inline void vpid_invalidate(unsigned long type, u16 vpid, u64 gva)
{
	struct {
		u64 vpid, gva;
	} operand = { vpid, gva };
	bool failed;

	asm volatile("1: invvpid %[operand], %[type]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed)
		     : [operand] "m" (operand), [type] "r" (type) : "memory");
	if (unlikely(failed))
		intel_vmcs_refused("INVVPID", type);
}

#endif
