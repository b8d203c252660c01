// gateway/auth/url_fetcher.h
//
// UrlFetcher gets small documents of other hosts over HTTP or HTTPS: what foreign tokens make us
// ask for. NetworkFetcher does it on a thread of its own.
//
// Invariants: an answer is bounded in bytes and time; redirects are not followed; unless allowed,
// addresses of private, loopback and link-local networks are not connected to, however a name
// resolves; certificates are checked against the system's authorities and the host's name. `done`
// is called once, or dropped uncalled when the fetcher stops.
// Thread: get() from any; `done` runs on the fetcher's thread, or at once if the request is
// refused. Errors: kInvalidArgument (URL), kPermissionDenied (private address), kOverloaded,
// kTimeout, kUnavailable (host, network, status), kTooLarge.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"

namespace worldline::gateway {

using Fetched = std::function<void(Result<std::string>)>;

class UrlFetcher {
 public:
  virtual ~UrlFetcher() = default;
  virtual void get(const std::string& url, Fetched done) = 0;
};

enum class PrivateAddresses : bool { kRefused, kAllowed };

struct FetchLimits {
  std::chrono::milliseconds timeout{5'000};  // Look-up, connection and answer together.
  size_t bytes_max = 1024 * 1024;            // Of the body.
  size_t fetches_max = 16;                   // At once; more are refused.
  PrivateAddresses private_addresses = PrivateAddresses::kRefused;
};

class NetworkFetcher final : public UrlFetcher {
 public:
  static Result<std::unique_ptr<NetworkFetcher>> start(const FetchLimits& limits);
  ~NetworkFetcher() override;

  void get(const std::string& url, Fetched done) override;
  void stop();  // Ends what is under way; no `done` runs after it.

 private:
  class Impl;
  explicit NetworkFetcher(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

// A URL taken apart; exposed for tests. Userinfo is refused, a fragment dropped.
struct FetchUrl {
  bool is_secure = true;
  std::string host;    // Without brackets.
  std::string port;    // Digits; the scheme's if none was given.
  std::string target;  // Path and query, at least `/`.

  static Result<FetchUrl> parse(const std::string& text);
  std::string authority() const;  // For the Host field.
};

// Is this a textual IP address that may be reached from the network at large?
bool is_public_address(const std::string& ip);

}  // namespace worldline::gateway
