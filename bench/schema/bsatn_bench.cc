// bench/schema/bsatn_bench.cc
//
// What one row costs in BSATN: checking it, finding a column, and the slow path through dynamic
// values for comparison. Figures and commands: docs/BENCHMARKS.md.
#include <string>

#include <benchmark/benchmark.h>

#include "schema/bsatn.h"
#include "schema/row_layout.h"
#include "schema/sats_json.h"

namespace worldline::schema {
namespace {

AlgebraicType primitive(TypeKind kind) {
  return AlgebraicType::primitive(kind);
}

// (id U32, balance I64, flag Bool, owner Identity): 45 bytes, all fixed.
ProductType fixed_row_type() {
  return ProductType{{{"id", primitive(TypeKind::kU32)},
                      {"balance", primitive(TypeKind::kI64)},
                      {"flag", primitive(TypeKind::kBool)},
                      {"owner", AlgebraicType::identity()}}};
}

ByteBuffer fixed_row() {
  ByteBuffer row;
  BsatnWriter writer(row);
  writer.write_u32(7);
  writer.write_i64(-5);
  writer.write_bool(true);
  writer.write_u256({});
  return row;
}

// (id U64, name String, tags Array<U16>, note Option<String>).
ProductType variable_row_type() {
  return ProductType{{{"id", primitive(TypeKind::kU64)},
                      {"name", AlgebraicType::string()},
                      {"tags", AlgebraicType::array(primitive(TypeKind::kU16))},
                      {"note", AlgebraicType::option(AlgebraicType::string())}}};
}

ByteBuffer variable_row() {
  ByteBuffer row;
  BsatnWriter writer(row);
  writer.write_u64(7);
  writer.write_string("a name of some length");
  writer.write_length(3);
  for (uint16_t tag = 1; tag <= 3; ++tag) writer.write_u16(tag);
  writer.write_tag(0);
  writer.write_string("note");
  return row;
}

void validate(benchmark::State& state, const ProductType& type, const ByteBuffer& row) {
  const auto layout = RowLayout::compile(type);
  for (auto _ : state) benchmark::DoNotOptimize(layout->validate(row));
}
void ValidateFixedRow(benchmark::State& state) {
  validate(state, fixed_row_type(), fixed_row());
}
void ValidateVariableRow(benchmark::State& state) {
  validate(state, variable_row_type(), variable_row());
}
BENCHMARK(ValidateFixedRow);
BENCHMARK(ValidateVariableRow);

void LastColumnOfVariableRow(benchmark::State& state) {
  const auto layout = RowLayout::compile(variable_row_type());
  const ByteBuffer row = variable_row();
  for (auto _ : state) benchmark::DoNotOptimize(layout->column(row, ColumnId(3)));
}
BENCHMARK(LastColumnOfVariableRow);

void DecodeRowToDynamicValue(benchmark::State& state) {
  const AlgebraicType type = AlgebraicType::product(variable_row_type());
  const ByteBuffer row = variable_row();
  for (auto _ : state) {
    BsatnReader reader(row);
    benchmark::DoNotOptimize(decode_value(type, Typespace::empty(), reader));
  }
}
BENCHMARK(DecodeRowToDynamicValue);

void PrintRowAsJson(benchmark::State& state) {
  const ProductType type = variable_row_type();
  const ByteBuffer row = variable_row();
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(append_json(type, Typespace::empty(), row, JsonStyle::kUntyped, out));
  }
}
BENCHMARK(PrintRowAsJson);

}  // namespace
}  // namespace worldline::schema
