// The watch over a call. The calling thread, and only it, calls the watcher between blocks of work, about ten times a second:
// there the caller's language handles Ctrl-C and draws its progress bar.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <thread>

namespace hardmine {

// Called with (done, total); false ends the work.
using Watcher = std::function<bool(std::uint64_t, std::uint64_t)>;
inline const Watcher kNobody;  // watches

// The watcher ended the work; outputs are incomplete.
struct Stopped : std::runtime_error {
    Stopped() : std::runtime_error("stopped") {}
};

class Watch {
  public:
    Watch(Watcher&&, std::uint64_t) = delete;  // it must outlive the watch
    Watch(const Watcher& watcher, std::uint64_t total) : watcher_(watcher), total_(total), last_(Clock::now()) {}

    // Counts work done, which may be none; true while the work should go on. Every thread calls it after every block.
    bool step(std::uint64_t amount) {
        if (amount) done_.fetch_add(amount, std::memory_order_relaxed);
        if (std::this_thread::get_id() == caller_) look();
        return !stopped();
    }
    void look() {
        const auto now = Clock::now();
        if (!watcher_ || stopped() || now - last_ < std::chrono::milliseconds(100)) return;
        last_ = now;
        // What is scanned again has been counted before.
        if (!watcher_(std::min(done_.load(std::memory_order_relaxed), total_), total_)) stop();
    }
    // Where something remains to be said of a call that is over.
    void resume() { stopped_.store(false, std::memory_order_relaxed); }
    void stop() { stopped_.store(true, std::memory_order_relaxed); }
    bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  private:
    using Clock = std::chrono::steady_clock;
    const Watcher& watcher_;
    std::uint64_t total_;
    std::thread::id caller_ = std::this_thread::get_id();
    std::atomic<std::uint64_t> done_{0};
    std::atomic<bool> stopped_{false};
    Clock::time_point last_;
};

}  // namespace hardmine
