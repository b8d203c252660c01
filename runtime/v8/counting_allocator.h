// runtime/v8/counting_allocator.h
//
// The memory of array buffers with a bound: V8 turns a refusal into a RangeError of the script.
//
// Thread: any; the collector frees on its own threads. Units: bytes. Running out of memory below
// the bound ends the process.
#pragma once

#include <atomic>
#include <memory>

#include <v8-array-buffer.h>

namespace worldline::runtime {

struct ArrayBufferMemory {
  std::shared_ptr<std::atomic<size_t>> used;  // Read it at any time.
  std::unique_ptr<v8::ArrayBuffer::Allocator> allocator;
};

ArrayBufferMemory make_array_buffer_memory(size_t limit);

}  // namespace worldline::runtime
