"""The stand-alone results that a super-net's trial gets: a file, as they may be many.

NNI sends the parameters of a trial through its manager, which keeps them in a database and shows
them in the web UI: there is no room for the results of a whole table.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._util.files import replaced_file
from ..._util.npz import named_arrays
from ...typing import Results, choices_of

__all__ = ['ResultsFile', 'read_results_file']


_NONE = object()


class ResultsFile:
    """Results, higher is better, as a file that is named after them: the same in every process.

    A NumPy archive of the choices of each label, the place of each architecture's choice among
    these, and the metrics: a fraction of what the architectures take one by one.

    Parameters
    ----------
    results
        N architectures with their metrics.

    Attributes
    ----------
    name
        Of the file.

    Examples
    --------
    >>> import tempfile
    >>> file = ResultsFile(Results([{'op': 'conv'}], [0.9], 'max'))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_results_file(file.write(Path(folder)))
    Results(samples=[{'op': 'conv'}], metrics=[0.9], mode='max')
    """

    def __init__(self, results: Results):
        labels = list(dict.fromkeys(itertools.chain.from_iterable(results.samples)))
        choices = choices_of(results.samples, labels)
        if choices is None:
            choices = [[sample.get(label, _NONE) for sample in results.samples]
                       for label in labels]
        columns = list(map(_column, choices))
        text = json.dumps([labels, [choices for choices, _ in columns]])
        self._choices = np.frombuffer(text.encode(), dtype=np.uint8)
        self._codes = np.array([codes for _, codes in columns], dtype=np.int32)
        self._metrics = np.array(results.metrics, dtype=np.float64)
        digest = hashlib.sha256()
        for array in (self._choices, self._codes, self._metrics):
            digest.update(array.tobytes())
        self.name = f'results-{digest.hexdigest()[:16]}.npz'

    def write(self, folder: Path) -> str:
        """Write the file, unless it is there, and return its path.

        Parameters
        ----------
        folder
            That all machines which run trials see at the same place.
        """
        path = folder / self.name
        if not path.exists():
            with replaced_file(path) as part, open(part, 'wb') as file:
                codes = self._codes.astype(np.min_scalar_type(self._codes.max(initial=0)))
                np.savez(file, choices=self._choices, codes=codes, metrics=self._metrics)
        return str(path)


def read_results_file(path: str) -> Results:
    """Return the results in a file.

    Raises
    ------
    FileNotFoundError
        If this machine does not see the file.
    """
    try:
        arrays = named_arrays(path, ('choices', 'codes', 'metrics'))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'Expected the stand-alone results of the search at {path} on {platform.node()}, got '
            'no file. Let its folder be on a file system that all machines mount at the same '
            'place, and give it to the search as work_dir.') from error
    labels, choices = json.loads(arrays['choices'].tobytes())
    columns = [[known[code] for code in codes] for known, codes in zip(
        ([choice[0] if choice else _NONE for choice in known] for known in choices),
        arrays['codes'].tolist())]
    samples = [dict(zip(labels, row)) for row in zip(*columns)]
    if [] in itertools.chain(*choices):            # architectures that lack a label
        samples = [{label: choice for label, choice in one.items() if choice is not _NONE}
                   for one in samples]
    return Results(samples, arrays['metrics'].tolist(), 'max')


def _column(choices: Sequence[Any]) -> tuple[list[list[Any]], list[int]]:
    """Return the different choices of a label, in lists that are empty for none, and their places.

    By their text, so that 1, 1.0 and True are three.
    """
    objects = dict(zip(map(id, choices), choices))      # architectures share them: few
    texts = {place: repr(choice) for place, choice in objects.items()}
    first: dict[str, Any] = {}
    for place, text in texts.items():
        first.setdefault(text, objects[place])
    order = {text: code for code, text in enumerate(first)}
    codes = {place: order[text] for place, text in texts.items()}
    return ([[] if choice is _NONE else [choice] for choice in first.values()],
            list(map(codes.__getitem__, map(id, choices))))
