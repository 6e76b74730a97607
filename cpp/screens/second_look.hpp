// The second look of a coarse screen: pairs of rows in float32, where they lie, four at a time.
//
// What is looked at is v = |s_q q - s_b b|^2 or s_q q . s_b b, s the powers of two of the frame or 1 / norm. Terms meet the
// roundings of few_screen.hpp, at most d + 8, and e = g(d + 16) of frame.hpp is more; multiplying by a power of two is exact
// but for underflow, at most 2^-149 a component, for which c = d 2^-140 is there.
//   Squared distances. |v - t| <= e t + c, so that t lies in v (1 -+ 2 e) -+ c.
//   Cosine. 1 / norm is rounded to float32, but for norms beyond 2^126 (NaN), and so is its product with a row (2 u of a
//      vector of length 1, for either side): the difference is off by less than 5 u in length, beside what v is off as above.
//      8 u are taken. A row of zeros is at 1 from all.
//   Inner products. e |s_q q| |s_b b| + c (1 + both), |s_b b| <= N_b (1 + u) + |o|, N_b known as n is.
// Where v or this is not finite the interval is the whole line.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/frame.hpp"

namespace hardmine {

class SecondLook {
  public:
    static constexpr std::size_t kAtOnce = 4;  // pairs looked at together; the next ones are asked for before

    static std::size_t bytes_per_query() { return sizeof(Query); }

    SecondLook(const FewKernels& kernels, const Frame& frame, std::size_t most_queries)
        : kernels_(kernels), frame_(frame), queries_(most_queries) {}

    // `factor` is Canonical::factor, `square` the squared norm in the frame.
    void set_query(std::size_t i, const float* q, double factor, double square) {
        queries_[i] = {q, std::sqrt(square), multiplier(frame_, factor, frame_.query_scale)};
    }

    // What it wants to know of a base row: at least its norm in the frame, and what it is multiplied by. `square` is a float32
    // sum, of which underflow takes up to d 2^-150; the multiplier is NaN for 1 / norm where float32 has not all digits of it.
    static float norm(const Frame& frame, double square) {
        return above(std::sqrt(square) * (1 + frame.chain) + std::sqrt(static_cast<double>(frame.d)) * 0x1p-70);
    }
    static float multiplier(const Frame& frame, double factor, double power) {
        if (!frame.cosine()) return static_cast<float>(power);
        return factor == 0 || factor >= 0x1p-126 ? static_cast<float>(factor) : std::numeric_limits<float>::quiet_NaN();
    }

    // The rows of a block, and these numbers of each.
    void set_block(const Rows<float>& base, const Selection& ids, const float* norms, const float* multipliers) {
        base_ = &base;
        ids_ = ids;
        norms_ = norms;
        multipliers_ = multipliers;
    }

    // Calls offer(i, j, lower, upper) for the pairs (hit.row, hit.lane) that wanted(hit) is true of when their turn comes.
    template <class Wanted, class Offer>
    void look(std::span<const Hit> hits, Wanted&& wanted, Offer&& offer) const {
        for (std::size_t begin = 0; begin < hits.size(); begin += kAtOnce) {
            const std::size_t end = std::min(hits.size(), begin + kAtOnce);
            for (std::size_t p = end; p < std::min(hits.size(), end + kAtOnce); ++p) fetch(row(hits[p].lane));
            const float *a[kAtOnce], *b[kAtOnce];
            float scale_a[kAtOnce], scale_b[kAtOnce], values[kAtOnce];
            std::size_t ids[kAtOnce], count = 0;
            for (std::size_t p = begin; p < end; ++p) {
                if (!wanted(hits[p])) continue;  // a bound has become tighter meanwhile
                const Query& q = queries_[hits[p].row];
                a[count] = q.row;
                b[count] = row(hits[p].lane);
                scale_a[count] = q.scale;
                scale_b[count] = multipliers_[hits[p].lane];
                ids[count++] = p;
            }
            if (frame_.inner_product())
                kernels_.dot_pairs(a, scale_a, b, scale_b, count, frame_.d, values);
            else
                kernels_.sqeuclidean_pairs(a, scale_a, b, scale_b, count, frame_.d, values);
            for (std::size_t p = 0; p < count; ++p) {
                const Hit& hit = hits[ids[p]];
                const Ends ends = narrow(queries_[hit.row], hit.lane, static_cast<double>(values[p]));
                offer(hit.row, hit.lane, frame_.distance(ends.lower), frame_.distance(ends.upper));
            }
        }
    }

  private:
    static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

    struct Query {
        const float* row;
        double norm;  // in the frame
        float scale;
    };
    struct Ends {
        double lower, upper;
    };

    const float* row(std::size_t lane) const { return (*base_)[ids_[lane]]; }

    Ends narrow(const Query& q, std::size_t lane, double v) const {
        const double e = frame_.chain, c = frame_.constant;
        if (!std::isfinite(v)) return {-kNoLimit, kNoLimit};
        if (frame_.inner_product()) {
            const double b = static_cast<double>(norms_[lane]) + frame_.origin_norm,
                         error = e * q.norm * b + c * (1 + q.norm + b);
            if (!std::isfinite(error)) return {-kNoLimit, kNoLimit};  // 0 times infinity, too
            return {-v - error, -v + error};
        }
        if (!frame_.cosine()) return {v * (1 - 2 * e) - c, v * (1 + 2 * e) + c};
        if (q.scale == 0 || multipliers_[lane] == 0) return {2, 2};  // a row of zeros is 1 from everything
        const double least = std::sqrt(v * (1 - 2 * e)) - 0x1p-21, most = std::sqrt(v * (1 + 2 * e) + c) + 0x1p-21;
        return {least > 0 ? least * least - c : 0, most * most};
    }

    void fetch(const float* row) const {
        for (std::size_t k = 0; k < std::min<std::size_t>(frame_.d, 2048); k += 16) __builtin_prefetch(row + k);
    }

    const FewKernels& kernels_;
    const Frame& frame_;
    std::vector<Query> queries_;
    const Rows<float>* base_ = nullptr;  // of the block, from here on
    Selection ids_;
    const float *norms_ = nullptr, *multipliers_ = nullptr;
};

}  // namespace hardmine
