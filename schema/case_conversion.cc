#include "schema/case_conversion.h"

#include <memory>
#include <vector>

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "schema/utf8.h"

namespace worldline::schema {
namespace {

using icu::UnicodeString;

// What a grapheme cluster means for splitting.
enum class ClusterKind : uint8_t { kSeparator, kUpper, kLower, kDigit, kOther };

struct Cluster {
  UnicodeString text;
  ClusterKind kind;
};

bool is_ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

UnicodeString lowered(UnicodeString text) {
  return text.toLower(icu::Locale::getRoot());
}

UnicodeString uppered(UnicodeString text) {
  return text.toUpper(icu::Locale::getRoot());
}

ClusterKind kind_of(const UnicodeString& text) {
  if (text == u"_" || text == u"-" || text == u" ") return ClusterKind::kSeparator;
  if (text.length() == 1 && text[0] >= u'0' && text[0] <= u'9') return ClusterKind::kDigit;
  const UnicodeString lower = lowered(text);
  const UnicodeString upper = uppered(text);
  if (lower == upper) return ClusterKind::kOther;
  if (text == upper) return ClusterKind::kUpper;
  if (text == lower) return ClusterKind::kLower;
  return ClusterKind::kOther;
}

std::vector<Cluster> split_clusters(std::string_view name) {
  const UnicodeString text =
      UnicodeString::fromUTF8({name.data(), static_cast<int32_t>(name.size())});
  std::vector<Cluster> clusters;
  auto add = [&clusters](UnicodeString part) {
    const ClusterKind kind = kind_of(part);
    clusters.push_back({std::move(part), kind});
  };
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> breaks;
  if (!is_ascii(name))
    breaks.reset(icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), error));
  if (breaks == nullptr || U_FAILURE(error)) {
    // ASCII, or ICU without its data: one cluster per code point.
    for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1))
      add(UnicodeString(text, i, text.moveIndex32(i, 1) - i));
    return clusters;
  }
  breaks->setText(text);
  int32_t begin = breaks->first();
  for (int32_t end = breaks->next(); end != icu::BreakIterator::DONE; end = breaks->next()) {
    add(UnicodeString(text, begin, end - begin));
    begin = end;
  }
  return clusters;
}

bool is_letter(ClusterKind kind) {
  return kind == ClusterKind::kUpper || kind == ClusterKind::kLower;
}

// Is there a word boundary between clusters i and i + 1? [S 01/6.3]
bool is_boundary(const std::vector<Cluster>& clusters, size_t i) {
  const ClusterKind left = clusters[i].kind;
  const ClusterKind right = clusters[i + 1].kind;
  if (left == ClusterKind::kLower && right == ClusterKind::kUpper) return true;
  if (is_letter(left) && right == ClusterKind::kDigit) return true;
  if (left == ClusterKind::kDigit && is_letter(right)) return true;
  const bool lower_follows = i + 2 < clusters.size() && clusters[i + 2].kind == ClusterKind::kLower;
  return left == ClusterKind::kUpper && right == ClusterKind::kUpper && lower_follows;
}

// Words are the pieces between boundaries and separators; empty ones are dropped.
std::vector<UnicodeString> split_words(const std::vector<Cluster>& clusters) {
  std::vector<UnicodeString> words;
  UnicodeString word;
  auto finish = [&words, &word] {
    if (!word.isEmpty()) words.push_back(word);
    word.remove();
  };
  for (size_t i = 0; i < clusters.size(); ++i) {
    if (clusters[i].kind == ClusterKind::kSeparator) {
      finish();
      continue;
    }
    word += clusters[i].text;
    if (i + 1 < clusters.size() && is_boundary(clusters, i)) finish();
  }
  finish();
  return words;
}

// First character upper-cased, the rest lower-cased.
UnicodeString capitalised(const UnicodeString& word) {
  const int32_t second = word.moveIndex32(0, 1);
  return uppered(UnicodeString(word, 0, second)) + lowered(UnicodeString(word, second));
}

std::string code_point_text(char32_t code) {
  std::string out;
  append_utf8(code, out);
  return out;
}

}  // namespace

std::string convert_name(std::string_view name, NameCase target) {
  const std::vector<UnicodeString> words = split_words(split_clusters(name));
  UnicodeString joined;
  for (size_t i = 0; i < words.size(); ++i) {
    if (target == NameCase::kSnake && i > 0) joined += u'_';
    const bool capitalise = target == NameCase::kPascal || (target == NameCase::kCamel && i > 0);
    joined += capitalise ? capitalised(words[i]) : lowered(words[i]);
  }
  std::string out;
  joined.toUTF8String(out);
  return out;
}

Status validate_identifier(std::string_view name) {
  if (name.empty()) return Status::invalid_argument("Empty identifiers are forbidden.");
  if (!is_ascii(name)) {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* form = icu::Normalizer2::getNFCInstance(error);
    if (U_FAILURE(error)) return Status::internal("no normalisation data: {}", u_errorName(error));
    const bool normal =
        form->isNormalizedUTF8({name.data(), static_cast<int32_t>(name.size())}, error) != 0;
    if (!normal || U_FAILURE(error))
      return Status::invalid_argument(
          "Identifier `{}` is not in normalization form C according to Unicode Standard Annex 15 "
          "(http://www.unicode.org/reports/tr15/) and cannot be used for entities in a module.",
          name);
  }
  const std::vector<char32_t> codes = decode_utf8(name);
  auto has = [](char32_t code, UProperty property) {
    return u_hasBinaryProperty(static_cast<UChar32>(code), property) != 0;
  };
  if (codes[0] != U'_' && !has(codes[0], UCHAR_XID_START))
    return Status::invalid_argument(
        "Identifier `{}`'s starting character '{}' is neither an underscore ('_') nor a Unicode "
        "XID_start character (according to Unicode Standard Annex 31, "
        "https://www.unicode.org/reports/tr31/) and cannot be used for entities in a module.",
        name, code_point_text(codes[0]));
  for (const char32_t code : codes)
    if (!has(code, UCHAR_XID_CONTINUE))
      return Status::invalid_argument(
          "Identifier `{}` contains a character '{}' that is not an XID_continue character "
          "(according to Unicode Standard Annex 31, https://www.unicode.org/reports/tr31/) and "
          "cannot be used for entities in a module.",
          name, code_point_text(code));
  return {};
}

}  // namespace worldline::schema
