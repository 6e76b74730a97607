// The tables of bytes for aarch64 beside the generic one, the emulated tiles and plain sums: the same hits, in the same order,
// with the same values to the bit.
//
// Built by test_aarch64.py for aarch64, with the objects of the tables; it runs there or under qemu. Prints the tables that
// this CPU runs, each with the number of trials.
#include <sys/auxv.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/quantised_layout.hpp"
#include "screens/quantised_trial.hpp"

namespace hardmine {
namespace generic {
extern const QuantisedKernels int8;
}
namespace dotprod {
extern const QuantisedKernels int8;
}
namespace i8mm {
extern const QuantisedKernels int8;
}
namespace tiles {
extern const QuantisedKernels int8;
}
}  // namespace hardmine

using namespace hardmine;

namespace {

std::minstd_rand draws(7);
int trials = 0;

float draw() { return static_cast<float>(draws() % 2001) / 1000.0f - 1.0f; }  // from -1 to 1

void demand(bool good, const char* what, const QuantisedKernels& kernels, std::size_t d) {
    if (good) return;
    std::fprintf(stderr, "%s: %s in %zu dimensions\n", kernels.name, what, d);
    std::exit(1);
}

bool same(const std::vector<Hit>& a, const std::vector<Hit>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Hit& x, const Hit& y) {
        return x.row == y.row && x.lane == y.lane &&
               std::bit_cast<std::uint32_t>(x.value) == std::bit_cast<std::uint32_t>(y.value);
    });
}

// Bytes up to `most`: random, at either end, or all alike.
enum Kind { kRandom, kEnds, kMost, kLeast };
void fill(std::vector<std::int8_t>& codes, Kind kind, int most) {
    for (auto& code : codes) {
        const int x = static_cast<int>(draws() % static_cast<unsigned>(2 * most + 1)) - most;
        code = static_cast<std::int8_t>(kind == kRandom  ? x
                                        : kind == kMost  ? most
                                        : kind == kLeast ? -most
                                        : x < 0          ? -most
                                                         : most);
    }
}

// Every pair passes: its value is the plain sum, which may be as large as int32 is.
void products(const QuantisedKernels& kernels, Kind queries, Kind base, std::size_t n, std::size_t d) {
    QuantisedTrial trial(n, 1 + draws() % kernels.lanes, d);
    fill(trial.queries, queries, 127);
    fill(trial.base, base, kernels.offset ? kernels.offset - 1 : 127);
    std::vector<Hit> expected;
    for (std::size_t i = 0; i < trial.n; ++i)
        for (std::size_t j = 0; j < trial.m; ++j) {
            std::int64_t sum = 0;
            for (std::size_t k = 0; k < d; ++k) sum += trial.queries[i * d + k] * trial.base[j * d + k];
            expected.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j), static_cast<float>(sum)});
        }
    demand(same(trial.hits(kernels, false), expected), "products", kernels, d);
    ++trials;
}

// Some pairs pass, by rows or by rows and columns, with blurs: as many lanes, and base rows of seven bits for the generic one.
void tests(const QuantisedKernels& kernels, const QuantisedKernels& other, Kind queries, Kind base, std::size_t n,
           std::size_t d) {
    QuantisedTrial trial(n, 1 + draws() % std::min(kernels.lanes, other.lanes), d);
    fill(trial.queries, queries, 127);
    fill(trial.base, base, 63);
    const float usual = 5'000.0f * (queries == kRandom ? std::sqrt(static_cast<float>(d)) : static_cast<float>(d));
    for (std::size_t i = 0; i < n; ++i) {
        trial.factor[i] = draw();
        trial.length[i] = 1 + draw();
        trial.residual[i] = 1 + draw();
        trial.high[i] = usual * draw() / 4;
        trial.shift[i] = usual * draw() / 4;
    }
    for (std::size_t j = 0; j < trial.m; ++j) {
        trial.scale[j] = 1 + draw() / 2;
        trial.bias[j] = usual * draw();
        trial.base_residual[j] = usual * (1 + draw()) / 16;
        trial.base_length[j] = usual * (1 + draw()) / 16;
        trial.column_high[j] = usual * (draw() / 2 - 1);
    }
    for (const bool both : {false, true})
        demand(same(trial.hits(kernels, both), trial.hits(other, both)), both ? "both sides" : "rows", kernels, d);
    ++trials;
}

// Floats become the same bytes, scales and norms in every lane, whatever the panel's width.
void quantised(const QuantisedKernels& kernels, const QuantisedKernels& other, std::size_t d) {
    struct Panel {
        std::vector<std::uint8_t> codes;
        std::vector<float> scale, residual, length;
    };
    std::vector<float> floats(d * std::max(kernels.lanes, other.lanes));
    for (auto& x : floats) x = draws() % 9 ? draw() * std::ldexp(1.0f, static_cast<int>(draws() % 40) - 20) : 0;
    const std::size_t common = std::min(kernels.lanes, other.lanes);
    const auto made = [&](const QuantisedKernels& table) {
        std::vector<float> panel(d * table.lanes);
        for (std::size_t k = 0; k < d; ++k)
            for (std::size_t j = 0; j < common; ++j) panel[k * table.lanes + j] = floats[k * common + j];
        Panel of{std::vector<std::uint8_t>((d + 3) / 4 * 4 * table.lanes), std::vector<float>(table.lanes),
                 std::vector<float>(table.lanes), std::vector<float>(table.lanes)};
        table.quantise(panel.data(), d, of.codes.data(), of.scale.data(), of.residual.data(), of.length.data());
        return of;
    };
    const Panel a = made(kernels), b = made(other);
    for (std::size_t j = 0; j < common; ++j) {
        demand(a.scale[j] == b.scale[j] && a.residual[j] == b.residual[j] && a.length[j] == b.length[j], "norms", kernels, d);
        for (std::size_t k = 0; k < d; ++k)
            demand(a.codes[(k / 4 * kernels.lanes + j) * 4 + k % 4] == b.codes[(k / 4 * other.lanes + j) * 4 + k % 4], "bytes",
                   kernels, d);
    }
    ++trials;
}

void judge(const QuantisedKernels& kernels) {
    trials = 0;
    constexpr Kind kKinds[][2] = {{kRandom, kRandom}, {kEnds, kEnds}, {kMost, kMost}, {kMost, kLeast}, {kRandom, kEnds}};
    for (std::size_t d = 1; d <= 70; ++d)
        for (const auto& [queries, base] : kKinds) {
            const std::size_t n = 1 + draws() % 50;
            products(kernels, queries, base, n, d);
            tests(kernels, generic::int8, queries, base, n, d);
        }
    for (const std::size_t d : {127ul, 128ul, 129ul, 255ul, 300ul, 1040ul}) {
        for (const auto& [queries, base] : kKinds) {
            products(kernels, queries, base, 13, d);
            tests(kernels, generic::int8, queries, base, 13, d);
        }
        quantised(kernels, tiles::int8, d);
    }
    for (std::size_t d = 1; d < 20; ++d) quantised(kernels, tiles::int8, d);
    for (const Kind base : {kMost, kLeast, kEnds}) products(kernels, kMost, base, 2, 1u << 17);  // just fits into int32
    demand(same_products(kernels, tiles::int8) && same_products(tiles::int8, kernels), "a trial beside emulated tiles",
           kernels, 260);
    std::int32_t sink[4] = {1, 2, 3};
    demand(kernels.peak(10, sink) * 2 == kernels.peak(20, sink), "the peak", kernels, 0);
    std::printf("%s %d\n", kernels.name, trials);
}

}  // namespace

int main() {
    if (getauxval(AT_HWCAP) >> 20 & 1) judge(dotprod::int8);
    if (getauxval(AT_HWCAP2) >> 13 & 1) judge(i8mm::int8);
}
