#include "bench/load/keynote_bundle.h"

extern "C" const worldline::Byte worldline_keynote_bundle_begin[];
extern "C" const worldline::Byte worldline_keynote_bundle_end[];

namespace worldline::bench {

Bytes keynote_bundle() {
  return {worldline_keynote_bundle_begin, worldline_keynote_bundle_end};
}

}  // namespace worldline::bench
