// Arrays to Rows, outputs allocated, the GIL released, C++ exceptions to Python's. No logic: the Python layer has checked
// kinds and shapes, and hands over exact dtypes.
#include "bindings.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "engine.hpp"
#include "isa.hpp"
#include "scan/choice.hpp"
#include "scan/families.hpp"
#include "scan/team.hpp"
#include "sinks/top_k.hpp"

using namespace hardmine;

namespace {

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
            const py::ssize_t shape[2] = {std::get<1>(queries).shape(0), static_cast<py::ssize_t>(k)};
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

template <class Row>
void define_tile_loop(py::module_& m) {
    using Array = py::array_t<Row, py::array::c_style>;
    m.def(
        "tile_loop",
        [](const Array& queries, const Array& base, const Limits& high, bool compare, std::size_t rounds) {
            const auto of_queries = rows_of<Row>({0, queries, {}}), of_base = rows_of<Row>({0, base, {}});
            const float* limits = high.data();
            TileLoop loop;
            run("", "", py::none(), [&](const Watcher&) { loop = tile_loop(of_queries, of_base, limits, compare, rounds); });
            const auto array = [](const auto& of) { return py::array(static_cast<py::ssize_t>(of.size()), of.data()); };
            return py::make_tuple(loop.seconds, loop.mixed, array(loop.rows), array(loop.cols), array(loop.values));
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("high").noconvert(), py::arg("compare"),
        py::arg("rounds"));
}

void use_screen(const std::string& name) {
    const auto* found = std::find(kChoices.begin(), kChoices.end(), name);
    if (found == kChoices.end()) throw std::invalid_argument("expected float32, int8, bf16 or nothing, got '" + name + "'");
    choice = static_cast<Choice>(found - kChoices.begin());
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
    const char* screen = std::getenv("HARDMINE_SCREEN");
    try {
        use_screen(screen ? screen : "");
    } catch (const std::invalid_argument& e) {
        throw py::import_error("HARDMINE_SCREEN: " + std::string(e.what()));
    }

    m.attr("openmp") = kOpenMP;
    m.attr("most_counted") = kMostCounted;
    m.def("isa", &isa_in_use);
    m.def("isas_built", &isas_built);
    m.def("isas_runnable", &isas_runnable);
    m.def("use_isa", &use_isa, py::arg("name"));
    m.def("same_products", &same_products, py::arg("family"), py::arg("isa"), py::arg("other"));
    m.def("kernels", &kernel_names);
    m.def("kernels_built", &kernels_built);
    m.def("threads", [] { return usable_threads(0); });
    m.def("screen", [] { return kChoices[static_cast<std::size_t>(choice.load())]; });
    m.def("use_screen", &use_screen, py::arg("name"));
    m.def("screened_pairs", [] {
        return std::map<std::string, std::uint64_t>{{"float32", screened_pairs<PanelScreen>},
                                                    {"int8", screened_pairs<Int8Screen>},
                                                    {"bf16", screened_pairs<BFloat16Screen>},
                                                    {"prepared", pairs_prepared},
                                                    {"looked_at", pairs_looked_at},
                                                    {"few", screened_pairs<FewScreen>},
                                                    {"codes", screened_pairs<CodeScreen> + screened_pairs<FewCodeScreen>}};
    });
    m.def("failed_proofs", [] { return failed_proofs.load(); });

    // For `with`: what Python computes in the meantime is computed in the mode of the core.
    struct Arithmetic {
        std::optional<StandardArithmetic> standard;
    };
    py::class_<Arithmetic>(m, "StandardArithmetic")
        .def(py::init<>())
        .def("__enter__", [](Arithmetic& a) { a.standard.emplace(); })
        .def("__exit__", [](Arithmetic& a, const py::args&) { a.standard.reset(); });

    // For the benchmark.
    m.def("peak", &peak, py::arg("family"), py::arg("steps"), py::call_guard<py::gil_scoped_release>());
    define_tile_loop<float>(m);
    define_tile_loop<std::int8_t>(m);
    define_tile_loop<std::uint16_t>(m);
    define_tile_loop<std::uint8_t>(m);

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

    py::class_<PreparedRows, std::shared_ptr<PreparedRows>>(m, "PreparedRows")
        .def(py::init([](const FloatArray& rows, Metric metric, int threads) {
                 std::shared_ptr<PreparedRows> prepared;
                 const auto base = rows_of<float>({0, rows, {}});
                 run("", "base", py::none(),
                     [&](const Watcher& watcher) { prepared = prepare(base, metric, threads, watcher); });
                 return prepared;
             }),
             py::arg("rows").noconvert(), py::arg("metric"), py::arg("threads"))
        .def_property_readonly("nbytes", &PreparedRows::bytes);

    define<float>(m);
    define<std::uint8_t>(m);
    define_pairs(m);

    m.def(
        "self_join",
        [](const Block<float>& rows, Limits& distances, Ints& indices, std::pair<std::size_t, std::size_t> place,
           std::uint64_t most_pairs, std::size_t slab, const HeldFilter& filter, Metric metric, int threads,
           const py::object& progress, std::optional<Ints> too_near) -> py::object {
            const auto search = search_of<float>(rows, rows, metric, threads);
            const Lists<float> out{distances.mutable_data(), indices.mutable_data(),
                                   static_cast<std::size_t>(indices.shape(1))};
            std::int64_t* counts = too_near ? too_near->mutable_data() : nullptr;
            JoinStep step{{place.first, place.second}, most_pairs, slab};
            bool joined = false;
            run("queries", "queries", progress,
                [&](const Watcher& watcher) { joined = self_join(search, filter, out, counts, step, watcher); });
            if (!joined) return py::none();
            return py::make_tuple(step.at.near, step.at.far, step.pairs);
        },
        py::arg("rows").noconvert(), py::arg("distances").noconvert(), py::arg("indices").noconvert(), py::arg("place"),
        py::arg("most_pairs"), py::arg("slab"), py::arg("filter"), py::arg("metric"), py::arg("threads"), py::arg("progress"),
        py::arg("too_near").noconvert() = py::none());

    m.def(
        "canonical_matrix",
        [](const FloatArray& queries, const FloatArray& base, Metric metric, bool self, int threads,
           const py::object& progress) {
            const auto search = search_of<float>({0, queries, {}}, {0, base, {}}, metric, threads);
            const py::ssize_t shape[2] = {queries.shape(0), base.shape(0)};
            FloatArray distances(shape);
            float* out = distances.mutable_data();
            run("queries", "base", progress, [&](const Watcher& watcher) { canonical_matrix(search, self, out, watcher); });
            return distances;
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("metric"), py::arg("self"), py::arg("threads"),
        py::arg("progress"));

    m.def(
        "ranking_counts",
        [](const CodeArray& queries, const CodeArray& base, std::size_t bits, std::size_t top,
           const std::optional<Ints>& query_groups, const std::optional<Ints>& base_groups,
           const std::optional<Words>& query_marks, const std::optional<Words>& base_marks, int threads,
           const py::object& progress) {
            const auto search = search_of<std::uint8_t>({0, queries, {}}, {0, base, {}}, py::none(), threads);
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
        [](const FloatArray& queries, const FloatArray& base, Metric metric, const std::string& name) {
            const auto search = search_of<float>({0, queries, {}}, {0, base, {}}, metric, 1);
            const py::ssize_t shape[2] = {queries.shape(0), base.shape(0)};
            FloatArray lower(shape), upper(shape);
            const StandardArithmetic standard;
            intervals(search, name, lower.mutable_data(), upper.mutable_data());
            return py::make_tuple(lower, upper);
        },
        py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("metric"), py::arg("screen"));

    m.def(
        "quantised_products",
        [](const std::string& family, const Bytes& queries, const Bytes& base, const Limits& high) {
            const auto rows = [](const auto& of) { return static_cast<std::size_t>(of.shape(0)); };
            FloatArray products({queries.shape(0), base.shape(0)});
            quantised_products(family, queries.data(), rows(queries), base.data(), rows(base),
                               static_cast<std::size_t>(base.shape(1)), high.data(), products.mutable_data());
            return products;
        },
        py::arg("family"), py::arg("queries").noconvert(), py::arg("base").noconvert(), py::arg("high").noconvert());
}
