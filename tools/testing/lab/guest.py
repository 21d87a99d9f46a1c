# SPDX-License-Identifier: GPL-2.0
"""Puts a real VMM and a real guest into L1: Debian's QEMU, Debian's kernel.

QEMU is the package installed on this machine, unmodified, at the same paths.
The guest's (L2's) kernel is the stock one that the lab boots as L1 too, with a
RAM file system that runs guest-init, and a disk.
"""

import glob
import gzip
import hashlib
import os
import shutil
import struct

import build
import debian
from initramfs import Archive, base

PACKAGES = ['qemu-system-x86', 'seabios', 'e2fsprogs']
GUEST_KERNEL = '6.1'
MODULES = ['virtio_pci', 'virtio_mmio', 'virtio_blk', 'virtio_net', 'crc32c_generic', 'ext4']
LOAD = 'tools/testing/lab/load'
FIRMWARE = ('/usr/share/seabios/bios-256k.bin', '/usr/share/qemu/kvmvapic.bin',
            '/usr/share/qemu/linuxboot*.bin', '/usr/share/qemu/bios-microvm.bin')
SCRIPTS = ('qemu-boot.sh', 'qemu-guests.sh', 'qemu-migrate.sh')


def guest_load():
    """The program that keeps a guest busy."""
    return os.path.join(build.user(LOAD), 'guest_load')


def guest_initrd():
    """L2's file system: busybox, guest-init, guest_load, and the modules for its devices."""
    archive = Archive()
    base(archive)
    archive.file(os.path.join(debian.HERE, 'guest-init'), 'init')
    archive.file(guest_load(), 'bin/guest_load')
    order = []
    for path in debian.kernel(GUEST_KERNEL).modules(MODULES):
        order.append(os.path.basename(path))
        archive.text(f'modules/{order[-1]}', debian.module_bytes(path))
    archive.text('modules/order', ''.join(f'{name}\n' for name in order))
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


def write_guest(folder):
    """The guest's files, for QEMU on this machine."""
    debian.install(PACKAGES)
    os.makedirs(folder, exist_ok=True)
    shutil.copy(debian.kernel(GUEST_KERNEL).vmlinuz, os.path.join(folder, 'vmlinuz'))
    with open(os.path.join(folder, 'initrd'), 'wb') as f:
        f.write(guest_initrd())


def add_qemu(archive):
    """QEMU with its libraries and firmware, the guest, and the scripts that use them."""
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
