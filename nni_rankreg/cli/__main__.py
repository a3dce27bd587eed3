"""``python -m nni_rankreg.cli``, the same as ``nni-rankreg``."""

from __future__ import annotations

import sys

from . import main

if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
