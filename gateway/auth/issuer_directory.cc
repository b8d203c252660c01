#include "gateway/auth/issuer_directory.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

namespace worldline::gateway {
namespace {

constexpr char kConfigurationPath[] = "/.well-known/openid-configuration";

Status unreachable(const std::string& issuer) {
  return Status::unauthenticated("Error fetching public key for issuer {}", issuer);
}

// Where the key set lies. A secure issuer may not send us to an insecure place.
Result<std::string> key_set_url(const std::string& issuer, const std::string& configuration) {
  const auto document = nlohmann::json::parse(configuration, nullptr, false);
  if (!document.is_object()) return Status::invalid_argument("not an OpenID configuration");
  const auto member = document.find("jwks_uri");
  if (member == document.end() || !member->is_string())
    return Status::invalid_argument("the OpenID configuration has no `jwks_uri`");
  auto url = member->get<std::string>();
  if (issuer.starts_with("https://") && !url.starts_with("https://"))
    return Status::invalid_argument("a key set over http for an issuer over https");
  return url;
}

}  // namespace

bool IssuerDirectory::is_allowed(const std::string& issuer) const {
  if (!issuer.starts_with("https://") && !issuer.starts_with("http://")) return false;
  if (issuer.find('|') != std::string::npos) return false;  // Identities would collide [S 02/11.1].
  return std::any_of(allowed_.begin(), allowed_.end(), [&issuer](const std::string& allowed) {
    return allowed == "*" || allowed == issuer;
  });
}

IssuerDirectory::Entry* IssuerDirectory::find_or_add(const std::string& issuer) {
  if (const auto found = entries_.find(issuer); found != entries_.end()) return &found->second;
  if (entries_.size() >= kIssuersMax) {
    const auto idle = std::find_if(entries_.begin(), entries_.end(), [](const auto& entry) {
      return entry.second.keys == nullptr && !entry.second.is_fetching;
    });
    if (idle == entries_.end()) return nullptr;
    entries_.erase(idle);
  }
  return &entries_[issuer];
}

void IssuerDirectory::keys_of(const std::string& issuer, Done done) {
  if (!is_allowed(issuer)) return done(unreachable(issuer));
  Keys keys;
  bool must_fetch = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const SteadyTime now = clock_.steady();
    Entry* const entry = find_or_add(issuer);
    const bool is_full = entry == nullptr || entry->waiting.size() >= kWaitersMax;
    if (!is_full) {
      if (entry->keys != nullptr && now - entry->fetched >= kDropAfter) entry->keys = nullptr;
      keys = entry->keys;
      const bool has_failed = entry->failed && now - *entry->failed < kRetryAfter;
      const bool is_fresh = keys != nullptr && now - entry->fetched < kRefreshAfter;
      must_fetch = !is_fresh && !has_failed && !entry->is_fetching;
      if (must_fetch) entry->is_fetching = true;
      if (keys == nullptr && entry->is_fetching) entry->waiting.push_back(std::exchange(done, {}));
    }
  }
  if (must_fetch) fetch(issuer);
  if (done == nullptr) return;
  if (keys != nullptr)
    done(std::move(keys));
  else
    done(unreachable(issuer));
}

void IssuerDirectory::fetch(const std::string& issuer) {
  std::string base = issuer;
  if (base.back() == '/') base.pop_back();
  fetcher_.get(base + kConfigurationPath, [this, issuer](const Result<std::string>& answer) {
    if (answer.ok())
      fetch_keys(issuer, *answer);
    else
      finish(issuer, answer.status());
  });
}

void IssuerDirectory::fetch_keys(const std::string& issuer, const std::string& configuration) {
  const auto url = key_set_url(issuer, configuration);
  if (!url.ok()) return finish(issuer, url.status());
  fetcher_.get(*url, [this, issuer](const Result<std::string>& answer) {
    finish(issuer, answer.ok() ? JwkSet::parse(*answer) : Result<JwkSet>(answer.status()));
  });
}

void IssuerDirectory::finish(const std::string& issuer, Result<JwkSet> outcome) {
  Keys keys;
  if (outcome.ok()) keys = std::make_shared<const JwkSet>(std::move(*outcome));
  std::vector<Done> waiting;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    Entry& entry = entries_[issuer];
    const SteadyTime now = clock_.steady();
    entry.is_fetching = false;
    entry.failed.reset();
    if (keys == nullptr) {
      entry.failed = now;
    } else {
      entry.keys = keys;
      entry.fetched = now;
    }
    waiting.swap(entry.waiting);
  }
  for (const Done& done : waiting) done(keys != nullptr ? Result<Keys>(keys) : unreachable(issuer));
}

}  // namespace worldline::gateway
