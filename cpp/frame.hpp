// The frame in which float32 screens work: where the origin lies, which power of two is one, and how wrong a screen can be.
//
// Rows are packed as x' = fl(s x - o): o is the mean of a sample of base rows, because the distances of a cloud do not change
// when it is moved and the rounding errors of a cloud near the origin are small; s is a power of two (exact) that makes its
// norms about 1, so that neither 1e-18 nor 1e18 leaves float32. For cosine s is 1 / the row's norm, and the rows are compared
// as points of the unit sphere. Any o and s are correct; good ones are fast.
//
// A screened value is
//   v(i, j) = row(i) + bias(j) + sum_k a(i, k) b'(j, k),      distance = unit * v  (or its root),
// with, for N_q = |q'| and N_b = |b'|,
//   sqeuclidean, euclidean   a = -2 q'   row = N_q^2            bias = N_b^2            unit = s^-2
//   cosine                   the same, + 1 in row or bias for a row of zeros            unit = 1/2
//   inner_product            a = -s_q q  row = -s_q q . o       bias = 0                unit = 1 / (s_q s_b)
//
// The error of v. Let u = 2^-24 and g(n) = n u / (1 - n u).
//   1. Packing rounds each component once: |q' - b'| differs from s |q - b| by at most u (N_q + N_b), its square by at most
//      4.01 u (N_q^2 + N_b^2). Cosine also rounds 1/|x| and the product: 2u more on a unit vector, which adds
//      at most 8u (N_q + N_b) <= 8u/w (N_q^2 + N_b^2) + 4 u w for any w > 0; w is the usual norm in the frame.
//   2. bias is a float32 sum over four chains: g(d/4 + 4) N_b^2.
//   3. The chain starts at bias and adds d products: g(d + 2) (N_b^2 + 2 N_q N_b) <= g(d + 2) (N_q^2 + 2 N_b^2); for
//      inner_product, with 1., g(d + 4) N_q N_b <= g(d + 4) / 2 (N_q^2 + N_b^2).
//   4. The canonical distance is itself a float64 sum: (d + 8) 2^-53 times the sum of its terms' sizes. For distances this
//      vanishes in 3.; for inner products the terms are those of the rows before the origin was taken away.
//   5. Products below the smallest normal number lose at most 2^-149 each.
// The error therefore splits into a part of the query and a part of the base row,
//   |v - true| <= slack_q(i) + slack_b(j),   slack_q = e N_q^2 + c,   slack_b = 3 e N_b^2 + c,   e = g(d + 16) (+ 8u/w),
// or e/2 (N_q^2 + N_b^2) for inner_product; 16 leaves room for the roundings of these few numbers themselves. The split is
// what makes the bound free: slack_b is taken off bias and slack_q is added to the row's threshold before any pair is looked
// at.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "key.hpp"
#include "metric.hpp"
#include "rows.hpp"

namespace hardmine {

struct Frame {
    Metric metric;
    std::size_t d;
    std::vector<float> origin;
    double query_scale = 1, base_scale = 1;
    double unit = 1;
    double chain = 0;                  // g(d + 16)
    double epsilon = 0, constant = 0;  // e and c
    double origin_norm = 0;

    static constexpr double kLargestSquare = 0x1p60;  // of a packed row; larger rows are left to the canonical distance

    bool cosine() const { return metric == Metric::cosine; }
    bool inner_product() const { return metric == Metric::inner_product; }
    bool root() const { return metric == Metric::euclidean; }

    double query_slack(double square, double norm) const {
        const double exact_sums = inner_product() ? 0x1p-52 * static_cast<double>(d + 8) * norm * origin_norm : 0;
        return (inner_product() ? 0.5 : 1) * epsilon * square + constant + exact_sums;
    }
    double base_slack(double square) const { return (inner_product() ? 0.5 : 3) * epsilon * square + constant; }

    // The distance of a value, and the smallest value of a distance; both monotone, and rounding keeps them so.
    float distance(double value) const {
        const double x = unit * value;
        if (inner_product()) return static_cast<float>(x);
        return static_cast<float>(root() ? std::sqrt(std::max(x, 0.0)) : std::max(x, 0.0));
    }
    double value(double distance) const {
        if (!root()) return distance / unit;
        return distance < 0 ? -std::numeric_limits<double>::infinity() : distance * distance / unit;
    }
};

inline double power_of_two(double norm) {
    return norm > 0 && std::isfinite(norm) ? std::exp2(std::fmin(63, std::fmax(-63, -std::round(std::log2(norm))))) : 1;
}

// Looks at up to 256 evenly spaced rows of each array.
inline Frame make_frame(Metric metric, const Canonical& canonical, const Rows<float>& queries, const Rows<float>& base,
                        const Selection& chosen) {
    constexpr std::size_t kSample = 256;
    const std::size_t d = base.width;
    Frame frame{metric, d, std::vector<float>(d)};
    const double n = static_cast<double>(d + 16) * 0x1p-24;
    frame.chain = frame.epsilon = n < 0.5 ? n / (1 - n) : std::numeric_limits<double>::infinity();
    frame.constant = static_cast<double>(d) * 0x1p-140;

    // The mean of the sampled rows that are no longer than twice the median: an outlier must not carry the origin away.
    struct Sampled {
        const float* row;
        double factor, square;
    };
    std::vector<Sampled> sample;
    for (std::size_t i = 0, n_sample = std::min(kSample, chosen.count); i < n_sample; ++i) {
        const float* row = base[chosen[i * chosen.count / n_sample]];
        const double factor = canonical.factor(row), square = factor * factor * canonical.square(row);
        if (std::isfinite(square)) sample.push_back({row, factor, square});  // one that is not is reported when it is packed
    }
    if (!sample.empty()) {
        auto middle = sample.begin() + static_cast<std::ptrdiff_t>(sample.size() / 2);
        std::nth_element(sample.begin(), middle, sample.end(), [](auto a, auto b) { return a.square < b.square; });
        std::erase_if(sample, [most = 4 * middle->square](auto s) { return s.square > most; });
    }
    std::vector<double> mean(d);
    double spread = 0;
    const auto share = 1 / static_cast<double>(std::max<std::size_t>(1, sample.size()));
    for (const Sampled& s : sample)
        for (std::size_t k = 0; k < d; ++k) mean[k] += share * s.factor * static_cast<double>(s.row[k]);
    for (const Sampled& s : sample)
        for (std::size_t k = 0; k < d; ++k) spread += share * std::pow(s.factor * static_cast<double>(s.row[k]) - mean[k], 2);
    // A row that is not finite, or a mean that is not representable, spoils the origin; without one all is still correct.
    const double width = std::sqrt(spread);
    if (!std::isfinite(width)) std::fill(mean.begin(), mean.end(), 0);

    if (frame.cosine()) {
        const double w = width > 0 && width < 1 ? width : 1;
        frame.epsilon += 8 * 0x1p-24 / w;
        frame.constant += 4 * 0x1p-24 * w;
        frame.unit = 0.5;
    } else {
        frame.base_scale = frame.query_scale = power_of_two(width);
        if (frame.inner_product() && queries.count) {
            double total = 0;
            const std::size_t few = std::min(kSample, queries.count);
            for (std::size_t i = 0; i < few; ++i) total += canonical.square(queries[i * queries.count / few]);
            frame.query_scale = power_of_two(std::sqrt(total / static_cast<double>(few)));
        }
        frame.unit = 1 / (frame.query_scale * frame.base_scale);
    }
    for (std::size_t k = 0; k < d; ++k) {
        frame.origin[k] = static_cast<float>(frame.base_scale * mean[k]);
        frame.origin_norm += std::pow(static_cast<double>(frame.origin[k]), 2);
    }
    frame.origin_norm = std::sqrt(frame.origin_norm);
    if (!std::isfinite(frame.origin_norm)) {
        std::fill(frame.origin.begin(), frame.origin.end(), 0.0f);
        frame.origin_norm = 0;
    }
    return frame;
}

}  // namespace hardmine
