#include "agent/api.h"
#include "model/json.h"
#include "model/json_reader.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using nlohmann::json;

base::Result<SliceChange> read_change(const json& body) {
  model::JsonReader fields(body);
  SliceChange change;
  auto narrow = [](std::optional<uint64_t> wide) -> std::optional<uint32_t> {
    if (!wide) return std::nullopt;
    return static_cast<uint32_t>(*wide);
  };
  change.compute_milli = narrow(fields.number("compute_milli", 1000));
  change.ceiling_milli = narrow(fields.number("ceiling_milli", 1000));
  change.memory_bytes = fields.number("memory_bytes", 1ull << 50);
  change.paused = fields.truth("paused");
  auto qos = fields.text("qos", 40);
  auto priority = fields.text("priority", 40);
  FLEXAI_TRY(fields.finish());
  if (qos) {
    FLEXAI_TRY_ASSIGN(change.qos, model::parse_qos(*qos));
  }
  if (priority) {
    FLEXAI_TRY_ASSIGN(change.priority, model::parse_priority(*priority));
  }
  return change;
}

}  // namespace

// A slice as a caller asks for it; the owner is the caller, whatever the body would like.
base::Result<model::Slice> read_wanted_slice(const json& body, uint32_t uid) {
  for (const char* field : {"owner_uid", "ephemeral", "paused", "residency"})
    if (body.is_object() && body.contains(field))
      return fail(Code::kInvalid, std::string("unknown field \"") + field + "\"");
  FLEXAI_TRY_ASSIGN(model::Slice wanted, model::slice_from_json(body));
  if (wanted.memory_bytes > 1ull << 50)
    return fail(Code::kInvalid, "field \"memory_bytes\" is more than any card has");
  wanted.owner_uid = uid;
  return wanted;
}

json Api::slice_facts(const SliceEntry& entry) const {
  json facts = model::to_json(entry.slice);
  facts["id"] = entry.id;
  facts["trouble"] = entry.trouble;
  facts["processes"] = attachments_->of_slice(entry.id);
  return facts;
}

base::Result<SliceEntry*> Api::owned_slice(const Call& call) {
  SliceEntry* entry = slices_->by_name(call.names[0]);
  if (entry == nullptr)
    return fail(Code::kNotFound,
                "no slice \"" + call.names[0].substr(0, 63) + "\"; see `flexai slice list`");
  if (!may_change(call, entry->slice.owner_uid))
    return fail(Code::kDenied, "slice " + entry->slice.name + " belongs to uid " +
                                   std::to_string(entry->slice.owner_uid) +
                                   "; ask its owner or root");
  if (entry->moving)
    return fail(Code::kConflict,
                "slice " + entry->slice.name + " is being moved; try again when that is over");
  return entry;
}

void Api::get_slices(const Request&, const Reply& reply) {
  json list = json::array();
  for (const auto& [id, entry] : slices_->all()) list.push_back(slice_facts(*entry));
  reply->finish(Answer{200, "", "", json{{"slices", list}}});
}

void Api::get_slice(const Request& call, const Reply& reply) {
  SliceEntry* entry = slices_->by_name(call->names[0]);
  if (entry == nullptr)
    return reply->finish(fail(Code::kNotFound, "no slice \"" + call->names[0].substr(0, 63) +
                                                   "\"; see `flexai slice list`"));
  reply->finish(Answer{200, "", "", slice_facts(*entry)});
}

void Api::post_slice(const Request& call, const Reply& reply) {
  auto wanted = read_wanted_slice(call->body, call->peer.uid);
  if (!wanted.ok()) return reply->finish(wanted.error());
  with_room(call, reply, wanted->card, [this, wanted = *wanted]() -> base::Result<Answer> {
    FLEXAI_TRY_ASSIGN(SliceEntry * entry, slices_->create(wanted));
    return Answer{201, "", "", slice_facts(*entry)};
  });
}

void Api::patch_slice(const Request& call, const Reply& reply) {
  auto entry = owned_slice(*call);
  if (!entry.ok()) return reply->finish(entry.error());
  auto change = read_change(call->body);
  if (!change.ok()) return reply->finish(change.error());
  auto changed = slices_->set(call->names[0], *change);
  if (!changed.ok()) return reply->finish(changed.error());
  reply->finish(Answer{200, "", "", slice_facts(**changed)});
}

}  // namespace flexai::agent
