"""Results as objects: how they are shown, and what is said of files that hold none."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

import hardmine
from hardmine import MinedNegatives, mine_hard_negatives


@pytest.fixture
def problem(rng):
    x, base = rng.standard_normal((40, 16)).astype(np.float32), rng.standard_normal((400, 16)).astype(np.float32)
    return x, base, rng.integers(0, 5, 40), rng.integers(0, 5, 400)


def test_a_notebook_shows_the_plot_and_short_results(problem):
    """IPython asks for `_repr_png_`; a figure without pyplot has none, and would come as text."""
    x, base, q_label, b_label = problem
    mined = mine_hard_negatives(x, base, query_labels=q_label, base_labels=b_label, num_negatives=3)
    shown = mined.plot()._repr_png_()
    assert imread(io.BytesIO(shown))[..., :3].std() > 0.05
    assert repr(mined) == (
        "MinedNegatives(metric='cosine', indices=int64 (40, 3), scores=float32 (40, 3), "
        "base_rows=400, negatives=120, shortfall=0)"
    )
    curve = hardmine.precision_recall_curve(hardmine.pack(x), hardmine.pack(base), q_label, b_label)
    assert repr(curve) == "PrecisionRecall(radius=int64 (17,), precision=float64 (17,), recall=float64 (17,))"
    assert repr(hardmine.hash_centers(100, 32)) == (
        "HashCenters(codes=uint8 (100, 4), bits=32, min_distance=14, upper_bound=14, mean_distance=16.158, "
        f"construction={hardmine.hash_centers(100, 32).construction!r})"
    )


def test_what_is_no_saved_result_is_named(problem, tmp_path):
    x, base, *_ = problem
    mined = mine_hard_negatives(x, base)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "other.npz", indices=x)
    mined.save(tmp_path / "whole.npz")
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:999])
    (tmp_path / "empty.npz").write_bytes(b"")
    wrote = "expected a file that MinedNegatives.save wrote, got"
    for name, kind, got in (
        ("x.npy", ValueError, "something else"),
        ("half.npz", ValueError, "something else"),
        ("empty.npz", ValueError, "something else"),
        ("other.npz", ValueError, "one without about"),
        ("absent.npz", FileNotFoundError, "no such file"),
        (".", FileNotFoundError, "a folder"),
    ):
        with pytest.raises(kind) as caught:
            MinedNegatives.load(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {wrote} {got}" and caught.value.__cause__ is None
    before = sorted(tmp_path.iterdir())
    for write in (mined.save, mined.plot):
        with pytest.raises(OSError, match=r"mined\.x: expected a folder that can be written to, got .*absent"):
            write(tmp_path / "absent" / "mined.x")
        with pytest.raises(OSError, match="expected a file to write, got a folder"):
            write(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_scores_of_rows_whose_squares_leave_float32(rng):
    """Quantiles between infinite scores, without a warning: the lower of them."""
    x = (rng.standard_normal((6, 3)) * np.array([1e30, 1e25, 1e22, 1e3, 1, 1])[:, None]).astype(np.float32)
    mined = hardmine.mine_hard_negatives(x[:3], x[3:], positives=[[0]] * 3, metric="sqeuclidean", num_negatives=1)
    for name in ("hardest_scores", "positive_scores"):
        assert mined.stats[name] == [-np.inf] * len(mined.stats[name])
