"""Where things are: the repository, and the real data beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / 'shared' / 'data'
EXAMPLES = ROOT / 'examples'
BENCHMARKS = ROOT / 'benchmarks'
