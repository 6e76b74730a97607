// A metric, and its canonical distance: the one number that decides every order in this library.
//
// The canonical distance is computed in float64 from the float32 rows, by sums whose order is fixed (kernels.hpp), and rounded
// once to float32, never to -0: sum (q-b)^2, its root, minus the dot product, or for cosine half of the squared distance
// between the rows divided by their norms, which keeps its digits where 1 - cos loses them. A row of zeros has no direction:
// its cosine distance to every row is 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "kernels/kernels.hpp"

namespace hardmine {

enum class Metric { sqeuclidean, euclidean, cosine, inner_product };

class Canonical {
  public:
    Canonical(const CanonicalKernels& kernels, Metric metric, std::size_t d) : kernels_(kernels), metric_(metric), d_(d) {}

    std::size_t width() const { return d_; }
    // No distance is below it, and no screen says that one may be.
    float least() const { return metric_ == Metric::inner_product ? -std::numeric_limits<float>::infinity() : 0; }

    double square(const float* row) const { return kernels_.dot(row, row, d_); }

    // What distance() wants to know of a row, so that it is computed once: 1 / its norm for cosine (0 for zeros).
    double factor(const float* row) const {
        if (metric_ != Metric::cosine) return 1;
        const double s = square(row);
        return s > 0 ? 1 / std::sqrt(s) : 0;
    }

    float distance(const float* q, double q_factor, const float* b) const { return distance(q, q_factor, b, factor(b)); }

    float distance(const float* q, double q_factor, const float* b, double b_factor) const {
        switch (metric_) {
            case Metric::sqeuclidean:
            case Metric::euclidean:
                return rounded(kernels_.sqeuclidean(q, b, d_));
            case Metric::inner_product:
                return rounded(kernels_.dot(q, b, d_));
            case Metric::cosine:
                break;
        }
        if (q_factor == 0 || b_factor == 0) return 1;
        return rounded(kernels_.scaled_sqeuclidean(q, q_factor, b, b_factor, d_));
    }

  private:
    friend class CanonicalRows;

    // The distance that is meant by a sum; a product too small for float32 is +0, whatever its sign.
    float rounded(double sum) const {
        if (metric_ == Metric::euclidean) return static_cast<float>(std::sqrt(sum));
        const double unit = metric_ == Metric::cosine ? 0.5 : metric_ == Metric::inner_product ? -1 : 1;
        return static_cast<float>(unit * sum) + 0.0f;
    }

    const CanonicalKernels& kernels_;
    Metric metric_;
    std::size_t d_;
};

// The canonical distances of one query and many rows: the same numbers, in a third of the time.
class CanonicalRows {
  public:
    explicit CanonicalRows(const Canonical& canonical)
        : canonical_(canonical), query_((canonical.width() + 7) / 8 * 8), sums_(kAtOnce) {}

    static std::size_t bytes(std::size_t d) { return (d + 7) / 8 * 8 * sizeof(double) + kAtOnce * sizeof(double); }

    void load(const float* q, double factor) {
        factor_ = factor;
        const bool cosine = canonical_.metric_ == Metric::cosine;
        for (std::size_t k = 0; k < canonical_.d_; ++k)
            query_[k] = cosine ? static_cast<double>(q[k]) * factor : static_cast<double>(q[k]);
    }

    // `factors` are those of the rows.
    void distances(const float* const* rows, const double* factors, std::size_t count, float* out) {
        const CanonicalKernels& kernels = canonical_.kernels_;
        if (factor_ == 0) {
            std::fill_n(out, count, 1.0f);
            return;
        }
        for (std::size_t first = 0; first < count; first += kAtOnce) {
            const std::size_t n = std::min(kAtOnce, count - first);
            if (canonical_.metric_ == Metric::cosine)
                kernels.scaled_sqeuclidean_rows(query_.data(), rows + first, factors + first, n, canonical_.d_, sums_.data());
            else if (canonical_.metric_ == Metric::inner_product)
                kernels.dot_rows(query_.data(), rows + first, n, canonical_.d_, sums_.data());
            else
                kernels.sqeuclidean_rows(query_.data(), rows + first, n, canonical_.d_, sums_.data());
            for (std::size_t j = 0; j < n; ++j) out[first + j] = canonical_.rounded(sums_[j]);
            if (canonical_.metric_ == Metric::cosine)
                for (std::size_t j = 0; j < n; ++j) out[first + j] = factors[first + j] == 0 ? 1 : out[first + j];
        }
    }

  private:
    static constexpr std::size_t kAtOnce = 64;
    const Canonical& canonical_;
    double factor_ = 0;
    std::vector<double> query_, sums_;
};

}  // namespace hardmine
