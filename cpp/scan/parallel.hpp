// Threads, and the mode of their arithmetic: the only file that knows OpenMP. Without it everything runs on the calling
// thread, or, if HARDMINE_STD_THREADS is defined, on threads started for each call: ThreadSanitizer understands these, but not
// libgomp's.
//
// Work is a list of tasks taken in turn. When the calling thread has none left it goes on watching (terms/watch.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif
#include <unistd.h>

#include "terms/watch.hpp"

namespace hardmine {

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
