"""Import paths: what they lead to, and why they do not."""

from __future__ import annotations

import re

import pytest

from nni_rankreg._util.import_path import check_import_path, import_object
from nni_rankreg.table import digits


@pytest.fixture
def own_package(tmp_path, monkeypatch):
    """Write a package with a class in a class, and modules that cannot be imported."""
    folder = tmp_path / 'own_nas'
    folder.mkdir()
    (folder / '__init__.py').write_text('class Outer:\n    class Inner:\n        pass\n')
    (folder / 'needs.py').write_text('import no_such_package\n')
    (folder / 'fails.py').write_text('raise RuntimeError("There is\\nno licence")\n')
    monkeypatch.syspath_prepend(str(tmp_path))


def test_classes_functions_and_what_is_in_them(own_package):
    import own_nas
    assert import_object('own_nas.Outer') is own_nas.Outer
    assert import_object('own_nas.Outer.Inner') is own_nas.Outer.Inner


def test_what_a_package_exports_comes_before_its_module_of_that_name():
    assert import_object('nni_rankreg.table.digits') is digits


@pytest.mark.parametrize('path, reason', [
    ('own_nas.Inner', "module 'own_nas' has no attribute 'Inner'"),
    ('own_nas.Outer.Other.Inner', "'Outer' has no attribute 'Other'"),
    ('own_nas.sub.Space', "module 'own_nas' has no attribute 'sub'"),
    ('no_such_package.Space', "No module named 'no_such_package'"),
    ('no_such_package.sub.Space', "No module named 'no_such_package'"),
    ('own_nas.needs.Space', "No module named 'no_such_package'"),
    ('own_nas.fails.Space', 'There is no licence'),
])
def test_the_reason_is_told_in_one_line(own_package, path, reason):
    with pytest.raises(ValueError, match=f'^Expected a thing, got {path}: .*{reason}') as raised:
        import_object(path, 'a thing')
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize('path', ['Space', '', '.Space', 'own.', 'own nas.Space', 7, None])
def test_form(path):
    for check in (check_import_path, import_object):
        with pytest.raises(ValueError, match=f'a thing, package.name, got {re.escape(repr(path))}'):
            check(path, 'a thing')
