#include "runtime/errno.h"

namespace worldline::runtime {

std::string_view errno_text(Errno code) {
  switch (code) {
    case Errno::kOk:
    case Errno::kTrap:
      return "";
    case Errno::kHostCallFailure:
      return "ABI called by host returned an error";
    case Errno::kNotInTransaction:
      return "ABI call can only be made while in a transaction";
    case Errno::kBsatnDecodeError:
      return "Couldn't decode the BSATN to the expected type";
    case Errno::kNoSuchTable:
      return "No such table";
    case Errno::kNoSuchIndex:
      return "No such index";
    case Errno::kNoSuchIter:
      return "The provided row iterator is not valid";
    case Errno::kNoSuchConsoleTimer:
      return "The provided console timer does not exist";
    case Errno::kNoSuchBytes:
      return "The provided bytes source or sink is not valid";
    case Errno::kNoSpace:
      return "The provided sink has no more space left";
    case Errno::kWrongIndexAlgo:
      return "The Index does not support range scans";
    case Errno::kBufferTooSmall:
      return "The provided buffer is not large enough to store the data";
    case Errno::kUniqueAlreadyExists:
      return "Value with given unique identifier already exists";
    case Errno::kScheduleAtDelayTooLong:
      return "Specified delay in scheduling row was too long";
    case Errno::kIndexNotUnique:
      return "The index was not unique";
    case Errno::kNoSuchRow:
      return "The row was not found, e.g., in an update call";
    case Errno::kAutoIncOverflow:
      return "The auto-increment sequence overflowed";
    case Errno::kWouldBlockTransaction:
      return "Attempted async or blocking op while holding open a transaction";
    case Errno::kTransactionNotAnonymous:
      return "Not in an anonymous transaction. Called by a reducer?";
    case Errno::kTransactionIsReadOnly:
      return "ABI call can only be made while within a mutable transaction";
    case Errno::kTransactionIsMut:
      return "ABI call can only be made while within a read-only transaction";
    case Errno::kHttpError:
      return "The HTTP request failed";
  }
  return "";
}

}  // namespace worldline::runtime
