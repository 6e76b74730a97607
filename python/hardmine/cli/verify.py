"""The command verify: a result that a search has written, beside the exact one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import hardmine
from hardmine._files import load_npz
from hardmine.cli.inputs import load
from hardmine.cli.searches import add_search, arguments, explaining


def add(commands: Any) -> None:
    """Add it to the parsers of an `argparse` command."""
    verify = commands.add_parser("verify", help="whether a result is the exact one: exit code 0 if it is, 1 if not")
    verify.add_argument("result", type=Path, metavar="RESULT", help="what topk wrote, or a .npy file of indices; -1 is none")
    add_search(verify)
    verify.add_argument("--sample", type=int, default=100, metavar="N", help="queries to look at (%(default)s)")
    verify.add_argument("--seed", type=int, default=0, help="of their draw (%(default)s)")
    verify.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    if is_zipfile(given.result):
        saved = load_npz(given.result, ("distances", "indices"), "hardmine topk")
        result: Any = (saved["distances"], saved["indices"])
    else:
        result = load(given.result)
    with explaining(given):
        found = hardmine.verify(result, **arguments(given), sample=given.sample, seed=given.seed)
    print(found.summary())
    return 0 if found else 1
