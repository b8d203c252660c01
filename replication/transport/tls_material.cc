#include "replication/transport/tls_material.h"

#include <fstream>
#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "replication/transport/peer_identity.h"

namespace worldline::replication {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }  // Borrowed elements.
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr int kCertificatesMax = 64;
constexpr int64_t kMicrosPerSecond = 1'000'000;

// The reason OpenSSL left, and an empty queue.
std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "malformed" : reason;
}

Result<Owned<BIO>> open_pem(const char* what, const std::string& pem) {
  if (pem.empty()) return Status::invalid_argument("{}: empty", what);
  if (pem.size() > kPemBytesMax)
    return Status::invalid_argument("{}: {} B exceed the limit of {} B", what, pem.size(),
                                    kPemBytesMax);
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// At least one.
Result<std::vector<Owned<X509>>> parse_certificates(const char* what, const std::string& pem) {
  WL_ASSIGN_OR_RETURN(const Owned<BIO> bio, open_pem(what, pem));
  std::vector<Owned<X509>> out;
  for (;;) {
    Owned<X509> one(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (one == nullptr) break;
    if (out.size() == kCertificatesMax)
      return Status::invalid_argument("{}: more than {} certificates", what, kCertificatesMax);
    out.push_back(std::move(one));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = openssl_reason();
  if (out.empty() || !at_end) return Status::invalid_argument("{}: {}", what, reason);
  return out;
}

// Never asks for a password: an encrypted key is an error.
int no_password(char*, int, int, void*) {
  return 0;
}

Result<Owned<EVP_PKEY>> parse_key(const std::string& pem) {
  WL_ASSIGN_OR_RETURN(const Owned<BIO> bio, open_pem("private key", pem));
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (key == nullptr) return Status::invalid_argument("private key: {}", openssl_reason());
  return key;
}

Result<Timestamp> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return Status::invalid_argument("certificate: its times are malformed");
  return Timestamp{static_cast<int64_t>(timegm(&parts)) * kMicrosPerSecond};
}

void read_names(X509* leaf, TlsLeaf& out) {
  const Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  if (names == nullptr) return;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text =
        name->type == GEN_DNS ? name->d.dNSName : name->d.uniformResourceIdentifier;
    std::string value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<size_t>(ASN1_STRING_length(text)));
    (name->type == GEN_DNS ? out.dns_names : out.uris).push_back(std::move(value));
  }
}

Status check_times(X509* leaf, Timestamp now, TlsLeaf& out) {
  WL_ASSIGN_OR_RETURN(out.not_before, time_of(X509_get0_notBefore(leaf)));
  WL_ASSIGN_OR_RETURN(out.not_after, time_of(X509_get0_notAfter(leaf)));
  if (now < out.not_before)
    return Status::failed_precondition("certificate: not valid before {} s, now is {} s",
                                       out.not_before.micros / kMicrosPerSecond,
                                       now.micros / kMicrosPerSecond);
  if (now > out.not_after)
    return Status::failed_precondition("certificate: expired at {} s, now is {} s",
                                       out.not_after.micros / kMicrosPerSecond,
                                       now.micros / kMicrosPerSecond);
  return Status::ok_status();
}

Status check_usage(X509* leaf) {
  const uint32_t usage = X509_get_extended_key_usage(leaf);  // All set if there is no such field.
  if ((usage & XKU_SSL_SERVER) == 0 || (usage & XKU_SSL_CLIENT) == 0)
    return Status::invalid_argument("certificate: usage must include server and client");
  return Status::ok_status();
}

Status check_names(const TlsLeaf& leaf, const TlsExpectation& expected) {
  PeerInfo self;
  self.name = expected.node_name;
  if (!expected.advertised_host.empty()) self.addresses = {expected.advertised_host + ":1"};
  if (expected.advertised_host.find(':') != std::string::npos)
    self.addresses = {"[" + expected.advertised_host + "]:1"};
  return check_certificate({leaf.dns_names, leaf.uris}, expected.cluster_name, self);
}

Status check_chain(const std::vector<Owned<X509>>& chain,
                   const std::vector<Owned<X509>>& authorities, Timestamp now) {
  const Owned<X509_STORE> store(X509_STORE_new());
  for (const Owned<X509>& authority : authorities)
    X509_STORE_add_cert(store.get(), authority.get());
  const Owned<STACK_OF(X509)> others(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); ++i) sk_X509_push(others.get(), chain[i].get());
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), others.get());
  X509_STORE_CTX_set_time(context.get(), 0, static_cast<time_t>(now.micros / kMicrosPerSecond));
  const bool is_verified = X509_verify_cert(context.get()) == 1;
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (is_verified) return Status::ok_status();
  return Status::invalid_argument("certificate: does not chain to the authorities: {}",
                                  X509_verify_cert_error_string(error));
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status::not_found("{}: cannot be opened", path);
  std::string content(kPemBytesMax + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (file.bad()) return Status::io_error("{}: cannot be read", path);
  content.resize(static_cast<size_t>(file.gcount()));
  if (content.size() > kPemBytesMax)
    return Status::invalid_argument("{}: more than {} B", path, kPemBytesMax);
  return content;
}

}  // namespace

Result<TlsMaterial> read_tls_files(const TlsPaths& paths) {
  TlsMaterial out;
  WL_ASSIGN_OR_RETURN(out.certificate_chain, read_file(paths.certificate_chain));
  WL_ASSIGN_OR_RETURN(out.private_key, read_file(paths.private_key));
  WL_ASSIGN_OR_RETURN(out.authorities, read_file(paths.authorities));
  return out;
}

Result<TlsLeaf> check_tls_material(const TlsMaterial& material, const TlsExpectation& expected,
                                   Timestamp now) {
  WL_ASSIGN_OR_RETURN(const auto chain,
                      parse_certificates("certificate", material.certificate_chain));
  WL_ASSIGN_OR_RETURN(const Owned<EVP_PKEY> key, parse_key(material.private_key));
  WL_ASSIGN_OR_RETURN(const auto authorities,
                      parse_certificates("authorities", material.authorities));
  X509* leaf = chain.front().get();
  if (X509_check_private_key(leaf, key.get()) != 1)
    return Status::invalid_argument("certificate: the private key is not its own ({})",
                                    openssl_reason());
  TlsLeaf out;
  WL_RETURN_IF_ERROR(check_times(leaf, now, out));
  WL_RETURN_IF_ERROR(check_usage(leaf));
  read_names(leaf, out);
  WL_RETURN_IF_ERROR(check_names(out, expected));
  WL_RETURN_IF_ERROR(check_chain(chain, authorities, now));
  return out;
}

}  // namespace worldline::replication
