"""
Several machines: what is shared, and what is not
=================================================

Every training of a search is a trial, and runs wherever NNI sends it. This page shows what the
machines must share: its search has one folder of its own, and one that all machines would mount.
"""

# %%
# .. list-table::
#    :header-rows: 1
#
#    * - what
#      - where
#      - why
#    * - the package
#      - on each machine
#      - the same version, where ``pythonPath`` of the configuration says
#    * - data
#      - on each, at the same path
#      - a trial makes its data set again
#    * - ``work_dir``
#      - a folder that all mount
#      - weights of super-nets, and the results that they learn from
#    * - ``checkpoint_folder``
#      - in ``work_dir``
#      - another machine can go on with an interrupted super-net
#    * - ``archive``
#      - where the search runs
#      - a SQLite file does not belong on a network's file system
#
# **A search in two iterations**: its second super-net begins with the weights of the first, which
# another machine may have trained.
from pathlib import Path
from tempfile import mkdtemp

from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.evaluator.digits import digits_evaluator
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.search import Evolution
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import SPOS, LandmarkSearch, Landmarks

mine, shared = Path(mkdtemp()), Path(mkdtemp())


def search(archive, **options):
    return LandmarkSearch(
        SPOS([LandmarkRegularizer(weight=10.)], evolution=Evolution(evaluations=50, progress=False),
             checkpoint_folder=shared / 'checkpoints'), digits_evaluator(epochs=4),
        landmarks=Landmarks(4, random=0), top=2, archive=mine / archive, **options)


def run(strategy):
    space = NasBench201(stem_out_channels=8, num_modules_per_stack=1)
    config = NasExperimentConfig('sequential', 'simplified', 'local')    # 'ts': trials, see below
    experiment = NasExperiment(space, digits_evaluator(epochs=2), strategy, config)
    experiment.run()
    return strategy.archive.to_frame()


run(search('first.sqlite', iterations=2, work_dir=shared))
for folder in (mine, shared):
    print(*sorted(str(one.relative_to(folder)) for one in folder.rglob('*') if one.is_file()),
          sep='\n', end='\n\n')

# %%
# **Results of another search**: copy its archive and name it as ``known``. Its results are
# landmarks of the first super-net, and are not trained again. The archive of the new search has
# new results only.
frame = run(search('second.sqlite', iterations=1, known=mine / 'first.sqlite', work_dir=shared))
frame[['metric', 'source', 'sample']]

# %%
# **The machines** are named in NNI's configuration. The search file is that of :doc:`08_nnictl`,
# with ``work_dir``. The folder ``examples/scaling`` has this configuration, and others for GPUs
# and Kubernetes:
#
# .. literalinclude:: /../examples/scaling/remote.yml
#    :language: yaml
#
# To train a super-net on two GPUs, give its evaluator ``devices=2, strategy='ddp'``.
# :doc:`/scaling` says what the machines need of each other, such as open ports.
