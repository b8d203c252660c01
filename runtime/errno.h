// runtime/errno.h
//
// The error numbers of both module ABIs [S 03/1.5] and the text a JavaScript module sees for each.
// kTrap is ours: a failure without number; the binding ends the script with it. Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

namespace worldline::runtime {

enum class Errno : uint16_t {
  kOk = 0,
  kHostCallFailure = 1,
  kNotInTransaction = 2,
  kBsatnDecodeError = 3,
  kNoSuchTable = 4,
  kNoSuchIndex = 5,
  kNoSuchIter = 6,
  kNoSuchConsoleTimer = 7,
  kNoSuchBytes = 8,
  kNoSpace = 9,
  kWrongIndexAlgo = 10,
  kBufferTooSmall = 11,
  kUniqueAlreadyExists = 12,
  kScheduleAtDelayTooLong = 13,
  kIndexNotUnique = 14,
  kNoSuchRow = 15,
  kAutoIncOverflow = 16,
  kWouldBlockTransaction = 17,
  kTransactionNotAnonymous = 18,
  kTransactionIsReadOnly = 19,
  kTransactionIsMut = 20,
  kHttpError = 21,
  kTrap = 0xffff,
};

// The message of the JavaScript error; empty for kOk and kTrap.
std::string_view errno_text(Errno code);

}  // namespace worldline::runtime
