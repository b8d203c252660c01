// runtime/v8/hooks.h
//
// How a module tells the host what to call: through its default export in ABI 2.x, through
// `register_hooks` in 1.x [S 03/3.3]. Errors are JavaScript exceptions, left for the caller's
// TryCatch.
#pragma once

#include "runtime/v8/js_host.h"

namespace worldline::runtime {

// ABI 1.x: takes the hooks that `version` introduced. Called by the module while it is evaluated.
void register_v1_hooks(IsolateScope& scope, JsHost& host, SysVersion version,
                       v8::Local<v8::Value> object);

// After evaluation: uses the 1.x hooks if there are any, else asks the default export. False after
// throwing.
bool finish_registration(IsolateScope& scope, JsHost& host, v8::Local<v8::Module> module);

// The bytes __describe_module__ returns. False after throwing.
bool call_describe(IsolateScope& scope, JsHost& host, ByteBuffer& out);

}  // namespace worldline::runtime
