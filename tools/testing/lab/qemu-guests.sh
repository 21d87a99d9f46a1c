#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-guests.sh - what qemu-boot.sh boots: one function for each --what.
#
# Each starts qemu, waits for what the guest must show, and succeeds if that
# came and QEMU ended as it should. What the guest shows is in $out/console.
# shellcheck disable=SC2154	# variables of qemu-boot.sh

# qemu ARGUMENT...: QEMU with what all boots share, in the background
qemu() {
	: >"$out/console"
	how=$machine,accel=$accel
	[ "$accel" != kvm ] || how=$how,kernel-irqchip=$irqchip
	qemu-system-x86_64 -machine "$how" \
		-cpu "$cpu" -smp "$smp" -m "$mem" -nodefaults -display none \
		-overcommit "cpu-pm=$cpu_pm" -no-reboot "$@" >"$out/qemu" 2>&1 </dev/null &
	pid=$!
}

# reached TEXT: wait until the console has it; fails when QEMU ends or time is up
reached() {
	end=$(now)
	end=$((${end%.*} + timeout))
	while ! grep -q "$1" "$out/console"; do
		kill -0 "$pid" 2>/dev/null || break
		time=$(now)
		[ "${time%.*}" -lt "$end" ] || break
		sleep 0.2
	done
	grep -q "$1" "$out/console"
}

# leave STATUS: end QEMU, which would run on
leave() {
	kill "$pid" 2>/dev/null
	wait "$pid"
	return "$1"
}

# ends STATUS: if that is 0, QEMU must end by itself, and well
ends() {
	[ "$1" -eq 0 ] || kill "$pid" 2>/dev/null
	wait "$pid" && return "$1"
}

# What the guest's shell is asked to do; commas stand for spaces.
# shellcheck disable=SC2016	# the guest's shell expands it
guest_command='echo,six,times,seven,is,$((6*7))'

# virtio KIND ARGUMENTS: the virtio device of that kind that the machine has
virtio() {
	case $machine in
	microvm) echo "virtio-$1-device,$2" ;;
	*) echo "virtio-$1-pci,$2" ;;
	esac
}

# serve: this host's HTTP server, which the guest's network leads to
serve() {
	[ -z "$httpd" ] || return 0
	httpd -f -p 127.0.0.1:8000 -h "$guest/disk" &
	httpd=$!
}

boot_bios() {
	qemu -chardev "file,id=bios,path=$out/console" \
		-device isa-debugcon,iobase=0x402,chardev=bios
	reached 'No bootable device'
	leave $?
}

boot_kernel() {
	token=$$-$n rom=
	set -- -serial "file:$out/console" \
		-kernel "$guest/vmlinuz" -initrd "$guest/initrd"
	if [ "$devices" = yes ]; then
		serve
		cp "$guest/disk.img" "$out/disk"
		[ "$machine" = microvm ] || rom=,romfile=
		set -- "$@" -drive "file=$out/disk,format=raw,if=none,id=disk" \
			-device "$(virtio blk drive=disk)" -netdev user,id=net \
			-device "$(virtio net "netdev=net$rom")"
		append="guest.devices=$token $append"
	fi
	qemu "$@" -append "console=ttyS0 panic=-1 guest.command=$guest_command $append"
	append=${append#guest.devices=* }
	reached "guest: done, $smp CPU"
	ends $? && { [ "$devices" = no ] || used_devices; }
}

# The guest says that it could use its devices; its disk has what it wrote.
used_devices() {
	grep -q 'guest: disk, ' "$out/console" && grep -q 'guest: network, ' "$out/console" &&
		tr '\000' '\n' <"$out/disk" | grep -q "^written by the guest: $token\$"
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
	leave $?
	result=$?
	rm "$out/monitor.in" "$out/monitor.out"
	return "$result"
}

# A picture of the guest's text console, for test-screen, in lines that start so.
boot_screen() {
	mkfifo "$out/monitor.in" "$out/monitor.out"
	qemu -vga std -serial "file:$out/console" \
		-chardev "pipe,id=monitor,path=$out/monitor" -mon monitor \
		-kernel "$guest/vmlinuz" -initrd "$guest/initrd" -append \
		"console=ttyS0 console=tty0 guest.screen=y guest.command=$guest_command $append"
	cat "$out/monitor.out" >"$out/monitor" &
	reached 'guest: look at the screen'
	result=$?
	if [ "$result" -eq 0 ]; then
		printf 'screendump %s\nquit\n' "$out/screen" >"$out/monitor.in"
	else
		kill "$pid"
	fi
	wait "$pid"
	rm "$out/monitor.in" "$out/monitor.out"
	[ "$result" -eq 0 ] && gzip -c "$out/screen" | base64 | sed 's/^/# screen: /'
}

# UEFI firmware comes to its shell, which runs a script from a disk; that powers off.
boot_ovmf() {
	cp "$guest/OVMF_VARS_4M.fd" "$out/vars"
	mkdir -p "$out/esp"
	export TMPDIR="$out"	# for what the guest writes; L1 has no /var/tmp
	printf '%s\r\n' 'echo the shell is here' ver 'reset -s' >"$out/esp/startup.nsh"
	qemu -serial "file:$out/console" \
		-drive "if=pflash,unit=0,readonly=on,format=raw,file=$guest/OVMF_CODE_4M.fd" \
		-drive "if=pflash,unit=1,format=raw,file=$out/vars" \
		-drive "file=fat:rw:$out/esp,format=raw,if=none,id=esp" \
		-device virtio-blk-pci,drive=esp
	reached 'UEFI Interactive Shell' && reached '^the shell is here'
	ends $?
}

# Memtest86+ runs on all CPUs, comes to its fifth test, and finds no error.
boot_memtest() {
	qemu -serial "file:$out/console" -kernel "$guest/memtest86+x64.bin" \
		-append console=ttyS0,115200
	reached 'Memtest86+ v' && reached '#4  ' && ! grep -q 'Errors: *[1-9]' "$out/console"
	leave $?
}

# Debian's installer comes to its first question.
boot_installer() {
	qemu -serial "file:$out/console" \
		-kernel "$guest/installer/linux" -initrd "$guest/installer/initrd.gz" \
		-append 'console=ttyS0 panic=-1 quiet TERM=linux ---'
	reached 'Select a language\|Choose the language'
	leave $?
}

# iPXE gets an address, and a script by TFTP, which it runs.
boot_ipxe() {
	mkdir -p "$out/tftp"
	# shellcheck disable=SC2016	# iPXE expands it
	printf '#!ipxe\necho the script has ${net0/ip}\n' >"$out/tftp/script.ipxe"
	machine_was=$machine machine=$machine,graphics=off
	qemu -serial "file:$out/console" -boot n \
		-netdev "user,id=net,tftp=$out/tftp,bootfile=script.ipxe" \
		-device virtio-net-pci,netdev=net
	machine=$machine_was
	reached '^net0: 10.0.2.15/255.255.255.0 gw 10.0.2.2' &&
		reached '^the script has 10.0.2.15'
	leave $?
}
