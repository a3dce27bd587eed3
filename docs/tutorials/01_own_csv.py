"""
Rank architectures from a CSV file
==================================

You have a table of architectures that you have trained, by whatever program. Which ones should be
trained next? A predictor learns from the table; no experiment, super-net or GPU is needed.
"""

# %%
# The table has a column for each choice, and the column ``metric``. This page makes a table from
# the results that come with the package, 300 cells of NAS-Bench-201 trained on digits, and keeps
# 40.
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from nni_rankreg.table import digits, read_csv_results

everything = digits()
known = everything.subset(40, seed=0)
path = Path(mkdtemp(), 'results.csv')
pd.DataFrame(known.samples).assign(metric=known.metrics).to_csv(path, index=False)
print(path.read_text()[:220], '...')

# %%
# A space says what there is to choose. Any NNI model space will do, and so will a dictionary of
# labels and choices.
from nni_rankreg.space import NasBench201

space = NasBench201(stem_out_channels=12, num_modules_per_stack=3)
results = read_csv_results(path, space=space)
print(len(results.samples), 'results')

# %%
# How well does the predictor rank? `held_out_ranking` fits the predictor to four fifths of the
# results, and compares the predicted order of the last fifth with the measured order.
from nni_rankreg.predictor import Ranker, held_out_ranking

ranker = Ranker(space, seed=0)
print(held_out_ranking(ranker, results, seed=0))

# %%
# Then the predictor learns from all 40 results, and names the best of the 15,625 cells, without
# these 40. Its scores have no unit: only their order counts.
from nni_rankreg.search import Candidates
from nni_rankreg.space import encode_nasbench201

ranker.fit(results.samples, results.metrics)
best = Candidates(space).best(ranker, 5, exclude=results.samples)
for score, sample in zip(ranker.score(best).tolist(), best):
    print(f'{score:+.3f}', encode_nasbench201(sample))

# %%
# The other 260 cells tell how good that order is (Kendall's tau: 1 is the same order, 0 is chance).
# A table of your own has no such cells: there trust `held_out_ranking`.
import matplotlib.pyplot as plt

from nni_rankreg.metric import kendall_tau

others = everything.subset(260, seed=0, exclude=known.samples)
predicted = ranker.score(others.samples)
figure, axes = plt.subplots(figsize=(6, 4), layout='constrained')
axes.scatter(predicted, others.metrics, s=12)
axes.set(xlabel='predicted score', ylabel='stand-alone accuracy', title=(
    f"Kendall's tau on 260 cells: {kendall_tau(predicted, others.metrics):.2f}"))
plt.show()

# %%
# The same from the command line, with any space:
#
# .. code-block:: console
#
#    $ nni-rankreg rank --table results.csv --space my_package.MySpace
