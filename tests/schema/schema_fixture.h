// tests/schema/schema_fixture.h
//
// Reads the specification's vector files and turns their types and hex into our values.
#pragma once

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "schema/bsatn.h"
#include "schema/raw_module_def.h"
#include "schema/sats_json.h"

namespace worldline::schema {

inline nlohmann::json load_vectors(const std::string& file) {
  std::ifstream in(std::string(WL_TEST_DATA "/vectors/") + file);
  EXPECT_TRUE(in.good()) << file;
  return nlohmann::json::parse(in);
}

// One list of a file, by value: a range-for over it must not outlive a temporary document.
inline nlohmann::json load_vectors(const std::string& file, const std::string& key) {
  return load_vectors(file).at(key);
}

inline ByteBuffer from_hex(const std::string& hex) {
  ByteBuffer out;
  EXPECT_TRUE(parse_hex(hex, out)) << hex;
  return out;
}

// A type from its typed JSON, read by the product's own parser.
inline AlgebraicType type_from_json(const nlohmann::json& json) {
  ByteBuffer encoded;
  const Status status =
      parse_json(json.dump(), meta_typespace().types[0], meta_typespace(), encoded);
  EXPECT_TRUE(status.ok()) << status.message();
  BsatnReader reader(encoded);
  auto type = decode_type(reader);
  EXPECT_TRUE(type.ok()) << type.status().message();
  return type.ok() ? *type : AlgebraicType();
}

inline Typespace typespace_from_json(const nlohmann::json& json) {
  Typespace typespace;
  for (const auto& type : json.at("types")) typespace.types.push_back(type_from_json(type));
  return typespace;
}

}  // namespace worldline::schema
