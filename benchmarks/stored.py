"""Results of benchmarks in JSON files: whatever was measured once is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nni_rankreg.ablation.run import write_json

__all__ = ['read', 'stored']


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
