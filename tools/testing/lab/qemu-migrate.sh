#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-migrate.sh - a running guest moves from one QEMU to another; runs in L1
# (lab --with-qemu).
#
# The guest writes memory and checks it all the time, and checks that its clock does
# not go back. Each way of moving is a KTAP test: live (precopy, over a socket), with
# a dirty ring, and by way of a file (saved, stopped, restored). It passes if the
# guest comes to its end in the last QEMU and has found nothing wrong.

guest=${GUEST:-/guest}
irqchip=off mem=128 rounds=30 timeout=300 cpu=host ways="live ring file"

while [ $# -ge 2 ]; do
	case $1 in
	--irqchip) irqchip=$2 ;; --mem) mem=$2 ;; --rounds) rounds=$2 ;;
	--timeout) timeout=$2 ;; --cpu) cpu=$2 ;; --ways) ways=$2 ;;
	*)
		echo "usage: qemu-migrate.sh [--irqchip HOW] [--mem MiB] [--rounds N]" \
			"[--timeout S] [--cpu MODEL] [--ways 'live ring file']"
		exit 2
		;;
	esac
	shift 2
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# For the guest's shell; commas stand for spaces. /a and /b change places each round.
# shellcheck disable=SC2016	# the guest's shell expands it
check='dd,if=/dev/urandom,of=/a,bs=64k,count=32;s=$(md5sum,</a);t=0;i=0;while,[,$i,-lt,ROUNDS,];do,cat,/a,>/b;cat,/b,>/a;[,"$(md5sum,</b)",=,"$s",],||,echo,guest:,memory,is,wrong;u=$(cut,-d.,-f1,/proc/uptime);[,$u,-ge,$t,],||,echo,guest:,time,went,back;t=$u;i=$((i+1));echo,guest:,round,$i;done'
check=$(echo "$check" | sed "s/ROUNDS/$rounds/")

# qemu N ACCEL ARGUMENT...: the Nth QEMU, with a monitor at the pipe N.in
qemu() {
	n=$1 accel=$2
	shift 2
	rm -f "$out/$n.in" "$out/$n.out"
	mkfifo "$out/$n.in" "$out/$n.out"
	: >"$out/$n.console"
	qemu-system-x86_64 -accel "kvm$accel" -machine "pc,kernel-irqchip=$irqchip" \
		-cpu "$cpu" -m "$mem" -nodefaults -display none -no-reboot \
		-serial "file:$out/$n.console" \
		-chardev "pipe,id=monitor,path=$out/$n" -mon monitor \
		-kernel "$guest/vmlinuz" -initrd "$guest/initrd" \
		-append "console=ttyS0 panic=-1 quiet guest.command=$check" \
		"$@" >"$out/$n.qemu" 2>&1 </dev/null &
	eval "pid$n=$!"
	cat "$out/$n.out" >"$out/$n.monitor" &
}

monitor() {
	echo "$2" >"$out/$1.in"
}

# reached N TEXT: wait until the console of the Nth QEMU has it
reached() {
	eval "pid=\$pid$1"
	i=0
	while ! grep -q "$2" "$out/$1.console"; do
		i=$((i + 1))
		# shellcheck disable=SC2154	# set by eval
		kill -0 "$pid" 2>/dev/null || break
		[ "$i" -lt $((timeout * 5)) ] || break
		sleep 0.2
	done
	grep -q "$2" "$out/$1.console"
}

# Moving is over when the source says so.
moved() {
	i=0
	while ! grep -q "Migration status: completed" "$out/1.monitor"; do
		i=$((i + 1))
		[ "$i" -lt "$timeout" ] || return 1
		! grep -q "Migration status: failed" "$out/1.monitor" || return 1
		kill -0 "$pid1" 2>/dev/null || return 1
		monitor 1 'info migrate'
		sleep 1
	done
}

move() {
	case $1 in
	file)
		monitor 1 "migrate \"exec:cat>$out/state\""
		moved || return 1
		qemu 2 "$accel" -incoming "exec:cat $out/state"
		;;
	*)
		qemu 2 "$accel" -incoming "unix:$out/socket"
		until [ -S "$out/socket" ]; do
			kill -0 "$pid2" 2>/dev/null || return 1
			sleep 0.2
		done
		monitor 1 "migrate -d unix:$out/socket"
		moved || return 1
		;;
	esac
	monitor 1 quit
}

run() {
	accel=
	[ "$1" != ring ] || accel=,dirty-ring-size=1024
	qemu 1 "$accel"
	reached 1 'guest: round 3' && move "$1" && reached 2 'guest: done' &&
		! grep -h '^guest: memory\|^guest: time' "$out/1.console" "$out/2.console"
}

echo "KTAP version 1"
# shellcheck disable=SC2086	# words
set -- $ways
echo "1..$#"
number=0 failed=0
for way; do
	number=$((number + 1)) pid1='' pid2=''
	rm -f "$out"/*
	if run "$way"; then
		verdict=ok
	else
		verdict="not ok" failed=1
		for file in "$out"/*.qemu "$out"/*.monitor "$out"/*.console; do
			tail -n 12 "$file" | sed "s|^|# ${file##*/}: |"
		done
	fi
	for pid in $pid1 $pid2; do
		kill "$pid" 2>/dev/null
		wait "$pid"
	done
	echo "$verdict $number qemu-migrate: $way, irqchip $irqchip"
done
exit $failed
