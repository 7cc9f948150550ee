"""Shows a run in a notebook: what ``_repr_html_`` of runs and charts returns."""

from __future__ import annotations

from stretto.monitoring.spans import Source
from stretto.monitoring.svg import draw_svg

NOTEBOOK_ROWS = 40
"""How many rows a chart in a notebook shows when nobody says."""


def run_html(source: Source, *, width: int = 960, max_rows: int = NOTEBOOK_ROWS) -> str:
    """Returns a run's chart as a piece of HTML without scripts, in the colours of the notebook's theme.

    ``width`` is in pixels; the chart shrinks with a narrower cell. Raises what ``draw_svg`` raises.
    """
    drawn = draw_svg(source, width=width, max_rows=max_rows)
    return f'<div class="stretto-run" style="max-width:{width}px;overflow-x:auto">{drawn}</div>'
