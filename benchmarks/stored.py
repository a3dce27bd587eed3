"""Results of benchmarks in JSON files: whatever was measured once is not measured again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable

__all__ = ['read', 'stored', 'write']


def stored(file: Path, part: str, measure: Callable[[], Any]) -> Any:
    """Return a part of a file; measure it, and write it at once, if the file lacks it."""
    parts = read(file)
    if part not in parts:
        parts[part] = measure()
        write(file, parts)
    return parts[part]


def read(file: Path) -> dict[str, Any]:
    """Return what a file holds; nothing if it is not there."""
    return json.loads(file.read_text()) if file.exists() else {}


def write(file: Path, parts: dict[str, Any]) -> None:
    """Write a file so that it is either complete or as it was."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix('.part')
    part.write_text(json.dumps(parts, indent=1))
    os.replace(part, file)
