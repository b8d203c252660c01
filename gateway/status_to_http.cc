#include "gateway/status_to_http.h"

namespace worldline::gateway {

uint16_t http_status_of(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kInvalidArgument:
    case StatusCode::kFailedPrecondition:  // A migration that cannot be, a policy that forbids.
      return 400;
    case StatusCode::kUnauthenticated:
      return 401;
    case StatusCode::kPermissionDenied:  // Not the owner, or locked.
      return 403;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kTooLarge:
      return 413;
    case StatusCode::kNotSupported:
      return 501;
    case StatusCode::kOverloaded:
    case StatusCode::kUnavailable:
    case StatusCode::kCorruption:  // The database is out of service; the text says what to do.
      return 503;
    case StatusCode::kTimeout:
      return 504;
    case StatusCode::kAlreadyExists:
    case StatusCode::kUserError:  // Of `init`; a called reducer's error is 530, see routes_call.cc.
    case StatusCode::kModuleFatal:
    case StatusCode::kIoError:
    case StatusCode::kInternal:
      return 500;
  }
  return 500;
}

HttpResponse error_response(const Status& status) {
  HttpResponse response = text_response(http_status_of(status.code()), status.message());
  if (status.code() == StatusCode::kOverloaded) response.headers.emplace_back("retry-after", "5");
  return response;
}

}  // namespace worldline::gateway
