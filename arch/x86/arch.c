// SPDX-License-Identifier: GPL-2.0
/*
 * The x86 half's front: capabilities, and which file answers which ioctl.
 * Called from virt/; knows no register itself.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <emulate/emulate.h>
#include <vmm/irqchip.h>
#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/spoil.h>
#include <vmm/x86.h>

/* Quirks of KVM that user space can turn off and that make a difference here. */
#define VMM_VALID_QUIRKS	(VMM_X86_QUIRK_LINT0_REENABLED | VMM_X86_QUIRK_CD_NW_CLEARED | VMM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | \
				 VMM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

/* KVM's least number of shadow page tables. */
#define MIN_MMU_PAGES		64

int vmm_arch_init(void)
{
	vmm_spoil_init();
	return 0;
}

void vmm_arch_exit(void)
{
	vmm_spoil_exit();
}

/* Everything that depends on what the CPU and its backend can do. */
int vmm_arch_backend_register(struct vmm_backend *b)
{
	int r;

	r = vmm_cpuid_setup();
	if (!r)
		r = vmm_msr_setup();
	if (!r)
		r = vmm_clock_setup();
	if (!r)
		pr_info("%s: second-level pages up to %s%s%s\n", b->name,
			b->tdp_max_level >= 3 ? "1 GiB" : b->tdp_max_level == 2 ? "2 MiB" : "4 KiB",
			b->caps & VMM_BCAP_NEXT_RIP ? "" : ", no next-RIP (instructions are fetched)",
			b->caps & VMM_BCAP_TSC_SCALING ? ", TSC scaling" : "");
	return r;
}

void vmm_arch_backend_unregister(void)
{
	vmm_clock_exit();
}

/* No guest runs here any more: nothing of one stays in the CPU. */
void vmm_arch_cpu_off(void)
{
	vmm_uret_cpu_off();
}

/* A CPU that sleeps by MWAIT must wake up for the host's timer. */
static u64 exits_that_may_be_off(void)
{
	u64 exits = VMM_X86_DISABLE_EXITS_HLT | VMM_X86_DISABLE_EXITS_PAUSE;

	if (boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) &&
	    !boot_cpu_has_bug(X86_BUG_MONITOR))
		exits |= VMM_X86_DISABLE_EXITS_MWAIT;
	return exits;
}

long vmm_arch_check_extension(struct vmm_vm *vm, long cap)
{
	switch (cap) {
	case VMM_CAP_HLT:
	case VMM_CAP_SET_TSS_ADDR:
	case VMM_CAP_SET_IDENTITY_MAP_ADDR:
	case VMM_CAP_EXT_CPUID:
	case VMM_CAP_NOP_IO_DELAY:
	case VMM_CAP_MP_STATE:
	case VMM_CAP_USER_NMI:
	case VMM_CAP_CLOCKSOURCE:
	case VMM_CAP_KVMCLOCK_CTRL:
	case VMM_CAP_VCPU_EVENTS:
	case VMM_CAP_INTR_SHADOW:
	case VMM_CAP_DEBUGREGS:
	case VMM_CAP_X86_ROBUST_SINGLESTEP:
	case VMM_CAP_SET_GUEST_DEBUG:
	case VMM_CAP_XSAVE:
	case VMM_CAP_XCRS:
	case VMM_CAP_GET_TSC_KHZ:
	case VMM_CAP_GET_MSR_FEATURES:
	case VMM_CAP_EXCEPTION_PAYLOAD:
	case VMM_CAP_X86_TRIPLE_FAULT_EVENT:
	case VMM_CAP_INTERNAL_ERROR_DATA:
	case VMM_CAP_DISABLE_QUIRKS:
	case VMM_CAP_SREGS2:
	case VMM_CAP_TSC_DEADLINE_TIMER:
	case VMM_CAP_X86_USER_SPACE_MSR:
	case VMM_CAP_X86_MSR_FILTER:
	case VMM_CAP_VCPU_ATTRIBUTES:
	case VMM_CAP_ENFORCE_PV_FEATURE_CPUID:
	case VMM_CAP_MSR_PLATFORM_INFO:
	case VMM_CAP_MMU_SHADOW_CACHE_CONTROL:
		return 1;
	case VMM_CAP_SYNC_REGS:
		return VMM_SYNC_X86_VALID_FIELDS;
	case VMM_CAP_X86_DISABLE_EXITS:
		return exits_that_may_be_off();
	case VMM_CAP_DISABLE_QUIRKS2:
		return VMM_VALID_QUIRKS;
	case VMM_CAP_TSC_CONTROL:
	case VMM_CAP_VM_TSC_CONTROL:
		return !!(vmm_backend->caps & VMM_BCAP_TSC_SCALING);
	case VMM_CAP_ADJUST_CLOCK:
		return VMM_CLOCK_TSC_STABLE | VMM_CLOCK_REALTIME | VMM_CLOCK_HOST_TSC;
	case VMM_CAP_MCE:
		return VMM_NR_MCE_BANKS;
	case VMM_CAP_XSAVE2:
		return vmm_xsave_size(vm);
	case VMM_CAP_IRQ_ROUTING:
		/* QEMU refuses to start without it, in-kernel irqchip or not. */
		return VMM_MAX_IRQ_ROUTES;
	default:
		return vmm_irqchip_check_extension(cap);
	}
}

long vmm_arch_dev_ioctl(unsigned int nr, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	u64 mce_cap;

	switch (nr) {
	case VMM_GET_SUPPORTED_CPUID:
		return vmm_get_supported_cpuid(argp);
	case VMM_GET_MSR_INDEX_LIST:
		return vmm_get_msr_index_list(argp);
	case VMM_GET_MSR_FEATURE_INDEX_LIST:
		return vmm_get_msr_feature_list(argp);
	case VMM_GET_MSRS:
		return vmm_get_feature_msrs(argp);
	case VMM_X86_GET_MCE_CAP_SUPPORTED:
		mce_cap = vmm_mce_supported();
		return copy_to_user(argp, &mce_cap, sizeof(mce_cap)) ? -EFAULT : 0;
	default:
		return -EINVAL;
	}
}

/* --- VM --- */

int vmm_arch_vm_init(struct vmm_vm *vm, unsigned long type)
{
	int r = tdp_vm_init(vm);

	if (r)
		return r;
	r = vmm_call(vm_init)(vm);
	if (r) {
		tdp_vm_destroy(vm);
		return r;
	}
	vmm_clock_vm_init(vm);
	mutex_init(&vm->arch.apic_map_lock);
	return 0;
}

void vmm_arch_vm_destroy(struct vmm_vm *vm)
{
	vmm_apic_map_free(vm);
	vmm_msr_filter_destroy(vm);
	vmm_call_cond(vm_destroy)(vm);
	vmm_irqchips_destroy(vm);
	tdp_vm_destroy(vm);
}

/* Once, and before the first vCPU. */
static long set_max_vcpu_id(struct vmm_vm *vm, u64 max)
{
	if (!max || max > VMM_MAX_VCPU_ID || vm->arch.max_vcpu_id || vm->created_vcpus)
		return -EINVAL;
	vm->arch.max_vcpu_id = max;
	return 0;
}

static long vm_enable_cap(struct vmm_vm *vm, void __user *arg)
{
	struct vmm_enable_cap cap;
	long r = 0;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (cap.flags)
		return -EINVAL;
	mutex_lock(&vm->lock);
	switch (cap.cap) {
	case VMM_CAP_DISABLE_QUIRKS2:
		if (cap.args[0] & ~(u64)VMM_VALID_QUIRKS) {
			r = -EINVAL;
			break;
		}
		fallthrough;
	case VMM_CAP_DISABLE_QUIRKS:
		vm->arch.disabled_quirks = cap.args[0];
		break;
	case VMM_CAP_X86_DISABLE_EXITS:
		if (vm->created_vcpus || (cap.args[0] & ~exits_that_may_be_off()))
			r = -EINVAL;
		else
			vm->arch.exit_disable |= cap.args[0];
		break;
	case VMM_CAP_X86_USER_SPACE_MSR:
		r = vmm_enable_user_msr(vm, cap.args[0]);
		break;
	case VMM_CAP_EXCEPTION_PAYLOAD:
		vm->arch.exception_payload = cap.args[0];
		break;
	case VMM_CAP_SPLIT_IRQCHIP:
		r = vmm_create_split_irqchip(vm, cap.args[0]);
		break;
	case VMM_CAP_X2APIC_API:
		r = vmm_enable_x2apic_api(vm, cap.args[0]);
		break;
	case VMM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->arch.triple_fault_event = cap.args[0];
		break;
	case VMM_CAP_MSR_PLATFORM_INFO:
		WRITE_ONCE(vm->arch.no_platform_info, !cap.args[0]);
		break;
	case VMM_CAP_MAX_VCPU_ID:
		r = set_max_vcpu_id(vm, cap.args[0]);
		break;
	default:
		r = vmm_dirty_enable_cap(vm, &cap);
	}
	mutex_unlock(&vm->lock);
	return r;
}

/* Both addresses are for CPUs without unrestricted guests: checked and kept. */
static long set_tss_addr(struct vmm_vm *vm, unsigned long addr)
{
	if (addr > (u32)(-3 * PAGE_SIZE))
		return -EINVAL;
	mutex_lock(&vm->lock);
	vm->arch.tss_addr = addr;
	mutex_unlock(&vm->lock);
	return 0;
}

static long set_identity_map_addr(struct vmm_vm *vm, void __user *arg)
{
	long r = 0;
	u64 addr;

	if (copy_from_user(&addr, arg, sizeof(addr)))
		return -EFAULT;
	mutex_lock(&vm->lock);
	if (vm->created_vcpus)
		r = -EINVAL;
	else
		vm->arch.identity_map_addr = addr;
	mutex_unlock(&vm->lock);
	return r;
}

long vmm_arch_vm_ioctl(struct vmm_vm *vm, unsigned int nr, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (nr) {
	case VMM_ENABLE_CAP:
		return vm_enable_cap(vm, argp);
	case VMM_SET_TSS_ADDR:
		return set_tss_addr(vm, arg);
	case VMM_SET_NR_MMU_PAGES:
		/* For shadow page tables, of which there are none: checked as KVM does. */
		return arg < MIN_MMU_PAGES ? -EINVAL : 0;
	case VMM_SET_IDENTITY_MAP_ADDR:
		return set_identity_map_addr(vm, argp);
	case VMM_GET_CLOCK:
	case VMM_SET_CLOCK:
	case VMM_GET_TSC_KHZ:
	case VMM_SET_TSC_KHZ:
		return vmm_clock_vm_ioctl(vm, nr, argp);
	case VMM_X86_SET_MSR_FILTER:
		return vmm_set_msr_filter(vm, argp);
	default:
		return vmm_irqchip_ioctl(vm, nr, arg);
	}
}

/* --- vCPU --- */

int vmm_arch_vcpu_precreate(struct vmm_vm *vm, unsigned int id)
{
	return vm->arch.max_vcpu_id && id >= vm->arch.max_vcpu_id ? -EINVAL : 0;
}

int vmm_arch_vcpu_init(struct vmm_vcpu *vcpu)
{
	int r;

	vcpu->arch.emu = kzalloc(sizeof(*vcpu->arch.emu), GFP_KERNEL_ACCOUNT);
	if (!vcpu->arch.emu)
		return -ENOMEM;
	r = tdp_vcpu_init(vcpu);
	if (r)
		goto err_emu;
	r = vmm_fpu_init(vcpu);
	if (r)
		goto err_tdp;
	if (vcpu->vm->arch.irqchip_mode != VMM_IRQCHIP_NONE) {
		r = vmm_apic_create(vcpu);
		if (r)
			goto err_fpu;
	}
	r = vmm_call(vcpu_init)(vcpu);
	if (r)
		goto err_apic;
	vmm_cpuid_default(vcpu);
	/* All but one wait for INIT and SIPI, if the APICs are ours. */
	if (vcpu->arch.apic && !vmm_is_boot_cpu(vcpu))
		vmm_set_mp_state(vcpu, VMM_MP_STATE_UNINITIALIZED);
	vcpu->arch.tdp_root = tdp_root_pa(vcpu->vm);
	vcpu_load(vcpu);
	vmm_msr_vcpu_init(vcpu);
	vmm_clock_vcpu_init(vcpu);
	vmm_vcpu_reset(vcpu, false);
	vcpu_put(vcpu);
	return 0;
err_apic:
	vmm_apic_destroy(vcpu);
err_fpu:
	vmm_fpu_free(vcpu);
err_tdp:
	tdp_vcpu_destroy(vcpu);
err_emu:
	kfree(vcpu->arch.emu);
	return r;
}

void vmm_arch_vcpu_published(struct vmm_vcpu *vcpu)
{
	if (vcpu->arch.apic)
		vmm_apic_map_update(vcpu->vm);
}

void vmm_arch_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	vmm_apic_destroy(vcpu);
	vmm_call(vcpu_destroy)(vcpu);
	vmm_cpuid_free(vcpu);
	vmm_fpu_free(vcpu);
	tdp_vcpu_destroy(vcpu);
	kfree(vcpu->arch.emu);
}

static noinline void load_anew(struct vmm_vcpu *vcpu, int cpu)
{
	vmm_call(load)(vcpu, cpu);
	if (vcpu->cpu != cpu || READ_ONCE(vmm_tsc_shift) != vcpu->arch.tsc_shift)
		vmm_clock_load(vcpu, cpu);
	if (vcpu->cpu != cpu && vcpu->arch.apic)
		vmm_apic_timer_migrate(vcpu->arch.apic);
	if (vcpu->arch.fpu_loaded)
		vmm_msr_load_guest(vcpu);
	WRITE_ONCE(vcpu->cpu, cpu);
}

/* Preemption off. vcpu->cpu tells the backend where it was before. */
void vmm_arch_vcpu_load(struct vmm_vcpu *vcpu, int cpu)
{
	if (likely(vcpu->cpu == cpu && READ_ONCE(vmm_tsc_shift) == vcpu->arch.tsc_shift &&
		   !vcpu->arch.fpu_loaded))
		vmm_call(load)(vcpu, cpu);
	else
		load_anew(vcpu, cpu);
}

void vmm_arch_vcpu_put(struct vmm_vcpu *vcpu)
{
	if (vcpu->arch.pv.steal_msr & VMM_MSR_ENABLED)
		vmm_pv_unloaded(vcpu);
	vmm_clock_put(vcpu);
	vmm_call_cond(put)(vcpu);
}

static long queue_interrupt(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_interrupt irq;

	if (copy_from_user(&irq, arg, sizeof(irq)))
		return -EFAULT;
	return vmm_queue_interrupt(vcpu, irq.irq);
}

static long vcpu_enable_cap(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_enable_cap cap;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (cap.flags || cap.cap != VMM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vmm_enforce_pv_features(vcpu, cap.args[0]);
	return 0;
}

static long get_events(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_vcpu_events ev = {};

	vmm_get_vcpu_events(vcpu, &ev);
	return copy_to_user(arg, &ev, sizeof(ev)) ? -EFAULT : 0;
}

static long set_events(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_vcpu_events ev;

	if (copy_from_user(&ev, arg, sizeof(ev)))
		return -EFAULT;
	return vmm_set_vcpu_events(vcpu, &ev);
}

static long mce_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, void __user *arg)
{
	struct vmm_x86_mce mce;
	u64 cap;

	if (nr == VMM_X86_SETUP_MCE) {
		if (copy_from_user(&cap, arg, sizeof(cap)))
			return -EFAULT;
		return vmm_mce_setup(vcpu, cap);
	}
	if (copy_from_user(&mce, arg, sizeof(mce)))
		return -EFAULT;
	return vmm_mce_inject(vcpu, &mce);
}

static long set_guest_debug(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_guest_debug dbg;

	if (copy_from_user(&dbg, arg, sizeof(dbg)))
		return -EFAULT;
	return vmm_set_guest_debug(vcpu, &dbg);
}

static long translate(struct vmm_vcpu *vcpu, void __user *arg)
{
	struct vmm_translation tr;
	struct vmm_fault fault;
	gpa_t gpa;

	if (copy_from_user(&tr, arg, sizeof(tr)))
		return -EFAULT;
	tr.valid = !vcpu_translate(vcpu, tr.linear_address, 0, false, &gpa, &fault);
	tr.physical_address = tr.valid ? gpa : GPA_INVALID;
	tr.writeable = 1;
	tr.usermode = 0;
	return copy_to_user(arg, &tr, sizeof(tr)) ? -EFAULT : 0;
}

static long loaded_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (nr) {
	case VMM_GET_REGS:
	case VMM_SET_REGS:
	case VMM_GET_SREGS:
	case VMM_SET_SREGS:
	case VMM_GET_SREGS2:
	case VMM_SET_SREGS2:
	case VMM_GET_DEBUGREGS:
	case VMM_SET_DEBUGREGS:
	case VMM_GET_MP_STATE:
	case VMM_SET_MP_STATE:
	case VMM_GET_NESTED_STATE:
	case VMM_SET_NESTED_STATE:
		return vmm_state_ioctl(vcpu, nr, argp);
	case VMM_GET_MSRS:
	case VMM_SET_MSRS:
		return vmm_msrs_ioctl(vcpu, nr, argp);
	case VMM_GET_FPU:
	case VMM_SET_FPU:
	case VMM_GET_XSAVE:
	case VMM_SET_XSAVE:
	case VMM_GET_XSAVE2:
	case VMM_GET_XCRS:
	case VMM_SET_XCRS:
		return vmm_fpu_ioctl(vcpu, nr, argp);
	case VMM_SET_CPUID2:
		return vmm_set_cpuid(vcpu, argp);
	case VMM_GET_CPUID2:
		return vmm_get_cpuid(vcpu, argp);
	case VMM_GET_TSC_KHZ:
	case VMM_SET_TSC_KHZ:
	case VMM_KVMCLOCK_CTRL:
		return vmm_clock_vcpu_ioctl(vcpu, nr, arg);
	case VMM_HAS_DEVICE_ATTR:
	case VMM_GET_DEVICE_ATTR:
	case VMM_SET_DEVICE_ATTR:
		return vmm_tsc_attr_ioctl(vcpu, nr, argp);
	case VMM_X86_SETUP_MCE:
	case VMM_X86_SET_MCE:
		return mce_ioctl(vcpu, nr, argp);
	case VMM_GET_LAPIC:
	case VMM_SET_LAPIC:
	case VMM_SET_VAPIC_ADDR:
		return vmm_apic_ioctl(vcpu, nr, argp);
	case VMM_INTERRUPT:
		return queue_interrupt(vcpu, argp);
	case VMM_NMI:
		vmm_queue_nmi(vcpu);
		return 0;
	case VMM_GET_VCPU_EVENTS:
		return get_events(vcpu, argp);
	case VMM_SET_VCPU_EVENTS:
		return set_events(vcpu, argp);
	case VMM_SET_GUEST_DEBUG:
		return set_guest_debug(vcpu, argp);
	case VMM_TRANSLATE:
		return translate(vcpu, argp);
	case VMM_ENABLE_CAP:
		return vcpu_enable_cap(vcpu, argp);
	default:
		return -EINVAL;
	}
}

long vmm_arch_vcpu_ioctl(struct vmm_vcpu *vcpu, unsigned int nr, unsigned long arg)
{
	long r;
	int idx;

	vcpu_load(vcpu);
	idx = srcu_read_lock(&vcpu->vm->srcu);
	r = loaded_ioctl(vcpu, nr, arg);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	vcpu_put(vcpu);
	return r;
}
