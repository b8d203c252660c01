#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "runtime/v8/js_host.h"
#include "runtime/v8/values.h"

namespace worldline::runtime {
namespace {

constexpr size_t kRejectedMax = 100;  // Of one call; more are not reported.

}  // namespace

void on_promise_reject(v8::PromiseRejectMessage message) {
  const auto promise = message.GetPromise();
  v8::Isolate* const isolate = promise->GetIsolate();
  auto& rejected = JsHost::of(isolate).rejected;
  switch (message.GetEvent()) {
    case v8::kPromiseRejectWithNoHandler: {
      if (rejected.size() >= kRejectedMax || message.GetValue().IsEmpty()) return;
      RejectedPromise& entry = rejected.emplace_back();
      entry.promise.set(isolate, promise);
      entry.reason.set(isolate, message.GetValue());
      return;
    }
    case v8::kPromiseHandlerAddedAfterReject:
      std::erase_if(rejected, [isolate, promise](const RejectedPromise& entry) {
        return entry.promise.get(isolate) == promise;
      });
      return;
    case v8::kPromiseRejectAfterResolved:
    case v8::kPromiseResolveAfterResolved:
      return;
  }
}

void log_rejected_promises(IsolateScope& scope, JsHost& host) {
  for (const RejectedPromise& entry : std::exchange(host.rejected, {})) {
    const auto message =
        v8::Exception::CreateMessage(scope.isolate(), entry.reason.get(scope.isolate()));
    host.calls.console_log(0, fmt::format("(in promise) {}", to_utf8(scope, message->Get())), {});
  }
}

}  // namespace worldline::runtime
