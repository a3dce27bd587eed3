"""
Within my latency: the front of accuracy and milliseconds
==========================================================

The best architecture is of little use if it is too slow. This page learns the latency of a whole
space on this machine. Then a search looks for the best accuracy at each latency.
"""

# %%
# **Measure.** The layers of the space and some random networks are timed in turns. A regression
# then predicts the milliseconds of all other networks, and ``agreement(10)`` compares the
# prediction with ten new ones. This page takes half a minute; take some minutes for a device that
# you care about. ``file='mine.csv'`` keeps the table.
from nni_rankreg.constraint import MeasuredLatency
from nni_rankreg.space import NasBench201

space = NasBench201(stem_out_channels=12, num_modules_per_stack=3)
latency = MeasuredLatency(space, (3, 8, 8), networks=40, seconds=30, progress=False)
latency.measure()
print(latency.agreement(10))

# %%
# **A bound** is a filter of any one-shot strategy. Nothing slower is drawn, trained or scored with
# ``SPOS(filter=LatencyConstraint(latency, maximum=4.))``.
#
# **The front** is the set of architectures that no other beats in both accuracy and latency.
# Without a bound, `AceNAS` trains where the front is expected to grow. A table of results, which
# comes with the package, stands for the trainings, so that this page takes a minute.
import json
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.data import Digits, image_loader
from nni_rankreg.predictor import Evidence
from nni_rankreg.strategy import AceNAS, CandidatePool, Rounds
from nni_rankreg.table import TableEvaluator, digits
from nni_rankreg.typing import sample_key

table, folder = digits(), Path(mkdtemp())
pd.DataFrame({'sample': map(json.dumps, table.samples), 'metric': table.metrics}).to_csv(
    folder / 'table.csv', index=False)
known = {sample_key(sample) for sample in table.samples}
images = image_loader(Digits('train'), 32, shuffle=True)
search = AceNAS(evidence=Evidence(space, images, ['synflow', 'naswot', 'flops']), costs=[latency],
                budget=40, rounds=Rounds(first=10, size=5),
                candidates=CandidatePool(accept=lambda sample: sample_key(sample) in known),
                archive=folder / 'search.sqlite', seed=0)
experiment = NasExperiment(space, TableEvaluator(str(folder / 'table.csv')), search,
                           NasExperimentConfig('sequential', 'simplified', 'local'))
experiment.run()

# %%
# The exported models are the front, the best accuracy first:
front = experiment.export_top_models(20)
for model in front:
    print(f'{model.metric:.4f}', f'{float(latency([model.sample])[0]):.2f} ms')

# %%
# The front among all 300 cells of the table; the search has trained at most 40 of them:
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(6, 4), layout='constrained')
axes.scatter(latency(table.samples), table.metrics, s=8, color='lightgrey', label='table')
trained = search.archive.to_frame()
axes.scatter(trained['cost_latency'], trained['metric'], s=16, label='trained')
costs = latency([model.sample for model in front])
axes.step(*zip(*sorted(zip(costs.tolist(), (model.metric for model in front)))), where='post',
          color='tab:orange', label='front')
axes.set(xlabel='latency, ms', ylabel='accuracy', ylim=(0.6, None))
axes.legend()
plt.show()
