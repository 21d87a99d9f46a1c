// SPDX-License-Identifier: GPL-2.0
/*
 * module_test.c - the modules go when no one uses them, stay when someone does,
 * and can be loaded and unloaded over and over.
 *
 * Where their files are says VMM_MODULES ("vm.ko vmm-VENDOR.ko", each with its
 * path, in the order of loading), or in the lab the list that the lab loaded
 * them from. KVM's modules do as well.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "vmm_test.h"

#define LAB_LIST "/lab/modules"
#define MAX_MODULES 2

struct module {
	char path[256];
	char name[64];		/* as the kernel has it: with underscores */
	char params[256];
};

static struct module modules[MAX_MODULES];
static int nr_modules;

static bool is_ours(const char *name)
{
	return !strcmp(name, "vm") || !strncmp(name, "vmm_", 4) ||
	       !strcmp(name, "kvm") || !strncmp(name, "kvm_", 4);
}

static void add_module(const char *dir, const char *path, const char *params)
{
	const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct module *m = &modules[nr_modules];
	char *p;

	if (nr_modules == MAX_MODULES)
		return;
	snprintf(m->path, sizeof(m->path), "%s%s", dir, path);
	snprintf(m->params, sizeof(m->params), "%s", params);
	snprintf(m->name, sizeof(m->name), "%s", file);
	for (p = m->name; *p && *p != '.'; p++)
		if (*p == '-')
			*p = '_';
	*p = '\0';
	if (is_ours(m->name))
		nr_modules++;
}

static void find_modules(void)
{
	const char *env = getenv("VMM_MODULES");
	char line[512], file[256];
	FILE *list;
	int n;

	if (env) {
		char *copy = strdup(env), *word;

		for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
			add_module("", word, "");
	} else if ((list = fopen(LAB_LIST, "r"))) {
		while (fgets(line, sizeof(line), list)) {
			line[strcspn(line, "\n")] = '\0';
			if (sscanf(line, "%255s %n", file, &n) == 1)
				add_module("/lab/", file, line + n);
		}
		fclose(list);
	}
	if (nr_modules != MAX_MODULES)
		ktap_skip("VMM_MODULES does not say where the modules are");
}

static int unload(int i)
{
	return syscall(SYS_delete_module, modules[i].name, O_NONBLOCK);
}

static int load(int i)
{
	int fd = CHECK_OK(open(modules[i].path, O_RDONLY | O_CLOEXEC));
	int r = syscall(SYS_finit_module, fd, modules[i].params, 0);

	close(fd);
	return r;
}

/* The vendor's module first; it uses the core. */
static void unload_all(void)
{
	CHECK_OK(unload(1));
	CHECK_OK(unload(0));
}

static void load_all(void)
{
	CHECK_OK(load(0));
	CHECK_OK(load(1));
}

GUEST64(answer, mov $42, %eax; hlt);

static void run_a_guest(void)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, answer);
	struct vm *vm = vcpu->vm;
	struct vmm_regs regs;

	expect_hlt(vcpu);
	vcpu_get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 42);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

KTAP_TEST(core_is_used_by_the_backend)
{
	find_modules();
	CHECK_ERR(unload(0), EWOULDBLOCK);
	run_a_guest();
}

KTAP_TEST(not_with_a_vm_alive)
{
	struct vcpu *vcpu;
	int fd;

	find_modules();
	vcpu = vcpu_start(MODE_LONG, answer);
	expect_hlt(vcpu);
	CHECK_ERR(unload(1), EWOULDBLOCK);
	/* One descriptor of it is enough, whichever it is. */
	fd = vcpu->fd;
	CHECK_OK(munmap(vcpu->run, vcpu->run_size));
	CHECK_OK(close(vcpu->vm->fd));
	CHECK_ERR(unload(1), EWOULDBLOCK);
	CHECK_OK(close(fd));
	unload_all();
	load_all();
	run_a_guest();
}

/* The mapping of a run page holds it, too: its pages are the module's. */
KTAP_TEST(not_with_a_run_page_mapped)
{
	struct vcpu *vcpu;

	find_modules();
	vcpu = vcpu_start(MODE_LONG, answer);
	expect_hlt(vcpu);
	CHECK_OK(close(vcpu->fd));
	CHECK_OK(close(vcpu->vm->fd));
	CHECK_ERR(unload(1), EWOULDBLOCK);
	CHECK_OK(munmap(vcpu->run, vcpu->run_size));
	unload_all();
	load_all();
	run_a_guest();
}

/* Someone has the device open, without any VM. */
KTAP_TEST(core_with_the_device_open)
{
	int dev;

	find_modules();
	dev = vmm_open();
	if (unload(1)) {
		CHECK_EQ(errno, EWOULDBLOCK);
	} else {
		CHECK_ERR(unload(0), EWOULDBLOCK);
		/* Without a backend there is nothing to make a VM of. */
		CHECK(ioctl(dev, VMM_CREATE_VM, 0) == -1);
		CHECK_OK(load(1));
	}
	CHECK_OK(close(dev));
	unload_all();
	load_all();
	run_a_guest();
}

KTAP_TEST(load_and_unload_10_times)
{
	int i;

	find_modules();
	for (i = 0; i < 10; i++) {
		unload_all();
		CHECK(access(vmm_device(), F_OK) || strcmp(vmm_device(), "/dev/vmm"));
		load_all();
		/* Every other time no VM comes between. */
		if (i % 2)
			run_a_guest();
	}
	run_a_guest();
}
