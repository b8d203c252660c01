// tests/schema/module_def_fuzz.cc: any bytes as a module definition. What validates can be shown,
// and planning it against itself changes nothing.
#include "base/check.h"
#include "schema/migration_plan.h"
#include "schema/module_def.h"
#include "schema/plan_formatter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace worldline;          // NOLINT(google-build-using-namespace): a fuzz driver.
  using namespace worldline::schema;  // NOLINT(google-build-using-namespace): a fuzz driver.
  const auto raw = decode_raw_module_def({data, size});
  if (!raw.ok()) return 0;
  ByteBuffer encoded;
  encode_raw_module_def(*raw, encoded);
  WL_CHECK(encoded.size() <= size);
  WL_CHECK(equal(encoded, Bytes(data, encoded.size())));
  const auto def = ModuleDef::validate(*raw);
  if (!def.ok()) return 0;
  WL_CHECK((*def)->schema_json(9).ok());
  WL_CHECK((*def)->schema_json(10).ok());
  const auto plan = plan_migration(*def, *def);
  WL_CHECK(plan.ok());
  WL_CHECK(format_plan(*plan, PlanStyle::kAnsiColor).ok());
  return 0;
}
