"""Tables and databases of stand-alone performance, as scorers and as evaluators of NNI."""

from .database import DatabaseEvaluator
from .digits import digits
from .evaluator import LookupEvaluator, TableEvaluator
from .reader import UnknownArchitectureError
from .source import ResultsSource, read_results
from .tabular import TabularBenchmark

__all__ = ['TabularBenchmark', 'TableEvaluator', 'LookupEvaluator', 'DatabaseEvaluator',
           'UnknownArchitectureError', 'ResultsSource', 'read_results', 'digits']
