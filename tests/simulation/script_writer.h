// tests/simulation/script_writer.h
//
// Writes what the cores of a group were given as a script of tests/replication/README.md, the last
// step of the shrinker [S 08/6.2]: the same starts and inputs in the same order give the same
// steps, without clients, network, disks and clocks of the simulator.
//
// How: ticks that put out nothing are joined; each message is delivered when it was received, found
// by its addresses and type among those under way; what was lost is dropped where it would be taken
// for another. Only what a shell sent, not a core, is forged.
//
// Thread: pure functions. Errors: what a script cannot say is a gap, told in words.
#pragma once

#include <string>
#include <vector>

#include "tests/simulation/core_recording.h"

namespace worldline::simulation {

struct ScriptLine {
  std::string command;
  ReplicaId replica;
  std::string face;  // What is seen of this replica behind the command; "" = not known.
};
struct WrittenScript {
  std::vector<ScriptLine> lines;
  std::vector<std::string> gaps;
};
WrittenScript write_script(const CoreRecording& recording);

}  // namespace worldline::simulation
