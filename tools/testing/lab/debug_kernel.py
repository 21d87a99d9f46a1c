# SPDX-License-Identifier: GPL-2.0
"""A kernel that hunts bugs: KASAN, lockdep and the like, from Debian's sources.

It is small (tinyconfig and debug.config), so that it builds in some minutes
and still boots in the lab. It is kept in the cache, with its build folder,
against which the modules are then built.
"""

import hashlib
import os
import shutil

import debian
from debian import HERE, Kernel, LabError, say

SOURCE = 'linux-source-6.1'
PACKAGES = ['gcc', 'libc6-dev', 'make', 'flex', 'bison', 'bc', 'libelf-dev', 'kmod', 'xz-utils']
CONFIG = os.path.join(HERE, 'debug.config')


def source_tree(folder):
    """Unpack the kernel's sources into a folder that does not exist yet."""
    with debian.scratch(os.path.dirname(folder)) as tmp:
        debian.run(['dpkg', '-x', debian.download(SOURCE, tmp), tmp])
        tar = os.path.join(tmp, 'usr/src', f'{SOURCE}.tar.xz')
        debian.run(['tar', 'xf', tar, '-C', tmp])
        os.rename(os.path.join(tmp, SOURCE), folder)


def configure(kdir):
    """tinyconfig and debug.config; every option of it must have taken."""
    debian.run(['make', '-s', 'tinyconfig'], cwd=kdir)
    debian.run(['scripts/kconfig/merge_config.sh', '-m', '.config', CONFIG], cwd=kdir)
    debian.run(['make', '-s', 'olddefconfig'], cwd=kdir)
    with open(os.path.join(kdir, '.config'), encoding='utf-8') as f:
        have = set(f.read().splitlines())
    with open(CONFIG, encoding='utf-8') as f:
        missing = {line for line in f.read().splitlines() if line.startswith('CONFIG')} - have
    if missing:
        raise LabError(f'the debug kernel cannot have {", ".join(sorted(missing))}')


def build(top, kdir):
    """Compile, and lay the results out as a Debian package would."""
    jobs = f'-j{os.cpu_count()}'
    debian.run(['make', '-s', jobs, 'bzImage', 'modules'], cwd=kdir)
    release = debian.run(['make', '-s', 'kernelrelease'], cwd=kdir).strip()
    debian.run(['make', '-s', 'modules_install', f'INSTALL_MOD_PATH={top}'], cwd=kdir)
    kernel = Kernel(top, release, kdir)
    os.makedirs(os.path.dirname(kernel.vmlinuz), exist_ok=True)
    shutil.copy(os.path.join(kdir, 'arch/x86/boot/bzImage'), kernel.vmlinuz)
    debian.run(['objcopy', '--strip-debug', os.path.join(kdir, 'vmlinux'), kernel.vmlinux])
    return release


def debug_kernel():
    """The kernel, built when it is not there."""
    with open(CONFIG, 'rb') as f:
        version = hashlib.sha256(f.read()).hexdigest()[:8]
    top = debian.cache('kernels', f'debug-{version}')
    kdir, complete = os.path.join(top, 'source'), os.path.join(top, 'complete')
    with debian.locked('debug-kernel'):
        if not os.path.exists(complete):
            debian.install(PACKAGES)
            say('building the debug kernel, once: some six minutes on two CPUs')
            if not os.path.isdir(kdir):     # else one was interrupted: go on there
                source_tree(kdir)
            configure(kdir)
            release = build(top, kdir)
            with open(complete, 'w', encoding='ascii') as f:
                f.write(release)
    with open(complete, encoding='ascii') as f:
        kernel = Kernel(top, f.read(), kdir)
    # Without the stub, QEMU enters the kernel where code that KASAN has
    # instrumented runs before there is a shadow: a triple fault.
    kernel.image = kernel.vmlinuz
    return kernel
