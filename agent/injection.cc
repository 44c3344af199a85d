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

base::Result<std::pair<std::string, std::vector<Variable>>> read_file(const std::string& path,
                                                                      const std::string& libdir) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  FLEXAI_TRY_ASSIGN(auto parsed, model::parse_json(text.str()));
  if (!parsed.is_object() || !parsed.contains("api") || !parsed["api"].is_string())
    return fail(Code::kCorrupt, "no field \"api\"");
  std::vector<Variable> variables;
  for (const auto& [key, value] : parsed.items()) {
    if (key == "api") continue;
    if ((key != "set" && key != "prepend") || !value.is_object())
      return fail(Code::kCorrupt, "unknown field \"" + key + "\"");
    for (const auto& [name, content] : value.items()) {
      if (!content.is_string() || name.empty() || name.find('=') != std::string::npos)
        return fail(Code::kCorrupt, "variable \"" + name + "\" is not a text");
      variables.push_back(Variable{name, expand(content.get<std::string>(), libdir), key});
    }
  }
  return std::pair(parsed["api"].get<std::string>(), variables);
}

}  // namespace

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
    auto read = read_file(folder + "/" + name, libdir);
    if (read.ok())
      injection.by_api_[read->first] = read->second;
    else
      base::log(base::Level::kError, "injection", "file ignored",
                {{"path", folder + "/" + name}, {"why", read.error().message}});
  }
  ::closedir(dir);
  return injection;
}

base::Result<std::vector<Variable>> Injection::variables(const std::set<std::string>& apis) const {
  std::vector<Variable> all;
  for (const std::string& api : apis) {
    auto it = by_api_.find(api);
    if (it == by_api_.end())
      return fail(Code::kUnsupported, "programs on " + api +
                                          " cards cannot be limited: no file for "
                                          "it in share/flexai/inject; reinstall Flexai");
    for (const Variable& variable : it->second) {
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

std::vector<std::string> Injection::files() const {
  std::vector<std::string> files;
  for (const auto& [api, variables] : by_api_)
    for (const Variable& variable : variables)
      if (!variable.value.empty() && variable.value[0] == '/') files.push_back(variable.value);
  return files;
}

}  // namespace flexai::agent
