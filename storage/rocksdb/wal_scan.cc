#include "storage/rocksdb/wal_scan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "storage/log/entry_codec.h"

namespace worldline::storage {
namespace {

constexpr size_t kHeaderBytes = 7;
constexpr uint8_t kFull = 1;
constexpr uint8_t kFirst = 2;
constexpr uint8_t kMiddle = 3;
constexpr uint8_t kLast = 4;

constexpr size_t kSectorBytes = 512;

enum class Fit : uint8_t { kGood, kZeros, kTooLong, kBadChecksum };

struct Header {
  uint32_t crc;
  uint16_t length;
  uint8_t type;
};

// REQUIRES: kHeaderBytes from `at`.
Header header_at(Bytes block, size_t at) {
  return {load_le<uint32_t>(&block[at]), load_le<uint16_t>(&block[at + 4]), block[at + 6]};
}

uint32_t unmasked(uint32_t crc) {
  const uint32_t rotated = crc - 0xA282EAD8u;
  return (rotated >> 17) | (rotated << 15);
}

Fit fit_of(Bytes block, size_t at, const Header& header) {
  if (header.crc == 0 && header.length == 0 && header.type == 0) return Fit::kZeros;
  if (header.length > block.size() - at - kHeaderBytes) return Fit::kTooLong;
  const Bytes covered = block.subspan(at + 6, size_t{1} + header.length);
  return crc32c(0, covered) == unmasked(header.crc) ? Fit::kGood : Fit::kBadChecksum;
}

const char* text_of(Fit fit) {
  switch (fit) {
    case Fit::kGood:
      break;
    case Fit::kZeros:
      return "zeros";
    case Fit::kTooLong:
      return "an incomplete record";
    case Fit::kBadChecksum:
      return "a bad checksum";
  }
  return "";
}

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](Byte byte) { return byte == 0; });
}

}  // namespace

void WalScan::begin_file(uint64_t number) {
  finish_file();
  file_ = number;
  block_offset_ = 0;
  good_end_ = 0;
}

void WalScan::finish_file() {
  if (in_fragments_) damage("an incomplete record", block_offset_);
  in_fragments_ = false;
}

void WalScan::add_block(Bytes block) {
  WL_CHECK(block.size() <= kBlockBytes);
  WL_CHECK(block_offset_ % kBlockBytes == 0);
  if (!is_foreign_ && !is_lost_) {
    if (damage_) {
      add_remains(block);
    } else {
      parse(block);
    }
  }
  block_offset_ += block.size();
}

WalState WalScan::finish() {
  finish_file();
  if (is_foreign_) return WalState::kWhole;
  if (is_lost_) return WalState::kDamaged;
  return damage_ ? WalState::kTorn : WalState::kWhole;
}

void WalScan::damage(const char* what, uint64_t offset) {
  if (damage_) return;
  damage_ = Place{file_, offset};
  keep_ = {file_, good_end_};
  reason_ = fmt::format("write-ahead log {}: {} at byte {}", file_, what, offset);
}

void WalScan::parse(Bytes block) {
  size_t at = 0;
  while (at + kHeaderBytes <= block.size()) {
    const Header header = header_at(block, at);
    const Fit fit = fit_of(block, at, header);
    if (fit != Fit::kGood) {
      damage(text_of(fit), block_offset_ + at);
      judge_remains(block, at);
      return;
    }
    if (header.type > kLast || header.type == 0) {
      is_foreign_ = true;
      return;
    }
    const bool continues = header.type == kMiddle || header.type == kLast;
    if (continues != in_fragments_) {
      // Either pieces without their beginning, or a beginning where pieces are missing.
      damage("a missing piece of a record", block_offset_ + at);
      search(block, at);
      return;
    }
    in_fragments_ = header.type == kFirst || header.type == kMiddle;
    at += kHeaderBytes + header.length;
    if (!in_fragments_) good_end_ = block_offset_ + at;
  }
  // Less than a header is left: padding of a full block, or the remains of a torn header.
  if (!is_zero(block.subspan(at))) damage("an incomplete header", block_offset_ + at);
}

// A block behind the damage.
void WalScan::add_remains(Bytes block) {
  if (has_end_ && !is_zero(block)) {
    lose(fmt::format("bytes in {} behind its end", file_));
  } else if (std::exchange(has_more_, false) && block.size() >= kHeaderBytes) {
    judge_remains(block, 0);
  } else {
    search(block, 0);
  }
}

// Could the record at `at` be what a crash left of an unsynced one?
void WalScan::judge_remains(Bytes block, size_t at) {
  const Header header = header_at(block, at);
  const size_t end = at + kHeaderBytes + header.length;
  if (header.type > kLast || end > kBlockBytes) {  // Zeros only make both smaller.
    lose(fmt::format("no writer makes its header, type {} and length {}", header.type,
                     header.length));
    return;
  }
  if (at % kSectorBytes + kHeaderBytes <= kSectorBytes) {  // As written, or all zeros.
    has_more_ = header.type == kFirst || header.type == kMiddle;
    has_end_ = header.type == kFull || header.type == kLast;
  }
  if (has_end_ && end <= block.size() && !is_zero(block.subspan(end))) {
    lose(fmt::format("bytes behind its end at byte {}", block_offset_ + end));
    return;
  }
  search(block, at);
}

void WalScan::lose(const std::string& why) {
  is_lost_ = true;
  reason_ += ", but " + why;
}

// Looks for the beginning of a record at any byte: the damage may have hit lengths.
void WalScan::search(Bytes block, size_t from) {
  in_fragments_ = false;
  for (size_t at = from; at + kHeaderBytes <= block.size(); ++at) {
    const Header header = header_at(block, at);
    if (header.type != kFull && header.type != kFirst) continue;
    if (fit_of(block, at, header) != Fit::kGood) continue;
    lose(fmt::format("a whole record at byte {} of {} behind it", block_offset_ + at, file_));
    return;
  }
}

}  // namespace worldline::storage
