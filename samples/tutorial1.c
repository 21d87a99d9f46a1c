// SPDX-License-Identifier: GPL-2.0
/* tutorial1.c - Documentation/tutorial.rst, step 1: is there a hypervisor? */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/vmm.h>

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/vmm";
	int dev = open(path, O_RDWR | O_CLOEXEC);
	int vm;

	if (dev < 0)
		err(1, "%s: is vmm-amd or vmm-intel loaded, are you in the group kvm?", path);
	if (ioctl(dev, VMM_GET_API_VERSION, 0) != VMM_API_VERSION)
		errx(1, "%s speaks another version of the interface", path);
	if (!ioctl(dev, VMM_CHECK_EXTENSION, VMM_CAP_USER_MEMORY))
		errx(1, "%s cannot use memory of ours", path);
	vm = ioctl(dev, VMM_CREATE_VM, 0);
	if (vm < 0 && errno == EBUSY)
		errx(1, "another hypervisor uses the CPU: see dmesg");
	if (vm < 0)
		err(1, "VMM_CREATE_VM");
	printf("%s: %s, up to %d vCPUs a VM\n", path,
	       ioctl(dev, VMM_CHECK_EXTENSION, VMM_CAP_VMM) > 0 ? "vmm" : "KVM",
	       ioctl(vm, VMM_CHECK_EXTENSION, VMM_CAP_MAX_VCPUS));
	return 0;
}
