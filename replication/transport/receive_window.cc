#include "replication/transport/receive_window.h"

#include <utility>

#include "base/check.h"

namespace worldline::replication {

ReceiveCredit& ReceiveCredit::operator=(ReceiveCredit&& other) noexcept {
  if (this == &other) return *this;
  release();
  window_ = std::move(other.window_);
  bytes_ = other.bytes_;
  return *this;
}

void ReceiveCredit::release() {
  if (window_ == nullptr) return;
  window_->give_back(bytes_);
  window_.reset();
}

ReceiveCredit ReceiveWindow::take(size_t bytes) {
  const std::lock_guard lock(mutex_);
  held_bytes_ += bytes;
  return {shared_from_this(), bytes};
}

bool ReceiveWindow::may_read() {
  const std::lock_guard lock(mutex_);
  is_waiting_ = held_bytes_ >= bytes_max_;
  return !is_waiting_;
}

void ReceiveWindow::detach() {
  const std::lock_guard lock(mutex_);
  waker_ = nullptr;
}

size_t ReceiveWindow::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_bytes_;
}

void ReceiveWindow::give_back(size_t bytes) {
  const std::lock_guard lock(mutex_);
  WL_CHECK(bytes <= held_bytes_);
  held_bytes_ -= bytes;
  if (!is_waiting_ || held_bytes_ >= bytes_max_) return;
  is_waiting_ = false;
  if (waker_ != nullptr) waker_->on_window_open();
}

}  // namespace worldline::replication
