"""Duplicates as tables for other programs, and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.duplicates.inside import members

OF_CLUSTERS = ("kept", "sizes", "diameters", "densities", "open_triangles", "chained")
LARGEST = 5  # clusters that a summary lists


def check_names(names: Sequence[str] | None, n: int) -> list[str] | None:
    """One string for each of n rows, or raise."""
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError("names: expected a string for each row, got one string")
    strings = [str(name) for name in names]
    if len(strings) != n:
        raise ValueError(f"names: expected {n} strings, one for each row, got {len(strings)}")
    return strings


def rows_table(labels: Ints, kept: Ints, groups: NDArray[Any] | None, names: list[str] | None) -> Iterator[list[Any]]:
    """A line for each row of a cluster."""
    yield ["cluster", *_columns("row", names), *([] if groups is None else ["group"]), "keep", *_columns("kept_row", names)]
    rows, start = members(labels)
    for cluster, stands in enumerate(kept.tolist()):
        for row in rows[start[cluster] : start[cluster + 1]].tolist():
            group = [] if groups is None else [groups[row]]
            yield [cluster, *_named(row, names), *group, int(row == stands), *_named(stands, names)]


def clusters_table(
    kept: Ints,
    sizes: Ints,
    diameters: NDArray[Any],
    densities: NDArray[np.float64],
    triangles: Ints,
    chained: NDArray[np.bool_],
    *,
    names: list[str] | None,
) -> Iterator[list[Any]]:
    """A line for each cluster."""
    yield ["cluster", *_columns("kept_row", names), "size", "diameter", "density", "open_triangles", "chained"]
    for cluster, row in enumerate(kept.tolist()):
        numbers = [sizes[cluster], diameters[cluster], densities[cluster], triangles[cluster], int(chained[cluster])]
        yield [cluster, *_named(row, names), *numbers]


def pairs_table(
    rows: Ints, cols: Ints, distances: NDArray[Any], cluster: Ints, names: list[str] | None
) -> Iterator[list[Any]]:
    """A line for each pair; one between clusters has none."""
    yield [*_columns("row", names), *_columns("col", names), "distance", "cluster"]
    for row, col, distance, of in zip(rows.tolist(), cols.tolist(), distances, cluster.tolist()):
        yield [*_named(row, names), *_named(col, names), distance, "" if of < 0 else of]


def clusters_in_words(
    linkage: str,
    kept: Ints,
    sizes: Ints,
    diameters: NDArray[Any],
    densities: NDArray[np.float64],
    triangles: Ints,
    chained: NDArray[np.bool_],
) -> list[str]:
    """How many clusters there are of which size, which are chained, and the largest ones."""
    lines = [line(f"clusters ({linkage} linkage)", len(sizes)), line("rows in them", int(sizes.sum()))]
    for least, most in ((2, 2), (3, 4), (5, 9), (10, 99), (100, None)):
        count = int(((sizes >= least) & (sizes <= (most or sizes.max(initial=0)))).sum())
        if count:
            rows = f"{least}" if least == most else f"{least} and more" if most is None else f"{least} to {most}"
            lines.append(line(f"of {rows} rows", count, 4))
    lines += [line("chained: two rows farther apart than the threshold", int(chained.sum()), 4)]
    lines += [line("open triangles: a ~ b and b ~ c, but not a ~ c", int(triangles.sum()))]
    if len(sizes):
        lines += ["  largest: cluster, kept row, rows, diameter, density"]
    for cluster in np.argsort(-sizes, kind="stable")[:LARGEST].tolist():
        lines += [
            f"  {cluster:>10}{kept[cluster]:>12}{sizes[cluster]:>10}{diameters[cluster]:>12.4g}{densities[cluster]:>10.4f}"
            f"{'  chained' if chained[cluster] else ''}"
        ]
    return lines


def line(text: str, value: int, indent: int = 2) -> str:
    return f"{' ' * indent + text:<66}{value:>14}"


def _columns(name: str, names: list[str] | None) -> list[str]:
    return [name] if names is None else [name, f"{name}_name"]


def _named(row: int, names: list[str] | None) -> list[Any]:
    return [row] if names is None else [row, names[row]]
