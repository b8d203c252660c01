#include "gateway/auth/crypto.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "base/check.h"

namespace worldline::gateway {
namespace {

constexpr size_t kHalfBytes = kEs256SignatureBytes / 2;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

std::shared_ptr<void> own(EVP_PKEY* key) {
  return {key, [](void* pointer) { EVP_PKEY_free(static_cast<EVP_PKEY*>(pointer)); }};
}
EVP_PKEY* raw(const std::shared_ptr<void>& key) {
  return static_cast<EVP_PKEY*>(key.get());
}

bool is_p256(EVP_PKEY* key) {
  if (EVP_PKEY_base_id(key) != EVP_PKEY_EC) return false;
  char group[64] = {};
  size_t group_bytes = 0;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                     &group_bytes) != 1)
    return false;
  return std::string_view(group, group_bytes) == SN_X9_62_prime256v1;
}

Bio read_bio(std::string_view text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

std::string written(const Bio& bio) {
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &data);
  WL_CHECK(bytes > 0);
  return {data, static_cast<size_t>(bytes)};
}

using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using Parameters = std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)>;

Number number_of(Bytes big_endian) {
  return {BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr), &BN_free};
}

// A public key of the named type; null if the library finds the numbers unfit.
EVP_PKEY* build_public_key(const char* type, OSSL_PARAM* parameters) {
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), &EVP_PKEY_CTX_free);
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    return nullptr;
  return key;
}

// Refuses to prompt for the pass phrase of an encrypted key.
int no_pass_phrase(char* /*buffer*/, int /*size*/, int /*rwflag*/, void* /*user*/) {
  return -1;
}

}  // namespace

Result<PrivateKey> PrivateKey::generate() {
  EVP_PKEY* key = EVP_EC_gen(SN_X9_62_prime256v1);
  if (key == nullptr) return Status::internal("cannot generate a P-256 key");
  return PrivateKey(own(key));
}

Result<PrivateKey> PrivateKey::parse_pem(std::string_view pem) {
  const Bio bio = read_bio(pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr);
  if (key == nullptr) return Status::invalid_argument("not a private key in PEM form");
  PrivateKey parsed(own(key));
  if (!is_p256(key)) return Status::invalid_argument("not an ECDSA P-256 key");
  return parsed;
}

std::string PrivateKey::private_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()), &BIO_free);
  WL_CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), raw(key_), nullptr, nullptr, 0, nullptr,
                                         nullptr) == 1);
  return written(bio);
}

std::string PrivateKey::public_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()), &BIO_free);
  WL_CHECK(PEM_write_bio_PUBKEY(bio.get(), raw(key_)) == 1);
  return written(bio);
}

Result<std::array<Byte, kEs256SignatureBytes>> PrivateKey::sign(std::string_view text) const {
  const DigestContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::array<Byte, 128> der{};  // A P-256 signature takes at most 72 B.
  size_t der_bytes = der.size();
  const Bytes input = as_bytes(text);
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, raw(key_)) != 1 ||
      EVP_DigestSign(context.get(), der.data(), &der_bytes, input.data(), input.size()) != 1)
    return Status::internal("cannot sign with the token key");
  const Byte* at = der.data();
  const EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der_bytes)),
                                 &ECDSA_SIG_free);
  std::array<Byte, kEs256SignatureBytes> jws{};
  if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), jws.data(), kHalfBytes) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), jws.data() + kHalfBytes, kHalfBytes) < 0)
    return Status::internal("the token key gave no P-256 signature");
  return jws;
}

Result<PublicKey> PublicKey::parse_pem(std::string_view pem) {
  const Bio bio = read_bio(pem);
  EVP_PKEY* key = PEM_read_bio_PUBKEY(bio.get(), nullptr, no_pass_phrase, nullptr);
  if (key == nullptr) return Status::invalid_argument("not a public key in PEM form");
  PublicKey parsed(own(key));
  if (!is_p256(key)) return Status::invalid_argument("not an ECDSA P-256 key");
  return parsed;
}

Result<PublicKey> PublicKey::from_point(Bytes x, Bytes y) {
  const auto refused = [] { return Status::invalid_argument("not a point of P-256"); };
  if (x.size() != kHalfBytes || y.size() != kHalfBytes) return refused();
  ByteBuffer point{POINT_CONVERSION_UNCOMPRESSED};
  append(point, x);
  append(point, y);
  std::string group = SN_X9_62_prime256v1;
  std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* const key = build_public_key("EC", parameters.data());
  if (key == nullptr) return refused();
  return PublicKey(own(key));
}

Result<RsaPublicKey> RsaPublicKey::from_numbers(Bytes modulus, Bytes exponent) {
  const Number n = number_of(modulus);
  const Number e = number_of(exponent);
  if (!n || !e || BN_num_bits(n.get()) < kModulusBitsMin || BN_num_bits(n.get()) > kModulusBitsMax)
    return Status::invalid_argument("an RSA modulus must have {} to {} bits", kModulusBitsMin,
                                    kModulusBitsMax);
  if (BN_num_bits(e.get()) < 2 || BN_num_bits(e.get()) > 64 || BN_is_odd(e.get()) == 0)
    return Status::invalid_argument("an RSA exponent must be odd and have 2 to 64 bits");
  const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> builder(
      OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free);
  WL_CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1);
  WL_CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()), &OSSL_PARAM_free);
  EVP_PKEY* const key = build_public_key("RSA", parameters.get());
  if (key == nullptr) return Status::invalid_argument("not an RSA public key");
  return RsaPublicKey(own(key));
}

bool RsaPublicKey::verify(std::string_view text, Bytes signature) const {
  const DigestContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const Bytes input = as_bytes(text);
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, raw(key_)) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), input.data(),
                          input.size()) == 1;
}

bool PublicKey::verify(std::string_view text, Bytes signature) const {
  if (signature.size() != kEs256SignatureBytes) return false;
  const EcdsaSignature parts(ECDSA_SIG_new(), &ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(signature.data(), kHalfBytes, nullptr);
  BIGNUM* s = BN_bin2bn(signature.data() + kHalfBytes, kHalfBytes, nullptr);
  WL_CHECK(ECDSA_SIG_set0(parts.get(), r, s) == 1);  // Takes r and s.
  Byte* der = nullptr;
  const int der_bytes = i2d_ECDSA_SIG(parts.get(), &der);
  if (der_bytes <= 0) return false;
  const DigestContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const Bytes input = as_bytes(text);
  const bool valid =
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, raw(key_)) == 1 &&
      EVP_DigestVerify(context.get(), der, static_cast<size_t>(der_bytes), input.data(),
                       input.size()) == 1;
  OPENSSL_free(der);
  return valid;
}

std::array<Byte, 20> sha1(std::string_view text) {
  std::array<Byte, 20> digest{};
  const Bytes input = as_bytes(text);
  WL_CHECK(EVP_Digest(input.data(), input.size(), digest.data(), nullptr, EVP_sha1(), nullptr) ==
           1);
  return digest;
}

void fill_random(MutableBytes out) {
  WL_CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

std::string random_uuid() {
  std::array<Byte, 16> bytes{};
  fill_random(bytes);
  bytes[6] = static_cast<Byte>((bytes[6] & 0x0F) | 0x40);  // Version 4.
  bytes[8] = static_cast<Byte>((bytes[8] & 0x3F) | 0x80);  // RFC 4122 variant.
  const std::string hex = to_hex(bytes);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

}  // namespace worldline::gateway
