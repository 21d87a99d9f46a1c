# SPDX-License-Identifier: GPL-2.0
"""The emulated AMD host: QEMU's TCG, whose CPU has SVM with nested paging."""

POWEROFF = 'qemu'
PACKAGES = ['qemu-system-x86', 'seabios']
DEFAULT_MEM = 2048
DEFAULT_CPU = {'amd': 'max'}
# no_timer_check: on a busy machine the test of the timer's pace would fail.
APPEND = 'console=ttyS1 quiet panic=-1 tsc=reliable no_timer_check cryptomgr.notests'
ICOUNT_APPEND = ' nokaslr norandmaps'


def cpu_option(model):
    """5-level paging off: it slows TCG down; the TSC must count to be of use."""
    if ',' in model:
        return model
    return 'max,-la57,+invtsc' if model == 'max' else f'{model},+invtsc'


def command(options, kernel, initrd, console, _workdir):
    """The emulator's command line."""
    append, clock = APPEND, []
    accel = 'tcg,thread=multi' if options.smp > 1 else 'tcg'
    if options.icount:      # time is the number of executed instructions
        clock = ['-icount', 'shift=0', '-seed', '1', '-rtc', 'base=2026-01-01,clock=vm']
        append += ICOUNT_APPEND
    return ['qemu-system-x86_64', '-accel', accel, '-cpu', cpu_option(options.cpu or DEFAULT_CPU['amd']),
            '-machine', 'pc', '-smp', str(options.smp), '-m', str(options.mem), *clock,
            '-nodefaults', '-display', 'none', '-no-reboot',
            '-chardev', f'serial,id=console,path={console.device}', '-serial', 'chardev:console',
            '-serial', f'file:{console.kernel_log_path}',
            '-device', 'isa-debug-exit,iobase=0x501,iosize=1',
            '-kernel', kernel.image, '-initrd', initrd,
            '-append', f'{append} {options.append}'.strip()]


def last_words(_workdir):
    """QEMU keeps no log of its own."""
    return ''
