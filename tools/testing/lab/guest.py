# SPDX-License-Identifier: GPL-2.0
"""Puts a real VMM and a real guest into L1: Debian's QEMU, Debian's kernel.

QEMU is the package installed on this machine, unmodified, at the same paths.
The guest's (L2's) kernel is the stock one that the lab boots as L1 too, with a
RAM file system that runs guest-init.
"""

import glob
import gzip
import os
import shutil
import struct

import build
import debian
from initramfs import Archive, base

PACKAGES = ['qemu-system-x86', 'seabios']
GUEST_KERNEL = '6.1'
# What QEMU gives a guest that has "guest.devices" on its command line.
GUEST_MODULES = ['virtio_pci', 'virtio_net', 'virtio_blk']
LOAD = 'tools/testing/lab/load'
FIRMWARE = ('/usr/share/seabios/bios-256k.bin', '/usr/share/qemu/kvmvapic.bin',
            '/usr/share/qemu/linuxboot*.bin')


def guest_load():
    """The program that keeps a guest busy."""
    return os.path.join(build.user(LOAD), 'guest_load')


def guest_initrd():
    """L2's file system: busybox, guest-init, drivers and guest_load."""
    archive = Archive()
    base(archive)
    archive.file(os.path.join(debian.HERE, 'guest-init'), 'init')
    archive.file(guest_load(), 'bin/guest_load')
    drivers = debian.kernel(GUEST_KERNEL).modules(GUEST_MODULES)
    for path in drivers:
        archive.text(f'drivers/{debian.module_name(path)}.ko', debian.module_bytes(path))
    archive.text('drivers/order', ''.join(f'{debian.module_name(path)}\n' for path in drivers))
    return gzip.compress(archive.finish(), compresslevel=1, mtime=0)


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
    for script in ('qemu-boot.sh', 'qemu-migrate.sh'):
        archive.file(os.path.join(debian.HERE, script), f't/{script}')
