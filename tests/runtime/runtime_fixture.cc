#include "tests/runtime/runtime_fixture.h"

#include <fstream>
#include <iterator>

#include <fmt/core.h>

#include "base/check.h"
#include "schema/hash.h"
#include "tests/base/temporary_directory.h"

namespace worldline::runtime {

void RecordingLog::append(const LogRecord& record) {
  lines_.push_back(print_log_record(record));
  messages_.push_back(fmt::format("{}: {}", log_level_name(record.level), record.message));
}

bool RecordingLog::contains(std::string_view text) const {
  return all().find(text) != std::string::npos;
}

std::string RecordingLog::all() const {
  std::string text;
  for (const std::string& message : messages_) text += message + "\n";
  return text;
}

void RecordingLog::clear() {
  lines_.clear();
  messages_.clear();
}

FakeClock& test_clock() {
  static FakeClock* const clock = new FakeClock;
  return *clock;
}

ModuleRuntime& test_runtime() {
  static const TemporaryDirectory lowered;  // Many tests run the same bundle.
  static ModuleRuntime* const runtime = [] {
    RuntimeConfig config;
    config.lowering_cache = lowered.path();
    auto started = ModuleRuntime::start(std::move(config), test_clock());
    WL_CHECK(started.ok());
    return std::move(*started).release();
  }();
  return *runtime;
}

std::string read_test_file(std::string_view path) {
  std::ifstream file(fmt::format("{}/runtime/modules/{}", WL_TEST_DATA, path), std::ios::binary);
  WL_CHECK(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

ModuleProgram js_program(std::string_view source) {
  ModuleProgram program;
  const Bytes bytes = as_bytes(source);
  program.bytes = std::make_shared<const ByteBuffer>(bytes.begin(), bytes.end());
  program.hash = schema::keccak256(bytes);
  program.database = identity_of(0xdb);
  return program;
}

std::string raw_module(std::string_view body) {
  static const std::string frame = read_test_file("src/raw_module.js");
  constexpr std::string_view kMark = "/* BODY */";
  std::string source = frame;
  source.replace(source.find(kMark), kMark.size(), body);
  return source;
}

ArgsWriter& ArgsWriter::text(std::string_view value) {
  append_le(bytes_, static_cast<uint32_t>(value.size()));
  append(bytes_, as_bytes(value));
  return *this;
}

schema::Identity identity_of(uint8_t number) {
  schema::Identity identity;
  identity.le.fill(number);
  return identity;
}

schema::ConnectionId connection_of(uint8_t number) {
  schema::ConnectionId id;
  id.le.fill(number);
  return id;
}

TestDatabase::TestDatabase(std::string_view source, const ModuleLimits& limits)
    : state(storage::DatabaseState::bootstrap({.group = GroupId{7}})),
      executor(
          std::make_unique<CallExecutor>(CallExecutor::Host{test_runtime(), *state, log}, limits)) {
  const ModuleProgram program = js_program(source);
  auto described = describe_module(test_runtime(), program, limits, log);
  if (!described.ok()) {
    published = described.status();
    return;
  }
  published = executor->initialize({.program = program,
                                    .module = std::move(*described),
                                    .owner = identity_of(1),
                                    .timestamp = next_timestamp()});
}

CallResult TestDatabase::call(std::string_view reducer, Bytes args) {
  return call_as(identity_of(2), CallerRights::kClient, reducer, args);
}

CallResult TestDatabase::call_as(const schema::Identity& caller, CallerRights rights,
                                 std::string_view reducer, Bytes args) {
  return executor->run({.reducer = reducer,
                        .encoding = ArgsEncoding::kBsatn,
                        .args = args,
                        .caller = caller,
                        .connection = connection_of(3),
                        .timestamp = next_timestamp(),
                        .rights = rights});
}

uint64_t TestDatabase::row_count(std::string_view table) const {
  const storage::TableView* view = state->view().find_table(table);
  WL_CHECK(view != nullptr);
  return view->row_count();
}

std::vector<ByteBuffer> TestDatabase::rows(std::string_view table) const {
  const storage::TableView* view = state->view().find_table(table);
  WL_CHECK(view != nullptr);
  std::vector<ByteBuffer> rows;
  for (storage::RowCursor cursor = view->scan(); cursor.next();) {
    const Bytes row = cursor.row();
    rows.emplace_back(row.begin(), row.end());
  }
  return rows;
}

}  // namespace worldline::runtime
