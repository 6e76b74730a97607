// The product of bytes in vector registers: a vector of unsigned bytes by a vector of signed ones, of which each four neighbours
// are added to an int32.
//
// The bytes of a panel carry an offset that makes them unsigned, but for aarch64, which multiplies signed ones; the sums start at
// what it adds to them. Sums wrap around, so that only the last one has to fit into int32.
#pragma once

#include "quantised_epilogue.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

// Instructions for bytes add two products in 16 bits, with saturation: a side of 7 bits leaves room for both.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr int32_t kMost = 127;
constexpr float kGain = 3.5f;
constexpr int32_t kOffset = kMost + 1;
constexpr bool kFused = true;         // products and their sum by one instruction
#elif defined(__ARM_FEATURE_DOTPROD)  // of signed bytes: no offset
constexpr int32_t kMost = 127;
constexpr float kGain = 2;  // not measured: half of what the instructions multiply, beside those of floats
constexpr int32_t kOffset = 0;
constexpr bool kFused = true;
#elif defined(__AVX2__)
constexpr int32_t kMost = 63;
constexpr float kGain = 1.5f;
constexpr int32_t kOffset = kMost + 1;
constexpr bool kFused = false;
#else  // no such instructions
constexpr int32_t kMost = 63;
constexpr float kGain = 0;
constexpr int32_t kOffset = kMost + 1;
constexpr bool kFused = false;
#endif

#if HM_BYTES == 16 && defined(__ARM_FEATURE_MATMUL_INT8)
// Two words of two lanes, and of two queries: sums (0, 0), (0, 1), (1, 0), (1, 1). What they make of rows is in int8_matrices.hpp.
constexpr size_t kRun = 2;
#else
constexpr size_t kRun = 1;
#endif

struct Product {
    typedef Ints Sum;
    static constexpr double kAdded = 4 * kRun;
    static constexpr bool kOneStep = kFused;
    static Ints first(const QuantisedQueries& q, size_t i) { return spread_int(q.start[i]); }
    static Ints add(Ints sum, Ints bytes, Ints signed_bytes) {
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
#elif HM_BYTES == 16 && defined(__ARM_FEATURE_MATMUL_INT8)
        return (Ints)vmmlaq_s32((int32x4_t)sum, (int8x16_t)signed_bytes, (int8x16_t)bytes);
#elif HM_BYTES == 16 && defined(__ARM_FEATURE_DOTPROD)
        return (Ints)vdotq_s32((int32x4_t)sum, (int8x16_t)bytes, (int8x16_t)signed_bytes);
#else
#pragma GCC unroll 4
        for (int shift = 0; shift < 32; shift += 8) {
            const Unsigned factor = (Unsigned)((Ints)((Unsigned)signed_bytes << (24 - shift)) >> 24);
            sum = wrapping_sum(sum, (Ints)(((Unsigned)bytes >> shift & 255) * factor));
        }
        return sum;
#endif
    }
};

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
