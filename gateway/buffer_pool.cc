#include "gateway/buffer_pool.h"

#include <utility>

namespace worldline::gateway {

std::unique_ptr<ByteBuffer> BufferPool::take() {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    if (!state_->free.empty()) {
      auto buffer = std::move(state_->free.back());
      state_->free.pop_back();
      return buffer;
    }
  }
  return std::make_unique<ByteBuffer>(state_->buffer_bytes);
}

SharedBytes BufferPool::share(std::unique_ptr<ByteBuffer> buffer) const {
  return {buffer.release(), [state = state_](const ByteBuffer* shared) {
            // Frozen only while shared: this was the last reference.
            state->give_back(std::unique_ptr<ByteBuffer>(const_cast<ByteBuffer*>(shared)));
          }};
}

void BufferPool::State::give_back(std::unique_ptr<ByteBuffer> buffer) {
  if (buffer == nullptr || buffer->size() != buffer_bytes) return;
  const std::lock_guard<std::mutex> lock(mutex);
  if (free.size() < kept_max) free.push_back(std::move(buffer));
}

}  // namespace worldline::gateway
