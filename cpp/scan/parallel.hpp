// Threads, and the watch over them: the only file that knows OpenMP. Without it everything runs on the calling thread, or, if
// HARDMINE_STD_THREADS is defined, on threads started for each call: ThreadSanitizer understands these, but not libgomp's.
//
// Work is a list of tasks taken in turn. The calling thread, and only it, calls the watcher between blocks about ten times a
// second: there the caller's language handles Ctrl-C and draws its progress bar. When it has no task left it goes on watching.
#pragma once

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif
#include <unistd.h>

namespace hardmine {

// Called with (done, total); false ends the work.
using Watcher = std::function<bool(std::uint64_t, std::uint64_t)>;
inline const Watcher kNobody;  // watches

// The floating-point environment that every proof assumes: rounding to nearest, subnormal numbers kept. The caller's own
// (torch can be told to flush subnormals to zero) comes back at the end.
class StandardArithmetic {
  public:
    StandardArithmetic() {
        std::fegetenv(&before_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~StandardArithmetic() { std::fesetenv(&before_); }
    StandardArithmetic(const StandardArithmetic&) = delete;
    StandardArithmetic& operator=(const StandardArithmetic&) = delete;

  private:
    std::fenv_t before_;
};

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

#ifdef _OPENMP
inline constexpr bool kOpenMP = true;
#else
inline constexpr bool kOpenMP = false;
#endif
#ifdef HARDMINE_STD_THREADS
inline constexpr bool kStdThreads = true;
#else
inline constexpr bool kStdThreads = false;
#endif

// libgomp's threads do not survive fork(), and a child that asks for them waits for ever (GCC bug 60035): in a process
// other than the one that loaded the library one thread must do.
inline const pid_t kLoadedIn = getpid();

// Every core this process may use: its affinity, and OMP_NUM_THREADS, as OpenMP sees them.
inline int default_threads() {
#ifdef _OPENMP
    return std::max(1, std::min(omp_get_max_threads(), omp_get_num_procs()));
#else
    return kStdThreads ? static_cast<int>(std::max(1u, std::thread::hardware_concurrency())) : 1;
#endif
}

inline int usable_threads(int requested) {
    if (!(kOpenMP || kStdThreads) || getpid() != kLoadedIn) return 1;
    return requested > 0 ? requested : default_threads();
}

// One where the work is less than `small`: it is done before others have woken.
inline int threads_for(std::uint64_t work, std::uint64_t small, int requested) {
    return work < small ? 1 : usable_threads(requested);
}

// work(task, thread) for every task in turn, on at most `threads` threads; none may throw.
template <class Work>
void run_tasks(std::size_t tasks, [[maybe_unused]] int threads, Watch& watch, Work&& work) {
    std::atomic<std::size_t> next{0}, finished{0};
    auto drain = [&](int thread) {
        for (std::size_t task; !watch.stopped() && (task = next.fetch_add(1)) < tasks; ++finished) work(task, thread);
    };
    [[maybe_unused]] const int team = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(threads), tasks));
    auto work_and_watch = [&](int thread) {
        const StandardArithmetic standard;  // threads have their own
        drain(thread);
        for (int idle = 0; thread == 0 && finished < tasks && !watch.stopped(); ++idle) {
            idle < 1000 ? std::this_thread::yield() : std::this_thread::sleep_for(std::chrono::microseconds(200));
            watch.look();
        }
    };
#ifdef _OPENMP
    if (team > 1) {
#pragma omp parallel num_threads(team)
        work_and_watch(omp_get_thread_num());
        return;
    }
#elif defined(HARDMINE_STD_THREADS)
    std::vector<std::thread> others;
    for (int thread = 1; thread < team; ++thread) others.emplace_back(work_and_watch, thread);
    work_and_watch(0);
    for (std::thread& other : others) other.join();
    return;
#endif
    work_and_watch(0);
}

}  // namespace hardmine
