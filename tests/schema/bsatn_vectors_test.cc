// tests/schema/bsatn_vectors_test.cc: every case of bsatn.json, bytes and JSON, both directions.
#include "schema/algebraic_value.h"
#include "schema/row_layout.h"
#include "tests/schema/schema_fixture.h"

namespace worldline::schema {
namespace {

struct TypeInSpace {
  AlgebraicType type;
  Typespace typespace;
};

TypeInSpace read_type(const nlohmann::json& vector) {
  TypeInSpace out;
  if (vector.contains("typespace")) {
    const auto& typespace = vector.at("typespace");
    out.typespace = typespace_from_json(typespace.is_array() ? nlohmann::json{{"types", typespace}}
                                                             : typespace);
  }
  const auto& type = vector.at("type");
  if (type.contains("meta")) {
    const TypeDescription& description = raw_module_def_types();
    out.typespace = description.typespace;
    out.type = AlgebraicType::ref(*description.find(type.at("meta").get<std::string>()));
  } else {
    out.type = type_from_json(type);
  }
  return out;
}

// The typed and untyped forms have null where JSON cannot carry the value.
bool is_lossy(const std::string& json) {
  return json.find("null") != std::string::npos;
}

TEST(BsatnVectors, ValuesDecodeAndEncodeToTheSameBytes) {
  for (const auto& vector : load_vectors("bsatn.json", "vectors")) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    const TypeInSpace in = read_type(vector);
    const ByteBuffer bytes = from_hex(vector.at("hex"));
    BsatnReader reader(bytes);
    const auto value = decode_value(in.type, in.typespace, reader);
    ASSERT_TRUE(value.ok()) << value.status().message();
    EXPECT_TRUE(reader.at_end());
    ByteBuffer encoded;
    BsatnWriter writer(encoded);
    ASSERT_TRUE(encode_value(*value, writer).ok());
    EXPECT_EQ(to_hex(encoded), to_hex(bytes));
    BsatnReader skipper(bytes);
    EXPECT_TRUE(skip_value(in.type, in.typespace, skipper).ok());
    EXPECT_TRUE(skipper.at_end());
  }
}

TEST(BsatnWriter, FailsWhereALengthDoesNotFitAndDoesNotEndTheProcess) {
  ByteBuffer bytes;
  BsatnWriter writer(bytes);
  writer.write_length(UINT32_MAX);
  EXPECT_TRUE(writer.status().ok());
  writer.write_length(size_t{UINT32_MAX} + 1);
  EXPECT_EQ(writer.status().code(), StatusCode::kTooLarge);
  EXPECT_EQ(writer.status().message(), "len too long");
  EXPECT_EQ(encode_value(AlgebraicValue(true), writer).message(), "len too long") << "it stays so";
  EXPECT_EQ(to_hex(bytes), "ffffffff01");
}

TEST(BsatnVectors, ValuesPrintInBothStyles) {
  for (const auto& vector : load_vectors("bsatn.json", "vectors")) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    const TypeInSpace in = read_type(vector);
    const ByteBuffer bytes = from_hex(vector.at("hex"));
    std::string typed, untyped;
    ASSERT_TRUE(append_json(in.type, in.typespace, bytes, JsonStyle::kTyped, typed).ok());
    ASSERT_TRUE(append_json(in.type, in.typespace, bytes, JsonStyle::kUntyped, untyped).ok());
    EXPECT_EQ(typed, vector.at("json_typed").get<std::string>());
    EXPECT_EQ(untyped, vector.at("json_untyped").get<std::string>());
  }
}

TEST(BsatnVectors, ValuesAreReadFromBothStyles) {
  for (const auto& vector : load_vectors("bsatn.json", "vectors")) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    const TypeInSpace in = read_type(vector);
    for (const char* form : {"json_typed", "json_untyped"}) {
      const std::string text = vector.at(form);
      ByteBuffer out;
      const Status status = parse_json(text, in.type, in.typespace, out);
      if (is_lossy(text)) {
        EXPECT_FALSE(status.ok()) << "NaN and infinities cannot be sent in JSON";
        continue;
      }
      ASSERT_TRUE(status.ok()) << status.message() << " for " << text;
      EXPECT_EQ(to_hex(out), vector.at("hex").get<std::string>());
    }
  }
}

TEST(BsatnVectors, ResolvableTypesMakeRowLayoutsThatAcceptTheBytes) {
  for (const auto& vector : load_vectors("bsatn.json", "vectors")) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    const TypeInSpace in = read_type(vector);
    const auto resolved = resolve(in.type, in.typespace);
    if (!resolved.ok()) continue;  // Recursive: not a column type.
    const auto layout = RowLayout::compile({{{"c", *resolved}}});
    ASSERT_TRUE(layout.ok());
    const ByteBuffer bytes = from_hex(vector.at("hex"));
    const auto size = layout->validate(bytes);
    ASSERT_TRUE(size.ok()) << size.status().message();
    EXPECT_EQ(*size, bytes.size());
    EXPECT_EQ(layout->row_size(bytes), bytes.size());
    EXPECT_EQ(layout->column(bytes, ColumnId{0}).size(), bytes.size());
  }
}

TEST(BsatnVectors, InvalidInputGivesTheSpecifiedText) {
  for (const auto& vector : load_vectors("bsatn.json", "invalid")) {
    SCOPED_TRACE(vector.at("note").get<std::string>());
    const ByteBuffer bytes = from_hex(vector.at("hex"));
    const std::string expected = vector.at("error");
    if (vector.at("type").contains("meta")) {
      EXPECT_EQ(decode_raw_module_def(bytes).status().message(), expected);
      continue;
    }
    const TypeInSpace in = read_type(vector);
    BsatnReader reader(bytes), skipper(bytes);
    EXPECT_EQ(decode_value(in.type, in.typespace, reader).status().message(), expected);
    EXPECT_EQ(skip_value(in.type, in.typespace, skipper).message(), expected);
    const auto layout = RowLayout::compile({{{"c", in.type}}});
    ASSERT_TRUE(layout.ok());
    EXPECT_EQ(layout->validate(bytes).status().message(), expected);
  }
}

TEST(BsatnVectors, LenientInputIsAccepted) {
  for (const auto& vector : load_vectors("bsatn.json", "lenient")) {
    SCOPED_TRACE(vector.at("note").get<std::string>());
    const TypeInSpace in = read_type(vector);
    const ByteBuffer bytes = from_hex(vector.at("hex"));
    std::string json;
    ASSERT_TRUE(append_json(in.type, in.typespace, bytes, JsonStyle::kUntyped, json).ok());
    EXPECT_EQ(json, vector.at("decodes_to").get<std::string>());
  }
}

}  // namespace
}  // namespace worldline::schema
