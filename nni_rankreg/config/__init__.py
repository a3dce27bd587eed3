"""Search files: a space, an evaluator and a strategy by class path and arguments.

A file is used in two steps. `read_config` checks its form and that it names classes of trusted
packages only, and imports nothing; `build_search` imports, checks the arguments and builds what is
of a kind that files may build (`trust`)::

    strategy:
      class_path: nni_rankreg.strategy.SPOS
      init_args:
        seed: {parameter: seed, default: 0}      # of the trial, in hyper-parameter experiments
"""

from .build import Search, build_search, check_search, check_values
from .form import TRUSTED, ConfigError, load_yaml, placeholders, read_config

__all__ = ['ConfigError', 'Search', 'read_config', 'load_yaml', 'build_search', 'check_search',
           'check_values', 'placeholders', 'TRUSTED']
