"""
One search from all evidence
============================

To train an architecture by itself, *stand-alone*, is dear. Much is known before: scores of the
untrained network (*zero-cost proxies*), its cost, its structure. `AceNAS` takes all such
*evidence*, decides which architectures to train, and says how far to trust its predictions.
"""

# %%
# A table stands for the trainings here, so that this page takes a minute: 300 cells of
# NAS-Bench-201 on digits. With an evaluator of your own nothing else changes.
import json
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from nni_rankreg.space import NasBench201
from nni_rankreg.table import TableEvaluator, digits
from nni_rankreg.typing import sample_key

table = digits()
folder = Path(mkdtemp())
pd.DataFrame({'sample': map(json.dumps, table.samples), 'metric': table.metrics}).to_csv(
    folder / 'table.csv', index=False)
evaluator = TableEvaluator(str(folder / 'table.csv'))
space = NasBench201(stem_out_channels=12, num_modules_per_stack=3)

# %%
# **Evidence** takes names of proxies, and functions of architectures. Each score is read as a rank
# among the same random architectures, so that units do not matter.
from nni_rankreg.data import Digits, image_loader
from nni_rankreg.predictor import Evidence

images = image_loader(Digits('train'), 32, shuffle=True)
evidence = Evidence(space, images, ['synflow', 'naswot', 'flops', 'params'])

# %%
# **The search** has a budget of 40 trainings. The first ten are drawn from the best by the
# *vote*, one score from all the evidence. Then a predictor learns from all results and chooses
# five at a time. ``candidates`` keeps this search to the cells of the table; leave it out without
# a table.
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.strategy import AceNAS, CandidatePool, Rounds

known = {sample_key(sample) for sample in table.samples}
search = AceNAS(evidence=evidence, budget=40, rounds=Rounds(first=10, size=5, explore=0.2),
                candidates=CandidatePool(accept=lambda sample: sample_key(sample) in known),
                archive=folder / 'search.sqlite', seed=0)
experiment = NasExperiment(space, evaluator, search,
                           NasExperimentConfig('sequential', 'simplified', 'local'))
experiment.run()
for model in experiment.export_top_models(3):
    print(f'{model.metric:.4f}', model.sample)

# %%
# **What it found, and when.** The best accuracy after each training, beside 1,000 random orders
# of the same table.
import matplotlib.pyplot as plt
import numpy as np

found = np.maximum.accumulate(search.archive.to_frame()['metric'])
generator = np.random.default_rng(0)
random = np.maximum.accumulate([generator.permutation(table.metrics)[:len(found)]
                                for _ in range(1000)], axis=1)
trainings = np.arange(1, len(found) + 1)
figure, axes = plt.subplots(figsize=(6, 4), layout='constrained')
axes.plot(trainings, found, label='search')
axes.plot(trainings, np.median(random, axis=0), label='random, median')
axes.fill_between(trainings, *np.quantile(random, [0.05, 0.95], axis=0), alpha=0.2,
                  label='random, 5 to 95 %', color='tab:orange')
axes.axhline(max(table.metrics), linestyle=':', color='grey', label='best of the table')
axes.set(xlabel='trainings', ylabel='best accuracy so far')
axes.legend()
plt.show()

# %%
# **How far to trust the predictions.** With ``explore=0.2`` one training in five is of a cell drawn
# at random, by default one in ten. From these cells alone the search knows how well its predictor,
# and each score, ranks the whole space. Eight cells tell little: the intervals are wide.
reliability = search.reliability().table()
reliability[['source', 'random', 'tau over all', 'tau over all low', 'tau over all high']]
