#include "actors/reader_pool.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace worldline::actors {

ReaderPool::ReaderPool(size_t threads) {
  WL_CHECK(threads >= 1);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

ReaderPool::~ReaderPool() {
  std::deque<Job> dropped;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
    for (const auto& read : running_) read->cancel();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status ReaderPool::submit(PendingReadPtr read, Done done) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return Status::unavailable("the node is stopping");
    if (waiting_.size() >= kWaitingMax)
      return Status::overloaded("more than {} queries wait for a reader", kWaitingMax);
    waiting_.push_back({std::move(read), std::move(done)});
  }
  changed_.notify_one();
  return {};
}

void ReaderPool::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    running_.push_back(job.read);
    lock.unlock();
    job.read->run();
    lock.lock();
    running_.erase(std::find(running_.begin(), running_.end(), job.read));
    lock.unlock();
    const uint64_t id = job.read->id();
    job.read = nullptr;  // Before it is told, so that the desk is the last to hold it.
    job.done(id);
    job.done = nullptr;
    lock.lock();
  }
}

}  // namespace worldline::actors
