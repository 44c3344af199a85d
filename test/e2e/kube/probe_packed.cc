#include <map>

#include "base/loop.h"
#include "kube/reflector.h"
#include "test/e2e/kube/probe.h"

namespace flexai::test {
namespace {

using kube::PackedField;

const char* kind_of(PackedField::As as) {
  static constexpr const char* kNames[] = {
      "text",   "bool",  "int",        "quantity", "time",     "json",         "message",
      "inline", "texts", "quantities", "messages", "text-map", "quantity-map", "message-map"};
  return kNames[static_cast<size_t>(as)];
}

}  // namespace

// A line for each field: MESSAGE NUMBER NAME KIND MESSAGE-OF-IT KEPT.
int shapes(kube::Client&, const Words&) {
  for (const kube::Shape* shape : kube::all_shapes()) {
    say(std::string("shape ") + shape->name);
    for (const PackedField& field : shape->fields)
      say(std::string("field ") + shape->name + " " + std::to_string(field.number) + " " +
          field.name + " " + kind_of(field.as) + " " +
          (field.of == nullptr ? "-" : field.of->name) + (field.kept ? " kept" : ""));
  }
  return 0;
}

int packed(kube::Client& client, const Words& words) {
  static const std::map<std::string, const kube::Shape*> kShapes = {
      {"Pod", &kube::kPackedPod},
      {"Node", &kube::kPackedNode},
      {"ResourceClaim", &kube::kPackedClaim},
      {"ResourceSlice", &kube::kPackedSlice}};
  if (words.size() < 2 || kShapes.count(words[1]) == 0) give_up("packed RESOURCE MESSAGE");
  auto loop = base::Loop::make();
  if (!loop.ok()) give_up(loop.error().message);
  kube::ReflectorHandlers<std::string> handlers;
  handlers.added = [](const std::string&, const std::string& text) { say(text); };
  handlers.synced = [&] { (*loop)->stop(); };
  handlers.trouble = [](const kube::Failure& failure) { give_up(failure.message); };
  kube::ListWatchOptions options;
  options.resource = resource_of(words[0]);
  options.shape = kShapes.at(words[1]);
  options.page = 2;
  kube::Reflector<std::string> reflector(
      client, **loop, options,
      [](const kube::Meta&, kube::ObjectText text) -> base::Result<std::optional<std::string>> {
        return std::optional(std::string(text.json));
      },
      handlers);
  (*loop)->run();
  return 0;
}

}  // namespace flexai::test
