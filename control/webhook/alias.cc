#include "control/webhook/alias.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>

#include "control/json_parts.h"
#include "kube/names.h"

namespace flexai::control::webhook {
namespace {

using base::Code;
using base::fail;

constexpr const char* kGpu = "nvidia.com/gpu";
constexpr const char* kMemory = "nvidia.com/gpumem";
constexpr const char* kMemoryPercent = "nvidia.com/gpumem-percentage";
constexpr const char* kCores = "nvidia.com/gpucores";
constexpr const char* kPriority = "nvidia.com/priority";
constexpr std::array kAccepted{kGpu, kMemory, kMemoryPercent, kCores, kPriority};
// Resources of the same families that mean cards which nobody here serves, or say what we cannot
// do.
constexpr std::array kRefused{"nvidia.com/",      "cambricon.com/",     "hygon.com/",
                              "metax-tech.com/",  "enflame.com/",       "kunlunxin.com/",
                              "iluvatar.ai/",     "mthreads.com/",      "huawei.com/Ascend",
                              "volcano.sh/vgpu-", "koordinator.sh/gpu", "alibabacloud.com/gpu"};
constexpr const char* kUseType = "nvidia.com/use-gputype";
constexpr const char* kAvoidType = "nvidia.com/nouse-gputype";
constexpr const char* kFraction = "gpu-fraction";
constexpr const char* kFractionMemory = "gpu-memory";
constexpr const char* kFractionDevices = "gpu-fraction-num-devices";
constexpr const char* kKaiQueue = "kai.scheduler/queue";
constexpr std::array kRefusedAnnotations{"nvidia.com/use-gpuuuid", "nvidia.com/nouse-gpuuuid",
                                         "nvidia.com/vgpu-mode", "gpu-fraction-container-name"};

constexpr uint64_t kMiB = 1 << 20;
constexpr int64_t kMostCards = 16;

bool begins_with(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

// What one container, or the pod, asks for.
struct Wish {
  int64_t cards = 1;
  std::optional<int64_t> compute;  // thousandths of each
  std::optional<uint64_t> memory;  // bytes of each; else all
  std::string priority;
  bool elastic = true;
};

struct Types {
  std::vector<std::string> wanted, avoided;  // words in the model's name
};

base::Result<int64_t> whole_number(const std::string& name, const Json& value, int64_t least,
                                   int64_t most) {
  int64_t number = 0;
  bool good = value.is_number_integer();
  if (good) number = value.get<int64_t>();
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    good = error == std::errc() && end == text.data() + text.size();
  }
  if (!good || number < least || number > most)
    return fail(Code::kInvalid, name + " is to be a whole number from " + std::to_string(least) +
                                    " to " + std::to_string(most) + ", not " + dump(value));
  return number;
}

// "0.5" of a card.
base::Result<int64_t> thousandths(const std::string& name, const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0) || value > 1)
    return fail(Code::kInvalid, name + " is to be above 0 and at most 1, not \"" + text + "\"");
  return std::max<int64_t>(static_cast<int64_t>(value * 1000 + 0.5), 1);
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    std::string word = list.substr(at, end - at);
    word.erase(std::remove(word.begin(), word.end(), ' '), word.end());
    if (!word.empty()) words.push_back(std::move(word));
    at = end + 1;
  }
  return words;
}

base::Result<Types> types_of(const Json& annotations) {
  Types types{words_of(text_at(annotations, kUseType)), words_of(text_at(annotations, kAvoidType))};
  for (const auto& list : {types.wanted, types.avoided})
    for (const std::string& word : list)
      if (word.find_first_of("\"\\") != std::string::npos || word.size() > 64 || list.size() > 16)
        return fail(Code::kInvalid, std::string("an annotation for GPU types names \"") + word +
                                        "\", which is no model");
  return types;
}

// Percent of the smallest card that would do.
base::Result<uint64_t> part_of_card(const Knowledge& knowledge, const Types& types,
                                    const std::string& name, int64_t thousandths,
                                    std::vector<std::string>* warnings) {
  const uint64_t whole = knowledge.smallest_memory(types.wanted);
  if (whole == 0)
    return fail(Code::kInvalid, name + ": no card is known of which it could be a part");
  const uint64_t bytes =
      std::max<uint64_t>(whole / kMiB * static_cast<uint64_t>(thousandths) / 1000, 1) * kMiB;
  warnings->push_back(name + " is taken of the smallest card that would do: " +
                      std::to_string(bytes / kMiB) + " MiB of each card");
  return bytes;
}

base::Status check_names(const Json& resources) {
  for (const auto& item : resources.items()) {
    if (std::find(kAccepted.begin(), kAccepted.end(), item.key()) != kAccepted.end()) continue;
    for (const char* refused : kRefused)
      if (begins_with(item.key(), refused))
        return fail(Code::kInvalid, "the resource " + item.key() +
                                        " cannot be honoured here; ask by a ResourceClaim of the "
                                        "class " +
                                        kube::kClassName);
  }
  return {};
}

base::Result<std::optional<Wish>> wish_of(const Json& container, const Knowledge& knowledge,
                                          const Types& types, std::vector<std::string>* warnings) {
  Json all = object_at(at(container, "resources"), "requests");
  all.update(object_at(at(container, "resources"), "limits"));
  FLEXAI_TRY(check_names(all));
  const bool any = std::any_of(kAccepted.begin(), kAccepted.end(),
                               [&](const char* name) { return all.contains(name); });
  if (!any) return std::optional<Wish>();
  Wish wish;
  const auto number = [&](const char* name, int64_t least,
                          int64_t most) -> base::Result<std::optional<int64_t>> {
    if (!all.contains(name)) return std::optional<int64_t>();
    FLEXAI_TRY_ASSIGN(const int64_t value, whole_number(name, all[name], least, most));
    return std::optional(value);
  };
  FLEXAI_TRY_ASSIGN(const auto cards, number(kGpu, 0, kMostCards));
  if (cards == int64_t{0}) return std::optional<Wish>();
  wish.cards = cards.value_or(1);
  FLEXAI_TRY_ASSIGN(const auto cores, number(kCores, 0, 100));
  FLEXAI_TRY_ASSIGN(const auto memory, number(kMemory, 1, int64_t{1} << 30));
  FLEXAI_TRY_ASSIGN(const auto percent, number(kMemoryPercent, 1, 100));
  FLEXAI_TRY_ASSIGN(const auto priority, number(kPriority, 0, 1));
  if (memory && percent)
    return fail(Code::kInvalid,
                std::string(kMemory) + " and " + kMemoryPercent + " exclude each other");
  if (cores && *cores != 0) wish.compute = *cores * 10;
  if (memory) wish.memory = static_cast<uint64_t>(*memory) * kMiB;
  if (percent && *percent < 100) {
    FLEXAI_TRY_ASSIGN(wish.memory,
                      part_of_card(knowledge, types, kMemoryPercent, *percent * 10, warnings));
  }
  // Memory alone: HAMi sets no bound on compute then.
  if (!wish.compute && wish.memory) wish.compute = 1;
  if (priority) wish.priority = *priority == 0 ? "high" : "low";
  return std::optional(wish);
}

base::Result<std::optional<Wish>> wish_of_annotations(const Json& annotations,
                                                      const Knowledge& knowledge,
                                                      const Types& types,
                                                      std::vector<std::string>* warnings) {
  for (const char* refused : kRefusedAnnotations)
    if (annotations.contains(refused))
      return fail(Code::kInvalid,
                  std::string("the annotation ") + refused + " cannot be honoured here");
  const bool fraction = annotations.contains(kFraction),
             memory = annotations.contains(kFractionMemory);
  if (!fraction && !memory) return std::optional<Wish>();
  if (fraction && memory)
    return fail(Code::kInvalid, "gpu-fraction and gpu-memory exclude each other");
  Wish wish;
  if (annotations.contains(kFractionDevices)) {
    FLEXAI_TRY_ASSIGN(wish.cards,
                      whole_number(kFractionDevices, annotations[kFractionDevices], 1, kMostCards));
  }
  if (memory) {
    FLEXAI_TRY_ASSIGN(const int64_t mib, whole_number(kFractionMemory, annotations[kFractionMemory],
                                                      1, int64_t{1} << 30));
    wish.memory = static_cast<uint64_t>(mib) * kMiB;
    wish.compute = 1;
  } else {
    FLEXAI_TRY_ASSIGN(wish.compute, thousandths(kFraction, text_at(annotations, kFraction)));
    if (*wish.compute < 1000) {
      FLEXAI_TRY_ASSIGN(wish.memory,
                        part_of_card(knowledge, types, kFraction, *wish.compute, warnings));
    }
  }
  return std::optional(wish);
}

std::string model_expression(const Types& types) {
  const auto any_of = [](const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
      text += (text.empty() ? "" : " || ") + std::string("device.attributes[\"") +
              kube::kDriverName + "\"].model.contains(\"" + word + "\")";
    return "(" + text + ")";
  };
  std::string all;
  if (!types.wanted.empty()) all = any_of(types.wanted);
  if (!types.avoided.empty()) all += (all.empty() ? "!" : " && !") + any_of(types.avoided);
  return all;
}

// FNV-1a: names, not secrets; an equal name with other contents is found out when it is made.
std::string name_for(const std::string& contents) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : contents) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  char text[32];
  std::snprintf(text, sizeof text, "flexai-%016llx", static_cast<unsigned long long>(hash));
  return text;
}

ClaimTemplate template_of(const Wish& wish, const Types& types) {
  Json exactly = {{"deviceClassName", kube::kClassName}, {"count", wish.cards}};
  if (wish.compute)
    exactly["capacity"]["requests"][kube::kComputeCapacity] = std::to_string(*wish.compute);
  if (wish.memory)
    exactly["capacity"]["requests"][kube::kMemoryCapacity] = std::to_string(*wish.memory);
  if (const std::string models = model_expression(types); !models.empty())
    exactly["selectors"] = Json::array({{{"cel", {{"expression", models}}}}});
  Json parameters = {
      {"apiVersion", kube::kGroupVersion}, {"kind", kube::kSliceConfigKind}, {"qos", "elastic"}};
  if (!wish.priority.empty()) parameters["priority"] = wish.priority;
  const Json devices = {
      {"requests", Json::array({{{"name", "xpu"}, {"exactly", exactly}}})},
      {"config",
       Json::array({{{"opaque", {{"driver", kube::kDriverName}, {"parameters", parameters}}}}})}};
  const Json spec = {{"spec", {{"devices", devices}}}};
  const std::string name = name_for(dump(spec));
  const Json object = {
      {"apiVersion", "resource.k8s.io/v1"},
      {"kind", "ResourceClaimTemplate"},
      {"metadata", {{"name", name}, {"labels", {{"app.kubernetes.io/managed-by", "flexai"}}}}},
      {"spec", spec}};
  return {name, dump(object)};
}

void give(Json* pod, Json* container, const std::string& claim, const ClaimTemplate& from) {
  Json& claims = (*pod)["spec"]["resourceClaims"];
  const bool known = std::any_of(claims.begin(), claims.end(),
                                 [&](const Json& each) { return text_at(each, "name") == claim; });
  if (!known) claims.push_back({{"name", claim}, {"resourceClaimTemplateName", from.name}});
  (*container)["resources"]["claims"].push_back({{"name", claim}});
  for (const char* list : {"limits", "requests"}) {
    Json& resources = (*container)["resources"];
    if (!resources.contains(list) || !resources[list].is_object()) continue;
    for (const char* name : kAccepted) resources[list].erase(name);
    if (resources[list].empty()) resources.erase(list);
  }
}

void add(Rewriting* all, ClaimTemplate made) {
  for (const ClaimTemplate& known : all->templates)
    if (known.name == made.name) return;
  all->templates.push_back(std::move(made));
}

}  // namespace

base::Result<Rewriting> rewrite_aliases(const Knowledge& knowledge, Json* pod) {
  Rewriting all;
  const Json annotations = object_at(at(*pod, "metadata"), "annotations");
  FLEXAI_TRY_ASSIGN(const Types types, types_of(annotations));
  FLEXAI_TRY_ASSIGN(const auto shared,
                    wish_of_annotations(annotations, knowledge, types, &all.warnings));
  Json& spec = (*pod)["spec"];
  for (const char* list : {"initContainers", "containers"}) {
    if (!spec.contains(list) || !spec[list].is_array()) continue;
    for (Json& container : spec[list]) {
      if (!container.is_object()) continue;
      FLEXAI_TRY_ASSIGN(auto wish, wish_of(container, knowledge, types, &all.warnings));
      const std::string name = text_at(container, "name");
      if (!wish) continue;
      if (shared)
        return fail(Code::kInvalid,
                    "container " + name + " asks for cards by resources, the pod by annotations");
      ClaimTemplate made = template_of(*wish, types);
      give(pod, &container, ("xpu-" + name).substr(0, 63), made);
      add(&all, std::move(made));
      all.changed = true;
    }
  }
  // KAI's pods have one container that uses the card: the first.
  if (shared && spec.contains("containers") && spec["containers"].is_array() &&
      !spec["containers"].empty()) {
    ClaimTemplate made = template_of(*shared, types);
    give(pod, &spec["containers"][0], "xpu", made);
    add(&all, std::move(made));
    all.changed = true;
  }
  Json& labels = (*pod)["metadata"]["labels"];
  if (all.changed && labels.is_object() && labels.contains(kKaiQueue) &&
      !labels.contains(kube::kQueueLabel))
    labels[kube::kQueueLabel] = labels[kKaiQueue];
  if (labels.is_null()) (*pod)["metadata"].erase("labels");
  return all;
}

}  // namespace flexai::control::webhook
