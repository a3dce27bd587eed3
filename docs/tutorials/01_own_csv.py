"""
Rank architectures from a CSV file
==================================

You have trained some architectures, by whatever program, and a table of them. Which ones should be
trained next? This needs no experiment, no super-net and no GPU: a predictor learns from the table.
"""

# %%
# The table has a column for each choice and one with the metric. Here it is made from the results
# that come with the package, 300 cells of NAS-Bench-201 trained on digits; 40 of them are known.
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
# A space says what there is to choose. Any NNI model space will do, also one that is no network:
# a dictionary of labels and choices.
from nni_rankreg.space import NasBench201

space = NasBench201(stem_out_channels=12, num_modules_per_stack=3)
results = read_csv_results(path, space=space)
print(len(results.samples), 'results')

# %%
# How well does the predictor rank? `held_out_ranking` fits it to four fifths of the results and
# compares its order of the last fifth with the measured one.
from nni_rankreg.predictor import Ranker, held_out_ranking

ranker = Ranker(space, seed=0)
print(held_out_ranking(ranker, results, seed=0))

# %%
# Then it learns from all of them, and names the best of the 15,625 cells that nobody has trained.
# The scores have no unit: they say an order.
from nni_rankreg.search import Candidates
from nni_rankreg.space import encode_nasbench201

ranker.fit(results.samples, results.metrics)
best = Candidates(space).best(ranker, 5, exclude=results.samples)
for score, sample in zip(ranker.score(best).tolist(), best):
    print(f'{score:+.3f}', encode_nasbench201(sample))

# %%
# The other 260 cells of the table tell how good that order is. A table of your own cannot: then
# `held_out_ranking` above is the number to trust.
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
