#include "runtime/module_loader.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "runtime/v8/js_instance.h"

namespace worldline::runtime {
namespace {

constexpr size_t kReasonsMax = 100;  // Named in one refusal.

// The form of every refused definition [S 01/6.1].
Status refusal(const std::vector<std::string>& reasons) {
  std::string text = "Errors occurred:\n";
  for (size_t i = 0; i < reasons.size() && i < kReasonsMax; ++i) text += reasons[i] + "\n\n";
  if (reasons.size() > kReasonsMax)
    text += fmt::format("and {} more\n\n", reasons.size() - kReasonsMax);
  return Status::not_supported("{}", text);
}

// Everything the module declares that this version does not run, by name.
std::vector<std::string> unsupported_parts(const schema::ModuleDef& def) {
  std::vector<std::string> reasons;
  for (const auto& view : def.views())
    reasons.push_back(fmt::format("view `{}`: views are not supported yet", view.full_name));
  for (const auto& procedure : def.procedures())
    reasons.push_back(
        fmt::format("procedure `{}`: procedures are not supported yet", procedure.full_name));
  for (const auto& scope : def.scopes()) {
    for (const auto& handler : scope.http_handlers)
      reasons.push_back(fmt::format("HTTP handler `{}{}`: HTTP handlers are not supported yet",
                                    scope.prefix, handler.name));
    for (const std::string& sql : scope.row_level_security)
      reasons.push_back(
          fmt::format("row level security `{}`: row level security is not supported yet", sql));
  }
  return reasons;
}

}  // namespace

Result<std::unique_ptr<ModuleInstance>> load_module(ModuleRuntime& runtime,
                                                    const ModuleProgram& program,
                                                    const ModuleLimits& limits, ModuleLog& log) {
  WL_CHECK(program.bytes != nullptr);
  switch (program.kind) {
    case ProgramKind::kJs:
      return load_js_module(runtime, program, limits, log);
    case ProgramKind::kWasm:
      return refusal(
          {"WebAssembly modules are not supported yet; publish a JavaScript module "
           "(host_type=Js)"});
  }
  return Status::invalid_argument("unknown kind of program");
}

Result<DescribedModule> describe_module(ModuleRuntime& runtime, const ModuleProgram& program,
                                        const ModuleLimits& limits, ModuleLog& log,
                                        schema::DefinitionOrigin origin) {
  DescribedModule described;
  WL_ASSIGN_OR_RETURN(described.instance, load_module(runtime, program, limits, log));
  WL_ASSIGN_OR_RETURN(const ByteBuffer bytes, described.instance->describe());
  WL_ASSIGN_OR_RETURN(described.def, schema::ModuleDef::load(bytes, origin));
  if (const auto reasons = unsupported_parts(*described.def); !reasons.empty())
    return refusal(reasons);
  return described;
}

}  // namespace worldline::runtime
