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

// `used` is borrowed and outlives the allocator.
std::unique_ptr<v8::ArrayBuffer::Allocator> make_counting_allocator(size_t limit,
                                                                    std::atomic<size_t>& used);

}  // namespace worldline::runtime
