#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-boot.sh - boot guests in QEMU on /dev/kvm; runs in L1 (lab --with-qemu).
#
# Each boot is a KTAP test: SeaBIOS must come to the end of its boot order, or
# Debian's kernel must come to user space, see all its CPUs, run a shell
# command and power off, or QEMU's monitor must show the vCPU's statistics.

guest=${GUEST:-/guest}	# where the guest's kernel and RAM file system are
cpu=host smp=1 irqchip=off repeat=1 timeout=400 mem=256 what=kernel
console=no append=quiet machine=pc
# What the guest's shell is asked to do; commas stand for spaces.
# shellcheck disable=SC2016	# the guest's shell expands it
guest_command='echo,six,times,seven,is,$((6*7))'

usage() {
	cat <<-END
	usage: qemu-boot.sh [OPTION VALUE]...
	  --cpu MODEL      guest CPU ($cpu)
	  --smp N          guest CPUs ($smp)
	  --mem MiB        guest memory ($mem)
	  --machine TYPE   QEMU's machine ($machine)
	  --irqchip HOW    off, split or on: who emulates the local APIC ($irqchip)
	  --what WHAT      bios, kernel or stats ($what)
	  --repeat N       how often ($repeat)
	  --timeout S      seconds for each boot ($timeout)
	  --console yes    show the guest's console
	  --append ARGS    kernel arguments ($append)
	END
	exit 2
}

while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || usage
	case $1 in
	--cpu) cpu=$2 ;; --smp) smp=$2 ;; --mem) mem=$2 ;;
	--machine) machine=$2 ;; --irqchip) irqchip=$2 ;;
	--what) what=$2 ;; --repeat) repeat=$2 ;; --timeout) timeout=$2 ;;
	--console) console=$2 ;; --append) append=$2 ;;
	*) usage ;;
	esac
	shift 2
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# qemu ARGUMENT...: QEMU with what all boots share, in the background
qemu() {
	: >"$out/console"
	qemu-system-x86_64 -machine "$machine,accel=kvm,kernel-irqchip=$irqchip" \
		-cpu "$cpu" -smp "$smp" -m "$mem" -nodefaults -display none \
		-no-reboot "$@" >"$out/qemu" 2>&1 </dev/null &
	pid=$!
}

# reached TEXT: wait until the console has it; fails when QEMU ends or time is up
reached() {
	read -r start _ </proc/uptime
	end=$((${start%.*} + timeout))
	while ! grep -q "$1" "$out/console"; do
		kill -0 "$pid" 2>/dev/null || break
		read -r now _ </proc/uptime
		[ "${now%.*}" -lt "$end" ] || break
		sleep 0.2
	done
	grep -q "$1" "$out/console"
}

boot_bios() {
	qemu -chardev "file,id=bios,path=$out/console" \
		-device isa-debugcon,iobase=0x402,chardev=bios
	reached 'No bootable device'
	result=$?
	kill "$pid" 2>/dev/null
	wait "$pid"
	return "$result"
}

boot_kernel() {
	qemu -serial "file:$out/console" \
		-kernel "$guest/vmlinuz" -initrd "$guest/initrd" \
		-append "console=ttyS0 panic=-1 guest.command=$guest_command $append"
	reached "guest: done, $smp CPU"
	result=$?
	[ "$result" -eq 0 ] || kill "$pid" 2>/dev/null
	wait "$pid" || result=1
	return "$result"
}

# query-stats while SeaBIOS runs: a counter that only vmm has, and that counts.
boot_stats() {
	mkfifo "$out/monitor.in" "$out/monitor.out"
	qemu -chardev "pipe,id=monitor,path=$out/monitor" -mon chardev=monitor,mode=control
	cat "$out/monitor.out" >"$out/console" &
	{
		echo '{"execute": "qmp_capabilities"}'
		sleep 5
		echo '{"execute": "query-stats", "arguments": {"target": "vcpu"}}'
	} >"$out/monitor.in"
	reached '"name": "exit_IO", "value": [1-9]\|"value": [1-9][0-9]*, "name": "exit_IO"'
	result=$?
	kill "$pid" 2>/dev/null
	wait "$pid"
	rm "$out/monitor.in" "$out/monitor.out"
	return "$result"
}

echo "KTAP version 1"
echo "1..$repeat"
n=0 failed=0
while [ "$n" -lt "$repeat" ]; do
	n=$((n + 1))
	test="qemu-boot: $what, irqchip $irqchip, cpu $cpu, smp $smp"
	read -r began _ </proc/uptime
	if [ "$console" = yes ]; then
		: >"$out/console"
		tail -f "$out/console" &
		tail=$!
	fi
	case $what in
	bios) boot_bios ;;
	stats) boot_stats ;;
	*) boot_kernel ;;
	esac
	result=$?
	if [ "$result" -eq 0 ]; then
		verdict=ok
	else
		verdict="not ok" failed=1
		sed 's/^/# qemu: /' "$out/qemu"
		tail -n 20 "$out/console" | sed 's/^/# guest: /'
	fi
	if [ "$console" = yes ]; then
		sleep 1
		kill "$tail"
	fi
	read -r ended _ </proc/uptime
	echo "# $(echo "$began $ended" | awk '{ printf "%.1f", $2 - $1 }') s"
	echo "$verdict $n $test"
done
exit $failed
