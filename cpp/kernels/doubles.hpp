// Vectors of float64, and the halves of float32 that they come from; see simd.hpp.
#pragma once

#include "simd.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kDoubles = HM_BYTES / 8;
typedef double Doubles __attribute__((vector_size(HM_BYTES)));
typedef float Half __attribute__((vector_size(HM_BYTES / 2)));

// Left to itself GCC converts eight floats in two halves: a third slower.
inline Doubles to_doubles(Half v) {
#if HM_BYTES == 64 && defined(__AVX512F__)
    return (Doubles)_mm512_maskz_cvtps_pd(0xff, (__m256)v);  // the plain one trips GCC's warning, as in simd.hpp
#else
    return __builtin_convertvector(v, Doubles);
#endif
}
inline Half to_floats(Doubles v) {
#if HM_BYTES == 64 && defined(__AVX512F__)
    return (Half)_mm512_maskz_cvtpd_ps(0xff, (__m512d)v);
#else
    return __builtin_convertvector(v, Half);
#endif
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
