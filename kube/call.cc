#include "kube/call.h"

#include <nlohmann/json.hpp>

namespace flexai::kube {
namespace {

using json = nlohmann::json;

// RFC 3986: everything but what is unreserved.
void append_encoded(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (char c : text) {
    auto u = static_cast<unsigned char>(c);
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '.' || c == '_' || c == '~';
    if (plain)
      out += c;
    else
      (out += '%') += {kDigits[u >> 4], kDigits[u & 15]};
  }
}

void append_segment(std::string& path, std::string_view text) {
  path += '/';
  append_encoded(path, text);
}

Call call_of(Call::Verb verb, std::string path, std::string body = {}) {
  Call call;
  call.verb = verb;
  call.path = std::move(path);
  call.body = std::move(body);
  call.repeatable = verb == Call::Verb::kGet || verb == Call::Verb::kPut;
  return call;
}

// Texts from elsewhere may be no UTF-8, which dump() would throw for.
std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json options_json(const RemoveOptions& options) {
  json body = {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty())
    body["preconditions"]["resourceVersion"] = options.resource_version;
  if (!options.propagation.empty()) body["propagationPolicy"] = options.propagation;
  if (options.grace_seconds) body["gracePeriodSeconds"] = *options.grace_seconds;
  return body;
}

Query selectors(const ListOptions& options) {
  Query query;
  if (!options.label_selector.empty()) query.emplace_back("labelSelector", options.label_selector);
  if (!options.field_selector.empty()) query.emplace_back("fieldSelector", options.field_selector);
  return query;
}

}  // namespace

const char* verb_name(Call::Verb verb) {
  static constexpr const char* kNames[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
  return kNames[static_cast<int>(verb)];
}

std::string path_of(const Resource& resource, const ObjectName& name,
                    std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api" : "/apis";
  if (!resource.group.empty()) append_segment(path, resource.group);
  append_segment(path, resource.version);
  if (resource.namespaced && !name.ns.empty()) {
    path += "/namespaces";
    append_segment(path, name.ns);
  }
  append_segment(path, resource.plural);
  if (!name.name.empty()) append_segment(path, name.name);
  if (!subresource.empty()) append_segment(path, subresource);
  return path;
}

std::string with_query(std::string path, const Query& query) {
  char mark = '?';
  for (const auto& [key, value] : query) {
    path += std::exchange(mark, '&');
    append_encoded(path, key);
    path += '=';
    append_encoded(path, value);
  }
  return path;
}

Call get_path(std::string path) { return call_of(Call::Verb::kGet, std::move(path)); }

Call get_object(const Resource& resource, const ObjectName& name) {
  return call_of(Call::Verb::kGet, path_of(resource, name));
}

Call create(const Resource& resource, const std::string& ns, std::string body) {
  return call_of(Call::Verb::kPost, path_of(resource, {ns, ""}), std::move(body));
}

Call create_sub(const Resource& resource, const ObjectName& name, std::string_view subresource,
                std::string body) {
  return call_of(Call::Verb::kPost, path_of(resource, name, subresource), std::move(body));
}

Call replace(const Resource& resource, const ObjectName& name, std::string body,
             std::string_view subresource) {
  return call_of(Call::Verb::kPut, path_of(resource, name, subresource), std::move(body));
}

Call patch(const Resource& resource, const ObjectName& name, Patch kind, std::string body,
           std::string_view subresource) {
  static constexpr const char* kTypes[] = {"application/json-patch+json",
                                           "application/merge-patch+json",
                                           "application/strategic-merge-patch+json"};
  Call call = call_of(Call::Verb::kPatch, path_of(resource, name, subresource), std::move(body));
  call.content_type = kTypes[static_cast<int>(kind)];
  call.repeatable = kind == Patch::kMerge;
  return call;
}

Call apply(const Resource& resource, const ObjectName& name, std::string body,
           const std::string& manager, bool force, std::string_view subresource) {
  Query query = {{"fieldManager", manager}};
  if (force) query.emplace_back("force", "true");
  Call call = call_of(Call::Verb::kPatch, with_query(path_of(resource, name, subresource), query),
                      std::move(body));
  call.content_type = "application/apply-patch+yaml";  // of which JSON is a part
  call.repeatable = true;
  return call;
}

Call remove(const Resource& resource, const ObjectName& name, const RemoveOptions& options) {
  Call call = call_of(Call::Verb::kDelete, path_of(resource, name), text_of(options_json(options)));
  // Without the uid a repetition could meet a new object of the same name.
  call.repeatable = !options.uid.empty();
  return call;
}

Call remove_all(const Resource& resource, const std::string& ns,
                const std::string& label_selector) {
  std::string path = with_query(path_of(resource, {ns, ""}), selectors({ns, label_selector, ""}));
  return call_of(Call::Verb::kDelete, std::move(path));
}

Call evict(const ObjectName& pod, const RemoveOptions& options) {
  json body = {{"kind", "Eviction"},
               {"apiVersion", "policy/v1"},
               {"metadata", {{"name", pod.name}, {"namespace", pod.ns}}},
               {"deleteOptions", options_json(options)}};
  Call call = create_sub(kPods, pod, "eviction", text_of(body));
  call.waits_when_throttled = false;
  return call;
}

Call list_page(const Resource& resource, const ListOptions& options, int limit,
               const std::string& continue_token) {
  Query query = selectors(options);
  if (limit > 0) query.emplace_back("limit", std::to_string(limit));
  if (!continue_token.empty()) query.emplace_back("continue", continue_token);
  return call_of(Call::Verb::kGet, with_query(path_of(resource, {options.ns, ""}), query));
}

std::string watch_path(const Resource& resource, const ListOptions& options,
                       const std::string& resource_version, int timeout_seconds) {
  Query query = selectors(options);
  query.emplace_back("watch", "1");
  query.emplace_back("allowWatchBookmarks", "true");
  query.emplace_back("timeoutSeconds", std::to_string(timeout_seconds));
  query.emplace_back("resourceVersion", resource_version);
  return with_query(path_of(resource, {options.ns, ""}), query);
}

}  // namespace flexai::kube
