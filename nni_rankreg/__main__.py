"""The command line as ``python -m nni_rankreg``."""

import sys

from .cli import main

if __name__ == '__main__':
    sys.exit(main())
