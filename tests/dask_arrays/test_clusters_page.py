"""docs/clusters.md: its Python blocks are run; what it says to Ray is done to Ray, where that is installed."""

import doctest
import pathlib
import re

import numpy as np
import pytest

import hardmine

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "clusters.md"


@pytest.mark.slow
def test_the_page_runs():
    pytest.importorskip("dask", reason="needs the extra hardmine[dask]")
    pytest.importorskip("scipy")
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS, encoding="utf-8")
    assert tried > 15 and failed == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")  # Ray's own
def test_ray_data(rng):
    pytest.importorskip("pandas")
    pytest.importorskip("ray.data", reason="needs ray[data]")
    import ray

    code = re.search(r">>> (def neighbors_of.*?)\n\n", PAGE.read_text(), re.DOTALL).group(1)
    names = {"hardmine": hardmine, "np": np}
    exec(re.sub(r"^\.\.\. ?", "", code, flags=re.MULTILINE), names)
    rows = rng.standard_normal((3000, 16)).astype(np.float32)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        parts = [(first, ray.put(rows[first : first + 1000])) for first in range(0, 3000, 1000)]
        items = [{"row": row, "x": rows[row]} for row in range(0, 3000, 10)]
        options = {"batch_size": 100, "fn_kwargs": {"parts": parts, "k": 5}}
        found = ray.data.from_items(items).map_batches(names["neighbors_of"], **options).take_all()
    finally:
        ray.shutdown()
    found.sort(key=lambda one: one["row"])
    want = hardmine.topk(rows[::10], rows, 5)
    np.testing.assert_array_equal(np.stack([one["indices"] for one in found]), want.indices)
    np.testing.assert_array_equal(np.stack([one["distances"] for one in found]), want.distances)
