// runtime/v8/sys_modules.h
//
// Resolution of a module's imports: `spacetime:sys@M.m` become synthetic modules, made once per
// isolate; everything else is refused with the texts of [S 03/3.1].
#pragma once

#include "runtime/v8/js_host.h"

namespace worldline::runtime {

// Links the module's imports. False after throwing.
bool link_imports(IsolateScope& scope, v8::Local<v8::Module> module);

}  // namespace worldline::runtime
