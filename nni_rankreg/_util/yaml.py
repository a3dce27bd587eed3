"""YAML files from anywhere: of bounded size, plain values only, each key once.

Numbers are those of YAML 1.2, where ``1e-3`` is a number, ``010`` is ten and ``1:30`` a text; the
words of YAML 1.1 for true and false, such as ``yes``, are kept.
"""

from __future__ import annotations

import math
import os
import re
from typing import Any, ClassVar

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

__all__ = ['read_yaml']

_BYTES = 500_000
_LEVELS = 50
_VALUES = 20_000
_DIGITS = 100
_LARGEST = 2 ** 63
_NUMBERS = {
    'int': r'[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+',
    'float': r'[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+'
             r'|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)'}


def read_yaml(path: str | os.PathLike[str], *, numbers: str = '1.2') -> Any:
    r"""Return what a YAML file holds: mappings, lists, texts, numbers, true, false and null.

    Parameters
    ----------
    path
        A file of at most 500 kB, 50 levels and 20,000 values, those of aliases counted each time.
    numbers
        Those of YAML ``'1.2'``, or of ``'1.1'``, as PyYAML and NNI read them.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such file; the message says where.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, 'a.yml')
    ...     _ = path.write_text('rate: 1e-3\ncount: 010')
    ...     read_yaml(path), read_yaml(path, numbers='1.1')
    ({'rate': 0.001, 'count': 10}, {'rate': '1e-3', 'count': 8})
    """
    with open(path, 'rb') as file:
        content = file.read(_BYTES + 1)
    if len(content) > _BYTES:
        raise ValueError(f'more than {_BYTES:,} bytes')
    try:
        return yaml.load(content.decode('utf-8-sig'), _Loader if numbers == '1.2' else _HostLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


class _HostLoader(yaml.SafeLoader):
    """PyYAML's safe loader with bounds."""

    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        tag: one for tag, one in yaml.SafeLoader.yaml_constructors.items() if tag is None
        or tag.rpartition(':')[2] in ('null', 'bool', 'int', 'float', 'str', 'seq', 'map')}
    """Those of values that JSON has, too; ``!!binary`` and the like are unknown."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self._level = self._values = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Count while the text is read: more takes forever, and deeper levels all of the stack."""
        self._level += 1
        self._values += 1
        if self._level > _LEVELS:
            raise ValueError(f'more than {_LEVELS} levels{_place(self.peek_event())}')
        if self._values > _VALUES:
            raise ValueError(f'more than {_VALUES:,} values{_place(self.peek_event())}')
        try:
            node = super().compose_node(parent, index)
        finally:
            self._level -= 1
        if isinstance(node, ScalarNode) and '\0' in node.value:
            raise ValueError(f'a zero byte{_place(node)}')
        return node

    def get_single_node(self) -> Node | None:
        """Count the values before any is made."""
        node = super().get_single_node()
        if node is not None and _size(node, {}) > _VALUES:
            raise ValueError(f'more than {_VALUES:,} values, those of aliases counted each time')
        return node

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        """Refuse keys that are given twice, of which PyYAML takes the last."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and (key.tag, key.value) in seen:
                raise ValueError(f'the key {key.value!r} twice{_place(key)}')
            seen.add((key.tag, str(key.value)))
        return node


class _Loader(_HostLoader):
    """The same with the numbers of YAML 1.2, none of which is larger than 64 bits hold."""

    def construct_yaml_int(self, node: ScalarNode) -> int:
        """Return a decimal number unless it begins with 0o or 0x."""
        text = self.construct_scalar(node)
        if len(text) <= _DIGITS:
            value = int(text, {'0o': 8, '0x': 16}.get(text[:2], 10))
            if abs(value) < _LARGEST:
                return value
        raise ValueError(f'{text[:_DIGITS]}, a number of more than 64 bits{_place(node)}')

    def construct_yaml_float(self, node: ScalarNode) -> float:
        """Return a number; NaN is none, and infinity is written as such."""
        text, value = self.construct_scalar(node), super().construct_yaml_float(node)
        if math.isnan(value) or (math.isinf(value) and 'inf' not in text.lower()):
            raise ValueError(f'{text[:_DIGITS]}, which is no number{_place(node)}')
        return value


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found
            if tag.rpartition(':')[2] not in (*_NUMBERS, 'timestamp')]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()}
for _name, _pattern in _NUMBERS.items():
    _Loader.add_implicit_resolver(f'tag:yaml.org,2002:{_name}',
                                  re.compile(f'(?:{_pattern})$'), list('-+.0123456789'))
    _Loader.add_constructor(f'tag:yaml.org,2002:{_name}',
                            getattr(_Loader, f'construct_yaml_{_name}'))


def _size(node: Node, known: dict[Node, int | None]) -> int:
    """Return the number of values in a tree, in which aliases may refer to what they are in."""
    if node not in known:
        known[node] = None
        parts = [] if not isinstance(node, CollectionNode) else [
            part for one in node.value for part in (one if isinstance(one, tuple) else [one])]
        known[node] = 1 + sum(_size(part, known) for part in parts)
    size = known[node]
    if size is None:
        raise ValueError(f'an alias within what it refers to{_place(node)}')
    return size


def _place(one: Any) -> str:
    mark = one.start_mark
    return f' in line {mark.line + 1}, column {mark.column + 1}'
