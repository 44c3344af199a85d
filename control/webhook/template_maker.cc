#include "control/webhook/template_maker.h"

#include "control/json_parts.h"
#include "model/json.h"

namespace flexai::control::webhook {
namespace {

using base::Code;
using base::fail;

constexpr base::Nanos kTime = 3 * base::kSecond;  // the API server waits for us

// All that we asked for is there; the server adds what is usual.
bool holds(const Json& there, const Json& wanted) {
  if (wanted.is_object()) {
    for (const auto& item : wanted.items())
      if (!there.is_object() || !there.contains(item.key()) ||
          !holds(there[item.key()], item.value()))
        return false;
    return true;
  }
  if (wanted.is_array()) {
    if (!there.is_array() || there.size() != wanted.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i)
      if (!holds(there[i], wanted[i])) return false;
    return true;
  }
  return there == wanted;
}

// Quantities come back as the server writes them, so they are not compared.
Json without_quantities(Json spec) {
  Json& requests = spec["spec"]["devices"]["requests"];
  for (Json& request : requests)
    if (request.contains("exactly")) request["exactly"].erase("capacity");
  return spec;
}

base::Status make(kube::Client& client, const std::string& ns, const std::string& name,
                  const std::string& body) {
  kube::Call call = kube::create(kube::kResourceClaimTemplates, ns, body);
  call.timeout = kTime;
  const auto made = client.wait(std::move(call));
  if (made.ok()) return {};
  if (made.failure->reason != "AlreadyExists") return made.status();
  kube::Call look = kube::get_object(kube::kResourceClaimTemplates, {ns, name});
  look.timeout = kTime;
  const auto there = client.wait(std::move(look));
  if (!there.ok()) return there.status();
  FLEXAI_TRY_ASSIGN(const Json known, model::parse_json(there.body));
  FLEXAI_TRY_ASSIGN(const Json wanted, model::parse_json(body));
  if (holds(at(known, "spec"), without_quantities(at(wanted, "spec")))) return {};
  return fail(Code::kConflict, "another one of that name is there; delete it");
}

}  // namespace

MakeTemplate template_maker(kube::Client& client) {
  return [&client](const std::string& ns, const std::string& name, const std::string& body) {
    return make(client, ns, name, body);
  };
}

}  // namespace flexai::control::webhook
