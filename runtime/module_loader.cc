#include "runtime/module_loader.h"

#include <fmt/core.h>
#include <string>
#include <vector>

#include "runtime/v8/js_instance.h"

namespace worldline::runtime {
}
