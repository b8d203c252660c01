// Compiled without RTTI, as libnode is: deriving from its classes needs no type information then.
#include "runtime/v8/counting_allocator.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"

namespace worldline::runtime {
namespace {

class CountingAllocator final : public v8::ArrayBuffer::Allocator {
 public:
  CountingAllocator(size_t limit, std::atomic<size_t>& used) : limit_(limit), used_(used) {}

  void* Allocate(size_t length) override {
    return reserve(length) ? need(std::calloc(std::max<size_t>(length, 1), 1)) : nullptr;
  }
  void* AllocateUninitialized(size_t length) override {
    return reserve(length) ? need(std::malloc(std::max<size_t>(length, 1))) : nullptr;
  }
  void Free(void* data, size_t length) override {
    used_.fetch_sub(length, std::memory_order_relaxed);
    std::free(data);
  }

 private:
  bool reserve(size_t length) {
    const size_t before = used_.fetch_add(length, std::memory_order_relaxed);
    if (length <= limit_ && before <= limit_ - length) return true;
    used_.fetch_sub(length, std::memory_order_relaxed);
    return false;
  }
  static void* need(void* data) {
    WL_CHECK(data != nullptr);
    return data;
  }

  const size_t limit_;
  std::atomic<size_t>& used_;
};

}  // namespace

std::unique_ptr<v8::ArrayBuffer::Allocator> make_counting_allocator(size_t limit,
                                                                    std::atomic<size_t>& used) {
  return std::make_unique<CountingAllocator>(limit, used);
}

}  // namespace worldline::runtime
