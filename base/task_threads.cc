#include "base/task_threads.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "base/check.h"

namespace worldline {

void run_tasks(size_t threads_max, size_t task_count, const std::function<void(size_t)>& task) {
  WL_CHECK(threads_max >= 1);
  // An atomic that is neither metric nor flag: it hands out numbers, and orders nothing.
  std::atomic<size_t> next{0};
  const auto work = [&next, &task, task_count] {
    for (size_t i = next.fetch_add(1, std::memory_order_relaxed); i < task_count;
         i = next.fetch_add(1, std::memory_order_relaxed))
      task(i);
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min(threads_max, task_count); ++i) {
    try {
      helpers.emplace_back(work);
    } catch (const std::system_error&) {
      break;  // Of the standard library, caught where it can be answered: with fewer threads.
    }
  }
  work();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace worldline
