#include "kube/slice_config.h"

#include "kube/names.h"
#include "model/json_reader.h"

namespace flexai::kube {
namespace {

constexpr size_t kWord = 32, kName = 63;

struct Choice {
  const char* word;
  int value;
};

// A word of a field that knows a few.
template <typename T>
void choose(model::JsonReader& fields, const char* name, std::initializer_list<Choice> choices,
            T* out) {
  const auto word = fields.text(name, kWord);
  if (!word) return;
  std::string known;
  for (const Choice& choice : choices) {
    if (*word == choice.word) {
      *out = static_cast<T>(choice.value);
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(choice.word);
  }
  fields.note("field \"" + std::string(name) + "\": \"" + *word + "\" is none of " + known);
}

void read_thousandths(model::JsonReader& fields, const char* name, uint32_t least, uint32_t* out) {
  const auto value = fields.number(name, 1000);
  if (!value) return;
  if (*value < least)
    fields.note("field \"" + std::string(name) + "\" must be from " + std::to_string(least) +
                " to 1000");
  else
    *out = static_cast<uint32_t>(*value);
}

// A DNS label, as the schema of XpuPool wants it.
bool is_object_name(const std::string& name) {
  if (name.empty() || name.size() > kName) return false;
  for (const char c : name)
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') return false;
  return name.front() != '-' && name.back() != '-';
}

}  // namespace

base::Status read_slice_config(const nlohmann::json& parameters, SliceConfig* config) {
  if (!parameters.is_object())
    return base::fail(base::Code::kInvalid, "SliceConfig: must be an object");
  model::JsonReader fields(parameters);
  SliceConfig made = *config;
  std::string version, kind;
  fields.get("apiVersion", &version, true).get("kind", &kind, true);
  choose(fields, "qos",
         {{"fixed", static_cast<int>(model::Qos::kFixed)},
          {"elastic", static_cast<int>(model::Qos::kElastic)},
          {"besteffort", static_cast<int>(model::Qos::kBestEffort)}},
         &made.qos);
  choose(fields, "priority",
         {{"low", static_cast<int>(model::Priority::kLow)},
          {"normal", static_cast<int>(model::Priority::kNormal)},
          {"high", static_cast<int>(model::Priority::kHigh)}},
         &made.priority);
  choose(fields, "isolation",
         {{"served", static_cast<int>(Isolation::kServed)},
          {"direct", static_cast<int>(Isolation::kDirect)}},
         &made.isolation);
  choose(fields, "reach",
         {{"local", static_cast<int>(Reach::kLocal)},
          {"prefer-local", static_cast<int>(Reach::kPreferLocal)}},
         &made.reach);
  read_thousandths(fields, "ceiling", 1, &made.ceiling_milli);
  read_thousandths(fields, "leastCompute", 0, &made.least_milli);
  if (auto share = fields.truth("share")) made.share = *share;
  if (auto suspend = fields.truth("suspend")) made.suspend = *suspend;
  if (auto move = fields.truth("move")) made.move = *move;
  if (const auto pool = fields.text("pool", kName)) {
    made.pool = *pool;
    if (!is_object_name(*pool)) fields.note("field \"pool\" is no name of an XpuPool");
  }
  base::Status read = fields.finish();
  if (read.ok() && version != kGroupVersion)
    read = base::fail(base::Code::kInvalid,
                      "field \"apiVersion\" must be " + std::string(kGroupVersion));
  if (read.ok() && kind != kSliceConfigKind)
    read =
        base::fail(base::Code::kInvalid, "field \"kind\" must be " + std::string(kSliceConfigKind));
  if (!read.ok()) return std::move(read).with_context("SliceConfig");
  *config = made;
  return {};
}

}  // namespace flexai::kube
