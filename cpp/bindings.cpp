// Arrays to Rows, outputs allocated, the GIL released, C++ exceptions to Python's. No logic: the Python layer has checked
// kinds and shapes, and hands over exact dtypes.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdlib>
#include <exception>
#include <optional>

#include "engine.hpp"
#include "isa.hpp"
#include "scan/team.hpp"
#include "sinks/top_k.hpp"

namespace py = pybind11;
using namespace hardmine;

namespace {

using Floats = py::array_t<float>;
using Ints = py::array_t<std::int64_t>;
using Bools = py::array_t<bool>;
using Codes = py::array_t<std::uint8_t>;
using Words = py::array_t<std::uint64_t>;
using Counts = py::array_t<std::uint32_t>;

template <class Row>
Rows<Row> rows_of(const py::array_t<Row>& array, std::size_t first) {
    if (array.ndim() != 2 || (array.shape(0) > 0 && array.shape(1) > 1 && array.strides(1) != sizeof(Row)))
        throw py::value_error("expected rows of adjacent numbers");
    return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1)),
            array.strides(0) / static_cast<py::ssize_t>(sizeof(Row)), first};
}

template <class Row>
Search<Row> search_of(const py::array_t<Row>& queries, std::size_t first_query, const py::array_t<Row>& base,
                      std::size_t first_base, int threads, std::size_t block) {
    return {rows_of(queries, first_query), rows_of(base, first_base), threads, block};
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

// The arguments that are the filter, in their order in Python.
Filter filter_of(bool self, const std::optional<Ints>& query_rows, Groups groups, const std::optional<Ints>& query_groups,
                 const std::optional<Ints>& base_groups, const std::optional<Ints>& exclude_start,
                 const std::optional<Ints>& exclude_indices, const std::optional<Bools>& base_mask,
                 const std::optional<Floats>& nearer_than, const std::optional<Floats>& farther_than,
                 std::size_t max_per_group) {
    return {self,
            data_or_null(query_rows),
            groups,
            data_or_null(query_groups),
            data_or_null(base_groups),
            data_or_null(exclude_start),
            data_or_null(exclude_indices),
            data_or_null(base_mask),
            data_or_null(nearer_than),
            data_or_null(farther_than),
            max_per_group};
}

// The outputs of k neighbours, written by work(distances, indices, watcher).
template <class Distance, class AnySearch, class Work>
py::tuple topk_of(const AnySearch& search, std::size_t k, const Filter& filter, const py::object& progress, Work&& work) {
    const py::ssize_t shape[2] = {static_cast<py::ssize_t>(search.queries.count), static_cast<py::ssize_t>(k)};
    py::array_t<Distance> distances(shape);
    Ints indices(shape);
    Distance* distances_out = distances.mutable_data();
    std::int64_t* indices_out = indices.mutable_data();
    run("queries", filter.self ? "queries" : "base", progress,
        [&](const Watcher& watcher) { work(distances_out, indices_out, watcher); });
    return py::make_tuple(distances, indices);
}

template <class Distance, class AnySearch>
void pairwise_of(const AnySearch& search, py::array_t<Distance>& out, const py::object& progress) {
    Distance* data = out.mutable_data();
    const auto stride = static_cast<std::size_t>(out.strides(0)) / sizeof(Distance);
    run("queries", "base", progress, [&](const Watcher& watcher) { pairwise(search, data, stride, watcher); });
}

template <class Distance, class AnySearch>
py::array_t<Distance> pair_distances_of(const AnySearch& search, const Ints& rows, const Ints& cols,
                                        const py::object& progress) {
    py::array_t<Distance> distances(rows.size());
    Distance* out = distances.mutable_data();
    run("queries", "base", progress, [&](const Watcher& watcher) {
        pair_distances(search, rows.data(), cols.data(), static_cast<std::size_t>(rows.size()), out, watcher);
    });
    return distances;
}

}  // namespace

PYBIND11_MODULE(_core, m) {
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

    m.def(
        "topk",
        [](const Floats& queries, std::size_t first_query, const Floats& base, std::size_t first_base, std::size_t k,
           Metric metric, bool self, const std::optional<Ints>& query_rows, Groups groups,
           const std::optional<Ints>& query_groups, const std::optional<Ints>& base_groups,
           const std::optional<Ints>& exclude_start, const std::optional<Ints>& exclude_indices,
           const std::optional<Bools>& base_mask, const std::optional<Floats>& nearer_than,
           const std::optional<Floats>& farther_than, std::size_t max_per_group, int threads, std::size_t block,
           const py::object& progress, std::optional<Ints>& too_near) {
            const FloatSearch search{search_of(queries, first_query, base, first_base, threads, block), metric};
            const Filter filter = filter_of(self, query_rows, groups, query_groups, base_groups, exclude_start,
                                            exclude_indices, base_mask, nearer_than, farther_than, max_per_group);
            std::int64_t* counts = too_near ? too_near->mutable_data() : nullptr;
            return topk_of<float>(search, k, filter, progress,
                                  [&](float* distances, std::int64_t* indices, const Watcher& watcher) {
                                      topk(search, filter, {distances, indices, k}, counts, watcher);
                                  });
        },
        py::arg("queries").noconvert(), py::arg("first_query"), py::arg("base").noconvert(), py::arg("first_base"),
        py::arg("k"), py::arg("metric"), py::arg("self"), py::arg("query_rows").noconvert(), py::arg("groups"),
        py::arg("query_groups").noconvert(), py::arg("base_groups").noconvert(), py::arg("exclude_start").noconvert(),
        py::arg("exclude_indices").noconvert(), py::arg("base_mask").noconvert(), py::arg("nearer_than").noconvert(),
        py::arg("farther_than").noconvert(), py::arg("max_per_group"), py::arg("threads"), py::arg("block"),
        py::arg("progress"), py::arg("too_near").noconvert() = py::none());

    m.def(
        "topk_codes",
        [](const Codes& queries, std::size_t first_query, const Codes& base, std::size_t first_base, std::size_t k, bool self,
           const std::optional<Ints>& query_rows, Groups groups, const std::optional<Ints>& query_groups,
           const std::optional<Ints>& base_groups, const std::optional<Ints>& exclude_start,
           const std::optional<Ints>& exclude_indices, const std::optional<Bools>& base_mask,
           const std::optional<Floats>& nearer_than, const std::optional<Floats>& farther_than, std::size_t max_per_group,
           int threads, std::size_t block, const py::object& progress) {
            const CodeSearch search = search_of(queries, first_query, base, first_base, threads, block);
            const Filter filter = filter_of(self, query_rows, groups, query_groups, base_groups, exclude_start,
                                            exclude_indices, base_mask, nearer_than, farther_than, max_per_group);
            return topk_of<std::int32_t>(search, k, filter, progress,
                                         [&](std::int32_t* distances, std::int64_t* indices, const Watcher& watcher) {
                                             topk(search, filter, {distances, indices, k}, watcher);
                                         });
        },
        py::arg("queries").noconvert(), py::arg("first_query"), py::arg("base").noconvert(), py::arg("first_base"),
        py::arg("k"), py::arg("self"), py::arg("query_rows").noconvert(), py::arg("groups"),
        py::arg("query_groups").noconvert(), py::arg("base_groups").noconvert(), py::arg("exclude_start").noconvert(),
        py::arg("exclude_indices").noconvert(), py::arg("base_mask").noconvert(), py::arg("nearer_than").noconvert(),
        py::arg("farther_than").noconvert(), py::arg("max_per_group"), py::arg("threads"), py::arg("block"),
        py::arg("progress"));

    m.def(
        "pairwise",
        [](const Floats& queries, std::size_t first_query, const Floats& base, std::size_t first_base, Metric metric,
           Floats& out, int threads, const py::object& progress) {
            pairwise_of(FloatSearch{search_of(queries, first_query, base, first_base, threads, 0), metric}, out, progress);
        },
        py::arg("queries").noconvert(), py::arg("first_query"), py::arg("base").noconvert(), py::arg("first_base"),
        py::arg("metric"), py::arg("out").noconvert(), py::arg("threads"), py::arg("progress"));

    m.def(
        "pairwise_codes",
        [](const Codes& queries, std::size_t first_query, const Codes& base, std::size_t first_base,
           py::array_t<std::int32_t>& out, int threads, const py::object& progress) {
            pairwise_of(search_of(queries, first_query, base, first_base, threads, 0), out, progress);
        },
        py::arg("queries").noconvert(), py::arg("first_query"), py::arg("base").noconvert(), py::arg("first_base"),
        py::arg("out").noconvert(), py::arg("threads"), py::arg("progress"));

    m.def(
        "pair_distances",
        [](const Floats& queries, std::size_t first_query, const Floats& base, std::size_t first_base, const Ints& rows,
           const Ints& cols, Metric metric, int threads, const py::object& progress) {
            return pair_distances_of<float>(FloatSearch{search_of(queries, first_query, base, first_base, threads, 0), metric},
                                            rows, cols, progress);
        },
        py::arg("queries").noconvert(), py::arg("first_query"), py::arg("base").noconvert(), py::arg("first_base"),
        py::arg("rows").noconvert(), py::arg("cols").noconvert(), py::arg("metric"), py::arg("threads"), py::arg("progress"));

    m.def(
        "pair_distances_codes",
        [](const Codes& queries, std::size_t first_query, const Codes& base, std::size_t first_base, const Ints& rows,
           const Ints& cols, int threads, const py::object& progress) {
            return pair_distances_of<std::int32_t>(search_of(queries, first_query, base, first_base, threads, 0), rows, cols,
                                                   progress);
        },
        py::arg("queries").noconvert(), py::arg("first_query"), py::arg("base").noconvert(), py::arg("first_base"),
        py::arg("rows").noconvert(), py::arg("cols").noconvert(), py::arg("threads"), py::arg("progress"));

    m.def(
        "canonical_matrix",
        [](const Floats& queries, const Floats& base, Metric metric, bool self, int threads, const py::object& progress) {
            const FloatSearch search{search_of(queries, 0, base, 0, threads, 0), metric};
            const py::ssize_t shape[2] = {queries.shape(0), base.shape(0)};
            Floats distances(shape);
            float* out = distances.mutable_data();
            run("queries", "base", progress, [&](const Watcher& watcher) { canonical_matrix(search, self, out, watcher); });
            return distances;
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("metric"), py::arg("self"), py::arg("threads"),
        py::arg("progress"));

    m.def(
        "code_histograms",
        [](const Codes& queries, const Codes& base, std::size_t bits, std::size_t top, const std::optional<Ints>& query_groups,
           const std::optional<Ints>& base_groups, const std::optional<Words>& query_marks,
           const std::optional<Words>& base_marks, int threads, const py::object& progress) {
            const CodeSearch search = search_of(queries, 0, base, 0, threads, 0);
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
            const FloatSearch search{search_of(queries, 0, base, 0, 1, 0), metric};
            const py::ssize_t shape[2] = {queries.shape(0), base.shape(0)};
            Floats lower(shape), upper(shape);
            const StandardArithmetic standard;
            intervals(search, few, lower.mutable_data(), upper.mutable_data());
            return py::make_tuple(lower, upper);
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("metric"), py::arg("few"));
}
