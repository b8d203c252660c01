// tests/runtime/module_log_test.cc: the stored form of log records [S 03/4.12].
#include "runtime/module_log.h"

#include <gtest/gtest.h>

#include "runtime/duration_text.h"

namespace worldline::runtime {
namespace {

TEST(ModuleLog, PrintsKeysInOrderAndOmitsAbsentOnes) {
  EXPECT_EQ(print_log_record({.level = LogLevel::kInfo,
                              .ts = {1785000000000000},
                              .target = std::nullopt,
                              .filename = "spacetimedb_module",
                              .line_number = 5120,
                              .function = "say",
                              .message = "inserted",
                              .trace = {}}),
            R"({"level":"Info","ts":1785000000000000,"filename":"spacetimedb_module",)"
            R"("line_number":5120,"function":"say","message":"inserted"})");
}

TEST(ModuleLog, OnlyPanicsCarryATraceAndAlwaysDo) {
  const std::vector<LogFrame> frames = {{.module_name = "m:1:2", .func_name = "f"},
                                        {.module_name = "m:3:4", .func_name = std::nullopt}};
  LogRecord record{.level = LogLevel::kPanic, .ts = {1}, .message = "x", .trace = frames};
  EXPECT_EQ(print_log_record(record),
            R"({"level":"Panic","ts":1,"message":"x","trace":[)"
            R"({"module_name":"m:1:2","func_name":"f"},{"module_name":"m:3:4"}]})");
  record.trace = {};
  EXPECT_EQ(print_log_record(record), R"({"level":"Panic","ts":1,"message":"x","trace":[]})");
  record.level = LogLevel::kError;
  EXPECT_EQ(print_log_record(record), R"({"level":"Error","ts":1,"message":"x"})");
}

TEST(ModuleLog, EscapesWhatJsonMustEscape) {
  const LogRecord record{.ts = {1}, .message = "a\"b\\c\nd\te\x01\u00e9"};
  EXPECT_EQ(print_log_record(record),
            "{\"level\":\"Info\",\"ts\":1,\"message\":\"a\\\"b\\\\c\\nd\\te\\u0001\u00e9\"}");
}

TEST(ModuleLog, HostLinesNameTheHostThreeTimes) {
  EXPECT_EQ(print_log_record(host_log_record(LogLevel::kInfo, {5}, "Database initialized")),
            R"({"level":"Info","ts":5,"target":"__spacetimedb__","filename":"__spacetimedb__",)"
            R"("function":"__spacetimedb__","message":"Database initialized"})");
}

TEST(ModuleLog, AbiLevelsAndUnknownOnes) {
  constexpr LogLevel kExpected[] = {LogLevel::kError, LogLevel::kWarn,  LogLevel::kInfo,
                                    LogLevel::kDebug, LogLevel::kTrace, LogLevel::kDebug};
  for (uint8_t level = 0; level < 6; ++level)
    EXPECT_EQ(log_level_from_abi(level), kExpected[level]) << int{level};
  EXPECT_EQ(log_level_from_abi(101), LogLevel::kPanic);
  EXPECT_EQ(log_level_from_abi(255), LogLevel::kDebug);
}

TEST(DurationText, IsTheShortestFormWithAWholePart) {
  using std::chrono::nanoseconds;
  EXPECT_EQ(duration_text(nanoseconds(1'234'567)), "1.234567ms");
  EXPECT_EQ(duration_text(nanoseconds(15)), "15ns");
  EXPECT_EQ(duration_text(nanoseconds(1'500)), "1.5\u00b5s");
  EXPECT_EQ(duration_text(nanoseconds(2'000'000'000)), "2s");
  EXPECT_EQ(duration_text(nanoseconds(2'050'000'000)), "2.05s");
  EXPECT_EQ(duration_text(nanoseconds(0)), "0ns");
  EXPECT_EQ(duration_text(nanoseconds(-5)), "0ns");
}

}  // namespace
}  // namespace worldline::runtime
