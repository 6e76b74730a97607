"""The commands topk, radius and pairs: the searches, with every filter, over files of rows."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import hardmine
from hardmine._files import save_npz
from hardmine.cli.inputs import (
    add_checkpoint,
    add_output,
    add_rows,
    going_on,
    listed,
    load,
    load_number,
    load_rows,
    number_or_file,
    progress,
)
from hardmine.search.metric import METRICS

RESULTS = (".ibin", ".ivecs", ".fvecs", ".fbin")  # of benchmarks; anything else is .npz


def add(commands: Any) -> None:
    """Add them to the parsers of an `argparse` command."""
    topk = commands.add_parser("topk", help="the k nearest base rows of each query")
    add_search(topk)
    topk.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="where the result goes: .npz; or a benchmark's format, .ibin (ground truth: indices and distances), .ivecs "
        "(indices), .fvecs and .fbin (distances)",
    )
    add_checkpoint(topk)
    topk.add_argument("-k", type=int, default=10, help="rows to keep for each query (%(default)s)")
    topk.set_defaults(run=_topk)

    radius = commands.add_parser("radius", help="all pairs of a query and a base row within a radius")
    add_search(radius)
    add_output(radius)
    add_checkpoint(radius)
    radius.add_argument(
        "-r",
        "--radius",
        type=number_or_file,
        required=True,
        metavar="R",
        help="the largest distance, or a file of one a query",
    )
    radius.add_argument("--max-pairs", type=int, metavar="N", help="fail if there are more")
    radius.set_defaults(run=_radius)

    pairs = commands.add_parser("pairs", help="the nearest of all pairs of a query and a base row")
    add_search(pairs)
    add_output(pairs)
    add_checkpoint(pairs)
    pairs.add_argument("-n", "--n-pairs", type=int, default=10, help="pairs to keep (%(default)s)")
    pairs.set_defaults(run=_pairs)


def add_search(command: argparse.ArgumentParser) -> None:
    """Add what every search takes: rows, a metric, and a filter."""
    add_rows(command, "floats or packed codes")
    command.add_argument("--metric", choices=METRICS, default="sqeuclidean", help="(%(default)s)")
    command.add_argument("--bits", type=int, metavar="B", help="of packed codes, for hamming; by default all of their bytes")
    command.add_argument("--query-groups", type=Path, metavar="G.npy", help="a group for each query")
    command.add_argument("--base-groups", type=Path, metavar="G.npy", help="a group for each base row")
    command.add_argument(
        "--groups", choices=("different", "same"), default="different", help="which pairs of groups to keep (%(default)s)"
    )
    command.add_argument("--exclude", type=Path, metavar="E.npy", help="rows of (query, base row) that are not to be given")
    command.add_argument("--base-mask", type=Path, metavar="M.npy", help="booleans: the base rows that may be given")
    for name in ("nearer-than", "farther-than"):
        command.add_argument(
            f"--{name}", type=number_or_file, metavar="X", help="a strict limit on the distance, or a file of one a query"
        )
    command.add_argument("--max-per-group", type=int, metavar="N", help="at most N rows of each base group for a query")
    command.add_argument("--explain", action="store_true", help="print which screens did the work, by which kernels")


def arguments(given: argparse.Namespace) -> dict[str, Any]:
    """The arguments that the functions share."""
    queries = load_rows(given.queries)
    where = hardmine.Filter(
        query_groups=load(given.query_groups),
        base_groups=load(given.base_groups),
        groups=given.groups,
        exclude=listed("exclude", load(given.exclude), len(queries)),
        base_mask=load(given.base_mask),
        nearer_than=load_number(given.nearer_than),
        farther_than=load_number(given.farther_than),
        max_per_group=given.max_per_group,
    )
    return {
        "queries": queries,
        "base": load_rows(given.base),
        "metric": given.metric,
        "where": where,
        "query_rows": load(given.query_rows),
        "bits": given.bits,
        "threads": given.threads,
        "progress": progress(),
    }


@contextmanager
def explaining(given: argparse.Namespace) -> Iterator[None]:
    """Print what the screens did inside, if that is asked for and goes well."""
    with hardmine.explain() as told:
        yield
    if given.explain:
        print(told.summary())


def _topk(given: argparse.Namespace) -> None:
    with explaining(given):
        found = hardmine.topk(**arguments(given), k=given.k, checkpoint=going_on(given.checkpoint))
    if given.output.suffix in RESULTS:
        hardmine.write_rows(given.output, found)
    else:
        save_npz(given.output, distances=found.distances, indices=found.indices)
    print(f"{given.output}: distances and indices {found.indices.shape}")


def _radius(given: argparse.Namespace) -> None:
    with explaining(given):
        found = hardmine.radius_neighbors(
            **arguments(given),
            radius=load_number(given.radius),
            max_pairs=given.max_pairs,
            checkpoint=going_on(given.checkpoint),
        )
    _save_pairs(given.output, found)


def _pairs(given: argparse.Namespace) -> None:
    with explaining(given):
        found = hardmine.closest_pairs(**arguments(given), n_pairs=given.n_pairs, checkpoint=going_on(given.checkpoint))
    _save_pairs(given.output, found)


def _save_pairs(path: Path, found: hardmine.Pairs) -> None:
    save_npz(path, rows=found.rows, cols=found.cols, distances=found.distances, shape=found.shape)
    distances = np.asarray(found.distances)
    reach = f", distances {distances.min():g} to {distances.max():g}" if len(found) else ""
    print(f"{path}: {len(found)} pairs of {found.shape[0]} x {found.shape[1]} rows{reach}")
