// The few vector operations the kernels need, on the compilers' own vector types. HM_BYTES is the vector width in bytes.
//
// The whole project is compiled with -ffp-contract=off and the fused multiply-add is spelled here, so that a product and a sum
// are fused exactly where it is written and nowhere else. Intrinsics appear only where the vector types have no word: the
// fused multiply-add and one bit per lane of a comparison. Without FMA (the generic x86-64 table) the product is rounded
// first.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define HM_TEXT(x) #x
#define HM_TEXT_OF(x) HM_TEXT(x)
#define HM_NAME HM_TEXT_OF(HM_ISA)  // of a table

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kWidth = HM_BYTES / 4;  // floats in a vector

typedef float Vec __attribute__((vector_size(HM_BYTES)));
typedef int32_t Ints __attribute__((vector_size(HM_BYTES)));

inline Vec load(const float* p) {
    Vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float* p, Vec v) { memcpy(p, &v, sizeof v); }

// x - 0 is x, bit for bit, and compilers know it: one broadcast.
inline Vec spread(float x) { return x - Vec{}; }

inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }
inline Vec smaller(Vec a, Vec b) { return a < b ? a : b; }

inline Vec fma(Vec a, Vec b, Vec c) {
#if HM_BYTES == 64 && defined(__AVX512F__)
    return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif HM_BYTES == 32 && defined(__FMA__)
    return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif HM_BYTES == 16 && defined(__ARM_NEON)
    return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__FMA__) || defined(__aarch64__)
    for (size_t i = 0; i < kWidth; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}

// a <= b in each lane: a mask register with AVX-512, a vector elsewhere.
#if HM_BYTES == 64 && defined(__AVX512F__)
typedef __mmask16 Mask;
inline Mask at_most(Vec a, Vec b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ); }
inline uint32_t bits(Mask mask) { return mask; }
inline bool any(Mask mask) { return mask != 0; }
#else
typedef Ints Mask;
inline Mask at_most(Vec a, Vec b) { return a <= b; }
inline uint32_t bits(Mask mask) {  // one bit a lane
#if HM_BYTES == 32 && defined(__AVX__)
    return (uint32_t)_mm256_movemask_ps((__m256)mask);
#else
    uint32_t set = 0;
    for (size_t i = 0; i < kWidth; ++i) set |= (uint32_t)(mask[i] & 1) << i;
    return set;
#endif
}
inline bool any(Mask mask) {
#if HM_BYTES == 16 && defined(__aarch64__)
    return vmaxvq_u32((uint32x4_t)mask) != 0;
#else
    return bits(mask) != 0;
#endif
}
#endif

// Correctly rounded on every CPU, hence the same bits.
inline Vec square_root(Vec v) {
#if HM_BYTES == 64 && defined(__AVX512F__)
    return (Vec)_mm512_mask_sqrt_ps((__m512)v, 0xffff, (__m512)v);  // the plain one trips GCC's warning of uninitialised use
#elif HM_BYTES == 32 && defined(__AVX__)
    return (Vec)_mm256_sqrt_ps((__m256)v);
#else
    for (size_t i = 0; i < kWidth; ++i) v[i] = __builtin_sqrtf(v[i]);
    return v;
#endif
}

inline float sum(Vec v) {
    float total = 0;
    for (size_t i = 0; i < kWidth; ++i) total += v[i];
    return total;
}

inline uint32_t exclusive_or(Ints v) {
    uint32_t total = 0;
    for (size_t i = 0; i < kWidth; ++i) total ^= (uint32_t)v[i];
    return total;
}

// The first (half = 0) or second (half = 1) kWidth elements of a[0] b[0] a[1] b[1] ...
template <size_t half>
inline Vec zip(Vec a, Vec b) {
    constexpr int w = (int)kWidth, h = (int)half * w / 2;
#if HM_BYTES == 64
    return __builtin_shufflevector(a, b, h, h + w, h + 1, h + 1 + w, h + 2, h + 2 + w, h + 3, h + 3 + w, h + 4, h + 4 + w,
                                   h + 5, h + 5 + w, h + 6, h + 6 + w, h + 7, h + 7 + w);
#elif HM_BYTES == 32
    return __builtin_shufflevector(a, b, h, h + w, h + 1, h + 1 + w, h + 2, h + 2 + w, h + 3, h + 3 + w);
#else
    return __builtin_shufflevector(a, b, h, h + w, h + 1, h + 1 + w);
#endif
}

// Transposes a square of kWidth vectors: log2(kWidth) perfect shuffles of the rows.
inline void transpose(Vec* v) {
    for (size_t step = 1; step < kWidth; step *= 2) {
        Vec t[kWidth];
#pragma GCC unroll 8
        for (size_t i = 0; i < kWidth / 2; ++i) {
            t[2 * i] = zip<0>(v[i], v[i + kWidth / 2]);
            t[2 * i + 1] = zip<1>(v[i], v[i + kWidth / 2]);
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < kWidth; ++i) v[i] = t[i];
    }
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
