// runtime/v8/isolate.h
//
// JsIsolate owns one V8 isolate with one context and its limits; IsolateScope is the token that
// proves it is entered: every function of this folder takes it first.
//
// Invariants: near the heap limit the script is ended and the limit raised for the clean-up;
// array buffers fail with a RangeError beyond the same limit; heap, array buffers and WebAssembly
// memories together are looked at after each full collection, and a script that keeps more than the
// limit is ended. So is one that keeps 640 MiB in large objects when it is looked into: V8 ends the
// process when a list that grows (to 1.5 times its length, and 16) wants more than 2^27 elements,
// and for one list it looks at no limit before. After stop() the running script unwinds without
// running `catch` or `finally`.
// Ownership and thread: entered by one thread at a time; the stack limit follows the thread. stop()
// may come from any thread.
// Units: bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include <v8.h>

#include "runtime/runtime_types.h"
#include "runtime/v8/counting_allocator.h"
#include "runtime/watchdog.h"

namespace worldline::runtime {

// A v8::Global: the one way to keep an object of the isolate. REQUIRES: reset before the isolate.
template <typename T>
class Kept {
 public:
  void set(v8::Isolate* isolate, v8::Local<T> value) { global_.Reset(isolate, value); }
  v8::Local<T> get(v8::Isolate* isolate) const { return global_.Get(isolate); }
  bool empty() const { return global_.IsEmpty(); }
  void reset() { global_.Reset(); }

 private:
  v8::Global<T> global_;
};

class JsIsolate final : public Stopper {
 public:
  struct Limits {
    size_t heap_bytes;
    size_t stack_bytes;
  };
  explicit JsIsolate(Limits limits);
  ~JsIsolate() override;
  JsIsolate(const JsIsolate&) = delete;
  JsIsolate& operator=(const JsIsolate&) = delete;

  void stop() noexcept override;
  void look_inside() noexcept override;

  // Runs the promise jobs the script left, as the end of the outermost call does by default in V8.
  // Explicit because V8 would run them even after a stop, when nothing could stop them any more.
  void run_promise_jobs() { isolate_->PerformMicrotaskCheckpoint(); }

  // After a stop and once no script is on the stack: makes the isolate usable again.
  void cancel_stop();

  v8::Isolate* isolate() const { return isolate_; }
  HeapStats heap_stats() const;
  // What V8 keeps outside its heap for the script: array buffers, WebAssembly memories and code.
  size_t external_bytes() const;
  // Ends the script if it keeps more than the limit, heap and external memory together; collects
  // garbage to find out. Cheap while external memory alone is below the limit.
  void check_external() {
    if (external_bytes() > limits_.heap_bytes) check_memory();
  }
  // The heap limit if the script hit it since the last cancel_stop(), raised or not. 0 = no.
  size_t raised_heap_limit() const { return raised_heap_limit_; }
  size_t initial_heap_limit() const { return limits_.heap_bytes; }

 private:
  friend class EnteredIsolate;
  static size_t on_near_heap_limit(void* self, size_t current, size_t initial);
  static void on_collected(v8::Isolate* isolate, v8::GCType type, v8::GCCallbackFlags flags,
                           void* self);
  size_t kept_bytes() const;
  size_t large_object_bytes() const;  // Garbage included.
  void check_memory();
  void check_large_objects();
  void end_for_memory();  // Ends the script as at the heap limit.
  void follow_thread();   // Sets the stack limit for the calling thread.

  const Limits limits_;
  std::atomic<size_t> array_buffer_bytes_{0};
  const std::unique_ptr<v8::ArrayBuffer::Allocator> allocator_;
  v8::Isolate* isolate_ = nullptr;
  Kept<v8::Context> context_;
  size_t raised_heap_limit_ = 0;
  uint64_t heap_limit_hits_ = 0;
  bool memory_check_asked_ = false;
  std::atomic<bool> look_asked_{false};
  size_t large_bytes_collected_ = 0;   // large_object_bytes() after the last full collection.
  const void* thread_mark_ = nullptr;  // Of the thread the stack limit was set for.
};

// The isolate is entered and `context` is current. Cheap to make inside callbacks from JavaScript.
class IsolateScope {
 public:
  explicit IsolateScope(v8::Isolate* isolate) : isolate_(isolate) {}
  v8::Isolate* isolate() const { return isolate_; }
  v8::Local<v8::Context> context() const { return isolate_->GetCurrentContext(); }

 private:
  v8::Isolate* isolate_;
};

// Enters an isolate for as long as it lives.
class EnteredIsolate {
 public:
  explicit EnteredIsolate(JsIsolate& owner);
  EnteredIsolate(const EnteredIsolate&) = delete;
  EnteredIsolate& operator=(const EnteredIsolate&) = delete;
  IsolateScope& scope() { return scope_; }
  v8::Local<v8::Context> context() const { return context_; }

 private:
  v8::Isolate::Scope isolate_scope_;
  v8::HandleScope handles_;
  v8::Local<v8::Context> context_;
  v8::Context::Scope context_scope_;
  IsolateScope scope_;
};

}  // namespace worldline::runtime
