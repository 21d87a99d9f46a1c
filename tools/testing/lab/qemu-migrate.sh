#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-migrate.sh - a busy guest moves from one QEMU to another; runs in L1
# (lab --with-qemu).
#
# The guest runs guest_load, which writes memory, a disk, and messages through a TCP
# connection, reads clocks, and notices if anything is not as it was. Each way of
# moving is a KTAP test: it passes if after each of --moves moves the guest is alive
# in the next QEMU, and in the end found nothing wrong.
#
# shellcheck disable=SC2317	# functions that wait_until calls

guest=${GUEST:-/guest}
irqchip=off smp=1 mem=128 load=8 moves=1 timeout=300 cpu=host ways="live ring file"
net=no disk=no drivers='' peer=''

usage() {
	cat <<-END
	usage: qemu-migrate.sh [OPTION VALUE]...
	  --ways 'WAY...'  how to move ($ways):
	                     live      precopy through a socket
	                     ring      the same, with dirty rings
	                     postcopy  what the guest needs first comes when it needs it
	                     file      saved to a file, and restored from it
	                     savevm    saved in a disk image, restored by the next QEMU
	                     loadvm    saved in a disk image, and back to that in the same QEMU
	  --moves N        so many in a row ($moves)
	  --irqchip HOW    off, split or on: who emulates the local APIC ($irqchip)
	  --cpu MODEL      guest CPU ($cpu)
	  --smp N          guest CPUs ($smp)
	  --mem MiB        guest memory ($mem)
	  --load MiB       how much of it is written all the time ($load)
	  --net yes        a TCP connection to L1 is open (L1 needs tun and bridge)
	  --disk yes       a disk is written
	  --drivers 'A B'  of /dev/kvm: vmm or stock; the first QEMU takes A, the next B
	                   (way file only)
	  --timeout S      seconds for each step ($timeout)
	END
	exit 2
}

while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || usage
	case $1 in
	--ways) ways=$2 ;; --moves) moves=$2 ;; --irqchip) irqchip=$2 ;;
	--cpu) cpu=$2 ;; --smp) smp=$2 ;; --mem) mem=$2 ;; --load) load=$2 ;;
	--net) net=$2 ;; --disk) disk=$2 ;; --drivers) drivers=$2 ;;
	--timeout) timeout=$2 ;;
	*) usage ;;
	esac
	shift 2
done

out=$(mktemp -d)
trap 'kill $peer 2>/dev/null; rm -rf "$out"' EXIT

say() {
	echo "# $*"
}

# wait_until COMMAND...: fails when time is up, or the QEMU that $pid names has ended
wait_until() {
	read -r now _ </proc/uptime
	end=$((${now%.*} + timeout))
	until "$@"; do
		kill -0 "$pid" 2>/dev/null || return 1
		read -r now _ </proc/uptime
		[ "${now%.*}" -lt "$end" ] || { say "time is up: $*"; return 1; }
		sleep 0.2
	done
}

# --- QEMU: the nth one has the monitor n.monitor and the pid in $pid ---

# Commas stand for spaces.
guest_command() {
	echo "guest_load,--mem,$load"
	[ "$disk" = no ] || echo ",--disk,/dev/vda"
	[ "$net" = no ] || echo ",--tcp,10.7.0.1;"
}

devices() {
	if [ "$net" = yes ]; then
		echo "-netdev tap,id=net,ifname=tap$n,script=no,downscript=no"
		echo "-device virtio-net-pci,netdev=net,romfile="
	fi
	if [ "$disk" = yes ]; then
		echo "-drive if=none,id=disk,format=$format,file=$out/disk"
		echo "-device virtio-blk-pci,drive=disk"
	elif [ "$format" = qcow2 ]; then
		echo "-drive if=none,id=state,format=qcow2,file=$out/disk"
	fi
}

take_driver() {
	[ -n "$drivers" ] || return 0
	driver=${drivers%% *}
	drivers="${drivers#* } $driver"
	rm -f /dev/kvm
	case $driver in
	stock) mknod /dev/kvm c 10 232 ;;
	*) ln -s vmm /dev/kvm ;;
	esac
}

# connect: the nth QEMU's network device to the bridge
connect() {
	[ "$net" = yes ] || return 0
	wait_until [ -e "/sys/class/net/tap$n" ] || return 1
	brctl addif br0 "tap$n" && ip link set "tap$n" up
}

# qemu ARGUMENT...: the next QEMU
qemu() {
	n=$((n + 1))
	mkfifo "$out/$n.monitor.in" "$out/$n.monitor.out" "$out/$n.serial.in" "$out/$n.serial.out"
	take_driver
	# shellcheck disable=SC2046	# words
	qemu-system-x86_64 -accel "kvm$accel" -machine "pc,kernel-irqchip=$irqchip" \
		-cpu "$cpu" -smp "$smp" -m "$mem" -nodefaults -display none -no-reboot \
		-chardev "pipe,id=serial,path=$out/$n.serial" -serial chardev:serial \
		-chardev "pipe,id=monitor,path=$out/$n.monitor" -mon monitor \
		-kernel "$guest/vmlinuz" -initrd "$guest/initrd" \
		-append "console=ttyS0 panic=-1 quiet $append guest.command=$(guest_command | tr -d '\n')" \
		$(devices) "$@" >"$out/$n.qemu" 2>&1 </dev/null &
	pid=$!
	pids="$pids $pid"
	cat "$out/$n.serial.out" >>"$out/console" &
	cat "$out/$n.monitor.out" >>"$out/$n.monitor" &
	wait_until grep -q '(qemu)' "$out/$n.monitor" && connect
}

# monitor N COMMAND; opened for both, the pipe of one that is gone keeps nobody waiting
monitor() {
	echo "$2" 1<>"$out/$1.monitor.in"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# quit N PID: away with it
quit() {
	monitor "$1" quit
	i=0
	until gone "$2"; do
		i=$((i + 1))
		[ "$i" -lt 100 ] || kill -9 "$2"
		sleep 0.1
	done
	rm -f "$out/$1".*.in "$out/$1".*.out
}

# --- the guest ---

seconds_alive() {
	tr -d '\r' <"$out/console" | sed -n 's/^load: alive //p' | tail -n 1
}

on_console() {
	grep -q "$1" "$out/console"
}

# Two seconds of its own past the last one seen: the first may have been on its way.
lives_on() {
	[ "$(seconds_alive)" -ge $(($1 + 2)) ]
}

went_back() {
	[ "$(seconds_alive)" -lt "$1" ]
}

complaints() {
	grep '^load: bad\|BUG:\|lockup\|Call Trace\|detected stall\|unstable\|Kernel panic' \
		"$out/console"
}

# --- moving ---

# Moving is over when the source says so.
moved() {
	monitor "$from" 'info migrate'
	grep -q 'Migration status: completed' "$out/$from.monitor" && return 0
	if grep -q 'Migration status: failed' "$out/$from.monitor"; then
		say "migration failed"
		kill "$pid"
	fi
	sleep 0.3
	return 1
}

status_is() {
	monitor "$from" 'info migrate'
	grep -q "Migration status: $1" "$out/$from.monitor"
}

both() {
	monitor "$from" "$1"
	monitor "$n" "$1"
}

# The target is $n, its process $pid; the source is $from, $from_pid.
move_live() {
	qemu -incoming defer || return 1
	if [ "$1" = postcopy ]; then
		both 'migrate_set_capability postcopy-ram on'
		monitor "$from" 'migrate_set_parameter max-bandwidth 4M'
	else
		monitor "$from" 'migrate_set_parameter max-bandwidth 1G'
	fi
	monitor "$from" 'migrate_set_parameter downtime-limit 2000'
	monitor "$n" "migrate_incoming unix:$out/$n.socket"
	wait_until [ -S "$out/$n.socket" ] || return 1
	monitor "$from" "migrate -d unix:$out/$n.socket"
	if [ "$1" = postcopy ]; then
		wait_until status_is active || return 1
		sleep 2
		monitor "$from" migrate_start_postcopy
	fi
	wait_until moved || return 1
	if [ "$1" = postcopy ] && ! grep -q 'postcopy request count: [1-9]' "$out/$from.monitor"; then
		say "no page came after the guest had moved"
		return 1
	fi
	quit "$from" "$from_pid"
}

move_by_file() {
	monitor "$from" "migrate \"exec:cat>$out/state\""
	wait_until moved || return 1
	quit "$from" "$from_pid"
	qemu -incoming "exec:cat $out/state"
}

# Its messages would be ahead of the other side's: without a network.
move_savevm() {
	monitor "$from" stop
	monitor "$from" 'savevm moved'
	monitor "$from" 'info snapshots'
	wait_until grep -q '^List of snapshots' "$out/$from.monitor" || return 1
	quit "$from" "$from_pid"
	qemu -loadvm moved
}

move_loadvm() {
	monitor "$n" 'savevm here'
	wait_until lives_on "$(seconds_alive)" || return 1
	before=$(seconds_alive)
	monitor "$n" 'loadvm here'
	wait_until went_back "$before"
}

# move WAY: once more; the guest has to live on
move() {
	from=$n from_pid=$pid
	case $1 in
	file) move_by_file || return 1 ;;
	savevm) move_savevm || return 1 ;;
	loadvm) move_loadvm || return 1 ;;
	*) move_live "$1" || return 1 ;;
	esac
	# The last word that came from the source.
	wait_until lives_on "$(seconds_alive)" || return 1
}

# The other side of the connection is on 10.7.0.1.
set_up_network() {
	[ -z "$peer" ] || return 0
	brctl addbr br0 && ip link set br0 up && ip addr add 10.7.0.1/24 dev br0 || return 1
	guest_load --serve &
	peer=$!
}

start_guest() {
	qemu || return 1
	wait_until on_console '^load: alive 3' || return 1
	[ "$net" = no ] || on_console '^load: connected' || { say "no connection"; return 1; }
}

run() {
	way=$1 n=0 pids='' accel='' append='' format=raw
	[ "$way" != ring ] || accel=,dirty-ring-size=1024
	case $way in
	savevm | loadvm) format=qcow2 ;;
	esac
	[ "$net$disk" = nono ] || append=guest.address=10.7.0.2/24
	if [ "$net" = yes ]; then
		set_up_network || return 1
	fi
	if [ "$format" = qcow2 ]; then
		cp "$guest/empty.qcow2" "$out/disk"
	else
		truncate -s 16M "$out/disk"
	fi
	: >"$out/console"
	start_guest || return 1
	count=0
	while [ "$count" -lt "$moves" ]; do
		count=$((count + 1))
		move "$way" || { say "move $count failed"; return 1; }
		! complaints || return 1
	done
	echo stop 1<>"$out/$n.serial.in"
	wait_until on_console '^load: over' || return 1
	grep '^load: [0-9]' "$out/console" | sed 's/^/# /'
	! complaints
}

echo "KTAP version 1"
# shellcheck disable=SC2086	# words
set -- $ways
echo "1..$#"
number=0 failed=0
for way; do
	number=$((number + 1))
	read -r began _ </proc/uptime
	if run "$way"; then
		verdict=ok
	else
		verdict="not ok" failed=1
		for file in "$out"/*.qemu "$out"/*.monitor "$out"/console; do
			tail -n 12 "$file" | sed "s|^|# ${file##*/}: |"
		done
	fi
	for pid in $pids; do
		kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	rm -rf "${out:?}"/*
	read -r ended _ </proc/uptime
	say "$(echo "$began $ended" | awk '{ printf "%.1f", $2 - $1 }') s"
	echo "$verdict $number qemu-migrate: $way, moves $moves, irqchip $irqchip, smp $smp"
done
exit $failed
