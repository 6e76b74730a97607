// The screen for few queries: base rows are read once, in place, at the speed of memory; packing them would cost more.
//
// Squared distances are summed from the differences, so that their error is relative to themselves: at most e = g(d + 8) of
// the sum in float32 (g as in frame.hpp), wherever the cloud lies. Dot products err by at most e |q| |b|, with |b|^2 summed on
// the way; underflow adds at most d 2^-148. Where float32 overflows, or the norms of cosine are beyond its range, the interval
// is the whole line and the canonical distance decides.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "metric.hpp"
#include "panel_screen.hpp"

namespace hardmine {

class FewScreen {
  public:
    static constexpr std::size_t kMostQueries = 8;
    static constexpr std::size_t kBlockRows = 256;

    FewScreen(const Kernels& kernels, Metric metric, const Canonical& canonical, std::size_t d)
        : kernels_(kernels),
          metric_(metric),
          canonical_(canonical),
          d_(d),
          rows_(kBlockRows),
          norms_(kBlockRows),
          values_(kBlockRows * kMostQueries) {
        const double n = static_cast<double>(d + 8) * 0x1p-24;
        epsilon_ = n < 0.5 ? n / (1 - n) : std::numeric_limits<double>::infinity();
        tiny_ = static_cast<double>(d) * 0x1p-148;
    }

    std::size_t most_rows() const { return kBlockRows; }

    void load_queries(const Rows<float>& queries, const Selection& ids, std::size_t begin, std::size_t end) {
        n_ = end - begin;
        for (std::size_t i = 0; i < n_; ++i) {
            queries_[i] = queries[ids[begin + i]];
            norm_[i] = std::sqrt(canonical_.square(queries_[i]));
        }
    }

    // Multiplies at once; scan() only looks. Returns false if a row is not finite.
    bool load_block(const Rows<float>& base, const Selection& ids, std::size_t begin, std::size_t end) {
        m_ = end - begin;
        for (std::size_t j = 0; j < m_; ++j) rows_[j] = base[ids[begin + j]];
        if (differences())
            kernels_.few_sqeuclidean(queries_, n_, rows_.data(), m_, d_, values_.data());
        else
            kernels_.few_dot(queries_, n_, rows_.data(), m_, d_, values_.data(), norms_.data());
        for (std::size_t j = 0; j < m_; ++j) {
            const float witness = differences() ? values_[j * n_] : norms_[j];
            if (!std::isfinite(witness) && !finite(rows_[j], d_)) return false;
        }
        return true;
    }

    void set_bound(std::size_t i, float bound) {
        const double next = bound < kInfinity ? std::nextafter(bound, kInfinity) : kInfinity;
        double high = next;
        if (metric_ == Metric::euclidean) high = next < 0 ? next : next * next;
        if (metric_ == Metric::cosine)
            high = (next - 1 + cosine_error()) * norm_[i];
        else if (differences())
            high = (high + tiny_) * (1 + 2 * epsilon_);
        high_[i] = std::isnan(high) ? kInfinity : std::nextafter(static_cast<float>(high), kInfinity);
    }
    void set_floor(std::size_t, float) {}  // the pairs nearer than a floor are few beside the cost of reading

    template <class Offer>
    void scan(Offer&& offer) {
        for (std::size_t j = 0; j < m_; ++j) {
            float weight = 1, length = 0;
            if (!differences()) {
                length = std::sqrt(std::fmax(norms_[j], 0x1p-100f));  // at least the norm, even if its square underflows
                weight = metric_ == Metric::inner_product ? -1.0f : in_range(norms_[j]) ? -1 / length : std::nanf("");
            }
            const float slack = metric_ == Metric::inner_product ? static_cast<float>(1.25 * epsilon_) * length : 0.0f;
            for (std::size_t i = 0; i < n_; ++i) {
                const float value = values_[j * n_ + i] * weight;
                const float least = value - slack * static_cast<float>(norm_[i]);
                if (least > high_[i] && value < kInfinity) continue;
                double lower = -std::numeric_limits<double>::infinity(), upper = -lower;
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
    bool differences() const { return metric_ == Metric::sqeuclidean || metric_ == Metric::euclidean; }
    static bool in_range(float square) { return square > 0x1p-80f && square < 0x1p80f; }
    double cosine_error() const { return 3 * epsilon_; }

    // Not finite where the value says nothing.
    double error(std::size_t i, double value, double length) const {
        if (differences()) return 2 * epsilon_ * value + tiny_;
        if (metric_ == Metric::inner_product) return 1.25 * epsilon_ * norm_[i] * length + tiny_ + 0 * value;
        return std::isfinite(value) && norm_[i] > 0x1p-40 && norm_[i] < 0x1p40 ? cosine_error()
                                                                               : std::numeric_limits<double>::infinity();
    }

    float distance(double x) const {
        if (metric_ == Metric::inner_product) return static_cast<float>(x);
        return static_cast<float>(metric_ == Metric::euclidean ? std::sqrt(std::fmax(x, 0)) : std::fmax(x, 0));
    }

    const Kernels& kernels_;
    Metric metric_;
    const Canonical& canonical_;
    std::size_t d_, n_ = 0, m_ = 0;
    double epsilon_, tiny_;
    const float* queries_[kMostQueries];
    double norm_[kMostQueries];
    float high_[kMostQueries];
    std::vector<const float*> rows_;
    std::vector<float> norms_, values_;
};

}  // namespace hardmine
