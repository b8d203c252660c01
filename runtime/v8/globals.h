// runtime/v8/globals.h
//
// Makes a bare context into what modules expect: TextEncoder, TextDecoder, the forbidden
// Math.random, the built-ins V8 10.2 lacks (prelude.js) [S 03/3.2, 6.3], and bounds for those that
// nothing could stop (bounds.js). Errors: kInternal, the scripts are ours.
#pragma once

#include "base/status.h"
#include "runtime/v8/isolate.h"

namespace worldline::runtime {

Status install_globals(IsolateScope& scope);

}  // namespace worldline::runtime
