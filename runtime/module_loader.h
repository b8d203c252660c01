// runtime/module_loader.h
//
// Turns a published program into a running ModuleInstance, and into a validated definition.
//
// Errors: kInvalidArgument with the text for the publisher (syntax, imports, missing exports,
// definition errors), kModuleFatal if the module threw while starting, kTimeout if it ran too long,
// kNotSupported for what this version does not run; describe_module() lists all reasons at once.
// Thread: the one that will use the instance first; nothing is shared between instances.
#pragma once

#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "runtime/module_instance.h"
#include "runtime/module_log.h"
#include "runtime/module_runtime.h"
#include "runtime/runtime_types.h"
#include "schema/hash.h"
#include "schema/identity.h"
#include "schema/module_def.h"

namespace worldline::runtime {

struct ModuleProgram {
  ProgramKind kind = ProgramKind::kJs;
  SharedBytes bytes;          // As published; also what is hashed and stored.
  schema::Hash256 hash;       // Of `bytes`; key of the lowering cache.
  schema::Identity database;  // What the system call `identity` answers.
};

// Evaluates the program and registers its hooks; runs under the call budget, outside any
// transaction. `log` is borrowed and outlives the instance.
Result<std::unique_ptr<ModuleInstance>> load_module(ModuleRuntime& runtime,
                                                    const ModuleProgram& program,
                                                    const ModuleLimits& limits, ModuleLog& log);

// Loads, describes, decodes and validates in one step. Modules that declare what this version does
// not run (views, procedures, HTTP handlers) are refused with a list that names each.
struct DescribedModule {
  std::unique_ptr<ModuleInstance> instance;
  std::shared_ptr<const schema::ModuleDef> def;
};
Result<DescribedModule> describe_module(
    ModuleRuntime& runtime, const ModuleProgram& program, const ModuleLimits& limits,
    ModuleLog& log, schema::DefinitionOrigin origin = schema::DefinitionOrigin::kPublisher);

}  // namespace worldline::runtime
