// schema/raw_module_variants.h
//
// The sums of RawModuleDef and the products whose members are not plain fields; the other half of
// raw_module_fields.h. Internal to schema. Sources: [S 01/5].
#pragma once

#include "schema/raw_module_fields.h"

namespace worldline::schema::raw {

// Any std::variant: tag = index.
template <typename Variant>
struct StdVariant {
  static uint8_t tag(const Variant& value) { return static_cast<uint8_t>(value.index()); }
  static void select(Variant& value, uint8_t tag) {
    select_from(value, tag, std::make_index_sequence<std::variant_size_v<Variant>>());
  }
  template <typename Value, typename Visit>
  static Status payload(Value& value, Visit visit) {
    return std::visit(visit, value);
  }

 private:
  template <size_t... I>
  static void select_from(Variant& value, uint8_t tag, std::index_sequence<I...>) {
    ((tag == I ? void(value.template emplace<I>()) : void()), ...);
  }
};

template <>
struct Variants<RawModuleDef> : StdVariant<RawModuleDef> {
  static constexpr const char* kName = "RawModuleDef";
  static constexpr auto kNames = std::to_array<const char*>({"V8BackCompat", "V9", "V10"});
};
template <>
struct Variants<RawMiscModuleExportV9> : StdVariant<RawMiscModuleExportV9> {
  static constexpr const char* kName = "RawMiscModuleExportV9";
  static constexpr auto kNames =
      std::to_array<const char*>({"ColumnDefaultValue", "Procedure", "View"});
};
template <>
struct Variants<RawModuleDefV10Section> : StdVariant<RawModuleDefV10Section> {
  static constexpr const char* kName = "RawModuleDefV10Section";
  static constexpr auto kNames = std::to_array<const char*>(
      {"Typespace", "Types", "Tables", "Reducers", "Procedures", "Views", "Schedules",
       "LifeCycleReducers", "RowLevelSecurity", "CaseConversionPolicy", "ExplicitNames",
       "HttpHandlers", "HttpRoutes", "ViewPrimaryKeys", "Submodules"});
  static_assert(kNames.size() == std::variant_size_v<RawModuleDefV10Section>);
};

template <>
struct Variants<RawIndexAlgorithm> {
  static constexpr const char* kName = "RawIndexAlgorithm";
  static constexpr auto kNames = std::to_array<const char*>({"BTree", "Hash", "Direct"});
  static uint8_t tag(const RawIndexAlgorithm& value) { return static_cast<uint8_t>(value.kind); }
  static void select(RawIndexAlgorithm& value, uint8_t tag) {
    value.kind = static_cast<IndexAlgorithm>(tag);
    value.columns.assign(value.kind == IndexAlgorithm::kDirect ? 1 : 0, 0);
  }
  template <typename Value, typename Visit>
  static Status payload(Value& value, Visit visit) {
    if (value.kind == IndexAlgorithm::kDirect) return visit(value.columns.at(0));
    return visit(value.columns);
  }
};

template <>
struct Variants<ExplicitNameEntry> {
  static constexpr const char* kName = "ExplicitNameEntry";
  static constexpr auto kNames = std::to_array<const char*>({"Table", "Function", "Index"});
  static uint8_t tag(const ExplicitNameEntry& value) { return static_cast<uint8_t>(value.kind); }
  static void select(ExplicitNameEntry& value, uint8_t tag) {
    value.kind = static_cast<ExplicitNameKind>(tag);
  }
  template <typename Value, typename Visit>
  static Status payload(Value& value, Visit visit) {
    return visit(value.mapping);
  }
};

template <>
struct Variants<MiscModuleExportV8> {
  static constexpr const char* kName = "MiscModuleExport";
  static constexpr auto kNames = std::to_array<const char*>({"TypeAlias"});
  static uint8_t tag(const MiscModuleExportV8&) { return 0; }
  static void select(MiscModuleExportV8&, uint8_t) {}
  template <typename Value, typename Visit>
  static Status payload(Value& value, Visit visit) {
    return visit(value.alias);
  }
};

template <>
struct Variants<HttpMethod> {
  static constexpr const char* kName = "HttpMethod";
  static constexpr auto kNames =
      std::to_array<const char*>({"Get", "Head", "Post", "Put", "Delete", "Connect", "Options",
                                  "Trace", "Patch", "Extension"});
  static_assert(kNames.size() == HttpMethod::kExtension + 1);
  static uint8_t tag(const HttpMethod& value) { return value.tag; }
  static void select(HttpMethod& value, uint8_t tag) { value.tag = tag; }
  template <typename Value, typename Visit>
  static Status payload(Value& value, Visit visit) {
    if (value.tag == HttpMethod::kExtension) return visit(value.extension);
    Unit unit;
    return visit(unit);
  }
};

template <>
struct Variants<MethodOrAny> {
  static constexpr const char* kName = "MethodOrAny";
  static constexpr auto kNames = std::to_array<const char*>({"Any", "Method"});
  static uint8_t tag(const MethodOrAny& value) { return value.method ? 1 : 0; }
  static void select(MethodOrAny& value, uint8_t tag) {
    value.method.reset();
    if (tag == 1) value.method.emplace();
  }
  template <typename Value, typename Visit>
  static Status payload(Value& value, Visit visit) {
    if (value.method) return visit(*value.method);
    Unit unit;
    return visit(unit);
  }
};

template <>
struct Variants<RawConstraintData> {
  static constexpr const char* kName = "RawConstraintDataV9";
  static constexpr auto kNames = std::to_array<const char*>({"Unique"});
  static uint8_t tag(const RawConstraintData&) { return 0; }
  static void select(RawConstraintData&, uint8_t) {}
  template <typename Value, typename Visit>
  static Status payload(Value& value, Visit visit) {
    return visit(value.unique);
  }
};

}  // namespace worldline::schema::raw
