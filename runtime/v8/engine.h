// runtime/v8/engine.h
//
// Start-up of V8 for the process: platform, flags, once. V8 cannot be shut down and started again,
// so this state is the one process-wide thing of the room; everything else hangs on objects.
// Thread: any; the first call wins and fixes the number of background threads.
#pragma once

#include <v8-platform.h>

namespace worldline::runtime {

// Starts V8 if that has not happened. REQUIRES: threads >= 1.
void start_engine(int threads);

// REQUIRES: start_engine() was called.
v8::Platform& engine_platform();

}  // namespace worldline::runtime
