"""Formulas as MathML, which browsers draw by themselves: the site needs no script from elsewhere and reads offline."""

from __future__ import annotations

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

__all__ = ["setup"]


def _inline(writer: object, node: nodes.math) -> None:
    writer.body.append(tex2mathml(node.astext()))  # type: ignore[attr-defined]
    raise nodes.SkipNode


def _block(writer: object, node: nodes.math_block) -> None:
    formula = tex2mathml(node.astext().strip(), as_block=True)
    writer.body.append(f'<div class="formula">{formula}</div>\n')  # type: ignore[attr-defined]
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
