#include "replication/transport/grpc_credentials.h"

#include <atomic>
#include <utility>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace worldline::replication {
namespace {

// Server credentials whose certificates come from a callback. The library has them in C only, so
// they are wrapped here as its own C++ ones are.
class ExchangeableServerCredentials final : public grpc::ServerCredentials {
 public:
  explicit ExchangeableServerCredentials(GrpcCredentials& source) : source_(source) {
    grpc_ssl_server_credentials_options* options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, fetch, this);
    if (options != nullptr) credentials_ = grpc_ssl_server_credentials_create_with_options(options);
  }
  ~ExchangeableServerCredentials() override {
    if (credentials_ != nullptr) grpc_server_credentials_release(credentials_);
  }
  bool is_valid() const { return credentials_ != nullptr; }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // Before each handshake, on whatever thread the library is.
  static grpc_ssl_certificate_config_reload_status fetch(void* self,
                                                         grpc_ssl_server_certificate_config** out) {
    auto& credentials = *static_cast<ExchangeableServerCredentials*>(self);
    const GrpcCredentials::Versioned current = credentials.source_.current();
    if (credentials.given_version_.exchange(current.version) == current.version)
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    grpc_ssl_pem_key_cert_pair pair{current.material->private_key.c_str(),
                                    current.material->certificate_chain.c_str()};
    *out =
        grpc_ssl_server_certificate_config_create(current.material->authorities.c_str(), &pair, 1);
    return *out == nullptr ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL
                           : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  GrpcCredentials& source_;                 // Borrowed; outlives this.
  std::atomic<uint64_t> given_version_{0};  // Of the last material handed to the library.
  grpc_server_credentials* credentials_ = nullptr;
};

}  // namespace

GrpcCredentials::GrpcCredentials(std::optional<TlsMaterial> material)
    : is_secure_(material.has_value()) {
  if (material) current_ = {std::make_shared<const TlsMaterial>(std::move(*material)), uint64_t{1}};
}

bool GrpcCredentials::exchange(TlsMaterial material) {
  WL_CHECK(is_secure_);
  const std::lock_guard lock(mutex_);
  if (*current_.material == material) return false;
  current_ = {std::make_shared<const TlsMaterial>(std::move(material)), current_.version + 1};
  return true;
}

GrpcCredentials::Versioned GrpcCredentials::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::shared_ptr<grpc::ChannelCredentials> GrpcCredentials::for_dialling() const {
  if (!is_secure_) return grpc::InsecureChannelCredentials();
  const std::shared_ptr<const TlsMaterial> material = current().material;
  using grpc::experimental::IdentityKeyCertPair;
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
          material->authorities,
          std::vector<IdentityKeyCertPair>{{material->private_key, material->certificate_chain}}));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(true);
  // The chain is verified; the host name is not, names_of() and check_certificate() replace it.
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  options.set_check_call_host(false);
  return grpc::experimental::TlsCredentials(options);
}

Result<std::shared_ptr<grpc::ServerCredentials>> GrpcCredentials::for_listening() {
  if (!is_secure_) return grpc::InsecureServerCredentials();
  auto credentials = std::make_shared<ExchangeableServerCredentials>(*this);
  if (!credentials->is_valid())
    return Status::internal("the TLS library does not take the certificates");
  return std::shared_ptr<grpc::ServerCredentials>(std::move(credentials));
}

CertificateNames names_of(const grpc::AuthContext* context) {
  CertificateNames names;
  if (context == nullptr) return names;
  for (const grpc::string_ref& name : context->FindPropertyValues(GRPC_PEER_DNS_PROPERTY_NAME))
    names.dns.emplace_back(name.data(), name.size());
  for (const grpc::string_ref& name : context->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME))
    names.uris.emplace_back(name.data(), name.size());
  return names;
}

}  // namespace worldline::replication
