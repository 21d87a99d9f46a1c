# SPDX-License-Identifier: GPL-2.0
"""Puts real guests into L1, Debian's kernel and the like, and a VMM: Debian's QEMU, or vmmrun.

QEMU is the package installed on this machine, unmodified, at the same paths.
The usual guest's (L2's) kernel is the stock one that the lab boots as L1 too,
with a RAM file system that runs guest-init, and a disk. Others are named:
see OTHERS.
"""

import glob
import gzip
import hashlib
import os
import shutil
import struct

import build
import debian
from debian import LabError
from initramfs import Archive, base

PACKAGES = ['qemu-system-x86', 'seabios', 'e2fsprogs']
GUEST_KERNEL = '6.1'
MODULES = ['virtio_pci', 'virtio_mmio', 'virtio_blk', 'virtio_net', 'crc32c_generic', 'ext4']
# What vmmrun's guests use: the disk that it has, and a file system.
VMMRUN_MODULES = ['virtio_mmio', 'virtio_blk', 'crc32c_generic', 'ext4']
LOAD = 'tools/testing/lab/load'
FIRMWARE = ('/usr/share/seabios/bios-256k.bin', '/usr/share/seabios/vgabios-stdvga.bin',
            '/usr/share/qemu/kvmvapic.bin', '/usr/share/qemu/linuxboot*.bin',
            '/usr/share/qemu/bios-microvm.bin')
SCRIPTS = ('qemu-boot.sh', 'qemu-guests.sh', 'qemu-migrate.sh')

# Guests that have to be asked for: their package, and its files.
INSTALLER = 'usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64'
OTHERS = {
    'ovmf': ('ovmf', {'OVMF_CODE_4M.fd': 'usr/share/OVMF/OVMF_CODE_4M.fd',
                      'OVMF_VARS_4M.fd': 'usr/share/OVMF/OVMF_VARS_4M.fd'}),
    'memtest': ('memtest86+', {'memtest86+x64.bin': 'boot/memtest86+x64.bin'}),
    # At its usual path: it is the network card's own ROM, not one given by romfile=.
    'ipxe': ('ipxe-qemu', {'/usr/lib/ipxe/qemu/efi-virtio.rom':
                           'usr/lib/ipxe/qemu/efi-virtio.rom'}),
    'installer': ('debian-installer-12-netboot-amd64',
                  {'installer/linux': f'{INSTALLER}/linux',
                   'installer/initrd.gz': f'{INSTALLER}/initrd.gz'}),
}


def guest_load():
    """The program that keeps a guest busy."""
    return os.path.join(build.user(LOAD), 'guest_load')


def guest_initrd(modules=MODULES, folder='modules'):
    """L2's file system: busybox, guest-init, guest_load, and modules.

    guest-init loads those in the folder drivers, those in modules when it is asked to.
    """
    archive = Archive()
    base(archive)
    archive.file(os.path.join(debian.HERE, 'guest-init'), 'init')
    archive.file(guest_load(), 'bin/guest_load')
    for number, path in enumerate(debian.kernel(GUEST_KERNEL).modules(modules)):
        archive.text(f'{folder}/{number:02}-{debian.module_name(path)}.ko',
                     debian.module_bytes(path))
    return gzip.compress(archive.finish(), compresslevel=1, mtime=0)


def disk_files():
    """What is on the guest's disk, and what the host's HTTP server has for it."""
    data = b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(16384))
    return {'data': data, 'data.md5': f'{hashlib.md5(data).hexdigest()}  data\n'.encode()}


def disk_image():
    """The guest's disk: a file system with those files in it."""
    with debian.scratch(debian.cache('guests', 'x')[:-2]) as tmp:
        folder, image = os.path.join(tmp, 'files'), os.path.join(tmp, 'image')
        os.mkdir(folder)
        for name, data in disk_files().items():
            with open(os.path.join(folder, name), 'wb') as f:
                f.write(data)
        debian.run(['/sbin/mke2fs', '-q', '-t', 'ext2', '-d', folder, image, '4M'])
        with open(image, 'rb') as f:
            return f.read()


def empty_qcow2(size=16 << 20, cluster_bits=16):
    """An image without data, whose format has room for saved states (QEMU's qcow2.txt)."""
    cluster = 1 << cluster_bits
    header = struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', 2, 0, 0, cluster_bits, size, 0, 1,
                         3 * cluster, cluster, 1, 0, 0)
    table = struct.pack('>Q', 2 * cluster)              # refcounts: one block
    counts = struct.pack('>4H', 1, 1, 1, 1)             # of these four clusters
    return b''.join(part.ljust(cluster, b'\0') for part in (header, table, counts, b''))


def unpacked(package):
    """A Debian package's files, in a folder of the cache; it is not installed."""
    top = debian.cache('guests', package)
    with debian.locked(f'guest-{package}'):
        if not os.path.isdir(top):
            debian.say(f'fetching {package}')
            with debian.scratch(os.path.dirname(top)) as tmp:
                root = os.path.join(tmp, 'root')
                debian.run(['dpkg', '-x', debian.download(package, tmp), root])
                os.rename(root, top)
    return top


def write_guest(folder):
    """vmmrun and the guest's files, for this machine."""
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(build.user('tools/vmmrun'), 'vmmrun'), folder)
    shutil.copy(debian.kernel(GUEST_KERNEL).vmlinuz, os.path.join(folder, 'vmlinuz'))
    with open(os.path.join(folder, 'initrd'), 'wb') as f:
        f.write(guest_initrd(VMMRUN_MODULES, 'drivers'))


def add_vmmrun(archive):
    """vmmrun and the guest."""
    archive.file(os.path.join(build.user('tools/vmmrun'), 'vmmrun'), 't/vmmrun')
    archive.file(debian.kernel(GUEST_KERNEL).vmlinuz, 'guest/vmlinuz')
    archive.text('guest/initrd', guest_initrd(VMMRUN_MODULES, 'drivers'))


def add_qemu(archive, others):
    """QEMU with its libraries and firmware, the guests, and the scripts that use them."""
    debian.install(PACKAGES)
    archive.file('/usr/bin/qemu-system-x86_64', 'usr/bin/qemu-system-x86_64')
    for pattern in FIRMWARE:
        for path in glob.glob(pattern):
            archive.file(path, path)
    archive.file(debian.kernel(GUEST_KERNEL).vmlinuz, 'guest/vmlinuz')
    archive.text('guest/initrd', guest_initrd())
    archive.text('guest/empty.qcow2', empty_qcow2())
    archive.file(guest_load(), 't/guest_load')
    archive.text('guest/disk.img', disk_image())
    for name, data in disk_files().items():
        archive.text(f'guest/disk/{name}', data)
    for script in SCRIPTS:
        archive.file(os.path.join(debian.HERE, script), f't/{script}')
    for other in others:
        if other not in OTHERS:
            raise LabError(f"there is no guest '{other}', but {', '.join(OTHERS)}")
        package, files = OTHERS[other]
        for name, path in files.items():
            archive.file(os.path.join(unpacked(package), path), os.path.join('guest', name))
