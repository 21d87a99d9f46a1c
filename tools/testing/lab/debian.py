# SPDX-License-Identifier: GPL-2.0
"""What the lab takes from Debian, and where it keeps it.

Packages that must be installed (QEMU, kernel headers, a compiler) go through
install-packages. Kernels to boot in the lab are not installed: their packages
are downloaded and unpacked into the cache. Which versions exist is always
asked of apt, so that nothing here has to change when Debian updates a kernel.

The cache is $VMM_LAB_CACHE, or vmm-lab in $XDG_CACHE_HOME (~/.cache).
"""

import contextlib
import fcntl
import functools
import glob
import lzma
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
TREE = os.path.realpath(os.path.join(HERE, '../../..'))
SERIES = ('6.1', '6.12')

LAB_PACKAGES = ['busybox-static', 'kmod', 'zstd']
KERNEL_PACKAGES = ['kmod', 'zstd']      # to unpack a kernel
BUILD_PACKAGES = ['gcc', 'libc6-dev', 'make', 'linux-libc-dev']


class LabError(Exception):
    """Something the user has to know about; printed without a traceback."""


def say(text):
    print(f'lab: {text}', file=sys.stderr, flush=True)


def cache(*parts):
    """A path in the cache; its folder is made."""
    top = os.environ.get('VMM_LAB_CACHE') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'vmm-lab')
    path = os.path.join(top, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def scratch(folder):
    """A folder for work in progress, gone afterwards; next to what it becomes."""
    os.makedirs(folder, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=folder, prefix='tmp-')


@contextlib.contextmanager
def locked(name):
    """Keep a second lab out while something in the cache is made."""
    with open(cache('locks', name), 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(args, **kwargs):
    """Run a program whose output matters only when it fails."""
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, errors='replace',
                          check=False, **kwargs)
    if done.returncode:
        tail = '\n'.join(done.stdout.rstrip().split('\n')[-40:])
        raise LabError(f"'{' '.join(args)}' failed:\n{tail}")
    return done.stdout


def install(packages):
    """Install what is missing of these packages (needs root only then)."""
    if subprocess.run([os.path.join(HERE, 'install-packages'), *packages],
                      check=False).returncode:
        raise LabError('packages are missing')


def apt_update():
    """Fetch apt's package list, where we may."""
    if os.geteuid():
        raise LabError('the package list is missing or out of date; please run:\n'
                       '  sudo apt-get update')
    say('updating the package list')
    run(['apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=600', 'update'])


def download(package, into):
    """Fetch a .deb into a folder; returns its path."""
    try:
        run(['apt-get', '-qq', 'download', package], cwd=into)
    except LabError:
        apt_update()
        run(['apt-get', '-qq', 'download', package], cwd=into)
    return glob.glob(os.path.join(into, '*.deb'))[0]


def numbers(release):
    """The sort key of a kernel release: its numbers in order."""
    return [int(n) for n in re.findall(r'\d+', release)]


def newest(series, names):
    """The newest of names that is a release of Debian's generic kernel in a series."""
    pattern = re.compile(re.escape(series) + r'\.\d+(-\d+|\+deb\d+)-amd64')
    return max((n for n in names if pattern.fullmatch(n)), key=numbers, default=None)


def offered(series):
    """The newest kernel release of a series for which apt has image and headers."""
    listing = run(['apt-cache', 'search', '--names-only',
                   f'^linux-(image|headers)-{re.escape(series)}'])
    packages = [line.split()[0].split('-', 2) for line in listing.splitlines()]
    names = {kind: {release for _, k, release in packages if k == kind}
             for kind in ('image', 'headers')}
    return newest(series, names['image'] & names['headers'])


class Kernel:
    """A kernel to boot in the lab: its image, modules and build folder."""

    def __init__(self, top, release, kdir):
        self.top, self.release, self.kdir = top, release, kdir
        self.vmlinuz = os.path.join(top, 'boot', f'vmlinuz-{release}')
        self.vmlinux = os.path.join(top, 'boot', f'vmlinux-{release}')
        self.image = self.vmlinux       # what QEMU boots: it saves unpacking it there
        self.moddir = os.path.join(top, 'lib/modules', release)

    def _known_modules(self):
        """Module name -> (file below moddir, files it depends on); None: built in."""
        known = {}
        with open(os.path.join(self.moddir, 'modules.builtin'), encoding='ascii') as f:
            for line in f:
                known[module_name(line.strip())] = None
        with open(os.path.join(self.moddir, 'modules.dep'), encoding='ascii') as f:
            for line in f:
                path, deps = line.strip().split(':')
                known[module_name(path)] = (path, deps.split())
        return known

    def modules(self, names):
        """Files of the named modules and all they depend on, in load order."""
        known, order = self._known_modules(), []
        for name in names:
            if module_name(name) not in known:
                raise LabError(f'Linux {self.release} has no module {name}')
            entry = known[module_name(name)]
            if entry:
                path, deps = entry
                for item in [*reversed(deps), path]:
                    if item not in order:
                        order.append(item)
        return [os.path.join(self.moddir, path) for path in order]


def module_name(path):
    """kvm_amd for .../kvm-amd.ko.xz"""
    return os.path.basename(path).split('.ko')[0].replace('-', '_')


def module_bytes(path):
    """A module's contents, unpacked."""
    with open(path, 'rb') as f:
        data = f.read()
    return lzma.decompress(data) if path.endswith('.xz') else data


def unpack_vmlinux(vmlinuz, vmlinux):
    """Take the ELF file out of a bzImage (see the kernel's x86/boot.rst).

    The emulators start that: a kernel that unpacks itself takes them seconds.
    """
    with open(vmlinuz, 'rb') as f:
        data = f.read()
    offset, length = struct.unpack_from('<II', data, 0x248)
    start = (data[0x1f1] + 1) * 512 + offset
    payload = data[start:start + length]
    if payload[:4] == b'\x28\xb5\x2f\xfd':
        # after the compressed data come 4 bytes with the unpacked size
        payload = subprocess.run(['zstd', '-dcq'], input=payload[:-4], check=True,
                                 stdout=subprocess.PIPE).stdout
    else:
        payload = lzma.LZMADecompressor().decompress(payload)
    with open(vmlinux, 'wb') as f:
        f.write(payload)


def fetch_kernel(release):
    """Unpack Debian's kernel image into the cache, once."""
    top = cache('kernels', release)
    with locked(f'kernel-{release}'):
        if not os.path.isdir(top):
            install(KERNEL_PACKAGES)
            say(f'fetching linux-image-{release}')
            with scratch(os.path.dirname(top)) as tmp:
                deb = download(f'linux-image-{release}', tmp)
                root = os.path.join(tmp, 'root')
                run(['dpkg', '-x', deb, root])
                run(['/sbin/depmod', '-b', root, release])
                unpacked = Kernel(root, release, None)
                unpack_vmlinux(unpacked.vmlinuz, unpacked.vmlinux)
                os.rename(root, top)
    return Kernel(top, release, f'/lib/modules/{release}/build')


@functools.cache
def kernel(which):
    """A kernel of Debian's, named by its series or release, or one in a folder."""
    if os.path.isdir(which):
        releases = os.listdir(os.path.join(which, 'lib/modules'))
        if len(releases) != 1:
            raise LabError(f'{which}/lib/modules must hold one kernel')
        return Kernel(which, releases[0],
                      os.path.realpath(os.path.join(which, 'lib/modules', releases[0], 'build')))
    if not re.fullmatch(r'\d+\.\d+', which):
        return fetch_kernel(which)
    release = offered(which)
    if not release:
        have = os.listdir(os.path.dirname(cache('kernels', 'x')))
        release = newest(which, have)
    if not release:
        apt_update()
        release = offered(which)
    if not release:
        raise LabError(f'apt offers no kernel {which}')
    return fetch_kernel(release)
