// tests/cli/start_checks_test.cc: what `start` finds out before it begins, and how it ends on a
// broken invariant [S 09/1.2, 1.10], [S 07/5].
#include "cli/start_checks.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/crash_report.h"
#include "cli/exit_codes.h"
#include "cli/start_config.h"
#include "tests/cli/cli_fixture.h"

namespace worldline::cli {
namespace {

namespace fs = std::filesystem;

// A listener on a loopback port of the system's choice.
class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), bytes), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  uint16_t port() const { return port_; }

 private:
  int fd_;
  uint16_t port_ = 0;
};

TEST(StartChecksTest, AConfigurationFileIsMadeOnceAndSetsNothing) {
  const TemporaryDirectory directory;
  const auto resolve = [&directory] {
    StartArguments arguments;
    arguments.settings = {{"node.data-dir", directory.path()}};
    return resolve_start_options(arguments, {}, "/nowhere", "");
  };
  ASSERT_TRUE(write_default_config(directory.path(), default_config_file()).ok());
  EXPECT_EQ(resolve().errors, std::vector<std::string>{});
  EXPECT_EQ(resolve().warnings, std::vector<std::string>{});
  // What it shows are the names and defaults of all keys, and good TOML.
  std::string text = directory.read("config.toml");
  for (size_t at = text.find("\n# "); at != std::string::npos; at = text.find("\n# "))
    text.erase(at + 1, 2);
  text.erase(0, text.find("\n["));
  text.replace(text.find("data-dir = \"\""), 13, "data-dir = \"" + directory.path() + "\"");
  directory.write("config.toml", text);
  const ResolvedStart shown = resolve();
  EXPECT_EQ(shown.errors, std::vector<std::string>{});
  EXPECT_EQ(shown.options.max_body_bytes, StartOptions().max_body_bytes);
  EXPECT_EQ(shown.options.free_hard, StartOptions().free_hard);
  for (const ConfigKey& key : config_keys()) {
    const std::string name(
        std::string_view(key.name).substr(std::string_view(key.name).find('.') + 1));
    EXPECT_NE(text.find("\n" + name + " = "), std::string::npos) << key.name;
  }
  // The operator's file stays.
  directory.write("config.toml", "[limits]\nmax-clients = 7\n");
  ASSERT_TRUE(write_default_config(directory.path(), default_config_file()).ok());
  EXPECT_EQ(resolve().options.max_clients, 7);
}

TEST(StartChecksTest, NoConfigurationFileIsMadeBesideOursOrWhereNoneCanBe) {
  const TemporaryDirectory directory;
  directory.write("worldline.toml", "");
  ASSERT_TRUE(write_default_config(directory.path(), default_config_file()).ok());
  EXPECT_FALSE(fs::exists(directory.path() + "/config.toml"));
  EXPECT_EQ(write_default_config(directory.path() + "/missing", "").code(), StatusCode::kIoError);
}

TEST(StartChecksTest, ADataDirectoryIsMadeForItsOwnerAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/deep/data";
  ASSERT_TRUE(check_data_directory(path).ok());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  EXPECT_TRUE(check_data_directory(path).ok());
}

TEST(StartChecksTest, ADataDirectoryThatCannotBeIsNamed) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("file", "x");
  for (const std::string& path : {file, file + "/below", std::string("/proc/worldline")}) {
    const Status status = check_data_directory(path);
    ASSERT_FALSE(status.ok()) << path;
    EXPECT_EQ(status.code(), StatusCode::kIoError);
    EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
  }
}

TEST(StartChecksTest, TheNextFreePortIsNeitherTakenNorBeforeIt) {
  const Listener taken;
  const auto port = next_free_port("127.0.0.1", static_cast<uint16_t>(taken.port() - 1));
  ASSERT_TRUE(port);
  EXPECT_GT(*port, taken.port()) << "the first one tried is taken";
  EXPECT_FALSE(next_free_port("127.0.0.1", 65535));
  EXPECT_FALSE(next_free_port("not an address", 3000));
}

TEST(StartChecksTest, AnotherPortIsTakenOnlyAfterAYes) {
  const Listener taken;
  FakeConsole console;
  console.input = {"y", "n", ""};
  const auto port = offer_next_port(console, "127.0.0.1", taken.port());
  ASSERT_TRUE(port);
  EXPECT_EQ(console.out_text, "Port " + std::to_string(taken.port()) +
                                  " is already in use. Listen on port " + std::to_string(*port) +
                                  " instead? [y/N]");
  EXPECT_FALSE(offer_next_port(console, "127.0.0.1", taken.port()));
  EXPECT_FALSE(offer_next_port(console, "127.0.0.1", taken.port()));
}

TEST(CrashReportDeathTest, ABrokenInvariantEndsWithElevenAndAReport) {
  testing::FLAGS_gtest_death_test_style = "fast";  // The same directory in the child.
  const TemporaryDirectory directory;
  const std::string cores = directory.path() + "/cores";
  EXPECT_EXIT(
      {
        if (!install_crash_report(cores, 1'700'000'000).ok()) ::_exit(1);
        WL_CHECK(cores.empty());
      },
      testing::ExitedWithCode(kExitBrokenInvariant), "a report is in");
  ASSERT_TRUE(fs::is_directory(cores));
  const auto report = *fs::directory_iterator(cores);
  EXPECT_TRUE(report.path().filename().string().starts_with("abort-1700000000-"));
  std::ostringstream text;
  text << std::ifstream(report.path()).rdbuf();
  EXPECT_NE(text.str().find("start_checks_test.cc"), std::string::npos) << text.str();
  EXPECT_NE(text.str().find("check failed: cores.empty()"), std::string::npos);
  EXPECT_NE(text.str().find("[0x"), std::string::npos) << "addresses of frames";
}

}  // namespace
}  // namespace worldline::cli
