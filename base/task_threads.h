// base/task_threads.h
//
// run_tasks() spreads independent tasks over a few threads and waits for all of them: for work that
// is done once and long, as loading. It is the only place that starts threads below the actors.
//
// Invariants: each task runs exactly once; what it did is visible to the caller afterwards. The
// order and the thread are open, so results must depend on neither.
// Ownership: threads end before it returns. Thread: the caller's works too. Errors: if the system
// gives no more threads, those there are do the work.
#pragma once

#include <cstddef>
#include <functional>

namespace worldline {

// REQUIRES: threads_max >= 1; `task` does not throw and may run on several threads at once.
void run_tasks(size_t threads_max, size_t task_count, const std::function<void(size_t)>& task);

}  // namespace worldline
