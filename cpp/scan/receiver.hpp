// Where the pairs of a task go: one side of it, or either.
#pragma once

#include <cstddef>

namespace hardmine {

// One side of a task: row i is row `at + i` of a sink and of what scores its pairs.
template <class S, class Scores>
struct Receiver {
    S& sink;
    Scores& scores;
    std::size_t at = 0;
};
template <class S, class Scores>  // clang before 17 does not deduce these for itself
Receiver(S&, Scores&, std::size_t = 0) -> Receiver<S, Scores>;

}  // namespace hardmine
