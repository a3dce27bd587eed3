"""The shipped table: NAS-Bench-201 cells trained on scikit-learn's digits."""

from __future__ import annotations

from importlib import resources

from .tabular import TabularBenchmark

__all__ = ['digits']


def digits() -> TabularBenchmark:
    """Return the packaged table: NAS-Bench-201 cells trained on scikit-learn's digits.

    Values are validation accuracies on `nni_rankreg.data.Digits`, one column for each seed.
    """
    from ..space import decode_nasbench201  # the space takes seconds to import

    source = resources.files('nni_rankreg') / 'table' / 'digits_nasbench201.csv'
    with resources.as_file(source) as path:
        return TabularBenchmark.from_csv(path, decode=decode_nasbench201)
