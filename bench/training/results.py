"""What a run gives: numbers by name and seed, as a table and as a picture."""

from __future__ import annotations

import pathlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

Report = Callable[[str], None]  # is told what comes next


@dataclass
class Results:
    """Final numbers of each variant, one a seed, and perhaps curves of (x, y) for each seed."""

    title: str
    unit: str
    finals: dict[str, list[float]] = field(default_factory=dict)
    curves: dict[str, list[list[tuple[float, float]]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    axis: str = "steps"

    def add(self, name: str, value: float, curve: list[tuple[float, float]] | None = None) -> None:
        self.finals.setdefault(name, []).append(value)
        if curve is not None:
            self.curves.setdefault(name, []).append(curve)

    def mean(self, name: str) -> float:
        return statistics.fmean(self.finals[name])

    def table(self) -> str:
        """Mean, least and largest over the seeds, a line for each variant."""
        width = max(map(len, self.finals))
        lines = [f"{self.title}: {self.unit}", f"{'':{width}}    mean     least   largest  seeds"]
        for name, values in self.finals.items():
            lines.append(f"{name:{width}}  {self.mean(name):.4f}    {min(values):.4f}    {max(values):.4f}  {len(values)}")
        return "\n".join(lines + self.notes)

    def plot(self, path: pathlib.Path) -> None:
        """Curves of all seeds, the same colour a variant; bars where there are none."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.add_subplot()
        for i, (name, values) in enumerate(self.finals.items()):
            if name in self.curves:
                for j, curve in enumerate(self.curves[name]):
                    axes.plot(*zip(*curve), color=f"C{i}", alpha=0.7, label=None if j else name)
            else:
                axes.barh(name, self.mean(name), xerr=(max(values) - min(values)) / 2, color="C0")
        if self.curves:
            axes.legend()
            axes.set(xlabel=self.axis, ylabel=self.unit)
        else:
            axes.invert_yaxis()
            axes.set_xlabel(self.unit)
        axes.set_title(self.title)
        figure.savefig(path, dpi=120)
