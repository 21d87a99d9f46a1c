# SPDX-License-Identifier: GPL-2.0
"""Reads KTAP (Documentation/dev-tools/ktap.rst in the kernel) and counts.

A test that has tests of its own is counted through them; they come indented,
or as diagnostics of kselftest's runner ("# ok 1 ..."). What was planned and
did not come has failed.
"""

import re

RESULT = re.compile(r'(?P<not>not )?ok (?P<number>\d+)\s*(?:- )?(?P<name>[^#]*)(?:# ?(?P<note>.*))?')
PLAN = re.compile(r'1\.\.(\d+)')
NESTED = re.compile(r'(?:# | {2,}|\t)\s*')

# Exit statuses of the lab's own.
OF_THE_LAB = {124: 'not done in time', 125: 'the host died', 127: 'the lab could not be set up',
              126: "the host's kernel complained, see above"}


class Results:
    """Counts, and what there is to say about each test that did not pass."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, other):
        """Take another's results in."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def count(self, ok, name, note):
        """One test's result."""
        if ok and re.match('skip', note, re.I):
            self.skipped.append(f'{name}: {note}')
        elif ok:
            self.passed += 1
        else:
            self.failed.append(f'{name} ({note})' if note else name)

    def __str__(self):
        return f'{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped'


class Reader:
    """Takes a program's output line by line."""

    def __init__(self):
        self.results = Results()
        self._planned, self._seen = None, 0
        self._start()

    def _start(self):
        """A new test at the top level begins."""
        self._inner, self._inner_planned, self._inner_seen = Results(), 0, 0
        self._output = []

    def line(self, line):
        """Returns what to tell the user once a test at the top level is over."""
        inner = NESTED.match(line)
        text = line[inner.end():] if inner else line
        if plan := PLAN.fullmatch(text):
            if inner:
                self._inner_planned += int(plan.group(1))
            else:
                self._planned = int(plan.group(1))
        elif result := RESULT.fullmatch(text.rstrip()):
            ok, name = not result['not'], result['name'].strip()
            note = (result['note'] or '').strip()
            if not inner:
                return self._over(ok, name, note)
            self._inner_seen += 1
            self._inner.count(ok, name, note)
        if inner:
            self._output.append(text)
        return None

    def _over(self, ok, name, note):
        inner, output = self._inner, self._output
        name = name.removeprefix('selftests: vmm: ')
        self._seen += 1
        if ok and inner.failed:
            ok, note = False, 'ended well in spite of failed tests'
        if ok and self._inner_seen < self._inner_planned:
            ok, note = False, f'{self._inner_seen} of {self._inner_planned} tests ran'
        of_inner = [f'{name}: {text}' for text in inner.failed]
        self.results.passed += inner.passed
        self.results.failed += of_inner
        self.results.skipped += [f'{name}: {text}' for text in inner.skipped]
        if not self._inner_seen or (not ok and not of_inner):
            self.results.count(ok, name, note)
        told = 'ok    ' if ok else 'FAILED'
        told = f'{told} {name}' + (f' ({inner})' if self._inner_seen else '') + \
            (f' # {note}' if note else '')
        if not ok:
            told += ''.join(f'\n         | {text}' for text in output[-40:])
        self._start()
        return told

    def finish(self, status):
        """The output is over; what is missing has failed."""
        count = self.results.count
        if self._planned is None:
            count(False, 'no test ran', '')
        for _ in range((self._planned or 0) - self._seen):
            count(False, 'a planned test did not run', '')
        if status in OF_THE_LAB:
            count(False, 'the run as a whole', OF_THE_LAB[status])
        elif status and not self.results.failed:
            count(False, 'the run as a whole', f'exit status {status}')
        return self.results
