# SPDX-License-Identifier: GPL-2.0
"""The emulated Intel host: Bochs, whose CPU has VT-x with EPT.

Debian 12's Bochs has no EPT, so a newer one is built, once, from Debian's own
source package, and kept in the cache. Its BIOS would take long to load a
kernel from a disk; the kernel, its RAM file system and the boot parameters are
put into memory instead, and a boot sector (bochs-boot.S) enters the kernel.
Bochs also emulates AMD's CPUs: a second opinion (--emulator bochs).
"""

import hashlib
import os
import shutil
import struct

import debian
from debian import HERE, LabError, say

POWEROFF = 'bochs'
DEFAULT_MEM = 1024
DEFAULT_CPU = {'intel': 'sapphire_rapids', 'amd': 'ryzen'}
PACKAGES = ['bochsbios', 'vgabios', 'gcc', 'g++', 'make', 'patch', 'xz-utils']
SUITE = 'trixie'                # the Debian release whose Bochs is 3.0
MAX_MEM = 2048
IPS = 100_000_000               # emulated instructions in an emulated second
KERNEL = 0x1000000              # where Debian's kernels are linked to run
ENTRY, PARAMS, CMDLINE = 0x10000, 0x11000, 0x12000      # see bochs-boot.S
APPEND = ('console=ttyS1,115200 nokaslr no_timer_check mitigations=off tsc=reliable '
          f'lpj={IPS // 250} tsc_early_khz={IPS // 1000} random.trust_cpu=on quiet panic=-1 '
          'cryptomgr.notests')
CONFIGURE = [
    '--with-nogui', '--enable-cpu-level=6', '--enable-x86-64', '--enable-smp',
    '--enable-vmx=2', '--enable-svm', '--enable-avx', '--enable-evex', '--enable-cet',
    '--enable-protection-keys', '--enable-monitor-mwait', '--enable-long-phy-address',
    '--enable-configurable-msrs', '--enable-a20-pin', '--enable-fpu', '--enable-pci',
    '--enable-all-optimizations', '--disable-plugins', '--disable-debugger',
    '--disable-debugger-gui', '--disable-docbook', 'CFLAGS=-O3 -fno-plt', 'CXXFLAGS=-O3 -fno-plt']
BOCHSRC = """\
display_library: nogui
config_interface: textconfig
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
vga: extension=vbe, update_freq=1
pci: enabled=1, chipset=i440fx
cpu: model={cpu}, count={smp}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=1, msrs="{msrs}", exclude_features="la57"
memory: guest={mem}, host={mem}
clock: sync=none, time0=1767225600
com1: enabled=1, mode=term, dev={console.device}
com2: enabled=1, mode=file, dev={console.kernel_log_path}
floppya: 1_44={workdir}/floppy, status=inserted
boot: floppy
optramimage1: file={workdir}/params, address={entry:#x}
optramimage2: file={workdir}/kernel, address={kernel:#x}
optramimage3: file={initrd}, address={initrd_address:#x}
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
log: {workdir}/bochs.log
"""


def source(folder):
    """Download Debian's source package of Bochs 3; returns the tar file."""
    targets = debian.run(['apt-get', 'indextargets', '--format', '$(LABEL) $(REPO_URI)',
                          'Created-By: Packages'])
    sites = [line.split()[1] for line in targets.splitlines() if line.startswith('Debian ')]
    if not sites:
        raise LabError("apt knows no Debian mirror to take Bochs' sources from")
    for sub in ('lists/partial', 'parts'):
        os.makedirs(os.path.join(folder, sub))
    with open(os.path.join(folder, 'parts/source.sources'), 'w', encoding='ascii') as f:
        f.write(f'Types: deb-src\nURIs: {sites[0]}\nSuites: {SUITE}\nComponents: main\n'
                'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n')
    apt = ['apt-get', '-qq', '-oDir::Etc::SourceList=/dev/null',
           f'-oDir::Etc::SourceParts={folder}/parts', f'-oDir::State::Lists={folder}/lists',
           f'-oDir::Cache={folder}']
    debian.run([*apt, 'update'])
    debian.run([*apt, 'source', '--tar-only', '--download-only', 'bochs'], cwd=folder)
    return next(entry.path for entry in os.scandir(folder) if '.orig.tar' in entry.name)


def add_counting(src):
    """Put bochs-count.cc into Bochs' sources; returns configure's option."""
    folder = os.path.join(src, 'instrument/count')
    shutil.copytree(os.path.join(src, 'instrument/stubs'), folder)
    shutil.copy(os.path.join(HERE, 'bochs-count.cc'), os.path.join(folder, 'instrument.cc'))
    shutil.copy(os.path.join(HERE, 'bochs-count.h'), os.path.join(folder, 'instrument.h'))
    return '--enable-instrumentation=instrument/count'


def binary(counting=False):
    """Our Bochs, built when it is not there; or the one that counts instructions."""
    version = hashlib.sha256()
    for name in ['bochs-3.0.patch'] + ['bochs-count.cc', 'bochs-count.h'] * counting:
        with open(os.path.join(HERE, name), 'rb') as f:
            version.update(f.read())
    top = debian.cache(f"bochs-3.0-{'count-' * counting}{version.hexdigest()[:8]}")
    program = os.path.join(top, 'bin/bochs')
    with debian.locked('bochs'):
        if not os.path.exists(program):
            debian.install(PACKAGES)
            say('building Bochs, once: about a minute on two CPUs')
            with debian.scratch(os.path.dirname(top)) as tmp:
                src, prefix = os.path.join(tmp, 'src'), os.path.join(tmp, 'prefix')
                os.mkdir(src)
                debian.run(['tar', 'xf', source(tmp), '-C', src, '--strip-components=1'])
                debian.run(['patch', '-p1', '-d', src, '-i', os.path.join(HERE, 'bochs-3.0.patch')])
                more = [add_counting(src)] if counting else []
                debian.run(['./configure', f'--prefix={top}', *CONFIGURE, *more], cwd=src)
                debian.run(['make', f'-j{os.cpu_count()}'], cwd=src)
                debian.run(['make', f'DESTDIR={prefix}', 'install'], cwd=src)
                os.rename(prefix + top, top)
    return program


def flat_kernel(vmlinux):
    """What of a kernel's ELF file is in memory from KERNEL on, and its entry."""
    with open(vmlinux, 'rb') as f:
        elf = f.read()
    entry, table = struct.unpack_from('<QQ', elf, 24)
    size, count = struct.unpack_from('<HH', elf, 54)
    memory = bytearray()
    for at in range(table, table + size * count, size):
        kind, _, offset, _, address, length = struct.unpack_from('<IIQQQQ', elf, at)
        if kind == 1:           # PT_LOAD
            start = address - KERNEL
            memory.extend(bytes(max(0, start + length - len(memory))))
            memory[start:start + length] = elf[offset:offset + length]
    return memory, entry


def boot_params(entry, vmlinuz, initrd_address, initrd_size, command_line):
    """Three pages: the entry's address, the boot parameters, the command line."""
    with open(vmlinuz, 'rb') as f:
        header = f.read(0x400)
    params = bytearray(CMDLINE - PARAMS)
    end = 0x202 + header[0x201]
    params[0x1f1:end] = header[0x1f1:end]
    params[0x210] = 0xff                                # type_of_loader: none known
    struct.pack_into('<II', params, 0x218, initrd_address, initrd_size)
    struct.pack_into('<I', params, 0x228, CMDLINE)
    return (struct.pack('<Q', entry).ljust(PARAMS - ENTRY, b'\0') + bytes(params) +
            command_line.encode() + b'\0')


def boot_sector(workdir):
    """The boot sector, assembled."""
    obj, image = os.path.join(workdir, 'boot.o'), os.path.join(workdir, 'boot.bin')
    debian.run(['gcc', '-c', '-o', obj, os.path.join(HERE, 'bochs-boot.S')])
    debian.run(['ld', '-Ttext=0x7c00', '--oformat=binary', '-o', image, obj])
    with open(image, 'rb') as f:
        return f.read()


def command(options, kernel, initrd, console, workdir):
    """The emulator's command line, its files in workdir."""
    if options.mem > MAX_MEM:
        raise LabError(f'Bochs takes at most {MAX_MEM} MiB of memory')
    program = binary('VMM_LAB_COUNTS' in os.environ)
    size = os.path.getsize(initrd)
    address = (options.mem << 20) - size - (32 << 20) & ~0xfffff
    append = f'{APPEND} {options.append}'.strip()
    memory, entry = flat_kernel(kernel.vmlinux)
    files = {'kernel': memory,
             'params': boot_params(entry, kernel.vmlinuz, address, size, append),
             'floppy': boot_sector(workdir).ljust(2880 * 512, b'\0'),
             'bochsrc': BOCHSRC.format(
                 cpu=options.cpu or DEFAULT_CPU[options.cpu_vendor], smp=options.smp, ips=IPS,
                 msrs=os.path.join(HERE, 'bochs-msrs.def'), mem=options.mem, console=console,
                 workdir=workdir, entry=ENTRY, kernel=KERNEL, initrd=initrd,
                 initrd_address=address).encode()}
    for name, data in files.items():
        with open(os.path.join(workdir, name), 'wb') as f:
            f.write(data)
    return [program, '-q', '-f', os.path.join(workdir, 'bochsrc')]


def last_words(workdir):
    """The end of the emulator's own log."""
    with open(os.path.join(workdir, 'bochs.log'), encoding='utf-8', errors='replace') as f:
        return ''.join(f.readlines()[-40:])
