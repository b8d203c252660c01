// schema/raw_module_fields.h
//
// The one description of the fields and variants of RawModuleDef, in encoding order. Decoder,
// encoder and the SATS description are generated from it (raw_module_def.cc), so they cannot
// disagree. Internal to schema.
//
// Fields<T>: a product; kFields is a tuple of Field{name, member}.
// Variants<T>: a sum; kNames are its variants, tag() tells the present one, select() makes `value`
// hold a variant, payload() calls `visit` with the present payload (Unit if there is none).
// Sources: [S 01/5].
#pragma once

#include <array>
#include <tuple>
#include <utility>

#include "schema/raw_module_def.h"

namespace worldline::schema::raw {

struct Unit {};

template <typename Owner, typename Member>
struct Field {
  const char* name;
  Member Owner::*member;
};
template <typename Owner, typename Member>
Field(const char*, Member Owner::*) -> Field<Owner, Member>;

template <typename T>
struct Fields;
template <typename T>
struct Variants;
template <typename T>
struct EnumNames;

template <typename T>
concept IsProduct = requires {
  Fields<T>::kFields;
};
template <typename T>
concept IsSum = requires {
  Variants<T>::kNames;
};
template <typename T>
concept IsEnum = requires {
  EnumNames<T>::kNames;
};

#define WL_RAW_PRODUCT(type, ...)                                 \
  template <>                                                     \
  struct Fields<type> {                                           \
    using T = type;                                               \
    static constexpr const char* kName = #type;                   \
    static constexpr auto kFields = std::make_tuple(__VA_ARGS__); \
  }
#define WL_RAW_PRODUCT_NAMED(type, name, ...)                     \
  template <>                                                     \
  struct Fields<type> {                                           \
    using T = type;                                               \
    static constexpr const char* kName = name;                    \
    static constexpr auto kFields = std::make_tuple(__VA_ARGS__); \
  }
#define WL_RAW_ENUM(type, name, ...)                                          \
  template <>                                                                 \
  struct EnumNames<type> {                                                    \
    static constexpr const char* kName = name;                                \
    static constexpr auto kNames = std::to_array<const char*>({__VA_ARGS__}); \
  }

WL_RAW_ENUM(TableKind, "TableType", "System", "User");
WL_RAW_ENUM(TableAccess, "TableAccess", "Public", "Private");
WL_RAW_ENUM(Lifecycle, "Lifecycle", "Init", "OnConnect", "OnDisconnect");
WL_RAW_ENUM(FunctionVisibility, "FunctionVisibility", "Private", "ClientCallable");
WL_RAW_ENUM(CaseConversionPolicy, "CaseConversionPolicy", "None", "SnakeCase");
WL_RAW_ENUM(IndexTypeV8, "IndexType", "BTree", "Hash");

WL_RAW_PRODUCT_NAMED(RawUniqueConstraint, "RawUniqueConstraintDataV9",
                     Field{"columns", &T::columns});
WL_RAW_PRODUCT_NAMED(RawRowLevelSecurity, "RawRowLevelSecurityDefV9", Field{"sql", &T::sql});

WL_RAW_PRODUCT(RawColumnDefV8, Field{"col_name", &T::col_name}, Field{"col_type", &T::col_type});
WL_RAW_PRODUCT(RawIndexDefV8, Field{"index_name", &T::index_name},
               Field{"is_unique", &T::is_unique}, Field{"index_type", &T::index_type},
               Field{"columns", &T::columns});
WL_RAW_PRODUCT(RawConstraintDefV8, Field{"constraint_name", &T::constraint_name},
               Field{"constraints", &T::constraints}, Field{"columns", &T::columns});
WL_RAW_PRODUCT(RawSequenceDefV8, Field{"sequence_name", &T::sequence_name},
               Field{"col_pos", &T::col_pos}, Field{"increment", &T::increment},
               Field{"start", &T::start}, Field{"min_value", &T::min_value},
               Field{"max_value", &T::max_value}, Field{"allocated", &T::allocated});
WL_RAW_PRODUCT(RawTableDefV8, Field{"table_name", &T::table_name}, Field{"columns", &T::columns},
               Field{"indexes", &T::indexes}, Field{"constraints", &T::constraints},
               Field{"sequences", &T::sequences}, Field{"table_type", &T::table_type},
               Field{"table_access", &T::table_access}, Field{"scheduled", &T::scheduled});
WL_RAW_PRODUCT_NAMED(TableDescV8, "TableDesc", Field{"schema", &T::schema},
                     Field{"data", &T::data});
WL_RAW_PRODUCT_NAMED(ReducerDefV8, "ReducerDef", Field{"name", &T::name}, Field{"args", &T::args});
WL_RAW_PRODUCT_NAMED(TypeAliasV8, "TypeAlias", Field{"name", &T::name}, Field{"ty", &T::ty});
WL_RAW_PRODUCT(RawModuleDefV8, Field{"typespace", &T::typespace}, Field{"tables", &T::tables},
               Field{"reducers", &T::reducers}, Field{"misc_exports", &T::misc_exports});

WL_RAW_PRODUCT(RawIndexDefV9, Field{"name", &T::name}, Field{"accessor_name", &T::accessor_name},
               Field{"algorithm", &T::algorithm});
WL_RAW_PRODUCT(RawConstraintDefV9, Field{"name", &T::name}, Field{"data", &T::data});
WL_RAW_PRODUCT(RawSequenceDefV9, Field{"name", &T::name}, Field{"column", &T::column},
               Field{"start", &T::start}, Field{"min_value", &T::min_value},
               Field{"max_value", &T::max_value}, Field{"increment", &T::increment});
WL_RAW_PRODUCT(RawScheduleDefV9, Field{"name", &T::name}, Field{"reducer_name", &T::reducer_name},
               Field{"scheduled_at_column", &T::scheduled_at_column});
WL_RAW_PRODUCT(RawTableDefV9, Field{"name", &T::name},
               Field{"product_type_ref", &T::product_type_ref},
               Field{"primary_key", &T::primary_key}, Field{"indexes", &T::indexes},
               Field{"constraints", &T::constraints}, Field{"sequences", &T::sequences},
               Field{"schedule", &T::schedule}, Field{"table_type", &T::table_type},
               Field{"table_access", &T::table_access});
WL_RAW_PRODUCT(RawReducerDefV9, Field{"name", &T::name}, Field{"params", &T::params},
               Field{"lifecycle", &T::lifecycle});
WL_RAW_PRODUCT(RawScopedTypeNameV9, Field{"scope", &T::scope}, Field{"name", &T::name});
WL_RAW_PRODUCT(RawTypeDefV9, Field{"name", &T::name}, Field{"ty", &T::ty},
               Field{"custom_ordering", &T::custom_ordering});
WL_RAW_PRODUCT(RawColumnDefaultValueV9, Field{"table", &T::table}, Field{"col_id", &T::col_id},
               Field{"value", &T::value});
WL_RAW_PRODUCT(RawProcedureDefV9, Field{"name", &T::name}, Field{"params", &T::params},
               Field{"return_type", &T::return_type});
WL_RAW_PRODUCT(RawViewDefV9, Field{"name", &T::name}, Field{"index", &T::index},
               Field{"is_public", &T::is_public}, Field{"is_anonymous", &T::is_anonymous},
               Field{"params", &T::params}, Field{"return_type", &T::return_type});
WL_RAW_PRODUCT(RawModuleDefV9, Field{"typespace", &T::typespace}, Field{"tables", &T::tables},
               Field{"reducers", &T::reducers}, Field{"types", &T::types},
               Field{"misc_exports", &T::misc_exports},
               Field{"row_level_security", &T::row_level_security});

WL_RAW_PRODUCT(RawIndexDefV10, Field{"source_name", &T::source_name},
               Field{"accessor_name", &T::accessor_name}, Field{"algorithm", &T::algorithm});
WL_RAW_PRODUCT(RawConstraintDefV10, Field{"source_name", &T::source_name}, Field{"data", &T::data});
WL_RAW_PRODUCT(RawSequenceDefV10, Field{"source_name", &T::source_name},
               Field{"column", &T::column}, Field{"start", &T::start},
               Field{"min_value", &T::min_value}, Field{"max_value", &T::max_value},
               Field{"increment", &T::increment});
WL_RAW_PRODUCT(RawColumnDefaultValueV10, Field{"col_id", &T::col_id}, Field{"value", &T::value});
WL_RAW_PRODUCT(RawTableDefV10, Field{"source_name", &T::source_name},
               Field{"product_type_ref", &T::product_type_ref},
               Field{"primary_key", &T::primary_key}, Field{"indexes", &T::indexes},
               Field{"constraints", &T::constraints}, Field{"sequences", &T::sequences},
               Field{"table_type", &T::table_type}, Field{"table_access", &T::table_access},
               Field{"default_values", &T::default_values}, Field{"is_event", &T::is_event});
WL_RAW_PRODUCT(RawReducerDefV10, Field{"source_name", &T::source_name}, Field{"params", &T::params},
               Field{"visibility", &T::visibility}, Field{"ok_return_type", &T::ok_return_type},
               Field{"err_return_type", &T::err_return_type});
WL_RAW_PRODUCT(RawProcedureDefV10, Field{"source_name", &T::source_name},
               Field{"params", &T::params}, Field{"return_type", &T::return_type},
               Field{"visibility", &T::visibility});
WL_RAW_PRODUCT(RawViewDefV10, Field{"source_name", &T::source_name}, Field{"index", &T::index},
               Field{"is_public", &T::is_public}, Field{"is_anonymous", &T::is_anonymous},
               Field{"params", &T::params}, Field{"return_type", &T::return_type});
WL_RAW_PRODUCT(RawViewPrimaryKeyDefV10, Field{"view_source_name", &T::view_source_name},
               Field{"columns", &T::columns});
WL_RAW_PRODUCT(RawScheduleDefV10, Field{"source_name", &T::source_name},
               Field{"table_name", &T::table_name}, Field{"schedule_at_col", &T::schedule_at_col},
               Field{"function_name", &T::function_name});
WL_RAW_PRODUCT(RawLifeCycleReducerDefV10, Field{"lifecycle_spec", &T::lifecycle_spec},
               Field{"function_name", &T::function_name});
WL_RAW_PRODUCT(RawScopedTypeNameV10, Field{"scope", &T::scope},
               Field{"source_name", &T::source_name});
WL_RAW_PRODUCT(RawTypeDefV10, Field{"source_name", &T::source_name}, Field{"ty", &T::ty},
               Field{"custom_ordering", &T::custom_ordering});
WL_RAW_PRODUCT(NameMapping, Field{"source_name", &T::source_name},
               Field{"canonical_name", &T::canonical_name});
WL_RAW_PRODUCT(ExplicitNames, Field{"entries", &T::entries});
WL_RAW_PRODUCT(RawHttpHandlerDefV10, Field{"source_name", &T::source_name});
WL_RAW_PRODUCT(RawHttpRouteDefV10, Field{"handler_function", &T::handler_function},
               Field{"method", &T::method}, Field{"path", &T::path});
WL_RAW_PRODUCT(RawSubmoduleV10, Field{"namespace", &T::name_space}, Field{"module", &T::module});
WL_RAW_PRODUCT(RawModuleDefV10, Field{"sections", &T::sections});

#undef WL_RAW_PRODUCT
#undef WL_RAW_PRODUCT_NAMED
#undef WL_RAW_ENUM

}  // namespace worldline::schema::raw
