// The set-up of every call: a workspace a thread, taken before the first thread starts; the watch; and what ends a call early.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "scan/parallel.hpp"
#include "terms/finite.hpp"
#include "terms/search.hpp"

namespace hardmine {

// How often an interval was found not to hold a distance, in all calls: a proof in screens/ is wrong then. The row is scanned
// again without it. Zero, as far as anyone knows.
inline std::atomic<std::uint64_t> failed_proofs{0};

template <class Row, class Work>
class Team {
  public:
    // `make` returns a new workspace; it may take the watch, for a sink that has to look at it. At most `tasks` of them are
    // needed at a time; `total` is what the watcher is told.
    template <class Make>
    Team(const Rows<Row>& base, std::size_t tasks, int threads, std::uint64_t total, const Watcher& watcher, Make&& make)
        : base_(base), threads_(threads), watch_(watcher, total) {
        for (std::size_t t = 0; t < std::min<std::size_t>(static_cast<std::size_t>(threads), tasks); ++t)
            if constexpr (std::is_invocable_v<Make&, Watch&>)
                works_.emplace_back(make(watch_));
            else
                works_.emplace_back(make());
    }

    // body(task, workspace, watch) for every task in turn; none may throw. It returns false if a base row is not finite.
    template <class Body>
    void run(std::size_t tasks, Body&& body) {
        std::atomic<bool> bad_row{false};
        run_tasks(tasks, threads_, watch_, [&](std::size_t task, int thread) {
            if (body(task, *works_[static_cast<std::size_t>(thread)], watch_)) return;
            bad_row = true;
            watch_.stop();
        });
        if constexpr (std::is_same_v<Row, float>)
            if (bad_row) {
                watch_.resume();
                report_not_finite(base_, true, watch_);
            }
        if (watch_.stopped()) throw Stopped();
    }

    const std::vector<std::unique_ptr<Work>>& works() const { return works_; }

  private:
    const Rows<Row>& base_;
    int threads_;
    Watch watch_;
    std::vector<std::unique_ptr<Work>> works_;
};

struct NoWork {};

}  // namespace hardmine
