"""The command evaluate: how well rows, or a ranking that a search has written, retrieve what is relevant."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args
from zipfile import is_zipfile

import hardmine
from hardmine._files import load_npz, save_npz
from hardmine.cli.inputs import add_rows, listed, load, load_rows, progress
from hardmine.evaluation.measures import EXPECTED
from hardmine.evaluation.rankings import Ties
from hardmine.evaluation.retrieval_metrics import METRICS
from hardmine.search.metric import METRICS as OF_ROWS


def add(commands: Any) -> None:
    """Add it to the parsers of an `argparse` command."""
    evaluate = commands.add_parser("evaluate", help="retrieval metrics of rows, or of what topk wrote")
    add_rows(evaluate, "floats or packed codes, or the file that topk wrote")
    evaluate.add_argument("--query-labels", type=Path, metavar="L.npy", help="a label, or a row of 0 and 1, for each query")
    evaluate.add_argument("--base-labels", type=Path, metavar="L.npy", help="the same for each base row")
    evaluate.add_argument("--relevant", type=Path, metavar="P.npy", help="instead of labels: rows of (query, base row)")
    evaluate.add_argument(
        "--junk", type=Path, metavar="J.npy", help="rows of (query, base row) that are taken out of rankings"
    )
    evaluate.add_argument("--metrics", default=",".join(METRICS), metavar="NAMES", help=f"{EXPECTED} (%(default)s)")
    evaluate.add_argument("--ties", choices=get_args(Ties), default="expected", help="of equal distances (%(default)s)")
    evaluate.add_argument("--metric", choices=OF_ROWS, help="of rows (sqeuclidean)")
    evaluate.add_argument("--bits", type=int, metavar="B", help="of packed codes, for hamming; by default all of their bytes")
    evaluate.add_argument("-o", "--output", type=Path, metavar="OUT.npz", help="where the values of each query go")
    evaluate.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> None:
    queries: Any
    if is_zipfile(given.queries):
        saved = load_npz(Path(given.queries), ("distances", "indices"), "hardmine topk")
        queries = (saved["distances"], saved["indices"])
        n = len(saved["indices"])
    else:
        queries = load_rows(given.queries)
        n = len(queries)
    found = hardmine.retrieval_metrics(
        queries,
        load_rows(given.base),
        relevant=_pairs("relevant", given.relevant, n),
        query_labels=load(given.query_labels),
        base_labels=load(given.base_labels),
        junk=_pairs("junk", given.junk, n),
        metrics=[name.strip() for name in given.metrics.split(",")],
        ties=given.ties,
        metric=given.metric,
        query_rows=load(given.query_rows),
        bits=given.bits,
        threads=given.threads,
        progress=progress(),
    )
    if given.output is not None:
        save_npz(given.output, total=found.total, **found.per_query)
    print(found.summary())


def _pairs(name: str, path: Path | None, n: int) -> Any:
    """Rows of (query, base row) as lists; one id a query as a list of one."""
    rows = listed(name, load(path), n)
    return rows[:, None] if rows is not None and not isinstance(rows, tuple) else rows
