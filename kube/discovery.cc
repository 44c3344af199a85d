#include "kube/discovery.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <tuple>

#include "model/json.h"

namespace flexai::kube {
namespace {

using base::Code;
using nlohmann::json;

std::string text_at(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// Providers write "36+".
int leading_number(const std::string& text) {
  int number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

base::Result<ServerVersion> version_of(std::string_view body) {
  auto root = model::parse_json(body);
  if (!root.ok() || !root->is_object())
    return base::fail(Code::kCorrupt, "the server's version is no JSON object");
  ServerVersion version;
  version.major = leading_number(text_at(*root, "major"));
  version.minor = leading_number(text_at(*root, "minor"));
  version.text = text_at(*root, "gitVersion");
  if (version.major < 0 || version.minor < 0)
    return base::fail(Code::kCorrupt, "the server does not say its version");
  if (version.text.empty())
    version.text = "v" + std::to_string(version.major) + "." + std::to_string(version.minor);
  const std::pair acts(leading_number(text_at(*root, "emulationMajor")),
                       leading_number(text_at(*root, "emulationMinor")));
  if (acts.first >= 0 && acts.second >= 0 && acts < std::pair(version.major, version.minor)) {
    std::tie(version.major, version.minor) = acts;
    version.text +=
        ", which acts as " + std::to_string(acts.first) + "." + std::to_string(acts.second) + ",";
  }
  return version;
}

base::Status at_least(const ServerVersion& version, int major, int minor, std::string_view need) {
  if (std::pair(version.major, version.minor) >= std::pair(major, minor)) return {};
  std::string wanted = std::to_string(major) + "." + std::to_string(minor);
  return base::fail(Code::kUnsupported, "Kubernetes " + version.text +
                                            " is too old: " + std::string(need) + " need " +
                                            wanted + " or later; upgrade the cluster");
}

std::string group_path(const Resource& resource) {
  return resource.group.empty() ? "/api/" + resource.version
                                : "/apis/" + resource.group + "/" + resource.version;
}

base::Result<bool> offers(std::string_view body, const Resource& resource,
                          std::string_view subresource) {
  auto root = model::parse_json(body);
  auto list = root.ok() && root->is_object() ? root->find("resources") : json::iterator();
  if (!root.ok() || !root->is_object() || list == root->end() || !list->is_array())
    return base::fail(Code::kCorrupt, "the server's list of resources is not one");
  std::string name = resource.plural;
  if (!subresource.empty()) (name += '/') += subresource;
  for (const json& one : *list)
    if (one.is_object() && text_at(one, "name") == name) return true;
  return false;
}

}  // namespace flexai::kube
