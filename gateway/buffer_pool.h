// gateway/buffer_pool.h
//
// BufferPool recycles read buffers. A buffer is filled by one I/O thread, frozen together with the
// calls that borrow from it, and comes back when the last of them was executed, from any thread.
//
// Invariants: at most `kept_max` buffers wait in the pool; one larger than `buffer_bytes` is freed.
// Thread: any; the mutex guards a vector's push and pop only. Units: bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"

namespace worldline::gateway {

class BufferPool {
 public:
  BufferPool(size_t buffer_bytes, size_t kept_max)
      : state_(std::make_shared<State>(buffer_bytes, kept_max)) {}

  std::unique_ptr<ByteBuffer> take();  // buffer_bytes long, content unspecified.
  void give_back(std::unique_ptr<ByteBuffer> buffer) { state_->give_back(std::move(buffer)); }
  // Freezes the buffer; it returns to the pool with its last reference. Outlives the pool.
  SharedBytes share(std::unique_ptr<ByteBuffer> buffer) const;

  size_t buffer_bytes() const { return state_->buffer_bytes; }

 private:
  struct State {
    State(size_t bytes, size_t kept) : buffer_bytes(bytes), kept_max(kept) {}
    void give_back(std::unique_ptr<ByteBuffer> buffer);

    const size_t buffer_bytes;
    const size_t kept_max;
    std::mutex mutex;
    std::vector<std::unique_ptr<ByteBuffer>> free;  // Guarded by mutex.
  };

  std::shared_ptr<State> state_;
};

}  // namespace worldline::gateway
