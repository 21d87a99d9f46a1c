# SPDX-License-Identifier: GPL-2.0
"""Sphinx's settings for this folder; `make htmldocs` builds it.

Adds one directive, ".. kernel-doc:: FILE", which puts the kernel-doc comments of a file
of the tree in its place. They are formatted by the script of the kernel's headers.
"""

import glob
import os
import subprocess

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.errors import ExtensionError
from sphinx.util.nodes import nested_parse_with_titles

# pylint: disable=invalid-name
project = 'vmm'
author = 'the contributors of vmm'
extensions = []
root_doc = 'index'
highlight_language = 'none'
html_theme = 'alabaster'
html_theme_options = {'description': "a small hypervisor with KVM's interface"}
html_show_copyright = False
# What stands in the kernel's declarations beside C.
c_id_attributes = ['__user', '__rcu', '__must_check', '__always_inline', 'noinline']

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def kernel_doc_script():
    """kernel-doc of the newest kernel whose build scripts are installed."""
    found = sorted(glob.glob('/usr/lib/linux-kbuild-*/scripts/kernel-doc'))
    if not found:
        raise ExtensionError('kernel-doc is missing: install linux-kbuild-6.1')
    return found[-1]


class KernelDoc(Directive):
    """The kernel-doc comments of a file."""
    required_arguments = 1

    def run(self):
        """Format them and parse the result in place."""
        env = self.state.document.settings.env
        path = os.path.join(TREE, self.arguments[0])
        env.note_dependency(path)
        done = subprocess.run([kernel_doc_script(), '-rst', '-sphinx-version', '5.3', path],
                              capture_output=True, text=True, check=False)
        if done.returncode or done.stderr:
            raise ExtensionError(f'{path}: {done.stderr}')
        lines = [line for line in done.stdout.splitlines() if not line.startswith('.. LINENO')]
        content, node = StringList(), nodes.section()
        for number, line in enumerate(lines):
            content.append(line, path, number)
        node.document = self.state.document
        nested_parse_with_titles(self.state, content, node)
        return node.children


def setup(app):
    """Called by Sphinx."""
    app.add_directive('kernel-doc', KernelDoc)
