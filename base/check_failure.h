// base/check_failure.h
//
// What a crash report says of a failed WL_CHECK. Thread: any; async-signal-safe.
#pragma once

namespace worldline {

// Place and condition of the check that is ending the process; empty if none is.
const char* last_check_failure();

}  // namespace worldline
