// tests/runtime/runtime_fixture.h
//
// Builders for the room's tests: a running engine, a database with a module in it, modules written
// as short scripts, and the log lines they left.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "runtime/call_executor.h"
#include "runtime/module_loader.h"
#include "storage/database_state.h"

namespace worldline::runtime {

// Keeps what a module logged, as stored lines.
class RecordingLog final : public ModuleLog {
 public:
  void append(const LogRecord& record) override;
  const std::vector<std::string>& lines() const { return lines_; }
  // Messages only, as `Level: message`.
  const std::vector<std::string>& messages() const { return messages_; }
  bool contains(std::string_view text) const;
  std::string all() const;
  void clear();

 private:
  std::vector<std::string> lines_;
  std::vector<std::string> messages_;
};

// One engine for the test program: V8 starts once per process.
ModuleRuntime& test_runtime();
// Of test_runtime(); tests may advance it.
FakeClock& test_clock();

std::string read_test_file(std::string_view path);  // Below tests/runtime/modules.
ModuleProgram js_program(std::string_view source);

// A module on the bare ABI: `body` may use `sys` (all functions of spacetime:sys@2.0 and 2.1),
// `table(name, columns, options)`, `reducer(name, function)`, `type`, and `hooks` to change what is
// registered. Reducers get {sender, connection, timestamp, args}. See raw_module.js.
std::string raw_module(std::string_view body);

// Arguments as BSATN, written by hand.
class ArgsWriter {
 public:
  template <typename T>
  ArgsWriter& add(T number) {
    append_le(bytes_, number);
    return *this;
  }
  ArgsWriter& text(std::string_view value);
  operator Bytes() const { return bytes_; }  // NOLINT(google-explicit-constructor)

 private:
  ByteBuffer bytes_;
};

schema::Identity identity_of(uint8_t number);
schema::ConnectionId connection_of(uint8_t number);

// A database with an installed module.
class TestDatabase {
 public:
  explicit TestDatabase(std::string_view source, const ModuleLimits& limits = {});

  // First publish; called by the constructor. Failures are kept in `published`.
  Result<CallResult> published = Status::internal("not published");

  CallResult call(std::string_view reducer, Bytes args = {});
  CallResult call_as(const schema::Identity& caller, CallerRights rights, std::string_view reducer,
                     Bytes args = {});
  uint64_t row_count(std::string_view table) const;
  std::vector<ByteBuffer> rows(std::string_view table) const;
  bool has_open_transaction() const { return state->has_open_transaction(); }
  Timestamp next_timestamp() { return {++timestamp_}; }

  RecordingLog log;
  std::unique_ptr<storage::DatabaseState> state;
  std::unique_ptr<CallExecutor> executor;

 private:
  int64_t timestamp_ = 1'700'000'000'000'000;
};

}  // namespace worldline::runtime
