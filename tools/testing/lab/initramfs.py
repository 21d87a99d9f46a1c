# SPDX-License-Identifier: GPL-2.0
"""Writes the initial RAM file systems of L1 and L2.

The lab needs no root: device nodes and ownership exist only in the archive.
Everything that L1 needs travels in its RAM file system, on both emulators
alike, so that no disk, network or shared folder has to work there.
"""

import os
import stat
import subprocess


class Archive:
    """A 'newc' cpio archive in the making; see the kernel's buffer-format.rst."""

    def __init__(self):
        self._parts, self._known, self._inode = [], set(), 0

    def _entry(self, name, mode, data=b'', rdev=(0, 0)):
        self._inode += 1
        path = name.encode() + b'\0'
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(path), 0)
        header = b'070701' + b''.join(b'%08x' % f for f in fields) + path
        self._parts += [header, b'\0' * (-len(header) % 4), data, b'\0' * (-len(data) % 4)]

    def folder(self, name, mode=0o755):
        """A folder and those above it."""
        name = name.strip('/')
        if not name or name in self._known:
            return
        self.folder(os.path.dirname(name))
        self._known.add(name)
        self._entry(name, stat.S_IFDIR | mode)

    def _new(self, name):
        name = name.strip('/')
        self.folder(os.path.dirname(name))
        if name in self._known:
            return None
        self._known.add(name)
        return name

    def text(self, name, text, mode=0o644):
        """A file with the given contents (str or bytes)."""
        data = text.encode() if isinstance(text, str) else text
        if name := self._new(name):
            self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        """A symbolic link."""
        if name := self._new(name):
            self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def node(self, name, major, minor, mode=0o600):
        """A character device."""
        if name := self._new(name):
            self._entry(name, stat.S_IFCHR | mode, rdev=(major, minor))

    def file(self, source, name, libraries=True):
        """A file of the host's, with the libraries it needs; a folder with all below it."""
        if os.path.isdir(source):
            self.folder(name)
            for item in sorted(os.listdir(source)):
                self.file(os.path.join(source, item), os.path.join(name, item))
            return
        with open(source, 'rb') as f:
            data = f.read()
        self.text(name, data, stat.S_IMODE(os.stat(source).st_mode))
        if libraries and data[:4] == b'\x7fELF':
            for library in shared_libraries(source):    # of libraries, too
                self.file(library, library, libraries=False)

    def finish(self):
        """The archive's bytes."""
        self._entry('TRAILER!!!', 0)
        return b''.join(self._parts)


def shared_libraries(program):
    """What a program needs of the dynamic linker; nothing if it is static."""
    listing = subprocess.run(['ldd', program], capture_output=True, text=True, check=False)
    words = listing.stdout.replace('=>', ' ').split() if not listing.returncode else []
    return [word for word in words if word.startswith('/')]


def base(archive):
    """What every small system of ours has: busybox and the usual folders."""
    for name in ('bin', 'dev', 'proc', 'sys', 'tmp', 'root', 'etc', 'run', 'mnt'):
        archive.folder(name)
    archive.node('dev/console', 5, 1)
    archive.file('/bin/busybox', 'bin/busybox')
    archive.link('bin/sh', 'busybox')
    archive.text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'
                               'nobody:x:65534:65534:nobody:/:/bin/sh\n')
    archive.text('etc/group', 'root:x:0:\nkvm:x:104:\nnogroup:x:65534:\n')
