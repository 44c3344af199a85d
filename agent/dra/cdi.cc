#include "agent/dra/cdi.h"

#include <unistd.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/dra/file.h"
#include "agent/sessions.h"

namespace flexai::agent::dra {

using nlohmann::json;

namespace {

constexpr const char* kPrefix = "xpu.flexai.io-";
constexpr const char* kSuffix = ".json";

json mount(const std::string& from, const std::string& to, bool runs) {
  json options = {"ro", "nosuid", "nodev", "bind"};
  if (!runs) options.push_back("noexec");
  return {{"hostPath", from}, {"containerPath", to}, {"options", options}};
}

// In the container's own namespaces, when its files are together and it runs nothing yet.
json hook(const std::string& program) {
  constexpr int kSeconds = 5;
  return {{"hookName", "createContainer"},
          {"path", program},
          {"args", {program.substr(program.rfind('/') + 1)}},
          {"timeout", kSeconds}};
}

}  // namespace

std::string cdi_id(const std::string& slice) { return std::string(kCdiKind) + "=" + slice; }

std::string cdi_file(const std::string& folder, const std::string& claim_uid) {
  return folder + "/" + kPrefix + claim_uid + kSuffix;
}

std::string cdi_text(const std::vector<CdiSlice>& slices, const std::vector<Variable>& variables,
                     const std::string& image_check) {
  std::map<std::string, std::string> libraries;  // inside, here
  json env = json::array({std::string("FLEXAI_WORKER=doors:") + kPodDoors});
  for (const Variable& variable : variables) {
    std::string value = variable.value;
    if (!value.empty() && value[0] == '/') {
      value = std::string(kPodLibraries) + value.substr(value.rfind('/'));
      libraries[value] = variable.value;
    }
    env.push_back(variable.name + "=" + value);
  }
  json devices = json::array();
  for (const CdiSlice& slice : slices) {
    json mounts = json::array();
    for (const auto& [inside, here] : libraries) mounts.push_back(mount(here, inside, true));
    mounts.push_back(mount(slice.folder, std::string(kPodDoors) + "/" + slice.name, false));
    devices.push_back(
        {{"name", slice.name}, {"containerEdits", {{"env", env}, {"mounts", mounts}}}});
  }
  json file = {{"cdiVersion", "0.3.0"}, {"kind", kCdiKind}, {"devices", devices}};
  // Once, however many of its slices a container is given.
  if (!image_check.empty()) file["containerEdits"]["hooks"] = json::array({hook(image_check)});
  return file.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

base::Status write_cdi(const std::string& folder, const std::string& claim_uid,
                       const std::string& text) {
  const std::string path = cdi_file(folder, claim_uid);
  if (auto there = read_file(path); there.ok() && *there == text) return {};
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return write_file(path, text, 0644);
}

void remove_cdi(const std::string& folder, const std::string& claim_uid) {
  ::unlink(cdi_file(folder, claim_uid).c_str());
}

std::vector<std::string> claims_with_cdi(const std::string& folder) {
  std::vector<std::string> claims;
  const size_t around = std::string(kPrefix).size() + std::string(kSuffix).size();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.size() > around && name.starts_with(kPrefix) && name.ends_with(kSuffix))
      claims.push_back(name.substr(std::string(kPrefix).size(), name.size() - around));
  }
  return claims;
}

}  // namespace flexai::agent::dra
