"""Models, serialised for trials."""

from __future__ import annotations

from types import SimpleNamespace

import nni
import pytest
from helpers.jobs import Scripted, job, run, sequential

from nni_rankreg.host.run.parameters import dump_model


def test_payload_as_large_as_nni_takes_it():
    """NNI's limit for a trial is 64 KiB of pickled objects, for other uses 4 KiB."""
    runner = sequential(Scripted({'1': SimpleNamespace(text='x' * 10_000)}))
    assert len(dump_model(runner.space.freeze(job(2).sample))) > 10_000
    assert run(runner, [job(2)]) == ([2 / 8], [0])
    with pytest.raises(nni.common.serializer.PayloadTooLarge):
        nni.dump(runner.space.freeze(job(2).sample))
