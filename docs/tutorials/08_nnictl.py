"""
No script: a search under nnictl, and the web UI
================================================

A search can be two files without a script: what to search, and NNI's configuration of the
experiment. One command checks both files before anything runs, and names the key that is wrong.
"""

# %%
# **What to search.** ``class_path`` is the import path of a class, ``init_args`` are its
# arguments, as in Python. Where an argument can be of one class only, as ``scoring``, its
# arguments are enough.
what = """
space:
  class_path: nni_rankreg.space.NasBench201
  init_args: {stem_out_channels: 8, num_modules_per_stack: 1, num_labels: 10}
evaluator:                             # trains each architecture stand-alone
  class_path: nni_rankreg.evaluator.digits.digits_evaluator
  init_args: {epochs: 2}
strategy:
  class_path: nni_rankreg.strategy.LandmarkSearch
  init_args:
    oneshot:
      class_path: nni_rankreg.strategy.SPOS
      init_args:
        regularizers:
          - class_path: nni_rankreg.regularizer.LandmarkRegularizer
            init_args: {weight: 10.0, pairs: 4}
        evolution:
          class_path: nni_rankreg.search.Evolution
          init_args: {evaluations: 50, progress: false}
        scoring: {batches: 1}
    supernet_evaluator:                # trains the super-net
      class_path: nni_rankreg.evaluator.digits.digits_evaluator
      init_args: {epochs: 6}
    iterations: 1
    landmarks: {class_path: nni_rankreg.strategy.Landmarks, init_args: {count: 4, random: 2}}
    top: 2
    archive: runs/search.sqlite
"""

# %%
# **The experiment** says who searches, what a trial is, and how many trials run at a time.
experiment = """
experimentName: landmark search on digits
searchSpace: {}                        # taken from the search file
trialCommand: nni-rankreg trial
trialConcurrency: 2
tuner:
  className: nni_rankreg.tuner.LandmarkSearch
  codeDirectory: .
  classArgs: {config: search.yml}
trainingService: {platform: local}
"""

# %%
# **Check it.** This page calls the command from Python; in a shell it is
# ``nni-rankreg check experiment.yml``. NNI itself reports a mistake in a log only.
import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import mkdtemp

from nni_rankreg.cli import main

folder = Path(mkdtemp())
(folder / 'search.yml').write_text(what)
(folder / 'experiment.yml').write_text(experiment)
(folder / 'wrong.yml').write_text(experiment.replace('search.yml', 'other.yml'))
for name in ('experiment.yml', 'wrong.yml'):
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(said):
        status = main(['check', str(folder / name)])
    print('status', status, said.getvalue())

# %%
# **Run it.** The first line starts NNI's manager, its web UI and a process for each trial, and
# prints the ``ID`` of the experiment:
#
# .. code-block:: console
#
#    $ NODE_OPTIONS="$(nni-rankreg node-options)" nnictl create --config experiment.yml
#    $ nnictl stop ID;  nnictl resume ID        # goes on where it was
#
# The web UI shows each training as a trial, with its stage and its choices, also while it runs:
#
# .. image:: /ui_hyper_parameter.png
#    :alt: Choices of each architecture, and the stage of its trial, in NNI's web UI
#
# This page needs no manager: it runs the same search file in its own process.
import os

from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.config import build_search, read_config

os.chdir(folder)
search = build_search(read_config('search.yml'))
NasExperiment(*search, NasExperimentConfig('sequential', 'simplified', 'local')).run()
results = search.strategy.archive.to_frame()

# %%
# **Look at the results.** ``nni-rankreg report runs/search.sqlite`` makes a page to hover, sort and
# filter. The archive is a table, too:
results[['metric', 'source', 'sample']]
