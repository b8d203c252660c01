// tests/gateway/url_fetcher_test.cc: documents of other hosts over real sockets, and what is not
// asked for [S 02/11.5].
#include "gateway/auth/url_fetcher.h"

#include <cstdlib>
#include <future>

#include <gtest/gtest.h>

#include "tests/base/temporary_directory.h"
#include "tests/gateway/issuer_fixture.h"

namespace worldline::gateway::testing {
namespace {

FetchLimits local_limits() {
  FetchLimits limits;
  limits.private_addresses = PrivateAddresses::kAllowed;
  limits.bytes_max = 1000;
  return limits;
}

Result<std::string> fetch(const std::string& url, const FetchLimits& limits = local_limits()) {
  auto fetcher = NetworkFetcher::start(limits);
  if (!fetcher.ok()) return fetcher.status();
  std::promise<Result<std::string>> answered;
  (*fetcher)->get(
      url, [&answered](Result<std::string> answer) { answered.set_value(std::move(answer)); });
  return answered.get_future().get();
}

TEST(UrlFetcherTest, GetsADocument) {
  DocumentServer server;
  server.serve("/a/b?c=d", "hello");
  const auto answer = fetch(server.url() + "/a/b?c=d#part");
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(*answer, "hello");
}

TEST(UrlFetcherTest, SaysWhyThereIsNone) {
  DocumentServer server;
  server.serve("/large", std::string(1001, 'x'));
  EXPECT_EQ(fetch(server.url() + "/none").status().code(), StatusCode::kUnavailable);
  server.serve("/unannounced/large", std::string(1001, 'x'));
  server.serve("/unannounced/fits", std::string(1000, 'x'));
  EXPECT_EQ(fetch(server.url() + "/large").status().code(), StatusCode::kTooLarge);
  EXPECT_EQ(fetch(server.url() + "/unannounced/large").status().code(), StatusCode::kTooLarge);
  EXPECT_TRUE(fetch(server.url() + "/unannounced/fits").ok());
  EXPECT_EQ(fetch("http://127.0.0.1:1/").status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(fetch("ftp://127.0.0.1/").status().code(), StatusCode::kInvalidArgument);
}

TEST(UrlFetcherTest, APrivateAddressIsRefusedHoweverItIsNamed) {
  DocumentServer server;
  server.serve("/", "secret");
  FetchLimits limits = local_limits();
  limits.private_addresses = PrivateAddresses::kRefused;
  for (const std::string& url :
       {server.url(), std::string("http://127.0.0.1:1/"), std::string("http://[::1]:1/")})
    EXPECT_EQ(fetch(url, limits).status().code(), StatusCode::kPermissionDenied) << url;
  EXPECT_TRUE(server.asked().empty());
}

TEST(UrlFetcherTest, ASilentHostIsGivenUp) {
  DocumentServer server;
  server.be_silent();
  FetchLimits limits = local_limits();
  limits.timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(fetch(server.url(), limits).status().code(), StatusCode::kTimeout);
}

TEST(UrlFetcherTest, StoppingEndsWhatIsUnderWay) {
  DocumentServer server;
  server.be_silent();
  auto fetcher = NetworkFetcher::start(local_limits());
  ASSERT_TRUE(fetcher.ok());
  const auto alive = std::make_shared<int>(0);
  (*fetcher)->get(server.url(), [alive](const Result<std::string>&) { FAIL(); });
  (*fetcher)->stop();
  fetcher->reset();
  EXPECT_EQ(alive.use_count(), 1) << "the callback is gone";
}

TEST(UrlFetcherTest, TlsWantsACertificateForTheNameFromAKnownAuthority) {
  DocumentServer server(DocumentServer::Security::kTls);
  server.serve("/", "hello");
  EXPECT_EQ(fetch(server.url()).status().code(), StatusCode::kUnavailable);
  const TemporaryDirectory folder;
  ::setenv("SSL_CERT_FILE", folder.write("ca.pem", server.authority_pem()).c_str(), 1);
  const auto answer = fetch(server.url());
  EXPECT_TRUE(answer.ok() && *answer == "hello") << answer.status().message();
  std::string by_address = server.url();
  by_address.replace(by_address.find("localhost"), 9, "127.0.0.1");
  EXPECT_FALSE(fetch(by_address).ok()) << "the certificate is for the name";
  ::unsetenv("SSL_CERT_FILE");
}

struct UrlCase {
  const char* text;
  const char* authority;  // Null: refused.
  const char* port;
  const char* target;
};

TEST(FetchUrlTest, IsTakenApart) {
  constexpr UrlCase kUrls[] = {{"https://a.example", "a.example", "443", "/"},
                               {"http://a:80/x?y=1#z", "a", "80", "/x?y=1"},
                               {"https://a:8443?q", "a:8443", "8443", "/?q"},
                               {"https://[2001:db8::1]/x", "[2001:db8::1]", "443", "/x"},
                               {"HTTPS://a", nullptr, "", ""},
                               {"https://", nullptr, "", ""},
                               {"https://user@a", nullptr, "", ""},
                               {"https://a:port", nullptr, "", ""},
                               {"https://a:", nullptr, "", ""},
                               {"https://a:123456", nullptr, "", ""},
                               {"https://[a]", nullptr, "", ""},
                               {"https://a/x y", nullptr, "", ""},
                               {"https://a/x\r\ny", nullptr, "", ""},
                               {"file:///etc/passwd", nullptr, "", ""}};
  for (const UrlCase& c : kUrls) {
    const auto url = FetchUrl::parse(c.text);
    ASSERT_EQ(url.ok(), c.authority != nullptr) << c.text;
    if (!url.ok()) continue;
    EXPECT_EQ(url->authority(), c.authority) << c.text;
    EXPECT_EQ(url->port, c.port) << c.text;
    EXPECT_EQ(url->target, c.target) << c.text;
  }
  EXPECT_FALSE(FetchUrl::parse("https://a/" + std::string(3000, 'x')).ok());
}

TEST(FetchUrlTest, PrivateAddressesAreKnown) {
  for (const char* open : {"1.1.1.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "100.128.0.1",
                           "223.255.255.255", "2001:db8::1", "2a00::1", "::ffff:1.1.1.1"})
    EXPECT_TRUE(is_public_address(open)) << open;
  for (const char* closed : {"0.0.0.0",
                             "10.1.2.3",
                             "100.64.0.1",
                             "127.0.0.1",
                             "169.254.169.254",
                             "172.16.0.1",
                             "172.31.255.255",
                             "192.168.0.1",
                             "192.0.0.8",
                             "198.18.0.1",
                             "224.0.0.1",
                             "255.255.255.255",
                             "::",
                             "::1",
                             "fe80::1",
                             "fc00::1",
                             "fd12::1",
                             "ff02::1",
                             "::ffff:10.0.0.1",
                             "2002:0a00:0001::1",
                             "64:ff9b::a00:1",
                             "not an address"})
    EXPECT_FALSE(is_public_address(closed)) << closed;
}

}  // namespace
}  // namespace worldline::gateway::testing
