// The kernels for few queries: whole rows, where they lie.
#include "kernels.hpp"
#include "simd.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

// Q queries against one row: Q x 2 running sums hide the latency of the multiply-add, and the row is loaded once for all.
template <size_t Q, bool kDifference>
inline void sum_few(const float* const* queries, const float* row, size_t d, float* out, float* norm) {
    Vec sums[Q][2] = {}, squares[2] = {};
    size_t k = 0;
    for (; k + 2 * kWidth <= d; k += 2 * kWidth)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; ++h) {
            const Vec b = load(row + k + h * kWidth);
            if (!kDifference) squares[h] = fma(b, b, squares[h]);
#pragma GCC unroll 4
            for (size_t i = 0; i < Q; ++i) {
                const Vec a = load(queries[i] + k + h * kWidth);
                const Vec e = a - b;
                sums[i][h] = kDifference ? fma(e, e, sums[i][h]) : fma(a, b, sums[i][h]);
            }
        }
    float tail[Q + 1] = {};
    for (; k < d; ++k) {
        tail[Q] += row[k] * row[k];
        for (size_t i = 0; i < Q; ++i) {
            const float e = queries[i][k] - row[k];
            tail[i] += kDifference ? e * e : queries[i][k] * row[k];
        }
    }
    for (size_t i = 0; i < Q; ++i) out[i] = sum(sums[i][0] + sums[i][1]) + tail[i];
    if (!kDifference) *norm = sum(squares[0] + squares[1]) + tail[Q];
}

template <bool kDifference>
inline void few_rows(const float* const* queries, size_t n, const float* const* rows, size_t count, size_t d, float* out,
                     float* norms) {
    for (size_t r = 0; r < count; ++r, out += n) {
        float unused;
        float* norm = kDifference ? &unused : norms + r;
        size_t i = 0;
        for (; i + 4 <= n; i += 4) sum_few<4, kDifference>(queries + i, rows[r], d, out + i, norm);
        for (; i + 2 <= n; i += 2) sum_few<2, kDifference>(queries + i, rows[r], d, out + i, norm);
        for (; i < n; ++i) sum_few<1, kDifference>(queries + i, rows[r], d, out + i, norm);
    }
}

void sqeuclidean(const float* const* queries, size_t n, const float* const* rows, size_t count, size_t d, float* out) {
    few_rows<true>(queries, n, rows, count, d, out, nullptr);
}

void dot(const float* const* queries, size_t n, const float* const* rows, size_t count, size_t d, float* out, float* norms) {
    few_rows<false>(queries, n, rows, count, d, out, norms);
}

// P pairs side by side hide the latency of their chains, and of memory.
template <size_t P, bool kDifference>
inline void sum_pairs(const float* const* a, const float* scale_a, const float* const* b, const float* scale_b, size_t d,
                      float* out) {
    Vec sums[P] = {};
    size_t k = 0;
    for (; k + kWidth <= d; k += kWidth)
#pragma GCC unroll 4
        for (size_t p = 0; p < P; ++p) {
            const Vec x = load(a[p] + k), y = load(b[p] + k) * spread(scale_b[p]);
            const Vec e = kDifference ? fma(x, spread(scale_a[p]), -y) : x * spread(scale_a[p]);
            sums[p] = fma(e, kDifference ? e : y, sums[p]);
        }
    for (size_t p = 0; p < P; ++p) {
        float tail = 0;
        for (size_t i = k; i < d; ++i) {
            const float x = a[p][i] * scale_a[p], y = b[p][i] * scale_b[p];
            tail += kDifference ? (x - y) * (x - y) : x * y;
        }
        out[p] = sum(sums[p]) + tail;
    }
}

template <bool kDifference>
inline void all_pairs(const float* const* a, const float* scale_a, const float* const* b, const float* scale_b, size_t count,
                      size_t d, float* out) {
    size_t p = 0;
    for (; p + 4 <= count; p += 4) sum_pairs<4, kDifference>(a + p, scale_a + p, b + p, scale_b + p, d, out + p);
    for (; p < count; ++p) sum_pairs<1, kDifference>(a + p, scale_a + p, b + p, scale_b + p, d, out + p);
}

void sqeuclidean_pairs(const float* const* a, const float* scale_a, const float* const* b, const float* scale_b, size_t count,
                       size_t d, float* out) {
    all_pairs<true>(a, scale_a, b, scale_b, count, d, out);
}

void dot_pairs(const float* const* a, const float* scale_a, const float* const* b, const float* scale_b, size_t count,
               size_t d, float* out) {
    all_pairs<false>(a, scale_a, b, scale_b, count, d, out);
}

}  // namespace

extern const FewKernels few;
constexpr FewKernels few = {
    .name = HM_NAME,
    .sqeuclidean = sqeuclidean,
    .dot = dot,
    .sqeuclidean_pairs = sqeuclidean_pairs,
    .dot_pairs = dot_pairs,
};

}  // namespace HM_ISA
}  // namespace hardmine
