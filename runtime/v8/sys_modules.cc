#include "runtime/v8/sys_modules.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "runtime/v8/sys_functions.h"
#include "runtime/v8/values.h"

namespace worldline::runtime {
namespace {

using v8::Local;

constexpr std::string_view kSpecifierPrefix = "spacetime:sys@";
constexpr std::string_view kModuleHooks = "moduleHooks";

struct Version {
  uint16_t major;
  uint16_t minor;
};

std::optional<Version> parse_version(std::string_view text) {
  Version version{};
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc() || minor.ptr != end) return std::nullopt;
  return version;
}

std::optional<SysVersion> find_version(Version version) {
  if (version.major == 1 && version.minor <= 3) return static_cast<SysVersion>(version.minor);
  if (version.major == 2 && version.minor <= 1)
    return static_cast<SysVersion>(static_cast<unsigned>(SysVersion::k2_0) + version.minor);
  return std::nullopt;
}

std::string_view version_name(SysVersion version) {
  constexpr std::string_view kNames[] = {"spacetime:sys@1.0", "spacetime:sys@1.1",
                                         "spacetime:sys@1.2", "spacetime:sys@1.3",
                                         "spacetime:sys@2.0", "spacetime:sys@2.1"};
  return kNames[static_cast<size_t>(version)];
}

bool set_export(IsolateScope& scope, Local<v8::Module> module, std::string_view name,
                Local<v8::Value> value) {
  return module->SetSyntheticModuleExport(scope.isolate(), js_name(scope, name), value)
      .FromMaybe(false);
}

bool export_function(IsolateScope& scope, Local<v8::Module> module, const SysFunction& function) {
  const auto function_template = v8::FunctionTemplate::New(scope.isolate(), function.callback, {},
                                                           {}, 0, v8::ConstructorBehavior::kThrow);
  function_template->SetClassName(js_name(scope, function.name));
  Local<v8::Function> instance;
  return function_template->GetFunction(scope.context()).ToLocal(&instance) &&
         set_export(scope, module, function.name, instance);
}

v8::MaybeLocal<v8::Value> fill_module(Local<v8::Context> context, Local<v8::Module> module) {
  IsolateScope scope(context->GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  for (size_t i = 0; i < kSysVersionCount; ++i) {
    if (host.sys_modules[i].empty() || host.sys_modules[i].get(scope.isolate()) != module) continue;
    const auto version = static_cast<SysVersion>(i);
    for (const SysFunction& function : sys_functions(version))
      if (!export_function(scope, module, function)) return {};
    if (version == SysVersion::k2_0 &&
        !set_export(scope, module, kModuleHooks, host.module_hooks.get(scope.isolate())))
      return {};
  }
  Local<v8::Promise::Resolver> resolver;
  if (!v8::Promise::Resolver::New(context).ToLocal(&resolver) ||
      resolver->Resolve(context, v8::Undefined(scope.isolate())).IsNothing())
    return {};
  return resolver->GetPromise();
}

Local<v8::Module> make_module(IsolateScope& scope, JsHost& host, SysVersion version) {
  Kept<v8::Module>& kept = host.sys_modules[static_cast<size_t>(version)];
  if (!kept.empty()) return kept.get(scope.isolate());
  std::vector<Local<v8::String>> names;
  for (const SysFunction& function : sys_functions(version))
    names.push_back(js_name(scope, function.name));
  if (version == SysVersion::k2_0) names.push_back(js_name(scope, kModuleHooks));
  const auto module = v8::Module::CreateSyntheticModule(
      scope.isolate(), js_name(scope, version_name(version)), names, fill_module);
  kept.set(scope.isolate(), module);
  return module;
}

v8::MaybeLocal<v8::Module> resolve_import(Local<v8::Context> context, Local<v8::String> specifier,
                                          Local<v8::FixedArray> /*assertions*/,
                                          Local<v8::Module> /*referrer*/) {
  IsolateScope scope(context->GetIsolate());
  const std::string name = to_utf8(scope, specifier);
  if (!name.starts_with(kSpecifierPrefix)) {
    throw_type_error(scope, fmt::format("Could not find module \"{}\"", name));
    return {};
  }
  const std::string text = name.substr(kSpecifierPrefix.size());
  const auto version = parse_version(text);
  if (!version) {
    throw_type_error(scope, fmt::format("Invalid version in module spec \"{}\"", name));
    return {};
  }
  if (const auto known = find_version(*version))
    return make_module(scope, JsHost::of(scope.isolate()), *known);
  throw_type_error(
      scope,
      fmt::format("Could not import \"{}\", likely because this module was built for a newer "
                  "version of SpacetimeDB.\nIt requires sys module v{}, but that version is not "
                  "supported by the database.",
                  name, text));
  return {};
}

}  // namespace

std::span<const SysFunction> sys_functions(SysVersion version) {
  return version >= SysVersion::k2_0 ? functions_of_v2(version) : functions_of_v1(version);
}

bool link_imports(IsolateScope& scope, Local<v8::Module> module) {
  return module->InstantiateModule(scope.context(), resolve_import).FromMaybe(false);
}

}  // namespace worldline::runtime
