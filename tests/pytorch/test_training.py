"""The systems of bench/training at a reduced setting: the direction of each result, on every seed.

The directions that are asserted held on each of the seeds 0 to 2 here.
"""

import pathlib
import sys

import pytest

from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

pytest.importorskip("sklearn", reason="needs scikit-learn's digits")

sys.path.append(str(pathlib.Path(__file__).parents[2]))  # `bench` is not installed
from bench.training import csq, deep_ranking, hard_negatives, localization

pytestmark = pytest.mark.slow


def quiet(text):
    return None


def test_csq_learns_codes():
    found = csq.run(csq.REDUCED, quiet).finals
    untrained, trained = found["16 bits: untrained"], found["16 bits: CSQ, best centers"]
    assert len(trained) == 3 and all(after > before + 0.1 for before, after in zip(untrained, trained))


def test_triplets_by_relevance_rank_better_than_uniform_ones(tmp_path):
    found = deep_ranking.run(deep_ranking.REDUCED, quiet)
    uniform, by_relevance = (found.finals[name] for name in (deep_ranking.UNIFORM, deep_ranking.BY_RELEVANCE))
    assert min(by_relevance) > max(uniform) and len(uniform) == 3
    assert all(curve[-1][1] > curve[0][1] for curve in found.curves[deep_ranking.BY_RELEVANCE])
    found.plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000 and "score@30" in found.table()


def test_the_hardest_negatives_alone_do_not_beat_random_ones_at_first():
    """Which lose recall on some seeds, as the field knows of hardest negatives early on."""
    found = hard_negatives.run(hard_negatives.REDUCED, quiet)
    assert all(curve[-1][1] > curve[0][1] for curve in found.curves[hard_negatives.RANDOM])
    assert found.mean(hard_negatives.HARD) < found.mean(hard_negatives.RANDOM)
    assert "mining" in found.notes[0]


def test_localization_learns_in_both_forms(tmp_path):
    found = localization.run(localization.REDUCED, quiet)
    assert all(0.1 < value < 1 for values in found.finals.values() for value in values)
