#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmmstat_test.sh - vmmstat shows a guest's exits, as a table and as JSON; with
# --time their cost, and the parameter is afterwards as it was. Runs in the lab,
# beside vmmstat and busy_guest.
# shellcheck disable=SC2317	# check() calls the functions

timing=/sys/module/vm/parameters/exit_timing
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
		sed 's/^/# /' "$work"/out "$work"/err
		failed=1
	fi
}

# vmmstat with these arguments; its output is in $work/out
stat() {
	./vmmstat "$@" >"$work/out" 2>"$work/err"
}

shows() {
	grep -Eq "$1" "$work/out"
}

no_vm() { stat --once && shows '^vmmstat: 0 VMs'; }
totals() { stat --once && shows "^VM $guest-[0-9]+  busy_guest  1 vCPU  " && shows '^  CPUID +[1-9]'; }
rates() {
	./vmmstat -i 0.5 >"$work/out" 2>"$work/err" &
	pid=$!
	sleep 2
	kill -INT "$pid"
	wait "$pid" && shows '^  CPUID +[1-9][0-9]* +[0-9.]+ % +-$'
}
costs() {
	./vmmstat --time -i 0.5 >"$work/out" 2>"$work/err" &
	pid=$!
	sleep 2
	[ "$(cat "$timing")" = Y ] || return
	kill -TERM "$pid"
	wait "$pid" && shows '^  CPUID .* [0-9.]+ (ns|us)$' && [ "$(cat "$timing")" = N ]
}
json() {
	stat --once --json &&
		shows '^\{"seconds": null, "vms": \[\{"vm": "[0-9]+-[0-9]+", "pid": [0-9]+, .*\}\]\}$' &&
		shows '"CPUID": \{"exits": [1-9][0-9]*, "time_ns": [0-9]+\}'
}
other_pid() { stat --once --pid 1 && shows '^vmmstat: 0 VMs'; }
wrong_arguments() { stat --interval 0; [ $? -eq 2 ]; }

echo "TAP version 13"
echo "1..7"
check "no VM" no_vm
./busy_guest &
guest=$!
sleep 1
check "counts since the VM was made" totals
check "rates" rates
check "mean costs" costs
check "JSON" json
check "of one process" other_pid
check "wrong arguments" wrong_arguments
kill $guest
rm -rf "$work"
exit $failed
