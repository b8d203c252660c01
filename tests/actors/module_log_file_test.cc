// ModuleLogFile: whole lines by day, and the last lines of a file.
#include "storage/module_log/module_log_file.h"

#include <filesystem>
#include <limits>

#include <gtest/gtest.h>

namespace worldline::storage {
namespace {

class ModuleLogFileTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string last_lines(Timestamp day, uint64_t count, uint64_t bytes_max = 1 << 20) {
    auto file = ModuleLogFile::open(directory_);
    auto text = read_last_lines(file->path_of(day), count, bytes_max);
    return text.ok() ? *text : text.status().message();
  }

  std::filesystem::path directory_;
};

constexpr Timestamp kMorning{1'700'000'000'000'000};                  // 2023-11-14 22:13:20.
constexpr Timestamp kNextDay{1'700'000'000'000'000 + 7'200'000'000};  // Two hours later.

TEST_F(ModuleLogFileTest, MovesToANewFileWhenTheDayChanges) {
  auto file = ModuleLogFile::open(directory_);
  ASSERT_TRUE(file.ok());
  file->append("one", kMorning);
  file->append("two", kNextDay);
  file->flush();
  EXPECT_EQ(file->path_of(kMorning).filename(), "2023-11-14.log");
  EXPECT_EQ(last_lines(kMorning, 10), "one\n");
  EXPECT_EQ(last_lines(kNextDay, 10), "two\n");
}

TEST_F(ModuleLogFileTest, ReadsTheLastLinesOnly) {
  {
    auto file = ModuleLogFile::open(directory_);
    for (int i = 0; i < 5; ++i) file->append("line " + std::to_string(i), kMorning);
  }
  EXPECT_EQ(last_lines(kMorning, 2), "line 3\nline 4\n");
  EXPECT_EQ(last_lines(kMorning, 5), "line 0\nline 1\nline 2\nline 3\nline 4\n");
  EXPECT_EQ(last_lines(kMorning, 99).size(), 35u);
  EXPECT_EQ(last_lines(kMorning, 0), "");
  EXPECT_EQ(last_lines(kMorning, 99, 10), "line 4\n") << "a cut line is dropped";
}

TEST_F(ModuleLogFileTest, GivesEmptyTextForADayWithoutLines) {
  EXPECT_EQ(last_lines(kMorning, std::numeric_limits<uint32_t>::max()), "");
}

}  // namespace
}  // namespace worldline::storage
