#include "runtime/reducer_table.h"

#include <utility>

#include "schema/sats_json.h"

namespace worldline::runtime {
namespace {

schema::FunctionSignature signature_of(const ReducerEntry& reducer) {
  return {schema::FunctionKind::kReducer, reducer.def->full_name, reducer.def->params,
          *reducer.typespace};
}

}  // namespace

Result<ReducerTable> ReducerTable::build(std::shared_ptr<const schema::ModuleDef> def) {
  ReducerTable table;
  table.entries_.reserve(def->reducers().size());
  for (const schema::ReducerDef& reducer : def->reducers()) {
    WL_CHECK(reducer.id.value == table.entries_.size());
    const schema::Typespace& typespace = def->typespace_of(reducer);
    WL_ASSIGN_OR_RETURN(const schema::ProductType params,
                        schema::resolve(reducer.params, typespace));
    WL_ASSIGN_OR_RETURN(schema::RowLayout layout, schema::RowLayout::compile(params));
    table.entries_.push_back({&reducer, &typespace, std::move(layout)});
  }
  table.def_ = std::move(def);
  return table;
}

const ReducerEntry* ReducerTable::find(std::string_view name) const {
  const schema::ReducerDef* def = def_ ? def_->find_reducer(name) : nullptr;
  return def == nullptr ? nullptr : &entries_[def->id.value];
}

const ReducerEntry* ReducerTable::find(schema::Lifecycle event) const {
  const schema::ReducerDef* def = def_ ? def_->find_lifecycle(event) : nullptr;
  return def == nullptr ? nullptr : &entries_[def->id.value];
}

Result<Bytes> bsatn_arguments(const ReducerEntry& reducer, Bytes bsatn) {
  if (reducer.arguments.find_row_end(bsatn)) return bsatn;
  // The slow way has the words.
  WL_RETURN_IF_ERROR(schema::validate_bsatn_arguments(bsatn, signature_of(reducer)));
  return bsatn;
}

Result<Bytes> json_arguments(const ReducerEntry& reducer, Bytes json, ByteBuffer& decoded) {
  WL_ASSIGN_OR_RETURN(decoded, schema::parse_json_arguments(as_text(json), signature_of(reducer)));
  return Bytes(decoded);
}

}  // namespace worldline::runtime
