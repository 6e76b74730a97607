// A metric, and its canonical distance: the one number that decides every order in this library.
//
// The canonical distance is computed in float64 from the float32 rows, by sums whose order is fixed (kernels.hpp), and rounded
// once to float32: sum (q-b)^2, its root, minus the dot product, or for cosine half of the squared distance between the rows
// divided by their norms, which keeps its digits where 1 - cos loses them. A row of zeros has no direction: its cosine
// distance to every row is 1.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/kernels.hpp"

namespace hardmine {

enum class Metric { sqeuclidean, euclidean, cosine, inner_product };

class Canonical {
  public:
    Canonical(const Kernels& kernels, Metric metric, std::size_t d) : kernels_(kernels), metric_(metric), d_(d) {}

    double square(const float* row) const { return kernels_.dot(row, row, d_); }

    // What distance() wants to know of a query, so that it is computed once: 1 / its norm for cosine (0 for zeros).
    double factor(const float* row) const {
        if (metric_ != Metric::cosine) return 1;
        const double s = square(row);
        return s > 0 ? 1 / std::sqrt(s) : 0;
    }

    float distance(const float* q, double q_factor, const float* b) const { return distance(q, q_factor, b, factor(b)); }

    float distance(const float* q, double q_factor, const float* b, double b_factor) const {
        switch (metric_) {
            case Metric::sqeuclidean:
                return static_cast<float>(kernels_.sqeuclidean(q, b, d_));
            case Metric::euclidean:
                return static_cast<float>(std::sqrt(kernels_.sqeuclidean(q, b, d_)));
            case Metric::inner_product:
                return static_cast<float>(0 - kernels_.dot(q, b, d_));  // never -0
            case Metric::cosine:
                break;
        }
        if (q_factor == 0 || b_factor == 0) return 1;
        return static_cast<float>(0.5 * kernels_.scaled_sqeuclidean(q, q_factor, b, b_factor, d_));
    }

  private:
    const Kernels& kernels_;
    Metric metric_;
    std::size_t d_;
};

}  // namespace hardmine
