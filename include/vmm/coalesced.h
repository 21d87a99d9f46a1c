/* SPDX-License-Identifier: GPL-2.0 */
/* Guest writes that wait in a ring until user space looks: virt/coalesced.c. */
#ifndef _VMM_COALESCED_H
#define _VMM_COALESCED_H

#include <linux/types.h>

struct page;
struct vmm_vm;
struct vmm_coalesced_mmio_zone;

int vmm_coalesced_init(struct vmm_vm *vm);	/* VM created: 0, -ENOMEM */
void vmm_coalesced_destroy(struct vmm_vm *vm);	/* after vmm_bus_destroy() */
long vmm_coalesced_zone(struct vmm_vm *vm, struct vmm_coalesced_mmio_zone __user *arg, bool add);
/* Page VMM_COALESCED_MMIO_PAGE_OFFSET of each vCPU's mapping. */
struct page *vmm_coalesced_page(struct vmm_vm *vm);

#endif
