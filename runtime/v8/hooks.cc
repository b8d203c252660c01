#include "runtime/v8/hooks.h"

#include <fmt/core.h>

#include "runtime/v8/values.h"

namespace worldline::runtime {
namespace {

using v8::Local;

std::string kind_of(IsolateScope& scope, Local<v8::Value> value) {
  if (value->IsNull()) return "null";
  return to_utf8(scope, value->TypeOf(scope.isolate()));
}

bool refuse_hook(IsolateScope& scope, std::string_view name, Local<v8::Value> got) {
  throw_type_error(
      scope, fmt::format("Expected module function hook `{}`, got {}", name, kind_of(scope, got)));
  return false;
}

// Fetches a function property once; `kept` may be null if only its presence matters.
bool fetch_function(IsolateScope& scope, Local<v8::Object> object, std::string_view name,
                    Kept<v8::Function>* kept) {
  Local<v8::Value> value;
  if (!object->Get(scope.context(), js_name(scope, name)).ToLocal(&value)) return false;
  if (!value->IsFunction()) return refuse_hook(scope, name, value);
  if (kept != nullptr) kept->set(scope.isolate(), value.As<v8::Function>());
  return true;
}

bool fetch_v2_hooks(IsolateScope& scope, JsHost& host, Local<v8::Object> object) {
  JsHooks& hooks = host.hooks;
  hooks.self.set(scope.isolate(), object);
  Local<v8::Value> sender_error;
  if (!fetch_function(scope, object, "__describe_module__", &hooks.describe_module) ||
      !fetch_function(scope, object, "__get_error_constructor__", &hooks.get_error_constructor) ||
      !object->Get(scope.context(), js_name(scope, "__sender_error_class__"))
           .ToLocal(&sender_error))
    return false;
  if (!sender_error->IsFunction())
    return refuse_hook(scope, "__sender_error_class__", sender_error);
  hooks.sender_error_class.set(scope.isolate(), sender_error.As<v8::Object>());
  if (!fetch_function(scope, object, "__call_reducer__", &hooks.call_reducer) ||
      !fetch_function(scope, object, "__call_view__", nullptr) ||
      !fetch_function(scope, object, "__call_view_anon__", nullptr) ||
      !fetch_function(scope, object, "__call_procedure__", nullptr))
    return false;
  hooks.abi = Abi::kV2;
  return true;
}

}  // namespace

void register_v1_hooks(IsolateScope& scope, JsHost& host, SysVersion version,
                       Local<v8::Value> object) {
  const auto bit = static_cast<uint8_t>(1u << static_cast<unsigned>(version));
  if ((host.hooks.registered_versions & bit) != 0)
    return throw_type_error(scope, "cannot call `register_hooks` multiple times");
  if (host.hooks.abi == Abi::kV2)
    return throw_type_error(scope, "cannot call `register_hooks` from different versions");
  if (!object->IsObject())
    return throw_type_error(scope,
                            fmt::format("Expected hooks object, got {}", kind_of(scope, object)));
  const auto hooks = object.As<v8::Object>();
  bool registered = true;
  if (version == SysVersion::k1_0)
    registered = fetch_function(scope, hooks, "__describe_module__", &host.hooks.describe_module) &&
                 fetch_function(scope, hooks, "__call_reducer__", &host.hooks.call_reducer);
  if (version == SysVersion::k1_1)
    registered = fetch_function(scope, hooks, "__call_view__", nullptr) &&
                 fetch_function(scope, hooks, "__call_view_anon__", nullptr);
  if (version == SysVersion::k1_2)
    registered = fetch_function(scope, hooks, "__call_procedure__", nullptr);
  if (!registered) return;
  host.hooks.registered_versions |= bit;
  host.hooks.abi = Abi::kV1;
}

bool finish_registration(IsolateScope& scope, JsHost& host, Local<v8::Module> module) {
  if (host.hooks.abi == Abi::kV1) {
    if (!host.hooks.call_reducer.empty()) return true;
    return refuse_hook(scope, "__describe_module__", v8::Undefined(scope.isolate()));
  }
  const auto exports = module->GetModuleNamespace().As<v8::Object>();
  Local<v8::Value> schema;
  if (!exports->Get(scope.context(), js_name(scope, "default")).ToLocal(&schema)) return false;
  if (schema->IsNullOrUndefined()) {
    throw_type_error(scope, "must export schema as default export");
    return false;
  }
  Local<v8::Value> entry;
  if (schema->IsObject() && !schema.As<v8::Object>()
                                 ->Get(scope.context(), host.module_hooks.get(scope.isolate()))
                                 .ToLocal(&entry))
    return false;
  if (!schema->IsObject() || !entry->IsFunction()) {
    throw_type_error(scope, "default export is not a Schema object");
    return false;
  }
  Local<v8::Value> argument = exports;
  Local<v8::Value> hooks;
  if (!entry.As<v8::Function>()->Call(scope.context(), schema, 1, &argument).ToLocal(&hooks))
    return false;
  if (hooks->IsObject()) return fetch_v2_hooks(scope, host, hooks.As<v8::Object>());
  throw_type_error(scope, "default export is not a Schema object");
  return false;
}

bool call_describe(IsolateScope& scope, JsHost& host, ByteBuffer& out) {
  Local<v8::Value> result;
  if (!host.hooks.describe_module.get(scope.isolate())
           ->Call(scope.context(), host.hooks.receiver(scope), 0, nullptr)
           .ToLocal(&result))
    return false;
  MutableBytes bytes;
  if (!read_uint8_array(scope, result, bytes)) return false;
  out.assign(bytes.begin(), bytes.end());
  return true;
}

}  // namespace worldline::runtime
