// The screen for few queries: base rows are read once, in place, at the speed of memory; packing them would cost more.
//
// The error. u = 2^-24, g as in frame.hpp, e = g(d + 8), which must be below 1/4 (else every interval is the whole line), and
// y = d 2^-148. Sums are in no stated order, so each term meets at most d - 1 additions and its own roundings.
//   Squared distances. A difference is rounded once and squared: every term is right but for 3u of itself, all are positive,
//      and a square may underflow by 2^-150. So the sum V and the canonical t keep |V - t| <= e t + y/2: wherever the cloud
//      lies, the error is relative to the distance. The float64 error of t, (d + 8) 2^-53 t, is in the 8. Hence
//      t <= (V + y) (1 + 2e), as 1 / (1 - e) <= 1 + 2e, and t >= V (1 - e) - y. A pair need not be offered if
//        V > (limit + y) (1 + 2e)     since then     t >= (V - y/2) / (1 + e) > limit.
//   Inner products. |V - t| <= e |q| |b| + y: a product is rounded once (or fused), and may underflow by 2^-150. The canonical
//      error is (d + 8) 2^-53 |q| |b|. |b| is known as `length` from a float32 sum of squares, at most e/2 of itself too
//      small, and never below 2^-50, beside which squares that underflow are nothing; |q| is rounded up to float32, where it
//      may be subnormal. 1.25 e |q| length leaves e/8 for that; the roundings of the comparison (4u |q| length, and 2^-150
//      where the product underflows, which y pays for) are within 1.25 x the 8.
//   Cosine. t = 1 - V / (|q| |b|) with both norms between 2^-40 and 2^40, where underflow is less than 2^-40 of |q| |b|: e for
//      V, e/2 for the norm, and 4u for two divisions: 3e. Where a norm lies elsewhere the interval is the whole line.
// Where float32 overflows, V or the norm is not finite, and the interval is the whole line.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/frame.hpp"
#include "screens/screen.hpp"
#include "terms/finite.hpp"
#include "terms/metric.hpp"

namespace hardmine {

class FewScreen {
  public:
    static constexpr bool kHasFloor = false,
                          kBothSides = false;  // pairs nearer than a floor are few beside the cost of reading
    static constexpr std::size_t kMostQueries = 8;
    static constexpr std::size_t kBlockRows = 256;

    FewScreen(const FewKernels& kernels, Metric metric, const Canonical& canonical, std::size_t d, bool trusted = true)
        : kernels_(kernels),
          metric_(metric),
          canonical_(canonical),
          d_(d),
          rows_(kBlockRows),
          norms_(kBlockRows),
          values_(kBlockRows * kMostQueries) {
        const double n = static_cast<double>(d + 8) * 0x1p-24, e = n / (1 - n);
        relative_ = trusted && n < 0.5 && e < 0.25 ? e : kNoLimit;
        tiny_ = static_cast<double>(d) * 0x1p-148;
    }

    static std::size_t bytes() { return kBlockRows * (sizeof(const float*) + (1 + kMostQueries) * sizeof(float)); }

    std::size_t most_rows() const { return kBlockRows; }

    void load_queries(const Rows<float>& queries, const Selection& ids) {
        n_ = ids.count;
        for (std::size_t i = 0; i < n_; ++i) {
            queries_[i] = queries[ids[i]];
            norm_[i] = std::sqrt(canonical_.square(queries_[i]));
            most_norm_[i] = above(norm_[i]);
        }
    }

    // Multiplies at once; scan() only looks. Returns false if a row is not finite.
    bool load_block(const Rows<float>& base, const Selection& ids) {
        m_ = ids.count;
        for (std::size_t j = 0; j < m_; ++j) rows_[j] = base[ids[j]];
        if (differences())
            kernels_.sqeuclidean(queries_, n_, rows_.data(), m_, d_, values_.data());
        else
            kernels_.dot(queries_, n_, rows_.data(), m_, d_, values_.data(), norms_.data());
        longest_ = 0;
        for (std::size_t j = 0; j < m_; ++j) {
            if (!differences()) longest_ = std::max(longest_, static_cast<double>(std::sqrt(norms_[j])));
            const float witness = differences() ? values_[j * n_] : norms_[j];
            if (!std::isfinite(witness) && !finite(rows_[j], d_)) return false;
        }
        return true;
    }

    // Pairs of query i farther than `bound` need not be reported.
    void set_bound(std::size_t i, float bound) { high_[i] = above(limit(i, bound)); }
    void ignore(std::size_t i) { high_[i] = -kInfinity; }
    // A pair farther than this is certainly not reported.
    float reach(std::size_t i, float bound) const {
        const double x = bound;
        if (metric_ == Metric::cosine) return in_range(norm_[i]) ? distance(x + 2 * cosine_error()) : kInfinity;
        if (metric_ == Metric::inner_product) return distance(x + 2.5 * relative_ * norm_[i] * longest_ + 2 * tiny_);
        return distance((limit(i, bound) + 2 * tiny_) * (1 + 2 * relative_));
    }

    template <class Offer>
    void scan(Offer&& offer) {
        for (std::size_t j = 0; j < m_; ++j) {
            float weight = 1, length = 0;
            if (!differences()) {
                length = std::sqrt(std::fmax(norms_[j], 0x1p-100f));
                weight = metric_ == Metric::inner_product ? -1.0f : in_range(length) ? -1 / length : std::nanf("");
            }
            const float slack = metric_ == Metric::inner_product ? static_cast<float>(1.25 * relative_) * length : 0.0f;
            for (std::size_t i = 0; i < n_; ++i) {
                const float value = values_[j * n_ + i] * weight;
                const float least = value - slack * most_norm_[i];
                if (least > high_[i] && value < kInfinity) continue;
                double lower = -kNoLimit, upper = kNoLimit;
                const double error = this->error(i, static_cast<double>(value), static_cast<double>(length));
                if (std::isfinite(error)) {
                    const double middle =
                        metric_ == Metric::cosine ? 1 + static_cast<double>(value) / norm_[i] : static_cast<double>(value);
                    lower = middle - error;
                    upper = middle + error;
                }
                offer(i, j, distance(lower), distance(upper));
            }
        }
    }

  private:
    static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

    bool differences() const { return metric_ == Metric::sqeuclidean || metric_ == Metric::euclidean; }
    template <class Number>
    static bool in_range(Number norm) {
        return norm > Number(0x1p-40) && norm < Number(0x1p40);
    }
    double cosine_error() const { return 3 * relative_; }

    // The largest value a pair no farther than `bound` can have.
    double limit(std::size_t i, float bound) const {
        const double next = bound < kInfinity ? std::nextafter(bound, kInfinity) : kInfinity;
        double limit = kNoLimit;
        if (metric_ == Metric::inner_product) limit = next + tiny_;
        if (metric_ == Metric::cosine && in_range(norm_[i])) limit = (next - 1 + cosine_error()) * norm_[i];
        if (metric_ == Metric::sqeuclidean) limit = (next + tiny_) * (1 + 2 * relative_);
        if (metric_ == Metric::euclidean) limit = next < 0 ? next : (next * next + tiny_) * (1 + 2 * relative_);
        return std::isnan(limit) ? kNoLimit : limit;
    }

    // Not finite where the value says nothing.
    double error(std::size_t i, double value, double length) const {
        if (differences()) return 2 * relative_ * value + 2 * tiny_;
        if (metric_ == Metric::inner_product) return 1.25 * relative_ * norm_[i] * length + tiny_ + 0 * value;
        return std::isfinite(value) && in_range(norm_[i]) ? cosine_error() : kNoLimit;
    }

    float distance(double x) const {
        if (metric_ == Metric::inner_product) return static_cast<float>(x);
        return static_cast<float>(metric_ == Metric::euclidean ? std::sqrt(std::fmax(x, 0)) : std::fmax(x, 0));
    }

    const FewKernels& kernels_;
    Metric metric_;
    const Canonical& canonical_;
    std::size_t d_, n_ = 0, m_ = 0;
    double relative_, tiny_, longest_ = 0;
    const float* queries_[kMostQueries];
    double norm_[kMostQueries];
    float most_norm_[kMostQueries], high_[kMostQueries];
    std::vector<const float*> rows_;
    std::vector<float> norms_, values_;
};

}  // namespace hardmine
