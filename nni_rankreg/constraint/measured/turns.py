"""Many things are timed in turns, so that what disturbs the machine for a while disturbs all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from ..._util.memory import kept_memory
from .backend import Run
from .stopwatch import Stopwatch
from .table import LatencyTable

__all__ = ['Turn', 'take_turns']

_logger = logging.getLogger(__name__)

_FLUSH = 1.  # seconds of measuring that a kill may lose
_LEAST = 3   # repeats of each, however long they take
_LOOKED_AT, _CALLS = 5, 3    # to say how long it takes


class Turn(NamedTuple):
    """What is timed: its kind and name in the table, and what makes a run of it."""

    kind: str
    name: Mapping[str, Any]
    prepare: Callable[[], Run]


def take_turns(turns: Sequence[Turn], stopwatch: Stopwatch, table: LatencyTable, *, repeats: int,
               seconds: float, save: Callable[[], None], progress: bool) -> None:
    """Time all of them, one after the other, again and again; what is known is not repeated.

    Memory stays with the process meanwhile. Otherwise the system clears pages anew for each large
    tensor, which takes a different time in each process.

    Parameters
    ----------
    turns
        What is timed.
    stopwatch
        Times it.
    table
        Gets the milliseconds, and ``seconds``, how long it took in all.
    repeats, seconds
        How often each is timed at most, and how long all of it takes, unless that is less than
        three times.
    save
        Is called every second and at the end, also if it is interrupted.
    progress
        Whether to show a progress bar.
    """
    missing = [[one for one in turns if table.repeats(one.kind, one.name) <= repeat]
               for repeat in range(repeats)]
    if not any(missing):
        return
    expected = _seconds_of_one(turns) * sum(map(len, missing))
    _logger.info('Latency: %d to time, up to %d times each, in about %.0f s.', len(turns),
                 repeats, max(1., min(expected, seconds)))
    started = saved = time.monotonic()
    before = float(table.about.get('seconds', 0))
    try:
        with kept_memory(), tqdm(total=sum(map(len, missing)), desc='Latency',
                                 disable=not progress, leave=False) as bar:
            for repeat, ones in enumerate(missing):
                elapsed = time.monotonic() - started
                if repeat >= _LEAST and elapsed * (1 + 1 / repeat) > seconds:
                    break
                for turn in ones:
                    table.add(turn.kind, turn.name, stopwatch(turn.prepare()))
                    bar.update()
                    if time.monotonic() - saved > _FLUSH:
                        saved = time.monotonic()
                        table.about['seconds'] = f'{before + saved - started:.0f}'
                        save()
    finally:
        table.about['seconds'] = f'{before + time.monotonic() - started:.0f}'
        save()


def _seconds_of_one(turns: Sequence[Turn]) -> float:
    """Return about how long it takes to prepare and time one of them."""
    some = turns[::-(-len(turns) // _LOOKED_AT)]
    started = time.monotonic()
    for turn in some:
        run = turn.prepare()
        for _ in range(_CALLS):
            run()
    return (time.monotonic() - started) / len(some)
