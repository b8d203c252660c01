// tests/gateway/issuer_fixture.h
//
// What stands in for another issuer: its keys as JWK and what they sign, and a small HTTP or HTTPS
// server on a loopback port with canned documents.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace worldline::gateway::testing {

class IssuerKey {
 public:
  static IssuerKey rsa(std::string id, int bits);
  static IssuerKey ec(std::string id);

  std::string jwk() const;                       // The public half.
  ByteBuffer sign(std::string_view text) const;  // RS256, or ES256 in JWS form.
  // A compact token; `header` is its JSON.
  std::string token(const std::string& header, const std::string& payload) const;

 private:
  IssuerKey(std::string id, std::shared_ptr<void> key) : id_(std::move(id)), key_(std::move(key)) {}
  bool is_rsa() const;

  std::string id_;
  std::shared_ptr<void> key_;  // EVP_PKEY.
};

std::string key_set_of(const std::vector<std::string>& keys);

// Answers GET requests one after the other; unknown paths get 404, those below `/unannounced` an
// answer that ends with the connection.
class DocumentServer {
 public:
  enum class Security { kPlain, kTls };
  explicit DocumentServer(Security security = Security::kPlain);
  ~DocumentServer();
  DocumentServer(const DocumentServer&) = delete;
  DocumentServer& operator=(const DocumentServer&) = delete;

  // `http(s)://localhost:PORT`.
  std::string url() const { return url_; }
  void serve(const std::string& path, std::string body);
  void be_silent() { silent_ = true; }  // Accepts and says nothing from here on.
  std::vector<std::string> asked() const;
  // The certificate of its authority, for SSL_CERT_FILE. Of kTls.
  const std::string& authority_pem() const { return authority_pem_; }

 private:
  struct Tls;
  void run();
  void answer(int connection);
  std::string answer_to(const std::string& request);

  int listener_ = -1;
  std::string url_;
  std::string authority_pem_;
  std::unique_ptr<Tls> tls_;  // Null: plain.
  std::atomic<bool> silent_ = false;
  mutable std::mutex mutex_;  // Guards the two below: the server's thread and the test's.
  std::map<std::string, std::string> documents_;
  std::vector<std::string> asked_;
  std::vector<int> kept_;  // Connections of a silent server.
  std::thread thread_;
};

}  // namespace worldline::gateway::testing
