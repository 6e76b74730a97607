// Arrays to Rows, outputs allocated, the GIL released, C++ exceptions to Python's. No logic: the Python layer has checked
// kinds and shapes, and hands over exact dtypes.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdlib>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "engine.hpp"
#include "isa.hpp"
#include "scan/team.hpp"
#include "sinks/top_k.hpp"

namespace py = pybind11;
using namespace hardmine;

namespace {

using Floats = py::array_t<float>;
using Codes = py::array_t<std::uint8_t>;
// Read from one number to the next: others than contiguous ones are refused.
using Ints = py::array_t<std::int64_t, py::array::c_style>;
using Bools = py::array_t<bool, py::array::c_style>;
using Limits = py::array_t<float, py::array::c_style>;
using Words = py::array_t<std::uint64_t, py::array::c_style>;
using Counts = py::array_t<std::uint32_t>;

// The number of the first row in the caller's array, and the rows.
template <class Row>
using Block = std::pair<std::size_t, py::array_t<Row>>;

// What either kind of rows is searched with, as Python passes it: codes have one metric, which needs no name.
template <class Row>
struct Kind {
    using Search = FloatSearch;
    using MetricArgument = Metric;
    using Distance = float;
};
template <>
struct Kind<std::uint8_t> {
    using Search = CodeSearch;
    using MetricArgument = py::none;
    using Distance = std::int32_t;
};
template <class Row>
using MetricOf = typename Kind<Row>::MetricArgument;
template <class Row>
using Distances = py::array_t<typename Kind<Row>::Distance>;

// A filter and the arrays that it points into.
struct HeldFilter : Filter {
    py::tuple arrays;
};

template <class Row>
Rows<Row> rows_of(const Block<Row>& block) {
    const auto& [first, array] = block;
    if (array.ndim() != 2 || (array.shape(0) > 0 && array.shape(1) > 1 && array.strides(1) != sizeof(Row)))
        throw py::value_error("expected rows of adjacent numbers");
    return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1)),
            array.strides(0) / static_cast<py::ssize_t>(sizeof(Row)), first};
}

template <class Row>
typename Kind<Row>::Search search_of(const Block<Row>& queries, const Block<Row>& base, const MetricOf<Row>& metric,
                                     int threads, std::size_t block = 0) {
    const Search<Row> search{rows_of(queries), rows_of(base), threads, block};
    if constexpr (std::is_same_v<Row, float>)
        return {search, metric};
    else
        return search;
}

template <class Array>
auto data_or_null(const std::optional<Array>& array) {
    return array ? array->data() : nullptr;
}

// Runs work(watcher) without the GIL. The watcher takes it back to let Python handle signals and to report progress; what
// either raises ends the work and is raised again here.
template <class Work>
void run(const char* queries_name, const char* base_name, const py::object& progress, Work&& work) {
    std::exception_ptr raised;
    const Watcher watcher = [&](std::uint64_t done, std::uint64_t total) {
        py::gil_scoped_acquire gil;
        try {
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (!progress.is_none()) progress(done, total);
        } catch (...) {
            raised = std::current_exception();
        }
        return !raised;
    };
    try {
        py::gil_scoped_release no_gil;
        const StandardArithmetic standard;
        work(watcher);
    } catch (const NotFinite& e) {
        throw py::value_error(std::string(e.base ? base_name : queries_name) +
                              ": expected finite numbers, got NaN or infinity in row " + std::to_string(e.row));
    } catch (const Stopped&) {
        std::rethrow_exception(raised);
    }
}

HeldFilter filter_of(bool self_join, const std::optional<Ints>& query_rows, Groups groups,
                     const std::optional<Ints>& query_groups, const std::optional<Ints>& base_groups,
                     const std::optional<Ints>& exclude_start, const std::optional<Ints>& exclude_indices,
                     const std::optional<Bools>& base_mask, const std::optional<Limits>& nearer_than,
                     const std::optional<Limits>& farther_than, std::size_t max_per_group) {
    return {{self_join, data_or_null(query_rows), groups, data_or_null(query_groups), data_or_null(base_groups),
             data_or_null(exclude_start), data_or_null(exclude_indices), data_or_null(base_mask), data_or_null(nearer_than),
             data_or_null(farther_than), max_per_group},
            py::make_tuple(query_rows, query_groups, base_groups, exclude_start, exclude_indices, base_mask, nearer_than,
                           farther_than)};
}

// The functions that take either kind of rows: an overload for each.
template <class Row>
void define(py::module_& m) {
    using Distance = typename Kind<Row>::Distance;
    constexpr bool floats = std::is_same_v<Row, float>;

    m.def(
        "topk",
        [](const Block<Row>& queries, const Block<Row>& base, std::size_t k, const HeldFilter& filter,
           const MetricOf<Row>& metric, int threads, std::size_t block, const py::object& progress,
           std::conditional_t<floats, std::optional<Ints>, py::none> too_near) {
            const auto search = search_of<Row>(queries, base, metric, threads, block);
            const py::ssize_t shape[2] = {queries.second.shape(0), static_cast<py::ssize_t>(k)};
            Distances<Row> distances(shape);
            Ints indices(shape);
            Distance* distances_out = distances.mutable_data();
            std::int64_t* indices_out = indices.mutable_data();
            [[maybe_unused]] std::int64_t* counts = nullptr;
            if constexpr (floats) counts = too_near ? too_near->mutable_data() : nullptr;
            run("queries", filter.self ? "queries" : "base", progress, [&](const Watcher& watcher) {
                if constexpr (floats)
                    topk(search, filter, {distances_out, indices_out, k}, counts, watcher);
                else
                    topk(search, filter, {distances_out, indices_out, k}, watcher);
            });
            return py::make_tuple(distances, indices);
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("k"), py::arg("filter"), py::arg("metric"),
        py::arg("threads"), py::arg("block"), py::arg("progress"), py::arg("too_near").noconvert() = py::none());

    m.def(
        "pairwise",
        [](const Block<Row>& queries, const Block<Row>& base, const MetricOf<Row>& metric, Distances<Row>& out, int threads,
           const py::object& progress) {
            const auto search = search_of<Row>(queries, base, metric, threads);
            Distance* data = out.mutable_data();
            const auto stride = static_cast<std::size_t>(out.strides(0)) / sizeof(Distance);
            run("queries", "base", progress, [&](const Watcher& watcher) { pairwise(search, data, stride, watcher); });
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("metric"), py::arg("out").noconvert(),
        py::arg("threads"), py::arg("progress"));

    m.def(
        "pair_distances",
        [](const Block<Row>& queries, const Block<Row>& base, const Ints& rows, const Ints& cols, const MetricOf<Row>& metric,
           int threads, const py::object& progress) {
            const auto search = search_of<Row>(queries, base, metric, threads);
            Distances<Row> distances(rows.size());
            Distance* out = distances.mutable_data();
            run("queries", "base", progress, [&](const Watcher& watcher) {
                pair_distances(search, rows.data(), cols.data(), static_cast<std::size_t>(rows.size()), out, watcher);
            });
            return distances;
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("rows").noconvert(), py::arg("cols").noconvert(),
        py::arg("metric"), py::arg("threads"), py::arg("progress"));
}

// Pairs as three arrays: rows, columns, distances.
template <class Row>
struct PairArrays {
    explicit PairArrays(std::uint64_t count)
        : rows(static_cast<py::ssize_t>(count)),
          cols(static_cast<py::ssize_t>(count)),
          distances(static_cast<py::ssize_t>(count)) {}
    py::tuple tuple() const { return py::make_tuple(rows, cols, distances); }
    Ints rows, cols;
    Distances<Row> distances;
};

// The functions of all pairs of either kind of rows.
template <class Row>
void define_pairs(py::module_& m) {
    using Distance = typename Kind<Row>::Distance;

    m.def(
        "radius_neighbors",
        [](const Block<Row>& queries, const Block<Row>& base, const Limits& radius, const MetricOf<Row>& metric,
           const HeldFilter& filter, std::uint64_t max_pairs, int threads, const py::object& progress) {
            const auto search = search_of<Row>(queries, base, metric, threads);
            const char* base_name = filter.self ? "queries" : "base";
            FoundPairs found;
            run("queries", base_name, progress,
                [&](const Watcher& watcher) { found = radius_neighbors(search, filter, radius.data(), max_pairs, watcher); });
            if (found.count > max_pairs)
                throw py::value_error("max_pairs: expected at most " + std::to_string(max_pairs) + " pairs, got " +
                                      std::to_string(found.count));
            PairArrays<Row> pairs(found.count);
            std::int64_t *rows = pairs.rows.mutable_data(), *cols = pairs.cols.mutable_data();
            Distance* distances = pairs.distances.mutable_data();
            run("queries", base_name, py::none(),
                [&](const Watcher& watcher) { write_pairs(found, rows, cols, distances, threads, watcher); });
            return pairs.tuple();
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("radius").noconvert(), py::arg("metric"),
        py::arg("filter"), py::arg("max_pairs"), py::arg("threads"), py::arg("progress"));

    m.def(
        "closest_pairs",
        [](const Block<Row>& queries, const Block<Row>& base, std::size_t n_pairs, const MetricOf<Row>& metric,
           const HeldFilter& filter, int threads, const py::object& progress) {
            const auto search = search_of<Row>(queries, base, metric, threads);
            std::vector<FoundPair> found;
            run("queries", filter.self ? "queries" : "base", progress,
                [&](const Watcher& watcher) { found = closest_pairs(search, filter, n_pairs, watcher); });
            PairArrays<Row> pairs(found.size());
            for (std::size_t i = 0; i < found.size(); ++i) {
                pairs.rows.mutable_data()[i] = found[i].row;
                pairs.cols.mutable_data()[i] = found[i].col;
                pairs.distances.mutable_data()[i] = static_cast<Distance>(found[i].distance);
            }
            return pairs.tuple();
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("n_pairs"), py::arg("metric"), py::arg("filter"),
        py::arg("threads"), py::arg("progress"));

    m.def(
        "distance_histogram",
        [](const Block<Row>& queries, const Block<Row>& base, const Limits& thresholds,
           const std::optional<Ints>& query_groups, const std::optional<Ints>& base_groups, const MetricOf<Row>& metric,
           const HeldFilter& filter, int threads, const py::object& progress) {
            const auto search = search_of<Row>(queries, base, metric, threads);
            const HistogramOf histogram{thresholds.data(), static_cast<std::size_t>(thresholds.size()),
                                        data_or_null(query_groups), data_or_null(base_groups)};
            std::vector<py::ssize_t> shape{thresholds.size() - 1};
            if (query_groups) shape.insert(shape.begin(), 2);
            py::array_t<std::uint64_t> counts(shape);
            std::uint64_t* out = counts.mutable_data();
            std::fill_n(out, counts.size(), 0);
            run("queries", filter.self ? "queries" : "base", progress,
                [&](const Watcher& watcher) { distance_histogram(search, filter, histogram, out, watcher); });
            return counts;
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("thresholds").noconvert(),
        py::arg("query_groups").noconvert(), py::arg("base_groups").noconvert(), py::arg("metric"), py::arg("filter"),
        py::arg("threads"), py::arg("progress"));
}

// Lists of neighbours, each of shape (n, some number), become one of shape (n, k).
template <class Distance>
void define_merge(py::module_& m) {
    using Array = py::array_t<Distance, py::array::c_style>;
    m.def(
        "merge",
        [](const std::vector<std::pair<Array, Ints>>& lists, std::size_t k, const std::optional<Ints>& base_groups,
           std::size_t max_per_group, int threads) {
            std::vector<Lists<const Distance>> parts;
            for (const auto& [distances, indices] : lists)
                parts.push_back({distances.data(), indices.data(), static_cast<std::size_t>(indices.shape(1))});
            const py::ssize_t shape[2] = {lists.at(0).second.shape(0), static_cast<py::ssize_t>(k)};
            Array distances(shape);
            Ints indices(shape);
            const Lists<Distance> out{distances.mutable_data(), indices.mutable_data(), k};
            run("", "", py::none(), [&](const Watcher& watcher) {
                merge(parts, static_cast<std::size_t>(shape[0]), out, data_or_null(base_groups), max_per_group, threads,
                      watcher);
            });
            return py::make_tuple(distances, indices);
        },
        py::arg("lists").noconvert(), py::arg("k"), py::arg("base_groups").noconvert() = py::none(),
        py::arg("max_per_group") = 0, py::arg("threads") = 0);
}

}  // namespace

// Without a GIL nothing changes: a call has its own state but for the table of kernels and the count of failed proofs, which
// are atomic, and a mode of floating-point arithmetic, which each thread has for itself. Arrays are read without a lock either
// way, because calls release the GIL.
PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
    const char* forced = std::getenv("HARDMINE_ISA");
    try {
        use_isa(forced ? forced : "");
    } catch (const std::invalid_argument& e) {
        throw py::import_error("HARDMINE_ISA: " + std::string(e.what()));
    }

    m.attr("openmp") = kOpenMP;
    m.attr("most_counted") = kMostCounted;
    m.def("isa", &isa_in_use);
    m.def("isas_built", &isas_built);
    m.def("isas_runnable", &isas_runnable);
    m.def("use_isa", &use_isa, py::arg("name"));
    m.def("kernels", &kernel_names);
    m.def("kernels_built", &kernels_built);
    m.def("threads", [] { return usable_threads(0); });
    m.def("failed_proofs", [] { return failed_proofs.load(); });

    // For `with`: what Python computes in the meantime is computed in the mode of the core.
    struct Arithmetic {
        std::optional<StandardArithmetic> standard;
    };
    py::class_<Arithmetic>(m, "StandardArithmetic")
        .def(py::init<>())
        .def("__enter__", [](Arithmetic& a) { a.standard.emplace(); })
        .def("__exit__", [](Arithmetic& a, const py::args&) { a.standard.reset(); });

    // Multiply-adds of one thread on registers alone: what a benchmark may call the peak.
    m.def(
        "fma_peak",
        [](std::size_t steps) {
            py::gil_scoped_release no_gil;
            float sink[4] = {0.5f, 0.25f, 0.75f, 1.0f};
            return kernels_in_use().tile.peak(steps, sink);
        },
        py::arg("steps"));

    py::enum_<Metric>(m, "Metric")
        .value("sqeuclidean", Metric::sqeuclidean)
        .value("euclidean", Metric::euclidean)
        .value("cosine", Metric::cosine)
        .value("inner_product", Metric::inner_product);
    py::enum_<Groups>(m, "Groups").value("any", Groups::any).value("different", Groups::different).value("same", Groups::same);

    py::class_<HeldFilter>(m, "Filter")
        .def(py::init(&filter_of), py::kw_only(), py::arg("self_join") = false, py::arg("query_rows").noconvert() = py::none(),
             py::arg("groups") = Groups::any, py::arg("query_groups").noconvert() = py::none(),
             py::arg("base_groups").noconvert() = py::none(), py::arg("exclude_start").noconvert() = py::none(),
             py::arg("exclude_indices").noconvert() = py::none(), py::arg("base_mask").noconvert() = py::none(),
             py::arg("nearer_than").noconvert() = py::none(), py::arg("farther_than").noconvert() = py::none(),
             py::arg("max_per_group") = 0);

    define<float>(m);
    define<std::uint8_t>(m);
    define_pairs<float>(m);
    define_pairs<std::uint8_t>(m);
    define_merge<float>(m);
    define_merge<std::int32_t>(m);

    m.def(
        "canonical_matrix",
        [](const Floats& queries, const Floats& base, Metric metric, bool self, int threads, const py::object& progress) {
            const auto search = search_of<float>({0, queries}, {0, base}, metric, threads);
            const py::ssize_t shape[2] = {queries.shape(0), base.shape(0)};
            Floats distances(shape);
            float* out = distances.mutable_data();
            run("queries", "base", progress, [&](const Watcher& watcher) { canonical_matrix(search, self, out, watcher); });
            return distances;
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("metric"), py::arg("self"), py::arg("threads"),
        py::arg("progress"));

    m.def(
        "ranking_counts",
        [](const Codes& queries, const Codes& base, std::size_t bits, std::size_t top, const std::optional<Ints>& query_groups,
           const std::optional<Ints>& base_groups, const std::optional<Words>& query_marks,
           const std::optional<Words>& base_marks, int threads, const py::object& progress) {
            const auto search = search_of<std::uint8_t>({0, queries}, {0, base}, py::none(), threads);
            const Relevance relevance{data_or_null(query_groups), data_or_null(base_groups), data_or_null(query_marks),
                                      data_or_null(base_marks),
                                      query_marks ? static_cast<std::size_t>(query_marks->shape(1)) : 0};
            const py::ssize_t shape[2] = {queries.shape(0), static_cast<py::ssize_t>(bits) + 1};
            Counts counts(shape), relevant(shape);
            std::uint32_t *counts_out = counts.mutable_data(), *relevant_out = relevant.mutable_data();
            run("query_codes", "base_codes", progress, [&](const Watcher& watcher) {
                ranking_counts(search, relevance, top, bits + 1, counts_out, relevant_out, watcher);
            });
            return py::make_tuple(counts, relevant);
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("bits"), py::arg("top"),
        py::arg("query_groups").noconvert(), py::arg("base_groups").noconvert(), py::arg("query_marks").noconvert(),
        py::arg("base_marks").noconvert(), py::arg("threads"), py::arg("progress"));

    m.def(
        "intervals",
        [](const Floats& queries, const Floats& base, Metric metric, bool few) {
            const auto search = search_of<float>({0, queries}, {0, base}, metric, 1);
            const py::ssize_t shape[2] = {queries.shape(0), base.shape(0)};
            Floats lower(shape), upper(shape);
            const StandardArithmetic standard;
            intervals(search, few, lower.mutable_data(), upper.mutable_data());
            return py::make_tuple(lower, upper);
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("metric"), py::arg("few"));
}
