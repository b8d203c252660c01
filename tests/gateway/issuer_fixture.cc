#include "tests/gateway/issuer_fixture.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "gateway/auth/crypto.h"

namespace worldline::gateway::testing {
namespace {

constexpr size_t kCoordinateBytes = 32;

EVP_PKEY* raw(const std::shared_ptr<void>& key) {
  return static_cast<EVP_PKEY*>(key.get());
}

std::shared_ptr<void> own(EVP_PKEY* key) {
  WL_CHECK(key != nullptr);
  return {key, [](void* pointer) { EVP_PKEY_free(static_cast<EVP_PKEY*>(pointer)); }};
}

// A number of the key, base64url; padded to `bytes` if that is not 0.
std::string number_of(EVP_PKEY* key, const char* name, size_t bytes) {
  BIGNUM* number = nullptr;
  WL_CHECK(EVP_PKEY_get_bn_param(key, name, &number) == 1);
  ByteBuffer out(std::max(bytes, static_cast<size_t>(BN_num_bytes(number))));
  WL_CHECK(BN_bn2binpad(number, out.data(), static_cast<int>(out.size())) >= 0);
  BN_free(number);
  return base64url_encode(out);
}

X509* make_certificate(EVP_PKEY* key) {
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  const auto* const text = reinterpret_cast<const unsigned char*>("worldline test");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  for (const auto& [id, value] : {std::pair(NID_basic_constraints, "critical,CA:TRUE"),
                                  std::pair(NID_subject_alt_name, "DNS:localhost")}) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
    WL_CHECK(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  WL_CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
  return certificate;
}

std::string pem_of(X509* certificate) {
  BIO* const bio = BIO_new(BIO_s_mem());
  WL_CHECK(PEM_write_bio_X509(bio, certificate) == 1);
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<size_t>(bytes));
  BIO_free(bio);
  return pem;
}

}  // namespace

IssuerKey IssuerKey::rsa(std::string id, int bits) {
  return {std::move(id), own(EVP_RSA_gen(static_cast<unsigned>(bits)))};
}

IssuerKey IssuerKey::ec(std::string id) {
  return {std::move(id), own(EVP_EC_gen(SN_X9_62_prime256v1))};
}

bool IssuerKey::is_rsa() const {
  return EVP_PKEY_base_id(raw(key_)) == EVP_PKEY_RSA;
}

std::string IssuerKey::jwk() const {
  if (is_rsa())
    return fmt::format(R"({{"kid":"{}","kty":"RSA","alg":"RS256","n":"{}","e":"{}"}})", id_,
                       number_of(raw(key_), OSSL_PKEY_PARAM_RSA_N, 0),
                       number_of(raw(key_), OSSL_PKEY_PARAM_RSA_E, 0));
  return fmt::format(R"({{"kid":"{}","kty":"EC","crv":"P-256","x":"{}","y":"{}"}})", id_,
                     number_of(raw(key_), OSSL_PKEY_PARAM_EC_PUB_X, kCoordinateBytes),
                     number_of(raw(key_), OSSL_PKEY_PARAM_EC_PUB_Y, kCoordinateBytes));
}

ByteBuffer IssuerKey::sign(std::string_view text) const {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  const Bytes input = as_bytes(text);
  size_t bytes = 0;
  WL_CHECK(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, raw(key_)) == 1);
  WL_CHECK(EVP_DigestSign(context, nullptr, &bytes, input.data(), input.size()) == 1);
  ByteBuffer signature(bytes);
  WL_CHECK(EVP_DigestSign(context, signature.data(), &bytes, input.data(), input.size()) == 1);
  signature.resize(bytes);
  EVP_MD_CTX_free(context);
  if (is_rsa()) return signature;
  const Byte* at = signature.data();
  ECDSA_SIG* const parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(signature.size()));
  ByteBuffer jws(2 * kCoordinateBytes);
  BN_bn2binpad(ECDSA_SIG_get0_r(parts), jws.data(), kCoordinateBytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(parts), jws.data() + kCoordinateBytes, kCoordinateBytes);
  ECDSA_SIG_free(parts);
  return jws;
}

std::string IssuerKey::token(const std::string& header, const std::string& payload) const {
  const std::string text =
      base64url_encode(as_bytes(header)) + "." + base64url_encode(as_bytes(payload));
  return text + "." + base64url_encode(sign(text));
}

std::string key_set_of(const std::vector<std::string>& keys) {
  std::string set = R"({"keys":[)";
  for (size_t i = 0; i < keys.size(); ++i) set += (i == 0 ? "" : ",") + keys[i];
  return set + "]}";
}

struct DocumentServer::Tls {
  std::shared_ptr<void> key = own(EVP_EC_gen(SN_X9_62_prime256v1));
  X509* certificate = make_certificate(raw(key));
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());

  Tls() {
    WL_CHECK(SSL_CTX_use_certificate(context, certificate) == 1);
    WL_CHECK(SSL_CTX_use_PrivateKey(context, raw(key)) == 1);
  }
  ~Tls() {
    SSL_CTX_free(context);
    X509_free(certificate);
  }
};

DocumentServer::DocumentServer(Security security) {
  if (security == Security::kTls) {
    tls_ = std::make_unique<Tls>();
    authority_pem_ = pem_of(tls_->certificate);
  }
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  WL_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), bytes) == 0);
  WL_CHECK(::listen(listener_, 16) == 0);
  WL_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes) == 0);
  url_ =
      fmt::format("{}://localhost:{}", tls_ == nullptr ? "http" : "https", ntohs(address.sin_port));
  thread_ = std::thread([this] { run(); });
}

DocumentServer::~DocumentServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  for (const int connection : kept_) ::close(connection);
}

void DocumentServer::serve(const std::string& path, std::string body) {
  const std::lock_guard<std::mutex> lock(mutex_);
  documents_[path] = std::move(body);
}

std::vector<std::string> DocumentServer::asked() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return asked_;
}

void DocumentServer::run() {
  for (;;) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    if (silent_)
      kept_.push_back(connection);
    else
      answer(connection);
  }
}

std::string DocumentServer::answer_to(const std::string& request) {
  const size_t begin = request.find(' ') + 1;
  const std::string path = request.substr(begin, request.find(' ', begin) - begin);
  const std::lock_guard<std::mutex> lock(mutex_);
  asked_.push_back(path);
  const auto found = documents_.find(path);
  const std::string body = found == documents_.end() ? "nothing" : found->second;
  const std::string length =
      path.starts_with("/unannounced") ? "" : fmt::format("content-length: {}\r\n", body.size());
  return fmt::format("HTTP/1.1 {}\r\n{}connection: close\r\n\r\n{}",
                     found == documents_.end() ? "404 Not Found" : "200 OK", length, body);
}

void DocumentServer::answer(int connection) {
  SSL* const tls = tls_ == nullptr ? nullptr : SSL_new(tls_->context);
  bool open = true;
  if (tls != nullptr) {
    SSL_set_fd(tls, connection);
    open = SSL_accept(tls) == 1;
  }
  std::string request;
  std::array<char, 4096> buffer{};
  while (open && request.find("\r\n\r\n") == std::string::npos) {
    const auto got = tls != nullptr ? SSL_read(tls, buffer.data(), buffer.size())
                                    : ::recv(connection, buffer.data(), buffer.size(), 0);
    open = got > 0;
    if (open) request.append(buffer.data(), static_cast<size_t>(got));
  }
  const std::string text = open ? answer_to(request) : "";
  for (size_t sent = 0; sent < text.size();) {
    const auto put = tls != nullptr
                         ? SSL_write(tls, text.data() + sent, static_cast<int>(text.size() - sent))
                         : ::send(connection, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (put <= 0) break;
    sent += static_cast<size_t>(put);
  }
  if (tls != nullptr) {
    SSL_shutdown(tls);
    SSL_free(tls);
  }
  ::close(connection);
}

}  // namespace worldline::gateway::testing
