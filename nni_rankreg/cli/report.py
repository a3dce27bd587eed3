"""The command ``nni-rankreg report``: the pictures and the page of a search."""

from __future__ import annotations

from pathlib import Path

from ..archive import Archive
from ..report import report_search
from .argument import check_positive

__all__ = ['report']


def report(archive: Path, out: Path | None = None, top: int = 5) -> None:
    """Draw the cells and the rankings of a search from its archive, also while it runs.

    Parameters
    ----------
    archive
        file of the results
    out
        folder of the pictures and of the page index.html; by default beside the archive
    top
        number of best architectures to show
    """
    if not archive.is_file():
        raise ValueError(f'Expected the archive of a search, got {archive}, which is no file.')
    if not archive.stat().st_size:             # SQLite would take it for a new archive
        raise ValueError(f'Expected the archive of a search, got {archive}, which is empty.')
    check_positive(top=top)
    folder = archive.with_name(f'{archive.stem}-report') if out is None else out
    print(f'{report_search(Archive(archive), folder, top)}: {folder / "index.html"}')
