// The canonical sums: float64, eight lanes whatever the machine, in one vector of AVX-512, two of AVX2, four of SSE2 or NEON,
// so that every table returns the same bits. Nothing is contracted.
#include "doubles.hpp"
#include "kernels.hpp"
#include "simd.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kParts = 8 / kDoubles;

struct Eight {
    Doubles part[kParts];
};

inline Eight widen(const float* p) {
    Eight e;
#pragma GCC unroll 4
    for (size_t i = 0; i < kParts; ++i) {
        Half half;
        memcpy(&half, p + i * kDoubles, sizeof half);
        e.part[i] = to_doubles(half);
    }
    return e;
}

// ((0+1)+(2+3))+((4+5)+(6+7)), by exchanges of neighbours, pairs and halves.
inline double total(const Eight& sums) {
#if HM_BYTES == 64
    Doubles v = sums.part[0];
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    return v[0] + v[4];
#elif HM_BYTES == 32
    Doubles v = sums.part[0], w = sums.part[1];
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2);
    w += __builtin_shufflevector(w, w, 1, 0, 3, 2);
    return (v[0] + v[2]) + (w[0] + w[2]);
#else
    double s[4];
    for (size_t i = 0; i < kParts; ++i) s[i] = sums.part[i][0] + sums.part[i][1];
    return (s[0] + s[1]) + (s[2] + s[3]);
#endif
}

// Sums term(a, b) over the components of the widened rows; the last few are filled up with zeros, whose term is zero.
template <class Term>
inline double sum_terms(const float* a, const float* b, size_t d, Term term) {
    Eight sums = {};
    auto add = [&](const float* x, const float* y) {
        const Eight u = widen(x), v = widen(y);
#pragma GCC unroll 4
        for (size_t i = 0; i < kParts; ++i) sums.part[i] += term(u.part[i], v.part[i]);
    };
    size_t k = 0;
    for (; k + 8 <= d; k += 8) add(a + k, b + k);
    if (k < d) {
        float x[8] = {}, y[8] = {};
        memcpy(x, a + k, (d - k) * sizeof(float));
        memcpy(y, b + k, (d - k) * sizeof(float));
        add(x, y);
    }
    return total(sums);
}

double sqeuclidean(const float* a, const float* b, size_t d) {
    return sum_terms(a, b, d, [](Doubles x, Doubles y) { return (x - y) * (x - y); });
}

double scaled_sqeuclidean(const float* a, double scale_a, const float* b, double scale_b, size_t d) {
    return sum_terms(a, b, d, [=](Doubles x, Doubles y) {
        const Doubles e = x * scale_a - y * scale_b;
        return e * e;
    });
}

double dot(const float* a, const float* b, size_t d) {
    return sum_terms(a, b, d, [](Doubles x, Doubles y) { return x * y; });
}

// Sums term(a, b, row) over the components of the widened row a and of each row b; see sum_terms.
template <class Term>
inline void sum_rows(const double* a, const float* const* rows, size_t count, size_t d, double* out, Term term) {
    constexpr size_t kRowsAtOnce = HM_BYTES >= 32 ? 4 : 2;  // whose sums stay in registers
    for (size_t first = 0; first < count; first += kRowsAtOnce) {
        const float* row[kRowsAtOnce];  // filled up with the last one
        for (size_t r = 0; r < kRowsAtOnce; ++r) row[r] = rows[first + r < count ? first + r : count - 1];
        Eight sums[kRowsAtOnce] = {};
        auto add = [&](size_t k, size_t r, const float* b) {
            Eight x;
            memcpy(&x, a + k, sizeof x);
            const Eight y = widen(b);
#pragma GCC unroll 4
            for (size_t i = 0; i < kParts; ++i) sums[r].part[i] += term(x.part[i], y.part[i], first + r);
        };
        size_t k = 0;
        for (; k + 8 <= d; k += 8)
#pragma GCC unroll 4
            for (size_t r = 0; r < kRowsAtOnce; ++r) add(k, r, row[r] + k);
        if (k < d)
            for (size_t r = 0; r < kRowsAtOnce; ++r) {
                float last[8] = {};
                memcpy(last, row[r] + k, (d - k) * sizeof(float));
                add(k, r, last);
            }
        for (size_t r = 0; r < kRowsAtOnce && first + r < count; ++r) out[first + r] = total(sums[r]);
    }
}

void sqeuclidean_rows(const double* a, const float* const* rows, size_t count, size_t d, double* out) {
    sum_rows(a, rows, count, d, out, [](Doubles x, Doubles y, size_t) { return (x - y) * (x - y); });
}

void scaled_sqeuclidean_rows(const double* a, const float* const* rows, const double* scales, size_t count, size_t d,
                             double* out) {
    sum_rows(a, rows, count, d, out, [=](Doubles x, Doubles y, size_t r) {
        const Doubles e = x - y * scales[r < count ? r : count - 1];
        return e * e;
    });
}

void dot_rows(const double* a, const float* const* rows, size_t count, size_t d, double* out) {
    sum_rows(a, rows, count, d, out, [](Doubles x, Doubles y, size_t) { return x * y; });
}

}  // namespace

extern const CanonicalKernels canonical;
constexpr CanonicalKernels canonical = {
    .name = HM_NAME,
    .sqeuclidean = sqeuclidean,
    .scaled_sqeuclidean = scaled_sqeuclidean,
    .dot = dot,
    .sqeuclidean_rows = sqeuclidean_rows,
    .scaled_sqeuclidean_rows = scaled_sqeuclidean_rows,
    .dot_rows = dot_rows,
};

}  // namespace HM_ISA
}  // namespace hardmine
