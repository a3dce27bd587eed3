"""The configurations that docs/scaling.md names, read by NNI's own classes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from helpers.places import EXAMPLES, ROOT
from nni.experiment.config import ExperimentConfig, utils

from nni_rankreg.cli import main

NAMED = re.findall(r'\]\(\.\./(examples/\S+\.yml)\)', (ROOT / 'docs/scaling.md').read_text())


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Have the key that NNI asks for, and lists of NNI of our own."""
    (tmp_path / '.ssh').mkdir()
    (tmp_path / '.ssh' / 'id_rsa').touch()
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('NNI_CONFIG_DIR', str(tmp_path / 'config'))


def test_all_are_named():
    assert sorted(NAMED) == sorted(str(path.relative_to(ROOT)) for path in
                                   EXAMPLES.glob('scaling/*.yml'))


@pytest.mark.parametrize('name', NAMED)
def test_configuration(name):
    path = ROOT / name
    utils.set_base_path(path.parent)
    try:
        config = ExperimentConfig(**yaml.safe_load(path.read_text()))
        config.validate()
        folder = config.canonical_copy().trial_code_directory
    finally:
        utils.unset_base_path()
    assert config.training_service.platform == {
        'local_gpus': 'local', 'remote': 'remote', 'kubeflow': 'kubeflow'}[path.stem]
    assert (Path(folder) / config.tuner.class_args['config']).is_file()


@pytest.mark.parametrize('name', ['nnictl/landmark_digits.yml', 'nnictl/lambda_digits.yml',
                                  'nnictl/acenas_digits.yml', 'scaling/remote.yml'])
def test_examples_pass_the_check(name, tmp_path, capsys):
    """In a copy, as the check creates the archive."""
    for path in EXAMPLES.glob('*/*.yml'):
        copy = tmp_path / path.relative_to(EXAMPLES)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text())
    assert main(['register']) == 0
    assert main(['check', str(tmp_path / name)]) == 0, capsys.readouterr().err
