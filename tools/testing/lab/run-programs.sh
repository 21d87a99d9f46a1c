#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# run-programs.sh PROGRAM... - run test programs in L1, as kselftest's runner does.
#
# The programs are in the current folder. What one prints becomes a KTAP
# diagnostic; its exit status becomes its result (4: skipped). It has 45 s, or
# timeout= in the file "settings"; so many times as long as VMM_TEST_SLOW says.
# Nothing that it started outlives it.

# A case may take 300 s before it counts as hung: where emulated CPUs share real
# ones, each interrupt from one to the other waits until that one has its turn.
export VMM_TEST_TIMEOUT=300
timeout=45
[ ! -f settings ] || timeout=$(sed -n 's/^timeout=//p' settings)
timeout=$((timeout * ${VMM_TEST_SLOW:-1}))
work=$(mktemp -d)
mkfifo "$work/output"

# run PROGRAM: run it, indent what it prints; leaves its exit status in $status
run() {
	rm -f "$work/late"
	setsid "./$1" >"$work/output" 2>&1 </dev/null &
	pid=$!
	while IFS= read -r line || [ -n "$line" ]; do
		printf '# %s\n' "$line"
	done <"$work/output" &
	reader=$!
	(sleep "$timeout" && : >"$work/late" && kill -KILL -- "-$pid") >/dev/null 2>&1 &
	watchdog=$!
	wait "$pid"
	status=$?
	kill "$watchdog"
	kill -KILL -- "-$pid" 2>/dev/null
	wait "$reader"
}

echo "KTAP version 1"
echo "1..$#"
n=0 failed=0
for program; do
	n=$((n + 1))
	echo "# selftests: vmm: $program"
	echo "selftests: vmm: $program" >/dev/kmsg
	run "$program"
	name="$n selftests: vmm: $program"
	if [ -e "$work/late" ]; then
		echo "not ok $name # TIMEOUT $timeout seconds"
		failed=1
	elif [ "$status" -eq 0 ]; then
		echo "ok $name"
	elif [ "$status" -eq 4 ]; then
		echo "ok $name # SKIP"
	else
		echo "not ok $name # exit=$status"
		failed=1
	fi
done
rm -rf "$work"
exit $failed
