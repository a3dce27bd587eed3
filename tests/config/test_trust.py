"""What a search file may build without trust: parts of searches, and nothing that runs code."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import sys
from typing import get_origin

import pytest
import torch
import yaml
from helpers.search_file import SEARCH

from nni_rankreg.cli import main
from nni_rankreg.config import ConfigError, build_search, read_config
from nni_rankreg.config.recipe import hint_of
from nni_rankreg.config.trust import _ROOMS, FUNCTIONS, may_build

NNI = 'nni.nas.evaluator.pytorch'
PLAIN = yaml.safe_load(SEARCH)


@pytest.fixture
def owned(tmp_path, monkeypatch):
    """Return a file that is there when foreign code, which lies in the folder, has run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    mark = tmp_path / 'owned'
    for name in ('evil', 'lmdb', 'tensorboard', 'tensorboardX', 'wandb', 'transformers'):
        (tmp_path / f'{name}.py').write_text(f'open({str(mark)!r}, "w")\nclass Tuner: ...\n')
    (tmp_path / 'inner.yml').write_text(SEARCH.replace('nni_rankreg.space.NasBench201', 'evil.T'))
    for name in ('evil.pkl', '_cache_abc'):
        (tmp_path / name).write_bytes(pickle.dumps(_Opening(str(mark))))
    torch.save(_Opening(str(mark)), tmp_path / 'evil.ckpt')
    return mark


class _Opening:
    """Opens a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def part(class_path, /, **arguments):
    return {'class_path': class_path, 'init_args': arguments}


def lightning(**arguments):
    module = part(f'{NNI}.ClassificationModule', num_classes=10)
    return part(f'{NNI}.Lightning', lightning_module=module, trainer=part(f'{NNI}.Trainer'),
                **arguments)


def write(path, changes):
    config = copy.deepcopy(PLAIN)
    for key, value in changes.items():
        *parents, last = [int(one) if one.isdigit() else one for one in key.split('.')]
        node = config
        for one in parents:
            node = node[one]
        node[last] = copy.deepcopy(value)
    path.write_text(yaml.safe_dump(config))
    return path


FILE = {'config': 'inner.yml', 'trust': True}
PLACES = ('space', 'evaluator', 'strategy', 'strategy.init_args.regularizers.0',
          'strategy.init_args.truth', 'evaluator.init_args.train_dataloaders',
          'evaluator.init_args.train_dataloaders.init_args.dataset',
          'evaluator.init_args.callbacks', 'evaluator.init_args.max_epochs')


@pytest.mark.parametrize('payload', [
    part('torch.optim.optimizer.torch.load', f='evil.ckpt', weights_only=False),
    part('torch.utils.data.graph.pickle.load'),
    part('pytorch_lightning.cli.instantiate_class', args=[], init=part('evil.Tuner')),
    part('pytorch_lightning.cli.LightningCLI', model_class='evil.Tuner'),
    part('pytorch_lightning.LightningModule.load_from_checkpoint', checkpoint_path='evil.ckpt'),
    part('nni_rankreg.config.read_config', path='inner.yml', trust=True),
    part('nni_rankreg.config.build.import_object', path='evil.Tuner'),
    part('nni_rankreg.cli.argument.make_object', spec='evil.Tuner', what='x'),
    part('nni_rankreg.cli.check.check', **FILE),
    part('nni_rankreg.cli.main', arguments=['check', 'inner.yml', '--trust']),
    part('nni_rankreg.__main__.main'),
    part('nni_rankreg.tuner.LandmarkSearch', **FILE, url='ws://localhost:1/x'),
    part('nni_rankreg.table.reader.np.load', file='evil.pkl', allow_pickle=True),
    part('nni_rankreg.host.run.tuner.os.system', command='touch owned'),
    part('torchvision.datasets.lsun.LSUNClass', root='abc'),
    part('torchvision.datasets.utils.download_url', url='http://localhost:1/x', root='.'),
    part('torch.utils.data.datapipes.iter.FileOpener', datapipe=[], mode='w'),
    part('torchvision.datasets.DatasetFolder', root='.', loader='evil.Tuner', extensions=['.py']),
    part('torchmetrics.functional.image.lpips.torch.load', f='evil.ckpt'),
    part('torchmetrics.image.fid.FrechetInceptionDistance', feature_extractor_weights_path='e.pt'),
    part('torchmetrics.text.bert.BERTScore', model_name_or_path='evil'),
    part('pytorch_lightning.loggers.WandbLogger'),
    part('nni.nas.evaluator.FunctionalEvaluator', function=part('evil.Tuner')),
    part(f'{NNI}.Classification', criterion='evil.Tuner', num_classes=3),
    lightning(fit_kwargs={'ckpt_path': 'evil.ckpt', 'weights_only': False}),
    part('nni_rankreg.table.TableEvaluator', path='inner.yml', decode='evil.Tuner'),
    part('nni.nas.hub.pytorch.MobileNetV3Space.load_searched_model', name='x', download=True),
    part('torch.nn.Module.__subclasses__'),
    {'class_path': {'parameter': 'p', 'default': 'evil.Tuner'}, 'init_args': {}},
    {'class_path': ['evil.Tuner']}, {'class_path': {'class_path': 'evil.Tuner'}},
])
def test_payloads_are_refused_everywhere(owned, tmp_path, payload):
    for place in PLACES:
        path = write(tmp_path / 'search.yml', {place: payload})
        with pytest.raises(ConfigError):
            build_search(read_config(path))
        assert not owned.exists()
    assert main(['check', str(path)]) == 2 and not owned.exists()


def test_texts_and_values_of_trials_are_no_paths(owned, tmp_path):
    """Whatever expects a class, a function or an object imports no text and no mapping."""
    for value in ('evil.Tuner', '{class_path: evil.Tuner}', part('evil.Tuner')):
        for key in ('strategy.init_args.evidence', 'strategy.init_args.regularizers',
                    'evaluator.init_args.train_dataloaders.init_args.dataset'):
            path = write(tmp_path / 'search.yml', {key: {'parameter': 'p', 'default': 1}})
            config = read_config(path)
            with pytest.raises(ConfigError, match=rf'{key}: Expected .*, got'):
                build_search(config, {'p': value})
    assert not owned.exists()


OTHERS = {
    'space': part('nni.nas.hub.pytorch.NasBench201', stem_out_channels=2, num_modules_per_stack=1),
    'evaluator': lightning(
        train_dataloaders=part(
            f'{NNI}.DataLoader', batch_size=4, dataset=part(
                'torchvision.datasets.FakeData', size=8, image_size=[3, 8, 8], transform=part(
                    'torchvision.transforms.Compose', transforms=[
                        part('torchvision.transforms.ToTensor')]))),
        val_dataloaders=part('torch.utils.data.DataLoader', dataset=part(
            'nni_rankreg.data.Digits', split='validation'))),
    'strategy': part('nni.nas.strategy.RandomOneShot')}


def test_parts_of_other_packages_are_built(tmp_path):
    trainer = {'evaluator.init_args.trainer': part(f'{NNI}.Trainer', max_epochs=1, callbacks=[
        part('pytorch_lightning.callbacks.EarlyStopping', monitor='val_loss')])}
    search = build_search(read_config(write(tmp_path / 'search.yml', OTHERS | trainer)))
    assert [type(one).__name__ for one in search] == ['NasBench201', 'Lightning', 'RandomOneShot']
    images, _ = next(iter(search.evaluator.train_dataloaders))
    assert images.shape == (4, 3, 8, 8)


@pytest.mark.parametrize('key, value, message', [
    ('evaluator.init_args.trainer', part('torch.nn.ReLU'), 'trainer: Expected Trainer, got a ReLU'),
    ('evaluator.init_args.trainer', part(f'{NNI}.Trainer', max_epochs='5'),
     "trainer.init_args.max_epochs: Expected int or null, got the text '5'"),
    ('evaluator.init_args.lightning_module.init_args', {'num_classes': 10, 'learning_rate': 'fast'},
     "learning_rate: Expected float, got the text 'fast'"),
    ('strategy', part('nni_rankreg.strategy.SPOS', scoring=part('nni_rankreg.data.HeldOut')),
     'strategy.init_args.scoring: Expected Scoring or null, got a HeldOut'),
    ('strategy', part('nni_rankreg.strategy.SPOS', truth=part('nni_rankreg.space.NasBench201')),
     'strategy.init_args.truth: Expected Results or Archive or Tab.*, got a NasBench201'),
    ('space', part('nni_rankreg.strategy.SPOS'), "Expected NNI's ModelSpace, got a SPOS"),
])
def test_a_part_has_to_fit_its_place(tmp_path, key, value, message):
    path = write(tmp_path / 'search.yml', {**OTHERS, key: value})
    with pytest.raises(ConfigError, match=message):
        build_search(read_config(path))


def test_the_functions_are_there():
    for path in FUNCTIONS:
        module, _, name = path.rpartition('.')
        try:
            owner = importlib.import_module(module)
        except ModuleNotFoundError:
            package, _, cls = module.rpartition('.')
            owner = getattr(importlib.import_module(package), cls)
        assert may_build(getattr(owner, name)), path


def public_classes():
    for room in _ROOMS:
        module = importlib.import_module(f'nni_rankreg.{room}')
        for name in module.__all__:
            one = getattr(module, name)
            if get_origin(one) is not None:         # of an annotation: a class for Python 3.10
                continue
            if inspect.isclass(one) and not issubclass(one, BaseException):
                yield one


def test_annotations_of_ours_can_be_read():
    """An annotation that only a type checker can read would let any value pass."""
    for one in public_classes():
        assert may_build(one)
        target = getattr(one, '__wrapped__', one)
        for name, parameter in inspect.signature(target).parameters.items():
            hint = hint_of(target, name)
            assert not isinstance(hint, str)
            if 'Any' not in str(parameter.annotation) and parameter.kind not in (
                    parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                assert hint is not inspect.Parameter.empty and str(hint)[-3:] != 'Any', (one, name)
