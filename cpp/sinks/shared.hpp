// A sink of rows to which several threads offer at once: a row is locked for an offer, which is rare; its bound is read
// without the lock, since an older one only lets more through. With caps, whose scratch the rows share, one lock serves them
// all.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "sinks/sink.hpp"

namespace hardmine {

// Holds a lock for a few operations.
class Locked {
  public:
    explicit Locked(std::atomic_flag& flag) : Locked(flag, [] {}) {}
    // Calls waiting() now and then while another holds it for longer.
    template <class Waiting>
    Locked(std::atomic_flag& flag, Waiting&& waiting) : flag_(flag) {
        // Who holds it may have lost its core: to whom a waiter's yield says nothing.
        for (int tries = 0; flag_.test_and_set(std::memory_order_acquire); ++tries) {
            if (tries < 100) {
                std::this_thread::yield();
                continue;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(50));
            waiting();
        }
    }
    ~Locked() { flag_.clear(std::memory_order_release); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

  private:
    std::atomic_flag& flag_;
};

template <SinkOfRows S>
class Shared {
  public:
    static constexpr bool kInOrder = S::kInOrder, kOfRows = true, kSifts = S::kSifts, kShared = true, kOneBound = false;

    template <class... Arguments>
    explicit Shared(std::size_t rows, bool one_lock, Arguments&&... arguments)
        : sink_(rows, std::forward<Arguments>(arguments)...), one_lock_(one_lock), locks_(one_lock ? 1 : rows) {}

    static std::size_t bytes_per_row() { return sizeof(std::atomic_flag); }

    // Between visits, when a row is one thread's.
    S& alone() { return sink_; }
    std::atomic_flag& lock(std::size_t row) const { return locks_[one_lock_ ? 0 : row]; }

    void start(std::size_t row, std::size_t query) {
        const Locked locked(lock(row));
        sink_.start(row, query);
    }
    float bound(std::size_t row) const { return sink_.bound(row); }
    bool wants(std::size_t row, std::uint32_t index, float lower) const { return sink_.wants(row, index, lower); }
    bool hears(std::size_t row) const {
        const Locked locked(lock(row));
        return sink_.hears(row);
    }

    template <class Score>
    bool offer(std::size_t row, std::size_t query, std::uint32_t index, float lower, float upper, const Score& score) {
        const Locked locked(lock(row));
        return sink_.wants(row, index, lower) && sink_.offer(row, query, index, lower, upper, score);
    }
    void pass_over(std::size_t row) {
        const Locked locked(lock(row));
        sink_.pass_over(row);
    }
    void distrust(std::size_t row) {
        const Locked locked(lock(row));
        sink_.distrust(row);
    }

  private:
    S sink_;
    bool one_lock_;
    mutable std::vector<std::atomic_flag> locks_;
};

}  // namespace hardmine
