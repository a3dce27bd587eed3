"""Tables on narrow screens: numbers keep to one line, sentences have some width, all scrolls."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

__all__ = ['setup']

_SENTENCE = 30     # characters
_NUMBERS = re.compile(r'(?:[-+±.,;%()\[\]/\d\s]|to|of|ms|µs|s|MB|GB)+')


def setup(app: Sphinx) -> dict[str, Any]:
    """Have each page looked through; the classes are styled in _static/site.css."""
    app.connect('doctree-read', _mark)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}


def _mark(app: Sphinx, doctree: nodes.document) -> None:
    for entry in doctree.findall(nodes.entry):
        text = entry.astext()
        if _NUMBERS.fullmatch(text):
            entry['classes'].append('numbers')
        elif len(text) > _SENTENCE:
            entry['classes'].append('sentence')
