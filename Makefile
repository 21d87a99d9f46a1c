# SPDX-License-Identifier: GPL-2.0
#
# vmm: build, install, run and test. `make help` says what there is.
#
# The modules' objects are listed in Kbuild, which the kernel's own build
# reads; this file calls that build, and the lab (tools/testing/lab) for all
# that needs a machine to run on.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
DESTDIR ?=
PREFIX ?= /usr/local
HOST ?=
CPU_VENDOR ?= amd
LAB := tools/testing/lab/lab

# Programs of user space; each folder has a Makefile of its own.
SAMPLES := samples
SELFTESTS := tools/testing/selftests/vmm
EMULATOR_TESTS := arch/x86/emulate/tests
TOOLS := $(wildcard tools/vmmrun tools/vmmstat)

.DEFAULT_GOAL := modules

## Build
.PHONY: modules samples selftests tools compile_commands.json
modules: kernel-headers ## the modules, for this kernel or KVER=/KDIR= (W=1, C=1)
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

samples: ## the sample VMMs
	$(MAKE) -C $(SAMPLES)

selftests: ## the test programs
	$(MAKE) -C $(SELFTESTS)

tools: ## the tools: vmmrun, vmmstat
	$(foreach dir,$(TOOLS),$(MAKE) -C $(dir) &&) true

compile_commands.json: modules ## what clangd and other code readers want
	tools/compile-commands $(KDIR) . > $@.tmp
	mv $@.tmp $@

## Install
.PHONY: install package
install: modules ## the modules, the udev rule and the module options (as root)
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) \
		CONFIG_MODULE_SIG_ALL= modules_install
	install -D -m 644 packaging/60-vmm.rules $(DESTDIR)/usr/lib/udev/rules.d/60-vmm.rules
	install -D -m 644 packaging/vmm.conf $(DESTDIR)/usr/lib/modprobe.d/vmm.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/linux include/uapi/linux/vmm.h include/uapi/linux/vmm_para.h

package: python ## the Debian packages vmm-dkms and vmm-tools, in build/
	tools/testing/lab/test-package build build

## Run and test, on an emulated host (no virtualization hardware is needed)
.PHONY: run test test-long test-debug test-package test-kvm-selftests check bench fuzz fuzz-afl coverage lab
run: export GUEST_ARGS := --append 'loglevel=6 guest.command=echo,six,times,seven,is,$$((6*7))' $(ARGS)
run: $(if $(HOST),modules) python ## boot Linux in vmmrun on /dev/vmm (CPU_VENDOR=intel; HOST=1: on this CPU)
ifdef HOST
	$(LAB) guest build/guest
	tools/testing/lab/run-here . build/guest "$$GUEST_ARGS"
else
	$(LAB) run --cpu-vendor $(CPU_VENDOR) --with-vmmrun -- \
		sh -c "vmmrun --smp 2 --kernel /guest/vmlinuz --initrd /guest/initrd $$GUEST_ARGS"
endif

test: python ## the tests, on both vendors and kernels (SUITES='words of names': only some)
	tools/testing/lab/run-tests $(SUITES)

test-long: python ## what make test leaves out: the emulator's comparisons in full, 15 minutes of fuzzing, more kernels
	$(MAKE) -C $(EMULATOR_TESTS) check-long
	$(MAKE) -C $(EMULATOR_TESTS) fuzz FUZZ_SECONDS=$(or $(FUZZ_SECONDS),900)
	tools/testing/lab/run-tests long

test-kvm-selftests: python ## KVM's own selftests, on Debian's KVM and on vmm (CPU_VENDOR=intel; TESTS='some')
	tools/testing/lab/run-kvm-selftests --cpu-vendor $(CPU_VENDOR) $(TESTS)

fuzz: ## fuzz the emulator for FUZZ_SECONDS= (60)
	$(MAKE) -C $(EMULATOR_TESTS) fuzz

fuzz-afl: ## the same with AFL++
	$(MAKE) -C $(EMULATOR_TESTS) fuzz-afl

coverage: ## which lines of the emulator its tests in user space reach
	$(MAKE) -C $(EMULATOR_TESTS) coverage

bench: python ## what exits, faults, ioctls cost, beside KVM (PARTS=; HOST=1: on this CPU)
	tools/testing/lab/bench $(if $(HOST),--here) $(PARTS)

test-debug: python ## the AMD tests on a kernel with KASAN, lockdep and the like
	tools/testing/lab/run-tests debug $(SUITES)

test-package: python ## the Debian package's life in a fresh system, and its modules (as root)
	tools/testing/lab/test-package

check: python ## warnings of gcc, clang and sparse, documentation, spelling and the like; boots nothing
	tools/testing/lab/run-checks

lab: export CMD := $(CMD)
lab: python ## a shell on an emulated host, or CMD='...' (HOST=amd|intel, ARGS='lab options')
	$(LAB) $(if $(CMD),run,shell) $(if $(HOST),--cpu-vendor $(HOST)) $(ARGS) $(if $(CMD),-- sh -c "$$CMD")

## Other
.PHONY: clean help htmldocs kernel-headers python
htmldocs: python ## the documentation as HTML, in build/html
	tools/testing/lab/htmldocs build/html

clean: ## remove what was built here (the lab's cache stays)
	[ ! -e $(KDIR)/Makefile ] || $(MAKE) -C $(KDIR) M=$(CURDIR) clean
	for dir in $(wildcard $(SAMPLES) $(SELFTESTS) $(TOOLS)); do \
		[ ! -e $$dir/Makefile ] || $(MAKE) -C $$dir clean || exit; done
	rm -f compile_commands.json

help: ## this list
	@awk 'BEGIN { FS = ":[^#]*## " } \
		/^## / { printf "%s%s:\n", n++ ? "\n" : "", substr($$0, 4) } \
		/^[a-z_.-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' Makefile

kernel-headers:
	@[ -e $(KDIR)/Makefile ] || { \
		echo "There are no kernel headers in $(KDIR)." >&2; \
		echo "Install linux-headers-$(KVER), or say KVER= or KDIR=. To only try vmm: make run" >&2; \
		exit 1; }

python:
	@command -v python3 >/dev/null || tools/testing/lab/install-packages python3
