"""A figure that a notebook shows by itself; imported where one is drawn, because it needs matplotlib."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure

DPI = 110


class NotebookFigure(Figure):
    """A figure made without pyplot, which IPython would show as text: it knows only those of pyplot."""

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=DPI)
        return picture.getvalue()
