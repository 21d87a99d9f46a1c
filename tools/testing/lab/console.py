# SPDX-License-Identifier: GPL-2.0
"""Follows L1's serial ports: what is shown, what is kept, how it ended.

The first port is a pseudo-terminal, of which this is the other end: what the
command prints, and init's lines that start with "@lab", which tell the lab
that L1 is up and what the command's status was. The second port is a file
with the kernel's messages, so that these cut no line of a program's in two
and are there even when L1 hangs.
"""

import collections
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
import tty
from contextlib import contextmanager

from debian import say

# What a kernel prints when something in it is broken.
REPORT = re.compile(
    r'WARNING: |BUG: |kernel BUG at|Oops[: ]|KASAN|UBSAN|KCSAN|general protection fault'
    r'|Unable to handle|unchecked MSR access|possible recursive locking'
    r'|possible circular locking|inconsistent lock state|suspicious RCU'
    r'|detected stall|blocked for more than|soft lockup|hard LOCKUP|refcount_t:'
    r'|list_(add|del) corruption|ODEBUG:|new suspected memory leaks|bad unlock balance'
    r'|lock held when returning|sleeping function called|scheduling while atomic'
    r'|Bad page state|Kernel panic')

# What init writes into the kernel's log before it loads the modules.
JUDGED = 'lab: from here on the lab judges'
# What run-programs.sh writes into it before each test.
TEST_BEGINS = 'selftests: vmm: '

STATUS_TIMEOUT, STATUS_DIED, STATUS_REPORT = 124, 125, 126


class Console:
    """One run's serial ports."""

    def __init__(self, log_path, interactive=False):
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave, termios.TCSANOW)
        self.device = os.ttyname(self._slave)
        self.log_path, self.kernel_log_path = log_path, f'{log_path}.kernel'
        self._log = open(log_path, 'wb')    # pylint: disable=consider-using-with
        with open(self.kernel_log_path, 'wb'):      # in case the emulator does not start
            pass
        self._interactive, self._up, self._leaving = interactive, False, b''
        self._rest, self._held_blank = b'', False
        self._tail = collections.deque(maxlen=25)
        self.status, self.boot_seconds = None, None

    def _line(self, line):
        """One whole line of the console."""
        if line.startswith('@lab '):
            words = line.split()
            if words[1] == 'up':
                self._up, self.boot_seconds = True, float(words[2])
            elif words[1] == 'status':
                self.status, self._held_blank = int(words[2]), False
            return
        self._tail.append(line)
        if not self._interactive:
            # init puts an empty line before its last one
            if self._held_blank:
                print(flush=True)
            self._held_blank = not line
            if line:
                print(line, flush=True)

    def _take(self, data):
        self._log.write(data)
        self._log.flush()
        if self._interactive and self._up and not self._leaving:
            shown, self._leaving, _ = data.partition(b'@lab ')
            os.write(sys.stdout.fileno(), shown)
        *lines, self._rest = (self._rest + data).split(b'\n')
        for line in lines:
            self._line(line.decode(errors='replace').strip('\r'))

    def follow(self, process, timeout):
        """Show and keep what comes until the emulator ends; True if it did in time."""
        deadline = time.monotonic() + timeout
        sources = [self.master] + ([sys.stdin] if self._interactive else [])
        while True:
            ended = process.poll() is not None
            ready, _, _ = select.select(sources, [], [], 0 if ended else 0.1)
            if sys.stdin in ready:
                os.write(self.master, os.read(sys.stdin.fileno(), 4096))
            if self.master in ready:
                self._take(os.read(self.master, 65536))
            elif ended:
                return True
            if time.monotonic() > deadline:
                return False
            if self.status is not None:     # it has a moment to turn itself off
                deadline = min(deadline, time.monotonic() + 5)

    def verdict(self, in_time, timeout, allow_reports):
        """The run's exit status, with what the user should know of a bad end."""
        if self._rest:
            self._line(self._rest.decode(errors='replace'))
        self._log.close()
        for fd in (self.master, self._slave):
            os.close(fd)
        kernel_log = self._kernel_log()
        if self.status is None:
            say('L1 ended without a status' if in_time else f'not done after {timeout} s, stopped')
            quote('the last lines', self._tail)
            quote("the kernel's last messages", kernel_log[-40:])
            return STATUS_DIED if in_time else STATUS_TIMEOUT
        reports = [i for i, line in enumerate(kernel_log) if REPORT.search(line)]
        if reports and not allow_reports:
            tests = [line for line in kernel_log[:reports[0]] if TEST_BEGINS in line]
            quote("L1's kernel complained", tests[-1:] + kernel_log[reports[0]:reports[0] + 40])
            return STATUS_REPORT
        return self.status

    def _kernel_log(self):
        """The kernel's messages since the modules were loaded (all, if it did not get there)."""
        with open(self.kernel_log_path, encoding='utf-8', errors='replace') as f:
            lines = f.read().replace('\r', '').splitlines()
        for number, line in enumerate(lines):
            if JUDGED in line:
                return lines[number + 1:]
        return lines


def quote(title, lines):
    """Show lines of a log."""
    say(f'{title}:')
    for line in lines:
        print(f'    {line}', file=sys.stderr)


@contextmanager
def raw_terminal():
    """Hand every key to L1 while its shell runs."""
    saved = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)


def stop(process):
    """End an emulator that we started."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
