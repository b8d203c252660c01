// tests/storage/counted_new.h
//
// Every operator new of the program that links counted_new.cc, as numbers. Thread: any.
#pragma once

#include <cstdint>

namespace worldline::storage {

struct NewCount {
  uint64_t calls = 0;
  uint64_t bytes = 0;
};

NewCount count_new();  // Since the program began.

// What `run` allocated.
template <typename Run>
NewCount count_new_of(Run&& run) {
  const NewCount before = count_new();
  run();
  const NewCount after = count_new();
  return {after.calls - before.calls, after.bytes - before.bytes};
}

}  // namespace worldline::storage
