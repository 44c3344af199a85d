#include "control/webhook/review.h"

#include <optional>

#include "control/json_parts.h"
#include "control/webhook/alias.h"
#include "kube/names.h"

namespace flexai::control::webhook {
namespace {

using base::Code;
using base::fail;

std::string base64_of(const std::string& text) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < text.size(); i += 3) {
    const size_t left = text.size() - i;
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < left ? static_cast<unsigned char>(text[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

// Of one entry of spec.resourceClaims. Unknown counts as not ours.
bool is_ours(const Json& entry, const std::string& ns, const Knowledge& knowledge) {
  const std::string from = text_at(entry, "resourceClaimTemplateName");
  if (!from.empty()) return knowledge.template_is_ours(ns, from).value_or(false);
  const std::string claim = text_at(entry, "resourceClaimName");
  return !claim.empty() && knowledge.claim_is_ours(ns, claim).value_or(false);
}

// A pod that names its node is past all scheduling, and must not carry gates.
bool may_gate(const Json& pod) {
  if (!text_at(at(pod, "spec"), "nodeName").empty()) return false;
  for (const Json& gate : list_at(at(pod, "spec"), "schedulingGates"))
    if (text_at(gate, "name") == kube::kGate) return false;
  return true;
}

void add_gate(Json* pod) {
  Json& gates = (*pod)["spec"]["schedulingGates"];
  if (!gates.is_array()) gates = Json::array();
  gates.push_back({{"name", kube::kGate}});
}

struct Outcome {
  Json pod;
  std::vector<ClaimTemplate> templates;
  std::vector<std::string> warnings;
};

base::Result<Outcome> decide(const Json& pod, const std::string& ns, const Knowledge& knowledge) {
  Outcome outcome{pod, {}, {}};
  bool ours = false;
  if (knowledge.takes_aliases(ns)) {
    FLEXAI_TRY_ASSIGN(Rewriting rewriting, rewrite_aliases(knowledge, &outcome.pod));
    ours = rewriting.changed;
    outcome.templates = std::move(rewriting.templates);
    outcome.warnings = std::move(rewriting.warnings);
  }
  for (const Json& entry : list_at(at(pod, "spec"), "resourceClaims"))
    ours = ours || is_ours(entry, ns, knowledge);
  if (ours && may_gate(outcome.pod)) add_gate(&outcome.pod);
  return outcome;
}

Json refusal(const std::string& why) {
  return {{"allowed", false},
          {"status",
           {{"code", 422}, {"reason", "Invalid"}, {"message", std::string("flexai: ") + why}}}};
}

Json response_to(const Json& request, const Knowledge& knowledge,
                 const MakeTemplate& make_template) {
  const Json& pod = at(request, "object");
  const bool is_pod = text_at(at(request, "resource"), "resource") == "pods" && pod.is_object() &&
                      text_at(request, "operation") == "CREATE" &&
                      object_at(pod, "spec").size() > 0;
  if (!is_pod) return {{"allowed", true}};
  const std::string ns = text_at(request, "namespace");
  auto outcome = decide(pod, ns, knowledge);
  if (!outcome.ok()) return refusal(outcome.error().message);
  if (!true_at(request, "dryRun"))
    for (const ClaimTemplate& each : outcome->templates)
      if (auto made = make_template(ns, each.name, each.body); !made.ok())
        return refusal("the claim template " + each.name +
                       " cannot be made: " + made.error().message);
  Json response = {{"allowed", true}};
  if (!outcome->warnings.empty()) response["warnings"] = outcome->warnings;
  const Json patch = Json::diff(pod, outcome->pod);
  if (!patch.empty()) {
    response["patchType"] = "JSONPatch";
    response["patch"] = base64_of(dump(patch));
  }
  return response;
}

}  // namespace

base::Result<std::string> answer_review(const std::string& text, const Knowledge& knowledge,
                                        const MakeTemplate& make_template) {
  const Json review = Json::parse(text, nullptr, false);
  const Json& request = at(review, "request");
  const std::string uid = text_at(request, "uid");
  if (text_at(review, "kind") != "AdmissionReview" || uid.empty())
    return fail(Code::kInvalid, "no AdmissionReview with a request and its uid");
  Json response = response_to(request, knowledge, make_template);
  response["uid"] = uid;
  return dump(
      {{"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"response", response}});
}

}  // namespace flexai::control::webhook
