#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmmrun_test.sh - vmmrun boots Debian's kernel: its CPUs, its disks, its console both
# ways, the ways to end, and what is said of mistakes. Runs in the lab (--with-vmmrun),
# beside vmmrun. In the environment: SMP=N: so many CPUs; QUICK=1: one boot only;
# DEVICE=PATH: another device.
# shellcheck disable=SC2016,SC2317	# the guest expands; check() calls the functions

smp=${SMP:-2} device=${DEVICE:-/dev/vmm}
number=0 failed=0
work=$(mktemp -d)

# check NAME COMMAND...: the command's exit status decides
check() {
	number=$((number + 1))
	name=$1
	shift
	if "$@"; then
		echo "ok $number $name"
	else
		echo "not ok $number $name"
		tail -n 30 "$work/out" "$work/err" | sed 's/^/# /'
		failed=1
	fi
}

# vmmrun ARGUMENT...: its output is in $work/out and $work/err
vmmrun() {
	./vmmrun --device "$device" "$@" >"$work/out" 2>"$work/err"
}

# guest COMMAND OPTION...: boot Linux; the command is for the guest's shell
guest() {
	command=$(echo "$1" | tr ' ' ,)
	shift
	vmmrun --kernel /guest/vmlinuz --initrd /guest/initrd --mem 256 --stats \
		--append "quiet panic=-1 guest.command=$command" "$@"
}

shows() {
	tr -d '\r' <"$work/out" | grep -Eq "$1"
}

says() {
	grep -Eq "$1" "$work/err"
}

# A file system with files for the guest; later with files of the guest's.
make_disk() {
	truncate -s 8M "$1" && mke2fs -F "$1" >/dev/null 2>&1 && mkdir -p "$work/mnt" &&
		mount -o loop "$1" "$work/mnt" &&
		echo "the host wrote this on $1" >"$work/mnt/from-host" &&
		umount "$work/mnt"
}

no_device() {
	./vmmrun --device /nowhere --kernel x >"$work/out" 2>"$work/err"
	[ $? -eq 1 ] && says 'No such file' && says modprobe
}
usage() { vmmrun --smp 0 --kernel x; [ $? -eq 2 ]; }
no_kernel() { vmmrun --kernel /bin/busybox; [ $? -eq 1 ] && says 'busybox is no Linux kernel'; }
small() { vmmrun --kernel /guest/vmlinuz --mem 32; [ $? -eq 1 ] && says 'does not fit into 32 MiB'; }
odd_disk() {
	echo x >"$work/odd"
	vmmrun --kernel /guest/vmlinuz --disk "$work/odd"
	[ $? -eq 1 ] && says 'no multiple of 512'
}
used_disk() {
	./vmmrun --device "$device" --kernel /guest/vmlinuz --disk "$work/vda" >/dev/null 2>&1 &
	sleep 2
	vmmrun --kernel /guest/vmlinuz --disk "$work/vda"
	result=$?
	kill -TERM $! && wait $!
	[ "$result" -eq 1 ] && says 'is in use'
}

boot() {
	make_disk "$work/vda" && make_disk "$work/vdb" && sum=$(md5sum "$work/vdb") &&
		guest "mount /dev/vda /mnt;cat /mnt/from-host;dd if=/bin/busybox of=/mnt/big;echo \$((6*7)) >/mnt/from-guest;umount /mnt;mount -o ro /dev/vdb /mnt;cat /mnt/from-host;dd if=/dev/zero of=/dev/vdb count=1;umount /mnt" \
			--smp "$smp" --disk "$work/vda" --disk "$work/vdb,ro"
}
banner() { shows '^Linux version 6\.1'; }
cpus() { shows '^processor.*: 0' && shows "^guest: done, $smp CPU"; }
read_disk() { shows "^the host wrote this on $work/vda" && shows "^the host wrote this on $work/vdb"; }
written_disk() {
	mount -o loop,ro "$work/vda" "$work/mnt" || return
	[ "$(cat "$work/mnt/from-guest")" = 42 ] && cmp "$work/mnt/big" /bin/busybox
	result=$?
	umount "$work/mnt"
	return "$result"
}
readonly_disk() { [ "$(md5sum "$work/vdb")" = "$sum" ] && shows "dd:.*/dev/vdb"; }
stats() { says 'vCPU 0 .*exit' && says "$work/vda: [1-9][0-9]+ requests"; }

# The guest reads a line of its console, and resets the machine.
console() {
	echo "hello guest" | guest 'read line;echo it was: $line;reboot -f' --smp 1
	[ $? -eq 3 ] && shows '^it was: hello guest$' && says 'the guest reset the machine'
}
panic() {
	guest 'echo c >/proc/sysrq-trigger' --smp 1
	[ $? -eq 3 ] && shows 'Kernel panic'
}
stopped() {
	./vmmrun --device "$device" --kernel /guest/vmlinuz >"$work/out" 2>"$work/err" &
	sleep 2
	kill -TERM $! && wait $!
	[ $? -eq 5 ]
}
fuzz() { vmmrun --fuzz-demo && shows '^crash: exception 14, a page fault at 0x' && sed 's/^/# /' "$work/out"; }
no_snapshots() { vmmrun --fuzz-demo; [ $? -eq 1 ] && says 'has no snapshots'; }

echo "KTAP version 1"
[ "$QUICK" ] && echo "1..15" || echo "1..17"
check "a guest with $smp CPUs boots, and powers off" boot
check "its banner" banner
check "its CPUs" cpus
check "it reads its disks" read_disk
check "it writes to its disk" written_disk
check "it cannot write to a disk that may only be read" readonly_disk
check "statistics" stats
check "no device" no_device
check "wrong arguments" usage
check "no kernel" no_kernel
check "too little memory" small
check "a disk of odd size" odd_disk
check "a disk in use" used_disk
check "SIGTERM" stopped
if [ -e /sys/module/vm ]; then
	check "a fuzzer finds a bug" fuzz
else
	check "no snapshots" no_snapshots
fi
if [ -z "$QUICK" ]; then
	check "console input, and a reset" console
	check "a panic" panic
fi
rm -rf "$work"
exit $failed
