# SPDX-License-Identifier: GPL-2.0
"""KVM's own selftests, from Debian's kernel sources, built unmodified.

They say what a user of the ABI may rely on, in the words of those who made
it. What is here: fetching and building them in the cache, which of them are
run with which options, and why some cannot tell anything in the lab.
"""

import collections
import os
import re

import debian
from debian import BUILD_PACKAGES, LabError, say

SOURCE = 'linux-source-6.1'
# What the tests need of the kernel's sources.
MEMBERS = ('scripts/subarch.include', 'tools/arch/x86/include', 'tools/build/Build.include',
           'tools/include', 'tools/lib/rbtree.c', 'tools/scripts',
           'tools/testing/selftests/kselftest.h', 'tools/testing/selftests/kselftest_harness.h',
           'tools/testing/selftests/kvm', 'tools/testing/selftests/lib.mk',
           'tools/testing/selftests/rseq')
# Static, since pthread_cancel() loads a library only when it is called.
# 6.1.y mixes two names of one macro, and a program includes <asm/kvm.h> without what that needs.
CFLAGS = '-DTEST_ASSERT_EQ=ASSERT_EQ -include linux/stddef.h'

# A name of ours, a program below selftests/kvm, its arguments.
Test = collections.namedtuple('Test', 'name program arguments')


def test(program, arguments='', variant=''):
    """A line of the table below."""
    return Test(os.path.basename(program) + (f':{variant}' if variant else ''), program, arguments)


# These have to pass where they pass on KVM. Sizes and iterations are such that
# an emulated host is done in seconds, or a minute.
REQUIRED = (
    test('x86_64/cpuid_test'),
    test('x86_64/cr4_cpuid_sync_test'),
    test('x86_64/debug_regs'),
    test('x86_64/get_msr_index_features'),
    test('x86_64/kvm_clock_test'),
    test('x86_64/kvm_pv_test'),
    test('x86_64/set_boot_cpu_id'),
    test('x86_64/set_sregs_test'),
    test('x86_64/state_test'),
    test('x86_64/sync_regs_test'),
    test('x86_64/tsc_msrs_test'),
    test('x86_64/userspace_io_test'),
    test('x86_64/xapic_ipi_test', '-s 3'),
    test('x86_64/xapic_ipi_test', '-s 3 -m', 'migrate'),
    test('x86_64/xapic_state_test'),
    test('demand_paging_test', '-b 16M -v 2'),
    test('demand_paging_test', '-b 8M -v 2 -u MISSING', 'missing'),
    test('demand_paging_test', '-b 8M -v 2 -u MINOR -s shmem', 'minor'),
    test('dirty_log_test', '-i 3 -M dirty-log', 'log'),
    test('dirty_log_test', '-i 3 -M clear-log', 'clear'),
    test('dirty_log_test', '-i 3 -M dirty-ring', 'ring'),
    test('dirty_log_perf_test', '-b 16M -v 2 -i 3'),
    test('dirty_log_perf_test', '-b 16M -v 2 -i 3 -g', 'no-manual'),
    test('dirty_log_perf_test', '-b 16M -v 2 -i 3 -e -x 8 -f 4', 'slots'),
    test('dirty_log_perf_test', '-b 16M -v 2 -i 3 -o -s anonymous_thp', 'thp'),
    test('kvm_create_max_vcpus'),
    test('kvm_page_table_test', '-b 16M -v 2'),
    test('kvm_page_table_test', '-b 16M -v 2 -s anonymous_thp', 'thp'),
    test('memslot_modification_stress_test', '-b 8M -v 2 -i 200'),
    test('set_memory_region_test'),
    test('steal_time'),
    test('system_counter_offset_test'),
)

# These may also skip, for want of a capability.
# Left out is what needs nested virtualization (svm_*, most of vmx_*, nested_*,
# triple_fault_event_test), SMM, Xen, Hyper-V, SEV, or parameters of kvm.ko
# (nx_huge_pages_test).
OTHERS = (
    test('x86_64/amx_test'),
    test('x86_64/emulator_error_test'),
    test('x86_64/fix_hypercall_test'),
    test('x86_64/max_vcpuid_cap_test'),
    test('x86_64/mmio_warning_test'),
    test('x86_64/monitor_mwait_test'),
    test('x86_64/platform_info_test'),
    test('x86_64/pmu_event_filter_test'),
    test('x86_64/tsc_scaling_sync'),
    test('x86_64/ucna_injection_test'),
    test('x86_64/userspace_msr_exit_test'),
    test('x86_64/vmx_exception_with_invalid_guest_state'),
    test('x86_64/vmx_pmu_caps_test'),
    test('x86_64/xss_msr_test'),
    test('access_tracking_perf_test', '-b 16M'),
    test('hardware_disable_test'),
    test('kvm_binary_stats_test'),
    test('max_guest_memory_test', '-c 2 -m 4 -s 1'),
    test('memslot_perf_test', '-s 100 -l 1'),
    test('rseq_test'),
)
TESTS = REQUIRED + OTHERS

# Where stock KVM fails in the lab: why.
STOCK_FAILS = {
    'amd': {
        'debug_regs': "QEMU's TCG does not intercept INT3",
    },
    'intel': {
    },
}


def version():
    """The version of the sources that apt offers."""
    def asked():
        listing = debian.run(['apt-cache', 'policy', SOURCE])
        found = re.search(r'Candidate: (\d\S*)', listing)
        return found and found[1]

    found = asked()
    if not found:
        debian.apt_update()
        found = asked()
    if not found:
        raise LabError(f'apt offers no {SOURCE}')
    return found


def fetch(folder):
    """Unpack what is needed of the sources into a folder."""
    debian.run(['dpkg', '-x', debian.download(SOURCE, folder), folder])
    tar = os.path.join(folder, 'usr/src', f'{SOURCE}.tar.xz')
    debian.run(['tar', 'xf', tar, '-C', folder, *(f'{SOURCE}/{name}' for name in MEMBERS)])
    return os.path.join(folder, SOURCE)


def built():
    """The folder of the built programs: selftests/kvm."""
    debian.install(BUILD_PACKAGES + ['xz-utils'])
    kept = debian.cache('kvm-selftests', version())
    with debian.locked('kvm-selftests'):
        if not os.path.isdir(kept):
            say(f"building KVM's selftests of {SOURCE}, once")
            with debian.scratch(os.path.dirname(kept)) as tmp:
                tree = fetch(tmp)
                debian.run(['make', '-s', f'-j{os.cpu_count()}', '-C',
                            os.path.join(tree, 'tools/testing/selftests/kvm'),
                            f'EXTRA_CFLAGS={CFLAGS}', 'USERLDFLAGS=-static'])
                os.rename(tree, kept)
    return os.path.join(kept, 'tools/testing/selftests/kvm')
