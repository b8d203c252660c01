// bench/load/keynote_bundle.h
//
// The bundle of bench/keynote, carried inside the binary.
#pragma once

#include "base/bytes.h"

namespace worldline::bench {

Bytes keynote_bundle();  // Static storage.

}  // namespace worldline::bench
