// storage/data_result.h
//
// DataStatus and DataResult<T>: Status and Result<T> that also say which DataError it was, so that
// the runtime finds the errno without looking at texts. Both turn into the plain forms.
//
// Invariants: ok() exactly if error() == DataError::kNone. Thread: any. Ownership: values.
#pragma once

#include <utility>
#include <variant>

#include "base/status.h"
#include "storage/storage_types.h"

namespace worldline::storage {

class [[nodiscard]] DataStatus : public Status {
 public:
  DataStatus() = default;  // OK.
  DataStatus(DataError error, Status status) : Status(std::move(status)), error_(error) {
    WL_CHECK(ok() == (error_ == DataError::kNone));
  }
  // A plain failure from below: our own inconsistency unless the caller says otherwise.
  DataStatus(Status status)  // NOLINT(google-explicit-constructor): `return status;`
      : Status(std::move(status)), error_(ok() ? DataError::kNone : DataError::kInternal) {}

  DataError error() const { return error_; }

 private:
  DataError error_ = DataError::kNone;
};

template <typename T>
class [[nodiscard]] DataResult {
 public:
  DataResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  DataResult(DataStatus status) : state_(std::in_place_index<1>, std::move(status)) {
    WL_CHECK(!std::get<1>(state_).ok());
  }
  DataResult(Status status) : DataResult(DataStatus(std::move(status))) {}
  DataResult(DataError error, Status status) : DataResult(DataStatus(error, std::move(status))) {}

  bool ok() const { return state_.index() == 0; }
  DataError error() const { return ok() ? DataError::kNone : std::get<1>(state_).error(); }
  DataStatus status() const { return ok() ? DataStatus() : std::get<1>(state_); }

  // REQUIRES: ok().
  T& value() & {
    WL_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    WL_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    WL_CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // The plain form, for callers to whom the kind does not matter.
  operator Result<T>() && {  // NOLINT(google-explicit-constructor): `return tx.insert(...);`
    if (!ok()) return Status(std::get<1>(state_));
    return std::move(*std::get_if<0>(&state_));
  }

 private:
  std::variant<T, DataStatus> state_;
};

}  // namespace worldline::storage

// Like WL_RETURN_IF_ERROR, but keeps the DataError.
#define WL_DATA_RETURN_IF_ERROR(expression)                                         \
  do {                                                                              \
    if (::worldline::storage::DataStatus wl_status = (expression); !wl_status.ok()) \
      return wl_status;                                                             \
  } while (false)
