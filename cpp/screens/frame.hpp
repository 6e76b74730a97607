// The frame in which float32 screens work: where the origin lies, which power of two is one, and how wrong a screen can be.
//
// Rows are packed as x' = fl(s x - o): o is the mean of a sample of base rows, because the distances of a cloud do not change
// when it is moved and the rounding errors of a cloud near the origin are small; s is a power of two (exact) that makes its
// norms about 1, so that neither 1e-38 nor 1e38 leaves float32. For cosine s is 1 / the row's norm, the rows are compared as
// points of the unit sphere, and s x - o is computed in float64. Any o and s are correct; good ones are fast.
//
// A screened value is
//   v(i, j) = row(i) + bias(j) + sum_k a(i, k) b'(j, k),      distance = unit * v  (or its root),
// with, for N_q = |q'| and N_b = |b'|,
//   sqeuclidean, euclidean   a = -2 q'   row = N_q^2            bias = N_b^2            unit = s^-2
//   cosine                   the same, + 1 in row or bias for a row of zeros            unit = 1/2
//   inner_product            a = -s_q q  row = -s_q q . o       bias = 0                unit = 1 / (s_q s_b)
// The kernel adds its products to L(j) = bias(j) - slack_b(j), rounded down, and yields K(i, j). The claim is
//   t - slack_q(i) - 2 slack_b(j)  <=  K(i, j) + row(i)  <=  t + slack_q(i)          t: the canonical distance / unit,
// so that slack_b is paid once a base row, slack_q once a query, and a pair costs nothing.
//
// The error. u = 2^-24, g(n) = n u / (1 - n u), e = g(d + 16), which must be below 1/7: in more dimensions the slack is
// infinite. W = N^2 for a packed row, + 1 for a row of zeros under cosine (the 1 takes part in the sums).
//
// Distances.
//   1. Packing. Each component is rounded once: |x' - (s x - o)| <= u |x'|, as vectors u N (its underflow is line 6). For
//      cosine s x is the float64 product of x and 1/|x|, the same one that the canonical distance takes; only s x - o is
//      rounded to float64 first, to 2^-53 of itself. With P = |q' - b'|, t = D^2 and S = N_q + N_b >= P: |P - D| <= 1.01 u S,
//        |P^2 - t| <= 1.01 u S (2 S + 1.01 u S) <= 2.03 u S^2 <= 4.06 u (N_q^2 + N_b^2).
//   2. bias is a float32 sum of squares over four chains: g(d/4 + 4) N_b^2.
//   3. The chain starts at |L| <= W_b (1 + g(d/4 + 4)) + 1.01 c and adds d products (without FMA each is rounded first):
//      g(d + 2) (|L| + 2 N_q N_b) <= g(d + 2) (2.04 W_b + N_q^2 + 1.01 c), the last of which is less than c/6.
//   4. L is rounded down: 3 u W_b. Where both sides are screened, row - slack_q is rounded down to float32: a column's test
//      lets a few pairs more through, and none fewer, since rounding K plus it, and a bound, keeps their order.
//   5. Float64: the canonical distance is itself a sum, (d + 8) 2^-53 t, t <= 2.1 (W_q + W_b), in which differences, too, are
//      rounded to 2^-53 of themselves; and so is row, d 2^-53 N_q^2.
//      For a row of zeros |q/|q||^2 stands for 1, as which it is known to (d + 8) 2^-53.
//   6. Underflow: a packed component loses at most 2^-149, a square or product 2^-149: in P^2 and the chain together less than
//      d 2^-145 (1 + N_q^2 + N_b^2).
// In all at most W_q (d + 9) u (1 + e) + c for the query and W_b (2.3 d + 16) u (1 + e) + c for the base row, where W_b is
// known up to g(d/4 + 4) of itself; what is left of W_q (7 u) and c also pays for the few float64 operations of comparisons:
//        slack_q = e W_q + c,     slack_b = 3 e W_b + c,     c = d 2^-140.
//
// Inner products.
//   1. Packing the base row: u N_q N_b. s_q q is exact but for underflow, which moves it by at most 2^-150 a component and the
//      sum by 2^-150 sqrt(d) (N_b + |o|).
//   3. The chain: g(d + 2) (|L| + N_q N_b), |L| = slack_b; so slack_b also pays g(d + 2) of itself.
//   5. Float64: the canonical sum has terms of the rows before the origin was taken away, (d + 8) 2^-53 N_q (N_b + |o|), and
//      row(i) is a sum of d terms, d 2^-53 N_q |o|; 8 2^-53 N_q |o| are left for the comparisons.
//   6. Underflow of products and of b': d 2^-148 (1 + N_q).
// With 2 N_q N_b <= N_q^2 + N_b^2 and W_b known up to g(d/4 + 4) of itself, both sides pay h/2 N^2, where h = e (1 + 4 e)
// >= e / (1 - e)^2 includes what slack_b pays of itself; and the query pays for the origin:
//        slack_q = h/2 N_q^2 + c + ((d + 8) 2^-52 N_q + d 2^-140) |o|,     slack_b = h/2 N_b^2 + c,     c = d 2^-140.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "terms/key.hpp"
#include "terms/metric.hpp"
#include "terms/rows.hpp"

namespace hardmine {

// A float32 certainly not below or not above x.
inline float above(double x) { return std::nextafter(static_cast<float>(x), kInfinity); }
inline float below(double x) { return std::nextafter(static_cast<float>(x), -kInfinity); }

struct Frame {
    Metric metric;
    std::size_t d;
    std::vector<float> origin;        // in the frame
    std::vector<double> unit_origin;  // the same for cosine, instead
    double query_scale = 1, base_scale = 1;
    double chain = 0;                   // e
    double relative = 0, constant = 0;  // e, or h; and c
    double origin_norm = 0;
    double largest_square = 0x1p60;  // of a packed row, exclusive; what is larger is left to the canonical distance

    static constexpr double kLargestError = 1.0 / 7;  // e; beyond it every row is left to the canonical distance

    bool cosine() const { return metric == Metric::cosine; }
    bool inner_product() const { return metric == Metric::inner_product; }
    bool root() const { return metric == Metric::euclidean; }
    double unit() const { return cosine() ? 0.5 : 1 / (query_scale * base_scale); }

    // Of rows of weight W.
    double query_slack(double weight) const {
        if (!inner_product()) return relative * weight + constant;
        const double exact_sums = 0x1p-52 * static_cast<double>(d + 8) * std::sqrt(weight);
        return 0.5 * relative * weight + constant + (exact_sums + constant) * origin_norm;
    }
    double base_slack(double weight) const { return (inner_product() ? 0.5 : 3) * relative * weight + constant; }

    // The distance of a value, and the smallest value of a distance; both monotone, and rounding keeps them so.
    float distance(double value) const {
        const double x = unit() * value;
        if (inner_product()) return static_cast<float>(x);
        return static_cast<float>(root() ? std::sqrt(std::max(x, 0.0)) : std::max(x, 0.0));
    }
    double value(double distance) const {
        if (!root()) return distance / unit();
        return distance < 0 ? -std::numeric_limits<double>::infinity() : distance * distance / unit();
    }
};

// The power of two that makes a norm about 1, of those that float32 has the inverse of.
inline double power_of_two(double norm) {
    return norm > 0 && std::isfinite(norm) ? std::exp2(std::fmin(119, std::fmax(-119, -std::round(std::log2(norm))))) : 1;
}

template <class Numbers>
double norm(const Numbers& numbers) {
    double square = 0;
    for (const auto x : numbers) square += static_cast<double>(x) * static_cast<double>(x);
    return std::sqrt(square);
}

constexpr std::size_t kSample = 256;  // rows that a frame is made from, evenly spaced

// For queries as long as the base rows are.
inline Frame base_frame(Metric metric, const Canonical& canonical, const Rows<float>& base, const Selection& chosen) {
    const std::size_t d = base.width;
    Frame frame{metric, d, std::vector<float>(d), {}};
    const double n = static_cast<double>(d + 16) * 0x1p-24, e = n / (1 - n);
    frame.chain = e;
    if (!(n < 0.5 && e < Frame::kLargestError)) frame.largest_square = 0;
    frame.relative = frame.inner_product() ? frame.chain * (1 + 4 * frame.chain) : frame.chain;
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
    double width = std::sqrt(spread);
    if (!std::isfinite(width)) std::fill(mean.begin(), mean.end(), 0);

    if (frame.cosine()) {
        frame.unit_origin = mean;
        return frame;
    }
    // Rows that are equal as far as they were sampled say nothing of the others, which may be as far apart as they are long.
    frame.base_scale = frame.query_scale = power_of_two(std::max(width, 0x1p-26 * norm(mean)));
    for (std::size_t k = 0; k < d; ++k) frame.origin[k] = static_cast<float>(frame.base_scale * mean[k]);
    frame.origin_norm = norm(frame.origin);
    if (!std::isfinite(frame.origin_norm)) {
        std::fill(frame.origin.begin(), frame.origin.end(), 0.0f);
        frame.origin_norm = 0;
    }
    return frame;
}

// The queries' own scale, which inner products leave them. Nothing of a base row in the frame depends on it.
inline void scale_queries(Frame& frame, const Canonical& canonical, const Rows<float>& queries) {
    if (!frame.inner_product() || queries.count == 0) return;
    double total = 0;
    const std::size_t few = std::min(kSample, queries.count);
    for (std::size_t i = 0; i < few; ++i) total += canonical.square(queries[i * queries.count / few]);
    frame.query_scale = power_of_two(std::sqrt(total / static_cast<double>(few)));
}

inline Frame make_frame(Metric metric, const Canonical& canonical, const Rows<float>& queries, const Rows<float>& base,
                        const Selection& chosen) {
    Frame frame = base_frame(metric, canonical, base, chosen);
    scale_queries(frame, canonical, queries);
    return frame;
}

}  // namespace hardmine
