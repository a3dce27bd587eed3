"""Paths of users are read as a shell reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nni_rankreg._util.path import user_path


@pytest.mark.parametrize('written', ['~', '~/a', '$HOME/a', '${HOME}/a/$HOME', '~root/x', 'a/b',
                                     'a/~/b', '/a', '.'])
def test_is_read_as_a_shell_reads_it(written):
    said = subprocess.run(['bash', '-c', f'printf %s {written}'], capture_output=True, text=True)
    assert user_path(written) == user_path(Path(written)) == Path(said.stdout)


def test_what_is_not_set_stays_to_be_seen():
    assert user_path('$UNSET_NAME/a') == Path('$UNSET_NAME/a')
