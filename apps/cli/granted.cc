#include "apps/cli/granted.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace flexai::apps {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {
constexpr size_t kMostHosts = 16;
}  // namespace

base::Result<std::vector<std::string>> hosts_in(const std::string& text) {
  std::vector<std::string> hosts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string host = text.substr(at, end - at);
    if (host.empty())
      return fail(Code::kInvalid, "\"" + text + "\" has an empty name; write gpu1,gpu2");
    if (std::find(hosts.begin(), hosts.end(), host) != hosts.end())
      return fail(Code::kInvalid, host + " is named twice; name each host once");
    hosts.push_back(host);
    at = end + 1;
  }
  if (hosts.size() > kMostHosts)
    return fail(Code::kInvalid, std::to_string(hosts.size()) + " hosts; a program can use 16");
  return hosts;
}

Granted::Granted(std::vector<std::string> hosts, std::string pki)
    : hosts_(std::move(hosts)), pki_(std::move(pki)) {}

Granted::~Granted() {
  LentRun::finish(lent_);
  for (size_t i = lent_.size(); i < runs_.size(); ++i)
    [[maybe_unused]] auto removed =
        clients_[i]->remove("/v1/runs/" + std::to_string(runs_[i].value("id", uint64_t{0})));
}

base::Status Granted::ask(const std::string& path, const json& body, int patience) {
  for (const std::string& host : hosts_) {
    clients_.push_back(std::make_unique<Client>());
    Client& client = *clients_.back();
    if (base::Status known = client.use_host(host, pki_); !known.ok())
      return named(host, known.error());
    auto run = client.post(path, body, patience);
    if (!run.ok()) return named(host, run.error());
    runs_.push_back(std::move(*run));
  }
  for (size_t i = 0; i < runs_.size(); ++i)
    if (base::Status lent = LentRun::begin(*clients_[i], runs_[i], lent_); !lent.ok())
      return named(hosts_[i], lent.error());
  return {};
}

base::Error Granted::named(const std::string& host, const base::Error& error) const {
  const bool says = hosts_.size() == 1 || error.message.find(host) != std::string::npos;
  return fail(error.code, says ? error.message : host + ": " + error.message);
}

}  // namespace flexai::apps
