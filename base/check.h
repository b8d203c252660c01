// base/check.h
//
// Assertions. WL_CHECK runs in every build and ends the process with the place, the condition and
// a message: it is for our own bugs only. WL_DCHECK is for checks that cost more than O(1); it runs
// in debug, sanitizer and simulation builds. Bytes from clients, modules, peers or disks are
// validated with Status instead, never asserted.
#pragma once

namespace worldline {

// Prints the failure to standard error and aborts. Never returns.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace worldline

#define WL_CHECK(condition)                                      \
  do {                                                           \
    if (!(condition)) [[unlikely]]                               \
      ::worldline::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)

#ifdef WL_ENABLE_DCHECK
#define WL_DCHECK(condition) WL_CHECK(condition)
#else
#define WL_DCHECK(condition) \
  do {                       \
  } while (false)
#endif
