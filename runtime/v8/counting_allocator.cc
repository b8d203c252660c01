// Compiled without RTTI, as libnode is: deriving from its classes needs no type information then.
#include "runtime/v8/counting_allocator.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"

namespace worldline::runtime {
namespace {

class CountingAllocator final : public v8::ArrayBuffer::Allocator {
 public:
  CountingAllocator(size_t limit, std::shared_ptr<std::atomic<size_t>> used)
      : limit_(limit), used_(std::move(used)) {}

  void* Allocate(size_t length) override {
    return reserve(length) ? need(std::calloc(std::max<size_t>(length, 1), 1)) : nullptr;
  }
  void* AllocateUninitialized(size_t length) override {
    return reserve(length) ? need(std::malloc(std::max<size_t>(length, 1))) : nullptr;
  }
  void Free(void* data, size_t length) override {
    used_->fetch_sub(length, std::memory_order_relaxed);
    std::free(data);
  }

 private:
  bool reserve(size_t length) {
    const size_t before = used_->fetch_add(length, std::memory_order_relaxed);
    if (length <= limit_ && before <= limit_ - length) return true;
    used_->fetch_sub(length, std::memory_order_relaxed);
    return false;
  }
  static void* need(void* data) {
    WL_CHECK(data != nullptr);
    return data;
  }

  const size_t limit_;
  const std::shared_ptr<std::atomic<size_t>> used_;
};

}  // namespace

ArrayBufferMemory make_array_buffer_memory(size_t limit) {
  ArrayBufferMemory memory;
  memory.used = std::make_shared<std::atomic<size_t>>(0);
  memory.allocator = std::make_unique<CountingAllocator>(limit, memory.used);
  return memory;
}

}  // namespace worldline::runtime
