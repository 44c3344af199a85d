#include "kube/object_meta.h"

#include <simdjson.h>

#include <nlohmann/json.hpp>

#include "model/json.h"

namespace flexai::kube {
namespace {

namespace od = simdjson::ondemand;
using base::Code;

static_assert(kPadding >= simdjson::SIMDJSON_PADDING);

base::Error corrupt(simdjson::error_code error) {
  return base::fail(Code::kCorrupt,
                    std::string("not the JSON expected: ") + simdjson::error_message(error));
}

simdjson::padded_string_view padded(ObjectText text) {
  return simdjson::padded_string_view(text.json.data(), text.json.size(),
                                      text.json.size() + kPadding);
}

base::Result<EventType> type_of(std::string_view text) {
  if (text == "ADDED") return EventType::kAdded;
  if (text == "MODIFIED") return EventType::kModified;
  if (text == "DELETED") return EventType::kDeleted;
  if (text == "BOOKMARK") return EventType::kBookmark;
  if (text == "ERROR") return EventType::kError;
  return base::fail(Code::kCorrupt, "an event of unknown type");
}

simdjson::error_code read_meta(od::object fields, Meta& meta) {
  for (auto field : fields) {
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return error;
    std::string_view* to = key == "name"              ? &meta.name
                           : key == "namespace"       ? &meta.ns
                           : key == "uid"             ? &meta.uid
                           : key == "resourceVersion" ? &meta.resource_version
                                                      : nullptr;
    if (to != nullptr) {
      if (auto error = field.value().get_string().get(*to)) return error;
    } else if (key == "deletionTimestamp") {
      od::value value;
      bool null = false;
      if (auto error = field.value().get(value)) return error;
      if (auto error = value.is_null().get(null)) return error;
      meta.deleting = !null;
    }
  }
  return simdjson::SUCCESS;
}

}  // namespace

struct ObjectReader::Parsers {
  od::parser line, object;
};

ObjectReader::ObjectReader() : parsers_(std::make_unique<Parsers>()) {}
ObjectReader::~ObjectReader() = default;

base::Result<WatchEvent> ObjectReader::event(ObjectText line) {
  od::document document;
  od::object fields;
  if (auto error = parsers_->line.iterate(padded(line)).get(document)) return corrupt(error);
  if (auto error = document.get_object().get(fields)) return corrupt(error);
  WatchEvent event;
  bool typed = false;
  for (auto field : fields) {
    std::string_view key, text;
    if (auto error = field.unescaped_key().get(key)) return corrupt(error);
    if (key == "type") {
      if (auto error = field.value().get_string().get(text)) return corrupt(error);
      FLEXAI_TRY_ASSIGN(event.type, type_of(text));
      typed = true;
    } else if (key == "object") {
      od::object object;
      if (auto error = field.value().get_object().get(object)) return corrupt(error);
      if (auto error = object.raw_json().get(text)) return corrupt(error);
      event.object.json = text;
    }
  }
  if (!typed || event.object.json.empty())
    return base::fail(Code::kCorrupt, "an event without type or object");
  return event;
}

base::Result<Meta> ObjectReader::meta(ObjectText text) {
  od::document document;
  od::object fields, inner;
  if (auto error = parsers_->object.iterate(padded(text)).get(document)) return corrupt(error);
  if (auto error = document.get_object().get(fields)) return corrupt(error);
  if (auto error = fields.find_field_unordered("metadata").get_object().get(inner))
    return corrupt(error);
  Meta meta;
  if (auto error = read_meta(inner, meta)) return corrupt(error);
  return meta;
}

base::Result<ListEnvelope> read_envelope(std::string_view json) {
  FLEXAI_TRY_ASSIGN(nlohmann::json root, model::parse_json(json));
  auto metadata = root.is_object() ? root.find("metadata") : root.end();
  if (!root.is_object() || !root.contains("items") || metadata == root.end() ||
      !metadata->is_object())
    return base::fail(Code::kCorrupt, "the answer is no list");
  ListEnvelope envelope;
  for (auto [key, to] : {std::pair("resourceVersion", &envelope.resource_version),
                         std::pair("continue", &envelope.continue_token)}) {
    auto it = metadata->find(key);
    if (it != metadata->end() && it->is_string()) *to = it->get<std::string>();
  }
  if (envelope.resource_version.empty())
    return base::fail(Code::kCorrupt, "the list has no resourceVersion");
  return envelope;
}

}  // namespace flexai::kube
