// The bindings of the functions of all pairs, and of the merge. No logic, as in bindings.cpp.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "bindings.hpp"

namespace hardmine {
namespace {

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
void define_pairs_of(py::module_& m) {
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
            const char* base_name = filter.self ? "queries" : "base";
            std::vector<FoundPair> found;
            run("queries", base_name, progress,
                [&](const Watcher& watcher) { found = closest_pairs(search, filter, n_pairs, watcher); });
            PairArrays<Row> pairs(found.size());
            std::int64_t *rows = pairs.rows.mutable_data(), *cols = pairs.cols.mutable_data();
            Distance* distances = pairs.distances.mutable_data();
            run("queries", base_name, py::none(),
                [&](const Watcher& watcher) { write_pairs(found, rows, cols, distances, watcher); });
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

    m.def(
        "ranks",
        [](const Block<Row>& queries, const Block<Row>& base, const Ints& start, const Limits& distances, const Ints& indices,
           const MetricOf<Row>& metric, const HeldFilter& filter, int threads, const py::object& progress) {
            const auto search = search_of<Row>(queries, base, metric, threads);
            Places places{start.data(), std::vector<Key>(static_cast<std::size_t>(indices.size()))};
            std::transform(
                distances.data(), distances.data() + indices.size(), indices.data(), places.keys.begin(),
                [](float distance, std::int64_t index) { return make_key(distance, static_cast<std::uint32_t>(index)); });
            Ints counts(indices.size());
            std::int64_t* out = counts.mutable_data();
            std::fill_n(out, counts.size(), 0);
            run("queries", filter.self ? "queries" : "base", progress,
                [&](const Watcher& watcher) { ranks(search, filter, places, out, watcher); });
            return counts;
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("start").noconvert(),
        py::arg("distances").noconvert(), py::arg("indices").noconvert(), py::arg("metric"), py::arg("filter"),
        py::arg("threads"), py::arg("progress"));
}

// Lists of neighbours, each of shape (n, some number), become one of shape (n, k).
template <class Distance>
void define_merge_of(py::module_& m) {
    using Array = py::array_t<Distance, py::array::c_style>;
    m.def(
        "merge",
        [](const std::vector<std::pair<Array, Ints>>& lists, std::size_t k, const std::optional<Ints>& base_groups,
           std::size_t max_per_group, int threads) {
            std::vector<Lists<const Distance>> parts(lists.size());
            std::transform(lists.begin(), lists.end(), parts.begin(), [](const auto& list) {
                return Lists<const Distance>{list.first.data(), list.second.data(),
                                             static_cast<std::size_t>(list.second.shape(1))};
            });
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

void define_pairs(py::module_& m) {
    define_pairs_of<float>(m);
    define_pairs_of<std::uint8_t>(m);
    define_merge_of<float>(m);
    define_merge_of<std::int32_t>(m);
}

}  // namespace hardmine
