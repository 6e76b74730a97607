"""Whether the tests notice: each line of code below is spoilt in a copy of the sources, and the tests named must then fail.

    python -m tests.mutations [--only WORD] [--keep FOLDER] [--list]

Run before a release, and after a change of the proofs, the sinks or the plan; an hour on two cores. It needs what a build
needs: cmake, ninja, pybind11. Each mutation is built in the one build folder, so that only what it touches is compiled; the
tests run in the copy. Exit code 1 if one survives.

What is not listed cannot be noticed, because the code is right without it. The z^2 of cosine is less than a thousandth of the
2 z w beside it. `shift_` could be rounded to the nearest: `column_high_` is a step above its bound, which is as much.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]

PROOFS = ("test_proofs.py",)
EXTREMES = ("test_extremes.py",)
ADVERSARIAL = ("test_adversarial.py",)
SCAN = ("test_topk.py", "test_filter.py", "test_invariance.py")
JOIN = ("test_self_join.py",)
CODES = ("test_codes.py",)


class Mutation(NamedTuple):
    name: str
    edits: tuple[tuple[str, str, str], ...]  # file, text that occurs in it once, what it becomes
    tests: tuple[str, ...]  # one of which must fail
    caught: bool = False  # instead: the results stay right, and failed_proofs() says that an interval was wrong


def one(name: str, file: str, old: str, new: str, *tests: tuple[str, ...], caught: bool = False) -> Mutation:
    return Mutation(name, ((file, old, new),), tuple(sum(tests, ())), caught)


# The upper end of each interval at half its height above the value: too low for most pairs.
UPPER = (
    "panel_screen.hpp",
    "const double upper = value + query_slack_[i] + 2 * slack;",
    "const double upper = value + query_slack_[i] + 2 * slack - 0.05 * std::abs(value);",
)
LOWER = (
    "panel_screen.hpp",
    "offer(i, j, frame_.distance(value - query_slack_[i]),",
    "offer(i, j, frame_.distance(value + query_slack_[i] + 2.5 * slack + 1e-3 * std::abs(value)),",
)

MUTATIONS = [
    # The frame.
    one("slack of queries", "frame.hpp", "return relative * weight + constant;", "return constant;", PROOFS),
    one("3 of base slack", "frame.hpp", "(inner_product() ? 0.5 : 3)", "(inner_product() ? 0.5 : 1)", PROOFS),
    one("half of base slack", "frame.hpp", "(inner_product() ? 0.5 : 3)", "(inner_product() ? 0.25 : 3)", PROOFS),
    one("half of query slack", "frame.hpp", "return 0.5 * relative * weight + constant + (", "return constant + (", PROOFS),
    one("d of e", "frame.hpp", "static_cast<double>(d + 16) * 0x1p-24", "16 * 0x1p-24", PROOFS),
    one("16 of e", "frame.hpp", "static_cast<double>(d + 16) * 0x1p-24", "static_cast<double>(d) * 0x1p-24", PROOFS),
    one("1 + 4 e", "frame.hpp", "frame.chain * (1 + 4 * frame.chain)", "frame.chain", PROOFS),
    one("underflow", "frame.hpp", "frame.constant = static_cast<double>(d) * 0x1p-140;", "frame.constant = 0;", PROOFS),
    one("constant of queries", "frame.hpp", "return relative * weight + constant;", "return relative * weight;", PROOFS),
    one("exact sums", "frame.hpp", "(exact_sums + constant) * origin_norm", "constant * origin_norm", PROOFS),
    one("underflow x origin", "frame.hpp", "(exact_sums + constant) * origin_norm", "exact_sums * origin_norm", PROOFS),
    one("4 z / w", "frame.hpp", "frame.relative += 4 * Frame::kUnitError / w;", "", PROOFS),
    one("2 z w", "frame.hpp", "2 * Frame::kUnitError * w + Frame", "Frame", PROOFS),
    one("largest e", "frame.hpp", "if (!(n < 0.5 && e < Frame::kLargestError)) frame.largest_square = 0;", "", PROOFS),
    one("largest square", "frame.hpp", "largest_square = 0x1p60;", "largest_square = 0x1p1000;", PROOFS, ADVERSARIAL),
    one(
        "largest square of queries",
        "panel_screen.hpp",
        "if (!(square < frame_.largest_square)) {",
        "if (!(square < 0x1p1000)) {",
        PROOFS,
        ADVERSARIAL,
    ),
    one(
        "largest square of base rows",
        "panel_screen.hpp",
        "representable = square < frame_.largest_square;",
        "representable = square == square;",
        PROOFS,
        ADVERSARIAL,
    ),
    one(
        "digits of the scale",
        "frame.hpp",
        "std::fmin(119, std::fmax(-119, -std::round(std::log2(norm))))",
        "-std::round(std::log2(norm))",
        EXTREMES,
        ADVERSARIAL,
        PROOFS,
    ),
    # The screen for many queries.
    one(
        "slack of a bound",
        "panel_screen.hpp",
        "const double v = frame_.value(next) - row_[i] + query_slack_[i];",
        "const double v = frame_.value(next) - row_[i];",
        PROOFS,
    ),
    one(
        "half a step of a bound",
        "panel_screen.hpp",
        "const double v = frame_.value(next) - row_[i] + query_slack_[i];",
        "const double v = frame_.value(bound) - row_[i] + query_slack_[i] + 0 * next;",
        PROOFS,
    ),
    one(
        "half a step of a column's bound",
        "panel_screen.hpp",
        "column_high_[j] = above(frame_.value(next));",
        "column_high_[j] = static_cast<float>(frame_.value(bound) + 0 * next);",
        PROOFS,
    ),
    one(
        "base slack of a floor",
        "panel_screen.hpp",
        "- query_slack_[i] - 2 * static_cast<double>(most_slack_);",
        "- query_slack_[i];",
        PROOFS,
    ),
    one(
        "twice the base slack of a floor",
        "panel_screen.hpp",
        "- query_slack_[i] - 2 * static_cast<double>(most_slack_);",
        "- query_slack_[i] - static_cast<double>(most_slack_);",
        PROOFS,
    ),
    one(
        "query slack of a floor",
        "panel_screen.hpp",
        "- query_slack_[i] - 2 * static_cast<double>(most_slack_);",
        "- 2 * static_cast<double>(most_slack_);",
        PROOFS,
    ),
    one(
        "largest slack of a block",
        "panel_screen.hpp",
        "most_slack_ = std::max(most_slack_, slack_[j]);",
        "most_slack_ = slack_[0];",
        PROOFS,
        SCAN,
    ),
    one("upper end", "panel_screen.hpp", "query_slack_[i] + 2 * slack;", "query_slack_[i] + slack;", PROOFS),
    one(
        "lower end",
        "panel_screen.hpp",
        "offer(i, j, frame_.distance(value - query_slack_[i]),",
        "offer(i, j, frame_.distance(value),",
        PROOFS,
    ),
    one("L", "panel_screen.hpp", "lower_[j] = below(bias - slack);", "lower_[j] = below(bias);", PROOFS),
    one("zero base rows", "panel_screen.hpp", "square + (zero ? 1 : 0);", "square;", PROOFS, EXTREMES),
    one("zero queries", "panel_screen.hpp", "square + (frame_.cosine() && factor == 0 ? 1 : 0);", "square;", PROOFS, EXTREMES),
    one("shift", "panel_screen.hpp", "below(row_[i] - query_slack_[i]);", "below(row_[i]);", PROOFS),
    one("shift upwards", "panel_screen.hpp", "below(row_[i] - query_slack_[i]);", "above(row_[i]);", PROOFS, JOIN),
    one(
        "one unit",
        "panel_screen.hpp",
        "unit[0] = std::ldexp(1.0f, power / 2);\n        unit[1] = std::ldexp(1.0f, power - power / 2);",
        "unit[0] = std::ldexp(1.0f, power);\n        unit[1] = 1;",
        EXTREMES,
    ),
    one(
        "doubt",
        "panel_screen.hpp",
        "static_cast<float>(slack / relative(frame_));",
        "static_cast<float>(slack);",
        EXTREMES,
        ADVERSARIAL,
    ),
    one("minus zero", "metric.hpp", "static_cast<float>(unit * sum) + 0.0f;", "static_cast<float>(unit * sum);", EXTREMES),
    one(
        "zeros in blocks of distances",
        "metric.hpp",
        "out[first + j] = factors[first + j] == 0 ? 1 : out[first + j];",
        "out[first + j] = out[first + j];",
        SCAN,
        ADVERSARIAL,
        JOIN,
        PROOFS,
    ),
    # The screen for few queries.
    one(
        "few: a square's limit",
        "few_screen.hpp",
        "limit = (next + tiny_) * (1 + 2 * relative_);",
        "limit = next + tiny_;",
        PROOFS,
    ),
    one(
        "few: underflow of a square",
        "few_screen.hpp",
        "limit = (next + tiny_) * (1 + 2 * relative_);",
        "limit = next * (1 + 2 * relative_);",
        PROOFS,
    ),
    one(
        "few: a root's limit",
        "few_screen.hpp",
        "(next * next + tiny_) * (1 + 2 * relative_);",
        "next * next + tiny_;",
        PROOFS,
    ),
    one(
        "few: underflow of a root",
        "few_screen.hpp",
        "(next * next + tiny_) * (1 + 2 * relative_);",
        "next * next * (1 + 2 * relative_);",
        PROOFS,
    ),
    one("few: underflow of a product", "few_screen.hpp", "limit = next + tiny_;", "limit = next;", PROOFS),
    one("few: slack of a product", "few_screen.hpp", "static_cast<float>(1.25 * relative_) * length", "0 * length", PROOFS),
    one(
        "few: cosine's limit",
        "few_screen.hpp",
        "limit = (next - 1 + cosine_error()) * norm_[i];",
        "limit = (next - 1) * norm_[i];",
        PROOFS,
    ),
    one("few: cosine of tiny queries", "few_screen.hpp", "cosine && in_range(norm_[i])) limit", "cosine) limit", PROOFS),
    one(
        "few: error of tiny queries",
        "few_screen.hpp",
        "std::isfinite(value) && in_range(norm_[i]) ? cosine_error()",
        "std::isfinite(value) ? cosine_error()",
        PROOFS,
    ),
    one(
        "few: cosine of tiny rows", "few_screen.hpp", 'in_range(length) ? -1 / length : std::nanf("");', "-1 / length;", PROOFS
    ),
    one(
        "few: intervals of squares", "few_screen.hpp", "return 2 * relative_ * value + 2 * tiny_;", "return 2 * tiny_;", PROOFS
    ),
    one(
        "few: intervals of tiny squares",
        "few_screen.hpp",
        "return 2 * relative_ * value + 2 * tiny_;",
        "return 2 * relative_ * value;",
        PROOFS,
    ),
    one(
        "few: intervals of products",
        "few_screen.hpp",
        "return 1.25 * relative_ * norm_[i] * length + tiny_",
        "return tiny_",
        PROOFS,
    ),
    one("few: intervals of tiny products", "few_screen.hpp", "* length + tiny_ + 0 * value;", "* length + 0 * value;", PROOFS),
    one("few: intervals of cosine", "few_screen.hpp", "return 3 * relative_;", "return 0;", PROOFS),
    one("few: least length", "few_screen.hpp", "std::fmax(norms_[j], 0x1p-100f)", "norms_[j]", PROOFS),
    one(
        "few: overflow",
        "few_screen.hpp",
        "if (least > high_[i] && value < kInfinity) continue;",
        "if (least > high_[i]) continue;",
        PROOFS,
        ADVERSARIAL,
    ),
    one("few: largest e", "few_screen.hpp", "relative_ = n < 0.5 && e < 0.25 ? e : kNoLimit;", "relative_ = e;", PROOFS),
    # The net below the proofs.
    Mutation("upper ends too low", (UPPER,), (), True),
    Mutation("lower ends too high", (LOWER,), PROOFS),
    Mutation(
        "upper ends too low, no comparison",
        (UPPER, ("sinks.hpp", "r.broken |= !(lower <= distance && distance <= upper);", "")),
        PROOFS,
    ),
    Mutation(
        "upper ends too low, nobody looks",
        (
            UPPER,
            ("sinks.hpp", "r.broken |= !(lower <= distance && distance <= upper);", ""),
            ("sinks.hpp", "return !r.broken && !(r.certified && r.count < r.most);", "return true;"),
        ),
        SCAN,
    ),
    # The sinks.
    one(
        "the bound's own pair",
        "sinks.hpp",
        "certify(row, pairs[k_ - 1].upper);",
        "certify(row, pairs[k_ - 1].upper - 1);",
        SCAN,
    ),
    one("order of ties", "key.hpp", "return Key{ordered} << 32 | index;", "return Key{ordered} << 32 | (index ^ 0xff);", SCAN),
    one(
        "minus zero in keys",
        "key.hpp",
        "std::bit_cast<std::uint32_t>(distance + 0.0f)",
        "std::bit_cast<std::uint32_t>(distance)",
        EXTREMES,
        SCAN,
    ),
    one(
        "end of a window",
        "sinks.hpp",
        "return make_key(filter_.nearer_than[query], 0);",
        "return make_key(filter_.nearer_than[query], kLastIndex);",
        SCAN,
    ),
    one(
        "start of a window",
        "sinks.hpp",
        "make_key(filter_.farther_than[query], kLastIndex) : 0",
        "make_key(filter_.farther_than[query], 0) : 0",
        SCAN,
    ),
    one(
        "windows decided by intervals",
        "sinks.hpp",
        "if (make_key(upper, 0) < end && make_key(lower, kLastIndex) > start) return Side::inside;",
        "if (make_key(lower, 0) < end && make_key(upper, kLastIndex) > start) return Side::inside;",
        SCAN,
        PROOFS,
    ),
    one(
        "too near, though excluded",
        "sinks.hpp",
        "if (side == Side::nearer && !(filter_.exclude_start && filter_.excludes(query, index))) ++r.too_near;",
        "if (side == Side::nearer) ++r.too_near;",
        ("test_filter.py", "test_mining.py", "test_mining_strategies.py", "test_mining_regressions.py"),
    ),
    one(
        "exclusions",
        "sinks.hpp",
        "if (filter_.exclude_start) drop_excluded(row, query);",
        "if (filter_.exclude_start && rows_[row].count > k_ + 1) drop_excluded(row, query);",
        SCAN,
    ),
    one(
        "exclusions looked up once",
        "sinks.hpp",
        "filter_.max_per_group ? tighten_per_group(row) : tighten_all(row);\n        rows_[row].clean = rows_[row].count;",
        "filter_.max_per_group ? tighten_per_group(row) : tighten_all(row);\n        rows_[row].clean = rows_[row].count + 1;",
        SCAN,
    ),
    one(
        "bound of a group",
        "sinks.hpp",
        "static_cast<std::size_t>(first - members_.begin()) + filter_.max_per_group - 1;",
        "static_cast<std::size_t>(first - members_.begin()) + filter_.max_per_group - (filter_.max_per_group > 1 ? 2 : 1);",
        SCAN,
    ),
    one(
        "cap of a group",
        "sinks.hpp",
        "if (i < filter_.max_per_group || members_[i - filter_.max_per_group].group",
        "if (i <= filter_.max_per_group || members_[i - filter_.max_per_group - 1].group",
        SCAN,
    ),
    one(
        "exclusive lists",
        "filter.hpp",
        "first += first[half] <= wanted ? half : 0;",
        "first += first[half] < wanted ? half : 0;",
        SCAN,
    ),
    one("own pairs", "filter.hpp", "if (self && query == base) return false;", "", SCAN),
    one(
        "different groups",
        "filter.hpp",
        "groups != Groups::different || query_groups[query] != base_groups[base]",
        "true",
        SCAN,
    ),
    # Caps.
    one("groups counted too early", "group_caps.hpp", "&& total_ <= k_ + cap_; ++j)", "&& total_ < k_ / 2; ++j)", SCAN),
    one(
        "caps of the own group",
        "group_caps.hpp",
        "std::min(cap_, found->second - (own_row ? 1 : 0));",
        "std::min(cap_, found->second) - (own_row ? 1 : 0);",
        SCAN,
    ),
    one(
        "caps of different groups",
        "group_caps.hpp",
        "std::size_t left = total_ - (different ? kept(group, false) : 0);",
        "std::size_t left = total_ - (different ? cap_ : 0);",
        SCAN,
    ),
    # The scan.
    one("blocks visited", "scan.hpp", "while (std::gcd(stride, blocks) > 1) ++stride;", "", SCAN),
    one(
        "last block",
        "scan.hpp",
        "const std::size_t blocks = (end - begin + block - 1) / block;",
        "const std::size_t blocks = std::max<std::size_t>(1, (end - begin) / block);",
        SCAN,
    ),
    one("merge of parts", "scan.hpp", "key = *a < *b ? *a++ : *b++;", "key = *a > *b ? *a++ : *b++;", SCAN),
    one(
        "merge of capped parts",
        "scan.hpp",
        "filter_.max_per_group ? merge_capped() : merge_sorted();",
        "merge_sorted();",
        SCAN,
    ),
    one(
        "scored blocks: filter",
        "scan.hpp",
        "if (make_key(distances[j], index) > bound || !filter_.allows(q, b)) continue;",
        "if (make_key(distances[j], index) > bound) continue;",
        SCAN,
        ADVERSARIAL,
        JOIN,
    ),
    one(
        "scored blocks: ties",
        "scan.hpp",
        "if (distances[j] > distance_of(bound)) continue;",
        "if (distances[j] >= distance_of(bound)) continue;",
        SCAN,
        ADVERSARIAL,
        JOIN,
    ),
    one(
        "scored blocks: back again",
        "scan.hpp",
        "if (!scores.whole(i)) screen.set_bound(i, sink.bound(i));",
        "",
        SCAN,
        ADVERSARIAL,
        JOIN,
    ),
    one("scored blocks: twice", "scan.hpp", "if (scores.whole(i)) return;", "", SCAN, ADVERSARIAL, JOIN),
    one(
        "rows to score",
        "scores.hpp",
        "block_rows_[j] = base_[ids[begin + j]];",
        "block_rows_[j] = base_[begin + j];",
        SCAN,
        ADVERSARIAL,
        JOIN,
    ),
    one(
        "counted while skipped",
        "scan.hpp",
        "(!too_near_ || sink.too_near(i) >= kMostCounted)",
        "(!too_near_ || sink.too_near(i) >= 1)",
        ("test_filter.py", "test_mining.py", "test_mining_strategies.py", "test_mining_regressions.py"),
    ),
    # The plan.
    one("ranges of queries", "plan.hpp", "n * (i + 1) / ranges,", "n * (i + 1) / ranges - (i + 1 < ranges),", SCAN),
    one("ranges of base rows", "plan.hpp", "m * (p + 1) / parts_, p}", "m * (p + 1) / parts_ - (p + 1 < parts_), p}", SCAN),
    one(
        "same groups",
        "plan.hpp",
        "while (b_end < base_ids_.size() && base_group(base_ids_[b_end]) == group) ++b_end;",
        "while (b_end + 1 < base_ids_.size() && base_group(base_ids_[b_end]) == group) ++b_end;",
        SCAN,
    ),
    one(
        "groups larger than a task",
        "plan.hpp",
        "std::min(q + most_queries, q_end), b, b_end",
        "std::min(q + most_queries - (most_queries > 1), q_end), b, b_end",
        SCAN,
    ),
    one(
        "masks",
        "plan.hpp",
        "if (!filter.base_mask || filter.base_mask[base.first + j]) base_ids_",
        "if (!filter.base_mask || filter.base_mask[j]) base_ids_",
        SCAN,
        ("test_arrays.py",),
    ),
    one("shared memory", "memory.hpp", "kSharedBytes = 28 << 20", "kSharedBytes = 448 << 20", ("test_process.py",)),
    # The self-join.
    one(
        "join: one side only",
        "self_join.hpp",
        "if (offer(first + j, begin + i, lower, upper, scored)) screen.set_column_bound(j, sink_.bound(first + j));",
        "",
        JOIN,
    ),
    one(
        "join: columns",
        "self_join.hpp",
        "for (std::size_t j = first; j < last; ++j) screen.set_column_bound(j - first, sink_.bound(j));",
        "",
        JOIN,
        PROOFS,
    ),
    one(
        "join: its own range",
        "self_join.hpp",
        "visit_blocks(end, n_, block,",
        "visit_blocks(std::min(n_, end + 1), n_, block,",
        JOIN,
    ),
    one(
        "join: windows",
        "self_join.hpp",
        "filter.groups != Groups::same && !filter.base_mask && !filter.farther_than",
        "filter.groups != Groups::same && !filter.farther_than",
        SCAN,
        JOIN,
    ),
    # Codes.
    one("guesses that fall short", "code_engine.cpp", "if (!work.sink.fell_short()) return;", "return;", CODES),
    one("guesses", "guess.hpp", "limits_[i] = sample_.bound(i) + 1;", "limits_[i] = sample_.bound(i) / 2;", CODES),
    one(
        "limit of counting",
        "counting.hpp",
        "while (s.limit >= 0 && s.within >= k_)",
        "while (s.limit >= 0 && s.within + 1 >= k_)",
        CODES,
    ),
    one(
        "ties of counting",
        "counting.hpp",
        "const bool last = pair.distance == beyond && taken < room;",
        "const bool last = pair.distance == beyond && taken + 1 < room;",
        CODES,
    ),
    one(
        "floor of counting",
        "counting.hpp",
        "distance <= state_[row].limit && distance > state_[row].floor;",
        "distance <= state_[row].limit && distance >= state_[row].floor;",
        CODES,
    ),
    one(
        "window of counting",
        "counting.hpp",
        "std::ceil(std::max(filter_.nearer_than[query], 0.0f))) - 1;",
        "std::floor(std::max(filter_.nearer_than[query], 0.0f)));",
        CODES,
    ),
    one(
        "stop of the code screen",
        "code_screens.hpp",
        "static_cast<std::uint32_t>(bound + 1)",
        "static_cast<std::uint32_t>(bound)",
        CODES,
    ),
    # The arithmetic.
    one("flushed subnormals", "parallel.hpp", "std::fesetenv(FE_DFL_ENV);", "", EXTREMES),
    one(
        "the caller's arithmetic",
        "parallel.hpp",
        "~StandardArithmetic() { std::fesetenv(&before_); }",
        "~StandardArithmetic() {}",
        EXTREMES,
    ),
    one(
        "minus zero of a matrix",
        "kernels/kernels.cpp",
        "* spread(unit[0]) * spread(unit[1]) + Vec{}",
        "* spread(unit[0]) * spread(unit[1])",
        EXTREMES,
    ),
]

NET = """
import sys
import numpy as np
import hardmine, reference
from hardmine import _core

rng = np.random.default_rng(0)
x = rng.standard_normal((2100, 256)).astype(np.float32)
for metric in reference.METRICS:
    for k in (1, 7, 60):
        reference.assert_same(hardmine.topk(x[:70], x[:900], k, metric=metric), reference.topk(x[:70], x[:900], k, metric))
plain = hardmine.topk(x, x.copy(), 9)
found = hardmine.topk(x, k=8)
reference.assert_same(found, (plain.distances[:, 1:], plain.indices[:, 1:]))
sys.exit(_core.failed_proofs() == 0)
"""


class Copy:
    """The sources in a folder of their own, built with little optimisation: most of the time goes into compiling."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        for name in ("cpp", "python", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        for name in ("CMakeLists.txt", "pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
            shutil.copy(ROOT / name, folder / name)
        pybind = subprocess.run([sys.executable, "-m", "pybind11", "--cmakedir"], capture_output=True, text=True, check=True)
        self.run(
            ["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
            + ["-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1", f"-Dpybind11_DIR={pybind.stdout.strip()}"]
            + [f"-DPython_EXECUTABLE={sys.executable}"],
            check=True,
        )

    def run(self, command: list[str], check: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=self.environment())
        if check and done.returncode:
            sys.exit(done.stdout + done.stderr)
        return done

    def environment(self) -> dict[str, str]:
        import os

        return {
            **os.environ,
            "PYTHONPATH": f"{self.folder / 'python'}:{self.folder / 'tests'}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def build(self) -> None:
        self.run(["cmake", "--build", "build"], check=True)
        for path in (self.folder / "build").glob("_core*.so"):
            shutil.copy(path, self.folder / "python" / "hardmine")

    def pytest(self, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        paths = [f"tests/{name}" for name in dict.fromkeys(tests)]
        return self.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *paths])

    def try_out(self, mutation: Mutation) -> str:
        """ "killed" and by what, or "survived"."""
        before = {}
        for name, old, new in mutation.edits:
            path = self.folder / "cpp" / name
            text = path.read_text()
            if text.count(old) != 1:
                sys.exit(f"{mutation.name}: {name} has {text.count(old)} times: {old}")
            before.setdefault(path, text)
            path.write_text(text.replace(old, new))
        try:
            self.build()
            if mutation.caught:
                done = self.run([sys.executable, "-c", NET])
                return (
                    "survived: " + done.stderr[-300:] if done.returncode else "killed: by failed_proofs(), all results right"
                )
            done = self.pytest(mutation.tests)
            if done.returncode == 0:
                return "survived"
            failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            return "killed: " + (failed[0].split(" - ")[0] if failed else f"exit code {done.returncode}")
        finally:
            for path, text in before.items():
                path.write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations")
    parser.add_argument("--only", default="", help="mutations with this in their name")
    parser.add_argument("--keep", type=pathlib.Path, help="a new folder for the copy, which stays")
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    mutations = [m for m in MUTATIONS if chosen.only in m.name]
    for m in mutations:
        for name, old, _ in m.edits:
            if (count := (ROOT / "cpp" / name).read_text().count(old)) != 1:
                sys.exit(f"{m.name}: cpp/{name} has {count} times: {old}")
    if chosen.list:
        print(*(m.name for m in mutations), sep="\n")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        copy = Copy(chosen.keep or pathlib.Path(temporary) / "copy")
        copy.build()
        tests = tuple(dict.fromkeys(t for m in mutations for t in m.tests))
        if tests and copy.pytest(tests).returncode:
            sys.exit("the tests fail before anything is spoilt")
        survived = 0
        for m in mutations:
            start = time.perf_counter()
            verdict = copy.try_out(m)
            survived += verdict.startswith("survived")
            print(f"{m.name:40} {verdict}  ({time.perf_counter() - start:.0f} s)", flush=True)
    print(f"{len(mutations) - survived} killed, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
