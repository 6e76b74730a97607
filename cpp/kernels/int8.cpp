// The kernels of rows as int8: HM_ROWS queries by two vectors of base rows, four components ("a quad") at a step.
//
// What differs between the sets is one function, add_products: a vector of unsigned bytes by a vector of signed ones, of which
// each four neighbours are added to an int32. The bytes of a panel carry an offset that makes them unsigned; the sums start at
// what it adds to them. Sums wrap around, so that only the last one has to fit into int32.
#include "kernels.hpp"
#include "simd.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kRows = HM_ROWS;
constexpr size_t kLanes = 2 * kWidth;

typedef uint32_t Unsigned __attribute__((vector_size(HM_BYTES)));

// Instructions for bytes add two products in 16 bits, with saturation: a side of 7 bits leaves room for both.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr int32_t kMost = 127;
#define HM_GAIN 3.5f
#elif defined(__AVX2__)
constexpr int32_t kMost = 63;
#define HM_GAIN 1.5f
#else  // no such instructions
#define HM_GAIN 0.0f
constexpr int32_t kMost = 63;
#endif
constexpr int32_t kOffset = kMost + 1;

inline Ints wrapping_sum(Ints a, Ints b) { return (Ints)((Unsigned)a + (Unsigned)b); }

inline Ints add_products(Ints sum, Ints bytes, Ints signed_bytes) {
#if HM_BYTES == 64 && defined(__AVX512VNNI__)
    return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)bytes, (__m512i)signed_bytes);
#elif HM_BYTES == 32 && defined(__AVXVNNI__)
    return (Ints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)bytes, (__m256i)signed_bytes);
#elif HM_BYTES == 64 && defined(__AVX512BW__)
    const __m512i pairs = _mm512_maddubs_epi16((__m512i)bytes, (__m512i)signed_bytes);
    return wrapping_sum(sum, (Ints)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#elif HM_BYTES == 32 && defined(__AVX2__)
    const __m256i pairs = _mm256_maddubs_epi16((__m256i)bytes, (__m256i)signed_bytes);
    return wrapping_sum(sum, (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#else
#pragma GCC unroll 4
    for (int shift = 0; shift < 32; shift += 8) {
        const Unsigned factor = (Unsigned)((Ints)((Unsigned)signed_bytes << (24 - shift)) >> 24);
        sum = wrapping_sum(sum, (Ints)(((Unsigned)bytes >> shift & 255) * factor));
    }
    return sum;
#endif
}

inline Ints load_ints(const void* p) {
    Ints v;
    memcpy(&v, p, sizeof v);
    return v;
}
inline Ints spread_int(int32_t x) { return x - Ints{}; }

inline Vec to_floats(Ints v) { return __builtin_convertvector(v, Vec); }

// To the nearest integer, for |v| < 2^22: what the addition drops is rounded to even.
inline Ints nearest(Vec v) {
    const Vec magic = spread(0x1.8p23f);
    return (Ints)(v + magic) - (Ints)magic;
}

struct Tile {
    Vec value[kRows][2];
};

inline Tile multiply(const Int8Queries& q, size_t g, const Int8Panel& panel, size_t quads) {
    const int8_t* query = q.codes + g * kRows * quads * 4;
    const uint8_t* base = panel.codes;
    Ints sum[kRows][2];
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = spread_int(q.start[g * kRows + r]);
    for (size_t k = 0; k < quads; ++k, query += 4 * kRows, base += 4 * kLanes) {
        const Ints b0 = load_ints(base), b1 = load_ints(base + HM_BYTES);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            int32_t quad;
            memcpy(&quad, query + 4 * r, sizeof quad);
            const Ints a = spread_int(quad);
            sum[r][0] = add_products(sum[r][0], b0, a);
            sum[r][1] = add_products(sum[r][1], b1, a);
        }
    }
    const Vec scale0 = load(panel.scale), scale1 = load(panel.scale + kWidth);
    const Vec bias0 = load(panel.bias), bias1 = load(panel.bias + kWidth);
    Tile t;
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
        const Vec factor = spread(q.factor[g * kRows + r]);
        t.value[r][0] = fma(to_floats(sum[r][0]) * scale0, factor, bias0);
        t.value[r][1] = fma(to_floats(sum[r][1]) * scale1, factor, bias1);
    }
    return t;
}

// How much less than its value the true one of a pair can be: of query i and each lane, and at most.
inline Vec blur(const Int8Queries& q, size_t i, const Int8Panel& panel, size_t half) {
    return fma(spread(q.length[i]), load(panel.residual + half * kWidth),
               spread(q.residual[i]) * load(panel.length + half * kWidth));
}
struct Worst {
    float residual, length;
    explicit Worst(const Int8Panel& panel) : residual(panel.residual[0]), length(panel.length[0]) {
        for (size_t j = 1; j < kLanes; ++j) {
            if (panel.residual[j] > residual) residual = panel.residual[j];
            if (panel.length[j] > length) length = panel.length[j];
        }
    }
    float blur(const Int8Queries& q, size_t i) const { return q.length[i] * residual + q.residual[i] * length; }
};

inline size_t report(uint32_t set, const Vec* value, size_t row, Hit* hits) {
    float values[kLanes];
    store(values, value[0]);
    store(values + kWidth, value[1]);
    size_t n = 0;
    for (; set; set &= set - 1) {
        const uint32_t lane = (uint32_t)__builtin_ctz(set);
        hits[n++] = {(uint32_t)row, lane, values[lane]};
    }
    return n;
}

// First with the worst lane for all, which costs a number a query; then, rarely, with each lane's own.
size_t screen(const Int8Queries& q, size_t groups, const Int8Panel& panel, size_t quads, Hit* hits) {
    const Worst worst(panel);
    size_t n = 0;
    for (size_t g = 0; g < groups; ++g) {
        const size_t first = g * kRows;
        float high[kRows];
        for (size_t r = 0; r < kRows; ++r) high[r] = q.high[first + r] + worst.blur(q, first + r);
        const Tile t = multiply(q, g, panel, quads);
        Mask passed = {};
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) passed |= at_most(smaller(t.value[r][0], t.value[r][1]), spread(high[r]));
        if (__builtin_expect(!any(passed), 1)) continue;
        for (size_t r = 0; r < kRows; ++r) {
            if (!any(at_most(smaller(t.value[r][0], t.value[r][1]), spread(high[r])))) continue;
            uint32_t set = 0;
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h)
                set |= bits(at_most(t.value[r][h] - blur(q, first + r, panel, h), spread(q.high[first + r]))) << (h * kWidth);
            if (set) n += report(set, t.value[r], first + r, hits + n);
        }
    }
    return n;
}

// The blur is taken from the value and not from `shift`, beside which it may be lost.
size_t screen_both(const Int8Queries& q, size_t groups, const Int8Panel& panel, const float* column_high, size_t quads,
                   Hit* hits) {
    const Worst worst(panel);
    size_t n = 0;
    const Vec columns[2] = {load(column_high), load(column_high + kWidth)};
    for (size_t g = 0; g < groups; ++g) {
        const size_t first = g * kRows;
        float wide[kRows];
        for (size_t r = 0; r < kRows; ++r) wide[r] = worst.blur(q, first + r);
        const Tile t = multiply(q, g, panel, quads);
        Mask passed = {};
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            const Vec v0 = t.value[r][0] - spread(wide[r]), v1 = t.value[r][1] - spread(wide[r]);
            passed |= at_most(smaller(v0, v1), spread(q.high[first + r]));
            passed |= at_most(v0 + spread(q.shift[first + r]), columns[0]);
            passed |= at_most(v1 + spread(q.shift[first + r]), columns[1]);
        }
        if (__builtin_expect(!any(passed), 1)) continue;
        for (size_t r = 0; r < kRows; ++r) {
            uint32_t set = 0;
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h) {
                const Vec v = t.value[r][h] - blur(q, first + r, panel, h);
                set |= bits(at_most(v, spread(q.high[first + r])) | at_most(v + spread(q.shift[first + r]), columns[h]))
                       << (h * kWidth);
            }
            if (set) n += report(set, t.value[r], first + r, hits + n);
        }
    }
    return n;
}

// Lanes side by side: no transposition, and a quad of a lane is put together by shifts.
void quantise(const float* panel, size_t d, uint8_t* codes, float* scale, float* residual, float* length) {
    for (size_t h = 0; h < 2; ++h, panel += kWidth, codes += HM_BYTES) {
        Vec most = {};
        for (size_t k = 0; k < d; ++k) {
            const Vec x = load(panel + k * kLanes);
            most = larger(most, larger(x, -x));
        }
        const Vec unit = most / spread((float)kMost), inverse = spread((float)kMost) / most;
        Vec residuals = {}, lengths = {};
        for (size_t k = 0; k < d; k += 4) {
            Unsigned quad = {};
#pragma GCC unroll 4
            for (size_t i = 0; i < 4; ++i) {
                Ints code = {};
                if (k + i < d) {
                    const Vec x = load(panel + (k + i) * kLanes);
                    code = nearest(most > 0 ? x * inverse : Vec{});
                    code = code > kMost ? spread_int(kMost) : code < -kMost ? spread_int(-kMost) : code;
                    const Vec whole = to_floats(code) * unit, rest = x - whole;
                    residuals = fma(rest, rest, residuals);
                    lengths = fma(whole, whole, lengths);
                }
                quad |= (Unsigned)(code + kOffset) << (8 * (int)i);
            }
            memcpy(codes + k * kLanes, &quad, sizeof quad);
        }
        store(scale + h * kWidth, unit);
        store(residual + h * kWidth, residuals);
        store(length + h * kWidth, lengths);
    }
}

}  // namespace

extern const Int8Kernels int8;
constexpr Int8Kernels int8 = {
    .name = HM_NAME,
    .rows = kRows,
    .lanes = kLanes,
    .offset = kOffset,
    .gain = HM_GAIN,
    .quantise = quantise,
    .screen = screen,
    .screen_both = screen_both,
};

}  // namespace HM_ISA
}  // namespace hardmine
