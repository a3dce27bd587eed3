"""The socket of a warm process."""

from __future__ import annotations

import pytest
from helpers.warm import serving


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as path:
        yield path
