#include "tests/storage/counted_new.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<uint64_t> calls{0};
std::atomic<uint64_t> bytes{0};
}  // namespace

void* operator new(size_t size) {
  calls.fetch_add(1, std::memory_order_relaxed);
  bytes.fetch_add(size, std::memory_order_relaxed);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace worldline::storage {

NewCount count_new() {
  return {calls.load(), bytes.load()};
}

}  // namespace worldline::storage
