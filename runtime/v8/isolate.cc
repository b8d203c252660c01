#include "runtime/v8/isolate.h"

#include <algorithm>
#include <string_view>

#include <libplatform/libplatform.h>
#include <pthread.h>

#include "base/check.h"
#include "runtime/v8/engine.h"

namespace worldline::runtime {
namespace {

constexpr size_t kStackMarginBytes = 128 * limits::KiB;  // Left for C++ below the script.
// Large objects of one script. A list of this size may grow once more: 1.5 * 640 MiB < 1 GiB, which
// are 2^27 elements of 8 bytes. From there on it takes 28 million more elements to the end of the
// process, and a look at the script before that.
constexpr size_t kLargeObjectBytesMax = 640 * limits::MiB;
static_assert(kLargeObjectBytesMax / 2 * 3 < limits::GiB);
constexpr size_t kLargeGarbageMax = 256 * limits::MiB;  // Collected before anybody is ended.
constexpr size_t kHeapLimitGrowthMax = 8;  // A builtin that allocates in a loop may need several.

// A value that differs between threads; its address is the thread's mark.
thread_local char thread_marker = 0;

// Lowest usable address of the calling thread's stack.
uintptr_t stack_bottom() {
  pthread_attr_t attributes;
  void* lowest = nullptr;
  size_t size = 0;
  WL_CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
  WL_CHECK(pthread_attr_getstack(&attributes, &lowest, &size) == 0);
  pthread_attr_destroy(&attributes);
  return reinterpret_cast<uintptr_t>(lowest);
}

}  // namespace

JsIsolate::JsIsolate(Limits limits)
    : limits_(limits), allocator_(make_counting_allocator(limits.heap_bytes, array_buffer_bytes_)) {
  v8::Isolate::CreateParams params;
  params.array_buffer_allocator = allocator_.get();
  params.constraints.ConfigureDefaultsFromHeapSize(0, limits.heap_bytes);
  isolate_ = v8::Isolate::New(params);
  isolate_->AddNearHeapLimitCallback(on_near_heap_limit, this);
  isolate_->AddGCEpilogueCallback(on_collected, this, v8::kGCTypeMarkSweepCompact);
  isolate_->SetCaptureStackTraceForUncaughtExceptions(true, 1024, v8::StackTrace::kDetailed);
  isolate_->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);  // See run_promise_jobs().
  isolate_->SetAllowAtomicsWait(false);  // The main lane must never sleep in Atomics.wait.
  follow_thread();
  const v8::Isolate::Scope isolate_scope(isolate_);
  const v8::HandleScope handles(isolate_);
  context_.set(isolate_, v8::Context::New(isolate_));
}

JsIsolate::~JsIsolate() {
  context_.reset();
  v8::platform::NotifyIsolateShutdown(&engine_platform(), isolate_);
  isolate_->Dispose();
}

void JsIsolate::stop() noexcept {
  isolate_->TerminateExecution();
}

void JsIsolate::look_inside() noexcept {
  if (look_asked_.exchange(true, std::memory_order_relaxed)) return;
  isolate_->RequestInterrupt(
      [](v8::Isolate*, void* data) {
        auto* const asked = static_cast<JsIsolate*>(data);
        asked->look_asked_.store(false, std::memory_order_relaxed);
        asked->check_large_objects();
      },
      this);
}

void JsIsolate::cancel_stop() {
  // Promise jobs the ended call left must not run in the next one: run while ending, the queue is
  // thrown away.
  isolate_->TerminateExecution();
  isolate_->PerformMicrotaskCheckpoint();
  isolate_->CancelTerminateExecution();
  if (raised_heap_limit_ == 0) return;
  isolate_->RemoveNearHeapLimitCallback(on_near_heap_limit, limits_.heap_bytes);
  isolate_->AddNearHeapLimitCallback(on_near_heap_limit, this);
  raised_heap_limit_ = 0;
}

HeapStats JsIsolate::heap_stats() const {
  v8::HeapStatistics stats;
  isolate_->GetHeapStatistics(&stats);
  return {.used_bytes = stats.used_heap_size(),
          .total_bytes = stats.total_heap_size(),
          .limit_bytes = limits_.heap_bytes,
          .external_bytes = external_bytes(),
          .physical_bytes = stats.total_physical_size(),
          .global_handle_bytes = stats.used_global_handles_size(),
          .native_contexts = stats.number_of_native_contexts(),
          .detached_contexts = stats.number_of_detached_contexts(),
          .limit_hits = heap_limit_hits_};
}

size_t JsIsolate::external_bytes() const {
  return static_cast<size_t>(
      std::max<int64_t>(0, isolate_->AdjustAmountOfExternalAllocatedMemory(0)));
}

size_t JsIsolate::kept_bytes() const {
  v8::HeapStatistics stats;
  isolate_->GetHeapStatistics(&stats);
  return stats.used_heap_size() + external_bytes();
}

void JsIsolate::check_memory() {
  if (kept_bytes() <= limits_.heap_bytes) return;
  // Buffers are freed in the background: only a collection behind the collection tells.
  isolate_->LowMemoryNotification();
  if (kept_bytes() > limits_.heap_bytes) end_for_memory();
}

size_t JsIsolate::large_object_bytes() const {
  size_t sum = 0;
  for (size_t space = 0; space < isolate_->NumberOfHeapSpaces(); ++space) {
    v8::HeapSpaceStatistics stats;
    if (isolate_->GetHeapSpaceStatistics(&stats, space) &&
        std::string_view(stats.space_name()).ends_with("large_object_space"))
      sum += stats.space_used_size();
  }
  return sum;
}

void JsIsolate::check_large_objects() {
  const size_t bytes = large_object_bytes();
  if (bytes <= kLargeObjectBytesMax) return;
  // on_collected() tells what is left; one collection for each 256 MiB is what V8 spends too.
  if (bytes >= large_bytes_collected_ + kLargeGarbageMax) isolate_->LowMemoryNotification();
  if (large_bytes_collected_ > kLargeObjectBytesMax) end_for_memory();
}

void JsIsolate::end_for_memory() {
  ++heap_limit_hits_;
  raised_heap_limit_ = std::max(raised_heap_limit_, limits_.heap_bytes);
  isolate_->TerminateExecution();
}

// Nothing may be collected from in here: the check runs as soon as the script can be interrupted.
void JsIsolate::on_collected(v8::Isolate* isolate, v8::GCType, v8::GCCallbackFlags, void* self) {
  auto* const owner = static_cast<JsIsolate*>(self);
  owner->large_bytes_collected_ = owner->large_object_bytes();
  if (owner->memory_check_asked_ || owner->kept_bytes() <= owner->limits_.heap_bytes) return;
  owner->memory_check_asked_ = true;
  isolate->RequestInterrupt(
      [](v8::Isolate*, void* data) {
        auto* const asked = static_cast<JsIsolate*>(data);
        asked->check_memory();
        asked->memory_check_asked_ = false;
      },
      owner);
}

size_t JsIsolate::on_near_heap_limit(void* self, size_t current, size_t initial) {
  auto* owner = static_cast<JsIsolate*>(self);
  owner->isolate_->TerminateExecution();
  owner->raised_heap_limit_ = current;
  ++owner->heap_limit_hits_;
  // Doubled for the clean-up [S 03/3.11]. The bound keeps a builtin that never looks at the stop
  // from eating the machine: beyond it V8 ends the process.
  return std::min(current * 2, initial * kHeapLimitGrowthMax);
}

void JsIsolate::follow_thread() {
  if (thread_mark_ == &thread_marker) return;
  thread_mark_ = &thread_marker;
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const uintptr_t wanted = here - std::min<uintptr_t>(here, limits_.stack_bytes);
  isolate_->SetStackLimit(std::max(stack_bottom() + kStackMarginBytes, wanted));
}

EnteredIsolate::EnteredIsolate(JsIsolate& owner)
    : isolate_scope_(owner.isolate_),
      handles_(owner.isolate_),
      context_(owner.context_.get(owner.isolate_)),
      context_scope_(context_),
      scope_(owner.isolate_) {
  owner.follow_thread();
}

}  // namespace worldline::runtime
