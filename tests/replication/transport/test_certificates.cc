#include "tests/replication/transport/test_certificates.h"

#include <ctime>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "replication/transport/peer_identity.h"

namespace worldline::replication::testing {
namespace {

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<EVP_PKEY> new_key() {
  Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  WL_CHECK(key != nullptr);
  return key;
}

template <typename Write>
std::string to_pem(const Write& write) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  WL_CHECK(write(bio.get()) == 1);
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(bytes)};
}
std::string pem_of(X509* certificate) {
  return to_pem([certificate](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

void add_extension(X509* certificate, int nid, const std::string& value) {
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  WL_CHECK(extension != nullptr);
  WL_CHECK(X509_add_ext(certificate, extension.get(), -1) == 1);
}

Owned<X509> new_certificate(const std::string& name, EVP_PKEY* key, long serial) {
  Owned<X509> certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

std::string alternative_names(const LeafOptions& options) {
  std::string out;
  for (const std::string& name : options.dns) out += (out.empty() ? "DNS:" : ",DNS:") + name;
  for (const std::string& name : options.uris) out += (out.empty() ? "URI:" : ",URI:") + name;
  return out;
}

}  // namespace

struct TestAuthority::Impl {
  std::string name;
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
  long serials = 1;
};

TestAuthority::TestAuthority(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->name = name;
  impl_->key = new_key();
  impl_->certificate = new_certificate(name, impl_->key.get(), 1);
  X509* own = impl_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  X509_gmtime_adj(X509_getm_notBefore(own), -24 * 3600);
  X509_gmtime_adj(X509_getm_notAfter(own), 24 * 3600);
  add_extension(own, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(own, NID_key_usage, "critical,keyCertSign,cRLSign");
  WL_CHECK(X509_sign(own, impl_->key.get(), EVP_sha256()) != 0);
}

TestAuthority::~TestAuthority() = default;

std::string TestAuthority::pem() const {
  return pem_of(impl_->certificate.get());
}

TlsMaterial TestAuthority::issue(const LeafOptions& options) {
  const Owned<EVP_PKEY> key = new_key();
  const Owned<X509> leaf = new_certificate("leaf", key.get(), ++impl_->serials);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(impl_->certificate.get()));
  X509_gmtime_adj(X509_getm_notBefore(leaf.get()), options.not_before_seconds);
  X509_gmtime_adj(X509_getm_notAfter(leaf.get()), options.not_after_seconds);
  add_extension(leaf.get(), NID_basic_constraints, "critical,CA:FALSE");
  if (!options.usage.empty()) add_extension(leaf.get(), NID_ext_key_usage, options.usage);
  if (const std::string names = alternative_names(options); !names.empty())
    add_extension(leaf.get(), NID_subject_alt_name, names);
  WL_CHECK(X509_sign(leaf.get(), impl_->key.get(), EVP_sha256()) != 0);
  TlsMaterial out;
  out.certificate_chain = pem_of(leaf.get());
  out.private_key = to_pem([&key](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  out.authorities = pem();
  return out;
}

LeafOptions leaf_of_node(const std::string& name) {
  LeafOptions options;
  options.uris = {node_uri("test", name)};
  return options;
}

Timestamp test_now() {
  return Timestamp{static_cast<int64_t>(std::time(nullptr)) * 1'000'000};
}

}  // namespace worldline::replication::testing
