// runtime/v8/lowering.h
//
// Bundles written for newer engines are lowered to ES2022 with TypeScript's own compiler, run in a
// throw-away isolate [S 03/6.2]. Used only when a bundle does not parse. The outcome is cached on
// disk by program hash; the published bytes stay what is hashed and stored.
//
// Thread: any; each call has its own isolate. Errors: kInvalidArgument if the bundle is not
// JavaScript, kTimeout, kFailedPrecondition if the tool is missing (with what to do).
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "runtime/module_runtime.h"
#include "schema/hash.h"

namespace worldline::runtime {

struct LoweredScript {
  std::string script;
  std::string map;  // JSON of the map from `script` to the bundle.
};

Result<LoweredScript> lower_script(ModuleRuntime& runtime, std::string_view bundle,
                                   const schema::Hash256& hash);

}  // namespace worldline::runtime
