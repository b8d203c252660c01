// What certificates must fulfil before they are used [S 09/1.6, C009], and the configuration.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/replication/transport/transport_fixture.h"

namespace worldline::replication::testing {
namespace {

const TlsExpectation kExpected{"test", "n1", "node-1.db.svc"};

struct MaterialCase {
  const char* name;
  std::function<void(TlsMaterial&)> change;
  StatusCode code;
  const char* says;
};

LeafOptions with(const std::function<void(LeafOptions&)>& change) {
  LeafOptions options = leaf_of_node("n1");
  change(options);
  return options;
}

class TlsMaterialTest : public ::testing::Test {
 protected:
  Status check(const TlsMaterial& material) {
    return check_tls_material(material, kExpected, test_now()).status();
  }
  Status check(const LeafOptions& options) { return check(authority_.issue(options)); }
  TestAuthority authority_{"ca"};
};

TEST_F(TlsMaterialTest, TellsWhatItFound) {
  LeafOptions options = leaf_of_node("n1");
  options.dns = {"node-1.db.svc", "localhost"};
  const auto leaf = check_tls_material(authority_.issue(options), kExpected, test_now());
  ASSERT_TRUE(leaf.ok()) << leaf.status().message();
  EXPECT_EQ(leaf->dns_names, options.dns);
  EXPECT_EQ(leaf->uris, options.uris);
  EXPECT_LT(leaf->not_before, test_now());
  const int64_t seconds_left = (leaf->not_after.micros - test_now().micros) / 1'000'000;
  EXPECT_GT(seconds_left, 3000);
  EXPECT_LE(seconds_left, 3600);
}

TEST_F(TlsMaterialTest, LooksAtTimesUsageAndNames) {
  struct Case {
    const char* name;
    void (*change)(LeafOptions&);
    StatusCode code;
    const char* says;
  };
  constexpr Case kCases[] = {
      {"Sound", [](LeafOptions&) {}, StatusCode::kOk, ""},
      {"HostOnly",
       [](LeafOptions& o) {
         o.uris.clear();
         o.dns = {"node-1.db.svc"};
       },
       StatusCode::kOk, ""},
      {"Wildcard",
       [](LeafOptions& o) {
         o.uris.clear();
         o.dns = {"*.db.svc"};
       },
       StatusCode::kOk, ""},
      {"NoUsageField", [](LeafOptions& o) { o.usage.clear(); }, StatusCode::kOk, ""},
      {"Expired", [](LeafOptions& o) { o.not_after_seconds = -1; }, StatusCode::kFailedPrecondition,
       "expired"},
      {"NotYet", [](LeafOptions& o) { o.not_before_seconds = 600; },
       StatusCode::kFailedPrecondition, "not valid before"},
      {"ServerOnly", [](LeafOptions& o) { o.usage = "serverAuth"; }, StatusCode::kInvalidArgument,
       "server and client"},
      {"ClientOnly", [](LeafOptions& o) { o.usage = "clientAuth"; }, StatusCode::kInvalidArgument,
       "server and client"},
      {"OtherNode", [](LeafOptions& o) { o.uris = {"worldline://test/node/n2"}; },
       StatusCode::kPermissionDenied, "names neither"},
      {"NoNames", [](LeafOptions& o) { o.uris.clear(); }, StatusCode::kPermissionDenied,
       "names neither"},
  };
  for (const Case& c : kCases) {
    const Status status = check(with(c.change));
    EXPECT_EQ(status.code(), c.code) << c.name << ": " << status.message();
    EXPECT_NE(status.message().find(c.says), std::string::npos) << status.message();
  }
}

TEST_F(TlsMaterialTest, LooksAtTheBytes) {
  TestAuthority other("other");
  const TlsMaterial foreign = other.issue(leaf_of_node("n1"));
  const MaterialCase cases[] = {
      {"NoCertificate", [](TlsMaterial& m) { m.certificate_chain.clear(); },
       StatusCode::kInvalidArgument, "certificate: empty"},
      {"GarbageCertificate", [](TlsMaterial& m) { m.certificate_chain = "garbage"; },
       StatusCode::kInvalidArgument, "certificate: "},
      {"CutCertificate",
       [](TlsMaterial& m) { m.certificate_chain.resize(m.certificate_chain.size() / 2); },
       StatusCode::kInvalidArgument, "certificate: "},
      {"CutSecondCertificate",
       [](TlsMaterial& m) { m.certificate_chain += m.certificate_chain.substr(0, 200); },
       StatusCode::kInvalidArgument, "certificate: "},
      {"HugeCertificate", [](TlsMaterial& m) { m.certificate_chain.resize(kPemBytesMax + 1); },
       StatusCode::kInvalidArgument, "exceed the limit"},
      {"NoKey", [](TlsMaterial& m) { m.private_key.clear(); }, StatusCode::kInvalidArgument,
       "private key: empty"},
      {"GarbageKey", [](TlsMaterial& m) { m.private_key = "garbage"; },
       StatusCode::kInvalidArgument, "private key: "},
      {"OtherKey", [&](TlsMaterial& m) { m.private_key = foreign.private_key; },
       StatusCode::kInvalidArgument, "is not its own"},
      {"NoAuthorities", [](TlsMaterial& m) { m.authorities.clear(); }, StatusCode::kInvalidArgument,
       "authorities: empty"},
      {"OtherAuthority", [&](TlsMaterial& m) { m.authorities = other.pem(); },
       StatusCode::kInvalidArgument, "does not chain"},
      {"BothAuthorities", [&](TlsMaterial& m) { m.authorities = other.pem() + m.authorities; },
       StatusCode::kOk, ""},
  };
  for (const MaterialCase& c : cases) {
    TlsMaterial material = authority_.issue(leaf_of_node("n1"));
    c.change(material);
    const Status status = check(material);
    EXPECT_EQ(status.code(), c.code) << c.name << ": " << status.message();
    EXPECT_NE(status.message().find(c.says), std::string::npos) << c.name << status.message();
  }
}

TEST_F(TlsMaterialTest, ReadsFiles) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) /
      ("tls_material_" + std::to_string(static_cast<long>(getpid())));
  std::filesystem::create_directories(folder);
  const TlsMaterial material = authority_.issue(leaf_of_node("n1"));
  const auto write = [&](const char* name, const std::string& content) {
    std::ofstream(folder / name, std::ios::binary) << content;
    return (folder / name).string();
  };
  TlsPaths paths{write("tls.crt", material.certificate_chain),
                 write("tls.key", material.private_key), write("ca.crt", material.authorities)};
  auto read = read_tls_files(paths);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, material);
  write("ca.crt", std::string(kPemBytesMax + 1, 'x'));
  EXPECT_EQ(read_tls_files(paths).status().code(), StatusCode::kInvalidArgument);
  paths.private_key = (folder / "missing").string();
  read = read_tls_files(paths);
  EXPECT_EQ(read.status().code(), StatusCode::kNotFound);
  EXPECT_NE(read.status().message().find("missing"), std::string::npos);
  std::filesystem::remove_all(folder);
}

// ---- Configuration ------------------------------------------------------------------------------

TEST(TransportConfigTest, ReportsAllFaultsAtOnce) {
  TransportConfig config = config_of(1);
  EXPECT_TRUE(config.validate().ok()) << config.validate().message();
  config.identity = {};
  config.listen_address = "nonsense";
  config.keepalive_interval = milliseconds(100);
  config.classes[1].queue.queued_bytes_max = 0;
  config.backoff.min = config.backoff.max * 2;
  const std::string text = config.validate().message();
  for (const char* part : {"cluster id", "node uuid", "node id", "incarnation", "host:port",
                           "keepalive_interval", "limit of class log", "backoff.min"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
}

TEST(TransportConfigTest, IsInsecureOnPurposeOnly) {
  struct Case {
    const char* address;
    bool is_loopback;
  };
  constexpr Case kCases[] = {{"127.0.0.1:3001", true}, {"localhost:0", true},
                             {"[::1]:3001", true},     {"0.0.0.0:3001", false},
                             {"[::]:3001", false},     {"10.0.0.1:1", false}};
  for (const Case& c : kCases) {
    TransportConfig config = config_of(1);
    config.listen_address = c.address;
    EXPECT_EQ(config.validate().ok(), c.is_loopback) << c.address;
    config.allow_insecure_network = true;
    EXPECT_TRUE(config.validate().ok()) << c.address;
  }
}

}  // namespace
}  // namespace worldline::replication::testing
