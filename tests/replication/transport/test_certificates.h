// tests/replication/transport/test_certificates.h
//
// Certificates for tests, made in memory: an authority per TestAuthority, leaves of P-256 with the
// names and times a test asks for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "replication/transport/tls_material.h"

namespace worldline::replication::testing {

struct LeafOptions {
  std::vector<std::string> dns;
  std::vector<std::string> uris;
  long not_before_seconds = -3600;  // From now.
  long not_after_seconds = 3600;
  std::string usage = "serverAuth,clientAuth";  // Empty: no such field.
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  ~TestAuthority();

  std::string pem() const;  // Its own certificate.
  // A new key and its certificate; `authorities` of the result is pem().
  TlsMaterial issue(const LeafOptions& options);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// The leaf that a node of the cluster "test" has by default.
LeafOptions leaf_of_node(const std::string& name);
Timestamp test_now();  // The machine's clock, which the TLS library reads as well.

}  // namespace worldline::replication::testing
