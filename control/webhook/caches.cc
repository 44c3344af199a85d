#include "control/webhook/caches.h"

#include <map>
#include <set>

#include "base/log.h"
#include "base/mutex.h"
#include "control/card.h"
#include "control/claim.h"
#include "control/json_parts.h"
#include "kube/names.h"
#include "kube/reflector.h"
#include "model/json.h"

namespace flexai::control::webhook {
namespace {

using base::MutexLock;
using kube::Meta;
using kube::ObjectText;
using Classes = std::set<std::string>;  // that a claim names

// Of the spec of a claim, in a claim or a template.
Classes classes_in(const Json& spec) {
  Classes classes;
  for (const Json& request : list_at(at(spec, "devices"), "requests")) {
    if (const std::string name = text_at(at(request, "exactly"), "deviceClassName"); !name.empty())
      classes.insert(name);
    for (const Json& way : list_at(request, "firstAvailable"))
      if (const std::string name = text_at(way, "deviceClassName"); !name.empty())
        classes.insert(name);
  }
  return classes;
}

base::Result<std::optional<Classes>> project_template(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(const Json json, model::parse_json(text.json));
  return std::optional(classes_in(at(json, "spec", "spec")));
}
base::Result<std::optional<Classes>> project_claim(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(const Json json, model::parse_json(text.json));
  return std::optional(classes_in(at(json, "spec")));
}
base::Result<std::optional<bool>> project_class(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(const ClassFacts facts, read_class(text.json));
  if (!facts.ours) return std::optional<bool>();
  return std::optional(true);
}
base::Result<std::optional<bool>> project_namespace(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(const Json json, model::parse_json(text.json));
  if (text_at(at(json, "metadata", "labels"), kube::kAliasesLabel) != "enabled")
    return std::optional<bool>();
  return std::optional(true);
}

using Models = std::vector<std::pair<std::string, uint64_t>>;  // and the bytes of each card
base::Result<std::optional<Models>> project_slice(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(const auto slice, read_slice(text.json));
  if (!slice) return std::optional<Models>();
  Models models;
  for (const auto& card : slice->cards)
    if (card->memory() > 0)
      models.emplace_back(card->model(), static_cast<uint64_t>(card->memory()));
  return std::optional(std::move(models));
}

// A copy of a reflector's store that other threads may read.
template <typename T>
class Shared {
 public:
  kube::ReflectorHandlers<T> handlers(const char* what) {
    kube::ReflectorHandlers<T> h;
    h.added = [this](const std::string& key, const T& now) { put(key, now); };
    h.updated = [this](const std::string& key, const T&, const T& now) { put(key, now); };
    h.deleted = [this](const std::string& key, const T&) {
      MutexLock lock(mutex_);
      values_.erase(key);
    };
    h.trouble = [what](const kube::Failure& failure) {
      base::log(base::Level::kWarn, "webhook", "cannot watch",
                {{"what", what}, {"why", failure.message}});
    };
    return h;
  }
  std::optional<T> find(const std::string& key) const {
    MutexLock lock(mutex_);
    const auto found = values_.find(key);
    if (found == values_.end()) return std::nullopt;
    return found->second;
  }
  template <typename F>
  void each(F f) const {
    MutexLock lock(mutex_);
    for (const auto& [key, value] : values_) f(value);
  }

 private:
  void put(const std::string& key, const T& now) {
    MutexLock lock(mutex_);
    values_.insert_or_assign(key, now);
  }
  mutable base::Mutex mutex_;
  std::map<std::string, T> values_ FLEXAI_GUARDED_BY(mutex_);
};

kube::ListWatchOptions list_of(const kube::Resource& resource) {
  kube::ListWatchOptions options;
  options.resource = resource;
  return options;
}

}  // namespace

struct Caches::All {
  All(kube::Client& client, base::Loop& loop)
      : templates_watch(client, loop, list_of(kube::kResourceClaimTemplates), project_template,
                        templates.handlers("claim templates")),
        claims_watch(client, loop, list_of(kube::kResourceClaims), project_claim,
                     claims.handlers("claims")),
        classes_watch(client, loop, list_of(kube::kDeviceClasses), project_class,
                      classes.handlers("device classes")),
        namespaces_watch(client, loop, list_of(kube::kNamespaces), project_namespace,
                         namespaces.handlers("namespaces")),
        slices_watch(client, loop, list_of(kube::kResourceSlices), project_slice,
                     slices.handlers("resource slices")) {}

  std::optional<bool> ours(const Shared<Classes>& in, const std::string& ns,
                           const std::string& name) const {
    const auto named = in.find(kube::key_of(ns, name));
    if (!named) return std::nullopt;
    for (const std::string& each : *named)
      if (classes.find(each)) return true;
    return false;
  }

  uint64_t smallest(const std::vector<std::string>& words) const {
    uint64_t least = 0;
    slices.each([&](const Models& models) {
      for (const auto& [model, bytes] : models) {
        bool fits = words.empty();
        for (const std::string& word : words) fits = fits || model.find(word) != std::string::npos;
        if (fits && (least == 0 || bytes < least)) least = bytes;
      }
    });
    return least;
  }

  Shared<Classes> templates, claims;
  Shared<bool> classes, namespaces;
  Shared<Models> slices;
  kube::Reflector<Classes> templates_watch, claims_watch;
  kube::Reflector<bool> classes_watch, namespaces_watch;
  kube::Reflector<Models> slices_watch;
};

Caches::Caches(kube::Client& client, base::Loop& loop)
    : all_(std::make_unique<All>(client, loop)) {}
Caches::~Caches() = default;

bool Caches::synced() const {
  return all_->templates_watch.synced() && all_->claims_watch.synced() &&
         all_->classes_watch.synced() && all_->namespaces_watch.synced() &&
         all_->slices_watch.synced();
}

Knowledge Caches::knowledge() const {
  const All* all = all_.get();
  Knowledge knowledge;
  knowledge.template_is_ours = [all](const std::string& ns, const std::string& name) {
    return all->ours(all->templates, ns, name);
  };
  knowledge.claim_is_ours = [all](const std::string& ns, const std::string& name) {
    return all->ours(all->claims, ns, name);
  };
  knowledge.takes_aliases = [all](const std::string& ns) {
    return all->namespaces.find(ns).has_value();
  };
  knowledge.smallest_memory = [all](const std::vector<std::string>& words) {
    return all->smallest(words);
  };
  return knowledge;
}

}  // namespace flexai::control::webhook
