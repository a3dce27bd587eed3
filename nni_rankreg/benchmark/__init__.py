"""Tables and databases of stand-alone performance, as scorers and as evaluators of NNI."""

from .._table import UnknownArchitectureError
from .database import DatabaseEvaluator
from .evaluator import LookupEvaluator, TableEvaluator
from .table import TabularBenchmark, digits

__all__ = ['TabularBenchmark', 'TableEvaluator', 'LookupEvaluator', 'DatabaseEvaluator',
           'UnknownArchitectureError', 'digits']
