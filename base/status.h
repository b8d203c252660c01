// base/status.h
//
// Status and Result<T>: how operational failures travel (I/O, peers, clients, modules).
//
// Invariants: an OK status has no message; a Result holds either a value or a non-OK status.
// Ownership: values; a Status is one shared pointer and cheap to copy. Thread: any.
// Errors: a code exists only if some caller reacts to it; everything else is message text with
// values. Both types are [[nodiscard]]; dropping one on purpose is `status.ignore("reason")`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include <fmt/core.h>

#include "base/check.h"

namespace worldline {

enum class StatusCode : uint8_t {
  kOk,
  kInvalidArgument,     // Malformed input; repeating it cannot help.
  kNotFound,            // The named thing does not exist (or may not be seen).
  kAlreadyExists,       // A name or unique value is taken.
  kPermissionDenied,    // Known caller, not allowed.
  kUnauthenticated,     // No or bad credentials.
  kFailedPrecondition,  // Refused in the present state; nothing was changed.
  kOverloaded,          // A limit on work in progress was reached; try again later.
  kTooLarge,            // One message, row or entry exceeds its limit.
  kNotSupported,        // Understood, but not built.
  kUnavailable,         // Closing, or not serving here.
  kTimeout,             // A watchdog or deadline ended it.
  kUserError,           // The module refused the call; the message is the module's own text.
  kModuleFatal,         // The module crashed.
  kIoError,             // Disk or network failed.
  kCorruption,          // Stored bytes are damaged; never papered over.
  kInternal,            // Our bug, caught where the process can go on.
};

const char* status_code_name(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK.
  Status(StatusCode code, std::string message);

  static Status ok_status() { return {}; }

#define WL_STATUS_FACTORY(name, code)                                            \
  template <typename... Args>                                                    \
  static Status name(fmt::format_string<Args...> format, Args&&... args) {       \
    return {StatusCode::code, fmt::format(format, std::forward<Args>(args)...)}; \
  }
  WL_STATUS_FACTORY(invalid_argument, kInvalidArgument)
  WL_STATUS_FACTORY(not_found, kNotFound)
  WL_STATUS_FACTORY(already_exists, kAlreadyExists)
  WL_STATUS_FACTORY(permission_denied, kPermissionDenied)
  WL_STATUS_FACTORY(unauthenticated, kUnauthenticated)
  WL_STATUS_FACTORY(failed_precondition, kFailedPrecondition)
  WL_STATUS_FACTORY(overloaded, kOverloaded)
  WL_STATUS_FACTORY(too_large, kTooLarge)
  WL_STATUS_FACTORY(not_supported, kNotSupported)
  WL_STATUS_FACTORY(unavailable, kUnavailable)
  WL_STATUS_FACTORY(timeout, kTimeout)
  WL_STATUS_FACTORY(user_error, kUserError)
  WL_STATUS_FACTORY(module_fatal, kModuleFatal)
  WL_STATUS_FACTORY(io_error, kIoError)
  WL_STATUS_FACTORY(corruption, kCorruption)
  WL_STATUS_FACTORY(internal, kInternal)
#undef WL_STATUS_FACTORY

  bool ok() const {
    return rep_ == nullptr;
  }
  StatusCode code() const {
    return rep_ ? rep_->code : StatusCode::kOk;
  }
  const std::string& message() const;  // Empty when OK.

  // The same code with `context: ` before the message; an OK status stays OK.
  Status with_context(std::string_view context) const;

  // Drops the status visibly. `reason` is for the reader.
  void ignore([[maybe_unused]] const char* reason) const {}

 private:
  struct Rep {
    StatusCode code;
    std::string message;
  };
  std::shared_ptr<const Rep> rep_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {
  }  // NOLINT(google-explicit-constructor): `return value;`
  Result(Status status)
      : state_(std::in_place_index<1>,
               std::move(status)) {  // NOLINT(google-explicit-constructor): `return status;`
    WL_CHECK(!std::get<1>(state_).ok());
  }

  bool ok() const { return state_.index() == 0; }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

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
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace worldline

#define WL_CONCAT_INNER(a, b) a##b
#define WL_CONCAT(a, b) WL_CONCAT_INNER(a, b)

// The lambda-safe name keeps nested uses from shadowing each other.
#define WL_RETURN_IF_ERROR(expression) \
  WL_RETURN_IF_ERROR_INNER(WL_CONCAT(wl_status_, __LINE__), expression)
#define WL_RETURN_IF_ERROR_INNER(status, expression)                            \
  do {                                                                          \
    if (::worldline::Status status = (expression); !status.ok()) return status; \
  } while (false)

#define WL_ASSIGN_OR_RETURN(target, expression) \
  WL_ASSIGN_OR_RETURN_INNER(WL_CONCAT(wl_result_, __LINE__), target, expression)
#define WL_ASSIGN_OR_RETURN_INNER(result, target, expression) \
  auto result = (expression);                                 \
  if (!result.ok()) return result.status();                   \
  target = std::move(result).value()
