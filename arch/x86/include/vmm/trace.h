/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: events/vmm/ in tracefs. Off, each costs a no-op; see
 * Documentation/debugging.rst for recipes.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmm

#if !defined(_VMM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VMM_TRACE_H

#include <linux/tracepoint.h>
#include <vmm/compat.h>
#include <vmm/x86.h>

#define VMM_TRACE_REASON(n)	{ VX_##n, #n },

/* trace-cmd and perf read the format: they know no enum but those that are told. */
#define VMM_TRACE_ENUM(n)	TRACE_DEFINE_ENUM(VX_##n);
VMM_EXIT_REASONS(VMM_TRACE_ENUM)
#undef VMM_TRACE_ENUM
TRACE_DEFINE_ENUM(VMM_EVENT_INTR);
TRACE_DEFINE_ENUM(VMM_EVENT_NMI);
TRACE_DEFINE_ENUM(VMM_EVENT_EXCEPTION);
TRACE_DEFINE_ENUM(VMM_EVENT_SOFT_INTR);
TRACE_DEFINE_ENUM(VMM_EVENT_SOFT_EXCEPTION);

TRACE_EVENT(vmm_entry,
	TP_PROTO(struct vmm_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u8, inject)
		__field(u8, vector)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->inject = vcpu->arch.inject.type;
		__entry->vector = vcpu->arch.inject.vector;
	),
	TP_printk("vcpu %u inject %u vector %u", __entry->vcpu, __entry->inject, __entry->vector)
);

TRACE_EVENT(vmm_exit,
	TP_PROTO(struct vmm_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u16, reason)
		__field(u64, hw_reason)
		__field(u64, info0)
		__field(u64, info1)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->reason = vcpu->arch.exit.reason;
		__entry->hw_reason = vcpu->arch.exit.hw_reason;
		__entry->info0 = vcpu->arch.exit.info[0];
		__entry->info1 = vcpu->arch.exit.info[1];
		__entry->rip = vcpu_rip(vcpu);
	),
	TP_printk("vcpu %u reason %s rip %#llx (hardware %#llx info %#llx %#llx)",
		  __entry->vcpu,
		  __print_symbolic(__entry->reason, VMM_EXIT_REASONS(VMM_TRACE_REASON) { -1, "?" }),
		  __entry->rip, __entry->hw_reason, __entry->info0, __entry->info1)
);

TRACE_EVENT(vmm_fault,
	TP_PROTO(struct vmm_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u64, gpa)
		__field(u8, access)
		__field(bool, present)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->gpa = vcpu->arch.exit.fault.gpa;
		__entry->access = vcpu->arch.exit.fault.access;
		__entry->present = vcpu->arch.exit.fault.present;
	),
	TP_printk("vcpu %u gpa %#llx %s%s%s%s", __entry->vcpu, __entry->gpa,
		  __entry->access & VMM_ACCESS_READ ? "r" : "-",
		  __entry->access & VMM_ACCESS_WRITE ? "w" : "-",
		  __entry->access & VMM_ACCESS_EXEC ? "x" : "-",
		  __entry->present ? " denied" : " absent")
);

TRACE_EVENT(vmm_inject,
	TP_PROTO(struct vmm_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u8, type)
		__field(u8, vector)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->type = vcpu->arch.inject.type;
		__entry->vector = vcpu->arch.inject.vector;
		__entry->error = vcpu->arch.inject.error;
	),
	TP_printk("vcpu %u %s vector %u error %#x", __entry->vcpu,
		  __print_symbolic(__entry->type,
			{ VMM_EVENT_INTR, "interrupt" }, { VMM_EVENT_NMI, "nmi" },
			{ VMM_EVENT_EXCEPTION, "exception" }, { VMM_EVENT_SOFT_INTR, "int n" },
			{ VMM_EVENT_SOFT_EXCEPTION, "int3/into" }),
		  __entry->vector, __entry->error)
);

TRACE_EVENT(vmm_pio,
	TP_PROTO(struct vmm_vcpu *vcpu, bool in, u16 port, u8 size, u32 count, u64 value),
	TP_ARGS(vcpu, in, port, size, count, value),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(bool, in)
		__field(u16, port)
		__field(u8, size)
		__field(u32, count)
		__field(u64, value)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->in = in;
		__entry->port = port;
		__entry->size = size;
		__entry->count = count;
		__entry->value = value;
	),
	TP_printk("vcpu %u %s port %#x size %u count %u value %#llx", __entry->vcpu,
		  __entry->in ? "in" : "out", __entry->port, __entry->size, __entry->count,
		  __entry->value)
);

TRACE_EVENT(vmm_mmio,
	TP_PROTO(struct vmm_vcpu *vcpu, bool write, u64 gpa, u32 len, u64 value),
	TP_ARGS(vcpu, write, gpa, len, value),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(bool, write)
		__field(u64, gpa)
		__field(u32, len)
		__field(u64, value)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->write = write;
		__entry->gpa = gpa;
		__entry->len = len;
		__entry->value = value;
	),
	TP_printk("vcpu %u %s gpa %#llx len %u value %#llx", __entry->vcpu,
		  __entry->write ? "write" : "read", __entry->gpa, __entry->len, __entry->value)
);

TRACE_EVENT(vmm_msr,
	TP_PROTO(struct vmm_vcpu *vcpu, bool write, u32 msr, u64 value, bool fault),
	TP_ARGS(vcpu, write, msr, value, fault),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(bool, write)
		__field(u32, msr)
		__field(u64, value)
		__field(bool, fault)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->write = write;
		__entry->msr = msr;
		__entry->value = value;
		__entry->fault = fault;
	),
	TP_printk("vcpu %u %s %#x value %#llx%s", __entry->vcpu,
		  __entry->write ? "wrmsr" : "rdmsr", __entry->msr, __entry->value,
		  __entry->fault ? " #GP" : "")
);

TRACE_EVENT(vmm_cpuid,
	TP_PROTO(struct vmm_vcpu *vcpu, u32 function, u32 index, u32 eax, u32 ebx, u32 ecx,
		 u32 edx),
	TP_ARGS(vcpu, function, index, eax, ebx, ecx, edx),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, function)
		__field(u32, index)
		__field(u32, eax)
		__field(u32, ebx)
		__field(u32, ecx)
		__field(u32, edx)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->function = function;
		__entry->index = index;
		__entry->eax = eax;
		__entry->ebx = ebx;
		__entry->ecx = ecx;
		__entry->edx = edx;
	),
	TP_printk("vcpu %u leaf %#x.%#x: %#x %#x %#x %#x", __entry->vcpu, __entry->function,
		  __entry->index, __entry->eax, __entry->ebx, __entry->ecx, __entry->edx)
);

TRACE_EVENT(vmm_emulation_failed,
	TP_PROTO(struct vmm_vcpu *vcpu, u64 rip, const u8 *bytes, u8 len),
	TP_ARGS(vcpu, rip, bytes, len),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u64, rip)
		__field(u8, len)
		__array(u8, bytes, 15)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->rip = rip;
		__entry->len = len;
		memcpy(__entry->bytes, bytes, 15);
	),
	TP_printk("vcpu %u rip %#llx bytes %s", __entry->vcpu, __entry->rip,
		  __print_hex(__entry->bytes, __entry->len))
);

TRACE_EVENT(vmm_fail_entry,
	TP_PROTO(struct vmm_vcpu *vcpu, const char *why),
	TP_ARGS(vcpu, why),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u64, hw_reason)
		__string(why, why)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->hw_reason = vcpu->arch.exit.hw_reason;
		VMM_ASSIGN_STR(why, why);
	),
	TP_printk("vcpu %u reason %#llx: %s", __entry->vcpu, __entry->hw_reason, __get_str(why))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH vmm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
