"""Formulas as MathML, which browsers show themselves: no script, nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

__all__ = ['setup']


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx write formulas by docutils' own converter."""
    app.add_html_math_renderer('mathml', (_inline, None), (_block, None))
    app.config.html_math_renderer = 'mathml'  # type: ignore[attr-defined]
    return {'parallel_read_safe': True, 'parallel_write_safe': True}


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(latex2mathml.tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(latex2mathml.tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode
