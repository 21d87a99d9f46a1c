#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-boot.sh - boot guests in QEMU on /dev/kvm; runs in L1 (lab --with-qemu).
#
# Each boot is a KTAP test; what it boots and what must come of it are the
# functions boot_* in qemu-guests.sh. Lists with commas are combined: each
# machine with each irqchip with each number of CPUs.

# shellcheck disable=SC2034	# used in qemu-guests.sh
guest=${GUEST:-/guest}	# where the guests' files are
# shellcheck disable=SC2034
devices=no
cpu=host smps=1 irqchips=off repeat=1 timeout=1200 mem=256 guests=kernel
console=no append=quiet machines=pc accel=kvm cpu_pm=off

usage() {
	cat <<-END
	usage: qemu-boot.sh [OPTION VALUE]...
	  --cpu MODEL      guest CPU ($cpu)
	  --smp N,...      guest CPUs ($smps)
	  --mem MiB        guest memory ($mem)
	  --machine M,...  QEMU's machine: pc, q35, microvm ($machines)
	  --irqchip HOW,.. off, split or on: who emulates the local APIC ($irqchips)
	  --devices yes    a disk and a network card, which the guest must use
	  --what WHAT,...  bios, kernel, stats or screen; with lab's --guests also
	                   ovmf, memtest, installer, ipxe ($guests)
	  --repeat N       how often ($repeat)
	  --timeout S      seconds for each boot ($timeout)
	  --console yes    show the guest's console
	  --append ARGS    kernel arguments ($append)
	  --cpu-pm on      let the guest halt the host's CPU ($cpu_pm)
	  --accel HOW      kvm, or tcg to see what QEMU alone does ($accel)
	END
	exit 2
}

while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || usage
	case $1 in
	--cpu) cpu=$2 ;; --smp) smps=$2 ;; --mem) mem=$2 ;;
	--machine) machines=$2 ;; --irqchip) irqchips=$2 ;;
	--devices) devices=$2 ;; --what) guests=$2 ;;
	--repeat) repeat=$2 ;; --timeout) timeout=$2 ;;
	--console) console=$2 ;; --append) append=$2 ;; --accel) accel=$2 ;;
	--cpu-pm) cpu_pm=$2 ;;
	*) usage ;;
	esac
	shift 2
done

out=$(mktemp -d)
trap 'rm -rf "$out"; [ -z "$httpd" ] || kill "$httpd"' EXIT

# now: seconds, on a clock that nobody sets
now() {
	cut -d' ' -f1 /proc/uptime
}

# shellcheck source=/dev/null
. "$(dirname "$0")/qemu-guests.sh"

# boot: one test; $what, $machine, $irqchip and $smp say of what
boot() {
	n=$((n + 1))
	began=$(now)
	if [ "$console" = yes ]; then
		: >"$out/console"
		tail -f "$out/console" &
		tail=$!
	fi
	if "boot_$what"; then
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
	echo "# $(echo "$began $(now)" | awk '{ printf "%.1f", $2 - $1 }') s"
	echo "$verdict $n qemu-boot: $what, $machine, irqchip $irqchip, cpu $cpu, smp $smp"
}

# boots: the tests of one round
boots() {
	for what in $guests; do
		for machine in $machines; do
			for irqchip in $irqchips; do
				for smp in $smps; do
					boot
				done
			done
		done
	done
}

# words LIST: a list with commas as words
words() {
	echo "$1" | tr , ' '
}

guests=$(words "$guests") machines=$(words "$machines")
irqchips=$(words "$irqchips") smps=$(words "$smps")
# shellcheck disable=SC2086	# lists
planned=$(($(echo $guests | wc -w) * $(echo $machines | wc -w) *
	$(echo $irqchips | wc -w) * $(echo $smps | wc -w) * repeat))
n=0 failed=0 httpd=''
echo "KTAP version 1"
echo "1..$planned"
round=0
while [ "$round" -lt "$repeat" ]; do
	round=$((round + 1))
	boots
done
exit $failed
