// replication/transport/receive_window.h
//
// ReceiveWindow bounds what one incoming stream has handed out and its receivers still hold: when
// it is full the stream is not read, flow control stops the sender, and its queue fills instead of
// our memory. A ReceiveCredit is a received batch's share; it is given back when the batch goes.
//
// Invariants: held bytes are the sum of live credits; a window with nothing held admits any frame,
//   so one frame larger than the window still passes.
// Ownership: shared by the stream and its credits; what it wakes must live until detach().
// Thread: any. The mutex is held for arithmetic and, so that detach() is final, while waking.
// Units: bytes as received.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

namespace worldline::replication {

// Told, from any thread, that a stream may read again. Must not block.
class WindowWaker {
 public:
  virtual void on_window_open() = 0;

 protected:
  ~WindowWaker() = default;
};

class ReceiveWindow;

// Move-only share of a window; empty when default-constructed.
class ReceiveCredit {
 public:
  ReceiveCredit() = default;
  ReceiveCredit(std::shared_ptr<ReceiveWindow> window, size_t bytes)
      : window_(std::move(window)), bytes_(bytes) {}
  ReceiveCredit(ReceiveCredit&& other) noexcept
      : window_(std::move(other.window_)), bytes_(other.bytes_) {}
  ReceiveCredit& operator=(ReceiveCredit&& other) noexcept;
  ReceiveCredit(const ReceiveCredit&) = delete;
  ReceiveCredit& operator=(const ReceiveCredit&) = delete;
  ~ReceiveCredit() { release(); }

 private:
  void release();

  std::shared_ptr<ReceiveWindow> window_;
  size_t bytes_ = 0;
};

class ReceiveWindow : public std::enable_shared_from_this<ReceiveWindow> {
 public:
  // `waker` is borrowed until detach().
  ReceiveWindow(size_t bytes_max, WindowWaker& waker) : bytes_max_(bytes_max), waker_(&waker) {}

  ReceiveCredit take(size_t bytes);
  // Whether the next frame may be read. If not, the waker is told once when it may.
  bool may_read();
  void detach();  // Nothing is woken after this.

  size_t held_bytes() const;

 private:
  friend class ReceiveCredit;
  void give_back(size_t bytes);

  const size_t bytes_max_;
  mutable std::mutex mutex_;
  WindowWaker* waker_;       // Guarded by mutex_. Null: detached.
  size_t held_bytes_ = 0;    // Guarded by mutex_.
  bool is_waiting_ = false;  // Guarded by mutex_: the stream waits to be woken.
};

}  // namespace worldline::replication
