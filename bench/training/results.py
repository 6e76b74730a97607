"""What a run gives: numbers by panel, variant and seed, as a table and as a picture."""

from __future__ import annotations

import pathlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

Report = Callable[[str], None]  # is told what comes next
Curve = list[tuple[float, float]]
# Okabe and Ito's colours, which every kind of sight tells apart, without yellow, faint on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")


@dataclass
class Results:
    """Final numbers of each panel and variant, one a seed, and perhaps a curve of (x, y) for each seed.

    A panel is a column of the table and one pair of axes of the picture: a data set, a number of bits, a measure.
    """

    title: str
    unit: str
    axis: str = "steps"
    finals: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    curves: dict[str, dict[str, list[Curve]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, panel: str, variant: str, value: float, curve: Curve | None = None) -> None:
        self.finals.setdefault(panel, {}).setdefault(variant, []).append(value)
        if curve is not None:
            self.curves.setdefault(panel, {}).setdefault(variant, []).append(curve)

    def variants(self) -> list[str]:
        return list(dict.fromkeys(variant for panel in self.finals.values() for variant in panel))

    def table(self) -> str:
        """Markdown: mean (least to largest) over the seeds, a row for each variant and a column for each panel."""
        seeds = {len(values) for panel in self.finals.values() for values in panel.values()}
        lines = [f"{self.title}: {self.unit}, mean (least to largest) over {max(seeds)} seeds", ""]
        lines += ["| | " + " | ".join(self.finals) + " |", "| --- |" + " --: |" * len(self.finals)]
        for variant in self.variants():
            cells = [self._cell(panel.get(variant, [])) for panel in self.finals.values()]
            lines.append(f"| {variant} | " + " | ".join(cells) + " |")
        return "\n".join([*lines, *([""] if self.notes else []), *self.notes])

    @staticmethod
    def _cell(values: list[float]) -> str:
        return f"{statistics.fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else ""

    def plot(self, path: pathlib.Path) -> None:
        """A pair of axes for each panel: curves, the mean in a band from least to largest, or a dot for each seed."""
        from matplotlib.figure import Figure

        width, height = (4.2, 4.2) if self.curves else (2.6, 1.4 + 0.28 * len(self.variants()))
        figure = Figure(figsize=(width * len(self.finals) + 3, height), layout="constrained")
        axes = figure.subplots(1, len(self.finals), squeeze=False, sharey=not self.curves)[0]
        for one, panel in zip(axes, self.finals):
            if panel in self.curves:
                self._draw_curves(one, panel)
            else:
                self._draw_dots(one, panel)
            one.set_title(panel, fontsize=10)
            one.grid(alpha=0.3)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=9)
        figure.suptitle(self.title)
        figure.savefig(path, dpi=120)

    def _draw_curves(self, axes, panel: str) -> None:  # type: ignore[no-untyped-def]
        for i, (variant, curves) in enumerate(self.curves[panel].items()):
            points = list(zip(*curves))  # the same step of each seed; seconds differ from seed to seed
            x = [statistics.fmean(x for x, _ in point) for point in points]
            y = [[y for _, y in point] for point in points]
            colour, style = COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)]
            axes.plot(x, [statistics.fmean(values) for values in y], style, color=colour, label=variant)
            axes.fill_between(x, [min(values) for values in y], [max(values) for values in y], color=colour, alpha=0.2, lw=0)
        axes.set(xlabel=self.axis, ylabel=self.unit)

    def _draw_dots(self, axes, panel: str) -> None:  # type: ignore[no-untyped-def]
        variants = self.variants()
        for i, variant in enumerate(variants):
            values = self.finals[panel].get(variant, [])
            axes.plot(values, [i] * len(values), "o", color=COLOURS[0], alpha=0.6, ms=5, label="a seed" if not i else None)
            if values:
                axes.plot(statistics.fmean(values), i, "|", color="black", ms=14, label="mean" if not i else None)
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.set_xlabel(self.unit)
