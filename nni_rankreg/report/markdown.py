"""Rows as aligned Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

__all__ = ['markdown_table']


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]], *,
                   digits: int = 4) -> str:
    r"""Return a table that is aligned in a terminal and valid Markdown (GitHub's).

    Characters that mean something to Markdown get a backslash, such as the bars and tildes of a
    NAS-Bench-201 string; line breaks become spaces.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        Cells of each row, as many as columns. Columns of numbers are aligned to the right; None
        is an empty cell.
    digits
        Decimals of fractions.

    Raises
    ------
    ValueError
        If there is no column, or a row has not as many cells as there are columns.

    Examples
    --------
    >>> print(markdown_table(['cell', 'rank'], [['|none~0|', 7], ['x', 12]]))
    | cell        | rank |
    | :---------- | ---: |
    | \|none\~0\| |    7 |
    | x           |   12 |
    """
    if not header:
        raise ValueError('Expected at least one column, got none.')
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f'Expected {len(header)} cells in row {number}, got {len(row)}.')
    columns = []
    for name, *cells in zip(header, *rows):
        numeric = bool(cells) and all(cell is None or _is_number(cell) for cell in cells)
        texts = [_cell_text(cell, digits) for cell in (name, *cells)]
        width = max(3, *map(len, texts))
        rule = '-' * (width - 1) + ':' if numeric else ':' + '-' * (width - 1)
        texts.insert(1, rule)
        columns.append([text.rjust(width) if numeric else text.ljust(width) for text in texts])
    return '\n'.join(f'| {" | ".join(line)} |' for line in zip(*columns))


def _is_number(cell: Any) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool)


def _cell_text(cell: Any, digits: int) -> str:
    if cell is None:
        return ''
    if _is_number(cell) and not isinstance(cell, Integral):
        return f'{float(cell):.{digits}f}'
    return re.sub(r'([\\|~*`<])', r'\\\1', ' '.join(str(cell).splitlines()))
