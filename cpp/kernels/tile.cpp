// The kernels of the tile: HM_ROWS queries by two vectors of base rows, whose sums stay in registers.
//
// One step in k costs two loads of the panel, HM_ROWS broadcasts and 2 x HM_ROWS multiply-adds. AVX2: 6 x 2 sums + 2 + 1 of 16
// registers; AVX-512: 14 x 2 + 2 + 1 of 32.
#include "doubles.hpp"
#include "kernels.hpp"
#include "simd.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kRows = HM_ROWS;
constexpr size_t kLanes = 2 * kWidth;

struct Tile {
    Vec sum[kRows][2];
};

inline Tile multiply(const float* q, const float* panel, const float* bias, size_t d) {
    Tile t;
    const Vec bias0 = load(bias), bias1 = load(bias + kWidth);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
        t.sum[r][0] = bias0;
        t.sum[r][1] = bias1;
    }
    for (size_t k = 0; k < d; ++k, q += kRows, panel += kLanes) {
        const Vec b0 = load(panel), b1 = load(panel + kWidth);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            const Vec a = spread(q[r]);
            t.sum[r][0] = fma(a, b0, t.sum[r][0]);
            t.sum[r][1] = fma(a, b1, t.sum[r][1]);
        }
    }
    return t;
}

// Writes the lanes whose bits are set as hits. Rare, so a loop over bits is enough.
inline size_t report(uint32_t set, const float* values, size_t row, Hit* hits) {
    size_t n = 0;
    for (; set; set &= set - 1) {
        const uint32_t lane = (uint32_t)__builtin_ctz(set);
        hits[n++] = {(uint32_t)row, lane, values[lane]};
    }
    return n;
}

// Packs panels and sums their squares; place(v, k, half) is what becomes of component k of the rows of a half.
template <class Place>
inline void pack_placed(const float* const* rows, size_t d, float* panel, float* norms, Place place) {
    for (size_t half = 0; half < 2; ++half) {
        const float* const* row = rows + half * kWidth;
        Vec squares[4] = {};
        size_t k = 0;
        for (; k + kWidth <= d; k += kWidth) {
            Vec v[kWidth];
#pragma GCC unroll 16
            for (size_t i = 0; i < kWidth; ++i) v[i] = load(row[i] + k);
            transpose(v);
#pragma GCC unroll 16
            for (size_t i = 0; i < kWidth; ++i) {
                const Vec x = place(v[i], k + i, half);
                store(panel + (k + i) * kLanes + half * kWidth, x);
                squares[i % 4] = fma(x, x, squares[i % 4]);
            }
        }
        for (; k < d; ++k) {
            Vec v;
            for (size_t i = 0; i < kWidth; ++i) v[i] = row[i][k];
            const Vec x = place(v, k, half);
            store(panel + k * kLanes + half * kWidth, x);
            squares[k % 4] = fma(x, x, squares[k % 4]);
        }
        store(norms + half * kWidth, (squares[0] + squares[1]) + (squares[2] + squares[3]));
    }
}

void pack(const float* const* rows, float scale, const float* origin, size_t d, float* panel, float* norms) {
    const Vec factor = spread(scale);
    pack_placed(rows, d, panel, norms, [=](Vec v, size_t k, size_t) { return fma(v, factor, -spread(origin[k])); });
}

size_t screen(const float* queries, size_t groups, const float* panel, const float* bias, size_t d, const float* low,
              const float* high, Hit* hits) {
    size_t n = 0;
    for (size_t g = 0; g < groups; ++g, queries += kRows * d, low += kRows, high += kRows) {
        const Tile t = multiply(queries, panel, bias, d);
        Mask passed = {};
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) passed |= at_most(smaller(t.sum[r][0], t.sum[r][1]), spread(high[r]));
        if (__builtin_expect(!any(passed), 1)) continue;
        for (size_t r = 0; r < kRows; ++r) {
            const Vec lo = spread(low[r]), hi = spread(high[r]);
            uint32_t set = 0;
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h) set |= bits(at_most(lo, t.sum[r][h]) & at_most(t.sum[r][h], hi)) << (h * kWidth);
            if (!set) continue;
            float values[kLanes];
            store(values, t.sum[r][0]);
            store(values + kWidth, t.sum[r][1]);
            n += report(set, values, g * kRows + r, hits + n);
        }
    }
    return n;
}

size_t screen_both(const float* queries, size_t groups, const float* panel, const float* bias, size_t d, const float* high,
                   const float* shift, const float* column_high, Hit* hits) {
    size_t n = 0;
    const Vec columns[2] = {load(column_high), load(column_high + kWidth)};
    for (size_t g = 0; g < groups; ++g, queries += kRows * d, high += kRows, shift += kRows) {
        const Tile t = multiply(queries, panel, bias, d);
        Mask passed = {};
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            passed |= at_most(smaller(t.sum[r][0], t.sum[r][1]), spread(high[r]));
            passed |= at_most(t.sum[r][0] + spread(shift[r]), columns[0]);
            passed |= at_most(t.sum[r][1] + spread(shift[r]), columns[1]);
        }
        if (__builtin_expect(!any(passed), 1)) continue;
        for (size_t r = 0; r < kRows; ++r) {
            uint32_t set = 0;
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h)
                set |= bits(at_most(t.sum[r][h], spread(high[r])) | at_most(t.sum[r][h] + spread(shift[r]), columns[h]))
                       << (h * kWidth);
            if (!set) continue;
            float values[kLanes];
            store(values, t.sum[r][0]);
            store(values + kWidth, t.sum[r][1]);
            n += report(set, values, g * kRows + r, hits + n);
        }
    }
    return n;
}

size_t dense(const float* queries, size_t n, const float* panel, const float* bias, size_t d, const float* row_bias,
             const float* doubt_row, const float* doubt, float floor, const float* unit, bool root, float* out, size_t stride,
             size_t m, Hit* hits) {
    size_t found = 0;
    for (size_t first = 0; first < n; first += kRows, queries += kRows * d) {
        const Tile t = multiply(queries, panel, bias, d);
        const size_t rows = n - first < kRows ? n - first : kRows;
        for (size_t r = 0; r < rows; ++r) {
            const size_t i = first + r;
            float values[kLanes];
            uint32_t set = 0;
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h) {
                const Vec v = t.sum[r][h] + spread(row_bias[i]);
                set |= bits(at_most(v, spread(doubt_row[i]) + load(doubt + h * kWidth))) << (h * kWidth);
                const Vec x = larger(v, spread(floor));
                store(values + h * kWidth, (root ? square_root(x) : x) * spread(unit[0]) * spread(unit[1]) + Vec{});
            }
            if (m == kLanes)
                memcpy(out + i * stride, values, sizeof values);
            else
                memcpy(out + i * stride, values, m * sizeof(float));
            if (__builtin_expect(set != 0, 0)) found += report(set, values, i, hits + found);
        }
    }
    return found;
}

// Without contraction: the product and the difference are rounded to float64, which costs 2^-53 of either.
void pack_unit(const float* const* rows, const double* factor, const double* origin, size_t d, float* panel, float* norms) {
    constexpr size_t kPieces = kWidth / kDoubles;
    pack_placed(rows, d, panel, norms, [=](Vec v, size_t k, size_t half) {
        Half pieces[kPieces];
        memcpy(pieces, &v, sizeof v);
#pragma GCC unroll 4
        for (size_t i = 0; i < kPieces; ++i) {
            Doubles by;
            memcpy(&by, factor + half * kWidth + i * kDoubles, sizeof by);
            pieces[i] = to_floats(to_doubles(pieces[i]) * by - origin[k]);
        }
        Vec x;
        memcpy(&x, pieces, sizeof x);
        return x;
    });
}

double peak(size_t steps, float* sink) {
    Vec sums[2 * kRows];
    for (size_t i = 0; i < 2 * kRows; ++i) sums[i] = spread(sink[i % 4]);
    const Vec a = spread(sink[0]), b = spread(sink[1]);
    for (size_t s = 0; s < steps; ++s)
#pragma GCC unroll 32
        for (size_t i = 0; i < 2 * kRows; ++i) sums[i] = fma(sums[i], a, b);
    for (size_t i = 1; i < 2 * kRows; ++i) sums[0] += sums[i];
    sink[0] = sum(sums[0]);
    return 2.0 * (double)steps * 2 * kRows * kWidth;
}

uint32_t products(const float* queries, size_t groups, const float* panel, const float* bias, size_t d) {
    Ints mixed[2] = {};
    for (size_t g = 0; g < groups; ++g, queries += kRows * d) {
        const Tile t = multiply(queries, panel, bias, d);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            mixed[0] ^= (Ints)t.sum[r][0];
            mixed[1] ^= (Ints)t.sum[r][1];
        }
    }
    return exclusive_or(mixed[0] ^ mixed[1]);
}

}  // namespace

extern const TileKernels tile;
constexpr TileKernels tile = {
    .name = HM_NAME,
    .rows = kRows,
    .lanes = kLanes,
    .pack = pack,
    .pack_unit = pack_unit,
    .screen = screen,
    .screen_both = screen_both,
    .dense = dense,
    .peak = peak,
    .products = products,
};

}  // namespace HM_ISA
}  // namespace hardmine
