#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# abi_gen.pl - writes the comparisons that abi_test.c is made of.
#
# usage: abi_gen.pl KVM-MACROS HEADER... > abi_generated.h
#
# HEADER is vmm.h and what it includes; every macro, struct and field in them
# becomes one line: ABI_CONST, ABI_SIZE, ABI_FIELD or ABI_BITFIELD, unless it
# stands in one of the lists below. KVM-MACROS is the output of "cpp -dM" for
# <linux/kvm.h>: each KVM name that vmm.h does not have and that %left_out does
# not explain becomes a line ABI_MISSING. So nothing is compared by hand, and
# nothing escapes.
use strict;
use warnings;

# Names that KVM does not have.
my %addition = map { $_ => 1 } qw(
	VMM_PRIVATE_BASE VMM_PRIVATE_IOCTL_BASE VMM_CAP_VMM VMM_VMM_REVISION
	VMM_CAP_FAIL_ENTRY_EXPLAIN
	VMM_CAP_SNAPSHOT VMM_SNAPSHOT_MARK VMM_SNAPSHOT_RESTORE VMM_SNAPSHOT_DROP
	fail_entry.explain_len fail_entry.explain
	dirty_bitmap_addr bitmap_addr
);

# Names that KVM got after Linux 6.1: compared if the installed header has them.
my %newer = map { $_ => 1 } qw(
	VMM_EXIT_MEMORY_FAULT VMM_CAP_DIRTY_LOG_RING_WITH_BITMAP
	VMM_CAP_PMU_EVENT_MASKED_EVENTS VMM_CAP_MEMORY_FAULT_INFO VMM_CAP_VM_TYPES
	VMM_CAP_PRE_FAULT_MEMORY VMM_CAP_X86_APIC_BUS_CYCLES_NS VMM_CAP_X86_GUEST_MODE
	VMM_DEV_VFIO_FILE VMM_DEV_VFIO_FILE_ADD VMM_DEV_VFIO_FILE_DEL
);

# Members that have grown inside a union of fixed size: only the offset is equal.
my %grown = map { $_ => 1 } qw(vmm_run.fail_entry vmm_run.hypercall);

# Fields that only some versions of <linux/kvm.h> have.
my %field_if = (
	'vmm_run.memory_fault' => 'defined(KVM_EXIT_MEMORY_FAULT)',
	'vmm_run.hypercall.flags' => 'defined(KVM_EXIT_HYPERCALL_LONG_MODE)',
	'vmm_vcpu_pv_apf_data' => '!defined(KVM_CAP_X86_GUEST_MODE)',
);

# KVM names that vmm.h leaves out, and why.
my @left_out = (
	[ qr/S390|PPC|SPAPR|_ARM|MIPS|RISCV|_IA64|LOONGARCH|XICS|XIVE|FLIC|FSL|MPIC|VIRTIO_CCW|ALLOCATE_RMA|MP_STATE_(STOPPED|CHECK_STOP|OPERATING|LOAD|SUSPENDED)$|BOOKE|_PAPR|_PV_(?!EOI|REASON)|_OSI$|_EPR$|_DCR$|SW_TLB|DIRTY_TLB/ => 'another architecture' ],
	[ qr/^KVM_(CAP_)?(ONE_REG|REG_|GET_ONE_REG|SET_ONE_REG|GET_REG_LIST)|COUNTER_OFFSET/ => 'another architecture' ],
	[ qr/XEN/ => 'Xen guests are not planned' ],
	[ qr/SEV|MEMORY_ENCRYPT|ENC_CONTEXT|_SNP_/ => 'encrypted guests are not planned' ],
	[ qr/GUEST_MEMFD|MEMORY_ATTRIBUTE|USER_MEMORY2|MEMORY_REGION2|PRIVATE$|X86_.*_VM$|PRE_FAULT_MEMORY$/ => 'guest_memfd is not planned' ],
	[ qr/^KVM_TRC_|TRACE_|DEBUG_GUEST$|MEMORY_ALIAS|^KVM_SET_MEMORY_REGION$/ => 'gone from KVM itself' ],
	[ qr/ASSIGN|DEV_IRQ|PCI_2_3|MSIX/ => 'gone from KVM itself' ],
	[ qr/MMU_OP|^KVM_MMU_/ => 'gone from KVM itself' ],
	[ qr/^KVM_(CREATE|GET|SET)_PIT$/ => 'replaced by the PIT2 ioctls' ],
	[ qr/^KVM_SET_CPUID$/ => 'replaced by SET_CPUID2' ],
	[ qr/^KVM_COALESCED_MMIO_MAX$/ => 'depends on PAGE_SIZE, which user space lacks' ],
	[ qr/^KVM_IOEVENTFD_VALID_FLAG_MASK$|VALID_MASK$|FLAGS_VALID/ => 'of the kernel, not of the interface' ],
	[ qr/^KVM_(EXIT_)?HYPERCALL_LONG_MODE|EXIT_HYPERCALL_|RUN_X86_GUEST_MODE|QUIRK_(SLOT|STUFF|IGNORE|VMCS12)|PMU_(ENCODE|MASKED|EVENT_FLAG)|X86_GRP_/ => 'newer than Linux 6.1 and unused' ],
	[ qr/^KVM_DEV_TYPE_MAX|^KVM_VM_/ => 'not for x86' ],
	[ qr/STATS_NAME_SIZE|HAVE_/ => 'of the kernel' ],
);

my ($kvm_macros, @headers) = @ARGV;
my %mirrored;
my $text = '';

sub kvm_name
{
	my $n = shift;

	return $1 if $n =~ /^VMM_([A-Z]{2}_VECTOR)$/;
	return 'SYNC_REGS_SIZE_BYTES' if $n eq 'VMM_SYNC_REGS_SIZE_BYTES';
	$n =~ s/VMM/KVM/ or $n =~ s/vmm/kvm/;
	return $n;
}

for my $h (@headers) {
	local $/;
	open(my $f, '<', $h) or die "$h: $!\n";
	$text .= <$f>;
}
$text =~ s{/\*.*?\*/}{}gs;
$text =~ s/\\\n/ /g;

for (split /\n/, $text) {
	next unless /^\s*#\s*define\s+(\w+)(\(?)/;
	my ($name, $function) = ($1, $2);

	next if $name =~ /^_UAPI/;
	die "$name: a name of ours contains VMM\n" unless $name =~ /VMM/;
	$mirrored{kvm_name($name)} = 1;
	next if $addition{$name} || $function;
	my $kvm = kvm_name($name);
	if ($name eq 'VMM_SIGNATURE') {
		print "ABI_STRING($name, $kvm)\n";
	} elsif ($newer{$name}) {
		print "#ifdef $kvm\nABI_CONST($name, $kvm)\n#endif\n";
	} else {
		print "ABI_CONST($name, $kvm)\n";
	}
}

# Emits one field; $path is relative to the struct.
sub field
{
	my ($struct, $path, $type, $bits) = @_;
	my $kvm = kvm_name("struct $struct");
	my $leaf = (split /\./, $path)[-1];
	my $cond = '';
	my $kpath = $path;

	return if $addition{$path} || $addition{$leaf};
	for my $k (keys %field_if) {
		$cond = $field_if{$k} if index("$struct.$path", $k) == 0;
	}
	$kpath =~ s/vmm_/kvm_/;
	print "#if $cond\n" if $cond;
	if ($bits) {
		print "ABI_BITFIELD(struct $struct, $kvm, $path)\n";
	} else {
		my $kind = $type =~ /struct/ ? 'ABI_FIELD' : 'ABI_SCALAR';

		$kind = 'ABI_OFFSET' if $grown{"$struct.$path"};
		print "$kind(struct $struct, $kvm, $path, $kpath)\n";
	}
	print "#endif\n" if $cond;
}

# Walks the members of a struct or union body; returns what follows it.
sub members
{
	my ($tokens) = @_;
	my @out;

	while (@$tokens) {
		my $t = shift @$tokens;

		return @out if $t =~ /^\s*\}/;
		if ($t =~ /^\s*(struct|union)\s*\{/) {
			my @inner = members($tokens);
			my $name = shift @$tokens;	# "name" or "name[N]" or nothing

			$name =~ s/\s//g;
			if ($name eq '') {
				push @out, @inner;
				next;
			}
			my $array = $name =~ s/\[(.*)\]//;
			push @out, [ $name, 'struct', 0 ];
			my $prefix = $array ? $name . '[0]' : $name;
			push @out, map { [ "$prefix.$_->[0]", $_->[1], $_->[2] ] } @inner;
			next;
		}
		next if $t =~ /^\s*$/;
		$t =~ /^\s*((?:struct\s+|unsigned\s+)?\w+)\s+(.*)$/s or die "cannot parse member: $t\n";
		my ($type, $list) = ($1, $2);
		for my $d (split /,/, $list) {
			next if $d =~ /\[\]|\[0\]/;	# no size, no sizeof
			my $bits = $d =~ s/:\d+//;
			$d =~ s/[\s*]//g;
			$d =~ s/\[.*//;
			push @out, [ $d, $type, $bits ];
		}
	}
	die "unbalanced braces\n";
}

while ($text =~ /^struct\s+(vmm_\w+)\s*\{(.*?)^\};/gms) {
	my ($struct, $body) = ($1, $2);
	my $kvm = kvm_name("struct $struct");
	my $cond = $field_if{$struct};

	# One token a member; a brace ends a token as a semicolon does.
	my @tokens = map { s/^\s+|\s+$//gr } split /(?<=\{)|(?=\})|(?<=\})|;/, $body;
	print "#if $cond\n" if $cond;
	print "ABI_SIZE(struct $struct, $kvm)\n";
	print "#endif\n" if $cond;
	field($struct, @$_) for members([ @tokens, '}' ]);
}

open(my $m, '<', $kvm_macros) or die "$kvm_macros: $!\n";
while (<$m>) {
	next unless /^#define\s+((?:KVM|MSR_KVM)_\w+)/;
	my $name = $1;

	next if $mirrored{$name} || $name =~ /^KVM_(ENOSYS|E[A-Z0-9]+)$/;
	next if grep { $name =~ $_->[0] } @left_out;
	print "ABI_MISSING($name)\n";
}
