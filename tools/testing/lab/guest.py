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

import debian
from initramfs import Archive, base

PACKAGES = ['qemu-system-x86', 'seabios']
GUEST_KERNEL = '6.1'
FIRMWARE = ('/usr/share/seabios/bios-256k.bin', '/usr/share/qemu/kvmvapic.bin',
            '/usr/share/qemu/linuxboot*.bin')


def guest_initrd():
    """L2's file system: busybox and guest-init."""
    archive = Archive()
    base(archive)
    archive.file(os.path.join(debian.HERE, 'guest-init'), 'init')
    return gzip.compress(archive.finish(), compresslevel=1, mtime=0)


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
    for script in ('qemu-boot.sh', 'qemu-migrate.sh'):
        archive.file(os.path.join(debian.HERE, script), f't/{script}')
