// tests/schema/module_vectors_test.cc: raw_module_def_types.json and module_defs.json.
#include "schema/module_def.h"
#include "tests/schema/schema_fixture.h"

namespace worldline::schema {
namespace {

// Refs replaced by the names of their targets, so that numbering does not matter.
std::string print_named(const AlgebraicType& type, const std::vector<std::string>& names) {
  if (type.is_ref()) return names.at(type.ref_index());
  if (type.is_array()) return "[" + print_named(type.element(), names) + "]";
  if (type.is_product()) {
    std::string out = "{";
    for (const auto& element : type.as_product().elements)
      out += element.name.value_or("?") + ":" + print_named(element.type, names) + ",";
    return out + "}";
  }
  if (type.is_sum()) {
    std::string out = "<";
    for (const auto& variant : type.as_sum().variants)
      out += variant.name.value_or("?") + ":" + print_named(variant.type, names) + "|";
    return out + ">";
  }
  return type_kind_name(type.kind());
}

TEST(RawModuleDefVectors, EveryTypeHasItsFieldsInOrder) {
  const auto vectors = load_vectors("raw_module_def_types.json");
  const auto names = vectors.at("names").get<std::vector<std::string>>();
  const Typespace typespace = typespace_from_json(vectors.at("typespace"));
  const TypeDescription& ours = raw_module_def_types();
  // Types of the HTTP interchange are listed there, but are no part of a definition.
  const std::vector<std::string> others = {"HttpVersion", "HttpHeaderPair", "HttpHeaders",
                                           "HttpRequest", "HttpResponse",   "ViewResultHeader"};
  size_t compared = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    SCOPED_TRACE(names[i]);
    const auto ref = ours.find(names[i]);
    if (std::find(others.begin(), others.end(), names[i]) != others.end()) {
      EXPECT_FALSE(ref.has_value());
      continue;
    }
    ASSERT_TRUE(ref.has_value());
    EXPECT_EQ(print_named(ours.typespace.types[*ref], ours.names),
              print_named(typespace.types[i], names));
    ++compared;
  }
  EXPECT_EQ(compared, ours.names.size());
}

TEST(RawModuleDefVectors, DefinitionsDecodeAndEncodeToTheSameBytes) {
  for (const auto& module : load_vectors("module_defs.json", "modules")) {
    SCOPED_TRACE(module.at("name").get<std::string>());
    const ByteBuffer bytes = from_hex(module.at("hex"));
    EXPECT_EQ(bytes.size(), module.at("length").get<size_t>());
    const auto def = decode_raw_module_def(bytes);
    ASSERT_TRUE(def.ok()) << def.status().message();
    ByteBuffer encoded;
    encode_raw_module_def(*def, encoded);
    EXPECT_EQ(to_hex(encoded), to_hex(bytes));
  }
}

TEST(RawModuleDefVectors, DefinitionsPrintAndParseAsTypedJson) {
  for (const auto& module : load_vectors("module_defs.json", "modules")) {
    SCOPED_TRACE(module.at("name").get<std::string>());
    const auto def = decode_raw_module_def(from_hex(module.at("hex")));
    ASSERT_TRUE(def.ok());
    const std::string json = *print_raw_module_def_json(*def);
    EXPECT_EQ(nlohmann::json::parse(json), module.at("json"));
    const auto parsed = parse_raw_module_def_json(module.at("json").dump());
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    ByteBuffer encoded;
    encode_raw_module_def(*parsed, encoded);
    EXPECT_EQ(to_hex(encoded), module.at("hex").get<std::string>());
  }
}

TEST(SchemaEndpointVectors, BothVersionsAreRebuiltFromTheValidatedDefinition) {
  std::map<std::string, ByteBuffer> modules;
  for (const auto& module : load_vectors("module_defs.json", "modules"))
    modules[module.at("name")] = from_hex(module.at("hex"));
  for (const auto& vector : load_vectors("schema_http.json", "schemas")) {
    SCOPED_TRACE(vector.at("module").get<std::string>());
    const auto def = ModuleDef::load(modules.at(vector.at("module")));
    ASSERT_TRUE(def.ok()) << def.status().message();
    for (const int version : {9, 10}) {
      const auto json = (*def)->schema_json(version);
      ASSERT_TRUE(json.ok()) << json.status().message();
      EXPECT_EQ(nlohmann::json::parse(*json), vector.at("version_" + std::to_string(version)));
    }
    EXPECT_FALSE((*def)->schema_json(8).ok());
  }
}

TEST(SchemaEndpointVectors, TheDefinitionShownValidatesToTheSameDefinition) {
  for (const auto& module : load_vectors("module_defs.json", "modules")) {
    SCOPED_TRACE(module.at("name").get<std::string>());
    const auto def = ModuleDef::load(from_hex(module.at("hex")));
    if (!def.ok()) continue;  // Version 8.
    const auto again = ModuleDef::validate((*def)->to_raw_v9());
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(*(*again)->schema_json(9), *(*def)->schema_json(9));
  }
}

TEST(ModuleDef, RefusesVersion8WithTheSpecifiedText) {
  for (const auto& module : load_vectors("module_defs.json", "modules")) {
    if (module.at("name") != "v8_empty") continue;
    const auto def = ModuleDef::load(from_hex(module.at("hex")));
    EXPECT_EQ(def.status().code(), StatusCode::kNotSupported);
    EXPECT_EQ(def.status().message(),
              "error getting module description: module definition version 8 is not supported; "
              "rebuild the module with the bindings of 1.0 or newer");
    return;
  }
  FAIL() << "vector v8_empty is missing";
}

TEST(RawModuleDef, EveryTruncationIsRefused) {
  for (const auto& module : load_vectors("module_defs.json", "modules")) {
    const ByteBuffer bytes = from_hex(module.at("hex"));
    for (size_t length = 0; length < bytes.size(); ++length)
      EXPECT_FALSE(decode_raw_module_def(Bytes(bytes).first(length)).ok()) << length;
  }
}

TEST(RawModuleDef, DeepMountsAreRefused) {
  RawModuleDefV10 module;
  for (int i = 0; i < 40; ++i) {
    RawModuleDefV10 outer;
    outer.sections.emplace_back(std::vector<RawSubmoduleV10>{{"m", module}});
    module = std::move(outer);
  }
  ByteBuffer encoded;
  encode_raw_module_def(module, encoded);
  EXPECT_EQ(decode_raw_module_def(encoded).status().code(), StatusCode::kTooLarge);
}

}  // namespace
}  // namespace worldline::schema
