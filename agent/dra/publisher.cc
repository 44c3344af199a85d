#include "agent/dra/publisher.h"

#include <nlohmann/json.hpp>

#include "agent/dra/published.h"
#include "base/log.h"
#include "kube/call.h"
#include "kube/names.h"
#include "model/json.h"

namespace flexai::agent::dra {

using base::Level;
using nlohmann::json;

namespace {

constexpr base::Nanos kPause = 2 * base::kSecond;  // between writes that did not help
constexpr size_t kLongestName = 253;

std::string slice_name_of(const std::string& node) {
  const std::string name = node + "-" + kube::kDriverName;
  return name.size() <= kLongestName ? name : device_name(node) + "-" + kube::kDriverName;
}

// A part of an object; null where there is none.
json at(const json& object, const char* place) {
  const json::json_pointer pointer(place);
  return object.is_object() && object.contains(pointer) ? object[pointer] : json();
}

std::string text_at(const json& object, const char* place) {
  const json value = at(object, place);
  return value.is_string() ? value.get<std::string>() : "";
}

}  // namespace

Publisher::Publisher(const Surroundings& around, kube::Client* client, std::string node)
    : around_(around), client_(client), node_(std::move(node)) {}

// The slice goes with its node, so that is what it is told of first.
void Publisher::start() {
  client_->send(kube::get_object(kube::kNodes, {"", node_}), around_.loop,
                [this](const kube::Reply& answer) { node_read(answer); });
}

void Publisher::node_read(const kube::Reply& answer) {
  auto node = answer.ok() ? model::parse_json(answer.body) : base::Result<json>(json());
  node_uid_ = node.ok() ? text_at(*node, "/metadata/uid") : "";
  if (!node_uid_.empty()) return watch();
  base::log(Level::kWarn, "dra", "node not read",
            {{"node", node_}, {"why", answer.ok() ? "no uid" : answer.failure->message}});
  around_.loop->at(base::monotonic_now() + kPause, [this] { start(); });
}

void Publisher::watch() {
  kube::ListWatchOptions options;
  options.resource = kube::kResourceSlices;
  options.selection.field_selector = "spec.nodeName=" + node_ + ",spec.driver=" + kube::kDriverName;
  kube::ReflectorHandlers<std::string> handlers;
  handlers.updated = [this](const std::string&, const std::string&, const std::string&) { look(); };
  handlers.deleted = [this](const std::string&, const std::string&) { look(); };
  handlers.synced = [this] { look(); };
  slices_ = std::make_unique<kube::Reflector<std::string>>(
      *client_, *around_.loop, std::move(options),
      [](const kube::Meta&, kube::ObjectText text) -> base::Result<std::optional<std::string>> {
        return std::optional(std::string(text.json));
      },
      std::move(handlers));
}

// Links are looked at when the cards are others: one that comes and goes is no reason to write.
json Publisher::wanted() {
  std::vector<model::Device> cards = around_.cards->devices();
  if (cards != cards_) {
    wires_ = wires_of(cards);
    cards_ = std::move(cards);
  }
  return devices_json(cards_, shared_, wires_);
}

void Publisher::look() {
  if (slices_ == nullptr || !slices_->synced() || busy_ || waiting_) return;
  const json wanted = this->wanted();
  bool found = false;
  for (const auto& [name, entry] : slices_->store()) {
    auto slice = model::parse_json(entry.value);
    const json spec = slice.ok() ? at(*slice, "/spec") : json();
    if (found || wanted.empty() || text_at(spec, "/pool/name") != node_) return remove(name);
    found = true;
    const json generation = at(spec, "/pool/generation");
    const bool one = at(spec, "/pool/resourceSliceCount") == 1;
    if (one && same_devices(at(spec, "/devices"), wanted)) continue;
    return write(name, entry.resource_version,
                 generation.is_number_integer() ? generation.get<int64_t>() + 1 : 1);
  }
  if (!found && !wanted.empty()) write(slice_name_of(node_), "", 1);
}

void Publisher::write(const std::string& name, const std::string& resource_version,
                      int64_t generation) {
  const std::string body =
      slice_json(node_, node_uid_, name, resource_version, generation, wanted())
          .dump(-1, ' ', false, json::error_handler_t::replace);
  busy_ = true;
  client_->send(resource_version.empty() ? kube::create(kube::kResourceSlices, "", body)
                                         : kube::replace(kube::kResourceSlices, {"", name}, body),
                around_.loop, [this](const kube::Reply& answer) { written(answer); });
}

void Publisher::written(const kube::Reply& answer) {
  busy_ = false;
  if (!answer.ok()) {
    // Somebody else's change comes by the watch.
    if (answer.failure->http != 409)
      base::log(Level::kError, "dra", "cards not published", {{"why", answer.failure->message}});
    return again();
  }
  auto kept = model::parse_json(answer.body);
  const bool shares = !kept.ok() || keeps_sharing(at(*kept, "/spec/devices"));
  if (shared_ && !shares) {
    shared_ = false;
    around_.events->add("whole-cards-only", node_,
                        "this Kubernetes drops the fields of shared cards; slices need 1.36 or "
                        "later with DRAConsumableCapacity");
  }
  // The watch brings what was written; until then it would be written again.
  again();
}

void Publisher::remove(const std::string& name) {
  busy_ = true;
  client_->send(kube::remove(kube::kResourceSlices, {"", name}), around_.loop,
                [this, name](const kube::Reply& answer) {
                  busy_ = false;
                  if (!answer.ok() && answer.failure->http != 404)
                    base::log(Level::kError, "dra", "old slice not removed",
                              {{"slice", name}, {"why", answer.failure->message}});
                  again();
                });
}

void Publisher::again() {
  if (waiting_) return;
  waiting_ = true;
  around_.loop->at(base::monotonic_now() + kPause, [this] {
    waiting_ = false;
    look();
  });
}

}  // namespace flexai::agent::dra
