"""What the error output of a trial says of its end."""

from __future__ import annotations

import re

__all__ = ['CRASH', 'LIMIT', 'error_of', 'without_noise']

LIMIT = 4000
"""Characters of a text that is kept."""

CRASH = 'Fatal Python error: '
"""What begins the message of a crash in compiled code, which names the signal."""

_TRACEBACK = 'Traceback (most recent call last):'
_NOISE = re.compile(r'Warning\b|warnings\.warn|^\s*warn\(|^\[[WI][\d ]|\bINFO\b|it/s|s/it'
                    r'|resource_tracker|^\s*$|^stderr is empty\.$')
"""Warnings, the lines of code that they show, news and progress; and what NNI says of no output."""


def error_of(log: str) -> str:
    r"""Return the last error of a log, its message in the last line, or an empty text.

    What comes after it, such as warnings of a process that ends, is left out.

    Examples
    --------
    >>> error_of('Traceback (most recent call last):\n  File "a.py"\nValueError: No\ndata.\n'
    ...          'a.py:7: UserWarning: leaked\n')
    'Traceback (most recent call last):\n  File "a.py"\nValueError: No data.'
    """
    lines = log.splitlines()
    for start in reversed(range(len(lines))):
        if _TRACEBACK in lines[start]:
            return _of_traceback(lines, start)
        if lines[start].startswith(CRASH):
            stack = '\n'.join(lines[start + 1:]).partition('Extension modules: ')[0]
            stack = stack[:LIMIT - len(lines[start]) - 1].strip()
            return f'{stack}\n{lines[start]}'
    return ''


def _of_traceback(lines: list[str], start: int) -> str:
    """Return a traceback, those of which it is the consequence before it."""
    prefix = lines[start].partition(_TRACEBACK)[0]     # [rank0]: of a distributed training
    end = start + 1
    while end < len(lines) and lines[end].removeprefix(prefix)[:1] in ('', ' '):
        end += 1
    last = end + 1
    while last < len(lines) and not _NOISE.search(lines[last]):
        last += 1
    message = ' '.join(' '.join(lines[end:last]).split())[:LIMIT // 2]
    return '\n'.join([*lines[:end], message])[-LIMIT:].strip()


def without_noise(log: str) -> str:
    """Return the last lines of a log without warnings, news and progress."""
    return '\n'.join(line for line in log.splitlines() if not _NOISE.search(line))[-LIMIT:]

