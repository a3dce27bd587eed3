"""What strategies of several stages share, beyond the contract of plans."""

from __future__ import annotations

from helpers.jobs import job, supernet
from helpers.staged import Staged

from nni_rankreg.archive import Archive
from nni_rankreg.plan import Failure


def test_result_of_a_training_that_was_given_up_is_kept_once(tmp_path):
    search = Staged(tmp_path / 'a.sqlite', {})
    for one, outcome in [(job(3), 3 / 8), (job(3), 4 / 8), (job(4), Failure('x')),
                         (supernet(), 0.5)]:
        search._keep(one, outcome)
    frame = Archive(tmp_path / 'a.sqlite').to_frame()
    assert frame['metric'].tolist() == [3 / 8]
