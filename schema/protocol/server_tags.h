// schema/protocol/server_tags.h
//
// Sum tags of server messages [S 02/7.2], shared by encoder and decoder.
#pragma once

#include <cstdint>

namespace worldline::protocol {

enum class ServerTag : uint8_t {
  kInitialConnection,
  kSubscribeApplied,
  kUnsubscribeApplied,
  kSubscriptionError,
  kTransactionUpdate,
  kOneOffQueryResult,
  kReducerResult,
  kProcedureResult,
};
inline constexpr uint8_t kServerTagCount = 8;

enum class OutcomeTag : uint8_t { kOk, kOkEmpty, kErr, kInternalError };
inline constexpr uint8_t kOutcomeTagCount = 4;

enum class UpdateRowsTag : uint8_t { kPersistentTable, kEventTable };
inline constexpr uint8_t kUpdateRowsTagCount = 2;

// Option: 0 some, 1 none. Result: 0 ok, 1 err. ProcedureStatus: 0 Returned, 1 InternalError.
inline constexpr uint8_t kFirst = 0;
inline constexpr uint8_t kSecond = 1;

}  // namespace worldline::protocol
