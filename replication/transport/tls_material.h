// replication/transport/tls_material.h
//
// Certificate, key and trusted authorities of a node, as PEM; and the checks they must pass before
// they are used, so that a bad renewal leaves the old material in force [S 09/1.6, C009].
//
// Where the bytes come from (files, or derived from a shared secret) is the owner's business; it
// polls and hands new material to the transport.
//
// Thread: any. Errors: kInvalidArgument (malformed, or does not fit), kFailedPrecondition (expired
//   or not yet valid), kIoError and kNotFound for files.
// Sources: [S 09/1.6].
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"

namespace worldline::replication {

inline constexpr size_t kPemBytesMax = 1024 * 1024;

struct TlsMaterial {
  std::string certificate_chain;  // PEM, the leaf first.
  std::string private_key;        // PEM, unencrypted.
  std::string authorities;        // PEM, one or more.
  friend bool operator==(const TlsMaterial&, const TlsMaterial&) = default;
};

struct TlsPaths {
  std::string certificate_chain;
  std::string private_key;
  std::string authorities;
};

// Reads the three files. Material that equals what is in use need not be handed on: that is also
// how a renewal is noticed, whatever the file system did to make it.
Result<TlsMaterial> read_tls_files(const TlsPaths& paths);

// Whom the leaf must name: the node's URI, or the host it advertises.
struct TlsExpectation {
  std::string cluster_name;
  std::string node_name;
  std::string advertised_host;
};

// What is known of a leaf that passed.
struct TlsLeaf {
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;
  Timestamp not_before;
  Timestamp not_after;  // For the metric and the alarm.
};

// All of: PEM of the limit's size; key of the leaf; valid at `now`; usage server and client; names
// the node; chains to the authorities.
Result<TlsLeaf> check_tls_material(const TlsMaterial& material, const TlsExpectation& expected,
                                   Timestamp now);

}  // namespace worldline::replication
