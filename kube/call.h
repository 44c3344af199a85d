// Call: one request to the API server as a value, and the functions that make them. Bodies are JSON
// texts; nothing is checked here that the server checks. Source: Kubernetes API concepts and API
// conventions. Threads: any; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "kube/resources.h"

namespace flexai::kube {

struct ObjectName {
  std::string ns;  // empty for what is in no namespace
  std::string name;
};

// Who goes first when our own rate limit or the connection's streams are short.
enum class Priority { kUrgent, kNormal, kLow };  // urgent: leases; no rate limit

struct Call {
  enum class Verb { kGet, kPost, kPut, kPatch, kDelete };

  Verb verb = Verb::kGet;
  std::string path;  // with query; already encoded
  std::string body;
  std::string content_type = "application/json";
  Priority priority = Priority::kNormal;
  // Doing it twice is doing it once, so it is repeated when nobody knows whether it was done.
  bool repeatable = false;
  // A 429 is waited out. Not so for evictions, where it is the answer.
  bool waits_when_throttled = true;
  base::Nanos timeout = 30 * base::kSecond;  // all repetitions and waiting together
  size_t most_body = 16 << 20;               // of the answer
};

using Query = std::vector<std::pair<std::string, std::string>>;

// /apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/SUBRESOURCE with what there is. An empty namespace
// of a namespaced resource means all of them.
std::string path_of(const Resource& resource, const ObjectName& name = {},
                    std::string_view subresource = {});
std::string with_query(std::string path, const Query& query);
const char* verb_name(Call::Verb verb);

Call get_path(std::string path);  // anything below the server: /version, /readyz
Call get_object(const Resource& resource, const ObjectName& name);
Call create(const Resource& resource, const std::string& ns, std::string body);
Call create_sub(const Resource& resource, const ObjectName& name, std::string_view subresource,
                std::string body);  // pods/binding, serviceaccounts/token
// Replaces the whole object. With metadata.resourceVersion in the body it is refused (409) when the
// object has changed since.
Call replace(const Resource& resource, const ObjectName& name, std::string body,
             std::string_view subresource = {});

enum class Patch { kJson, kMerge, kStrategic };
Call patch(const Resource& resource, const ObjectName& name, Patch kind, std::string body,
           std::string_view subresource = {});

// Server-side apply: `body` holds the fields that `manager` wants to own. Without `force` a field
// that somebody else owns with another value is a 409.
Call apply(const Resource& resource, const ObjectName& name, std::string body,
           const std::string& manager, bool force, std::string_view subresource = {});

struct RemoveOptions {
  std::string uid;               // only this very object
  std::string resource_version;  // only in this state
  std::string propagation;       // Foreground, Background, Orphan; empty: the server's default
  std::optional<int64_t> grace_seconds;
};
Call remove(const Resource& resource, const ObjectName& name, const RemoveOptions& options = {});
// All that the selectors name; both empty: all of the namespace.
Call remove_all(const Resource& resource, const std::string& ns, const std::string& label_selector);

// Honours disruption budgets: a 429 whose cause is DisruptionBudget says not now.
Call evict(const ObjectName& pod, const RemoveOptions& options = {});

struct ListOptions {
  std::string ns;  // empty: all
  std::string label_selector;
  std::string field_selector;
};
Call list_page(const Resource& resource, const ListOptions& options, int limit,
               const std::string& continue_token);
std::string watch_path(const Resource& resource, const ListOptions& options,
                       const std::string& resource_version, int timeout_seconds);

}  // namespace flexai::kube
