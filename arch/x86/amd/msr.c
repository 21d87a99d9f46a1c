// SPDX-License-Identifier: GPL-2.0
/*
 * The permission maps, and the MSRs that the control block keeps for the guest.
 *
 * The I/O map (12 KiB, all ones: every port exits) is one for all. The MSR map
 * (8 KiB, two bits an MSR: read, write) is one for all vCPUs whose exits are
 * the default; a vCPU that differs gets its own. The MSRs below are loaded and
 * saved with the guest by VMLOAD and VMSAVE, so a guest uses them without an
 * exit. Module init and the vCPU's thread call this; the shared maps do not
 * change after init.
 */
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/io.h>
#include <asm/msr-index.h>

#include "amd.h"

#define IO_MAP_ORDER	2		/* 3 pages are used */
#define MSR_MAP_ORDER	1
#define MSR_MAP_BYTES	(PAGE_SIZE << MSR_MAP_ORDER)

static struct page *io_map;
static struct page *msr_map_default;

static const u32 default_passthrough[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR,
	MSR_CSTAR, MSR_SYSCALL_MASK, MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/* Bit of the MSR's read permission; write is the next. -1: not in the map, exits. */
static int map_bit(u32 msr)
{
	if (msr <= 0x1fff)
		return msr * 2;
	if (msr >= 0xc0000000 && msr <= 0xc0001fff)
		return 0x800 * 8 + (msr - 0xc0000000) * 2;
	if (msr >= 0xc0010000 && msr <= 0xc0011fff)
		return 0x1000 * 8 + (msr - 0xc0010000) * 2;
	return -1;
}

static void set_permission(unsigned long *map, int bit, bool read, bool write)
{
	__assign_bit(bit, map, !read);
	__assign_bit(bit + 1, map, !write);
}

int svm_maps_alloc(void)
{
	unsigned long *map;
	unsigned int i;

	io_map = alloc_pages(GFP_KERNEL, IO_MAP_ORDER);
	msr_map_default = alloc_pages(GFP_KERNEL, MSR_MAP_ORDER);
	if (!io_map || !msr_map_default) {
		svm_maps_free();
		return -ENOMEM;
	}
	memset(page_address(io_map), 0xff, PAGE_SIZE << IO_MAP_ORDER);
	map = page_address(msr_map_default);
	memset(map, 0xff, MSR_MAP_BYTES);
	for (i = 0; i < ARRAY_SIZE(default_passthrough); i++)
		set_permission(map, map_bit(default_passthrough[i]), true, true);
	return 0;
}

void svm_maps_free(void)
{
	if (io_map)
		__free_pages(io_map, IO_MAP_ORDER);
	if (msr_map_default)
		__free_pages(msr_map_default, MSR_MAP_ORDER);
}

hpa_t svm_io_map_pa(void)
{
	return __sme_set(page_to_phys(io_map));
}

static void use_map(struct svm_vcpu *svm, unsigned long *map)
{
	svm->msr_map = map;
	svm->vmcb->control.msrpm_base_pa = __sme_set(__pa(map));
	svm_touch(svm, CLEAN_MAPS);
}

void svm_msr_map_init(struct svm_vcpu *svm)
{
	use_map(svm, page_address(msr_map_default));
}

void svm_msr_map_free(struct svm_vcpu *svm)
{
	if (svm->msr_map != page_address(msr_map_default))
		free_pages((unsigned long)svm->msr_map, MSR_MAP_ORDER);
}

void svm_msr_passthrough(struct vmm_vcpu *vcpu, u32 msr, bool read, bool write)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	int bit = map_bit(msr);
	struct page *page;

	if (bit < 0)
		return;
	/* Without a place in the control block run() would not see what the guest writes. */
	if (msr == MSR_IA32_SPEC_CTRL && !svm_has(SVM_F_SPEC_CTRL))
		return;
	if (test_bit(bit, svm->msr_map) == !read && test_bit(bit + 1, svm->msr_map) == !write)
		return;
	if (svm->msr_map == page_address(msr_map_default)) {
		page = alloc_pages(GFP_KERNEL_ACCOUNT, MSR_MAP_ORDER);
		if (!page) {
			/* More exits than need be are slow; fewer would be a hole. */
			VMM_BUG_ON(!read && !test_bit(bit, svm->msr_map), vcpu->vm);
			VMM_BUG_ON(!write && !test_bit(bit + 1, svm->msr_map), vcpu->vm);
			return;
		}
		memcpy(page_address(page), svm->msr_map, MSR_MAP_BYTES);
		use_map(svm, page_address(page));
	}
	set_permission(svm->msr_map, bit, read, write);
	svm_touch(svm, CLEAN_MAPS);
}

/* Where the control block keeps an MSR of 64 bits, or NULL. */
static u64 *kept_at(struct vmcb_save_area *save, u32 msr)
{
	switch (msr) {
	case MSR_FS_BASE:		return &save->fs.base;
	case MSR_GS_BASE:		return &save->gs.base;
	case MSR_KERNEL_GS_BASE:	return &save->kernel_gs_base;
	case MSR_STAR:			return &save->star;
	case MSR_LSTAR:			return &save->lstar;
	case MSR_CSTAR:			return &save->cstar;
	case MSR_SYSCALL_MASK:		return &save->sfmask;
	case MSR_IA32_SYSENTER_CS:	return &save->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:	return &save->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:	return &save->sysenter_eip;
	default:			return NULL;
	}
}

/* FS and GS are also segments: the core's copy is older or newer than the block's. */
static int base_segment(u32 msr)
{
	if (msr == MSR_FS_BASE)
		return SEG_FS;
	if (msr == MSR_GS_BASE)
		return SEG_GS;
	return -1;
}

static void need_segment(struct vmm_vcpu *vcpu, int seg)
{
	if (!((vcpu->arch.avail | vcpu->arch.dirty) & VMM_G_SEG(seg)))
		svm_fetch(vcpu, VMM_G_SEG(seg));
}

int svm_get_msr(struct vmm_vcpu *vcpu, u32 msr, u64 *value)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *kept = kept_at(&svm->vmcb->save, msr);
	int seg = base_segment(msr);

	if (seg >= 0) {
		need_segment(vcpu, seg);
		*value = vcpu->arch.seg[seg].base;
		return 0;
	}
	if (kept) {
		*value = *kept;
		return 0;
	}
	if (msr == MSR_IA32_SPEC_CTRL && svm_has(SVM_F_SPEC_CTRL)) {
		*value = svm->vmcb->save.spec_ctrl;
		return 0;
	}
	return 1;
}

int svm_set_msr(struct vmm_vcpu *vcpu, u32 msr, u64 value)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *kept = kept_at(&svm->vmcb->save, msr);
	int seg = base_segment(msr);

	if (seg >= 0) {
		need_segment(vcpu, seg);
		vcpu->arch.seg[seg].base = value;
		regs_dirty(vcpu, VMM_G_SEG(seg));
		return 0;
	}
	if (kept) {
		*kept = value;
		return 0;
	}
	if (msr == MSR_IA32_SPEC_CTRL && svm_has(SVM_F_SPEC_CTRL)) {
		svm->vmcb->save.spec_ctrl = value;
		return 0;
	}
	return 1;
}
