#include "agent/injection.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/log.h"
#include "model/json.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;

std::string expand(std::string text, const std::string& libdir) {
  const std::string mark = "${libdir}";
  for (size_t at; (at = text.find(mark)) != std::string::npos;)
    text.replace(at, mark.size(), libdir);
  return text;
}

base::Status add_variables(const nlohmann::json& from, const std::string& how,
                           const std::string& libdir, std::vector<Variable>* into) {
  if (!from.is_object()) return fail(Code::kCorrupt, "field \"" + how + "\" is no object");
  for (const auto& [name, content] : from.items()) {
    if (!content.is_string() || name.empty() || name.find('=') != std::string::npos)
      return fail(Code::kCorrupt, "variable \"" + name + "\" is not a text");
    into->push_back(Variable{name, expand(content.get<std::string>(), libdir), how});
  }
  return {};
}

}  // namespace

struct InjectionFile {
  std::string api;
  Injection::Entry entry;

  static base::Result<InjectionFile> read(const std::string& path, const std::string& libdir) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    FLEXAI_TRY_ASSIGN(auto parsed, model::parse_json(text.str()));
    if (!parsed.is_object() || !parsed.contains("api") || !parsed["api"].is_string())
      return fail(Code::kCorrupt, "no field \"api\"");
    InjectionFile made;
    made.api = parsed["api"].get<std::string>();
    for (const auto& [key, value] : parsed.items()) {
      if (key == "api") continue;
      if (key == "set" || key == "prepend") {
        FLEXAI_TRY(add_variables(value, key, libdir, &made.entry.direct));
      } else if (key == "served") {
        FLEXAI_TRY(add_variables(value, "set", libdir, &made.entry.served));
      } else if (key == "worker" && value.is_string()) {
        made.entry.worker = value.get<std::string>();
      } else {
        return fail(Code::kCorrupt, "unknown field \"" + key + "\"");
      }
    }
    return made;
  }
};

Injection Injection::load(const std::string& folder, const std::string& libdir) {
  Injection injection;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) {
    base::log(base::Level::kWarn, "injection", "no folder", {{"path", folder}});
    return injection;
  }
  while (dirent* entry = ::readdir(dir)) {
    std::string name = entry->d_name;
    if (name.size() < 6 || name.substr(name.size() - 5) != ".json") continue;
    auto read = InjectionFile::read(folder + "/" + name, libdir);
    if (read.ok())
      injection.by_api_[read->api] = std::move(read->entry);
    else
      base::log(base::Level::kError, "injection", "file ignored",
                {{"path", folder + "/" + name}, {"why", read.error().message}});
  }
  ::closedir(dir);
  return injection;
}

base::Result<std::vector<Variable>> Injection::collect(const std::set<std::string>& apis,
                                                       std::vector<Variable> Entry::*which) const {
  std::vector<Variable> all;
  for (const std::string& api : apis) {
    auto it = by_api_.find(api);
    if (it == by_api_.end())
      return fail(Code::kUnsupported, "programs on " + api +
                                          " cards cannot be limited: no file for "
                                          "it in share/flexai/inject; reinstall Flexai");
    for (const Variable& variable : it->second.*which) {
      if (!variable.value.empty() && variable.value[0] == '/' &&
          ::access(variable.value.c_str(), R_OK) != 0)
        return fail(
            Code::kUnavailable,
            variable.value + " is missing; reinstall Flexai (nothing is run without limits)");
      all.push_back(variable);
    }
  }
  return all;
}

base::Result<std::vector<Variable>> Injection::variables(const std::set<std::string>& apis) const {
  return collect(apis, &Entry::direct);
}

base::Result<std::vector<Variable>> Injection::served(const std::set<std::string>& apis) const {
  for (const std::string& api : apis) {
    FLEXAI_TRY_ASSIGN([[maybe_unused]] auto any, worker(api));
  }
  return collect(apis, &Entry::served);
}

base::Result<std::string> Injection::worker(const std::string& api) const {
  auto it = by_api_.find(api);
  if (it == by_api_.end() || it->second.worker.empty())
    return fail(Code::kUnsupported, "cards of " + api +
                                        " cannot be served: no worker for it in "
                                        "share/flexai/inject; leave out --isolation");
  return it->second.worker;
}

std::vector<std::string> Injection::files() const {
  std::vector<std::string> files;
  for (const auto& [api, entry] : by_api_)
    for (const Variable& variable : entry.direct)
      if (!variable.value.empty() && variable.value[0] == '/') files.push_back(variable.value);
  return files;
}

}  // namespace flexai::agent
