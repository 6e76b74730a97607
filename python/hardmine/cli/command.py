"""The command `hardmine`: what this build can do, searches and mining over .npy files, and a demonstration."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import hardmine
from hardmine import _core
from hardmine._files import check_writable, save_npz
from hardmine.cli import duplicates, evaluate, inputs, overlap, searches, verify
from hardmine.hashing.centers import METHODS
from hardmine.mining.drawing import STRATEGIES
from hardmine.mining.positives import REFERENCES
from hardmine.search.metric import FLOAT_METRICS

MINING_OPTIONS = (
    "num_negatives", "metric", "max_score", "min_score", "absolute_margin", "relative_margin", "max_per_label", "range_min",
    "range_max", "rank_base", "positive_reference", "sampling_strategy", "random_ratio", "top_fraction", "seed",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 1 where a check finds something, or 2 after an error of one line."""
    arguments = _parser().parse_args(argv)
    try:
        if getattr(arguments, "output", None) is not None:
            check_writable(arguments.output)
        code: int | None = arguments.run(arguments)
    except (OSError, TypeError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"hardmine: error: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        folder = getattr(arguments, "checkpoint", None)
        kept = "nothing was written" if folder is None else f"the same command goes on with what {folder} has"
        print(f"hardmine: interrupted; {kept}", file=sys.stderr)
        return 130
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hardmine", description="Exact nearest neighbours among the rows that are allowed.")
    parser.add_argument("--version", action="version", version=f"hardmine {hardmine.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="version, instruction sets, OpenMP and threads of this build")
    info.set_defaults(run=_info)

    searches.add(commands)
    verify.add(commands)
    duplicates.add(commands)
    overlap.add(commands)
    evaluate.add(commands)

    mine = commands.add_parser("mine", help="the hardest negatives of each query")
    inputs.add_rows(mine, "floats")
    inputs.add_output(mine)
    mine.add_argument("--query-labels", type=Path, metavar="L.npy", help="a label for each query")
    mine.add_argument("--base-labels", type=Path, metavar="L.npy", help="a label for each base row")
    mine.add_argument("-n", "--num-negatives", type=int, default=5, help="negatives for each query (%(default)s)")
    mine.add_argument("--metric", choices=list(FLOAT_METRICS), default="cosine", help="(%(default)s)")
    mine.add_argument(
        "--positives", type=Path, metavar="P.npy", help="a base row for each query, or rows of (query, base row)"
    )
    mine.add_argument("--exclude", type=Path, metavar="E.npy", help="rows of (query, base row) that are not to be given")
    for name, meaning in (
        ("max-score", "no negatives of a higher score"),
        ("min-score", "no negatives of a lower score"),
        ("absolute-margin", "no negatives above the positive's score less X"),
        ("relative-margin", "no negatives above the positive's score less this share of it"),
        ("top-fraction", "instead of -n: this share of the base"),
    ):
        mine.add_argument(f"--{name}", type=float, metavar="X", help=meaning)
    mine.add_argument("--max-per-label", type=int, metavar="N", help="at most N negatives of each label for a query")
    mine.add_argument("--range-min", type=int, default=0, metavar="N", help="skip the nearest N negatives (%(default)s)")
    mine.add_argument("--range-max", type=int, metavar="N", help="choose from the nearest N negatives")
    mine.add_argument(
        "--rank-base", choices=("filtered", "raw"), default="filtered", help="ranks count negatives, or all rows (%(default)s)"
    )
    mine.add_argument("--positive-reference", choices=REFERENCES, default="max", help="of several, by score (%(default)s)")
    mine.add_argument("--sampling-strategy", choices=STRATEGIES, default="top", help="(%(default)s)")
    mine.add_argument(
        "--sampling-param", type=_parameter, action="append", default=[], metavar="NAME=X", help="of the strategy"
    )
    mine.add_argument("--random-ratio", type=float, default=0.0, metavar="X", help="share of random negatives (%(default)s)")
    mine.add_argument(
        "--rescore", metavar="MODULE:FUNCTION", help="a second opinion to import: (rows, cols) -> scores of these pairs"
    )
    mine.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    mine.add_argument("--query-ids", type=Path, metavar="I.npy", help="a number for each query that draws depend on")
    inputs.add_checkpoint(mine)
    mine.add_argument("--explain", action="store_true", help="print what was found and what was dropped")
    mine.set_defaults(run=_mine)

    centers = commands.add_parser("centers", help="hash centers: codes for classes, as far apart as known constructions reach")
    centers.add_argument("-m", "--classes", type=int, required=True, metavar="M", help="centers to make")
    centers.add_argument("-b", "--bits", type=int, required=True, metavar="B", help="bits of each")
    centers.add_argument("--method", choices=METHODS, default="best", help="(%(default)s)")
    centers.add_argument("--multi-label", action="store_true", help="for rows of several labels, whose centers are voted")
    centers.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    centers.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.npz", help="where the centers go")
    centers.set_defaults(run=_centers)

    demo = commands.add_parser(
        "demo", help="1,797 handwritten digits: hardest negatives as numbers and a picture, binary codes, near-duplicates"
    )
    demo.add_argument("--folder", type=Path, default=Path(), help="where hardmine-demo.npz, .png and .html go (here)")
    demo.set_defaults(run=_demo)
    return parser


def _info(_: argparse.Namespace) -> None:
    print(f"hardmine        {hardmine.__version__}")
    print(f"ISA             {_core.isa()}")
    print(f"ISAs built      {', '.join(_core.isas_built())}")
    print(f"ISAs runnable   {', '.join(_core.isas_runnable())}")
    print(f"kernels         {', '.join(f'{family} {name}' for family, name in _core.kernels().items())}")
    print(f"screen          {_core.screen() or 'int8 or bf16 before float32, where they pay'}")
    print(f"OpenMP          {'yes' if _core.openmp else 'no: every call runs on one thread'}")
    print(f"threads         {_core.threads()}")


def _mine(arguments: argparse.Namespace) -> None:
    queries, base = inputs.load_rows(arguments.queries), inputs.load_rows(arguments.base)
    mined = hardmine.mine_hard_negatives(
        queries,
        base,
        query_labels=inputs.load(arguments.query_labels),
        base_labels=inputs.load(arguments.base_labels),
        positives=inputs.listed("positives", inputs.load(arguments.positives), len(queries)),
        exclude=inputs.listed("exclude", inputs.load(arguments.exclude), len(queries)),
        sampling_params=dict(arguments.sampling_param),
        rescore=inputs.function("rescore", arguments.rescore),
        query_rows=inputs.load(arguments.query_rows),
        query_ids=inputs.load(arguments.query_ids),
        threads=arguments.threads,
        progress=inputs.progress(),
        checkpoint=inputs.going_on(arguments.checkpoint),
        **{name: getattr(arguments, name) for name in MINING_OPTIONS},
    )
    mined.save(arguments.output)
    if arguments.explain:
        print(mined.summary())
    print(
        f"{arguments.output}: {mined.stats['negatives']} negatives for {mined.stats['queries']} queries, "
        f"{mined.stats['shortfall']} of them short"
    )


def _parameter(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected NAME=X with a number X, got {text!r}") from None


def _centers(arguments: argparse.Namespace) -> None:
    made = hardmine.hash_centers(
        arguments.classes, arguments.bits, method=arguments.method, multi_label=arguments.multi_label, seed=arguments.seed
    )
    share = (made.signs() > 0).mean(axis=0)
    save_npz(
        arguments.output,
        codes=made.codes,
        bits=made.bits,
        min_distance=made.min_distance,
        mean_distance=made.mean_distance,
        upper_bound=made.upper_bound,
        construction=made.construction,
    )
    print(f"construction      {made.construction}")
    print(f"minimum distance  {made.min_distance}")
    print(f"proved bound      {made.upper_bound}{' (reached: no code is better)' if made.optimal else ''}")
    print(f"mean distance     {made.mean_distance:.3f}")
    print(f"bit balance       {share.min():.3f} to {share.max():.3f} of the centers have a bit set")
    print(f"{arguments.output}: {len(made.codes)} centers of {made.bits} bits")


def _demo(arguments: argparse.Namespace) -> None:
    from hardmine.cli import demo

    demo.run(arguments.folder, inputs.progress())
