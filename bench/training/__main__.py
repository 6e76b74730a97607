"""Train one of the systems and print its table: `python -m bench.training NAME`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import pathlib
import sys

from tqdm.auto import tqdm

from bench.training.results import Results

SYSTEMS = ("csq", "deep_ranking", "hard_negatives", "localization")


def main() -> int:
    """Run the system that was named."""
    parser = argparse.ArgumentParser(prog="python -m bench.training", description=__doc__)
    parser.add_argument("name", choices=SYSTEMS)
    parser.add_argument("--seeds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--reduced", action="store_true", help="the small setting that the tests run")
    parser.add_argument("--plot", type=pathlib.Path, help="where the picture goes, by default bench-NAME.png")
    options = parser.parse_args()
    system = importlib.import_module(f"bench.training.{options.name}")
    setting = system.REDUCED if options.reduced else system.Setting()
    setting = dataclasses.replace(setting, seeds=tuple(range(options.seeds)))
    with tqdm(unit="run") as bar:

        def report(text: str) -> None:
            bar.set_description(text)
            bar.update()

        results: Results = system.run(setting, report)
    print(results.table())
    path = options.plot or pathlib.Path(f"bench-{options.name}.png")
    results.plot(path)
    print(path)
    if options.name == "localization":
        system.draw(path.with_stem(f"{path.stem}-attention"), setting)
    return 0


if __name__ == "__main__":
    sys.exit(main())
