"""Results of benchmarks in JSON files: whatever was measured once is not measured again."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from nni_rankreg.ablation.run import write_json

__all__ = ['each_seed', 'read', 'stored']


def stored(file: Path, part: str, measure: Callable[[], Any]) -> Any:
    """Return a part of a file; measure it, and write it at once, if the file lacks it."""
    parts = read(file)
    if part not in parts:
        parts[part] = measure()
        write_json(file, parts)
    return parts[part]


def read(file: Path) -> dict[str, Any]:
    """Return what a file holds; nothing if it is not there."""
    return json.loads(file.read_text()) if file.exists() else {}


def each_seed(run: Callable[..., None], seeds: Iterable[int], jobs: int, *arguments: Any) -> None:
    """Call ``run(seed, *arguments)`` for each seed, in as many new processes as `jobs`."""
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        for future in tqdm([pool.submit(run, seed, *arguments) for seed in seeds], 'Seeds'):
            future.result()
