// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's CPUID: VMM_SET_CPUID2, VMM_GET_CPUID2 and the instruction itself.
 *
 * User space hands over a list of leaves. It is kept sorted, with a direct
 * index for the leaves that guests ask for, and what the rest of the module
 * wants to know of it (address width, reserved bits, features) is worked out
 * once. A few bits follow the vCPU's state and are put in when they are read.
 * Guarded by vcpu->mutex. What may be in the list at all: cpuid_host.c.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <uapi/linux/vmm_para.h>
#include <vmm/cpufeature.h>
#include <vmm/lapic.h>
#include <vmm/pv.h>
#include <vmm/trace.h>
#include <vmm/x86.h>

#define F(name)		BIT(X86_FEATURE_##name & 31)

/* What a guest sees as its physical address width when no leaf says one. */
#define DEFAULT_MAXPHYADDR	36

int vmm_cpuid_setup(void)
{
	vmm_fpu_setup();
	vmm_cpuid_host_setup();
	return 0;
}

/* --- looking up --- */

/* Leaves that no guest asks for often. */
static noinline struct vmm_cpuid_entry2 *search(const struct vmm_cpuid *c, u32 function)
{
	unsigned int low = 0, high = c->nr;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (c->entry[mid].function < function)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->nr && c->entry[low].function == function ? &c->entry[low] : NULL;
}

/* The first entry of a leaf, or NULL. */
static __always_inline struct vmm_cpuid_entry2 *first_entry(const struct vmm_cpuid *c, u32 function)
{
	u32 offset = function & 0x7fffffff;
	u16 n;

	if (unlikely(offset >= VMM_CPUID_DIRECT))
		return search(c, function);
	offset = array_index_nospec(offset, VMM_CPUID_DIRECT);
	n = c->direct[function >> 31][offset];
	return n ? &c->entry[n - 1] : NULL;
}

static __always_inline struct vmm_cpuid_entry2 *find_entry(const struct vmm_cpuid *c,
							   u32 function, u32 index)
{
	struct vmm_cpuid_entry2 *e = first_entry(c, function);

	if (unlikely(!e))
		return NULL;
	do {
		if (e->index == index || !(e->flags & VMM_CPUID_FLAG_SIGNIFCANT_INDEX))
			return e;
		e++;
	} while (e < c->entry + c->nr && e->function == function);
	return NULL;
}

/**
 * vmm_find_cpuid() - the entry that CPUID would answer from
 * @vcpu: the vCPU
 * @function: leaf
 * @index: subleaf; of no importance for a leaf without any
 *
 * Return: the entry, as user space set it; NULL if the list has none.
 */
struct vmm_cpuid_entry2 *vmm_find_cpuid(struct vmm_vcpu *vcpu, u32 function, u32 index)
{
	return find_entry(&vcpu->arch.cpuid, function, index);
}

/* --- what is derived of the list --- */

static u32 leaf_reg(struct vmm_vcpu *vcpu, u32 function, u32 index, size_t reg)
{
	const struct vmm_cpuid_entry2 *e = vmm_find_cpuid(vcpu, function, index);

	return e ? *(const u32 *)((const char *)e + reg) : 0;
}

#define LEAF(v, f, i, r)	leaf_reg(v, f, i, offsetof(struct vmm_cpuid_entry2, r))

static void derive_features(struct vmm_vcpu *vcpu, struct vmm_cpuid *c)
{
	c->cap[CPUID_1_EDX] = LEAF(vcpu, 1, 0, edx);
	c->cap[CPUID_1_ECX] = LEAF(vcpu, 1, 0, ecx);
	c->cap[CPUID_7_0_EBX] = LEAF(vcpu, 7, 0, ebx);
	c->cap[CPUID_7_ECX] = LEAF(vcpu, 7, 0, ecx);
	c->cap[CPUID_7_EDX] = LEAF(vcpu, 7, 0, edx);
	c->cap[CPUID_7_1_EAX] = LEAF(vcpu, 7, 1, eax);
	c->cap[CPUID_D_1_EAX] = LEAF(vcpu, 0xd, 1, eax);
	c->cap[CPUID_8000_0001_EDX] = LEAF(vcpu, 0x80000001, 0, edx);
	c->cap[CPUID_8000_0001_ECX] = LEAF(vcpu, 0x80000001, 0, ecx);
	c->cap[CPUID_8000_0007_EBX] = LEAF(vcpu, 0x80000007, 0, ebx);
	c->cap[CPUID_8000_0008_EBX] = LEAF(vcpu, 0x80000008, 0, ebx);
	c->cap[CPUID_8000_0021_EAX] = LEAF(vcpu, 0x80000021, 0, eax);

	c->rdtscp = vmm_guest_has(vcpu, X86_FEATURE_RDTSCP) ||
		    vmm_guest_has(vcpu, X86_FEATURE_RDPID);
	c->invpcid = vmm_guest_has(vcpu, X86_FEATURE_INVPCID);
	c->pv_features = c->pv_enforced ? LEAF(vcpu, VMM_CPUID_FEATURES, 0, eax) : ~0u;
}

/* CR4 bits that exist without a CPUID bit that says so, for us. */
#define CR4_ALWAYS	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | \
			 X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | \
			 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

static const struct {
	u64 bit;
	unsigned int feature;
} cr4_features[] = {
	{ X86_CR4_UMIP,		X86_FEATURE_UMIP },
	{ X86_CR4_LA57,		X86_FEATURE_LA57 },
	{ X86_CR4_FSGSBASE,	X86_FEATURE_FSGSBASE },
	{ X86_CR4_PCIDE,	X86_FEATURE_PCID },
	{ X86_CR4_OSXSAVE,	X86_FEATURE_XSAVE },
	{ X86_CR4_SMEP,		X86_FEATURE_SMEP },
	{ X86_CR4_SMAP,		X86_FEATURE_SMAP },
	{ X86_CR4_PKE,		X86_FEATURE_PKU },
};

static void derive_control_bits(struct vmm_vcpu *vcpu, struct vmm_cpuid *c)
{
	unsigned int i;
	u64 cr4 = CR4_ALWAYS, efer = 0;

	/* User space may set a vCPU's registers before its CPUID. */
	for (i = 0; i < ARRAY_SIZE(cr4_features); i++) {
		if ((!c->nr || vmm_guest_has(vcpu, cr4_features[i].feature)) &&
		    vmm_can_offer(cr4_features[i].feature))
			cr4 |= cr4_features[i].bit;
	}
	c->cr4_reserved = ~cr4;

	if (vmm_guest_has(vcpu, X86_FEATURE_SYSCALL))
		efer |= EFER_SCE;
	if (vmm_guest_has(vcpu, X86_FEATURE_LM))
		efer |= EFER_LME | EFER_LMA;
	if (vmm_guest_has(vcpu, X86_FEATURE_NX))
		efer |= EFER_NX;
	if (vmm_guest_has(vcpu, X86_FEATURE_FXSR_OPT) && vmm_can_offer(X86_FEATURE_FXSR_OPT))
		efer |= EFER_FFXSR;
	c->efer_allowed = efer;
}

/*
 * Leaves out of range: one vendor's CPUs answer with the highest basic leaf,
 * those with these signatures answer with zeros.
 */
static bool zeros_out_of_range(u32 ebx)
{
	return ebx == 0x68747541 || ebx == 0x6f677948;
}

static void derive(struct vmm_vcpu *vcpu)
{
	struct vmm_cpuid *c = &vcpu->arch.cpuid;
	u32 sizes = LEAF(vcpu, 0x80000008, 0, eax);
	u32 signature = LEAF(vcpu, 0, 0, ebx);

	derive_features(vcpu, c);
	derive_control_bits(vcpu, c);
	c->spec_ctrl_allowed = vmm_spec_ctrl_bits(c->cap, LEAF(vcpu, 7, 2, edx)) &
			       vmm_host_spec_ctrl();
	c->maxphyaddr = sizes & 0xff ? min(sizes & 0xff, 52u) : DEFAULT_MAXPHYADDR;
	c->gpa_reserved = ~0ull << c->maxphyaddr;
	vcpu_forget_code(vcpu);
	c->xcr0_allowed = (LEAF(vcpu, 0xd, 0, eax) | (u64)LEAF(vcpu, 0xd, 0, edx) << 32) &
			  vmm_supported_xcr0();
	c->xss_allowed = 0;
	c->repeats_last = signature && !zeros_out_of_range(signature);
}

static void build_index(struct vmm_cpuid *c)
{
	unsigned int i;

	memset(c->direct, 0, sizeof(c->direct));
	for (i = c->nr; i-- > 0;) {
		u32 function = c->entry[i].function, offset = function & 0x7fffffff;

		if (offset < VMM_CPUID_DIRECT)
			c->direct[function >> 31][offset] = i + 1;
	}
}

/* --- bits that are not in the list but in the vCPU's state --- */

#define STATEFUL_LEAVES	(BIT(1) | BIT(7) | BIT(0xd))

static __always_inline bool is_stateful(const struct vmm_cpuid_entry2 *e)
{
	return e->function < 32 && (STATEFUL_LEAVES >> e->function & 1);
}

bool vmm_guest_has_mwait(struct vmm_vcpu *vcpu)
{
	if (vcpu->vm->arch.disabled_quirks & VMM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
		return vcpu->arch.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT;
	return vmm_guest_has(vcpu, X86_FEATURE_MWAIT);
}

static void set_bit_to(u32 *reg, u32 bit, bool value)
{
	*reg = value ? *reg | bit : *reg & ~bit;
}

/* @e is a copy of an entry, or an entry that user space gave. */
static void add_state(struct vmm_vcpu *vcpu, struct vmm_cpuid_entry2 *e)
{
	struct vmm_vcpu_arch *a = &vcpu->arch;
	u64 cr4 = vcpu_cr4(vcpu);

	if (e->function == 1) {
		set_bit_to(&e->ecx, F(OSXSAVE), cr4 & X86_CR4_OSXSAVE);
		set_bit_to(&e->ecx, F(MWAIT), vmm_guest_has_mwait(vcpu));
		if (!(a->apic_base & MSR_IA32_APICBASE_ENABLE))
			e->edx &= ~F(APIC);
	} else if (e->function == 7 && !e->index) {
		set_bit_to(&e->ecx, F(OSPKE), cr4 & X86_CR4_PKE);
	} else if (e->function == 0xd && !e->index) {
		e->ebx = vmm_xstate_size(a->xcr0, false);
	} else if (e->function == 0xd && e->index == 1 && e->ebx) {
		e->ebx = vmm_xstate_size(a->xcr0 | a->xss, true);
	}
}

/* --- SET_CPUID2, GET_CPUID2 --- */

/* Before SET_CPUID2: all leaves are 0. */
void vmm_cpuid_default(struct vmm_vcpu *vcpu)
{
	derive(vcpu);
}

void vmm_enforce_pv_features(struct vmm_vcpu *vcpu, bool on)
{
	vcpu->arch.cpuid.pv_enforced = on;
	derive_features(vcpu, &vcpu->arch.cpuid);
}

void vmm_cpuid_free(struct vmm_vcpu *vcpu)
{
	kvfree(vcpu->arch.cpuid.entry);
	vcpu->arch.cpuid.entry = NULL;
	vcpu->arch.cpuid.nr = 0;
}

/* By leaf, subleaf, and the order of the list (kept in padding) where both are equal. */
static int compare_entries(const void *pa, const void *pb)
{
	const struct vmm_cpuid_entry2 *a = pa, *b = pb;

	if (a->function != b->function)
		return a->function < b->function ? -1 : 1;
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return a->padding[0] < b->padding[0] ? -1 : 1;
}

static void sort_entries(struct vmm_cpuid_entry2 *e, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		e[i].padding[0] = i;
	sort(e, nr, sizeof(*e), compare_entries, NULL);
	for (i = 0; i < nr; i++)
		memset(e[i].padding, 0, sizeof(e[i].padding));
}

/* Linear addresses have 48 or 57 bits; 0: the leaf does not say. */
static bool valid_entries(const struct vmm_cpuid_entry2 *e, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		u32 bits = e[i].eax >> 8 & 0xff;

		if (e[i].function == 0x80000008 && bits && bits != 48 && bits != 57)
			return false;
	}
	return true;
}

/* A guest must not be told of what works only with a local APIC of ours. */
static void strip_apic_features(struct vmm_vcpu *vcpu, struct vmm_cpuid_entry2 *e,
				unsigned int nr)
{
	unsigned int i;

	if (vcpu->arch.apic)
		return;
	for (i = 0; i < nr; i++) {
		if (e[i].function == VMM_CPUID_FEATURES)
			e[i].eax &= ~vmm_pv_apic_features();
	}
}

/* Sorted, as many as the vCPU has: do they say the same? */
static bool same_entries(struct vmm_vcpu *vcpu, const struct vmm_cpuid_entry2 *e)
{
	const struct vmm_cpuid *c = &vcpu->arch.cpuid;
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		struct vmm_cpuid_entry2 theirs = e[i], ours = c->entry[i];

		if (is_stateful(&ours)) {
			add_state(vcpu, &theirs);
			add_state(vcpu, &ours);
		}
		if (memcmp(&theirs, &ours, sizeof(ours)))
			return false;
	}
	return true;
}

static struct vmm_cpuid_entry2 *fetch_entries(struct vmm_cpuid2 __user *arg, u32 nent)
{
	struct vmm_cpuid_entry2 *e;

	e = kvmalloc_array(nent, sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(e, arg->entries, nent * sizeof(*e))) {
		kvfree(e);
		return ERR_PTR(-EFAULT);
	}
	return e;
}

/**
 * vmm_set_cpuid() - VMM_SET_CPUID2
 * @vcpu: the vCPU
 * @arg: struct vmm_cpuid2 in user space
 *
 * Context: vCPU loaded, may sleep. Return: 0; -E2BIG if there are more than
 * VMM_MAX_CPUID entries; -EINVAL for an impossible width of linear addresses,
 * or if the vCPU has run and the list is not the one it has; -ENOMEM, -EFAULT.
 */
int vmm_set_cpuid(struct vmm_vcpu *vcpu, struct vmm_cpuid2 __user *arg)
{
	struct vmm_cpuid *c = &vcpu->arch.cpuid;
	struct vmm_cpuid_entry2 *e = NULL;
	u32 nent;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (nent > VMM_MAX_CPUID)
		return -E2BIG;
	if (nent) {
		e = fetch_entries(arg, nent);
		if (IS_ERR(e))
			return PTR_ERR(e);
		sort_entries(e, nent);
	}
	if (vcpu->arch.ran) {
		bool same;

		strip_apic_features(vcpu, e, nent);
		same = nent == c->nr && same_entries(vcpu, e);

		kvfree(e);
		return same ? 0 : -EINVAL;
	}
	if (!valid_entries(e, nent)) {
		kvfree(e);
		return -EINVAL;
	}
	vmm_cpuid_free(vcpu);
	strip_apic_features(vcpu, e, nent);
	c->entry = e;
	c->nr = nent;
	build_index(c);
	derive(vcpu);
	vmm_msr_cpuid_changed(vcpu);
	vmm_apic_cpuid_changed(vcpu);
	vmm_call(update_intercepts)(vcpu);
	return 0;
}

/**
 * vmm_get_cpuid() - VMM_GET_CPUID2: the list, sorted, as the guest sees it now
 * @vcpu: the vCPU
 * @arg: struct vmm_cpuid2 in user space
 *
 * Return: 0, with nent the number of entries; -E2BIG if they do not fit; -EFAULT.
 */
int vmm_get_cpuid(struct vmm_vcpu *vcpu, struct vmm_cpuid2 __user *arg)
{
	const struct vmm_cpuid *c = &vcpu->arch.cpuid;
	struct vmm_cpuid_entry2 e;
	u32 nent, i;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (nent < c->nr)
		return -E2BIG;
	for (i = 0; i < c->nr; i++) {
		e = c->entry[i];
		if (is_stateful(&e))
			add_state(vcpu, &e);
		if (copy_to_user(&arg->entries[i], &e, sizeof(e)))
			return -EFAULT;
	}
	return put_user(c->nr, &arg->nent) ? -EFAULT : 0;
}

/* --- the instruction --- */

static bool leaf_in_range(const struct vmm_cpuid *c, u32 function)
{
	const struct vmm_cpuid_entry2 *top;

	if (function >= 0x40000000 && function < 0x50000000)
		top = first_entry(c, function & 0xffffff00);
	else
		top = first_entry(c, function & 0x80000000);
	return top && function <= top->eax;
}

static __always_inline void load_registers(u64 *gpr, const struct vmm_cpuid_entry2 *e)
{
	gpr[GPR_RAX] = e->eax;
	gpr[GPR_RBX] = e->ebx;
	gpr[GPR_RCX] = e->ecx;
	gpr[GPR_RDX] = e->edx;
}

static noinline void load_stateful(struct vmm_vcpu *vcpu, const struct vmm_cpuid_entry2 *e)
{
	struct vmm_cpuid_entry2 now = *e;

	add_state(vcpu, &now);
	load_registers(vcpu->arch.gpr, &now);
}

static __always_inline void load_entry(struct vmm_vcpu *vcpu, const struct vmm_cpuid_entry2 *e)
{
	if (is_stateful(e))
		load_stateful(vcpu, e);
	else
		load_registers(vcpu->arch.gpr, e);
}

/* Nothing in the list for this leaf and subleaf. */
static noinline void load_missing(struct vmm_vcpu *vcpu, u32 function, u32 index)
{
	const struct vmm_cpuid *c = &vcpu->arch.cpuid;
	const struct vmm_cpuid_entry2 *e;
	u64 *gpr = vcpu->arch.gpr;

	if (c->repeats_last && !leaf_in_range(c, function)) {
		e = first_entry(c, 0);
		e = e ? find_entry(c, e->eax, index) : NULL;
		if (e) {
			load_entry(vcpu, e);
			return;
		}
	}
	gpr[GPR_RAX] = gpr[GPR_RBX] = gpr[GPR_RCX] = gpr[GPR_RDX] = 0;
	/* Topology: every subleaf repeats its number and the APIC ID. */
	if (function == 0xb || function == 0x1f) {
		e = first_entry(c, function);
		if (e) {
			gpr[GPR_RCX] = index & 0xff;
			gpr[GPR_RDX] = e->edx;
		}
	}
}

/* CPUID exited. */
int vmm_handle_cpuid(struct vmm_vcpu *vcpu)
{
	u64 *gpr = vcpu->arch.gpr;
	u32 function = gpr[GPR_RAX], index = gpr[GPR_RCX];
	const struct vmm_cpuid_entry2 *e;

	if (unlikely(vcpu->arch.msr_misc_features & MSR_MISC_FEATURES_ENABLES_CPUID_FAULT) &&
	    vcpu_cpl(vcpu) > 0) {
		vmm_inject_gp(vcpu);
		return VMM_RESUME;
	}
	e = find_entry(&vcpu->arch.cpuid, function, index);
	if (likely(e))
		load_entry(vcpu, e);
	else
		load_missing(vcpu, function, index);
	trace_vmm_cpuid(vcpu, function, index, gpr[GPR_RAX], gpr[GPR_RBX], gpr[GPR_RCX],
			gpr[GPR_RDX]);
	return vmm_skip_insn(vcpu);
}
