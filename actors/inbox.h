// actors/inbox.h
//
// Inbox hands work from many threads to one owner as batches: whoever pushes into an empty inbox
// wakes the owner once, and the owner takes everything that queued meanwhile. So the cost of a wake
// is paid per batch, and the order of arrival over all senders is the order of execution.
//
// Invariants: items leave in the order in which push() returned; the byte total never exceeds the
// limit except by one item pushed into an inbox below it; after close() nothing enters.
// Thread: push() and close() from any thread, take() from the owner. The mutex guards a vector swap
// and a push only; nothing is executed under it.
// Units: bytes as the sender counts them. Errors: kOverloaded, and what close() was given.
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "base/status.h"

namespace worldline::actors {

enum class Wake : bool { kNo, kYes };
enum class Admission : bool { kIfRoom, kAlways };  // kAlways: the byte limit does not apply.

template <typename T>
class Inbox {
 public:
  explicit Inbox(size_t bytes_max) : bytes_max_(bytes_max) {}

  // kYes: the inbox was empty and the owner must be woken. On error `item` is left as it was.
  Result<Wake> push(T& item, size_t bytes, Admission admission = Admission::kIfRoom) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!closed_.ok()) return closed_;
    if (bytes_ > bytes_max_ && admission == Admission::kIfRoom)
      return Status::overloaded("the database's inbox holds more than {} bytes", bytes_max_);
    bytes_ += bytes;
    items_.push_back(std::move(item));
    return items_.size() == 1 ? Wake::kYes : Wake::kNo;
  }

  // Everything that is there, oldest first; leaves the inbox empty. `spare` is recycled as storage.
  std::vector<T> take(std::vector<T> spare = {}) {
    spare.clear();
    const std::lock_guard<std::mutex> lock(mutex_);
    bytes_ = 0;
    std::swap(items_, spare);
    return spare;
  }

  // Refuses everything from here on, with this reason; what is inside can still be taken.
  void close(const Status& why) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_.ok()) closed_ = why;
  }

  size_t size() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return items_.size();
  }
  size_t bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }

 private:
  const size_t bytes_max_;

  mutable std::mutex mutex_;
  std::vector<T> items_;  // Guarded by mutex_, as are the next two.
  size_t bytes_ = 0;
  Status closed_;  // Not OK: closed.
};

}  // namespace worldline::actors
