// gateway/auth/issuer_directory.h
//
// IssuerDirectory knows the keys of other issuers: it asks each for its OpenID configuration and
// its key set, and keeps the set for a while [S 02/11.5].
//
// Invariants: one fetch per issuer at a time, whoever waits for it; a set is used for at most
// kDropAfter, and asked for again after kRefreshAfter while it is still used; a failure is believed
// for kRetryAfter, so that bad tokens do not become requests; issuers and waiters are bounded.
// Ownership: the Gateway; borrows fetcher and clock. Thread: any; the mutex guards the table,
// callbacks run outside it, on the caller's or the fetcher's thread.
// Errors: kUnauthenticated, whose message is the body of the 401; details of the network are not
// told, they would make us a scanner.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "gateway/auth/jwk_set.h"
#include "gateway/auth/url_fetcher.h"

namespace worldline::gateway {

class IssuerDirectory {
 public:
  using Keys = std::shared_ptr<const JwkSet>;
  using Done = std::function<void(Result<Keys>)>;

  static constexpr std::chrono::seconds kRefreshAfter{300};
  static constexpr std::chrono::seconds kDropAfter{7200};
  static constexpr std::chrono::seconds kRetryAfter{10};
  static constexpr size_t kIssuersMax = 256;
  static constexpr size_t kWaitersMax = 1024;  // Of one issuer.

  // `allowed`: exact issuers, or `*` for all. Empty: none.
  IssuerDirectory(std::vector<std::string> allowed, UrlFetcher& fetcher, const Clock& clock)
      : allowed_(std::move(allowed)), fetcher_(fetcher), clock_(clock) {}

  void keys_of(const std::string& issuer, Done done);

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Entry {
    Keys keys;  // Null: never fetched, or dropped.
    SteadyTime fetched;
    std::optional<SteadyTime> failed;
    bool is_fetching = false;
    std::vector<Done> waiting;
  };

  bool is_allowed(const std::string& issuer) const;
  Entry* find_or_add(const std::string& issuer);  // REQUIRES: mutex_ held. Null: full.
  void fetch(const std::string& issuer);
  void fetch_keys(const std::string& issuer, const std::string& configuration);
  void finish(const std::string& issuer, Result<JwkSet> outcome);

  const std::vector<std::string> allowed_;
  UrlFetcher& fetcher_;  // Borrowed; outlives this.
  const Clock& clock_;   // Borrowed; outlives this.
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // Guarded by mutex_.
};

}  // namespace worldline::gateway
