// What the bindings share: arrays to Rows, filters that hold their arrays, calls without the GIL, C++ exceptions to Python's.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "engine.hpp"
#include "terms/finite.hpp"

namespace hardmine {

namespace py = pybind11;

using FloatArray = py::array_t<float>;
using CodeArray = py::array_t<std::uint8_t>;
// Read from one number to the next: others than contiguous ones are refused.
using Ints = py::array_t<std::int64_t, py::array::c_style>;
using Bytes = py::array_t<std::int8_t, py::array::c_style>;
using Bools = py::array_t<bool, py::array::c_style>;
using Limits = py::array_t<float, py::array::c_style>;
using Words = py::array_t<std::uint64_t, py::array::c_style>;
using Counts = py::array_t<std::uint32_t>;

// The number of the first row in the caller's array, the rows, and what they are as a prepared base, if they are one.
template <class Row>
using Block = std::tuple<std::size_t, py::array_t<Row>, std::optional<std::shared_ptr<PreparedRows>>>;

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
    const auto& [first, array, prepared] = block;
    if (array.ndim() != 2 || (array.shape(0) > 0 && array.shape(1) > 1 && array.strides(1) != sizeof(Row)))
        throw py::value_error("expected rows of adjacent numbers");
    if (prepared && (*prepared)->count() != static_cast<std::size_t>(array.shape(0)))
        throw py::value_error("expected the rows that were prepared");
    return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1)),
            array.strides(0) / static_cast<py::ssize_t>(sizeof(Row)), first};
}

template <class Row>
typename Kind<Row>::Search search_of(const Block<Row>& queries, const Block<Row>& base, const MetricOf<Row>& metric,
                                     int threads, std::size_t block = 0) {
    const Search<Row> search{rows_of(queries), rows_of(base), threads, block};
    if constexpr (std::is_same_v<Row, float>) {
        const auto& prepared = std::get<2>(base);
        return {search, metric, prepared ? prepared->get() : nullptr};
    } else {
        return search;
    }
}

template <class Array>
auto data_or_null(const std::optional<Array>& array) {
    return array ? array->data() : nullptr;
}

// Runs work(watcher) without the GIL. The watcher takes it back to let Python handle signals and to report progress; what
// either raises ends the work and is raised again here, even if the work came to an end of its own meanwhile.
template <class Work>
void run(const char* queries_name, const char* base_name, const py::object& progress, Work&& work) {
    std::exception_ptr raised;
    const auto raise_again = [&] {
        if (raised) std::rethrow_exception(raised);
    };
    const Watcher watcher = [&](std::uint64_t done, std::uint64_t total) {
        if (raised) return false;
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
        raise_again();
        throw py::value_error(std::string(e.base ? base_name : queries_name) +
                              ": expected finite numbers, got NaN or infinity in row " + std::to_string(e.row));
    } catch (const Stopped&) {
        raise_again();
        throw;
    }
    raise_again();
}

inline HeldFilter filter_of(bool self_join, const std::optional<Ints>& query_rows, Groups groups,
                            const std::optional<Ints>& query_groups, const std::optional<Ints>& base_groups,
                            const std::optional<Ints>& exclude_start, const std::optional<Ints>& exclude_indices,
                            const std::optional<Bools>& base_mask, const std::optional<Limits>& nearer_than,
                            const std::optional<Limits>& farther_than, std::size_t max_per_group) {
    return {{self_join, data_or_null(query_rows), groups, data_or_null(query_groups), data_or_null(base_groups),
             data_or_null(exclude_start), data_or_null(exclude_indices),
             reinterpret_cast<const std::uint8_t*>(data_or_null(base_mask)), data_or_null(nearer_than),
             data_or_null(farther_than), max_per_group},
            py::make_tuple(query_rows, query_groups, base_groups, exclude_start, exclude_indices, base_mask, nearer_than,
                           farther_than)};
}

// The functions of all pairs, and the merge of lists (bindings_pairs.cpp).
void define_pairs(py::module_& m);

}  // namespace hardmine
