# SPDX-License-Identifier: GPL-2.0
"""Builds the tree for the lab, out of the tree.

Each kernel gets a copy of the sources in the cache, in which Kbuild leaves its
objects, so that the checkout stays clean and two kernels do not share objects.
User-space programs are built in one more copy, which is called 'user'.
"""

import hashlib
import os
import shutil

from debian import BUILD_PACKAGES, TREE, LabError, cache, install, locked, run

SKIPPED = ('.git', 'build', '__pycache__')


def sources(tree):
    """Paths of the tree's files, relative to it."""
    for folder, folders, files in os.walk(tree):
        folders[:] = [f for f in folders if f not in SKIPPED]
        for name in files:
            if not name.endswith(('.o', '.ko', '.mod', '.mod.c', '.cmd', '.order', '.symvers')):
                yield os.path.relpath(os.path.join(folder, name), tree)


def copy_tree(tree, target):
    """Bring target up to date, touching only what changed, so that make sees the same.

    What a build left in target stays. A list of what was copied tells next
    time which files are gone from the tree.
    """
    record, listing = os.path.join(target, '.copied'), set(sources(tree))
    for path in listing:
        old, copy = os.path.join(tree, path), os.path.join(target, path)
        was, now = os.stat(old), os.stat(copy) if os.path.exists(copy) else None
        if not now or (was.st_mtime_ns, was.st_size) != (now.st_mtime_ns, now.st_size):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(old, copy)
    if os.path.exists(record):
        with open(record, encoding='utf-8') as f:
            for path in set(f.read().splitlines()) - listing:
                if os.path.exists(os.path.join(target, path)):
                    os.unlink(os.path.join(target, path))
    with open(record, 'w', encoding='utf-8') as f:
        f.write('\n'.join(sorted(listing)))


def build_dir(name):
    """Where this checkout is built for a kernel, or for user space."""
    checkout = hashlib.sha256(TREE.encode()).hexdigest()[:8]
    return cache('build', f'{os.path.basename(TREE)}-{checkout}', name, 'Makefile')[:-9]


def kernel_headers(kernel):
    """Install the headers of a Debian kernel, if they are not there."""
    if not os.path.exists(os.path.join(kernel.kdir, 'Makefile')):
        install([f'linux-headers-{kernel.release}'])


def modules(kernel, make_args=(), variant=''):
    """Build the modules for a kernel of the lab; returns the folder they are in.

    A variant is built apart, so that it and the usual build stay up to date.
    """
    if not os.path.exists(os.path.join(TREE, 'Kbuild')):
        raise LabError('there are no modules to build: the tree has no Kbuild')
    install(BUILD_PACKAGES)
    kernel_headers(kernel)
    target = build_dir(kernel.release + variant)
    with locked(f'build-{os.path.basename(os.path.dirname(target))}-{kernel.release}{variant}'):
        copy_tree(TREE, target)
        run(['make', '-s', '-j', str(os.cpu_count()), '-C', kernel.kdir, f'M={target}',
             *make_args, 'modules'])
    return target


def user(folder, *targets):
    """Build a folder of user-space programs; returns the folder of the build."""
    install(BUILD_PACKAGES)
    target = build_dir('user')
    with locked(f'build-{os.path.basename(os.path.dirname(target))}-user'):
        copy_tree(TREE, target)
        run(['make', '-s', '-j', str(os.cpu_count()), '-C', os.path.join(target, folder), *targets])
    return os.path.join(target, folder)
