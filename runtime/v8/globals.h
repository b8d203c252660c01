// runtime/v8/globals.h
//
// Makes a bare context into what modules expect: TextEncoder, TextDecoder, the forbidden
// Math.random, and the built-ins V8 10.2 lacks (prelude.js) [S 03/3.2, 6.3]. Errors: kInternal, the
// prelude is ours.
#pragma once

#include "base/status.h"
#include "runtime/v8/isolate.h"

namespace worldline::runtime {

Status install_globals(IsolateScope& scope);

}  // namespace worldline::runtime
