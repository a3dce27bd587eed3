"""How much is tried of random input; FUZZ_EXAMPLES=5000 in the environment tries more."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FUZZ = settings(max_examples=int(os.environ.get('FUZZ_EXAMPLES', '60')), deadline=None,
                derandomize=True,
                suppress_health_check=[HealthCheck.function_scoped_fixture,
                                       HealthCheck.too_slow])          # a busy machine
