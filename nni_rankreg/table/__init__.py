"""Tables and databases of stand-alone performance, as scorers and as evaluators of NNI."""

from .database import DatabaseEvaluator
from .digits import digits
from .evaluator import LookupEvaluator, TableEvaluator
from .source import ResultsSource, read_csv_results, read_results
from .tabular import TabularBenchmark, UnknownArchitectureError

__all__ = ['TabularBenchmark', 'TableEvaluator', 'LookupEvaluator', 'DatabaseEvaluator',
           'UnknownArchitectureError', 'ResultsSource', 'read_results', 'read_csv_results',
           'digits']
