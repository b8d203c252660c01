#include "tests/simulation/runner.h"

int main(int argc, char** argv) {
  return worldline::simulation::run_command(argc, argv);
}
