// How fast the kernels of a screen are, for the benchmark: rows packed and visited as the screen has them, in one thread, and
// nothing around it: no judge, no sink, no second look.
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine.hpp"
#include "isa.hpp"
#include "screens/aligned.hpp"
#include "screens/code_screens.hpp"
#include "screens/formats.hpp"
#include "screens/panel_screen.hpp"
#include "screens/quantised_layout.hpp"
#include "screens/quantised_screen.hpp"

namespace hardmine {

namespace {

// Blocks of base rows, each met by all queries, so many groups of which pass over a panel at a time.
struct Order {
    std::size_t n, rows, groups, m, lanes, block;

    void check() const {
        if (n % rows || m % lanes) throw std::invalid_argument("expected whole groups of queries, and whole panels");
    }
    template <class Visit>
    void visit(Visit&& visit) const {
        for (std::size_t begin = 0; begin < m; begin += block)
            for (std::size_t row = 0; row < n; row += groups * rows)
                for (std::size_t first = begin; first < std::min(m, begin + block); first += lanes)
                    visit(row, std::min(groups, (n - row) / rows), first);
    }
};

// Of this thread: what others take of the core is not its time.
double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

float value_of(const Hit& hit) { return hit.value; }
float value_of(const CodeHit& hit) { return static_cast<float>(hit.distance); }

template <class AnyHit, class Screen, class Products>
TileLoop timed(const Order& order, bool compare, std::size_t rounds, Screen&& screen, Products&& products) {
    std::vector<AnyHit> hits(order.groups * order.rows * order.lanes + 2);
    TileLoop loop;
    const double start = cpu_seconds();
    for (std::size_t round = 0; round < rounds; ++round) {
        loop.rows.clear();
        loop.cols.clear();
        loop.values.clear();
        loop.mixed = 0;
        order.visit([&](std::size_t row, std::size_t groups, std::size_t first) {
            if (!compare) {
                loop.mixed ^= products(row, groups, first);
                return;
            }
            const std::size_t found = screen(row, groups, first, hits.data());
            for (std::size_t h = 0; h < found; ++h) {
                loop.rows.push_back(static_cast<std::int64_t>(row + hits[h].row));
                loop.cols.push_back(static_cast<std::int64_t>(first + hits[h].lane));
                loop.values.push_back(value_of(hits[h]));
            }
        });
    }
    loop.seconds = cpu_seconds() - start;
    return loop;
}

}  // namespace

TileLoop tile_loop(const Rows<float>& queries, const Rows<float>& base, const float* high, bool compare, std::size_t rounds) {
    const TileKernels& kernels = kernels_in_use().tile;
    const std::size_t d = base.width;
    const Order order{queries.count, kernels.rows,  PanelScreen::kQueryTile / kernels.rows,
                      base.count,    kernels.lanes, PanelScreen::most_rows(kernels, d)};
    order.check();
    AlignedVector<float> groups(order.n * d), panels(order.m * d);
    for (std::size_t i = 0; i < order.n; ++i)
        for (std::size_t k = 0; k < d; ++k)
            groups[i / order.rows * order.rows * d + k * order.rows + i % order.rows] = queries[i][k];
    const std::vector<float> zero(std::max(d, order.lanes)), low(order.n, -std::numeric_limits<float>::infinity());
    std::vector<float> norms(order.lanes);
    std::vector<const float*> rows(order.lanes);
    for (std::size_t first = 0; first < order.m; first += order.lanes) {
        for (std::size_t j = 0; j < order.lanes; ++j) rows[j] = base[first + j];
        kernels.pack(rows.data(), 1, zero.data(), d, &panels[first * d], norms.data());
    }
    return timed<Hit>(
        order, compare, rounds,
        [&](std::size_t row, std::size_t count, std::size_t first, Hit* hits) {
            return kernels.screen(&groups[row * d], count, &panels[first * d], zero.data(), d, &low[row], high + row, hits);
        },
        [&](std::size_t row, std::size_t count, std::size_t first) {
            return kernels.products(&groups[row * d], count, &panels[first * d], zero.data(), d);
        });
}

namespace {

// Codes as they are: bytes, or the upper halves of floats.
template <class Format>
TileLoop quantised_loop(const Rows<typename Format::Code>& queries, const Rows<typename Format::Code>& base, const float* high,
                        bool compare, std::size_t rounds) {
    using Code = typename Format::Code;
    const QuantisedKernels& kernels = Format::table(kernels_in_use());
    const std::size_t d = base.width;
    const QuantisedLayout layout(kernels, d);
    const Order order{queries.count, kernels.rows,  kernels.groups,
                      base.count,    kernels.lanes, QuantisedScreen<Format>::most_rows(kernels, d)};
    order.check();
    AlignedVector<Code> codes(order.n * layout.width()), panels(order.m * layout.width());
    std::vector<std::int32_t> start(order.n);
    for (std::size_t i = 0; i < order.n; ++i)
        layout.components(d, [&](std::size_t k, std::size_t at) {
            codes[layout.query(i) + at] = queries[i][k];
            start[i] -= kernels.offset * queries[i][k];
        });
    const std::size_t each = layout.per_word;
    for (std::size_t j = 0; j < order.m; ++j)
        for (std::size_t k = 0; k < d; ++k)
            panels[j / order.lanes * order.lanes * layout.width() + (k / each * order.lanes + j % order.lanes) * each +
                   k % each] = static_cast<Code>(base[j][k] + kernels.offset);
    const std::vector<float> ones(std::max(order.n, order.lanes), 1), zeros(std::max(order.n, order.lanes));
    const auto of_queries = [&](std::size_t row) {
        return QuantisedQueries{
            &codes[row * layout.width()], &start[row], ones.data(), zeros.data(), zeros.data(), high + row, zeros.data()};
    };
    const auto of_panel = [&](std::size_t first) {
        return QuantisedPanel{&panels[first * layout.width()], ones.data(), zeros.data(), zeros.data(), zeros.data()};
    };
    const QuantisedTiles tiles(kernels, layout);
    return timed<Hit>(
        order, compare, rounds,
        [&](std::size_t row, std::size_t count, std::size_t first, Hit* hits) {
            return kernels.screen(of_queries(row), count, of_panel(first), layout.words, hits);
        },
        [&](std::size_t row, std::size_t count, std::size_t first) {
            return kernels.products(of_queries(row), count, of_panel(first), layout.words);
        });
}

}  // namespace

TileLoop tile_loop(const Rows<std::int8_t>& queries, const Rows<std::int8_t>& base, const float* high, bool compare,
                   std::size_t rounds) {
    return quantised_loop<Int8>(queries, base, high, compare, rounds);
}

TileLoop tile_loop(const Rows<std::uint16_t>& queries, const Rows<std::uint16_t>& base, const float* high, bool compare,
                   std::size_t rounds) {
    return quantised_loop<BFloat16>(queries, base, high, compare, rounds);
}

TileLoop tile_loop(const Codes& queries, const Codes& base, const float* high, bool compare, std::size_t rounds) {
    const CodeKernels& kernels = kernels_in_use().codes;
    const std::size_t bytes = base.width;
    const Order order{queries.count, kernels.rows,  CodeScreen::most_groups(kernels, bytes),
                      base.count,    kernels.lanes, CodeScreen::most_rows(kernels, bytes)};
    order.check();
    AlignedVector<std::uint8_t> groups(order.n / order.rows * bytes * kernels.query),
        panels(order.m / order.lanes * bytes * kernels.panel);
    std::vector<const std::uint8_t*> rows(std::max(order.rows, order.lanes));
    const auto group = [&](std::size_t row) { return &groups[row / order.rows * bytes * kernels.query]; };
    const auto panel = [&](std::size_t first) { return &panels[first / order.lanes * bytes * kernels.panel]; };
    for (std::size_t row = 0; row < order.n; row += order.rows) {
        for (std::size_t r = 0; r < order.rows; ++r) rows[r] = queries[row + r];
        kernels.prepare(rows.data(), bytes, group(row));
    }
    for (std::size_t first = 0; first < order.m; first += order.lanes) {
        for (std::size_t j = 0; j < order.lanes; ++j) rows[j] = base[first + j];
        kernels.pack(rows.data(), bytes, panel(first));
    }
    std::vector<std::uint32_t> stop(order.n);
    for (std::size_t i = 0; i < order.n; ++i) stop[i] = CodeScreen::stop(high[i], bytes);
    return timed<CodeHit>(
        order, compare, rounds,
        [&](std::size_t row, std::size_t count, std::size_t first, CodeHit* hits) {
            return kernels.screen(group(row), count, panel(first), bytes, &stop[row], hits);
        },
        [&](std::size_t row, std::size_t count, std::size_t first) {
            return kernels.products(group(row), count, panel(first), bytes);
        });
}

double peak(const std::string& family, std::size_t steps) {
    const Kernels kernels = kernels_in_use();
    float numbers[4] = {0.5f, 0.25f, 0.75f, 1.0f};
    std::int32_t words[4] = {0x01020304, 0x11121314, 0x21222324}, pairs[4] = {0x3f803f00, 0x3e803f40, 0x3fc03f20};
    std::uint8_t bytes[64] = {3, 7};
    if (family == "tile") return kernels.tile.peak(steps, numbers);
    if (family == "int8") return kernels.int8.peak(steps, words);
    if (family == "bf16") return kernels.bf16.peak(steps, pairs);
    if (family == "codes") return kernels.codes.peak(steps, bytes);
    throw std::invalid_argument("expected tile, int8, bf16 or codes, got '" + family + "'");
}

}  // namespace hardmine
